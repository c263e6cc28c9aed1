"""Picture of how metal fills its host."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.physics.metal.metrics import fullest
from fem.post.spread import fill as fill_by_slices
from fem.post.style import DEAD, LINES, METAL, caption, time_label
from fem.results.result import Result

__all__ = ["fill"]

UM = 1e6


def fill(result: Result, t: float | None) -> Any:
    """Metal share of the pores against depth when they hold most; tip and dead metal against time.

    After stripping the end shows an empty host. Averaged hosts fill, too, but have no tip: None.
    """
    if "tip" not in result.series:
        return None
    when = fullest(result, None)
    profile = None if when is None else fill_by_slices(result, when)
    if when is None or profile is None:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    axes = figure.subplot_mosaic([["fill", "tip"], ["fill", "dead"]])
    left, tip, dead = axes["fill"], axes["tip"], axes["dead"]
    depth, share = np.asarray(profile["depth"]) * UM, 100 * np.asarray(profile["share"])
    step = float(np.diff(depth).min())
    left.barh(depth, share, height=0.9 * step, color=METAL, linewidth=0)
    left.set_ylim(depth[-1] + step / 2, depth[0] - step / 2)
    left.set_xlim(0, 100)
    series = result.series
    size, unit = time_label(float(series["t"].max()))
    left.set_xlabel("pores filled with metal (%)")
    end = when >= float(series["t"][-1]) * (1 - 1e-9)
    left.set_title(f"after {when / size:.3g} {unit}, {'the end' if end else 'when there is most'}")
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
