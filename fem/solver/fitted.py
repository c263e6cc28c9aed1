r"""Fluxes of what diffuses and drifts along an edge, exponentially fitted.

Between two nodes of concentrations a and b, with a drift d over the edge (z (phi_b - phi_a)/V_T of
an ion, less u.(x_b - x_a)/D in a flow), the flux from a to b over D times the weight of the edge is

    fitted     B(d) a - B(-d) b,             B(x) = x/(e^x - 1):  exact for a constant flux
    log-mean   a - b - d L(a, b),            L = (b - a)/ln(b/a): exact where the ion is at rest
    hybrid     s log-mean + (1 - s) fitted,  s = 1/(1 + (q/q0)^4), q = (b - a)/(b + a)

All are a - b without drift. Fitted fluxes are never worse than first order, whatever the drift, but
no better either once it is strong; the log-mean is of second order there, but where concentrations
differ by far across an edge it lets too little through. The hybrid takes each where it is good.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Flux", "bernoulli", "fitted", "hybrid", "log_mean", "log_mean_flux"]

Array = npt.NDArray[np.float64]

#: Below this, series take the place of quotients of small numbers.
SMALL = 1e-3
#: Difference over sum of both ends at which the hybrid is half of either: a ratio of e^(1/2).
HALF = math.tanh(0.25)


class Flux(NamedTuple):
    """A flux and its derivatives by a, b and d."""

    value: Array
    by_a: Array
    by_b: Array
    by_d: Array


def bernoulli(x: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """B(x) = x/(e^x - 1) and its derivative, at x and at -x.

    From one exponential, as B(-x) = B(x) + x; with x > 0 nothing cancels in it.
    """
    size = np.abs(x)
    small = size < SMALL
    with np.errstate(over="ignore"):
        y = np.where(small, 1.0, size)
        low = np.where(small, 1 - size / 2 + size**2 / 12, y / np.expm1(y))
    high = low + size
    falls = np.where(small, -0.5 + size / 6 - size**3 / 180, low * (1 - high) / y)
    positive, other = x >= 0.0, -1.0 - falls
    here = np.where(positive, low, high), np.where(positive, falls, other)
    there = np.where(positive, high, low), np.where(positive, other, falls)
    return here, there


def log_mean(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """L(a, b) = (b - a)/ln(b/a), and its derivatives by a and b."""
    q = (b - a) / (b + a)
    near = np.abs(q) < 0.5
    t = np.where(near, 2 * np.arctanh(np.where(near, q, 0.0)), np.log(b / a))
    small = np.abs(t) < SMALL
    y = np.where(small, 1.0, t)
    value = np.where(small, 0.5 * (a + b) * (1 - q**2 / 3), (b - a) / y)
    by_a = np.where(small, 0.5 + t / 6 + t**2 / 24, (value / a - 1) / y)
    by_b = np.where(small, 0.5 - t / 6 + t**2 / 24, (1 - value / b) / y)
    return value, by_a, by_b


def fitted(a: Array, b: Array, d: Array) -> Flux:
    """The flux that is exact where it is constant, B(d) a - B(-d) b."""
    (up, up_slope), (down, down_slope) = bernoulli(d)
    return Flux(up * a - down * b, up, -down, up_slope * a + down_slope * b)


def log_mean_flux(a: Array, b: Array, d: Array) -> Flux:
    """The flux that vanishes where the ion is at rest, a - b - d L(a, b)."""
    mean, by_a, by_b = log_mean(a, b)
    return Flux(a - b - d * mean, 1 - d * by_a, -1 - d * by_b, -mean)


def hybrid(a: Array, b: Array, d: Array) -> Flux:
    """The log-mean where both ends are alike, the fitted flux where they are not."""
    one, other = log_mean_flux(a, b, d), fitted(a, b, d)
    q = (b - a) / (b + a)
    share = 1 / (1 + (q / HALF) ** 4)
    turn = -(share**2) * 4 * q**3 / HALF**4 * (one.value - other.value) * 2 / (a + b) ** 2
    value, by_a, by_b, by_d = (share * x + (1 - share) * y for x, y in zip(one, other, strict=True))
    return Flux(value, by_a - turn * b, by_b + turn * a, by_d)
