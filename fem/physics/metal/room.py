"""Limits of plating and stripping: room to plate in, and metal in contact to strip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fem.base.errors import RunError
from fem.compat import MPI
from fem.physics.metal.ledger import MetalLedger
from fem.system.part import Begun, Cause, Event, Observer
from fem.system.system import System

__all__ = ["MAX_LEAK_SHARE", "Room"]

#: Largest share of the cell current through empty pores; with more a step is too large.
MAX_LEAK_SHARE = 1e-4
#: Most reductions of such a step; then no metal in contact is left that could carry the current.
MAX_LEAK_TRIES = 6
#: Share of metal that every pore has where plating ends, and that no step may leave behind:
#: stripping finds its front in the rest.
FULL, BRIM = 0.99, 0.997
#: What to do where metal can begin nowhere.
NO_SITE = (
    "there is no metal, and all walls are nucleating ones, where only nuclei react; give "
    "[[nuclei]] a threshold, or initial.metal_layer, or hold the voltage first"
)


class Room(Observer):
    """Pores that fill up, and current that only empty pores carry.

    What metal in contact cannot reach has no room for it: pores that it has closed, and those
    beyond a separator without a conductor that leads there.

    Args:
        ledger: the metal's books.
    """

    needs: tuple[str, ...] = ("stock", "contact", "voids", "xi")

    def __init__(self, ledger: MetalLedger):
        self.ledger = ledger
        self.begun: Begun | None = None
        self.stepped, self.tries, self.emptiest = False, 0, 0.0

    def rows(self, s: System) -> None:
        """Find the pores that metal in contact can reach (collective)."""
        nodes = self.ledger.contacts.nodes
        part, _, family = nodes.united(np.ones(len(nodes.kin), dtype=bool), nodes.edges)
        reached = part == family[0] if family[0] >= 0 else part >= 0
        self.reached = reached[: nodes.map.size_local]

    def _emptiest(self) -> float:
        """Least xi where metal in contact can grow, inf where nowhere (collective)."""
        on = self.reached & ~self.s["voids"].shut[: len(self.reached)]
        xi = self.s.unknowns["xi"].owned[on]
        return self.s.domain.comm.allreduce(float(xi.min(initial=np.inf)), op=MPI.MIN)

    @property
    def _fills(self) -> bool:
        """Metal is plated."""
        return self.begun is not None and self.begun.segment.sign < 0.0

    def _leaks(self) -> bool:
        """Empty pores carry more of the current than their floor conductivity is meant for.

        At rest there is no current of which it could be a share.
        """
        assert self.begun is not None
        return self.begun.segment.name != "rest" and self.ledger.numbers["floor"] > MAX_LEAK_SHARE

    def ready(self, segment: Any) -> str | None:
        """Give the current a place where metal can begin: on bare walls the easiest site.

        Collective.
        """
        nuclei = self.s.values.get("nuclei")
        if self._bare() and not (
            segment.sign < 0.0 and nuclei is not None and nuclei.wake_first() and not self._bare()
        ):
            return "nothing carries the current"
        return None

    def causes(self, segment: Any) -> Iterator[Cause]:
        """A place where metal can begin (collective)."""
        if self._bare():
            yield Cause("no site", True, NO_SITE)

    def _bare(self) -> bool:
        """Nothing reacts that draws current through the collector (collective)."""
        self.s.begin(0.0)
        area = sum(float(np.abs(t.area).sum()) for t in self.s.reactions
                   if t.drives and not t.side_of)
        total = self.s.domain.comm.allreduce(area, op=MPI.SUM)
        return bool(total <= 1e-12 * self.s["circuit"].area)

    def impose(self, begun: Begun) -> None:
        """Note what is imposed, and the emptiest pore (collective)."""
        self.begun, self.stepped, self.tries = begun, not begun.fresh, 0
        self.emptiest = self._emptiest() if self._fills else 0.0

    def accept(self) -> None:
        """Note that a step was taken, and the emptiest pore after it (collective)."""
        self.stepped, self.tries = True, 0
        self.emptiest = self._emptiest()

    def share(self) -> float | None:
        """Share of a step that fills no pore to the brim, and that leaks less (collective)."""
        shares, reached = [], self._emptiest()
        if self._fills and BRIM < reached < np.inf:
            aim = 0.5 * (FULL + BRIM) - self.emptiest
            shares.append(max(aim / (reached - self.emptiest), 0.05))
        if self._leaks() and not self.s.kept.get("leaking") and self.tries < MAX_LEAK_TRIES:
            self.tries += 1  # what lost its contact within the step still carried current
            shares.append(0.4)
        return min(shares, default=None)

    def _full(self, share: float) -> bool:
        """Metal fills this share of every pore that it can reach (collective)."""
        return self._fills and self._emptiest() > share

    def nothing_to_do(self) -> Event | None:
        """Pores that are full; or, as two steps in a row leak, no metal in contact (collective).

        A cut-off ends that step, or it ends here.

        Raises:
            RunError: plating leaks.
        """
        if not self.stepped or self.begun is None:
            return None
        if self._full(FULL):
            return Event("full", look=True)
        before, kept = self.s.kept.get("leaking"), self.s.kept
        leaks = self._leaks()
        kept["leaking"] = float(leaks)
        segment = self.begun.segment
        if not (before and leaks and segment.cutoff is None):
            return None
        if segment.sign > 0.0:
            left = self.ledger.left() / self.s["circuit"].area
            return Event("stripped", {"left": left})
        raise RunError(
            f"{segment.label} at t = {self.s.t:.6g} s: {self.ledger.numbers['floor']:.1e} of the "
            f"current passes through empty pores, limit {MAX_LEAK_SHARE:.0e}: no metal in contact "
            "carries it; give the step a cutoff"
        )

    def stuck(self) -> Event | None:
        """Pores that are nearly full."""
        return Event("full") if self._full(0.5) else None
