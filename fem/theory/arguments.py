"""Arguments and answers of closed forms: what is refused, and floats for floats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fem.theory.salt import Salt

Result = Any  # a float, or an array where an argument is one


def positive(function: str, **values: ArrayLike) -> list[NDArray[np.float64]]:
    """The arguments as arrays, each checked to be finite and above zero."""
    arrays = []
    for name, value in values.items():
        array = np.asarray(value, dtype=float)
        bad = ~(np.isfinite(array) & (array > 0.0))
        if bad.any():
            raise ValueError(f"{function}: {name} must be above 0, got {array[bad].flat[0]:g}")
        arrays.append(array)
    return arrays


def bounded(
    function: str, name: str, value: ArrayLike, low: float, high: float, open_end: bool = False
) -> NDArray[np.float64]:
    """The argument as an array, checked to be within its range."""
    array = np.asarray(value, dtype=float)
    bad = ~((array >= low) & (array < high if open_end else array <= high))
    if bad.any():
        upper = f"below {high:g}" if open_end else f"at most {high:g}"
        wanted = f"at least {low:g}" + ("" if math.isinf(high) else f" and {upper}")
        raise ValueError(f"{function}: {name} must be {wanted}, got {array[bad].flat[0]:g}")
    return array


def salt_of(function: str, z: int, z_minus: int | None) -> Salt:
    """The salt of these charges, z:z if the anion's is not given."""
    anion = -z if z_minus is None else z_minus
    for name, value, sign in (("z", z, 1), ("z_minus", anion, -1)):
        if value != int(value) or not sign * value > 0:
            side = "above" if sign > 0 else "below"
            raise ValueError(f"{function}: {name} must be a whole number {side} 0, got {value!r}")
    return Salt(int(z), int(anion))


def transference(function: str, t_plus: float) -> None:
    """Refuse a transference number of 1 and more."""
    if not (math.isfinite(t_plus) and t_plus < 1.0):
        raise ValueError(f"{function}: t_plus must be below 1, got {t_plus:g}")


def plain(value: Any) -> Any:
    """A float for an array without dimensions, else the array."""
    return float(value) if np.ndim(value) == 0 else value
