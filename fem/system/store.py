"""Metal that a part holds beside walls, as the books of a cell ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Store"]


class Store(Protocol):
    """Metal that a part holds; it stands in `Reports.stores`.

    Charges are in C, areas in m2 (2D: C/m, m). Methods are collective, but for `spread`.
    """

    @property
    def followed(self) -> bool:
        """Its metal is followed in time."""

    def plated(self) -> float:
        """Charge of all its metal."""

    def live(self) -> float:
        """Charge of the metal that can be stripped."""

    def moved(self) -> float:
        """Charge of the metal that came or went at each place in this step."""

    def by_region(self) -> Mapping[str, Mapping[str, float]]:
        """`current`, A, and reacting `area` of each region."""

    def spread(self) -> tuple[Any, Any]:
        """Corners of this rank's cells, (cells, corners, 3), and what their hat functions hold.

        That is current, A, area and metal, shape (3, cells, corners).
        """
