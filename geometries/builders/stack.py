"""Family `stack`: any layers on top of one another, with gap and separator, in a few lines.

Each layer names its family: `fibre_mat`, `particle_bed`, `pore_array`, `grid` and `whiskers` with
their parameters of one layer, or `slab`, a full film. Fibres and particles stand on a full layer or
the collector below; particles also on the fibres or particles of the layer below. What stands on
nothing solid floats, and the sidecar lists it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from geometries.builders.fibres import MatLayer
from geometries.builders.grid import GridLayer
from geometries.builders.layered import build
from geometries.builders.layers import Cell, Layer, Site
from geometries.builders.particle_bed import ParticleLayer
from geometries.builders.pore_array import PoreLayer
from geometries.builders.whiskers import WhiskerLayer
from geometries.meshing.carving import Part
from geometries.meshing.parameters import Length, Name


class SlabLayer(Layer):
    """A full film.

    Attributes:
        name: of the layer.
        thickness: of the layer.
        region: of the film; default `host_<name>`, a porous film may be `electrolyte_<name>` or
            `separator_<name>`.
        size: cell size at its faces; default a third of the thickness (2D: a fifth).
    """

    family: Literal["slab"]
    region: Name | None = None
    size: Length | None = None

    @property
    def full(self) -> bool:  # type: ignore[override]
        """True if the layer is solid."""
        return not self.filler.startswith(("electrolyte", "separator"))

    @property
    def filler(self) -> str:
        """Region of the film."""
        return self.region or f"host_{self.name}"

    def wall(self, dimension: int) -> float:
        """Cell size at its faces in m."""
        return self.size or self.thickness / (5 if dimension == 2 else 3)

    @property
    def regions(self) -> tuple[str, ...]:
        """The film's."""
        return (self.filler,)

    @classmethod
    def fill(cls, run: list[tuple[Self, Site]]) -> list[Part]:
        """Add nothing: the film is its slab."""
        return []


class StackedFibres(MatLayer):
    """Fibres, as a layer of `fibre_mat`."""

    family: Literal["fibre_mat"]


class StackedParticles(ParticleLayer):
    """Particles, as a layer of `particle_bed`."""

    family: Literal["particle_bed"]


class StackedPores(PoreLayer):
    """A block with pores, as a layer of `pore_array`."""

    family: Literal["pore_array"]


class StackedGrid(GridLayer):
    """A grid of wires, as a layer of `grid`."""

    family: Literal["grid"]


class StackedWhiskers(WhiskerLayer):
    """Whiskers that stand on what is below, as a layer of `whiskers`."""

    family: Literal["whiskers"]


AnyLayer = Annotated[
    SlabLayer | StackedFibres | StackedParticles | StackedPores | StackedGrid | StackedWhiskers,
    Field(discriminator="family"),
]


class Stack(Cell):
    """Parameters of a stack.

    Attributes:
        layers: from the collector upwards, each with its `family`.
        contacts: 2D fibres: "none" leaves them as discs that touch nothing in the cut, "tree" joins
            them by bars to what they stand on; see `fibre_mat`.
    """

    layers: tuple[AnyLayer, ...] = Field(min_length=1, max_length=20)
    contacts: Literal["tree", "none"] = "none"


__all__ = ["Stack", "build"]
