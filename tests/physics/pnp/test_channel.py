"""A slit with charged walls, resolved in 2D, against the same slit as a charged medium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import meshio
import numpy as np
import pytest

from fem import Case
from fem.base.constants import FARADAY
from fem.physics.charged.channel import Channel
from geometries.meshing.mesh import tensor_mesh
from tests.verification.cells import IDEAL, L, T, case, kinetics

#: Half width, m; charge of the walls, C/m2; salt, mol/m3; diffusivity, m2/s.
HALF, CHARGE, C0, D, EPS_R = 50e-9, -1e-3, 1.0, 1e-9, 78.5
CURRENT = 1.5 * 4 * FARADAY * D * C0 / L  # A/m2: beyond what neutral salt carries
WALLS = {name: kinetics(name, 100.0, c_ref="1 mol/m^3") for name in ("collector", "counter")}


def graded(first: float, most: float, growth: float, length: float) -> np.ndarray:
    """Planes that grow from both ends of a length on, in its unit."""
    steps = [first]
    while steps[-1] * growth < most:
        steps.append(steps[-1] * growth)
    ends = np.concatenate([[0.0], np.cumsum(steps)])
    middle = np.linspace(ends[-1], length - ends[-1], 2 + int((length - 2 * ends[-1]) / most))
    return np.concatenate([ends[:-1], middle, length - ends[-2::-1]])


def slit(folder: Path, density: float) -> Case:
    """Half of a slit between metal electrodes, with glass of 10 nm behind its wall.

    Args:
        folder: of the mesh.
        density: of the wall, C/m2.
    """
    across = np.concatenate([np.linspace(0.0, 30.0, 9), np.linspace(30.0, 50.0, 10)])
    across = 1e-3 * np.unique(np.append(across, [55.0, 60.0]))
    along = graded(2e-3, 2.0, 1.3, 100.0)
    points, cells, _ = tensor_mesh(across, along)
    tags = np.where(points[cells].mean(axis=1)[:, 0] < 0.05, 1, 2)
    xyz = np.column_stack([points, np.zeros(len(points))])
    file = folder / "slit.vtu"
    meshio.write(file, meshio.Mesh(xyz, [("triangle", cells)], cell_data={"region": [tags]}))
    given: dict[str, Any] = case(
        study="steady", electrolyte_model={"model": "pnp", "eps_r": EPS_R},
        mesh={"file": str(file), "unit": "um", "names": {"1": "electrolyte", "2": "host_glass"}},
        regions={"host_glass": {"material": "SiO2"}},
        surface_charge=[{"on": "host_glass", "density": f"{density} C/m^2"}], **common(5 / 6),
    )  # fmt: skip
    del given["geometry"]
    return Case.from_dict(given)


def common(share: float = 1.0) -> dict[str, Any]:
    """Salt, kinetics, and current of both: a share of the area is liquid."""
    salt = IDEAL | {"c0": f"{C0} mol/m^3", "D": f"{D} m^2/s", "t_plus": 0.5}
    plate = {"step": "plate", "current_density": f"{share * CURRENT!r} A/m^2"}
    return {"materials": {"ideal": salt}, "kinetics": [*WALLS.values()], "protocol": [plate]}


def two_scale() -> Case:
    """The slit as a medium whose ions follow the nonlinear Poisson equation on its width."""
    c = np.geomspace(1e-2, 20.0, 40)
    plus, minus = np.array([*Channel(HALF, CHARGE, EPS_R, round=False, T=T).means(c)]).T
    table = {"c": [f"{v!r} mol/m^3" for v in c.tolist()], "g_plus": plus.tolist(),
             "g_minus": minus.tolist()}  # fmt: skip
    entry = {"region": "electrolyte", "channel": table}
    return Case.from_dict(case(study="steady", fixed_charge=[entry], **common()))


@pytest.mark.full
def test_a_slit_resolved_and_as_a_medium(tmp_path: Path, reached: Callable[..., None]) -> None:
    """Voltages within 2 % where wall charge carries what the salt cannot."""
    coarse = two_scale().run(tmp_path / "medium").summary["voltage"]
    said = slit(tmp_path, CHARGE).run(tmp_path / "slit").summary
    print(f"slit {said['voltage']:.5f} V, medium {coarse:.5f} V", said["warnings"])
    reached("voltage over that of the medium, -1", abs(said["voltage"] / coarse - 1), most=0.02)
    reached("worst closure", max(said["closures"].values()), most=1e-8)
