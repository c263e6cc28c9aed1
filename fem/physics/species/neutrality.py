"""The electrostatic potential from electroneutrality, place by place, and the ions it leaves there.

With psi the potential of the metal ion over the electrostatic one, in RT/F,

    c_i = a_i exp(z_i psi),  a_i = c_ref exp(s_i mu_i F/(RT));   F sum z_i c_i + rho = 0

s_i is z_i, or 1 of a molecule. Positive charges P and negative ones N, the fixed charge with its
side, are equal where ln P = ln N. That difference rises with a slope between 1 and 8, so Newton's
method finds its zero from anywhere in a few steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.constants import FARADAY

__all__ = ["Neutrality"]

Array = npt.NDArray[np.float64]

#: Change of psi that ends the search, and most steps of it.
TOLERANCE, MAX_STEPS = 1e-14, 100
#: Most that one step changes psi.
LONGEST = 20.0


@dataclass(frozen=True)
class Neutrality:
    """Ions at a place as functions of their potentials mu_i, V.

    Attributes:
        z: charge numbers; that of the metal ion, for which mu is 0, stands first.
        c_ref: mol/m3.
        thermal: RT/F, V; a number or UFL.
    """

    z: tuple[int, ...]
    c_ref: float

    def amounts(self, mu: Sequence[Any], thermal: Any, exp: Any = np.exp) -> list[Any]:
        """a_i, mol/m3, from mu_i of all ions but the first."""
        given = [self.c_ref * exp((z or 1) * each / thermal)
                 for z, each in zip(self.z[1:], mu, strict=True)]
        return [self.c_ref, *given]

    def _sides(self, a: Sequence[Any], psi: Any, rho: Any, exp: Any) -> tuple[Any, Any, Any, Any]:
        """P and N, mol/m3 of charge, and their slopes by psi.

        Args:
            a: see `amounts`.
            psi: where.
            rho: positive and negative fixed charge, each above 0 or absent, C/m3.
            exp: of arrays or UFL.
        """
        sums = []
        for sign, fixed in zip((1, -1), rho, strict=True):
            parts = [(abs(z), abs(z) * amount * exp(z * psi))
                     for z, amount in zip(self.z, a, strict=True) if z * sign > 0]
            held = 0.0 if fixed is None else fixed / FARADAY
            sums += [sum((c for _, c in parts), held), sign * sum(z * c for z, c in parts)]
        plus, rise, minus, fall = sums
        return plus, minus, rise, fall

    def find(self, mu: Sequence[Array], thermal: float, rho: Array, psi: Array) -> Array:
        """Psi at places, in RT/F.

        Args:
            mu: of all ions but the first, V.
            thermal: RT/F, V.
            rho: fixed charge, C/m3.
            psi: where to begin.

        Raises:
            RunError: there is none, as where a potential is not finite.
        """
        fixed = np.maximum(rho, 0.0), np.maximum(-rho, 0.0)
        with np.errstate(all="ignore"):
            a = self.amounts(mu, thermal)
            psi = np.where(np.isfinite(psi), psi, 0.0)
            for _ in range(MAX_STEPS):
                plus, minus, rise, fall = self._sides(a, psi, fixed, np.exp)
                step = -(np.log(plus) - np.log(minus)) / (rise / plus - fall / minus)
                psi = psi + np.clip(np.nan_to_num(step), -LONGEST, LONGEST)
                if np.abs(np.nan_to_num(step)).max(initial=0.0) <= TOLERANCE * (
                    1.0 + np.abs(psi).max(initial=0.0)
                ):
                    return psi
        return psi

    def ions(self, mu: Sequence[Array], thermal: float, psi: Array) -> list[Array]:
        """Concentrations where psi is known, mol/m3."""
        with np.errstate(all="ignore"):
            a = self.amounts(mu, thermal)
            return [amount * np.exp(z * psi) for z, amount in zip(self.z, a, strict=True)]

    def near(self, mu: Sequence[Any], thermal: Any, rho: tuple[Any, Any], psi: Any) -> list[Any]:
        """Concentrations as UFL, by one Newton step from a field psi that is right at the nodes.

        There value and derivatives are exact; between nodes the step takes the linear function
        through them to neutrality.

        Args:
            mu: UFL, of all ions but the first, V.
            thermal: UFL, RT/F, V.
            rho: positive and negative fixed charge, C/m3, None for one that is nowhere.
            psi: field.
        """
        a = self.amounts(mu, thermal, ufl.exp)
        plus, minus, rise, fall = self._sides(a, psi, rho, ufl.exp)
        exact = psi - (ufl.ln(plus) - ufl.ln(minus)) / (rise / plus - fall / minus)
        return [amount * ufl.exp(z * exact) if z else amount
                for z, amount in zip(self.z, a, strict=True)]

    def symmetric(self) -> bool:
        """Two ions of one charge number, for which there is a closed form."""
        return len(self.z) == 2 and self.z[0] == -self.z[1]

    def closed(
        self, mu: Any, thermal: Any, surplus: Any, *, positive: bool, exp: Any = ufl.exp,
        sqrt: Any = ufl.sqrt,
    ) -> list[Any]:
        """Concentrations of two ions of charge z and -z, UFL or arrays.

        Args:
            mu: of the anion.
            thermal: RT/F, V.
            surplus: half of what one ion has more than the other, |rho|/(2zF), mol/m3; or 0.
            positive: the fixed charge is, so that anions have more.
            exp: of arrays or UFL.
            sqrt: of arrays or UFL.
        """
        m = self.c_ref * exp(-self.z[0] * mu / (2 * thermal))
        if isinstance(surplus, float) and surplus == 0.0:
            return [m, m]
        more = sqrt(m * m + surplus * surplus) + surplus
        less = m * (m / more)
        return [less, more] if positive else [more, less]

    def potentials(self, c: Sequence[Any], thermal: float) -> list[Any]:
        """mu_i, V, of all ions but the first from all concentrations, mol/m3."""
        psi = np.log(np.asarray(c[0]) / self.c_ref) / self.z[0]
        return [
            thermal * (np.log(np.asarray(each) / self.c_ref) - z * psi) / (z or 1)
            for z, each in zip(self.z[1:], c[1:], strict=True)
        ]
