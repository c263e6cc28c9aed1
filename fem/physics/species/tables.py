"""[electrolyte_model], [[ion]] and [[reaction]] of a case: each ion by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field as Key
from pydantic import StrictBool, StrictInt, StringConstraints

from fem.base.errors import nearest
from fem.case import names, species
from fem.case.turnover import rate, terms
from fem.contract.physics import Field, Place
from fem.physics.species import flow
from fem.values.kinds import LAW_VARIABLES, PLACE_VARIABLES, Glob, Table, Text
from fem.values.properties import Property, PropertyOf
from fem.values.units import Quantity

__all__ = [
    "Adsorption", "ElectrolyteModel", "Ion", "Reaction", "asked", "check", "fields", "places",
]  # fmt: skip

IonName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w*$", max_length=30)]
Velocity = Annotated[Property, PropertyOf("m/s", PLACE_VARIABLES)]
#: Reason for which something is read but refused.
NOT_YET = (
    "stands at walls, where space charge has a layer of its own, for which the Stern layer stands "
    "alone: is not solved with space charge; leave it out, or take model = 'ions'"
)
#: Entries of an ion that walls exchange.
WALLS = ("adsorption", "consumption", "release")


class ElectrolyteModel(Table):
    """Ions that move each by itself, instead of as one salt."""

    model: Literal["ions", "pnp"] = Key(
        description="ions: electroneutral, any number of them; pnp: with space charge"
    )
    eps_r: Annotated[float, Quantity("", ge=1)] | None = Key(
        None, description="pnp: relative permittivity; default that of each material"
    )
    stern: Annotated[float, Quantity("F/m^2", gt=0)] | None = Key(
        None, description="pnp: capacitance of the Stern layer on electrodes; default 0.2 F/m^2"
    )
    velocity: tuple[Velocity, ...] | None = Key(
        None, min_length=2, max_length=3,
        description="of the liquid, its components; free of divergence, tangential to walls",
    )  # fmt: skip


class Adsorption(Table):
    """Langmuir sites that take up an ion, with the metal ions that balance its charge."""

    on: Glob = Key(description="solid whose walls carry the sites, or 'collector'")
    sites: Annotated[float, Quantity("mol/m^2", gt=0)] = Key(description="per wall area")
    K: Annotated[Property, PropertyOf("m^3/mol", PLACE_VARIABLES, ge=0)] = Key(
        description="equilibrium constant: theta/(1 - theta) = K c at rest; 0 where there is none"
    )
    rate: Annotated[float, Quantity("1/s", gt=0)] = Key(
        1.0, description="of desorption: d(theta)/dt = rate (K c (1 - theta) - theta)"
    )
    blocks: StrictBool = Key(False, description="what is adsorbed stops plating where it is")


class Release(Table):
    """Stock of an ion on walls, with the metal ions that balance its charge, that dissolves."""

    on: Glob = Key(description="solid whose walls carry it, or boundary")
    c_sat: Annotated[float, Quantity("mol/m^3", gt=0)] = Key(
        description="concentration of the saturated liquid"
    )
    k: Annotated[float, Quantity("m/s", gt=0)] = Key(
        description="of the flux k (c_sat - c) into the liquid while some is left"
    )
    amount: Annotated[float, Quantity("mol/m^2", gt=0)] = Key(description="stock per wall area")


class Consumption(Table):
    """Walls that take an ion out of the liquid, with metal ions that balance its charge."""

    on: Glob = Key(description="solid whose walls consume it, or boundary")
    flux: Annotated[Property, PropertyOf("mol/m^2/s", (*PLACE_VARIABLES, *LAW_VARIABLES))] = Key(
        description="out of the liquid, of its concentration c, T and place, as k*c"
    )


class Ion(Table):
    """One dissolved species, charged or not."""

    name: IonName = Key(description="its name, as in reactions, fields and columns")
    z: StrictInt = Key(ge=-4, le=4, description="charge number; 0 of a molecule")
    D: Annotated[float, Quantity("m^2/s", gt=0)] | None = Key(
        None, description="diffusivity; of the salt's own ions and of ions of the library known"
    )
    Ea: Annotated[float, Quantity("J/mol", ge=0)] | None = Key(
        None, description="activation energy of D, with [heat]; default: as D of the electrolyte"
    )
    c0: Annotated[float, Quantity("mol/m^3", ge=0)] = Key(
        description="at the start, in electrolyte without fixed charge; above 0"
    )
    plates: StrictBool = Key(False, description="it is the ion of the plated metal")
    adsorption: Adsorption | None = Key(None, description="sites that take it up")
    consumption: Consumption | None = Key(None, description="walls that consume it")
    release: Release | None = Key(None, description="a stock of it on walls that dissolves")


class Reaction(Table):
    """Homogeneous reaction by mass action, rate forward x reactants - backward x products."""

    equation: Text = Key(description='as "Li + A <-> LiA"; a number before a name counts it')
    forward: str = Key(description='rate constant, as "1e-3 m^3/mol/s"; its unit by the order')
    backward: str = Key("0", description="rate constant of the way back")


def asked(sections: Mapping[str, Any]) -> ElectrolyteModel | None:
    """The table, where it asks for electroneutral ions."""
    table = sections.get("electrolyte_model")
    return table if table is not None and table.model == "ions" else None


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Tables that do not go together, and ions whose charges or data do not."""
    model = sections.get("electrolyte_model")
    if model is None:
        for key in ("ion", "reaction") if "electrolyte_model" in sections else ():
            if sections.get(key):
                yield f"{key}: needs [electrolyte_model]; add it, or leave {key} out"
        return
    if model.model == "ions":
        for key in ("eps_r", "stern"):
            if getattr(model, key) is not None:
                yield f"electrolyte_model.{key}: an electroneutral model has none; leave it out"
    if model.model == "pnp":
        yield from (f"ion.{k}.{name}: {NOT_YET}" for k, name in _at_walls(sections))
    for k, entry in enumerate(sections.get("fixed_charge", ())):
        if entry.channel is not None:
            yield (
                f"fixed_charge.{k}.channel: is a table of one salt; give density, or leave out "
                "[electrolyte_model]"
            )
        if not entry.walls and model.model == "ions":
            yield f"fixed_charge.{k}.walls: false: walls see the ions that are there; leave it out"
        if entry.density and model.model == "ions" and model.velocity is not None:
            yield (
                f"fixed_charge.{k}: liquid that passes it carries a current (streaming), which is "
                "not solved; leave it out, or electrolyte_model.velocity"
            )
    if sections.get("study") == "growth" and model.model == "ions":
        yield from _beside_growth(sections, model)
    yield from _beside_heat(sections, model)
    yield from flow.problems(sections, model.velocity, closed=model.model == "ions")
    if getattr(sections.get("initial"), "c", None) is not None and (
        sections.get("ion") or sections["initial"].c.variables
    ):
        yield "initial.c: each [[ion]] has its own start; give c0 there"
    if "ion" in sections:  # else an entry is wrong by itself, and nobody knows the ions
        yield from species.problems(sections)
        yield from _reactions(sections)
    yield from _own_laws(sections)
    yield from _conductivities(sections)
    yield from _adsorbed(sections)


def _beside_growth(sections: Mapping[str, Any], model: ElectrolyteModel) -> Iterator[str]:
    """Entries that do not go with a front that moves."""
    if model.velocity is not None:
        yield (
            "electrolyte_model.velocity: metal that grows changes where liquid can flow; leave it "
            "out, or take study = 'tertiary'"
        )
    for k, entry in enumerate(sections.get("fixed_charge", ())):
        yield (
            f"fixed_charge.{k}: {entry.region!r}: liquid that growing metal displaces would carry "
            "a current through fixed charge (streaming), which is not solved for ions by "
            "themselves; leave out [electrolyte_model], or take study = 'tertiary'"
        )
    for k, name in _at_walls(sections):
        yield (
            f"ion.{k}.{name}: metal that grows covers the walls where it happens; leave it out, or "
            "take study = 'tertiary'"
        )


def _beside_heat(sections: Mapping[str, Any], model: ElectrolyteModel) -> Iterator[str]:
    """Entries that do not go with a temperature that is solved for, or mean nothing without."""
    heat = sections.get("heat") is not None
    if heat and model.model == "pnp":
        yield (
            "heat: space charge is solved at one temperature; leave out [heat], or take "
            "model = 'ions'"
        )
    if heat and model.velocity is not None:
        yield (
            "electrolyte_model.velocity: liquid that flows carries heat, which [heat] leaves out; "
            "leave out one of them"
        )
    for k, entry in enumerate(() if heat else sections.get("ion", ())):
        if entry.Ea is not None:
            yield (
                f"ion.{k}.Ea: D is that of the case's temperature, and no other is solved for; "
                "leave it out, or add [heat]"
            )


def _at_walls(sections: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Number of each ion that walls exchange, and the entry that says how."""
    for k, ion in enumerate(sections.get("ion", ())):
        yield from ((k, name) for name in WALLS if getattr(ion, name) is not None)


def _names(sections: Mapping[str, Any]) -> list[str]:
    entries = sections.get("ion", ())
    return [e.name for e in entries] or [str(sections.get("metal")), species.ANION]


def _reactions(sections: Mapping[str, Any]) -> Iterator[str]:
    """Reactions that cannot be read, name nobody, or make charge."""
    names = _names(sections)
    z = {e.name: e.z for e in sections.get("ion", ())}
    for k, entry in enumerate(sections.get("reaction", ())):
        path = f"reaction.{k}"
        try:
            left, right = terms(entry.equation)
        except ValueError as error:
            yield f"{path}.equation: {entry.equation!r}: {error}"
            continue
        unknown = [name for name in {**left, **right} if name not in names]
        for name in unknown:
            yield f"{path}.equation: {name!r}: is no [[ion]]; {nearest(name, names)}"
        if not unknown and z:
            before, after = (sum(n * z[name] for name, n in side.items()) for side in (left, right))
            if before != after:
                yield (
                    f"{path}.equation: {entry.equation!r}: makes charge: {before:+d} before, "
                    f"{after:+d} after; correct it or the charges of its ions"
                )
        if left == right:
            yield f"{path}.equation: {entry.equation!r}: changes nothing; leave it out"
        constants = []
        for name, side in (("forward", left), ("backward", right)):
            try:
                constants.append(rate(getattr(entry, name), sum(side.values())))
            except ValueError as error:
                yield f"{path}.{name}: {error}"
        if constants == [0.0, 0.0]:
            yield f"{path}: forward and backward are 0: nothing reacts; give one, or leave it out"


def _own_laws(sections: Mapping[str, Any]) -> Iterator[str]:
    """Regions with transport numbers of a salt, which ions by themselves do not have."""
    for name, region in (sections.get("regions") or {}).items():
        for key in ("D", "t_plus"):
            if getattr(region, key, None) is not None:
                yield (
                    f"regions.{name}.{key}: is that of a salt, but [electrolyte_model] moves each "
                    "ion by itself; give D of each [[ion]], or a tortuosity of the region"
                )


def _conductivities(sections: Mapping[str, Any]) -> Iterator[str]:
    """Conductivities of regions that will dissolve ions, where the case draws its own mesh."""
    from fem.materials import Electrolyte, Separator

    made = names.of_sections(sections)
    for name in made.regions if made else ():
        material, entry = names.material_of(name, sections)
        porous = entry is not None and entry.porosity is not None
        if entry is not None and (porous or isinstance(material, Electrolyte | Separator)):
            yield from species.unused(name, entry)


def _adsorbed(sections: Mapping[str, Any]) -> Iterator[str]:
    """Adsorption of the ion that balances the charge of all others."""
    for k, name in _at_walls(sections):
        entry = sections["ion"][k]
        if entry.plates:
            yield (
                f"ion.{k}.{name}: {entry.name!r}: is the ion that goes along with others at walls "
                f"to balance their charge; give {name} to the other ion"
            )
        elif sections.get("study") == "steady" and name != "adsorption":
            yield (
                f"ion.{k}.{name}: {entry.name!r}: changes its content for good, so there is no "
                "steady state; take study = 'tertiary'"
            )


def fields(sections: Mapping[str, Any]) -> Iterator[Field]:
    """Concentration and driving potential of each ion."""
    if sections.get("electrolyte_model") is None:
        return
    for k, name in enumerate(_names(sections)):
        yield Field(f"c_{name}", "mol/m^3", f"ions of {name}", "electrolyte", shown=(1e-3, "mol/L"))
        if k and sections["electrolyte_model"].model == "ions":
            yield Field(f"mu_{name}", "V", f"potential of {name} over that of the metal ion",
                        "electrolyte", f"balance of {name}", offset=True, block="salt")
    for entry in sections.get("ion", ()):
        if entry.adsorption is not None:
            yield Field(f"theta_{entry.name}", "", f"sites taken by {entry.name}", medium="wall",
                        balance=f"sites of {entry.name}")
        if entry.release is not None:
            yield Field(f"left_{entry.name}", "", f"share left of the stock of {entry.name}",
                        medium="wall", balance=f"stock of {entry.name}")


def places(sections: Mapping[str, Any]) -> Iterator[Place]:
    """Surfaces that carry sites."""
    for k, name in _at_walls(sections):
        on = getattr(sections["ion"][k], name).on
        yield Place(f"ion.{k}.{name}.on", on, "surface" if name == "adsorption" else "either")
