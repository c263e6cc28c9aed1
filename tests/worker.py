"""Run one function on every MPI rank: ``python -m tests.worker package.module:name [JSON]``.

Started by the ``mpirun`` fixture. Rank 0 prints what the function returned as ``RESULT {json}``;
an exception on any rank ends the whole job at once, so that no test hangs on a lost partner.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import traceback
from typing import Any

try:
    import dolfinx_solver  # noqa: F401  # the pip wheel wants to be imported before mpi4py
except ModuleNotFoundError:
    pass
from mpi4py import MPI


def jsonable(value: Any) -> Any:
    """Turn numpy's scalars and arrays into what JSON knows."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a worker cannot return {type(value).__name__}: {value!r}")


def main(target: str, arguments: str = "[]") -> None:
    """Call ``package.module:name(*arguments)`` on all ranks and print rank 0's result."""
    world = MPI.COMM_WORLD
    try:
        module, _, name = target.partition(":")
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
        result = json.dumps(function(*json.loads(arguments)), default=jsonable)
        world.Barrier()
    except BaseException:
        print(f"rank {world.rank} of {world.size} in {target}:", file=sys.stderr)
        traceback.print_exc()
        sys.stderr.flush()
        sys.stdout.flush()
        world.Abort(2)
        raise
    if world.rank == 0:
        print(f"\nRESULT {result}", flush=True)


if __name__ == "__main__":
    # Shortly before the fixture kills a job that hangs, every rank says where it is.
    if seconds := float(os.environ.get("HOSTPLATE_WORKER_TIMEOUT", 0)):
        faulthandler.dump_traceback_later(max(0.5, seconds - 2), exit=False)
    main(*sys.argv[1:])
