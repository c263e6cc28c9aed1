"""Losses of metal on walls that a case gives as numbers: dead metal, and SEI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ufl

from fem.base.errors import CaseError
from fem.results.result import Result

__all__ = ["Losses", "stranded_share"]


@dataclass(frozen=True)
class Losses:
    r"""Current of metal, per wall area, that cycles lose; walls take it by the name `losses`.

        dead:  dX/dt = chi max(i_n, 0) + gamma max(q, 0)     leaves q, stays on the wall
        SEI:   i_side = s min(i_n, 0)                        of i_n, makes no metal      [A/m2]

    i_n is that of the metal, without the side reaction of bare walls. If all that is plated is
    stripped, a cycle's Coulombic efficiency is (1 - s)/(1 + chi).

    Attributes:
        stranded: chi, metal stranded per metal dissolved.
        decay: gamma, share of the live metal that is stranded per time, 1/s.
        diverted: s, share of the plating current that makes SEI.
    """

    stranded: float = 0.0
    decay: float = 0.0
    diverted: float = 0.0

    def dead(self, i_n: Any, q: Any) -> Any:
        """Metal that loses its contact, A/m2, from that which reacts and that which is there."""
        return self.stranded * ufl.max_value(i_n, 0.0) + self.decay * ufl.max_value(q, 0.0)

    def side(self, i_n: Any) -> Any:
        """The part of i_n that makes SEI, A/m2."""
        return self.diverted * ufl.min_value(i_n, 0.0)


def stranded_share(folder: Path) -> float:
    """Metal stranded per metal dissolved in a run that resolves dead metal.

    Dead metal at the end over all the charge that was stripped, after `series.csv`; metal that was
    found again does not count.

    Raises:
        CaseError: the run has no such metal, or has stripped none.
    """
    series = Result(folder).series
    if "dead" not in series or "charge" not in series:
        raise CaseError(
            f"inventory.dead.from: {str(folder)!r}: its series has no column `dead`; name a run of "
            "a growth study"
        )
    steps = np.diff(series["charge"], prepend=0.0)
    stripped = float(steps[steps > 0.0].sum())
    if not stripped > 0.0:
        raise CaseError(
            f"inventory.dead.from: {str(folder)!r}: it has stripped nothing, and metal dies where "
            "it is stripped; let its protocol strip"
        )
    return float(series["dead"][-1]) / stripped
