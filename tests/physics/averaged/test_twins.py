"""Averaged hosts against resolved ones, small cells, and several ranks (full tier)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geometries
from fem import Case
from fem.case.meshes import mesh_folder
from fem.physics.averaged.measured import tables
from tests.physics.averaged.columns import EVEN, RT_F, UM, T, along, column, run
from tests.physics.averaged.test_filling import FIBRES, PLATE, REAL

pytestmark = pytest.mark.full

ONE = [{"step": "plate", "current_density": "1 A/m^2"}]
SLOW = {"i0": "16.8 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5, "eta_nuc": "0 V"}


def slits() -> Case:
    """Walls of 2 um, 8 um apart and 100 um deep, on a foil where nothing reacts."""
    return Case.from_dict({
        "schema": 1, "title": "slits", "metal": "Li", "electrolyte": "even",
        "temperature": f"{T} K", "study": "secondary",
        "materials": {"even": EVEN, "lid": {"kind": "solid", "sigma": "0 S/m", "kappa": "0 S/m"}},
        "geometry": {
            "family": "aligned_channels", "arrangement": "vertical", "channels": 1,
            "sheet_thickness": "2 um", "spacing": "6 um", "length": "100 um", "gap": "10 um",
            "separator": "10 um", "size": "0.4 um", "size_wall": "0.25 um",
        },
        "regions": {"host_sheets": {"material": "Cu", "sigma": "100 S/m"},
                    "separator": {"material": "even"}},
        "coatings": [{"on": "collector", "material": "lid", "thickness": "0.1 um",
                      "blocks_ions": True}],
        "kinetics": [{"surface": "host_sheets"} | SLOW,
                     {"surface": "counter", "i0": "1e6 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}],
        "protocol": ONE, "output": {"figures": False},
    })  # fmt: skip


def averaged_slits() -> Case:
    """Slits as a volume average; what reacts on top of the walls stands in the first um."""
    walls, tops = 2 / (8 * UM), 2 / 8 / (1 * UM)
    area = {"along": "depth", "at": ["0 um", "1 um", "1.001 um", "100 um"],
            "values": [f"{a!r} 1/m" for a in (walls + tops, walls + tops, walls, walls)]}
    case = column(
        cells=200, sigma=25.0, porosity=0.75, kinetics=SLOW, study="secondary", protocol=ONE,
        surface={"law": "constant", "area": area}, host={"pore_distance": "8 um"},
    ).to_dict()  # fmt: skip
    case["regions"]["host_mat"]["tortuosity"] = 1.0
    return Case.from_dict(case)


def test_slits(tmp_path: Path, reached: Callable[..., None]) -> None:
    """Thirds of the current, top to bottom, resolved .4502 .3037 .2461, within 0.5 points."""
    found = [run(case, tmp_path / name).summary["current_by_third"]
             for name, case in (("resolved", slits()), ("averaged", averaged_slits()))]
    resolved, averaged = ([100 * third for third in shares.values()] for shares in found)
    known = [45.02, 30.37, 24.61]
    print(resolved, averaged)
    for name, one, other, noted in zip(("top", "middle", "bottom"), resolved, averaged, known,
                                       strict=True):
        reached(f"{name}, resolved against its noted share, points", abs(one - noted), most=0.1)
        reached(f"{name}, averaged against resolved, points", abs(other - one), most=0.5)


def mat(i0: float) -> Case:
    """A cut of a fibre mat, 11 pores thick, of a metal that conducts far better than its pores."""
    return Case.from_dict({
        "schema": 1, "title": "mat", "metal": "Li", "electrolyte": "even",
        "temperature": f"{T} K", "study": "secondary",
        "materials": {"even": EVEN, "lid": {"kind": "solid", "sigma": "0 S/m", "kappa": "0 S/m"}},
        "geometry": {
            "family": "stack", "dimension": 2, "width": "30 um", "gap": "5 um",
            "separator": "5 um", "seed": 1, "contacts": "none", "size": "1.5 um",
            "size_wall": "0.2 um",
            "layers": [{"family": "fibre_mat", "name": "mat", "thickness": "40 um",
                        "porosity": 0.85, "fibre_diameter": "1.5 um"}],
        },
        "regions": {"host_mat": {"material": "Cu", "connected": True},
                    "separator": {"material": "even"}},
        "coatings": [{"on": "collector", "material": "lid", "thickness": "0.1 um",
                      "blocks_ions": True}],
        "kinetics": [{"surface": "host_mat"} | SLOW | {"i0": f"{i0!r} A/m^2"},
                     {"surface": "counter", "i0": "1e6 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}],
        "protocol": ONE, "output": {"figures": False},
    })  # fmt: skip


@pytest.mark.parametrize("nu", [0.5, 1.5, 3.0])
def test_a_fibre_mat_as_it_was_measured(
    nu: float, tmp_path: Path, reached: Callable[..., None]
) -> None:
    """Area, pores and tortuosity that `inspect` hands over: thirds of the resolved mat, voltage."""
    report = geometries.inspect(mesh_folder(mat(1.0)))
    given = tables(report, "host_mat", 40 * UM)
    area, kappa = sum(report["wall_area"].values()), report["porosity"] / report["tortuosity"]
    i0 = RT_F * nu**2 * kappa / (area * (40 * UM) ** 2)
    case = column(L=40.0, sigma=1e6, kinetics=SLOW | {"i0": f"{i0!r} A/m^2"}, study="secondary",
                  protocol=ONE).to_dict()  # fmt: skip
    case["regions"]["host_mat"] |= given["regions"]["host_mat"]
    case["averaged"] = given["averaged"]
    found = [run(one, tmp_path / name).summary
             for name, one in (("resolved", mat(i0)), ("averaged", Case.from_dict(case)))]
    shares = [[100 * third for third in s["current_by_third"].values()] for s in found]
    for name, one, other in zip(("top", "middle", "bottom"), *shares, strict=True):
        reached(f"{name}, averaged against resolved, points", abs(other - one), most=2)
    reached("voltage, averaged over resolved", abs(found[1]["voltage"] / found[0]["voltage"] - 1),
            most=0.02)


def gathered(cells: int, length: str, folder: Path) -> tuple[float, float, list[str]]:
    """B of the metal at first clogging, the pores filled then, and what was warned of."""
    case = column(
        cells=cells, sigma=100.0, surface=FIBRES, electrolyte=REAL,
        host={"nucleation_length": length, "pore_distance": "8 um"}, time={"tolerance": 1e-4},
        kinetics={"eta_nuc": "50 mV", "q_cov": "500 C/m^2"},
        protocol=[PLATE | {"current_density": "1 A/m^2", "duration": "2000 h"}],
    )  # fmt: skip
    result = run(case, folder)
    assert result.summary["events"][-1]["event"] == "clogged"
    y, metal = along(result, "eps_m")
    depth = 100 * UM - y
    moment = float(np.trapezoid(metal * depth, y) / np.trapezoid(metal, y))
    B = 2 * moment / (100 * UM) - 1
    return B, result.summary["filled"], result.summary["warnings"]


def test_metal_gathers_over_the_nucleation_length(
    tmp_path: Path, reached: Callable[..., None]
) -> None:
    """Below the current that needs all of the host: with l = 20 um as with any mesh, else not."""
    fine = gathered(240, "20 um", tmp_path / "240")
    for cells in (30, 60, 120):
        B, filled, warned = gathered(cells, "20 um", tmp_path / f"{cells}")
        reached(f"B, {cells} cells against 240", abs(B / fine[0] - 1), most=0.01)
        reached(f"host use, {cells} cells against 240", abs(filled / fine[1] - 1), most=0.01)
        assert not warned
    coarse, small = (gathered(n, "0 um", tmp_path / f"no {n}") for n in (30, 240))
    reached("host use, 30 against 240 cells, without a length", abs(coarse[1] / small[1] - 1),
            least=0.02)
    assert all("the result follows the mesh" in " ".join(w) for *_, w in (coarse, small))


NUMBERS = ("voltage", "bottom_up", "filled", "eps_min", "stranded", "plated", "drive_ahead",
           "salt_out", "steps")  # fmt: skip


def on_ranks(folder: str) -> dict[str, Any]:
    """A strip with barrier, dead metal and outflow."""
    case = column(
        cells=20, sigma=5.0, surface=FIBRES, electrolyte=REAL,
        host={"dead": {"law": "fraction", "chi": 0.05}},
        kinetics={"eta_nuc": "10 mV", "q_cov": "500 C/m^2"},
        protocol=[PLATE, {"step": "strip", "current_density": "10 A/m^2", "duration": "1 h"}],
    ).to_dict()  # fmt: skip
    case["geometry"] |= {"width": "40 um", "size_width": "10 um"}
    summary = Case.from_dict(case).run(Path(folder)).summary
    return {name: summary[name] for name in NUMBERS}


def test_ranks(
    mpirun: Callable[..., Any], tmp_path: Path, reached: Callable[..., None]
) -> None:
    alone = on_ranks(str(tmp_path / "1"))
    for ranks in (2, 3):
        found = mpirun(ranks, on_ranks, str(tmp_path / f"{ranks}"), timeout=600)
        gap = max(abs(found[name] / alone[name] - 1) for name in NUMBERS)
        reached(f"all numbers, {ranks} ranks against 1", gap, most=1e-9)


def host(cells: int) -> Case:
    """A column of 50 um whose pores fill, as many cells high, one wide."""
    return column(
        L=50.0, sigma=100.0, host={"metal_sigma": "0 S/m"}, electrolyte=REAL, cells=cells,
        protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "1 h"}],
    )  # fmt: skip


def across(cells: int, folder: Path, **changes: Any) -> float:
    """Largest difference of eps between a column several cells wide and one that is one cell wide.

    Args:
        cells: along a host of 50 um, of both.
        folder: of the results.
        changes: of the geometry.
    """
    case = host(cells)
    narrow = run(case, folder / "1D")
    y, of = np.unique(np.round(narrow.points("averaged")[:, 1], 12), return_inverse=True)
    eps = np.bincount(of, narrow.array("eps", block="averaged")) / 2  # of both of its sides
    data = case.to_dict()
    data["geometry"] |= changes
    result = run(Case.from_dict(data), folder / "wide")
    points = result.points("averaged")[:, changes.get("dimension", 2) - 1]
    return float(np.abs(result.array("eps", block="averaged") - np.interp(points, y, eps)).max())


def test_strips_and_blocks_are_columns(tmp_path: Path, reached: Callable[..., None]) -> None:
    """A column in 2D, several cells wide, and in 3D is that in 1D.

    Triangles are the limit: a corner of the host has one or two of them, and so a share of h w/6 or
    h w/3 where h w/4 would be that of its part of the width; an edge of its sides has one with its
    own mean of kappa_eff. What is amiss flows aside, and falls with the size of cells.
    """
    wide = {"width": "10 um", "size_width": "2.5 um"}
    block = {"dimension": 3, "width": "5 um", "breadth": "5 um", "size_width": "2.5 um"}
    reached("eps, 2D against 1D", across(80, tmp_path / "2D", **wide), most=5e-5)
    reached("eps, 3D against 1D", across(20, tmp_path / "3D", **block), most=3e-4)
    coarse = across(20, tmp_path / "20", **wide)
    fine = across(40, tmp_path / "40", **wide | {"size_width": "1.25 um"})
    reached("eps, 2D against 1D, 20 cells over 40 cells and half as wide", coarse / fine, least=3.5)


def test_strips_of_crossed_triangles_are_columns(
    tmp_path: Path, reached: Callable[..., None]
) -> None:
    """A strip is a column exactly where all nodes of a row have alike triangles beside them.

    Cells are the same in both: what a row in the middle of cells adds hangs on their shape.
    """
    found = []
    for width in ("2.5 um", "10 um"):
        geometry = {"crossed": True, "width": width, "size_width": "2.5 um"}
        data = host(20).to_dict()
        data["geometry"] |= geometry
        result = run(Case.from_dict(data), tmp_path / width)
        y = np.round(result.points("averaged")[:, 1], 12)
        found.append((y, result.array("eps", block="averaged")))
    (y, eps), (wide, all_eps) = found
    height, first = np.unique(y, return_index=True)
    gap = np.abs(all_eps - eps[first][np.searchsorted(height, wide)]).max()
    reached("eps, crossed triangles, four cells wide against one", gap, most=1e-6)
