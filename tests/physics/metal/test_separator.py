"""Metal beside a separator: it stops there, keeps its piece, and fills what lies below it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.constants import FARADAY
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.run.session import mesh_folder
from fem.study.build import build


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


R, WIDTH, TOP, LAMBDA = 1.5e-6, 4.6e-6, 3.6e-6, 0.2e-6
CORNERS = {
    "expression": "y + max(base - y, radius - sqrt(min(x, w - x)^2 + (y - top)^2))", "unit": "m",
    "base": "0.5 um", "radius": "1.5 um", "w": "4.6 um", "top": "3.6 um",
}  # fmt: skip


def hanging(layer: dict[str, str] = CORNERS) -> Case:
    """Two quarters of a disc that hang on the separator, 8 lambda apart and above live metal."""
    plate = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "60 s"}
    return cell("4.6 um", "3.6 um", "0.1 um", layer, [plate], dt0="20 s")


def test_pieces_on_a_separator_are_islands(tmp_path: Path) -> None:
    """Two, with the charge of half a disc and its tails; nothing leaks.

    Beyond 4 lambda, half way to its neighbours, a disc has 0.8 % of its metal; while they grow
    they take up to 0.2 % of it.
    """
    case = hanging()
    run = case.run(tmp_path / "r")
    area = 0.5 * (math.pi * R * R + math.pi**3 / 3 * LAMBDA**2)
    dead = run.series["dead"]
    found = dead[0] * WIDTH / of_metal(case)
    drift, floor = np.ptp(dead) / dead[0], run.series["floor"].max()
    print("pieces on a separator", found / area - 1, drift, floor)
    assert set(run.series["islands"]) == {2.0}
    assert -8e-3 <= found / area - 1 <= 1e-3
    assert drift <= 2e-3
    assert floor <= 1e-6
    assert run.series["tip"][-1] == pytest.approx(TOP)
    assert any("lies on a separator" in text for text in run.summary["warnings"])


def test_metal_meets_a_separator_at_a_right_angle() -> None:
    """A quarter of a round pore is at rest: K = -1/R within 2 % at all nodes, there as well."""
    pores = CORNERS | {"expression": "y + sqrt(min(x, w - x)^2 + (y - top)^2) - radius"}
    case = hanging({name: given for name, given in pores.items() if name != "base"})
    model = build(case, Domain.read(mesh_folder(case), MPI.COMM_SELF))
    model.system.begin(0.0)
    xi = model.system.unknowns["xi"]
    x = xi.space.tabulate_dof_coordinates()[: len(xi.owned)]
    r = np.hypot(np.minimum(x[:, 0], WIDTH - x[:, 0]), x[:, 1] - TOP)
    on = (np.abs(xi.owned - 0.5) < 0.4) & (x[:, 1] > TOP - R)
    error = np.abs(model.system["front"].curvature.x.array[: len(r)][on] * r[on] + 1)
    here = np.abs(x[on, 1] - TOP) < 1e-9
    print("curvature on a separator", error.max(), error[here].max(), here.sum())
    assert here.sum() >= 8
    assert error.max() <= 0.02


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


BEYOND = [
    {"name": "free", "thickness": "1.4 um", "region": "electrolyte"},
    {"name": "pane", "thickness": "1 um", "region": "separator", "size": "0.5 um"},
    {"name": "far", "thickness": "0.5 um", "region": "electrolyte_far", "size": "0.25 um"},
]
HOLE = {
    "expression": "y + min(top - y, sqrt(x^2 + (y - middle)^2) - radius)", "unit": "m",
    "top": "2.0 um", "middle": "1.0 um", "radius": "0.5 um",
}


@pytest.mark.parametrize(("changes", "room"), [
    ({"geometry.width": "0.4 um", "geometry.layers": BEYOND, "initial.metal_layer": "1.2 um"},
     0.4 * 1.4),
    ({"initial.metal_layer": HOLE}, 1.2 * (2.2 - 0.2 * math.log(2)) - 0.5 * math.pi * 0.5**2),
])  # fmt: skip
def test_pores_that_metal_cannot_reach_are_no_room(
    changes: dict[str, Any], room: float, tmp_path: Path
) -> None:
    """Electrolyte beyond a closed separator, and a void: in both steps went on in milliseconds.

    Next to a void the front counts up to its contour, which then lacks ln 2 lambda of metal.

    Args:
        changes: of a cell of 1.2 by 2.2 um, with 10 um of separator above.
        room: area of the pores that are filled, um2.
        tmp_path: for the result.
    """
    plate = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "600 s"}
    case = cell("1.2 um", "2.2 um", "0.1 um", "1 um", [plate], dt0="5 s")
    run = case.with_(changes).run(tmp_path / "r")
    width = 1e6 * np.ptp(run.extent()[:, 0])
    filled = run.series["plated"][-1] * width * 1e6 / of_metal(case)
    print("no room", filled / room - 1, len(run.series["t"]))
    assert run.summary["events"][-1]["event"] == "full"
    assert filled == pytest.approx(room, rel=0.04)
