"""Metal beside a separator: it stops there, keeps its piece, and fills what lies below it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.case import Case
from fem.compat import MPI
from fem.constants import FARADAY
from fem.domain import Domain
from fem.model import build
from fem.run import mesh_folder


def cell(width: str, free: str, size: str, layer: Any, protocol: list[Any], **time: str) -> Case:
    """Electrolyte over a foil with metal on it, 10 um of separator above; interfaces of 2 cells."""
    return Case.from_dict({
        "schema": 1, "title": "beside a separator", "metal": "Li",
        "electrolyte": "LiPF6_EC_EMC_3_7", "study": "growth", "geometry": {
            "family": "planar", "width": width, "size": size, "layers": [
                {"name": "free", "thickness": free, "region": "electrolyte"},
                {"name": "above", "thickness": "10 um", "region": "separator", "size": "1 um"},
            ]},
        "regions": {"separator": {"material": "polyolefin"}}, "collector": {"material": "Cu"},
        "growth": {"interface_width": f"{2 * float(size.split()[0])} um"},
        "initial": {"metal_layer": layer},
        "protocol": protocol, "time": {"dt_max": "200 s", "tolerance": 0.01} | time,
        "output": {"figures": False},
    })  # fmt: skip


def of_metal(case: Case) -> float:
    """Charge per volume, C/m3."""
    return FARADAY / float(case.metal_data.molar_volume)


R, WIDTH, TOP, LAMBDA = 1.5e-6, 5e-6, 6e-6, 0.2e-6
HALF_DISC = {
    "expression": "y + max(base - y, radius - sqrt((x - middle)^2 + (y - top)^2))", "unit": "m",
    "base": "0.5 um", "radius": "1.5 um", "middle": "2.5 um", "top": "6 um",
}  # fmt: skip


def half_disc(**time: str) -> Case:
    """A half disc of 1.5 um that hangs on the separator, 20 lambda above a layer on the foil."""
    plate = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "60 s"}
    return cell("5 um", "6 um", "0.1 um", HALF_DISC, [plate], dt0="20 s", **time)


def test_a_piece_on_a_separator_is_an_island(tmp_path: Path) -> None:
    """One piece, with the charge of half a disc and its tails to 0.2 %, kept to 1e-5; no leak."""
    case = half_disc()
    run = case.run(tmp_path / "r")
    area = 0.5 * (math.pi * R * R + math.pi**3 / 3 * LAMBDA**2)
    dead = run.series["dead"]
    found = dead[0] * WIDTH / of_metal(case)
    print("piece on a separator", found / area - 1, np.ptp(dead) / dead[0])
    assert set(run.series["islands"]) == {1.0}
    assert found / area == pytest.approx(1.0, rel=2e-3)
    assert np.ptp(dead) <= 1e-5 * dead[0]
    assert run.series["floor"].max() <= 5e-5
    assert run.series["tip"][-1] == pytest.approx(TOP)
    assert any("lies on a separator" in text for text in run.summary["warnings"])


def test_metal_meets_a_separator_at_a_right_angle() -> None:
    """Half a disc is its shape at rest: K = 1/R within 2 % at all nodes, on the separator, too."""
    case = half_disc()
    model = build(case, Domain.read(mesh_folder(case), MPI.COMM_SELF))
    model.system.begin(0.0)
    xi = model.system.unknowns["xi"]
    x = xi.space.tabulate_dof_coordinates()[: len(xi.owned)] - np.array([WIDTH / 2, TOP, 0.0])
    r = np.linalg.norm(x, axis=1)
    on = (np.abs(xi.owned - 0.5) < 0.4) & (x[:, 1] > -R)
    error = model.system["front"].curvature.x.array[: len(r)][on] * r[on] - 1
    here = np.abs(x[on, 1]) < 1e-9
    print("curvature on a separator", np.abs(error).max(), np.abs(error[here]).max(), here.sum())
    assert here.sum() >= 4
    assert np.abs(error).max() <= 0.02


def test_full_pores_end_the_step(tmp_path: Path) -> None:
    """Plated up to the separator, 4 um: the event `full`, its charge to 0.2 %; then stripped."""
    steps = [
        {"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 h"},
        {"step": "strip", "current_density": "1 mA/cm^2", "duration": "1000 s"},
    ]
    case = cell("1 um", "4 um", "0.25 um", "2 um", steps, dt0="5 s", dt_min="20 ms")
    run = case.run(tmp_path / "r")
    series, (event,) = run.series, run.summary["events"]
    assert event["event"] == "full" and event["segment"] == "plate"
    at = int(np.argmin(np.abs(series["t"] - event["t"])))
    print("full", event["t"], series["plated"][at] / (4e-6 * of_metal(case)) - 1)
    assert series["plated"][at] == pytest.approx(4e-6 * of_metal(case), rel=2e-3)
    assert series["tip"][at] == pytest.approx(4e-6)
    assert run.summary["t"] == pytest.approx(event["t"] + 1000.0)
    assert series["plated"][at] - series["plated"][-1] == pytest.approx(10.0 * 1000.0, rel=1e-6)
    assert series["faraday"].max() <= 1e-8 and series["salt"].max() <= 1e-8
