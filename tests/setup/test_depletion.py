"""Walls that a current empties: how late a mesh finds it, and what it shows then."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.optimize import brentq

from fem import Case
from fem.base.constants import FARADAY
from fem.base.errors import RunError
from fem.setup.depletion import CONSISTENT, LATEST, LUMPED, Sight

#: Cells of a chain, far more than a diffusion layer.
CELLS = 60


@pytest.mark.parametrize("sight", [LUMPED, CONSISTENT])
def test_what_a_mesh_shows_that_is_twice_too_late(sight: Sight) -> None:
    """Linear elements on even cells, a flux from t = 0 on, by the modes of their matrices."""
    K = 2 * np.eye(CELLS) - np.eye(CELLS, k=1) - np.eye(CELLS, k=-1)
    M = np.eye(CELLS)
    if sight is CONSISTENT:
        M = (4 * np.eye(CELLS) + np.eye(CELLS, k=1) + np.eye(CELLS, k=-1)) / 6
    K[0, 0] = K[-1, -1] = 1.0
    M[0, 0] = M[-1, -1] = M[0, 0] / 2
    rates, modes = eigh(K, M)
    rates[0] = 1e-12  # the mean

    def fall(s: float) -> Any:
        """At all nodes, for a flux of one."""
        return modes @ (-np.expm1(-rates * s) / rates * modes[0])

    def late(s_sand: float) -> float:
        """Time at which the wall has fallen as far as it should have at s_sand, over that."""
        aim = 2 * math.sqrt(s_sand / math.pi)
        return float(brentq(lambda s: fall(s)[0] - aim, 1e-9, 20)) / s_sand

    s_sand = brentq(lambda s: late(s) - LATEST, 1e-3, 1.0)
    found = fall(LATEST * s_sand)
    print("layer", math.sqrt(s_sand), "change", 1 - found[1] / found[0])
    assert math.sqrt(s_sand) == pytest.approx(sight.layer, abs=6e-4)
    assert 1 - found[1] / found[0] == pytest.approx(sight.change, abs=6e-4)


def cell(layer: float, model: str) -> Case:
    """Cells of 5 um, of which salt crosses the share `layer` within Sand's time."""
    D, c0, h = 3e-10, 1000.0, 5e-6
    ions = (("Li", 1, 2.5e-10), ("A", -1, 3.75e-10))  # D as above, t_plus = 0.4
    sand = (layer * h) ** 2 / D
    density = FARADAY * c0 / (2 * 0.6) * math.sqrt(math.pi * D / sand)
    salt = {"kind": "electrolyte", "c0": "1 mol/L", "D": f"{D} m^2/s", "t_plus": 0.4,
            "kappa": "10 S/m"}
    data: dict[str, Any] = {
        "schema": 1, "title": "late", "metal": "Li", "electrolyte": "plain",
        "materials": {"plain": salt},
        "geometry": {"family": "planar", "length": "50 um", "width": "5 um", "size": "5 um"},
        "protocol": [{"step": "plate", "current_density": f"{density} A/m^2",
                      "duration": f"{20 * sand} s"}],
        "output": {"figures": False},
    }  # fmt: skip
    if model == "ions":
        data |= {"electrolyte_model": {"model": "ions"}, "ion": [
            {"name": name, "z": z, "D": f"{D} m^2/s", "c0": "1 mol/L", "plates": z > 0}
            for name, z, D in ions
        ]}  # fmt: skip
    return Case.from_dict(data)


@pytest.mark.parametrize(("layer", "late"), [(1.0, 1.136), (0.6, 1.402)])
def test_depletion_comes_as_late_as_lumped_cells_find_it(
    layer: float, late: float, tmp_path: Path
) -> None:
    """f(k s_S) = sqrt(s_S/pi)."""
    result = cell(layer, "ions").run(tmp_path / "r")
    (event,) = result.summary["events"]
    print(event["t"] / event["sand_time"])
    assert event["event"] == "depletion"
    assert event["t"] / event["sand_time"] == pytest.approx(late, rel=0.02)
    assert any("the mesh is too coarse there" in text for text in result.summary["warnings"])


@pytest.mark.parametrize(("model", "layer"), [("", 0.15), ("ions", 0.15), ("ions", 0.25)])
def test_depletion_that_no_cell_shows_is_refused(model: str, layer: float, tmp_path: Path) -> None:
    """At the start: no area that would share the current among more walls."""
    with pytest.raises(RunError, match="the salt at the walls would run out unseen") as caught:
        cell(layer, model).run(tmp_path / "r")
    assert "the smallest cells, 5 um, would show that too late" in str(caught.value)
    assert str(caught.value).endswith("Likely: Sand's time")


#: Currents in time, A/m2; 50 kA/m2 takes the last salt after 2.4 ms, unseen by cells of 5 um.
BRIEF, LONG = "where(t < 5e-4, 5e4, 1)", "where(t < 8e-3, 5e4, 1)"
SWINGS, LATE = "where(sin(2094.395102*t) > 0, 5e4, -5e4)", "where(t < 9.5e-3, 1, 5e4)"


@pytest.mark.parametrize("model", ["", "ions"])
@pytest.mark.parametrize(("current", "lasts"), [(BRIEF, 1), (SWINGS, 1), (LATE, 1), (LONG, 0)])
def test_a_current_in_time_counts_by_its_mean_while_salt_lasts(
    current: str, lasts: bool, model: str, tmp_path: Path
) -> None:
    """Currents that end or turn before the wall is empty run, as those of a step `pulse` do."""
    case = cell(0.15, model)
    step = {"step": "plate", "duration": "10 ms",
            "current_density": {"expression": current, "unit": "A/m^2"}}  # fmt: skip
    case = case.with_({"protocol": [step]})
    with nullcontext() if lasts else pytest.raises(RunError, match="would run out unseen"):
        summary = case.run(tmp_path / "r").summary
        assert summary["events"] == []
        assert summary["closures"]["commanded"] < 1e-6
