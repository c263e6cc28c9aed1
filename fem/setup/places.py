"""Properties of place on a mesh: how far they reach, and whether they keep to what they can be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.case.case import Case
from fem.compat import cell_vertices
from fem.materials import library
from fem.mesh.domain import Domain
from fem.setup.setup import Filling
from fem.values.properties import Along, varies

__all__ = ["check_places", "initial_concentration", "largest_kappa"]

#: Property of a region -> its unit, and the largest value it can take.
SPATIAL = {
    "sigma": ("S/m", math.inf), "bridge_sigma": ("S/m", math.inf), "kappa": ("S/m", math.inf),
    "D": ("m^2/s", math.inf), "porosity": ("", 1.0), "tortuosity": ("", math.inf),
}


def initial_concentration(case: Case, fillings: Mapping[str, Filling]) -> float:
    """Concentration of the salt at the start, or of the electrolyte as it is sold, mol/m3."""
    if case.initial.c is not None and not case.initial.c.variables:
        return float(case.initial.c.at())
    for filling in fillings.values():
        if isinstance(filling.electrolyte, library.Electrolyte):
            return float(filling.electrolyte.c0)
    return 1000.0


def largest_kappa(
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
    nodes = np.unique(cell_vertices(domain.mesh)[domain.in_regions([region])])
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


def check_places(case: Case, domain: Domain, regions: Iterable[str], c0: float) -> None:
    """Properties of place keep to what they can be on this mesh (collective).

    Raises:
        CaseError: all that do not; a number below zero or beyond its limit solves nothing.
    """
    wrong = []
    for name in regions:
        spec = case.region(name)
        for prop, (unit, most) in SPATIAL.items():
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
