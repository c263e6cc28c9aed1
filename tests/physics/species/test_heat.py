"""Ions that move each by itself in cells whose temperature is solved for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fem import Case
from fem.case.species import Species
from fem.materials.laws import arrhenius, nernst_einstein
from fem.physics.heat.conduction import Conduction, HeatMedium
from fem.physics.ions.ions import Ions, Medium
from fem.physics.species.solution import Liquid, Solution
from fem.run.session import run
from tests.physics.heat.hot import RT_F, STORES, T0, WIDTH, Hot, K, electrodes, slab
from tests.physics.heat.hot import arrhenius as activation
from tests.physics.heat.test_case import ACTIVE, HEAT, PLATE, REGIONS, hot, summary
from tests.physics.species.solutions import IONS, three
from tests.verification.cells import C0, FAST, T_PLUS, D
from tests.verification.fronts import PORE

WARM = 318.15  # K
REST: dict[str, Any] = {
    "study": "steady", "protocol": [{"step": "plate", "current_density": "100 A/m^2"}]
}  # fmt: skip
EA = {"Li": 17e3, "S": 30e3, "A": 17e3}  # J/mol: of the salt, but for S
ENDS = ("collector", "counter")
J = 100.0  # A/m2


def ions(T: float | None = None) -> list[dict[str, Any]]:
    """Three ions of which one has an activation energy of its own; with D at T (K) instead."""
    made = three(0.1)
    for entry in made:
        if T is not None:
            entry["D"] = f"{D * float(arrhenius(EA[entry['name']], T))!r} m^2/s"
        elif entry["name"] == "S":
            entry["Ea"] = "30 kJ/mol"
    return made


@pytest.mark.full
def test_ions_of_a_cell_that_is_held_warm(tmp_path: Path, reached: Callable[..., None]) -> None:
    """D of each, kappa of a solid, RT/F and pores that have melted are those of 45 degC."""
    glass = {"kind": "solid", "sigma": "0 S/m", "kappa": "1 S/m"}
    kappa = {"expression": "0.1*exp(-3000*(1/T - 1/298.15))", "unit": "S/m"}
    layers = [{"name": n, "thickness": "20 um", "region": n} for n in ("electrolyte", "separator")]
    regions = {"separator": {"material": "glass", "kappa": kappa}}
    more = REST | {
        "materials": ACTIVE["materials"] | {"glass": glass},
        "geometry": {"family": "planar", "size": "5 um", "width": "5 um", "layers": layers},
        "regions": regions,
    }
    shut = {"at": "300 K", "width": "1 K", "factor": 0.5}
    heat = {"regions": {"*": REGIONS["*"], "electrolyte": {"shutdown": shut}},
            "boundaries": {n: {"T": f"{WARM} K"} for n in ENDS}}  # fmt: skip
    held = summary(hot(heat, ion=ions(), **IONS, **more), tmp_path / "held")
    half = {"regions": {"electrolyte": {"tortuosity": 2.0}} | regions}
    warm = hot(ion=ions(WARM), temperature=f"{WARM} K", **IONS, **more | half)
    del warm["heat"]
    known = summary(warm, tmp_path / "warm")
    gap = (held["voltage"] - known["voltage"]) / RT_F
    reached("voltage held warm against that temperature, RT/F", abs(gap), most=1e-5)
    reached("c_min, relative", abs(held["c_min"] / known["c_min"] - 1.0), most=1e-5)


def warmed(part: Any) -> tuple[float, float, dict[str, float]]:
    """A cell between 45 and 5 degC at rest with its current: voltage, T in its middle, closures."""
    held = {"collector": T0 + 20.0, "counter": T0 - 20.0}
    hot = Hot(slab(20), (part, electrodes(lambda T: FAST),
                         Conduction((HeatMedium(PORE, K, STORES),), held=held, entropy=1e-3)),
              scale=J * WIDTH, current=-J * WIDTH)  # fmt: skip
    hot.steady(4)
    return hot.s.get_voltage(), hot.at(0.5), hot.numbers


def test_three_ions_are_warmed_as_their_salt() -> None:
    """Cations and anions of two names, which go as D of the salt does, and the salt itself."""
    def law(c: Any, T: Any) -> Any:
        return D * activation(40e3, T)

    def warming(T: Any) -> Any:
        return activation(40e3, T)

    plus, minus = D / (2 * (1 - T_PLUS)), D / (2 * T_PLUS)
    ions = tuple(
        Species(name, z, each, c0, z > 0, warming=warming) for name, z, each, c0 in (
            ("Li", 1, plus, C0), ("A", -1, minus, 0.3 * C0), ("B", -1, minus, 0.7 * C0))
    )  # fmt: skip
    kappa = functools.partial(nernst_einstein, t_plus=T_PLUS)
    salt = Medium(PORE, lambda c, T: kappa(c, T, law(c, T)), law, lambda c, T: T_PLUS,
                  lambda c, T: 1.0)  # fmt: skip
    (V, T, closes), (V_salt, T_salt, _) = warmed(Solution(ions, (Liquid(PORE),))), warmed(
        Ions((salt,), c0=C0))
    print("warmed as the salt", (V - V_salt) / RT_F, V_salt, T - T_salt, closes)
    assert V == pytest.approx(V_salt, abs=2e-5 * RT_F)
    assert T == pytest.approx(T_salt, abs=1e-6)
    assert closes["first_law"] < 1e-8 and closes["heat"] < 1e-8


@pytest.mark.full
def test_first_law_of_three_ions(tmp_path: Path, reached: Callable[..., None]) -> None:
    """Heat made is I V + i_n T dU/dT: in time, at rest, beside charge, and while metal grows."""
    growth = {
        "study": "growth", "growth": {"interface_width": "4 um"},
        "initial": {"metal_layer": "20 um"},
        "geometry": ACTIVE["geometry"] | {"size": "2 um", "size_width": "4 um"},
        "protocol": [PLATE | {"duration": "2 s"}, PLATE | {"step": "strip", "duration": "1 s"}],
    }  # fmt: skip
    charge: dict[str, Any] = {"fixed_charge": [{"region": "electrolyte", "density": "-2e7 C/m^3"}]}
    for name, more in {"time": {}, "rest": REST, "charge": charge, "growth": growth}.items():
        data = hot(HEAT, ion=ions(), **IONS, **more)
        result = run(Case.from_dict(data), tmp_path / name)
        found = result.summary
        assert found["T_max"] > 298.16
        for closure in ("first_law", "heat", "balance", "ions"):
            reached(f"{name}: {closure}", found["closures"][closure], most=1e-8)
