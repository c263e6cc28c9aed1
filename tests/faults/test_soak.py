"""Long runs do not grow: `scripts/campaigns/soak.py`, small and whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import ROOT, environment


def _soak(kind: str, count: int, timeout: float) -> dict[str, float]:
    command = [sys.executable, str(ROOT / "scripts" / "campaigns" / "soak.py"), kind]
    done = subprocess.run(
        [*command, "--count", str(count)], env=environment(), capture_output=True, text=True,
        timeout=timeout, check=False,
    )  # fmt: skip
    assert "RESULT " in done.stdout, done.stdout + done.stderr
    found: dict[str, float] = json.loads(done.stdout.split("RESULT ")[1])
    return found


def test_forty_cycles() -> None:
    found = _soak("cycles", 40, 200)
    assert found["steps"] >= 160
    assert found["growth"] <= 0.01 and found["more_files"] <= 0, found


@pytest.mark.campaign
@pytest.mark.parametrize(("kind", "count"), [("cycles", 2000), ("steps", 10_000)])
def test_long_runs(kind: str, count: int, reached: Callable[..., None]) -> None:
    found = _soak(kind, count, 3 * 3600)
    reached("steps", found["steps"], least=count * (4 if kind == "cycles" else 1))
    reached("growth of memory after the warm-up", found["growth"], most=0.01)
    reached("more open files", found["more_files"], most=0.0)
