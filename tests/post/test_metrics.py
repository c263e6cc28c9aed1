"""Metrics of results whose answers are known."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.special import betainc

from fem.base.folder import write_json
from fem.compat import MPI
from fem.contract.registry import with_own
from fem.files.fields import _BlockFile
from fem.mesh.profile import above, by_bin, distribution
from fem.physics.metal.figures import fill
from fem.post.metrics import declared, metrics
from fem.post.spread import gini_of, rests
from fem.results.result import Result
from tests.physics.averaged.columns import column, linear

UM = 1e-6
ROOT = Path(__file__).resolve().parents[2]


def sheet(n: int, wide: float, low: float, high: float) -> tuple[Any, Any]:
    """A rectangle of triangles, cells and points, m."""
    x, y = np.meshgrid(np.linspace(0, wide, n + 1), np.linspace(low, high, n + 1))
    i = np.arange((n + 1) * n).reshape(n, n + 1)[:, :-1].ravel()
    cells = np.vstack([np.stack([i, i + 1, i + n + 2], axis=1),
                       np.stack([i, i + n + 2, i + n + 1], axis=1)])
    return cells, np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)


def made(folder: Path, walls: list[tuple[float, float]], i_n: Any, q: Any = None,
         ions: tuple[str, ...] = (), **host: Any) -> Result:
    """A cell 10 um wide and 40 um high with a host of 30 um; walls between heights, um."""
    (folder / "fields").mkdir()
    cells, points = sheet(4, 10 * UM, 0.0, 40 * UM)
    salt = f"c_{ions[0]}" if ions else "c"
    pore = {salt: ("Node", 1e3 + 1e7 * points[:, 1]), "phi_l": ("Node", 300.0 * points[:, 1])}
    even = {salt: ("Node", np.full(len(points), 1e3)), "phi_l": ("Node", 300.0 * points[:, 1])}
    file = _BlockFile(folder / "fields" / "pore", "pore", cells, points, {}, False)
    file.append(0.0, even)
    file.append(10.0, pore)
    ends = np.array(walls) * UM
    y = np.concatenate([np.linspace(a, b, 501) for a, b in ends])
    n = np.arange(500)
    lines = np.concatenate([np.stack([n, n + 1], axis=1) + 501 * k for k in range(len(ends))])
    place = np.stack([np.full(len(y), 5 * UM), y, np.zeros(len(y))], axis=1)
    fields = {"i_n": ("Node", -i_n(y))} | ({"q": ("Node", q(y))} if q else {})
    _BlockFile(folder / "fields" / "walls", "walls", lines, place, {}, False).append(10.0, fields)
    write_json(MPI.COMM_SELF, folder / "mesh.json",
               {"host": {"top": 30 * UM, "bottom": 0.0}} | host)
    summary: dict[str, object] = {"title": "made", "study": "tertiary"}
    if ions:
        summary["species"] = {name: {} for name in ions}
    write_json(MPI.COMM_SELF, folder / "summary.json", summary)
    return Result(folder)


def test_gini_of_a_linear_profile_and_of_two_levels() -> None:
    x = np.linspace(0.0, 1.0, 20001)
    assert gini_of(x, np.ones_like(x)) == pytest.approx(1 / 3, abs=1e-4)
    levels, area = np.array([1.0, 9.0]), np.array([0.7, 0.3])
    assert gini_of(levels, area) == pytest.approx(9 * 0.3 / (0.7 + 2.7) - 0.3, abs=1e-14)
    assert gini_of(np.ones(7), np.arange(1.0, 8.0)) == pytest.approx(0.0, abs=1e-14)


def test_current_of_a_linear_profile(tmp_path: Path) -> None:
    """i from 0 at the separator to its most at the collector: <d> = 2/3 H."""
    found = metrics(made(tmp_path, [(0.0, 30.0)], lambda y: 1.0 - y / (30 * UM)))
    assert found["bottom_up"] == pytest.approx(1 / 3, abs=1e-5)
    assert found["gini"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["cov"] == pytest.approx(1 / np.sqrt(3), abs=1e-3)
    assert found["max_mean"] == pytest.approx(2.0, abs=1e-3)
    thirds = [1 / 9, 3 / 9, 5 / 9, 0, 0]
    assert list(found["share_third"].values()) == pytest.approx(thirds, abs=2e-3)
    assert found["salt_drop"] == pytest.approx(1e7 * 30 * UM / 1e3)  # linear salt
    assert found["field_uniform"] == 1.0  # slab


def test_the_salt_of_ions_is_that_of_the_metal_ion(tmp_path: Path) -> None:
    found = metrics(made(tmp_path, [(0.0, 30.0)], lambda y: 1.0 + 0.0 * y, ions=("Li", "PF6")))
    assert found["salt_drop"] == pytest.approx(1e7 * 30 * UM / 1e3)


def test_salt_and_field_around_an_axis_count_by_their_volume(tmp_path: Path) -> None:
    """c = 1000 (1 + r/R) at the start and z/H more later, nodes denser at the axis."""
    (tmp_path / "fields").mkdir()
    cells, points = sheet(40, 1.0, 0.0, 0.03 * UM)
    points[:, 0] = 10 * UM * points[:, 0] ** 2  # uneven: the mean over nodes is another one
    r, z = points[:, 0] / (10 * UM), points[:, 1] / (0.03 * UM)
    steep = np.where(r <= 0.25, 1.5, 1.0)  # a quarter of the radius, a sixteenth of the volume
    file = _BlockFile(tmp_path / "fields" / "pore", "pore", cells, points, {}, False)
    for t, c in ((0.0, 1e3 * (1 + r)), (1.0, 1e3 * (1 + r) + 300.0 * z * r)):
        file.append(t, {"c": ("Node", c), "phi_l": ("Node", steep * z)})
    write_json(MPI.COMM_SELF, tmp_path / "mesh.json", {"axisymmetric": True})
    write_json(MPI.COMM_SELF, tmp_path / "summary.json", {"title": "made", "study": "tertiary"})
    found = metrics(Result(tmp_path))
    assert found["salt_drop"] == pytest.approx(300 * 2 / 3 / (1000 * 5 / 3), rel=1e-3)
    assert found["field_uniform"] == pytest.approx(15 / 16, abs=0.03)


def test_metal_decides_where_there_is_some(tmp_path: Path) -> None:
    """Current even, metal in the upper of two walls and above the host."""
    result = made(
        tmp_path, [(0.0, 10.0), (20.0, 40.0)], np.ones_like,
        lambda y: np.where(y > 15 * UM, 2.0, 0.0),
        layers=[{"name": "low", "bottom": 0.0, "top": 15 * UM},
                {"name": "high", "bottom": 15 * UM, "top": 30 * UM}],
    )
    found = metrics(result)
    assert found["share_layer"] == pytest.approx(
        {"low": 0.0, "high": 0.5, "foil": 0.0, "overflow": 0.5}, abs=2e-3)
    assert sum(found["share_third"].values()) == pytest.approx(1.0, abs=1e-12)
    assert found["bottom_up"] == pytest.approx(0.5 * (2 * 5 / 30 - 1) - 0.5, abs=1e-3)
    assert found["gini"] == pytest.approx(0.0, abs=1e-9)  # of the current
    assert found["current_difference"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("height", "B"), [(0.0, 1.0), (30.0, -1.0), (15.0, 0.0)])
def test_all_in_one_plane(height: float, B: float, tmp_path: Path) -> None:
    result = made(tmp_path, [(height, height + 1e-6)], np.ones_like)
    # A wall without length has no area: one across the cell.
    assert metrics(result)["bottom_up"] == pytest.approx(B, abs=1e-5)


def test_averaged_column_has_the_metrics_of_its_closed_form(tmp_path: Path) -> None:
    """nu = 3, kappa/sigma = 0: B, its Gini twin, cov, max/mean and thirds (porous-host 1.10)."""
    result = column(cells=200, kinetics=linear(3.0, sigma=1e6), porosity=0.999999,
                    study="secondary").run(tmp_path / "r")
    found = result.metrics()
    assert found == result.summary["metrics"]
    assert result.summary["estimates"]["nu"]["host_mat"] == pytest.approx(3.0, rel=1e-5)
    assert found["bottom_up"] == pytest.approx(-0.39657, abs=2e-4)
    assert found["gini"] == pytest.approx(0.39657, abs=2e-4)
    assert found["cov"] == pytest.approx(0.74317, abs=1e-3)
    assert found["max_mean"] == pytest.approx(3.01489, abs=2e-3)
    thirds = [found["share_third"][name] for name in ("top", "middle", "bottom")]
    assert thirds == pytest.approx([0.6380, 0.2447, 0.1173], abs=1.5e-3)


def test_averaged_layers_count_by_their_areas(tmp_path: Path) -> None:
    """Current of a slow reaction on 1 and 3 um-1: even, J/(a_1 L_1 + a_2 L_2)."""
    layers = [("host_low", "30 um"), ("host_high", "10 um"), ("electrolyte", "10 um")]
    geometry = {
        "family": "planar", "size": "5 um", "width": "1 um", "size_width": "1 um",
        "layers": [{"name": region.removeprefix("host_"), "thickness": thick, "region": region}
                   for region, thick in layers],
    }  # fmt: skip
    hosts = {"host_low": "1e6 1/m", "host_high": "3e6 1/m"}
    result = column(
        study="secondary", geometry=geometry,
        regions={name: {"material": "Cu", "porosity": 0.9, "sigma": "1e6 S/m"} for name in hosts},
        averaged={"regions": {
            name: {"surface": {"law": "constant", "area": area}} for name, area in hosts.items()}},
        kinetics={"surface": "host_*", "i0": "1e-5 A/m^2"},
    ).run(tmp_path / "r")
    found = result.metrics()
    assert found["local_reduction"] == pytest.approx(1 / 60, rel=1e-6)
    assert found["gini"] < 1e-3
    assert found["max_mean"] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("angle", [0.0, 37.0, 90.0])
def test_height_and_length_of_a_sine_front(angle: float, tmp_path: Path) -> None:
    """y = 10 + 3 sin: rms a/sqrt(2), length by quadrature; and in a mesh that is turned."""
    (tmp_path / "fields").mkdir()
    wide, a = 20 * UM, 3 * UM
    cells, points = sheet(200, wide, 0.0, 20 * UM)
    x, y = points[:, 0], points[:, 1]
    level = 10 * UM + a * np.sin(2 * np.pi * x / wide)
    xi = np.clip(0.5 + (level - y) / (2 * UM), 0.0, 1.0)  # linear across the front
    fields = {"xi": ("Node", xi), "i_n": ("Node", -np.ones(len(x))), "dead": ("Node", 0.0 * x)}
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    turned = points @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    _BlockFile(tmp_path / "fields" / "metal", "metal", cells, turned, {}, False).append(1.0, fields)
    write_json(MPI.COMM_SELF, tmp_path / "mesh.json",
               {"host": {"top": 10 * UM, "bottom": 0.0}, "up": [-sin, cos]})
    found = metrics(Result(tmp_path))
    s = np.linspace(0.0, wide, 100001)
    slope = 2 * np.pi * a / wide * np.cos(2 * np.pi * s / wide)
    assert found["contour"] == pytest.approx(np.sqrt(1 + slope**2).mean(), rel=1e-3)
    assert found["roughness"] == pytest.approx(a / np.sqrt(2), rel=5e-3)
    assert found["tip_height"] == pytest.approx(13 * UM, rel=1e-3)
    over = a / np.pi / (10 * UM)  # half a wave above the host, of the whole
    assert found["overflow"] == pytest.approx(over, rel=0.03)


def drawn(folder: Path, inside: Any) -> Result:
    """Metal where `inside` says, x and y in um, in a cell of 40 um with a host of 30 um."""
    (folder / "fields").mkdir(parents=True)
    cells, points = sheet(120, 40 * UM, 0.0, 40 * UM)
    x, y = points[:, 0] / UM, points[:, 1] / UM
    fields = {"xi": ("Node", inside(x, y).astype(float)), "i_n": ("Node", -np.ones(len(x))),
              "dead": ("Node", 0.0 * x)}
    _BlockFile(folder / "fields" / "metal", "metal", cells, points, {}, False).append(1.0, fields)
    write_json(MPI.COMM_SELF, folder / "mesh.json", {"host": {"top": 30 * UM, "bottom": 0.0}})
    return Result(folder)


def slab(x: Any, y: Any) -> Any:
    return y <= 6.0


def comb(x: Any, y: Any) -> Any:
    """Four teeth of unequal height on a slab."""
    teeth = [(abs(x - 5 - 10 * k) <= 1.1) & (y <= 20 + 4 * k) for k in range(4)]
    return (y <= 3.0) | np.any(teeth, axis=0)


def tree(x: Any, y: Any) -> Any:
    """A trunk that forks, and whose right arm forks again: three ends."""
    trunk = (abs(x - 20) <= 1.2) & (y <= 12)
    left = (abs(x - 20 + (y - 12)) <= 1.7) & (y >= 11) & (y <= 28)
    right = (abs(x - 20 - (y - 12)) <= 1.7) & (y >= 11) & (y <= 30)
    up = (abs(x - 29) <= 1.2) & (y >= 20) & (y <= 36)
    return trunk | left | right | up


def islands(x: Any, y: Any) -> Any:
    discs = [np.hypot(x - a, y - b) <= 4 for a, b in ((10, 20), (30, 25))]
    return (y <= 3) | discs[0] | discs[1]


def plug(x: Any, y: Any) -> Any:
    """Between 10 and 18 um, 12 um below the top of the host; a column above."""
    return ((y >= 10) & (y <= 18)) | ((x <= 20) & (y <= 28))


@pytest.mark.parametrize(
    ("shape", "branches", "pieces", "clog"),
    [(slab, 1, 1, 24.0), (comb, 4, 1, 27.0), (tree, 3, 1, None), (islands, 3, 3, 27.0),
     (plug, None, 1, 12.0)],
)
def test_drawn_shapes_have_their_branches_pieces_and_plugs(
    shape: Any, branches: int | None, pieces: int, clog: float | None, tmp_path: Path
) -> None:
    found = metrics(drawn(tmp_path / "r", shape))
    assert branches is None or found["branches"] == branches
    assert found["pieces"] == pieces
    if shape is slab:  # full up to 6 um over the collector, but for the cells at its edge
        depth, share = (np.array(found["fill"][name]) for name in ("depth", "share"))
        assert len(depth) == 24 and np.ptp(np.diff(depth)) < 1e-12
        assert share[depth > 25 * UM] == pytest.approx(1.0) and share[depth < 23 * UM].max() == 0.0
    if clog is None:
        assert "clog_depth" not in found
    else:  # slices are 0.5 um thick, cells 0.33 um
        assert found["clog_depth"] == pytest.approx(clog * UM, abs=0.8 * UM)


def test_filling_by_depth_is_exact_where_slices_cut_cells(tmp_path: Path) -> None:
    """Metal that rises linearly from the top to the bottom: the mean of each slice."""
    found = metrics(drawn(tmp_path / "r", lambda x, y: 1.0 - y / 40.0))["fill"]
    middles = (np.arange(24) + 0.5) / 24 * 30 * UM
    assert found["depth"] == pytest.approx(middles)
    assert found["share"] == pytest.approx(1.0 - (30 * UM - middles) / (40 * UM), rel=1e-12)


def test_the_fullest_time_is_found_and_drawn_after_stripping(tmp_path: Path) -> None:
    """Plated for 2 h to half of the host, at rest for 1, stripped: shares of 50, 50 and 0 %."""
    (tmp_path / "fields").mkdir()
    cells, points = sheet(24, 40 * UM, 0.0, 40 * UM)
    file = _BlockFile(tmp_path / "fields" / "metal", "metal", cells, points, {}, False)
    for hour, share in enumerate((0.0, 0.25, 0.5, 0.5, 0.0)):
        even = np.full(len(points), share)
        fields = {"xi": ("Node", even), "i_n": ("Node", -even), "dead": ("Node", 0.0 * even)}
        file.append(3600.0 * hour, fields)
    write_json(MPI.COMM_SELF, tmp_path / "mesh.json", {"host": {"top": 30 * UM, "bottom": 0.0}})
    result, t = Result(tmp_path), np.linspace(0.0, 4 * 3600.0, 5)
    result.series = {"t": t, "plated": np.array([0.0, 36.0, 72.0, 72.0 - 1e-9, 0.0]),
                     "tip": 0.0 * t, "dead": 0.0 * t}
    assert metrics(result)["fullest"] == 3 * 3600.0
    assert "fullest" not in metrics(result, 3600.0)
    axes = fill(result, None).axes[0]
    assert axes.get_title() == "after 3 h, when there is most"
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([50.0] * 24)
    result.series["plated"] = t
    assert fill(result, None).axes[0].get_title() == "after 4 h, the end"
    del result.series["tip"]  # an averaged host: pores that fill, and no front
    assert fill(result, None) is None


def test_a_tetrahedron_is_cut_as_beta_distributions_say() -> None:
    """One corner at depth 1, three at 0: depth is its barycentric coordinate."""
    for edge in (-0.5, 0.0, 0.2, 0.7, 1.0, 3.0):
        z = min(max(edge, 0.0), 1.0)
        found = above(np.array([[0.0, 0.0, 1.0, 0.0]]), edge)[0]
        assert found[[0, 1, 3]] == pytest.approx(betainc(1, 4, z), abs=1e-14)
        assert found[2] == pytest.approx(betainc(2, 3, z), abs=1e-14)
    tilted = np.random.default_rng(1).uniform(size=(50, 4))
    tilted[0] = [0.3, 0.3 + 1e-17, 0.3, 0.3]
    assert above(tilted, 0.4) + above(-tilted, -0.4) == pytest.approx(np.ones((50, 4)), abs=1e-12)


def test_bins_of_a_depth_hold_what_lies_in_them() -> None:
    """An even amount in 7 cells is even over 24 bins, a linear one linear; nodes lie in one bin."""
    x = np.linspace(0.0, 1.0, 8)
    cells, edges = np.column_stack([x[:-1], x[1:]]), np.linspace(0.0, 1.0, 25)
    middle = 0.5 * (edges[1:] + edges[:-1])
    found = by_bin(edges, cells, np.stack([np.ones_like(cells), cells]) / 14.0)
    assert found[0] == pytest.approx(np.full(24, 1.0 / 24.0), abs=1e-14)
    assert found[1] == pytest.approx(middle / 24.0, abs=1e-14)
    nodes = by_bin(edges, np.array([[-1.0], [0.25], [0.25 - 1e-12], [2.0]]), np.ones((1, 4, 1)))
    assert nodes[0, [0, 6, 23]].tolist() == [1.0, 2.0, 1.0]
    assert nodes.sum() == 4.0


def test_what_surfaces_exchange_at_rest_has_no_shares() -> None:
    """Currents of +1 and -1 A are no shares of the round-off that they leave; +3 and -1 A are."""
    for currents, shares in (((1.0, -1.0 + 1e-14), [0.0, 0.0]), ((3.0, -1.0), [1.5, -0.5])):
        found = zip("ab", currents, strict=True)
        regions = {name: {"current": i, "area": 1.0} for name, i in found}
        out = distribution(regions, {"depth": [], "current": [1.0, 1.0, 1.0]})
        assert [*out["share_by_region"].values()] == shares
        assert (sum(out["current_by_third"].values()) == 0.0) is (not any(shares))
    one = {"a": {"current": 1e-15, "area": 1.0}}
    out = distribution(one, {"depth": [], "current": [1e-15] * 3}, rests=True)
    assert [*out["share_by_region"].values(), *out["current_by_third"].values()] == [0.0] * 4


def test_a_rest_has_no_distribution_of_current() -> None:
    """Round-off of 1e-15 A/m2 after 10 A/m2 is none; a run at 1e-15 A/m2 alone has one."""
    for current, answer in (((-10.0, 4e-16), True), ((-10.0, 1e-3), False), ((1e-15,), False)):
        series = {"t": np.arange(len(current)), "current_density": np.array(current)}
        result: Any = SimpleNamespace(series=series)
        assert rests(result, None) is answer


def test_a_dip_is_read_from_the_curve(tmp_path: Path) -> None:
    result = made(tmp_path, [(0.0, 30.0)], np.ones_like)
    t = np.linspace(0.0, 3600.0, 721)
    voltage = np.where(np.abs(t - 300.0) < 1.0, -0.060, -0.040)
    result.series = {"t": t, "voltage": voltage, "charge": -10.0 * t, "segment": 0 * t,
                     "current_density": np.full(len(t), -10.0)}
    assert metrics(result)["eta_nuc_curve"] == pytest.approx(0.020, abs=1e-4)
    result.summary = {"study": "steady"}  # its t only leads to the state
    assert "eta_nuc_curve" not in metrics(result)
    assert metrics(result)["local_reduction"] == pytest.approx(0.1)


def test_every_metric_is_on_the_page() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    assert rows == declared().keys() | with_own().estimates.keys()
