"""Stern layers: the charge of metal against the ions next to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.mesh.domain import on_side
from fem.setup.electrode import Electrode
from fem.system.facets import WallReaction
from fem.system.nodal import CELL, VOLTAGE
from fem.system.system import System

__all__ = ["SternLayers"]


Array = npt.NDArray[np.float64]


@dataclass
class SternLayers:
    """Stern layers of electrodes whose electrons come from one place.

        q_S = C_S (phi_s - phi), C/m2, is the charge of the metal
        row of phi     -omega <q_S, v>
        row of phi_s, and the current of the cell     <dq_S/dt, v>

    Attributes:
        system: with phi.
        electrodes: that are meant, all with the same `potential`.
        capacity: C_S, F/m2.
        omega: what makes a charge a current, 1/s.
        reaction: that brings both into the rows; made by `rows`.
    """

    system: System
    electrodes: Sequence[Electrode]
    capacity: float
    omega: Any
    reaction: WallReaction = field(init=False)

    @property
    def electrons(self) -> str:
        """Source of electrons, as `Electrode.potential` names it."""
        return self.electrodes[0].potential

    def rows(self) -> None:
        """Add the charge to Poisson's equation, and its current to that of electrons."""
        s = self.system
        walls = [wall for e in self.electrodes for wall in e.walls]
        faces = [face for e in self.electrodes for face in e.faces]
        layer = s.domain.wall_layer(walls, faces)
        s.parts.append(layer)
        integrals: dict[str, Callable[[Any], Any]] = {"charge": self._charge}
        rows = {"phi": ("charge", -1.0)}
        if self.electrons != "ground":
            integrals["current"] = self._current
            rows[CELL] = "current", 1.0
        if self.electrons == "field":
            rows["phi_s"] = "current", 1.0
        name = f"stern {self.electrons}"
        self.reaction = WallReaction(s, name, layer, walls, faces, integrals, rows, self.electrons)
        s.reactions.append(self.reaction)
        for form in self.charging():
            s.reports.flow("counter" if self.electrons == "ground" else "cell", form)
            if self.electrons != "ground":
                s.reports.flow("side", form)  # it makes no metal
            if self.electrons == "driven":
                s.reports.flow("driven", form)

    def charging(self) -> Iterator[Any]:
        """Current that charges the layer of each electrode, A (UFL)."""
        for q, _, measure in self._places():
            yield self.system.ddt(q) * measure

    def work(self) -> float:
        """Work on what charges the layers, <dq_S/dt, phi_s>, on this rank, W (2D: W/m)."""
        if self.electrons == "ground":
            return 0.0
        return float(self.reaction.currents()[CELL] @ self._level())

    def work_change(self, moves: Mapping[str, Array], rise: float) -> float:
        """Change of `work` with the unknowns, on this rank, W (2D: W/m).

        Args:
            moves: changes of all unknowns, at all their nodes of this rank.
            rise: of the voltage, V.
        """
        if self.electrons == "ground":
            return 0.0
        at, current = self.reaction.nodes, self.reaction.currents()[CELL]
        rises = {name: moves[name][nodes] for name, nodes in at.items()} | {VOLTAGE: rise}
        change = sum(slope * rises[by] for (row, by), slope in self.reaction.slopes().items()
                     if row == CELL)
        lift = rise + (rises["phi_s"] if self.electrons == "field" else 0.0)
        return float((change * self._level() + current * lift).sum())

    def _level(self) -> Any:
        """phi_s at the nodes of the layers, V: its field is the difference from the voltage."""
        s, voltage = self.system, self.system.get_voltage()
        if self.electrons != "field":
            return np.full(len(self.reaction.here), voltage)
        return voltage + s.unknowns["phi_s"].value.x.array[self.reaction.nodes["phi_s"]]

    def charges(self) -> Iterator[Any]:
        """Charge of the metal at each electrode, C (UFL)."""
        for q, _, measure in self._places():
            yield q * measure

    def densities(self) -> Iterator[tuple[Electrode, float]]:
        """Mean charge of the metal at walls and faces of each electrode, C/m2 (collective)."""
        s, domain = self.system, self.system.domain
        homes = ((e, on) for e in self.electrodes for on in ("walls", "faces") if getattr(e, on))
        for (q, _, measure), (e, on) in zip(self._places(), homes, strict=True):
            weight = domain.wall_weight(**{on: getattr(e, on)})
            area = s.integral(s.form(domain._one * weight * measure))
            yield e, s.integral(s.form(q * measure)) / area

    def _places(self) -> Iterator[tuple[Any, Any, Any]]:
        """(weighted q_S, the side of the electrolyte, measure) of walls and faces."""
        s = self.system
        for e in self.electrodes:
            for minus, weight, measure in s.domain.lumped_on(e.walls, e.faces):
                level: Any = 0.0
                if self.electrons == "field":
                    level = on_side(s["phi_s"], "+" if minus else "")
                elif self.electrons == "driven":
                    level = on_side(s.voltage, minus)
                yield weight * (self.capacity * (level - on_side(s["phi"], minus))), minus, measure

    def _charge(self, v: Any) -> Any:
        """Omega <q_S, v>, A."""
        terms = [self.omega * q * on_side(v, side) * m for q, side, m in self._places()]
        return sum(terms[1:], terms[0])

    def _current(self, v: Any) -> Any:
        """Current that charges the layers, <dq_S/dt, v>, A."""
        s = self.system
        terms = [s.ddt(q) * on_side(v, side) * m for q, side, m in self._places()]
        return sum(terms[1:], terms[0])
