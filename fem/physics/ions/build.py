"""From a case to its ions: what conducts them, data of their salt."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import CaseError
from fem.compat import MPI
from fem.materials import library
from fem.materials.limits import POSITIVE_LAWS, Bound, bounds, own_bound
from fem.physics.ions.ions import Ions, Medium
from fem.physics.ions.salt import Data, SaltLedger
from fem.setup.setup import Setup
from fem.setup.transport import conductivity, law
from fem.system.part import Part
from fem.theory.salt import MONOVALENT
from fem.values.properties import Along, number, varies

__all__ = ["books", "build"]

Array = npt.NDArray[np.float64]


def build(setup: Setup, _table: Any) -> Iterator[Ions]:
    """The ions of a case and their salt, where no other model of the electrolyte is asked for."""
    if setup.case.playing("electrolyte") is None:
        yield _ions(setup)


def books(setup: Setup, _table: Any) -> Iterator[Part]:
    """The ledger of the salt; and fluxes, where files are to have them."""
    ions = setup.part("ions")
    if isinstance(ions, Ions):
        yield SaltLedger(ions, _data(setup))
        yield from ions.vectors() if setup.case.output.vectors else ()


def _ions(setup: Setup) -> Ions:
    case, domain, edges, filled = setup.case, setup.domain, setup.edges, setup.filled
    frozen = case.study in ("primary", "secondary")
    groups: dict[Any, list[str]] = {}
    for n in setup.ionic:
        spec, f = case.region(n), setup.fillings[n]
        own = any(getattr(spec, p) is not None for p in ("kappa", "kappa_along", "D", "t_plus"))
        varied = varies(f.porosity) or varies(f.tortuosity)
        salt = isinstance(f.electrolyte, library.Electrolyte)
        alone = own or varied or f.porous or n in setup.laws
        key = (n,) if alone else (f.electrolyte.name, salt, n in filled)
        groups.setdefault(key, []).append(n)
    media = []
    formula = MONOVALENT
    for names in groups.values():
        first = setup.fillings[names[0]]
        salt = isinstance(first.electrolyte, library.Electrolyte)
        spread: dict[str, Any] = {}
        for prop in ("porosity", "tortuosity"):
            values = {n: getattr(setup.fillings[n], prop) for n in names}
            if all(v is None for v in values.values()):
                spread[prop] = ufl.as_ufl(1.0)
            elif any(varies(v) for v in values.values()):
                spread[prop] = values[names[0]].at(**domain.coordinates())
            else:
                numbers = {n: 1.0 if v is None else number(v) for n, v in values.items()}
                spread[prop] = domain.field(numbers, prop)
        if names[0] in filled:
            spread["porosity"] = "pore"
        if first.porous:
            spread["passes"] = "pore_share"
        laws = {"kappa": conductivity(setup, names[0])} | {
            prop: law(setup, names[0], prop)
            for prop in (("D", "t_plus", "thermodynamic_factor") if salt else ())
        }
        if salt:
            formula = first.electrolyte.formula
        if names[0] in setup.laws:
            laws = setup.laws[names[0]](laws["D"], laws["t_plus"], formula.z)
        media.append(Medium(tuple(names), salt=salt, **laws, **spread))
    return Ions(
        tuple(media), formula=formula, c0=setup.c0, frozen=frozen,
        fixed_potential=dict.fromkeys(edges.phi_l, 0.0),
        fixed_concentration={} if frozen else dict.fromkeys(edges.c, setup.c0),
        inflow=edges.into_electrolyte, start=_start(setup),
    )


def _data(setup: Setup) -> Data:
    """Data of the salt, and where they end."""
    used = (setup.fillings[n].electrolyte for n in setup.salty)
    return Data(
        tuple({e.name: e for e in used}.values()), _tables_of_c(setup), _laws_of_c(setup),
        setup.case.temperature,
    )


def _tables_of_c(setup: Setup) -> dict[str, Along]:
    """Tables over c that the case gives for regions in use."""
    found = {}
    for name in setup.ionic:
        for prop in ("kappa", "D", "t_plus"):
            value = getattr(setup.case.region(name), prop)
            if isinstance(value, Along) and value.along == "c":
                found[f"regions.{name}.{prop}"] = value
    return found


def _laws_of_c(setup: Setup) -> tuple[Bound, ...]:
    """Transport laws of regions in use, those of the library and those of the case."""
    found, case = {}, setup.case
    for name in setup.salty:
        electrolyte = setup.fillings[name].electrolyte
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


def _start(setup: Setup) -> Callable[[Array], Array] | None:
    """Points -> a concentration of place at the start; None where it is the same everywhere."""
    given, domain = setup.case.initial.c, setup.domain
    if given is None or not given.variables:
        return None

    def start(points: Array) -> Array:
        values = np.broadcast_to(given.at(**domain.places(points)), len(points))
        lowest = domain.comm.allreduce(float(np.min(values, initial=math.inf)), op=MPI.MIN)
        if not lowest > 0.0:
            raise CaseError(
                f"initial.c: falls to {lowest:g} mol/m^3 on this mesh; it must stay above 0"
            )
        return values

    return start
