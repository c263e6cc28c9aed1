"""Metal that stripping cuts off: found, counted, kept, coloured, and joined again by plating."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ufl

from fem import Case
from fem.base.constants import FARADAY
from fem.physics.metal.metal import Metal
from fem.physics.metal.room import Room
from fem.results.result import Result
from fem.run.segments import Segment
from fem.run.session import resume
from fem.study.build import build
from fem.system.part import Begun
from fem.values.properties import Constant
from tests.case.base import changed
from tests.run.test_restart_ranks import until
from tests.verification.fronts import box
from tests.verification.sharp import Sharp

# A bulb on a neck on a flat layer, in a half cell of 6 um; half the neck is two lambda thick.
NECKED: dict[str, Any] = {
    "schema": 1,
    "title": "necked",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "study": "growth",
    "geometry": {"family": "planar", "length": "16 um", "width": "6 um", "size": "0.2 um"},
    "growth": {"interface_width": "0.4 um"},
    "initial": {
        "metal_layer": {
            "expression": "y + max(base - y, radius - sqrt(x^2 + (y - middle)^2), "
            "min(neck - x, middle - y))",
            "unit": "m", "base": "3 um", "radius": "3.2 um", "middle": "8.6 um",
            "neck": "0.8 um",
        }
    },
    "protocol": [
        {"step": "strip", "current_density": "1 mA/cm^2", "duration": "2000 s"},
        {"step": "plate", "current_density": "1 mA/cm^2", "duration": "2400 s"},
    ],
    "output": {"figures": False},
}  # fmt: skip
LAYER, BULB = 0.25e-6, 8.6e-6  # heights that stay metal all the time, m
LAMBDA = 1e-7  # of the states set by hand, m
# A smaller bulb in longer steps, cut off and joined as well: for ranks, which need not be accurate.
LITTLE: dict[str, Any] = changed({
    "geometry.length": "10 um", "geometry.width": "4 um", "time.tolerance": 0.01,
    "initial.metal_layer.base": "2 um", "initial.metal_layer.radius": "1.6 um",
    "initial.metal_layer.middle": "4.4 um", "initial.metal_layer.neck": "0.6 um",
    "protocol.0.duration": "1100 s", "protocol.1.duration": "1650 s",
}, NECKED)  # fmt: skip


def necked(folder: str, data: dict[str, Any] = NECKED) -> dict[str, Any]:
    """Run it; what its results say, the same on all ranks."""
    result = Case.from_dict(data).run(Path(folder))
    series = result.series
    x, y, _ = result.points("metal").T
    centre = float(data["initial"]["metal_layer"]["middle"].split()[0]) * 1e-6
    found: dict[str, Any] = {
        name: series[name] for name in ("t", "dead", "islands", "plated", "voltage", "segment")
    }
    for k, name in enumerate(("stripped", "joined")):
        t = series["t"][series["segment"] == k][-1]
        dead, xi = (result.array(field, t=t, block="metal") for field in ("dead", "xi"))
        metal, bulb = xi > 0.5, np.hypot(x, y - centre) < 0.8e-6
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
    """While the rest loses 1500 C/m2 and gains 5000; its charge to 2 %."""
    islands, dead, t = alone["islands"], alone["dead"], alone["t"]
    strip, plate = alone["segment"] == 0, alone["segment"] == 1
    assert set(islands) == {0.0, 1.0} and islands[0] == 0.0
    cut_off = islands == 1.0
    assert (strip & cut_off).sum() >= 3 and (plate & cut_off).sum() >= 3
    rest = alone["plated"] - dead
    assert rest[strip & cut_off][0] - rest[strip & cut_off][-1] > 1000.0
    assert rest[cut_off][-1] - rest[strip][-1] > 4000.0
    assert np.ptp(dead[cut_off]) < 0.02 * dead[cut_off][0]
    assert islands[plate][-1] == 0.0 and dead[plate][-1] == 0.0
    assert t[cut_off][0] < 2000.0


def test_it_is_cut_off_when_and_as_a_sharp_interface_says(alone: dict[str, Any]) -> None:
    """All surfaces recede alike until the neck, two lambda thick on each side, is gone."""
    def metal(x: Any) -> Any:
        ball = 3.2e-6 - np.hypot(x[0], x[1] - BULB)
        return np.maximum(3e-6 - x[1], np.maximum(ball, np.minimum(0.8e-6 - x[0], BULB - x[1])))

    sharp, neck = Sharp.of(metal, (0, 0), (6e-6, 13e-6), 2e-8), -0.8e-6
    speed = 10.0 * 1.2998e-5 / FARADAY * 6e-6  # m2/s
    time = (sharp.volume() - sharp.volume(neck)) / speed
    bulb = sharp.volume(neck, sharp.piece((0, BULB), neck - 2e-8)) / speed * 10.0
    first = np.flatnonzero(alone["islands"] == 1.0)[0]
    print("cut", alone["t"][first] / time - 1, "dead", alone["dead"][first] / bulb - 1)
    assert alone["t"][first] == pytest.approx(time, rel=0.05)
    assert alone["dead"][first] == pytest.approx(bulb, rel=0.05)


def test_losing_it_shows_in_the_voltage(alone: dict[str, Any]) -> None:
    """The surface that is left carries the whole current: 13 mV more, 6 mV of it within a step.

    A sharp interface jumps at once. Here the ghost of the neck holds charge that has to be
    stripped, and takes its share of the current until it has gone.
    """
    voltage, islands, t = alone["voltage"], alone["islands"], alone["t"]
    first = np.flatnonzero(islands == 1.0)[0]
    last = np.flatnonzero(alone["segment"] == 0)[-1]
    rise = voltage - voltage[first - 1]
    assert rise[first] > 5e-3
    assert rise[first : last + 1].min() > 5e-3  # not a spike of the first step
    assert np.interp(t[first] + 100.0, t, rise) > 10e-3
    assert abs(voltage[first - 1] - voltage[first - 2]) < 2e-3


def test_the_events_say_when_and_where(alone: dict[str, Any]) -> None:
    lost, joined = alone["events"]
    assert (lost["event"], lost["segment"], lost["piece"], lost["pieces"]) == (
        "island", "strip", 2, 1)
    assert (joined["event"], joined["segment"], joined["piece"], joined["pieces"]) == (
        "joined", "plate", 2, 0)
    cut_off = np.flatnonzero(alone["islands"] == 1.0)
    assert lost["charge"] == pytest.approx(alone["dead"][cut_off[0]])
    assert joined["charge"] == pytest.approx(alone["dead"][cut_off[-1]])
    assert lost["t"] == alone["t"][cut_off[0]] and joined["t"] == alone["t"][cut_off[-1] + 1]
    x, y = lost["place"]
    assert 0.5e-6 < x < 2e-6 and abs(y - BULB) < 0.5e-6  # the middle of half a bulb
    x, y = lost["contact"]
    assert x < 0.8e-6 and 2.5e-6 < y < 6e-6  # in the neck
    x, y = joined["contact"]
    # The underside of the bulb, from which 0.8 um were stripped, within lambda.
    assert y < BULB and np.hypot(x, y - BULB) == pytest.approx(2.4e-6, abs=0.4e-6)


def test_it_is_coloured_in_the_fields(alone: dict[str, Any]) -> None:
    stripped, joined = alone["stripped"], alone["joined"]
    assert stripped["bulb_xi"] > 0.95 and stripped["layer_xi"] > 0.8
    assert stripped["bulb"] == 1.0 and stripped["layer"] == 0.0
    assert 0.1 < stripped["metal"] < 0.9
    assert joined["bulb"] == joined["layer"] == joined["metal"] == 0.0
    assert joined["bulb_xi"] > 0.95


@pytest.mark.undisturbed
def test_a_resumed_run_has_the_same_pieces(alone: dict[str, Any], tmp_path: Path) -> None:
    """Stopped at the step that cuts the bulb off and two steps later; the same to the last bit."""
    lost = 1 + int(np.flatnonzero(alone["islands"] == 1.0)[0])
    with until(lost):
        Case.from_dict(NECKED).run(tmp_path / "r")
    for steps in (2, 6):
        with until(steps):
            resume(tmp_path / "r")
    series = Result(tmp_path / "r").series
    assert len(series["t"]) >= lost + 8
    for name in ("t", "dead", "islands", "plated", "voltage"):
        known = alone[name][: len(series["t"])]
        np.testing.assert_array_equal(series[name], known, err_msg=name)


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


def test_two_ranks_find_the_same(mpirun: Callable[..., Any], tmp_path: Path) -> None:
    alone = necked(str(tmp_path / "1"), LITTLE)
    assert [event["event"] for event in alone["events"]] == ["island", "joined"]
    assert alone["stripped"]["bulb"] == 1.0 and alone["joined"]["bulb"] == 0.0
    assert _same(mpirun(2, necked, str(tmp_path / "2"), LITTLE, timeout=400), alone) < 1e-5


@pytest.mark.full
def test_three_ranks_find_the_same(
    alone: dict[str, Any], mpirun: Callable[..., Any], reached: Callable[..., None], tmp_path: Path
) -> None:
    gap = _same(mpirun(3, necked, str(tmp_path / "r"), timeout=1200), alone)
    reached("time, dead charge, metal, voltage on 3 ranks against 1", gap, most=1e-5)


# -- parts of states set by hand ----------------------------------------------------------------


def parts() -> list[dict[str, Any]]:
    """Pieces that the ledger of metal finds in a layer with bulbs above it, one after the other."""
    thin = {"initial": {}, "growth": {"interface_width": "0.1 um"}}
    model = build(Case.from_dict(NECKED | thin), box((0, 0), (12e-6, 20e-6), (60, 100)))
    s = model.system
    deposit = s["stock"]
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
        for field in deposit.contacts.kept:  # what belonged together before says nothing
            field.x.array[:] = 0.0
        deposit.begin()
        deposit.tip()
        found.append({
            "charges": [piece["charge"] for piece in deposit.pieces],
            "places": [piece["place"] for piece in deposit.pieces],
            "volumes": [piece["volume"] for piece in deposit.pieces],
            "shorted": deposit.shorted, "tip": deposit.tip_place[1:],
        })  # fmt: skip
    return found


def test_a_node_that_no_piece_foresaw_links_none() -> None:
    """Two plates and a node without metal between; then it keeps more metal than was foreseen."""
    model = build(Case.from_dict(NECKED | {"initial": {}}), box((0, 0), (2e-6, 8e-6), (10, 40)))
    s, metal = model.system, next(p for p in model.physics if isinstance(p, Metal))
    deposit = s["stock"]
    xi, v = s.unknowns["xi"], ufl.TestFunction(deposit.contacts.open.function_space)
    x, y, _ = xi.space.tabulate_dof_coordinates().T
    sigma = s.form(s["sigma_pore"] * v * s.domain.dx(metal.regions, lumped=True))
    gap = np.abs(y - 3.4e-6) < 0.15e-6  # three rows
    node = np.hypot(x - 1e-6, y - 3.4e-6) < 1e-8
    assert node.sum() == 1

    xi.value.x.array[:] = np.abs(y - 3.4e-6) > 0.35e-6
    deposit.begin()
    piece = deposit.contacts.piece.x.array
    assert not piece[gap].any() and {*piece[~gap].tolist()} == {1.0, 2.0}
    (dead,), beside = deposit.pieces, deposit.cells[(piece[deposit.corners] != 0).any(axis=1)]
    before = s.nodal(sigma)[beside]

    xi.value.x.array[node] = 1e-3
    assert metal.conductivity(1e-3) > deposit.threshold
    deposit.recall()  # with pieces as they were before
    assert [known["piece"] for known in deposit.pieces] == [2]
    assert deposit.pieces[0]["charge"] == pytest.approx(dead["charge"], rel=1e-9)
    np.testing.assert_allclose(s.nodal(sigma)[beside], before, rtol=1e-9)  # no more than empty


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
    # metal at the counter electrode that is not connected to the collector is no short
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


@pytest.mark.parametrize(("name", "leaks"), [("plate", True), ("strip", True), ("rest", False)])
def test_a_rest_has_no_leak(name: str, leaks: bool) -> None:
    """The share of a current that passes empty pores says nothing where none is commanded."""
    segment = Segment(name, Constant(0.0 if name == "rest" else 10.0, "A/m^2"), duration=1.0)
    deposit: Any = SimpleNamespace(numbers={"floor": 1e-3})
    room = Room(deposit)
    room.begun = Begun(segment, 0.0, 0.0)
    assert room._leaks() == leaks
    deposit.numbers["floor"] = 1e-5
    assert not room._leaks()
