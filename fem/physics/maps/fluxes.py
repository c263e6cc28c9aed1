"""Flows through walls between regions, from the residuals of the discrete balance."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.compat import MPI, la, owned_size
from fem.physics.maps.films import shares
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["WallFluxes"]

Array = npt.NDArray[np.float64]


class WallFluxes:
    """Flux from one region into another, through each wall between regions of one potential.

    The rows of a potential, summed over the cells of one region only, are at each node of its
    surface what leaves the region there; inside it they vanish. A node where several walls of the
    region meet gives each its share by area. So what leaves a region through all its walls and
    driven boundaries adds up to what enters it, to round-off. Of the two regions at a wall the
    second is taken, which is not the solid: what a good conductor carries drowns in round-off.

    Args:
        s: with the potential.
        phi: the potential.
        coefficient: s of the map, a field constant on each cell of the whole mesh.
        charge: fixed, the same, or None.
        open_to: boundaries through which something may flow.
    """

    def __init__(
        self, s: System, phi: Unknown, coefficient: Any, charge: Any, open_to: list[str]
    ):
        self.s, self.phi = s, phi
        domain, regions = s.domain, phi.part.regions
        self.walls = [w for w in domain.walls if {*w} <= {*regions}]
        self.faces = [f for f in domain.faces if f[0] in open_to and f[1] in regions]
        if not self.walls:
            return
        self.marker = domain.field({}, "marker")
        form = coefficient * ufl.inner(ufl.grad(phi.value), ufl.grad(phi.test))
        if charge is not None:
            form -= charge * phi.test
        self.form = s.form(self.marker * form * domain.weight * domain.dx(regions))

    def __call__(self) -> dict[str, dict[str, float]]:
        """`solid/other` -> what enters the first region there, and what leaves it (collective)."""
        domain = self.s.domain
        out: dict[str, dict[str, float]] = {}
        for beside in dict.fromkeys(wall[1] for wall in self.walls):
            self.marker.x.array[:] = domain.in_regions([beside])
            leaves = -self.s.nodal(self.form)  # rows are what must be supplied from outside
            mine = [w for w in domain.walls if beside in w]
            areas = {w: self._areas(walls=[w], side="+" if w[0] == beside else "-") for w in mine}
            edges = [f for f in self.faces if f[1] == beside]
            total = sum(areas.values()) + self._areas(faces=edges)
            for wall in mine:
                if wall in self.walls and wall[1] == beside:
                    flow = leaves * areas[wall] / np.where(total > 0.0, total, 1.0)
                    local = np.array([flow[flow > 0.0].sum(), -flow[flow < 0.0].sum()])
                    into, away = domain.comm.allreduce(local, op=MPI.SUM)
                    out["/".join(wall)] = {"in": float(into), "out": float(away)}
        return out

    def _areas(self, walls: Any = (), faces: Any = (), side: str = "-") -> Array:
        """Area of facets around each owned node of the potential (collective)."""
        space, part, domain = self.phi.space, self.phi.part, self.s.domain
        vector = la.vector(space.dofmap.index_map)
        cells, local = domain.facets(walls, faces, side).T
        _, area = shares(domain, cells, local)
        own = part.inverse[cells]
        there = own >= 0
        beside = np.arange(domain.dim + 1) != local[there][:, None]
        dofs = space.dofmap.list[own[there]][beside].reshape(-1, domain.dim)
        np.add.at(vector.array, dofs, area[there])
        vector.scatter_reverse(la.InsertMode.add)
        return vector.array[: owned_size(space)].copy()
