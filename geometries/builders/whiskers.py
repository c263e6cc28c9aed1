"""Family `whiskers`: thin rods (2D: bars) that stand on the collector; and whiskers on other hosts.

They are placed at random, clear of one another and of other walls.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from geometries.builders.layered import Cell, Layer, Site, build
from geometries.meshing.carving import BAR, HOST, Crowd, Part
from geometries.meshing.mesh import Floats
from geometries.meshing.parameters import Length, Whiskers, at_depth
from geometries.meshing.primitives import Ball, Rod

TRIES = 20  # for each whisker, then there is no room for it


class WhiskerLayer(Layer):
    """One layer of whiskers, region `host_<name>`, that stand on its bottom.

    Attributes:
        name: what is between them is `electrolyte_<name>`.
        thickness: above 1.1 lengths.
        length: of the whiskers.
        diameter: at most a third of the length.
        spacing: mean distance of neighbours, at least 2 diameters.
        tilt: largest angle from upright in degrees, 0 to 45.
    """

    length: Length
    diameter: Length
    spacing: Length
    tilt: Annotated[float, Field(ge=0.0, le=45.0)] = 20.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = []
        if self.thickness < 1.1 * self.length:
            wrong.append(f"thickness: at least 1.1 lengths, {1.1 * self.length:g} m")
        if self.diameter > self.length / 3:
            wrong.append(f"diameter: at most a third of the length, {self.length / 3:g} m")
        if self.spacing < 2 * self.diameter:
            wrong.append(f"spacing: at least two diameters, {2 * self.diameter:g} m")
        if wrong:
            raise ValueError("\n  ".join(wrong))
        return self

    def scale(self) -> float:
        """Spacing."""
        return self.spacing

    def wall(self, dimension: int) -> float:
        """A quarter of the diameter, in 3D half of it."""
        return self.diameter / (4 if dimension == 2 else 2)

    def misfits(self, cell: Cell) -> list[str]:
        """Width against spacing."""
        if min(cell.across) < 2 * self.spacing:
            return [f"spacing: at most half of the cell's width, {min(cell.across) / 2:g} m"]
        return []

    @classmethod
    def fill(cls, run: list[tuple[Self, Site]]) -> list[Part]:
        """Whiskers of each layer."""
        return [part for layer, site in run for part in layer._standing(site)]

    def _standing(self, site: Site) -> list[Part]:
        n, r = site.cell.dimension, self.diameter / 2
        crowd = site.crowd(cut=False)
        count = round(math.prod(site.cell.across) / self.spacing ** (n - 1))
        up = np.zeros(n)
        up[-1] = 1.0
        parts = []
        for _ in range(count):
            for _ in range(TRIES):
                foot = np.append(np.array(site.cell.across) * site.rng.random(n - 1), site.low)
                way = _leaning(up, math.radians(self.tilt), site.rng)
                axis = foot - 2 * r * way, foot + self.length * way
                found = crowd.judge(axis, r)
                if found is not None and not len(found):
                    crowd.add(axis, r)
                    rod = Rod(tuple(map(float, axis[0])), tuple(map(float, axis[1])), r)
                    parts.append(Part(f"host_{self.name}", rod, site.cell.wall(self), HOST,
                                      next(site.bodies), (site.low, site.high)))
                    break
        return parts


def grown_on(spec: Whiskers, site: Site, parts: list[Part], wall: float) -> list[Part]:
    """Whiskers on the balls and rods of a layer.

    Args:
        spec: of the whiskers.
        site: of the layer.
        parts: of all layers so far; those that lie in this layer carry whiskers.
        wall: cell size on the layer's walls, m.
    """
    n, r = site.cell.dimension, spec.diameter / 2
    hosts = [p for p in parts if p.priority in (HOST, BAR)]
    crowd = Crowd(np.array([*site.cell.across, site.high]), site.low, site.high, cut=False)
    for p in hosts:
        crowd.add(p.shape.axis(), p.shape.radius)
    size = min(wall, spec.diameter / (4 if n == 2 else 2))
    grown = []
    for i, p in enumerate(hosts):
        shape = p.shape
        if p.priority != HOST or not isinstance(shape, Ball | Rod):
            continue
        start, end = (np.array(e) for e in shape.axis())
        length = float(np.linalg.norm(end - start))
        middle = float((start + end)[-1]) / 2
        if not site.low < middle < site.high:
            continue
        gap = at_depth(spec.spacing, site.depth(middle))
        area = {2: 2 * math.pi * shape.radius, 3: 4 * math.pi * shape.radius**2}[n]
        if length:  # of a rod, what lies in the cell
            along = start + np.linspace(0, 1, 101)[:, None] * (end - start)
            inside = np.all((along[:, :-1] > 0) & (along[:, :-1] < site.cell.across), axis=1)
            area = 2 * math.pi * shape.radius * length * float(inside.mean())
        others = crowd.without(i)
        for _ in range(math.floor(area / gap ** (n - 1) + site.rng.random())):
            for _ in range(TRIES):
                base = start + site.rng.random() * (end - start)
                way = site.rng.normal(size=n)
                if length:
                    way -= (way @ (end - start)) / length**2 * (end - start)
                way /= np.linalg.norm(way)
                foot = base + shape.radius * way
                tip = foot + spec.length * way
                if np.any(foot[:-1] < 0) or np.any(foot[:-1] > site.cell.across):
                    continue
                found = others.judge((foot, tip), r)
                if found is None or len(found):
                    continue
                others.add((foot, tip), r)
                crowd.add((foot, tip), r)
                root = base + 0.7 * shape.radius * way
                rod = Rod(tuple(map(float, root)), tuple(map(float, tip)), r)
                grown.append(Part(spec.region, rod, size, BAR, p.body, p.span, spare=True))
                break
    return grown


def _leaning(up: Floats, most: float, rng: np.random.Generator) -> Floats:
    """A unit vector at a random angle up to `most` (rad) from another."""
    side = rng.normal(size=len(up))
    side -= (side @ up) * up
    side /= np.linalg.norm(side)
    angle = most * rng.random()
    out: Floats = math.cos(angle) * up + math.sin(angle) * side
    return out


class WhiskerBed(Cell):
    """Parameters of whiskers on the collector."""

    layers: tuple[WhiskerLayer, ...] = Field(min_length=1, max_length=20)


__all__ = ["WhiskerBed", "WhiskerLayer", "build", "grown_on"]
