from __future__ import annotations

import dataclasses
import os
import tomllib
from pathlib import Path
from typing import Any

import pint
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fem
from fem import Case
from fem.base.errors import CaseError
from fem.case.files import apply_override, case_names, to_toml
from fem.case.protocol import Plate
from fem.materials import Electrolyte, material
from tests.case.base import BASE, EVERYTHING, changed


def _problems(data: dict[str, Any], folder: Path | None = None) -> list[str]:
    with pytest.raises(CaseError) as caught:
        Case.from_dict(data, folder=folder)
    return str(caught.value).splitlines()


# ------------------------------------------------------------------------------------------ valid


def test_a_small_case_holds_si_numbers_and_the_defaults() -> None:
    case = Case.from_dict(BASE)
    assert case.temperature == 298.15
    assert case.study == "tertiary"
    assert case.counter.kind == "metal"
    step = case.protocol[0]
    assert step.step == "plate"
    assert step.current_density.at(t=0.0) == 10.0
    assert step.duration == 3600.0


def test_every_key_is_accepted_and_becomes_si() -> None:
    case = Case.from_dict(EVERYTHING)
    assert case.regions["electrolyte"].bridge_sigma is not None
    assert case.regions["electrolyte"].bridge_sigma.at() == 3.4e6
    assert case.regions["electrolyte"].kappa is not None
    assert case.regions["electrolyte"].kappa.at(c=1000.0) == pytest.approx(1.0)
    assert case.kinetics[0].q_cov == pytest.approx(360.0)
    assert case.coatings[0].thickness == 2e-8
    assert case.probe[0].point == (1e-6, 2e-6)
    assert case.time.dt_min == 1e-6


def test_cases_are_frozen() -> None:
    with pytest.raises(pydantic.ValidationError):
        Case.from_dict(BASE).title = "other"  # type: ignore[misc]


def test_regions_are_found_by_name_or_pattern() -> None:
    case = Case.from_dict(EVERYTHING)
    assert case.region("host_top").material == "Cu"
    assert case.region("electrolyte").material == "LiPF6_EC_EMC_3_7"
    assert case.region("electrolyte_gap").material == "LiPF6_EC_EMC_3_7"
    with pytest.raises(CaseError, match=r"add \[regions.sei\]"):
        case.region("sei")
    twice = Case.from_dict(changed({"regions.host_b*": {"material": "Cu"}}, EVERYTHING))
    with pytest.raises(CaseError, match=r"matched by 'host_\*' and 'host_b\*'"):
        twice.region("host_bottom")


# -------------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("data", [BASE, EVERYTHING], ids=["small", "everything"])
def test_the_resolved_case_reads_back_equal(data: dict[str, Any]) -> None:
    case = Case.from_dict(data)
    again = Case.from_dict(tomllib.loads(case.to_toml()))
    assert again == case
    assert again.to_toml() == case.to_toml()
    assert again.physics_hash() == case.physics_hash()


def test_an_empty_table_that_asks_for_something_is_written() -> None:
    """A run with an empty [inventory] was resumed as a case without one."""
    case = Case.from_dict(changed({"study": "tertiary", "inventory": {}}))
    assert any(part.key == "inventory" for part in case.taking_part())
    again = Case.from_dict(tomllib.loads(case.to_toml()))
    assert again == case
    assert [p.key for p in again.taking_part()] == [p.key for p in case.taking_part()]


def test_the_resolved_case_needs_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("t [s],i [mA/cm^2]\n0,0\n3600,1\n")
    (tmp_path / "earlier").mkdir()
    data = changed(
        {"protocol.0.current_density": {"table": "i.csv"}, "initial": {"from": "earlier"}}
    )
    case = Case.from_dict(data, folder=tmp_path)
    again = Case.from_dict(tomllib.loads(case.to_toml()), folder=tmp_path / "earlier")
    assert again == case
    assert again.initial.from_ == str(tmp_path / "earlier")


def test_tables_of_own_materials_are_kept_in_the_case(tmp_path: Path) -> None:
    (tmp_path / "kappa.csv").write_text("c [mol/L],kappa [mS/cm]\n0.1,2\n2,10\n")
    own = {
        "kind": "electrolyte",
        "c0": "1 mol/L",
        "kappa": {"table": "kappa.csv", "of": "c"},
        "D": "3e-10 m^2/s",
        "t_plus": 0.4,
        "thermodynamic_factor": 1.0,
    }
    data = changed({"materials": {"mine": own}, "electrolyte": "mine"})
    case = Case.from_dict(data, folder=tmp_path)
    (tmp_path / "kappa.csv").unlink()
    again = Case.from_dict(tomllib.loads(case.to_toml()))
    assert again == case
    mine = material("mine", again.materials)
    assert isinstance(mine, Electrolyte)
    assert mine.kappa(1050.0, 298.15) == pytest.approx(0.6)


def test_files_and_dicts_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(to_toml(EVERYTHING), encoding="utf-8")
    assert Case.load(path) == Case.from_dict(EVERYTHING, folder=tmp_path)


@pytest.mark.parametrize("name", sorted(case_names()))
def test_catalogue_cases_are_valid_and_say_what_they_are(name: str) -> None:
    case = fem.load(name)
    assert case.title and case.source
    assert Case.from_dict(tomllib.loads(case.to_toml())) == case


def test_the_catalogue_is_there() -> None:
    assert {"trilayer_cg", "sand", "limiting_current"} <= case_names().keys()


# -------------------------------------------------------------------------------------------- hash


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "other"},
        {"output": {"pvd": True}},
        {"time": {"dt0": "2 s"}},
        {"solver": {"kind": "direct"}},
        {"protocol.0.duration": "2 h"},
        {"geometry.size": "0.002 mm"},
        {"temperature": "25 degC"},
    ],
)
def test_what_keeps_the_physics_hash(changes: dict[str, Any]) -> None:
    case = Case.from_dict(changed(changes))
    assert case.physics_hash("m") == Case.from_dict(BASE).physics_hash("m")


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": "26 degC"},
        {"geometry.size": "1 um"},
        {"protocol.0.current_density": "2 mA/cm^2"},
        {"counter": {"kind": "ideal"}},
        {"study": "steady"},
        {"regions.host_bottom.sigma": "1 S/m"},
        {"protocol.1": {"step": "rest", "duration": "1 s"}},
    ],
)
def test_what_changes_the_physics_hash(changes: dict[str, Any]) -> None:
    case = Case.from_dict(changed(changes))
    assert case.physics_hash("m") != Case.from_dict(BASE).physics_hash("m")


def test_the_mesh_is_part_of_the_physics_hash() -> None:
    case = Case.from_dict(BASE)
    assert case.physics_hash("a") != case.physics_hash("b")


# ---------------------------------------------------------------------------------------- refusals


@dataclasses.dataclass
class Rule:
    """A broken case and what its report must contain."""

    changes: dict[str, Any]
    reason: str


PULSE = {"step": "pulse", "current_density": "1 mA/cm^2", "on": "10 s", "off": "5 s"}
CYCLE = {"step": "cycle", "cycles": 3}
OCV = {"along": "state", "at": [0.0, 1.0], "values": ["4 V", "3 V"]}
CATHODE = {
    "kind": "cathode", "capacity": "1 mAh/cm^2", "resistance": "20 ohm*cm^2", "ocv": OCV,
}  # fmt: skip
RULES = [
    # top level
    Rule({"schema": 2}, "schema: 2: must be 1"),
    Rule({"schema": None}, "schema: missing; version of this format"),
    Rule({"title": None}, "title: missing"),
    Rule({"title": 3}, "title: 3: must be text in quotes"),
    Rule({"titel": "x"}, "titel: 'x': unknown name; did you mean 'title'"),
    Rule(
        {"temperature": 298.15}, 'temperature: 298.15 is not a quantity in K; write e.g. "25 degC"'
    ),
    Rule({"temperature": "25 K"}, "temperature: '25 K' is out of range: must be at least 150 K"),
    Rule(
        {"protocol": [{"step": "hold", "voltage": "-10 MV", "duration": "1 s"}]},
        "protocol.0.voltage: '-10 MV' is out of range: must be at least -1000 V",
    ),
    Rule({"temperature": "25 celcius"}, "unit 'celcius' is unknown"),
    Rule({"study": "tertairy"}, "study: 'tertairy': must be"),
    # names
    Rule({"metal": "Lithium"}, "metal: 'Lithium': not known; known: "),
    Rule({"electrolyte": "LiPF6_EC_EMC"}, "did you mean 'LiPF6_EC_EMC_3_7'"),
    Rule(
        {"regions.host_bottom.material": "Cupper"},
        "regions.host_bottom.material: 'Cupper': not known",
    ),
    Rule(
        {"coatings": [{"on": "host_*", "material": "Li2", "thickness": "1 nm"}]},
        "coatings.0.material",
    ),
    Rule({"regions.host_bottom.material": None}, "regions.host_bottom.material: missing"),
    # geometry and mesh
    Rule({"geometry": None}, "geometry: missing; give [geometry] with a family, or [mesh]"),
    Rule({"mesh": {"file": "a.msh", "unit": "um"}}, "mesh: given together with [geometry]"),
    Rule({"geometry": None, "mesh": {"file": "a.msh", "unit": "um"}}, "mesh.file"),
    Rule(
        {"geometry": None, "mesh": {"file": "a.msh"}}, "mesh.unit: missing; unit of its coordinates"
    ),
    Rule(
        {"geometry.family": "plannar"}, "geometry.family: 'plannar': no such family; did you mean"
    ),
    Rule({"geometry.family": None}, "geometry.family: missing; one of planar"),
    Rule({"geometry.size": 2}, "geometry.size: 2 is not a quantity in m"),
    Rule({"geometry.sizes": "2 um"}, "geometry.sizes: '2 um': unknown name; did you mean 'size"),
    Rule(
        {"geometry.layers.0.thickness": "-1 um"}, "geometry.layers.0.thickness: '-1 um' is out of"
    ),
    Rule({"geometry.layers": None}, "length: missing"),
    # regions
    Rule({"regions.host_bottom.sgima": "1 S/m"}, "unknown name; did you mean 'sigma'"),
    Rule(
        {"regions.host_bottom.bridge_sigma": "1 S/m"}, "bridge_sigma: only for electrolyte regions"
    ),
    Rule(
        {"regions.host_bottom.porosity": 1.5}, "regions.host_bottom.porosity: 1.5 is out of range"
    ),
    Rule({"regions.host bottom": {}}, "regions.host bottom: 'host bottom': is not a valid name"),
    Rule({"regions.host_bottom": 3}, "regions.host_bottom: 3: must be a table"),
    # kinetics, boundaries, counter
    Rule({"kinetics": [{"i0": "1 A/m^2"}]}, "kinetics.0.surface: missing"),
    Rule(
        {"kinetics": [{"surface": "host_*", "i0": "1 A"}]}, "kinetics.0.i0: '1 A' is not a quantity"
    ),
    Rule({"kinetics": {"surface": "host_*"}}, "kinetics: {'surface': 'host_*'}: must be a list"),
    Rule({"boundaries.wall": {}}, "boundaries.wall: empty"),
    Rule({"boundaries.collector": {"phi_s": "0 V"}}, "electrodes are driven by [[protocol]]"),
    Rule({"boundaries.counter": {"c": "1 mol/L"}}, "electrodes are driven by [counter]"),
    Rule({"boundaries.wall": {"bath": True, "c": "1 mol/L"}}, "a bath already fixes c"),
    Rule(
        {"boundaries.wall": {"phi_l": "0 V", "current_density": "1 A/m^2"}}, "contradict each other"
    ),
    Rule(
        {"boundaries.wall": {"phi_s": "0 V", "current_density": "1 A/m^2"}}, "contradict each other"
    ),
    Rule({"counter": {"kind": "metall"}}, "counter.kind: 'metall': must be"),
    Rule({"counter": {"kind": "foil"}}, "counter.thickness: missing; of a foil at the start"),
    Rule({"counter": {"thickness": "1 um"}}, "counter.thickness: belongs to kind = 'foil', and"),
    Rule({"counter": CATHODE | {"ocv": None}}, "counter.ocv: missing; of a cathode against"),
    Rule({"counter": CATHODE | {"ocv": "4 V"}}, "counter.ocv: '4 V': must be a table over state"),
    Rule(
        {"counter": CATHODE | {"ocv": OCV | {"values": ["3 V", "4 V"]}}},
        "counter.ocv: rises from 3 V to 4 V between state = 0 and 1; it falls, or stays",
    ),
    Rule(
        {"counter": CATHODE | {"ocv": OCV | {"at": [0.1, 1.0]}}},
        "counter.ocv: covers state = 0.1 to 1; give it from 0 to 1",
    ),
    Rule(
        {"counter": {"kind": "foil", "thickness": "1 um"}, "study": "secondary",
         "protocol": [{"step": "plate", "current_density": "1 mA/cm^2"}]},
        "counter.kind: 'foil': a secondary study has no time in which metal is used up",
    ),
    Rule(
        {"counter": CATHODE, "boundaries.counter.contact_resistance": "2 ohm*m^2"},
        "and one of kind 'cathode' has none; leave it out or add it to counter.resistance",
    ),
    Rule(
        {"counter.kind": "ideal", "boundaries.counter.contact_resistance": "2 ohm*m^2"},
        "boundaries.counter.contact_resistance: '2 ohm*m^2': is in series with the reaction of the "
        "counter electrode, and one of kind 'ideal' has none; leave it out or give "
        'counter.kind = "metal"',
    ),
    Rule(
        {"study": "primary", "boundaries.counter.contact_resistance": "2 ohm*m^2"},
        'and a primary study has none; leave it out or give study = "secondary"',
    ),
    Rule(
        {"counter.kind": "blocking", "kinetics": [{"surface": "counter"}]},
        "kinetics.0.surface: 'counter': nothing reacts at a counter electrode of kind 'blocking'; "
        'leave the entry out or give counter.kind = "metal"',
    ),
    Rule(
        {"coatings": [{"on": "counter", "material": "Li2O", "thickness": "1 nm"}]},
        "coatings.0.on: 'counter': the counter electrode takes no coating; give",
    ),
    Rule(
        {"kinetics": [{"surface": "collector", "eta_nuc": "20 mV"}]},
        "kinetics.0.eta_nuc: '20 mV': 'collector' is Li, which needs no nuclei to plate on itself; "
        "give [collector] material, such as 'Cu', or leave it out",
    ),
    Rule(
        {"kinetics": [{"surface": "counter", "eta_nuc": "20 mV"}]},
        "'counter' is Li, which needs no nuclei to plate on itself; leave it out",
    ),
    Rule(
        {"regions.host_bottom.material": "Li",
         "kinetics": [{"surface": "host_bottom", "eta_nuc": "20 mV"}]},
        "'host_bottom' is Li, which needs no nuclei to plate on itself; give another material, or",
    ),
    Rule(
        {"regions": {"host_top": {"material": "Li"}, "host_bottom": {"material": "Li"}},
         "kinetics": [{"surface": "host_*", "eta_nuc": "20 mV"}]},
        "'host_*' is Li, which needs no nuclei to plate on itself; give another material, or",
    ),
    # protocol
    Rule({"protocol": None}, "protocol: missing; steps"),
    Rule({"protocol": []}, "protocol"),
    Rule({"protocol.0.step": "plat"}, "protocol.0.step: 'plat': not a protocol step; did you mean"),
    Rule({"protocol.0.step": None}, "protocol.0.step: None: not a protocol step; known: 'cycle'"),
    Rule(
        {"protocol.0.current_density": "-1 mA/cm^2"},
        "current_density: '-1 mA/cm^2' is out of range",
    ),
    Rule({"protocol.0.current_density": "0 mA/cm^2"}, "must be above 0 A/m^2"),
    Rule({"schema": "1"}, "schema: '1': must be 1, without quotes"),
    Rule({"geometry.length": "1,5 um"}, "m: decimals take a point"),
    Rule({"protocol.0.current_density": "1 mA"}, "protocol.0.current_density: '1 mA' is not"),
    Rule(
        {"protocol.0.duration": None}, "protocol.0: plate: never ends; give duration, capacity or"
    ),
    Rule({"protocol.0.duratoin": "1 h"}, "protocol.0.duratoin: '1 h': unknown name; did you mean"),
    Rule({"protocol.0.cutoff": "1 V"}, "protocol.0.cutoff: 1 V: must be below 0 V"),
    Rule({"protocol.1": {"step": "rest"}}, "protocol.1.duration: missing; ends the step after"),
    Rule(
        {"protocol.1": {"step": "hold", "voltage": "1 V"}},
        "hold: never ends; give duration, capacity or cutoff",
    ),
    Rule(
        {"study": "steady", "protocol.1": {"step": "rest", "duration": "1 s"}},
        "takes one step, not 2",
    ),
    Rule(
        {"study": "primary", "protocol.0": {"step": "rest", "duration": "1 s"}},
        "needs plate, strip",
    ),
    Rule({"protocol.0": PULSE}, "protocol.0: pulse: never ends; give cycles or capacity"),
    Rule({"protocol.0": PULSE | {"cycles": 0}}, "protocol.0.cycles: 0: must be at least 1"),
    Rule({"protocol.0": PULSE | {"cycles": 2.5}}, "protocol.0.cycles: 2.5: must be a whole number"),
    Rule(
        {"protocol.0": PULSE | {"cycles": 9, "direction": "up"}},
        "protocol.0.direction: 'up': must be 'plate' or 'strip'",
    ),
    Rule(
        {"protocol.0": PULSE | {"cycles": 9, "cutoff": "0.1 V"}},
        "protocol.0.cutoff: 0.1 V: must be below 0 V where direction = 'plate'",
    ),
    Rule(
        {"protocol.0": PULSE | {"cycles": 9, "cutoff": "-0.1 V", "direction": "strip"}},
        "protocol.0.cutoff: -0.1 V: must be above 0 V where direction = 'strip'",
    ),
    Rule(
        {"protocol.0": PULSE | {"on": "1 us", "capacity": "1 mAh/cm^2"}},
        "protocol.0: pulse: 3600000000 pulses; at most 100000: give longer ones",
    ),
    Rule(
        {"protocol.0": CYCLE | {"cycles": 51, "steps": [PULSE | {"cycles": 2000}]}},
        "protocol.0.steps.0: pulse: 102000 pulses; at most 100000",
    ),
    Rule(
        {"study": "steady", "protocol.0": PULSE | {"cycles": 2}},
        "protocol.0.step: 'pulse': a steady study needs plate, strip or hold",
    ),
    Rule({"protocol.0": {"step": "cycle", "steps": [PULSE]}}, "protocol.0.cycles: missing; number"),
    Rule({"protocol.0": CYCLE | {"steps": []}}, "protocol.0.steps: []: "),
    Rule(
        {"protocol.0": CYCLE | {"steps": [{"step": "rest", "duration": "1 s"}, CYCLE]}},
        "protocol.0.steps.1.step: 'cycle': not a protocol step; known: 'hold', 'plate', 'pulse'",
    ),
    Rule(
        {"protocol.0": CYCLE | {"steps": [{"step": "hold", "voltage": "1 V"}]}},
        "protocol.0.steps.0: hold: never ends; give duration, capacity or cutoff",
    ),
    Rule(
        {"protocol.0": CYCLE | {"steps": [{"step": "rest", "durations": "1 s"}]}},
        "protocol.0.steps.0.durations: '1 s': unknown name; did you mean 'duration'?",
    ),
    Rule({"protocol.0.current_density": {"table": "nope.csv"}}, "nope.csv' does not exist"),
    Rule(
        {
            "protocol.0.current_density": {
                "along": "t",
                "at": ["0 s", "1 min"],
                "values": ["0 A/m^2", "1 A/m^2"],
            }
        },
        "t = 3600 lies outside the table, which covers 0 to 60",
    ),
    # the rest
    Rule({"initial": {"c": "-1 mol/L"}}, "initial.c: '-1 mol/L' is out of range"),
    Rule({"initial": {"from": "no/such/folder"}}, "no such folder"),
    Rule({"time": {"dt0": "1 s", "dt_min": "2 s"}}, "time.dt_min: 2 s is above dt0 = 1 s"),
    Rule({"time": {"dt0": "1 s", "dt_max": "0.5 s"}}, "time.dt_max: 0.5 s is below dt0"),
    Rule({"time": {"tolerance": 1}}, "time.tolerance: 1 is out of range: must be below 0.1"),
    Rule({"solver": {"kind": "mumps"}}, "solver.kind: 'mumps': must be"),
    Rule({"output": {"pvd": "yes"}}, "output.pvd: 'yes': must be true or false"),
    Rule({"probe": [{"name": "a", "field": "c"}]}, "needs exactly one of point, line, surface"),
    Rule(
        {"probe": [{"name": "a", "field": "phi", "surface": "collector"}]},
        "probe.0.field: expression 'phi', column 1: unknown name 'phi'",
    ),
    Rule(
        {"probe": [{"name": "a", "field": "c", "point": [0, 1]}]},
        "probe.0.point.0: 0 is not a quan",
    ),
    Rule({"probe": [{"name": "a", "field": "c", "point": ["1 um"]}]}, "at least 2 items"),
    Rule(
        {"probe": [{"name": "a", "field": "c", "volume": "electrolyte"}] * 2},
        "probe.1.name: 'a': used twice",
    ),
    Rule({"materials": {"my": {"kind": "solid"}}}, "materials.my.sigma: missing"),
    Rule({"materials": {"my": {"kind": "liquid"}}}, "materials.my.kind: 'liquid'"),
    Rule({"materials": {"my": {"kind": "solid", "sigma": b"1"}}}, "bytes is not a text, number or"),
    Rule(
        {"materials": {"my": {"kind": "solid", "sigma": {"table": "n.csv", "of": "T"}}}}, "n.csv'"
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=[rule.reason[:40] for rule in RULES])
def test_each_rule(rule: Rule, tmp_path: Path) -> None:
    problems = _problems(changed(rule.changes), tmp_path)
    assert any(rule.reason in line for line in problems), problems
    assert len(problems) <= 2, problems


def test_all_problems_come_at_once() -> None:
    some = [rule for rule in RULES if len(rule.changes) == 1][:40:3]
    merged: dict[str, Any] = {}
    for rule in some:
        top = next(iter(rule.changes)).split(".")[0]
        if not any(path.split(".")[0] == top for path in merged):
            merged |= rule.changes
    problems = _problems(changed(merged))
    expected = [rule.reason for rule in some if rule.changes.items() <= merged.items()]
    assert len(expected) >= 5
    for reason in expected:
        assert any(reason in line for line in problems), (reason, problems)


def test_a_case_built_directly_is_checked_too() -> None:
    with pytest.raises(pydantic.ValidationError, match="never ends"):
        Case.model_validate(changed({"protocol.0.duration": None}))


# --------------------------------------------------------------------------------------- overrides


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("temperature=25 degC", ["temperature"], "25 degC"),
        ("temperature = '25 degC'", ["temperature"], "25 degC"),
        ("protocol.0.duration=2 h", ["protocol", 0, "duration"], "2 h"),
        ("protocol.1={step = 'rest', duration = '1 s'}", ["protocol", 1, "step"], "rest"),
        ("regions.host_bottom.porosity=0.6", ["regions", "host_bottom", "porosity"], 0.6),
        ("output.pvd=true", ["output", "pvd"], True),
        ("title=2020-01-01", ["title"], "2020-01-01"),
        ("title=1\nmetal='Na'", ["title"], "1\nmetal='Na'"),
    ],
)
def test_overrides(assignment: str, path: list[Any], value: Any) -> None:
    data: Any = changed({})
    apply_override(data, assignment)
    for key in path:
        data = data[key]
    assert data == value


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ("temperature", "is not path=value"),
        ("=3", "is not path=value"),
        ("protocol.plate.duration=1 h", "protocol is a list; 'plate' is not one of its entries"),
        ("protocol.7.duration=1 h", "entries (0 to 0)"),
        ("title.x=1", "title is 'test' and has no part 'x'"),
        ("a..b=1", "empty name"),
    ],
)
def test_wrong_overrides_say_where(assignment: str, reason: str) -> None:
    with pytest.raises(CaseError) as caught:
        apply_override(changed({}), assignment)
    assert reason in str(caught.value)


def test_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "case.toml"
    path.write_text(to_toml(changed({"temperature": "20 degC"})), encoding="utf-8")
    assert Case.load(path).temperature == pytest.approx(293.15)
    monkeypatch.setenv("HOSTPLATE_SET", "temperature=30 degC; title=from outside")
    assert Case.load(path).temperature == pytest.approx(303.15)
    assert Case.load(path).title == "from outside"
    assert Case.load(path, ["temperature=40 degC"]).temperature == pytest.approx(313.15)
    monkeypatch.setenv("HOSTPLATE_SET", "temperature")
    with pytest.raises(CaseError, match="environment variable HOSTPLATE_SET"):
        Case.load(path)


def test_changed_copies() -> None:
    case = Case.from_dict(BASE)
    other = case.with_({"protocol.0.duration": "2 h"}, study="steady")
    first, changed_first = case.protocol[0], other.protocol[0]
    assert isinstance(first, Plate) and isinstance(changed_first, Plate)
    assert (changed_first.duration, other.study) == (7200.0, "steady")
    assert (first.duration, case.study) == (3600.0, "tertiary")
    with pytest.raises(CaseError, match="never ends"):
        case.with_({"protocol.0.duration": None})


# ------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("trilayr_cg", "did you mean 'trilayer_cg'"),
        ("no_such_thing_at_all", "no case 'no_such_thing_at_all' in the catalogue; known:"),
        ("folder/nope.toml", "case file 'folder/nope.toml' does not exist"),
        (".", "is a folder"),
        ("a\0b", "no case"),
        ("x" * 5000, "no case"),
    ],
)
def test_unknown_cases(name: str, reason: str) -> None:
    with pytest.raises(CaseError) as caught:
        Case.load(name)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"title = 6 kS/cm", "is not valid TOML"),
        (b"title = 6 kS/cm", "; strings need quotes"),
        ("title = \u201csand\u201d".encode(), "; strings need quotes, straight ones"),
        (b"study = 1\nstudy = 2", "there twice; keep one"),
        (b"[mesh]\n[mesh]", "there twice; keep one"),
        (b"mesh = {unit = 'm', unit = 'm'}", "there twice; keep one"),
        (b"title = '\xff'", "cannot be read"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"", "6 problems"),
    ],
)
def test_broken_files(tmp_path: Path, text: bytes, reason: str) -> None:
    path = tmp_path / "case.toml"
    path.write_bytes(text)
    with pytest.raises(CaseError) as caught:
        Case.load(path)
    assert reason in str(caught.value)
    assert "case.toml" in str(caught.value)
    assert os.listdir(tmp_path) == ["case.toml"]


# -------------------------------------------------------------------------------------------- fuzz

_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=3)
    | st.sampled_from(["1 um", "1 h", "1 mA/cm^2", "-1 V", "c", "Cu", "Li", "plate", "planar"])
)
_words = (
    "schema title regions family layers step expression table along at values unit of duration "
    "current_density material materials kind mesh field law value status source"
)
_keys = st.sampled_from(_words.split()) | st.text(max_size=8)
_trees = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


def _paths(data: Any, prefix: str = "") -> list[str]:
    items = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for key, value in items:
        found.append(f"{prefix}{key}")
        if isinstance(value, dict | list):
            found += _paths(value, f"{prefix}{key}.")
    return found


def _builds_or_refuses(data: Any) -> None:
    try:
        case = Case.from_dict(data)
    except CaseError as error:
        assert str(error)
        return
    assert Case.from_dict(tomllib.loads(case.to_toml())) == case
    assert len(case.physics_hash()) == 64


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(_keys, _trees, max_size=6) | _trees)
def test_any_data_builds_or_is_refused(data: Any) -> None:
    _builds_or_refuses(data)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(_paths(EVERYTHING)), _trees, min_size=1, max_size=3))
def test_any_change_builds_or_is_refused(changes: dict[str, Any]) -> None:
    try:
        data = changed(changes, EVERYTHING)
    except CaseError:  # one change removed what another one addresses
        return
    _builds_or_refuses(data)


def test_quantities_of_pint_are_taken() -> None:
    units = pint.UnitRegistry()
    changes = {"protocol.0.current_density": units.Quantity(3.0, "mA/cm^2"),
               "temperature": units.Quantity(30.0, "degC")}
    case = Case.load("sand").with_(changes)
    assert case.temperature == pytest.approx(303.15)
    assert case.to_dict()["protocol"][0]["current_density"] == "3 mA/cm^2"
    assert set(dir(fem)) == set(fem.__all__)
