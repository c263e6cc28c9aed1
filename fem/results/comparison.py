"""Numbers of results against each other: observed orders, and two folders side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.results.result import Result

__all__ = ["compare", "errors", "numbers", "order", "relative", "scale"]

#: Entries of a summary by which no mesh or step should be judged.
UNJUDGED = ("wall_seconds", "seconds", "closures", "sigma_capped", "depth_profile",
            "projected_area", "t", "resumed_at")
#: Relative difference below which two values count as equal.
EQUAL_RTOL = 1e-9
#: Differences that the solver may leave, in units of its tolerance: that is one of a residual over
#: the cell current, which other numbers follow by a factor of some units and steps add up.
SOLVER_FACTOR = 10.0
#: Observed order below which values hardly change from mesh to mesh, and no limit is given.
MIN_ORDER = 0.2
#: Share of the largest voltage or current of a run below which a cell rests.
REST_SHARE = 1e-6
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
    coarse: float, middle: float, fine: float, scale: float = 0.0, rtol: float = 0.0
) -> dict[str, float | str | None]:
    """Observed order of three values, the limit they run to, and the error left in the fine one.

    Args:
        coarse: value on the coarsest mesh, or with the largest step.
        middle: with half of it.
        fine: with a quarter.
        scale: size against which a difference is rounding; at least that of the values.
        rtol: tolerance of the solver that found the values.

    Returns:
        `order` and `limit` (None where they are not known), `error` relative to the limit (or
        between the two finest values), `verdict`: `converges`, `equal`, `the same to the
        solver's tolerance`, `hardly changes` (the differences shrink, but so slowly that no limit
        can be given), `oscillates`, `diverges`, `no number`.
    """
    found: dict[str, float | str | None] = {"order": None, "limit": None}
    if not all(map(math.isfinite, (coarse, middle, fine))):
        return found | {"error": math.nan, "verdict": "no number"}
    first, second = middle - coarse, fine - middle
    size = max(abs(coarse), abs(middle), abs(fine))
    if max(abs(first), abs(second)) <= EQUAL_RTOL * max(size, scale):
        return found | {"error": 0.0, "verdict": "equal"}
    found["error"] = abs(second) / size
    noise = max(EQUAL_RTOL, SOLVER_FACTOR * rtol) * max(size, scale)
    if max(abs(first), abs(second)) <= noise:
        error = max(abs(first), abs(second), abs(fine - coarse)) / size
        return found | {"error": error, "verdict": "the same to the solver's tolerance"}
    if abs(second) <= noise:  # the two finest agree
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


def errors(folder: Path) -> dict[str, float]:
    """Relative discretisation error of each number, from the answer of `hostplate converge`.

    Raises:
        CaseError: the folder holds none.
    """
    path = folder / "converge.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CaseError(f"{path}: no answer of `hostplate converge` is there") from None
    out: dict[str, float] = {}
    for kind in ("mesh", "time"):
        for name, row in found.get(kind, {}).items():
            if row["error"] is not None:
                out[name] = max(out.get(name, 0.0), float(row["error"]))
    return out


def _finished(folder: Path) -> Result:
    """A result with its summary.

    Raises:
        CaseError: it is not finished.
    """
    result = Result(folder)
    if not result.summary:
        raise CaseError(f"{folder}: no summary.json; the run has not finished")
    return result


def _left_over(result: Result, table: Mapping[str, float]) -> set[str]:
    """Names of voltages, currents and shares of currents that mean nothing, as the cell rests."""
    voltage, current = (
        float(np.abs(result.series.get(name, np.zeros(1))).max(initial=0.0))
        for name in ("voltage", "current_density")
    )
    if abs(table.get("current_density", math.inf)) > REST_SHARE * current:
        return set()
    sizes = {
        "voltage": voltage, "voltage_parts": voltage, "current_density": current,
        "current_by_region": current * float(result.summary.get("projected_area", 0.0)),
        "share_by_region": math.inf, "current_by_third": math.inf,
    }
    return {name for name, value in table.items()
            if abs(value) <= REST_SHARE * sizes.get(name.partition(".")[0], 0.0)}


def compare(
    folders: Sequence[Path], error: Mapping[str, float] | None = None,
    unit: Callable[[str], str] = lambda _: "",
) -> Iterator[str]:
    """Numbers of results side by side, with relative differences from the first.

    A difference below 3 times the discretisation error of its number is none, and so is that of
    two numbers which rests have left over.

    Args:
        folders: of the results.
        error: relative, of each number (`errors`); not judged without.
        unit: SI unit of a number by its name, shown beside it.

    Raises:
        CaseError: one of them is not finished.
    """
    results = [_finished(folder) for folder in folders]
    tables = [numbers(r.summary | {"metrics": r.metrics()}) for r in results]
    leftovers = [_left_over(r, table) for r, table in zip(results, tables, strict=True)]
    names = list(dict.fromkeys(name for table in tables for name in table))
    titles = {name: f"{name} [{unit(name)}]" if unit(name) else name for name in names}
    width = max(map(len, titles.values()))
    letters = [chr(ord("A") + k) if k < 26 else f"#{k + 1}" for k in range(len(folders))]
    gaps = [f"({letter}-A)/A" for letter in letters[1:]]
    judged = "" if error is None else f"{'3 x error':>11}"
    yield (f"{'':{width}}  " + "".join(f"{letter:>14}" for letter in letters)
           + "".join(f"{gap:>11}" for gap in gaps) + judged)
    for name in names:
        values = [table.get(name) for table in tables]
        shown = "".join(f"{v + 0.0:14.7g}" if v is not None else f"{'-':>14}" for v in values)
        limit = None if error is None else 3.0 * error.get(name, math.inf)
        for value, rest in zip(values[1:], leftovers[1:], strict=True):
            share = relative(values[0], value)
            if share is None:
                shown += f"{'':11}"
            elif share != 0.0 and name in leftovers[0] & rest:
                shown += f"{'at rest':>11}"
            elif limit is not None and abs(share) <= limit < math.inf:
                shown += f"{'none':>11}"
            else:
                shown += f"{share:11.1e}"
        if limit is not None:
            shown += f"{limit:11.1e}" if limit < math.inf else f"{'not known':>11}"
        yield f"{titles[name]:{width}}  {shown}"
    for letter, folder in zip(letters, folders, strict=True):
        yield f"{letter} = {folder}"


def relative(first: float | None, other: float | None) -> float | None:
    """Difference over the first value; None where one is missing."""
    if first is None or other is None:
        return None
    if first == 0.0:
        return 0.0 if other == 0.0 else math.inf
    return (other - first) / abs(first)
