"""Values that users may give as a number, a profile, a table or an expression.

    kappa = "1 S/m"
    kappa = { along = "depth", at = ["0 um", "30 um"], values = ["1 S/m", "2 S/m"] }
    kappa = { table = "kappa.csv", of = "c" }
    kappa = { expression = "1 + 3*depth/h", unit = "S/m", h = "30 um" }

All of them answer ``value.at(x=..., y=..., z=..., depth=..., c=..., T=...)`` with floats, numpy
arrays or UFL operands, in SI. Inside an expression every variable is in SI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from fem.base.errors import nearest
from fem.values.curves import Curve, read_table
from fem.values.expressions import CONSTANTS, FUNCTIONS, Expression, ExpressionError
from fem.values.units import check_range, conversion, format_quantity, parse_any, parse_quantity

#: SI units of what a property may depend on: place, depth, salt concentration, temperature, time
#: since the start of the protocol step, and the share of its capacity that a cathode holds.
VARIABLES = {
    "x": "m",
    "y": "m",
    "z": "m",
    "depth": "m",
    "c": "mol/m^3",
    "T": "K",
    "t": "s",
    "state": "",
}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")


@dataclass(frozen=True)
class Constant:
    """A value that depends on nothing; `value` is in SI."""

    value: float
    unit: str

    @property
    def variables(self) -> frozenset[str]:
        """Names it depends on: none."""
        return frozenset()

    def at(self, **variables: Any) -> float:
        """The value (SI), whatever the variables."""
        return self.value

    def written(self) -> Any:
        """Entry for a case file."""
        return format_quantity(self.value, self.unit) if self.unit else self.value


@dataclass(frozen=True)
class Along:
    """Piecewise linear along one variable; from a list, or read from a csv table."""

    along: str
    curve: Curve
    unit: str

    @property
    def variables(self) -> frozenset[str]:
        """Names it depends on."""
        return frozenset({self.along})

    def at(self, **variables: Any) -> Any:
        """The value (SI) at ``variables[along]``; never extrapolates, see `Curve`."""
        return self.curve(_needed(self, variables)[self.along])

    def written(self) -> Any:
        """Entry for a case file; a table is written out, so that the result needs no other file."""
        points = [format_quantity(x, VARIABLES[self.along]) for x in self.curve.x]
        values = [Constant(y, self.unit).written() for y in self.curve.y]
        return {"along": self.along, "at": points, "values": values}


@dataclass(frozen=True)
class Formula:
    """An arithmetic expression of the variables and of named constants.

    Attributes:
        expression: of SI numbers.
        given_unit: unit the user's formula yields.
        unit: SI unit of `at`.
        constants: name, value in SI, text as the user wrote it.
    """

    expression: Expression
    given_unit: str
    unit: str
    constants: tuple[tuple[str, float, str | float], ...] = ()
    scale: tuple[float, float] = field(default=(1.0, 0.0), repr=False)

    @property
    def variables(self) -> frozenset[str]:
        """Names it depends on."""
        return self.expression.names - {name for name, _, _ in self.constants}

    def at(self, **variables: Any) -> Any:
        """The value (SI)."""
        values = {**_needed(self, variables), **{name: v for name, v, _ in self.constants}}
        result = self.expression.evaluate(values)
        slope, offset = self.scale
        return result if self.scale == (1.0, 0.0) else slope * result + offset

    def written(self) -> Any:
        """Entry for a case file."""
        named = {name: text for name, _, text in self.constants}
        return {"expression": self.expression.text, "unit": self.given_unit, **named}


Property = Constant | Along | Formula


@dataclass(frozen=True)
class PropertyOf:
    """Annotation of a pydantic field that holds a `Property`.

    Attributes:
        unit: SI unit of the value.
        variables: names of `VARIABLES` it may depend on.
        gt: exclusive lower bound (SI) of each number given; an expression can be checked only where
            it is evaluated.
        ge: inclusive lower bound.
        le: inclusive upper bound.
        zero_in_curves: a table may contain zeros although `gt` is 0 (a current that starts at 0).
    """

    unit: str
    variables: tuple[str, ...]
    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    zero_in_curves: bool = False

    def read(self, given: object, folder: Path) -> Property:
        """The property; `folder` is what the name of a table refers to.

        Raises:
            ValueError: what is wrong with it, and the way out.
        """
        if isinstance(given, Constant | Along | Formula):
            given = given.written()
        if not isinstance(given, Mapping):
            try:
                value = parse_quantity(given, self.unit)
            except ValueError as error:
                raise ValueError(f"{error}{self._as_expression(given)}") from None
            return Constant(self._bounded(value, shown=given), self.unit)
        if "expression" in given:
            formula = _formula(given, self.unit, self.variables)
            if not formula.variables:
                self._bounded(formula.at())
            return formula
        if "table" in given:
            _only(given, {"table", "of"})
            default = self.variables[0] if len(self.variables) == 1 else None
            of = _variable(given.get("of", default), "of", self.variables)
            if not isinstance(given["table"], str):
                raise ValueError(f"table: {given['table']!r} is not a file name")
            curve = read_table(folder / given["table"], of, VARIABLES[of], self.unit)
        elif "along" in given:
            _only(given, {"along", "at", "values"})
            of = _variable(given["along"], "along", self.variables)
            points, values = _list(given, "at", VARIABLES[of]), _list(given, "values", self.unit)
            curve = Curve(points, values, of, f"values along {of}")
        else:
            keys = ", ".join(repr(str(key)) for key in given) or "nothing"
            raise ValueError(
                f"a table with {keys} is not a value; write "
                f'"1 {self.unit}", {{ along, at, values }}, {{ table, of }}, {{ expression, unit }}'
            )
        for x, value in zip(curve.x, curve.y, strict=True):
            place = f"{value:g} {self.unit} at {of} = {x:g} {VARIABLES[of]}".rstrip()
            self._bounded(value, shown=place, zero=self.zero_in_curves)
        return Along(of, curve, self.unit)

    def _as_expression(self, given: object) -> str:
        """A formula of what the value may depend on, as a case has it; "" for any other text."""
        if not isinstance(given, str):
            return ""
        try:
            formula = Expression.parse(given, self.variables)
        except ExpressionError:
            return ""
        unit = f'"{self.unit}"'
        table = f'{{ expression = "{formula.text}", unit = {unit} }}'
        return f", or of {', '.join(self.variables)}: {table}" if formula.names else ""

    def _bounded(self, value: float, shown: object = None, *, zero: bool = False) -> float:
        """The value, if it lies within the bounds; with `zero` the lower one belongs to them."""
        gt, ge = (None, self.gt) if zero else (self.gt, self.ge)
        return check_range(value, self.unit, gt=gt, ge=ge, le=self.le, shown=shown)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def read(given: object, info: core_schema.ValidationInfo) -> Property:
            return self.read(given, Path((info.context or {}).get("folder") or Path.cwd()))

        return core_schema.with_info_plain_validator_function(read)


def _formula(given: Mapping[str, Any], unit: str, allowed: tuple[str, ...]) -> Formula:
    constants: list[tuple[str, float, str | float]] = []
    for name, text in given.items():
        if name in ("expression", "unit"):
            continue
        if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a constant of an expression; use letters")
        if name in (*FUNCTIONS, *CONSTANTS, *VARIABLES):
            raise ValueError(f"constant {name!r} has the name of a function or variable; rename it")
        try:
            constants.append((name, parse_any(text), text))
        except ValueError as error:
            raise ValueError(f"constant {name!r}: {error}") from None
    given_unit = given.get("unit", "")
    if not isinstance(given_unit, str):
        raise ValueError(f'unit: {given_unit!r} is not a unit, write e.g. unit = "{unit}"')
    try:
        scale = conversion(given_unit, unit)
    except ValueError as error:
        raise ValueError(f"unit: {error}, needs {unit!r}") from None
    expression = Expression.parse(
        given["expression"], [*allowed, *(name for name, _, _ in constants)]
    )
    unused = sorted({name for name, _, _ in constants} - expression.names)
    if unused:
        raise ValueError(f"constant {unused[0]!r} is not used in {expression.text!r}")
    formula = Formula(expression, given_unit, unit, tuple(constants), scale)
    if not formula.variables:
        formula.at()  # refuses 1/0 here and not in the run
    return formula


def _variable(name: object, key: str, allowed: tuple[str, ...]) -> str:
    if not isinstance(name, str) or name not in allowed:
        hint = nearest(name, allowed) if isinstance(name, str) else f"one of {', '.join(allowed)}"
        raise ValueError(f"{key}: {name!r} is not a variable of this value; {hint}")
    return name


def _list(given: Mapping[str, Any], key: str, unit: str) -> tuple[float, ...]:
    values = given.get(key)
    if not isinstance(values, list | tuple):
        raise ValueError(f"{key}: {values!r} is not a list of quantities")
    try:
        return tuple(parse_quantity(value, unit) for value in values)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _only(given: Mapping[str, Any], names: set[str]) -> None:
    for name in given:
        if name not in names:
            raise ValueError(f"unknown name {name!r} in the value; {nearest(str(name), names)}")


def _needed(value: Along | Formula, given: Mapping[str, Any]) -> dict[str, Any]:
    missing = sorted(value.variables - given.keys())
    if missing:
        raise ExpressionError(
            f"a value depends on {', '.join(missing)}, known here: {', '.join(sorted(given))}"
        )
    return {name: given[name] for name in value.variables}


def varies(value: Any) -> bool:
    """True if the value depends on any variable."""
    return bool(getattr(value, "variables", ()))


def number(value: Any) -> float:
    """Value (SI) of a property that depends on nothing, or of a plain number."""
    return float(value.at()) if hasattr(value, "at") else float(value)
