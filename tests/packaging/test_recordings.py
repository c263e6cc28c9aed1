"""Recordings of small cases by `scripts/record.py`, and what their comparison finds."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.case.tables import STUDIES
from fem.physics.metal.table import Growth
from fem.physics.nuclei.table import Nuclei
from tests.conftest import ROOT

RECORD: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "record.py"))
STEPS = {"plate", "strip", "rest", "hold", "pulse", "cycle"}
CASE = "primary"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of one case."""
    folder = tmp_path_factory.mktemp("recorded")
    RECORD["record"](CASE, folder / CASE, ROOT)
    return folder


def compare(a: Path, b: Path) -> list[str]:
    found: list[str] = RECORD["compare"](a, b)
    return found


def test_the_cases_cover_what_there_is() -> None:
    """Each study, each protocol step, both solvers, several ranks, a resumed run; all valid."""
    cases = {name: Case.load(str(RECORD["CASES"] / f"{name}.toml")) for name in RECORD["names"]()}
    assert len(cases) == 14
    assert {case.study for case in cases.values()} == {*STUDIES}
    assert {step.step for case in cases.values() for step in case.protocol} == STEPS
    rules = {RECORD["rule"](name) for name in cases}
    assert rules == {0.0, 1e-12, 1e-9}
    assert {*RECORD["RANKS"], *RECORD["RESUMED"]} <= {*cases}
    growing = [case for case in cases.values() if case.table(Growth) is not None]
    assert any(case.tables(Nuclei) for case in growing)
    assert any(table.anisotropy for case in growing if (table := case.table(Growth)))
    assert any(case.hooks for case in growing)


def test_a_case_recorded_twice_is_equal(recorded: Path, tmp_path: Path) -> None:
    RECORD["record"](CASE, tmp_path / CASE, ROOT)
    assert compare(recorded, tmp_path) == []
    assert json.loads((recorded / CASE / "inside.json").read_text())["forms"] > 10
    assert not RECORD["MAKING"] & {*json.loads((recorded / CASE / "summary.json").read_text())}


def change_array(folder: Path) -> None:
    with np.load(folder / "arrays.npz") as file:
        arrays = {name: file[name] for name in file.files}
    arrays["pore.phi_l"].view(np.int64)[3] ^= 1
    np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]


def change_series(folder: Path) -> None:
    header, row = (folder / "series.csv").read_text().splitlines()
    names, values = header.split(","), row.split(",")
    voltage = names.index("voltage [V]")
    values[voltage] = repr(float(np.nextafter(float(values[voltage]), 0.0)))
    order = range(len(names))[::-1]  # the order of columns does not matter
    lines = [",".join(line[k] for k in order) for line in (names, values)]
    (folder / "series.csv").write_text("\n".join(lines) + "\n")


def lose_array(folder: Path) -> None:
    with np.load(folder / "arrays.npz") as file:
        arrays = {name: file[name] for name in file.files if name != "rank0.phi_l"}
    np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]


def in_json(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        data = json.loads((folder / file).read_text())
        change(data)
        (folder / file).write_text(json.dumps(data))

    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_array, f"{CASE}: arrays.npz: pore.phi_l: 1 of 235 differ, most number 3, "),
        (change_series, f"{CASE}: series.csv: voltage [V]: -0.00034"),
        (lose_array, f"{CASE}: arrays.npz: rank0.phi_l: only in the first"),
        (
            in_json("inside.json", lambda d: d.update(forms=d["forms"] + 1)),
            f"{CASE}: inside.json: forms: 13 and 14, by",
        ),
        (
            in_json("inside.json", lambda d: d["stages"][0].pop()),
            f"{CASE}: inside.json: stages.0.1: only in the first",
        ),
        (
            in_json("summary.json", lambda d: d["warnings"].append("something")),
            f"{CASE}: summary.json: warnings",
        ),
    ],
)
def test_one_change_is_found(
    change: Callable[[Path], None], message: str, recorded: Path, tmp_path: Path
) -> None:
    """The last bit of one number, an array, a form, a word: one line, which names it."""
    shutil.copytree(recorded, tmp_path / "b")
    change(tmp_path / "b" / CASE)
    found = compare(recorded, tmp_path / "b")
    assert found and all(line.startswith(message[: message.rindex(":")]) for line in found), found
    assert message in found[0]


@pytest.mark.parametrize("rule", [1e-12, 1e-9])
def test_on_ranks_and_by_iteration_a_little_is_allowed(
    rule: float, recorded: Path, tmp_path: Path
) -> None:
    """Half of the tolerance passes, twice of it does not; of relative errors 1 is the measure."""

    def moved(name: str, by: float) -> Path:
        folder = tmp_path / name / CASE
        shutil.copytree(recorded / CASE, folder)
        with np.load(folder / "arrays.npz") as file:
            arrays = {name: file[name] for name in file.files}
        arrays["pore.phi_l"] += by * np.abs(arrays["pore.phi_l"]).max()
        np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]
        in_json("summary.json", lambda d: d["closures"].update(collector=by))(folder)
        in_json("inside.json", lambda d: d.update(rule=rule))(folder)
        return folder.parent

    still = moved("still", 0.0)
    assert compare(still, moved("half", 0.5 * rule)) == []
    found = compare(still, moved("twice", 2.0 * rule))
    assert [line.split(": ")[2] for line in found] == ["closures.collector", "pore.phi_l"]
    assert f"{rule:g} allowed" in found[1]


def test_recordings_of_different_cases_are_told(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    assert compare(recorded, tmp_path / "b") == [
        f"{CASE}: only in {recorded}",
        f"{recorded}, {tmp_path / 'b'}: no case that both recorded",
    ]
