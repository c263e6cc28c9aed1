"""The case format as text, straight from the models, so that it cannot go out of date."""

from __future__ import annotations

import typing
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fem.case.guests import Guests, model
from fem.values.introspection import choices, default, marks, tables
from fem.values.properties import PropertyOf
from fem.values.units import Quantity


def schema_text(guests: Guests | None = None) -> str:
    """Every key of a case: path, kind with unit, default, meaning.

    Args:
        guests: the physics that it knows; default all that are installed.
    """
    from fem.case.case import Case

    rows = list(_rows(model(Case, guests or Guests.of(None, False)), ""))
    width = max(len(path) for path, _, _ in rows)
    lines = [f"{path:{width}}  {kind}\n{'':{width}}    {text}" for path, kind, text in rows]
    return "\n".join(lines)


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        nested = list(tables(field.annotation, path))
        if not nested and name != "step":
            yield path, _kind(field) + _default(field), field.description or ""
        for inner, inner_path in nested:
            text = (inner.__doc__ or "").strip().splitlines()[0]
            tag = inner.model_fields.get("step")
            shown = inner_path if tag is None else f"{inner_path} ({choices(tag)})"
            yield shown, "table" + ("" if not field.is_required() else ", required"), text
            yield from _rows(inner, f"{inner_path}.")


def _kind(field: FieldInfo) -> str:
    parts = marks(field)
    found = next((p for p in parts if isinstance(p, PropertyOf | Quantity)), None)
    if isinstance(found, PropertyOf):
        names = ", ".join(found.variables)
        return f"{found.unit or 'number'}; value, profile, table or expression of {names}"
    if isinstance(found, Quantity):
        return f"{found.unit or 'number'}"
    if words := choices(field):
        return words
    kinds = {str: "text", bool: "true | false", int: "integer", dict: "table"}
    origins = [typing.get_origin(p) or p for p in parts]
    return next((kinds[p] for p in origins if p in kinds), "value")


def _default(field: FieldInfo) -> str:
    text = default(field)
    return f", {text}" if text == "required" else f", default {text}" if text else ""
