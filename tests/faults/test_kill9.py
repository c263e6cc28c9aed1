"""SIGKILL at any moment: the campaign of `scripts/campaigns/kill9.py`, small and whole."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import ROOT, environment


def _campaign(kills: int, cycles: int, seed: int, timeout: float) -> tuple[int, str]:
    """Exit code and what was printed."""
    command = [sys.executable, str(ROOT / "scripts" / "campaigns" / "kill9.py")]
    done = subprocess.run(
        [*command, f"--kills={kills}", f"--cycles={cycles}", f"--seed={seed}"],
        env=environment(), capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_two_kills() -> None:
    """One inside a checkpoint; one at a uniform time, and again inside the compiler."""
    code, output = _campaign(2, 2, 2, 280)
    assert re.search(r"^2 kills, \d resumed from a checkpoint, 0 went wrong", output, re.M), output
    assert output.count("checkpoint: ") == 1 and output.count("in the compilation of form") == 1
    assert code == 0, output


@pytest.mark.campaign
def test_a_hundred_kills(reached: Callable[..., None]) -> None:
    _, output = _campaign(100, 6, 1, 3600)
    found = re.search(
        r"^(\d+) kills, (\d+) resumed from a checkpoint, (\d+) went wrong", output, re.M
    )
    assert found, output
    kills, resumed, wrong = map(int, found.groups())
    reached("runs that were killed", kills, least=100)
    reached("resumed from a checkpoint", resumed, least=70)
    reached("other end or leftovers", wrong, most=0)
