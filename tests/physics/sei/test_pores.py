"""Films inside averaged hosts: the laws of walls, books, restart, ranks."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case, CaseError
from fem.base.constants import FARADAY
from fem.base.errors import Interrupted
from fem.mesh.domain import Domain
from fem.results.result import Result
from fem.run.session import resume, run
from fem.run.signals import StopRequest
from fem.study.build import build
from tests.physics.averaged.columns import column
from tests.physics.averaged.test_filling import FIBRES, REAL
from tests.physics.sei.films import N, V, diffusion, held, lined, on
from tests.verification.cells import MPI, mesh_folder

HOLD = {"step": "hold", "voltage": "0.4 V", "duration": "1e5 s"}
SHALLOW = {"family": "planar", "length": "10 um", "width": "10 um", "size": "5 um",
           "size_width": "10 um"}  # fmt: skip
START = {"time": {"dt0": "100 s", "tolerance": 1e-2}}


def grown(result: Result) -> float:
    """Thickness at the end, m; balances have closed."""
    assert max(result.summary["closures"].values()) < 1e-8
    return float(result.summary["sei_thickness"])


def test_they_grow_as_on_walls(tmp_path: Path) -> None:
    """At the same potential everywhere: as the law of a wall in the same steps."""
    film = {"resistivity": "1e-3 ohm*m"}
    wall = held("mixed", 0.4, 1e5) | {"geometry": SHALLOW} | START
    host = lined(1e5, on("host_mat", "mixed", **film), HOLD, **START)
    on_wall, inside = (
        run(Case.from_dict(data), tmp_path / name) for name, data in (("wall", wall), ("in", host))
    )
    assert grown(inside) == pytest.approx(grown(on_wall), rel=1e-6)
    cost = 1e5 * 10e-6 * N * FARADAY / V  # C/m2 of collector for a metre of film on all area
    assert inside.summary["sei_charge"] == pytest.approx(cost * (grown(inside) - 5e-9), rel=1e-8)
    shown = inside.array("L_sei_pores", block="averaged")
    assert shown == pytest.approx(grown(inside), rel=1e-6)


@pytest.mark.full
def test_diffusion(tmp_path: Path, reached: Callable[..., None]) -> None:
    """Like sqrt(t)."""
    film = on("host_mat", "solvent_diffusion", resistivity="1e-3 ohm*m")
    found = grown(run(Case.from_dict(lined(1e5, film, HOLD)), tmp_path))
    known = diffusion(5e-9, 2.5e-22 * 2636, 1e5)
    reached("film in pores by diffusion over the closed form, less 1", abs(found / known - 1.0),
            most=1e-3)


def cycled(**changes: Any) -> Case:
    """A host whose pores fill and empty under a film that breaks; the foil behind has it, too."""
    film = on("*", "solvent_diffusion", D_solvent="1e-18 m^2/s", L0="10 nm",
              crack={"thickness": "0.5 um", "share": 0.5, "fresh": "5 nm"})  # fmt: skip
    steps = [{"step": "plate", "current_density": "10 A/m^2", "duration": "100 s"},
             {"step": "rest", "duration": "20 s"},
             {"step": "strip", "current_density": "10 A/m^2", "duration": "60 s"}]
    host = {"dead": {"law": "fraction", "chi": 0.02}, "foil": True, "nucleation_length": "40 um"}
    given: dict[str, Any] = {
        "L": 60.0, "cells": 3, "sigma": 20.0, "surface": FIBRES, "electrolyte": REAL,
        "kinetics": {"eta_nuc": "20 mV", "q_cov": "100 C/m^2"}, "host": host, "sei": [film],
        "collector": {"material": "Cu"}, "protocol": steps, "time": {"tolerance": 0.05},
    }
    return column(**given | changes)


@pytest.mark.full
def test_a_resumed_run_goes_on_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: Callable[..., None]
) -> None:
    """Stopped among its steps and resumed: films, metal and books are those of one go."""
    case = cycled()
    whole = case.run(tmp_path / "whole").summary
    asked = itertools.count()
    monkeypatch.setattr(StopRequest, "agreed",
                        lambda self: signal.SIGUSR1 if next(asked) == 5 else 0)
    with pytest.raises(Interrupted):
        case.run(tmp_path / "part")
    monkeypatch.undo()
    again = resume(tmp_path / "part").summary
    names = ("voltage", "sei_thickness", "sei_charge", "plated", "steps", "coulombic")
    other = sum(again[name] != whole[name] for name in names)
    reached("numbers that differ after a resumed run, films in pores", other, most=0)


def test_where_the_charge_of_a_cycle_is(tmp_path: Path) -> None:
    """Metal, dead metal and films in pores and on the foil add up."""
    whole = cycled().run(tmp_path).summary
    summary = whole["coulombic"]
    print(summary, whole["closures"], whole["steps"])
    assert max(whole["closures"].values()) < 1e-8
    left = 1.0 - summary["sei"] - summary["left"] - summary["side"]
    assert abs(summary["efficiency"] - left) < 1e-14
    assert summary["sei"] > 0.01
    assert whole["sei_broken"] > 0.0
    assert whole["stranded"] > 0.0
    assert whole["voltage_parts"]["film"] > 1e-4
    assert sum(v for k, v in whole["voltage_parts"].items() if "." not in k) == pytest.approx(
        whole["voltage"], rel=1e-9)


def test_a_film_stays_in_a_study_of_one_time(tmp_path: Path) -> None:
    """Its resistance is there, and equals a film_resistance given by hand."""
    steps = [{"step": "plate", "current_density": "10 A/m^2"}]
    film = on("host_mat", "mixed", L0="50 nm", k0="1e-30 m/s")
    ours = cycled(study="secondary", protocol=steps, sei=[film], collector={})
    by_hand = cycled(study="secondary", protocol=steps, sei=[], collector={}, kinetics={
        "eta_nuc": "20 mV", "q_cov": "100 C/m^2", "film_resistance": "0.01 ohm*m^2"})
    found, known = (run(c, tmp_path / n).summary["voltage"]
                    for n, c in (("film", ours), ("hand", by_hand)))
    assert found == pytest.approx(known, rel=1e-9)


def test_slopes_are_those_of_the_currents() -> None:
    """Currents into all rows, by the potential and by the film: remainders fall with its square."""
    case = cycled(host={"metal": 0.02, "pore_distance": "5 um"}, sei=[
        on("host_mat", "mixed", k0="1e-15 m/s", L0="200 nm", crack={
            "thickness": "0.1 um", "fresh": "100 nm"})])
    model = build(case, Domain.read(mesh_folder(case, MPI.COMM_WORLD)))
    s = model.system
    s.begin(100.0)
    reaction = s["pore_surfaces"]["host_mat"].reaction
    draw = np.random.default_rng(3)
    for column_name, size in (("phi_l", 0.01), ("eps_sei", 0.02)):
        x = s.unknowns[column_name].value.x.array
        at = reaction.nodes[column_name]
        start = x.copy()
        x[at] = 0.03 + 0.005 * draw.standard_normal(len(at)) if column_name == "phi_l" else x[at]
        here, way = x.copy(), size * draw.standard_normal(len(at)) * (
            1.0 if column_name == "phi_l" else x[at])
        first, slopes = reaction.currents(), reaction.slopes()
        for row in ("phi_s", "phi_l", "eps_sei"):
            gaps = []
            for h in (0.2, 0.1, 0.05):
                x[at] = here[at] + h * way
                rise = reaction.currents()[row] - first[row]
                gaps.append(np.abs(rise - h * way * slopes[row, column_name]).sum())
            x[:] = here
            orders = np.log2(np.array(gaps[:-1]) / gaps[1:])
            assert orders == pytest.approx(2.0, abs=0.15), (row, column_name, orders)
        x[:] = here if column_name == "phi_l" else start


def test_what_no_host_can_have() -> None:
    """A film thicker than pores are wide."""
    case = cycled(sei=[on("host_mat", "mixed", L0="20 um")])
    with pytest.raises(CaseError, match="films on the surface of 'host_mat' take up to"):
        build(case, Domain.read(mesh_folder(case, MPI.COMM_WORLD)))


def on_ranks(folder: str) -> dict[str, float]:
    """Numbers of a cycle in 2D."""
    case = cycled(geometry={
        "family": "planar", "size": "15 um", "width": "40 um", "size_width": "10 um",
        "layers": [{"name": "mat", "thickness": "60 um", "region": "host_mat"},
                   {"name": "gap", "thickness": "10 um", "region": "electrolyte"}],
    })
    summary = run(case, folder, overwrite=True).summary
    return {k: summary[k] for k in ("voltage", "sei_thickness", "sei_thickest", "sei_charge",
                                 "sei_broken", "plated", "solvent_share")}  # fmt: skip


@pytest.mark.full
def test_ranks_agree(
    tmp_path: Path, mpirun: Callable[..., Any], reached: Callable[..., None]
) -> None:
    alone = on_ranks(str(tmp_path / "one"))
    together = mpirun(2, on_ranks, str(tmp_path / "two"))
    gap = max(abs(together[k] / alone[k] - 1.0) for k in alone)
    reached("largest difference of any number, films in pores, 2 ranks", gap, most=1e-9)
