"""Figures of a result folder: `python -m fem.post.figures FOLDER`.

| file                | shows                                                               |
|---------------------|---------------------------------------------------------------------|
| `series.png`        | voltage, current where it changes, salt, charge against time        |
| `salt.png`          | c in the electrolyte                                                |
| `ions.png`          | concentration of each ion, where they move each by itself           |
| `potentials.png`    | phi_s in solids and growing metal, phi_l in the electrolyte         |
| `field.png`         | 2D: the gradient of phi_l in the pores, magnitude                   |
| `local_current.png` | i_n along walls or the front of growing metal, magnitude            |
| `plated.png`        | film thickness on the walls (or plated charge)                      |
| `depth.png`         | reaction current against depth, and its share by region             |
| `metal.png`         | growth study: the metal at up to five times                         |
| `fill.png`          | growth study: most filled share of the pores by depth; tip, dead    |

A figure whose data are not there is left out. Three-dimensional pictures are rendered in one
process of their own, since a missing graphics driver ends a process rather than raise.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import HostplateError
from fem.base.parallel import refusal
from fem.contract.physics import named
from fem.contract.registry import with_own
from fem.post import columns, growth, materials, occupancy
from fem.post.fields import drawable, field_of, fields_of, figures_of
from fem.post.layout import panels
from fem.post.render import Later, pictures, together
from fem.post.streams import at_nodes, flow_of, has_direction, slope, streams
from fem.post.style import INSULATOR, LOOK, PORE, SOLID, Scaled, caption, scaled, show_time
from fem.results.result import Result

__all__ = [
    "caption_text", "draw", "field_panel", "shown_block", "side_by_side", "timeless", "values_in",
    "values_of",
]  # fmt: skip

log = logging.getLogger("hostplate.figures")

#: Shown micrometres per metre.
UM = 1e6
#: Ratio of two magnitudes above which they are far apart: colours are logarithmic then.
FAR_RATIO = 100.0


def draw(
    folder: Path | str,
    comm: Any = None,
    t: float | None = None,
    kind: str = "png",
    stop: Callable[[], bool] = bool,
) -> list[Path]:
    """Draw all figures that the results allow into `<folder>/figures`.

    What cannot be drawn costs one warning in the log, never the run.

    Args:
        folder: a result folder, finished or not.
        comm: if given, rank 0 draws and all ranks get the list (collective).
        t: draw only fields, at the stored time nearest to t, s; it stands in the names of the
            files. Default: all figures, fields at the last time.
        kind: of the files: `png`, or `pdf` or `svg`, in which text and lines stay sharp.
        stop: asked before each figure; True leaves out the rest.

    Returns:
        The files written.

    Raises:
        CaseError: the folder holds no results.
    """
    if comm is not None:
        from fem.base.parallel import on_root

        return on_root(comm, draw, folder, None, t, kind, stop)
    result = Result(folder)
    when = "" if t is None else f"_{result.time(t):.6g}s"
    try:
        import matplotlib
    except ImportError as error:
        log.warning("no figures: matplotlib does not load (%s)", error)
        return []
    out = Path(folder) / "figures"
    written: list[Path] = []
    how = {"pil_kwargs": {"compress_level": 1}} if kind == "png" else {}
    with matplotlib.rc_context(LOOK):
        whole = {name for name, figure in figures_of(result).items() if figure.whole}
        todo = {n: f for n, f in makers(result).items() if t is None or n not in whole}
        with together() as rendering:
            while todo:
                later = {}
                for name, make in todo.items():
                    if stop():
                        return written
                    try:
                        figure = make(result, t)
                        if figure is not None:
                            out.mkdir(exist_ok=True)
                            file = out / f"{name}{when}.{kind}"
                            _write(figure, file, **how)
                            written.append(file)
                    except Later:
                        later[name] = make
                    except Exception as error:  # a figure is never worth a run
                        log.warning("%s.%s was not drawn: %s", name, kind, _one_line(error))
                if later:
                    rendering.render()
                todo = later
    return written


def _write(figure: Any, file: Path, **how: Any) -> None:
    """Save a figure; half of one is not left behind where the disk is full."""
    try:
        figure.savefig(file, bbox_inches="tight", pad_inches=0.08, **how)
    except OSError:
        file.unlink(missing_ok=True)
        raise


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError):
        return refusal(error, again="`hostplate post`")
    text = " ".join(str(error).split())
    return text if isinstance(error, HostplateError) else f"{type(error).__name__}: {text}"


def caption_text(result: Result, t: float | None, *more: str) -> str:
    """Title of a result, the time shown, and more."""
    title = str(result.summary.get("title") or result.folder.resolve().name)
    state = timeless(result)
    when = [] if t is None else [state or f"t = {show_time(t)}"]
    return " · ".join([title, *when, *more])


def timeless(result: Result) -> str:
    """Name of a result whose study has no time, or whose `t` leads to a steady state."""
    study = str(result.summary.get("study"))
    words = {
        "primary": "primary distribution",
        "secondary": "secondary distribution",
        "steady": "steady state",
    } | {s.name: s.doc.partition(":")[0] for s in with_own().studies.values() if s.march == "once"}
    return words.get(study, "")


# -- fields ------------------------------------------------------------------------------------


def local_current(result: Result, t: float | None, maps: tuple[str, ...]) -> Any:
    """Currents along walls, or along the front of growing metal if there is one."""
    if "metal" in result.blocks and not occupancy.cells_showing(result, t, maps[0], "metal").any():
        return None
    return _panels(result, t, maps, functools.partial(_direction, maps[0]))


def first(result: Result, t: float | None, maps: tuple[str, ...]) -> Any:
    """The first of these fields that is there."""
    return _panels(result, t, tuple(name for name in maps if name in drawable(result))[:1])


def _direction(current: str, result: Result, t: float | None) -> str:
    values = result.array(current, t)
    if scaled(values, field_of(result, current)).colours:  # both signs are shown
        return "plating blue, dissolving red"
    total = float(values.sum())
    return "plating" if total < 0 else "dissolving" if total > 0 else "no current"


def _mesh(result: Result, name: str, t: float | None, block: str) -> tuple[Any, Any]:
    """Points and cells on which a field is drawn.

    Gradients jump from region to region: nodes between two of them are there twice.
    """
    points, cells = result.points(block, t), result.cells(block, t)
    if not field_of(result, name).gradient_of or "region" not in result.fields(block):
        return points, cells
    region = result.array("region", t, block).astype(np.int64)
    pairs = cells + len(points) * region[:, None]
    own, torn = np.unique(pairs, return_inverse=True)
    return points[own % len(points)], torn.reshape(cells.shape)


def values_of(
    result: Result, name: str, t: float | None, block: str, mesh: Any = None
) -> Any:
    """Values of a field at nodes or in cells, of vectors the magnitude.

    Or the magnitude of another one's gradient (2D): that of a linear element, averaged by area at
    the nodes, of a mesh of `_mesh` if that is given.
    """
    source = field_of(result, name).gradient_of
    if not source:
        found = result.array(name, t, block)
        return found if found.ndim == 1 else np.linalg.norm(found, axis=1)
    points, cells = mesh or (result.points(block, t), result.cells(block, t))
    return np.linalg.norm(at_nodes(points, cells, slope(result, t, source, block)), axis=1)


def _has_gradient(result: Result, name: str) -> bool:
    """Another picture shows the gradient of a field, and the lines with it (2D)."""
    return any(f.gradient_of == name for f in fields_of(result).values())


def _kept(result: Result, name: str, t: float | None, block: str) -> Any:
    """Mark cells in which a field is shown; of a growth study those where it means something."""
    everywhere = np.ones(len(result.cells(block, t)), dtype=bool)
    if "metal" in result.blocks and block != "walls":
        some = occupancy.cells_showing(result, t, name, block)
        return some if some.any() else everywhere
    return everywhere


def _flat(result: Result, name: str, block: str) -> bool:
    """A field has one value on each cell; else on each node, as gradients that are drawn have."""
    if field_of(result, name).gradient_of:
        return False
    return name in result.fields(block) and result.center(name, block) == "Cell"


def _inside(result: Result, name: str, t: float | None, block: str) -> Any:
    """Values of a field in the cells in which it is shown."""
    mesh = _mesh(result, name, t, block)
    kept, values = _kept(result, name, t, block), values_of(result, name, t, block, mesh)
    return values[kept] if _flat(result, name, block) else values[np.unique(mesh[1][kept])]


def _panels(
    result: Result,
    t: float | None,
    names: tuple[str, ...],
    remark: Callable[[Result, float | None], str] | None = None,
) -> Any:
    """One panel for each field that is there, side by side; None if there is none."""
    low, high = result.extent(t) * UM
    solid, known = high[2] > low[2], drawable(result)
    names = tuple(  # gradients are drawn in 2D only
        n for n in names if n in known and not (solid and field_of(result, n).gradient_of)
    )
    if not names:
        return None
    block = shown_block(result, names[0])
    if solid:
        return _panels_3d(result, t, names, remark)
    several = len(result.times) > 1
    flat = "metal" not in result.blocks and columns.is_column(result, t)
    if flat and all(several or shown_block(result, n) != "walls" for n in names):
        made = columns.curves(result, t, names, shown_block, values_of)
        caption(made, caption_text(result, t))
        return made
    wide, tall = (high - low)[:2]
    made = panels(wide, tall, len(names), bars=len(names))
    said: list[str] = []
    for k, (ax, name) in enumerate(zip(made.axes, names, strict=True)):
        drawn, scale = _panel(ax, result, t, name)
        along = None if _has_gradient(result, name) else flow_of(result, t, name)
        if along is not None:
            said.append(along.words(streams(ax, result, t, along)))
        # Lines on the edge are not cut in half.
        walls = shown_block(result, name) == "walls"
        pad = 0.012 * np.array([wide, tall]) if walls else np.zeros(2)
        pad = pad if made.stretch > 1.0 else np.full(2, pad.max())
        ax.set_aspect("equal" if made.stretch == 1.0 else "auto")
        ax.set_xlim(low[0] - pad[0], high[0] + pad[0])
        ax.set_ylim(low[1] - pad[1], high[1] + pad[1])
        materials.name_layers(ax, result)
        made.colour_bar(drawn, scale.label, k)
    materials.legend(made.figure, made.axes)
    more = [remark(result, t)] if remark else []
    more += said
    more += growth.legend(result, t, names)
    more += growth.scale_remark(made.stretch, wide, tall)
    caption(made.figure, caption_text(result, result.time(t, block), *more))
    return made.figure


def shown_block(result: Result, name: str) -> str:
    """Block in which a field is shown: the walls if it lives there."""
    source = field_of(result, name).gradient_of or name
    blocks = [block for block in result.blocks if source in result.fields(block)]
    return "walls" if "walls" in blocks else blocks[0]


def _norm(values: Any, scale: Scaled) -> Any:
    """Linear colours, or logarithmic ones for a magnitude that spans over two decades."""
    from matplotlib.colors import LogNorm, Normalize

    low, high = scale.low, scale.high
    if scale.colours:  # of both signs: zero is in the middle
        return Normalize(-max(-low, high), max(-low, high))
    if scale.magnitude:
        positive = _without_traces(values[values > 0])
        if len(positive) and high > FAR_RATIO * np.quantile(positive, 0.05):
            return LogNorm(max(float(np.quantile(positive, 0.01)), 1e-5 * high), high)
        low = min(low, 0.0) if low < 0.3 * high else low
    return Normalize(low, high)


def _without_traces(values: Any) -> Any:
    """Positive values above a range that holds none, as between a metal's field and all others.

    Where fewer than half of them lie below a gap of over two decades, these are as good as zero.
    """
    rising = np.sort(values)
    gaps = rising[1:] / rising[:-1]
    if not len(gaps) or gaps.max() < FAR_RATIO:
        return rising
    above = rising[gaps.argmax() + 1 :]
    return above if 2 * len(above) > len(rising) else rising


def values_in(result: Result, name: str, t: float | None) -> Any:
    """Values of a field, SI, where it is shown."""
    return _inside(result, name, t, shown_block(result, name))


def field_panel(
    ax: Any, result: Result, t: float | None, name: str, scale: Scaled, values: Any
) -> Any:
    """Draw a field (2D) in a given unit, with colours that hold given values; what is drawn."""
    return _panel(ax, result, t, name, scale, _norm(scale(values), scale))[0]


def _panel(
    ax: Any, result: Result, t: float | None, name: str, scale: Scaled | None = None,
    norm: Any = None,
) -> tuple[Any, Scaled]:
    style = field_of(result, name)
    block = shown_block(result, name)
    inside, flat = _inside(result, name, t, block), _flat(result, name, block)
    scale = scale or scaled(inside, style)
    mesh = _mesh(result, name, t, block)
    shown = scale(values_of(result, name, t, block, mesh))
    # The pores last: where electrons cross a mat, the solid's block holds pores as well.
    for other, colour in (
        ("insulator", INSULATOR),
        ("solid", SOLID),
        ("pore", PORE),
        ("salt", PORE),
    ):
        if other in result.blocks and (other != block):
            materials.body(ax, result, t, other, colour)
    if block == "metal":
        growth.bodies(ax, result, t)
        ends, currents = occupancy.front(result, t, name)
        return _lines(ax, ends * UM, scale(currents).mean(axis=1), style, scale, norm), scale
    points, cells = mesh[0] * UM, mesh[1]
    if block == "walls":
        ends = cells
        along = shown if flat else shown[ends].mean(axis=1)
        return _lines(ax, points[ends][:, :, :2], along, style, scale, norm), scale
    growing = "metal" in result.blocks
    drawn = ax.tripcolor(
        points[:, 0],
        points[:, 1],
        cells,
        *(() if flat else (shown,)),
        facecolors=shown if flat else None,
        shading="flat" if flat else "gouraud",
        cmap=scale.colours or style.colours,
        norm=norm or _norm(scale(inside), scale),
        rasterized=True,
    )
    if growing:  # covered where the field means nothing, up to the contour xi = 1/2
        if style.medium == "conductor":
            growth.pores(ax, result, t)
        elif style.medium != "all":
            growth.bodies(ax, result, t)
    return drawn, scale


def _lines(
    ax: Any, ends: Any, shown: Any, style: Any, scale: Scaled, norm: Any = None
) -> Any:
    from matplotlib.collections import LineCollection

    lines = LineCollection(
        ends.tolist(),
        array=shown,
        cmap=scale.colours or style.colours,
        norm=norm or _norm(shown, scale),
        linewidths=1.9,
        capstyle="round",
    )
    ax.add_collection(lines)
    return lines


def _panels_3d(
    result: Result,
    t: float | None,
    names: tuple[str, ...],
    remark: Callable[[Result, float | None], str] | None,
) -> Any:
    """Pictures rendered elsewhere, with our own colour bars and caption."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    jobs, marks, said = [], [], []
    for name in names:
        style, block = field_of(result, name), shown_block(result, name)
        values = _inside(result, name, t, block)
        scale = scaled(values, style)
        norm = _norm(scale(values), scale)
        colours = scale.colours or style.colours
        marks.append((ScalarMappable(norm, colours), scale))
        along = flow_of(result, t, name)
        pointing = along is not None and has_direction(result, t, along)
        said += [along.words(pointing, "arrows")] if along is not None else []
        jobs.append(
            {
                "folder": str(result.folder),
                "t": result.time(t, block),
                "block": block,
                "field": name,
                "factor": scale.factor,
                "offset": scale.offset,
                "magnitude": scale.magnitude,
                "limits": [float(norm.vmin), float(norm.vmax)],
                "log": isinstance(norm, LogNorm),
                "colours": colours,
                "arrows": pointing,
            }
        )
    images = pictures(jobs)
    made = panels(*growth.largest(images), len(images), bars=len(images), bare=True)
    for k, (ax, image, (mappable, scale)) in enumerate(zip(made.axes, images, marks, strict=True)):
        ax.imshow(image, interpolation="antialiased")
        made.colour_bar(mappable, scale.label, k)
    host = any(shown_block(result, name) not in ("walls", "solid") for name in names)
    materials.legend_of_bodies(made.figure, made.axes, result, host)
    more = [*growth.box_remark(result, t), *([remark(result, t)] if remark else []), *said]
    more += growth.legend(result, t, names)
    caption(made.figure, caption_text(result, result.time(t, shown_block(result, names[0])), *more))
    return made.figure


# -- what is drawn -----------------------------------------------------------------------------


def makers(result: Result) -> dict[str, Callable[[Result, float | None], Any]]:
    """All figures that the physics of a result declare, by name, and what draws each."""
    found: dict[str, Any] = {}
    for name, figure in figures_of(result).items():
        draw = named(figure.draw) if figure.draw else side_by_side
        found[name] = functools.partial(draw, maps=figure.maps) if figure.maps else draw
    return found


def side_by_side(result: Result, t: float | None, maps: tuple[str, ...]) -> Any:
    """Draw these fields, each in a panel of its own; None if there is none of them."""
    return _panels(result, t, maps)


def main(arguments: list[str]) -> int:
    """Draw the figures of the folders named on the command line."""
    logging.basicConfig(format="%(message)s")
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m fem.post.figures FOLDER ...")
        return 0 if arguments else 1
    try:
        for folder in arguments:
            for file in draw(folder):
                print(file)
    except HostplateError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
