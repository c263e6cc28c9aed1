"""Films between a solid and its surroundings: flux in proportion to the jump of the potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import cell_vertices
from fem.mesh.domain import Domain
from fem.system.unknown import Unknown

__all__ = ["Film", "shares"]

Array = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.int32]


@dataclass
class Film:
    """Flux g A (phi_below - phi_outside) at the nodes of a wall; a `fem.system.nodal.Reaction`.

    As a reaction it is the difference of two numbers at a node, and what leaves one side enters
    the other to the last bit. Within a matrix it would drown beside what a metal conducts.

    Attributes:
        name: `solid/other`.
        below, outside: potentials of the two sides.
        nodes: of both, for each corner of each facet.
        conductance: g A there, flux per volt.
    """

    name: str
    below: Unknown
    outside: Unknown
    nodes: dict[str, Nodes]
    conductance: Array

    drives = False
    linear = True

    @classmethod
    def of(
        cls, domain: Domain, wall: tuple[str, str], below: Unknown, outside: Unknown, g: Any
    ) -> Film:
        """The film on a wall.

        Args:
            domain: the mesh.
            wall: the two regions, as `domain.walls` has them.
            below: potential of the solid under the film, one of the two regions.
            outside: that of the other.
            g: what the film passes by area; or from the cells of both sides, one number a facet.
        """
        plus_is_below = wall[0] in below.part.regions
        corners, nodes, cells = [], {}, []
        for side, unknown in (("+" if plus_is_below else "-", below),
                              ("-" if plus_is_below else "+", outside)):
            cell, local = domain.facets(walls=[wall], side=side).T
            vertices, area = shares(domain, cell, local)
            order = np.argsort(vertices, axis=1)  # both sides name the corners in one order
            beside = np.arange(domain.dim + 1) != local[:, None]
            dofs = unknown.space.dofmap.list[unknown.part.inverse[cell]][beside]
            nodes[unknown.name] = np.take_along_axis(
                dofs.reshape(-1, domain.dim), order, axis=1).ravel().astype(np.int32)
            corners.append(np.take_along_axis(area, order, axis=1))
            cells.append(cell)
        per_area = g(*cells) if callable(g) else np.full(len(cells[0]), float(g))
        solid, other = wall if plus_is_below else wall[::-1]
        return cls(f"{solid}/{other}", below, outside, nodes, (corners[0].T * per_area).T.ravel())

    @property
    def rows(self) -> tuple[str, ...]:
        """Both potentials."""
        return self.below.name, self.outside.name

    columns = rows

    def flow(self) -> Array:
        """Flux out of the solid at each corner, A; this rank's share."""
        phi = [u.value.x.array[self.nodes[u.name]] for u in (self.below, self.outside)]
        return np.asarray(self.conductance * (phi[0] - phi[1]))

    def currents(self) -> dict[str, Array]:
        """Currents out of each row, A."""
        flow = self.flow()
        return {self.below.name: flow, self.outside.name: -flow}

    def slopes(self) -> dict[tuple[str, str], Array]:
        """Derivatives of `currents` by both potentials, A/V."""
        a, b, g = self.below.name, self.outside.name, self.conductance
        return {(a, a): g, (a, b): -g, (b, a): -g, (b, b): g}


def shares(domain: Domain, cells: Nodes, local: Nodes) -> tuple[Nodes, Array]:
    """Corners of facets, as geometry nodes, and the share of the area around each, (n, dim).

    Around an axis the share is the integral of 2 pi r times the corner's hat function.
    """
    mesh, dim = domain.mesh, domain.dim
    beside = np.arange(dim + 1) != local[:, None]
    vertices = cell_vertices(mesh)[cells][beside].reshape(-1, dim)
    x = mesh.geometry.x[vertices]
    edges = x[:, 1:] - x[:, :1]
    if dim == 2:
        length = np.linalg.norm(edges[:, 0], axis=1)[:, None]
        if not domain.axisymmetric:
            return vertices, np.repeat(length / 2, 2, axis=1)
        r = x[:, :, 0]
        return vertices, 2 * np.pi * length * (2 * r + r[:, ::-1]) / 6
    area = 0.5 * np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    return vertices, np.repeat(area[:, None] / 3, 3, axis=1)
