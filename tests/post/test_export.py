"""Results for other programs hold what the run wrote; the browser shows what is asked for."""

from __future__ import annotations

import ast
import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import meshio
import numpy as np
import pytest

from fem import Case, CaseError
from fem.cli.main import main
from fem.post import browser
from fem.post.export import SCRIPT, export
from fem.results.result import Result

CASE = {
    "schema": 1, "title": "Li | film | salt | Li", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
    "geometry": {"family": "planar", "width": "20 um", "size": "5 um", "layers": [
        {"name": "block", "thickness": "10 um", "region": "host_block"},
        {"name": "free", "thickness": "20 um", "region": "electrolyte"}]},
    "regions": {"host_block": {"material": "Cu"}},
    "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "20 s"}],
    "output": {"figures": False, "fields_every": "10 s"},
}  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A block of copper below electrolyte, at three times."""
    return Case.from_dict(CASE).run(tmp_path_factory.mktemp("export") / "block")


def test_run_names_its_regions(result: Result) -> None:
    """Numbers of the field `region` have names, with the fields themselves."""
    assert set(result.regions) == {"host_block", "electrolyte"}
    assert result.declared["regions"] == result.regions
    assert set(result.array("region", block="solid")) == {result.regions["host_block"]}


def test_vtkhdf_holds_all_times(result: Result, tmp_path: Path) -> None:
    """VTK reads each field at each time, to the last bit."""
    import pyvista as pv
    from vtkmodules.vtkIOHDF import vtkHDFReader

    files = export(result.folder, "vtkhdf", tmp_path)
    assert [file.stem for file in files] == result.blocks == ["pore", "solid", "walls"]
    assert len(result.times) == 3
    for file in files:
        reader = vtkHDFReader()
        reader.SetFileName(str(file))
        reader.UpdateInformation()
        assert reader.GetNumberOfSteps() == 3
        for k, t in enumerate(result.times):
            reader.SetStep(k)
            reader.Update()
            grid = pv.wrap(reader.GetOutputDataObject(0))
            assert reader.GetTimeValue() == t
            assert np.array_equal(grid.points, result.points(file.stem, t))
            for name in result.fields(file.stem):
                nodal = result.center(name, file.stem) == "Node"
                data = grid.point_data if nodal else grid.cell_data
                assert np.array_equal(data[name], result.array(name, t, file.stem)), name


def test_vtu_tables_and_arrays_hold_the_same(result: Result, tmp_path: Path) -> None:
    """Values, units and names of regions arrive in every format."""
    import pyvista as pv

    export(result.folder, "vtu", tmp_path)
    reader = pv.get_reader(tmp_path / "pore.pvd")
    assert reader.time_values == result.times.tolist()
    reader.set_active_time_value(20.0)
    grid = reader.read()[0]
    assert np.array_equal(grid.point_data["c"], result.array("c"))
    about = json.loads((tmp_path / "about.json").read_text())
    assert (about["units"]["c"], about["regions"]) == ("mol/m^3", result.regions)

    for block in result.blocks:  # there and back by a reader that is not VTK's
        read = meshio.read(tmp_path / block / f"{block}_0002.vtu")
        (cells,) = read.cells
        assert np.array_equal(read.points, result.points(block))
        assert np.array_equal(cells.data, result.cells(block))
        for name in result.fields(block):
            nodal = result.center(name, block) == "Node"
            data = read.point_data[name] if nodal else read.cell_data[name][0]
            assert np.array_equal(data, result.array(name, 20.0, block)), name

    export(result.folder, "csv", tmp_path)
    with (tmp_path / "pore_nodes_0002.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["c [mol/m^3]"]) for row in rows] == result.array("c").tolist()
    assert [float(row["y [m]"]) for row in rows] == result.points()[:, 1].tolist()
    assert (tmp_path / "times.csv").read_text().splitlines()[-1] == "2,20.0"

    (one,) = export(result.folder, "npz", tmp_path)
    with np.load(one) as arrays:
        assert np.array_equal(arrays["pore/c"], [result.array("c", t) for t in result.times])
        assert np.array_equal(arrays["series/voltage"], result.series["voltage"])
        assert json.loads(str(arrays["units"]))["walls/i_n"] == "A/m^2"
        assert json.loads(str(arrays["regions"])) == result.regions


def test_some_fields_and_one_time(result: Result, tmp_path: Path) -> None:
    """Only what is asked for is written, and nothing over what is there."""
    files = export(result.folder, "vtu", tmp_path, fields=["i_n"], t=9.0)
    assert [file.name for file in files] == ["walls_0000.vtu", "walls.pvd", "about.json"]
    assert 'timestep="10.0"' in files[1].read_text()
    with pytest.raises(CaseError, match=r"walls_0000.vtu and 2 more already there; nothing"):
        export(result.folder, "vtu", tmp_path, blocks=["walls"], t=9.0)
    with pytest.raises(CaseError, match="no field 'phi_z'"):
        export(result.folder, "csv", tmp_path, fields=["phi_z"])
    with pytest.raises(CaseError, match="no block 'pores'; did you mean 'pore'"):
        export(result.folder, "npz", tmp_path, blocks=["pores"])


def test_the_command_says_which_time_it_writes(
    result: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(result.folder), "--format", "csv", "--field", "i_n"]
    assert main([*command, "--time", "9 s", "--out", str(tmp_path / "a")]) == 0
    assert "--time 9 s: not stored; written is the nearest that is, 10 s" in capsys.readouterr().out
    assert main([*command, "--time", "10 s", "--out", str(tmp_path / "b")]) == 0
    assert "not stored" not in capsys.readouterr().out


def test_the_mesh_of_a_result_is_inspected(
    result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(result.folder)]) == 0
    assert f"hash: {result.summary['mesh_hash']}\n" in capsys.readouterr().out


def test_a_time_may_have_its_unit(result: Result) -> None:
    """Seconds, text and quantities of pint are one time; text of another kind is refused."""
    t = result._read("pore")[1].t
    pint = __import__("pint").UnitRegistry()
    for time in (f"{t} s", f"{1e3 * t!r} ms", pint.Quantity(t / 60.0, "minute")):
        assert result.time(time) == result.time(t) == t
        assert result.metrics(time) == result.metrics(t)
    with pytest.raises(CaseError, match=r"^t: '5 um' is not a quantity in s"):
        result.time("5 um")


@pytest.mark.parametrize(("ask", "words"), [
    (lambda r: r.series["voltag"], "series.csv: no column 'voltag'; did you mean 'voltage'?"),
    (lambda r: r.summary["voltag"], "summary.json: no entry 'voltag'; did you mean 'voltage'"),
    (lambda r: r.metrics()["max_men"], ": no metric 'max_men'; did you mean 'max_mean'"),
    (lambda r: r.at([("5 um", "30 um")]), "points: [('5 um', '30 um')]: coordinates are numbers "),
    (lambda r: r.at([1e-6]), "points: an array of shape (1, 1); give (n, 2) or (n, 3)"),
    (lambda r: r.at([(5.0, 15.0)]), "which extends from (0, 0, 0) um to (20, 30, 0) um; the first "
     "is at (5e+06, 1.5e+07, 0) um (points are given in m)"),
    (lambda r: r.line((0, 0), "30 um"), "b: '30 um': coordinates are numbers in m"),
    (lambda r: r.line((0, 0), (0, 0, 1)), "line: ends of shapes (2,) and (3,)"),
])  # fmt: skip
def test_a_wrong_question_is_answered_with_the_way_out(
    result: Result, ask: Callable[[Result], object], words: str
) -> None:
    with pytest.raises(CaseError) as caught:
        ask(result)
    assert words in str(caught.value)


def test_a_time_after_the_end_is_none(
    result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results are asked for a time that there was not: it was answered with the last one."""
    end = result.end
    assert end == result.series["t"][-1]
    assert result.array("c", end * (1 + 1e-6)) == pytest.approx(result.array("c"))
    for t in (1.01 * end, 1e6, float("nan")):
        with pytest.raises(CaseError, match="is after its end, "):
            result.at([0.0, 0.0], t=t)
    with pytest.raises(CaseError, match="t = -5 s is before its beginning"):
        result.metrics(t=-5.0)
    assert main(["post", str(result.folder), "--time", "99 h"]) == 1
    assert main(["post", str(result.folder), "--field", "c", "--time", "99 h"]) == 1
    assert capsys.readouterr().err.count("t = 356400 s is after its end") == 2


def test_script_for_paraview_needs_nothing_of_ours(
    result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    """ParaView's own Python runs it: it imports the standard library and paraview only."""
    assert main(["export", str(result.folder), "--format", "paraview"]) == 0
    path = result.folder / SCRIPT
    assert capsys.readouterr().out == f"{path}\n"
    tree = ast.parse(path.read_text())
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert modules == {"json", "math", "os", "sys", "paraview"}


def test_script_for_paraview_finds_the_result_from_elsewhere(
    result: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(result.folder), "--format", "paraview"]
    assert main([*command, "--out", str(tmp_path / "x")]) == 0
    assert f"RESULT = {str(result.folder.resolve())!r}\n" in (tmp_path / "x" / SCRIPT).read_text()
    assert main([*command, "--field", "c"]) == 1
    assert "loads all of a result" in capsys.readouterr().err


SCENES = """
import json, sys
import numpy as np
from fem.post.browser import Scene
from fem.results.result import Result

scene = Scene(Result(sys.argv[1]), (300, 300))

def ink(*what, **how):
    span = scene.show(*what, **how)
    image = scene.plotter.screenshot(return_img=True).astype(int)
    coloured = (image.max(axis=2) - image.min(axis=2) > 40)[:, :240]  # left of the scale
    return [*span, int(coloured.sum())]

print("RESULT", json.dumps({
    "choices": scene.choices, "flat": scene.flat,
    "salt": ink("pore: c", 2), "start": ink("pore: c", 0),
    "half": ink("pore: c", 2, axis="y", at=2 / 3), "little": ink("pore: c", 2, within=(0.0, 20.0)),
    "walls": ink("walls: i_n", 2),
}))
"""


def test_scenes_show_field_time_clip_and_threshold(result: Result) -> None:
    """Coloured pixels are those of the cells that are asked for."""
    done = subprocess.run([sys.executable, "-c", SCENES, str(result.folder)], capture_output=True,
                          text=True, timeout=100, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.partition("RESULT ")[2])
    assert found["flat"] and found["choices"][:2] == ["pore: c", "pore: phi_l"]
    low, high, pixels = found["salt"]
    c = result.array("c") / 1000.0  # mol/L
    assert [low, high] == pytest.approx([c.min(), c.max()])
    assert pixels > 5000
    assert found["start"][0] == pytest.approx(found["start"][1])
    assert 0.4 * pixels < found["half"][2] < 0.6 * pixels  # the upper half of the pores is cut away
    assert 0.02 * pixels < found["little"][2] < 0.5 * pixels
    assert found["walls"][2] < 0.1 * pixels
    assert found["walls"][:2] == pytest.approx(
        sorted([result.array("i_n").min() * 1e-4, result.array("i_n").max() * 1e-4]))  # fmt: skip


def test_browser_says_what_it_lacks(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without trame the extra is named; without fields nothing is served."""
    monkeypatch.setitem(sys.modules, "trame.app", None)
    with pytest.raises(CaseError, match=r"needs trame.*extra `view`"):
        browser.serve(result.folder, 0)
    (tmp_path / "series.csv").write_text("t [s]\n")
    with pytest.raises(CaseError, match="no fields were written yet"):
        browser.serve(tmp_path, 0)
