"""From a case and a mesh to a system of equations: who fills what, who reacts with whom.

The roles come from the materials. A region conducts electrons if its sigma is positive, ions if its
kappa is; it dissolves salt if its material does. A wall reacts if one side conducts electrons and
the other ions, and the kinetic data of the pair (metal, surface) decide how fast.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from fem.base.errors import CaseError, RunError
from fem.case import names as case_names
from fem.case.case import Case
from fem.compat import dfem
from fem.contract.physics import TIMED, Column, Field
from fem.mesh.domain import Domain
from fem.physics.circuit.circuit import Circuit
from fem.physics.electrons import build as electrons_build
from fem.physics.ions import build as ions_build
from fem.physics.ions.salt import SaltLedger
from fem.physics.metal import build as growth
from fem.physics.metal.displacement import Displacement, Displacing
from fem.physics.metal.metal import Metal
from fem.physics.nuclei import build as nuclei_build
from fem.physics.walls.counter import holding
from fem.physics.walls.interface import Interface
from fem.physics.walls.ledger import WallLedger, film_per_charge, smallest_diameter
from fem.setup import edges as boundaries
from fem.setup import pieces, surfaces
from fem.setup.edges import Edges
from fem.setup.places import check_places, initial_concentration, largest_kappa
from fem.setup.setup import Filling, Setup, filling_of
from fem.setup.setup import porous as porous_of
from fem.study.own import (
    Guarded,
    check_made,
    declare,
    guest_parts,
    is_ours,
    named_failures,
    own_physics,
    prepared,
)
from fem.system.part import Observer, Part, check_needs
from fem.system.system import System
from fem.values.properties import number

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
        return [
            part if is_ours(part) else Guarded(part, self.domain.comm)
            for part in parts if isinstance(part, Observer)
        ]

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
        """Fields that the registered physics of the case declare, by name."""
        given, taking_part = vars(self.case), self.case.taking_part()
        return {f.name: f for p in taking_part for f in (*p.fields, *p.more(given))}

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
    conductors = [n for n, f in fillings.items() if f.sigma is not None]
    solids = [n for n in conductors if fillings[n].electrolyte is None]
    ionic = [n for n, f in fillings.items() if f.electrolyte is not None]
    if not ionic:
        raise CaseError("regions: nothing conducts ions; an `electrolyte*` region is needed")
    domain.order = (*solids, *(n for n in domain.regions if n not in (*solids, *ionic)))

    s = System(domain, case.temperature)
    clock = dfem.Constant(domain.mesh, 0.0)
    c0 = initial_concentration(case, fillings)
    check_places(case, domain, fillings, c0)
    edges = boundaries.read(case, domain, ionic, conductors, c0, clock)
    pores = growth.pores(fillings) if case.study == "growth" else []
    porous = porous_of(fillings, ionic, conductors)
    filled = [*pores, *porous]  # where other physics say what is left of the pores
    kappa = max(largest_kappa(case, n, fillings[n], c0, domain) for n in ionic)
    found = _surfaces(case, domain, fillings, solids, ionic, c0, kappa, porous)
    setup = Setup(case, domain, fillings, conductors, ionic, edges, found, c0, kappa, pores)
    setup = prepared(setup)
    found = setup.surfaces
    guests = guest_parts(setup) + own_physics(case, domain)
    # Another model of the electrolyte takes the place of the salt.
    replaced = case.playing("electrolyte") is not None
    ions: Any = None
    if replaced:
        ions = next(part for part in guests if "ions" in part.provides)
        guests = tuple(part for part in guests if part is not ions)
    else:
        ions = ions_build.ions(setup, filled)
    electrons, capped = electrons_build.electrons(setup, filled)
    stored = case.counter.kind in ("foil", "cathode")
    counter = (found.counter,) if found.counter and not stored else ()
    metal = None
    if pores:
        bridges = {n: 0.0 if (f := fillings[n].sigma) is None else number(f) for n in pores}
        metal = growth.metal(case, domain, found, bridges, kappa, setup.cap, electrons)
        full = float(case.metal_data.sigma)
        capped |= {"metal": full} if full > setup.cap else {}
    thickness = film_per_charge(case.metal_data)
    interface = Interface(
        () if pores else (*found.plating, *counter),
        state=case.study == "tertiary",
        initial_charge=case.initial.plated_charge or 0.0,
        charge_scale=found.covering_charge,
        thickness=thickness,
    )
    opposite = holding(case, found) if stored else growth.counter(case, found) if pores else None
    nuclei = None if metal is None else nuclei_build.nuclei(case, domain, found, metal)
    covers = None if metal is None else growth.covering(case, domain, found, metal)
    displaced = None if metal is None else growth.displacement(case, ions, metal)
    parts = (electrons, ions, metal, nuclei, covers, displaced, interface, opposite)
    known: tuple[Part, ...] = tuple(p for p in parts if p is not None)
    circuit = Circuit(case.study in TIMED)
    books: tuple[Part, ...] = (circuit,)
    if not replaced:
        books += (SaltLedger(ions, ions_build.data(setup)),)
    if metal is None:
        diameter = smallest_diameter(domain.sidecar.get("parameters", {}))
        books += (WallLedger(interface, thickness, diameter),)
    else:
        books += growth.books(case, metal, c0, nuclei.surfaces if nuclei else ())
        limit = growth.supply(case, ions, metal)
        books += () if limit is None else (limit,)
    if case.output.vectors:
        books += electrons.vectors() if electrons else ()
        books += () if replaced else ions.vectors()
    for moving in [part for part in guests if isinstance(part, Displacing)]:
        if (moved := moving.displaced(ions)) is not None:
            guests += (Displacement(ions, moving, moved, moving.home),)
    _require_laws(porous, guests)
    physics = known + guests + books
    check_needs(physics)
    for part in physics:
        declare(part, s)
    fronts = metal is not None or bool(porous)
    floating = pieces.gauge(s, electrons, ions, found, edges, _empty(metal), fronts)
    _require_path(found, floating, edges, case)
    for part in physics:
        with named_failures(part, "rows"):
            part.rows(s)
    ions_build.set_initial(setup, s)
    if metal is not None:
        growth.set_initial(case, domain, s)
    held = edges.hold(s, ions_build.held(setup))
    for name in edges.flows:
        s.charges[ledger(name)] = np.zeros(2)
    s.remember()
    s.close()
    check_made(case, guests, s)
    return Model(
        case, domain, setup, s, physics, books, circuit.area, circuit.current, capped, clock, held,
        floating,
    )


def _require_path(
    found: surfaces.Surfaces, floating: pieces.Floating, edges: Edges, case: Case
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


def _require_laws(porous: list[str], guests: tuple[Any, ...]) -> None:
    """Every solid with pores has an entry that says how they react.

    Raises:
        CaseError: one has none.
    """
    known = {n for part in guests if "pore_surfaces" in part.provides for n in part.regions}
    lost = [n for n in porous if n not in known]
    if lost:
        raise CaseError(
            f"regions.{lost[0]}.porosity: a solid with pores reacts all through; give "
            f"[averaged.regions.{lost[0]}] with its surface, or leave porosity out"
        )


def _empty(metal: Metal | None) -> set[str]:
    """Pores without a bridge: nothing conducts electrons there before there is metal."""
    return {*metal.regions} - {*metal.bridged} if metal else set()


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


def _surfaces(
    case: Case, domain: Domain, fillings: dict[str, Filling], solids: list[str],
    ionic: list[str], c0: float, kappa: float, porous: list[str],
) -> surfaces.Surfaces:
    primary = 0.0
    if case.study == "primary":  # a wall that drops 1e-6 of what the electrolyte drops
        low, high = domain.ends
        primary = 1e6 * kappa / (high - low)
    materials = {name: fillings[name].material.name for name in (*solids, *porous)}
    behind = [name for p in case.taking_part() for name in p.foiled(vars(case))]
    foiled = [n for n in porous if any(fnmatchcase(n, name) for name in behind)]
    return surfaces.read(case, domain, materials, solids, ionic, c0, primary, porous, foiled)
