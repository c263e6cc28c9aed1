"""Cells in which points lie, and the weights of their corners; any rank, any submesh."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from dolfinx import geometry

from fem.compat import cell_vertices

__all__ = ["Places", "find_cells"]

#: Slack of "inside", as a share of the cell: a point on a face belongs to both sides.
INSIDE_SLACK = 1e-8


def find_cells(
    mesh: Any, points: npt.NDArray[np.float64], reach: float = 0.0
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """The owned cell that holds each point, -1 for none, and the weights of its corners.

    Args:
        mesh: of simplices with straight edges, as wide as the space it lies in.
        points: shape (n, 3).
        reach: m; a point that lies so far outside belongs to the nearest cell still.

    Returns:
        Cells (n,) and weights (n, dim + 1). No communication.
    """
    dim = mesh.topology.dim
    cells = np.full(len(points), -1, dtype=np.int32)
    weights = np.zeros((len(points), dim + 1))
    owned = mesh.topology.index_map(dim).size_local
    if not owned or not len(points):
        return cells, weights
    x, corners = mesh.geometry.x, cell_vertices(mesh)
    slack = max(1e-6 * float(np.ptp(x, axis=0).max()), reach)
    tree = geometry.bb_tree(
        mesh, dim, padding=slack, entities=np.arange(owned, dtype=np.int32)
    )
    near = geometry.compute_collisions_points(tree, points)
    for k, point in enumerate(points):
        candidates = near.links(k)
        if not len(candidates):
            continue
        vertices = x[corners[candidates]][:, :, :dim]
        edges = (vertices[:, 1:] - vertices[:, :1]).transpose(0, 2, 1)
        inner = np.linalg.solve(edges, (point[:dim] - vertices[:, 0])[..., None])[..., 0]
        shares = np.hstack([1.0 - inner.sum(axis=1, keepdims=True), inner])
        best = int(np.argmax(shares.min(axis=1)))
        if shares[best].min() >= -INSIDE_SLACK:
            cells[k] = candidates[best]
            weights[k] = np.clip(shares[best], 0.0, 1.0)
        elif reach:
            # A share falls from 1 to 0 over the height of the cell above its corner.
            slopes = np.linalg.inv(edges)
            slopes = np.concatenate([-slopes.sum(axis=1, keepdims=True), slopes], axis=1)
            outside = (-shares / np.linalg.norm(slopes, axis=2)).max(axis=1)
            best = int(np.argmin(outside))
            if outside[best] <= reach:
                cells[k] = candidates[best]
                weights[k] = np.clip(shares[best], 0.0, 1.0)
                weights[k] /= weights[k].sum()
    return cells, weights


class Places:
    """Points on a distributed mesh, each owned by one rank (collective); see `find_cells`.

    Attributes:
        found: which of the points lie in some cell, on any rank, shape (n,).
    """

    def __init__(self, mesh: Any, points: npt.NDArray[np.float64], reach: float = 0.0):
        self.comm = mesh.comm
        self.cells, self.weights = find_cells(mesh, points, reach)
        rank = np.where(self.cells >= 0, self.comm.rank, self.comm.size)
        first = np.min(self.comm.allgather(rank), axis=0)
        self.found = first < self.comm.size
        self.mine = np.flatnonzero(first == self.comm.rank)

    def values(self, function: Any) -> npt.NDArray[np.float64]:
        """A field at the points, NaN where there is no cell; of vectors the magnitude.

        It is taken as linear between the corners of a cell, as it is written. Collective.
        """
        local = np.zeros(len(self.found))
        dofs = function.function_space.dofmap.list[self.cells[self.mine]]
        dofs = dofs[:, : self.weights.shape[1]]  # those of corners come first
        nodal = function.x.array.reshape(-1, function.function_space.dofmap.index_map_bs)[dofs]
        found = np.einsum("nk,nkb->nb", self.weights[self.mine], nodal)
        local[self.mine] = found[:, 0] if found.shape[1] == 1 else np.linalg.norm(found, axis=1)
        total = np.sum(self.comm.allgather(local), axis=0)
        return np.where(self.found, total, np.nan)
