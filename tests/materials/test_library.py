"""The library: every number has a unit, a source and a status, and none is made up silently."""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from fem.base.constants import FARADAY
from fem.base.errors import CaseError
from fem.materials import (
    Electrolyte,
    Pair,
    Separator,
    Solid,
    electrolyte,
    library,
    material,
    metal,
    names,
    pair,
    parse_material,
    rows,
    separator,
    solid,
    status_counts,
)

SOLID = {"kind": "solid", "sigma": "10 S/m"}


def test_every_number_has_unit_source_and_status():
    listed = rows()
    assert len(listed) > 250
    for kind, name, datum, given, unit, source, status in listed:
        place = f"{kind} {name} {datum}"
        assert status in ("checked", "cited", "assumed"), place
        assert len(source) >= 4 and source != "given by the user", place
        assert given, place
        assert unit == "" or any(letter.isalpha() for letter in unit), place
    # a DOI that nobody has seen must not creep in
    assert not any("doi" in source.lower() for *_, source, _ in listed)


def test_status_counts_add_up():
    counts = status_counts(metal("Li"), solid("Cu"), metal("Li"))
    assert sum(counts.values()) == len(rows(metal("Li"), solid("Cu")))
    assert counts["checked"] == 5  # Li: mass, density, volume, sigma; Cu: sigma
    assert sum(status_counts(parse_material(SOLID, "materials.x")).values()) == 2
    assert status_counts(parse_material(SOLID, "materials.x"))["assumed"] == 2


@pytest.mark.parametrize("name", names("metal"))
def test_metals(name):
    found = metal(name)
    assert found.molar_volume == pytest.approx(found.molar_mass / found.density, rel=1e-3)
    assert found.surface_energy > 0 and found.sigma > 1e6
    assert found.molar_volume.unit == "m^3/mol" and found.density.unit == "kg/m^3"
    as_solid = solid(name)
    assert as_solid.sigma == found.sigma and as_solid.kappa == 0.0 and not as_solid.salt


def test_metal_numbers_of_the_catalogue():
    # dense metal per mAh/cm2: Li 4.85 um, Na 8.86, K 16.9; Li 3860 mAh/g
    for name, microns in (("Li", 4.85), ("Na", 8.86), ("K", 16.9)):
        found = metal(name)
        assert 36000 * found.molar_volume / (found.z * FARADAY) == pytest.approx(
            microns * 1e-6, rel=2e-3
        )
    assert FARADAY / metal("Li").molar_mass / 3600 == pytest.approx(3860, rel=1e-3)
    assert metal("Li").molar_volume == 1.2998e-5
    assert (metal("Zn").z, metal("Mg").z) == (2, 2)


@pytest.mark.parametrize("name", names("solid"))
def test_solids(name):
    found = solid(name)
    assert found.sigma >= 0 and found.kappa >= 0
    assert found.sigma * found.kappa == 0.0  # no mixed conductor in the library
    assert found.sigma.unit == found.kappa.unit == "S/m"
    assert not found.has("eps_r") or found.eps_r >= 1


@pytest.mark.parametrize("name", names("separator"))
def test_separators(name):
    found = separator(name)
    assert 0 < found.porosity < 1 <= found.tortuosity
    assert 5e-6 < found.thickness < 1e-3


@pytest.mark.parametrize("name", names("pair"))
def test_pairs(name):
    metal_name, surface = name.split("/")[:2]
    found = pair(metal_name, surface)
    assert (found.name, found.metal, found.surface) == (name, metal_name, surface)
    assert solid(surface).sigma > 0
    assert found.alpha_a + found.alpha_c == metal(metal_name).z
    assert found.i0(1000.0) > 0 and found.eta_nuc >= 0 and found.film_resistance >= 0
    base = metal(metal_name)
    assert found.q_cov == pytest.approx(base.z * FARADAY * 10e-9 / base.molar_volume, rel=1e-3)
    assert "10 nm" in found.q_cov.source
    if surface != metal_name:  # what was measured on the metal itself is an assumption here
        assert found.i0_ref.status == "assumed" and metal_name in found.i0_ref.source


def test_nucleation_overpotentials_of_lithium():
    # Yan 2016 as in the catalogue: Au, Ag, Zn, Mg about 0, Cu about 40 mV
    for surface in ("Au", "Ag", "Zn", "Mg"):
        assert pair("Li", surface).eta_nuc == 0.0
    assert pair("Li", "Cu").eta_nuc == pytest.approx(0.040)
    assert pair("Li", "Cu").eta_nuc.status == "cited"
    surfaces = {"Cu", "Ni", "Ag", "Au", "carbon_fibre", "CNT", "rGO", "carbon"}
    for plated in ("Li", "Na"):
        assert {plated, *surfaces} <= {n.split("/")[1] for n in names("pair") if n[:2] == plated}


def test_an_unknown_name_names_the_nearest():
    for call, near in (
        (lambda: metal("Lithium"), "'Li'"),
        (lambda: solid("carbon_fiber"), "'carbon_fibre'"),
        (lambda: electrolyte("LiPF6_EC_EMC"), "'LiPF6_EC_EMC_3_7'"),
        (lambda: separator("Celgard2400"), "'Celgard_2400'"),
        (lambda: material("celulose"), "'cellulose'"),
        (lambda: names("metals"), "'metal'"),
        (lambda: pair("Li", "carbon_fibres"), "'Li/carbon_fibre'"),
    ):
        with pytest.raises(CaseError, match=near):
            call()


def test_a_missing_pair_is_never_lithium():
    with pytest.raises(CaseError) as caught:
        pair("K", "SiOx")
    assert "no kinetic data of K on 'SiOx'" in str(caught.value)
    assert "Li" not in str(caught.value) and "[[kinetics]]" in str(caught.value)
    empty = pair("K", "SiOx", strict=False)
    with pytest.raises(CaseError, match=r"K/SiOx.*is not known"):
        empty.i0(1000.0)
    base = metal("K")
    assert empty.q_cov == pytest.approx(FARADAY * 10e-9 / base.molar_volume, rel=1e-3)
    with pytest.raises(CaseError, match="metal 'X'"):
        pair("X", "Cu", strict=False)


def test_a_missing_datum_raises_and_says_what_is_known():
    found = pair("Li", "Cu")
    assert not found.has("contact_angle")
    with pytest.raises(CaseError, match=r"contact_angle is not known.*eta_nuc"):
        found.contact_angle  # noqa: B018
    with pytest.raises(CaseError, match="eps_r is not known"):
        solid("Cu").eps_r  # noqa: B018
    assert pair("Li", "Li").contact_angle == 0.0


def test_own_materials():
    own = {"mine": SOLID, "Cu": {"kind": "solid", "sigma": "1 S/m"}}
    found = material("mine", own)
    assert isinstance(found, Solid)
    assert (found.sigma, found.kappa, found.salt, found.name) == (10.0, 0.0, False, "mine")
    assert material("Cu", own).sigma == 1.0 and material("Cu").sigma == 5.8e7  # type: ignore[union-attr]
    assert isinstance(material("Celgard_2500"), Separator)
    assert isinstance(material("NaPF6_EC_PC"), Electrolyte)
    film = parse_material(
        {
            "kind": "separator",
            "porosity": {"value": "40 %", "source": "weighed", "status": "checked"},
            "tortuosity": 2,
        },
        "materials.film",
    )
    assert isinstance(film, Separator)
    assert (film.porosity, film.porosity.source, film.porosity.status) == (
        0.4, "weighed", "checked",
    )  # fmt: skip
    with pytest.raises(CaseError, match="cannot fill a region"):
        material("m", {"m": {"kind": "pair", "metal": "Li", "surface": "Cu"}})


def test_own_electrolyte_with_tables_and_expressions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kappa.csv").write_text("c [mol/L],kappa [mS/cm]\n0.5,8\n1,10\n1.5,9\n")
    found = parse_material(
        {
            "kind": "electrolyte",
            "c0": "1 mol/L",
            "kappa": {"table": "kappa.csv", "of": "c"},
            "D": {"expression": "d*exp(-c/m)", "unit": "m^2/s", "d": "4e-10 m^2/s", "m": "1 mol/L"},
            "t_plus": {"law": "nyman2008", "source": "Nyman 2008", "status": "checked"},
        },
        "materials.mine",
    )
    assert isinstance(found, Electrolyte)
    assert found.kappa(750.0) == pytest.approx(0.9)
    assert found.kappa.variables == {"c"} and found.kappa.c_table == (500.0, 1500.0)
    assert found.D(1000.0) == pytest.approx(4e-10 / math.e, rel=1e-12, abs=0)
    assert found.t_plus.status == "checked" and found.D.status == "assumed"
    assert found.thermodynamic_factor(1.0) == 1.0
    assert "ideal" in found.thermodynamic_factor.source


def test_own_numbers_and_laws_without_an_origin_count_as_assumed():
    law = {"law": "nyman2008"}
    body = {"kappa": law, "D": law, "t_plus": law, "c0": {"value": "1 mol/L"}}
    found = parse_material({"kind": "electrolyte", **body}, "materials.still")
    assert isinstance(found, Electrolyte)
    library = electrolyte("LiPF6_EC_EMC_3_7")
    for name in body:
        number = getattr(found, name)
        assert (number.source, number.status) == ("given by the user", "assumed"), name
    assert found.kappa(800.0) == library.kappa(800.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": None}, r"materials\.x\.kind: missing; one of metal, solid"),
        ({"kind": "liquid"}, r"materials\.x\.kind: 'liquid': unknown"),
        ({"sgima": "1 S/m"}, r"materials\.x\.sgima: unknown name; did you mean 'sigma'"),
        ({"sigma": "1"}, r"materials\.x\.sigma: '1' is not a quantity in S/m"),
        ({"sigma": 1.0}, r"materials\.x\.sigma: 1\.0 is not a quantity in S/m"),
        ({"sigma": "-1 S/m"}, r"materials\.x\.sigma: .*at least 0"),
        ({"sigma": "1 m"}, r"materials\.x\.sigma: .*another kind"),
        ({"sigma": {"value": "1 S/m", "source": "x"}}, r"materials\.x\.sigma: .*status: missing"),
        ({"sigma": {"value": "1 S/m", "status": "sure", "source": "x"}}, "status: 'sure' is not"),
        ({"sigma": {"value": "1 S/m", "status": "cited"}}, "source: missing"),
        (
            {"sigma": {"value": "1 S/m", "status": "cited", "source": "x", "sauce": 1}},
            "unknown name 'sauce'; did you mean 'source'",
        ),
        ({"salt": "yes"}, r"materials\.x\.salt"),
        ({"name": "Cu"}, r"materials\.x\.name"),
    ],
)
def test_faulty_materials_are_refused_with_place_and_reason(change, message):
    data = {key: value for key, value in {**SOLID, **change}.items() if value is not None}
    with pytest.raises(CaseError, match=message):
        parse_material(data, "materials.x")


def test_faulty_laws_are_refused():
    good = {"kind": "electrolyte", "c0": "1 mol/L", "D": "1e-10 m^2/s", "t_plus": 0.4}
    origin = {"source": "x", "status": "cited"}
    for kappa, message in (
        ({"law": "nyman", **origin}, "law: 'nyman' is unknown; did you mean 'nyman2008'"),
        ({"law": "nyman2008", "value": "1 S/m", **origin}, "keep one of them"),
        ({"law": "nyman2008", "Ea": "17 m", **origin}, "Ea: "),
    ):
        with pytest.raises(CaseError, match=message):
            parse_material({**good, "kappa": kappa}, "materials.x")
    with pytest.raises(CaseError, match=r"x\.kappa: missing"):
        parse_material(good, "materials.x")
    with pytest.raises(CaseError, match="is not a table"):
        parse_material("Cu", "materials.x")  # type: ignore[arg-type]


def test_other_packages_can_bring_materials(monkeypatch):
    given = {
        "fleece": {"kind": "solid", "sigma": "3 S/m"},
        "Li/fleece/NaPF6_diglyme": {
            "kind": "pair",
            "like": "Li/Li",
            "eta_nuc": {"value": "7 mV", "source": "test", "status": "assumed"},
        },
    }
    entry = SimpleNamespace(name="lab", load=lambda: given)
    monkeypatch.setattr(library, "entry_points", lambda group: [entry])
    caches = (library._plugged, library._entries, library._load, library._pair)
    try:
        for cache in caches:
            cache.cache_clear()
        assert solid("fleece").sigma == 3.0
        found = pair("Li", "fleece", "NaPF6_diglyme")
        assert isinstance(found, Pair)
        assert found.eta_nuc == pytest.approx(0.007)
        assert found.electrolyte == "NaPF6_diglyme"
        with pytest.raises(CaseError, match="no kinetic data"):
            pair("Li", "fleece", "LiTFSI_DOL_DME")  # measured in another electrolyte
    finally:
        for cache in caches:
            cache.cache_clear()


def test_numbers_are_floats_that_survive_copies():
    value = metal("Li").molar_volume
    assert isinstance(value, float) and type(value * 2) is float
    again = pickle.loads(pickle.dumps(value))
    assert again == value and again.source == value.source
    with pytest.raises(Exception, match="frozen"):
        metal("Li").z = 2  # type: ignore[misc]


def test_readme_counts_the_numbers_of_the_library() -> None:
    """Total, checked, cited and assumed, as `hostplate list materials` shows them."""
    counts = status_counts()
    said = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    found = re.search(r"of (\d+) numbers (\d+) are\s+checked, (\d+) cited, (\d+) assumed", said)
    assert found is not None
    assert [*map(int, found.groups())] == [sum(counts.values()), *counts.values()]
