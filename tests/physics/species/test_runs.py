"""Runs of models whose ions move each by itself: probes, and why a step failed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case, RunError
from fem.base.constants import FARADAY
from fem.physics.species.books import IonBooks
from fem.physics.species.figures import ions
from fem.results.result import Result, read_series
from tests.physics.pnp.cells import charged_cell, limiting
from tests.physics.pnp.strips import concentration
from tests.physics.species.solutions import STRIP, UNIT, steady, three
from tests.verification.cells import C0, RT_F, D, L

J = 0.5 * UNIT  # A/m2
PLATE = {"step": "plate", "current_density": f"{J!r} A/m^2", "duration": "1 s"}
#: One step only, whose error is far above the tolerance.
HOPELESS = {"dt0": "1 s", "dt_min": "0.9 s", "tolerance": 1e-9}


def neutral(**changes: Any) -> dict[str, Any]:
    """Three ions; coarse."""
    geometry = STRIP | {"size": "10 um", "size_collector": "5 um"}
    return steady(three(0.1), J, study="tertiary", geometry=geometry, **{"protocol": [PLATE]}
                  | changes)  # fmt: skip


def charged(**changes: Any) -> dict[str, Any]:
    """Space charge, a Debye length of L/100."""
    density = 0.3 * limiting(concentration(1e-2))
    plate = PLATE | {"current_density": f"{density!r} A/m^2"}
    return charged_cell(study="tertiary", largest=0.1, output={"figures": False},
                        **{"protocol": [plate]} | changes)  # fmt: skip


def test_a_probe_of_an_ion_goes_with_it(tmp_path: Path) -> None:
    """Least metal ion of the cell and its mean at the wall are alike in each step.

    Its name may be that of the salt, of which it takes the place.
    """
    places: list[dict[str, Any]] = [{"surface": "collector"}, {"volume": "*"},
                                    {"point": ["0.5 um", "50 um"]}]  # fmt: skip
    probes = [{"name": f"{field}_{k}", "field": field} | place for field in ("c", "c_Li")
              for k, place in enumerate(places)]  # fmt: skip
    Case.from_dict(neutral(probe=probes)).run(tmp_path / "r")
    series = read_series(tmp_path / "r" / "series.csv")
    assert series["c_min"][-1] < 0.95 * 0.9 * C0
    assert series["probe.c_Li_0"] == pytest.approx(series["c_min"], rel=1e-3)
    for k in range(len(places)):
        assert (series[f"probe.c_{k}"] == series[f"probe.c_Li_{k}"]).all()


def test_a_picture_of_each_ion(tmp_path: Path) -> None:
    """A curve of each at the end, least at the cathode of the metal ion as in the series."""
    given = neutral(output={"figures": False})
    Case.from_dict(given).run(tmp_path / "r")
    result = Result(tmp_path / "r")
    picture = ions(result, None)
    labels = [ax.get_ylabel() for ax in picture.axes]
    assert labels == [f"ions of {ion['name']} (mol/L)" for ion in given["ion"]]
    drawn = picture.axes[0].lines[-1].get_ydata()
    assert min(drawn) == pytest.approx(1e-3 * result.series["c_min"][-1], rel=1e-3)


def test_a_probe_of_the_reference_potential_with_space_charge(tmp_path: Path) -> None:
    """phi_l = phi + (RT/zF) ln(c/c0), c of the metal ion by either name."""
    probes = [{"name": n, "field": f, "surface": "collector"} for n, f in
              (("read", "phi_l"), ("phi", "phi"), ("Li", "c_Li"), ("c", "c"))]  # fmt: skip
    Case.from_dict(charged(probe=probes)).run(tmp_path / "r")
    series = read_series(tmp_path / "r" / "series.csv")
    lift = RT_F * np.log(series["probe.Li"] / concentration(1e-2))
    assert abs(series["probe.read"][-1]) > 1e-3
    assert series["probe.read"] == pytest.approx(series["probe.phi"] + lift, abs=1e-9)
    assert (series["probe.c"] == series["probe.Li"]).all()


@pytest.mark.undisturbed
@pytest.mark.parametrize("make", [neutral, charged])
def test_a_failed_step_says_why(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the drop of its ions' own conductivity; these last for ever, so that dt_min holds."""
    monkeypatch.setattr(IonBooks, "lasts", lambda self, density: math.inf)
    case = Case.from_dict(make(time=HOPELESS))
    with pytest.raises(RunError) as caught:
        case.run(tmp_path / "r")
    print(caught.value)
    c0, density = (C0, J) if make is neutral else (concentration(1e-2), None)
    assert "electrolyte joins collector and counter electrode" in str(caught.value)
    if density:
        drop = density * L / (2 * FARADAY * D * c0 / RT_F)
        assert f"would drop {drop:.3g} V in the electrolyte" in str(caught.value)
