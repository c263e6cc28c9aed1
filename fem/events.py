"""What ends a protocol step before its time, and what asks the whole run to stop."""

from __future__ import annotations

import contextlib
import math
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import theory
from .compat import MPI
from .model import Model
from .protocol import Segment

__all__ = ["StopRequest", "depletion", "entry"]


def entry(
    name: str, segment: Segment, number: int, model: Model, start: float, **more: Any
) -> dict[str, Any]:
    """An event as the summary keeps it: what, in which protocol step, when, at which voltage.

    Args:
        name: `cutoff`, `capacity` or `depletion`.
        segment: the protocol step.
        number: of the protocol step.
        model: in its present state.
        start: time at which the protocol step began, s.
        more: further entries.
    """
    s = model.system
    return {
        "event": name, "segment": segment.name, "number": number,
        "t": s.t, "t_in_segment": s.t - start, "voltage": s.get_voltage(), **more,
    }  # fmt: skip


def depletion(model: Model, density: float | None) -> dict[str, Any]:
    """Where the salt runs out, and Sand's time for a flat electrode (collective).

    Args:
        model: in its present state.
        density: imposed current density, A/m2; None if the voltage is held.
    """
    domain, u = model.domain, model.system.unknowns["c"]
    values = u.owned
    k = int(np.argmin(values)) if len(values) else -1
    mine = (float(values[k]) if k >= 0 else math.inf, domain.comm.rank)
    _, owner = min(domain.comm.allgather(mine))
    place = None
    if domain.comm.rank == owner:
        place = u.space.tabulate_dof_coordinates()[k].tolist()[: domain.dim]
    out: dict[str, Any] = {"place": domain.comm.bcast(place, root=owner)}
    medium = next(m for m in model.ions.media if m.salt)
    c0, T = model.ions.c0, model.case.temperature
    if density and medium.D is not None and medium.t_plus is not None:
        with contextlib.suppress(TypeError):  # D or t_plus of place or UFL: no flat answer
            out["sand_time"] = float(
                theory.sand_time(
                    abs(density), c0, float(medium.D(c0, T)), float(medium.t_plus(c0, T)),
                    model.ions.z,
                )
            )
    return out


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
