"""Pictures of a field map."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.post.figures import first
from fem.results.result import Result

__all__ = ["field"]

UM = 1e6
#: Points of the grid along the longer side, on which field lines are followed.
GRID = 240
#: Of field lines: seen on both ends of the colour map of |E|.
COLOUR = "#35b7c4"
#: Field lines in about this distance, share of the longer side.
DENSITY = 1.1


def field(result: Result, t: float | None) -> Any:
    """|E| with field lines, 2D; None where there is no map or it is a solid."""
    if not any("phi" in result.fields(block) for block in result.blocks):
        return None
    figure = first(result, t, ("E",))
    if figure is not None:
        _lines(figure.axes[0], result, t)
    return figure


def _lines(ax: Any, result: Result, t: float | None) -> None:
    """Draw field lines of the potential; they end where it is not defined."""
    from matplotlib.tri import LinearTriInterpolator, Triangulation

    block = next(b for b in result.blocks if "phi" in result.fields(b))
    points, cells = result.points(block, t) * UM, result.cells(block, t)
    phi = LinearTriInterpolator(
        Triangulation(points[:, 0], points[:, 1], cells), result.array("phi", t, block)
    )
    low, high = points.min(axis=0)[:2], points.max(axis=0)[:2]
    counts = np.maximum(2, (GRID * (high - low) / (high - low).max()).astype(int))
    x, y = (np.linspace(a, b, n) for a, b, n in zip(low, high, counts, strict=True))
    u, v = phi.gradient(*np.meshgrid(x, y))
    ax.streamplot(
        x, y, -u, -v, density=DENSITY, color=COLOUR, linewidth=0.5, arrowsize=0.5,
        broken_streamlines=False,
    )
