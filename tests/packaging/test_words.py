"""Docstrings name their subject in plain English, and constants are explained above them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("fem", "geometries", "scripts", "tests")

#: Openings without a subject; a reader who jumps in cannot know whose property is meant.
ELLIPTICAL = re.compile(
    r"(Of|What|How|Whether|It|The same|Where|When|Who|Why|As|Which|That|Those)\b"
)


#: Words that a native reader stumbles over (reported, electrolyte, connected, stopped, lagged,
#: user-defined).
AVOIDED = re.compile(
    r"\b(told|brines?|hangs? together|gave up|g[ai]ves? up|in the way|salt (is )?settled|"
    r"formula is forgotten|search for rest|some unknowns alone|an own|of own|"
    r"([cqT]|pore|theta)_seen)\b", re.IGNORECASE
)


#: Names of constants and methods that say no quantity and no deed.
VAGUE = re.compile(
    r"(?m)^(AGAIN|FIRST|SQUARED|AIMS|AIMED|LEADS|OVER|FAR|FLAT|SPILL|SPREAD|AHEAD|EARLY|CROWD|MANY|"
    r"SURE|OFTEN|SAME|KEPT)\b|def (take_over|look|look_closely|news|told|say)\(|"
    r"class (Measure|Deposit|Watch|Found)\b"
)


def faults(text: str) -> list[str]:
    """List the docstrings of a module that open badly, and constants explained below, by line."""
    tree = ast.parse(text)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node) or ""
            if ELLIPTICAL.match(doc):
                found.append(f"{getattr(node, 'lineno', 1)}: {doc.splitlines()[0]}")
        if isinstance(node, ast.Module | ast.ClassDef):
            for above, below in zip(node.body, node.body[1:], strict=False):
                assigned = isinstance(above, ast.Assign | ast.AnnAssign)
                if assigned and isinstance(below, ast.Expr) and isinstance(
                    below.value, ast.Constant
                ):
                    found.append(f"{below.lineno}: explain it by `#:` above, not by a string below")
    return found


def modules(room: str) -> list[Path]:
    """All Python files of a room, scripts without a suffix included."""
    files = [p for p in sorted((ROOT / room).rglob("*")) if p.is_file()]
    return [p for p in files if p.suffix == ".py" or (
        not p.suffix and p.read_bytes().startswith(b"#!/usr/bin/env python")
    )]


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_name_their_subject(room: str) -> None:
    checked = modules(room)
    assert len(checked) > 5
    assert [f"{path.relative_to(ROOT)}:{fault}" for path in checked
            for fault in faults(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(("text", "count"), [
    ('def f():\n    """Of the last step, V."""', 1),
    ('def f():\n    """Overpotential of the last step, V."""', 0),
    ('class A:\n    """As `B`."""\n    def _f(self):\n        """What is left."""', 2),
    ('"""Whether."""\nLIMIT = 1\n"""Largest value."""', 2),
    ('#: Largest value.\nLIMIT = 1\nasync def f():\n    """Assemble the rows."""', 0),
])
def test_each_fault_is_found(text: str, count: int) -> None:
    assert len(faults(text)) == count


def test_pages_and_code_avoid_words_that_readers_stumble_over() -> None:
    code = [path for room in ROOMS for path in modules(room) if path != Path(__file__)]
    pages = [p for pattern in ("*.md", "docs/**/*.md", "scripts/cases/*.toml")
             for p in ROOT.glob(pattern)]
    found = [f"{path.relative_to(ROOT)}: {word[0]}" for path in [*code, *pages]
             for word in AVOIDED.finditer(path.read_text(encoding="utf-8"))]
    assert len(code) > 500 and len(pages) > 80 and found == []
    assert [f"{path.relative_to(ROOT)}: {name[0]}" for path in code
            for name in VAGUE.finditer(path.read_text(encoding="utf-8"))] == []
