"""The families by name, building, and the content-addressed cache."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fem.base.errors import CaseError
from geometries.meshing.parameters import validated

# Part of the cache key: raise it when a builder's output changes for the same parameters.
VERSION = 1
FAMILIES = {  # family (and module) name -> parameter model in that module
    "planar": "Planar",
    "fibre_mat": "FibreMat",
    "aligned_channels": "AlignedChannels",
    "laminate": "Laminate",
    "lamella": "Lamella",
    "array": "Array",
    "particle_bed": "ParticleBed",
    "pore_array": "PoreArray",
    "stack": "Stack",
    "grid": "Grid",
    "whiskers": "WhiskerBed",
    "rough": "Rough",
    "tpms": "Tpms",
    "foam": "Foam",
    "image": "Image",
    "grains": "Grains",
    "cad": "Cad",
}


def families() -> dict[str, type[BaseModel]]:
    """The parameter model of every family, by family name."""
    return {name: model(name) for name in FAMILIES}


def model(family: str) -> type[BaseModel]:
    """The parameter model of a family.

    Raises:
        CaseError: no such family; names the nearest.
    """
    if family not in FAMILIES:
        near = difflib.get_close_matches(str(family), FAMILIES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(FAMILIES)
        raise CaseError(f"geometry.family: no family {family!r}; {hint}known: {known}")
    found: type[BaseModel] = getattr(
        importlib.import_module(f"geometries.builders.{family}"), FAMILIES[family]
    )
    return found


def resolve(family: str, parameters: dict[str, Any]) -> BaseModel:
    """Checked parameters; a key `family` that repeats the family is allowed.

    Raises:
        CaseError: unknown family or wrong parameters, all problems at once.
    """
    given = {k: v for k, v in parameters.items() if not (k == "family" and v == family)}
    return validated(model(family), family, given)


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
        "version": VERSION,
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


def once(folder: Path, make: Any) -> Path:
    """The folder, made by `make(folder)` if no complete one is there.

    It is made aside and renamed: a killed process leaves no half-made folder under this name.
    """
    if (folder / "mesh.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        made = aside / "mesh"  # a plain folder inside: mkdtemp's own is closed to other users
        make(made)
        try:
            os.replace(made, folder)
        except OSError:
            if not (folder / "mesh.json").is_file():  # not the work of a quicker process
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder
