"""Verdicts on the step just solved: its local error, its largest change, whether it alternates."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fem.compat import MPI, owned_size
from fem.system.system import System

__all__ = ["alternates", "change", "error", "error_of", "voltage_error"]


def error(s: System) -> float:
    """Local error of the step in units of each field's scale (root mean square, worst field).

    Milne's device: the gap between the solution and the polynomial through as many old states
    as there are, times K/(P + K), the error constants of formula and polynomial. Collective.
    """
    worst = 0.0
    for unknown in s.unknowns.values():
        if not unknown.differential:
            continue
        if unknown.gap is not None:
            worst = max(worst, unknown.gap() / unknown.scale)
            continue
        n = owned_size(unknown.space)
        states = [f.x.array[:n] for f in (unknown.value, *unknown.old)]
        rate = None if unknown.rate is None else unknown.rate[:n]
        if unknown.judged is not None:
            states, rate = [*unknown.judged()], None
            n = states[0].shape[-1]
        u, a, b, c = states
        gap = (u - a - sum(s.time.projected(a, b, c, rate))) / unknown.scale
        if unknown.relative:
            gap /= np.maximum(1.0, np.abs(u) / unknown.scale)
        share = _error_share(s) / unknown.tolerance_share
        weight = np.ones(n) if unknown.weight is None else unknown.weight()
        total = np.array([*np.atleast_1d(gap**2 @ weight), weight.sum()])
        s.domain.comm.Allreduce(MPI.IN_PLACE, total, op=MPI.SUM)
        worst = max(worst, share * np.sqrt(total[:-1].max() / max(total[-1], 1e-300)))
    return float(max([worst, *(gap() for gap in s.gaps)]))


def _error_share(s: System) -> float:
    """The local error over the gap that extrapolation leaves."""
    h, (h1, h2) = s.dt, s.time.past_dt[:2]
    if s.time.history < 3:
        return (0.5, 1.0 / 3.0)[s.time.history - 1]
    formula = h * h * (h + h1) ** 2 / (2 * h + h1)
    return formula / (formula + h * (h + h1) * (h + h1 + h2))


def voltage_error(s: System) -> float:
    """Local error of the step in the cell voltage, V (collective)."""
    return error_of(s, s.get_voltage(), s.past_voltages)


def error_of(s: System, now: float, past: Iterable[float]) -> float:
    """Local error of the step in a number that is no unknown.

    Args:
        s: the system.
        now: at the end of the step.
        past: at the three states before it, newest first.
    """
    then, before, earlier = past
    gap = now - then - sum(s.time.projected(then, before, earlier))
    return _error_share(s) * abs(float(gap))


def change(s: System) -> float:
    """Largest change of the step over what its field allows (collective)."""
    worst = 0.0
    for unknown in s.unknowns.values():
        if np.isfinite(unknown.largest_change):
            n = owned_size(unknown.space)
            step = np.abs(unknown.value.x.array[:n] - unknown.old[0].x.array[:n])
            if unknown.meant is not None:
                step = step[~unknown.meant]
            worst = max(worst, float(step.max(initial=0.0)) / unknown.largest_change)
    return s.domain.comm.allreduce(worst, op=MPI.MAX)


def alternates(s: System) -> bool:
    """The last accepted change goes against the one before it, by all scales (collective)."""
    along = 0.0
    for u in s.unknowns.values():
        if u.differential:
            new, then, old = (f.x.array[: len(u.owned)] / u.scale for f in u.old)
            along += float((new - then) @ (then - old))
    return bool(s.domain.comm.allreduce(along, op=MPI.SUM) < 0.0)
