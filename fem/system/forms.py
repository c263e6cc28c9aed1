"""Sums and derivatives of forms, each worked out once, and rules that go together."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import shorten
from typing import Any

import ufl
from ufl.algorithms import compute_form_data, extract_coefficients
from ufl.algorithms.check_arities import ArityMismatch

from fem.base.errors import RunError

__all__ = ["REFUSALS", "check_rules", "derived", "refusal", "sum_of"]

#: Errors that a form may raise; one of UFL's is no `Exception`.
REFUSALS = (Exception, ArityMismatch)


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


def refusal(form: Any, test: Any = None) -> str:
    """Reason why a term cannot be compiled, found without compiling it; empty if there is none.

    Args:
        form: the term.
        test: the test function that it must have, each term once; None: it is not looked at.
    """
    if not isinstance(form, ufl.Form):
        return f"{shorten(str(form), 80)} is no form; integrate it, as in ... * weight * dx"
    try:
        if test is not None and not form.empty() and form.arguments() != (test,):
            return "it lacks the test function of its row, or has another one"
        compute_form_data(
            form, do_apply_function_pullbacks=True, do_apply_integral_scaling=True,
            do_apply_geometry_lowering=True, do_apply_restrictions=True,
            do_append_everywhere_integrals=False,
        )
    except REFUSALS as error:
        return f"UFL says: {error}"
    return ""
