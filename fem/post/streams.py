"""Lines (2D) and arrows (3D) along a vector: where the current or the salt goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.post.fields import field_of, fields_of
from fem.post.occupancy import phase_field_at
from fem.results.result import Result

__all__ = ["Flow", "arrows", "at_nodes", "flow", "flow_of", "has_direction", "slope",
           "streams"]

Array = npt.NDArray[np.float64]

UM = 1e6
#: Points of the grid along the longer side, on which lines are followed.
GRID = 160
#: Of lines: their distance in matplotlib's measure, width, pt, and colour within a dark edge, seen
#: on both ends of all colour maps.
DENSITY, WIDTH, COLOUR, EDGE = 0.7, 0.7, "#ffffff", "#333333"
#: Share of the cells that must have a direction for lines to be drawn.
LEAST = 0.2


@dataclass(frozen=True)
class Flow:
    """A vector on the cells of a block, or at its nodes.

    Attributes:
        symbol: of it, mathtext.
        block: in which it lives.
        values: (cells, 3) or (nodes, 3).
        flat: they are those of cells.
    """

    symbol: str
    block: str
    values: Array
    flat: bool

    def words(self, drawn: bool, what: str = "lines") -> str:
        """Words for a caption, also where nothing could be drawn."""
        return f"{what} along {self.symbol}" if drawn else (
            f"no {what}: {self.symbol} is below its scatter between cells")


def flow(result: Result, t: float | None, name: str) -> Flow:
    """A vector of the files.

    Raises:
        CaseError: the result has no such vector.
    """
    block = _block(result, t, name)
    if block is None:
        raise CaseError(f"{result.folder}: no vector {name!r} in the files; run the case again "
                        "with `vectors = true` in [output], which writes currents and fluxes")
    values = result.array(name, t, block)
    if values.ndim == 1:
        raise CaseError(f"{result.folder}: {name} is a number at each place and has no direction")
    return Flow(_symbol(result, name), block, values, result.center(name, block) == "Cell")


def flow_of(result: Result, t: float | None, name: str) -> Flow | None:
    """Find what flows with a field: its vector in the files, else down the potential."""
    field = field_of(result, name)
    if not field.flow:
        return None
    if _block(result, t, field.flow) is not None:
        return flow(result, t, field.flow)
    slopes = {f.gradient_of for f in fields_of(result).values()}
    source = field.gradient_of or (name if name in slopes else "")
    block = _block(result, t, source) if source else None
    if block is None:
        return None
    symbol = _symbol(result, source).replace("$", "")
    return Flow(rf"$-\nabla {symbol}$", block, -slope(result, t, source, block), True)


def slope(result: Result, t: float | None, name: str, block: str) -> Array:
    """Gradient of a field of nodes in each cell, (cells, 3)."""
    values, points, cells = (result.array(name, t, block), result.points(block, t),
                             result.cells(block, t))
    dim = cells.shape[1] - 1
    edges = (points[cells[:, 1:]] - points[cells[:, :1]])[:, :, :dim]
    rise = values[cells[:, 1:]] - values[cells[:, :1]]
    out = np.zeros((len(cells), 3))
    out[:, :dim] = np.linalg.solve(edges, rise[:, :, None])[:, :, 0]
    return out


def at_nodes(points: Array, cells: Any, values: Array) -> Array:
    """Means of the cells around each node, by length, area or volume, (nodes, k) of (cells, k)."""
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    size = np.sqrt(np.maximum(np.linalg.det(np.einsum("nik,njk->nij", edges, edges)), 0.0))
    total = np.zeros((len(points), values.shape[1] + 1))
    for corner in cells.T:
        np.add.at(total, corner, np.column_stack([values * size[:, None], size]))
    return total[:, :-1] / np.maximum(total[:, -1:], 1e-300)


def streams(ax: Any, result: Result, t: float | None, found: Flow) -> bool:
    """Draw lines along a vector (2D), with arrows; they end where it is not defined.

    A vector of cells is averaged by area at the nodes, and linear between them. Lengths say
    nothing: the colours of the vector's own map do.

    Returns:
        False, with nothing drawn, where it has no direction on most of its cells.
    """
    from matplotlib.patheffects import Normal, Stroke
    from matplotlib.tri import LinearTriInterpolator, Triangulation

    points, cells = result.points(found.block, t) * UM, result.cells(found.block, t)
    values = _directed(result, t, found)
    size = float(np.nanmax(np.abs(values), initial=0.0))
    if size == 0.0 or not _enough(values, cells):
        return False
    mesh = Triangulation(points[:, 0], points[:, 1], cells)
    low, high = points.min(axis=0)[:2], points.max(axis=0)[:2]
    counts = np.maximum(8, (GRID * (high - low) / (high - low).max()).astype(int))
    x, y = (np.linspace(a, b, n) for a, b, n in zip(low, high, counts, strict=True))
    # Of size 1 at most: matplotlib follows lines by steps of the grid.
    u, v = (np.ma.masked_invalid(
        LinearTriInterpolator(mesh, values[:, k] / size)(*np.meshgrid(x, y))) for k in (0, 1))
    # As many in a slender cell as are as far from one another as in a square one.
    density = np.maximum(DENSITY * (high - low) / (high - low).max(), 0.2)
    drawn = ax.streamplot(x, y, u, v, density=tuple(density), color=COLOUR, linewidth=WIDTH,
                          arrowsize=0.7)
    edge = [Stroke(linewidth=2.2 * WIDTH, foreground=EDGE), Normal()]
    drawn.lines.set_path_effects(edge)
    drawn.arrows.set_path_effects(edge)
    return True


def has_direction(result: Result, t: float | None, found: Flow) -> bool:
    """A vector has a direction on enough of its cells."""
    return _enough(_directed(result, t, found), result.cells(found.block, t))


def arrows(result: Result, t: float | None, found: Flow, where: Array) -> tuple[Array, Array]:
    """Select points (n, 3), m, at which a vector has a direction, with unit vectors there."""
    import pyvista as pv

    grid = result.grid(found.block, t)
    grid.clear_data()
    grid.point_data["along"] = _directed(result, t, found)
    inside = pv.PolyData(where).sample(grid)
    vectors = np.asarray(inside["along"], dtype=float)
    length = np.linalg.norm(vectors, axis=1)
    on = np.asarray(inside["vtkValidPointMask"], dtype=bool) & np.isfinite(length) & (length > 0.0)
    return where[on], vectors[on] / length[on, None]


def _block(result: Result, t: float | None, name: str) -> str | None:
    """Block that has a field at a time."""
    return next((b for b in result.blocks if name in result.fields_at(b, t)), None)


def _symbol(result: Result, name: str) -> str:
    """Symbol of a field as its label has it, without bars; its name if it has none."""
    label = field_of(result, name).label
    if "$" not in label:
        return name
    symbol = label[label.index("$"):].replace("|", "")
    return symbol.replace(r"$\nabla", r"$-\nabla")  # vectors of gradients go down


def _directed(result: Result, t: float | None, found: Flow) -> Array:
    """Values at nodes; NaN where there is metal, and where cells around scatter more than they are.

    What is left of two terms that cancel, as in the flux of ions that stand still, is error of the
    mesh and points anywhere.
    """
    points, cells = result.points(found.block, t), result.cells(found.block, t)
    values = found.values
    if found.flat:
        square = (values**2).sum(axis=1)
        mean = at_nodes(points, cells, np.column_stack([values, square]))
        values, square = mean[:, :3], (mean[:, :3] ** 2).sum(axis=1)
        values = np.where((mean[:, 3] > 2.0 * square)[:, None], np.nan, values)
    if "metal" in result.blocks:
        metal = phase_field_at(result, t, found.block) > 0.5
        values = np.where(metal[:, None], np.nan, values)
    return values


def _enough(values: Array, cells: Any) -> bool:
    """Enough cells have a direction at all corners."""
    return bool(np.isfinite(values[:, 0])[cells].all(axis=1).mean() >= LEAST)
