"""Kinetic numbers of a surface, and its law at points.

They come from the library's pair (metal, surface, electrolyte), and from the case's `[[kinetics]]`
entries, of which later ones win.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from fem.base.constants import T_REF
from fem.base.errors import CaseError
from fem.case.case import Case
from fem.case.chemistry import transfer_problem
from fem.case.coatings import films_on, meeting
from fem.case.hooks import BUILT_IN_LAWS
from fem.case.names import missing_pair
from fem.case.tables import law_of
from fem.materials.laws import exchange_current
from fem.setup.kinetics import behind_film, linear_kinetics, side_reaction
from fem.setup.laws import find_law
from fem.values.properties import number, varies

__all__ = ["Reaction", "bulk_metal", "coated", "reaction_of"]

#: Numbers that the case's entries may give in place of the pair's.
NUMBERS = ("i0", "alpha_a", "alpha_c", "eta_nuc", "film_resistance", "c_ref", "q_cov")


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """Kinetic numbers of one surface, SI.

    Attributes:
        i0: exchange current density at c_ref and 298.15 K, number or property of place; one of c or
            T gives it there itself.
        c_ref: mol/m3. Ea: J/mol. alpha_a, alpha_c: transfer coefficients.
        eta_nuc: nucleation overpotential of the bare wall, number or property of place, V.
        q_cov: charge after which 63 % of the wall is covered, C/m2.
        film_resistance: of all films on it, ohm m2.
        law: name of the kinetic law. z: charge number of the metal ion.
        covered: the surface is the metal itself.
        nucleating: growing metal covers it from nuclei only.
        contact_angle: of growing metal, rad; None if the case does not say.
        names_q_cov: the case itself gives q_cov, not the library.
        sealed: metal plates under a coating that stops electrons.
    """

    i0: Any
    c_ref: float
    Ea: float
    alpha_a: float
    alpha_c: float
    eta_nuc: Any
    q_cov: float
    film_resistance: float
    law: str
    z: int
    covered: bool = False
    nucleating: bool = False
    contact_angle: float | None = None
    names_q_cov: bool = False
    sealed: bool = False

    @property
    def varied(self) -> bool:
        """True if something depends on place; the wall is then a separate electrode."""
        return varies(self.i0) or varies(self.eta_nuc)

    def behind(self, resistance: float) -> Reaction:
        """This reaction under one more film, of a resistance in ohm m2."""
        return replace(self, film_resistance=self.film_resistance + resistance)

    def exchange_current(self, c: Any, T: Any, places: dict[str, Any]) -> Any:
        """i0, A/m2; where the case's own depends on c or T, the law adds nothing of that.

        Args:
            c: mol/m3; a number, an array of shape (n,) or UFL, like all that follow.
            T: K.
            places: x, y, z and depth.
        """
        i0 = self.i0
        if varies(i0):
            own = i0.variables
            i0 = i0.at(**{k: v for k, v in places.items() if k in own}, c=c, T=T)
            c, T = self.c_ref if "c" in own else c, T_REF if "T" in own else T
        return exchange_current(c, T, i0, self.c_ref, self.alpha_a, self.z, self.Ea)

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
        eta_nuc, film = self.barrier(case, places) if bare else 0.0, self.film_resistance

        def current_density(eta: Any, c: Any, T: Any, share: Any = 1.0) -> Any:
            i0 = share * self.exchange_current(c, T, places)

            def free(drive: Any) -> Any:
                if not bare:
                    return law(drive, i0, self.alpha_a, self.alpha_c, T)
                return np.minimum(law(drive + eta_nuc, i0, self.alpha_a, self.alpha_c, T), 0.0)

            return behind_film(free, eta, film) if film > 0.0 else free(eta)

        return current_density

    def side(self, places: dict[str, Any]) -> Callable[[Any, Any, Any], Any]:
        """Side reaction of the bare wall at points: (eta, c, T) -> i_n, A/m2, of shape (n,)."""

        def current_density(eta: Any, c: Any, T: Any) -> Any:
            i0 = self.exchange_current(c, T, places)
            slope = linear_kinetics(1.0, i0, self.alpha_a, self.alpha_c, T)
            share = side_reaction(1.0, slope, 0.0)
            return share * eta / (1.0 + self.film_resistance * share)

        return current_density


def reaction_of(case: Case, name: str, surface: str) -> Reaction:
    """Pair data of a surface, overridden by the case's [[kinetics]] entries in their order.

    Args:
        case: with the entries.
        name: of the surface, as entries match it.
        surface: material of it.

    Raises:
        CaseError: numbers are missing, or are not what the law can take.
    """
    given: dict[str, Any] = {}
    for entry in (e for e in case.kinetics if fnmatchcase(name, e.surface)):
        known = {prop: getattr(entry, prop) for prop in (*NUMBERS, "wall", "contact_angle")}
        given |= {prop: value for prop, value in known.items() if value is not None}
    wall, angle = given.pop("wall", None), given.pop("contact_angle", None)
    ohmic = case.study == "primary"  # asks for no kinetics; films on walls stay
    if not ohmic and (lacks := missing_pair(name, surface, vars(case))):
        raise CaseError(lacks)
    pair = case.pair_data(surface, strict=False).numbers()
    values: dict[str, Any] = {"Ea": 0.0, "eta_nuc": 0.0, "film_resistance": 0.0, "c_ref": 1000.0}
    values |= {"i0_ref": 1.0, "alpha_a": 0.5, "alpha_c": 0.5} if ohmic else {}
    taken = ("i0_ref", "Ea", *NUMBERS)
    values |= {k: float(v) for k, v in pair.items() if k in taken and not callable(v)}
    values["i0"] = values.pop("i0_ref", None)
    values |= given
    values = {k: v if varies(v) else number(v) for k, v in values.items()}
    if varies(values["film_resistance"]):
        raise CaseError(
            f"kinetics of {name!r}: film_resistance varies; give one number for each surface (make "
            "regions of their own where it differs)"
        )
    law = law_of(case.kinetics, name)
    if law in BUILT_IN_LAWS:
        wrong = transfer_problem(case.metal_data, values["alpha_a"], values["alpha_c"])
        if wrong:
            raise CaseError(f"kinetics of {name!r}: {wrong}")
    return Reaction(
        **values, law=law, z=case.metal_data.z, covered=surface == case.metal,
        nucleating=wall == "nucleating", contact_angle=angle, names_q_cov="q_cov" in given,
    )


def coated(case: Case, name: str, surface: str) -> Reaction | None:
    """The reaction of a surface under its coatings; None if the case lets them stop it."""
    place = meeting(name, surface, films_on(name, case.coatings, case.fillings))
    if place is None:
        return None
    reaction = reaction_of(case, name, place.surface).behind(place.resistance)
    return replace(reaction, sealed=place.sealed)


def bulk_metal(case: Case, film: float = 0.0) -> Reaction:
    """The reaction of the metal on itself; `[[kinetics]]` calls that surface `metal`.

    Args:
        case: gives its numbers.
        film: resistance of what moves with the front, besides that of the pair, ohm m2.
    """
    return reaction_of(case, "metal", case.metal).behind(film)
