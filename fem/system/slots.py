"""Slots: which rows are solved together within a step, and which of them after others.

Unknowns of the slot `cell` are solved first, all at once; it also finds the cell voltage. Where
something follows what has been found there, as a front follows the current, it gets a slot of its
own, after those that it follows. The stages of a step are the slots in that order; a slot without
rows vanishes.
"""

from __future__ import annotations

from collections.abc import Sequence

from fem.base.errors import RunError, nearest
from fem.base.order import in_order

__all__ = ["CELL_SLOT", "Slots", "unknown_of"]

#: The slot that every system has.
CELL_SLOT = "cell"


def unknown_of(row: str) -> str:
    """Name of the unknown that a row determines: `c` for `c` and for `c.settled`."""
    return row.partition(".")[0]


class Slots:
    """The slots of a system and the rows in each, in the order in which they were declared."""

    def __init__(self) -> None:
        self.after: dict[str, tuple[str, ...]] = {CELL_SLOT: ()}
        self.slot_of: dict[str, str] = {}
        self.last: set[str] = set()

    def declare(self, name: str, after: Sequence[str], *, last: bool = False) -> None:
        """Declare a slot that is solved after others.

        Args:
            name: of the slot.
            after: slots that it follows.
            last: it follows all others, but for those that name it.

        Raises:
            RunError: it is declared already, and otherwise.
        """
        if self.after.setdefault(name, tuple(after)) != tuple(after):
            known, new = (", ".join(a) or "nothing" for a in (self.after[name], after))
            raise RunError(
                f"the slot {name!r} comes after {known} already; it cannot come after {new}, too"
            )
        if last:
            self.last.add(name)

    def put(self, row: str, slot: str) -> None:
        """Put a row into a slot.

        Raises:
            RunError: nobody has declared the slot.
        """
        if slot not in self.after:
            raise RunError(
                f"the row {row!r} is to be solved in the slot {slot!r}, which is not declared; "
                f"{nearest(slot, self.after)}, or call s.slot({slot!r}, after=(...)) first"
            )
        self.slot_of[row] = slot

    def plan(self) -> tuple[tuple[str, ...], ...]:
        """Rows of each stage of a step, in the order in which stages are solved.

        Raises:
            RunError: slots come after each other in a circle, or after one that is not declared.
        """
        for slot, after in self.after.items():
            if unknown := sorted({*after} - {*self.after}):
                raise RunError(
                    f"slots cannot be put in order: {', '.join(unknown)}: not declared "
                    f"({slot} after {', '.join(after)})"
                )
        early = {slot for slot, after in self.after.items() if not self.last & {slot, *after}}
        order, circle = in_order({
            slot: {*after} | early if slot in self.last else after
            for slot, after in self.after.items()
        })
        if circle:
            raise RunError(f"slots cannot be put in order: a circle ({circle})")
        stages = (tuple(r for r, at in self.slot_of.items() if at == slot) for slot in order)
        return tuple(rows for rows in stages if rows)
