"""Sums and derivatives of forms, each worked out once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ufl
from ufl.algorithms import extract_coefficients

__all__ = ["derived", "sum_of"]


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
