"""[[nuclei]] of a case: where metal can appear on walls that it does not cover by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, StrictInt
from pydantic.functional_validators import BeforeValidator

from fem.case.geometry import around_axis
from fem.contract.physics import Place
from fem.values.kinds import PLACE_VARIABLES, Coordinate, Glob, Length, Table, as_list
from fem.values.properties import Property, PropertyOf
from fem.values.units import Quantity, shown_length

__all__ = ["MIN_WIDTHS", "Nuclei", "check", "places"]

#: Least radius of a nucleus in interface widths; the front of a smaller one is not resolved.
MIN_WIDTHS = 4


class Nuclei(Table):
    """Sites on nucleating walls where metal can appear; see `fem.physics.nuclei.nuclei`."""

    surface: Glob = Field(description="nucleating walls: region of the solid side, or 'collector'")
    at: Annotated[tuple[Coordinate, ...], Field(min_length=1)] | None = Field(
        None, description="places; each stands for the nearest wall node"
    )
    density: Annotated[float, Quantity("1/m^2", gt=0)] | None = Field(
        None,
        description="places drawn at random, per wall area; in a 2D cut those whose nuclei the "
        "plane cuts, density times 2 radius per wall length",
    )
    rate: Annotated[float, Quantity("1/m^2/s", gt=0)] | None = Field(
        None,
        description="J_0 of nuclei that form at random, J_0 exp(-barrier/(k_B T)) per wall area "
        "(2D: as density); no theory gives it, so say where it is from",
    )
    threshold: Annotated[
        tuple[Annotated[float, Quantity("V", ge=0)], ...],
        BeforeValidator(as_list),
        Field(min_length=1),
    ] | None = Field(
        None,
        description="a place nucleates at an overpotential below minus this; one value, or one "
        "for each place; '0 V': from the start",
    )
    spread: Annotated[float, Quantity("V", ge=0)] = Field(
        0.0, description="standard deviation of thresholds (normal distribution, cut off at 0)"
    )
    seed: Annotated[StrictInt, Field(ge=0)] = Field(
        0, description="seed of all random draws, the same on any number of ranks"
    )
    p_site: Annotated[Property, PropertyOf("", PLACE_VARIABLES, ge=0, le=1)] | None = Field(
        None, description="factor of density or rate from place to place"
    )
    radius: Length | None = Field(
        None, description="radius of the inserted cap; default (and least) 4 interface widths"
    )
    surface_energy: Annotated[float, Quantity("J/m^2", gt=0, le=10)] | None = Field(
        None, description="with rate: of the critical nucleus; default that of the metal"
    )


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Entries that contradict themselves, the walls, or the width of the front."""
    entries = sections.get("nuclei", ())
    if sections.get("study") not in ("growth", None):
        return
    walls = any(e.wall == "nucleating" for e in sections.get("kinetics", ()))
    for k, entry in enumerate(entries):
        path = f"nuclei.{k}"
        if "kinetics" in sections and not walls:
            yield (
                f"{path}.surface: {entry.surface!r}: no [[kinetics]] entry says wall = "
                "'nucleating'; metal covers other walls without nuclei"
            )
        yield from _sites(path, entry)
        for kind in ("density", "rate"):
            if getattr(entry, kind) is not None and around_axis(sections):
                yield (
                    f"{path}.{kind}: counts caps, and in an axisymmetric cell a nucleus off the "
                    "axis is a ring; give `at`, as a place on the axis, or take 2D or 3D"
                )
        growth = sections.get("growth")
        if growth is not None and entry.radius is not None:
            least = MIN_WIDTHS * growth.interface_width
            if entry.radius < least * (1 - 1e-9):
                yield (
                    f"{path}.radius: {shown_length(entry.radius)}: below {MIN_WIDTHS} "
                    f"interface widths, {shown_length(least)}; raise it or lower "
                    "growth.interface_width"
                )


def _sites(path: str, entry: Any) -> Iterator[str]:
    """Check the sites of a [[nuclei]] entry; refuse what it would ignore."""
    kinds = [kind for kind in ("at", "density", "rate") if getattr(entry, kind) is not None]
    if len(kinds) != 1:
        got = " and ".join(kinds) or "none"
        yield f"{path}: needs exactly one of at, density, rate; got {got}"
        return
    (kind,) = kinds
    count = len(entry.threshold or ())
    if kind == "rate":
        for name in ("threshold", "spread"):
            if getattr(entry, name):
                yield f"{path}.{name}: nuclei that form at a rate have no {name}; leave it out"
    elif not count:
        yield f"{path}.threshold: missing; '0 V' for metal that starts to grow at once"
    elif kind == "density" and count > 1:
        yield f"{path}.threshold: {count} values; give one, and spread"
    elif kind == "at" and count not in (1, len(entry.at)):
        yield (
            f"{path}.threshold: {count} values for {len(entry.at)} places; give one for each, or "
            "one for all"
        )
    if kind == "at" and entry.p_site is not None:
        yield f"{path}.p_site: the places are given; leave it out"
    if kind != "rate" and entry.surface_energy is not None:
        yield f"{path}.surface_energy: only for the barrier of a rate; leave it out"


def places(sections: Mapping[str, Any]) -> Iterator[Place]:
    """The walls that entries name."""
    for k, entry in enumerate(sections.get("nuclei", ())):
        yield Place(f"nuclei.{k}.surface", entry.surface, "surface")
