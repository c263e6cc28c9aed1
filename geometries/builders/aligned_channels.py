"""Family `aligned_channels`: parallel thin sheets with electrolyte between them, 2D.

Three arrangements at the same porosity spacing/(spacing + sheet_thickness): vertical sheets on the
collector, randomly tilted finite sheets, and horizontal staggered sheets around which ions zigzag.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from fem.base.errors import CaseError, RunError
from fem.values.units import shown_length, shown_point
from geometries.meshing.mesh import (
    Built,
    Segment,
    TaggedMesh,
    assemble,
    cells_needed,
    graded,
    quality,
    segment_distance,
    tensor_mesh,
    too_many,
)
from geometries.meshing.parameters import Growth, Length, Names, Parameters, above

#: Least SICN accepted.
MIN_QUALITY = 0.05
MAX_ATTEMPTS = 6


class AlignedChannels(Parameters):
    """Parameters of aligned channels; region `host_sheets`, pores `electrolyte_channels`.

    Attributes:
        arrangement: vertical, random or horizontal.
        sheet_thickness: of one sheet.
        spacing: free distance between neighbouring sheets; random: the mean that gives the same
            porosity. Horizontal: rounded so that whole sheets fill the length.
        length: thickness of the host.
        channels: vertical and horizontal: periods across, 1 to 200.
        sheet_length: of a finite sheet; random and horizontal only.
        opening: distance of neighbouring sheets of one row; horizontal only.
        width: random only; default twice the sheet length.
        contacts: random and horizontal: struts of the sheet's thickness join every sheet to the
            collector; without them the sheets float.
        gap: thickness of free electrolyte above the host, region `electrolyte_gap`.
        separator: thickness of the separator, region `separator`.
        seed: of the random arrangement.
        size: largest cell size; default a third of the spacing.
        size_wall: cell size at the sheets; default the smaller of spacing/10 and, for random,
            the sheet's thickness.
        growth: ratio of neighbouring cells, above 1 to 2.
    """

    arrangement: Literal["vertical", "random", "horizontal"]
    sheet_thickness: Length
    spacing: Length
    length: Length
    channels: Annotated[int, Field(ge=1, le=200)] = 1
    sheet_length: Length | None = None
    opening: Length | None = None
    width: Length | None = None
    contacts: bool = True
    gap: Length | None = None
    separator: Length | None = None
    seed: int = Field(default=1, ge=0, lt=2**32)
    size: Length | None = None
    size_wall: Length | None = None
    growth: Growth = 1.3

    def _faults(self) -> list[str]:
        wrong = []
        kind = self.arrangement
        needs = {"vertical": (), "random": ("sheet_length",),
                 "horizontal": ("sheet_length", "opening")}[kind]
        wrong += [f"{n}: missing; {kind} sheets need it" for n in needs if getattr(self, n) is None]
        unused = {"vertical": ("sheet_length", "opening", "width"), "random": ("opening",),
                  "horizontal": ("width",)}[kind]
        wrong += [f"{n}: has no meaning for {kind} sheets; leave it out"
                  for n in unused if getattr(self, n) is not None]
        if kind == "random" and self.sheet_length and self.sheet_length <= 3 * self.sheet_thickness:
            wrong.append("sheet_length: must exceed three sheet thicknesses")
        if kind == "horizontal" and self.opening:
            strut = 1.2 * self.sheet_thickness if self.contacts else 0.0
            if self.opening <= strut:
                wrong.append(f"opening: {shown_length(self.opening)} is closed by the struts; take "
                             f"more than 1.2 sheet thicknesses {shown_length(strut)}, or contacts "
                             "= false")
            if self.sheet_length and self.sheet_length <= self.opening:
                wrong.append("sheet_length: must be longer than the opening, so that the sheets "
                             "overlap")
            if self.length < self.spacing + self.sheet_thickness:
                wrong.append("length: too short for a sheet and its spacing")
        if kind == "random" and not wrong:
            area = (self.width or 2 * (self.sheet_length or 0.0)) * self.slabs()[-1][2]
            wrong += too_many(cells_needed(2, area, self.sizes()[0], self.growth))
        return wrong

    def slabs(self) -> list[tuple[str, float, float]]:
        """(electrolyte region, bottom, top) in m of each slab of the cell."""
        out = [("electrolyte_channels", 0.0, self.length)]
        for region, thickness in (("electrolyte_gap", self.gap), ("separator", self.separator)):
            if thickness:
                out.append((region, out[-1][2], out[-1][2] + thickness))
        return out

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        regions = ("electrolyte_channels", "host_sheets", *above(self.gap, self.separator))
        floats = self.arrangement != "vertical" and not self.contacts
        loose = ((regions[1], regions[0]),) if floats else ()
        return Names(regions, floor=regions[:1], loose=loose)

    def sizes(self) -> tuple[float, float]:
        """Largest cell size and cell size at the sheets in m."""
        wall = self.spacing / 10
        if self.arrangement == "random":
            wall = min(wall, self.sheet_thickness)
        wall = self.size_wall or wall
        return max(self.size or self.spacing / 3, wall), wall


def build(p: AlignedChannels) -> Built:
    """The tagged mesh: a tensor grid for upright and level sheets, gmsh for tilted ones."""
    from geometries.meshing.measures import floating_solids, slab_fractions

    if p.arrangement == "random":
        mesh = _tilted(p)
    else:
        mesh = _boxes(p, *(_vertical(p) if p.arrangement == "vertical" else _horizontal(p)))
    floating = floating_solids(mesh)
    extra = {
        "porosity": {"channels": round(slab_fractions(mesh, [0.0, p.length])[0], 6)},
        "floating_solids": floating,
        "connected": floating == 0,
    }
    return Built(mesh, (0.0, p.length), [("channels", 0.0, p.length)], extra)


Box = tuple[float, float, float, float]  # x from, x to, y from, y to


def _vertical(p: AlignedChannels) -> tuple[float, list[Box]]:
    """Width and sheets; the sides of the cell run in the middle of a channel."""
    pitch = p.spacing + p.sheet_thickness
    starts = [i * pitch + p.spacing / 2 for i in range(p.channels)]
    return p.channels * pitch, [(x, x + p.sheet_thickness, 0.0, p.length) for x in starts]


def _horizontal(p: AlignedChannels) -> tuple[float, list[Box]]:
    """Width, sheets in rows shifted by half a pitch, and the struts through their openings."""
    assert p.sheet_length is not None and p.opening is not None
    t, pitch = p.sheet_thickness, p.sheet_length + p.opening
    width = p.channels * pitch
    rows = max(1, round(p.length / (p.spacing + t)))
    boxes = []
    tops = {0: 0.0, 1: 0.0}  # of the struts of even and odd rows
    for row in range(rows):
        middle = (row + 0.5) * p.length / rows
        for i in range(p.channels + row % 2):
            centre = (i + 0.5 * (1 - row % 2)) * pitch
            low, high = max(0.0, centre - p.sheet_length / 2), centre + p.sheet_length / 2
            boxes.append((low, min(width, high), middle - t / 2, middle + t / 2))
        tops[row % 2] = middle
    if p.contacts:
        for odd, top in tops.items():
            for i in range(p.channels + odd) if top else ():
                centre = (i + 0.5 * (1 - odd)) * pitch
                boxes.append((max(0.0, centre - t / 2), min(width, centre + t / 2), 0.0, top))
    return width, boxes


def _boxes(p: AlignedChannels, width: float, boxes: list[Box]) -> TaggedMesh:
    size, wall = p.sizes()
    slabs = p.slabs()
    xs, ys = _stops([0.0, width], boxes, 0), _stops([0.0, *(t for _, _, t in slabs)], boxes, 2)
    axes = []
    for stops in (xs, ys):
        # At least two cells across sheets and struts, graded away from every wall.
        limits = [min(size, (b - a) / 2) for a, b in itertools.pairwise(stops)]
        axes.append(graded(stops, limits, fine=[(s, wall) for s in stops], growth=p.growth))
    points, cells, centres = tensor_mesh(*axes)
    slab = np.searchsorted([t for _, _, t in slabs], centres[:, 1])
    names = np.array([r for r, _, _ in slabs], dtype=object)[slab]
    for x0, x1, y0, y1 in boxes:
        x, y = centres.T
        names[(x > x0) & (x < x1) & (y > y0) & (y < y1)] = "host_sheets"
    return assemble(points, cells, names)


def _stops(ends: list[float], boxes: list[Box], axis: int) -> list[float]:
    values = sorted([*ends, *(b[axis + i] for b in boxes for i in (0, 1))])
    tol = 1e-9 * (values[-1] - values[0])
    return [v for i, v in enumerate(values) if i == 0 or v - values[i - 1] > tol]


def _tilted(p: AlignedChannels) -> TaggedMesh:
    """The mesh of randomly tilted sheets; one with a bad cell is drawn anew, a few times.

    Raises:
        RunError: all have one; names the place.
    """
    report = ""
    for attempt in range(MAX_ATTEMPTS):
        seed = [p.seed, attempt] if attempt else p.seed
        mesh = _scattered(p, np.random.default_rng(seed))
        q = quality(mesh.points, mesh.cells)
        if q.min() >= MIN_QUALITY:
            return mesh
        at = shown_point(mesh.points[mesh.cells[q.argmin()]].mean(axis=0))
        report = f"worst cell {q.min():.3g} at {at}"
    raise RunError(f"aligned_channels: no good mesh in {MAX_ATTEMPTS} draws ({report}); try "
                   "another seed or a smaller size_wall")


def check_place(p: AlignedChannels) -> None:
    """Place tilted sheets as `build` does, and leave it at that; others have their places.

    Raises:
        CaseError: the porosity cannot be reached; names the reachable spacing.
    """
    if p.arrangement == "random":
        _scatter(p, np.random.default_rng(p.seed))


def _scattered(p: AlignedChannels, rng: np.random.Generator) -> TaggedMesh:
    from geometries.meshing.gmsh_session import arrays, name_regions, session, size_fields, snap

    width, sheets, struts = _scatter(p, rng)
    slabs = p.slabs()
    unit = p.spacing
    size, wall = (s / unit for s in p.sizes())
    with session() as gmsh:
        occ = gmsh.model.occ
        solids = [(2, _strip(occ, s, p.sheet_thickness, unit)) for s in sheets + struts]
        if struts:
            solids, _ = occ.fuse(solids[:1], solids[1:])
        boxes = [(2, occ.addRectangle(0, lo / unit, 0, width / unit, (hi - lo) / unit))
                 for _, lo, hi in slabs]
        _, pieces = occ.fragment(solids + boxes, [])
        occ.synchronize()
        regions = ["host_sheets"] * len(solids) + [r for r, _, _ in slabs]
        owner = name_regions(gmsh, 2, regions, pieces)
        walls = []
        for _, curve in gmsh.model.getEntities(1):
            beside = {owner[s] for s in gmsh.model.getAdjacencies(1, curve)[0]}
            if "host_sheets" in beside and len(beside) == 2:
                walls.append(curve)
        size_fields(gmsh, 2, size, p.growth, [], [(walls, wall)], sampling=100)
        gmsh.model.mesh.generate(2)
        points, cells, names = arrays(gmsh, 2)
    points = snap(points * unit, 1, [0.0, *(t for _, _, t in slabs)])
    return assemble(snap(points, 0, [0.0, width]), cells, names)


def _strip(occ: Any, s: Segment, thickness: float, unit: float) -> int:
    a, b = np.array(s[:2]) / unit, np.array(s[2:]) / unit
    along = (b - a) / np.linalg.norm(b - a)
    side = thickness / unit / 2 * np.array([-along[1], along[0]])
    corners = [occ.addPoint(*c, 0) for c in (a + side, b + side, b - side, a - side)]
    lines = [occ.addLine(corners[i], corners[i - 3]) for i in range(4)]
    return int(occ.addPlaneSurface([occ.addCurveLoop(lines)]))


def _scatter(
    p: AlignedChannels, rng: np.random.Generator
) -> tuple[float, list[Segment], list[Segment]]:
    """Width, sheets at random places and angles, and the struts they stand on, from below upwards.

    None comes closer to another or to an edge than a clearance.

    Raises:
        CaseError: the porosity cannot be reached; names the reachable spacing.
    """
    assert p.sheet_length is not None
    width = p.width or 2 * p.sheet_length
    t, half = p.sheet_thickness, p.sheet_length / 2
    solid = t / (t + p.spacing) * width * p.length  # area of sheets and struts in m^2
    strata = max(1, round(p.length / half))
    clear = t + max(0.5 * t, 0.1 * p.spacing)
    sheets: list[Segment] = []
    struts: list[Segment] = []
    area = 0.0
    for stratum in range(strata):
        quota = solid * (stratum + 1) / strata
        for _ in range(20_000):
            if area >= quota - 0.5 * t * p.sheet_length:
                break
            angle = math.pi * rng.random()
            dx, dy = half * math.cos(angle), half * math.sin(angle)
            x, y = width * rng.random(), p.length * (stratum + rng.random()) / strata
            new = (x - dx, y - dy, x + dx, y + dy)
            if not (min(new[0], new[2]) > clear and max(new[0], new[2]) < width - clear
                    and new[1] > clear and new[3] < p.length - clear):
                continue
            if any(segment_distance(new, s) <= clear for s in sheets + struts):
                continue
            if p.contacts:
                strut = _strut(p, new, sheets, struts)
                if strut is None:
                    continue
                struts.append(strut)
                area += t * (strut[3] - strut[1])
            sheets.append(new)
            area += t * p.sheet_length
    if abs(area / solid - 1) > 0.1 and abs(area - solid) > t * p.sheet_length:
        share = area / (width * p.length)
        raise CaseError(
            f"aligned_channels: sheets of {shown_length(p.sheet_length)} at random reach a spacing "
            f"of {shown_length(t / share - t if share else math.inf, 3)}, not "
            f"{shown_length(p.spacing)}; shorten sheet_length, widen spacing or take contacts = "
            "false"
        )
    return width, sheets, struts


def _strut(
    p: AlignedChannels, s: Segment, sheets: list[Segment], struts: list[Segment]
) -> Segment | None:
    """The shortest upright strut under a sheet down to the next sheet or the collector.

    Each sheet stands on one strut, so nothing closes a pore. None if there is no room.
    """
    clear = 1.5 * p.sheet_thickness
    steep = math.tan(math.radians(30))  # a strut along a steep sheet would leave a wedge
    best: Segment | None = None
    for along in np.linspace(0.0, 0.95, 20):
        x, y = float(s[0] + along * (s[2] - s[0])), float(s[1] + along * (s[3] - s[1]))
        if along and abs(s[2] - s[0]) < steep * abs(s[3] - s[1]):
            break
        foot, under = 0.0, None
        for other in sheets:
            low, high = sorted((other[0], other[2]))
            if low < x < high:
                at = other[1] + (x - other[0]) / (other[2] - other[0]) * (other[3] - other[1])
                if foot < at < y:
                    foot, under = at, other
        if under and abs(under[2] - under[0]) < steep * abs(under[3] - under[1]):
            continue
        strut = (x, foot, x, y)
        others = [o for o in sheets if o is not under] + struts
        if under and min(abs(x - under[0]), abs(x - under[2])) < clear:
            continue
        if (best is None or y - foot < best[3] - best[1]) and all(
            segment_distance(strut, o) > clear for o in others
        ):
            best = strut
    return best
