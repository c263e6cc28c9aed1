"""[[sei]] of a case: a film that grows from the electrolyte on a wall or inside a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, StrictStr

from fem.base.errors import CaseError
from fem.contract.physics import Place
from fem.materials.interphase import interphase, names
from fem.physics.sei.laws import LAWS
from fem.values.kinds import PLACE_VARIABLES, Glob, Length, Table
from fem.values.properties import Property, PropertyOf, number, varies
from fem.values.units import Quantity, shown_length

__all__ = ["COUNTER", "CrackTable", "Sei", "check", "fits", "places"]

#: Name under which an entry lies on the counter electrode; patterns do not mean it.
COUNTER = "counter"

#: Data that every law needs.
COMMON = ("n", "V", "resistivity", "L0", "Ea")


class CrackTable(Table):
    """Metal that grows under the film breaks it."""

    thickness: Length = Field(
        description="of metal that breaks the film once: strain to failure times its radius"
    )
    share: Annotated[float, Quantity("", gt=0, le=1)] = Field(
        1.0, description="of the film that breaks then"
    )
    fresh: Annotated[float, Quantity("m", ge=0)] | None = Field(
        None, description="film that covers fresh surface at once; default L0"
    )


class Sei(Table):
    """A film that grows on walls or in averaged hosts; numbers not given are those of `data`."""

    on: Glob = Field(description="solid or averaged region, 'collector', or 'counter'")
    law: Literal[
        "reaction", "solvent_diffusion", "mixed", "electron", "interstitial", "tunnel"
    ] = Field(description="of growth")
    data: StrictStr | None = Field(None, description="interphase of the library: SEI_Li, ...")
    crack: CrackTable | None = Field(None, description="metal that grows under it breaks it")
    solvent: Annotated[float, Quantity("mol", gt=0)] | None = Field(
        None, description="in the cell (2D: mol/m); default what the electrolyte holds"
    )
    n: Annotated[float, Quantity("", gt=0)] | None = Field(
        None, description="electrons for a mole of film"
    )
    V: Annotated[float, Quantity("m^3/mol", gt=0)] | None = Field(
        None, description="volume of a mole of film"
    )
    resistivity: Annotated[float, Quantity("ohm*m", ge=0)] | None = Field(
        None, description="of the film for ions"
    )
    L0: Annotated[Property, PropertyOf("m", PLACE_VARIABLES, ge=0)] | None = Field(
        None, description="thickness at the start, a number or of place"
    )
    Ea: Annotated[float, Quantity("J/mol", ge=0)] | None = Field(
        None, description="activation energy of growth"
    )
    U: Annotated[float, Quantity("V")] | None = Field(
        None, description="potential below which it forms, against the metal"
    )
    alpha: Annotated[float, Quantity("", gt=0, le=1)] | None = Field(
        None, description="transfer coefficient of its reaction"
    )
    j0: Annotated[float, Quantity("A/m^2", gt=0)] | None = Field(
        None, description="current density of its reaction at U"
    )
    D_solvent: Annotated[float, Quantity("m^2/s", gt=0)] | None = Field(
        None, description="diffusivity of solvent in the film"
    )
    c_solvent: Annotated[float, Quantity("mol/m^3", gt=0)] | None = Field(
        None, description="solvent outside"
    )
    k0: Annotated[float, Quantity("m/s", gt=0)] | None = Field(
        None, description="rate constant of mixed growth at U"
    )
    D_EC: Annotated[float, Quantity("m^2/s", gt=0)] | None = Field(
        None, description="diffusivity of solvent in mixed growth"
    )
    c_EC: Annotated[float, Quantity("mol/m^3", gt=0)] | None = Field(
        None, description="solvent outside in mixed growth"
    )
    kappa_e: Annotated[float, Quantity("S/m", gt=0)] | None = Field(
        None, description="conductivity of the film for electrons"
    )
    D_Li: Annotated[float, Quantity("m^2/s", gt=0)] | None = Field(
        None, description="diffusivity of interstitials"
    )
    c_Li: Annotated[float, Quantity("mol/m^3", gt=0)] | None = Field(
        None, description="interstitials at 0 V"
    )
    beta: Annotated[float, Quantity("1/m", gt=0)] | None = Field(
        None, description="decay of the tunnel current with thickness"
    )

    def numbers(self) -> dict[str, float]:
        """All data that are known, SI: those of the entry before those of the library.

        An L0 that varies in space is NaN there.

        Raises:
            CaseError: there is no such interphase.
        """
        known: dict[str, float] = {}
        if self.data is not None:
            known = {k: float(v) for k, v in interphase(self.data).numbers().items()
                     if not callable(v)}
        own = {k: v for k, v in vars(self).items() if isinstance(v, float) and k != "solvent"}
        if self.L0 is not None:
            own["L0"] = float("nan") if varies(self.L0) else number(self.L0)
        return {"alpha": 0.5, "Ea": 0.0} | known | own


def fits(surface: str, on: str) -> bool:
    """An entry lies on a surface."""
    return on == COUNTER if surface == COUNTER else fnmatchcase(surface, on)


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Entries without the data of their law, or that no film can have."""
    for k, entry in enumerate(sections.get("sei", ())):
        path, law = f"sei.{k}", LAWS[entry.law]
        if entry.on == COUNTER:
            yield from _opposite(path, sections)
        try:
            known = entry.numbers()
        except CaseError as error:
            yield f"{path}.data: {error}"
            continue
        lost = [name for name in (*COMMON, *law.needs) if name not in known]
        if lost:
            where = f"{entry.data!r} does not know" if entry.data else "nobody gives"
            way = "give them" if entry.data else "give them, or data = \"SEI_Li\""
            yield f"{path}: law {entry.law!r} needs {', '.join(lost)}, which {where}; {way}"
            continue
        if law.endless and known["L0"] == 0.0:
            yield (
                f"{path}.L0: 0 m: by law {entry.law!r} the first film would grow infinitely fast; "
                "give a thickness"
            )
        if entry.crack is not None and entry.crack.fresh is None and varies(entry.L0):
            yield f"{path}.crack.fresh: missing; L0 varies, so give the thickness of fresh film"
        if entry.crack is not None and entry.crack.fresh is not None:
            if law.endless and entry.crack.fresh == 0.0:
                yield f"{path}.crack.fresh: 0 m: growth would be infinitely fast; give a thickness"
            if entry.crack.fresh > known["L0"]:
                yield (
                    f"{path}.crack.fresh: {shown_length(entry.crack.fresh)} is more than the film "
                    f"has at the start, {shown_length(known['L0'])}; fresh film is the thinnest "
                    "there is"
                )


def notes(sections: Mapping[str, Any]) -> Iterator[str]:
    """Data of films that another metal makes."""
    metal = sections.get("metal")
    for k, entry in enumerate(sections.get("sei", ())):
        if entry.data not in names():  # none, or reported by `check`
            continue
        of = interphase(entry.data).metal
        if metal is not None and of != metal:
            yield (
                f"sei.{k}.data: {entry.data!r} has the numbers of a film of {of}, and the case "
                f"plates {metal}; give those of its own film in their place"
            )


def _opposite(path: str, sections: Mapping[str, Any]) -> Iterator[str]:
    """Problems of a film on the counter electrode."""
    kind, study = getattr(sections.get("counter"), "kind", "foil"), sections.get("study")
    if kind != "foil":
        yield (
            f"{path}.on: {COUNTER!r}: films grow on a foil, whose metal pays for them, and this "
            f'counter electrode is {kind!r}; give counter.kind = "foil" with its thickness'
        )
    elif study == "growth":
        yield (
            f"{path}.on: {COUNTER!r}: films keep still in a growth study; give the counter "
            "electrode a film_resistance in [[kinetics]] instead"
        )


def places(sections: Mapping[str, Any]) -> Iterator[Place]:
    """The surfaces that entries name; the counter electrode is always there."""
    for k, entry in enumerate(sections.get("sei", ())):
        if entry.on == COUNTER:
            continue
        yield Place(f"sei.{k}.on", entry.on, "surface")
