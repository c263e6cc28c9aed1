"""Results on top of one another: curves in one figure, maps of a field on one scale."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.contract.registry import with_own
from fem.post import columns
from fem.post.diagrams import changes, series_axis
from fem.post.fields import field_of
from fem.post.figures import field_panel, shown_block, values_in, values_of
from fem.post.layout import shown_ratio, tick_along_x
from fem.post.style import INK, LINES, LOOK, caption, scaled, shortened, show_time, time_label
from fem.results.measured import Measured
from fem.results.result import Result

__all__ = ["away", "curves", "maps", "overlay"]

Array = npt.NDArray[np.float64]

#: Shown micrometres per metre, and mAh/cm2 per C/m2.
UM, MAH = 1e6, 1 / 36000.0
#: Lines that lie on one another are all seen.
STYLES = ("-", "--", "-.", ":")
#: Share of a curve by which measured points may lie beyond its ends.
AT_ENDS = 1e-6
#: Letters of a name beside others.
MOST_LETTERS = 29
#: Letters of a title to an inch of a map.
TITLE_LETTERS = 11
#: Columns that are drawn against time or charge, with their units.
CURVES = {"voltage": "V", "current_density": "A/m^2"}


def overlay(
    results: Sequence[Result], names: Sequence[str], measured: Sequence[Measured], folder: Path,
    *, kind: str = "png", against: str = "t", fields: Sequence[str] = (), t: float | None = None,
) -> list[Path]:
    """Draw curves and maps of results into a folder; the files that were written.

    Args:
        results: to be compared.
        names: of each, for legends.
        measured: curves of others.
        folder: of the figures.
        kind: `png`, `pdf` or `svg`.
        against: `t` or `charge`.
        fields: to be mapped; by default all that every result has, and that some figure shows.
        t: time of the fields, s; default the last.
    """
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    names, written = [shortened(name, MOST_LETTERS) for name in names], []
    with matplotlib.rc_context(LOOK):
        figures = {"curves": curves(results, names, measured, against)}
        shown = {n for p in with_own().physics for f in p.figures for n in f.maps}
        everywhere = set.intersection(*(
            {n for block in r.blocks for n in r.fields(block)} for r in results
        )) if results else set()
        if lost := [name for name in fields if name not in everywhere]:
            raise CaseError(f"no field {lost[0]!r} in all of the results; there are: "
                            f"{', '.join(sorted(everywhere))}")
        for name in fields or sorted(everywhere & shown):
            figures[f"map_{name}"] = maps(results, names, name, t)
        for name, figure in figures.items():
            if figure is not None:
                written.append(folder / f"{name}.{kind}")
                figure.savefig(written[-1], bbox_inches="tight", pad_inches=0.08)
    return written


def _abscissa(table: Mapping[str, Array], against: str) -> Array | None:
    """Times or charges of a table; charges count from 0 and are positive."""
    if against not in table:
        return None
    return np.abs(table[against]) if against == "charge" else table[against]


def curves(
    results: Sequence[Result], names: Sequence[str], measured: Sequence[Measured], against: str
) -> Any:
    """Voltage and current of results as lines, of others as points."""
    from matplotlib.figure import Figure

    lines = [(n, r.series, STYLES[k % len(STYLES)])
             for k, (n, r) in enumerate(zip(names, results, strict=True))]
    points = [(m.name, m.columns, "o") for m in measured]
    every = [(n, d, style, _abscissa(d, against)) for n, d, style in [*lines, *points]]
    tables = [(n, d, style, x) for n, d, style, x in every if x is not None]
    if not tables:
        return None
    changing = [c for c in CURVES if any(
        c in d and changes(d[c]) for _, d, _, _ in tables)]
    panels = [c for c in CURVES if c == "voltage" or c in changing]
    longest = max(float(np.max(x)) for *_, x in tables)
    size, unit = time_label(longest) if against == "t" else (1 / MAH, "mAh/cm²")
    figure = Figure(figsize=(5.6, 2.6 * len(panels) + 0.4), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for ax, name in zip(axes, panels, strict=True):
        every_value = np.concatenate([table[name] for _, table, *_ in tables if name in table])
        factor, label = series_axis(name, CURVES[name], every_value)
        for k, (who, table, style, x) in enumerate(t for t in tables if name in t[1]):
            ax.plot(x / size, table[name] * factor, style, color=LINES[k % len(LINES)], label=who,
                    markersize=3, markerfacecolor="none")
        ax.set_ylabel(label)
        ax.grid(True)
        ax.legend(loc="best")
    axes[-1].set_xlabel(f"time ({unit})" if against == "t" else f"charge ({unit})")
    return figure


def away(series: Mapping[str, Array], other: Measured, name: str = "voltage") -> dict[str, float]:
    """Root mean square and largest difference of a curve from a measured one, at its points.

    Against time where both have it, else against charge: of the first plating or stripping, rests
    left out. Where the curve does not reach it counts nothing.

    Raises:
        CaseError: it reaches none of them, or the measured charge runs back.
    """
    against = "t" if "t" in other.columns else "charge"
    x, there = _abscissa(series, against), _abscissa(other.columns, against)
    if x is None or there is None or name not in series or name not in other.columns:
        return {}
    curve = series[name]
    if against == "charge":
        if (np.diff(there) < 0.0).any() and (np.diff(there) > 0.0).any():
            raise CaseError(f"{other.name}: its charge runs forth and back; add a column of time, "
                            "or keep the first plating alone")
        once = _first_way(x)
        if not once.any():
            return {}
        x, curve = x[once], curve[once]
    order = np.argsort(x, kind="stable")
    slack = AT_ENDS * (x.max() - x.min())  # ends of steps are sums, those of tables are rounded
    inside = (there >= x.min() - slack) & (there <= x.max() + slack)
    if not inside.any():
        unit, per = ("s", 1.0) if against == "t" else ("mAh/cm2", 1 / MAH)
        word = "time" if against == "t" else "charge"
        ends = [float(v) / per for v in (there.min(), there.max(), x.min(), x.max())]
        raise CaseError(
            f"{other.name}: its {word}s, {ends[0]:.4g} to {ends[1]:.4g} {unit}, share none with "
            f"those of the result, {ends[2]:.4g} to {ends[3]:.4g} {unit}; check the unit in its "
            f"header, let its {word} count from the start of the plating, or compare with a run "
            "that goes so far"
        )
    gap = np.interp(there[inside], x[order], curve[order]) - other.columns[name][inside]
    return {"rms": float(np.sqrt(np.mean(gap**2))), "largest": float(np.abs(gap).max()),
            "points": float(inside.sum())}


def _first_way(charge: Array) -> npt.NDArray[np.bool_]:
    """Rows of a growing charge before it runs back for the first time; rests are left out."""
    step = np.diff(charge, prepend=0.0)
    least = 1e-9 * float(np.abs(charge).max())
    back = np.flatnonzero(step < -least)
    before = np.arange(len(charge)) < (back[0] if len(back) else len(charge))
    return before & (step > least)


def maps(results: Sequence[Result], names: Sequence[str], field: str, t: float | None) -> Any:
    """A field of all results (2D) side by side, in one unit and one range of colours.

    Of cells that are one mesh cell wide: as curves over the height, in one panel.
    """
    from matplotlib.figure import Figure

    if all(columns.is_column(r, t) for r in results):
        return _over_height(results, names, field, t)
    extents = [r.extent() * UM for r in results]
    if any(high[2] > low[2] for low, high in extents):
        return None
    every = [values_in(r, field, t) for r in results]
    style = field_of(results[0], field)
    scale = scaled(np.concatenate(every), style)
    ratios = [shown_ratio(*(high - low)[:2]) for low, high in extents]
    widths = [float(np.clip(3.0 / ratio, 1.0, 3.2)) for ratio, _ in ratios]
    figure = Figure(figsize=(sum(widths) + 1.2, 3.0 + 0.6), layout="constrained")
    axes = figure.subplots(1, len(results), squeeze=False, width_ratios=widths)[0]
    drawn: Any = None
    for ax, result, name, (a, b), (ratio, true), width in zip(
        axes, results, names, extents, ratios, widths, strict=True
    ):
        drawn = field_panel(ax, result, t, field, scale, np.concatenate(every))
        pad = 0.02 * (b - a)
        ax.set_xlim(a[0] - pad[0], b[0] + pad[0])
        ax.set_ylim(a[1] - pad[1], b[1] + pad[1])
        ax.set_aspect("equal" if true else "auto")
        ax.set_box_aspect(None if true else ratio)
        tick_along_x(ax, width)
        when = show_time(result.time(t, shown_block(result, field)))
        title, share = _wrapped(f"{name}, {when}", int(TITLE_LETTERS * width))
        ax.set_title(title, fontsize=8 * share, color=INK)
        ax.set_xlabel("x (µm)")
    axes[0].set_ylabel("y (µm)")
    bar = figure.colorbar(drawn, ax=list(axes), shrink=0.8)
    bar.set_label(scale.label)
    if hasattr(bar.formatter, "set_useOffset"):
        bar.formatter.set_useOffset(False)
    stretched = [name for name, (_, true) in zip(names, ratios, strict=True) if not true]
    caption(figure, " · ".join(["one scale of colours for all",
                                *(f"{name}: not to scale" for name in stretched)]))
    return figure


def _wrapped(title: str, letters: int) -> tuple[str, float]:
    """A title in lines that end between words, and by how much its letters shrink for the longest.

    Args:
        title: words, which underscores join.
        letters: to a line.
    """
    text = textwrap.fill(title.replace("_", "_ "), letters, break_long_words=False)
    lines = [line.replace("_ ", "_") for line in text.splitlines()]
    return "\n".join(lines), min(1.0, letters / max(map(len, lines)))


def _over_height(
    results: Sequence[Result], names: Sequence[str], field: str, t: float | None
) -> Any:
    """A field of columns over their height, a curve for each; None of what lives on walls."""
    from matplotlib.figure import Figure

    blocks = [shown_block(r, field) for r in results]
    if "walls" in blocks:
        return None
    times = [r.time(t, block) for r, block in zip(results, blocks, strict=True)]
    found = [columns.along(r, field, now, block, values_of)
             for r, now, block in zip(results, times, blocks, strict=True)]
    scale = scaled(np.concatenate([values for _, values in found]), field_of(results[0], field))
    figure = Figure(figsize=(5.6, 3.0), layout="constrained")
    ax = figure.subplots()
    for k, ((height, values), name, now) in enumerate(zip(found, names, times, strict=True)):
        ax.plot(height * UM, scale(values), STYLES[k % len(STYLES)], color=LINES[k % len(LINES)],
                label=f"{name}, {show_time(now)}")
    ax.set_xlabel(columns.HEIGHT)
    ax.set_ylabel(scale.label)
    ax.grid(True)
    ax.legend(loc="best")
    return figure
