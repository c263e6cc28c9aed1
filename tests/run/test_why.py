"""Answers to what decides: the arithmetic of corners, and a host whose ingredients are known."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from fem import Case
from fem.base.errors import CaseError, RunError
from fem.case.ingredients import ingredients
from fem.contract.physics import Ingredient
from fem.results.result import Result
from fem.run.report import report
from fem.run.why import _with_meshes, acting, effects, table, why
from fem.values.units import parse_quantity
from tests.physics.averaged.columns import column
from tests.verification.cells import PLAIN, case, kinetics

ALL = ("a", "b", "c")
CORNERS = [frozenset(c) for n in range(4) for c in itertools.combinations(ALL, n)]


def test_what_adds_up_has_its_own_size_everywhere() -> None:
    size = {"a": 2.0, "b": -1.0, "c": 0.5}
    found = effects({on: 7.0 + sum(size[k] for k in on) for on in CORNERS})
    for k in ALL:
        assert [found[k][e] for e in ("main", "last_in", "shapley")] == pytest.approx([size[k]] * 3)
        assert not found[k]["flips"]
        assert [*found[k]["pairs"].values()] == pytest.approx([0.0, 0.0])


def test_what_acts_together_is_shared_and_named() -> None:
    """a does +1 alone and -2 beside b; c nothing."""
    def m(on: frozenset[str]) -> float:
        return ("a" in on) * (1.0 - 3.0 * ("b" in on))

    found = effects({on: m(on) for on in CORNERS})
    assert (found["a"]["main"], found["a"]["last_in"], found["a"]["flips"]) == (-2.0, 1.0, True)
    assert found["a"]["pairs"] == pytest.approx({"b": -3.0, "c": 0.0})
    assert found["a"]["shapley"] == pytest.approx(-0.5)
    total = sum(found[k]["shapley"] for k in ALL)
    assert total == pytest.approx(m(frozenset(ALL)) - m(frozenset()))
    assert found["c"]["shapley"] == pytest.approx(0.0)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A stripe of metal with a barrier of 10 mV beside one of electrolyte; it conducts well."""
    data = case(
        study="secondary", materials={"ideal": PLAIN},
        geometry={"family": "aligned_channels", "arrangement": "vertical",
                  "sheet_thickness": "2 um", "spacing": "2 um", "length": "20 um",
                  "size": "2 um", "size_wall": "1 um"},
        regions={"host_sheets": {"material": "carbon_fibre", "sigma": "1e4 S/m"}},
        collector={"material": "Cu"},
        kinetics=[kinetics("host_sheets", 10.0, eta_nuc="10 mV"),
                  kinetics("collector", 10.0, eta_nuc="10 mV"), kinetics("counter")],
        protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "1 s"}],
    )
    return Case.from_dict(data).run(tmp_path / "r").folder


def test_a_barrier_costs_its_voltage_and_good_conductors_nothing(host: Path) -> None:
    found = why(host, only=["barriers", "resistance of electrons"])
    rows = {row["name"]: row for row in found["rows"]}
    barrier, electrons = rows["barriers"], rows["resistance of electrons"]
    assert barrier["numbers"]["voltage"]["main"] == pytest.approx(-10e-3, rel=0.02)
    assert electrons["effects"]["voltage"] == "none"
    shares = sum(row["numbers"]["voltage"]["shapley"] for row in found["rows"])
    assert shares == pytest.approx(found["all"]["voltage"] - found["none"]["voltage"], rel=1e-9)
    text = "\n".join(table(found))
    assert "Left out: salt gradient; kinetics." in text
    page = report(host).read_text()
    assert "Not asked" not in page and "eta_nuc = 0" in page


@pytest.fixture
def foil(tmp_path: Path) -> Path:
    """Copper under 2000 C/m2 of metal in half the salt; plated for a moment."""
    data = case(
        electrolyte="LiPF6_EC_EMC_3_7", collector={"material": "Cu"}, kinetics=[],
        geometry={"family": "planar", "length": "30 um", "size": "2 um", "size_width": "10 um"},
        initial={"c": "0.5 mol/L", "plated_charge": "2000 C/m^2"},
        protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "0.1 s"}],
    )
    return Case.from_dict(data).run(tmp_path / "r").folder


def test_a_state_starts_from_the_salt_and_the_metal_of_the_case(foil: Path) -> None:
    """The barrier of copper, 40 mV, is gone under the metal, and kinetics are those of half c."""
    assert "barriers" in [i.name for i in ingredients(Case.load(foil / "case.toml"))]
    found = why(foil, only=["barriers", "kinetics"])
    rows = {row["name"]: row for row in found["rows"]}
    assert abs(rows["barriers"]["numbers"]["voltage"]["main"]) < 1e-9
    assert found["all"]["voltage"] == pytest.approx(Result(foil).summary["voltage"], abs=0.5e-3)
    assert found["end"]["B"] == pytest.approx(1.0) and not found["caution"]


def test_states_with_heat_are_steady(tmp_path: Path) -> None:
    """Heat has no secondary study, where salt stays as at the start."""
    data = case(
        study="steady", materials={"ideal": PLAIN}, collector={"material": "Cu"},
        geometry={"family": "planar", "length": "30 um", "size": "10 um", "size_width": "10 um"},
        kinetics=[kinetics("collector", 10.0, eta_nuc="10 mV"), kinetics("counter")],
        heat={"boundaries": {"collector": {"T": "298.15 K"}},
              "regions": {"electrolyte": {"k": "1 W/m/K", "c_p": "2000 J/kg/K",
                                          "density": "1000 kg/m^3"}}},
        protocol=[{"step": "plate", "current_density": "10 A/m^2"}],
    )
    del data["time"]
    result = Case.from_dict(data).run(tmp_path / "r")
    found = why(result.folder, only=["barriers"])
    assert found["all"]["voltage"] == pytest.approx(result.summary["voltage"], rel=1e-9)
    assert found["rows"][0]["numbers"]["voltage"]["main"] == pytest.approx(-10e-3, rel=0.02)
    assert "salt gradient (with heat all states are steady, and have it)" in found["method"]
    with pytest.raises(CaseError, match="with heat all states are steady"):
        why(result.folder, only=["salt gradient"])


def test_a_run_that_left_its_beginning_says_so(foil: Path) -> None:
    """A summary that ends elsewhere than the states do."""
    summary = foil / "summary.json"
    data = json.loads(summary.read_text())
    summary.write_text(json.dumps(data | {"metrics": data["metrics"] | {"bottom_up": -0.25}}))
    found = why(foil, only=["barriers"])
    assert found["caution"].startswith("The run ended with B = -0.25, not 1: what happens during")
    assert found["caution"] in "\n".join(table(found))
    assert found["caution"] in report(foil).read_text()


def test_what_a_case_lacks_is_refused(host: Path) -> None:
    assert [i.name for i in ingredients(Case.load(host / "case.toml"))] == [
        "barriers", "resistance of electrons", "salt gradient", "kinetics"]
    with pytest.raises(CaseError, match="no ingredient 'coatings'; this case has: barriers"):
        why(host, only=["coatings"])


def test_every_ingredient_changes_the_case() -> None:
    case = Case.load("nanowire_li2o_coated")
    found = ingredients(case)
    assert {"coatings", "films", "kinetics"} <= {i.name for i in found}
    for ingredient in found:
        data = case.to_dict()
        ingredient.switch(data)
        assert data != case.to_dict(), ingredient.name


def test_a_state_is_that_of_the_first_step_with_a_current() -> None:
    rest, plate = {"step": "rest", "duration": "1 s"}, {"step": "plate", "duration": "2 s"}
    assert acting([rest, plate, rest]) == plate
    assert acting([{"step": "cycle", "cycles": 2, "steps": [rest, plate]}]) == plate
    assert acting([rest]) == rest


def test_a_state_that_cannot_be_built_is_named(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise CaseError("porosity cannot be delivered")

    monkeypatch.setattr("fem.run.session.run", refuse)
    with pytest.raises(RunError, match=r"all ingredients .* porosity cannot be .* --only"):
        why(host, only=["barriers"])


def test_what_cannot_be_meshed_is_told_and_left_out(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three shapes: the second has no mesh, the third none without the first."""
    def shape(name: str, path: str) -> Ingredient:
        return Ingredient(name, "", lambda data: data["geometry"].update({path: "3 um"}))

    def build(case: Case) -> None:
        made = case.to_dict()["geometry"]
        changed = {k for k in ("sheet_thickness", "spacing", "length") if made[k] == "3 um"}
        if "spacing" in changed or {"sheet_thickness", "length"} <= changed:
            raise CaseError("spacing: no room\n  for sheets")

    monkeypatch.setattr("fem.run.why.mesh_folder", build)
    three = [shape("a", "sheet_thickness"), shape("b", "spacing"), shape("c", "length")]
    plain = [i for i in ingredients(Case.load(host / "case.toml")) if i.name == "barriers"]
    kept, refused = _with_meshes(
        Case.load(host / "case.toml"), host, [*three, *plain], 2)
    assert [i.name for i in kept] == ["a", "barriers"]
    assert refused["b"] == "b (no mesh without it: spacing: no room for sheets)"
    assert set(refused) == {"b", "c"}
    monkeypatch.setattr("fem.run.why.ingredients", lambda *_, **__: three[1:2])
    with pytest.raises(CaseError, match=r"nothing is left to be asked: b \(no mesh"):
        why(host)


def test_what_varies_in_a_host_becomes_its_mean() -> None:
    """Graded pores: radius 4 - 2.5 d/h um, porosity (radius/5)^2; d from 0 to h."""
    found = {i.name: i for i in ingredients(Case.load("gradient_pores_averaged"))}
    data = Case.load("gradient_pores_averaged").to_dict()
    for name in ("gradient of radius", "gradient of porosity"):
        found[name].switch(data)
    surface = data["averaged"]["regions"]["host_pores"]["surface"]
    assert parse_quantity(surface["radius"], "m") == pytest.approx(2.75e-6)
    exact = (4**3 - 1.5**3) / (3 * 2.5 * 25)
    assert data["regions"]["host_pores"]["porosity"] == pytest.approx(exact, rel=1e-5)

    resolved = Case.load("gradient_pores")
    (name,) = (i.name for i in ingredients(resolved) if i.name.startswith("geometry gradient"))
    data = resolved.to_dict()
    next(i for i in ingredients(resolved) if i.name == name).switch(data)
    assert data["geometry"]["layers"][0]["diameter"] == "5.5 um"


def test_steps_between_layers_become_their_mean_by_thickness() -> None:
    case = Case.load("trilayer_cg").with_({
        "geometry.layers.0.fibre_diameter": "6 um", "geometry.layers.0.thickness": "30 um",
        "geometry.layers.1.fibre_diameter": "3 um", "geometry.layers.1.thickness": "60 um"})
    data = case.to_dict()
    found = {i.name: i for i in ingredients(case)}
    next(i for n, i in found.items() if n.endswith("fibre_diameter")).switch(data)
    assert [data["geometry"]["layers"][k]["fibre_diameter"] for k in (0, 1)] == ["4 um", "4 um"]

    case = case.with_({
        "regions.host_bottom.sigma": "7 S/m", "regions.host_middle_cu.sigma": "1 S/m"})
    data = case.to_dict()
    (step,) = (i for i in ingredients(case) if i.name == "steps of sigma")
    step.switch(data)
    assert step.off == "their mean, 3 S/m"  # (30 * 7 + 60 * 1)/90
    assert data["regions"]["host_bottom"]["sigma"] == "3 S/m"


def test_what_turns_around_beside_a_barrier_is_found(tmp_path: Path) -> None:
    """Area that falls to the bottom draws the current to the top; with the top behind a barrier
    it makes the bottom more even, which takes it deeper.
    """
    linear = {"law": "linear", "i0": "100 A/m^2"}
    data = column(study="secondary").to_dict() | {
        "geometry": {"family": "planar", "size": "10 um", "width": "10 um", "layers": [
            {"name": "low", "thickness": "50 um", "region": "host_low"},
            {"name": "top", "thickness": "50 um", "region": "host_top"},
            {"name": "gap", "thickness": "10 um", "region": "electrolyte"}]},
        "regions": {f"host_{k}": {"material": "Cu", "porosity": 0.9, "sigma": "1e6 S/m"}
                    for k in ("low", "top")},
        "averaged": {"regions": {
            "host_low": {"surface": {"law": "constant", "area": "1e6 1/m"}},
            "host_top": {"surface": {"law": "constant", "area": "3e6 1/m"}}}},
        "kinetics": [
            {"surface": "host_low", "eta_nuc": "0 V"} | linear,
            {"surface": "host_top", "eta_nuc": "200 mV"} | linear,
            {"surface": "counter", "i0": "1e6 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}],
    }
    (tmp_path / "case.toml").write_text(Case.from_dict(data).to_toml())
    found = why(tmp_path, only=["barriers", "gradient of area"])
    rows = {row["name"]: row for row in found["rows"]}
    area, barrier = rows["gradient of area"], rows["barriers"]
    assert area["numbers"]["B"]["last_in"] < 0.0 < area["numbers"]["B"]["main"]
    assert area["numbers"]["B"]["flips"] and "acts with barriers" in area["effects"]["B"]
    assert barrier["numbers"]["B"]["main"] > barrier["numbers"]["B"]["last_in"] > 0.0
    assert found["pairs"][0]["pair"] == ["barriers", "gradient of area"]


def test_whole_runs_say_what_decides_at_their_end(tmp_path: Path) -> None:
    """A film of 1e-3 ohm m2 at 10 A/m2 costs 10 mV, by itself and beside the salt's gradient."""
    data = case(
        materials={"ideal": PLAIN},
        geometry={"family": "planar", "length": "100 um", "size": "10 um", "size_width": "10 um"},
        kinetics=[kinetics("collector", 10.0, film_resistance="1e-3 ohm*m^2"),
                  kinetics("counter", 10.0)],
        protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "2 s"}],
    )
    folder = Case.from_dict(data).run(tmp_path / "r").folder
    found = why(folder, only=["films"], whole=True)
    (film,) = found["rows"]
    assert film["numbers"]["voltage"]["main"] == pytest.approx(-10e-3, rel=1e-3)
    assert film["effects"]["voltage"].startswith("-0.01")
    assert {p.name for p in (folder / "why").iterdir()} == {
        "on_1", "on_0", "finer_mesh", "finer_time"}
    series = Result(folder / "why" / "on_1").series
    assert series["t"][-1] == pytest.approx(2.0)


def test_pairs_that_act_on_each_other_are_said() -> None:
    found = {"method": "", "metrics": ["B"], "error": {"B": 0.01}, "all": {"B": 1.0},
             "none": {"B": 0.0}, "rows": [
                 {"name": n, "effects": {"B": "+1 (+1)"}} for n in ("barriers", "kinetics")]}
    pairs = [{"pair": ["barriers", "kinetics"], "numbers": {"B": -0.3}}]
    assert "  barriers and kinetics: B -0.3" in [*table(found | {"pairs": pairs})]
    lines = [*table(found | {"pairs": []})]
    assert "no pair acts on each other beyond the error" in lines
    assert lines[1].startswith("B is bottom_up: B = 2 <d>/H - 1 of the metal")
