"""Surfaces: which walls react, under which coating, with the kinetic data of which pair.

The kinetic numbers of a surface come from the library's pair (metal, surface, electrolyte), and
from the case's `[[kinetics]]` entries, of which later ones win. Surfaces that differ in numbers
only become one `Electrode`, with fields for numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from fem.base.constants import T_REF
from fem.base.errors import CaseError
from fem.case.case import Case
from fem.case.chemistry import transfer_problem
from fem.case.coatings import films_on, meeting, no_electrons, nothing_reacts
from fem.case.hooks import BUILT_IN_LAWS
from fem.case.names import missing_pair
from fem.case.tables import law_of
from fem.compat import MPI, dfem
from fem.materials.laws import exchange_current
from fem.mesh.domain import Domain, on_side
from fem.setup import edges
from fem.setup.electrode import Electrode, Wall
from fem.setup.kinetics import behind_film, linear_kinetics, side_reaction
from fem.setup.laws import find_law
from fem.values.properties import Along, Formula, number, varies
from fem.values.units import shown_point

__all__ = ["Reaction", "Surfaces", "bulk_metal", "read"]


_KINETIC_NUMBERS = (
    "i0", "alpha_a", "alpha_c", "eta_nuc", "film_resistance", "c_ref", "q_cov",
)


@dataclass(frozen=True)
class Reaction:
    """Kinetic numbers of one surface, SI."""

    i0: Any  # at c_ref and 298.15 K, property of place; or of c and T itself; None if a number
    i0_ref: float
    c_ref: float
    activation: float
    alpha_a: float
    alpha_c: float
    eta_nuc: Any  # number, or a property of place
    q_cov: float
    film: float
    covered: bool
    law: str
    nucleating: bool = False
    contact_angle: float | None = None
    names_q_cov: bool = False  # the case itself gives it, not the library
    z: int = 1  # charge number of the metal ion
    sealed: bool = False  # metal plates under a coating that stops electrons

    @property
    def varied(self) -> bool:
        """True if something depends on place; the wall is then a separate electrode."""
        return self.i0 is not None or varies(self.eta_nuc)

    def exchange_current(self, c: Any, T: float, places: dict[str, Any]) -> Any:
        """i0 at points, A/m2.

        Args:
            c: mol/m3, of shape (n,).
            T: K.
            places: x, y, z and depth of the points.
        """
        return _exchange_current(
            self.i0, places, c, T, self.i0_ref, self.c_ref, self.alpha_a, self.z, self.activation
        )

    def barrier(self, case: Case, places: dict[str, Any]) -> Any:
        """eta_nuc at points, V."""
        if not varies(self.eta_nuc):
            return self.eta_nuc
        known = {k: v for k, v in places.items() if k in self.eta_nuc.variables}
        return self.eta_nuc.at(**known, T=case.temperature)

    def at(self, case: Case, places: dict[str, Any], *, bare: bool) -> Callable[..., Any]:
        """The law of this surface at points: (eta, c, T) -> i_n, A/m2, arrays of shape (n,).

        A fourth argument multiplies i0, as the normal of a crystal does.

        Args:
            case: gives own laws, and the temperature of eta_nuc.
            places: x, y, z and depth of the points.
            bare: plating on the foreign wall, beyond eta_nuc, and nothing else.
        """
        law = find_law(self.law, case.hooks.module if case.hooks else None)
        eta_nuc = self.barrier(case, places)

        def current_density(eta: Any, c: Any, T: Any, share: Any = 1.0) -> Any:
            i0 = share * self.exchange_current(c, T, places)

            def free(drive: Any) -> Any:
                if not bare:
                    return law(drive, i0, self.alpha_a, self.alpha_c, T)
                return np.minimum(law(drive + eta_nuc, i0, self.alpha_a, self.alpha_c, T), 0.0)

            return behind_film(free, eta, self.film) if self.film > 0.0 else free(eta)

        return current_density

    def side(self, places: dict[str, Any]) -> Callable[[Any, Any, Any], Any]:
        """Side reaction of the bare wall at points: (eta, c, T) -> i_n, A/m2, of shape (n,)."""

        def current_density(eta: Any, c: Any, T: Any) -> Any:
            i0 = self.exchange_current(c, T, places)
            slope = linear_kinetics(1.0, i0, self.alpha_a, self.alpha_c, T)
            share = side_reaction(1.0, slope, 0.0)
            return share * eta / (1.0 + self.film * share)

        return current_density


@dataclass(frozen=True)
class Surfaces:
    """All surfaces of a cell.

    Attributes:
        plating: on which metal is plated: walls of the host, and the foil behind the mesh.
        counter: the counter electrode, if metal.
        deepest_nucleation: largest nucleation overpotential, V (that of place at its worst).
        covering_charge: largest q_cov, C/m2.
        reactions: surface -> its numbers; the counter electrode's too.
        walls: surface -> (solid, electrolyte) pairs.
        faces: `collector` and `counter` -> (boundary, electrolyte) pairs.
        insulated: (solid or `collector`, electrolyte) pairs under a coating that stops everything:
            metal that lies there does not touch what is coated.
        front_film: of a film that moves with growing metal, ohm m2.
    """

    plating: tuple[Electrode, ...]
    counter: Electrode | None
    deepest_nucleation: float
    covering_charge: float
    reactions: dict[str, Reaction] = field(default_factory=dict)
    walls: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    faces: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    insulated: tuple[tuple[str, str], ...] = ()
    front_film: float = 0.0

    def under(self, films: Mapping[str, float], front: float) -> Surfaces:
        """Surfaces with the resistance of films that stay as they are.

        Args:
            films: surface -> resistance, ohm m2, besides that of the reaction itself.
            front: of the film on metal that grows.
        """
        reactions = {n: _with_film(r, films.get(n, 0.0)) for n, r in self.reactions.items()}
        return replace(self, reactions=reactions, front_film=front)


def _reaction(case: Case, name: str, surface: str) -> Reaction:
    """Pair data of a surface, overridden by the case's [[kinetics]] entries in their order."""
    given: dict[str, Any] = {}
    law, wall, angle = law_of(case.kinetics, name), None, None
    for entry in case.kinetics:
        if fnmatchcase(name, entry.surface):
            wall = entry.wall or wall
            angle = angle if entry.contact_angle is None else entry.contact_angle
            for prop in _KINETIC_NUMBERS:
                if getattr(entry, prop) is not None:
                    given[prop] = getattr(entry, prop)
    ohmic = case.study == "primary"  # asks for no kinetics; films on walls stay
    complete = ohmic or {"i0", "alpha_a", "alpha_c"} <= given.keys()
    lacks = None if complete else missing_pair(name, surface, vars(case))
    if lacks:
        raise CaseError(lacks)
    pair = case.pair_data(surface, strict=False)
    values: dict[str, Any] = {"Ea": 0.0, "eta_nuc": 0.0, "film_resistance": 0.0, "c_ref": 1000.0}
    values |= {"i0_ref": 1.0, "alpha_a": 0.5, "alpha_c": 0.5} if ohmic else {}
    values |= {k: float(v) for k, v in pair.numbers().items() if not callable(v)}
    values["i0"] = values.pop("i0_ref", None)
    values |= given
    if varies(values["film_resistance"]):
        raise CaseError(
            f"kinetics of {name!r}: film_resistance varies; give one number for each surface (make "
            "regions of their own where it differs)"
        )
    if law in BUILT_IN_LAWS:
        alphas = number(values["alpha_a"]), number(values["alpha_c"])
        wrong = transfer_problem(case.metal_data, *alphas)
        if wrong:
            raise CaseError(f"kinetics of {name!r}: {wrong}")
    own_i0 = None
    if varies(values["i0"]):
        own_i0 = values["i0"]
    return Reaction(
        own_i0,
        0.0 if own_i0 is not None else number(values["i0"]),
        number(values["c_ref"]),
        number(values["Ea"]),
        number(values["alpha_a"]),
        number(values["alpha_c"]),
        values["eta_nuc"] if varies(values["eta_nuc"]) else number(values["eta_nuc"]),
        number(values["q_cov"]),
        number(values["film_resistance"]),
        surface == case.metal,
        law,
        wall == "nucleating",
        angle,
        "q_cov" in given,
        case.metal_data.z,
    )


def _coated(case: Case, name: str, surface: str) -> Reaction | None:
    """The reaction of a surface under its coatings; None if the case lets them stop it."""
    place = meeting(name, surface, films_on(name, case.coatings, case.fillings))
    if place is None:
        return None
    reaction = _with_film(_reaction(case, name, place.surface), place.resistance)
    return replace(reaction, sealed=place.sealed)


def _check_coated(
    case: Case, solids: Iterable[str], regions: Iterable[str]
) -> None:
    """Every [[coatings]] entry lies on something that brings it electrons.

    Raises:
        CaseError: all entries that lie on insulators or electrolytes only.
    """
    plating = {*solids, "collector"}
    lost = []
    for k, coating in enumerate(case.coatings):
        on = [name for name in (*regions, "collector") if fnmatchcase(name, coating.on)]
        if on and not plating & {*on}:
            lost.append(f"coatings.{k}.on: {coating.on!r}: {no_electrons(on)}")
    if lost:
        raise CaseError("\n".join(lost))


def read(
    case: Case, domain: Domain, materials: dict[str, str], solids: list[str], ionic: list[str],
    c0: float, primary: float = 0.0, porous: Collection[str] = (), foiled: Collection[str] = (),
) -> Surfaces:
    """All surfaces that react.

    Args:
        case: what is asked for.
        domain: its mesh.
        materials: name of the material of every solid region.
        solids: regions that conduct electrons.
        ionic: regions that conduct ions.
        c0: initial concentration, mol/m3.
        primary: conductance that stands for no kinetics, S/m2, films in series; 0 for kinetics.
        porous: regions of both that react all through; what they touch reacts elsewhere.
        foiled: those of them behind whose pores the collector reacts as well.

    Raises:
        CaseError: an entry matches no surface, a pair is unknown, or nothing reacts.
    """
    _check_coated(case, (*solids, *porous), domain.regions)
    liquid = [name for name in ionic if name not in porous]
    walls: dict[str, list[tuple[str, str]]] = {}
    for plus, minus in domain.walls:
        if plus in solids and minus in liquid:
            walls.setdefault(plus, []).append((plus, minus))
    reactions = {
        name: found
        for name in (*walls, *porous)
        if (found := _coated(case, name, materials[name])) is not None
    }
    plating = [
        _electrode(
            case, domain, f"walls_{order}", {n: reactions[n] for n in names}, primary,
            walls=tuple(w for n in names for w in walls[n]),
        )
        for order, names in enumerate(_alike({n: reactions[n] for n in walls if n in reactions}))
    ]
    faces = {}
    if not primary:
        on = {n: tuple(found) for n, found in walls.items()}
        on |= {n: tuple(domain.faces_of(n, ionic)) for n in ("collector", "counter")}
        _check_expressions(case, domain, on, c0)
    if case.counter.kind in ("metal", "foil", "cathode"):
        faces["counter"] = tuple(domain.faces_of("counter", ionic))
    counter, reaction = _counter(case, domain, faces.get("counter", ()), primary)
    touching = tuple(domain.faces_of("collector", [*liquid, *foiled]))
    foil = _coated(case, "collector", case.collector.material or case.metal)
    if touching and foil is not None:
        reactions["collector"], faces["collector"] = foil, touching
        plating.append(
            _electrode(case, domain, "collector", {"collector": foil}, primary, faces=touching,
                       potential="driven")
        )
    if not plating and not {*porous} & reactions.keys():
        dead = [n for n in (*walls, *porous) if n not in reactions] + ["collector"] * bool(touching)
        raise CaseError(nothing_reacts(dead) if dead else (
            "nothing reacts: no electron conductor touches the electrolyte; give a region a "
            "conducting material, or let the electrolyte touch the boundary `collector`"
        ))
    return Surfaces(
        tuple(plating), counter,
        max(_largest(domain, r.eta_nuc) for r in reactions.values()),
        max(r.q_cov for r in reactions.values()),
        reactions | ({} if reaction is None else {"counter": reaction}),
        {n: tuple(found) for n, found in walls.items()},
        faces,
        (*(w for n in walls if n not in reactions for w in walls[n]),
         *(touching if foil is None else ())),
    )


def _alike(reactions: Mapping[str, Reaction]) -> list[list[str]]:
    """Surfaces in groups of one law; one whose numbers vary with place stands by itself."""
    groups: dict[Any, list[str]] = {}
    for name, r in reactions.items():
        key = (r.law, r.covered, r.film > 0.0, name if r.varied else None)
        groups.setdefault(key, []).append(name)
    return [*groups.values()]


def _counter(
    case: Case, domain: Domain, faces: tuple[tuple[str, str], ...], primary: float
) -> tuple[Electrode | None, Reaction | None]:
    """Counter electrode of a case, and its reaction if it is metal; None where nothing reacts.

    Args:
        case: what is asked for.
        domain: its mesh.
        faces: of the boundary `counter`.
        primary: as of `read`.
    """
    if case.counter.kind == "cathode":
        return _cathode(domain, case.counter.resistance or 0.0, faces), None
    if case.counter.kind not in ("metal", "foil"):
        return None, None
    reaction = _with_film(_reaction(case, "counter", case.metal), edges.counter_contact(case))
    electrode = _electrode(
        case, domain, "counter", {"counter": reaction}, primary, faces=faces, potential="ground"
    )
    return electrode, reaction


def bulk_metal(case: Case, film: float = 0.0) -> Reaction:
    """The reaction of the metal on itself; `[[kinetics]]` calls that surface `metal`.

    Args:
        case: gives its numbers.
        film: resistance of what moves with the front, besides that of the pair, ohm m2.
    """
    return _with_film(_reaction(case, "metal", case.metal), film)


#: Kinetic numbers that may be expressions: unit, and what they can be.
_PLACE_DEPENDENT = {"i0": ("A/m^2", "it must stay above 0"), "eta_nuc": ("V", "at least 0 V")}


def _check_expressions(
    case: Case, domain: Domain, on: dict[str, tuple[tuple[str, str], ...]], c: float
) -> None:
    """Expressions in [[kinetics]] keep to what they can be on this mesh (collective).

    Args:
        case: with the entries.
        domain: the mesh.
        on: surface -> its walls or faces.
        c: concentration of the start, mol/m3.

    Raises:
        CaseError: all that do not, with a place.
    """
    wrong = []

    def points(surface: str) -> Any:
        pairs = [pair for n, found in on.items() if fnmatchcase(n, surface) for pair in found]
        walls, faces = ([p for p in pairs if p in known] for known in (domain.walls, domain.faces))
        return domain.corners(walls, faces)

    for k, entry in enumerate(case.kinetics):
        for prop, (unit, rule) in _PLACE_DEPENDENT.items():
            value = getattr(entry, prop)
            if value is None or not varies(value):
                continue
            lost = sorted(value.variables - {"c", "T", *domain.coordinates()})
            if lost:
                why = "; the mesh has no host" if "depth" in lost else f" in {domain.dim}D"
                wrong.append(f"kinetics.{k}.{prop}: depends on {', '.join(lost)}, which does not "
                             f"exist{why}")
            elif isinstance(value, Formula):  # numbers of a list were checked when it was read
                here = points(entry.surface)
                low, at, problem = _lowest(domain, value, here, c, case.temperature)
                if problem:
                    wrong.append(f"kinetics.{k}.{prop}: {problem}")
                elif low < 0.0 or (low == 0.0 and prop == "i0"):
                    where = shown_point(at[: domain.dim])
                    of_c = f" and c = {c:.4g} mol/m^3" if "c" in value.variables else ""
                    wrong.append(f"kinetics.{k}.{prop}: falls to {low:.4g} {unit} at {where}"
                                 f"{of_c}; {rule}")
    if wrong:
        raise CaseError("\n".join(wrong))


def _lowest(
    domain: Domain, value: Formula, points: Any, c: float, T: float
) -> tuple[float, tuple[float, ...], str]:
    """Lowest value at points and where, or why there is none (collective)."""
    low, at, problem = np.inf, (), ""
    known = {k: v for k, v in (domain.places(points) | {"c": c, "T": T}).items()
             if k in value.variables}
    try:
        values = np.broadcast_to(value.at(**known), len(points))
        if len(values):
            worst = int(np.argmin(values))
            low, at = float(values[worst]), tuple(points[worst].tolist())
    except CaseError as error:  # only on ranks that have such a point
        problem = str(error)
    everyone = domain.comm.allgather((low, at, problem))
    return min(everyone)[0], min(everyone)[1], max(text for *_, text in everyone)


def _largest(domain: Domain, value: Any) -> float:
    """Largest value of a property of place at the nodes of the mesh (collective)."""
    if not varies(value):
        return number(value)
    if isinstance(value, Along):
        return float(np.max(value.curve.y))
    points = domain.mesh.geometry.x
    places = domain.places(points)
    known = {k: v for k, v in places.items() if k in value.variables}
    here = float(np.max(value.at(**known, T=T_REF), initial=0.0))
    return domain.comm.allreduce(here, op=MPI.MAX)


def _exchange_current(
    own: Any, places: dict[str, Any], c: Any, T: Any, i0_ref: Any, c_ref: Any, alpha_a: Any, z: int,
    Ea: Any,
) -> Any:
    """i0, A/m2; where the case's own depends on c or T, the law adds nothing of that.

    Args:
        own: i0 of the case as a property, None for a number.
        places: x, y, z and depth.
        c: as `exchange_current` takes it, like all that follow.
        T: K.
        i0_ref: A/m2.
        c_ref: mol/m3.
        alpha_a: anodic transfer coefficient.
        z: charge number of the metal ion.
        Ea: J/mol.
    """
    if own is not None:
        known = {k: v for k, v in places.items() if k in own.variables}
        i0_ref = own.at(**known, c=c, T=T)
        c = c_ref if "c" in own.variables else c
        T = T_REF if "T" in own.variables else T
    return exchange_current(c, T, i0_ref, c_ref, alpha_a, z, Ea)


def _with_film(reaction: Reaction, resistance: float) -> Reaction:
    return replace(reaction, film=reaction.film + resistance)


def _ohmic(eta: Any, i0: Any, *_: Any) -> Any:
    """A law i = i0 eta: i0 is a conductance, S/m2."""
    return i0 * eta


def _cathode(domain: Domain, resistance: float, faces: tuple[Wall, ...]) -> Electrode:
    """A counter electrode that goes by Ohm's law; what holds its metal gives it its `rest`."""
    conductance = dfem.Constant(domain.mesh, 1.0 / resistance)

    return Electrode("counter", lambda c, T: conductance, covered=True, law=_ohmic, faces=faces,
                     potential="ground")


def _electrode(
    case: Case, domain: Domain, name: str, reactions: dict[str, Reaction], primary: float,
    **place: Any,
) -> Electrode:
    """One electrode whose numbers are fields over the solids, or constants at a boundary."""
    first = next(iter(reactions.values()))
    side = "+" if place.get("walls") else ""

    def value(prop: str) -> Any:
        values = {n: getattr(r, prop) for n, r in reactions.items()}
        if varies(getattr(first, prop)):
            return getattr(first, prop).at(**domain.coordinates(), T=case.temperature)
        if side:
            return domain.field(values, prop)
        return dfem.Constant(domain.mesh, float(values.popitem()[1]))

    if primary:
        films = {n: 1.0 / (1.0 / primary + r.film) for n, r in reactions.items()}
        conductance = domain.field(films, "conductance")("+") if side else films.popitem()[1]
        return Electrode(name, lambda c, T: conductance, covered=True, law=_ohmic, **place)
    i0_ref, c_ref, alpha_a, Ea = (
        value("i0_ref"), value("c_ref"), value("alpha_a"), value("activation"),
    )

    def exchange(c: Any, T: Any) -> Any:
        i0, ref, alpha, E = (on_side(each, side) for each in (i0_ref, c_ref, alpha_a, Ea))
        return _exchange_current(first.i0, domain.coordinates(), c, T, i0, ref, alpha, first.z, E)

    return Electrode(
        name,
        exchange,
        alpha_a=alpha_a,
        alpha_c=value("alpha_c"),
        eta_nuc=value("eta_nuc"),
        q_cov=value("q_cov"),
        film_resistance=value("film") if first.film > 0.0 else None,
        covered=first.covered,
        law=find_law(first.law, case.hooks.module if case.hooks else None),
        **place,
    )
