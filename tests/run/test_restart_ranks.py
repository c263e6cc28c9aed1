"""A state written on N ranks goes on on M: the same numbers to rounding, nothing lost or doubled.

Each case is stopped on its way on one and two ranks and taken up on one, two and three; the run on
one rank that nobody disturbed is the measure. One case plates on walls, the other one grows metal:
its random nuclei, its dead metal and its cycles are part of the state.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.case import Case
from fem.errors import Interrupted
from fem.events import StopRequest
from fem.results import Result
from fem.run import resume

from .cases import GROWING, SMALL

pytestmark = pytest.mark.undisturbed

FILM: dict[str, Any] = {
    **SMALL,
    "protocol": [{
        "step": "cycle", "cycles": 2, "steps": [
            {"step": "plate", "current_density": "2 mA/cm^2", "duration": "12 s"},
            {"step": "strip", "current_density": "1 mA/cm^2", "cutoff": "0.2 V", "duration": "8 s"},
        ],
    }],
    "time": {"dt0": "0.1 s", "tolerance": 5e-3},
    "solver": {"kind": "direct", "rtol": 1e-10},
    "output": {"figures": False, "fields_every": "5 s"},
    "probe": [
        {"name": "near", "field": "c", "surface": "host_bottom/electrolyte"},
        {"name": "cut", "field": "c", "line": [["1 um", "31 um"], ["1 um", "79 um"]], "samples": 3},
    ],
}  # fmt: skip
#: Case, number of the step after which it is stopped, bound of relative differences.
CASES: dict[str, tuple[dict[str, Any], int, float]] = {
    "film": (FILM, 27, 1e-10),
    "growing": (GROWING, 9, 1e-7),
}
NUMBERS = ("voltage", "charge", "plated", "dead", "c_min", "c_max", "xi_max", "tip")


def half(name: str, folder: str) -> None:
    """Run a case until its stop (collective)."""
    data, steps, _ = CASES[name]
    asked = iter(range(1, 10**6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            StopRequest, "agreed", lambda self: signal.SIGUSR1 if next(asked) == steps else 0
        )
        with pytest.raises(Interrupted):
            Case.from_dict(data).run(Path(folder))


def work(root: str, ranks: int) -> None:
    """What is done on two and on three ranks."""
    for name in CASES:
        folder = Path(root) / name
        if ranks == 2:
            resume(folder / "1to2")
            if name == "film":
                half(name, str(folder / "half2"))
        elif name == "film":
            resume(folder / "2to3")


def growing_metal(folder: str, ranks: int) -> None:
    """The rest for growing metal, as jobs of their own."""
    if ranks == 2:
        half("growing", f"{folder}/half2")
    else:
        resume(Path(folder) / "2to3")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, mpirun: Callable[..., Any]) -> Path:
    """`<case>/<1to1, 1to2, 2to1, 2to3>`, gone on with, without `FULL`; and `<case>/whole`."""
    root = tmp_path_factory.mktemp("ranks")
    for name, (data, _, _) in CASES.items():
        Case.from_dict(data).run(root / name / "whole")
        half(name, str(root / name / "1to1"))
        shutil.copytree(root / name / "1to1", root / name / "1to2")
        resume(root / name / "1to1")
    mpirun(2, work, str(root), 2)
    _on_one_and_three(root / "film")
    mpirun(3, work, str(root), 3)
    return root


def _on_one_and_three(folder: Path) -> None:
    shutil.copytree(folder / "half2", folder / "2to3")
    shutil.copytree(folder / "half2", folder / "2to1")
    resume(folder / "2to1")


WAYS = [(name, way) for name in CASES for way in ("1to1", "1to2", "2to1", "2to3")]
FULL = [("growing", "2to1"), ("growing", "2to3")]
CI = [pair for pair in WAYS if pair not in FULL]


@pytest.mark.parametrize(("name", "way"), CI)
def test_the_series_is_that_of_the_undisturbed_run(name: str, way: str, root: Path) -> None:
    bound = 0.0 if way == "1to1" else CASES[name][2]
    one, other = (Result(root / name / folder) for folder in ("whole", way))
    for column in ("t", "segment", "cycle", "newton", *NUMBERS):
        if column not in one.series or (column == "newton" and bound):
            continue
        a, b = one.series[column], other.series[column]
        assert len(a) == len(b), column  # no gap, no double row
        scale = np.abs(a).max()
        np.testing.assert_allclose(b, a, rtol=bound, atol=bound * scale, err_msg=column)
    assert np.all(np.diff(other.series["t"]) > 0.0)


@pytest.mark.parametrize(("name", "way"), CI)
def test_summary_events_and_fields_go_on(name: str, way: str, root: Path) -> None:
    bound = CASES[name][2]
    one, other = (Result(root / name / folder) for folder in ("whole", way))
    assert other.summary["steps"] == one.summary["steps"]
    assert other.summary["warnings"] == one.summary["warnings"]
    names = [[e["event"] for e in r.summary["events"]] for r in (one, other)]
    assert names[0] == names[1]
    for a, b in zip(one.summary["events"], other.summary["events"], strict=True):
        assert b["t"] == pytest.approx(a["t"], rel=bound), a["event"]
        assert b.get("place") == pytest.approx(a.get("place"), rel=1e-6, abs=1e-12)
    for a, b in zip(one.summary["cycles"], other.summary["cycles"], strict=True):
        assert b == pytest.approx(a, rel=10 * bound)
    assert other.times.tolist() == pytest.approx(one.times.tolist())
    for block in one.blocks:
        assert [s.t for s in other._read(block)] == pytest.approx([s.t for s in one._read(block)])
    for field in ("c", "xi" if name == "growing" else "q"):
        a, b = one.array(field), other.array(field)
        assert np.sort(b) == pytest.approx(np.sort(a), rel=100 * bound, abs=bound * np.abs(a).max())


def test_the_film_case_has_seen_a_cut_off_and_its_lines_have_no_gap(root: Path) -> None:
    summary = Result(root / "film" / "whole").summary
    assert len(summary["cycles"]) == 2
    lines = [(root / "film" / way / "probes" / "cut.csv").read_text().splitlines()
             for way in ("whole", "1to1", "1to2", "2to1", "2to3")]
    times = [[row.split(",")[0] for row in rows[1:]] for rows in lines]
    assert lines[0] == lines[1]
    assert all([float(t) for t in other] == pytest.approx([float(t) for t in times[0]])
               for other in times[1:])


def test_the_growing_case_has_nuclei_and_dead_metal_before_its_stop(root: Path) -> None:
    steps = CASES["growing"][1]
    series = Result(root / "growing" / "whole").series
    assert series["nuclei"][steps - 1] >= 1 and series["islands"][steps - 1] == 1
    assert series["dead"][steps - 1] > 0.0 and series["cycle"][-1] == 2


def test_the_manifest_says_how_many_ranks_wrote(root: Path) -> None:
    for way, ranks in (("1to2", 2), ("2to1", 1), ("2to3", 3)):
        states = sorted((root / "film" / way / "checkpoints").glob("state.*/manifest.json"))
        assert json.loads(states[-1].read_text())["ranks"] == ranks
        assert not list((root / "film" / way).rglob("*.tmp"))


@pytest.mark.full
def test_growing_metal_goes_on_from_two_ranks(
    root: Path, mpirun: Callable[..., Any], reached: Callable[..., None]
) -> None:
    folder = root / "growing"
    mpirun(2, growing_metal, str(folder), 2, timeout=300)
    _on_one_and_three(folder)
    mpirun(3, growing_metal, str(folder), 3, timeout=300)
    one = Result(folder / "whole").series
    for name, way in FULL:
        test_summary_events_and_fields_go_on(name, way, root)
        other = Result(folder / way).series
        for column in NUMBERS:
            gap = np.abs(other[column] - one[column]).max() / np.abs(one[column]).max()
            reached(f"{way}: {column}, relative", gap, most=CASES["growing"][2])
