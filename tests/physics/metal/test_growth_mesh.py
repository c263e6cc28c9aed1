"""The interface width of a growing metal sets the sizes of its mesh; a coarser one is noted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geometries
import geometries.files.writing
from fem import Case
from fem.mesh.domain import Domain
from fem.physics.metal.crystal import Crystal
from fem.physics.metal.metal import Metal
from fem.run.converge import variants
from fem.run.remarks import Remarks
from fem.setup.reaction import bulk_metal
from fem.study.build import build

CASE: dict[str, Any] = {
    "schema": 1,
    "title": "a mat in which metal grows",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "study": "growth",
    "geometry": {
        "family": "fibre_mat", "width": "12 um", "separator": "2 um", "contacts": "none",
        "layers": [{"name": "mat", "thickness": "9 um", "fibre_diameter": "4 um",
                    "porosity": 0.767}],
    },
    "regions": {"host_mat": {"material": "Cu"}, "separator": {"material": "polyolefin"}},
    "growth": {"interface_width": "0.8 um"},
    "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 h"}],
}
POOR = {"geometry.size": "2 um", "geometry.size_wall": "1.6 um"}


def said_of(case: Case, folder: Path) -> list[str]:
    """Warnings of a case before its first step."""
    geometry = case.sized_geometry
    assert geometry is not None
    geometries.build(geometry["family"], geometry, folder)
    lines: list[str] = []
    remarks = Remarks(build(case, Domain.read(folder)), lines.append)
    assert lines == [f"warning: {text}" for text in remarks.texts]
    return [text for text in lines if "interface_width" in text]


def test_half_the_width_is_the_default_size(tmp_path: Path) -> None:
    case = Case.from_dict(CASE)
    assert case.geometry == CASE["geometry"]
    assert case.sized_geometry == {**CASE["geometry"], "size": "0.4 um", "size_wall": "0.4 um"}
    assert said_of(case, tmp_path / "a") == []
    mesh, _ = geometries.files.writing.read(tmp_path / "a")
    equal = math.sqrt(np.median(mesh.volumes()) / 0.433)  # side of the triangle of that area
    assert 0.3e-6 < equal < 0.45e-6
    finer = case.with_({"growth.interface_width": "0.4 um"})
    assert (finer.sized_geometry or {})["size"] == "0.2 um"
    assert [(v.geometry or {})["size_wall"] for v in variants(case)["mesh"]] == [
        "0.8 um", "0.4 um", "0.2 um"]


def test_a_size_that_is_given_is_kept_and_too_coarse_a_mesh_is_said(tmp_path: Path) -> None:
    case = Case.from_dict(CASE).with_(POOR)
    (text,) = said_of(case, tmp_path / "b")
    assert "above interface_width/2 = 0.4 um" in text and "take geometry sizes" in text
    assert 0.6 < float(text.split("cells of ")[1].split(" um")[0]) < 2.5


def test_other_studies_keep_the_sizes_of_the_family() -> None:
    plain = {k: v for k, v in CASE.items() if k != "growth"} | {"study": "tertiary"}
    assert Case.from_dict(plain).sized_geometry == CASE["geometry"]


@pytest.mark.parametrize("family", ["planar", "lamella", "rough", "foam"])
def test_every_family_takes_the_sizes_it_has(family: str) -> None:
    from fem.case.geometry import sized

    names = set(geometries.families()[family].model_fields)
    found = sized({"family": family}, vars(Case.from_dict(CASE)))
    assert {*found} - {"family"} == {"size", "size_wall", "size_surface"} & names


CRYSTAL: dict[str, Any] = {
    "growth.anisotropy": 0.05, "growth.kinetic_anisotropy": "20 %", "growth.crystal_angle": "30 deg"
}  # fmt: skip


def test_a_crystal_reaches_the_metal(tmp_path: Path) -> None:
    """Its numbers, and i0 with its share: behind a film that is not the current times the share."""
    plain = Case.from_dict(CASE)
    case = plain.with_(CRYSTAL)
    hashes = [plain.with_({**CRYSTAL, name: None}).physics_hash() for name in CRYSTAL]
    assert len({plain.physics_hash(), case.physics_hash(), *hashes}) == 5
    assert Case.from_dict(case.to_dict()) == case
    geometry = case.sized_geometry
    assert geometry is not None
    geometries.build(geometry["family"], geometry, tmp_path)
    metal = next(p for p in build(case, Domain.read(tmp_path)).physics if isinstance(p, Metal))
    assert metal.crystal == Crystal(0.05, 0.2, 0.523598775598299)
    eta, c, share = np.array([-0.02, 0.01]), np.full(2, 1000.0), np.array([1.2, 0.8])
    T = case.temperature
    assert metal.law(eta, c, T, share) == pytest.approx(share * metal.law(eta, c, T))
    film = {"kinetics": [{"surface": "metal", "film_resistance": "50 ohm*cm^2"}]}
    behind = bulk_metal(case.with_(film)).at(case, {}, bare=False)
    i = behind(eta, c, T, share)
    assert i == pytest.approx(share * metal.law(eta - 5e-3 * i, c, T))
    assert np.all(np.abs(i / behind(eta, c, T) - 1) < np.abs(share - 1))
