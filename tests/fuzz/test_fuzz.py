"""Whatever is in a case file or a mesh file: a clear error or a case, in time, nothing touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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


@pytest.mark.full
def test_ten_thousand_case_texts(cwd: Path, reached: Callable[..., None]) -> None:
    found = fuzz(10_000, 2, cwd)
    reached("texts that were refused or are a case", found["valid"] + found["refused"],
            least=10_000)
    reached("share that stayed valid and was compared",
            (found["the same case"] + found["compared"]) / 10_000, least=0.2)
    reached("slowest", found["slowest"] / 1e3, most=5.0, unit="s")
