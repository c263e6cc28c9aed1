"""Import contracts: those in pyproject.toml hold, and they name every room."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"


def test_imports_go_downwards_and_in_no_circles() -> None:
    """Layers, no circles, physics that do not import each other, checks without a solver."""
    pytest.importorskip("importlinter", reason="comes with the extra `dev`: run scripts/setup")
    done = subprocess.run(
        [sys.executable, "-c", LINT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[done.stdout.find("Contracts") :] + done.stderr


def test_every_room_has_its_floor() -> None:
    """No folder or module of `fem` is left out of the layers."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {name.strip() for layer in layers for name in layer.split("|")}
    rooms = {folder.parent.name for folder in (ROOT / "fem").glob("*/__init__.py")}
    rooms |= {file.stem for file in (ROOT / "fem").glob("*.py")} - {"__init__"}
    assert named == {f"fem.{room}" for room in rooms} | {"geometries"}


def test_modules_that_texts_name_are_there() -> None:
    """Paths and dotted names of our code, in pages, docstrings, comments and cases."""
    named, lost = r"(?<![\w./-])((?:fem|geometries)%s)", []
    files = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("scripts/*/*.toml")]
    files += [file for room in ("fem", "geometries") for file in (ROOT / room).rglob("*.py")]
    for file in files:
        text = file.read_text(encoding="utf-8")
        paths = {*re.findall(named % r"(?:/\w+)+\.py\b", text)}
        lost += [f"{file.name}: {path}" for path in paths if not (ROOT / path).is_file()]
        for name in {*re.findall(named % r"(?:\.[A-Za-z]\w*)+", text)} - {"geometries.md"}:
            try:
                pkgutil.resolve_name(name)
            except (ImportError, AttributeError):
                lost.append(f"{file.name}: {name}")
    assert not lost, lost
