"""From a case to its ions: species, media, charge, what is held at the edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ufl

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.base.errors import CaseError
from fem.case.species import Species, species
from fem.materials import library
from fem.physics.species.books import IonBooks
from fem.physics.species.solution import Liquid, Solution
from fem.physics.species.tables import ElectrolyteModel
from fem.setup.setup import Setup
from fem.values.properties import number, varies

__all__ = ["build"]

#: Relative difference from which on the ideal conductivity is not the one that is measured.
SAME_RTOL = 1e-2


def build(setup: Setup, table: ElectrolyteModel) -> Iterator[Solution | IonBooks]:
    """The solution of a case and its books.

    Raises:
        CaseError: a region, a boundary or a start that the model does not have.
    """
    if table.model != "ions":
        return  # that of another physics
    case = setup.case
    ions = species(vars(case))
    salty = [n for n in setup.ionic
             if isinstance(setup.fillings[n].electrolyte, library.Electrolyte)]
    if not salty:
        raise CaseError("electrolyte_model: no region dissolves ions; leave it out")
    charge, start = {}, {}
    for entry in getattr(case, "fixed_charge", ()):
        if entry.region in salty:
            charge[entry.region] = entry.density
            if entry.anions is not None:
                start[entry.region] = entry.anions
    solution = Solution(
        ions, tuple(_media(setup, salty)), charge, start, tuple(setup.edges.phi_l),
        _held(setup, ions), setup.edges.into_electrolyte,
    )
    _require_metal_ions(case, solution)
    yield solution
    yield IonBooks(solution, tuple(_remarks(setup, ions)))


def _media(setup: Setup, salty: list[str]) -> Iterator[Liquid]:
    """Regions whose porosity or tortuosity varies each by itself, all others together."""
    domain, fillings = setup.domain, setup.fillings
    single = [n for n in salty if varies(fillings[n].porosity) or varies(fillings[n].tortuosity)]
    plain = [n for n in salty if n not in single]

    def at(value: Any) -> Any:
        return 1.0 if value is None else value.at(**domain.coordinates()) if varies(
            value) else number(value)

    if plain:
        spread = {}
        for name in ("porosity", "tortuosity"):
            values = {n: at(getattr(fillings[n], name)) for n in plain}
            one = {*values.values()} == {1.0}
            spread[name] = 1.0 if one else domain.field(values, name)
        yield Liquid(tuple(plain), **spread)
    for n in single:
        yield Liquid((n,), at(fillings[n].porosity), at(fillings[n].tortuosity))
    for n in setup.ionic:
        if n not in salty:
            own = setup.case.region(n).kappa
            kappa = fillings[n].electrolyte.kappa if own is None else own
            here = kappa.at(**domain.coordinates(), T=setup.case.temperature, c=setup.c0) if (
                varies(kappa)) else number(kappa)
            yield Liquid((n,), at(fillings[n].porosity), at(fillings[n].tortuosity),
                         kappa=ufl.as_ufl(float(here)) if isinstance(here, float) else here)


def _held(setup: Setup, ions: tuple[Species, ...]) -> dict[str, float]:
    """Boundaries where ions are held, and their concentrations over those of the start.

    Raises:
        CaseError: a concentration that varies.
    """
    held = {}
    for name, given in setup.edges.c.items():
        if isinstance(given, int | float):
            held[name] = 1.0  # of the bath, or the reservoir
        elif given.variables:
            raise CaseError(
                f"boundaries.{name}.c: varies, but ions by themselves are held at one state of the "
                "bath; give a number"
            )
        else:
            held[name] = float(given.at()) / ions[0].c0
    return held


def _require_metal_ions(case: Any, solution: Solution) -> None:
    """A region begins with metal ions.

    Raises:
        CaseError: its charge alone holds all the anions that are asked for.
    """
    for name, anions in solution.start.items():
        rho = solution.charge.get(name, 0.0)
        if not min(solution.with_anions(anions, rho)) > 0.0:
            k = [entry.region for entry in getattr(case, "fixed_charge", ())].index(name)
            raise CaseError(
                f"fixed_charge.{k}.anions: {anions:g} mol/m^3: the charge alone holds "
                f"{rho / FARADAY:g} mol/m^3 of them, so no metal ion is left; raise anions or "
                "lower the charge"
            )


def _remarks(setup: Setup, ions: tuple[Species, ...]) -> Iterator[str]:
    """The conductivity of ideal ions beside the measured one."""
    T = setup.case.temperature
    ideal = FARADAY**2 / (GAS_CONSTANT * T) * sum(ion.z**2 * ion.D * ion.c0 for ion in ions)
    for liquid in {f.electrolyte.name: f.electrolyte for f in setup.fillings.values()
                   if isinstance(f.electrolyte, library.Electrolyte)}.values():
        known = float(liquid.kappa(ions[0].c0, T))
        if abs(ideal / known - 1.0) > SAME_RTOL:
            yield (
                f"electrolyte_model: its ions conduct {ideal:.3g} S/m at the start as dilute ones "
                f"do (Nernst-Einstein); {liquid.name!r} is given {known:.3g} S/m there, which is "
                "not used"
            )
