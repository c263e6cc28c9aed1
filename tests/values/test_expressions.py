from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fem.values.expressions import FUNCTIONS, Expression, ExpressionError

NAMES = ["c", "depth", "h", "x"]
VALUES = {"c": 2.0, "depth": 1e-5, "h": 3e-5, "x": -0.5}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 3*depth/h", 2.0),
        ("2^3^2", 512.0),  # powers from the right, as on paper
        ("-2^2", -4.0),
        ("2**-1", 0.5),
        ("+c*-x", 1.0),
        ("where(c < 1, c, -c)", -2.0),
        ("where(c >= 2, 1, 0)", 1.0),
        ("step(x) + step(0) + step(c)", 2.0),
        ("min(c, 1, x) + max(c, 3)", 2.5),
        ("exp(1) + ln(c) + log10(100)", math.e + math.log(2) + 2),
        ("sqrt(c) + abs(x) + tanh(x)", math.sqrt(2) + 0.5 + math.tanh(-0.5)),
        ("sin(pi/2) + cos(0)", 2.0),
    ],
)
def test_values(text: str, value: float) -> None:
    expression = Expression.parse(text, NAMES)
    assert expression.evaluate(VALUES) == pytest.approx(value, rel=1e-14)
    many = {name: np.full(3, v) for name, v in VALUES.items()}
    assert np.allclose(expression.evaluate(many), value, rtol=1e-14)


REFUSED = [
    ("1 + cc", "column 5: unknown name 'cc'; did you mean 'c'? allowed here: c, depth, h, x"),
    ("c^2 + dpeth", "column 7: unknown name 'dpeth'; did you mean 'depth'?"),
    ("tan(c)", "unknown function 'tan'; did you mean 'tanh'?"),
    ("log(c)", "use 'ln' or 'log10'"),
    ("exp(c, 1)", "exp takes 1 argument(s), got 2"),
    ("where(c, 1, 2)", "where needs a comparison first"),
    ("c < 1", "comparison is allowed only"),
    ("1 +* 2", "column 4: cannot be read here"),
    ("(c", "cannot be read here"),
    ("", "is not an expression"),
    ("µ", "is not plain ASCII"),
    ("1e999", "number out of range"),
    # attacks
    ("__import__('os').system('true')", "Call is not arithmetic"),
    ("__import__", "unknown name '__import__'"),
    ("c.__class__", "Attribute is not arithmetic"),
    ("c[0]", "Subscript is not arithmetic"),
    ("(lambda: 1)()", "is not arithmetic"),
    ("[c for c in (1, 2)]", "ListComp is not arithmetic"),
    ("'a'*1000000000", "is not a number"),
    ("c if c else 1", "IfExp is not arithmetic"),
    ("f'{c}'", "JoinedStr is not arithmetic"),
    ("(x := 3)", "NamedExpr is not arithmetic"),
    ("exp(*c)", "exp takes 1 argument(s)"),
    ("exp(x=c)", "Call is not arithmetic"),
    ("True", "True is not a number"),
    ("1j", "is not a number"),
    ("c\x00", "cannot be read here"),
    ("-" * 100 + "1", "nested too deeply"),
    ("(" * 250 + "1" + ")" * 249, "cannot be read here"),
    ("1" * 501, "at most 500"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=[text[:20] for text, _ in REFUSED])
def test_refusals_point_at_the_place(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text, NAMES)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["9^9^9^9", "10^400", "exp(1e6)", "1/(c - 2)", "ln(x)", "x^0.5"])
def test_no_value_is_an_error_and_comes_at_once(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ExpressionError, match="no finite value"):
        Expression.parse(text, NAMES).evaluate(VALUES)
    assert time.perf_counter() - start < 1.0


def test_errors_of_arrays_name_the_point() -> None:
    with pytest.raises(ExpressionError, match=r"at c = -1$"):
        Expression.parse("sqrt(c)", NAMES).evaluate({"c": np.array([4.0, -1.0])})


def test_missing_values_are_named() -> None:
    with pytest.raises(ExpressionError, match="needs a value of c, h"):
        Expression.parse("c + h", NAMES).evaluate({"x": 1.0})


@given(st.text(max_size=60) | st.from_regex(r"[0-9cxh+\-*/^(). ,<>=]{1,40}", fullmatch=True))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        expression = Expression.parse(text, NAMES)
        result = expression.evaluate(VALUES)
    except ExpressionError:
        return
    assert isinstance(result, float) and math.isfinite(result)


def test_forms_and_numbers_agree() -> None:
    ufl = pytest.importorskip("ufl")
    arguments = {"exp": "c", "where": "c < 3, c, h", "min": "c, x, h", "max": "c, x"}
    for name in FUNCTIONS:
        inside = arguments.get(name, "c")
        expression = Expression.parse(f"2*{name}({inside})^2 - c/h + pi", NAMES)
        form = expression.evaluate({n: ufl.as_ufl(v) for n, v in VALUES.items()})
        assert isinstance(form, ufl.core.expr.Expr)
        assert form(()) == pytest.approx(expression.evaluate(VALUES), rel=1e-12), name
