"""Rooms that know no unknown by name."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from fem.case.tables import Boundary
from fem.contract.registry import with_own
from fem.study.build import Model
from tests.conftest import ROOT

#: All fields that physics of this package declare; T is a variable of laws and expressions, too.
FIELDS = {"phi", *with_own().fields} - {"T"}


#: Variables of laws.
VARIABLES = {"c", "T"}


def literals(file: Path) -> set[str]:
    """All strings of a module but those of `__all__`."""
    tree = ast.parse(file.read_text())
    nodes = (n for top in tree.body if not isinstance(top, ast.Assign) or
             [t.id for t in top.targets if isinstance(t, ast.Name)] != ["__all__"]
             for n in ast.walk(top))
    return {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}


#: Rooms that handle any field alike, and what is a name of something else there.
ROOMS: dict[str, set[str]] = {
    **{room: set() for room in ("base", "case", "cli", "contract", "files", "mesh", "post", "run",
                                "solver", "theory")},
    "study": VARIABLES,
    "setup": VARIABLES | {*Boundary.model_fields},  # keys of [boundaries], as messages say them
}  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_no_literal_is_the_name_of_a_field(room: str) -> None:
    for file in sorted((ROOT / "fem" / room).glob("*.py")):
        spelt = literals(file) & FIELDS - ROOMS[room]
        assert not spelt, f"{file.relative_to(ROOT)} knows {', '.join(sorted(spelt))} by name"


@pytest.mark.parametrize("room", ["api", "cli", "files", "post", "run", "solver", "study"])
def test_systems_are_asked_for_nothing_by_its_name(room: str) -> None:
    """No `system["ions"]` outside of physics: what a physics defines is for other physics."""
    folder = ROOT / "fem" / room
    for file in sorted(folder.glob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
        asked = [
            ast.unparse(n) for n in ast.walk(ast.parse(file.read_text()))
            if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant)
            and isinstance(n.slice.value, str)
            and ast.unparse(n.value).split(".")[-1] in ("s", "system")
        ]  # fmt: skip
        assert not asked, f"{file.relative_to(ROOT)}: {asked}"


#: Physics that every cell has; a study makes their parts in the order of their rows.
CELL = {"circuit", "electrons", "ions", "metal", "nuclei", "walls"}


def test_studies_import_no_guest() -> None:
    """Physics that a case adds are made by the registry alone."""
    for file in sorted((ROOT / "fem" / "study").glob("*.py")):
        found = {*re.findall(r"fem\.physics\.(\w+)", file.read_text())}
        assert found <= CELL, f"{file.name}: {found - CELL}"


def test_rooms_above_physics_ask_none_by_its_name() -> None:
    """Runs import no physics, and the model of a case has no attribute that is one."""
    for file in sorted((ROOT / "fem" / "run").glob("*.py")):
        assert "fem.physics" not in file.read_text(), file.name
    assert not {f.name for f in fields(Model)} & {p.name for p in with_own().physics}
