r"""Film walls that forget their barrier once a charge has been plated on them.

A foreign wall asks for eta_nuc until metal covers it. The phase field alone would decide that by
lambda: a film must be some lambda thick (`fem.physics.metal.metal`). Here the charge q_w decides
that has been plated on bare wall, per area of it, as on the walls of the other studies:

    eta_wall = eta + eta_nuc exp(-q_w/q_cov),    dq_w/dt = -i_w,    q_w <= (zF/V_m) b

b = -lambda ln(1 - xi) is how thick the metal there is: what has dissolved covers nothing. Metal of
the start (xi > 1/2) covers as if it had been plated. q_w sums up the currents of accepted steps by
the trapezoidal rule, and the barrier of a step is foreseen from the last two (Adams and Bashforth),
so both are of second order in time. How far a barrier that was foreseen is from what the step then
has plated, in units of RT/F, is a local error of the step as those of the fields are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.compat import MPI
from fem.physics.metal.metal import Metal
from fem.system.nodal import NodalReaction
from fem.system.system import System

__all__ = ["Barrier", "Covering"]

Array = npt.NDArray[np.float64]
#: Least 1 - xi that still tells how thick the metal is, and least 1 - coverage for the charge.
MIN_REMAINDER = 1e-12


@dataclass(frozen=True)
class Barrier:
    """Barrier to nucleation on one film surface.

    Attributes:
        name: of the surface.
        eta_nuc: points (n, 3) -> nucleation overpotential, V.
        q_cov: charge per area after which 1/e of the barrier is left, C/m2.
    """

    name: str
    eta_nuc: Callable[[Array], Any]
    q_cov: float


class Covering:
    """Follows what film walls have plated, and lowers their barriers.

    Args:
        metal: what grows. barriers: of the surfaces that forget theirs.
    """

    needs: tuple[str, ...] = ("phi_s", "phi_l", "c_seen", "xi", "front")
    provides: tuple[str, ...] = ()

    def __init__(self, metal: Metal, barriers: tuple[Barrier, ...]):
        self.metal, self.barriers = metal, barriers

    def declare(self, s: System) -> None:
        """Charge, coverage, dq_w/dt and its slope at the nodes of each surface, kept."""
        part = s.unknowns["xi"].part
        self.charge = {b.name: s.memory(f"q_{b.name}", part) for b in self.barriers}
        self.covered = {b.name: s.memory(f"covered_{b.name}", part) for b in self.barriers}
        self.rate = {b.name: s.memory(f"rate_{b.name}", part) for b in self.barriers}
        self.bend = {b.name: s.memory(f"bend_{b.name}", part) for b in self.barriers}
        self.clock = s.charges["covering.clock"] = np.array([-1.0])
        s.preparers.append(self.prepare)  # before the metal looks how fast its walls are
        s.gaps += [self.gap] if self.barriers else []

    def rows(self, s: System) -> None:
        """No rows of its own; the shift of the overpotential of film walls."""
        points = s.unknowns["xi"].space.tabulate_dof_coordinates()
        found = {t.name: t for t in s.reactions}
        self.s, self.parts = s, []
        for b in self.barriers:
            wall = found[b.name]
            at = points[wall.nodes["xi"]]
            eta_nuc = np.broadcast_to(b.eta_nuc(at), len(at))
            self.parts.append((b, wall, eta_nuc, wall.area.copy()))

    def prepare(self) -> None:
        """Barriers of the step at hand, from the last accepted one."""
        s = self.s
        first = self.clock[0] < 0.0
        passed = 0.0 if first else s.t - self.clock[0]
        self.clock[0] = s.t
        for b, wall, eta_nuc, _ in self.parts:
            node = wall.nodes["xi"]
            seen = self._overpotential(wall) - eta_nuc * self.covered[b.name].x.array[node]
            # As `gap` counts it: a voltage that is held asks for more than is brought.
            rate = -wall.supplied(wall.law(seen, self._concentration(wall), wall.temperature()))[0]
            xi = np.clip(s.unknowns["xi"].old[0].x.array[node], 0.0, 1.0 - MIN_REMAINDER)
            there = self._of_metal(xi)
            charge, before, bend = (
                f[b.name].x.array[node] for f in (self.charge, self.rate, self.bend)
            )
            if first:  # metal of the start, or what the run has covered that this one goes on from
                bare = 1.0 - self.covered[b.name].x.array[node]
                taken_over = -b.q_cov * np.log(np.maximum(bare, MIN_REMAINDER))
                new = (bare == 1.0) & (xi > 0.5)
                charge = np.where(new, there, np.minimum(taken_over, there))
            elif passed:
                charge = np.minimum(charge + passed * 0.5 * (before + rate), there)
                bend = (rate - before) / passed
            if s.history == 1:  # a jump: the current before it says nothing
                bend = np.zeros_like(rate)
            for kept, values in zip(
                (self.charge, self.rate, self.bend), (charge, rate, bend), strict=True
            ):
                kept[b.name].x.array[node] = values
            ahead, most = s.dt * rate, np.abs(s.dt * rate)
            ahead = ahead + np.clip(0.5 * s.dt**2 * bend, -most, most)
            covered = -np.expm1(-(charge + ahead) / b.q_cov)
            self.covered[b.name].x.array[node] = covered
            wall.shifts["barrier"] = -eta_nuc * covered

    def gap(self) -> float:
        """Barrier foreseen less that of what the step has plated, over RT/F (collective).

        Root mean square over all wall that forgets a barrier; where nothing plates neither counts.
        """
        s, local = self.s, np.zeros(2)
        for b, wall, eta_nuc, size in self.parts:
            node = wall.nodes["xi"]
            before, now = self.rate[b.name].x.array[node], -wall.density()
            xi = np.clip(s.unknowns["xi"].value.x.array[node], 0.0, 1.0 - MIN_REMAINDER)
            charge = self.charge[b.name].x.array[node] + 0.5 * s.dt * (before + now)
            covered = -np.expm1(-np.minimum(charge, self._of_metal(xi)) / b.q_cov)
            wrong = eta_nuc * (self.covered[b.name].x.array[node] - covered)
            plates = (before > 0.0) | (now > 0.0)
            local += size[plates] @ wrong[plates] ** 2, size.sum()
        square, whole = s.domain.comm.allreduce(local, op=MPI.SUM)
        return float(np.sqrt(square / whole) * FARADAY / (GAS_CONSTANT * float(s.temperature)))

    def _of_metal(self, xi: Array) -> Array:
        """Charge of the metal on a wall, by xi there, C/m2."""
        thickness = -self.metal.interface_width * np.log1p(-xi)
        return np.asarray(self.metal.charge_density * thickness)

    def _overpotential(self, wall: NodalReaction) -> Array:
        """Overpotential of a wall in the last accepted step, V."""
        s = self.s
        phi_s, phi_l = (s.unknowns[n].old[0].x.array[wall.nodes[n]] for n in ("phi_s", "phi_l"))
        return np.asarray(phi_s - phi_l + s.past_voltages[0])

    def _concentration(self, wall: NodalReaction) -> Array:
        """Salt of the last accepted step, mol/m3."""
        if "c" not in wall.nodes:
            return wall.concentration()
        return np.asarray(self.s["ions"].at_nodes(self.s, 0)[wall.nodes["c"]])
