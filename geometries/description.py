"""Parameters of a family with unit, range, default and meaning, from its model."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass

from annotated_types import Ge, Gt, Interval, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fem.values.introspection import choices, default, marks, tables
from fem.values.units import Quantity, unit_of

__all__ = ["Parameter", "parameters"]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a family.

    Attributes:
        path: dotted; `<n>` stands for the number of an entry of a list, `<name>` for a name.
        kind: what it is: `length`, `number`, `integer`, `text`, `table`, or the words to choose
            from; a list where one may be given.
        limits: range of the value, such as `0.02 to 1` or `above 0 m`; empty without one.
        default: as written in a case; `required`; empty where the builder chooses, as the meaning
            says, or where nothing is done without it.
        meaning: a sentence, from the model's docstring.
    """

    path: str
    kind: str
    limits: str
    default: str
    meaning: str


def parameters(model: type[BaseModel], prefix: str = "") -> Iterator[Parameter]:
    """The parameters of a family, those of its layers and films after the list they belong to."""
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        kind, limits = _kind(field), _limits(field)
        meaning = meanings.get(name) or ("kind of the layer." if name == "family" else "")
        yield Parameter(path, kind, limits, default(field), meaning)
        for inner, place in tables(field.annotation, path):
            tag = inner.model_fields.get("family")
            below = place if tag is None else f"{place}({choices(tag)})"
            yield from parameters(inner, f"{below}.")


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """Parameter -> meaning, from the `Attributes` of the docstrings of a model and its bases."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        _, _, body = text.partition("Attributes:\n")
        name = ""
        for line in body.splitlines():
            if line.startswith("    ") and not line.startswith("     "):
                name, _, meaning = line.strip().partition(":")
                found[name] = re.sub(r"^> 0\W*", "", meaning.strip())  # its range says so
            elif line.startswith("     ") and name:
                found[name] += " " + line.strip()
            elif line.strip():
                break
    return found


def _kind(field: FieldInfo) -> str:
    parts = marks(field)
    several = "list of " if any(typing.get_origin(p) is tuple for p in parts) else ""
    if several and bool in parts:
        return "true | false, or list of names"
    if any(typing.get_origin(p) is dict for p in parts):
        return "table"
    if any(tables(field.annotation)):
        return several + ("tables" if several else "table")
    unit = unit_of(field)
    if unit is not None:
        one = {"m": "length"}.get(unit, f"quantity in {unit}")
        return f"{several}{one}{'s' if several and unit == 'm' else ''}"
    if choice := choices(field):
        return several + choice
    words = {str: "text", bool: "true | false", int: "integer", float: "number"}
    kind = " or ".join(dict.fromkeys(
        words[p] for p in parts if isinstance(p, type) and p in words
    ))
    return several + (f"{kind}s" if several and kind in ("number", "integer") else kind)


def _limits(field: FieldInfo) -> str:
    """Bounds of the value, of one entry where there is a list."""
    if any(tables(field.annotation)):
        return ""
    unit, bounds = unit_of(field) or "", {}
    for mark in marks(field):
        if isinstance(mark, Quantity | Interval | Gt | Ge | Lt | Le):
            for key in ("gt", "ge", "lt", "le"):
                if getattr(mark, key, None) is not None:
                    bounds[key] = getattr(mark, key)
    shown = {key: f"{value:.10g} {unit}".rstrip() for key, value in bounds.items()}
    low = f"above {shown['gt']}" if "gt" in shown else shown.get("ge", "")
    high = f"below {shown['lt']}" if "lt" in shown else shown.get("le", "")
    if {"ge", "le"} <= shown.keys():
        return f"{low} to {high}"
    low = f"at least {low}" if "ge" in shown else low
    high = f"at most {high}" if "le" in shown else high
    return ", ".join(part for part in (low, high) if part)
