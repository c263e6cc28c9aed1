"""Events as the summary keeps them, and signals that stop a run."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Mapping
from typing import Any

from fem.compat import MPI
from fem.run.segments import Segment
from fem.study.build import Model
from fem.values.units import shown_point

__all__ = ["StopRequest", "entry", "words"]


def entry(
    name: str, segment: Segment, number: int, model: Model, start: float, **more: Any
) -> dict[str, Any]:
    """An event as the summary keeps it: what, in which protocol step, when, at which voltage.

    Args:
        name: `cutoff`, `capacity`, or one that a physics declares.
        segment: the protocol step.
        number: of the protocol step.
        model: in its present state.
        start: time at which the protocol step began, s.
        more: further entries.
    """
    s = model.system
    return {
        "event": name, "segment": segment.name, "number": number, **segment.place,
        "t": s.t, "t_in_segment": s.t - start, "voltage": s.get_voltage(), **more,
    }  # fmt: skip


#: Units of what every event has.
_UNITS = {"t": "s", "t_in_segment": "s", "voltage": "V"}


def words(entry: Mapping[str, Any]) -> str:
    """An event of the summary in a line; what has no unit there is in SI."""

    def word(name: str, value: Any) -> str:
        if name == "place" and isinstance(value, list):
            return shown_point(value)
        text = f"{value:.6g}" if isinstance(value, float) else f"{value}"
        return f"{text} {_UNITS.get(name, '')}".rstrip()

    return ", ".join(f"{k} = {word(k, v)}" for k, v in entry.items() if k != "event")


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
