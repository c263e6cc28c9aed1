"""What ends a protocol step before its time, what happens to growing metal, what stops a run."""

from __future__ import annotations

import contextlib
import math
import signal
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fem.compat import MPI
from fem.physics.circuit.circuit import Measure
from fem.physics.metal.contact import OWN
from fem.physics.metal.deposit import Deposit
from fem.run.diagnosis import sand_time
from fem.run.segments import Segment
from fem.study.build import Model

__all__ = ["StopRequest", "Watch", "depletion", "entry", "extreme_place"]


def entry(
    name: str, segment: Segment, number: int, model: Model, start: float, **more: Any
) -> dict[str, Any]:
    """An event as the summary keeps it: what, in which protocol step, when, at which voltage.

    Args:
        name: `cutoff`, `capacity`, `stripped` (no metal is left), `depletion`, `beyond_law`,
            `unresolved_front` (too wide for its kinetics), `full` (no pore is left to plate in), or
            one of `Watch`.
        segment: the protocol step.
        number: of the protocol step.
        model: in its present state.
        start: time at which the protocol step began, s.
        more: further entries.
    """
    s = model.system
    return {
        "event": name, "segment": segment.name, "number": number, **segment.place,
        "t": s.t, "t_in_segment": s.t - start, "voltage": s.get_voltage(), **more,
    }  # fmt: skip


def depletion(model: Model, density: float | None, measure: Measure) -> dict[str, Any]:
    """Where the salt runs out, and Sand's time for a flat electrode (collective).

    Args:
        model: in its present state.
        density: imposed current density, A/m2; None if the voltage is held.
        measure: of the model.
    """
    out: dict[str, Any] = {"place": extreme_place(model, measure)}
    time = sand_time(model, density)
    return out if time is None else out | {"sand_time": time}


def extreme_place(model: Model, measure: Measure, *, highest: bool = False) -> list[float] | None:
    """Where the salt is most dilute, or most concentrated, m (collective).

    Args:
        model: in its present state.
        measure: of the model.
        highest: the place of the largest c, not of the smallest.
    """
    domain, u = model.domain, model.system.unknowns["c"]
    values = -u.owned if highest else u.owned
    if isinstance(measure, Deposit):
        values = np.where(measure.wet(), values, np.inf)
    k = int(np.argmin(values)) if len(values) else -1
    mine = (float(values[k]) if k >= 0 else math.inf, domain.comm.rank)
    _, owner = min(domain.comm.allgather(mine))
    place = None
    if domain.comm.rank == owner:
        place = u.space.tabulate_dof_coordinates()[k].tolist()[: domain.dim]
    found: list[float] | None = domain.comm.bcast(place, root=owner)
    return found


class Watch:
    """What happens to growing metal, told from one accepted step to the next.

    `short_circuit`: metal joins collector and counter electrode. `overflow`: its tip passes the
    top of the host. Both are told once a run. `bridge`: metal joins a solid that floated to the
    collector. `island`: a piece of metal has lost its contact. `joined`: it has one again, or hangs
    together with another piece. `dissolved`: it is gone. `void`: metal has closed a pore, in which
    nothing grows from then on; its electrolyte takes up `volume`.

    Args:
        model: whose metal is watched; nothing is told if none grows.
        measure: of the model.
    """

    def __init__(self, model: Model, measure: Measure):
        self.model = model
        self.deposit = measure if isinstance(measure, Deposit) else None
        self.noted: set[str] = set()

    def begin(self, told: Iterable[dict[str, Any]] = ()) -> None:
        """Take the present state as known, and the events that were told before (collective)."""
        self.noted = {entry["event"] for entry in told}
        if self.deposit is not None:
            self._remember(self.deposit)

    def closed(self) -> dict[int, dict[str, Any]]:
        """Pores that metal has closed, by number (collective)."""
        return {} if self.deposit is None else self.deposit.voids()

    def _remember(self, deposit: Deposit) -> None:
        self.joined = deposit.joined
        self.islands = {piece["piece"]: piece for piece in deposit.pieces}
        self.voids = {*deposit.voids()}

    def news(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and numbers of what the last accepted step has brought (collective).

        Places are in m, charges in C per m2 of projected area, volumes in m3 (2D: m2).
        """
        deposit, domain = self.deposit, self.model.domain
        if deposit is None:
            return []
        charge = float(self.model.system.charges["passed"][0]) / self.model.area
        found: list[tuple[str, dict[str, Any]]] = []
        if deposit.shorted and "short_circuit" not in self.noted:
            found.append(("short_circuit", {"place": list(deposit.shorted)}))
        place = deposit.tip_place
        if domain.host and place and "overflow" not in self.noted:
            if domain.along(np.array([place]))[0] > domain.host[0]:
                found.append(("overflow", {"place": list(place)}))
        for solid in sorted(deposit.joined - self.joined):
            at = deposit.contacts.where(deposit.contacts.number_of(solid), joined=True)
            found.append(("bridge", {
                "piece": OWN, "place": at, "region": deposit.solid_names[solid]}))
        now = deposit.voids()
        closed = {*now} - self.voids - deposit.s["voids"].late
        found += [("void", now[number]) for number in sorted(closed)]
        found = [(name, more | {"charge": charge}) for name, more in found]
        found += self._islands(deposit)
        self.noted |= {name for name, _ in found}
        self._remember(deposit)
        return found

    def _islands(self, deposit: Deposit) -> Iterator[tuple[str, dict[str, Any]]]:
        """Pieces that lost or found a contact, by their number; the collector's is 1."""
        now = {piece["piece"]: piece for piece in deposit.pieces}
        told = {"pieces": len(now), "before": len(self.islands)}
        for number in sorted({*now} - {*self.islands}):
            yield "island", self._piece(number, now[number]) | {
                "contact": deposit.contacts.where(number), **told,
            }
        for number in sorted({*self.islands} - {*now}):
            heir, more = deposit.contacts.heir(number), self._piece(number, self.islands[number])
            if heir:
                at = deposit.contacts.where(number, joined=True)
                yield "joined", more | {"to": heir, "contact": at, **told}
            else:
                yield "dissolved", more | told

    def _piece(self, number: int, piece: dict[str, Any]) -> dict[str, Any]:
        """Its number, its middle in m, its charge in C per m2 of projected area."""
        charge = piece["charge"] / self.model.area
        return {"piece": number, "place": piece["place"], "charge": charge}


class StopRequest:
    """Notes SIGTERM, SIGUSR1 and SIGINT; the run asks between two steps.

    A batch system sends one of them before the wall limit.
    """

    def __init__(self, comm: MPI.Comm):
        self.comm = comm
        self.number = 0

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Note signals inside the block."""
        old: dict[int, Any] = {}
        with contextlib.suppress(ValueError):  # only the main thread may set handlers
            for wanted in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
                old[wanted] = signal.signal(wanted, self._note)
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: Any) -> None:
        self.number = number

    def agreed(self) -> int:
        """The signal that some rank got, the same answer on all ranks; 0 for none (collective)."""
        return int(self.comm.allreduce(self.number, op=MPI.MAX))
