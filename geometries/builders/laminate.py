"""Family `laminate`: a stack of full-width films, solid or electrolyte, perforated or not.

The mesh is structured: films of nanometres under micrometres of electrolyte are cheap and exact.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from fem.values.units import shown_length
from geometries.builders.planar import host_of
from geometries.meshing.mesh import Built, Floats, assemble, graded, tensor_mesh
from geometries.meshing.parameters import Growth, Length, Name, Names, Parameters


class Film(Parameters):
    """One film.

    Attributes:
        region: region name, such as `host_film`, `coating_lif`, `electrolyte`.
        name: default the region's name; pores of a perforated film are `electrolyte_<name>`.
        thickness: of the layer.
        cells: number of equal cells across the film, 1 to 1000, instead of `size`.
        size: largest cell size across the film; default the thickness over 4.
        pore_diameter: of holes through the film (slits in 2D, a round hole when axisymmetric).
        pitch: distance of the holes' centres; the width is a multiple of it, and when
            axisymmetric half of it.
    """

    region: Name
    name: Name | None = None
    thickness: Length
    cells: Annotated[int, Field(ge=1, le=1000)] | None = None
    size: Length | None = None
    pore_diameter: Length | None = None
    pitch: Length | None = None

    def step(self) -> float:
        """Largest cell size across the film in m, without `cells`."""
        return self.size or self.thickness / 4

    @property
    def label(self) -> str:
        """Name of the film."""
        return self.name or self.region

    @property
    def regions(self) -> tuple[str, ...]:
        """Region of the film and of its pores."""
        return (self.region, *((f"electrolyte_{self.label}",) if self.pore_diameter else ()))

    def _faults(self) -> list[str]:
        wrong = []
        if self.cells and self.size:
            wrong.append("cells, size: give one of them")
        if (self.pore_diameter is None) != (self.pitch is None):
            wrong.append("pore_diameter, pitch: a perforation needs both")
        if self.pore_diameter and self.pitch and self.pore_diameter >= self.pitch:
            wrong.append(f"pore_diameter: {shown_length(self.pore_diameter)} is not below the "
                         f"pitch {shown_length(self.pitch)}")
        return wrong


class Laminate(Parameters):
    """Parameters of a laminate.

    Attributes:
        layers: films from the collector upwards, 1 to 100.
        width: along x; default one cell of `size_width`.
        axisymmetric: x is the radius; a perforated film has one round hole on the axis.
        size_width: largest cell size across; default the width (the pitch over 10 if perforated).
        size_edge: cell size at the rims of holes; default `size_width`.
        size_interface: cell size at the interfaces between films and at the electrodes; default
            not refined. It does not act in films with `cells`.
        growth: ratio of neighbouring cells, above 1 to 2.
    """

    layers: tuple[Film, ...] = Field(min_length=1, max_length=100)
    width: Length | None = None
    axisymmetric: bool = False
    size_width: Length | None = None
    size_edge: Length | None = None
    size_interface: Length | None = None
    growth: Growth = 1.2

    def _faults(self) -> list[str]:
        wrong = []
        labels = [f.label for f in self.layers]
        twice = {n for n in labels if labels.count(n) > 1}
        if twice:
            wrong.append(f"layers: give a name to each of {', '.join(sorted(twice))}")
        pitches = [f.pitch for f in self.layers if f.pitch]
        if self.width is None and self.size_width is None and not pitches:
            wrong.append("width: missing; give width or size_width")
        for f in self.layers:
            if f.pitch and self.width:
                part = f.pitch / 2 if self.axisymmetric else f.pitch
                n = self.width / part
                if abs(n - round(n)) > 1e-6 or round(n) < 1 or (self.axisymmetric and round(n) > 1):
                    what = "half the pitch" if self.axisymmetric else "a multiple of the pitch"
                    wrong.append(f"width: {shown_length(self.width)} is not {what} of film "
                                 f"{f.label!r} ({shown_length(f.pitch)})")
        if len(set(pitches)) > 1 and self.width is None:
            wrong.append("width: missing; films of several pitches need it")
        return wrong

    def box(self) -> tuple[float, ...]:
        """Far corner of the cell, m."""
        return self.across()[0], sum(film.thickness for film in self.layers)

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        regions = [name for film in self.layers for name in film.regions]
        return Names(
            tuple(dict.fromkeys(regions)), floor=self.layers[0].regions, axis=self.axisymmetric
        )

    def across(self) -> tuple[float, float]:
        """Width and cell size across in m."""
        pitches = [f.pitch for f in self.layers if f.pitch]
        width = self.width or (min(pitches) / (2 if self.axisymmetric else 1) if pitches else
                               self.size_width)
        assert width is not None
        return width, self.size_width or (min(pitches) / 10 if pitches else width)


def build(p: Laminate) -> Built:
    """The tagged mesh on a tensor grid that has every film and every rim as grid lines."""
    width, size = p.across()
    z, stops = _heights(p)
    rims = sorted({x for f in p.layers for lo, hi in _holes(f, width, p.axisymmetric)
                   for x in (lo, hi) if 0 < x < width})
    fine = [(x, p.size_edge) for x in rims] if p.size_edge else []
    x = graded([0.0, *rims, width], size, fine=fine, growth=p.growth)
    points, cells, centres = tensor_mesh(x, z)
    film = np.searchsorted(stops, centres[:, 1]) - 1
    names = np.array([f.region for f in p.layers], dtype=object)[film]
    for i, f in enumerate(p.layers):
        for lo, hi in _holes(f, width, p.axisymmetric):
            hole = (film == i) & (centres[:, 0] > lo) & (centres[:, 0] < hi)
            names[hole] = f"electrolyte_{f.label}"
    layers = [(f.label, lo, hi) for f, lo, hi in zip(p.layers, stops[:-1], stops[1:], strict=True)
              if f.region.startswith("host_")]
    mesh = assemble(points, cells, names, axisymmetric=p.axisymmetric)
    return Built(mesh, host_of(layers), layers)


def _heights(p: Laminate) -> tuple[Floats, list[float]]:
    stops = [0.0, *np.cumsum([f.thickness for f in p.layers]).tolist()]
    fine = [(y, p.size_interface) for y in stops] if p.size_interface else []
    parts = [np.zeros(1)]
    for f, low, high in zip(p.layers, stops[:-1], stops[1:], strict=True):
        if f.cells:
            part = np.linspace(low, high, f.cells + 1)
        else:
            part = graded([low, high], f.step(), fine=fine, growth=p.growth)
        parts.append(part[1:])
    return np.concatenate(parts), stops


def _holes(f: Film, width: float, axisymmetric: bool) -> list[tuple[float, float]]:
    """Left and right rim of each hole in m, centred in its pitch (on the axis: from r = 0)."""
    if not f.pitch or not f.pore_diameter:
        return []
    r = f.pore_diameter / 2
    if axisymmetric:
        return [(0.0, r)]
    n = max(1, math.floor(width / f.pitch + 1e-6))
    return [((i + 0.5) * f.pitch - r, (i + 0.5) * f.pitch + r) for i in range(n)]
