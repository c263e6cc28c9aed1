"""Ranks that call one function after the other: ``python -m tests.worker FOLDER PID``.

Started by the ``mpirun`` fixture. A request is a file ``FOLDER/N.json`` with the name of a function
(``package.module:name``), its arguments and the seconds it has; what it returned on rank 0 goes to
``FOLDER/N.result``. Between requests the ranks sleep, for ranks that wait for one another spin. An
exception on any rank ends the whole job at once, so that no test hangs on a lost partner.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import itertools
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

try:
    import dolfinx_solver  # noqa: F401  # the pip wheel wants to be imported before mpi4py
except ModuleNotFoundError:
    pass
from mpi4py import MPI

from fem.base.folder import write_text


def jsonable(value: Any) -> Any:
    """Turn numpy's scalars and arrays into what JSON knows."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a worker cannot return {type(value).__name__}: {value!r}")


def call(target: str, arguments: list[Any]) -> str:
    """Call ``package.module:name(*arguments)`` on all ranks; what it returned here, as JSON."""
    world = MPI.COMM_WORLD
    try:
        module, _, name = target.partition(":")
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
        result = json.dumps(function(*arguments), default=jsonable)
        world.Barrier()
    except BaseException:
        print(f"rank {world.rank} of {world.size} in {target}:", file=sys.stderr)
        traceback.print_exc()
        sys.stderr.flush()
        sys.stdout.flush()
        world.Abort(2)
        raise
    return result


def serve(folder: Path, pid: int) -> None:
    """Answer requests until the process that makes them is gone."""
    for number in itertools.count():
        request = folder / f"{number}.json"
        while not request.exists():
            os.kill(pid, 0)  # raises when there is no such process any more
            time.sleep(0.01)
        target, arguments, seconds = json.loads(request.read_text())
        # Shortly before the fixture kills a job that hangs, every rank says where it is.
        faulthandler.dump_traceback_later(max(0.5, seconds - 2), exit=False)
        result = call(target, arguments)
        faulthandler.cancel_dump_traceback_later()
        gc.collect()
        if MPI.COMM_WORLD.rank == 0:
            write_text(folder / f"{number}.result", result)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
