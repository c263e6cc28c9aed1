"""Start of the command line: quick, and without libraries that a word of help does not need."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Packages that cost more than the whole answer.
HEAVY = ("dolfinx", "gmsh", "h5py", "matplotlib", "mpi4py", "pint", "pyvista", "scipy", "vtk")


def cpu(*words: str) -> float:
    """Least CPU time of three calls of a command, s; others may use the machine, too."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "fem.cli", *words]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(3))


def test_help_is_there_at_once() -> None:
    """0.08 to 0.11 s when this was written."""
    assert cpu("--help") < 0.3


def test_check_is_quick() -> None:
    """0.96 s on a machine with ten other loads, when this was written."""
    assert cpu("check", "trilayer_cg") < 1.5


@pytest.mark.parametrize(("words", "more"), [
    (["--help"], ("numpy", "pydantic")), (["check", "trilayer_cg"], ()),
])  # fmt: skip
def test_nothing_heavy_is_loaded(words: list[str], more: tuple[str, ...]) -> None:
    """No solver, no mesher, no pictures, no units that are written out."""
    code = (
        "import contextlib, sys\nfrom fem.cli.main import main\n"
        f"with contextlib.suppress(SystemExit):\n    main({words!r})\n"
        f"print('LOADED', [n for n in {(*HEAVY, *more)!r} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_only_tables_that_a_case_has_get_validators() -> None:
    code = (
        "from fem.cli.main import main\nmain(['check', 'trilayer_cg'])\n"
        "from fem.case.case import Case\nfrom fem.contract.registry import with_own\n"
        "tables = [p.table for p in with_own().tables().values()]\n"
        "built = [t.__name__ for t in (Case, *tables) if t.__pydantic_complete__]\n"
        "print(len(tables), built)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    count, built = done.stdout.splitlines()[-1].split(maxsplit=1)
    assert int(count) > 5 and built == "[]"
