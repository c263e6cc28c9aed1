"""One field or one curve of a result as a figure: maps, profiles over depth, movies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError, nearest
from fem.post.fields import drawable, field_of
from fem.post.figures import caption_text, field_panel, shown_block, values_in
from fem.post.layout import panels
from fem.post.materials import legend, name_layers
from fem.post.spread import frame, measures
from fem.post.streams import flow, streams
from fem.post.style import LINES, LOOK, Scaled, caption, scaled, show_time, time_label
from fem.results.result import Result

__all__ = ["cut", "depth_profile", "movie", "plot", "profile"]

Array = npt.NDArray[np.float64]

#: Shown micrometres per metre.
UM = 1e6
#: Slices of a profile, and times of one by default.
SLICES, TIMES = 80, 5
#: Charge per area of 1 mAh/cm2, C/m^2.
MAH_CM2 = 36000.0
#: Share of the largest charge below which a step counts as rest.
REST = 1e-10
#: Curves up to which each is named in a legend, and samples along a cut line.
MOST_NAMED, SAMPLES = 10, 401
#: Frames of a movie per second.
RATE = 8


def plot(
    result: Result, name: str = "voltage", t: float | None = None,
    limits: tuple[float, float] | None = None, against: str = "t", lines: str = "",
) -> Any:
    """Figure of a column of the series against time or capacity, or of a field (2D) as a map.

    Args:
        result: finished or not.
        name: of the column or of the field.
        t: time of a field, s; the nearest that is stored; default the last.
        limits: ends of the colours of a field, or of the axis of a column, SI.
        against: of a column: `t`, or `charge`: a curve for each time that the current keeps its
            sign, over the charge since it began.
        lines: vector whose lines are drawn over a map, as `i_l`.

    Raises:
        CaseError: there is nothing of that name, it is a field in 3D, or no charge flows.
    """
    import matplotlib

    fields = drawable(result)
    if lines:
        flow(result, t, lines)  # names a vector that is not there
    with matplotlib.rc_context(LOOK):
        if name in fields:
            return _for_notebooks(_map(result, name, t, limits, lines))
        if name in result.series:
            drawn = _curve(result, name) if against == "t" else _over_capacity(result, name)
            if limits is not None:
                drawn.axes[0].set_ylim(*np.sort(_shown_unit(result, name)[0] * np.array(limits)))
            return _for_notebooks(drawn)
    raise CaseError(f"{result.folder}: no column or field {name!r}; "
                    f"{nearest(name, fields | result.series.keys())}")


def _for_notebooks(figure: Any) -> Any:
    """The figure, which a notebook shows as a picture although no pyplot knows it.

    It is saved with all that belongs to it: bars and captions stand beside and below the axes.
    """
    plain = figure.savefig

    def save(file: Any, **how: Any) -> None:
        import matplotlib

        with matplotlib.rc_context(LOOK):
            plain(file, **{"bbox_inches": "tight", "pad_inches": 0.08} | how)

    def png() -> bytes:
        with BytesIO() as file:
            save(file, format="png")
            return file.getvalue()

    figure.savefig, figure._repr_png_ = save, png
    return figure


def _curve(result: Result, name: str) -> Any:
    from matplotlib.figure import Figure

    series = result.series
    factor, unit = _shown_unit(result, name)
    size, shown = time_label(float(series["t"].max()))
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    ax = figure.subplots()
    ax.plot(series["t"] / size, series[name] * factor, color=LINES[0])
    ax.set_xlabel(f"time ({shown})")
    ax.set_ylabel(f"{name} ({unit})" if unit else name)
    ax.grid(True)
    return figure


def _shown_unit(result: Result, name: str) -> tuple[float, str]:
    """Factor of a column to the unit of figures, and that unit: small voltages in mV."""
    unit, values = result.units.get(name, ""), result.series[name]
    small = unit == "V" and float(np.abs(np.nan_to_num(values)).max(initial=0.0)) < 0.5
    return (1e3, "mV") if small else (1.0, unit)


def half_cycles(charge: Array) -> list[slice]:
    """Rows in which charge goes one way, from the row before the first of them; rests lie out."""
    step = np.diff(charge)
    way = np.where(np.abs(step) > REST * np.abs(charge).max(), np.sign(step), 0.0)
    turns = np.flatnonzero(np.diff(way)) + 1
    bounds = [0, *turns.tolist(), len(way)]
    return [slice(a, b + 1) for a, b in pairwise(bounds)
            if b > a and way[a] != 0.0]


def _over_capacity(result: Result, name: str) -> Any:
    """A column over the charge of each half cycle: lines for plating, dashes for stripping."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    series = result.series
    charge = series.get("charge", np.zeros(0))
    found = half_cycles(charge) if len(charge) > 1 else []
    if not found:
        raise CaseError(f"{result.folder}: series.csv has no charge that flows; draw {name} "
                        "against time")
    factor, shown = _shown_unit(result, name)
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    ax = figure.subplots()
    first = np.sign(charge[found[0].stop - 1] - charge[found[0].start])
    # A cycle begins with each half that goes the way of the first.
    ways = np.array([np.sign(charge[rows.stop - 1] - charge[rows.start]) for rows in found])
    cycle = np.cumsum(ways == first)
    colours = colormaps["viridis"](np.linspace(0.0, 0.85, int(cycle[-1])))
    for rows, way, k in zip(found, ways, cycle, strict=True):
        begin = charge[rows.start] if rows.start else 0.0  # the first row is the end of a step
        words = f"{k}: {'plating' if way < 0 else 'stripping'}"
        own = slice(rows.start + bool(rows.start), rows.stop)  # its voltages, not the one before
        ax.plot(np.abs(charge[own] - begin) / MAH_CM2, series[name][own] * factor,
                color=colours[k - 1], linestyle="-" if way < 0 else "--", label=words)
    ax.set_xlabel("capacity (mAh/cm²)")
    ax.set_ylabel(f"{name} ({shown})" if shown else name)
    ax.grid(True)
    if 1 < len(found) <= MOST_NAMED:
        ax.legend()
    dashed = ", stripping dashed" * bool((ways > 0).any())
    caption(figure, f"{result.summary.get('title', '')} · half cycles: {len(found)}, "
                    f"capacity from the start of each{dashed}")
    return figure


def _flat(result: Result) -> tuple[Array, Array]:
    """Lowest and highest coordinates, um.

    Raises:
        CaseError: the result is of a cell in 3D.
    """
    low, high = result.extent() * UM
    if high[2] > low[2]:
        raise CaseError(f"{result.folder}: is of a cell in 3D; `hostplate post` and `hostplate "
                        "view` show it")
    return low, high


def _map(
    result: Result, name: str, t: float | None, limits: tuple[float, float] | None, lines: str
) -> Any:
    low, high = _flat(result)
    wide, tall = (high - low)[:2]
    values = np.asarray(values_in(result, name, t) if limits is None else limits, dtype=float)
    scale = scaled(values, field_of(result, name))
    made = panels(wide, tall, 1, bars=1)
    ax = made.axes[0]
    drawn = field_panel(ax, result, t, name, scale, values)
    _limit(drawn, scale, limits)
    along = [flow(result, t, lines)] if lines else []
    said = [f.words(streams(ax, result, t, f)) for f in along]
    ax.set_aspect("equal" if made.stretch == 1.0 else "auto")
    walls = shown_block(result, name) == "walls"  # lines on the edge are not cut in half
    pad = 0.012 * (high - low) * walls
    ax.set_xlim(low[0] - pad[0], high[0] + pad[0])
    ax.set_ylim(low[1] - pad[1], high[1] + pad[1])
    name_layers(ax, result)
    legend(made.figure, made.axes)
    made.colour_bar(drawn, scale.label)
    when = result.time(t, shown_block(result, name))
    caption(made.figure, caption_text(result, when, *said))
    return made.figure


def _limit(drawn: Any, scale: Scaled, limits: tuple[float, float] | None) -> None:
    """Give the colours of a map the ends, SI, that are asked for."""
    if limits is not None:
        drawn.set_clim(*np.sort(scale(np.asarray(limits, dtype=float))))


def _bound(ax: Any, scale: Scaled, limits: tuple[float, float] | None) -> None:
    """Give the axis of curves the ends, SI, that are asked for."""
    if limits is not None:
        ax.set_ylim(*np.sort(scale(np.asarray(limits, dtype=float))))


def depth_profile(result: Result, name: str, t: float | None) -> tuple[Array, Array]:
    """Mean depth, m, and mean of a field in slices of the block that has it; NaN without cells.

    Raises:
        CaseError: no such field, or the collector is no plane.
    """
    here = frame(result)
    if here is None:
        raise CaseError(f"{result.folder}: the collector is no plane; there is no depth")
    block = next((b for b in result.blocks if name in result.fields(b)), None)
    if block is None:
        known = {f for b in result.blocks for f in result.fields(b)}
        raise CaseError(f"{result.folder}: no field {name!r}; {nearest(name, known)}")
    points, cells = result.points(block, t), result.cells(block, t)
    values = result.array(name, t, block)
    values = values if values.ndim == 1 else np.linalg.norm(values, axis=1)
    each = np.repeat(values[:, None], cells.shape[1], axis=1) if (
        result.center(name, block) == "Cell") else values[cells]
    weight, depth = measures(points, cells, here.axisymmetric), here.depth(points)[cells]
    # A corner stands for its share of the cell: a point half way to the middle, and what is there.
    depth, each = (0.5 * (x + x.mean(axis=1, keepdims=True)) for x in (depth, each))
    edges = np.linspace(depth.min(), depth.max(), SLICES + 1)
    index = np.clip(np.searchsorted(edges, depth.ravel(), side="right") - 1, 0, SLICES - 1)
    total = np.bincount(index, weights=weight.ravel(), minlength=SLICES)
    size = np.where(total > 0.0, total, np.nan)
    where, mean = (np.bincount(index, weights=(weight * x).ravel(), minlength=SLICES) / size
                   for x in (depth, each))
    return where, mean


def _stored(result: Result, times: Sequence[float]) -> list[float]:
    """Stored times nearest to the given ones, each once; five over the run where none is given."""
    stored = result.times
    if not len(times):
        index = np.linspace(0, len(stored) - 1, TIMES).astype(int)
    else:
        index = np.array([int(np.argmin(np.abs(stored - t))) for t in times])
    return [float(stored[k]) for k in np.unique(index)]


def cut(
    result: Result, name: str, a: Sequence[float], b: Sequence[float], times: Sequence[float] = (),
    limits: tuple[float, float] | None = None,
) -> Any:
    """Figure of a field along the straight line from a to b, m, at several times.

    Curves are broken where the line leaves the block that has the field. Vectors count by their
    magnitude. `limits`: ends of the axis, SI.

    Raises:
        CaseError: no such field, or the line meets no cell that has it.
    """
    found = {}
    for t in _stored(result, times):
        along, values = result.line(a, b, name, SAMPLES, t)
        found[t] = along, values if values.ndim == 1 else np.linalg.norm(values, axis=1)
    if not any(np.isfinite(values).any() for _, values in found.values()):
        low, high = (", ".join(f"{x:.6g}" for x in corner * UM) for corner in result.extent())
        raise CaseError(f"{result.folder}: the line meets no cell with {name}; the cell lies from "
                        f"({low}) to ({high}) um")
    start, end = (", ".join(f"{x * UM:.4g}" for x in p) for p in (a, b))
    return _curves(result, name, found, limits, "distance along the line (µm)",
                   f"line from ({start}) to ({end}) µm")


def profile(
    result: Result, name: str, times: Sequence[float] = (),
    limits: tuple[float, float] | None = None,
) -> Any:
    """Figure of a field over depth below the separator side of the host, at several times.

    `limits`: ends of the axis, SI.
    """
    found = {}
    for t in _stored(result, times):
        depth, values = depth_profile(result, name, t)
        on = np.isfinite(values)
        found[t] = depth[on], values[on]
    here = frame(result)
    assert here is not None
    return _curves(result, name, found, limits, "depth below the separator side of the host (µm)",
                   "means of slices, host shaded", shaded=here.thickness)


def _curves(
    result: Result, name: str, found: Mapping[float, tuple[Any, Any]],
    limits: tuple[float, float] | None, along: str, what: str, shaded: float = 0.0,
) -> Any:
    """Figure of a field over a length at several times.

    Args:
        result: has the field.
        name: of the field.
        found: time, s -> lengths, m, and values there, SI.
        limits: ends of the axis, SI.
        along: words for the length.
        what: words for the curves, below the figure.
        shaded: length from 0 that is shaded, m.
    """
    import matplotlib
    from matplotlib.figure import Figure

    every = np.concatenate([values for _, values in found.values()])
    shown = every[np.isfinite(every)] if limits is None else np.asarray(limits, dtype=float)
    scale = scaled(shown, field_of(result, name))
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        ax = figure.subplots()
        colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.85, len(found)))
        for (t, (lengths, values)), colour in zip(found.items(), colours, strict=True):
            ax.plot(lengths * UM, scale(values), color=colour, label=show_time(t))
        _bound(ax, scale, limits)
        if shaded:
            ax.axvspan(0.0, shaded * UM, color="#eef3f7", zorder=0)
        ax.set_xlabel(along)
        ax.set_ylabel(scale.label)
        ax.grid(True)
        ax.legend()
        caption(figure, f"{result.summary.get('title', '')} · {what}")
    return _for_notebooks(figure)


def movie(
    result: Result, name: str, file: Path, limits: tuple[float, float] | None = None
) -> Path:
    """Film of a field (2D) over all stored times, on one scale: gif, or mp4 where ffmpeg is there.

    Args:
        result: with fields of two times or more.
        name: of the field.
        file: `.gif` or `.mp4`.
        limits: ends of the colours, SI; default the smallest and the largest value of all times.

    Raises:
        CaseError: no such field, fewer than two times, or no ffmpeg for an mp4.
    """
    import matplotlib
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if name not in (known := drawable(result)):
        raise CaseError(f"{result.folder}: no field {name!r}; {nearest(name, known)}")
    times = result.times
    if len(times) < 2:
        raise CaseError(f"{result.folder}: fields of one time make no movie; "
                        "give [output] fields_every")
    if file.suffix not in (".gif", ".mp4"):
        raise CaseError(f"{file}: a movie is a .gif or a .mp4")
    if file.suffix == ".mp4" and not FFMpegWriter.isAvailable():
        raise CaseError(f"{file}: no ffmpeg on PATH; write a .gif")
    low, high = _flat(result)
    every = np.asarray(limits, dtype=float) if limits else np.concatenate(
        [np.asarray(values_in(result, name, t)).ravel() for t in times])
    scale = scaled(every, field_of(result, name))
    with matplotlib.rc_context(LOOK | {"savefig.dpi": 110}):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        wide, tall = (high - low)[:2]
        side = float(np.clip(4.5 * wide / tall, 1.6, 6.0))
        figure = Figure(figsize=(side + 1.6, 4.9), layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.subplots()
        writer = PillowWriter(fps=RATE) if file.suffix == ".gif" else FFMpegWriter(fps=RATE)
        bar = None
        with writer.saving(figure, str(file), 110):
            for t in times:
                ax.clear()
                drawn = field_panel(ax, result, float(t), name, scale, every)
                _limit(drawn, scale, limits)
                if bar is None:
                    bar = figure.colorbar(drawn, ax=ax)
                    bar.set_label(scale.label)
                ax.set_xlim(low[0], high[0])
                ax.set_ylim(low[1], high[1])
                ax.set_aspect("equal" if max(wide, tall) < 8 * min(wide, tall) else "auto")
                ax.set_title(f"t = {show_time(float(t), float(times[-1]), 3)}", fontsize=9)
                ax.set_xlabel("x (µm)")
                ax.set_ylabel("y (µm)")
                writer.grab_frame()
    return file
