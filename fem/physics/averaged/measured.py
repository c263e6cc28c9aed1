r"""Entries of an averaged host from what `inspect` measured of a resolved one.

    porosity        by depth, in as many bins as were measured
    surface         law `constant`: area of all walls to the pores over the volume of each bin
    tensor          tortuosity of the pores, kappa_eff = kappa eps inverse(tensor); a number,
                    `tortuosity`, where some direction has no path or was not measured
    pore_distance   mean diameter of pores, at least
    sigma           that of the solids times what is left of it along the host

Between the middles of bins both are linear, scaled to the mean of the host. A tensor of three axes
goes into a strip in 2D as its conductivity across and along: that of the first axis and the
thickness.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fem.base.errors import CaseError

__all__ = ["tables"]


def tables(
    report: Mapping[str, Any], region: str, thickness: float, *, sigma: float | None = None
) -> dict[str, Any]:
    """Entries `[regions.X]` and `[averaged.regions.X]` of a case.

    Args:
        report: of `geometries.inspect`.
        region: name of the averaged host, X.
        thickness: of the host, m.
        sigma: conductivity of the solids, S/m; without it the entry is left to the user.

    Raises:
        CaseError: the mesh has no host, or pores that lead through it.
    """
    if report["porosity"] is None or report["tortuosity"] is None:
        raise CaseError(
            "inspect: no host, or no pore that leads through it, so that nothing is measured that "
            "an average could take; `hostplate inspect` shows what there is"
        )
    area, walls = sum(report["wall_area"].values()), [*report["wall_area_by_depth"].values()]
    plain: dict[str, Any] = {
        "porosity": _by_depth(report["porosity_by_depth"], report["porosity"], thickness)
    }
    if sigma is not None:
        share = (report["electronic"] or {}).get("conductivity")
        if share is None:
            raise CaseError(
                "inspect: no solid leads through the host, so that its sigma cannot be measured; "
                "leave --sigma out, and give that of the skeleton yourself"
            )
        plain["sigma"] = f"{share * sigma:.6g} S/m"
    averaged: dict[str, Any] = {"surface": {
        "law": "constant", "area": _by_depth(np.sum(walls, axis=0), area, thickness, " 1/m"),
    }}
    tensor = _in_strip(report["tortuosity_tensor"])
    if tensor is None:
        plain["tortuosity"] = report["tortuosity"]
    else:
        averaged["tensor"] = tensor
    if report["pore_size"] is not None:
        averaged["pore_distance"] = f"{1e6 * report['pore_size']['mean']:.6g} um"
    return {"regions": {region: plain}, "averaged": {"regions": {region: averaged}}}


def _by_depth(bins: Any, mean: float, thickness: float, unit: str = "") -> dict[str, Any]:
    """Values of bins of one height, from the separator down, as a curve with a given mean."""
    values, n = np.array(bins, dtype=float), len(bins)
    at = np.concatenate([[0.0], (np.arange(n) + 0.5) / n, [1.0]])
    values = np.concatenate([values[:1], values, values[-1:]])
    values *= mean / float(np.trapezoid(values, at))
    return {"along": "depth", "at": [f"{1e6 * thickness * x:.6g} um" for x in at],
            "values": [f"{v:.6g}{unit}" if unit else float(f"{v:.6g}") for v in values]}


def _in_strip(tensor: list[list[float | None]] | None) -> list[list[float]] | None:
    """A tensor across and along a strip in 2D; None where it has gaps."""
    if tensor is None or any(v is None for row in tensor for v in row):
        return None
    axes = [0, len(tensor) - 1]
    conducts = np.linalg.inv(np.array(tensor, dtype=float))[np.ix_(axes, axes)]
    found: list[list[float]] = np.linalg.inv(conducts).round(9).tolist()
    return found
