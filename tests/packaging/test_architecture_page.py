"""The page on the rooms names those of the import contracts, in their order."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

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
