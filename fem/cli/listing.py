"""One thing of the catalogue or the library in full, as text: the answers of `hostplate list`."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from fem.base.constants import T_REF
from fem.base.errors import CaseError, nearest
from fem.case.files import read_toml
from fem.case.tables import STUDIES
from fem.contract.registry import with_own
from fem.materials import Dependent, Electrolyte, Material, library

__all__ = ["file_lines", "geometry_lines", "material_lines", "physics_lines"]

TEXT_WIDTH = 100


def material_lines(name: str) -> Iterator[str]:
    """Every number of a material, or of a pair such as `Li/Cu`: value, status, source.

    Raises:
        CaseError: unknown; names the nearest.
    """
    found = [*_entries(name)]
    if not found:
        kinds = ("metal", "electrolyte", "solid", "separator", "pair")
        known = [other for kind in kinds for other in library.names(kind)]
        raise CaseError(f"the library has no material {name!r}; {nearest(name, known)}")
    for k, entry in enumerate(found):
        yield from ["", *_entry(entry)] if k else _entry(entry)
    pairs = [key for key in library.names("pair") if name in key.split("/")]
    if pairs and "/" not in name:
        yield ""
        listed = "pairs (metal/surface), each shown by `hostplate list materials METAL/SURFACE`:"
        yield from _wrapped(f"{listed} {', '.join(pairs)}", "")


def _entries(name: str) -> Iterator[Material]:
    """The entries of this name; a pair in every electrolyte it has numbers for."""
    for kind, read in (("metal", library.metal), ("solid", library.solid),
                       ("electrolyte", library.electrolyte), ("separator", library.separator)):
        if name in library.names(kind):
            yield read(name)
    for key in library.names("pair"):
        if key == name or (key.startswith(f"{name}/") and name.count("/") == 1):
            metal, surface, *electrolyte = key.split("/")
            yield library.pair(metal, surface, *electrolyte)


def _entry(entry: Material) -> Iterator[str]:
    yield f"{entry.name} ({entry.kind})"
    rows = [(f"{name} = {entry.__dict__[name]}", "", "") for name in ("cation", "z", "z_minus")
            if entry.__dict__.get(name)]
    for datum, number in entry.numbers().items():
        value = number.given
        if isinstance(number, Dependent) and isinstance(entry, Electrolyte) and number.variables:
            at = f"{number(float(entry.c0), T_REF):.4g} {number.unit}".rstrip()
            value = f"{value}; {at} at c0 and {T_REF:g} K"
        rows.append((f"{datum} = {value}", number.status, number.source))
    for shown, status, source in rows:
        yield f"  {shown}{f'   [{status}]' if status else ''}"
        yield from _wrapped(source, "      ")
    missing = [n for n in type(entry).model_fields if n != "notes" and not entry.has(n)]
    if missing:
        yield from _wrapped(f"not known: {', '.join(missing)}", "  ")
    if entry.notes:
        yield from _wrapped(f"note: {entry.notes}", "  ")


def geometry_lines(family: str) -> Iterator[str]:
    """Every parameter of a family: kind, range, default and meaning.

    Raises:
        CaseError: no such family; names the nearest.
    """
    from geometries.description import parameters
    from geometries.registry import model

    found = model(family)
    text = importlib.import_module(f"geometries.builders.{family}").__doc__ or ""
    yield text.strip().splitlines()[0]
    for p in parameters(found):
        default = f"default {p.default}" if p.default not in ("", "required") else p.default
        about = [p.kind, p.limits, default or "optional"]
        yield f"  {p.path}: {', '.join(part for part in about if part)}"
        yield from _wrapped(p.meaning, "      ")


def physics_lines(name: str) -> Iterator[str]:
    """A study, or what a registered physics declares: studies, fields, columns, figures.

    Raises:
        CaseError: no such study or physics; names the nearest.
    """
    if name in STUDIES:
        yield f"{name}: {STUDIES[name]}"
        return
    known = {p.name: p for p in with_own().physics}
    if name not in known:
        raise CaseError(f"no study {name!r}; {nearest(name, STUDIES | known)}")
    physics = known[name]
    yield f"{name}: {physics.doc}"
    yield f"  studies: {', '.join(sorted(physics.studies))}"
    if physics.table is not None:
        table = f"[[{name}]]" if physics.many else f"[{name}]"
        yield f"  table: {table}, see `hostplate show schema`"
    for field in physics.fields:
        yield f"  field {field.name}{f' [{field.unit}]' if field.unit else ''}: {field.label}"
    for column in physics.columns:
        unit = f" [{column.unit}]" if column.unit else ""
        yield f"  {'closure' if column.closure else 'column'} {column.name}{unit}: {column.doc}"
    for figure in physics.figures:
        yield f"  figure {figure.name}: {figure.doc}"


def file_lines(name: str, files: dict[str, Path], kind: str) -> Iterator[str]:
    """Title, source and notes of a case or a host, and where its file is.

    Raises:
        CaseError: no such name; names the nearest.
    """
    if name not in files:
        raise CaseError(f"no {kind} {name!r} in the catalogue; {nearest(name, files)}")
    data = read_toml(files[name])
    yield from _wrapped(str(data.get("title", name)), "")
    for key in ("source", "notes"):
        if data.get(key):
            yield from _wrapped(f"{key}: {data[key]}", "  ")
    yield f"  file: {files[name]}"


def _wrapped(text: str, indent: str) -> Iterable[str]:
    return textwrap.wrap(" ".join(text.split()), TEXT_WIDTH, initial_indent=indent,
                         subsequent_indent=indent, break_long_words=False,
                         break_on_hyphens=False)
