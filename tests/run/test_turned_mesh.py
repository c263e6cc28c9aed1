"""Meshes of one's own whose collector is not at the bottom: the same numbers, counted from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fem import Case
from fem.compat import MPI
from fem.mesh.domain import Domain
from geometries.files.conversion import convert
from geometries.files.writing import write
from geometries.inspection.report import capacity_density, inspect
from geometries.meshing.mesh import Built, TaggedMesh, tensor_mesh
from tests.verification.cells import IDEAL, kinetics

UM = 1e-6
WIDE, TALL, HOST = 6.0, 16.0, 8.0  # um


def turn(degrees: float) -> npt.NDArray[np.float64]:
    """Rotation of the plane, exact for quarters; its second column is the way up afterwards."""
    a = np.radians(degrees)
    c, s = np.cos(a), np.sin(a)
    return np.array([[c, -s], [s, c]]).round(15 if degrees % 90 else 0)


def tagged(folder: Path, points: Any, cells: Any, regions: Any, at: Any, by: Any = None) -> Path:
    """A mesh file (m) of regions 1 (host) and 2; `at`: points (um) -> on collector, on counter."""
    width = cells.shape[1]
    faces = np.sort(np.concatenate([np.delete(cells, k, axis=1) for k in range(width)]), axis=1)
    facets, count = np.unique(faces, axis=0, return_counts=True)
    facets = facets[count == 1]
    low, high = (on[facets].all(axis=1) for on in at)
    by = np.eye(width - 1) if by is None else by
    mesh = TaggedMesh(
        (points @ by.T) * UM, cells, regions, facets, np.where(low, 1, np.where(high, 2, 3)),
        {"host_post": 1, "electrolyte": 2}, {"collector": 1, "counter": 2, "sides": 3}, False,
    )  # fmt: skip
    write(Built(mesh), folder, "file", {})
    return folder / "mesh.msh"


def post(folder: Path, by: Any, n: int = 12) -> Path:
    """A post of copper, 2 um wide and 8 um high, on a collector; then all of it is turned."""
    axes = [np.linspace(0, WIDE, n + 1)] * (len(by) - 1) + [np.linspace(0, TALL, 2 * n + 1)]
    points, cells, _ = tensor_mesh(*axes)
    middle = points[cells].mean(axis=1)
    inside = (middle[:, :-1] < 2.0).all(axis=1) & (middle[:, -1] < HOST)
    ends = points[:, -1] == 0.0, points[:, -1] == TALL
    return tagged(folder, points, cells, np.where(inside, 1, 2), ends, by)


def ring(folder: Path, dim: int, n: int = 24) -> Path:
    """Between a collector of 10 um radius and a counter electrode of 20 um around it: a quarter."""
    axes = [np.radians(np.linspace(0, 90, n + 1)), np.linspace(10, 20, 21)]
    polar, cells, _ = tensor_mesh(*axes, *[np.linspace(0, 4, 3)] * (dim - 2))
    r, angle = polar[:, 1], polar[:, 0]
    points = np.column_stack([r * np.cos(angle), r * np.sin(angle), polar[:, 2:]])
    regions = np.where(r[cells].mean(axis=1) < 15.0, 1, 2)
    return tagged(folder, points, cells, regions, (r == 10.0, r == 20.0))


def case(file: Path, **changes: Any) -> Case:
    """Copper that conducts and reacts the less the deeper it lies."""
    return Case.from_dict({
        "schema": 1, "title": "turned", "metal": "Li", "electrolyte": "ideal", "study": "tertiary",
        "materials": {"ideal": IDEAL}, "mesh": {"file": str(file), "unit": "m"},
        "regions": {"host_post": {"material": "Cu", "sigma": {
            "expression": "s*(1 - depth/h)", "unit": "S/m", "s": "100 S/m", "h": "20 um"}}},
        "kinetics": [
            kinetics("host_*", {"expression": "i*exp(-depth/h)", "unit": "A/m^2", "i": "10 A/m^2",
                                "h": "5 um"}, eta_nuc="5 mV"),
            kinetics("collector", 1.0), kinetics("counter", 10.0),
        ],
        "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "2 min"}],
        "probe": [{"name": "deep", "field": "depth*c", "volume": "electrolyte"},
                  {"name": "wall", "field": "depth*i_n", "surface": "host_post"}],
        "time": {"dt0": "10 s"}, "output": {"figures": False}, **changes,
    })  # fmt: skip


GROWTH: dict[str, Any] = {
    "study": "growth", "growth": {"interface_width": "1 um"},
    "kinetics": [kinetics("metal", 10.0), kinetics("host_*", 10.0), kinetics("collector", 10.0)],
    "initial": {"metal_layer": {"expression": "a - depth/8", "unit": "m", "a": "4 um"}},
    "probe": [{"name": "deep", "field": "depth*xi", "volume": "electrolyte"}],
    "protocol": [{"step": "plate", "current_density": "5 mA/cm^2", "duration": "12 min"}],
    "time": {"dt0": "20 s", "tolerance": 0.01},
}  # fmt: skip

NUMBERS = (
    "voltage",
    "depth_profile",
    "current_by_third",
    "plated_by_third",
    "share_by_region",
    "projected_area",
    "plated",
    "c_min",
    "c_max",
    "probes",
    "steps",
)


def flat(summary: dict[str, Any]) -> npt.NDArray[np.float64]:
    """All numbers of a summary that must not depend on how the mesh lies."""

    def walk(value: Any) -> list[float]:
        if isinstance(value, dict):
            value = [value[key] for key in sorted(value)]
        return [x for v in value for x in walk(v)] if isinstance(value, list) else [float(value)]

    return np.array(walk([summary[name] for name in NUMBERS]))


def same(a: Any, b: Any, bound: float) -> None:
    """Numbers agree to a share of themselves, or to 1e-12 for what is nothing but rounding."""
    found = np.abs(a - b)
    worst = float((found / np.maximum(np.abs(a), 1e-12)).max())
    print("largest relative difference", worst)
    assert worst < bound


@pytest.mark.parametrize("study", ["tertiary", "growth"])
def test_a_mesh_that_is_turned_gives_the_same_numbers(study: str, tmp_path: Path) -> None:
    """By 90 degrees (collector at the right), 180 (at the top), and 30 (an inclined plane)."""
    results = {}
    for degrees in (0, 90, 180, 30)[: 4 if study == "tertiary" else 3]:
        file = post(tmp_path / str(degrees), turn(degrees))
        result = case(file, **(GROWTH if study == "growth" else {})).run(tmp_path / f"r{degrees}")
        results[degrees] = result
        message = [w for w in result.summary["warnings"] if "'collector'" in w]
        assert len(message) == (degrees > 0) and all("not at the bottom" in w for w in message)
    for result in results.values():
        same(flat(results[0].summary), flat(result.summary), 1e-8)
    if study == "tertiary":
        return
    tips = np.array([r.series["tip"] for r in results.values()])
    print("tips", tips[0])
    assert 3.0 * UM < tips[0, 0] < 3.6 * UM and tips[0, -1] > HOST * UM
    assert np.abs(tips / tips[0] - 1.0).max() < 1e-9
    for degrees, result in results.items():
        (event,) = [e for e in result.summary["events"] if e["event"] == "overflow"]
        assert np.array(event["place"]) @ turn(degrees)[:, 1] > HOST * UM


def test_a_mesh_in_3d_with_its_collector_at_a_side(tmp_path: Path) -> None:
    at_the_right = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    found = []
    for name, by in (("upright", np.eye(3)), ("turned", at_the_right)):
        found.append(case(post(tmp_path / name, by, 6)).run(tmp_path / f"r_{name}").summary)
    same(flat(found[0]), flat(found[1]), 1e-8)


def test_a_mesh_is_inspected_from_its_collector(tmp_path: Path) -> None:
    reports = []
    for degrees in (0, 180, 90):
        file, folder = post(tmp_path / str(degrees), turn(degrees)), tmp_path / f"m{degrees}"
        side = convert(file, folder, unit="m")
        assert side["up"] == (turn(degrees)[:, 1] + 0.0).tolist()
        assert side["host"]["top"] - side["host"]["bottom"] == pytest.approx(HOST * UM)
        reports.append(inspect(folder))
    for name in ("porosity", "porosity_by_depth", "tortuosity", "capacity"):
        for other in reports[1:]:
            assert other[name] == pytest.approx(reports[0][name], rel=1e-9), name
    assert "not at the bottom" in reports[1]["notes"][0]


@pytest.mark.parametrize("dim", [2, 3])
def test_around_a_collector_the_distance_from_it_counts(dim: int, tmp_path: Path) -> None:
    """Heights are radii less 10 um, but for the chords of the collector."""
    chord = 10 * UM * (1 - np.cos(np.radians(45 / 24)))
    side = convert(ring(tmp_path / "given", dim), tmp_path / "mesh", unit="m")
    assert side["up"] is None and "distance from it" in side["remarks"][-1]
    assert side["host"]["top"] == pytest.approx(5 * UM, abs=1.01 * chord)
    domain = Domain.read(tmp_path / "mesh", MPI.COMM_SELF)
    x = domain.mesh.geometry.x
    height = np.linalg.norm(x[:, :2], axis=1) - 10 * UM
    assert np.abs(domain.along(x) - height).max() < 1.01 * chord
    assert domain.ends == pytest.approx((0.0, 10 * UM), abs=1.01 * chord)
    assert np.abs(domain.depth_of(x) - (5 * UM - height)).max() < 2.02 * chord
    assert inspect(tmp_path / "mesh")["porosity"] is None


def test_metal_grows_around_a_collector(tmp_path: Path) -> None:
    """A layer of 3 um grows evenly: its tip follows from its volume, less 10 um."""
    file = ring(tmp_path / "given", 2, 48)
    result = case(
        file, study="growth", growth={"interface_width": "1 um"}, regions={}, probe=[],
        mesh={"file": str(file), "unit": "m", "names": {"1": "electrolyte_near"}},
        kinetics=[kinetics("metal", 10.0), kinetics("collector", 10.0)],
        initial={"metal_layer": "3 um"}, time={"dt0": "20 s", "tolerance": 0.01},
        protocol=[{"step": "plate", "current_density": "5 mA/cm^2", "duration": "8 min"}],
    ).run(tmp_path / "r")  # fmt: skip
    volume = result.series["plated"] * result.summary["projected_area"] / capacity_density("Li")
    radius = 10 * UM + result.series["tip"]
    grown = np.sqrt(radius[0] ** 2 + 4 / np.pi * (volume - volume[0]))
    assert radius == pytest.approx(grown, rel=2e-3)
    assert result.series["tip"][0] == pytest.approx(3 * UM, rel=0.03)
    assert result.series["tip"][-1] > 4.5 * UM
    third = [UM * r for r in (10, 10 + 10 / 3, 10 + 20 / 3)]
    inner = (third[1] ** 2 - third[0] ** 2) / (radius[-1] ** 2 - third[0] ** 2)
    # A node counts whole where it lies, so up to half a cell (0.25 um: 0.06) to the next third.
    assert result.summary["plated_by_third"]["bottom"] == pytest.approx(inner, abs=0.06)
