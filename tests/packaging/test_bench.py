"""Benchmarks say how they are done again, and the jobs that they do by themselves are cases."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fem import Case
from scripts import bench
from scripts.bench import command, host_fill, trilayer_3d


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_line_printed_does_the_same_again(ranks: int) -> None:
    words = shlex.split(command("host_fill", host_fill.JOB, ranks))
    assert words[-5:] == ["scripts/bench/host_fill.py", *host_fill.JOB]
    assert words[:-5] == (["python"] if ranks == 1 else ["mpirun", "-n", "2", "python"])


def test_every_benchmark_prints_its_command() -> None:
    texts = {path.stem: path.read_text() for path in Path(bench.__file__).parent.glob("*.py")}
    scripts = {name: text for name, text in texts.items() if "__main__" in text}
    assert len(scripts) > 10
    silent = {name for name, text in scripts.items()
              if not re.search(rf"(print|log)\(.*command\(['\"]{name}['\"]", text)}  # fmt: skip
    assert not silent


def test_jobs_are_cases() -> None:
    name, seconds, *overrides = host_fill.JOB
    case = Case.load(name, overrides=overrides).to_dict()
    assert case["kinetics"][0]["eta_nuc"] == "0 V" and case["geometry"]["gap"] == "10 um"
    assert float(seconds) > 0.0
    steps, *overrides = trilayer_3d.JOB
    assert int(steps) > 0 and not overrides
