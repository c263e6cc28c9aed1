"""A picture of the ions of a result."""

from __future__ import annotations

from typing import Any

from fem.post.figures import side_by_side
from fem.results.result import Result

__all__ = ["ions"]


def ions(result: Result, t: float | None) -> Any:
    """Draw the concentration of each ion; None where there is one salt."""
    return side_by_side(result, t, tuple(f"c_{name}" for name in result.summary.get("species", ())))
