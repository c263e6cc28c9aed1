"""Manufactured solutions: P1 converges with order 2 in space, BDF1 and BDF2 with 1 and 2 in time.

The sources come from the exact solution by UFL, from the strong form of physics.md section 1
written out here (`Sources`), not from the fluxes of `fem.physics`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import ufl

from fem import Case
from fem.base.constants import FARADAY
from fem.compat import MPI, dfem
from fem.mesh.domain import Domain
from fem.physics.electrons.electrons import Electrons
from fem.physics.ions.ions import Ions, Medium
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.system.system import System
from tests.verification.cells import RT_F, Cell, L, case, mesh_folder

SIGMA, COUPLING = 3.0, 4e8  # S/m, S/m3: a(phi_s - phi_l) passes between the two conductors
NAMES = ("phi_s", "phi_l", "c")


def kappa(c: Any, T: Any) -> Any:
    return 0.4 + 0.6 * (c / 1000) - 0.1 * (c / 1000) ** 2


def diffusivity(c: Any, T: Any) -> Any:
    return 3e-10 * (1 - 0.2 * c / 1000)


def t_plus(c: Any, T: Any) -> Any:
    return 0.3 + 0.1 * c / 1000


def factor(c: Any, T: Any) -> Any:
    return 1 + 0.3 * c / 1000


POROSITY, TORTUOSITY = 0.6, 1.5


def exact(x: Any) -> dict[str, Any]:
    """Smooth fields without normal gradient at x = 0 and x = L, varying in both directions."""
    across, up = ufl.cos(math.pi * x[0] / L), math.pi * x[1] / L
    return {
        "phi_s": 0.03 * (1 + across) * ufl.sin(1.3 * up),
        "phi_l": 0.02 * across * ufl.cos(up) + 0.01 * ufl.sin(2.0 * up),
        "c": 1000 * (1 + 0.3 * across * ufl.cos(0.7 * up) + 0.2 * ufl.sin(up)),
    }


@dataclass(frozen=True)
class Sources:
    """The terms that make `exact` the solution, and the coupling of the two charge rows."""

    regions: tuple[str, ...] = ("electrolyte",)
    provides: tuple[str, ...] = ("source",)
    needs: tuple[str, ...] = NAMES

    def declare(self, s: System) -> None:
        s.define("source", None)

    def rows(self, s: System) -> None:
        e = exact(s.domain.x)
        c, T = e["c"], s.temperature
        spread = POROSITY / TORTUOSITY
        i_s = -SIGMA * ufl.grad(e["phi_s"])
        i_l = -kappa(c, T) * spread * ufl.grad(e["phi_l"]) + (
            2 * kappa(c, T) * spread * RT_F * factor(c, T) * (1 - t_plus(c, T)) * ufl.grad(c) / c
        )
        N = -diffusivity(c, T) * spread * ufl.grad(c) - (1 - t_plus(c, T)) * i_l / FARADAY
        dx = s.domain.dx(self.regions, degree=6)
        reaction = COUPLING * (s["phi_s"] - s["phi_l"])
        known = COUPLING * (e["phi_s"] - e["phi_l"])
        s.row("phi_s", (reaction - known - ufl.div(i_s)) * s.test("phi_s") * dx)
        s.row("phi_l", (known - reaction - ufl.div(i_l)) * s.test("phi_l") * dx)
        s.row("c", -FARADAY * ufl.div(N) * s.test("c") * dx)


def errors(n: int) -> dict[str, float]:
    """L2 errors over the norm of the exact field, on n x n squares cut in two."""
    size = f"{100 / n} um"
    geometry = {"family": "planar", "length": "100 um", "width": "100 um", "size": size}
    folder = mesh_folder(Case.from_dict(case(geometry=geometry)), MPI.COMM_WORLD)
    s = System(Domain.read(folder))
    region = ("electrolyte",)
    medium = Medium(region, kappa, diffusivity, t_plus, factor,
                    porosity=POROSITY, tortuosity=TORTUOSITY)
    ends = {"collector": 0.0, "counter": 0.0}
    physics = (
        Electrons({region: ufl.as_ufl(SIGMA)}),
        Ions((medium,), fixed_potential=ends, fixed_concentration=ends),
        Sources(),
    )
    for part in physics:
        part.declare(s)
    for name in NAMES:
        u = s.unknowns[name]
        points = u.space.element.interpolation_points
        wanted = dfem.Expression(exact(ufl.SpatialCoordinate(u.space.mesh))[name], points)
        field = dfem.Function(u.space)
        field.interpolate(wanted)
        if name == "phi_s":  # the physics holds it at the collector only
            y = u.space.tabulate_dof_coordinates()[:, 1]
            u.fix(np.flatnonzero(y > L * (1 - 1e-9)).astype(np.int32), 0.0)
        held = u.fixed_dofs()
        u.value.x.array[:] = 1000.0 if name == "c" else 0.0
        u.value.x.array[held] = field.x.array[held]
    for part in physics:
        part.rows(s)
    s.remember()
    s.begin(0.0)
    stage = Stage(s, NAMES, Options(kind="direct", rtol=1e-11, max_potential_step=1.0),
                  drives=False)
    outcome = stage.solve(Control(None), 1.0)
    assert outcome.converged, outcome
    e, dx = exact(s.domain.x), s.domain.dx(region, degree=6)
    out = {}
    for name in NAMES:
        gap = s.integral(s.form((s[name] - e[name]) ** 2 * dx))
        out[name] = math.sqrt(gap / s.integral(s.form(e[name] ** 2 * dx)))
    return out


def test_order_in_space():
    """Electrons, ions and salt coupled, properties functions of c: order 2 at each refinement."""
    found = [errors(n) for n in (8, 16, 32)]
    for name in NAMES:
        values = np.array([e[name] for e in found])
        orders = np.log2(values[:-1] / values[1:])
        print("space", name, values, orders)
        assert np.all(np.abs(orders - 2.0) < 0.15), name
        assert values[-1] < 3e-3


# -- time --------------------------------------------------------------------------------------


@functools.cache
def relaxed(steps: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """c after 2 s of rest from a cosine in the closed cell, in steps of ratio 1 : 1.5."""
    wave = {"expression": "1000 + 400*cos(pi*y/h)", "unit": "mol/m^3", "h": "100 um"}
    geometry = {"family": "planar", "length": "100 um", "size": "2 um", "size_width": "2 um"}
    cell = Cell(case(geometry=geometry, initial={"c": wave}), rtol=1e-12)
    area = cell.area
    cell.rest(0.0, scale=10.0 * area)
    pattern = np.tile([1.0, 1.5], steps // 2)
    for dt in 2.0 * pattern / pattern.sum():
        if order == 1:
            cell.s.restart_formula()
        cell.s.begin(dt)
        outcome = cell.main.solve(cell.control(0.0), 10.0 * area)
        assert outcome.converged, outcome
        cell.s.accept()
    x, c = cell.nodes("c")
    return c, x[:, 1]


@pytest.mark.parametrize("order", [1, 2])
def test_order_in_time(order):
    """A cosine of salt decays as exp(-pi^2 D t/L^2); uneven steps; the first of BDF2 is BDF1."""
    fine, y = relaxed(160, 2)
    analytic = 1000 + 400 * math.exp(-(math.pi**2) * 3e-10 * 2.0 / L**2) * np.cos(math.pi * y / L)
    assert np.abs(fine - analytic).max() < 0.1  # mol/m3, of 400: the space error
    gaps = [np.abs(relaxed(n, order)[0] - fine).max() for n in (8, 16, 32)]
    orders = np.log2(np.array(gaps[:-1]) / gaps[1:])
    print("time", order, gaps, orders)
    assert np.all(np.abs(orders - order) < (0.1 if order == 1 else 0.2))
