"""Names in maps: the material of each region, layers at their borders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from fem.base.folder import write_json
from fem.compat import MPI
from fem.files.fields import _BlockFile
from fem.post.figures import side_by_side
from fem.post.materials import _path
from fem.results.result import Result
from tests.post.test_metrics import UM, sheet


@pytest.fixture
def layered(tmp_path: Path) -> Result:
    """Pores on the left; a host of copper up to 20 um and of carbon above on the right."""
    (tmp_path / "fields").mkdir()
    cells, points = sheet(8, 20 * UM, 0.0, 40 * UM)
    one = np.ones(len(cells))
    pore = _BlockFile(
        tmp_path / "fields" / "pore", "pore", cells, points, {"region": ("Cell", one)}, False)
    pore.append(0.0, {"c": ("Node", 1e3 + 1e7 * points[:, 1])})
    region = np.where(points[cells][:, :, 1].mean(axis=1) < 20 * UM, 2.0, 3.0)
    right = points + np.array([20 * UM, 0.0, 0.0])
    solid = _BlockFile(
        tmp_path / "fields" / "solid", "solid", cells, right, {"region": ("Cell", region)}, False)
    solid.append(0.0, {"phi_s": ("Node", right[:, 1])})
    layers = [{"name": name, "bottom": a * UM, "top": b * UM}
              for name, a, b in (("lower", 0, 20), ("upper", 20, 40))]
    write_json(MPI.COMM_SELF, tmp_path / "mesh.json", {
        "host": {"top": 40 * UM, "bottom": 0.0}, "layers": layers,
        "regions": {"electrolyte": 1, "host_lower": 2, "host_upper": 3}})
    (tmp_path / "case.toml").write_text(
        '[regions.host_lower]\nmaterial = "Cu"\n[regions.host_upper]\nmaterial = "carbon"\n')
    write_json(MPI.COMM_SELF, tmp_path / "summary.json", {"title": "Two layers"})
    return Result(tmp_path)


def test_each_material_has_its_colour_where_it_is(layered: Result) -> None:
    figure = side_by_side(layered, None, ("c",))
    (legend,) = figure.legends
    colours = {text.get_text(): to_hex(patch.get_facecolor()) for text, patch in zip(
        legend.get_texts(), legend.get_patches(), strict=True)}
    assert set(colours) == {"Cu", "carbon"} and len(set(colours.values())) == 2
    for patch in figure.axes[0].patches:
        y = np.asarray(patch.get_path().vertices)[:, 1]
        below = patch.get_label() == "Cu"
        assert (y.min(), y.max()) == pytest.approx((0.0, 20.0) if below else (20.0, 40.0))
        assert to_hex(patch.get_facecolor()) == colours[patch.get_label()]


def test_layers_are_named_in_their_middle(layered: Result) -> None:
    ax = side_by_side(layered, None, ("c",)).axes[0]
    assert {text.get_text(): text.xy[1] for text in ax.texts} == pytest.approx(
        {"lower": 10.0, "upper": 30.0})
    assert ax.lines and [line.get_ydata()[0] for line in ax.lines] == pytest.approx(
        [20.0] * len(ax.lines))


def test_without_a_case_the_host_is_grey_as_ever(layered: Result) -> None:
    (layered.folder / "case.toml").unlink()
    figure = side_by_side(Result(layered.folder), None, ("c",))
    assert not figure.legends and len(figure.axes[0].patches) == 1


def test_a_body_has_no_gaps_between_its_cells() -> None:
    """Triangles of either way round: each pixel inside has the body's colour."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cells, points = sheet(30, 40.0, 0.0, 40.0)
    turned = np.random.default_rng(1).random(len(cells)) < 0.5
    cells[turned] = cells[turned][:, [0, 2, 1]]
    figure = Figure(figsize=(3, 3), dpi=110)
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(0.0, 20.0)
    ax.set_ylim(14.0, 34.0)
    ax.axis("off")
    _path(ax, points, cells, "#808080", "")
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[:, :, :3]
    assert (image == 128).all()
