"""Mesh files by mutation of valid ones, each given to `hostplate run` in a child process.

    python -m tests.fuzz.meshes COUNT SEED FOLDER     a JSON line per mesh

Children are forked from a process that has loaded the solver; each has 20 s. One that needs longer
may try again: then it must end by itself within 20 s of CPU time, on a machine however busy.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LIMIT, PATIENCE = 20.0, 200.0
CASE: dict[str, Any] = {
    "schema": 1,
    "title": "a user's mesh",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "study": "secondary",
    "mesh": {"file": "mesh.msh", "unit": "m"},
    "regions": {"host_bottom": {"material": "Cu"}},
    "protocol": [{"step": "plate", "current_density": "1 mA/cm^2"}],
    "output": {"figures": False},
}

EARLIER = "t [s]\n0.0\n"

Sections = dict[str, list[str]]


def split(text: str) -> Sections:
    """The sections of a .msh file, in order."""
    out: Sections = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("$End"):
            name = ""
        elif line.startswith("$"):
            name = line[1:]
            out[name] = []
        elif name:
            out[name].append(line)
    return out


def join(sections: Sections) -> str:
    """And back."""
    return "".join(
        f"${name}\n" + "".join(f"{line}\n" for line in lines) + f"$End{name}\n"
        for name, lines in sections.items()
    )


# -- version 2.2: one node and one element per line ---------------------------------------------


def _nodes(s: Sections) -> list[list[str]]:
    return [line.split() for line in s["Nodes"][1:]]


def _elements(s: Sections) -> list[list[str]]:
    return [line.split() for line in s["Elements"][1:]]


def _put(s: Sections, name: str, rows: list[list[str]]) -> None:
    s[name] = [str(len(rows)), *(" ".join(row) for row in rows)]


def _cells(s: Sections) -> list[int]:
    """Rows of triangles."""
    return [k for k, row in enumerate(_elements(s)) if row[1] == "2"]


def shuffled(s: Sections, draw: random.Random) -> None:
    """Elements in another order."""
    rows = _elements(s)
    draw.shuffle(rows)
    _put(s, "Elements", [[str(k + 1), *row[1:]] for k, row in enumerate(rows)])


def renumbered(s: Sections, draw: random.Random) -> None:
    """Nodes with other, sparse numbers and in another order."""
    nodes, elements = _nodes(s), _elements(s)
    new = draw.sample(range(1, 50 * len(nodes)), len(nodes))
    number = {row[0]: str(k) for row, k in zip(nodes, new, strict=True)}
    nodes = [[number[row[0]], *row[1:]] for row in nodes]
    draw.shuffle(nodes)
    _put(s, "Nodes", nodes)
    tags = [3 + int(row[2]) for row in elements]
    _put(s, "Elements", [
        [*row[:t], *(number[n] for n in row[t:])] for row, t in zip(elements, tags, strict=True)
    ])


def commented(s: Sections, draw: random.Random) -> None:
    """A section that gmsh ignores."""
    s["Comments"] = [f"{draw.random()}"]


def turned(s: Sections, draw: random.Random) -> None:
    """Some cells with their corners the other way round."""
    rows = _elements(s)
    for k in draw.sample(_cells(s), 20):
        rows[k][-1], rows[k][-2] = rows[k][-2], rows[k][-1]
    _put(s, "Elements", rows)


def spare_node(s: Sections, draw: random.Random) -> None:
    """A node that belongs to no cell."""
    nodes = _nodes(s)
    highest = max(int(row[0]) for row in nodes)
    _put(s, "Nodes", [*nodes, [str(highest + 7), "1e-6", "1e-6", "0"]])


def empty_group(s: Sections, draw: random.Random) -> None:
    """A name without a cell."""
    names = s["PhysicalNames"]
    s["PhysicalNames"] = [str(len(names)), *names[1:], '2 77 "host_ghost"']


def same_name(s: Sections, draw: random.Random) -> None:
    """One name for two groups."""
    first, *names = s["PhysicalNames"]
    k, other = draw.sample(range(len(names)), 2)
    names[k] = " ".join(names[k].split()[:2]) + " " + names[other].split()[2]
    s["PhysicalNames"] = [first, *names]


def no_name(s: Sections, draw: random.Random) -> None:
    """A group without its name."""
    names = s["PhysicalNames"][1:]
    del names[draw.randrange(len(names))]
    s["PhysicalNames"] = [str(len(names)), *names]


def wrong_version(s: Sections, draw: random.Random) -> None:
    """A format that does not exist, or not with this content."""
    s["MeshFormat"] = [draw.choice(("9.9 0 8", "4.1 0 8", "1.0 0 8", "2.2 1 8", "2.2", "x y z"))]


def bad_number(s: Sections, draw: random.Random) -> None:
    """A coordinate that is none."""
    nodes = _nodes(s)
    row, axis = draw.choice(nodes), draw.choice((1, 2, 3))
    row[axis] = draw.choice(("nan", "inf", "-inf", "1e308", "1e3", "abc", ""))
    _put(s, "Nodes", nodes)


def flat_cell(s: Sections, draw: random.Random) -> None:
    """A cell of zero area: one of its nodes lies on another, or stands twice in it."""
    rows, nodes = _elements(s), _nodes(s)
    row = rows[draw.choice(_cells(s))]
    if draw.random() < 0.5:
        row[-1] = row[-2]
        _put(s, "Elements", rows)
    else:
        place = {node[0]: node for node in nodes}
        place[row[-1]][1:] = place[row[-2]][1:]
        _put(s, "Nodes", nodes)


def cell_twice(s: Sections, draw: random.Random) -> None:
    """Two cells in the same place, or three on one side: an interface that branches."""
    rows = _elements(s)
    extra = list(rows[draw.choice(_cells(s))])
    extra[0] = str(len(rows) + 1)
    if draw.random() < 0.5:
        extra[-1] = draw.choice(_nodes(s))[0]
    if draw.random() < 0.5:
        extra[3] = extra[4] = draw.choice(("1", "2", "99"))
    _put(s, "Elements", [*rows, extra])


def lost_cells(s: Sections, draw: random.Random) -> None:
    """Holes, or a region that is gone."""
    rows = _elements(s)
    if draw.random() < 0.3:
        tag = rows[draw.choice(_cells(s))][3]
        rows = [row for row in rows if row[1] != "2" or row[3] != tag]
    else:
        for k in sorted(draw.sample(range(len(rows)), draw.randint(1, 30)), reverse=True):
            del rows[k]
    _put(s, "Elements", rows)


def wrong_tag(s: Sections, draw: random.Random) -> None:
    """Cells that belong to nobody, or to the other region."""
    rows = _elements(s)
    tag = draw.choice(("0", "-1", "99", "1", "2", "4294967297"))
    for k in draw.sample(range(len(rows)), draw.randint(1, 10)):
        rows[k][3] = tag
    _put(s, "Elements", rows)


def wrong_node(s: Sections, draw: random.Random) -> None:
    """A cell with a node that is not there."""
    rows = _elements(s)
    row = draw.choice(rows)
    row[-1] = draw.choice(("0", "-3", "999999", "x"))
    _put(s, "Elements", rows)


def wrong_count(s: Sections, draw: random.Random) -> None:
    """A number of lines that is not that of the lines."""
    name = draw.choice(("Nodes", "Elements", "PhysicalNames"))
    s[name][0] = draw.choice(("0", "-1", "7", "100000000", "x", str(int(s[name][0]) + 1)))


def no_section(s: Sections, draw: random.Random) -> None:
    """A part of the file is missing."""
    del s[draw.choice(list(s))]


EQUIVALENT = (shuffled, renumbered, commented, turned, spare_node)
BROKEN = (empty_group, same_name, no_name, wrong_version, bad_number, flat_cell, cell_twice,
          lost_cells, wrong_tag, wrong_node, wrong_count, no_section)  # fmt: skip


def truncated(raw: bytes, draw: random.Random) -> bytes:
    """The disk was full."""
    return raw[: draw.randrange(len(raw))]


def flipped(raw: bytes, draw: random.Random) -> bytes:
    """Some bytes are others."""
    out = bytearray(raw)
    for _ in range(draw.randint(1, 5)):
        out[draw.randrange(len(out))] = draw.randrange(256)
    return bytes(out)


def foreign(raw: bytes, draw: random.Random) -> bytes:
    """Another kind of file."""
    noise = bytes(draw.randrange(256) for _ in range(500))
    return draw.choice((b"", b"\x89HDF\r\n\x1a\n", b"\x1f\x8b" + noise, noise, b"{}", raw[::-1]))


RAW = (truncated, flipped, foreign)


def mutant(texts: dict[str, bytes], draw: random.Random) -> tuple[str, bytes, bool]:
    """Mutate a file: the change, the file, and whether it still holds the same mesh."""
    version, kind = "2.2", draw.random()
    if kind < 0.3:
        change: Callable[..., Any] = draw.choice(EQUIVALENT)
    elif kind < 0.8:
        change = draw.choice(BROKEN)
    else:
        version, change = draw.choice(list(texts)), draw.choice(RAW)
        return f"{version} {change.__name__}", change(texts[version], draw), False
    sections = split(texts[version].decode())
    change(sections, draw)
    return f"{version} {change.__name__}", join(sections).encode(), change in EQUIVALENT


# -- children ----------------------------------------------------------------------------------


def child(work: Callable[[], int], log: Path, limit: float = LIMIT) -> tuple[int | None, float]:
    """Exit code (minus the signal; None after the limit) of a forked process, and its CPU time, s.

    The limit is one of wall time.
    """
    sys.stdout.flush()
    began, pid = time.monotonic(), os.fork()
    if not pid:
        code = 70
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            code = work()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    found, code_found = 0, None
    while not found and time.monotonic() - began < limit:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            code_found = os.waitstatus_to_exitcode(status)
        else:
            time.sleep(0.005)
    if not found:
        os.kill(pid, signal.SIGKILL)
        _, _, used = os.wait4(pid, 0)
    return code_found, used.ru_utime + used.ru_stime


def originals(folder: Path) -> dict[str, bytes]:
    """One mesh in both versions of the format."""
    import gmsh

    import geometries

    geometries.build("planar", {
        "width": "20 um", "size": "5 um", "layers": [
            {"name": "bottom", "thickness": "30 um", "region": "host_bottom"},
            {"name": "free", "thickness": "50 um", "region": "electrolyte"},
        ],
    }, folder / "built")  # fmt: skip
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.open(str(folder / "built" / "mesh.msh"))
        for version in ("2.2", "4.1"):
            gmsh.option.setNumber("Mesh.MshFileVersion", float(version))
            gmsh.write(str(folder / f"{version}.msh"))
    finally:
        gmsh.finalize()
    return {version: (folder / f"{version}.msh").read_bytes() for version in ("2.2", "4.1")}


def fuzz(count: int, seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Run mutated meshes; a row each."""
    from fem.case.files import to_toml

    folder.mkdir(parents=True, exist_ok=True)
    made = child(lambda: 0 if originals(folder) else 1, folder / "made.log", 120.0)
    assert made[0] == 0, (folder / "made.log").read_text()
    texts = {version: (folder / f"{version}.msh").read_bytes() for version in ("2.2", "4.1")}
    os.environ["HOSTPLATE_CACHE"] = str(folder / "cache")
    (folder / "case.toml").write_text(to_toml(CASE))
    mesh, out, log = folder / "mesh.msh", folder / "r", folder / "log"

    import fem.run.session  # noqa: F401  (loaded once, for all children)

    def run() -> int:
        from fem.cli.main import main

        return main(["run", str(folder / "case.toml"), f"--out={out}", "--quiet", "--overwrite"])

    def summary() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((out / "summary.json").read_text())
        return {k: found[k] for k in ("voltage", "current_by_region", "area_by_region")}

    mesh.write_bytes(texts["2.2"])
    code, _ = child(run, log, 120.0)
    assert code == 0, log.read_text()
    known = summary()
    draw = random.Random(seed)
    for number in range(count):
        what, content, same = mutant(texts, draw)
        mesh.write_bytes(content)
        _put_results(out)
        code, seconds = child(run, log)
        if code is None:  # a busy machine is no hang
            _put_results(out)
            code, seconds = child(run, log, PATIENCE)
        message = log.read_text(errors="replace")
        row: dict[str, Any] = {"number": number, "what": what, "same": same, "code": code,
                               "seconds": round(seconds, 2)}
        if code == 0:
            row["gap"] = _gap(known, summary())
        problem = _problem(row, message)
        problem = problem or _touched(out, moved=code != 1)
        if problem:
            (folder / f"bad{number}.msh").write_bytes(content)
        yield row | {"problem": problem, "message": message[-400:]}


def _problem(row: dict[str, Any], message: str) -> str:
    if row["code"] is None or row["seconds"] > LIMIT:
        return "hangs"
    if row["code"] not in (0, 1, 2):
        return f"ends with {row['code']}"
    if "Traceback" in message:
        return "traceback"
    if row["same"] and row["code"]:
        return "refused, but is valid"
    if row["same"] and row["gap"] > 1e-9:
        return "another answer"
    if row["code"] and "hostplate: " not in message:
        return "says nothing"
    return ""


def _gap(a: dict[str, Any], b: dict[str, Any]) -> float:
    """Largest relative difference of two summaries; infinite if they have other regions."""
    worst = abs(a["voltage"] - b["voltage"]) / abs(a["voltage"])
    for name in ("current_by_region", "area_by_region"):
        if a[name].keys() != b[name].keys():
            return float("inf")
        scale = max(map(abs, a[name].values()))
        worst = max([worst, *(abs(a[name][k] - b[name][k]) / scale for k in a[name])])
    return float(worst)


def _put_results(folder: Path) -> None:
    """Somebody's earlier results, which `run --overwrite` may move aside once all is checked."""
    for old in (folder, folder.with_name(f"{folder.name}.old-1")):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir()
    (folder / "series.csv").write_text(EARLIER)


def _touched(folder: Path, moved: bool) -> str:
    """Fault of earlier results that were touched; they may not be if the mesh was refused."""
    aside = folder.with_name(f"{folder.name}.old-1")
    here = aside if moved and aside.exists() else folder
    left = [p.name for p in here.iterdir()]
    if left != ["series.csv"] or (here / "series.csv").read_text() != EARLIER:
        return f"results were touched: {left}"
    return "" if moved or not aside.exists() else "results were moved"


if __name__ == "__main__":
    for line in fuzz(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])):
        print(json.dumps(line), flush=True)
