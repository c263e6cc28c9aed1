"""From a case and a mesh to a system of equations: who fills what, who reacts with whom.

The roles come from the materials. A region conducts electrons if its sigma is positive, ions if its
kappa is; it dissolves salt if its material does. A wall reacts if one side conducts electrons and
the other ions, and the kinetic data of the pair (metal, surface) decide how fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import ufl

from . import boundaries
from .boundaries import Edges
from .case import Case
from .compat import MPI, dfem
from .constants import GAS_CONSTANT, T_REF
from .domain import Domain
from .errors import CaseError, RunError, nearest
from .hooks import find_law, own_physics
from .materials import library
from .materials.ops import exp
from .physics.electrons import Electrons
from .physics.interface import Electrode, Interface
from .physics.ions import Ions, Medium
from .properties import Along
from .system import Physics, System, check_needs

__all__ = ["Model", "build"]

# An electron conductor this much better than the electrolyte is a better one than any potential
# difference could show (1 mA/cm2 over 100 um: 1e-7 V); more only costs digits.
CONDUCTIVITY_SHARE = 1e4


@dataclass
class Model:
    """A case on its mesh, ready to be solved.

    Attributes:
        case, domain, system: what it was built from and into.
        physics: in the order of their rows.
        electrons, ions, interface: those whose currents are measured.
        area: projected area of the collector, m2 (2D: m).
        capped: regions whose sigma was lowered to `CONDUCTIVITY_SHARE` times the largest kappa,
            with the value of the material, S/m.
        deepest_nucleation: largest nucleation overpotential of any wall, V.
        electrolytes: those that fill a region.
        c_tables: measured curves over c that a region uses, with their place in the case.
        clock: time since the start of the protocol step, s, for conditions that depend on it.
    """

    case: Case
    domain: Domain
    system: System
    physics: tuple[Physics, ...]
    electrons: Electrons | None
    ions: Ions
    interface: Interface
    area: float
    capped: dict[str, float]
    deepest_nucleation: float
    electrolytes: tuple[library.Electrolyte, ...] = ()
    c_tables: dict[str, Along] = field(default_factory=dict)
    clock: Any = None
    timed: list[Along] = field(default_factory=list)
    held: list[tuple[Any, Any, Any]] = field(default_factory=list)

    def set_time(self, t: float) -> None:
        """Bring boundary conditions to a time since the start of the protocol step, s.

        Raises:
            RunError: a table ends before it.
        """
        self.clock.value = t
        try:
            for table in self.timed:
                table.curve.require(t, t)
            for values, nodes, condition in self.held:
                values[nodes] = condition.at(t=t)
        except CaseError as error:
            raise RunError(str(error)) from None

    @property
    def knots(self) -> list[float]:
        """Times at which a boundary condition has a kink, since the start of a protocol step, s."""
        return sorted({x for table in self.timed for x in table.curve.x})


@dataclass(frozen=True)
class _Filling:
    """What one region is made of."""

    material: Any
    sigma: Any  # number, Property or None
    electrolyte: Any  # the electrolyte in it, a solid ion conductor, or None
    porosity: Any
    tortuosity: Any


def build(case: Case, domain: Domain) -> Model:
    """Read the regions, choose the physics, write the rows (collective).

    Raises:
        CaseError: a material, a pair, a region or a boundary is missing, with the way out.
    """
    fillings = {name: _fill(case, name) for name in domain.regions}
    conductors = [n for n, f in fillings.items() if f.sigma is not None]
    solids = [n for n in conductors if fillings[n].electrolyte is None]
    ionic = [n for n, f in fillings.items() if f.electrolyte is not None]
    if not ionic:
        raise CaseError("regions: nothing conducts ions; an `electrolyte*` region is needed")
    domain.order = tuple(solids) + tuple(n for n in domain.regions if n not in ionic)

    s = System(domain, case.temperature)
    clock = dfem.Constant(domain.mesh, 0.0)
    frozen = case.study in ("primary", "secondary")
    c0 = _initial_concentration(case, fillings)
    edges = boundaries.read(case, domain, ionic, conductors, c0, clock)
    ions = _ions(case, domain, fillings, ionic, c0, frozen, edges)
    electrons, capped = _electrons(case, domain, fillings, conductors, ionic, c0, edges)
    interface, deepest = _interface(case, domain, fillings, solids, ionic, c0)
    known: tuple[Physics, ...] = tuple(p for p in (electrons, ions, interface) if p is not None)
    physics = known + own_physics(case, domain)
    check_needs(physics)
    for part in physics:
        part.declare(s)
    for part in physics:
        part.rows(s)
    if "c" in s.unknowns and case.initial.c is not None and case.initial.c.variables:
        _set_in_space(s, "c", case.initial.c, "initial.c")
    held = edges.hold(s)
    s.remember()
    brines = {f.electrolyte.name: f.electrolyte for f in fillings.values()
              if isinstance(f.electrolyte, library.Electrolyte)}
    return Model(
        case, domain, s, physics, electrons, ions, interface, domain.area("collector"), capped,
        deepest, tuple(brines.values()), _tables_of_c(case, ionic), clock, edges.timed, held,
    )


# -- regions -----------------------------------------------------------------------------------


def _fill(case: Case, name: str) -> _Filling:
    spec = case.region(name)
    where = f"regions.{name}"
    if spec.material is None:
        raise CaseError(f"{where}: no material; add `material = \"...\"`")
    material = library.material(spec.material, case.materials)
    porosity: Any = spec.porosity
    tortuosity: Any = spec.tortuosity
    sigma: Any = None
    electrolyte: Any = None
    if isinstance(material, library.Electrolyte):
        electrolyte, sigma = material, spec.bridge_sigma
    elif isinstance(material, library.Separator):
        electrolyte = library.material(case.electrolyte, case.materials)
        porosity = material.porosity if porosity is None else porosity
        tortuosity = material.tortuosity if tortuosity is None else tortuosity
    elif isinstance(material, library.Solid):
        sigma = spec.sigma if spec.sigma is not None else material.sigma
        if spec.kappa is not None or material.kappa > 0.0:
            electrolyte = material
    if _is_zero(sigma):
        sigma = None
    return _Filling(material, sigma, electrolyte, porosity, tortuosity)


def _is_zero(value: Any) -> bool:
    return value is None or (not _varies(value) and _number(value) == 0.0)


def _varies(value: Any) -> bool:
    return bool(getattr(value, "variables", ()))


def _number(value: Any) -> float:
    return float(value.at()) if hasattr(value, "at") else float(value)


def _split(names: Iterable[str], value_of: Callable[[str], Any]) -> tuple[list[str], list[str]]:
    """Regions whose value is a number, and those whose value varies in space."""
    plain = [n for n in names if not _varies(value_of(n))]
    return plain, [n for n in names if n not in plain]


def _initial_concentration(case: Case, fillings: dict[str, _Filling]) -> float:
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
    places = dict(zip("xyz", points.T, strict=True)) | {"depth": domain.depth_of(points)}
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


# -- physics -----------------------------------------------------------------------------------


def _electrons(
    case: Case, domain: Domain, fillings: dict[str, _Filling], conductors: list[str],
    ionic: list[str], c0: float, edges: Edges,
) -> tuple[Electrons | None, dict[str, float]]:
    if not conductors:
        return None, {}
    cap = CONDUCTIVITY_SHARE * max(_typical_kappa(case, n, fillings[n], c0) for n in ionic)
    plain, varied = _split(conductors, lambda n: fillings[n].sigma)
    values = {n: _number(fillings[n].sigma) for n in plain}
    capped = {n: v for n, v in values.items() if v > cap}
    table: dict[tuple[str, ...], Any] = {}
    if plain:
        table[tuple(plain)] = domain.field({n: min(v, cap) for n, v in values.items()}, "sigma")
    for n in varied:
        table[(n,)] = ufl.min_value(
            fillings[n].sigma.at(**domain.coordinates(), T=case.temperature), cap
        )
    return Electrons(
        table, contact_resistance=edges.collector_contact, fixed=edges.phi_s,
        resistances=edges.contacts, inflow=edges.into_solid,
    ), capped


def _typical_kappa(case: Case, name: str, filling: _Filling, c0: float) -> float:
    """Ionic conductivity of a region at c0, S/m; that of the material where it varies in space."""
    override, T = case.region(name).kappa, case.temperature
    if override is not None and override.variables <= {"c", "T"}:
        return float(override.at(c=c0, T=T))
    kappa = filling.electrolyte.kappa
    return float(kappa(c0, T)) if callable(kappa) else float(kappa)


def _law(case: Case, name: str, filling: _Filling, prop: str, domain: Domain) -> Any:
    """A transport property of a region as a function of (c, T); overrides of the case win."""
    override = getattr(case.region(name), prop, None)
    if override is not None:
        return lambda c, T: override.at(**domain.coordinates(), c=c, T=T) if _varies(
            override) else override.at()
    if isinstance(filling.electrolyte, library.Electrolyte):
        return getattr(filling.electrolyte, prop)
    kappa = float(filling.electrolyte.kappa)
    return lambda c, T: kappa


def _ions(
    case: Case, domain: Domain, fillings: dict[str, _Filling], ionic: list[str], c0: float,
    frozen: bool, edges: Edges,
) -> Ions:
    groups: dict[Any, list[str]] = {}
    for n in ionic:
        spec, f = case.region(n), fillings[n]
        own = any(getattr(spec, p, None) is not None for p in ("kappa", "D", "t_plus"))
        varied = _varies(f.porosity) or _varies(f.tortuosity)
        salt = isinstance(f.electrolyte, library.Electrolyte)
        groups.setdefault((n,) if own or varied else (f.electrolyte.name, salt), []).append(n)
    media = []
    z = 1
    for names in groups.values():
        first = fillings[names[0]]
        salt = isinstance(first.electrolyte, library.Electrolyte)
        spread = {}
        for prop in ("porosity", "tortuosity"):
            values = {n: getattr(fillings[n], prop) for n in names}
            if all(v is None for v in values.values()):
                spread[prop] = ufl.as_ufl(1.0)
            elif any(_varies(v) for v in values.values()):
                spread[prop] = values[names[0]].at(**domain.coordinates())
            else:
                numbers = {n: 1.0 if v is None else _number(v) for n, v in values.items()}
                spread[prop] = domain.field(numbers, prop)
        laws = {
            prop: _law(case, names[0], first, prop, domain)
            for prop in ("kappa", *(("D", "t_plus", "thermodynamic_factor") if salt else ()))
        }
        media.append(Medium(tuple(names), salt=salt, **laws, **spread))
        if salt:
            z = first.electrolyte.z
    return Ions(
        tuple(media), z=z, c0=c0, frozen=frozen, fixed_potential=dict.fromkeys(edges.phi_l, 0.0),
        fixed_concentration={} if frozen else dict.fromkeys(edges.c, c0),
        inflow=edges.into_electrolyte,
    )


# -- walls -------------------------------------------------------------------------------------


_KINETIC_NUMBERS = (
    "i0", "alpha_a", "alpha_c", "eta_nuc", "film_resistance", "c_ref", "q_cov",
)


@dataclass(frozen=True)
class _Reaction:
    """Kinetic numbers of one surface."""

    i0: Any  # function of (c, T) if varied, else None
    i0_ref: float
    c_ref: float
    activation: float
    alpha_a: float
    alpha_c: float
    eta_nuc: float
    q_cov: float
    film: float
    covered: bool
    law: str


def _reaction(case: Case, domain: Domain, name: str, surface: str) -> _Reaction:
    """Pair data of a surface, overridden by the case's [[kinetics]] entries in their order."""
    given: dict[str, Any] = {}
    law = "butler_volmer"
    for entry in case.kinetics:
        if fnmatchcase(name, entry.surface):
            law = entry.law
            for prop in _KINETIC_NUMBERS:
                if getattr(entry, prop) is not None:
                    given[prop] = getattr(entry, prop)
    complete = {"i0", "alpha_a", "alpha_c"} <= given.keys()
    try:
        pair = library.pair(case.metal, surface, case.electrolyte, strict=not complete)
    except CaseError as error:
        raise CaseError(f"kinetics of {name!r}: {error} with surface = {name!r}") from None
    values: dict[str, Any] = {"Ea": 0.0, "eta_nuc": 0.0, "film_resistance": 0.0, "c_ref": 1000.0}
    values |= {k: float(v) for k, v in pair.numbers().items() if not callable(v)}
    values["i0"] = values.pop("i0_ref", None)
    values |= given
    own_i0 = None
    if _varies(values["i0"]):
        own_i0 = values["i0"]
    return _Reaction(
        None if own_i0 is None else _i0_of(own_i0, domain),
        0.0 if own_i0 is not None else _number(values["i0"]),
        _number(values["c_ref"]),
        _number(values["Ea"]),
        _number(values["alpha_a"]),
        _number(values["alpha_c"]),
        _number(values["eta_nuc"]),
        _number(values["q_cov"]),
        _number(values["film_resistance"]),
        surface == case.metal,
        law,
    )


def _i0_of(value: Any, domain: Domain) -> Callable[[Any, Any], Any]:
    names = {k: v for k, v in domain.coordinates().items() if k in value.variables}
    return lambda c, T: value.at(**names, c=c, T=T)


def _coated(case: Case, domain: Domain, name: str, surface: str) -> _Reaction | None:
    """The reaction of a surface under its coatings; None if one of them stops the ions.

    Under a coating that blocks electrons the metal plates on `surface` and the ions pass the film,
    resistance thickness/kappa. A coating that conducts electrons is itself the surface.
    """
    resistance = 0.0
    for k, coating in enumerate(case.coatings):
        if not fnmatchcase(name, coating.on):
            continue
        material = library.material(coating.material, case.materials)
        if not isinstance(material, library.Solid):
            raise CaseError(
                f"coatings.{k}.material: {coating.material!r} is a {material.kind}; a coating is a "
                "solid"
            )
        if not coating.blocks_electrons:
            surface = material.name
        elif coating.blocks_ions or material.kappa == 0.0:
            return None
        else:
            resistance += coating.thickness / float(material.kappa)
    return _with_film(_reaction(case, domain, name, surface), resistance)


def _check_surfaces(case: Case, surfaces: Iterable[str]) -> None:
    """Every [[kinetics]] and [[coatings]] entry fits a surface that reacts, or could.

    Raises:
        CaseError: all entries that fit none, with the nearest names.
    """
    known = sorted(surfaces)
    entries = [(f"kinetics.{k}.surface", e.surface) for k, e in enumerate(case.kinetics)]
    entries += [(f"coatings.{k}.on", c.on) for k, c in enumerate(case.coatings)]
    lost = [
        f"{place}: {glob!r} fits no surface; {nearest(glob, known)}"
        for place, glob in entries
        if not any(fnmatchcase(name, glob) for name in known)
    ]
    if lost:
        raise CaseError("\n".join(lost))


def _interface(
    case: Case, domain: Domain, fillings: dict[str, _Filling], solids: list[str],
    ionic: list[str], c0: float,
) -> tuple[Interface, float]:
    primary = 0.0
    if case.study == "primary":  # a wall that drops 1e-6 of what the electrolyte drops
        best = max(
            float(_law(case, n, fillings[n], "kappa", domain)(c0, case.temperature)) for n in ionic
        )
        low, high = (end[domain.dim - 1] for end in domain.extent)
        primary = 1e6 * best / (high - low)
    walls: dict[str, list[tuple[str, str]]] = {}
    for plus, minus in domain.walls:
        if plus in solids and minus in ionic:
            walls.setdefault(plus, []).append((plus, minus))
    _check_surfaces(case, {*domain.regions, "collector", "counter"})
    reactions: dict[str, _Reaction] = {}
    for name in walls:
        found = _coated(case, domain, name, fillings[name].material.name)
        if found is not None:
            reactions[name] = found
    electrodes = []
    groups: dict[Any, list[str]] = {}
    for name, r in reactions.items():
        key = (r.law, r.covered, r.film > 0.0, id(r.i0) if r.i0 is not None else None)
        groups.setdefault(key, []).append(name)
    for number, names in enumerate(groups.values()):
        electrodes.append(
            _electrode(
                case, domain, f"walls_{number}", {n: reactions[n] for n in names}, primary, c0,
                walls=tuple(w for n in names for w in walls[n]),
            )
        )
    deepest = max((r.eta_nuc for r in reactions.values()), default=0.0)
    charges = [r.q_cov for r in reactions.values()]
    if case.counter.kind == "metal":
        faces = tuple(domain.faces_of("counter", ionic))
        reaction = _with_film(
            _reaction(case, domain, "counter", case.metal), boundaries.counter_contact(case)
        )
        electrodes.append(
            _electrode(case, domain, "counter", {"counter": reaction}, primary, c0, faces=faces,
                       potential="ground")
        )
    faces = tuple(domain.faces_of("collector", ionic))
    foil = case.collector.material or case.metal
    bare = _coated(case, domain, "collector", foil) if faces else None
    if bare is not None:
        reaction = bare
        deepest = max(deepest, reaction.eta_nuc)
        charges.append(reaction.q_cov)
        electrodes.append(
            _electrode(case, domain, "collector", {"collector": reaction}, primary, c0,
                       faces=faces, potential="driven")
        )
    if not any(e.counts for e in electrodes):
        raise CaseError(
            "nothing reacts: no electron conductor touches the electrolyte; give a region a "
            "conducting material, or let the electrolyte touch the boundary `collector`"
        )
    scale = max(charges)
    initial = case.initial.plated_charge or 0.0
    return (
        Interface(
            tuple(electrodes), state=case.study == "tertiary", initial_charge=initial,
            charge_scale=scale,
        ),
        deepest,
    )


def _with_film(reaction: _Reaction, resistance: float) -> _Reaction:
    return replace(reaction, film=reaction.film + resistance)


def _electrode(
    case: Case, domain: Domain, name: str, reactions: dict[str, _Reaction], primary: float,
    c0: float, **place: Any,
) -> Electrode:
    """One electrode whose numbers are fields over the solids, or constants at a boundary."""
    first = next(iter(reactions.values()))
    side = "+" if place.get("walls") else ""

    def number(prop: str) -> Any:
        values = {n: getattr(r, prop) for n, r in reactions.items()}
        if side:
            return domain.field(values, prop)
        return dfem.Constant(domain.mesh, float(values.popitem()[1]))

    if primary:

        def no_resistance(eta: Any, i0: Any, *_: Any) -> Any:
            return primary * eta

        return Electrode(name, lambda c, T: 1.0, covered=True, law=no_resistance, **place)
    i0_ref, c_ref, alpha_a, Ea = (
        number("i0_ref"), number("c_ref"), number("alpha_a"), number("activation"),
    )

    def at(value: Any) -> Any:
        return value(side) if side else value

    def exchange(c: Any, T: Any) -> Any:
        if first.i0 is not None:
            return first.i0(c, T)
        activity = ufl.max_value(c, 1e-9) / at(c_ref)
        boost = exp(-(at(Ea) / GAS_CONSTANT) * (1.0 / T - 1.0 / T_REF))
        return at(i0_ref) * activity ** at(alpha_a) * boost

    return Electrode(
        name,
        exchange,
        alpha_a=alpha_a,
        alpha_c=number("alpha_c"),
        eta_nuc=number("eta_nuc"),
        q_cov=number("q_cov"),
        film_resistance=number("film") if first.film > 0.0 else None,
        covered=first.covered,
        law=find_law(first.law, case.hooks.module if case.hooks else None),
        **place,
    )
