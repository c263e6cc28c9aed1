"""Sums over all physics that one of them takes up, and what a reaction at nodes brings into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import RunError, nearest

__all__ = ["PORTS", "NodalSource", "Ports", "Supply"]

#: Sums over all physics, and their units; see `Ports.contribute`. What is spent becomes heat;
#: `heat` is that which is made besides.
PORTS = {
    "spent": "W/m^3", "heat": "W/m^3", "work": "W/m^3", "energy": "W/m^3", "force": "N/m^3",
}  # fmt: skip
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

    @classmethod
    def of(cls, s: Any, row: str, reaction: Any, supply: Supply) -> NodalSource:
        """Source of a reaction; its nodes are found among those of the row's unknown."""
        at = np.full(len(next(iter(reaction.nodes.values()))), -1, dtype=np.int32)
        for name, nodes in reaction.nodes.items():
            same = s.same_nodes(name, row)
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


class Ports:
    """Contributions of all physics to each of `PORTS` (`System.ports`).

    Attributes:
        sums: port -> functions of the test function, UFL forms.
        at_nodes: port -> reactions, and what each brings at its nodes.
        takers: port -> rows that it enters as a source.
    """

    def __init__(self) -> None:
        self.sums: dict[str, list[Callable[[Any], Any]]] = {port: [] for port in PORTS}
        self.at_nodes: dict[str, list[tuple[Any, Supply]]] = {port: [] for port in PORTS}
        self.takers: dict[str, list[str]] = {port: [] for port in PORTS}

    def contribute(self, port: str, functional: Callable[[Any], Any]) -> None:
        """Add to a sum that other physics may take up, whether or not one does.

        Args:
            port: one of `PORTS`.
            functional: test function -> UFL form, for example
                ``lambda v: sigma * ufl.inner(ufl.grad(phi), ufl.grad(phi)) * v * weight * dx``.

        Raises:
            RunError: there is no such port.
        """
        self.sums[_named(port)].append(functional)

    def contribute_at_nodes(self, port: str, reaction: Any, supply: Supply) -> None:
        """Add what a reaction brings into such a sum, node by node.

        Args:
            port: one of `PORTS`.
            reaction: whose nodes are meant (`fem.system.nodal.Reaction`).
            supply: at each of them, in the port's unit times a volume, at the present state.

        Raises:
            RunError: there is no such port.
        """
        self.at_nodes[_named(port)].append((reaction, supply))

    def take(self, port: str, row: str) -> None:
        """Let all that anybody contributes to a port enter a row as a source.

        Raises:
            RunError: there is no such port.
        """
        self.takers[_named(port)].append(row)

    def close(self, s: Any) -> None:
        """Bring what was contributed into the rows of a system that take it."""
        for port, rows in self.takers.items():
            for row in rows:
                for functional in self.sums[port]:
                    s.row(row, -functional(s.test(row)))
                s.reactions += [
                    NodalSource.of(s, row, reaction, supply)
                    for reaction, supply in self.at_nodes[port]
                ]


def _named(port: str) -> str:
    """Check the name of a port.

    Raises:
        RunError: there is no such port.
    """
    if port not in PORTS:
        raise RunError(f"there is no port {port!r}; {nearest(port, PORTS)}")
    return port
