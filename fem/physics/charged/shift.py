r"""Ions of a charged medium: how many there are, and how they move, over the salt c.

c is the salt of a neutral solution in equilibrium with the point; it and phi_l are continuous where
the charge jumps. There are c_plus = c g_plus(c) metal ions and c_minus = c g_minus(c) anions, and
the equations of a neutral binary salt hold unchanged with

    t_plus = D_plus c_plus/S,  kappa = (zF)^2 S/(RT),  D = 2 D_plus D_minus c_plus c_minus/(c S)
    S = D_plus c_plus + D_minus c_minus;   thermodynamic factor 1;   stored: c_minus

They follow from fluxes N = -(D_i c_i/RT) grad mu_i with grad mu_plus = zF grad phi_l and
grad mu_minus = 2 RT grad ln c - zF grad phi_l. Ions are ideal, of charges z and -z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.materials.ops import exp, ln, sqrt
from fem.values.expressions import is_ufl

__all__ = ["Donnan", "Shift", "Tabulated", "laws"]


class Shift(Protocol):
    """Shift of the ions by a charge; functions of c in mol/m3, floats, arrays or UFL."""

    def c_plus(self, c: Any) -> Any:
        """Metal ions, mol/m3."""

    def c_minus(self, c: Any) -> Any:
        """Anions, mol/m3."""

    def salt_of(self, c_minus: float) -> float:
        """Salt in equilibrium with so many anions, mol/m3; NaN if no metal ions are left."""


@dataclass(frozen=True)
class Donnan:
    """Charge spread evenly: z F (c_plus - c_minus) + rho = 0 and c_plus c_minus = c^2.

    Attributes:
        half: rho/(2zF), mol/m3; above 0 for a positive charge.
    """

    half: float

    @classmethod
    def of(cls, density: float, z: int) -> Donnan:
        """Shift by a charge in C/m3 of liquid, with a z:z salt."""
        return cls(density / (2.0 * z * FARADAY))

    def c_plus(self, c: Any) -> Any:
        """Metal ions, mol/m3."""
        return self._many(c) if self.half < 0.0 else self._few(c)

    def c_minus(self, c: Any) -> Any:
        """Anions, mol/m3."""
        return self._few(c) if self.half < 0.0 else self._many(c)

    def _many(self, c: Any) -> Any:
        """Ions of the charge's opposite sign."""
        return sqrt(c * c + self.half**2) + abs(self.half)

    def _few(self, c: Any) -> Any:
        """Ions of its own sign; not the difference of two large numbers."""
        return c * c / self._many(c)

    def salt_of(self, c_minus: float) -> float:
        """Salt in equilibrium with so many anions, mol/m3; NaN if no metal ions are left."""
        left = c_minus * (c_minus - 2.0 * self.half)
        return float(np.sqrt(left)) if left > 0.0 else float("nan")


class Tabulated:
    """Ions of a table, ln c_plus and ln c_minus piecewise linear in ln c.

    Its end pieces are continued: below, they are those of a pore that holds counter-ions only.

    Args:
        c: salt, mol/m3, rising.
        g_plus, g_minus: ions over salt.
    """

    def __init__(self, c: Any, g_plus: Any, g_minus: Any):
        self._at = np.log(np.asarray(c, dtype=float))
        self._plus, self._minus = (self._at + np.log(np.asarray(g)) for g in (g_plus, g_minus))

    def c_plus(self, c: Any) -> Any:
        """Metal ions, mol/m3."""
        return self._ions(c, self._plus)

    def c_minus(self, c: Any) -> Any:
        """Anions, mol/m3."""
        return self._ions(c, self._minus)

    def _ions(self, c: Any, values: Any) -> Any:
        slopes = np.diff(values) / np.diff(self._at)
        x = ln(c)
        total = float(values[0]) + float(slopes[0]) * (x - float(self._at[0]))
        for knot, bend in zip(self._at[1:-1], np.diff(slopes), strict=True):
            total = total + float(bend) * _above(x, float(knot))
        return exp(total)

    def salt_of(self, c_minus: float) -> float:
        """Salt in equilibrium with so many anions, mol/m3."""
        slopes = np.diff(self._minus) / np.diff(self._at)
        y = float(np.log(c_minus))
        k = int(np.clip(np.searchsorted(self._minus, y) - 1, 0, len(slopes) - 1))
        return float(np.exp(self._at[k] + (y - self._minus[k]) / slopes[k]))


def _above(x: Any, knot: float) -> Any:
    """max(x - knot, 0)."""
    if is_ufl(x):
        import ufl

        return ufl.max_value(x - knot, 0.0)
    return np.maximum(x - knot, 0.0)


Law = Callable[[Any, Any], Any]


def laws(shift: Shift, D: Law, t_plus: Law, z: int) -> dict[str, Law]:
    """Transport of the medium by name, and the salt `held`, mol/m3; functions of (c, T).

    Args:
        shift: of its ions.
        D: salt diffusivity of the neutral electrolyte, m2/s, of T alone.
        t_plus: transference number of its metal ion, of T alone.
        z: charge number of the metal ion; that of the anion is -z.
    """

    def moved(c: Any, T: Any) -> tuple[Any, Any]:
        """D_i c_i of metal ion and anion, mol/(m s)."""
        share = t_plus(c, T)
        D_plus, D_minus = D(c, T) / (2.0 * (1.0 - share)), D(c, T) / (2.0 * share)
        return D_plus * shift.c_plus(c), D_minus * shift.c_minus(c)

    def kappa(c: Any, T: Any) -> Any:
        return (z * FARADAY) ** 2 / (GAS_CONSTANT * T) * sum(moved(c, T))

    def diffusivity(c: Any, T: Any) -> Any:
        plus, minus = moved(c, T)
        return 2.0 * plus * minus / (c * (plus + minus))

    def transference(c: Any, T: Any) -> Any:
        plus, minus = moved(c, T)
        return plus / (plus + minus)

    return {
        "kappa": kappa, "D": diffusivity, "t_plus": transference,
        "thermodynamic_factor": lambda c, T: 1.0, "held": lambda c, T: shift.c_minus(c),
    }
