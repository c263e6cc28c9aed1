"""A current density or a voltage that a protocol step gives as a table or a formula of time.

Before it is followed it is examined: where it switches (time steps land there), and how finely it
has to be followed elsewhere. The charge that a current gives in a step is integrated, and that is
what is imposed (`fem.run.simulation`), so a run delivers what its case commands.

Times are seconds since the start of the protocol step; currents and charges are magnitudes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.values.enclosure import Bounds, Switches, enclose
from fem.values.properties import Along, Constant, Formula

__all__ = ["LONGEST_STEP", "Drive", "drive", "given_charge"]

Array = npt.NDArray[np.float64]

#: Most pieces of a formula in one stretch of time; more could not be followed anyway.
MAX_PIECES = 50_000
#: Shortest piece, as a share of the stretch of time.
MIN_PIECE_SHARE = 2.0**-42
#: Accuracy of the time of a switch, in units in its last place.
SWITCH_ULPS = 4.0
#: Distance at which limits from one side are taken, as a share of the neighbouring piece.
LIMIT_OFFSET = 1e-9
#: Change at a switch, as a share of the drive's size, above which it is a jump and not a kink.
JUMP_SHARE = 1e-6
#: Share of its largest value below which a current is followed with the tolerance of that share.
SMALL_SHARE = 0.1
#: Largest distance of the given values from a straight line through a step, in tolerances.
CHORD_TOLERANCES = 3.0
#: Time after which a step that nothing has ended is taken to be endless, s (300 years).
LONGEST_STEP = 1e10
#: Relative difference at which the check of a charge stops halving intervals, and most halvings.
CHARGE_RTOL, MAX_HALVINGS = 1e-11, 30


def _rule(panels: int, number: int) -> tuple[Array, Array]:
    """Points and weights on [0, 1]: Gauss's in panels, denser at both ends, where roots begin."""
    x, w = np.polynomial.legendre.leggauss(number)
    u = ((np.arange(panels)[:, None] + 0.5 + 0.5 * x) / panels).ravel()
    points = u**3 * (10.0 - 15.0 * u + 6.0 * u * u)
    return points, 30.0 * (u * (1.0 - u)) ** 2 * np.tile(0.5 * w / panels, panels)


def _inside(first: Array, last: Array, points: Array) -> Array:
    """Points of [0, 1] in each interval and, whatever their round-off, not at its ends."""
    first, last = first[:, None], last[:, None]
    low, high = np.nextafter(first, math.inf), np.nextafter(last, -math.inf)
    return np.clip(first + (last - first) * points, low, high)


_POINTS, _WEIGHTS = _rule(1, 12)
_CHECK_POINTS, _CHECK_WEIGHTS = _rule(8, 5)


class Drive:
    """A table or a formula of time, cut into pieces without a switch.

    Args:
        given: the property; it depends on `t`.
        end: how long it is followed, s; may be infinite, then it is examined as time goes on.
        tolerance: on a piece the values and their chord differ by less than `CHORD_TOLERANCES`
            times this share of the values (of a current) or of their span (of a voltage).
        current: it is a current density; else a voltage.
        others: values of other variables of a formula.

    Raises:
        CaseError: it has no finite value somewhere, or changes too often to be followed.
    """

    def __init__(
        self, given: Along | Formula, end: float, tolerance: float, *, current: bool,
        others: dict[str, float] | None = None,
    ):
        self.given, self.end, self.tolerance, self.current = given, end, tolerance, current
        self.others = others or {}
        self.edges, self.lengths = np.zeros(1), np.empty(0)
        self.knots: Array = np.empty(0)
        self.jumps: Array = np.empty(0)
        self.lowest, self.highest = (0.0, 0.0) if current else (math.inf, -math.inf)
        self.sizes: list[tuple[float, float]] = []
        if isinstance(given, Along):
            self._take_table(given)
        elif math.isfinite(end):
            self.cover(end)

    # -- values and charges --------------------------------------------------------------------

    def raw(self, t: Any) -> Any:
        """The property as it is given, at one or many times."""
        return self.given.at(t=t, **self.others)

    def value(self, t: float, *, after: bool = False) -> float:
        """Value at a time; at a jump the limit from before or after it."""
        return float(self.raw(self.limit(t, after=after)))

    def limit(self, t: float, *, after: bool = False) -> float:
        """The time itself or, at a jump, one right before or after it."""
        self.cover(t)
        k = int(np.searchsorted(self.jumps, t))
        for jump in self.jumps[max(k - 1, 0) : k + 1]:
            aside = self._aside(float(jump))
            if abs(t - jump) <= 100.0 * aside:
                return float(jump) + (aside if after or jump == 0.0 else -aside)
        return t

    def integral(self, start: float, end: float) -> float:
        """Integral from one time to another; for a current the charge per area, C/m2."""
        return float(self._integrals(self.cut(start, end)).sum())

    def cut(self, start: float, end: float) -> Array:
        """The edges between two times, and these."""
        self.cover(end)
        k, n = np.searchsorted(self.edges, start, "right"), np.searchsorted(self.edges, end)
        return np.concatenate([[start], self.edges[k:n], [end]])

    def _integrals(self, edges: Array) -> Array:
        """Integrals between neighbouring edges, by Gauss points inside each."""
        width = np.diff(edges)
        points = _inside(edges[:-1], edges[1:], _POINTS)
        values = np.asarray(self.raw(points.ravel())).reshape(points.shape)
        return np.asarray((values @ _WEIGHTS) * width)

    def size(self, t: float) -> float:
        """Reference for errors at a time: the largest current so far, or the span of voltages."""
        self.cover(t)
        k = min(int(np.searchsorted([end for end, _ in self.sizes], t)), len(self.sizes) - 1)
        return self.sizes[k][1]

    def ahead(self, t: float) -> Array:
        """The switches around and right after a time, s."""
        k = int(np.searchsorted(self.knots, t))
        return self.knots[max(k - 2, 0) : k + 3]

    # -- how far a step may go -----------------------------------------------------------------

    def longest(self, t: float, step: float) -> float:
        """The longest step from a time, at most `step`, that skips nothing.

        It is no longer than any piece that it meets allows; else it ends where that begins.
        """
        self.cover(t + step)
        if isinstance(self.given, Along):
            return step  # it is straight between knots, where steps land
        k = int(np.searchsorted(self.edges, t * (1 + 1e-12) + 1e-12, side="right")) - 1
        while k < len(self.edges) - 1 and self.edges[k] < t + step:
            length = float(self.lengths[k])
            if length < step:
                step = max(float(self.edges[k]) - t, length)
            k += 1
        return step

    def reach(self, goal: float, t: float, charge: float, step: float) -> float:
        """Time at which the charge first comes to +goal or -goal, infinite if not in this step.

        Args:
            goal: charge per area that ends the protocol step, C/m2, positive.
            t: now, s.
            charge: so far, as a magnitude, C/m2.
            step: how far it is looked for, s.
        """
        from scipy.optimize import brentq  # slow to import

        edges = self.cut(t, t + step)
        sums = charge + np.concatenate([[0.0], np.cumsum(self._integrals(edges))])
        over = np.flatnonzero(np.abs(sums[1:]) >= goal)
        if not len(over) or abs(charge) >= goal:
            return math.inf
        first, last = float(edges[over[0]]), float(edges[over[0] + 1])

        def lacks(end: float) -> float:
            return abs(float(sums[over[0]]) + self.integral(first, end)) - goal

        return float(brentq(lacks, first, last, xtol=1e-14 * last, rtol=1e-15))

    def total(self, goal: float) -> float:
        """The charge per area it comes to by itself: +goal or -goal, or less in `LONGEST_STEP`."""
        t, step, charge = 0.0, 1.0, 0.0
        while t < LONGEST_STEP:
            if math.isfinite(self.reach(goal, t, charge, step)):
                return goal
            charge += self.integral(t, t + step)
            t, step = t + step, t + step
        return abs(charge)

    # -- looking at it -------------------------------------------------------------------------

    def cover(self, t: float) -> None:
        """Look at it up to a time; what is found does not depend on when that happens."""
        while isinstance(self.given, Formula) and self.edges[-1] < min(t, self.end):
            start = float(self.edges[-1])
            stop = self.end if math.isfinite(self.end) else max(2.0 * start, 1.0)
            self._look(start, stop)

    def _aside(self, t: float) -> float:
        """Distance from an edge at which a limit is taken, s."""
        k = int(np.searchsorted(self.edges, t))
        near = np.diff(self.edges[max(k - 1, 0) : k + 2])
        return float(max(LIMIT_OFFSET * near.min(), 16.0 * SWITCH_ULPS * np.spacing(t)))

    def _jumps(self, edges: Array) -> Array:
        """Edges at which the value jumps, or has only limits, like sin(t)/t at 0."""
        shift = np.array([self._aside(float(t)) for t in edges])
        limits = np.array([not self._has_value(float(t)) for t in edges])
        before = self.raw(np.maximum(edges - shift, np.where(limits, shift, 0.0)))
        size = self.size(float(self.edges[-1]))
        jumps = np.abs(self.raw(edges + shift) - before) > JUMP_SHARE * size
        return edges[limits | jumps]

    def _has_value(self, t: float) -> bool:
        try:
            self.raw(t)
        except CaseError:
            return False
        return True

    def _note(self, values: Array, end: float) -> None:
        self.lowest = min(self.lowest, float(values.min()))
        self.highest = max(self.highest, float(values.max()))
        size = max(-self.lowest, self.highest) if self.current else self.highest - self.lowest
        self.sizes.append((end, size))

    def _take_table(self, given: Along) -> None:
        x, y = np.asarray(given.curve.x), np.asarray(given.curve.y)
        self.edges, same = np.unique(x), np.flatnonzero(np.diff(x) == 0.0)
        self.knots = self.edges
        self._note(y, float(x[-1]))
        self.jumps = x[same][np.abs(y[same + 1] - y[same]) > JUMP_SHARE * self.sizes[-1][1]]

    def _look(self, start: float, stop: float) -> None:
        """Find switches and pieces between two times."""
        switches = self._switches(start, stop)
        edges, lengths = self._pieces(np.array([start, *switches, stop]), stop)
        self.edges = np.concatenate([self.edges, edges[1:]])
        self.lengths = np.concatenate([self.lengths, lengths])
        at = switches if start > 0.0 else np.array([0.0, *switches])
        self.knots = np.concatenate([self.knots, switches])
        if len(at):
            self.jumps = np.concatenate([self.jumps, self._jumps(at)])

    def _bounds(self, first: Array, last: Array, switches: Switches) -> Bounds:
        formula = self.given
        assert isinstance(formula, Formula)
        fixed = self.others | {name: value for name, value, _ in formula.constants}
        found = enclose(formula.expression, "t", fixed, first, last, switches)
        slope, offset = (Bounds.number(x) for x in formula.scale)
        with np.errstate(all="ignore"):
            return found * slope + offset

    def _switches(self, start: float, stop: float) -> Array:
        """Times at which an argument of `step`, `where`, `abs`, `min` or `max` changes its side."""
        first, last = np.array([start]), np.array([stop])
        found: list[float] = []
        while len(first):
            switches = Switches()
            self._bounds(first, last, switches)
            finest = self._finest(last, stop)
            fine = last - first <= finest
            found += last[fine & switches.crossed].tolist()
            go_on = switches.undecided & ~fine
            self._not_too_many(int(go_on.sum()), start, stop)
            first, last = first[go_on], last[go_on]
            middle = 0.5 * (first + last)
            first, last = np.concatenate([first, middle]), np.concatenate([middle, last])
        inside = [start]
        for t in sorted(found):
            near = 4.0 * float(self._finest(np.array([t]), stop)[0])
            short = float(f"{t:.13g}")  # as it was written, if it was
            t = short if abs(short - t) <= near else t
            if inside[-1] + near < t < stop - near:
                inside.append(t)
        return np.array(inside[1:])

    @staticmethod
    def _finest(t: Array, stop: float) -> Array:
        """Width to which a switch at a time is found."""
        return np.maximum(SWITCH_ULPS * np.spacing(t), 2.0**-60 * stop)

    def _pieces(self, edges: Array, stop: float) -> tuple[Array, Array]:
        """Edges between which it is nearly straight, and how long a step may be there."""
        first, last = edges[:-1], edges[1:]
        while True:
            aside = np.maximum(LIMIT_OFFSET * (last - first), 2.0 * np.spacing(last))
            b = self._bounds(first + aside, last - aside, Switches(settle=True))
            if not np.isfinite(b.at).all():
                points = np.array([first + aside, 0.5 * (first + last), last - aside])
                at = float(points[~np.isfinite(b.at)][0])
                raise CaseError(f"{self._shown()} has no finite value near t = {at:g} s")
            low = min(self.lowest, float(b.at.min()))
            high = max(self.highest, float(b.at.max()))
            fine = last - first <= MIN_PIECE_SHARE * stop
            wide = (b.high > low + 2.0 * (high - low)) | (b.low < high - 2.0 * (high - low))
            size = max(-low, high) if self.current else high - low
            floor = SMALL_SHARE * size
            near = np.maximum(np.abs(b.at).max(axis=0), floor) if self.current else size
            with np.errstate(invalid="ignore"):
                bend = 0.125 * (last - first) * (b.slope[1] - b.slope[0])
            most = CHORD_TOLERANCES * self.tolerance * near
            split = np.fmin(bend, b.high - b.low) > most
            if (wide & ~fine).any():  # more may hide there than has been found so far
                split = wide
            if (split & fine & ~np.isfinite(b.high - b.low)).any():
                at = float(first[split & fine][0])
                raise CaseError(f"{self._shown()} has no bound near t = {at:g} s")
            split &= ~fine
            if not split.any():
                break
            self._not_too_many(len(first) + int(split.sum()), float(edges[0]), stop)
            middle = 0.5 * (first + last)
            last = np.concatenate([last[~split], middle[split], last[split]])
            first = np.concatenate([first[~split], first[split], middle[split]])
        self._note(b.at, stop)
        with np.errstate(all="ignore"):  # the bend goes with the square
            longer = np.clip(np.sqrt(most / bend), 1.0, 2.0)
        order = np.argsort(first)
        lengths = np.where(bend > 0.0, longer * (last - first), math.inf)
        return np.array([*first[order], stop]), lengths[order]

    def _not_too_many(self, number: int, start: float, stop: float) -> None:
        if number > MAX_PIECES:
            raise CaseError(
                f"{self._shown()} changes more than {MAX_PIECES:,} times between t = {start:g} s "
                f"and {stop:g} s of the protocol step: no time step could follow it; give the "
                "mean, or shorten the step"
            )

    def _shown(self) -> str:
        return f"expression {self.given.expression.text!r}" if isinstance(
            self.given, Formula) else "the table"


@functools.lru_cache(maxsize=64)
def drive(
    given: Constant | Along | Formula, end: float, tolerance: float, *, current: bool
) -> Drive | None:
    """Given values cut into pieces; None if they do not change in time.

    Repeated steps share the result. Arguments and errors are those of `Drive`.
    """
    if isinstance(given, Constant) or "t" not in given.variables:
        return None
    return Drive(given, end, tolerance, current=current)


def given_charge(given: Callable[[Any], Any], edges: Array) -> tuple[float, float]:
    """Integral of a given current and of its magnitude over a time step.

    By another rule than that of a `Drive`, with intervals halved until it agrees with its halves,
    so that one can be checked by the other.

    Args:
        given: the current density at many times.
        edges: start and end of the step, and where it is cut in between, s.
    """

    def integrals(first: Array, last: Array) -> Array:
        """Integrals of the current and of its magnitude, shape (2, intervals)."""
        points = _inside(first, last, _CHECK_POINTS)
        values = np.broadcast_to(np.asarray(given(points.ravel())), points.size)
        values = values.reshape(points.shape)
        return np.stack([values @ _CHECK_WEIGHTS, np.abs(values) @ _CHECK_WEIGHTS]) * (last - first)

    first, last = edges[:-1], edges[1:]
    whole, total = integrals(first, last), np.zeros(2)
    enough = CHARGE_RTOL * whole[1].sum()
    for _ in range(MAX_HALVINGS):
        middle = 0.5 * (first + last)
        left, right = integrals(first, middle), integrals(middle, last)
        apart = np.abs(left + right - whole)[0] > enough
        total += whole[:, ~apart].sum(axis=1)
        whole = np.concatenate([left[:, apart], right[:, apart]], axis=1)
        first, last = (
            np.concatenate([first[apart], middle[apart]]),
            np.concatenate([middle[apart], last[apart]]),
        )
        if not apart.any():
            break
    total += whole.sum(axis=1)
    return float(total[0]), float(total[1])
