"""Figures that are asked for by name: colours, profiles, movies; and results as objects."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

import fem
from fem.base.errors import CaseError
from fem.base.folder import write_json
from fem.cli.main import main
from fem.compat import MPI
from fem.files.fields import _BlockFile
from fem.post.overlay import maps
from fem.post.plot import cut, depth_profile, movie, profile
from fem.results.result import Result
from tests.post.test_metrics import UM, sheet


@pytest.fixture
def result(tmp_path: Path) -> Result:
    """Salt that is even at first and then falls linearly from 1.4 to 1 mol/L over 40 um."""
    return salt_in(tmp_path, 20 * UM)


def salt_in(tmp_path: Path, width: float) -> Result:
    """Result with that salt, of a cell so wide, m."""
    (tmp_path / "fields").mkdir(parents=True)
    cells, points = sheet(8, width, 0.0, 40 * UM)
    file = _BlockFile(tmp_path / "fields" / "pore", "pore", cells, points, {}, False)
    for t, slope in ((0.0, 0.0), (60.0, 0.5e7), (120.0, 1e7)):
        file.append(t, {"c": ("Node", 1e3 + slope * points[:, 1])})
    write_json(MPI.COMM_SELF, tmp_path / "mesh.json", {"host": {"top": 30 * UM, "bottom": 0.0}})
    write_json(MPI.COMM_SELF, tmp_path / "summary.json",
               {"title": "Fall <of> salt", "study": "tertiary", "t": 120.0,
                "voltage": -0.05, "metrics": {}})
    rows = [f"{t},{-0.05}" for t in (0.0, 60.0, 120.0)]
    (tmp_path / "series.csv").write_text("\n".join(["t [s],voltage [V]", *rows]) + "\n")
    return Result(tmp_path)


def test_a_figure_is_saved_with_its_bar_and_its_caption(result: Result, tmp_path: Path) -> None:
    """`result.plot("c").savefig(file)` as one writes it, without a word on boxes."""
    figure = result.plot("c", t=120.0)
    figure.savefig(tmp_path / "c.png", dpi=100)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    with Image.open(tmp_path / "c.png") as image:
        assert image.width == pytest.approx(100 * (box.width + 0.16), abs=3)
        ink = np.asarray(image.convert("L"))
    assert (ink[:, -6:] == 255).all() and (ink[-6:] == 255).all()  # nothing is cut
    assert box.y0 < 0.0  # the caption lies below the page: it would be


def test_a_linear_field_is_linear_over_depth(result: Result) -> None:
    depth, c = depth_profile(result, "c", 120.0)
    on = np.isfinite(c)
    assert on.sum() > 10
    assert c[on] == pytest.approx(1e3 + 1e7 * (30 * UM - depth[on]), rel=1e-12)
    figure = profile(result, "c", (0.0, 120.0))
    first, last = figure.axes[0].lines
    assert first.get_ydata() == pytest.approx(np.ones(len(first.get_ydata())))  # mol/L
    assert (last.get_label(), last.get_ydata().max() > 1.35) == ("2 min", True)


def test_colours_keep_to_given_limits(result: Result, tmp_path: Path) -> None:
    """With 1 and 3 mol/L as ends the picture ends at a fifth of the colours."""
    limits = result.plot("c", limits=(1000.0, 3000.0)).axes[0].collections[-1].get_clim()
    assert limits == pytest.approx((1.0, 3.0))
    command = ["post", str(result.folder), "--field", "c"]
    assert main([*command, "--limits", "1 mol/L,3 mol/L"]) == 0
    image = 255 * imread(result.folder / "figures" / "c.png")[:, :, :3]
    image = image[:, : 2 * image.shape[1] // 3]  # without the bar

    def pixels(colour: tuple[int, int, int]) -> int:
        return int((np.abs(image - colour).max(axis=2) < 4).sum())

    assert pixels((68, 1, 84)) > 1000  # 1 mol/L
    assert pixels((253, 231, 36)) == 0  # 3 mol/L: on the bar only
    assert main([*command, "--format", "svg"]) == 0
    assert "t = 2 min" in (result.folder / "figures" / "c.svg").read_text()  # text stays text
    assert main([*command, "--out", "c.pdf"]) == 1  # names the file of a movie


def test_axes_of_curves_keep_to_given_limits(
    result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    """Limits of a column, a line and a profile are ends of the axis; none is passed over."""
    drawn = [
        cut(result, "c", (0.0, 0.0), (0.0, 40 * UM), (), (3000.0, 500.0)),
        profile(result, "c", (), (500.0, 3000.0)),
    ]
    for figure in drawn:
        assert figure.axes[0].get_ylim() == pytest.approx((0.5, 3.0))  # mol/L
    axis = result.plot("voltage", limits=(-0.1, 0.2)).axes[0]
    assert axis.get_ylim() == pytest.approx((-100.0, 200.0))  # mV
    command = ["post", str(result.folder), "--limits"]
    for more, words in (
        (["0 V,1 V"], "--limits: of what? add --field"),
        (["0 V,1 V", "--field", "c"], "--limits of c: '0 V' is not a quantity in mol/m^3"),
    ):
        assert main([*command, *more]) == 1
        assert words in capsys.readouterr().err


def test_a_narrow_strip_beside_a_host_is_widened_and_says_so(result: Result) -> None:
    """1 um by 40 um is drawn 1 to 3, the host of 20 um by 40 um to scale."""
    narrow = salt_in(result.folder / "narrow", 1 * UM)
    figure = maps([result, narrow], ["host", "strip"], "c", None)
    figure.draw_without_rendering()
    boxes = [ax.get_window_extent() for ax in figure.axes[:2]]
    assert [b.height / b.width for b in boxes] == pytest.approx([2.0, 3.0], rel=0.01)
    words = [ax.get_tightbbox().x0 for ax in figure.axes[:2]] + [boxes[0].x1]
    assert words[0] < words[2] < words[1]  # no label of the strip on the host
    assert figure.texts[-1].get_text() == "one scale of colours for all · strip: not to scale"
    other = salt_in(result.folder / "other", 1 * UM)
    names = [f"sigma={k}0Sm_exp…482{k}3_c1a7557{k}" for k in "12"]
    figure = maps([narrow, other], names, "c", None)
    figure.draw_without_rendering()
    titles = [ax.title.get_window_extent() for ax in figure.axes[:2]]
    bar = figure.axes[2].get_tightbbox()
    assert titles[0].x1 < titles[1].x0 and titles[1].x1 < bar.x1


def test_a_movie_has_a_frame_for_each_time(result: Result, tmp_path: Path) -> None:
    with Image.open(movie(result, "c", tmp_path / "c.gif")) as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]
    command = ["post", str(result.folder), "--movie", "c", "--out", str(tmp_path / "own.gif")]
    assert main([*command, "--limits", "1 mol/L,3 mol/L"]) == 0
    with Image.open(tmp_path / "own.gif") as film:
        film.seek(2)  # 1 to 1.4 mol/L: a fifth of the colours, the yellow of 3 mol/L on the bar
        image = np.asarray(film.convert("RGB"), dtype=float)
    image = image[:, : 2 * image.shape[1] // 3]
    assert (np.abs(image - (68, 1, 84)).max(axis=2) < 8).sum() > 500
    assert (np.abs(image - (253, 231, 36)).max(axis=2) < 8).sum() == 0
    with pytest.raises(CaseError, match=r"a movie is a \.gif or a \.mp4"):
        movie(result, "c", tmp_path / "c.png")
    with pytest.raises(CaseError, match=r"no field 'c.gif'; known: 'c'"):
        movie(result, "c.gif", tmp_path / "c.gif")


def test_what_is_not_there_is_refused_with_the_nearest(result: Result) -> None:
    with pytest.raises(CaseError, match="no column or field 'voltag'; did you mean 'voltage'"):
        result.plot("voltag")


def test_results_and_cases_show_themselves(
    result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Fall <of> salt; tertiary; 3 steps to t = 120 s; -50 mV" in str(result)
    assert "Fall &lt;of&gt; salt" in result._repr_html_()
    case = fem.load("sand")
    assert repr(case) == "Case(\"Sand's time: depletion above the limiting current\", tertiary, " \
                         "Li from ideal)"
    assert case._repr_html_().startswith("<pre>Sand")
    assert fem.list_cases()["sand"] == case.title
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(CaseError, match="to_xarray: needs xarray"):
        result.to_xarray()


def test_a_series_becomes_a_dataset(result: Result) -> None:
    xarray: Any = pytest.importorskip("xarray")
    found = result.to_xarray()
    assert isinstance(found, xarray.Dataset)
    assert found["voltage"].attrs["units"] == "V"
    assert found["voltage"].sel(t=60.0) == -0.05


def test_capacity_counts_from_each_turn_of_the_current(result: Result) -> None:
    """2, -1.5 and 1 mAh/cm2 with a rest between: three curves, each without the voltage
    before its turn."""
    charge = 36000.0 * np.array([0.0, -1.0, -2.0, -2.0, -1.0, -0.5, -1.5])
    volts = [-0.02, -0.03, -0.04, 0.0, 0.01, 0.02, -0.05]
    rows = [f"{60 * k},{v},{q}" for k, (v, q) in enumerate(zip(volts, charge, strict=True))]
    (result.folder / "series.csv").write_text(
        "\n".join(["t [s],voltage [V],charge [C/m^2]", *rows]) + "\n")
    (ax,) = Result(result.folder).plot("voltage", against="charge").axes
    assert [line.get_xdata().tolist() for line in ax.lines] == [
        pytest.approx(x) for x in ([0.0, 1.0, 2.0], [1.0, 1.5], [1.0])]
    assert ax.lines[0].get_ydata() == pytest.approx([-20.0, -30.0, -40.0])
    assert [line.get_label() for line in ax.lines] == ["1: plating", "1: stripping", "2: plating"]
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--", "-"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("capacity (mAh/cm²)", "voltage (mV)")
    assert main(["post", str(result.folder), "--against", "charge"]) == 0
    assert (result.folder / "figures" / "voltage_over_capacity.png").is_file()


def test_a_series_without_charge_has_no_capacity(result: Result) -> None:
    with pytest.raises(CaseError, match="no charge that flows; draw voltage against time"):
        result.plot("voltage", against="charge")


def test_a_cut_line_shows_the_field_at_each_time(
    result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 mol/L, and 1 to 1.4 mol/L upwards at the end; nothing above the cell."""
    figure = cut(result, "c", (10 * UM, 0.0), (10 * UM, 50 * UM), (0.0, 120.0))
    first, last = figure.axes[0].lines
    x, inside = last.get_xdata(), last.get_xdata() < 40.0
    assert first.get_ydata()[inside] == pytest.approx(1.0)
    assert last.get_ydata()[inside] == pytest.approx(1.0 + 0.01 * x[inside])
    assert np.isnan(last.get_ydata()[x > 40.1]).all()
    assert [first.get_label(), last.get_label()] == ["0 s", "2 min"]
    command = ["post", str(result.folder), "--field", "c", "--time", "0 s,1 min,2 min", "--line"]
    assert main([*command, "10 um,0,10 um,40 um"]) == 0
    assert (result.folder / "figures" / "c_along_line.png").is_file()
    assert main([*command, "90 um,0,90 um,40 um"]) != 0
    assert "the line meets no cell with c; the cell lies from" in capsys.readouterr().err
    command[5] = "0 s,50 s"
    assert main([*command, "10 um,0,10 um,40 um"]) == 0
    assert "--time 50 s: not stored; drawn is the nearest that is, 60 s" in capsys.readouterr().out
    assert main(command[:-1]) != 0
    assert "a map has one" in capsys.readouterr().err
