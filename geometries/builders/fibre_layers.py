"""Layers of fibres: parameters, places of discs and bars, porosity that was delivered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from fem.base.errors import CaseError
from fem.values.units import shown_length
from geometries.meshing.mesh import (
    Built,
    Floats,
    TaggedMesh,
    cells_needed,
    segment_distance,
    too_many,
)
from geometries.meshing.parameters import (
    Growth,
    Later,
    Length,
    Name,
    Names,
    Parameters,
    Skin,
    Whiskers,
    above,
    below,
    cut_breadth,
    same_names,
)

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
POROSITY_TOLERANCE = 0.01
#: Porosity below which no 3D mat of random fibres in contact was drawn (0.68 to 0.82 reached).
MIN_POROSITY_3D = 0.6
#: Share of the area at which discs that are laid down at random, one after the other, jam
#: (Hinrichsen, Feder, Jossang, J. Stat. Phys. 44 (1986) 793).
JAMMED_SHARE = 0.547
#: Most draws of the positions until the porosities are met.
MAX_DRAWS = 6
#: Cost of a step across the thickness over that of one along it, for the bars.
LEVEL_COST = 4.0


class Lumen(Parameters):
    """The inside of hollow fibres, region `electrolyte_lumen`.

    Attributes:
        open: share of a fibre's cross-section that is open, 0.02 to 0.8; 3D: to 0.37, with 2 to 7
            channels to 0.08, 0.09, 0.07, 0.05, 0.03, 0.03, so that they stay clear of contacts.
        channels: 1 for a tube, 2 to 7 for parallel channels (7: one in the middle).
        mouth: width of a slit that leads out of each channel (7: of each but the middle one) over
            the fibre's diameter, 0.02 to 0.3, 2D; without it ions reach it only through the wall.
    """

    open: Annotated[float, Field(ge=0.02, le=0.8)]
    channels: Annotated[int, Field(ge=1, le=7)] = 1
    mouth: Annotated[float, Field(ge=0.02, le=0.3)] | None = None

    def _faults(self) -> list[str]:
        wrong = []
        if self.rim(1.0) < 0.04:
            wrong.append(f"open: {self.open:g} leaves no wall between {self.channels} channels; "
                         "reduce open or channels")
        if self.mouth and self.mouth > 0.8 * self.places(1.0)[1]:
            wrong.append("mouth: at most 0.8 of a channel's radius over the fibre's, "
                         f"{0.8 * self.places(1.0)[1]:.3f}")
        return wrong

    def places(self, radius: float) -> tuple[list[tuple[float, float]], float]:
        """(angle, distance from the axis over the radius) of each channel, and their radius in m.

        Walls between channels and outside are equally thick.
        """
        a = math.sqrt(self.open / self.channels)
        if self.channels == 1:
            return [(0.0, 0.0)], a * radius
        around = 6 if self.channels == 7 else self.channels
        half = 0.5 if self.channels == 7 else math.sin(math.pi / around)
        reach = (1 + a) / (1 + 2 * half)
        ring = [(2 * math.pi * k / around, reach) for k in range(around)]
        return ring + ([(0.0, 0.0)] if self.channels == 7 else []), a * radius

    def rim(self, radius: float) -> float:
        """Thickness of the thinnest wall in m."""
        return radius - self.outline(radius)

    def outline(self, radius: float) -> float:
        """Radius of the circle around all channels in m."""
        ring, a = self.places(radius)
        return ring[0][1] * radius + a


class FibreLayer(Parameters):
    """One layer of fibres.

    Attributes:
        name: pores become `electrolyte_<name>`, fibres `host_<name>` (or `host_<name>_<mix>`).
        thickness: above the fibre diameter.
        porosity: pore volume over layer volume, 0 to 1; dense random packings end near 0.6 in 2D;
            3D from 0.6 on, and the densest mats drawn had 0.68 to 0.82, the less the smaller the
            cell.
        fibre_diameter: outer diameter of the fibres.
        mix: share of fibres (by number) of each kind, sums to 1.
        bonded: whether fibres join the conducting tree of a 2D cut; names of kinds to join only
            those of a mix.
        lumen: makes the fibres hollow; its volume counts as pore.
        skin: a film around the fibres, region `coating_<skin's name>`; counts as solid.
        whiskers: thin rods on the fibres.
        orientation: 3D: fibres lie in the plane or in any direction ("isotropic").
        size_wall: cell size on its fibres where the cell gives none for all layers; round, full
            fibres take the least of all layers. Default a tenth (3D: a third) of the diameter.
    """

    name: Name
    thickness: Length
    porosity: Fraction
    fibre_diameter: Length
    mix: dict[Name, Fraction] | None = None
    bonded: bool | tuple[Name, ...] = True
    lumen: Lumen | None = None
    skin: Skin | None = None
    whiskers: Whiskers | None = None
    orientation: Literal["plane", "isotropic"] = "plane"
    size_wall: Later = None

    def _faults(self) -> list[str]:
        wrong = []
        if self.thickness <= 1.2 * self.fibre_diameter:
            wrong.append(
                f"thickness: {shown_length(self.thickness)} holds no fibre of "
                f"{shown_length(self.fibre_diameter)}; take at least 1.2 diameters"
            )
        if self.mix is not None and abs(sum(self.mix.values()) - 1.0) > 1e-6:
            wrong.append(f"mix: fractions add up to {sum(self.mix.values()):g}, not 1")
        kinds = list(self.mix or {})
        if not isinstance(self.bonded, bool):
            wrong += [
                f"bonded: no kind {name!r} in the mix; known: {', '.join(kinds) or 'none'}"
                for name in self.bonded if name not in kinds
            ]
        if self.skin and self.whiskers:
            wrong.append("whiskers: cannot be combined with a skin")
        if self.skin and max(self.skin.thickness) > 0.25 * self.fibre_diameter:
            wrong.append("skin.thickness: at most a quarter of the fibre's diameter, "
                         f"{shown_length(0.25 * self.fibre_diameter)}")
        return wrong

    def wall(self, dimension: int) -> float:
        """Cell size on its fibres in m, where the cell gives none."""
        return self.size_wall or self.fibre_diameter / (10 if dimension == 2 else 3)

    @property
    def plain(self) -> bool:
        """True if fibres are full, bare and in the plane."""
        special = self.lumen or self.skin or self.whiskers
        return not special and self.orientation == "plane"

    def unfit(self, dimension: int) -> list[str]:
        """Settings that do not suit this dimension, each as `field: reason`."""
        wrong = []
        if dimension == 3:
            wrong += below(
                self.porosity, MIN_POROSITY_3D, "random fibres in contact", "0.68 to 0.82"
            )
        if dimension == 2 and self.orientation != "plane":
            wrong.append("orientation: only with dimension = 3")
        if dimension == 3 and self.lumen and self.lumen.mouth:
            wrong.append("lumen.mouth: only with dimension = 2")
        if dimension == 3 and self.lumen and self.lumen.outline(1.0) > 0.61:
            wrong.append("lumen.open: channels must lie within 0.6 of the radius in 3D, here "
                         f"{self.lumen.outline(1.0):.2f}; one channel up to 0.36")
        return wrong

    def region(self, kind: str | None) -> str:
        """Region name of a fibre of one kind of the mix (None without a mix)."""
        return f"host_{self.name}" + (f"_{kind}" if kind else "")

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions of the layer."""
        kinds: list[str | None] = [*self.mix] if self.mix else [None]
        return (
            f"electrolyte_{self.name}", *(self.region(kind) for kind in kinds),
            *(("electrolyte_lumen",) if self.lumen else ()),
            *((self.skin.region,) if self.skin else ()),
            *((self.whiskers.region,) if self.whiskers else ()),
        )

    def loose(self, dimension: int, contacts: str) -> tuple[tuple[str, str], ...]:
        """Fibres that touch nothing, each with the pores around them."""
        kinds: list[str | None] = [*self.mix] if self.mix else [None]
        return tuple(
            (self.region(kind), f"electrolyte_{self.name}") for kind in kinds
            if dimension == 2 and (contacts == "none" or not self.joins(kind))
        )

    def joins(self, kind: str | None) -> bool:
        """True if a fibre of this kind joins the conducting tree."""
        return self.bonded if isinstance(self.bonded, bool) else kind in self.bonded


class FibreMat(Parameters):
    """Parameters of a layered fibre host.

    Attributes:
        layers: from the collector upwards, 1 to 10.
        width: along x.
        breadth: along y, 3D only; default `width`.
        gap: thickness of free electrolyte above the host, region `electrolyte_gap`.
        separator: thickness of the separator, region `separator`.
        dimension: 2 (cross-section) or 3.
        seed: of the random positions, 0 to 2^32 - 1.
        clearance: least distance between fibres and to planes, in fibre diameters, 2D;
            0.02 to 1.
        contacts: 2D: "none" leaves fibres as discs that touch nothing in the cut; the case then
            says how they touch outside it (`connected` or `bridge_sigma` of a region), or they
            float. "tree" joins them by bars to the collector, which cuts the pores into chambers
            that hardly exchange salt sideways.
        contact_width: width of these bars in fibre diameters, 0.05 to 0.4.
        size: largest cell size; default the largest fibre diameter.
        size_wall: cell size on fibres; default a tenth (3D: a third) of the smallest diameter.
        size_counter: cell size at the counter electrode; default `size`.
        growth: ratio of neighbouring cells, above 1 to 2.
    """

    layers: tuple[FibreLayer, ...] = Field(min_length=1, max_length=10)
    width: Length
    breadth: Length | None = None
    gap: Length | None = None
    separator: Length | None = None
    dimension: Literal[2, 3] = 2
    seed: int = Field(default=1, ge=0, lt=2**32)
    clearance: float = Field(default=0.1, ge=0.02, le=1.0)
    contacts: Literal["tree", "none"] = "none"
    contact_width: float = Field(default=0.3, ge=0.05, le=0.4)
    size: Length | None = None
    size_wall: Length | None = None
    size_counter: Length | None = None
    growth: Growth = 1.3

    def _faults(self) -> list[str]:
        wrong = [*same_names(self.layers, "gap"), *cut_breadth(self.dimension, self.breadth)]
        wrong += [f"layers.{layer.name}.{w}" for layer in self.layers
                  for w in layer.unfit(self.dimension)]
        thickest = max(layer.fibre_diameter for layer in self.layers)
        if self.width < 2 * thickest or (self.breadth or self.width) < 2 * thickest:
            wrong.append(f"width, breadth: at least two diameters of the thickest fibre, "
                         f"{shown_length(2 * thickest)}")
        thinnest = min(layer.fibre_diameter for layer in self.layers)
        if self.size_wall and self.size_wall > thinnest:
            wrong.append(f"size_wall: {shown_length(self.size_wall)} is more than the thinnest "
                         f"fibre, {shown_length(thinnest)}; take at most a third of it")
        if not wrong:
            across = self.width * ((self.breadth or self.width) if self.dimension == 3 else 1.0)
            size, wall = self.sizes()
            walls = sum(4 * (1 - layer.porosity) * layer.thickness / layer.fibre_diameter
                        for layer in self.layers)
            wrong += too_many(cells_needed(
                self.dimension, across * self.slabs()[-1][2], size, self.growth,
                [(2 * across * walls, wall)]))
        return wrong

    def box(self) -> tuple[float, ...]:
        """Far corner of the cell, m."""
        across = [self.breadth or self.width] * (self.dimension - 2)
        return (self.width, *across, self.slabs()[-1][2])

    def bounds(self) -> list[tuple[str, float, float]]:
        """(name, bottom, top) in m of each layer of fibres."""
        tops = np.cumsum([layer.thickness for layer in self.layers]).tolist()
        return [(layer.name, low, high) for layer, low, high in
                zip(self.layers, [0.0, *tops[:-1]], tops, strict=True)]

    def slabs(self) -> list[tuple[str, float, float]]:
        """(electrolyte region, bottom, top) in m of each slab of the cell."""
        out = [(f"electrolyte_{n}", b, t) for n, b, t in self.bounds()]
        for region, thickness in (("electrolyte_gap", self.gap), ("separator", self.separator)):
            if thickness:
                out.append((region, out[-1][2], out[-1][2] + thickness))
        return out

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        regions = [name for layer in self.layers for name in layer.regions]
        regions += above(self.gap, self.separator)
        loose = [pair for layer in self.layers
                 for pair in layer.loose(self.dimension, self.contacts)]
        return Names(tuple(dict.fromkeys(regions)), floor=(self.slabs()[0][0],), loose=tuple(loose))

    def sizes(self) -> tuple[float, float]:
        """Largest cell size and cell size on fibres in m."""
        wall = self.size_wall or min(layer.wall(self.dimension) for layer in self.layers)
        return max(self.size or max(layer.fibre_diameter for layer in self.layers), wall), wall


@dataclass(frozen=True)
class Disc:
    """A fibre cut across: centre and radius in m, its region, whether it joins the tree."""

    x: float
    y: float
    r: float
    region: str
    joins: bool


@dataclass(frozen=True)
class Bar:
    """A contact bar of `width` (m) from `start` to `end`, of the region of its upper disc.

    `area` (m^2) and `rise` (heights in m) are those of its part outside the discs.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    region: str
    area: float
    rise: tuple[float, float]


def finish(p: FibreMat, mesh: TaggedMesh, fibres: int, unbonded: int = 0) -> Built:
    """Check the mesh's porosity against the order and tell what was delivered.

    `connected` of the sidecar: every fibre that is to be bonded conducts to the collector.

    Raises:
        CaseError: the porosity is off by more than the tolerance.
    """
    from geometries.meshing.measures import floating_solids, slab_fractions

    bounds = p.bounds()
    host = (0.0, bounds[-1][2])
    delivered = {
        name: slab_fractions(mesh, [low, high])[0] for name, low, high in bounds
    }
    for layer in p.layers:
        off = delivered[layer.name] - layer.porosity
        if abs(off) > POROSITY_TOLERANCE:
            raise CaseError(
                f"layers.{layer.name}.porosity: {layer.porosity:g} was asked for, but the mesh has "
                f"{delivered[layer.name]:.4f}; refine size_wall, or ask for that porosity"
            )
    floating = floating_solids(mesh)
    extra = {
        "fibres": fibres,
        "porosity": {k: round(v, 6) for k, v in delivered.items()},
        "floating_solids": floating,
        "connected": floating <= unbonded,
    }
    return Built(mesh, host, bounds, extra)


def place(
    p: FibreMat, tolerance: float = POROSITY_TOLERANCE, draw: int = 0
) -> tuple[list[Disc], list[Bar]]:
    """Positions of the discs and the bars that join them, to the porosity asked for.

    Args:
        p: the mat.
        tolerance: of the porosities.
        draw: number of the draw with this seed.

    Raises:
        CaseError: a porosity cannot be reached; names the reachable one.
    """
    sequences = [
        _sequence(p, layer, low, high,
                  np.random.default_rng([p.seed, i, draw] if draw else [p.seed, i]))
        for i, (layer, (_, low, high)) in enumerate(zip(p.layers, p.bounds(), strict=True))
    ]
    # A shorter sequence is the same draw stopped earlier: only the numbers are searched.
    solid = [(1 - layer.porosity) * layer.thickness * p.width for layer in p.layers]
    counts = [s / (math.pi / 4 * layer.fibre_diameter**2)
              for s, layer in zip(solid, p.layers, strict=True)]
    best: tuple[float, list[Disc], list[Bar], list[float]] | None = None
    tried = 0
    for _ in range(40):
        chosen = [max(1, min(round(n), len(s))) for n, s in zip(counts, sequences, strict=True)]
        discs = [d for n, s in zip(chosen, sequences, strict=True) for d in s[:n]]
        bars, loose = _tree(p, discs) if p.contacts == "tree" else ([], [])
        if loose:  # no room for its bar: the next one of the sequence takes its place
            sequences = [[d for d in s if d not in loose] for s in sequences]
            continue
        tried += 1
        got = [_solid_area(discs, bars, low, high) for _, low, high in p.bounds()]
        misses = [(g - s) / (layer.thickness * p.width)
                  for g, s, layer in zip(got, solid, p.layers, strict=True)]
        worst = max(abs(m) for m in misses)
        if best is None or worst < best[0]:
            best = worst, discs, bars, misses
        if worst < 0.4 * tolerance or tried == 8:
            break
        counts = [n - 0.9 * (g - s) / (math.pi / 4 * layer.fibre_diameter**2)
                  for n, g, s, layer in zip(chosen, got, solid, p.layers, strict=True)]
    if best is None:
        raise CaseError("fibre_mat: no room for the bars of the contact tree; take a thinner "
                        "contact_width, a higher porosity or contacts = \"none\"")
    wrong = []
    for layer, miss, sequence in zip(p.layers, best[3], sequences, strict=True):
        if abs(miss) > tolerance:
            disc = math.pi / 4 * layer.fibre_diameter**2 / layer.thickness
            jammed = 1.0 - JAMMED_SHARE / (1.0 + p.clearance) ** 2
            way = (f"discs that are placed at random jam near {jammed:.2f} in a cell of any width: "
                   "take a higher porosity, or a smaller clearance" if layer.porosity < jammed
                   else "more room: thinner fibres, a smaller clearance or another seed"
                   if miss < 0 and len(sequence) < 10_000 and disc / p.width < tolerance
                   else f"a width of {shown_length(disc / tolerance, 3)} or more makes it possible")
            wrong.append(
                f"layers.{layer.name}.porosity: {layer.porosity:g} cannot be delivered within "
                f"{tolerance:g}; reachable here {layer.porosity - miss:.3f}; {way}"
            )
    if wrong:
        raise CaseError("fibre_mat:\n  " + "\n  ".join(wrong))
    return best[1], best[2]


def _sequence(
    p: FibreMat, layer: FibreLayer, low: float, high: float, rng: np.random.Generator
) -> list[Disc]:
    """Random sequential addition, a little beyond the number asked for or until it is full."""
    r = layer.fibre_diameter / 2
    free = p.clearance * layer.fibre_diameter
    wanted = (1 - layer.porosity) * layer.thickness * p.width / (math.pi * r**2)
    corner = np.array([r + free, low + r + free])
    room = np.array([p.width - r - free, high - r - free]) - corner
    if np.any(room <= 0):
        return []
    target = math.ceil(1.1 * wanted) + 5
    centres, found = np.empty((target, 2)), 0
    apart = (2 * r + free) ** 2
    for _ in range(400):  # 400 batches of 500 draws: near the jamming density
        batch = corner + room * rng.random((500, 2))
        x, y = (np.subtract.outer(batch[:, k], centres[:found, k]) for k in (0, 1))
        free_ones = batch[np.all(x * x + y * y >= apart, axis=1)]  # clear of all earlier batches
        earlier = found
        for point in free_ones:
            x, y = (centres[earlier:found] - point).T
            if found < target and np.all(x * x + y * y >= apart):
                centres[found] = point
                found += 1
        if found == target:
            break
    kinds = kinds_of(layer, found, rng)
    return [Disc(float(x), float(y), r, layer.region(k), layer.joins(k))
            for (x, y), k in zip(centres[:found], kinds, strict=True)]


def kinds_of(layer: FibreLayer, n: int, rng: np.random.Generator) -> list[str | None]:
    """Kinds of n fibres: any prefix has shares close to the mix's, in random order."""
    if not layer.mix:
        return [None] * n
    kinds, owed = list(layer.mix), dict.fromkeys(layer.mix, 0.0)
    out: list[str | None] = []
    while len(out) < n:
        block = []
        for _ in range(10):  # shares are exact over blocks, shuffled inside each
            for k in kinds:
                owed[k] += layer.mix[k]
            most = max(kinds, key=lambda k: owed[k])
            owed[most] -= 1.0
            block.append(most)
        out += [block[i] for i in rng.permutation(len(block))]
    return out[:n]


@dataclass(frozen=True)
class _Way:
    """A bar from the middle of disc i to that of disc j, or of -1, the collector, down to it."""

    i: int
    j: int
    start: Floats
    end: Floats
    width: float

    @property
    def discs(self) -> set[int]:
        """Discs that it joins."""
        return {self.i, self.j} - {-1}


def _tree(p: FibreMat, discs: list[Disc]) -> tuple[list[Bar], list[Disc]]:
    """Bars of a shortest tree (Kruskal) over the joining discs and the collector.

    Steep bars are preferred: level ones would bar the way of the ions. Returns the bars, and the
    discs that found no room for one.
    """
    n = len(discs)
    xy = np.array([[d.x, d.y] for d in discs])
    radii = np.array([d.r for d in discs])
    edges = []
    for i in (i for i in range(n) if discs[i].joins):
        edges.append((float(xy[i, 1]), i, -1))
        cost = np.hypot(LEVEL_COST * (xy[:, 0] - xy[i, 0]), xy[:, 1] - xy[i, 1])
        edges += [(float(cost[j]), i, int(j)) for j in np.argsort(cost)[1:25] if discs[j].joins]
    parent = list(range(n + 1))  # the last one, of -1, is the collector

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    taken: list[_Way] = []
    for _, i, j in sorted(edges):
        if root(i) == root(j):
            continue
        end = xy[j] if j >= 0 else np.array([xy[i, 0], 0.0])
        thin = min(radii[i], radii[j] if j >= 0 else radii[i])
        way = _Way(i, j, xy[i], end, 2 * p.contact_width * thin)
        if _has_room(p, way, xy, radii, taken):
            parent[root(i)] = root(j)
            taken.append(way)
    loose = [d for i, d in enumerate(discs) if d.joins and root(i) != root(n)]
    return [_bar(way, discs) for way in taken], loose


def _has_room(p: FibreMat, way: _Way, xy: Floats, radii: Floats, taken: list[_Way]) -> bool:
    """A bar touches no third disc, nor another bar, and does not graze the plane between two slabs.

    Else it would close in a pore or leave a sliver.
    """
    a, b = way.start, way.end
    if _grazes(a, b, way.width, [bottom for _, bottom, _ in p.slabs()][1:]):
        return False
    near = _distance_to_segment(xy, a, b) - radii - way.width / 2
    near[[*way.discs]] = np.inf
    if np.any(near < 0.5 * p.clearance * 2 * radii):
        return False
    free = way.width + p.clearance * 2 * radii[way.i]
    far = np.linalg.norm(b - a) / 2 + free
    close = [t for t in taken if np.linalg.norm(t.start + t.end - a - b)
             < 2 * far + np.linalg.norm(t.end - t.start)]
    if any(segment_distance((*a, *b), (*t.start, *t.end)) < free
           for t in close if not way.discs & t.discs):
        return False
    # Bars of one disc leave it at least 15 degrees apart, edge from edge.
    least = 2 * math.asin(p.contact_width) + math.radians(15)
    return not any(
        _angle(xy[s], a if s == way.j else b, t.end if s == t.i else t.start) < least
        for t in close for s in way.discs & t.discs
    )


def _bar(way: _Way, discs: list[Disc]) -> Bar:
    """The bar itself; its area and rise are those of its part outside the discs."""
    first, second = discs[way.i], discs[way.j] if way.j >= 0 else None
    length = np.linalg.norm(way.end - way.start)
    along = (way.end - way.start) / length
    ends = [first.r, second.r] if second else [first.r]
    area = way.width * float(length) - sum(_cap(r, way.width / 2) for r in ends)
    upper = first if second is None or first.y >= second.y else second
    foot = way.end[1] - along[1] * second.r if second else 0.0
    low, high = sorted((float(way.start[1] + along[1] * first.r), float(foot)))
    (x0, y0), (x1, y1) = way.start.tolist(), way.end.tolist()
    return Bar((x0, y0), (x1, y1), way.width, upper.region, area, (low, high))


def _angle(at: Floats, to: Floats, other: Floats) -> float:
    """Angle in rad between the ways from a point to two others."""
    u, v = to - at, other - at
    return math.acos(float(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1.0, 1.0)))


def _grazes(a: Floats, b: Floats, width: float, planes: list[float]) -> bool:
    """True if a bar meets a plane under less than 30 degrees or runs close to it."""
    low, high = sorted((a[1], b[1]))
    steep = high - low > 0.5 * float(np.linalg.norm(b - a))
    return not steep and any(low - width < y < high + width for y in planes)


def _cap(r: float, b: float) -> float:
    """Area of the part of a bar of half width b that lies in the disc where it starts."""
    return b * math.sqrt(r * r - b * b) + r * r * math.asin(b / r)


def _distance_to_segment(points: Floats, a: Floats, b: Floats) -> Floats:
    along = np.clip((points - a) @ (b - a) / float((b - a) @ (b - a)), 0.0, 1.0)
    out: Floats = np.linalg.norm(points - a - along[:, None] * (b - a), axis=1)
    return out


def _solid_area(discs: list[Disc], bars: list[Bar], low: float, high: float) -> float:
    """Solid area in m^2 between two heights; discs do not cross layers, bars may."""
    area = sum(math.pi * d.r**2 for d in discs if low < d.y < high)
    for bar in bars:
        y0, y1 = bar.rise
        share = 1.0 if low <= y0 and y1 <= high else (
            max(0.0, min(y1, high) - max(y0, low)) / (y1 - y0) if y1 > y0 else 0.0)
        area += share * bar.area
    return area
