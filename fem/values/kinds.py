"""Kinds of values in a case: annotated types with unit and range, and the base of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints, ValidationInfo
from pydantic.functional_validators import AfterValidator

from fem.values.curves import TableError, as_profile
from fem.values.properties import Property, PropertyOf
from fem.values.units import Quantity

PLACE_VARIABLES = ("x", "y", "z", "depth")
#: What laws of a solution depend on: its concentration and its temperature.
LAW_VARIABLES = ("c", "T")


def _resolved_path(path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get("folder") or Path.cwd()
    return str((Path(folder) / path).absolute())


def _files_resolved(value: Any, info: ValidationInfo) -> Any:
    """A geometry with the paths of its files (images, drawings) made absolute."""
    if isinstance(value, Mapping):
        return {
            name: _resolved_path(part, info) if name == "file" and isinstance(part, str)
            else _files_resolved(part, info)
            for name, part in value.items()
        }
    return [_files_resolved(p, info) for p in value] if isinstance(value, list | tuple) else value


def without_files(value: Any) -> Any:
    """A geometry without the names of its files."""
    if isinstance(value, Mapping):
        return {name: without_files(part) for name, part in value.items() if name != "file"}
    return [without_files(p) for p in value] if isinstance(value, list) else value


def tables_read(value: Any, info: ValidationInfo) -> Any:
    """A user-defined material with its csv tables read in, so that it needs no other file.

    Raises:
        TableError: one cannot be read; it begins with the key.
    """
    folder = Path((info.context or {}).get("folder") or Path.cwd())
    if isinstance(value, Mapping):
        if isinstance(value.get("table"), str) and isinstance(value.get("of"), str):
            rest = {name: part for name, part in value.items() if name not in ("table", "of")}
            return as_profile(folder / value["table"], value["of"]) | rest
        found = {}
        for name, part in value.items():
            try:
                found[name] = tables_read(part, info)
            except TableError as error:
                raise TableError(f"{name}: {error}") from None
        return found
    return [tables_read(p, info) for p in value] if isinstance(value, list | tuple) else value


#: Largest voltage of a cell, V: who writes MV means mV.
HIGHEST = 1000.0

Time = Annotated[float, Quantity("s", gt=0)]
Temperature = Annotated[float, Quantity("K", ge=150, le=1500)]
Length = Annotated[float, Quantity("m", gt=0)]
Position = Annotated[float, Quantity("m")]
Coordinate = Annotated[tuple[Position, ...], Field(min_length=2, max_length=3)]
Potential = Annotated[float, Quantity("V", ge=-HIGHEST, le=HIGHEST)]
Concentration = Annotated[float, Quantity("mol/m^3", gt=0)]
AreaCharge = Annotated[float, Quantity("C/m^2", gt=0)]
Angle = Annotated[float, Quantity("rad", gt=0, lt=3.1416)]
Transfer = Annotated[float, Quantity("", gt=0, le=10)]
Small = Annotated[float, Quantity("", gt=0, lt=0.1)]
Count = Annotated[StrictInt, Field(ge=1, le=100_000)]

Current = Annotated[Property, PropertyOf("A/m^2", ("t",), gt=0, zero_in_curves=True)]
SignedCurrent = Annotated[Property, PropertyOf("A/m^2", (*PLACE_VARIABLES, "t"))]
Voltage = Annotated[Property, PropertyOf("V", ("t",), ge=-HIGHEST, le=HIGHEST)]
Conductivity = Annotated[Property, PropertyOf("S/m", (*PLACE_VARIABLES, "T"), ge=0)]
ConductivityOfC = Annotated[Property, PropertyOf("S/m", (*PLACE_VARIABLES, "c", "T"), ge=0)]
Diffusivity = Annotated[Property, PropertyOf("m^2/s", (*PLACE_VARIABLES, "c", "T"), gt=0)]
TransferenceOfC = Annotated[Property, PropertyOf("", (*PLACE_VARIABLES, "c", "T"))]
Porosity = Annotated[Property, PropertyOf("", PLACE_VARIABLES, gt=0, le=1)]
Tortuosity = Annotated[Property, PropertyOf("", PLACE_VARIABLES, ge=1)]
ExchangeCurrent = Annotated[Property, PropertyOf("A/m^2", (*PLACE_VARIABLES, "c", "T"), gt=0)]
Overpotential = Annotated[Property, PropertyOf("V", (*PLACE_VARIABLES, "T"), ge=0)]
Resistance = Annotated[Property, PropertyOf("ohm*m^2", (*PLACE_VARIABLES, "T"), ge=0)]
OpenCircuit = Annotated[Property, PropertyOf("V", ("state",))]
AreaResistance = Annotated[float, Quantity("ohm*m^2", gt=0)]
ConcentrationInSpace = Annotated[Property, PropertyOf("mol/m^3", PLACE_VARIABLES, gt=0)]
LengthInSpace = Annotated[Property, PropertyOf("m", PLACE_VARIABLES)]

Geometry = Annotated[dict[str, Any], AfterValidator(_files_resolved)]
PathText = Annotated[str, StringConstraints(min_length=1), AfterValidator(_resolved_path)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_\-]*$", max_length=60)]
Glob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_*?][A-Za-z0-9_\-*?]*$", max_length=60)]
Place = Annotated[  # a boundary, a region or glob, or two regions: host_top/electrolyte_top
    str,
    StringConstraints(
        pattern=r"^[A-Za-z_*?][A-Za-z0-9_\-*?]*(/[A-Za-z_][A-Za-z0-9_\-]*)?$", max_length=121
    ),
]
Text = Annotated[str, StringConstraints(max_length=20000)]
LibraryKind = Literal["metal", "solid", "electrolyte", "separator", "pair"]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Table(BaseModel):
    """Base of every table of a case: frozen, unknown names refused.

    Its validator is built when it first reads something: a case has few of all the tables.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True
    )


def as_list(value: Any) -> Any:
    """A single value as a list of one."""
    return value if isinstance(value, list | tuple) else [value]
