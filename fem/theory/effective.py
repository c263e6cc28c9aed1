"""Effective properties of porous media and arrays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fem.theory.arguments import Result, bounded, plain, positive


def bruggeman(porosity: ArrayLike, exponent: float = 1.5) -> Result:
    """Effective over bulk conductivity of the pores, porosity^exponent (tortuosity eps^(1-exp)).

    Args:
        porosity: 0 to 1.
        exponent: 1.5 for spheres of all sizes, 2 for cylinders across the current.

    Source: D. A. G. Bruggeman, Ann. Phys. 416 (1935) 636.
    """
    eps = bounded("bruggeman", "porosity", porosity, 0.0, 1.0)
    positive("bruggeman", exponent=exponent)
    return plain(eps**exponent)


def maxwell_spheres(fraction: ArrayLike, ratio: float = 0.0) -> Result:
    """Effective over matrix conductivity with dilute spheres; 2 e/(3 - e) for insulating ones.

    An upper bound for insulating inclusions of any arrangement.

    Args:
        fraction: of the spheres, 0 to 1 (e = 1 - fraction).
        ratio: conductivity of the spheres over that of the matrix, 0 for insulators.

    Source: J. C. Maxwell, A Treatise on Electricity and Magnetism (1873), article 314.
    """
    return _maxwell("maxwell_spheres", fraction, ratio, 3)


def maxwell_cylinders(fraction: ArrayLike, ratio: float = 0.0) -> Result:
    """Maxwell's mixture of parallel cylinders across the current; e/(2 - e) for insulators.

    Arguments of `maxwell_spheres`.
    """
    return _maxwell("maxwell_cylinders", fraction, ratio, 2)


def _maxwell(name: str, fraction: ArrayLike, ratio: float, dimension: int) -> Result:
    phi = bounded(name, "fraction", fraction, 0.0, 1.0)
    bounded(name, "ratio", ratio, 0.0, math.inf)
    beta = (ratio - 1.0) / (ratio + dimension - 1.0)
    return plain((1.0 + (dimension - 1.0) * beta * phi) / (1.0 - beta * phi))


def hashin_shtrikman(
    first: float, second: float, fraction: ArrayLike, dimension: int = 3
) -> tuple[Result, Result]:
    """Lower and upper bound of the conductivity of an isotropic mixture of two phases.

    Args:
        first: conductivity of one phase, S/m (or any unit), >= 0.
        second: of the other.
        fraction: of the second phase, 0 to 1.
        dimension: 3, or 2 for a cross-section that does not change along the third direction.

    Source: Z. Hashin and S. Shtrikman, J. Appl. Phys. 33 (1962) 3125.
    """
    phi = bounded("hashin_shtrikman", "fraction", fraction, 0.0, 1.0)
    for name, value in (("first", first), ("second", second)):
        bounded("hashin_shtrikman", name, value, 0.0, math.inf)
    if dimension not in (2, 3):
        raise ValueError(f"hashin_shtrikman: dimension must be 2 or 3, got {dimension!r}")

    def bound(reference: float) -> NDArray[np.float64]:
        if reference == 0.0:
            return np.where(phi == (1.0 if first == 0.0 else 0.0), max(first, second), 0.0)
        shift = (dimension - 1.0) * reference
        return 1.0 / ((1.0 - phi) / (first + shift) + phi / (second + shift)) - shift

    return plain(bound(min(first, second))), plain(bound(max(first, second)))


def cylinder_array(fraction: ArrayLike, ratio: float = 0.0, order: int = 40) -> Result:
    """Effective over matrix conductivity across a square array of parallel cylinders.

    Rayleigh's multipole series: b_l/chi + sum over odd m of C(l+m-1, l) S_(l+m) a^(l+m) b_m = a
    delta_l1 with chi = (1 - ratio)/(1 + ratio), radius a in a unit cell and the lattice sums
    S_2 = pi, S_4 = Gamma(1/4)^8/(960 pi^2), the rest by the recurrence of Weierstrass' function;
    result 1 - 2 pi a b_1.

    Args:
        fraction: of the cylinders, below pi/4 (touching).
        ratio: conductivity of the cylinders over that of the matrix, 0 for insulators.
        order: number of multipoles; 40 give 8 digits up to a fraction of 0.7.

    Source: Lord Rayleigh, Phil. Mag. 34 (1892) 481; W. T. Perrins, D. R. McKenzie, R. C. McPhedran,
    Proc. R. Soc. A 369 (1979) 207.
    """
    phi = bounded("cylinder_array", "fraction", fraction, 0.0, math.pi / 4.0, open_end=True)
    bounded("cylinder_array", "ratio", ratio, 0.0, math.inf)
    sums = _lattice_sums(4 * order)
    odd = range(1, 2 * order, 2)
    weight = np.array([[math.comb(k + m - 1, k) * sums[k + m] for m in odd] for k in odd])
    chi = (1.0 - ratio) / (1.0 + ratio)

    def one(share: float) -> float:
        radius = math.sqrt(share / math.pi)
        power = radius ** np.array([[k + m for m in odd] for k in odd], dtype=float)
        right = np.zeros(order)
        right[0] = radius
        first = np.linalg.solve(np.eye(order) + chi * weight * power, chi * right)[0]
        return float(1.0 - 2.0 * math.pi * radius * first)

    return plain(np.vectorize(one, otypes=[float])(phi))


def _lattice_sums(highest: int) -> list[float]:
    """S_k, the sum of R^-k over the unit square lattice without the origin, k up to `highest`."""
    half = highest // 2
    c = [0.0] * (half + 1)  # Laurent coefficients of Weierstrass' function, c_n = (2n - 1) S_2n
    c[2] = 3.0 * math.gamma(0.25) ** 8 / (960.0 * math.pi**2)
    for n in range(4, half + 1):
        c[n] = 3.0 / ((2 * n + 1) * (n - 3)) * sum(c[m] * c[n - m] for m in range(2, n - 1))
    sums = [0.0] * (highest + 1)
    sums[2] = math.pi  # conditionally convergent: this value makes the applied field the mean one
    for n in range(2, half + 1):
        sums[2 * n] = c[n] / (2 * n - 1)
    return sums
