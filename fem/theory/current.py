"""Distribution of current: Wagner numbers, resistive columns, disks and spheres."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fem.base.constants import FARADAY, GAS_CONSTANT, T_REF
from fem.theory.arguments import Result, bounded, plain, positive, salt_of, transference


def wagner_number(kappa: ArrayLike, slope: ArrayLike, L: ArrayLike) -> Result:
    """Kinetic over ohmic resistance, kappa (d eta/d i)/L; large means even current.

    Args:
        kappa: S/m.
        slope: |d eta/d i|, ohm m2.
        L: length of the current path, m.

    Source: C. Wagner, J. Electrochem. Soc. 98 (1951) 116.
    """
    kappa, slope, L = positive("wagner_number", kappa=kappa, slope=slope, L=L)
    return plain(kappa * slope / L)


def wagner_linear(
    kappa: ArrayLike,
    i0: ArrayLike,
    L: ArrayLike,
    alpha_a: float = 0.5,
    alpha_c: float = 0.5,
    T: float = T_REF,
) -> Result:
    """Wagner number at small overpotential, kappa RT/((alpha_a + alpha_c) F i0 L).

    Args:
        kappa: S/m.
        i0: A/m2.
        L: m.
        alpha_a: anodic transfer coefficient.
        alpha_c: cathodic transfer coefficient.
        T: K.
    """
    i0, alpha, T_, *_ = positive("wagner_linear", i0=i0, alpha=alpha_a + alpha_c, T=T)
    return wagner_number(kappa, GAS_CONSTANT * T_ / (alpha * FARADAY * i0), L)


def wagner_tafel(
    kappa: ArrayLike, i: ArrayLike, L: ArrayLike, alpha_c: float = 0.5, T: float = T_REF
) -> Result:
    """Wagner number at large cathodic overpotential, kappa RT/(alpha_c F |i| L).

    Args:
        kappa: S/m.
        i: mean current density, A/m2, either sign.
        L: m.
        alpha_c: cathodic transfer coefficient.
        T: K.
    """
    i, alpha, T_, *_ = positive("wagner_tafel", i=np.abs(i), alpha_c=alpha_c, T=T)
    return wagner_number(kappa, GAS_CONSTANT * T_ / (alpha * FARADAY * i), L)


def resistive_column(
    y: ArrayLike,
    L: float,
    kappa: float,
    sigma: float,
    area: float,
    i0: float,
    alpha_a: float = 0.5,
    alpha_c: float = 0.5,
    T: float = T_REF,
) -> Result:
    """Reaction rate over its mean, j/j_mean, in a porous electrode with linear kinetics.

    nu [cosh(nu y/L)/kappa + cosh(nu (1 - y/L))/sigma]/[(1/kappa + 1/sigma) sinh nu] with
    nu^2 = a i0 (alpha_a + alpha_c) F L^2/(RT) (1/kappa + 1/sigma). Uniform concentration.

    Args:
        y: distance from the collector, 0, to the separator, L, m.
        L: thickness, m.
        kappa: effective ionic conductivity, S/m.
        sigma: effective electronic conductivity, S/m.
        area: wall area per volume, 1/m.
        i0: A/m2.
        alpha_a: anodic transfer coefficient.
        alpha_c: cathodic transfer coefficient.
        T: K.

    Source: J. S. Newman and C. W. Tobias, J. Electrochem. Soc. 109 (1962) 1183.
    """
    positive("resistive_column", L=L, kappa=kappa, sigma=sigma, area=area, i0=i0, T=T)
    place = np.asarray(y, dtype=float) / L
    bounded("resistive_column", "y/L", place, 0.0, 1.0)
    both = 1.0 / kappa + 1.0 / sigma
    nu = column_number(L, kappa, sigma, area, i0, alpha_a, alpha_c, T)
    # cosh(nu s)/sinh(nu), without overflow for large nu
    from_top = (np.exp(nu * (place - 1.0)) + np.exp(-nu * (place + 1.0))) / -np.expm1(-2.0 * nu)
    from_bottom = (np.exp(-nu * place) + np.exp(nu * (place - 2.0))) / -np.expm1(-2.0 * nu)
    return plain(nu * (from_top / kappa + from_bottom / sigma) / both)


def column_number(
    L: float,
    kappa: float,
    sigma: float,
    area: float,
    i0: float,
    alpha_a: float = 0.5,
    alpha_c: float = 0.5,
    T: float = T_REF,
) -> float:
    """Number nu of `resistive_column`; above about 1 the reaction is visibly uneven."""
    positive("column_number", L=L, kappa=kappa, sigma=sigma, area=area, i0=i0, T=T)
    slope = (alpha_a + alpha_c) * FARADAY / (GAS_CONSTANT * T)
    return float(L * math.sqrt(area * i0 * slope * (1.0 / kappa + 1.0 / sigma)))


def disk_current(kappa: ArrayLike, radius: ArrayLike, voltage: ArrayLike) -> Result:
    """Primary current to a disk in an insulating plane, 4 kappa r V, A.

    Args:
        kappa: S/m.
        radius: m.
        voltage: of the disk against infinity, V.

    Source: J. Newman, J. Electrochem. Soc. 113 (1966) 501.
    """
    kappa, radius = positive("disk_current", kappa=kappa, radius=radius)
    return plain(4.0 * kappa * radius * np.asarray(voltage, dtype=float))


def sphere_limiting_current(
    radius: ArrayLike, c0: float, D: float, t_plus: float, z: int = 1, z_minus: int | None = None
) -> Result:
    """Limiting current to a sphere in an infinite binary electrolyte, 4 pi r nFDc0/(1 - t_plus), A.

    Args:
        radius: m.
        c0: far away, mol/m3.
        D: m2/s.
        t_plus: below 1.
        z: charge number of the cation.
        z_minus: of the anion.
    """
    radius, *_ = positive("sphere_limiting_current", radius=radius, c0=c0, D=D)
    transference("sphere_limiting_current", t_plus)
    left = salt_of("sphere_limiting_current", z, z_minus).anions_left(t_plus)
    return plain(4.0 * math.pi * radius * D * c0 / left)


def tafel_column(place: ArrayLike, delta: float, e: float) -> Result:
    """Reaction rate over its mean, j/j_mean, in a porous electrode in Tafel's range.

    (2 theta^2/delta) sec^2(theta y - atan(e/(2 theta))) with
    theta = atan(e/(2 theta)) + atan((delta - e)/(2 theta)), which has one root. Uniform salt.

    Args:
        place: y, from the separator, 0, to the collector, 1.
        delta: alpha_c F I L/(RT) (1/kappa + 1/sigma), of the effective conductivities.
        e: its ionic part, alpha_c F I L/(RT kappa).

    Source: J. S. Newman and C. W. Tobias, J. Electrochem. Soc. 109 (1962) 1183.
    """
    positive("tafel_column", delta=delta)
    y = bounded("tafel_column", "y", place, 0.0, 1.0)
    bounded("tafel_column", "e", e, 0.0, delta)
    low, high = 0.0, math.pi
    for _ in range(200):
        theta = 0.5 * (low + high)
        if theta < math.atan2(e, 2 * theta) + math.atan2(delta - e, 2 * theta):
            low = theta
        else:
            high = theta
    theta = 0.5 * (low + high)
    return plain(2 * theta**2 / delta / np.cos(theta * y - math.atan2(e, 2 * theta)) ** 2)


def bottom_up(nu: float, kappa: float, sigma: float) -> float:
    """Bottom-up index B = 2 <depth>/L - 1 of `resistive_column`, -1 (all on top) to 1.

    -((sigma - kappa)/(sigma + kappa)) (1 - (2/nu) tanh(nu/2)); its sign is that of kappa - sigma.
    """
    positive("bottom_up", nu=nu, kappa=kappa, sigma=sigma)
    return float((kappa - sigma) / (sigma + kappa) * (1.0 - 2.0 / nu * math.tanh(nu / 2.0)))
