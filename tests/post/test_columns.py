"""Cells one mesh cell wide: their figures are curves, whose numbers are those of the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.folder import write_json
from fem.compat import MPI
from fem.files.fields import _BlockFile
from fem.post.columns import is_column
from fem.post.figures import _panels
from fem.post.materials import legend_of_bodies
from fem.post.overlay import maps
from fem.results.result import Result

UM = 1e-6


def sheet(across: int, up: int) -> tuple[Any, Any]:
    """A rectangle of 1 um by 20 um, cells and points, m."""
    x, y = np.meshgrid(np.linspace(0, UM, across + 1), np.linspace(0, 20 * UM, up + 1))
    i = np.arange((across + 1) * up).reshape(up, across + 1)[:, :-1].ravel()
    n = across + 1
    cells = np.vstack([np.stack([i, i + 1, i + n + 1], axis=1),
                       np.stack([i, i + n + 1, i + n], axis=1)])
    return cells, np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)


def made(folder: Path, across: int) -> Result:
    """Salt that rises with height, the more the later."""
    (folder / "fields").mkdir(parents=True)
    cells, points = sheet(across, 40)
    file = _BlockFile(folder / "fields" / "pore", "pore", cells, points, {}, False)
    for t in (0.0, 10.0, 20.0):
        file.append(t, {"c": ("Node", 1e3 + 5e5 * t * points[:, 1])})
    write_json(MPI.COMM_SELF, folder / "summary.json", {"title": "made", "study": "tertiary"})
    return Result(folder)


def test_a_column_is_drawn_as_curves(tmp_path: Path) -> None:
    column, wide = made(tmp_path / "a", 1), made(tmp_path / "b", 3)
    assert is_column(column) and not is_column(wide)
    (ax,) = _panels(column, None, ("c",)).axes
    heights, last = ax.lines[-1].get_data()
    assert len(ax.lines) == 3
    assert [line.get_label() for line in ax.lines] == ["0 s", "10 s", "20 s"]
    assert (heights[0], heights[-1]) == pytest.approx((0.0, 20.0))
    assert last == pytest.approx(1.0 + 1e-2 * heights)  # mol/L
    (one,) = _panels(column, 10.0, ("c",)).axes
    assert len(one.lines) == 1
    assert not _panels(wide, None, ("c",)).axes[0].lines  # a map


def test_layers_stand_in_all_panels_and_their_names_once(tmp_path: Path) -> None:
    column = made(tmp_path, 1)
    layers = [{"name": name, "bottom": a * UM, "top": b * UM}
              for name, a, b in (("ag", 0, 5), ("a_long_name_indeed", 5, 8), ("foam", 8, 20))]
    write_json(MPI.COMM_SELF, tmp_path / "mesh.json", {"layers": layers})
    first, second = _panels(column, None, ("c", "c")).axes
    assert first.get_xlim() == second.get_xlim() == pytest.approx((-0.4, 20.4))
    borders = {round(float(line.get_xdata()[0])) for line in second.lines[3:]}
    assert borders == {5, 8}  # the ends of the cell are none
    assert [text.get_text() for text in first.texts] == ["ag", "foam"]  # what has room
    assert not second.texts


def test_columns_are_compared_as_curves(tmp_path: Path) -> None:
    """A map of a cell one mesh cell wide is a stripe: curves show by how much two differ."""
    results = [made(tmp_path / "a", 1), made(tmp_path / "b", 1)]
    (ax,) = maps(results, ["a", "b"], "c", 10.0).axes
    assert [line.get_label() for line in ax.lines] == ["a, 10 s", "b, 10 s"]
    heights, values = ax.lines[1].get_data()
    assert values == pytest.approx(1.0 + 5e-3 * heights)
    wide = made(tmp_path / "c", 3)
    assert not maps([results[0], wide], ["a", "c"], "c", None).axes[0].lines  # maps


def test_a_field_over_decades_is_drawn_on_a_logarithmic_axis(tmp_path: Path) -> None:
    """|grad phi_l| of 1 V exp(-y/um): 1e6 V/m at the bottom, 2e-9 of it at the top."""
    (tmp_path / "fields").mkdir()
    cells, points = sheet(1, 200)
    file = _BlockFile(tmp_path / "fields" / "pore", "pore", cells, points, {}, False)
    file.append(0.0, {"phi_l": ("Node", np.exp(-points[:, 1] / UM))})
    write_json(MPI.COMM_SELF, tmp_path / "summary.json", {"title": "made", "study": "tertiary"})
    (ax,) = _panels(Result(tmp_path), None, ("E_l",)).axes
    heights, field = ax.lines[0].get_data()
    at = np.searchsorted(heights, 2.0)
    assert field[at] == pytest.approx(1e3 * np.exp(-2.0), rel=0.02)  # kV/m
    low, high = ax.get_ylim()
    assert ax.get_yscale() == "log" and low < 0.02 < 900.0 < high < 3000.0


def test_the_legend_tells_of_a_curve_that_lies_below_the_axis(tmp_path: Path) -> None:
    """A field of 1 and of 1e-9 V exp(-y/um): the axis ends at 1e-5 of the largest value."""
    (tmp_path / "fields").mkdir()
    cells, points = sheet(1, 40)
    file = _BlockFile(tmp_path / "fields" / "pore", "pore", cells, points, {}, False)
    for t, size in ((0.0, 1.0), (10.0, 1e-9)):
        file.append(t, {"phi_l": ("Node", size * np.exp(-points[:, 1] / UM))})
    write_json(MPI.COMM_SELF, tmp_path / "summary.json", {"title": "made", "study": "tertiary"})
    (ax,) = _panels(Result(tmp_path), None, ("E_l",)).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "0 s", "10 s: below the axis"]


def test_currents_of_a_column_have_their_sign_over_time(tmp_path: Path) -> None:
    result = made(tmp_path / "a", 1)
    ends = np.array([[0.0, 0.0, 0.0], [UM, 0.0, 0.0]])
    file = _BlockFile(tmp_path / "a" / "fields" / "walls", "walls", np.array([[0, 1]]), ends, {},
                      False)
    for t, i_n in ((0.0, -10.0), (10.0, -10.0), (20.0, 5.0)):
        file.append(t, {"i_n": ("Node", np.full(2, i_n))})
    (ax,) = _panels(Result(result.folder), None, ("i_n",), lambda *_: "dissolving").axes
    assert ax.lines[0].get_ydata() == pytest.approx([-1.0, -1.0, 0.5])  # mA/cm2
    assert "|" not in ax.get_ylabel()
    assert not any("dissolving" in text.get_text() for text in ax.figure.texts)


def test_bodies_in_3d_have_a_legend_of_materials(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    folder = tmp_path / "r"
    made(folder, 1)
    cells, points = sheet(1, 4)
    region = {"region": ("Cell", np.full(len(cells), 2.0))}
    _BlockFile(folder / "fields" / "solid", "solid", cells, points, region, False).append(
        0.0, {"phi_s": ("Node", points[:, 1])})
    (folder / "case.toml").write_text('[regions.host_mat]\nmaterial = "carbon_fibre"\n')
    write_json(MPI.COMM_SELF, folder / "fields" / "fields.json",
               {"fields": {}, "figures": {}, "regions": {"electrolyte": 1, "host_mat": 2}})
    for host, names in ((True, ["carbon fibre"]), (False, [])):
        figure = Figure()
        legend_of_bodies(figure, [figure.subplots()], Result(folder), host)
        shown = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
        assert shown == names
