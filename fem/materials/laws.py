"""Transport laws of electrolytes: pure functions of c and T, for floats, arrays and UFL.

c is the salt concentration in mol/m3, T the temperature in K; every result is in SI. A
concentration below `LOWEST_C` counts as `LOWEST_C`, so that a stray Newton iterate meets no root of
a negative number; that the state itself stays positive is the solver's duty.

The functions with a source are fits: outside the range their authors measured they still give a
number, so each `Electrolyte` states its range and `Electrolyte.outside` tells when it is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fem.base.constants import GAS_CONSTANT, T_REF
from fem.materials.ops import exp, floor, sqrt
from fem.theory.salt import Salt

#: Concentration, mol/m3, below which laws no longer change.
LOWEST_C = 1e-6
#: Concentration, mol/m3, below which exchange currents no longer change. At a voltage held far
#: beyond the limiting current a wall has 1e-25 of the salt of the bulk, or less: what i0 has lost
#: by then is what limits the current.
TRACE_C = 1e-63


def constant(value: float) -> Callable[[Any, Any], float]:
    """A law that ignores c and T; `value` in SI."""
    return lambda c, T: value


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """a0 + a1 x + a2 x^2 + ...

    Args:
        x: float, array or UFL.
        coefficients: a0, a1, ..., lowest power first.
    """
    result: Any = 0.0
    for coefficient in reversed(coefficients):
        result = result * x + coefficient
    return result


def arrhenius(Ea: float, T: Any, T_ref: float = T_REF) -> Any:
    """Factor exp(-(Ea/R)(1/T - 1/T_ref)), 1 at T_ref.

    Args:
        Ea: activation energy, J/mol.
        T: K.
        T_ref: K.
    """
    return exp(-(Ea / GAS_CONSTANT) * (1.0 / T - 1.0 / T_ref))


def nernst_einstein(
    c: Any, T: Any, D: Any, t_plus: Any, z: int = 1, z_minus: int | None = None
) -> Any:
    """Conductivity of an ideal salt, see `Salt.ideal_kappa`, S/m.

    Args:
        c: mol/m3.
        T: K.
        D: salt diffusivity, m2/s.
        t_plus: transference number of the cation, between 0 and 1.
        z: charge number of the cation.
        z_minus: of the anion; default -z.
    """
    salt = Salt(z, -z if z_minus is None else z_minus)
    return salt.ideal_kappa(floor(c, LOWEST_C), T, D, t_plus)


def exchange_current(
    c: Any, T: Any, i0_ref: Any, c_ref: Any, alpha_a: Any, z: int, Ea: Any
) -> Any:
    """Mass action, i0_ref (c/c_ref)^(alpha_a/z) exp(-(Ea/R)(1/T - 1/T_ref)), A/m2.

    The metal ions are used in the first order, i_c ~ c exp(-alpha_c F phi/RT); against a reference
    electrode in the same solution, which moves by (RT/zF) ln c, this leaves
    c^(1 - alpha_c/z) = c^(alpha_a/z), since alpha_a + alpha_c = z.

    Args:
        c: salt concentration, mol/m3.
        T: K.
        i0_ref: at c_ref and 298.15 K, A/m2.
        c_ref: mol/m3.
        alpha_a: anodic transfer coefficient.
        z: charge number of the metal ion.
        Ea: activation energy, J/mol.
    """
    power = alpha_a if z == 1 else alpha_a / z
    return i0_ref * (floor(c, TRACE_C) / c_ref) ** power * arrhenius(Ea, T)


# ------------------------------------------------- Nyman, Behm, Lindbergh 2008: LiPF6 in EC:EMC 3:7


def nyman2008_kappa(c: Any, T: Any) -> Any:
    """0.1297 M^3 - 2.51 M^1.5 + 3.329 M, S/m, M = c in mol/L; measured at 25 degC."""
    m = _molar(c)
    return 0.1297 * m * m * m - 2.51 * m * sqrt(m) + 3.329 * m


def nyman2008_D(c: Any, T: Any) -> Any:
    """8.794e-11 M^2 - 3.972e-10 M + 4.862e-10, m2/s; measured at 25 degC."""
    return polynomial(_molar(c), (4.862e-10, -3.972e-10, 8.794e-11))


def nyman2008_t_plus(c: Any, T: Any) -> Any:
    """-0.1287 M^3 + 0.4106 M^2 - 0.4717 M + 0.4492; measured at 25 degC."""
    return polynomial(_molar(c), (0.4492, -0.4717, 0.4106, -0.1287))


def nyman2008_thermodynamic_factor(c: Any, T: Any) -> Any:
    """(0.28687 M^2 + 0.74678 M + 0.44103)/(1 - t_plus); measured at 25 degC."""
    return polynomial(_molar(c), (0.44103, 0.74678, 0.28687)) / (1.0 - nyman2008_t_plus(c, T))


# ------------------------------------------------------------------ Landesfeind and Gasteiger 2019


def landesfeind2019_kappa(c: Any, T: Any, p: Sequence[float]) -> Any:
    """p1 (1 + T - p2) M (1 + p3 sqrt(M) + p4 (1 + p5 e) M)/(1 + p6 e M^4), e = exp(1000/T), S/m.

    Args:
        c: mol/m3.
        T: K.
        p: the six coefficients of a solvent; the published fit is in mS/cm.
    """
    m = _molar(c)
    e = exp(1000.0 / T)
    top = p[0] * (1.0 + T - p[1]) * m * (1.0 + p[2] * sqrt(m) + p[3] * (1.0 + p[4] * e) * m)
    return 0.1 * top / (1.0 + p[5] * e * m * m * m * m)


def landesfeind2019_D(c: Any, T: Any, p: Sequence[float]) -> Any:
    """p1 exp(p2 M) exp(p3/T) exp(p4 M/T) 1e-10, m2/s.

    Args:
        c: mol/m3.
        T: K.
        p: the four coefficients of a solvent.
    """
    m = _molar(c)
    return 1e-10 * p[0] * exp(p[1] * m + p[2] / T + p[3] * m / T)


def landesfeind2019_bicubic(c: Any, T: Any, p: Sequence[float]) -> Any:
    """p1 + p2 M + p3 T + p4 M^2 + p5 M T + p6 T^2 + p7 M^3 + p8 M^2 T + p9 M T^2.

    The form of both t_plus and the thermodynamic factor. The coefficients are published with three
    digits, which the cancelling terms turn into an uncertainty of about 0.1 in t_plus.

    Args:
        c: mol/m3.
        T: K.
        p: the nine coefficients of a solvent.
    """
    m = _molar(c)
    constant_part = p[0] + p[2] * T + p[5] * T * T
    linear_part = p[1] + p[4] * T + p[8] * T * T
    return constant_part + m * (linear_part + m * (p[3] + p[7] * T + p[6] * m))


_LANDESFEIND_EC_EMC_3_7: dict[str, tuple[float, ...]] = {
    "kappa": (5.21e-1, 2.28e2, -1.06, 3.53e-1, -3.59e-3, 1.48e-3),
    "D": (1.01e3, 1.01, -1.56e3, -4.87e2),
    "t_plus": (-1.28e1, -6.12, 8.21e-2, 9.04e-1, 3.18e-2, -1.27e-4, 1.75e-2, -3.12e-3, -3.96e-5),
    "thermodynamic_factor": (
        *(2.57e1, -4.51e1, -1.77e-1, 1.94, 2.95e-1, 3.08e-4),
        *(2.59e-1, -9.46e-3, -4.54e-4),
    ),
}


# --------------------------------------------- Valoen and Reimers 2005: LiPF6 in PC:EC:DMC 10:27:63


def valoen_reimers2005_kappa(c: Any, T: Any) -> Any:
    """0.1 M [a(T) + b(T) M + d(T) M^2]^2, S/m.

    a = -10.5 + 0.074 T - 6.96e-5 T^2, b = 0.668 - 0.0178 T + 2.8e-5 T^2, d = 0.494 - 8.86e-4 T
    """
    m = _molar(c)
    a = -10.5 + 0.074 * T - 6.96e-5 * T * T
    b = 0.668 - 0.0178 * T + 2.8e-5 * T * T
    d = 0.494 - 8.86e-4 * T
    root = a + m * (b + m * d)
    return 0.1 * m * root * root


def valoen_reimers2005_D(c: Any, T: Any) -> Any:
    """10^(-8.43 - 54/(T - 229 - 5 M) - 0.22 M), m2/s."""
    m = _molar(c)
    return exp(2.302585092994046 * (-8.43 - 54.0 / (T - 229.0 - 5.0 * m) - 0.22 * m))


def valoen_reimers2005_thermodynamic_factor(c: Any, T: Any) -> Any:
    """(0.601 - 0.24 sqrt(M) + 0.982 [1 - 0.0052 (T - 294)] M^1.5)/(1 - 0.38)."""
    m = _molar(c)
    root = sqrt(m)
    tail = 0.982 * (1.0 - 0.0052 * (T - 294.0)) * m * root
    return (0.601 - 0.24 * root + tail) / (1.0 - 0.38)


def _molar(c: Any) -> Any:
    return floor(c, LOWEST_C) / 1000.0


def _landesfeind(form: Callable[[Any, Any, Sequence[float]], Any], p: Sequence[float]) -> Any:
    return lambda c, T: form(c, T, p)


#: Quantity -> name of the law in a TOML file -> function of (c, T).
LAWS: Mapping[str, Mapping[str, Callable[[Any, Any], Any]]] = {
    "kappa": {
        "nyman2008": nyman2008_kappa,
        "landesfeind2019_EC_EMC_3_7": _landesfeind(
            landesfeind2019_kappa, _LANDESFEIND_EC_EMC_3_7["kappa"]
        ),
        "valoen_reimers2005": valoen_reimers2005_kappa,
    },
    "D": {
        "nyman2008": nyman2008_D,
        "landesfeind2019_EC_EMC_3_7": _landesfeind(landesfeind2019_D, _LANDESFEIND_EC_EMC_3_7["D"]),
        "valoen_reimers2005": valoen_reimers2005_D,
    },
    "t_plus": {
        "nyman2008": nyman2008_t_plus,
        "landesfeind2019_EC_EMC_3_7": _landesfeind(
            landesfeind2019_bicubic, _LANDESFEIND_EC_EMC_3_7["t_plus"]
        ),
    },
    "thermodynamic_factor": {
        "nyman2008": nyman2008_thermodynamic_factor,
        "landesfeind2019_EC_EMC_3_7": _landesfeind(
            landesfeind2019_bicubic, _LANDESFEIND_EC_EMC_3_7["thermodynamic_factor"]
        ),
        "valoen_reimers2005": valoen_reimers2005_thermodynamic_factor,
    },
}
