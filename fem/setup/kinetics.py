r"""Interface laws: current density i_n across a metal surface, A/m2, positive dissolves metal.

The functions take floats, arrays or UFL expressions alike. `eta` is the overpotential, V; negative
plates. i0 already carries its dependence on c and T (`fem.materials`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import ufl

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.materials.ops import exp

__all__ = [
    "PASSIVE_SHARE",
    "behind_film",
    "butler_volmer",
    "coverage",
    "linear_kinetics",
    "side_reaction",
    "through_film",
    "wall",
]

# Conductance of a bare wall for side reactions, as a share of that of the metal at equilibrium.
# Without it a floating conductor whose whole surface is passive has no potential.
PASSIVE_SHARE = 1e-4


def butler_volmer(eta: Any, i0: Any, alpha_a: float, alpha_c: float, temperature: Any) -> Any:
    r"""Butler-Volmer: i0 [exp(alpha_a F eta/RT) - exp(-alpha_c F eta/RT)], A/m2.

    Args:
        eta: overpotential, V.
        i0: exchange current density, A/m2.
        alpha_a: anodic transfer coefficient.
        alpha_c: cathodic transfer coefficient; alpha_a + alpha_c = z.
        temperature: K.
    """
    f = FARADAY / (GAS_CONSTANT * temperature)
    return i0 * (exp(alpha_a * f * eta) - exp(-alpha_c * f * eta))


def linear_kinetics(eta: Any, i0: Any, alpha_a: float, alpha_c: float, temperature: Any) -> Any:
    """The slope of Butler-Volmer at equilibrium, for small overpotentials; same arguments."""
    return i0 * (alpha_a + alpha_c) * FARADAY / (GAS_CONSTANT * temperature) * eta


def coverage(plated_charge: Any, q_cov: float) -> Any:
    """Share of the wall that metal covers, 1 - exp(-q/q_cov); q and q_cov in C/m2, q >= 0."""
    return 1 - exp(-ufl.max_value(plated_charge, 0.0) / q_cov)


def wall(law: Callable[[Any], Any], eta: Any, barrier: Any, theta: Any) -> Any:
    """Current that makes or takes metal on a partly covered foreign wall, A/m2.

    Plating needs eta < -barrier; what is covered strips; nothing happens between. Continuous, with
    kinks at the two thresholds (physics.md, section 2).

    Args:
        law: overpotential -> current density of fully covered metal.
        eta: overpotential, V.
        barrier: nucleation overpotential times the bare share, eta_nuc (1 - theta), V, >= 0.
        theta: coverage, 0 to 1.
    """
    plating = ufl.min_value(law(eta + barrier), 0.0)
    # Where both operands are equal UFL takes the slope of the second. At eta = 0 that has to be the
    # law, or metal that is exactly at rest would conduct nothing.
    return plating + theta * ufl.max_value(0.0, law(eta))


def side_reaction(eta: Any, slope: Any, theta: Any) -> Any:
    """Current that a bare wall passes without making metal, A/m2: (1 - theta) share slope eta.

    Args:
        eta: overpotential, V.
        slope: conductance of the metal at equilibrium, S/m2.
        theta: coverage, 0 to 1.
    """
    return (1 - theta) * PASSIVE_SHARE * slope * eta


def through_film(law: Callable[[Any], Any], drive: Any, resistance: float, last: Any) -> Any:
    r"""Current i that solves i = law(drive - i R): kinetics behind a film of resistance R.

    One Newton step of the scalar equation, started from `last`,

        i = (f + R f' i_last)/(1 + R f'),  f = law(e),  e = drive - R i_last

    Once `last` has been set to i, this is the exact solution and so is its
    derivative with respect to the drive, f'/(1 + R f'); so the outer Newton stays quadratic if it
    refreshes `last` after each iteration.

    Args:
        law: overpotential -> current density, UFL.
        drive: phi_s - phi_l - U, V.
        resistance: film resistance, ohm m2.
        last: the current of the previous iteration, A/m2.
    """
    e = ufl.variable(drive - resistance * last)
    f = law(e)
    slope = ufl.diff(f, e)
    return (f + resistance * slope * last) / (1 + resistance * slope)


def behind_film(law: Callable[[Any], Any], drive: Any, resistance: float) -> Any:
    """Current density through a film for arrays of numbers: i = law(e), e + resistance i = drive.

    Newton on e, in steps of at most 2 RT/F at room temperature; e rises with drive, so there is
    one solution.

    Args:
        law: overpotential -> current density, A/m2.
        drive: V, of shape (n,).
        resistance: ohm m2.
    """
    e, h = np.zeros_like(drive), 1e-6
    for _ in range(60):
        slope = 1.0 + resistance * (law(e + h) - law(e - h)) / (2 * h)
        step = np.clip((drive - e - resistance * law(e)) / slope, -0.05, 0.05)
        e = e + step
        if np.abs(step).max(initial=0.0) < 1e-13:
            break
    return law(e)
