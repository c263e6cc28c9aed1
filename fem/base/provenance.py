"""Origin of a result: versions, commit, command, date, host. Nothing here may stop a run."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["COMMAND_VARIABLE", "command", "commit", "note_command", "record", "version", "versions"]

UNKNOWN = "unknown"
#: Environment variable by which `--ranks` tells the ranks what the user typed.
COMMAND_VARIABLE = "HOSTPLATE_COMMAND"
#: File in the package `fem` with the commit that a wheel was built from; a checkout has none.
COMMIT_FILE = "_commit.txt"

_command = ""


def note_command(arguments: Sequence[str]) -> None:
    """Remember what the user typed: `hostplate` and its arguments."""
    global _command
    _command = os.environ.pop(COMMAND_VARIABLE, "") or shlex.join(["hostplate", *arguments])


def command() -> str:
    """Command as the user typed it; for a Python program its own command line."""
    return _command or shlex.join(sys.orig_argv)


def commit() -> str:
    """Commit of the code: of the checkout it runs from, or that the wheel was built from.

    `+changes` follows if files of the checkout differ from the commit; "unknown" if nothing tells.
    """
    import subprocess

    package = Path(__file__).resolve().parents[1]
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        if (package.parent / ".git").exists():  # else a repository further up is somebody else's
            asked = ["describe", "--always", "--dirty=+changes", "--abbrev=40", "--exclude=*"]
            found = subprocess.run(
                ["git", "-c", "safe.directory=*", "-C", str(package.parent), *asked],
                env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=10, check=True,
            )  # fmt: skip
            return found.stdout.strip() or UNKNOWN
    with contextlib.suppress(OSError, ValueError):
        return (package / COMMIT_FILE).read_text(encoding="utf-8").strip() or UNKNOWN
    return UNKNOWN


def versions() -> dict[str, str]:
    """Versions of this code and of what it computes with; imports nothing that is not imported."""
    found = {"hostplate": version(), "commit": commit(), "python": sys.version.split()[0]}
    for name, packages in (("dolfinx", ("fenics-dolfinx",)),
                           ("gmsh", ("gmsh", "python-gmsh")), ("numpy", ("numpy",))):
        found[name] = next(filter(None, map(_installed, packages)), UNKNOWN)
    if "dolfinx" in sys.modules:
        found["dolfinx"] = str(getattr(sys.modules["dolfinx"], "__version__", found["dolfinx"]))
    with contextlib.suppress(Exception):
        found["petsc"] = ".".join(map(str, sys.modules["petsc4py.PETSc"].Sys.getVersion()))
    with contextlib.suppress(Exception):
        lines = sys.modules["mpi4py.MPI"].Get_library_version().splitlines()
        found["mpi"] = " ".join(lines[0].replace("\0", "").split())
    if found["gmsh"] == UNKNOWN:
        found["gmsh"] = _gmsh_by_its_file()
    return found


def record(comm: Any) -> dict[str, Any]:
    """Versions, command, date and host of this start of a run, with its ranks (collective)."""
    import datetime
    import socket

    hosts = comm.allgather(socket.gethostname())
    found: dict[str, Any] = {}
    if comm.rank == 0:
        with contextlib.suppress(Exception):
            found = {
                "versions": versions(),
                "command": command(),
                "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            }
    found = comm.bcast(found)
    return found | {"host": ", ".join(dict.fromkeys(hosts)), "ranks": comm.size}


def version() -> str:
    """Version of this package, if it is installed."""
    return _installed("hostplate") or "(not installed)"


def _installed(package: str) -> str | None:
    from importlib import metadata

    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def _gmsh_by_its_file() -> str:
    """Version of a gmsh that no package manager knows, read from its module, not imported."""
    from importlib.util import find_spec

    with contextlib.suppress(Exception):
        spec = find_spec("gmsh")
        text = Path(str(spec and spec.origin)).read_text(encoding="utf-8")
        if match := re.search(r'^GMSH_API_VERSION\s*=\s*["\']([^"\']+)', text, re.MULTILINE):
            return match[1]
    return UNKNOWN
