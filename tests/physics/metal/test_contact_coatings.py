"""Metal lies on an insulating coating without touching what is coated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.errors import CaseError
from fem.case.case import Case
from fem.study.build import build
from tests.verification.contacts import CELL, SPEED, floating, plated
from tests.verification.fronts import PER_CHARGE, UM, box

DEAD = {"material": "Al2O3", "thickness": "5 nm", "blocks_ions": True}
#: um: width of the cell, half-width of the plate, where it begins and ends.
WIDE, HALF, LOW, HIGH = 2.0, 1.0, 1.25, 2.0
PLATE = {"low": LOW, "high": HIGH, "cell": WIDE, "half": HALF}
TIME = 1500.0  # s; metal has touched the plate after 928 s, and has closed in on top of it


def coated(
    folder: str, duration: float = TIME, low: float = LOW, top: float = 3.5, **more: Any
) -> dict[str, Any]:
    """Metal from a foil meets a coated plate that floats; series and events.

    Args:
        folder: of the results.
        duration: s.
        low: where the plate begins, um.
        top: of the cell, um.
        more: tables of the case.
    """
    result = floating(Path(folder), 0.25, [plated(duration)], coatings=[DEAD | {"on": "host*"}],
                      **PLATE | {"low": low, "top": top}, **more)
    out = {name: np.asarray(result.series[name]).tolist()
           for name in ("t", "voltage", "tip", "dead", "floor")}
    return out | {"events": [e["event"] for e in result.summary["events"]]}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return coated(str(tmp_path_factory.mktemp("coated")))


def test_metal_goes_around_a_coated_plate(
    alone: dict[str, Any], reached: Callable[..., None]
) -> None:
    """No `bridge`, no current through the plate, and the height of a sharp interface.

    That one rises flat, passes the plate, and turns around its upper edge on a quarter of a circle.
    Bare, such a plate is joined (`test_contact`) and takes its share on top from then on.
    """
    beside = WIDE - HALF
    over = SPEED / UM * TIME * WIDE - WIDE * LOW - beside * (HIGH - LOW)  # um2
    tip = HIGH + 2.0 * (np.sqrt(beside**2 + np.pi * over) - beside) / np.pi
    assert alone["events"] == [] and max(alone["dead"]) == 0.0
    assert max(alone["floor"]) < 1e-9
    assert HIGH + 0.3 < tip < HIGH + HALF
    reached("height of the metal over the sharp one", alone["tip"][-1] / (tip * UM) - 1.0,
            most=0.02, least=-0.02)


# -- states set by hand ----------------------------------------------------------------------------

WIDTH, RADIUS, AREA = 0.1 * UM, 1.5 * UM, 12.0  # lambda and discs, m; width of the cell, um


def charges(coatings: list[str], discs: list[tuple[float, float]]) -> list[float]:
    """Dead charge of discs of metal in a cell with a post of copper on its foil, C/m.

    Args:
        coatings: surfaces with an insulating coating.
        discs: their middles, um.
    """
    def post(x: Any) -> Any:
        return (x[0] < 4 * UM) & (x[1] < 4 * UM)

    data = json.loads(json.dumps(CELL)) | {
        "growth": {"interface_width": "0.1 um"}, "protocol": [plated(1.0)],
        "coatings": [DEAD | {"on": name} for name in coatings],
        "kinetics": [{"surface": name, "eta_nuc": "0 V"} for name in ("host*", "collector")],
        "geometry": {"family": "lamella", "layers": [
            {"name": "plate", "thickness": "2 um", "opening": 0.5, "pitch": "8 um"}]},
    }
    domain = box((0, 0), (AREA * UM, 10 * UM), (60, 50), host=post)
    model = build(Case.from_dict(data), domain)
    deposit = model.system["stock"]
    xi = model.system.unknowns["xi"].value
    x, y, _ = xi.function_space.tabulate_dof_coordinates().T
    inside = np.max([RADIUS - np.hypot(x - a * UM, y - b * UM) for a, b in discs], axis=0)
    xi.x.array[:] = 0.5 + 0.5 * np.tanh(0.5 * inside / WIDTH)
    deposit.begin()
    return sorted(float(piece["charge"]) for piece in deposit.pieces)


ON_FOIL, ON_POST, AGAINST_POST, ALOFT = (9.0, 0.0), (2.0, 4.0), (5.0, 2.0), (9.0, 7.0)


@pytest.mark.parametrize(("coatings", "disc", "dead"), [
    (["host*"], ON_POST, 0.5),
    (["host*"], ON_FOIL, 0.0),
    (["collector"], ON_FOIL, 0.5),
    (["collector"], ON_POST, 0.0),
    ([], ON_POST, 0.0),
])
def test_what_lies_on_a_coating_is_dead(
    coatings: list[str], disc: tuple[float, float], dead: float
) -> None:
    """Half a disc with the resting profile, pi/2 (R^2 + pi^2 lambda^2/3); another one is aloft."""
    whole = np.pi * (RADIUS**2 + (np.pi * WIDTH) ** 2 / 3) / PER_CHARGE
    exact = [dead * whole, whole] if dead else [whole]
    assert charges(coatings, [disc, ALOFT]) == pytest.approx(exact, rel=0.01)


def both(folder: str) -> list[Any]:
    """Dead charges of two states, and long steps to a plate 2 lambda up, met after 371 s."""
    states = (["host*"], [AGAINST_POST, ON_POST]), (["collector"], [ON_FOIL])
    run = coated(folder, 400.0, 0.5, 2.0, time={"tolerance": 1e-2})
    return [*(charges(*state) for state in states), run]


def test_two_ranks_see_the_same(
    mpirun: Callable[..., Any], reached: Callable[..., None], tmp_path: Path
) -> None:
    here, there = both(str(tmp_path / "1")), mpirun(2, both, str(tmp_path / "2"), timeout=600)
    assert [len(dead) for dead in here[:2]] == [2, 1]
    assert there[:2] == [pytest.approx(dead, rel=1e-12) for dead in here[:2]]
    alone, shared = here[2], there[2]
    assert shared["events"] == alone["events"] == [] and len(shared["t"]) == len(alone["t"])
    gap = max(np.abs(np.subtract(shared[name], alone[name])).max() / np.abs(alone[name]).max()
              for name in ("t", "voltage", "tip"))
    reached("time, voltage, tip on 2 ranks against 1", gap, most=1e-9)


# -- what is refused -------------------------------------------------------------------------------


def test_a_floating_plate_under_a_coating_that_ions_pass_is_refused(tmp_path: Path) -> None:
    """Metal would plate under it, and metal from outside would lie on it: one xi for both."""
    film = {"on": "host*", "material": "Li2O", "thickness": "5 nm"}
    with pytest.raises(CaseError, match=r"coatings\.0: 'Li2O' stops electrons .* on 'host', which"):
        floating(tmp_path, 0.25, [plated(1.0)], coatings=[film], **PLATE)
