"""Cells of layers: what the families on `carving` share, from parameters to the checked mesh.

A family is a `Layer` (its parameters and how it fills its slab with parts) and a `Cell` of such
layers; `stack` is a cell of any of them.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fem.base.errors import CaseError
from geometries.inspection.measures import components, is_pore, pore_connectivity, slab_fractions
from geometries.meshing.carving import HOST, Crowd, Part, Room, carve, nearest
from geometries.meshing.mesh import Built, TaggedMesh, cells_needed, facet_pairs, too_many
from geometries.meshing.parameters import Growth, Later, Length, Name, Names, Parameters, above
from geometries.meshing.primitives import Ball, Rod

POROSITY_TOLERANCE = 0.01
ADJUST = 0.04  # largest change of radii to meet a porosity
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


@dataclass
class Site:
    """Where a layer is to be placed.

    Attributes:
        cell: the cell's parameters.
        low: bottom of the layer, m.
        high: top of the layer, m.
        rng: random numbers of this layer.
        rooted: whether it stands on a solid (the collector or a full layer).
        below: parts of the layers below.
        bodies: numbers for new bodies.
    """

    cell: Cell
    low: float
    high: float
    rng: np.random.Generator
    rooted: bool
    below: list[Part]
    bodies: Iterator[int]

    def depth(self, height: float) -> float:
        """Share of the layer's depth at a height (m): 0 at its top, 1 at its bottom."""
        return min(1.0, max(0.0, (self.high - height) / (self.high - self.low)))

    def crowd(self, cut: bool, open_top: bool = False) -> Crowd:
        """A crowd of the balls and rods of the layers below."""
        crowd = Crowd(np.array([*self.cell.across, self.high]), self.low, self.high, cut, open_top)
        for p in self.below:
            if p.priority == HOST and isinstance(p.shape, Ball | Rod):
                crowd.add(p.shape.axis(), p.shape.radius)
        return crowd


class Layer(Parameters):
    """A layer of a cell.

    Attributes:
        name: of the layer, part of its regions' names.
        thickness: of the layer.
        size_wall: cell size on its walls where the cell gives none for all layers; default a tenth
            (3D: a third) of a diameter.
    """

    full: ClassVar[bool] = False  # whether it is solid where no part is
    porosity_asked: ClassVar[str | None] = None  # name of the field that must be delivered
    name: Name
    thickness: Length
    size_wall: Later = None

    @property
    def filler(self) -> str:
        """Region of what no part fills."""
        return f"host_{self.name}" if self.full else f"electrolyte_{self.name}"

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions of the layer."""
        skin, whiskers = getattr(self, "skin", None), getattr(self, "whiskers", None)
        return (
            f"electrolyte_{self.name}", f"host_{self.name}",
            *((skin.region,) if skin else ()), *((whiskers.region,) if whiskers else ()),
        )

    def loose(self, dimension: int, contacts: str) -> tuple[tuple[str, str], ...]:
        """Solids whose bodies touch nothing, each with the pores around them."""
        return ()

    @property
    def bottom(self) -> tuple[str, ...]:
        """Regions at the bottom of the layer."""
        return (self.filler,)

    def scale(self) -> float:
        """The length (m) that sets the largest cell size."""
        return self.thickness

    def wall(self, dimension: int) -> float:
        """Default cell size on walls in m."""
        return self.scale() / (10 if dimension == 2 else 3)

    def misfits(self, cell: Cell) -> list[str]:
        """What does not fit between this layer and its cell, each as `field: reason`."""
        return []

    @classmethod
    @abstractmethod
    def fill(cls, run: list[tuple[Self, Site]]) -> list[Part]:
        """Parts of neighbouring layers of this kind, from below.

        Raises:
            CaseError: what was asked for cannot be placed.
        """


class Cell(Parameters):
    """Layers between collector and separator; families say which.

    Attributes:
        layers: from the collector upwards, 1 to 20.
        width: along x.
        breadth: along y, 3D only; default `width`.
        gap: thickness of free electrolyte above the host, region `electrolyte_gap`.
        separator: thickness of the separator, region `separator`.
        dimension: 2 or 3.
        seed: of all random numbers, 0 to 2^32 - 1.
        size: largest cell size; default the largest length of the layers' structure.
        size_wall: cell size on walls; default by layer, a tenth (3D: a third) of a diameter.
        size_counter: cell size at the counter electrode; default `size`.
        growth: ratio of neighbouring cells, above 1 to 2.
        budget: most cells, 1000 to 10 million.
    """

    layers: tuple[Any, ...] = Field(min_length=1, max_length=20)
    width: Length
    breadth: Length | None = None
    gap: Length | None = None
    separator: Length | None = None
    dimension: Literal[2, 3] = 2
    seed: int = Field(default=1, ge=0, lt=2**32)
    size: Length | None = None
    size_wall: Length | None = None
    size_counter: Length | None = None
    growth: Growth = 1.3
    budget: int = Field(default=2_000_000, ge=1000, le=10_000_000)

    @model_validator(mode="after")
    def _common(self) -> Self:
        names = [layer.name for layer in self.layers]
        wrong = []
        if len(set(names)) < len(names) or "gap" in names:
            wrong.append(f"layers: names must be unique and not 'gap': {', '.join(names)}")
        if self.dimension == 2 and self.breadth:
            wrong.append("breadth: only with dimension = 3")
        for layer in self.layers:
            wrong += [f"layers.{layer.name}.{w}" for w in layer.misfits(self)]
        if not wrong:  # what the largest cells need; the rest is known once parts are placed
            room = self.room()
            wrong += too_many(cells_needed(self.dimension, float(np.prod(room.corner)), room.size,
                                           self.growth), self.budget)
        if wrong:
            raise ValueError("\n  ".join(wrong))
        return self

    @property
    def axisymmetric(self) -> bool:
        """Whether x is the radius."""
        return False

    @property
    def across(self) -> list[float]:
        """Width, in 3D width and breadth, in m."""
        return [self.width] if self.dimension == 2 else [self.width, self.breadth or self.width]

    def off_pitch(self, units: Sequence[float], tolerance: float) -> list[str]:
        """What is wrong where the cell is not a multiple of a unit (m) along x and y."""
        wrong = []
        for which, length, unit in zip(("width", "breadth"), self.across, units, strict=False):
            count = max(1, round(length / unit))
            if abs(length / unit - count) > tolerance:
                wrong.append(f"pitch: the cell's {which} {length:g} m is not a multiple of "
                             f"{unit:g} m; nearest {count * unit:g} m")
        return wrong

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        regions = [name for layer in self.layers for name in layer.regions]
        regions += above(self.gap, self.separator)
        contacts = getattr(self, "contacts", "none")
        loose = [p for layer in self.layers for p in layer.loose(self.dimension, contacts)]
        return Names(
            tuple(dict.fromkeys(regions)), floor=self.layers[0].bottom, axis=self.axisymmetric,
            loose=tuple(loose),
        )

    def bounds(self) -> list[tuple[str, float, float]]:
        """(name, bottom, top) in m of each layer."""
        tops = np.cumsum([layer.thickness for layer in self.layers]).tolist()
        return [(layer.name, low, high) for layer, low, high in
                zip(self.layers, [0.0, *tops[:-1]], tops, strict=True)]

    def wall(self, layer: Layer) -> float:
        """Cell size on the walls of a layer in m."""
        return self.size_wall or layer.size_wall or layer.wall(self.dimension)

    def room(self) -> Room:
        """The cell without parts."""
        slabs = [(layer.filler, b, t) for layer, (_, b, t) in
                 zip(self.layers, self.bounds(), strict=True)]
        for region, thickness in (("electrolyte_gap", self.gap), ("separator", self.separator)):
            if thickness:
                slabs.append((region, slabs[-1][2], slabs[-1][2] + thickness))
        size = self.size or max(layer.scale() for layer in self.layers)
        planes = [(slabs[-1][2], self.size_counter)] if self.size_counter else []
        for layer, (_, low, high) in zip(self.layers, self.bounds(), strict=True):
            if layer.full:
                planes += [(low, self.wall(layer)), (high, self.wall(layer))]
        size = max([size, *(self.wall(layer) for layer in self.layers)])
        breadth = None if self.dimension == 2 else self.across[1]
        return Room(self.width, breadth, slabs, size, self.growth, planes, self.budget,
                    self.axisymmetric)


def build(cell: Cell) -> Built:
    """The tagged mesh of a cell, with what was delivered in the sidecar.

    Raises:
        CaseError: a layer cannot be placed, or a porosity not be delivered; says what can.
        RunError: the mesher failed; names the place.
    """
    numbers = itertools.count()
    parts: list[Part] = []
    sites = [
        (layer, Site(cell, low, high, np.random.default_rng([cell.seed, i]),
                     i == 0 or cell.layers[i - 1].full, [], numbers))
        for i, (layer, (_, low, high)) in enumerate(zip(cell.layers, cell.bounds(), strict=True))
    ]
    whiskers: dict[str, str] = {}  # region of the whiskers of a layer
    for kind, group in itertools.groupby(sites, key=lambda pair: type(pair[0])):
        run = list(group)
        for _, site in run:
            site.below = list(parts)
        parts += kind.fill(run)
        for layer, site in run:
            if getattr(layer, "whiskers", None):
                from geometries.builders.whiskers import grown_on

                parts += grown_on(layer.whiskers, site, parts, cell.wall(layer))
                whiskers[layer.name] = layer.whiskers.region
    room = cell.room()
    mesh, parts, report = carve(room, parts)
    off = _misses(cell, mesh, whiskers)
    if off and max(map(abs, off.values())) > 0.6 * POROSITY_TOLERANCE:
        parts = _corrected(cell, mesh, parts, off)
        mesh, parts, report = carve(room, parts)
        off = _misses(cell, mesh, whiskers)
    wrong = [
        f"layers.{name}.porosity: {_asked(cell)[name]:g} was asked for, but the mesh has "
        f"{_asked(cell)[name] + miss:.4f}; refine size_wall, or ask for that porosity"
        for name, miss in off.items() if abs(miss) > POROSITY_TOLERANCE
    ]
    if wrong:
        raise CaseError("\n".join(wrong))
    return finish(cell, mesh, parts, report)


def fitted(
    parts: list[Part], name: str, asked: float, reached: float, power: int, one: float
) -> list[Part]:
    """Parts of a layer with all radii scaled by up to 4 %, so that its porosity is met.

    Args:
        parts: of the layer.
        name: of the layer.
        asked: porosity.
        reached: porosity with the parts as they are.
        power: of the radius with which a part's volume grows.
        one: share of the layer that one part takes.

    Raises:
        CaseError: a larger change would be needed; names the reachable porosity.
    """
    scale = 1 + (reached - asked) / (power * max(1 - reached, 1e-9))
    if abs(scale - 1) > ADJUST:
        raise CaseError(
            f"layers.{name}.porosity: {asked:g} cannot be delivered within {POROSITY_TOLERANCE:g}; "
            f"reachable here {reached:.3f}; take a higher porosity, another seed or a larger cell "
            f"(one body is {100 * one:.2g} % of the layer)"
        )
    return [replace(p, shape=p.shape.grown((scale - 1) * p.shape.radius)) for p in parts]


def finish(cell: Cell, mesh: TaggedMesh, parts: list[Part], report: dict[str, Any]) -> Built:
    """Host, layers and what the mesh delivers: porosity, connectivity, floating solids."""
    bounds = cell.bounds()
    hosts = [b for layer, b in zip(cell.layers, bounds, strict=True)
             if any(n.startswith(("host_", "coating_")) for n in _regions_in(mesh, b))]
    cut_off = _cut_off(mesh)
    floating = _floating(mesh)
    extra: dict[str, Any] = {
        "porosity": {n: round(slab_fractions(mesh, [b, t])[0], 6) for n, b, t in bounds},
        "bodies": len({p.body for p in parts} - {None}),
        "contacts": _contacts(parts),
        "floating_solids": sum(floating.values()),
        "floating": floating,
        "connected": not floating,
        "pore_connected": pore_connectivity(mesh)[0],
        "cut_off_pores": cut_off,
        **report,
    }
    host = (hosts[0][1], hosts[-1][2]) if hosts else None
    return Built(mesh, host, bounds, extra)


def _contacts(parts: list[Part]) -> int:
    """Number of pairs of balls and rods of the host that merge (2D: without contact bars)."""
    shapes = [p.shape for p in parts if p.priority == HOST and isinstance(p.shape, Ball | Rod)]
    if not shapes:
        return 0
    starts, ends = (np.array(v) for v in zip(*(s.axis() for s in shapes), strict=True))
    radii = np.array([s.radius for s in shapes])
    return sum(
        int(np.sum(nearest(starts[i], ends[i], starts[:i], ends[:i]).apart < radii[:i] + radii[i]))
        for i in range(1, len(shapes))
    )


def _asked(cell: Cell) -> dict[str, float]:
    return {layer.name: getattr(layer, layer.porosity_asked) for layer in cell.layers
            if layer.porosity_asked and getattr(layer, layer.porosity_asked) is not None}


def _misses(cell: Cell, mesh: TaggedMesh, whiskers: dict[str, str]) -> dict[str, float]:
    """Delivered less asked porosity of each layer that asks for one; whiskers count as pore."""
    asked = _asked(cell)
    volumes = mesh.volumes()
    missed = {}
    for name, low, high in cell.bounds():
        if name in asked:
            got = slab_fractions(mesh, [low, high])[0]
            if whiskers.get(name) in mesh.regions:
                share = float(volumes[mesh.region_mask(whiskers[name])].sum())
                got += share / (math.prod(cell.across) * (high - low))
            missed[name] = got - asked[name]
    return missed


def _corrected(
    cell: Cell, mesh: TaggedMesh, parts: list[Part], off: dict[str, float]
) -> list[Part]:
    """Parts with their walls moved by what the flat faces of the mesh took from the round ones."""
    facets, pairs, _ = facet_pairs(mesh.cells)
    pore = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    wall = facets[pore[pairs[:, 0]] != pore[pairs[:, 1]]]
    height = mesh.points[wall, -1].mean(axis=1)
    areas = mesh.areas(wall)
    by = {}
    for name, low, high in cell.bounds():
        if name in off:
            area = float(areas[(height > low) & (height < high)].sum())
            by[low, high] = off[name] * (high - low) * math.prod(cell.across) / max(area, 1e-300)
    out = []
    for p in parts:
        middle = (p.shape.axis()[0][-1] + p.shape.axis()[1][-1]) / 2
        grow = next((b for (low, high), b in by.items() if low <= middle <= high), 0.0)
        out.append(replace(p, shape=p.shape.grown(-grow if is_pore(p.region) else grow)))
    return out


def _regions_in(mesh: TaggedMesh, bounds: tuple[str, float, float]) -> list[str]:
    height = mesh.points[mesh.cells, -1].mean(axis=1)
    inside = (height > bounds[1]) & (height < bounds[2])
    present = set(np.unique(mesh.cell_tags[inside]).tolist())
    return [n for n, t in mesh.regions.items() if t in present]


def _floating(mesh: TaggedMesh) -> dict[str, int]:
    """Number of solid bodies that do not reach the collector, by the region of most of it."""
    return _apart(mesh, [n for n in mesh.regions if not is_pore(n)], "collector")


def _cut_off(mesh: TaggedMesh) -> dict[str, int]:
    """Number of pore bodies that do not reach the counter electrode, by region."""
    return _apart(mesh, [n for n in mesh.regions if is_pore(n)], "counter")


def _apart(mesh: TaggedMesh, regions: list[str], boundary: str) -> dict[str, int]:
    if not regions:
        return {}
    count, body = components(mesh, mesh.region_mask(*regions))
    at = np.unique(mesh.facets[mesh.facet_tags == mesh.boundaries[boundary]])
    touching = np.isin(mesh.cells, at).sum(axis=1) == mesh.dimension
    alone = np.setdiff1d(np.arange(count), body[touching])
    names = {t: n for n, t in mesh.regions.items()}
    found: dict[str, int] = {}
    for b in alone.tolist():
        tags, cells = np.unique(mesh.cell_tags[body == b], return_counts=True)
        name = names[int(tags[cells.argmax()])]
        found[name] = found.get(name, 0) + 1
    return found
