"""Picture of how metal fills its host."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.post.style import DEAD, LINES, METAL, caption, time_label
from fem.results.result import Result

__all__ = ["fill"]

UM = 1e6


def fill(result: Result, t: float | None) -> Any:
    """Metal share of the pores against depth, and tip and dead metal against time."""
    profile = result.summary.get("depth_profile") or {}
    if "fill" not in profile:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    axes = figure.subplot_mosaic([["fill", "tip"], ["fill", "dead"]])
    left, tip, dead = axes["fill"], axes["tip"], axes["dead"]
    depth, share = np.asarray(profile["depth"]) * UM, 100 * np.asarray(profile["fill"])
    step = float(depth[1] - depth[0])
    left.barh(depth, share, height=0.9 * step, color=METAL, linewidth=0)
    left.set_ylim(depth[-1] + step / 2, depth[0] - step / 2)
    left.set_xlim(0, 100)
    series = result.series
    size, unit = time_label(float(series["t"].max()))
    left.set_xlabel(f"pores filled with metal after {series['t'][-1] / size:.3g} {unit} (%)")
    left.set_ylabel("depth below the separator side (µm)")
    left.grid(axis="x")
    time = series["t"] / size
    tip.plot(time, series["tip"] * UM, color=LINES[0])
    tip.set_ylabel("tip above\nthe collector (µm)")
    tip.tick_params(labelbottom=False)
    dead.plot(time, series["dead"] / max(series["plated"].max(), 1e-300) * 100, color=DEAD)
    dead.set_ylabel("dead metal (% of\nthe most plated)")
    dead.set_xlabel(f"time ({unit})")
    for ax in (tip, dead):
        ax.set_ylim(0, None)
        ax.grid(axis="y")
    figure.align_ylabels([tip, dead])
    caption(figure, str(result.summary.get("title", "")))
    return figure
