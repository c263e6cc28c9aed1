"""Limits of transport laws: the concentrations at which they stop being physical.

D, kappa and the thermodynamic factor of a solution that does not fall apart are above 0. A
measured t_plus may have any value; beyond the range it was measured in, a law is a continued fit,
and then t_plus has to stay in [0, 1] or among the values it takes inside its range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.materials import Dependent, Electrolyte
from fem.materials.laws import LOWEST_C
from fem.values.properties import Property

__all__ = ["POSITIVE_LAWS", "Bound", "Limits", "bounds", "faults", "own_bound"]

Array = npt.NDArray[np.float64]
#: Laws whose values must be above 0, and their SI units.
POSITIVE_LAWS = {"D": "m^2/s", "kappa": "S/m", "thermodynamic_factor": ""}
#: Highest concentration at which laws are examined, over the concentration of the start.
MAX_C_RATIO = 100.0
T_PLUS_SLACK = 1e-9


class Bound(NamedTuple):
    """Range in which the values of a law have to stay.

    Attributes:
        what: name of the law and of what it belongs to.
        unit: SI unit of its values.
        law: of c, mol/m3: float or array in, the same out.
        low: values are above it.
        high: and below it.
        table: the concentrations it is known at, mol/m3; beyond them nothing is asked of it.
    """

    what: str
    unit: str
    law: Callable[[Any], Any]
    low: float = 0.0
    high: float = math.inf
    table: tuple[float, float] | None = None

    def holds(self, c: Any) -> Any:
        """True where the law stays within its bounds."""
        with np.errstate(all="ignore"):
            value = np.asarray(self.law(c), dtype=float)
        return np.isfinite(value) & (value > self.low) & (value < self.high)

    def says(self, c: float) -> str:
        """Message for a concentration at which the bound is violated."""
        value = f"{float(self.law(c)):.4g} {self.unit}".rstrip()
        wanted = f"above {self.low:g}" if self.high == math.inf else (
            f"between {self.low + T_PLUS_SLACK:.3g} and {self.high - T_PLUS_SLACK:.3g} beyond its "
            "measured range"
        )
        return f"{self.what} is {value} at c = {c:.4g} mol/m^3; it has to stay {wanted}"


def bounds(electrolyte: Electrolyte, T: float) -> dict[str, Bound]:
    """Bounds of an electrolyte at a temperature, K, by the name of the law."""
    found = {}
    name = f"electrolyte {electrolyte.name!r}"
    for prop, unit in POSITIVE_LAWS.items():
        law: Dependent = getattr(electrolyte, prop)
        if law.variables:
            found[prop] = Bound(f"{prop} of {name}", unit, _at(law, T), table=law.c_table)
    law = electrolyte.t_plus
    if law.variables and electrolyte.has("c_range"):
        inside = T
        if electrolyte.has("T_range"):
            cold, hot = (float(end) for end in electrolyte.T_range)
            inside = min(max(T, cold), hot)
        low, high = (float(end) for end in electrolyte.c_range)
        if law.c_table is not None:
            low, high = max(low, law.c_table[0]), min(high, law.c_table[1])
        measured = np.asarray(law(np.linspace(low, high, 101), inside))
        low, high = min(0.0, float(measured.min())), max(1.0, float(measured.max()))
        found["t_plus"] = Bound(
            f"t_plus of {name}", "", _at(law, T), low - T_PLUS_SLACK, high + T_PLUS_SLACK,
            law.c_table,
        )
    return found


def _at(law: Dependent, T: float) -> Callable[[Any], Any]:
    return lambda c: law(c, T)


def own_bound(what: str, law: Property, unit: str, T: float) -> Bound | None:
    """Bound of a law of c which the case gives for a region; None if it is not one of c alone."""
    if "c" not in law.variables or not law.variables <= {"c", "T"}:
        return None
    known = {"T": T} if "T" in law.variables else {}
    curve = getattr(law, "curve", None)
    table = None if curve is None else (curve.x[0], curve.x[-1])
    return Bound(what, unit, lambda c: law.at(c=c, **known), table=table)


def faults(known: Iterable[Bound], c: float) -> Iterator[str]:
    """Name the bounds that are violated at one concentration, one line each."""
    for bound in known:
        try:
            if not bound.holds(c):
                yield bound.says(c)
        except CaseError as error:  # outside its table
            yield f"{bound.what}: {error}"


class Limits:
    """The concentrations between which all laws are physical, found once.

    Args:
        known: the laws.
        start: a concentration at which all of them hold, mol/m3.

    Attributes:
        low: mol/m3; 0 if they hold for the most dilute solution.
        high: mol/m3; infinite if they hold up to `MAX_C_RATIO` times the start.
    """

    def __init__(self, known: Iterable[Bound], start: float):
        self.low, self.high = 0.0, math.inf
        self.first: dict[str, Bound] = {}
        for bound in known:
            down = _edge(bound, start, np.geomspace(start, LOWEST_C, 200))
            up = _edge(bound, start, np.geomspace(start, MAX_C_RATIO * start, 400))
            if down is not None and down > self.low:
                self.low, self.first["low"] = down, bound
            if up is not None and up < self.high:
                self.high, self.first["high"] = up, bound

    def broken(self, c_low: float, c_high: float) -> tuple[Bound, float, float] | None:
        """The law that a state has left, the concentration that did, and that of the edge."""
        if c_high > self.high:
            return self.first["high"], c_high, self.high
        if c_low < self.low:
            return self.first["low"], max(c_low, LOWEST_C), self.low
        return None


def _edge(bound: Bound, start: float, path: Array) -> float | None:
    """First concentration on the path at which a law fails, mol/m3; None if it holds throughout."""
    if bound.table is not None:
        path = np.clip(path, *bound.table)
    bad = np.flatnonzero(~bound.holds(path))
    if not len(bad):
        return None
    good, wrong = (start if bad[0] == 0 else float(path[bad[0] - 1])), float(path[bad[0]])
    for _ in range(60):
        middle = 0.5 * (good + wrong)
        if bound.holds(middle):
            good = middle
        else:
            wrong = middle
    return good
