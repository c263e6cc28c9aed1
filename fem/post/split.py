"""Figure of the cell voltage by its parts: stacked areas against time, bars without time."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.contract.physics import VOLTAGE_PARTS
from fem.post.style import INK, caption, time_label
from fem.results.result import Result

__all__ = ["voltage_parts"]

#: Words and colour of each part, in the order in which they are stacked.
LOOKS = {
    "ohmic_s": ("ohmic, electrons", "#3c3c3c"),
    "contact": ("contacts", "#8a8a8a"),
    "ohmic_l": ("ohmic, ions", "#20567a"),
    "concentration": ("concentration", "#6fa3c7"),
    "kinetic_plating": ("kinetics, plating side", "#c8553d"),
    "kinetic_counter": ("kinetics, counter", "#e8a48f"),
    "rest_counter": ("counter at rest", "#d9d9d9"),
    "film": ("film, plating side", "#5b8c5a"),
    "film_counter": ("film, counter", "#a9c9a4"),
    "nucleation": ("nucleation", "#c9a227"),
    "capillary": ("capillary", "#8d6a9f"),
    "shift": ("other shifts", "#b9a3c6"),
    "stored": ("stored in layers and mixing", "#7fb8ad"),
    "elsewhere": ("other boundaries", "#d9d9d9"),
}
#: Studies whose `t` is no time, or leads to a steady state: the last row counts.
TIMELESS = ("primary", "secondary", "steady")
#: Share of the largest part below which one is named, but not drawn.
SMALL = 1e-3


def split_of(result: Result) -> dict[str, Any]:
    """Parts of the voltage by name, V, a value for each row of the series; NaN at rest."""
    series = result.series
    return {part: series[f"V_{part}"] for part in VOLTAGE_PARTS if f"V_{part}" in series}


def voltage_parts(result: Result, t: float | None) -> Any:
    """Stacked parts of the voltage; parts that give something back stand on the other side of 0."""
    parts, series = split_of(result), result.series
    if not parts or t is not None:
        return None
    on = ~np.isnan(np.asarray(next(iter(parts.values()))))
    if not on.any():
        return None
    from matplotlib.figure import Figure

    tops = {part: float(np.abs(values[on]).max()) for part, values in parts.items()}
    drawn = [p for p in LOOKS if tops.get(p, 0.0) > SMALL * max(tops.values())]
    less = [LOOKS[p][0] for p in LOOKS if p in tops and p not in drawn and tops[p] > 0.0]
    most = float(np.abs(series["voltage"][on]).max())
    factor, unit = (1.0, "V") if most >= 1.0 else (1e3, "mV") if most >= 1e-3 else (1e6, "µV")
    figure = Figure(figsize=(6.6, 3.6), layout="constrained")
    ax = figure.subplots()
    if len(series["t"]) < 2 or result.summary.get("study") in TIMELESS:
        _bars(ax, {p: float(parts[p][on][-1]) * factor for p in drawn}, unit)
    else:
        time, size = series["t"], time_label(float(series["t"].max()))
        for run in _runs(on):
            _stack(ax, time[run] / size[0], {p: parts[p][run] * factor for p in drawn})
        shown = np.where(on, series["voltage"], np.nan) * factor
        ax.plot(time / size[0], shown, color=INK, linewidth=1.2, label="cell voltage")
        ax.set_xlabel(f"time ({size[1]})")
        ax.set_ylabel(f"cell voltage ({unit})")
        ax.axhline(0.0, color=INK, linewidth=0.6)
        ax.margins(x=0.0)
        handles, labels = ax.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        figure.legend(unique.values(), unique.keys(), loc="outside right upper")
    notes = [str(result.summary.get("title") or result.folder.resolve().name)]
    notes += ["each place counts by its share of the current"]
    notes += [f"below {SMALL:.1%} of the largest: {', '.join(less)}"] if less else []
    caption(figure, " · ".join(notes))
    return figure


def _runs(on: Any) -> list[Any]:
    """Indices of the stretches of rows with a current."""
    index = np.flatnonzero(on)
    return [part for part in np.split(index, np.flatnonzero(np.diff(index) > 1) + 1) if len(part)]


def _stack(ax: Any, time: Any, values: dict[str, Any]) -> None:
    """Areas on both sides of zero."""
    up, down = np.zeros_like(time), np.zeros_like(time)
    for part, part_of in values.items():
        name, colour = LOOKS[part]
        low = np.where(part_of >= 0.0, up, down)
        ax.fill_between(time, low, low + part_of, color=colour, linewidth=0, label=name)
        up, down = up + np.maximum(part_of, 0.0), down + np.minimum(part_of, 0.0)


def _bars(ax: Any, values: dict[str, float], unit: str) -> None:
    """One bar a part."""
    names = [LOOKS[part][0] for part in values]
    drawn = ax.barh(names, [*values.values()], color=[LOOKS[part][1] for part in values])
    ax.bar_label(drawn, fmt="%.4g", padding=3, fontsize=8)
    ax.invert_yaxis()
    ax.axvline(0.0, color=INK, linewidth=0.6)
    ax.margins(x=0.15)
    ax.set_xlabel(f"part of the cell voltage ({unit})")
