"""The command line: ``hostplate COMMAND ...``; each command is imported only when called.

Exit codes: 0 done, 1 configuration or input, 2 solver or runtime, 3 interrupted but resumable.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from fem.base import provenance
from fem.base.errors import CaseError, HostplateError, Interrupted, nearest
from fem.base.parallel import abort, refusal
from fem.cli.arguments import ONE_THREAD

#: name, help, "module:function". The function receives the command's parser, adds its arguments
#: and sets ``call``, which gets the parsed arguments and returns an exit code (None is 0).
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("new", "write a case to start from: of a family of hosts, or a copy", "fem.cli.cases:_new"),
    ("list", "cases, hosts, geometries, materials and physics", "fem.cli.cases:_list"),
    ("show", "a case with all defaults, or the case format itself", "fem.cli.cases:_show"),
    ("check", "all problems of a case at once; writes nothing", "fem.cli.cases:_check"),
    ("mesh", "build the mesh of a case into a folder", "fem.cli.meshes:_mesh"),
    ("inspect", "numbers and a picture of a mesh", "fem.cli.meshes:_inspect"),
    ("gallery", "every kind of geometry at small size, with pictures", "fem.cli.meshes:_gallery"),
    ("channel", "ions in a charged channel, as a table over the salt",
     "fem.cli.channels:_channel"),
    ("run", "solve a case", "fem.cli.runs:_run"),
    ("resume", "go on from the last checkpoint of a run", "fem.cli.runs:_resume"),
    (
        "converge",
        "three meshes and three time tolerances: observed orders",
        "fem.cli.runs:_converge",
    ),
    ("sweep", "a grid of changes of a case: a table and maps",
     "fem.cli.sweeping:_sweep"),
    ("compare", "results side by side, also against a csv",
     "fem.cli.comparing:_compare"),
    ("why", "what decides: ingredients switched off in turn",
     "fem.cli.reporting:_why"),
    ("report", "a result as one page of HTML",
     "fem.cli.reporting:_report"),
    ("post", "draw the figures of a result again", "fem.cli.results:_post"),
    ("export", "fields of a result for other programs",
     "fem.cli.results:_export"),
    ("view", "open the fields of a result in ParaView, or in a browser", "fem.cli.results:_view"),
)

#: Seconds a failing rank waits for the others to fail alike before it ends the job.
_PATIENCE = 5.0

_START = """
start here:
  hostplate list                        what there is
  hostplate run sand                    solve a case of the catalogue into results/sand
  hostplate new mine.toml --family fibre_mat   a case of your own host
  hostplate check mine.toml             before it goes to a cluster
  hostplate run mine.toml --ranks 4 --set protocol.0.current_density="2 mA/cm^2"

exit codes: 0 done, 1 input, 2 solver or runtime, 3 interrupted but resumable
"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """A wrong option is wrong input: exit code 1, not argparse's 2."""
        self.print_usage(sys.stderr)
        self.exit(CaseError.exit_code, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if argv is None:
        _speak_utf8()
    arguments = list(sys.argv[1:] if argv is None else argv)
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    # Nobody's plug-ins of pydantic see a case; to look for them takes a fifth of `check`.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    try:
        _check_names(arguments)
        provenance.note_command(arguments)
        options = _parse(arguments)
        with _interruptible():
            code = int(options.call(options) or 0)
        sys.stdout.flush()  # a pipe that was closed shows here, not when Python ends
        return code
    except HostplateError as error:
        return _leave(error)
    except KeyboardInterrupt as request:
        return _leave(Interrupted(f"interrupted by {request or 'SIGINT'}"))
    except BrokenPipeError:  # `hostplate show ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        alone = sys.excepthook is sys.__excepthook__ and not os.environ.get("HOSTPLATE_DEBUG")
        if isinstance(error, OSError) and alone:  # a file that the machine refuses
            sys.stderr.write(f"hostplate: {refusal(error, again='the same command')}\n")
            return 2
        # A fault of the program: the hook of a parallel run ends all ranks.
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        return 2


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 end a command as the keyboard does; a run in time handles its own."""

    def interrupt(number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {}
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        for number in (signal.SIGTERM, signal.SIGUSR1):
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _speak_utf8() -> None:
    """Start again in UTF-8 if the locale gives file names another encoding, such as ASCII.

    Case files are UTF-8 and name files; PYTHONUTF8=0 with LC_ALL=C could not open those.
    """
    if sys.getfilesystemencoding().lower() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        sys.stdout.flush()
        environment = os.environ | {"PYTHONUTF8": "1"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    for stream in (sys.stdout, sys.stderr):  # PYTHONIOENCODING may know fewer letters still
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_names(arguments: Sequence[str]) -> None:
    """Refuse names that are not UTF-8.

    Raises:
        CaseError: an argument, or the folder where the command was started; or that one is gone.
    """
    from fem.base.paths import refuse_other_than_utf8

    for text in arguments:
        refuse_other_than_utf8(text)
    try:
        refuse_other_than_utf8(os.getcwd(), "the folder ")
    except FileNotFoundError:
        raise CaseError("the folder where you are was removed; go to another one") from None


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="hostplate",
        description="Metal plating and stripping in porous 3D hosts, by finite elements.",
        epilog=_START,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    names = [name for name, _, _ in COMMANDS]
    if asked is not None and asked not in names:
        parser.error(f"no command {asked!r}; {nearest(asked, names)}")
    for name, text, target in COMMANDS:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == asked:
            module, function = target.split(":")
            configure: Callable[[argparse.ArgumentParser], None]
            configure = getattr(importlib.import_module(module), function)
            configure(command)
    return parser.parse_args(arguments)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        print(f"hostplate {provenance.version()}")
        parser.exit(0)


def _leave(error: HostplateError) -> int:
    """Say what went wrong, once; in a parallel run leave no rank waiting for this one."""
    mpi = sys.modules.get("mpi4py.MPI")
    message = f"hostplate: {error}\n"
    if mpi is None or not mpi.Is_initialized() or mpi.Is_finalized() or mpi.COMM_WORLD.size == 1:
        sys.stderr.write(message)
        return error.exit_code
    comm = mpi.COMM_WORLD
    met, deadline = comm.Ibarrier(), time.monotonic() + _PATIENCE
    while not met.Test():
        if time.monotonic() > deadline:  # only some ranks failed
            sys.stderr.write(f"rank {comm.rank}: {message}")
            abort(comm, error.exit_code)
        time.sleep(0.01)
    if comm.rank == 0:
        sys.stderr.write(message)
    return error.exit_code
