"""A strip of electrolyte between two metal electrodes, with space charge, stepped by hand."""

from __future__ import annotations

from typing import Any

from fem import Case
from fem.base.constants import EPSILON_0, FARADAY, GAS_CONSTANT
from fem.case.species import Species
from fem.compat import MPI
from fem.materials.laws import exchange_current
from fem.mesh.domain import Domain
from fem.physics.circuit.circuit import Circuit
from fem.physics.pnp.space_charge import Liquid, SpaceCharge
from fem.physics.walls.interface import Interface
from fem.setup.electrode import Electrode
from fem.solver.options import Control, Options, Outcome
from fem.solver.stage import Stage
from fem.system.system import System
from tests.verification.cells import RT_F, L, T, case, mesh_folder

REGION, EPS_R, D = "electrolyte", 78.5, 1e-9
TAU = L**2 / D  # s


def concentration(debye: float) -> float:
    """Salt with this Debye length over L, mol/m3."""
    return EPSILON_0 * EPS_R * GAS_CONSTANT * T / (2 * FARADAY**2 * (debye * L) ** 2)


def graded(first: float, largest: float, growth: float = 1.15) -> dict[str, Any]:
    """A mesh whose cells grow from both electrodes on; sizes over L."""
    size = {k: f"{1e6 * v * L:.6g} um" for k, v in (("first", first), ("size", largest))}
    return {
        "family": "planar", "length": f"{1e6 * L:g} um", "width": size["size"],
        "size": size["size"], "size_width": size["size"], "size_collector": size["first"],
        "size_counter": size["first"], "growth": growth,
    }  # fmt: skip


class Strip:
    """A closed cell of a symmetric salt, nearly reversible; currents over the limiting one.

    Args:
        debye: Debye length over L.
        mesh: parameters of its geometry.
        i0: exchange current over the limiting one.
        stern: Debye lengths that the Stern layer measures.
    """

    def __init__(
        self, debye: float, mesh: dict[str, Any], i0: float = 1e4, stern: float = 0.1
    ):
        folder = mesh_folder(Case.from_dict(case(geometry=mesh)), MPI.COMM_WORLD)
        self.s = s = System(Domain.read(folder), T)
        self.c0 = c0 = concentration(debye)
        self.limit = 4 * FARADAY * D * c0 / L  # A/m2
        self.electrodes = tuple(
            Electrode(
                name, lambda c, T: exchange_current(c, T, i0 * self.limit, c0, 0.5, 1, 0.0),
                faces=((name, REGION),), potential=potential, covered=True,
            )
            for name, potential in (("collector", "driven"), ("counter", "ground"))
        )  # fmt: skip
        self.model = SpaceCharge(
            (Species("Li", 1, D, c0, plates=True), Species("A", -1, D, c0)),
            {REGION: Liquid(EPS_R)}, T, L, electrodes=self.electrodes,
            stern=EPSILON_0 * EPS_R / (stern * debye * L),
        )  # fmt: skip
        self.circuit = Circuit()
        parts = (self.model, Interface(self.electrodes, state=False), self.circuit)
        for part in parts:
            part.declare(s)
        for part in parts:
            part.rows(s)
        s.remember()
        s.close()
        self.stage = Stage(s, tuple(s.unknowns), Options(kind="direct"))
        self.current = s.domain.area("collector") * self.limit
        self.numbers: dict[str, float] = {}

    @property
    def voltage(self) -> float:
        """Voltage of the cell in RT/F, positive while plating."""
        return -self.s.get_voltage() / RT_F

    def step(self, J: float, dt: float) -> Outcome:
        """One Euler step of dt, in L^2/D, kept if it converges."""
        s, control = self.s, Control(-J * self.current)
        saved = s.save()
        s.restart_formula()
        s.begin(dt * TAU)
        outcome = self.stage.solve(control, abs(J * self.current))
        if outcome.converged:
            self.numbers = self.circuit.step(abs(J * self.current))
            s.accept()
            self.circuit.accept()
        else:
            s.restore(saved)
        return outcome

    def steady(self, J: float, first: float = 1e-3) -> int:
        """Steps that grow until nothing changes any more; returns Newton iterations."""
        dt, newton = first, 0
        while dt < 1e4:
            outcome = self.step(J, dt)
            newton += outcome.newton
            dt *= 3.0 if outcome.converged else 0.3
            assert dt > 1e-9, outcome
        return newton
