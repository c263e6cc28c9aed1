"""First guesses of ions at nodes that a front of the salt passes, where a line ends at nothing.

Behind the front the field grows with the distance from it, and ions at rest follow its potential
like exp(-z phi F/RT): their logarithm falls like the square of the time. The ion of the current
falls less, to what space charge leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fem.solver.newton import TRACE_C

__all__ = ["CARRIER", "RESTING", "foresee"]

Array = npt.NDArray[np.float64]

#: Share of its last value below which an ion is foreseen so, and the least share that is foreseen:
#: of the ion that carries the current, and of others. Ahead of the front all fall along a line.
CARRIER, RESTING = (0.5, 0.2), (0.2, 1e-3)


def foresee(
    shares: tuple[float, float], guess: Array, past: Sequence[Array], dt: float,
    past_dt: Sequence[float],
) -> Array:
    """Concentration foreseen: where it falls far, ln c goes on along a parabola of the time.

    Args:
        shares: `CARRIER` or `RESTING`.
        guess: by the polynomial of other unknowns, mol/m3.
        past: last three accepted states, newest first.
        dt: the step, s.
        past_dt: the steps that led to these states, newest first, s; 0 where there was none.
    """
    now, before, earlier = (np.log(np.maximum(c, TRACE_C)) for c in past)
    h1, h2 = past_dt[:2]
    slope = (now - before) / h1
    bend = (slope - (before - earlier) / h2) / (h1 + h2) if h2 else 0.0
    change = np.clip(slope * dt + bend * dt * (dt + h1), math.log(shares[1]), 0.0)
    falls = np.maximum(past[0] * np.exp(change), TRACE_C)
    return np.where(guess < shares[0] * past[0], np.maximum(guess, falls), guess)
