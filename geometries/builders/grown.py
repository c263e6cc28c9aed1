"""Whiskers that stand on what lies below them."""

from __future__ import annotations

import math

import numpy as np

from geometries.builders.layers import Site
from geometries.meshing.carving import BAR, HOST, Crowd, Part
from geometries.meshing.mesh import Floats
from geometries.meshing.parameters import Whiskers, at_depth
from geometries.meshing.primitives import Ball, Rod

#: Tries for each whisker, after which there is no room for it.
MAX_TRIES = 20


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
            for _ in range(MAX_TRIES):
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


def leaning(up: Floats, most: float, rng: np.random.Generator) -> Floats:
    """A unit vector at a random angle up to `most` (rad) from another."""
    side = rng.normal(size=len(up))
    side -= (side @ up) * up
    side /= np.linalg.norm(side)
    angle = most * rng.random()
    out: Floats = math.cos(angle) * up + math.sin(angle) * side
    return out
