"""A mesh that is torn along some of its walls, so that fields on it may jump there.

Cells are those of the whole mesh, on the same ranks and with the same ghosts; nodes on torn walls
are doubled, one for each side. At an edge of torn walls, or where regions still touch each other
past a third one, sides are joined: a node has one copy for each group of regions around it that
walls which are not torn hold together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import basix.ufl
import numpy as np
import numpy.typing as npt

from fem.compat import adjacency, cell_vertices, dmesh, parent_cells
from fem.mesh.domain import Subdomain

if TYPE_CHECKING:
    from fem.mesh.domain import Domain

__all__ = ["torn"]

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


def torn(domain: Domain, walls: Iterable[tuple[str, str]]) -> Subdomain:
    """The whole mesh, torn along walls (collective).

    Args:
        domain: the mesh.
        walls: of it, at least one.
    """
    mesh, dim = domain.mesh, domain.dim
    cells = mesh.topology.index_map(dim)
    numbers, copied = _numbered(domain, [*walls])
    points = _shared_out(domain, copied)
    kind = {1: "interval", 2: "triangle", 3: "tetrahedron"}[dim]
    element = basix.ufl.element("Lagrange", kind, 1, shape=(points.shape[1],))
    there = _ranks(domain)
    made = dmesh.create_mesh(
        mesh.comm, numbers[: cells.size_local], element, points, lambda *_: there
    )
    made.topology.create_connectivity(dim - 1, dim)
    origin = cells.global_to_local(np.asarray(made.topology.original_cell_index, dtype=np.int64))
    back = dmesh.entity_map(mesh.topology, made.topology, dim, np.asarray(origin, dtype=np.int32))
    own = parent_cells(back, made)
    nodes = np.empty(len(made.geometry.x), dtype=np.int32)
    nodes[cell_vertices(made)] = cell_vertices(mesh)[own]
    return Subdomain(
        tuple(domain.regions), made, back, own, nodes, len(domain.cell_tag_array),
        np.asarray(made.geometry.input_global_indices, dtype=np.int64),
    )


def _numbered(domain: Domain, walls: list[tuple[str, str]]) -> tuple[Numbers, Numbers]:
    """Numbers of the nodes of every local cell, (cells, corners), and what new ones are copies of.

    Nodes have their numbers in the mesh file; copies follow, in an order that no rank decides.
    """
    mesh, comm = domain.mesh, domain.comm
    corners, tags = cell_vertices(mesh), domain.cell_tag_array.astype(np.int64)
    numbers = np.asarray(mesh.geometry.input_global_indices, dtype=np.int64)[corners]
    count = mesh.geometry.index_map().size_global

    def on(wall: tuple[str, str]) -> Numbers:
        cell, local = domain.facets([wall]).T
        return numbers[cell][np.arange(domain.dim + 1) != local[:, None]]

    cut = np.unique(np.concatenate(comm.allgather(np.concatenate([on(wall) for wall in walls]))))
    # At each node of these walls: its regions, and which of them other walls hold together.
    owned = mesh.topology.index_map(domain.dim).size_local
    at = np.isin(numbers[:owned], cut)
    around = np.repeat(tags[:owned], at.sum(axis=1))
    joined = [np.stack([numbers[:owned][at], around, around], axis=1)]
    for wall in (wall for wall in domain.walls if wall not in walls):
        nodes = on(wall)
        nodes = nodes[np.isin(nodes, cut)]
        ends = (np.full(len(nodes), domain.regions[name]) for name in wall)
        joined.append(np.stack([nodes, *ends], axis=1))
    links = np.unique(np.concatenate(comm.allgather(np.concatenate(joined))), axis=0)
    base = int(tags.max(initial=0)) + 1
    base = max(comm.allgather(base))
    keys, first = np.unique(links[:, 0] * base + links[:, 1], return_inverse=True)
    second = np.searchsorted(keys, links[:, 0] * base + links[:, 2])
    group = keys % base  # of each node in each region: the lowest number of a region in its group
    before = np.empty(0, dtype=np.int64)
    while not np.array_equal(group, before):
        before = group.copy()
        lower = np.minimum(group[first], group[second])
        np.minimum.at(group, first, lower)
        np.minimum.at(group, second, lower)
    node = keys // base
    lowest = np.full(count, base, dtype=np.int64)
    np.minimum.at(lowest, node, group)
    copies = np.unique(np.stack([node, group], axis=1)[group > lowest[node]], axis=0)
    at = np.isin(numbers, cut)
    place = np.searchsorted(keys, numbers[at] * base + np.repeat(tags, at.sum(axis=1)))
    mine = np.stack([node[place], group[place]], axis=1)
    new = mine[:, 1] > lowest[mine[:, 0]]
    order = np.searchsorted(copies @ [base, 1], mine[new] @ [base, 1])
    found = numbers[at]
    found[new] = count + order
    numbers[at] = found
    return numbers, copies[:, 0]


def _shared_out(domain: Domain, copied: Numbers) -> Array:
    """Points of the torn mesh, m: this rank's share of all of them in the order of their numbers.

    Args:
        domain: the mesh.
        copied: node of it behind each that is new.
    """
    geometry, comm = domain.mesh.geometry, domain.comm
    count = geometry.index_map().size_global
    points = np.empty((count + len(copied), geometry.dim))
    mine = geometry.index_map().size_local
    own = np.asarray(geometry.input_global_indices[:mine], dtype=np.int64)
    for numbers, x in comm.allgather((own, geometry.x[:mine, : geometry.dim])):
        points[numbers] = x
    points[count:] = points[copied]
    low, high = (len(points) * rank // comm.size for rank in (comm.rank, comm.rank + 1))
    return points[low:high]


def _ranks(domain: Domain) -> Any:
    """Ranks that have each owned cell, as DOLFINx's partitioners give them: the owner first."""
    cells, comm = domain.mesh.topology.index_map(domain.dim), domain.comm
    ghosts, owners = np.asarray(cells.ghosts), np.asarray(cells.owners)
    wanted = comm.alltoall([ghosts[owners == rank] for rank in range(comm.size)])
    cell = [np.arange(cells.size_local), *(w - cells.local_range[0] for w in wanted)]
    rank = [np.full(len(c), r) for c, r in zip(cell, [comm.rank, *range(comm.size)], strict=True)]
    order = np.argsort(np.concatenate(cell), kind="stable")
    many = np.bincount(np.concatenate(cell), minlength=cells.size_local)
    return adjacency(np.concatenate(rank)[order].astype(np.int32), np.append(0, np.cumsum(many)))
