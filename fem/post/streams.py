"""Lines along a vector over a map (2D): where the current or the salt goes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.results.result import Result

__all__ = ["streams", "vector_block"]

UM = 1e6
#: Points of the grid along the longer side, on which lines are followed.
GRID = 160
#: Of lines: their distance in matplotlib's measure, width, pt, and colour, seen on both ends of
#: the colour maps.
DENSITY, WIDTH, COLOUR = 0.9, 0.7, "#e8743b"


def vector_block(result: Result, t: float | None, name: str) -> str:
    """Block in which a vector lives.

    Raises:
        CaseError: the result has no such vector.
    """
    block = next((b for b in result.blocks if name in result.fields_at(b, t)), None)
    if block is None:
        raise CaseError(f"{result.folder}: no vector {name!r} in the files; run the case again "
                        "with `vectors = true` in [output], which writes currents and fluxes")
    if result.array(name, t, block).ndim == 1:
        raise CaseError(f"{result.folder}: {name} is a number at each place and has no direction")
    return block


def streams(ax: Any, result: Result, t: float | None, name: str) -> Any:
    """Draw lines along a vector, with arrows; they end where it is not defined.

    A vector of cells is averaged by area at the nodes, and linear between them. Lengths say
    nothing: the colours of the vector's own map do. Raises as `vector_block`.
    """
    from matplotlib.tri import LinearTriInterpolator, Triangulation

    block = vector_block(result, t, name)
    values = result.array(name, t, block)
    points, cells = result.points(block, t) * UM, result.cells(block, t)
    if result.center(name, block) == "Cell":
        values = _at_nodes(points, cells, values)
    mesh = Triangulation(points[:, 0], points[:, 1], cells)
    low, high = points.min(axis=0)[:2], points.max(axis=0)[:2]
    counts = np.maximum(8, (GRID * (high - low) / (high - low).max()).astype(int))
    x, y = (np.linspace(a, b, n) for a, b, n in zip(low, high, counts, strict=True))
    size = float(np.abs(values).max())
    if size == 0.0:
        return None
    # Of size 1 at most: matplotlib follows lines by steps of the grid.
    u, v = (LinearTriInterpolator(mesh, values[:, k] / size)(*np.meshgrid(x, y)) for k in (0, 1))
    # As many in a slender cell as are as far from one another as in a square one.
    density = np.maximum(DENSITY * (high - low) / (high - low).max(), 0.2)
    return ax.streamplot(x, y, u, v, density=tuple(density), color=COLOUR,
                         linewidth=WIDTH, arrowsize=0.8)


def _at_nodes(points: Any, cells: Any, values: Any) -> Any:
    """Means of the cells around each node, by area."""
    a, b, c = (points[cells[:, k], :2] for k in range(3))
    (p, q), (r, s) = (b - a).T, (c - a).T
    area = np.abs(p * s - q * r)
    total = np.zeros((len(points), values.shape[1] + 1))
    for corner in cells.T:
        np.add.at(total, corner, np.column_stack([values * area[:, None], area]))
    return total[:, :-1] / np.maximum(total[:, -1:], 1e-300)
