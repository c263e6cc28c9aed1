"""Conjugate gradients: at most 20 iterations whatever the contrast, fluxes that add up, sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geometries.meshing.gmsh_session import session
from tests.physics.maps.drawn import case, driven, graded
from tests.physics.maps.test_ranks import MAT

IN_3D: dict[str, Any] = {
    "geometry": {
        "family": "fibre_mat", "dimension": 3, "width": "40 um", "breadth": "40 um",
        "gap": "5 um", "separator": "10 um", "contacts": "none",
        "layers": [{"name": "mat", "thickness": "40 um", "porosity": 0.85,
                    "fibre_diameter": "8 um"}],
    },
    "regions": MAT["regions"],
}  # fmt: skip


def solved(folder: Path, contrast: float, given: dict[str, Any]) -> dict[str, Any]:
    """A map in which fibres conduct so many times as well as everything else."""
    regions = {"*": {"conductivity": "1 S/m"}, "host_mat": {"conductivity": f"{contrast} S/m"}}
    table = driven(kind="conduction", regions=regions)
    return case(None, table, solver={"kind": "iterative"}, **given).run(folder).summary


@pytest.mark.parametrize("contrast", [1e-7, 1e-3, 1e3, 1e7])
def test_iterations_do_not_know_the_contrast(tmp_path: Path, contrast: float) -> None:
    said = solved(tmp_path / "r", contrast, MAT)
    assert 0 < said["krylov"] <= 20
    assert said["flux_balance"] < 1e-10


@pytest.mark.full
@pytest.mark.parametrize("size", [3.0, 1.5])
@pytest.mark.parametrize("contrast", [1e-7, 1e7])
def test_iterations_in_3d(
    tmp_path: Path, reached: Callable[..., None], contrast: float, size: float
) -> None:
    given = IN_3D | {"geometry": IN_3D["geometry"] | {
        "size": f"{size} um", "size_wall": f"{size / 2} um"}}
    said = solved(tmp_path / "r", contrast, given)
    reached("iterations", said["krylov"], most=20)
    reached("sum of fluxes over the largest", said["flux_balance"], most=1e-10)


def test_a_map_by_iteration_is_that_by_factors(tmp_path: Path) -> None:
    """Fluxes and fields are equal to the tolerance of the rows."""
    both = [
        case(None, driven(kind="conduction"), solver={"kind": kind}, **MAT)
        .run(tmp_path / kind).summary for kind in ("direct", "iterative")
    ]  # fmt: skip
    numbers = [[s["flux"]["counter"], s["E_mean"], s["E_p95"], s["uniformity"]] for s in both]
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-8)


def test_primary_current_to_a_disk(tmp_path: Path) -> None:
    """4 kappa r V to a disk on an insulating plane that faces a large half space."""
    mesh = disk(tmp_path)
    table = driven(kind="conduction", regions={"*": {"conductivity": "1 S/m"}})
    said = case(mesh, table, mesh={"axisymmetric": True}).run(tmp_path / "r").summary
    far = 40e-6  # m: the half space beyond the half sphere at 1 V would add 1/(2 pi kappa far)
    known = 1.0 / (1.0 / (4 * 1e-6) - 1.0 / (2 * np.pi * far))
    assert said["flux"]["counter"] == pytest.approx(known, rel=3e-3)


def disk(folder: Path) -> Path:
    """A quarter of a disk of radius 40 um: the electrode is the first micrometre of the axis."""
    file, far = folder / "disk.msh", 40.0
    with session() as gmsh:
        occ = gmsh.model.occ
        centre, edge, right, top = (
            occ.addPoint(x, y, 0) for x, y in ((0, 0), (1, 0), (far, 0), (0, far))
        )
        electrode, plane = occ.addLine(centre, edge), occ.addLine(edge, right)
        arc, axis = occ.addCircleArc(right, centre, top), occ.addLine(top, centre)
        face = occ.addPlaneSurface([occ.addCurveLoop([electrode, plane, arc, axis])])
        occ.synchronize()
        gmsh.model.addPhysicalGroup(2, [face], 1, "electrolyte")
        gmsh.model.addPhysicalGroup(1, [electrode], 2, "collector")
        gmsh.model.addPhysicalGroup(1, [arc], 3, "counter")
        graded(gmsh, "0.002 + 0.08*sqrt((x - 1)*(x - 1) + y*y)")
        gmsh.write(str(file))
    return file
