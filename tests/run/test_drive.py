"""Currents and voltages given as tables and formulas: what is commanded is delivered."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.errors import CaseError, RunError
from fem.case.drive import Drive, given_charge
from fem.run.session import resume
from fem.values.curves import Curve
from fem.values.enclosure import Switches, enclose
from fem.values.expressions import Expression
from fem.values.properties import Along, Formula, PropertyOf

from .cases import GROWING, small, state_of
from .test_restart_ranks import until

CURRENT = PropertyOf("A/m^2", ("t",))


def _formula(text: str) -> Formula:
    given = CURRENT.read({"expression": text, "unit": "A/m^2"}, Path())
    assert isinstance(given, Formula)
    return given


def _drive(text: str, end: float = 100.0) -> Drive:
    return Drive(_formula(text), end, 1e-3, current=True)


# -- formulas, without a solver --------------------------------------------------------------------

ROOT = math.sqrt(math.pi)


@pytest.mark.parametrize(
    ("text", "end", "charge", "knots"),
    [
        ("8*step(t - 1000)*step(1007 - t)", 1100.0, 56.0, [1000.0, 1007.0]),
        ("8*step(t - 1000)*step(1000.001 - t)", 1e6, 8e-3, [1000.0, 1000.001]),
        ("8*step(sin(2*pi*t/7))", 28.0, 112.0, [3.5, 7.0, 10.5, 14.0, 17.5, 21.0, 24.5]),
        ("6*step(sin(2*pi*t/9) - sin(pi/2 - 0.001))", 90.0, 60 * 9e-3 / math.pi, None),
        ("where(t < 50, 1, where(t <= 60, 5 + t, 2))", 100.0, 50 + 600 + 80, [50.0, 60.0]),
        ("where(t <= 0, 0, 5)", 100.0, 500.0, []),
        ("min(10, t/3)", 90.0, 750.0, [30.0]),
        ("max(min(9, t/3), 20 - abs(t - 50))", 90.0, 121.5 + 108 + 319 + 261,
         [27.0, 39.0, 50.0, 61.0]),
        ("7*abs(sin(pi*t/10))", 40.0, 4 * 140 / math.pi, [10.0, 20.0, 30.0]),
        ("5*exp(-((t - 77777.7)/0.5)^2)", 1e5, 2.5 * ROOT, []),
        ("5/(1 + ((t - 700)/0.001)^2)", 1400.0, 0.01 * math.atan(7e5), []),
        ("4*sin(2*pi*t/11)^2 + 1", 110.0, 330.0, []),
        ("5 + 5*tanh((t - 500)/0.01)", 1000.0, 5000.0, []),
        ("3*sqrt(t/100)", 100.0, 200.0, []),
        ("3 - 0.02*t", 100.0, 200.0, []),
    ],
)  # fmt: skip
def test_switches_are_found_and_charges_integrated(
    text: str, end: float, charge: float, knots: list[float] | None
) -> None:
    driven = _drive(text, end)
    assert driven.integral(0.0, end) == pytest.approx(charge, rel=1e-9)
    if knots is not None:
        np.testing.assert_allclose(driven.knots, knots, rtol=1e-14)
    t, steps, straight = 0.0, 0, 0.0
    while t < end * (1 - 1e-12):  # straight lines between the ends of the longest steps
        stop = min([k for k in driven.ahead(t) if k > t], default=end)
        step = min(driven.longest(t, end - t), float(stop) - t)
        straight += 0.5 * step * (driven.value(t, after=True) + driven.value(t + step))
        t, steps = t + step, steps + 1
        assert step > 0.0 and steps < 1000
    assert straight == pytest.approx(charge, rel=1e-2)


def test_limits_from_both_sides_of_a_jump() -> None:
    driven = _drive("where(t < 30, 1 + t, 4)*step(t - 10)", 100.0)
    assert driven.jumps.tolist() == [10.0, 30.0]
    before, after = (driven.value(30.0, after=late) for late in (False, True))
    assert before == pytest.approx(31.0) and after == pytest.approx(4.0)
    assert driven.value(10.0) == 0.0 and driven.value(10.0, after=True) == pytest.approx(11.0)
    assert driven.value(30.0 + 1e-12) == pytest.approx(31.0)  # a clock with round-off
    assert _drive("where(t <= 0, 0, 5)").value(0.0) == 5.0  # nothing is before the start
    assert _drive("min(10, t/3)").jumps.tolist() == []
    assert _drive("min(10, t/3)").value(30.0) == 10.0


def test_without_an_end_what_is_found_does_not_depend_on_when_one_looks() -> None:
    at_once, bit_by_bit = (_drive("9*sin(2*pi*t/40)^2*step(t - 33)", math.inf) for _ in range(2))
    at_once.cover(500.0)
    for t in np.linspace(0.0, 500.0, 77):
        bit_by_bit.longest(float(t), 3.0)
    np.testing.assert_array_equal(at_once.edges[at_once.edges < 500],
                                  bit_by_bit.edges[bit_by_bit.edges < 500])
    assert at_once.knots.tolist() == bit_by_bit.knots.tolist() == [33.0]
    assert at_once.integral(40.0, 400.0) == pytest.approx(9 * 360 / 2, rel=1e-9)
    # 9 sin^2 brings 90 C/m2 in each 20 s: two and a half of them
    assert at_once.reach(225.0, 40.0, 0.0, 400.0) == pytest.approx(90.0, rel=1e-9)
    assert at_once.reach(1e4, 40.0, 0.0, 400.0) == math.inf


@pytest.mark.parametrize(
    ("text", "charge", "before", "after", "at"),
    [
        ("6*(t - 4)/abs(t - 4)", -24.0 + 36.0, -6.0, 6.0, 4.0),
        ("3*(1 + abs(t - 4)/(4 - t))", 24.0, 6.0, 0.0, 4.0),
        ("5*sin(2*t)/t", 5 * 1.548241701, 10.0, 10.0, 0.0),  # Si(20) = 1.548241701
        ("7*t/t", 70.0, 7.0, 7.0, 0.0),
    ],
)
def test_where_a_formula_has_only_limits_these_are_taken(
    text: str, charge: float, before: float, after: float, at: float
) -> None:
    driven = _drive(text, 10.0)
    assert driven.integral(0.0, 10.0) == pytest.approx(charge, rel=1e-8)
    assert driven.value(at) == pytest.approx(before, rel=1e-6)
    assert driven.value(at, after=True) == pytest.approx(after, rel=1e-6, abs=1e-12)


def test_formulas_that_nothing_can_follow_are_refused() -> None:
    for text, why in (
        ("10/(t - 5)", "no finite value near t = 5 s"),
        ("1/(t - 3)^2", "no bound near t = 3 s"),
        ("sin(1e9*t)", "changes more than 50,000 times between t = 0 s and 10 s"),
        ("step(sin(1e9*t))", "changes more than 50,000 times"),
    ):
        with pytest.raises(CaseError, match=why.replace("(", r"\(")):
            _drive(text, 10.0)


@pytest.mark.parametrize(
    "text",
    [
        "a*t^3 - 2*t^2/(1 + t^2) + t^(-2)",
        "exp(-t)*sin(3*t) - cos(t^2)*tanh(t - 1)",
        "ln(1 + t) + log10(2 + sin(t)) + sqrt(t)*t^1.5 + a^t",
        "abs(t - 2)*step(t - 1) + where(t < 2.5, t, min(t, 3, a)) - max(sin(t), 0.2)",
        "(t - 2)^(-1)", "(t - 2)^(-2) - (2 - t)^3",
    ],
)  # fmt: skip
def test_bounds_hold_what_they_enclose(text: str) -> None:
    """Values and slopes at points inside never lie outside, and small intervals are tight."""
    rng = np.random.default_rng(7)
    first = rng.uniform(0.1, 4.0, 400)
    last = first + 10.0 ** rng.uniform(-4, 0, 400)
    expression = Expression.parse(text, ["t", "a"])
    bounds = enclose(expression, "t", {"a": 1.7}, first, last, Switches())

    def at(t: Any) -> Any:
        with np.errstate(all="ignore"):
            return expression.evaluate({"t": t, "a": 1.7})

    for share in np.linspace(0.0, 1.0, 23)[1:-1]:
        t = first + share * (last - first)
        slack = 1e-9 * (1 + np.abs(at(t)))
        assert (at(t) >= bounds.low - slack).all() and (at(t) <= bounds.high + slack).all()
        h = 1e-6 * (last - first)
        slope = (at(t + h) - at(t - h)) / (2 * h)
        slack = 1e-3 * (1 + np.abs(slope) + 1e-9 * np.abs(at(t)) / h)
        assert (slope >= bounds.slope[0] - slack).all()
        assert (slope <= bounds.slope[1] + slack).all()
    narrow = (last - first < 1e-3) & (np.abs(first - 2.0) > 0.1) & np.isfinite(bounds.slope[1])
    slope = np.maximum(np.abs(bounds.slope[0]), np.abs(bounds.slope[1]))
    assert narrow.sum() > 50
    width = bounds.high - bounds.low
    assert (width[narrow] <= 1.01 * (slope * (last - first))[narrow] + 1e-12).all()


def test_a_table_may_jump_in_time_and_nowhere_else() -> None:
    table = Along("t", Curve((0.0, 10.0, 10.0, 30.0), (1.0, 1.0, 4.0, 2.0), "t"), "A/m^2")
    driven = Drive(table, 30.0, 1e-3, current=True)
    assert driven.jumps.tolist() == [10.0]
    assert driven.value(10.0) == pytest.approx(1.0)
    assert driven.value(10.0, after=True) == pytest.approx(4.0)
    assert driven.integral(0.0, 30.0) == pytest.approx(70.0, rel=1e-12)
    assert table.curve(10.0) == 4.0
    with pytest.raises(CaseError, match=r"point 2 \(1\) follows 1"):
        Curve((1.0, 1.0, 2.0), (1.0, 2.0, 3.0), "c")
    with pytest.raises(CaseError, match=r"point 4 \(1\) follows 1"):
        Curve((0.0, 1.0, 1.0, 1.0, 2.0), (1.0,) * 5, "t")
    with pytest.raises(CaseError, match=r"point 3 \(1\) follows 2"):
        Curve((0.0, 2.0, 1.0), (1.0,) * 3, "t")


def test_the_check_knows_the_charge_by_another_way() -> None:
    def between(*edges: float) -> Any:
        return np.array(edges)

    charge, size = given_charge(lambda t: 3.0 * np.sin(t), between(0.5, 1.5))
    assert charge == size == pytest.approx(3.0 * (math.cos(0.5) - math.cos(1.5)), rel=1e-11)
    assert given_charge(lambda t: -2.0, between(1.0, 4.0)) == pytest.approx((-6.0, 6.0), rel=1e-14)
    assert given_charge(np.sqrt, between(0.0, 4.0))[0] == pytest.approx(16.0 / 3.0, rel=1e-9)
    # an edge of a microsecond, and a peak as narrow that only the cut shows
    edge, _ = given_charge(lambda t: 1.0 + np.tanh((t - 3.1) / 1e-6), between(0.0, 7.0))
    assert edge == pytest.approx(7.8, rel=1e-9)
    peak, _ = given_charge(lambda t: np.exp(-((t - 3.1) / 1e-6) ** 2), between(0, 3.1, 3.10001, 7))
    assert peak == pytest.approx(1e-6 * ROOT, rel=1e-6)


# -- runs ------------------------------------------------------------------------------------------

CELL: dict[str, Any] = {
    "geometry": {"family": "planar", "length": "50 um", "size": "5 um"}, "regions": {}
}


def _run(folder: Path, *steps: dict[str, Any], **changes: Any) -> Any:
    return small(**(CELL | {"protocol": [*steps]} | changes)).run(folder)


def _plate(text: str, **more: Any) -> dict[str, Any]:
    return {"step": "plate", "current_density": {"expression": text, "unit": "A/m^2"}, **more}


def test_a_pulse_after_a_rest_is_delivered(tmp_path: Path) -> None:
    """12 A/m2 for 5 s; a stepper that grows meanwhile steps over it otherwise."""
    text = "a*step(t - t1)*step(t2 - t)"
    named = {"a": "12 A/m^2", "t1": "700 s", "t2": "705 s"}
    density = {"expression": text, "unit": "A/m^2", **named}
    step = {"step": "plate", "current_density": density, "duration": "800 s"}
    result = _run(tmp_path / "r", step)
    series = result.series
    assert result.summary["charge"] == pytest.approx(-60.0, rel=1e-9)
    assert {700.0, 705.0} <= {*series["t"].tolist()}
    inside = (series["t"] > 700.0) & (series["t"] <= 705.0)
    np.testing.assert_allclose(series["current_density"][inside], -12.0, rtol=1e-6)
    assert np.abs(series["current_density"][~inside]).max() < 1e-6
    assert result.summary["closures"]["commanded"] < 1e-8
    assert series["commanded"].max() == result.summary["closures"]["commanded"]


def test_ramps_of_a_table_in_cycles(tmp_path: Path) -> None:
    """0 to 9 A/m2 in 30 s, a jump to 3, and down to 0 in 30 s: 135 + 45 C/m2, twice; then back."""
    (tmp_path / "i.csv").write_text("t [s],i [A/m^2]\n0,0\n30,9\n30,3\n60,0\n")
    density = {"table": str(tmp_path / "i.csv")}
    steps = [
        {"step": "plate", "current_density": density, "duration": "60 s"},
        _plate("2 + 2*sin(2*pi*t/15)", duration="30 s") | {"step": "strip"},
    ]
    result = _run(tmp_path / "r", {"step": "cycle", "cycles": 2, "steps": steps})
    for row in result.summary["cycles"]:
        assert row["plated"] == pytest.approx(180.0, rel=1e-9)
        assert row["stripped"] == pytest.approx(60.0, rel=1e-9)
    assert result.summary["charge"] == pytest.approx(-240.0, rel=1e-9)
    assert result.summary["closures"]["commanded"] < 1e-8
    series = result.series
    starts = {0: 0.0, 1: 60.0, 2: 90.0, 3: 150.0}
    inside = series["t"] - np.array([starts[int(k)] for k in series["segment"]])
    plates = series["segment"] % 2 == 0
    given = np.where(inside <= 30.0 + 1e-9, 0.3 * inside, 3.0 - 0.1 * (inside - 30.0))
    given = np.where(plates, -given, 2 + 2 * np.sin(2 * np.pi * inside / 15))
    # within three tolerances of the largest current, at the end of each step
    np.testing.assert_allclose(series["current_density"], given, atol=3e-3 * 9.0)


def test_a_current_of_a_formula_ends_at_its_capacity(tmp_path: Path) -> None:
    """0.4 t for 20 s brings 80 C/m2, 8 A/m2 the other 40 in 5 s."""
    step = _plate("min(0.4*t, 8)", capacity="120 C/m^2")
    result = _run(tmp_path / "r", step, {"step": "rest", "duration": "1 s"})
    assert result.summary["charge"] == pytest.approx(-120.0, rel=1e-9)
    (event,) = result.summary["events"]
    assert event["event"] == "capacity" and event["t"] == pytest.approx(25.0, rel=1e-9)


def test_a_table_that_ends_before_the_capacity_says_so(tmp_path: Path) -> None:
    table = {"along": "t", "at": ["0 s", "0 s", "4 s"], "values": ["0 A/m^2", "5 A/m^2", "3 A/m^2"]}
    steps = [{"step": "plate", "current_density": table, "capacity": c} for c in (
        "9.5 C/m^2", "20 C/m^2")]  # fmt: skip
    result = _run(tmp_path / "r", *steps)
    assert result.summary["charge"] == pytest.approx(-9.5 - 16.0, rel=1e-9)
    (event,) = result.summary["events"]
    assert event["event"] == "capacity" and event["t"] < 2.2
    (warning,) = result.summary["warnings"]
    assert "plate ended with its table, 4 s after it began" in warning


def _table(*points: tuple[float, float]) -> dict[str, Any]:
    at = [f"{t!r} s" for t, _ in points]
    return {"along": "t", "at": at, "values": [f"{i!r} A/m^2" for _, i in points]}


@pytest.mark.parametrize("edge", [1e-9, 4e-4, 3e-3])
def test_edges_do_not_ring(edge: float, tmp_path: Path) -> None:
    """90 A/m2 for 1 s with straight edges: 90 C/m2, and no step imposes more, or less than 0.

    BDF2 that knows the mean current of an edge as its past would give 135 and -45 after it. The
    cut-off lies between the voltages at 90 A/m2 and at more.
    """
    table = _table((0, 0), (1, 0), (1 + edge, 90), (2, 90), (2 + edge, 0), (3, 0))
    step = {"step": "plate", "current_density": table, "cutoff": "-0.245 V"}
    result = _run(tmp_path / "r", step)
    series = result.series
    assert result.summary["events"] == []
    assert result.summary["charge"] == pytest.approx(-90.0, rel=1e-9)
    times, values = ([float(x.split()[0]) for x in table[k]] for k in ("at", "values"))
    given = np.interp(series["t"], times, values)
    imposed = -series["current_density"]
    assert imposed.min() > -0.09 and imposed.max() < 90.09
    wrong = np.abs(imposed - given) > 0.09
    # an edge shorter than the shortest step is imposed by its mean
    assert not wrong.any() if edge > 1e-8 else series["dt"][wrong].max() < 1e-8
    assert series["voltage"].max() < 1e-3 and len(series["t"]) < 45


def test_edges_of_a_current_through_a_side_do_not_ring(tmp_path: Path) -> None:
    """30 A/m2 between edges of 2 ms, through two sides of 50 um, out at 20 um of counter."""
    result = small(
        **CELL, geometry__width="20 um", boundaries__sides={
            "current_density": {"expression": "-30*min(1, max(0, 500*(0.4 - abs(t - 1))))",
                                "unit": "A/m^2"}},
        protocol=[{"step": "rest", "duration": "4 s"}],
        probe=[{"name": "i", "field": "i_n", "surface": "counter"}],
    ).run(tmp_path / "r")  # fmt: skip
    t = result.series["t"]
    given = 30.0 * np.clip(500.0 * (0.4 - np.abs(t - 1.0)), 0.0, 1.0)
    np.testing.assert_allclose(-result.series["probe.i"] * 20.0, given * 100.0, atol=3.1)
    assert len(t) < 50 and result.summary["closures"]["faraday"] < 1e-10


def test_edges_of_microseconds_are_no_fault(tmp_path: Path) -> None:
    """A pulse of 20 ms with edges like tanh(t/2 us): 1.2 C/m2."""
    text = "30*(tanh((t - 1)/2e-6) - tanh((t - 1.02)/2e-6))"
    result = _run(tmp_path / "r", _plate(text, duration="2 s"))
    assert result.summary["charge"] == pytest.approx(-1.2, rel=1e-8)
    assert result.summary["closures"]["commanded"] < 1e-7
    assert -0.06 < (-result.series["current_density"]).min() and len(result.series["t"]) < 250


def test_a_capacity_that_is_never_reached_ends_a_step(tmp_path: Path) -> None:
    """7 exp(-t/3) brings 21 C/m2, however long."""
    step = _plate("7*exp(-t/3)", capacity="22 C/m^2")
    with pytest.raises(CaseError, match=r"protocol\.0\.capacity: 22 C.* comes to 21 C"):
        small(protocol=[step])
    small(protocol=[step | {"capacity": "20 C/m^2"}])
    result = _run(tmp_path / "r", step | {"cutoff": "-3 V"})
    assert result.summary["charge"] == pytest.approx(-21.0, rel=1e-6)
    assert result.summary["warnings"][0].startswith("plate was ended 300 years after it began")


def test_growing_metal_gets_its_charge(tmp_path: Path) -> None:
    text = "8*step(sin(2*pi*t/4)) + 3*sin(pi*t/4)^2"
    case = small(**{name: value for name, value in GROWING.items() if name != "nuclei"} | {
        "protocol": [_plate(text, duration="8 s")], "kinetics": [],
    })  # fmt: skip
    result = case.run(tmp_path / "r")
    assert result.summary["charge"] == pytest.approx(-44.0, rel=1e-7)
    assert result.summary["closures"]["commanded"] < 1e-7
    assert {2.0, 4.0, 6.0, 8.0} <= {*result.series["t"].tolist()}


@pytest.mark.parametrize("given", ["where(t < 60, 0, where(t < 62, v, 0))", "table"])
def test_a_pulse_of_voltage_is_followed(given: str, tmp_path: Path) -> None:
    """Through a cell without salt gradients at its start the charge of a jump is that of kappa."""
    at = ["0 s", "60 s", "60 s", "62 s", "62 s", "100 s"]
    voltage: dict[str, Any] = {"expression": given, "unit": "V", "v": "-0.05 V"}
    if given == "table":
        voltage = {"along": "t", "at": at, "values": [f"{v} V" for v in (0, 0, -.05, -.05, 0, 0)]}
    result = _run(tmp_path / "r", {"step": "hold", "voltage": voltage, "duration": "100 s"})
    series = result.series
    assert {60.0, 62.0} <= {*series["t"].tolist()}
    on = (series["t"] > 60.0) & (series["t"] <= 62.0)
    np.testing.assert_allclose(series["voltage"], np.where(on, -0.05, 0.0), atol=1e-12)
    before = series["charge"][series["t"] == 60.0][0]
    assert abs(before) < 1e-9 and (series["current_density"][on] < -1.0).all()
    flow = series["current_density"][on]  # nearly steady, so its mean is close to its last value
    assert series["charge"].min() == pytest.approx(2.0 * flow[-1], rel=0.05)


def test_a_pulse_through_a_side_is_not_stepped_over(tmp_path: Path) -> None:
    """Ionic current enters at the sides (2 x 50 um) of a cell that rests; the counter takes it."""
    pulse = {"expression": "-4*step(t - 200)*step(203 - t) - 0.001*t", "unit": "A/m^2"}
    result = small(
        **CELL, geometry__width="20 um", boundaries__sides={"current_density": pulse},
        protocol=[{"step": "rest", "duration": "300 s"}],
        probe=[{"name": "i", "field": "i_n", "surface": "counter"}],
    ).run(tmp_path / "r")  # fmt: skip
    t = result.series["t"]
    assert {200.0, 203.0} <= {*t.tolist()}
    given = np.where((t > 200.0) & (t <= 203.0), 4.0, 0.0) + 0.001 * t
    np.testing.assert_allclose(-result.series["probe.i"] * 20.0, given * 100.0, atol=0.43)


def test_a_short_pulse_of_a_held_potential_is_seen(tmp_path: Path) -> None:
    """At rest the collector follows the electrolyte at the side."""
    potential = {"expression": "0.02*exp(-((t - 77)/0.5)^2)", "unit": "V"}
    result = small(
        **CELL, counter__kind="blocking", boundaries__sides={"phi_l": potential},
        protocol=[{"step": "rest", "duration": "100 s"}],
    ).run(tmp_path / "r")  # fmt: skip
    series = result.series
    given = 0.02 * np.exp(-(((series["t"] - 77.0) / 0.5) ** 2))
    assert given.max() > 0.015
    np.testing.assert_allclose(series["voltage"], given, atol=1e-5)


def _wave(folder: Path) -> Any:
    return small(**CELL, protocol=[
        _plate("step(sin(2*pi*t/3))*(6 + t) + 2*exp(-((t - 4)/0.2)^2)", capacity="40 C/m^2"),
    ]).run(folder)  # fmt: skip


def test_a_restart_inside_such_a_step_is_bitwise(tmp_path: Path) -> None:
    """Stopped at a jump, and again 5 steps later."""
    whole = _wave(tmp_path / "whole")
    assert whole.summary["charge"] == pytest.approx(-40.0, rel=1e-9)
    folder = tmp_path / "r"
    with until(1 + int(np.flatnonzero(whole.series["t"] == 3.0)[0])):
        _wave(folder)
    with until(5):
        resume(folder)
    again = resume(folder)
    for name in ("t", "voltage", "charge", "commanded"):
        np.testing.assert_array_equal(again.series[name], whole.series[name], err_msg=name)
    one, other = state_of(tmp_path / "whole"), state_of(folder)
    assert all(np.array_equal(other[name], values) for name, values in one.items())


def test_a_charge_that_was_not_commanded_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An integral of the formula that is wrong by a hundred-thousandth is found."""
    integral = Drive.integral
    monkeypatch.setattr(Drive, "integral", lambda self, a, b: (1 + 1e-5) * integral(self, a, b))
    with pytest.raises(RunError, match=r"current given differ by 1\.0.e-05 of .* limit 1e-06"):
        _run(tmp_path / "r", _plate("2 - 0.01*t", duration="3 s"))


def test_a_formula_without_a_value_is_named_by_its_step() -> None:
    with pytest.raises(CaseError, match=r"protocol\.0.*no finite value near t = 2 s"):
        small(protocol=[_plate("1/(t - 2)", duration="4 s")])
