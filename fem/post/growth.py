"""Figure of a growth study: where the metal is."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.post.fields import cut_off_of, field_of, phase_of
from fem.post.layout import panels
from fem.post.materials import body, name_layers
from fem.post.materials import legend as material_legend
from fem.post.occupancy import cells_afloat, host_cells, phase_field_at
from fem.post.style import (
    DEAD,
    INK,
    INSULATOR,
    METAL,
    PORE,
    SOLID,
    caption,
    show_time,
    stretches,
)
from fem.results.result import Result

__all__ = ["bodies", "legend", "metal"]

UM = 1e6
PANELS, PANELS_3D = 5, 4


def metal(result: Result, t: float | None) -> Any:
    """The metal at up to five times, host in grey, metal without electronic contact in red."""
    if "metal" not in result.blocks or t is not None:
        return None
    low, high = result.extent() * UM
    if high[2] > low[2]:
        return _metal_3d(result)
    from matplotlib.colors import LinearSegmentedColormap

    chosen = _some_times(result, PANELS)
    wide, tall = (high - low)[:2]
    made = panels(wide, tall, len(chosen), bars=1, titles=True)
    colours = LinearSegmentedColormap.from_list("metal", [PORE, METAL])
    drawn: Any = None
    for ax, now in zip(made.axes, chosen, strict=True):
        for block, colour in (("pore", PORE), ("insulator", INSULATOR), ("solid", SOLID)):
            if block in result.blocks:  # the separator has no metal
                body(ax, result, now, block, colour)
        points, cells = result.points("metal", now) * UM, result.cells("metal", now)
        xi = result.array(phase_of(result), now, "metal")
        drawn = ax.tripcolor(
            points[:, 0], points[:, 1], cells, np.clip(xi, 0.0, 1.0), shading="gouraud",
            cmap=colours, vmin=0.0, vmax=1.0, rasterized=True,
        )  # fmt: skip
        _body(ax, result, now, xi, DEAD, cells_afloat(result, now))
        ax.set_aspect("equal" if made.stretch == 1.0 else "auto")
        ax.set_xlim(low[0], high[0])
        ax.set_ylim(low[1], high[1])
        name_layers(ax, result)
        ax.set_title(show_time(float(now), float(chosen[-1]), 3), fontsize=9, color=INK)
    material_legend(made.figure, made.axes)
    made.colour_bar(drawn, r"metal $\xi$")
    more = [*legend(result, None), *scale_remark(made.stretch, wide, tall)]
    caption(made.figure, " · ".join([str(result.summary.get("title", "")), *more]))
    return made.figure


def bodies(ax: Any, result: Result, t: float | None) -> None:
    """The metal up to the contour xi = 1/2, in red what has no electronic contact (2D)."""
    xi = phase_field_at(result, t, "metal")
    _body(ax, result, t, xi, METAL)
    _body(ax, result, t, xi, DEAD, cells_afloat(result, t))


def pores(ax: Any, result: Result, t: float | None) -> None:
    """The pores where there is no metal (2D)."""
    _body(ax, result, t, 1.0 - phase_field_at(result, t, "metal"), PORE)


def _body(
    ax: Any, result: Result, t: float | None, values: Any, colour: str, on: Any = slice(None)
) -> None:
    """Fill the region where nodal values of the block `metal` are above 1/2, in one colour.

    Args:
        ax: to draw on.
        result: that is shown.
        t: time, s.
        values: at the nodes.
        colour: of the region.
        on: cells that are drawn; default all.
    """
    points, cells = result.points("metal", t) * UM, result.cells("metal", t)[on]
    if values[cells].max(initial=0.0) <= 0.5:
        return
    ax.tricontourf(
        points[:, 0], points[:, 1], cells, values, levels=[0.5, max(2.0, 2 * values.max())],
        colors=[colour], antialiased=False,
    )  # fmt: skip


def legend(result: Result, t: float | None, names: tuple[str, ...] = ()) -> list[str]:
    """Meaning of colours beside those of the fields `names`; empty where it is plain to see.

    Without names it is the metal that is shown.
    """
    blocks, notes = result.blocks, []
    media = {field_of(result, name).medium for name in names}
    conductors = media == {"conductor"}
    growing, low_high = "metal" in blocks, result.extent()
    solid = bool(low_high[1][2] > low_high[0][2])
    # Fields of walls are drawn alone.
    walls = solid and not growing and names and not {"electrolyte", "conductor"} & media
    if (
        (growing or "insulator" in blocks)
        and not conductors
        and not walls
        and _has_host(result, t)
    ):
        notes.append("host grey")
    if "insulator" in blocks:
        notes.append("insulators sand")
    if not names or (growing and names == (phase_of(result),)):  # in 2D a colour bar tells the rest
        shown = _some_times(result, PANELS_3D if solid else PANELS) if t is None else (t,)
        there = solid and any(_has_metal(result, now) for now in shown)
        dead = any(_has_dead(result, now) for now in shown)
        notes += ["metal blue"] * there + ["cut-off metal red"] * dead
    elif growing and not conductors and not (solid and media == {"wall"}):
        notes += ["metal blue"] * _has_metal(result, t)
        notes += ["cut-off metal red"] * _has_dead(result, t)
    return [", ".join(notes)] if notes else []


def _cut_off(result: Result, t: float | None) -> Any:
    """Share of metal without electronic contact at nodes of the block `metal`."""
    xi, name = phase_field_at(result, t, "metal"), cut_off_of(result)
    return xi * (result.array(name, t, "metal") if name else 0.0)


def _has_metal(result: Result, t: float | None) -> bool:
    """True if metal is drawn: its body ends at xi = 1/2."""
    return bool(phase_field_at(result, t, "metal").max() > 0.5)


def _has_dead(result: Result, t: float | None) -> bool:
    """True if some metal has no electronic contact."""
    return bool(_cut_off(result, t).max() > 0.5)


def _has_host(result: Result, t: float | None) -> bool:
    """There is a host; in a growth study the block `solid` may be nothing but pores."""
    if "solid" not in result.blocks:
        return False
    known = all("region" in result.fields(block) for block in ("solid", "pore"))
    return not known or bool(host_cells(result, t).any())


def scale_remark(stretch: float, wide: float, tall: float) -> list[str]:
    """Remark on how much a cell is not to scale."""
    if stretch <= 1.0:
        return []
    return [f"not to scale: {'y' if wide > tall else 'x'}\u00a0×\u00a0{stretch:.3g}"]


def box_remark(result: Result, t: float | None) -> list[str]:
    """Size of the box in 3D, and how it was stretched."""
    size = np.ptp(result.extent(t), axis=0)
    factors = stretches(size)
    notes = [f"box {' × '.join(f'{s:.3g}' for s in size * UM)} µm, z up"]
    if factors.max() > 1.0:
        much = ", ".join(
            f"{n}\u00a0×\u00a0{f:.3g}" for n, f in zip("xyz", factors, strict=True) if f > 1
        )
        notes.append(f"not to scale: {much}")
    return notes


def largest(images: list[Any]) -> tuple[int, int]:
    """Width and height, pixels, that hold each of some images."""
    return max(image.shape[1] for image in images), max(image.shape[0] for image in images)


def _some_times(result: Result, most: int) -> Any:
    """Stored times, s: the first, the last, and others evenly between."""
    times = np.asarray(result.times)
    return times[np.unique(np.linspace(0, len(times) - 1, min(most, len(times))).astype(int))]


def _metal_3d(result: Result) -> Any:
    """Bodies of metal (xi > 1/2) around the host, rendered elsewhere."""
    from fem.post.render import pictures

    chosen = _some_times(result, PANELS_3D)
    job = {"folder": str(result.folder), "block": "metal", "field": phase_of(result)}
    images = pictures([job | {"t": float(now)} for now in chosen])
    made = panels(*largest(images), len(images), titles=True, bare=True)
    for ax, image, now in zip(made.axes, images, chosen, strict=True):
        ax.imshow(image, interpolation="antialiased")
        ax.set_title(show_time(float(now), float(chosen[-1]), 3), fontsize=9, color=INK)
    more = [*box_remark(result, None), *legend(result, None)]
    caption(made.figure, " · ".join([str(result.summary.get("title", "")), *more]))
    return made.figure
