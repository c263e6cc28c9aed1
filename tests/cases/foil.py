"""Evenness of the current on the foil of a catalogue case."""

from __future__ import annotations

import numpy as np

from fem.results.result import Result


def spread(result: Result) -> float:
    """Standard deviation of the current density on the foil over its mean."""
    ends = result.points("walls")[result.cells("walls")]
    foil = ends[:, :, 1].max(axis=1) < 1e-12
    i_n = result.array("i_n", block="walls")[result.cells("walls")].mean(axis=1)[foil]
    width = np.abs(ends[foil, 1, 0] - ends[foil, 0, 0])
    mean = np.average(i_n, weights=width)
    return float(np.sqrt(np.average((i_n / mean - 1) ** 2, weights=width)))
