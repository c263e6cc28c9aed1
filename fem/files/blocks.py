"""Blocks of fields in files: the pores, the solids, and the reacting walls as a surface mesh."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.parallel import all_agree
from fem.compat import cell_vertices, dfem, dmesh, la
from fem.mesh.domain import Domain, Subdomain
from fem.mesh.spaces import space_on

__all__ = ["Block", "PartBlock", "WallBlock", "region_field", "wall_block"]


@dataclass
class Block:
    """Fields that share a mesh and a file.

    Attributes:
        name: file name without ending: `pore`, `solid`, `walls`.
        mesh: a mesh of simplices, or a submesh.
        fields: name -> Function on this mesh, continuous and linear (written at the nodes) or
            constant on each cell; scalar or vector. Read anew at each write.
        static: fields that never change, such as region numbers; stored once.
    """

    name: str
    mesh: Any
    fields: dict[str, Any] = field(default_factory=dict)
    static: dict[str, Any] = field(default_factory=dict)

    def refresh(self) -> None:
        """Bring the fields up to date; called before each write (collective)."""


@dataclass
class PartBlock(Block):
    """Some regions of a part, with copies of its fields.

    Attributes:
        domain: the mesh.
        part: where the fields live.
        shown: the regions that are written.
    """

    domain: Domain | None = None
    part: Subdomain | None = None
    shown: Subdomain | None = None
    _copied: dict[str, tuple[Any, npt.NDArray, npt.NDArray]] = field(default_factory=dict)

    def copy(self, name: str, source: Any) -> None:
        """Add a field of the part; each write copies its newest values (collective)."""
        assert self.domain is not None
        assert self.part is not None
        assert self.shown is not None
        element = source.function_space.ufl_element()
        family = "DG" if element.discontinuous else "Lagrange"
        space = space_on(self.mesh, (family, element.degree, source.ufl_shape))
        target = dfem.Function(space, name=name)
        if element.discontinuous:
            cells = self.part.inverse[self.shown.cells]
            there = space.dofmap.list[:, 0]
            here = source.function_space.dofmap.list[cells, 0]
        else:
            same = self.domain.same_nodes(space, self.shown, source.function_space, self.part)
            there = np.flatnonzero(same >= 0)
            here = same[there]
        self.fields[name] = target
        self._copied[name] = source, here, there

    def refresh(self) -> None:
        """Copy all fields (collective)."""
        for name, (source, here, there) in self._copied.items():
            source.x.scatter_forward()
            target, width = self.fields[name], source.function_space.dofmap.index_map_bs
            values = source.x.array.reshape(-1, width)
            target.x.array.reshape(-1, width)[there] = values[here]
            target.x.scatter_forward()


@dataclass
class WallBlock(Block):
    """The reacting walls as a surface mesh (lines in 2D), and the way onto it.

    Wall quantities are solved on a thin layer of cells (`Domain.wall_layer`); `carry` shows one of
    them on the wall itself.
    """

    parent_nodes: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    parent_vertices: Any = None
    _carried: dict[str, tuple[Any, Subdomain]] = field(default_factory=dict)
    _routes: dict[int, tuple[Any, npt.NDArray, npt.NDArray, npt.NDArray]] = field(
        default_factory=dict
    )

    def function(self, name: str = "") -> Any:
        """A new linear field on the walls, zero everywhere."""
        return dfem.Function(space_on(self.mesh, ("Lagrange", 1)), name=name or "wall_field")

    def carry(self, name: str, source: Any, part: Subdomain) -> None:
        """Add a linear scalar field to this block; each write transfers its newest values.

        Args:
            name: of the field.
            source: Function on `part`; its ghost values are brought up to date.
            part: where it lives, any submesh that has all wall nodes.
        """
        self.fields[name] = self.function(name)
        self._carried[name] = (source, part)

    def refresh(self) -> None:
        """Transfer all carried fields (collective).

        Raises:
            RunError: a part does not reach some wall nodes.
        """
        for name, (source, part) in self._carried.items():
            target = self.fields[name]
            if id(part) not in self._routes:
                self._routes[id(part)] = (part, *self._route(part, source.function_space))
            _, to, origin, weight = self._routes[id(part)]
            source.x.scatter_forward()
            target.x.array[:] = 0.0
            target.x.array[to] = weight * source.x.array[origin]
            target.x.scatter_reverse(la.InsertMode.add)
            target.x.scatter_forward()

    def _route(self, part: Subdomain, space: Any) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
        """(wall dof, dof of the part, weight): who contributes what to which wall node.

        The owner of a wall node may not have the part's cell beside it (it may only see the
        solid's side); then the ranks that have it share the work in equal weights.
        """
        vertices = self.parent_vertices[part.cells]
        dof_at = np.full(int(self.parent_vertices.max(initial=-1)) + 1, -1, dtype=np.int32)
        dof_at[vertices.ravel()] = space.dofmap.list[: len(vertices)].ravel()
        node_of = _node_of_dof(self.function())
        origin = dof_at[self.parent_nodes[node_of]]
        to = np.flatnonzero(origin >= 0)

        share = self.function()
        owned = share.function_space.dofmap.index_map.size_local
        share.x.array[to] = 1.0
        share.x.array[owned:] = 0.0
        share.x.scatter_forward()
        owner_has_it = share.x.array > 0.5
        share.x.array[:] = 0.0
        share.x.array[to] = 1.0
        share.x.scatter_reverse(la.InsertMode.add)
        share.x.scatter_forward()
        missing = int(np.count_nonzero(share.x.array[:owned] < 0.5))
        problem = f"{missing} wall nodes do not touch the part that the field lives on"
        all_agree(self.mesh.comm, problem if missing else None)
        weight = 1.0 / share.x.array
        weight[owner_has_it] = 1.0
        weight[owned:][owner_has_it[owned:]] = 0.0
        return to, origin[to], weight[to]


def wall_block(
    domain: Domain, walls: Iterable[tuple[str, str]], faces: Iterable[tuple[str, str]]
) -> WallBlock:
    """Surface mesh of walls and boundary faces, the block `walls` (collective).

    Args:
        domain: the mesh.
        walls: (solid, electrolyte) pairs as in `Domain.walls`.
        faces: (boundary, region) pairs as in `Domain.faces`.
    """
    fdim, tdim = domain.dim - 1, domain.dim
    topology = domain.mesh.topology
    index_map = topology.index_map(fdim)
    cell_facets = topology.connectivity(tdim, fdim)
    table = cell_facets.array.reshape(-1, tdim + 1)
    mark = la.vector(index_map, 1, dtype=np.float64)
    cells, local = domain.facets(walls, faces).T
    mark.array[table[cells, local]] = 1.0
    mark.scatter_forward()  # ranks must agree on their ghost facets too
    facets = np.flatnonzero(mark.array > 0.5).astype(np.int32)
    mesh, _, _, nodes = dmesh.create_submesh(domain.mesh, fdim, facets)
    block = WallBlock("walls", mesh)
    block.parent_nodes = np.asarray(nodes, dtype=np.int32)
    block.parent_vertices = cell_vertices(domain.mesh)
    return block


def region_field(domain: Domain, part: Subdomain | None = None) -> Any:
    """Region number of every cell, for `Block.static`; of the whole mesh without a part."""
    mesh = domain.mesh if part is None else part.mesh
    function = dfem.Function(space_on(mesh, ("DG", 0)), name="region")
    tags = domain.cell_tag_array if part is None else domain.cell_tag_array[part.cells]
    cells = function.function_space.dofmap.list[: len(tags)].ravel()
    function.x.array[cells] = tags
    return function


def _node_of_dof(function: Any) -> npt.NDArray[np.int32]:
    """Geometry node of every local degree of freedom of a linear field."""
    space = function.function_space
    index_map = space.dofmap.index_map
    out = np.full(index_map.size_local + index_map.num_ghosts, -1, dtype=np.int32)
    nodes = cell_vertices(space.mesh)
    out[space.dofmap.list[: len(nodes)].ravel()] = nodes.ravel()
    return out
