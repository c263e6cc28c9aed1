"""The tagged simplex mesh that every builder returns, and closed-form measures on it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fem.base.errors import CaseError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Most cells of a mesh of the families that have no parameter for it.
MAX_CELLS = 10_000_000
#: Area or volume of a regular simplex of side 1; meshes have within 30 % of the cells it gives.
REGULAR_SIMPLEX = {2: 0.433, 3: 0.118}


@dataclass
class TaggedMesh:
    """Triangles (2D) or tetrahedra (3D) with one region per cell and named boundary facets.

    Attributes:
        points: (nodes, dimension) coordinates in m; the last axis is the thickness.
        cells: (cells, dimension + 1) node numbers.
        cell_tags: (cells,) region number of each cell.
        facets: (facets, dimension) node numbers of tagged exterior facets.
        facet_tags: (facets,) boundary number of each tagged facet.
        regions: region name -> positive number.
        boundaries: boundary name -> positive number.
        axisymmetric: x is the radius r >= 0 and measures carry 2 pi r.
        slack: how far nodes of a plane may lie beside it (m), of a mesh from a file.
    """

    points: Floats
    cells: Ints
    cell_tags: Ints
    facets: Ints
    facet_tags: Ints
    regions: dict[str, int]
    boundaries: dict[str, int]
    axisymmetric: bool = False
    slack: float = 0.0

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return int(self.points.shape[1])

    def volumes(self) -> Floats:
        """Volume of each cell: m^2 in 2D (per metre of depth), m^3 in 3D or axisymmetric."""
        return simplex_measures(self.points, self.cells) * self._weight(self.cells)

    def areas(self, facets: Ints | None = None) -> Floats:
        """Area of each facet (tagged ones by default): m in 2D, m^2 in 3D or axisymmetric."""
        facets = self.facets if facets is None else facets
        return simplex_measures(self.points, facets) * self._weight(facets)

    @cached_property
    def neighbours(self) -> tuple[Ints, Ints, Ints]:
        """`facet_pairs` of the cells, found once."""
        return facet_pairs(self.cells)

    def _weight(self, simplices: Ints) -> Floats:
        # The integral of 2 pi r over a straight simplex is its measure at the centroid: exact.
        if not self.axisymmetric:
            return np.ones(len(simplices))
        return 2.0 * math.pi * self.points[simplices, 0].mean(axis=1)

    def region_mask(self, *names: str) -> NDArray[np.bool_]:
        """Cells of the regions with these names."""
        return np.isin(self.cell_tags, [self.regions[n] for n in names])


@dataclass
class Built:
    """Result of a family's builder: the mesh, and entries of the sidecar on the host.

    Attributes:
        mesh: the tagged mesh.
        host: (bottom, top) of the host along the thickness in m, or None without a host.
        layers: (name, bottom, top) of each host layer, from the collector upwards.
        extra: further entries of the sidecar (delivered porosity, connectivity and so on).
    """

    mesh: TaggedMesh
    host: tuple[float, float] | None = None
    layers: list[tuple[str, float, float]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


def simplex_measures(points: Floats, simplices: Ints) -> Floats:
    """Length, area or volume (m, m^2, m^3) of each simplex, unsigned."""
    edges = points[simplices[:, 1:]] - points[simplices[:, :1]]
    if edges.shape[1] == edges.shape[2]:
        return np.abs(np.linalg.det(edges)) / math.factorial(edges.shape[1])
    gram = edges @ edges.transpose(0, 2, 1)
    return np.sqrt(np.maximum(np.linalg.det(gram), 0.0)) / math.factorial(edges.shape[1])


def too_many(cells: float, budget: float = MAX_CELLS, name: str = "budget") -> list[str]:
    """Message on a mesh of about so many cells, if they are more than the budget."""
    return [] if cells <= budget else [
        f"{name}: about {cells:.2g} cells needed, {budget:.2g} allowed; take larger sizes (size, "
        "size_wall ...) or a smaller cell, if all units are right"
    ]


def within_budget(cells: float, budget: float = MAX_CELLS, name: str = "budget") -> None:
    """Refuse a mesh that is far too fine, before it is made.

    Raises:
        CaseError: more cells than the budget.
    """
    for wrong in too_many(cells, budget, name):
        raise CaseError(wrong)


def cells_needed(
    dimension: int, volume: float, size: float, growth: float,
    fine: list[tuple[float, float]] | None = None,
) -> float:
    """About how many cells a graded mesh has.

    Args:
        dimension: 2 or 3.
        volume: of the cell (2D: area).
        size: largest cell size.
        growth: ratio of neighbouring cells.
        fine: area (2D: length) of surfaces, each side counted, and the cell size there.
    """
    n, c = dimension, REGULAR_SIMPLEX[dimension]
    count = volume / (c * size**n)
    for area, h in fine or []:
        if h < size:  # the integral of dx/h^n over h = h0 + (growth - 1) x
            rise = (h ** (1 - n) - size ** (1 - n)) / ((n - 1) * (growth - 1))
            count += area * rise / c
    finest = min([size, *(h for _, h in fine or [])])
    return min(count, volume / (c * finest**n))


def quality(points: Floats, cells: Ints) -> Floats:
    """Inverse condition number of each cell against the regular simplex, in (0, 1].

    gmsh calls it SICN (signed inverse condition number); the sign is dropped here.
    """
    n = cells.shape[1] - 1
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    jac = np.linalg.inv(_regular(n)) @ edges
    inverse = np.linalg.inv(jac)
    norms = np.linalg.norm(jac, axis=(1, 2)) * np.linalg.norm(inverse, axis=(1, 2))
    return n / norms


def _regular(n: int) -> Floats:
    if n == 2:
        return np.array([[1.0, 0.0], [0.5, math.sqrt(3) / 2]])
    third = [0.5, math.sqrt(3) / 6, math.sqrt(2 / 3)]
    return np.array([[1.0, 0.0, 0.0], [0.5, math.sqrt(3) / 2, 0.0], third])


def all_facets(cells: Ints) -> tuple[Ints, Ints]:
    """Facets of all cells (sorted nodes) and the cell of each; shared ones appear twice."""
    n = cells.shape[1]
    keep = np.array([[j for j in range(n) if j != i] for i in range(n)])
    facets = np.sort(cells[:, keep].reshape(-1, n - 1), axis=1)
    return facets, np.repeat(np.arange(len(cells)), n)


def facet_pairs(cells: Ints) -> tuple[Ints, Ints, Ints]:
    """Facets between cells and on the exterior.

    Returns:
        interior (n, dimension) nodes, pairs (n, 2) of the two cells, exterior (m, dimension + 1):
        the nodes of each exterior facet followed by its cell.
    """
    inner, sides, outer, lonely = facet_positions(cells)
    n = cells.shape[1]
    return inner, sides // n, np.column_stack([outer, lonely // n])


def facet_positions(cells: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Facets between cells and on the exterior, each with the corners opposite to it.

    Returns:
        interior (n, dimension) nodes, positions (n, 2), exterior (m, dimension) nodes, positions
        (m,): where the opposite corner stands in `cells.ravel()`. Nodes and rows are sorted.
    """
    facets, _ = all_facets(cells)
    base = int(cells.max()) + 1
    if base ** facets.shape[1] < 2**63:  # one number for each facet sorts faster, in the same order
        order = np.argsort(facets @ base ** np.arange(facets.shape[1])[::-1], kind="stable")
    else:
        order = np.lexsort(facets.T[::-1])
    facets = facets[order]
    same = np.all(facets[1:] == facets[:-1], axis=1)
    first = np.flatnonzero(same)
    lonely = np.ones(len(facets), dtype=bool)
    lonely[first] = lonely[first + 1] = False
    pairs = np.column_stack([order[first], order[first + 1]])
    return facets[first], pairs, facets[lonely], order[lonely]


def odd_permutations(cells: Ints) -> NDArray[np.bool_]:
    """Sense in which the sorted nodes of each facet turn, seen from its cell of positive volume.

    Returns:
        One flag for every entry of `cells.ravel()`, of the facet opposite to it; those of two cells
        on either side of a facet differ.
    """
    corner = np.ascontiguousarray(cells.T)
    pairs = itertools.combinations(range(len(corner)), 2)
    swapped = {(a, b): corner[a] > corner[b] for a, b in pairs}
    flags = np.empty(cells.shape, dtype=bool)
    for i in range(len(corner)):
        flag = np.full(len(cells), bool(i % 2))
        for pair, swap in swapped.items():
            if i not in pair:
                flag ^= swap
        flags[:, i] = flag
    return flags.ravel()


def assemble(
    points: Floats,
    cells: Ints,
    region_of_cell: list[str] | NDArray[Any],
    *,
    axisymmetric: bool = False,
    collector: Callable[[Floats], NDArray[np.bool_]] | None = None,
) -> TaggedMesh:
    """A tagged mesh from raw arrays: unused nodes dropped, boundaries found and named.

    Boundaries are `collector` (least thickness), `counter` (greatest thickness), `axis` (r = 0 of
    an axisymmetric mesh) and `sides`.

    Args:
        points: (nodes, dimension) in m, thickness last.
        cells: (cells, dimension + 1) node numbers.
        region_of_cell: region name of each cell.
        axisymmetric: x is the radius.
        collector: marks further collector facets from their node coordinates
            (facets, dimension, dimension), for protrusions.
    """
    points, cells = compact(points, cells)
    names = np.asarray(region_of_cell)
    present = list(dict.fromkeys(names.tolist()))
    regions = {str(name): i + 1 for i, name in enumerate(sorted(present))}
    cell_tags = np.array([regions[str(n)] for n in present], dtype=np.int64)
    index = {n: i for i, n in enumerate(present)}
    cell_tags = cell_tags[[index[n] for n in names.tolist()]]

    exterior = facet_pairs(cells)[2][:, :-1]
    xyz = points[exterior]
    low, high = points[:, -1].min(), points[:, -1].max()
    tol = 1e-9 * (high - low)
    boundary = np.full(len(exterior), 3, dtype=np.int64)
    if axisymmetric:
        boundary[np.all(np.abs(xyz[..., 0]) < tol, axis=1)] = 4
    if collector is not None:
        boundary[(boundary == 3) & collector(xyz)] = 1
    boundary[np.all(np.abs(xyz[..., -1] - high) < tol, axis=1)] = 2
    boundary[np.all(np.abs(xyz[..., -1] - low) < tol, axis=1)] = 1
    boundaries = {"collector": 1, "counter": 2, "sides": 3}
    if axisymmetric and np.any(boundary == 4):
        boundaries["axis"] = 4
    return TaggedMesh(
        points, cells, cell_tags, exterior, boundary, regions, boundaries, axisymmetric
    )


def compact(points: Floats, cells: Ints) -> tuple[Floats, Ints]:
    """Nodes that cells use, numbered without gaps; every cell turned to positive volume."""
    used, flat = np.unique(cells, return_inverse=True)
    points = np.ascontiguousarray(points[used], dtype=np.float64)
    cells = flat.reshape(cells.shape).astype(np.int64)
    negative = np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]]) < 0
    cells[negative, 0], cells[negative, 1] = cells[negative, 1], cells[negative, 0]
    return points, cells


def tensor_mesh(*axes: Floats, crossed: bool = False) -> tuple[Floats, Ints, Floats]:
    """Simplices on a tensor grid.

    Rectangles are cut into 2 triangles with alternating diagonals, boxes into 6 tetrahedra.

    Args:
        axes: increasing coordinates along each axis, thickness last, in m.
        crossed: rectangles into 4 triangles that meet in the middle; then all nodes of a row have
            alike triangles beside them.

    Returns:
        points (nodes, dimension), cells, and the centre of the box of each cell.

    Raises:
        CaseError: more than `MAX_CELLS` cells.
    """
    each = {2: 4.0 if crossed else 2.0, 3: 6.0}[len(axes)]
    within_budget(each * math.prod(len(a) - 1 for a in axes))
    shape = [len(a) for a in axes]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    number = np.arange(len(points)).reshape(shape)

    def corner(offset: tuple[int, ...]) -> Ints:
        cut = tuple(slice(o, n - 1 + o) for o, n in zip(offset, shape, strict=True))
        return number[cut].ravel()

    middles = [0.5 * (a[1:] + a[:-1]) for a in axes]
    centres = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1).reshape(-1, len(axes))
    if len(axes) == 2 and crossed:
        around = [corner(o) for o in ((0, 0), (1, 0), (1, 1), (0, 1))]
        middle = len(points) + np.arange(len(centres))
        points = np.concatenate([points, centres])
        boxes = np.stack([[around[k - 1], around[k], middle] for k in range(4)])
    elif len(axes) == 2:
        c00, c10, c01, c11 = (corner(o) for o in ((0, 0), (1, 0), (0, 1), (1, 1)))
        rising = np.stack([[c00, c10, c11], [c00, c11, c01]])
        falling = np.stack([[c00, c10, c01], [c10, c11, c01]])
        i, j = np.indices([n - 1 for n in shape]).reshape(2, -1)
        boxes = np.where((i + j) % 2 == 0, rising, falling)
    else:
        kuhn = []  # one tetrahedron for each order of walking the axes
        for order in itertools.permutations(range(3)):
            walk = [[0, 0, 0]]
            for axis in order:
                walk.append([a + (k == axis) for k, a in enumerate(walk[-1])])
            kuhn.append([corner(tuple(w)) for w in walk])
        boxes = np.array(kuhn)
    cells = boxes.transpose(2, 0, 1).reshape(-1, len(axes) + 1)
    return points, cells.astype(np.int64), np.repeat(centres, len(boxes), axis=0)


def graded(
    stops: list[float],
    size: list[float] | float,
    *,
    fine: list[tuple[float, float]] | None = None,
    growth: float = 1.2,
) -> Floats:
    """Coordinates along an axis with given stops hit exactly and geometric grading.

    The cell size at x is the smallest of the slab's size and, for each fine place (x0, h0),
    h0 + (growth - 1)|x - x0|: neighbouring cells grow by `growth` away from x0.

    Args:
        stops: increasing coordinates that must be nodes (ends and interfaces), m.
        size: largest cell size, one for all slabs or one each, m.
        fine: places x0 with their cell size h0, m.
        growth: ratio of neighbouring cells, > 1.

    Raises:
        CaseError: more than `MAX_CELLS` cells.
    """
    sizes = [size] * (len(stops) - 1) if isinstance(size, float | int) else size
    nodes = [np.array([stops[0]])]
    for low, high, limit in zip(stops[:-1], stops[1:], sizes, strict=True):
        x = np.unique(
            np.concatenate(
                [np.linspace(low, high, 2001)]
                + [x0 + s * np.geomspace(1e-3 * h0, 1e6 * h0, 2001)
                   for x0, h0 in fine or [] for s in (-1, 1)]
            ).clip(low, high)
        )
        h = np.full_like(x, min(limit, high - low))
        for x0, h0 in fine or []:
            h = np.minimum(h, h0 + (growth - 1.0) * np.abs(x - x0))
        steps = np.diff(x) * 0.5 * (1 / h[1:] + 1 / h[:-1])
        count = np.concatenate([[0.0], np.cumsum(steps)])
        # 1e-6: a slab of exactly n sizes gets n cells whatever the rounding.
        within_budget(count[-1])
        n = max(1, math.ceil(count[-1] - 1e-6))
        inner = np.interp(np.arange(1, n) * count[-1] / n, count, x)
        nodes.append(np.append(inner, high))
    return np.concatenate(nodes)


Segment = tuple[float, float, float, float]  # x, y of one end, x, y of the other, m


def segment_distance(s: Segment, o: Segment) -> float:
    """Distance of two segments in the plane in m, 0 if they cross."""

    def side(t: Segment, x: float, y: float) -> float:
        return (t[2] - t[0]) * (y - t[1]) - (t[3] - t[1]) * (x - t[0])

    def reach(t: Segment, x: float, y: float) -> float:
        dx, dy = t[2] - t[0], t[3] - t[1]
        along = min(1.0, max(0.0, ((x - t[0]) * dx + (y - t[1]) * dy) / (dx * dx + dy * dy)))
        return math.hypot(x - t[0] - along * dx, y - t[1] - along * dy)

    if side(s, *o[:2]) * side(s, *o[2:]) < 0 and side(o, *s[:2]) * side(o, *s[2:]) < 0:
        return 0.0
    return min(reach(s, *o[:2]), reach(s, *o[2:]), reach(o, *s[:2]), reach(o, *s[2:]))


def is_pore(region: str) -> bool:
    """Regions that ions cross freely: `electrolyte*` and `separator*`."""
    return region.startswith(("electrolyte", "separator"))
