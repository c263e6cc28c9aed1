"""Metal plating and stripping in porous 3D hosts, by finite elements.

    import fem

    case = fem.load("trilayer_cg").with_({"protocol.0.current_density": "2 mA/cm^2"})
    case.run("results/trilayer_2mA")

Importing this package imports no solver; see `hostplate --help` for the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fem.api import Case, list_cases, load
    from fem.base.errors import CaseError, HostplateError, Interrupted, RunError

__all__ = ["Case", "CaseError", "HostplateError", "Interrupted", "RunError", "__version__",
           "list_cases", "load"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        return import_module("fem.base.provenance").version()
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "fem.base.errors")), name)
    raise AttributeError(f"module 'fem' has no attribute {name!r}")


_HOMES = {"Case": "fem.api", "list_cases": "fem.api", "load": "fem.api"}


def __dir__() -> list[str]:
    return sorted(__all__)
