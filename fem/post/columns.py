"""Cells that are one mesh cell wide (1D): their fields as curves over the height, not as maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.post.fields import field_of
from fem.post.layout import broken
from fem.post.materials import layers
from fem.post.style import FAINT, LINES, scaled, show_time, time_label
from fem.results.result import Result

__all__ = ["HEIGHT", "along", "curves", "is_column"]

Array = npt.NDArray[np.float64]

#: Shown micrometres per metre; most times of one panel; places that count as one, over the width.
UM, TIMES, LEVEL_SHARE = 1e6, 5, 1e-6
#: Ratio of a magnitude's ends beyond which its axis is logarithmic, and the least share it shows.
DECADES, LEAST = 100.0, 1e-5

#: Height and width of the axes, and width of a letter, inches.
LABEL, WIDTH, LETTER_WIDTH = 1.8, 4.4, 0.065
#: Label of the axis of heights.
HEIGHT = "height above the collector (µm)"

#: (result, field, time, block) -> its values at the nodes, or in cells.
Values = Callable[[Result, str, float | None, str], Array]


def is_column(result: Result, t: float | None = None) -> bool:
    """All nodes of the mesh lie on its two sides, x = 0 and x = width (2D)."""
    low, high = result.extent(t)
    if high[2] > low[2] or not high[0] > low[0]:
        return False
    sides = [np.abs(result.points(block, t)[:, 0] - x) for block in result.blocks
             for x in (low[0], high[0])]
    near = [np.minimum(a, b) for a, b in zip(sides[::2], sides[1::2], strict=True)]
    return all(bool((away <= LEVEL_SHARE * (high[0] - low[0])).all()) for away in near)


def curves(
    result: Result, t: float | None, names: Sequence[str], block_of: Callable[[Result, str], str],
    values_of: Values,
) -> Any:
    """A panel for each field, with a curve for each of some stored times; one time if t is given.

    What lives on walls has one value there: it is drawn against time.
    """
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 2.4 * len(names) + 0.4), layout="constrained")
    axes = figure.subplots(len(names), 1, squeeze=False)[:, 0]
    for ax, name in zip(axes, names, strict=True):
        block = block_of(result, name)
        if block == "walls":
            _over_time(ax, result, name, block, values_of)
            continue
        stored = result.times
        index = np.unique(np.linspace(0, len(stored) - 1, min(TIMES, len(stored))).astype(int))
        chosen = [float(x) for x in stored[index]] if t is None else [result.time(t, block)]
        found = [along(result, name, now, block, values_of) for now in chosen]
        scale = scaled(np.concatenate([values for _, values in found]), field_of(result, name))
        colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.85, len(chosen)))
        for now, (height, values), colour in zip(chosen, found, colours, strict=True):
            label = show_time(now, chosen[-1] or None, 3)
            ax.plot(height * UM, scale(values), color=colour, label=label)
        ax.set_ylabel(broken(scale.label, LABEL))
        ax.set_xlabel(HEIGHT)
        every = np.concatenate([scale(values) for _, values in found])
        lowest = float(every[every > 0.0].min(initial=np.inf))
        if scale.magnitude and lowest < scale.high / DECADES:
            ax.set_yscale("log")
            floor = max(0.5 * lowest, scale.high * LEAST)
            ax.set_ylim(floor, 2.0 * scale.high)
            for line, (_, values) in zip(ax.lines, found, strict=True):
                if scale(values).max() < floor:
                    line.set_label(f"{line.get_label()}: below the axis")
        else:
            ax.set_ylim(*_room(scale.low, scale.high))
        ax.grid(True)
        _name_layers(ax, result, t, named=ax is axes[0])
        if len(chosen) > 1:
            ax.legend(loc="best")
    return figure


def _name_layers(ax: Any, result: Result, t: float | None, named: bool) -> None:
    """The whole cell along the axis, borders of its layers and, above, names that have room."""
    bottom, top = result.extent(t)[:, 1]
    ends = 0.02 * (top - bottom) * np.array([-1.0, 1.0]) + (0.0, top - bottom)
    ax.set_xlim(*ends * UM)
    found = layers(result)
    for name, low, high in found if len(found) > 1 else ():
        for border in {low, high} - {bottom, top}:
            ax.axvline((border - bottom) * UM, color=FAINT, linewidth=0.6, linestyle=(0, (4, 3)))
        if named and (high - low) / (top - bottom) * WIDTH > LETTER_WIDTH * len(name):
            ax.annotate(name.replace("_", " "), ((0.5 * (low + high) - bottom) * UM, 1.0),
                        xycoords=("data", "axes fraction"), xytext=(0, 3), ha="center",
                        textcoords="offset points", fontsize=7.5, color=FAINT)


def _room(low: float, high: float) -> tuple[float, float]:
    """Limits with a margin."""
    pad = 0.06 * (high - low)
    return low - pad, high + pad


def along(
    result: Result, name: str, t: float, block: str, values_of: Values
) -> tuple[Array, Array]:
    """Heights above the lowest node of all blocks, m, and the mean of a field at each."""
    values, points = values_of(result, name, t, block), result.points(block, t)
    y = points[:, 1]
    if len(values) != len(points):
        y = points[result.cells(block, t)].mean(axis=1)[:, 1]
    bottom, top = result.extent(t)[:, 1]
    place, index = np.unique(np.round((y - bottom) / (top - bottom), 9), return_inverse=True)
    total = np.bincount(index, weights=values) / np.bincount(index)
    return place * (top - bottom), total


def _over_time(ax: Any, result: Result, name: str, block: str, values_of: Values) -> None:
    means = np.array([values_of(result, name, float(t), block).mean() for t in result.times])
    style = field_of(result, name)
    signed = dataclasses.replace(style, magnitude=False, label=style.label.replace("|", ""))
    scale, (size, unit) = scaled(means, signed), time_label(result.times[-1])
    ax.plot(result.times / size, scale(means), "o-", color=LINES[0], markersize=3)
    ax.set_xlabel(f"time ({unit})")
    ax.set_ylabel(scale.label)
    ax.set_ylim(*_room(scale.low, scale.high))
    ax.grid(True)
