"""Figures of a growth study: where the metal is, and how it fills the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.results import Result

from .style import INK, LINES, PORE, SOLID, caption, show_time

__all__ = ["fill", "metal"]

UM = 1e6
METAL, DEAD = "#43576b", "#c0392b"
PANELS = 5


def metal(result: Result, t: float | None) -> Any:
    """The metal at up to five times, host in grey, metal without electronic contact in red."""
    if "metal" not in result.blocks or t is not None:
        return None
    low, high = result.extent() * UM
    if high[2] > low[2]:
        return None  # in 3D a movie or ParaView says more
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap
    from matplotlib.figure import Figure

    times = np.asarray(result.times)
    chosen = times[np.unique(np.linspace(0, len(times) - 1, min(PANELS, len(times))).astype(int))]
    wide, tall = (high - low)[:2]
    height = float(np.clip(1.9 * tall / wide, 2.2, 6.0))
    figure = Figure(
        figsize=(height * wide / tall * len(chosen) + 1.2, height + 0.8), layout="constrained"
    )
    axes = figure.subplots(1, len(chosen), squeeze=False, sharey=True)[0]
    colours = LinearSegmentedColormap.from_list("metal", [PORE, METAL])
    drawn: Any = None
    for ax, now in zip(axes, chosen, strict=True):
        if "solid" in result.blocks:
            points, cells = result.points("solid", now) * UM, result.cells("solid", now)
            ax.tripcolor(
                points[:, 0], points[:, 1], cells, facecolors=np.zeros(len(cells)),
                cmap=ListedColormap([SOLID]), antialiased=False, linewidth=0, rasterized=True,
                zorder=0,
            )  # fmt: skip
        points, cells = result.points("metal", now) * UM, result.cells("metal", now)
        xi = result.array("xi", now, "metal")
        drawn = ax.tripcolor(
            points[:, 0], points[:, 1], cells, np.clip(xi, 0.0, 1.0), shading="gouraud",
            cmap=colours, vmin=0.0, vmax=1.0, rasterized=True,
        )  # fmt: skip
        dead = result.array("dead", now, "metal")[cells].min(axis=1) > 0.5
        dead &= xi[cells].mean(axis=1) > 0.5
        if dead.any():
            ax.tripcolor(
                points[:, 0], points[:, 1], cells[dead], facecolors=np.zeros(dead.sum()),
                cmap=ListedColormap([DEAD]), antialiased=False, linewidth=0, rasterized=True,
            )  # fmt: skip
        ax.set_aspect("equal")
        ax.set_xlim(low[0], high[0])
        ax.set_ylim(low[1], high[1])
        ax.set_title(show_time(float(now)), fontsize=9, color=INK)
        ax.set_xlabel("x (µm)")
        ax.locator_params(axis="x", nbins=4)
    axes[0].set_ylabel("y (µm)")
    bar = figure.colorbar(drawn, ax=list(axes), pad=0.01, fraction=0.02, aspect=30)
    bar.set_label(r"metal $\xi$")
    bar.outline.set_linewidth(0.5)
    caption(figure, f"{result.summary.get('title', '')} · host grey, cut-off metal red")
    return figure


def fill(result: Result, t: float | None) -> Any:
    """Metal share of the pores against depth, and tip and dead metal against time."""
    profile = result.summary.get("depth_profile") or {}
    if "fill" not in profile:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    depth, share = np.asarray(profile["depth"]) * UM, 100 * np.asarray(profile["fill"])
    step = float(depth[1] - depth[0])
    left.barh(depth, share, height=0.9 * step, color=METAL, linewidth=0)
    left.set_ylim(depth[-1] + step / 2, depth[0] - step / 2)
    left.set_xlim(0, 100)
    left.set_xlabel(f"pores filled with metal after {result.series['t'][-1] / 3600:.3g} h (%)")
    left.set_ylabel("depth below the separator side (µm)")
    left.grid(axis="x")
    series = result.series
    time = series["t"] / 3600
    right.plot(time, series["tip"] * UM, color=LINES[0], label="tip above the collector (µm)")
    thickness = series["dead"] / max(series["plated"].max(), 1e-300) * 100
    right.plot(time, thickness, color=DEAD, label="dead metal (% of the most plated)")
    right.set_xlabel("time (h)")
    right.set_ylim(0, None)
    right.grid(axis="y")
    right.legend(frameon=False, fontsize=8)
    caption(figure, str(result.summary.get("title", "")))
    return figure
