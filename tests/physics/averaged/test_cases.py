"""Averaged twins of resolved cases: what their headers say comes out (full tier)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fem import Case

pytestmark = pytest.mark.full

Reached = Callable[..., None]
EVEN = 'kinetics=[{surface="host_*", eta_nuc="0 V"}, {surface="collector", eta_nuc="0 V"}]'


def solved(name: str, folder: Path, *overrides: str) -> dict[str, Any]:
    """Summary of a case."""
    result = Case.load(name, [*overrides, "output.figures=false"])
    summary: dict[str, Any] = result.run(folder / f"{len(overrides)}{hash(overrides)}").summary
    return summary


def shares(summary: dict[str, Any]) -> dict[str, float]:
    """Shares of the current by region, %."""
    return {name: 100 * share for name, share in summary["share_by_region"].items()}


def test_three_layers(tmp_path: Path, reached: Reached) -> None:
    """The middle leads and, with 40 mV, takes all; 1 mV less at the bottom turns it over."""
    found = shares(solved("trilayer_cg_averaged", tmp_path))
    reached("middle as it stands, %", found["host_middle"], least=99.9)
    found = shares(solved("trilayer_cg_averaged", tmp_path, EVEN))
    reached("middle without a barrier, from 39.3 %", abs(found["host_middle"] - 39.3), most=3)
    turned = 'kinetics=[{surface="host_bottom", eta_nuc="39 mV"}]'
    found = shares(solved("trilayer_cg_averaged", tmp_path, turned))
    reached("bottom with 1 mV less, %", found["host_bottom"], least=55, most=80)


def test_three_layers_swept(tmp_path: Path, reached: Reached) -> None:
    """The conductivity step does nothing; the top is a way for ions, as long as it is thick."""
    axes = {"geometry.layers.2.thickness": ["1 um", "30 um"],
            "regions.host_middle.sigma": ["34 kS/cm", "0.34 S/cm"]}
    case = Case.load("trilayer_cg_sweep", ["output.figures=false"])
    thin, thin_poor, thick, thick_poor = case.sweep(axes, tmp_path)
    share, drop = "share_by_region.host_middle", "voltage_parts.ohmic_l.separator_top"
    for what, good, poor in (("1 um", thin, thin_poor), ("30 um", thick, thick_poor)):
        gap = abs(good["voltage"] - poor["voltage"])
        reached(f"voltage by the step, {what}, mV", 1e3 * gap, most=0.01)
        reached(f"share of the middle by the step, {what}", abs(good[share] - poor[share]),
                most=1e-4)
    reached("share of the middle by the top", abs(thick[share] - thin[share]), most=1e-3)
    reached("ohmic drop in the top, 30 um over 1 um", thick[drop] / thin[drop],
            least=29.7, most=30.3)


def test_carbon_on_silver(tmp_path: Path, reached: Reached) -> None:
    """Silver takes all below; 90 um of carbonate or 1 mA/cm2 give the rest to the top."""
    thick = "geometry.layers.0.thickness=90 um"
    for what, known, most, overrides in (
        ("as it stands", 99.8, 0.3, ()),
        ("90 um, carbonate", 59.8, 6, (thick, "electrolyte=LiPF6_EC_EMC_3_7")),
        ("1 mA/cm2", 18.8, 1.5, ("protocol.0.current_density=1 mA/cm^2",)),
    ):
        found = shares(solved("mof_thickness_averaged", tmp_path, *overrides))
        reached(f"foil from {known} %, {what}", abs(found["collector"] - known), most=most)


def test_narrowing_pores(tmp_path: Path, reached: Reached) -> None:
    """The mouth plates, with a barrier alone, without one by its shorter way."""
    thirds = solved("gradient_pores_averaged", tmp_path)["current_by_third"]
    reached("top as it stands, %", 100 * thirds["top"], least=99.5)
    found = solved("gradient_pores_averaged", tmp_path, EVEN)
    for third, known in (("top", 59.6), ("middle", 27.4), ("bottom", 13.1)):
        gap = abs(100 * found["current_by_third"][third] - known)
        reached(f"{third} without a barrier, from {known} %", gap, most=3)
    reached("voltage without a barrier, mV", 1e3 * found["voltage"], least=-6.9, most=-6.5)


def test_gold_below_alumina(tmp_path: Path, reached: Reached) -> None:
    """Gold takes all at 25 degC, and half at -15 degC, where nickel is beyond its barrier."""
    found = shares(solved("dual_gradient_ni_averaged", tmp_path))
    reached("nickel at 25 degC, %", abs(found["host_ni"]), most=0.1)
    found = shares(solved("dual_gradient_ni_averaged", tmp_path, "temperature=-15 degC"))
    reached("nickel at -15 degC, from 45 %", abs(found["host_ni"] - 45), most=3)
