"""Benchmarks. One thread a rank: CPU time would count those that spin as well."""

import os
import shlex
from collections.abc import Iterable

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def command(script: str, arguments: Iterable[object], ranks: int = 1) -> str:
    """The line that does the same again, overrides of the case included."""
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    words = [*launcher, "python", f"scripts/bench/{script}.py", *map(str, arguments)]
    return shlex.join(words)
