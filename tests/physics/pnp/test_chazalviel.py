"""The case chazalviel: neutral below the limiting current, two regions beyond it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.constants import FARADAY
from fem.results.result import Result
from fem.theory import debye_length
from tests.conftest import ROOT
from tests.verification.cells import RT_F, L

LIMIT = 4 * FARADAY * 1e-9 * 1.0 / L  # A/m2
DEBYE = float(debye_length(1.0, 78.5))


def chazalviel(*changes: str) -> Case:
    """The case with some entries changed."""
    return Case.load(ROOT / "scripts" / "cases" / "chazalviel.toml", changes)


def profile(result: Result, field: str) -> tuple[np.ndarray, np.ndarray]:
    """Height over the foil, m, and a field, at the end."""
    block = next(block for block in result.blocks if field in result.fields(block))
    y = result.points(block)[:, 1]
    order = np.argsort(y)
    return y[order], result.array(field, block=block)[order]


def test_below_the_limit(tmp_path: Path) -> None:
    """At half of it the steady voltage is a neutral cell's, within 2 lambda/L and its kinetics."""
    coarse = ("geometry.layers.0.size=1 um", "study=steady", "output.figures=false",
              'protocol=[{step="plate", current_density="1.9297 A/m^2"}]')  # fmt: skip
    result = chazalviel(*coarse).run(tmp_path / "r")
    parts = result.summary["voltage_parts"]
    kinetic = parts["kinetic_plating"] + parts["kinetic_counter"]
    found = (kinetic - result.summary["voltage"]) / RT_F
    print(f"chazalviel, .5 J*: {found:.5f} RT/F besides kinetics, {1e3 * kinetic:.3f} mV of these")
    assert abs(found / (2 * math.log(3.0)) - 1) < 1e-3


@pytest.mark.full
def test_beyond_the_limit(tmp_path: Path, reached: Callable[..., None]) -> None:
    """Depleted width and field as Chazalviel's, the voltage within 1 %, when it is steady."""
    result = chazalviel("output.figures=false").run(tmp_path / "r")
    said: dict[str, Any] = result.summary
    width = 1 - 1.5**-0.5
    main = 4 / 3 * math.sqrt(1.5) * width**1.5 / (DEBYE / L)
    # What is left is 7.6 and 9.9 RT/F at lambda/L of 1e-2 and 1e-3 (design): 2.3 a decade.
    expected = main + 9.9 + 2.3 * math.log10(1e-3 / (DEBYE / L))
    reached("voltage over the closed form, -1", abs(-said["voltage"] / RT_F / expected - 1),
            most=1e-2)  # fmt: skip
    y, anions = profile(result, "c_anion")
    bulk = (y > 0.5 * L) & (y < 0.9 * L)
    slope, level = np.polyfit(y[bulk] / L, anions[bulk], 1)
    reached("depleted width over 1 - J^-1/2, -1", abs(-level / slope / width - 1), most=0.05)
    x, phi = profile(result, "phi")
    middle = [int(np.argmin(np.abs(x - part * width * L))) for part in (0.45, 0.55)]
    field = (phi[middle[1]] - phi[middle[0]]) / (x[middle[1]] - x[middle[0]]) * L / RT_F
    foreseen = 2 / (DEBYE / L) * math.sqrt(1.5 * width / 2)
    reached("field half way over the closed form, -1", abs(field / foreseen - 1), most=0.02)
    reached("worst closure", max(said["closures"].values()), most=1e-8)
    reached("steps to 3 L^2/D", said["steps"], most=150)
    reached("Newton iterations a step", said["newton"] / said["steps"], most=5)
