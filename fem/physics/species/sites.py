"""Langmuir sites on walls, that take up an ion."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ufl

from fem.base.constants import FARADAY
from fem.physics.species.solution import Solution
from fem.system.facets import WallReaction
from fem.system.part import Observer
from fem.system.system import System

__all__ = ["Sites"]


@dataclass
class Sites(Observer):
    r"""Share theta of the sites of some walls that an ion has taken.

        d(theta)/dt = rate (K c (1 - theta) - theta),   N . n_l = sites d(theta)/dt at the wall
        weak  F sites <d(theta)/dt - rate (K c (1 - theta) - theta), v> = 0                     [A]
              s F sites <d(theta)/dt, q> enters the row of the ion                              [A]

    Nothing enters the row of charge: metal ions go along with adsorbed anions, and come back for
    adsorbed cations, so that wall and liquid stay neutral.

    Attributes:
        solution: has the ion.
        ion: its number there.
        walls, faces: that carry sites, as `fem.mesh.domain` names them.
        amount: sites per wall area, mol/m2. K: m3/mol (number or UFL). rate: of desorption, 1/s.
        blocks: where sites are taken walls do not react.
        start: theta at the start. prefix: of the unknown's name.
        shown: walls and faces of which files have fields; theta is 0 where there are no sites.
    """

    solution: Solution
    ion: int
    walls: Sequence[tuple[str, str]]
    faces: Sequence[tuple[str, str]]
    amount: float
    K: Any
    rate: float
    blocks: bool = False
    start: float = 0.0
    prefix: str = "theta"
    shown: tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]] = ((), ())
    needs: tuple[str, ...] = ("ions",)

    @property
    def ion_name(self) -> str:
        """Name of the ion."""
        return self.solution.ions[self.ion].name

    @property
    def name(self) -> str:
        """Name of the unknown."""
        return f"{self.prefix}_{self.ion_name}"

    def law(self, theta: Any, c: Any) -> Any:
        """d(theta)/dt that kinetics give, 1/s."""
        return self.rate * (self.K * c * (1.0 - theta) - theta)

    def declare(self, s: System) -> None:
        """Add theta on the nodes of the walls, 0 elsewhere."""
        self.s, domain = s, s.domain
        if self.blocks and s.layer is not None:
            layer = s.layer
        else:
            walls, faces = self.shown
            layer = domain.wall_layer([*self.walls, *walls], [*self.faces, *faces])
        self.layer = layer
        theta = self.theta = s.add(self.name, layer, differential=True, scale=0.1,
                                   solver="diagonal")  # fmt: skip
        theta.nodal = True
        on = np.zeros(len(theta.value.x.array), dtype=bool)
        on[domain.nodes_on(theta.space, layer, walls=self.walls, faces=self.faces)] = True
        theta.fixed.append(np.flatnonzero(~on).astype(np.int32))
        theta.value.x.array[on] = self.start
        if self.blocks:
            free = 1.0 - theta.value
            s.define("free_share", s.values.get("free_share", 1.0) * free, layer)

    def _integral(self, law: Any, v: Any) -> Any:
        """F sites <law, v> over walls and faces, A."""
        flow = FARADAY * self.amount * law * v
        return self.s.domain.integral_on(self.walls, self.faces, flow)

    def rows(self, s: System) -> None:
        """Balance of the sites, and what they take out of the liquid."""
        theta, c = self.theta.value, self.solution.c[self.ion]
        stored = s.ddt(theta)
        law = stored - self.law(theta, c)
        ion = self.solution.ions[self.ion]
        unit = float(ion.z or 1)
        s.reactions.append(WallReaction(
            s, f"sites of {ion.name}", self.layer, self.walls, self.faces,
            {"stored": functools.partial(self._integral, stored),
             "taken": functools.partial(self._integral, law)},
            {f"mu_{ion.name}": ("stored", unit), self.name: ("taken", 1.0)}, "ground",
        ))  # fmt: skip
        one = ufl.as_ufl(1.0)
        self.taken_part, self.whole = (s.form(self._integral(x, one)) for x in (theta, one))
        taken = s.form(self._integral(stored, one))
        self.solution.takers.setdefault(self.ion, []).append(lambda: s.integral(taken) / FARADAY)

    def mean(self) -> float:
        """Mean of theta over the walls (collective)."""
        return self.s.integral(self.taken_part) / self.s.integral(self.whole)
