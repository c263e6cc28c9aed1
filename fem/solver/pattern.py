r"""Places of matrix entries where two unknowns meet in cells, made once for all blocks.

Linear elements couple a node with itself and with those that it shares an edge with. What a cell
brings into a matrix then goes to its corners and to its edges, and blocks of unknowns on the same
parts differ in their values only: they share one `Pattern`, with it the sums over cells, and in
PETSc the list of places.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import PETSc
from fem.mesh.components import distinct
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["SHARED_PLACES", "Pattern", "gradients", "pattern", "product"]

Array = npt.NDArray[np.float64]

#: Most cells over which numpy sums as fast as scipy.sparse, which takes 0.2 s to load.
MAX_CELLS_IN_NUMPY = 30_000
#: Of a copy of a matrix: values of its own, but the places of the matrix copied.
SHARED_PLACES: Any = PETSc.Mat.DuplicateOption.SHARE_NONZERO_PATTERN


def pattern(system: System, row: Unknown, column: Unknown) -> Pattern:
    """The pattern of two unknowns of degree 1, shared with all that are numbered like them."""
    for known in system.shared.setdefault("patterns", []):
        if known.suits(row, column):
            return known
    made = Pattern(system, row, column)
    system.shared["patterns"].append(made)
    return made


class _Table:
    """A steady matrix that numpy multiplies with: values of every cell, (cells, n), at places."""

    def __init__(self, values: Array, places: npt.NDArray[Any], size: int):
        self.values, self.places, self.size = values, places, size

    def __matmul__(self, k: Array) -> Array:
        return _sums(self.places, (self.values * k[:, None]).ravel(), self.size)


class Pattern:
    """The nodes and edges of the cells in which two unknowns meet.

    Args:
        system: theirs.
        row: unknown of the test function.
        column: unknown of the trial function.

    Attributes:
        cells: those of the row's part, owned, that the column's part has too.
        corners: row's node at each corner of them, (cells, corners).
        partner: column's node at every local node of the row, -1 without.
        edges: row's nodes at the ends of each edge, (2, edges), the lower number first.
        edge_of: edge between each two corners, in the order of `pairs`, (cells, pairs).
        size: how many values a matrix has. diagonal: place of each row's node among them.
    """

    def __init__(self, system: System, row: Unknown, column: Unknown):
        self.unknowns = row, column
        comm: Any = system.domain.comm
        dim = system.domain.dim
        self.pairs = list(combinations(range(dim + 1), 2))
        owned = row.part.mesh.topology.index_map(dim).size_local
        there = column.part.inverse[row.part.cells[:owned]]
        self.cells = np.flatnonzero(there >= 0).astype(np.int32)
        corners = row.space.dofmap.list
        self.corners = corners[:owned] if len(self.cells) == owned else corners[self.cells]
        maps = [u.space.dofmap.index_map for u in (row, column)]
        count = maps[0].size_local + maps[0].num_ghosts
        self.partner = np.full(count, -1, dtype=np.int32)
        self.partner[self.corners] = column.space.dofmap.list[there[self.cells]]
        self.nodes = np.flatnonzero(self.partner >= 0).astype(np.int32)
        ends = [(self.corners[:, i], self.corners[:, j]) for i, j in self.pairs]
        low = np.concatenate([np.minimum(*pair) for pair in ends])
        high = np.concatenate([np.maximum(*pair) for pair in ends])
        ends_of = low.astype(np.int64) * count + high
        keys = distinct(ends_of)
        place = np.searchsorted(keys, ends_of)
        self.edges = np.stack(np.divmod(keys, max(count, 1))).astype(np.int32)
        self.edge_of = place.reshape(len(self.pairs), -1).T.astype(np.int32, order="C")
        first = 2 * self.edges.shape[1]
        self.size = first + len(self.nodes)
        self.diagonal = np.full(count, -1, dtype=np.int32)
        self.diagonal[self.nodes] = np.arange(first, self.size, dtype=np.int32)
        points = row.space.tabulate_dof_coordinates()[:, :dim]
        self._products = self._stiff(gradients(points[self.corners]))
        # By the array that is asked for; it is kept, so that its id stays its own.
        self._positions: dict[int, tuple[Any, npt.NDArray[np.int32]]] = {}
        self._places: dict[int, tuple[Any, npt.NDArray[np.int32]]] = {}
        self._prototype: Any = PETSc.Mat().createAIJ(
            [(m.size_local, m.size_global) for m in maps], comm=comm
        )
        self._prototype.setPreallocationCOO(
            maps[0].local_to_global(np.concatenate([*self.edges, self.nodes])).astype(np.int32),
            maps[1].local_to_global(
                self.partner[np.concatenate([*self.edges[::-1], self.nodes])]).astype(np.int32),
        )
        self.fill(self._prototype, np.zeros(self.size))

    def suits(self, row: Unknown, column: Unknown) -> bool:
        """True if the pattern suits these two unknowns as well."""
        return all(
            mine is other or (mine.part is other.part and _alike(mine.space, other.space))
            for mine, other in zip(self.unknowns, (row, column), strict=True)
        )

    def matrix(self) -> Any:
        """A new matrix with all its places, zero (collective)."""
        return self._prototype.duplicate(copy=SHARED_PLACES)

    def fill(self, matrix: Any, values: Array) -> None:
        """Set the entries of a matrix from `matrix`; ranks add up theirs (collective).

        Args:
            matrix: to be filled.
            values: of each edge in the row of its lower node, of each in the row of its higher one,
                then of `nodes` on the diagonal.
        """
        matrix.setValuesCOO(values, addv=PETSc.InsertMode.INSERT_VALUES)

    def put(self, places: npt.NDArray[Any], values: Array) -> Array:
        """Sum of values at each place; those at -1 are left out."""
        there = places >= 0
        return _sums(places[there], values[there], self.size)

    def times(self, values: Array, x: Array) -> Array:
        """A matrix of these values times owned values (collective)."""
        self.fill(self._prototype, values)
        return product(self._prototype, x)

    def stiffness(self, k: Array) -> Array:
        """Values of (k grad u, grad v), for the integral of k over each cell.

        Rows sum up to zero, which gives the diagonal.
        """
        along = self._products @ k
        count = len(self.partner)
        sums = sum(_sums(end, along, count) for end in self.edges)
        return np.concatenate([along, along, -np.asarray(sums)[self.nodes]])

    def _stiff(self, slopes: Array) -> Any:
        """Products of gradients, grad N_i . grad N_j of every edge in every cell."""
        values = np.stack(
            [np.einsum("ck,ck->c", slopes[:, i], slopes[:, j]) for i, j in self.pairs], axis=1
        )
        if len(self.cells) <= MAX_CELLS_IN_NUMPY:
            return _Table(values, self.edge_of.ravel(), self.edges.shape[1])
        from scipy.sparse import csc_array

        ends = np.arange(0, values.size + 1, len(self.pairs), dtype=np.int32)
        shape = self.edges.shape[1], len(self.cells)
        return csc_array((values.ravel(), self.edge_of.ravel(), ends), shape=shape)

    def position(self, cells: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """Place among `cells` of some cells of the whole mesh, all of which both parts have."""
        if id(cells) not in self._positions:
            part = self.unknowns[0].part
            at = np.full(len(part.cells), -1, dtype=np.int32)
            at[self.cells] = np.arange(len(self.cells), dtype=np.int32)
            self._positions[id(cells)] = cells, at[part.inverse[cells]]
        return self._positions[id(cells)][1]

    def drift(self, cells: npt.NDArray[np.int32], entries: Array) -> Array:
        """Values of (b u, grad v) by the vertex rule.

        Gradients of all hat functions of a cell sum up to zero, and so do columns; that gives the
        diagonal.

        Args:
            cells: from `position`.
            entries: in the row of each corner, the columns of all other corners, and each cell.
        """
        count, nodes = self.edges.shape[1], len(self.partner)
        between = _sums(self._between(cells), entries.ravel(), 2 * count)
        low, high = self.edges
        sums = _sums(high, between[:count], nodes) + _sums(low, between[count:], nodes)
        return np.concatenate([between, -sums[self.nodes]])

    def _between(self, cells: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Places of the entries between corners of some cells, in the order of `drift`."""
        if id(cells) not in self._places:
            corners, edges = self.corners[cells].T, self.edge_of[cells].T
            count, pair = self.edges.shape[1], {both: k for k, both in enumerate(self.pairs)}
            places = [
                edges[pair[min(i, j), max(i, j)]] + count * (corners[i] > corners[j])
                for i, j in permutations(range(len(corners)), 2)
            ]
            self._places[id(cells)] = cells, np.concatenate(places).astype(np.int32)
        return self._places[id(cells)][1]

    def turned(self, values: Array) -> Array:
        """Values of a matrix with rows and columns exchanged."""
        lower, upper, diagonal = np.split(values, np.array([1, 2]) * self.edges.shape[1])
        return np.concatenate([upper, lower, diagonal])

    def find(self, rows: npt.NDArray[Any], columns: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Place of each entry of a row and a column, local nodes; -1 where there is none."""
        count, inside = len(self.partner), self.nodes
        mate = np.full(max(self.partner.max(initial=-1), columns.max(initial=-1)) + 1, -1)
        mate[self.partner[inside]] = inside
        other = mate[columns]
        keys = np.minimum(rows, other).astype(np.int64) * count + np.maximum(rows, other)
        known = self.edges[0].astype(np.int64) * count + self.edges[1]
        edge = np.searchsorted(known, keys)
        edge[edge == len(known)] = 0
        met = (other >= 0) & (known[edge] == keys) if len(known) else other < -1
        along = np.where(met, edge + self.edges.shape[1] * (rows > other), -1)
        return np.where(rows == other, self.diagonal[rows], along)


def product(matrix: Any, x: Array) -> Array:
    """Matrix times owned values (collective)."""
    right, left = matrix.createVecs()
    right.array_w[:] = x
    matrix.mult(right, left)
    y = left.array_r.copy()
    right.destroy()
    left.destroy()
    return np.asarray(y)


def gradients(x: Array) -> Array:
    """Gradients of the hat functions of simplices with these corners, (cells, corners, dim)."""
    edges = np.linalg.inv(x[:, 1:] - x[:, :1])  # columns are the gradients of all but the first
    return np.concatenate([-edges.sum(axis=2, keepdims=True), edges], axis=2).transpose(0, 2, 1)


def _sums(places: npt.NDArray[Any], values: Array, size: int) -> Array:
    """Sum of values at each of so many places; without values numpy gives integers."""
    return np.bincount(places, values, size).astype(np.float64, copy=False)


def _alike(a: Any, b: Any) -> bool:
    """Two spaces number nodes alike."""
    one, other = a.dofmap, b.dofmap
    return a.element == b.element and all(
        np.array_equal(*both) for both in (
            (one.list, other.list), (one.index_map.ghosts, other.index_map.ghosts)
        )
    )
