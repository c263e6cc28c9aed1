"""Figures of a sweep: a number against one entry, or as a map over two."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError, nearest
from fem.contract.registry import with_own
from fem.post.style import FAINT, INK, LINES, LOOK, caption
from fem.values.units import parse_any

__all__ = ["draw_sweep"]

#: Words for numbers along an axis; others stand under their names in the table.
WORDS = {
    "metrics.bottom_up": "bottom-up index B\n(-1: separator, 1: collector)",
    "metrics.max_mean": "largest over mean current density",
    "current_density": "current density",
}
#: Numbers that are drawn by themselves, if rows have them; with a voltage imposed the second ones.
DRAWN = ("metrics.bottom_up", "voltage", "metrics.max_mean")
DRAWN_HELD = ("metrics.bottom_up", "current_density", "charge", "metrics.max_mean")


def draw_sweep(
    folder: Path, rows: Sequence[Mapping[str, Any]], names: Sequence[str] = ()
) -> list[Path]:
    """Draw numbers of a sweep over its first one or two axes with several values.

    Failed points are crosses. Values of further axes (seeds) are drawn as points, and their mean.

    Args:
        folder: of the sweep.
        rows: as `fem.run.sweep.gather` gives them.
        names: of the numbers; by default B, what answers (voltage; where that is held, current
            density and charge) and the evenness of the current.

    Raises:
        CaseError: no such number.
    """
    import matplotlib

    record = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    axes, sampled = record["axes"], [*(record.get("sample") or [{}])[0]]
    chosen = [path for path, values in axes.items() if len(values) > 1]
    known = {k for row in rows for k, v in row.items() if isinstance(v, float)}
    if lost := [name for name in names if name not in known]:
        raise CaseError(f"no number {lost[0]!r} in the table; {nearest(lost[0], known)}")
    written = []
    with matplotlib.rc_context(LOOK):
        answers = DRAWN_HELD if _ends_held(record["case"]) else DRAWN
        for name in names or [n for n in answers if n in known]:
            varied = [p for p in chosen if not p.endswith("seed")] or chosen
            if not varied and not sampled:
                break
            figure = _scattered(rows, sampled, name) if sampled else (
                _map if len(varied) > 1 else _line)(rows, varied, axes, name)
            caption(figure, f"{folder.name}: {len(rows)} points, "
                    f"{sum(row['status'] != 'done' for row in rows)} failed")
            written.append(folder / f"{name.rpartition('.')[2]}.png")
            figure.savefig(written[-1], bbox_inches="tight", pad_inches=0.08)
    return written


def _ends_held(case: str) -> bool:
    """The last step of a case, a TOML text, imposes the voltage."""
    step: Mapping[str, Any] = {"steps": tomllib.loads(case).get("protocol", [])}
    while step.get("steps"):
        step = step["steps"][-1]
    return step.get("step") == "hold"


def _scattered(rows: Any, paths: Sequence[str], name: str) -> Any:
    """A number of a sample against each entry that has a range; failed points stand at the foot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(min(2.9 * len(paths) + 0.6, 9.0), 3.0), layout="constrained")
    axes = figure.subplots(1, len(paths), sharey=True, squeeze=False)[0]
    for k, (ax, path) in enumerate(zip(axes, paths, strict=True)):
        unit = _unit(rows[0][path])
        at = {good: np.array([_in(unit, r[path]) for r in rows if (name in r) == good])
              for good in (True, False)}
        ax.plot(at[True], [r[name] for r in rows if name in r], "o", color=LINES[0], markersize=4)
        if len(at[False]):
            ax.plot(at[False], np.zeros(len(at[False])), "x", color=LINES[1], label="failed",
                    transform=ax.get_xaxis_transform(), clip_on=False)
            ax.legend()
        everywhere = np.concatenate([*at.values()])
        if everywhere.min(initial=1.0) > 0.0 and everywhere.max() > 30 * everywhere.min():
            ax.set_xscale("log")
        ax.set_xlabel(_label(path, unit))
        ax.grid(True)
        if k == 0:
            ax.set_ylabel(_label(WORDS.get(name, name), with_own().unit(name)))
    return figure


def _place(path: str, value: str, axes: Mapping[str, list[str]]) -> float:
    """Place of a value on its axis: in the unit of the first, or its index where some are texts."""
    if not _are_numbers(axes[path]):
        return float(axes[path].index(str(value)))
    return _in(_unit(axes[path][0]), str(value))


def _are_numbers(values: Sequence[str]) -> bool:
    """All of them are quantities of one kind."""
    try:
        return bool([_in(_unit(values[0]), v) for v in values])
    except ValueError:
        return False


def _unit(value: str) -> str:
    """Unit that a value was written in; empty without one."""
    return str(value).strip("\"'").partition(" ")[2]


def _in(unit: str, value: str) -> float:
    """A value in a unit, which may have a zero of its own, as degC has."""
    number = parse_any(value)
    if not unit:
        return number
    zero, one = parse_any(f"0 {unit}"), parse_any(f"1 {unit}")
    return (number - zero) / (one - zero)


def _label(path: str, unit: str) -> str:
    unit = unit.replace("^2", "²").replace("^3", "³")
    return f"{path} ({unit})" if unit else path


def _line(rows: Any, varied: Sequence[str], axes: Mapping[str, list[str]], name: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    ax, path = figure.subplots(), varied[0]
    good = [(_place(path, r[path], axes), r[name]) for r in rows if name in r]
    bad = [_place(path, r[path], axes) for r in rows if name not in r]
    x, y = np.array(good, dtype=float).reshape(-1, 2).T
    ax.plot(x, y, "o", color=LINES[0], markersize=4)
    where = np.unique(x)
    ax.plot(where, [y[x == p].mean() for p in where], "-", color=LINES[0], linewidth=1.2)
    if bad:
        ax.plot(bad, np.full(len(bad), y.mean() if len(y) else 0.0), "x", color=LINES[1],
                label="failed")
        ax.legend()
    if _are_numbers(axes[path]):
        ax.set_xlabel(_label(path, _unit(axes[path][0])))
    else:
        ax.set_xticks(range(len(axes[path])), axes[path])
        ax.set_xlabel(path)
    ax.set_ylabel(_label(WORDS.get(name, name), with_own().unit(name)))
    ax.grid(True)
    return figure


def _map(rows: Any, varied: Sequence[str], axes: Mapping[str, list[str]], name: str) -> Any:
    from matplotlib.figure import Figure

    px, py = varied[:2]
    nx, ny = len(axes[px]), len(axes[py])
    total, count = np.zeros((ny, nx)), np.zeros((ny, nx))
    failed = np.zeros((ny, nx), dtype=bool)
    for row in rows:
        at = axes[py].index(str(row[py])), axes[px].index(str(row[px]))
        if name in row:
            total[at] += row[name]
            count[at] += 1
        else:
            failed[at] = True
    values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    figure = Figure(figsize=(1.6 + 0.62 * nx + 1.6, 1.2 + 0.5 * ny + 0.6), layout="constrained")
    ax = figure.subplots()
    found = values[np.isfinite(values)]
    span = float(np.abs(found).max(initial=0.0)) or 1.0
    signed = bool((found < 0.0).any() and (found > 0.0).any())
    look = {"cmap": "RdBu_r", "vmin": -span, "vmax": span} if signed else {"cmap": "viridis"}
    drawn = ax.imshow(values, origin="lower", aspect="auto", **look)
    if signed and nx > 1 and ny > 1 and np.isfinite(values).all():
        ax.contour(values, levels=[0.0], colors=[INK], linewidths=1.2)
    for j, k in np.ndindex(ny, nx):
        text = "failed" if failed[j, k] and not count[j, k] else (
            f"{values[j, k]:.3g}" if count[j, k] else "")
        red, green, blue, _ = drawn.cmap(drawn.norm(values[j, k])) if count[j, k] else (1.0,) * 4
        light = 0.3 * red + 0.6 * green + 0.1 * blue > 0.5
        ax.text(k, j, text, ha="center", va="center", fontsize=7,
                color=LINES[1] if text == "failed" else INK if light else "white")
    ax.set_xticks(range(nx), axes[px], rotation=30, ha="right")
    ax.set_yticks(range(ny), axes[py])
    ax.set_xlabel(px)
    ax.set_ylabel(py)
    ax.tick_params(color=FAINT)
    figure.colorbar(drawn, ax=ax).set_label(_label(WORDS.get(name, name), with_own().unit(name)))
    return figure
