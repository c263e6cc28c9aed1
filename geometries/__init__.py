"""Meshes of plating cells: builders by family, users' meshes, inspection and pictures.

Families are built from the tables of a case; every mesh ends in a folder that the solver reads:

    sidecar = geometries.build("planar", {"length": "100 um", "size": "1 um"}, Path("mesh"))
    report = geometries.inspect(Path("mesh"))

Thickness is the last axis, the collector at 0, the counter electrode at the top. Metres.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geometries.building import build, cached
    from geometries.files.conversion import convert
    from geometries.files.writing import read
    from geometries.inspection.drawing import draw, plot
    from geometries.inspection.report import inspect
    from geometries.registry import families

_HOMES = {
    "build": "building",
    "cached": "building",
    "families": "registry",
    "convert": "files.conversion",
    "cached_conversion": "files.conversion",
    "inspect": "inspection.report",
    "draw": "inspection.drawing",
    "plot": "inspection.drawing",
    "read": "files.writing",
}
__all__ = ["build", "cached", "convert", "draw", "families", "inspect", "plot", "read"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'geometries' has no attribute {name!r}")
    return getattr(importlib.import_module(f"geometries.{_HOMES[name]}"), name)
