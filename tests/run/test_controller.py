"""Step control, protocol arithmetic, progress: pure functions."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fem.results.comparison import numbers, order, scale
from fem.run.segments import Segment, next_stop
from fem.solver.options import Control
from fem.solver.stepper import JUMP_SHARE, Settings, Stepper, judge
from fem.values.curves import Curve
from fem.values.properties import Along, Constant

steps = st.floats(1e-9, 1e6)
errors = st.floats(0.0, 1e12)
SETTINGS = Settings(dt0=1.0, dt_min=1e-4, dt_max=100.0, tolerance=1e-3)


@given(steps, errors, st.integers(0, 40), st.sampled_from([1, 2]), st.booleans())
def test_judge_accepts_within_tolerance_only(
    dt: float, error: float, newton: int, order: int, after: bool
) -> None:
    verdict = judge(
        dt, SETTINGS, converged=True, error=error, newton=newton, order=order, after_rejection=after
    )
    assert verdict.accept == (error <= SETTINGS.tolerance)
    assert 0.0 < verdict.next_dt
    if verdict.accept:
        ceiling = 1.0 if after or newton > SETTINGS.max_newton else 2.0
        assert verdict.next_dt <= min(ceiling * dt, SETTINGS.dt_max) * (1 + 1e-12)
    else:
        assert 0.2 * dt * (1 - 1e-12) <= verdict.next_dt <= 0.8 * dt * (1 + 1e-12)


@given(steps, errors, st.integers(0, 40), st.sampled_from([1, 2]))
def test_judge_cuts_back_without_convergence(dt: float, error: float, n: int, order: int) -> None:
    verdict = judge(dt, SETTINGS, converged=False, error=error, newton=n, order=order)
    assert not verdict.accept
    assert verdict.next_dt == pytest.approx(0.4 * dt)


@pytest.mark.parametrize(("share", "stiff"), [(0.3, 3.0), (0.15, 3.0), (0.15, 2.0)])
def test_errors_that_grow_are_foreseen(share: float, stiff: float) -> None:
    """The last of a film: the less of it is left, the shorter the steps that are allowed.

    A step may take a share of the time that is left: errors are (dt/(share left))^stiff of the
    tolerance. Without the step before, every second or third one is rejected.
    """
    def rejected(follows: bool) -> int:
        left, dt, last, after, found = 1.0, 0.5 * share, None, False, 0
        while left > 1e-3:
            error = SETTINGS.tolerance * (dt / (share * left)) ** stiff
            verdict = judge(dt, SETTINGS, converged=True, error=error, newton=3, order=2,
                            after_rejection=after, last=last if follows else None)
            after = not verdict.accept
            found += after
            if verdict.accept:
                last, left = (dt, error), left - dt
            dt = verdict.next_dt
        return found

    assert rejected(True) <= 2
    assert rejected(False) >= 19


def test_one_kink_is_no_trend() -> None:
    """An error that has jumped shortens the next step to a half of what it allows, not further."""
    def following(last: float) -> float:
        return judge(1.0, SETTINGS, converged=True, error=0.5 * SETTINGS.tolerance, newton=3,
                     order=2, last=(1.0, last)).next_dt

    free = following(SETTINGS.tolerance)
    assert free == pytest.approx(0.9 * 2.0 ** (1 / 3))
    assert following(1e-3 * SETTINGS.tolerance) == pytest.approx(0.5 * free)


@given(st.floats(1e-3, 100.0), st.floats(1.001, 8.0), st.floats(1.0, 3.0))
def test_two_tries_show_how_an_error_falls(dt: float, ratio: float, power: float) -> None:
    """An error that falls like dt^power: the third try is accepted, whatever the power is."""
    first, tried, tries = dt, None, 0
    while True:
        tries, error = tries + 1, ratio * SETTINGS.tolerance * (dt / first) ** power
        verdict = judge(
            dt, SETTINGS, converged=True, error=error, newton=3, order=2, tried=tried
        )
        if verdict.accept:
            break
        dt, tried = verdict.next_dt, (dt, error)
    assert tries <= 3


@given(
    st.floats(1e-9, SETTINGS.dt_max),
    st.floats(1e-9, 1e3),
    st.floats(1.0, 1e3),
    st.sampled_from([1, 2]),
)
def test_a_larger_error_never_gives_a_larger_step(
    dt: float, error: float, more: float, order: int
) -> None:
    first, second = (
        judge(dt, SETTINGS, converged=True, error=e, newton=3, order=order)
        for e in (error, error * more)
    )
    assert second.next_dt <= first.next_dt * (1 + 1e-12)


@given(st.floats(0.05, 30.0), st.floats(0.05, 30.0), st.floats(0.05, 10.0))
def test_a_step_lands_where_rates_jump(jump: float, limit: float, dt: float) -> None:
    """Wherever the jump lies in what is left: at most 1/0.95 later, and it takes few looks."""
    t = SimpleNamespace(dt=0.0, looks=0)

    def begin(size: float) -> None:
        t.dt, t.looks = size, t.looks + 1
        assert t.looks < 50

    def accept() -> None:
        system.t = t.dt

    system = SimpleNamespace(
        t=0.0, time=SimpleNamespace(history=2), limits=(), foreseen=(), begin=begin,
        hints=SimpleNamespace(tight=False),
        accept=accept, save=lambda: None, restore=lambda _: None,
        reference_current=lambda scale: scale, unknowns={}, gaps=(),
        jumps=[lambda: jump / t.dt if jump < t.dt else None],
        domain=SimpleNamespace(comm=SimpleNamespace(allreduce=lambda value, op: value)),
    )  # fmt: skip
    stepper = Stepper(system, (), Settings(dt_min=1e-4))  # type: ignore[arg-type]
    stepper.dt = dt
    done = stepper.advance(lambda _: Control(), 1.0, limit)
    assert done is not None
    assert done.dt <= min(limit, jump / JUMP_SHARE) * (1 + 1e-12)


def test_segments_know_their_ends() -> None:
    constant = Constant(10.0, "A/m^2")
    assert Segment("plate", constant, duration=100.0, capacity=500.0).end() == 50.0
    assert Segment("plate", constant, cutoff=-1.0).end() == math.inf
    assert Segment("rest", Constant(0.0, "A/m^2"), duration=7.0).end() == 7.0
    table = Along("t", Curve((0.0, 10.0, 30.0), (1.0, 2.0, 2.0)), "A/m^2")
    driven = Segment("strip", table, capacity=20.0)
    assert driven.end() == 30.0  # never beyond its table
    assert driven.knots == [0.0, 10.0, 30.0]
    assert driven.control(5.0, 2.0).current == pytest.approx(3.0)
    assert Segment("plate", table).control(5.0, 2.0).current == pytest.approx(-3.0)


def test_stops_and_their_signs() -> None:
    plate = Segment("plate", Constant(1.0, "A/m^2"), cutoff=-0.5, capacity=10.0)
    assert plate.stop(-0.4, -5.0) is None
    assert plate.stop(-0.5, -5.0) == "cutoff"
    assert plate.stop(-0.4, -10.0) == "capacity"
    strip = Segment("strip", Constant(1.0, "A/m^2"), cutoff=0.5)
    assert strip.stop(-0.6, 5.0) is None
    assert strip.stop(0.6, 5.0) == "cutoff"


def test_a_hold_ends_at_a_current_that_decays_to_its_cutoff() -> None:
    hold = Segment("hold", voltage=Constant(-4.2, "V"), cutoff=0.5)
    assert hold.stop(-4.2, -5.0, -0.6) is None
    assert hold.stop(-4.2, -5.0, -0.5) == "cutoff"
    assert hold.overshoot((-4.2, -4.2), (0.0, 0.0), (-10.0, -0.4999)) is None
    share = hold.overshoot((-4.2, -4.2), (0.0, 0.0), (-10.0, -0.1))
    assert share is not None
    landed = 10.0 * (0.1 / 10.0) ** share  # decays exponentially
    assert 0.495 <= landed <= 0.5


@given(st.floats(0.0, 0.5), st.floats(0.5011, 2.0), st.sampled_from([-1.0, 1.0]))
def test_overshoot_points_into_the_slack(before: float, after: float, sign: float) -> None:
    name = "plate" if sign < 0 else "strip"
    segment = Segment(name, Constant(1.0, "A/m^2"), cutoff=sign * 0.5)
    share = segment.overshoot((sign * before, sign * after), (0.0, 0.0))
    assert share is not None and 0.05 <= share < 1.0
    if 0.05 < share < 0.999:  # a straight voltage then lands between cut-off and 1 mV beyond
        landed = before + share * (after - before)
        assert 0.5 <= landed <= 0.501
    assert segment.overshoot((sign * before, sign * 0.5005), (0.0, 0.0)) is None


@given(st.lists(st.floats(0.0, 100.0), max_size=5), st.floats(0.0, 100.0))
def test_next_stop_lies_ahead(knots: list[float], time: float) -> None:
    found = next_stop(time, knots)
    assert found > time
    assert found in [*knots, math.inf]


@given(st.floats(0.5, 4.0), st.floats(-1e3, 1e3), st.floats(0.01, 10.0))
def test_order_recovers_a_power_law(p: float, limit: float, size: float) -> None:
    values = [limit + size * h**p for h in (2.0, 1.0, 0.5)]
    found = order(*values)
    assert found["verdict"] == "converges"
    assert found["order"] == pytest.approx(p, abs=1e-6)
    assert found["limit"] == pytest.approx(limit, abs=1e-6 * (1 + abs(limit)))


def test_order_says_what_it_cannot_tell() -> None:
    assert order(1.0, 1.0, 1.0)["verdict"] == "equal"
    assert order(1.0, 2.0, 1.5)["verdict"] == "oscillates"
    assert order(1.0, 1.1, 1.3)["verdict"] == "diverges"


def test_order_makes_no_news_of_what_a_solver_leaves() -> None:
    """Noise of 1e-9 that seems to diverge, solved to 1e-9; beyond 10 times that it is judged."""
    noise = 1.0, 1.0 + 1e-9, 1.0 + 4e-9
    assert order(*noise)["verdict"] == "diverges"
    found = order(*noise, rtol=1e-9)
    assert (found["verdict"], found["limit"]) == ("the same to the solver's tolerance", None)
    assert found["error"] == pytest.approx(4e-9, rel=1e-6)
    assert order(1.0, 1.0 + 1e-8, 1.0 + 4e-8, rtol=1e-9)["verdict"] == "diverges"
    settled = order(1.0, 1.0 + 1e-4, 1.0 + 1e-4 - 4e-9, rtol=1e-9)  # no sign of oscillation
    assert (settled["verdict"], settled["limit"]) == ("converges", 1.0 + 1e-4 - 4e-9)


def test_order_makes_no_news_of_rounding() -> None:
    """A third in which nothing plates, beside one in which everything does; a limit of zero."""
    assert order(3e-17, -2e-17, 1e-17, scale=1.0)["verdict"] == "equal"
    assert order(1.0, 1.0 + 1e-6, 1.0 + 1e-6)["verdict"] == "converges"  # the finest two agree
    zero = order(4e-3, 2e-3, 1e-3)  # runs to 0 with order 1
    assert (zero["verdict"], zero["order"], zero["limit"]) == ("converges", 1.0, 0.0)
    assert zero["error"] == 1.0  # not the ratio to nothing
    slow = order(1.0, 1.1, 1.19999)
    assert (slow["verdict"], slow["limit"]) == ("hardly changes", None)
    assert order(1.0, math.nan, 1.0)["verdict"] == "no number"


def test_scale_is_that_of_the_group() -> None:
    tables = [{"voltage": -0.1, "i.top": 1e-20, "i.bottom": -2.0, "probes.a": 1e-20,
               "probes.b": 1000.0}]
    assert scale("i.top", tables) == 2.0
    assert scale("probes.a", tables) == 0.0  # units of their own
    assert scale("voltage", tables) == 1e-6


def test_numbers_are_the_floats() -> None:
    summary = {"voltage": -0.1, "steps": 3, "wall_seconds": 1.0, "c": {"a": 2.0, "b": [1.0]}}
    assert numbers(summary) == {"voltage": -0.1, "c.a": 2.0}
