"""Rooms that know no unknown by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fem.contract.registry import with_own
from tests.conftest import ROOT

#: All fields that physics of this package declare; T is a variable of laws and expressions, too.
FIELDS = {"phi", *with_own().fields} - {"T"}


def literals(file: Path) -> set[str]:
    """All strings of a module."""
    tree = ast.parse(file.read_text())
    return {
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip


#: Rooms that handle any field alike.
ROOMS = ("base", "case", "cli", "contract", "files", "mesh", "post", "run", "solver", "theory")


@pytest.mark.parametrize("room", ROOMS)
def test_no_literal_is_the_name_of_a_field(room: str) -> None:
    for file in sorted((ROOT / "fem" / room).glob("*.py")):
        spelt = literals(file) & FIELDS
        assert not spelt, f"{file.relative_to(ROOT)} knows {', '.join(sorted(spelt))} by name"
