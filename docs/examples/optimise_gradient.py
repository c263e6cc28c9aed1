"""Gradient of a skeleton's conductivity that plates from the bottom: an example with optuna.

    pip install optuna
    python docs/examples/optimise_gradient.py

Two halves of an averaged host, each with its own sigma. The objective is B of the current, the
price a voltage below -60 mV. A volume average takes a second; confirm the best on a resolved mesh.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import fem

#: S/m; between carbon with hardly a contact and a dense mat.
RANGE = 1e-2, 1e3
#: V; a cell that needs more pays for it.
MOST = 0.06

HOST: dict[str, Any] = {
    "schema": 1, "title": "two halves", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
    "study": "secondary",
    "geometry": {
        "family": "planar", "size": "1 um", "width": "1 um", "size_width": "1 um", "layers": [
            {"name": "bottom", "thickness": "50 um", "region": "host_bottom"},
            {"name": "top", "thickness": "50 um", "region": "host_top"},
            {"name": "gap", "thickness": "10 um", "region": "electrolyte", "size": "5 um"}]},
    "regions": {name: {"material": "Cu", "porosity": 0.9, "sigma": "1 S/m"}
                for name in ("host_bottom", "host_top")},
    "averaged": {"regions": {"host_*": {"surface": {"law": "constant", "area": "2e6 1/m"}}}},
    "kinetics": [{"surface": "host_*", "eta_nuc": "0 V"}],
    "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 h"}],
    "output": {"figures": False},
}  # fmt: skip


def solved(bottom: float, top: float, folder: Path) -> tuple[float, float]:
    """B of the current and the cell voltage, V, for conductivities of both halves, S/m."""
    case = fem.Case.from_dict(HOST).with_({
        "regions.host_bottom.sigma": f"{bottom:.6g} S/m",
        "regions.host_top.sigma": f"{top:.6g} S/m",
    })
    result = case.run(folder, overwrite=True)
    return result.metrics()["bottom_up"], result.summary["voltage"]


def optimise(trials: int, folder: Path, seed: int = 1) -> Any:
    """The study of optuna after so many trials."""
    import optuna

    def objective(trial: Any) -> float:
        bottom, top = (trial.suggest_float(n, *RANGE, log=True) for n in ("bottom", "top"))
        B, voltage = solved(bottom, top, folder / f"trial_{trial.number}")
        return B - max(0.0, -voltage / MOST - 1.0)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study


if __name__ == "__main__":
    trials_ = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    best = optimise(trials_, Path("results/gradient"))
    shown = ", ".join(f"{k} {v:.3g} S/m" for k, v in best.best_params.items())
    ratio = math.log10(best.best_params["bottom"] / best.best_params["top"])
    print(f"B = {best.best_value:.3f} with {shown} (bottom over top: 10^{ratio:.1f})")
