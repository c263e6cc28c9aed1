"""Primitives that hosts are made of: their shape in gmsh's CAD kernel and their distance.

All lie in a cell whose thickness is the last axis, y in 2D and z in 3D. Lengths in m; a factor
`scale` turns them into the unit of the CAD kernel, whose tolerance is absolute.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from geometries.meshing.mesh import Floats

Point = tuple[float, ...]


@dataclass(frozen=True)
class Ball:
    """A ball, in 2D a disc (a fibre cut across).

    Attributes:
        centre: of the ball.
        radius: of the ball.
        seam: direction of the circle's own node; in 3D of the middle of the surface's seam.
        pole: 3D: direction in which the seam ends.
    """

    centre: Point
    radius: float
    seam: Point | None = None
    pole: Point | None = None

    def grown(self, by: float) -> Ball:
        """Copy with a larger radius."""
        return replace(self, radius=self.radius + by)

    def moved(self, by: Floats) -> Ball:
        """Copy moved elsewhere."""
        return replace(self, centre=_add(self.centre, by))

    def axis(self) -> tuple[Point, Point]:
        """Ends of the axis, here the centre twice."""
        return self.centre, self.centre

    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest corner."""
        return np.array(self.centre) - self.radius, np.array(self.centre) + self.radius

    def distance(self, points: Floats) -> Floats:
        """Distance of points (..., dimension) to the surface, negative inside."""
        out: Floats = np.linalg.norm(points - np.array(self.centre), axis=-1) - self.radius
        return out

    def swollen(self, size: float) -> Ball:
        """Copy whose radius gives the flat-faced mesh of this cell size the true volume."""
        r = self.radius
        if len(self.centre) == 2:
            turn = min(1.0, size / r)
            return replace(self, radius=r * math.sqrt(turn / math.sin(turn)))
        # Mean height of a sphere over an equilateral triangle of side h in it: h^2/(8 r).
        return replace(self, radius=r + min(size, r) ** 2 / (8 * r))

    def shape(self, occ: Any, scale: float) -> int:
        """Tag of the shape in the CAD kernel."""
        centre, r = np.array(self.centre) * scale, self.radius * scale
        if len(centre) == 2:
            x_axis = [*(self.seam or (1.0, 0.0)), 0.0]
            return int(occ.addDisk(*centre, 0, r, r, zAxis=[0.0, 0.0, 1.0], xAxis=x_axis))
        tag = int(occ.addSphere(*centre, r))
        if self.seam and self.pole:
            x, z = np.array(self.seam), np.array(self.pole)
            turn = np.column_stack([x, np.cross(z, x), z])
            about = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0],
                              turn[1, 0] - turn[0, 1]])
            angle = math.atan2(float(np.linalg.norm(about)), float(np.trace(turn)) - 1.0)
            occ.rotate([(3, tag)], *centre, *about, angle)
        return tag


@dataclass(frozen=True)
class Rod:
    """A cylinder with flat ends, in 2D a bar of width `2 radius`.

    Attributes:
        start: one end of the axis.
        end: the other one.
        radius: of the cylinder.
        seam: 3D: direction of the surface's seam, across the axis.
    """

    start: Point
    end: Point
    radius: float
    seam: Point | None = None

    def grown(self, by: float) -> Rod:
        """Copy, thicker and longer by this at each end."""
        a, b = np.array(self.start), np.array(self.end)
        along = (b - a) / np.linalg.norm(b - a) * by
        return Rod(_point(a - along), _point(b + along), self.radius + by, self.seam)

    def moved(self, by: Floats) -> Rod:
        """Copy moved elsewhere."""
        return replace(self, start=_add(self.start, by), end=_add(self.end, by))

    def axis(self) -> tuple[Point, Point]:
        """Ends of the axis."""
        return self.start, self.end

    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest corner."""
        a, b = np.array(self.start), np.array(self.end)
        along = (b - a) / np.linalg.norm(b - a)
        reach = self.radius * np.sqrt(np.maximum(0.0, 1.0 - along**2))
        return np.minimum(a, b) - reach, np.maximum(a, b) + reach

    def distance(self, points: Floats) -> Floats:
        """Distance of points (..., dimension) to the surface, negative inside."""
        a, b = np.array(self.start), np.array(self.end)
        length = float(np.linalg.norm(b - a))
        along = (points - a) @ ((b - a) / length)
        across = np.sqrt(np.maximum(0.0, np.sum((points - a) ** 2, axis=-1) - along**2))
        return _corner(across - self.radius, np.abs(along - length / 2) - length / 2)

    def swollen(self, size: float) -> Rod:
        """Copy whose radius gives the flat-faced mesh of this cell size the true volume."""
        if len(self.start) == 2:
            return self
        r = self.radius
        return replace(self, radius=r + min(size, r) ** 2 / (16 * r))

    def shape(self, occ: Any, scale: float) -> int:
        """Tag of the shape in the CAD kernel."""
        a, b = np.array(self.start) * scale, np.array(self.end) * scale
        r = self.radius * scale
        if len(a) == 3:
            tag = int(occ.addCylinder(*a, *(b - a), r))
            if self.seam:
                way, x = (b - a) / np.linalg.norm(b - a), _across(b - a)
                angle = math.atan2(np.cross(way, x) @ self.seam, x @ self.seam)
                occ.rotate([(3, tag)], *a, *way, angle)
            return tag
        along = (b - a) / np.linalg.norm(b - a)
        side = r * np.array([-along[1], along[0]])
        return _polygon(occ, [a + side, b + side, b - side, a - side])


@dataclass(frozen=True)
class Bore:
    """An upright body of revolution, in 2D a slit, whose radius is linear between heights.

    Attributes:
        foot: place across the thickness, (x,) or (x, y).
        profile: (height, radius) upwards.
        half: axisymmetric: only the half x > 0 about the axis x = 0.
    """

    foot: Point
    profile: tuple[tuple[float, float], ...]
    half: bool = False

    def grown(self, by: float) -> Bore:
        """Copy, wider at every height."""
        return replace(self, profile=tuple((z, r + by) for z, r in self.profile))

    def moved(self, by: Floats) -> Bore:
        """Copy moved elsewhere."""
        return Bore(_add(self.foot, by[:-1]),
                    tuple((z + float(by[-1]), r) for z, r in self.profile), self.half)

    def axis(self) -> tuple[Point, Point]:
        """Ends of the axis."""
        return (*self.foot, self.profile[0][0]), (*self.foot, self.profile[-1][0])

    @property
    def radius(self) -> float:
        """The largest radius."""
        return max(r for _, r in self.profile)

    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest corner."""
        low, high = (np.array(end) for end in self.axis())
        low[:-1] -= self.radius
        high[:-1] += self.radius
        return low, high

    def distance(self, points: Floats) -> Floats:
        """Distance of points to the surface, negative inside; nearly so for a tapered bore."""
        heights, radii = (np.array(v) for v in zip(*self.profile, strict=True))
        across = np.linalg.norm(points[..., :-1] - np.array(self.foot), axis=-1)
        z = points[..., -1]
        middle, half = (heights[0] + heights[-1]) / 2, (heights[-1] - heights[0]) / 2
        return _corner(across - np.interp(z, heights, radii), np.abs(z - middle) - half)

    def swollen(self, size: float) -> Bore:
        """Copy whose radii give the flat-faced mesh of this cell size the true volume."""
        if len(self.foot) == 1:
            return self
        return replace(self, profile=tuple(
            (z, r + min(size, r) ** 2 / (16 * r)) for z, r in self.profile))

    def shape(self, occ: Any, scale: float) -> int:
        """Tag of the shape in the CAD kernel."""
        foot = np.array(self.foot) * scale
        side = [np.array([r, z]) * scale for z, r in self.profile]
        ends = [np.array([0.0, z]) * scale for z, _ in (self.profile[-1], self.profile[0])]
        if len(foot) == 1:
            other = ends if self.half else [s * np.array([-1.0, 1.0]) for s in side[::-1]]
            return _polygon(occ, [np.array([foot[0], 0.0]) + c for c in side + other])
        if len(self.profile) == 2 and self.profile[0][1] == self.profile[1][1]:
            low, high = side[0][1], side[-1][1]
            return int(occ.addCylinder(*foot, low, 0, 0, high - low, side[0][0]))
        half = _polygon(occ, [np.array([foot[0] + c[0], foot[1], c[1]]) for c in side + ends])
        turned = occ.revolve([(2, half)], *foot, 0, 0, 0, 1, 2 * math.pi)
        return int(next(tag for dim, tag in turned if dim == 3))


@dataclass(frozen=True)
class Prism:
    """A polygon in the plane of x and the thickness, in 3D drawn out along y.

    Attributes:
        corners: (x, height) in order.
        breadth: from and to along y, 3D only.
    """

    corners: tuple[tuple[float, float], ...]
    breadth: tuple[float, float] | None = None

    def grown(self, by: float) -> Prism:
        """Copy with every side moved outwards (convex polygons), along y too."""
        c = np.array(self.corners)
        edge = np.roll(c, -1, axis=0) - c
        edge /= np.linalg.norm(edge, axis=1, keepdims=True)
        turn = np.sign(np.sum(edge[:, 0] * np.roll(edge, -1, axis=0)[:, 1]
                              - edge[:, 1] * np.roll(edge, -1, axis=0)[:, 0]))
        out = turn * np.column_stack([edge[:, 1], -edge[:, 0]])
        before = np.roll(out, 1, axis=0)
        moved = c + by * (out + before) / (1 + np.sum(out * before, axis=1, keepdims=True))
        wide = self.breadth and (self.breadth[0] - by, self.breadth[1] + by)
        return Prism(tuple((float(x), float(z)) for x, z in moved), wide)

    def moved(self, by: Floats) -> Prism:
        """Copy moved elsewhere."""
        corners = tuple((x + float(by[0]), z + float(by[-1])) for x, z in self.corners)
        return Prism(corners, self.breadth and (self.breadth[0] + float(by[1]),
                                                self.breadth[1] + float(by[1])))

    def axis(self) -> tuple[Point, Point]:
        """The centre twice."""
        low, high = self.bounds()
        return _point((low + high) / 2), _point((low + high) / 2)

    @property
    def radius(self) -> float:
        """Half of the shortest side of the box around it."""
        low, high = self.bounds()
        return float((high - low).min()) / 2

    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest corner."""
        c = np.array(self.corners)
        low, high = c.min(axis=0), c.max(axis=0)
        if self.breadth:
            low, high = np.insert(low, 1, self.breadth[0]), np.insert(high, 1, self.breadth[1])
        return low, high

    def distance(self, points: Floats) -> Floats:
        """Distance of points (..., dimension) to the surface, negative inside."""
        flat = points[..., [0, -1]]
        c = np.array(self.corners)
        square = np.full(flat.shape[:-1], np.inf)
        inside = np.zeros(flat.shape[:-1], dtype=bool)
        for a, b in zip(c, np.roll(c, -1, axis=0), strict=True):
            along = np.clip((flat - a) @ (b - a) / float((b - a) @ (b - a)), 0.0, 1.0)
            square = np.minimum(square, np.sum((flat - a - along[..., None] * (b - a)) ** 2, -1))
            if a[1] != b[1]:
                between = (a[1] > flat[..., 1]) != (b[1] > flat[..., 1])
                x = a[0] + (flat[..., 1] - a[1]) * (b[0] - a[0]) / (b[1] - a[1])
                inside ^= between & (flat[..., 0] < x)
        signed = np.where(inside, -1.0, 1.0) * np.sqrt(square)
        if self.breadth is None:
            return signed
        low, high = self.breadth
        return _corner(signed, np.abs(points[..., 1] - (low + high) / 2) - (high - low) / 2)

    def swollen(self, size: float) -> Prism:
        """Flat faces need nothing."""
        return self

    def shape(self, occ: Any, scale: float) -> int:
        """Tag of the shape in the CAD kernel."""
        if self.breadth is None:
            return _polygon(occ, [np.array(c) * scale for c in self.corners])
        low, high = self.breadth[0] * scale, self.breadth[1] * scale
        face = _polygon(occ, [np.array([x * scale, low, z * scale]) for x, z in self.corners])
        drawn = occ.extrude([(2, face)], 0, high - low, 0)
        return int(next(tag for dim, tag in drawn if dim == 3))


@dataclass(frozen=True)
class Wire:
    """A round wire along a smooth curve through points, 3D.

    Attributes:
        points: that the middle line goes through; the ends are cut square.
        radius: of the wire.
    """

    points: tuple[Point, ...]
    radius: float

    def grown(self, by: float) -> Wire:
        """Copy, thicker by this."""
        return replace(self, radius=self.radius + by)

    def moved(self, by: Floats) -> Wire:
        """Copy moved elsewhere."""
        return replace(self, points=tuple(_add(p, by) for p in self.points))

    def axis(self) -> tuple[Point, Point]:
        """Ends of the middle line."""
        return self.points[0], self.points[-1]

    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest corner."""
        p = np.array(self.points)
        return p.min(axis=0) - self.radius, p.max(axis=0) + self.radius

    def distance(self, points: Floats) -> Floats:
        """Distance of points (..., 3) to the surface, negative inside, by chords of the curve."""
        square = np.full(points.shape[:-1], np.inf)
        p = np.array(self.points)
        for a, b in itertools.pairwise(p):
            along = np.clip((points - a) @ (b - a) / float((b - a) @ (b - a)), 0.0, 1.0)
            square = np.minimum(square, np.sum((points - a - along[..., None] * (b - a)) ** 2, -1))
        out: Floats = np.sqrt(square) - self.radius
        return out

    def swollen(self, size: float) -> Wire:
        """Copy whose radius gives the flat-faced mesh of this cell size the true volume."""
        return replace(self, radius=self.radius + min(size, self.radius) ** 2 / (16 * self.radius))

    def shape(self, occ: Any, scale: float) -> int:
        """Tag of the shape in the CAD kernel."""
        p = np.array(self.points) * scale
        curve = occ.addSpline([occ.addPoint(*x) for x in p])
        line = occ.addWire([curve])
        way = p[1] - p[0]
        disc = occ.addDisk(*p[0], self.radius * scale, self.radius * scale, zAxis=way.tolist())
        drawn = occ.addPipe([(2, disc)], line, "DiscreteTrihedron")
        return int(next(tag for dim, tag in drawn if dim == 3))


Primitive = Ball | Rod | Bore | Prism | Wire


def _across(way: Floats) -> Floats:
    """Direction of the seam of the kernel's cylinders (its gp_Ax2)."""
    least = min((1, 0, 2), key=lambda k: abs(way[k]))
    mid, high = sorted({0, 1, 2} - {least}, key=lambda k: abs(way[k]))
    out = np.zeros(3)
    out[mid], out[high] = way[high], -way[mid]
    out /= np.linalg.norm(out)
    return out


def _polygon(occ: Any, corners: list[Floats]) -> int:
    points = [occ.addPoint(*c, *[0.0] * (3 - len(c))) for c in corners]
    lines = [occ.addLine(points[i - 1], points[i]) for i in range(len(points))]
    return int(occ.addPlaneSurface([occ.addCurveLoop(lines)]))


def _corner(u: Floats, v: Floats) -> Floats:
    """Signed distance to the meeting of two half spaces at right angles."""
    outside = np.hypot(np.maximum(u, 0.0), np.maximum(v, 0.0))
    out: Floats = np.minimum(np.maximum(u, v), 0.0) + outside
    return out


def _point(values: Floats) -> Point:
    return tuple(float(v) for v in values)


def _add(point: Point, by: Floats) -> Point:
    return _point(np.array(point) + by)
