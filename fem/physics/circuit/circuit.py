"""The books of the whole cell: currents, charges, and whether they balance.

The balances are part of every run, not only of tests: each accepted step computes them, writes them
to the series, and the run stops if one exceeds the case's limit. Every current comes from its own
place: the walls, the held nodes of the collector, the counter electrode.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import ufl

from fem.base.errors import RunError
from fem.case.drive import given_charge
from fem.contract.physics import TIMED
from fem.physics.circuit.split import Split
from fem.setup.kinetics import PASSIVE_SHARE
from fem.setup.setup import Setup
from fem.system.nodal import imposed_current
from fem.system.part import Begun, Cause, Event, Observer
from fem.system.reports import FLOWS
from fem.system.system import System

__all__ = ["Circuit", "books"]

#: Time integrals that are kept: what passed through the collector; through the walls, since some
#: leaves through boundaries; half of all ionic currents' magnitudes; side reactions. C (2D: C/m).
CHARGES = ("passed", "reacted", "absolute", "side")
#: Share of the most metal so far, below which none counts as left to strip. No step takes more than
#: there is: the last one leaves half of this.
BARE_SHARE = 2.5e-4
#: Metal that counts as none, C/m2: a billionth of a monolayer (about 1 C/m2). What is left of
#: currents that change sign on a bare wall is 1e-16 C/m2.
TRACE_METAL = 1e-9
#: Largest share of that metal that may be left, in no contact, where stripping cannot go on.
SCRAPS_SHARE = 0.02
#: Share of the charge that passed above which a remark says that it made no metal.
SIDE_SHARE = 0.01
#: Largest difference of the cell current that physics report from the one that is imposed, as a
#: share of what residuals are compared with. Both are sums of the same numbers.
IMPOSED_RTOL = 1e-6
NOTHING_TO_STRIP = (
    "nothing to strip: there is no metal on the walls; give initial.plated_charge (growth study: "
    "initial.metal_layer), or plate first"
)


def books(setup: Setup, _table: Any) -> Iterator[Circuit]:
    """The books of the cell; in time they compare its charge with what the protocol gives."""
    yield Circuit(setup.case.study in TIMED)


class Circuit(Observer):
    """Sums of the currents that physics report (`Reports.flow`), over the cell and over time.

    Metal that can be stripped is asked of what defines the name `stock`.

    Args:
        commands: charge is delivered in time, and compared with what the protocol gives.

    Attributes:
        flow, lost: cell current and its side reactions in the step measured last, A.
        opposite: what goes into the electrolyte elsewhere then, A.
    """

    needs: tuple[str, ...] = ("phi_l",)
    provides: tuple[str, ...] = ("circuit",)

    lands = True

    def __init__(self, commands: bool = False):
        self.flow = self.lost = self.opposite = self.left = 0.0
        self.begun: Begun | None = None
        self.stepped, self.commands, self.compared = False, commands, False

    def declare(self, s: System) -> None:
        """Add the ledgers, and the name by which others ask for them."""
        self.s = s
        s.define("circuit", self)
        for name in CHARGES:
            s.charges[name] = np.zeros(2)

    def rows(self, s: System) -> None:
        """Compile what has been reported; all others have added their rows."""
        s.charges |= {name: np.zeros(2) for name in s.reports.ledgers}
        self.area = s.domain.area("collector")  # m2 (2D: m)
        self.stock = s.values.get("stock")
        self.terms = {name: self._term(name) for name in FLOWS}
        self.split = Split(s)

    @property
    def makes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The parts of the voltage that there are, and `commanded` where a current is given."""
        return (*self.split.columns, *(("commanded",) if self.commands else ()))

    def _term(self, name: str) -> tuple[Any, list[Any]]:
        """The compiled sum of the forms of a current, or None, and its functions."""
        given = self.s.reports.flows[name]
        forms = [self.s.current] if name == "cell" and self.s.current is not None else []
        forms += [term for term in given if isinstance(term, ufl.Form)]
        total = None if not forms else self.s.form(sum(forms[1:], forms[0]))
        return total, [term for term in given if not isinstance(term, ufl.Form)]

    def total(self, name: str) -> float:
        """One of `FLOWS` at the present state, A (2D: A/m; collective)."""
        form, functions = self.terms[name]
        found = 0.0 if form is None else self.s.integral(form)
        return found + sum(function() for function in functions)

    def current(self) -> float:
        """Current through the collector, A (2D: A/m), sign of i_n (collective)."""
        return self.total("cell")

    def reference(self, scale: float) -> float:
        """Charge that errors of the step are compared with, C.

        All that has passed so far through the electrolyte, or moved at walls, whatever its sign,
        or what this step is solved to; steps before it add nothing to that.

        Args:
            scale: cell current that the residuals of the step are compared with, A.
        """
        return max(self.pending["absolute"], scale * self.s.dt)

    # -- a run asks ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin with nothing commanded, and the metal that is there (collective)."""
        most = 0.0 if self.stock is None else self.stock.plated()
        self.s.kept |= {"commanded": 0.0, "asked": 0.0, "most": most}

    def impose(self, begun: Begun) -> None:
        """Note what is imposed, and the metal that there is to strip (collective)."""
        self.begun, self.stepped = begun, not begun.fresh
        self.left = self._left()

    def ready(self, segment: Any) -> str | None:
        """Look for metal to strip (collective)."""
        return "nothing to strip" if self._bare(segment) else None

    def causes(self, segment: Any) -> Iterator[Cause]:
        """Metal to strip (collective)."""
        if segment.sign > 0.0:
            bare = self._bare(segment)
            yield Cause("nothing to strip", bare,
                        NOTHING_TO_STRIP if bare else "there is metal to strip")

    def _bare(self, segment: Any) -> bool:
        """There is nothing to strip, and a segment strips (collective)."""
        return segment.sign > 0.0 and self.stock is not None and not self.stock.some()

    def step(self, scale: float) -> dict[str, float]:
        """Currents, charges and balances of the step just solved.

        Args:
            scale: cell current that errors are compared with, A.

        Returns:
            Current, A, and charge, C (2D: per metre); relative errors: `balance` collector
            against counter (and other boundaries), `collector` walls against collector nodes,
            `commanded` charge delivered against the integral of the current given.

        Raises:
            RunError: the cell current that is reported is not the one that is imposed.
        """
        s, ledger = self.s, self.s.charges
        current, outflow = self.current(), self.total("outflow")
        held, counter = s.held_currents("phi_l").values(), self.total("counter")
        # What enters the electrolyte leaves it elsewhere: each ampere stands here twice.
        carried = 0.5 * (abs(current - outflow) + abs(counter) + sum(map(abs, held)))
        carried += 0.5 * self.total("carried")
        moved = 0.0 if self.stock is None else self.stock.moved()
        self.flow, self.lost = current, self.total("side")
        self.pending = {
            "passed": s.time.integrate(current, ledger["passed"]),
            "reacted": s.time.integrate(current - outflow, ledger["reacted"]),
            "absolute": ledger["absolute"][0] + max(carried * s.dt, moved),
            "side": s.time.integrate(self.lost, ledger["side"]),
        }
        for name, rate in s.reports.ledgers.items():
            self.pending[name] = s.time.integrate(rate(), ledger[name])
        self.opposite = sum(held) + counter - outflow + self.total("inflow")
        at_collector = sum(s.held_currents("phi_s").values()) + (
            self.total("driven") + self.total("contact")
        )
        commanded = self._commanded(scale)
        again = not self.compared or commanded.get("commanded", 0.0) > IMPOSED_RTOL
        if self.begun is not None and again:
            self._compare(current, scale)
        return {
            "current_density": current,
            "charge": self.delivered() if self.commands else 0.0,  # on the way to a steady state
            "balance": abs(current + self.opposite) / scale,
            "collector": abs(current - at_collector) / scale,
        } | self.split.volts(current, scale) | commanded

    def _compare(self, current: float, scale: float) -> None:
        """Compare the cell current that is reported with the imposed one.

        In the first step that has one, and wherever the charge is not the one that was commanded.

        Args:
            current: that is reported, A.
            scale: that it is compared with, A.

        Raises:
            RunError: they differ; who reports it, and the way out.
        """
        imposed, area = imposed_current(self.s), self.area
        self.compared = imposed != 0.0
        if abs(current - imposed) > IMPOSED_RTOL * max(scale, abs(imposed)):
            who = ", ".join(self.s.reports.reporters["cell"]) or "nobody"
            raise RunError(
                f"the cell current that is reported is {current / area:.6g} A/m2, but "
                f"{imposed / area:.6g} A/m2 is imposed; 'cell' is reported by {who}: a part that "
                "passes current through walls gives it to s.drive(form), which imposes and reports "
                "it, instead of s.reports.flow('cell', form)"
            )

    def _commanded(self, scale: float) -> dict[str, float]:
        """The closure `commanded`.

        A voltage that is held commands no charge; what passed in such a step counts as commanded.
        """
        if not self.commands or self.begun is None:
            return {}
        s, segment, area = self.s, self.begun.segment, self.area
        if segment.density is None:
            charge = self.pending["passed"] - float(s.charges["passed"][0])
            size = abs(charge)
        else:
            start = s.t - self.begun.t
            edges = np.array([start, start + s.dt])
            if segment.drive is not None:
                edges = segment.drive.cut(start, start + s.dt)
            charge, size = given_charge(lambda t: segment.density.at(t=t), edges)
            charge, size = segment.sign * charge * area, abs(segment.sign) * size * area
        self.given = s.kept["commanded"] + charge, s.kept["asked"] + size
        asked = max(self.given[1], self.reference(scale))
        return {"commanded": abs(self.delivered() - self.given[0]) / asked}

    def delivered(self) -> float:
        """Charge through the collector by the end of the step measured, C (2D: C/m)."""
        return float(self.pending["passed"])

    def accept(self) -> None:
        """Make the ledgers of `step` the accepted ones (collective)."""
        for name, value in self.pending.items():
            history = self.s.charges[name]
            history[1], history[0] = history[0], value
        if self.begun is None:
            return
        kept, self.stepped = self.s.kept, True
        if self.commands:
            kept["commanded"], kept["asked"] = self.given
        if self.stock is not None:
            kept["most"] = max(kept["most"], self.stock.amount)
        self.left = self._left()

    # -- metal to strip ------------------------------------------------------------------------

    def _left(self) -> float:
        """Metal that can be stripped, C/m2; infinite while plating (collective)."""
        assert self.begun is not None
        if self.stock is None or self.begun.segment.sign < 0.0:
            return math.inf
        return float(self.stock.left() / self.area)

    def _charge(self, passed: float) -> float:
        """Charge since the start of the protocol step, C/m2 of projected area."""
        assert self.begun is not None
        return (passed - self.begun.charge) / self.area

    def share(self) -> float | None:
        """Share of a step that takes no more metal than there is: half of what is none stays."""
        if self.begun is None or self.stock is None:
            return None
        bare = BARE_SHARE * self.s.kept["most"] / self.area
        passed = float(self.s.charges["passed"][0])
        charge = self.pending["passed"] / self.area - self.begun.charge / self.area
        taken = charge - self._charge(passed)
        least = max(bare, TRACE_METAL)
        return max((self.left - 0.5 * bare) / taken, 0.05) if least < self.left < taken else None

    def nothing_to_do(self) -> Event | None:
        """Metal that has been stripped (collective).

        Where metal grows, none is left below a share of what there has been. On walls the voltage
        rises as they run bare: a cut-off ends the step, or the side reactions have taken over.
        """
        if self.begun is None or self.stock is None or self.begun.segment.sign <= 0.0:
            return None
        segment, passed = self.begun.segment, float(self.s.charges["passed"][0])
        if self.stepped and segment.stop(self.s.get_voltage(), self._charge(passed)):
            return None
        rest = 0.0 if segment.cutoff is not None and self.stock.shows_bare else BARE_SHARE
        left = self.stock.left()
        # Of this step of the protocol: in a rest before it both are round-off.
        mostly_side = self.stepped and self.flow > 0.0 and 2 * self.lost > self.flow
        if left <= rest * self.s.kept["most"] or (math.isfinite(left) and mostly_side):
            return Event("stripped", {"left": left / self.area}, reason=NOTHING_TO_STRIP)
        return None

    def stuck(self) -> Event | None:
        """Scraps of metal that nothing is in contact with (collective)."""
        if self.begun is None or self.stock is None or self.begun.segment.sign <= 0.0:
            return None
        left = self.stock.left()
        few = left <= SCRAPS_SHARE * self.s.kept["most"]
        return Event("stripped", {"left": left / self.area}) if few else None

    def summary(self) -> dict[str, Any]:
        """Current density, A/m2, of the present state and charge, C/m2, until then (collective)."""
        found = {"current_density": self.current() / self.area}
        if self.commands:
            found["charge"] = float(self.s.charges["passed"][0]) / self.area
        return found | self.split.summary()

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Charge that made no metal; parts of the voltage that nobody has reported."""
        if closely:
            yield from self.split.remarks()
        side, passed = (abs(float(self.s.charges[k][0])) for k in ("side", "absolute"))
        counts = passed > TRACE_METAL * self.area  # else shares are those of round-off
        if closely and counts and not self.s.hints.lags and side > SIDE_SHARE * passed:
            yield "side", (
                f"{side / passed:.1%} of the charge that passed made or took no metal: it went "
                f"into films, or bare walls passed it, {PASSIVE_SHARE:g} of the metal's "
                "conductance at equilibrium, which counts where currents are small or times long"
            )
