"""Profiles along the depth of a host: bins, and shares of its thirds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PROFILE_BINS", "bins_of", "distribution", "named_thirds", "thirds"]

#: Bins of a profile.
PROFILE_BINS = 24


def bins_of(
    depth: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Bin of every depth, the first or last one for what lies outside.

    Planes of nodes often lie on an edge; all of a plane, whatever its rounding, are of the deeper
    bin.
    """
    found = np.searchsorted(edges, depth + 1e-9 * edges[-1], side="right") - 1
    return np.clip(found, 0, len(edges) - 2)


def thirds(profile: Mapping[str, list[float]], key: str = "current") -> list[float]:
    """Shares of a profile in the top, middle and bottom third of the depth."""
    values = np.abs(np.asarray(profile[key]))
    parts = np.array_split(values, 3)
    total = values.sum()
    return [float(p.sum() / total) if total else 0.0 for p in parts]


def distribution(
    regions: Mapping[str, Mapping[str, float]], profile: Mapping[str, list[float]]
) -> dict[str, Any]:
    """Entries of a summary on where a reaction takes place.

    Args:
        regions: `current` (A) and `area` (m2) of each surface.
        profile: `depth` (m), `current` (A in the bin) and what else there is of each bin.
    """
    currents = {name: found["current"] for name, found in regions.items()}
    total = sum(currents.values())
    return {
        "current_by_region": currents,
        "share_by_region": {k: v / total if total else 0.0 for k, v in currents.items()},
        "area_by_region": {name: found["area"] for name, found in regions.items()},
        "depth_profile": profile,
        "current_by_third": named_thirds(profile),
    }


def named_thirds(profile: Mapping[str, list[float]], key: str = "current") -> dict[str, float]:
    """Shares of a profile in the thirds of the depth, each by its name."""
    return dict(zip(("top", "middle", "bottom"), thirds(profile, key), strict=True))
