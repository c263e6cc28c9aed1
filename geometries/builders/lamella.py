"""Family `lamella`: a stack of perforated layers, such as dielectric and conductive in turn.

The mesh is structured, so that every volume is exact: slits in 2D, slits or square holes in 3D. A
conductor above a dielectric layer, or above a spacing, floats until metal bridges it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fem.base.errors import CaseError
from fem.values.units import shown_length
from geometries.meshing.mesh import Built, Floats, assemble, graded, tensor_mesh
from geometries.meshing.parameters import (
    Growth,
    Length,
    Name,
    Names,
    Parameters,
    above,
    cut_breadth,
    same_names,
)

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
#: Most draws of shifts that leave no sliver between the rims of two layers.
MAX_DRAWS = 500


class Lamina(Parameters):
    """One layer.

    Attributes:
        name: solids become `host_<name>`, what fills the openings `electrolyte_<name>`; with
            `repeat` above 1 `<name>_1`, `<name>_2` and so on, from the collector upwards.
        thickness: of the layer.
        opening: open share of the layer's area, 0 to 1; a slit is opening * pitch wide.
        pitch: distance of the openings' centres.
    """

    name: Name
    thickness: Length
    opening: Fraction
    pitch: Length


class Lamella(Parameters):
    """Parameters of a stack of perforated layers.

    Attributes:
        layers: from the collector upwards, 1 to 20.
        repeat: how many times they follow one another, 1 to 20.
        openings: slits (across the whole breadth in 3D), or square holes in 3D.
        spacing: electrolyte between two layers, region `electrolyte_spacing`; default none, they
            lie on one another.
        width: along x, a multiple of every pitch; default the largest pitch.
        breadth: along y, 3D only; default `width`; with holes a multiple of every pitch, too.
        gap: thickness of free electrolyte above the host, region `electrolyte_gap`.
        separator: thickness of the separator, region `separator`.
        dimension: 2 or 3.
        seed: shifts the openings of every layer at random, 0 to 2^32 - 1; without it they are
            centred in their pitch and lie above one another.
        size: largest cell size; default the thinnest layer.
        size_wall: cell size on the layers' surfaces; default an eighth of the thinnest layer or
            narrowest opening.
        size_counter: cell size at the counter electrode; default `size`.
        growth: ratio of neighbouring cells, above 1 to 2.
    """

    layers: tuple[Lamina, ...] = Field(min_length=1, max_length=20)
    repeat: Annotated[int, Field(ge=1, le=20)] = 1
    openings: Literal["slits", "holes"] = "slits"
    spacing: Length | None = None
    width: Length | None = None
    breadth: Length | None = None
    gap: Length | None = None
    separator: Length | None = None
    dimension: Literal[2, 3] = 2
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    size: Length | None = None
    size_wall: Length | None = None
    size_counter: Length | None = None
    growth: Growth = 1.3

    def _faults(self) -> list[str]:
        wrong = same_names(self.layers, "gap", "spacing")
        wrong += cut_breadth(self.dimension, self.breadth)
        if self.dimension == 2 and self.openings == "holes":
            wrong.append("openings: 'holes' need dimension = 3; a cut shows slits")
        across = [("width", self.across[0])]
        if self.dimension == 3 and self.openings == "holes":
            across.append(("breadth", self.across[1]))
        for (which, length), layer in itertools.product(across, self.layers):
            count = length / layer.pitch
            if abs(count - round(count)) > 1e-6 or round(count) < 1:
                wrong.append(f"{which}: {shown_length(length)} is not a multiple of the pitch of "
                             f"layer {layer.name!r}, {shown_length(layer.pitch)}")
        return wrong

    @property
    def across(self) -> tuple[float, float]:
        """Width and breadth in m."""
        width = self.width or max(layer.pitch for layer in self.layers)
        return width, self.breadth or width

    def labels(self) -> list[tuple[str, Lamina]]:
        """Name of each layer of the stack and what it is, from the collector upwards."""
        return [(f"{layer.name}_{k + 1}" if self.repeat > 1 else layer.name, layer)
                for k in range(self.repeat) for layer in self.layers]

    def box(self) -> tuple[float, ...]:
        """Far corner of the cell, m."""
        layers = [layer.thickness for _, layer in self.labels()]
        between = (len(layers) - 1) * (self.spacing or 0.0)
        height = sum(layers) + between + (self.gap or 0.0) + (self.separator or 0.0)
        return (*self.across[: self.dimension - 1], height)

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        labels = self.labels()
        regions = [f"{what}_{name}" for name, _ in labels for what in ("host", "electrolyte")]
        regions += ["electrolyte_spacing"] if self.spacing and len(labels) > 1 else []
        return Names((*regions, *above(self.gap, self.separator)), floor=tuple(regions[:2]))

    def rim(self, layer: Lamina) -> float:
        """Width of an opening in m."""
        return layer.pitch * (
            math.sqrt(layer.opening) if self.openings == "holes" else layer.opening
        )

    def sizes(self) -> tuple[float, float]:
        """Largest cell size and cell size on the layers in m."""
        thinnest = min(layer.thickness for layer in self.layers)
        wall = self.size_wall or min(thinnest, *map(self.rim, self.layers)) / 8
        return max(self.size or thinnest, wall), wall


@dataclass(frozen=True)
class Slab:
    """A layer between two heights (m) with the shift of its openings (m); None where all is open.

    `name` is the layer's, or the region of an open slab.
    """

    name: str
    low: float
    high: float
    layer: Lamina | None = None
    shift: tuple[float, float] = (0.0, 0.0)


def build(p: Lamella) -> Built:
    """The tagged mesh on a tensor grid that has every layer and every rim as grid lines.

    Raises:
        CaseError: the openings leave no way through the stack, or no sound grid.
    """
    from geometries.meshing.measures import floating_solids, pore_connectivity

    slabs = stack(p)
    size, wall = p.sizes()
    stops = [0.0, *(slab.high for slab in slabs)]
    faces = {y for slab in slabs if slab.layer for y in (slab.low, slab.high)}
    fine = [(y, wall) for y in sorted(faces)]
    fine += [(stops[-1], p.size_counter)] if p.size_counter else []
    z = graded(stops, size, fine=fine, growth=p.growth)
    axes = []
    for axis, length in enumerate(p.across[: p.dimension - 1]):
        rims = _rims(p, slabs, axis)
        axes.append(graded([0.0, *rims, length], size, fine=[(x, wall) for x in rims],
                           growth=p.growth))
    points, cells, centres = tensor_mesh(*axes, z)
    which = np.searchsorted(stops, centres[:, -1]) - 1
    names = np.empty(len(cells), dtype=object)
    for k, slab in enumerate(slabs):
        here = which == k
        open_ = _open(p, slab, centres[here])
        solid = f"host_{slab.name}", f"electrolyte_{slab.name}"
        names[here] = slab.name if slab.layer is None else np.where(open_, solid[1], solid[0])
    mesh = assemble(points, cells, names)
    connected, _ = pore_connectivity(mesh)
    if not connected:
        raise CaseError("lamella: the openings leave no way through the stack; give spacing, wider "
                        "openings or another seed")
    layers = [(slab.name, slab.low, slab.high) for slab in slabs if slab.layer]
    extra = {"floating_solids": floating_solids(mesh)}
    return Built(mesh, (layers[0][1], layers[-1][2]), layers, extra)


def stack(p: Lamella) -> list[Slab]:
    """The slabs of the cell from the collector upwards.

    Raises:
        CaseError: no shifts of the openings without slivers were found.
    """
    rng = None if p.seed is None else np.random.default_rng(p.seed)
    for _ in range(MAX_DRAWS if rng else 1):
        slabs: list[Slab] = []
        for name, layer in p.labels():
            if slabs and p.spacing:
                slabs.append(_above(slabs, "electrolyte_spacing", p.spacing))
            shift = (0.0, 0.0) if rng is None else _shift(p, layer, rng)
            slabs.append(_above(slabs, name, layer.thickness, layer, shift))
        if all(_sound(p, slabs, axis) for axis in range(p.dimension - 1)):
            break
    else:
        drawn = "" if rng is None else f" in {MAX_DRAWS} draws of seed {p.seed}"
        raise CaseError(f"lamella: rims of two layers lie closer than a third of size_wall, "
                        f"{shown_length(p.sizes()[1] / 3, 3)}{drawn}; take a finer size_wall, or "
                        "equal openings")
    for region, thickness in (("electrolyte_gap", p.gap), ("separator", p.separator)):
        if thickness:
            slabs.append(_above(slabs, region, thickness))
    return slabs


def _above(
    slabs: list[Slab], name: str, thickness: float, layer: Lamina | None = None,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Slab:
    low = slabs[-1].high if slabs else 0.0
    return Slab(name, low, low + thickness, layer, shift)


def _shift(p: Lamella, layer: Lamina, rng: np.random.Generator) -> tuple[float, float]:
    """A shift in steps of about a wall cell, so that rims of equal layers share their grid."""
    rim = p.rim(layer)
    step = rim / math.ceil(rim / p.sizes()[1])
    x, y = rng.integers(0, max(1, round(layer.pitch / step)), size=2) * step
    return float(x), float(y)


def _rims(p: Lamella, slabs: list[Slab], axis: int) -> list[float]:
    """Coordinates of all rims inside the cell along an axis, m."""
    if axis == 1 and p.openings == "slits":
        return []
    length = p.across[axis]
    found = []
    for slab in slabs:
        if slab.layer:
            centres = (np.arange(round(length / slab.layer.pitch)) + 0.5) * slab.layer.pitch
            half = p.rim(slab.layer) / 2
            found += [*(centres + slab.shift[axis] - half), *(centres + slab.shift[axis] + half)]
    inside = np.mod(found, length)
    shares = np.unique(np.round(inside / length, 12))
    return [float(x * length) for x in shares if 1e-9 < x < 1 - 1e-9]


def _sound(p: Lamella, slabs: list[Slab], axis: int) -> bool:
    """No two rims, and no rim and side, closer than a third of a wall cell."""
    places = [0.0, *_rims(p, slabs, axis), p.across[axis]]
    return all(b - a > p.sizes()[1] / 3 for a, b in itertools.pairwise(places))


def _open(p: Lamella, slab: Slab, centres: Floats) -> NDArray[np.bool_]:
    """Mark the points that lie in an opening of the slab."""
    if slab.layer is None:
        return np.ones(len(centres), dtype=bool)
    axes = range(1 if p.openings == "slits" else p.dimension - 1)
    half, pitch = p.rim(slab.layer) / 2, slab.layer.pitch
    inside = [
        np.abs(np.mod(centres[:, a] - slab.shift[a], pitch) - pitch / 2) < half for a in axes
    ]
    within: NDArray[np.bool_] = np.all(inside, axis=0)
    return within
