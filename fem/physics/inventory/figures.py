"""Pictures of cycles."""

from __future__ import annotations

from typing import Any

from fem.post.style import LINES
from fem.results.result import Result

__all__ = ["cycles"]

#: C/m2 in 1 mAh/cm2.
MAH = 36000.0
#: Parts of the inventory from below, with their words.
PARTS = {"counter": "counter $K$", "live": "live $M$", "dead": "dead $X$", "sei": "SEI $S$"}


def cycles(result: Result, t: float | None) -> Any:
    """Efficiency and retention, and where the metal is at the end of each cycle."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    del t
    data = result.cycles
    if "metal_live" not in data or len(data["cycle"]) < 2:
        return None
    n, figure = data["cycle"], Figure(figsize=(5.2, 4.4), layout="constrained")
    top, below = figure.subplots(2, 1, sharex=True)
    kept = data["stripped"] / data["stripped"][0]
    top.plot(n, 100 * data["coulombic_efficiency"], color=LINES[0], marker=".",
             label="Coulombic efficiency")
    top.plot(n, 100 * kept, color=LINES[1], marker=".", label="stripped, of the first cycle")
    top.set_ylabel("%")
    top.grid(True)
    top.legend(loc="best")
    offset = min(data["metal_counter"].min(), 0.0)  # of one without end, what it has given
    parts = [data[f"metal_{name}"] - (offset if name == "counter" else 0.0) for name in PARTS]
    below.stackplot(n, [part / MAH for part in parts], labels=[*PARTS.values()],
                    colors=(LINES[0], LINES[2], LINES[1], LINES[4]))
    below.set_ylabel("metal, mAh/cm²")
    below.set_xlabel("cycle")
    below.set_ylim(bottom=0.0)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=4, handlelength=1.2)
    figure.align_ylabels([top, below])
    return figure
