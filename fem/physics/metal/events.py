"""Events of growing metal, from one accepted step to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fem.physics.metal.ledger import MetalLedger
from fem.physics.metal.pieces import COLLECTOR_PIECE
from fem.system.part import Begun, Event, Observer, Warn
from fem.values.units import shown_point

__all__ = ["MetalEvents"]

#: Share of c0 below which a voltage that is held may draw the last salt within one step.
LOW_SHARE = 0.1
#: Events at which rates jump: what was cut off would go on for half a step by BDF2's memory.
JUMP_EVENTS = ("island", "joined", "bridge")


class MetalEvents(Observer):
    """Notes what has happened to the metal.

    `short_circuit`: metal joins collector and counter electrode. `overflow`: its tip passes the
    top of the host. Both are noted once a run. `bridge`: metal joins a solid that floated to the
    collector. `island`: a piece of metal has lost its contact. `joined`: it has one again, or is
    connected with another piece. `dissolved`: it is gone. `void`: metal has closed a pore, or it is
    closed from the start; nothing grows in it, its electrolyte takes up `volume`. `opened`: it is
    open again, and was of that volume.

    Args:
        ledger: the metal's books.
    """

    needs: tuple[str, ...] = ("stock", "voids")

    def __init__(self, ledger: MetalLedger):
        self.ledger = ledger
        self.noted: set[str] = set()
        self.begun: Begun | None = None
        self.voids: dict[int, dict[str, Any]] = {}

    def begin(self) -> None:
        """Take the present metal as known, but no pore as closed (collective)."""
        self.recall()
        self.voids = {}

    def impose(self, begun: Begun) -> None:
        """Note what is imposed."""
        self.begun = begun

    def recall(self, events: Sequence[Mapping[str, Any]] = ()) -> None:
        """Take the present state as known, and the events that were noted before (collective)."""
        self.noted = {entry["event"] for entry in events}
        closed, opened = ({e.get("void") for e in events if e["event"] == name}
                          for name in ("void", "opened"))
        self.closed = closed - opened
        self._remember()

    def _remember(self) -> None:
        self.joined = self.ledger.joined
        self.islands = {piece["piece"]: piece for piece in self.ledger.pieces}
        self.voids = self.ledger.voids()
        self.void_of_nodes = self.s["voids"].number.x.array[: len(self.ledger.volumes)].copy()

    def first_events(self) -> Iterable[Event | Warn]:
        """Pores that are closed from the start (collective)."""
        return self._note([*self._pores()])

    def events(self) -> Iterable[Event | Warn]:
        """Events of the last accepted step (collective).

        Places are in m, charges in C per m2 of projected area, volumes in m3 (2D: m2).
        """
        return self._note([*self._news(), *self._pores(), *self._islands()])

    def _note(self, news: Sequence[tuple[str, dict[str, Any]]]) -> Iterable[Event | Warn]:
        """Events of these names and numbers, which are known from now on (collective)."""
        fresh = self.s.time.history > 2  # else the formula has just begun anew
        found = [Event(name, more, jump=fresh and name in JUMP_EVENTS) for name, more in news]
        self.noted |= {event.name for event in found}
        self._remember()
        closes = any(event.name == "void" for event in found)
        return [*found, *(Warn(*remark) for remark in self.remarks(closely=closes))]

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Number of closed pores, and the place of the largest."""
        voids = [*self.voids.values()] if closely else []
        if voids:
            place = max(voids, key=lambda void: float(void["volume"]))["place"]
            yield "closed pores", (
                f"t = {self.s.t:.6g} s: {len(voids)} closed pore{'s' if len(voids) > 1 else ''}, "
                f"the largest at {shown_point(place)}: no ions get in or out, so "
                "nothing grows there"
            )

    def _news(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and numbers of what has happened (collective)."""
        ledger, domain = self.ledger, self.s.domain
        found: list[tuple[str, dict[str, Any]]] = []
        if ledger.shorted and "short_circuit" not in self.noted:
            found.append(("short_circuit", {"place": list(ledger.shorted)}))
        place = ledger.tip_place
        if domain.host and place and "overflow" not in self.noted:
            if domain.along(np.array([place]))[0] > domain.host[0]:
                found.append(("overflow", {"place": list(place)}))
        for solid in sorted(ledger.joined - self.joined):
            at = ledger.contacts.where(ledger.contacts.number_of(solid), joined=True)
            found.append(("bridge", {
                "piece": COLLECTOR_PIECE, "place": at, "region": ledger.solid_names[solid]}))
        return [(name, more | {"charge": self._charge}) for name, more in found]

    @property
    def _charge(self) -> float:
        """Charge passed, C per m2 of projected area."""
        return float(self.s.charges["passed"][0]) / self.s["circuit"].area

    def _pores(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Pores that closed, or opened again, by their number."""
        now, voids = self.ledger.voids(), self.s["voids"]
        opened = ((self.closed & {*self.voids}) - {*now}) & voids.opened(self.void_of_nodes)
        closed = {*now} - {*self.voids} - voids.late
        for number in sorted(opened):
            yield "opened", {"void": number} | self.voids[number] | {"charge": self._charge}
        for number in sorted(closed):
            yield "void", {"void": number} | now[number] | {"charge": self._charge}
        self.closed = self.closed - opened | closed

    def _islands(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Pieces that lost or found a contact, by their number; the collector's is 1."""
        ledger = self.ledger
        now = {piece["piece"]: piece for piece in ledger.pieces}
        counts = {"pieces": len(now), "before": len(self.islands)}
        for number in sorted({*now} - {*self.islands}):
            yield "island", self._piece(number, now[number]) | {
                "contact": ledger.contacts.where(number), **counts,
            }
        for number in sorted({*self.islands} - {*now}):
            heir, more = ledger.contacts.heir(number), self._piece(number, self.islands[number])
            if heir:
                at = ledger.contacts.where(number, joined=True)
                yield "joined", more | {"to": heir, "contact": at, **counts}
            else:
                yield "dissolved", more | counts

    def _piece(self, number: int, piece: Mapping[str, Any]) -> dict[str, Any]:
        """Its number, its middle in m, its charge in C per m2 of projected area."""
        charge = piece["charge"] / self.s["circuit"].area
        return {"piece": number, "place": piece["place"], "charge": charge}

    def stuck(self) -> str | None:
        """Say that the voltage held outruns ions that nothing brings to the front (collective).

        Kinetics there take those foreseen; see `fem.physics.metal.supply` for salt.
        """
        s, segment = self.s, self.begun.segment if self.begun else None
        served = "supply" in s.values and s["supply"].bounds
        held = segment is not None and segment.voltage is not None and not served
        low = self.ledger.lowest() if held else None
        if low is None or low > LOW_SHARE * s["ions"].c0:
            return None
        return (
            f"The voltage held draws what is left at the front (lowest c = {low:.3g} mol/m^3) "
            "within a step; where metal grows, kinetics take the ions foreseen from earlier steps "
            "and cannot follow that: hold a voltage closer to 0, impose the current, leave out "
            "[electrolyte_model], or study the same walls with study = 'tertiary'"
        )
