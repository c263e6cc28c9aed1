"""Each table of a case by itself: pydantic's errors in our words."""

from __future__ import annotations

import datetime
import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from fem.base.errors import causes, nearest
from fem.values.units import short


def checked_sections(
    model: type[BaseModel], data: Mapping[str, Any], context: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Check the top-level entries one by one, so that a fault in one hides none in another.

    Args:
        model: the case model.
        data: as read from a file.
        context: for the validators (``folder``: what relative paths refer to).

    Returns:
        The valid entries by field name (defaults filled in), and the problems.
    """
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    problems = [
        f"{key}: {short(value)}: unknown name; {nearest(str(key), names)}"
        for key, value in data.items()
        if key not in names
    ]
    sections: dict[str, Any] = {}
    for key, name in names.items():
        field = model.model_fields[name]
        if key not in data:
            if field.is_required():
                problems.append(f"{key}: missing; {field.description}")
            else:
                sections[name] = field.get_default(call_default_factory=True)
            continue
        try:
            sections[name] = _adapter(model, name).validate_python(data[key], context=context)
        except ValidationError as error:
            for item in causes(error):
                problems += problem_lines(key, field.annotation, item)
        except RecursionError:
            problems.append(f"{key}: is nested too deeply")
    return sections, problems


@functools.cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    annotation: Any = field.annotation
    return TypeAdapter(Annotated[annotation, *field.metadata] if field.metadata else annotation)


_PLAIN = {  # pydantic's kind of error -> in our words
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "model_type": "must be a table of names and values",
    "dict_type": "must be a table of names and values",
    "model_attributes_type": "must be a table of names and values",
    "tuple_type": "must be a list",
}


def problem_lines(section: str, annotation: Any, item: ErrorDetails) -> list[str]:
    """One of pydantic's errors in our words, with its place in the case."""
    loc, kind = item["loc"], item["type"]
    tags = {"plate", "strip", "rest", "hold", "pulse", "cycle"}
    parts = [section]
    for k, step in enumerate(loc):
        is_tag = section == "protocol" and k % 3 == 1 and step in tags
        if not is_tag and step != "[key]":
            parts.append(str(step))
    path, value = ".".join(parts), short(item["input"])
    context = item.get("ctx", {})
    if kind == "extra_forbidden":
        known = [name for table in _tables(annotation, loc[:-1]) for name in _keys(table)]
        return [f"{path}: {value}: unknown name; {nearest(str(loc[-1]), known)}"]
    if kind == "missing":
        hints = [
            field.description
            for table in _tables(annotation, loc[:-1])
            for name, field in table.model_fields.items()
            if (field.alias or name) == loc[-1] and field.description
        ]
        return [f"{path}: missing; {hints[0] if hints else 'give a value'}"]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        given = item["input"].get("step") if isinstance(item["input"], Mapping) else None
        if "steps" in parts:
            tags.remove("cycle")  # none inside another one
        hint = nearest(given, tags) if isinstance(given, str) else nearest("", tags)
        return [f"{path}.step: {short(given)}: not a protocol step; {hint}"]
    if kind == "literal_error":
        expected = str(context.get("expected", ""))
        choices = [part.strip(" '") for part in expected.replace(" or ", ",").split(",")]
        hint = nearest(item["input"], choices) if isinstance(item["input"], str) else ""
        close = f"; {hint}" if hint.startswith("did you") else ""
        if item["input"] in choices:
            close = ", without quotes"  # a number that was written as text
        return [f"{path}: {value}: must be {expected}{close}"]
    if kind == "string_pattern_mismatch":
        return [f"{path}: {value}: is not a valid name; use letters, digits and _"]
    if kind in _PLAIN:
        return [f"{path}: {value}: {_PLAIN[kind]}"]
    reason = item["msg"].removeprefix("Value error, ")
    if isinstance(item["input"], Mapping) and reason.split(":")[0] in item["input"]:
        return [f"{path}.{line.strip()}" for line in reason.splitlines()]  # names its places itself
    return [f"{path}: {reason}" if reason.startswith(value) else f"{path}: {value}: {reason}"]


def _tables(annotation: Any, loc: tuple[int | str, ...]) -> Iterator[type[BaseModel]]:
    """The models that describe the place `loc` below a field of this type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not loc:
            yield annotation
        for name, field in annotation.model_fields.items() if loc else ():
            if (field.alias or name) == loc[0]:
                yield from _tables(field.annotation, loc[1:])
        return
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        yield from _tables(arguments[0], loc)
    elif origin in (typing.Union, types.UnionType):
        for option in arguments:
            tag = _tag(option)
            if tag is None:
                yield from _tables(option, loc)
            elif loc and loc[0] == tag:
                yield from _tables(option, loc[1:])
    elif origin in (tuple, dict) and loc:
        yield from _tables(arguments[0 if origin is tuple else 1], loc[1:])


def _tag(option: Any) -> Any:
    """The value of ``step`` that selects a protocol step, None for other types."""
    field = getattr(option, "model_fields", {}).get("step")
    return typing.get_args(field.annotation)[0] if field else None


def _keys(table: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()]


def not_toml(path: str, value: Any) -> Iterator[str]:
    """Problems of a free-form table: content that could not be written back."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                yield f"{path}: {key!r}: names must be text"
            else:
                yield from not_toml(f"{path}.{key}", part)
    elif isinstance(value, list | tuple):
        for k, part in enumerate(value):
            yield from not_toml(f"{path}.{k}", part)
    elif isinstance(value, datetime.date | datetime.time) or not isinstance(
        value, str | bool | int | float
    ):
        yield f"{path}: {short(value)}: {type(value).__name__} is not a text, number or table"


def clipped(line: str, limit: int = 600) -> str:
    """A problem without the middle of what would fill the screen."""
    return line if len(line) <= limit else f"{line[: limit - 200]} ... {line[-190:]}"
