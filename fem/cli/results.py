"""Commands on results: post, view."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from fem.base.errors import CaseError, RunError
from fem.cli.arguments import duration


def _post(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a result folder, finished or not")
    parser.add_argument(
        "--time", type=duration, help="time of the fields, such as '20 min'; default the last"
    )
    parser.add_argument(
        "--format", choices=("png", "pdf", "svg"), default="png", help="file format; default png"
    )
    parser.epilog = (
        "examples:\n"
        "  hostplate post results/sand\n"
        "  hostplate post results/sand --time '5 min' --format pdf"
    )
    parser.set_defaults(call=_do_post)


def _do_post(options: argparse.Namespace) -> None:
    from fem.post.figures import draw

    figures = options.folder / "figures"
    if figures.exists() and not figures.is_dir():
        raise CaseError(f"{figures}: is a file; move it away, a folder of that name is needed")
    files = draw(options.folder, t=options.time, kind=options.format)
    for file in files:
        print(file)
    if not files:
        raise CaseError(f"{options.folder}: no figure was drawn: nothing was written yet, or its "
                        "files are damaged; `hostplate resume` goes on with the run")


def _view(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a result folder, finished or not")
    parser.epilog = "example:\n  hostplate view results/sand"
    parser.set_defaults(call=_do_view)


def _do_view(options: argparse.Namespace) -> None:
    import subprocess

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
    code = subprocess.run([viewer, *files], check=False).returncode
    if code:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise RunError(f"ParaView ended {how}; if it cannot reach the display "
                       f"{os.environ.get('DISPLAY', '')!r}, on another machine {where}")


def _has_display() -> bool:
    """A screen that Qt could open: any but X and Wayland needs no name."""
    named = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    return named or sys.platform == "darwin"
