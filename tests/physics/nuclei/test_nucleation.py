"""Nuclei: when sites wake, what is inserted, what is drawn at random, and that it can be repeated.

Cells are flat, mostly without ohmic drop, so that every wall node sees the voltage. Source of what
must come out: physics.md, section 4, and verification.md, "Phase field".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case, theory
from fem.base.constants import BOLTZMANN, FARADAY
from fem.base.errors import CaseError, Interrupted, RunError
from fem.compat import MPI
from fem.files.checkpoint import latest
from fem.mesh.domain import Domain
from fem.physics.nuclei.draws import poisson_sites
from fem.physics.nuclei.nuclei import WAKE_SLACK, Nuclei
from fem.results.result import Result, read_series
from fem.run.session import resume
from fem.run.signals import StopRequest
from fem.run.simulation import Simulation
from fem.run.start import consistent
from fem.solver.options import Control
from fem.study.build import Model, build
from tests.verification.cells import RT_F, T, mesh_folder

V_M, I0, UM = 1.2998e-5, 10.0, 1e-6  # Li, and its pair with itself
PLAIN = {
    "kind": "electrolyte", "c0": "1 mol/L", "D": "1e-8 m^2/s", "t_plus": 0.4, "kappa": "10 S/m",
}  # fmt: skip
WALL = {"surface": "collector", "wall": "nucleating"}
GAMMA = 0.02  # J/m2; with the 0.5 of a free surface nothing would ever nucleate


def nuclei(**more: Any) -> dict[str, Any]:
    """A [[nuclei]] entry on the collector."""
    return {"surface": "collector", **more}


def case(**changes: Any) -> Case:
    """A flat cell, lambda 1 um, held at -100 mV; `changes` replace whole entries."""
    data: dict[str, Any] = {
        "schema": 1,
        "title": "nucleation",
        "metal": "Li",
        "electrolyte": "plain",
        "temperature": f"{T} K",
        "study": "growth",
        "geometry": {"family": "planar", "length": "16 um", "width": "40 um", "size": "0.5 um"},
        "materials": {"plain": PLAIN},
        "collector": {"material": "Cu"},
        "counter": {"kind": "reservoir"},
        "kinetics": [WALL],
        "growth": {"interface_width": "1 um"},
        "protocol": [hold(-0.1, 400)],
        "time": {"dt0": "1 s", "tolerance": 0.01},
        "output": {"figures": False},
    }
    return Case.from_dict(data | changes)


def hold(voltage: float, seconds: float) -> dict[str, Any]:
    """A protocol step."""
    return {"step": "hold", "voltage": f"{voltage} V", "duration": f"{seconds} s"}


def plate(current: float, seconds: float) -> dict[str, Any]:
    """A protocol step, A/m2."""
    return {"step": "plate", "current_density": f"{current} A/m^2", "duration": f"{seconds} s"}


def model(checked: Case) -> Model:
    """Its sites are placed, nothing is solved."""
    comm = MPI.COMM_WORLD
    return build(checked, Domain.read(mesh_folder(checked, comm), comm))


def sites_of(built: Model) -> Nuclei:
    """The nuclei of a model that has some."""
    return next(part for part in built.physics if isinstance(part, Nuclei))


def speed(voltage: float) -> float:
    """Speed of a front without ohmic drop, m/s."""
    return 2 * I0 * math.sinh(-0.5 * voltage / RT_F) * V_M / FARADAY


def formed(result: Result) -> list[dict[str, Any]]:
    """Events of the summary for every nucleus."""
    return [e for e in result.summary["events"] if e["event"] == "nucleus"]


# -- what is inserted --------------------------------------------------------------------------


def test_a_bare_wall_below_its_thresholds_stays_bare(tmp_path: Path) -> None:
    """-threshold < eta < 0, and eta > 0 even with a site that is awake: no charge, no metal."""
    for k, (threshold, voltage) in enumerate([("30 mV", -0.029), ("0 V", 0.02), ("0 V", 0.0)]):
        sites = nuclei(at=[["6 um", "0 um"]], threshold=threshold)
        done = case(
            geometry={"family": "planar", "length": "16 um", "width": "12 um", "size": "0.5 um"},
            nuclei=[sites], protocol=[hold(voltage, 100)],
        ).run(tmp_path / str(k))  # fmt: skip
        assert done.summary["charge"] == 0.0
        assert np.abs(done.array("xi", block="metal")).max() == 0.0


@pytest.fixture(scope="module")
def islands(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Three sites that wake at -100 mV, and one that does not."""
    at = [["5 um", "0 um"], ["20 um", "0 um"], ["28 um", "0 um"], ["35 um", "0 um"]]
    sites = nuclei(at=at, threshold=["0 V", "30 mV", "150 mV", "99 mV"])
    folder = tmp_path_factory.mktemp("islands") / "r"
    result: Result = case(nuclei=[sites]).run(folder)
    return result


def test_sites_become_islands_whose_volumes_are_the_charge(islands: Result) -> None:
    """Charge of a cap of the resting profile: half a disc times 1 + (pi lambda/R)^2/3.

    A nucleus is complete at 95 % of it. The two outer ones stand 5 um from the end of the cell,
    where 4 % of the profile's tail lie beyond.
    """
    events = formed(islands)
    assert [round(e["place"][0] / UM) for e in events] == [5, 20, 35]
    assert read_series(islands.folder / "series.csv")["nuclei"][-1] == 3
    cap = 0.5 * math.pi * (4 * UM) ** 2 * (1 + (math.pi / 4) ** 2 / 3) * FARADAY / V_M
    for event, least in zip(events, (0.9, 0.94, 0.9), strict=True):
        assert event["radius"] == pytest.approx(4 * UM, rel=1e-12)
        assert least * cap < event["charge"] < 1.01 * cap
        assert event["t"] == 0.0 < event["complete"] < 400.0
    x, xi = islands.points("metal"), islands.array("xi", block="metal")
    floor = np.abs(x[:, 1]) < 1e-12
    order = np.argsort(x[floor, 0])
    ends = np.diff((xi[floor][order] > 0.5).astype(int), prepend=0, append=0)
    assert (ends == 1).sum() == 3  # islands on the wall
    assert islands.summary["closures"]["faraday"] < 1e-8
    assert islands.summary["closures"]["balance"] < 1e-8
    assert -0.01 < xi.min() and xi.max() < 1.01


@pytest.mark.parametrize("widths", [1.0, 0.5])
def test_halving_the_nucleus_with_lambda_halves_what_it_changes(
    widths: float, tmp_path: Path
) -> None:
    """A nucleus that grew from nothing would be v t large; one of radius R is R - V/S ahead.

    It carries the current of its final surface from the start, so it is complete at V = S v t; V
    and S are those of the resting profile. Error 4 % of what it is ahead.
    """
    radius = 4 * widths
    lead = radius - 0.5 * (radius + (math.pi * widths) ** 2 / (3 * radius))
    done = case(
        geometry={"family": "planar", "length": "10 um", "width": "10 um",
                  "size": f"{0.5 * widths} um"},
        nuclei=[nuclei(at=[["0 um", "0 um"]], threshold="0 V")],
        growth={"interface_width": f"{widths} um"},
        protocol=[hold(-0.1, 290)],
        time={"dt0": "1 s", "tolerance": 0.002},
    ).run(tmp_path / "r")  # fmt: skip
    volume = done.summary["plated"] * 10 * UM * V_M / FARADAY
    grown = math.sqrt(4 * volume / math.pi - (math.pi * widths * UM) ** 2 / 3) / UM
    ahead = grown - done.summary["t"] * speed(-0.1) / UM
    print(f"lambda {widths} um: ahead by {ahead:.3f} um, {lead:.3f} um expected")
    assert ahead == pytest.approx(lead, rel=0.04)


def test_the_voltage_does_not_see_a_nucleus_being_made(tmp_path: Path) -> None:
    """One site carries I: eta from the surface of the finished cap from t = 0 until it is complete.

    S = pi R; bound 0.5 %.
    """
    done = case(
        geometry={"family": "planar", "length": "12 um", "width": "20 um", "size": "0.5 um"},
        nuclei=[nuclei(at=[["10 um", "0 um"]], threshold="0 V")],
        protocol=[plate(40.0, 320)],
        time={"dt0": "1 s", "tolerance": 0.003},
    ).run(tmp_path / "r")
    series, (event,) = read_series(done.folder / "series.csv"), formed(done)
    eta = -2 * RT_F * math.asinh(40.0 * 20 / (2 * I0 * 4 * math.pi))
    until = series["t"] < event["complete"]  # in that step it already grows on
    assert until.sum() > 6
    print("voltage over eta:", (series["voltage"][until] / eta).round(4))
    np.testing.assert_allclose(series["voltage"][until], eta, rtol=0.005)


@pytest.mark.parametrize("degrees", [60, 120])
def test_contact_angle_sets_the_cap(degrees: int, tmp_path: Path) -> None:
    """Height R (1 - cos) of the contour 1/2, and what grows there is as high.

    When it is complete, which is noted at the end of a step of at most 10 s; 5 % are missing.
    """
    height = 4 * UM * (1 - math.cos(math.radians(degrees)))
    flat = {"family": "planar", "length": "16 um", "width": "14 um", "size": "0.5 um"}
    drop = case(
        geometry=flat,
        nuclei=[nuclei(at=[["0 um", "0 um"]], threshold="0 V")],
        kinetics=[WALL | {"contact_angle": f"{degrees} deg"}],
        time={"dt0": "1 s", "dt_max": "10 s", "tolerance": 0.01},
    )
    made = model(drop)
    made.system.begin(0.0)
    cap = sites_of(made).cap
    points, values = cap.function_space.tabulate_dof_coordinates(), cap.x.array
    axis = np.flatnonzero(points[:, 0] == 0.0)
    axis = axis[np.argsort(points[axis, 1])]
    top = np.interp(-0.5, -values[axis], points[axis, 1])
    assert top == pytest.approx(height, rel=2e-3)
    done = drop.run(tmp_path / "r")
    (event,) = formed(done)
    series = read_series(done.folder / "series.csv")
    tip = np.interp(event["complete"], series["t"], series["tip"])
    print(f"{degrees} deg: height {tip / height:.3f} of the cap, at {event['complete']:.0f} s")
    assert 0.95 < tip / height < 1.05


# -- what is drawn -----------------------------------------------------------------------------


DENSITY = 2.5e10  # 1/m2; in a cut with nuclei of 4 um: 0.2 a um


def wall_nodes(count: int = 161) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of a wall of 80 um, and the length that belongs to each, m."""
    points = np.zeros((count, 3))
    points[:, 0] = np.linspace(0.0, 80 * UM, count)
    length = np.full(count, 80 * UM / (count - 1))
    length[[0, -1]] /= 2
    return points, length


def test_poisson_sites_have_the_mean_and_variance_of_their_process() -> None:
    """200 seeds, 16 sites expected: mean and variance within 3 sigma; thresholds, too.

    Variance of a sample variance of Poisson numbers: (m + 3 m^2)/n - m^2 (n - 3)/(n (n - 1)).
    """
    points, length = wall_nodes()
    expected = DENSITY * 8 * UM * length
    drawn = [poisson_sites(points, expected, (seed,), 0.04, 0.01) for seed in range(200)]
    counts = np.array([len(where) for where, _ in drawn])
    n, m = len(counts), expected.sum()
    assert m == pytest.approx(16.0)
    assert abs(counts.mean() - m) < 3 * math.sqrt(m / n)
    spread = math.sqrt((m + 3 * m**2) / n - m**2 * (n - 3) / (n * (n - 1)))
    assert abs(counts.var(ddof=1) - m) < 3 * spread
    halves = sum(int((where < 80).sum()) for where, _ in drawn), int(counts.sum())
    assert abs(halves[0] - 0.5 * halves[1]) < 3 * math.sqrt(0.25 * halves[1])
    thresholds = np.concatenate([values for _, values in drawn])
    assert abs(thresholds.mean() - 0.04) < 3 * 0.01 / math.sqrt(len(thresholds))
    assert thresholds.std() == pytest.approx(0.01, rel=3 / math.sqrt(2 * len(thresholds)))


def test_sites_belong_to_places_not_to_ranks() -> None:
    """Eight ranks that share the nodes in any way draw the same list as one."""
    points, length = wall_nodes()
    expected = DENSITY * 8 * UM * length

    def listed(parts: list[np.ndarray]) -> list[tuple[float, float]]:
        found = []
        for part in parts:
            where, thresholds = poisson_sites(points[part], expected[part], (3, 0), 0.04, 0.01)
            found += list(zip(points[part][where, 0].tolist(), thresholds.tolist(), strict=True))
        return sorted(found)

    whole = listed([np.arange(len(points))])
    mixed = np.random.default_rng(0).permutation(len(points))
    assert listed(np.array_split(mixed, 8)) == whole and len(whole) > 8
    assert listed([np.arange(0)]) == []


RANDOM = [
    nuclei(at=[["10.25 um", "0 um"]], threshold="0 V"),  # half way between two nodes
    nuclei(density="2.5e10 1/m^2", threshold="40 mV", spread="20 mV", seed=4,
           p_site={"expression": "x/w", "unit": "", "w": "40 um"}),
    nuclei(rate="1e8 1/m^2/s", surface_energy=f"{GAMMA} J/m^2", seed=4),
]  # fmt: skip


def placed() -> dict[str, Any]:
    """Sites of three kinds, and what three steps make of them (on all ranks)."""
    run = Run(case(nuclei=RANDOM, protocol=[plate(20.0, 100)]))
    for dt in (2.0, 4.0, 8.0):
        run.step(dt)
    sites, n = run.nuclei.sites, run.nuclei
    names = ("entry", "order", "x", "threshold", "attempts")
    return {name: sites[name].tolist() for name in names} | {
        "budget": n.budget.tolist(), "born": n.born.tolist(), "hazard": n.hazard.tolist(),
        "eta": n.eta.tolist(), "charge": n.charge.tolist(), "voltage": run.s.get_voltage(),
    }  # fmt: skip


class Run:
    """A case whose steps a test takes by hand."""

    def __init__(self, checked: Case):
        self.model = model(checked)
        self.sim = Simulation(self.model, Path("nowhere"))
        self.s, self.segment = self.model.system, self.sim.segments[0]
        self.scale = self.model.area
        consistent(self.model, self.sim.potentials, self.segment, self.scale)
        self.nuclei = sites_of(self.model)

    def step(self, dt: float, accept: bool = True) -> None:
        """One step of a given size."""
        self.s.begin(dt)
        control: Control = self.segment.control(self.s.t + dt, self.model.area)
        outcome = self.sim.stepper.solve(control, self.scale)
        assert outcome.converged, outcome
        if accept:
            self.s.accept()

    def awake(self) -> list[float]:
        """Places where nuclei grow, x in m, sorted."""
        return sorted(self.nuclei.sites["x"][np.isfinite(self.nuclei.born), 0].tolist())


def test_two_ranks_place_and_wake_the_same_sites(mpirun: Callable[..., Any]) -> None:
    """Lists bit by bit, what the solver makes of them to its tolerance."""
    one, two = placed(), mpirun(2, "tests.physics.nuclei.test_nucleation:placed")
    for name in ("entry", "order", "x", "threshold", "budget"):
        assert two[name] == one[name], name
    assert one["x"][0][0] == pytest.approx(10 * UM)  # the tie goes to the smaller coordinate
    for name in ("born", "attempts", "hazard", "eta", "charge", "voltage"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-7, err_msg=name)
    assert 2 < np.isfinite(one["born"]).sum() < len(one["born"])


# -- when --------------------------------------------------------------------------------------


def test_a_rejected_step_begins_again_with_the_same_nuclei() -> None:
    """Steps of another size that were undone leave no trace in sites, draws and hazard."""
    straight, undone = (Run(case(nuclei=RANDOM, protocol=[plate(20.0, 100)])) for _ in range(2))
    for dt in (3.0, 5.0, 9.0):
        saved = undone.s.save()
        for wrong in (3.0 * dt, 0.3 * dt):
            undone.step(wrong, accept=False)
            undone.s.restore(saved)
        for run in (straight, undone):
            run.step(dt)
    assert straight.s.charges.keys() == undone.s.charges.keys()
    for name in ("nuclei", "nuclei.clock"):
        np.testing.assert_array_equal(undone.s.charges[name], straight.s.charges[name])
    assert straight.nuclei.count > 3
    assert straight.nuclei.hazard.max() > 0.0
    assert undone.s.get_voltage() == pytest.approx(straight.s.get_voltage(), rel=1e-9)


@pytest.mark.undisturbed
def test_a_killed_run_goes_on_with_its_nuclei(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit: places, times, charges, series."""
    ramp = {"along": "t", "at": ["0 s", "100 s"], "values": ["-20 mV", "-80 mV"]}
    steps = [{"step": "hold", "voltage": ramp, "duration": "100 s"}]
    checked = case(nuclei=RANDOM, protocol=steps)
    whole = checked.run(tmp_path / "whole")
    asked = itertools.count()
    monkeypatch.setattr(StopRequest, "agreed", lambda self: 10 * (next(asked) == 3))
    with pytest.raises(Interrupted):
        checked.run(tmp_path / "cut")
    monkeypatch.undo()
    held = latest(tmp_path / "cut").manifest["clock"]["t"]
    again = resume(tmp_path / "cut")
    assert formed(again) == formed(whole)
    times = [e["t"] for e in formed(whole)]
    assert min(times) < held < max(times)
    first, second = (read_series(r.folder / "series.csv") for r in (whole, again))
    for name in ("t", "nuclei", "charge"):
        np.testing.assert_array_equal(second[name], first[name])
    for event in (e for e in formed(whole) if e["t"] > 0.0):  # met within the slack
        sites = sites_of(model(checked)).sites
        near = np.linalg.norm(sites["x"][:, :2] - event["place"], axis=1) < 1e-12
        by_threshold = near & (sites["entry"] == 1)
        if by_threshold.any():
            assert 0.0 <= -event["eta"] - sites["threshold"][by_threshold].min() <= WAKE_SLACK


def test_more_overpotential_wakes_more_sites() -> None:
    """All at once at a held voltage: sites below it, less those that a neighbour's cap covers."""
    sites = nuclei(density="1e10 1/m^2", threshold="60 mV", spread="15 mV", seed=2, radius="4 um")
    wide = {"family": "planar", "length": "16 um", "width": "200 um", "size": "2 um",
            "size_collector": "1 um", "size_width": "1 um"}  # fmt: skip
    counts = []
    for voltage in (-0.045, -0.06, -0.075, -0.12):
        n = Run(case(geometry=wide, nuclei=[sites], protocol=[hold(voltage, 1)])).nuclei
        ready = n.sites[n.sites["threshold"] < -voltage]
        order = np.argsort(ready["threshold"], kind="stable")
        free: list[float] = []
        for x in ready["x"][order, 0]:
            if all(abs(x - other) >= 4 * UM for other in free):
                free.append(x)
        assert n.count == len(free)
        counts.append(n.count)
    assert counts[0] < counts[1] < counts[2] <= counts[3]


def test_imposed_current_wakes_the_easiest_sites_until_they_carry_it() -> None:
    """Site m + 1 wakes at eta_m, where m nuclei carry I: I = m S i(eta_m), S = pi R, 2D."""
    thresholds = [0.0, 0.03, 0.05, 0.06, 0.08, 0.12]
    at = [[f"{8 + 16 * k} um", "0 um"] for k in range(6)]
    wide = {"family": "planar", "length": "16 um", "width": "96 um", "size": "0.5 um"}
    for current, many in ((3.0, 2), (10.0, 3), (30.0, 5)):
        n = Run(case(
            geometry=wide, protocol=[plate(current, 1)],
            nuclei=[nuclei(at=at, threshold=[f"{v} V" for v in thresholds])],
        )).nuclei  # fmt: skip
        each = [current * 96 / (4 * math.pi * m) for m in range(1, 7)]
        eta = [2 * RT_F * math.asinh(i / (2 * I0)) for i in each]
        assert n.count == many
        np.testing.assert_allclose(-n.eta[1:many], eta[: many - 1], rtol=0.02)
        assert -n.eta[many - 1] > thresholds[many - 1] and eta[many - 1] < thresholds[many]


def test_a_rate_gives_the_expected_number_of_nuclei() -> None:
    """N = J A t while nothing is covered: a site is born when its hazard exceeds its draw.

    J = J_0 exp(-dG f/(k_B T)) at two overpotentials, 200 seeds: mean within 3 sigma, and the
    hazard that the run counted against it. In a cut A is twice the radius deep.
    """
    at = {}
    for voltage in (-0.05, -0.06):
        entry = nuclei(rate="1e9 1/m^2/s", surface_energy=f"{GAMMA} J/m^2")
        run = Run(case(nuclei=[entry], protocol=[hold(voltage, 100)]))
        n = run.nuclei
        barrier = theory.nucleation_barrier(voltage, GAMMA, V_M)
        factor = float(theory.heterogeneous_factor(math.pi / 2))
        rate = float(theory.nucleation_rate(1e9, barrier, factor, T))
        at[voltage] = rate * 40 * UM * 8 * UM
        run.s.begin(1e-9)
        assert n.rate.sum() == pytest.approx(at[voltage], rel=1e-4)
        assert n.sites["barrier"][0] == pytest.approx(
            float(barrier) * factor * voltage**2 / (BOLTZMANN * T), rel=1e-4
        )
    ratio = math.exp(n.sites["barrier"][0] * (1 / 0.05**2 - 1 / 0.06**2))
    assert at[-0.06] / at[-0.05] == pytest.approx(ratio, rel=1e-6)

    seconds, counts = 5.0 / at[-0.06], []
    for seed in range(200):
        n.seeds = (n.seeds[0].__class__(**vars(n.seeds[0]) | {"seed": seed}),)
        n._draw(n.chance)
        counts.append(int((n.rate * seconds >= n.budget).sum()))
    assert abs(np.mean(counts) - 5.0) < 3 * math.sqrt(5.0 / 200)


def test_nuclei_form_one_after_the_other_at_a_rate(tmp_path: Path) -> None:
    """Progressive: times of birth are draws over rates, to the step; a covered wall forms none."""
    entry = nuclei(rate="1.2e10 1/m^2/s", surface_energy=f"{GAMMA} J/m^2", seed=1)
    checked = case(
        geometry={"family": "planar", "length": "16 um", "width": "40 um", "size": "1 um"},
        nuclei=[entry], protocol=[hold(-0.06, 20)],
        time={"dt0": "0.5 s", "dt_max": "2 s", "tolerance": 0.01},
    )  # fmt: skip
    done = checked.run(tmp_path / "r")
    births, fresh = formed(done), Run(checked)
    fresh.s.begin(1e-9)
    n = fresh.nuclei
    first = n.budget / n.rate
    assert len(births) >= 2 and births[0]["t"] < births[-1]["t"]
    k = int(np.argmin(first))
    assert births[0]["place"] == n.sites["x"][k][:2].tolist()
    assert 0.0 <= births[0]["t"] - first[k] <= 2.0
    print(len(births), "nuclei at", [round(b["t"], 2) for b in births], "first due at", first[k])
    gaps = [abs(a["place"][0] - b["place"][0]) for a, b in itertools.combinations(births, 2)]
    assert min(gaps) > 3.9 * UM


def test_a_nucleus_that_was_stripped_can_form_again(tmp_path: Path) -> None:
    """Grow, strip at a held voltage, grow: the site is counted twice."""
    done = case(
        geometry={"family": "planar", "length": "12 um", "width": "12 um", "size": "0.5 um"},
        nuclei=[nuclei(at=[["0 um", "0 um"]], threshold="20 mV")],
        protocol=[hold(-0.1, 330), hold(0.1, 1500), hold(-0.019, 20), hold(-0.1, 20)],
    ).run(tmp_path / "r")
    series = read_series(done.folder / "series.csv")
    third = series["segment"] == 2
    assert series["nuclei"][third].tolist() == [1] * int(third.sum())
    assert series["nuclei"][-1] == 2
    assert np.abs(np.diff(series["plated"][third])).max() < 1e-3


# -- what is refused ---------------------------------------------------------------------------


def test_a_current_without_any_site_is_refused_before_the_first_solve() -> None:
    with pytest.raises(RunError) as error:
        Run(case(protocol=[plate(1.0, 10)]))
    text = str(error.value)
    assert text.startswith("start of plate at t = 0 s: nothing carries the current; tested: ")
    assert (
        "there is no metal, and all walls are nucleating ones, where only nuclei react; give "
        "[[nuclei]] a threshold, or initial.metal_layer, or hold the voltage first"
    ) in text
    assert text.endswith(". Likely: no site")


def test_a_current_on_a_bare_wall_wakes_the_easiest_site() -> None:
    """And more of them, in the order of their thresholds, only if one is not enough."""
    at = [["8 um", "0 um"], ["20 um", "0 um"], ["32 um", "0 um"]]
    sites = nuclei(at=at, threshold=["0.3 V", "0.2 V", "0.4 V"])
    for current, expected in ((0.5, [20e-6]), (2000.0, [8e-6, 20e-6])):
        run = Run(case(nuclei=[sites], protocol=[plate(current, 10)]))
        assert run.awake() == pytest.approx(expected)


def test_a_density_that_is_meant_in_another_unit_is_refused() -> None:
    """Places were drawn until memory ran out."""
    dense = nuclei(density="1e20 1/um^2", threshold="0 V")
    words = r"density: 1e[+]32 1/m.2: some 3.2e[+]22 places on walls of 81 nodes, more than 100 at"
    with pytest.raises(CaseError, match=words):
        model(case(nuclei=[dense]))


def test_a_cap_is_smaller_than_the_cell() -> None:
    """Else it joined both electrodes, and nothing was there to carry the current."""
    large = nuclei(at=[["20 um", "0 um"]], threshold="0 V", radius="4 mm")
    with pytest.raises(CaseError, match=r"nuclei.0.radius: 4 mm: a cap of it reaches beyond"):
        model(case(nuclei=[large]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surface": "collectr"},
         "nuclei.0.surface: 'collectr': matches no surface; did you mean 'collector'?"),
        ({"at": [["20 um", "9 um"]]},
         "nuclei.0.at.0: (20 um, 9 um): 9 um from the nearest of its walls, more than the radius "
         "of a nucleus (4 um); move it"),
        ({"at": [["20 um", "0 um", "0 um"]]},
         "nuclei.0.at.0: (20 um, 0 m, 0 m): 3 coordinates, but the mesh is 2D"),
    ],
)  # fmt: skip
def test_sites_off_the_walls_are_refused(changes: dict[str, Any], message: str) -> None:
    sites = nuclei(at=[["20 um", "0 um"]], threshold="0 V")
    with pytest.raises(CaseError) as error:
        model(case(nuclei=[sites | changes]))
    assert str(error.value) == message


def test_a_film_wall_takes_no_nuclei() -> None:
    """A later entry has made it one."""
    sites = nuclei(at=[["20 um", "0 um"]], threshold="0 V")
    with pytest.raises(CaseError) as error:
        model(case(nuclei=[sites], kinetics=[WALL, WALL | {"wall": "film"}]))
    assert str(error.value) == (
        "nuclei.0.surface: 'collector': is not a nucleating wall; set wall = 'nucleating' in "
        "[[kinetics]]"
    )
