"""Electrolytes of a case at its start: what fills which regions, and numbers that hardly can be.

Thermodynamics asks kappa > 0 and D > 0 of a binary electrolyte, and nothing of t_plus: that of a
concentrated one may lie below 0 or above 1. And kappa is not far from what its ions conduct that
diffuse with D (Nernst-Einstein): within a factor of 8 in the library. What lies far off is another
unit, most often.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from fem.base.errors import CaseError
from fem.materials import Electrolyte, material, recorded
from fem.values.kinds import LAW_VARIABLES
from fem.values.properties import number, varies

__all__ = ["Liquid", "liquids", "notes"]

#: Ratio of kappa and what ideal ions conduct, either way, from which a note says so.
ODD_RATIO = 100.0


class Liquid(NamedTuple):
    """An electrolyte in regions of a case.

    Attributes:
        where: the regions, as the case names them; empty for those without an entry.
        electrolyte: that fills them.
        c: concentration at the start, mol/m3.
        own: values of kappa, D, t_plus that the regions give; None if one varies in space.
        tortuosity: of the regions.
    """

    where: str
    electrolyte: Electrolyte
    c: float
    own: dict[str, float] | None
    tortuosity: float = 1.0


def liquids(sections: Mapping[str, Any]) -> list[Liquid]:
    """Electrolytes of a case; none if the concentration of the start varies in space.

    Args:
        sections: its entries by field name; those that are invalid are absent.

    Raises:
        CaseError: a material is unknown or wrong.
    """
    T, initial = sections["temperature"], sections.get("initial")
    start = None if initial is None else initial.c
    if varies(start):
        return []
    fillings = recorded.fillings(sections.get("library", {}), sections.get("materials", {}))
    regions: Mapping[str, Any] = sections.get("regions", {})
    asked = {g: r for g, r in regions.items() if fnmatchcase(g, "electrolyte*") or r.material}
    if not any(fnmatchcase("electrolyte", glob) for glob in asked):
        asked = asked | {"": None}
    found = []
    for where, region in asked.items():
        name = getattr(region, "material", None) or sections["electrolyte"]
        filling = material(name, fillings, cation=sections["metal"])
        if not isinstance(filling, Electrolyte):
            continue
        c = float(filling.c0) if start is None else number(start)
        given = {k: v for k in ("kappa", "D", "t_plus", "tortuosity")
                 if (v := getattr(region, k, None)) is not None}  # fmt: skip
        if any({*getattr(v, "variables", ())} - {*LAW_VARIABLES} for v in given.values()):
            found.append(Liquid(where, filling, c, None))
            continue
        own = {k: float(v.at(c=c, T=T)) if varies(v) else number(v) for k, v in given.items()}
        tortuosity = own.pop("tortuosity", 1.0)
        found.append(Liquid(where, filling, c, own, tortuosity))
    return found


def notes(sections: Mapping[str, Any]) -> Iterator[str]:
    """Remarks on transport numbers that may be meant otherwise, each once.

    Args:
        sections: of a case, by field name; those that are invalid are absent.
    """
    if sections.get("study") not in ("tertiary", "growth", "steady"):
        return  # no salt is followed
    try:
        found = liquids(sections)
    except (CaseError, KeyError):  # reported by the checks of the materials
        return
    said = [text for liquid in found
            for text in _odd(liquid, sections["temperature"], sections.get("materials", {}))]
    yield from dict.fromkeys(said)


def _odd(liquid: Liquid, T: float, materials: Mapping[str, Any]) -> Iterator[str]:
    salt, c, own = liquid.electrolyte, liquid.c, liquid.own
    if own is None:
        return
    whole = f"materials.{salt.name}" if salt.name in materials else f"electrolyte {salt.name}"

    def value(prop: str) -> float:
        return own[prop] if prop in own else float(getattr(salt, prop)(c, T))

    try:
        t_plus, kappa, D = (value(prop) for prop in ("t_plus", "kappa", "D"))
        ideal = float(salt.formula.ideal_kappa(c, T, D / value("thermodynamic_factor"), 0.5))
    except CaseError:  # outside a table, reported elsewhere
        return
    if not -1e-9 <= t_plus <= 1.0 + 1e-9:
        place = f"regions.{liquid.where}" if "t_plus" in own else whole
        means = ("brings more metal ions than plate, so that salt gathers" if t_plus > 1.0 else
                 "takes metal ions away from where metal plates")
        yield (
            f"{place}.t_plus: {t_plus:.4g} at c = {c:.4g} mol/m^3: the field {means}. "
            f"Concentrated electrolytes may have such numbers; if {t_plus:.4g} percent are meant, "
            f"write \"{t_plus:.4g} %\""
        )
    ratio = kappa / ideal
    if kappa > 0.0 and not 1.0 / ODD_RATIO <= ratio <= ODD_RATIO:
        place = f"regions.{liquid.where}" if {"kappa", "D"} & own.keys() else whole
        yield (
            f"{place}: kappa = {kappa:.4g} S/m is {ratio:.3g} times what ions conduct that diffuse "
            f"with D = {D:.4g} m^2/s at c = {c:.4g} mol/m^3 (Nernst-Einstein; 0.1 to 5 times in "
            "the library): check the units of kappa, D and c0"
        )
