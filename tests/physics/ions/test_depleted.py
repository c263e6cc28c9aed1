"""Steps that begin on a wall without salt: they refill it, or are too much for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import erfc

from fem import Case
from fem.base.constants import FARADAY
from fem.run.session import run
from tests.verification.cells import C0, LIMIT, T_PLUS, D, L, case

PLANAR = {
    "family": "planar", "length": "100 um", "size": "4 um", "size_width": "1 um",
    "size_collector": "0.2 um", "size_counter": "1 um", "growth": 1.2,
}
EMPTY = {"step": "hold", "voltage": "-2 V", "duration": "40 s"}


def after_hold(step: dict, folder):
    """The result of a step after a hold that has emptied the wall."""
    data = case(geometry=PLANAR, protocol=[EMPTY, step],
                time={"dt0": "0.1 s", "dt_min": "0.1 ms", "tolerance": 1e-4})
    return run(Case.from_dict(data), folder)


@pytest.mark.parametrize(("name", "share"), [("plate", -0.5), ("strip", 0.5)])
def test_a_wall_without_salt_is_refilled(name, share, tmp_path):
    """From the steady limiting profile, the lowest c is that of a flux that jumps by J* + J.

    c(x, t) = 2 c0 x/L + g sqrt(4 D t) ierfc(x/sqrt(4 D t)), g = (1 - t_plus) (J* + J)/(F D), while
    the other wall is not felt.
    """
    given = {"current_density": f"{abs(share) * LIMIT} A/m^2"} if share else {}
    result = after_hold({"step": name, **given, "duration": "1 s"}, tmp_path / "r")
    assert result.summary["events"] == []
    t = np.array(result.series["t"])
    c = np.array(result.series["c_min"])
    assert c[t <= 40.0][-1] < 1e-8 * C0
    late = t > 40.1
    width = np.sqrt(4 * D * (t[late] - 40.0))[:, None]
    x = np.linspace(0.0, 0.5 * L, 2001)
    ierfc = np.exp(-((x / width) ** 2)) / math.sqrt(math.pi) - x / width * erfc(x / width)
    steep = (1 - T_PLUS) * (1 + share) * LIMIT / (FARADAY * D)
    exact = (2 * C0 * x / L + steep * width * ierfc).min(axis=1)
    worst = float(np.abs(c[late] / exact - 1).max())
    print(name, worst, exact[-1], c[-1])
    assert worst < 0.01


def test_a_hold_on_the_other_side_refills_it(tmp_path):
    result = after_hold({"step": "hold", "voltage": "0.05 V", "duration": "1 s"}, tmp_path / "r")
    assert result.summary["events"] == []
    assert result.summary["c_min"] > 0.1 * C0


def test_more_than_the_salt_carries_is_a_depletion(tmp_path):
    """At twice the current that flows, the salt is used up at once."""
    step = {"step": "plate", "current_density": f"{2 * LIMIT} A/m^2", "duration": "1 s"}
    event, = after_hold(step, tmp_path / "r").summary["events"]
    assert event["event"] == "depletion" and event["t_in_segment"] == 0.0
    assert event["place"][1] == pytest.approx(0.0, abs=1e-12)
