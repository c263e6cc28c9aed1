"""The lead of one averaged host over another, in columns of two layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fem import Case, theory
from tests.physics.averaged.columns import RT_F, SURFACE, UM, column, linear


def two(nu: float, barriers: tuple[float, float], **changes: Any) -> Case:
    """A column of two layers of 50 um, with barriers at the bottom and on top, mV."""
    data = column(kinetics=linear(nu, sigma=1e6), porosity=0.999999, study="secondary").to_dict()
    data["geometry"]["layers"] = [
        {"name": "low", "thickness": "50 um", "region": "host_low"},
        {"name": "high", "thickness": "50 um", "region": "host_high"},
        {"name": "gap", "thickness": "10 um", "region": "electrolyte", "size": "5 um"},
    ]
    one = data["regions"].pop("host_mat")
    data["regions"] |= {"host_low": one, "host_high": one}
    data["averaged"] = {"regions": {key: {"surface": SURFACE} for key in data["regions"]}}
    mat, counter = data["kinetics"]
    data["kinetics"] = [
        mat | {"surface": name, "eta_nuc": f"{barrier} mV"}
        for name, barrier in zip(("host_low", "host_high"), barriers, strict=True)
    ] + [counter]
    return Case.from_dict(data | changes)


def test_even_overpotential_leaves_the_difference_of_the_barriers(tmp_path: Path) -> None:
    """nu = 0.01: an even reaction, and eta falls by J L (1 - 1/4)/(2 kappa) to the lower layer."""
    found = two(0.01, (10.0, 15.0)).run(tmp_path / "r").metrics()
    assert found["margin_mV"] == pytest.approx(5.0 - 1e3 * 1.0 * 100 * UM * 0.375, abs=1e-3)


def test_without_barriers_it_is_what_the_way_takes(tmp_path: Path) -> None:
    """eta goes with j of the closed form, from the top of one layer to that of the other."""
    case = two(3.0, (0.0, 0.0))
    found = case.run(tmp_path / "r").metrics()
    i0 = RT_F * 9.0 / (2e6 * (100 * UM) ** 2 * (1.0 + 1e-6))
    top, middle = theory.resistive_column([1.0, 0.5], 1.0, 1.0, 1e6, 9.0 * RT_F / i0, i0)
    mean = RT_F * 1.0 / (2e6 * 100 * UM * i0)  # of eta, at 1 A/m2
    assert found["margin_mV"] == pytest.approx(1e3 * mean * (top - middle), rel=2e-3)


def test_one_host_has_none(tmp_path: Path) -> None:
    result = column(study="secondary").run(tmp_path / "r")
    assert "margin_mV" not in result.metrics()
    assert "lead" not in result.series
