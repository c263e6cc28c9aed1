"""From a case to its electrons: what conducts them, and where they come in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ufl

from fem.base.errors import CaseError
from fem.physics.electrons.electrons import Electrons
from fem.setup.setup import Setup
from fem.system.part import Part
from fem.values.properties import number, varies

__all__ = ["books", "build"]


def build(setup: Setup, _table: Any) -> Iterator[Electrons]:
    """The electrons of a case; none without a conductor.

    Raises:
        CaseError: a region would bypass the contact of the collector.
    """
    case, domain, edges, filled = setup.case, setup.domain, setup.edges, setup.filled
    sigma = {n: setup.fillings[n].sigma for n in setup.conductors if n not in filled}
    if not (sigma or filled):
        return
    values = {n: number(value) for n, value in sigma.items() if not varies(value)}
    table: dict[tuple[str, ...], Any] = {}
    if values:
        lowered = {n: min(v, setup.cap) for n, v in values.items()}
        table[tuple(values)] = domain.field(lowered, "sigma")
    for n, value in sigma.items():
        if varies(value):
            there = value.at(**domain.coordinates(), T=case.temperature)
            table[(n,)] = ufl.min_value(there, setup.cap)
    if filled:
        table[tuple(filled)] = "sigma_pore"
    joined = tuple(n for n in sigma if case.region(n).connected)
    if joined and edges.collector_contact:
        raise CaseError(
            f"regions.{joined[0]}.connected: would bypass boundaries.collector.contact_resistance; "
            "leave one of them out"
        )
    yield Electrons(
        table, connected=joined, contact_resistance=edges.collector_contact, fixed=edges.phi_s,
        resistances=edges.contacts, inflow=edges.into_solid, insulated=setup.surfaces.insulated,
    )


def books(setup: Setup, _table: Any) -> Iterator[Part]:
    """Currents of the electrons, where files are to have them."""
    electrons = setup.part("electrons")
    if setup.case.output.vectors and electrons:
        yield from electrons.vectors()
