"""Material data and laws; see `fem.materials.library`."""

from __future__ import annotations

from fem.materials.data import Dependent, Number
from fem.materials.library import (
    Electrolyte,
    Material,
    Metal,
    Pair,
    Separator,
    Solid,
    electrolyte,
    material,
    metal,
    names,
    pair,
    parse_material,
    rows,
    separator,
    solid,
    status_counts,
)

__all__ = [
    "Dependent",
    "Electrolyte",
    "Material",
    "Metal",
    "Number",
    "Pair",
    "Separator",
    "Solid",
    "electrolyte",
    "material",
    "metal",
    "names",
    "pair",
    "parse_material",
    "rows",
    "separator",
    "solid",
    "status_counts",
]
