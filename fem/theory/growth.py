"""Metal by charge, stability of a growing front, and cubic surface energy."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fem.base.constants import FARADAY, GAS_CONSTANT, T_REF
from fem.theory.arguments import Result, bounded, plain, positive


def faraday_thickness(charge: ArrayLike, molar_volume: float, z: int = 1) -> Result:
    """Thickness of dense metal per area, q V_m/(zF), m.

    Args:
        charge: C/m2, >= 0 (1 mAh/cm2 is 36000).
        molar_volume: m3/mol.
        z: charge number.
    """
    q = bounded("faraday_thickness", "charge", charge, 0.0, math.inf)
    positive("faraday_thickness", molar_volume=molar_volume, z=z)
    return plain(q * molar_volume / (z * FARADAY))


def front_speed(J: ArrayLike, molar_volume: float, z: int = 1) -> Result:
    """Speed of a flat plating front, J V_m/(zF), m/s; arguments of `faraday_thickness`."""
    return faraday_thickness(J, molar_volume, z)


def coulombic_efficiency(retention: ArrayLike, cycles: ArrayLike) -> Result:
    """Mean Coulombic efficiency (Q_n/Q_0)^(1/n) of a cell without excess metal.

    Args:
        retention: Q_n/Q_0, above 0 and at most 1.
        cycles: n, > 0.
    """
    kept, n = positive("coulombic_efficiency", retention=retention, cycles=cycles)
    bounded("coulombic_efficiency", "retention", kept, 0.0, 1.0)
    return plain(kept ** (1.0 / n))


def front_growth_rate(
    k: ArrayLike,
    J: float,
    L: float,
    kappa: float,
    molar_volume: float,
    surface_energy: float,
    i0: float,
    alpha_a: float = 0.5,
    alpha_c: float = 0.5,
    T: float = T_REF,
    z: int = 1,
) -> Result:
    """Growth rate of a ripple cos(k x) on a flat plating front, 1/s; negative: it decays.

    (V_m/zF) k coth(k L) (J - kappa G k^2)/(1 + kappa rho k coth(k L)), G = gamma V_m/(zF),
    rho = RT/((alpha_a + alpha_c) F i0): ohmic electrolyte of depth L, linear kinetics, a small
    ripple, uniform salt.

    Args:
        k: wave number, 1/m.
        J: plating current density, A/m2.
        L: depth of the electrolyte over the front, m.
        kappa: S/m.
        molar_volume: m3/mol.
        surface_energy: J/m2.
        i0: A/m2.
        alpha_a: anodic transfer coefficient.
        alpha_c: cathodic transfer coefficient.
        T: K.
        z: charge number.
    """
    k, *_ = positive(
        "front_growth_rate", k=k, J=J, L=L, kappa=kappa, V=molar_volume, gamma=surface_energy, i0=i0
    )
    unit = molar_volume / (z * FARADAY)
    rho = GAS_CONSTANT * T / ((alpha_a + alpha_c) * FARADAY * i0)
    wave = k / np.tanh(k * L)
    rate = unit * wave * (J - kappa * surface_energy * unit * k**2)
    return plain(rate / (1.0 + kappa * rho * wave))


def neutral_wavelength(
    J: ArrayLike, kappa: float, molar_volume: float, surface_energy: float, z: int = 1
) -> Result:
    """Wavelength that neither grows nor decays, 2 pi sqrt(kappa gamma V_m/(zF J)), m.

    Args:
        J: A/m2.
        kappa: S/m.
        molar_volume: m3/mol.
        surface_energy: J/m2.
        z: charge number.
    """
    J, *_ = positive(
        "neutral_wavelength", J=J, kappa=kappa, V=molar_volume, gamma=surface_energy, z=z
    )
    return plain(2.0 * math.pi * np.sqrt(kappa * surface_energy * molar_volume / (z * FARADAY * J)))


def cubic_surface_energy(normal: ArrayLike, surface_energy: float, delta4: float) -> Result:
    """Surface energy of a cubic crystal, gamma_0 [1 + delta4 (4 sum n_i^4 - 3)], J/m2.

    In 2D gamma_0 [1 + delta4 cos 4 theta]; largest along <10>, (1 - delta4) gamma_0 along <11>,
    (1 - 5/3 delta4) gamma_0 along <111>.

    Args:
        normal: components along the crystal's axes, (2, ...) or (3, ...), of any length but 0.
        surface_energy: gamma_0, J/m2.
        delta4: 0 to 0.6; from 1/15 on the shape at rest has corners.
    """
    positive("cubic_surface_energy", gamma=surface_energy)
    d = bounded("cubic_surface_energy", "delta4", delta4, 0.0, 0.6)
    n = np.asarray(normal, dtype=float)
    quartic = (n**4).sum(axis=0) / (n**2).sum(axis=0) ** 2
    return plain(surface_energy * (1.0 + d * (4.0 * quartic - 3.0)))


def cubic_curvature(radius: ArrayLike, normal: ArrayLike, delta4: float) -> Result:
    """Curvature of a round cubic crystal weighted by its surface energy, K, 1/m.

    gamma_0 V_m K/(zF) is what a particle of `cubic_surface_energy` needs to rest (Gibbs-Thomson).
    Laplace's operator on |p| gamma(p/|p|)/gamma_0, at p = n, over R: for a cylinder
    (1 - 15 delta4 cos 4 theta)/R, which is (gamma + gamma'')/(gamma_0 R); for a sphere
    [2 + delta4 (42 - 72 sum n_i^4)]/R.

    Args:
        radius: R, m.
        normal: components along the crystal's axes, (2, ...) for a cylinder, (3, ...) for a sphere.
        delta4: see `cubic_surface_energy`.

    Source: C. Herring, in The Physics of Powder Metallurgy (1951) 143; D. W. Hoffman and J. W.
    Cahn, Surf. Sci. 31 (1972) 368.
    """
    R, *_ = positive("cubic_curvature", radius=radius)
    d = bounded("cubic_curvature", "delta4", delta4, 0.0, 0.6)
    n = np.asarray(normal, dtype=float)
    quartic = (n**4).sum(axis=0) / (n**2).sum(axis=0) ** 2
    dim = len(n)
    bend = (dim - 1) * (1.0 - 3.0 * d) + 4.0 * d * (12.0 - (9 + 3 * dim) * quartic)
    return plain(bend / R)
