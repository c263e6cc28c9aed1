"""From a case and a mesh to a system of equations: who fills what, who reacts with whom.

The roles come from the materials. A region conducts electrons if its sigma is positive, ions if its
kappa is; it dissolves salt if its material does. A wall reacts if one side conducts electrons and
the other ions, and the kinetic data of the pair (metal, surface) decide how fast.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import ufl

from fem.base.errors import CaseError, RunError
from fem.case import names as case_names
from fem.case.case import Case
from fem.case.drive import Drive
from fem.compat import MPI, cell_vertices, dfem
from fem.contract.physics import TIMED, Column, Field
from fem.materials import library
from fem.materials.limits import POSITIVE_LAWS, Bound, bounds, own_bound
from fem.mesh.domain import Domain
from fem.physics.averaged.averaged import Averaged
from fem.physics.averaged.build import with_foil
from fem.physics.charged.build import shifts
from fem.physics.charged.shift import laws as charged_laws
from fem.physics.circuit.circuit import Circuit
from fem.physics.electrons.electrons import Electrons
from fem.physics.ions.ions import Ions, Medium
from fem.physics.ions.salt import Data, SaltLedger
from fem.physics.metal import build as growth
from fem.physics.metal.displacement import Displacement
from fem.physics.metal.metal import Metal
from fem.physics.nuclei import build as nuclei_build
from fem.physics.nuclei.nuclei import Nuclei
from fem.physics.sei.build import films_that_stay
from fem.physics.walls.counter import holding
from fem.physics.walls.interface import Interface
from fem.physics.walls.ledger import WallLedger, film_per_charge, smallest_diameter
from fem.setup import edges as boundaries
from fem.setup import pieces, surfaces
from fem.setup.edges import Edges, Flow
from fem.setup.setup import CONDUCTIVITY_SHARE, Filling, Setup, filling_of
from fem.study.own import (
    Guarded,
    check_made,
    guest_parts,
    is_ours,
    named_failures,
    own_physics,
)
from fem.system.part import Observer, Part, check_needs
from fem.system.system import System
from fem.system.vectors import CellMeans
from fem.theory.salt import MONOVALENT
from fem.values.properties import Along, number, varies

__all__ = ["Model", "build", "check_names", "ledger"]


@dataclass
class Model:
    """A case on its mesh, ready to be solved.

    Attributes:
        case, domain, system: what it was built from and into.
        physics: in the order of their rows.
        books: those that measure the cell; they stand last among the physics.
        electrons, ions, interface: what conducts, and what reacts on walls.
        metal: the growing metal of a growth study. nuclei: where it appears on walls.
        area: projected area of the collector, m2 (2D: m).
        capped: regions (and `metal`, if it grows) whose sigma was lowered to `CONDUCTIVITY_SHARE`
            times the largest kappa, with the value of the material, S/m.
        deepest_nucleation: largest nucleation overpotential of any wall, V.
        electrolytes: those that fill a region.
        drives: boundary conditions that depend on time; flows: currents among them.
        clock: time since the start of the protocol step, s, for conditions that depend on it.
        floating: conductors that do not touch the collector.
    """

    case: Case
    domain: Domain
    system: System
    physics: tuple[Part, ...]
    books: tuple[Part, ...]
    electrons: Electrons | None
    ions: Ions
    interface: Interface
    area: float
    capped: dict[str, float]
    deepest_nucleation: float
    electrolytes: Sequence[library.Electrolyte] = ()
    clock: Any = None
    metal: Metal | None = None
    nuclei: Nuclei | None = None
    timed: list[Along] = field(default_factory=list)
    held: list[tuple[Any, Any, Any]] = field(default_factory=list)
    drives: list[Drive] = field(default_factory=list)
    flows: dict[str, Flow] = field(default_factory=dict)
    floating: pieces.Floating = field(default_factory=pieces.Floating)

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
            for table in self.timed:
                table.curve.require(t, t)
            for flow in self.flows.values():
                flow.constant.value = flow.given.value(t, after=after)
            for drive in self.drives:
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
        for name, flow in self.flows.items():
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
    frozen = case.study in ("primary", "secondary")
    c0 = _initial_concentration(case, fillings)
    _check_places(case, domain, fillings, c0)
    edges = boundaries.read(case, domain, ionic, conductors, c0, clock)
    pores = growth.pores(fillings) if case.study == "growth" else []
    porous = [n for n in ionic if n in conductors and fillings[n].porous]
    filled = [*pores, *porous]  # where other physics say what is left of the pores
    kappa = max(_largest_kappa(case, n, fillings[n], c0, domain) for n in ionic)
    cap = CONDUCTIVITY_SHARE * kappa
    # Another model of the electrolyte takes the place of the salt.
    replaced = any(physics.role == "electrolyte" for physics in case.taking_part())
    ions: Any = None
    if not replaced:
        ions = _ions(case, domain, fillings, ionic, c0, frozen, edges, filled)
    found = _surfaces(case, domain, fillings, solids, ionic, c0, kappa, porous)
    if pores:
        found = films_that_stay(case, found)
    setup = Setup(case, domain, fillings, conductors, ionic, edges, found, c0, kappa)
    guests = guest_parts(setup) + own_physics(case, domain)
    if replaced:
        ions = next(part for part in guests if "ions" in part.provides)
        guests = tuple(part for part in guests if part is not ions)
    electrons, capped = _electrons(
        case, domain, fillings, conductors, edges, filled, cap, found.insulated
    )
    stored = case.counter.kind in ("foil", "cathode")
    counter = (found.counter,) if found.counter and not stored else ()
    metal = None
    if pores:
        bridges = {n: 0.0 if (f := fillings[n].sigma) is None else number(f) for n in pores}
        metal = growth.metal(case, domain, found, bridges, kappa, cap, electrons)
        full = float(case.metal_data.sigma)
        capped |= {"metal": full} if full > cap else {}
    interface = Interface(
        () if pores else (*found.plating, *counter),
        state=case.study == "tertiary",
        initial_charge=case.initial.plated_charge or 0.0,
        charge_scale=found.covering_charge,
    )
    opposite = holding(case, found) if stored else growth.counter(case, found) if pores else None
    nuclei = None if metal is None else nuclei_build.nuclei(case, domain, found, metal)
    covers = None if metal is None else growth.covering(case, domain, found, metal)
    displaced = None if metal is None else growth.displacement(case, ions, metal)
    parts = (electrons, ions, metal, nuclei, covers, displaced, interface, opposite)
    known: tuple[Part, ...] = tuple(p for p in parts if p is not None)
    electrolytes = {f.electrolyte.name: f.electrolyte for f in fillings.values()
                    if isinstance(f.electrolyte, library.Electrolyte)}
    data = Data(
        tuple(electrolytes.values()), _tables_of_c(case, ionic), _laws_of_c(case, fillings, ionic),
        case.temperature,
    )
    circuit = Circuit(case.study in TIMED)
    books: tuple[Part, ...] = (circuit,) if replaced else (circuit, SaltLedger(ions, data))
    if metal is None:
        diameter = smallest_diameter(domain.sidecar.get("parameters", {}))
        books += (WallLedger(interface, film_per_charge(case.metal_data), diameter),)
    else:
        books += growth.books(case, metal, c0, nuclei.surfaces if nuclei else ())
    if case.output.vectors:
        books += (CellMeans("i_s", "phi_s", electrons.currents),) if electrons else ()
        books += () if replaced else (CellMeans("i_l", "phi_l", ions.currents),)
        if not (replaced or frozen) and ions.salty:
            books += (CellMeans("N_an", "c", ions.fluxes),)
    hosts = next((part for part in guests if isinstance(part, Averaged)), None)
    if hosts is not None and (moved := hosts.displaced(ions)) is not None:
        guests += (Displacement(ions, hosts, moved, "eps_m"),)
    _require_laws(porous, hosts)
    physics = known + guests + books
    check_needs(physics)
    for part in known:
        part.declare(s)
    for part in guests:
        with named_failures(part, "declare"):
            part.declare(s)
    for part in books:
        part.declare(s)
    fronts = metal is not None or bool(porous)
    floating = pieces.gauge(s, electrons, ions, found, edges, _empty(metal), fronts)
    _require_path(found, floating, edges, case)
    for part in known:
        part.rows(s)
    for part in guests:
        with named_failures(part, "rows"):
            part.rows(s)
    for part in books:
        part.rows(s)
    if "c" in s.unknowns and case.initial.c is not None and case.initial.c.variables:
        _set_in_space(s, "c", case.initial.c, "initial.c")
    if metal is not None:
        growth.set_initial(case, domain, s)
    held = edges.hold(s)
    for name in edges.flows:
        s.charges[ledger(name)] = np.zeros(2)
    s.remember()
    s.close()
    check_made(case, guests, s)
    return Model(
        case, domain, s, physics, books, electrons, ions, interface, circuit.area, capped,
        found.deepest_nucleation, data.electrolytes, clock, metal, nuclei, edges.timed, held,
        edges.drives, edges.flows, floating,
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


def _require_laws(porous: list[str], hosts: Averaged | None) -> None:
    """Every solid with pores has an entry that says how they react.

    Raises:
        CaseError: one has none.
    """
    lost = [n for n in porous if hosts is None or n not in hosts.regions]
    if lost:
        raise CaseError(
            f"regions.{lost[0]}.porosity: a solid with pores reacts all through; give "
            f"[averaged.regions.{lost[0]}] with its surface, or leave porosity out"
        )


def _empty(metal: Metal | None) -> set[str]:
    """Pores without a bridge: nothing conducts electrons there before there is metal."""
    return {*metal.regions} - {*metal.bridged} if metal else set()


# -- regions -----------------------------------------------------------------------------------


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


def _split(names: Iterable[str], value_of: Callable[[str], Any]) -> tuple[list[str], list[str]]:
    """Regions whose value is a number, and those whose value varies in space."""
    plain = [n for n in names if not varies(value_of(n))]
    return plain, [n for n in names if n not in plain]


def _initial_concentration(case: Case, fillings: dict[str, Filling]) -> float:
    if case.initial.c is not None and not case.initial.c.variables:
        return float(case.initial.c.at())
    for filling in fillings.values():
        if isinstance(filling.electrolyte, library.Electrolyte):
            return float(filling.electrolyte.c0)
    return 1000.0


def _set_in_space(s: System, name: str, value: Any, where: str) -> None:
    """Set an unknown from a property of place.

    Raises:
        CaseError: a value that is not positive (collective).
    """
    unknown, domain = s.unknowns[name], s.domain
    points = unknown.space.tabulate_dof_coordinates()
    places = domain.places(points)
    values = np.broadcast_to(value.at(**places), len(points))
    lowest = domain.comm.allreduce(float(np.min(values, initial=math.inf)), op=MPI.MIN)
    if not lowest > 0.0:
        raise CaseError(f"{where}: falls to {lowest:g} mol/m^3 on this mesh; it must stay above 0")
    unknown.value.x.array[:] = values


def _tables_of_c(case: Case, ionic: list[str]) -> dict[str, Along]:
    """Tables over c that the case gives for regions in use."""
    found = {}
    for name in ionic:
        for prop in ("kappa", "D", "t_plus"):
            value = getattr(case.region(name), prop)
            if isinstance(value, Along) and value.along == "c":
                found[f"regions.{name}.{prop}"] = value
    return found


def _laws_of_c(
    case: Case, fillings: dict[str, Filling], ionic: list[str]
) -> tuple[Bound, ...]:
    """Transport laws of regions in use, those of the library and those of the case."""
    found = {}
    for name in ionic:
        electrolyte = fillings[name].electrolyte
        if not isinstance(electrolyte, library.Electrolyte):
            continue
        known = bounds(electrolyte, case.temperature)
        for prop in ("kappa", "D", "t_plus", "thermodynamic_factor"):
            override = getattr(case.region(name), prop, None)
            if override is None and prop in known:
                found[known[prop].what] = known[prop]
            elif override is not None and prop != "t_plus":  # it has no range of its own
                unit = POSITIVE_LAWS[prop]
                own = own_bound(f"{prop} of {name}", override, unit, case.temperature)
                found |= {} if own is None else {own.what: own}
    return tuple(found.values())


# -- physics -----------------------------------------------------------------------------------


def _electrons(
    case: Case, domain: Domain, fillings: dict[str, Filling], conductors: list[str],
    edges: Edges, pores: list[str], cap: float, insulated: tuple[tuple[str, str], ...],
) -> tuple[Electrons | None, dict[str, float]]:
    if not (conductors or pores):
        return None, {}
    solid = [n for n in conductors if n not in pores]  # in pores the metal's physics says sigma
    plain, varied = _split(solid, lambda n: fillings[n].sigma)
    values = {n: number(fillings[n].sigma) for n in plain}
    capped = {n: v for n, v in values.items() if v > cap}
    table: dict[tuple[str, ...], Any] = {}
    if plain:
        table[tuple(plain)] = domain.field({n: min(v, cap) for n, v in values.items()}, "sigma")
    for n in varied:
        table[(n,)] = ufl.min_value(
            fillings[n].sigma.at(**domain.coordinates(), T=case.temperature), cap
        )
    if pores:
        table[tuple(pores)] = "sigma_pore"
    joined = tuple(n for n in solid if case.region(n).connected)
    if joined and edges.collector_contact:
        raise CaseError(
            f"regions.{joined[0]}.connected: would bypass boundaries.collector.contact_resistance; "
            "leave one of them out"
        )
    return Electrons(
        table, connected=joined, contact_resistance=edges.collector_contact, fixed=edges.phi_s,
        resistances=edges.contacts, inflow=edges.into_solid, insulated=insulated,
    ), capped


def _largest_kappa(
    case: Case, name: str, filling: Filling, c0: float, domain: Domain
) -> float:
    """Largest ionic conductivity in a region at c0, S/m (collective where it varies in space)."""
    override, T = case.region(name).kappa, case.temperature
    if override is not None:
        return _range(override, domain, name, c=c0, T=T)[1]
    kappa = filling.electrolyte.kappa
    return float(kappa(c0, T)) if callable(kappa) else float(kappa)


def _range(value: Any, domain: Domain, region: str, **known: float) -> tuple[float, float]:
    """Lowest and highest value (SI) of a property at the nodes of a region (collective).

    Args:
        value: number or property; a list of place keeps its end values beyond its ends.
        domain: with the mesh.
        region: whose nodes are meant.
        known: c and T.

    Raises:
        CaseError: it has no finite value somewhere.
    """
    if not (value.variables - known.keys()):
        low = high = float(value.at(**known))
        return low, high
    tag = domain.regions[region]
    nodes = np.unique(cell_vertices(domain.mesh)[domain.cell_tag_array == tag])
    places = domain.places(domain.mesh.geometry.x[nodes])
    problem, values = "", np.empty(0)
    if isinstance(value, Along):
        values = np.interp(places[value.along], value.curve.x, value.curve.y)
    else:
        try:
            values = np.broadcast_to(value.at(**places, **known), len(nodes))
        except CaseError as error:  # only on ranks that have such a node
            problem = str(error)
    low, high = float(np.min(values, initial=math.inf)), float(np.max(values, initial=-math.inf))
    everyone = domain.comm.allgather((low, high, problem))
    for *_, text in everyone:
        if text:
            raise CaseError(text)
    return min(low for low, _, _ in everyone), max(high for _, high, _ in everyone)


_SPATIAL = {  # property of a region -> its unit, and the largest value it can take
    "sigma": ("S/m", math.inf), "bridge_sigma": ("S/m", math.inf), "kappa": ("S/m", math.inf),
    "D": ("m^2/s", math.inf), "porosity": ("", 1.0), "tortuosity": ("", math.inf),
}


def _check_places(case: Case, domain: Domain, regions: Iterable[str], c0: float) -> None:
    """Properties of place keep to what they can be on this mesh (collective).

    Raises:
        CaseError: all that do not; a number below zero or beyond its limit solves nothing.
    """
    wrong = []
    for name in regions:
        spec = case.region(name)
        for prop, (unit, most) in _SPATIAL.items():
            value = getattr(spec, prop)
            if value is None or not varies(value):
                continue
            if value.variables - {"c", "T", *domain.coordinates()}:
                unknown = sorted(value.variables - {"c", "T", *domain.coordinates()})
                why = "; the mesh has no host" if "depth" in unknown else f" in {domain.dim}D"
                wrong.append(f"regions.{name}.{prop}: depends on {', '.join(unknown)}, which "
                             f"does not exist{why}")
                continue
            try:
                low, high = _range(value, domain, name, c=c0, T=case.temperature)
            except CaseError as error:
                wrong.append(f"regions.{name}.{prop}: {error}")
                continue
            least = 1.0 if prop == "tortuosity" else 0.0
            if not (low > 0.0 and low >= least * (1 - 1e-9)):
                wrong.append(
                    f"regions.{name}.{prop}: falls to {low:g} {unit}".rstrip() + " on this mesh; "
                    + (f"at least {least:g}" if least else "it must stay above 0")
                )
            elif not high <= most * (1 + 1e-9):
                wrong.append(f"regions.{name}.{prop}: rises to {high:g} on this mesh; at most 1")
    if wrong:
        raise CaseError("\n".join(wrong))


def _law(case: Case, name: str, filling: Filling, prop: str, domain: Domain) -> Any:
    """A transport property of a region as a function of (c, T); overrides of the case win."""
    override = getattr(case.region(name), prop, None)
    if override is not None:
        return lambda c, T: override.at(**domain.coordinates(), c=c, T=T) if varies(
            override) else override.at()
    if isinstance(filling.electrolyte, library.Electrolyte):
        return getattr(filling.electrolyte, prop)
    kappa = float(filling.electrolyte.kappa)
    return lambda c, T: kappa


def _ions(
    case: Case, domain: Domain, fillings: dict[str, Filling], ionic: list[str], c0: float,
    frozen: bool, edges: Edges, pores: list[str],
) -> Ions:
    groups: dict[Any, list[str]] = {}
    charged = shifts(case, fillings, pores)
    for n in ionic:
        spec, f = case.region(n), fillings[n]
        own = any(getattr(spec, p, None) is not None for p in ("kappa", "D", "t_plus"))
        varied = varies(f.porosity) or varies(f.tortuosity)
        salt = isinstance(f.electrolyte, library.Electrolyte)
        alone = own or varied or f.porous or n in charged
        key = (n,) if alone else (f.electrolyte.name, salt, n in pores)
        groups.setdefault(key, []).append(n)
    media = []
    formula = MONOVALENT
    for names in groups.values():
        first = fillings[names[0]]
        salt = isinstance(first.electrolyte, library.Electrolyte)
        spread: dict[str, Any] = {}
        for prop in ("porosity", "tortuosity"):
            values = {n: getattr(fillings[n], prop) for n in names}
            if all(v is None for v in values.values()):
                spread[prop] = ufl.as_ufl(1.0)
            elif any(varies(v) for v in values.values()):
                spread[prop] = values[names[0]].at(**domain.coordinates())
            else:
                numbers = {n: 1.0 if v is None else number(v) for n, v in values.items()}
                spread[prop] = domain.field(numbers, prop)
        if names[0] in pores:
            spread["porosity"] = "pore"
        if first.porous:
            spread["passes"] = "pore_share"
        laws = {
            prop: _law(case, names[0], first, prop, domain)
            for prop in ("kappa", *(("D", "t_plus", "thermodynamic_factor") if salt else ()))
        }
        if salt:
            formula = first.electrolyte.formula
        if names[0] in charged:
            laws = charged_laws(charged[names[0]], laws["D"], laws["t_plus"], formula.z)
        media.append(Medium(tuple(names), salt=salt, **laws, **spread))
    return Ions(
        tuple(media), formula=formula, c0=c0, frozen=frozen,
        fixed_potential=dict.fromkeys(edges.phi_l, 0.0),
        fixed_concentration={} if frozen else dict.fromkeys(edges.c, c0),
        inflow=edges.into_electrolyte,
    )


def _surfaces(
    case: Case, domain: Domain, fillings: dict[str, Filling], solids: list[str],
    ionic: list[str], c0: float, kappa: float, porous: list[str],
) -> surfaces.Surfaces:
    primary = 0.0
    if case.study == "primary":  # a wall that drops 1e-6 of what the electrolyte drops
        low, high = domain.ends
        primary = 1e6 * kappa / (high - low)
    materials = {name: fillings[name].material.name for name in (*solids, *porous)}
    foiled = with_foil(case, porous)
    return surfaces.read(case, domain, materials, solids, ionic, c0, primary, porous, foiled)
