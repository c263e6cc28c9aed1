"""Quantities become SI floats at the door: ``"1 mA/cm^2"`` is read once and is 10.0 from then on.

A bare number is refused wherever a unit is needed, so that nobody's micrometres are read as metres.
"""

from __future__ import annotations

import functools
import math
import operator
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from fem.values import si

_NUMBER = r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|inf(?:inity)?)"
_QUANTITY = re.compile(rf"({_NUMBER})\s*(.*)", re.IGNORECASE | re.DOTALL)

# Only this much of pint's syntax is let in: its parser evaluates powers of plain numbers, and
# "9**9**9**9 m" would never come back.
_NAME = r"(?:[^\W\d_][^\W\d]*|%)"
_FACTOR = rf"(?:1|{_NAME}(?:-?\d| ?(?:\^|\*\*) ?-?\d(?:\.\d)?)?)"
_UNIT = re.compile(rf"{_FACTOR}(?: ?[*/] ?{_FACTOR}| {_FACTOR})*")
# Text copied from a paper: real minus signs and dashes, dots for products, mu and degree signs.
_TYPED = str.maketrans(
    dict.fromkeys("\u2212\u2010\u2011\u2012\u2013", "-") | dict.fromkeys("\u00b7\u22c5", "*")
    | {"\u03bc": "\u00b5", "\u2126": "\u03a9", "\u00ba": "°", "\u2103": "°C"}
)
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

# How SI values are shown to people, best-fitting first; a unit that is not here is shown as it is.
_FRIENDLY: dict[str, tuple[tuple[str, float], ...]] = {
    "m": (("m", 1.0), ("um", 1e-6), ("mm", 1e-3), ("nm", 1e-9)),
    "s": (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3)),
    "V": (("V", 1.0), ("mV", 1e-3)),
    "A/m^2": (("mA/cm^2", 10.0), ("uA/cm^2", 1e-2)),
    "C/m^2": (("mAh/cm^2", 36000.0),),
    "mol/m^3": (("mol/L", 1000.0), ("mmol/L", 1.0)),
    "S/m": (("kS/cm", 1e5), ("S/m", 1.0), ("mS/cm", 0.1)),
    "ohm*m^2": (("ohm*cm^2", 1e-4),),
}

_EXAMPLES = {
    "m": "20 um",
    "s": "10 min",
    "V": "50 mV",
    "K": "25 degC",
    "A/m^2": "1 mA/cm^2",
    "C/m^2": "1 mAh/cm^2",
    "mol/m^3": "1 mol/L",
    "S/m": "10 mS/cm",
    "ohm*m^2": "5 ohm*cm^2",
}


@functools.cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


@functools.cache
def conversion(unit: str, target: str | None) -> tuple[float, float]:
    """Slope and offset that turn a number in `unit` into one in `target`.

    Args:
        unit: any unit, for example ``"mS/cm"`` or ``"degC"``.
        target: the unit wanted; None means the SI unit of that dimension.

    Raises:
        ValueError: unknown unit, or another dimension.
    """
    plain = _spelt(unit) if len(unit) <= 120 else ""  # pint's time grows as the square
    bare = " ".join(plain.replace("(", " ").replace(")", " ").split())
    if re.match(r",\d", unit):
        raise ValueError("decimals take a point, no comma")
    if unit and not _UNIT.fullmatch(bare):
        raise ValueError(f"{short(unit)} is not a unit")
    known = si.conversion(bare, target) if {"(", ")"}.isdisjoint(plain) else None
    slope, zero = known or _by_pint(unit, plain, target)
    if not math.isfinite(slope) or slope == 0.0:
        raise ValueError(f"unit {unit!r} is out of range")
    return slope, zero


def _by_pint(unit: str, plain: str, target: str | None) -> tuple[float, float]:
    """Factor and offset of a unit that is not in `fem.values.si`; pint is loaded for it.

    Raises:
        ValueError: pint does not know it, or it is of another dimension.
    """
    import pint

    ureg = _registry()
    try:
        source = ureg.parse_units(re.sub(r"(?<=[^\W\d_])(-?\d)", r"**\1", plain))
        goal = ureg.get_base_units(source)[1] if target is None else ureg.parse_units(target)
        zero = float(ureg.Quantity(0.0, source).to(goal).magnitude)
        slope = float(ureg.Quantity(1.0, source).to(goal).magnitude) - zero
    except pint.DimensionalityError:
        found = f"{unit!r} is another kind of quantity" if unit else "the unit is missing"
        raise ValueError(found) from None
    except (pint.PintError, AttributeError):  # pint's UndefinedUnitError is an AttributeError
        raise ValueError(f"unit {unit!r} is unknown or cannot be converted") from None
    except Exception:  # whatever else pint's tokenizer trips over: an open parenthesis, an overflow
        raise ValueError(f"{unit!r} is not a unit") from None
    return slope, zero


def typed(text: str) -> str:
    """Text with the minus signs, dots and Greek letters of a word processor as a keyboard has them.

    ``"\u22120.2 V"`` (U+2212) becomes ``"-0.2 V"``; both characters for micro become one.
    """
    return text.translate(_TYPED)


def _spelt(unit: str) -> str:
    """A unit in one spelling: ``mA cm⁻²`` becomes ``mA cm^-2``, ``°C`` becomes ``degC``."""
    powers = re.sub("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: "^" + m[0].translate(_SUPERSCRIPTS), typed(unit))
    degrees = re.sub(r"°\s?(?=[CF]\b)", "deg", powers)
    return degrees.replace("°", "degree")


def _needs_unit(unit: str) -> bool:
    return unit not in ("", "1", "dimensionless")


def _example(unit: str) -> str:
    if not _needs_unit(unit):
        return 'write e.g. 0.4 or "40 %"'
    return f'write e.g. "{_EXAMPLES.get(unit, "1 " + unit)}"'


def parse_quantity(text: object, unit: str) -> float:
    """Read a quantity string into a plain float.

    Args:
        text: for example ``"1 mA/cm^2"``, ``"1 mA/cm2"``, ``"1 mA cm-2"``, ``"25 degC"``. A bare
            number is accepted only where `unit` is dimensionless (``""``), as are percentages
            (``"40 %"``).
        unit: the SI unit of the result, in pint's syntax, for example ``"A/m^2"``.

    Returns:
        The value in `unit`, rounded to 15 digits so that 30 um is 3e-05 and not
        2.9999999999999997e-05.

    Raises:
        ValueError: not a string, no or unknown unit, another dimension, not finite.
    """
    if isinstance(text, int | float) and not isinstance(text, bool) and not _needs_unit(unit):
        text = repr(text)
    if not isinstance(text, str):
        kind = f"a quantity in {unit}" if _needs_unit(unit) else "a plain number"
        raise ValueError(f"{short(text)} is not {kind}; {_example(unit)}")
    match = _QUANTITY.fullmatch(typed(text).strip()) if len(text) <= 120 else None
    if match is None:
        raise ValueError(f"{short(text)} does not start with a number; {_example(unit)}")
    number = float(match[1])
    if not math.isfinite(number):
        raise ValueError(f"{short(text)} is not finite; {_example(unit)}")
    try:
        slope, offset = conversion(match[2], unit)
    except ValueError as error:
        what = f"a quantity in {unit}" if _needs_unit(unit) else "a plain number"
        raise ValueError(f"{short(text)} is not {what}: {error}; {_example(unit)}") from None
    value = number if (slope, offset) == (1.0, 0.0) else float(f"{number * slope + offset:.15g}")
    if not math.isfinite(value):
        raise ValueError(f"{short(text)} is not finite in {unit}; {_example(unit)}")
    return value


def parse_any(text: object) -> float:
    """Read a quantity of any dimension, or a bare (dimensionless) number, into SI.

    Raises:
        ValueError: as `parse_quantity`.
    """
    brief = isinstance(text, str) and len(text) <= 120
    match = _QUANTITY.fullmatch(typed(str(text)).strip()) if brief else None
    if match is None or not match[2]:
        return parse_quantity(text, "")
    slope, offset = conversion(match[2], None)
    value = float(f"{float(match[1]) * slope + offset:.15g}")
    if not math.isfinite(value):
        raise ValueError(f"{short(text)} is not finite")
    return value


def format_quantity(value: float, unit: str) -> str:
    """Write an SI value for people: ``format_quantity(3e-5, "m") == "30 um"``.

    The text reads back to exactly the same float; where a friendlier unit would lose digits the SI
    unit is kept.

    Args:
        value: in `unit`.
        unit: an SI unit as given to `parse_quantity`; ``""`` for a dimensionless number.
    """
    short = f"{value:.15g}"
    plain = f"{short if float(short) == value else repr(float(value))} {unit}".rstrip()
    if not math.isfinite(value) or value == 0.0:
        return plain
    for name, factor in _FRIENDLY.get(unit, ()):
        number = abs(value) / factor
        if 0.1 <= number < 1000.0 or (name, unit) == ("s", "s"):
            text = f"{value / factor:.12g} {name}"
            if len(text) <= len(plain) + 4 and parse_quantity(text, unit) == value:
                return text
    return plain


def shown_quantity(value: float, unit: str, digits: int = 4) -> str:
    """Write a rounded SI value for people: ``shown_quantity(1108123.0, "s") == "307.8 h"``.

    It is rounded in the unit that is shown; `format_quantity` shows a friendlier unit only if it
    loses nothing.
    """
    for k, (name, factor) in enumerate(_FRIENDLY.get(unit, ())):
        number = abs(value) / factor
        if 1.0 <= number and (number < 1000.0 or k == 0):  # the first is the largest
            return f"{value / factor:.{digits}g} {name}"
    return rounded_quantity(value, unit, digits)


def rounded_quantity(value: float, unit: str, digits: int = 6) -> str:
    """Write a rounded SI value as users would: ``rounded_quantity(0.1 + 0.2, "V") == "0.3 V"``."""
    return format_quantity(float(f"{value:.{digits}g}"), unit)


def shown_length(length: float, digits: int = 6) -> str:
    """Write a length in m as users would, rounded: ``shown_length(1.1e-4) == "110 um"``."""
    return rounded_quantity(length, "m", digits)


def shown_point(place: Iterable[float], digits: int = 4) -> str:
    """Write a point, given in m, in um: ``"(12.5, 3) um"``."""
    return f"({', '.join(f'{1e6 * x:.{digits}g}' for x in place)}) um"


def check_range(
    value: float,
    unit: str = "",
    *,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
    shown: object = None,
) -> float:
    """Return `value` if it lies within the bounds (SI, as `value`), else raise ValueError."""
    wanted = [
        f"{word} {format_quantity(bound, unit) if _needs_unit(unit) else f'{bound:g}'}"
        for word, bound, holds in (
            ("above", gt, operator.gt),
            ("at least", ge, operator.ge),
            ("below", lt, operator.lt),
            ("at most", le, operator.le),
        )
        if bound is not None and not holds(value, bound)
    ]
    if wanted:
        raise ValueError(
            f"{short(value if shown is None else shown)} is out of range: must be "
            f"{' and '.join(wanted)}"
        )
    return value


@dataclass(frozen=True)
class Quantity:
    """Annotation of a float written as a quantity string: ``Annotated[float, Quantity("m")]``.

    Attributes:
        unit: SI unit of the float; ``""`` for dimensionless numbers (bare numbers and ``"40 %"``).
        gt: exclusive lower bound, SI (the others alike).
        ge: inclusive lower bound.
        lt: exclusive upper bound.
        le: inclusive upper bound.
    """

    unit: str
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None

    def read(self, given: object) -> float:
        """The SI value; ValueError with value, reason and example otherwise."""
        value = parse_quantity(given, self.unit)
        bounds = {"gt": self.gt, "ge": self.ge, "lt": self.lt, "le": self.le}
        return check_range(value, self.unit, **bounds, shown=given)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def quantity(
    unit: str,
    *,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
) -> Any:
    """A float type for pydantic models that is written as a quantity string.

    ``thickness: quantity("m", gt=0)`` accepts ``"20 um"`` and holds ``2e-05``; it refuses ``20``,
    ``"20"``, ``"20 s"``, ``"nan m"`` and ``"-1 um"``, each with the reason and an example.

    Args:
        unit: see `Quantity`, as the bounds.
        gt: exclusive lower bound.
        ge: inclusive lower bound.
        lt: exclusive upper bound.
        le: inclusive upper bound.

    Returns:
        ``Annotated[float, Quantity(...)]``, which may also be written out.
    """
    return Annotated[float, Quantity(unit, gt, ge, lt, le)]


def unit_of(field: FieldInfo) -> str | None:
    """The SI unit of a pydantic field made with `quantity` (also ``... | None``), or None."""
    marks = (*field.metadata, *_marks(field.annotation))
    return next((mark.unit for mark in marks if isinstance(mark, Quantity)), None)


def _marks(annotation: Any) -> Iterator[Any]:
    """The metadata anywhere inside a type such as ``tuple[Annotated[...], ...] | None``."""
    yield from getattr(annotation, "__metadata__", ())
    for part in typing.get_args(annotation):
        yield from _marks(part)


def short(value: object, limit: int = 60) -> str:
    """A value as it is shown in a message; of a long table its keys."""
    text = repr(value)
    if len(text) > limit and isinstance(value, Mapping):
        text = f"{{ {', '.join(map(str, value))} }}"
    return text if len(text) <= limit else text[: limit - 3] + "..."
