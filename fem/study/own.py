"""Parts of registered physics, and those that the module of `[hooks]` returns by itself."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from textwrap import shorten
from typing import Any

import numpy as np
import ufl

from fem.base.errors import CaseError, RunError
from fem.case.hooks import load
from fem.contract.physics import named
from fem.contract.registry import OURS
from fem.files.fields import center_of
from fem.mesh.spaces import space_on
from fem.setup.setup import Filled, Setup
from fem.system.forms import REFUSALS, refusal
from fem.system.part import Observer, Part, titled
from fem.system.slots import unknown_of
from fem.system.system import System
from fem.system.vectors import CellMeans, downhill

__all__ = [
    "Guarded", "add_parts", "add_rows", "check_made", "declare", "is_ours", "named_failures",
    "observers", "prepared", "slopes",
]  # fmt: skip


def add_parts(setup: Filled) -> tuple[Part, ...]:
    """Add the parts of all physics that take part in a case to its set-up, in their order.

    Returns:
        The last of them, which are the books.

    Raises:
        CaseError: a physics cannot be made for the case, or makes something else.
    """
    _add(setup, books=False)
    setup.parts.extend(_own_physics(setup.case, setup.domain))
    others = len(setup.parts)
    _add(setup, books=True)
    return tuple(setup.parts[others:])


def _add(setup: Filled, *, books: bool) -> None:
    case = setup.case
    for physics in case.taking_part():
        origin, table = case.guests.registry.origin[physics.name], physics.given(vars(case))
        make = functools.partial(physics.parts, setup, table, books=books)
        if origin == OURS:
            setup.parts.extend(make())
        else:
            setup.parts.extend(_parts(f"physics {physics.name!r} ({origin})", make))


def prepared(setup: Setup) -> Setup:
    """The set-up as physics of the case want it before any part is made, one after the other."""
    for physics in setup.case.taking_part():
        if physics.prepare:
            setup = named(physics.prepare)(setup, physics.given(vars(setup.case)))
    return setup


def slopes(case: Any, s: System) -> tuple[CellMeans, ...]:
    """Fields that physics declare as gradients, declared for files; none without `vectors`."""
    if not case.output.vectors:
        return ()
    made = downhill(s, {f.name: f.gradient_of for f in case.made_fields.values() if f.gradient_of})
    for part in made:
        declare(part, s)
    return made


def _own_physics(case: Any, domain: Any) -> tuple[Part, ...]:
    """Parts that the module's `physics(case, domain)` returns; none without such a function.

    Raises:
        CaseError: it fails or returns something else.
    """
    make = getattr(load(case.hooks.module), "physics", None) if case.hooks else None
    if make is None:
        return ()
    return _parts("hooks: physics(case, domain)", lambda: make(case, domain))


@contextlib.contextmanager
def named_failures(part: Part, method: str) -> Iterator[None]:
    """Tell what a part of a user raises as a failure of that part, not of this package.

    Raises:
        CaseError: something else than an error of ours came out.
    """
    try:
        yield
    except (CaseError, RunError):
        raise
    except REFUSALS as error:
        if is_ours(part):
            raise
        where, reason = titled(part, method), f"{type(error).__name__}: {error}"
        raise CaseError(f"{where} fails: {reason}") from error


def _parts(origin: str, make: Callable[[], Iterable[Any]]) -> tuple[Part, ...]:
    """Call `make` and check that it returns parts; failures are reported as those of `origin`."""
    try:
        made = tuple(make())
    except CaseError:
        raise
    except Exception as error:
        raise CaseError(f"{origin} fails: {type(error).__name__}: {error}") from error
    for part in made:
        if not isinstance(part, Part):
            raise CaseError(
                f"{origin} returned {part!r}, which is not a Part: it lacks provides, needs, "
                "declare or rows"
            )
    return made


def declare(part: Part, s: System) -> None:
    """Let a part declare its unknowns; the system knows whose they are.

    Raises:
        CaseError: a part of a user fails.
        RunError: what it declares does not go with what is there.
    """
    s.author = titled(part)
    with named_failures(part, "declare"):
        part.declare(s)


def add_rows(part: Part, s: System) -> None:
    """Let a part add its rows; the system knows whose they are.

    Raises:
        CaseError: a part of a user fails, or adds a form that UFL refuses.
    """
    s.author = titled(part)
    if is_ours(part):
        part.rows(s)
        return
    before = {place: len(terms) for place, terms in _terms(s).items()}
    with named_failures(part, "rows"):
        part.rows(s)
    for place, terms in _terms(s).items():
        for make, test in terms[before.get(place, 0):]:
            if reason := _refusal(make, test):
                raise CaseError(f"{s.author}: {place}: a term is refused: {reason}")


Terms = list[tuple[Callable[[], Any], Any]]


def _terms(s: System) -> dict[str, Terms]:
    """Terms that parts have added: place -> what makes a term, and the test function in it."""

    def tested(functionals: Iterable[Callable[[Any], Any]], v: Any) -> Terms:
        return [(functools.partial(functional, v), v) for functional in functionals]

    def as_given(forms: Iterable[Any], v: Any = None) -> Terms:
        return [(functools.partial(_same, form), v) for form in forms if isinstance(form, ufl.Form)]

    mesh, tests = s.domain.mesh, {name: u.test for name, u in s.unknowns.items()}
    number = ufl.TestFunction(space_on(mesh, ("DG", 0)))
    vector = ufl.TestFunction(space_on(mesh, ("DG", 0, (s.domain.dim,))))
    places = {f"row {row!r}": as_given(terms, tests.get(unknown_of(row)))
              for row, terms in s.terms.items()}
    places |= {f"part {part!r} of the voltage": tested(terms, number)
               for part, terms in s.reports.spent.items()}
    places |= {f"port {port!r}": tested(terms, vector if port == "force" else number)
               for port, terms in s.ports.sums.items()}
    places["current that is imposed"] = as_given(s.driving)
    places |= {f"current {name!r}": as_given(terms) for name, terms in s.reports.flows.items()}
    return places | {"a form of its own": as_given(s.waiting.forms)}


def _same(form: Any) -> Any:
    return form


def _refusal(make: Callable[[], Any], test: Any) -> str:
    """Reason why a term cannot be compiled; empty if it can, or is 0."""
    try:
        form = make()
    except REFUSALS as error:
        return f"{type(error).__name__}: {error}"
    return "" if isinstance(form, int) and form == 0 else refusal(form, test)


def is_ours(part: Part | Observer) -> bool:
    """The part is of this package; else a failure is its author's."""
    return type(part).__module__.partition(".")[0] == "fem"


def check_made(case: Any, parts: Iterable[Part], s: System) -> None:
    """All that physics of others promise is there once the system is closed.

    Raises:
        CaseError: a field or a name that is declared and that no part makes, or a field that cannot
            be written; whose it is.
    """
    origin = case.guests.registry.origin
    for physics in case.taking_part():
        for field in physics.fields if origin[physics.name] != "hostplate" else ():
            made = s.function(field.name)
            where = f"physics {physics.name!r} ({origin[physics.name]})"
            if made is None and not field.gradient_of:
                raise CaseError(
                    f"{where}: no part of it makes the field {field.name!r} that it declares; add "
                    "an unknown (s.add) or a memory (s.memory) of that name"
                )
            if made is not None and not center_of(made):
                raise CaseError(
                    f"{where}: its field {field.name!r} has values at points or corners of cells, "
                    "which are not written; declare a memory per node or per cell instead"
                )
    for part in (p for p in parts if not is_ours(p)):
        for name in part.provides:
            if name not in s.values:
                raise CaseError(
                    f"{titled(part)}: provides {name!r} and "
                    "defines nothing of that name; call s.add, s.memory or s.define, or leave it "
                    "out of provides"
                )


def observers(parts: Iterable[Part], comm: Any) -> list[Observer]:
    """The parts that measure, in their order; those of others end a run with a message."""
    found = (part for part in parts if isinstance(part, Observer))
    return [part if is_ours(part) else Guarded(part, comm) for part in found]


class Guarded(Observer):
    """Observer of others whose failures end the run with a message, on all ranks.

    Args:
        part: whose methods are called.
        comm: the ranks, each of which calls them.
    """

    def __init__(self, part: Observer, comm: Any):
        self.part, self.comm = part, comm
        self.makes, self.lands = part.makes, part.lands


def _is_number(value: Any) -> bool:
    """The value is one real number, of Python or of numpy; NaN is one, too."""
    number = np.asarray(value)
    return number.ndim == 0 and number.dtype.kind in "fiub"


def _wrong_numbers(found: Any) -> str:
    """Problem of the columns of a step."""
    if not isinstance(found, Mapping):
        return f"{found!r}; it must return its columns as a dict, {{}} without any"
    for name, value in found.items():
        if not _is_number(value):
            shown = shorten(repr(value), 80)
            return f"{name} = {shown}; a column is one number"
    return ""


def _wrong_share(found: Any) -> str:
    """Problem of the share of a step after which something happens."""
    if found is None or (_is_number(found) and 0.0 < found < 1.0):
        return ""
    return f"{found!r}; it must be above 0 and below 1, or None where the step may stand"


#: Problems of answers that a run goes on with, by method; empty where there is none.
_ANSWERS: dict[str, Callable[[Any], str]] = {"step": _wrong_numbers, "share": _wrong_share}


def _guarded(name: str) -> Callable[..., Any]:
    """A method of an observer that fails on all ranks if it does on one."""

    def call(self: Guarded, *args: Any, **more: Any) -> Any:
        found, problem = None, None
        where = titled(self.part, name)
        try:
            found = getattr(self.part, name)(*args, **more)
            if isinstance(found, Iterator):
                found = list(found)
            wrong = _ANSWERS[name](found) if name in _ANSWERS else ""
            problem = f"{where} gives {wrong}" if wrong else None
        except (CaseError, RunError) as error:
            problem = str(error)
        except Exception as error:
            problem = f"{where} fails: {type(error).__name__}: {error}"
        problems = [text for text in self.comm.allgather(problem) if text]
        if problems:  # a state that a run cannot begin from is a matter of its case
            raise (CaseError if name == "begin" else RunError)(problems[0])
        return found

    return call


for _name in [n for n, method in vars(Observer).items() if callable(method) and n[0] != "_"]:
    setattr(Guarded, _name, _guarded(_name))
