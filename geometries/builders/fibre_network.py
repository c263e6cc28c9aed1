"""The 3D half of family `fibre_mat`: straight fibres in the planes of the mat, in contact.

Fibres lie on levels a little less than a diameter apart, so fibres of neighbouring levels overlap
where they cross and the network conducts from the collector up through every layer. Fibres of one
level do not cross (two equal cylinders on crossing axes are singular), so no three walls meet.
Draws that would almost touch are refused: OCC's Booleans and the mesher fail on near-tangency.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from fem.base.errors import CaseError, RunError
from fem.values.units import shown_point
from geometries.builders.fibre_layers import POROSITY_TOLERANCE, FibreMat, finish, kinds_of
from geometries.meshing.measures import slab_fractions
from geometries.meshing.mesh import Built, Floats, TaggedMesh, assemble, quality

#: Distance of neighbouring levels over the sum of radii.
LEVEL_OVERLAP = 0.8
#: Distance of axes over the sum of radii: below, or above.
CLEAR_HIT, CLEAR_MISS = 0.85, 1.2
#: Least distance of an axis from the upright edges of the cell, in diameters.
MIN_CORNER_DISTANCE = 0.7
#: Sine of the least angle of touching fibres, and of fibres with the sides.
MIN_CROSSING_SINE = math.sin(math.radians(25))
#: Least SICN accepted.
MIN_QUALITY = 0.05
#: Largest angle between the fibres of one level and its heading, rad.
HEADING_SPREAD = math.radians(20)
MAX_ATTEMPTS = 6


@dataclass(frozen=True)
class Fibre:
    """A cylinder whose axis passes (x, y, z) at an angle in the plane; lengths in m."""

    x: float
    y: float
    z: float
    angle: float
    r: float
    layer: int
    level: int

    @functools.cached_property
    def direction(self) -> Floats:
        """Unit vector of the axis in the plane."""
        return np.array([math.cos(self.angle), math.sin(self.angle)])

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - of the last few thousand fibres
    def chord(self, width: float, breadth: float, beyond: float) -> tuple[Floats, Floats]:
        """Ends of the axis in a box that is larger by `beyond` on each side, in the plane."""
        point, d = np.array([self.x, self.y]), self.direction
        with np.errstate(divide="ignore"):
            a = (np.array([-beyond, -beyond]) - point) / d
            b = (np.array([width + beyond, breadth + beyond]) - point) / d
        return point + np.minimum(a, b).max() * d, point + np.maximum(a, b).min() * d


def build(p: FibreMat) -> Built:
    """The tagged mesh; a fibre beside a bad cell is drawn anew, a few times.

    Raises:
        CaseError: no draw reaches the porosities.
        RunError: the mesher fails for every draw; names the place.
    """
    breadth = p.breadth or p.width
    report = ""
    refusal: CaseError | None = None
    for attempt in range(MAX_ATTEMPTS):
        try:
            fibres = _draw(p, breadth, np.random.default_rng([p.seed, attempt]))
        except CaseError as error:
            refusal = refusal or error
            continue
        swell = [_swell(layer.fibre_diameter, p.sizes()[1]) for layer in p.layers]
        try:
            mesh = _mesh(p, breadth, fibres, swell)
            if quality(mesh.points, mesh.cells).min() >= MIN_QUALITY:
                # The first mesh tells how much of the round fibres its flat faces keep.
                shares = [slab_fractions(mesh, [low, high])[0] for _, low, high in p.bounds()]
                off = [s - layer.porosity for s, layer in zip(shares, p.layers, strict=True)]
                if max(map(abs, off)) > 0.6 * POROSITY_TOLERANCE:
                    swell = [w * math.sqrt(1 + d / (1 - s))
                             for w, d, s in zip(swell, off, shares, strict=True)]
                    mesh = _mesh(p, breadth, fibres, swell)
        except RunError as error:
            report = str(error)
            continue
        q = quality(mesh.points, mesh.cells)
        if q.min() >= MIN_QUALITY:
            built = finish(p, mesh, len(fibres))
            built.extra |= {"draws": attempt + 1, "quality_min": round(float(q.min()), 4)}
            return built
        place = mesh.points[mesh.cells[q.argmin()]].mean(axis=0)
        report = f"worst cell {q.min():.3g} at {shown_point(place)}"
    if refusal and not report:
        raise refusal
    raise RunError(f"fibre_mat: no good mesh in {MAX_ATTEMPTS} draws ({report}); try another seed "
                   "or a smaller size_wall")


def drawn(p: FibreMat) -> list[Fibre]:
    """Fibres of the first draw that reaches the porosities; the mesh may need a later one.

    Raises:
        CaseError: no draw does.
    """
    refusal: CaseError | None = None
    for attempt in range(MAX_ATTEMPTS):
        try:
            return _draw(p, p.breadth or p.width, np.random.default_rng([p.seed, attempt]))
        except CaseError as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _levels(p: FibreMat) -> list[tuple[float, int]]:
    """Height of the axes in m and the layer of each level, from the collector upwards."""
    bounds = p.bounds()
    radii = [layer.fibre_diameter / 2 for layer in p.layers]
    top = bounds[-1][2]
    levels = [(0.6 * radii[0], 0)]  # the lowest fibres sink 0.4 of a radius into the collector
    while True:
        z, layer = levels[-1]
        for share in (LEVEL_OVERLAP, 0.77, 0.74, 0.71, 0.84, 0.68, 0.65, 0.62):
            upper = layer
            at = z + share * (radii[layer] + radii[upper])
            if at >= bounds[layer][2] and layer + 1 < len(bounds):
                upper = layer + 1
                at = z + share * (radii[layer] + radii[upper])
            # No cylinder may be tangent to a plane between two layers.
            if all(not 0.75 < abs(at - t) / radii[upper] < 1.25 for _, _, t in bounds[:-1]):
                break
        if at + 1.25 * radii[upper] > top:
            return levels
        levels.append((at, upper))


def _draw(p: FibreMat, breadth: float, rng: np.random.Generator) -> list[Fibre]:
    """Fibres connected to the collector, to the porosity of each layer."""
    levels = _levels(p)
    lacking = [layer.name for i, layer in enumerate(p.layers) if i not in {n for _, n in levels}]
    if lacking:
        raise CaseError(f"fibre_mat: layers {', '.join(lacking)} are too thin for a level of "
                        "fibres; at least one and a half diameters")
    # Random in the plane; a level turns by 50 to 130 degrees against the one below.
    headings = np.cumsum(np.radians(50 + 80 * rng.random(len(levels))))
    fibres: list[Fibre] = []
    sample = _Sample(p, breadth)
    for i, layer in enumerate(p.layers):
        mine = [k for k, (_, n) in enumerate(levels) if n == i]
        target = 1.0 - layer.porosity
        one = math.pi / 4 * layer.fibre_diameter**2 / (layer.thickness * breadth)
        misses, turn = 0, 0
        # Bottom-up once, then round and round, so that all levels fill alike.
        while misses < 15 * len(mine):
            solid = sample.solid(i)
            if solid >= target - 0.3 * one:
                break
            k = mine[turn % len(mine)]
            room = min(target + 0.6 * POROSITY_TOLERANCE, target + 0.5 * one)
            new = _candidate(p, breadth, fibres, levels, headings, k, rng)
            if new is not None and sample.with_fibre(new)[i] <= room:
                fibres.append(new)
                sample.add(new)
                turn += 1
            else:
                misses += 1
                turn += misses % 20 == 0
        off = sample.solid(i) - target
        if abs(off) > 0.8 * POROSITY_TOLERANCE:
            raise CaseError(
                f"layers.{layer.name}.porosity: {layer.porosity:g} cannot be delivered within "
                f"{POROSITY_TOLERANCE:g}; reachable here {layer.porosity - off:.3f}; widen the "
                "cell, thin the fibres or take another seed"
            )
    return fibres


def _candidate(
    p: FibreMat, breadth: float, fibres: list[Fibre], levels: list[tuple[float, int]],
    headings: Floats, k: int, rng: np.random.Generator,
) -> Fibre | None:
    """A fibre on level k that clearly hits or misses all others and hangs on the network."""
    z, layer = levels[k]
    heading = headings[k]
    r = p.layers[layer].fibre_diameter / 2
    fibres = [f for f in fibres if abs(z - f.z) <= CLEAR_MISS * (r + f.r)]  # others are missed
    for _ in range(60):
        angle = heading + HEADING_SPREAD * (2 * rng.random() - 1)
        new = Fibre(p.width * rng.random(), breadth * rng.random(), z, angle, r, layer, k)
        if not _clear_of_edges(new, p.width, breadth):
            continue
        hits = 0
        for f in fibres:
            relation = _relation(new, f, p.width, breadth)
            hits += relation == "hit"
            if relation == "near":
                break
        else:
            if k == 0 or hits:
                return new
    return None


def _clear_of_edges(f: Fibre, width: float, breadth: float) -> bool:
    """Away from the upright edges of the cell and not cutting a side under a small angle."""
    d = f.direction
    for corner in ((0.0, 0.0), (width, 0.0), (0.0, breadth), (width, breadth)):
        across = (corner[0] - f.x) * d[1] - (corner[1] - f.y) * d[0]
        if abs(across) < 2 * MIN_CORNER_DISTANCE * f.r:
            return False
    for end in f.chord(width, breadth, 0.0):
        on_x = min(abs(end[0]), abs(end[0] - width)) < 1e-9 * width
        if abs(d[0] if on_x else d[1]) < MIN_CROSSING_SINE:
            return False
    return True


def _relation(a: Fibre, b: Fibre, width: float, breadth: float) -> str:
    """Relation of two fibres: `hit` (clear overlap), `miss`, or too `near` to decide."""
    reach = a.r + b.r
    rise = abs(a.z - b.z)
    beyond = max(a.r, b.r)
    p0, p1 = a.chord(width, breadth, beyond)
    q0, q1 = b.chord(width, breadth, beyond)
    sine = abs(float(a.direction[0] * b.direction[1] - a.direction[1] * b.direction[0]))

    def reach_of(s: Floats, t: Floats, point: Floats) -> float:
        along = min(1.0, max(0.0, float((point - s) @ (t - s)) / float((t - s) @ (t - s))))
        return float(np.linalg.norm(point - s - along * (t - s)))

    def side(s: Floats, t: Floats, point: Floats) -> float:
        return float((t[0] - s[0]) * (point[1] - s[1]) - (t[1] - s[1]) * (point[0] - s[0]))

    if side(p0, p1, q0) * side(p0, p1, q1) < 0 and side(q0, q1, p0) * side(q0, q1, p1) < 0:
        clear = sine > MIN_CROSSING_SINE and 0.5 * reach < rise <= CLEAR_HIT * reach
        return "hit" if clear and _crossing_inside(a, b, width, breadth) else "near"
    flat = min(reach_of(p0, p1, q0), reach_of(p0, p1, q1), reach_of(q0, q1, p0),
               reach_of(q0, q1, p1))
    return "miss" if math.hypot(flat, rise) > CLEAR_MISS * reach else "near"


def _crossing_inside(a: Fibre, b: Fibre, width: float, breadth: float) -> bool:
    """True if the axes cross well inside the cell, so that the sides do not cut the contact."""
    matrix = np.column_stack([a.direction, -b.direction])
    along = np.linalg.solve(matrix, np.array([b.x - a.x, b.y - a.y]))[0]
    x, y = np.array([a.x, a.y]) + along * a.direction
    edge = 1.2 * max(a.r, b.r)
    return bool(edge < x < width - edge and edge < y < breadth - edge)


class _Sample:
    """Solid share of each layer, counted on fixed points (about 12 across a fibre)."""

    def __init__(self, p: FibreMat, breadth: float) -> None:
        self.bounds = p.bounds()
        step = min(layer.fibre_diameter for layer in p.layers) / 12
        n = [min(240, max(40, round(v / step))) for v in (p.width, breadth)]
        self.x, self.y = ((np.arange(m) + 0.5) / m * v
                          for m, v in zip(n, (p.width, breadth), strict=True))
        m = min(240, max(24, round(self.bounds[-1][2] / step)))
        self.z = (np.arange(m) + 0.5) / m * self.bounds[-1][2]
        self.inside = np.zeros((len(self.z), *n), dtype=bool)
        self.counts = np.zeros(len(self.z), dtype=np.int64)  # points inside, by height
        self.layers = [(self.z > low) & (self.z < high) for _, low, high in self.bounds]

    def _with(self, f: Fibre) -> tuple[slice, np.ndarray, np.ndarray]:
        """Heights that a fibre reaches, the points inside there with it, and their counts."""
        near = np.flatnonzero(np.abs(self.z - f.z) < f.r)
        rows = slice(int(near[0]), int(near[-1]) + 1)
        d = f.direction
        flat = np.subtract.outer((self.x - f.x) * d[1], (self.y - f.y) * d[0]) ** 2
        inside = flat[None] < (f.r**2 - (self.z[rows] - f.z) ** 2)[:, None, None]
        inside |= self.inside[rows]
        counts = self.counts.copy()
        counts[rows] = np.count_nonzero(inside, axis=(1, 2))
        return rows, inside, counts

    def add(self, f: Fibre) -> None:
        rows, inside, self.counts = self._with(f)
        self.inside[rows] = inside

    def solid(self, layer: int, counts: np.ndarray | None = None) -> float:
        mine = self.layers[layer]
        found = (self.counts if counts is None else counts)[mine]
        return float(found.sum() / (len(found) * self.inside[0].size))

    def with_fibre(self, f: Fibre) -> list[float]:
        counts = self._with(f)[2]
        return [self.solid(i, counts) for i in range(len(self.bounds))]


def _mesh(
    p: FibreMat, breadth: float, fibres: list[Fibre], swell: list[float]
) -> TaggedMesh:
    from geometries.meshing.gmsh_session import arrays, name_regions, session, size_fields, snap

    slabs = p.slabs()
    unit = min(layer.fibre_diameter for layer in p.layers)
    size, wall = p.sizes()
    regions = _regions(p, fibres)
    with session() as gmsh:
        occ = gmsh.model.occ
        box = occ.addBox(0, 0, 0, p.width / unit, breadth / unit, slabs[-1][2] / unit)
        solids: list[tuple[str, list[tuple[int, int]]]] = []
        for region in sorted(set(regions)):
            tags = []
            for f, r in zip(fibres, regions, strict=True):
                if r == region:
                    r_mesh = f.r * swell[f.layer] / unit
                    a, b = f.chord(p.width, breadth, 3 * f.r)
                    a, b = np.append(a, f.z) / unit, np.append(b, f.z) / unit
                    tags.append((3, occ.addCylinder(*a, *(b - a), r_mesh)))
            if len(tags) > 1:
                tags, _ = occ.fuse(tags[:1], tags[1:])
            for _, earlier in solids:  # a contact of two kinds belongs to the first
                tags, _ = occ.cut(tags, earlier, removeTool=False)
            solids.append((region, tags))
        cut = [(r, occ.intersect(tags, [(3, box)], removeTool=False)[0]) for r, tags in solids]
        occ.remove([(3, box)], recursive=True)
        owners = [r for r, tags in cut for _ in tags] + [r for r, _, _ in slabs]
        objects = [t for _, tags in cut for t in tags]
        objects += [(3, occ.addBox(0, 0, lo / unit, p.width / unit, breadth / unit,
                                   (hi - lo) / unit)) for _, lo, hi in slabs]
        _, pieces = occ.fragment(objects, [])
        occ.synchronize()
        owner = name_regions(gmsh, 3, owners, pieces)
        walls = []
        for _, face in gmsh.model.getEntities(2):
            beside = [owner[s] for s in gmsh.model.getAdjacencies(2, face)[0] if s in owner]
            if len({r.startswith("host_") for r in beside}) == 2:
                walls.append(face)
        planes = [(slabs[-1][2] / unit, (p.size_counter or p.size or 1e30) / unit)]
        size_fields(gmsh, 3, size / unit, p.growth, planes, [(walls, wall / unit)], sampling=20)
        gmsh.option.setNumber("Mesh.Algorithm3D", 10)
        gmsh.option.setNumber("Mesh.Optimize", 1)
        gmsh.option.setNumber("Mesh.OptimizeNetgen", 0)
        gmsh.model.mesh.generate(3)
        points, cells, names = arrays(gmsh, 3)
    points = snap(points * unit, 2, [0.0, *(t for _, _, t in slabs)])
    points = snap(snap(points, 0, [0.0, p.width]), 1, [0.0, breadth])
    return assemble(points, cells, names)


def _swell(diameter: float, size: float) -> float:
    """Ratio of radii of a round fibre and of the one with the area of its flat-faced mesh."""
    angle = 2 * math.pi / max(6.0, math.pi * diameter / size)
    return math.sqrt(0.5 + 0.5 * angle / math.sin(angle))  # measured: half of a prism's loss


def _regions(p: FibreMat, fibres: list[Fibre]) -> list[str]:
    """Region of each fibre; kinds of a mix are dealt in the order of drawing."""
    regions = [""] * len(fibres)
    for i, layer in enumerate(p.layers):
        mine = [n for n, f in enumerate(fibres) if f.layer == i]
        kinds = kinds_of(layer, len(mine), np.random.default_rng([p.seed, 1000 + i]))
        for n, kind in zip(mine, kinds, strict=True):
            regions[n] = layer.region(kind)
    return regions
