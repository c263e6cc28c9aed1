"""The case format as text, straight from the models, so that it cannot go out of date."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fem.properties import PropertyOf
from fem.units import Quantity, format_quantity


def schema_text() -> str:
    """Every key of a case: path, kind with unit, default, meaning."""
    from fem.case import Case

    rows = list(_rows(Case, ""))
    width = max(len(path) for path, _, _ in rows)
    lines = [f"{path:{width}}  {kind}\n{'':{width}}    {text}" for path, kind, text in rows]
    return "\n".join(lines)


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        nested = list(_models(field.annotation, path))
        if not nested and name != "step":
            yield path, _kind(field) + _default(field), field.description or ""
        for inner, inner_path in nested:
            text = (inner.__doc__ or "").strip().splitlines()[0]
            yield inner_path, "table" + ("" if not field.is_required() else ", required"), text
            yield from _rows(inner, inner_path.split(" ")[0] + ".")


def _models(annotation: Any, path: str) -> Iterator[tuple[type[BaseModel], str]]:
    """The tables a field holds, with the path that leads into them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        tag = annotation.model_fields.get("step")
        yield annotation, path if tag is None else f"{path} ({typing.get_args(tag.annotation)[0]})"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        yield from _models(arguments[0], path)
    elif origin in (typing.Union, types.UnionType):
        for option in arguments:
            yield from _models(option, path)
    elif origin is tuple:
        yield from _models(arguments[0], f"{path}.<number>")
    elif origin is dict:
        yield from _models(arguments[1], f"{path}.<name>")


def _kind(field: FieldInfo) -> str:
    parts = [*field.metadata, *_parts(field.annotation)]
    found = next((p for p in parts if isinstance(p, PropertyOf | Quantity)), None)
    if isinstance(found, PropertyOf):
        names = ", ".join(found.variables)
        return f"{found.unit or 'number'}; value, profile, table or expression of {names}"
    if isinstance(found, Quantity):
        return f"{found.unit or 'number'}"
    literal = next((p for p in parts if typing.get_origin(p) is Literal), None)
    if literal is not None:
        return " | ".join(str(choice) for choice in typing.get_args(literal))
    words = {str: "text", bool: "true | false", int: "integer", dict: "table"}
    origins = [typing.get_origin(p) or p for p in parts]
    return next((words[p] for p in origins if p in words), "value")


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    if typing.get_origin(annotation) is not Literal:
        for part in (*typing.get_args(annotation), *getattr(annotation, "__metadata__", ())):
            yield from _parts(part)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ", required"
    value = field.get_default(call_default_factory=True)
    if value in (None, "", (), {}):
        return ""
    unit = next((m.unit for m in field.metadata if isinstance(m, Quantity)), "")
    shown = format_quantity(value, unit) if unit else str(value).lower()
    return f", default {shown}"
