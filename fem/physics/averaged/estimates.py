r"""Numbers of the column of averaged hosts, before a case runs.

With R = 1/kappa_eff + 1/sigma_eff of the empty host, and r = (d eta/d i)/(a_s) its reaction
resistance per volume,

    nu = L sqrt(R/r)    at rest, where d eta/d i = RT/((alpha_a + alpha_c) F i0) + R_film
    Ne = r/(L^2 R)      at the mean current density J/(a_s L): 1/nu^2 without current, and
                        1/delta, delta = alpha_c F J L R/(RT), in Tafel's range

Each host counts by itself, as if it carried all of the current.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.case import depth
from fem.case.estimates import AtRest, at_rest, largest, salt, slabs
from fem.case.tables import BUTLER_VOLMER, law_of
from fem.physics.averaged.areas import Given, area
from fem.physics.averaged.table import Averaged, AveragedRegion
from fem.values.properties import number, varies

if TYPE_CHECKING:
    from fem.case.case import Case

__all__ = ["Ne", "nu"]

#: Kinetic laws whose slope is known here.
KNOWN = (BUTLER_VOLMER, "linear")


class _Host(NamedTuple):
    """A host as it begins: thickness, m, R, ohm m, and a_s, 1/m."""

    length: float
    resistance: float
    area: float
    kinetics: AtRest


def nu(case: Case) -> dict[str, float]:
    """Number of the column by host; above about 1 the reaction is visibly uneven."""
    T = case.temperature
    found = {}
    for name, host in _hosts(case):
        i0, alphas, film = host.kinetics
        slope = GAS_CONSTANT * T / (sum(alphas) * FARADAY * i0) + film
        found[name] = float(host.length * np.sqrt(host.resistance * host.area / slope))
    return found


def Ne(case: Case) -> dict[str, float]:
    """Reaction resistance over that of the way, by host, at the largest current that plates."""
    step = largest(case)
    found = {}
    for name, host in _hosts(case) if step is not None else ():
        assert step is not None
        i0, alphas, film = host.kinetics
        linear = law_of(case.kinetics, name) != BUTLER_VOLMER
        i = 0.0 if linear else step.J / (host.area * host.length)
        slope = 1.0 / depth.slope(-i, i0, *alphas, case.temperature) + film
        found[name] = float(slope / (host.area * host.length**2 * host.resistance))
    return found


def _hosts(case: Case) -> Iterator[tuple[str, _Host]]:
    """Hosts of a planar cell whose numbers are the same everywhere in them."""
    table, known, layers = case.table(Averaged), salt(case), slabs(case)
    if table is None or known is None:
        return
    liquid, c0 = known
    lengths: dict[str, float] = {}
    for slab in layers:
        lengths[slab.name] = lengths.get(slab.name, 0.0) + slab.thickness
    for slab in {slab.name: slab for slab in layers}.values():
        entry = next((e for glob, e in table.regions.items() if fnmatchcase(slab.name, glob)), None)
        numbers = None if entry is None else _numbers(entry, slab.region)
        if numbers is None or entry is None:
            continue
        eps, host, tau, sigma, given = numbers
        kappa = slab.region.kappa
        if kappa is not None and varies(kappa):
            continue
        free = float(liquid.kappa(c0, case.temperature)) if kappa is None else number(kappa)
        kinetics = at_rest(case, slab.name, slab.region.material, c0)
        if kinetics is None or law_of(case.kinetics, slab.name) not in KNOWN:
            continue
        pores = np.array([eps])
        reacting = float(area(entry.surface.law, pores, Given(pores, np.array([host]), *given))[0])
        resistance = tau / (eps * free) + 1.0 / sigma
        yield slab.name, _Host(lengths[slab.name], resistance, reacting, kinetics)


def _numbers(entry: AveragedRegion, region: Any) -> tuple[float, float, float, float, Any] | None:
    """eps, eps_host, tau and sigma of a host, and what else its area law takes."""
    surface = entry.surface
    values = (region.porosity, region.tortuosity, region.sigma, surface.radius, surface.area,
              entry.host_fraction)  # fmt: skip
    if entry.metal is not None or any(v is not None and varies(v) for v in values):
        return None
    eps, tau, sigma, radius, given, host = (None if v is None else number(v) for v in values)
    assert eps is not None
    assert sigma is not None
    if entry.tensor is not None:
        tau = entry.tensor[-1][-1]
    if tau is None:
        tau = eps ** (1.0 - entry.exponent)
    table = None
    if surface.porosity is not None and surface.areas is not None:
        table = np.array(surface.porosity), np.array(surface.areas)
    more = np.array([radius or 0.0]), np.array([given or 0.0]), table
    return eps, 1.0 - eps if host is None else host, tau, sigma, more
