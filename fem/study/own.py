"""Parts of registered physics, and those that the module of `[hooks]` returns by itself."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fem.base.errors import CaseError, RunError
from fem.case.hooks import load
from fem.setup.setup import Filled
from fem.system.part import Part

__all__ = ["guest_parts", "named_failures", "own_physics"]


def guest_parts(setup: Filled) -> tuple[Part, ...]:
    """The parts of all registered physics that take part in a case, in their order.

    Raises:
        CaseError: a physics cannot be made for the case, or makes something else.
    """
    case = setup.case
    made: list[Part] = []
    for physics in case.taking_part():
        table = None if physics.table is None else getattr(case, physics.key)
        origin = f"physics {physics.name!r} ({case.guests.registry.origin[physics.name]})"
        made += _parts(origin, functools.partial(physics.parts, setup, table))
    return tuple(made)


def own_physics(case: Any, domain: Any) -> tuple[Part, ...]:
    """Parts that the module's `physics(case, domain)` returns; none without such a function.

    Raises:
        CaseError: it fails or returns something else.
    """
    make = getattr(load(case.hooks.module), "physics", None) if case.hooks else None
    if make is None:
        return ()
    return _parts("hooks: physics(case, domain)", lambda: make(case, domain))


@contextlib.contextmanager
def named_failures(part: Part, method: str) -> Iterator[None]:
    """Tell what a part of a user raises as a failure of that part, not of this package.

    Raises:
        CaseError: something else than an error of ours came out.
    """
    try:
        yield
    except (CaseError, RunError):
        raise
    except Exception as error:
        where = f"{type(part).__name__}.{method} of {type(part).__module__}"
        raise CaseError(f"{where} fails: {type(error).__name__}: {error}") from error


def _parts(origin: str, make: Callable[[], Iterable[Any]]) -> tuple[Part, ...]:
    """Call `make` and check that it returns parts; failures are reported as those of `origin`."""
    try:
        made = tuple(make())
    except CaseError:
        raise
    except Exception as error:
        raise CaseError(f"{origin} fails: {type(error).__name__}: {error}") from error
    for part in made:
        if not isinstance(part, Part):
            raise CaseError(
                f"{origin} returned {part!r}, which is not a Part: it lacks provides, needs, "
                "declare or rows"
            )
    return made
