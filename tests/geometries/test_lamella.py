"""Family `lamella`: exact volumes, names, shifts, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geometries
from fem.base.errors import CaseError
from geometries.files.writing import read
from geometries.meshing.mesh import facet_pairs

from .conftest import Meshes

PAN = {"name": "pan", "thickness": "6 um", "opening": 0.4, "pitch": "10 um"}
CNF = {"name": "cnf", "thickness": "4 um", "opening": 0.25, "pitch": "5 um"}
STACK = {"layers": [PAN, CNF], "width": "20 um", "gap": "3 um", "separator": "8 um"}


def test_volumes_and_names_of_a_cut_are_exact(meshes: Meshes) -> None:
    folder = meshes.get("lamella", STACK)
    report = geometries.inspect(folder)
    assert report["volumes"] == pytest.approx({
        "electrolyte_pan": 0.4 * 120e-12, "host_pan": 0.6 * 120e-12,
        "electrolyte_cnf": 0.25 * 80e-12, "host_cnf": 0.75 * 80e-12,
        "electrolyte_gap": 60e-12, "separator": 160e-12,
    }, rel=1e-9, abs=0.0)  # fmt: skip
    mesh, side = read(folder)
    assert side["host"] == {"bottom": 0.0, "top": pytest.approx(10e-6, rel=1e-12, abs=0)}
    assert [layer["name"] for layer in side["layers"]] == ["pan", "cnf"]
    assert side["layers"][1] == {"name": "cnf", "bottom": pytest.approx(6e-6, abs=0),
                                 "top": pytest.approx(10e-6, rel=1e-12, abs=0)}
    assert report["porosity_by_layer"] == pytest.approx({"pan": 0.4, "cnf": 0.25})
    for name in ("collector", "counter"):
        area = mesh.areas()[mesh.facet_tags == mesh.boundaries[name]].sum()
        assert area == pytest.approx(20e-6, rel=1e-12, abs=0.0)
    assert report["quality_min"] > 0.05 and report["pore_reached"] == pytest.approx(1.0)


def test_openings_lie_in_the_middle_of_their_pitch(meshes: Meshes) -> None:
    mesh, _ = read(meshes.get("lamella", STACK))
    for name, pitch, opening in (("pan", 10e-6, 0.4), ("cnf", 5e-6, 0.25)):
        x = mesh.points[mesh.cells[mesh.region_mask(f"electrolyte_{name}")], 0]
        off = np.mod(x.mean(axis=1), pitch) - pitch / 2
        assert np.abs(off).max() < opening * pitch / 2


def test_repeated_layers_are_numbered_and_spaced(meshes: Meshes) -> None:
    folder = meshes.get("lamella", {"layers": [PAN, CNF], "repeat": 2, "spacing": "2 um",
                                    "width": "10 um"})
    report = geometries.inspect(folder)
    names = [layer["name"] for layer in read(folder)[1]["layers"]]
    assert names == ["pan_1", "cnf_1", "pan_2", "cnf_2"]
    assert report["volumes"]["electrolyte_spacing"] == pytest.approx(3 * 20e-12, rel=1e-9, abs=0.0)
    assert report["volumes"]["host_cnf_2"] == pytest.approx(30e-12, rel=1e-9, abs=0.0)
    # pan_1 lies on the collector; each other layer is cut into bodies by its slits
    assert report["floating_solids"] == 3 + 2 + 3


def test_a_seed_shifts_the_openings_and_keeps_their_share(meshes: Meshes) -> None:
    shifted = {"layers": [PAN, CNF], "spacing": "2 um", "width": "20 um"}
    tau, volumes, hashes = [], [], []
    for more in ({}, {"seed": 1}, {"seed": 2}):
        folder = meshes.get("lamella", shifted | more)
        report = geometries.inspect(folder)
        tau.append(report["tortuosity"])
        volumes.append(report["volumes"]["electrolyte_pan"])
        hashes.append(report["hash"])
        assert report["quality_min"] > 0.05 and report["pore_reached"] == pytest.approx(1.0)
    assert volumes == pytest.approx([48e-12] * 3, rel=1e-9, abs=0.0)
    assert len(set(hashes)) == 3
    assert min(tau[1:]) > tau[0] > 1.0  # openings above one another are the shortest way


@pytest.mark.parametrize(
    ("openings", "wall"),
    [("slits", lambda w, t: 2 * t * w), ("holes", lambda w, t: 4 * t * np.sqrt(0.4) * w)],
)
def test_in_3d_slits_and_square_holes_are_exact(meshes: Meshes, openings: str, wall: Any) -> None:
    folder = meshes.get("lamella", {
        "layers": [PAN], "gap": "2 um", "dimension": 3, "openings": openings,
        "size": "4 um", "size_wall": "2 um", "growth": 1.8})
    report = geometries.inspect(folder)
    assert report["volumes"] == pytest.approx(
        {"electrolyte_pan": 0.4 * 600e-18, "host_pan": 0.6 * 600e-18, "electrolyte_gap": 200e-18},
        rel=1e-9, abs=0.0)
    area = wall(10e-6, 6e-6) + 0.6 * 100e-12  # the openings' walls and the top
    assert report["wall_area"]["host_pan"] == pytest.approx(area / 600e-18, rel=1e-9, abs=0.0)
    mesh, _ = read(folder)
    assert np.all(np.ptp(mesh.points, axis=0) == pytest.approx([10e-6, 10e-6, 8e-6], abs=0.0))


def test_cells_are_small_on_the_layers_and_grow_away_from_them(meshes: Meshes) -> None:
    mesh, _ = read(meshes.get("lamella", STACK | {
        "size": "2 um", "size_wall": "0.25 um", "separator": "20 um", "growth": 1.3}))
    facets, pairs, _ = facet_pairs(mesh.cells)
    solid = mesh.region_mask("host_pan", "host_cnf")
    walls = facets[solid[pairs[:, 0]] != solid[pairs[:, 1]]]
    ends = mesh.points[walls]
    along = np.abs(ends[:, 1] - ends[:, 0]).max(axis=1)
    upright = np.ptp(ends[:, :, 0], axis=1) < 1e-12
    z = np.unique(mesh.points[:, 1])
    at = np.searchsorted(z, [6e-6 - 1e-12, 10e-6 - 1e-12])
    assert np.diff(z)[at].max() < 0.3e-6 and np.diff(z)[at - 1].max() < 0.3e-6
    assert along[upright].max() < 1e-6 and np.diff(z)[-1] > 1.8e-6


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"layers": [PAN, PAN]},
         "layers: names must be unique and not 'gap' or 'spacing': pan, pan"),
        ({"layers": [PAN | {"name": "gap"}]}, "layers: names must be unique and not 'gap'"),
        ({"width": "15 um"}, "width: 15 um is not a multiple of the pitch of layer 'pan'"),
        ({"breadth": "15 um"}, "breadth: only with dimension = 3"),
        ({"openings": "holes"}, "openings: 'holes' need dimension = 3; a cut shows slits"),
        ({"openings": "holes", "dimension": 3, "breadth": "12 um"},
         "breadth: 12 um is not a multiple of the pitch of layer 'pan', 10 um"),
        ({"layers": [PAN | {"opening": 1.0}]}, r"layers.0.opening: must be below 1"),
        ({"layers": [PAN | {"opening": 0.0}]}, r"layers.0.opening: must be above 0"),
        ({"openning": 0.3}, "openning: unknown name; did you mean 'opening'?"),
        ({"repeat": 0}, "repeat: must be at least 1"),
    ],
)  # fmt: skip
def test_what_is_refused(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError) as caught:
        geometries.build("lamella", STACK | changes, tmp_path / "never")
    assert reason in str(caught.value)
    assert not (tmp_path / "never").exists()


def test_layers_on_one_another_may_close_the_pores(tmp_path: Path) -> None:
    """With slits a tenth of the pitch wide most draws close the way; a spacing opens it."""
    narrow = [PAN | {"opening": 0.1}, CNF | {"opening": 0.1, "pitch": "10 um"}]
    closed = {"layers": narrow, "seed": 1, "size_wall": "0.5 um"}
    with pytest.raises(CaseError, match="leave no way through the stack; give spacing, wider"):
        geometries.build("lamella", closed, tmp_path / "never")
    geometries.build("lamella", closed | {"spacing": "2 um"}, tmp_path / "open")
    assert geometries.inspect(tmp_path / "open")["pore_connected"]


def test_slivers_are_refused_where_no_draw_avoids_them(tmp_path: Path) -> None:
    layers = [PAN | {"name": f"l{k}", "pitch": "10 um", "opening": 0.1 + 0.037 * k}
              for k in range(12)]
    crowded = {"layers": layers, "seed": 1, "size_wall": "1 um", "spacing": "2 um"}
    with pytest.raises(CaseError, match=r"rims of two layers .* in 500 draws of seed 1;"):
        geometries.build("lamella", crowded, tmp_path / "never")
