r"""Contact of metal with metal: which piece every bit of it belongs to, and where pieces are cut.

The profile of a front has tails, and tails must carry electrons to the front of their own piece,
but to no other. So pieces are told apart by their cores, and tails are given to them by ascent:

    height   h = max(xi, cap) at the nodes of the pores, foreseen for the end of the step
    piece    nodes linked by edges with h >= TOUCH at both ends, by one conducting solid, or by the
             collector; with h >= PART only, if both ends were in one piece at the last step
    wall     a node on a conductor belongs to that solid whatever h is there; metal beside it is
             linked to it as to any other node
    ascent   every other node follows its highest neighbour uphill
    basin    what ends in a maximum below TOUCH (a young film, the rest of a neck) joins its
             neighbour across the highest saddle; two pieces are never joined so
    cut      a cell of the pores with nodes of two pieces is shut: sigma is SHUT of its floor there

PART is what a neck between two walls of a flat profile has left when a sharp one parts: 1/2 at the
cusp of the undisturbed profile, 0.39 as the relaxation rounds it (measured at lambda/h = 2, half
widths of 2 and 4 lambda).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .compat import MPI, PETSc, cell_vertices, dfem
from .components import components, united

if TYPE_CHECKING:
    from .system import System, Unknown

__all__ = ["OWN", "Contact"]

#: Metal links nodes that were in no common piece before from TOUCH on, others from PART on.
TOUCH, PART = 0.5, 0.4
#: Heights above this are given to a piece: a quarter of the xi from which tails conduct.
SEEN = 5e-5
#: Number of the piece that hangs together with the collector; others are numbered from there on.
OWN = 1

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Contact:
    """Pieces of metal at the step at hand, and the cells between them.

    The field `piece`, kept and checkpointed, holds their numbers at the nodes of the pores: OWN for
    the collector's, larger ones for metal without contact, negative ones for solids that float
    without metal, 0 where there is nothing. A piece keeps its number as long as it exists.

    Args:
        s: the system.
        unknown: xi.
        regions: the pores.
        bridged: pores that a mat bridges out of the plane: they conduct always.

    Attributes:
        open: 1 in cells that may conduct, 0 in those that are shut (DG0, whole mesh).
        height: h of the last decision.
        always: local cells that conduct whatever the metal does.
        solid: number of the floating solid of every local cell, -1 elsewhere.
        names: of the regions of each of these solids.
    """

    def __init__(
        self, s: System, unknown: Unknown, regions: Sequence[str], bridged: Sequence[str]
    ):
        self.s, self.unknown, self.regions, self.bridged = s, unknown, regions, bridged
        self.open = dfem.Function(dfem.functionspace(s.domain.mesh, ("DG", 0)), name="open")
        self.open.x.array[:] = 1.0
        self.piece = s.memory("piece", unknown.part)
        self.next = s.charges["pieces"] = np.array([OWN + 1.0])
        self.height = np.zeros(len(unknown.value.x.array))
        self._ready = False
        s.deciders.append(self.update)

    # -- set-up --------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Find the solids and the edges of the pores (collective; once)."""
        if self._ready:
            return
        self._ready = True
        s, domain, unknown = self.s, self.s.domain, self.unknown
        self.comm, space, part = domain.comm, unknown.space, unknown.part
        electrons = s.values.get("electrons")
        conductors = electrons.regions if electrons else ()
        tags = domain.cell_tag_array
        always = {*conductors} - {*self.regions} | {*self.bridged}
        self.always = np.isin(tags, [domain.regions[name] for name in always])
        connected = electrons.connected if electrons else ()
        tied = np.isin(tags, [domain.regions[name] for name in connected])
        self.tied = tied
        label, count = components(domain.mesh, self.always)
        self.floating = np.flatnonzero(~self.driven(label, count))
        self.solid = np.where(np.isin(label, self.floating), label, -1)
        self.names = self._names()

        self.map = space.dofmap.index_map
        self.ids = _file_numbers(domain, space, part)
        self.work = dfem.Function(space)
        pores = part.cells[~self.always[part.cells]]
        self.cells = pores
        self.corners = space.dofmap.list[part.inverse[pores]].astype(np.int64)
        self.edges = _edges(self.corners)
        there = np.concatenate([self.edges, self.edges[::-1]], axis=1)
        self.base, self.neighbour = there[:, np.lexsort((there[1], there[0]))]
        self.first = np.flatnonzero(np.diff(self.base, prepend=-1))
        self.inner = self.base[self.first]  # nodes with neighbours
        self.kin = self._kin(label, electrons)
        self.families = 1 + len(self.floating)

    def driven(self, label: Ints, count: int) -> Mask:
        """Which parts of labelled cells reach the collector, in the plane or outside it."""
        found = np.concatenate([label[self.s.domain.cells_along("collector")], label[self.tied]])
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
        whole = dfem.functionspace(domain.mesh, ("Lagrange", 1))
        mark, corners = dfem.Function(whole), whole.dofmap.list
        family = np.zeros(label.max(initial=-1) + 2, dtype=np.int64)
        family[self.floating] = 1 + np.arange(len(self.floating))
        on = label >= 0
        mark.x.array[corners[on]] = 1.0 + family[label[on], None]
        vector = mark.x.petsc_vec
        vector.ghostUpdate(PETSc.InsertMode.MAX, PETSc.ScatterMode.REVERSE)
        mark.x.scatter_forward()
        at = np.empty(len(domain.mesh.geometry.x), dtype=np.int64)
        at[cell_vertices(domain.mesh)] = corners
        kin = mark.x.array[at[domain.vertices(space, part)]].astype(np.int64) - 1
        if electrons is not None and electrons.collector is not None:
            faces = domain.faces_of(electrons.collector, part.regions)
            kin[domain.nodes_on(space, part, faces=faces)] = 0
        tied = [name for name in (electrons.connected if electrons else ()) if name in part.regions]
        kin[domain.nodes_in(space, part, tied)] = 0
        return np.asarray(kin)

    # -- decision ------------------------------------------------------------------------------

    def update(self) -> None:
        """Decide for the step at hand, from the front foreseen and the caps shown (collective)."""
        height = self.s["front"].xi.x.array
        cap = self.s.values.get("cap")
        self.decide(height if cap is None else np.maximum(height, cap.x.array))

    def begin(self, *, fresh: bool = False) -> None:
        """Decide for the present state, outside a step (collective).

        Args:
            fresh: what belonged together before says nothing.
        """
        self.prepare()
        if fresh:
            self.piece.x.array[:] = 0.0
        self.decide(self.unknown.value.x.array)

    def recall(self) -> None:
        """Cut what `piece` says, as it was restored (collective)."""
        self.prepare()
        self._store(np.rint(self.piece.x.array).astype(np.int64))
        self.height = self.unknown.value.x.array.copy()

    def decide(self, height: Array, remains: Mask | None = None) -> None:
        """Tell pieces apart and cut between them (collective).

        Args:
            height: h at the local nodes of xi.
            remains: nodes where no front is near; basins of them join the collector's piece if they
                can reach it at all.
        """
        self.prepare()
        h = self.height = self._shared(height)
        before = np.rint(self.piece.x.array).astype(np.int64)
        i, j = self.edges
        near = np.flatnonzero((h[i] >= PART) & (h[j] >= PART))
        i, j = i[near], j[near]
        same = (before[i] == before[j]) & (before[i] != 0)
        linked = same | (h[i] >= TOUCH) & (h[j] >= TOUCH)
        links = np.stack([i[linked], j[linked]])
        part, count, family = united(
            self.comm, self.map, (h >= PART) | (self.kin >= 0), links,
            kin=self.kin, families=self.families, ids=self.ids,
        )
        pieces = self._tallest(part, h, count) >= TOUCH
        pieces[family[family >= 0]] = True
        if pieces.sum() <= 1:
            alone = family[0] >= 0 or not pieces.any()
            self._store(np.full(len(h), OWN if alone else OWN + 1))
            return
        self._store(self._tell_apart(h, links, before, remains))

    def _tell_apart(self, h: Array, links: Ints, before: Ints, remains: Mask | None) -> Ints:
        """Numbers of pieces at all nodes that are seen, 0 elsewhere (collective)."""
        active = self._around(h > SEEN) | (self.kin >= 0)
        uphill = self._ascent(h, links, active)
        part, count, family = united(
            self.comm, self.map, active, np.concatenate([links, uphill], axis=1),
            kin=self.kin, families=self.families, ids=self.ids,
        )
        metal = self._tallest(part, h, count) >= TOUCH
        pieces = metal.copy()
        pieces[family[family >= 0]] = True
        left = np.zeros(count, dtype=bool)
        if remains is not None:
            left[np.unique(np.concatenate(self.comm.allgather(part[remains & (part >= 0)])))] = True
        left &= ~pieces
        own = int(family[0])
        group = _joined(self._saddles(part, h), pieces, left, own)
        return self._numbered(part, group, metal, family, before, h)

    def _ascent(self, h: Array, links: Ints, active: Mask) -> Ints:
        """Links of every free node below TOUCH to its highest neighbour (collective)."""
        bound = np.zeros(len(h), dtype=bool)
        bound[links] = True
        free = active & (self.kin < 0) & (h < TOUCH) & ~self._anywhere(bound)
        beside, last = h[self.neighbour], np.full(len(h), -1.0)
        top = last.copy()
        top[self.inner] = np.maximum.reduceat(beside, self.first) if len(self.first) else 0.0
        top = self._highest(top)
        best = beside == top[self.base]
        if len(self.first):
            last[self.inner] = np.maximum.reduceat(
                np.where(best, self.ids[self.neighbour], -1.0), self.first)
        last = self._highest(last)
        climbs = free & ((top > h) | (top == h) & (last > self.ids))
        chosen = best & climbs[self.base] & (self.ids[self.neighbour] == last[self.base])
        return np.stack([self.base[chosen], self.neighbour[chosen]])

    def _saddles(self, part: Ints, h: Array) -> Array:
        """Rows (height, part, part): the highest edge between any two parts (collective)."""
        i, j = self.edges
        a, b = part[i], part[j]
        on = (a != b) & (a >= 0) & (b >= 0)
        rows = np.stack([np.minimum(h[i], h[j])[on], np.minimum(a, b)[on], np.maximum(a, b)[on]])
        rows = _highest_of_pairs(rows.T)
        return _highest_of_pairs(np.concatenate(self.comm.allgather(rows)))

    def _numbered(
        self, part: Ints, group: Ints, metal: Mask, family: Ints, before: Ints, h: Array
    ) -> Ints:
        """Numbers for groups of parts: those that most of their metal had, or new ones."""
        size = len(group)
        number = np.zeros(size, dtype=np.int64)
        for k in range(1, self.families):
            if family[k] >= 0:
                number[group[family[k]]] = -k
        grown = np.unique(group[metal])
        n = self.map.size_local
        core = np.flatnonzero((part[:n] >= 0) & (h[:n] >= PART) & (before[:n] > OWN))
        pairs = np.stack([group[part[core]], before[core]], axis=1)
        weighed, weight = _summed(pairs, h[core])
        everyone = self.comm.allgather((weighed, weight, int(before.max(initial=0))))
        pairs, weight = _summed(
            np.concatenate([e[0] for e in everyone]), np.concatenate([e[1] for e in everyone]))
        own = group[family[0]] if family[0] >= 0 else -1
        free, taken = {*grown.tolist()} - {int(own)}, set()
        for k in np.argsort(-weight, kind="stable").tolist():
            which, old = pairs[k].tolist()
            if which in free and old not in taken:
                number[which] = old
                free.remove(which)
                taken.add(old)
        fresh = max(int(self.next[0]), *(e[2] + 1 for e in everyone))
        for which in sorted(free):
            number[which], fresh = fresh, fresh + 1
        self.next[0] = fresh
        if own >= 0:
            number[own] = OWN
        return np.where(part >= 0, number[group[part]], 0)

    def _store(self, piece: Ints) -> None:
        """Keep the numbers, and shut the cells between two pieces."""
        self.piece.x.array[:] = piece
        at = piece[self.corners]
        lowest = np.where(at == 0, np.iinfo(np.int64).max, at).min(axis=1)
        highest = np.where(at == 0, np.iinfo(np.int64).min, at).max(axis=1)
        self.open.x.array[self.cells] = lowest >= highest

    # -- nodes that ranks share ----------------------------------------------------------------

    def _shared(self, values: Array) -> Array:
        """Values of the owners everywhere (collective)."""
        self.work.x.array[:] = values
        self.work.x.scatter_forward()
        return self.work.x.array.copy()

    def _highest(self, values: Array) -> Array:
        """The highest that any rank has at a node, everywhere (collective)."""
        self.work.x.array[:] = values
        vector = self.work.x.petsc_vec
        vector.ghostUpdate(PETSc.InsertMode.MAX, PETSc.ScatterMode.REVERSE)
        self.work.x.scatter_forward()
        return self.work.x.array.copy()

    def _anywhere(self, mark: Mask) -> Mask:
        """Nodes that any rank has marked (collective)."""
        return self._highest(mark.astype(float)) > 0.5

    def _around(self, mark: Mask) -> Mask:
        """Marked nodes and their neighbours (collective)."""
        i, j = self.edges
        out = mark.copy()
        out[j[mark[i]]] = True
        out[i[mark[j]]] = True
        return self._anywhere(out)

    def _tallest(self, part: Ints, h: Array, count: int) -> Array:
        """Largest h of every part (collective)."""
        out = np.zeros(count)
        on = part >= 0
        np.maximum.at(out, part[on], h[on])
        return np.asarray(np.maximum.reduce(self.comm.allgather(out)))


def _joined(saddles: Array, pieces: Mask, remains: Mask, own: int) -> Ints:
    """Group of every part: basins join across the highest saddle, two pieces never do.

    Args:
        saddles: rows (height, part, part).
        pieces: parts with a core, and solids.
        remains: basins that join the collector's piece first.
        own: the part of the collector, -1 without.
    """
    parent, taken = np.arange(len(pieces)), pieces.copy()

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = int(parent[k])
        return k

    first = remains.copy()
    if own >= 0:
        first[own] = True
    # Ties go by the numbers of the mesh file, so that ranks do not matter.
    order = np.lexsort((saddles[:, 2], saddles[:, 1], -saddles[:, 0]))
    rows = saddles[order, 1:].astype(np.int64)
    early = first[rows].all(axis=1)
    for a, b in (*rows[early].tolist(), *rows[~early].tolist()):
        a, b = root(a), root(b)
        if a != b and not (taken[a] and taken[b]):
            parent[b] = a
            taken[a] |= taken[b]
    return np.array([root(k) for k in range(len(pieces))], dtype=np.int64)


def _edges(corners: Ints) -> Ints:
    """Pairs of corners of cells, each once, (2, n)."""
    k = corners.shape[1]
    pairs = [corners[:, [a, b]] for a in range(k) for b in range(a)]
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0).T


def _highest_of_pairs(rows: Array) -> Array:
    """Of rows (height, a, b) the one with the largest height for every pair (a, b)."""
    rows = rows[np.lexsort((-rows[:, 0], rows[:, 2], rows[:, 1]))]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(rows[:, 1:], axis=0) != 0.0).any(axis=1)
    return rows[new]


def _summed(pairs: Ints, weight: Array) -> tuple[Ints, Array]:
    """Pairs, each once, and the sums of their weights."""
    pairs, index = np.unique(pairs.reshape(-1, 2), axis=0, return_inverse=True)
    return pairs, np.bincount(index.ravel(), weights=weight, minlength=len(pairs))


def _file_numbers(domain: Any, space: Any, part: Any) -> Ints:
    """Number in the mesh file of every local node, the same on any number of ranks."""
    numbers = np.asarray(domain.mesh.geometry.input_global_indices, dtype=np.int64)
    return np.asarray(numbers[domain.vertices(space, part)])
