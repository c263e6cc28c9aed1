r"""Contact of metal with metal: which piece every bit of it belongs to, and where pieces are cut.

The profile of a front has tails, and tails must carry electrons to the front of their own piece,
but to no other. So pieces are distinguished by their cores, and tails are given to them by ascent:

    height   h = max(xi, cap) at the nodes of the pores, foreseen for the end of the step
    afloat   metal of pieces without contact, `owner` their numbers. A piece that is cut off stands
             still, and its charge stays: no metal reacts in its core (afloat >= TOUCH_HEIGHT) nor
             flows there; what current comes in at one end goes out at another. All that moves is
             the rest, h - afloat: front, remains and necks know nothing of what floats. Where a
             front grows through the tail of such a piece both are in one node, and two sharp fronts
             that meet have 1/2 each
    piece    nodes linked by edges with h - afloat >= TOUCH_HEIGHT at both ends, or in cores of what
             floats, by one conducting solid, or by the collector; with PART_HEIGHT only, if both
             ends were in one piece at the last step. What is linked with the collector floats no
             more; of what is not, all metal does
    wall     a node on a conductor belongs to that solid whatever h is there; metal beside it is
             linked to it as to any other node
    ascent   every other node follows its highest neighbour uphill
    basin    what ends in a maximum below TOUCH_HEIGHT (a young film, a nucleus) joins its neighbour
             across the highest saddle; two pieces are never joined so
    ridge    a node of the collector's piece below PART_HEIGHT that rises less than a front does
             (MAX_RIDGE_SLOPE in psi; a front has 1): the last of a neck. As a neck parts, also one
             below TOUCH_HEIGHT that has more than the front of a piece can have left there. It
             follows other such nodes only, and their basin, the ghost of the neck, joins the
             collector's piece if it can and is stripped; in it only the tail that a front of what
             floats has at rest is afloat
    cut      a cell of the pores is open to electrons of metal if all its nodes are of one piece or
             all of none: else a node that no piece had foreseen would link two. Between two pieces
             SHUT_SHARE of the empty pore's conductivity is left, beside coatings SHUT_SHARE^2

Pieces part and join between two steps: a step in which they would ends there, with the pieces that
were before it, and rates jump as the next one begins.

PART_HEIGHT is what xi has left on the axis of a flat neck when a sharp one parts: 1/2 at the cusp
of two fronts that know nothing of one another, 0.38 to 0.40 as relaxation and mesh round it
(half-widths of 2 and 4 lambda, h = lambda/2); on the axis of a round neck it is 0.44 to 0.47: that
parts late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, cell_vertices, dfem, la
from fem.mesh.components import components, edges, highest, united
from fem.mesh.nearest import crossings, nearest
from fem.physics.metal.profile import beyond_rest, distance, profile

if TYPE_CHECKING:
    from fem.system.system import System
    from fem.system.unknown import Unknown

__all__ = ["COLLECTOR_PIECE", "Contact"]

#: Heights from which metal links nodes that were in no common piece before, and all others.
TOUCH_HEIGHT, PART_HEIGHT = 0.5, 0.38
#: Share of the empty pore's conductivity between two pieces; all of it would leak 1e-4 of 1 mA/cm2
#: through a row of cells at 25 mV.
SHUT_SHARE = 1e-4
#: Accuracy, in h, of the height at which pieces part or join.
CONTACT_SLACK = 0.005
#: Change of h before a neck parts that is too long to be foreseen well, and the share of it that a
#: step takes: the next one looks again. (A join moves by 0.06 % of its time: 0.003 lambda.)
MAX_APPROACH, MAX_APPROACH_SHARE = 0.02, 0.6
#: Largest slope of psi = ln(h/(1 - h)) over lambda of a ridge, and the least height of one.
MAX_RIDGE_SLOPE, MIN_RIDGE_HEIGHT = 0.5, 1e-3
#: Least height that is given to a piece: a quarter of the xi from which tails conduct.
MIN_HEIGHT = 5e-5
#: Number of the piece that is connected to the collector; others are numbered from there on.
COLLECTOR_PIECE = 1

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Contact:
    """Pieces of metal at the step at hand, and the cells between them.

    The field `piece`, kept and checkpointed, holds their numbers at the nodes of the pores:
    COLLECTOR_PIECE for the collector's, larger ones for metal without contact, negative ones for
    solids that float without metal, 0 where there is nothing. A piece keeps its number as long as
    it exists.

    Args:
        s: the system.
        unknown: xi.
        regions: the pores.
        width: lambda, m.
        bridged: pores that a mat bridges out of the plane: they conduct always.

    Attributes:
        open: 1 in cells in which metal may conduct, 0 in those that are shut (DG0, whole mesh).
        left: share of the empty pore's conductivity that is left in each cell (DG0, whole mesh).
        flows: 0 in cells between two pieces and in what floats, 1 elsewhere (DG0, whole mesh).
        parted: there are such cells, on this rank or another.
        afloat: the xi of metal that floats, in a step and until it has contact again.
        owner: number of its piece, 0 where there is none.
        coated: local nodes that no conductor reaches through its coating.
        keeps_off: there are such nodes, on this rank or another.
        height: h of the last decision.
        always: local cells that conduct whatever the metal does.
        solid: number of the floating solid of every local cell, -1 elsewhere.
        names: of the regions of each of these solids.
    """

    def __init__(
        self, s: System, unknown: Unknown, regions: Sequence[str], width: float,
        bridged: Sequence[str] = (),
    ):
        self.s, self.unknown, self.regions, self.bridged = s, unknown, regions, bridged
        self.width = width
        cellwise = dfem.functionspace(s.domain.mesh, ("DG", 0))
        fields = [dfem.Function(cellwise, name=name) for name in ("open", "left", "flows")]
        self.open, self.left, self.flows = fields
        for field in fields:
            field.x.array[:] = 1.0
        self.parted = False
        self.kept = tuple(s.memory(name, unknown.part) for name in ("piece", "afloat", "owner"))
        self.piece, self.afloat, self.owner = self.kept
        #: Number of the next new piece, and how many pieces and solids there are.
        self.count = s.charges["pieces"] = np.array([COLLECTOR_PIECE + 1.0, 0.0])
        self.height = np.zeros(len(unknown.value.x.array))
        self.before, self.changed = np.zeros(len(self.height), dtype=np.int64), False
        #: Share of the step at hand after which pieces part or join: 0 at once, None not in it.
        self.share: float | None = None
        #: When pieces part or join at once: the time, s, and the h that was foreseen.
        self.due: tuple[float, Array] | None = None
        #: Where the pieces of this run parted from others, m.
        self.places: dict[int, list[float] | None] = {}
        self._ready = False
        s.deciders.append(self.update)
        s.jumps.append(lambda: self.share)

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
        self.coated = self._coated(electrons)
        self.keeps_off = self.comm.allreduce(bool(self.coated.any()), op=MPI.LOR)
        pores = part.cells[~self.always[part.cells]]
        self.cells = pores
        corners = space.dofmap.list[part.inverse[pores]].astype(np.int64)
        self.corners, self.edges = corners.T.copy(), edges(corners)
        there = np.concatenate([self.edges, self.edges[::-1]], axis=1)
        self.barred = self.coated[corners].any(axis=1)
        owned = domain.mesh.topology.index_map(domain.dim).size_local
        self.away = self._away(corners[pores < owned])
        self.base, self.neighbour = there[:, np.lexsort((there[1], there[0]))]
        x = space.tabulate_dof_coordinates()
        self.length = np.linalg.norm(x[self.neighbour] - x[self.base], axis=1) / self.width
        self.kin = self._kin(label, electrons)
        self.families = 1 + len(self.floating)

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
        whole = dfem.functionspace(domain.mesh, ("Lagrange", 1))
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
        return coated, beside, 1.0 / self._total(coated, np.ones(len(coated)))[coated]

    def _total(self, nodes: Ints, values: Array) -> Array:
        """Sums of what all ranks have at nodes, at the local ones (collective)."""
        self.work.x.array[:] = 0.0
        np.add.at(self.work.x.array, nodes, values)
        self.work.x.scatter_reverse(la.InsertMode.add)
        self.work.x.scatter_forward()
        return self.work.x.array.copy()

    def inward(self, area: Array) -> Array:
        """Areas of the front; what coated nodes have is given to those beside them (collective).

        Args:
            area: at every owned node.
        """
        if not self.keeps_off:
            return area
        n = len(area)
        here = self._shared(np.append(area, np.zeros(len(self.coated) - n)))
        coated, beside, weight = self.away
        given = self._total(beside, weight * here[coated])[:n]
        return np.where(self.coated[:n], 0.0, area + given)

    # -- decision ------------------------------------------------------------------------------

    def update(self) -> bool:
        """Decide for the step at hand, from the front foreseen and the caps shown (collective).

        Pieces part and join between two steps: a step in which they would keeps those of before.
        Where they do so at once the formula begins anew and foresees nothing: then it is as found.
        """
        height = self._covered(self.s["front"].xi.x.array)
        if self.due is not None and self.due[0] == self.s.t and self.s.history == 1:
            height = self.due[1]
        count, kept = self.count.copy(), [f.x.array.copy() for f in self.kept]
        now = self.unknown.old[0].x.array
        self.decide(height, now)
        self.share = self.due = None
        if self.changed and self.s.dt > 0.0:
            self.share, there = self._search(kept, parts=self.count[1] > count[1])
            self.due = None if self.share else (self.s.t, there)
        if self.share:
            self.count[:] = count
            self._take(kept)
            self.height = self._shared(self._covered(now))
            self._cut()
        return self.changed and not self.share

    def _covered(self, xi: Array) -> Array:
        """Height of this xi and the caps of nuclei."""
        cap = self.s.values.get("cap")
        return xi if cap is None else np.maximum(xi, cap.x.array)

    def begin(self, *, fresh: bool = False) -> None:
        """Decide for the present state, outside a step (collective).

        Args:
            fresh: what belonged together before says nothing.
        """
        self.prepare()
        if fresh:
            for field in self.kept:
                field.x.array[:] = 0.0
        xi = self.unknown.value.x.array
        self.decide(xi, xi)

    def recall(self) -> None:
        """Cut what `piece` says, as it was restored (collective)."""
        self.prepare()
        self._cut()
        self.height = self.unknown.value.x.array.copy()

    def decide(self, height: Array, xi: Array) -> None:
        """Tell pieces apart by h at the local nodes, and cut between them (collective).

        Args:
            height: h.
            xi: metal that is there; of what is cut off its share is kept.
        """
        self.prepare()
        h = self.height = self._shared(height)
        before = self.before = np.rint(self.piece.x.array).astype(np.int64)
        afloat, owner = self.afloat.x.array, self.owner.x.array
        links, part, pieces, own = self._cores(h, before)
        self.changed, self.count[1] = pieces != self.count[1], pieces
        if pieces <= 1:
            number = COLLECTOR_PIECE if own >= 0 or not pieces else COLLECTOR_PIECE + 1
            for field, value in zip(self.kept, (number, 0.0, 0.0), strict=True):
                field.x.array[:] = value
        else:
            joined = self.numbers_of(owner[self.core & (part == own)]) if own >= 0 else set()
            gone = np.isin(owner, [*joined])
            afloat[gone] = owner[gone] = 0.0
            label = self._tell_apart(h - afloat, links, before)
            for number in sorted(self.numbers_of(label[label > COLLECTOR_PIECE])):
                self._part(number, label, h - afloat, xi - afloat, before)
            tail = (label > COLLECTOR_PIECE) | (label == 0) & (owner > 0.0)
            self.piece.x.array[:] = np.where(
                self.core, owner, np.where(tail, COLLECTOR_PIECE, label))
        self._cut()

    def _part(self, number: int, label: Ints, h: Array, metal: Array, before: Ints) -> None:
        """Let a piece float: all metal of its nodes, and its tail at rest in those of its neck.

        Args:
            number: of the piece.
            label: numbers of the pieces at all nodes.
            h: height of what has not floated.
            metal: xi of it.
            before: numbers of the last step.
        """
        self.places[number] = self._edge(label, number)
        mine = label == number
        psi = distance(h, MIN_HEIGHT)
        ghost = (label == COLLECTOR_PIECE) & (before == COLLECTOR_PIECE) & (h > MIN_RIDGE_HEIGHT)
        rest = profile(-self._distance(np.where(mine, psi, -np.abs(psi)), ghost))
        tail = ghost & (rest > MIN_RIDGE_HEIGHT) & (self.owner.x.array == 0.0)
        share = np.where(mine, metal, np.where(tail, np.minimum(metal, rest), 0.0))
        self.afloat.x.array[:] += share
        self.owner.x.array[mine | tail] = number

    @property
    def still(self) -> Mask:
        """Local nodes in which no metal reacts: cores of what floats, and where no piece is."""
        return np.asarray(self.core | (self.count[1] > 1.0) & (self.piece.x.array == 0.0))

    @property
    def core(self) -> Mask:
        """Local nodes in the cores of metal that floats."""
        return np.asarray(self.afloat.x.array >= TOUCH_HEIGHT)

    def surface(self, volume: Array) -> Array:
        """Area of what floats at owned nodes, all of it in the cores: tails do not conduct there.

        A profile at rest has xi (1 - xi)/lambda of area per volume, half of it where xi >= 1/2.

        Args:
            volume: of the nodes, m3 (2D: m2).
        """
        xi = np.where(self.core, np.minimum(self.afloat.x.array, 1.0), 0.0)[: len(volume)]
        return np.asarray(2.0 * volume / self.width * xi * (1.0 - xi))

    def numbers_of(self, number: Ints) -> set[int]:
        """Numbers other than 0 on any rank (collective)."""
        here = {int(k) for k in np.unique(number) if k}
        return set().union(*self.comm.allgather(here))

    def stubs(self, live: Array) -> Mask:
        """Nodes between PART_HEIGHT and TOUCH_HEIGHT that hang on no core (collective)."""
        if self.count[1] <= 1:
            return np.zeros(len(live), dtype=bool)
        i, j = self.edges
        high = live >= PART_HEIGHT
        linked = high[i] & high[j]
        part, count, family = united(
            self.comm, self.map, high | (self.kin >= 0), np.stack([i[linked], j[linked]]),
            kin=self.kin, families=self.families, ids=self.ids,
        )
        core = self._tallest(part, live, count) >= TOUCH_HEIGHT
        core[family[family >= 0]] = True
        return high & ~np.append(core, False)[part]  # -1, no part: the last entry

    def _distance(self, psi: Array, on: Mask) -> Array:
        """Distance of marked nodes from the contour psi = 0, in lambda; else inf (collective)."""
        x, out = self.unknown.space.tabulate_dof_coordinates(), np.full(len(psi), np.inf)
        contour, _ = crossings(x, self.edges, psi)
        far = -float(distance(MIN_HEIGHT, MIN_HEIGHT)) * self.width
        out[on] = nearest(self.comm, x[on], contour, far) / self.width
        return out

    def _cores(self, h: Array, before: Ints) -> tuple[Ints, Ints, int, int]:
        """Links of metal, the part of each node, how many pieces and solids there are, own part."""
        core, live = self.core, h - self.afloat.x.array
        live = np.where(core, 1.0, live)
        high = live >= PART_HEIGHT
        i, j = self.edges
        near = np.flatnonzero(high[i] & high[j])
        i, j = i[near], j[near]
        same = (before[i] == before[j]) & (before[i] != 0)
        linked = same | (live[i] >= TOUCH_HEIGHT) & (live[j] >= TOUCH_HEIGHT)
        links = np.stack([i[linked], j[linked]])
        part, count, family = united(
            self.comm, self.map, high | (self.kin >= 0), links,
            kin=self.kin, families=self.families, ids=self.ids,
        )
        pieces = self._tallest(part, live, count) >= TOUCH_HEIGHT
        pieces[family[family >= 0]] = True
        return links, part, int(pieces.sum()), int(family[0])

    def _search(self, kept: list[Array], *, parts: bool) -> tuple[float, Array]:
        """Share of the step after which pieces part or join, 0: at once; h then (collective).

        From what the foreseen h says of the time between; both within `CONTACT_SLACK`.

        Args:
            kept: fields of the pieces before.
            parts: there are more pieces then than before.
        """
        now = self._take(kept)
        old = self._shared(self._covered(self.unknown.old[0].x.array))
        way = self.height - old
        most = self.comm.allreduce(float(np.abs(way).max(initial=0.0)), op=MPI.MAX)
        before, low, high = self.before, 0.0, 1.0
        while (high - low) * most > 0.25 * CONTACT_SLACK:
            middle = 0.5 * (low + high)
            there = self._cores(old + middle * way, before)[2] == self.count[1]
            low, high = (low, middle) if there else (middle, high)
        self._take(now)
        left = high * most
        share = 0.0 if left <= CONTACT_SLACK else high - 0.5 * CONTACT_SLACK / most
        divided = parts and left > MAX_APPROACH
        return MAX_APPROACH_SHARE * share if divided else share, old + high * way

    def _take(self, values: list[Array]) -> list[Array]:
        """Put these values into the fields of the pieces; what they had."""
        had = [field.x.array.copy() for field in self.kept]
        for field, value in zip(self.kept, values, strict=True):
            field.x.array[:] = value
        return had

    def _tell_apart(self, h: Array, links: Ints, before: Ints) -> Ints:
        """Numbers of pieces at all nodes that are seen, 0 elsewhere (collective).

        Args:
            h: height of what does not float yet.
            links: of metal.
            before: numbers of the last step.
        """
        links = links[:, ~self.core[links].any(axis=0)]
        active = self._around(h > MIN_HEIGHT) & ~self.core | (self.kin >= 0)
        own_before = before == COLLECTOR_PIECE
        ridge = self._ridges(h) & own_before
        for neck in (False, True):
            if neck:  # one has parted
                ridge = self._ridges(h, TOUCH_HEIGHT) & own_before
                ridge &= self._alone(h, ridge)
                links = links[:, ~ridge[links].any(axis=0)]
            uphill = self._ascent(h, links, active, ridge)
            part, count, family = united(
                self.comm, self.map, active, np.concatenate([links, uphill], axis=1),
                kin=self.kin, families=self.families, ids=self.ids,
            )
            metal = self._tallest(part, h, count) >= TOUCH_HEIGHT
            pieces = metal.copy()
            pieces[family[family >= 0]] = True
            parted = metal & (self._tallest(part, own_before.astype(float), count) > 0.0)
            own = family[:1][family[:1] >= 0]
            parted[own] = False
            if not parted.any():
                break
        ghost = self._tallest(part, (ridge & active).astype(float), count) > 0.0
        first = ghost & ~parted & parted.any()
        first[own] = True
        group = _joined(self._saddles(part, h), pieces, first)
        return self._numbered(part, group, metal, family, before)

    def _ascent(self, h: Array, links: Ints, active: Mask, ridge: Mask) -> Ints:
        """Links of every free node below TOUCH_HEIGHT to its highest neighbour (collective).

        Args:
            h: the heights.
            links: of metal.
            active: nodes that are given to a piece.
            ridge: nodes that follow only one another.
        """
        bound = np.zeros(len(h), dtype=bool)
        bound[links] = True
        free = active & (self.kin < 0) & (h < TOUCH_HEIGHT) & ~self._anywhere(bound)
        base, neighbour, _ = self._beside(free)
        leads = ~ridge[base] | ridge[neighbour]
        beside = np.where(leads, h[neighbour], -1.0)
        top = self._best(base, beside)
        best = leads & (beside == top[base])
        last = self._best(base, np.where(best, self.ids[neighbour], -1.0))
        climbs = (top > h) | (top == h) & (last > self.ids)
        chosen = best & climbs[base] & (self.ids[neighbour] == last[base])
        return np.stack([base[chosen], neighbour[chosen]])

    def _ridges(self, h: Array, most: float = PART_HEIGHT) -> Mask:
        """Nodes below a height from which no edge rises as a front does (collective)."""
        low = (h > MIN_RIDGE_HEIGHT) & (h < most) & (self.kin < 0)
        base, neighbour, length = self._beside(low)
        above, below = (distance(h[at], MIN_RIDGE_HEIGHT) for at in (neighbour, base))
        rise = self._best(base, (above - below) / length)
        return np.asarray(low & (rise < MAX_RIDGE_SLOPE))

    def _alone(self, h: Array, on: Mask) -> Mask:
        """Marked nodes with more metal than any front leaves there (collective)."""
        psi = distance(h, MIN_HEIGHT)
        return np.asarray(beyond_rest(self._distance(psi, on), -psi) > 0.0)

    def _beside(self, on: Mask) -> tuple[Ints, Ints, Array]:
        """Marked nodes, each of their neighbours, and how far that is, over lambda."""
        which = np.flatnonzero(on[self.base])
        return self.base[which], self.neighbour[which], self.length[which]

    def _best(self, base: Ints, values: Array) -> Array:
        """The largest of a value for each neighbour, at every node, -1 without (collective)."""
        out = np.full(len(self.kin), -1.0)
        first = np.flatnonzero(np.diff(base, prepend=-1))
        if len(first):
            out[base[first]] = np.maximum.reduceat(values, first)
        return self._highest(out)

    def _saddles(self, part: Ints, h: Array) -> Array:
        """Rows (height, part, part): the highest edge between any two parts (collective)."""
        i, j = self.edges
        a, b = part[i], part[j]
        on = (a != b) & (a >= 0) & (b >= 0)
        rows = np.stack([np.minimum(h[i], h[j])[on], np.minimum(a, b)[on], np.maximum(a, b)[on]])
        rows = _highest_of_pairs(rows.T)
        return _highest_of_pairs(np.concatenate(self.comm.allgather(rows)))

    def _numbered(
        self, part: Ints, group: Ints, metal: Mask, family: Ints, before: Ints
    ) -> Ints:
        """Numbers for groups of parts: those that most of their metal had, or new ones."""
        size = len(group)
        number = np.zeros(size, dtype=np.int64)
        for k in range(1, self.families):
            if family[k] >= 0:
                number[group[family[k]]] = -k
        grown = np.unique(group[metal])
        n, h = self.map.size_local, self.height
        high = (part[:n] >= 0) & (h[:n] >= PART_HEIGHT)
        core = np.flatnonzero(high & (before[:n] > COLLECTOR_PIECE))
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
        fresh = max(int(self.count[0]), *(e[2] + 1 for e in everyone))
        for which in sorted(free):
            number[which], fresh = fresh, fresh + 1
        self.count[0] = fresh
        if own >= 0:
            number[own] = COLLECTOR_PIECE
        return np.where(part >= 0, number[group[part]], 0)

    def _cut(self) -> None:
        """Shut the cells that are not of one piece."""
        piece = np.rint(self.piece.x.array).astype(np.int64)
        far = np.iinfo(np.int64).max

        def alike(low: Ints, high: Ints) -> Mask:
            lowest, highest = low[self.corners[0]], high[self.corners[0]]
            for corner in self.corners[1:]:
                lowest = np.minimum(lowest, low[corner])
                highest = np.maximum(highest, high[corner])
            return np.asarray(lowest >= highest)

        self.open.x.array[self.cells] = alike(piece, piece) & ~self.barred
        metal = np.where(piece <= 0, far, piece), np.where(piece <= 0, -far, piece)
        self.flows.x.array[self.cells] = alike(*metal) & ~self.core[self.corners].any(axis=0)
        apart = bool((self.flows.x.array < 1.0).any())
        self.parted = self.comm.allreduce(apart, op=MPI.LOR)
        seen = np.where(piece == 0, far, piece), np.where(piece == 0, -far, piece)
        left = np.where(alike(*seen), 1.0, SHUT_SHARE)
        self.left.x.array[self.cells] = np.where(self.barred, SHUT_SHARE**2, left)

    # -- what has happened in the step ---------------------------------------------------------

    def heir(self, number: int) -> int:
        """The piece that most metal of a former one belongs to now; 0 if it has dissolved.

        Args:
            number: of the piece, as the last step left it. Collective.
        """
        n = self.map.size_local
        on = (self.before[:n] == number) & (self.height[:n] >= PART_HEIGHT)
        now, count = np.unique(self.piece.x.array[:n][on].astype(np.int64), return_counts=True)
        total: dict[int, int] = {}
        for here in self.comm.allgather([*zip(now.tolist(), count.tolist(), strict=True)]):
            for which, nodes in here:
                total[which] = total.get(which, 0) + nodes
        return max(total, key=lambda which: (total[which], -which), default=0)

    def number_of(self, solid: int) -> int:
        """Number that a floating solid, and the piece around it, had before the step (collective).

        Args:
            solid: as in the attribute `solid`.
        """
        mine = self.before[self.kin == 1 + int(np.searchsorted(self.floating, solid))]
        known = {int(k) for each in self.comm.allgather(mine[:1].tolist()) for k in each}
        return max(known, default=0)

    def where(self, number: int, *, joined: bool = False) -> list[float] | None:
        """Place at which a piece has just parted from another, m; None if it is alone (collective).

        Args:
            number: of the piece.
            joined: where it has joined another one instead, as the step found them.
        """
        return self._edge(self.before, number) if joined else self.places.get(number)

    def _edge(self, piece: Ints, number: int) -> list[float] | None:
        """Middle of the highest edge from a piece to another, m; None without (collective)."""
        i, j = self.edges
        a, b = piece[i], piece[j]
        on = (a != b) & (a != 0) & (b != 0) & ((a == number) | (b == number))
        i, j = i[on], j[on]
        x = self.unknown.space.tabulate_dof_coordinates()[:, : self.s.domain.dim]
        height = np.minimum(self.height[i], self.height[j])
        best = np.flatnonzero(height == height.max(initial=-1.0))
        mine = [(-float(height[k]), (0.5 * (x[i[k]] + x[j[k]])).tolist()) for k in best.tolist()]
        found = [row for rows in self.comm.allgather(mine) for row in rows]
        return min(found)[1] if found else None

    def beside_coatings(self, label: Ints) -> Ints:
        """Labels of local nodes; those that are coated get what their piece has around them.

        Args:
            label: of every local node, -1 for none. Collective.
        """
        if not self.keeps_off:
            return label
        piece = self.piece.x.array
        base, neighbour, _ = self._beside(self.coated)
        own = (piece[base] == piece[neighbour]) & ~self.coated[neighbour]
        around = self._best(base, np.where(own, label[neighbour], -1.0))
        return np.where(self.coated, around.astype(np.int64), label)

    # -- nodes that ranks share ----------------------------------------------------------------

    def _shared(self, values: Array) -> Array:
        """Values of the owners everywhere (collective)."""
        if self.comm.size > 1:
            self.work.x.array[:] = values
            self.work.x.scatter_forward()
            values = self.work.x.array
        return values.copy()

    def _highest(self, values: Array) -> Array:
        """The highest that any rank has at a node, everywhere (collective)."""
        return highest(self.work, values)

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


def _joined(saddles: Array, pieces: Mask, first: Mask) -> Ints:
    """Group of every part: basins join across the highest saddle, two pieces never do.

    Args:
        saddles: rows (height, part, part).
        pieces: parts with a core, and solids.
        first: parts that join one another before any other.
    """
    parent, taken = np.arange(len(pieces)), pieces.copy()

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = int(parent[k])
        return k

    # Ties go by the numbers of the mesh file, so that ranks do not matter.
    order = np.lexsort((saddles[:, 2], saddles[:, 1], -saddles[:, 0]))
    rows = saddles[order, 1:].astype(np.int64)
    before = first[rows[:, 0]] & first[rows[:, 1]]
    for a, b in (*rows[before].tolist(), *rows[~before].tolist()):
        a, b = root(a), root(b)
        if a != b and not (taken[a] and taken[b]):
            parent[b] = a
            taken[a] |= taken[b]
    return np.array([root(k) for k in range(len(pieces))], dtype=np.int64)


def _highest_of_pairs(rows: Array) -> Array:
    """Row with the largest height for every pair (a, b) among rows (height, a, b)."""
    rows = rows[np.lexsort((-rows[:, 0], rows[:, 2], rows[:, 1]))]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(rows[:, 1:], axis=0) != 0.0).any(axis=1)
    return rows[new]


def _summed(pairs: Ints, weight: Array) -> tuple[Ints, Array]:
    """Pairs of numbers from 0 on, each once, and the sums of their weights."""
    a, b = pairs.reshape(-1, 2).T
    size = int(b.max(initial=0)) + 1
    keys, index = np.unique(a * size + b, return_inverse=True)
    sums = np.bincount(index, weights=weight, minlength=len(keys))
    return np.stack([keys // size, keys % size], axis=1), sums


def _file_numbers(domain: Any, space: Any, part: Any) -> Ints:
    """Number in the mesh file of every local node, the same on any number of ranks."""
    numbers = np.asarray(domain.mesh.geometry.input_global_indices, dtype=np.int64)
    return np.asarray(numbers[domain.vertices(space, part)])
