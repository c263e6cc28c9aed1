"""One averaged host: what it is made of at any place, and what its pores let pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.physics.averaged.areas import Given, area, distance
from fem.physics.averaged.table import AveragedRegion, Dead
from fem.setup.reaction import Reaction
from fem.values.properties import varies

__all__ = ["FLOOR", "Host", "at"]

Array = npt.NDArray[np.float64]
Places = dict[str, Array]

#: Share of kappa and D that closed pores keep.
FLOOR = 1e-4


def at(value: Any, places: Places, n: int, T: float) -> Array:
    """A property of place at n points."""
    if not varies(value):
        return np.full(n, float(value.at()) if hasattr(value, "at") else float(value))
    known = {k: v for k, v in places.items() if k in value.variables} | {"T": T}
    return np.broadcast_to(np.asarray(value.at(**known), dtype=float), n).copy()


@dataclass(frozen=True)
class Host:
    """A region, by its entries in the case.

    Attributes:
        name: of the region.
        entry: of [averaged].
        porosity: at the start, number or property. tortuosity: measured then, or None.
        sigma: of the skeleton, S/m (number or property).
        metal_sigma: of the metal in its pores, S/m. cap: conductivity that is enough, S/m.
        reaction: kinetic numbers of its surface.
        free: points' places -> law of metal on metal there, (eta, c, T) -> A/m2.
        T: temperature of the case, K.
    """

    name: str
    entry: AveragedRegion
    porosity: Any
    tortuosity: Any
    sigma: Any
    metal_sigma: float
    cap: float
    reaction: Reaction
    free: Any
    T: float

    @property
    def dead(self) -> Dead | None:
        """Law of metal that loses its contact."""
        return self.entry.dead

    def start(self, places: Places, n: int) -> tuple[Array, Array, Array]:
        """eps0 = eps + eps_m, eps_host, and eps_m of the start, at n points.

        `porosity` is that of the start; metal that is there then is counted beside it.
        """
        eps = at(self.porosity, places, n, self.T)
        metal = np.zeros(n)
        if self.entry.metal is not None:
            metal = at(self.entry.metal, places, n, self.T)
        host = 1.0 - eps - metal
        if self.entry.host_fraction is not None:
            host = at(self.entry.host_fraction, places, n, self.T)
        return eps + metal, host, metal

    def given(self, places: Places, n: int) -> Given:
        """Numbers for the area law at n points."""
        surface = self.entry.surface
        pores, host, _ = self.start(places, n)
        radius, given_area = (
            np.zeros(n) if v is None else at(v, places, n, self.T)
            for v in (surface.radius, surface.area)
        )
        table = None
        if surface.porosity is not None and surface.areas is not None:
            table = np.array(surface.porosity), np.array(surface.areas)
        return Given(pores, host, radius, given_area, table)

    def area(self, eps: Array, given: Given) -> Array:
        """Reacting area per volume, 1/m."""
        return area(self.entry.surface.law, eps, given)

    def distance(self, given: Given) -> Array:
        """From one pore or fibre to the next, m."""
        if self.entry.pore_distance is not None:
            return np.full(len(given.pores), self.entry.pore_distance)
        return np.asarray(distance(self.entry.surface.law, given))

    def length(self, given: Given) -> Array:
        """Nucleation length, m."""
        own = self.entry.nucleation_length
        return self.distance(given) if own is None else np.full(len(given.pores), own)

    def barrier(self, places: Places, n: int) -> Array:
        """eta_nuc of the bare surface at n points, V; none on a surface of the metal itself."""
        return np.zeros(n) if self.reaction.covered else at(
            self.reaction.eta_nuc, places, n, self.T)

    def open(self, eps: Array, pores: Array, tau: Array) -> Array:
        """Share of kappa that is left: eps/tau, where tau = tau0 (eps/eps0)^(1 - b).

        Args:
            eps: pore fraction now.
            pores: eps0.
            tau: tau0, eps0^(1 - b) where none was measured.
        """
        b = self.entry.exponent
        return np.maximum(eps * (eps / pores) ** (b - 1.0) / tau, FLOOR)

    def tau(self, pores: Array, places: Places) -> Array:
        """Tortuosity of the empty host; 1 where a tensor says it."""
        if self.entry.tensor is not None:
            return np.ones(len(pores))
        if self.tortuosity is None:
            return pores ** (1.0 - self.entry.exponent)
        return at(self.tortuosity, places, len(pores), self.T)

    def conducts(self, skeleton: Array, metal: Array) -> Array:
        """Electronic conductivity of skeleton and metal, S/m."""
        share = np.minimum(1.0, (np.maximum(metal, 0.0) / self.entry.percolation) ** 2)
        return np.minimum(skeleton + self.metal_sigma * share, self.cap)
