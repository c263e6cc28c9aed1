"""Whatever is in a case file or a mesh file: a clear error or a case, in time, nothing touched."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.case.files import to_toml
from tests.case.base import EVERYTHING
from tests.conftest import ROOT, environment

from .texts import fuzz


@pytest.fixture
def cwd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A scratch folder; the working folder is put back."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_case_texts(cwd: Path) -> None:
    found = fuzz(300, 1, cwd)
    assert found["valid"] + found["refused"] == 300
    assert found["valid"] >= 60 and found["slowest"] < 5000, found


def test_a_very_long_text_in_each_place(tmp_path: Path) -> None:
    """Every text of a case in turn: at most the time of a few cases, and an error of some lines."""
    text = to_toml(EVERYTHING)
    places = [*re.finditer(r'"[^"\n]*"', text)]
    assert len(places) > 80
    Case.from_dict(tomllib.loads(text), folder=tmp_path)  # loads the table of units
    slowest = 0.0
    for place in places:
        changed = text[: place.start()] + '"' + 50_000 * "a" + '"' + text[place.end() :]
        began = time.process_time()
        try:
            Case.from_dict(tomllib.loads(changed), folder=tmp_path)
        except CaseError as error:
            assert len(str(error)) < 20_000, (place, str(error)[:300])
        slowest = max(slowest, time.process_time() - began)
    assert slowest < 1.0


@pytest.mark.campaign
def test_ten_thousand_case_texts(cwd: Path, reached: Callable[..., None]) -> None:
    found = fuzz(10_000, 2, cwd)
    reached("texts that were refused or are a case", found["valid"] + found["refused"],
            least=10_000)
    reached("share that stayed valid and was compared",
            (found["the same case"] + found["compared"]) / 10_000, least=0.2)
    reached("slowest, CPU time", found["slowest"] / 1e3, most=5.0, unit="s")


def meshes(count: int, seed: int, folder: Path, timeout: float) -> list[dict[str, Any]]:
    """Outcomes of mutated meshes; none hangs, crashes, shows a traceback or touches results."""
    command = [sys.executable, "-m", "tests.fuzz.meshes", str(count), str(seed), str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == count
    wrong = [row for row in rows if row["problem"]]
    assert not wrong, f"{wrong}; the files are in {folder}"
    return rows


def test_meshes(tmp_path: Path) -> None:
    rows = meshes(15, 11, tmp_path / "m", 280)
    assert sum(row["code"] == 0 for row in rows) >= 3
    assert len({row["what"] for row in rows}) >= 8
    assert {0, 1} <= {row["code"] for row in rows}


@pytest.mark.campaign
def test_five_hundred_meshes(tmp_path: Path, reached: Callable[..., None]) -> None:
    rows = meshes(500, 7, tmp_path / "m", 3.9 * 3600)
    valid = [row for row in rows if row["code"] == 0]
    same = [row for row in rows if row["same"]]
    reached("meshes without hang, crash, traceback or touched results", len(rows), least=500)
    reached("share that stayed valid", len(valid) / len(rows), least=0.2)
    reached("share that is the same mesh and was compared", len(same) / len(rows), least=0.2)
    reached("largest relative change where the mesh is the same", max(r["gap"] for r in same),
            most=1e-9)
    reached("slowest, CPU time", max(row["seconds"] for row in rows), most=20.0, unit="s")
