"""The profile of a front at rest, and the distance that a value of it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["DISTANCE_FACTOR", "DISTANCE_MARGIN", "beyond_rest", "distance", "profile"]

#: Distance of a contour from what no front has left there: at least this factor times that at
#: rest, plus lambdas.
DISTANCE_FACTOR, DISTANCE_MARGIN = 1.25, 0.5


def profile(psi: Any) -> Any:
    """Phase field of a resting front at a distance psi, in units of lambda."""
    return np.asarray(1.0 / (1.0 + np.exp(-psi)))


def distance(xi: Any, least: float) -> Any:
    """ln(xi/(1 - xi)): distance from the contour 1/2, in units of lambda, positive in metal.

    Args:
        xi: phase field.
        least: of xi and 1 - xi; less of either says nothing of where the front is.
    """
    inside = np.clip(xi, least, 1.0 - least)
    return np.log(inside / (1.0 - inside))


def beyond_rest(away: Any, psi: Any) -> Any:
    """Distance from a contour beyond that at which its front can have left a value, in lambda.

    Args:
        away: distance from the contour, in lambda.
        psi: distance of its value of xi from that of the contour, for a front at rest.
    """
    return away - DISTANCE_FACTOR * psi - DISTANCE_MARGIN
