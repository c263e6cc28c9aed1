"""`check` knows the names that a family gives its mesh, and what reacts there, without a mesh."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.case.files import case_names, read_toml
from fem.case.probes import outside
from fem.case.summary import notes, summary
from geometries.inspection.gallery import EXAMPLES

from .base import BASE, changed

MAT = {
    "family": "fibre_mat", "width": "30 um", "separator": "5 um", "gap": "2 um",
    "contacts": "tree",
    "layers": [
        {"name": "bottom", "thickness": "20 um", "porosity": 0.8, "fibre_diameter": "4 um",
         "mix": {"cu": 0.5, "pan": 0.5}},
        {"name": "top", "thickness": "20 um", "porosity": 0.8, "fibre_diameter": "4 um",
         "skin": {"name": "lif", "thickness": "0.4 um"}},
    ],
}
FILLED = {
    "host_bottom_cu": {"material": "Cu"}, "host_bottom_pan": {"material": "PAN"},
    "host_top": {"material": "Ni"}, "coating_lif": {"material": "Li2O"},
    "separator": {"material": "polyolefin"},
}


def mat(changes: dict[str, Any]) -> dict[str, Any]:
    return changed({"geometry": MAT, "regions": copy.deepcopy(FILLED), **changes})


def problems(data: dict[str, Any]) -> list[str]:
    with pytest.raises(CaseError) as caught:
        Case.from_dict(data)
    return str(caught.value).splitlines()


def test_names_of_the_family_are_known() -> None:
    case = Case.from_dict(mat({"kinetics": [{"surface": n, "i0": "10 A/m^2"} for n in (
        "host_bottom_cu", "host_*", "collector", "counter", "metal")]}))
    assert list(notes(case)) == []


@pytest.mark.parametrize(("changes", "message"), [
    ({"regions.host_botom_cu": {"material": "Cu"}},
     "regions.host_botom_cu: the mesh has no such region; did you mean 'host_bottom_cu'"),
    ({"kinetics": [{"surface": "host_botom_cu", "eta_nuc": "1 mV"}]},
     "kinetics.0.surface: 'host_botom_cu': matches no surface; did you mean 'host_bottom_cu'"),
    ({"kinetics": [{"surface": "colector", "eta_nuc": "1 mV"}]},
     "kinetics.0.surface: 'colector': matches no surface; did you mean 'collector'?"),
    ({"coatings": [{"on": "host_topp", "material": "Ag", "thickness": "9 nm"}]},
     "coatings.0.on: 'host_topp': matches no surface; did you mean 'host_top'"),
    ({"probe": [{"name": "a", "field": "c", "volume": "electrolyte_botom"}]},
     "probe.0.volume: no region is called 'electrolyte_botom'; did you mean 'electrolyte_bottom'"),
    ({"probe": [{"name": "a", "field": "i_n", "surface": "host_top/electrolyte_topp"}]},
     "probe.0.surface: no region is called 'electrolyte_topp'; did you mean 'host_top/electro"),
    ({"probe": [{"name": "a", "field": "i_n", "surface": "countr"}]},
     "probe.0.surface: no boundary or region is called 'countr'; did you mean 'counter'?"),
    ({"probe": [{"name": "a", "field": "c", "point": ["1 um", "90 um"]}]},
     "probe.0.point (a): (1, 90) um lies in no cell; the mesh spans (0, 0) um to ("),
    ({"probe": [{"name": "a", "field": "c", "point": ["1 um", "1 um", "1 um"]}]},
     "probe.0.point (a): (1, 1, 1) um has 3 coordinates in 2D; the mesh spans"),
    ({"boundaries": {"side": {"phi_l": "0 V"}}},
     "boundaries.side: no boundary is called 'side'; did you mean 'sides'?"),
    ({"study": "growth", "growth": {"interface_width": "1 um"}, "metal": "Li",
      "nuclei": [{"surface": "host_topf", "density": "1e12 1/m^2", "threshold": "0 V"}]},
     "nuclei.0.surface: 'host_topf': matches no surface; did you mean 'host_top'"),
])
def test_a_name_that_the_mesh_will_not_have_is_told_with_the_nearest(
    changes: dict[str, Any], message: str
) -> None:
    found = problems(mat(changes))
    print("\n".join(found))
    assert any(line.startswith(message) for line in found)


@pytest.mark.parametrize(("changes", "message"), [
    ({"regions.host_top": None},
     "regions: the mesh has a region 'host_top' but the case does not say what fills it"),
    ({"regions.host_*": {"material": "Cu"}},
     "regions: 'host_top' is matched by 'host_top' and 'host_*'; keep one of them"),
])
def test_every_region_of_the_mesh_to_come_is_filled_once(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """Reported by `check`, and by a run before it builds the mesh."""
    case = Case.from_dict(mat(changes))
    for way in (lambda: summary(case), lambda: case.run(tmp_path / "r")):
        with pytest.raises(CaseError) as caught:
            way()
        assert any(line.startswith(message) for line in str(caught.value).splitlines())


@pytest.mark.parametrize(("line", "beside"), [
    (((0.0, -1.0), (2.0, 5.0)), False),  # through the box, both ends outside
    (((-1.0, 0.5), (0.5, 2.0)), True),  # past its upper left corner
    (((-1.0, 0.5), (1.0, 1.5)), False),
    (((1.0, 1.0), (1.0, 3.0)), False),  # from a corner
    (((3.0, 0.0), (3.0, 1.0)), True),
])
def test_a_line_lies_beside_the_mesh_or_meets_it(line: Any, beside: bool) -> None:
    probe = SimpleNamespace(name="a", point=None, line=line)
    assert bool([*outside({"probe": [probe]}, (0.0, 0.0), (1.0, 1.0))]) == beside


def test_all_wrong_names_are_told_at_once() -> None:
    found = problems(mat({
        "regions.host_x": {"material": "Cu"}, "boundaries": {"wall": {"phi_l": "0 V"}},
        "coatings": [{"on": "y", "material": "Ag", "thickness": "9 nm"}],
    }))
    assert [line.split(":")[0] for line in found] == [
        "regions.host_x", "coatings.0.on", "boundaries.wall"]


def test_what_is_wrong_elsewhere_hides_no_name() -> None:
    """A region without filling beside a misspelt one; a wrong surface in an entry that fails."""
    found = problems(mat({
        "regions.host_top": None, "regions.host_topp": {"material": "Ni"},
        "kinetics": [{"surface": "host_top", "eta_nuc": "1 mV"},
                     {"surface": "colector", "i0": "1 V"}],
        "coatings": [{"on": "host_botom_cu", "material": "Ag", "thickness": "9 V"}],
        "probe": [{"name": "a", "field": 3, "volume": "electrolyte_botom"}],
    }))
    print("\n".join(found))
    assert sorted(line.split(": ")[0] for line in found) == [
        "coatings.0.on", "coatings.0.thickness", "kinetics.1.i0", "kinetics.1.surface",
        "probe.0.field", "probe.0.volume", "regions", "regions.host_topp"]
    assert any(line.startswith("regions: the mesh has a region 'host_top' but") for line in found)


def test_a_wrong_name_beside_a_region_that_cannot_be_read() -> None:
    found = problems(mat({"regions.host_top": {"material": "Ni", "sigma": "1 V"},
                          "regions.host_botom_cu": {"material": "Cu"}}))
    assert [line.split(": ")[0] for line in found] == [
        "regions.host_top.sigma", "regions.host_botom_cu"]


def test_the_resistance_of_a_coating_is_shown_rounded() -> None:
    text = summary(Case.from_dict(mat({
        "coatings": [{"on": "host_top", "material": "Ag", "thickness": "50 nm"}]})))
    assert "host_top: 50 nm of Ag, electrons pass (7.94e-16 ohm*m^2)" in text


def test_a_pattern_that_fits_nothing_is_told_with_the_nearest() -> None:
    """Its entry would do nothing."""
    found = problems(mat({
        "kinetics": [{"surface": "wire_*", "eta_nuc": "1 mV"}], "regions.foo_*": {"material": "Cu"},
        "coatings": [{"on": "hots_*", "material": "Ag", "thickness": "9 nm"}],
    }))
    for start in (
        "regions.foo_*: the mesh has no such region; known: ",
        "kinetics.0.surface: 'wire_*': matches no surface; known: ",
        "coatings.0.on: 'hots_*': matches no surface; did you mean 'host_*'?",
    ):
        assert any(line.startswith(start) for line in found), found


@pytest.mark.parametrize("family", [f for f in EXAMPLES if f not in ("image", "cad")])
def test_a_typo_is_found_in_every_family(family: str) -> None:
    """2D and 3D examples of the gallery: each region with a letter too many."""
    from geometries.registry import resolve

    for example in EXAMPLES[family]:
        names = resolve(family, example).names()  # type: ignore[attr-defined]
        regions = {n: {"material": "Cu"} for n in names.all if not n.startswith("electrolyte")}
        for name in names.all:
            found = problems(BASE | {
                "geometry": {"family": family, **example},
                "regions": regions | {f"{name}e": {"material": "Cu"}},
            })
            assert any(line.startswith(f"regions.{name}e: the mesh has no such region; did you mean"
                                       ) and repr(name) in line for line in found), found


# -- what reacts --------------------------------------------------------------------------------


def test_kinetics_of_the_electrodes_are_known_to_check() -> None:
    """Potassium has no pair on itself; aluminium none with lithium, and here the foil is bare."""
    found = problems(mat({"collector.material": "PAN"}))
    assert found[0].startswith("kinetics of 'collector': pair 'Li/PAN': no kinetic data")
    some = {"surface": "collector", "i0": "1 A/m^2", "alpha_a": 0.5}
    found = problems(mat({"collector.material": "PAN", "kinetics": [some]}))
    assert found[0].endswith("with surface = 'collector'; still missing: alpha_c")
    given = {"surface": "collector", "i0": "1 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}
    Case.from_dict(mat({"collector.material": "PAN", "kinetics": [given]}))
    Case.from_dict(mat({"collector.material": "PAN", "study": "primary"}))
    silver = [{"on": "collector", "material": "Ag", "thickness": "50 nm"}]
    Case.from_dict(mat({"collector.material": "PAN", "coatings": silver}))
    # A block on the collector: the foil meets no electrolyte.
    Case.from_dict(changed({"collector.material": "PAN"}))


@pytest.mark.parametrize(("coatings", "message"), [
    ([("host_top", "SiO2", {})], "coatings.0: stops everything on 'host_top': 'SiO2' passes"),
    ([("host_*", "PVDF", {}), ("host_top", "Ag", {})], "coatings.0: stops everything on "),
    ([("host_top", "Li2O", {}), ("host_*", "Ag", {})], "coatings.1: stops everything on"),
    ([("host_bottom_pan", "Ag", {})], "coatings.0.on: 'host_bottom_pan': no electron conductor"),
    ([("electrolyte_top", "Ag", {})], "coatings.0.on: 'electrolyte_top': no electron conductor"),
    ([("collector", "Al2O3", {})], "coatings.0: stops everything on 'collector'"),
    ([("host_top", "Ag", {"blocks_ions": False})], "coatings.0.blocks_ions: false, but kappa of"),
    ([("host_top", "polyolefin", {})], "coatings.0.material: 'polyolefin': not known"),
])
def test_coatings_that_cannot_be_are_told_before_the_run(
    coatings: list[tuple[str, str, dict[str, Any]]], message: str
) -> None:
    found = problems(mat({"coatings": [
        {"on": on, "material": material, "thickness": "10 nm"} | more
        for on, material, more in coatings
    ]}))
    print(found)
    assert any(line.startswith(message) for line in found)


@pytest.mark.parametrize(("changes", "floats"), [
    ({}, ["host_bottom_cu", "host_top"]),  # fibres of PAN conduct nothing
    ({"regions.host_top.connected": True}, ["host_bottom_cu"]),
    ({"regions.electrolyte_bottom": {"bridge_sigma": "1 kS/m"}}, ["host_top"]),
    ({"geometry.contacts": "tree"}, []),
])
def test_what_will_float_is_said(changes: dict[str, Any], floats: list[str]) -> None:
    """The default keeps the pores open; `check` says what then floats and what to give."""
    geometry = {k: v for k, v in copy.deepcopy(MAT).items() if k != "contacts"}
    case = Case.from_dict(mat({"geometry": geometry} | changes))
    message = [note for note in notes(case) if "touch nothing in this geometry and float" in note]
    assert [note.split(":")[0] for note in message] == floats
    assert all("contacts" in n and "connected" in n and "bridge_sigma" in n for n in message)


def test_a_dead_wall_is_said() -> None:
    dead = {"on": "host_top", "material": "Al2O3", "thickness": "9 nm", "blocks_ions": True}
    case = Case.from_dict(mat({"coatings": [dead]}))
    assert "nothing plates on host_top: its coating stops electrons and ions" in list(notes(case))


@pytest.mark.parametrize(("on", "dead"), [
    (["collector", "host_*"], True), (["host_*"], False), (["collector", "host_top"], False),
])
def test_nothing_that_reacts_is_refused(on: list[str], dead: bool) -> None:
    """Walls may be dead, all of them may not, as a run says before its first step."""
    data = mat({"coatings": [
        {"on": name, "material": "Al2O3", "thickness": "9 nm", "blocks_ions": True} for name in on
    ]})
    if not dead:
        Case.from_dict(data)
        return
    assert problems(data) == [
        "coatings: nothing reacts: coatings on host_bottom_cu, host_top, collector stop electrons "
        "and ions; leave one of the surfaces bare, or its coating without blocks_ions"
    ]


def test_names_need_neither_mesher_nor_solver() -> None:
    code = (
        "import sys; from geometries.registry import *\n"
        "from geometries.inspection.gallery import EXAMPLES\n"
        "for f, examples in EXAMPLES.items():\n"
        "    if f not in ('image', 'cad'): [resolve(f, e).names() for e in examples]\n"
        "wrong = {'gmsh', 'dolfinx', 'petsc4py', 'mpi4py', 'vtk', 'pyvista'} & {*sys.modules}\n"
        "sys.exit(str(wrong) if wrong else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_cases_of_the_catalogue_state_the_contacts_of_their_fibres() -> None:
    """In two dimensions, so that a default changes none of their results."""
    for name, path in case_names().items():
        geometry = read_toml(path).get("geometry", {})
        fibres = geometry.get("family") == "fibre_mat" or any(
            layer.get("family") == "fibre_mat" for layer in geometry.get("layers", ()))
        assert not fibres or geometry.get("dimension") == 3 or "contacts" in geometry, name
