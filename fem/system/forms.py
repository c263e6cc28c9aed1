"""Sums and derivatives of forms, each worked out once, and rules that go together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ufl
from ufl.algorithms import extract_coefficients

from fem.base.errors import RunError

__all__ = ["check_rules", "derived", "sum_of"]


def derived(form: Any, coefficient: Any, direction: Any) -> Any:
    """Derivative of a form; of integrals without the function it is known to be nothing."""
    if coefficient not in form.coefficients():
        return ufl.Form([])
    there = [i for i in form.integrals() if coefficient in extract_coefficients(i.integrand())]
    return ufl.algorithms.expand_derivatives(
        ufl.derivative(ufl.Form(there), coefficient, direction)
    )


def sum_of(forms: Iterable[Any]) -> Any:
    """Sum of forms (adding them one by one looks through all of them each time)."""
    return ufl.Form([integral for form in forms for integral in form.integrals()])


def check_rules(form: Any) -> None:
    """Refuse a one-point rule beside another rule on the same cells.

    FFCx 0.11 then takes the values of the one point for those of the other rule, and the sum is
    wrong without a word (seen by comparing a form with the sum of its terms).

    Raises:
        RunError: it does.
    """
    rules: dict[Any, set[tuple[Any, Any]]] = {}
    for integral in form.integrals():
        if integral.integral_type() == "cell":
            given = integral.metadata()
            rule = given.get("quadrature_rule", "default"), given.get("quadrature_degree", 0)
            ids = integral.subdomain_id()
            for one in ids if isinstance(ids, tuple) else (ids,):
                rules.setdefault(one, set()).add(rule)
    for where, found in rules.items():
        if len(found) > 1 and any(name == "default" and degree < 2 for name, degree in found):
            raise RunError(f"cells {where}: rules {sorted(found)} must not stand in one form")
