"""The books of the metal that is cycled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fem import theory
from fem.base.constants import FARADAY
from fem.base.errors import CaseError
from fem.materials import Metal
from fem.physics.inventory.losses import Losses
from fem.physics.inventory.outlook import extrapolated
from fem.physics.inventory.stack import Weights
from fem.system.ledger import Ledger, down_to_the_last
from fem.system.part import Begun, Observer
from fem.system.system import System

__all__ = ["Books"]

#: Ledgers of side reactions: of walls, of films on the counter electrode.
SIDE = ("side", "side_counter")


class Books(Observer):
    """Live, dead and lost metal, and that of the counter electrode: M + X + S + K = const.

    M is what the cell's `stock` holds in contact, X what it holds without, and what losses have
    stranded; S is minus the integral of all side reactions, K what the name `opposite` holds, or
    minus what has entered the electrolyte opposite. Each comes from its own place.

    Args:
        losses: of the case.
        stated: what goes into the summary on where they are from.
        metal: its data.
        pores: regions of electrolyte, with their porosity: pores where they lie in the host.
        hosted: the mesh has a host.
        weigh: what the stack weighs, of a charge of metal at the start, C/m2; None if nobody asks.
    """

    needs: tuple[str, ...] = ("circuit", "stock")
    provides: tuple[str, ...] = ("losses",)

    def __init__(
        self, losses: Losses, stated: dict[str, Any], metal: Metal, pores: dict[str, float],
        hosted: bool, weigh: Callable[[float], Weights] | None = None,
    ):
        self.losses, self.stated, self.pores, self.hosted = losses, stated, pores, hosted
        self.weigh, self.metal = weigh, metal
        self.thickness = float(metal.molar_volume) / (metal.z * FARADAY)  # m per C/m2
        self.makes = ("host_use",) if hosted else ()
        self.begun: Begun | None = None

    def declare(self, s: System) -> None:
        """Give walls their losses, and keep a ledger of what a counter electrode gives."""
        self.s = s
        s.define("losses", self.losses)
        self.given = Ledger(s, "counter_given")
        self.energy = {name: Ledger(s, f"energy_{name}") for name in ("in", "out")}

    def rows(self, s: System) -> None:
        """Find the volume of the pores of the host (collective)."""
        s.jumps.append(self._runs_out)
        if (self.losses.stranded or self.losses.decay) and "dead" not in s.reports.ledgers:
            raise CaseError(
                "inventory.dead: metal is followed on no wall, only in averaged hosts; give "
                "`dead` there"
            )
        self.stock, self.opposite = s["stock"], s.values.get("opposite")
        self.room = 0.0
        if self.hosted:
            inside = s.domain.hosted * s.domain.weight
            self.room = sum(
                share * s.integral(s.form(inside * s.domain.dx((name,))))
                for name, share in self.pores.items()
            )

    # -- a run asks ----------------------------------------------------------------------------

    def _parts(self, side: float, dead: float, given: float) -> dict[str, float]:
        """M, X, S and K of the present state, C (2D: C/m; collective).

        Args:
            side: integral of side reactions, sign of i_n, C.
            dead: what losses have stranded, C.
            given: what has entered the electrolyte opposite, C.
        """
        plated, left = self.stock.plated(), self.stock.left()
        cut_off = sum(store.plated() - store.live() for store in self.s.reports.stores)
        cut_off = plated - left if math.isfinite(left) else cut_off
        counter = -given if self.opposite is None else self.opposite.left()
        return {"live": plated - cut_off, "dead": dead + cut_off, "sei": -side, "counter": counter}

    def begin(self) -> None:
        """Take the present state as the reference (collective)."""
        for ledger in (self.given, *self.energy.values()):
            ledger.begin()
        parts = self._parts(0.0, 0.0, 0.0)
        self.s.kept |= {
            "inventory": sum(parts.values()), "foil": parts["counter"],
            "start_live": parts["live"],
            **{f"cycle_{name}": value for name, value in parts.items()},
        }
        self.s.kept |= {"cycle": 0, "cycle_in": 0.0, "cycle_out": 0.0}
        self.found = parts
        self.weights = self._weighed(parts)

    def _weighed(self, parts: Mapping[str, float]) -> Weights | None:
        """The stack, with all the metal that no layer contains (collective)."""
        if self.weigh is None:
            return None
        metal = parts["live"] + (parts["counter"] if self._foil else 0.0)
        return self.weigh(metal / self.s["circuit"].area)

    def recall(self, events: Any) -> None:
        """Take up a state that was restored (collective)."""
        del events
        charges = self.s.charges
        dead = charges["dead"][0] if "dead" in charges else 0.0
        side = sum(float(charges[name][0]) for name in SIDE if name in charges)
        self.found = self._parts(side, float(dead), float(self.given.history[0]))
        kept = self.s.kept
        self.weights = self._weighed({"live": kept["start_live"], "counter": kept["foil"]})

    def impose(self, begun: Begun) -> None:
        """Note what there is where a cycle begins."""
        cycle, self.begun = begun.segment.cycle, begun
        if cycle != self.s.kept["cycle"]:
            self.s.kept |= {f"cycle_{name}": value for name, value in self.found.items()}
            self.s.kept |= {f"cycle_{n}": float(e.history[0]) for n, e in self.energy.items()}
            self.s.kept["cycle"] = cycle

    def _runs_out(self) -> float | None:
        """Share of the step to be tried after which little is left, at the last current."""
        books = self.s["circuit"]
        if self.begun is None or self.begun.segment.sign <= 0.0 or books.flow <= 0.0:
            return None
        taken = books.flow * self.s.dt * (1.0 + self.losses.stranded)
        return down_to_the_last(self.found["live"], self.s.kept["most"], taken)

    def step(self, scale: float) -> dict[str, float]:
        """The columns, C (2D: C/m), and how well they add up."""
        s, books = self.s, self.s["circuit"]
        given = self.given.step(books.opposite)
        side = sum(books.pending.get(name, 0.0) for name in SIDE)
        self.parts = self._parts(side, books.pending.get("dead", 0.0), given)
        stored = self.opposite is not None
        size = s.kept["inventory"] if stored else books.reference(scale)
        gap = sum(self.parts.values()) - s.kept["inventory"]
        gains = {f"gain_{n}": part - s.kept[f"cycle_{n}"] for n, part in self.parts.items()
                 if n != "counter"}
        metal = self.parts["live"] + self.parts["dead"]
        inside = self._inside(metal)
        lost = 0.0
        if self.opposite is not None and self._foil:
            lost = self.opposite.fresh - self.parts["counter"]
        out = {f"metal_{name}": value for name, value in self.parts.items()} | gains
        power = s.get_voltage() * books.flow
        for name, rate in (("in", max(power, 0.0)), ("out", max(-power, 0.0))):
            out[f"energy_{name}"] = self.energy[name].step(rate) - s.kept[f"cycle_{name}"]
        out["swelling"] = self.thickness * (metal - inside - lost) / books.area
        out["inventory"] = abs(gap) / size
        if self.hosted:
            out["host_use"] = self.thickness * inside / self.room
        return out

    def _inside(self, metal: float) -> float:
        """Metal in the pores of the host, C (collective)."""
        stored = sum(store.plated() for store in self.s.reports.stores)
        if stored or not self.hosted:
            return stored
        return getattr(self.stock, "in_host", lambda: metal)()

    @property
    def _foil(self) -> bool:
        """The counter electrode is metal of finite thickness."""
        return self.opposite is not None and self.opposite.ocv is None

    def accept(self) -> None:
        """Take what was found as what there is."""
        for ledger in (self.given, *self.energy.values()):
            ledger.accept()
        self.found = self.parts

    def summary(self) -> dict[str, Any]:
        """Origin of the losses."""
        return {"losses": self.stated} if self.stated else {}

    def outlook(self, cycles: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Cycles to 80 % of the capacity, if the last efficiencies are constant: extrapolated."""
        kind = "endless" if self.opposite is None else "foil" if self._foil else "cathode"
        out: dict[str, Any] = {"outlook": extrapolated(cycles, kind)}
        if self.weights is not None:
            last = next((row for row in reversed(cycles) if row["stripped"] > 0.0), None)
            if last is not None:
                kg = theory.metal_mass(last["plated"], float(self.metal.molar_mass), self.metal.z)
                out["stack"] = {"cycle": last["cycle"]} | self.weights.summary(
                    last["energy_out"], last["stripped"], kg)
        return out

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Losses that nobody has measured."""
        if not closely:
            for name, entry in self.stated.items():
                if entry["status"] == "assumed":
                    yield f"loss {name}", (
                        f"inventory.{name}: assumed ({entry['source']}); efficiency and retention "
                        "follow from it and predict nothing"
                    )
