"""Manufactured solutions of ions and charge: order 2 in space for weak and strong drift."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
import ufl

from fem import Case
from fem.base.constants import EPSILON_0, FARADAY
from fem.case.species import Species
from fem.compat import MPI, dfem
from fem.mesh.domain import Domain
from fem.physics.pnp.space_charge import Liquid, SpaceCharge, unknown_of
from fem.solver.corners import Moment
from fem.solver.edges import AlongEdges
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.system.system import System
from fem.theory import debye_length
from tests.verification.cells import RT_F, L, T, case, mesh_folder

REGION, EPS_R, D, DEBYE = "electrolyte", 78.5, 1e-9, 0.1 * L
C0 = float(1.0 / debye_length(1.0, EPS_R, T) ** -2 / DEBYE**2)  # its Debye length is a tenth of L


def ions(charges: tuple[int, ...]) -> list[Species]:
    """One ion of each charge, D apart by halves."""
    return [Species(f"i{k}", z, D * (1 + 0.5 * k), C0) for k, z in enumerate(charges)]


def exact(x: Any, charges: tuple[int, ...], drift: float) -> dict[str, Any]:
    """Smooth fields with a drift of some RT/F from side to side."""
    a, b = (math.pi * x[k] / L for k in (0, 1))
    out = {"phi": RT_F * (drift * (x[1] + 0.3 * x[0]) / L + 0.5 * ufl.cos(a) * ufl.sin(b))}
    for k, ion in enumerate(ions(charges)):
        out[unknown_of(ion)] = C0 * (1 + 0.5 * ufl.sin(a + k) * ufl.cos(1.3 * b + 0.5 * k))
    return out


def swirl(x: Any, flow: float, sin: Any, cos: Any) -> list[Any]:
    """A flow without divergence, the first two components, m/s."""
    a, b, speed = math.pi * x[0] / L, math.pi * x[1] / L, flow * D / L
    return [speed * sin(a) * cos(b), -speed * cos(a) * sin(b)]


def shaken(n: int, dim: int, share: float = 0.2, seed: int = 3, breadth: float = L) -> Domain:
    """A square (cube) of n cells along each side, inner corners moved at random.

    Args:
        n: cells along a side.
        dim: of the space.
        share: largest move over a cell.
        seed: of what is drawn.
        breadth: in 3D, m.
    """
    side, size = "100 um", f"{100 / n} um"
    geometry: dict[str, Any] = {"family": "planar", "length": side, "width": side, "size": size}
    geometry |= {"dimension": 3, "breadth": f"{1e6 * breadth:.6g} um"} if dim == 3 else {}
    domain = Domain.read(mesh_folder(Case.from_dict(case(geometry=geometry)), MPI.COMM_WORLD))
    x = domain.mesh.geometry.x[:, :dim]
    inner = ~at_edges(x)
    moves = np.random.default_rng(seed).uniform(-share, share, (inner.sum(), dim))
    x[inner] += moves * L / n
    return domain


def at_edges(x: Any) -> Any:
    """Points at the edges of a box that begins at the origin."""
    return ((x < 1e-9 * L) | (x > x.max(axis=0) - 1e-9 * L)).any(axis=1)


@functools.cache
def errors(
    n: int, charges: tuple[int, ...], drift: float, flow: float = 0.0, dim: int = 2,
    kind: str = "direct", **mesh: Any,
) -> dict[str, float]:
    """L2 errors over the norm of the exact field, on a mesh of `shaken`, by a kind of solver."""
    s = System(shaken(n, dim, **mesh), T)

    def velocity(x: Any) -> Any:
        out = np.zeros_like(x)
        out[:, :2] = np.stack(swirl(x.T, flow, np.sin, np.cos), axis=1)
        return out

    kinds = ions(charges)
    liquid = {REGION: Liquid(EPS_R)}
    model = SpaceCharge(kinds, liquid, T, L, velocity=velocity if flow else None)
    model.declare(s)
    for name, u in s.unknowns.items():
        wanted = dfem.Function(u.space)
        fields = exact(ufl.SpatialCoordinate(u.space.mesh), charges, drift)
        wanted.interpolate(dfem.Expression(fields[name], u.space.element.interpolation_points))
        x = u.space.tabulate_dof_coordinates()[:, :dim]
        u.fix(np.flatnonzero(at_edges(x)).astype(np.int32), 0.0)
        held = slice(None) if name == "phi" else u.fixed_dofs()
        u.value.x.array[held] = wanted.x.array[held]
    model.rows(s)
    fields, dx = exact(s.domain.x, charges, drift), s.domain.dx((REGION,), degree=6)
    phi, flowing = fields["phi"], swirl(s.domain.x, flow, ufl.sin, ufl.cos) + [0.0] * (dim - 2)
    rho = FARADAY * sum(ion.z * fields[unknown_of(ion)] for ion in kinds)
    lacks = ufl.div(EPSILON_0 * EPS_R * ufl.grad(phi)) + rho
    s.row("phi", model.omega * lacks * s.test("phi") * dx)
    for ion in kinds:
        name, k = unknown_of(ion), ion.D
        c = fields[name]
        N = -k * ufl.grad(c) - k * ion.z / RT_F * c * ufl.grad(phi) + c * ufl.as_vector(flowing)
        s.row(name, -abs(ion.z) * FARADAY * ufl.div(N) * s.test(name) * dx)
    s.remember()
    s.close()
    s.begin(0.0)
    stage = Stage(s, tuple(s.unknowns), Options(kind=kind, rtol=1e-9))
    outcome = stage.solve(Control(None), FARADAY * D * C0 * L ** (dim - 2))
    assert outcome.converged and not stage.solver.factored_left, outcome
    return {
        name: math.sqrt(s.integral(s.form((s[name] - f) ** 2 * dx)) / s.integral(s.form(f**2 * dx)))
        for name, f in fields.items()
    }


def last_orders(
    ns: tuple[int, int], *given: Any, seeds: tuple[int, ...] = (3,), **more: Any
) -> dict[str, float]:
    """Orders between two sizes of cells, and the errors of the finer ones, printed.

    Args:
        ns: cells along a side.
        given: to `errors`.
        seeds: of as many meshes of each size, whose errors' root mean squares count.
        more: to `errors`.
    """
    coarse, fine = (
        {k: math.sqrt(np.mean([e[k] ** 2 for e in found])) for k in found[0]}
        for found in ([errors(n, *given, seed=seed, **more) for seed in seeds] for n in ns)
    )
    found = {k: math.log(coarse[k] / fine[k]) / math.log(ns[1] / ns[0]) for k in fine}
    print("orders", given, more, {k: f"{v:.2f}, {fine[k]:.1e}" for k, v in found.items()})
    return found


@pytest.mark.parametrize(("dim", "round_"), [(2, False), (3, False), (2, True)])
def test_an_even_concentration_stays_even(dim: int, round_: bool) -> None:
    """A flow without divergence, of degree 2, takes from an inner node what it brings there."""
    def velocity(x: Any) -> Any:
        a, b = x[:, 0] / L, x[:, 1] / L
        if round_:  # about an axis, r = 0
            return 1e-3 * np.stack([a * b, 1 - a**2 - b**2], axis=1)
        flat = [a**2 - 2 * a * b, b**2 - 2 * a * b]
        return 1e-3 * np.stack(flat if dim == 2 else [b**2, x[:, 2] ** 2 / L**2, a**2], axis=1)

    s = System(shaken(8 if dim == 2 else 3, dim), T)
    s.domain.axisymmetric = round_
    model = SpaceCharge(ions((1, -1)), {REGION: Liquid(EPS_R)}, T, L, velocity=velocity)
    model.declare(s)
    model.rows(s)
    name = unknown_of(model.ions[0])
    u = s.unknowns[name]
    x = u.space.tabulate_dof_coordinates()[:, :dim]
    inner = ~at_edges(x)
    along = AlongEdges(s, next(flux for flux in s.edge_fluxes if flux.row == name))
    gaps = []
    for besides in (along.besides, None):
        along.besides, row = besides, np.zeros(len(x))
        along.add_to(row, Moment())
        gaps.append(np.abs(row[inner]).max() / np.abs(row).max())
    print(f"even ions in a flow, {dim}D, axis {round_}: {gaps[0]:.1e} of the largest flow, "
          f"by edges {gaps[1]:.1e}")
    assert gaps[0] < 1e-12 < 1e-3 < gaps[1]


@pytest.mark.parametrize("charges", [(1, -1), (2, -1), (1, 1, -1)])
def test_weak_drift(charges: tuple[int, ...]) -> None:
    found = last_orders((10, 20), charges, 2.0)
    assert all(1.85 < order < 2.2 for order in found.values())


@pytest.mark.full
@pytest.mark.parametrize("flow", [0.0, 100.0])
@pytest.mark.parametrize("charges", [(1, -1), (2, -1), (1, 1, -1)])
def test_strong_drift(charges: tuple[int, ...], flow: float, reached: Any) -> None:
    """400 RT/F a side, in a flow of Peclet number 100 or at rest.

    phi follows from what is left of the ions' errors, their charge, and its error scatters by a
    third between meshes that are shaken alike: an order between two of them would be 1.1 to 3.1.
    """
    found = last_orders((60, 120), charges, 400.0, flow, seeds=(0, 1, 2))
    reached("order of phi", found.pop("phi"), least=1.8)
    reached("least order of the ions", min(found.values()), least=1.8)


@pytest.mark.full
@pytest.mark.parametrize("drift", [2.0, 20.0])
def test_in_three_dimensions(drift: float, reached: Any) -> None:
    found = last_orders((8, 16), (1, -1), drift, dim=3)
    reached("least order of all fields", min(found.values()), least=1.6)


@pytest.mark.full
def test_three_ions_in_three_dimensions(reached: Any) -> None:
    found = last_orders((8, 16), (1, 1, -1), 2.0, dim=3)
    reached("least order of all fields", min(found.values()), least=1.6)


def test_strong_drift_by_krylov_iterations() -> None:
    """67 RT/F a cell in 3D: the solution of factors, without a solve that falls back to them."""
    one, other = (errors(6, (1, -1), 400.0, dim=3, kind=kind) for kind in ("direct", "iterative"))
    assert one == pytest.approx(other, rel=1e-5)


@pytest.mark.full
@pytest.mark.parametrize(("share", "least"), [(0.0, 1.9), (0.2, 1.4)])
def test_strong_drift_in_three_dimensions(share: float, least: float, reached: Any) -> None:
    """400 RT/F a side, 20 and 10 a cell; a fifth of the breadth, along which nothing changes.

    On irregular meshes transport that drift dominates has 3/2, the order of Galerkin's method
    there: fluxes by the mean of both ends have the same errors.
    """
    found = last_orders((20, 40), (1, -1), 400.0, dim=3, share=share, breadth=0.2 * L)
    reached("order of phi", found.pop("phi"), least=1.7)
    reached("least order of the ions", min(found.values()), least=least)
