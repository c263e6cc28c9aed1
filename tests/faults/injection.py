"""Faults put into a run from outside: one rank fails at a named stage. The product knows nothing.

`python -m tests.faults.injection STAGE RANK MARK COMMAND ...` runs a `hostplate` command with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fem.base.errors import RunError

#: Stage -> function that fails, calls that go well before, the error.
STAGES: dict[str, tuple[str, int, Exception]] = {
    "mesh reading": ("fem.mesh.domain:read_mesh", 0, OSError("mesh.h5: truncated")),
    "JIT": ("fem.compat:code_of", 4, RuntimeError("the compiler died")),
    "assembly": ("fem.solver.equations:Equations.residual", 6, MemoryError("no room for a vector")),
    "solve": (
        "fem.solver.linear:LinearSolver.apply_inverse", 9, ValueError("the factors are gone")
    ),
    "a rank alone": (
        "fem.solver.linear:LinearSolver.apply_inverse", 9, RunError("this rank sees no way")
    ),
    "writing": ("fem.files.fields:_Numbering.values", 12, OSError(errno.ENOSPC, "No space left")),
    "checkpoint": ("numpy:savez", 2, OSError(errno.ENOSPC, "No space left")),
}  # fmt: skip

#: Instead of an error the rank gets SIGKILL.
KILLED = "killed"


def reason(stage: str) -> str:
    """Words that the message on the fault must contain."""
    error = STAGES[stage][2]
    return str(getattr(error, "strerror", None) or error)


def place(name: str) -> tuple[Any, str]:
    """Module or class of a function named `module:Class.function`, and its name in there."""
    module, _, path = name.partition(":")
    owner, _, last = path.rpartition(".")
    return pkgutil.resolve_name(f"{module}:{owner}"), last


@contextlib.contextmanager
def fault(stage: str, rank: int, mark: Path) -> Iterator[None]:
    """Inside the block a rank fails at a stage, once, and leaves the time in a file."""
    from fem.compat import MPI

    where, good, error = STAGES["solve" if stage == KILLED else stage]
    owner, last = place(where)
    original, calls = getattr(owner, last), 0

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == good + 1:
            mark.write_text(repr(time.time()))
            if stage == KILLED:
                os.kill(os.getpid(), signal.SIGKILL)
            raise error
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        if MPI.COMM_WORLD.rank == rank:
            patch.setattr(owner, last, failing)
        yield


def main(stage: str, rank: str, mark: str, *command: str) -> int:
    """Run a command with a fault in it."""
    from fem.cli.main import main as hostplate

    with fault(stage, int(rank), Path(mark)):
        return hostplate(command)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
