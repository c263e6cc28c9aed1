"""Sizes of figures: panels that stay readable whatever the shape of the cell.

A figure is as wide as a page at most. Panels lie side by side or on top of one another, whichever
makes them larger; a cell that is much longer than wide is stretched, and the caption says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Panels", "panels", "shown_ratio", "tick_along_x"]

#: Largest width and height of a figure, inches.
WIDTH, HEIGHT = 7.4, 8.4
#: Largest side of a panel, inches; a flat one may be as wide as the figure.
MAX_PANEL_SIDE = 4.4
#: Largest ratio of the sides of a cell that is drawn to scale.
MAX_TRUE_ASPECT = 8.0
#: Ratio of the sides of the panel of a cell that is not drawn to scale.
STRETCHED_ASPECT = 3.0
#: Height over width of a panel below which its colour bar lies under it.
FLAT_RATIO = 0.6
#: Room for the labels of y, of x, for a title, and between panels, inches.
LEFT, UNDER, ABOVE, GAP = 0.62, 0.46, 0.28, 0.22
#: Thickness of a colour bar, and the room that it takes with its label beside or below a panel.
BAR, BESIDE, BELOW = 0.12, 0.72, 0.66
#: Width of a letter of a label, inches.
LETTER_WIDTH = 0.068


@dataclass(frozen=True)
class Panels:
    """A figure with its axes, row by row.

    Attributes:
        figure: of matplotlib.
        axes: as many as were asked for.
        bars: axes of the colour bars: one for each panel, or one for all.
        flat: colour bars lie.
        stretch: how many times too long the shorter side is drawn; 1 to scale.
    """

    figure: Any
    axes: list[Any]
    bars: list[Any]
    flat: bool
    stretch: float

    def colour_bar(self, drawn: Any, label: str, which: int = 0) -> None:
        """Draw a colour bar; a label that is longer than it takes two lines, beside its panel."""
        cax = self.bars[which]
        bar = self.figure.colorbar(
            drawn, cax=cax, orientation="horizontal" if self.flat else "vertical"
        )
        size, page = cax.get_position(), self.figure.get_size_inches()
        bar.set_label(broken(label, size.width * page[0] if self.flat else size.height * page[1]))
        bar.outline.set_linewidth(0.5)
        cax.tick_params(width=0.5, length=2.5)
        if hasattr(bar.formatter, "set_useOffset"):
            bar.formatter.set_useOffset(False)
        if not self.flat:
            self._fit(bar, size.x0 * page[0] - 0.09 + BESIDE + 0.5 * GAP)

    def _fit(self, bar: Any, end: float) -> None:
        """Take fewer ticks, then smaller letters, where a bar's words reach beyond its room, in."""
        from matplotlib.colors import LogNorm

        def beyond() -> bool:
            return bool(bar.ax.get_tightbbox().x1 > end * self.figure.dpi)

        if beyond() and not isinstance(bar.norm, LogNorm):
            bar.ax.locator_params(axis="y", nbins=3)
        if beyond():
            bar.ax.yaxis.label.set_fontsize(7.5)


def broken(label: str, inches: float) -> str:
    """A label with its second part, or its unit, on a second line if the bar is shorter than it."""
    shown = label
    for mark in ("\\mathrm", "\\varphi", "\\", "{", "}", "$", "_"):
        shown = shown.replace(mark, "")
    if len(shown) * LETTER_WIDTH <= inches:
        return label
    for mark in (", ", " ("):
        first, _, second = label.rpartition(mark)
        if first:
            return f"{first}{mark.strip()}\n{second}" if mark == ", " else f"{first}\n({second}"
    return label


def shown_ratio(wide: float, tall: float) -> tuple[float, bool]:
    """Height over width of the picture of a cell, and whether that is to scale."""
    true = tall / wide if wide > 0.0 and tall > 0.0 else 1.0
    if 1.0 / MAX_TRUE_ASPECT <= true <= MAX_TRUE_ASPECT:
        return true, True
    return (STRETCHED_ASPECT if true > 1.0 else 1.0 / STRETCHED_ASPECT), False


def tick_along_x(ax: Any, inches: float) -> None:
    """Ticks for a panel so wide, in as few digits as can be: the next panel is close by."""
    ax.locator_params(axis="x", nbins=max(2, min(6, int(inches / 0.5))))
    ax.xaxis.set_major_formatter("{x:g}")


def _grid(
    count: int, ratio: float, more: Sequence[float], rest: Sequence[float]
) -> tuple[int, int, float]:
    """Columns and rows of panels on a page, and the width of each, inches.

    Args:
        count: of panels.
        ratio: their height over their width.
        more: width and height around each, inches.
        rest: the same around all of them.
    """
    widest = WIDTH if ratio < FLAT_RATIO else MAX_PANEL_SIDE

    def width_in(columns: int) -> float:
        rows = -(-count // columns)
        across = (WIDTH - rest[0]) / columns - more[0]
        up = (HEIGHT - rest[1]) / rows - more[1]
        return min(across, up / ratio, widest, MAX_PANEL_SIDE / ratio)

    columns = count
    for fewer in range(count - 1, 0, -1):  # only if that makes the panels clearly larger
        columns = fewer if width_in(fewer) > 1.25 * width_in(columns) else columns
    rows = -(-count // columns)
    columns = -(-count // rows)  # as many in each row as can be
    return columns, rows, width_in(columns)


def panels(
    wide: float,
    tall: float,
    count: int,
    *,
    bars: int = 0,
    titles: bool = False,
    bare: bool = False,
) -> Panels:
    """A figure with room for so many pictures of a cell.

    Args:
        wide: side of the cell along x, in any unit.
        tall: the other one.
        count: of panels.
        bars: colour bars: `count` of them, or 1 for all of the panels, or none.
        titles: panels have a title.
        bare: panels have no axes.
    """
    from matplotlib.figure import Figure

    true = tall / wide if wide > 0.0 and tall > 0.0 else 1.0
    ratio, to_scale = shown_ratio(wide, tall)
    flat, shared = ratio < FLAT_RATIO, bars == 1 < count
    beside, below = (0.0, BELOW) if flat else (BESIDE, 0.0)
    left, under = (GAP, GAP) if bare else (LEFT, UNDER)
    # What a panel has around it, and the figure around all of them.
    more = [GAP, under + (ABOVE if titles else GAP)]
    rest = [left, 0.0]
    if bars:
        room = rest if shared else more
        room[0], room[1] = room[0] + beside, room[1] + below

    columns, rows, width = _grid(count, ratio, more, rest)
    height = ratio * width
    page = (rest[0] + columns * (width + more[0]) - GAP, rest[1] + rows * (height + more[1]))
    figure = Figure(figsize=page)

    def axes_at(x: float, y: float, w: float, h: float) -> Any:
        """Axes whose upper left corner is at (x, y) from that of the page."""
        return figure.add_axes((x / page[0], 1 - (y + h) / page[1], w / page[0], h / page[1]))

    axes, colour = [], []
    for k in range(count):
        row, column = divmod(k, columns)
        x = left + column * (width + more[0])
        y = row * (height + more[1]) + (ABOVE if titles else GAP)
        ax = axes_at(x, y, width, height)
        axes.append(ax)
        if bare:
            ax.axis("off")
        else:
            _label(ax, width, height, first=column == 0, last=k + columns >= count)
        if bars and not shared:
            colour.append(
                axes_at(x, y + height + under, width, BAR)
                if flat
                else axes_at(x + width + 0.09, y, BAR, height)
            )
    if bars and shared:
        top, right = (ABOVE if titles else GAP), page[0] - beside
        low = page[1] - BELOW
        colour.append(
            axes_at(left, low, min(right - left, MAX_PANEL_SIDE), BAR)
            if flat
            else axes_at(right + 0.09, top, BAR, min(height, page[1] - top))
        )
    return Panels(
        figure, axes, colour, flat, 1.0 if to_scale else max(true, 1.0 / true) / STRETCHED_ASPECT
    )


def _label(ax: Any, width: float, height: float, *, first: bool, last: bool) -> None:
    """Axes in um with as many ticks as there is room for."""
    tick_along_x(ax, width)
    ax.locator_params(axis="y", nbins=max(2, min(9, int(height / 0.3))))
    ax.spines[["top", "right"]].set_visible(True)
    ax.tick_params(labelleft=first)
    if last:
        ax.set_xlabel("x (µm)")
    if first:
        ax.set_ylabel("y (µm)")
