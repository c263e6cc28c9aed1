"""Cases with ions each by itself: what their headers say comes out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from fem.base.constants import FARADAY
from fem.results.result import Result
from tests.physics.species.test_host import at

Solve = Callable[..., Result]
PAIR = (
    'ion=[{{name="Li", z=1, D="{} m^2/s", c0="1 mol/L", plates=true}}, '
    '{{name="A", z=-1, D="{} m^2/s", c0="1 mol/L"}}]'
)


def test_capillaries_run_out_at_sands_time(solve: Solve) -> None:
    """J^2 t is constant, that of Sand, and the slope of the logarithms -2."""
    times = {}
    for J in (20, 50):
        found = solve("capillary_bai", f'protocol.0.current_density="{J} mA/cm^2"')
        (event,) = (e for e in found.summary["events"] if e["event"] == "depletion")
        times[J] = event["t"]
    sand = {J: math.pi * 3e-10 * (1e3 * FARADAY / (2 * 10 * J * 0.6)) ** 2 for J in times}
    slope = math.log(times[50] / times[20]) / math.log(2.5)
    print("capillary", times, sand, slope)
    assert all(times[J] == pytest.approx(sand[J], rel=2e-3) for J in times)
    assert event["sand_time"] == pytest.approx(sand[50], rel=1e-6)
    assert slope == pytest.approx(-2.0, abs=5e-3)


def test_beside_an_idle_cation_salt_lasts_shorter_than_the_linear_formula(solve: Solve) -> None:
    """700 mol/m3 that plate beside 300 that do not: 4.79 s by finite volumes, 6.14 s linear."""
    three = ('ion=[{name="Li", z=1, D="2e-10 m^2/s", c0="0.7 mol/L", plates=true}, '
             '{name="X", z=1, D="2e-10 m^2/s", c0="0.3 mol/L"}, '
             '{name="A", z=-1, D="3e-10 m^2/s", c0="1 mol/L"}]')
    found = solve("capillary_bai", 'protocol.0.current_density="50 mA/cm^2"', three,
                  'time.tolerance=3e-3', 'geometry.length="200 um"', "geometry.growth=1.3",
                  'geometry.size_collector="0.3 um"')
    (event,) = (e for e in found.summary["events"] if e["event"] == "depletion")
    print(event)
    assert event["t"] == pytest.approx(4.792, rel=5e-3)
    assert event["sand_time_linear"] == pytest.approx(6.137, rel=1e-3)
    assert "sand_time" not in event


def tip(result: Result) -> float:
    """Current at the top of the bump over that of the flat foil."""
    block = next(b for b in result.blocks if "i_n" in result.fields(b))
    x, i_n = result.points(block), np.abs(result.array("i_n", block=block))
    top = (x[:, 0] < 1e-9) & (np.abs(x[:, 1] - 1.5e-6) < 1e-8)
    flat = (np.abs(x[:, 1]) < 1e-12) & (x[:, 0] > 8e-6)
    return float(i_n[top].mean() / i_n[flat].mean())


@pytest.mark.full
def test_cations_that_do_not_plate(solve: Solve, reached: Callable[..., None]) -> None:
    """Near the limit the tip carries more beside them, not less, at one current."""
    near = 'protocol.0.current_density="4223 A/m^2"'
    pair = PAIR.format("3e-10", "3e-10")
    for what, known, more in (
        ("with them", 1.884, (near,)), ("without", 1.440, (pair, near)),
        ("without, at 5210 A/m2", 2.082, (pair, 'protocol.0.current_density="5210 A/m^2"')),
    ):  # fmt: skip
        reached(f"tip over foil {what}", tip(solve("shield_cations", *more)),
                least=0.995 * known, most=1.005 * known)  # fmt: skip


def test_cations_that_sit_on_the_tip_alone(solve: Solve) -> None:
    """A tip of whose sites half are taken and do not plate carries less than the foil."""
    there = ('{expression="K/(1 + exp((h - y)/w))", unit="m^3/mol", K="0.02 m^3/mol", '
             'h="0.75 um", w="0.05 um"}')  # fmt: skip
    sites = ('ion.1.adsorption={on="collector", sites="1e-6 mol/m^2", rate="1000 1/s", '
             f'blocks=true, K={there}}}')  # fmt: skip
    found = tip(solve("shield_cations", sites, 'protocol.0.current_density="4223 A/m^2"'))
    print("shield on the tip", found)
    assert found == pytest.approx(0.939, rel=1e-2)


def test_a_layer_that_holds_anions_flattens_itself(solve: Solve) -> None:
    """The salt in equilibrium with the layer rises less across it."""
    rises, ends = [], []
    for more in ((), ("fixed_charge=[]",)):
        found = solve("zgil_anion_bilayer", *more)
        salt = [1e3 * math.exp(-at(found, "mu_anion", y) / (2 * 0.025693)) for y in (2e-5, 4e-5)]
        rises.append(salt[1] - salt[0])
        ends.append((found.summary["c_min"], 1e3 * found.summary["voltage"]))
    print("bilayer", rises, ends)
    assert rises == pytest.approx([220.9, 248.7], rel=5e-3)
    assert ends[0][0] - ends[1][0] == pytest.approx(17.3, rel=2e-2)
    assert ends[0][1] - ends[1][1] == pytest.approx(2.79, rel=2e-2)


@pytest.mark.full
def test_many_anions_do_what_their_mean_does(solve: Solve, reached: Callable[..., None]) -> None:
    """After 2 s within a third of a millivolt, with six ions."""
    short = 'protocol.0.duration="2 s"'
    found = [solve("high_entropy", *more, short).summary
             for more in ((), (PAIR.format("2.5e-10", "4e-10"),))]  # fmt: skip
    reached("voltage, six ions less two", 1e3 * (found[0]["voltage"] - found[1]["voltage"]),
            least=-0.30, most=-0.26, unit="mV")  # fmt: skip
    for what, known, each in zip(("six ions", "two"), (724.9, 721.9), found, strict=True):
        reached(f"c_min, {what}", each["c_min"], least=0.999 * known, most=1.001 * known,
                unit="mol/m^3")  # fmt: skip
