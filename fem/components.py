"""Connected parts of a mesh: which cells hang together, across all ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .compat import cell_vertices

__all__ = ["components"]


def components(mesh: Any, on: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], int]:
    """Label the parts that marked cells form; cells that share a vertex belong together.

    Args:
        mesh: whose cells are meant.
        on: mark of every local cell, owned and ghost.

    Returns:
        Label of every local cell (-1 where not marked), the same on all ranks and numbered from 0
        in the order of the mesh's global vertex numbers, and how many there are. Collective.
    """
    comm, nodes = mesh.comm, mesh.geometry.index_map()
    corners = cell_vertices(mesh)[on]
    count = nodes.size_local + nodes.num_ghosts
    first = np.repeat(corners[:, 0], corners.shape[1] - 1)
    edges = coo_array((np.ones(len(first)), (first, corners[:, 1:].ravel())), shape=(count, count))
    n_local, part = connected_components(edges, directed=False)
    touched = np.zeros(count, dtype=bool)
    touched[corners] = True

    # A part is named by the smallest global vertex in it; parts that share a vertex are one.
    ids = nodes.local_to_global(np.arange(count, dtype=np.int32))
    name = np.full(n_local, np.iinfo(np.int64).max)
    np.minimum.at(name, part[touched], ids[touched])
    ghosts = np.arange(nodes.size_local, count)
    ghosts = ghosts[touched[ghosts]]
    asked = comm.allgather(np.stack([ids[ghosts], name[part[ghosts]]], axis=1))
    low, high = nodes.local_range
    links = []
    for pairs in asked:
        mine = pairs[(pairs[:, 0] >= low) & (pairs[:, 0] < high)]
        local = (mine[:, 0] - low).astype(np.int64)
        here = touched[local]
        links.append(np.stack([name[part[local[here]]], mine[here, 1]], axis=1))
    links_of_all = np.concatenate(comm.allgather(np.concatenate(links))).reshape(-1, 2)
    names = np.unique(np.concatenate(comm.allgather(np.unique(name[part[touched]]))))
    a, b = (np.searchsorted(names, column) for column in links_of_all.T)
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(len(names), len(names)))
    total, whole = connected_components(graph, directed=False)
    out = np.full(len(on), -1, dtype=np.int64)
    if len(corners):
        out[on] = whole[np.searchsorted(names, name[part[corners[:, 0]]])]
    return out, int(total)
