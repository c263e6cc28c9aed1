r"""What is left where two fronts have met: the last of a seam, the ghost of a neck.

A resting front lies lambda |psi(xi) - psi(0.38)| from every node of its tails, with psi =
ln(xi/(1 - xi)). Where two fronts have met their contour is gone, but tails stay: pores that close
by a factor e per lambda of travel where a sharp interface leaves none, and metal that connects
nothing. With d the distance to the contour xi = 0.38, the share of a node that remains is

    s = clip( d/lambda - 5/4 |psi(xi) - psi(0.38)| - 1, 0, 1 )

Metal within reach of a wall that it can have begun on is a film, not remains. Necks part at this
contour (`fem.physics.metal.contact`); a seam has 0.45 when sharp fronts meet, and is being filled
meanwhile.

The top of what remains is a ridge: no way leads up from it as steeply as a front is. Fronts by
themselves, films that begin on walls and tails at rest have none, and then s = 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from fem.compat import MPI, dfem, owned_size
from fem.mesh.components import edges, highest
from fem.mesh.nearest import nearest
from fem.physics.metal.contact import PART
from fem.physics.metal.profile import distance
from fem.system.system import System, Unknown

__all__ = ["CONTOUR", "FARTHEST", "Remains"]

#: xi of the contour by which fronts are told: necks part at it.
CONTOUR = PART
#: The top of what remains holds more metal, or more pore, than TOP: long steps leave 0.06 of pore
#: behind a front by itself, which fills as the tail comes to rest. What is FAINT is not looked at.
TOP, FAINT = 0.1, 1e-3
#: Slope of psi per lambda along the steepest way up from a ridge, at most; a front has 1.
RIDGE = 0.4
#: How much farther away than at rest a contour must be: a factor, and lambdas.
SLACK, MARGIN = 1.25, 1.0
#: From here on nothing that is not faint belongs to a front, in lambda.
FARTHEST = MARGIN + 1.0 + SLACK * float(np.log(1.0 / FAINT) + np.log(1.0 / CONTOUR - 1.0))
#: xi and 1 - xi below this are not told from one another.
DEEPEST = 1e-9
#: Remains go by a factor e in lambda over this of travel,
PACE = 8.0
#: but in one step this share is left at least, and this share where the front takes them by itself:
#: BDF2 goes on falling, and would drive what fell to less than 1/4 below nothing.
KEPT, LEFT = 0.4, 0.28

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Remains:
    """Which nodes of a phase field are remains, and how they go.

    Args:
        s: the system.
        unknown: the phase field.
        width: lambda, m.
        walls: points of walls that metal can have begun on, this rank's, (n, 3), m.

    Attributes:
        metal: share of each owned node that is metal without a front.
        pore: share that is pore without one.
        met: a ridge has been seen in this step: two fronts are near each other.
        speed: of the front at owned nodes, m/s; positive where it plates. By the potentials of the
            last step: a long seam that begins to be filled relieves the voltage, and what is
            extrapolated from there may have the other sign.
    """

    def __init__(self, s: System, unknown: Unknown, width: float, walls: Array):
        self.s, self.unknown, self.width, self.comm = s, unknown, width, s.domain.comm
        space = unknown.space
        self.n = owned_size(space)
        self.points = space.tabulate_dof_coordinates()
        self.metal, self.pore = np.zeros(self.n), np.zeros(self.n)
        self.way, self.target = np.zeros(self.n), np.zeros(self.n)
        self.met = False
        self.speed: Callable[[], Array] = lambda: np.zeros(self.n)
        self.cells = space.dofmap.list
        self.edges = edges(self.cells)
        i, j = self.edges
        self.length = np.linalg.norm(self.points[j] - self.points[i], axis=1) / width
        self.work = dfem.Function(space)
        far = FARTHEST * width
        self.to_wall = nearest(self.comm, self.points[: self.n], walls, far) / width

    def update(self, xi: Array) -> Array:
        """Find what remains, for the step at hand (collective).

        Args:
            xi: as foreseen, local values, ghosts last.

        Returns:
            What is to be expected of xi, remains included.
        """
        self._find(xi)
        self.unknown.meant = (self.metal > 0.0) | (self.pore > 0.0)
        self.way[:] = self.speed() * self.s.dt / self.width if self.s.dt > 0.0 else 0.0
        if not self.met or self.s.dt <= 0.0:
            return xi.copy()
        goes = self._goes()
        now, mine = self.unknown.old[0].x.array[: self.n], xi[: self.n]
        keep = np.maximum(np.exp(-PACE * np.abs(self.way)), KEPT)
        full = self.way > 0.0
        self.target = full + keep * (now - full)
        expected = self.work.x
        expected.array[: self.n] = mine + goes * (self.target - mine)
        expected.scatter_forward()
        return expected.array.copy()

    def areas(self, area: Array, volume: Array) -> Array:
        """Areas of the front's reaction: remains go quickly.

        Args:
            area: of the front at every owned node, m2 (2D: m).
            volume: of the nodes, m3 (2D: m2).
        """
        if not self.met or self.s.dt <= 0.0:
            return area
        goes = self._goes()
        now, before = (f.x.array[: self.n] for f in self.unknown.old[:2])
        new, last, first = (self.s.dt * weight for weight in self.s.weights(self.s.dt))
        way = np.where(self.way, self.way, 1.0)
        fastest = now + (1.0 - LEFT) / (1.0 - KEPT) * (self.target - now)
        least, most = (
            np.maximum(volume / self.width * (new * end + last * now + first * before) / way, 0.0)
            for end in (self.target, fastest)
        )
        return np.asarray(area + goes * (np.clip(area, least, most) - area))

    def _goes(self) -> Array:
        """Share of each owned node that goes: pore where metal plates, metal where it dissolves."""
        return np.where(self.way > 0.0, self.pore, self.metal)

    def _find(self, xi: Array) -> None:
        """Set `metal`, `pore` and `met` (collective)."""
        self.metal[:] = self.pore[:] = 0.0
        mine = xi[: self.n]
        tail = np.minimum(mine, 1.0 - mine) > FAINT
        tail &= (mine > CONTOUR) | (self.to_wall > MARGIN)
        ridge = self._ridges(xi, tail & (np.minimum(mine, 1.0 - mine) > TOP))
        self.met = self.comm.allreduce(bool(ridge.any()), op=MPI.LOR)
        if not self.met:
            return
        contour = self._contour(xi)
        for share, own in (
            (self.metal, tail & (mine < CONTOUR)), (self.pore, tail & (mine >= CONTOUR))
        ):
            tops = np.flatnonzero(own & ridge)
            tops = tops[self._share(tops, mine, contour) > 0.0]
            remain = np.concatenate(self.comm.allgather(self.points[tops]))
            if len(remain):
                around, far = np.flatnonzero(own), FARTHEST * self.width
                away, _ = cKDTree(remain).query(self.points[around], distance_upper_bound=far)
                around = around[np.isfinite(away)]
                share[around] = self._share(around, mine, contour)

    def _share(self, nodes: Any, xi: Array, contour: Array) -> Array:
        """How much of these nodes remains (collective)."""
        points, seen = self.points[nodes], xi[nodes]
        away = nearest(self.comm, points, contour, FARTHEST * self.width) / self.width
        away = np.where(seen < CONTOUR, np.minimum(away, self.to_wall[nodes]), away)
        at_rest = np.abs(_away(seen) - _away(CONTOUR))
        return np.asarray(np.clip(away - SLACK * at_rest - MARGIN, 0.0, 1.0))

    def _ridges(self, xi: Array, tops: Mask) -> Mask:
        """Which of these owned nodes no way leads up from, to more of the same (collective)."""
        psi, best = _away(xi), np.zeros(len(xi))
        up = np.where(xi < CONTOUR, 1.0, -1.0)
        seen = np.minimum(xi, 1.0 - xi) > TOP
        i, j = self.edges
        on = np.flatnonzero(seen[i] | seen[j])
        i, j = i[on], j[on]
        slope = (psi[j] - psi[i]) / self.length[on]
        np.maximum.at(best, i, up[i] * slope)
        np.maximum.at(best, j, -up[j] * slope)
        best = highest(self.work, best)
        ridge = tops & (best[: self.n] < RIDGE)
        if not self.comm.allreduce(bool(ridge.any()), op=MPI.LOR):
            return ridge
        # Where elements are long, the steepest way leads between two edges.
        cells = self.cells[((best < RIDGE) & seen)[self.cells].any(axis=1)]
        x, others = self.points[cells], cells.shape[1] - 1
        for k in range(cells.shape[1]):
            way = (x.sum(axis=1) - x[:, k]) / others - x[:, k]
            climb = (psi[cells].sum(axis=1) - psi[cells[:, k]]) / others - psi[cells[:, k]]
            slope = climb * self.width / np.linalg.norm(way, axis=1)
            np.maximum.at(best, cells[:, k], up[cells[:, k]] * slope)
        return ridge & (highest(self.work, best)[: self.n] < RIDGE)

    def _contour(self, xi: Array) -> Array:
        """Where this rank's edges cross the contour, linear in psi, (n, 3), m."""
        above = xi > CONTOUR
        i, j = self.edges[:, above[self.edges[0]] != above[self.edges[1]]]
        share = (_away(CONTOUR) - _away(xi[i])) / (_away(xi[j]) - _away(xi[i]))
        return np.asarray(self.points[i] + share[:, None] * (self.points[j] - self.points[i]))


def _away(xi: Any) -> Any:
    """Distance from the contour 1/2, over lambda."""
    return distance(xi, DEEPEST)
