"""Hosts without a case: files that hold a [geometry], to be meshed and inspected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from fem.base.errors import CaseError
from fem.case.case import Case
from fem.case.files import apply_override, case_names, find_case, host_names, read_toml
from fem.case.geometry import geometry_parameters
from fem.case.reading import checked_sections
from fem.values.kinds import Geometry, Text

#: Row of the catalogue of published hosts -> the cases or hosts that have its geometries.
CATALOGUE = {
    "aligned_channels": (
        "aligned_channels_vertical", "aligned_channels_random", "aligned_channels_horizontal"),
    "trilayer_cg": ("trilayer_cg",),
    "four_layer_lno": ("four_layer_lno",),
    "cdg_sponge": ("cdg_sponge",),
    "sic_cloth": ("sic_cloth",),
    "gradient_pores": ("gradient_pores", "gradient_pores_powder"),
    "nanowire_li2o": ("nanowire_li2o_bare",),
    "hollow_fibres": ("hollow_fibres",),
    "multichannel_fibre": ("multichannel_fibre",),
    "wood_channels": ("wood_channels",),
    "mof_thickness": ("mof_thickness",),
    "lamella_pan_cnf": ("lamella_pan_cnf",),
    "lgh_as": ("lgh_as",),
    "dual_gradient_ni": ("dual_gradient_ni",),
    "pore_gradient_3layer": ("pore_gradient_3layer",),
    "yolk_shell": ("yolk_shell",),
    "nucleus_field": ("nucleus_field",),
    "hdfp_fibres": ("hdfp_fibres", "hdfp_fibres_3d"),
    "bto_scaffold": ("bto_scaffold",),
    "protrusion_sei": ("protrusion_sei",),
    "tip_coating_k": ("tip_coating_k",),
    "separator_seeds": ("separator_seeds",),
}


class Host(BaseModel):
    """A host and where it is from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Text = Field(description="one line for people")
    source: Text = Field("", description="publication the host follows")
    notes: Text = Field("", description="assumptions and their reasons")
    geometry: Geometry = Field(description="family and its parameters")

    @property
    def sized_geometry(self) -> dict[str, Any]:
        """Geometry that is meshed; without a study there is no size but the family's."""
        return self.geometry

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, folder: Path) -> Self:
        """Check the content of a file.

        Raises:
            CaseError: lists all problems.
        """
        sections, problems = checked_sections(cls, data, {"folder": folder})
        if not problems:
            geometry_parameters(sections["geometry"])
            return cls.model_validate(dict(data), context={"folder": folder})
        raise CaseError("\n".join(problems))


def published() -> dict[str, dict[str, Any]]:
    """The [geometry] of every host of the catalogue, by the name of its file."""
    names = [name for files in CATALOGUE.values() for name in files]
    return {name: load(name).sized_geometry or {} for name in names}


def load(path_or_name: str | Path, overrides: Iterable[str] = ()) -> Case | Host:
    """Read a case, or a file with nothing but a [geometry] and words about it.

    Args:
        path_or_name: a file, or a name of the catalogue.
        overrides: ``"path=value"`` each.

    Raises:
        CaseError: no such file or name, or all its problems.
    """
    path = find_case(path_or_name, host_names() | case_names())
    data = read_toml(path)
    if "geometry" not in data or not set(data) <= set(Host.model_fields):
        return Case.load(path, overrides)
    for assignment in overrides:
        apply_override(data, assignment)
    try:
        return Host.from_dict(data, folder=path.parent)
    except CaseError as error:
        raise CaseError(f"{path}:\n{error}") from None
