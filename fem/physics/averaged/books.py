"""Books of averaged hosts: columns, pores that close, warnings, written fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import ufl

from fem.base.errors import RunError
from fem.compat import MPI, dfem
from fem.mesh.spaces import space_on
from fem.physics.averaged.averaged import Averaged
from fem.physics.averaged.places import SLACK
from fem.system.part import Event, Observer
from fem.system.system import System
from fem.values.units import shown_length

__all__ = ["Books"]

#: Cells that a nucleation length should span.
LEAST_CELLS = 2.0
#: Largest share of the current that may pass what has closed.
MAX_LEAK = 1e-4
#: Share of the pore fraction of closing to which a place is met.
MET = 1e-3


class Books(Observer):
    """Measures how far the pores of averaged hosts are filled, where, and what has closed.

    Args:
        hosts: whose pores they are.
    """

    needs: tuple[str, ...] = ("pore_surfaces", "ions", "circuit")
    lands = True

    def __init__(self, hosts: Averaged):
        self.hosts = hosts

    @property
    def makes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The lead of one host over the others, where there are several."""
        return ("lead",) if len(self.hosts.hosts) > 1 else ()

    def rows(self, s: System) -> None:
        """Compile the current past closed pores."""
        self.comm = s.domain.comm
        self.least = self.reached = self._least()
        self.leak = self._leak_form(s)

    def _leak_form(self, s: System) -> Any:
        """Current in cells that have closed, times length, A m; None where none goes on."""
        hosts = self.hosts
        if not hosts.followed or all(h.entry.clog.after == "stop" for h in hosts.hosts):
            return None
        self.shut = dfem.Function(space_on(hosts.part.mesh, ("DG", 0)), name="shut")
        ions, total = s["ions"], 0
        for medium in ions.media:
            if {*medium.regions} & {*hosts.regions}:
                i_l = ions.current(s, medium)
                size = ufl.sqrt(ufl.inner(i_l, i_l) + 1e-30)
                dx = s.domain.dx(medium.regions, lumped=True)
                total = total + self.shut * size * s.domain.node_weight(medium.regions) * dx
        return s.form(total)

    def _leaks(self) -> float:
        """Share of the current that passes cells which have closed all over (collective)."""
        s, dofs = self.s, self.shut.function_space.dofmap.list
        self.shut.x.array[:] = 0.0
        for place in self.hosts.places:
            cells = len(place.corner_nodes) // (s.domain.dim + 1)
            closed = place.open_corners() <= place.host.entry.clog.porosity
            shut = place.cells[closed.reshape(cells, -1).all(axis=1)]
            self.shut.x.array[dofs[shut].ravel()] = 1.0
        flow, (top, bottom) = abs(s["circuit"].flow), s.domain.span
        return s.integral(self.leak) / (flow * (top - bottom)) if flow else 0.0

    def begin(self) -> None:
        """Take the pores that are there as the reference (collective)."""
        self.least = self.reached = self._least()

    def recall(self, events: Any) -> None:
        """Take up the pores of a restored state (collective)."""
        self.hosts.update()
        self.least = self.reached = self._least()

    def _least(self) -> float:
        """Least pore fraction at any corner, of places that may still fill (collective)."""
        least = min((float(p.open_corners().min(initial=1.0)) for p in self.hosts.places),
                    default=1.0)
        return self.comm.allreduce(least, op=MPI.MIN)

    def step(self, scale: float) -> Mapping[str, float]:
        """Columns of the step just solved (collective)."""
        self.reached = self._least()
        return {
            "filled": self.hosts.filled(),
            "eps_min": self.reached,
            "bottom_up": self.index(),
            "stranded": self.hosts.stranded(),
        } | ({"lead": self._lead()} if self.makes else {})

    def accept(self) -> None:
        """Note the least pore of the accepted state."""
        self.least = self.reached

    def index(self) -> float:
        """B = 2 <depth>/H - 1 of the reaction, -1 on top and 1 at the bottom (collective)."""
        domain = self.s.domain
        points, (current, _, _) = self.hosts.spread()
        top, bottom = domain.span
        depth = domain.depth_of(points.reshape(-1, 3)).reshape(current.shape)
        # The mean depth of a corner's hat function over its cell.
        mean = (depth + depth.sum(axis=1, keepdims=True)) / (domain.dim + 2)
        local = np.array([float((current * mean).sum()), float(current.sum())])
        moment, total = self.comm.allreduce(local, op=MPI.SUM)
        return 2.0 * moment / (total * (top - bottom)) - 1.0 if total else 0.0

    def _lead(self) -> float:
        """Lead of the host that is furthest past its barrier over the next one, V (collective)."""
        past = [self.hosts.largest(place.past_barrier()) for place in self.hosts.places]
        first, second = sorted(past)[:-3:-1]
        return first - second

    def events(self) -> Iterator[Event]:
        """Pores that have closed (collective)."""
        if not self.hosts.followed:
            return
        yield from self._thick()
        if self.leak is not None and (share := self._leaks()) > MAX_LEAK:
            raise RunError(
                f"t = {self.s.t:.6g} s: {share:.1e} of the current passes pores that metal has "
                f"closed, limit {MAX_LEAK:.0e}: they cut off what lies behind; clog.after = 'stop' "
                "ends a run before that"
            )
        for place in self.hosts.places:
            clog = place.host.entry.clog
            eps = place.pores()
            k = int(np.argmin(eps)) if len(eps) else -1
            mine = (float(eps[k]) if k >= 0 else 1.0, self.comm.rank)
            low, owner = min(self.comm.allgather(mine))
            if low > clog.porosity:
                continue
            at = None
            if owner == self.comm.rank:
                points = self.hosts.space.tabulate_dof_coordinates()
                at = points[place.nodes[k]].tolist()[: self.s.domain.dim]
            numbers = {"place": self.comm.bcast(at, root=owner), "region": place.host.name,
                       "filled": self.hosts.filled()}
            yield Event("clogged", numbers, ends="run" if clog.after == "stop" else "", once=True)

    def _thick(self) -> Iterator[Event]:
        """Fibres that would have met, of a law by which they never do (collective)."""
        for place in (p for p in self.hosts.places if p.host.entry.surface.law == "fibre_thin"):
            full = place.metal.x.array[place.nodes] > 0.5 * place.given.pores
            if self.comm.allreduce(bool(full.any()), op=MPI.LOR):
                yield Event("thick_fibres", {"region": place.host.name}, ends="run")

    def share(self) -> float | None:
        """Share of a step that closes a place exactly."""
        limit = max(host.entry.clog.porosity for host in self.hosts.hosts)
        if not self.hosts.followed or self.reached >= limit * (1 - MET) or self.least <= limit:
            return None
        aim = self.least - limit * (1 - 0.5 * MET)
        return min(max(aim / (self.least - self.reached), 0.02), 0.98)

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Few pores, nucleation lengths of few cells, capped skeletons, tables that end early."""
        if closely:
            yield from self._beyond_tables()
            return
        yield from ((text, text) for text in self.hosts.thin)
        domain, largest = self.s.domain, self.hosts.largest
        for place in self.hosts.places:
            host, name = place.host, place.host.name
            if largest(place.skeleton) >= host.cap:
                yield f"cap {name}", (
                    f"sigma of the skeleton of {name!r} was lowered to {host.cap:.3g} S/m; no "
                    "potential difference could show more"
                )
            if not largest(place.kinetics.barrier) > 0.0 or not self.hosts.followed:
                continue
            along = domain.along(place.points.reshape(-1, 3)).reshape(-1, domain.dim + 1)
            size = largest(np.ptp(along, axis=1))
            length = -largest(-host.length(place.given_corners))
            if length < LEAST_CELLS * size * (1.0 - 1e-6):
                yield f"length {name}", (
                    f"averaged.regions.{name}.nucleation_length: {shown_length(length, 3)}, less "
                    f"than two cells of {shown_length(size, 3)}: a barrier that metal lowers "
                    "gathers it in single cells, and the result follows the mesh; refine it, or "
                    "give one pore distance or more"
                )

    def _beyond_tables(self) -> Iterator[tuple[str, str]]:
        """Hosts whose pores are narrower than their table of area knows (collective)."""
        for place in self.hosts.places:
            table, least = place.given.table, -self.hosts.largest(-place.pores())
            if table is not None and least < table[0][0] - SLACK:
                name = place.host.name
                yield f"table {name}", (
                    f"averaged.regions.{name}.surface.porosity: {least:.4g} of the volume is open "
                    f"at one place, and the table begins at {table[0][0]:g}; below that the area "
                    f"was held at {table[1][0]:.3g} 1/m; extend the table"
                )

    def summary(self) -> Mapping[str, Any]:
        """Lead of the bottom over the top where a barrier decides, V (collective)."""
        if not self.hosts.anywhere:
            return {}
        places, largest = self.hosts.places, self.hosts.largest
        points = self.hosts.space.tabulate_dof_coordinates()
        height = np.concatenate([self.s.domain.along(points[place.nodes]) for place in places])
        drive = np.concatenate([place.past_barrier() for place in places])
        top, bottom = largest(height), -largest(-height)
        slack = 1e-6 * (top - bottom)
        ahead = [largest(drive[np.abs(height - end) < slack]) for end in (bottom, top)]
        return {"drive_ahead": ahead[0] - ahead[1]}

    def show(self) -> None:
        """Bring pores, reaction current and its area into their fields (collective)."""
        eps, i_v, a_s = (self.s.memories[name] for name in ("eps", "i_v", "a_s"))
        volume = self.hosts.volume
        n = len(volume)
        pores, current, area = np.zeros((3, n))
        for place in self.hosts.places:
            current[place.nodes] += place.reaction.current()
            area[place.nodes] += place.reaction.area
            pores[place.nodes] += place.volume * place.given.pores
        i_v.x.array[:n] = current / volume
        a_s.x.array[:n] = area / volume
        eps.x.array[:n] = pores / volume - self.hosts.metal.x.array[:n]
        for f in (eps, i_v, a_s):
            f.x.scatter_forward()
