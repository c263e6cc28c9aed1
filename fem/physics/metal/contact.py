r"""Contact of metal with metal: what floats, and the cells in which metal does not conduct.

Every step the nodes of the pores are sorted into pieces (`fem.physics.metal.pieces`):

    height   h = max(xi, cap) at the nodes of the pores, foreseen for the end of the step
    afloat   metal of pieces without contact, `owner` their numbers. A piece that is cut off stands
             still, and its charge stays: no metal reacts in its core (afloat >= TOUCH_HEIGHT) nor
             flows there; what current comes in at one end goes out at another. All that moves is
             the rest, h - afloat: front, remains, necks and pieces know nothing of what floats.
             Where a front grows through the tail of such a piece both are in one node, and two
             sharp fronts that meet have 1/2 each. What is linked with the collector floats no
             more; of what is not, all metal does. In the ghost of a neck only the tail that a
             front of what floats has at rest is afloat; the rest is the collector's, and stripped
    cut      a cell of the pores is open to electrons of metal if all its nodes are of one piece or
             all of none: else a node that no piece had foreseen would link two. Between two pieces
             SHUT_SHARE of the empty pore's conductivity is left, beside coatings SHUT_SHARE^2

Pieces part and join between two steps: a step in which they would ends there, with the pieces that
were before it, and rates jump as the next one begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, dfem
from fem.mesh.spaces import space_on
from fem.physics.metal.necks import (
    CONTACT_SLACK,
    GHOST_HEIGHT,
    MIN_PART_HEIGHT,
    TOUCH_HEIGHT,
    part_height,
)
from fem.physics.metal.pieces import COLLECTOR_PIECE, MIN_HEIGHT, MIN_RIDGE_HEIGHT, Pieces
from fem.physics.metal.profile import distance, profile
from fem.physics.metal.solids import Solids

if TYPE_CHECKING:
    from fem.system.system import System
    from fem.system.unknown import Unknown

__all__ = ["Contact"]

#: Share of the empty pore's conductivity between two pieces; all of it would leak 1e-4 of 1 mA/cm2
#: through a row of cells at 25 mV.
SHUT_SHARE = 1e-4
#: Change of h before a neck parts that is too long to be foreseen well, and the share of it that a
#: step takes: the next one looks again. (A join moves by 0.06 % of its time: 0.003 lambda.)
MAX_APPROACH, MAX_APPROACH_SHARE = 0.02, 0.6

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
        height: h of the last decision.
        solids: conductors beside the pores.
        nodes: of the pores.
        pieces: by which they are distinguished.
    """

    def __init__(
        self, s: System, unknown: Unknown, regions: Sequence[str], width: float,
        bridged: Sequence[str] = (),
    ):
        self.s, self.unknown, self.regions, self.bridged = s, unknown, regions, bridged
        self.width = width
        cellwise = space_on(s.domain.mesh, ("DG", 0))
        fields = [dfem.Function(cellwise, name=name) for name in ("open", "left", "flows")]
        self.open, self.left, self.flows = fields
        for field in fields:
            field.x.array[:] = 1.0
        self.parted = False
        self.kept = tuple(s.memory(name, unknown.part) for name in ("piece", "afloat", "owner"))
        self.piece, self.afloat, self.owner = self.kept
        #: Number of the next new piece, and how many pieces and solids there are.
        self.count = s.charges["pieces"] = np.array([COLLECTOR_PIECE + 1.0, 0.0])
        #: Height at which a neck parted last: what is left of it below is no front.
        self.parted_at = s.charges["parted_at"] = np.array([GHOST_HEIGHT])
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

    # -- decision ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Find the solids and the edges of the pores (collective; once)."""
        if self._ready:
            return
        self._ready = True
        self.solids = Solids(self.s, self.unknown, self.regions, self.width, self.bridged)
        self.nodes = self.solids.nodes
        self.pieces, self.comm = Pieces(self.nodes), self.nodes.comm
        self.barred = self.solids.coated[self.nodes.corners].any(axis=0)

    def update(self) -> bool:
        """Decide for the step at hand, from the front foreseen and the caps shown (collective).

        Pieces part and join between two steps: a step in which they would keeps those of before.
        Where they do so at once the formula begins anew and foresees nothing: then it is as found.
        """
        height = self._covered(self.s["front"].xi.x.array)
        if self.due is not None and self.due[0] == self.s.t and self.s.time.history == 1:
            height = self.due[1]
        count, parted_at = self.count.copy(), self.parted_at.copy()
        kept = [f.x.array.copy() for f in self.kept]
        now = self.unknown.old[0].x.array
        self.decide(height, now)
        self.share = self.due = None
        if self.changed and self.s.dt > 0.0:
            self.share, there = self._search(kept, parts=self.count[1] > count[1])
            self.due = None if self.share else (self.s.t, there)
        if self.share:
            self.count[:], self.parted_at[:] = count, parted_at
            self._take(kept)
            self.height = self.nodes.shared(self._covered(now))
            self._cut()
        return self.changed and not self.share

    def _covered(self, xi: Array) -> Array:
        """Height of this xi and the caps of nuclei."""
        cap = self.s.values.get("cap")
        return xi if cap is None else np.maximum(xi, cap.x.array)

    def begin(self) -> None:
        """Decide for the present state, outside a step (collective)."""
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
        h = self.height = self.nodes.shared(height)
        before = self.before = np.rint(self.piece.x.array).astype(np.int64)
        afloat, owner = self.afloat.x.array, self.owner.x.array
        least = self._part_height(h - afloat)
        links, part, pieces, own = self.pieces.cores(h - afloat, self.core, before, least)
        self.changed, self.count[1] = pieces != self.count[1], pieces
        if pieces <= 1:
            number = COLLECTOR_PIECE if own >= 0 or not pieces else COLLECTOR_PIECE + 1
            for field, value in zip(self.kept, (number, 0.0, 0.0), strict=True):
                field.x.array[:] = value
        else:
            joined = self.nodes.numbers_of(owner[self.core & (part == own)]) if own >= 0 else set()
            gone = np.isin(owner, [*joined])
            afloat[gone] = owner[gone] = 0.0
            if joined:  # in its tails there was less metal than there is now
                links = self.pieces.cores(h - afloat, self.core, before, least)[0]
            label, self.count[0] = self.pieces.tell_apart(
                h - afloat, links, before, self.core, h, int(self.count[0]))
            lost = (label > COLLECTOR_PIECE) & (before == COLLECTOR_PIECE) & (h >= TOUCH_HEIGHT)
            if self.comm.allreduce(bool(lost.any()), op=MPI.LOR):
                self.parted_at[0] = least
            for number in sorted(self.nodes.numbers_of(label[label > COLLECTOR_PIECE])):
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
        far = -float(distance(MIN_HEIGHT, MIN_HEIGHT))
        rest = profile(-self.nodes.distance(np.where(mine, psi, -np.abs(psi)), ghost, far))
        tail = ghost & (rest > MIN_RIDGE_HEIGHT) & (self.owner.x.array == 0.0)
        share = np.where(mine, metal, np.where(tail, np.minimum(metal, rest), 0.0))
        afloat, owner = self.afloat.x.array, self.owner.x.array
        most = (owner == 0.0) | (share > afloat)  # its tail may reach that of another
        afloat += share
        owner[(mine | tail) & most] = number

    def _search(self, kept: list[Array], *, parts: bool) -> tuple[float, Array]:
        """Share of the step after which pieces part or join, 0: at once; h then (collective).

        From what the foreseen h says of the time between; both within `CONTACT_SLACK`.

        Args:
            kept: fields of the pieces before.
            parts: there are more pieces then than before.
        """
        now = self._take(kept)
        old = self.nodes.shared(self._covered(self.unknown.old[0].x.array))
        way = self.height - old
        most = self.comm.allreduce(float(np.abs(way).max(initial=0.0)), op=MPI.MAX)
        before, low, high = self.before, 0.0, 1.0
        while (high - low) * most > 0.25 * CONTACT_SLACK:
            middle = 0.5 * (low + high)
            there = self._pieces_at(old + middle * way, before) == self.count[1]
            low, high = (low, middle) if there else (middle, high)
        self._take(now)
        left = high * most
        share = 0.0 if left <= CONTACT_SLACK else high - 0.5 * CONTACT_SLACK / most
        divided = parts and left > MAX_APPROACH
        return MAX_APPROACH_SHARE * share if divided else share, old + high * way

    def _pieces_at(self, h: Array, before: Ints) -> int:
        """Number of pieces and solids at this h (collective)."""
        live = h - self.afloat.x.array
        return self.pieces.cores(live, self.core, before, self._part_height(live))[2]

    def _part_height(self, live: Array) -> float:
        """Height at which necks part, of metal that does not float (collective)."""
        front = self.s["front"]
        front.prepare()
        n = len(front.volume)
        facing = np.where(self.nodes.kin[:n] >= 0, front.facing(), 0.0)
        return part_height(self.comm, live[:n], front.volume, facing, self.width)

    def _take(self, values: list[Array]) -> list[Array]:
        """Put these values into the fields of the pieces; what they had."""
        had = [field.x.array.copy() for field in self.kept]
        for field, value in zip(self.kept, values, strict=True):
            field.x.array[:] = value
        return had

    def _cut(self) -> None:
        """Shut the cells that are not of one piece."""
        piece, corners = np.rint(self.piece.x.array).astype(np.int64), self.nodes.corners
        lowest, highest = piece[corners[0]], piece[corners[0]]
        for corner in corners[1:]:
            here = piece[corner]
            lowest, highest = np.minimum(lowest, here), np.maximum(highest, here)
        mixed = np.flatnonzero(lowest < highest)
        among, far = piece[corners[:, mixed]], np.iinfo(np.int64).max

        def several(counts: Mask) -> Ints:
            """Cells with more than one piece among those of their nodes that count."""
            low, high = np.where(counts, among, far), np.where(counts, among, -far)
            return np.asarray(mixed[low.min(axis=0) < high.max(axis=0)])

        self.open.x.array[self.nodes.cells] = (lowest == highest) & ~self.barred
        flows = ~self.core[corners].any(axis=0)
        flows[several(among > 0)] = False
        self.flows.x.array[self.nodes.cells] = flows
        self.parted = self.comm.allreduce(bool((~flows).any()), op=MPI.LOR)
        left = np.where(self.barred, SHUT_SHARE**2, 1.0)
        shut = several(among != 0)
        left[shut] = np.minimum(left[shut], SHUT_SHARE)
        self.left.x.array[self.nodes.cells] = left

    # -- what the metal of a step asks ---------------------------------------------------------

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

    def stubs(self, live: Array) -> Mask:
        """Nodes below TOUCH_HEIGHT that a neck left, and that hang on no core (collective)."""
        if self.count[1] <= 1:
            return np.zeros(len(live), dtype=bool)
        return self.pieces.stubs(live, float(self.parted_at[0]))

    # -- what has happened in the step ---------------------------------------------------------

    def heir(self, number: int) -> int:
        """The piece that most metal of a former one belongs to now; 0 if it has dissolved.

        Args:
            number: of the piece, as the last step left it. Collective.
        """
        n = self.nodes.map.size_local
        on = (self.before[:n] == number) & (self.height[:n] >= MIN_PART_HEIGHT)
        now, count = np.unique(self.piece.x.array[:n][on].astype(np.int64), return_counts=True)
        total: dict[int, int] = {}
        for here in self.comm.allgather([*zip(now.tolist(), count.tolist(), strict=True)]):
            for which, nodes in here:
                total[which] = total.get(which, 0) + nodes
        return max(total, key=lambda which: (total[which], -which), default=0)

    def number_of(self, solid: int) -> int:
        """Number that a floating solid, and the piece around it, had before the step (collective).

        Args:
            solid: as in the attribute `solids.solid`.
        """
        mine = self.before[self.nodes.kin == 1 + int(np.searchsorted(self.solids.floating, solid))]
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
        i, j = self.nodes.edges
        a, b = piece[i], piece[j]
        on = (a != b) & (a != 0) & (b != 0) & ((a == number) | (b == number))
        i, j = i[on], j[on]
        x = self.nodes.points[:, : self.s.domain.dim]
        height = np.minimum(self.height[i], self.height[j])
        best = np.flatnonzero(height == height.max(initial=-1.0))
        mine = [(-float(height[k]), (0.5 * (x[i[k]] + x[j[k]])).tolist()) for k in best.tolist()]
        found = [row for rows in self.comm.allgather(mine) for row in rows]
        return min(found)[1] if found else None
