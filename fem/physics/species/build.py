"""From a case to its ions: species, media, charge, what is held at the edges."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import ufl

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.base.errors import CaseError
from fem.case.species import Species, species, unused
from fem.case.turnover import turnovers
from fem.compat import dfem
from fem.materials import library
from fem.physics.species.books import IonBooks
from fem.physics.species.exchange import Consumption, Release
from fem.physics.species.sites import Sites
from fem.physics.species.solution import Liquid, Solution
from fem.physics.species.tables import Adsorption, ElectrolyteModel, Ion
from fem.setup.flow import require_incompressible
from fem.setup.setup import Setup
from fem.setup.transport import conductivity
from fem.values.properties import number, varies

__all__ = ["books", "build"]

#: Relative difference from which on the ideal conductivity is not the one that is measured.
SAME_RTOL = 1e-2


def build(setup: Setup, table: ElectrolyteModel) -> Iterator[Solution | Sites | Consumption]:
    """The solution of a case, and what its ions do at walls.

    Raises:
        CaseError: a region, a boundary or a start that the model does not have.
    """
    case = setup.case
    ions = species(vars(case))
    salty = setup.salty
    if not salty:
        raise CaseError("electrolyte_model: no region dissolves ions; leave it out")
    charge = {n: bound.density for n, bound in setup.charge.items() if n in salty}
    start = {n: anions for n in charge if (anions := setup.charge[n].anions) is not None}
    solution = Solution(
        ions, tuple(_media(setup, salty)), charge, start, tuple(setup.edges.phi_l),
        _held(setup, ions), setup.edges.into_electrolyte,
        tuple(turnovers(getattr(case, "reaction", ()), ions)),
        *_flow(setup, table, salty),
    )
    _require_metal_ions(setup, solution)
    yield solution
    for k, ion in enumerate(ions):
        if ion.entry is not None:
            yield from _at_walls(setup, solution, k, ion.entry)


def books(setup: Setup, _table: ElectrolyteModel) -> Iterator[IonBooks]:
    """The ledgers of the ions."""
    solution = setup.part("ions")
    yield IonBooks(solution, tuple(_remarks(setup, solution.ions)))


def _media(setup: Setup, salty: list[str]) -> Iterator[Liquid]:
    """Regions whose porosity or tortuosity varies each by itself, all others together.

    Raises:
        CaseError: a conductivity of what dissolves ions.
    """
    domain, fillings = setup.domain, setup.fillings
    for n in salty:
        for problem in unused(n, setup.case.region(n)):
            raise CaseError(problem)
    single = [n for n in salty if varies(fillings[n].porosity) or varies(fillings[n].tortuosity)]
    pores = _pores(setup)
    plain = [n for n in salty if n not in (*single, *pores)]
    if pores:
        yield Liquid(tuple(pores), "pore")

    def at(value: Any) -> Any:
        return 1.0 if value is None else value.at(**domain.coordinates()) if varies(
            value) else number(value)

    if plain:
        spread: dict[str, Any] = {}
        for name in ("porosity", "tortuosity"):
            values = {n: at(getattr(fillings[n], name)) for n in plain}
            one = {*values.values()} == {1.0}
            spread[name] = 1.0 if one else domain.field(values, name)
        yield Liquid(tuple(plain), **spread)
    for n in single:
        yield Liquid((n,), at(fillings[n].porosity), at(fillings[n].tortuosity))
    for n in setup.ionic:
        if n not in salty:
            yield Liquid((n,), at(fillings[n].porosity), at(fillings[n].tortuosity),
                         kappa=conductivity(setup, n))


def _pores(setup: Setup) -> list[str]:
    """Regions of plain electrolyte, which metal that grows can fill."""
    if setup.case.study != "growth":
        return []
    return [n for n in setup.ionic if setup.fillings[n].porosity is None
            and isinstance(setup.fillings[n].material, library.Electrolyte)]


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


def _at_walls(
    setup: Setup, solution: Solution, k: int, entry: Ion
) -> Iterator[Sites | Consumption | Release]:
    """All that walls do with an ion."""
    if (table := entry.adsorption) is not None:
        yield _sites(setup, solution, k, table)
    if (eaten := entry.consumption) is not None:
        places = _walls(setup, solution, f"ion.{entry.name}.consumption.on", eaten.on)
        at, law = setup.domain.coordinates(), eaten.flux
        yield Consumption(solution, k, *places, lambda c, T: ufl.as_ufl(
            law.at(**at, c=c, T=T) if varies(law) else number(law)))
    if (stock := entry.release) is not None:
        places = _walls(setup, solution, f"ion.{entry.name}.release.on", stock.on)
        speed = stock.k / stock.amount
        yield Release(solution, k, *places, stock.amount, speed * stock.c_sat, speed,
                      shown=_shown(setup))


def _shown(setup: Setup) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Walls and faces that plate."""
    plating = setup.surfaces.plating
    return [w for e in plating for w in e.walls], [f for e in plating for f in e.faces]


def _walls(
    setup: Setup, solution: Solution, where: str, on: str
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Walls and faces beside the liquid that a table names.

    Raises:
        CaseError: there are none.
    """
    domain = setup.domain
    walls = [(solid, liquid) for solid, liquid in domain.walls
             if fnmatchcase(solid, on) and liquid in solution.salty
             and solid not in solution.salty]  # fmt: skip
    faces = domain.faces_of(on, solution.salty) if on in domain.boundaries else []
    if not walls and not faces:
        raise CaseError(f"{where}: {on!r}: touches no liquid with ions; name a solid beside it")
    return walls, faces


def _sites(setup: Setup, solution: Solution, k: int, table: Adsorption) -> Sites:
    """Sites of an ion on the walls that its table names.

    Raises:
        CaseError: there are none, or they block walls that do not react.
    """
    where = f"ion.{solution.ions[k].name}.adsorption.on"
    walls, faces = _walls(setup, solution, where, table.on)
    if table.blocks:
        reacting = {w for e in setup.surfaces.plating for w in (*e.walls, *e.faces)}
        if not {*walls, *faces} <= reacting:
            raise CaseError(f"{where}: {table.on!r}: blocks = true, but part of it does not react; "
                            "leave blocks out, or name what metal plates on")
    K = table.K.at(**setup.domain.coordinates()) if varies(table.K) else number(table.K)
    return Sites(solution, k, walls, faces, table.sites, K, table.rate, table.blocks,
                 shown=_shown(setup))


def _flow(
    setup: Setup, table: ElectrolyteModel, salty: list[str]
) -> tuple[Any, tuple[str, ...]]:
    """Velocity of the liquid (UFL), and boundaries that it may pass.

    Raises:
        CaseError: it makes liquid, or goes through walls or electrodes.
    """
    if table.velocity is None:
        return None, ()
    domain = setup.domain
    if len(table.velocity) != domain.dim:
        raise CaseError(
            f"electrolyte_model.velocity: {len(table.velocity)} components on a mesh in "
            f"{domain.dim}D; give {domain.dim}"
        )
    for k, value in enumerate(table.velocity):
        if lost := sorted(value.variables - {*domain.coordinates()}):
            raise CaseError(f"electrolyte_model.velocity.{k}: depends on {', '.join(lost)}, which "
                            "does not exist on this mesh")
    u = ufl.as_vector([
        value.at(**domain.coordinates()) if varies(value)
        else dfem.Constant(domain.mesh, number(value))
        for value in table.velocity
    ])
    if any(bound.density for bound in setup.charge.values()):
        raise CaseError(
            "electrolyte_model.velocity: liquid that passes fixed charge carries a current "
            "(streaming), which is not solved; leave out velocity or [[fixed_charge]]"
        )
    shut = ["collector", "counter"]
    edges = tuple(n for n in domain.boundaries if n not in shut and domain.faces_of(n, salty))
    require_incompressible(domain, u, salty, shut)
    return u, tuple(n for n in edges if n not in setup.edges.c)


def _require_metal_ions(setup: Setup, solution: Solution) -> None:
    """A region begins with metal ions.

    Raises:
        CaseError: its charge alone holds all the anions that are asked for.
    """
    for name, anions in solution.start.items():
        rho = solution.charge.get(name, 0.0)
        if not min(solution.with_anions(anions, rho)) > 0.0:
            raise CaseError(
                f"{setup.charge[name].place}.anions: {anions:g} mol/m^3: the charge alone holds "
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
