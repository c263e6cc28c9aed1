"""Mechanics at an interface: stress-shifted kinetics, stress in a shell."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fem.base.constants import GAS_CONSTANT, T_REF
from fem.theory.arguments import Result, bounded, plain, positive


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
    positive("monroe_newman_shift", gamma=surface_energy, V=molar_volume, z=z)
    face = -surface_energy * np.asarray(curvature, float) + np.asarray(normal_stress_jump, float)
    squeeze = np.asarray(pressure_metal, float) + np.asarray(pressure_electrolyte, float)
    plus, minus = molar_volume + molar_volume_ion, molar_volume - molar_volume_ion
    return plain((plus * face + minus * squeeze) / (2.0 * z))


def monroe_newman_factor(shift: ArrayLike, alpha_a: float = 0.5, T: float = T_REF) -> Result:
    """Plating current at a deformed over that at a flat interface, exp((1 - alpha_a) dmu/(RT)).

    Below 1 at a peak means that the ripple is flattened.

    Args:
        shift: of `monroe_newman_shift`, J/mol.
        alpha_a: anodic transfer coefficient, 0 to 1.
        T: K.

    Source: C. Monroe and J. Newman, J. Electrochem. Soc. 151 (2004) A880.
    """
    bounded("monroe_newman_factor", "alpha_a", alpha_a, 0.0, 1.0)
    return plain(np.exp((1.0 - alpha_a) * np.asarray(shift, dtype=float) / (GAS_CONSTANT * T)))


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
    positive("sei_shell_stress", inner=inner, outer=outer)
    if not outer > inner:
        raise ValueError(f"sei_shell_stress: outer must be above inner, got {outer:g}, {inner:g}")
    r3 = bounded("sei_shell_stress", "r", r, inner, outer) ** 3
    a3, b3 = inner**3, outer**3
    unit = pressure * a3 / (r3 * (b3 - a3))
    return plain(-unit * (b3 - r3)), plain(unit * (2.0 * r3 + b3) / 2.0)
