"""Diagrams of numbers: the current by depth and region, and what a run measures against time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.post import materials
from fem.post.figures import UM, caption_text, timeless
from fem.post.spread import rests
from fem.post.style import FAINT, INK, LINES, caption, shortened, time_label
from fem.results.result import Result

__all__ = ["changes", "depth", "series", "series_axis"]

Array = npt.NDArray[np.float64]

_SERIES_NAMES = {"c_min": "smallest $c$", "c_max": "largest $c$"}


def depth(result: Result, t: float | None) -> Any:
    """Distribution of the current against depth, and by region."""
    from matplotlib.figure import Figure

    profile = result.summary.get("depth_profile") or {}
    regions = result.summary.get("current_by_region") or {}
    below = np.asarray(profile.get("depth") or [], dtype=float) * UM
    current = np.asarray(
        profile.get("current") or profile.get("current_per_depth") or [], dtype=float
    )
    shares = {
        name: abs(float(v["current"] if isinstance(v, dict) else v)) for name, v in regions.items()
    }
    with_profile = (
        len(below) > 1
        and len(below) == len(current)
        and np.count_nonzero(np.abs(current) > 1e-6 * np.abs(current).sum()) > 1
    )
    with_shares = len(shares) > 1 and sum(shares.values()) > 0
    if rests(result, t) or not (with_profile or with_shares):
        return None
    count = int(with_profile) + int(with_shares)
    tall = max(3.2, 0.9 + 0.2 * len(shares)) if with_shares else 3.2  # a line for each region
    figure = Figure(figsize=(3.6 * count, tall), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False)
    panels = list(axes[0])
    if with_profile:
        ax = panels.pop(0)
        step = float(below[1] - below[0])
        share = 100 * np.abs(current) / np.abs(current).sum()
        ax.barh(below, share, height=0.86 * step, color=LINES[0], linewidth=0)
        ax.set_ylim(below[-1] + step / 2, below[0] - step / 2)  # the separator is on top
        ax.set_xlim(0, None)
        ax.set_xlabel(f"reaction current (% per {step:.3g} µm)")
        ax.set_ylabel("depth below the separator side (µm)")
        ax.grid(axis="x")
        _mark_layers(ax, result)
    if with_shares:
        ax = panels.pop(0)
        total = sum(shares.values())
        names = _from_above(shares, result)
        percent = [100 * shares[name] / total for name in names]
        ax.barh(
            range(len(names)),
            percent,
            height=0.62,
            color=[LINES[i % len(LINES)] for i in range(len(names))],
            linewidth=0,
        )
        for i, value in enumerate(percent):
            ax.text(value + 1.5, i, f"{value:.3g} %", va="center", fontsize=8, color=INK)
        labels = [shortened(name.replace("_", " "), 24) for name in names]
        ax.set_yticks(range(len(names)), labels)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_xlim(0, min(1.22 * max(percent), 122))
        ax.set_xlabel("share of the current (%)")
        ax.grid(axis="x")
    caption(figure, caption_text(result, result.end))
    return figure


def _from_above(names: Iterable[str], result: Result) -> list[str]:
    """Regions in the order of their layers, the one at the separator first; others last."""
    tops = {f"host_{name}": above for name, _, above in materials.layers(result)}

    def top(region: str) -> float:
        layer = max((n for n in tops if f"{region}_".startswith(f"{n}_")), key=len, default="")
        return tops.get(layer, -math.inf)

    return sorted(names, key=top, reverse=True)


def _mark_layers(ax: Any, result: Result) -> None:
    """Borders and names of the host's layers, if the mesh says where they are.

    Names stand at the middle of their layers; thick ones first, as there is room.
    """
    try:
        mesh = json.loads((result.folder / "mesh.json").read_text(encoding="utf-8"))
        top, bottom = float(mesh["host"]["top"]), float(mesh["host"]["bottom"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    line = 0.05 * (top - bottom)  # a line of text
    taken: list[float] = []
    found = materials.layers(result)
    for name, below, above in sorted(found, key=lambda layer: layer[1] - layer[2]):
        if below > bottom + 1e-9 * (top - bottom):
            ax.axhline((top - below) * UM, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
        middle = top - 0.5 * (above + below)
        if any(abs(middle - other) < line for other in taken):
            continue
        taken.append(middle)
        ax.annotate(
            shortened(name.replace("_", " "), 18),
            (1.0, middle * UM),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),  # beside the axes: bars may be as long as they are wide
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=7.5,
            color=FAINT,
        )


def series(result: Result, t: float | None) -> Any:
    """Voltage, current where it changes, concentrations and charge against time."""
    from matplotlib.figure import Figure

    data, units = result.series, result.units
    if "t" not in data or len(data["t"]) < 2 or timeless(result):
        return None
    charge = ("plated",) if "plated" in data else ("charge",)  # opposite, as Faraday's law says
    current = ("current_density",) if changes(data.get("current_density", np.zeros(1))) else ()
    panels = [
        group
        for group in (("voltage",), current, ("c_min", "c_max"), charge)
        if any(name in data for name in group)
    ]
    if not panels:
        return None
    size, unit = time_label(float(data["t"].max()))
    figure = Figure(figsize=(5.2, 1.6 * len(panels) + 0.5), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
    for ax, group in zip(axes[:, 0], panels, strict=True):
        names = [name for name in group if name in data]
        factor, label = series_axis(names[0], units.get(names[0], ""), data[names[0]])
        for i, name in enumerate(names):
            ax.plot(
                data["t"] / size,
                data[name] * factor,
                color=LINES[i],
                label=_SERIES_NAMES.get(name, name),
            )
        ax.set_ylabel(label)
        ax.grid(True)
        ax.margins(x=0.01, y=0.08)
        if len(names) > 1:
            ax.legend(loc="best", ncols=len(names), handlelength=1.6)
    axes[-1, 0].set_xlabel(f"time ({unit})")
    figure.align_ylabels(axes[:, 0])
    caption(figure, caption_text(result, None))
    return figure


def changes(values: Array) -> bool:
    """A column holds more than one number and its round-off."""
    return float(np.ptp(values)) > 1e-6 * float(np.abs(values).max())


def series_axis(name: str, unit: str, values: Array) -> tuple[float, str]:
    """Factor from the unit of a column to the shown one, and the label of its axis."""
    if unit == "C/m^2":
        word = "plated" if name == "plated" else "charge"
        return 1 / 36000.0, f"{word} (mAh/cm²)"
    if unit == "mol/m^3":
        return 1e-3, "salt (mol/L)"
    if unit == "A/m^2":
        return 0.1, "current (mA/cm²)"
    if name == "voltage":
        small = float(np.abs(values).max()) < 0.5
        return (1e3, "cell voltage (mV)") if small else (1.0, "cell voltage (V)")
    return 1.0, f"{name} ({unit})" if unit else name
