"""Shares of the cells for ranks: columns through all layers, where that is possible.

Not every cell has all unknowns: a separator has no phi_s, a fibre no salt, and only pores have
metal. A graph partitioner gives each rank as many cells as any other, but the separator to one and
the host to another; the ranks then wait for each other field by field. Layers lie across the
thickness, so columns along it have the same share of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import adjacency

__all__ = ["column_of", "destinations", "in_columns"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

#: Most cells that are shared out so: every rank looks at all of them.
MOST = 4_000_000
#: A column is at least so many cells wide; between narrower ones more would be shared than is won.
WIDE = 10.0


def in_columns(comm: Any, cells: npt.NDArray[Any], points: Array, up: int) -> Any:
    """Rank of every cell of the mesh, the same on all ranks; None if columns would be too narrow.

    Args:
        comm: the ranks.
        cells: points of the cells that this rank has read, by their global numbers.
        points: those that it has read.
        up: axis of the thickness.
    """
    if comm.size == 1 or comm.allreduce(len(cells)) > MOST:
        return None
    everywhere = np.concatenate(comm.allgather(points))
    middles = np.concatenate(comm.allgather(everywhere[cells].mean(axis=1)))
    return column_of(middles, comm.size, up)


def column_of(middles: Array, count: int, up: int) -> Any:
    """Number of the column that each cell is in, as many cells in each; None if too narrow.

    The longer side is halved again and again, so columns are as square as may be.

    Args:
        middles: of all cells, (cells, dimension).
        count: of columns.
        up: axis along which they stand.
    """
    dim = middles.shape[1]
    lateral = [k for k in range(dim) if k != up]
    out = np.zeros(len(middles), dtype=np.int32)
    size = float(np.prod(np.ptp(middles, axis=0)) / len(middles)) ** (1 / dim)
    parts = [(np.arange(len(middles)), 0, count)]
    while parts:
        here, first, number = parts.pop()
        out[here] = first
        extent = np.ptp(middles[here][:, lateral], axis=0)
        if extent.min(initial=np.inf) < WIDE * size:
            return None
        if number > 1:
            axis = lateral[int(extent.argmax())]
            # Cells side by side at the same place are cut along the thickness, not at random.
            order = here[np.lexsort((middles[here, up], middles[here, axis]))]
            less = number // 2
            cut = len(here) * less // number
            parts += [(order[:cut], first, less), (order[cut:], first + less, number - less)]
    return out


def destinations(comm: Any, rank_of: Ints) -> Callable[..., Any]:
    """A graph partitioner, as DOLFINx calls it, that puts cells where they are to be.

    Args:
        comm: the ranks.
        rank_of: each cell's, in the order of the file.

    Returns:
        What gives the ranks of each cell of a graph: its owner, then those of its neighbours.
    """

    def share(_: Any, _count: int, graph: Any, _ghosts: bool) -> Any:
        offsets = np.asarray(graph.offsets)
        number = len(offsets) - 1
        first = comm.exscan(number) or 0
        owner = rank_of[first : first + number]
        cell = np.repeat(np.arange(number), np.diff(offsets))
        other = rank_of[np.asarray(graph.array)]
        away = other != owner[cell]
        ghosts = np.unique(np.stack([cell[away], other[away]]), axis=1)
        cells = np.concatenate([np.arange(number), ghosts[0]])
        ranks = np.concatenate([owner, ghosts[1]])
        order = np.argsort(cells, kind="stable")  # the owner of each first
        counts = np.bincount(cells, minlength=number)
        return adjacency(ranks[order].astype(np.int32), np.append(0, np.cumsum(counts)))

    return share
