"""Order in space by manufactured solutions of two and three ions, and Newton's matrix.

Sources come from the exact fields by UFL, from the Nernst-Planck equations in c and phi, which the
code does not use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import ufl

from fem import Case
from fem.base.constants import FARADAY
from fem.case.species import Species
from fem.case.turnover import Turnover
from fem.compat import MPI, dfem
from fem.mesh.domain import Domain
from fem.physics.species.solution import Liquid, Solution
from fem.solver.matrices import ROW_UNIT
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.system.system import System
from tests.verification.cells import C0, RT_F, L, case, mesh_folder

#: Charge numbers, that of the metal ion first, and diffusivities, m2/s.
SALTS: Mapping[tuple[int, ...], tuple[float, ...]] = {
    (1, -1): (3e-10, 5e-10), (2, -1): (3e-10, 5e-10), (1, 1, -1): (3e-10, 2e-10, 5e-10),
}  # fmt: skip
REGION = ("electrolyte",)
#: Speed of the liquid, m/s: Peclet number 3 over a side.
SPEED = 3 * 3e-10 / L


def exact(z: tuple[int, ...], x: Any, drift: float, rho: float) -> tuple[list[Any], Any]:
    """Neutral concentrations, mol/m3, and the electrostatic potential, V, smooth, insulated aside.

    In 2D a square, in 3D a block of half its width.

    Args:
        z: charge numbers.
        x: place.
        drift: potential across the square in RT/F.
        rho: fixed charge, F C0.
    """
    up = math.pi * x[len(x) - 1] / L
    across = (ufl.cos(math.pi * x[0] / L) if len(x) == 2 else
              ufl.cos(2 * math.pi * x[0] / L) * ufl.cos(2 * math.pi * x[1] / L))
    others = [C0 * 1.4 * (1 + 0.3 * across * ufl.cos(0.7 * up) + 0.2 * ufl.sin(up))]
    if len(z) == 3:
        others.insert(0, C0 * 0.3 * (1 - 0.4 * across * ufl.sin(up)))
    metal = -(sum(k * c for k, c in zip(z[1:], others, strict=True)) + rho * C0) / z[0]
    phi = drift * RT_F * (up / math.pi + 0.2 * across * ufl.sin(up))
    return [metal, *others], phi


def flow(x: Any) -> Any:
    """Velocity of an eddy, m/s, in 3D in planes of the second coordinate."""
    k = len(x) - 1  # waves in the width
    a, b = k * math.pi * x[0] / L, math.pi * x[k] / L
    u = SPEED * ufl.sin(a) * ufl.cos(b), -k * SPEED * ufl.cos(a) * ufl.sin(b)
    return ufl.as_vector([u[0], *[0.0] * (k - 1), u[1]])


def made(
    z: tuple[int, ...], n: int, drift: float, rho: float = 0.0, *, moved: bool = False,
    dim: int = 2,
) -> tuple[System, Stage, Solution, dict[str, Any]]:
    """The square or block with its sources at the exact solution; potentials at its ends are held.

    Args:
        z: charge numbers.
        n: cells along its height.
        drift: see `exact`.
        rho: see `exact`.
        moved: by the eddy.
        dim: 2 or 3.
    """
    geometry: dict[str, Any] = {
        "family": "planar", "length": "100 um", "width": "100 um", "size": f"{100 / n} um"
    }  # fmt: skip
    if dim == 3:
        geometry |= {"dimension": 3, "width": "50 um", "breadth": "50 um"}
    folder = mesh_folder(Case.from_dict(case(geometry=geometry)), MPI.COMM_WORLD)
    s = System(Domain.read(folder))
    ions = tuple(
        Species(name, k, D, C0, j == 0)
        for j, (name, k, D) in enumerate(zip("MSA"[:1] + "SA"[3 - len(z):], z, SALTS[z],
                                             strict=True))
    )  # fmt: skip
    solution = Solution(
        ions, (Liquid(REGION),), {REGION[0]: rho * FARADAY * C0}, {},
        ("collector", "counter"), {"collector": 1.0, "counter": 1.0},
        velocity=flow(s.domain.x) if moved else None,
    )
    solution.declare(s)
    solution.rows(s)

    def known(x: Any) -> dict[str, Any]:
        c, phi = exact(z, x, drift, rho)
        w = [phi + RT_F * ufl.ln(each / C0) / k for k, each in zip(z, c, strict=True)]
        return {"phi_l": w[0]} | {f"mu_{ion.name}": each - w[0]
                                  for ion, each in zip(ions[1:], w[1:], strict=True)}

    c, phi = exact(z, s.domain.x, drift, rho)
    dx = s.domain.dx(REGION, 6)
    fluxes = []
    for each, k, D in zip(c, z, SALTS[z], strict=True):
        N = -D * (ufl.grad(each) + k * each / RT_F * ufl.grad(phi))
        fluxes.append(N + each * flow(s.domain.x) if moved else N)
    charge = sum(k * ufl.div(N) for k, N in zip(z, fluxes, strict=True))
    s.row("phi_l", -FARADAY * charge * s.test("phi_l") * dx)
    for ion, N in zip(ions[1:], fluxes[1:], strict=True):
        row = f"mu_{ion.name}"
        s.row(row, -ion.z * FARADAY * ufl.div(N) * s.test(row) * dx)
    for name, u in s.unknowns.items():
        at = known(ufl.SpatialCoordinate(u.space.mesh))[name]
        u.value.interpolate(dfem.Expression(at, u.space.element.interpolation_points))
    s.remember()
    s.begin(0.0)
    stage = Stage(s, tuple(s.unknowns), Options(kind="direct", rtol=1e-11), drives=False)
    return s, stage, solution, known(s.domain.x) | {"c": c}


def errors(z: tuple[int, ...], n: int, drift: float, **more: Any) -> np.ndarray:
    """L2 errors of all potentials, V, and of all ions, mol/m3."""
    s, stage, solution, known = made(z, n, drift, **more)
    outcome = stage.solve(Control(None), 1.0)
    assert outcome.converged, outcome
    dx = s.domain.dx(REGION, 6)
    gaps = [s[name] - known[name] for name in s.unknowns]
    gaps += [a - b for a, b in zip(solution.c, known["c"], strict=True)]
    return np.sqrt([s.integral(s.form(gap**2 * dx)) for gap in gaps]) / L


@pytest.mark.parametrize(("z", "drift", "more"), [
    ((1, -1), 2.0, {"rho": -0.3, "moved": True}), ((2, -1), 2.0, {}),
    ((1, 1, -1), 2.0, {"rho": 0.2}), ((1, 1, -1), 400.0, {"moved": True}),
])  # fmt: skip
def test_order_in_space(z: tuple[int, ...], drift: float, more: dict[str, Any]) -> None:
    """Order 2 of potentials and concentrations, with fixed charge, flow, 25 RT/F a cell."""
    # At 50 RT/F a cell, on 8 of them, Newton goes astray.
    coarse, fine = (errors(z, n, drift, **more) for n in (16, 32))
    orders = np.log2(coarse / fine)
    print("ions, order", z, drift, more, orders, fine)
    assert np.all(orders > 1.8)


@pytest.mark.full
@pytest.mark.parametrize(("z", "drift", "more"), [
    ((1, -1), 2.0, {}), ((2, -1), 2.0, {}), ((1, 1, -1), 2.0, {"rho": 0.2, "moved": True}),
    ((1, -1), 400.0, {"moved": True}), ((1, 1, -1), 400.0, {"moved": True}),
])  # fmt: skip
def test_order_in_three_dimensions(
    z: tuple[int, ...], drift: float, more: dict[str, Any], reached: Callable[..., None]
) -> None:
    """Order 2 of potentials and concentrations, between 11 RT/F a cell and 17 at a drift of 400."""
    sizes = (8, 16, 32) if drift < 100 else (16, 24, 36)
    found = np.array([errors(z, n, drift, dim=3, **more) for n in sizes])
    orders = np.log(found[:-1] / found[1:]) / np.log(np.divide(sizes[1:], sizes[:-1]))[:, None]
    print("ions in 3D, order", z, drift, more, orders.min(axis=0), found[-1])
    for k, (least, cells) in enumerate(zip(orders.min(axis=1), sizes[1:], strict=True)):
        reached(f"least order of all fields, {sizes[k]} to {cells} cells", float(least), least=1.8)


def test_newtons_matrix() -> None:
    """|F(u + e d) - F(u) - e J d| falls as e^2, at any state of three ions beside charge."""
    s, stage, _, _ = made((1, 1, -1), 8, 2.0, rho=-0.2)
    rng = np.random.default_rng(5)
    for u in stage.unknowns:
        u.owned[:] += RT_F * rng.uniform(-1, 1, len(u.owned))
    direction = [RT_F * rng.uniform(-1, 1, len(u.owned)) for u in stage.unknowns]
    for u, d in zip(stage.unknowns, direction, strict=True):
        d[u.fixed_dofs()] = 0.0
    base = [u.owned.copy() for u in stage.unknowns]

    def rows() -> list[np.ndarray]:
        stage.scatter()
        for refresh in s.refreshers:
            refresh()
        return stage.residual().rows

    stage.parts.begin()
    stage.solver.begin()
    at = rows()
    stage.parts.fill()
    stage.solver.update(True)
    x, y = stage.solver.matrix.createVecs()
    stage.solver.put(x, direction)
    stage.solver.matrix.mult(x, y)
    y.scale(ROW_UNIT)
    slope = stage.solver.get(y)
    left = []
    for e in (0.02, 0.01, 0.005):
        for u, b, d in zip(stage.unknowns, base, direction, strict=True):
            u.owned[:] = b + e * d
        left.append([float(np.abs(now - then - e * j).sum())
                     for now, then, j in zip(rows(), at, slope, strict=True)])
    orders = np.log2(np.array(left[:-1]) / np.array(left[1:]))
    print("ions, taylor", orders)
    assert np.all(np.abs(orders - 2.0) < 0.1)


def test_mass_action() -> None:
    """Rates and what a turnover makes."""
    reaction = Turnover({0: 2, 1: 1}, {2: 1}, 3.0, 5.0)
    assert reaction.rate([2.0, 7.0, 1.0]) == 3.0 * 4.0 * 7.0 - 5.0
    assert [reaction.made(k) for k in range(3)] == [-2, -1, 1]
