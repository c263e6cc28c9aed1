"""Retention of cells that cycle with and without excess metal; mass of metal and of hosts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fem.base.constants import FARADAY
from fem.theory.arguments import Result, bounded, plain, positive


def n_to_p(capacity: ArrayLike, excess: ArrayLike) -> Result:
    """N/P: all the metal of a cell over that of one cycle, (Q_0 + X_0)/Q_0.

    Args:
        capacity: Q_0, C/m2, > 0.
        excess: X_0, metal besides, C/m2, >= 0.
    """
    (q,) = positive("n_to_p", capacity=capacity)
    return plain((q + bounded("n_to_p", "excess", excess, 0.0, math.inf)) / q)


def cycles_of_excess(efficiency: ArrayLike, n_p: ArrayLike = 1.0) -> Result:
    """n* = (N/P - 1)/(1 - CE): cycles in which excess metal makes up for what is lost.

    Args:
        efficiency: CE, above 0 and below 1, the same in each cycle.
        n_p: N/P, at least 1.
    """
    kept = _efficiency("cycles_of_excess", efficiency)
    return plain((_excess("cycles_of_excess", n_p) - 1.0) / (1.0 - kept))


def retention(cycles: ArrayLike, efficiency: ArrayLike, n_p: ArrayLike = 1.0) -> Result:
    """Q_n/Q_0 of a cell that loses 1 - CE of what it cycles: 1 up to n*, then CE^(n - n*).

    Without excess, N/P = 1, it is CE^n.

    Args:
        cycles: n, >= 0.
        efficiency: CE, above 0 and below 1.
        n_p: N/P, at least 1.
    """
    n = bounded("retention", "cycles", cycles, 0.0, math.inf)
    kept = _efficiency("retention", efficiency)
    return plain(kept ** np.maximum(n - cycles_of_excess(kept, n_p), 0.0))


def cycles_to(kept: ArrayLike, efficiency: ArrayLike, n_p: ArrayLike = 1.0) -> Result:
    """Cycles until a share of the capacity is left, n* + ln R/ln CE.

    Args:
        kept: R, above 0 and at most 1.
        efficiency: CE, above 0 and below 1.
        n_p: N/P, at least 1.
    """
    (share,) = positive("cycles_to", kept=kept)
    bounded("cycles_to", "kept", share, 0.0, 1.0)
    e = _efficiency("cycles_to", efficiency)
    return plain(cycles_of_excess(e, n_p) + np.log(share) / np.log(e))


def apparent_retention(kept: ArrayLike, n_p: ArrayLike) -> Result:
    """R' = 1 - (1 - R)/f, as printed for cells with f times the metal: no requirement on anything.

    It spreads the loss over all the metal, as if a cell with excess lost its share of each cycle
    from all of it; a cell with excess keeps its capacity until n* (`retention`).

    Args:
        kept: R of a cell without excess, above 0 and at most 1.
        n_p: f, at least 1.
    """
    share = bounded("apparent_retention", "kept", kept, 0.0, 1.0)
    return plain(1.0 - (1.0 - share) / _excess("apparent_retention", n_p))


def metal_mass(charge: ArrayLike, molar_mass: float, z: int = 1) -> Result:
    """Mass of metal per area, q M/(zF), kg/m2.

    Args:
        charge: q, C/m2, >= 0 (1 mAh/cm2 is 36000).
        molar_mass: kg/mol.
        z: charge number.
    """
    q = bounded("metal_mass", "charge", charge, 0.0, math.inf)
    positive("metal_mass", molar_mass=molar_mass, z=z)
    return plain(q * molar_mass / (z * FARADAY))


def host_thickness(mass: ArrayLike, share: ArrayLike, density: ArrayLike) -> Result:
    """Thickness of a host in which metal is a share of the mass of both, m.

    m (1 - w)/(w rho): the host weighs m (1 - w)/w.

    Args:
        mass: of the metal per area, m, kg/m2.
        share: w, above 0 and below 1.
        density: of the host with its pores empty, rho, kg/m3.
    """
    m, w, rho = positive("host_thickness", mass=mass, share=share, density=density)
    bounded("host_thickness", "share", w, 0.0, 1.0, open_end=True)
    return plain(m * (1.0 - w) / (w * rho))


def _efficiency(function: str, efficiency: ArrayLike) -> Result:
    """CE as an array, above 0 and below 1."""
    (kept,) = positive(function, efficiency=efficiency)
    return bounded(function, "efficiency", kept, 0.0, 1.0, open_end=True)


def _excess(function: str, n_p: ArrayLike) -> Result:
    """N/P as an array, at least 1."""
    return bounded(function, "n_p", n_p, 1.0, math.inf)
