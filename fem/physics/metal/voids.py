"""Pores that metal has closed: no ion gets there, so nothing grows in them.

A void is a part of the electrolyte (xi < 1/2) that no chain of cells with xi < 1/2 joins to where
ions come in: that is when sharp fronts meet. Where metal is plated it must hold more than tails, a
node with xi < `OPEN_XI`: what is narrower than some four lambda is the last of a seam and closes,
too (`fem.physics.metal.remains`). Where metal dissolves nothing closes, and every such part is a
void, but no event. A void stays one until a chain of cells opens it. The front around it is
distinguished from the front outside by which contour xi = 1/2 is nearer; its area is left out of
the reaction. Salt does pass: through tails of both fronts, within seconds while the metal between
is less than 17 lambda thick.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, dfem, owned_size
from fem.mesh.components import components, edges, highest
from fem.mesh.nearest import crossings, nearest
from fem.physics.metal.profile import DISTANCE_FACTOR, DISTANCE_MARGIN, distance
from fem.physics.metal.remains import XI_RESOLUTION
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["Voids"]

#: Least xi that a void must contain; a closed pore without it is the last of a seam.
OPEN_XI = 0.1
#: Mean xi of a cell from which on it passes no ions.
SHUT_XI = 0.5
#: Difference of distances that counts as none, in lambda, so that ranks agree.
TIE_DISTANCE = 1e-6
#: Value of xi from which on metal has no tail of a front.
FULL_XI = 1.0 - 1e-6
#: Distance of a contour from the last of its tail, in lambda: all metal as near belongs to a void,
#: also where xi is above `FULL_XI` by a ripple. Behind a void a node that neither front had would
#: react where no ion gets, and nothing would hold its potential.
MAX_TAIL = DISTANCE_MARGIN + DISTANCE_FACTOR * float(distance(FULL_XI, XI_RESOLUTION))

Array = npt.NDArray[np.float64]


class Voids:
    """Closed pores at the step at hand.

    The field `void`, kept and checkpointed, is the number of the void that a node belongs to, from
    1 on in the order of closing; 0 elsewhere.

    Args:
        s: the system.
        unknown: the phase field.
        width: lambda, m.

    Attributes:
        late: numbers of those found while metal dissolves, which closes nothing: rests of seams.
            Those that are there from the start are not among them.
    """

    def __init__(self, s: System, unknown: Unknown, width: float):
        self.s, self.unknown, self.width = s, unknown, width
        self.comm, self.n = s.domain.comm, owned_size(unknown.space)
        self.number = s.memory("void", unknown.part)
        self.count = s.charges["voids"] = np.zeros(1)
        self.late: set[int] = set()
        self.work = dfem.Function(unknown.space)
        self.points = unknown.space.tabulate_dof_coordinates()
        self._ready = False

    @property
    def shut(self) -> npt.NDArray[np.bool_]:
        """Local nodes in a void, the front around it included."""
        return np.asarray(self.number.x.array > 0.5)

    def update(self, xi: Array, met: bool, dissolves: bool) -> None:
        """Look for voids (collective).

        Args:
            xi: local values, ghosts last.
            met: two fronts are near each other; without that no further pore closes by plating.
            dissolves: the front as a whole recedes.
        """
        held = self.comm.allreduce(bool(self.shut.any()), op=MPI.LOR)
        if not (met or held or dissolves) and self._ready:
            return
        # What was a pore: the front around a void has its number, too, and pockets of its own.
        pore = self.unknown.old[0].x.array < 0.5
        before = np.where(pore, np.rint(self.number.x.array), 0.0).astype(np.int64)
        part, count = self._closed(xi, before > 0, dissolves)
        self.number.x.array[:] = 0.0
        if not count:
            return
        number, fresh = self._numbers(part, count, before)
        self.late = self.late - fresh | (fresh if dissolves and self.s.t > 0.0 else set())
        self.number.x.array[:] = number[part]
        self._take_front(xi)

    def _prepare(self) -> None:
        """Cells that conduct ions, and those where ions come in (once; collective)."""
        if self._ready:
            return
        self._ready = True
        domain, u = self.s.domain, self.unknown
        ions = self.s.unknowns["phi_l"]
        self.ionic = np.zeros(len(domain.cell_tag_array), dtype=bool)
        self.ionic[ions.part.cells] = True
        given = {*self.s["ions"].fixed_potential, *self.s["ions"].inflow}
        entries = {"counter", *given} & {*domain.boundaries}
        none = np.empty(0, dtype=np.int32)
        self.entries = np.concatenate([none, *(domain.cells_along(b) for b in sorted(entries))])
        self.corners = u.space.dofmap.list
        self.edges = edges(self.corners)

    def _closed(
        self, xi: Array, held: npt.NDArray[np.bool_], dissolves: bool
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Number of the closed pore of each local node, from 1 on, 0 for none; how many."""
        self._prepare()
        on = self.ionic.copy()
        cells = self.unknown.part.cells
        on[cells] = xi[self.corners].mean(axis=1) < SHUT_XI
        label, count = components(self.s.domain.mesh, on)
        joined = np.zeros(count, dtype=np.int64)
        there = label[self.entries]
        joined[there[there >= 0]] = 1
        joined = self.comm.allreduce(joined, op=MPI.SUM)
        here = label[cells]
        node = self.work.x.array
        node[:] = -1.0
        node[self.corners[here >= 0]] = here[here >= 0, None]
        found = np.where(xi < 0.5, highest(self.work, node), -1.0).astype(np.int64)
        deep = np.zeros(count, dtype=np.int64)
        deep[found[(found >= 0) & ((xi < OPEN_XI) | held | dissolves)]] = 1
        deep = self.comm.allreduce(deep, op=MPI.SUM)
        void = np.flatnonzero((joined == 0) & (deep > 0)) if joined.any() else np.empty(0, int)
        order = np.zeros(count + 1, dtype=np.int64)
        order[void] = 1 + np.arange(len(void))
        return order[found], len(void)

    def _numbers(
        self, part: npt.NDArray[np.int64], count: int, before: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], set[int]]:
        """Number of every closed pore, what its nodes had or a new one; those (collective)."""
        number = np.zeros(count + 1, dtype=np.int64)
        np.maximum.at(number, part, before)
        self.comm.Allreduce(MPI.IN_PLACE, number, op=MPI.MAX)
        number[0] = 0
        fresh = np.flatnonzero(number[1:] == 0) + 1
        number[fresh] = int(self.count[0]) + 1 + np.arange(len(fresh))
        self.count[0] += len(fresh)
        return number, {*number[fresh].tolist()}

    def _take_front(self, xi: Array) -> None:
        """Give metal nodes around a void its number (collective)."""
        far, number = MAX_TAIL * self.width, self.number.x.array
        place, pore = crossings(self.points, self.edges, distance(xi, XI_RESOLUTION))
        of = np.rint(number[pore]).astype(np.int64)
        shut = place[of > 0]
        ends = self.comm.allgather((
            shut.min(axis=0, initial=np.inf), shut.max(axis=0, initial=-np.inf)))
        low = np.min([end[0] for end in ends], axis=0) - far
        high = np.max([end[1] for end in ends], axis=0) + far
        mine = xi[: self.n] >= 0.5
        tails = np.flatnonzero(mine & _within(self.points[: self.n], low, high))
        points, chosen = self.points[tails], np.zeros(len(tails))
        outside = place[(of == 0) & _within(place, low - far, high + far)]
        best = nearest(self.comm, points, outside, far)
        for k in sorted({*np.concatenate(self.comm.allgather(np.unique(of))).tolist()} - {0}):
            away = nearest(self.comm, points, place[of == k], far)
            closer = away < best - TIE_DISTANCE * self.width
            chosen[closer], best[closer] = k, away[closer]
        number[tails] = chosen
        self.number.x.scatter_forward()

    def opened(self, before: Array) -> set[int]:
        """Voids of an earlier state that are open now, in part at least (collective).

        Args:
            before: `number` of the owned nodes then.
        """
        pore = (self.unknown.owned < 0.5) & (self.number.x.array[: self.n] == 0.0)
        numbers = np.unique(np.rint(before[pore & (before > 0.5)]).astype(np.int64)).tolist()
        return {number for some in self.comm.allgather(numbers) for number in some}

    def found(self, volumes: Array) -> dict[int, dict[str, Any]]:
        """The voids by number, with `volume` (where xi < 1/2, m3) and `place` (collective).

        The tails of the metal around hold electrolyte, too: pi^2 lambda^2/3 more of a round pore.

        Args:
            volumes: of the owned nodes, m3 (2D: m2).
        """
        size, dim = int(self.count[0]) + 1, self.s.domain.dim
        number = np.rint(self.number.x.array[: self.n]).astype(np.int64)
        if size == 1:
            return {}
        amount = volumes * (self.unknown.owned < 0.5)
        weights = (amount, *(amount * self.points[: self.n, k] for k in range(dim)))
        sums = np.stack([np.bincount(number, weights=w, minlength=size) for w in weights])
        sums = self.comm.allreduce(sums, op=MPI.SUM)
        return {
            int(k): {"volume": float(sums[0, k]), "place": (sums[1:, k] / sums[0, k]).tolist()}
            for k in np.flatnonzero(sums[0] > 0.0) if k
        }


def _within(points: Array, low: Array, high: Array) -> npt.NDArray[np.bool_]:
    """Points of a box."""
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))
