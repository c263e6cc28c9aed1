"""Fibres as parts for the room: hollow, skinned, or in any direction; and for `stack`.

A 2D cut takes its discs and contact bars from `fibre_mat`. In 3D fibres in the plane lie on levels
that overlap a little, each level turned against the one below. A fibre in any direction is shifted
along the common normal onto the nearest one until both clearly overlap. A fibre is kept if it
clearly misses all others: one network that stands on the ground.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, Self

import numpy as np

from fem.base.errors import CaseError
from fem.values.units import shown_length
from geometries.builders.fibre_layers import Bar, Disc, FibreLayer, FibreMat, kinds_of, place
from geometries.builders.layered import MAX_RADIUS_CHANGE, fitted
from geometries.builders.layered import build as build_cell
from geometries.builders.layers import Cell, Layer, Site
from geometries.meshing.carving import (
    BAR,
    HOST,
    INNER,
    MIN_GAP_SHARE,
    SKIN,
    Crowd,
    Part,
    Sample,
    nearest,
)
from geometries.meshing.mesh import Built, Floats
from geometries.meshing.parameters import at_depth
from geometries.meshing.primitives import Ball, Rod

#: Most placements of a 2D cut that are tried.
MAX_TRIES = 12
#: Fibres drawn in a row without success, after which the mat is full.
MAX_DRAWS = 6_000


class MatLayer(FibreLayer, Layer):
    """A layer of fibres in a cell of layers; fields as in `fibre_mat`."""

    porosity_asked: ClassVar[str | None] = "porosity"

    def scale(self) -> float:
        """Diameter of the fibres."""
        return self.fibre_diameter

    def misfits(self, cell: Cell) -> list[str]:
        """Width against diameter, and what 3D cannot have."""
        wrong = []
        if min(cell.across) < 2 * self.fibre_diameter:
            wrong.append("fibre_diameter: at most half of the cell's width, "
                         f"{shown_length(min(cell.across) / 2)}")
        return wrong + self.unfit(cell.dimension)

    @classmethod
    def fill(cls, run: list[tuple[Self, Site]]) -> list[Part]:
        """Parts of neighbouring layers, whose fibres join one tree (2D) or network (3D)."""
        if run[0][1].cell.dimension == 2:
            return _cut(run)
        parts: list[Part] = []
        for layer, site in run:
            site.below = site.below + parts
            for last in (False, False, True):  # another draw may end closer to the porosity
                try:
                    parts += _network(layer, site)
                    break
                except CaseError:
                    if last:
                        raise
        return parts


class Mat(Cell):
    """A mat of such layers; see `FibreMat` for the fields."""

    layers: tuple[MatLayer, ...]
    clearance: float = 0.1
    contacts: Literal["tree", "none"] = "none"
    contact_width: float = 0.3


def build(p: FibreMat) -> Built:
    """The tagged mesh of a mat with hollow, skinned or isotropic fibres."""
    return build_cell(cell_of(p))


def cell_of(p: FibreMat) -> Mat:
    """The mat as a cell of layers, which are made of parts."""
    fields = {k: getattr(p, k) for k in FibreMat.model_fields}
    fields["layers"] = tuple(
        MatLayer.model_construct(**{k: getattr(layer, k) for k in FibreLayer.model_fields})
        for layer in p.layers
    )
    return Mat.model_construct(**fields)


def _cut(run: Sequence[tuple[MatLayer, Site]]) -> list[Part]:
    """Discs and bars of a 2D cut."""
    first = run[0][1]
    cell = first.cell
    fields = set(FibreLayer.model_fields)
    layers = [FibreLayer.model_construct(**{k: getattr(layer, k) for k in fields})
              for layer, _ in run]
    # `place` counts full and bare discs: count what they are, and ask for more or fewer.
    wanted = [layer.porosity for layer, _ in run]
    asked = list(wanted)
    best: tuple[float, list[Part], list[float]] | None = None
    refusal: CaseError | None = None
    for k in range(MAX_TRIES):
        if k % 3 == 0:  # another draw
            asked = list(wanted)
        try:
            parts = _placed(run, [
                layer.model_copy(update={"porosity": min(0.99, max(0.05, a))})
                for layer, a in zip(layers, asked, strict=True)
            ], k // 3)
        except CaseError as error:
            refusal = refusal or error
            continue
        got = [_porosity(parts, layer, site) for layer, site in run]
        off = max(abs(g - w) / (1 - w) for g, w in zip(got, wanted, strict=True))
        if best is None or off < best[0]:
            best = off, parts, got
        if off < MAX_RADIUS_CHANGE:
            break
        asked = [1 - (1 - a) * (1 - w) / max(1 - g, 1e-3)
                 for a, w, g in zip(asked, wanted, got, strict=True)]
    if best is None:
        raise refusal or CaseError("fibre_mat: no room for the fibres")
    out: list[Part] = []
    for (layer, site), reached in zip(run, best[2], strict=True):
        one = math.pi / 4 * layer.fibre_diameter**2 / layer.thickness / cell.width
        mine = [p for p in best[1] if site.low < p.shape.axis()[0][-1] <= site.high]
        out += fitted(mine, layer.name, layer.porosity, reached, 2, one)
    return out


def _porosity(parts: list[Part], layer: MatLayer, site: Site) -> float:
    sample = Sample(np.array([site.cell.width, site.high]), site.low, site.high,
                    layer.fibre_diameter / 8)
    for part in sorted(parts, key=lambda p: p.priority):
        sample.add(part)
    return 1 - sample.share


def _placed(
    run: Sequence[tuple[MatLayer, Site]], layers: list[FibreLayer], draw: int
) -> list[Part]:
    """Parts of one draw, to porosities of full and bare fibres near those of these layers."""
    first = run[0][1]
    cell = first.cell
    more = {k: getattr(cell, k) for k in ("clearance", "contacts", "contact_width")
            if hasattr(cell, k)}
    seed = int(np.random.default_rng([cell.seed, draw, len(first.below)]).integers(2**32))
    # Discs and bars are placed with their skins on.
    films = [max(layer.skin.thickness) if layer.skin else 0.0 for layer in layers]
    diameters = [layer.fibre_diameter + 2 * film for layer, film in zip(layers, films, strict=True)]
    if any(films):
        share = more.get("contact_width", 0.3)
        more["contact_width"] = max((share * (d - 2 * t) + 2 * t) / d
                                    for d, t in zip(diameters, films, strict=True))
    layers = [layer.model_copy(update={"fibre_diameter": d})
              for layer, d in zip(layers, diameters, strict=True)]
    mat = FibreMat.model_construct(layers=tuple(layers), width=cell.width, seed=seed, **more)
    discs, bars = place(mat, 0.04)
    up = np.array([0.0, first.low])
    parts: list[Part] = []
    for disc in discs:
        layer, site = next(pair for pair in run if disc.y + first.low < pair[1].high)
        film = max(layer.skin.thickness) if layer.skin else 0.0
        disc = replace(disc, r=disc.r - film)
        taken = [b for b in bars if (disc.x, disc.y) in (b.start, b.end)]
        for part in _disc(layer, site, disc, taken, first.low):
            parts.append(replace(part, shape=part.shape.moved(up)))
    for bar in bars:
        middle = (bar.start[1] + bar.end[1]) / 2 + first.low
        layer, site = next(pair for pair in run if middle <= pair[1].high)
        film = max(layer.skin.thickness) if layer.skin else 0.0
        # One that stands on the ground begins below it, to be cut there.
        end = bar.end if bar.end[1] > 0 else (bar.end[0], -bar.width)
        shape = Rod(bar.start, end, bar.width / 2 - film).moved(up)
        size = min(cell.wall(layer), shape.radius)
        span = (first.low, math.inf)
        parts.append(Part(bar.region, shape, size, BAR, None, span))
        if layer.skin:
            film = at_depth(layer.skin.thickness, site.depth(middle))
            size = min(size, film / 2)
            parts.append(Part(layer.skin.region, shape.grown(film), size, SKIN, None, span))
    return parts


def _disc(
    layer: MatLayer, site: Site, disc: Disc, bars: list[Bar], up: float
) -> list[Part]:
    """A fibre cut across, with its lumen and skin."""
    wall = site.cell.wall(layer)
    centre = np.array([disc.x, disc.y])
    ball = Ball((disc.x, disc.y), disc.r)
    parts = [Part(disc.region, ball, wall, HOST)]
    if layer.skin:
        film = at_depth(layer.skin.thickness, site.depth(disc.y + up))
        parts = [Part(disc.region, ball, min(wall, film / 2), HOST),
                 Part(layer.skin.region, ball.grown(film), min(wall, film / 2), SKIN)]
    if layer.lumen:
        ring, radius = layer.lumen.places(disc.r)
        size = min(wall, radius / 4, layer.lumen.rim(disc.r) / 2)
        # Mouths open where no bar stands.
        ways = [math.atan2(*(np.array(b.end if b.start == (disc.x, disc.y) else b.start)
                             - centre)[::-1]) for b in bars]
        turns = np.linspace(-math.pi, math.pi, 73)[:-1]
        turn = max(turns, key=lambda a: _room(a, ring, ways))
        for angle, reach in ring:
            at = centre + reach * disc.r * np.array([math.cos(angle + turn),
                                                     math.sin(angle + turn)])
            hole = Ball((float(at[0]), float(at[1])), radius)
            parts.append(Part("electrolyte_lumen", hole, size, INNER))
            if layer.lumen.mouth and (reach or len(ring) == 1):
                out = np.array([math.cos(angle + turn), math.sin(angle + turn)])
                end = centre + 1.2 * disc.r * out
                half = layer.lumen.mouth * disc.r
                slit = Rod(hole.centre, (float(end[0]), float(end[1])), half)
                parts.append(Part("electrolyte_lumen", slit, min(size, half), INNER))
        parts[0] = Part(disc.region, parts[0].shape, min(parts[0].size, 2 * size), HOST)
    return parts


def _room(turn: float, ring: list[tuple[float, float]], ways: list[float]) -> float:
    """Least angle between any bar and any channel."""
    gaps = [abs((w - a - turn + math.pi) % (2 * math.pi) - math.pi)
            for w in ways for a, _ in ring]
    return min(gaps, default=0.0)


def _network(layer: MatLayer, site: Site) -> list[Part]:
    """Rods of a 3D layer, to its porosity.

    Raises:
        CaseError: the porosity cannot be reached; names the reachable one.
    """
    cell, r = site.cell, layer.fibre_diameter / 2
    crowd = site.crowd(cut=True, open_top=layer.orientation == "isotropic")
    sample = Sample(crowd.box, site.low, site.high, r)
    rng = site.rng
    volume = (site.high - site.low) * math.prod(cell.across)
    film = layer.skin.thickness if layer.skin else (0.0,)
    inside = layer.lumen.outline(r) if layer.lumen else 0.0
    open_share = layer.lumen.open if layer.lumen else 0.0
    wall = cell.wall(layer)
    target = 1 - layer.porosity
    kinds = kinds_of(layer, 4000, np.random.default_rng([cell.seed, 77]))
    parts: list[Part] = []
    misses = 0
    while misses < MAX_DRAWS:
        missing = (target - sample.share) * volume
        shortest = math.pi * r**2 * (1 - open_share) * min(cell.across) / 2
        if missing < 0.5 * shortest:
            break
        misses += 1
        axis = _drawn(layer, site, crowd, inside, rng)
        if axis is None:
            continue
        skin = at_depth(film, site.depth((axis[0][-1] + axis[1][-1]) / 2))
        grounded = min(axis[0][-1], axis[1][-1]) < site.low + (1 - MIN_GAP_SHARE) * r
        hits = crowd.judge(axis, r, skin, inside)
        if hits is None or not (grounded or len(hits)):
            continue
        way = (axis[1] - axis[0]) / np.linalg.norm(axis[1] - axis[0])
        ends = _chord(axis[0], way, np.array([0.0, 0.0, site.low]), crowd.box)
        inner = (1 - open_share) * math.pi * r**2 * float((ends[1] - ends[0]) @ way)
        if inner > missing + 0.5 * shortest:
            continue
        misses = 0
        crowd.add(axis, r, skin, inside)
        new = _rod(layer, site, axis, skin, wall, kinds[len(crowd.radii) % 4000])
        parts += new
        for part in sorted(new, key=lambda p: p.priority):
            sample.add(part)
    return fitted(parts, layer.name, layer.porosity, 1 - sample.share, 2,
                  math.pi * r**2 * max(cell.across) / volume)


def _drawn(
    layer: MatLayer, site: Site, crowd: Crowd, inside: float, rng: np.random.Generator
) -> tuple[Floats, Floats] | None:
    """The axis of a fibre on a level, or of one that crosses the ground or overlaps its nearest."""
    r = layer.fibre_diameter / 2
    low = np.array([0.0, 0.0, site.low]) - 2 * r
    high = np.array([*crowd.box[:2], site.high]) + 2 * r
    point = low + rng.random(3) * (high - low)
    overlap = 0.8  # distance of axes over the sum of radii
    if inside:
        overlap = max(overlap, min(0.89, (1.02 + MIN_GAP_SHARE) * (r + inside) / (2 * r)))
    if layer.orientation == "plane":
        step = 2 * overlap * r
        film = max(layer.skin.thickness) if layer.skin else 0.0
        room = site.high - site.low - 0.6 * r - (1 + 3 * MIN_GAP_SHARE) * (r + film)
        level = int(rng.integers(max(1, math.floor(room / step) + 1)))
        point[2] = site.low + 0.6 * r + level * step
        # The golden angle: neighbouring levels cross under 20 degrees of 69 or 111.
        angle = math.radians(111.2) * level + math.radians(20) * (2 * rng.random() - 1)
        return _chord(point, np.array([math.cos(angle), math.sin(angle), 0.0]), low, high)
    way = rng.normal(size=3)
    way /= np.linalg.norm(way)
    axis = _chord(point, way, low, high)
    if not len(crowd.radii):
        return axis
    near = nearest(*axis, crowd.starts, crowd.ends)
    free = near.apart - overlap * (r + crowd.radii)
    i = int(np.argmin(np.abs(free)))
    if near.apart[i] < 1e-3 * r:
        return None
    mine = axis[0] + near.here[i] * (axis[1] - axis[0])
    other = crowd.starts[i] + near.there[i] * (crowd.ends[i] - crowd.starts[i])
    moved = _chord(point - free[i] * (mine - other) / near.apart[i], way, low, high)
    return moved if float((moved[1] - moved[0]) @ way) > r else None


def _chord(point: Floats, way: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Ends of a line in a box."""
    with np.errstate(divide="ignore"):
        a, b = (low - point) / way, (high - point) / way
    return point + np.minimum(a, b).max() * way, point + np.maximum(a, b).min() * way


def _rod(
    layer: MatLayer, site: Site, axis: tuple[Floats, Floats], skin: float, wall: float,
    kind: str | None,
) -> list[Part]:
    r = layer.fibre_diameter / 2
    way = (axis[1] - axis[0]) / np.linalg.norm(axis[1] - axis[0])
    # Beyond the cell, so that its flat ends lie outside.
    a, b = axis[0] - 3 * r * way, axis[1] + 3 * r * way
    body, span = next(site.bodies), (site.low, site.high)
    rod = Rod(tuple(map(float, a)), tuple(map(float, b)), r)
    film = min(wall, skin) if skin else wall
    parts = [Part(layer.region(kind), rod, film, HOST, body, span)]
    if layer.skin:
        parts.append(Part(layer.skin.region, rod.grown(skin), film, SKIN, body, span))
    if layer.lumen:
        ring, radius = layer.lumen.places(r)
        across = np.cross(way, [0.0, 0.0, 1.0] if abs(way[2]) < 0.9 else [1.0, 0.0, 0.0])
        across /= np.linalg.norm(across)
        up = np.cross(way, across)
        for angle, reach in ring:
            by = reach * r * (math.cos(angle) * across + math.sin(angle) * up)
            hole = Rod(tuple(map(float, a + by)), tuple(map(float, b + by)), radius)
            fine = radius / (1.5 if len(ring) == 1 else 1.0)  # many narrow ones: hexagons
            parts.append(Part("electrolyte_lumen", hole, min(wall, fine), INNER, body, span))
    return parts

