"""Reports of parts to the books of a cell: currents, power, metal, and what they integrate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fem.base.errors import RunError, nearest
from fem.contract.physics import VOLTAGE_PARTS
from fem.system.ports import Ports
from fem.system.store import Store

__all__ = ["FLOWS", "Reports"]

#: Currents that enter the balances of a cell, A (2D: A/m); see `Reports.flow`.
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


class Reports:
    """Reports of the parts of a system (`System.reports`).

    Args:
        ports: of the system; what is spent enters one.
        author: name of the part that reports now.

    Attributes:
        flows: one of `FLOWS` -> UFL functionals in ampere, and functions that give a value.
        reporters: the same -> parts that reported one.
        spent: one of `VOLTAGE_PARTS` -> functions of the test function, as `spend` takes them.
        accounts: objects that report what is spent when a step is measured.
        smooth: those of them that give derivatives, too.
        stores: metal that parts hold beside walls.
        salt_sinks: name of a ledger -> what it takes, mol/s (collective).
        ledgers: name of another time integral -> its rate (collective).
        conductivities: of what carries the current through pores at the start, S/m, by T, K.
    """

    def __init__(self, ports: Ports, author: Callable[[], str]):
        self._ports, self._author = ports, author
        self.flows: dict[str, list[Any]] = {name: [] for name in FLOWS}
        self.reporters: dict[str, list[str]] = {name: [] for name in FLOWS}
        self.spent: dict[str, list[Callable[[Any], Any]]] = {}
        self.accounts: list[Any] = []
        self.smooth: list[Any] = []
        self.stores: list[Store] = []
        self.salt_sinks: dict[str, Callable[[], float]] = {}
        self.ledgers: dict[str, Callable[[], float]] = {}
        self.conductivities: list[Callable[[float], Iterable[float]]] = []

    def flow(self, name: str, current: Any) -> None:
        """Report a current to the balances of the cell (`fem.physics.circuit`).

        Args:
            name: one of `FLOWS`.
            current: a UFL functional in ampere, or a function that gives its value (collective).

        Raises:
            RunError: there is no such current.
        """
        if name not in FLOWS:
            raise RunError(f"there is no current {name!r}; {nearest(name, FLOWS)}")
        self.flows[name].append(current)
        if (author := self._author()) not in self.reporters[name]:
            self.reporters[name].append(author)

    def spend(self, part: str, functional: Callable[[Any], Any]) -> None:
        """Report what a physics spends of the power that the cell takes up.

        Divided by the cell current it is that part of the cell voltage. Whatever carries current
        reports all that it spends, once; parts then add up to the voltage (`fem.physics.circuit`).
        All but what is `stored` becomes heat where it is spent.

        Args:
            part: one of `VOLTAGE_PARTS`.
            functional: test function, constant on each cell of the mesh -> UFL form in watt (2D:
                W/m), with the current as it stands in the rows.

        Raises:
            RunError: there is no such part.
        """
        if part not in VOLTAGE_PARTS:
            known = nearest(part, VOLTAGE_PARTS)
            raise RunError(f"there is no part {part!r} of a voltage; {known}")
        self.spent.setdefault(part, []).append(functional)
        if part != "stored":
            self._ports.contribute("spent", functional)

    def spend_by(self, account: Any, *, smooth: bool = False) -> None:
        """Let an object report what is spent: `spends`, the parts, and `spending`, each in W.

        When a step is measured it is asked; which parts it has must be known by `System.close`.

        Args:
            account: that is asked.
            smooth: it gives derivatives, `changes`, too; without them both ways of a small current
                are compared, which may differ where walls react.
        """
        self.accounts.append(account)
        if smooth:
            self.smooth.append(account)

    def spend_at_nodes(self, reaction: Any) -> None:
        """Let a reaction at nodes report what it spends, and the heat that it releases there."""
        self.spend_by(reaction)
        self._ports.contribute_at_nodes("spent", reaction, reaction.released)
