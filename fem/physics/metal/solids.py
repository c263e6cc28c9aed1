"""Solids and coatings beside the nodes of the pores: where metal meets a conductor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, cell_vertices, dfem
from fem.mesh.components import components, highest
from fem.mesh.spaces import space_on
from fem.physics.metal.nodes import Nodes

if TYPE_CHECKING:
    from fem.system.system import System
    from fem.system.unknown import Unknown

__all__ = ["Solids"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Solids:
    """Conductors in the cell, and the nodes of the pores that lie on them (collective).

    Args:
        s: the system.
        unknown: xi.
        regions: the pores.
        width: lambda, m.
        bridged: pores that a mat bridges out of the plane: they conduct always.

    Attributes:
        always: local cells that conduct whatever the metal does.
        floating: labels of the solids that float.
        solid: label of the floating solid of every local cell, -1 elsewhere.
        names: of the regions of each of these solids.
        coated: local nodes that no conductor reaches through its coating.
        keeps_off: there are such nodes, on this rank or another.
        kin: solid of every node of the pores: 0 the collector's, 1, ... floating ones, -1 none.
        nodes: the nodes of the pores, with their edges.
    """

    def __init__(
        self, s: System, unknown: Unknown, regions: Sequence[str], width: float,
        bridged: Sequence[str] = (),
    ):
        self.s, self.unknown, self.regions, self.bridged = s, unknown, regions, bridged
        domain, space, part = s.domain, unknown.space, unknown.part
        self.comm = domain.comm
        electrons = s.values.get("electrons")
        conductors = electrons.regions if electrons else ()
        always = {*conductors} - {*self.regions} | {*self.bridged}
        self.always = domain.in_regions(always)
        connected = electrons.connected if electrons else ()
        self.tied = domain.in_regions(connected)
        label, count = components(domain.mesh, self.always)
        self.floating = np.flatnonzero(~self.driven(label, count))
        self.solid = np.where(np.isin(label, self.floating), label, -1)
        self.names = self._names()
        self.coated = self._coated(electrons)
        self.keeps_off = self.comm.allreduce(bool(self.coated.any()), op=MPI.LOR)
        self.kin = self._kin(label, electrons)
        families = 1 + len(self.floating)
        self.nodes = Nodes(s, unknown, self.always, self.kin, families, width)
        owned = domain.mesh.topology.index_map(domain.dim).size_local
        cells = self.nodes.cells
        corners = space.dofmap.list[part.inverse[cells]].astype(np.int64)
        self.away = self._away(corners[cells < owned])

    def driven(self, label: Ints, count: int) -> Mask:
        """Mark parts of labelled cells that reach the collector, in the plane or outside it."""
        domain, electrons = self.s.domain, self.s.values.get("electrons")
        if electrons is None:
            here = domain.cells_along("collector")
        else:
            here = domain.facets(faces=electrons.faces_of(domain, "collector"))[:, 0]
        found = np.concatenate([label[here], label[self.tied]])
        touched = np.zeros(count, dtype=np.int64)
        touched[found[found >= 0]] = 1
        return self.comm.allreduce(touched, op=MPI.SUM) > 0  # MPI.MAX takes no arrays

    def _names(self) -> dict[int, str]:
        """Regions of each floating solid."""
        name_of = {tag: name for name, tag in self.s.domain.regions.items()}
        here = np.flatnonzero(self.solid >= 0)
        tags = self.s.domain.cell_tag_array[here].tolist()
        pairs = {*zip(self.solid[here].tolist(), tags, strict=True)}
        out: dict[int, str] = {}
        for number, tag in sorted(set().union(*self.comm.allgather(pairs))):
            known = out.get(number)
            out[number] = f"{known}, {name_of[tag]}" if known else name_of[tag]
        return out

    def _kin(self, label: Ints, electrons: Any) -> Ints:
        """Solid of every node of the pores: 0 the collector's, 1, ... floating ones, -1 none."""
        domain, space, part = self.s.domain, self.unknown.space, self.unknown.part
        whole = space_on(domain.mesh, ("Lagrange", 1))
        mark, corners = dfem.Function(whole), whole.dofmap.list
        family = np.zeros(label.max(initial=-1) + 2, dtype=np.int64)
        family[self.floating] = 1 + np.arange(len(self.floating))
        on = label >= 0
        mark.x.array[corners[on]] = 1.0 + family[label[on], None]
        solid = highest(mark, mark.x.array)
        at = np.empty(len(domain.mesh.geometry.x), dtype=np.int64)
        at[cell_vertices(domain.mesh)] = corners
        kin = solid[at[domain.vertices(space, part)]].astype(np.int64) - 1
        if electrons is not None and electrons.collector is not None:
            faces = electrons.faces_of(domain, electrons.collector, part.regions)
            kin[domain.nodes_on(space, part, faces=faces)] = 0
        kin[self.coated] = -1
        tied = [name for name in (electrons.connected if electrons else ()) if name in part.regions]
        kin[domain.nodes_in(space, part, tied)] = 0
        return np.asarray(kin)

    def _coated(self, electrons: Any) -> Mask:
        """Nodes of the pores that see conductors through coatings only (collective)."""
        domain, space, part = self.s.domain, self.unknown.space, self.unknown.part
        out = np.zeros(len(self.unknown.value.x.array), dtype=bool)
        insulated = {*electrons.insulated} if electrons else {}
        if not insulated:
            return out
        free = {*self.regions} - {*self.bridged}
        walls = [w for w in domain.walls if w[0] in electrons.regions and w[1] in free]
        out[domain.nodes_on(space, part, walls=[w for w in walls if w in insulated])] = True
        out[domain.nodes_on(space, part, walls=[w for w in walls if w not in insulated])] = False
        faces = electrons.faces_of(domain, "collector", part.regions)
        out[domain.nodes_on(space, part, faces=faces)] = False
        out[domain.nodes_in(space, part, [*self.bridged])] = False
        return out

    def _away(self, corners: Ints) -> tuple[Ints, Ints, Array]:
        """Pairs of a coated node and one that is not, once for each cell; their weight.

        Args:
            corners: of owned cells of the pores. Collective.
        """
        here = self.coated[corners]
        cell, a, b = np.nonzero(here[:, :, None] & ~here[:, None, :])
        coated, beside = corners[cell, a], corners[cell, b]
        return coated, beside, 1.0 / self.nodes.total(coated, np.ones(len(coated)))[coated]

    def inward(self, area: Array) -> Array:
        """Areas of the front; what coated nodes have is given to those beside them (collective).

        Args:
            area: at every owned node.
        """
        if not self.keeps_off:
            return area
        n = len(area)
        here = self.nodes.shared(np.append(area, np.zeros(len(self.coated) - n)))
        coated, beside, weight = self.away
        given = self.nodes.total(beside, weight * here[coated])[:n]
        return np.where(self.coated[:n], 0.0, area + given)

    def beside_coatings(self, label: Ints, piece: Array) -> Ints:
        """Labels of local nodes; those that are coated get what their piece has around them.

        Args:
            label: of every local node, -1 for none. Collective.
            piece: number of the piece of every local node.
        """
        if not self.keeps_off:
            return label
        base, neighbour, _ = self.nodes.beside(self.coated)
        own = (piece[base] == piece[neighbour]) & ~self.coated[neighbour]
        around = self.nodes.best(base, np.where(own, label[neighbour], -1.0))
        return np.where(self.coated, around.astype(np.int64), label)
