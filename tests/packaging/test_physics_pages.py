"""Every physics has its page, and the page names what the physics declares."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from fem.case import protocol, tables
from fem.case.case import Case
from fem.contract.physics import Physics, named, records
from fem.contract.registry import CATALOGUE
from fem.materials import names as materials

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "physics"
INDEX = PAGES / "README.md"
#: By folder, whose name is that of the page; a folder may have a record for each of its tables.
PHYSICS: dict[str, list[Physics]] = {}
for _place in named(CATALOGUE):
    PHYSICS[_place.partition(":")[0].rpartition(".")[2]] = [*records(named(_place))]
#: Physics that no case can ask for; they have a page as well.
PYTHON_ONLY = {"published"}
#: Tables that a case had before physics brought their own, and the pages that name their keys.
CORE: dict[type[BaseModel], tuple[str, ...]] = {
    tables.Region: ("electrons", "ions"),
    tables.Kinetics: ("walls", "metal"),
    tables.Coating: ("walls",),
    tables.Boundary: ("circuit",),
    tables.Counter: ("circuit",),
    tables.Collector: ("walls",),
    tables.Initial: ("circuit", "ions", "walls", "metal"),
    protocol.Plate: ("circuit",),
    protocol.Strip: ("circuit",),
    protocol.Rest: ("circuit",),
    protocol.Hold: ("circuit",),
    protocol.Pulse: ("circuit",),
    protocol.Cycle: ("circuit",),
}


def page(name: str) -> str:
    """Text of a page."""
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def code(text: str) -> str:
    """Code on a page: spans, and blocks that are fenced or indented."""
    fenced = re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^ {4}.*$", text, re.MULTILINE)
    return "\n".join([*fenced, *indented, *re.findall(r"`([^`\n]+)`", text)])


def names(text: str) -> set[str]:
    """Names of a page's code."""
    return {*re.findall(r"\w+", code(text))}


def keys(table: type[BaseModel]) -> Iterator[str]:
    """Keys of a table as a case writes them, and of the tables inside it."""
    for name, entry in table.model_fields.items():
        yield entry.alias or name
        waiting = [entry.annotation]
        while waiting:
            kind = waiting.pop()
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys(kind)
            waiting += typing.get_args(kind)


@pytest.mark.parametrize("name", PHYSICS)
def test_a_page_names_what_its_physics_declares(name: str) -> None:
    own, found = PHYSICS[name], names(page(name))
    for what, declared in {
        "fields": [field.name for physics in own for field in physics.fields],
        "columns": [column.name.removesuffix(".*") for physics in own
                    for column in physics.columns],
        "figures": [figure.name for physics in own for figure in physics.figures],
        "events": [event.name for physics in own for event in physics.events],
        "keys": [key for physics in own if physics.table for key in keys(physics.table)],
    }.items():
        lost = [each for each in declared if each not in found]
        assert not lost, f"docs/physics/{name}.md names none of the {what} {', '.join(lost)}"


@pytest.mark.parametrize("table", CORE, ids=lambda table: table.__name__)
def test_pages_name_the_keys_of_a_table_of_the_core(table: type[BaseModel]) -> None:
    found = set().union(*(names(page(name)) for name in CORE[table]))
    lost = [key for key in keys(table) if key not in found]
    pages = ", ".join(f"docs/physics/{name}.md" for name in CORE[table])
    assert not lost, f"{pages}: none names {', '.join(lost)}"


@pytest.mark.parametrize("name", PHYSICS)
def test_the_table_of_a_page_can_be_read(name: str) -> None:
    """Each table by itself: a page may show keys side by side that a case gives one at a time."""
    _, _, rest = page(name).partition("\n## Table\n")
    block = re.findall(r"^ {4}.*$", rest.partition("\n## ")[0], re.MULTILINE)
    shown = tomllib.loads("\n".join(line[4:] for line in block))
    kinds: dict[str, Any] = {key: entry.annotation for key, entry in Case.model_fields.items()}
    for physics in (each for own in PHYSICS.values() for each in own):
        table: Any = physics.table
        kinds[physics.key] = tuple[table, ...] if physics.many else table
    assert shown
    for key, value in shown.items():
        TypeAdapter(kinds[key]).validate_python(value, context={"folder": ROOT})
    known = {n for kind in ("solid", "electrolyte", "separator") for n in materials(kind)}
    lost = set(re.findall(r'\bmaterial = "(\w+)"', "\n".join(block))) - known
    assert not lost, f"docs/physics/{name}.md: no material of the library: {', '.join(lost)}"


def test_every_folder_of_a_physics_has_its_page_and_every_page_its_row() -> None:
    folders = {p.parent.name for p in (ROOT / "fem" / "physics").glob("*/__init__.py")}
    pages = {p.stem for p in PAGES.glob("*.md")} - {"README"}
    assert {*PHYSICS} | PYTHON_ONLY == folders == pages
    index = INDEX.read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\)", index, re.MULTILINE)
    assert all(shown == linked for shown, linked in rows)
    assert sorted(shown for shown, _ in rows) == sorted(pages)


@pytest.mark.parametrize("file", sorted(PAGES.glob("*.md")), ids=lambda file: file.stem)
def test_what_a_page_points_to_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (file.parent / target).exists(), target
    for path in re.findall(r"\b(?:fem|tests|scripts|docs)/[\w./-]*\w", code(text)):
        assert (ROOT / path).exists() or (ROOT / f"{path}.py").exists(), path
    for file_name, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)", text):
        assert f"def {test}" in (ROOT / file_name).read_text(encoding="utf-8"), test


def test_a_key_that_is_no_code_is_not_named() -> None:
    """The words of a sentence do not count, or every key would be there."""
    found = names("density `rate` of\n\n    [heat]\n    k = 1\n")
    assert found == {"rate", "heat", "k", "1"}
