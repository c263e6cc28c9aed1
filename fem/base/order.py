"""Names in an order in which each comes after those that it follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

__all__ = ["in_order"]


def in_order(after: Mapping[str, Collection[str]]) -> tuple[list[str], str]:
    """Sort names; where several could be next, the one given first is.

    Args:
        after: name -> the names that it follows, all of them given, too.

    Returns:
        The names in order, and an empty text; or those up to where names follow each other in a
        circle, and the words for what is left.
    """
    left = dict(after)
    found: list[str] = []
    while left:
        ready = next((name for name, before in left.items() if not {*before} & {*left}), None)
        if ready is None:
            return found, "; ".join(f"{n} after {', '.join(b)}" for n, b in left.items() if b)
        found.append(ready)
        del left[ready]
    return found, ""
