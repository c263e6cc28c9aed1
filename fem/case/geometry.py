"""The [geometry] of a case: its checked parameters, and sizes that the physics asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from fem.base.errors import CaseError, causes, nearest
from fem.case.reading import problem_lines
from fem.values.units import format_quantity, short

#: Sizes of a [geometry] that a growing metal sets where they are not given.
FRONT_SIZES = ("size", "size_wall", "size_surface")


def geometry_parameters(geometry: Mapping[str, Any]) -> Any:
    """The checked parameters of a [geometry] table, lengths in metres.

    Raises:
        CaseError: no such family, or its parameters are wrong; one line each.
    """
    problems, model = geometry_problems(geometry)
    if model is None:
        raise CaseError("\n".join(problems))
    return model


def sized(geometry: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    """A [geometry] table with the sizes that the physics asks for where it gives none.

    A growing metal needs h <= interface_width/2 wherever its front goes (`docs/growth.md`).

    Args:
        geometry: as in a case.
        sections: the case's other entries by field name.
    """
    from geometries.registry import FAMILIES, model

    growth, family = sections.get("growth"), str(geometry.get("family"))
    if sections.get("study") != "growth" or growth is None or family not in FAMILIES:
        return dict(geometry)
    fine, known = format_quantity(growth.interface_width / 2, "m"), model(family).model_fields
    return {name: fine for name in FRONT_SIZES if name in known} | dict(geometry)


def around_axis(sections: Mapping[str, Any]) -> bool:
    """The mesh of a case, drawn or read, is axisymmetric: x is a radius.

    Args:
        sections: of a case, by field name.
    """
    mesh, geometry = sections.get("mesh"), sections.get("geometry") or {}
    return geometry.get("axisymmetric") is True or getattr(mesh, "axisymmetric", False)


def layers_of(sections: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Region and thickness, m, of the layers of a planar cell from the collector upwards.

    None of any other geometry, or of one that is wrong.

    Args:
        sections: of a case, by field name.
    """
    geometry = sections.get("geometry")
    if geometry is None or geometry.get("family") != "planar":
        return []
    _, planar = geometry_problems(sized(geometry, sections))
    if planar is None or planar.protrusions:
        return []
    layers = [(layer.region, layer.thickness) for layer in planar.layers]
    return layers or [("electrolyte", planar.length)]


def geometry_problems(geometry: Mapping[str, Any]) -> tuple[list[str], Any]:
    """Problems of a [geometry] table, and its checked parameters (None if there are any)."""
    from geometries import registry

    known = registry.FAMILIES
    family = geometry.get("family")
    if family is None:
        return [f"geometry.family: missing; one of {', '.join(known)}"], None
    if not isinstance(family, str) or family not in known:
        hint = nearest(str(family), known)
        return [f"geometry.family: {short(family)}: no such family; {hint}"], None
    model = registry.model(family)
    try:
        given = {name: value for name, value in geometry.items() if name != "family"}
        return [], model.model_validate(given)
    except ValidationError as error:
        lines = []
        for item in causes(error):
            if item["loc"] or not item["msg"].startswith("Value error, "):
                lines += problem_lines("geometry", model, item)
            else:  # a check of the whole family, which names its places itself
                found = item["msg"].removeprefix("Value error, ").splitlines()
                lines += [f"geometry.{line.strip()}" for line in found]
        return lines, None
