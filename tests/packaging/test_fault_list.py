"""The deliberate faults of `scripts/faults.py` still fit the code; running them takes minutes."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAULTS = runpy.run_path(str(ROOT / "scripts" / "faults.py"))["FAULTS"]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_a_fault_fits_the_code(fault) -> None:
    """Its line stands once in its file, and the test that shall notice it exists."""
    assert (ROOT / fault.file).read_text(encoding="utf-8").count(fault.old) == 1
    for word in fault.test.split():
        file, _, name = word.partition("::")
        if file.startswith("tests/"):
            assert f"def {name.partition('[')[0]}" in (ROOT / file).read_text(encoding="utf-8")
