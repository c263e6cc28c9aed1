"""The page on the rooms names those of the import contracts, in their order."""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fem.contract.physics import named, records
from fem.contract.registry import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_the_floors_of_the_contracts() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page[page.index("| floor |") : page.index("## The way of a case")]
    rows = [row.split("|")[2] for row in table.splitlines()[2:] if row.startswith("|")]
    shown = [re.findall(r"`([\w.]+)`", row) for row in rows]
    assert shown == [[name.strip() for name in layer.split("|")] for layer in layers]


#: Words that are names of physics or fields, and of much else.
COMMON = {"T", "c", "phi", "reaction"}
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
#: Folder of a guest -> lines that name it elsewhere in `fem`: in rooms above and below physics, and
#: in those of other physics.
COUNTED = {
    name: (int(outside), int(beside))
    for name, outside, beside in re.findall(r"(?m)^\| `(\w+)` \| (\d+) \| (\d+) \|$", PAGE)
}


class Name(NamedTuple):
    """A name in a file of `fem`, and whether it is one of an attribute."""

    where: tuple[str, ...]
    line: int
    name: str
    attribute: bool = False


@functools.cache
def names() -> list[Name]:
    """Names in all files of `fem`: imports, texts, attributes."""
    found = []
    for file in sorted((ROOT / "fem").rglob("*.py")):
        where = file.relative_to(ROOT).parts
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                found.append(Name(where, node.lineno, f"{node.module}."))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(Name(where, node.lineno, node.value))
            elif isinstance(node, ast.Attribute):
                found.append(Name(where, node.lineno, node.attr, attribute=True))
    return found


def places(folder: str) -> Iterator[tuple[str, int]]:
    """Rooms, and lines in them, that name a physics by import, table, field or place."""
    (place,) = (place for place in named(CATALOGUE) if f".{folder}:" in place)
    declared = records(named(place))
    keys = {p.key for p in declared if p.table is not None} - {*COMMON, "ion", "map"}
    words = {n for p in declared for n in (p.name, p.key, *(f.name for f in p.fields))} - COMMON
    home = f"fem.physics.{folder}"
    for where, line, name, attribute in names():
        if where[1:3] == ("physics", folder) or where[-1] == "catalogue.py":
            continue
        named_here = name in words and (not attribute or name in keys)
        if named_here or (not attribute and name.startswith((f"{home}.", f"{home}:"))):
            yield "/".join(where[1:]), line


@pytest.mark.parametrize("folder", COUNTED)
def test_the_page_counts_the_lines_that_name_a_guest(folder: str) -> None:
    found = {*places(folder)}
    beside = {place for place in found if place[0].startswith("physics/")}
    assert COUNTED[folder] == (len(found - beside), len(beside)), sorted(found)
    assert len(found) < 5 and len({file for file, _ in found}) < 5, found  # and the catalogue
