r"""Closed forms of electrodeposition: plain functions, numpy in, numpy out, SI throughout.

Every argument may be a float or an array (they broadcast); scalars give a float. Arguments out of
range raise ValueError with the name, the bound and the value. Symbols:

| name | meaning | unit |
|---|---|---|
| J | current density, a positive magnitude | A/m2 |
| c0 | salt concentration at the start or far away | mol/m3 |
| D, kappa, sigma | salt diffusivity, ionic and electronic conductivity | m2/s, S/m, S/m |
| t_plus, z | transference number and charge number of the cation | - |
| z_minus | charge number of the anion, below 0; not given: -z | - |
| L, T | distance between the electrodes (or stated length), temperature | m, K |
| molar_volume, surface_energy | of the metal | m3/mol, J/m2 |
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fem.base.constants import BOLTZMANN, EPSILON_0, FARADAY, GAS_CONSTANT, T_REF
from fem.theory.salt import Salt

Result = Any  # a float, or an array where an argument is one

# ------------------------------------------------------------------- diffusion and concentration


def sand_time(
    J: ArrayLike, c0: float, D: float, t_plus: float, z: int = 1, z_minus: int | None = None
) -> Result:
    """Time until the salt at the cathode is used up, semi-infinite electrolyte, s.

    pi D (n F c0)^2/(4 J^2 (1 - t_plus)^2), constant D and t_plus; n the equivalents of the salt
    (`fem.theory.salt`), z for z:z and M X_z. (Printed forms with J^-1 are wrong.)

    Args:
        J: A/m2, > 0.
        c0: mol/m3.
        D: m2/s.
        t_plus: below 1.
        z: charge number of the cation.
        z_minus: of the anion.

    Source: H. J. S. Sand, Phil. Mag. 1 (1901) 45.
    """
    J, *_ = _positive("sand_time", J=J, c0=c0, D=D)
    _fraction("sand_time", t_plus)
    left = _salt("sand_time", z, z_minus).anions_left(t_plus)
    return _out(math.pi * D * (c0 / (2.0 * J * left)) ** 2)


def sand_capacity(
    J: ArrayLike, c0: float, D: float, t_plus: float, z: int = 1, z_minus: int | None = None
) -> Result:
    """Charge per area that passes until Sand's time, J t_sand, C/m2; arguments of `sand_time`."""
    return _out(np.asarray(J, dtype=float) * sand_time(J, c0, D, t_plus, z, z_minus))


def limiting_current(
    L: ArrayLike, c0: float, D: float, t_plus: float, z: int = 1, z_minus: int | None = None
) -> Result:
    """Largest steady current between two metal electrodes, 2 n F c0 D/((1 - t_plus) L), A/m2.

    Args:
        L: distance of the electrodes, m.
        c0: mean concentration, mol/m3.
        D: effective salt diffusivity, m2/s.
        t_plus: below 1.
        z: charge number of the cation.
        z_minus: of the anion.
    """
    L, *_ = _positive("limiting_current", L=L, c0=c0, D=D)
    _fraction("limiting_current", t_plus)
    left = _salt("limiting_current", z, z_minus).anions_left(t_plus)
    return _out(2.0 * c0 * D / (left * L))


def steady_gradient(
    J: ArrayLike, D: float, t_plus: float, z: int = 1, z_minus: int | None = None
) -> Result:
    """Magnitude of the steady salt gradient, (1 - t_plus) J/(n F D), mol/m4.

    Args:
        J: A/m2.
        D: effective salt diffusivity, m2/s.
        t_plus: below 1.
        z: charge number of the cation.
        z_minus: of the anion.
    """
    J, *_ = _positive("steady_gradient", J=J, D=D)
    _fraction("steady_gradient", t_plus)
    return _out(_salt("steady_gradient", z, z_minus).anions_left(t_plus) * J / D)


def closed_cell_concentration(
    x: ArrayLike, t: ArrayLike, J: float, L: float, c0: float, D: float, t_plus: float, z: int = 1,
    z_minus: int | None = None,
) -> Result:
    """Salt concentration c(x, t) between two metal electrodes from uniform c0, mol/m3.

    With u = J/J* and s = D t/L^2,
    c/c0 = 1 + u [1 - 2x/L - (8/pi^2) sum over odd n of cos(n pi x/L) exp(-n^2 pi^2 s)/n^2];
    for s < 0.01 the two walls do not yet feel each other and the error-function form is used.
    Negative values mean that the current cannot be carried that long.

    Args:
        x: distance from the anode, 0 (metal dissolves) to L (metal plates), m.
        t: s, >= 0.
        J: A/m2.
        L: m.
        c0: mol/m3.
        D: m2/s.
        t_plus: below 1.
        z: charge number of the cation.
        z_minus: of the anion.

    Source: separation of variables, Carslaw and Jaeger, Conduction of Heat in Solids, 3.8.
    """
    u = float(_positive("closed_cell_concentration", J=J)[0]) / limiting_current(
        L, c0, D, t_plus, z, z_minus
    )
    place, time = np.broadcast_arrays(np.asarray(x, dtype=float) / L, np.asarray(t, dtype=float))
    _bounded("closed_cell_concentration", "x/L", place, 0.0, 1.0)
    _bounded("closed_cell_concentration", "t", time, 0.0, math.inf)
    return _out(c0 * (1.0 + u * _closed_cell(place, time * D / L**2)))


def depletion_time(
    J: float, L: float, c0: float, D: float, t_plus: float, z: int = 1, z_minus: int | None = None
) -> float:
    """Time until c at the cathode of a closed cell is zero, s; infinite for J <= J*.

    The root of `closed_cell_concentration` at x = L; longer than Sand's time, by 37 % at 1.1 J*
    and by 0.2 % at 2 J*.

    Args:
        J: A/m2.
        L: m.
        c0: mol/m3.
        D: m2/s.
        t_plus: below 1.
        z: charge number of the cation.
        z_minus: of the anion.
    """
    u = float(_positive("depletion_time", J=J)[0]) / limiting_current(L, c0, D, t_plus, z, z_minus)
    if u <= 1.0:
        return math.inf
    low, high = math.pi / (16.0 * u * u) * 0.999, 1.0
    while 1.0 + u * float(_closed_cell(np.asarray(1.0), np.asarray(high))) > 0.0:
        low, high = high, 2.0 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if 1.0 + u * float(_closed_cell(np.asarray(1.0), np.asarray(middle))) > 0.0:
            low = middle
        else:
            high = middle
    return float(high * L**2 / D)


def _closed_cell(x: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.float64]:
    """(c/c0 - 1)/u at x/L and D t/L^2."""
    early = s < 0.01
    root = np.sqrt(np.where(early, s, 0.01))
    wide = 2.0 * np.maximum(root, 1e-30)
    short = 4.0 * root * (_ierfc(x / wide) - _ierfc((1.0 - x) / wide))
    n = np.arange(1.0, 40.0, 2.0)  # exp(-39^2 pi^2 0.01) is 1e-65
    late = np.where(early, 0.01, s)[..., None]
    series = np.cos(n * math.pi * x[..., None]) * np.exp(-((n * math.pi) ** 2) * late) / n**2
    return np.where(early, short, 1.0 - 2.0 * x - 8.0 / math.pi**2 * series.sum(axis=-1))


def _ierfc(x: NDArray[np.float64]) -> NDArray[np.float64]:
    erfc = np.vectorize(math.erfc, otypes=[float])
    return np.exp(-(x**2)) / math.sqrt(math.pi) - x * erfc(x)


def polarisation(
    J: ArrayLike,
    L: float,
    c0: float,
    D: float,
    t_plus: float,
    kappa: float | None = None,
    *,
    thermodynamic_factor: float = 1.0,
    T: float = T_REF,
    z: int = 1,
    z_minus: int | None = None,
) -> Result:
    """Steady voltage between two reversible electrodes (anode minus cathode), V.

    Constant kappa: J L/kappa + g (RT/F)(1 - t_plus)(1 + dlnf/dlnc) ln((1 + u)/(1 - u)), u = J/J*,
    g = 1/z + 1/|z_minus| (`fem.theory.salt`). kappa None means Nernst-Einstein, n F^2 c D/(g RT
    t_plus (1 - t_plus)) of an ideal salt: g (RT/F) ln((1 + u)/(1 - u)), whatever t_plus.

    Args:
        J: A/m2, below J*.
        L: m.
        c0: mol/m3.
        D: m2/s.
        t_plus: below 1.
        kappa: S/m, or None.
        thermodynamic_factor: 1 + dlnf/dlnc, only with a constant kappa.
        T: K.
        z: charge number of the cation.
        z_minus: of the anion.

    Source: J. Newman and K. E. Thomas-Alyea, Electrochemical Systems, 3rd ed. (2004), chapter 12.
    """
    current = np.asarray(J, dtype=float)
    u = current / limiting_current(L, c0, D, t_plus, z, z_minus)
    _bounded("polarisation", "J/J*", u, 0.0, 1.0, open_end=True)
    log = np.log((1.0 + u) / (1.0 - u))
    salt = _salt("polarisation", z, z_minus)
    if kappa is None:
        if thermodynamic_factor != 1.0:
            raise ValueError("polarisation: Nernst-Einstein holds for thermodynamic_factor 1 only")
        return _out(salt.diffusion_potential(T, 1.0, 0.0) * log)
    _positive("polarisation", kappa=kappa, T=T, thermodynamic_factor=thermodynamic_factor)
    drop = salt.diffusion_potential(T, thermodynamic_factor, t_plus) * log
    return _out(current * L / kappa + drop)


def concentration_cell_voltage(
    c: ArrayLike,
    c_other: ArrayLike,
    t_plus: float,
    *,
    thermodynamic_factor: float = 1.0,
    T: float = T_REF,
    z: int = 1,
    z_minus: int | None = None,
) -> Result:
    """Open-circuit potential of a metal electrode at c against one at c_other, V.

    g (RT/F)(1 - t_plus)(1 + dlnf/dlnc) ln(c/c_other): the electrode in the stronger solution is
    positive. Constant t_plus and factor.

    Args:
        c: mol/m3.
        c_other: mol/m3.
        t_plus: below 1.
        thermodynamic_factor: 1 + dlnf/dlnc.
        T: K.
        z: charge number of the cation.
        z_minus: of the anion.
    """
    first, second, *_ = _positive("concentration_cell_voltage", c=c, c_other=c_other, T=T)
    _fraction("concentration_cell_voltage", t_plus)
    salt = _salt("concentration_cell_voltage", z, z_minus)
    scale = salt.diffusion_potential(T, thermodynamic_factor, t_plus)
    return _out(scale * np.log(first / second))


def chazalviel_speed(mobility: ArrayLike, field: ArrayLike) -> Result:
    """Speed of a growing deposit above J*: that of the receding anions, mu_a E, m/s.

    Args:
        mobility: of the anion, m2/(V s), > 0 (D_a z F/(RT)).
        field: electric field in the neutral bulk, V/m, >= 0.

    Source: J.-N. Chazalviel, Phys. Rev. A 42 (1990) 7355.
    """
    mobility, *_ = _positive("chazalviel_speed", mobility=mobility)
    strength = np.asarray(field, dtype=float)
    _bounded("chazalviel_speed", "field", strength, 0.0, math.inf)
    return _out(mobility * strength)


# ----------------------------------------------------------------------- current distribution


def wagner_number(kappa: ArrayLike, slope: ArrayLike, L: ArrayLike) -> Result:
    """Kinetic over ohmic resistance, kappa (d eta/d i)/L; large means even current.

    Args:
        kappa: S/m.
        slope: |d eta/d i|, ohm m2.
        L: length of the current path, m.

    Source: C. Wagner, J. Electrochem. Soc. 98 (1951) 116.
    """
    kappa, slope, L = _positive("wagner_number", kappa=kappa, slope=slope, L=L)
    return _out(kappa * slope / L)


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
    i0, alpha, T_, *_ = _positive("wagner_linear", i0=i0, alpha=alpha_a + alpha_c, T=T)
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
    i, alpha, T_, *_ = _positive("wagner_tafel", i=np.abs(i), alpha_c=alpha_c, T=T)
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
    _positive("resistive_column", L=L, kappa=kappa, sigma=sigma, area=area, i0=i0, T=T)
    place = np.asarray(y, dtype=float) / L
    _bounded("resistive_column", "y/L", place, 0.0, 1.0)
    both = 1.0 / kappa + 1.0 / sigma
    nu = column_number(L, kappa, sigma, area, i0, alpha_a, alpha_c, T)
    # cosh(nu s)/sinh(nu), without overflow for large nu
    from_top = (np.exp(nu * (place - 1.0)) + np.exp(-nu * (place + 1.0))) / -np.expm1(-2.0 * nu)
    from_bottom = (np.exp(-nu * place) + np.exp(nu * (place - 2.0))) / -np.expm1(-2.0 * nu)
    return _out(nu * (from_top / kappa + from_bottom / sigma) / both)


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
    _positive("column_number", L=L, kappa=kappa, sigma=sigma, area=area, i0=i0, T=T)
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
    kappa, radius = _positive("disk_current", kappa=kappa, radius=radius)
    return _out(4.0 * kappa * radius * np.asarray(voltage, dtype=float))


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
    radius, *_ = _positive("sphere_limiting_current", radius=radius, c0=c0, D=D)
    _fraction("sphere_limiting_current", t_plus)
    left = _salt("sphere_limiting_current", z, z_minus).anions_left(t_plus)
    return _out(4.0 * math.pi * radius * D * c0 / left)


# ----------------------------------------------------------------------- effective properties


def bruggeman(porosity: ArrayLike, exponent: float = 1.5) -> Result:
    """Effective over bulk conductivity of the pores, porosity^exponent (tortuosity eps^(1-exp)).

    Args:
        porosity: 0 to 1.
        exponent: 1.5 for spheres of all sizes, 2 for cylinders across the current.

    Source: D. A. G. Bruggeman, Ann. Phys. 416 (1935) 636.
    """
    eps = _bounded("bruggeman", "porosity", porosity, 0.0, 1.0)
    _positive("bruggeman", exponent=exponent)
    return _out(eps**exponent)


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
    """As `maxwell_spheres` for parallel cylinders across the current; e/(2 - e) for insulators."""
    return _maxwell("maxwell_cylinders", fraction, ratio, 2)


def _maxwell(name: str, fraction: ArrayLike, ratio: float, dimension: int) -> Result:
    phi = _bounded(name, "fraction", fraction, 0.0, 1.0)
    _bounded(name, "ratio", ratio, 0.0, math.inf)
    beta = (ratio - 1.0) / (ratio + dimension - 1.0)
    return _out((1.0 + (dimension - 1.0) * beta * phi) / (1.0 - beta * phi))


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
    phi = _bounded("hashin_shtrikman", "fraction", fraction, 0.0, 1.0)
    for name, value in (("first", first), ("second", second)):
        _bounded("hashin_shtrikman", name, value, 0.0, math.inf)
    if dimension not in (2, 3):
        raise ValueError(f"hashin_shtrikman: dimension must be 2 or 3, got {dimension!r}")

    def bound(reference: float) -> NDArray[np.float64]:
        if reference == 0.0:
            return np.where(phi == (1.0 if first == 0.0 else 0.0), max(first, second), 0.0)
        shift = (dimension - 1.0) * reference
        return 1.0 / ((1.0 - phi) / (first + shift) + phi / (second + shift)) - shift

    return _out(bound(min(first, second))), _out(bound(max(first, second)))


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
    phi = _bounded("cylinder_array", "fraction", fraction, 0.0, math.pi / 4.0, open_end=True)
    _bounded("cylinder_array", "ratio", ratio, 0.0, math.inf)
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

    return _out(np.vectorize(one, otypes=[float])(phi))


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


# ----------------------------------------------------------------------------- charge and metal


def faraday_thickness(charge: ArrayLike, molar_volume: float, z: int = 1) -> Result:
    """Thickness of dense metal per area, q V_m/(zF), m.

    Args:
        charge: C/m2, >= 0 (1 mAh/cm2 is 36000).
        molar_volume: m3/mol.
        z: charge number.
    """
    q = _bounded("faraday_thickness", "charge", charge, 0.0, math.inf)
    _positive("faraday_thickness", molar_volume=molar_volume, z=z)
    return _out(q * molar_volume / (z * FARADAY))


def front_speed(J: ArrayLike, molar_volume: float, z: int = 1) -> Result:
    """Speed of a flat plating front, J V_m/(zF), m/s; arguments of `faraday_thickness`."""
    return faraday_thickness(J, molar_volume, z)


def coulombic_efficiency(retention: ArrayLike, cycles: ArrayLike) -> Result:
    """Mean Coulombic efficiency (Q_n/Q_0)^(1/n) of a cell without excess metal.

    Args:
        retention: Q_n/Q_0, above 0 and at most 1.
        cycles: n, > 0.
    """
    kept, n = _positive("coulombic_efficiency", retention=retention, cycles=cycles)
    _bounded("coulombic_efficiency", "retention", kept, 0.0, 1.0)
    return _out(kept ** (1.0 / n))


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
    k, *_ = _positive(
        "front_growth_rate", k=k, J=J, L=L, kappa=kappa, V=molar_volume, gamma=surface_energy, i0=i0
    )
    unit = molar_volume / (z * FARADAY)
    rho = GAS_CONSTANT * T / ((alpha_a + alpha_c) * FARADAY * i0)
    wave = k / np.tanh(k * L)
    rate = unit * wave * (J - kappa * surface_energy * unit * k**2)
    return _out(rate / (1.0 + kappa * rho * wave))


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
    J, *_ = _positive(
        "neutral_wavelength", J=J, kappa=kappa, V=molar_volume, gamma=surface_energy, z=z
    )
    return _out(2.0 * math.pi * np.sqrt(kappa * surface_energy * molar_volume / (z * FARADAY * J)))


# ------------------------------------------------------------------------------------ nucleation


def cubic_surface_energy(normal: ArrayLike, surface_energy: float, delta4: float) -> Result:
    """Surface energy of a cubic crystal, gamma_0 [1 + delta4 (4 sum n_i^4 - 3)], J/m2.

    In 2D gamma_0 [1 + delta4 cos 4 theta]; largest along <10>, (1 - delta4) gamma_0 along <11>,
    (1 - 5/3 delta4) gamma_0 along <111>.

    Args:
        normal: components along the crystal's axes, (2, ...) or (3, ...), of any length but 0.
        surface_energy: gamma_0, J/m2.
        delta4: 0 to 0.6; from 1/15 on the shape at rest has corners.
    """
    _positive("cubic_surface_energy", gamma=surface_energy)
    d = _bounded("cubic_surface_energy", "delta4", delta4, 0.0, 0.6)
    n = np.asarray(normal, dtype=float)
    quartic = (n**4).sum(axis=0) / (n**2).sum(axis=0) ** 2
    return _out(surface_energy * (1.0 + d * (4.0 * quartic - 3.0)))


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
    R, *_ = _positive("cubic_curvature", radius=radius)
    d = _bounded("cubic_curvature", "delta4", delta4, 0.0, 0.6)
    n = np.asarray(normal, dtype=float)
    quartic = (n**4).sum(axis=0) / (n**2).sum(axis=0) ** 2
    dim = len(n)
    bend = (dim - 1) * (1.0 - 3.0 * d) + 4.0 * d * (12.0 - (9 + 3 * dim) * quartic)
    return _out(bend / R)


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
    drive, *_ = _positive(
        "critical_radius", eta=np.abs(eta), gamma=surface_energy, V=molar_volume, z=z
    )
    return _out(2.0 * surface_energy * molar_volume / (z * FARADAY * drive))


def nucleation_barrier(
    eta: ArrayLike, surface_energy: float, molar_volume: float, z: int = 1
) -> Result:
    """Free energy of the critical sphere, 16 pi gamma^3 V_m^2/(3 z^2 F^2 eta^2), J.

    (Printed versions lose gamma^3 or the bracket.) Arguments of `critical_radius`. Multiply by
    `heterogeneous_factor` for a cap on a wall.
    """
    drive, *_ = _positive(
        "nucleation_barrier", eta=np.abs(eta), gamma=surface_energy, V=molar_volume, z=z
    )
    return _out(
        16.0 * math.pi * surface_energy**3 * molar_volume**2 / (3.0 * (z * FARADAY * drive) ** 2)
    )


def heterogeneous_factor(contact_angle: ArrayLike) -> Result:
    """Barrier of a cap over that of a sphere, (2 - 3 cos + cos^3)/4: 0 at 0, 1/2 at 90 degrees.

    Args:
        contact_angle: through the metal, rad, 0 to pi.
    """
    cos = np.cos(_bounded("heterogeneous_factor", "contact_angle", contact_angle, 0.0, math.pi))
    return _out((2.0 - 3.0 * cos + cos**3) / 4.0)


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
    rate, _ = _positive("nucleation_rate", prefactor=prefactor, T=T)
    work = _bounded("nucleation_rate", "barrier", barrier, 0.0, math.inf)
    share = _bounded("nucleation_rate", "factor", factor, 0.0, 1.0)
    return _out(rate * np.exp(-work * share / (BOLTZMANN * T)))


def nuclei_density_ratio(eta: ArrayLike, eta_reference: ArrayLike) -> Result:
    """Number of nuclei at eta over that at eta_reference, |eta/eta_reference|^3.

    Args:
        eta: V, not 0.
        eta_reference: V, not 0.

    Source: A. Pei, G. Zheng, F. Shi, Y. Li, Y. Cui, Nano Lett. 17 (2017) 1132 (radius ~ 1/eta).
    """
    first, second = _positive(
        "nuclei_density_ratio", eta=np.abs(eta), eta_reference=np.abs(eta_reference)
    )
    return _out((first / second) ** 3)


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
    r, *_ = _positive(
        "nucleus_current", radius=radius, gamma=surface_energy, V=molar_volume, bulk=bulk,
        surface=surface, T=T,
    )  # fmt: skip
    unit = GAS_CONSTANT * T / (surface_energy * molar_volume * FARADAY)
    return _out(1.0 / (r**2 * unit / (2.0 * bulk) + r**3 * unit / surface))


# ------------------------------------------------------------------------------------- mechanics


def monroe_newman_shift(
    curvature: ArrayLike,
    normal_stress_jump: ArrayLike,
    pressure_metal: ArrayLike,
    pressure_electrolyte: ArrayLike,
    surface_energy: float,
    molar_volume: float,
    molar_volume_ion: float,
    z: int = 1,
) -> Result:
    """Shift of the electron's chemical potential by a deformed interface, J/mol.

    (1/2z) {(V_m + V_ion)[-gamma K + n.(tau_metal - tau_electrolyte).n]
    + (V_m - V_ion)(dp_electrolyte + dp_metal)}, n out of the metal, tau the deviatoric stress. The
    stresses are inputs: Monroe and Newman take them from two elastic half-spaces, which gives their
    rule that a separator of about twice the metal's shear modulus flattens a ripple.
    Limits: small ripples, linear elasticity, no plastic flow, uniform current.

    Args:
        curvature: K of the metal, positive for convex, 1/m.
        normal_stress_jump: n.(tau_metal - tau_electrolyte).n, Pa.
        pressure_metal: change of pressure in the metal at the interface, Pa.
        pressure_electrolyte: change of pressure in the electrolyte, Pa.
        surface_energy: J/m2.
        molar_volume: of the metal, m3/mol.
        molar_volume_ion: partial molar volume of its ion in the electrolyte, m3/mol.
        z: charge number.

    Source: C. Monroe and J. Newman, J. Electrochem. Soc. 151 (2004) A880 and 152 (2005) A396.
    """
    _positive("monroe_newman_shift", gamma=surface_energy, V=molar_volume, z=z)
    face = -surface_energy * np.asarray(curvature, float) + np.asarray(normal_stress_jump, float)
    squeeze = np.asarray(pressure_metal, float) + np.asarray(pressure_electrolyte, float)
    plus, minus = molar_volume + molar_volume_ion, molar_volume - molar_volume_ion
    return _out((plus * face + minus * squeeze) / (2.0 * z))


def monroe_newman_factor(shift: ArrayLike, alpha_a: float = 0.5, T: float = T_REF) -> Result:
    """Plating current at a deformed over that at a flat interface, exp((1 - alpha_a) dmu/(RT)).

    Below 1 at a peak means that the ripple is flattened.

    Args:
        shift: of `monroe_newman_shift`, J/mol.
        alpha_a: anodic transfer coefficient, 0 to 1.
        T: K.

    Source: C. Monroe and J. Newman, J. Electrochem. Soc. 151 (2004) A880.
    """
    _bounded("monroe_newman_factor", "alpha_a", alpha_a, 0.0, 1.0)
    return _out(np.exp((1.0 - alpha_a) * np.asarray(shift, dtype=float) / (GAS_CONSTANT * T)))


def sei_shell_stress(
    r: ArrayLike, inner: float, outer: float, pressure: float
) -> tuple[Result, Result]:
    """Radial and tangential stress in an elastic shell under inner pressure, Pa, tension positive.

    s_r = -p a^3 (b^3 - r^3)/(r^3 (b^3 - a^3)), s_t = p a^3 (2 r^3 + b^3)/(2 r^3 (b^3 - a^3)): the
    tangential stress is tensile and largest at the metal side.

    Args:
        r: radius, inner to outer, m.
        inner: a, radius of the metal, m.
        outer: b, outer radius of the shell, m.
        pressure: p inside, Pa.

    Source: S. P. Timoshenko and J. N. Goodier, Theory of Elasticity (Lame's sphere).
    """
    _positive("sei_shell_stress", inner=inner, outer=outer)
    if not outer > inner:
        raise ValueError(f"sei_shell_stress: outer must be above inner, got {outer:g}, {inner:g}")
    r3 = _bounded("sei_shell_stress", "r", r, inner, outer) ** 3
    a3, b3 = inner**3, outer**3
    unit = pressure * a3 / (r3 * (b3 - a3))
    return _out(-unit * (b3 - r3)), _out(unit * (2.0 * r3 + b3) / 2.0)


# ---------------------------------------------------------------------------------- space charge


def debye_length(c: ArrayLike, eps_r: float, T: float = T_REF, z: int = 1) -> Result:
    """Thickness of the diffuse layer, sqrt(eps0 eps_r RT/(2 z^2 F^2 c)), m, for a z:z salt.

    Args:
        c: mol/m3.
        eps_r: relative permittivity.
        T: K.
        z: charge number.
    """
    c, *_ = _positive("debye_length", c=c, eps_r=eps_r, T=T, z=z)
    return _out(np.sqrt(EPSILON_0 * eps_r * GAS_CONSTANT * T / (2.0 * (z * FARADAY) ** 2 * c)))


def donnan_potential(charge: ArrayLike, c0: ArrayLike, T: float = T_REF, z: int = 1) -> Result:
    """Potential of a charged medium against the bath, (RT/zF) asinh(rho/(2 z F c0)), V.

    Args:
        charge: fixed charge rho per volume of pore liquid, C/m3, either sign.
        c0: salt in the bath, mol/m3.
        T: K.
        z: charge number.
    """
    c0, *_ = _positive("donnan_potential", c0=c0, T=T, z=z)
    unit = GAS_CONSTANT * T / (z * FARADAY)
    return _out(unit * np.arcsinh(np.asarray(charge, dtype=float) / (2.0 * z * FARADAY * c0)))


def grahame_charge(phi: ArrayLike, c: float, eps_r: float, T: float = T_REF, z: int = 1) -> Result:
    """Charge of a wall at potential phi, sqrt(8 eps RT c) sinh(z F phi/2RT), C/m2.

    Args:
        phi: against the bulk, V.
        c: bulk salt, mol/m3.
        eps_r: relative permittivity.
        T: K.
        z: charge number.

    Source: D. C. Grahame, Chem. Rev. 41 (1947) 441.
    """
    _positive("grahame_charge", c=c, eps_r=eps_r, T=T, z=z)
    half = z * FARADAY * np.asarray(phi, dtype=float) / (2.0 * GAS_CONSTANT * T)
    return _out(math.sqrt(8.0 * EPSILON_0 * eps_r * GAS_CONSTANT * T * c) * np.sinh(half))


def gouy_chapman(
    x: ArrayLike, phi0: float, c: float, eps_r: float, T: float = T_REF, z: int = 1
) -> Result:
    """Potential at a distance from a flat wall, tanh(zF phi/4RT) = tanh(zF phi0/4RT) exp(-x/l), V.

    Args:
        x: distance, >= 0, m.
        phi0: potential of the wall against the bulk, V.
        c: bulk salt, mol/m3.
        eps_r: relative permittivity.
        T: K.
        z: charge number.

    Source: D. L. Chapman, Phil. Mag. 25 (1913) 475.
    """
    length = debye_length(c, eps_r, T, z)
    place = _bounded("gouy_chapman", "x", x, 0.0, math.inf)
    unit = 4.0 * GAS_CONSTANT * T / (z * FARADAY)
    return _out(unit * np.arctanh(math.tanh(phi0 / unit) * np.exp(-place / length)))


def boltzmann_anion(phi: ArrayLike, c0: float, T: float = T_REF, z: int = 1) -> Result:
    """Concentration of anions at rest, c0 exp(zF phi/RT), mol/m3.

    Args:
        phi: against the bulk, V.
        c0: in the bulk, mol/m3.
        T: K.
        z: charge number (of the anion: -z).
    """
    _positive("boltzmann_anion", c0=c0, T=T, z=z)
    return _out(c0 * np.exp(z * FARADAY * np.asarray(phi, dtype=float) / (GAS_CONSTANT * T)))


# --------------------------------------------------------------------------------------- helpers


def _positive(function: str, **values: ArrayLike) -> list[NDArray[np.float64]]:
    """The arguments as arrays, each checked to be finite and above zero."""
    arrays = []
    for name, value in values.items():
        array = np.asarray(value, dtype=float)
        bad = ~(np.isfinite(array) & (array > 0.0))
        if bad.any():
            raise ValueError(f"{function}: {name} must be above 0, got {array[bad].flat[0]:g}")
        arrays.append(array)
    return arrays


def _bounded(
    function: str, name: str, value: ArrayLike, low: float, high: float, open_end: bool = False
) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=float)
    bad = ~((array >= low) & (array < high if open_end else array <= high))
    if bad.any():
        upper = f"below {high:g}" if open_end else f"at most {high:g}"
        wanted = f"at least {low:g}" + ("" if math.isinf(high) else f" and {upper}")
        raise ValueError(f"{function}: {name} must be {wanted}, got {array[bad].flat[0]:g}")
    return array


def _salt(function: str, z: int, z_minus: int | None) -> Salt:
    """The salt of these charges, z:z if the anion's is not given."""
    anion = -z if z_minus is None else z_minus
    for name, value, sign in (("z", z, 1), ("z_minus", anion, -1)):
        if value != int(value) or not sign * value > 0:
            side = "above" if sign > 0 else "below"
            raise ValueError(f"{function}: {name} must be a whole number {side} 0, got {value!r}")
    return Salt(int(z), int(anion))


def _fraction(function: str, t_plus: float) -> None:
    if not (math.isfinite(t_plus) and t_plus < 1.0):
        raise ValueError(f"{function}: t_plus must be below 1, got {t_plus:g}")


def _out(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else value
