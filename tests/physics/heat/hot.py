"""Small systems with heat, stepped by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ufl

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.physics.heat.conduction import Conduction
from fem.physics.ions.ions import Ions, Medium
from fem.physics.walls.interface import Interface
from fem.setup.electrode import Electrode
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.system.part import Observer
from fem.system.system import System
from tests.verification.fronts import FLOOR, PORE, TOP, box

T0 = 298.15
L = 100e-6  # m, thickness of all cells
WIDTH = 25e-6  # m
K, STORES = 0.2, 1200.0 * 2000.0  # W/(m K), J/(m3 K): the electrolyte of the design notes
SPREADS = K / STORES  # m2/s
ENDS = ("collector", "counter")
RT_F = GAS_CONSTANT * T0 / FARADAY  # V


def slab(n: int = 20, comm: MPI.Comm = MPI.COMM_WORLD) -> Domain:
    """An electrolyte of thickness L."""
    return box((0, 0), (WIDTH, L), (2, n), comm=comm)


def conducting(kappa: Any, **held: float) -> Ions:
    """An electrolyte without salt; kappa of T, S/m, phi_l at boundaries, V."""
    return Ions((Medium(PORE, kappa=lambda c, T: kappa(T)),), frozen=True, fixed_potential=held)


def electrodes(i0: Any, film: float | None = None) -> Interface:
    """Metal on collector and counter electrode; i0 of T, A/m2, a film on the collector, ohm m2."""
    law: dict[str, Any] = {"i0": lambda c, T: i0(T), "covered": True}
    below = Electrode("collector", faces=FLOOR, potential="driven", film_resistance=film, **law)
    return Interface((below, Electrode("counter", faces=TOP, potential="ground", **law)), False)


def arrhenius(Ea: float, T: Any) -> Any:
    """1 at 298.15 K (UFL)."""
    return ufl.exp(-Ea / GAS_CONSTANT * (1.0 / T - 1.0 / T0))


class Hot:
    """Physics with heat on a domain, in their stages.

    Args:
        domain: the mesh.
        parts: all physics.
        scale: cell current that residuals are compared with, A/m.
        current: imposed, A/m; None: potentials are held.
    """

    def __init__(
        self, domain: Domain, parts: Sequence[Any], *, scale: float = 1.0,
        current: float | None = None,
    ):
        self.s, self.scale, self.control = System(domain, T0), scale, Control(current)
        self.parts = parts
        self.heat = next(p for p in parts if isinstance(p, Conduction))
        for p in parts:
            p.declare(self.s)
        for p in parts:
            p.rows(self.s)
        self.s.remember()
        self.s.close()
        options = Options("direct", rtol=1e-12)
        self.stages = [
            Stage(self.s, rows, options, drives=k == 0) for k, rows in enumerate(self.s.plan())
        ]

    def step(self, dt: float) -> dict[str, float]:
        """One step, s; what heat says of it."""
        self.s.begin(dt)
        for stage in self.stages:
            self.outcome = stage.solve(self.control, self.scale)
            assert self.outcome.converged, self.outcome
        self.numbers = self.heat.step(self.scale)
        self.s.accept()
        for p in (p for p in self.parts if isinstance(p, Observer)):
            p.accept()
        return self.numbers

    def steady(self, steps: int = 12, dt: float = 1e6) -> dict[str, float]:
        """Steps of first order, each longer than everything that happens."""
        for _ in range(steps):
            self.s.restart_formula()
            self.step(dt)
        return self.numbers

    def at(self, share: float) -> float:
        """Mean rise over T0 at a height, given as a share of L, K (collective)."""
        u, domain = self.heat.rise, self.s.domain
        on = abs(domain.node_coordinates(u.space)[:, 1] - share * L) < 1e-6 * L
        total = domain.comm.allreduce(float(u.owned[on].sum()), op=MPI.SUM)
        mean = total / domain.comm.allreduce(int(on.sum()), op=MPI.SUM)
        return mean + (self.heat.zero - self.heat.start)

