"""Figures of a growth study: where the metal is, and how it fills the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.results import Result

from .style import INK, LINES, PORE, SOLID, caption, show_time

__all__ = ["cells_of", "fill", "front", "host_cells", "metal", "xi_at"]

UM = 1e6
METAL, DEAD = "#43576b", "#c0392b"
PANELS, PANELS_3D = 5, 4


def metal(result: Result, t: float | None) -> Any:
    """The metal at up to five times, host in grey, metal without electronic contact in red."""
    if "metal" not in result.blocks or t is not None:
        return None
    low, high = result.extent() * UM
    if high[2] > low[2]:
        return _metal_3d(result)
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap
    from matplotlib.figure import Figure

    chosen = _some_times(result, PANELS)
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


def _some_times(result: Result, most: int) -> Any:
    """Stored times, s: the first, the last, and others evenly between."""
    times = np.asarray(result.times)
    return times[np.unique(np.linspace(0, len(times) - 1, min(most, len(times))).astype(int))]


def _metal_3d(result: Result) -> Any:
    """Bodies of metal (xi > 1/2) around the host, rendered elsewhere."""
    from matplotlib.figure import Figure

    from .render import pictures

    chosen = _some_times(result, PANELS_3D)
    job = {"folder": str(result.folder), "block": "metal", "field": "xi"}
    images = pictures([job | {"t": float(now)} for now in chosen])
    height = 3.4
    widths = [height * image.shape[1] / image.shape[0] for image in images]
    figure = Figure(figsize=(sum(widths) + 0.3, height + 0.5), layout="constrained")
    axes = figure.subplots(1, len(images), squeeze=False, width_ratios=widths)[0]
    for ax, image, now in zip(axes, images, chosen, strict=True):
        ax.imshow(image, interpolation="antialiased")
        ax.axis("off")
        ax.set_title(show_time(float(now)), fontsize=9, color=INK)
    size = " × ".join(f"{s:.3g}" for s in np.ptp(result.extent(), axis=0) * UM)
    more = f"box {size} µm, z up · host grey, metal blue, cut-off metal red"
    caption(figure, f"{result.summary.get('title', '')} · {more}")
    return figure


def xi_at(result: Result, t: float | None, block: str) -> Any:
    """Phase field at the points of a block, 0 where no metal can be."""
    from scipy.spatial import cKDTree

    xi = result.array("xi", t, "metal")
    if block == "metal":
        return xi
    points = result.points(block, t)
    away, nearest = cKDTree(result.points("metal", t)).query(points)
    return np.where(away <= 1e-9 * np.ptp(points, axis=0).max(), xi[nearest], 0.0)


def host_cells(result: Result, t: float | None) -> Any:
    """Which cells of the block `solid` are the host's; in a growth study it has the pores, too."""
    regions = [result.array("region", t, block) for block in ("solid", "pore")]
    return ~np.isin(regions[0], np.unique(regions[1]))


def cells_of(result: Result, t: float | None, name: str, block: str) -> Any:
    """Which cells of a block show a field of a growth study.

    phi_s: where electrons are conducted well, in the host and the metal. phi_l and c: outside the
    metal. i_n: at the front.
    """
    xi = xi_at(result, t, block)[result.cells(block, t)]
    if name == "i_n":
        return (xi.min(axis=1) < 0.5) & (xi.max(axis=1) >= 0.5)
    full = xi.mean(axis=1) >= 0.5
    return full | host_cells(result, t) if name == "phi_s" else ~full


def front(result: Result, t: float | None) -> tuple[Any, Any]:
    """The contour xi = 1/2 in 2D: ends of its pieces, m (n, 2, 2), and i_n there (n, 2)."""
    points, xi = result.points("metal", t)[:, :2], xi_at(result, t, "metal")
    current = result.array("i_n", t, "metal")
    a = result.cells("metal", t)[cells_of(result, t, "i_n", "metal")]
    b = np.roll(a, 1, axis=1)  # edges of the triangles; the contour cuts two of three
    cut = (xi[a] >= 0.5) != (xi[b] >= 0.5)
    a, b = a[cut], b[cut]
    share = (0.5 - xi[a]) / (xi[b] - xi[a])
    ends = points[a] + share[:, None] * (points[b] - points[a])
    values = current[a] + share * (current[b] - current[a])
    return ends.reshape(-1, 2, 2), values.reshape(-1, 2)


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
