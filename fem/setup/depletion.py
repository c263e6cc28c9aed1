r"""Salt that a given current uses up at a wall: when, where, and whether the mesh can show it.

A current that begins at a flat wall uses up the salt there in Sand's time t_S. On even cells of
length h, storage lumped at nodes, the equation of the wall's node is that of a chain, and solved:
with s = D t/h^2, s_S = D t_S/h^2 and f(s) = s exp(-2 s) (I_0(2 s) + I_1(2 s)),

    fall of c at the wall/c0                        = sqrt(pi/s_S) f(s)
    change across the first cell/fall at the wall   = (1 - exp(-2 s) I_0(2 s))/(2 f(s))

So the mesh finds the wall empty at f(s) = sqrt(s_S/pi), late by k = s/s_S: 1 + 1/(8 s_S) on fine
cells, 1/sqrt(pi s_S) on coarse ones, which see nothing but the salt of half a cell. And the change
across the first cell tells how late, whatever the current was, wherever the wall lies:

    k                        1.1      1.25     1.5      2        3
    lumped: sqrt(s_S)        1.15     0.756    0.532    0.351    0.214
            change/c0        0.58     0.73     0.82     0.887    0.935
    consistent: change/c0                               1.161              (modes of the chain)

What is found more than `LATEST` = 2 times too late is no depletion, but refused. The nodes of a
wall are not quite even, so that the bound lies between 1.5 and 2 (cells of 5 um, both kinds).
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fem.base.errors import RunError
from fem.compat import MPI, cell_vertices, dfem
from fem.mesh.domain import Subdomain
from fem.system.nodal import NodalReaction
from fem.system.part import Begun, Cause, Event, Observer
from fem.system.system import System
from fem.system.unknown import DEPLETED_SHARE, Unknown
from fem.values.units import shown_length, shown_point

__all__ = ["CONSISTENT", "LATEST", "LUMPED", "SaltBooks", "Sight"]

Array = npt.NDArray[np.float64]

#: Most Sand times after which a mesh may find a wall without salt; beyond, the run is refused.
LATEST = 2.0
#: Least salt that a step adds at the most dilute place, as a share of c0, if salt comes back there.
RISING_SHARE = 1e-6
#: Change of c across one cell, as a share of c0, from which a mesh counts as too coarse.
MAX_CELL_CHANGE = 0.2


class Sight(NamedTuple):
    """Bound of what a mesh shows in time: a wall that it finds empty `LATEST` times too late.

    Attributes:
        layer: length over which salt diffuses in Sand's time, over the length of a cell.
        change: of c across the cell at the wall, over its fall there.
    """

    layer: float
    change: float


LUMPED, CONSISTENT = Sight(0.351, 0.887), Sight(0.203, 1.161)


class SaltBooks(Observer, ABC):
    """Base of the books of what plates out of a liquid: where a current takes the last of it.

    Attributes:
        sight: of the cells, by how they store what is dissolved.
        sand_name: of `sand_time` in the event of a depletion.
    """

    sight = LUMPED
    sand_name = "sand_time"
    s: System
    begun: Begun | None = None
    before = 0.0

    @property
    @abstractmethod
    def start(self) -> float:
        """Concentration of the start, mol/m3."""

    @property
    @abstractmethod
    def dissolves(self) -> Subdomain:
        """Cells in which it is followed."""

    @abstractmethod
    def at_corners(self, state: int | None = None) -> Array:
        """Concentration at each corner of each of these cells, mol/m3; inf inside metal.

        Args:
            state: one of the last, newest first; None for the present iterate.
        """

    @abstractmethod
    def sand_time(self, density: float | None) -> float | None:
        """Time for which it lasts at a flat wall, s; None if that is not known, or no current."""

    @abstractmethod
    def diffused(self, time: float) -> float:
        """Length over which it diffuses in a time, m."""

    # -- a run asks ----------------------------------------------------------------------------

    def impose(self, begun: Begun) -> None:
        """Note what is imposed, and the current before it."""
        self.begun, self.before = begun, self.s.kept.get("flowing", 0.0)

    def causes(self, segment: Any) -> Iterator[Cause]:
        """Salt that has run out, or that would not last (collective)."""
        low, _ = self._lowest()
        depleted, shown = low < DEPLETED_SHARE * self.start, f"lowest c = {low:.3g} mol/m^3"
        yield Cause("depleted", depleted, f"depleted: {shown}; rest first, or lower the current"
                    if depleted else f"not depleted, {shown}")
        density = self._jump(segment)
        last = self.sand_time(density)
        if last is not None:
            hidden = self._hidden(segment, density)
            yield Cause("Sand's time", bool(hidden),
                        f"salt lasts {last:.2g} s at a flat wall (Sand's time){hidden}")

    def ready(self, segment: Any) -> str | None:
        """Refuse a current that no cell of the mesh shows in time, were all walls to share it."""
        density = self._jump(segment)
        if not density or not self._hidden(segment, density):
            return None
        spread = density * self.s["circuit"].area / self._walls()
        return "the salt at the walls would run out unseen" * bool(self._hidden(segment, spread))

    def depletion(self) -> Event | str:
        """End of a run where a wall is found empty: the event, or why it is none (collective)."""
        assert self.begun is not None
        low, change = self._lowest()
        place = self.place()
        if self.begun.segment.density is not None and change > self.sight.change * self.start:
            return (
                f"The salt at {shown_point(place or [])} has run out unseen: within one cell "
                f"c rises to {change / self.start:.0%} of c0, and a mesh that shows this finds it "
                f"more than {LATEST:g} times too late (smallest cell "
                f"{shown_length(self._smallest_cell(), 3)}); refine the mesh at the walls or lower "
                "the current, and check the units of current_density and of the salt"
            )
        now = self.begun.segment.control(self.s.t - self.begun.t, 1.0).current
        time = self.sand_time(now)
        known = {} if time is None else {self.sand_name: time}
        return Event("depletion", {"c_min": low, "place": place, **known})

    def found(self) -> Event:
        """Event of a wall that is found empty after a step (collective).

        Raises:
            RunError: it was not to be seen in time.
        """
        found = self.depletion()
        if isinstance(found, str):
            raise RunError(f"t = {self.s.t:.6g} s: {found}")
        return found

    def takes_more_than_there_is(self) -> bool:
        """The current imposed is what takes the last of it away (collective).

        A current that begins does if it exceeds the one that flowed before it; later, it does if
        nothing was coming back in the last step, where there is least of it.
        """
        s, begun = self.s, self.begun
        if begun is None or begun.segment.density is None:
            return False
        if s.t == begun.t:
            asked = begun.segment.control(0.0, s["circuit"].area, after=True).current or 0.0
            return s.t > 0.0 and asked * self.before >= 0.0 and abs(asked) > abs(self.before)
        now, before = (self.at_corners(state).ravel() for state in (0, 1))
        k = int(np.argmin(now)) if len(now) else -1
        mine = (now[k], before[k]) if k >= 0 else (math.inf, math.inf)
        low, earlier = min(s.domain.comm.allgather(mine))
        return bool(low <= 1.01 * earlier + RISING_SHARE * self.start)

    def coarse(self) -> str:
        """Remark on cells across which c changes too much; or empty (collective)."""
        worst = self._largest(_change(self.at_corners())) / self.start
        if worst <= MAX_CELL_CHANGE:
            return ""
        low, change = self._lowest()
        late = change > max(self.sight.change * (self.start - low), MAX_CELL_CHANGE * self.start)
        return (
            f"the salt changes by {worst:.0%} of c0 across one cell: the mesh is too coarse there"
            + (f", and at a wall it may have fallen {math.sqrt(LATEST):.2g} times as far as c_min "
               "says" if late else "") + "; compare with `hostplate converge`"
        )

    def place(self, *, highest: bool = False) -> list[float] | None:
        """Place where there is least, or most of it, m (collective).

        Args:
            highest: the place of the largest c, not of the smallest.
        """
        domain, c = self.s.domain, self.at_corners()
        values = np.where(np.isfinite(c), -c, math.inf) if highest else c
        mine: tuple[float, list[float]] = (math.inf, [])
        if values.size:
            cell, corner = np.unravel_index(int(np.argmin(values)), values.shape)
            at = domain.mesh.geometry.x[self._corners()[cell, corner]]
            mine = float(values[cell, corner]), at.tolist()[: domain.dim]
        return min(domain.comm.allgather(mine))[1] or None

    # -- cells ---------------------------------------------------------------------------------

    @staticmethod
    def absent(u: Unknown) -> npt.NDArray[np.bool_]:
        """Nodes of this rank, its ghosts among them, at which an unknown means nothing."""
        out = dfem.Function(u.space)
        if u.present is not None:
            out.x.array[: len(u.owned)] = ~u.present()
            out.x.scatter_forward()
        return np.asarray(out.x.array > 0.5)

    def _lowest(self) -> tuple[float, float]:
        """Least concentration, and its largest change across a cell that has it (collective)."""
        c, comm = self.at_corners(), self.s.domain.comm
        low = comm.allreduce(float(c.min(initial=math.inf)), op=MPI.MIN)
        return low, self._largest(_change(c[(c == low).any(axis=1)]))

    def _largest(self, values: Array) -> float:
        """Largest of some values, at least 0 (collective)."""
        largest: float = self.s.domain.comm.allreduce(
            float(values.max(initial=0.0)), op=MPI.MAX
        )
        return largest

    def _corners(self) -> npt.NDArray[np.int32]:
        """Geometry nodes of the cells in which it is followed."""
        corners: npt.NDArray[np.int32] = cell_vertices(self.s.domain.mesh)[self.dissolves.cells]
        return corners

    def _hidden(self, segment: Any, density: float | None) -> str:
        """Remark on a current that even the smallest cell shows too late; or empty (collective)."""
        since, cell, layer = self._since(), self._smallest_cell(), math.inf
        for _ in range(2):  # as if it stayed as it begins, then by its mean while salt lasts
            last = self.sand_time(density)
            if last is None or density is None or not since + last < segment.end():
                return ""
            layer = self.diffused(last)
            if layer >= self.sight.layer * cell:
                return ""
            density *= segment.mean(since, last)
        return (
            f", in which it diffuses {shown_length(layer, 2)}, and the smallest cells, "
            f"{shown_length(cell, 3)}, would show that too late: check the units of "
            "current_density and of the salt, lower the current, or refine the mesh at the walls"
        )

    def _walls(self) -> float:
        """Area of all that may react, at most, m2 (2D: m; collective)."""
        domain = self.s.domain
        at_nodes = sum(float(np.abs(r.area).sum()) for r in self.s.reactions
                       if isinstance(r, NodalReaction) and r.drives)
        at_nodes = domain.comm.allreduce(at_nodes, op=MPI.SUM)
        return domain.area("collector") + domain.wall_area() + at_nodes

    def _jump(self, segment: Any) -> float | None:
        """Current that begins now, at the start of a segment or where it jumps in it, A/m2."""
        current: float | None = segment.control(self._since(), 1.0, after=True).current
        return current

    def _since(self) -> float:
        """Time since the start of the segment, s."""
        return 0.0 if self.begun is None else self.s.t - self.begun.t

    def _smallest_cell(self) -> float:
        """Shortest edge of all these cells, m (collective)."""
        domain = self.s.domain
        x = domain.mesh.geometry.x[self._corners()]
        pairs = itertools.combinations(range(x.shape[1]), 2)
        edges = [np.linalg.norm(x[:, i] - x[:, j], axis=1) for i, j in pairs]
        shortest = min(float(edge.min(initial=math.inf)) for edge in edges)
        return domain.comm.allreduce(shortest, op=MPI.MIN)


def _change(c: Array) -> Array:
    """Change across each cell, of the corners that count."""
    there = np.isfinite(c)
    high, low = np.where(there, c, -math.inf), np.where(there, c, math.inf)
    return np.asarray(np.maximum(high.max(axis=1) - low.min(axis=1), 0.0))
