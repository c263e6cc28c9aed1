"""A state written on N ranks goes on on M: the same numbers to rounding, nothing lost or doubled.

Each case begins on one rank, goes on on two, three and again one; the run on one rank that nobody
disturbed is the measure. One case plates on walls, the other one grows metal: its random nuclei,
its dead metal and its cycles are part of the state. A state that one rank takes up node by node, as
another number of ranks would, gives the same bits.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from fem import Case
from fem.base.errors import Interrupted
from fem.compat import MPI
from fem.files import checkpoint
from fem.results.result import Result
from fem.run.session import crowded, resume
from fem.run.signals import StopRequest

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
#: Case, steps on one, then on two, then on three ranks, bound of relative differences.
CASES: dict[str, tuple[dict[str, Any], tuple[int, int, int], float]] = {
    "film": (FILM, (27, 4, 3), 1e-10),
    "growing": (GROWING, (9, 2, 2), 1e-7),
}
NUMBERS = ("voltage", "charge", "plated", "dead", "c_min", "c_max", "xi_max", "tip")


@contextlib.contextmanager
def until(steps: int) -> Iterator[None]:
    """A signal comes after some steps."""
    asked = iter(range(1, 10**6))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(
            StopRequest, "agreed", lambda self: signal.SIGUSR1 if next(asked) == steps else 0
        )
        yield


def some_steps(folder: str, name: str, ranks: int) -> str:
    """Resume, and stop again (collective); what is printed on the way."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, until(CASES[name][1][ranks - 1]):
        resume(Path(folder), quiet=False)
    return printed.getvalue()


def node_by_node(folder: Path) -> None:
    """Resume on one rank as if the mesh were distributed in another way now."""
    load = checkpoint.load

    def otherwise(*args: Any) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checkpoint, "_cells", lambda system: np.zeros(0))
            exact = load(*args)
        assert not exact
        return exact

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "load", otherwise)
        resume(folder)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, mpirun: Callable[..., Any]) -> Path:
    """`<case>/whole`, and `<case>/<way>` gone on with, for the ways of the CI tier."""
    root = tmp_path_factory.mktemp("ranks")
    for name, (data, steps, _) in CASES.items():
        Case.from_dict(data).run(root / name / "whole")
        with until(steps[0]):
            Case.from_dict(data).run(root / name / "half")
        shutil.copytree(root / name / "half", root / name / "nodes")
        node_by_node(root / name / "nodes")
    _on_all_ranks(root, "film", mpirun)
    return root


def _on_all_ranks(root: Path, name: str, mpirun: Callable[..., Any]) -> None:
    """From one rank to two, from there back to one, and to three and back to one."""
    folder = root / name
    for way in ("1-1", "on2"):
        shutil.copytree(folder / "half", folder / way)
    resume(folder / "1-1")
    said = mpirun(2, some_steps, str(folder / "on2"), name, 2, timeout=300)
    assert "written on 1 ranks, now 2: equal to rounding" in said
    for way in ("1-2-1", "on3"):
        shutil.copytree(folder / "on2", folder / way)
    resume(folder / "1-2-1")
    said = mpirun(3, some_steps, str(folder / "on3"), name, 3, timeout=300)
    assert "written on 2 ranks, now 3: equal to rounding" in said
    shutil.copytree(folder / "on3", folder / "1-2-3-1")
    resume(folder / "1-2-3-1")


RANKS = ("1-1", "1-2-1", "1-2-3-1")
CI = [*(("film", way) for way in RANKS), ("film", "nodes"), ("growing", "nodes")]
EXACT = ("1-1", "nodes")


@pytest.mark.parametrize(("name", "way"), CI)
def test_the_series_is_that_of_the_undisturbed_run(name: str, way: str, root: Path) -> None:
    bound = 0.0 if way in EXACT else CASES[name][2]
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
             for way in ("whole", *RANKS)]
    times = [[row.split(",")[0] for row in rows[1:]] for rows in lines]
    assert lines[0] == lines[1]
    assert all([float(t) for t in other] == pytest.approx([float(t) for t in times[0]])
               for other in times[1:])


def test_the_growing_case_has_nuclei_and_dead_metal_before_its_stop(root: Path) -> None:
    steps = CASES["growing"][1][0]
    series = Result(root / "growing" / "whole").series
    assert series["nuclei"][steps - 1] >= 1 and series["islands"][steps - 1] == 1
    assert series["dead"][steps - 1] > 0.0 and series["cycle"][-1] == 2


def test_the_manifest_says_how_many_ranks_wrote(root: Path) -> None:
    for way, ranks in (("half", 1), ("on2", 2), ("on3", 3), ("1-2-3-1", 1)):
        assert checkpoint.latest(root / "film" / way).manifest["ranks"] == ranks
        assert not list((root / "film" / way).rglob("*.tmp"))


@pytest.mark.full
def test_growing_metal_goes_on_from_two_ranks(
    root: Path, mpirun: Callable[..., Any], reached: Callable[..., None]
) -> None:
    folder = root / "growing"
    _on_all_ranks(root, "growing", mpirun)
    one = Result(folder / "whole").series
    for way in RANKS:
        test_summary_events_and_fields_go_on("growing", way, root)
        other = Result(folder / way).series
        for column in ("t", *NUMBERS):
            gap = np.abs(other[column] - one[column]).max() / np.abs(one[column]).max()
            bound = 0.0 if way in EXACT else CASES["growing"][2]
            reached(f"{way}: {column}, relative", gap, most=bound)


def warned(cores: list[list[int]]) -> str:
    """Warning of ranks that may use these cores of one machine (collective)."""
    mine = set(cores[MPI.COMM_WORLD.rank])
    with mock.patch("os.sched_getaffinity", return_value=mine):
        return crowded(MPI.COMM_WORLD)


def test_more_ranks_than_cores_are_warned_about(mpirun: Callable[..., Any]) -> None:
    assert "2 ranks on 1 core of a machine" in mpirun(2, warned, [[7], [7]])
    assert mpirun(2, warned, [[0, 1], [0, 1]]) == ""
    assert mpirun(2, warned, [[0], [1]]) == ""  # each rank is bound to a core of its own
