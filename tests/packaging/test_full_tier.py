"""The full tier: its committed table is complete, and its runner hides nothing."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIER = runpy.run_path(str(ROOT / "scripts" / "full_tier"))

NUMBERS = """\
import pytest
pytestmark = pytest.mark.full
def test_good(reached):
    reached("half", 0.5, least=0.4, most=0.6, unit="m")
    reached("one", 1.0, most=1.0)
def test_bad(reached):
    reached("two", 2.0, most=1.0)
def test_silent():
    pass
"""


def test_the_table_holds_every_test_of_the_full_tier(
    collected: tuple[set[Path], set[str]],
) -> None:
    """All of them passed, and none is there that no longer exists.

    A run of the whole suite knows them; files that this run left out are asked in a process.
    """
    known, tests = collected
    files = [str(file) for file in sorted({*(ROOT / "tests").rglob("test_*.py")} - known)]
    if files:
        command = [sys.executable, "-m", "pytest", "-m", "full", "--collect-only", "-q"]
        command += ["-p", "no:cacheprovider", *files]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
        assert done.returncode in (0, 5), done.stdout + done.stderr  # 5: they have none
        tests = tests | {line for line in done.stdout.splitlines() if "::" in line}
    assert tests
    wrong = TIER["faults"](TIER["load"](), tests)
    assert not wrong, "run scripts/full_tier on the committed code:\n" + "\n".join(wrong)


def test_a_table_with_a_gap_a_failure_or_a_lost_test_is_refused() -> None:
    """Each fault is reported with the name of its test."""
    rows = [
        (name, "x", "1", "≤ 2", result)
        for name, result in [("t::a", "passed"), ("t::b", "failed"), ("t::gone", "passed")]
    ]
    assert TIER["faults"](rows, ["t::a", "t::b", "t::new"]) == [
        "t::new: not in the table",
        "t::gone: no longer in the full tier",
        "t::b: failed",
    ]


def test_the_runner_records_what_was_reached(tmp_path: Path) -> None:
    """Numbers, bounds and commit; failures and silence are errors; other rows stay or go."""
    copy = tmp_path / "checkout"
    for name in ("scripts", "tests"):
        (copy / name).mkdir(parents=True)
    for name in (".gitignore", "pyproject.toml", "scripts/full_tier", "tests/conftest.py"):
        shutil.copy(ROOT / name, copy / name)
    file, table = copy / "tests" / "test_numbers.py", copy / "tests" / "full-results.md"
    file.write_text(NUMBERS)

    def git(*args: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        done = subprocess.run(
            ["git", *who, *args], cwd=copy, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def run(*args: str) -> tuple[int, str, dict[str, list[list[str]]]]:
        assert os.access(copy / "scripts" / "full_tier", os.X_OK)
        command = [sys.executable, "scripts/full_tier", *args]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=60)
        rows: dict[str, list[list[str]]] = {}
        for line in table.read_text().splitlines() if table.exists() else []:
            if line.startswith("| tests/"):
                name, *rest = line.strip("| ").split(" | ")
                rows.setdefault(name.split("::")[1], []).append(rest)
        return done.returncode, done.stdout + done.stderr, rows

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    commit = git("rev-parse", "--short", "HEAD")
    code, output, rows = run()
    assert code == 1, output
    assert [row[:5] for row in rows["test_good"]] == [
        ["half", "0.5 m", "≥ 0.4, ≤ 0.6", "passed", commit],
        ["one", "1", "≤ 1", "passed", commit],
    ]
    assert [row[:4] for row in rows["test_bad"]] == [["two", "2", "≤ 1", "failed"]]
    assert [row[:4] for row in rows["test_silent"]] == [["-", "-", "-", "recorded no number"]]
    assert "::test_silent: recorded no number" in output

    # A second commit: one test mended, one gone. Only the mended one is run again.
    file.write_text(NUMBERS.replace("2.0", "0.2").replace("def test_silent", "def other"))
    code, output, again = run("-k", "bad")
    assert code == 1 and "not committed: changes in tests" in output
    assert again == rows
    assert run("-k", "bad", "--dirty")[2]["test_bad"][0][4] == f"{commit} + tests"
    git("add", ".")
    git("commit", "--quiet", "-m", "second")
    code, output, again = run("-k", "bad")
    assert code == 0, output
    assert again.keys() == {"test_good", "test_bad"}
    assert again["test_good"] == rows["test_good"]
    second = git("rev-parse", "--short", "HEAD")
    assert again["test_bad"][0][:5] == ["two", "0.2", "≤ 1", "passed", second]
