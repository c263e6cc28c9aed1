"""The guess of the time left, on the steps of real runs.

`recorded_runs.json` holds, per accepted step, (t, proposed next dt, wall seconds since the start),
recorded on two cores; its `origin` says from which case.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from fem.contract.physics import Column
from fem.run.events import words
from fem.run.progress import FIRST_GUESS_SHARE, Progress, in_notebook
from fem.run.segments import Segment
from fem.solver.stepper import Step

RUNS = json.loads(Path(__file__).with_name("recorded_runs.json").read_text())


def replay(run: dict) -> Iterator[tuple[float, float | None, float]]:
    """Share of the protocol done, guess and truth of the wall time left after every step, s."""
    protocol = [Segment(part["step"], duration=part["duration"]) for part in run["protocol"]]
    every, wall = run["every"] or math.inf, 0.0
    progress = Progress(protocol, run["dt_max"] or math.inf, every, lambda: wall)
    end = run["protocol"][-1]["rows"][-1]
    for number, part in enumerate(run["protocol"]):
        (start, _, wall), *rows = part["rows"]
        progress.begin(number, start, start, start + every)
        for t, next_dt, wall in rows:
            progress.note(t, next_dt)
            yield t / end[0], progress.seconds(), end[2] - wall
        progress.finish()


@pytest.mark.parametrize("name", RUNS)
def test_time_left_is_right_within_a_factor(name: str) -> None:
    """1.5 from 30 % of the protocol to its last step; the steps grow 20 to 50,000 times."""
    steps = list(replay(RUNS[name]))
    assert all(guess is None for share, guess, _ in steps if share < FIRST_GUESS_SHARE)
    sure = [(guess, truth) for share, guess, truth in steps
            if share >= FIRST_GUESS_SHARE and truth > 0.0]
    assert len(sure) >= 3
    for guess, truth in sure:
        assert guess is not None and truth / 1.5 < guess < 1.5 * truth
    assert steps[-1][1] == 0.0


def test_an_open_end_is_not_guessed() -> None:
    progress = Progress([Segment("hold")])
    progress.begin(0, 0.0, 0.0, math.inf)
    progress.note(1e6, 1e6)
    assert progress.seconds() is None and progress.left() == "estimating"


def test_a_cutoff_to_come_is_told_until_it_has_come_once() -> None:
    protocol = [Segment("plate", duration=100.0), Segment("strip", cutoff=1.0)] * 2
    progress = Progress(protocol, clock=lambda: 0.0)
    words = []
    for number, start in enumerate((0.0, 100.0, 180.0, 280.0)):
        progress.begin(number, start, start, math.inf)
        progress.note(start + 80.0, 10.0)
        words.append(progress.left())
        progress.finish()
    assert words[:2] == ["open, a cutoff follows", "until the cutoff"]
    assert words[2:] == ["0 s", "0 s"]


def test_short_steps_to_a_cutoff_are_no_rule() -> None:
    """90 of 100 s took 9 steps of 1 s each; steps of 0.1 ms then are not 100,000 to come."""
    wall = 0.0
    progress = Progress([Segment("plate", duration=100.0, cutoff=0.1)], clock=lambda: wall)
    progress.begin(0, 0.0, 0.0, math.inf)
    for k in range(1, 10):
        wall = float(k)
        progress.note(10.0 * k, 10.0 if k < 9 else 1e-4)
    assert progress.seconds() == pytest.approx(1.0)


def test_time_left_in_words() -> None:
    wall = 0.0
    progress = Progress([Segment("plate", duration=100.0)], 10.0, clock=lambda: wall)
    progress.begin(0, 0.0, 0.0, math.inf)
    for k in range(1, 10):
        wall = 60.0 * k
        progress.note(10.0 * k, 10.0)
        left = "estimating" if k < 3 else f"{10 - k} min" if k < 9 else "60 s"
        assert progress.left() == left


def test_cycles_that_events_end_are_taken_to_last_as_before() -> None:
    """Each cycle: 100 s of plating in 10 s of wall time, stripping ended after 50 s in 20 s."""
    protocol = [Segment(name, duration=100.0 if name == "plate" else None, cutoff=1.0)
                for _ in range(4) for name in ("plate", "strip")]
    wall = t = 0.0
    progress = Progress(protocol, clock=lambda: wall)
    guesses = []
    for number, segment in enumerate(protocol):
        progress.begin(number, t, t, math.inf)
        span, cost = (100.0, 10.0) if segment.name == "plate" else (50.0, 20.0)
        for _ in range(5):
            t, wall = t + span / 5, wall + cost / 5
            progress.note(t, span / 5)
        guesses.append((progress.seconds(), 4 * 30.0 - wall))
        progress.finish()
    assert guesses[0][0] is None and guesses[1][0] is None  # no cycle has ended yet
    for guess, truth in guesses[3:]:
        assert guess == pytest.approx(truth, abs=1e-9)


def test_a_step_prints_the_columns_that_physics_ask_for() -> None:
    """Heading and numbers end below each other; balances by their power of ten."""
    progress = Progress([Segment("plate", duration=100.0)])
    progress.begin(0, 0.0, 0.0, math.inf)
    hot, closes = Column("T_max", "K", printed=True), Column("first_law_of_all", closure=True)
    step = Step(1.0, 0.5, newton=3, linear=4, factored=1, rejected=0, error=0.0, residual=0.0)
    header, line = progress.line(7, step, -0.05, {hot: 301.25, closes: 2e-9}).splitlines()
    for heading, value in (("T_max", "301.25"), ("first_law_of_all", "2.0e-09")):
        assert header.index(heading) + len(heading) == line.index(value) + len(value)
    assert "-50.000 mV" in line and header.split()[1:3] == ["t", "(s)"]
    assert "  0.000 mV" in (later := progress.line(8, step, -1e-9, {})) and header not in later


def test_a_bar_is_one_short_line_of_the_share_done() -> None:
    wall = [0.0]
    progress = Progress([Segment("plate", duration=100.0)], clock=lambda: wall[0])
    progress.begin(0, 0.0, 0.0, math.inf)
    for k in range(1, 6):
        wall[0] = 2.0 * k
        progress.note(10.0 * k, 10.0)
    text = progress.bar()
    assert text.startswith("[" + "#" * 15 + " " * 15 + "]  50 %, left: 10 s")
    assert "\n" not in text and not in_notebook()


def test_events_are_printed_with_units_and_places_in_um() -> None:
    entry = {"event": "clogged", "segment": "plate", "number": 0, "t": 10909.3044, "voltage": -0.05,
             "place": [2e-6, 1.8e-5], "region": "host", "filled": 0.18370612}
    assert words(entry) == ("segment = plate, number = 0, t = 10909.3 s, voltage = -0.05 V, "
                            "place = (2, 18) um, region = host, filled = 0.183706")
    assert words({"event": "own", "place": None}) == "place = None"
