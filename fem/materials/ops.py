"""The few functions that material laws need, for floats, numpy arrays and UFL expressions alike.

Nothing is imported from UFL unless a UFL expression is passed in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.values.expressions import is_ufl

__all__ = ["exp", "floor", "is_ufl", "ln", "sqrt"]


def exp(x: Any) -> Any:
    """e^x."""
    return _apply("exp", np.exp, x)


def ln(x: Any) -> Any:
    """Natural logarithm."""
    return _apply("ln", np.log, x)


def sqrt(x: Any) -> Any:
    """Square root."""
    return _apply("sqrt", np.sqrt, x)


def floor(x: Any, lowest: float) -> Any:
    """The larger of x and `lowest`.

    Args:
        x: float, array or UFL expression.
        lowest: same unit as x.
    """
    if is_ufl(x):
        import ufl

        return ufl.max_value(x, lowest)
    return _plain(np.maximum(x, lowest))


def _apply(name: str, function: Any, x: Any) -> Any:
    if is_ufl(x):
        import ufl

        return getattr(ufl, name)(x)
    return _plain(function(x))


def _plain(value: Any) -> Any:
    # a numpy scalar on the left of a UFL expression would try to make an array of it
    return float(value) if np.ndim(value) == 0 else value
