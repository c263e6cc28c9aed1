"""Family `pore_array`: upright pores in a solid block, their radius as a function of depth.

2D is a block with slits, or one round pore on the axis. In 3D pores are round; on a square or
hexagonal lattice, or at random places. With straight pores it is carbonised wood or a track-etched
film, with tapered ones a gradient of pores.
"""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
from pydantic import Field

from fem.base.errors import CaseError
from fem.values.units import shown_length
from geometries.builders.layered import build
from geometries.builders.layers import Cell, Fraction, Layer, Site
from geometries.meshing.carving import INNER, MIN_GAP_SHARE, Crowd, Part
from geometries.meshing.parameters import Graded, Length, Skin, at_depth
from geometries.meshing.primitives import Bore, Point

MAX_DRAWS = 20_000


class PoreLayer(Layer):
    """One block, region `host_<name>`, with pores `electrolyte_<name>`.

    Attributes:
        name: of the layer.
        thickness: of the block.
        diameter: of the pores (2D: width of the slits); several values: linear in between, from
            the separator side downwards.
        arrangement: square, hexagonal (3D) or random (3D). In 2D slits stand at equal distances.
        pitch: distance of the pores' axes on a lattice. The width is a multiple of it, hexagonal
            the breadth a multiple of sqrt(3) pitches; axisymmetric the width is half of it.
        porosity: random only, up to about 0.35 for straight pores.
        floor: thickness of solid that closes the pores at the bottom; default they go through.
        skin: a film on the pores' walls.
    """

    full = True
    porosity_asked = "porosity"
    diameter: Graded
    arrangement: Literal["square", "hexagonal", "random"] = "square"
    pitch: Length | None = None
    porosity: Fraction | None = None
    floor: Length | None = None
    skin: Skin | None = None

    def _faults(self) -> list[str]:
        wrong = []
        widest = max(self.diameter)
        if self.arrangement == "random":
            wrong += ["porosity: missing; random pores need it"] if self.porosity is None else []
            wrong += ["pitch: has no meaning for random pores"] if self.pitch else []
        else:
            wrong += ["pitch: missing; a lattice needs it"] if self.pitch is None else []
            wrong += ["porosity: only for random pores; a lattice has it from diameter and pitch"
                      ] if self.porosity is not None else []
            if self.pitch and self.pitch < (1 + MIN_GAP_SHARE) * widest:
                wrong.append(f"pitch: {shown_length(self.pitch)} leaves no wall; at least "
                             f"{shown_length((1 + MIN_GAP_SHARE) * widest)}")
        if self.floor and self.floor > 0.9 * self.thickness:
            wrong.append("floor: at most 0.9 of the thickness")
        if self.skin and 2 * max(self.skin.thickness) > 0.8 * min(self.diameter):
            wrong.append("skin.thickness: at most 0.4 of the smallest diameter, "
                         f"{shown_length(0.4 * min(self.diameter))}")
        return wrong

    @property
    def bottom(self) -> tuple[str, ...]:
        """The block, and the pores where they go through."""
        return (self.filler,) if self.floor else (self.filler, f"electrolyte_{self.name}")

    def scale(self) -> float:
        """Largest diameter."""
        return max(self.diameter)

    def wall(self, dimension: int) -> float:
        """A tenth of the smallest diameter, in 3D a third."""
        return min(self.diameter) / (10 if dimension == 2 else 3)

    def misfits(self, cell: Cell) -> list[str]:
        """Width against pitch and dimension."""
        if self.arrangement != "square" and cell.dimension == 2:
            return [f"arrangement: {self.arrangement} pores need dimension = 3"]
        if self.pitch is None:
            return []
        if cell.axisymmetric:
            fits = abs(cell.width / self.pitch - 0.5) < 1e-6
            return [] if fits else [f"pitch: {shown_length(self.pitch)}; an axisymmetric cell is "
                                    f"half a pitch wide, {shown_length(self.pitch / 2)}"]
        units = [self.pitch] * (cell.dimension - 1)
        if self.arrangement == "hexagonal":
            units[1] *= math.sqrt(3)
        return cell.off_pitch(units, 1e-3)  # sqrt(3) pitches are written with some digits

    @classmethod
    def fill(cls, run: list[tuple[Self, Site]]) -> list[Part]:
        """The pores of each block."""
        return [part for layer, site in run for part in layer._pores(site)]

    def _pores(self, site: Site) -> list[Part]:
        low = site.low + (self.floor or 0.0)
        n = len(self.diameter)
        # Heights of the profile: those of the diameters, from the bottom, cut at the floor.
        levels = np.unique(np.clip(np.linspace(site.low, site.high, n), low, None))
        levels = np.unique([low, *levels, site.high]) if n > 1 else np.array([low, site.high])
        wall = site.cell.wall(self)
        free = self._random(site) if self.arrangement == "random" else None
        feet = free if free is not None else self._lattice(site.cell)
        parts = []
        for foot in feet:
            body = next(site.bodies) if free is not None else None

            def bore(skin: bool, foot: Point = foot) -> Bore:
                def radius(z: float) -> float:
                    share = site.depth(z)
                    film = at_depth(self.skin.thickness, share) if self.skin and skin else 0.0
                    return at_depth(self.diameter, share) / 2 - film

                profile = tuple((float(z), radius(z)) for z in levels)
                return Bore(foot, profile, site.cell.axisymmetric)

            span = (site.low, site.high)
            size = wall
            if self.skin:
                film = min(self.skin.thickness)
                size = min(size, 0.5 * film if site.cell.dimension == 2 else film)
                parts.append(Part(self.skin.region, bore(False), size, INNER - 1, body, span))
            parts.append(Part(f"electrolyte_{self.name}", bore(True), size, INNER, body, span))
        return parts

    def _lattice(self, cell: Cell) -> list[Point]:
        assert self.pitch is not None
        if cell.axisymmetric:
            return [(0.0,)]
        if self.arrangement == "hexagonal":
            # Sides run through axes, so that they are planes of symmetry.
            row = self.pitch * math.sqrt(3) / 2
            nx, ny = round(cell.across[0] / self.pitch), round(cell.across[1] / row)
            return [((i + 0.5 * (j % 2)) * self.pitch, j * row)
                    for j in range(ny + 1) for i in range(nx + 1 - j % 2)]
        axes = [(np.arange(round(v / self.pitch)) + 0.5) * self.pitch for v in cell.across]
        return [tuple(float(x) for x in foot)
                for foot in np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, len(axes))]

    def _random(self, site: Site) -> list[Point]:
        """Axes that clearly miss one another and the sides, until the porosity is reached.

        Raises:
            CaseError: no room for all pores; names the reachable porosity.
        """
        assert self.porosity is not None
        across = np.array(site.cell.across)
        crowd = Crowd(np.array([*across, 1.0]), -1.0, 2.0, cut=False)
        z = np.linspace(site.low + (self.floor or 0.0), site.high, 2001)
        radii = np.array([at_depth(self.diameter, site.depth(v)) / 2 for v in z])
        film = [at_depth(self.skin.thickness, site.depth(v)) if self.skin else 0.0 for v in z]
        one = float(np.trapezoid(math.pi * (radii - film) ** 2, z)) / (
            (site.high - site.low) * float(np.prod(across)))
        count = round(self.porosity / one)
        feet: list[Point] = []
        for _ in range(MAX_DRAWS):
            if len(feet) == count:
                break
            place = np.append(across * site.rng.random(2), 0.5)
            merged = crowd.judge((place, place), float(radii.max()))
            if merged is not None and not len(merged):
                crowd.add((place, place), float(radii.max()))
                feet.append((float(place[0]), float(place[1])))
        if abs(len(feet) * one - self.porosity) > 0.01:
            way = ("a wider cell makes it possible" if len(feet) == count else
                   "no room for more pores; take a lower porosity")
            raise CaseError(f"layers.{self.name}.porosity: {self.porosity:g} cannot be delivered "
                            f"within 0.01; reachable here {len(feet) * one:.3f}; {way}")
        return feet


class PoreArray(Cell):
    """Parameters of blocks with upright pores, from the collector upwards.

    Attributes:
        axis: 2D: the cell is turned about x = 0, where the axis of the one round pore lies.
    """

    layers: tuple[PoreLayer, ...] = Field(min_length=1, max_length=20)
    axis: bool = False

    def _faults(self) -> list[str]:
        axis = ["axis: only with dimension = 2"] if self.axis and self.dimension == 3 else []
        return super()._faults() or axis

    @property
    def axisymmetric(self) -> bool:
        """True if x is the radius."""
        return self.axis


__all__ = ["PoreArray", "PoreLayer", "build"]
