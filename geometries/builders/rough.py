"""Family `rough`: a rough collector of given spectrum under electrolyte, bare or under a film.

The surface is self-affine: the power of a wave number q falls as (1 + (q L)^2)^-(H + d/2) with
correlation length L, Hurst exponent H and d = 1 (2D) or 2 (3D), made of cosines, so that the sides
are planes of symmetry. A flat structured mesh is bent to it.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from fem.base.errors import CaseError
from fem.values.units import shown_length
from geometries.meshing.mesh import (
    Built,
    Floats,
    assemble,
    graded,
    quality,
    tensor_mesh,
    within_budget,
)
from geometries.meshing.parameters import (
    Growth,
    Length,
    Names,
    Parameters,
    Skin,
    above,
    cut_breadth,
)

MIN_QUALITY = 0.05


class Rough(Parameters):
    """Parameters of a rough electrode.

    Attributes:
        length: of the electrolyte above the mean height of the collector; region `electrolyte`.
        width: along x.
        breadth: along y, 3D only; default `width`.
        roughness: root mean square of the height, at most a tenth of the length.
        correlation: length L of the spectrum.
        hurst: exponent H, 0.1 (jagged) to 1 (smooth).
        shortest: wave below which there are none; default three quarters of L, with a film at most
            nine of its thickness. The surface is the same on meshes of any size.
        skin: a film of this thickness (one value), measured along the thickness, region
            `coating_<name>`.
        separator: thickness of the separator on top, region `separator`.
        dimension: 2 or 3.
        seed: of the random phases, 0 to 2^32 - 1.
        size_surface: cell size on the surface; default an eighth of L, with a film at most 1.5 of
            its thickness (it has three cells across): six of the shortest wave.
        size: largest cell size; default L.
        growth: ratio of neighbouring cells, above 1 to 2.
    """

    length: Length
    width: Length
    breadth: Length | None = None
    roughness: Length
    correlation: Length
    hurst: Annotated[float, Field(ge=0.1, le=1.0)] = 0.8
    shortest: Length | None = None
    skin: Skin | None = None
    separator: Length | None = None
    dimension: Literal[2, 3] = 2
    seed: int = Field(default=1, ge=0, lt=2**32)
    size_surface: Length | None = None
    size: Length | None = None
    growth: Growth = 1.3

    def _faults(self) -> list[str]:
        wrong = cut_breadth(self.dimension, self.breadth)
        if self.roughness > 0.1 * self.length:
            wrong.append("roughness: at most a tenth of the length, "
                         f"{shown_length(0.1 * self.length)}")
        if self.width < 2 * self.correlation:
            wrong.append("width: at least two correlation lengths, "
                         f"{shown_length(2 * self.correlation)}")
        if self.shortest and self.shortest < max(self.across) / 1000:
            wrong.append("shortest: at least a thousandth of the width, "
                         f"{shown_length(self.width / 1000)}")
        if self.skin and len(self.skin.thickness) > 1:
            wrong.append("skin.thickness: one value; a collector has no depth")
        if self.skin and self.skin.thickness[0] > 0.2 * self.length:
            wrong.append("skin.thickness: at most a fifth of the length")
        return wrong

    @property
    def across(self) -> list[float]:
        """Width, in 3D width and breadth, in m."""
        return [self.width] if self.dimension == 2 else [self.width, self.breadth or self.width]

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        regions = (*((self.skin.region,) if self.skin else ()), "electrolyte",
                   *above(None, self.separator))
        return Names(regions, floor=regions[:1])

    def fine(self) -> float:
        """Cell size on the surface in m."""
        return self.size_surface or self._cell()

    def wave(self) -> float:
        """Shortest wave in m."""
        return self.shortest or 6 * self._cell()

    def _cell(self) -> float:
        """Cell size on the surface in m that the family would choose."""
        thin = 1.5 * self.skin.thickness[0] if self.skin else math.inf
        return min(self.correlation / 8, thin)

    @model_serializer(mode="wrap")
    def _dump(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Dump with the shortest wave in m.

        It is left out where waves once followed the cells and come to the same, so that the digests
        of such geometries stay.
        """
        given: dict[str, Any] = plain(self) | {"shortest": self.wave()}
        if self.wave() == 6 * self.fine() and self.size_surface is None:
            del given["shortest"]
        return given


def build(p: Rough) -> Built:
    """The tagged mesh; the sidecar has the largest height and the area ratio of the surface.

    Raises:
        CaseError: the surface is too steep for a bent mesh; names roughness and correlation.
    """
    film = p.skin.thickness[0] if p.skin else 0.0
    top = film + p.length
    stops = [0.0, *([film] if film else []), top, *([top + p.separator] if p.separator else [])]
    regions = [*([p.skin.region] if p.skin else []), "electrolyte", "separator"]
    fine = p.fine()
    size = max(p.size or p.correlation, fine)
    first = min(fine, film / 3) if film else fine
    z = graded(stops, size, fine=[(s, first) for s in stops[: 2 if film else 1]], growth=p.growth)
    within_budget(max(p.across) / fine)
    axes = [np.linspace(0.0, v, math.ceil(v / fine) + 1) for v in p.across]
    points, cells, centres = tensor_mesh(*axes, z)
    names = np.array(regions, dtype=object)[np.searchsorted(stops, centres[:, -1]) - 1]
    height = surface(p, points[:, :-1])
    if float(np.abs(height).max()) > 0.8 * p.length:
        raise CaseError(f"roughness: peaks of {shown_length(float(np.abs(height).max()), 3)} reach "
                        f"through the electrolyte of {shown_length(p.length)}; take a lower "
                        "roughness or a longer electrolyte")
    fade = np.clip((top - points[:, -1]) / p.length, 0.0, 1.0)
    on_surface = points[:, -1] == 0.0
    points[:, -1] += height * fade
    q = float(quality(points, cells).min())
    if q < MIN_QUALITY:
        raise CaseError(
            f"roughness: {shown_length(p.roughness)} over a correlation of "
            f"{shown_length(p.correlation)} is too steep (worst cell {q:.3g}, at least "
            f"{MIN_QUALITY:g}); less roughness, a higher hurst, a longer shortest wave or a larger "
            "size_surface"
        )
    low = {tuple(row) for row in points[on_surface].tolist()}

    def collector(xyz: Floats) -> NDArray[np.bool_]:
        return np.array([all(tuple(node) in low for node in facet) for facet in xyz.tolist()],
                        dtype=bool)

    mesh = assemble(points, cells, names, collector=collector)
    area = float(mesh.areas()[mesh.facet_tags == mesh.boundaries["collector"]].sum())
    extra = {
        "peak": float(np.abs(height[on_surface]).max()),
        "area_ratio": area / math.prod(p.across),
        "quality_min": round(q, 4),
    }
    return Built(mesh, None, [], extra)


def surface(p: Rough, places: Floats) -> Floats:
    """Height (m) above the mean at places (n, dimension - 1) across the cell.

    Its mean square over the cell is that of `roughness` exactly.
    """
    rng = np.random.default_rng(p.seed)
    counts = [max(1, int(v / (p.wave() / 2))) for v in p.across]
    modes = np.array(list(itertools.product(*(range(n + 1) for n in counts)))[1:])
    q = np.pi * modes / np.array(p.across)
    power = (1 + np.sum(q**2, axis=1) * p.correlation**2) ** -(p.hurst + (p.dimension - 1) / 2)
    # The mean square of a product of cosines is 1/2 for each that is not constant.
    squares = 0.5 ** np.sum(modes > 0, axis=1)
    amplitude = rng.normal(size=len(modes)) * np.sqrt(power / squares)
    amplitude *= p.roughness / math.sqrt(float(np.sum(amplitude**2 * squares)))
    out = np.zeros(len(places))
    waves = [np.cos(np.outer(places[:, k], np.pi * np.arange(n + 1) / v))
             for k, (n, v) in enumerate(zip(counts, p.across, strict=True))]
    if p.dimension == 2:
        out = waves[0][:, 1:] @ amplitude
    else:
        table = np.append(0.0, amplitude).reshape(counts[0] + 1, counts[1] + 1)
        out = np.einsum("ni,ij,nj->n", waves[0], table, waves[1], optimize=True)
    heights: Floats = out
    return heights
