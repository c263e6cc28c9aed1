"""Profiles along the depth of a host: bins, and shares of its thirds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "PROFILE_BINS", "above", "bins_of", "by_bin", "distribution", "named_thirds", "thirds",
]  # fmt: skip

Array = npt.NDArray[np.float64]

#: Bins of a profile.
PROFILE_BINS = 24
#: Share of the currents of all surfaces below which their sum is none.
REST_SHARE = 1e-9
#: Share of the whole depth within which nodes lie in one plane.
PLANE = 1e-9


def bins_of(
    depth: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Bin of every depth, the first or last one for what lies outside.

    Planes of nodes often lie on an edge; all of a plane, whatever its rounding, are of the deeper
    bin.
    """
    found = np.searchsorted(edges, depth + PLANE * edges[-1], side="right") - 1
    return np.clip(found, 0, len(edges) - 2)


def by_bin(edges: Array, depth: Array, amounts: Array) -> Array:
    """Amounts in every bin, shape (kinds, bins), the first or last one for what lies outside.

    Args:
        edges: of the bins, m.
        depth: of the corners of cells, m, shape (cells, corners).
        amounts: of the corners' hat functions, shape (kinds, cells, corners).
    """
    bins = len(edges) - 1
    low, high = bins_of(depth.min(axis=1), edges), bins_of(depth.max(axis=1), edges)
    one = low == high
    out = np.zeros((len(amounts), bins))
    out += [np.bincount(low[one], weights=x, minlength=bins) for x in amounts[:, one].sum(axis=2)]
    for k in range(bins):
        cut = (low <= k) & (k <= high) & ~one
        here, before, on = depth[cut], (low[cut] < k)[:, None], (high[cut] > k)[:, None]
        start = np.where(before, above(here, edges[k]), 0.0)
        end = np.where(on, above(here, edges[k + 1]), 1.0)
        out[:, k] += (amounts[:, cut] * (end - start)).sum(axis=(1, 2))
    return out


def above(depth: Array, edge: float) -> Array:
    """Share of the integral of each corner's hat function over a cell that lies above a depth.

    Depth is linear in a cell, so that its distribution is a B-spline whose knots are the corners,
    with the corner of the hat function twice. This is the recursion of its integral, which is exact
    in any dimension; outside of two knots both terms are the same.

    Args:
        depth: of the corners, m, shape (cells, corners).
        edge: that depth, m.
    """
    knots = np.sort(np.concatenate([
        np.repeat(depth[:, None], depth.shape[1], axis=1), depth[:, :, None],
    ], axis=2), axis=2)  # fmt: skip
    share = (knots <= edge).astype(float)
    for order in range(1, knots.shape[2]):
        low, wide = knots[:, :, :-order], knots[:, :, order:] - knots[:, :, :-order]
        at = np.clip(np.divide(edge - low, wide, out=np.zeros_like(wide), where=wide > 0.0), 0, 1)
        share = at * share[:, :, :-1] + (1.0 - at) * share[:, :, 1:]
    return share[:, :, 0]


def thirds(profile: Mapping[str, list[float]], key: str = "current") -> list[float]:
    """Shares of a profile in the top, middle and bottom third of the depth."""
    values = np.abs(np.asarray(profile[key]))
    parts = np.array_split(values, 3)
    total = values.sum()
    return [float(p.sum() / total) if total else 0.0 for p in parts]


def distribution(
    regions: Mapping[str, Mapping[str, float]], profile: Mapping[str, list[float]],
    rests: bool = False,
) -> dict[str, Any]:
    """Entries of a summary on where a reaction takes place.

    Args:
        regions: `current` (A) and `area` (m2) of each surface.
        profile: `depth` (m), `current` (A in the bin) and what else there is of each bin.
        rests: no current passes the cell; what is left of it has no shares.
    """
    currents = {name: found["current"] for name, found in regions.items()}
    total = sum(currents.values())
    rests = rests or abs(total) <= REST_SHARE * sum(map(abs, currents.values()))
    return {
        "current_by_region": currents,
        "share_by_region": {k: 0.0 if rests else v / total for k, v in currents.items()},
        "area_by_region": {name: found["area"] for name, found in regions.items()},
        "depth_profile": profile,
        "current_by_third": {k: 0.0 if rests else v for k, v in named_thirds(profile).items()},
    }


def named_thirds(profile: Mapping[str, list[float]], key: str = "current") -> dict[str, float]:
    """Shares of a profile in the thirds of the depth, each by its name."""
    return dict(zip(("top", "middle", "bottom"), thirds(profile, key), strict=True))
