"""Nodes of the pores as a graph that the ranks share: their edges, and extremes over neighbours.

Meshes are ghosted by shared facets, so no rank sees all neighbours of a node that it owns: what is
taken over neighbours is taken on every rank, and then over the ranks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import dfem, la
from fem.mesh.components import across, edges, highest, united
from fem.mesh.nearest import crossings, nearest
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["Nodes"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Nodes:
    """Nodes of an unknown, and the edges between them in cells that conduct by metal only.

    Args:
        s: the system.
        unknown: whose nodes are meant.
        always: local cells that conduct whatever the metal does; their edges are left out.
        kin: solid of every node: 0 the collector's, 1, ... floating ones, -1 none.
        families: how many solids there are, the collector's included.
        width: unit of lengths, lambda, m.

    Attributes:
        cells: local cells with edges.
        corners: of each of these cells, (corners, cells).
        edges: pairs of local nodes, each once, (2, edges).
        facing: pairs of local nodes that face each other across a facet; its own are in `between`.
        base: node of every pair of neighbours, sorted.
        neighbour: the other one.
        length: distance of the two, over lambda.
        ids: number of every node in the mesh file, the same on any number of ranks.
        map: index map.
    """

    def __init__(
        self, s: System, unknown: Unknown, always: Mask, kin: Ints, families: int, width: float
    ):
        space, part = unknown.space, unknown.part
        self.comm, self.map, self.width = s.domain.comm, space.dofmap.index_map, width
        self.kin, self.families = kin, families
        self.ids = _file_numbers(s.domain, space, part)
        self.work = dfem.Function(space)
        self.cells = part.cells[~always[part.cells]]
        corners = space.dofmap.list[part.inverse[self.cells]].astype(np.int64)
        self.corners, self.edges = corners.T.copy(), edges(corners)
        self.facing, self.between = across(corners)
        there = np.concatenate([self.edges, self.edges[::-1]], axis=1)
        self.base, self.neighbour = there[:, np.lexsort((there[1], there[0]))]
        self.points = space.tabulate_dof_coordinates()
        way = self.points[self.neighbour] - self.points[self.base]
        self.length = np.linalg.norm(way, axis=1) / width

    def over(self, high: Mask) -> Ints:
        """Pairs of marked nodes that face each other across a facet without any, (2, pairs).

        The top of a ridge that runs between nodes is higher than all of them.
        """
        (a, b), between = self.facing, self.between
        pairs = np.flatnonzero(high[a] & ~high[between[0]])  # few are left
        pairs = pairs[high[b[pairs]] & ~high[between[1:, pairs]].any(axis=0)]
        return self.facing[:, pairs]

    def united(self, on: Mask, links: Ints) -> tuple[Ints, int, Ints]:
        """Parts of marked nodes by links and solids, see `fem.mesh.components.united` (collective).

        Args:
            on: which nodes.
            links: pairs of nodes.
        """
        return united(
            self.comm, self.map, on, links, kin=self.kin, families=self.families, ids=self.ids)

    def distance(self, psi: Array, on: Mask, limit: float) -> Array:
        """Distance of marked nodes from the contour psi = 0, in lambda; else inf (collective).

        Args:
            psi: at the nodes.
            on: which nodes.
            limit: what is farther away counts as infinitely far, in lambda.
        """
        x, out = self.points, np.full(len(psi), np.inf)
        contour, _ = crossings(x, self.edges, psi)
        out[on] = nearest(self.comm, x[on], contour, limit * self.width) / self.width
        return out

    def beside(self, on: Mask) -> tuple[Ints, Ints, Array]:
        """Marked nodes, each of their neighbours, and how far that is, over lambda."""
        which = np.flatnonzero(on[self.base])
        return self.base[which], self.neighbour[which], self.length[which]

    def best(self, base: Ints, values: Array) -> Array:
        """The largest of a value for each neighbour, at every node, -1 without (collective)."""
        out = np.full(len(self.kin), -1.0)
        first = np.flatnonzero(np.diff(base, prepend=-1))
        if len(first):
            out[base[first]] = np.maximum.reduceat(values, first)
        return self.highest(out)

    def shared(self, values: Array) -> Array:
        """Values of the owners everywhere (collective)."""
        if self.comm.size > 1:
            self.work.x.array[:] = values
            self.work.x.scatter_forward()
            values = self.work.x.array
        return values.copy()

    def highest(self, values: Array) -> Array:
        """The highest that any rank has at a node, everywhere (collective)."""
        return highest(self.work, values)

    def anywhere(self, mark: Mask) -> Mask:
        """Nodes that any rank has marked (collective)."""
        return self.highest(mark.astype(float)) > 0.5

    def around(self, mark: Mask) -> Mask:
        """Marked nodes and their neighbours (collective)."""
        i, j = self.edges
        out = mark.copy()
        out[j[mark[i]]] = True
        out[i[mark[j]]] = True
        return self.anywhere(out)

    def tallest(self, part: Ints, h: Array, count: int) -> Array:
        """Largest h of every part (collective)."""
        out = np.zeros(count)
        on = part >= 0
        np.maximum.at(out, part[on], h[on])
        return np.asarray(np.maximum.reduce(self.comm.allgather(out)))

    def numbers_of(self, number: Ints) -> set[int]:
        """Numbers other than 0 on any rank (collective)."""
        here = {int(k) for k in np.unique(number) if k}
        return set().union(*self.comm.allgather(here))

    def total(self, nodes: Ints, values: Array) -> Array:
        """Sums of what all ranks have at nodes, at the local ones (collective)."""
        self.work.x.array[:] = 0.0
        np.add.at(self.work.x.array, nodes, values)
        self.work.x.scatter_reverse(la.InsertMode.add)
        self.work.x.scatter_forward()
        return self.work.x.array.copy()


def _file_numbers(domain: Any, space: Any, part: Any) -> Ints:
    """Number in the mesh file of every local node, the same on any number of ranks."""
    numbers = np.asarray(domain.mesh.geometry.input_global_indices, dtype=np.int64)
    return np.asarray(numbers[domain.vertices(space, part)])
