"""The room and the families made of primitives, against closed forms and their promises."""

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
from geometries.builders.fibres import Mat, MatLayer
from geometries.builders.layers import Site
from geometries.building import key
from geometries.files.writing import read
from geometries.meshing.carving import CORE, HOST, INNER, SKIN, Crowd, Part, Room, carve, nearest
from geometries.meshing.measures import conductance
from geometries.meshing.primitives import Ball, Bore, Prism, Rod, Wire
from geometries.resolution import refined

UM = 1e-6
BED = {"name": "bed", "thickness": "20 um", "porosity": 0.65, "diameter": "5 um"}
PORES = {"name": "wood", "thickness": "20 um", "diameter": "5 um", "pitch": "8 um"}
FIBRES = {"name": "cu", "thickness": "20 um", "porosity": 0.8, "fibre_diameter": "4 um"}
GRID = {"name": "net", "thickness": "14 um", "wire": "4 um", "pitch": "10 um"}
WHISKERS = {"name": "sic", "thickness": "9 um", "length": "8 um", "diameter": "1.5 um",
            "spacing": "5 um"}
PLANAR = {"width": "40 um", "separator": "5 um", "growth": 1.6}
DEEP = {"dimension": 3, "width": "20 um", "separator": "5 um", "growth": 1.8}
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "bed": ("particle_bed", {**PLANAR, "layers": [{**BED, "spread": 0.1}]}),
    "yolk": ("particle_bed", {**PLANAR, "layers": [{
        **BED, "thickness": "25 um", "contact": "separate", "porosity": 0.82, "diameter": "7 um",
        "core": {"diameter": 0.5, "gap": 0.75, "neck": 0.3, "mouth": 0.3}}]}),
    "bed_3d": ("particle_bed", {**DEEP, "layers": [{**BED, "porosity": 0.75, "diameter": "6 um"}]}),
    "pores": ("pore_array", {**PLANAR, "layers": [{**PORES, "diameter": ["6 um", "3 um"]}]}),
    "pores_3d": ("pore_array", {**DEEP, "width": "16 um", "layers": [PORES]}),
    "tube": ("fibre_mat", {**PLANAR, "contacts": "tree", "layers": [{
        **FIBRES, "lumen": {"open": 0.4, "mouth": 0.1}}]}),
    "iso_3d": ("fibre_mat", {**DEEP, "width": "24 um", "layers": [{
        **FIBRES, "porosity": 0.85, "orientation": "isotropic"}]}),
    "grid": ("grid", {**PLANAR, "layers": [{
        **GRID, "skin": {"name": "zno", "thickness": "0.5 um"}}]}),
    "grid_3d": ("grid", {**DEEP, "layers": [GRID]}),
    "woven_3d": ("grid", {**DEEP, "layers": [{**GRID, "weave": "woven"}]}),
    "whiskers": ("whiskers", {**PLANAR, "layers": [WHISKERS]}),
    "whiskers_3d": ("whiskers", {**DEEP, "layers": [WHISKERS]}),
    "stack": ("stack", {**PLANAR, "gap": "2 um", "contacts": "tree", "layers": [
        {"family": "fibre_mat", **FIBRES, "name": "rgo"},
        {"family": "particle_bed", **BED, "name": "sio2", "contact": "separate", "porosity": 0.75},
        {"family": "fibre_mat", **FIBRES, "name": "rgo_top"},
        {"family": "slab", "name": "pvdf", "thickness": "3 um", "region": "electrolyte_pvdf"}]}),
    "stack_3d": ("stack", {**DEEP, "width": "16 um", "layers": [
        {"family": "slab", "name": "au", "thickness": "2 um", "region": "coating_au"},
        {"family": "pore_array", **PORES, "name": "ni", "thickness": "10 um"},
        {"family": "pore_array", **PORES, "name": "al2o3", "thickness": "4 um"}]}),
    "rough": ("rough", {"length": "20 um", "width": "60 um", "roughness": "1.5 um",
                        "correlation": "8 um", "size_surface": "0.5 um"}),
    "rough_3d": ("rough", {"length": "20 um", "width": "24 um", "roughness": "0.8 um",
                           "correlation": "8 um", "dimension": 3,
                           "skin": {"name": "gfo", "thickness": "1 um"}}),
}


def sidecar(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "mesh.json").read_text())


@pytest.fixture(params=list(SMALL))
def small(request, meshes) -> tuple[str, Path]:
    return request.param, meshes.get(*SMALL[request.param])


def test_fibres_have_several_channels_in_3d(meshes):
    """Each channel is a body of its own, closed at both ends, with the share asked."""
    layer = {**FIBRES, "porosity": 0.85, "lumen": {"open": 0.08, "channels": 2}}
    folder = meshes.get("fibre_mat", {**DEEP, "layers": [layer]})
    mesh, side = read(folder)[0], sidecar(folder)
    assert side["cut_off_pores"] == {"electrolyte_lumen": 2 * side["bodies"]}
    volumes = mesh.volumes()
    lumen, host = (float(volumes[mesh.region_mask(n)].sum())
                   for n in ("electrolyte_lumen", "host_cu"))
    # Fibres share their contacts, channels do not.
    assert 0.08 < lumen / (lumen + host) < 0.09


def test_every_family_keeps_its_promises(small):
    """Whole cell tagged, porosity as asked, quality, pores and conductors as the sidecar says."""
    name, folder = small
    report, side = geometries.inspect(folder), sidecar(folder)
    mesh, _ = read(folder)
    family, given = SMALL[name]
    if family == "rough":
        assert report["quality_min"] >= 0.05
        return
    assert report["quality_min"] >= 0.05 and report["quality_1_percent"] >= 0.2
    section = np.prod([float(side["parameters"][k] or side["parameters"]["width"])
                       for k in ("width", "breadth")[: mesh.dimension - 1]])
    assert mesh.volumes().sum() == pytest.approx(section * np.ptp(mesh.points[:, -1]), rel=1e-9)
    for layer in given["layers"]:
        if "porosity" in layer:
            assert report["porosity_by_layer"][layer["name"]] == pytest.approx(
                layer["porosity"], abs=0.01)
    assert report["floating_solids"] == side["floating_solids"] == sum(side["floating"].values())
    solid_floor = name == "stack_3d"
    assert report["pore_connected"] is side["pore_connected"] is not solid_floor
    assert (report["pore_reached"] == pytest.approx(1.0)) is (not side["cut_off_pores"])
    if name not in ("yolk", "stack"):
        assert side["floating"] == {} and side["cut_off_pores"] == {}


def test_the_same_hash_in_another_process(meshes, tmp_path):
    program = ("import geometries, sys, json; from pathlib import Path\n"
               "for n, (f, p) in json.loads(sys.argv[1]).items():\n"
               "    print(n, geometries.build(f, p, Path(sys.argv[2]) / n)['hash'])")
    chosen = ("bed_3d", "tube", "iso_3d", "stack")
    out = subprocess.run(
        [sys.executable, "-c", program, json.dumps({n: SMALL[n] for n in chosen}), str(tmp_path)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    again = dict(line.split() for line in out.stdout.splitlines())
    assert again == {n: sidecar(meshes.get(*SMALL[n]))["hash"] for n in chosen}


# ---------------------------------------------------------------- closed forms


def _volumes(breadth: float | None, parts: list[Part]) -> dict[str, float]:
    room = Room(20 * UM, breadth, [("electrolyte", 0.0, 20 * UM)], 4 * UM, 1.6)
    mesh, _, report = carve(room, parts)
    assert report["attempts"] == 1
    volumes = mesh.volumes()
    return {n: float(volumes[mesh.region_mask(n)].sum()) for n in mesh.regions}


def test_discs_with_skin_and_lumen_in_2d():
    at = (10 * UM, 9 * UM)
    got = _volumes(None, [
        Part("host_a", Ball(at, 4 * UM), 0.3 * UM), Part("electrolyte_l", Ball(at, 2 * UM),
                                                         0.3 * UM, INNER),
        Part("host_core", Ball(at, 1 * UM), 0.2 * UM, CORE),
        Part("coating_c", Ball(at, 5 * UM), 0.3 * UM, SKIN)])
    assert got == pytest.approx({
        "host_a": math.pi * 12 * UM**2, "electrolyte_l": math.pi * 3 * UM**2,
        "host_core": math.pi * UM**2, "coating_c": math.pi * 9 * UM**2,
        "electrolyte": (400 - math.pi * 25) * UM**2}, rel=4e-3)


def test_two_balls_that_overlap():
    """The volume of a union of two spheres: both less the lens."""
    r, d = 4 * UM, 6 * UM
    got = _volumes(20 * UM, [Part("host_a", Ball((x, 10 * UM, 10 * UM), r), 1 * UM)
                             for x in (7 * UM, 7 * UM + d)])
    lens = math.pi * (4 * r + d) * (2 * r - d) ** 2 / 12
    assert got["host_a"] == pytest.approx(2 * 4 / 3 * math.pi * r**3 - lens, rel=0.01)
    assert sum(got.values()) == pytest.approx((20 * UM) ** 3, rel=1e-9)


def test_solids_of_every_primitive_in_3d():
    m = 10 * UM
    rod = Rod((m, -5 * UM, 4 * UM), (m, 25 * UM, 4 * UM), 3 * UM)
    bore = Bore((m, m), ((10 * UM, 2 * UM), (20 * UM, 4 * UM)))
    got = _volumes(20 * UM, [
        Part("host_rod", rod, 1 * UM), Part("electrolyte_l", Rod(rod.start, rod.end, 1.5 * UM),
                                            0.7 * UM, INNER),
        Part("host_bore", bore, 1 * UM)])
    assert got["host_rod"] == pytest.approx(math.pi * (9 - 2.25) * 20 * UM**3, rel=0.01)
    assert got["electrolyte_l"] == pytest.approx(math.pi * 2.25 * 20 * UM**3, rel=0.01)
    assert got["host_bore"] == pytest.approx(math.pi / 3 * 10 * (4 + 8 + 16) * UM**3, rel=0.01)
    prism = Prism(((5 * UM, 3 * UM), (9 * UM, 3 * UM), (7 * UM, 9 * UM)), (4 * UM, 12 * UM))
    x = np.linspace(-2, 22, 13) * UM
    wire = Wire(tuple((float(v), 16 * UM, 12 * UM) for v in x), 2 * UM)
    got = _volumes(20 * UM, [Part("host_prism", prism, 1 * UM), Part("host_wire", wire, 0.8 * UM)])
    assert got["host_prism"] == pytest.approx(12 * 8 * UM**3, rel=1e-6)
    assert got["host_wire"] == pytest.approx(math.pi * 4 * 20 * UM**3, rel=0.01)


@pytest.mark.parametrize("shape", [
    Ball((1.0, 2.0, 3.0), 0.7), Rod((0.0, 1.0, 2.0), (2.0, 2.0, 3.0), 0.5),
    Bore((1.0, 2.0), ((1.0, 0.5), (4.0, 0.5))),
    Prism(((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)), (1.0, 3.0))])
def test_distances_and_growth_agree(shape):
    """Points at distance t lie on the wall of the primitive grown by t, beside its faces."""
    rng = np.random.default_rng(2)
    low, high = shape.bounds()
    points = low - 0.3 + (high - low + 0.6) * rng.random((4000, 3))
    if isinstance(shape, Bore):  # it grows in width only
        points = points[np.abs(points[:, 2] - 2.5) < 1.0]
    d = shape.distance(points)
    assert (d < 0).mean() > 0.05
    assert np.all(shape.grown(0.2).distance(points[d < 0.1]) < -0.05)
    assert np.all(shape.grown(-0.1).distance(points[d > 0]) >= 0.099)
    inside = np.all((points >= low) & (points <= high), axis=1)
    assert np.all(inside[d < 0])


def test_pores_have_their_porosity_and_no_detour(meshes):
    side = sidecar(meshes.get(*SMALL["pores"]))
    assert side["porosity"]["wood"] == pytest.approx(4.5 / 8, rel=1e-6)
    folder = meshes.get(*SMALL["pores_3d"])
    report = geometries.inspect(folder)
    assert report["porosity"] == pytest.approx(math.pi * 6.25 / 64, rel=5e-3)
    assert report["tortuosity"] == pytest.approx(1.0, abs=5e-3)


def test_a_tapered_pore_on_the_axis(meshes):
    layer = {**PORES, "diameter": ["6 um", "2 um"]}
    folder = meshes.get("pore_array", {"layers": [layer], "axis": True, "width": "4 um",
                                       "separator": "5 um"})
    mesh, side = read(folder)
    volume = mesh.volumes()[mesh.region_mask("electrolyte_wood")].sum()
    assert volume == pytest.approx(math.pi * 20 / 3 * (9 + 3 + 1) * UM**3, rel=1e-9)
    assert side["axisymmetric"] and "axis" in mesh.boundaries


@pytest.mark.parametrize(("solid", "known"), [(0.1, 0.81818), (0.3, 0.53758), (0.5, 0.32466)])
def test_a_square_array_of_discs_conducts_as_known(solid, known):
    """Perrins, McKenzie and McPhedran 1979, on the room's mesh."""
    r = 10 * UM * math.sqrt(solid / math.pi)
    room = Room(10 * UM, None, [("electrolyte", 0.0, 10 * UM)], 0.4 * UM, 1.3)
    mesh, _, _ = carve(room, [Part("host_a", Ball((5 * UM, 5 * UM), r), 0.15 * UM)])
    got = conductance(mesh, mesh.region_mask("electrolyte"), 0.0, 10 * UM)
    assert got == pytest.approx(known, rel=2e-3)


def test_few_balls_conduct_as_maxwell_says():
    """A simple cubic array of insulating spheres: 2 e/(3 - e) to second order."""
    r = 10 * UM * (0.1 * 3 / (4 * math.pi)) ** (1 / 3)
    room = Room(10 * UM, 10 * UM, [("electrolyte", 0.0, 10 * UM)], 1.5 * UM, 1.5)
    mesh, _, _ = carve(room, [Part("host_a", Ball((5 * UM,) * 3, r), 0.5 * UM)])
    share = float(mesh.volumes()[mesh.region_mask("electrolyte")].sum()) / (10 * UM) ** 3
    assert share == pytest.approx(0.9, abs=2e-3)
    got = conductance(mesh, mesh.region_mask("electrolyte"), 0.0, 10 * UM)
    assert got == pytest.approx(2 * 0.9 / 2.1, rel=5e-3)


def test_a_rough_surface_has_its_roughness():
    from geometries.builders.rough import Rough, surface

    flat = SMALL["rough"][1]
    p = Rough.model_validate(flat)
    x = (np.arange(20_000) + 0.5) / 20_000 * p.width
    squares = []
    for seed in range(40):
        p = Rough.model_validate({**flat, "seed": seed})
        h = surface(p, x[:, None])
        assert math.sqrt(np.mean(h**2)) == pytest.approx(1.5 * UM, rel=1e-6)
        waves = 2 * np.cos(np.outer(np.arange(1, 13) * math.pi / p.width, x)) @ h / len(x)
        squares.append(waves**2)
    power = np.mean(squares, axis=0)
    q = np.arange(1, 13) * math.pi / p.width
    slope = np.polyfit(np.log(1 + (8 * UM * q) ** 2), np.log(power), 1)[0]
    assert slope == pytest.approx(-(0.8 + 0.5), abs=0.4)


@pytest.mark.parametrize("more", [
    {}, {"skin": {"name": "film", "thickness": "0.5 um"}}, {"shortest": "2 um"},
])  # fmt: skip
def test_a_rough_surface_is_the_same_on_any_mesh(more: dict[str, Any]) -> None:
    """Cells of another size are another mesh of one surface, as `converge` and a front want it."""
    from geometries.builders.rough import Rough, surface

    flat = SMALL["rough"][1] | more
    x = np.linspace(0.0, 60 * UM, 301)[:, None]
    coarse = refined({"family": "rough"} | flat, 4.0)
    del coarse["family"]
    given = (flat, flat | {"size_surface": "0.2 um"}, coarse)
    heights = [surface(Rough.model_validate(parameters), x) for parameters in given]
    assert all(np.array_equal(heights[0], h) for h in heights)
    other = surface(Rough.model_validate(flat | {"shortest": "1 um"}), x)
    assert np.abs(other - heights[0]).max() > 0.01 * UM
    assert len({key("rough", parameters) for parameters in given}) == 3


def test_directions_of_isotropic_fibres():
    """The mean square cosines with the axes are a third each, within the scatter of the draws."""
    layer = MatLayer.model_validate({**FIBRES, "thickness": "60 um", "porosity": 0.96,
                                     "orientation": "isotropic"})
    squares = []
    for seed in range(4):
        cell = Mat.model_construct(layers=(layer,), width=60 * UM, breadth=None, dimension=3,
                                   seed=seed, size_wall=None)
        site = Site(cell, 0.0, 60 * UM, np.random.default_rng(seed), True, [], iter(range(1000)))
        for part in MatLayer.fill([(layer, site)]):
            way = np.subtract(*part.shape.axis())
            squares.append((way / np.linalg.norm(way)) ** 2)
    assert len(squares) > 30
    assert np.mean(squares, axis=0) == pytest.approx([1 / 3] * 3, abs=0.1)


# ---------------------------------------------------------------- refusals


def test_nearest_points_of_segments():
    rng = np.random.default_rng(5)
    for _ in range(50):
        a, b, c, d = rng.normal(size=(4, 3))
        near = nearest(a, b, c[None], d[None])
        s, t = np.meshgrid(np.linspace(0, 1, 201), np.linspace(0, 1, 201))
        gap = np.linalg.norm(a + s[..., None] * (b - a) - c - t[..., None] * (d - c), axis=-1)
        assert near.apart[0] == pytest.approx(gap.min(), abs=0.02)
        there = c + near.there[0] * (d - c)
        assert np.linalg.norm(a + near.here[0] * (b - a) - there) == pytest.approx(near.apart[0])


def test_near_tangency_is_refused():
    crowd = Crowd(np.full(3, 20.0), 0.0, 20.0, cut=True)
    crowd.add(((10.0, 10.0, 10.0),) * 2, 2.0)

    def judged(x: float, radius: float = 2.0, skin: float = 0.0) -> Any:
        return crowd.judge(((x, 10.0, 10.0),) * 2, radius, skin)

    assert list(judged(13.4)) == [0] and len(judged(14.5)) == 0
    assert judged(13.8) is None and judged(14.2) is None and judged(10.0) is None
    assert judged(14.5, skin=0.3) is None  # the skin nearly touches
    assert judged(18.1) is None and judged(17.0) is not None  # the side of the cell


def test_refusals_name_the_limit():
    def refused(family: str, layer: dict[str, Any], match: str, **more: Any) -> None:
        with pytest.raises(CaseError, match=match):
            geometries.build(family, {**PLANAR, **more, "layers": [layer]}, Path("never"))

    refused("particle_bed", {**BED, "porosity": 0.2},
            r"layers\.bed\.porosity: 0\.2 cannot .* reachable here 0\.[45].* take a higher")
    refused("particle_bed", {**BED, "diameter": "18 um"}, "holds no particle of 18 um")
    refused("particle_bed", {**BED, "core": {"diameter": 0.8}}, "at most 0.54 of the diameter")
    refused("pore_array", {**PORES, "pitch": "7 um"}, r"not a multiple of 7 um; nearest 42 um")
    refused("pore_array", {**PORES, "pitch": "5 um"}, "leaves no wall; at least 5.5 um")
    refused("fibre_mat", {**FIBRES, "lumen": {"open": 0.7, "channels": 7}}, "leaves no wall")
    refused("fibre_mat", {**FIBRES, "lumen": {"open": 0.5}}, "lie within 0.6 of the radius",
            dimension=3)
    refused("grid", {**GRID, "thickness": "2 um"}, "at least 4 um")
    refused("whiskers", {**WHISKERS, "spacing": "2 um"}, "at least two diameters, 3 um")
    refused("stack", {"family": "slab", "name": "gap", "thickness": "1 um"}, "not 'gap'")
    refused("particle_bed", BED, "budget: about .* cells needed, 2e.0?3 allowed", budget=2000)
    assert not Path("never").exists()


def test_a_bad_cell_is_mended_by_a_shift(monkeypatch):
    """A body beside a bad cell is shifted, keeps its contacts, and the mesh is made again."""
    import geometries.meshing.carving as carving

    balls = [Part("host_a", Ball((x, 5 * UM), 2 * UM), 0.5 * UM, HOST, i)
             for i, x in enumerate((5 * UM, 8.4 * UM, 14 * UM))]
    room = Room(20 * UM, None, [("electrolyte", 0.0, 10 * UM)], 2 * UM, 1.6)
    tried: list[list[Part]] = []
    made = carving._mesh

    def worse_at_first(room: Room, parts: list[Part]) -> Any:
        tried.append(parts)
        mesh = made(room, parts)
        if len(tried) == 1:  # flatten a cell on the second ball
            wall = np.abs(balls[1].shape.distance(mesh.points[mesh.cells].mean(axis=1)))
            cell = mesh.cells[wall.argmin()]
            mesh.points[cell[0]] = mesh.points[cell[1:]].mean(axis=0) + 1e-11
        return mesh

    monkeypatch.setattr(carving, "_mesh", worse_at_first)
    _, parts, report = carving.carve(room, balls)
    assert report["attempts"] == 2 and len(tried) == 2
    moved = [p.shape.axis() != b.shape.axis() for p, b in zip(parts, balls, strict=True)]
    assert moved == [False, True, False]
    assert math.dist(parts[0].shape.axis()[0], parts[1].shape.axis()[0]) < 0.9 * 4 * UM
