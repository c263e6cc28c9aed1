"""Sites: on which surfaces nuclei may appear, and how many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Seeds", "Surface"]

Array = npt.NDArray[np.float64]
#: A region or a boundary, and the pores at it.
Pair = tuple[str, str]


@dataclass(frozen=True)
class Surface:
    """A nucleating surface.

    Attributes:
        walls: (solid, pore) pairs.
        faces: (boundary, pore) pairs.
        contact_angle: through the metal, rad.
    """

    walls: tuple[Pair, ...] = ()
    faces: tuple[Pair, ...] = ()
    contact_angle: float = np.pi / 2


@dataclass(frozen=True)
class Seeds:
    """Conditions for nuclei on a wall: places, a density of places, or a rate.

    In a 2D cut a nucleus is a ridge. It stands for the nuclei that the plane cuts, whose centres
    lie within a radius of it: densities and rates per area count 2 R of wall out of the plane.

    Attributes:
        place: in the case, for messages.
        surfaces: on which they form.
        radius: R of the caps, m.
        at: places; each stands for the wall node next to it, m.
        density: of places, drawn from a Poisson process, 1/m2.
        thresholds: of each place, or one for all: it wakes below minus this overpotential, V.
        spread: standard deviation of thresholds, which stay at 0 or above, V.
        rate: J_0 of J_0 exp(-barrier/eta^2) (1 - xi), 1/(m2 s).
        barrier: contact angle -> barrier over k_B T, times eta^2, V2.
        seed: of all draws.
        share: points (n, 3) -> what the density or rate is multiplied with.
    """

    place: str
    surfaces: tuple[Surface, ...]
    radius: float
    at: tuple[tuple[float, ...], ...] = ()
    density: float = 0.0
    thresholds: tuple[float, ...] = (0.0,)
    spread: float = 0.0
    rate: float = 0.0
    barrier: Callable[[float], float] = lambda angle: 0.0
    seed: int = 0
    share: Callable[[Array], Array | float] = lambda points: 1.0
