"""What a case will do, in a page: the answer of `hostplate check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fem.case import STUDIES, Along, Case, Constant, Property
from fem.case_checks import geometry_parameters
from fem.errors import CaseError
from fem.units import format_quantity

if TYPE_CHECKING:
    from fem.materials import Material


def summary(case: Case) -> str:
    """Title, physics, geometry, materials with the status of their numbers, protocol."""
    return "\n".join(_lines(case))


def used_materials(case: Case) -> list[Material]:
    """Every entry the case takes numbers from: metal, electrolyte, fillings, coatings, pairs.

    Pairs without data are left out: whether they are needed depends on the mesh.
    """
    from fem.materials import Solid, material, metal, pair

    fillings = [case.electrolyte]
    fillings += [region.material for region in case.regions.values() if region.material]
    fillings += [case.collector.material] if case.collector.material else []
    fillings += [coating.material for coating in case.coatings]
    found: list[Material] = [metal(case.metal)]
    found += [material(name, case.materials) for name in dict.fromkeys(fillings)]
    surfaces = [m.name for m in found if isinstance(m, Solid) and m.sigma > 0.0]
    for surface in dict.fromkeys([case.metal, *surfaces]):
        try:
            found.append(pair(case.metal, surface, case.electrolyte))
        except CaseError:
            continue
    return found


def _lines(case: Case) -> Iterator[str]:
    from fem.materials import status_counts

    yield case.title
    yield f"  study      {case.study}: {STUDIES[case.study]}"
    yield (
        f"  cell       {case.metal} from {case.electrolyte} at "
        f"{format_quantity(case.temperature, 'K')}, counter electrode: {case.counter.kind}"
    )
    if case.mesh is not None:
        yield f"  mesh       {case.mesh.file}, in {case.mesh.unit}"
    elif case.geometry is not None:
        dimension = getattr(geometry_parameters(case.geometry), "dimension", 2)
        yield f"  geometry   {case.geometry['family']}, {dimension}D"
    for glob, region in case.regions.items():
        own = [name for name in type(region).model_fields if getattr(region, name) is not None]
        extra = [f"{name} {_shown(getattr(region, name))}" for name in own if name != "material"]
        yield f"  region     {', '.join([f'{glob}: {region.material or case.electrolyte}', *extra])}"
    for k, step in enumerate(case.protocol, 1):
        drive: Property | None = getattr(step, "current_density", getattr(step, "voltage", None))
        stops = [
            f"{word} {format_quantity(value, unit)}"
            for name, word, unit in (
                ("duration", "for", "s"),
                ("capacity", "up to", "C/m^2"),
                ("cutoff", "until the voltage is", "V"),
            )
            if (value := getattr(step, name, None)) is not None
        ]
        until = " or ".join(stops) if case.study == "tertiary" else ""
        parts = [step.step, _shown(drive) if drive is not None else "", until]
        yield f"  step {k}     {' '.join(part for part in parts if part)}"
    counts = status_counts(*used_materials(case))
    told = ", ".join(f"{number} {status}" for status, number in counts.items())
    yield f"  numbers    {told} (what [[kinetics]] and [regions] override counts no more)"
    yield "no problem found; whether names match the mesh is seen when it is read"


def _shown(value: Property) -> str:
    if isinstance(value, Constant):
        return format_quantity(value.value, value.unit)
    if isinstance(value, Along):
        low, high = min(value.curve.y), max(value.curve.y)
        unit = value.unit
        return f"{format_quantity(low, unit)} to {format_quantity(high, unit)} along {value.along}"
    return f"{value.expression.text} {value.given_unit}".rstrip()
