"""Lines along a vector over a map: they go where it points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fem.base.errors import CaseError
from fem.base.folder import write_json
from fem.cli.main import main
from fem.compat import MPI
from fem.files.fields import _BlockFile
from fem.post import figures
from fem.post.browser import choices
from fem.post.streams import _symbol, arrows, flow_of, has_direction
from fem.results.result import Result
from tests.post import shapes
from tests.post.test_metrics import UM, sheet


@pytest.fixture
def turning(tmp_path: Path) -> Result:
    """A vector of cells around (20, 20) um, anticlockwise, 1 per um from there."""
    (tmp_path / "fields").mkdir()
    cells, points = sheet(24, 40 * UM, 0.0, 40 * UM)
    x, y, _ = (points[cells].mean(axis=1) - 20 * UM).T
    swirl = np.column_stack([-y, x, 0 * x]) / UM
    file = _BlockFile(tmp_path / "fields" / "pore", "pore", cells, points, {}, False)
    noise = np.random.default_rng(1).normal(size=swirl.shape)
    file.append(60.0, {
        "c": ("Node", 1e3 + points[:, 1]), "phi_l": ("Node", 300.0 * points[:, 0]),
        "i_l": ("Cell", swirl), "N_an": ("Cell", noise)})
    write_json(MPI.COMM_SELF, tmp_path / "summary.json", {"title": "Turning"})
    return Result(tmp_path)


def pieces(figure: Figure) -> tuple[np.ndarray, np.ndarray]:
    """Ways of the pieces of all lines, and their places from the middle, um."""
    drawn = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    segments = [line for c in drawn for line in c.get_segments()]
    found = np.concatenate([np.stack([line[:-1], line[1:]], axis=1) for line in segments])
    return found[:, 1] - found[:, 0], found.mean(axis=1) - 20.0


def test_lines_go_around(turning: Result) -> None:
    """Each piece of a line is at right angles to the way from the middle, on its left."""
    figure = turning.plot("c", lines="i_l")
    way, place = pieces(figure)
    assert len(way) > 200
    keep = (np.hypot(*way.T) > 1e-9) & (np.hypot(*place.T) > 4.0) & (np.abs(place).max(axis=1) < 18)
    sine = (place[:, 0] * way[:, 1] - place[:, 1] * way[:, 0])[keep] / (
        np.hypot(*way.T) * np.hypot(*place.T))[keep]
    assert np.median(sine) > 0.99 and sine.min() > 0.9
    assert r"lines along $i_\mathrm{l}$" in figure.texts[-1].get_text()
    assert main(["post", str(turning.folder), "--field", "c", "--lines", "i_l"]) == 0


def test_figures_of_a_run_have_lines_of_what_flows(turning: Result) -> None:
    """The field's along the current, else down the potential; none along what only scatters."""
    made = figures.makers(turning)
    way, place = pieces(made["field"](turning, None))
    keep = (np.hypot(*place.T) > 4.0) & (np.abs(place).max(axis=1) < 18)
    assert np.median(place[keep, 0] * way[keep, 1] - place[keep, 1] * way[keep, 0]) > 0.0
    salt = made["salt"](turning, None)
    assert not [c for c in salt.axes[0].collections if isinstance(c, LineCollection)]
    said = salt.texts[-1].get_text()
    assert r"no lines: $N_\mathrm{an}$ is below its scatter between cells" in said

    (turning.folder / "fields" / "pore.xdmf").unlink()
    cells, points = sheet(24, 40 * UM, 0.0, 40 * UM)
    file = _BlockFile(turning.folder / "fields" / "pore", "pore", cells, points, {}, False)
    file.append(60.0, {"phi_l": ("Node", 300.0 * points[:, 0])})
    other = Result(turning.folder)
    figure = figures.makers(other)["field"](other, None)
    way, _ = pieces(figure)
    assert way[:, 0].sum() < -100.0 and way[:, 0].max() <= 0.0  # um, down the potential
    assert np.abs(way[:, 1]).max() < 1e-6
    assert r"lines along $-\nabla \varphi_\mathrm{l}$" in figure.texts[-1].get_text()


def test_arrows_in_3d_stand_where_the_vector_is(tmp_path: Path) -> None:
    """Around the axis z; none outside of the mesh, none in the metal."""
    d = shapes.domain((40.0, 40.0, 20.0), (6, 6, 3))
    points, cells = d.mesh.geometry.x.copy(), np.array(d.mesh.geometry.dofmaps[0])
    (tmp_path / "fields").mkdir()
    x, y, _ = (points[cells].mean(axis=1) - 20 * UM).T
    swirl = np.column_stack([-y, x, 0 * x]) / UM
    for name, fields in (
        ("pore", {"phi_l": ("Node", points[:, 2]), "i_l": ("Cell", swirl)}),
        ("metal", {"xi": ("Node", (points[:, 2] < 8 * UM).astype(float))}),
    ):
        file = _BlockFile(tmp_path / "fields" / name, name, cells, points, {}, False)
        file.append(60.0, fields)
    result = Result(tmp_path)
    found = flow_of(result, None, "phi_l")
    assert found is not None and has_direction(result, None, found)
    grid = np.array([(u, v, w) for u in range(2, 60, 6) for v in range(2, 40, 6) for w in (2, 15)])
    places, vectors = arrows(result, None, found, grid * UM)
    assert {w for _, _, w in (places / UM).round(6).tolist()} == {15.0}
    assert places[:, 0].max() <= 40 * UM and len(places) > 30
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0)
    away = places[:, :2] - 20 * UM
    far = np.hypot(*away.T) > 8 * UM
    sine = (away[:, 0] * vectors[:, 1] - away[:, 1] * vectors[:, 0]) / np.hypot(*away.T)
    assert sine[far].min() > 0.9
    assert np.abs(vectors[far, 2]).max() < 0.1


def test_fields_are_named_with_their_sign(turning: Result) -> None:
    assert _symbol(turning, "E_l") == r"$-\nabla\varphi_\mathrm{l}$"
    assert _symbol(turning, "i_l") == r"$i_\mathrm{l}$"


def test_missing_vectors_come_with_the_way_to_get_them(turning: Result) -> None:
    with pytest.raises(CaseError, match=r"no vector 'i_s' .* `vectors = true` in \[output\]"):
        turning.plot("c", lines="i_s")
    with pytest.raises(CaseError, match="c is a number at each place and has no direction"):
        turning.plot("c", lines="c")


def test_a_browser_offers_vectors_last(turning: Result) -> None:
    """Its first picture is one that the figures of a run show as well."""
    assert choices(turning) == ["pore: c", "pore: phi_l", "pore: N_an", "pore: i_l"]
