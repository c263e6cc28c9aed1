"""Rows and derivatives of space charge beside a host, ranks, restarts."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.errors import Interrupted
from fem.physics.pnp.foresight import CARRIER, RESTING, foresee
from fem.results.result import Result
from fem.run.session import resume
from fem.run.signals import StopRequest
from fem.solver.by_node import ByNode
from tests.physics.pnp.cells import charged_cell, limiting
from tests.physics.pnp.strips import D, concentration, graded
from tests.verification.cells import RT_F, Cell, L, kinetics
from tests.verification.taylor import orders, remainders

C0 = concentration(1e-2)


def hosted(**changes: Any) -> dict[str, Any]:
    """A block of copper on the collector, ten micrometres of it, electrolyte above."""
    um = f"{1e6 * 0.002 * L:.6g} um"
    geometry = {
        "family": "planar", "width": "20 um", "size": "8 um", "size_width": "10 um",
        "size_interface": um, "size_counter": um, "growth": 1.5, "layers": [
            {"name": "block", "thickness": "10 um", "region": "host_block"},
            {"name": "free", "thickness": "90 um", "region": "electrolyte"},
        ],
    }  # fmt: skip
    fast = functools.partial(kinetics, i0=10 * limiting(C0), c_ref=f"{C0!r} mol/m^3")
    return charged_cell(**{
        "study": "tertiary", "geometry": geometry, "regions": {"host_block": {"material": "Cu"}},
        "kinetics": [fast("host_block", eta_nuc="5 mV"), fast("counter")],
        "protocol": [{"step": "plate", "current_density": f"{0.5 * limiting(C0)!r} A/m^2",
                      "duration": "1 s"}],
    } | changes)  # fmt: skip


def disturbed() -> Cell:
    """The cell after a step, thrown out of balance at each node."""
    cell = Cell(hosted())
    s, rng = cell.s, np.random.default_rng(7)
    s.begin(1e-3)
    for u in cell.main.unknowns:
        held = u.fixed_dofs()
        kept = u.value.x.array[held]
        size = 0.2 * u.scale if u.positive else 2e-3
        u.value.x.array[:] += size * rng.uniform(-1, 1, len(u.value.x.array))
        u.value.x.array[held] = kept
    s.set_voltage(-0.05)
    return cell


def test_taylor() -> None:
    """|F(u + e d) - F(u) - e J d| falls as e^2 in every row, and the cell current's does."""
    stage = disturbed().main
    assert stage.parts is not None
    stage.parts.begin()
    rows = stage.residual().rows
    round_off = 1e-12 * float(np.abs(np.concatenate(rows)).sum())
    sizes = [0.1 * u.scale if u.positive else 2e-3 for u in stage.unknowns]
    for name, gaps in remainders(stage, sizes, (0.1, 0.05, 0.025)).items():
        print("taylor", name, orders(gaps), gaps[0] / round_off)
        assert gaps[0] < round_off or np.all(np.abs(orders(gaps) - 2.0) < 0.1), name
    assert {"phi_s", "phi", "c_Li", "c_anion", "q"} == {*stage.names}


def test_the_first_guess_is_a_cubic_of_the_root_of_time_since_the_jump() -> None:
    """Four states, 1/4, 1, 4 and 9 s after a jump; exact for all fields and the voltage."""
    s = Cell(hosted()).s
    s.time.t, s.time.jumped, s.time.past_dt, s.time.history = 14.0, 5.0, [5.0, 3.0, 0.75], 4

    def shape(after: float) -> float:
        root = after**0.5
        return 1.0 - 0.1 * root + 0.02 * root**2 + 0.003 * root**3

    now, *past, first = (shape(after) for after in (16.0, 9.0, 4.0, 1.0, 0.25))
    for name, u in s.unknowns.items():
        s.eldest[name][:] = u.scale * first
        for old, value in zip(u.old, past, strict=True):
            old.x.array[:] = u.scale * value
    s.past_voltages[:], s.eldest["voltage"][:] = past, first
    s.begin(7.0)
    for u in s.unknowns.values():
        free = np.setdiff1d(np.arange(len(u.owned)), u.fixed_dofs())
        np.testing.assert_allclose(u.owned[free], u.scale * now, rtol=1e-12)
    assert s.get_voltage() == pytest.approx(now, rel=1e-12)


@pytest.mark.parametrize("kind", [CARRIER, RESTING])
def test_ions_that_a_front_passes_are_foreseen_by_a_parabola_of_their_logarithm(
    kind: tuple[float, float],
) -> None:
    """Steps of 1, 2 and 1.5 s: exact within its bounds; what falls little stays as it was."""
    share, least = kind

    def c(t: float, fall: float) -> float:
        return 2.0 * math.exp(-fall * (1.0 + 0.1 * t) * t)

    falls = np.array([0.0, 0.05, 0.3, 0.6, 2.0, 1e3])  # 1/s; the last one ends below all numbers
    now, before, earlier, end = (np.array([c(t, f) for f in falls]) for t in (3.0, 1.0, 0.0, 4.5))
    now = np.maximum(now, 1e-60)
    for line in (0.9, 0.1, -1.0):
        guess = foresee(kind, line * now, (now, before, earlier), 1.5, (2.0, 1.0))
        bent = np.maximum(end, np.maximum(least * now, 1e-60))
        known = np.maximum(line * now, bent) if line < share else line * now
        np.testing.assert_allclose(guess, known, rtol=1e-12)


def test_iterative_solves_ask_for_no_more_newton_iterations(tmp_path: Path) -> None:
    """Ions that a loose linear solve left over would have to be found again, a third more often."""
    limit, whole = limiting(concentration(0.1)), L**2 / D
    steps: list[dict[str, Any]] = [
        {"step": "plate", "current_density": f"{0.6 * limit!r} A/m^2", "duration": 0.2},
        {"step": "rest", "duration": 0.05},
        {"step": "strip", "current_density": f"{0.4 * limit!r} A/m^2", "duration": 0.1},
    ]
    given = charged_cell(
        0.1, study="tertiary", geometry=graded(0.02, 0.3, 1.2),
        protocol=[step | {"duration": f"{step['duration'] * whole!r} s"} for step in steps],
        time={"dt0": f"{1e-3 * whole!r} s", "dt_min": "1e-9 s", "tolerance": 1e-2},
    )  # fmt: skip
    newton = {}
    for kind in ("direct", "iterative"):
        found = Case.from_dict(given | {"solver": {"kind": kind}}).run(tmp_path / kind)
        newton[kind] = found.summary["newton"]
    print("Newton iterations", newton)
    assert newton["iterative"] <= 1.05 * newton["direct"]


def iterated(folder: str) -> dict[str, float]:
    """Numbers of the last of a few steps of plating by the iterative solver."""
    limit, whole = limiting(concentration(0.1)), L**2 / D
    Case.from_dict(charged_cell(
        0.1, study="tertiary", geometry=graded(0.02, 0.3, 1.2), solver={"kind": "iterative"},
        protocol=[{"step": "plate", "current_density": f"{0.6 * limit!r} A/m^2",
                   "duration": f"{0.03 * whole!r} s"}],
        time={"dt0": f"{1e-3 * whole!r} s", "dt_min": "1e-9 s", "tolerance": 1e-2},
        output={"figures": False},
    )).run(Path(folder), overwrite=True)  # fmt: skip
    return last_row(Path(folder))


def test_iterative_ranks_agree(tmp_path: Path, mpirun: Callable[..., Any]) -> None:
    """Rows are solved to 1e-9 of the current: that alone left 1e-10 here, 8e-9 after 46 steps."""
    alone = iterated(str(tmp_path / "1"))
    together = mpirun(2, iterated, str(tmp_path / "2"))
    gaps = {name: abs(together[name] / value - 1) for name, value in alone.items()}
    print("two ranks", gaps)
    assert max(gaps.values()) < 1e-11, gaps


@pytest.mark.parametrize("solid", ["Cu", "Al2O3"])
def test_whole_nodes_beside_a_solid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, solid: str
) -> None:
    """Nodes of phi_s or phi alone in it: the voltage of fields one by one, in fewer iterations."""
    whole, plate = L**2 / D, f"{0.5 * limiting(C0)!r} A/m^2"
    sheet = {"name": "sheet", "thickness": "10 um", "opening": 0.5, "pitch": "20 um"}
    given = charged_cell(
        study="tertiary", regions={"host_sheet": {"material": solid}}, output={"figures": False},
        geometry={"family": "lamella", "spacing": "40 um", "gap": "40 um", "growth": 1.6,
                  "size": "5 um", "size_wall": "0.5 um", "size_counter": "0.5 um",
                  "layers": [sheet]},
        protocol=[{"step": "plate", "current_density": plate, "duration": f"{0.1 * whole} s"}],
        time={"dt0": f"{0.1 * whole} s", "tolerance": 0.09}, solver={"kind": "iterative"},
    )  # fmt: skip
    voltage, krylov = [], []
    for k in range(2):
        result = Case.from_dict(given).run(tmp_path / str(k))
        voltage.append(result.summary["voltage"])
        krylov.append(result.summary["krylov"])
        monkeypatch.setattr(ByNode, "suits", staticmethod(lambda solver: False))
    print("beside", solid, voltage, krylov)
    assert voltage[0] == pytest.approx(voltage[1], rel=1e-9)
    assert krylov[0] < 0.9 * krylov[1]


def test_charge_that_a_step_would_lose_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fast electrodes with little charge, solved field by field: 1e-8 of it was lost."""
    monkeypatch.setattr(ByNode, "suits", staticmethod(lambda solver: False))
    limit, whole = limiting(concentration(0.02)), L**2 / D
    times = {"plate": 0.2, "rest": 0.05, "strip": 0.1, "hold": 0.05}
    given = charged_cell(
        0.02, fast=1e5, study="tertiary", geometry=graded(0.004, 1.0, 1.2),
        protocol=[{"step": k, "duration": f"{t * whole!r} s"} for k, t in times.items()],
        time={"dt0": f"{0.1 * whole!r} s", "dt_min": "1e-9 s", "tolerance": 1e-2},
        solver={"kind": "iterative"},
    )  # fmt: skip
    for k, share in ((0, 0.6), (2, 0.4)):
        given["protocol"][k]["current_density"] = f"{share * limit!r} A/m^2"
    given["protocol"][3]["voltage"] = "-30 mV"
    closures = Case.from_dict(given).run(tmp_path / "r").summary["closures"]
    print("closures", closures)
    assert closures["gauss"] < 1e-9


def test_books_with_a_host(tmp_path: Path) -> None:
    """Plating, rest, stripping, a voltage that is held: charge of layers closes in all of them."""
    plate = {"current_density": f"{0.5 * limiting(C0)!r} A/m^2"}
    protocol = [
        {"step": "plate", "duration": "1 s", **plate}, {"step": "rest", "duration": "1 s"},
        {"step": "strip", "duration": "0.5 s", **plate},
        {"step": "hold", "voltage": "-20 mV", "duration": "1 s"},
    ]  # fmt: skip
    given = Case.from_dict(hosted(protocol=protocol, time={
        "dt0": "1 us", "dt_min": "1e-10 s", "tolerance": 1e-2}))  # fmt: skip
    result = given.run(tmp_path / "r")
    said = result.summary
    print("books", said["closures"], said["steps"], said["warnings"])
    assert max(said["closures"].values()) < 1e-8
    gaps = np.abs(result.series["V_gap"])  # of the parts of the voltage; at rest as well
    assert (result.series["segment"] == 1).any() and gaps.max() < 1e-9, gaps.max()
    assert not any("parts of the voltage" in text for text in said["warnings"])


def test_at_rest_the_voltage_is_the_diffusion_potential_of_neutral_salt(tmp_path: Path) -> None:
    """E = (2RT/F)(1 - t_plus) ln(c_collector/c_counter) outside thin layers, D of both alike."""
    plate = {"step": "plate", "current_density": f"{0.5 * limiting(C0)!r} A/m^2", "duration": "1 s"}
    result = Case.from_dict(charged_cell(
        largest=0.04, study="tertiary", protocol=[plate, {"step": "rest", "duration": "2 s"}],
        time={"dt0": "10 ms", "dt_min": "1e-10 s", "tolerance": 1e-2}, output={"figures": False},
    )).run(tmp_path / "r")  # fmt: skip
    series, ends = result.series, np.argsort(result.points("pore")[:, 1])[[0, -1]]
    salt = np.sqrt(result.array("c_Li") * result.array("c_anion"))[ends]  # even across a layer
    known = RT_F * np.log(salt[0] / salt[1])
    print("rest", series["V_concentration"][-1] / known - 1, np.abs(series["V_gap"]).max())
    assert known < -1e-3
    assert series["V_concentration"][-1] == pytest.approx(known, rel=1e-2)
    assert np.abs(series["V_gap"]).max() < 1e-9


def test_parts_of_the_voltage_at_rest_beyond_the_limit(tmp_path: Path) -> None:
    """Rests of microseconds, where what is stored is next to the last bits of the ions."""
    c0, debye = concentration(1e-3), 1e-3
    plate = {"step": "plate", "current_density": f"{1.5 * limiting(c0)!r} A/m^2", "duration": "1 s"}
    result = Case.from_dict(charged_cell(
        debye, largest=0.1, fast=1.0, study="tertiary", output={"figures": False},
        protocol=[plate, {"step": "rest", "duration": "30 us"}],
        time={"dt0": "1 us", "dt_min": "1e-10 s", "tolerance": 3e-2},
    )).run(tmp_path / "r")  # fmt: skip
    rests = result.series["segment"] == 1
    gaps, stored = (np.abs(result.series[f"V_{k}"][rests]) for k in ("gap", "stored"))
    print("rest beyond the limit", rests.sum(), gaps.max(), stored.max(), result.summary["newton"])
    assert rests.sum() >= 5 and gaps.max() < 1e-9 and stored.max() > 1e-3


def numbers(folder: str) -> dict[str, float]:
    """Columns of a run to the end of its second step."""
    given = Case.from_dict(hosted(protocol=[
        {"step": "plate", "duration": "0.1 s",
         "current_density": f"{0.5 * limiting(C0)!r} A/m^2"}]))  # fmt: skip
    given.run(Path(folder), overwrite=True)
    return last_row(Path(folder))


def last_row(folder: Path) -> dict[str, float]:
    """Numbers of the last accepted step that no round-off makes."""
    series = Result(folder).series
    names = ("voltage", "c_min", "c_max", "c_least", "charge", "drift_max", "plated")
    return {name: float(series[name][-1]) for name in names}


@pytest.mark.full
def test_ranks_agree(
    tmp_path: Path, mpirun: Callable[..., Any], reached: Callable[..., None]
) -> None:
    alone = numbers(str(tmp_path / "1"))
    for n in (2, 3):
        together = mpirun(n, numbers, str(tmp_path / str(n)), timeout=1800)
        gap = max(abs(together[k] / v - 1) for k, v in alone.items())
        reached(f"largest relative difference of any number, {n} ranks", gap, most=1e-9)


def test_a_resumed_run_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after its fourth step and resumed: the same numbers to the last bit."""
    whole = numbers(str(tmp_path / "whole"))
    asked = iter([0, 0, 0, 10])
    with monkeypatch.context() as patched:
        patched.setattr(StopRequest, "agreed", lambda self: next(asked))
        with pytest.raises(Interrupted):
            numbers(str(tmp_path / "parts"))
    resume(tmp_path / "parts")
    assert last_row(tmp_path / "parts") == whole
