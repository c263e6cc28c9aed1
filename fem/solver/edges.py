"""Fluxes along edges in the rows of a stage: residual and derivatives on the edges of a pattern.

Weights are found once, from the integrals of k over cells; those of a rank come from its own cells,
so that shares of edges between ranks add up to the whole, as all else does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.compat import dfem
from fem.solver.corners import Moment
from fem.solver.pattern import pattern
from fem.system.edges import EdgeFlux, Ends
from fem.system.system import System

__all__ = ["AlongEdges", "EdgeSlope"]

Array = npt.NDArray[np.float64]


class AlongEdges:
    """One flux on this rank's edges, with the interface of `fem.solver.corners.Linear`.

    Args:
        system: whose unknowns it reads.
        flux: what flows.

    Attributes:
        weights: w_ij of each edge of the pattern.
    """

    def __init__(self, system: System, flux: EdgeFlux):
        self.system, self.flux = system, flux
        self.row = row = system.unknowns[flux.row]
        self.where = where = pattern(system, row, row)
        one = ufl.TestFunction(dfem.functionspace(row.part.mesh, ("DG", 0)))
        form: Any = flux.weight(one)
        k = dfem.assemble_vector(system.form(form)).array[where.cells]
        self.weights = -where.stiffness(np.asarray(k))[: where.edges.shape[1]]
        self.nodes = {n: self._nodes_of(n) for n in flux.columns}
        x = row.space.tabulate_dof_coordinates()[:, : system.domain.dim]
        self.law = flux.law(*(x[end] for end in where.edges))

    def _nodes_of(self, name: str) -> npt.NDArray[np.int32]:
        """Node of an unknown at the ends of each edge, (2, edges)."""
        partner = pattern(self.system, self.row, self.system.unknowns[name]).partner
        return partner[self.where.edges]

    def at(self, moment: Moment) -> tuple[Array, dict[str, Ends]]:
        """The flux of each edge, w f, and its derivatives."""
        if id(self) not in moment:
            values = {n: self.system.unknowns[n].value.x.array for n in self.flux.columns}
            ends: dict[str, Ends] = {
                n: (values[n][a], values[n][b]) for n, (a, b) in self.nodes.items()
            }
            f, slopes = self.law(ends)
            w = self.weights
            moment[id(self)] = w * f, {n: (w * a, w * b) for n, (a, b) in slopes.items()}
        found: tuple[Array, dict[str, Ends]] = moment[id(self)]
        return found

    def noise(self, moment: Moment) -> Array:
        """What the last bits of potentials make of the row at each node of this rank, A.

        A drift is a difference of potentials, which are hundreds of RT/F where current is above
        the limiting one; over a short edge that moves more than what is stored.
        """
        first, second = self.where.edges
        _, slopes = self.at(moment)
        total = np.zeros(len(self.where.partner))
        for name, ends in slopes.items():
            u = self.system.unknowns[name]
            if not u.potential:
                continue
            x = np.abs(u.value.x.array)
            a, b = self.nodes[name]
            lost = np.finfo(float).eps * (np.abs(ends[0]) * x[a] + np.abs(ends[1]) * x[b])
            total += sum(np.bincount(end, lost, len(total)) for end in (first, second))
        return total

    def add_to(self, vector: Array, moment: Moment) -> None:
        """Add the row at each node of this rank, A."""
        first, second = self.where.edges
        f, _ = self.at(moment)
        vector += np.bincount(first, f, len(vector)) - np.bincount(second, f, len(vector))


class EdgeSlope:
    """Derivative of a flux by an unknown, with the interface of `fem.solver.corners.Bilinear`."""

    stiff, rest = False, True

    def __init__(self, along: AlongEdges, column: str):
        self.along, self.column = along, column
        system = along.system
        self.where = pattern(system, along.row, system.unknowns[column])

    def entries(self, moment: Moment) -> Array:
        """Values in the order of the pattern: first ends' rows, second ends' rows, diagonal."""
        by_first, by_second = self.along.at(moment)[1][self.column]
        first, second = self.along.where.edges
        count = len(self.where.partner)
        diagonal = np.bincount(first, by_first, count) - np.bincount(second, by_second, count)
        return np.concatenate([by_second, -by_first, diagonal[self.where.nodes]])
