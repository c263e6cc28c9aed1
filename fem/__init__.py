"""Metal plating and stripping in porous 3D hosts, by finite elements.

    import fem

    case = fem.load("trilayer_cg").with_({"protocol.0.current_density": "2 mA/cm^2"})
    case.run("results/trilayer_2mA")

Importing this package imports no solver; see `hostplate --help` for the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fem.base.errors import CaseError, HostplateError, Interrupted, RunError
    from fem.case.case import Case

__all__ = ["Case", "CaseError", "HostplateError", "Interrupted", "RunError", "__version__", "load"]


def load(path_or_name: Any, overrides: Any = ()) -> Case:
    """A case from a file or, by name, from the catalogue; see `fem.case.case.Case.load`."""
    from fem.case.case import Case

    return Case.load(path_or_name, overrides)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "Case":
        return import_module("fem.case.case").Case
    if name in __all__ and name != "__version__":
        return getattr(import_module("fem.base.errors"), name)
    if name == "__version__":
        return import_module("fem.base.provenance").version()
    raise AttributeError(f"module 'fem' has no attribute {name!r}")
