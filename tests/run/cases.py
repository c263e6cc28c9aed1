"""Small cells for the tests of the run: seconds each, forms that all of them share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fem.case import Case
from fem.case_files import set_path

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
