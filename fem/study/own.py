"""Physics of the user, from the module of `[hooks]`."""

from __future__ import annotations

from typing import Any

from fem.base.errors import CaseError
from fem.case.hooks import load
from fem.system.system import Physics

__all__ = ["own_physics"]


def own_physics(case: Any, domain: Any) -> tuple[Any, ...]:
    """What the module's `physics(case, domain)` returns; nothing without one.

    Raises:
        CaseError: it fails or returns something else.
    """
    make = getattr(load(case.hooks.module), "physics", None) if case.hooks else None
    if make is None:
        return ()
    try:
        made = tuple(make(case, domain))
    except CaseError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CaseError(f"hooks: physics(case, domain) fails: {reason}") from error
    for part in made:
        if not isinstance(part, Physics):
            raise CaseError(
                f"hooks: physics(case, domain) returned {part!r}, which is not a Physics: it lacks "
                "provides, needs, declare or rows"
            )
    return made
