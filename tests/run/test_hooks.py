"""Own laws and physics, the tutorial, and the commands around results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot

from fem import Case
from fem.base.errors import CaseError, RunError
from tests.case.base import changed
from tests.conftest import ROOT

from .cases import GROWING, small

LAW = """
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.materials.ops import exp

def twice(eta, i0, alpha_a, alpha_c, T):
    f = FARADAY / (GAS_CONSTANT * T)
    return 2 * i0 * (exp(alpha_a * f * eta) - exp(-alpha_c * f * eta))

def restless(eta, i0, alpha_a, alpha_c, T):
    return i0 * (eta + 1)

def broken(eta, i0):
    return i0 * eta

def forgetful(eta, i0, alpha_a, alpha_c, T):
    i0 * eta
"""

PHYSICS = """
from dataclasses import dataclass
import ufl

@dataclass(frozen=True)
class Additive:
    '''An additive that the wall consumes at a rate proportional to its concentration.'''

    provides = ("additive",)
    needs = ("c",)

    def declare(self, s):
        part = s.unknowns["c"].part
        a = s.add("additive", part, differential=True, scale=1.0)
        a.value.x.array[:] = 1.0

    def rows(self, s):
        a, v, dx = s["additive"], s.test("additive"), s.domain.dx(["electrolyte"])
        F = 96485.33
        s.row("additive", F * (s.ddt(a) * v + 1e-2 * a * v) * dx)

def physics(case, domain):
    return [Additive()]
"""


def _with(tmp_path: Path, text: str, **changes: Any) -> Case:
    (tmp_path / "mine.py").write_text(text)
    return small(hooks={"module": str(tmp_path / "mine.py")}, **changes)


def _law(name: str) -> dict[str, Any]:
    return {"kinetics": [{"surface": "host_bottom", "law": name}], "study": "steady"}


def test_an_own_law_is_used(tmp_path: Path) -> None:
    """Twice Butler-Volmer is Butler-Volmer at twice the exchange current density."""
    entry = {"surface": "host_bottom", "i0": "10 A/m^2"}
    changes: dict[str, Any] = {"kinetics": [entry | {"law": "twice"}], "study": "steady"}
    own = _with(tmp_path, LAW, **changes).run(tmp_path / "a", hooks=True).summary
    changes["kinetics"] = [entry | {"i0": "20 A/m^2"}]
    plain = small(**changes).run(tmp_path / "b").summary
    # up to the conductance of the bare wall, 1e-4 of what i0 alone would give
    assert own["voltage"] == pytest.approx(plain["voltage"], rel=1e-4)
    changes["kinetics"] = [entry]
    single = small(**changes).run(tmp_path / "c").summary
    assert abs(own["voltage"]) < 0.9 * abs(single["voltage"])
    assert max(own["closures"].values()) < 1e-9


def test_an_entry_without_a_law_keeps_that_of_the_one_before() -> None:
    """A film on the collector does not bring Butler-Volmer back."""
    from fem.setup.reaction import reaction_of

    entries = [
        {"surface": "*", "law": "linear", "i0": "1 A/m^2"},
        {"surface": "collector", "film_resistance": "1e-3 ohm*m^2"},
    ]
    made = small(kinetics=entries)
    assert reaction_of(made, "collector", "Cu").law == "linear"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("twise", "kinetics.0.law: 'twise': no such law; did you mean 'twice'"),
        ("restless", "gives 1 A/m2 at eta = 0"),
        ("broken", "law 'broken' fails: TypeError"),
        ("forgetful", "law 'forgetful' returns None at eta = 0, not a number"),
    ],
)
def test_a_wrong_law_is_told(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=re.escape(reason)):
        _with(tmp_path, LAW, **_law(name)).run(tmp_path / "r", hooks=True)
    assert not (tmp_path / "r").exists()


def test_hooks_are_off_unless_they_are_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither checking nor running executes a line of the module, on the command line either."""
    mark = tmp_path / "executed"
    case = _with(tmp_path, f"open({str(mark)!r}, 'w')\n" + LAW, **_law("twice"))
    with pytest.raises(CaseError, match=r"hooks.module: .*mine.py.* allow it with --hooks"):
        case.run(tmp_path / "r")
    path = tmp_path / "c.toml"
    path.write_text(case.to_toml())
    assert _main("check", path) == 0
    for command in ("run", "converge"):
        assert _main(command, path, "--out", tmp_path / "r") == 1
        assert "this Python would be executed" in capsys.readouterr().err
    assert not mark.exists() and not (tmp_path / "r").exists()


def test_a_module_that_is_not_python(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="line 1"):
        _with(tmp_path, "def (:")
    with pytest.raises(CaseError, match="no such file"):
        small(hooks={"module": str(tmp_path / "nowhere.py")})


def test_the_module_is_part_of_the_physics(tmp_path: Path) -> None:
    first = _with(tmp_path, LAW).physics_hash()
    assert _with(tmp_path, LAW + "\nx = 1\n").physics_hash() != first


def test_own_physics_is_solved_and_written(tmp_path: Path) -> None:
    case = _with(tmp_path, PHYSICS, time__dt_max="5 s", time__tolerance=1e-5,
                 protocol=[{"step": "plate", "current_density": "1 mA/cm^2", "duration": "50 s"}])
    result = case.run(tmp_path / "r", hooks=True)
    assert "additive" in result.fields("pore")
    left = result.array("additive")
    assert left == pytest.approx(0.60653, rel=1e-3)  # exp(-0.5)


def _growing(tmp_path: Path, physics: str) -> Case:
    """Metal on all of a wall, and the user's physics."""
    (tmp_path / "mine.py").write_text(physics)
    return Case.from_dict(changed({
        "hooks": {"module": str(tmp_path / "mine.py")},
        "nuclei": None, "kinetics": None, "initial": {"metal_layer": "1 um"},
        "geometry.width": "0.8 um", "geometry.layers.1.thickness": "4 um",
        "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "100 s"}],
        "time": {"dt_max": "5 s", "tolerance": 1e-3},
    }, GROWING))  # fmt: skip


def test_own_physics_is_solved_in_a_growth_study(tmp_path: Path) -> None:
    """By Krylov methods; `test_own_physics_in_a_slot_of_its_own` leaves the choice."""
    case = _growing(tmp_path, PHYSICS).with_({"solver.kind": "iterative"})
    left = case.run(tmp_path / "r", hooks=True).array("additive")
    assert left == pytest.approx(0.36788, rel=2e-3)  # exp(-1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("", "nothing determines the unknown 'additive'"),
        ("s.row('aditive', a * v * dx)", "rows of no unknown: aditive; unknowns: phi_s, phi_l, c"),
    ],
)
def test_a_row_that_is_missing_or_of_nothing_is_told(
    row: str, reason: str, tmp_path: Path
) -> None:
    good = next(line for line in PHYSICS.splitlines() if "s.row(" in line)
    text = PHYSICS.replace(good, f"{good}\n        {row}" if row else "")
    with pytest.raises(RunError, match=re.escape(reason)):
        _with(tmp_path, text).run(tmp_path / "r", hooks=True)
    assert not (tmp_path / "r").exists()


def test_own_physics_in_a_slot_of_its_own(tmp_path: Path) -> None:
    """An unknown that follows the front is as exact as one solved with the potentials."""
    text = PHYSICS.replace("a = s.add(", "s.slot('film', after=('front',))\n        a = s.add(")
    text = text.replace("scale=1.0", "scale=1.0, slot='film'")
    result = _growing(tmp_path, text).run(tmp_path / "r", hooks=True)
    assert result.array("additive") == pytest.approx(0.36788, rel=2e-3)  # exp(-1)


def test_a_slot_that_nobody_declares_is_an_error(tmp_path: Path) -> None:
    text = PHYSICS.replace("scale=1.0", "scale=1.0, slot='fornt'")
    with pytest.raises(RunError, match="'fornt', which is not declared; did you mean 'front'"):
        _growing(tmp_path, text).run(tmp_path / "r", hooks=True)
    assert not (tmp_path / "r").exists()


def test_the_tutorial_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text()
    blocks = re.findall(r"```python *(\S*)\n(.*?)```", text, re.DOTALL)
    files = {name: body for name, body in blocks if name}
    for name, body in files.items():
        (tmp_path / name).write_text(body)
    script = "\n".join(body for name, body in blocks if not name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    exec(compile(script, "tutorial.md", "exec"), {"__name__": "__main__"})
    pyplot.close("all")
    voltage, c_top, *_ = capsys.readouterr().out.split()
    assert -0.2 < float(voltage) < 0.0
    assert float(c_top) > 1000.0
    assert (tmp_path / "profiles.png").stat().st_size > 5000


# -- commands ----------------------------------------------------------------------------------


def _main(*arguments: str | Path) -> int:
    from fem.cli.main import main

    return main([str(a) for a in arguments])


def test_converge_compare_post_view(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A salt layer that still grows: the voltage depends on mesh and step. Steps of one size, so
    # that meshes do not differ by the steps that the error control chose.
    case = small(geometry={"family": "planar", "length": "40 um", "size": "1 um"}, regions={},
                 protocol=[{"step": "plate", "current_density": "5 mA/cm^2", "duration": "2 s"}],
                 time={"dt0": "50 ms", "dt_max": "50 ms", "tolerance": 0.05})
    path = tmp_path / "c.toml"
    path.write_text(case.to_toml())
    assert _main("converge", path, "--quick", "--out", tmp_path / "k") == 0
    table = capsys.readouterr().out
    found = json.loads((tmp_path / "k" / "converge.json").read_text())
    assert found["mesh_cells"] == sorted(found["mesh_cells"])
    assert found["mesh"]["c_min"]["verdict"] == "converges"
    assert 1.5 < found["mesh"]["c_min"]["order"] < 2.5
    assert found["mesh"]["charge"]["verdict"] == "equal"
    assert {"values", "order", "limit", "error"} <= found["time"]["voltage"].keys()
    assert "c_min" in table and "order" in table
    assert len(list((tmp_path / "k").glob("*/summary.json"))) == 5

    assert _main("compare", tmp_path / "k" / "mesh_1", tmp_path / "k" / "mesh_3") == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("charge")]
    assert line.split()[1:4] == ["[C/m^2]", "-100", "-100"]
    assert _main("post", tmp_path / "k" / "mesh_3") == 0
    assert "salt.png" in capsys.readouterr().out
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _main("view", tmp_path / "k" / "mesh_3") == 0
    assert "pore.xdmf" in capsys.readouterr().out
    assert _main("compare", tmp_path, tmp_path) == 1


def test_converge_of_a_strip_that_is_one_cell_wide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its width stays; what is nothing but rounding is equal, and every number has its size."""
    layers = [{"name": "block", "thickness": "30 um", "region": "host_bottom"},
              {"name": "free", "thickness": "60 um", "region": "electrolyte"}]
    case = small(geometry={"family": "planar", "layers": layers, "size": "4 um"}, study="steady",
                 protocol=[{"step": "plate", "current_density": "2 mA/cm^2"}])
    path = tmp_path / "c.toml"
    path.write_text(case.to_toml())
    assert _main("converge", path, "--out", tmp_path / "k") == 0
    found = json.loads((tmp_path / "k" / "converge.json").read_text())
    assert found["mesh_cells"][0] < found["mesh_cells"][1] < found["mesh_cells"][2]
    rows = found["mesh"]
    for name in ("area_by_region.host_bottom", "current_by_region.host_bottom",
                 "current_by_third.middle", "current_by_third.bottom", "current_density"):
        assert rows[name]["verdict"] == "equal", name
    assert rows["area_by_region.host_bottom"]["values"][0] == pytest.approx(4e-6)
    assert rows["c_min"]["verdict"] == "converges"
    assert all(0.0 <= row["error"] <= 1.0 for row in rows.values())
    assert not re.search(r"e\+\d\d\d|nan|inf", capsys.readouterr().out)


#: Families that choose their cells themselves, small; the case gives no size.
SIZELESS: dict[str, dict[str, Any]] = {
    "aligned_channels": {"arrangement": "vertical", "sheet_thickness": "1 um", "spacing": "5 um",
                         "length": "20 um", "separator": "6 um"},
    "array": {"pitch": "10 um", "solid_fraction": 0.3},
    "laminate": {"layers": [{"region": "host_film", "thickness": "4 um"},
                            {"region": "electrolyte", "thickness": "20 um", "cells": 6}],
                 "width": "3 um"},
    "pore_array": {"layers": [{"name": "wood", "thickness": "20 um", "diameter": "5 um",
                               "pitch": "8 um"}], "width": "8 um", "separator": "5 um"},
    "rough": {"length": "20 um", "width": "20 um", "roughness": "0.5 um", "correlation": "5 um"},
    "tpms": {"surface": "gyroid", "kind": "network", "unit_cell": "20 um", "porosity": 0.5,
             "thickness": "20 um", "width": "20 um"},
}


@pytest.mark.parametrize("family", sorted(SIZELESS))
def test_every_family_refines_without_a_size(family: str, tmp_path: Path) -> None:
    """Twice as coarse and twice as fine as it would choose, in the same room."""
    from fem.mesh.domain import Domain
    from geometries import build
    from geometries.resolution import refined

    given = {"family": family, **SIZELESS[family]}
    built = [build(family, refined(given, f), tmp_path / str(f)) for f in (2.0, 1.0, 0.5)]
    own = build(family, given, tmp_path / "own")
    cells = [sidecar["cells"] for sidecar in built]
    assert cells[0] * 1.5 < cells[1] < cells[2] / 1.5
    assert cells[1] == pytest.approx(own["cells"], rel=0.05)
    tops = [Domain.read(tmp_path / name).extent[1] for name in ("own", "2.0", "0.5")]
    assert np.allclose(tops[1:], tops[0], rtol=1e-9, atol=0.0)


def test_a_cell_that_does_not_refine_is_said_before_anything_is_solved(tmp_path: Path) -> None:
    """Layers as thin as a cell: all three meshes are the same."""
    from fem.run.converge import converge

    layers = [{"name": f"l{k}", "thickness": "10 nm", "region": "electrolyte"} for k in range(4)]
    case = small(geometry={"family": "planar", "layers": layers, "size": "1 um", "width": "1 um"},
                 regions={}, study="secondary")
    with pytest.raises(CaseError, match=r"meshes have 8, 8, 16 cells.*nothing can be said"):
        converge(case, tmp_path / "k")
    assert not (tmp_path / "k").exists()


def test_converge_refines_an_own_mesh(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The given mesh is the coarsest of three; the salt at the foil converges with order 2."""
    import geometries

    flat = {"family": "planar", "length": "40 um", "width": "12 um", "size": "4 um"}
    geometries.build("planar", flat, tmp_path / "mesh")
    case = small(
        geometry=None, regions={}, mesh={"file": str(tmp_path / "mesh" / "mesh.msh"), "unit": "m"},
        protocol=[{"step": "plate", "current_density": "5 mA/cm^2", "duration": "2 s"}],
        time={"dt0": "50 ms", "dt_max": "50 ms", "tolerance": 0.05},
    )  # fmt: skip
    path = tmp_path / "c.toml"
    path.write_text(case.to_toml())
    assert _main("converge", path, "--quick", "--out", tmp_path / "k") == 0
    assert "refined as it is drawn: corners of curved walls stay" in capsys.readouterr().out
    found = json.loads((tmp_path / "k" / "converge.json").read_text())
    assert found["mesh_cells"] == [60, 240, 960]
    assert found["mesh"]["c_min"]["verdict"] == "converges"
    assert 1.5 < found["mesh"]["c_min"]["order"] < 2.5
    assert found["mesh"]["charge"]["verdict"] == "equal"
    assert len(list((tmp_path / "k").glob("*/summary.json"))) == 5
    fine = json.loads((tmp_path / "k" / "mesh_3" / "mesh.json").read_text())
    assert fine["boundaries"].keys() == {"collector", "counter", "sides"}
