"""Walls and faces with fields of their own, as probes read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Surface"]


@dataclass(frozen=True)
class Surface:
    """Walls and faces that react alike, with the fields that live there only.

    Attributes:
        name: of the surface.
        places: (solid or boundary, electrolyte) pairs.
        fields: whether its walls are meant, not its faces -> fields by name, UFL.
    """

    name: str
    places: tuple[tuple[str, str], ...]
    fields: Callable[[bool], dict[str, Any]]
