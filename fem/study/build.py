"""From a case and a mesh to a system of equations: who fills what, who reacts with whom.

The roles come from the materials. A region conducts electrons if its sigma is positive, ions if its
kappa is; it dissolves salt if its material does. A wall reacts if one side conducts electrons and
the other ions, and the kinetic data of the pair (metal, surface) decide how fast.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fem.base.errors import CaseError, RunError
from fem.case import names as case_names
from fem.case.case import Case
from fem.compat import dfem
from fem.contract.physics import Column, Field
from fem.mesh.domain import Domain
from fem.setup import edges as boundaries
from fem.setup import pieces, surfaces
from fem.setup.edges import Edges
from fem.setup.electrode import Surfaces
from fem.setup.places import check_places, initial_concentration, largest_kappa
from fem.setup.setup import Filled, Setup, filling_of
from fem.setup.setup import pores as pores_of
from fem.study.own import (
    add_parts,
    add_rows,
    check_made,
    declare,
    observers,
    prepared,
    slopes,
)
from fem.system.part import Observer, Part, check_needs
from fem.system.system import System

__all__ = ["Model", "build", "check_names", "ledger"]


@dataclass
class Model:
    """A case on its mesh, ready to be solved.

    Attributes:
        case, domain, setup, system: what it was built from and into.
        physics: in the order of their rows.
        books: those that measure the cell; they stand last among the physics.
        area: projected area of the collector, m2 (2D: m).
        current: of the cell at the present state, A (2D: A/m; collective).
        capped: regions (and `metal`, if it grows) whose sigma was lowered to `CONDUCTIVITY_SHARE`
            times the largest kappa, with the value of the material, S/m.
        clock: time since the start of the protocol step, s, for conditions that depend on it.
        held: (array, nodes, property) of held values that change in time.
        floating: conductors that do not touch the collector.
    """

    case: Case
    domain: Domain
    setup: Setup
    system: System
    physics: tuple[Part, ...]
    books: tuple[Part, ...]
    area: float
    current: Callable[[], float]
    capped: dict[str, float]
    clock: Any
    held: list[tuple[Any, Any, Any]]
    floating: pieces.Floating

    @functools.cached_property
    def observers(self) -> list[Observer]:
        """The parts that measure: the books of the cell first, as others ask them."""
        parts = (*self.books, *(part for part in self.physics if part not in self.books))
        return observers(parts, self.domain.comm)

    @functools.cached_property
    def columns(self) -> dict[str, Column]:
        """Columns of the case, in the order of the series: numbers, then closures."""
        registry, made = self.case.guests.registry, {n for o in self.observers for n in o.makes}
        declared = {c.name for p in self.case.taking_part() for c in p.columns}
        found: list[Column] = []
        for column in (c for c in registry.columns.values() if c.name in declared):
            if column.name.endswith(".*"):
                own = sorted(n for n in made if n.startswith(column.name[:-1]))
                found += [replace(column, name=name) for name in own]
            elif column.name in made or not column.optional:
                found.append(column)
        return {c.name: c for c in sorted(found, key=lambda column: column.closure)}

    @property
    def fields(self) -> dict[str, Field]:
        """Fields that the physics of the case make, by name."""
        return self.case.made_fields

    def set_time(self, t: float, *, after: bool = False) -> None:
        """Bring boundary conditions to a time since the start of the protocol step, s.

        Args:
            t: the time.
            after: where a condition jumps, what holds after it.

        Raises:
            RunError: a table ends before it.
        """
        try:
            for table in self.setup.edges.timed:
                table.curve.require(t, t)
            for flow in self.setup.edges.flows.values():
                flow.constant.value = flow.given.value(t, after=after)
            for drive in self.setup.edges.drives:
                t = drive.limit(t, after=after)
            self.clock.value = t
            for values, nodes, condition in self.held:
                values[nodes] = condition.at(t=t)
        except CaseError as error:
            raise RunError(str(error)) from None

    def deliver(self, start: float, end: float, *, accepted: bool = False) -> None:
        """Give boundaries their charge of a step, or count that of one that was accepted.

        Args:
            start: of the step, since that of the protocol step, s.
            end: of the step.
            accepted: it was.
        """
        for name, flow in self.setup.edges.flows.items():
            (flow.accept if accepted else flow.set)(self.system, ledger(name), start, end)


def ledger(boundary: str) -> str:
    """Name of the charges that passed through a boundary, in `System.charges`."""
    return f"through.{boundary}"


def build(case: Case, domain: Domain) -> Model:
    """Read the regions, choose the physics, write the rows (collective).

    Raises:
        CaseError: a material, a pair, a region or a boundary is missing, with the way out.
    """
    check_names(case, domain)
    fillings = {name: filling_of(case, name) for name in domain.regions}
    filled = Filled(case, domain, fillings)
    solids, ionic = filled.solids, filled.ionic
    if not ionic:
        raise CaseError("regions: nothing conducts ions; an `electrolyte*` region is needed")
    domain.order = (*solids, *(n for n in domain.regions if n not in (*solids, *ionic)))

    s = System(domain, case.temperature)
    clock = dfem.Constant(domain.mesh, 0.0)
    c0 = initial_concentration(case, fillings)
    check_places(case, domain, fillings, c0)
    edges = boundaries.read(case, domain, ionic, filled.conductors, c0, clock)
    pores = pores_of(fillings) if case.study == "growth" else []
    kappa = max(largest_kappa(case, n, fillings[n], c0, domain) for n in ionic)
    found = surfaces.read(filled, c0, kappa)
    setup = prepared(Setup(case, domain, fillings, edges, found, c0, kappa, pores))
    books = add_parts(setup)
    physics = tuple(setup.parts)
    _require_laws(setup)
    check_needs(physics, s.values)
    for part in physics:
        declare(part, s)
    written = slopes(case, s)
    books, physics = books + written, physics + written
    floating = pieces.gauge(s, setup)
    _require_path(setup.surfaces, floating, edges, case)
    for part in physics:
        add_rows(part, s)
    held = edges.hold(s)
    for name in edges.flows:
        s.charges[ledger(name)] = np.zeros(2)
    s.remember()
    s.close()
    check_made(case, physics, s)
    circuit = setup.part("circuit")
    return Model(
        case, domain, setup, s, physics, books, circuit.area, circuit.current, setup.capped, clock,
        held, floating,
    )


def _require_path(
    found: Surfaces, floating: pieces.Floating, edges: Edges, case: Case
) -> None:
    """Some surface that reacts is in contact with the collector.

    Raises:
        CaseError: nothing plates on the collector, and all else floats.
    """
    foil = any(e.potential == "driven" for e in found.plating)
    coated = any(boundary == "collector" for boundary, _ in found.insulated)
    layer = case.initial.metal_layer is not None and not coated
    joined = floating.count < floating.total or edges.phi_s or layer
    if floating.total and not foil and not joined:
        raise CaseError(
            f"no path for the current: nothing reacts on the collector, and all {floating.total} "
            f"conducting solids ({', '.join(floating.regions)}) float; let one of them touch the "
            "collector (contacts, connected or bridge_sigma, see docs/geometries.md), or the "
            "collector react"
        )


def _require_laws(setup: Setup) -> None:
    """Every solid with pores has an entry that says how they react.

    Raises:
        CaseError: one has none.
    """
    hosts = setup.part("pore_surfaces")
    for name in (n for n in setup.porous if hosts is None or n not in hosts.regions):
        raise CaseError(
            f"regions.{name}.porosity: a solid with pores reacts all through; give "
            f"[averaged.regions.{name}] with its surface, or leave porosity out"
        )


def check_names(case: Case, domain: Domain) -> None:
    """The case names nothing that neither the mesh has nor its family could have made.

    Raises:
        CaseError: all such names, with the nearest.
    """
    regions, boundaries = [*domain.regions], [*domain.boundaries]
    wrong = list(case_names.problems(vars(case), regions, boundaries, case.places()))
    if wrong and (made := case_names.of_geometry(case)):
        wrong = list(case_names.problems(
            vars(case), [*regions, *made.all], boundaries, case.places()
        ))
    if wrong:
        raise CaseError("\n".join(wrong))
