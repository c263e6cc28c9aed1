"""Taylor series of rows: what is left of them says whether Newton's matrix is their derivative."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fem.solver.matrices import ROW_UNIT
from fem.solver.options import Control
from fem.solver.stage import Stage

__all__ = ["orders", "remainders"]

Array = npt.NDArray[np.float64]


def remainders(
    stage: Stage, sizes: Sequence[float], steps: Sequence[float], dE: float = 3e-3
) -> dict[str, Array]:
    """Sum over nodes of |F(u + e d) - F(u) - e J d| for each row, and that of the cell current.

    Args:
        stage: of one rank; its unknowns are moved from where they stand.
        sizes: of the moves d, drawn at random, one for each unknown.
        steps: e, one after the other.
        dE: move of the voltage, V.
    """
    s, rng = stage.system, np.random.default_rng(3)
    direction, base = [], [u.owned.copy() for u in stage.unknowns]
    for u, size in zip(stage.unknowns, sizes, strict=True):
        d = size * rng.uniform(-1, 1, len(u.owned))
        d[u.fixed_dofs()] = 0.0
        direction.append(d)
    E = s.get_voltage()

    def rows() -> tuple[list[Array], float]:
        return stage.residual().rows, stage.gap(Control(0.0))

    assert stage.parts is not None
    stage.parts.begin()
    at, i_at = rows()
    stage.parts.fill()
    border, gradient = stage.borders()
    x, y = stage.parts.nest.createVecRight(), stage.parts.nest.createVecLeft()
    x.array_w[:] = np.concatenate(direction)
    stage.parts.nest.mult(x, y)
    moved = np.split(ROW_UNIT * y.array_r, np.cumsum(stage.sizes)[:-1])
    slope = [a + dE * b for a, b in zip(moved, border, strict=True)]
    i_slope = sum(float(g @ d) for g, d in zip(gradient, direction, strict=True))
    i_slope += dE * stage.slope()
    assert i_slope != 0.0
    left: dict[str, list[float]] = {name: [] for name in (*stage.names, "current")}
    for e in steps:
        for u, b, d in zip(stage.unknowns, base, direction, strict=True):
            u.owned[:] = b + e * d
        s.set_voltage(E + e * dE)
        stage.scatter()
        now, i_now = rows()
        for name, new, old, rise in zip(stage.names, now, at, slope, strict=True):
            left[name].append(float(np.abs(new - old - e * rise).sum()))
        left["current"].append(abs(i_now - i_at - e * i_slope))
    return {name: np.array(gaps) for name, gaps in left.items()}


def orders(gaps: Array) -> Array:
    """Powers of e with which remainders fall, for steps that are halved."""
    return np.log2(gaps[:-1] / gaps[1:])
