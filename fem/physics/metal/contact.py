r"""Contact of metal with metal: which piece every bit of it belongs to, and where pieces are cut.

The profile of a front has tails, and tails must carry electrons to the front of their own piece,
but to no other. So pieces are distinguished by their cores, and tails are given to them by ascent:

    height   h = max(xi, cap) at the nodes of the pores, foreseen for the end of the step
    piece    nodes linked by edges with h >= TOUCH_HEIGHT at both ends, by one conducting solid, or
             by the collector; with h >= PART_HEIGHT only, if both ends were in one piece at the
             last step
    wall     a node on a conductor belongs to that solid whatever h is there; metal beside it is
             linked to it as to any other node
    ascent   every other node follows its highest neighbour uphill
    basin    what ends in a maximum below TOUCH_HEIGHT (a young film, a nucleus) joins its neighbour
             across the highest saddle; two pieces are never joined so
    keeping  where the metal as a whole dissolves, tails stay with the piece that they were of.
             Where it is plated fronts go into the tails of others: nodes pass from what floats to
             the collector's piece, and back only if they hold what is lent
    lent     metal of what floats in nodes of the collector's piece: all that is there as a node
             passes, and what a front at rest has in the ghost of a neck that parts. It counts with
             the piece that floats, as far as it is there; where nothing else is left while metal
             dissolves, ascent gives the node back. What goes back with a node is what was lent: the
             rest counts with the piece that the node was of, the other way round
    ridge    a node of the collector's piece below PART_HEIGHT that rises less than a front does
             (MAX_RIDGE_SLOPE in psi; a front has 1): the last of a neck. As a neck parts, also one
             below TOUCH_HEIGHT that has more than the front of a piece can have left there. It
             follows other such nodes only, and their basin joins the collector's piece if it can.
             So what is left of a neck is stripped, and does not hang for ever on what was cut off
    stub     what a ridge has above PART_HEIGHT and no piece holds: `fem.physics.metal.remains`
             brings it to rest, and nothing grows on it
    cut      a cell of the pores is open to electrons of metal if all its nodes are of one piece or
             all of none: else a node that no piece had foreseen would link two. Between two pieces
             SHUT_SHARE of the empty pore's conductivity is left, beside coatings SHUT_SHARE^2.
             Nor does metal pass there, and no front has an area in it: else what is cut off
             relaxes into the cells of the collector's piece, and dissolves at its potential

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
        flows: 0 in cells between two pieces of metal, 1 elsewhere (DG0, whole mesh).
        parted: there are such cells, on this rank or another.
        stub: 1 at nodes from PART_HEIGHT on that hang on no core of a piece, 0 elsewhere.
        lent: the xi of local nodes that counts with another piece than theirs.
        lender: number of that piece, 0 for none.
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
        self.piece, self.stub, self.lent, self.lender = (
            s.memory(name, unknown.part) for name in ("piece", "stub", "lent", "lender"))
        #: Number of the next new piece, and how many pieces and solids there are.
        self.count = s.charges["pieces"] = np.array([COLLECTOR_PIECE + 1.0, 0.0])
        self.height = np.zeros(len(unknown.value.x.array))
        self.before, self.changed = np.zeros(len(self.height), dtype=np.int64), False
        #: Share of the step at hand after which pieces part or join: 0 at once, None not in it.
        self.share: float | None = None
        #: When pieces part or join at once: the time, s, and the h that was foreseen.
        self.due: tuple[float, Array] | None = None
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

    def update(self) -> None:
        """Decide for the step at hand, from the front foreseen and the caps shown (collective).

        Pieces part and join between two steps: a step in which they would keeps those of before.
        Where they do so at once the formula begins anew and foresees nothing: then it is as found.
        """
        height = self._covered(self.s["front"].xi.x.array)
        if self.due is not None and self.due[0] == self.s.t and self.s.history == 1:
            height = self.due[1]
        count, stub = self.count.copy(), self.stub.x.array.copy()
        self.decide(height)
        self.share = self.due = None
        if self.changed and self.s.dt > 0.0:
            self.share, there = self._search(parts=self.count[1] > count[1])
            self.due = None if self.share else (self.s.t, there)
        if self.share:
            self.count[:], self.stub.x.array[:] = count, stub
            self.height = self._shared(self._covered(self.unknown.old[0].x.array))
            self._store(self.before)
        self._lend()

    def _lend(self) -> None:
        """Note what the collector's piece and what floats have of one another (collective)."""
        now, was = self.piece.x.array, self.before
        lent, lender = self.lent.x.array, self.lender.x.array
        metal = np.maximum(self.unknown.old[0].x.array, 0.0)
        own = now == COLLECTOR_PIECE
        floating, before = self._floating(now), self._floating(was)
        back = (was != now) & (was > 0.0) & (lender == now)  # the rest stays where it was
        lender[back], lent[back] = was[back], np.maximum(metal - lent, 0.0)[back]
        passed = (was > COLLECTOR_PIECE) & own & (lender == 0.0)
        lender[passed], lent[passed] = was[passed], metal[passed]
        for number in sorted(floating - before):  # what its front has at rest in the neck's ghost
            rest = self._rest(number, own & (was == COLLECTOR_PIECE) & (metal > MIN_RIDGE_HEIGHT))
            more = rest > np.maximum(lent, MIN_RIDGE_HEIGHT)
            lender[more], lent[more] = number, rest[more]
        np.minimum(lent, metal, out=lent)
        settled = (lender == now) | ~np.isin(lender, [COLLECTOR_PIECE, *floating])
        lent[settled] = lender[settled] = 0.0

    def _floating(self, piece: npt.NDArray[Any]) -> set[int]:
        """Numbers of the pieces of metal that float (collective)."""
        here = np.unique(piece[piece > COLLECTOR_PIECE]).astype(int).tolist()
        return set().union(*self.comm.allgather(here))

    def _rest(self, number: int, on: Mask) -> Array:
        """The xi of a front at rest around the core of a piece, at marked nodes (collective)."""
        psi = distance(self.height, MIN_HEIGHT)
        psi = np.where(self.piece.x.array == number, psi, -np.abs(psi))
        return np.asarray(profile(-self._distance(psi, on)))

    def _distance(self, psi: Array, on: Mask) -> Array:
        """Distance of marked nodes from the contour psi = 0, in lambda; else inf (collective)."""
        x, out = self.unknown.space.tabulate_dof_coordinates(), np.full(len(psi), np.inf)
        contour, _ = crossings(x, self.edges, psi)
        far = -float(distance(MIN_HEIGHT, MIN_HEIGHT)) * self.width
        out[on] = nearest(self.comm, x[on], contour, far) / self.width
        return out

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
            for field in (self.piece, self.stub, self.lent, self.lender):
                field.x.array[:] = 0.0
        self.decide(self.unknown.value.x.array)

    def recall(self) -> None:
        """Cut what `piece` says, as it was restored (collective)."""
        self.prepare()
        self._store(np.rint(self.piece.x.array).astype(np.int64))
        self.height = self.unknown.value.x.array.copy()

    def decide(self, height: Array) -> None:
        """Tell pieces apart by h at the local nodes, and cut between them (collective)."""
        self.prepare()
        h = self.height = self._shared(height)
        before = self.before = np.rint(self.piece.x.array).astype(np.int64)
        links, pieces, own = self._cores(h, before)
        self.changed, self.count[1] = pieces != self.count[1], pieces
        if pieces <= 1:
            number = COLLECTOR_PIECE if own or not pieces else COLLECTOR_PIECE + 1
            self._store(np.full(len(h), number))
            self.stub.x.array[:] = 0.0
        else:
            self._store(self._tell_apart(h, links, before))
            self.stub.x.array[:] = self._stubs(h, self.piece.x.array)

    def _stubs(self, h: Array, piece: Array) -> Mask:
        """Nodes between PART_HEIGHT and TOUCH_HEIGHT that hang on no core (collective)."""
        i, j = self.edges
        high = h >= PART_HEIGHT
        linked = high[i] & high[j] & (piece[i] == piece[j])
        part, count, family = united(
            self.comm, self.map, high | (self.kin >= 0), np.stack([i[linked], j[linked]]),
            kin=self.kin, families=self.families, ids=self.ids,
        )
        core = self._tallest(part, h, count) >= TOUCH_HEIGHT
        core[family[family >= 0]] = True
        return high & ~np.append(core, False)[part]  # -1, no part: the last entry

    def _cores(self, h: Array, before: Ints) -> tuple[Ints, int, bool]:
        """Links of metal, how many pieces and solids they leave, and if one is the collector's."""
        i, j = self.edges
        near = np.flatnonzero((h[i] >= PART_HEIGHT) & (h[j] >= PART_HEIGHT))
        i, j = i[near], j[near]
        same = (before[i] == before[j]) & (before[i] != 0)
        linked = same | (h[i] >= TOUCH_HEIGHT) & (h[j] >= TOUCH_HEIGHT)
        links = np.stack([i[linked], j[linked]])
        part, count, family = united(
            self.comm, self.map, (h >= PART_HEIGHT) | (self.kin >= 0), links,
            kin=self.kin, families=self.families, ids=self.ids,
        )
        pieces = self._tallest(part, h, count) >= TOUCH_HEIGHT
        pieces[family[family >= 0]] = True
        return links, int(pieces.sum()), bool(family[0] >= 0)

    def _search(self, *, parts: bool) -> tuple[float, Array]:
        """Share of the step after which pieces part or join, 0: at once; h then (collective).

        From what the foreseen h says of the time between; both within `CONTACT_SLACK`.

        Args:
            parts: there are more pieces then than before.
        """
        old = self._shared(self._covered(self.unknown.old[0].x.array))
        way = self.height - old
        most = self.comm.allreduce(float(np.abs(way).max(initial=0.0)), op=MPI.MAX)
        before, low, high = self.before, 0.0, 1.0
        while (high - low) * most > 0.25 * CONTACT_SLACK:
            middle = 0.5 * (low + high)
            there = self._cores(old + middle * way, before)[1] == self.count[1]
            low, high = (low, middle) if there else (middle, high)
        left = high * most
        share = 0.0 if left <= CONTACT_SLACK else high - 0.5 * CONTACT_SLACK / most
        divided = parts and left > MAX_APPROACH
        return MAX_APPROACH_SHARE * share if divided else share, old + high * way

    def _tell_apart(self, h: Array, links: Ints, before: Ints) -> Ints:
        """Numbers of pieces at all nodes that are seen, 0 elsewhere (collective)."""
        active = self._around(h > MIN_HEIGHT) | (self.kin >= 0)
        # Where metal dissolves no tail changes hands but what is lent and nothing else; where it is
        # plated none goes to what floats but where that has lent some.
        remains = self.s.values.get("remains")
        own_before, lent = before == COLLECTOR_PIECE, self.lender.x.array > 0.0
        if remains is None or remains.dissolves:
            keeps = np.where(lent & (self.unknown.old[0].x.array <= self.lent.x.array), 0, before)
        else:
            keeps = np.where(own_before & ~lent, before, 0)
        ridge = self._ridges(h) & (keeps != 0) & (keeps <= COLLECTOR_PIECE)
        for neck in (False, True):
            if neck:  # one has parted
                ridge = self._ridges(h, TOUCH_HEIGHT) & own_before & (keeps != 0)
                ridge &= self._alone(h, ridge)
                links = links[:, ~ridge[links].any(axis=0)]
            uphill = self._ascent(h, links, active, ridge, keeps)
            part, count, family = united(
                self.comm, self.map, active, np.concatenate([links, uphill], axis=1),
                kin=self.kin, families=self.families, ids=self.ids,
            )
            metal = self._tallest(part, h, count) >= TOUCH_HEIGHT
            pieces = metal.copy()
            pieces[family[family >= 0]] = True
            own = int(family[0])
            kept = self._tallest(part, np.maximum(keeps, 0).astype(float), count)
            parted = pieces & (kept == COLLECTOR_PIECE)
            if own >= 0:
                parted[own] = False
            if not parted.any():
                break
        if parted.any():  # of what has been between them, the ghost goes
            ghost = self._tallest(part, (ridge & active).astype(float), count) > 0.0
            kept[parted | (kept == COLLECTOR_PIECE) & ~ghost] = 0.0
            kept[own if own >= 0 else []] = COLLECTOR_PIECE
        group = _joined(self._saddles(part, h), pieces, kept)
        return self._numbered(part, group, metal, family, before, h)

    def _ascent(self, h: Array, links: Ints, active: Mask, ridge: Mask, keeps: Ints) -> Ints:
        """Links of every free node below TOUCH_HEIGHT to its highest neighbour (collective).

        Args:
            h: the heights.
            links: of metal.
            active: nodes that are given to a piece.
            ridge: nodes that follow only one another.
            keeps: piece of a node that follows only the like, 0 for any other.
        """
        bound = np.zeros(len(h), dtype=bool)
        bound[links] = True
        free = active & (self.kin < 0) & (h < TOUCH_HEIGHT) & ~self._anywhere(bound)
        base, neighbour, _ = self._beside(free)
        leads = ~ridge[base] | ridge[neighbour]
        leads &= (keeps[base] == 0) | (keeps[base] == keeps[neighbour])
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

    def _store(self, piece: Ints) -> None:
        """Keep the numbers, and shut the cells that are not of one piece."""
        self.piece.x.array[:] = piece
        far = np.iinfo(np.int64).max

        def alike(low: Ints, high: Ints) -> Mask:
            lowest, highest = low[self.corners[0]], high[self.corners[0]]
            for corner in self.corners[1:]:
                lowest = np.minimum(lowest, low[corner])
                highest = np.maximum(highest, high[corner])
            return np.asarray(lowest >= highest)

        self.open.x.array[self.cells] = alike(piece, piece) & ~self.barred
        metal = np.where(piece <= 0, far, piece), np.where(piece <= 0, -far, piece)
        self.flows.x.array[self.cells] = alike(*metal)
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
        piece = self.before if joined else np.rint(self.piece.x.array).astype(np.int64)
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


def _joined(saddles: Array, pieces: Mask, kept: Array) -> Ints:
    """Group of every part: basins join across the highest saddle, two pieces never do.

    Args:
        saddles: rows (height, part, part).
        pieces: parts with a core, and solids.
        kept: piece of which a part was; those of one join first. 0 for any other.
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
    before = (kept[rows[:, 0]] == kept[rows[:, 1]]) & (kept[rows[:, 0]] > 0.0)
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
