"""[inventory] of a case: losses of each cycle as inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field as Key

from fem.materials.data import OWN_SOURCE, Status
from fem.values.kinds import Length, Name, PathText, Table, Text
from fem.values.units import Quantity

__all__ = ["Dead", "Inventory", "Layer", "Sei", "Stack", "check"]

Share = Annotated[float, Quantity("", ge=0, lt=1)]


class Dead(Table):
    """Metal on walls that loses its contact: an input, or from a run that resolves it."""

    law: Literal["fraction", "decay"] | None = Key(
        None, description="fraction: of the metal that dissolves; decay: of the metal that is there"
    )
    share: Annotated[float, Quantity("", ge=0, le=1)] | None = Key(
        None, description="fraction: metal stranded per metal dissolved"
    )
    rate: Annotated[float, Quantity("1/s", ge=0)] | None = Key(
        None, description="decay: share of the live metal that is stranded per time"
    )
    from_: PathText | None = Key(
        None, alias="from", description="folder of a growth run of the same host that gives share"
    )
    status: Status = Key("assumed", description="checked, cited or assumed")
    source: Text = Key(OWN_SOURCE, description="where the number is from")


class Sei(Table):
    """Charge of plating on walls that makes SEI in place of metal: an input."""

    share: Share = Key(description="of the current of plating")
    status: Status = Key("assumed", description="checked, cited or assumed")
    source: Text = Key(OWN_SOURCE, description="where the number is from")


Density = Annotated[float, Quantity("kg/m^3", gt=0)]


class Layer(Table):
    """A layer of the stack that is not in the mesh."""

    name: Name = Key(description="as the summary lists it")
    thickness: Length = Key(description="its thickness")
    material: Name | None = Key(None, description="solid of the library, for its density")
    density: Density | None = Key(None, description="of all of it, pores included")


class Stack(Table):
    """Masses and volumes of the stack: what is in the mesh, the metal, and layers beside it."""

    density: dict[Name, Density] = Key(
        default_factory=dict,
        description="by region, of its solid without pores, or of `electrolyte`; default the "
        "library's",
    )
    layers: tuple[Layer, ...] = Key(
        (), description="collectors, a cathode, what else is to be counted"
    )


class Inventory(Table):
    """Books of the metal that is cycled, closed at every step; an empty table keeps them."""

    dead: Dead | None = Key(None, description="metal on walls that loses its contact")
    sei: Sei | None = Key(None, description="charge that makes SEI in place of metal")
    stack: Stack | None = Key(None, description="masses and volumes, for Wh/kg, Wh/L and g/Ah")

    @property
    def losses(self) -> dict[str, Dead | Sei]:
        """The losses that are given, by their keys."""
        return {name: loss for name, loss in vars(self).items() if isinstance(loss, Dead | Sei)}


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Losses that contradict themselves, or a study in which they happen by themselves."""
    table = sections.get("inventory")
    if table is None:
        return
    if sections.get("study") == "growth":
        for name in table.losses:
            yield (
                f"inventory.{name}: a growth study finds dead metal by itself and its walls have "
                'no such loss; leave it out, or study = "tertiary"'
            )
    elif table.sei is not None and sections.get("sei"):
        yield "inventory.sei: a table [[sei]] says what films take; keep one of them"
    if table.dead is not None:
        yield from _dead(table.dead)
    taken = {"metal", "electrolyte"}
    for k, layer in enumerate(table.stack.layers if table.stack else ()):
        if layer.name in taken:
            yield (
                f"inventory.stack.layers.{k}.name: {layer.name!r} is counted already, under this "
                "name; rename the layer"
            )
        taken.add(layer.name)
        if (layer.material is None) == (layer.density is None):
            yield f"inventory.stack.layers.{k}: {layer.name!r}: give its material, or its density"


def _dead(dead: Dead) -> Iterator[str]:
    """Problems of the input for dead metal."""
    own = {"fraction": "share", "decay": "rate"}
    if dead.from_ is not None:
        given = [name for name in ("law", *own.values()) if getattr(dead, name) is not None]
        for name in given:
            yield f"inventory.dead.{name}: the run named in from says so; keep one of them"
        if not Path(dead.from_).is_dir():
            yield f"inventory.dead.from: {dead.from_!r}: no such folder"
        return
    if dead.law is None:
        yield 'inventory.dead.law: missing; "fraction" with share, "decay" with rate, or from'
        return
    for law, key in own.items():
        given_value = getattr(dead, key)
        if law == dead.law and given_value is None:
            yield f"inventory.dead.{key}: missing; {type(dead).model_fields[key].description}"
        if law != dead.law and given_value is not None:
            yield (
                f"inventory.dead.{key}: {given_value:g}: belongs to law = {law!r}; leave it out"
            )
