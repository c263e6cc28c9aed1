"""Layers and the cells they make up: their parameters, and where each lies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from fem.values.units import shown_length
from geometries.meshing.carving import HOST, Crowd, Part, Room
from geometries.meshing.mesh import cells_needed, too_many
from geometries.meshing.parameters import (
    Growth,
    Later,
    Length,
    Name,
    Names,
    Parameters,
    above,
    cut_breadth,
    same_names,
)
from geometries.meshing.primitives import Ball, Rod

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


@dataclass
class Site:
    """Place of a layer in its cell.

    Attributes:
        cell: the cell's parameters.
        low: bottom of the layer, m.
        high: top of the layer, m.
        rng: random numbers of this layer.
        rooted: true if it stands on a solid (the collector or a full layer).
        below: parts of the layers below.
        bodies: numbers for new bodies.
    """

    cell: Cell
    low: float
    high: float
    rng: np.random.Generator
    rooted: bool
    below: list[Part]
    bodies: Iterator[int]

    def depth(self, height: float) -> float:
        """Share of the layer's depth at a height (m): 0 at its top, 1 at its bottom."""
        return min(1.0, max(0.0, (self.high - height) / (self.high - self.low)))

    def crowd(self, cut: bool, open_top: bool = False) -> Crowd:
        """A crowd of the balls and rods of the layers below."""
        crowd = Crowd(np.array([*self.cell.across, self.high]), self.low, self.high, cut, open_top)
        for p in self.below:
            if p.priority == HOST and isinstance(p.shape, Ball | Rod):
                crowd.add(p.shape.axis(), p.shape.radius)
        return crowd


class Layer(Parameters):
    """A layer of a cell.

    Attributes:
        name: of the layer, part of its regions' names.
        thickness: of the layer.
        size_wall: cell size on its walls where the cell gives none for all layers; default a tenth
            (3D: a third) of a diameter.
    """

    full: ClassVar[bool] = False  # whether it is solid where no part is
    porosity_asked: ClassVar[str | None] = None  # name of the field that must be delivered
    name: Name
    thickness: Length
    size_wall: Later = None

    @property
    def filler(self) -> str:
        """Region of what no part fills."""
        return f"host_{self.name}" if self.full else f"electrolyte_{self.name}"

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions of the layer."""
        skin, whiskers = getattr(self, "skin", None), getattr(self, "whiskers", None)
        return (
            f"electrolyte_{self.name}", f"host_{self.name}",
            *((skin.region,) if skin else ()), *((whiskers.region,) if whiskers else ()),
        )

    def loose(self, dimension: int, contacts: str) -> tuple[tuple[str, str], ...]:
        """Solids whose bodies touch nothing, each with the pores around them."""
        return ()

    @property
    def bottom(self) -> tuple[str, ...]:
        """Regions at the bottom of the layer."""
        return (self.filler,)

    def scale(self) -> float:
        """The length (m) that sets the largest cell size."""
        return self.thickness

    def wall(self, dimension: int) -> float:
        """Default cell size on walls in m."""
        return self.scale() / (10 if dimension == 2 else 3)

    def misfits(self, cell: Cell) -> list[str]:
        """Conflicts between this layer and its cell, each as `field: reason`."""
        return []

    @classmethod
    @abstractmethod
    def fill(cls, run: list[tuple[Self, Site]]) -> list[Part]:
        """Parts of neighbouring layers of this kind, from below.

        Raises:
            CaseError: what was asked for cannot be placed.
        """


class Cell(Parameters):
    """Layers between collector and separator; families say which.

    Attributes:
        layers: from the collector upwards, 1 to 20.
        width: along x.
        breadth: along y, 3D only; default `width`.
        gap: thickness of free electrolyte above the host, region `electrolyte_gap`.
        separator: thickness of the separator, region `separator`.
        dimension: 2 or 3.
        seed: of all random numbers, 0 to 2^32 - 1.
        size: largest cell size; default the largest length of the layers' structure.
        size_wall: cell size on walls; default by layer, a tenth (3D: a third) of a diameter.
        size_counter: cell size at the counter electrode; default `size`.
        growth: ratio of neighbouring cells, above 1 to 2.
        budget: most cells, 1000 to 10 million.
    """

    layers: tuple[Any, ...] = Field(min_length=1, max_length=20)
    width: Length
    breadth: Length | None = None
    gap: Length | None = None
    separator: Length | None = None
    dimension: Literal[2, 3] = 2
    seed: int = Field(default=1, ge=0, lt=2**32)
    size: Length | None = None
    size_wall: Length | None = None
    size_counter: Length | None = None
    growth: Growth = 1.3
    budget: int = Field(default=2_000_000, ge=1000, le=10_000_000)

    def _faults(self) -> list[str]:
        wrong = [*same_names(self.layers, "gap"), *cut_breadth(self.dimension, self.breadth)]
        for layer in self.layers:
            wrong += [f"layers.{layer.name}.{w}" for w in layer.misfits(self)]
        if not wrong:  # what the largest cells need; the rest is known once parts are placed
            room = self.room()
            wrong += too_many(cells_needed(self.dimension, float(np.prod(room.corner)), room.size,
                                           self.growth), self.budget)
        return wrong

    @property
    def axisymmetric(self) -> bool:
        """True if x is the radius."""
        return False

    @property
    def across(self) -> list[float]:
        """Width, in 3D width and breadth, in m."""
        return [self.width] if self.dimension == 2 else [self.width, self.breadth or self.width]

    def off_pitch(self, units: Sequence[float], tolerance: float) -> list[str]:
        """Faults of a cell that is no multiple of a unit (m) along x and y."""
        wrong = []
        for which, length, unit in zip(("width", "breadth"), self.across, units, strict=False):
            count = max(1, round(length / unit))
            if abs(length / unit - count) > tolerance:
                wrong.append(f"pitch: the cell's {which} {shown_length(length)} is not a multiple "
                             f"of {shown_length(unit)}; nearest {shown_length(count * unit)}")
        return wrong

    def box(self) -> tuple[float, ...]:
        """Far corner of the cell, m."""
        return (*self.across, self.room().slabs[-1][2])

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        regions = [name for layer in self.layers for name in layer.regions]
        regions += above(self.gap, self.separator)
        contacts = getattr(self, "contacts", "none")
        loose = [p for layer in self.layers for p in layer.loose(self.dimension, contacts)]
        return Names(
            tuple(dict.fromkeys(regions)), floor=self.layers[0].bottom, axis=self.axisymmetric,
            loose=tuple(loose),
        )

    def bounds(self) -> list[tuple[str, float, float]]:
        """(name, bottom, top) in m of each layer."""
        tops = np.cumsum([layer.thickness for layer in self.layers]).tolist()
        return [(layer.name, low, high) for layer, low, high in
                zip(self.layers, [0.0, *tops[:-1]], tops, strict=True)]

    def wall(self, layer: Layer) -> float:
        """Cell size on the walls of a layer in m."""
        return self.size_wall or layer.size_wall or layer.wall(self.dimension)

    def room(self) -> Room:
        """The cell without parts."""
        slabs = [(layer.filler, b, t) for layer, (_, b, t) in
                 zip(self.layers, self.bounds(), strict=True)]
        for region, thickness in (("electrolyte_gap", self.gap), ("separator", self.separator)):
            if thickness:
                slabs.append((region, slabs[-1][2], slabs[-1][2] + thickness))
        size = self.size or max(layer.scale() for layer in self.layers)
        planes = [(slabs[-1][2], self.size_counter)] if self.size_counter else []
        for layer, (_, low, high) in zip(self.layers, self.bounds(), strict=True):
            if layer.full:
                planes += [(low, self.wall(layer)), (high, self.wall(layer))]
        size = max([size, *(self.wall(layer) for layer in self.layers)])
        breadth = None if self.dimension == 2 else self.across[1]
        return Room(self.width, breadth, slabs, size, self.growth, planes, self.budget,
                    self.axisymmetric)
