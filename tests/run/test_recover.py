"""Every case of the catalogue, stopped after some steps and resumed, is where it would have been.

`python -m pytest --recover` does the same to every other test that solves a case in its process:
the run is stopped twice on its way and resumed, and the test's own verdict must stand.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.errors import Interrupted
from fem.case.files import case_names
from fem.results.result import read_series
from fem.run.session import resume
from fem.run.signals import StopRequest
from fem.values.units import parse_quantity

from .cases import state_of

pytestmark = pytest.mark.undisturbed

#: Steps until the interruption, and until the comparison.
HALF, WHOLE = 4, 8
#: Compared bit by bit, in seconds.
EXACT = ("limiting_current", "sand")


@contextlib.contextmanager
def stop_after(steps: int) -> Iterator[None]:
    """Act as if a signal came during a step."""
    asked = iter(range(1, 10**6))
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Interrupted):
        patch.setattr(
            StopRequest, "agreed", lambda self: signal.SIGUSR1 if next(asked) == steps else 0
        )
        yield


def sizes(geometry: Mapping[str, Any], path: str = "geometry") -> dict[str, str]:
    """Every mesh size that a [geometry] gives: dotted path -> quantity string."""
    out: dict[str, str] = {}
    for key, value in geometry.items():
        if isinstance(value, Mapping):
            out |= sizes(value, f"{path}.{key}")
        elif isinstance(value, list | tuple):
            for k, part in enumerate(value):
                if isinstance(part, Mapping):
                    out |= sizes(part, f"{path}.{key}.{k}")
        elif (key == "size" or key.startswith("size_")) and isinstance(value, str):
            out[f"{path}.{key}"] = value
    return out


def in_steps() -> list[str]:
    """Cases of the catalogue that take steps; others are one solve, done again when resumed."""
    solved_once = ('study = "map"', 'study = "secondary"')
    return [name for name, path in case_names().items()
            if not any(study in path.read_text(encoding="utf-8") for study in solved_once)]


def coarse(name: str) -> Case:
    """A case of the catalogue with cells of twice the size; a front and space charge keep theirs.

    By a direct solver, unless the case asks for an iterative one; then with a tolerance that leaves
    room for the bound.
    """
    case = Case.load(name)
    changes: dict[str, object] = {"output.figures": False}
    if case.solver.kind == "auto":
        changes["solver.kind"] = "direct"
    if case.solver.kind == "iterative":
        changes["solver.rtol"] = 1e-11
    model = getattr(case, "electrolyte_model", None)
    if case.study != "growth" and (model is None or model.model != "pnp"):
        changes |= {
            path: f"{2 * parse_quantity(text, 'm'):.12g} m"
            for path, text in sizes(case.geometry or {}).items()
        }
    return case.with_(changes)


def largest_gap(a: Path, b: Path, direct: bool = True) -> float:
    """Relative to the largest value of its field, over all arrays of the last checkpoint.

    Steps must be the same, with a direct solver Newton iterations, too. (After a new preconditioner
    it is chance whether a residual is just above or just below the tolerance. With growing metal
    phi_s is left out, too: empty pores carry 1e-8 of any current, so it is known that much less.)
    """
    one, other = state_of(a), state_of(b)
    assert one.keys() == other.keys()
    worst = 0.0
    idle = () if direct or "0.xi" not in one else ("phi_s",)
    for name in one:
        if name.removeprefix("0.").partition(".")[0] in idle:
            continue
        values, others = (np.atleast_1d(state[name]) for state in (one, other))
        finite = np.isfinite(values)
        assert np.array_equal(finite, np.isfinite(others)), name
        gap = np.abs(values[finite] - others[finite]).max(initial=0.0)
        if gap:
            worst = max(worst, float(gap / np.abs(values[finite]).max()))
    rows, more = (read_series(folder / "series.csv") for folder in (a, b))
    assert rows.keys() == more.keys() and len(rows["t"]) >= 2
    for name in ("t", "dt", "segment", *(("newton",) if direct else ())):
        assert np.allclose(rows[name], more[name], rtol=1e-9, atol=0.0), name
    return worst


def recovered(name: str, folder: Path) -> tuple[float, Case]:
    """Difference of a case that was interrupted from one that was not."""
    case = coarse(name)
    with stop_after(WHOLE):
        case.run(folder / "whole")
    with stop_after(HALF):
        case.run(folder / "parts")
    with stop_after(WHOLE - HALF):
        resume(folder / "parts")
    direct = case.solver.kind != "iterative"
    return largest_gap(folder / "whole", folder / "parts", direct), case


@pytest.mark.parametrize("name", EXACT)
def test_recovered_bit_by_bit(name: str, tmp_path: Path) -> None:
    gap, _ = recovered(name, tmp_path)
    assert gap == 0.0


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in in_steps() if name not in EXACT])
def test_recovered(name: str, tmp_path: Path, reached: Callable[..., None]) -> None:
    """1e-12 with a direct solver; an iterative one begins with a new preconditioner, so 1e-9."""
    gap, case = recovered(name, tmp_path)
    direct = case.solver.kind != "iterative"
    reached(f"largest change of a field, {'direct' if direct else 'iterative'}", gap,
            most=1e-12 if direct else 1e-9)
