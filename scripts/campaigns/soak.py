"""Long runs: memory and open files must not grow.

    python scripts/campaigns/soak.py cycles            2,000 cycles of a small cell
    python scripts/campaigns/soak.py steps             a run of 10,000 steps
    python scripts/campaigns/soak.py cycles --count 40

Resident memory and open files are noted a hundred times over the run. Memory after the warm-up (the
first fifth) is compared with the end; what a run keeps on purpose, a row per cycle, is part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

WARM_UP = 0.2
CELL: dict[str, Any] = {
    "schema": 1,
    "title": "soak",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "geometry": {"family": "planar", "length": "20 um", "width": "4 um", "size": "2 um"},
    "time": {"dt0": "1 s", "dt_max": "1 s", "tolerance": 0.05},
    "output": {"figures": False},
}


def case(kind: str, count: int) -> dict[str, Any]:
    """The run of `count` cycles or steps."""
    plate = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "2 s"}
    strip = {**plate, "step": "strip"}
    if kind == "cycles":
        return CELL | {"protocol": [{"step": "cycle", "cycles": count, "steps": [plate, strip]}]}
    pulse = {"step": "plate", "current_density": "0.01 mA/cm^2", "duration": f"{count} s"}
    return CELL | {"protocol": [pulse]}


def soak(kind: str, count: int, folder: Path) -> dict[str, float]:
    """Run and watch; steps, seconds, memory (MB) and files after warm-up and at the end."""
    from fem import Case
    from fem.run.recorder import Tally

    samples: list[tuple[float, float, int]] = []
    add, calls = Tally.add, 0
    expected = count * (4 if kind == "cycles" else 1)

    def watched(self: Tally, *args: Any) -> None:
        nonlocal calls
        add(self, *args)
        calls += 1
        if calls % max(expected // 100, 1) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            files = len(os.listdir("/proc/self/fd"))
            samples.append((calls, pages * os.sysconf("SC_PAGE_SIZE") / 1e6, files))

    Tally.add = watched  # type: ignore[method-assign, assignment]
    began = time.perf_counter()
    try:
        result = Case.from_dict(case(kind, count)).run(folder)
    finally:
        Tally.add = add  # type: ignore[method-assign, assignment]
    steps, memory, files = (np.array(column) for column in zip(*samples, strict=True))
    warm = steps > WARM_UP * steps[-1]
    return {
        "steps": float(result.summary["steps"]),
        "seconds": time.perf_counter() - began,
        "memory": float(memory[-1]),
        "growth": float(memory[-10:].mean() / memory[warm][:10].mean() - 1.0),
        "files": float(files[-1]),
        "more_files": float(files[-1] - files[warm][0]),
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("cycles", "steps"))
    parser.add_argument("--count", type=int)
    options = parser.parse_args()
    count = options.count or {"cycles": 2000, "steps": 10_000}[options.kind]
    root = Path(tempfile.mkdtemp(prefix="hostplate-soak-"))
    found = soak(options.kind, count, root / "r")
    shutil.rmtree(root)
    print(f"RESULT {json.dumps(found)}")
    return 1 if found["growth"] > 0.01 or found["more_files"] > 0 else 0


if __name__ == "__main__":
    sys.exit(main())
