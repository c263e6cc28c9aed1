r"""Film walls that forget their barrier once a charge has been plated on them.

A foreign wall asks for eta_nuc until metal covers it. The phase field alone would decide that by
lambda: a film must be some lambda thick (`fem.physics.metal.metal`). Here the charge q_w decides
that has been plated on bare wall, per area of it, as on the walls of the other studies:

    eta_wall = eta + eta_nuc exp(-q_w/q_cov),    dq_w/dt = -i_w,    q_w <= (zF/V_m) b

b = -lambda ln(1 - xi) is how thick the metal there is: what has dissolved covers nothing. Metal of
the start (xi > 1/2) covers as if it had been plated.

A wall forgets its barrier within seconds, the sooner the faster it plates, and a host has so much
wall that its potentials stay where the next of it begins to. So q_w is followed node by node within
the step, in strides of its own, at the mean eta of the step,

    dq_w/dt = -i_w(eta_m + eta_nuc exp(-q_w/q_cov)),    eta_m = (eta(t) + eta(t + dt))/2,

and the barrier is a function of the eta that Newton's method looks for: the more negative, the less
is left of it. This is of second order in the change of eta, and exact while eta stands still.

Two changes of the barrier, in units of RT/F, are local errors of the step as those of the fields
are: what the curvature of eta in time would change; and what the charge would that the step counts
as metal, by its formula from i_w at its end. While the barrier falls at a voltage that is held the
two charges differ, and the front says nothing yet: q_cov is some 1e-3 lambda of metal.
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
#: By how much of RT/F a barrier falls in one stride at most.
STRIDE = 0.5
#: Label of the shift by which walls forget their barrier.
CAUSE = "barrier"


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

    needs: tuple[str, ...] = ("phi_s", "phi_l", "c_lagged", "xi", "front")
    provides: tuple[str, ...] = ()

    def __init__(self, metal: Metal, barriers: tuple[Barrier, ...]):
        self.metal, self.barriers = metal, barriers

    def declare(self, s: System) -> None:
        """Charge and its last gain, coverage, phi_s - phi_l and its slope at nodes, all kept."""
        part = s.unknowns["xi"].part
        self.charge = {b.name: s.memory(f"q_{b.name}", part) for b in self.barriers}
        self.covered = {b.name: s.memory(f"covered_{b.name}", part) for b in self.barriers}
        self.gained = {b.name: s.memory(f"gained_{b.name}", part) for b in self.barriers}
        self.eta = {b.name: s.memory(f"eta_{b.name}", part) for b in self.barriers}
        self.slope = {b.name: s.memory(f"slope_{b.name}", part) for b in self.barriers}
        self.begun = s.charges["covering.begun"] = np.zeros(1)
        s.preparers.append(self.prepare)  # before the metal looks how fast its walls are
        s.followers.append(self._follow)
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
        """Barriers that follow the step at hand."""
        if not self.begun[0]:
            self._begin()
        for b, wall, eta_nuc, _ in self.parts:
            node = wall.nodes["xi"]
            if self.s.time.history == 1:  # a jump: the potentials before it say nothing
                self.slope[b.name].x.array[node] = 0.0
            charge, eta = self.charge[b.name].x.array[node], wall.drop_before()
            self.eta[b.name].x.array[node] = eta
            wall.shifts[CAUSE] = self._barrier(b, wall, eta_nuc, charge, eta)

    def _begin(self) -> None:
        """Charge by the metal of the start, or by what the run before this one has covered."""
        self.begun[0] = 1.0
        for b, wall, _, _ in self.parts:
            node = wall.nodes["xi"]
            there = self._of_metal(self.s.unknowns["xi"].old[0].x.array[node])
            bare = 1.0 - self.covered[b.name].x.array[node]
            taken_over = -b.q_cov * np.log(np.maximum(bare, MIN_REMAINDER))
            new = (bare == 1.0) & (there > self._of_metal(0.5))
            charge = np.where(new, there, np.minimum(taken_over, there))
            self.charge[b.name].x.array[node] = charge
            self.covered[b.name].x.array[node] = _coverage(b, charge)

    def _follow(self) -> None:
        """Charges of walls after the step just accepted, while what it reacted by is known."""
        dt = self.s.time.past_dt[0]
        for b, wall, eta_nuc, _ in self.parts:
            node = wall.nodes["xi"]
            charge, before = (f[b.name].x.array[node] for f in (self.charge, self.eta))
            eta, c = wall.drop_before(), self._concentration(wall)
            plated = self._plated(b, wall, eta_nuc, charge, 0.5 * (before + eta), dt, c)
            there = self._of_metal(self.s.unknowns["xi"].old[0].x.array[node])
            kept = np.minimum(plated, there)
            self.gained[b.name].x.array[node] = plated - charge
            self.slope[b.name].x.array[node] = (eta - before) / dt
            self.charge[b.name].x.array[node] = kept
            self.covered[b.name].x.array[node] = _coverage(b, kept)

    def _barrier(
        self, b: Barrier, wall: NodalReaction, eta_nuc: Array, charge: Array, eta: Array
    ) -> Callable[[Array], Array]:
        """The shift of the overpotential by what is plated, V, as a function of phi_s - phi_l."""

        def shift(drop: Array) -> Array:
            plated = self._plated(b, wall, eta_nuc, charge, 0.5 * (eta + drop), self.s.dt)
            return -eta_nuc * _coverage(b, plated)

        return shift

    def gap(self) -> float:
        """Change of barriers by what a step leaves out, over RT/F (collective).

        The larger of two at each node, by the curvature of eta and by the metal that is counted.

        The mean of a parabola over a step is that of its ends less dt^2/12 of its curvature. It is
        the mean over all wall that forgets a barrier, not the root mean square: a barrier is there
        or gone, and the error is how much wall has begun too early or too late, as that of a front
        is where it stands. Where nothing plates neither counts.
        """
        s, local = self.s, np.zeros(2)
        share = s.dt / (s.dt + (s.time.past_dt[0] if s.time.history > 1 else 0.0)) / 6.0
        for b, wall, eta_nuc, size in self.parts:
            node = wall.nodes["xi"]
            charge, before, slope = (
                f[b.name].x.array[node] for f in (self.charge, self.eta, self.slope)
            )
            now = wall.drop()
            bend = share * (now - before - s.dt * slope)
            plated, curved = (
                self._plated(b, wall, eta_nuc, charge, 0.5 * (before + now) - x, s.dt)
                for x in (0.0, bend)
            )
            there = self._of_metal(s.unknowns["xi"].value.x.array[node])
            covered, other = (_coverage(b, np.minimum(q, there)) for q in (plated, curved))
            self.covered[b.name].x.array[node] = covered
            counted = np.maximum(charge + self._counted(b, wall), 0.0)
            miscounted = _coverage(b, counted) - _coverage(b, plated)
            wrong = eta_nuc * np.maximum(np.abs(covered - other), np.abs(miscounted))
            plates = (plated > charge) | (curved > charge)
            local += size[plates] @ wrong[plates], size.sum()
        mean, whole = s.domain.comm.allreduce(local, op=MPI.SUM)
        return float(mean / whole * FARADAY / (GAS_CONSTANT * float(s.temperature)))

    def _counted(self, b: Barrier, wall: NodalReaction) -> Array:
        """Charge that the formula of the step adds to a wall that was right before, C/m2."""
        new, _, first = self.s.time.now()
        gained = self.gained[b.name].x.array[wall.nodes["xi"]]
        return np.asarray((first * gained - wall.density()) / new)

    def _plated(
        self, b: Barrier, wall: NodalReaction, eta_nuc: Array, charge: Array, eta: Array,
        time: float, c: Array | None = None,
    ) -> Array:
        """Charge of a wall after some time at one eta, C/m2, in strides of Runge and Kutta.

        Args:
            b: its barrier.
            wall: the reaction there.
            eta_nuc: of its nodes, V.
            charge: before, C/m2.
            eta: phi_s - phi_l, V.
            time: s.
            c: salt, mol/m3; what the step sees if not given.
        """
        c, T = wall.concentration() if c is None else c, wall.temperature()
        stride = STRIDE * GAS_CONSTANT * T / FARADAY
        others = wall.shifted_by_others(CAUSE, eta)

        def rate(charge: Array) -> Array:
            # As the step counts it: a voltage that is held asks for more than is brought.
            seen = others - eta_nuc * _coverage(b, charge)
            return -wall.supplied(wall.law(seen, c, T))[0]

        charge, left = charge.copy(), np.full(len(charge), time)
        while left.any():
            now = rate(charge)
            falls = np.abs(eta_nuc * np.exp(-charge / b.q_cov) / b.q_cov * now)  # V/s
            step = np.minimum(left, stride / np.maximum(falls, stride / (2.0 * time)))
            early = rate(charge + 0.5 * step * now)
            late = rate(charge + 0.5 * step * early)
            end = rate(charge + step * late)
            charge = charge + step / 6.0 * (now + 2.0 * early + 2.0 * late + end)
            left = np.where(step < left, left - step, 0.0)
        return charge

    def _of_metal(self, xi: Any) -> Array:
        """Charge of the metal on a wall, by xi there, C/m2."""
        inside = np.clip(xi, 0.0, 1.0 - MIN_REMAINDER)
        thickness = -self.metal.interface_width * np.log1p(-inside)
        return np.asarray(self.metal.charge_density * thickness)

    def _concentration(self, wall: NodalReaction) -> Array:
        """Salt of the last accepted step, mol/m3."""
        if "c" not in wall.nodes:
            return wall.concentration()
        return np.asarray(self.s["ions"].at_nodes(self.s, 0)[wall.nodes["c"]])


def _coverage(b: Barrier, charge: Array) -> Array:
    """Share of a barrier that a charge makes a wall forget."""
    return np.asarray(-np.expm1(-charge / b.q_cov))
