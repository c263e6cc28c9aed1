"""Family `whiskers`: thin rods (2D: bars) that stand on the collector; and whiskers on other hosts.

They are placed at random, clear of one another and of other walls.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from fem.values.units import shown_length
from geometries.builders.grown import MAX_TRIES, leaning
from geometries.builders.layered import build
from geometries.builders.layers import Cell, Layer, Site
from geometries.meshing.carving import HOST, Part
from geometries.meshing.parameters import Length
from geometries.meshing.primitives import Rod


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

    def _faults(self) -> list[str]:
        wrong = []
        if self.thickness < 1.1 * self.length:
            wrong.append(f"thickness: at least 1.1 lengths, {shown_length(1.1 * self.length)}")
        if self.diameter > self.length / 3:
            wrong.append("diameter: at most a third of the length, "
                         f"{shown_length(self.length / 3)}")
        if self.spacing < 2 * self.diameter:
            wrong.append(f"spacing: at least two diameters, {shown_length(2 * self.diameter)}")
        return wrong

    def scale(self) -> float:
        """Spacing."""
        return self.spacing

    def wall(self, dimension: int) -> float:
        """A quarter of the diameter, in 3D half of it."""
        return self.diameter / (4 if dimension == 2 else 2)

    def misfits(self, cell: Cell) -> list[str]:
        """Width against spacing."""
        if min(cell.across) < 2 * self.spacing:
            return ["spacing: at most half of the cell's width, "
                    f"{shown_length(min(cell.across) / 2)}"]
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
            for _ in range(MAX_TRIES):
                foot = np.append(np.array(site.cell.across) * site.rng.random(n - 1), site.low)
                way = leaning(up, math.radians(self.tilt), site.rng)
                axis = foot - 2 * r * way, foot + self.length * way
                found = crowd.judge(axis, r)
                if found is not None and not len(found):
                    crowd.add(axis, r)
                    rod = Rod(tuple(map(float, axis[0])), tuple(map(float, axis[1])), r)
                    parts.append(Part(f"host_{self.name}", rod, site.cell.wall(self), HOST,
                                      next(site.bodies), (site.low, site.high)))
                    break
        return parts


class WhiskerBed(Cell):
    """Parameters of whiskers on the collector."""

    layers: tuple[WhiskerLayer, ...] = Field(min_length=1, max_length=20)


__all__ = ["WhiskerBed", "WhiskerLayer", "build"]
