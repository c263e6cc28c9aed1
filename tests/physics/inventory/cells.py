"""A 1D cell that cycles: lithium foil or a cathode, electrolyte, a copper foil."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from fem import Case
from fem.results.result import Result

#: Molar volume of lithium over F, m3/C.
PER_CHARGE = 12.998e-6 / 96485.33212

#: U(state) of a cathode; a straight line between its ends.
OCV = {"along": "state", "at": [0.0, 0.1, 0.9, 1.0],
       "values": ["4.6 V", "4.2 V", "3.6 V", "3.0 V"]}  # fmt: skip
CATHODE = {"kind": "cathode", "capacity": "0.5 mAh/cm^2", "resistance": "20 ohm*cm^2", "ocv": OCV}

CELL: dict[str, Any] = {
    "schema": 1,
    "title": "cycling",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "study": "tertiary",
    "geometry": {"family": "planar", "length": "30 um", "size": "3 um", "size_width": "10 um"},
    "collector": {"material": "Cu"},
    "counter": {"kind": "foil", "thickness": "10 um"},
    "inventory": {},
    "time": {"dt0": "5 s", "tolerance": 1e-2},
    "output": {"figures": False},
}


def steps(cycles: int, **plate: Any) -> list[dict[str, Any]]:
    """Cycles of plating 0.5 mAh/cm2, or what is given, and stripping to 0.3 V."""
    both = [
        {"step": "plate", "current_density": "1 mA/cm^2"}
        | (plate or {"capacity": "0.5 mAh/cm^2"}),
        {"step": "strip", "current_density": "1 mA/cm^2", "duration": "2 h",
         "cutoff": "-2.8 V" if plate else "0.3 V"},
    ]  # fmt: skip
    return [{"step": "cycle", "cycles": cycles, "steps": both}]


def data(**changes: Any) -> dict[str, Any]:
    """The cell; `changes` replace whole entries."""
    return copy.deepcopy(CELL | {"protocol": steps(3)} | changes)


def run(folder: Path, **changes: Any) -> Result:
    """Run it."""
    return Case.from_dict(data(**changes)).run(folder)
