"""From a case to its averaged hosts."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from fem.base.constants import FARADAY
from fem.base.errors import CaseError
from fem.contract.physics import TIMED
from fem.physics.averaged.averaged import Averaged
from fem.physics.averaged.books import Books
from fem.physics.averaged.hosts import Host
from fem.physics.averaged.table import Averaged as Entry
from fem.physics.averaged.table import AveragedRegion
from fem.physics.displacement import Displacement
from fem.setup.setup import Setup
from fem.system.part import Part
from fem.values.properties import number

__all__ = ["build"]


def build(setup: Setup, table: Entry) -> Iterator[Part]:
    """The averaged hosts of a case.

    Raises:
        CaseError: a region that is none, or one whose surface does not react.
    """
    case, data = setup.case, setup.case.metal_data
    hosts, tensors = [], {}
    for name in setup.domain.regions:
        found = {p: e for p, e in table.regions.items() if fnmatchcase(name, p)}
        if not found:
            continue
        if len(found) > 1:
            raise CaseError(f"averaged.regions: {name!r} is matched by {' and '.join(found)}")
        (pattern, entry), = found.items()
        if not setup.fillings[name].porous or name not in setup.conductors:
            raise CaseError(
                f"averaged.regions.{pattern}: {name!r} is no solid with pores; give "
                f"[regions.{name}] the material of its skeleton, porosity and sigma"
            )
        hosts.append(_host(setup, name, entry))
        if entry.tensor is not None:
            if len(entry.tensor) != setup.domain.dim:
                raise CaseError(f"averaged.regions.{pattern}.tensor: the mesh is "
                                f"{setup.domain.dim}D; give as many rows")
            tensors[name] = np.array(entry.tensor)
    timed, ions = case.study in TIMED, setup.part("ions")
    averaged = Averaged(
        tuple(hosts), data.z * FARADAY / float(data.molar_volume),
        case.initial.plated_charge or 0.0, timed, tensors,
    )
    yield averaged
    yield Books(averaged)
    if timed and table.displacement == "outflow" and {*ions.salty} & {*averaged.regions}:
        yield Displacement(ions, averaged, home="eps_m")  # no ion volume is known here


def _host(setup: Setup, name: str, entry: AveragedRegion) -> Host:
    case, filling = setup.case, setup.fillings[name]
    reaction = setup.surfaces.reactions.get(name)
    if reaction is None:
        raise CaseError(
            f"averaged.regions.{name}: a coating stops electrons and ions on its surface, so that "
            "nothing plates there; leave it out, or without blocks_ions"
        )
    sigma = case.metal_data.sigma if entry.metal_sigma is None else entry.metal_sigma
    # Places -> law of metal on metal there; barrier and film are the host's.
    law = functools.partial(replace(reaction, film_resistance=0.0).at, case, bare=False)
    return Host(
        name, entry, filling.porosity, filling.tortuosity, filling.sigma, float(number(sigma)),
        setup.cap, reaction, law, case.temperature,
    )
