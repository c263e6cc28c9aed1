"""Classical nucleation, and the current of a nucleus."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fem.base.constants import BOLTZMANN, FARADAY, GAS_CONSTANT, T_REF
from fem.theory.arguments import Result, bounded, plain, positive


def critical_radius(
    eta: ArrayLike, surface_energy: float, molar_volume: float, z: int = 1
) -> Result:
    """Radius of a metal sphere in equilibrium at overpotential eta, 2 gamma V_m/(zF|eta|), m.

    Args:
        eta: V, either sign, not 0.
        surface_energy: J/m2.
        molar_volume: m3/mol.
        z: charge number.
    """
    drive, *_ = positive(
        "critical_radius", eta=np.abs(eta), gamma=surface_energy, V=molar_volume, z=z
    )
    return plain(2.0 * surface_energy * molar_volume / (z * FARADAY * drive))


def nucleation_barrier(
    eta: ArrayLike, surface_energy: float, molar_volume: float, z: int = 1
) -> Result:
    """Free energy of the critical sphere, 16 pi gamma^3 V_m^2/(3 z^2 F^2 eta^2), J.

    (Printed versions lose gamma^3 or the bracket.) Arguments of `critical_radius`. Multiply by
    `heterogeneous_factor` for a cap on a wall.
    """
    drive, *_ = positive(
        "nucleation_barrier", eta=np.abs(eta), gamma=surface_energy, V=molar_volume, z=z
    )
    return plain(
        16.0 * math.pi * surface_energy**3 * molar_volume**2 / (3.0 * (z * FARADAY * drive) ** 2)
    )


def heterogeneous_factor(contact_angle: ArrayLike) -> Result:
    """Barrier of a cap over that of a sphere, (2 - 3 cos + cos^3)/4: 0 at 0, 1/2 at 90 degrees.

    Args:
        contact_angle: through the metal, rad, 0 to pi.
    """
    cos = np.cos(bounded("heterogeneous_factor", "contact_angle", contact_angle, 0.0, math.pi))
    return plain((2.0 - 3.0 * cos + cos**3) / 4.0)


def nucleation_rate(
    prefactor: ArrayLike, barrier: ArrayLike, factor: ArrayLike = 1.0, T: float = T_REF
) -> Result:
    """Rate J_0 exp(-dG f/(k_B T)), in the unit of the prefactor.

    Args:
        prefactor: J_0, for example 1/(m2 s); an input, no theory gives it reliably.
        barrier: dG of the sphere, J.
        factor: f of `heterogeneous_factor`.
        T: K.
    """
    rate, _ = positive("nucleation_rate", prefactor=prefactor, T=T)
    work = bounded("nucleation_rate", "barrier", barrier, 0.0, math.inf)
    share = bounded("nucleation_rate", "factor", factor, 0.0, 1.0)
    return plain(rate * np.exp(-work * share / (BOLTZMANN * T)))


def nuclei_density_ratio(eta: ArrayLike, eta_reference: ArrayLike) -> Result:
    """Number of nuclei at eta over that at eta_reference, |eta/eta_reference|^3.

    Args:
        eta: V, not 0.
        eta_reference: V, not 0.

    Source: A. Pei, G. Zheng, F. Shi, Y. Li, Y. Cui, Nano Lett. 17 (2017) 1132 (radius ~ 1/eta).
    """
    first, second = positive(
        "nuclei_density_ratio", eta=np.abs(eta), eta_reference=np.abs(eta_reference)
    )
    return plain((first / second) ** 3)


def nucleus_current(
    radius: ArrayLike,
    surface_energy: float,
    molar_volume: float,
    bulk: float,
    surface: float,
    T: float = T_REF,
) -> Result:
    """Current density that goes with nuclei of a radius, 1/(r^2 A' + r^3 B'), A/m2.

    A' = RT/(2 gamma V_m D_B C_B F), B' = RT/(gamma V_m D_S C_S F).

    Args:
        radius: m.
        surface_energy: J/m2.
        molar_volume: m3/mol.
        bulk: D_B C_B, bulk diffusivity times concentration, mol/(m s).
        surface: D_S C_S, surface diffusivity times concentration per area, mol/s.
        T: K.
    """
    r, *_ = positive(
        "nucleus_current", radius=radius, gamma=surface_energy, V=molar_volume, bulk=bulk,
        surface=surface, T=T,
    )  # fmt: skip
    unit = GAS_CONSTANT * T / (surface_energy * molar_volume * FARADAY)
    return plain(1.0 / (r**2 * unit / (2.0 * bulk) + r**3 * unit / surface))
