"""Commands on results: post, export, view."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fem.base.errors import CaseError, RunError
from fem.cli.arguments import duration

if TYPE_CHECKING:
    from fem.results.result import Result


def _post(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a result folder, finished or not")
    parser.add_argument(
        "--time", type=_durations, default=(), metavar="TIME[,TIME...]",
        help="time of the fields, such as '20 min'; default the last. --line and --profile take "
             "several",
    )
    parser.add_argument(
        "--format", choices=("png", "pdf", "svg"), default="png", help="file format; default png"
    )
    parser.add_argument("--field", action="append", default=[], metavar="NAME",
                        help="draw a map of this field (2D) or a curve of this column only")
    parser.add_argument("--limits", metavar="LOW,HIGH", type=_limits,
                        help="ends of the colours of --field and --movie, of the axis of a column, "
                             "of --line and of --profile, such as '0.9 mol/L,1.1 mol/L'")
    parser.add_argument("--profile", action="append", default=[], metavar="NAME",
                        help="draw this field over depth, at several times")
    parser.add_argument("--lines", metavar="VECTOR", default="",
                        help="draw lines along this vector over the maps of --field, as i_l or "
                             "N_an; it is there with [output] vectors = true")
    parser.add_argument("--against", choices=("t", "charge"), default="t",
                        help="draw the columns of --field, by default the voltage, over capacity")
    parser.add_argument("--line", type=_line, metavar="X0,Y0,X1,Y1",
                        help="draw each --field along this line, such as '0 um,0 um,0 um,90 um'")
    parser.add_argument("--movie", metavar="NAME", help="film this field (2D)")
    parser.add_argument("--out", type=Path, help="file of the movie, .gif or .mp4")
    parser.epilog = (
        "examples:\n"
        "  hostplate post results/sand\n"
        "  hostplate post results/sand --time '5 min' --format pdf\n"
        "  hostplate post results/mine --field c --limits '0.9 mol/L,1.1 mol/L' --profile c\n"
        "  hostplate post results/mine --against charge\n"
        "  hostplate post results/mine --field c --line '0,0,0,60 um' --time '0 s,5 min,1 h'\n"
        "  hostplate post results/mine --movie c --out salt.gif"
    )
    parser.set_defaults(call=_do_post)


def _durations(text: str) -> tuple[float, ...]:
    """Times with their units, s."""
    return tuple(duration(part) for part in text.split(","))


def _line(text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Two ends of a line, m."""
    from fem.values.units import parse_quantity

    parts = text.split(",")
    if len(parts) not in (4, 6):
        raise argparse.ArgumentTypeError(f"{text!r}: write X0,Y0,X1,Y1, in 3D X0,Y0,Z0,X1,Y1,Z1")
    try:
        x = [0.0 if part.strip() in ("0", "0.0") else parse_quantity(part, "m") for part in parts]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    half = len(x) // 2
    if x[:half] == x[half:]:
        raise argparse.ArgumentTypeError(f"{text!r}: both ends are one point")
    return tuple(x[:half]), tuple(x[half:])


def _limits(text: str) -> tuple[str, str]:
    """Two quantities as they are written; what they are of says their unit."""
    from fem.values.units import parse_any

    low, comma, high = text.partition(",")
    if not comma:
        raise argparse.ArgumentTypeError(f"{text!r}: write LOW,HIGH")
    try:
        low_high = parse_any(low), parse_any(high)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if low_high[0] == low_high[1]:
        raise argparse.ArgumentTypeError(f"{text!r}: both ends are one value")
    return low, high


def _ends(result: Result, name: str, limits: tuple[str, str] | None) -> tuple[float, float] | None:
    """Limits of a field or column in its unit, SI; None without any.

    Raises:
        CaseError: they are quantities of another kind.
    """
    from fem.post.fields import fields_of
    from fem.values.units import parse_quantity

    field = fields_of(result).get(name)
    unit = result.units.get(name, "") if field is None else field.unit
    try:
        return limits and (parse_quantity(limits[0], unit), parse_quantity(limits[1], unit))
    except ValueError as error:
        raise CaseError(f"--limits of {name}: {error}") from None


def _chosen(options: argparse.Namespace) -> None:
    """Draw what was asked for by name."""
    import matplotlib

    from fem.post.plot import cut, movie, plot, profile
    from fem.post.style import LOOK
    from fem.results.result import Result

    result, folder = Result(options.folder), options.folder / "figures"
    folder.mkdir(exist_ok=True)

    def ends(name: str) -> tuple[float, float] | None:
        return _ends(result, name, options.limits)

    if options.line:
        if not options.field:
            raise CaseError("--line: of which field? add --field, such as --field c")
        a, b = options.line
        drawn = {f"{name}_along_line": cut(result, name, a, b, options.time, ends(name))
                 for name in options.field}
    else:
        t = _one_time(options) if options.field or options.lines else None
        when = "" if t is None else f"_{result.time(t):.6g}s"
        over = "" if options.against == "t" else "_over_capacity"
        columns = options.field or [options.lines or "voltage"] * bool(options.lines or over)
        drawn = {f"{name}{over}{when}": plot(result, name, t, ends(name), options.against,
                                             options.lines)
                 for name in columns}
    drawn |= {f"{name}_over_depth": profile(result, name, options.time, ends(name))
              for name in options.profile}
    for name, figure in drawn.items():
        file = folder / f"{name}.{options.format}"
        with matplotlib.rc_context(LOOK):  # text stays text
            figure.savefig(file, bbox_inches="tight", pad_inches=0.08)
        print(file)
    if options.movie:
        file = options.out or folder / f"{options.movie}.gif"
        print(movie(result, options.movie, file, ends(options.movie)))


def _one_time(options: argparse.Namespace) -> float | None:
    """The time of a map, s; None where none was given."""
    if len(options.time) > 1:
        raise CaseError("--time: several times go with --line and --profile; a map has one")
    return options.time[0] if options.time else None


def _say_which_times(folder: Path, times: Iterable[float], done: str) -> None:
    """Name the stored times that stand for those that were asked for; `done` says in what."""
    from fem.post.style import show_time
    from fem.results.result import Result

    result = Result(folder)
    for t in times if result.blocks else ():
        near = show_time(result.time(t))
        if near != show_time(t):
            print(f"--time {show_time(t)}: not stored; {done} is the nearest that is, {near}")


def _do_post(options: argparse.Namespace) -> None:
    _say_which_times(options.folder, options.time, "drawn")
    named = options.field or options.profile or options.movie or options.line or options.lines
    if options.out and not options.movie:
        raise CaseError(f"--out {options.out}: names the file of a --movie; figures go into "
                        f"{options.folder / 'figures'}, as --format says")
    if named or options.against != "t":
        _chosen(options)
        return
    if options.limits:
        raise CaseError("--limits: of what? add --field, --profile or --movie; all figures at once "
                        "keep their own")
    from fem.post.figures import draw

    figures = options.folder / "figures"
    if figures.exists() and not figures.is_dir():
        raise CaseError(f"{figures}: is a file; move it away, a folder of that name is needed")
    files = draw(options.folder, t=_one_time(options), kind=options.format)
    for file in files:
        print(file)
    if not files:
        raise CaseError(f"{options.folder}: no figure was drawn: nothing was written yet, or its "
                        "files are damaged; `hostplate resume` goes on with the run")


def _export(parser: argparse.ArgumentParser) -> None:
    from fem.post.export import FORMATS

    parser.add_argument("folder", type=Path, help="a result folder, finished or not")
    parser.add_argument(
        "--format", choices=FORMATS, required=True,
        help="; ".join(f"{name}: {text}" for name, text in FORMATS.items()),
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder for the files; default FOLDER/export, of "
                        "the script for ParaView FOLDER")
    parser.add_argument(
        "--block", action="append", default=[], help="only this block, such as pore; repeatable"
    )
    parser.add_argument("--field", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--time", type=duration, help="only this time, such as '20 min'")
    parser.epilog = (
        "examples:\n"
        "  hostplate export results/sand --format vtu --field c\n"
        "  hostplate export results/sand --format paraview && pvpython "
        "results/sand/load_in_paraview.py --png sand.png"
    )
    parser.set_defaults(call=_do_export)


def _do_export(options: argparse.Namespace) -> None:
    from fem.post.export import export

    times = () if options.time is None else (options.time,)
    _say_which_times(options.folder, times, "written")
    for file in export(options.folder, options.format, options.out, blocks=options.block,
                       fields=options.field, t=options.time):
        print(file)


def _view(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a result folder, finished or not")
    parser.add_argument(
        "--browser", action="store_true",
        help="in a browser instead, this machine's or one behind ssh; needs the extra `view`",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=8080, help="of the page; default 8080")
    parser.epilog = (
        "examples:\n"
        "  hostplate view results/sand\n"
        "  hostplate view results/sand --browser     then http://localhost:8080/\n"
        "  ssh -L 8080:localhost:8080 CLUSTER        and the same address, for results over there"
    )
    parser.set_defaults(call=_do_view)


def _do_view(options: argparse.Namespace) -> None:
    import subprocess

    if options.browser:
        from fem.post.browser import serve

        serve(options.folder, options.port)
        return

    from fem.post import export
    from fem.results.result import Result

    blocks = Result(options.folder).blocks
    files = [str(options.folder / "fields" / f"{block}.xdmf") for block in blocks]
    if not files:
        raise CaseError(f"{options.folder}: no fields were written yet")
    where = "open these files with its reader `XDMF Reader`:\n" + "\n".join(files)
    viewer = shutil.which("paraview")
    if viewer is None:
        print(f"ParaView is not on PATH; {where}")
        return
    if not _has_display():
        raise RunError("view needs a display, and there is none (neither DISPLAY nor "
                       "WAYLAND_DISPLAY is set); `hostplate post` draws figures without one, and "
                       f"with ParaView on another machine {where}")
    sys.stdout.flush()
    script = Path(export.__file__).with_name(export.SCRIPT)
    code = subprocess.run(
        [viewer, f"--script={script}"], check=False,
        env=os.environ | {"HOSTPLATE_RESULT": str(options.folder.resolve())},
    ).returncode  # fmt: skip
    if code:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise RunError(f"ParaView ended {how}; if it cannot reach the display "
                       f"{os.environ.get('DISPLAY', '')!r}, on another machine {where}")


def _has_display() -> bool:
    """A screen that Qt could open: any but X and Wayland needs no name."""
    named = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    return named or sys.platform == "darwin"
