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
from fem.mesh.spaces import space_on
from fem.solver.corners import Moment
from fem.solver.pattern import gradients, pattern
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
        besides: what the cells of each edge carry more than its own velocity says; None at rest.
    """

    def __init__(self, system: System, flux: EdgeFlux):
        self.system, self.flux = system, flux
        self.row = row = system.unknowns[flux.row]
        self.where = where = pattern(system, row, row)
        one = ufl.TestFunction(space_on(row.part.mesh, ("DG", 0)))
        form: Any = flux.weight(one)
        k = dfem.assemble_vector(system.form(form)).array[where.cells]
        self.weights = -where.stiffness(np.asarray(k))[: where.edges.shape[1]]
        self.nodes = {n: self._nodes_of(n) for n in flux.columns}
        along, self.besides = self._flows(np.asarray(k))
        self.law = flux.law(along)

    def _flows(self, k: Array) -> tuple[Array, Array | None]:
        """Flow of the liquid along each edge, and what its cells carry besides, times w.

        Args:
            k: integral over each cell.
        """
        where, velocity = self.where, self.flux.velocity
        dim, n = self.system.domain.dim, where.edges.shape[1]
        if velocity is None:
            return np.zeros(n), None
        nodes = self.row.space.tabulate_dof_coordinates()[:, :dim]
        here, there = (nodes[end] for end in where.edges)
        middle = velocity(0.5 * (here + there))
        at_edge = (velocity(here) + 4 * middle + velocity(there)) / 6
        u = self._means(nodes, middle)
        slopes, besides = gradients(nodes[where.corners]), np.zeros(n)
        for (i, j), edges in zip(where.pairs, where.edge_of.T, strict=True):
            w = -k * np.einsum("ck,ck->c", slopes[:, i], slopes[:, j])
            along = ((u - at_edge[edges]) * (there - here)[edges]).sum(axis=1)
            besides += np.bincount(edges, w * along, n)
        return (at_edge * (there - here)).sum(axis=1), besides

    def _means(self, nodes: Array, middle: Array) -> Array:
        """Mean velocity in each cell, of a polynomial of degree 2 exactly; with r as weight there.

        Args:
            nodes: places.
            middle: velocity at the middle of each edge.
        """
        where, velocity, dim = self.where, self.flux.velocity, self.system.domain.dim
        assert velocity is not None
        at_corners, between = velocity(nodes)[where.corners], middle[where.edge_of]
        if not self.system.domain.axisymmetric:
            share = (2 - dim) / (2 + dim)
            return share * at_corners.mean(axis=1) + (1 - share) * between.mean(axis=1)
        centre = nodes[where.corners].mean(axis=1)
        r = nodes[:, 0]
        rule = (  # of degree 3
            (1 / 20, r[where.corners], at_corners),
            (2 / 15, r[where.edges].mean(axis=0)[where.edge_of], between),
            (9 / 20, centre[:, None, 0], velocity(centre)[:, None]),
        )
        total = sum(share * np.einsum("ck,ckd->cd", radii, u) for share, radii, u in rule)
        return np.asarray(total) / centre[:, :1]

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
            f, slopes = w * f, {n: (w * a, w * b) for n, (a, b) in slopes.items()}
            if self.besides is not None:
                a, b = ends[self.row.name]
                part, (by_a, by_b) = 2 * self.besides / (a + b) ** 2, slopes[self.row.name]
                f = f + part * a * b * (a + b)
                slopes[self.row.name] = by_a + part * b**2, by_b + part * a**2
            moment[id(self)] = f, slopes
        found: tuple[Array, dict[str, Ends]] = moment[id(self)]
        return found

    def noise(self, moment: Moment) -> Array:
        """Change of the row at each node of this rank by the last bits of potentials, A.

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
