"""Sweeps: their table, what goes on, what fails, and parts of it in other processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from fem import Case
from fem.base.errors import CaseError
from fem.cli.main import main
from fem.post.sweep import DRAWN, DRAWN_HELD, WORDS, _in, _label, _line, _unit, draw_sweep
from fem.run import sweep as module
from fem.run.sweep import axes_of, gather, latin, left, points, ranges_of, share
from tests.verification.cells import PLAIN, case

#: A strip without salt to follow: V = -i L/kappa and the kinetics of a fast counter electrode.
STRIP = {
    "study": "secondary", "materials": {"ideal": PLAIN},
    "geometry": {"family": "planar", "length": "100 um", "size": "50 um", "size_width": "10 um"},
}
CURRENT = "protocol.0.current_density"


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_values_of_axes_are_parted_where_they_should() -> None:
    found = axes_of(["a.b=1 mA/cm^2,2 mA/cm^2", "c=[1, 2],[3]", 'd="x, y",z'], "1:3")
    assert found == {"a.b": ["1 mA/cm^2", "2 mA/cm^2"], "c": ["[1, 2]", "[3]"],
                     "d": ['"x, y"', "z"], "geometry.seed": ["1", "2", "3"]}
    assert len(points(found)) == 2 * 2 * 2 * 3
    for wrong, seeds in ((["a"], ""), (["a=1", "a=2"], ""), ([], "x:y")):
        with pytest.raises(CaseError, match="sweep: "):
            axes_of(wrong, seeds)


def test_values_from_python_are_what_the_command_reads(tmp_path: Path) -> None:
    """Tables, lists, numbers of numpy and truth values reach the case as they are."""
    axes: dict[str, Any] = {
        "kinetics": [[], [{"surface": "collector", "i0": "2 A/m^2"}]],
        "geometry.size_width": ["10 um"], "output.figures": [True],
        "geometry.dimension": np.array([2]),
    }
    here = Case.from_dict(case(**STRIP))
    module._claim(tmp_path / "s", here, axes, [])
    second = module._points_in(tmp_path / "s")[1]
    assert second == {"kinetics": '[{surface = "collector", i0 = "2 A/m^2"}]',
                      "geometry.size_width": "10 um", "output.figures": "true",
                      "geometry.dimension": "2"}
    changed = module._changed(here, {"kinetics": second["kinetics"]}, hooks=False)
    assert changed.kinetics[0].surface == "collector"
    with pytest.raises(CaseError, match="None is no value of a case"):
        module._claim(tmp_path / "t", here, {"title": [None]}, [])


def test_a_row_for_each_point_and_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed points are rows; a second call runs what is new only."""
    axes: dict[str, Any] = {CURRENT: ["10 A/m^2", "20 A/m^2", "so much"]}
    here = Case.from_dict(case(**STRIP))
    rows = here.sweep(axes, tmp_path / "s")
    assert [row["status"] for row in rows] == ["done", "done", "failed"]
    assert "so much" in rows[2]["error"] and "voltage" not in rows[2]
    ohmic = [row["voltage_parts.ohmic_l"] for row in rows[:2]]
    assert ohmic == pytest.approx([-1e-3, -2e-3], rel=1e-6)
    assert [row["status"] for row in table(tmp_path / "s")] == ["done", "done", "failed"]
    solved: list[Any] = []
    once = module._solve

    def solve(case: Any, point: Any, *more: Any) -> Any:
        solved.append(point)
        return once(case, point, *more)

    monkeypatch.setattr(module, "_solve", solve)
    axes[CURRENT].insert(1, "15 A/m^2")
    rows = here.sweep(axes, tmp_path / "s")
    assert solved == [{CURRENT: "15 A/m^2"}]
    assert [row["status"] for row in rows] == ["done", "done", "done", "failed"]
    with pytest.raises(CaseError, match="holds a sweep of another case"):
        here.with_(temperature="300 K").sweep(axes, tmp_path / "s")


def test_jobs_of_an_array_share_the_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs 3 and 5 of 3-5:2 take every second point."""
    axes = {CURRENT: ["10 A/m^2", "20 A/m^2", "30 A/m^2"]}
    here = Case.from_dict(case(**STRIP))
    assert share(3) is None
    for name, value in {"ID": "5", "MIN": "3", "STEP": "2", "COUNT": "2"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert share(3) == (1, 2)
    here.sweep(axes, tmp_path / "s", part=share(3))
    assert [p[CURRENT] for p in left(tmp_path / "s")] == ["10 A/m^2", "30 A/m^2"]
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert len(here.sweep(axes, tmp_path / "s", part=share(3))) == 3
    monkeypatch.setenv("SLURM_ARRAY_TASK_MAX", "5")
    assert share(3) == (0, 2)
    monkeypatch.setenv("SLURM_ARRAY_TASK_MAX", "9")  # as --array=3,9
    with pytest.raises(CaseError, match=r"leaves out indices.*--array=0-1"):
        share(3)


def test_processes_of_a_job_share_its_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes in each of three jobs of an array: six parts, each once."""
    submitted = []

    def start(command: list[str], env: dict[str, str]) -> Any:
        submitted.append((command[3:], env["SLURM_ARRAY_TASK_ID"], env["SLURM_ARRAY_TASK_COUNT"]))
        return SimpleNamespace(wait=lambda: None, poll=lambda: 0)

    monkeypatch.setattr(module.subprocess, "Popen", start)
    for job in (0, 1, 2):
        module._in_processes(tmp_path, 2, ["sweep", "x"], (job, 3))
    assert submitted == [(["sweep", "x"], str(k), "6") for k in range(6)]


def test_a_command_in_two_processes_writes_table_and_map(tmp_path: Path) -> None:
    Case.from_dict(case(**STRIP))
    file = tmp_path / "strip.toml"
    file.write_text(Case.from_dict(case(**STRIP)).to_toml())
    out = tmp_path / "s"
    code = main(["sweep", str(file), "--set", f"{CURRENT}=10 A/m^2,20 A/m^2", "--set",
                 "kinetics.0.i0=10 A/m^2,bad", "--jobs", "2", "--out", str(out),
                 "--plot", "voltage"])
    assert code == 0
    assert sorted(row["status"] for row in table(out)) == ["done", "done", "failed", "failed"]
    misspelt = ["sweep", str(file), "--set", "geometry.lenght=1 um,2 um"]
    assert main([*misspelt, "--out", str(tmp_path / "none")]) == 2
    image = 255 * imread(out / "voltage.png")[:, :, :3]
    for colour in ((253, 231, 36), (68, 1, 84)):  # both ends of the scale are on the map
        assert (np.abs(image - colour).max(axis=2) < 3).sum() > 2000
    with pytest.raises(CaseError, match="did you mean"):
        draw_sweep(out, gather(out), ["voltag"])


@pytest.mark.parametrize("cycled", [False, True])
def test_a_held_voltage_is_not_mapped_but_what_answers(cycled: bool, tmp_path: Path) -> None:
    hold = '[[protocol.steps]]\nstep = "hold"' if cycled else '[[protocol]]\nstep = "hold"'
    head = '[[protocol]]\nstep = "cycle"\n' if cycled else '[[protocol]]\nstep = "rest"\n'
    path = "protocol.1.voltage"
    record = {"case": head + hold, "axes": {path: ["-50 mV", "-100 mV"]}}
    (tmp_path / "sweep.json").write_text(json.dumps(record))
    rows = [{path: f"{v} mV", "status": "done", "voltage": 1e-3 * v, "current_density": 1.0 * v,
             "charge": 60.0 * v} for v in (-50, -100)]
    drawn = [file.stem for file in draw_sweep(tmp_path, rows)]
    assert drawn == ["current_density", "charge"]
    (tmp_path / "sweep.json").write_text(json.dumps(record | {"case": head}))
    assert [file.stem for file in draw_sweep(tmp_path, rows)] == ["voltage"]


def test_a_hypercube_has_one_point_in_each_part_of_every_range() -> None:
    ranges = ranges_of(["a.b=1 mA/cm^2,5 mA/cm^2", "c=1 S/m,1e4 S/m,log", "d=0.2,0.8"])
    found = latin(ranges, 8, seed=3)
    assert found == latin(ranges, 8, seed=3) != latin(ranges, 8, seed=4)
    assert {p["a.b"].partition(" ")[2] for p in found} == {"mA/cm^2"}
    shares = np.array([[
        (float(p["a.b"].split()[0]) - 1) / 4, np.log10(float(p["c"].split()[0])) / 4,
        (float(p["d"]) - 0.2) / 0.6] for p in found])
    for column in (8 * shares).astype(int).T:
        assert sorted(column) == [*range(8)]
    assert latin(ranges_of(["c=1S/m,10S/m"]), 2, 3) == latin(ranges_of(["c=1 S/m,10 S/m"]), 2, 3)
    for wrong in ("a=1 m", "a=1 m,2 um", "a=2 m,1 m", "a=-1,1,log", "a=1,2,cubic"):
        with pytest.raises(CaseError, match="sweep: "):
            ranges_of([wrong])


def test_a_sample_is_run_noted_and_drawn(tmp_path: Path) -> None:
    """V = -i L/kappa of each point; the same call runs nothing again."""
    here = Case.from_dict(case(**STRIP))
    sample = latin(ranges_of([f"{CURRENT}=1 A/m^2,9 A/m^2"]), 3)
    rows = here.sweep({}, tmp_path / "s", sample=sample)
    assert [row[CURRENT] for row in rows] == [point[CURRENT] for point in sample]
    slopes = [row["voltage"] / float(row[CURRENT].split()[0]) for row in rows]
    assert slopes == pytest.approx([slopes[0]] * 3, rel=2e-3)
    assert next(iter(table(tmp_path / "s")[0])) == CURRENT
    assert here.sweep({}, tmp_path / "s", sample=sample) == rows
    more = latin(ranges_of([f"{CURRENT}=1 A/m^2,9 A/m^2"]), 1, seed=2)
    assert here.sweep({}, tmp_path / "s", sample=more)[:3] == rows  # none is lost
    assert len(table(tmp_path / "s")) == 4
    (image,) = [f for f in draw_sweep(tmp_path / "s", rows) if f.stem == "voltage"]
    assert imread(image).shape[0] > 200
    with pytest.raises(CaseError, match="has values and a range"):
        here.sweep({CURRENT: ["1 A/m^2"]}, tmp_path / "t", sample=sample)


def test_axes_have_the_unit_that_values_were_given_in() -> None:
    assert _in(_unit("'4 mA/cm^2'"), "40 A/m^2") == pytest.approx(4.0)
    assert _in(_unit("25 degC"), "308.15 K") == pytest.approx(35.0)  # a zero of its own
    assert _in(_unit("0.5"), "0.7") == 0.7
    assert _label("x", "mA/cm^2") == "x (mA/cm²)" and _label("x", "") == "x"
    assert WORDS.keys() <= {*DRAWN, *DRAWN_HELD}


def test_values_that_are_texts_stand_as_such_along_the_axis() -> None:
    """A unit that is misspelt, or a material: no number is made up for it."""
    for values, ticks, where in ((["-20 mV", "-5 mv"], ["-20 mV", "-5 mv"], 0.0),
                                 (["-20 mV", "-5000 uV"], None, -20.0)):
        rows = [{"a.b": values[0], "voltage": -0.01}, {"a.b": values[1]}]
        ax = _line(rows, ["a.b"], {"a.b": values}, "voltage").axes[0]
        assert ax.lines[0].get_xdata() == pytest.approx([where])
        if ticks:
            assert [tick.get_text() for tick in ax.get_xticklabels()] == ticks
        assert ax.get_xlabel() == ("a.b" if ticks else "a.b (mV)")
