"""Rooms that know no unknown by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fem.contract.registry import with_own
from tests.conftest import ROOT

#: What the physics of this package declare; T is a variable of laws, too.
UNKNOWNS = {name for name, field in with_own().fields.items() if field.balance} - {"T"}


def literals(file: Path) -> set[str]:
    """All strings of a module."""
    tree = ast.parse(file.read_text())
    return {
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip


#: Rooms, and what is a name of something else there.
ROOMS: dict[str, set[str]] = {
    "base": set(), "case": set(), "cli": set(), "contract": set(), "files": set(), "mesh": set(),
    "post": set(), "run": set(), "solver": set(), "theory": set(),
}  # fmt: skip


#: Scripts that ParaView runs, which knows no registry.
SCRIPTS = {"load_in_paraview.py"}


@pytest.mark.parametrize("room", ROOMS)
def test_no_literal_is_the_name_of_an_unknown(room: str) -> None:
    for file in sorted((ROOT / "fem" / room).glob("*.py")):
        if file.name in SCRIPTS:
            continue
        spelt = literals(file) & (UNKNOWNS | {"phi", "c.settled"}) - ROOMS[room]
        assert not spelt, f"{file.relative_to(ROOT)} knows {', '.join(sorted(spelt))} by name"
