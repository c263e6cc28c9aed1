#!/usr/bin/env python3
"""Record what 14 small cases give, and compare two recordings: is everything as it was?

    scripts/record.py run before --code ../before      by the code of another checkout
    scripts/record.py run after                        by the code beside this script
    scripts/record.py run after nuclei film            some cases only
    scripts/record.py compare before after             exit code 1 where something differs
    scripts/record.py compare --common before after    what both hold, by its largest differences

The cases are `scripts/recordings/*.toml`; each runs in a process of its own and leaves a folder:

    series.csv     a row for every accepted step
    summary.json   the run's summary without wall time and without what made it
    arrays.npz     all arrays of the last checkpoint, rank by rank, and the fields written last
    inside.json    the clock, the rows of each stage, how many forms were compiled; the rule

Meshes are built anew. Both recordings must come from one machine with the same packages. With the
direct solver on one rank they are then equal bit by bit; on two ranks to 1e-12 (measured: 5e-15;
growth on two ranks would repeat itself to 1.6e-12 only) and with the iterative solver to 1e-9
(measured: bit by bit; where round-off changes, its tolerance leaves 4e-9 of xi_min, 2.5e-15 of xi)
of the largest value of an array, or of 1 for what is a relative error.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "scripts" / "recordings"
#: Ranks of the cases that do not run on one.
RANKS = {"two_ranks": 2, "contact_angle": 2}
#: Cases that are stopped at their end and resumed with a later one.
RESUMED = {"resume": "protocol.1.duration=20 s"}
ON_RANKS, ITERATIVE = 1e-12, 1e-9
#: Keys of a summary that say when, where and by what a result was made.
MAKING = {"wall_seconds", "versions", "command", "date", "host"}
#: Columns of `series.csv` that are relative errors already; V_gap is what round-off leaves of 1 V.
ERRORS = {"balance", "collector", "faraday", "salt", "commanded", "closures", "error", "V_gap"}

Values = Mapping[str, Any]


def names() -> list[str]:
    """The cases, in the order of the alphabet."""
    return sorted(file.stem for file in CASES.glob("*.toml"))


def rule(name: str) -> float:
    """The relative difference that a case may show; 0 for none at all."""
    case = tomllib.loads((CASES / f"{name}.toml").read_text(encoding="utf-8"))
    if case["solver"]["kind"] == "iterative":
        return ITERATIVE
    return ON_RANKS if name in RANKS else 0.0


# -- recording ---------------------------------------------------------------------------------


def record(name: str, folder: Path, code: Path) -> None:
    """Run a case by the code of a checkout and keep what it gave in a folder.

    Raises:
        SystemExit: the run failed; with what it printed.
    """
    with tempfile.TemporaryDirectory(prefix="hostplate-record-") as scratch:
        result = Path(scratch) / "result"
        command = [sys.executable, __file__, "solve", name, str(result)]
        if name in RANKS:
            launcher = str(Path(sys.executable).with_name("mpiexec"))
            command = [launcher, "-n", str(RANKS[name]), *command]
        environment = os.environ | {
            "PYTHONPATH": str(code), "HOSTPLATE_CACHE": f"{scratch}/meshes",
            "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        }  # fmt: skip
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}: did not run\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(result / "series.csv", folder)
        summary = _without_making(json.loads((result / "summary.json").read_text()))
        _write(folder / "summary.json", summary)
        state = _last_checkpoint(result)
        np.savez(folder / "arrays.npz", **(_state(state) | _fields(result)))  # type: ignore[arg-type]
        inside = json.loads((result / "inside.json").read_text())
        clock = json.loads((state / "manifest.json").read_text())["clock"]
        _write(folder / "inside.json", {"rule": rule(name), "clock": clock} | inside)


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _without_making(value: Any) -> Any:
    """A summary without the keys of `MAKING`, however deep they lie."""
    if isinstance(value, dict):
        return {k: _without_making(v) for k, v in value.items() if k not in MAKING}
    return [_without_making(v) for v in value] if isinstance(value, list) else value


def _last_checkpoint(result: Path) -> Path:
    latest = json.loads((result / "checkpoints" / "latest.json").read_text())
    return result / "checkpoints" / str(latest["state"])


def _state(checkpoint: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of a checkpoint, as `rank0.c`."""
    found: dict[str, npt.NDArray[Any]] = {}
    for file in sorted(checkpoint.glob("rank*.npz")):
        with np.load(file) as arrays:
            found |= {f"{file.stem}.{name}": arrays[name] for name in arrays.files}
    return found


def _fields(result: Path) -> dict[str, npt.NDArray[Any]]:
    """The fields written last, as `pore.c`; meshes and region numbers as `pore_mesh.points`."""
    import h5py

    newest = {re.sub(r"_\d+$", "", f.stem): f for f in sorted((result / "fields").glob("*.h5"))}
    found: dict[str, npt.NDArray[Any]] = {}
    for block, file in newest.items():
        with h5py.File(file) as h5:
            found |= {f"{block}.{name}": data[()] for name, data in h5.items()}
    return found


def solve(name: str, result: Path) -> int:
    """Run a case on this rank, by the command line, and note what its solver is made of."""
    from fem.compat import MPI

    main, inside = command_line(), watch()
    case = str(CASES / f"{name}.toml")
    code = int(main(["run", case, "--out", str(result), "--quiet", "--hooks"]))
    if name in RESUMED and not code:
        code = int(main(["resume", str(result), "--quiet", "--hooks", "--set", RESUMED[name]]))
    if not code and MPI.COMM_WORLD.rank == 0:
        _write(result / "inside.json", inside)
    return code


def command_line() -> Callable[[Sequence[str]], int]:
    """The command `hostplate` of the checkout whose code runs, wherever it stands there."""
    import fem

    project = Path(fem.__file__).parents[1] / "pyproject.toml"
    scripts = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, name = scripts["hostplate"].partition(":")
    found: Callable[[Sequence[str]], int] = getattr(importlib.import_module(module), name)
    return found


def watch() -> dict[str, Any]:
    """Note the rows of every stage, and count compiled forms, from now on.

    The only place here that knows how the code is made: somewhere in `fem` there is a class `Stage`
    with its `rows`, and forms are compiled by DOLFINx's `fem.form`.
    """
    import fem
    from fem.compat import dfem

    package = Path(fem.__file__).parent
    (file,) = (
        f for f in package.rglob("*.py")
        if re.search(r"^class Stage\b", f.read_text(encoding="utf-8"), re.MULTILINE)
    )  # fmt: skip
    module = ".".join([package.name, *file.relative_to(package).with_suffix("").parts])
    stage: Any = importlib.import_module(module).Stage
    inside: dict[str, Any] = {"stages": [], "forms": 0}
    begin, compiled = stage.__init__, dfem.form

    def noted(self: Any, *args: Any, **more: Any) -> None:
        begin(self, *args, **more)
        inside["stages"].append(list(self.rows))

    def counted(*args: Any, **more: Any) -> Any:
        inside["forms"] += 1
        return compiled(*args, **more)

    stage.__init__, dfem.form = noted, counted
    return inside


# -- comparing ---------------------------------------------------------------------------------


def compare(a: Path, b: Path) -> list[str]:
    """A line for each thing that differs between two recordings, none if nothing does."""
    here, there = ({f.parent.name for f in folder.glob("*/inside.json")} for folder in (a, b))
    out = [f"{name}: only in {a if name in here else b}" for name in sorted(here ^ there)]
    if not here & there:
        out.append(f"{a}, {b}: no case that both recorded")
    for name in sorted(here & there):
        out += [f"{name}: {line}" for line in differences(a / name, b / name)]
    return out


def differences(a: Path, b: Path) -> Iterator[str]:
    """List the differences of one case, array by array."""
    inside = [json.loads((f / "inside.json").read_text()) for f in (a, b)]
    tolerance = float(min(i.pop("rule") for i in inside))
    for file, (one, other) in _pairs(a, b, inside):
        for name in sorted(one.keys() ^ other.keys()):
            yield f"{file}: {name}: only in the {'first' if name in one else 'second'}"
        for name in (n for n in one if n in other):
            size = _size(name, one, other)
            if text := _difference(one[name], other[name], tolerance, size):
                yield f"{file}: {name}: {text}"


def _pairs(a: Path, b: Path, inside: Sequence[Values]) -> list[tuple[str, Sequence[Values]]]:
    """Values of both recordings by file."""
    return [
        ("inside.json", [_flat(i) for i in inside]),
        ("summary.json", [_flat(json.loads((f / "summary.json").read_text())) for f in (a, b)]),
        ("series.csv", [_columns(f / "series.csv") for f in (a, b)]),
        ("arrays.npz", [_arrays(f / "arrays.npz") for f in (a, b)]),
    ]


def common(a: Path, b: Path) -> str:
    """The largest differences of one case in numbers that both hold, a line.

    For checkouts of which one has columns that the other lacks, or compiles other forms.
    """
    found: list[tuple[float, str]] = []
    other_shape = []
    inside = [{"clock": json.loads((f / "inside.json").read_text())["clock"]} for f in (a, b)]
    for file, (one, other) in _pairs(a, b, inside):
        for name in (n for n in one if n in other):
            x, y = (np.asarray(side[name]) for side in (one, other))
            if x.dtype.kind not in "fiu" or y.dtype.kind not in "fiu":
                continue
            if x.shape != y.shape:
                other_shape.append(f"{name} {x.shape} and {y.shape}")
                continue
            size, both = _size(name, one, other), np.isfinite(x) & np.isfinite(y)
            gap = np.abs(np.where(both, x, 0).astype(float) - np.where(both, y, 0).astype(float))
            found.append((float(gap.max(initial=0.0)) / size if size else 0.0, f"{file}: {name}"))
    worst = ", ".join(f"{gap:.1e} ({name})" for gap, name in sorted(found, reverse=True)[:3])
    shapes = f"; other shapes: {', '.join(other_shape[:3])}" * bool(other_shape)
    return f"{len(found)} numbers and arrays, {worst}{shapes}"


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested tables by their path, as `closures.salt` or `events.0.t`."""
    numbers = isinstance(value, list) and all(type(v) in (int, float) for v in value)
    if not isinstance(value, dict | list) or numbers or not value:
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {
        k: v for key, inner in items
        for k, v in _flat(inner, f"{path}.{key}" if path else str(key)).items()
    }  # fmt: skip


def _columns(file: Path) -> dict[str, Any]:
    """Columns of `series.csv` by name and unit."""
    with file.open(newline="", encoding="utf-8") as text:
        header, *rows = csv.reader(text)
    return {n: np.array([float(row[k]) for row in rows]) for k, n in enumerate(header)}


def _arrays(file: Path) -> dict[str, Any]:
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _size(name: str, *sides: Values) -> float:
    """Reference for differences of a value: the largest of its kind."""
    kin = [name]
    if "_by_" in name:  # a part of a whole, as `current_by_region.collector`
        kin = [n for n in sides[0] if n.rpartition(".")[0] == name.rpartition(".")[0]]
    found = [np.abs(v) for side in sides for n in kin
             if (v := np.asarray(side.get(n, 0.0))).dtype.kind in "fiu"]
    least = 1.0 if ERRORS & {*re.split(r"[. ]", name)} else 0.0
    return max([least, *(float(f[np.isfinite(f)].max(initial=0.0)) for f in found)])


def _difference(one: Any, other: Any, tolerance: float, size: float) -> str:
    """Message on two values of one name that are too far apart; empty if they agree."""
    x, y = np.asarray(one), np.asarray(other)
    if x.dtype.kind not in "fiub" or y.dtype.kind not in "fiub":  # text, nothing
        return "" if one == other else f"{one!r} and {other!r}"
    if x.shape != y.shape or x.dtype.kind != y.dtype.kind:
        return f"{x.shape} of {x.dtype} and {y.shape} of {y.dtype}"
    if x.tobytes() == y.tobytes():
        return ""
    allowed = tolerance * size if x.dtype.kind == "f" else 0.0
    x, y = np.atleast_1d(x).ravel(), np.atleast_1d(y).ravel()
    nothing = np.isnan(x) & np.isnan(y)
    equal = nothing | ((x == y) & (np.signbit(x) == np.signbit(y)))
    with np.errstate(invalid="ignore"):
        gap = np.abs(x.astype(float) - y.astype(float))
    gap[(x == y) | nothing] = 0.0
    gap[np.isnan(gap)] = np.inf
    k = int(np.argmax(gap)) if gap.any() else int(np.argmin(equal))
    if allowed and gap[k] <= allowed:
        return ""
    many = f"{np.count_nonzero(~equal)} of {len(x)} differ, most number {k}, " * (len(x) > 1)
    share = gap[k] / size if size else 0.0
    limit = f", {tolerance:g} allowed" if allowed else ""
    return f"{many}{x[k].item()!r} and {y[k].item()!r}, by {share:.1e} of {size:.3g}{limit}"


def main() -> int:
    """Record, compare, or (for this script itself) run one case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])  # type: ignore[union-attr]
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="record the cases")
    run.add_argument("folder", type=Path)
    run.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(names())}")
    run.add_argument("--code", type=Path, default=ROOT, help="checkout whose code runs them")
    both = commands.add_parser("compare", help="compare two recordings")
    both.add_argument("a", type=Path)
    both.add_argument("b", type=Path)
    both.add_argument("--common", action="store_true",
                      help="the largest differences of each case in what both hold")
    one = commands.add_parser("solve")
    one.add_argument("case")
    one.add_argument("result", type=Path)
    given = parser.parse_args()
    if given.command == "solve":
        return solve(given.case, given.result)
    if given.command == "run":
        if unknown := sorted({*given.cases} - {*names()}):
            parser.error(f"no case {', '.join(unknown)}; there are {', '.join(names())}")
        for name in given.cases or names():
            record(name, given.folder / name, given.code.resolve())
            print(name, flush=True)
        return 0
    if given.common:
        for name in (n for n in names() if (given.a / n).exists() and (given.b / n).exists()):
            print(f"{name}: {common(given.a / name, given.b / name)}")
        return 0
    found = compare(given.a, given.b)
    print("\n".join(found) or f"{given.a} and {given.b} agree")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
