r"""Electrolyte that metal displaces: how it moves, and where it leaves the mesh.

Metal that fills a pore pushes electrolyte out, and where metal dissolves at the counter electrode
as much finds room there. On a mesh that stands still

    u = -(1 - beta) (V_m/(zF)) i_l,     div u = (1 - beta) r,     beta = V_plus/V_m
    d[(1 - xi) c]/dt + div( N_an - c q + c u ) = 0

u is the volume-averaged velocity of the liquid, without a flow to be solved for: i_l is that of the
row of phi_l, node by node. In 1D u is exact; in 2D and 3D its divergence is, and its curl is a
choice, as no pressure is solved for. The natural condition is no flux of salt, on walls as on the
front, which move with their liquid (u - q = 0 there for beta = 0).

Liquid leaves the mesh wherever current enters it that takes no metal out of the mesh: at the
counter electrode, which recedes by V_m/(zF) times its current whatever beta is, and at any other
boundary that carries ions. With I that current at a node, it takes along the salt that is there:

    outflow = c (V_m/(zF)) I     [mol/s]

Where ions move each by itself that holds for each of them, and salt below means all of them.

What has left stands behind the counter electrode, well mixed: one store a run, with its volume and
its salt. While the host is stripped liquid comes in from it, with the concentration it has at the
start of the step, until its volume is used up; what is missing then comes in with the salt that
there is at the same place. So a cell that comes back to the metal it began with has all its salt
again. A single-ion conductor holds no liquid; at its wall liquid leaves on one side and comes in on
the other, by way of the store. Side reactions make no metal and let liquid pass alike.

With t_plus = 1 and beta = 0 uniform salt stays uniform to round-off, whatever grows where.

Left out: the volume of the salt, and a frame of t_plus other than that of u. The grid Peclet number
V_m i h/(zF D) is below 1e-4, so nothing is done against oscillations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, dfem, la, owned_size
from fem.setup.media import Dissolved, IonMedia
from fem.system.part import Observer
from fem.system.system import System

__all__ = ["Displacement", "Outflow"]

Array = npt.NDArray[np.float64]


@dataclass
class Outflow:
    """Salt, or an ion, that leaves with its liquid: a term of its rows, node by node.

    It is a `fem.system.nodal.Reaction`.

    Attributes:
        kind: what leaves.
        leaving: liquid that leaves at each of its nodes, m3/s (2D: m2/s).
        nodes: the owned ones.
        share: of what comes in, the part that comes from the store; the rest has the local c.
        stored: concentration of the store, mol/m3.
    """

    kind: Dissolved
    leaving: dfem.Function
    nodes: Mapping[str, npt.NDArray[np.int32]]
    share: float = 0.0
    stored: float = 0.0

    name = "outflow"
    columns = ()
    drives = False
    linear = True

    @property
    def rows(self) -> tuple[str, ...]:
        """The one that it enters."""
        return (self.kind.unknown,)

    def amounts(self) -> Array:
        """Amounts that leave at each node, mol/s."""
        node = self.nodes[self.kind.unknown]
        lagged, leaving = self.kind.lagged.x.array[node], self.leaving.x.array[node]
        entering = self.share * self.stored + (1.0 - self.share) * lagged
        return np.asarray(np.where(leaving < 0.0, entering, lagged) * leaving)

    def out(self) -> float:
        """Amount that leaves the mesh, mol/s (2D: per metre; collective)."""
        comm = self.leaving.function_space.mesh.comm
        return float(comm.allreduce(float(self.amounts().sum()), op=MPI.SUM))

    def currents(self) -> dict[str, Array]:
        """Currents into its row, A."""
        return {self.kind.unknown: float(self.kind.charge) * self.amounts()}

    def slopes(self) -> dict[tuple[str, str], Array]:
        """None: what leaves is known beforehand."""
        return {}


class Growing(Protocol):
    """Metal that takes up room."""

    @property
    def charge_density(self) -> float:
        """Charge of the metal per volume, zF/V_m, C/m3."""


@dataclass
class Displacement(Observer):
    """The terms of displaced electrolyte in the rows of the salt.

    The salt that flows along is that foreseen for the end of the step (c_lagged), so that the rows
    stay affine. Where the salt is solved for with the potentials, what leaves is that of the last
    step; where it is settled, that of the currents just found.

    Args:
        ions: whose current and salt are meant.
        metal: what grows.
        ion_volume: beta, partial molar volume of the metal's ion over that of the metal.
        home: unknown that says where the metal is; reactions in its row keep theirs in the mesh.
    """

    ions: IonMedia
    metal: Growing
    ion_volume: float = 0.0
    home: str = "xi"

    needs: tuple[str, ...] = ("phi_l", "c", "c_lagged")
    provides: tuple[str, ...] = ("swept", "leaving")

    def declare(self, s: System) -> None:
        """Say what liquid a current sweeps along, m3/C; keep what leaves for the next step."""
        self.s, self.kinds = s, self.ions.dissolved(s)
        self.home_of_c = s.unknowns[self.kinds[0].unknown]
        s.define("swept", (1.0 - self.ion_volume) / self.metal.charge_density)
        self.leaving = s.memory("leaving", self.home_of_c.part)
        # What had left when the store was last empty: liquid, m3, and each kind, mol.
        self.left = ("liquid_out", *(f"{kind.label}_out" for kind in self.kinds))
        self.empty = s.charges["store_empty"] = np.zeros(len(self.left))
        s.charges |= {name: np.zeros(2) for name in self.left}
        s.preparers.append(self._open)
        s.before("settled", self._leave)

    def rows(self, s: System) -> None:
        """Outflow at the nodes of c, and where current comes from that is in no other row."""
        phi, n = s.unknowns["phi_l"], owned_size(self.home_of_c.space)
        self.same = s.same_nodes(self.home_of_c.name, "phi_l")[:n]
        self.here = np.arange(n, dtype=np.int32)
        self.outflows = [Outflow(k, self.leaving, {k.unknown: self.here}) for k in self.kinds]
        s.reactions += self.outflows
        s.reports.salt_sinks |= {f"{o.kind.label}_out": o.out for o in self.outflows}
        s.reports.ledgers["liquid_out"] = self.liquid_out
        self.current = dfem.Function(phi.space)
        elsewhere = self.ions.elsewhere(s)
        self.elsewhere = None if elsewhere is None else s.form(elsewhere)

    def adopt(self, ledgers: Mapping[str, Any], kept: Mapping[str, float]) -> None:
        """Take up how full another run has left the store."""
        del kept
        if "store_empty" in ledgers:
            gone = [ledgers[name][0] for name in ("liquid_out", "salt_out")]
            self.empty[:] = ledgers["store_empty"] - gone

    def _open(self) -> None:
        """Volume and concentration of the store at the start of a step (collective)."""
        gone = np.array([self.s.charges[name][0] for name in self.left])
        if gone[0] <= self.empty[0]:
            self.empty[:] = gone
        self.volume, *amounts = gone - self.empty
        for outflow, amount in zip(self.outflows, amounts, strict=True):
            outflow.stored = amount / self.volume if self.volume else 0.0
        self._draw()

    def _draw(self) -> None:
        """Set the share of the entering liquid that the store can give (collective)."""
        entering = np.maximum(-self.leaving.x.array[self.here], 0.0).sum()
        drawn = self.s.domain.comm.allreduce(float(entering), op=MPI.SUM) * self.s.dt
        for outflow in self.outflows:
            outflow.share = min(1.0, self.volume / drawn) if drawn else 0.0

    def _leave(self) -> None:
        """Take what leaves from the currents that have been solved for (collective)."""
        s, x, n = self.s, self.current.x, owned_size(self.current.function_space)
        x.array[:] = 0.0
        for t in (t for t in s.reactions if "phi_l" in t.rows and self.home not in t.rows):
            there = t.nodes["phi_l"] >= 0
            np.subtract.at(x.array, t.nodes["phi_l"][there], t.currents()["phi_l"][there])
        x.scatter_reverse(la.InsertMode.add)
        x.array[:n] += s.residuals["phi_l"]  # where phi_l is held; elsewhere next to nothing
        if self.elsewhere is not None:
            x.array[:n] += s.nodal(self.elsewhere)
        x.scatter_forward()
        leaving = np.where(self.same >= 0, x.array[self.same], 0.0) / self.metal.charge_density
        self.leaving.x.array[: len(leaving)] = leaving
        self.leaving.x.scatter_forward()
        self._draw()

    def liquid_out(self) -> float:
        """Liquid that leaves the mesh, m3/s (2D: m2/s; collective)."""
        here = self.leaving.x.array[self.here]
        return self.s.domain.comm.allreduce(float(here.sum()), op=MPI.SUM)

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Single-ion conductors that displaced electrolyte would have to pass."""
        ions, salty = {*self.ions.regions}, {*self.ions.salty}
        panes = sorted({
            name for wall in self.s.domain.walls for name in wall
            if {*wall} <= ions and {*wall} & salty and name not in salty
        })
        if panes and not closely:
            yield "panes", (
                f"no liquid passes {', '.join(panes)}: electrolyte that metal displaces leaves on "
                "one side and as much comes in on the other, as if it flowed around by way of the "
                "counter electrode; growth.displacement = 'none' keeps it where it is"
            )
