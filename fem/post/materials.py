"""Names in maps (2D): materials of the host as a legend, layers beside their borders."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import numpy as np

from fem.post.style import FAINT, INK, INSULATOR, PORE, SOLID, shortened
from fem.results.result import Result

__all__ = ["body", "layers", "legend", "legend_of_bodies", "name_layers"]

UM = 1e6
#: Colours of the materials of a block, in the order of their names: greys of conductors, sands of
#: insulators, pale blues of separators, whose pores hold electrolyte.
COLOURS = {
    "solid": (SOLID, "#a39e97", "#e0ddd8", "#86817a"),
    "insulator": (INSULATOR, "#c9a862", "#f2e6c6", "#a98743"),
    "pore": ("#cfdde8", "#b4c8d8", "#dfe9f0"),
}
#: Letters of a name in a picture, and height of a line of it, inches.
LETTERS, LINE = 18, 0.13


def _materials(result: Result, block: str) -> dict[str, list[int]]:
    """Numbers of the regions of each material; empty where the case or the cells do not say."""
    file = result.folder / "case.toml"
    if "region" not in result.fields(block) or not file.is_file():
        return {}
    try:
        regions = tomllib.loads(file.read_text(encoding="utf-8")).get("regions", {})
    except ValueError:
        return {}
    found: dict[str, list[int]] = {}
    for name, number in result.regions.items():
        entry = regions.get(name)
        material = entry.get("material") if isinstance(entry, dict) else None
        if isinstance(material, str):
            found.setdefault(material, []).append(number)
    return found


def body(ax: Any, result: Result, t: float | None, block: str, colour: str) -> None:
    """A block behind the rest: a path for each material, one in the given colour for what is left.

    The paths of materials carry their names as labels, for `legend`.
    """
    cells, points = result.cells(block, t), result.points(block, t) * UM
    left = np.ones(len(cells), dtype=bool)
    named = _materials(result, block)
    number = result.array("region", t, block) if named else np.zeros(0)
    colours, shown = COLOURS.get(block, ()), 0
    for material in sorted(named):
        here = np.isin(number, named[material])
        if here.any() and shown < len(colours):
            _path(ax, points, cells[here], colours[shown], material)
            left &= ~here
            shown += 1
    if left.any():
        _path(ax, points, cells[left], colour, "")


def _path(ax: Any, points: Any, cells: Any, colour: str, label: str) -> None:
    """Cells in one colour: all of them as one path, which is quick to draw.

    All go the same way round: then edges between them cancel, and no gap shows.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    a, b, c = (points[cells[:, k], :2] for k in range(3))
    (p, q), (r, s) = (b - a).T, (c - a).T
    clockwise = p * s < q * r
    cells = np.where(clockwise[:, None], cells[:, [0, 2, 1]], cells)
    corners = points[cells][:, [0, 1, 2, 0], :2]
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(corners))
    patch = PathPatch(
        Path(corners.reshape(-1, 2), codes), facecolor=colour, linewidth=0,
        rasterized=True, zorder=0, label=label or "_nolegend_",
    )  # fmt: skip
    ax.add_artist(patch)


def legend(figure: Any, axes: list[Any]) -> None:
    """Materials that are drawn in one colour, by name, above the panels."""
    found: dict[str, Any] = {}
    for ax in axes:
        for patch in ax.patches:
            name = patch.get_label()
            if name and not name.startswith("_"):
                found.setdefault(name, patch.get_facecolor())
    _legend(figure, axes, found)


def legend_of_bodies(figure: Any, axes: list[Any], result: Result, host: bool = True) -> None:
    """Materials in 3D, above the panels: conductors have one colour, insulators another.

    Args:
        figure: with the pictures.
        axes: of the pictures.
        result: that is shown.
        host: conductors are drawn in their colour, not in that of a field.
    """
    found: dict[str, Any] = {}
    for block, colour in (("solid", SOLID), ("insulator", INSULATOR)):
        if block not in result.blocks or (block == "solid" and not host):
            continue
        number = np.unique(result.array("region", None, block)) if (
            "region" in result.fields(block)) else ()
        names = [material for material, regions in sorted(_materials(result, block).items())
                 if np.isin(number, regions).any()]
        if names:
            found[", ".join(names)] = colour
    _legend(figure, axes, found)


def _legend(figure: Any, axes: list[Any], found: dict[str, Any]) -> None:
    """Patches with names in a row above the panels."""
    from matplotlib.patches import Patch

    if not found:
        return
    handles = [Patch(facecolor=colour, edgecolor=FAINT, linewidth=0.4,
                     label=shortened(name.replace("_", " "), LETTERS))
               for name, colour in found.items()]
    columns = max(1, min(len(handles), int(figure.get_size_inches()[0] / 1.3)))
    place = (axes[0].get_position().x0, 1.0)
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=place, ncols=columns,
                  borderpad=0.0, borderaxespad=0.0, handlelength=1.2, columnspacing=1.2)


def layers(result: Result) -> list[tuple[str, float, float]]:
    """Name, bottom and top, m, of the layers of the host; empty where the mesh does not say."""
    try:
        mesh = json.loads((result.folder / "mesh.json").read_text(encoding="utf-8"))
        return [(str(x["name"]), float(x["bottom"]), float(x["top"])) for x in mesh["layers"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def name_layers(ax: Any, result: Result) -> None:
    """Borders of the layers that lie in a map, and their names where there is room for a line.

    One layer alone has no name to tell. Thick ones are named first.
    """
    from matplotlib.patheffects import withStroke

    low, high = ax.get_ylim()
    found = [(name, a * UM, b * UM) for name, a, b in layers(result)
             if low < 0.5 * (a + b) * UM < high]
    if len(found) < 2:
        return
    box, page = ax.get_position(), ax.figure.get_size_inches()
    line = LINE * (high - low) / (box.height * page[1])
    taken: list[float] = []
    floor = min(bottom for _, bottom, _ in found) + line / 4
    for name, bottom, top in sorted(found, key=lambda layer: layer[1] - layer[2]):
        for border in (bottom, top):
            if floor < border < high - line / 4:
                ax.axhline(border, color=FAINT, linewidth=0.6, linestyle=(0, (4, 3)))
        middle = 0.5 * (bottom + top)
        if any(abs(middle - other) < line for other in taken):
            continue
        taken.append(middle)
        ax.annotate(
            shortened(name.replace("_", " "), LETTERS), (0.0, middle),
            xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
            ha="left", va="center", fontsize=7.5, color=INK,
            path_effects=[withStroke(linewidth=2.0, foreground=PORE)],
        )  # fmt: skip
