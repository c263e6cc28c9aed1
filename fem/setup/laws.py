"""Kinetic laws by name: from the case's module, built in, or installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fem.base.errors import CaseError, nearest
from fem.base.plugins import entry_points
from fem.case.hooks import BUILT_IN_LAWS, ENTRY_POINTS, known_laws, load
from fem.setup import kinetics

__all__ = ["find_law"]


def find_law(name: str, module: str | None) -> Callable[..., Any]:
    """The kinetic law of a name: from the case's module, built in, or installed.

    Raises:
        CaseError: there is none, or it carries a current at eta = 0, where metal is at rest.
    """
    law: Any = None
    if module is not None and name != "physics":
        law = getattr(load(module), name, None)
    if law is None and name in BUILT_IN_LAWS:
        return getattr(kinetics, BUILT_IN_LAWS[name])
    if law is None:
        law = next((e.load() for e in entry_points(group=ENTRY_POINTS) if e.name == name), None)
    if not callable(law):
        raise CaseError(f"kinetics: no law is called {name!r}; {nearest(name, known_laws(module))}")
    return _checked(name, law)


def _checked(name: str, law: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a law so that its failures are reported as the user's."""

    def checked(eta: Any, i0: Any, alpha_a: Any, alpha_c: Any, temperature: Any) -> Any:
        try:
            return law(eta, i0, alpha_a, alpha_c, temperature)
        except Exception as error:
            raise CaseError(
                f"kinetics: law {name!r} fails: {type(error).__name__}: {error}; it takes "
                "(eta, i0, alpha_a, alpha_c, T), floats or UFL, and returns A/m2"
            ) from None

    given = checked(0.0, 1.0, 0.5, 0.5, 298.15)
    try:
        at_rest = float(given)
    except (TypeError, ValueError):
        raise CaseError(
            f"kinetics: law {name!r} returns {given!r} at eta = 0, not a number; it must return "
            "A/m2"
        ) from None
    if not abs(at_rest) <= 1e-9:
        raise CaseError(
            f"kinetics: law {name!r} gives {at_rest:g} A/m2 at eta = 0 (for i0 = 1 A/m2); metal is "
            "at rest there, so it must give 0"
        )
    return checked
