"""Numbers of results against each other: observed orders, and two folders side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError
from fem.results.result import Result

__all__ = ["compare", "numbers", "order", "scale"]

#: Entries of a summary by which no mesh or step should be judged.
UNJUDGED = ("wall_seconds", "seconds", "closures", "sigma_capped", "depth_profile",
           "projected_area", "t", "resumed_at")
#: Relative difference below which two values count as equal.
EQUAL_RTOL = 1e-9
#: Observed order below which values hardly change from mesh to mesh, and no limit is given.
MIN_ORDER = 0.2
#: Values in SI below which a number is rounding; voltages: 1 uV.
NOISE_LEVELS = {"voltage": 1e-6}


def numbers(summary: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """All floats of a summary by dotted name; lists (profiles, events) and `UNJUDGED` left out."""
    out: dict[str, float] = {}
    for name, value in summary.items():
        if not prefix and name in UNJUDGED:
            continue
        if isinstance(value, Mapping):
            out |= numbers(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            out[prefix + name] = value
    return out


def scale(name: str, tables: Sequence[Mapping[str, float]]) -> float:
    """Size of what a number belongs to: the largest of its group, such as all regions' currents.

    A part of nothing but rounding (the current of a third in which nothing plates) is then equal on
    all meshes, instead of jumping by its own size.

    Args:
        name: dotted.
        tables: `numbers` of some results.
    """
    group, dot, _ = name.rpartition(".")
    own = NOISE_LEVELS.get(name, 0.0)
    if not dot or group == "probes":  # probes have units of their own
        return own
    parts = (v for table in tables for n, v in table.items() if n.rpartition(".")[0] == group)
    return max([own, *(abs(v) for v in parts if math.isfinite(v))])


def order(
    coarse: float, middle: float, fine: float, scale: float = 0.0
) -> dict[str, float | str | None]:
    """Observed order of three values, the limit they run to, and the error left in the fine one.

    Args:
        coarse: value on the coarsest mesh, or with the largest step.
        middle: with half of it.
        fine: with a quarter.
        scale: size against which a difference is rounding; at least that of the values.

    Returns:
        `order` and `limit` (None where they are not known), `error` relative to the limit (or
        between the two finest values), `verdict`: `converges`, `equal`, `hardly changes` (the
        differences shrink, but so slowly that no limit can be given),
        `oscillates`, `diverges`, `no number`.
    """
    found: dict[str, float | str | None] = {"order": None, "limit": None}
    if not all(map(math.isfinite, (coarse, middle, fine))):
        return found | {"error": math.nan, "verdict": "no number"}
    first, second = middle - coarse, fine - middle
    size = max(abs(coarse), abs(middle), abs(fine))
    if max(abs(first), abs(second)) <= EQUAL_RTOL * max(size, scale):
        return found | {"error": 0.0, "verdict": "equal"}
    found["error"] = abs(second) / size
    if abs(second) <= EQUAL_RTOL * max(size, scale):  # the two finest agree
        return found | {"limit": fine, "error": abs(second) / size, "verdict": "converges"}
    if first * second <= 0.0:
        return found | {"verdict": "oscillates"}
    p = math.log2(first / second)
    if p <= 0.0:
        return found | {"order": p, "verdict": "diverges"}
    if p < MIN_ORDER:
        return found | {"order": p, "verdict": "hardly changes"}
    rest = second / (2.0**p - 1.0)
    error = abs(rest) / max(abs(fine + rest), abs(fine))  # a limit of 0 has no relative error
    return found | {"order": p, "limit": fine + rest, "error": error, "verdict": "converges"}


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
