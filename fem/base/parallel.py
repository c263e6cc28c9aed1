"""Keep several ranks together: one error for all, no job that hangs.

The rule of the house: a rank that does something alone (reads a file, writes a figure) does it
through `on_root`, whose outcome, result or error, reaches every rank. An exception that escapes on
one rank ends the job (`install_abort_hook`) instead of leaving the others waiting.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from fem.base.errors import CaseError, HostplateError, RunError

_LAUNCHERS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def on_root[T](comm: Any, action: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Do something on rank 0 only; every rank gets its result, or raises its error.

    The result travels by pickle, so keep it small. Collective.

    Raises:
        HostplateError: the same class and message on every rank.
        RunError: any other exception of rank 0, with rank and type named.
    """
    outcome: tuple[str, Any] = ("", None)
    if comm.rank == 0:
        try:
            outcome = ("ok", action(*args, **kwargs))
        except HostplateError as error:
            outcome = (type(error).__name__, str(error))
        except Exception as error:
            kind = type(error).__name__
            message = refusal(error) if isinstance(error, OSError) else f"{kind}: {error}"
            outcome = ("RunError", f"rank 0: {message}")
            if os.environ.get("HOSTPLATE_DEBUG"):
                traceback.print_exc()
    kind, value = comm.bcast(outcome, root=0)
    if kind == "ok":
        return value
    raise {"CaseError": CaseError}.get(kind, RunError)(value)


def refusal(error: OSError, place: object = "", again: str = "`hostplate resume`") -> str:
    """Message: what the machine refuses, where, and the way out.

    Args:
        error: as it was raised.
        place: of the file, if the error names none.
        again: what to do once a full disk has room: of a run, go on with it.
    """
    text = " ".join(str(error).split())
    number = error.errno
    if number is None and (found := re.search(r"errno = (\d+)", text)):  # HDF5 buries it
        number = int(found[1])
    what = os.strerror(number) if number else text
    place = error.filename or (m[1] if (m := re.search(r"filename = '([^']*)'", text)) else place)
    way_out = ""
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        way_out = f"; make room, then {again}"
    elif number in (errno.EROFS, errno.EACCES, errno.EPERM):
        way_out = "; make it writable, or choose another folder"
    elif number in (errno.EEXIST, errno.ENOTDIR):
        way_out = "; choose another folder"
    elif number == errno.EISDIR:
        way_out = "; name a file"
    elif number == errno.ENOENT:
        way_out = "; check the path, or make the folder first"
    return f"{place}: {what}{way_out}" if place else f"{what}{way_out}"


def all_agree(comm, problem: str | None) -> None:
    """Raise the first rank's problem on every rank; None means that this rank has none.

    Raises:
        RunError: at least one rank reported a problem.
    """
    problems = [(rank, p) for rank, p in enumerate(comm.allgather(problem)) if p]
    if problems:
        rank, text = problems[0]
        more = f" ({len(problems)} ranks report one)" if len(problems) > 1 else ""
        raise RunError(f"rank {rank}: {text}{more}")


def install_abort_hook(comm) -> None:
    """Let an exception that nobody caught end the whole job with exit code 2, not hang it.

    What the machine refuses (a file, memory) is reported in one line; anything else is a fault of
    the program, and its traceback is shown.
    """

    def hook(kind, value, trace):
        sys.stderr.write(f"rank {comm.rank} of {comm.size} failed: {kind.__name__}: {value}\n")
        if not issubclass(kind, OSError | MemoryError) or os.environ.get("HOSTPLATE_DEBUG"):
            traceback.print_exception(kind, value, trace)
        if comm.size > 1:
            abort(comm, 2)
        sys.stderr.flush()
        sys.stdout.flush()

    sys.excepthook = hook


def apart(*arguments: str | os.PathLike[str], timeout: float = 600.0) -> Any:
    """`python -m` with these arguments in a process of its own, outside the MPI job, silent.

    For what may die without raising: libraries on damaged files or without graphics.

    Args:
        arguments: module and its arguments.
        timeout: in s.

    Returns:
        A `subprocess.CompletedProcess` with exit code and texts.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was ended.
    """
    import subprocess

    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_", "PMIX"))
    }
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [root, environment.get("PYTHONPATH", "")])
    )
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, errors="replace",
        timeout=timeout, env=environment, stdin=subprocess.DEVNULL, check=False,
    )


@contextlib.contextmanager
def plain_arguments() -> Iterator[None]:
    """Show a library that reads `sys.argv` arguments that are UTF-8; other ones end it."""
    given = sys.argv
    sys.argv = [text.encode("utf-8", "replace").decode() for text in given]
    try:
        yield
    finally:
        sys.argv = given


#: Seconds in which a launcher passes on what a rank has written.
FORWARD_SECONDS = 0.5


def abort(comm: Any, code: int) -> NoReturn:
    """End all ranks with an exit code, after the last words of this one have left.

    What a launcher has not yet read when it learns of the abort is lost with the ranks.
    """
    sys.stderr.flush()
    sys.stdout.flush()
    time.sleep(FORWARD_SECONDS)
    comm.Abort(code)
    os._exit(code)  # not reached


def check_launcher(comm) -> None:
    """Refuse N independent copies of one job, the usual sign of a foreign `mpirun`.

    Raises:
        CaseError: a launcher started N > 1 processes that do not see each other.
    """
    for name in _LAUNCHERS:
        size = os.environ.get(name, "")
        if size.isdigit() and int(size) > 1 and comm.size == 1:
            raise CaseError(
                f"the launcher started {size} processes ({name}={size}) but each runs alone: "
                "this mpirun does not belong to the solver's MPI. Use the one beside this "
                f"Python, {os.path.join(os.path.dirname(sys.executable), 'mpirun')}, or "
                "`hostplate run --ranks N`, which finds it."
            )
