"""The room in which every host of primitives is made: parts in slabs, merged, meshed and checked.

A cell is a stack of slabs over a rectangle or a box. Parts (a primitive, its region, its priority)
are carved into it; where parts overlap the highest priority owns the place, and parts of one region
merge. CAD kernel and mesher fail where walls nearly touch, so families place their parts with
`Crowd`, which refuses near-tangency; what still gives a bad cell is shifted a little and meshed
again, a few times.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fem.base.errors import RunError
from fem.values.units import shown_point
from geometries.meshing.mesh import (
    REGULAR_SIMPLEX,
    Floats,
    TaggedMesh,
    assemble,
    quality,
    within_budget,
)
from geometries.meshing.primitives import Ball, Bore, Primitive, Rod

#: Least gap between two walls, as a share of the sum of radii; closer ones are refused.
MIN_GAP_SHARE = 0.1
#: Least sine between merging rods, and of rods with planes.
MIN_MERGING_SINE = math.sin(math.radians(30))
#: Least SICN accepted, of the worst cell and of 1 %.
MIN_QUALITY, MIN_QUALITY_1_PERCENT = 0.05, 0.2
MAX_ATTEMPTS = 6
#: Priorities of parts: the higher one wins where two overlap.
SKIN, BAR, HOST, INNER, CORE = 1, 2, 3, 4, 5
#: Number of points on which the cell size is tabulated, by dimension.
SIZE_GRID_POINTS = {2: 2_000_000, 3: 600_000}


@dataclass(frozen=True)
class Part:
    """A primitive of a region.

    Attributes:
        region: its region.
        shape: the primitive; parts of the cell outside it are left to others.
        size: cell size on its wall in m.
        priority: the highest owns a place.
        body: parts of one body (core, shell, skin) are shifted together; None: fixed.
        span: heights (m) to which it is cut.
        spare: may be left out where it gives a bad cell.
    """

    region: str
    shape: Primitive
    size: float
    priority: int = HOST
    body: int | None = None
    span: tuple[float, float] = (-math.inf, math.inf)
    spare: bool = False


@dataclass(frozen=True)
class Room:
    """The cell.

    Attributes:
        width: along x, m; from the axis when axisymmetric.
        breadth: along y, m; None in 2D.
        slabs: (region, bottom, top) from the collector upwards; what no part fills.
        size: largest cell size, m.
        growth: ratio of neighbouring cells.
        planes: (height, cell size there), m.
        budget: most cells.
        axisymmetric: 2D, x is the radius.
    """

    width: float
    breadth: float | None
    slabs: list[tuple[str, float, float]]
    size: float
    growth: float
    planes: list[tuple[float, float]] = field(default_factory=list)
    budget: int = 2_000_000
    axisymmetric: bool = False

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return 2 if self.breadth is None else 3

    @property
    def corner(self) -> Floats:
        """The far upper corner; the near lower one is the origin."""
        across = [self.width] if self.breadth is None else [self.width, self.breadth]
        return np.array([*across, self.slabs[-1][2]])


def carve(room: Room, parts: list[Part]) -> tuple[TaggedMesh, list[Part], dict[str, Any]]:
    """The tagged mesh of a cell, the parts as they are in it, and qualities for the sidecar.

    Raises:
        CaseError: more cells than the budget.
        RunError: no mesh of the quality promised in a few attempts; names the place.
    """
    rng = np.random.default_rng(len(parts))
    report = ""
    for attempt in range(MAX_ATTEMPTS):
        try:
            mesh = _mesh(room, parts)
        except RunError as error:
            report, places = str(error), None
        else:
            q = quality(mesh.points, mesh.cells)
            worst, low = float(q.min()), float(np.quantile(q, 0.01))
            if worst >= MIN_QUALITY and low >= MIN_QUALITY_1_PERCENT:
                return mesh, parts, {"attempts": attempt + 1, "quality_min": round(worst, 4),
                                     "quality_1_percent": round(low, 4)}
            places = mesh.points[mesh.cells[q < MIN_QUALITY]].mean(axis=1)
            at = shown_point(mesh.points[mesh.cells[q.argmin()]].mean(axis=0))
            report = f"worst cell {worst:.3g} at {at}, 1 % of the cells below {low:.3g}"
        fewer = _without_spares(parts, places)
        parts = fewer if len(fewer) < len(parts) else _shifted(room, parts, places, rng)
    raise RunError(f"no good mesh in {MAX_ATTEMPTS} attempts ({report}); try another seed or a "
                   "smaller size_wall")


# ---------------------------------------------------------------- placing


class Crowd:
    """Bodies placed so far, as thick segments, and whether a new one is clear of tangency.

    Attributes:
        box: far corner (m) of the cell, whose near corner is the origin.
        ground: height from which bodies stand; a body may reach below it.
        ceiling: height that bodies stay below, or are cut at if `cut`.
        cut: whether the sides may cut bodies.
        open_top: whether the ceiling may cut them, too.
    """

    def __init__(self, box: Floats, ground: float, ceiling: float, cut: bool,
                 open_top: bool = False) -> None:
        self.box, self.ground, self.ceiling = box, ground, ceiling
        self.cut, self.open_top = cut, open_top
        n = len(box)
        self.starts, self.ends = np.empty((0, n)), np.empty((0, n))
        self.radii, self.skins, self.hollows = np.empty(0), np.empty(0), np.empty(0)
        self.contacts = np.empty((0, n))  # of rods: the places where their axes are nearest

    def add(self, axis: tuple[Any, Any], radius: float, skin: float = 0.0,
            hollow: float = 0.0) -> None:
        """Place a body: radius of its host, thickness of its skin, radius of its inside."""
        a, b = np.asarray(axis[0], dtype=float), np.asarray(axis[1], dtype=float)
        if len(self.radii) and np.any(a != b):
            near = nearest(a, b, self.starts, self.ends)
            self.contacts = np.vstack([self.contacts, self._meeting(a, b, near)[
                near.apart <= (1 - MIN_GAP_SHARE) * (self.radii + radius)]])
        self.starts = np.vstack([self.starts, axis[0]])
        self.ends = np.vstack([self.ends, axis[1]])
        self.radii = np.append(self.radii, radius)
        self.skins = np.append(self.skins, skin)
        self.hollows = np.append(self.hollows, hollow)

    def without(self, i: int) -> Crowd:
        """A crowd that lacks one body; it knows no contacts."""
        other = Crowd(self.box, self.ground, self.ceiling, self.cut, self.open_top)
        for name in ("starts", "ends", "radii", "skins", "hollows"):
            setattr(other, name, np.delete(getattr(self, name), i, axis=0))
        return other

    def judge(self, axis: tuple[Any, Any], radius: float, skin: float = 0.0,
              hollow: float = 0.0) -> NDArray[np.intp] | None:
        """The bodies that a new one merges with, or None if it is too near to tangency."""
        a, b = np.asarray(axis[0], dtype=float), np.asarray(axis[1], dtype=float)
        if not self._clear_of_planes(a, b, radius, skin):
            return None
        near = nearest(a, b, self.starts, self.ends)
        apart = near.apart
        sums = self.radii + radius
        hit = apart <= (1 - MIN_GAP_SHARE) * sums
        if np.any(~hit & (apart < (1 + MIN_GAP_SHARE) * (sums + self.skins + skin))):
            return None
        least = np.abs(self.radii - radius) + 2 * MIN_GAP_SHARE * np.minimum(self.radii, radius)
        least = np.maximum(least, 0.4 * sums)
        for inner, outer in ((self.hollows, radius), (np.full(1, hollow), self.radii)):
            clear = (1 + MIN_GAP_SHARE) * (inner + outer)
            least = np.maximum(least, np.where(inner > 0, clear, 0.0))
        if np.any(hit & ((apart < least) | (near.sine < MIN_MERGING_SINE))):
            return None
        if np.any(b != a) and np.any(hit):  # contacts of rods: whole, and clear of one another
            at = self._meeting(a, b, near)[hit]
            low, high = np.zeros(len(a)), self.box.copy()
            low[-1], high[-1] = self.ground, self.ceiling
            edge = 1.3 * radius / near.sine[hit][:, None]
            if np.any((at < low + edge) | (at > high - edge)):
                return None
            free = (1 + MIN_GAP_SHARE) * sums[hit]
            others = np.vstack([self.contacts, at])
            apart = np.linalg.norm(at[:, None] - others[None], axis=2)
            if np.any(np.sum(apart < free[:, None], axis=1) > 1):  # itself is the one
                return None
        if not self._clear_of_edges(a, b, radius, skin):
            return None
        found: NDArray[np.intp] = np.flatnonzero(hit)
        return found

    def _meeting(self, a: Floats, b: Floats, near: Nearest) -> Floats:
        """Middle between the nearest points of an axis and those of all bodies."""
        there = self.starts + near.there[:, None] * (self.ends - self.starts)
        out: Floats = (a + near.here[:, None] * (b - a) + there) / 2
        return out

    def _clear_of_planes(self, a: Floats, b: Floats, radius: float, skin: float) -> bool:
        """Well inside or clearly cut by ground, ceiling and sides."""
        length = float(np.linalg.norm(b - a))
        planes = [(len(a) - 1, self.ground, 1.0), (len(a) - 1, self.ceiling, -1.0)]
        planes += [p for k in range(len(a) - 1) for p in ((k, 0.0, 1.0), (k, self.box[k], -1.0))]
        for k, place, sign in planes:
            low, high = sorted((sign * (a[k] - place), sign * (b[k] - place)))
            if low >= (1 + 2 * MIN_GAP_SHARE) * (radius + skin):
                continue
            upright = k == len(a) - 1
            ground = upright and sign > 0
            if not (ground or (self.open_top if upright else self.cut)):
                return False
            if length and low < -radius < radius < high:  # a rod that crosses the plane
                if high - low < MIN_MERGING_SINE * length:
                    return False
            elif low < (0.1 if ground else -0.5) * radius or low > (1 - 2 * MIN_GAP_SHARE) * radius:
                return False
            elif length and high - low > 1e-9 * length:
                return False  # a rod that ends in the plane
        return True

    def _clear_of_edges(self, a: Floats, b: Floats, radius: float, skin: float) -> bool:
        if len(a) == 2 or not self.cut:
            return True
        reach = (1 + 2 * MIN_GAP_SHARE) * (radius + skin)
        if np.all(np.minimum(a, b)[:2] > reach) and np.all(np.maximum(a, b)[:2]
                                                           < self.box[:2] - reach):
            return True
        corners = [np.array([x, y]) for x in (0.0, self.box[0]) for y in (0.0, self.box[1])]
        edges = [(np.append(c, self.ground), np.append(c, self.ceiling)) for c in corners]
        edges += [(np.append(c, z), np.append(d, z)) for z in (self.ground, self.ceiling)
                  for c, d in itertools.combinations(corners, 2) if np.sum(c != d) == 1]
        apart = nearest(a, b, *(np.array(e) for e in zip(*edges, strict=True))).apart
        return not np.any((apart > (1 - 2 * MIN_GAP_SHARE) * radius)
                          & (apart < (1 + 2 * MIN_GAP_SHARE) * (radius + skin)))


class Nearest(NamedTuple):
    """Nearest places of a segment and each of several others.

    Attributes:
        apart: distances in m.
        sine: of the angles between them; 1 if one is a point.
        here: shares along the first segment.
        there: shares along the others.
    """

    apart: Floats
    sine: Floats
    here: Floats
    there: Floats


def nearest(a: Floats, b: Floats, starts: Floats, ends: Floats) -> Nearest:
    """Distances of a segment from others (Ericson, Real-Time Collision Detection, 2005, 5.1.9)."""
    if not np.any(ends - starts) and not np.any(b - a):
        one, zero = np.ones(len(starts)), np.zeros(len(starts))
        return Nearest(np.linalg.norm(a - starts, axis=1), one, zero, zero)
    u, v, w = b - a, ends - starts, a - starts
    uu, vv, uv = float(u @ u), np.sum(v * v, axis=1), v @ u
    uw, vw = w @ u, np.sum(v * w, axis=1)
    some = np.maximum(vv, 1e-300)
    across = uu * vv - uv**2
    skew = across > 1e-12 * uu * vv
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.where(skew, np.clip((uv * vw - uw * vv) / across, 0.0, 1.0), 0.0)
        t = np.where(vv > 0, (uv * s + vw) / some, 0.0)
        inside = np.clip(t, 0.0, 1.0)
        s = np.where((t != inside) | ~skew,
                     np.clip((uv * inside - uw) / max(uu, 1e-300), 0.0, 1.0), s)
        sine = np.where((uu > 0) & (vv > 0), np.sqrt(np.maximum(across, 0) / (uu * some)), 1.0)
    apart: Floats = np.linalg.norm(w + s[:, None] * u - inside[:, None] * v, axis=1)
    return Nearest(apart, sine, s, inside)


class Sample:
    """Solid share of a layer, counted on a grid of fixed points; `share` is its value now.

    Args:
        box: far corner of the cell, m.
        low: bottom of the layer, m.
        high: top of the layer, m.
        finest: smallest radius, m; about six points lie along it.
    """

    def __init__(self, box: Floats, low: float, high: float, finest: float) -> None:
        n = len(box)
        spans = [(0.0, float(v)) for v in box[:-1]] + [(low, high)]
        most = {2: 2000, 3: 160}[n]
        self.axes = [a + (np.arange(m) + 0.5) / m * (b - a) for (a, b) in spans
                     for m in [int(min(most, max(40, round(6 * (b - a) / finest))))]]
        shape = [len(x) for x in self.axes]
        self.priority = np.zeros(shape, dtype=np.int8)
        self.solid = np.zeros(shape, dtype=bool)

    def add(self, part: Part) -> None:
        """Carve a part."""
        low, high = part.shape.bounds()
        cuts = tuple(slice(*np.searchsorted(x, (a, b)))
                     for x, a, b in zip(self.axes, low, high, strict=True))
        points = np.stack(np.meshgrid(*(x[c] for x, c in zip(self.axes, cuts, strict=True)),
                                      indexing="ij"), axis=-1)
        if not points.size:
            return
        mine = (part.shape.distance(points) < 0) & (self.priority[cuts] <= part.priority)
        self.priority[cuts][mine] = part.priority
        self.solid[cuts][mine] = not part.region.startswith(("electrolyte", "separator"))

    @property
    def share(self) -> float:
        """Solid share of the layer."""
        return float(np.count_nonzero(self.solid) / self.solid.size)


def _without_spares(parts: list[Part], places: Floats | None) -> list[Part]:
    """Parts without the spare ones beside bad places."""
    spares = [i for i, p in enumerate(parts) if p.spare]
    if places is None or not spares:
        return parts
    off = np.array([np.abs(parts[i].shape.distance(places)) for i in spares])
    near = off < np.array([parts[i].shape.radius for i in spares])[:, None]
    bad = {spares[k] for k in np.flatnonzero(near.any(axis=1))}
    return [p for i, p in enumerate(parts) if i not in bad]


def _shifted(
    room: Room, parts: list[Part], places: Floats | None, rng: np.random.Generator
) -> list[Part]:
    """Parts with the bodies beside bad places (None: a random tenth of them) shifted a little.

    A shift keeps every body clear of tangency and merged with the same others. What cannot be
    shifted gets a slightly finer mesh.
    """
    bodies: dict[int, list[Part]] = {}
    for p in parts:
        if p.body is not None:
            bodies.setdefault(p.body, []).append(p)
    numbers = list(bodies)
    if places is None:
        chosen = {b for b in numbers if rng.random() < 0.1}
    else:
        chosen = set()
        for place in places[:20]:
            near = [(min(abs(float(p.shape.distance(place))) for p in group), b)
                    for b, group in bodies.items()]
            chosen |= {b for _, b in sorted(near)[:1]}
    top = float(room.corner[-1])
    crowd = Crowd(room.corner, 0.0, top, True, True)
    frames = {}
    for b in numbers:
        hosts = [p for p in bodies[b] if p.priority == HOST] or bodies[b]
        outer = max(p.shape.radius for p in bodies[b])
        at = np.array(hosts[0].shape.axis()[0])
        inside = [p.shape.radius + float(np.linalg.norm(at - p.shape.axis()[0]))
                  for p in bodies[b] if p.priority > HOST and type(p.shape) is type(hosts[0].shape)]
        frames[b] = (hosts[0].shape, outer - hosts[0].shape.radius, max(inside, default=0.0))
        crowd.add(hosts[0].shape.axis(), hosts[0].shape.radius, *frames[b][1:])
    moved: dict[int, Floats] = {}
    for b in sorted(chosen):
        i = numbers.index(b)
        shape, skin, inside_r = frames[b]
        others = crowd.without(i)
        low, high = bodies[b][0].span
        others.ground, others.ceiling = max(low, 0.0), min(high, top)
        before = others.judge(shape.axis(), shape.radius, skin, inside_r)
        for _ in range(60):
            by = rng.normal(size=room.dimension) * 0.15 * shape.radius
            if isinstance(shape, Bore):
                by[-1] = 0.0
            after = others.judge(shape.moved(by).axis(), shape.radius, skin, inside_r)
            if after is not None and (before is None or np.array_equal(after, before)):
                moved[b] = by
                crowd.starts[i] += by
                crowd.ends[i] += by
                break
    if not moved:
        return [replace(p, size=0.9 * p.size) for p in parts]
    return [replace(p, shape=p.shape.moved(moved[p.body])) if p.body in moved else p
            for p in parts]


# ---------------------------------------------------------------- meshing


def _mesh(room: Room, parts: list[Part]) -> TaggedMesh:
    from geometries.meshing.gmsh_session import arrays, name_regions, session, snap

    n = room.dimension
    heights = [0.0, *(t for _, _, t in room.slabs)]
    axes, h = _sizes(room, parts)
    # The kernel's tolerances are absolute: its unit is the smallest radius.
    unit = min([p.shape.radius for p in parts], default=room.size)
    shapes = _seamed(room, [replace(p, shape=p.shape.swollen(p.size)) for p in parts])
    with session() as gmsh, tempfile.TemporaryDirectory() as folder:
        occ = gmsh.model.occ
        owners, objects = _carved(occ, room, shapes, unit)
        for region, low, high in room.slabs:
            objects.append(_box(occ, room, low, high, unit))
            owners.append(region)
        pieces = [[o] for o in objects]
        if len(objects) > 1:
            _, pieces = occ.fragment(objects, [])
        occ.synchronize()
        name_regions(gmsh, n, owners, pieces)
        _set_sizes(gmsh, axes, h, unit, Path(folder) / "sizes")
        gmsh.option.setNumber("Mesh.Algorithm3D", 10)
        gmsh.option.setNumber("Mesh.Optimize", 1)
        gmsh.option.setNumber("Mesh.OptimizeNetgen", 0)
        gmsh.model.mesh.generate(n)
        points, cells, names = arrays(gmsh, n)
    points = snap(points * unit, n - 1, heights)
    for axis, length in enumerate(room.corner[:-1]):
        points = snap(points, axis, [0.0, float(length)])
    return assemble(points, cells, names, axisymmetric=room.axisymmetric)


def _seamed(room: Room, parts: list[Part]) -> list[Part]:
    """Parts with the seams of their surfaces turned away from where other walls graze them.

    A seam close to the curve in which two walls meet leaves edges too short for good cells.
    """
    round_ones = [p.shape for p in parts if isinstance(p.shape, Ball | Rod)]
    if not round_ones:
        return parts
    starts, ends = (np.array(v) for v in zip(*(s.axis() for s in round_ones), strict=True))
    radii = np.array([s.radius for s in round_ones])
    rng = np.random.default_rng(0)
    out = []
    for p in parts:
        shape = p.shape
        if not isinstance(shape, Ball | Rod) or (isinstance(shape, Rod) and room.dimension == 2):
            out.append(p)
            continue
        a, b = (np.array(end) for end in shape.axis())
        r, near = shape.radius, nearest(a, b, starts, ends)
        meet = (near.apart < r + radii) & (near.apart > np.abs(radii - r) + 1e-9 * r)
        d = near.apart[meet]
        here = a + near.here[meet][:, None] * (b - a)
        to = (starts + near.there[:, None] * (ends - starts))[meet] - here
        ways = to / d[:, None]
        spans = np.arccos(np.clip((d**2 + r**2 - radii[meet] ** 2) / (2 * d * r), -1.0, 1.0))
        # Rods that begin inside and end outside: necks, mouths, whiskers.
        feet, tips = _radial(a, b, starts), _radial(a, b, ends)
        reach = np.linalg.norm(tips, axis=1)
        out_of = (np.linalg.norm(feet, axis=1) < r) & (reach > r) & (radii < 0.7 * r) & ~meet
        ways = np.vstack([ways, tips[out_of] / reach[out_of][:, None]])
        spans = np.append(spans, np.arcsin(radii[out_of] / r))
        if isinstance(shape, Ball):
            low, high = np.zeros(room.dimension), room.corner.copy()
            low[-1], high[-1] = max(0.0, p.span[0]), min(float(high[-1]), p.span[1])
            for k, sign in itertools.product(range(room.dimension), (-1.0, 1.0)):
                off = (high[k] - a[k]) if sign > 0 else (a[k] - low[k])
                if abs(off) < r:
                    ways = np.vstack([ways, sign * np.eye(room.dimension)[k]])
                    spans = np.append(spans, math.acos(off / r))
        out.append(replace(p, shape=_turned(shape, ways, spans, rng)) if len(ways) else p)
    return out


def _radial(a: Floats, b: Floats, points: Floats) -> Floats:
    """Vectors from the nearest point of a segment to each point."""
    u = b - a
    along = np.clip((points - a) @ u / max(float(u @ u), 1e-300), 0.0, 1.0)
    out: Floats = points - a - along[:, None] * u
    return out


def _turned(
    shape: Ball | Rod, ways: Floats, spans: Floats, rng: np.random.Generator
) -> Ball | Rod:
    """Turn the seam as far as possible from the caps around unit vectors of these half angles."""

    def slack(seam: Floats) -> float:
        """Least angle between any point of a seam (a row each) and the rim of a cap."""
        angles = np.arccos(np.clip(seam @ ways.T, -1.0, 1.0))
        ends = np.abs(angles[[0, -1]] - spans).min() if len(seam) > 1 else math.inf
        return float(min(np.abs(angles.min(axis=0) - spans).min(), ends))

    if isinstance(shape, Rod) or len(shape.centre) == 2:
        turns = np.linspace(0.0, 2 * math.pi, 73)[:-1]
        if isinstance(shape, Rod):
            along = np.array(shape.end) - np.array(shape.start)
            x = np.cross(along, np.eye(3)[np.abs(along).argmin()])
            x /= np.linalg.norm(x)
            y = np.cross(along / np.linalg.norm(along), x)
        else:
            x, y = np.eye(2)
        seams = [math.cos(t) * x + math.sin(t) * y for t in turns]
        best = max(seams, key=lambda s: slack(s[None]))
        return replace(shape, seam=tuple(float(v) for v in best))
    frames = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(60)]
    arc = np.linspace(-math.pi / 2, math.pi / 2, 19)[:, None]
    x, _, z = max((f.T for f in frames),
                  key=lambda f: slack(np.cos(arc) * f[0] + np.sin(arc) * f[2]))
    return replace(shape, seam=tuple(map(float, x)), pole=tuple(map(float, z)))


def _carved(
    occ: Any, room: Room, parts: list[Part], unit: float
) -> tuple[list[str], list[tuple[int, int]]]:
    """Regions and shapes that do not overlap: merged by region, cut by what has priority."""
    n, top = room.dimension, room.slabs[-1][2]
    groups: dict[tuple[int, str, tuple[float, float]], list[Part]] = {}
    for p in parts:
        span = max(0.0, p.span[0]), min(top, p.span[1])
        groups.setdefault((-p.priority, p.region, span), []).append(p)
    owners: list[str] = []
    objects: list[tuple[int, int]] = []
    for (_, region, (low, high)), group in sorted(groups.items()):
        tags = [(n, p.shape.shape(occ, 1 / unit)) for p in group]
        if len(tags) > 1 and _overlap(group):
            tags, _ = occ.fuse(tags[:1], tags[1:])
        if not _within(room, group, low, high):
            tags, _ = occ.intersect(tags, [_box(occ, room, low, high, unit)])
        if objects and tags:
            tags, _ = occ.cut(tags, objects, removeTool=False)
        owners += [region] * len(tags)
        objects += tags
    return owners, objects


def _overlap(group: list[Part]) -> bool:
    """True if any two parts may touch, judged by their boxes."""
    low, high = (np.array(v) for v in zip(*(p.shape.bounds() for p in group), strict=True))
    meet = np.all((low[:, None] < high[None]) & (low[None] < high[:, None]), axis=-1)
    return bool(np.triu(meet, 1).any())


def _within(room: Room, group: list[Part], low: float, high: float) -> bool:
    """True if all parts lie inside the cell and their span."""
    near, far = np.zeros(room.dimension), room.corner.copy()
    near[-1], far[-1] = low, high
    bounds = [p.shape.bounds() for p in group]
    return all(bool(np.all(a >= near) and np.all(b <= far)) for a, b in bounds)


def _box(occ: Any, room: Room, low: float, high: float, unit: float) -> tuple[int, int]:
    w, z, dz = room.width / unit, low / unit, (high - low) / unit
    if room.breadth is None:
        return 2, int(occ.addRectangle(0, z, 0, w, dz))
    return 3, int(occ.addBox(0, 0, z, w, room.breadth / unit, dz))


def _sizes(room: Room, parts: list[Part]) -> tuple[list[Floats], Floats]:
    """Cell size on a grid: fine on walls and planes, growing linearly with distance.

    A table is 10 times faster than the mesher's own distance to surfaces.

    Raises:
        CaseError: more cells than the budget.
    """
    n, slope = room.dimension, room.growth - 1.0
    finest = min([p.size for p in parts] + [h for _, h in room.planes] + [room.size])
    step = max(finest, float(np.prod(room.corner) / SIZE_GRID_POINTS[n]) ** (1 / n))
    axes = [np.linspace(0.0, v, max(2, math.ceil(v / step) + 1)) for v in room.corner]
    h = np.full([len(x) for x in axes], room.size)
    for height, fine in room.planes:
        h = np.minimum(h, fine + slope * np.abs(axes[-1] - height))
    # A point of the table speaks for its neighbourhood.
    slack = 0.5 * math.sqrt(n) * max(x[1] - x[0] for x in axes)
    for p in parts:
        reach = max(0.0, room.size - p.size) / slope + slack
        low, high = p.shape.bounds()
        low[-1], high[-1] = max(low[-1], p.span[0]), min(high[-1], p.span[1])
        cuts = tuple(slice(*np.searchsorted(x, (a - reach, b + reach)))
                     for x, a, b in zip(axes, low, high, strict=True))
        points = np.stack(np.meshgrid(*(x[c] for x, c in zip(axes, cuts, strict=True)),
                                      indexing="ij"), axis=-1)
        if points.size:
            off = np.maximum(np.abs(p.shape.distance(points)) - slack, 0.0)
            h[cuts] = np.minimum(h[cuts], p.size + slope * off)
    count = float(np.mean(h ** -float(n)) * np.prod(room.corner)) / REGULAR_SIMPLEX[n]
    within_budget(count, room.budget)
    return axes, h


def _set_sizes(gmsh: Any, axes: list[Floats], h: Floats, unit: float, file: Path) -> None:
    if h.ndim == 2:  # the table is of three axes
        h = np.repeat(h[:, :, None], 2, axis=2)
        axes = [*axes, np.array([-unit, unit])]
    with open(file, "wb") as out:
        np.array([x[0] / unit for x in axes]).tofile(out)
        np.array([(x[1] - x[0]) / unit for x in axes]).tofile(out)
        np.array(h.shape, dtype=np.int32).tofile(out)
        (h / unit).tofile(out)
    field = gmsh.model.mesh.field
    table = field.add("Structured")
    field.setString(table, "FileName", str(file))
    field.setNumber(table, "TextFormat", 0)
    field.setNumber(table, "SetOutsideValue", 0)
    field.setAsBackgroundMesh(table)
    for option in ("MeshSizeFromPoints", "MeshSizeFromCurvature", "MeshSizeExtendFromBoundary"):
        gmsh.option.setNumber(f"Mesh.{option}", 0)
