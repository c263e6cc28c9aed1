"""Family `planar`: a cell between two flat electrodes, in slabs, with or without protrusions."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import numpy as np
from pydantic import Field

from fem.base.errors import CaseError
from fem.values.units import shown_length
from geometries.meshing.mesh import (
    Built,
    Floats,
    assemble,
    cells_needed,
    graded,
    tensor_mesh,
    too_many,
    within_budget,
)
from geometries.meshing.parameters import Growth, Length, Name, Names, Parameters


class Slab(Parameters):
    """One layer across the whole cell.

    Attributes:
        name: free name.
        thickness: of the layer.
        region: region name, such as `electrolyte`, `separator` or `host_block`.
        size: largest cell size along the thickness; default the cell's `size`.
    """

    name: Name
    thickness: Length
    region: Name
    size: Length | None = None


class Protrusion(Parameters):
    """A bump of the collector, cut out of the electrolyte; its surface belongs to `collector`.

    Attributes:
        x: centre along the width, inside the cell ("0 um" is not allowed for a quantity > 0:
            leave x out for a bump centred at x = 0, for example on the axis).
        y: centre along the breadth, 3D only.
        height: > 0, below the counter electrode.
        radius: half of the width at the foot.
        shape: half an ellipse (3D: ellipsoid) or a rectangle (3D: cylinder).
    """

    x: Length | None = None
    y: Length | None = None
    height: Length
    radius: Length
    shape: Literal["half_ellipse", "rectangle"] = "half_ellipse"


class Planar(Parameters):
    """Parameters of a planar cell.

    Attributes:
        length: thickness from collector to counter; leave out when `layers` give it.
        layers: slabs from the collector upwards; none: one region `electrolyte`.
        width: along x; default one cell of `size_width`.
        breadth: along y, 3D only; default one cell of `size_width`.
        dimension: 2 or 3.
        axisymmetric: 2D with x the radius r >= 0.
        protrusions: bumps of the collector.
        size: largest cell size along the thickness.
        size_width: cell size across; default `size`.
        size_collector: cell size at the collector and on protrusions; default `size`.
        size_counter: cell size at the counter electrode; default `size`.
        size_interface: cell size at the interfaces between slabs; default not refined.
        growth: ratio of neighbouring cells, above 1 to 2.
        crossed: 2D without protrusions; four triangles in each rectangle instead of two, so that
            nodes of a height are alike and a uniform layer stays even along x to the last digits.
    """

    length: Length | None = None
    layers: tuple[Slab, ...] = Field(default=(), max_length=50)
    width: Length | None = None
    breadth: Length | None = None
    dimension: Literal[2, 3] = 2
    axisymmetric: bool = False
    protrusions: tuple[Protrusion, ...] = Field(default=(), max_length=200)
    size: Length
    size_width: Length | None = None
    size_collector: Length | None = None
    size_counter: Length | None = None
    size_interface: Length | None = None
    growth: Growth = 1.2
    crossed: bool = False

    def _faults(self) -> list[str]:
        wrong = []
        total = sum(s.thickness for s in self.layers)
        if self.length is None and not self.layers:
            wrong.append("length: missing; give length or layers")
        if self.length and self.layers and not math.isclose(self.length, total, rel_tol=1e-6):
            wrong.append(
                f"length: {shown_length(self.length)} is not the sum of the layers "
                f"{shown_length(total)}; leave it out"
            )
        names = [s.name for s in self.layers]
        if len(set(names)) < len(names):
            wrong.append(f"layers: names are not unique: {', '.join(names)}")
        if self.axisymmetric and self.dimension == 3:
            wrong.append("axisymmetric: needs dimension = 2")
        if self.dimension == 2 and self.breadth:
            wrong.append("breadth: only with dimension = 3")
        if self.crossed and (self.dimension == 3 or self.protrusions):
            wrong.append("crossed: only in 2D without protrusions, where cells are rectangles")
        thickness = self.length or total
        for i, p in enumerate(self.protrusions):
            wrong += [f"protrusions.{i}.{w}" for w in self._protrusion(p, thickness)]
        if self.protrusions and self.width is None:
            wrong.append("width: missing; protrusions need it")
        if self.protrusions and self.dimension == 3 and self.breadth is None:
            wrong.append("breadth: missing; protrusions in 3D need it")
        if self.protrusions and not wrong:
            across = (self.width or 0.0) * ((self.breadth or 0.0) if self.dimension == 3 else 1.0)
            wrong += too_many(cells_needed(
                self.dimension, across * thickness, self.size, self.growth))
        return wrong

    def _protrusion(self, p: Protrusion, thickness: float) -> list[str]:
        wrong = []
        if p.height >= thickness:
            wrong.append(f"height: {shown_length(p.height)} reaches the counter at "
                         f"{shown_length(thickness)}; lower it")
        if self.width and p.x is not None and p.x > self.width:
            wrong.append(f"x: {shown_length(p.x)} lies outside the width "
                         f"{shown_length(self.width)}")
        if self.axisymmetric and p.x is not None:
            wrong.append("x: a protrusion of an axisymmetric cell stands on the axis; leave x out")
        if p.y is not None and self.dimension == 2:
            wrong.append("y: only with dimension = 3")
        return wrong


    def box(self) -> tuple[float, ...]:
        """Far corner of the cell, m."""
        return (*self.across, slabs(self)[0][-1])

    @property
    def across(self) -> list[float]:
        """Width, and in 3D breadth, in m: one cell of the mesh unless given."""
        one = self.size_width or self.size
        return [self.width or one] + [self.breadth or one] * (self.dimension - 2)

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        regions = slabs(self)[1]
        return Names(tuple(dict.fromkeys(regions)), floor=(regions[0],), axis=self.axisymmetric)


def build(p: Planar) -> Built:
    """The tagged mesh: structured without protrusions, else by gmsh."""
    stops, regions, sizes = slabs(p)
    if p.protrusions:
        mesh = _with_protrusions(p, stops, regions)
    else:
        fine = _fine(p, stops)
        z = graded(stops, sizes, fine=fine, growth=p.growth)
        axes = [_even(length, p.size_width or p.size) for length in p.across]
        points, cells, centres = tensor_mesh(*axes, z, crossed=p.crossed)
        slab = np.searchsorted(stops, centres[:, -1]) - 1
        mesh = assemble(points, cells, np.array(regions)[slab], axisymmetric=p.axisymmetric)
    layers = [
        (s.name, low, high)
        for s, low, high in zip(p.layers, stops[:-1], stops[1:], strict=False)
        if s.region.startswith("host_")
    ]
    return Built(mesh, host_of(layers), layers)


def host_of(layers: list[tuple[str, float, float]]) -> tuple[float, float] | None:
    """Bottom and top of a stack of host layers."""
    return (min(b for _, b, _ in layers), max(t for _, _, t in layers)) if layers else None


def slabs(p: Planar) -> tuple[list[float], list[str], list[float]]:
    """Heights of the slab ends in m, and region and largest cell size of each slab."""
    if not p.layers:
        return [0.0, float(p.length or 0.0)], ["electrolyte"], [p.size]
    stops = [0.0, *np.cumsum([s.thickness for s in p.layers]).tolist()]
    return stops, [s.region for s in p.layers], [s.size or p.size for s in p.layers]


def _fine(p: Planar, stops: list[float]) -> list[tuple[float, float]]:
    places = [(stops[0], p.size_collector), (stops[-1], p.size_counter)]
    places += [(y, p.size_interface) for y in stops[1:-1]]
    return [(x, h) for x, h in places if h]


def _even(length: float, size: float) -> Floats:
    within_budget(length / size)
    return np.linspace(0.0, length, max(1, round(length / size)) + 1)


def _with_protrusions(p: Planar, stops: list[float], regions: list[str]) -> Any:
    from geometries.meshing.gmsh_session import arrays, session, size_fields, snap

    unit = stops[-1] / 100.0  # the kernel's tolerance is absolute, 1e-7
    dim = p.dimension
    ends = list(enumerate([float(p.width or 0.0), float(p.breadth or 0.0)][: dim - 1]))
    with session() as gmsh:
        _draw(gmsh.model, p, stops, regions, unit)
        flat = [(axis, v) for axis, end in ends for v in (0.0, end / unit)] + [(dim - 1, 0.0)]
        top = max(b.height for b in p.protrusions) / unit
        curved = _curved(gmsh.model, dim, flat, top)
        fine = p.size_collector or p.size
        planes = [(stops[-1] / unit, (p.size_counter or p.size) / unit), (0.0, fine / unit)]
        if p.size_interface:
            planes += [(y / unit, p.size_interface / unit) for y in stops[1:-1]]
        size_fields(gmsh, dim, p.size / unit, p.growth, planes, [(curved, fine / unit)])
        gmsh.model.mesh.generate(dim)
        points, cells, names = arrays(gmsh, dim)
    points = snap(points * unit, dim - 1, stops)
    for axis, end in ends:
        points = snap(points, axis, [0.0, end])

    def not_sides(xyz: Floats) -> Any:
        flat = [np.all(np.abs(xyz[..., a] - v) < 1e-9 * stops[-1], axis=1)
                for a, end in ends for v in (0.0, end)]
        return ~np.any(flat, axis=0)

    return assemble(points, cells, names, axisymmetric=p.axisymmetric, collector=not_sides)


def _draw(model: Any, p: Planar, stops: list[float], regions: list[str], unit: float) -> None:
    """Layers without the protrusions, each region a physical group; drawn in a unit of length, m.

    Raises:
        CaseError: nothing is left of a region.
    """
    dim, occ = p.dimension, model.occ
    width, breadth = (float(x or 0.0) / unit for x in (p.width, p.breadth))
    boxes = []
    for low, high in itertools.pairwise(stops):
        y, h = low / unit, (high - low) / unit
        tag = (occ.addRectangle(0, y, 0, width, h) if dim == 2
               else occ.addBox(0, 0, y, width, breadth, h))
        boxes.append((dim, tag))
    bumps = [(dim, _bump(occ, b, dim, unit)) for b in p.protrusions]
    kept, origin = occ.cut(boxes, bumps)
    pieces_now = occ.fragment(kept, [])[1] if len(kept) > 1 else [[k] for k in kept]
    occ.synchronize()
    now = dict(zip(kept, pieces_now, strict=True))
    for i, region in enumerate(dict.fromkeys(regions)):
        tags = [t for slab, pieces in zip(regions, origin[: len(boxes)], strict=True)
                if slab == region for piece in pieces for _, t in now[piece]]
        if not tags:
            raise CaseError(f"layers: the protrusions leave nothing of region {region!r}")
        model.addPhysicalGroup(dim, sorted(set(tags)), i + 1, region)


def _curved(model: Any, dim: int, flat: list[tuple[int, float]], top: float) -> list[int]:
    """Facets of the drawing up to a height that lie in none of some planes (axis, place)."""
    found = []
    for d, tag in model.getEntities(dim - 1):
        box = model.getBoundingBox(d, tag)
        lo, hi = np.array(box[:3]), np.array(box[3:])
        on_box = any(abs(lo[a] - v) < 1e-5 and abs(hi[a] - v) < 1e-5 for a, v in flat)
        if not on_box and hi[dim - 1] <= top + 1e-5:
            found.append(tag)
    return found


def _bump(occ: Any, b: Protrusion, dim: int, unit: float) -> int:
    x, y, r, h = ((v or 0.0) / unit for v in (b.x, b.y, b.radius, b.height))
    if dim == 2 and b.shape == "rectangle":
        return int(occ.addRectangle(x - r, -h, 0, 2 * r, 2 * h))
    if dim == 3 and b.shape == "rectangle":
        return int(occ.addCylinder(x, y, -h, 0, 0, 2 * h, r))
    if dim == 2:
        tag = occ.addDisk(x, 0, 0, max(r, h), min(r, h))
        if h > r:
            occ.rotate([(2, tag)], x, 0, 0, 0, 0, 1, math.pi / 2)
        return int(tag)
    tag = occ.addSphere(x, y, 0, r)
    occ.dilate([(3, tag)], x, y, 0, 1, 1, h / r)
    return int(tag)
