"""A user's own Python beside the case: kinetic laws, and further physics.

    [hooks]
    module = "my_laws.py"

A function of the module that a `law = "..."` names takes `(eta, i0, alpha_a, alpha_c, T)` and
returns i_n in A/m2; floats, arrays and UFL go in and come out. A function `physics(case, domain)`
may return further `fem.system.system.Physics` objects. Installed packages offer laws through the
entry point group `hostplate.kinetics`, materials through `hostplate.materials`.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from fem.base.errors import CaseError, nearest

__all__ = ["BUILT_IN", "ENTRY_POINTS", "find_law", "known_laws", "load", "own_physics"]

#: Laws that are always there -> their name in `fem.setup.kinetics`.
BUILT_IN = {"butler_volmer": "butler_volmer", "linear": "linear_kinetics"}
ENTRY_POINTS = "hostplate.kinetics"


def known_laws(module: str | None) -> list[str]:
    """Names that a `law` may have; the module is read but not executed.

    Raises:
        CaseError: the module is not Python.
    """
    names = [*BUILT_IN, *(e.name for e in entry_points(group=ENTRY_POINTS))]
    if module is None:
        return names
    try:
        tree = ast.parse(Path(module).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CaseError(f"hooks.module: {module!r}: cannot be read: {error}") from None
    except SyntaxError as error:
        place = f"line {error.lineno}: {error.msg}"
        raise CaseError(f"hooks.module: {module!r}: is not Python: {place}") from None
    defined = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    return names + [name for name in defined if not name.startswith("_") and name != "physics"]


@functools.cache
def load(module: str) -> ModuleType:
    """The module of `[hooks]`, executed once.

    Raises:
        CaseError: it fails; names the error.
    """
    spec = importlib.util.spec_from_file_location(f"hostplate_hooks_{Path(module).stem}", module)
    if spec is None or spec.loader is None:
        raise CaseError(f"hooks.module: {module!r}: not a Python file; its name must end in .py")
    found = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(found)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CaseError(f"hooks.module: {module!r}: fails when imported: {reason}") from None
    return found


def find_law(name: str, module: str | None) -> Callable[..., Any]:
    """The kinetic law of a name: from the case's module, built in, or installed.

    Raises:
        CaseError: there is none, or it carries a current at eta = 0, where metal is at rest.
    """
    law: Any = None
    if module is not None and name != "physics":
        law = getattr(load(module), name, None)
    if law is None and name in BUILT_IN:
        from fem.setup import kinetics

        return getattr(kinetics, BUILT_IN[name])
    if law is None:
        law = next((e.load() for e in entry_points(group=ENTRY_POINTS) if e.name == name), None)
    if not callable(law):
        raise CaseError(f"kinetics: no law is called {name!r}; {nearest(name, known_laws(module))}")
    return _checked(name, law)


def _checked(name: str, law: Callable[..., Any]) -> Callable[..., Any]:
    """The law, with its failures told as the user's."""

    def checked(eta: Any, i0: Any, alpha_a: Any, alpha_c: Any, temperature: Any) -> Any:
        try:
            return law(eta, i0, alpha_a, alpha_c, temperature)
        except Exception as error:
            raise CaseError(
                f"kinetics: law {name!r} fails: {type(error).__name__}: {error}; it takes "
                "(eta, i0, alpha_a, alpha_c, T), floats or UFL, and returns A/m2"
            ) from None

    at_rest = float(checked(0.0, 1.0, 0.5, 0.5, 298.15))
    if not abs(at_rest) <= 1e-9:
        raise CaseError(
            f"kinetics: law {name!r} gives {at_rest:g} A/m2 at eta = 0 (for i0 = 1 A/m2); metal is "
            "at rest there, so it must give 0"
        )
    return checked


def own_physics(case: Any, domain: Any) -> tuple[Any, ...]:
    """What the module's `physics(case, domain)` returns; nothing without one.

    Raises:
        CaseError: it fails or returns something else.
    """
    from fem.system.system import Physics

    make = getattr(load(case.hooks.module), "physics", None) if case.hooks else None
    if make is None:
        return ()
    try:
        made = tuple(make(case, domain))
    except CaseError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CaseError(f"hooks: physics(case, domain) fails: {reason}") from error
    for part in made:
        if not isinstance(part, Physics):
            raise CaseError(
                f"hooks: physics(case, domain) returned {part!r}, which is not a Physics: it lacks "
                "provides, needs, declare or rows"
            )
    return made
