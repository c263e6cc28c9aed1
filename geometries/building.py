"""Meshes of families: built into a folder, or found in the cache by content."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

from geometries.files.cache import CACHE_VERSION, once
from geometries.registry import resolve

#: Families that draw places at random, or read a file -> what does that and no more, as
#: "module:function".
PLACES = {
    "fibre_mat": "fibre_mat:check_place",
    "image": "image:read",
    "aligned_channels": "aligned_channels:check_place",
    "lamella": "lamella:stack",
    **dict.fromkeys(("grid", "particle_bed", "pore_array", "stack", "whiskers"), "layered:placed"),
}


def check_place(family: str, checked: Any) -> None:
    """Place what a family draws at random, or read its file, without a mesh; else nothing.

    Args:
        family: name of the family.
        checked: its parameters.

    Raises:
        CaseError: as `build`, where it fails before it meshes.
    """
    if family in PLACES:
        module, _, name = PLACES[family].partition(":")
        getattr(importlib.import_module(f"geometries.builders.{module}"), name)(checked)


def build(family: str, parameters: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Build a mesh into a folder.

    Args:
        family: name of the family.
        parameters: as in the case's [geometry] table, lengths as quantity strings.
        folder: gets mesh.xdmf, mesh.h5, mesh.json and mesh.msh; made if missing.

    Returns:
        The sidecar, the content of mesh.json.

    Raises:
        CaseError: wrong parameters or a geometry that cannot be made, with the way out.
        RunError: the mesher failed.
    """
    from geometries.files.writing import write

    checked = resolve(family, parameters)
    built = importlib.import_module(f"geometries.builders.{family}").build(checked)
    return write(built, Path(folder), family, checked.model_dump(mode="json"))


def key(family: str, parameters: dict[str, Any]) -> str:
    """Content hash of family, resolved parameters and builder version (32 hex digits).

    Cell sizes that the family would choose itself do not count.
    """
    from geometries.resolution import chosen_left_out

    content = {
        "version": CACHE_VERSION,
        "family": family,
        "parameters": chosen_left_out(resolve(family, parameters)).model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def cached(family: str, parameters: dict[str, Any], cache_dir: Path) -> Path:
    """Folder of the mesh, built on the first call for these parameters.

    Args:
        family: name of the family.
        parameters: as for `build`; equal values in other units find the same mesh.
        cache_dir: made if missing; safe to share between processes.

    Raises:
        CaseError: as `build`.
        RunError: as `build`.
    """
    return once(Path(cache_dir) / f"{family}-{key(family, parameters)}",
                lambda folder: build(family, parameters, folder))
