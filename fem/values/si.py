"""Units of this field as exact multiples of SI units.

pint knows every unit, and takes as long to load as a small job takes to run. These are the ones
that case files and the library are written in; all others, and all refusals, are left to pint.
"""

from __future__ import annotations

import functools
import math
import re
from fractions import Fraction

__all__ = ["conversion"]

Dimension = tuple[int, ...]

#: Exponents of m, kg, s, A, K, mol; angles and shares have none.
_DIMENSIONS: dict[str, Dimension] = {
    "m": (1, 0, 0, 0, 0, 0),
    "g": (0, 1, 0, 0, 0, 0),
    "s": (0, 0, 1, 0, 0, 0),
    "A": (0, 0, 0, 1, 0, 0),
    "K": (0, 0, 0, 0, 1, 0),
    "mol": (0, 0, 0, 0, 0, 1),
    "C": (0, 0, 1, 1, 0, 0),
    "Ah": (0, 0, 1, 1, 0, 0),
    "V": (2, 1, -3, -1, 0, 0),
    "ohm": (2, 1, -3, -2, 0, 0),
    "S": (-2, -1, 3, 2, 0, 0),
    "F": (-2, -1, 4, 2, 0, 0),
    "N": (1, 1, -2, 0, 0, 0),
    "Pa": (-1, 1, -2, 0, 0, 0),
    "J": (2, 1, -2, 0, 0, 0),
    "W": (2, 1, -3, 0, 0, 0),
    "L": (3, 0, 0, 0, 0, 0),
    "min": (0, 0, 1, 0, 0, 0),
    "h": (0, 0, 1, 0, 0, 0),
    "rad": (0, 0, 0, 0, 0, 0),
    "deg": (0, 0, 0, 0, 0, 0),
    "%": (0, 0, 0, 0, 0, 0),
    "1": (0, 0, 0, 0, 0, 0),
}
#: In SI units, where that is not 1.
_SIZES = {
    "g": Fraction(1, 1000),
    "Ah": Fraction(3600),
    "L": Fraction(1, 1000),
    "min": Fraction(60),
    "h": Fraction(3600),
    "deg": Fraction(math.pi) / 180,
    "%": Fraction(1, 100),
}
_ALIASES = {"degree": "deg", "Ω": "ohm", "l": "L"}
_PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "m": -3, "c": -2, "d": -1, "k": 3,
             "M": 6, "G": 9}  # fmt: skip
_BARE = {"min", "h", "rad", "deg", "%", "1"}  # take no prefix

_FACTOR = re.compile(r"([^\W\d]+|%|1)\^?(-?\d)?")


def conversion(unit: str, target: str | None) -> tuple[float, float] | None:
    """Slope and offset that turn a number in `unit` into one in `target`; None for pint to say.

    Args:
        unit: factors with a space, ``*`` or ``/`` between them, ``mA cm^-2`` or ``mA/cm2``.
        target: the unit wanted; None means the SI unit of that dimension.
    """
    source, goal = _read(unit), _read("" if target is None else target)
    if unit == "degC" and target in ("K", None):
        return 1.0, 273.15
    if source is None or goal is None or (target is not None and source[1] != goal[1]):
        return None
    try:
        return float(source[0] / goal[0]), 0.0
    except OverflowError:
        return None


@functools.cache
def _read(unit: str) -> tuple[Fraction, Dimension] | None:
    """Size in SI units, and dimension; None if a factor is not known here."""
    size, dimension = Fraction(1), _DIMENSIONS["1"]
    sign = 1  # a slash concerns the next factor only
    text = re.sub(r" ?(?:\*\*|\^) ?", "^", unit)
    for word in re.split(r" ?([*/]) ?| ", text) if text else ():
        if word in ("*", "/", None):
            sign = -1 if word == "/" else 1
            continue
        match = _FACTOR.fullmatch(word)
        found = match and _factor(match[1])
        if not match or not found or (match[1] == "1" and match[2]):
            return None
        power = sign * int(match[2] or 1)
        size *= found[0] ** power
        dimension = tuple(a + power * b for a, b in zip(dimension, found[1], strict=True))
    return size, dimension


def _factor(name: str) -> tuple[Fraction, Dimension] | None:
    """One unit, with or without a prefix."""
    name = _ALIASES.get(name, name)
    if name in _DIMENSIONS:
        return _SIZES.get(name, Fraction(1)), _DIMENSIONS[name]
    power, rest = _PREFIXES.get(name[:1]), _ALIASES.get(name[1:], name[1:])
    if power is None or rest not in _DIMENSIONS or rest in _BARE:
        return None
    return Fraction(10) ** power * _SIZES.get(rest, Fraction(1)), _DIMENSIONS[rest]
