"""What is measured of metal that grows: how much, where, how far up, and which of it is cut off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import ufl

from .compat import MPI, owned_size
from .components import components
from .measure import Measure
from .physics.electrons import Electrons
from .physics.interface import Interface
from .physics.ions import Ions
from .physics.metal import Metal
from .solve import Stage
from .system import System

__all__ = ["Deposit"]

#: A pore conducts from this multiple of its empty conductivity on.
CONDUCTING = 1e3


class Deposit(Measure):
    """Numbers of a state with growing metal.

    Attributes:
        metal: the physics.
        parts: see `look`.
    """

    def __init__(
        self, system: System, ions: Ions, interface: Interface, stages: tuple[Stage, ...],
        electrons: Electrons | None, metal: Metal,
    ):
        self.metal = metal
        if "i_n" not in system.memories:
            for name in ("i_n", "dead"):
                system.memory(name, system.unknowns["xi"].part)
        super().__init__(system, ions, interface, stages, electrons)

    def _compile(self) -> None:
        super()._compile()
        self.node_label = np.full(len(self.s.unknowns["xi"].value.x.array), -1)
        self.dead_parts = np.empty(0, dtype=np.int64)
        s, metal = self.s, self.metal
        w, v = s.domain.weight, ufl.TestFunction(self.space)
        self.volumes = s.nodal(s.form(v * w * s.domain.dx(metal.regions, lumped=True)))
        self.walls_of = [t.name for t in s.reactions if t.drives and t.name != "front"]
        floor = metal.sigma_floor
        lowest = floor if isinstance(floor, float) else floor.x.array[floor.x.array > 0.0].min()
        self.threshold = CONDUCTING * self.comm.allreduce(float(lowest), op=MPI.MIN)
        thickness = s.domain.dim - 1
        part = s.unknowns["xi"].part
        self.height = s.unknowns["xi"].space.tabulate_dof_coordinates()[:, thickness]
        self.corners = s.unknowns["xi"].space.dofmap.list
        self.cells = part.cells

    # -- scalars -------------------------------------------------------------------------------

    @property
    def xi(self) -> npt.NDArray[np.float64]:
        """Values of the phase field at the owned nodes."""
        return self.s.unknowns["xi"].owned

    def plated(self) -> float:
        """Charge of all metal in the pores, C (2D: C/m; collective)."""
        local = float(self.volumes @ self.xi) * self.metal.charge_density
        return self.comm.allreduce(local, op=MPI.SUM)

    def step(self, scale: float) -> dict[str, float]:
        """As `Measure.step`, with the metal's own numbers.

        Adds `xi_min`, `xi_max`, `tip` (distance of the highest metal from the collector, m),
        `dead` (charge of metal without electronic contact, C), `islands` (how many pieces),
        `floor` (current through empty pores over the cell current) and `shorted` (1 if metal
        reaches the counter electrode).
        """
        out = super().step(scale)
        out["xi_min"], out["xi_max"] = self.extrema("xi")
        out["tip"] = self.tip()
        return out | self.look(scale)

    def tip(self) -> float:
        """Distance of the highest point of the contour xi = 1/2 from the collector, m."""
        xi = self.s.unknowns["xi"].value.x.array
        dim = self.s.domain.dim
        bottom = self.s.domain.extent[0][dim - 1]
        best = 0.0
        for a in range(dim + 1):
            for b in range(dim + 1):
                i, j = self.corners[:, a], self.corners[:, b]
                on = (xi[i] >= 0.5) & (xi[j] < 0.5)
                if not on.any():
                    continue
                i, j = i[on], j[on]
                share = (xi[i] - 0.5) / (xi[i] - xi[j])
                at = self.height[i] + share * (self.height[j] - self.height[i])
                best = max(best, float(at.max()) - bottom)
        return self.comm.allreduce(best, op=MPI.MAX)

    def look(self, scale: float) -> dict[str, float]:
        """Which metal hangs together, and which of it is cut off from the collector (collective).

        A part is what conducts electrons: solids, and pores above `CONDUCTING` times their empty
        conductivity. Metal (xi > 1/2) in a part that does not touch the collector is dead.
        """
        s, metal, domain = self.s, self.metal, self.s.domain
        xi, mesh = s.unknowns["xi"].value.x.array, domain.mesh
        in_pores = np.zeros(len(domain.cell_tag_array))
        in_pores[self.cells] = xi[self.corners].min(axis=1)
        conductors = self.electrons.regions if self.electrons else ()
        always = {*conductors} - {*metal.regions} | {*metal.bridged}
        conducts = np.isin(domain.cell_tag_array, [domain.regions[n] for n in always])
        conducts |= metal.conductivity(in_pores) > self.threshold
        label, count = components(mesh, conducts)
        driven = self._touching(label, count, "collector")
        counter = self._touching(label, count, "counter")
        node = np.full(len(xi), -1)
        here = label[self.cells]
        node[self.corners[here >= 0]] = here[here >= 0, None]
        self.node_label = node
        n = owned_size(self.space)
        mine, heavy = node[:n], (self.xi > 0.5) & (node[:n] >= 0)
        current = self.nodal_currents()
        table = np.stack([
            np.bincount(mine[mine >= 0], weights=values[mine >= 0], minlength=count)
            for values in (current, self.volumes * self.xi, self.volumes * heavy)
        ]) if count else np.zeros((3, 0))
        table = self.comm.allreduce(table, op=MPI.SUM)
        dead = ~driven & (table[2] > 0.0)
        self.dead_parts = np.flatnonzero(dead)
        return {
            "dead": float(table[1][dead].sum()) * metal.charge_density,
            "islands": float(dead.sum()),
            "floor": float(np.abs(table[0][~driven]).sum()) / scale,
            "shorted": float((driven & counter).any()),
        }

    def _touching(
        self, label: npt.NDArray[np.int64], count: int, boundary: str
    ) -> npt.NDArray[np.bool_]:
        """Which parts touch a boundary."""
        found = label[self.s.domain.cells_along(boundary)]
        touched = np.zeros(count, dtype=np.int64)
        touched[found[found >= 0]] = 1
        return self.comm.allreduce(touched, op=MPI.MAX) > 0

    # -- fields and profiles -------------------------------------------------------------------

    def update_walls(self) -> npt.NDArray[np.float64]:
        """Nodal i_n of the front into the field `i_n`; returns the nodal currents, A."""
        field = self.s.memories["i_n"]
        currents, area = self.nodal_currents(), self.s["front"].areas()
        n = owned_size(self.space)
        floor = 1e-3 * max(float(area.max(initial=0.0)), 1e-300)
        field.x.array[:n] = np.where(area > floor, currents / np.maximum(area, floor), 0.0)
        field.x.scatter_forward()
        dead = self.s.memories["dead"].x.array
        dead[:] = np.isin(self.node_label, self.dead_parts)
        return currents

    def nodal_currents(self) -> npt.NDArray[np.float64]:
        """Current of front and walls at every owned node of the pores, A, sign of i_n."""
        out = np.zeros(len(self.volumes))
        for reaction in self.s.reactions:
            if reaction.drives:
                np.add.at(out, reaction.nodes["xi"], reaction.current())
        return out

    def cell_current(self) -> float:
        """Current through the collector, A (2D: A/m), sign of i_n (collective)."""
        return super().cell_current() + sum(t.total() for t in self.s.reactions if t.drives)

    def counter_current(self) -> float:
        """Current into the electrolyte at a counter electrode of metal, A (collective)."""
        return sum(t.total() for t in self.s.reactions if not t.drives)

    def by_region(self) -> dict[str, dict[str, float]]:
        """Current (A) and free area (m2) of the walls of each surface, and of the front."""
        sums = {
            t.name: [float(t.current().sum()), float(t.area.sum())]
            for t in self.s.reactions if t.drives
        }
        totals = self.comm.allreduce(np.array(list(sums.values())), op=MPI.SUM)
        return {
            name: {"current": float(row[0]), "area": float(row[1])}
            for name, row in zip(sums, totals, strict=True)
        }

    def depth_profile(self, bins: int = 24) -> dict[str, list[float]]:
        """As `Measure.depth_profile`; `area` is absent, `fill` is the metal share of the pores."""
        domain = self.s.domain
        points = domain.node_coordinates(self.space)
        depth = domain.depth_of(points)
        top, bottom = domain.host or (
            domain.extent[1][domain.dim - 1], domain.extent[0][domain.dim - 1]
        )
        edges = np.linspace(0.0, top - bottom, bins + 1)
        index = np.searchsorted(edges, depth, side="right") - 1
        inside = (depth >= -1e-12) & (depth <= edges[-1] * (1 + 1e-12))
        index = np.clip(index, 0, bins - 1)[inside]
        fields = (self.nodal_currents(), self.volumes, self.volumes * self.xi)
        local = np.stack([
            np.bincount(index, weights=x[inside], minlength=bins) for x in fields
        ])
        current, volume, full = self.comm.allreduce(local, op=MPI.SUM)
        return {
            "depth": (0.5 * (edges[1:] + edges[:-1])).tolist(),
            "current": current.tolist(),
            "plated": (full * self.metal.charge_density).tolist(),
            "fill": (full / np.where(volume > 0.0, volume, 1.0)).tolist(),
        }
