"""The order in which rows are solved, derived from what each slot follows."""

from __future__ import annotations

import re

import pytest

from fem.base.errors import RunError
from fem.system.slots import Slots
from fem.system.system import System


def test_stages_follow_from_slots() -> None:
    """Metal after the cell, salt once more after metal, heat last; an empty slot vanishes."""
    slots = Slots()
    slots.declare("heat", ("settled", "cell"))
    slots.declare("damage", ("front",))
    slots.declare("settled", ("front",))
    slots.declare("front", ("cell",))
    rows = {"phi_s": "cell", "T": "heat", "xi": "front", "phi_l": "cell", "c.settled": "settled"}
    for row, slot in rows.items():
        slots.put(row, slot)
    assert slots.plan() == (("phi_s", "phi_l"), ("xi",), ("c.settled",), ("T",))


def test_the_cell_alone_is_one_stage() -> None:
    slots = Slots()
    slots.put("phi_l", "cell")
    slots.put("c", "cell")
    assert slots.plan() == (("phi_l", "c"),)


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({"a": ("b",), "b": ("a",)}, "a circle (a after b; b after a)"),
        ({"a": ("fornt",)}, "fornt: not declared (a after fornt)"),
    ],
)
def test_slots_without_an_order_are_an_error(
    after: dict[str, tuple[str, ...]], reason: str
) -> None:
    slots = Slots()
    for name, before in after.items():
        slots.declare(name, before)
    with pytest.raises(RunError, match=re.escape(reason)):
        slots.plan()


def test_a_last_slot_follows_those_that_are_declared_later() -> None:
    """Heat takes what a guest makes in a slot of its own; one that names heat follows it."""
    slots = Slots()
    slots.declare("heat", ("cell",), last=True)
    slots.declare("tracer", ("cell",))
    slots.declare("stress", ("heat",))
    for row, slot in (("rise", "heat"), ("b", "tracer"), ("u", "stress"), ("c", "cell")):
        slots.put(row, slot)
    assert slots.plan() == (("c",), ("b",), ("rise",), ("u",))


def test_a_slot_is_declared_once_and_before_it_is_used() -> None:
    slots = Slots()
    slots.declare("front", ("cell",))
    slots.declare("front", ("cell",))
    with pytest.raises(RunError, match="after cell already; it cannot come after nothing"):
        slots.declare("front", ())
    with pytest.raises(RunError, match="did you mean 'front'"):
        slots.put("xi", "fornt")


def test_a_slot_follows_all_that_are_declared_before_it() -> None:
    s = System.__new__(System)
    s.slots = Slots()
    s.slot("front", after=("cell",))
    s.slot("heat")
    s.slot("heat")
    assert s.slots.after["heat"] == ("cell", "front")
