"""Probes of a case before it runs: what they read, and whether they lie where the mesh does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fem.base.errors import CaseError
from fem.values.expressions import Expression, ExpressionError
from fem.values.units import shown_point

__all__ = ["outside", "problems", "require_inside"]

#: Share of the size of a cell by which a probe may lie beside it.
SLACK = 1e-9


def problems(
    sections: Mapping[str, Any], fields: Sequence[str], unsure: bool
) -> Iterator[str]:
    """Names, places and fields of probes that cannot be.

    Args:
        sections: of the case, by field name.
        fields: that the case may have.
        unsure: it may have more.
    """
    names: set[str] = set()
    for k, probe in enumerate(sections.get("probe", ())):
        path = f"probe.{k}"
        if probe.name in names:
            yield f"{path}.name: {probe.name!r}: used twice; names must differ"
        names.add(probe.name)
        places = [
            p for p in ("point", "line", "surface", "volume") if getattr(probe, p) is not None
        ]
        if len(places) != 1:
            got = " and ".join(places) or "none"
            yield f"{path}: needs exactly one of point, line, surface, volume; got {got}"
        if probe.line is not None and len(probe.line[0]) != len(probe.line[1]):
            yield f"{path}.line: its two points have different numbers of coordinates"
        try:
            Expression.parse(probe.field, [*fields, "x", "y", "z", "depth", "T"])
        except ExpressionError as error:
            if not unsure:
                yield f"{path}.field: {error}"


def outside(
    sections: Mapping[str, Any], low: Sequence[float], high: Sequence[float]
) -> Iterator[str]:
    """Points and lines that lie beside the box around the mesh, from `low` to `high`, m."""
    span = f"the mesh spans {shown_point(low, 6)} to {shown_point(high, 6)}"
    for k, probe in enumerate(sections.get("probe", ())):
        place = probe.line or ((probe.point,) if probe.point is not None else ())
        counts = {len(point) for point in place}
        if len(counts) != 1:
            continue
        shown = " to ".join(shown_point(point, 6) for point in place)
        if counts != {len(low)}:
            wrong = f"{shown} has {counts.pop()} coordinates in {len(low)}D"
        elif _beside(place, low, high):
            wrong = f"{shown} lies in no cell"
        else:
            continue
        kind = "line" if probe.line else "point"
        yield f"probe.{k}.{kind} ({probe.name}): {wrong}; {span}"


def _beside(
    place: Sequence[Sequence[float]], low: Sequence[float], high: Sequence[float]
) -> bool:
    """A point, or the straight line between two, has nothing in common with a box."""
    slack = SLACK * max(b - a for a, b in zip(low, high, strict=True))
    start, end = 0.0, 1.0  # shares of the line between which it is inside
    for a, b, near, far in zip(place[0], place[-1], low, high, strict=True):
        if a == b:
            if not near - slack <= a <= far + slack:
                return True
            continue
        first, last = sorted(((near - slack - a) / (b - a), (far + slack - a) / (b - a)))
        start, end = max(start, first), min(end, last)
    return start > end


def require_inside(case: Any, points: Any) -> None:
    """The probes of a case lie where the nodes of its mesh do.

    Raises:
        CaseError: all that do not.
    """
    low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    if wrong := [*outside(vars(case), low, high)]:
        raise CaseError("\n".join(wrong))
