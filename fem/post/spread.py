r"""Spread of current and metal over a host: metrics of the distribution, from a result's files.

Weights dm are the metal (its charge), or |i_n| dA where no metal is followed. Depth d counts from
the separator side of the host, H is its thickness; a mesh without a host counts as one. What lies
on the foil behind the host counts at d = H, what stands above the host at d = 0.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.contract.physics import TIMED, named
from fem.contract.registry import with_own
from fem.mesh.profile import by_bin
from fem.results.result import Result

__all__ = [
    "Corners", "Frame", "Pores", "Spread", "around_axis", "corners_of", "fill_by_depth", "frame",
    "gini_of", "mean_of", "measures", "rests", "spread",
]

Array = npt.NDArray[np.float64]

#: Share of the thickness within which a point belongs to a plane.
PLANE_RTOL = 1e-6
#: Share of the largest current of a run below which the cell rests.
REST_SHARE = 1e-6
#: Slices of the host by depth.
SLICES = 24


@dataclass(frozen=True)
class Frame:
    """The thickness of a cell.

    Attributes:
        up: unit vector out of the collector.
        low: height of the collector along it, m.
        top, bottom: heights of the ends of the host, m.
        layers: name -> heights of its ends, m.
        axisymmetric: x is a radius.
    """

    up: Array
    low: float
    top: float
    bottom: float
    layers: dict[str, tuple[float, float]]
    axisymmetric: bool

    @property
    def thickness(self) -> float:
        """H, m."""
        return self.top - self.bottom

    def depth(self, points: Array) -> Array:
        """Depth below the separator side of the host, m."""
        return np.asarray(self.top - points[..., : len(self.up)] @ self.up)


@dataclass(frozen=True)
class Pores:
    """Cells of pores that metal fills; all of shape (cells, corners).

    Attributes:
        depth: of their corners, m.
        metal: charge of the metal, C (2D: C/m), of each corner's hat function.
        room: charge of the metal that would fill them.
    """

    depth: Array
    metal: Array
    room: Array


@dataclass(frozen=True)
class Spread:
    """A reaction and its metal as a list of small pieces.

    Attributes:
        depth: of each, m.
        area: reacting area, m2 (2D: m).
        current: A (2D: A/m), sign of i_n.
        metal: charge of the metal, C (2D: C/m).
        foil: it lies on the collector itself.
        pores: in which the metal lies, where pores fill.
    """

    depth: Array
    area: Array
    current: Array
    metal: Array
    foil: npt.NDArray[np.bool_]
    pores: tuple[Pores, ...] = ()

    @classmethod
    def together(cls, found: Sequence[Spread]) -> Spread:
        """Several as one."""
        depth, area, current, metal, foil = (
            np.concatenate([getattr(f, name) for f in found])
            for name in ("depth", "area", "current", "metal", "foil")
        )
        return cls(depth, area, current, metal, foil, tuple(p for f in found for p in f.pores))

    @property
    def weight(self) -> Array:
        """dm: metal where there is any, else the magnitude of the current."""
        return self.metal if self.metal.sum() > 0.0 else np.abs(self.current)

    @property
    def density(self) -> tuple[Array, Array]:
        """|i_n|, A/m2, and the area that has it, m2."""
        on = self.area > 0.0
        return np.abs(self.current[on]) / self.area[on], self.area[on]


def _mesh(result: Result) -> dict[str, Any]:
    """Content of `mesh.json`; nothing where there is none."""
    path = result.folder / "mesh.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def around_axis(result: Result) -> bool:
    """The mesh of a result is axisymmetric: x is a radius."""
    return bool(_mesh(result).get("axisymmetric"))


@functools.lru_cache(maxsize=8)
def frame(result: Result) -> Frame | None:
    """Thickness of the cell of a result; None where the collector is no plane."""
    mesh = _mesh(result)
    low, high = result.extent(0.0)
    dim = 3 if high[2] > low[2] else 2
    up = mesh.get("up", np.eye(dim)[-1].tolist())
    if up is None:
        return None
    direction = np.asarray(up, dtype=float)
    bottom, top = result.extent(0.0, axes=direction[None])[:, 0]
    host = mesh.get("host") or {"top": top, "bottom": bottom}
    layers = {e["name"]: (e["bottom"], e["top"]) for e in mesh.get("layers") or () if "name" in e}
    return Frame(direction, float(bottom), float(host["top"]), float(host["bottom"]), layers,
                 around_axis(result))


def measures(points: Array, cells: npt.NDArray[np.int64], axisymmetric: bool = False) -> Array:
    """Length, area or volume of each cell's share of its corners, shape (cells, corners).

    Around an axis each is times 2 pi r of its corner.
    """
    corners = points[cells]
    edges = corners[:, 1:] - corners[:, :1]
    gram = np.einsum("nik,njk->nij", edges, edges)
    count = cells.shape[1]
    size = np.sqrt(np.maximum(np.linalg.det(gram), 0.0)) / float(np.prod(np.arange(1, count)))
    share = np.repeat(size[:, None] / count, count, axis=1)
    return share * (2.0 * np.pi * corners[:, :, 0]) if axisymmetric else share


def mean_of(
    values: Array, points: Array, cells: npt.NDArray[np.int64], axisymmetric: bool
) -> float:
    """Mean of nodal values over cells, or over facets."""
    size = measures(points, cells, axisymmetric)
    return float((values[cells] * size).sum() / size.sum())


@dataclass(frozen=True)
class Corners:
    """Corners of the cells of a block, each with its share of the cell, shape (cells, corners).

    Attributes:
        here: the thickness of the cell.
        cells: node of each.
        size: length, area or volume, m, m2 or m3.
        depth: below the separator side of the host, m.
    """

    here: Frame
    cells: npt.NDArray[np.int64]
    size: Array
    depth: Array


def corners_of(result: Result, t: float | None, block: str) -> Corners | None:
    """Corners of a block; None where the result has none, or the collector is no plane."""
    here = frame(result)
    if here is None or block not in result.blocks:
        return None
    points, cells = result.points(block, t), result.cells(block, t)
    size = measures(points, cells, here.axisymmetric)
    return Corners(here, cells, size, here.depth(points)[cells])


@functools.lru_cache(maxsize=8)
def spread(result: Result, t: float | None = None) -> Spread | None:
    """Current and metal of a result, of all physics that have some."""
    makers = [p.spread for p in with_own().physics if p.spread]
    found = [s for s in (named(maker)(result, t) for maker in makers) if s is not None]
    return Spread.together(found) if found else None


def _known(result: Result, t: float | None) -> tuple[Spread, Frame] | None:
    """Spread and frame, depths within the host; None without weights."""
    found, here = spread(result, t), frame(result)
    if found is None or here is None or not found.weight.sum() > 0.0 or not here.thickness > 0.0:
        return None
    return replace(found, metal=np.maximum(found.metal, 0.0)), here


def bottom_up(result: Result, t: float | None) -> float | None:
    """B = 2 <d>/H - 1 over dm: 1 all at the collector, -1 all at the separator, 0 even."""
    if (known := _known(result, t)) is None:
        return None
    found, here = known
    share = np.clip(found.depth / here.thickness, 0.0, 1.0)
    return float(2.0 * (found.weight @ share) / found.weight.sum() - 1.0)


def _parts(result: Result, t: float | None, ends: dict[str, tuple[float, float]]) -> Any:
    """Shares of dm between depths, m, of the foil and above the host."""
    if (known := _known(result, t)) is None:
        return None
    found, here = known
    dm, d, tiny = found.weight / found.weight.sum(), found.depth, PLANE_RTOL * here.thickness
    out = {}
    for name, (a, b) in ends.items():  # what lies on an edge belongs to both, half each
        inside = (d > a + tiny) & (d < b - tiny)
        edge = (np.abs(d - a) <= tiny) | (np.abs(d - b) <= tiny)
        outer = (np.abs(d) <= tiny) | (np.abs(d - here.thickness) <= tiny)
        share = np.where(inside, 1.0, np.where(edge, np.where(outer, 1.0, 0.5), 0.0))
        out[name] = float((dm * share)[~found.foil].sum())
    out["foil"] = float(dm[found.foil].sum())
    out["overflow"] = float(dm[~found.foil & (d < -tiny)].sum())
    return out


def share_third(result: Result, t: float | None) -> dict[str, float] | None:
    """Share of dm in the thirds of the host, top first, on the foil and above the host."""
    if (here := frame(result)) is None:
        return None
    H = here.thickness
    names = ("top", "middle", "bottom")
    return _parts(result, t, {n: (k * H / 3, (k + 1) * H / 3) for k, n in enumerate(names)})


def share_layer(result: Result, t: float | None) -> dict[str, float] | None:
    """Share of dm in each layer of the host, on the foil and above the host."""
    if (here := frame(result)) is None or len(here.layers) < 2:
        return None
    return _parts(result, t, {
        name: (here.top - high, here.top - low) for name, (low, high) in here.layers.items()
        if low >= here.bottom - PLANE_RTOL * here.thickness and high <= here.top * (1 + PLANE_RTOL)
    })


def gini_of(values: Array, weights: Array) -> float:
    """Gini coefficient: int int |x - x'| dw dw'/(2 W^2 mean); 0 even, 1 all in one place."""
    order = np.argsort(values)
    x, w = values[order], weights[order] / weights.sum()
    total = x @ w
    if total <= 0.0:
        return 0.0
    before = np.concatenate([[0.0], np.cumsum(w * x)]) / total  # Lorenz curve
    return float(1.0 - w @ (before[1:] + before[:-1]))


def rests(result: Result, t: float | None) -> bool:
    """No current passes the cell, of a run in which some does; currents of walls are leftovers."""
    largest = float(np.abs(result.series.get("current_density", np.zeros(1))).max(initial=0.0))
    return bool(0.0 < largest and abs(_applied(result, t)) <= REST_SHARE * largest)


def _density(result: Result, t: float | None) -> tuple[Array, Array] | None:
    found = spread(result, t)
    if found is None or rests(result, t):
        return None
    i, area = found.density
    return (i, area) if area.sum() > 0.0 and i @ area > 0.0 else None


def gini(result: Result, t: float | None) -> float | None:
    """Gini coefficient of |i_n| over the real area."""
    found = _density(result, t)
    return None if found is None else gini_of(*found)


def cov(result: Result, t: float | None) -> float | None:
    """Standard deviation of |i_n| over its mean, over the real area."""
    if (found := _density(result, t)) is None:
        return None
    i, area = found
    mean = i @ area / area.sum()
    return float(np.sqrt((i - mean) ** 2 @ area / area.sum()) / mean)


def max_mean(result: Result, t: float | None) -> float | None:
    """Largest over mean |i_n|, over the real area."""
    if (found := _density(result, t)) is None:
        return None
    i, area = found
    return float(i.max() * area.sum() / (i @ area))


def local_reduction(result: Result, t: float | None) -> float | None:
    """Mean |i_n| over the real area, over the current density of the cell."""
    found, applied = _density(result, t), abs(_applied(result, t))
    if found is None or not applied > 0.0:
        return None
    i, area = found
    return float(i @ area / area.sum() / applied)


def _applied(result: Result, t: float | None) -> float:
    """Current density of the cell, A/m2; 0 where it is not known."""
    if "current_density" not in result.series or not len(result.series["t"]):
        return 0.0
    times = result.series["t"]
    row = -1 if t is None else int(np.argmin(np.abs(times - t)))
    return float(result.series["current_density"][row])


def current_difference(result: Result, t: float | None) -> float | None:
    """(largest - smallest)/smallest |i_n| by depth, of slices of the host with some area."""
    if (known := _known(result, t)) is None or rests(result, t):
        return None
    found, here = known
    edges = np.linspace(0.0, here.thickness, SLICES + 1)
    index = np.clip(np.searchsorted(edges, found.depth, side="right") - 1, 0, SLICES - 1)
    area = np.bincount(index, weights=found.area, minlength=SLICES)
    current = np.bincount(index, weights=np.abs(found.current), minlength=SLICES)
    i = current[area > 0.0] / area[area > 0.0]
    return float((i.max() - i.min()) / i.min()) if len(i) > 1 and i.min() > 0.0 else None


def fill_by_depth(
    result: Result, t: float | None, slices: int
) -> tuple[Array, Array] | None:
    """Depth of the middle of slices of the host, m, and the share of their pores that is metal.

    NaN in a slice without pores; None where no pores fill.
    """
    found, here = spread(result, t), frame(result)
    if found is None or here is None or not any(p.room.sum() > 0.0 for p in found.pores):
        return None
    # A bin more on either side holds what lies outside of the host.
    edges = here.thickness * np.arange(-1, slices + 2) / slices
    sums = [by_bin(edges, p.depth, np.stack([p.room, p.metal])) for p in found.pores]
    room, metal = np.sum(sums, axis=0)[:, 1:-1]
    share = np.divide(metal, room, out=np.full(slices, np.nan), where=room > 0.0)
    return 0.5 * (edges[1:] + edges[:-1])[1:-1], share


def fill(result: Result, t: float | None) -> dict[str, list[float]] | None:
    """Share of the pores that is metal against depth, m, in slices of the host that have pores."""
    if (found := fill_by_depth(result, t, SLICES)) is None:
        return None
    depth, share = found
    on = np.isfinite(share)
    return {"depth": depth[on].tolist(), "share": share[on].tolist()}


def eta_nuc_curve(result: Result, t: float | None) -> float | None:
    """Depth of the dip of the voltage, V: its plateau, at 3 times the charge of the dip, less it.

    Of the first plating; None where the voltage has no dip, the curve ends before, or `t` only
    leads to a steady state.
    """
    series = result.series
    if t is not None or not {"voltage", "charge", "segment"} <= series.keys():
        return None
    if result.summary.get("study", "tertiary") not in TIMED:
        return None
    on = (series["segment"] == 0) & (series["current_density"] < 0.0)
    voltage, charge = series["voltage"][on], -series["charge"][on]
    if len(voltage) < 3:
        return None
    lowest = int(np.argmin(voltage))
    if lowest == len(voltage) - 1 or 3.0 * charge[lowest] > charge[-1]:
        return None
    return float(np.interp(3.0 * charge[lowest], charge, voltage) - voltage[lowest])
