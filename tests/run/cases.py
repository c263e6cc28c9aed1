"""Small cells for the tests of the run: seconds each, forms that all of them share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fem import Case
from fem.case.files import set_path

SMALL: dict[str, Any] = {
    "schema": 1,
    "title": "small",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "geometry": {
        "family": "planar",
        "size": "5 um",
        "width": "20 um",
        "layers": [
            {"name": "bottom", "thickness": "30 um", "region": "host_bottom"},
            {"name": "free", "thickness": "50 um", "region": "electrolyte"},
        ],
    },
    "regions": {"host_bottom": {"material": "Cu"}},
    "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "10 min"}],
    "output": {"figures": False},
}

# Metal on a part of a wall, a floating ball of it (dead), and nuclei that form at random.
GROWING: dict[str, Any] = {
    "schema": 1,
    "title": "growing",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "study": "growth",
    "geometry": {
        "family": "planar",
        "width": "4.8 um",
        "size": "0.2 um",
        "layers": [
            {"name": "bottom", "thickness": "0.5 um", "region": "host_bottom"},
            {"name": "free", "thickness": "15 um", "region": "electrolyte"},
        ],
    },
    "regions": {"host_bottom": {"material": "Cu"}},
    "kinetics": [
        {"surface": "host_bottom", "wall": "nucleating", "contact_angle": "90 deg"}
    ],
    "growth": {"interface_width": "0.4 um", "max_change": 0.5},
    "nuclei": [{
        "surface": "host_bottom", "rate": "1e11 1/m^2/s", "radius": "1.6 um", "seed": 3,
        "surface_energy": "0.02 J/m^2",
    }],
    "initial": {
        "metal_layer": {
            "expression": "y + max(min(h - y, w - x), r - sqrt((x - a)^2 + (y - b)^2))",
            "unit": "m", "h": "1.7 um", "w": "2 um", "r": "1.2 um", "a": "2.4 um", "b": "12 um",
        }
    },
    "protocol": [{
        "step": "cycle",
        "cycles": 2,
        "steps": [
            {"step": "plate", "current_density": "1 mA/cm^2", "duration": "16 s"},
            {"step": "strip", "current_density": "1 mA/cm^2", "duration": "8 s", "cutoff": "0.5 V"},
        ],
    }],
    "time": {"dt0": "2 s", "tolerance": 0.05},
    "solver": {"rtol": 1e-8, "closure_limit": 1e-6},
    "output": {"figures": False},
}  # fmt: skip


def small(**changes: Any) -> Case:
    """The small cell with changes; two underscores stand for a dot."""
    data = json.loads(json.dumps(SMALL))
    for path, value in changes.items():
        set_path(data, path.replace("__", "."), value)
    return Case.from_dict(data)


def state_of(folder: Path, which: int = -1) -> dict[str, Any]:
    """All arrays of a checkpoint (the newest by default) by rank and name, and its time `t`."""
    import numpy as np

    states = sorted((folder / "checkpoints").glob("state.*"), key=lambda p: int(p.suffix[1:]))
    state = states[which]
    manifest = json.loads((state / "manifest.json").read_text())
    out = {"t": manifest["clock"]["t"]}
    for rank in range(manifest["ranks"]):
        with np.load(state / f"rank{rank}.npz") as file:
            out |= {f"{rank}.{name}": file[name] for name in file.files}
    return out
