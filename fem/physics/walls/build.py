"""From a case to the electrodes of its walls, and the counter electrode that holds metal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fem.physics.walls.counter import holding
from fem.physics.walls.interface import Interface
from fem.physics.walls.ledger import WallLedger, film_per_charge, smallest_diameter
from fem.setup.setup import Setup
from fem.system.part import Part

__all__ = ["books", "build"]


def build(setup: Setup, _table: Any) -> Iterator[Part]:
    """The walls that react; where metal grows, its front does instead."""
    case, found = setup.case, setup.surfaces
    stores = case.counter.stores
    counter = (found.counter,) if found.counter and not stores else ()
    yield Interface(
        () if setup.pores else (*found.plating, *counter),
        state=case.study == "tertiary",
        initial_charge=case.initial.plated_charge or 0.0,
        charge_scale=found.covering_charge,
        thickness=film_per_charge(case.metal_data),
    )
    if stores:
        yield holding(case, found)


def books(setup: Setup, _table: Any) -> Iterator[WallLedger]:
    """The metal on walls; where it grows, it is counted there."""
    if not setup.pores:
        interface = setup.part("walls")
        diameter = smallest_diameter(setup.domain.sidecar.get("parameters", {}))
        barrier = setup.surfaces.deepest_nucleation
        yield WallLedger(interface, interface.thickness, diameter, barrier)
