"""The fields of pydantic models, taken apart: the tables they hold, their marks and defaults.

What is printed of the case format and of the families of geometries is read off the models by
these, so that it cannot go out of date.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fem.values.units import format_quantity, unit_of

__all__ = ["choices", "default", "marks", "tables"]


def tables(annotation: Any, path: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """The models that a field holds, each with the path that leads into it.

    Args:
        annotation: type of the field.
        path: of the field; `<n>` stands for the number of an entry of a list, `<name>` for a key.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, path
    elif origin is Annotated:
        yield from tables(arguments[0], path)
    elif origin in (typing.Union, types.UnionType):
        for option in arguments:
            yield from tables(option, path)
    elif origin is tuple:
        yield from tables(arguments[0], f"{path}.<n>")
    elif origin is dict:
        yield from tables(arguments[1], f"{path}.<name>")


def marks(field: FieldInfo) -> list[Any]:
    """Everything that a field's type is made of, and its metadata, from outside inwards."""
    return [*field.metadata, *_parts(field.annotation)]


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    if typing.get_origin(annotation) is not Literal:
        for part in (*typing.get_args(annotation), *getattr(annotation, "__metadata__", ())):
            yield from _parts(part.metadata if isinstance(part, FieldInfo) else part)
    if isinstance(annotation, list):
        for part in annotation:
            yield from _parts(part)


def choices(field: FieldInfo) -> str:
    """The words that may be chosen from, as `a | b`; empty if it is no choice."""
    found = (p for p in marks(field) if typing.get_origin(p) is Literal)
    return " | ".join(str(word) for word in typing.get_args(next(found, None)))


def default(field: FieldInfo) -> str:
    """The default as written in a case; `required`; empty where nothing stands for it."""
    if field.is_required():
        return "required"
    value, unit = field.get_default(call_default_factory=True), unit_of(field)
    if value in (None, "", (), {}):
        return ""
    if unit:
        return format_quantity(value, unit)
    return str(value).lower() if isinstance(value, bool) else f"{value}"
