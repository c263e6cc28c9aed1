"""From a case to nuclei on its walls: which sites each [[nuclei]] entry asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from fem import theory
from fem.base.constants import BOLTZMANN
from fem.base.errors import CaseError, nearest
from fem.case.case import Case
from fem.mesh.domain import Domain
from fem.physics.metal.metal import Metal
from fem.physics.nuclei.nuclei import Nuclei
from fem.physics.nuclei.sites import Seeds, Surface
from fem.physics.nuclei.table import MIN_WIDTHS
from fem.physics.nuclei.table import Nuclei as Entry
from fem.setup.setup import Setup
from fem.values.units import shown_length

__all__ = ["build"]


def build(setup: Setup, entries: tuple[Entry, ...]) -> Iterator[Nuclei]:
    """The nuclei of a case.

    Raises:
        CaseError: an entry fits no nucleating surface.
    """
    case, found, metal = setup.case, setup.surfaces, setup.part("front")
    seeds, problems = [], []
    for k, entry in enumerate(entries):
        fitting = {n: r for n, r in found.reactions.items() if fnmatchcase(n, entry.surface)}
        chosen = {n: r for n, r in fitting.items() if r.nucleating and n != "counter"}
        if not chosen:
            known = sorted({*found.reactions} - {"counter"})
            reason = (
                "is not a nucleating wall; set wall = 'nucleating' in [[kinetics]]"
                if fitting else f"matches no surface; {nearest(entry.surface, known)}"
            )
            problems.append(f"nuclei.{k}.surface: {entry.surface!r}: {reason}")
        surfaces = tuple(
            Surface(
                tuple(w for w in found.walls.get(n, ()) if w[1] in metal.regions),
                tuple(f for f in found.faces.get(n, ()) if f[1] in metal.regions),
                math.pi / 2 if r.contact_angle is None else r.contact_angle,
            )
            for n, r in chosen.items()
        )
        seeds.append(_seeds(f"nuclei.{k}", entry, surfaces, case, setup.domain, metal))
    if problems:
        raise CaseError("\n".join(problems))
    yield Nuclei(metal, seeds)


def _seeds(
    place: str, entry: Entry, surfaces: tuple[Surface, ...], case: Case, domain: Domain,
    metal: Metal,
) -> Seeds:
    """One entry in SI."""
    energy = metal.surface_energy if entry.surface_energy is None else entry.surface_energy

    def barrier(angle: float) -> float:
        if energy == 0.0:
            return 0.0
        work = theory.nucleation_barrier(1.0, energy, metal.molar_volume, metal.z)
        share = theory.heterogeneous_factor(angle)
        return float(work * share) / (BOLTZMANN * case.temperature)

    def share(points: Any) -> Any:
        if entry.p_site is None:
            return 1.0
        places = domain.places(points)
        known = {name: v for name, v in places.items() if name in entry.p_site.variables}
        return np.asarray(entry.p_site.at(**known))

    radius = entry.radius or MIN_WIDTHS * metal.interface_width
    low, high = domain.ends
    if radius >= high - low:
        raise CaseError(
            f"{place}.radius: {shown_length(radius, 4)}: a cap of it reaches beyond the counter "
            f"electrode, in a cell of {shown_length(high - low, 4)}; lower it, or "
            "growth.interface_width, of which it is 4 at least"
        )
    return Seeds(
        place, surfaces, radius, entry.at or (),
        entry.density or 0.0, entry.threshold or (0.0,), entry.spread, entry.rate or 0.0, barrier,
        entry.seed, share,
    )
