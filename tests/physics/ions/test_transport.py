"""Binary electrolyte against closed forms (verification.md, "Transport").

Numbers in millivolt and seconds are those of verification.md, computed there independently of this
code; the series and quadratures below are written out here, not taken from `fem.theory`.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fem.base.constants import FARADAY
from fem.materials import electrolyte
from fem.run.session import run
from tests.verification.cells import (
    C0,
    FAST,
    IDEAL,
    LIMIT,
    PLAIN,
    PLANAR,
    RT_F,
    T_PLUS,
    Cell,
    D,
    L,
    T,
    case,
    kinetics,
    overpotential,
)
from tests.verification.khoo import C_EXACT, ETA_0, ETA_1, TIMES

FINE = {
    "family": "planar", "length": "100 um", "size": "2 um", "size_width": "0.4 um",
    "size_collector": "0.4 um", "size_counter": "0.4 um", "growth": 1.2,
}

STEADY = {
    "constant": {0.1: 15.84, 0.5: 82.11, 0.9: 177.62},
    "nernst_einstein": {0.1: 10.31, 0.25: 26.25, 0.5: 56.45, 0.75: 99.99, 0.9: 151.30},
}


@pytest.mark.parametrize("law", STEADY)
def test_steady_voltage_and_profile(law):
    """Cell voltage below the limiting current 2FDc0/((1-t+)L) = 964.9 A/m2, and linear salt."""
    assert abs(LIMIT - 964.9) < 0.05
    data = case(geometry=PLANAR | {"size": "0.25 um", "size_width": "0.5 um"})
    if law == "constant":
        data["materials"] = {"ideal": PLAIN}
    cell = Cell(data)
    for share, expected in STEADY[law].items():
        cell.steady(-share * LIMIT)
        x, c = cell.nodes("c")
        exact = C0 * (1 + share * (2 * x[:, 1] / L - 1))
        assert np.abs(c - exact).max() < 1e-3 * C0
        for end, y in ((1 - share, 0.0), (1 + share, L)):
            assert abs(cell.at_height("c", y) / C0 - end) < 1e-5
        # what the two electrodes take, from the exact salt at each of them
        ends = [FAST * math.sqrt(1 - share), FAST * math.sqrt(1 + share)]
        taken = sum(overpotential(share * LIMIT, i0) for i0 in ends)
        drop = -cell.voltage - taken
        print(law, share, 1e3 * drop)
        assert abs(1e3 * drop - expected) < 0.01


def test_steady_over_initial_current():
    """Bruce and Vincent's ratio is 1/(1 + Ne) (Balsara, Newman 2015), not t_plus: 1 mV, 2e-5.

    Ne = 2 kappa (RT/F^2) (1 - t_plus)^2 (1 + dlnf/dlnc)/(D c); kinetics in series.
    """
    liquid = electrolyte("LiPF6_PC_EC_DMC")
    kappa, D_, t_plus, factor = (float(law(C0, T)) for law in (
        liquid.kappa, liquid.D, liquid.t_plus, liquid.thermodynamic_factor))
    newman = 2 * kappa * RT_F / FARADAY * (1 - t_plus) ** 2 * factor / (D_ * C0)
    cell = Cell(case(electrolyte="LiPF6_PC_EC_DMC", materials={}))
    cell.s.set_voltage(-1e-3)
    cell.rest(None)
    first = cell.circuit.total("driven") / cell.area
    cell.steady(None)
    last = cell.circuit.total("driven") / cell.area
    ohmic, kinetic = L / kappa, 2 * RT_F / FAST
    missed = [-i * (ohmic * (1 + n) + kinetic) / 1e-3 - 1 for i, n in ((first, 0), (last, newman))]
    print("Bruce-Vincent", newman, last / first, missed)
    assert np.abs(missed).max() < 2e-5


def test_no_current_above_the_limiting_one(tmp_path):
    """A steady study above J* has no answer and says so: depletion at the collector."""
    data = case(
        study="steady",
        protocol=[{"step": "plate", "current_density": f"{1.02 * LIMIT} A/m^2"}],
    )
    result = run(_checked(data), tmp_path / "r")
    assert [e["event"] for e in result.summary["events"]] == ["depletion"]
    assert abs(result.summary["events"][0]["place"][1]) < 1e-12


def test_concentration_cell():
    """500 and 1500 mol/m3, no current: 33.87 mV, the electrode in the stronger solution positive.

    And at both resting electrodes phi_s - phi_l = 0.
    """
    half = {"expression": "500 + 1000*y/h", "unit": "mol/m^3", "h": "100 um"}
    for materials in (PLAIN, None):
        data = case(initial={"c": half})
        if materials:
            data["materials"] = {"ideal": materials}
        cell = Cell(data)
        cell.rest(0.0, scale=cell.area)
        assert abs(-1e3 * cell.voltage - 33.87) < 0.005  # counter: 1500, collector: 500
        assert abs(2 * RT_F * (1 - T_PLUS) * math.log(3) + cell.voltage) < 2e-6
        assert abs(cell.at_height("phi_l", 0.0) - cell.voltage) < 1e-9
        assert abs(cell.at_height("phi_l", L)) < 1e-9


def test_divalent_salt():
    """z = 2: potentials are halved, the limiting current doubled.

    At 0.5 of it 2 (RT/zF) ln(1.5/0.5) in the electrolyte, 28.23 mV, and the same linear salt.
    """
    z = 2
    salt = IDEAL | {"z": z, "kappa": {"law": "nernst_einstein"}}
    cell = Cell(case(
        metal="Zn", materials={"ideal": salt}, geometry=PLANAR | {"size": "0.5 um"},
        kinetics=[kinetics(name, alpha_a=1.0, alpha_c=1.0) for name in ("collector", "counter")],
    ))
    cell.steady(-0.5 * z * LIMIT)
    for end, y in ((0.5, 0.0), (1.5, L)):
        assert abs(cell.at_height("c", y) / C0 - end) < 1e-4
    # both transfer coefficients are 1: i0 goes with c^(1/2), sinh with twice the argument
    taken = sum(
        RT_F * math.asinh(0.5 * z * LIMIT / (2 * FAST * math.sqrt(c))) for c in (0.5, 1.5)
    )
    drop = -1e3 * (cell.voltage + taken)
    print("divalent", drop)
    assert abs(drop - 56.45 / 2) < 0.02


def series(share: float, t: np.ndarray) -> np.ndarray:
    """c/c0 at the plating electrode of a closed cell; t in L^2/D."""
    n = np.arange(1, 4001, 2)[:, None]
    total = (np.exp(-(n**2) * np.pi**2 * t) / n**2).sum(axis=0)
    return 1 - share * (1 - 8 / np.pi**2 * total)


@pytest.mark.parametrize("share", [0.5, 1.5])
def test_transient_concentration_at_the_electrode(share):
    """c(collector, t) of a closed cell against its Fourier series."""
    cell = Cell(case(geometry=FINE), rtol=1e-9)
    cell.rest(-share * LIMIT)
    ends = np.array([0.004, 0.01, 0.03, 0.06, 0.08])
    times = ends * L**2 / D
    exact = series(share, ends)
    worst = 0.0
    for k, _ in enumerate(cell.march(-share * LIMIT, times, 1e-5, 1e-6)):
        worst = max(worst, abs(cell.at_height("c", 0.0) / C0 - exact[k]))
        # the other electrode gains what this one loses
        worst = max(worst, abs(cell.at_height("c", L) / C0 - 2 + exact[k]))
    print("worst", share, worst)
    assert worst < 5e-4


def _checked(data):
    from fem import Case

    return Case.from_dict(data)


def depletion(share: float, folder) -> dict:
    """Event of a run at a share of the limiting current."""
    data = case(
        geometry=FINE,
        protocol=[{"step": "plate", "current_density": f"{share * LIMIT} A/m^2",
                   "duration": "200 s"}],
        time={"dt0": "0.1 ms", "dt_min": "0.1 us", "tolerance": 1e-6},
    )
    result = run(_checked(data), folder)
    assert len(result.summary["events"]) == 1
    return result.summary["events"][0]


def test_depletion_time_of_a_closed_cell(tmp_path):
    """The event `depletion`: its time over Sand's time, and its place, the collector.

    At 1.1 J* the walls know of each other: 1.3661. At 2 J*, 1.0019, in `test_salts`. The last salt
    goes slowly, by 2e-4 of c0 in 1e-3 of the time: by a tolerance of 1e-5 it is gone 1e-3 early.
    """
    share, ratio = 1.1, 1.3661
    event = depletion(share, tmp_path / "r")
    sand = math.pi * L**2 / (16 * D * share**2)
    assert event["event"] == "depletion"
    assert abs(event["sand_time"] / sand - 1) < 1e-9
    print("depletion", share, event["t"] / sand)
    assert abs(event["t"] / sand / ratio - 1) < 5e-4
    assert abs(event["place"][1]) < 1e-12


def test_no_depletion_at_the_limiting_current(tmp_path):
    """J <= J* never depletes: 100 s (30 times L^2/(pi^2 D)) at 0.99 J* leave 1 % of c."""
    data = case(
        geometry=FINE,
        protocol=[{"step": "plate", "current_density": f"{0.99 * LIMIT} A/m^2",
                   "duration": "100 s"}],
        time={"dt0": "1 ms", "dt_min": "0.1 us", "tolerance": 1e-3},
    )
    summary = run(_checked(data), tmp_path / "r").summary
    assert summary["events"] == [] and abs(summary["t"] - 100.0) < 1e-9
    assert abs(summary["c_min"] / (0.01 * C0) - 1) < 0.05


def test_sand_time(tmp_path):
    """Semi-infinite: 609.3 s at 100 A/m2 (7 diffusion lengths count as infinite)."""
    sand = 609.3
    data = case(
        geometry=FINE | {"length": "3 mm", "size": "100 um", "size_width": "4 um",
                         "size_collector": "4 um", "size_counter": "100 um"},
        protocol=[{"step": "plate", "current_density": "100 A/m^2", "duration": "2 h"}],
        time={"dt0": "10 ms", "dt_min": "1 us", "tolerance": 1e-4},
    )
    event = run(_checked(data), tmp_path / "r").summary["events"][0]
    print("sand", event["t"])
    assert event["event"] == "depletion"
    assert abs(event["t"] / sand - 1) < 2e-3
    assert abs(event["sand_time"] / sand - 1) < 2e-4


# -- Khoo, Zhao, Bazant, J. Electrochem. Soc. 166 (2019) A2280, rho_s = 0 ----------------------

SHARE = 1.5
STEPS = [120, 30, 25, 25, 10, 10, 10]


def test_khoo_neutral():
    """All columns of COMSOL's table: c(1), eta(1), eta(0) at seven times up to 0.95 Sand times.

    The paper's neutral equations in units of L, L^2/D, c0, RT/F and F D c0/L, with D = D+ = D-:

        c_t = c_xx,   2 c phi_x = -4J,   J in units of the limiting current 4 F D c0/L

    are a binary salt with D+ = D-, that is t_plus = D+/(D+ + D-) = 1/2, salt diffusivity
    2 D+ D-/(D+ + D-) = D and, as c phi_x carries the current with 2 F^2 c D/(RT), the
    Nernst-Einstein conductivity. Its kinetics eta = 2 asinh(J/2J0), J0 = Da sqrt(k c) are
    Butler-Volmer with alpha = 1/2 and i0 = Da sqrt(k) J* sqrt(c/c0): here 0.1 J* (c_ref = c0).
    Its anode x = 0 is our counter, its cathode x = 1 our collector; eta in units of RT/F.
    """
    limit = LIMIT * 0.6 / 0.5  # t_plus = 1/2
    i0 = 0.1 * limit
    data = case(
        geometry=FINE | {"size": "1 um", "size_width": "0.2 um", "size_collector": "0.2 um",
                         "size_counter": "0.2 um", "growth": 1.1},
        materials={"ideal": case()["materials"]["ideal"] | {"t_plus": 0.5}},
        kinetics=[kinetics("collector", i0), kinetics("counter", i0)],
    )
    cell = Cell(data, rtol=1e-9)
    cell.rest(-SHARE * limit)
    sand = math.pi / (16 * SHARE**2) * L**2 / D
    c_worst = eta1_worst = eta0_worst = 0.0
    roots = np.sqrt([0.0, *TIMES])  # c(1) falls as sqrt(t): equal steps of sqrt(t)
    for k in range(len(TIMES)):
        for a, b in itertools.pairwise(np.linspace(roots[k], roots[k + 1], STEPS[k] + 1)):
            cell.step(-SHARE * limit, (b * b - a * a) * sand)
        c_1 = cell.at_height("c", 0.0) / C0
        eta_1 = (cell.voltage - cell.at_height("phi_l", 0.0)) / RT_F
        eta_0 = -cell.at_height("phi_l", L) / RT_F
        c_worst = max(c_worst, abs(c_1 / C_EXACT[k] - 1))
        eta1_worst = max(eta1_worst, abs(eta_1 / ETA_1[k] - 1))
        eta0_worst = max(eta0_worst, abs(eta_0 / ETA_0[k] - 1))
    print("khoo", c_worst, eta1_worst, eta0_worst)
    assert c_worst < 1e-3
    assert eta1_worst < 3e-3
    assert eta0_worst < 3e-3
