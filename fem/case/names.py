"""Names in a case against those of its mesh: regions, surfaces, boundaries; and what reacts there.

A family of geometries says what its mesh will be called before it is built (`names()` of its
parameters), so `hostplate check` compares without a mesh; a user's mesh is read.
A name that is not there is an error, and so is a pattern (`host_*`) that fits nothing: its entry
would do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fem.base.errors import CaseError, nearest
from fem.case.coatings import Film, films_on, meeting, no_electrons, nothing_reacts
from fem.contract.physics import Place

if TYPE_CHECKING:
    from geometries.meshing.parameters import Names

__all__ = [
    "REQUIRED", "as_named", "coating_problems", "conducts", "dead_problems", "electrode_problems",
    "material_of", "missing_pair", "of_geometry", "of_sections", "problems", "require_filled",
    "require_matching", "surface_of", "unfilled", "unmatched",
]

#: Surfaces besides regions that [[kinetics]] may name: the electrodes, and metal on itself.
OTHER_SURFACES = ("collector", "counter", "metal")
#: Lists of the case whose entries name regions, and the keys that do.
_NAMING = {"kinetics": ("surface",), "coatings": ("on",), "probe": ("surface", "volume")}
#: Kinetic numbers that make a pair of the library unnecessary.
REQUIRED = frozenset({"i0", "alpha_a", "alpha_c"})


def of_geometry(case: Any) -> Names | None:
    """Names that the family of a case gives its mesh; None for a user's mesh."""
    from fem.case.geometry import geometry_parameters

    if case.geometry is None:
        return None
    found: Any = geometry_parameters(case.sized_geometry or {})
    names: Names = found.names()
    return names


def of_sections(sections: Mapping[str, Any]) -> Names | None:
    """Names that the family of a case gives its mesh; None for a user's mesh, or a wrong geometry.

    Args:
        sections: of the case, by field name.
    """
    from fem.case.geometry import geometry_problems, sized

    geometry = sections.get("geometry")
    model = None if geometry is None else geometry_problems(sized(geometry, sections))[1]
    found: Names | None = None if model is None else model.names()
    return found


# ------------------------------------------------------------------------------------------ names


def _close(name: str, known: Iterable[str]) -> str:
    """The names nearest to a name, or to a pattern: patterns of the first words of names, too."""
    known = {*known}
    if "*" in name or "?" in name:
        known |= {f"{n.split('_')[0]}_*" for n in known if "_" in n}
    return nearest(name, known)


def _entries(sections: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Entries that name regions: (place, name or pattern, further surfaces that it may name)."""
    for glob in sections.get("regions", {}):
        yield f"regions.{glob}", glob, ()
    for k, entry in enumerate(sections.get("kinetics", ())):
        if entry.surface is not None:
            yield f"kinetics.{k}.surface", entry.surface, OTHER_SURFACES
    for k, coating in enumerate(sections.get("coatings", ())):
        if coating.on not in (None, "counter"):  # reported by another check
            yield f"coatings.{k}.on", coating.on, OTHER_SURFACES[:1]


def as_named(sections: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Tables that name regions, as far as they do: a fault elsewhere in one hides no wrong name.

    Args:
        sections: of the case, by field name; invalid ones are absent.
        given: the case as it is written.
    """
    tables: dict[str, Any] = {}
    if isinstance(regions := given.get("regions"), Mapping):
        tables["regions"] = dict.fromkeys(map(str, regions))
    for table, keys in _NAMING.items():
        entries = given.get(table)
        tables[table] = [
            SimpleNamespace(**{k: v if isinstance(v := entry.get(k), str) else None for k in keys})
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, Mapping)
        ]
    return tables | dict(sections)


def unmatched(
    sections: Mapping[str, Any], regions: Iterable[str], places: Iterable[Place] = ()
) -> Iterator[str]:
    """Entries that fit nothing, which is no error: parts that a family need not have made.

    Args:
        sections: of the case, by field name.
        regions: of the mesh.
        places: what tables of physics name besides.
    """
    own = [(p.path, p.name, ()) for p in places if p.kind == "region"]
    for place, name, extra in (*_entries(sections), *own):
        if not any(fnmatchcase(known, name) for known in (*regions, *extra)):
            named = "" if place.startswith("regions.") else f": {name!r}"
            yield f"{place}{named}: matches nothing in this mesh; {_close(name, regions)}"


def problems(
    sections: Mapping[str, Any], regions: Sequence[str], boundaries: Sequence[str],
    places: Iterable[Place] = (),
) -> Iterator[str]:
    """Names that the mesh does not have.

    Args:
        sections: of the case, by field name; invalid ones are absent.
        regions: all that the mesh may have.
        boundaries: all that it has.
        places: what tables of physics name besides.
    """
    known = {*regions}
    for place, name, extra in _entries(sections):
        if not any(fnmatchcase(n, name) for n in (*known, *extra)):
            if place.startswith("regions."):
                yield f"{place}: the mesh has no such region; {_close(name, known)}"
            else:
                solid = [n for n in known if not n.startswith(("electrolyte", "separator"))]
                yield f"{place}: {name!r}: matches no surface; {_close(name, [*solid, *extra])}"
    for place, name, kind in places:
        there = {
            "region": known, "surface": known | {"collector"}, "boundary": {*boundaries},
            "either": known | {*boundaries},
        }[kind]  # fmt: skip
        if not any(fnmatchcase(n, name) for n in there):
            what = {"surface": "surface", "either": "region or boundary of the mesh"}.get(
                kind, f"{kind} of the mesh"
            )
            yield f"{place}: {name!r}: matches no {what}; {_close(name, there)}"
    yield from _probes(sections, known, boundaries)
    for name in sections.get("boundaries", {}):
        if name not in boundaries:
            yield f"boundaries.{name}: no boundary is called {name!r}; {nearest(name, boundaries)}"


def require_filled(case: Any) -> None:
    """Every region that the mesh will have is filled by one entry of the case.

    Raises:
        CaseError: all that are not.
    """
    names = of_geometry(case)
    if names is not None:
        wrong = [*unfilled(names.regions, case.regions)]
        if wrong:
            raise CaseError("\n".join(wrong))


def require_matching(case: Any, regions: Sequence[str], boundaries: Sequence[str]) -> None:
    """A mesh has all that the case names, and the case fills each of its regions.

    Raises:
        CaseError: all that do not match.
    """
    sections = vars(case)
    wrong = [
        *problems(sections, regions, boundaries, case.places()),
        *unfilled(regions, case.regions), *coating_problems(sections, regions),
    ]
    if wrong:
        raise CaseError("\n".join(wrong))


def _probes(
    sections: Mapping[str, Any], regions: Iterable[str], boundaries: Iterable[str]
) -> Iterator[str]:
    for k, probe in enumerate(sections.get("probe", ())):
        where = f"probe.{k}.{'volume' if probe.surface is None else 'surface'}"
        given = probe.volume if probe.surface is None else probe.surface
        if given is None:
            continue
        pair = "/" in given
        known = {*regions} if pair or probe.surface is None else {*regions, *boundaries}
        lost = [n for n in given.split("/") if not any(fnmatchcase(k, n) for k in known)]
        if lost:
            what = "boundary or region" if known > {*regions} else "region"
            others = [f"{a}/{b}" for a in known for b in known if a != b] if pair else known
            yield (f"{where}: no {what} is called {' nor '.join(map(repr, lost))}; "
                   f"{nearest(given, others)}")


def unfilled(names: Iterable[str], regions: Mapping[str, Any]) -> Iterator[str]:
    """Regions of a mesh that no entry of [regions] fills, or more than one.

    Args:
        names: of the regions.
        regions: entries of the case by name or pattern.
    """
    for name in names:
        yield from _filling(name, regions)


def _filling(name: str, regions: Mapping[str, Any]) -> Iterator[str]:
    globs = [glob for glob in regions if fnmatchcase(name, glob)]
    if len(globs) > 1:
        shown = " and ".join(repr(glob) for glob in globs)
        yield f"regions: {name!r} is matched by {shown}; keep one of them"
    elif not globs and not name.startswith("electrolyte"):
        yield (
            f"regions: the mesh has a region {name!r} but the case does not say what fills it; "
            f"add [regions.{name}] with a material"
        )


# --------------------------------------------------------------------------------------- surfaces


def _own(sections: Mapping[str, Any]) -> Mapping[str, Any]:
    """Materials of the case itself, and those that it carries from an earlier library."""
    from fem.materials import recorded

    return recorded.fillings(sections.get("library", {}), sections.get("materials", {}))


def material_of(name: str, sections: Mapping[str, Any]) -> tuple[Any, Any]:
    """Material and entry of a region; (None, None) where that is not known."""
    from fem.materials import material

    found = [r for glob, r in sections.get("regions", {}).items() if fnmatchcase(name, glob)]
    entry = found[0] if len(found) == 1 else None
    wanted = entry.material if entry is not None else None
    if wanted is None and name.startswith("electrolyte"):
        wanted = sections.get("electrolyte")
    try:
        found_material = material(str(wanted), _own(sections))
    except CaseError:
        return None, None  # reported by another check
    return found_material, entry


def conducts(name: str, sections: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Material of a region if it conducts electrons and no ions, and whether it conducts ions."""
    from fem.materials import Solid

    found, entry = material_of(name, sections)
    if not isinstance(found, Solid):
        return None, found is not None
    ions = found.kappa > 0.0 or (entry is not None and entry.kappa is not None)
    sigma = found.sigma if entry is None or entry.sigma is None else entry.sigma
    dark = not getattr(sigma, "variables", ()) and not float(getattr(sigma, "value", sigma)) > 0.0
    return (None if ions or dark else found.name), ions


def surface_of(name: str, solid: str, sections: Mapping[str, Any]) -> str | None:
    """Material on which metal plates on a solid, coatings included; None where nothing does.

    Raises:
        CaseError: coatings that stop everything.
    """
    films = films_on(name, sections.get("coatings", ()), _own(sections))
    place = meeting(name, solid, films)
    return None if place is None else place.surface


def missing_pair(name: str, surface: str, sections: Mapping[str, Any]) -> str | None:
    """Reason why the kinetics of a surface are not known; None if they are.

    Args:
        name: of the surface in the case.
        surface: its material.
        sections: of the case, by field name.
    """
    from fem.materials import recorded

    own = [entry for entry in sections.get("kinetics", ()) if fnmatchcase(name, entry.surface)]
    given = {key for entry in own for key in REQUIRED if getattr(entry, key) is not None}
    if given >= REQUIRED:
        return None
    try:
        recorded.pair(
            sections.get("library", {}), sections["metal"], surface, sections["electrolyte"]
        )
    except CaseError as error:
        lack = f"; still missing: {', '.join(sorted(REQUIRED - given))}" if given else ""
        return f"kinetics of {name!r}: {error} with surface = {name!r}{lack}"
    return None


def coating_problems(sections: Mapping[str, Any], regions: Sequence[str] | None) -> Iterator[str]:
    """Coatings that stop everything, or lie where no electrons are.

    Args:
        sections: of the case, by field name.
        regions: of the mesh; None if they are not known.
    """
    from fem.materials import names

    coatings, own = sections.get("coatings", ()), _own(sections)
    known = {*names("solid"), *own}
    sound = []
    for k, coating in enumerate(coatings):
        if coating.material in known:
            try:
                Film.of(f"coatings.{k}", coating, own)
                sound.append(coating)
            except CaseError as error:
                yield str(error)
    if len(sound) < len(coatings):
        return
    metals = {"collector": _foil(sections)}
    if regions is None:
        metals |= {c.on: "solid" for c in coatings}
    else:
        metals |= {n: solid for n in regions if (solid := conducts(n, sections)[0]) is not None}
        for k, coating in enumerate(coatings):
            on = [n for n in (*regions, "collector") if fnmatchcase(n, coating.on)]
            filled = all(n == "collector" or material_of(n, sections)[0] for n in on)
            if on and filled and not {*metals} & {*on}:
                yield f"coatings.{k}.on: {coating.on!r}: {no_electrons(on)}"
    reported = set()
    for name, solid in metals.items():
        try:
            surface_of(name, solid, sections)
        except CaseError as error:
            place = str(error).split(":")[0]
            if place not in reported:  # once for all walls that it covers
                reported.add(place)
                yield str(error)


def dead_problems(sections: Mapping[str, Any], names: Names | None) -> Iterator[str]:
    """Coatings that leave no surface on which metal could plate.

    Args:
        sections: of the case, by field name.
        names: of the mesh; None if they are not known.
    """
    if names is None or not {"metal", "electrolyte", "coatings"} <= sections.keys():
        return
    surfaces = {n: solid for n in names.all if (solid := conducts(n, sections)[0]) is not None}
    if names.floor is None or any(conducts(name, sections)[1] for name in names.floor):
        surfaces["collector"] = _foil(sections)
    if any(_reacts_within(name, sections) for name in names.all):
        return
    try:
        alive = any(surface_of(name, solid, sections) for name, solid in surfaces.items())
    except CaseError:
        return  # reported by the check of coatings
    if surfaces and not alive:
        yield f"coatings: {nothing_reacts(tuple(surfaces))}"


def _reacts_within(name: str, sections: Mapping[str, Any]) -> bool:
    """A region of a solid that conducts ions and electrons, so that it may react all through."""
    from fem.materials import Solid

    found, entry = material_of(name, sections)
    if not isinstance(found, Solid) or not conducts(name, sections)[1]:
        return False
    return found.sigma > 0.0 or entry.sigma is not None


def _foil(sections: Mapping[str, Any]) -> str:
    collector = sections.get("collector")
    return (collector.material if collector else None) or str(sections.get("metal"))


def electrode_problems(sections: Mapping[str, Any], names: Names | None) -> Iterator[str]:
    """Kinetics that are missing at the electrodes, where they react whatever the mesh.

    Args:
        sections: of the case, by field name.
        names: of the mesh; None if they are not known.
    """
    from fem.materials import names as materials

    wanted = {"metal", "electrolyte", "kinetics", "study", "counter", "collector"}
    if not wanted <= sections.keys() or sections["metal"] not in materials("metal"):
        return
    if sections["study"] == "primary":
        return
    if sections["counter"].kind in ("metal", "foil"):
        yield from _told(missing_pair("counter", sections["metal"], sections))
    if sections["study"] == "growth":
        yield from _told(missing_pair("metal", sections["metal"], sections))
    floor = (names.floor if names else None) or ()
    if any(conducts(name, sections)[1] for name in floor):
        try:
            surface = surface_of("collector", _foil(sections), sections)
        except CaseError:
            return  # reported by the check of coatings
        if surface is not None:
            yield from _told(missing_pair("collector", surface, sections))


def _told(problem: str | None) -> Iterator[str]:
    if problem is not None:
        yield problem
