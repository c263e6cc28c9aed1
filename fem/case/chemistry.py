"""Checks that metal, salts and transfer coefficients of a case belong together.

A metal plates from its own salt only, all regions dissolve one salt, and both directions of a
reaction balance at eta = 0 for every c only if alpha_a + alpha_c = z.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from fem.base.errors import CaseError
from fem.case.tables import law_of
from fem.materials import Electrolyte, Metal, Solid, electrolyte, material, names, recorded
from fem.materials.limits import POSITIVE_LAWS, bounds, faults, own_bound
from fem.values.properties import Constant, number

__all__ = ["problems", "transfer_problem"]

#: Difference of alpha_a + alpha_c from z that counts as rounding.
ALPHA_SUM_SLACK = 1e-6


def problems(sections: Mapping[str, Any]) -> Iterator[str]:
    """Problems of the checked entries of a case, one line each; invalid ones are skipped."""
    name = sections.get("metal")
    if name not in names("metal"):
        return
    base = recorded.metal(sections.get("library", {}), name)
    found: dict[str, tuple[str, Electrolyte]] = {}
    yield from _salts(sections, base, found)
    yield from _solids(sections, base)
    yield from _transfer(sections, base)
    yield from _laws(sections, found)


def _salts(
    sections: Mapping[str, Any], base: Metal, found: dict[str, tuple[str, Electrolyte]]
) -> Iterator[str]:
    """Every electrolyte is a salt of the metal, and all are of the same charges."""
    own = recorded.fillings(sections.get("library", {}), sections.get("materials", {}))
    asked = {"electrolyte": sections.get("electrolyte")}
    for glob, region in sections.get("regions", {}).items():
        asked[f"regions.{glob}.material"] = region.material
    for path, name in asked.items():
        if name is None or name in (n for n, _ in found.values()):
            continue
        try:
            filling = material(name, own, cation=base.name)
        except CaseError as error:  # reported by the material's own check, but for its charges
            if path == "electrolyte" or own.get(name, {}).get("kind") == "electrolyte":
                yield from (line for line in str(error).splitlines() if f"{name}.z:" in line)
            continue
        if not isinstance(filling, Electrolyte):
            continue
        if filling.cation not in ("", base.name) or filling.z != base.z:
            cation = filling.cation or "a metal"
            yield (
                f"{path}: {name!r}: is a salt of {cation} (z = {filling.z}); {base.name} "
                f"(z = {base.z}) cannot be plated from it; {_way_out(base, own)}"
            )
            continue
        found[path] = name, filling
    if found:
        first, (chosen, salt) = next(iter(found.items()))
        for path, (name, other) in found.items():
            if other.formula != salt.formula:
                yield (
                    f"{path}: {name!r}: its anion has the charge {other.z_minus}, that of "
                    f"{chosen!r} ({first}) {salt.z_minus}: one c cannot stand for two salts; take "
                    "electrolytes of one salt, or state z_minus"
                )


def _way_out(base: Metal, own: Mapping[str, Mapping[str, Any]]) -> str:
    fit = [n for n in names("electrolyte") if electrolyte(n).cation == base.name]
    fit += [n for n, table in own.items()
            if table.get("kind") == "electrolyte" and table.get("cation", base.name) == base.name]
    known = f"take {', '.join(dict.fromkeys(fit))}, or " if fit else ""
    return (
        f"{known}give a user-defined [materials.X] of kind electrolyte with "
        f"cation = '{base.name}'"
    )


def _solids(sections: Mapping[str, Any], base: Metal) -> Iterator[str]:
    """Check that a conductor of ions without salt conducts those of the metal."""
    own = recorded.fillings(sections.get("library", {}), sections.get("materials", {}))
    asked: list[tuple[str, str | None, bool | None]]
    asked = [(f"regions.{glob}.material", region.material, True)
             for glob, region in sections.get("regions", {}).items()]
    asked += [(f"coatings.{k}.material", c.material, c.blocks_electrons)
              for k, c in enumerate(sections.get("coatings", ())) if not c.blocks_ions]
    for path, name, insulates in asked:
        try:
            solid = material(name, own) if name is not None else None
        except CaseError:
            continue
        if not isinstance(solid, Solid) or not solid.kappa > 0.0:
            continue
        # metal plates on a coating that electrons pass
        used = insulates or (insulates is None and solid.sigma == 0.0)
        if used and solid.cation not in ("", base.name):
            yield (
                f"{path}: {name!r}: conducts ions of {solid.cation}, not of {base.name}; give an "
                f"own [materials.X] of kind solid with kappa and cation = '{base.name}', or "
                "kappa = '0 S/m' if no ion passes"
            )


def _transfer(sections: Mapping[str, Any], base: Metal) -> Iterator[str]:
    """Entries that change a transfer coefficient leave both of them in balance."""
    from fem.case.hooks import BUILT_IN_LAWS

    entries = sections.get("kinetics", ())
    electrolyte_name = sections.get("electrolyte", "")
    known = recorded.pair(
        sections.get("library", {}), base.name, base.name, electrolyte_name, strict=False
    )
    for k, entry in enumerate(entries):
        own_law = law_of(entries, entry.surface) not in BUILT_IN_LAWS
        if (entry.alpha_a, entry.alpha_c) == (None, None) or own_law:
            continue
        alpha = {name: float(getattr(known, name)) if known.has(name) else None
                 for name in ("alpha_a", "alpha_c")}
        for other in entries:
            covers = other is entry or fnmatchcase(entry.surface, other.surface)
            inside = not covers and fnmatchcase(other.surface, entry.surface)
            for name in alpha:
                if getattr(other, name) is not None and covers:
                    alpha[name] = getattr(other, name)
                elif getattr(other, name) is not None and inside:
                    alpha[name] = None  # differs from wall to wall; the run sees which
        if None not in alpha.values():
            wrong = transfer_problem(base, alpha["alpha_a"], alpha["alpha_c"])
            if wrong:
                yield f"kinetics.{k}: {wrong}"


def transfer_problem(base: Metal, alpha_a: Any, alpha_c: Any) -> str:
    """Reason why two transfer coefficients do not fit the metal; empty if they do."""
    total = alpha_a + alpha_c
    if abs(total - base.z) <= ALPHA_SUM_SLACK:
        return ""
    return (
        f"alpha_a + alpha_c = {alpha_a:g} + {alpha_c:g} = {total:g}, but an ion of {base.name} "
        f"takes z = {base.z}: only with alpha_a + alpha_c = {base.z} do both directions balance at "
        f"eta = 0 for every c; for example {base.z / 2:g} and {base.z / 2:g} (then i0 goes with "
        f"c^(alpha_a/z))"
    )


def _laws(
    sections: Mapping[str, Any], found: Mapping[str, tuple[str, Electrolyte]]
) -> Iterator[str]:
    """Transport laws are physical where the run starts."""
    T, initial = sections.get("temperature"), sections.get("initial")
    if T is None or initial is None:
        return
    start: Any = initial.c
    main: float | None = None
    regions = sections.get("regions", {}).values()
    for path, (_, filling) in found.items():
        here = number(start) if isinstance(start, Constant) else float(filling.c0)
        known = [bound for prop, bound in bounds(filling, T).items()
                 if all(getattr(region, prop, None) is None for region in regions)]
        yield from (f"{path}: {fault}" for fault in faults(known, here))
        main = here if main is None else main
    for glob, region in sections.get("regions", {}).items():
        c = number(start) if isinstance(start, Constant) else main
        for prop, unit in POSITIVE_LAWS.items():
            law = getattr(region, prop, None)
            bound = None if law is None else own_bound(f"{prop} of {glob}", law, unit, T)
            if bound is not None and c is not None:
                yield from (f"regions.{glob}.{prop}: {fault}" for fault in faults([bound], c))
