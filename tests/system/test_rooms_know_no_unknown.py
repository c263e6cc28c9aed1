"""Rooms below the physics know no unknown by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

UNKNOWNS = {"phi_s", "phi_l", "c", "q", "xi"}
"""What the physics of this package declare."""


def literals(file: Path) -> set[str]:
    """All strings of a module."""
    tree = ast.parse(file.read_text())
    return {
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip


@pytest.mark.parametrize("room", ["solver", "mesh"])
def test_no_literal_is_the_name_of_an_unknown(room: str) -> None:
    for file in sorted((ROOT / "fem" / room).glob("*.py")):
        spelt = literals(file) & (UNKNOWNS | {"phi", "c.settled"})
        assert not spelt, f"{file.relative_to(ROOT)} knows {', '.join(sorted(spelt))} by name"
