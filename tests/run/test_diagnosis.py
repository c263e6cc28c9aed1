"""A run that cannot go on: its message, and what it leaves behind; of the failed step, nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.errors import RunError
from fem.files import checkpoint
from fem.physics.ions.salt import SaltLedger
from fem.results.result import read_series
from fem.run.session import resume, run
from fem.solver.options import Outcome
from fem.solver.stage import Stage

from .cases import small, state_of

pytestmark = pytest.mark.undisturbed

STEPS = [
    {"step": "plate", "current_density": "1 mA/cm^2", "duration": "5 s"},
    {"step": "plate", "current_density": "2 mA/cm^2", "duration": "10 s"},
]
TIME = {"dt0": "0.1 s", "dt_min": "1 ms"}
#: Where Newton's last iterate is made wrong.
PLACE = np.array([10e-6, 60e-6])
#: Or a node of the wall.
WALL = np.array([10e-6, 30e-6])


def stuck(self: Stage, control: Any, scale: float) -> Outcome:
    """Newton that ends with too much salt at one node."""
    if self.system.t < 5.0 or self.system.dt == 0.0 or "c" not in self.names:
        return SOLVE(self, control, scale)
    c = self.system.unknowns["c"]
    away = np.linalg.norm(c.space.tabulate_dof_coordinates()[:, :2] - PLACE, axis=1)
    c.value.x.array[np.argmin(away)] += 1e3
    norm = self.residual().norm
    return Outcome(False, "too many iterations", 30, 60, 30, norm / scale)


SOLVE = Stage.solve


@pytest.fixture(scope="module")
def given_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("given_up") / "r"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunError) as caught:
        patch.setattr(Stage, "solve", stuck)
        small(protocol=STEPS, time=TIME).run(folder)
    return folder, str(caught.value)


def test_it_names_field_row_place_and_a_way_out(given_up: tuple[Path, str]) -> None:
    _, message = given_up
    assert message.startswith("plate at t = 5 s: no step above dt_min = 0.001 s converged (")
    found = re.search(
        r"; (\w+) has the largest residual \((.+?)\) at \((.+?), (.+?)\) um, (in|between) "
        r"(.+?), where it is (\S+) and the step of (\S+) s adds (\S+);", message,
    )
    assert found, message
    assert found[1] in ("phi_l", "c") and found[6] == "electrolyte"
    place = 1e-6 * np.array([float(found[3]), float(found[4])])
    assert np.linalg.norm(place - PLACE) < 5e-6  # a cell
    assert "Refine the mesh there or lower [time] dt_min" in message
    assert re.search(r"; its terms there: fluxes \S+ A, storage \S+ A;", message), message


def wrong_wall(self: Stage, control: Any, scale: float) -> Outcome:
    """Newton that ends with a wrong potential at a node of the wall; the reaction is huge there."""
    if self.system.t < 5.0 or self.system.dt == 0.0 or "phi_l" not in self.names:
        return SOLVE(self, control, scale)
    phi = self.system.unknowns["phi_l"]
    away = np.linalg.norm(phi.space.tabulate_dof_coordinates()[:, :2] - WALL, axis=1)
    if away.min() < 1e-9:
        phi.value.x.array[np.argmin(away)] += 0.8
    phi.value.x.scatter_forward()
    norm = self.residual().norm
    return Outcome(False, "too many iterations", 30, 60, 30, norm / scale)


def diagnosed(folder: str) -> dict[str, Any]:
    """Diagnosis that is kept of a wrong wall (collective)."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunError):
        patch.setattr(Stage, "solve", wrong_wall)
        small(protocol=STEPS, time=TIME).run(Path(folder))
    kept: dict[str, Any] = json.loads((Path(folder) / "diagnosis.json").read_text())
    return kept


def test_it_names_the_term(tmp_path: Path, mpirun: Callable[..., Any]) -> None:
    """At a wall it is the reaction; terms add up to the residual, and two ranks say the same."""
    kept = diagnosed(str(tmp_path / "one"))
    assert kept["field"] in ("phi_s", "phi_l", "q")
    assert kept["regions"] == ["electrolyte", "host_bottom"]
    assert kept["place"] == pytest.approx(WALL)
    terms = {name: abs(kept[name]) for name in ("reaction", "fluxes", "storage")}
    assert max(terms, key=lambda name: terms[name]) == "reaction"
    again = mpirun(2, diagnosed, str(tmp_path / "two"))
    assert again["place"] == pytest.approx(kept["place"])
    for name in terms:
        assert again[name] == pytest.approx(kept[name], rel=1e-6, abs=1e-9 * terms["reaction"])


def test_the_same_is_in_a_file(given_up: tuple[Path, str]) -> None:
    folder, message = given_up
    kept = json.loads((folder / "diagnosis.json").read_text())
    assert kept["t"] == 5.0 and kept["segment"] == "plate" and not kept["converged"]
    assert f"{kept['field']} has the largest residual ({kept['row']})" in message
    assert len(kept["place"]) == 2 and kept["regions"]
    assert 0.0 < kept["dt"] < 5.0


def test_the_state_before_it_is_a_checkpoint_and_nothing_else_was_written(
    given_up: tuple[Path, str],
) -> None:
    """The last two checkpoints are the end of the first step and the moment of the failure."""
    folder, _ = given_up
    series = read_series(folder / "series.csv")
    assert series["t"][-1] == 5.0 and set(series["segment"]) == {0.0}
    before, after = state_of(folder, -2), state_of(folder, -1)
    assert before["t"] == after["t"] == 5.0
    for name in ("0.c", "0.q"):  # potentials of the new current are already there, salt is not
        assert np.array_equal(before[name], after[name]), name
    assert not [p for p in folder.rglob("*") if p.name.endswith(".tmp") or p.name == ".lock"]
    assert not (folder / "summary.json").exists()


def test_the_state_of_a_failed_try_is_undone_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newton leaves NaN behind, again and again; checkpoint and series know nothing of it."""
    solve, tries = Stage.solve, [0]

    def breaks(self: Stage, control: Any, scale: float) -> Outcome:
        if self.system.t < 2.0 or "c" not in self.names:
            return solve(self, control, scale)
        tries[0] += 1
        for unknown in self.unknowns:
            unknown.value.x.array[:] = np.nan
        return Outcome(False, "residual is not finite", 1, 1, 1, np.nan)

    case = small(protocol=STEPS[:1], time=TIME | {"dt_max": "1 s"})
    monkeypatch.setattr(Stage, "solve", breaks)
    with pytest.raises(RunError, match="residual is not finite"):
        case.run(tmp_path / "r")
    assert tries[0] >= 1
    monkeypatch.undo()
    arrays = state_of(tmp_path / "r")
    assert all(np.isfinite(values).all() for values in arrays.values())
    assert checkpoint.latest(tmp_path / "r").manifest["clock"]["t"] == arrays["t"] >= 2.0
    resume(tmp_path / "r")
    case.run(tmp_path / "whole")
    one, other = (read_series(tmp_path / name / "series.csv") for name in ("whole", "r"))
    assert other["voltage"][-1] == pytest.approx(one["voltage"][-1], rel=1e-3)
    assert not (tmp_path / "r" / "diagnosis.json").exists()


def test_a_lower_dt_min_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way out that the message names is a resume with other time options.

    Salt lasts for ever here, so that no jump asks for steps below dt_min.
    """
    monkeypatch.setattr(SaltLedger, "lasts", lambda self, density: math.inf)
    steps = [{"step": "plate", "current_density": "20 mA/cm^2", "duration": "1 s"}]
    rough = {"dt0": "0.5 s", "dt_min": "0.4 s", "tolerance": 1e-6}
    with pytest.raises(RunError, match=r"changes most at .* Lower \[time\] dt_min or raise tol"):
        small(protocol=steps, time=rough).run(tmp_path / "r")
    done = resume(tmp_path / "r", overrides=["time.dt_min=0.1 ms", "time.tolerance=1e-3"])
    assert done.summary["t"] == pytest.approx(1.0)
    assert (tmp_path / "r" / "summary.json").exists()


def test_a_film_that_no_voltage_gets_through_is_named(tmp_path: Path) -> None:
    """1e6 ohm m2 instead of ohm cm2 of something else: 1e7 V at 10 A/m2."""
    film = {"surface": "host_bottom", "film_resistance": "1e6 ohm*m^2"}
    with pytest.raises(RunError, match=r"film: .* 1e\+07 V in kinetics\.0\.film_resistance"):
        run(small(kinetics=[film]), tmp_path / "r")
