"""The checks of a case: all problems in one go, one line each: ``path: value: reason; way out``."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError, nearest
from fem.case import chemistry, depth, probes
from fem.case import names as case_names
from fem.case.geometry import geometry_problems, sized
from fem.case.guests import Guests, entries
from fem.case.reading import not_toml
from fem.values.properties import Along, Formula, Property, number, varies
from fem.values.units import short

ELECTRODES = ("collector", "counter")
#: Studies without time.
ONE_SOLVE = ("primary", "secondary", "steady")
#: Most pulses of a step; a larger number must be a mistake.
MAX_PULSES = 100_000


# ------------------------------------------------------------------------ tables against another


def cross_checks(
    sections: Mapping[str, Any], guests: Guests, given: Mapping[str, Any] | None = None
) -> list[str]:
    """Problems between entries; entries that are invalid by themselves are absent and skipped.

    Args:
        sections: of the case, by field name.
        guests: the physics that it knows.
        given: a case that has problems already, as it is written: so names in entries that are
            absent are checked, too, and regions that nothing fills are named beside what is wrong.
    """
    geometry, made, corner = sections.get("geometry"), None, None
    wrong: list[str] = []
    if geometry is not None:
        wrong, model = geometry_problems(sized(geometry, sections))
        made, corner = (None, None) if model is None else (model.names(), model.box())
    cell = sections.get("study") not in guests.registry.studies  # else what drives it is unused
    checks = (
        _geometry, functools.partial(_names, guests=guests, given=given), _regions,
        *((_protocol, _counter, _holding, _never_bare) if cell else ()), _boundaries, _initial,
        _time,
        functools.partial(
            probes.problems, fields=guests.fields(sections), unsure=guests.unsure(sections)
        ), _hooks,
        chemistry.problems, depth.problems, guests.registry.problems,
    )
    found = [problem for check in checks for problem in check(sections)]
    regions = None
    if made is not None and sections.get("mesh") is None:
        regions = made.all
        named = sections if given is None else case_names.as_named(sections, given)
        found += case_names.problems(
            named, regions, made.boundaries, guests.registry.places(sections)
        )
        if wrong or found or given is not None:  # a case that is else sound may be read
            found += case_names.unfilled(made.regions, named.get("regions", {}))
        if not any(name.startswith("host") for name in regions):
            found += _depths(sections)
        if corner is not None:
            found += probes.outside(sections, [0.0] * len(corner), corner)
    found += case_names.coating_problems(sections, regions)
    if cell:
        found += case_names.electrode_problems(sections, made)
        found += case_names.dead_problems(sections, made)
    return wrong + found


def _geometry(sections: Mapping[str, Any]) -> Iterator[str]:
    if not {"geometry", "mesh"} <= sections.keys():
        return
    geometry, mesh = sections["geometry"], sections["mesh"]
    if geometry is None and mesh is None:
        yield "geometry: missing; give [geometry] with a family, or [mesh] with a file"
    if geometry is not None and mesh is not None:
        yield "mesh: given together with [geometry]; keep one of them"
    if geometry is not None:
        yield from not_toml("geometry", geometry)
    if mesh is not None:
        missing = [*_missing_file("mesh.file", Path(mesh.file))]
        yield from missing or _no_mesh("mesh.file", Path(mesh.file))
        if mesh.sha256 is not None and not missing:
            from geometries.files.conversion import file_digest

            yield from _changed_file("mesh", mesh.file, mesh.sha256, file_digest(Path(mesh.file)))


def _names(
    sections: Mapping[str, Any], guests: Guests, given: Mapping[str, Any] | None
) -> Iterator[str]:
    from fem.materials import names, parse_material

    own: dict[str, Mapping[str, Any]] = dict(sections.get("materials", {}))
    for name, table in own.items():
        unwritable = [*not_toml(f"materials.{name}", table)]
        yield from unwritable
        try:
            parse_material(table, f"materials.{name}")
        except CaseError as error:
            yield from () if unwritable else str(error).splitlines()
    if "materials" not in sections and given is not None:  # a wrong one has a name all the same
        own = _kinds(given["materials"])
    carried = sections.get("library", {})
    yield from _carried(carried, guests)
    for kind in ("solid", "electrolyte", "separator"):
        own |= {name: {"kind": kind} for name in carried.get(kind, {}) if name not in own}
    solids = [*names("solid"), *_of_kind(own, "solid")]
    electrolytes = [*names("electrolyte"), *_of_kind(own, "electrolyte")]
    fillings = [*solids, *electrolytes, *names("separator"), *_of_kind(own, "separator")]
    asked = [
        ("metal", sections.get("metal"), [*names("metal"), *carried.get("metal", {})]),
        ("electrolyte", sections.get("electrolyte"), electrolytes),
    ]
    for glob, region in sections.get("regions", {}).items():
        asked.append((f"regions.{glob}.material", region.material, fillings))
    if "collector" in sections:
        asked.append(("collector.material", sections["collector"].material, solids))
    for k, coating in enumerate(sections.get("coatings", ())):
        asked.append((f"coatings.{k}.material", coating.material, solids))
    for path, wanted, known in asked:
        if wanted is not None and wanted not in known:
            yield f"{path}: {wanted!r}: not known; {nearest(wanted, known)}"


def _carried(library: Mapping[str, Mapping[str, Any]], guests: Guests) -> Iterator[str]:
    """Problems of the numbers that a run wrote into its case."""
    from fem.materials import recorded

    own = guests.registry.tables()
    for kind, tables in library.items():
        for name, table in tables.items():
            unwritable = [*not_toml(f"library.{kind}.{name}", table)]
            yield from unwritable
            try:
                if kind in own:
                    entries(own[kind], {kind: {name: table}})
                else:
                    recorded.read(kind, name, table)
            except (CaseError, TypeError, ValueError) as error:
                yield from () if unwritable else str(error).splitlines()


def _kinds(materials: Any) -> dict[str, Mapping[str, Any]]:
    """Kinds of materials as they are written, by name; those that are no tables are left out."""
    tables = materials.items() if isinstance(materials, Mapping) else ()
    return {n: {"kind": t.get("kind")} for n, t in tables if isinstance(t, Mapping)}


def _of_kind(own: Mapping[str, Mapping[str, Any]], kind: str) -> list[str]:
    return [name for name, table in own.items() if table.get("kind") == kind]


def _regions(sections: Mapping[str, Any]) -> Iterator[str]:
    for glob, region in sections.get("regions", {}).items():
        electrolyte = glob.startswith("electrolyte")
        if region.bridge_sigma is not None and not electrolyte:
            yield (
                f"regions.{glob}.bridge_sigma: only for electrolyte regions (the pores of a mat); "
                "a solid has sigma"
            )
        if region.kappa_along is not None:
            yield from _crystal(f"regions.{glob}.kappa_along", region)
        if region.material is None and not electrolyte:
            yield f"regions.{glob}.material: missing; say what fills the region"


def _crystal(path: str, region: Any) -> Iterator[str]:
    """Problems of a conductivity that depends on the direction."""
    if not all(0.0 < factor < math.inf for factor in region.kappa_along):
        yield f"{path}: {short(region.kappa_along)}: must be above 0, all of them"
    if region.porosity is not None or region.t_plus is not None:
        yield f"{path}: only for solids that conduct ions; pores have a tortuosity"


def _protocol(sections: Mapping[str, Any]) -> Iterator[str]:
    study, steps = sections.get("study"), sections.get("protocol")
    if steps is None:
        return
    if not steps:
        yield "protocol: missing; steps, one after the other"
        return
    if study in ONE_SOLVE:
        if len(steps) != 1:
            yield f"protocol: a {study} study is one solve and takes one step, not {len(steps)}"
        elif steps[0].step not in ("plate", "strip", "hold"):
            name = steps[0].step
            yield f"protocol.0.step: {name!r}: a {study} study needs plate, strip or hold"
        else:
            yield from _still("protocol.0", steps[0], study)
    tolerance = getattr(sections.get("time"), "tolerance", 1e-3)
    for k, step in enumerate(steps):
        if step.step == "cycle":
            for n, inner in enumerate(step.steps):
                yield from _step(f"protocol.{k}.steps.{n}", inner, sections, step.cycles)
                yield from _drives(f"protocol.{k}.steps.{n}", inner, tolerance)
        else:
            yield from _step(f"protocol.{k}", step, sections)
            yield from _drives(f"protocol.{k}", step, tolerance)


def _still(path: str, given: Any, study: str) -> Iterator[str]:
    """Refuse what follows time where there is none: it would be taken at t = 0 without a word."""
    for name in type(given).model_fields:
        value: Any = getattr(given, name)
        if "t" in getattr(value, "variables", ()):
            yield (
                f"{path}.{name}: {short(value.written())}: depends on t, and a {study} study is "
                'one solve; give one number, or study = "tertiary"'
            )


def _step(
    path: str, step: Any, sections: Mapping[str, Any], rounds: int = 1
) -> Iterator[str]:
    """Problems of one protocol step, which a cycle repeats."""
    pulsed, study = step.step == "pulse", sections.get("study")
    ends = ("cycles", "capacity") if pulsed else ("duration", "capacity", "cutoff")
    if study in ("tertiary", "growth") and all(getattr(step, end, None) is None for end in ends):
        known = [end for end in ends if end in type(step).model_fields]
        yield f"{path}: {step.step}: never ends; give {', '.join(known[:-1])} or {known[-1]}"
    elif pulsed and (count := rounds * step.pulses) > MAX_PULSES:
        yield f"{path}: pulse: {count} pulses; at most {MAX_PULSES}: give longer ones"
    if step.step == "hold":
        return  # its cut-off is a current
    cutoff, way = getattr(step, "cutoff", None), step.direction if pulsed else step.step
    # A [counter] with a fault of its own is not among the sections: nobody knows its voltage.
    at_rest = "counter" not in sections or getattr(sections["counter"], "kind", "") == "cathode"
    if cutoff is not None and not at_rest and not (-cutoff if way == "plate" else cutoff) > 0.0:
        sense, where = "below" if way == "plate" else "above", ""
        if pulsed:
            where = f" where direction = {way!r}"
        yield f"{path}.cutoff: {cutoff:g} V: must be {sense} 0 V{where}"


def _drives(path: str, step: Any, tolerance: float) -> Iterator[str]:
    """Problems of what a step gives as a table or a formula of time."""
    from fem.case.drive import drive

    for name in ("current_density", "voltage"):
        given: Property | float | None = getattr(step, name, None)
        if not isinstance(given, Along | Formula):
            continue
        try:
            if isinstance(given, Along):
                given.curve.require(0.0, step.duration or given.curve.x[-1])
            end = math.inf if step.duration is None else step.duration
            driven = drive(given, end, tolerance, current=name == "current_density")
            if driven is not None:
                driven.cover(min(end, 1.0))
                goal = getattr(step, "capacity", None)
                endless = math.isinf(end) and getattr(step, "cutoff", None) is None
                if not (driven.current and endless and goal) or isinstance(given, Along):
                    continue
                if (most := driven.total(goal)) < goal:
                    yield (
                        f"{path}.capacity: {goal:g} C/m^2: never reached: the current given comes "
                        f"to {most:.6g} C/m^2 in 300 years; give a smaller one, or a duration"
                    )
        except CaseError as error:
            yield f"{path}.{name}: {error}"


def _boundaries(sections: Mapping[str, Any]) -> Iterator[str]:
    for name, condition in sections.get("boundaries", {}).items():
        path = f"boundaries.{name}"
        if sections.get("study") in ONE_SOLVE:
            yield from _still(path, condition, sections["study"])
        given = [key for key in type(condition).model_fields if getattr(condition, key)]
        if not given:
            yield f"{path}: empty; leave it out for insulation"
        if name in ELECTRODES and given not in ([], ["contact_resistance"]):
            home = "[[protocol]]" if name == "collector" else "[counter]"
            yield (
                f"{path}: electrodes are driven by {home}; only contact_resistance may be given "
                "here"
            )


def _counter(sections: Mapping[str, Any]) -> Iterator[str]:
    """Refuse settings that the counter electrode would ignore."""
    kind = getattr(sections.get("counter"), "kind", "metal")
    contact = getattr(sections.get("boundaries", {}).get("counter"), "contact_resistance", None)
    metal = kind in ("metal", "foil")
    if contact is not None and (not metal or sections.get("study") == "primary"):
        who, way_out = (
            (f"one of kind {kind!r}", 'give counter.kind = "metal"') if not metal else
            ("a primary study", 'give study = "secondary"')
        )  # fmt: skip
        way_out = "add it to counter.resistance" if kind == "cathode" else way_out
        yield (
            f"boundaries.counter.contact_resistance: {short(contact.written())}: is in series "
            f"with the reaction of the counter electrode, and {who} has none; leave it out or "
            f"{way_out}"
        )
    for k, entry in enumerate(sections.get("kinetics", ())):
        if not metal and entry.surface == "counter":
            yield (
                f"kinetics.{k}.surface: 'counter': nothing reacts at a counter electrode of kind "
                f'{kind!r}; leave the entry out or give counter.kind = "metal"'
            )
    for k, coating in enumerate(sections.get("coatings", ())):
        if coating.on == "counter":
            yield (
                f"coatings.{k}.on: 'counter': the counter electrode takes no coating; give "
                "boundaries.counter.contact_resistance, its thickness over its kappa"
            )


def _never_bare(sections: Mapping[str, Any]) -> Iterator[str]:
    """Barriers of nucleation on surfaces of the metal itself, which would act nowhere."""
    metal, regions = sections.get("metal"), sections.get("regions", {})
    plated = {"collector": getattr(sections.get("collector"), "material", None) or metal,
              "counter": metal} | {name: r.material for name, r in regions.items()}
    covered = [coating.on for coating in sections.get("coatings", ())]
    for k, entry in enumerate(sections.get("kinetics", ())):
        name, value = entry.surface, entry.eta_nuc
        meant = [n for n in plated if fnmatchcase(n, name) or fnmatchcase(name, n)]
        bare = any(fnmatchcase(n, on) for n in (name, *meant) for on in covered)
        if bare or {plated[n] for n in meant} != {metal}:
            continue
        if value is not None and (varies(value) or number(value) > 0.0):
            way = {"collector": "give [collector] material, such as 'Cu', or ", "counter": ""}
            yield (
                f"kinetics.{k}.eta_nuc: {short(value.written())}: {name!r} is {metal}, which needs "
                f"no nuclei to plate on itself; {way.get(name, 'give another material, or ')}leave "
                "it out"
            )


#: Keys of [counter] by the kind that they belong to.
COUNTER_KEYS = {"foil": ("thickness",), "cathode": ("capacity", "ocv", "resistance", "state")}


def _holding(sections: Mapping[str, Any]) -> Iterator[str]:
    """Problems of a counter electrode that holds so much metal and no more."""
    counter, study = sections.get("counter"), sections.get("study")
    if counter is None:
        return
    own = COUNTER_KEYS.get(counter.kind, ())
    for kind, names in COUNTER_KEYS.items():
        for name in names if kind != counter.kind else ():
            default = type(counter).model_fields[name].default
            if getattr(counter, name) != default:
                yield (
                    f"counter.{name}: belongs to kind = {kind!r}, and this is {counter.kind!r}; "
                    "leave it out"
                )
    if own and study in ONE_SOLVE:
        yield (
            f"counter.kind: {counter.kind!r}: a {study} study has no time in which metal is used "
            'up; give kind = "metal", or study = "tertiary"'
        )
    for name in own:
        if getattr(counter, name) is None:
            what = type(counter).model_fields[name].description
            yield f"counter.{name}: missing; {what}"
    if counter.kind == "cathode" and counter.ocv is not None:
        yield from _ocv(counter.ocv)


def _ocv(ocv: Property) -> Iterator[str]:
    """The open-circuit voltage of a cathode falls as it takes up metal, and is known throughout."""
    if not isinstance(ocv, Along):
        yield (
            f"counter.ocv: {short(ocv.written())}: must be a table over state, the share of the "
            'capacity that is held: { along = "state", at, values } or { table, of }'
        )
        return
    x, y = ocv.curve.x, ocv.curve.y
    rise = next((k for k in range(1, len(y)) if y[k] > y[k - 1]), None)
    if rise is not None:
        yield (
            f"counter.ocv: rises from {y[rise - 1]:g} V to {y[rise]:g} V between state = "
            f"{x[rise - 1]:g} and {x[rise]:g}; it falls, or stays, as a cathode takes up metal"
        )
    if x[0] > 0.0 or x[-1] < 1.0:
        yield (
            f"counter.ocv: covers state = {x[0]:g} to {x[-1]:g}; give it from 0 to 1, and the "
            "capacity that belongs to this range"
        )


def _depths(sections: Mapping[str, Any]) -> Iterator[str]:
    """Properties of a mesh without a host that depend on the depth in it."""
    tables = {f"regions.{name}": table for name, table in sections.get("regions", {}).items()}
    tables |= {f"kinetics.{k}": table for k, table in enumerate(sections.get("kinetics", ()))}
    for place, table in tables.items():
        for key in type(table).model_fields:
            if "depth" in getattr(getattr(table, key), "variables", ()):
                yield f"{place}.{key}: depends on depth, which does not exist; the mesh has no host"


def _initial(sections: Mapping[str, Any]) -> Iterator[str]:
    initial, study = sections.get("initial"), sections.get("study")
    if initial is not None and initial.c is not None and initial.c.variables and study in (
        "primary", "secondary"
    ):
        yield (
            f"initial.c: varies in space, and a {study} study has one concentration everywhere; "
            'give one number, or study = "tertiary"'
        )
    if initial is None or initial.from_ is None:
        return
    for name in (n for n in type(initial).model_fields if n not in ("from_", "metal_layer")):
        if getattr(initial, name) is not None:
            yield (
                f"initial.{name}: the result named in initial.from already contains it; keep one "
                "of them"
            )
    if not Path(initial.from_).is_dir():
        yield f"initial.from: {initial.from_!r}: no such folder"


def _time(sections: Mapping[str, Any]) -> Iterator[str]:
    time = sections.get("time")
    if time is None:
        return
    if time.dt_min > time.dt0:
        yield f"time.dt_min: {time.dt_min:g} s is above dt0 = {time.dt0:g} s; lower it"
    if time.dt_max is not None and time.dt_max < time.dt0:
        yield f"time.dt_max: {time.dt_max:g} s is below dt0 = {time.dt0:g} s; raise it"


def _hooks(sections: Mapping[str, Any]) -> Iterator[str]:
    from fem.case.hooks import known_laws, unusable

    if not {"hooks", "kinetics"} <= sections.keys():
        return
    hooks = sections["hooks"]
    if hooks is not None and not Path(hooks.module).is_file():
        yield f"hooks.module: {hooks.module!r}: no such file"
        return
    if hooks is not None and hooks.sha256 is not None:
        found = hashlib.sha256(Path(hooks.module).read_bytes()).hexdigest()
        yield from _changed_file("hooks", hooks.module, hooks.sha256, found)
    try:
        known = known_laws(hooks.module if hooks else None)
        lost = unusable(hooks.module) if hooks else ""
    except CaseError as error:
        yield str(error)
        return
    if lost:
        yield lost
    for k, entry in enumerate(sections["kinetics"]):
        if entry.law is not None and entry.law not in known:
            yield f"kinetics.{k}.law: {entry.law!r}: no such law; {nearest(entry.law, known)}"


# -------------------------------------------------------------------------------------- helpers


def _missing_file(path: str, file: Path) -> Iterator[str]:
    try:
        if file.is_file():
            return
        from geometries.files.conversion import FORMATS

        near = [p.name for p in file.parent.iterdir() if p.suffix.lower() in FORMATS]
    except (OSError, ValueError):
        near = []
    hint = f"; {nearest(file.name, near)}" if near else ""
    yield f"{path}: {short(str(file))}: no such file{hint}"


def _changed_file(table: str, file: str, written: str, found: str) -> Iterator[str]:
    if found != written:
        yield (
            f"{table}.sha256: {file} is not the file that this case was run with (SHA-256 "
            f"{written[:12]}..., now {found[:12]}...); put the old file back, or delete sha256 to "
            "take the new one"
        )


def _no_mesh(path: str, file: Path) -> Iterator[str]:
    from geometries.files.conversion import FORMATS

    if file.suffix.lower() not in FORMATS:
        yield f"{path}: {file.name!r}: no format of this ending is read; save {', '.join(FORMATS)}"
