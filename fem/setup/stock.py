"""The metal that a cell can strip, as circuit, films and inventory ask for it."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fem.compat import MPI
from fem.mesh.profile import PROFILE_BINS, by_bin, distribution, named_thirds
from fem.system.part import Observer
from fem.system.system import System

__all__ = ["Stock"]

#: Share of the metal at the start of which the last digit is no leak of a short rest.
LAST_DIGIT = 1e-6

Array = npt.NDArray[np.float64]


class Stock(Observer, abc.ABC):
    """Metal against the charge that passed; charges are in C (2D: C/m), all methods collective.

    Attributes:
        amount: charge of the metal in the step measured last.
        shows_bare: the voltage rises as metal runs out, so that a cut-off ends a step that strips.
    """

    provides: tuple[str, ...] = ("stock",)
    shows_bare: ClassVar[bool]
    amount = 0.0

    def declare(self, s: System) -> None:
        """Add the name by which others ask for the metal."""
        self.s, self.comm = s, s.domain.comm
        s.define("stock", self)

    @abc.abstractmethod
    def plated(self) -> float:
        """Charge of all metal."""

    @abc.abstractmethod
    def some(self) -> bool:
        """There is metal that could be stripped."""

    @abc.abstractmethod
    def left(self) -> float:
        """Charge of the metal that can be stripped; infinite where that is not known."""

    @abc.abstractmethod
    def moved(self) -> float:
        """Charge of the metal that came or went at each place in this step."""

    @abc.abstractmethod
    def by_region(self) -> dict[str, dict[str, float]]:
        """`current`, A, and reacting `area`, m2 (2D: m), of each surface."""

    @abc.abstractmethod
    def depth_profile(self, bins: int = PROFILE_BINS) -> dict[str, list[float]]:
        """Current and metal, A and C, in bins of `depth` below the top of the host, m."""

    def begin(self) -> None:
        """Take the metal that is there as the reference."""
        self.s.kept["plated"] = self.amount = self.plated()

    def balance(self, scale: float, lost: float = 0.0) -> dict[str, float]:
        """`plated`, and `faraday`: that against the charge passed less side reactions.

        Args:
            scale: cell current that errors are compared with, A.
            lost: charge of the metal that the step has made to something else.
        """
        self.amount, start = self.plated(), self.s.kept["plated"]
        books = self.s["circuit"]
        gap = self.amount - start + books.pending["reacted"] - books.pending["side"] + lost
        size = max(books.reference(scale), LAST_DIGIT * start)
        return {"plated": self.amount, "faraday": abs(gap) / size}

    def in_bins(
        self, bins: int, spread: Iterable[tuple[Array, Array]]
    ) -> tuple[list[float], Array]:
        """Depth of the middle of bins, m, and what they hold, shape (kinds, bins).

        Args:
            bins: how many, from top to bottom of the host.
            spread: corners of cells, (cells, corners, 3), and amounts, see `Store.spread`.
        """
        top, bottom = self.s.domain.span
        edges = np.linspace(0.0, top - bottom, bins + 1)
        local = sum(
            by_bin(edges, self.s.domain.depth_of(at.reshape(-1, 3)).reshape(at.shape[:2]), amounts)
            for at, amounts in spread
        )
        middle = 0.5 * (edges[1:] + edges[:-1])
        return middle.tolist(), self.comm.allreduce(local, op=MPI.SUM)

    def summary(self) -> dict[str, Any]:
        """Distribution of current and metal."""
        profile, circuit = self.depth_profile(), self.s["circuit"]
        out = distribution(self.by_region(), profile, circuit.split.rests)
        if "plated" in self.makes:
            out["plated"] = self.plated() / circuit.area
            out["plated_by_third"] = named_thirds(profile, "plated")
        return out
