"""The names that a family declares are those of the mesh that it builds."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.errors import CaseError
from geometries.inspection.gallery import EXAMPLES, _drawn, _pictured
from geometries.registry import resolve

#: A second or more; in the full tier.
SLOW = {("fibre_mat", 2), ("grid", 2), ("foam", 2), ("foam", 3), ("foam", 4), ("foam", 5),
        ("image", 1), ("tpms", 2), ("grains", 1)}
MORE: dict[str, list[dict[str, Any]]] = {
    "fibre_mat": [
        {"width": "40 um", "gap": "2 um", "growth": 1.6, "size_wall": "1 um", "layers": [
            {"name": "a", "thickness": "20 um", "porosity": 0.8, "fibre_diameter": "3 um",
             "mix": {"cu": 0.7, "pan": 0.3}},
            {"name": "b", "thickness": "20 um", "porosity": 0.85, "fibre_diameter": "4 um"}]},
        {"width": "40 um", "growth": 1.6, "layers": [
            {"name": "a", "thickness": "20 um", "porosity": 0.85, "fibre_diameter": "4 um",
             "skin": {"name": "sei", "thickness": "0.4 um"}}]},
        {"width": "40 um", "growth": 1.6, "layers": [
            {"name": "a", "thickness": "30 um", "porosity": 0.9, "fibre_diameter": "5 um",
             "whiskers": {"length": "2 um", "diameter": "0.5 um", "spacing": "4 um"}}]}],
    "planar": [{"length": "9 um", "size": "3 um", "width": "6 um", "axisymmetric": True}],
    "laminate": [{"width": "5 um", "axisymmetric": True, "layers": [
        {"region": "host_film", "thickness": "1 um", "pore_diameter": "2 um", "pitch": "10 um"},
        {"region": "electrolyte", "thickness": "5 um", "size": "1 um"}]}],
    "pore_array": [{"width": "4 um", "axis": True, "gap": "2 um", "growth": 1.6, "layers": [
        {"name": "wood", "thickness": "9 um", "diameter": "4 um", "pitch": "8 um",
         "floor": "2 um", "skin": {"name": "zno", "thickness": "0.5 um"}}]}],
    "lamella": [{"width": "10 um", "gap": "2 um", "repeat": 2, "layers": [
        {"name": "pan", "thickness": "4 um", "opening": 0.4, "pitch": "10 um"}]}],
    "tpms": [{"unit_cell": "10 um", "width": "20 um", "porosity": 0.6, "layers": [
        {"name": "low", "thickness": "10 um"}, {"name": "high", "thickness": "10 um"}]}],
    "particle_bed": [{"width": "40 um", "growth": 1.6, "layers": [
        {"name": "bed", "thickness": "25 um", "contact": "separate", "porosity": 0.82,
         "diameter": "7 um", "core": {"diameter": 0.5}}]}],
    "grains": [{"grain_diameter": "8 um", "width": "30 um", "thickness": "30 um",
                "separator": "5 um"}],
}
CASES = [
    pytest.param(family, example, id=f"{family}-{k}",
                 marks=[pytest.mark.full] if (family, k) in SLOW else [])
    for family in EXAMPLES
    for k, example in enumerate([*EXAMPLES[family], *MORE.get(family, [])])
]


@pytest.mark.parametrize(("family", "layer", "message"), [
    ("fibre_mat", {"fibre_diameter": "4 um"}, r"0\.45 lies below 0\.6, less than random fibres in"),
    ("stack", {"family": "fibre_mat", "fibre_diameter": "4 um"}, r"least was 0\.68 to 0\.82"),
    ("particle_bed", {"diameter": "5 um", "porosity": 0.3}, r"0\.3 lies below 0\.35, less"),
    ("particle_bed", {"diameter": "5 um", "contact": "separate"}, r"below 0\.7, less than sep"),
])
def test_porosities_that_3d_cannot_have_are_refused_before_a_mesh(
    family: str, layer: dict[str, Any], message: str
) -> None:
    """By the parameters alone; the same is left to the builder in 2D."""
    layer = {"name": "a", "thickness": "20 um", "porosity": 0.45} | layer
    cell = {"width": "30 um", "layers": [layer]}
    with pytest.raises(CaseError, match=rf"layers\.a\.porosity: .*{message}"):
        resolve(family, cell | {"dimension": 3})
    resolve(family, cell)


def test_cells_that_do_not_fit_on_a_fibre_are_refused() -> None:
    """Before millions of fibres of 10 nm are placed, where 10 um was meant."""
    layer = {"name": "a", "thickness": "60 um", "porosity": 0.9, "fibre_diameter": "10 nm"}
    cell = {"width": "60 um", "layers": [layer], "size": "6 um"}
    with pytest.raises(CaseError, match=r"size_wall: 2 um is more than the thinnest fibre, 10 nm"):
        resolve("fibre_mat", cell | {"size_wall": "2 um"})
    with pytest.raises(CaseError, match=r"about .* cells needed"):
        resolve("fibre_mat", cell | {"size_wall": "5 nm"})


@pytest.mark.parametrize(("family", "example"), CASES)
def test_declared_names_are_those_of_the_mesh(
    family: str, example: dict[str, Any], tmp_path: Path, reached: Callable[..., None]
) -> None:
    """All regions that are sure are there, no other than those declared, and all boundaries."""
    if family in ("image", "cad"):
        example = {"image": _pictured, "cad": _drawn}[family](example, tmp_path)
    checked: Any = resolve(family, example)
    names = checked.names()
    mesh = importlib.import_module(f"geometries.builders.{family}").build(checked).mesh
    reached("names declared and not there", len({*names.regions} - {*mesh.regions}), most=0)
    reached("names there and not declared", len({*mesh.regions} - {*names.all}), most=0)
    if family != "grains":  # which of its numbers lie inside, only the mesh knows
        assert {*mesh.regions} == {*names.all}
    assert {*mesh.boundaries} == {*names.boundaries}
    if (corner := checked.box()) is not None:
        assert mesh.points.min(axis=0).tolist() == [0.0] * mesh.dimension
        assert mesh.points.max(axis=0) == pytest.approx(corner, rel=1e-9)
    if names.floor:
        floor = np.unique(mesh.facets[mesh.facet_tags == mesh.boundaries["collector"]])
        on = np.isin(mesh.cells, floor).sum(axis=1) == mesh.dimension
        there = {n for n, tag in mesh.regions.items() if tag in mesh.cell_tags[on]}
        assert {*names.floor} <= there
