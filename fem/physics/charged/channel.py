r"""Ions in the cross-section of a charged channel, and the table that they make over the salt.

    psi'' + (d - 1) psi'/r = lambda^-2 sinh psi,   eps psi'(R) = sigma_w zF/(RT),   psi'(0) = 0
    g_plus = <exp(-psi)>,  g_minus = <exp(psi)>,   z F c (g_plus - g_minus) = -d sigma_w/R

psi is the potential in RT/(zF) against the neutral solution of c in equilibrium, lambda the Debye
length at c, d = 2 in a cylinder of radius R and 1 in a slit of half width R. Along the channel ions
move down their electrochemical potentials, the same at each point of a cross-section, so its means
are all that transport along it needs. It neglects flow (electro-osmosis) and the size of ions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_bvp

from fem.base.constants import EPSILON_0, FARADAY, GAS_CONSTANT
from fem.base.errors import RunError
from fem.physics.charged.shift import Shift, laws
from fem.physics.charged.table import COLUMNS
from fem.theory.space_charge import debye_length
from fem.values.units import shown_length

__all__ = ["Channel", "write"]

Array = npt.NDArray[np.float64]

#: Relative error of the residual at which the potential counts as found.
CHANNEL_RTOL = 1e-6
#: Points at which the search begins; close to the wall, where the potential changes.
START_POINTS = 60
MOST_POINTS = 20_000


@dataclass(frozen=True)
class Channel:
    """A straight channel with charged walls.

    Attributes:
        size: radius of a cylinder or half width of a slit, m.
        charge: of the walls, C/m2.
        eps_r: relative permittivity of the liquid.
        round: a cylinder.
        z: charge number of the metal ion; that of the anion is -z.
        T: K.
    """

    size: float
    charge: float
    eps_r: float
    round: bool = True
    z: int = 1
    T: float = 298.15

    @property
    def dimensions(self) -> int:
        """In how many the cross-section narrows towards its middle."""
        return 2 if self.round else 1

    @property
    def density(self) -> float:
        """Charge of the walls over the volume of liquid, C/m3."""
        return self.dimensions * self.charge / self.size

    def means(self, c: Sequence[float] | Array) -> Iterator[tuple[float, float]]:
        """g_plus and g_minus at each salt concentration, mol/m3; rising ones are found best.

        Raises:
            RunError: there is no potential that fits.
        """
        d, wall = self.dimensions, abs(self.charge) * self.z * FARADAY * self.size
        slope = wall / (EPSILON_0 * self.eps_r * GAS_CONSTANT * self.T)
        x = 1.0 - np.linspace(1.0, 0.0, START_POINTS) ** 3
        guess = np.zeros((3, len(x)))
        for salt in c:
            ratio = (self.size / debye_length(salt, self.eps_r, self.T, self.z)) ** 2
            if not guess.any():
                guess[0] = np.arcsinh(d * slope / ratio)
            found = self._potential(float(salt), ratio, slope, x, guess)
            guess = found(x)
            few = float(guess[2, -1])  # of the wall's own sign
            many = few + 2.0 * d * slope / ratio
            yield (many, few) if self.charge < 0.0 else (few, many)

    def _potential(
        self, salt: float, ratio: float, slope: float, x: Array, guess: Array
    ) -> Any:
        """|psi|, its slope and the mean of exp(-|psi|) up to x, functions of x over the size."""
        d = self.dimensions

        def change(r: Array, y: Array) -> Array:
            return np.vstack((y[1], ratio * np.sinh(y[0]), d * r ** (d - 1) * np.exp(-y[0])))

        def ends(inner: Array, outer: Array) -> Array:
            return np.array([inner[1], outer[1] - slope, inner[2]])

        narrowing = np.diag([0.0, -1.0, 0.0]) if d == 2 else None
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            found = solve_bvp(
                change, ends, x, guess, S=narrowing, tol=CHANNEL_RTOL, max_nodes=MOST_POINTS
            )
        if not found.success:
            raise RunError(
                f"channel: no potential at c = {salt:g} mol/m^3 ({found.message.rstrip('.')}); the "
                "walls may hold more charge than a dilute solution can screen"
            )
        return found.sol


def write(
    path: Path, channel: Channel, c: Sequence[float] | Array, D: float, t_plus: float
) -> dict[str, Array]:
    """Write the table of a channel; returns its columns.

    Args:
        path: of the csv file.
        channel: whose table it is.
        c: salt, mol/m3, rising.
        D: salt diffusivity of the neutral electrolyte, m2/s.
        t_plus: transference number of its metal ion.

    Raises:
        RunError: a potential is not found.
        ValueError: no region could read the table.
    """
    plus, minus = np.array([*channel.means(c)]).T
    salt = np.asarray(c, dtype=float)
    Shift.table(salt, plus, minus)  # as a region reads it
    y, excess = 0.5 * np.log(plus / minus), 0.5 * np.log(plus * minus)
    shift = Shift(lambda c: y, lambda c: excess)
    known = laws(shift, lambda c, T: D, lambda c, T: t_plus, channel.z)
    columns = {"c": salt, "g_plus": plus, "g_minus": minus}
    columns |= {name: known[name](salt, channel.T) for name in ("t_plus", "kappa", "D")}
    kind = "cylinder, radius" if channel.round else "slit, half width"
    lines = [
        "# Ions in a charged channel over the neutral salt c in equilibrium: means over the",
        "# cross-section (nonlinear Poisson). A region reads this as channel of [[fixed_charge]].",
        f"# {kind} {shown_length(channel.size)}, walls {channel.charge:g} C/m^2, "
        f"eps_r {channel.eps_r:g}, z {channel.z}, {channel.T:g} K",
        f"# liquid: D {D:g} m^2/s, t_plus {t_plus:g}",
        ",".join(f"{n} [{COLUMNS[n]}]" if COLUMNS[n] else n for n in columns),
        *(",".join(f"{v:.8g}" for v in row) for row in zip(*columns.values(), strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return columns
