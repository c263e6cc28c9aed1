"""Headers of cases: their required parts, and a check of them.

A header is the comment at the top of a case. After a line or two on what it is, its parts follow,
each beginning a line with its name and a colon:

    # Source: the publication, and what it shows.
    # Assumed: what the source does not print, and what is left out.
    # Outcome: what these equations give, with numbers; whether that is what was published.
    # Controls: how to switch the ingredient off, as `--set` lines.
    # Test: tests/cases/test_catalogue.py
    #   test_of_its_outcome: "quantity in the table of the full tier" 0.123, "another" 45 mV

The tests that are named must exist, in the file named before them or else anywhere in
`tests/cases`. A quantity in quotation marks is one of that test in `tests/full-results.md` (what
stands there in brackets may be left out), and the number after it must be that of the table, to
within one unit of its last digit.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Source", "Assumed", "Outcome", "Controls", "Test")
NAMED = re.compile(r"(tests/[\w/]+\.py)|\b(test_\w+)((?:(?!\btest_\w|tests/)[\s\S])*)")
QUOTED = re.compile(r'"([^"]+)"\s+(-?[\d.]+(?:e-?\d+)?)')


def parts(text: str) -> dict[str, str]:
    """Each part of the header of a case file by its name, without the marks of the comment."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if match := re.match(rf"# ({'|'.join(PARTS)})\b(?=.*:)[:,]?(.*)", line):
            name = match[1]
            found.setdefault(name, []).append(match[2])
        elif name:
            found[name].append(line[1:])
    return {name: "\n".join(lines).strip() for name, lines in found.items()}


def table() -> dict[str, dict[str, str]]:
    """Number reached (with its unit) by test of the full tier and by quantity."""
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for line in (ROOT / "tests" / "full-results.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if len(cells) > 3 and cells[0].startswith("tests/"):
            rows[cells[0]][cells[1]] = cells[2]
    return rows


def faults(text: str) -> list[str]:
    """List the faults in the header of a case file, a line each."""
    known = parts(text)
    wrong = [f"no line `# {name}: ...`" for name in PARTS if name not in known]
    wrong += [f"`# {name}:` says nothing" for name in known if not known[name]]
    return wrong + (_tests(known["Test"]) if known.get("Test") else [])


def _tests(part: str) -> list[str]:
    """Faults of the tests that a header names, and of the numbers of theirs that it quotes."""
    wrong = []
    rows = table()
    here = Path(__file__).parent
    known = {name: f"tests/cases/{path.name}" for path in here.glob("test_*.py")
             for name in _defined(path)}
    names = 0
    for word in NAMED.finditer(part):
        if file := word[1]:
            path = ROOT / file
            if not path.is_file():
                return [f"Test: there is no {file}"]
            known = dict.fromkeys(_defined(path), file)
            continue
        name, quoted = word[2], word[3]
        names += 1
        if name not in known:
            wrong.append(f"Test: there is no {name}; known here: {', '.join(sorted(known))}")
            continue
        given = rows.get(f"{known[name]}::{name}")
        if given is None:  # not in the table yet: another test sees to that
            continue
        for quantity, number in QUOTED.findall(quoted):
            full = [k for k in given if k == quantity or k.startswith(f"{quantity} (")]
            if not full:
                wrong.append(f"Test: the table has no quantity {quantity!r} of {name}; it has "
                             + "; ".join(given))
            elif not _same(number, given[full[0]].split()[0]):
                wrong.append(f"Test: {quantity!r} is {number} here and {given[full[0]]} in "
                             "tests/full-results.md")
    return wrong if names else [*wrong, "Test: names no test"]


def _defined(path: Path) -> list[str]:
    """Names of the tests in a file."""
    return re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)


def _same(number: str, reached: str) -> bool:
    """True if two numbers agree to within one unit of the first one's last digit."""
    digits, _, power = number.partition("e")
    unit = 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    return abs(float(number) - float(reached)) <= 1.001 * unit
