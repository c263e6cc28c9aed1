"""From a case to its ions with space charge: liquids, dielectrics, charged walls, baths."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import ufl

from fem.base.errors import CaseError
from fem.case.species import species, unused
from fem.case.turnover import turnovers
from fem.compat import dfem
from fem.materials import library
from fem.physics.pnp.books import ChargeBooks
from fem.physics.pnp.drift import Velocity
from fem.physics.pnp.resolution import Resolution
from fem.physics.pnp.space_charge import Liquid, SpaceCharge, SurfaceCharge
from fem.setup.flow import require_incompressible
from fem.setup.setup import Setup
from fem.system.part import Part
from fem.values.properties import number, varies

__all__ = ["build"]

#: Capacity of a Stern layer, F/m2: the double layer of PyBaMM's parameter sets (checked there).
STERN = 0.2


def build(setup: Setup, model: Any) -> Iterator[Part]:
    """The model of a case and its books.

    Raises:
        CaseError: a region, wall or boundary that the model does not have, or a mesh too coarse.
    """
    case: Any = setup.case
    found = setup.surfaces
    low, high = setup.domain.ends
    ions = species(vars(case))
    space = SpaceCharge(
        ions,
        dict(_liquids(setup, model.eps_r)),
        case.temperature,
        high - low,
        dielectrics=dict(_dielectrics(setup)),
        electrodes=(*found.plating, *((found.counter,) if found.counter else ())),
        stern=STERN if model.stern is None else model.stern,
        surface=tuple(_charged(setup)),
        held=tuple(_baths(setup)),
        velocity=_velocity(setup, model.velocity),
        reactions=tuple(turnovers(case.reaction, ions)),
    )
    yield space
    yield ChargeBooks(space, fresh=case.initial.from_ is None)
    yield Resolution(space)


def _liquids(setup: Setup, given: float | None) -> Iterator[tuple[str, Liquid]]:
    for name in setup.ionic:
        filling, where = setup.fillings[name], f"regions.{name}"
        liquid = filling.electrolyte
        if not isinstance(liquid, library.Electrolyte):
            raise CaseError(
                f"{where}: {filling.material.name!r} conducts one ion and dissolves none: no space "
                "charge is known of it here; take an electrolyte, or model = 'ions'"
            )
        if given is None and not liquid.has("eps_r"):
            raise CaseError(
                f"{where}: eps_r of {liquid.name!r} is not known; give electrolyte_model.eps_r, or "
                "eps_r in a user-defined material"
            )
        for problem in unused(name, setup.case.region(name)):
            raise CaseError(problem)
        spread = {}
        for key in ("porosity", "tortuosity"):
            value = getattr(filling, key)
            if value is not None and varies(value):
                raise CaseError(f"{where}.{key}: varies; with space charge give one number")
            spread[key] = 1.0 if value is None else number(value)
        eps_r = float(liquid.eps_r) if given is None else given
        fixed = setup.charge[name].density if name in setup.charge else 0.0
        yield name, Liquid(eps_r, fixed=fixed, **spread)


def _dielectrics(setup: Setup) -> Iterator[tuple[str, float]]:
    """Solids that conduct nothing and touch electrolyte: the field goes on in them."""
    domain = setup.domain
    wet = {solid for pair in domain.walls for solid, other in (pair, pair[::-1])
           if other in setup.ionic}  # fmt: skip
    for name in domain.regions:
        if name in setup.ionic or name in setup.conductors or name not in wet:
            continue
        material = setup.fillings[name].material
        if not material.has("eps_r"):
            raise CaseError(
                f"regions.{name}: eps_r of {material.name!r} is not known, and the field of ions "
                "goes on in it; give eps_r in a user-defined material"
            )
        yield name, float(material.eps_r)


def _charged(setup: Setup) -> Iterator[SurfaceCharge]:
    case: Any = setup.case
    domain, wet = setup.domain, setup.ionic
    metals = {n for n in setup.conductors if n not in setup.ionic}
    for k, entry in enumerate(case.surface_charge):
        where = f"surface_charge.{k}.on: {entry.on!r}"
        faces = tuple(f for f in domain.faces if f[1] in wet and fnmatchcase(f[0], entry.on))
        walls = tuple(w for w in domain.walls if w[1] in wet and w[0] not in wet
                      and fnmatchcase(w[0], entry.on))  # fmt: skip
        if not (faces or walls):
            raise CaseError(f"{where}: no such wall or boundary touches electrolyte")
        lost = sorted({w[0] for w in walls} & metals) + sorted(
            {f[0] for f in faces} & {*setup.surfaces.faces}
        )
        if lost:
            raise CaseError(
                f"{where}: {lost[0]!r} is an electrode, whose charge follows from its potential "
                "(electrolyte_model.stern); charge an insulator"
            )
        yield SurfaceCharge(entry.density, walls, faces)


def _baths(setup: Setup) -> Iterator[str]:
    """Boundaries where electrolyte is open to a bath."""
    edges = setup.edges
    if lost := next(iter(edges.into_electrolyte), None):
        raise CaseError(
            f"boundaries.{lost}.current_density: without a reaction at it nobody says which ions "
            "carry it; with space charge plate from a counter electrode or a bath"
        )
    yield from (name for name in edges.phi_l if name in edges.c)


def _velocity(setup: Setup, given: Any) -> Velocity | None:
    """Velocity of the liquid as a function of points.

    Raises:
        CaseError: of other components than the mesh, one that makes liquid or goes through anything
            but baths (collective).
    """
    domain = setup.domain
    if given is None:
        return None
    if len(given) != domain.dim:
        raise CaseError(
            f"electrolyte_model.velocity: {len(given)} components on a {domain.dim}D mesh"
        )

    def velocity(points: Any) -> Any:
        padded = np.zeros((len(points), 3))
        padded[:, : points.shape[1]] = points
        places = domain.places(padded)
        return np.stack(
            [np.broadcast_to(u.at(**{k: places[k] for k in u.variables}), len(points))
             for u in given], axis=1,
        )  # fmt: skip

    places = domain.coordinates()
    u = ufl.as_vector([c.at(**{k: places[k] for k in c.variables}) if c.variables
                       else dfem.Constant(domain.mesh, number(c)) for c in given])  # fmt: skip
    shut = [name for name in domain.boundaries if name not in _baths(setup)]
    require_incompressible(domain, u, setup.ionic, shut)
    return velocity
