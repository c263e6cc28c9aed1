r"""Remains of two fronts that have met: the last of a seam, the ghost of a neck.

A resting front lies lambda |psi(xi) - psi_0| from every node of its tails, with psi = ln(xi/(1 -
xi)) and psi_0 that of a contour. Where two fronts have met the contour is gone, but tails stay:
pores that close by a factor e per lambda of travel where a sharp interface leaves none, and metal
that connects nothing. With d the distance to the contour, the share of a node that remains is

    s = clip( d/lambda - 5/4 |psi(xi) - psi_0| - 1/2, 0, 1 )

The contour of metal is the xi at which a neck parted last (`fem.physics.metal.necks`), that of
pores xi = 1/2: the axis of a seam has that when sharp fronts meet, and so has a wall that a front
meets.
Metal within reach of a wall that it can have begun on is a film, not remains.

A stub, what a neck that has parted leaves above that contour without the core of a piece
(`fem.physics.metal.contact`), remains as a whole, and counts as pore where contours are looked for.

The top of what remains is a ridge: no way leads up from it as steeply as a front is. Fronts by
themselves, films that begin on walls and tails at rest have none, and then s = 0 everywhere. What
has remained stays a top until its s is 0: once it falls, the tails of what is left beside it make
it steep. Metal that has remained (a ghost) has the benefit of 5/4 and 1/2 no more, which moving
fronts need: s is then clip( 4 (d/lambda - |psi(xi) - psi_0|), 0, 1 ). (What is not all remains
grows along with a front that comes, and by a whole lambda that would be ahead by as much.)

Where the metal as a whole dissolves, remains of metal go, and where it is plated those of pores:
down to what a front at d would have there. The other ones stay: nothing grows on a ghost, and no
seam opens again along its middle. (Pore within reach of where ions come in has not been closed:
full pores are stripped from there.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, dfem, owned_size
from fem.mesh.components import edges, highest
from fem.mesh.nearest import crossings, nearest
from fem.physics.metal.necks import MIN_PART_HEIGHT, TOUCH_HEIGHT
from fem.physics.metal.profile import (
    DISTANCE_FACTOR,
    DISTANCE_MARGIN,
    beyond_rest,
    distance,
    profile,
)
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["MAX_DISTANCE", "Remains"]

#: Value of xi at the contour of pores, at which seams join.
SEAM = TOUCH_HEIGHT
#: Least metal, or pore, at the top of remains, and the amount below which it is neglected. Long
#: steps leave 0.06 of pore behind a front by itself, which fills as the tail comes to rest.
MIN_TOP_XI, FAINT_XI = 0.1, 1e-3
#: Largest slope of psi per lambda along the steepest way up from a ridge; a front has 1.
MAX_RIDGE_SLOPE = 0.4
#: Distance beyond which nothing that counts belongs to a front, in lambda.
MAX_DISTANCE = DISTANCE_MARGIN + 1.0 + DISTANCE_FACTOR * float(
    np.log(1.0 / FAINT_XI) + np.log(1.0 / MIN_PART_HEIGHT - 1.0)
)
#: Least xi and 1 - xi that are distinguished from 0.
XI_RESOLUTION = 1e-9
#: What a ghost has more than a front at rest when it is remains as a whole, in lambda of distance.
GHOST_RAMP = 0.25
#: Rate at which remains decay, in powers of e per lambda of travel.
DECAY_RATE = 8.0
#: Least share of remains that is left after one step, and the same where the front takes them by
#: itself: BDF2 goes on falling, and would drive below 0 what fell to less than 1/4.
MIN_SHARE_LEFT, MIN_FRONT_SHARE_LEFT = 0.3, 0.28
#: Least speed of metal that moves, as a share of the fastest; slower metal may float.
MIN_SPEED_SHARE = 0.1
#: Least net growth, or net loss, that counts, as a share of the turnover.
NET_GROWTH_SHARE = 0.5

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Remains:
    """Nodes of a phase field that are remains, and their decay.

    Args:
        s: the system.
        unknown: the phase field.
        width: lambda, m.
        walls: points of walls that metal can have begun on, this rank's, (n, 3), m.
        openings: points where ions come into the pores, this rank's, (n, 3), m.

    Attributes:
        metal: share of each owned node that is metal without a front.
        pore: share that is pore without one.
        met: a ridge has been found in this step: two fronts are near each other.
        speed: of the front at owned nodes, m/s; positive where it plates. By the potentials of the
            last step: a long seam that begins to be filled relieves the voltage, and what is
            extrapolated from there may have the other sign.
    """

    def __init__(
        self, s: System, unknown: Unknown, width: float, walls: Array, openings: Array
    ):
        self.s, self.unknown, self.width, self.comm = s, unknown, width, s.domain.comm
        space = unknown.space
        self.n = owned_size(space)
        self.points = space.tabulate_dof_coordinates()
        self.metal, self.pore, self.closed = (np.zeros(self.n) for _ in range(3))
        self.way, self.target, self.rest = (np.zeros(self.n) for _ in range(3))
        self.met = False
        self.goes, self.stays, self.full = np.zeros(self.n, dtype=bool), np.zeros(self.n), 0.0
        #: What has remained in the last step, and 1 if the metal as a whole grew in it, -1 if not.
        self.known = s.memory("remains", unknown.part)
        self.sense = s.charges["sense"] = np.array([-1.0])
        self.speed: Callable[[], Array] = lambda: np.zeros(self.n)
        self.cells = space.dofmap.list
        self.edges = edges(self.cells)
        i, j = self.edges
        self.length = np.linalg.norm(self.points[j] - self.points[i], axis=1) / width
        self.work = dfem.Function(space)
        far = MAX_DISTANCE * width
        self.to_wall, self.to_opening = (
            nearest(self.comm, self.points[: self.n], x, far) / width for x in (walls, openings)
        )

    @property
    def dissolves(self) -> bool:
        """The front as a whole recedes, or did before it came to rest."""
        return bool(self.sense[0] < 0.0)

    def update(self, xi: Array, area: Array) -> Array:
        """Find what remains, for the step at hand (collective).

        Args:
            xi: as foreseen, local values, ghosts last.
            area: of the front at every owned node, m2 (2D: m).

        Returns:
            What is to be expected of xi, remains included.
        """
        was = self.known.x.array[: self.n] > 0.5
        self.floats = self.s["contact"].afloat.x.array
        self._find(xi - self.floats)
        # What remained in the last step has no speed that could be carried on.
        self.unknown.meant = was | (self.metal > 0.0) | (self.pore > 0.0)
        self.way[:] = self.speed() * self.s.dt / self.width if self.s.dt > 0.0 else 0.0
        fast = self._turn(area)
        if not self.met or self.s.dt <= 0.0:
            return xi.copy()
        mine, afloat = xi[: self.n], self.floats[: self.n]
        now = self.unknown.old[0].x.array[: self.n] - afloat
        share = self.metal if self.dissolves else self.pore
        self.goes = fast & (share > 0.0)
        self.stays = np.where(self.way > 0.0, self.metal, self.closed)
        self.full = 0.0 if self.dissolves else 1.0
        left = np.abs(now - self.full)
        keep = np.maximum(np.exp(-DECAY_RATE * np.abs(self.way)), MIN_SHARE_LEFT)
        left = np.minimum(np.maximum(keep * left, self.rest), left)
        self.target = self.full + np.sign(now - self.full) * left
        expected = self.work.x
        stopped = mine + self.stays * (now + afloat - mine)
        expected.array[: self.n] = np.where(self.goes, self.target + afloat, stopped)
        expected.scatter_forward()
        return expected.array.copy()

    def _turn(self, area: Array) -> Mask:
        """Set `dissolves`; which owned nodes go along with the front as a whole (collective).

        Metal that floats does not: it hardly reacts, and either way. At rest it stays as it was.
        """
        moved = area * self.way
        local = np.array([moved.sum(), np.abs(moved).sum()])
        growth, turnover = self.comm.allreduce(local, op=MPI.SUM)
        if abs(growth) > NET_GROWTH_SHARE * turnover:
            self.sense[0] = np.sign(growth)
        along = self.sense[0] * self.way
        most = self.comm.allreduce(float(along.max(initial=0.0)), op=MPI.MAX)
        return np.asarray(along > MIN_SPEED_SHARE * most)

    def areas(self, area: Array, volume: Array) -> Array:
        """Areas of the front's reaction: remains go quickly, and nothing grows on them.

        Args:
            area: of the front at every owned node, m2 (2D: m).
            volume: of the nodes, m3 (2D: m2).
        """
        if not self.met or self.s.dt <= 0.0:
            return area
        now, before = (f.x.array[: self.n] - self.floats[: self.n] for f in self.unknown.old[:2])
        new, last, first = (self.s.dt * weight for weight in self.s.time.weights(self.s.dt))
        way = np.where(self.way, self.way, 1.0)
        least, most = (
            np.maximum(volume / self.width * (new * end + last * now + first * before) / way, 0.0)
            for end in (self.target, self.full + MIN_FRONT_SHARE_LEFT * (now - self.full))
        )
        taken = np.clip(area, least, np.maximum(least, most))
        return np.where(self.goes, taken, area * (1.0 - self.stays))

    def _find(self, xi: Array) -> None:
        """Set `metal`, `pore` and `met` (collective)."""
        self.metal[:] = self.pore[:] = self.closed[:] = self.rest[:] = 0.0
        mine = xi[: self.n]
        low = np.minimum(mine, 1.0 - mine)
        contact = self.s["contact"]
        stub, neck = contact.stubs(xi), float(contact.parted_at[0])
        loose = stub[: self.n] & (mine < SEAM) & (self.to_wall > DISTANCE_MARGIN)
        sides = (
            (self.metal, loose | (mine < neck) & (self.to_wall > DISTANCE_MARGIN), neck),
            (self.pore, mine >= SEAM, SEAM),
        )
        was = self.was = self.known.x.array[: self.n] > 0.5
        ridge = self._ridges(xi, (low > MIN_TOP_XI) & (sides[0][1] | sides[1][1]))
        ridge |= was & (low > FAINT_XI) | loose
        self.known.x.array[:] = 0.0
        self.met = self.comm.allreduce(bool(ridge.any()), op=MPI.LOR)
        if not self.met:
            return
        bare = np.where(stub, np.minimum(xi, MIN_TOP_XI), xi)  # a stub is no front
        for share, side, level in sides:
            metal = share is self.metal
            seen = bare if metal else xi
            contour, _ = crossings(self.points, self.edges, _away(seen) - _away(level))
            tops = np.flatnonzero(side & ridge)
            tops = tops[(self._share(tops, mine, contour, level, metal)[0] > 0.0) | loose[tops]]
            remain = np.concatenate(self.comm.allgather(self.points[tops]))
            if len(remain):
                around, far = np.flatnonzero(side & (low > FAINT_XI)), MAX_DISTANCE * self.width
                from scipy.spatial import cKDTree  # slow to load; few runs need it

                away, _ = cKDTree(remain).query(self.points[around], distance_upper_bound=far)
                around = around[np.isfinite(away)]
                found, rest = self._share(around, mine, contour, level, metal)
                share[around] = np.where(loose[around], 1.0, found)
                self.rest[around] = np.where(share[around] > 0.0, rest, 0.0)
        beyond = beyond_rest(self.to_opening, np.abs(_away(mine) - _away(SEAM)))
        self.closed[:] = np.minimum(self.pore, np.clip(beyond, 0.0, 1.0))
        self.known.x.array[: self.n] = (self.metal > 0.0) | (self.pore > 0.0)
        self.known.x.scatter_forward()

    def _share(
        self, nodes: Any, xi: Array, contour: Array, level: float, metal: bool
    ) -> tuple[Array, Array]:
        """Share of these nodes, on one side of a contour, that remains; what rests (collective)."""
        far = MAX_DISTANCE * self.width
        away = nearest(self.comm, self.points[nodes], contour, far) / self.width
        if metal:
            away = np.minimum(away, self.to_wall[nodes])
        at_rest = np.abs(_away(xi[nodes]) - _away(level))
        rest = profile(-abs(_away(level)) - away)
        known = self.was[nodes] & metal
        ghost = (away - at_rest) / GHOST_RAMP
        return np.clip(np.where(known, ghost, beyond_rest(away, at_rest)), 0.0, 1.0), rest

    def _ridges(self, xi: Array, tops: Mask) -> Mask:
        """Mark these owned nodes from which no way leads up to more of the same (collective)."""
        psi, best = _away(xi), np.zeros(len(xi))
        up = np.where(xi < SEAM, 1.0, -1.0)
        seen = np.minimum(xi, 1.0 - xi) > MIN_TOP_XI
        i, j = self.edges
        on = np.flatnonzero(seen[i] | seen[j])
        i, j = i[on], j[on]
        slope = (psi[j] - psi[i]) / self.length[on]
        np.maximum.at(best, i, up[i] * slope)
        np.maximum.at(best, j, -up[j] * slope)
        best = highest(self.work, best)
        ridge = tops & (best[: self.n] < MAX_RIDGE_SLOPE)
        if not self.comm.allreduce(bool(ridge.any()), op=MPI.LOR):
            return ridge
        # Where elements are long, the steepest way leads between two edges.
        cells = self.cells[((best < MAX_RIDGE_SLOPE) & seen)[self.cells].any(axis=1)]
        x, others = self.points[cells], cells.shape[1] - 1
        for k in range(cells.shape[1]):
            way = (x.sum(axis=1) - x[:, k]) / others - x[:, k]
            climb = (psi[cells].sum(axis=1) - psi[cells[:, k]]) / others - psi[cells[:, k]]
            slope = climb * self.width / np.linalg.norm(way, axis=1)
            np.maximum.at(best, cells[:, k], up[cells[:, k]] * slope)
        return ridge & (highest(self.work, best)[: self.n] < MAX_RIDGE_SLOPE)


def _away(xi: Any) -> Any:
    """Distance from the contour 1/2, over lambda."""
    return distance(xi, XI_RESOLUTION)
