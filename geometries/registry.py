"""The families by name, building, and the content-addressed cache."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from pydantic import BaseModel

from fem.base.errors import CaseError
from geometries.meshing.parameters import validated

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
