"""A user's own Python beside the case: kinetic laws, and further physics.

    [hooks]
    module = "my_laws.py"

A function of the module that a `law = "..."` names takes `(eta, i0, alpha_a, alpha_c, T)` and
returns i_n in A/m2; floats, arrays and UFL go in and come out. `PHYSICS`, a record or a list of
records (`fem.contract.physics.Physics`), makes physics of its own with their tables, columns and
figures; a function `physics(case, domain)` may return further parts (`fem.system.part.Part`).
Installed packages offer laws through the entry point group `hostplate.kinetics`, materials through
`hostplate.materials`, physics through `hostplate.physics`.

Checking a case executes nothing: names of laws, tables and fields are read off the text.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from fem.base.errors import CaseError
from fem.base.plugins import entry_points
from fem.contract.physics import Physics, records
from fem.contract.registry import checked

__all__ = [
    "BUILT_IN_LAWS", "ENTRY_POINTS", "declared", "known_laws", "load", "own_records",
    "unusable",
]  # fmt: skip

#: Laws that are always there -> their name in `fem.setup.kinetics`.
BUILT_IN_LAWS = {"butler_volmer": "butler_volmer", "linear": "linear_kinetics"}
ENTRY_POINTS = "hostplate.kinetics"
#: Packages of which a module may import any first; `fem.compat` loads them in the order they need.
SOLVER = frozenset({"dolfinx", "mpi4py", "petsc4py"})


def known_laws(module: str | None) -> list[str]:
    """Names that a `law` may have; the module is read but not executed.

    Raises:
        CaseError: the module is not Python.
    """
    names = [*BUILT_IN_LAWS, *_installed()]
    if module is None:
        return names
    defined = [n.name for n in _tree(module).body if isinstance(n, ast.FunctionDef)]
    return names + [name for name in defined if not name.startswith("_") and name != "physics"]


@functools.cache
def _installed() -> tuple[str, ...]:
    """Names of the laws of installed packages."""
    return tuple(entry.name for entry in entry_points(group=ENTRY_POINTS))


class Declared(NamedTuple):
    """Names of tables and of fields that the physics of a module declare."""

    tables: tuple[str, ...]
    fields: tuple[str, ...]


def declared(module: str) -> Declared:
    """Names in the calls `Physics("name", ...)` and `Field("name", ...)` of a module.

    The module is read but not executed; names must stand there as text.

    Raises:
        CaseError: the module is not Python.
    """
    tree = _tree(module)
    return Declared(
        tuple(name for name, call in _calls(tree, "Physics") if _keyword(call, "table")),
        tuple(name for name, _ in _calls(tree, "Field")),
    )


def unusable(module: str) -> str:
    """The problem of a module in which a case finds nothing, or not its physics; empty if sound.

    The module is read but not executed.

    Raises:
        CaseError: it is not Python.
    """
    tree = _tree(module)
    made = [name for name, _ in _calls(tree, "Physics")]
    defined = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    if "PHYSICS" in {*_bound(tree)} or (not made and any(n[0] != "_" for n in defined)):
        return ""
    if made:
        return (
            f"hooks.module: {module!r}: makes the physics {' and '.join(map(repr, made))}, but has "
            "no PHYSICS, the name by which a case finds it; write PHYSICS = Physics(...), of "
            "several a list"
        )
    return (
        f"hooks.module: {module!r}: has nothing for a case; give PHYSICS = Physics(...), a "
        "function physics(case, domain), or a kinetic law as a function"
    )


def _bound(tree: ast.Module) -> Iterator[str]:
    """Names that a module assigns or imports; of `from x import *` any, so PHYSICS among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield "PHYSICS" if node.name == "*" else node.asname or node.name


def _calls(tree: ast.Module, called: str) -> Iterator[tuple[str, ast.Call]]:
    """Calls of a class by its name, with the name that they give."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called in (
            getattr(node.func, "id", None), getattr(node.func, "attr", None)
        ):
            first = node.args[0] if node.args else _keyword(node, "name")
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value, node


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((k.value for k in call.keywords if k.arg == name), None)


def _tree(module: str) -> ast.Module:
    """The module's text, parsed.

    Raises:
        CaseError: it is not Python.
    """
    try:
        return ast.parse(Path(module).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CaseError(f"hooks.module: {module!r}: cannot be read: {error}") from None
    except SyntaxError as error:
        place = f"line {error.lineno}: {error.msg}"
        raise CaseError(f"hooks.module: {module!r}: is not Python: {place}") from None


def _imported(tree: ast.Module) -> Iterator[str]:
    """Packages that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def own_records(module: str) -> tuple[Physics, ...]:
    """The records of `PHYSICS`; nothing without one. The module is executed.

    Raises:
        CaseError: it fails, or PHYSICS is something else.
    """
    given = records(getattr(load(module), "PHYSICS", ()))
    return tuple(checked(record, f"hooks.module: {module!r}") for record in given)


def load(module: str) -> ModuleType:
    """The module of `[hooks]`, executed once as long as its text stays.

    Raises:
        CaseError: it fails; names the error.
    """
    try:
        digest = hashlib.sha256(module.encode() + Path(module).read_bytes()).hexdigest()
    except OSError as error:
        raise CaseError(f"hooks.module: {module!r}: cannot be read: {error}") from None
    return _executed(module, f"hostplate_hooks_{Path(module).stem}_{digest[:12]}")


@functools.cache
def _executed(module: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, module)
    if spec is None or spec.loader is None:
        raise CaseError(f"hooks.module: {module!r}: not a Python file; its name must end in .py")
    if SOLVER & set(_imported(_tree(module))):
        importlib.import_module("fem.compat")
    found = sys.modules[name] = importlib.util.module_from_spec(spec)  # its classes can be pickled
    try:
        spec.loader.exec_module(found)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CaseError(f"hooks.module: {module!r}: fails when imported: {reason}") from None
    return found
