"""Deliberate faults still fit the code: those of `scripts/faults.py`, and stages that fail.

Running the former takes minutes; the latter run in `tests/faults`.
"""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.faults.injection import STAGES, place

ROOT = Path(__file__).resolve().parents[2]
FAULTS: tuple[Any, ...] = runpy.run_path(str(ROOT / "scripts" / "faults.py"))["FAULTS"]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_a_fault_fits_the_code(fault: Any) -> None:
    """Its line stands once in its object, and the test that shall notice it exists."""
    file, text = fault.changed()
    assert text != (ROOT / file).read_text(encoding="utf-8")
    compile(text, str(file), "exec")
    for word in fault.test.split():
        file, _, name = word.partition("::")
        if file.startswith("tests/"):
            assert f"def {name.partition('[')[0]}" in (ROOT / file).read_text(encoding="utf-8")


def test_a_fault_that_no_longer_fits_is_told() -> None:
    fault = dataclasses.replace(FAULTS[0], old="no such line")
    with pytest.raises(
        ValueError, match=r"stands 0 times in fem\.theory\.salt:Salt\.diffusion_potential"
    ):
        fault.changed()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_fails_is_a_function_of_the_code(stage: str) -> None:
    owner, name = place(STAGES[stage][0])
    assert callable(getattr(owner, name))
