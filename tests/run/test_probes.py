"""Probes: values against the fields themselves, and what is refused before anything is written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.results.result import Result

from .cases import GROWING, SMALL, small

PROBES: list[dict[str, Any]] = [
    {"name": "here", "field": "c", "point": ["10 um", "60 um"]},
    {"name": "place", "field": "c*0 + y + depth", "point": ["10 um", "60 um"]},
    {"name": "solid", "field": "phi_s", "point": ["3 um", "10 um"]},
    {"name": "i_wall", "field": "i_n", "surface": "host_*"},
    {"name": "eta_wall", "field": "eta", "surface": "host_bottom/electrolyte"},
    {"name": "film", "field": "film_thickness", "surface": "host_bottom"},
    {"name": "i_counter", "field": "i_n", "surface": "counter"},
    {"name": "eta_counter", "field": "eta", "surface": "counter"},
    {"name": "mean", "field": "c", "volume": "electrolyte"},
    {"name": "square", "field": "(y - 0.00003)^2", "volume": "electrolyte"},
    {
        "name": "profile", "field": "c", "samples": 17,
        "line": [["10 um", "0 um"], ["10 um", "80 um"]],
    },
]  # fmt: skip


def _solve(folder: str) -> dict[str, float]:
    """The last values of all probes; a worker's target too."""
    from fem.results.result import read_series

    case = small(probe=PROBES, output__fields_every="5 min", geometry__size="4 um")
    case.run(folder, overwrite=True)
    series = read_series(Path(folder) / "series.csv")
    return {name: float(column[-1]) for name, column in series.items() if "probe." in name}


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    folder = tmp_path_factory.mktemp("probes") / "r"
    return folder, _solve(str(folder))


def _profile(folder: Path) -> tuple[list[str], np.ndarray]:
    head, *rows = csv.reader((folder / "probes" / "profile.csv").read_text().splitlines())
    return head, np.array(rows, dtype=float)


def test_values_fit_each_other_and_the_current(probed: tuple[Path, dict[str, float]]) -> None:
    folder, last = probed
    summary = json.loads((folder / "summary.json").read_text())
    assert last["probe.i_wall"] == pytest.approx(-10.0, rel=1e-9)
    assert last["probe.i_counter"] == pytest.approx(10.0, rel=1e-9)
    assert last["probe.place"] == pytest.approx(30e-6, rel=1e-12)
    assert last["probe.square"] == pytest.approx((50e-6) ** 2 / 3, rel=1e-12)
    assert last["probe.mean"] == pytest.approx(1000.0, rel=1e-12)
    assert last["probe.solid"] == pytest.approx(summary["voltage"], rel=1e-5)
    # 6000 C/m2 of lithium, 12.998e-6 m3/mol
    assert last["probe.film"] == pytest.approx(6000 * 12.998e-6 / 96485.33, rel=1e-4)
    # the cell voltage is lost at the wall, in the electrolyte and at the counter electrode
    assert summary["voltage"] < last["probe.eta_wall"] < 0.0 < last["probe.eta_counter"]
    assert summary["probes"]["here"] == last["probe.here"]


def _over_walls(folder: Path, name: str) -> float:
    """Mean of a field of the file over the walls."""
    result = Result(folder)
    cells, x, values = result.cells("walls"), result.points("walls"), result.array(name)
    length = np.linalg.norm(x[cells[:, 1]] - x[cells[:, 0]], axis=1)
    return float(length @ values[cells].mean(axis=1) / length.sum())


def test_fields_of_walls_in_files_are_those_of_probes(
    probed: tuple[Path, dict[str, float]]
) -> None:
    folder, last = probed
    result = Result(folder)
    assert {"eta", "coverage", "film_thickness", "i_n", "q"} <= {*result.fields("walls")}
    assert _over_walls(folder, "eta") == pytest.approx(last["probe.eta_wall"], rel=1e-9)
    assert _over_walls(folder, "film_thickness") == pytest.approx(last["probe.film"], rel=1e-9)
    assert result.array("coverage", 0.0).max() == 0.0
    assert result.array("coverage").min() > 0.9
    text = (folder / "fields" / "walls.xdmf").read_text()
    assert '<Information Name="unit" Value="V"/>' in text
    names = (folder / "fields" / "pore.xdmf").read_text()
    number = result.regions["electrolyte"]
    assert f'<Information Name="names" Value="{number}: electrolyte' in names or (
        f", {number}: electrolyte" in names)


def test_profiles_go_with_the_fields(probed: tuple[Path, dict[str, float]]) -> None:
    folder, last = probed
    head, rows = _profile(folder)
    assert head == ["t [s]", "distance [m]", "x [m]", "y [m]", "profile [mol/m^3]"]
    assert sorted(set(rows[:, 0])) == [0.0, 300.0, 600.0]
    assert len(rows) == 3 * 17
    end = rows[-17:]
    assert np.isnan(end[:6, 4]).all()  # inside the solid there is no salt
    assert np.diff(end[6:, 4]).min() > 0.0  # it rises towards the counter electrode
    assert end[12, 4] == pytest.approx(last["probe.here"], rel=1e-12)


def test_two_ranks_see_the_same(
    probed: tuple[Path, dict[str, float]], mpirun: Any, tmp_path: Path
) -> None:
    two = mpirun(2, _solve, str(tmp_path / "r"))
    for name, value in probed[1].items():
        assert two[name] == pytest.approx(value, rel=1e-8), name
    one, other = _profile(probed[0])[1], _profile(tmp_path / "r")[1]
    np.testing.assert_allclose(one, other, rtol=1e-8)
    for name in ("eta", "film_thickness"):
        assert _over_walls(tmp_path / "r", name) == pytest.approx(
            _over_walls(probed[0], name), rel=1e-8)


def test_metal_in_a_region_is_what_was_plated(tmp_path: Path) -> None:
    """Pores 15 um high; charge of the metal in them per area, of 12.998e-6 m3/mol."""
    from fem.results.result import read_series

    step = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "4 s"}
    fill = {"name": "fill", "field": "xi", "volume": "electrolyte"}
    Case.from_dict({**GROWING, "protocol": [step], "probe": [fill]}).run(tmp_path / "r")
    series = read_series(tmp_path / "r" / "series.csv")
    plated = series["probe.fill"] * 15e-6 * 96485.33 / 12.998e-6
    assert plated == pytest.approx(series["plated"], rel=1e-6)


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        ({"field": "c", "point": ["10 um", "90 um"]},
         r"\(10, 90\) um lies in no cell; the mesh spans \(0, 0\) um to \(20, 80\) um"),
        ({"field": "c", "point": ["10 um", "10 um"]}, "no c in the region there"),
        ({"field": "c", "point": ["10 um", "1 um", "1 um"]}, "3 coordinates in 2D"),
        ({"field": "i_n", "point": ["10 um", "60 um"]}, "i_n live on walls; give a surface"),
        ({"field": "c", "line": [["-9 um", "1 um"], ["-1 um", "1 um"]]}, "lies in no cell"),
        ({"field": "c", "surface": "colector"}, "did you mean 'collector'"),
        ({"field": "c", "surface": "host_bottom/elektrolyte"}, "did you mean 'host_bottom/elec"),
        ({"field": "coverage", "surface": "counter"}, "is not defined on 'counter'"),
        ({"field": "c", "volume": "host_bottom"}, "is not defined in 'host_bottom'"),
        ({"field": "c", "volume": "separator"}, "no region is called 'separator'"),
        ({"field": "xi", "volume": "electrolyte"}, "'xi' is not defined in 'electrolyte'"),
    ],
)  # fmt: skip
def test_a_wrong_place_is_refused_before_anything_is_written(
    probe: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CaseError, match=reason):
        small(probe=[{"name": "p", **probe}]).run(tmp_path / "r")
    assert not (tmp_path / "r").exists()
    assert SMALL["title"] == "small"
