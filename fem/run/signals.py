"""Signals that stop a run."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

from fem.compat import MPI

__all__ = ["StopRequest"]


class StopRequest:
    """Notes SIGTERM, SIGUSR1 and SIGINT; the run asks between two steps.

    A batch system sends one of them before the wall limit.
    """

    def __init__(self, comm: MPI.Comm):
        self.comm = comm
        self.number = 0

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Note signals inside the block."""
        old: dict[int, Any] = {}
        with contextlib.suppress(ValueError):  # only the main thread may set handlers
            for wanted in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
                old[wanted] = signal.signal(wanted, self._note)
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: Any) -> None:
        self.number = number

    def agreed(self) -> int:
        """The signal that some rank got, the same answer on all ranks; 0 for none (collective)."""
        return int(self.comm.allreduce(self.number, op=MPI.MAX))
