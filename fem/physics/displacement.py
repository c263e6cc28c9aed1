r"""Electrolyte that metal displaces: how it moves, and where it leaves the mesh.

Metal that fills a pore pushes electrolyte out, and where metal dissolves at the counter electrode
as much finds room there. On a mesh that stands still

    u = -(1 - beta) (V_m/(zF)) i_l,     div u = (1 - beta) r,     beta = V_plus/V_m
    d[(1 - xi) c]/dt + div( N_an - c q + c u ) = 0

is the volume-averaged velocity of the liquid, without a flow to be solved for: i_l is that of the
row of phi_l, node by node. In 1D u is exact; in 2D and 3D its divergence is, and its curl is a
choice, as no pressure is solved for. The natural condition is zero flux of salt, on walls as on the
front, which both move with their liquid (u - q = 0 for beta = 0).

Liquid leaves the mesh wherever current enters it that takes no metal out of the mesh: through the
counter electrode, which recedes by V_m/(zF) times its current (its ions bring beta of that along),
and through other boundaries that carry current. Node by node that is

    I = -(i_l, grad v) - sum of all reactions that make metal,     leaving = V_m/(zF) I/V     [1/s]

with V the volume of the node, and it takes the salt of the node along, c leaving V. While the host
is stripped, or current flows out, liquid comes in, and with it the salt that there is at that
place: what has left before is not followed. A single-ion conductor holds no liquid; at its wall
liquid leaves on one side and comes in on the other, as if it flowed around (through the edge of the
cell). Side reactions make no metal and let liquid pass alike.

With t_plus = 1 and beta = 0 uniform salt stays uniform to round-off, whatever grows where.

Left out: volumes of the salt, and of the solvent in the frame of t_plus, which is that of the
volume-averaged velocity. The grid Peclet number V_m i h/(zF D) is below 1e-4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import ufl

from ..compat import MPI, la
from ..system import System
from .ions import Ions
from .metal import Metal

__all__ = ["Displacement"]


@dataclass
class Displacement:
    """The terms of displaced electrolyte in the rows of the salt.

    The salt that flows along is that foreseen for the end of the step (c_seen), so that the rows
    stay affine. Where the salt is solved for with the potentials, what leaves is that of the last
    step; where it is settled, that of the currents as they are.

    Args:
        ions: whose current and salt are meant.
        metal: what grows.
        ion_volume: beta, partial molar volume of the metal's ion over that of the metal.
    """

    ions: Ions
    metal: Metal
    ion_volume: float = 0.0

    needs: tuple[str, ...] = ("phi_l", "c", "c_seen", "xi", "front")
    provides: tuple[str, ...] = ("leaving",)

    def declare(self, s: System) -> None:
        """Add what leaves at each node, 1/s; kept, as the next step begins with it."""
        self.s, u = s, s.unknowns["c"]
        self.leaving = s.memory("leaving", u.part)
        s.settlers.append(self._leave)

    def rows(self, s: System) -> None:
        """Salt that flows along and salt that leaves, in ampere as all of its row."""
        q, w, nF, c = s.test("c"), s.domain.weight, s["salt_charge"], s["c_seen"]
        swept = (1.0 - self.ion_volume) / self.metal.charge_density * c  # salt along, mol/C
        split, arrival = s.splits["c"], 0
        for medium in (m for m in self.ions.media if m.salt):
            *_, dx = medium.stored(s)
            for row, spreading in s.salt_rows():
                along = -swept * self.ions.current(s, medium, spreading)
                s.row(row, -nF * ufl.inner(along, ufl.grad(q)) * w * dx)
            settled = self.ions.current(s, medium, s["c_star"])
            arrival += -ufl.inner(settled, ufl.grad(q)) * w * dx
            lumped = s.domain.dx(medium.regions, lumped=True)
            split = replace(split, row=split.row + nF * swept * q * lumped)
        s.splits["c"] = split
        here, dx = s.domain.node_weight(self.ions.salty), s.domain.dx(self.ions.salty, lumped=True)
        for row, _ in s.salt_rows():
            s.row(row, nF * self.leaving * c * q * here * dx)
        self.arrival, self.volume = s.form(arrival), s.nodal(s.form(q * here * dx))
        s.salt_sinks["salt_out"] = self.outflow

    def _leave(self) -> None:
        """Take what leaves from the currents that have been solved for (collective)."""
        x, n = self.leaving.x, len(self.volume)
        x.array[:] = 0.0
        for t in (t for t in self.s.reactions if "xi" in t.rows):
            there = t.nodes["c"] >= 0
            np.subtract.at(x.array, t.nodes["c"][there], t.current()[there])
        x.scatter_reverse(la.InsertMode.add)
        x.array[:n] += self.s.nodal(self.arrival)
        x.array[:n] /= self.metal.charge_density * self.volume
        x.scatter_forward()

    def outflow(self) -> float:
        """Salt that leaves the mesh with its liquid, mol/s (2D: per metre; collective)."""
        n = len(self.volume)
        seen, leaving = self.s["c_seen"].x.array[:n], self.leaving.x.array[:n]
        local = float((seen * leaving) @ self.volume)
        return self.s.domain.comm.allreduce(local, op=MPI.SUM)
