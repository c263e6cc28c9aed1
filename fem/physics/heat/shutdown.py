"""A separator whose pores melt shut where it has once been too hot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import ufl

from fem.system.part import Event, Observer
from fem.system.system import System

__all__ = ["Melting", "Shutdown"]

#: Distance from the middle of the transition, in widths, beyond which it is complete.
MAX_WIDTHS = 40.0


@dataclass(frozen=True)
class Melting:
    """Melting of the pores of a region.

    Attributes:
        at: temperature in the middle of the transition, K. width: of it, K.
        factor: share of kappa and D that is left.
    """

    at: float
    width: float
    factor: float


@dataclass
class Shutdown(Observer):
    r"""Transport that is left in pores that melt, and stay shut.

        passage = factor + (1 - factor)/(1 + exp((T_top - at)/width))

    multiplies kappa and D; T_top is the highest temperature that a node has had, K.

    Attributes:
        melting: region -> how it melts.
    """

    melting: Mapping[str, Melting]

    provides: tuple[str, ...] = ("passage", "T_top")
    needs: tuple[str, ...] = ("T",)

    def declare(self, s: System) -> None:
        """Remember the highest temperature, and say what passes."""
        self.s, domain = s, s.domain
        self.top = s.memory("T_top", s.fields["T"][1])
        self.top.x.array[:] = s["T"].x.array

        def number(name: str) -> Any:
            return domain.field({r: getattr(m, name) for r, m in self.melting.items()})

        melts = domain.field(dict.fromkeys(self.melting, 1.0))
        width = domain.field(
            {r: self.melting[r].width if r in self.melting else 1.0 for r in domain.regions}
        )
        hot = (ufl.max_value(self.top, s["T"]) - number("at")) / width
        hot = ufl.max_value(ufl.min_value(hot, MAX_WIDTHS), -MAX_WIDTHS)
        factor = number("factor")
        left = factor + (1.0 - factor) / (1.0 + ufl.exp(hot))
        s.define("passage", 1.0 - melts * (1.0 - left))

    def rows(self, s: System) -> None:
        """Compile what is measured: volumes that are shut and that could be."""
        domain, regions = s.domain, tuple(self.melting)
        at = domain.field({r: m.at for r, m in self.melting.items()})
        dx = domain.dx(regions)
        is_shut = ufl.conditional(ufl.gt(self.top, at), 1.0, 0.0)
        self.shut = s.form(is_shut * domain.weight * dx)
        self.whole = s.integral(s.form(domain._one * domain.weight * dx))

    def accept(self) -> None:
        """Pores that melted in the step stay shut."""
        np.maximum(self.top.x.array, self.s["T"].x.array, out=self.top.x.array)

    def events(self) -> Iterator[Event]:
        """`shutdown`, once any of the pores has melted shut."""
        share = self.s.integral(self.shut) / self.whole
        if share > 0.0:
            yield Event("shutdown", {"share": share}, once=True)
