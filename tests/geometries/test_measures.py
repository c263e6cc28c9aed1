"""Numbers of `inspect` that have a closed form."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

import geometries
from geometries.inspection.porosimetry import local_thickness

from .conftest import Meshes

CHANNELS = {"arrangement": "vertical", "channels": 3, "sheet_thickness": "0.5 um",
            "spacing": "5 um", "length": "50 um", "separator": "10 um"}


def test_straight_channels(meshes: Meshes) -> None:
    """A tensor with one way, pores of one width, metal and capacity by volume."""
    folder = meshes.get("aligned_channels", CHANNELS)
    report = geometries.inspect(folder, densities={"host_*": 2000.0}, metal="Na")
    assert report["tortuosity_tensor"][0] == [None, None]
    assert report["tortuosity_tensor"][1] == [None, pytest.approx(1.0, rel=1e-9)]
    assert report["pore_size"]["d50"] == pytest.approx(5e-6, abs=1.5 * report["pore_size"]["grid"])
    assert sum(report["pore_size"]["shares"]) == pytest.approx(1.0)
    assert report["host_mass"] == {"host_sheets": pytest.approx(2000 * 50e-6 * 0.5 / 5.5, rel=1e-9)}
    # Sheets stand on the collector and reach the top: they conduct by their cross-section.
    assert report["electronic"] == {
        "bodies": 3, "share_connected": pytest.approx(1.0),
        "conductivity": pytest.approx(0.5 / 5.5, rel=1e-9)}
    # 8.86 um of sodium are 1 mAh/cm^2.
    assert report["capacity"] / 36000 == pytest.approx(50e-6 * 5 / 5.5 / 8.86e-6, rel=3e-3)
    area = report["wall_area_by_depth"]["host_sheets"]
    assert area[1:] == pytest.approx([2 / 5.5e-6] * 19, rel=1e-9)
    assert area[0] == pytest.approx((2 * 2.5e-6 + 0.5e-6) / (5.5e-6 * 2.5e-6), rel=1e-9)
    shares = report["fractions_by_depth"]
    assert shares["host_sheets"] == pytest.approx([0.5 / 5.5] * 20, rel=1e-9)
    assert set(shares) == {"electrolyte_channels", "host_sheets"}
    assert sum(r["cells"] for r in report["by_region"].values()) == report["cells"]
    assert min(r["quality_min"] for r in report["by_region"].values()) == report["quality_min"]


def test_a_square_array_is_isotropic(meshes: Meshes) -> None:
    """Perrins, McKenzie and McPhedran 1979, also across; the potential of one is no other's."""
    report = geometries.inspect(meshes.get("array", {"pitch": "10 um", "solid_fraction": 0.3}))
    tensor = np.array(report["tortuosity_tensor"], dtype=float)
    assert 0.7 / np.diag(tensor) == pytest.approx([0.53758] * 2, rel=1e-3)
    assert abs(tensor[0, 1]) < 1e-6


def test_a_tilted_way_couples_the_axes(tmp_path: Path) -> None:
    """Sheets under 45 degrees in one direction: D_eff has an off-diagonal of their sign."""
    n = 60
    x, z = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    found = []
    for sign in (1, -1):
        gap = ((x + sign * z) % 15 < 5) & ((x - sign * z) % 30 < 22)
        np.save(tmp_path / "a.npy", gap.astype(np.uint8))
        geometries.build("image", {"file": str(tmp_path / "a.npy"), "voxel": "1 um", "axes": "xz",
                                   "regions": {0: "electrolyte", 1: "host"}}, tmp_path / "mesh")
        found.append(np.array(geometries.inspect(tmp_path / "mesh")["tortuosity_tensor"], float))
    assert found[0][0, 1] == pytest.approx(found[0][1, 0])
    # Pores run along x + z = constant: flux along x drives flux against z.
    assert found[0][0, 1] > 0.05 > -0.05 > found[1][0, 1]


@pytest.mark.parametrize("dim", [2, 3])
def test_local_thickness_of_a_ball_is_its_diameter(dim: int) -> None:
    n = 61
    places = np.indices((n,) * dim) - n // 2
    ball = np.sqrt((places**2).sum(axis=0)) < 20.5
    size = local_thickness(ball)
    assert size[ball].max() == pytest.approx(41, abs=1.5)
    assert np.quantile(size[ball], 0.1) > 36  # all but the rim, where the grid cuts balls off
    assert not size[~ball].any()


def test_floating_and_cut_off_bodies_are_named(tmp_path: Path, meshes: Meshes) -> None:
    layer = {"name": "a", "thickness": "10 um", "opening": 0.5, "pitch": "10 um"}
    folder = meshes.get("lamella", {"layers": [layer, layer | {"name": "b", "opening": 0.4}],
                                    "spacing": "4 um", "width": "10 um"})
    report = geometries.inspect(folder)
    bodies = report["floating_conductors"]
    assert [b["regions"] for b in bodies] == [["host_b"]] * 2
    assert [b["volume"] for b in bodies] == pytest.approx([30e-12] * 2)
    assert sorted(b["centre"][0] for b in bodies) == pytest.approx([1.5e-6, 8.5e-6])
    assert report["electronic"]["share_connected"] == pytest.approx(50 / 110)
    assert report["electronic"]["conductivity"] is None
    assert report["cut_off"] == {}
    sealed = geometries.build("planar", {
        "layers": [{"name": "low", "thickness": "5 um", "region": "electrolyte_low"},
                   {"name": "wall", "thickness": "5 um", "region": "host_wall"},
                   {"name": "up", "thickness": "5 um", "region": "electrolyte_up"}],
        "size": "1 um"}, tmp_path / "sealed")
    report = geometries.inspect(tmp_path / "sealed")
    assert sealed["cells"] == report["cells"]
    assert report["cut_off"] == {"electrolyte_low": pytest.approx(1.0)}
    assert report["pore_reached"] == pytest.approx(0.5)


def test_numbers_and_gallery_are_drawn(meshes: Meshes, tmp_path: Path) -> None:
    from geometries.inspection.gallery import EXAMPLES, gallery

    assert EXAMPLES.keys() == geometries.families().keys()
    report = geometries.inspect(meshes.get("aligned_channels", CHANNELS))
    assert geometries.plot(report, tmp_path / "plots.png").stat().st_size > 10_000
    files = list(gallery(tmp_path, ["laminate", "cad"]))
    assert [f.name for f in files] == ["laminate_1.png", "cad_1.png", "cad_2.png",
                                       "gallery.png"]
    assert all(f.stat().st_size > 5000 for f in files)
    small = imread(tmp_path / "laminate_1_small.png")[:, :, :3]  # 10 um over a bar of 5 um
    bar = (small < 0.25).all(axis=2).sum(axis=1).max()
    plane = (np.abs(small - to_rgb("#b5651d")) < 0.1).all(axis=2).sum(axis=1).max()
    assert bar / plane == pytest.approx(0.5, abs=0.03)


def test_inspect_takes_densities_from_the_command_line(
    meshes: Meshes, capsys: pytest.CaptureFixture[str]
) -> None:
    from fem.cli import main

    folder = str(meshes.get("aligned_channels", CHANNELS))
    assert main.main(["inspect", folder, "--density", "host_*=Cu", "--metal", "Na"]) == 0
    shown = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert shown["host_mass"] == f"host_sheets {8960 * 50e-6 * 0.5 / 5.5:.4g} kg/m^2"
    capacity, unit = shown["capacity"].split()  # 1 mAh/cm2 of sodium is 8.86 um thick
    assert unit == "mAh/cm^2" and float(capacity) == pytest.approx(50 / 8.86 * 5 / 5.5, rel=2e-3)
    pores = re.search(r"d50 (\S+) um, .* um, shares (.+), grid \S+ nm$", shown["pore_size"])
    assert pores, shown["pore_size"]
    assert float(pores[1]) == pytest.approx(5.0, abs=0.5)
    assert sum(map(float, pores[2].split())) == pytest.approx(1.0, abs=1e-3)
    for given, reason in (("host=MXene", "no density of MXene"),
                          ("host=8 um", "8 um"), ("host", "REGION=VALUE")):
        assert main.main(["inspect", folder, "--density", given]) == 1
        assert reason in capsys.readouterr().err
    assert math.isclose(float(shown["porosity"]), 5 / 5.5, rel_tol=1e-3)


def test_inspect_says_in_words_what_is_not_there(
    meshes: Meshes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sheets in the middle of the electrolyte conduct nowhere, and nobody gave their density."""
    from fem.cli import main

    across = CHANNELS | {"contacts": False, "arrangement": "horizontal", "sheet_length": "20 um",
                         "opening": "4 um", "seed": 1}
    assert main.main(["inspect", str(meshes.get("aligned_channels", across))]) == 0
    text = capsys.readouterr().out
    assert "host_mass: none (no density is known; --density REGION=VALUE gives one)\n" in text
    assert "conductivity none\n" in text and "None" not in text
