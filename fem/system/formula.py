"""Time of a system: the formula of a step, the steps before it, and what they foresee."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import dfem

__all__ = ["TimeFormula"]

#: Largest quadratic part of a first guess, as a share of the linear one.
MAX_BEND = 0.5


class TimeFormula:
    """Variable-step BDF1 or BDF2, and the polynomials by which a step is foreseen.

    Args:
        mesh: on which forms read its weights.

    Attributes:
        t: time of the last accepted state, s. dt: the step that is tried, s.
        past_dt: the steps before it, newest first, s.
        history: number of accepted states to go by; 1 after a jump, then the step is one of BDF1.
        longest: largest `history`: 3, or 4 where charge is stored (`guess`).
        jumped: time of the last jump of what is imposed, s.
        rates: weights of the new state and of the two before it, 1/s, as forms have them.
    """

    def __init__(self, mesh: Any):
        self.t, self.dt, self.jumped = 0.0, 0.0, 0.0
        self.past_dt = [0.0, 0.0, 0.0]
        self.history, self.longest = 1, 3
        self.rates = [dfem.Constant(mesh, 0.0) for _ in range(3)]

    # -- the formula ---------------------------------------------------------------------------

    def begin(self, dt: float) -> None:
        """Take the weights of a step, s; of 0 all rates vanish."""
        self.dt = dt
        self._set(self.weights(dt))

    def _set(self, weights: Sequence[float]) -> None:
        for constant, weight in zip(self.rates, weights, strict=True):
            constant.value = weight

    def accept(self) -> None:
        """Advance time by the step."""
        self.past_dt = [self.dt, *self.past_dt[:2]]
        self.t += self.dt
        self.history = min(self.history + 1, self.longest)

    def weights(self, dt: float) -> tuple[float, float, float]:
        """Weights of the new and of the two last states in the formula of a step of dt, 1/s."""
        if dt <= 0:
            return 0.0, 0.0, 0.0
        if self.history == 1:
            return 1 / dt, -1 / dt, 0.0
        w = dt / self.past_dt[0]
        return (1 + 2 * w) / (1 + w) / dt, -(1 + w) / dt, w * w / (1 + w) / dt

    def now(self) -> tuple[float, float, float]:
        """Weights of the step at hand, 1/s; 0 while time stands still."""
        new, last, first = (float(constant.value) for constant in self.rates)
        return new, last, first

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Inside the block nothing changes in time: all rates vanish."""
        weights = self.now()
        self._set((0.0, 0.0, 0.0))
        try:
            yield
        finally:
            self._set(weights)

    @property
    def past_weight(self) -> float:
        """Weight of the oldest state over that of the new one, after a far shorter step; or 1.

        BDF2 divides the last change by the step in which it happened, and its round-off, too.
        """
        new, _, first = map(abs, self.now())
        return max(1.0, first / new) if new else 1.0

    def difference(self, states: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """Time derivative by the iterate and the last two states, newest first, per s."""
        return np.asarray(sum(w * x for w, x in zip(self.now(), states, strict=True)))

    def integrate(self, rate: float, history: npt.NDArray[np.float64]) -> float:
        """New value of a time integral by the formula of the fields, so that ledgers close."""
        new, last, first = self.now()
        if new == 0.0:
            return float(history[0])
        return float((rate - last * history[0] - first * history[1]) / new)

    def rate_for(self, gain: float, history: npt.NDArray[np.float64], dt: float) -> float:
        """The rate by which a step of dt adds `gain` to a time integral; undoes `integrate`."""
        new, _, first = self.weights(dt)
        return float(new * gain - first * (history[0] - history[1]))

    # -- what it foresees ----------------------------------------------------------------------

    def projected(
        self, now: Any, before: Any, earlier: Any, rate: Any = None
    ) -> tuple[Any, Any]:
        """Change from `now` to the end of the step by the polynomial through the states there are.

        Args:
            now: newest state.
            before: the one before.
            earlier: and before that.
            rate: see `fem.system.unknown.Unknown`.

        Returns:
            Its linear and its quadratic part; 0 where there are not enough states.
        """
        h, (h1, h2) = self.dt, self.past_dt[:2]
        if self.history == 1:
            return 0.0 if rate is None else rate * h, 0.0
        slope = (now - before) / h1
        if self.history == 2:
            return slope * h, 0.0
        bend = (slope - (before - earlier) / h2) / (h1 + h2)
        return slope * h, bend * h * (h + h1)

    def guess(self, past: Any, rate: Any = None, eldest: Any = None) -> Any:
        """First guess of the end of the step, by the states there are.

        After a jump fields run like sqrt(t), and a parabola through them turns. Where charge is
        stored, polynomials of that root through one state more take its place; they are worse in
        steps in which salt runs out, which BDF1 takes there, from one state.

        Args:
            past: the last three states, newest first.
            rate: see `fem.system.unknown.Unknown`.
            eldest: the state before those, where charge is stored.
        """
        if eldest is not None and self.history > 2:
            states = [*past, eldest][: self.history]
            return sum(w * x for w, x in zip(self._by_root(), states, strict=True))
        straight, bend = self.projected(past[0], past[1], past[2], rate)
        most = MAX_BEND * np.abs(straight)
        return past[0] + straight + np.clip(bend, -most, most)

    def _by_root(self) -> list[float]:
        """Weights of the last states at the end of the step, by sqrt(time since the last jump)."""
        ago = np.cumsum([0.0, *self.past_dt])[: self.history]
        end, *roots = np.sqrt(np.maximum(self.t - self.jumped + np.array([self.dt, *-ago]), 0.0))
        return [
            float(np.prod([(end - other) / (root - other) for other in roots if other != root]))
            for root in roots
        ]

    # -- checkpoints ---------------------------------------------------------------------------

    def clock(self) -> dict[str, float]:
        """Time and step history, as a checkpoint keeps them."""
        return {
            "t": self.t,
            "dt": self.dt,
            "dt_1": self.past_dt[0],
            "dt_2": self.past_dt[1],
            "dt_3": self.past_dt[2],
            "jumped": self.jumped,
            "history": self.history,
        }

    def restore(self, clock: dict[str, float]) -> None:
        """Take up what `clock` gave; weights are those of the next `begin`."""
        self.t, self.dt = clock["t"], clock["dt"]
        self.past_dt = [clock["dt_1"], clock["dt_2"], clock.get("dt_3", 0.0)]
        self.jumped = clock.get("jumped", 0.0)  # lacking in old checkpoints
        self.history = int(clock["history"])
