"""Summary of a case in a page: the answer of `hostplate check`."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fem.case import depth, liquids
from fem.case import names as case_names
from fem.case.case import Case
from fem.case.coatings import Film
from fem.case.entries import used_materials
from fem.case.estimates import estimates
from fem.case.geometry import geometry_parameters
from fem.case.meshes import mesh_folder
from fem.case.probes import require_inside
from fem.case.protocol import Cycle, Hold, Pulse
from fem.case.tables import STUDIES
from fem.values.properties import Along, Constant, Property
from fem.values.units import rounded_quantity, shown_length, shown_quantity

#: Voltage above which it may be in another unit, V.
MOST_VOLTS = 10.0
#: Sand's time below which the current may be in another unit, s.
SHORTEST_SAND_TIME = 0.1


def summary(case: Case) -> str:
    """Title, physics, geometry, materials with the status of their numbers, protocol.

    A mesh of the user is read, and kept in the cache for the run.

    Raises:
        CaseError: a region of the mesh is not filled, the parts of a host have no place, or a
            user's mesh is not sound or not called as the case says.
    """
    case_names.require_filled(case)
    sidecar: dict[str, Any] = {}
    if case.mesh is not None:
        sidecar = json.loads((mesh_folder(case) / "mesh.json").read_text(encoding="utf-8"))
        case_names.require_matching(case, [*sidecar["regions"]], [*sidecar["boundaries"]])
        if case.probe:
            from geometries.files.writing import read

            require_inside(case, read(mesh_folder(case))[0].points)
    elif case.geometry is not None:
        from geometries.building import check_place

        check_place(case.geometry["family"], geometry_parameters(case.sized_geometry or {}))
    return "\n".join(_lines(case, sidecar))


def _lines(case: Case, sidecar: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a case; `sidecar` is that of a user's mesh, else empty."""
    from fem.materials import status_counts

    yield case.title
    brought = case.brought
    yield f"  study      {case.study}: {brought.doc if brought else STUDIES[case.study]}"
    yield (
        f"  cell       {case.metal} from {case.electrolyte} at "
        f"{rounded_quantity(case.temperature, 'K')}, counter electrode: {case.counter.kind}"
    )
    if case.mesh is not None:
        size = " x ".join(shown_length(length, 4) for length in sidecar["size"])
        yield f"  mesh       {case.mesh.file}, in {case.mesh.unit}"
        yield f"  mesh       {size}, {sidecar['cells']} cells"
        yield f"  mesh       regions {', '.join(sidecar['regions'])}"
        yield f"  mesh       boundaries {', '.join(sidecar['boundaries'])}"
    elif case.geometry is not None:
        dimension = getattr(geometry_parameters(case.sized_geometry or {}), "dimension", 2)
        yield f"  geometry   {case.geometry['family']}, {dimension}D"
    for glob, region in case.regions.items():
        fields = type(region).model_fields
        own = [name for name in fields if getattr(region, name) not in (None, False)]
        extra = [f"{name} {_shown(getattr(region, name))}" for name in own if name != "material"]
        filling = region.material or case.electrolyte
        yield f"  region     {', '.join([f'{glob}: {filling}', *extra])}"
    for coating in case.coatings:
        yield f"  coating    {_coating(coating, case)}"
    for physics in case.taking_part():
        if physics.solver is not None:  # others belong to their study
            yield f"  physics    {physics.name}: {physics.doc}"
    timed = case.study in ("tertiary", "growth")
    for k, step in enumerate(() if brought else case.protocol, 1):
        if isinstance(step, Cycle):
            yield f"  step {k}     cycle, {step.cycles} times:"
            for n, inner in enumerate(step.steps, 1):
                yield f"  step {k}.{n}   {_step(inner, timed)}"
        else:
            yield f"  step {k}     {_step(step, timed)}"
    counts = status_counts(*used_materials(case))
    shown = ", ".join(f"{number} {status}" for status, number in counts.items())
    yield f"  numbers    {shown} (library and user-defined materials; overridden ones included)"
    yield from _foretold(case)
    yield from (f"  note       {note}" for note in (*sidecar.get("remarks", ()), *notes(case)))
    if case.brought is None and any(_lacking(case)):
        yield "no problems found but for the kinetics noted, without which a run may be refused"
    elif case.mesh is None:
        yield "no problems found; all names match the mesh that will be built"
    else:
        yield "no problems found; all names match the mesh"


def _foretold(case: Case) -> Iterator[str]:
    """Numbers of the case before it runs, a line each."""
    declared = case.guests.registry.estimates
    for name, value in estimates(case).items():
        unit = declared[name].unit
        parts = value.items() if isinstance(value, dict) else [("", value)]
        shown = ", ".join(f"{part} {shown_quantity(v, unit)}".strip() for part, v in parts)
        yield f"  estimate   {name} {shown}: {declared[name].doc}"


def _coating(coating: Any, case: Case) -> str:
    """One coating: where, what, and what passes it at which resistance."""
    film = Film.of("", coating, case.fillings)
    ways = [f"{what} pass ({rounded_quantity(R, 'ohm*m^2', 3)})"
            for what, R in (("electrons", film.electrons), ("ions", film.ions)) if R is not None]
    thick = rounded_quantity(coating.thickness, "m")
    return f"{coating.on}: {thick} of {coating.material}, {' and '.join(ways) or 'nothing passes'}"


def _step(step: Any, timed: bool) -> str:
    """Line on a protocol step: its drive and, in a study in time, its end."""
    stops = [
        f"{word} {rounded_quantity(value, unit)}"
        for name, word, unit in (
            ("duration", "for", "s"),
            ("capacity", "up to", "C/m^2"),
            ("cutoff", "until the current density is", "A/m^2") if isinstance(step, Hold)
            else ("cutoff", "until the voltage is", "V"),
        )
        if (value := getattr(step, name, None)) is not None
    ]
    if isinstance(step, Pulse):
        on, off = (rounded_quantity(value, "s") for value in (step.on, step.off))
        density = rounded_quantity(step.current_density, "A/m^2")
        drive = f"{step.direction} {density}, {on} on and {off} off,"
        stops = [f"{step.cycles} times"] * (step.cycles is not None) + stops
    else:
        given = getattr(step, "current_density", getattr(step, "voltage", None))
        drive = _shown(given) if given is not None else ""
    return " ".join(part for part in (step.step, drive, " or ".join(stops) * timed) if part)


def notes(case: Case) -> Iterator[str]:
    """Remarks on what may surprise: no errors, or not to be known without the mesh."""
    from fem.materials import Electrolyte, material

    for table in case.guests.unread.tables:
        if getattr(case, table):
            yield f"{table}: unread; `hostplate check --hooks` executes the module that reads it"
    names = case_names.of_geometry(case)
    if names is not None:
        for name in names.perhaps:
            if not any(fnmatch.fnmatchcase(name, glob) for glob in case.regions):
                yield f"regions: if the mesh has {name!r}, no entry says what fills it"
        yield from _loose(case, names)
    if case.brought is not None:
        yield from _unused(case)
        return
    for physics in case.taking_part():
        yield from physics.notes(vars(case))
    yield from odd_units(case)
    yield from dead_walls(case)
    yield from _lacking(case)
    yield from assumed_zero(case)
    yield from depth.notes(vars(case))
    yield from liquids.notes(vars(case))
    used = [case.electrolyte, *(r.material for r in case.regions.values() if r.material)]
    for name in dict.fromkeys(used):
        salt = material(name, case.fillings, cation=case.metal)
        unsaid = name in case.materials and "cation" not in case.materials[name]
        if isinstance(salt, Electrolyte) and unsaid:
            yield (
                f"materials.{name}: taken as a salt of {case.metal} (z = {salt.z}) with an anion "
                f"of charge {salt.z_minus}; cation and z_minus say otherwise"
            )
    electrolyte = material(case.electrolyte, case.fillings, cation=case.metal)
    if isinstance(electrolyte, Electrolyte):
        yield from electrolyte.outside(electrolyte.c0, electrolyte.c0, case.temperature)
    if case.study not in ("tertiary", "growth"):
        stops = ("duration", "capacity", "cutoff")
        given = [name for name in stops if getattr(case.protocol[0], name, None) is not None]
        if given:
            yield f"a {case.study} study is one solve: {', '.join(given)} not used"


def odd_units(case: Case) -> Iterator[str]:
    """Numbers that no cell has, as those in another unit than was meant."""
    from geometries.meshing.thickness import THICKEST, doubt

    if case.sized_geometry is not None:
        corner = geometry_parameters(case.sized_geometry).box()
        if corner and corner[-1] > THICKEST:  # thin ones are meant, as with space charge
            yield f"geometry: {doubt(corner[-1])}"
    volts = {f"kinetics.{k}.eta_nuc": entry.eta_nuc for k, entry in enumerate(case.kinetics)}
    volts |= {f"protocol.{k}.{name}": getattr(step, name, None)
              for k, step in enumerate(case.protocol) for name in ("cutoff", "voltage")
              if not (isinstance(step, Hold) and name == "cutoff")}
    for place, given in volts.items():
        value = given.value if isinstance(given, Constant) else given
        if isinstance(value, float) and abs(value) > MOST_VOLTS:
            yield f"{place}: {rounded_quantity(value, 'V')}, which no cell has; is the unit right?"
    known = estimates(case).get("sand_time")
    if known is not None and known < SHORTEST_SAND_TIME:
        yield (f"protocol: the largest current empties the electrolyte within "
               f"{shown_quantity(known, 's', 2)} (Sand's time); is the unit of current_density "
               "right?")


def _unused(case: Case) -> Iterator[str]:
    """Entries that a study without a cell does not read."""
    default = type(case).model_fields
    given = [
        name for name in ("protocol", "boundaries", "counter", "initial", "time")
        if getattr(case, name) != default[name].get_default(call_default_factory=True)
    ]
    if given:
        yield f"a {case.study} study is one solve without a cell: {', '.join(given)} not used"


def _loose(case: Case, names: Any) -> Iterator[str]:
    """Conductors that touch nothing in the geometry, and that the case does not join either."""
    filled = {n for pair in names.loose for n in pair}
    entry = {n: r for n in filled for glob, r in case.regions.items()
             if fnmatch.fnmatchcase(n, glob)}
    for solid, pores in names.loose:
        joined = getattr(entry.get(solid), "connected", False)
        joined = joined or getattr(entry.get(pores), "bridge_sigma", None) is not None
        if not joined and case_names.conducts(solid, vars(case))[0] is not None:
            yield (
                f"{solid}: its bodies touch nothing in this geometry and float, so that no net "
                f"current reaches them; if they do touch, give contacts, regions.{solid}.connected "
                f"or regions.{pores}.bridge_sigma (docs/geometries.md says which)"
            )


def _lacking(case: Case) -> Iterator[str]:
    """Kinetics that nobody gives, of surfaces that only the mesh shows to react."""
    names = case_names.of_geometry(case)
    for name, surface in _met(case).items() if case.study != "primary" else ():
        if name == "collector" and names is not None and names.floor:
            continue  # an error where it reacts
        missing = None if surface is None else case_names.missing_pair(name, surface, vars(case))
        if missing:
            yield f"if {name} touches the electrolyte it needs kinetics: {missing}"


def dead_walls(case: Case) -> Iterator[str]:
    """Surfaces on which the case lets nothing plate."""
    for name, surface in _met(case).items():
        if surface is None:
            yield f"nothing plates on {name}: its coating stops electrons and ions"


def assumed_zero(case: Case) -> Iterator[str]:
    """Kinetic data that neither the case nor the library gives, and what their 0 means."""
    for name, surface in _met(case).items() if case.study != "primary" else ():
        if surface is None:
            continue
        own = [entry for entry in case.kinetics if fnmatch.fnmatchcase(name, entry.surface)]
        given = {key for e in own for key in type(e).model_fields if getattr(e, key) is not None}
        known = case.pair_data(surface, strict=False)
        if not (known.has("i0_ref") or given >= case_names.REQUIRED):
            continue  # an error if it reacts
        meaning = {}
        if "eta_nuc" not in given and not known.has("eta_nuc"):
            meaning["eta_nuc"] = "no nucleation barrier"
        if not known.has("Ea") and not any(e.i0 and "T" in e.i0.variables for e in own):
            meaning["the activation energy of i0"] = "the same i0 at every temperature"
        if meaning:
            yield (
                f"kinetics of {name} ({case.metal} on {surface}): {' and '.join(meaning)} "
                f"unknown, assumed 0: {', '.join(meaning.values())}"
            )


def _met(case: Case) -> dict[str, str | None]:
    """Collector and regions of the case that conduct electrons -> material that metal meets there.

    Coatings included; None where they stop everything. Regions are named as in the case, or one by
    one where coatings make a difference between them.
    """
    from fem.materials import Solid, material

    names, sections = case_names.of_geometry(case), vars(case)
    foil = case.collector.material or case.metal
    found = {"collector": case_names.surface_of("collector", foil, sections)}
    for glob, region in case.regions.items():
        filling = material(region.material or case.electrolyte, case.fillings)
        if not (isinstance(filling, Solid) and (region.sigma is not None or filling.sigma > 0.0)):
            continue
        fitting = [n for n in (names.all if names else ()) if fnmatch.fnmatchcase(n, glob)]
        met = {n: case_names.surface_of(n, filling.name, sections) for n in fitting or [glob]}
        found |= met if len({*met.values()}) > 1 else {glob: next(iter(met.values()))}
    return found


def _shown(value: Property | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Constant):
        return rounded_quantity(value.value, value.unit)
    if isinstance(value, Along):
        low, high = (rounded_quantity(end(value.curve.y), value.unit) for end in (min, max))
        return f"{low} to {high} along {value.along}"
    return f"{value.expression.text} {value.given_unit}".rstrip()
