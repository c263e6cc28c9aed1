"""Arithmetic that users may write in a case: ``"1 + 3*depth/h"``. Parsed, checked, never `eval`-ed.

Grammar: numbers, named variables, ``+ - * / ^ **``, parentheses, ``pi``, the functions of
`FUNCTIONS`, and one comparison (``< <= > >=``) as the first argument of ``where``. The same
expression evaluates on floats, on numpy arrays and on UFL operands.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fem.base.errors import CaseError, nearest
from fem.values.units import typed

#: Name -> (number of arguments, meaning). ``min`` and ``max`` take two or more.
FUNCTIONS: dict[str, tuple[int, str]] = {
    "exp": (1, "exponential"),
    "ln": (1, "natural logarithm"),
    "log10": (1, "decimal logarithm"),
    "sqrt": (1, "square root"),
    "sin": (1, "sine, radians"),
    "cos": (1, "cosine, radians"),
    "tanh": (1, "hyperbolic tangent"),
    "abs": (1, "absolute value"),
    "min": (2, "smallest argument"),
    "max": (2, "largest argument"),
    "step": (1, "0 for a negative argument, else 1"),
    "where": (3, "where(a < b, value if true, value if false)"),
}
CONSTANTS = {"pi": math.pi}

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type[ast.cmpop], str] = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}
_NUMPY: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "ln": np.log,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "abs": np.abs,
    "min": lambda *a: functools.reduce(np.minimum, a),
    "max": lambda *a: functools.reduce(np.maximum, a),
    "step": lambda x: np.where(np.asarray(x) >= 0.0, 1.0, 0.0),
    "where": np.where,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_LONGEST, _DEEPEST = 500, 40


class ExpressionError(CaseError, ValueError):
    """An expression that cannot be read or evaluated; says at which column and why."""


@dataclass(frozen=True)
class Expression:
    """A checked arithmetic expression.

    Attributes:
        text: as the user wrote it.
        names: the variables it depends on.
    """

    text: str
    names: frozenset[str]
    _tree: ast.expr = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, allowed_names: Iterable[str]) -> Expression:
        """Read and check an expression.

        Args:
            text: for example ``"0.1*(1 + (c/1000)^2)"``; ``^`` is a power.
            allowed_names: variables that may appear.

        Raises:
            ExpressionError: with column, offending name and the allowed ones.
        """
        allowed = sorted({*allowed_names})
        if not isinstance(text, str) or not text.strip():
            raise ExpressionError(f'{text!r} is not an expression; write e.g. "1 + 2*x"')
        if len(text) > _LONGEST:
            raise ExpressionError(
                f"expression of {len(text)} characters; at most {_LONGEST}: use a table instead"
            )
        text = typed(text)
        if not text.isascii():
            column = next(k for k, letter in enumerate(text) if not letter.isascii())
            raise _at(text, column, f"{text[column]!r} is not plain ASCII")
        shown = " ".join(text.split())
        source = shown.replace("^", "**")
        try:
            with warnings.catch_warnings(action="ignore"):  # "1(2)": refused below, not remarked on
                tree = ast.parse(source, mode="eval").body
        except SyntaxError as error:
            column = _original_column(shown, (error.offset or 1) - 1)
            raise _at(shown, column, "cannot be read here") from None
        except (ValueError, MemoryError, RecursionError):
            raise ExpressionError(f"expression {shown[:60]!r}... is nested too deeply") from None
        names: set[str] = set()
        _check(tree, shown, allowed, names, 0)
        return cls(shown, frozenset(names), tree)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The value for floats, numpy arrays or UFL operands (mixed with floats).

        Args:
            values: one entry for each of `names` (SI); others are ignored.

        Returns:
            A float, an array, or a UFL expression.

        Raises:
            ExpressionError: a value is missing, or the result is not finite (numbers only).
        """
        missing = sorted(self.names - values.keys())
        if missing:
            raise ExpressionError(f"expression {self.text!r} needs a value of {', '.join(missing)}")
        used = {name: values[name] for name in self.names}
        symbolic = any(is_ufl(value) for value in used.values())
        operations = _ufl_operations() if symbolic else _NUMPY
        if not symbolic:
            used = {name: np.asarray(value, dtype=float)[()] for name, value in used.items()}
        try:
            with np.errstate(all="ignore"):
                result = _value(self._tree, used, operations, float if symbolic else np.float64)
        except ArithmeticError:
            raise ExpressionError(f"expression {self.text!r} has no finite value") from None
        if symbolic:
            return result
        bad = ~np.isfinite(result)
        if np.any(bad):
            where = ", ".join(
                f"{name} = {np.broadcast_to(value, np.shape(result))[bad][0]:g}"
                for name, value in sorted(used.items())
            )
            at = f" at {where}" if where else ""
            raise ExpressionError(f"expression {self.text!r} has no finite value{at}")
        return float(result) if np.ndim(result) == 0 else result

    def apply(
        self, values: Mapping[str, Any], do: Mapping[str, Callable[..., Any]], number: Any
    ) -> Any:
        """The value in another arithmetic.

        Args:
            values: one entry for each of `names`, of a type with ``+ - * / **``.
            do: the functions of `FUNCTIONS`, and `lt`, `le`, `gt`, `ge`, of that type.
            number: makes that type of a float.
        """
        return _value(self._tree, values, do, number)


def is_ufl(value: object) -> bool:
    """True if `value` is a UFL operand; imports nothing."""
    ufl = sys.modules.get("ufl")
    return ufl is not None and isinstance(value, ufl.core.expr.Expr)


def _check(node: ast.AST, text: str, allowed: list[str], names: set[str], depth: int) -> None:
    """Walk the tree; everything that is not in the grammar is refused with its place."""
    column = _original_column(text, getattr(node, "col_offset", 0))
    if depth > _DEEPEST:
        raise _at(text, column, "is nested too deeply")
    inside: list[ast.expr] = []
    match node:
        case ast.Constant(value=bool() | complex() | str() | bytes() | None):
            raise _at(text, column, f"{node.value!r} is not a number")
        case ast.Constant(value=int() | float() as value):
            # text is at most 500 characters, so a huge integer cannot take long
            if not math.isfinite(_finite(value)):
                raise _at(text, column, "number out of range")
        case ast.Name(id=name):
            if name in allowed:
                names.add(name)
            elif name in FUNCTIONS:
                raise _at(text, column, f"function {name!r} needs its arguments in parentheses")
            elif name not in CONSTANTS:
                raise _at(text, column, f"unknown name {name!r}; {_hint(name, allowed)}")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            inside = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            inside = [operand]
        case ast.Call(func=ast.Name(id=name), args=inside, keywords=[]):
            if name not in FUNCTIONS:
                hint = "use 'ln' or 'log10'" if name == "log" else nearest(name, FUNCTIONS)
                raise _at(text, column, f"unknown function {name!r}; {hint}")
            wanted, _ = FUNCTIONS[name]
            enough = len(inside) >= 2 if name in ("min", "max") else len(inside) == wanted
            if not enough or any(isinstance(part, ast.Starred) for part in inside):
                raise _at(text, column, f"{name} takes {wanted} argument(s), got {len(inside)}")
            if name == "where":
                condition, *inside = inside
                match condition:
                    case ast.Compare(left=left, ops=[comparison], comparators=[right]) if (
                        type(comparison) in _COMPARE
                    ):
                        inside += [left, right]
                    case _:
                        raise _at(
                            text, column, "where needs a comparison first: where(c < 1, a, b)"
                        )
        case ast.Compare():
            raise _at(text, column, "a comparison is allowed only as first argument of where")
        case _:
            kind = type(node).__name__
            raise _at(text, column, f"{kind} is not arithmetic; use numbers, names, + - * / ^ ()")
    for part in inside:
        _check(part, text, allowed, names, depth + 1)


def _value(
    node: ast.AST, values: Mapping[str, Any], do: Mapping[str, Callable[..., Any]], number: Any
) -> Any:
    match node:
        case ast.Constant(value=value):
            return number(value)
        case ast.Name(id=name):
            return values[name] if name in values else number(CONSTANTS[name])
        case ast.BinOp(left=left, op=op, right=right):
            first, second = _value(left, values, do, number), _value(right, values, do, number)
            result = _BINARY[type(op)](first, second)
            if isinstance(result, complex):  # (-1.0)**0.5 of Python floats
                raise ArithmeticError
            return result
        case ast.UnaryOp(op=op, operand=operand):
            inner = _value(operand, values, do, number)
            return -inner if isinstance(op, ast.USub) else inner
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return do[name](*(_value(part, values, do, number) for part in arguments))
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            first, second = _value(left, values, do, number), _value(right, values, do, number)
            return do[_COMPARE[type(comparison)]](first, second)
    raise AssertionError(f"unchecked node {node!r}")


@functools.cache
def _ufl_operations() -> dict[str, Callable[..., Any]]:
    import ufl

    return {
        "exp": ufl.exp,
        "ln": ufl.ln,
        "log10": lambda x: ufl.ln(x) / math.log(10.0),
        "sqrt": ufl.sqrt,
        "sin": ufl.sin,
        "cos": ufl.cos,
        "tanh": ufl.tanh,
        "abs": abs,
        "min": lambda *a: functools.reduce(ufl.min_value, a),
        "max": lambda *a: functools.reduce(ufl.max_value, a),
        "step": lambda x: ufl.conditional(ufl.ge(x, 0.0), 1.0, 0.0),
        "where": ufl.conditional,
        "lt": ufl.lt,
        "le": ufl.le,
        "gt": ufl.gt,
        "ge": ufl.ge,
    }


def _finite(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _original_column(text: str, column: int) -> int:
    """Column in `text` of a column in the text whose ``^`` were doubled to ``**``."""
    seen = 0
    for k, letter in enumerate(text):
        if seen >= column:
            return k
        seen += 2 if letter == "^" else 1
    return len(text)


def _at(text: str, column: int, reason: str) -> ExpressionError:
    shown = text if len(text) <= 100 else text[:97] + "..."
    return ExpressionError(f"expression {shown!r}, column {column + 1}: {reason}")


def _hint(name: str, allowed: list[str]) -> str:
    close = nearest(name, [*allowed, *FUNCTIONS])
    known = ", ".join(allowed) if allowed else "no variable"
    return f"{close} allowed here: {known}" if close.startswith("did you") else f"allowed: {known}"
