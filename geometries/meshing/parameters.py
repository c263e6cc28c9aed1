"""Common parts of the parameter models of all families."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from fem.base.errors import CaseError, causes
from fem.values.introspection import tables
from fem.values.units import quantity, shown_length

if TYPE_CHECKING:
    Length = float
else:
    Length = quantity("m", gt=0)  # m, written as a quantity string such as "30 um"
# m, of a later version: left out of dumps without a value, so that hashes stay what they were.
Later = Annotated[Length | None, Field(exclude_if=lambda value: value is None)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]
Growth = Annotated[float, Field(gt=1.0, le=2.0)]


# From the separator side downwards: one value, or several at equal distances, linear in between.
Graded = Annotated[
    tuple[Length, ...],
    BeforeValidator(lambda v: v if isinstance(v, list | tuple) else (v,)),
    Field(min_length=1, max_length=20),
]


def at_depth(graded: tuple[float, ...], share: float) -> float:
    """Value of a graded quantity at a share of the layer's depth: 0 at its top, 1 at its bottom."""
    place = share * (len(graded) - 1)
    i = min(int(place), len(graded) - 2)
    if len(graded) == 1:
        return graded[0]
    return graded[i] + (place - i) * (graded[i + 1] - graded[i])


@dataclass(frozen=True)
class Names:
    """Names of the regions and boundaries of a mesh, known before it is built.

    Attributes:
        regions: of every mesh with these parameters.
        perhaps: further ones that a mesh has or has not, by what is drawn at random or read.
        floor: those of `regions` that touch the collector; None if it is not known.
        axis: the mesh has a boundary `axis`.
        loose: (solid, pores around it) whose bodies touch nothing in this geometry.
    """

    regions: tuple[str, ...]
    perhaps: tuple[str, ...] = ()
    floor: tuple[str, ...] | None = None
    axis: bool = False
    loose: tuple[tuple[str, str], ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every region that there may be, once."""
        return tuple(dict.fromkeys(self.regions + self.perhaps))

    @property
    def boundaries(self) -> tuple[str, ...]:
        """Every boundary."""
        return ("collector", "counter", "sides", *(("axis",) if self.axis else ()))


def above(gap: float | None, separator: float | None) -> tuple[str, ...]:
    """Regions above a host."""
    return (*(("electrolyte_gap",) if gap else ()), *(("separator",) if separator else ()))


def below(porosity: float, least: float, what: str, reached: str) -> list[str]:
    """A porosity that no cell of a kind reaches, as `porosity: reason`; nothing if one may.

    Args:
        porosity: asked.
        least: below every one that was reached.
        what: the kind.
        reached: range that cells of several sizes reached.
    """
    if porosity >= least:
        return []
    return [f"porosity: {porosity:g} lies below {least:g}, less than {what} reach in 3D (the least "
            f"was {reached}, the lower the smaller the cell); take a higher one"]


def same_names(layers: Iterable[Any], *taken: str) -> list[str]:
    """Layers of one name, or with one that is taken, as `layers: reason`; nothing without."""
    names = [layer.name for layer in layers]
    if len({*names}) == len(names) and not {*taken} & {*names}:
        return []
    kept = " or ".join(map(repr, taken))
    return [f"layers: names must be unique and not {kept}: {', '.join(names)}"]


def cut_breadth(dimension: int, breadth: float | None) -> list[str]:
    """A breadth of a cut, as `breadth: reason`; nothing without."""
    return ["breadth: only with dimension = 3"] if dimension == 2 and breadth else []


class Parameters(BaseModel):
    """Base of every family's parameters: frozen, unknown names refused.

    A family's own model also has `names() -> Names`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    def box(self) -> tuple[float, ...] | None:
        """Far corner of the cell, whose near one is the origin, m; None if its mesh decides."""
        return None

    def _faults(self) -> list[str]:
        """Conflicts between its values, each as `name: reason`."""
        return []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if wrong := self._faults():
            raise ValueError("\n  ".join(wrong))
        return self


class Skin(Parameters):
    """A resolved film on the walls of a host, region `coating_<name>`.

    Films much thinner than the cells on a wall are better marked in the case's [[coatings]].

    Attributes:
        name: of the film.
        thickness: > 0; several values: linear in between, from the separator side downwards.
    """

    name: Name
    thickness: Graded

    @property
    def region(self) -> str:
        """Name of the region."""
        return f"coating_{self.name}"


class Whiskers(Parameters):
    """Thin rods that stand on the walls of a host, region `host_<name>`.

    They stay clear of other walls and of one another; where there is no room there is none. They
    are not counted in a layer's porosity.

    Attributes:
        name: of the whiskers.
        length: of one rod.
        diameter: > 0, at most a third of the length.
        spacing: mean distance on the wall, at least 2 diameters; several values: linear in between,
            from the separator side downwards.
    """

    name: Name = "whiskers"
    length: Length
    diameter: Length
    spacing: Graded

    def _faults(self) -> list[str]:
        wrong = []
        if self.diameter > self.length / 3:
            wrong.append("diameter: at most a third of the length, "
                         f"{shown_length(self.length / 3)}")
        if min(self.spacing) < 2 * self.diameter:
            wrong.append(f"spacing: at least two diameters, {shown_length(2 * self.diameter)}")
        return wrong

    @property
    def region(self) -> str:
        """Name of the region."""
        return f"host_{self.name}"


def validated[P: BaseModel](model: type[P], family: str, parameters: dict[str, Any]) -> P:
    """Parameters checked by the family's model.

    Raises:
        CaseError: lists every problem with place, value, reason and, for an unknown name, the
            nearest valid one.
    """
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        lines = [_line(model, item) for item in causes(error)]
        raise CaseError(f"geometry of family {family!r}:\n  " + "\n  ".join(lines)) from None


def _line(model: type[BaseModel], item: Any) -> str:
    place = ".".join(str(p) for p in item["loc"]) or "parameters"
    reason = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        known = _known(model)
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        return f"{place}: unknown name; {hint}"
    if item["type"] == "missing":
        return f"{place}: missing, give a value"
    if item["loc"]:
        return f"{place}: {reason} (got {item['input']!r})"
    return reason


def _known(model: type[BaseModel]) -> list[str]:
    """Field names of a model and of the models nested in it."""
    names: dict[str, None] = {}
    for name, info in model.model_fields.items():
        names[name] = None
        for inner, _ in tables(info.annotation):
            names.update(dict.fromkeys(_known(inner)))
    return list(names)
