"""Case texts by mutation of valid ones: each is refused with a clear error or is a case."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from pathlib import Path

from fem import Case
from fem.base.errors import CaseError
from fem.case.files import case_names, to_toml
from tests.case.base import EVERYTHING
from tests.run.cases import GROWING, SMALL

#: Values that have broken parsers before.
NASTY = (
    "nan", "inf", "-inf", "0", "-1", "1e400", '""', '" "', '"m"', '"1 1 m"', '"nan m"', '"inf s"',
    '"1e400 m"', '"9**9**9 m"', '"1/0 m"', '"-0 V"', '"1 m^1e9"', '"1 um; rm -rf /"', '"\\u0000"',
    '"../../x"', '"/etc/passwd"', "true", "[]", "{}", "[[[[]]]]", "1979-05-27",
    '"' + "(" * 400 + '"',
    '"' + "a" * 50_000 + '"', "[" * 300 + "]" * 300, '{ expression = "9**9**9**9", unit = "V" }',
    '{ expression = "().__class__", unit = "V" }', '{ expression = "x" }', '{ table = "no.csv" }',
    '{ along = "depth", at = ["0 m"], values = [] }', '"1 mA/cm^2"', '"25 degC"', '"host_*"',
)  # fmt: skip


def sources() -> list[str]:
    """Valid case texts: the catalogue and the cases of the tests."""
    texts = [path.read_text(encoding="utf-8") for path in case_names().values()]
    return [*texts, *(to_toml(data) for data in (EVERYTHING, SMALL, GROWING))]


def harmless(text: str, draw: random.Random) -> str:
    """Rewrite a case without changing its meaning."""
    lines = text.split("\n")
    for _ in range(draw.randint(1, 4)):
        k = draw.randrange(len(lines))
        inside = "\n".join(lines[:k]).count('"""') % 2 == 1
        kind = draw.randrange(4)
        if inside or kind == 0:
            lines.append(f"# {draw.random()}")
        elif kind == 1 and not _open(lines[:k]):
            lines.insert(k, "")
        elif kind == 2 and not _open(lines[:k]):
            lines.insert(k, f"  # {draw.random()}")
        else:
            lines[k] += "  " if lines[k].strip() and '"""' not in text else ""
    if draw.random() < 0.2:
        return "\ufeff" + "\r\n".join(lines)
    return "\n".join(lines)


def _open(lines: list[str]) -> bool:
    """A list or a long text is not closed yet."""
    text = "\n".join(lines)
    return text.count("[") != text.count("]") or text.count("{") != text.count("}") or (
        text.count('"""') % 2 == 1
    )


def broken(text: str, draw: random.Random) -> str:
    """The case after something has gone wrong with its file."""
    lines = text.split("\n")
    keyed = [k for k, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    kind = draw.randrange(9)
    k = draw.choice(keyed)
    if kind == 0:
        lines[k] = lines[k].partition(" = ")[0] + " = " + draw.choice(NASTY)
    elif kind == 1:
        del lines[draw.randrange(len(lines))]
    elif kind == 2:
        lines.insert(draw.randrange(len(lines)), draw.choice(lines))
    elif kind == 3:
        j = draw.randrange(len(lines))
        lines[k], lines[j] = lines[j], lines[k]
    elif kind == 4:
        return text[: draw.randrange(len(text))]
    elif kind == 5:
        at = draw.randrange(len(text))
        return text[:at] + chr(draw.choice((0, 7, 34, 39, 61, 91, 123, 955, 0x1F600))) + text[at:]
    elif kind == 6:  # a slip of the finger
        at = draw.randrange(len(lines[k]))
        lines[k] = lines[k][:at] + draw.choice("abcxyz0159.-_ ") + lines[k][at + 1 :]
    elif kind == 7:  # another size
        digits = [i for i, c in enumerate(lines[k]) if c.isdigit()]
        if digits:
            i = draw.choice(digits)
            lines[k] = lines[k][:i] + draw.choice(("0", "9", "1e9", "-3")) + lines[k][i + 1 :]
    else:
        other = draw.choice(keyed)
        lines[k] = lines[k].partition(" = ")[0] + " = " + lines[other].partition(" = ")[2]
    return "\n".join(lines)


def fuzz(count: int, seed: int, folder: Path) -> Counter[str]:
    """Load mutated texts; what became of them, and `slowest` in ms of CPU time.

    Raises:
        AssertionError: anything but a case or a `CaseError`, or a case that changed unasked.
    """
    draw, texts = random.Random(seed), sources()
    (folder / "nothing").mkdir()
    os.chdir(folder / "nothing")
    for beside in {path.parent for path in case_names().values()}:  # tables of the cases
        for table in beside.glob("*.csv"):
            shutil.copy(table, folder)
    file = folder / "case.toml"
    known = []
    for text in texts:
        file.write_text(text, encoding="utf-8")
        known.append(Case.load(file))
    found: Counter[str] = Counter()
    for number in range(count):
        which, same = draw.randrange(len(texts)), draw.random() < 0.25
        text = (harmless if same else broken)(texts[which], draw)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        began = time.process_time()
        try:
            case = Case.load(file)
        except CaseError as error:
            message = str(error)
            assert message.startswith(str(file)) and len(message) < 20_000, (number, message[:500])
            assert not same, (number, message, text)
            found["refused"] += 1
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise AssertionError(f"text {number}: {what}\n{text}") from error
        else:
            found["valid"] += 1
            if same:
                assert case == known[which], (number, text)
                found["the same case"] += 1
            else:
                again = Case.from_dict(case.to_dict())
                assert again == case, (number, text)
                equal = case.to_dict() == known[which].to_dict()
                hashes = (c.physics_hash() for c in (case, known[which]))
                assert len({*hashes}) == 1 or not equal, (number, text)
                found["compared"] += 1
        found["slowest"] = max(found["slowest"], int(1e3 * (time.process_time() - began)))
        assert not list((folder / "nothing").iterdir()), (number, text)
    return found
