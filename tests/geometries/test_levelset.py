"""The room from functions to meshes, and the families on it, against what is known exactly."""

from __future__ import annotations

import importlib
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geometries
from fem.base.errors import CaseError
from geometries.description import parameters
from geometries.files.writing import read
from geometries.inspection.gallery import EXAMPLES, _drawn
from geometries.meshing import levelset
from geometries.meshing.mesh import Floats, facet_pairs, quality, simplex_measures

from .conftest import Meshes

# ---------------------------------------------------------------- the room


def cut(field: levelset.Field, dim: int, n: int, planes: tuple[float, ...] = ()) -> Any:
    """Points, cells and phases of a unit cube with n lattice spacings."""
    axes = [np.linspace(0.0, 1.0, n + 1)] * dim
    return levelset.stuff(*levelset.lattice(axes, list(planes)), field)


def volumes_and_wall(points: Floats, cells: Any, phase: Any) -> tuple[Floats, float]:
    volumes = np.bincount(phase, simplex_measures(points, cells))
    facets, pairs, _ = facet_pairs(cells)
    return volumes, float(simplex_measures(points, facets[phase[pairs[:, 0]] != phase[pairs[:, 1]]])
                          .sum())


def ball(radius: float, centre: list[float]) -> levelset.Field:
    def field(x: Floats) -> Floats:
        distance = np.linalg.norm(x - centre, axis=1) - radius
        return np.column_stack([distance, -distance])

    return field


@pytest.mark.parametrize(
    ("dim", "volume", "wall"),
    [(2, math.pi * 0.09, 2 * math.pi * 0.3), (3, 4 / 3 * math.pi * 0.027, 4 * math.pi * 0.09)],
)
def test_a_ball_is_second_order_in_volume_and_area(dim: int, volume: float, wall: float) -> None:
    errors = []
    for n in (10, 20):
        points, cells, phase = cut(ball(0.3, [0.51, 0.48, 0.493][:dim]), dim, n)
        volumes, area = volumes_and_wall(points, cells, phase)
        assert volumes.sum() == pytest.approx(1.0, rel=1e-12)
        errors.append([1 - volumes[0] / volume, 1 - area / wall])
        assert quality(points, cells).min() > 0.2
    coarse, fine = np.array(errors)
    assert np.all(fine > 0) and np.all(fine < 0.008)
    assert np.all(coarse / fine > 3.0)  # 4 for second order


@pytest.mark.parametrize(
    ("name", "per_cell"), [("gyroid", 3.0915), ("primitive", 2.3451), ("diamond", 3.8378)]
)
def test_minimal_surfaces_have_their_known_area(name: str, per_cell: float) -> None:
    """The trigonometric surfaces at level 0 lie within half a percent of the minimal ones."""
    from geometries.builders.tpms import Tpms, _function
    from geometries.registry import resolve

    p = resolve("tpms", {"surface": name, "unit_cell": "1 m", "width": "1 m", "thickness": "1 m",
                         "porosity": 0.5, "dimension": 3})
    assert isinstance(p, Tpms)
    surface = _function(p)

    def field(x: Floats) -> Floats:
        value = surface(x + np.array([0.013, 0.027, 0.041]))
        return np.column_stack([value, -value])

    volumes, area = volumes_and_wall(*cut(field, 3, 18))
    assert volumes[0] == pytest.approx(0.5, abs=0.004)
    assert area == pytest.approx(per_cell, rel=0.01)


def test_many_phases_fill_the_cube_without_gaps() -> None:
    """Cells of a Voronoi tessellation: volumes against a fine count, a plane stays a plane."""
    rng = np.random.default_rng(1)
    seeds = rng.random((9, 3))

    def field(x: Floats) -> Floats:
        return ((x[:, None] - seeds) ** 2).sum(axis=2)

    points, cells, phase = cut(field, 3, 12, planes=(0.5,))
    volumes, _ = volumes_and_wall(points, cells, phase)
    probe = rng.random((200_000, 3))
    counted = np.bincount(field(probe).argmin(axis=1), minlength=9) / len(probe)
    assert volumes.sum() == pytest.approx(1.0, rel=1e-12)
    assert volumes == pytest.approx(counted, abs=0.003)
    height = points[cells, 2]
    assert np.all((height <= 0.5).all(axis=1) | (height >= 0.5).all(axis=1))
    grade = quality(points, cells)
    assert grade.min() > 0.05 and np.quantile(grade, 0.01) > 0.2
    _, pairs, exterior = facet_pairs(cells)
    assert 2 * len(pairs) + len(exterior) == 4 * len(cells)  # conforming
    assert simplex_measures(points, exterior[:, :-1]).sum() == pytest.approx(6.0, rel=1e-12)


@pytest.mark.parametrize(("dim", "levels"), [(2, 2), (3, 1)])
def test_refined_walls_are_as_good_as_a_finer_lattice(dim: int, levels: int) -> None:
    """Half the spacing at the wall, planes kept, conforming; far fewer cells."""
    sphere = ball(0.3, [0.51, 0.48, 0.493][:dim])
    axes = [np.linspace(0.0, 1.0, 9)] * dim
    points, cells, fixed = levelset.refined(*levelset.lattice(axes, [0.25]), sphere, levels)
    assert np.all(points[fixed[:, -1], -1] * 4 % 1 == 0)
    height = points[cells, -1]
    assert np.all((height <= 0.25).all(axis=1) | (height >= 0.25).all(axis=1))
    points, cells, phase = levelset.stuff(points, cells, fixed, sphere)
    grade = quality(points, cells)
    assert grade.min() > 0.1 and np.quantile(grade, 0.01) > 0.3
    _, pairs, exterior = facet_pairs(cells)
    assert 2 * len(pairs) + len(exterior) == (dim + 1) * len(cells)
    assert simplex_measures(points, exterior[:, :-1]).sum() == pytest.approx(2 * dim, rel=1e-12)
    fine = cut(sphere, dim, 8 * 2**levels)
    coarse = cut(sphere, dim, 8)
    exact = 2 * math.pi * 0.3 if dim == 2 else 4 * math.pi * 0.09
    errors = [abs(volumes_and_wall(*mesh)[1] / exact - 1)
              for mesh in (coarse, (points, cells, phase), fine)]
    assert errors[1] < 0.4 * errors[0] and errors[1] < 2 * errors[2]
    assert len(cells) < 0.9 * len(fine[1])


# ---------------------------------------------------------------- every family, small, 2D and 3D

SMALL: list[tuple[str, dict[str, Any]]] = [
    ("tpms", {"unit_cell": "10 um", "porosity": [0.7, 0.5], "width": "20 um", "gap": "2 um",
              "layers": [{"name": "low", "thickness": "10 um"},
                         {"name": "up", "thickness": "6 um"}],
              "separator": "4 um", "kind": "sheet"}),
    ("tpms", {"unit_cell": "10 um", "porosity": 0.6, "width": "10 um", "thickness": "10 um",
              "dimension": 3, "size": "1.2 um", "gap": "1 um", "separator": "4 um"}),
    ("foam", {"kind": "struts", "pore_diameter": "6 um", "porosity": 0.85, "width": "24 um",
              "thickness": "20 um", "separator": "4 um"}),
    ("foam", {"kind": "bubbles", "pore_diameter": ["5 um", "4 um"], "porosity": 0.75,
              "width": "10 um", "thickness": "10 um", "dimension": 3, "size": "0.9 um"}),
    ("foam", {"kind": "opal", "pore_diameter": "5 um", "porosity": 0.82, "width": "10 um",
              "thickness": "10 um", "dimension": 3, "size": "0.8 um"}),
    ("foam", {"kind": "sponge", "pore_diameter": "4 um", "porosity": 0.7, "width": "24 um",
              "thickness": "20 um", "coating": "0.8 um", "separator": "4 um"}),
    ("grains", EXAMPLES["grains"][0]),
    ("grains", EXAMPLES["grains"][1] | {"size": "1.5 um"}),
    ("cad", {"dimension": 2}),
    ("cad", {"dimension": 3}),
]


def made(meshes: Meshes, family: str, given: dict[str, Any]) -> Path:
    if family == "cad":
        given = _drawn(given, meshes.folder / "drawings")
    return meshes.get(family, given)


@pytest.mark.parametrize(("family", "given"), SMALL)
def test_every_family_keeps_its_promises(
    family: str, given: dict[str, Any], meshes: Meshes
) -> None:
    mesh, side = read(made(meshes, family, given))
    grade = quality(mesh.points, mesh.cells)
    assert grade.min() >= 0.05 and np.quantile(grade, 0.01) >= 0.2
    if "porosity_asked" in side:
        low, high = side["host"]["bottom"], side["host"]["top"]
        from geometries.meshing.measures import slab_fractions

        assert slab_fractions(mesh, [low, high])[0] == pytest.approx(side["porosity_asked"],
                                                                     abs=0.01)
        assert side["pore_connected"] and side["pore_reached"] == pytest.approx(1.0)
    height = mesh.points[:, -1].max()
    asked = [given.get(k, "0 um") for k in ("thickness", "gap", "separator")]
    if "layers" not in given and family != "cad":
        assert height == pytest.approx(sum(float(t.split()[0]) for t in asked) * 1e-6)
    if side["dimension"] == 3 and family in ("tpms", "foam"):
        assert side["floating_solids"] == 0
    assert all(set(body) == {"regions", "volume", "centre"} for body in side["floating_conductors"])


def test_layers_and_coating_become_regions(meshes: Meshes) -> None:
    _, layered = read(made(meshes, *SMALL[0]))
    assert set(layered["regions"]) == {
        "electrolyte_low", "electrolyte_up", "host_low", "host_up", "electrolyte_gap", "separator"}
    assert layered["layers"][1] == {"name": "up", "bottom": 10e-6, "top": pytest.approx(16e-6)}
    # Asked 0.7 at the collector and 0.5 at the top.
    assert layered["porosity"]["low"] > layered["porosity"]["up"] + 0.06
    coated = made(meshes, *SMALL[5])
    report = geometries.inspect(coated)
    # The coating covers the wall: the core touches pores only where sides or planes cut it.
    assert report["wall_area"]["coating_foam"] > 5 * report["wall_area"]["host_foam"]
    wall = report["wall_area"]["coating_foam"] * 24e-6 * 20e-6
    assert report["volumes"]["coating_foam"] == pytest.approx(0.8e-6 * wall, rel=0.15)


def test_pores_follow_the_depth(meshes: Meshes) -> None:
    """Pores of 4 um at the collector and 8 um at the separator, and the other way round."""
    sizes = []
    for ends in (["4 um", "8 um"], ["8 um", "4 um"]):
        folder = meshes.get("foam", {"kind": "bubbles", "pore_diameter": ends, "porosity": 0.85,
                                     "width": "40 um", "thickness": "40 um"})
        report = geometries.inspect(folder)
        walls = report["wall_area_by_depth"]["host_foam"]
        sizes.append(sum(walls[1:9]) / sum(walls[11:19]))
    assert sizes[0] < 0.85 and sizes[1] > 1 / 0.85


PROGRAM = """
import json, sys
from pathlib import Path
import geometries
for i, (family, given) in enumerate(json.loads(sys.argv[1])):
    print(geometries.build(family, given, Path(sys.argv[2]) / str(i))["hash"])
"""


def test_the_same_hash_in_another_process(meshes: Meshes, tmp_path: Path) -> None:
    chosen = [SMALL[1], SMALL[3], SMALL[7]]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(chosen), str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=200, cwd=Path(__file__).parents[2])
    here = [read(made(meshes, *example))[1]["hash"] for example in chosen]
    assert done.stdout.split() == here


# ---------------------------------------------------------------- images and drawings


@pytest.fixture(scope="session")
def mushroom(meshes: Meshes) -> dict[str, Any]:
    """A drawing, as it is and as voxels of half a micrometre."""
    given = _drawn({"dimension": 3}, meshes.folder / "drawings")
    n = (np.arange(40) + 0.5) * 0.5
    x, y, z = np.meshgrid(n, n, n, indexing="ij")
    r = np.hypot(x - 10, y - 10)
    inside = ((r < 2) & (z < 12)) | (r**2 + (z - 12) ** 2 < 25)
    file = meshes.folder / "mushroom.npy"
    np.save(file, inside.astype(np.uint8))
    image = {"file": str(file), "voxel": "0.5 um", "axes": "xyz", "separator": "5 um",
             "regions": {0: "electrolyte", 1: "host_mushroom"}, "coarsen": 2.5}
    return {"cad": given, "image": image}


def test_an_image_equals_its_drawing(meshes: Meshes, mushroom: dict[str, Any]) -> None:
    """Volume, area and tortuosity; faces of voxels would have 1.5 times the area."""
    drawn, seen = (geometries.inspect(meshes.get(f, mushroom[f])) for f in ("cad", "image"))
    side = read(meshes.get("cad", mushroom["cad"]))[1]
    volume = math.pi * 4 * 12 + 4 / 3 * math.pi * 125
    # Less the part of the stalk inside the ball: a cylinder up to the centre, with its cap's foot.
    foot = math.sqrt(21.0)
    volume -= math.pi * 4 * foot + math.pi / 3 * (5 - foot) ** 2 * (10 + foot)
    assert side["drawn_volumes"]["host_mushroom"] == pytest.approx(volume * 1e-18, rel=1e-6)
    assert drawn["volumes"]["host_mushroom"] == pytest.approx(volume * 1e-18, rel=0.02)
    assert seen["volumes"]["host_mushroom"] == pytest.approx(volume * 1e-18, rel=0.03)
    wall = math.pi * 4 * (12 - foot) + 2 * math.pi * 5 * (5 + foot)  # stalk, ball without its foot
    assert drawn["wall_area"]["host_mushroom"] * 8e-15 == pytest.approx(wall * 1e-12, rel=0.02)
    assert seen["wall_area"]["host_mushroom"] * 8e-15 == pytest.approx(wall * 1e-12, rel=0.04)
    assert seen["tortuosity"] == pytest.approx(drawn["tortuosity"], rel=0.005)


def test_a_stack_of_pages_equals_its_array(meshes: Meshes, tmp_path: Path) -> None:
    """Axes, flip, crop and threshold of a tif lead to the mesh of the plain array."""
    from PIL import Image

    rng = np.random.default_rng(0)
    place = np.indices((10, 12, 14)).transpose(1, 2, 3, 0)
    labels = (np.linalg.norm(place - [4, 6, 7], axis=-1) < 4.2).astype(np.uint8)
    np.save(tmp_path / "plain.npy", labels)
    grey = np.where(labels > 0, 200, 20) + rng.integers(0, 9, labels.shape)
    pages = np.pad(grey, ((0, 0), (0, 0), (0, 3)))[:, :, ::-1].transpose(2, 1, 0)  # z, y, x
    stack = [Image.fromarray(page.astype(np.uint8)) for page in pages]
    stack[0].save(tmp_path / "stack.tif", save_all=True, append_images=stack[1:])
    common: dict[str, Any] = {"voxel": ["1 um", "1 um", "2 um"],
                              "regions": {0: "electrolyte", 1: "host"}}
    plain = geometries.build("image", common | {"file": str(tmp_path / "plain.npy"),
                                                "axes": "xyz"}, tmp_path / "a")
    stacked = geometries.build("image", common | {
        "file": str(tmp_path / "stack.tif"), "flip": ["z"], "crop": {"z": [3, 17]},
        "threshold": [100.0]}, tmp_path / "b")
    assert plain["hash"] == stacked["hash"]
    assert plain["voxels"] == [10, 12, 14]
    assert plain["floating_conductors"][0]["centre"] == pytest.approx(
        [4.5e-6, 6.5e-6, 15e-6], abs=0.2e-6)


def test_images_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    from PIL import Image

    labels = np.zeros((8, 9), dtype=np.uint8)
    labels[:, -1] = 2
    np.save(tmp_path / "a.npy", labels)
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).random((20, 20)))
    (tmp_path / "broken.tif").write_bytes(b"II*\0nothing")
    Image.new("RGB", (20, 20)).save(tmp_path / "colour.png")
    regions = {0: "electrolyte", 1: "host"}
    refused: list[tuple[dict[str, Any], str]] = [
        ({"file": "a.npy"}, "label 2 has no region; labels 0 to 255 found: 0, 2"),
        ({"file": "a.npy", "regions": {0: "electrolyte", 2: "host"}, "axes": "xz"},
         "no pore reaches the separator; turn z over"),
        ({"file": "grey.npy"}, "are no labels; give threshold"),
        ({"file": "broken.tif"}, "broken.tif cannot be read as an image"),
        ({"file": "colour.png"}, "it is in colour; save grey values or labels"),
        ({"file": "a.npy", "regions": {0: "electrolyte", 300: "host"}}, "must be at most 255"),
        ({"file": "a.npy", "crop": {"x": [0, 12]}}, r"crop\.x: \[0, 12\] lies outside 0 to 9"),
        ({"file": "a.npy", "coarsen": 5.0}, "at most 2"),
        ({"file": "grey.npy", "cells_max": 1000, "coarsen": 0.5}, "cells_max is 1000; take"),
        ({"file": "a.npy", "content": "0" * 64}, "has changed"),
    ]
    for given, reason in refused:
        full = {"voxel": "1 um", "regions": regions} | given
        full["file"] = str(tmp_path / str(full["file"]))
        with pytest.raises(CaseError, match=reason):
            geometries.build("image", full, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_of_a_case_lie_beside_it(tmp_path: Path) -> None:
    """A relative path is that of the case; the digest of the problem follows the content."""
    from fem import Case

    case: dict[str, Any] = {
            "schema": 1, "title": "image", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
            "study": "steady", "regions": {"host": {"material": "Cu"}},
            "geometry": {"family": "image", "file": "a.npy", "voxel": "1 um",
                         "regions": {"0": "electrolyte", "1": "host"}},
            "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 h"}]}
    labels = np.zeros((9, 9), dtype=np.uint8)
    hashes = []
    for folder, label in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / folder).mkdir()
        labels[4, :4] = label
        np.save(tmp_path / folder / "a.npy", labels)
        found = Case.from_dict(case, folder=tmp_path / folder)
        assert found.geometry is not None
        assert found.geometry["file"] == str(tmp_path / folder / "a.npy")
        hashes.append(found.physics_hash())
    assert hashes[0] == hashes[1] != hashes[2]
    with pytest.raises(CaseError, match=r"geometry.*no file .*nowhere.npy"):
        Case.from_dict(case | {"geometry": case["geometry"] | {"file": "nowhere.npy"}},
                       folder=tmp_path)


def test_pores_that_the_separator_cannot_reach_are_filled(tmp_path: Path) -> None:
    labels = np.ones((24, 24), dtype=np.uint8)
    labels[4:10, 4:24] = 0  # open to the top, not to the collector
    labels[15:20, 8:14] = 0  # closed
    np.save(tmp_path / "a.npy", labels)
    side = geometries.build("image", {"file": str(tmp_path / "a.npy"), "axes": "xz",
                                      "voxel": "1 um", "regions": {0: "electrolyte", 1: "host"}},
                            tmp_path / "mesh")
    assert side["porosity"]["image"] == pytest.approx(120 / 576, abs=0.01)
    assert side["voxel_porosity_closed"] == pytest.approx(30 / 576)
    assert side["pore_connected"] is False and side["pore_reached"] == 1.0


def test_names_in_a_drawing_become_regions(tmp_path: Path) -> None:
    from geometries.meshing.gmsh_session import session

    file = tmp_path / "two.step"
    with session() as gmsh:
        occ = gmsh.model.occ
        occ.addBox(2, 2, 0, 3, 3, 6)
        occ.addBox(2, 2, 6, 3, 3, 2)
        occ.synchronize()
        gmsh.write(str(file))
    text = file.read_text()
    names = iter(("both", "post", "lid"))  # gmsh writes no names of its own
    file.write_text(re.sub(r"PRODUCT\('[^']*',\s*'[^']*'",
                           lambda _: "PRODUCT('{0}','{0}'".format(next(names)), text))
    given = {"dimension": 3, "width": "10 um", "thickness": "10 um", "size": "2 um",
             "parts": [{"file": str(file), "unit": "1 um",
                        "names": {"post": "host_post", "li*": "coating_lid"}}]}
    side = geometries.build("cad", given, tmp_path / "mesh")
    assert side["drawn_volumes"] == pytest.approx(
        {"host_post": 54e-18, "coating_lid": 18e-18, "electrolyte": 928e-18}, rel=1e-9, abs=0)
    given["parts"][0]["names"] = {"pst": "host_post"}  # type: ignore[index]
    with pytest.raises(CaseError, match=r"no region for the body 'post' .* did you mean 'pst'"):
        geometries.build("cad", given, tmp_path / "mesh")


def test_an_stl_goes_through_the_lattice(meshes: Meshes, mushroom: dict[str, Any],
                                         tmp_path: Path) -> None:
    """The surface of the drawing, in another unit and place, has its volume and area."""
    from geometries.meshing.gmsh_session import session

    file = tmp_path / "mushroom.stl"
    with session() as gmsh:
        gmsh.model.occ.importShapes(mushroom["cad"]["parts"][0]["file"])
        gmsh.model.occ.synchronize()
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.7)
        gmsh.model.mesh.generate(2)
        gmsh.write(str(file))
    side = geometries.build("cad", {
        "dimension": 3, "width": "20 nm", "thickness": "20 nm", "size": "1.6 nm",
        "parts": [{"file": str(file), "unit": "1 nm", "region": "host_mushroom",
                   "shift": ["-1 nm", "1 nm", "0 nm"]}]}, tmp_path / "mesh")
    drawn = geometries.inspect(meshes.get("cad", mushroom["cad"]))
    seen = geometries.inspect(tmp_path / "mesh")
    assert side["floating_solids"] == 0
    assert seen["volumes"]["host_mushroom"] * 1e9 == pytest.approx(
        drawn["volumes"]["host_mushroom"], rel=0.02)
    assert seen["wall_area"]["host_mushroom"] * 1e-3 == pytest.approx(
        drawn["wall_area"]["host_mushroom"], rel=0.02)


# ---------------------------------------------------------------- grains


def clipped(polygon: Floats, normal: Floats, offset: float) -> Floats:
    """The part of a convex polygon where normal . x <= offset."""
    side = polygon @ normal - offset
    kept = []
    for k in range(len(polygon)):
        here, there = side[k - 1], side[k]
        if here * there < 0:
            kept.append(polygon[k - 1] + here / (here - there) * (polygon[k] - polygon[k - 1]))
        if there <= 0:
            kept.append(polygon[k])
    return np.array(kept).reshape(-1, 2)


def test_areas_of_grains_are_those_of_their_polygons(meshes: Meshes) -> None:
    """Each region of a polycrystal in 2D has the area of its grains' Voronoi polygons."""
    from geometries.builders.grains import _coloured, scattered

    given = {"grain_diameter": "8 um", "width": "30 um", "thickness": "30 um", "seed": 5}
    mesh, _ = read(meshes.get("grains", given))
    seeds = scattered(np.random.default_rng(5), [30e-6, 30e-6], 8e-6)
    exact = dict.fromkeys(mesh.regions, 0.0)
    for i, colour in enumerate(_coloured(seeds)):
        polygon = 30e-6 * np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        for k, other in enumerate(seeds):
            if k != i and len(polygon):
                offset = float(other @ other - seeds[i] @ seeds[i]) / 2
                polygon = clipped(polygon, other - seeds[i], offset)
        if len(polygon):
            x, y = polygon.T
            area = 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))
            exact[f"solid_electrolyte_{colour + 1}"] += area
    found = {n: mesh.volumes()[mesh.region_mask(n)].sum() for n in mesh.regions}
    assert sum(exact.values()) == pytest.approx(900e-12, rel=1e-9)
    assert found == pytest.approx(exact, abs=0.002 * 900e-12)


def test_boundary_region_notch_and_crack(meshes: Meshes) -> None:
    mesh, side = read(meshes.get("grains", EXAMPLES["grains"][0]))
    assert set(side["regions"]) == {"solid_electrolyte_grain", "solid_electrolyte_boundary",
                                    "host_crack"}
    volumes = {n: mesh.volumes()[mesh.region_mask(n)].sum() * 1e12 for n in mesh.regions}
    assert volumes["host_crack"] == pytest.approx(0.6 * 18 * 1.5, rel=0.05)
    # All but the notch of 8 x 4/2 and the empty part of the crack.
    assert sum(volumes.values()) == pytest.approx(900 - 16 - 0.4 * 18 * 1.5, rel=0.003)
    collector = mesh.areas()[mesh.facet_tags == mesh.boundaries["collector"]].sum() * 1e6
    assert collector == pytest.approx(30 - 4 + 2 * math.hypot(8, 2), rel=0.02)


def test_neighbouring_grains_differ() -> None:
    from scipy.spatial import Delaunay

    from geometries.builders.grains import _coloured, scattered

    seeds = scattered(np.random.default_rng(0), [5.0, 5.0, 5.0], 1.0)
    colour = _coloured(seeds)
    pairs = np.array([[a, b] for s in Delaunay(seeds).simplices for a in s for b in s if a < b])
    assert np.all(colour[pairs[:, 0]] != colour[pairs[:, 1]])
    assert colour.max() < 12


@pytest.mark.parametrize(("dim", "contact"), [(2, 0.8), (3, 0.5)])
def test_contact_is_delivered(dim: int, contact: float, meshes: Meshes) -> None:
    given = {"grain_diameter": "8 um", "width": "24 um", "thickness": "16 um", "dimension": dim,
             "contact": contact, "size": "1.3 um" if dim == 3 else "0.8 um"}
    mesh, side = read(meshes.get("grains", given))
    touched = mesh.areas()[mesh.facet_tags == mesh.boundaries["collector"]].sum()
    assert touched / 24e-6 ** (dim - 1) == pytest.approx(contact, abs=0.01)
    assert side["contact"] == pytest.approx(contact, abs=0.01)


@pytest.mark.parametrize("family", ["foam", "tpms"])
def test_the_parameters_name_the_porosities_that_are_built(family):
    """`hostplate list geometries` gives the ranges in words: all of them."""
    module = importlib.import_module(f"geometries.builders.{family}")
    given = {p.path: p.meaning for p in parameters(getattr(module, family.capitalize()))}
    for low, high in module.POROSITY_RANGE.values():
        assert f"{low:g} to {high:g}" in given["porosity"]
