"""Double layers at rest against closed forms: Gouy and Chapman, Grahame, Debye, Donnan."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fem import Case, theory
from fem.base.constants import FARADAY
from fem.case.species import Species
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.physics.pnp.rest import settle
from fem.physics.pnp.space_charge import Liquid, SpaceCharge, SurfaceCharge
from fem.system.system import System
from tests.verification.cells import RT_F, T, case, mesh_folder

EPS_R, D = 78.5, 1e-9
#: (potential of the wall, V; salt, mol/m3) -> its charge, C/m2 (design, computed).
GRAHAME = {(0.05, 1.0): 4.21029e-3, (0.05, 10.0): 1.331411e-2, (0.1, 1000.0): 0.402608}


def layer(c0: float, *, z: int = 1, slabs: Any = None, **more: Any) -> SpaceCharge:
    """A salt at rest, ten Debye lengths from a wall at y = 0 to a bath; or in slabs."""
    debye = float(theory.debye_length(c0, EPS_R, T, z))
    size = {k: f"{1e6 * v * debye:.8g} um" for k, v in {"first": 0.01, "most": 0.12}.items()}
    geometry: dict[str, Any] = {
        "family": "planar", "width": size["most"], "size": size["most"],
        "size_width": size["most"], "size_collector": size["first"], "growth": 1.05,
    }  # fmt: skip
    if slabs is None:
        geometry["length"] = f"{1e7 * debye:.8g} um"
    else:
        geometry |= {"layers": [
            {"name": name, "thickness": f"{2e7 * debye:.8g} um", "region": name} for name in slabs
        ], "size_interface": size["first"]}  # fmt: skip
    domain = Domain.read(mesh_folder(Case.from_dict(case(geometry=geometry)), MPI.COMM_WORLD))
    s = System(domain, T)
    ions = Species("M", z, D, c0), Species("A", -z, D, c0)
    liquids = {name: Liquid(EPS_R, fixed=(slabs or {}).get(name, 0.0)) for name in domain.regions}
    model = SpaceCharge(ions, liquids, T, 10 * debye, held=("counter",), **more)
    model.declare(s)
    model.rows(s)
    s.remember()
    s.close()
    print(f"settled in {settle(model)} iterations")
    return model


def profile(model: SpaceCharge) -> tuple[np.ndarray, np.ndarray]:
    """Place, m, and phi, V, from the collector up."""
    phi = model.s.unknowns["phi"]
    y = phi.space.tabulate_dof_coordinates()[:, 1]
    order = np.argsort(y)
    return np.maximum(y[order], 0.0), phi.value.x.array[order]


@pytest.mark.parametrize("given", GRAHAME)
def test_a_charged_wall(given: tuple[float, float]) -> None:
    """Grahame's potential of a wall of known charge, Gouy and Chapman's profile before it."""
    phi0, c0 = given
    charge = GRAHAME[given]
    assert abs(theory.grahame_charge(phi0, c0, EPS_R, T) / charge - 1) < 2e-6
    wall = SurfaceCharge(charge, faces=(("collector", "electrolyte"),))
    y, phi = profile(layer(c0, surface=(wall,)))
    exact = theory.gouy_chapman(y, phi0, c0, EPS_R, T)
    off = np.abs(phi - exact).max() / phi0
    print(f"wall of {charge:g} C/m2 in {c0:g} mol/m3: {phi[0]:.6f} V, profile within {off:.1e}")
    assert abs(phi[0] / phi0 - 1) < 1e-3
    assert off < 1e-3


def test_decay() -> None:
    """Weak charge falls off by e in one Debye length; that of a 2:-2 salt is half as long."""
    for z in (1, 2):
        debye = float(theory.debye_length(1.0, EPS_R, T, z))
        wall = SurfaceCharge(1e-6, faces=(("collector", "electrolyte"),))
        y, phi = profile(layer(1.0, z=z, surface=(wall,)))
        there = (y > 0.5 * debye) & (y < 4 * debye)
        length = -1 / np.polyfit(y[there], np.log(phi[there]), 1)[0]
        print(f"decay, z = {z}: {length:.4g} m, Debye length {debye:.4g} m")
        assert abs(length / debye - 1) < 1e-3


def test_capacity() -> None:
    """dsigma/dphi at 50 mV, 1 mol/m3: .109242 F/m2 (design), from two walls."""
    charges = [theory.grahame_charge(phi, 1.0, EPS_R, T) for phi in (0.0495, 0.0505)]
    found = []
    for charge in charges:
        wall = SurfaceCharge(float(charge), faces=(("collector", "electrolyte"),))
        found.append(profile(layer(1.0, surface=(wall,)))[1][0])
    capacity = (charges[1] - charges[0]) / (found[1] - found[0])
    print(f"capacity {capacity:.6f} F/m2")
    assert abs(capacity / 0.109242 - 1) < 1e-3


@pytest.mark.parametrize("share", [-5.0, -0.2, 1.0])
def test_donnan(share: float) -> None:
    """Charge spread over a slab of forty Debye lengths: Donnan's potential in it."""
    c0 = 10.0
    rho = share * 2 * FARADAY * c0
    model = layer(c0, slabs={"electrolyte_charged": rho, "electrolyte": 0.0})
    _, phi = profile(model)
    expected = theory.donnan_potential(rho, c0, T)
    print(f"Donnan, {share:g}: {phi[0]:.8f} V, {expected:.8f} V")
    assert abs(phi[0] - expected) < 1e-6 * RT_F
    s = model.s
    charge = s["c_M"].x.array - s["c_A"].x.array
    assert math.isclose(charge[np.argmax(np.abs(charge))], -rho / FARADAY, rel_tol=1e-6)
