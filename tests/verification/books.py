"""The books of a cell, for tests that take its steps by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fem.system.part import Observer, Part
from fem.system.system import System

__all__ = ["Books"]


class Books:
    """All that measures a system, as a run asks it.

    Attributes:
        circuit: sums of currents and charges.
        stock: the metal.
    """

    def __init__(self, s: System, observers: Iterable[Observer]):
        self.observers = tuple(observers)
        self.circuit: Any = s["circuit"]
        self.stock: Any = s["stock"]
        for observer in self.observers:
            observer.begin()

    @classmethod
    def opened(cls, s: System, *parts: Any) -> Books:
        """Books of a system that was made by hand."""
        for part in parts:
            assert isinstance(part, Part)
            part.declare(s)
        for part in parts:
            part.rows(s)
        return cls(s, parts)

    def step(self, scale: float) -> dict[str, float]:
        """All columns of the step just solved."""
        found: dict[str, float] = {}
        for observer in self.observers:
            found |= observer.step(scale)
        return found

    def accept(self) -> None:
        """Make the ledgers of `step` the accepted ones."""
        for observer in self.observers:
            observer.accept()
