"""Meshes of users: uneven planes give the right voltage, and remarks on them are passed on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import meshio
import numpy as np
import pytest

from fem import Case, CaseError
from fem.case.meshes import mesh_folder
from fem.case.summary import summary as checked
from geometries.meshing.mesh import tensor_mesh
from tests.verification.cells import PLAIN, RT_F, kinetics

# i L/kappa + 2 * 2RT/F asinh(i/2 i0) at 100 A/m2 through 60 um of 1 S/m, i0 10 A/m2 on both sides
VOLTAGE = -(100.0 * 60e-6 / 1.0 + 4 * RT_F * float(np.arcsinh(100.0 / 20.0)))


def own(folder: Path, points: Any, cells: Any, tags: Any, **changes: Any) -> Case:
    """A cell of 20 x 60 um whose boundaries have no names."""
    xyz = np.column_stack([points, np.zeros(len(points), points.dtype)])
    meshio.write(folder / "own.vtu", meshio.Mesh(
        xyz, [("triangle", cells)], cell_data={"region": [tags]}))
    return Case.from_dict({
        "schema": 1, "title": "own mesh", "metal": "Li", "electrolyte": "ideal",
        "study": "secondary", "materials": {"ideal": PLAIN},
        "mesh": {"file": str(folder / "own.vtu"), "unit": "um", "names": {"1": "electrolyte"}},
        "kinetics": [kinetics("collector", 10.0), kinetics("counter", 10.0)],
        "protocol": [{"step": "plate", "current_density": "10 mA/cm^2"}],
        "output": {"figures": False},
        "probe": [{"name": "foil", "field": "phi_l", "point": ["10 um", "0 um"]}], **changes,
    })  # fmt: skip


def test_uneven_planes_carry_the_whole_current(tmp_path: Path) -> None:
    """A node 3 nm above the plane, and all coordinates turned to and fro in single precision."""
    points, cells, _ = tensor_mesh(np.linspace(0, 20, 5), np.linspace(0, 60, 13))
    bump = points + np.where((points == [10.0, 0.0]).all(axis=1), 3e-3, 0.0)[:, None] * [0.0, 1.0]
    c, s = np.float32(np.cos(0.5)), np.float32(np.sin(0.5))
    turn = np.array([[c, s], [-s, c]])
    single = points.astype(np.float32) @ turn @ turn.T
    assert np.ptp(single[points[:, 1] == 0.0, 1]) > 0.0
    for name, mesh in (("bump", bump), ("single", single)):
        (tmp_path / name).mkdir()
        case = own(tmp_path / name, mesh, cells, np.ones(len(cells), int))
        result = case.run(tmp_path / name / "r")
        summary = result.summary
        assert summary["projected_area"] == pytest.approx(20e-6, rel=1e-5)
        assert summary["voltage"] == pytest.approx(VOLTAGE, abs=2e-6)
        # A point on the plane is in the cell, in a probe and afterwards.
        lost = -4 * RT_F / 2 * np.arcsinh(5.0)
        assert summary["probes"]["foil"] == pytest.approx(VOLTAGE - lost, abs=2e-6)
        at = result.at([(10e-6, 0.0)], field="phi_l")
        assert at[0] == pytest.approx(summary["probes"]["foil"], abs=1e-6)


def test_a_hole_is_said_and_takes_no_current(tmp_path: Path) -> None:
    points, cells, _ = tensor_mesh(np.linspace(0, 20, 9), np.linspace(0, 60, 25))
    hole = np.all(np.abs(points[cells].mean(axis=1) - [10.0, 30.0]) < 5.0, axis=1)
    case = own(tmp_path, points, cells[~hole], np.ones((~hole).sum(), int))
    summary = case.run(tmp_path / "r").summary
    assert summary["voltage"] < VOLTAGE - 0.3e-3
    (message,) = [w for w in summary["warnings"] if "hole" in w]
    assert "around (10, 30) um (40 um)" in message


def test_check_reads_the_mesh(tmp_path: Path) -> None:
    """Its size and names stand in the answer; wrong names are errors before there is a run."""
    points, cells, _ = tensor_mesh(np.linspace(0, 20, 5), np.linspace(0, 60, 13))
    case = own(tmp_path, points, cells, np.ones(len(cells), int))
    said = checked(case)
    assert "20 um x 60 um, 96 cells\n  mesh       regions electrolyte\n" in said
    assert "is the unit right" not in said and said.endswith("all names match the mesh")
    mesh = {"file": str(tmp_path / "own.vtu"), "unit": "um", "names": {"1": "host_mat"}}
    wrong = case.with_({"mesh": mesh, "kinetics.0.surface": "host_met"})
    with pytest.raises(CaseError, match=r"'host_met': matches no surface; did you mean 'host_mat'"
                       r"[^$]*a region 'host_mat' but the case does not say what fills it"):
        checked(wrong)


@pytest.mark.parametrize(("unit", "shown"), [("nm", "60 nm"), ("mm", "60 mm"), ("um", None)])
def test_a_unit_that_makes_an_unlikely_cell_is_doubted(
    unit: str, shown: str | None, tmp_path: Path
) -> None:
    points, cells, _ = tensor_mesh(np.linspace(0, 20, 5), np.linspace(0, 60, 13))
    case = own(tmp_path, points, cells, np.ones(len(cells), int)).with_({"mesh.unit": unit})
    sidecar = json.loads((mesh_folder(case) / "mesh.json").read_text())
    assert sidecar.get("remarks", []) == [
        f"mesh.unit: own.vtu read in {unit!r} is a cell of {shown} from collector to counter, "
        "outside of 1 um to 5 mm; is the unit right?"
    ][: shown is not None]


def test_what_fits_a_name_but_has_no_wall_is_said(tmp_path: Path) -> None:
    """Copper within glass within the electrolyte: its kinetics and its coating do nothing."""
    points, cells, _ = tensor_mesh(np.linspace(0, 20, 9), np.linspace(0, 60, 25))
    away = np.abs(points[cells].mean(axis=1) - [10.0, 30.0]).max(axis=1)
    tags = np.where(away < 2.5, 3, np.where(away < 5.0, 2, 1))
    case = own(
        tmp_path, points, cells, tags,
        mesh={"file": str(tmp_path / "own.vtu"), "unit": "um",
              "names": {"1": "electrolyte", "2": "host_glass", "3": "host_post"}},
        regions={"host_glass": {"material": "SiO2"}, "host_post": {"material": "Cu"}},
        kinetics=[kinetics("collector", 10.0), kinetics("counter", 10.0),
                  kinetics("host_p*", 10.0), kinetics("host_glass", 10.0)],
        coatings=[{"on": "host_post", "material": "Li3N", "thickness": "10 nm"}],
    )
    result = case.run(tmp_path / "r")
    glass = result.cells("insulator")  # drawn, though nothing is solved in it
    assert len(glass) == np.count_nonzero(tags == 2) and "region" in result.fields("insulator")
    message = result.summary["warnings"]
    assert [w for w in message if "host_" in w and "sigma" not in w] == [
        "kinetics.2.surface: 'host_p*' matches nothing that reacts on this mesh: host_post touches "
        "no electrolyte",
        "kinetics.3.surface: 'host_glass' matches nothing that reacts on this mesh: host_glass "
        "conducts neither electrons nor ions",
        "coatings.0.on: 'host_post' matches nothing that reacts on this mesh: host_post touches "
        "no electrolyte",
        "region 'host_post' conducts electrons but touches no electrolyte and no other conductor: "
        "its wall area is 0, nothing plates on it",
    ]
