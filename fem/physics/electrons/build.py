"""From a case to its electrons: what conducts them, and where they come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ufl

from fem.base.errors import CaseError
from fem.physics.electrons.electrons import Electrons
from fem.setup.setup import Setup
from fem.values.properties import number, varies

__all__ = ["electrons"]


def electrons(
    setup: Setup, filled: Sequence[str]
) -> tuple[Electrons | None, dict[str, float]]:
    """The electrons of a case, None without a conductor; and each sigma that was lowered, S/m.

    Args:
        setup: the case on its mesh.
        filled: regions whose conductivity is what other physics say, `sigma_pore`.

    Raises:
        CaseError: a region would bypass the contact of the collector.
    """
    case, domain, edges = setup.case, setup.domain, setup.edges
    sigma = {n: setup.fillings[n].sigma for n in setup.conductors if n not in filled}
    if not (sigma or filled):
        return None, {}
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
    made = Electrons(
        table, connected=joined, contact_resistance=edges.collector_contact, fixed=edges.phi_s,
        resistances=edges.contacts, inflow=edges.into_solid, insulated=setup.surfaces.insulated,
    )
    return made, {n: v for n, v in values.items() if v > setup.cap}
