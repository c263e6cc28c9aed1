"""Columns: an averaged host on the collector, a separator's worth of electrolyte on top."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fem import Case
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.results.result import Result

T = 298.15
RT_F = GAS_CONSTANT * T / FARADAY  # V
V_M = 1.2998e-5  # m3/mol, of lithium in the library
UM = 1e-6
#: Electrolyte whose salt stays even: what is left of its gradient is below 1e-3 mol/m3.
EVEN = {"kind": "electrolyte", "c0": "1 mol/L", "D": "1e-7 m^2/s", "t_plus": 0.4, "kappa": "1 S/m"}
SURFACE = {"law": "constant", "area": "2e6 1/m"}

Array = npt.NDArray[np.float64]


def column(
    *, L: float = 100.0, cells: int = 100, sigma: float = 1e6, porosity: Any = 0.9,
    surface: dict[str, Any] = SURFACE, kinetics: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None, electrolyte: dict[str, Any] = EVEN, **changes: Any,
) -> Case:
    """A case; lengths in um, sigma of the skeleton in S/m; `changes` replace whole entries."""
    data: dict[str, Any] = {
        "schema": 1,
        "title": "averaged host",
        "metal": "Li",
        "electrolyte": "even",
        "temperature": f"{T} K",
        "study": "tertiary",
        "materials": {"even": electrolyte},
        "geometry": {
            "family": "planar", "size": f"{L / cells!r} um", "width": "1 um", "size_width": "1 um",
            "layers": [
                {"name": "mat", "thickness": f"{L} um", "region": "host_mat"},
                {"name": "gap", "thickness": "10 um", "region": "electrolyte", "size": "5 um"},
            ],
        },
        "regions": {"host_mat": {
            "material": "Cu", "porosity": porosity, "sigma": f"{sigma!r} S/m",
        }},
        "averaged": {"regions": {"host_mat": {"surface": surface} | (host or {})}},
        "kinetics": [
            {"surface": "host_mat", "i0": "10 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5,
             "eta_nuc": "0 V"} | (kinetics or {}),
            {"surface": "counter", "i0": "1e6 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5},
        ],
        "protocol": [{"step": "plate", "current_density": "1 A/m^2", "duration": "1 h"}],
        "output": {"figures": False},
    }  # fmt: skip
    return Case.from_dict(copy.deepcopy(data | changes))


def linear(nu: float, L: float = 100.0, kappa: float = 1.0, sigma: float = 1e4) -> dict[str, Any]:
    """Linear kinetics with the number nu of a column of area 2e6 1/m."""
    both = 1.0 / kappa + 1.0 / sigma
    i0 = RT_F * nu**2 / (2e6 * (L * UM) ** 2 * both)
    return {"law": "linear", "i0": f"{i0!r} A/m^2"}


def along(result: Result, field: str) -> tuple[Array, Array]:
    """Heights over the collector, m, and the last values of a field there."""
    y = result.points("averaged")[:, 1]
    height, at = np.unique(np.round(y, 12), return_index=True)  # of nodes side by side one
    return height, result.array(field, block="averaged")[at]


def run(case: Case, folder: Path) -> Result:
    """Solve a case; its balances close."""
    result = case.run(folder)
    assert max(result.summary["closures"].values()) < 1e-8
    return result
