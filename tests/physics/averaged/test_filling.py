"""Averaged hosts in time: salt, metal, dead metal, barriers; and what is refused."""

from __future__ import annotations

import itertools
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import theory
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.base.errors import CaseError, Interrupted, RunError
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.physics.averaged import PHYSICS
from fem.physics.averaged.books import Books
from fem.run.session import resume
from fem.run.signals import StopRequest
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.study.build import build
from tests.physics.averaged.columns import RT_F, UM, T, along, column, linear, run
from tests.verification.cells import mesh_folder

REAL = {"kind": "electrolyte", "c0": "1 mol/L", "D": "3e-10 m^2/s", "t_plus": 0.4,
        "kappa": "1 S/m"}  # fmt: skip
FIBRES = {"law": "fibres", "radius": "2 um"}
PLATE = {"step": "plate", "current_density": "10 A/m^2", "duration": "2 h"}


def test_the_sign_of_the_bottom_up_index() -> None:
    """Kappa - sigma has the sign of B, nothing else has: 50 draws, one mesh, one compilation."""
    case = column(cells=20, kinetics=linear(3.0), host={"exponent": 0}, study="secondary")
    model = build(case, Domain.read(mesh_folder(case, MPI.COMM_WORLD)))
    s = model.system
    books = next(part for part in model.physics if isinstance(part, Books))
    hosts = books.hosts
    stage, area = Stage(s, tuple(s.unknowns), Options(kind="direct")), model.area
    draw = np.random.default_rng(1)
    first = case.kinetics[0].i0
    assert first is not None
    for _ in range(50):
        kappa, sigma = np.exp(draw.uniform(np.log(0.05), np.log(20.0), 2))
        nu = draw.uniform(0.3, 6.0)
        rate = nu**2 / (1 / kappa + 1 / sigma) / 9.0 * (1.0 + 1e-4)
        s.begin(0.0)
        hosts.open.x.array[:], hosts.sigma.x.array[:] = kappa, sigma
        hosts.places[0].reaction.area[:] *= rate
        current = -(10 ** draw.uniform(-1, 2)) * area
        s.set_voltage(-0.05)  # metal begins below 0 only
        assert stage.solve(Control(current), abs(current)).converged
        B = books.index()
        assert math.copysign(1.0, B) == math.copysign(1.0, kappa - sigma)
        assert theory.bottom_up(nu, kappa, sigma) == pytest.approx(B, abs=2e-2 * nu**2 / 36 + 1e-4)


def test_metal_in_pores_is_found_node_by_node() -> None:
    """Its row has a diagonal alone: one iteration to the last digit, and nothing is factorised."""
    case = column(cells=10, surface=FIBRES, electrolyte=REAL)
    model = build(case, Domain.read(mesh_folder(case, MPI.COMM_WORLD)))
    s = model.system
    cell, metal = Stage(s, ("phi_s", "phi_l", "c")), Stage(s, ("eps_m",), drives=False)
    assert cell.solver.direct and not metal.solver.direct
    assert Stage(s, ("eps_m",), Options(kind="direct"), drives=False).solver.direct
    s.begin(10.0)
    s.set_voltage(-0.05)
    assert cell.solve(Control(None), model.area).converged
    done = metal.solve(Control(None), model.area)
    assert done.converged and (done.newton, done.linear) == (1, 1) and done.residual < 1e-14


def test_uniform_salt_stays_uniform(tmp_path: Path) -> None:
    """With t_plus = 1 c is c0 while pores lose half of their room; with no outflow it doubles."""
    even = REAL | {"t_plus": 1}
    host: dict[str, Any] = {"surface": FIBRES, "clog": {"porosity": 0.01}}
    given: dict[str, Any] = {
        "cells": 20, "electrolyte": even, "sigma": 1.0, "porosity": 0.8,
        "protocol": [PLATE | {"duration": "7 h", "current_density": "15 A/m^2"}],
    }  # fmt: skip
    result = run(column(averaged={"regions": {"host_mat": host}}, **given), tmp_path / "out")
    assert result.summary["eps_min"] < 0.4
    assert abs(result.summary["c_min"] - 1000.0) < 1e-7
    assert abs(result.summary["c_max"] - 1000.0) < 1e-7
    stays = {"displacement": "none", "regions": {"host_mat": host}}
    result = run(column(averaged=stays, **given), tmp_path / "none")
    mean = 1000.0 / (1.0 - result.summary["filled"] * 0.8 * 100 / (0.8 * 100 + 10))
    assert result.summary["c_min"] < mean < result.summary["c_max"]
    assert result.summary["c_min"] > 2000.0
    print(result.summary["c_min"], mean, result.summary["c_max"])


def test_cycles_strip_live_metal_and_strand_their_share(tmp_path: Path) -> None:
    """chi = 0.02 of all that dissolves stays as dead metal, and balances close in every step."""
    chi = 0.02
    strip = {"step": "strip", "current_density": "10 A/m^2", "cutoff": "0.3 V"}
    case = column(
        cells=30, sigma=20.0, surface=FIBRES, electrolyte=REAL,
        host={"dead": {"law": "fraction", "chi": chi}},
        protocol=[{"step": "cycle", "cycles": 2, "steps": [PLATE, {"step": "rest", "duration":
                   "1 min"}, strip]}],
    )  # fmt: skip
    result = run(case, tmp_path / "r")
    series = result.series
    steps = np.diff(np.concatenate([[0.0], series["plated"]]))
    stripped = -steps[steps < 0.0].sum()
    stranded = result.summary["stranded"]
    assert chi * stripped < stranded < 1.001 * chi * stripped  # at rest metal moves, too
    assert result.summary["plated"] == pytest.approx(stranded, rel=1e-3)
    eps_m, dead = (along(result, name)[1] for name in ("eps_m", "eps_dead"))
    assert (eps_m - dead).min() > -1e-15
    assert result.summary["salt_out"] == pytest.approx(
        result.summary["plated"] * 1.2998e-5 / FARADAY * 1000.0, rel=5e-2)
    print(result.summary["closures"], stranded / (chi * stripped) - 1, result.summary["steps"])


def test_a_host_that_was_stripped_bare_is_plated_again(tmp_path: Path) -> None:
    """No voltage between 0 and the barrier passes a current; and no metal is taken twice.

    The rest between, in which nothing flows anywhere, closes against what metal would exchange.
    """
    plate = {"step": "plate", "current_density": "10 A/m^2", "duration": "5 min"}
    strip = {"step": "strip", "current_density": "10 A/m^2", "cutoff": "1 V"}
    rest = {"step": "rest", "duration": "20 min"}
    case = column(cells=10, sigma=20.0, surface=FIBRES, electrolyte=REAL,
                  kinetics={"eta_nuc": "40 mV"}, host={"nucleation_length": "20 um"},
                  protocol=[plate, strip, rest, plate])
    result = run(case, tmp_path / "r")
    series = result.series
    assert series["plated"].max() == pytest.approx(3000.0, rel=1e-3)
    idle = int(np.argmax(series["current_density"] == 0.0))
    assert series["plated"][:idle].min() > 0.0
    assert series["plated"].min() > -3e-3  # C/m2; a memory that owes 1e-7 of the volume is let be
    bare = int(np.argmin(series["plated"]))
    assert series["plated"][bare] < 1.0  # C/m2
    assert series["current_density"][-1] == pytest.approx(-10.0)
    assert along(result, "eps_m")[1].min() > -1e-6
    print(series["plated"].min(), result.summary["steps"])


def test_salt_that_runs_out_leaves_the_last_good_state(tmp_path: Path) -> None:
    """After the smallest step has failed, currents are those of the step before it."""
    case = column(cells=10, sigma=1e4, electrolyte=REAL | {"D": "1e-12 m^2/s"},
                  protocol=[PLATE | {"current_density": "500 A/m^2"}])
    with pytest.raises(RunError, match="has run out unseen: within one cell"):
        run(case, tmp_path / "coarse")
    case = case.with_({"geometry.layers.1.size": "0.1 um"})
    summary = run(case, tmp_path / "r").summary
    assert summary["events"][-1]["event"] == "depletion"
    assert summary["current_density"] == pytest.approx(-500.0, rel=1e-8)
    assert summary["current_by_region"]["host_mat"] == pytest.approx(-500e-6, rel=1e-8)  # A/m


def test_salt_that_is_drawn_along_adds_to_the_resistance(tmp_path: Path) -> None:
    """A small steady current: 1/kappa + 2RT(1 - t_plus)^2/(F^2 D c0) = 1.63908 ohm m."""
    drawn = 2 * RT_F**2 / (GAS_CONSTANT * T) * 0.6**2 / (3e-10 * 1000.0)
    assert drawn == pytest.approx(0.63908, abs=5e-6)
    kinetics = linear(3.0, kappa=1 / (1 + drawn))
    case = column(kinetics=kinetics, host={"exponent": 0}, study="steady", electrolyte=REAL,
                  protocol=[{"step": "plate", "current_density": "0.01 A/m^2"}])
    result = run(case, tmp_path / "r")
    y, i_v = along(result, "i_v")
    first = case.kinetics[0].i0
    assert first is not None
    exact = theory.resistive_column(
        np.minimum(y, 100 * UM), 100 * UM, 1 / (1 + drawn), 1e4, 2e6, float(first.at()))
    assert -i_v * 100 * UM / 0.01 == pytest.approx(exact, rel=1e-3)
    print(np.abs(-i_v * 100 * UM / 0.01 / exact - 1).max())


def test_a_resumed_run_goes_on_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped among its steps and resumed: barrier, dead metal and pores are those of one go."""
    case = column(
        cells=20, sigma=5.0, surface=FIBRES, electrolyte=REAL,
        host={"dead": {"law": "decay", "gamma": "1e-5 1/s"}},
        kinetics={"eta_nuc": "10 mV", "q_cov": "500 C/m^2"},
        protocol=[PLATE, {"step": "strip", "current_density": "10 A/m^2", "duration": "1 h"}],
    )  # fmt: skip
    whole = run(case, tmp_path / "whole").summary
    asked = itertools.count()
    monkeypatch.setattr(StopRequest, "agreed",
                        lambda self: signal.SIGUSR1 if next(asked) == 20 else 0)
    with pytest.raises(Interrupted):
        case.run(tmp_path / "part")
    monkeypatch.undo()
    found = resume(tmp_path / "part").summary
    for name in ("voltage", "eps_min", "bottom_up", "stranded", "plated", "steps", "drive_ahead"):
        assert found[name] == whole[name], name
    assert whole["stranded"] > 0.0


def test_another_host_needs_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No number of a host, its kinetics or its film stands in a kernel: new ones compile nothing.

    They are new each time, so that no kernel of an earlier session fits by chance.
    """
    def host(name: str) -> None:
        some = np.random.default_rng().uniform(0.9, 1.1, 7).tolist()
        run(column(
            cells=4, sigma=20.0 * some[0], porosity=0.8 * some[1], electrolyte=REAL,
            surface=FIBRES | {"radius": f"{some[2]!r} um"},
            host={"exponent": 1.5 * some[3], "pore_distance": f"{some[4]!r} um"},
            kinetics={"i0": f"{10 * some[5]!r} A/m^2"},
            sei=[{"on": "host_mat", "law": "mixed", "data": "SEI_Li", "L0": f"{5 * some[6]!r} nm"}],
            protocol=[PLATE | {"duration": "10 s"}],
        ), tmp_path / name)

    def compiles(*_: Any, **__: Any) -> None:
        raise AssertionError("a kernel is compiled")

    host("first")
    monkeypatch.setattr("fem.compiler._compile", compiles)
    host("second")


#: Of depth from the top.
FALLING = {"along": "depth", "at": ["0 um", "100 um"], "values": [0.9, 0.8]}
THIN = r"averaged.regions.host_mat: 10 um thick, below 5 distances of 10.9 um between pores"


@pytest.mark.parametrize(("changes", "reason"), [
    ({"L": 10.0, "surface": FIBRES, "porosity": 0.9}, THIN),
    ({"surface": {"law": "fibres"}}, r"surface: law 'fibres' needs radius; give it"),
    ({"surface": {"law": "table", "porosity": [0.1, 0.9]}}, r"law 'table' needs areas"),
    ({"surface": FIBRES | {"area": "1 1/um"}}, r"surface.area: law 'fibres' takes none"),
    ({"sigma": 0.0}, r"regions.host_mat.sigma: 0 S/m: an insulating skeleton brings no electrons"),
    ({"host": {"host_fraction": 0.2}}, r"pores, skeleton and metal add up to 1.1 of the volume"),
    ({"host": {"host_fraction": 0.5}, "porosity": FALLING},
     r"host_fraction: pores, metal and skeleton take up to 1.4 of the volume"),
    ({"host": {"host_fraction": 0.01}}, r"host_fraction: .* take 0.91 of the volume and the rest"),
    ({"host": {"metal": 0.3}}, r"pores \(with metal\) take 1.2 to 1.2 of the volume"),
    ({"porosity": 1.0}, r"pores \(with metal\) take 1 to 1 of the volume"),
    ({"porosity": 0.01}, r"0.01 of the volume is open at the start, and a place is closed at"),
    ({"initial": {"plated_charge": "100 mAh/cm^2"}}, r"of the volume is open at the start"),
    ({"surface": {"law": "table", "porosity": [0.0, 0.95], "areas": ["0 1/m", "0 1/m"]}},
     r"surface: no area at the start, so that nothing reacts"),
    ({"surface": {"law": "table", "porosity": [0.1, 0.5], "areas": ["1 1/um", "1 1/um"]}},
     r"surface.porosity: 0.9 of the volume is open at the start, and the table ends at 0.5"),
    ({"sigma": 1e-12}, r"sigma: 1e-12 S/m: an insulating skeleton brings no electrons"),
    ({"host": {"dead": {"law": "decay"}}}, r"dead: law 'decay' needs gamma; give it"),
    ({"host": {"tensor": [[1.0, 0.0], [0.0, 0.5]]}}, r"no principal value below 1"),
    ({"study": "growth"}, r"averaged: only for study"),
    ({"averaged": None}, r"regions.host_mat.porosity: a solid with pores reacts all through"),
    ({"regions": {"host_mat": {"material": "MXene", "porosity": 0.9, "sigma": "1 S/m"}},
      "kinetics": {"surface": "collector"}},
     r"kinetics of 'host_mat': pair 'Li/MXene': no kinetic data of Li on 'MXene'"),
])  # fmt: skip
def test_refused(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=reason):
        column(cells=4, **changes).run(tmp_path / "r")


def test_pores_below_their_table_are_reported(tmp_path: Path) -> None:
    """An area given for 0.8 and more is held below that, and the run says so."""
    plate = {"step": "plate", "current_density": "10 A/m^2", "duration": "2 h"}
    for first, said in ((0.8, 1), (0.1, 0)):
        table = {"law": "table", "porosity": [first, 0.9], "areas": ["1 1/um", "1 1/um"]}
        case = column(L=50.0, cells=4, surface=table, electrolyte=REAL, protocol=[plate],
                      host={"pore_distance": "2 um"})
        found = run(case, tmp_path / f"{first}").summary
        assert 0.1 < found["eps_min"] < 0.75
        texts = [w for w in found["warnings"] if "the table begins at 0.8; below that" in w]
        assert len(texts) == said


def test_thin_layers_are_seen_before_they_run() -> None:
    """By `check`, where the distance of pores follows from the depth; others by the run.

    A host of porosity 0.9 on top and less below is as far from an average as one of 0.9.
    """
    for porosity in (0.9, FALLING):
        with pytest.raises(CaseError, match=THIN):
            column(L=10.0, cells=4, surface=FIBRES, porosity=porosity)
    column(L=10.0, cells=4, surface=FIBRES, porosity={"expression": "0.9 + 0*x"})
    case = column(L=80.0, cells=20, surface=FIBRES)
    assert [*PHYSICS.notes(vars(case))] == [
        "'host_mat' is 7.3 distances of pores thick; below 10 an average is coarse"]


def test_warned(tmp_path: Path) -> None:
    """A barrier that one cell forgets by itself, and a layer of few pores."""
    case = column(L=80.0, cells=20, surface=FIBRES, kinetics={"eta_nuc": "10 mV"},
                  host={"nucleation_length": "0 um"}, protocol=[PLATE | {"duration": "1 s"}])
    said = " ".join(run(case, tmp_path / "r").summary["warnings"])
    assert "nucleation_length: 0 m, less than two cells of 4 um" in said
    assert "'host_mat' is 7.3 distances of pores thick; below 10 an average is coarse" in said
    assert "sigma of the skeleton of 'host_mat' was lowered to 1e+04 S/m" in said


def test_slopes_are_those_of_the_currents() -> None:
    """Remainders of a Taylor series fall with the square of the step, while metal strips, too."""
    case = column(cells=10, surface=FIBRES, electrolyte=REAL, kinetics={"film_resistance":
                  "1e-3 ohm*m^2", "q_cov": "500 C/m^2"}, host={"metal": 0.02})  # fmt: skip
    model = build(case, Domain.read(mesh_folder(case, MPI.COMM_WORLD)))
    s = model.system
    s.begin(100.0)
    books = next(part for part in model.physics if isinstance(part, Books))
    hosts = books.hosts
    reaction, phi = hosts.places[0].reaction, s.unknowns["phi_l"].value.x.array
    draw = np.random.default_rng(2)
    for level in (-0.05, 0.05):  # strips, plates
        phi[:] = level + 0.01 * draw.standard_normal(len(phi))
        way, here = draw.standard_normal(len(phi)), phi.copy()
        first = reaction.currents()["phi_l"]
        slope = reaction.slopes()["phi_l", "phi_l"] * way[reaction.nodes["phi_l"]]
        gaps = []
        for h in (2e-3, 1e-3, 5e-4):
            phi[:] = here + h * way
            gaps.append(np.abs(reaction.currents()["phi_l"] - first - h * slope).sum())
        orders = np.log2(np.array(gaps[:-1]) / gaps[1:])
        assert orders == pytest.approx(2.0, abs=0.1)
        print(level, orders)
