"""Films on a foil opposite: what they cost it, and that metal and charge are still all there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case, CaseError
from fem.base.constants import FARADAY
from fem.run.session import run
from tests.physics.sei.films import COLUMN, N, V, cycled, diffusion, on
from tests.verification.cells import PLAIN

FOIL = {"kind": "foil", "thickness": "20 um"}
#: Charge of 20 um of lithium, C/m2.
FULL = 20e-6 / 1.2998e-5 * FARADAY
FAST = {"D_solvent": "1e-18 m^2/s", "resistivity": "1e4 ohm*m"}


def test_a_foil_at_rest_pays_for_its_film(tmp_path: Path) -> None:
    """The film on the foil grows like the square root of time, out of the foil's own metal."""
    data = cycled(on("counter", "solvent_diffusion", **FAST), {"step": "rest", "duration": "2e4 s"},
                  counter=FOIL, collector={}, inventory={})
    del data["time"]
    result = run(Case.from_dict(data), tmp_path)
    summary = result.summary
    known = diffusion(5e-9, 1e-18 * 2636, 2e4)
    cost = N * FARADAY / V * (summary["sei_counter_thickness"] - 5e-9)
    print(summary["sei_counter_thickness"] / known - 1, summary["closures"], summary["steps"])
    assert abs(summary["sei_counter_thickness"] / known - 1.0) < 1e-3
    assert summary["sei_counter_charge"] == pytest.approx(cost, rel=1e-8)
    assert result.series["metal_sei"][-1] == pytest.approx(cost, rel=1e-8)
    assert FULL - result.series["metal_counter"][-1] == pytest.approx(cost, rel=1e-6)
    assert abs(summary["charge"]) < 1e-7 * cost
    assert "sei_thickness" not in summary
    assert max(summary["closures"].values()) < 1e-8


def test_a_thick_foil_is_known_to_its_last_bits(tmp_path: Path) -> None:
    """In 1 ms a film takes 3e-10 of 20 um of lithium, which its closure has to see past."""
    rest = {"step": "rest", "duration": "1 ms"}
    film = on("counter", "solvent_diffusion", D_solvent="1e-18 m^2/s", resistivity="1e4 ohm*m")
    data = cycled(film, rest, counter=FOIL, collector={}, time={"dt0": "1 ms"})
    closures = run(Case.from_dict(data), tmp_path).summary["closures"]
    assert closures["lithium"] < 1e-8


def test_films_on_both_sides_of_a_cell_that_cycles(tmp_path: Path) -> None:
    """Plating breaks one film, stripping the other; dead metal, films and foil add up."""
    films = [
        on(where, "solvent_diffusion", **FAST, crack={"thickness": "0.1 um", "fresh": "3 nm"})
        for where in ("collector", "counter")
    ]
    data = cycled(
        films[0], {"step": "plate", "current_density": "10 A/m^2", "duration": "200 s"},
        {"step": "strip", "current_density": "10 A/m^2", "duration": "150 s"},
        counter=FOIL, sei=films, inventory={"dead": {"law": "fraction", "share": 0.02}},
        geometry=COLUMN, materials={"ideal": PLAIN},
    )
    result = run(Case.from_dict(data), tmp_path)
    summary, series = result.summary, result.series
    print(summary["closures"], summary["coulombic"], summary["steps"])
    assert max(summary["closures"].values()) < 1e-8
    spent = summary["sei_charge"] + summary["sei_counter_charge"]
    assert series["metal_sei"][-1] == pytest.approx(spent, rel=1e-2)  # and what bare copper passes
    assert summary["sei_counter_charge"] > 0.0
    # The film opposite only breaks while the foil gains metal.
    plating, stripping = (series["current_density"] * sign < 0.0 for sign in (1, -1))
    thick = series["sei_counter_thickness"]
    assert (np.diff(thick[plating]) > 0.0).all()
    assert thick[stripping][-1] < thick[stripping][0]
    left = 1.0 - sum(summary["coulombic"][name] for name in ("sei", "left", "side"))
    assert abs(summary["coulombic"]["efficiency"] - left) < 1e-8


@pytest.mark.parametrize(("changes", "message"), [
    ({}, "sei.0.on: 'counter': films grow on a foil, whose metal pays for them"),
    ({"counter": FOIL, "study": "growth"}, "keep still in a growth study"),
])  # fmt: skip
def test_where_no_film_can_lie_opposite(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CaseError) as error:
        Case.from_dict(cycled(
            on("counter", "mixed"),
            {"step": "plate", "current_density": "10 A/m^2", "duration": "10 s"}, **changes,
        ))
    assert message in str(error.value)
