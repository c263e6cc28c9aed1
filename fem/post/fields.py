"""The fields of a result and how they look: as the run wrote them down, or as installed."""

from __future__ import annotations

from typing import Any

from fem.contract.physics import Field
from fem.contract.registry import with_own
from fem.results.result import Result

__all__ = ["field_of", "fields_of", "maps_of"]


def fields_of(result: Result) -> dict[str, Field]:
    """Declared fields by name; those that the run wrote down win."""
    own: dict[str, dict[str, Any]] = result.declared.get("fields", {})
    return with_own().fields | {name: _read(name, said) for name, said in own.items()}


def _read(name: str, said: dict[str, Any]) -> Field:
    """A field as the run wrote it down; lists were tuples."""
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
    return Field(name, **given)


def field_of(result: Result, name: str) -> Field:
    """A field by name; of one that nobody has declared only the name is known."""
    return fields_of(result).get(name) or Field(name, "", name.replace("_", " "))


def maps_of(result: Result) -> dict[str, tuple[str, ...]]:
    """Figures that are maps of fields, as the run wrote them down: name -> fields."""
    return {name: tuple(fields) for name, fields in result.declared.get("figures", {}).items()}
