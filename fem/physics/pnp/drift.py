"""Flux of one ion along edges: diffusion, drift in the field, and what liquid carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from fem.solver.fitted import hybrid
from fem.system.edges import Ends, Law

__all__ = ["Velocity", "drift"]

Array = npt.NDArray[np.float64]
#: Points -> velocity of the liquid there, m/s, (n, dim) both.
Velocity = Callable[[Array], Array]


def drift(c: str, phi: str, charge: float, flow: Array | float = 0.0) -> Law:
    """Law of an ion: its flux over D times the weight of an edge.

    Args:
        c: name of its concentration.
        phi: name of the potential.
        charge: z F/(RT), 1/V.
        flow: u . (x_b - x_a)/D of each edge.
    """

    def law(ends: Mapping[str, Ends]) -> tuple[Array, Mapping[str, Ends]]:
        (a, b), (here, there) = ends[c], ends[phi]
        flux = hybrid(a, b, charge * (there - here) - flow)
        along = charge * flux.by_d
        return flux.value, {c: (flux.by_a, flux.by_b), phi: (-along, along)}

    return law
