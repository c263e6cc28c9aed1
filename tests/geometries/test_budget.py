"""Every family refuses a mesh that is far too fine, at once, and says what to change."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geometries
from fem.base.errors import CaseError
from fem.values.units import parse_quantity
from geometries.meshing.mesh import cells_needed
from geometries.registry import FAMILIES, resolve
from tests.geometries import test_carving, test_ranges

HUGE = {"width": "10 m"}
LAYERS = {
    "fibre_mat": test_carving.FIBRES, "particle_bed": test_carving.BED,
    "pore_array": test_carving.PORES, "grid": test_carving.GRID,
    "whiskers": test_carving.WHISKERS, "stack": {"family": "fibre_mat", **test_carving.FIBRES},
}
TOO_FINE: dict[str, dict[str, Any]] = {
    **{family: {"layers": [layer], **HUGE} for family, layer in LAYERS.items()},
    "planar": {"length": "1 m", "size": "1 nm"},
    "laminate": {"layers": [{"region": "electrolyte", "thickness": "1 m", "size": "1 nm"}], **HUGE},
    "lamella": {"layers": [{"name": "a", "thickness": "1 um", "opening": 0.5, "pitch": "1 m"}]},
    "aligned_channels": {"arrangement": "random", "sheet_thickness": "1 um", "spacing": "5 um",
                         "length": "1 mm", "sheet_length": "20 um", **HUGE},
    "array": {"dimension": 3, "pitch": "1 um", "solid_fraction": 0.3, "cells_per_radius": 200},
    "rough": {"length": "1 mm", "roughness": "1 um", "correlation": "1 um", **HUGE},
    "tpms": {"unit_cell": "1 um", "thickness": "1 mm", "porosity": 0.6, **HUGE},
    "foam": {"pore_diameter": "1 um", "thickness": "1 mm", "porosity": 0.85, **HUGE},
    "grains": {"grain_diameter": "1 um", "thickness": "1 mm", **HUGE},
    "image": {"cells_max": 1000},
    "cad": {"size": "1 nm"},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mesh_beyond_its_budget_is_refused_at_once(family: str, tmp_path: Path) -> None:
    given = dict(TOO_FINE[family])
    if family == "image":
        np.save(tmp_path / "a.npy", np.indices((40, 40)).sum(axis=0) % 2)
        given |= {"file": str(tmp_path / "a.npy"), "voxel": "1 um",
                  "regions": {0: "electrolyte", 1: "host"}}
    if family == "cad":
        (tmp_path / "a.step").write_text("not read before the budget is known\n")
        part = {"file": str(tmp_path / "a.step"), "unit": "1 um", "region": "host"}
        given |= {"width": "1 mm", "thickness": "1 mm", "parts": [part]}
    parse_quantity("1 um", "m")  # reads the table of units
    geometries.families()
    began = time.process_time()
    with pytest.raises(CaseError, match=r"about [\d.e+]+ cells.*(allowed|cells_max).*; take"):
        geometries.build(family, given, tmp_path / "mesh")
    assert time.process_time() - began < 1.0
    assert not (tmp_path / "mesh").exists()


@pytest.mark.parametrize("name", ["bed", "grid_3d"])
def test_the_estimate_is_within_a_factor_of_two(name: str, meshes: Any) -> None:
    from geometries.files.writing import read
    from geometries.meshing.mesh import facet_pairs, is_pore

    mesh, _ = read(meshes.get(*test_carving.SMALL[name]))
    facets, pairs, _ = facet_pairs(mesh.cells)
    pore = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    walls = facets[pore[pairs[:, 0]] != pore[pairs[:, 1]]]
    p: Any = resolve(*test_carving.SMALL[name])
    found = cells_needed(mesh.dimension, float(mesh.volumes().sum()), p.room().size, p.growth,
                         [(2 * float(mesh.areas(walls).sum()), p.wall(p.layers[0]))])
    assert 0.5 < found / len(mesh.cells) < 2.0


def test_draws_of_the_campaign_are_within_the_budget() -> None:
    for family in test_ranges.FAMILIES:
        for seed in range(12):
            resolve(family, test_ranges.draw(family, seed))
