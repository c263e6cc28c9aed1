"""Contents that a solution leaves over, and when another iteration is worth its while."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fem.compat import MPI
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["Leftover"]

#: Share of an ion that a step may make of nothing: Newton's method stops at a tolerance of
#: currents, which long steps multiply.
LEAK = 1e-11
#: Share of the last leftover to which an iteration has to bring it; what falls less is round-off.
MIN_FALL = 0.3


class Leftover:
    """An `Unknown.again`: solve once more while that finds what a balance leaves over (collective).

    Args:
        s: the system; each of its steps is looked at by itself.
        share: of the content that the iterate leaves over (collective).
        allowed: the share with which a step may stand.
    """

    def __init__(self, s: System, share: Callable[[], float], allowed: float):
        self.share, self.allowed, self.last = share, allowed, math.inf
        s.preparers.append(self._begin)

    @classmethod
    def of_row(cls, s: System, u: Unknown, content: float) -> Leftover:
        """Leftover of what a row stores, by the sum of its residual.

        Args:
            s: the system.
            u: the unknown of the row.
            content: what the row stores, A s (2D: A s/m).
        """

        def share() -> float:
            free = np.ones(len(u.owned), dtype=bool)
            held = u.fixed_dofs()
            free[held[held < len(free)]] = False
            left = s.domain.comm.allreduce(float(s.residuals[u.name][free].sum()), op=MPI.SUM)
            rate = float(s.rate.value)
            return abs(left) / (rate * content) if rate else 0.0

        return cls(s, share, LEAK)

    def _begin(self) -> None:
        self.last = math.inf

    def __call__(self) -> bool:
        """Tell whether more is left over than may be, and less than at the last look."""
        last, self.last = self.last, self.share()
        return bool(self.allowed < self.last < MIN_FALL * last)
