"""Connected parts of a mesh, and what nodes and edges say of them, across all ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import PETSc, cell_vertices, la

__all__ = [
    "across", "components", "distinct", "edges", "highest", "linked", "nodal_components", "shared",
    "united",
]

Ints = npt.NDArray[np.int64]

#: Name of what is in no part.
NAMELESS = np.iinfo(np.int64).max


def components(mesh: Any, on: npt.NDArray[np.bool_]) -> tuple[Ints, int]:
    """Label the parts that marked cells form; cells that share a vertex belong together.

    Args:
        mesh: whose cells are meant.
        on: mark of every local cell, owned and ghost.

    Returns:
        Label of every local cell (-1 where not marked), the same on all ranks and numbered from 0
        in the order of the mesh's global vertex numbers, and how many there are. Collective.
    """
    part, total = nodal_components(mesh, on)
    return np.where(on, part[cell_vertices(mesh)[:, 0]], -1), total


def nodal_components(mesh: Any, on: npt.NDArray[np.bool_]) -> tuple[Ints, int]:
    """Label the nodes of the parts that marked cells form, see `components` (collective).

    Args:
        mesh: whose cells are meant.
        on: mark of every local cell, owned and ghost.

    Returns:
        Label of every local node of the geometry (-1 where no marked cell of this rank is), and
        how many parts there are.
    """
    nodes = mesh.geometry.index_map()
    corners = cell_vertices(mesh)[on]
    touched = np.zeros(nodes.size_local + nodes.num_ghosts, dtype=bool)
    touched[corners] = True
    first = np.repeat(corners[:, 0], corners.shape[1] - 1)
    part, total, _ = united(mesh.comm, nodes, touched, (first, corners[:, 1:].ravel()))
    return part, total


def united(
    comm: Any, nodes: Any, on: npt.NDArray[np.bool_], links: Any, *,
    kin: Ints | None = None, families: int = 0, ids: Ints | None = None,
) -> tuple[Ints, int, Ints]:
    """Label the parts of a graph whose nodes the ranks share (collective).

    Args:
        comm: the ranks.
        nodes: index map of the nodes.
        on: which local nodes, owned and ghost, are in the graph; the same on all ranks.
        links: two arrays of local nodes; every link has to be known to one rank only.
        kin: family of every local node, -1 without; a family belongs together. None: no families.
        families: how many there are.
        ids: a number of every local node, the same on all ranks; default the global one. Parts are
            numbered in the order of the smallest number in them, those of families first.

    Returns:
        Label of every local node (-1 where it is not in the graph), how many parts there are, and
        the label of every family (-1 if it has no node).
    """
    count = nodes.size_local + nodes.num_ghosts
    everywhere = nodes.local_to_global(np.arange(count, dtype=np.int32))
    ids = everywhere if ids is None else ids
    here = np.flatnonzero(on)
    place = np.full(count, -1)
    place[here] = np.arange(len(here))
    rows, columns = place[links[0]], place[links[1]]
    if kin is not None:
        member = np.flatnonzero(on & (kin >= 0))
        rows = np.concatenate([rows, place[member]])
        columns = np.concatenate([columns, len(here) + kin[member]])
    size = len(here) + families
    n_local, part = linked(size, rows, columns)

    # A part is named by its smallest number, a family k by k - families, below 0. Parts with a
    # node or a family in common are one.
    name = np.full(n_local, NAMELESS)
    np.minimum.at(name, part[: len(here)], ids[here])
    bonds = []
    if comm.size == 1:  # nothing is shared, and families are in the graph
        if kin is not None:
            np.minimum.at(name, part[len(here) + kin[member]], kin[member] - families)
        rank = np.empty(n_local, dtype=np.int64)
        rank[np.argsort(name)] = np.arange(n_local)
        rank[name == NAMELESS] = -1  # families without a node
        label = np.full(count, -1, dtype=np.int64)
        label[here] = rank[part[: len(here)]]
        return label, int(rank.max(initial=-1)) + 1, rank[part[len(here):]]
    if kin is not None:
        present = np.unique(kin[member])
        bonds.append(np.stack([name[part[len(here) + present]], present - families], axis=1))
    named = np.full(count, NAMELESS)
    named[here] = name[part[: len(here)]]
    bonds.append(shared(nodes, named))
    own = np.concatenate(bonds).reshape(-1, 2)
    known_names = np.unique(np.concatenate([name[part[: len(here)]], own.ravel()]))
    gathered = comm.allgather((own, known_names))
    every = np.concatenate([bond for bond, _ in gathered])
    names = np.unique(np.concatenate([each for _, each in gathered]))
    a, b = (np.searchsorted(names, column) for column in every.T)
    total, whole = linked(len(names), a, b)
    label = np.full(count, -1, dtype=np.int64)
    label[here] = whole[np.searchsorted(names, name[part[: len(here)]])]
    family = np.full(families, -1, dtype=np.int64)
    there = names[names < 0]
    family[there + families] = whole[: len(there)]
    return label, int(total), family


def shared(nodes: Any, named: Ints) -> Ints:
    """Find which parts of this rank and of its neighbours are one: they have a node in common.

    Neighbours exchange one name for each node that they share; what is left, a few pairs of parts,
    may then go to all ranks. Collective.

    Args:
        nodes: index map of the nodes.
        named: name of the part of each local node, ghosts last; `NAMELESS` where it is in none.

    Returns:
        This rank's name and the owner's, each pair once, (pairs, 2).
    """
    theirs = la.vector(nodes, dtype=np.int64)
    theirs.array[:] = named
    theirs.scatter_forward()
    n = nodes.size_local
    pairs = np.stack([named[n:], theirs.array[n:]], axis=1)
    return np.unique(pairs[(pairs != NAMELESS).all(axis=1)], axis=0)


def linked(count: int, rows: Ints, columns: Ints) -> tuple[int, Ints]:
    """Label the parts of a graph on this rank, in the order of their first nodes.

    Args:
        count: of nodes.
        rows: one node of every link.
        columns: the other one.

    Returns:
        How many parts there are, and the label of every node.
    """
    root = np.arange(count)  # of every node: one of its part with no larger number
    while True:
        rows, columns = root[rows], root[columns]
        apart = rows != columns
        if not apart.any():
            break
        rows, columns = rows[apart], columns[apart]
        np.minimum.at(root, np.maximum(rows, columns), np.minimum(rows, columns))
        while ((upper := root[root]) != root).any():
            root = upper
    first = root == np.arange(count)
    return int(first.sum()), (np.cumsum(first) - 1)[root]


def edges(cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Edges of simplices, each once: pairs of their corners, (2, n).

    Args:
        cells: corners of each, (m, dim + 1).
    """
    corners = range(cells.shape[1])
    pairs = [(cells[:, a], cells[:, b]) for a in corners for b in range(a)]
    low = np.concatenate([np.minimum(*pair) for pair in pairs])
    high = np.concatenate([np.maximum(*pair) for pair in pairs])
    size = int(high.max(initial=0)) + 1
    keys = distinct(low.astype(np.int64) * size + high)  # far faster than sorting pairs
    return np.stack(np.divmod(keys, size)).astype(cells.dtype)


def across(cells: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Corners that face each other across a facet of two simplices, (2, n); its own, (dim, n).

    None in 1D, where the way from one to the other leads through the facet.

    Args:
        cells: corners of each, (m, dim + 1).
    """
    size = cells.shape[1]
    if size == 2:
        return np.empty((2, 0), dtype=cells.dtype), np.empty((1, 0), dtype=cells.dtype)
    facets = np.concatenate([np.delete(cells, k, axis=1) for k in range(size)])
    apex = cells.T.ravel()
    facets.sort(axis=1)
    order = np.lexsort(facets.T)
    facets, apex = facets[order], apex[order]
    first = np.flatnonzero((facets[1:] == facets[:-1]).all(axis=1))
    return np.stack([apex[first], apex[first + 1]]), facets[first].T.copy()


def distinct(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sorted whole numbers, not below 0, each once.

    As `np.unique`, whose table of hashes costs several times as much where there are millions.
    """
    keys = np.sort(keys)
    return keys[np.diff(keys, prepend=-1) > 0]


def highest(work: Any, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The highest value that any rank has at a node, everywhere (collective).

    Args:
        work: a function whose nodes are meant; it is overwritten.
        values: at this rank's nodes, ghosts last.
    """
    work.x.array[:] = values
    work.x.petsc_vec.ghostUpdate(PETSc.InsertMode.MAX, PETSc.ScatterMode.REVERSE)
    work.x.scatter_forward()
    return np.asarray(work.x.array.copy())
