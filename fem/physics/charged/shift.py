r"""Ions of a charged medium: how many there are, and how they move, over the salt c.

c is the salt of a neutral solution in equilibrium with the point; it and phi_l are continuous where
the charge jumps. With y, the electrostatic potential of the charge in -RT/(zF), there are

    c_plus = m exp(y),   c_minus = m exp(-y)

m = c and y = asinh(-rho/(2zFc)) where a charge rho is spread evenly (Donnan); in a channel m > c.
The equations of a neutral binary salt hold unchanged with

    t_plus = D_plus exp(y)/s,   kappa = (zF)^2 m s/(RT),   D = 2 D_plus D_minus m/(c s)
    s = D_plus exp(y) + D_minus exp(-y);   thermodynamic factor 1;   stored: c_minus

They follow from fluxes N = -(D_i c_i/RT) grad mu_i with grad mu_plus = zF grad phi_l and
grad mu_minus = 2 RT grad ln c - zF grad phi_l. Ions are ideal, of charges z and -z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.materials.ops import exp, ln, sqrt
from fem.values.expressions import is_ufl

__all__ = ["FIT_TOLERANCE", "Shift", "Smooth", "laws"]

Array = npt.NDArray[np.float64]

#: Difference of a fit from the rows of a table, of y and of ln(m/c).
FIT_TOLERANCE = 5e-4
#: Highest degree of a fit; a form carries each term, in every law of the medium. Beyond half of the
#: rows, from a cubic on, it could swing between them.
MOST_DEGREE = 24
CUBIC = 3
#: ln c (mol/m3) between which a salt is looked for.
LN_C_RANGE = -200.0, 30.0


@dataclass(frozen=True)
class Smooth:
    """Polynomial of ln c between two ends; beyond them constant, or below of a given slope.

    Attributes:
        low, high: the ends, ln of mol/m3.
        factors: of powers of ln c less the middle of both, lowest power first.
        slope: by ln c below the lower end.
    """

    low: float
    high: float
    factors: tuple[float, ...]
    slope: float = 0.0

    @classmethod
    def through(cls, x: Array, y: Array, slope: float = 0.0) -> Smooth:
        """Polynomial of lowest degree that passes within `FIT_TOLERANCE` of the rows.

        Raises:
            ValueError: none does.
        """
        half = 0.5 * (x[-1] - x[0])
        u = (x - x[0]) / half - 1.0
        off = np.abs(y)
        for degree in range(min(max(len(x) // 2, CUBIC), len(x) - 1, MOST_DEGREE) + 1):
            fit = np.polynomial.Chebyshev.fit(u, y, degree, domain=(-1.0, 1.0))
            off = np.abs(fit(u) - y)
            if off.max() <= FIT_TOLERANCE:
                powers = fit.convert(kind=np.polynomial.Polynomial).coef
                factors = tuple(float(f) / half**k for k, f in enumerate(powers))
                return cls(float(x[0]), float(x[-1]), factors, slope)
        worst = float(np.exp(x[int(np.argmax(off))]))
        raise ValueError(
            f"no smooth curve runs through the rows: the nearest is {100 * off.max():.2g} % off at "
            f"c = {worst:.4g} mol/m^3; smooth the rows, or give fewer of a smaller range"
        )

    def __call__(self, c: Any) -> Any:
        """Value at c in mol/m3, a float, an array or UFL."""
        x = ln(c)
        inside = _above(_below(x, self.high), self.low) - 0.5 * (self.high + self.low)
        value: Any = self.factors[-1]
        for factor in reversed(self.factors[:-1]):
            value = value * inside + factor
        return value + self.slope * _below(x - self.low, 0.0) if self.slope else value


def _below(x: Any, most: float) -> Any:
    if is_ufl(x):
        import ufl

        return ufl.min_value(x, most)
    return np.minimum(x, most)


def _above(x: Any, least: float) -> Any:
    if is_ufl(x):
        import ufl

        return ufl.max_value(x, least)
    return np.maximum(x, least)


@dataclass(frozen=True)
class Spread:
    """y of a charge that is spread evenly, asinh(h/c).

    Attributes:
        half: h, half the surplus of metal ions, mol/m3.
    """

    half: float

    def __call__(self, c: Any) -> Any:
        """Value at c in mol/m3, a float, an array or UFL."""
        size = abs(self.half)
        y = ln((sqrt(c * c + size * size) + size) / c)
        return y if self.half > 0.0 else -y


@dataclass(frozen=True)
class Shift:
    """Shift of the ions by a charge; functions of c in mol/m3, floats, arrays or UFL.

    Attributes:
        y: half of ln(c_plus/c_minus).
        excess: ln(m/c); None where it is 0.
    """

    y: Callable[[Any], Any]
    excess: Callable[[Any], Any] | None = None

    @classmethod
    def spread(cls, density: float, z: int) -> Shift:
        """Shift by a charge in C/m3 of liquid, with a z:z salt."""
        return cls(Spread(-density / (2.0 * z * FARADAY)))

    @classmethod
    def table(cls, c: Any, g_plus: Any, g_minus: Any) -> Shift:
        """Shift by c_plus/c and c_minus/c over c.

        Above the rows y and m/c stay as they are, below them m/c and, as in a pore that holds
        hardly more than counter-ions, m sinh y.

        Raises:
            ValueError: they do not lie on smooth curves.
        """
        x, plus, minus = (np.log(np.asarray(each, dtype=float)) for each in (c, g_plus, g_minus))
        y = 0.5 * (plus - minus)
        return cls(
            Smooth.through(x, y, -float(np.tanh(y[0]))), Smooth.through(x, 0.5 * (plus + minus))
        )

    def mean(self, c: Any) -> Any:
        """m, the geometric mean of both ions, mol/m3."""
        return c if self.excess is None else c * exp(self.excess(c))

    def c_plus(self, c: Any) -> Any:
        """Metal ions, mol/m3."""
        return self.mean(c) * exp(self.y(c))

    def c_minus(self, c: Any) -> Any:
        """Anions, mol/m3."""
        return self.mean(c) * exp(-self.y(c))

    def salt_of(self, c_minus: float) -> float:
        """Salt in equilibrium with so many anions, mol/m3; NaN if no metal ions are left."""

        def over(x: float) -> float:
            return float(np.log(self.c_minus(float(np.exp(x))) / c_minus))

        from scipy.optimize import brentq  # slow to import, and hardly ever asked for

        low, high = LN_C_RANGE
        return float(np.exp(brentq(over, low, high, xtol=1e-14))) if over(low) < 0.0 else np.nan


Law = Callable[[Any, Any], Any]


def laws(shift: Shift, D: Law, t_plus: Law, z: int) -> dict[str, Law]:
    """Transport of the medium by name, and the salt `held`, mol/m3; functions of (c, T).

    Args:
        shift: of its ions.
        D: salt diffusivity of the neutral electrolyte, m2/s, of T alone.
        t_plus: transference number of its metal ion, of T alone.
        z: charge number of the metal ion; that of the anion is -z.
    """

    def ions(c: Any, T: Any) -> tuple[Any, Any]:
        """D_i of metal ion and anion, m2/s."""
        share = t_plus(c, T)
        return D(c, T) / (2.0 * (1.0 - share)), D(c, T) / (2.0 * share)

    def moved(c: Any, T: Any) -> Any:
        """s, of both ions, m2/s."""
        D_plus, D_minus = ions(c, T)
        return D_plus * exp(shift.y(c)) + D_minus * exp(-shift.y(c))

    def kappa(c: Any, T: Any) -> Any:
        return (z * FARADAY) ** 2 / (GAS_CONSTANT * T) * shift.mean(c) * moved(c, T)

    def diffusivity(c: Any, T: Any) -> Any:
        D_plus, D_minus = ions(c, T)
        return 2.0 * D_plus * D_minus * (shift.mean(c) / c) / moved(c, T)

    def transference(c: Any, T: Any) -> Any:
        D_plus, D_minus = ions(c, T)
        return 1.0 / (1.0 + D_minus / D_plus * exp(-2.0 * shift.y(c)))

    return {
        "kappa": kappa, "D": diffusivity, "t_plus": transference,
        "thermodynamic_factor": lambda c, T: 1.0, "held": lambda c, T: shift.c_minus(c),
    }
