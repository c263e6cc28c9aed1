"""Bounds of an expression and of its slope over intervals of one variable.

Interval arithmetic with first derivatives, on many intervals at once. What lies between two
samples cannot hide from it: a pulse of a second in a formula that runs for a day is found because
the bounds of its interval are wide. Source of the method (natural and mean-value extension): R. E.
Moore, R. B. Kearfott, M. J. Cloud, Introduction to Interval Analysis, SIAM 2009. Bounds are not
rounded outwards; they tell where to look closer and are no proof.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.values.expressions import Expression

__all__ = ["Bounds", "Switches", "enclose"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Pair = tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class Bounds:
    """Bounds of a function and its slope on n intervals.

    Attributes:
        at: values at the first, the middle and the last point of each, shape (3, n).
        low, high: bounds of the values, shape (n,).
        slope: lower and upper bound of the derivative.
        width: of the intervals.
    """

    at: Array
    low: Array
    high: Array
    slope: Pair
    width: Array

    @classmethod
    def number(cls, value: float) -> Bounds:
        """A number, the same everywhere."""
        same, zero = np.full(1, float(value)), np.zeros(1)
        return cls(np.full((3, 1), float(value)), same, same, (zero, zero), zero)

    @classmethod
    def variable(cls, first: Array, last: Array) -> Bounds:
        """The variable itself, between first and last."""
        one = np.ones_like(first)
        at = np.stack([first, 0.5 * (first + last), last])
        return cls(at, first, last, (one, one), last - first)

    @property
    def range(self) -> Pair:
        """Lower and upper bound."""
        return self.low, self.high

    @property
    def is_number(self) -> bool:
        """True if the function is one number everywhere."""
        return len(self.low) == 1 and not self.width.any()

    def __add__(self, other: Bounds) -> Bounds:
        slope = (self.slope[0] + other.slope[0], self.slope[1] + other.slope[1])
        values = (self.low + other.low, self.high + other.high)
        return _made(self.at + other.at, values, slope, self, other)

    def __neg__(self) -> Bounds:
        slope = (-self.slope[1], -self.slope[0])
        return Bounds(-self.at, -self.high, -self.low, slope, self.width)

    def __sub__(self, other: Bounds) -> Bounds:
        return self + (-other)

    def __mul__(self, other: Bounds) -> Bounds:
        left, right = _times(self.slope, other.range), _times(self.range, other.slope)
        slope = (left[0] + right[0], left[1] + right[1])
        return _made(self.at * other.at, _times(self.range, other.range), slope, self, other)

    def __truediv__(self, other: Bounds) -> Bounds:
        return self * other._power(-1.0)

    def __pow__(self, other: Bounds) -> Bounds:
        if other.is_number:
            return self._power(float(other.low[0]))
        grown = _FUNCTIONS["exp"](other * _FUNCTIONS["ln"](self))
        return _made(self.at**other.at, grown.range, grown.slope, self, other)

    def _power(self, p: float) -> Bounds:
        if p == 0.0:
            return Bounds.number(1.0)
        slope = _times((np.full(1, p),) * 2, _times(_raised(self.range, p - 1.0), self.slope))
        if p < 0.0:  # a jump at a pole
            pole = (self.low <= 0.0) & (self.high >= 0.0)
            slope = (np.where(pole, -np.inf, slope[0]), np.where(pole, np.inf, slope[1]))
        return _made(self.at**p, _raised(self.range, p), slope, self)


def _made(at: Array, values: Pair, slope: Pair, *of: Bounds) -> Bounds:
    """Bounds, tightened by what ends and slope say together (mean-value form)."""
    width = functools.reduce(np.maximum, [b.width for b in of])
    down, up = np.minimum(slope[0] * width, 0.0), np.maximum(slope[1] * width, 0.0)
    low = np.fmax(np.fmax(values[0], at[0] + down), at[2] - up)
    high = np.fmin(np.fmin(values[1], at[0] + up), at[2] - down)
    inside = np.where(np.isfinite(at), at, np.nan)
    low, high = np.fmin(low, np.fmin.reduce(inside)), np.fmax(high, np.fmax.reduce(inside))
    nothing = np.isnan(low) | np.isnan(high)
    slope = (
        np.where(np.isnan(slope[0]), -np.inf, slope[0]),
        np.where(np.isnan(slope[1]), np.inf, slope[1]),
    )
    return Bounds(
        at, np.where(nothing, -np.inf, low), np.where(nothing, np.inf, high), slope, width
    )


def _times(a: Pair, b: Pair) -> Pair:
    """Product of two intervals; nothing times everything is nothing."""
    products = np.stack(np.broadcast_arrays(*(x * y for x in a for y in b)))
    products = np.where(np.isnan(products), 0.0, products)
    return products.min(axis=0), products.max(axis=0)


def _raised(x: Pair, p: float) -> Pair:
    """Bounds of x^p."""
    low, high = x
    if p == 0.0:
        return np.ones_like(low), np.ones_like(high)
    if p != int(p):
        low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
    a, b = low**p, high**p
    below, above = np.minimum(a, b), np.maximum(a, b)
    across = (low <= 0.0) & (high >= 0.0) if p < 0.0 else (low < 0.0) & (high > 0.0)
    if p < 0.0:  # a pole
        odd = p == int(p) and int(p) % 2 == 1
        lowest = np.where(low < 0.0, -np.inf, below) if odd else below
        return np.where(across, lowest, below), np.where(across, np.inf, above)
    if p == int(p) and int(p) % 2 == 0:
        below = np.where(across, 0.0, below)
    return below, above


def _monotone(
    f: Callable[[Array], Array], slope_of: Callable[[Pair], Pair]
) -> Callable[[Bounds], Bounds]:
    """An increasing function, from its value and bounds of its derivative."""

    def of(x: Bounds) -> Bounds:
        slope = _times(slope_of(x.range), x.slope)
        return _made(f(x.at), (f(x.low), f(x.high)), slope, x)

    return of


def _sine(x: Pair) -> Pair:
    """Bounds of the sine."""
    low, high = x
    ends = np.sin(low), np.sin(high)

    def meets(place: float) -> Mask:
        turn = 2.0 * np.pi
        found = np.ceil((low - place) / turn) <= np.floor((high - place) / turn)
        return np.asarray(found | ~np.isfinite(high - low))

    below = np.where(meets(-0.5 * np.pi), -1.0, np.minimum(*ends))
    return below, np.where(meets(0.5 * np.pi), 1.0, np.maximum(*ends))


def _cosine(x: Pair) -> Pair:
    """Bounds of the cosine."""
    return _sine((x[0] + 0.5 * np.pi, x[1] + 0.5 * np.pi))


def _sin(x: Bounds) -> Bounds:
    return _made(np.sin(x.at), _sine(x.range), _times(_cosine(x.range), x.slope), x)


def _cos(x: Bounds) -> Bounds:
    less = _sine(x.range)
    return _made(np.cos(x.at), _cosine(x.range), _times((-less[1], -less[0]), x.slope), x)


def _slope_of_tanh(x: Pair) -> Pair:
    low, high = _raised((np.tanh(x[0]), np.tanh(x[1])), 2.0)
    return 1.0 - high, 1.0 - low


_FUNCTIONS: dict[str, Callable[[Bounds], Bounds]] = {
    "exp": _monotone(np.exp, lambda x: (np.exp(x[0]), np.exp(x[1]))),
    "ln": _monotone(
        lambda x: np.log(np.maximum(x, 0.0)), lambda x: _raised((np.maximum(x[0], 0.0), x[1]), -1.0)
    ),
    "log10": _monotone(
        lambda x: np.log10(np.maximum(x, 0.0)),
        lambda x: _times(
            (np.full(1, 1.0 / np.log(10.0)),) * 2, _raised((np.maximum(x[0], 0.0), x[1]), -1.0)
        ),
    ),
    "sqrt": lambda x: x._power(0.5),
    "sin": _sin,
    "cos": _cos,
    "tanh": _monotone(np.tanh, _slope_of_tanh),
}


@dataclass
class Switches:
    """The arithmetic of `step`, `where`, `abs`, `min` and `max`, and what is undecided in it.

    Attributes:
        settle: no switch lies inside an interval; where bounds are too wide to show which side it
            is on, its middle tells.
        undecided: of each interval, whether a switch may lie in it.
        crossed: whether one lies between its ends.
    """

    settle: bool = False
    undecided: Any = False
    crossed: Any = False
    functions: dict[str, Callable[..., Any]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.functions = _FUNCTIONS | {
            "abs": lambda x: self._pick(x, x, -x),
            "min": lambda *a: functools.reduce(lambda x, y: self._pick(x - y, y, x), a),
            "max": lambda *a: functools.reduce(lambda x, y: self._pick(x - y, x, y), a),
            "step": lambda x: self._pick(x, Bounds.number(1.0), Bounds.number(0.0)),
            "where": lambda condition, a, b: self._pick(*condition(a, b)),
            "ge": lambda x, y: lambda a, b: (x - y, a, b),
            "le": lambda x, y: lambda a, b: (y - x, a, b),
            "gt": lambda x, y: lambda a, b: (y - x, b, a),
            "lt": lambda x, y: lambda a, b: (x - y, b, a),
        }

    def _pick(self, x: Bounds, a: Bounds, b: Bounds) -> Bounds:
        """The first where x >= 0, else the second."""
        there = x.at >= 0.0
        yes, no = x.low >= 0.0, x.high < 0.0
        if self.settle:
            yes = np.where(yes | no, yes, there[1])
            no, there = ~yes, np.broadcast_to(yes, x.at.shape)
        is_open = ~(yes | no)
        self.undecided = self.undecided | is_open
        self.crossed = self.crossed | (there[0] != there[2])
        low = np.where(yes, a.low, np.where(no, b.low, np.minimum(a.low, b.low)))
        high = np.where(yes, a.high, np.where(no, b.high, np.maximum(a.high, b.high)))
        slopes = [
            np.where(yes, a.slope[k], np.where(no, b.slope[k], (-np.inf, np.inf)[k]))
            for k in (0, 1)
        ]
        at = np.where(there, a.at, b.at)
        return _made(at, (low, high), (slopes[0], slopes[1]), x, a, b)


def enclose(
    expression: Expression, name: str, constants: dict[str, float], first: Array, last: Array,
    switches: Switches,
) -> Bounds:
    """Bounds of an expression of one variable on the intervals [first, last].

    Args:
        expression: of the variable and of constants.
        name: of the variable.
        constants: values of all other names.
        first: where the intervals begin, shape (n,).
        last: where they end.
        switches: collects what is undecided.
    """
    values = {key: Bounds.number(value) for key, value in constants.items()}
    values[name] = Bounds.variable(first, last)
    with np.errstate(all="ignore"):
        found = expression.apply(values, switches.functions, Bounds.number)
        zero = Bounds(np.zeros((3, len(first))), *(np.zeros(len(first)),) * 2,
                      (np.zeros(len(first)),) * 2, last - first)
        whole: Bounds = found + zero
    switches.undecided = np.broadcast_to(switches.undecided, first.shape)
    switches.crossed = np.broadcast_to(switches.crossed, first.shape)
    return whole
