"""Family `grid`: regular grids of round wires, printed crosswise or woven.

In 3D, printed wires lie in levels that cross at right angles and sink a little into one another;
woven ones go over and under. A 2D cut between two wires shows those of the other direction as
discs; upright bars stand for the wires that join them outside of the cut.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field

from fem.values.units import shown_length
from geometries.builders.layered import build
from geometries.builders.layers import Cell, Layer, Site
from geometries.meshing.carving import BAR, HOST, SKIN, Part
from geometries.meshing.parameters import Length, Skin, at_depth
from geometries.meshing.primitives import Ball, Rod, Wire


class GridLayer(Layer):
    """One grid, region `host_<name>`.

    Attributes:
        name: pores are `electrolyte_<name>`.
        thickness: of the layer; printed: filled with as many levels as go in; woven: at least
            what the weave needs, which stands on the ground.
        wire: diameter.
        pitch: distance of neighbouring wires, at least 1.5 (woven 2.5) diameters; the width is a
            multiple of it, woven of twice it.
        weave: printed or woven.
        overlap: of crossing wires, share of the diameter, 0.12 to 0.4.
        bar: 2D: width of the joining bars over the wire's diameter, 0.1 to 0.6.
        skin: a film around the wires.
    """

    wire: Length
    pitch: Length
    weave: Literal["printed", "woven"] = "printed"
    overlap: Annotated[float, Field(ge=0.12, le=0.4)] = 0.2
    bar: Annotated[float, Field(ge=0.1, le=0.6)] = 0.3
    skin: Skin | None = None

    def _faults(self) -> list[str]:
        wrong = []
        film = max(self.skin.thickness) if self.skin else 0.0
        least = (2.5 if self.weave == "woven" else 1.5) * self.wire + 2 * film
        if self.pitch < least:
            wrong.append(f"pitch: {shown_length(self.pitch)} is too narrow for this wire; at "
                         f"least {shown_length(least)}")
        need = self.height() + 0.2 * self.wire + film
        if self.thickness < need:
            wrong.append(f"thickness: {shown_length(self.thickness)}; at least "
                         f"{shown_length(need)}")
        if self.skin and film > 0.25 * self.wire:
            wrong.append("skin.thickness: at most a quarter of the wire's diameter")
        return wrong

    def height(self) -> float:
        """Height of one level (m), woven: of the weave."""
        sunk = 0.8 * self.wire
        return sunk if self.weave == "printed" else sunk + (1 - self.overlap) * self.wire

    def levels(self) -> list[float]:
        """Heights (m) of the wires' axes above the ground."""
        step = (1 - self.overlap) * self.wire
        if self.weave == "woven":
            return [0.3 * self.wire, 0.3 * self.wire + step]
        film = max(self.skin.thickness) if self.skin else 0.0
        room = self.thickness - 0.8 * self.wire - 0.2 * self.wire - film
        return [0.3 * self.wire + k * step for k in range(math.floor(room / step + 1e-9) + 1)]

    def scale(self) -> float:
        """Diameter of the wires."""
        return self.wire

    def misfits(self, cell: Cell) -> list[str]:
        """Width against pitch."""
        unit = self.pitch * (2 if self.weave == "woven" else 1)
        return cell.off_pitch([unit] * len(cell.across), 1e-6)

    @classmethod
    def fill(cls, run: list[tuple[Self, Site]]) -> list[Part]:
        """The wires of each grid."""
        return [part for layer, site in run
                for part in (layer._cut(site) if site.cell.dimension == 2 else layer._wires(site))]

    def _part(
        self, site: Site, shape: Ball | Rod | Wire, height: float, priority: int
    ) -> list[Part]:
        span = (site.low, site.high)
        size = min(site.cell.wall(self), shape.radius)
        if not self.skin:
            return [Part(f"host_{self.name}", shape, size, priority, None, span)]
        film = at_depth(self.skin.thickness, site.depth(height))
        size = min(size, film / 2 if site.cell.dimension == 2 else film)
        return [Part(f"host_{self.name}", shape, size, priority, None, span),
                Part(self.skin.region, shape.grown(film), size, SKIN, None, span)]

    def _cut(self, site: Site) -> list[Part]:
        parts = []
        levels = [site.low + z for z in self.levels()]
        for i in range(round(site.cell.width / self.pitch)):
            x = (i + 0.5) * self.pitch
            # Woven wires of the cut are up and down in turn; printed ones lie in every other level.
            mine = levels[::2] if self.weave == "printed" else [levels[i % 2]]
            for z in mine:
                parts += self._part(site, Ball((x, z), self.wire / 2), z, HOST)
            bar = Rod((x, site.low - self.wire), (x, mine[-1]), self.bar * self.wire / 2)
            parts += self._part(site, bar, (site.low + mine[-1]) / 2, BAR)
        return parts

    def _wires(self, site: Site) -> list[Part]:
        r = self.wire / 2
        width, breadth = site.cell.across
        parts = []
        levels = [site.low + z for z in self.levels()]
        counts = round(width / self.pitch), round(breadth / self.pitch)
        if self.weave == "woven":
            middle, swing = sum(levels) / 2, (levels[1] - levels[0]) / 2
            for axis, length in ((0, width), (1, breadth)):
                along = np.arange(-2, 4 * round(length / self.pitch) + 3) * self.pitch / 4
                wave = swing * np.sin(np.pi * along / self.pitch)
                for i in range(counts[1 - axis]):
                    across = np.full_like(along, (i + 0.5) * self.pitch)
                    z = middle + (-1) ** (i + axis) * wave
                    lines = (along, across, z) if axis == 0 else (across, along, z)
                    points = tuple(tuple(map(float, p)) for p in zip(*lines, strict=True))
                    parts += self._part(site, Wire(points, r), middle, HOST)
            return parts
        for k, z in enumerate(levels):
            for i in range(counts[k % 2]):
                at = (i + 0.5) * self.pitch
                ends = (((at, -self.wire, z), (at, breadth + self.wire, z)) if k % 2 == 0 else
                        ((-self.wire, at, z), (width + self.wire, at, z)))
                parts += self._part(site, Rod(*ends, r), z, HOST)
        return parts


class Grid(Cell):
    """Parameters of grids of wires, from the collector upwards."""

    layers: tuple[GridLayer, ...] = Field(min_length=1, max_length=20)


__all__ = ["Grid", "GridLayer", "build"]
