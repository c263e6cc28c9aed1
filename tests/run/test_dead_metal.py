"""Metal that stripping cuts off: found, counted, kept, coloured, and joined again by plating."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.case import Case
from fem.deposit import Deposit
from fem.model import build
from tests.verification.fronts import box

# A bulb on a neck on a flat layer, in a half cell of 10 um; the neck is half a lambda thick.
NECKED: dict[str, Any] = {
    "schema": 1,
    "title": "necked",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "study": "growth",
    "geometry": {"family": "planar", "length": "23 um", "width": "10 um", "size": "0.2 um"},
    "growth": {"interface_width": "0.4 um", "max_change": 0.5},
    "initial": {
        "metal_layer": {
            "expression": "y + max(base - y, radius - sqrt(x^2 + (y - middle)^2), "
            "min(neck - x, middle - y))",
            "unit": "m", "base": "7.3 um", "radius": "5.6 um", "middle": "14.6 um",
            "neck": "0.2 um",
        }
    },
    "protocol": [
        {"step": "strip", "current_density": "1 mA/cm^2", "duration": "7000 s"},
        {"step": "plate", "current_density": "1 mA/cm^2", "duration": "2600 s"},
    ],
    "time": {"dt0": "50 s", "dt_max": "500 s", "tolerance": 0.05},
    "output": {"figures": False},
}  # fmt: skip
LAYER, BULB = 0.25e-6, 14.6e-6  # heights that stay metal all the time, m
LAMBDA = 1e-7  # of the states set by hand, m


def necked(folder: str) -> dict[str, Any]:
    """Run it; what its results say, the same on all ranks."""
    result = Case.from_dict(NECKED).run(Path(folder))
    series = result.series
    x, y, _ = result.points("metal").T
    found: dict[str, Any] = {
        name: series[name] for name in ("t", "dead", "islands", "plated", "voltage", "segment")
    }
    for name, t in (("stripped", 7000.0), ("joined", 9600.0)):
        dead, xi = (result.array(field, t=t, block="metal") for field in ("dead", "xi"))
        metal, bulb = xi > 0.5, np.hypot(x, y - BULB) < 1.5e-6
        found[name] = {
            "bulb": dead[bulb].min(), "bulb_xi": xi[bulb].min(),
            "layer": dead[y < LAYER].max(), "layer_xi": xi[y < LAYER].min(),
            "metal": float((dead[metal] > 0.5).mean()),
        }  # fmt: skip
    found["events"] = result.summary["events"]
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run on one rank."""
    return necked(str(tmp_path_factory.mktemp("dead") / "r"))


def test_an_island_is_found_counted_and_keeps_its_volume(alone: dict[str, Any]) -> None:
    """While the rest loses 9000 C/m2; its charge to 1e-3."""
    islands, dead = alone["islands"], alone["dead"]
    strip, plate = alone["segment"] == 0, alone["segment"] == 1
    assert set(islands) == {0.0, 1.0} and islands[0] == 0.0
    cut_off = strip & (islands == 1.0)
    assert cut_off.sum() >= 3
    rest = alone["plated"][cut_off] - dead[cut_off]
    assert rest[0] - rest[-1] > 8000.0
    assert np.ptp(dead[cut_off]) < 1e-3 * dead[cut_off][0]
    assert 5000.0 < dead[cut_off][0] < 15000.0
    assert islands[plate][-1] == 0.0 and dead[plate][-1] == 0.0


def test_losing_it_shows_in_the_voltage(alone: dict[str, Any]) -> None:
    """The surface that is left carries the whole current: 19 mV more before it counts as dead.

    The neck gets thin long before the last of its profile is gone: 3000 s, 4 um of travel.
    """
    t, voltage, strip = alone["t"], alone["voltage"], alone["segment"] == 0
    cut = t[strip & (alone["islands"] == 1.0)][0]
    before, after = np.interp([cut - 3000.0, cut], t, voltage)
    assert after - before > 10e-3


def test_the_events_say_when_and_where(alone: dict[str, Any]) -> None:
    lost, joined = alone["events"]
    assert (lost["event"], lost["segment"], lost["before"], lost["pieces"]) == (
        "island", "strip", 0, 1)
    assert (joined["event"], joined["segment"], joined["before"], joined["pieces"]) == (
        "island", "plate", 1, 0)
    assert lost["charge"] == lost["largest"] == pytest.approx(
        alone["dead"][alone["islands"] == 1.0][0])
    x, y = lost["place"]
    assert 0.5e-6 < x < 3e-6 and abs(y - BULB) < 0.5e-6  # the middle of half a bulb
    assert joined["charge"] == 0.0 and joined["place"] is None


def test_it_is_coloured_in_the_fields(alone: dict[str, Any]) -> None:
    stripped, joined = alone["stripped"], alone["joined"]
    assert stripped["bulb_xi"] > 0.95 and stripped["layer_xi"] > 0.8
    assert stripped["bulb"] == 1.0 and stripped["layer"] == 0.0
    assert 0.1 < stripped["metal"] < 0.9
    assert joined["bulb"] == joined["layer"] == joined["metal"] == 0.0
    assert joined["bulb_xi"] > 0.95


def _same(found: dict[str, Any], alone: dict[str, Any]) -> float:
    """Largest relative difference of two runs that took the same steps."""
    assert len(found["t"]) == len(alone["t"])
    np.testing.assert_array_equal(found["islands"], alone["islands"])
    for name in ("stripped", "joined"):
        assert found[name] == pytest.approx(alone[name], abs=1e-5)
    gaps = [
        np.abs(np.asarray(found[name]) - alone[name]).max() / np.abs(alone[name]).max()
        for name in ("t", "dead", "plated", "voltage")
    ]
    return float(max(gaps))


def test_two_ranks_find_the_same(
    alone: dict[str, Any], mpirun: Callable[..., Any], tmp_path: Path
) -> None:
    assert _same(mpirun(2, necked, str(tmp_path / "r"), timeout=400), alone) < 1e-5


def test_three_ranks_find_the_same(
    alone: dict[str, Any], mpirun: Callable[..., Any], reached: Callable[..., None], tmp_path: Path
) -> None:
    gap = _same(mpirun(3, necked, str(tmp_path / "r"), timeout=1200), alone)
    reached("time, dead charge, metal, voltage on 3 ranks against 1", gap, most=1e-5)


# -- parts of states set by hand ----------------------------------------------------------------


def parts() -> list[dict[str, Any]]:
    """What `Deposit.connect` says of a layer with bulbs above it, one after the other."""
    thin = {"initial": {}, "growth": {"interface_width": "0.1 um"}}
    model = build(Case.from_dict(NECKED | thin), box((0, 0), (12e-6, 20e-6), (60, 100)))
    s = model.system
    assert model.metal is not None
    deposit = Deposit(s, model.ions, model.interface, (), model.electrons, metal=model.metal)
    xi = s.unknowns["xi"]
    x, y, _ = xi.space.tabulate_dof_coordinates().T
    layer, column = 3e-6 - y, 1e-6 - np.abs(x - 3e-6)
    bulb = 2e-6 - np.hypot(x - 3e-6, y - 15e-6)
    other = 1.5e-6 - np.hypot(x - 9e-6, y - 14e-6)
    found = []
    for shapes in (
        (layer,),
        (layer, bulb),
        (layer, bulb, other),
        (layer, bulb, other, np.minimum(column, 15e-6 - y)),  # the first bulb on a column
        (layer, np.minimum(column, y - 10e-6)),  # a column from above that ends over the layer
        (y - 10e-6,),  # nothing at the collector, all at the counter electrode
        (layer + y,),  # everywhere
    ):
        xi.value.x.array[:] = 0.5 + 0.5 * np.tanh(0.5 * np.maximum.reduce(shapes) / LAMBDA)
        deposit.connect()
        deposit.tip()
        found.append({
            "charges": [piece["charge"] for piece in deposit.pieces],
            "places": [piece["place"] for piece in deposit.pieces],
            "volumes": [piece["volume"] for piece in deposit.pieces],
            "shorted": deposit.shorted, "tip": deposit.tip_place[1:],
        })  # fmt: skip
    return found


@pytest.fixture(scope="module")
def by_hand() -> list[dict[str, Any]]:
    return parts()


def test_pieces_of_states_set_by_hand(by_hand: list[dict[str, Any]]) -> None:
    """Areas against those of a disc with the resting profile, pi (R^2 + pi^2 lambda^2/3)."""
    counts = [len(state["charges"]) for state in by_hand]
    assert counts == [0, 1, 2, 1, 1, 1, 0]
    exact = [np.pi * (R**2 + (np.pi * LAMBDA) ** 2 / 3) for R in (2e-6, 1.5e-6)]
    assert by_hand[1]["volumes"] == pytest.approx(exact[:1], rel=2e-3, abs=0)
    assert by_hand[2]["volumes"] == pytest.approx(exact, rel=2e-3, abs=0)
    assert by_hand[2]["places"][0] == pytest.approx([3e-6, 15e-6], abs=1e-8)
    assert by_hand[2]["places"][1] == pytest.approx([9e-6, 14e-6], abs=1e-8)
    assert by_hand[3]["places"][0] == pytest.approx([9e-6, 14e-6], abs=1e-8)  # the other is joined
    for state in by_hand:
        for charge, volume in zip(state["charges"], state["volumes"], strict=True):
            assert charge == pytest.approx(volume * 96485.33 / 1.2998e-5, rel=1e-4)
    # metal at the counter electrode that does not hang together with the collector is no short
    assert [bool(state["shorted"]) for state in by_hand] == [False] * 6 + [True]
    tips = [state["tip"][0] for state in by_hand[:3]]
    assert tips == pytest.approx([3e-6, 17e-6, 17e-6], abs=5e-8)


@pytest.mark.parametrize("ranks", [2, 3])
def test_other_ranks_see_the_same_parts(
    ranks: int, by_hand: list[dict[str, Any]], mpirun: Callable[..., Any]
) -> None:
    for there, here in zip(mpirun(ranks, parts), by_hand, strict=True):
        for name, value in here.items():
            np.testing.assert_allclose(there[name], value, rtol=1e-12, atol=1e-20, err_msg=name)
