from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geometries
from fem.base.errors import CaseError
from geometries.building import check_place
from geometries.files.writing import read
from geometries.meshing.mesh import all_facets, facet_pairs
from geometries.registry import resolve


def sidecar(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "mesh.json").read_text())


# ---------------------------------------------------------------- planar


def test_planar_is_exact_and_graded(meshes):
    folder = meshes.get("planar", {"length": "100 um", "size": "5 um", "width": "2 um",
                                   "size_collector": "0.5 um", "size_counter": "1 um"})
    mesh, _ = read(folder)
    assert mesh.points.shape[1] == 2
    assert mesh.volumes().sum() == pytest.approx(200e-12, rel=1e-12)
    y = np.unique(mesh.points[:, 1])
    steps = np.diff(y)
    assert y[0] == 0.0 and y[-1] == 1e-4
    assert steps[0] < 0.55e-6 and steps[-1] < 1.1e-6 and steps.max() <= 5e-6 * (1 + 1e-9)
    assert np.max(steps[1:] / steps[:-1]) < 1.25
    assert np.max(steps[:-1] / steps[1:]) < 1.25


def test_planar_nodes_of_a_height_are_alike_in_crossed_triangles(meshes):
    """A third of what is around each: whole inside, half at the sides; twice as many triangles."""
    given = {"length": "10 um", "width": "4 um", "size": "1 um"}
    plain, mesh = (read(meshes.get("planar", given | {"crossed": yes}))[0] for yes in (False, True))
    assert len(mesh.cells) == 2 * len(plain.cells) == 4 * 10 * 4
    assert len(mesh.points) == len(plain.points) + 10 * 4
    around = np.bincount(mesh.cells.ravel(), np.repeat(mesh.volumes() / 3, 3))
    for y in np.unique(np.round(mesh.points[:, 1], 12)):
        row = np.abs(mesh.points[:, 1] - y) < 1e-12
        side = row & (np.abs(mesh.points[:, 0] - 2e-6) > 1.9e-6)
        assert np.ptp(around[row & ~side]) < 1e-24
        assert around[side] == pytest.approx(around[row & ~side][0] / 2)
    with pytest.raises(CaseError, match="crossed: only in 2D without protrusions"):
        meshes.get("planar", given | {"crossed": True, "dimension": 3})


def test_planar_slabs_in_3d(meshes):
    folder = meshes.get("planar", {
        "layers": [{"name": "host", "thickness": "20 um", "region": "host_block"},
                   {"name": "free", "thickness": "30 um", "region": "electrolyte"},
                   {"name": "sep", "thickness": "10 um", "region": "separator"}],
        "dimension": 3, "width": "12 um", "breadth": "8 um", "size": "4 um"})
    report, side = geometries.inspect(folder), sidecar(folder)
    section = 96e-12
    assert report["volumes"] == pytest.approx(
        {"host_block": 20e-6 * section, "electrolyte": 30e-6 * section,
         "separator": 10e-6 * section}, rel=1e-12)
    assert side["host"] == {"bottom": 0.0, "top": pytest.approx(20e-6)}
    assert report["wall_area"]["host_block"] == pytest.approx(1 / 20e-6)
    assert report["floating_solids"] == 0 and report["pore_connected"] is False


def test_protrusion_belongs_to_the_collector(meshes):
    folder = meshes.get("planar", {"length": "60 um", "width": "40 um", "size": "4 um",
                                   "size_collector": "0.25 um", "growth": 1.5,
                                   "protrusions": [{"x": "20 um", "height": "8 um",
                                                    "radius": "4 um"}]})
    mesh, _ = read(folder)
    a, b = 8e-6, 4e-6
    assert mesh.volumes().sum() == pytest.approx(60e-6 * 40e-6 - math.pi * a * b / 2, rel=1e-4)
    collector = mesh.areas()[mesh.facet_tags == mesh.boundaries["collector"]].sum()
    h = ((a - b) / (a + b)) ** 2  # Ramanujan
    half = math.pi / 2 * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
    assert collector == pytest.approx(32e-6 + half, rel=1e-3)


def test_protrusion_on_the_axis(meshes):
    folder = meshes.get("planar", {"length": "30 um", "width": "20 um", "size": "2 um",
                                   "axisymmetric": True, "size_collector": "0.25 um",
                                   "growth": 1.5,
                                   "protrusions": [{"height": "5 um", "radius": "5 um"}]})
    mesh, side = read(folder)
    assert side["axisymmetric"] and set(mesh.boundaries) == {"collector", "counter", "sides",
                                                             "axis"}
    sphere = 2 / 3 * math.pi * 5e-6**3
    assert mesh.volumes().sum() == pytest.approx(math.pi * 20e-6**2 * 30e-6 - sphere, rel=1e-4)
    collector = mesh.areas()[mesh.facet_tags == mesh.boundaries["collector"]].sum()
    assert collector == pytest.approx(math.pi * (400e-12 - 25e-12) + 2 * math.pi * 25e-12, rel=1e-3)


def test_protrusion_in_3d(meshes):
    folder = meshes.get("planar", {"length": "20 um", "width": "20 um", "breadth": "20 um",
                                   "dimension": 3, "size": "4 um", "size_collector": "1 um",
                                   "growth": 1.6,
                                   "protrusions": [{"x": "10 um", "y": "10 um", "height": "8 um",
                                                    "radius": "4 um", "shape": "rectangle"}]})
    mesh, _ = read(folder)
    assert mesh.volumes().sum() == pytest.approx(8e-15 - math.pi * 16e-12 * 8e-6, rel=3e-3)
    collector = mesh.areas()[mesh.facet_tags == mesh.boundaries["collector"]].sum()
    assert collector == pytest.approx(400e-12 + 2 * math.pi * 4e-6 * 8e-6, rel=0.02)


# ---------------------------------------------------------------- fibre mats


@pytest.mark.parametrize("which", ["mat", "mat_3d"])
def test_fibre_mat_delivers_porosity(which, request):
    folder = request.getfixturevalue(which)
    report, side = geometries.inspect(folder), sidecar(folder)
    for layer in side["parameters"]["layers"]:
        assert report["porosity_by_layer"][layer["name"]] == pytest.approx(
            layer["porosity"], abs=0.01)
    assert report["porosity"] == pytest.approx(np.mean(report["porosity_by_depth"]), abs=1e-9)
    assert report["pore_connected"] and report["pore_reached"] == pytest.approx(1.0)
    assert report["quality_min"] >= 0.05
    assert report["tortuosity"] > 1.0
    assert side["connected"] is True
    assert side["host"]["bottom"] == 0.0


def test_fibre_mat_regions_and_contacts(mat, mat_3d):
    assert set(sidecar(mat)["regions"]) == {
        "electrolyte_bottom", "electrolyte_top", "electrolyte_gap", "separator", "host_bottom",
        "host_top_cu", "host_top_cellulose"}
    assert set(sidecar(mat_3d)["regions"]) == {
        "electrolyte_bottom", "electrolyte_top", "separator", "host_bottom", "host_top"}
    # In 2D only the cellulose fibres, which are not bonded, float; in 3D nothing does.
    report = geometries.inspect(mat)
    disc = math.pi * 1e-12
    assert report["floating_solids"] == round(report["volumes"]["host_top_cellulose"] / disc)
    assert geometries.inspect(mat_3d)["floating_solids"] == 0
    mesh, _ = read(mat)
    on_collector = facet_pairs(mesh.cells)[2]
    low = np.all(mesh.points[on_collector[:, :2], 1] == 0.0, axis=1)
    regions = set(mesh.cell_tags[on_collector[low, 2]].tolist())
    assert regions == {mesh.regions["electrolyte_bottom"], mesh.regions["host_bottom"]}


def test_fibre_mat_floats_in_wide_pores_by_default(meshes):
    layer = {"name": "a", "thickness": "20 um", "porosity": 0.8, "fibre_diameter": "2 um"}
    folder = meshes.get("fibre_mat", {"layers": [layer], "width": "40 um",
                                      "size_wall": "0.4 um", "growth": 1.6})
    report, side = geometries.inspect(folder), sidecar(folder)
    assert side["connected"] is False and report["floating_solids"] == side["fibres"]
    # Wall of discs over area: 4 (1 - porosity)/d; random discs lie near tau = 1/porosity (2D).
    assert report["wall_area"]["host_a"] == pytest.approx(4 * 0.2 / 2e-6, rel=0.03)
    assert 1.1 < report["tortuosity"] < 1.4


def test_unreachable_porosity_names_the_reachable_one():
    layer = {"name": "a", "thickness": "20 um", "porosity": 0.3, "fibre_diameter": "2 um"}
    with pytest.raises(Exception, match=r"layers\.a\.porosity: 0\.3 cannot .* reachable here 0\.5"):
        geometries.build("fibre_mat", {"layers": [layer], "width": "30 um", "contacts": "none"},
                         Path("never"))
    with pytest.raises(Exception, match=r"placed at random jam near 0\.55 in a cell of any width"):
        geometries.build("fibre_mat", {"layers": [layer], "width": "30 um", "contacts": "none"},
                         Path("never"))
    coarse = dict(layer, porosity=0.94, fibre_diameter="8 um")
    with pytest.raises(Exception, match=r"a width of 251 um or more makes it possible"):
        geometries.build("fibre_mat", {"layers": [coarse], "width": "30 um", "contacts": "none"},
                         Path("never"))
    thin = {"name": "a", "thickness": "20 um", "porosity": 0.7, "fibre_diameter": "40 um"}
    with pytest.raises(Exception, match=r"holds no fibre of 40 um; take at least 1\.2") as caught:
        geometries.build("fibre_mat", {"layers": [thin], "width": "90 um"}, Path("never"))
    assert "at least 1 item" not in str(caught.value)
    assert not Path("never").exists()


MAT = {"name": "a", "thickness": "20 um", "porosity": 0.3, "fibre_diameter": "2 um"}
BED = {"name": "b", "thickness": "20 um", "porosity": 0.2, "diameter": "4 um"}
TILTED = {"arrangement": "random", "sheet_thickness": "2 um", "sheet_length": "30 um",
          "spacing": "2 um", "length": "50 um"}
SLITS = [{"name": f"l{k}", "thickness": "2 um", "pitch": "10 um", "opening": 0.1 + 0.037 * k}
         for k in range(12)]


@pytest.mark.parametrize(("family", "parameters", "words"), [
    ("fibre_mat", {"layers": [MAT], "width": "30 um"}, "cannot be delivered"),
    ("fibre_mat", {"layers": [MAT | {"lumen": {"open": 0.2}}], "width": "15 um"}, "cannot"),
    ("fibre_mat", {"layers": [MAT | {"porosity": 0.75, "thickness": "2.5 um"}], "width": "12 um",
                   "dimension": 3}, "widen the cell"),
    ("stack", {"layers": [BED | {"family": "particle_bed"}], "width": "15 um"}, "take a higher"),
    ("aligned_channels", TILTED | {"width": "60 um"}, "at random reach a spacing"),
    ("lamella", {"layers": SLITS, "seed": 1, "size_wall": "1 um", "spacing": "2 um"}, "rims of"),
])  # fmt: skip
def test_what_has_no_place_is_reported_without_a_mesh(
    family: str, parameters: dict[str, Any], words: str
) -> None:
    """`check` places and the run meshes: both refuse with the same words."""
    with pytest.raises(CaseError, match=words) as placed:
        check_place(family, resolve(family, parameters))
    with pytest.raises(CaseError) as refused:
        geometries.build(family, parameters, Path("never"))
    assert str(refused.value) == str(placed.value)
    assert not Path("never").exists()


# ---------------------------------------------------------------- channels, laminate, array

CHANNELS = {"sheet_thickness": "0.5 um", "spacing": "5 um", "length": "50 um",
            "separator": "10 um"}


def test_straight_channels_have_tortuosity_one(meshes):
    folder = meshes.get("aligned_channels", {"arrangement": "vertical", "channels": 3, **CHANNELS})
    report = geometries.inspect(folder)
    assert report["tortuosity"] == pytest.approx(1.0, rel=1e-9)
    assert report["porosity"] == pytest.approx(5 / 5.5, rel=1e-9)
    assert report["wall_area"]["host_sheets"] == pytest.approx(
        (2 * 50e-6 + 0.5e-6) / (5.5e-6 * 50e-6), rel=1e-9)
    assert report["floating_solids"] == 0


def test_tortuosity_is_ordered_by_arrangement(meshes):
    found = {}
    for arrangement, more in (("vertical", {}),
                              ("random", {"sheet_length": "12 um", "width": "40 um"}),
                              ("horizontal", {"sheet_length": "20 um", "opening": "4 um"})):
        report = geometries.inspect(
            meshes.get("aligned_channels", {"arrangement": arrangement, **CHANNELS, **more}))
        assert report["floating_solids"] == 0 and report["pore_reached"] == pytest.approx(1.0)
        assert report["porosity"] == pytest.approx(5 / 5.5, abs=0.03)
        found[arrangement] = report["tortuosity"]
    assert found["vertical"] < 1.001 < 1.3 < found["random"] < found["horizontal"]


def test_zigzag_follows_the_detour(meshes):
    # Thin sheets that leave narrow openings: the way between two rows is half a pitch along a
    # channel of height `spacing`, so tau -> porosity (1 + (half pitch/row distance)^2) roughly.
    folder = meshes.get("aligned_channels", {
        "arrangement": "horizontal", "contacts": False, "sheet_thickness": "0.1 um",
        "spacing": "2 um", "length": "21 um", "sheet_length": "19 um", "opening": "1 um"})
    report = geometries.inspect(folder)
    rise = 21e-6 / 10
    assert report["tortuosity"] == pytest.approx((10e-6 / rise) ** 2, rel=0.2)
    assert report["floating_solids"] > 0


def test_laminate_is_exact(meshes):
    folder = meshes.get("laminate", {
        "layers": [{"region": "host_film", "thickness": "200 nm", "cells": 4},
                   {"region": "coating_lif", "thickness": "100 nm", "pore_diameter": "1 um",
                    "pitch": "5 um"},
                   {"region": "electrolyte", "thickness": "10 um", "size": "1 um"}],
        "width": "10 um", "size_interface": "20 nm"})
    report = geometries.inspect(folder)
    assert report["volumes"] == pytest.approx(
        {"host_film": 2e-12, "coating_lif": 0.8e-12, "electrolyte_coating_lif": 0.2e-12,
         "electrolyte": 100e-12}, rel=1e-9)


def test_laminate_with_a_round_hole(meshes):
    folder = meshes.get("laminate", {
        "layers": [{"region": "host_film", "thickness": "1 um", "pore_diameter": "2 um",
                    "pitch": "10 um"},
                   {"region": "electrolyte", "thickness": "5 um", "size": "1 um"}],
        "axisymmetric": True})
    report = geometries.inspect(folder)
    assert report["volumes"]["electrolyte_host_film"] == pytest.approx(math.pi * 1e-18, rel=1e-9)
    assert report["volumes"]["host_film"] == pytest.approx(math.pi * 24e-18, rel=1e-9)
    assert report["tortuosity"] == pytest.approx(1.0, rel=1e-9)


SPHERE = {"dimension": 3, "pitch": "10 um", "solid_fraction": 0.1, "cells_per_radius": 8}


@pytest.mark.parametrize(("solid", "known"), [(0.1, 0.81818), (0.3, 0.53758), (0.5, 0.32466)])
def test_square_array_of_insulating_cylinders(meshes, solid, known):
    # Perrins, McKenzie and McPhedran 1979.
    report = geometries.inspect(meshes.get("array", {"pitch": "10 um", "solid_fraction": solid}))
    assert report["porosity"] == pytest.approx(1 - solid, rel=1e-9)
    assert report["porosity"] / report["tortuosity"] == pytest.approx(known, rel=1e-3)


def test_an_eighth_of_a_cube_with_a_sphere(meshes):
    """Its volume is exact, its wall to the polyhedron; the cut planes carry no wall."""
    report = geometries.inspect(meshes.get("array", SPHERE))
    assert report["porosity"] == pytest.approx(0.9, rel=1e-12)
    radius = 10e-6 * (0.1 * 3 / (4 * math.pi)) ** (1 / 3)
    wall = (math.pi / 2 * radius**2) / (5e-6) ** 3
    assert report["wall_area"]["host_sphere"] == pytest.approx(wall, rel=0.01)


# ---------------------------------------------------------------- every mesh


def test_tags_and_boundaries_are_complete(mat, mat_3d, meshes):
    planar = meshes.get("planar", {"length": "10 um", "size": "1 um"})
    for folder in (mat, mat_3d, planar, meshes.get("array", SPHERE)):
        mesh, side = read(folder)
        assert set(np.unique(mesh.cell_tags)) == set(mesh.regions.values())
        assert np.array_equal(np.unique(mesh.cells), np.arange(len(mesh.points)))
        exterior = facet_pairs(mesh.cells)[2]
        tagged = np.unique(np.sort(mesh.facets, axis=1), axis=0)
        assert len(tagged) == len(mesh.facets) == len(exterior)
        assert np.array_equal(tagged, np.unique(exterior[:, :-1], axis=0))
        height = np.ptp(mesh.points[:, -1])
        section = mesh.volumes().sum() / height
        for name in ("collector", "counter"):
            area = mesh.areas()[mesh.facet_tags == mesh.boundaries[name]].sum()
            assert area == pytest.approx(section, rel=1e-9)
        corners = mesh.points[mesh.cells]
        assert np.all(np.linalg.det(corners[:, 1:] - corners[:, :1]) > 0)
        assert side["cells"] == len(mesh.cells) and len(all_facets(mesh.cells)[0]) > len(exterior)


def test_the_same_hash_in_another_process(mat, meshes, tmp_path):
    from tests.geometries.conftest import MAT, MAT_3D

    layer = MAT_3D["layers"][0] | {"thickness": "8 um"}
    little = MAT_3D | {"width": "16 um", "layers": [layer]}
    program = ("import geometries, sys, json; from pathlib import Path\n"
               "for k, p in enumerate(json.loads(sys.argv[1])):\n"
               "    print(geometries.build('fibre_mat', p, Path(sys.argv[2]) / str(k))['hash'])")
    parameters = json.dumps([MAT, little])
    there = meshes.get("fibre_mat", little)
    out = subprocess.run([sys.executable, "-c", program, parameters, str(tmp_path)],
                         capture_output=True, text=True, check=True,
                         cwd=Path(__file__).parents[2])
    assert out.stdout.split() == [sidecar(folder)["hash"] for folder in (mat, there)]


@pytest.mark.parametrize("corners", [3, 4])
def test_share_of_a_cell_below_a_height(corners):
    from geometries.meshing.measures import _share_below

    rng = np.random.default_rng(3)
    heights = rng.random((400, corners))
    weights = rng.dirichlet(np.ones(corners), 20_000)  # uniform points of a simplex
    counted = np.mean(heights @ weights.T < 0.5, axis=1)
    share = _share_below(heights, 0.5)
    assert np.max(np.abs(share - counted)) < 0.02
    assert share == pytest.approx(1 - _share_below(1 - heights, 0.5), abs=1e-12)
    flat = np.array([[0.0, 0.0, *[1.0] * (corners - 2)]])
    assert _share_below(flat, 0.5) == pytest.approx(0.75 if corners == 3 else 0.5)
