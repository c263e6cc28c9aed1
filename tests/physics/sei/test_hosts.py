"""Films on hosts: several walls with other films or none, solvers, ranks, a run that is resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fem import Case
from fem.results.result import Result
from fem.run.session import resume, run
from tests.physics.sei.films import on
from tests.verification.cells import PLAIN, case, kinetics

#: Two slotted sheets, one under a film, on a collector with a film of another law.
FILMS = [
    on("host_low", "mixed", k0="1e-9 m/s", L0="20 nm", resistivity="2e5 ohm*m",
       crack={"thickness": "0.1 um", "fresh": "5 nm", "share": 0.5}),
    on("collector", "solvent_diffusion", D_solvent="1e-19 m^2/s", L0="10 nm"),
]
#: Numbers that runs have to agree in.
COMPARED = ("voltage", "charge", "plated", "sei_thickness", "sei_thickest", "sei_charge",
            "sei_broken", "solvent_used")


def sheets(**changes: Any) -> dict[str, Any]:
    """Two slotted copper sheets that are plated and stripped."""
    return case(**{
        "materials": {"ideal": PLAIN}, "collector": {"material": "Cu"},
        "geometry": {
            "family": "lamella", "repeat": 1, "width": "30 um", "gap": "20 um", "size": "4 um",
            "layers": [
                {"name": name, "thickness": "8 um", "opening": 0.5, "pitch": "30 um"}
                for name in ("low", "high")
            ],
        },
        "regions": {"host_*": {"material": "Cu", "connected": True}},
        "kinetics": [kinetics("host_*", 10.0, eta_nuc="10 mV"),
                     kinetics("collector", 10.0, eta_nuc="10 mV"), kinetics("counter", 10.0)],
        "protocol": [
            {"step": "plate", "current_density": "10 A/m^2", "duration": "40 s"},
            {"step": "strip", "current_density": "10 A/m^2", "duration": "20 s"},
        ],
        "time": {"tolerance": 1e-3}, "sei": FILMS,
    } | changes)


def numbers(result: Result) -> dict[str, float]:
    """Numbers of the end, and that all balances close."""
    assert max(result.summary["closures"].values()) < 1e-8
    return {name: float(result.summary[name]) for name in COMPARED}


def farthest(a: dict[str, float], b: dict[str, float]) -> float:
    """Largest relative difference."""
    return max(abs(a[k] - b[k]) / abs(b[k]) for k in COMPARED)


def solved(folder: str, **changes: Any) -> dict[str, float]:
    """Numbers of a run."""
    return numbers(run(Case.from_dict(sheets(**changes)), folder, overwrite=True))


def test_walls_with_other_films_or_none(tmp_path: Path) -> None:
    """Each wall has its own film; where there is none L is next to 0 and nothing is lost."""
    result = run(Case.from_dict(sheets()), tmp_path)
    numbers(result)
    y, L = result.points("walls")[:, 1], result.array("L_sei", block="walls")
    high = y > 10e-6
    assert high.any()
    assert (L[high] < 1e-30).all()
    floor = L[y < 1e-9]
    assert (floor > 10e-9).all()
    assert L.max() > 20e-9
    summary = result.summary["coulombic"]
    left = 1.0 - summary["sei"] - summary["left"] - summary["side"]
    assert abs(summary["efficiency"] - left) < 1e-8


def test_a_film_on_the_foil_alone(tmp_path: Path) -> None:
    """No block joins a host without a film to the film, and eliminating q asks for none."""
    one_step = [{"step": "plate", "current_density": "10 A/m^2", "duration": "2 s"}]
    case = Case.from_dict(sheets(sei=FILMS[1:], protocol=one_step,
                                 regions={"host_*": {"material": "Cu"}},
                                 solver={"kind": "iterative"}))
    result = run(case, tmp_path)
    numbers(result)
    y, L = result.points("walls")[:, 1], result.array("L_sei", block="walls")
    assert L[y < 1e-9].min() > 10e-9
    assert (L[y > 1e-9] < 1e-30).all()


def test_solvers_agree(tmp_path: Path) -> None:
    """An iterative solver finds what the direct one does."""
    direct = solved(str(tmp_path / "direct"), solver={"kind": "direct"})
    krylov = solved(str(tmp_path / "krylov"), solver={"kind": "iterative"})
    assert farthest(krylov, direct) < 1e-6


def test_a_resumed_run_is_the_same(tmp_path: Path) -> None:
    """A run that is stopped at a checkpoint and resumed ends as one that was not."""
    whole = solved(str(tmp_path / "whole"))
    data = sheets()
    data["protocol"][1]["duration"] = "10 s"
    run(Case.from_dict(data), tmp_path / "parts")
    again = resume(tmp_path / "parts", overrides=["protocol.1.duration=20 s"])
    assert farthest(numbers(again), whole) < 2e-3


@pytest.mark.full
def test_ranks_agree(
    tmp_path: Path, mpirun: Callable[..., Any], reached: Callable[..., None]
) -> None:
    alone = solved(str(tmp_path / "one"))
    together = mpirun(2, solved, str(tmp_path / "two"))
    reached("largest difference of any number", farthest(together, alone), most=1e-9)
