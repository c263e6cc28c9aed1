"""Walls: floating conductors, insulators, films, coverage and the nucleation barrier.

The planar cells have exact scalar answers: the overpotentials of both electrodes, film and
electrolyte add up to the cell voltage; `scipy` finds the root.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from fem import Case
from fem.run.session import run
from fem.setup.kinetics import PASSIVE_SHARE
from tests.verification.cells import PLAIN, RT_F, Cell, case, kinetics, overpotential

I0 = 20.0  # A/m2
KAPPA, FREE = 1.0, 50e-6  # electrolyte of the cells below
WALL_MATERIALS = {
    "ideal": PLAIN,
    "steel": {"kind": "solid", "sigma": "1e4 S/m"},
    "glass": {"kind": "solid", "sigma": "0 S/m"},
    "film": {"kind": "solid", "sigma": "0 S/m", "kappa": "1e-5 S/m"},
}
STACK = {
    "family": "laminate",
    "width": "5 um",
    "size_width": "5 um",
    "layers": [
        {"region": "host_block", "thickness": "10 um", "cells": 4},
        {"region": "electrolyte", "thickness": "50 um", "cells": 20},
    ],
}


def stack(material: str, **more) -> dict:
    """A solid block on the collector under 50 um of electrolyte; metal counter electrode."""
    data = case(
        study="secondary",
        geometry=STACK,
        materials=WALL_MATERIALS,
        regions={"host_block": {"material": material}},
        kinetics=[kinetics("host_block", I0), kinetics("counter", I0)],
        protocol=[{"step": "hold", "voltage": "-0.1 V", "duration": "1 s"}],
    )
    return data | more


def held(
    data: dict, voltage: float, scale: float = 1.0, dt: float = 0.0
) -> tuple[float, Cell]:
    """Current density, A/m2, at a cell voltage; residuals count against `scale`, A/m2."""
    cell = Cell(data, rtol=1e-12)
    cell.s.begin(dt)
    for share in (0.5, 1.0):
        cell.s.set_voltage(share * voltage)
        cell.solve(None, scale=scale * cell.area)
    return cell.circuit.current() / cell.area, cell


def in_series(voltage: float, wall: Callable[[float], float], R_film: float = 0.0) -> float:
    """i (plating < 0) of: wall law behind a film, electrolyte, metal counter electrode."""

    def gap(i: float) -> float:
        counter = -overpotential(-i, I0)  # V lost there
        drive = voltage - counter - i * FREE / KAPPA - i * R_film
        return wall(drive) - i

    root: float = brentq(gap, -2e4, 2e4, xtol=1e-13, rtol=1e-14)
    return root


def butler_volmer(eta: float) -> float:
    eta = min(max(eta, -5.0), 5.0)  # of the search, not of the answer
    return I0 * 2 * np.sinh(eta / (2 * RT_F))


# -- floating conductors and insulators --------------------------------------------------------


@pytest.mark.parametrize("sigma", ["100 S/m", "0.5 S/m"])
def test_floating_conductor(sigma):
    """A metal fibre amid the electrolyte: net current 0, potential half way by symmetry."""
    data = case(
        study="secondary",
        geometry={"family": "array", "pitch": "100 um", "solid_fraction": 0.3,
                  "cells_per_radius": 8},
        materials={"ideal": PLAIN},
        regions={"host_fibre": {"material": "Li", "sigma": sigma}},
        kinetics=[kinetics(s, 1000.0) for s in ("collector", "counter", "host_fibre")],
        protocol=[{"step": "hold", "voltage": "-0.1 V", "duration": "1 s"}],
    )
    i, cell = held(data, -0.1, scale=300.0)
    assert i < -300.0
    insulated, _ = held(data | {"regions": {"host_fibre": {"material": "glass"}},
                                "materials": {"ideal": PLAIN, "glass": WALL_MATERIALS["glass"]}},
                        -0.1)
    assert i < 1.05 * insulated < 0.0  # a conductor helps the current past it: it reacts
    regions = cell.stock.by_region()
    currents = cell.stock.update()
    x = cell.domain.node_coordinates(cell.stock.space)
    on = (np.hypot(x[:, 0] - 50e-6, x[:, 1] - 50e-6) < 40e-6) & (cell.stock.area > 0.0)
    traded = np.abs(currents[on]).sum() / 2
    assert traded > 0.05 * abs(i) * cell.area  # plates below, dissolves above
    print("floating", regions["host_fibre"]["current"] / (i * cell.area))
    assert abs(regions["host_fibre"]["current"]) < 1e-9 * abs(i) * cell.area
    _, phi = cell.nodes("phi_s")
    assert abs(phi.mean() + cell.voltage + 0.05) < 1e-4 * 0.05
    if sigma == "100 S/m":
        assert np.ptp(phi) < 1e-3


def test_insulating_wall_to_wall():
    """An insulator across the whole cell lets nothing pass; a conductor of ions does."""
    layers = [
        {"name": "low", "thickness": "20 um", "region": "electrolyte_low"},
        {"name": "mid", "thickness": "10 um", "region": "coating_mid"},
        {"name": "high", "thickness": "20 um", "region": "electrolyte_high"},
    ]
    found = {}
    for name in ("glass", "film"):
        data = case(
            study="secondary",
            geometry={"family": "planar", "layers": layers, "size": "2 um", "size_width": "5 um"},
            materials=WALL_MATERIALS,
            regions={"coating_mid": {"material": name}},
            kinetics=[kinetics("collector", I0), kinetics("counter", I0)],
            protocol=[{"step": "hold", "voltage": "-0.1 V", "duration": "1 s"}],
        )
        found[name], _ = held(data, -0.1)
    R = 40e-6 / KAPPA + 10e-6 / 1e-5
    exact = brentq(lambda i: -0.1 - i * R + 2 * overpotential(-i, I0), -1e3, 0.0, xtol=1e-14)
    print("insulator", found["glass"], "ion conductor", found["film"] / exact - 1)
    assert abs(found["glass"]) < 1e-12 * 0.1 / R
    assert abs(found["film"] / exact - 1) < 1e-9


def test_every_wall_reacts_whatever_the_number_of_solids():
    """Three conductors on one another: the uppermost, last of its kind, meets the electrolyte."""
    names = ("host_a", "host_b", "host_c")
    layers = [{"region": n, "thickness": "4 um", "cells": 2} for n in names]
    found = {}
    for count in (1, 3):
        geometry = STACK | {"layers": [*layers[:count], STACK["layers"][1]]}
        data = stack("steel", geometry=geometry, regions={"host_*": {"material": "steel"}},
                     kinetics=[kinetics(surface, I0) for surface in ("host_*", "counter")])
        found[count], cell = held(data, -0.1)
        walls = {name: part["area"] for name, part in cell.stock.by_region().items()}
        assert walls == {names[count - 1]: pytest.approx(cell.area)}
    exact = in_series(-0.1, butler_volmer)
    print("one and three solids", found[1] / exact - 1, found[3] / exact - 1)
    # What a bare wall passes besides.
    assert max(abs(i / exact - 1) for i in found.values()) < PASSIVE_SHARE


# -- films on walls ----------------------------------------------------------------------------


def test_coated_wall_is_a_series_resistance():
    """Coating 50 nm at 1e-5 S/m: R = 5e-3 ohm m2; and on top the film of the kinetics."""
    coating = {"on": "host_block", "material": "film", "thickness": "50 nm"}
    for coatings, own in (([], 0.0), ([coating], 0.0), ([coating], 2e-3)):
        data = stack("Li", coatings=coatings)
        data["regions"]["host_block"]["sigma"] = "1e4 S/m"
        data["kinetics"][0]["film_resistance"] = f"{own} ohm*m^2"
        R = len(coatings) * 5e-3 + own
        for voltage in (-0.1, 0.15):
            i, _ = held(data, voltage)
            exact = in_series(voltage - i * 10e-6 / 1e4, butler_volmer, R)
            print("coated", R, voltage, i, i / exact - 1)
            assert abs(i / exact - 1) < 1e-9


def test_coating_that_stops_ions():
    """Nothing plates under it; the collector is covered by the block, so no current flows."""
    coating = {"on": "host_block", "material": "film", "thickness": "50 nm", "blocks_ions": True}
    data = case(
        study="secondary",
        geometry={
            "family": "aligned_channels", "arrangement": "vertical", "sheet_thickness": "2 um",
            "spacing": "4 um", "length": "20 um", "gap": "10 um",
        },
        materials=WALL_MATERIALS,
        regions={"host_sheets": {"material": "steel"}},
        coatings=[coating | {"on": "host_sheets"}],
        kinetics=[kinetics("collector", I0), kinetics("counter", I0),
                  kinetics("host_sheets", I0)],
        protocol=[{"step": "hold", "voltage": "-0.1 V", "duration": "1 s"}],
    )
    i, cell = held(data, -0.1)
    through_floor = cell.stock.by_region()
    assert i < -1.0 and "host_sheets" not in through_floor
    assert abs(through_floor["collector"]["current"] / (i * cell.area) - 1) < 1e-12


# -- walls that are not yet covered ------------------------------------------------------------

ETA_NUC = 0.03


def bare(**more) -> dict:
    data = stack("steel", **more)
    data["kinetics"][0] |= {"eta_nuc": f"{ETA_NUC} V", "q_cov": "100 C/m^2", "c_ref": "1 mol/L"}
    return data


@pytest.mark.parametrize("charge", [0.0, 50.0])
@pytest.mark.parametrize("voltage", [-0.02, 0.05, -0.1])
def test_partly_covered_wall(voltage, charge):
    """theta = 1 - exp(-q/q_cov): plating is shifted by eta_nuc (1 - theta), stripping scaled by it.

    A bare wall passes only its passive share between -eta_nuc and 0, and above 0.
    """
    theta = 1 - np.exp(-charge / 100.0)
    passive = (1 - theta) * PASSIVE_SHARE * I0 / RT_F

    def wall(eta: float) -> float:
        plating = min(butler_volmer(eta + ETA_NUC * (1 - theta)), 0.0)
        return plating + theta * max(butler_volmer(eta), 0.0) + passive * eta

    more = {"initial": {"plated_charge": f"{charge} C/m^2"}} if charge else {}
    i, _ = held(bare(**more), voltage)
    exact = in_series(voltage - i * 10e-6 / 1e4, wall)
    print("covered", theta, voltage, i, i / exact - 1)
    assert abs(i / exact - 1) < 1e-8
    if not charge and voltage > -ETA_NUC:
        assert abs(i) < 1.001 * passive * abs(voltage)
    elif voltage != -0.02:
        assert abs(i) > 5.0


def test_plate_rest_strip(tmp_path):
    """A short run from a bare wall: balances below 1e-9, coverage, and what is left at the end.

    Galvanostatic, flat, 1D: every node of the wall holds q = J t while plating and returns to
    what it had; coverage is 1 - exp(-q/q_cov); stripping less than was plated never runs bare.
    """
    data = bare(
        study="tertiary",
        protocol=[
            {"step": "plate", "current_density": "20 A/m^2", "duration": "10 s"},
            {"step": "rest", "duration": "5 s"},
            {"step": "strip", "current_density": "20 A/m^2", "duration": "6 s"},
        ],
        time={"dt0": "0.1 s", "dt_min": "1e-6 s"},
        solver={"rtol": 1e-11},
    )
    result = run(Case.from_dict(data), tmp_path / "r")
    worst = result.summary["closures"]
    print("closures", worst)
    assert {"balance", "collector", "faraday", "salt"} <= worst.keys()
    assert max(worst.values()) < 1e-9
    t, plated = result.series["t"], result.series["plated"]
    exact = np.where(t <= 10, 20 * t, np.where(t <= 15, 200, 200 - 20 * (t - 15)))
    # up to the side reaction, which takes PASSIVE_SHARE of the current of a bare wall
    assert np.abs(plated - exact).max() < PASSIVE_SHARE * 200
    assert abs(result.summary["plated"] - 80.0) < 2 * PASSIVE_SHARE * 80
    # the rest potential of a covered wall is 0, the first plating potential lies beyond -eta_nuc
    voltage = result.series["voltage"]
    assert voltage[0] < -ETA_NUC
    assert voltage[(t > 15.0)].min() > 0.0


def test_stripping_runs_bare(tmp_path):
    """Plated metal comes back, and q stays at zero while a bare wall passes its side reaction.

    The side reaction is charge that makes no metal: the ledger holds it apart.
    """
    data = bare(
        study="tertiary",
        protocol=[
            {"step": "plate", "current_density": "20 A/m^2", "duration": "10 s"},
            {"step": "hold", "voltage": "0.08 V", "duration": "3000 s"},
        ],
        time={"dt0": "0.1 s", "dt_min": "1e-7 s"},
    )
    result = run(Case.from_dict(data), tmp_path / "r")
    side = PASSIVE_SHARE * I0 / RT_F * 0.08
    residue, current = result.summary["plated"], result.summary["current_density"]
    print("residue", residue, "current", current, "side", side)
    assert abs(residue) < 1e-3 * 200.0
    assert 0.5 * side < current < 1.5 * side
    # plated and stripped 200 C/m2; the rest of the charge is the side reaction of 3000 s
    assert 0.5 * side * 3000 < result.summary["charge"] < 1.05 * side * 3000
    assert result.summary["closures"]["faraday"] < 1e-9


def test_a_barrier_gathers_metal_on_single_nodes(tmp_path: Path) -> None:
    """Far below the current of all walls metal stays where it starts, on a node: this is said.

    Its charge per area is then that of the cell over the size of a cell; at more current it is not.
    """

    def plated(size: float, current: float, hours: float) -> tuple[float, list[str]]:
        result = run(Case.from_dict(case(
            study="tertiary", materials=WALL_MATERIALS, collector={"material": "Cu"},
            geometry={"family": "aligned_channels", "arrangement": "vertical", "channels": 1,
                      "sheet_thickness": "4 um", "spacing": "6 um", "length": "10 um",
                      "gap": "5 um", "separator": "5 um", "size": f"{size} um",
                      "size_wall": f"{size} um"},
            regions={"host_sheets": {"material": "steel"}, "separator": {"material": "ideal"}},
            kinetics=[kinetics("host_sheets", I0) | {"eta_nuc": "50 mV"},
                      kinetics("collector", I0) | {"eta_nuc": "0.5 V"}, kinetics("counter", 1e3)],
            protocol=[{"step": "plate", "current_density": f"{current} A/m^2",
                       "duration": f"{hours} h"}],
        )), tmp_path / f"{size} {current}")
        said = [w for w in result.summary["warnings"] if "neighbours" in w]
        return float(result.array("q", block="walls").max()), said

    for size in (2.0, 1.0):
        q, (said,) = plated(size, 0.1, 10.0)
        assert q == pytest.approx(0.1 * 36000 * 10.0 / size, rel=0.02)
        assert said.startswith("100% of the metal is on 1 node")
    assert not plated(2.0, 10.0, 0.1)[1]


def test_the_collector_counts_by_what_electrolyte_touches(tmp_path: Path) -> None:
    """Half of it lies under a slotted sheet; its area is that of the other half."""
    sheet = {"name": "low", "thickness": "8 um", "opening": 0.5, "pitch": "30 um"}
    data = case(
        study="secondary", materials={"ideal": PLAIN}, regions={"host_low": {"material": "Cu"}},
        geometry={"family": "lamella", "repeat": 1, "width": "30 um", "gap": "20 um",
                  "size": "4 um", "layers": [sheet]},
        kinetics=[kinetics(name, I0) for name in ("host_low", "collector", "counter")],
        protocol=[{"step": "plate", "current_density": "10 A/m^2"}],
    )  # fmt: skip
    summary = run(Case.from_dict(data), tmp_path).summary
    area = summary["area_by_region"]
    assert area["collector"] == pytest.approx(15e-6, rel=1e-9)
    assert sum(area.values()) == pytest.approx(sum(summary["depth_profile"]["area"]), rel=1e-9)
