"""Walls that consume an ion, or release it from a stock until the liquid is saturated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ufl

from fem.base.constants import FARADAY
from fem.compat import MPI
from fem.physics.species.sites import Sites
from fem.physics.species.solution import Solution
from fem.system.facets import WallReaction
from fem.system.part import Observer
from fem.system.system import System
from fem.system.unknown import DEPLETED_SHARE

__all__ = ["Consumption", "Release"]

#: Share of a stock below which what is left of it covers the wall no more and dissolves slower.
LAST = 1e-2


@dataclass
class Release(Sites):
    r"""Share theta of a stock on some walls that has not dissolved yet.

        amount d(theta)/dt = -k (c_sat - c) theta/(theta + 1/100),   N . n_l = amount d(theta)/dt
        weak  F amount <d(theta)/dt, v> + <F k (c_sat - c) theta/(theta + 1/100), v> = 0        [A]
              s F amount <d(theta)/dt, q> enters the row of the ion                             [A]

    It begins whole. Above saturation the ion deposits where some is left. As with sites, metal
    ions come along with anions, and the row of charge has nothing of it.

    Attributes:
        amount: per wall area, mol/m2. K: k c_sat/amount, 1/s. rate: k/amount, m/s.
    """

    start: float = 1.0
    prefix: str = "left"

    def law(self, theta: Any, c: Any) -> Any:
        """d(theta)/dt that kinetics give, 1/s."""
        return -(self.K - self.rate * c) * theta / (theta + LAST)

    def summary(self) -> dict[str, float]:
        """Share of the stock that has dissolved (collective)."""
        return {f"released_{self.ion_name}": 1.0 - self.mean()}


@dataclass
class Consumption(Observer):
    r"""Walls that take an ion out of the liquid by a law of the case.

        N . n_l = flux(c, T, place) at the wall
        weak  s F <flux, q> enters the row of the ion                                           [A]

    A reaction of the neutral salt: the metal ions that belong to it go along, so that nothing
    enters the row of charge.

    Attributes:
        solution: has the ion.
        ion: its number there.
        walls, faces: that consume, as `fem.mesh.domain` names them.
        flux: c (mol/m3), T (K) -> mol/(m2 s) (UFL).
    """

    solution: Solution
    ion: int
    walls: Sequence[tuple[str, str]]
    faces: Sequence[tuple[str, str]]
    flux: Callable[[Any, Any], Any]
    needs: tuple[str, ...] = ("ions",)

    def declare(self, s: System) -> None:
        """Add the layer of the walls."""
        self.s, self.layer = s, s.domain.wall_layer(self.walls, self.faces)
        self.name = f"flux_{self.solution.ions[self.ion].name}"

    @property
    def _reaction(self) -> str:
        return f"consumption of {self.solution.ions[self.ion].name}"

    def rows(self, s: System) -> None:
        """Take the ion out of the liquid, and count it, mol (2D: mol/m)."""
        ion = self.solution.ions[self.ion]
        s.define(self.name, self.flux(self.solution.c[self.ion], s["T"]), self.layer)
        integral = functools.partial(self._integral, s[self.name])
        s.reactions.append(WallReaction(
            s, self._reaction, self.layer, self.walls, self.faces,
            {"taken": integral},
            {f"mu_{ion.name}": ("taken", float(ion.z or 1))}, "ground",
        ))  # fmt: skip
        taken = s.form(integral(ufl.as_ufl(1.0)))
        self.ledger = f"consumed_{ion.name}"
        self.solution.takers.setdefault(self.ion, []).append(lambda: s.integral(taken) / FARADAY)
        s.reports.ledgers[self.ledger] = lambda: s.integral(taken) / FARADAY

    def _integral(self, flux: Any, v: Any) -> Any:
        """F <flux, v> over walls and faces, A."""
        return self.s.domain.integral_on(self.walls, self.faces, FARADAY * flux * v)

    def stuck(self) -> str | None:
        """A flux that asks for more than there is, where the ion has run out (collective)."""
        ion, nodes = self.solution.ions[self.ion], self.s.reactions
        at = next(r.nodes[f"mu_{ion.name}"] for r in nodes if r.name == self._reaction)
        places = self.solution.node[self.solution.mine]
        here = self.solution.at_places()[self.ion][np.isin(places, at)]
        low = self.s.domain.comm.allreduce(float(here.min(initial=np.inf)), op=MPI.MIN)
        return None if low > DEPLETED_SHARE * ion.c0 else (
            f"Ion {ion.name} has run out (lowest {low:.3g} mol/m^3) where its consumption goes on; "
            "let ion.consumption.flux vanish with c, as k*c"
        )

    def summary(self) -> dict[str, float]:
        """Amount that was consumed, mol/m2 of collector (collective)."""
        return {self.ledger: float(self.s.charges[self.ledger][0]) / self.s["circuit"].area}
