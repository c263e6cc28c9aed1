"""Sums over all physics that one of them takes up, and what a reaction at nodes brings into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import RunError, nearest

__all__ = ["FLOWS", "PORTS", "NodalSource", "Supply", "named_port"]

#: Sums over all physics, and their units; see `System.contribute`. What is spent becomes heat;
#: `heat` is that which is made besides.
PORTS = {
    "spent": "W/m^3", "heat": "W/m^3", "work": "W/m^3", "energy": "W/m^3", "force": "N/m^3",
}  # fmt: skip
#: Currents that enter the balances of a cell, A (2D: A/m); see `System.flow`.
FLOWS = {
    "cell": "out of the driven conductor at walls, sign of i_n",
    "side": "the part of that which makes no metal",
    "driven": "out of the collector itself at its own wall",
    "contact": "into conductors through a collector that resists",
    "outflow": "out of conductors through other boundaries",
    "counter": "into the electrolyte at the counter electrode",
    "inflow": "into the electrolyte through other boundaries",
    "carried": "the magnitude of that",
}

Supply = Callable[[], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class NodalSource:
    """Contribution of a reaction to the row of another physics, node by node.

    It is a `fem.system.nodal.Reaction` whose currents are known when the row is solved.
    """

    name: str
    row: str
    nodes: Mapping[str, npt.NDArray[np.int32]]
    supply: Supply

    columns = ()
    drives = False
    linear = True
    side_of = ""

    @classmethod
    def of(cls, s: Any, row: str, reaction: Any, supply: Supply) -> NodalSource:
        """Source of a reaction; its nodes are found among those of the row's unknown."""
        target = s.unknowns[row]
        at = np.full(len(next(iter(reaction.nodes.values()))), -1, dtype=np.int32)
        for name, nodes in reaction.nodes.items():
            same = s.domain.same_nodes(*s.fields[name], target.space, target.part)
            found = np.where(nodes >= 0, same[nodes], -1)
            at = np.where(at >= 0, at, found).astype(np.int32)
        return cls(f"{reaction.name}, {row}", row, {row: at}, supply)

    @property
    def rows(self) -> tuple[str, ...]:
        """The one that it enters."""
        return (self.row,)

    def currents(self) -> dict[str, npt.NDArray[np.float64]]:
        """Currents into the row at every node; a source is negative there."""
        return {self.row: -self.supply()}

    def slopes(self) -> dict[tuple[str, str], npt.NDArray[np.float64]]:
        """None: what is supplied does not change while the row is solved."""
        return {}

    def total(self) -> float:
        """Its electric current, A: none."""
        return 0.0


def named_port(name: str) -> str:
    """Check the name of a port.

    Raises:
        RunError: there is no such port.
    """
    if name not in PORTS:
        raise RunError(f"there is no port {name!r}; {nearest(name, PORTS)}")
    return name
