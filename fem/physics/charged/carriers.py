"""Electrolytes that a charged medium can be made of: ideal ions that move by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from fem.base.errors import CaseError
from fem.materials import Electrolyte, Separator, material, recorded
from fem.values.properties import number, varies

__all__ = ["problems", "unfit"]


def problems(sections: Mapping[str, Any]) -> Iterator[str]:
    """Entries whose material is known before there is a mesh, and cannot hold their charge."""
    own = recorded.fillings(sections.get("library", {}), sections.get("materials", {}))
    main, metal, T = (sections.get(name) for name in ("electrolyte", "metal", "temperature"))
    regions = sections.get("regions")
    if main is None or metal is None or T is None or regions is None:
        return
    for k, entry in enumerate(sections.get("fixed_charge", ())):
        found = [spec for glob, spec in regions.items() if fnmatchcase(entry.region, glob)]
        spec = found[0] if len(found) == 1 else None
        name = None if spec is None else spec.material
        if name is None and entry.region.startswith("electrolyte") and len(found) < 2:
            name = main
        if name is None:
            continue
        try:
            filling = material(name, own, cation=metal)
            separator = isinstance(filling, Separator)
            liquid = material(main, own, cation=metal) if separator else filling
        except CaseError:  # reported by the check of materials
            continue
        if sections.get("electrolyte_model") is not None and isinstance(liquid, Electrolyte):
            continue  # its ions move by themselves, and may be any
        problem = unfit(entry.region, name, liquid, spec, T)
        if problem:
            yield f"fixed_charge.{k}.region: {entry.region!r}: {problem}"


def unfit(region: str, name: str, liquid: Any, own: Any, T: float) -> str:
    """Reason why a region cannot hold charge, and the way out; empty if it can.

    Args:
        region: its name.
        name: of its material.
        liquid: electrolyte in it, of `fem.materials`; anything else holds none.
        own: entry of the case for the region, or None.
        T: K.
    """
    if not isinstance(liquid, Electrolyte):
        return (
            f"{name!r} dissolves no ions that its charge could shift; name the electrolyte or "
            "separator around it"
        )
    if liquid.z != -liquid.z_minus:
        return (
            f"{liquid.name!r} has ions of charge {liquid.z} and {liquid.z_minus}; a charged medium "
            "is one of a z:z salt (others need each ion by itself)"
        )
    if getattr(own, "kappa", None) is not None:
        return f"kappa follows from D, t_plus and the charge; leave regions.{region}.kappa out"
    wrong, numbers = [], []
    for prop in ("D", "t_plus"):
        given = getattr(own, prop, None)
        law = getattr(liquid, prop) if given is None else given
        if "c" in law.variables:
            wrong.append(f"{prop} of {liquid.name!r} depends on c")
            numbers.append(f"regions.{region}.{prop}")
    factor = liquid.thermodynamic_factor
    if factor.variables or number(factor(1.0, T)) != 1.0:
        wrong.append(f"the thermodynamic factor of {liquid.name!r} is not 1")
        numbers.clear()
    if wrong:
        few = f"give {' and '.join(numbers)} as a number, or " if numbers else "give "
        return (
            f"{', '.join(wrong)}, but ions of a charged medium are ideal and dilute; {few}a "
            "user-defined [materials.X] with D and t_plus as numbers and kappa = "
            '{ law = "nernst_einstein" }, as the case nanochannel_separator does'
        )
    given = getattr(own, "t_plus", None)
    share = number(liquid.t_plus(1.0, T)) if given is None else given
    share = share if given is None or varies(given) else number(given)
    if isinstance(share, float) and not 0.0 < share < 1.0:
        return f"t_plus = {share:g}: ions that move by themselves have one between 0 and 1"
    return ""
