"""Cells of the verification tests: a case as data, and a cell that is stepped by hand."""

from __future__ import annotations

import copy
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import geometries
from fem import Case
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.base.parallel import on_root
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.run.start import hold
from fem.solver.options import Control, Options, Outcome
from fem.solver.stage import Stage
from fem.solver.stepper import Settings, Step, Stepper
from fem.study.build import build
from tests.verification.books import Books

T = 298.15
RT_F = GAS_CONSTANT * T / FARADAY  # 25.693 mV
D, C0, T_PLUS, L = 3e-10, 1000.0, 0.4, 100e-6  # verification.md, "Transport"
LIMIT = 2 * FARADAY * D * C0 / ((1 - T_PLUS) * L)  # 964.9 A/m2

IDEAL = {  # Nernst-Einstein conductivity
    "kind": "electrolyte", "c0": "1 mol/L", "D": "3e-10 m^2/s", "t_plus": T_PLUS,
    "kappa": {"law": "nernst_einstein"},
}
PLAIN = IDEAL | {"kappa": "1 S/m"}
FAST = 1e4  # A/m2; exchange current density of electrodes that are nearly reversible

PLANAR = {"family": "planar", "length": "100 um", "size": "2 um", "size_width": "10 um"}


def case(**changes: Any) -> dict[str, Any]:
    """A planar cell between two metal electrodes; `changes` replace whole entries."""
    data: dict[str, Any] = {
        "schema": 1,
        "title": "verification",
        "metal": "Li",
        "electrolyte": "ideal",
        "temperature": "298.15 K",
        "study": "tertiary",
        "geometry": PLANAR,
        "materials": {"ideal": IDEAL},
        "kinetics": [kinetics("collector"), kinetics("counter")],
        "protocol": [{"step": "plate", "current_density": "100 A/m^2", "duration": "1 s"}],
        "time": {"dt0": "1 ms", "dt_min": "1e-7 s"},
        "output": {"figures": False},
    }
    return copy.deepcopy(data | changes)


def kinetics(surface: str, i0: float | dict[str, Any] = FAST, **more: Any) -> dict[str, Any]:
    """Butler-Volmer with two transfer coefficients of 1/2."""
    shown = i0 if isinstance(i0, dict) else f"{i0!r} A/m^2"
    return {"surface": surface, "i0": shown, "alpha_a": 0.5, "alpha_c": 0.5} | more


def overpotential(i: float, i0: float, R_film: float = 0.0) -> float:
    """Overpotential, V, of a Butler-Volmer electrode with alpha = 1/2 at i, film included."""
    return 2 * RT_F * float(np.arcsinh(i / (2 * i0))) + i * R_film


def mesh_folder(checked: Case, comm: MPI.Comm) -> Path:
    """The mesh of a case, made once for all tests of a session."""
    cache = Path(os.environ.get("HOSTPLATE_TEST_MESHES", tempfile.gettempdir()))
    spec = dict(checked.geometry or {})
    folder: Path = on_root(comm, geometries.cached, spec["family"], spec, cache / "meshes")
    return folder


class Cell:
    """A model whose steps a test takes by hand. Currents are A/m2 of collector, plating < 0."""

    def __init__(
        self,
        data: dict[str, Any],
        *,
        kind: str = "direct",
        rtol: float = 1e-11,
        comm: MPI.Comm = MPI.COMM_WORLD,
        **options: Any,
    ):
        self.case = Case.from_dict(data)
        self.model = build(self.case, Domain.read(mesh_folder(self.case, comm), comm))
        self.s, self.domain = self.model.system, self.model.domain
        self.area = self.model.area
        choice = Options(kind=kind, rtol=rtol, **options)
        names = tuple(self.s.unknowns)
        potentials = tuple(n for n in names if not self.s.unknowns[n].differential)
        self.main = Stage(self.s, names, choice)
        self.start = self.main if potentials == names else Stage(self.s, potentials, choice)
        self.books = Books(self.s, self.model.observers)
        self.circuit, self.stock = self.books.circuit, self.books.stock
        self.outcome: Outcome | None = None

    def control(self, density: float | None) -> Control:
        """Imposed current density, or the present voltage (None)."""
        return Control(None if density is None else density * self.area)

    def scale(self, density: float | None, smallest: float = 1e-2) -> float:
        """Cell current that residuals are compared with."""
        return max(abs(density or 0.0), smallest) * self.area

    def solve(self, density: float | None, stage: Stage | None = None, scale: float = 0.0) -> None:
        """One nonlinear solve from the present iterate; it must converge."""
        stage = stage or self.main
        self.outcome = stage.solve(self.control(density), scale or self.scale(density))
        assert self.outcome.converged, self.outcome

    def rest(self, density: float | None = 0.0, scale: float = 0.0) -> None:
        """Potentials that fit the salt; time stands still."""
        self.s.begin(0.0)
        self.solve(density, self.start, scale)
        hold(self.start)

    def step(self, density: float | None, dt: float) -> dict[str, float]:
        """One time step of a given size."""
        self.s.begin(dt)
        self.solve(density)
        numbers = self.books.step(self.scale(density))
        self.s.accept()
        self.books.accept()
        return numbers

    def steady(self, density: float | None) -> None:
        """Implicit Euler steps that grow to 3000 diffusion times; they keep the salt content."""
        self.rest(density)
        for dt in (0.1, 1.0, 10.0, 1e2, 1e3, 1e4, 1e4):
            self.s.restart_formula()
            self.step(density, dt)

    def march(self, density: float, stops: npt.ArrayLike, tolerance: float, dt0: float) -> Any:
        """Adaptive steps; yields at each of the times `stops`."""
        stepper = Stepper(self.s, (self.main,), Settings(dt0, 1e-9, tolerance=tolerance))
        for stop in np.asarray(stops, dtype=float):
            while self.s.t < stop * (1 - 1e-12):
                step: Step | None = stepper.advance(
                    lambda _: self.control(density), self.scale(density), stop - self.s.t
                )
                assert step is not None, f"no step at t = {self.s.t}"
            yield stop

    @property
    def voltage(self) -> float:
        """phi_s(collector) - phi_s(counter), V."""
        return self.s.get_voltage()

    def nodes(self, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Coordinates (n, 3) and values of an unknown at its nodes."""
        u = self.s.unknowns[name]
        return self.domain.node_coordinates(u.space), u.owned.copy()

    def at_height(self, name: str, y: float) -> float:
        """Mean of an unknown over the nodes at a height, m."""
        x, values = self.nodes(name)
        on = np.abs(x[:, self.domain.dim - 1] - y) < 1e-12
        assert on.any(), f"no node at {y}"
        return float(values[on].mean())
