"""Every rule between the tables of a case has a broken case, and none of them is forgotten.

`test_case.py` holds most of the table; here are the rules of growing metal, hooks and starts, names
that would lead out of the result folder, and the test that finds a rule without a broken case.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.case import checks
from fem.physics import electrons, ions
from fem.physics.metal import table as metal_table

from . import test_nuclei
from .base import changed
from .test_case import RULES, Rule

LAMBDA: dict[str, Any] = {"interface_width": "1 um"}
GROWTH: dict[str, Any] = {"study": "growth", "growth": LAMBDA}
HOST = "host_bottom"
OF_T = {"expression": "j*step(t - 50)", "j": "10 A/m^2", "unit": "A/m^2"}
MORE = [
    *(
        Rule({"study": study, "protocol": [{"step": "plate", "current_density": OF_T}]},
             f"depends on t, and a {study} study is one solve")
        for study in ("primary", "secondary", "steady")
    ),
    Rule(
        {"study": "secondary", "protocol": [{"step": "hold", "voltage": {
            "expression": "-v*step(t - 50)", "v": "10 mV", "unit": "V"}}]},
        "depends on t, and a secondary study is one solve; give one number",
    ),
    Rule({"study": "steady", "boundaries": {"sides": {"current_density": OF_T}}},
         "depends on t, and a steady study is one solve"),
    Rule({"study": "growth"}, "growth: missing; a growth study needs [growth] with interface_wid"),
    Rule(GROWTH | {"study": "tertiary"}, "growth: only for study = 'growth', not 'tertiary'"),
    Rule(
        GROWTH | {"initial": {"plated_charge": "1 C/m^2"}},
        "initial.plated_charge: a growth study has metal, not films; give metal_layer",
    ),
    Rule(
        GROWTH | {"initial": {"metal_layer": "-1 um"}},
        "initial.metal_layer: '-1 um': must be above 0 m; leave it out",
    ),
    Rule(
        GROWTH | {"kinetics": [{"surface": HOST, "wall": "nucleating", "q_cov": "1 C/m^2"}]},
        "kinetics.0.q_cov: only for a film wall",
    ),
    Rule(
        GROWTH | {"kinetics": [{"surface": "metal", "i0": {
            "expression": "k*(1 + x/w)", "k": "10 A/m^2", "w": "1 m", "unit": "A/m^2"}}]},
        "kinetics.0.i0: depends on x, but metal on metal has one i0",
    ),
    Rule({"initial": {"metal_layer": "1 um"}}, "initial.metal_layer: only in a growth study"),
    Rule(
        {"study": "secondary", "initial": {"c": {
            "along": "y", "at": ["0 um", "1 mm"], "values": ["1 mol/L", "2 mol/L"]}}},
        "initial.c: varies in space, and a secondary study has one concentration everywhere",
    ),
    Rule(
        {"geometry": {"family": "planar", "length": "50 um", "size": "1 um"},
         "regions": {"electrolyte": {
            "kappa": {"along": "depth", "at": ["0 um", "1 mm"], "values": ["1 S/m", "2 S/m"]}}}},
        "regions.electrolyte.kappa: depends on depth, which does not exist; the mesh has no host",
    ),
    Rule({"kinetics": [{"surface": HOST, "wall": "film"}]}, "kinetics.0.wall: only in a growth st"),
    Rule(
        {"kinetics": [{"surface": HOST, "contact_angle": "60 deg"}]},
        "kinetics.0.contact_angle: only in a growth study",
    ),
    Rule(
        GROWTH | {"growth": LAMBDA | {"anisotropy": 0.07}},
        "growth.anisotropy: 0.07: must be below 1/15; above it faces along <10> have negative",
    ),
    Rule(
        GROWTH | {"growth": LAMBDA | {"anisotropy": "-1 %"}},
        "growth.anisotropy: '-1 %' is out of range: must be at least 0",
    ),
    Rule(
        GROWTH | {"growth": LAMBDA | {"kinetic_anisotropy": 0.6}},
        "growth.kinetic_anisotropy: 0.6: must be below 0.6; above it i0 along <111>",
    ),
    Rule(
        GROWTH | {"growth": LAMBDA | {"displacement": "none", "ion_volume": 0.2}},
        "growth.ion_volume: nothing depends on it where displacement = 'none'",
    ),
    Rule(
        GROWTH | {"growth": LAMBDA | {"crystal_angle": "30 deg"}},
        "growth.crystal_angle: nothing depends on it; give anisotropy or kinetic_anisotropy",
    ),
    Rule(
        GROWTH
        | {"growth": LAMBDA | {"anisotropy": 0.05, "crystal_angle": "30 deg"}}
        | {"geometry.axisymmetric": True},
        "growth.crystal_angle: in an axisymmetric cell the crystal axes are those of r and z",
    ),
    Rule(
        {"initial": {"from": ".", "c": "1 mol/L"}},
        "initial.c: the result named in initial.from already contains it; keep one of them",
    ),
    Rule(
        {"probe": [{"name": "a", "field": "c", "line": [["0 m", "0 m"], ["0 m", "0 m", "1 m"]]}]},
        "probe.0.line: its two points have different numbers of coordinates",
    ),
    Rule({"nuclei": [test_nuclei.PLACES]}, "nuclei: only for study = 'growth', not 'tertiary'"),
    Rule(
        GROWTH | {"nuclei": [test_nuclei.PLACES]},
        "nuclei.0.surface: 'collector': no [[kinetics]] entry says wall = 'nucleating'",
    ),
    Rule({"hooks": {"module": "nowhere.py"}}, "nowhere.py': no such file"),
    Rule({"hooks": {"module": "broken.py"}}, "broken.py': is not Python: line 1"),
    Rule(
        {"kinetics": [{"surface": HOST, "law": "butler_volmr"}]},
        "kinetics.0.law: 'butler_volmr': no such law; did you mean 'butler_volmer'?",
    ),
    Rule({"materials": {"my": {"kind": "solid", "sigma": {3: 4}}}}, "sigma: 3: names must be text"),
    # names that would become files or folders
    Rule(
        {"probe": [{"name": "../out", "field": "c", "surface": "collector"}]},
        "probe.0.name: '../out'",
    ),
    Rule({"probe": [{"name": "/tmp/x", "field": "c", "surface": "collector"}]}, "probe.0.name"),
    Rule({"probe": [{"name": "a\n", "field": "c", "surface": "collector"}]}, "probe.0.name: 'a"),
    Rule({"probe": [{"name": "x" * 61, "field": "c", "surface": "collector"}]}, "probe.0.name"),
    Rule(
        {"hooks": {"module": "broken.py", "sha256": "0" * 64}},
        "broken.py is not the file that this case was run with (SHA-256 000000000000..., now",
    ),
    Rule(
        {"geometry": None, "mesh": {"file": "broken.py", "unit": "um"}},
        "mesh.file: 'broken.py': no format of this ending is read",
    ),
    Rule(
        {"protocol": [{"step": "plate", "capacity": "1 C/m^2", "current_density": {
            "expression": "j*exp(0 - t/s)", "unit": "A/m^2", "j": "0.5 A/m^2", "s": "1 s"}}]},
        "protocol.0.capacity: 1 C/m^2: never reached: the current given comes to 0.5 C/m^2",
    ),
    Rule({"metal": "../../Li"}, "metal: '../../Li'"),
    Rule({"electrolyte": "a/b"}, "electrolyte: 'a/b'"),
    Rule({"materials": {"../my": {"kind": "solid", "sigma": "1 S/m"}}}, "materials.../my"),
    Rule({"geometry.family": "../planar"}, "geometry.family: '../planar': no such family"),
    Rule({"regions.../x": {"material": "Cu"}}, "regions."),
    Rule(
        {"regions": {HOST: {"material": "Cu", "kappa_along": [1.0, -1.0]}}},
        "regions.host_bottom.kappa_along: (1.0, -1.0): must be above 0, all of them",
    ),
    Rule(
        {"regions": {HOST: {"material": "Cu", "porosity": 0.5, "kappa_along": [1.0, 2.0]}}},
        "regions.host_bottom.kappa_along: only for solids that conduct ions",
    ),
    Rule(
        {"study": "map", "regions": {HOST: {"material": "Cu", "kappa_along": [1.0, 2.0]}}},
        "regions.host_bottom.kappa_along: maps take one number for each region",
    ),
]  # fmt: skip


def _problems(rule: Rule, folder: Path) -> list[str]:
    (folder / "broken.py").write_text("def (:\n")
    data = changed({k: v for k, v in rule.changes.items() if not k.startswith("regions...")})
    if "regions.../x" in rule.changes:
        data["regions"]["../x"] = rule.changes["regions.../x"]
    with pytest.raises(CaseError) as caught:
        Case.from_dict(data, folder=folder)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("rule", MORE, ids=[rule.reason[:40] for rule in MORE])
def test_each_rule(rule: Rule, tmp_path: Path) -> None:
    problems = _problems(rule, tmp_path)
    assert any(rule.reason in line for line in problems), problems
    assert len(problems) <= 3, problems


def test_a_wrong_growth_section_is_not_called_missing(tmp_path: Path) -> None:
    rule = Rule(GROWTH | {"growth": LAMBDA | {"ion_volume": 2.0}}, "")
    (problem,) = _problems(rule, tmp_path)
    assert problem.startswith("growth.ion_volume: 2.0 is out of range: must be at most 1")


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(CaseError, match="a case is a table of names and values, got list"):
        Case.from_dict([])  # type: ignore[arg-type]


def test_no_rule_is_without_a_broken_case(tmp_path: Path) -> None:
    """Every line that reports a problem of tables with each other is reached by the rules here."""
    files = [str(module.__file__) for module in (checks, metal_table, ions, electrons)]
    seen: set[tuple[str, int]] = set()
    monitor, tool = sys.monitoring, sys.monitoring.PROFILER_ID

    def note(code: Any, line: int) -> Any:
        if code.co_filename in files:
            seen.add((code.co_filename, line))
        return monitor.DISABLE

    monitor.use_tool_id(tool, "rules")
    try:
        monitor.register_callback(tool, monitor.events.LINE, note)
        monitor.set_events(tool, monitor.events.LINE)
        for rule in [*RULES, *MORE]:
            _problems(rule, tmp_path)
        (table,) = test_nuclei.test_a_wrong_entry_is_refused.pytestmark
        for entry, _ in table.args[1]:
            with pytest.raises(CaseError):
                Case.from_dict(test_nuclei.growing(entry))
    finally:
        monitor.set_events(tool, 0)
        monitor.free_tool_id(tool)
    rules = {
        (file, node.lineno) for file in files
        for node in ast.walk(ast.parse(Path(file).read_text()))
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.JoinedStr | ast.Constant)
    }  # fmt: skip
    assert len(rules) > 40
    assert sorted(rules - seen) == []
