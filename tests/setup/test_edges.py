"""Edges of the cell: which boundaries of a mesh lack a condition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fem.setup.edges import insulated


def test_symmetry_needs_no_condition() -> None:
    """A run tells of a tab that nobody drives, not of sides or of the axis of a round pore."""
    names = ("collector", "counter", "sides", "axis", "tab", "lug")
    case: Any = SimpleNamespace(boundaries={"lug": None})
    domain: Any = SimpleNamespace(boundaries=dict.fromkeys(names))
    assert insulated(case, domain) == ["tab"]
