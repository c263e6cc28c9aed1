"""Facets between regions and on boundaries, as cells and their local facets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Pair", "between", "outer", "outside"]

Ints = npt.NDArray[np.int32]
#: Two regions, or a boundary and the region that it bounds.
Pair = tuple[str, str]


def between(mesh: Any, tags: Ints, regions: Mapping[str, int]) -> dict[Pair, Ints]:
    """Local facets of each wall between two regions (collective).

    Args:
        mesh: the mesh.
        tags: region number of every local cell.
        regions: name -> number; of two that touch, the one named first is on the + side.

    Returns:
        Cell and its local facet on the + side, cell and local facet on the - side, facet.
    """
    rank = np.zeros(max(regions.values()) + 1, dtype=int)
    rank[[*regions.values()]] = np.arange(len(regions))
    facets = _two_sided(mesh)
    plus, minus = tags[facets[:, 0]], tags[facets[:, 2]]
    differ = plus != minus
    facets, plus, minus = facets[differ], plus[differ], minus[differ]
    swap = rank[plus] > rank[minus]
    facets[swap, :4] = facets[swap][:, [2, 3, 0, 1]]
    plus, minus = np.where(swap, minus, plus), np.where(swap, plus, minus)
    found = mesh.comm.allgather({*zip(plus.tolist(), minus.tolist(), strict=True)})
    name = {tag: name for name, tag in regions.items()}
    return {(name[p], name[m]): facets[(plus == p) & (minus == m)]
            for p, m in sorted(set().union(*found))}


def outside(
    mesh: Any, tags: Ints, regions: Mapping[str, int], marked: Mapping[str, Ints]
) -> dict[Pair, Ints]:
    """Owned facets of each boundary along each region that it bounds (collective).

    Args:
        mesh: the mesh.
        tags: region number of every local cell.
        regions: name -> number.
        marked: boundary -> its local facets.

    Returns:
        Cell and its local facet.
    """
    owned = mesh.topology.index_map(mesh.topology.dim - 1).size_local
    groups: dict[Pair, Ints] = {}
    for name, facets in marked.items():
        found = outer(mesh, facets[facets < owned])
        beside = tags[found[:, 0]]
        groups |= {(name, region): here for region, number in regions.items()
                   if len(here := found[beside == number])}
    none = np.empty((0, 2), dtype=np.int32)
    keys = sorted(set().union(*mesh.comm.allgather(set(groups))))
    return {key: groups.get(key, none) for key in keys}


def outer(mesh: Any, facets: Ints) -> Ints:
    """Cell on each of some outer facets, and the facet's local number there, (n, 2)."""
    topology, dim = mesh.topology, mesh.topology.dim
    to_cells = topology.connectivity(dim - 1, dim)
    cells = to_cells.array[to_cells.offsets[facets]]
    return np.stack([cells, _local(topology, cells, facets)], axis=1).astype(np.int32)


def _two_sided(mesh: Any) -> Ints:
    """All local facets between two cells: cell, local facet, cell, local facet, facet."""
    topology, dim = mesh.topology, mesh.topology.dim
    topology.create_connectivity(dim - 1, dim)
    topology.create_connectivity(dim, dim - 1)
    to_cells = topology.connectivity(dim - 1, dim)
    facets = np.flatnonzero(np.diff(to_cells.offsets) == 2)
    first, second = (to_cells.array[to_cells.offsets[facets] + k] for k in (0, 1))
    local = [_local(topology, cells, facets) for cells in (first, second)]
    return np.stack([first, local[0], second, local[1], facets], axis=1).astype(np.int32)


def _local(topology: Any, cells: Ints, facets: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Local number of each facet in the cell beside it."""
    of_cells = topology.connectivity(topology.dim, topology.dim - 1).array
    found = of_cells.reshape(-1, topology.dim + 1)[cells] == facets[:, None]
    return np.asarray(np.argmax(found, axis=1))
