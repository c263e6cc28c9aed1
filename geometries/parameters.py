"""What the parameter models of all families share."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fem.errors import CaseError
from fem.units import quantity

if TYPE_CHECKING:
    Length = float
else:
    Length = quantity("m", gt=0)  # m, written as a quantity string such as "30 um"
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]
Growth = Annotated[float, Field(gt=1.0, le=2.0)]


class Parameters(BaseModel):
    """Base of every family's parameters: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def validated[P: BaseModel](model: type[P], family: str, parameters: dict[str, Any]) -> P:
    """Parameters checked by the family's model.

    Raises:
        CaseError: lists every problem with place, value, reason and, for an unknown name, the
            nearest valid one.
    """
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        lines = [_line(model, item) for item in error.errors(include_url=False)]
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
        for inner in _models(info.annotation):
            names.update(dict.fromkeys(_known(inner)))
    return list(names)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in getattr(annotation, "__args__", ()) for m in _models(a)]
