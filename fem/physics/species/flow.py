"""Velocity of the liquid in a planar cell, looked at before there is a mesh.

Layers of liquid are a box, so points in it say whether the velocity makes liquid, and points on its
ends whether it passes electrodes. Of other cells, whose walls only a mesh knows, the run says it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.case import names
from fem.case.geometry import geometry_problems, layers_of
from fem.values.units import shown_point

__all__ = ["problems"]

#: Points in the box; where a hundredth of them lies on kinks of the velocity it does no harm.
POINTS, WITHOUT_KINKS = 1000, 0.99
#: Half of the distance of differences, in sides of the box.
REACH = 1e-6
#: Divergence over the mean slope, and over speed by side, that counts as error of differences.
SLOPE_SHARE, SPEED_SHARE = 1e-4, 1e-8
#: Flow through electrodes over the mean speed that counts as rounding.
ROUNDING = 1e-6


def problems(sections: Mapping[str, Any], u: Any, closed: bool) -> Iterator[str]:
    """A velocity that makes liquid, or goes through electrodes that no liquid passes.

    Args:
        sections: the case.
        u: components, m/s; None without.
        closed: nothing passes an electrode, whatever it is.
    """
    from fem.materials import Solid

    layers = layers_of(sections)
    if u is None or not layers:
        return
    if any(isinstance(names.material_of(name, sections)[0], Solid) for name, _ in layers):
        return
    planar = geometry_problems(sections["geometry"])[1]
    if planar is None:
        return
    if len(u) != planar.dimension:
        yield (
            f"electrolyte_model.velocity: {len(u)} components on a mesh in "
            f"{planar.dimension}D; give {planar.dimension}"
        )
        return
    across = planar.size_width or planar.size
    sides = [planar.width or across, planar.breadth or across][: planar.dimension - 1]
    box = np.array([*sides, sum(thickness for _, thickness in layers)])
    inside = np.random.default_rng(0).uniform(0.001, 0.999, (POINTS, len(box))) * box
    try:
        yield from _sources(u, inside, box, planar.axisymmetric)
        yield from _passed(u, inside, box[-1], set() if closed else _open_ends(sections))
    except CaseError:  # not known everywhere, or of a depth below a host: the run says where
        return


def _at(u: Any, points: npt.NDArray) -> npt.NDArray:
    """Velocity at points, one row each, m/s."""
    places = dict(zip("xyz", points.T, strict=False))
    return np.stack([np.broadcast_to(part.at(**places), len(points)) for part in u], axis=1)


def _sources(u: Any, points: npt.NDArray, box: npt.NDArray, round_axis: bool) -> Iterator[str]:
    """Say where the velocity makes liquid."""
    values, slopes = _at(u, points), []
    for k, side in enumerate(box):
        step = np.eye(len(box))[k] * REACH * side
        slopes.append((_at(u, points + step) - _at(u, points - step)) / (2.0 * step[k]))
    slope = np.stack(slopes, axis=2)
    made = np.abs(np.trace(slope, axis1=1, axis2=2) + round_axis * values[:, 0] / points[:, 0])
    mean = float(np.mean(np.linalg.norm(slope, axis=(1, 2))))
    speed = float(np.mean(np.linalg.norm(values, axis=1)))
    if np.quantile(made, WITHOUT_KINKS) <= SLOPE_SHARE * mean + SPEED_SHARE * speed / min(box):
        return
    worst = int(np.argmax(made))
    yield (
        f"electrolyte_model.velocity: is not free of divergence: {made[worst]:.3g} 1/s at "
        f"{shown_point(points[worst])}, its mean slope is {mean:.3g} 1/s; liquid would be made "
        "there: give components whose d(u_x)/dx + d(u_y)/dy is 0"
    )


def _open_ends(sections: Mapping[str, Any]) -> set[str]:
    """Names of boundaries that liquid may pass."""
    reservoir = getattr(sections.get("counter"), "kind", None) == "reservoir"
    return {*(sections.get("boundaries") or {}), *["counter"] * reservoir}


def _passed(u: Any, points: npt.NDArray, top: float, open_ends: set[str]) -> Iterator[str]:
    """Name electrodes that the velocity goes through."""
    speed = float(np.mean(np.linalg.norm(_at(u, points), axis=1)))
    for name, height in (("collector", 0.0), ("counter", top)):
        on = points.copy()
        on[:, -1] = height
        flow = float(np.mean(np.abs(_at(u, on)[:, -1])))
        if name not in open_ends and flow > ROUNDING * speed:
            yield (
                f"electrolyte_model.velocity: goes through {name!r} with {flow:.3g} m/s in the "
                "mean, which no liquid passes; let it vanish or be tangential there"
            )
