"""Counter electrodes that hold so much metal and no more: a foil, a cathode."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import ufl

from fem.base.constants import FARADAY
from fem.case.case import Case
from fem.compat import MPI
from fem.physics.walls.interface import Interface
from fem.setup import kinetics
from fem.setup.electrode import Electrode, Surfaces
from fem.system.facets import WallReaction
from fem.system.ledger import down_to_the_last
from fem.system.part import Begun, Event, Observer
from fem.system.system import System

__all__ = ["Holding", "holding"]

#: Share of the metal at most so far, below which none counts as left; and of a cathode's capacity,
#: below which no room counts as left. No step takes more than there is.
BARE_SHARE = 2.5e-4
#: Share of a cathode's capacity over which it fades out at both ends.
EDGE_SHARE = 1e-3
#: Share of its conductance that an empty cathode keeps, and a full one: without any, no current
#: would change with the potential where one begins full or empty.
LEAK = 1e-6
#: Distance from rest at which phi_l is first sought, V: on the side on which current can flow.
ASIDE = 1e-3
#: Share that may be left where the last of it cannot be taken at the current that is imposed.
SCRAPS_SHARE = 0.02
#: Change of a cathode's state by which the error of a step is measured.
STATE_SCALE = 0.1
EMPTY = (
    "the counter electrode holds no metal to plate; give it more of it (counter.thickness, "
    "counter.state), or strip first"
)
FULL = "the counter electrode has no room for more metal; lower counter.state, or plate first"


class Holding(Observer):
    r"""Counter electrode with its metal, k C per m2 of its area, at each of its nodes.

        dk/dt = -i_n,    i_n = theta(k) max(i, 0) + theta(k_full - k) min(i, 0)       [A/m2]
        foil             i = law(-phi_l - i R_film),    k = zF d/V_m at first, k_full infinite
        cathode          i = (-phi_l - U(k/k_full))/R
        films of other physics (`Interface.lay`) take i_side beside that from the electrolyte
        theta(x) = 1 - exp(-x/x_cov)                    what is left fades out over x_cov
        <dk/dt + i_n, v> = 0,    -<i_n, v_l> enters phi_l                             [A]

    A foil of thickness d recedes by k V_m/(zF) at each place; the mesh stays as it is. A cathode is
    a boundary with one state a place, no particle in it. Integrals are lumped at the nodes.

    Args:
        electrode: its law, without what is left of it.
        start: k at the start, C/m2.
        fade: x_cov, C/m2.
        full: k_full, C/m2.
        ocv: U against the metal as a function of k/k_full, V; None for a foil.
        asked: the most that one step of the protocol plates, C per m2 of collector.

    Attributes:
        amount: charge of the metal in the step measured last, C (2D: C/m).
    """

    needs: tuple[str, ...] = ("phi_l", "c_lagged")
    provides: tuple[str, ...] = ("q_counter", "opposite")
    makes = ("counter_left",)
    lands = True

    def __init__(
        self, electrode: Electrode, start: float, fade: float, full: float = math.inf,
        ocv: Any = None, asked: float = 0.0,
    ):
        self.electrode, self.start, self.fade, self.full = electrode, start, fade, full
        self.ocv, self.asked = ocv, asked
        self.begun: Begun | None = None

    def declare(self, s: System) -> None:
        """Add k on the nodes of the counter electrode, and the name by which books ask for it."""
        self.s, e = s, self.electrode
        self.layer = s.domain.wall_layer((), e.faces)
        scale = self.fade if self.ocv is None else STATE_SCALE * self.full
        k = s.add("q_counter", self.layer, differential=True, scale=scale, solver="diagonal")
        k.relative = self.ocv is None
        on = np.zeros(len(k.value.x.array), dtype=bool)
        on[s.domain.nodes_on(k.space, self.layer, faces=e.faces)] = True
        k.value.x.array[on] = self.start
        k.fixed.append(np.flatnonzero(~on).astype(np.int32))
        k.nodal = True
        rest = 0.0 if self.ocv is None else self.ocv(k.value / self.full)
        self.interface = Interface((replace(e, rest=rest),), state=False)
        self.interface.introduce(s)  # `walls` are those of the metal that is plated
        s.define("opposite", self)

    def rows(self, s: System) -> None:
        """Reaction current in the rows of phi_l and of k, for the books, and its heat."""
        (e,), k = self.interface.electrodes, s.unknowns["q_counter"]
        ((i, side, (weight, measure), _, _),) = self.interface.pieces(s, e)
        metal = i - side  # what films of other physics take passes beside it
        left, room = kinetics.coverage(k.value, self.fade), 1.0
        if self.ocv is not None:
            left = LEAK + (1.0 - LEAK) * left
            room = LEAK + (1.0 - LEAK) * kinetics.coverage(self.full - k.value, self.fade)
        # The law last: where it is 0, its slope counts (`kinetics.wall`).
        metal = left * ufl.max_value(0.0, metal) + room * ufl.min_value(metal, 0.0)
        i_n = metal + side

        def current(v: Any) -> Any:
            return i_n * weight * v * measure

        def storage(v: Any) -> Any:
            return (s.ddt(k.value) + metal) * weight * v * measure

        s.reactions.append(WallReaction(
            s, "counter", self.layer, (), e.faces, {"i_n": current, "storage": storage},
            {"phi_l": ("i_n", -1.0), "q_counter": ("storage", 1.0)}, "ground",
        ))
        s.reports.flow("counter", i_n * weight * measure)
        if self.interface.skins:
            beside = s.form(side * weight * measure)
            s.reports.ledgers["side_counter"] = lambda: s.integral(beside)
        drop = self.interface.overpotential(s, e, "", "")
        if self.ocv is None:
            s.ports.contribute("heat", lambda v: i_n * s["T"] * s["dU_dT"] * weight * v * measure)
        else:
            s.ports.contribute("energy", lambda v: i_n * e.rest * weight * v * measure)
        R = self.interface.resistance(e, "", "")
        film = 0.0 if R is None else R * i_n * i_n
        s.reports.spend("kinetic_counter", lambda v: (i_n * drop - film) * weight * v * measure)
        if R is not None:
            s.reports.spend("film_counter", lambda v: film * weight * v * measure)
        self.interface.remember_films(s)
        s.jumps.append(self._runs_out)
        self.area = s.nodal(s.form(weight * ufl.TestFunction(k.space) * measure))
        k.capacity = self.area

    # -- a run asks ----------------------------------------------------------------------------

    def left(self) -> float:
        """Charge of the metal that it holds, C (2D: C/m; collective)."""
        local = float(self.area @ self.s.unknowns["q_counter"].owned)
        return self.s.domain.comm.allreduce(local, op=MPI.SUM)

    @property
    def room(self) -> float:
        """Charge of the metal that it can hold, C (2D: C/m; collective)."""
        return self.full * self._whole_area()

    @property
    def fresh(self) -> float:
        """Charge of the metal that it holds as the case gives it, C (2D: C/m; collective)."""
        return self.start * self._whole_area()

    def _whole_area(self) -> float:
        return self.s.domain.comm.allreduce(float(self.area.sum()), op=MPI.SUM)

    def begin(self) -> None:
        """Take what it holds as the most so far (collective)."""
        self.amount = self.left()
        self.s.kept["counter_most"] = self.amount
        if self.ocv is not None:
            self._near_rest()

    def _near_rest(self) -> None:
        """Let potentials be sought from those at rest, volts away from 0 (collective)."""
        s = self.s
        phi_l, s.rest = s.unknowns["phi_l"], -float(self.ocv(self.start / self.full))
        aside = ASIDE if self.start < 0.5 * self.full else -ASIDE
        for values in (phi_l.value, *phi_l.old):
            free = np.ones(len(values.x.array), dtype=bool)
            free[phi_l.fixed_dofs()] = False
            values.x.array[free] = s.rest + aside
        s.set_voltage(s.rest)
        s.past_voltages[:] = s.rest

    def recall(self, events: Any) -> None:
        """Take up what it holds (collective)."""
        del events
        self.amount = self.left()

    def _runs_out(self) -> float | None:
        """Share of the step to be tried after which little is left, or little room."""
        current = self.s["circuit"].flow
        if self._sign * current <= 0.0:
            return None
        most = self.s.kept["counter_most"] if self.ocv is None else self.room
        return down_to_the_last(self._scope(self.amount), most, abs(current) * self.s.dt)

    def impose(self, begun: Begun) -> None:
        """Note what is imposed."""
        self.begun = begun

    def step(self, scale: float) -> dict[str, float]:
        """Measure what it holds, C (2D: C/m)."""
        del scale
        self.found = self.left()
        return {"counter_left": self.found}

    def accept(self) -> None:
        """Take it as what there is."""
        self.amount = self.found
        self.s.kept["counter_most"] = max(self.s.kept["counter_most"], self.amount)

    def share(self) -> float | None:
        """Share of a step that takes no more metal, or room, than there is; half a rest stays."""
        sign = self._sign
        before, after = self._scope(self.amount), self._scope(self.found)
        if not sign or math.isinf(before):
            return None
        rest = self._rest
        return max((before - 0.5 * rest) / (before - after), 0.05) if after < 0.0 < rest < before \
            else None

    @property
    def _sign(self) -> float:
        return 0.0 if self.begun is None else self.begun.segment.sign

    def _scope(self, amount: float) -> float:
        """Metal that is left while plating, room that is left while stripping, C."""
        return amount if self._sign < 0.0 else self.room - amount

    @property
    def _rest(self) -> float:
        """Charge that counts as nothing, C."""
        return BARE_SHARE * (self.s.kept["counter_most"] if self.ocv is None else self.room)

    def nothing_to_do(self) -> Event | None:
        """Metal that has been used up, or room (collective)."""
        return self._ended(self._rest)

    def stuck(self) -> Event | None:
        """The last of it cannot be had at this current (collective)."""
        return self._ended(self._rest * SCRAPS_SHARE / BARE_SHARE)

    def _ended(self, rest: float) -> Event | None:
        left = self._scope(self.amount)
        if not self._sign or left > rest:
            return None
        name, why = ("empty", EMPTY) if self._sign < 0.0 else ("full", FULL)
        numbers = {"left": self.amount / self.s["circuit"].area}
        return Event(f"counter_{name}", numbers, reason=why)

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Less metal than a step plates (collective)."""
        if closely or not self.asked:
            return
        has = self.left() / self.s["circuit"].area
        if has < self.asked:
            yield "n_p", (
                f"counter: N/P = {has / self.asked:.3g} is below 1: the counter electrode holds "
                f"{has:.6g} C/m^2 of metal, a step is to plate {self.asked:.6g} C/m^2; it ends "
                "with the event counter_empty"
            )

    def summary(self) -> dict[str, Any]:
        """Thickness of a foil, m, or state of a cathode (collective)."""
        mean = self.left() / self.s.domain.comm.allreduce(float(self.area.sum()), op=MPI.SUM)
        if self.ocv is None:
            return {"counter_left": self.left() / self.s["circuit"].area}
        return {"counter_state": mean / self.full}


def holding(case: Case, found: Surfaces) -> Holding:
    """The counter electrode of a case that gives it a thickness or a capacity."""
    given, data = case.counter, case.metal_data
    assert found.counter is not None
    if given.kind == "foil":
        dense = data.z * FARADAY / float(data.molar_volume)
        reaction = found.reactions["counter"]
        return Holding(found.counter, dense * float(given.thickness or 0.0), reaction.q_cov,
                     asked=_asked(case))
    full = float(given.capacity or 0.0)
    ocv = given.ocv
    assert ocv is not None
    return Holding(
        found.counter, given.state * full, EDGE_SHARE * full, full,
        lambda state: ocv.at(state=state), _asked(case),
    )


def _asked(case: Case) -> float:
    """Largest capacity that a step of the protocol is to plate, C/m2; 0 if none says so."""
    steps = [s for step in case.protocol for s in (step.steps if step.step == "cycle" else (step,))]
    plating = [s for s in steps if getattr(s, "direction", s.step) == "plate"]
    return max((getattr(s, "capacity", None) or 0.0 for s in plating), default=0.0)
