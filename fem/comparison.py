"""Numbers of results against each other: observed orders, and two folders side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import CaseError
from .results import Result

__all__ = ["compare", "numbers", "order"]

SKIPPED = ("wall_seconds", "closures", "sigma_capped", "depth_profile", "projected_area", "t")
"""What a summary holds that no mesh or step should be judged by."""
SAME = 1e-9
"""Relative difference below which two values count as equal."""


def numbers(summary: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """All floats of a summary by dotted name; lists (profiles, events) and `SKIPPED` left out."""
    out: dict[str, float] = {}
    for name, value in summary.items():
        if not prefix and name in SKIPPED:
            continue
        if isinstance(value, Mapping):
            out |= numbers(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            out[prefix + name] = value
    return out


def order(coarse: float, middle: float, fine: float) -> dict[str, float | str | None]:
    """Observed order of three values, the limit they run to, and the error left in the fine one.

    Returns:
        `order` and `limit` (None where they cannot be told), `error` relative to the limit (or
        between the two finest values), `verdict`: `converges`, `equal`, `oscillates`, `diverges`.
    """
    first, second = middle - coarse, fine - middle
    size = max(abs(coarse), abs(middle), abs(fine))
    found: dict[str, float | str | None] = {"order": None, "limit": None}
    if max(abs(first), abs(second)) <= SAME * size:
        return found | {"error": 0.0, "verdict": "equal"}
    found["error"] = abs(second) / size
    if second == 0.0 or first * second <= 0.0:
        return found | {"verdict": "oscillates"}
    p = math.log2(first / second)
    if p <= 0.0:
        return found | {"order": p, "verdict": "diverges"}
    rest = second / (2.0**p - 1.0)
    error = abs(rest) / max(abs(fine + rest), 1e-300)
    return {"order": p, "limit": fine + rest, "error": error, "verdict": "converges"}


def compare(a: Path, b: Path) -> Iterator[str]:
    """Numbers of two result folders side by side, with relative differences.

    Raises:
        CaseError: one of them is not finished.
    """
    tables = []
    for folder in (a, b):
        summary = Result(folder).summary
        if not summary:
            raise CaseError(f"{folder}: no summary.json; the run has not finished")
        tables.append(numbers(summary))
    names = list(dict.fromkeys([*tables[0], *tables[1]]))
    width = max(len(name) for name in names)
    yield f"{'':{width}}  {'A':>14}{'B':>14}{'(B-A)/A':>11}     A = {a}, B = {b}"
    for name in names:
        left, right = (t.get(name) for t in tables)
        shown = "".join(f"{v:14.7g}" if v is not None else f"{'-':>14}" for v in (left, right))
        gap = ""
        if left is not None and right is not None:
            share = (right - left) / abs(left) if left else (0.0 if right == left else math.inf)
            gap = f"{share:11.1e}"
        yield f"{name:{width}}  {shown}{gap}"
