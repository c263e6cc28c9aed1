"""Order in space of an averaged host by a manufactured solution in 2D."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import ufl

from fem import Case
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.study.build import build
from tests.physics.averaged.columns import RT_F, UM, column, linear
from tests.verification.cells import mesh_folder

#: Side of the host, m, its area, 1/m, sigma, S/m, and the tortuosity across and along.
H, AREA, SIGMA, TAU = 100 * UM, 2e6, 3.0, (1.2, 2.0)
#: Pores at the top and at the bottom, linear between.
TOP, BOTTOM = 0.9, 0.7
KINETICS = linear(3.0, sigma=SIGMA)
I0 = float(KINETICS["i0"].split()[0])


def exact(x: Any) -> tuple[Any, Any]:
    """Phi_s and phi_l, V: no flow through the sides, the foil and the top, plating everywhere."""
    t, across = x[1] / H, ufl.cos(math.pi * x[0] / H)
    phi_s = -0.03 * (1 + 0.2 * across) * (3 * t**2 - 2 * t**3)
    return phi_s, 0.02 * (1 + 0.3 * across) * (1 - t**2) ** 2


def errors(n: int) -> Any:
    """L2 errors of phi_s and phi_l, V, with n cells along a side."""
    graded = {"along": "depth", "at": ["0 um", "100 um"], "values": [TOP, BOTTOM]}
    tensor = [[TAU[0], 0.0], [0.0, TAU[1]]]
    data = column(
        cells=n, sigma=SIGMA, porosity=graded, kinetics=KINETICS, study="secondary",
        host={"exponent": 1, "tensor": tensor, "metal_sigma": "0 S/m"},
        protocol=[{"step": "hold", "voltage": "0 V"}],
    ).to_dict()  # fmt: skip
    data["geometry"] |= {"width": "100 um", "size_width": f"{100 / n} um"}
    case = Case.from_dict(data)
    s = build(case, Domain.read(mesh_folder(case, MPI.COMM_WORLD))).system
    x, dx = s.domain.x, s.domain.dx(["host_mat"], 6)
    phi_s, phi_l = exact(x)
    i_v = AREA * I0 / RT_F * (phi_s - phi_l)
    kappa = BOTTOM + (TOP - BOTTOM) * x[1] / H
    i_l = -kappa * ufl.as_vector([ufl.grad(phi_l)[k] / TAU[k] for k in (0, 1)])
    s.row("phi_s", -(ufl.div(-SIGMA * ufl.grad(phi_s)) + i_v) * s.test("phi_s") * dx)
    s.row("phi_l", -(ufl.div(i_l) - i_v) * s.test("phi_l") * dx)
    s.set_voltage(0.0)
    s.begin(0.0)
    for name, value in (("phi_s", -0.01), ("phi_l", 0.01)):
        u = s.unknowns[name]
        u.value.x.array[:] = value
        u.value.x.array[u.fixed_dofs()] = 0.0
    stage = Stage(s, tuple(s.unknowns), Options(kind="direct", rtol=1e-11), drives=False)
    outcome = stage.solve(Control(None), 1e-3)
    assert outcome.converged, outcome
    gaps = (s["phi_s"] - phi_s, s["phi_l"] - phi_l)
    return np.sqrt([s.integral(s.form(gap**2 * dx)) for gap in gaps]) / H


def test_order_in_space() -> None:
    """Order 2 of both potentials: pores by depth, a tensor, and a reaction everywhere."""
    found = np.array([errors(n) for n in (8, 16, 32)])
    orders = np.log2(found[:-1] / found[1:])
    print(orders, found)
    assert np.all(orders > 1.8) and np.all(found[-1] < 1e-4)
