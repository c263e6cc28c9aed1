"""Forms as they are compiled: the numbers of regions, walls and faces are no part of their code.

A form over regions 2 and 5 shares its code with the same form over region 1 of another mesh, and an
integral over a wall with that over another one. Values of properties are no part of it either: a
floating-point number in a form becomes a constant that the code is called with. Forms of a system
are compiled when the first of them is used, all that wait by then in one call of the C compiler.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np
import ufl
from ufl.classes import Expr, FloatValue, MultiIndex, Power
from ufl.core.multiindex import Index
from ufl.sorting import cmp_expr

from fem.compat import MPI, dfem, make_codes

__all__ = ["Waiting", "compiled", "gathered"]


def compiled(form: ufl.Form, **options: Any) -> dfem.Form:
    """Compile a form, or load the code of one that is the same elsewhere (collective)."""
    return dfem.form(gathered(form), **options)


class Waiting:
    """Forms whose code is not made yet.

    Args:
        comm: the ranks of their meshes.
    """

    def __init__(self, comm: MPI.Comm):
        self._comm = comm
        self._forms: list[tuple[Later, ufl.Form, dict[str, Any]]] = []

    def add(self, form: ufl.Form, **options: Any) -> Later:
        """A form to be compiled with the others; arguments are those of `dolfinx.fem.form`."""
        later = Later(self)
        self._forms.append((later, gathered(form), options))
        return later

    @property
    def forms(self) -> list[ufl.Form]:
        """Forms that wait, in the order in which they came."""
        return [form for _, form, _ in self._forms]

    def compile(self) -> None:
        """Compile all that wait (collective).

        Raises:
            RuntimeError: as `dolfinx.fem.form`; what was not compiled still waits.
        """
        make_codes(self._comm, self.forms)
        while self._forms:
            later, form, options = self._forms[0]
            later.__dict__.update(dfem.form(form, **options).__dict__)
            del self._forms[0]


class Later(dfem.Form):
    """A form of DOLFINx that is compiled when it is first used (collective)."""

    def __init__(self, waiting: Waiting):
        self._waiting = waiting

    def __getattr__(self, name: str) -> Any:
        """Attributes of `dolfinx.fem.Form`, made when the first of them is asked for."""
        if name not in ("_code", "_cpp_object", "_module", "_ufcx_form"):
            raise AttributeError(name)
        self._waiting.compile()
        return self.__dict__[name]


def gathered(form: ufl.Form) -> ufl.Form:
    """The form over subdomains 1, 2, ... of each kind: those with the same integrands become one.

    Args:
        form: its measures list their entities, as those of `Domain` do.
    """
    kinds: dict[str, dict[int, list[Any]]] = {}
    for integral in form.integrals():
        there = kinds.setdefault(integral.integral_type(), {})
        numbers = integral.subdomain_id()  # several, where UFL has put integrals together
        for number in numbers if isinstance(numbers, tuple) else (numbers,):
            there.setdefault(number, []).append(integral)
    values: dict[Any, dict[Expr, Expr]] = {}
    return ufl.Form([
        one.reconstruct(integrand=_without_numbers(one, values))
        for there in kinds.values() for one in _gathered(there)
    ])  # fmt: skip


def _gathered(there: dict[int, list[Any]]) -> list[Any]:
    """Integrals of a kind: `there` has those of each subdomain."""
    groups: list[tuple[tuple[Any, ...], tuple[Any, ...], list[int]]] = []
    for number, integrals in there.items():
        rules = tuple(tuple(sorted(one.metadata().items())) for one in integrals)
        integrands = tuple(one.integrand() for one in integrals)
        for others, known, numbers in groups:
            if rules == known and all(map(_same, integrands, others)):
                numbers.append(number)
                break
        else:
            groups.append((integrands, rules, [number]))
    groups.sort(key=functools.cmp_to_key(_order))  # does not hang on the numbers
    entities = dict(next(iter(there.values()))[0].subdomain_data())
    data = [
        (k, np.concatenate([entities[number] for number in numbers]))
        for k, (*_, numbers) in enumerate(groups, start=1)
    ]
    return [
        integral.reconstruct(subdomain_id=k, subdomain_data=data)
        for k, (*_, numbers) in enumerate(groups, start=1)
        for integral in there[numbers[0]]
    ]


def _same(one: Expr, other: Expr) -> bool:
    """Tell whether integrands are equal but for the names of indices that they sum over."""
    there: dict[Any, Any] = {}
    back: dict[Any, Any] = {}
    left, seen = [(one, other)], set()
    while left:
        a, b = pair = left.pop()
        if pair in seen:
            continue
        seen.add(pair)
        if type(a) is not type(b) or len(a.ufl_operands) != len(b.ufl_operands):
            return False
        if isinstance(a, MultiIndex):
            for i, j in zip(a.indices(), b.indices(), strict=True):
                if there.setdefault(i, j) != j or back.setdefault(j, i) != i:
                    return False
                if i != j and not (isinstance(i, Index) and isinstance(j, Index)):
                    return False
        elif not a.ufl_operands:
            if not a == b:  # `!=` makes a condition
                return False
        elif a is not b or a.ufl_free_indices:
            left.extend(zip(a.ufl_operands, b.ufl_operands, strict=True))
    return True


def _without_numbers(integral: Any, known: dict[Any, dict[Expr, Expr]]) -> Expr:
    """Integrand with a constant in place of each floating-point number.

    Args:
        integral: one of a form.
        known: by mesh, what came of expressions of this form.
    """
    mesh = integral.ufl_domain()
    done = known.setdefault(mesh, {})

    def made(e: Expr) -> Expr:
        if (found := done.get(e)) is not None:
            return found
        operands = e.ufl_operands
        new = e
        if isinstance(e, FloatValue):
            new = dfem.Constant(mesh, float(e))
        elif operands:
            others = [made(operand) for operand in operands]
            if isinstance(e, Power) and isinstance(operands[1], FloatValue):
                others[1] = operands[1]  # a square root is no power to its code
            if any(map(operator.is_not, others, operands)):
                new = e._ufl_expr_reconstruct_(*others)
        done[e] = new
        return new

    return made(integral.integrand())


def _order(a: tuple[Any, ...], b: tuple[Any, ...]) -> int:
    """Order of two lists of integrands by their lengths and terms."""
    terms = (cmp_expr(one, other) for one, other in zip(a[0], b[0], strict=False))
    return len(a[0]) - len(b[0]) or next(filter(None, terms), 0)
