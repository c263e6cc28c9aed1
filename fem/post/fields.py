"""Fields and figures of a result, as the run wrote them down or as installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fem.contract.physics import Field, Figure
from fem.contract.registry import with_own
from fem.results.result import Result

__all__ = ["cut_off_of", "drawable", "field_of", "fields_of", "figures_of", "phase_of"]


def fields_of(result: Result) -> dict[str, Field]:
    """Declared fields by name; those that the run wrote down win."""
    own: dict[str, dict[str, Any]] = result.declared.get("fields", {})
    return with_own().fields | {name: _read(name, entry) for name, entry in own.items()}


def _read(name: str, entry: dict[str, Any]) -> Field:
    """A field as the run wrote it down; lists were tuples. Older runs did not say all of it."""
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    installed = with_own().fields.get(name)
    return Field(name, **given) if installed is None else replace(installed, **given)


def drawable(result: Result) -> set[str]:
    """Names of the fields that a result has, and of gradients that figures draw of them."""
    known = {name for block in result.blocks for name in result.fields(block)}
    return known | {f.name for f in fields_of(result).values() if f.gradient_of in known}


def field_of(result: Result, name: str) -> Field:
    """A field by name; of one that nobody has declared only the name is known."""
    return fields_of(result).get(name) or Field(name, "", name.replace("_", " "))


def phase_of(result: Result) -> str:
    """Name of the field that says where metal is; of a result of a growth study."""
    return next(name for name, field in _of_metal(result) if field.fills)


def cut_off_of(result: Result) -> str:
    """Name of the field that says which metal has no contact; empty without one."""
    return next((name for name, field in _of_metal(result) if field.cut_off), "")


def _of_metal(result: Result) -> Iterator[tuple[str, Field]]:
    """Fields of the block `metal`; older results do not say all of them."""
    known = fields_of(result) | with_own().fields
    return ((name, known[name]) for name in result.fields("metal") if name in known)


def figures_of(result: Result) -> dict[str, Figure]:
    """Declared figures by name: those that are installed, and maps that the run wrote down."""
    own: dict[str, list[str]] = result.declared.get("figures", {})
    return with_own().figures | {
        name: Figure(name, "", tuple(fields))
        for name, fields in own.items() if name not in with_own().figures
    }
