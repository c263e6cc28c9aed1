"""Family `grains`: a polycrystal of solid electrolyte with boundaries, notches, cracks and voids.

The grains are Voronoi cells of random seeds. Their boundaries are a region of their own
(`boundary_width`), or the interfaces between the regions `solid_electrolyte_1`, `_2` and so on: no
two grains that touch have the same.
"""

from __future__ import annotations

import functools
import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from fem.values.units import shown_length
from geometries.builders import lattice_host
from geometries.builders.lattice_host import OnLattice
from geometries.meshing.levelset import Field as PlaceField
from geometries.meshing.mesh import Built, Floats, Ints, TaggedMesh
from geometries.meshing.parameters import Length, Names, Parameters, above


class Flaw(Parameters):
    """A notch or a crack that starts at the collector and, in 3D, runs through the breadth.

    Attributes:
        kind: "notch", a wedge filled by the electrode: its walls belong to `collector`; or
            "crack", a slit, empty above its filled part.
        x: middle of its mouth.
        depth: along its middle, at most 0.95 of the thickness.
        width: of the mouth; at least 1.5 `size`.
        tilt: against the thickness, -45 to 45 degrees, towards larger x.
        filled: share of a crack's depth that is filled, region `host_crack`, 0 to 1.
    """

    kind: Literal["notch", "crack"] = "crack"
    x: Length
    depth: Length
    width: Length
    tilt: Annotated[float, Field(ge=-45.0, le=45.0)] = 0.0
    filled: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0


class Grains(OnLattice):
    """Parameters of a polycrystal; in addition to those of all hosts on a lattice.

    Attributes:
        grain_diameter: mean distance of neighbouring grains' centres, at most the width.
        boundary_width: of the region `solid_electrolyte_boundary` between the grains
            `solid_electrolyte_grain`; at least 1.5 `size`, at most 0.3 grain diameters. Without
            it boundaries are interfaces of regions.
        flaws: notches and cracks, at most 20.
        contact: share of the collector that the electrolyte touches, 0.2 to 1; delivered +- 0.01.
        void_spacing: mean distance of the voids that cover the rest; default the grain diameter.
        void_height: of the voids; default a quarter of `void_spacing`; at least 1.5 `size`.
        seed: of grains and voids, 0 to 2^32 - 1.
        size: default a tenth of the grain diameter, finer where boundaries or flaws are thin.
    """

    grain_diameter: Length
    boundary_width: Length | None = None
    flaws: tuple[Flaw, ...] = Field(default=(), max_length=20)
    contact: Annotated[float, Field(ge=0.2, le=1.0)] = 1.0
    void_spacing: Length | None = None
    void_height: Length | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1

    def _faults(self) -> list[str]:
        if wrong := super()._faults():
            return wrong
        least = 1.5 * self.spacing() * (1 - 1e-9)
        if self.layers:
            wrong.append("layers: a polycrystal has none; give thickness")
        if self.grain_diameter > min(self.across):
            wrong.append(f"grain_diameter: {shown_length(self.grain_diameter)} is more than the "
                         f"width {shown_length(min(self.across))}")
        b = self.boundary_width
        if b and not least <= b <= 0.3 * self.grain_diameter:
            wrong.append(f"boundary_width: {shown_length(b)} lies outside {shown_length(least)} to "
                         f"{shown_length(0.3 * self.grain_diameter)} (1.5 size to 0.3 grain "
                         "diameters)")
        for i, flaw in enumerate(self.flaws):
            if flaw.width < least:
                wrong.append(f"flaws.{i}.width: {shown_length(flaw.width)} is thinner than 1.5 "
                             f"size, {shown_length(least)}; take a finer size")
            turn = math.radians(flaw.tilt)
            ends = [flaw.x, flaw.x + flaw.depth * math.sin(turn)]
            if flaw.depth * math.cos(turn) > 0.95 * self.top:
                wrong.append(f"flaws.{i}.depth: {shown_length(flaw.depth)} reaches the top; at "
                             f"most {shown_length(0.95 * self.top / math.cos(turn))}")
            if not flaw.width <= min(ends) <= max(ends) <= self.width - flaw.width:
                wrong.append(f"flaws.{i}.x: the flaw comes closer to the sides than its width")
        if self.contact < 1 and self.voids()[1] < least:
            wrong.append(f"void_height: {shown_length(self.voids()[1])} is less than 1.5 size, "
                         f"{shown_length(least)}")
        if self.contact < 1 and (self.voids()[1] > 0.5 * self.top
                                 or self.voids()[0] > min(self.across)):
            wrong.append("void_spacing, void_height: voids are at most half as high as the host "
                         "and one fits into the width")
        if wrong:
            return wrong
        self.budget(self.spacing())
        return []

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        filled = any(f.kind == "crack" and f.filled > 0 for f in self.flaws)
        others = (*(("host_crack",) if filled else ()), *above(self.gap, self.separator))
        if self.boundary_width:
            crystal = ("solid_electrolyte_grain", "solid_electrolyte_boundary")
            return Names(crystal + others, floor=crystal[:1])
        colours = _coloured(self.seeds(np.random.default_rng(self.seed)))
        numbered = [f"solid_electrolyte_{k + 1}" for k in range(int(colours.max()) + 1)]
        return Names(others, tuple(numbered))

    def seeds(self, rng: np.random.Generator) -> Floats:
        """Centres of the grains, also around the host."""
        return scattered(rng, [*self.across, self.top], self.grain_diameter)

    def voids(self) -> tuple[float, float]:
        """Spacing and height of the voids in m."""
        spacing = self.void_spacing or self.grain_diameter
        return spacing, self.void_height or spacing / 4

    def spacing(self) -> float:
        """Spacing of the lattice in m."""
        thin = [self.boundary_width, *(f.width for f in self.flaws),
                self.void_height if self.contact < 1 else None]
        return self.size or min([self.grain_diameter / 10, *(t / 2 for t in thin if t)])


def build(p: Grains) -> Built:
    """The tagged mesh; `mesh.json` lists the number of grains and the contact delivered.

    Raises:
        CaseError: the contact cannot be delivered.
    """
    rng = np.random.default_rng(p.seed)
    seeds = p.seeds(rng)
    if p.boundary_width:
        crystal = _boundary(seeds, p.boundary_width)
        regions = ["solid_electrolyte_grain", "solid_electrolyte_boundary"]
    else:
        colours = _coloured(seeds)
        crystal = _by_colour(seeds, colours)
        regions = [f"solid_electrolyte_{k + 1}" for k in range(int(colours.max()) + 1)]
    filled = any(f.kind == "crack" and f.filled > 0 for f in p.flaws)
    regions = [*regions, "", *["host_crack"] * filled]
    void_centres = scattered(rng, p.across, p.voids()[0])
    layers = p.host_layers("grains")

    def made(shift: float) -> TaggedMesh:
        bumps = _voids(p, void_centres, p.contact + shift)

        def field(points: Floats) -> Floats:
            solid, (empty, metal) = crystal(points), _flaws(p, points)
            if p.contact < 1:
                empty = np.minimum(empty, bumps(points))
            # The grain that is here has the number 0, so that a flaw wins inside itself.
            others = [empty, metal][: 1 + filled]
            return np.column_stack([solid - solid.min(axis=1, keepdims=True), *others])

        return lattice_host.host_mesh(p, layers, p.spacing(), field, regions,
                                      collector=functools.partial(_on_notch, p))

    def touched(mesh: TaggedMesh) -> float:
        flat = np.all(mesh.points[mesh.facets, -1] < 1e-9 * p.top, axis=1)
        return float(mesh.areas(mesh.facets[flat]).sum()) / math.prod(p.across)

    if p.contact < 1:
        mouths = sum(f.width for f in p.flaws) / p.width
        mesh = lattice_host.tuned(made, p.contact * (1 - mouths), touched, "grains: contact")
    else:
        mesh = made(0.0)
    inside = np.all((seeds > 0) & (seeds < [*p.across, p.top]), axis=1)
    extra = {"grains": int(inside.sum()), "contact": round(touched(mesh), 6)}
    return lattice_host.finished(mesh, layers, "grains", connected=False, extra=extra)


def _flaws(p: Grains, points: Floats) -> tuple[Floats, Floats]:
    """Signed distances, m, from what is empty in notches and cracks, and from metal in cracks."""
    empty, metal = np.full((2, len(points)), np.inf)
    for flaw in p.flaws:
        inside, along = _flaw(flaw, points)
        split = flaw.filled * flaw.depth if flaw.kind == "crack" else 0.0
        empty = np.minimum(empty, np.maximum(inside, split - along))
        if split > 0:
            metal = np.minimum(metal, np.maximum(inside, along - split))
    return empty, metal


def _on_notch(p: Grains, xyz: Floats) -> np.ndarray:
    """Facets, given by their corners, on the walls of notches and on no side of the mesh."""
    middle = xyz.mean(axis=1)
    near = np.zeros(len(middle), dtype=bool)
    for flaw in (f for f in p.flaws if f.kind == "notch"):
        near |= np.abs(_flaw(flaw, middle)[0]) < 0.5 * p.spacing()
    for axis, length in enumerate(p.across):
        for side in (0.0, length):
            near &= np.any(np.abs(xyz[..., axis] - side) > 1e-9 * length, axis=1)
    return near


def scattered(rng: np.random.Generator, extent: list[float], spacing: float) -> Floats:
    """Random points in a box and one spacing around it, none closer than 0.7 spacings."""
    from scipy.spatial import cKDTree

    box = np.array(extent) + 2 * spacing
    darts = rng.random((int(25 * np.prod(box / spacing)) + 1, len(box))) * box - spacing
    near = cKDTree(darts).query_ball_point(darts, 0.7 * spacing)
    free = np.ones(len(darts), dtype=bool)
    kept = []
    for i in range(len(darts)):
        if free[i]:
            kept.append(i)
            free[near[i]] = False
    return darts[kept]


def _coloured(seeds: Floats) -> Ints:
    """A small number for each seed; neighbours' numbers differ."""
    from scipy.spatial import Delaunay

    starts, neighbours = Delaunay(seeds).vertex_neighbor_vertices
    colour = np.full(len(seeds), -1, dtype=np.int64)
    for i in np.argsort(-np.diff(starts), kind="stable"):
        taken = set(colour[neighbours[starts[i] : starts[i + 1]]].tolist())
        colour[i] = next(k for k in range(len(seeds)) if k not in taken)
    return colour


def _by_colour(seeds: Floats, colours: Ints) -> PlaceField:
    """For each colour the distance to its nearest seed, squared; those far away count as equal."""
    from scipy.spatial import cKDTree

    tree = cKDTree(seeds)
    count = int(colours.max()) + 1

    def field(points: Floats) -> Floats:
        far, which = tree.query(points, k=min(12, len(seeds)))
        # Differences of squares are linear: bisectors are hit exactly.
        value = np.repeat(far[:, -1:] ** 2, count, axis=1)
        rows = np.arange(len(points))
        for k in range(far.shape[1] - 1, -1, -1):  # the nearest of a colour comes last
            value[rows, colours[which[:, k]]] = far[:, k] ** 2
        return value

    return field


def _boundary(seeds: Floats, width: float) -> PlaceField:
    """Grain or boundary, by the distance to the nearest bisector of two seeds."""
    from scipy.spatial import cKDTree

    tree = cKDTree(seeds)

    def field(points: Floats) -> Floats:
        far, which = tree.query(points, k=min(10, len(seeds)))
        apart = np.linalg.norm(seeds[which[:, 1:]] - seeds[which[:, :1]], axis=2)
        planes = (far[:, 1:] ** 2 - far[:, :1] ** 2) / (2 * apart)
        depth = planes.min(axis=1) - width / 2
        return np.column_stack([-depth, depth])

    return field


def _flaw(flaw: Flaw, points: Floats) -> tuple[Floats, Floats]:
    """Distance to a flaw's walls, negative inside, and the way along it from its mouth; m."""
    turn = math.radians(flaw.tilt)
    x, z = points[:, 0] - flaw.x, points[:, -1]
    along = x * math.sin(turn) + z * math.cos(turn)
    off = np.abs(x * math.cos(turn) - z * math.sin(turn))
    half = flaw.width / 2
    if flaw.kind == "notch":
        inside = (off - half * (1 - along / flaw.depth)) * math.cos(math.atan2(half, flaw.depth))
    else:
        inside = np.maximum(off - half, along - flaw.depth)
    return inside, along


def _voids(p: Grains, centres: Floats, contact: float) -> PlaceField:
    """Distance to half ellipsoids on the collector that leave this share of it, roughly."""
    from scipy.spatial import cKDTree

    tree = cKDTree(centres)
    probe = np.random.default_rng(0).random((20_000, len(p.across))) * p.across
    radius = float(np.quantile(tree.query(probe)[0], np.clip(1 - contact, 0.0, 1.0)))
    height = p.voids()[1]

    def field(points: Floats) -> Floats:
        across = np.asarray(tree.query(points[:, :-1])[0])
        scaled = np.sqrt((across / max(radius, 1e-30)) ** 2 + (points[:, -1] / height) ** 2)
        out: Floats = (scaled - 1.0) * min(radius, height)
        return out

    return field
