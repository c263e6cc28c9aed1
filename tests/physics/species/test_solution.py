"""Ions in cells: equilibrium, sites, reactions, flow, ranks, restart, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case, CaseError
from fem.base.constants import FARADAY
from fem.results.result import Result
from fem.run.session import resume, run
from tests.physics.charged.hosts import charged
from tests.physics.species.solutions import IONS, STRIP, ion, three, two
from tests.physics.species.test_host import at
from tests.run.test_recover import largest_gap, stop_after
from tests.verification.cells import C0, RT_F, Cell, D, L, case, kinetics

LAYERS = {
    "family": "planar", "width": "2 um", "size": "1 um", "size_width": "2 um", "layers": [
        {"name": "below", "thickness": "20 um", "region": "electrolyte_below"},
        {"name": "above", "thickness": "20 um", "region": "electrolyte"}],
}  # fmt: skip
FLOW = {"expression": "v*4*y*(h - y)/h^2", "unit": "m/s", "v": "1e-5 m/s", "h": "100 um"}


def cell(ions: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A strip that plates at a tenth of its limit for 20 s."""
    step = {"step": "plate", "current_density": "100 A/m^2", "duration": "20 s"}
    return case(**{"geometry": STRIP, "protocol": [step], "ion": ions} | IONS | changes)


def test_at_rest_across_steps_of_charge() -> None:
    """Donnan: potentials stay, ions jump; three ions beside charges of both signs stay as put."""
    data = case(geometry=LAYERS, ion=three(0.2), **IONS) | {"fixed_charge": [
        charged(-0.5, region="electrolyte_below"), charged(0.3)]}  # fmt: skip
    made = Cell(data)
    made.rest(0.0)
    before = made.s["ions"].at_places()
    for dt in (1e-3, 1.0, 100.0):
        made.step(0.0, dt)
    sol = made.s["ions"]
    for old, new in zip(before, sol.at_places(), strict=True):
        assert np.abs(new / old - 1).max() < 1e-9
    rho = sol.rho[sol.mine] / (FARADAY * C0)
    metal, share, anion = (c / C0 for c in sol.at_places())
    assert np.abs(metal + share - anion + rho).max() < 1e-12
    y = np.exp(np.arcsinh(-rho / 2))  # c_plus/c of a 1:1 salt
    assert np.abs(anion * y - 1).max() < 1e-9 and np.abs(share / metal - 0.25).max() < 1e-9
    assert made.voltage == pytest.approx(0.0, abs=1e-9)


def test_steps_see_a_minority_of_metal_ions(tmp_path: Path) -> None:
    """Beside 1000 times as many others they follow c0 (1 - (t/t_s)^1/2) at the wall (Sand)."""
    few, t_s, salt = 1.0, 0.5, 1000.0
    i = 0.5 * FARADAY * few * float(np.sqrt(np.pi * D / t_s))
    walls = [kinetics(n, 10 * i, c_ref="1 mol/m^3") for n in ("collector", "counter")]
    fine = {"family": "planar", "length": "100 um", "width": "2 um", "size": "4 um",
            "size_width": "2 um", "size_collector": "0.1 um", "growth": 1.15}  # fmt: skip
    ions = [ion("Li", 1, few, plates=True), ion("S", 1, salt - few), ion("A", -1, salt)]
    plate = {"step": "plate", "current_density": f"{i!r} A/m^2", "duration": f"{0.6 * t_s} s"}
    Case.from_dict(case(geometry=fine, ion=ions, kinetics=walls, protocol=[plate], **IONS)).run(
        tmp_path)
    found = Result(tmp_path).series
    off = np.abs(found["c_min"] / few - 1 + np.sqrt(found["t"] / t_s))[1:].max()
    print(f"a minority of metal ions: {off:.1e} of c0 off, {len(found['t'])} rows")
    assert off < 1e-3


def test_pairs_come_to_their_equilibrium(tmp_path: Path) -> None:
    """Li + A <-> LiA: mass action everywhere at rest, and all ions are accounted for."""
    ions = [ion("Li", 1, 500.0, plates=True), ion("A", -1, 500.0), ion("pair", 0, 500.0)]
    reaction = [{"equation": "Li + A <-> pair", "forward": "1e-3 m^3/mol/s",
                 "backward": "0.25 1/s"}]  # fmt: skip
    steps = [{"step": "rest", "duration": "200 s"}]
    found = run(Case.from_dict(cell(ions, reaction=reaction, protocol=steps)), tmp_path / "r")
    free = (np.sqrt(0.25**2 + 4 * 1e-3 * 0.25 * C0) - 0.25) / 2e-3
    assert at(found, "c_Li", 0.0) == pytest.approx(free, rel=1e-6)
    assert at(found, "c_pair", L) == pytest.approx(C0 - free, rel=1e-6)
    assert max(found.summary["closures"].values()) < 1e-8


def test_sites_take_anions_until_they_are_full(tmp_path: Path) -> None:
    """theta = K c/(1 + K c) at rest; what they hold is missing in the liquid, metal ions too."""
    sites = {"on": "collector", "sites": "1e-2 mol/m^2", "K": "1e-3 m^3/mol", "rate": "10 1/s"}
    steps = [{"step": "rest", "duration": "2000 s"}]
    found = run(Case.from_dict(cell(two(adsorption=sites), protocol=steps)), tmp_path / "r")
    c = at(found, "c_A", 0.0)
    taken = 1e-2 * 1e-3 * c / (1 + 1e-3 * c)
    print("sites", c, (C0 - c) * L / taken - 1)
    assert (C0 - c) * L == pytest.approx(taken, rel=1e-6)
    assert at(found, "c_Li", L) == pytest.approx(c, rel=1e-6)
    assert max(found.summary["closures"].values()) < 1e-8


def test_taken_sites_do_not_plate(tmp_path: Path) -> None:
    """With theta known the exchange current is less by 1 - theta."""
    found = {}
    for blocks in (False, True):
        sites = {"on": "collector", "sites": "1e-9 mol/m^2", "K": "1e-2 m^3/mol",
                 "rate": "1000 1/s", "blocks": blocks}  # fmt: skip
        ions = three(0.1)
        ions[1] |= {"adsorption": sites}
        kinetics = [{"surface": "*", "i0": "1 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}]
        step = {"step": "plate", "current_density": "10 A/m^2"}
        data = cell(ions, study="steady", protocol=[step], kinetics=kinetics)
        result = run(Case.from_dict(data), tmp_path / str(blocks))
        found[blocks] = result.summary["voltage"], at(result, "c_S", 0.0)
    theta = 1e-2 * found[True][1] / (1 + 1e-2 * found[True][1])
    more = 2 * RT_F * (np.arcsinh(5 / np.sqrt(0.9) / (1 - theta)) - np.arcsinh(5 / np.sqrt(0.9)))
    print("blocked", theta, (found[False][0] - found[True][0]) / more - 1)
    assert found[False][0] - found[True][0] == pytest.approx(more, rel=2e-3)


def test_liquid_that_flows_by_carries_ions_out(tmp_path: Path) -> None:
    """Along a strip of full electrolyte the salt stays closer to that of the start."""
    wide = {"family": "planar", "length": "100 um", "width": "200 um", "size": "5 um"}
    step = {"step": "plate", "current_density": "300 A/m^2", "duration": "20 s"}
    lows = []
    for speed in ("1e-12 m/s", "1e-4 m/s"):
        model = {"model": "ions", "velocity": [FLOW | {"v": speed}, "0 m/s"]}
        data = cell(two(), electrolyte_model=model, geometry=wide, protocol=[step])
        found = run(Case.from_dict(data), tmp_path / speed[:5]).summary
        assert max(found["closures"].values()) < 1e-8
        lows.append(found["c_min"])
    print("flow", lows)
    assert lows[1] > lows[0] + 20.0


@pytest.mark.parametrize(("velocity", "message"), [
    (["0 m/s", FLOW], "not free of divergence: .* 1/s at"),
    (["0 m/s", "1e-6 m/s"], "goes through 'collector' with 1e-06 m/s"),
    (["0 m/s", "0 m/s", "0 m/s"], "3 components on a mesh in 2D"),
])  # fmt: skip
def test_flows_that_cannot_be(velocity: list[Any], message: str) -> None:
    with pytest.raises(CaseError, match=message):
        Cell(cell(two(), electrolyte_model={"model": "ions", "velocity": velocity}))


@pytest.mark.undisturbed
def test_a_resumed_run_ends_as_one_that_was_not_interrupted(tmp_path: Path) -> None:
    """Three ions beside a charge, stopped after four steps of eight: the same to round-off."""
    data = cell(three(0.2), protocol=[{"step": "plate", "current_density": "100 A/m^2",
                                       "duration": "20 s"}])  # fmt: skip
    made = Case.from_dict(data | {"fixed_charge": [charged(-0.1)]})
    with stop_after(8):
        run(made, tmp_path / "whole")
    with stop_after(4):
        run(made, tmp_path / "parts")
    with stop_after(4):
        resume(tmp_path / "parts")
    gap = largest_gap(tmp_path / "whole", tmp_path / "parts")
    print("resumed", gap)
    assert gap < 1e-12


def test_a_run_from_another_keeps_its_ions_at_any_temperature_and_c0(tmp_path: Path) -> None:
    """Potentials count from c0 and T of a case; ions, and a molecule, are as many after all."""
    ions = [*three(0.2), ion("M", 0, 5.0)]
    run(Case.from_dict(cell(ions)), tmp_path / "first")
    rest: dict[str, Any] = {
        "protocol": [{"step": "rest", "duration": "1 us"}],
        "time": {"dt0": "1 us", "dt_min": "1 us"}, "initial": {"from": str(tmp_path / "first")},
    }  # fmt: skip
    twice = [{**each, "c0": f"{2 * float(each['c0'].split()[0])!r} mol/m^3"} for each in ions]
    warm = {"temperature": "60 degC"}
    same = run(Case.from_dict(cell(ions, **rest)), tmp_path / "same")
    other = run(Case.from_dict(cell(twice, **rest, **warm)), tmp_path / "other")
    for each in ions:
        name = f"c_{each['name']}"
        before, after = same.array(name), other.array(name)
        assert np.ptp(before) > 0.05 * before.mean() or each["z"] == 0
        assert after == pytest.approx(before, rel=1e-4)


def on_ranks(folder: str) -> list[float]:
    """Numbers of three ions in a charged strip and a neutral one, with sites."""
    ions = three(0.2)
    ions[2] |= {"adsorption": {"on": "collector", "sites": "1e-4 mol/m^2", "K": "1e-3 m^3/mol"}}
    step = {"step": "plate", "current_density": "100 A/m^2", "duration": "5 s"}
    data = case(geometry=LAYERS, ion=ions, protocol=[step], **IONS) | {
        "fixed_charge": [charged(-0.3, region="electrolyte_below")],
        "time": {"dt0": "1 ms", "tolerance": 1e-3}, "solver": {"rtol": 1e-12},
    }  # fmt: skip
    found = run(Case.from_dict(data), folder).summary
    return [found[name] for name in ("voltage", "c_min", "c_max", "c_least", "charge")]


@pytest.mark.full
def test_ranks_agree(mpirun: Any, tmp_path: Path, reached: Callable[..., None]) -> None:
    """Two and three ranks find the same to 1e-9."""
    one = np.array(on_ranks(str(tmp_path / "1")))
    for n in (2, 3):
        found = mpirun(n, "tests.physics.species.test_solution:on_ranks", str(tmp_path / str(n)),
                       timeout=1800)
        reached(f"one rank against {n}, relative", float(np.abs(found / one - 1).max()), most=1e-9)
