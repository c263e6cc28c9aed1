"""The books of the salt: how much there is, between which limits, and where it runs out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError, RunError
from fem.materials import Electrolyte
from fem.materials.limits import Bound, Limits, faults
from fem.mesh.domain import Subdomain
from fem.physics.ions.ions import Ions
from fem.setup.depletion import CONSISTENT, LUMPED, SaltBooks, Sight
from fem.system.part import Begun, Cause, Event, Warn
from fem.system.system import System
from fem.system.unknown import DEPLETED_SHARE
from fem.theory import sand_time
from fem.values.properties import Along
from fem.values.units import shown_point

__all__ = ["Data", "SaltLedger"]


@dataclass(frozen=True)
class Data:
    """Data of the salt, and the tables they come from.

    Attributes:
        electrolytes: those that fill a region.
        tables: measured curves over c that a region uses, with their place in the case.
        laws: transport laws of c that a region uses, and where they stop being physical.
        T: temperature of the case, K.
    """

    electrolytes: Sequence[Electrolyte] = ()
    tables: Mapping[str, Along] = field(default_factory=dict)
    laws: Sequence[Bound] = ()
    T: float = 298.15

    def require(self, c_low: float, c_high: float) -> None:
        """Check a state against all measured tables, which are never extrapolated.

        Raises:
            CaseError: what lies outside which table.
        """
        for electrolyte in self.electrolytes:
            electrolyte.require(c_low, c_high, self.T)
        for place, table in self.tables.items():
            try:
                table.curve.require(c_low, c_high)
            except CaseError as error:
                raise CaseError(f"{place}: {error}") from None

    def outside(self, c_low: float, c_high: float) -> Iterator[Warn]:
        """Ranges in which the data were measured, and that the two concentrations have left."""
        for electrolyte in self.electrolytes:
            for c in (c_low, c_high):
                for text in electrolyte.outside(c, c, self.T):
                    symbol = text.split(" = ")[0]
                    yield Warn(symbol + ("" if symbol.endswith("T") else f" {c == c_low}"), text)
                yield from self._unranged(electrolyte, c)

    def _unranged(self, electrolyte: Electrolyte, c: float) -> Iterator[Warn]:
        """A t_plus that leaves [0, 1], of which nobody says where it was measured."""
        law = electrolyte.t_plus
        if not law.variables or electrolyte.has("c_range"):
            return
        low, high = law.c_table or (c, c)
        value = law(min(max(c, low), high), self.T)
        if not 0.0 <= value <= 1.0:
            yield Warn(f"t_plus {electrolyte.name} {value > 1.0}", (
                f"electrolyte {electrolyte.name!r}: t_plus = {value:.3g} at c = {c:.4g} mol/m^3, "
                "taken as measured; a c_range would say where it was"
            ))


def _transport(ions: Ions, T: float) -> tuple[float, float] | None:
    """D, m2/s, and t_plus of the first salt there is at c0; None if they are of place."""
    medium = next((m for m in ions.media if m.salt), None)
    if medium is not None and medium.D is not None and medium.t_plus is not None:
        with contextlib.suppress(TypeError):  # of place or UFL
            return float(medium.D(ions.c0, T)), float(medium.t_plus(ions.c0, T))
    return None


class SaltLedger(SaltBooks):
    """Salt content against what went in and out, and the range of concentrations.

    Args:
        ions: that carry it.
        data: what is known of it.
    """

    needs: tuple[str, ...] = ("circuit", "c", "ions")

    def __init__(self, ions: Ions, data: Data):
        self.ions, self.data = ions, data
        self.limits = Limits(data.laws, ions.c0)
        self.range = ions.c0, ions.c0  # of the last step
        self.seen = np.inf, -np.inf  # of all steps

    def declare(self, s: System) -> None:
        """Add the ledger of what comes in."""
        self.s = s
        s.charges["salt_in"] = np.zeros(2)

    def rows(self, s: System) -> None:
        """Compile the content; all parts that take salt out are known by now."""
        s.charges |= {name: np.zeros(2) for name in s.reports.salt_sinks}
        self.content: Any = None
        if self._followed:
            stored = (m.stored(s) for m in self.ions.media if m.salt)
            terms = [amount * weight * dx for amount, weight, dx in stored]
            self.content = s.form(sum(terms[1:], terms[0]))

    @property
    def _followed(self) -> bool:
        """The salt is solved for."""
        return "c" in self.s.unknowns

    @property
    def makes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Columns of the salt, where it is followed, and of what liquid takes out of the mesh."""
        if not self._followed:
            return ()
        out = tuple(name for name in ("salt_out",) if name in self.s.reports.salt_sinks)
        return ("c_min", "c_max", "salt", *out)

    def amount(self) -> float:
        """Salt in the electrolyte, mol (2D: mol/m; collective)."""
        return 0.0 if self.content is None else self.s.integral(self.content)

    def gain(self) -> float:
        """Salt that enters where c is held, mol/s (2D: mol/(m s); collective)."""
        return sum(self.s.held_currents("c").values()) / float(self.s["salt_charge"])

    # -- a run asks ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the content as the reference.

        Raises:
            CaseError: the concentrations lie outside measured tables, or where a law is physical.
        """
        self.range = c_range = self.s.extrema("c") if self._followed else (self.ions.c0,) * 2
        self.data.require(*c_range)
        if wrong := [line for c in c_range for line in faults(self.data.laws, c)]:
            raise CaseError("\n".join(dict.fromkeys(wrong)))
        self.s.kept["salt"] = self.amount()

    def impose(self, begun: Begun) -> None:
        """Note what is imposed, and the range of all steps before."""
        super().impose(begun)
        low, high = (self.s.kept.get(name) for name in ("c_low", "c_high"))
        if low is not None and high is not None:
            self.seen = low, high

    def causes(self, segment: Any) -> Iterator[Cause]:
        """Salt that has run out, that was next to none, or that would not last (collective)."""
        if not self._followed:
            return
        yield from super().causes(segment)
        if little := self._little():
            yield Cause("initial.c", True, little)

    def ready(self, segment: Any) -> str | None:
        """Refuse a current whose salt runs out unseen, where it is followed (collective)."""
        return super().ready(segment) if self._followed else None

    def _little(self) -> str:
        """Remark on salt that may have been given in another unit; or empty."""
        c0 = self.ions.c0
        usual = max((float(e.c0) for e in self.data.electrolytes if e.c0), default=0.0)
        return "" if c0 >= DEPLETED_SHARE * usual else (
            f"initial.c: c = {c0:.3g} mol/m^3 is {c0 / usual:.1e} of the electrolyte's "
            f"c0 = {usual:.4g} mol/m^3; check the value and its unit"
        )

    @property
    def start(self) -> float:
        """Salt of the start, mol/m3."""
        return self.ions.c0

    @property
    def dissolves(self) -> Subdomain:
        """Cells with salt."""
        return self.s.unknowns["c"].part

    @property
    def sight(self) -> Sight:  # type: ignore[override]
        """Bound of cells that store salt as a whole, if some do."""
        whole = any(m.salt and not m.lumped for m in self.ions.media)
        return CONSISTENT if whole else LUMPED

    def at_corners(self, state: int | None = None) -> npt.NDArray[np.float64]:
        """Salt at the corners of cells."""
        c = self.s.unknowns["c"]
        values = (c.value if state is None else c.old[state]).x.array
        here: npt.NDArray[np.float64] = np.where(self.absent(c), math.inf, values)
        return here[c.space.dofmap.list]

    def sand_time(self, density: float | None) -> float | None:
        """Sand's time with the first salt there is, s; None as well in a cell with fixed charge."""
        if any(m.held is not None for m in self.ions.media):  # charge shifts the ions
            return None
        transport = _transport(self.ions, self.data.T)
        if not density or transport is None or transport[1] >= 1.0:
            return None
        return float(sand_time(abs(density), self.ions.c0, *transport, *self.ions.formula))

    def diffused(self, time: float) -> float:
        """Length over which salt diffuses, m; 0 where its diffusivity is none number."""
        transport = _transport(self.ions, self.data.T)
        return 0.0 if transport is None else math.sqrt(transport[0] * time)

    def lasts(self, density: float) -> float:
        """Sand's time, s; with fixed charge that of the neutral salt, by 1 - t_plus of any sign."""
        if not self._followed or not density:
            return math.inf
        transport = _transport(self.ions, self.data.T)
        if transport is None:
            return 0.0
        D, t_plus = transport
        left = abs(self.ions.formula.anions_left(t_plus))
        return math.pi * D * (self.ions.c0 / (2.0 * density * left)) ** 2 if left else math.inf

    def step(self, scale: float) -> dict[str, float]:
        """Range of c, mol/m3; `salt`: content against its start, relative; `salt_out`, mol."""
        if not self._followed:
            return {}
        s, ledger = self.s, self.s.charges
        sinks = s.reports.salt_sinks
        rates = {"salt_in": self.gain()} | {name: sink() for name, sink in sinks.items()}
        salt = {name: s.time.integrate(rate, ledger[name]) for name, rate in rates.items()}
        self.pending = dict(salt)
        self.range = s.extrema("c")
        gap = self.amount() - s.kept["salt"] - salt.pop("salt_in") + sum(salt.values())
        out = {"c_min": self.range[0], "c_max": self.range[1]}
        out["salt"] = abs(gap) / s.kept["salt"]
        return out | {name: value for name, value in salt.items() if name in self.makes}

    def accept(self) -> None:
        """Make the ledgers of `step` the accepted ones."""
        if not self._followed:
            return
        for name, value in self.pending.items():
            history = self.s.charges[name]
            history[1], history[0] = history[0], value
        self.seen = min(self.range[0], self.seen[0]), max(self.range[1], self.seen[1])
        self.s.kept["c_low"], self.s.kept["c_high"] = self.seen

    def events(self) -> Iterator[Event | Warn]:
        """Data that are left, salt that has run out, and laws that are physical no more.

        Raises:
            RunError: a measured table ends.
        """
        if not self._followed:
            return
        yield from self.data.outside(*self.seen)
        low, high = self.range
        try:
            self.data.require(low, high)
        except CaseError as error:
            yield self._off_table(str(error))
            return
        if left := self.limits.broken(low, high):
            yield self._beyond(*left)

    def _off_table(self, reason: str) -> Event:
        """Find depletion, if that is why a measured table ends.

        Raises:
            RunError: it is not.
        """
        low, high = self.range
        highest = True
        try:
            self.data.require(high, high)
            highest = False
        except CaseError:
            pass
        if not highest and low < DEPLETED_SHARE * self.ions.c0:
            return self.found()
        at = shown_point(self.place(highest=highest) or [])
        raise RunError(f"t = {self.s.t:.6g} s: {reason} (reached at {at})")

    def _beyond(self, law: Bound, c: float, edge: float) -> Event:
        """The salt has left the range in which a law is physical: the run ends."""
        return Event("beyond_law", {
            "law": law.what, "value": float(law.law(c)), "c": c, "limit": edge,
            "place": self.place(highest=c > edge), "reason": law.says(c),
        })  # fmt: skip

    def stuck(self) -> Event | str | None:
        """Depletion, where the current imposed takes the last salt away (collective)."""
        if not self._followed:
            return None
        supply = self.s.values.get("supply")
        empty = self.s.extrema("c")[0] < DEPLETED_SHARE * self.ions.c0
        if not ((empty or (supply and supply.spent())) and self.takes_more_than_there_is()):
            return None
        return self.depletion()

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Next to no salt, before the run; at its end salt that changes too much in a cell."""
        if not closely and self._followed and (little := self._little()):
            yield "initial.c", little
        if closely and self._followed and (coarse := self.coarse()):
            yield "coarse", coarse

    def summary(self) -> dict[str, float]:
        """Range of c, mol/m3, and what liquid has taken out, mol/m2 (collective)."""
        if not self._followed:
            return {}
        low, high = self.s.extrema("c")
        out = {"c_min": low, "c_max": high}
        if "salt_out" in self.makes:
            out["salt_out"] = float(self.s.charges["salt_out"][0]) / self.s["circuit"].area
        return out
