"""Family `particle_bed`: spheres (2D: discs), separate or sintered, plain or core in shell.

Sintered beds grow from the ground: a particle is drawn at random, falls on its nearest neighbour
(or the ground) and sinks into it by a share of the sum of radii, so every particle conducts to
the ground. In 2D it touches one neighbour only: loops would close pores in. Separate particles are
added at random and float.

To meet the porosity all diameters of a layer are scaled by up to 4 %.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field

from fem.values.units import shown_length
from geometries.builders.layered import build, fitted
from geometries.builders.layers import Cell, Fraction, Layer, Site
from geometries.meshing.carving import (
    CORE,
    HOST,
    INNER,
    MIN_GAP_SHARE,
    SKIN,
    Crowd,
    Part,
    Sample,
    nearest,
)
from geometries.meshing.mesh import Floats
from geometries.meshing.parameters import Graded, Parameters, Skin, Whiskers, at_depth, below
from geometries.meshing.primitives import Ball, Point, Rod

#: Porosity below which no 3D bed was drawn, by contact.
MIN_POROSITY_3D = {"sintered": 0.35, "separate": 0.7}
#: Least porosities that were reached, in words.
REACHED_3D = {"sintered": "0.40 to 0.61 by overlap and spread", "separate": "0.78"}
#: Draws in a row without success, after which the bed is full.
MAX_DRAWS = 20_000


class Core(Parameters):
    """The inside of a particle: a core, with a gap around it that makes a yolk in a shell.

    Attributes:
        diameter: of the core over the particle's, 0.2 to 0.9; region `host_<layer>_core`.
        gap: outer diameter of the gap over the particle's, above `diameter` to 0.9; region
            `electrolyte_<layer>_yolk`. Without it the shell lies on the core.
        neck: a bar from core to shell, of this width over the core's diameter, 0.1 to 0.6;
            without it the core of a yolk floats.
        mouth: width of a hole through the shell over the core's diameter, 0.1 to 0.6; without it
            ions reach the gap only through the shell.
    """

    diameter: Annotated[float, Field(ge=0.2, le=0.9)]
    gap: Annotated[float, Field(gt=0.2, le=0.9)] | None = None
    neck: Annotated[float, Field(ge=0.1, le=0.6)] | None = None
    mouth: Annotated[float, Field(ge=0.1, le=0.6)] | None = None

    def _faults(self) -> list[str]:
        wrong = []
        if self.gap is None:
            wrong += [f"{n}: only with a gap" for n in ("neck", "mouth") if getattr(self, n)]
        elif self.gap < self.diameter + 0.05:
            wrong.append(f"gap: at least 0.05 above the core's diameter, {self.diameter + 0.05:g}")
        return wrong


class ParticleLayer(Layer):
    """One layer of particles, region `host_<name>` (the shell, with a core).

    Attributes:
        name: pores are `electrolyte_<name>`.
        thickness: above 1.5 diameters.
        porosity: of the layer, gaps inside particles included; reachable with equal particles:
            separate from 0.64 (3D 0.78), sintered from 0.48 (3D 0.60; 0.62 with the least
            overlap).
        diameter: mean; may be graded with depth.
        spread: standard deviation of ln(diameter), 0 to 0.3.
        contact: sintered or separate.
        overlap: of sintered neighbours, share of the sum of radii, 0.12 to 0.3.
        core: of core-shell and yolk-shell particles.
        skin: a film around the particles.
        whiskers: thin rods on the particles.
    """

    porosity_asked = "porosity"
    porosity: Fraction
    diameter: Graded
    spread: Annotated[float, Field(ge=0.0, le=0.3)] = 0.0
    contact: Literal["sintered", "separate"] = "sintered"
    overlap: Annotated[float, Field(ge=0.12, le=0.3)] = 0.15
    core: Core | None = None
    skin: Skin | None = None
    whiskers: Whiskers | None = None

    def _faults(self) -> list[str]:
        wrong = []
        if self.thickness < 1.5 * max(self.diameter):
            wrong.append(f"thickness: {shown_length(self.thickness)} holds no particle of "
                         f"{shown_length(max(self.diameter))}; at least 1.5 diameters")
        if self.core and self.contact == "sintered":
            most = (1 - 2 * self.overlap) / (1 + MIN_GAP_SHARE) - MIN_GAP_SHARE
            inside = self.core.gap or self.core.diameter
            if inside > most:
                wrong.append(f"core: neighbours sink into the shell; at most {most:.2f} of the "
                             "diameter with this overlap, or contact = \"separate\"")
            if self.spread or len(set(self.diameter)) > 1:
                wrong.append("core: sintered shells need equal diameters; take spread = 0")
        if self.skin and self.whiskers:
            wrong.append("whiskers: cannot be combined with a skin")
        if self.skin and max(self.skin.thickness) > 0.25 * min(self.diameter):
            wrong.append("skin.thickness: at most a quarter of the diameter, "
                         f"{shown_length(0.25 * min(self.diameter))}")
        return wrong

    def scale(self) -> float:
        """Largest diameter."""
        return max(self.diameter)

    def wall(self, dimension: int) -> float:
        """A tenth of the smallest diameter, in 3D a quarter."""
        return min(self.diameter) / (10 if dimension == 2 else 4)

    def misfits(self, cell: Cell) -> list[str]:
        """Width against diameter, and porosities that 3D cannot have."""
        wrong = []
        if min(cell.across) < 2 * max(self.diameter):
            wrong = ["diameter: at most half of the cell's width, "
                     f"{shown_length(min(cell.across) / 2)}"]
        if cell.dimension == 3:
            least, reached = MIN_POROSITY_3D[self.contact], REACHED_3D[self.contact]
            wrong += below(self.porosity, least, f"{self.contact} particles", reached)
        return wrong

    def loose(self, dimension: int, contacts: str) -> tuple[tuple[str, str], ...]:
        """Separate particles."""
        alone = self.contact == "separate"
        return ((f"host_{self.name}", f"electrolyte_{self.name}"),) if alone else ()

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions of the layer."""
        inside = [f"host_{self.name}_core"] if self.core else []
        inside += [f"electrolyte_{self.name}_yolk"] if self.core and self.core.gap else []
        return (*super().regions, *inside)

    @classmethod
    def fill(cls, run: list[tuple[Self, Site]]) -> list[Part]:
        """Particles of each layer; they may stand on those of the layer below."""
        parts: list[Part] = []
        for layer, site in run:
            site.below = site.below + parts
            parts += layer._bed(site)
        return parts

    def _bed(self, site: Site) -> list[Part]:
        dimension = site.cell.dimension
        sintered = self.contact == "sintered"
        crowd = site.crowd(cut=not self.core and (dimension == 3 or not sintered))
        sample = Sample(crowd.box, site.low, site.high, min(self.diameter) / 2)
        target, layer_volume = 1.0 - self.porosity, site.high - site.low
        layer_volume *= math.prod(site.cell.across)
        parts: list[Part] = []
        misses, first = 0, 0  # the first body that particles may fall on
        while misses < MAX_DRAWS:
            missing = (target - sample.share) * layer_volume
            one = self._volume(min(self.diameter) / 2, dimension)
            if missing < 0.5 * one:
                break
            found = self._candidate(site, crowd, sintered, first)
            if found is None:
                misses += 1
                if not parts and misses == MAX_DRAWS // 10:  # nothing below is in reach: it floats
                    first = len(crowd.radii)
                continue
            centre, radius, skin = found
            if self._volume(radius, dimension) > missing + 0.5 * one:
                misses += 1
                continue
            misses = 0
            hollow = radius * ((self.core.gap or self.core.diameter) if self.core else 0.0)
            crowd.add((centre, centre), radius, skin, hollow)
            new = self._particle(site, centre, radius, skin)
            parts += new
            for part in sorted(new, key=lambda p: p.priority):
                sample.add(part)
        one = self._volume(max(self.diameter) / 2, dimension) / layer_volume
        return fitted(parts, self.name, self.porosity, 1 - sample.share, dimension, one)

    def _volume(self, radius: float, dimension: int) -> float:
        ball = math.pi * radius**2 if dimension == 2 else 4 / 3 * math.pi * radius**3
        if self.core and self.core.gap:
            ball *= 1 - self.core.gap**dimension + self.core.diameter**dimension
        return ball

    def _candidate(
        self, site: Site, crowd: Crowd, sintered: bool, first: int
    ) -> tuple[Floats, float, float] | None:
        """A particle that clearly merges with what it falls on and clearly misses all else."""
        rng, n = site.rng, site.cell.dimension
        beyond = 0.5 * max(self.diameter) / 2 if crowd.cut else 0.0
        low = np.array([-beyond] * (n - 1) + [site.low])
        high = np.array([v + beyond for v in site.cell.across] + [site.high])
        centre = low + rng.random(n) * (high - low)
        share = site.depth(centre[-1])
        radius = at_depth(self.diameter, share) / 2 * math.exp(self.spread * rng.normal())
        skin = at_depth(self.skin.thickness, share) if self.skin else 0.0
        hollow = radius * ((self.core.gap or self.core.diameter) if self.core else 0.0)
        if sintered:
            fallen = self._fallen(site, crowd, centre, radius, first)
            if fallen is None:
                return None
            centre = fallen
        on_ground = centre[-1] - site.low < (1 - MIN_GAP_SHARE) * radius
        on_ground &= site.rooted or not sintered
        found = crowd.judge((centre, centre), radius, skin, hollow)
        if found is None or (not sintered and (len(found) or on_ground)):
            return None
        if sintered and n == 2 and len(found) + on_ground > 1:
            return None
        return centre, radius, skin

    def _fallen(
        self, site: Site, crowd: Crowd, centre: Floats, radius: float, first: int
    ) -> Floats | None:
        """The place where a particle rests on its nearest neighbour or the ground."""
        sink = 1 - self.overlap
        ground = centre[-1] - site.low - 0.6 * radius if site.rooted else math.inf
        if first == len(crowd.radii):  # the first of a layer that stands on nothing floats
            if math.isinf(ground):
                return centre
            return np.append(centre[:-1], site.low + 0.6 * radius)
        near = nearest(centre, centre, crowd.starts[first:], crowd.ends[first:])
        free = near.apart - sink * (radius + crowd.radii[first:])
        i = int(free.argmin())
        if free[i] < 0:
            return None
        if ground < free[i]:
            return np.append(centre[:-1], site.low + 0.6 * radius)
        start, end = crowd.starts[first + i], crowd.ends[first + i]
        ray = centre - start - near.there[i] * (end - start)
        out: Floats = centre - free[i] / near.apart[i] * ray
        return out

    def _particle(self, site: Site, centre: Floats, radius: float, skin: float) -> list[Part]:
        """Host, skin, gap, core, neck and mouth of one particle, all one body."""
        n = site.cell.dimension
        wall = site.cell.wall(self)
        body = next(site.bodies)
        at: Point = tuple(float(v) for v in centre)
        span = (site.low if site.rooted or self.contact == "separate" else -math.inf, site.high)

        def part(region: str, shape: Ball | Rod, size: float, priority: int) -> Part:
            return Part(region, shape, size, priority, body, span)

        host = f"host_{self.name}"
        ball = Ball(at, radius)
        wall = min(wall, radius / 2)
        if self.core:  # the inside is finer, and so is what surrounds it
            step = self.core.diameter * radius / 3
            if self.core.gap:
                step = min(step, (0.5 if n == 2 else 1.0) * (self.core.gap - self.core.diameter)
                           * radius)
            inside = (self.core.gap or self.core.diameter) * radius
            wall = min(wall, step + (site.cell.growth - 1) * (radius - inside))
        parts = [part(host, ball, wall, HOST)]
        if self.skin:
            film = min(wall, 0.5 * skin if n == 2 else skin)
            parts[0] = part(host, ball, film, HOST)
            parts.append(part(self.skin.region, ball.grown(skin), film, SKIN))
        if self.core:
            c, core = self.core, f"host_{self.name}_core"
            inner = c.diameter * radius
            fine = min(wall, inner / 3)
            turn = site.rng.normal(size=n)
            turn /= np.linalg.norm(turn)
            if c.gap:
                gap = c.gap * radius
                fine = min(fine, 0.5 * (gap - inner) if n == 2 else gap - inner)
                parts.append(part(f"electrolyte_{self.name}_yolk", Ball(at, gap), fine, INNER))
                for share, region, sign, reach, priority in (
                    (c.neck, core, 1.0, 0.5 * (gap + radius), CORE),
                    (c.mouth, f"electrolyte_{self.name}_yolk", -1.0, radius + skin + 0.1 * radius,
                     INNER),
                ):
                    if share:
                        start, end = (centre + sign * r * turn for r in (0.5 * inner, reach))
                        bar = Rod(tuple(map(float, start)), tuple(map(float, end)), share * inner)
                        parts.append(part(region, bar, min(fine, share * inner / 1.5), priority))
            parts.append(part(core, Ball(at, inner), fine, CORE))
        return parts


class ParticleBed(Cell):
    """Parameters of a bed of particles: layers of them, from the collector upwards."""

    layers: tuple[ParticleLayer, ...] = Field(min_length=1, max_length=20)


__all__ = ["Core", "ParticleBed", "ParticleLayer", "build"]
