"""The books of the salt: how much there is, between which limits, and where it runs out."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fem.base.errors import CaseError, RunError
from fem.compat import MPI, cell_vertices
from fem.materials import Electrolyte
from fem.materials.limits import Bound, Limits, faults
from fem.physics.ions.ions import Ions
from fem.system.part import Begun, Cause, Event, Observer, Warn
from fem.system.system import System
from fem.system.unknown import DEPLETED_SHARE
from fem.theory import sand_time as sand
from fem.values.properties import Along

__all__ = ["Data", "SaltLedger", "sand_time"]

#: Least salt that a step adds at the most dilute place, as a share of c0, if salt comes back there.
RISING_SHARE = 1e-6
#: Change of c across one cell, as a share of c0, from which a mesh counts as too coarse.
MAX_CELL_CHANGE = 0.2
#: Least length over which salt must diffuse until a current has used it up, over the smallest cell:
#: below that the cells at the wall run out 20 times too late, or more.
MIN_LAYER = 0.03


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


def sand_time(ions: Ions, T: float, density: float | None) -> float | None:
    """Sand's time of a flat electrode with the first salt there is, s; None if it has none.

    None as well in a cell with fixed charge.

    Args:
        ions: their initial c0, and transport numbers there.
        T: temperature, K.
        density: current per projected area, A/m2; None if the voltage is held.
    """
    if any(m.held is not None for m in ions.media):  # of another cell: charge shifts the ions
        return None
    transport = _transport(ions, T)
    if not density or transport is None or transport[1] >= 1.0:
        return None
    return float(sand(abs(density), ions.c0, *transport, *ions.formula))


def _transport(ions: Ions, T: float) -> tuple[float, float] | None:
    """D, m2/s, and t_plus of the first salt there is at c0; None if they are of place."""
    medium = next((m for m in ions.media if m.salt), None)
    if medium is not None and medium.D is not None and medium.t_plus is not None:
        with contextlib.suppress(TypeError):  # of place or UFL
            return float(medium.D(ions.c0, T)), float(medium.t_plus(ions.c0, T))
    return None


class SaltLedger(Observer):
    """Salt content against what went in and out, and the range of concentrations.

    Args:
        ions: that carry it.
        data: what is known of it.
    """

    needs: tuple[str, ...] = ("circuit", "c", "ions")
    provides: tuple[str, ...] = ()

    def __init__(self, ions: Ions, data: Data):
        self.ions, self.data = ions, data
        self.limits = Limits(data.laws, ions.c0)
        self.begun: Begun | None = None
        self.range = ions.c0, ions.c0  # of the last step
        self.seen = np.inf, -np.inf  # of all steps

    def declare(self, s: System) -> None:
        """Add the ledger of what comes in."""
        self.s = s
        s.charges["salt_in"] = np.zeros(2)

    def rows(self, s: System) -> None:
        """Compile the content; all parts that take salt out are known by now."""
        s.charges |= {name: np.zeros(2) for name in s.salt_sinks}
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
        out = tuple(name for name in ("salt_out",) if name in self.s.salt_sinks)
        return ("c_min", "c_max", "salt", *out)

    def amount(self) -> float:
        """Salt in the electrolyte, mol (2D: mol/m; collective)."""
        return 0.0 if self.content is None else self.s.integral(self.content)

    def gain(self) -> float:
        """Salt that enters where c is held, mol/s (2D: mol/(m s); collective)."""
        return sum(self.s.held_currents("c")) / float(self.s["salt_charge"])

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
        """Note what is imposed, and the current before it."""
        self.begun, self.before = begun, self.s.kept.get("flowing", 0.0)
        low, high = (self.s.kept.get(name) for name in ("c_low", "c_high"))
        if low is not None and high is not None:
            self.seen = low, high

    def causes(self, segment: Any) -> Iterator[Cause]:
        """Salt that has run out, that was next to none, or that would not last (collective)."""
        if not self._followed:
            return
        c0, (low, _) = self.ions.c0, self.s.extrema("c")
        depleted, shown = low < DEPLETED_SHARE * c0, f"lowest c = {low:.3g} mol/m^3"
        yield Cause("depleted", depleted, f"depleted: {shown}; rest first, or lower the current"
                    if depleted else f"not depleted, {shown}")
        if little := self._little():
            yield Cause("initial.c", True, little)
        last = sand_time(self.ions, self.data.T, self._jump(segment))
        if last is not None:
            hidden, text = self._hidden(segment), f"salt lasts {last:.2g} s at a flat wall"
            yield Cause("Sand's time", bool(hidden), f"{text} (Sand's time){hidden}")

    def _little(self) -> str:
        """Remark on salt that may have been given in another unit; or empty."""
        c0 = self.ions.c0
        usual = max((float(e.c0) for e in self.data.electrolytes if e.c0), default=0.0)
        return "" if c0 >= DEPLETED_SHARE * usual else (
            f"initial.c: c = {c0:.3g} mol/m^3 is {c0 / usual:.1e} of the electrolyte's "
            f"c0 = {usual:.4g} mol/m^3; check the value and its unit"
        )

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

    def ready(self, segment: Any) -> str | None:
        """Refuse a current that takes the salt away long before the mesh would show it."""
        hidden = self._followed and self._hidden(segment)
        return "the salt at the walls would run out unseen" if hidden else None

    def _hidden(self, segment: Any) -> str:
        """Remark on a current that the mesh would show to use up the salt too late; or empty."""
        last = sand_time(self.ions, self.data.T, self._jump(segment))
        transport = _transport(self.ions, self.data.T)
        if last is None or transport is None or not last < segment.end():
            return ""
        layer, cell = math.sqrt(transport[0] * last), self._smallest_cell()
        return "" if layer >= MIN_LAYER * cell else (
            f", in which it diffuses {1e9 * layer:.2g} nm, and the smallest cells, "
            f"{1e9 * cell:.3g} nm, would show that far too late: check the units of "
            "current_density and of the salt, lower the current, or refine the mesh at the walls"
        )

    def _jump(self, segment: Any) -> float | None:
        """Current that begins now, at the start of a segment or where it jumps in it, A/m2."""
        since = 0.0 if self.begun is None else self.s.t - self.begun.t
        current: float | None = segment.control(since, 1.0, after=True).current
        return current

    def _smallest_cell(self) -> float:
        """Shortest edge of all cells with salt, m (collective)."""
        domain, part = self.s.domain, self.s.unknowns["c"].part
        corners = domain.mesh.geometry.x[cell_vertices(domain.mesh)[part.cells]]
        pairs = itertools.combinations(range(corners.shape[1]), 2)
        edges = [np.linalg.norm(corners[:, i] - corners[:, j], axis=1) for i, j in pairs]
        shortest = min(float(edge.min(initial=math.inf)) for edge in edges)
        return domain.comm.allreduce(shortest, op=MPI.MIN)

    def step(self, scale: float) -> dict[str, float]:
        """Range of c, mol/m3; `salt`: content against its start, relative; `salt_out`, mol."""
        if not self._followed:
            return {}
        s, ledger = self.s, self.s.charges
        rates = {"salt_in": self.gain()} | {name: sink() for name, sink in s.salt_sinks.items()}
        salt = {name: s.integrate(rate, ledger[name]) for name, rate in rates.items()}
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
            return self._depletion(low)
        at = ", ".join(f"{1e6 * x:.4g}" for x in self.place(highest=highest) or [])
        raise RunError(f"t = {self.s.t:.6g} s: {reason} (reached at ({at}) um)")

    def _beyond(self, law: Bound, c: float, edge: float) -> Event:
        """The salt has left the range in which a law is physical: the run ends."""
        return Event("beyond_law", {
            "law": law.what, "value": float(law.law(c)), "c": c, "limit": edge,
            "place": self.place(highest=c > edge), "reason": law.says(c),
        })  # fmt: skip

    def _depletion(self, low: float) -> Event:
        """Event with the place where the salt runs out, and Sand's time (collective)."""
        assert self.begun is not None
        time = sand_time(
            self.ions, self.data.T,
            self.begun.segment.control(self.s.t - self.begun.t, 1.0).current,
        )  # fmt: skip
        known = {} if time is None else {"sand_time": time}
        return Event("depletion", {"c_min": low, "place": self.place(), **known})

    def place(self, *, highest: bool = False) -> list[float] | None:
        """Place where the salt is most dilute, or most concentrated, m (collective).

        Args:
            highest: the place of the largest c, not of the smallest.
        """
        domain, u = self.s.domain, self.s.unknowns["c"]
        values = -u.owned if highest else u.owned
        if u.present is not None:
            values = np.where(u.present(), values, np.inf)
        k = int(np.argmin(values)) if len(values) else -1
        mine = (float(values[k]) if k >= 0 else math.inf, domain.comm.rank)
        _, owner = min(domain.comm.allgather(mine))
        place = None
        if domain.comm.rank == owner:
            place = u.space.tabulate_dof_coordinates()[k].tolist()[: domain.dim]
        found: list[float] | None = domain.comm.bcast(place, root=owner)
        return found

    def stuck(self) -> Event | str | None:
        """Depletion, where the current imposed takes the last salt away (collective).

        Found far too late, because the current rose where the mesh could not show it, it is none.
        """
        if not self._followed:
            return None
        low = self.s.extrema("c")[0]
        if not (low < DEPLETED_SHARE * self.ions.c0 and self._takes_more_than_there_is()):
            return None
        assert self.begun is not None
        if hidden := self._hidden(self.begun.segment):
            return f"The salt at the walls has run out unseen: it lasts Sand's time{hidden}"
        return self._depletion(low)

    def _takes_more_than_there_is(self) -> bool:
        """The current imposed is what takes the last salt away (collective).

        A current that begins does if it exceeds the one that flowed before it; later, it does if
        the salt was not coming back in the last step, where there is least of it.
        """
        s, begun = self.s, self.begun
        if begun is None or begun.segment.density is None:
            return False
        if s.t == begun.t:
            asked = begun.segment.control(0.0, s["circuit"].area, after=True).current or 0.0
            return s.t > 0.0 and asked * self.before >= 0.0 and abs(asked) > abs(self.before)
        c = s.unknowns["c"]
        there = slice(None) if c.present is None else c.present()
        now, before = (f.x.array[: len(c.owned)][there] for f in c.old[:2])
        k = int(np.argmin(now)) if len(now) else -1
        mine = (now[k], before[k]) if k >= 0 else (math.inf, math.inf)
        low, earlier = min(s.domain.comm.allgather(mine))
        return bool(low <= 1.01 * earlier + RISING_SHARE * self.ions.c0)

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Next to no salt, before the run; at its end salt that changes too much in a cell."""
        if not closely and self._followed and (little := self._little()):
            yield "initial.c", little
        if not closely or not self._followed:
            return
        u, comm = self.s.unknowns["c"], self.s.domain.comm
        rise = np.ptp(u.value.x.array[u.space.dofmap.list], axis=1)
        worst = comm.allreduce(float(rise.max(initial=0.0)), op=MPI.MAX) / self.ions.c0
        if worst > MAX_CELL_CHANGE:
            yield "coarse", (
                f"the salt changes by {worst:.0%} of c0 across one cell: the mesh is too "
                "coarse there; compare with `hostplate converge`"
            )

    def summary(self) -> dict[str, float]:
        """Range of c, mol/m3, and what liquid has taken out, mol/m2 (collective)."""
        if not self._followed:
            return {}
        low, high = self.s.extrema("c")
        out = {"c_min": low, "c_max": high}
        if "salt_out" in self.makes:
            out["salt_out"] = float(self.s.charges["salt_out"][0]) / self.s["circuit"].area
        return out
