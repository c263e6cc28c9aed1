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
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from fem.base.errors import CaseError

__all__ = ["BUILT_IN", "ENTRY_POINTS", "known_laws", "load"]

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
