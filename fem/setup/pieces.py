"""Pieces: regions connected for electrons or for ions, and those that no current can reach.

A conductor that does not touch the collector floats: its potential follows from zero net current
through the reactions on its walls. Where nothing reacts either (all walls insulated, or dead under
a coating), every constant is a solution and the matrix is singular. Such a piece, or pieces that
only trade with one another, carry no current whatever they are held at, so one node of them is held
(`gauge`); what flows through that node is zero, and no current or other potential depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.compat import MPI, dfem
from fem.mesh.components import components, linked

if TYPE_CHECKING:
    from fem.mesh.domain import Domain
    from fem.setup.media import ElectronMedia
    from fem.setup.setup import Setup
    from fem.system.system import System
    from fem.system.unknown import Unknown

__all__ = ["Floating", "gauge", "remarks"]


@dataclass(frozen=True)
class Floating:
    """Conducting solids without contact to the collector.

    Attributes:
        count: pieces that float.
        total: all pieces.
        regions: they lie in.
        cut_off: pieces (of conductors or electrolyte) that nothing reaches, held at one node each.
    """

    count: int = 0
    total: int = 0
    regions: tuple[str, ...] = ()
    cut_off: int = 0


@dataclass(frozen=True)
class _Net:
    """One potential: its unknown, and the piece of every local cell (-1 elsewhere).

    Attributes:
        first: number of its first piece among those of all potentials.
    """

    unknown: Unknown
    label: npt.NDArray[np.int64]
    count: int
    first: int = 0

    @classmethod
    def of(cls, domain: Domain, unknown: Unknown, first: int = 0) -> _Net:
        on = np.zeros(len(domain.cell_tag_array), dtype=bool)
        on[unknown.part.cells] = True
        label, count = components(domain.mesh, on)
        return cls(unknown, np.where(on, label + first, -1), count, first)

    def held(self) -> set[int]:
        """Pieces with a node that is held."""
        fixed = np.zeros(len(self.unknown.value.x.array), dtype=bool)
        fixed[self.unknown.fixed_dofs()] = True
        cells = self.unknown.part.cells
        on = fixed[self.unknown.space.dofmap.list[: len(cells)]].any(axis=1)
        return {*self.label[cells[on]].tolist()} - {-1}

    def at(self, domain: Domain, faces: Iterable[tuple[str, str]]) -> set[int]:
        """Pieces at boundary faces."""
        found = [f for f in faces if f in domain.faces]
        return {*self.label[domain.facets(faces=found)[:, 0]].tolist()} - {-1}


def afloat(
    domain: Domain, electrons: ElectronMedia | None, empty: Collection[str] = (),
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Find the conductors, and which of them touch no boundary with a potential (collective).

    Args:
        domain: the mesh.
        electrons: what conducts them.
        empty: regions of it that do not yet, pores that metal may fill.

    Returns:
        Number of the piece of every local cell, -1 where nothing conducts; and of every piece
        whether it floats.
    """
    if electrons is None:
        return np.full(len(domain.cell_tag_array), -1), np.zeros(0, dtype=bool)
    regions = [n for n in electrons.regions if n not in empty]
    label, count = components(domain.mesh, domain.in_regions(regions))
    boundaries = [*electrons.fixed, *([electrons.collector] if electrons.collector else [])]
    faces = [f for b in boundaries for f in electrons.faces_of(domain, b, regions)]
    tied = domain.in_regions(electrons.connected)
    touched = np.zeros(count, dtype=np.int64)
    found = np.concatenate([label[domain.facets(faces=faces)[:, 0]], label[tied]])
    touched[found[found >= 0]] = 1
    return label, domain.comm.allreduce(touched, op=MPI.SUM) == 0


def gauge(s: System, setup: Setup) -> Floating:
    """Hold one node of everything that no potential reaches; count what floats (collective).

    Args:
        s: with all unknowns declared and held.
        setup: with all parts.

    Raises:
        CaseError: a boundary drives current into a piece that it cannot leave.
    """
    domain, edges, found = s.domain, setup.edges, setup.surfaces
    electrons, ions, metal = (setup.part(name) for name in ("electrons", "ions", "front"))
    solid = _Net.of(domain, s.unknowns[electrons.potential]) if electrons else None
    first = solid.count if solid else 0
    liquid = _Net.of(domain, s.unknowns[ions.potential], first)
    electrodes = [*found.plating, *((found.counter,) if found.counter else ())]
    grounded = liquid.held() | liquid.at(domain, [f for e in electrodes for f in e.faces])
    links: set[tuple[int, int]] = set()
    if solid:
        ends = [*edges.phi_s, *([electrons.collector] if electrons.collector else [])]
        faces = [f for b in ends for f in electrons.faces_of(domain, b)]
        grounded |= solid.held() | solid.at(domain, faces)
        walls = [w for e in electrodes for w in e.walls]
        plus, minus = (domain.facets(walls=walls, side=side)[:, 0] for side in "+-")
        links |= {*zip(solid.label[plus].tolist(), liquid.label[minus].tolist(), strict=True)}
        if setup.filled:  # wherever electrons and ions share a cell a front may be, and react
            both = (solid.label >= 0) & (liquid.label >= 0)
            links |= {*zip(solid.label[both].tolist(), liquid.label[both].tolist(), strict=True)}
    everyone = domain.comm.allgather((grounded, links))
    grounded, links = (set().union(*(e[k] for e in everyone)) for k in (0, 1))
    pairs = np.array(sorted(links), dtype=int).reshape(-1, 2)
    number, cluster = linked(first + liquid.count, *pairs.T)
    loose = np.setdiff1d(np.arange(number), cluster[sorted(grounded)])
    for which in loose.tolist():
        members = np.flatnonzero(cluster == which).tolist()
        if solid:
            _require_no_supply(domain, solid, edges.into_solid, electrons.regions, members)
        _require_no_supply(domain, liquid, edges.into_electrolyte, ions.regions, members)
        net = solid if solid and members[-1] < first else liquid
        _hold(net, members[-1])
    empty = metal.empty if metal else ()
    label, wrapped = _wrapped(domain, electrons, empty)
    for piece in wrapped:
        _hold(_Net(s.unknowns[electrons.potential], label, len(wrapped)), piece)
    return _floating(domain, electrons, empty, len(loose) + len(wrapped))


def _wrapped(
    domain: Domain, electrons: ElectronMedia | None, empty: Collection[str]
) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Solids that float, and on which no metal can lie but on insulating coatings (collective).

    Returns:
        Number of the solid of every local cell, -1 elsewhere; numbers of those that are meant.
    """
    label, floats = afloat(domain, electrons, empty)
    if electrons is None or not electrons.insulated or not empty:
        return label, []
    walls = [w for w in domain.walls if w[1] in empty and w not in electrons.insulated]
    beside = label[domain.facets(walls=walls, side="+")[:, 0]]
    bare = np.zeros(len(floats), dtype=np.int64)
    bare[beside[beside >= 0]] = 1
    bare = domain.comm.allreduce(bare, op=MPI.SUM)
    return label, np.flatnonzero(floats & (bare == 0)).tolist()


def _hold(net: _Net, piece: int) -> None:
    """Hold the first node of a piece where it is (collective)."""
    u = net.unknown
    mark = dfem.Function(u.space)
    cells = np.flatnonzero(net.label[u.part.cells] == piece)
    owned = u.space.dofmap.index_map.size_local
    mine = np.unique(u.space.dofmap.list[cells])
    mine = mine[mine < owned]
    ids = u.space.dofmap.index_map.local_to_global(mine.astype(np.int32))
    first = int(ids.min()) if len(ids) else np.iinfo(np.int64).max
    least = u.part.mesh.comm.allreduce(first, op=MPI.MIN)
    mark.x.array[mine[ids == least]] = 1.0
    mark.x.scatter_forward()
    u.fixed.append(np.flatnonzero(mark.x.array > 0.5).astype(np.int32))


def _require_no_supply(
    domain: Domain, net: _Net, given: Iterable[str], regions: Collection[str], members: list[int]
) -> None:
    """No boundary drives a current into pieces that nothing leaves (collective)."""
    for boundary in given:
        there = net.at(domain, domain.faces_of(boundary, regions))
        if domain.comm.allreduce(bool(there & {*members}), op=MPI.LOR):
            raise CaseError(
                f"boundaries.{boundary}.current_density: drives current into a part of the mesh "
                "that it cannot leave: it touches no electrode, and nothing reacts on its walls"
            )


def _floating(
    domain: Domain, electrons: ElectronMedia | None, empty: Collection[str], cut_off: int
) -> Floating:
    """Count the solids that float (collective)."""
    if electrons is None:
        return Floating(cut_off=cut_off)
    names = {domain.regions[n]: n for n in electrons.regions if not n.startswith("electrolyte")}
    tags = domain.cell_tag_array
    label, floats = afloat(domain, electrons, empty)
    on = (label >= 0) & np.isin(tags, [*names])
    pairs = {*zip(label[on].tolist(), tags[on].tolist(), strict=True)}
    found = set().union(*domain.comm.allgather(pairs))
    pieces = {k for k, _ in found}
    regions = sorted({names[tag] for k, tag in found if floats[k]})
    return Floating(int(sum(floats[k] for k in pieces)), len(pieces), tuple(regions), cut_off)


def remarks(found: Floating) -> Iterator[tuple[str, str]]:
    """Remark of a run on floating solids, before the first step."""
    if found.count:
        yield "floating", (
            f"{found.count} of {found.total} conducting solids ({', '.join(found.regions)}) touch "
            "neither the collector nor anything that does: they float, and no net current reaches "
            "them; if they touch outside the model give contacts, connected or bridge_sigma (see "
            "docs/geometries.md)"
        )
    if found.cut_off:
        yield "cut_off", (
            f"{found.cut_off} parts of the mesh are cut off from every electrode and reaction: no "
            "current flows in them, and their potential has no meaning"
        )
