"""Results side by side, and against curves of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from fem.base.errors import CaseError
from fem.cli.main import main
from fem.post.overlay import _wrapped, away
from fem.results.comparison import compare, errors
from fem.results.measured import Measured, read_measured


def result(folder: Path, voltage: float, salt: float) -> Path:
    """A folder with a summary and a series."""
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps(
        {"title": "made", "voltage": voltage, "c_min": salt, "metrics": {"gini": 0.25}}))
    t = np.linspace(0.0, 3600.0, 37)
    rows = [f"{a},{voltage + 1e-6 * a},{-10.0 * a}" for a in t]
    header = "t [s],voltage [V],charge [C/m^2]"
    (folder / "series.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_differences_below_three_times_the_error_are_none(tmp_path: Path) -> None:
    a, b = result(tmp_path / "a", -0.100, 900.0), result(tmp_path / "b", -0.102, 950.0)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "converge.json").write_text(json.dumps({
        "mesh": {"voltage": {"error": 0.008}, "c_min": {"error": 1e-3}},
        "time": {"voltage": {"error": 1e-3}}}))
    lines = {line.split()[0]: line.split()[1:] for line in compare([a, b], errors(tmp_path / "c"))}
    assert lines["voltage"] == ["-0.1", "-0.102", "none", "2.4e-02"]
    assert lines["c_min"][2:] == ["5.6e-02", "3.0e-03"]
    assert lines["metrics.gini"][2:] == ["0.0e+00", "not", "known"]
    with pytest.raises(CaseError, match=r"converge\.json: no answer"):
        errors(tmp_path)


def test_titles_of_narrow_maps_break_between_words() -> None:
    assert _wrapped("host_fill_3d, 30 min", 11) == ("host_fill_\n3d, 30 min", 1.0)
    assert _wrapped("electrodeposition, 2 h", 11) == ("electrodeposition,\n2 h", 11 / 18)


def test_what_a_rest_leaves_over_is_not_compared(tmp_path: Path) -> None:
    """Residuals of the solver differ by any factor; the charge that passed does not."""
    for name, left in (("a", 1e-12), ("b", -7e-11)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "series.csv").write_text(
            "t [s],voltage [V],current_density [A/m^2]\n0,-0.05,-10\n60,-0.06,-10\n"
            f"120,{left},{left}\n")
        (tmp_path / name / "summary.json").write_text(json.dumps({
            "title": "made", "voltage": left, "current_density": left, "charge": -600.0 + left,
            "share_by_region": {"host": 1e5 * left}, "voltage_parts": {"ohmic_l": -0.02 * left}}))
    both = [tmp_path / "a", tmp_path / "b"]
    lines = {line.split()[0]: line.split()[3:] for line in compare(both)}
    for name in ("voltage", "current_density", "share_by_region.host", "voltage_parts.ohmic_l"):
        assert lines[name] == ["at", "rest"]
    assert float(lines["charge"][0]) == pytest.approx(-1.2e-13, rel=0.1)
    text = (tmp_path / "a" / "series.csv").read_text()  # the cell that holds 1e-12 A/m2 is no rest
    for folder in both:
        (folder / "series.csv").write_text(text.replace("-10", "-1e-12"))
    assert "at rest" not in "\n".join(compare(both[:1] * 2))


@pytest.mark.parametrize("text", [
    "time (h), Cell voltage (mV)\n0, -100\n0.5, -98\n",
    "% Model: cell.mph\n% Date: today\n% t (s),V (V)\n0,-0.1\n1800,-0.098\n",
    "t/s;voltage/V;other\n0;-0.1;7\n1800;-0.098;8\n",
    "Capacity [mAh/cm2]\tE [V]\n0\t-0.1\n0.05\t-0.098\n",
    "# t (s)   voltage (V)\n0 -0.1\n1800 -0.098\n",
    "% Time (min),Cell potential (mV)\n0,-100\n30,-98\n",
    "Time (h);U (V)\n0,0;-0,1\n0,5;-0,098\n",
])
def test_files_of_cyclers_and_of_comsol_are_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(text)
    found = read_measured(tmp_path / "m.csv").columns
    assert found["voltage"] == pytest.approx([-0.1, -0.098])
    against = found["t"] if "t" in found else found["charge"]
    assert against == pytest.approx([0.0, 1800.0])  # s, C/m2


@pytest.mark.parametrize(("text", "words"), [
    ("t (s), voltage\n0,1\n", "has no unit; write `voltage (V)`"),
    ("t (s), voltage (A)\n0,1\n", "column 'voltage"),
    ("x (m), y (m)\n0,1\n", "none is a time or a charge"),
    ("0,1\n2,3\n", "no header line"),
    ("t (s);U (V)\n1.000,5;-0,1\n", "could not convert"),  # points between thousands
])
def test_wrong_files_are_refused_with_a_way_out(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(CaseError) as info:
        read_measured(tmp_path / "m.csv")
    assert words in str(info.value)


def test_charge_is_that_of_the_first_plating_without_rests() -> None:
    """Plated to 2 C/m2 with a rest at 1, then stripped: the voltages of the way back count not."""
    series = {"charge": -np.array([0.5, 1.0, 1.0, 1.5, 2.0, 1.5, 1.0, 0.5]),
              "voltage": np.array([-5.0, -10.0, 0.0, -15.0, -20.0, 30.0, 30.0, 30.0])}
    found = away(series, Measured("m", {"charge": np.array([0.75, 1.25, 1.75]),
                                        "voltage": np.array([-7.5, -12.5, -18.5])}))
    assert found == pytest.approx({"rms": 3**-0.5, "largest": 1.0, "points": 3.0})
    with pytest.raises(CaseError, match="runs forth and back; add a column of time"):
        away(series, Measured("m", {"charge": np.array([0.5, 1.5, 1.0]), "voltage": np.zeros(3)}))


def test_a_result_against_a_measured_curve(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = result(tmp_path / "a", -0.100, 900.0)
    file = tmp_path / "m.csv"
    file.write_text("time (min),voltage (mV)\n0,-101\n30,-99.2\n90,-50\n")  # the last is beyond
    from fem.results.result import Result

    found = away(Result(folder).series, read_measured(file))
    assert found == pytest.approx({"rms": 1e-3, "largest": 1e-3, "points": 2.0}, rel=1e-6)
    assert main(["compare", str(folder), str(file), "--out", str(tmp_path / "f")]) == 0
    said = capsys.readouterr().out
    assert "voltage differs by 0.001 V (rms), 0.001 V at most, at 2 points" in said
    image = imread(tmp_path / "f" / "curves.png")[:, :, :3]
    for colour in ((32, 86, 122), (200, 85, 61)):  # the line and the points
        assert (np.abs(255 * image - colour).max(axis=2) < 6).sum() > 40
    late = tmp_path / "late.csv"  # hours, where the cycler counted minutes
    late.write_text("time (h),voltage (mV)\n5,-101\n30,-99\n")
    assert main(["compare", str(folder), str(late), "--out", str(tmp_path / "g")]) == 1
    said = capsys.readouterr().err
    assert "late.csv: its times, 1.8e+04 to 1.08e+05 s, share none with those of the " in said
    assert "result, 0 to 3600 s; check the unit in its header" in said


def test_points_on_the_ends_of_a_curve_count() -> None:
    """Times of steps are sums: 0.64 s is 0.6400000000000001 s."""
    series = {"t": np.array([0.6400000000000001, 1.0, 3600.0]), "voltage": 0.1 * np.arange(1, 4)}
    times = np.array([0.5, 0.64, 3600.0000001, 3601.0])
    found = away(series, Measured("m", {"t": times, "voltage": np.full(4, 0.1)}))
    assert found["points"] == 2
    assert found["largest"] == pytest.approx(0.2)
