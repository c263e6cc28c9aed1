"""The ions of a case, each by itself: names, charges, diffusivities, amounts at the start.

They stand in `[[ion]]`; without entries they are the two ions of the electrolyte, which move as its
D and t_plus say. Models with ions of their own ask for them here, whichever model it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fem.base.errors import CaseError
from fem.materials import Electrolyte, Metal, material, recorded
from fem.materials.ions import diffusivity
from fem.materials.laws import arrhenius

__all__ = ["ANION", "Species", "own_ions", "problems", "species", "unused"]

#: Name of the anion of a salt whose ions are not named.
ANION = "anion"
#: Sum of charges at the start, as a share of all, that counts as rounding.
NEUTRAL = 1e-9
#: Names X for which c_X is a column, or the concentration that walls see.
RESERVED = ("lagged", "min", "max", "least")
#: Share of the most abundant ion that is offered for one that is not there at the start.
TRACE = 1e-6
#: Why a region that dissolves ions takes no conductivity.
OF_IONS = (
    "is not used where ions move each by itself: it follows from D of each (Nernst-Einstein); "
    "leave it out, or give D of each [[ion]], or a tortuosity of the region"
)


@dataclass(frozen=True)
class Species:
    """One dissolved species.

    Attributes:
        name: of the ion.
        z: charge number; 0 of a molecule.
        D: diffusivity, m2/s.
        c0: concentration at the start, in neutral electrolyte, mol/m3.
        plates: it is the ion of the plated metal.
        source, status: of D.
        entry: its table, or None.
        warming: D at a temperature (K; number or UFL) over D.
    """

    name: str
    z: int
    D: float
    c0: float
    plates: bool = False
    source: str = "given by the case"
    status: str = "assumed"
    entry: Any = None
    warming: Callable[[Any], Any] = field(default=lambda T: 1.0, compare=False)


def own_ions(sections: Mapping[str, Any]) -> tuple[Any, ...]:
    """The entries of `[[ion]]`; none of a case whose ions are those of its electrolyte."""
    return tuple(sections.get("ion", ()))


def species(sections: Mapping[str, Any]) -> tuple[Species, ...]:
    """The species of a case, that of the plated metal first.

    Args:
        sections: of the case, by field name.

    Raises:
        CaseError: all that is wrong with them, one line each.
    """
    metal, liquid = _metal(sections), _liquid(sections)
    own = _salt(sections, metal, liquid)
    entries = own_ions(sections)
    if not entries:
        if isinstance(own, str):
            raise CaseError(f"ion: {own}")
        return tuple(own.values())
    wrong = [*_unlike(entries, metal)]
    found = []
    for k, entry in enumerate(entries):
        try:
            ion = _one(entry, liquid.name, metal, own)
            found.append(replace(ion, warming=_warming(sections, liquid, entry.Ea)))
        except CaseError as error:
            wrong.append(f"ion.{k}.{error}")
    if not wrong:
        wrong = [*_surplus(found)]
    if wrong:
        raise CaseError("\n".join(wrong))
    return tuple(sorted(found, key=lambda ion: not ion.plates))


def problems(sections: Mapping[str, Any]) -> Iterator[str]:
    """Problems of the species of a case, one line each; none while its materials are unknown."""
    try:
        _metal(sections), _liquid(sections)
    except (CaseError, KeyError, TypeError):
        return  # reported by the checks of metal and materials
    try:
        species(sections)
    except CaseError as error:
        yield from str(error).splitlines()


def _metal(sections: Mapping[str, Any]) -> Metal:
    return recorded.metal(sections.get("library", {}), sections["metal"])


def _liquid(sections: Mapping[str, Any]) -> Electrolyte:
    own = recorded.fillings(sections.get("library", {}), sections.get("materials", {}))
    found = material(sections["electrolyte"], own, cation=sections["metal"])
    if not isinstance(found, Electrolyte):
        raise CaseError(f"electrolyte: {sections['electrolyte']!r} is no electrolyte")
    return found


def _salt(
    sections: Mapping[str, Any], metal: Metal, liquid: Electrolyte
) -> dict[str, Species] | str:
    """The two ions of the electrolyte, by name; or why they do not follow from its data."""
    c, T = _begin(sections, liquid), float(sections["temperature"])
    D, t_plus = float(liquid.D(c, T)), float(liquid.t_plus(c, T))
    if not 0.0 < t_plus < 1.0:
        return (
            f"t_plus of {liquid.name!r} is {t_plus:g}: ions that move by themselves have one "
            "between 0 and 1; give each of them as [[ion]], with D"
        )
    z, minus = liquid.z, -liquid.z_minus
    warming = _warming(sections, liquid)
    salt, why = liquid.formula, f"D and t_plus of {liquid.name} at {c:g} mol/m^3"
    worst = max((liquid.D.status, liquid.t_plus.status), key=["checked", "cited", "assumed"].index)
    return {
        metal.name: Species(metal.name, z, D * minus / ((z + minus) * (1.0 - t_plus)),
                            c * salt.nu_plus, True, why, worst, warming=warming),
        ANION: Species(ANION, -minus, D * z / ((z + minus) * t_plus), c * salt.nu_minus, False,
                       why, worst, warming=warming),
    }  # fmt: skip


def _begin(sections: Mapping[str, Any], liquid: Electrolyte) -> float:
    """Salt at the start, mol/m3."""
    initial = sections.get("initial")
    start = None if initial is None else initial.c
    return float(liquid.c0 if start is None or start.variables else start.at())


def _warming(
    sections: Mapping[str, Any], liquid: Electrolyte, Ea: float | None = None
) -> Callable[[Any], Any]:
    """Diffusivity of an ion at T over that at the temperature of the case, a function of T (K).

    It follows its own activation energy (J/mol); else it goes with the D of the salt, as what
    holds all ions back is one liquid.
    """
    T0 = float(sections["temperature"])
    if Ea is not None:
        return lambda T: arrhenius(Ea, T, T0)
    c = _begin(sections, liquid)
    D0 = float(liquid.D(c, T0))
    return lambda T: liquid.D(c, T) / D0


def _unlike(entries: Any, metal: Metal) -> Iterator[str]:
    """Entries that do not go together."""
    names = [entry.name for entry in entries]
    for k, name in enumerate(names):
        if name in names[:k]:
            yield f"ion.{k}.name: {name!r}: is there twice; rename one of them"
        if name in RESERVED:
            yield f"ion.{k}.name: {name!r}: c_{name} stands for something else; rename the ion"
    most = max(entry.c0 for entry in entries)
    for k, entry in enumerate(entries):
        if entry.c0 == 0.0:
            yield (
                f"ion.{k}.c0: 0 mol/m^3: where {entry.name!r} is not at all its potential is not "
                f"finite; begin with a trace of it, as {TRACE * (most or 1.0):.3g} mol/m^3"
            )
    plating = [k for k, entry in enumerate(entries) if entry.plates]
    if len(plating) != 1:
        got = "none does" if not plating else f"{len(plating)} do"
        yield (
            f"ion: one of them plates, the ion of {metal.name}, but {got}; give plates = true once"
        )
        return
    z = entries[plating[0]].z
    if z != metal.z:
        where = f"ion.{plating[0]}.z: {z}"
        yield f"{where}: the ion of {metal.name} has the charge {metal.z}; correct it"
    if not any(entry.z < 0 for entry in entries):
        yield "ion: none is negative; nothing balances the charge of the metal ion; add its anion"


def _one(entry: Any, liquid: str, metal: Metal, own: dict[str, Species] | str) -> Species:
    """One entry with all its numbers: of the case, of the salt, of the library.

    Raises:
        CaseError: nobody knows its diffusivity.
    """
    if entry.D is not None:
        return Species(entry.name, entry.z, entry.D, entry.c0, entry.plates, entry=entry)
    role = metal.name if entry.plates else entry.name
    if role in (metal.name, ANION):
        if isinstance(own, str):
            raise CaseError(f"D: missing; {own}")
        known = own[role]
        return Species(entry.name, entry.z, known.D, entry.c0, entry.plates, known.source,
                       known.status, entry)  # fmt: skip
    try:
        D = diffusivity(liquid, entry.name)
    except CaseError as error:
        raise CaseError(f"D: missing; {error}") from None
    return Species(entry.name, entry.z, float(D), entry.c0, entry.plates, D.source, D.status, entry)


def _surplus(found: list[Species]) -> Iterator[str]:
    """The charges of the start, if they do not add up."""
    charges = [ion.z * ion.c0 for ion in found]
    total, size = math.fsum(charges), math.fsum(map(abs, charges))
    if abs(total) <= NEUTRAL * size:
        return
    k = max((k for k, ion in enumerate(found) if ion.z * total < 0), default=None,
            key=lambda k: abs(charges[k]))  # fmt: skip
    way_out = "" if k is None else (
        f"; c0 = {found[k].c0 - total / found[k].z:.10g} mol/m^3 of {found[k].name!r} would make "
        "up for it"
    )  # fmt: skip
    shown = ", ".join(f"{ion.name} {z:+g}" for ion, z in zip(found, charges, strict=True))
    yield (
        f"ion: the charges do not add up: {total:+.6g} mol/m^3 are left of {shown}{way_out} "
        "(charge of a host is [[fixed_charge]])"
    )


def unused(name: str, entry: Any) -> Iterator[str]:
    """Conductivities that the entry of a region gives, which dissolves ions."""
    for key in ("kappa", "kappa_along"):
        if getattr(entry, key) is not None:
            yield f"regions.{name}.{key}: {OF_IONS}"
