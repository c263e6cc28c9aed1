"""Growth of films on one wall: closed forms of all laws, cracks, and where the charge goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.run.session import run
from tests.physics.sei.films import N, V, cycled, diffusion, held, mixed, on, tunnel
from tests.verification.cells import RT_F, case

ACTIVATED = np.exp(0.5 * 0.3 / RT_F)  # exp(-alpha f e) at 0.1 V of a film that forms below 0.4 V

TUNNEL = {"beta": "2e9 1/m", "j0": "1e-3 A/m^2", "L0": "1 nm"}


def thickness(data: dict[str, Any], folder: Path) -> float:
    """Thickness at the end, m; all balances of the run have closed."""
    result = run(Case.from_dict(data), folder)
    found = result.summary["sei_thickness"]
    assert max(result.summary["closures"].values()) < 1e-8
    print(found, len(result.series["t"]), max(result.summary["closures"].values()))
    return float(found)


#: Laws, potential, time, own data, and thickness at the end: closed forms and the design's numbers.
GROWN: list[tuple[str, float, float, dict[str, str], float]] = [
    ("reaction", 0.1, 1e6, {}, 5e-9 + V * 1.5e-7 * ACTIVATED * 1e6 / (N * FARADAY)),
    ("solvent_diffusion", 0.4, 3.6e7, {}, 67.623153e-9),
    ("mixed", 0.4, 1e3, {"k0": "1e-10 m/s"}, 28.64175e-9),
    ("electron", 0.1, 1e6, {}, np.sqrt(25e-18 + 2 * V * 8.95e-14 * 0.3 * 1e6 / (N * FARADAY))),
    ("interstitial", 0.05, 1e7, {},
     np.sqrt(25e-18 + 2 * V * 1e-20 * 15 * np.exp(-0.05 / RT_F) * 1e7 / N)),
    ("tunnel", 0.4, 3.6e5, TUNNEL, 2.949974e-9),
    ("solvent_diffusion", 0.4, 3.6e5, {}, 8.395172e-9),
    ("mixed", 0.4, 1e2, {"k0": "1e-10 m/s"}, 8.26839e-9),
    ("mixed", 0.4, 1e5, {"k0": "1e-10 m/s"}, 398.00352e-9),
    ("tunnel", 0.4, 3.6e3, TUNNEL, 1.197370e-9),
    ("tunnel", 0.4, 3.6e7, TUNNEL, 5.242437e-9),
]  # fmt: skip
#: One of each law is run each time.
LAWS_OF_CI = 6


@pytest.mark.parametrize(("law", "voltage", "t", "more", "known"), [
    pytest.param(*grown, marks=[pytest.mark.full] * (k >= LAWS_OF_CI))
    for k, grown in enumerate(GROWN)
])  # fmt: skip
def test_laws(
    law: str, voltage: float, t: float, more: Any, known: float, tmp_path: Path,
    reached: Callable[..., None],
) -> None:
    """Thickness at a held potential within 0.1 %."""
    found = thickness(held(law, voltage, t, **more), tmp_path)
    reached(f"thickness by law {law} after {t:g} s over the closed form, less 1",
            abs(found / known - 1.0), most=1e-3)


def test_closed_forms() -> None:
    """The numbers above are those of the closed forms that the page gives."""
    assert diffusion(5e-9, 2.5e-22 * 2636, 3.6e7) == pytest.approx(67.623153e-9, rel=1e-7)
    assert mixed(5e-9, 2e-18, 1e-10, 4541.0, 1e3) == pytest.approx(28.64175e-9, rel=1e-6)
    assert tunnel(1e-9, 2e9, 1e-3, 3.6e5) == pytest.approx(2.949974e-9, rel=1e-6)


def test_temperature(tmp_path: Path) -> None:
    """At 45 degC all is faster by exp(-(Ea/R)(1/T - 1/298.15 K))."""
    data = held("solvent_diffusion", 0.4, 3.6e6) | {"temperature": "318.15 K"}
    factor = np.exp(-38e3 / GAS_CONSTANT * (1 / 318.15 - 1 / 298.15))
    known = diffusion(5e-9, 2.5e-22 * 2636 * factor, 3.6e6)
    assert abs(thickness(data, tmp_path) / known - 1.0) < 1e-3


def test_film_drops_voltage(tmp_path: Path) -> None:
    """A film grows under its own drop: e = E - i rho L - U, an ordinary equation for L."""
    rho, k, t = 1e11, 1.5e-4, 2e4
    film = on("collector", "reaction", resistivity=f"{rho} ohm*m", j0=f"{k} A/m^2")
    data = held("reaction", 0.4, t) | {"sei": [film]}
    from scipy.integrate import solve_ivp
    from scipy.optimize import brentq

    def slope(_: float, L: Any) -> list[float]:
        j = brentq(lambda j: k * np.exp(-0.5 * j * rho * L[0] / RT_F) - j, 0.0, k)
        return [V * j / (N * FARADAY)]

    known = solve_ivp(slope, (0.0, t), [5e-9], rtol=1e-9, atol=1e-15).y[0, -1]
    free = 5e-9 + V * k * t / (N * FARADAY)
    assert known < 0.9 * free  # the drop counts
    assert abs(thickness(data, tmp_path) / known - 1.0) < 1e-3


def test_rest_costs_metal(tmp_path: Path) -> None:
    """At rest the film on a lithium foil grows at the expense of the metal, and nothing flows."""
    data = held("solvent_diffusion", 0.0, 1.0) | {
        "collector": {}, "protocol": [{"step": "rest", "duration": "3.6e5 s"}],
    }
    data["kinetics"] = [{k: v for k, v in entry.items() if k != "eta_nuc"}  # lithium on lithium
                        for entry in data["kinetics"]]
    result = run(Case.from_dict(data), tmp_path)
    lost = 2 * FARADAY / V * (8.395172e-9 - 5e-9)
    assert abs(result.summary["sei_charge"] / lost - 1.0) < 3e-3
    assert abs(result.summary["plated"] / -lost - 1.0) < 3e-3
    assert abs(result.summary["charge"]) < 1e-7 * lost
    assert max(result.summary["closures"].values()) < 1e-8


def test_coulombic_efficiency(tmp_path: Path) -> None:
    """CE = 1 - Q_sei/Q_plate - dead/Q_plate, side reactions listed apart."""
    film = on("collector", "solvent_diffusion", D_solvent="1e-18 m^2/s")
    data = cycled(
        film,
        {"step": "plate", "current_density": "10 A/m^2", "duration": "200 s"},
        {"step": "rest", "duration": "100 s"},
        {"step": "strip", "current_density": "10 A/m^2", "duration": "150 s"},
    )
    result = run(Case.from_dict(data), tmp_path)
    summary = result.summary["coulombic"]
    print(summary, result.summary["closures"])
    assert summary["efficiency"] == pytest.approx(0.75, rel=1e-6)
    assert summary["sei"] > 0.01
    left = 1.0 - summary["sei"] - summary["left"] - summary["side"]
    assert abs(summary["efficiency"] - left) < 1e-8
    assert max(result.summary["closures"].values()) < 1e-8
    film_made = N * FARADAY / V * (result.summary["sei_thickness"] - 5e-9)
    assert abs(film_made / result.summary["sei_charge"] - 1.0) < 1e-8


def test_cracks(tmp_path: Path) -> None:
    """Metal under a film that hardly grows thins it towards fresh film, at a cost in charge."""
    thick, fresh, through = 100e-9, 5e-9, 1e-6
    film = on(
        "collector", "solvent_diffusion", D_solvent="1e-30 m^2/s", L0=f"{thick} m",
        resistivity="1e3 ohm*m",
        crack={"thickness": f"{through} m", "fresh": f"{fresh} m", "share": 0.5},
    )
    data = cycled(film, {"step": "plate", "current_density": "10 A/m^2", "duration": "1000 s"},
                  collector={})
    result = run(Case.from_dict(data), tmp_path)
    charge = N * FARADAY / V
    k = 0.5 * 1.2998e-5 / FARADAY / through  # share broken in a second, of the metal's current
    r = 10.0 * k / (1.0 + k * charge * fresh)  # the fresh film takes its share of the current
    known = fresh + (thick - fresh) * np.exp(-r * 1000.0)
    print(result.summary["sei_thickness"], known, result.summary["closures"])
    assert abs(result.summary["sei_thickness"] / known - 1.0) < 1e-3
    assert abs(result.summary["sei_charge"] / (charge * fresh * r * 1000.0) - 1.0) < 1e-3
    broken = result.summary["sei_broken"]
    gone = charge * (thick - result.summary["sei_thickness"])
    assert abs(broken - result.summary["sei_charge"] - gone) < 1e-8 * broken
    assert any("breaks as its table says" in text for text in result.summary["warnings"])


def test_solvent_runs_out(tmp_path: Path) -> None:
    """The run ends where the film has taken all solvent."""
    film = on("collector", "solvent_diffusion", D_solvent="1e-18 m^2/s", solvent="1e-10 mol")
    data = held("solvent_diffusion", 0.4, 3.6e5) | {"sei": [film]}
    result = run(Case.from_dict(data), tmp_path)
    (event,) = [e for e in result.summary["events"] if e["event"] == "solvent_gone"]
    print(event, result.summary["solvent_used"])
    assert 0.999 <= event["share"] < 1.001
    width = 50e-6
    assert result.summary["solvent_used"] * width == pytest.approx(1e-10 * event["share"])


def test_steady_keeps_the_film(tmp_path: Path) -> None:
    """Without time the film of the start drops its voltage, and a remark says so."""
    film = on("collector", "reaction", resistivity="2e5 ohm*m", L0="50 nm")

    def voltage(films: Any) -> float:
        data = cycled(film, {"step": "plate", "current_density": "50 A/m^2"}, study="steady",
                      collector={})
        data["sei"] = films
        if not films:
            del data["sei"]
        result = run(Case.from_dict(data), tmp_path / str(len(films)))
        assert not films or any("film of the start" in w for w in result.summary["warnings"])
        return float(result.summary["voltage"])

    assert voltage([film]) - voltage([]) == pytest.approx(-50.0 * 2e5 * 50e-9, rel=1e-4)


def test_cell_without_films_is_as_before() -> None:
    """The table is a physics of its own: a case without it has no part of it."""
    assert "sei" not in [p.name for p in Case.from_dict(case()).taking_part()]


def test_a_bare_wall_above_the_metal_takes_long_steps(tmp_path: Path) -> None:
    """Round-off that plates and strips there is no metal that a step might take twice."""
    data = cycled(on("collector", "interstitial"), {"step": "hold", "voltage": "0.05 V",
                                                   "duration": "1000 s"})
    result = run(Case.from_dict(data), tmp_path / "r")
    assert result.summary["steps"] < 50
