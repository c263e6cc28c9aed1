"""Averaged hosts on the mesh: nodes and corners of each, and its numbers there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.mesh.domain import Subdomain
from fem.physics.averaged.areas import Given
from fem.physics.averaged.hosts import Host
from fem.physics.averaged.reaction import PoreKinetics

__all__ = ["SLACK", "Place", "impossible"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

#: What shares of a volume may miss 1 by.
SLACK = 1e-6


@dataclass
class Place:
    """Nodes of one host, and its numbers there.

    Attributes:
        part, metal: of all hosts, and eps_m there (a field).
        nodes: owned ones of that field in the host. volume: lumped, of the host's cells, m3.
        corners: DG1 degrees of freedom of its cells; corner_nodes: P1 nodes there.
        cells: of the part.
        size: volume of the corners of owned cells, which stand first, m3; points: of each cell.
        given, given_corners: see `Host.given`.
        tau, skeleton: tortuosity of the empty host and sigma at corners.
        reaction, kinetics: of its surface.
    """

    host: Host
    part: Subdomain
    metal: Any
    nodes: Ints
    volume: Array
    corners: Ints
    corner_nodes: Ints
    cells: Ints
    size: Array
    points: Array
    given: Given
    given_corners: Given
    tau: Array
    skeleton: Array
    kinetics: PoreKinetics
    reaction: Any = field(init=False)  # a PoreReaction

    def pores(self, metal: Array | None = None) -> Array:
        """Share of the volume that is pore at each node.

        Args:
            metal: eps_m at all nodes of the part; default what is there.
        """
        there = self.metal.x.array if metal is None else metal
        return np.asarray(self.given.pores - there[self.nodes])

    def area(self) -> Array:
        """Reacting area around each node with the metal that is there, m2."""
        return self.host.area(self.pores(), self.given) * self.volume

    def open_corners(self) -> Array:
        """Share of the volume that is pore at each corner."""
        return np.asarray(self.given_corners.pores - self.metal.x.array[self.corner_nodes])

    def past_barrier(self) -> Array:
        """Overpotential of plating past what metal has left of the barrier, at nodes, V."""
        left = self.kinetics.barrier * (1.0 - self.kinetics.lagged)
        return np.asarray(-self.reaction.solved().eta - left)


def impossible(place: Place, largest: Callable[[Array], float]) -> str:
    """Faults of the volumes and the surface of a host at the start, or nothing (collective).

    Args:
        place: the host on its mesh, with the metal of the start.
        largest: of values on all ranks.
    """
    host, given = place.host, place.given_corners

    def ends(values: Array) -> tuple[float, float]:
        return -largest(-values), largest(values)

    least, most = ends(given.pores)
    if not 0.0 < least or most >= 1.0:
        return (f": pores (with metal) take {least:.4g} to {most:.4g} of the volume; they must "
                "leave some to the skeleton, and be some")
    low, high = ends(given.pores + given.host)
    if high > 1.0 + SLACK:
        return (f".host_fraction: pores, metal and skeleton take up to {high:.4g} of the "
                "volume; lower one of them")
    if low < 1.0 - SLACK:
        return (f".host_fraction: pores, metal and skeleton take {low:.4g} of the volume and "
                "the rest is nobody's; leave host_fraction out, or let them add up to 1")
    eps = place.pores()
    least, limit = -largest(-eps), host.entry.clog.porosity
    if least <= limit:
        return (f": {least:.4g} of the volume is open at the start, and a place is closed at "
                f"clog.porosity = {limit:g}; give more porosity or less metal "
                "(initial.plated_charge fills the pores of all surfaces)")
    table, most = place.given.table, largest(eps)
    if table is not None and most > table[0][-1] + SLACK:
        return (f".surface.porosity: {most:.4g} of the volume is open at the start, and the "
                f"table ends at {table[0][-1]:g}; extend it to the empty host")
    if not largest(host.area(eps, place.given)) > 0.0:
        return ".surface: no area at the start, so that nothing reacts; give areas above 0"
    return ""
