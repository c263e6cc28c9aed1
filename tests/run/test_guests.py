"""A physics in the module of `[hooks]` is like any other: table, probes, columns, restart."""

from __future__ import annotations

import atexit
import json
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from fem.api import Case
from fem.base.errors import CaseError, Interrupted, RunError
from fem.case.schema import schema_text
from fem.results.result import Result, read_series
from fem.run.recorder import Tally
from fem.run.session import resume
from fem.run.signals import StopRequest
from fem.solver.options import Control, Outcome
from fem.solver.stage import Stage
from fem.solver.stepper import Step
from fem.study.own import Guarded
from fem.system.part import Event, Observer, check_needs
from fem.system.ports import PORTS
from fem.system.reports import FLOWS
from fem.system.slots import Slots
from fem.system.system import System
from tests.case.base import changed
from tests.conftest import ROOT, environment

from .cases import GROWING, SMALL, small, state_of

PAGE_FILE = ROOT / "docs" / "add-a-physics.md"
PAGE = PAGE_FILE.read_text()
#: What a reader of the page saves, and runs.
BLOCKS = dict(re.findall(r"```python *(\S*)\n(.*?)```", PAGE, re.DOTALL))
MODULE = Path(tempfile.mkdtemp(prefix="hostplate-guest-")) / "additive.py"
MODULE.write_text(BLOCKS["additive.py"])
atexit.register(shutil.rmtree, MODULE.parent, ignore_errors=True)
TABLE: dict[str, Any] = {"c0": "10 mmol/L", "D": "1e-10 m^2/s", "rate": "1 um/s"}
PROBES: list[dict[str, Any]] = [
    {"name": "here", "field": "additive", "point": ["10 um", "60 um"]},
    {"name": "wall", "field": "2*additive", "surface": "host_bottom"},
    {"name": "mean", "field": "additive", "volume": "electrolyte"},
    {"name": "profile", "field": "additive", "line": [["10 um", "30 um"], ["10 um", "80 um"]],
     "samples": 3},
]
STEP = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "30 s"}


def _guest(**changes: Any) -> Case:
    given: dict[str, Any] = {"additive": TABLE, "protocol": [STEP]}
    return small(**{"hooks": {"module": str(MODULE)}} | given | changes)


def _growing(**changes: Any) -> Case:
    """Metal on all of a wall, and the additive."""
    return Case.from_dict(changed({
        "hooks": {"module": str(MODULE)}, "additive": TABLE,
        "nuclei": None, "kinetics": None, "initial": {"metal_layer": "1 um"},
        "geometry.width": "0.8 um", "geometry.layers.1.thickness": "4 um",
        "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "20 s"}],
        "time": {"dt_max": "5 s", "tolerance": 1e-3}, **changes,
    }, GROWING))  # fmt: skip


# -- its table ---------------------------------------------------------------------------------


def _rows(*first: str) -> dict[str, list[str]]:
    """Rows of the table of the page whose head begins so, by their first entry."""
    lines = PAGE[PAGE.index(f"| {' | '.join(first)} |"):].split("\n\n")[0].splitlines()[2:]
    rows = ([part.strip() for part in line.strip("|").split("|")] for line in lines)
    return {name.strip("`"): rest for name, *rest in rows}


def _adding(call: str) -> set[str]:
    """Physics of this package whose code calls something."""
    files = (ROOT / "fem" / "physics").glob("*/*.py")
    return {file.parent.name for file in files if re.search(call, file.read_text())}


def test_the_page_names_every_port_with_its_unit_and_who_adds() -> None:
    ports, flows = _rows("port", "unit"), _rows("current", "positive")
    assert {name: row[0] for name, row in ports.items()} == PORTS
    assert flows.keys() == FLOWS.keys()
    for name, row in ports.items():
        who = {*row[2].replace("nobody yet", "").split(", ")} - {""}
        call = r"reports\.spend(_at_nodes|_by)?\("
        call = call if name == "spent" else rf'contribute\w*\(\s*"{name}"'
        assert who == _adding(call), name
    for name, row in flows.items():
        assert {*row[1].split(", ")} == _adding(rf'reports\.flow\([^)]*?"{name}"'), name


def test_the_page_shows_the_order_of_slots() -> None:
    """Slots as they are declared there: the additive follows the front, and heat is last."""
    s = SimpleNamespace(slots=Slots())
    System.slot(s, "front", after=("cell",))  # type: ignore[arg-type]
    System.slot(s, "settled", after=("front",))  # type: ignore[arg-type]
    System.slot(s, "heat", last=True)  # type: ignore[arg-type]
    System.slot(s, "additive")  # type: ignore[arg-type]
    for name in reversed(s.slots.after):
        s.slots.put(name, name)
    assert " -> ".join(name for (name,) in s.slots.plan()) in PAGE.splitlines()[
        next(k for k, line in enumerate(PAGE.splitlines()) if line.startswith("    cell -> "))]


def test_its_table_is_taken_unread_until_the_module_may_be_executed() -> None:
    case = _guest(additive=TABLE | {"rat": 3}, probe=PROBES)
    assert case.to_dict()["additive"] == TABLE | {"rat": 3}
    assert Case.from_dict(case.to_dict()) == case == pickle.loads(pickle.dumps(case))
    with pytest.raises(CaseError, match=r"additive.rat: 3: unknown name; did you mean 'rate'"):
        case.executed()
    with pytest.raises(CaseError, match=r"additve: .*unknown name; did you mean 'additive'"):
        small(hooks={"module": str(MODULE)}, additve=TABLE)
    with pytest.raises(CaseError, match="unknown name 'aditive'"):
        _guest(probe=[PROBES[0] | {"field": "aditive"}])


def test_all_its_problems_are_told_at_once_with_those_of_others() -> None:
    data = _guest().to_dict() | {"temperature": "3 K"}
    data["additive"] = {"c0": "10 um", "rate": "-1 um/s", "d": 1}
    with pytest.raises(CaseError) as caught:
        Case.from_dict(data, hooks=True)
    lines = str(caught.value).splitlines()
    for start in ("temperature: ", "additive.c0: '10 um'", "additive.rate: '-1 um/s'",
                  "additive.d: 1: unknown name; did you mean 'D'", "additive.D: missing; diffusiv"):
        assert any(line.startswith(start) for line in lines), (start, lines)


def test_its_check_and_its_studies() -> None:
    with pytest.raises(CaseError, match=r"additive.least: the run would end at once; it must be"):
        _guest(additive=TABLE | {"least": "1 mol/L"}).executed()
    reason = "additive: only for study = 'growth', 'steady' or 'tertiary', not 'secondary'"
    with pytest.raises(CaseError, match=reason):
        _guest(study="secondary").executed()


def test_it_is_written_and_read_back_in_si_with_its_defaults() -> None:
    case = _guest().executed()
    table: Any = case.additive  # type: ignore[attr-defined]
    assert table.c0 == 10.0 and table.rate == 1e-6 and case.table(type(table)) is table
    data = case.to_dict()
    assert data["additive"] == TABLE | {"rate": "1e-06 m/s"}
    again = Case.from_dict(data, hooks=True)
    assert again == case == pickle.loads(pickle.dumps(case))
    assert type(again) is type(case)
    assert case.with_({"additive.rate": "2 um/s"}).additive.rate == 2e-6  # type: ignore[attr-defined]


def test_only_its_free_keys_may_change_in_a_resumed_run() -> None:
    case = _guest().executed()
    assert case.with_({"additive.least": "1 mmol/L"}).physics_hash() == case.physics_hash()
    assert case.with_({"additive.rate": "2 um/s"}).physics_hash() != case.physics_hash()


def test_a_table_of_a_name_that_is_taken(tmp_path: Path) -> None:
    text = MODULE.read_text().replace('Physics(\n    "additive"', 'Physics(\n    "growth"')
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(CaseError, match=r"'growth' \(hooks.module .*mine.py'\): a case has a"):
        small(hooks={"module": str(tmp_path / "mine.py")}).executed()


def test_a_registered_table_is_listed_with_the_others() -> None:
    assert "additive.rate" not in schema_text()
    case = _guest().executed()
    assert "additive.rate" in schema_text(case.guests)


def test_checking_a_case_with_a_guest_imports_no_solver(tmp_path: Path) -> None:
    """Its declared half may stand beside its solved half: the text is read, not the module."""
    (tmp_path / "c.toml").write_text(_guest(probe=PROBES).to_toml())
    code = (
        "import sys; from fem.cli.main import main; main(['check', sys.argv[1]]); "
        "print([m for m in sys.modules if m.startswith(('dolfinx', 'petsc4py', 'ufl'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "c.toml")], env=environment(), check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_module_may_import_the_solver_first(tmp_path: Path) -> None:
    """Its libraries are loaded in their order, whichever it names first; in a fresh process."""
    (tmp_path / "mine.py").write_text("from dolfinx.fem import Constant\nfrom mpi4py import MPI\n")
    code = "import sys; from fem.case.hooks import load; load(sys.argv[1]).Constant"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "mine.py")],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# -- what it solves ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Result:
    result: Result = _growing().run(tmp_path_factory.mktemp("growing") / "whole", hooks=True)
    return result


@pytest.fixture(scope="module")
def tertiary(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("guest") / "r"
    case = _guest(probe=PROBES, output={"figures": True}, time={"dt_max": "2 s"})
    result: Result = case.run(folder, hooks=True)
    return result


def test_columns_reach_series_and_summary(tertiary: Result) -> None:
    series, units, summary = tertiary.series, tertiary.units, tertiary.summary
    assert units["additive_left"] == "mol/m^2" and units["additive_mean"] == "mol/m^3"
    assert series["additive_left"] == pytest.approx(series["additive_mean"] * 50e-6)  # its height
    assert summary["additive_mean"] == series["additive_mean"][-1]
    names = [*series]
    assert names.index("c_max") < names.index("additive_left") < names.index("balance")
    assert names.index("commanded") < names.index("additive_balance") < names.index("segment")


def test_its_balance_is_closed_and_judged(tertiary: Result, tmp_path: Path) -> None:
    assert 0.0 < tertiary.summary["closures"]["additive_balance"] < 1e-13
    text = MODULE.read_text().replace("self.used.begin(-", "self.used.begin(-1.001 * ")
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(RunError, match=r"balances do not close: additive_balance 1.00e-03, limit"):
        _guest(hooks__module=str(tmp_path / "mine.py")).run(tmp_path / "r", hooks=True)


def test_what_a_first_order_wall_consumes(tertiary: Result) -> None:
    """Quasi-steady: the mean falls by rate/height, less what diffusion to the wall holds back."""
    mean, t = tertiary.series["additive_mean"], tertiary.series["t"]
    height, D, r = 50e-6, 1e-10, 1e-6
    x = np.linspace(0.05, 1.5, 20000)  # roots of x tan x = r L/D, the slowest mode
    root = x[np.argmin(np.abs(x * np.tan(x) - r * height / D))]
    late = t > 15.0
    slope = np.polyfit(t[late], np.log(mean[late]), 1)[0]
    assert slope == pytest.approx(-(root**2) * D / height**2, rel=0.02)


def test_probes_read_it(tertiary: Result) -> None:
    last = tertiary.summary["probes"]
    assert tertiary.units["probe.here"] == "mol/m^3"
    assert last["mean"] == pytest.approx(tertiary.summary["additive_mean"], rel=1e-12)
    a, (x, y, _) = tertiary.array("additive"), tertiary.points("pore").T
    wall = np.flatnonzero(np.abs(y - 30e-6) < 1e-9)
    wall = wall[np.argsort(x[wall])]
    assert last["wall"] == pytest.approx(2 * np.trapezoid(a[wall], x[wall]) / 20e-6, rel=1e-9)
    rows = (tertiary.folder / "probes" / "profile.csv").read_text().splitlines()
    assert rows[0].endswith("profile [mol/m^3]")
    middle = tertiary.line((10e-6, 79.999e-6), (10e-6, 80e-6), "additive")[1][-1]
    assert float(rows[-1].split(",")[-1]) == pytest.approx(middle, rel=1e-9)


def test_events_are_told_once_and_end_the_run(tertiary: Result, tmp_path: Path) -> None:
    assert [e["event"] for e in tertiary.summary["events"]] == ["additive_low"]
    case = _guest(additive=TABLE | {"least": "8 mmol/L"}, time__dt_max="2 s")
    summary = case.run(tmp_path / "r", hooks=True).summary
    assert [e["event"] for e in summary["events"]] == ["additive_low", "additive_gone"]
    assert summary["events"][-1]["ends"] == "run" and summary["t"] < 30.0
    resume(tmp_path / "r", hooks=True, overrides=["additive.least=1 mmol/L"])
    summary = Result(tmp_path / "r").summary
    assert summary["t"] == 30.0 and [e["event"] for e in summary["events"]] == ["additive_low"]


def _module(folder: Path, *changes: tuple[str, str]) -> Path:
    """The module of the page with some text exchanged."""
    text = BLOCKS["additive.py"]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "changed.py").write_text(text)
    return folder / "changed.py"


def test_a_declared_kind_leaves_it_to_the_event_what_ends(tmp_path: Path) -> None:
    """The run ends, not only its protocol step; an end that no run knows is an error."""
    declared = '    events=(EventKind("additive_gone", "none is left"),),\n'
    kind = ("    figures=(", declared + "    figures=(")
    module = _module(tmp_path, kind, ("import Column,", "import Column, EventKind,"))
    rest = {"step": "rest", "duration": "10 s"}
    summary = _guest(
        hooks={"module": str(module)}, additive=TABLE | {"least": "8 mmol/L"},
        time__dt_max="2 s", protocol=[STEP, rest],
    ).run(tmp_path / "r", hooks=True).summary  # fmt: skip
    assert summary["events"][-1]["ends"] == "run" and summary["t"] < 30.0
    with pytest.raises(RunError, match=r"event 'gone': ends = 'runn'"):
        Event("gone", ends="runn")  # type: ignore[arg-type]


def test_a_record_that_cannot_be_read_as_text_is_resumed(tmp_path: Path) -> None:
    """A table and probes of a physics whose name is no plain string, if hooks may be executed."""
    module = _module(tmp_path, ('PHYSICS = Physics(\n    "additive",',
                                'NAME = "addi" + "tive"\nPHYSICS = Physics(\n    NAME,'))
    data = {"additive": TABLE, "protocol": [STEP], "probe": PROBES[:1],
            "hooks": {"module": str(module)}}
    case = Case.from_dict(json.loads(json.dumps(SMALL)) | data, hooks=True)
    case.run(tmp_path / "r", hooks=True)
    again = resume(tmp_path / "r", hooks=True, overrides=["protocol.0.duration=40 s"])
    assert again.summary["t"] == 40.0


def test_fields_have_units_and_figures(tertiary: Result) -> None:
    file = sorted((tertiary.folder / "fields").glob("pore_0*.h5"))[-1]
    with h5py.File(file) as h5:
        assert h5["additive"].attrs["unit"] == "mol/m^3" and h5["c"].attrs["unit"] == "mol/m^3"
    assert tertiary.declared["fields"]["additive"]["label"] == "additive $a$"
    assert (tertiary.folder / "figures" / "additive.png").stat().st_size > 5000


def test_in_a_steady_study(tmp_path: Path) -> None:
    """An additive that is consumed and never brought back is gone; its balance closes."""
    result = _guest(study="steady").run(tmp_path / "r", hooks=True)
    assert result.summary["additive_mean"] < 1e-6
    assert result.summary["closures"]["additive_balance"] < 1e-9


def test_in_a_study_without_time(tmp_path: Path) -> None:
    """A slot of its own is solved once, without storage; with the potentials nothing would move."""
    text = BLOCKS["additive.py"].replace("free=", "studies=frozenset({'secondary'}), free=")
    text = text.replace("abs(gap)", "0.0")  # without time there is no balance of contents
    (tmp_path / "mine.py").write_text(text)
    case = _guest(study="secondary", hooks__module=str(tmp_path / "mine.py"))
    assert case.run(tmp_path / "r", hooks=True).summary["additive_mean"] == pytest.approx(0.0)
    (tmp_path / "mine.py").write_text(text.replace('slot="additive", ', ""))
    with pytest.raises(CaseError, match="'secondary': is one solve without time, in which additi"):
        case.with_({"output.figures": False}).run(tmp_path / "s", hooks=True)
    assert not (tmp_path / "s").exists()


def test_in_a_growth_study(growing: Result) -> None:
    assert growing.series["additive_mean"][-1] < 0.9 * 10.0
    assert growing.summary["closures"]["additive_balance"] < 1e-12
    assert "additive" in growing.fields("pore")


# -- again, and on more ranks ------------------------------------------------------------------


SHIFTED = """
from fem.system.part import Part

class Shifted(Part):
    provides, needs = (), ("front",)

    def declare(self, s): pass

    def rows(self, s):
        for reaction in s.reactions:
            if reaction.drives:
                reaction.shifts["stress"] = {shift}

def physics(case, domain):
    return [Shifted()]
"""


def test_a_shift_of_the_overpotential_in_a_growth_study(tmp_path: Path) -> None:
    """Walls that forget their barrier plate by the shifted eta: V_shift is it, all else stays."""
    found = []
    for shift in (0.0, -5e-3):
        module = tmp_path / "mine.py"
        module.write_text(SHIFTED.format(shift=shift))
        case = _growing(**{
            "hooks": {"module": str(module)}, "additive": None, "initial": None,
            "protocol": [STEP | {"duration": "0.2 s"}],
        })  # fmt: skip
        found.append(case.run(tmp_path / str(shift), hooks=True).series)
    plain, shifted = found
    assert shifted["V_shift"] == pytest.approx(5e-3, abs=1e-9)
    for part, change in (("voltage", 5e-3), ("V_nucleation", 0.0), ("V_kinetic_plating", 0.0)):
        assert shifted[part] - plain[part] == pytest.approx(change, abs=1e-8), part
    assert plain["V_nucleation"][0] < -0.03  # there is a barrier


def test_a_shift_that_growing_metal_would_not_feel_is_refused(tmp_path: Path) -> None:
    """One of walls, in a study whose metal reacts node by node."""
    (tmp_path / "mine.py").write_text(ON_WALLS.format(shift=-5e-3))
    case = _growing(hooks={"module": str(tmp_path / "mine.py")}, additive=None)
    words = r"'stress' of the overpotential holds on walls only, .* 'front' is made node by node;"
    with pytest.raises(RunError, match=words):
        case.run(tmp_path / "r", hooks=True)


ON_WALLS = """
import ufl
from fem.system.part import Part

class OnWalls(Part):
    provides, needs = (), ("i_n",)

    def declare(self, s):
        s.shift("stress", lambda solid, liquid: ufl.as_ufl({shift}))

def physics(case, domain):
    return [OnWalls()]
"""


@pytest.mark.parametrize("study", ["secondary", "tertiary", "steady"])
def test_walls_take_shifts_of_the_overpotential(study: str, tmp_path: Path) -> None:
    """At a given current all that a constant shift changes is the voltage, and V_shift is it."""
    found = []
    for shift in (0.0, -5e-3):
        module = tmp_path / "mine.py"
        module.write_text(ON_WALLS.format(shift=shift))
        case = small(**{
            "hooks": {"module": str(module)}, "study": study,
            "protocol": [STEP | {"duration": "5 s"} if study == "tertiary" else
                         {"step": "plate", "current_density": "1 mA/cm^2"}],
        })  # fmt: skip
        found.append(case.run(tmp_path / str(shift), hooks=True).series)
    plain, shifted = ({k: v[-1] for k, v in series.items()} for series in found)
    assert plain["V_shift"] == pytest.approx(0.0, abs=1e-12)
    assert shifted["V_shift"] == pytest.approx(5e-3, abs=1e-9)
    assert shifted["voltage"] - plain["voltage"] == pytest.approx(5e-3, abs=1e-9)
    for part in ("V_kinetic_plating", "V_nucleation", "V_ohmic_l", "V_kinetic_counter"):
        assert shifted[part] == pytest.approx(plain[part], abs=1e-9), part


FOLLOWING = """
import ufl
from fem.system.part import Part

class Following(Part):
    provides, needs = (), ("i_n", "c")

    def declare(self, s):
        s.shift("activity", lambda solid, liquid: 0.5 * ufl.ln(liquid(s["c"]) / 1000.0))

def physics(case, domain):
    return [Following()]
"""


def test_a_shift_that_follows_an_unknown_is_part_of_newtons_method(tmp_path: Path) -> None:
    """The voltage changes by the shift, and Newton's method takes no more iterations."""
    (tmp_path / "mine.py").write_text(FOLLOWING)
    found = []
    for hooks in ({}, {"hooks": {"module": str(tmp_path / "mine.py")}}):
        case = small(**hooks, protocol=[STEP], probe=[
            {"name": "c_wall", "field": "c", "surface": "host_bottom"}])  # fmt: skip
        found.append(case.run(tmp_path / str(len(hooks)), hooks=bool(hooks)).series)
    plain, shifted = found
    assert shifted["newton"].sum() <= plain["newton"].sum() + 2
    shift = 0.5 * np.log(shifted["probe.c_wall"] / 1000.0)
    assert abs(shift[-1]) > 1e-3
    np.testing.assert_allclose(shifted["voltage"] - plain["voltage"], -shift, atol=1e-6)
    np.testing.assert_allclose(shifted["V_shift"], -shift, atol=1e-6)


def _stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    asked: Iterator[int] = iter(range(10**6))
    monkeypatch.setattr(
        StopRequest, "agreed", lambda self: signal.SIGUSR1 if next(asked) == steps else 0
    )


def test_a_restart_is_bitwise(
    growing: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With growing metal beside it."""
    _stop_after(monkeypatch, 3)
    with pytest.raises(Interrupted):
        _growing().run(tmp_path / "r", hooks=True)
    monkeypatch.undo()
    with pytest.raises(CaseError, match=re.escape("allow it with --hooks")):
        resume(tmp_path / "r")
    resume(tmp_path / "r", hooks=True)
    folders = growing.folder, tmp_path / "r"
    one, other = (read_series(folder / "series.csv") for folder in folders)
    for name, column in one.items():
        assert np.array_equal(column, other[name]), name
    first, second = (state_of(folder) for folder in folders)
    assert first.keys() == second.keys() and "0.charge.additive_used" in first
    assert all(np.array_equal(first[name], second[name]) for name in first)
    summaries = [Result(folder).summary for folder in folders]
    for name in ("additive_left", "additive_mean", "closures"):
        assert summaries[0][name] == summaries[1][name]


def solved(folder: str) -> dict[str, Any]:
    """The last row of the series (collective)."""
    _guest(time={"dt0": "1 s", "dt_max": "1 s", "tolerance": 0.05}).run(folder, hooks=True)
    return {name: float(column[-1]) for name, column in read_series(
        Path(folder) / "series.csv").items()}


def test_two_ranks_agree_with_one(tmp_path: Path, mpirun: Callable[..., Any]) -> None:
    one, two = solved(str(tmp_path / "1")), mpirun(2, solved, str(tmp_path / "2"))
    for name in ("additive_left", "additive_mean", "voltage", "c_min"):
        assert two[name] == pytest.approx(one[name], rel=1e-10), name
    assert two["additive_balance"] < 1e-12


@pytest.mark.parametrize("carried", ["inside", "nearest", ""])
def test_another_mesh_takes_over_what_a_field_says(carried: str, tmp_path: Path) -> None:
    """The additive's mean of the first run is that of the second at its start; or that of c0."""
    module = tmp_path / "mine.py"
    said = f'"additive balance", carried="{carried}")'
    module.write_text(BLOCKS["additive.py"].replace('"additive balance")', said))
    probes = [{"name": "mean", "volume": "electrolyte*", "field": "additive"}]
    more: dict[str, Any] = {"hooks__module": str(module), "probe": probes}
    first = _guest(**more).run(tmp_path / "a", hooks=True).series["probe.mean"][-1]
    assert first < 9.9
    short = [STEP | {"duration": "1 ms"}]
    second = _guest(
        **more, initial={"from": str(tmp_path / "a")}, geometry__size="4 um", protocol=short,
        time__dt0="1 ms",
    ).run(tmp_path / "b", hooks=True)  # fmt: skip
    found = second.series["probe.mean"][0]
    assert found == pytest.approx(first if carried else 10.0, rel=2e-3)
    (text,) = [w for w in second.summary["warnings"] if "initial state from" in w]
    assert "additive" in text
    assert ("as this case starts: additive" in text) != bool(carried)


SHAPES = """
import ufl
from fem.base.constants import FARADAY
from fem.contract.physics import Field, Physics
from fem.system.part import Observer

class Shapes(Observer):
    provides, needs = ("flow", "bowl"), ("phi_l",)

    def declare(self, s):
        part = s.unknowns["phi_l"].part
        s.slot("shapes")
        s.add("flow", part, slot="shapes", shape=(2,))
        s.add("bowl", part, slot="shapes", degree=2)

    def rows(self, s):
        y = 1e5 * ufl.SpatialCoordinate(s.domain.mesh)[1]
        dx = s.domain.dx(s.unknowns["phi_l"].part.regions, degree=4)
        for name, value in (("flow", ufl.as_vector((3 * y, 4 * y))), ("bowl", y**2)):
            s.row(name, FARADAY * ufl.inner(s[name] - value, s.test(name)) * s.domain.weight * dx)

PHYSICS = Physics(
    "shapes", "a vector and a field of degree 2", solver=lambda setup, table: [Shapes()],
    after=("ions", "metal"), fields=(Field("flow", "m/s", "flow"), Field("bowl", "m", "bowl")),
)
"""


def test_a_vector_and_a_field_of_degree_two_are_written_and_probed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SHAPES)
    places: list[dict[str, Any]] = [
        {"volume": "electrolyte"}, {"surface": "counter"}, {"surface": "host_bottom"},
        {"point": ["10 um", "61.3 um"]},
    ]  # fmt: skip
    probes = [
        {"name": f"{name}{k}", "field": field} | place
        for name, field in (("flow", "flow"), ("speed", "500000*y"), ("bowl", "bowl"),
                            ("square", "1e10*y^2"))
        for k, place in enumerate(places)
    ]  # fmt: skip
    step = STEP | {"duration": "0.1 s"}
    result = small(hooks={"module": str(tmp_path / "mine.py")}, protocol=[step], probe=probes).run(
        tmp_path / "r", hooks=True)  # fmt: skip
    y = 1e5 * result.points("pore")[:, 1]
    assert result.array("bowl") == pytest.approx(y**2, rel=1e-9)
    assert result.array("flow")[:, :2] == pytest.approx(np.outer(y, (3.0, 4.0)), rel=1e-9)
    last = {name: column[-1] for name, column in result.series.items()}
    for k in range(4):
        assert last[f"probe.flow{k}"] == pytest.approx(last[f"probe.speed{k}"], rel=1e-9)
        error = 1e-9 if k < 3 else 2e-2  # at a point it is linear between corners
        assert last[f"probe.bowl{k}"] == pytest.approx(last[f"probe.square{k}"], rel=error)


# -- the other methods of an observer ----------------------------------------------------------

WATCHER = """
from fem.system.part import Event, Observer
from fem.system.ports import PORTS
from fem.system.reports import FLOWS
from fem.system.slots import Slots
from fem.system.system import System

class Watcher(Observer):
    provides, needs, stopped = (), ("additive",), False

    def declare(self, s):
        self.s = s
        self.speed = s.memory("speed", s.unknowns["additive"].part)

    def rows(self, s):
        pass

    def share(self):
        return 0.5 if self.s.dt > 1.0 else None

    def show(self):
        self.speed.x.array[:] = self.s.t

    def summary(self):
        return {"watched": 3}

    def remarks(self, *, closely):
        yield ("watched", "seen closely") if closely else ("watched, built", "seen when built")

    def stuck(self):
        return STUCK

def physics(case, domain):
    return [Watcher()]
"""


def _watched(folder: Path, stuck: str = "None") -> Case:
    text = BLOCKS["additive.py"] + WATCHER.replace("STUCK", stuck)
    speed = 'Field("speed", "m/s", "speed $v$"), Field("additive"'
    (folder / "mine.py").write_text(text.replace('Field("additive"', speed))
    return _guest(hooks__module=str(folder / "mine.py"))


def test_an_observer_shortens_steps_shows_and_warns(tmp_path: Path) -> None:
    result = _watched(tmp_path).run(tmp_path / "r", hooks=True)
    assert result.series["dt"].max() <= 1.0 and result.series["rejected"].sum() > 0
    assert result.summary["watched"] == 3
    assert {"seen closely", "seen when built"} <= {*result.summary["warnings"]}
    assert result.array("speed") == pytest.approx(30.0, abs=0.0)


def _fails_at(monkeypatch: pytest.MonkeyPatch, t: float) -> None:
    solve = Stage.solve

    def fails(self: Stage, control: Control, scale: float) -> Outcome:
        found = solve(self, control, scale)
        if self.names != ("additive",) or self.system.t < t:
            return found
        self.system.unknowns["additive"].value.x.array[:] += 1.0
        self.residual()
        return Outcome(False, "too many iterations", 30, 60, 30, 1.0)

    monkeypatch.setattr(Stage, "solve", fails)


def test_an_observer_says_why_no_step_can_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is a way out in the error, beside the row; or a result."""
    _fails_at(monkeypatch, 1.0)
    words = r"additive has the largest residual \(additive balance\).*\. Add some more\. Refine the"
    with pytest.raises(RunError, match=words):
        _watched(tmp_path, '"Add some more"').run(tmp_path / "a", hooks=True)
    assert json.loads((tmp_path / "a" / "diagnosis.json").read_text())["row"] == "additive balance"
    summary = _watched(tmp_path, 'Event("stirred", {"rate": 2.0})').run(
        tmp_path / "b", hooks=True).summary
    assert [(e["event"], e["ends"]) for e in summary["events"]] == [("stirred", "run")]


@pytest.mark.parametrize("executed", [False, True])
@pytest.mark.parametrize(("other", "reason"), [
    ("physics = Physics(", "changed.py': makes the physics 'additive', but has no PHYSICS, the"),
    ("from elsewhere import PHYSICS\nOTHER = Physics(", ""),
])  # fmt: skip
def test_a_module_whose_physics_no_case_finds(
    other: str, reason: str, executed: bool, tmp_path: Path
) -> None:
    """The message has the way out, whether it may be executed or is only read."""
    module = _module(tmp_path, ("PHYSICS = Physics(", other))
    data = json.loads(json.dumps(SMALL)) | {"hooks": {"module": str(module)}, "additive": TABLE}
    if reason:
        with pytest.raises(CaseError, match=re.escape(reason)):
            Case.from_dict(data, hooks=executed)
    elif not executed:
        Case.from_dict(data)


def test_a_module_that_has_nothing_for_a_case(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("LIMIT = 3.0\n\n\ndef _law(): ...\n")
    with pytest.raises(CaseError, match=r"mine.py': has nothing for a case; give PHYSICS = Phys"):
        small(hooks={"module": str(tmp_path / "mine.py")})


def test_an_unknown_of_two_physics_names_both(tmp_path: Path) -> None:
    module = _module(tmp_path, ('s.add("additive", part', 's.add("c", part'))
    words = r"'c' is declared twice: by \w+ of physics 'ions' and by Balance of .*changed.py;"
    with pytest.raises(RunError, match=words):
        _guest(hooks={"module": str(module)}).run(tmp_path / "r", hooks=True)


def test_a_name_that_nothing_provides_names_the_part() -> None:
    part = type("Mine", (), {"provides": (), "needs": ("phi_L", "T"), "__module__": "mine"})()
    with pytest.raises(RunError, match=r"^Mine of mine needs 'phi_L', which .*; did you mean 'p"):
        check_needs([part], {"T": 298.0, "phi_l": 0.0})
    with pytest.raises(RunError, match=r"^Mine of mine needs 'T', which nothing provides here;"):
        check_needs([part], {"phi_L": 0.0})
    check_needs([part], {"T": 298.0, "phi_L": 0.0})


def test_a_mistyped_unit_is_the_fault_of_the_physics(tmp_path: Path) -> None:
    """Not of the case, whose value is sound."""
    module = _module(tmp_path, ('Quantity("m/s", ge=0)', 'Quantity("m/sec2nd", ge=0)'))
    words = r"^hooks.module: .*changed.py': physics 'additive': Additive.rate: .*; write an SI unit"
    with pytest.raises(CaseError, match=words):
        _guest(hooks={"module": str(module)}).executed()


@pytest.mark.parametrize("study", ["tertiary", "steady"])
def test_a_current_that_is_reported_but_not_imposed_names_who_reports_it(
    study: str, tmp_path: Path
) -> None:
    """A current of 0.1 A/m2 through walls, of 10 A/m2 that the protocol gives."""
    module = _module(tmp_path, (
        "        self.content = s.form(",
        '        s.reports.flow("cell", -0.1 / self.table.c0 * a("-") * weight * dS)\n'
        "        self.content = s.form(",
    ))
    step = {**STEP, "duration": None if study == "steady" else "1 s"}
    case = _guest(hooks={"module": str(module)}, study=study, protocol=[step])
    words = (r"reported is -10\.\S* A/m2, but -\S* A/m2 is imposed; 'cell' is reported by .*"
             r"Balance of \S*changed\.py: .* s\.drive\(form\)")
    with pytest.raises(RunError, match=words):
        case.run(tmp_path / "r", hooks=True)


@pytest.mark.parametrize("method", ["declare", "rows"])
def test_what_a_part_raises_names_the_part(method: str, tmp_path: Path) -> None:
    module = tmp_path / "broken.py"
    line = f"    def {method}(self, s: System) -> None:\n"
    module.write_text(MODULE.read_text().replace(line, line + "        1 / 0\n"))
    case = _guest(hooks={"module": str(module)})
    with pytest.raises(CaseError, match=rf"Balance\.{method} of .* fails: ZeroDivisionError"):
        case.run(tmp_path / "r", hooks=True)


@pytest.mark.parametrize(("line", "reason"), [
    ('row("additive", a * w * dx)', "row 'additive': .* lacks the test function of its row"),
    ('row("additive", a * v**2 * w * dx)', "row 'additive': .* UFL says: .* nonlinear operator"),
    ('row("additive", a * v * weight * dS)', "row 'additive': .* UFL says: .*must be restricted"),
    ('ports.contribute("heat", lambda u: a * w * dx)', "port 'heat': .* lacks the test function"),
    ('reports.spend("ohmic_l", lambda u: grad(a) * u * w * dx)',
     "part 'ohmic_l' of the voltage: .* ValueError: Can only integrate scalar"),
    ('drive(v * weight * dS)', "current that is imposed: .* UFL says: .*must be restricted"),
    ('form(a * v * weight * dS)', "a form of its own: .* UFL says: .*must be restricted"),
])
def test_a_form_that_ufl_refuses_is_a_message_that_names_part_and_row(
    line: str, reason: str, tmp_path: Path
) -> None:
    content = "        self.content = s.form("
    module = _module(tmp_path, (content, f"        s.{line}\n{content}"))
    with pytest.raises(CaseError, match=rf"^Balance of .*changed\.py: {reason}"):
        _guest(hooks={"module": str(module)}).run(tmp_path / "r", hooks=True)


def test_a_shift_that_is_no_number_names_its_part(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ON_WALLS.format(shift="ufl.grad(liquid(s['phi_l']))"))
    case = small(hooks={"module": str(tmp_path / "mine.py")}, study="secondary")
    with pytest.raises(RunError, match=r"^OnWalls of .*mine\.py: the shift 'stress' of .* shape"):
        case.run(tmp_path / "r", hooks=True)


@pytest.mark.parametrize("method", ["begin", "step", "events", "remarks", "share", "summary"])
def test_what_an_observer_raises_is_a_message_that_names_it(method: str, tmp_path: Path) -> None:
    case = _watched(tmp_path)
    broken = f"Watcher.{method} = lambda self, *a, **k: 1 / 0\n\ndef physics("
    module = tmp_path / "mine.py"
    module.write_text(module.read_text().replace("def physics(", broken))
    kind = CaseError if method == "begin" else RunError
    with pytest.raises(kind, match=rf"^Watcher\.{method} of .* fails: ZeroDivisionError: division"):
        case.run(tmp_path / "r", hooks=True)


@pytest.mark.parametrize(("method", "answer", "reason"), [
    ("step", None, "gives None; it must return its columns as a dict"),
    ("step", {"a": "3"}, "gives a = '3'; a column is one number"),
    ("step", {"a": None}, "gives a = None; a column is one number"),
    ("step", {"a": np.ones(2)}, "gives a = array([1., 1.]); a column is one number"),
    *(("share", value, f"gives {value!r}; it must be above 0 and below 1, or None")
      for value in (float("nan"), 0.0, 2, "half", np.ones(2))),
])  # fmt: skip
def test_an_answer_that_is_none_names_the_observer(method: str, answer: Any, reason: str) -> None:
    watcher = type("Watcher", (Observer,), {method: lambda *_: answer, "__module__": "mine"})()
    guarded = Guarded(watcher, SimpleNamespace(allgather=lambda problem: [problem]))
    with pytest.raises(RunError, match=re.escape(f"Watcher.{method} of mine {reason}")):
        getattr(guarded, method)(*(1.0,) * (method == "step"))


def test_answers_that_are_right_are_handed_on() -> None:
    numbers: dict[str, Any] = {"a": 1, "b": np.float64(2.0), "c": float("nan"), "d": np.array(3.0)}
    answers = {"step": lambda *_: numbers, "share": lambda _: np.float64(0.5)}
    good = type("Good", (Observer,), answers)()
    guarded = Guarded(good, SimpleNamespace(allgather=lambda problem: [problem]))
    assert guarded.step(1.0) is numbers and guarded.share() == 0.5


@pytest.mark.parametrize(("field", "provides", "reason"), [
    ("nothing", '("speed",)', r"^physics 'additive' .*makes the field 'nothing' that it declares"),
    ("speed", '("speed", "haste")', r"^Watcher of .*: provides 'haste' and defines nothing of"),
])  # fmt: skip
def test_what_is_declared_is_made(
    field: str, provides: str, reason: str, tmp_path: Path
) -> None:
    case, module = _watched(tmp_path), tmp_path / "mine.py"
    text = module.read_text().replace('Field("speed"', f'Field("{field}"')
    module.write_text(text.replace("stopped = ()", f"stopped = {provides}"))
    with pytest.raises(CaseError, match=reason):
        case.run(tmp_path / "r", hooks=True)


@pytest.mark.parametrize("per", ["corner", "point"])
def test_a_field_that_cannot_be_written_is_refused_at_once(per: str, tmp_path: Path) -> None:
    case, module = _watched(tmp_path), tmp_path / "mine.py"
    memory = 's.memory("speed", s.unknowns["additive"].part'
    module.write_text(module.read_text().replace(memory, f'{memory}, per="{per}"'))
    with pytest.raises(CaseError, match=r"its field 'speed' has values at points or corners of"):
        case.run(tmp_path / "r", hooks=True)
    assert not (tmp_path / "r").exists()


def test_a_closure_that_is_no_number_stays_one() -> None:
    step = Step(1.0, 1.0, 1, 0, 1, 0, 0.0, 0.0)
    tally = Tally()
    for value in (1e-12, float("nan"), 1e-12):
        tally.add(step, {"balance": value}, ["balance"])
    assert np.isnan(tally.worst["balance"])


def test_a_closure_below_zero_is_as_far_off_as_one_above() -> None:
    tally = Tally()
    tally.add(Step(1.0, 1.0, 1, 0, 1, 0, 0.0, 0.0), {"balance": -0.5}, ["balance"])
    assert tally.worst["balance"] == 0.5


def test_the_page_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "additive.py").write_text(BLOCKS["additive.py"])
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[""], PAGE_FILE.name, "exec"), {"__name__": "__main__"})
    mean, top, closure, event = capsys.readouterr().out.split()
    assert 5.0 < float(mean) < float(top) < 10.0
    assert float(closure) < 1e-12 and event == "additive_low"
    assert (tmp_path / "results" / "additive" / "figures" / "additive.png").stat().st_size > 5000
