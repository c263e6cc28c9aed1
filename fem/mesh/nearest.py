"""Crossings of edges with a contour, and distances between points of all ranks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fem.compat import MPI

__all__ = ["crossings", "nearest"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def nearest(comm: MPI.Comm, points: Array, others: Array, limit: float) -> Array:
    """Distance of each of this rank's points to the nearest of all ranks' others (collective).

    Points travel, others stay: ask for few points.

    Args:
        comm: the ranks.
        points: of this rank, (n, 3), m.
        others: of this rank, (k, 3), m.
        limit: what is farther away counts as infinitely far, m.

    Returns:
        Distances, (n,), m; the same on any number of ranks.
    """
    everyone = comm.allgather(points)
    asked = np.concatenate(everyone)
    away = np.full(len(asked), np.inf)
    if len(others) and len(asked):
        from scipy.spatial import cKDTree  # slow to load; few runs need it

        away, _ = cKDTree(others).query(asked, distance_upper_bound=limit)
    comm.Allreduce(MPI.IN_PLACE, away, op=MPI.MIN)
    first = sum(len(before) for before in everyone[: comm.rank])
    return np.asarray(away[first : first + len(points)])


def crossings(points: Array, edges: Ints, psi: Array) -> tuple[Array, Ints]:
    """Crossings of this rank's edges with the contour psi = 0, linear in psi.

    A node that lies on the contour to round-off moves them by no more than that.

    Args:
        points: of the nodes, (n, 3), m.
        edges: pairs of nodes, (2, m).
        psi: at the nodes.

    Returns:
        The places, (k, 3), m, and the node on the side psi < 0 of each.
    """
    i, j = edges
    across = (psi[i] < 0.0) != (psi[j] < 0.0)
    i, j = i[across], j[across]
    low, high = np.where(psi[i] < 0.0, (i, j), (j, i))
    share = psi[low] / (psi[low] - psi[high])
    return np.asarray(points[low] + share[:, None] * (points[high] - points[low])), low
