"""The ``mpirun`` fixture itself: results come back, no failure hangs or leaves a process behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def add(number: int) -> dict[str, Any]:
    """Sum over the ranks, as numpy's types."""
    import numpy as np
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    return {"sum": np.int64(world.allreduce(number)), "ranks": np.arange(world.size)}


def one_rank_raises() -> None:
    """Rank 1 fails while rank 0 waits for it."""
    from mpi4py import MPI

    if MPI.COMM_WORLD.rank == 1:
        raise ValueError("rank 1 had enough")
    MPI.COMM_WORLD.Barrier()


def one_rank_sleeps(folder: str) -> None:
    """Rank 1 never comes to the barrier; every rank leaves its process id."""
    from mpi4py import MPI

    (Path(folder) / str(os.getpid())).touch()
    if MPI.COMM_WORLD.rank == 1:
        time.sleep(1000)
    MPI.COMM_WORLD.Barrier()


def test_result_of_all_ranks(mpirun: Callable[..., Any]) -> None:
    """Numbers and arrays come back as JSON."""
    assert mpirun(2, add, 3) == {"sum": 6, "ranks": [0, 1]}


def test_exception_on_one_rank_ends_the_job(mpirun: Callable[..., Any]) -> None:
    """The rank and its traceback are shown, long before the time-out."""
    start = time.monotonic()
    with pytest.raises(pytest.fail.Exception, match=r"(?s)exit 2.*rank 1 of 2.*had enough"):
        mpirun(2, one_rank_raises, timeout=60)
    assert time.monotonic() - start < 30


def test_hanging_job_is_killed(mpirun: Callable[..., Any], tmp_path: Path) -> None:
    """The line where it hangs is shown, and no process stays behind."""
    with pytest.raises(pytest.fail.Exception, match=r"(?s)killed after 4 s.*in one_rank_sleeps"):
        mpirun(2, one_rank_sleeps, str(tmp_path), timeout=4)
    pids = [path.name for path in tmp_path.iterdir()]
    assert len(pids) == 2
    limit = time.monotonic() + 5
    while any(Path("/proc", pid).exists() for pid in pids):
        assert time.monotonic() < limit, pids
        time.sleep(0.1)
