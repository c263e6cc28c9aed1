"""Many runs of one case: a grid or a sample of changes, a table with a row for each of them.

    folder/sweep.json       what is changed, and the case
    folder/points/NAME/     a result folder for each point, named after its changes
    folder/rows/NAME.json   its row, written when it has ended
    folder/sweep.csv        all rows, once more after each point

Whatever becomes of a point, it is a row. One that has its row is not run again, so a sweep that
was stopped goes on. One that fails is a row with its message. A sample is a Latin hypercube: of n
points each lies in another nth of every range. Points of a process share what is compiled, and
meshes that do not change. Several processes, or the jobs of a Slurm array, share the points: the
k-th of n takes every n-th.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError, HostplateError, Interrupted
from fem.base.folder import write_text
from fem.case.case import Case
from fem.case.files import apply_override, as_override, set_path
from fem.results.comparison import numbers

__all__ = ["axes_of", "gather", "latin", "points", "ranges_of", "share", "sweep"]

#: What becomes of a point.
DONE, FAILED = "done", "failed"
#: One of several values: commas within brackets or quotes are its own.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
VALUE = re.compile(r"(?:[^,\[\"'(]|\[[^\]]*\]|\"[^\"]*\"|'[^']*'|\([^)]*\))+")
#: Path of the seed of a case's geometry.
SEED = "geometry.seed"


def axes_of(assignments: Sequence[str], seeds: str = "") -> dict[str, list[str]]:
    """Values of each path from `path=v1,v2,...`, and seeds from `1:5` or `1,4`.

    Commas within brackets or quotes part nothing.

    Raises:
        CaseError: no values, or a path twice.
    """
    axes: dict[str, list[str]] = {}
    for text in assignments:
        path, equals, values = text.partition("=")
        found = [value.strip() for value in VALUE.findall(values)]
        if not equals or not found or not path.strip():
            raise CaseError(f"sweep: {text!r}: write PATH=VALUE,VALUE,...")
        if path.strip() in axes:
            raise CaseError(f"sweep: {path.strip()} is given twice; join its values")
        axes[path.strip()] = found
    if seeds:
        match = re.fullmatch(r"(\d+):(\d+)", seeds)
        numbers_ = range(int(match[1]), int(match[2]) + 1) if match else seeds.split(",")
        axes[SEED] = [str(n).strip() for n in numbers_]
        if not axes[SEED] or not all(n.isdigit() for n in axes[SEED]):
            raise CaseError(f"sweep: seeds {seeds!r}: write first:last, or a list such as 1,4,7")
    return axes


def points(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """All combinations of the values of the axes, the last one fastest."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def ranges_of(assignments: Sequence[str]) -> dict[str, tuple[str, str, bool]]:
    """Low end, high end, and whether it is even in the logarithm, from `path=low,high[,log]`.

    Raises:
        CaseError: not two ends in one unit, in rising order, or a logarithm that does not exist.
    """
    found = {}
    for text in assignments:
        path, _, values = text.partition("=")
        ends = [value.strip() for value in VALUE.findall(values)]
        log = ends[2:] == ["log"]
        try:
            (low, unit), (high, other) = (_parted(end) for end in ends[:2])
            if len(ends) > 2 and not log:
                raise ValueError
        except ValueError:
            raise CaseError(f"sweep: {text!r}: write PATH=LOW,HIGH or PATH=LOW,HIGH,log") from None
        if unit != other or not low < high or (log and low <= 0.0):
            raise CaseError(f"sweep: {text!r}: both ends in one unit, the lower first"
                            f"{', both above 0' if log else ''}")
        found[path.strip()] = ends[0], ends[1], log
    return found


def latin(
    ranges: Mapping[str, tuple[str, str, bool]], count: int, seed: int = 1
) -> list[dict[str, str]]:
    """Points of a Latin hypercube in some ranges, as texts that a case may hold.

    Args:
        ranges: as `ranges_of` gives them.
        count: of points.
        seed: of the random numbers.

    Raises:
        CaseError: no range, or no point.
    """
    from scipy.stats import qmc

    if not ranges or count < 1:
        raise CaseError("sweep: a sample needs ranges (--range PATH=LOW,HIGH) and at least 1 point")
    sample = qmc.LatinHypercube(d=len(ranges), rng=seed).random(count)
    found = []
    for row in sample:
        point = {}
        for share_, (path, (first, last, log)) in zip(row, ranges.items(), strict=True):
            (low, unit), (high, _) = _parted(first), _parted(last)
            value = low * (high / low) ** share_ if log else low + share_ * (high - low)
            point[path] = f"{value:.9g} {unit}".strip()
        found.append(point)
    return found


def _parted(text: str) -> tuple[float, str]:
    """Number and unit of a quantity.

    Raises:
        ValueError: there is no number.
    """
    plain = text.strip("\"' ")
    if (match := NUMBER.match(plain)) is None:
        raise ValueError(text)
    return float(match[0]), plain[match.end() :].strip()


def name_of(point: Mapping[str, Any]) -> str:
    """Name of a point's folder: the last words of its changes, and a digest of all."""
    said = "_".join(f"{path.rpartition('.')[2]}={value}" for path, value in point.items())
    plain = re.sub(r"[^\w=.+-]+", "", said)[:60]
    digest = hashlib.sha256(json.dumps(dict(point), sort_keys=True).encode()).hexdigest()[:8]
    return f"{plain}_{digest}"


def share(total: int) -> tuple[int, int] | None:
    """(k, n) of a job of a Slurm array, k from 0; None outside one.

    Raises:
        CaseError: the array leaves out indices, as `3,7`, so that some points would have no job.
    """
    if "SLURM_ARRAY_TASK_ID" not in os.environ:
        return None
    first = int(os.environ.get("SLURM_ARRAY_TASK_MIN", "0"))
    step = int(os.environ.get("SLURM_ARRAY_TASK_STEP", "1"))
    count = int(os.environ.get("SLURM_ARRAY_TASK_COUNT", str(total)))
    last = int(os.environ.get("SLURM_ARRAY_TASK_MAX", str(first + (count - 1) * step)))
    if last != first + (count - 1) * step:
        raise CaseError(f"sweep: an array of {count} jobs from {first} to {last} leaves out "
                        "indices, and their points would have no job; give one without gaps, as "
                        f"--array=0-{count - 1}: what is done is not done again")
    return (int(os.environ["SLURM_ARRAY_TASK_ID"]) - first) // step, count


def sweep(
    case: Case, axes: Mapping[str, Sequence[Any]], folder: Path, *,
    sample: Sequence[Mapping[str, Any]] = (), jobs: int = 1,
    part: tuple[int, int] | None = None, again: Sequence[str] | None = None, quiet: bool = True,
    hooks: bool = False,
) -> list[dict[str, Any]]:
    """Run all points that have no row yet, and write the table.

    Args:
        case: that is changed.
        axes: path of an entry -> its values: texts as `--set` takes them, or numbers, lists,
            tables.
        folder: of the sweep.
        sample: points that are run with each combination of the axes, as `latin` gives them.
        jobs: processes at a time, which share the points of the part.
        part: (k, n): only every n-th point from the k-th on.
        again: command of a process that does a part; with several jobs.
        quiet: no line for each point.
        hooks: the Python that `[hooks]` names may be executed.

    Returns:
        A row for each point that has ended: its changes, `status`, `error`, `wall_seconds`, and the
        numbers of its summary.

    Raises:
        CaseError: the folder holds a sweep of something else.
    """
    _claim(folder, case, axes, sample)
    every = _points_in(folder)
    if jobs > 1:
        _in_processes(folder, jobs, again, part or (0, 1))
        return gather(folder)
    mine = every if part is None else every[part[0] :: part[1]]
    for point in mine:
        if not (folder / "rows" / f"{name_of(point)}.json").exists():
            row = _solve(case, point, folder, hooks)
            if not quiet:
                print(f"{row['status']}: {', '.join(f'{k} = {v}' for k, v in point.items())}"
                      f"{': ' + row['error'] if row['error'] else ''}", flush=True)
            gather(folder)
    return gather(folder)


def _points_in(folder: Path) -> list[dict[str, Any]]:
    """All points of the sweep in a folder, in order."""
    record = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    grid = points(record["axes"])
    return [{**point, **more} for more in record.get("sample") or [{}] for point in grid]


def _claim(
    folder: Path, case: Case, axes: Mapping[str, Sequence[Any]],
    sample: Sequence[Mapping[str, Any]],
) -> None:
    """Note what the sweep is; more values or points may be added to one that is there."""
    record: dict[str, Any] = {
        "case": case.to_toml(),
        "axes": {path: [*map(as_override, v)] for path, v in axes.items()},
        "sample": [{path: as_override(v) for path, v in point.items()} for point in sample],
    }
    if sample and (twice := axes.keys() & sample[0].keys()):
        raise CaseError(f"sweep: {min(twice)} has values and a range; keep one of them")
    note = folder / "sweep.json"
    if note.exists():
        before = json.loads(note.read_text(encoding="utf-8"))
        entries = [[*t["axes"], *(t.get("sample") or [{}])[0]] for t in (before, record)]
        if before["case"] != record["case"] or entries[0] != entries[1]:
            raise CaseError(f"{folder}: holds a sweep of another case or of other entries; choose "
                            "another folder with --out")
        known = before.get("sample", [])
        record["sample"] = [*known, *(point for point in record["sample"] if point not in known)]
    elif folder.exists() and any(folder.iterdir()):
        raise CaseError(f"{folder}: holds something else; choose another folder with --out")
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    write_text(note, json.dumps(record, indent=2) + "\n")


def _solve(case: Case, point: Mapping[str, Any], folder: Path, hooks: bool) -> dict[str, Any]:
    """Run a point; its row is written last."""
    from fem.run.session import run

    name, start = name_of(point), time.perf_counter()
    row: dict[str, Any] = {**point, "status": DONE, "error": "", "folder": f"points/{name}"}
    try:
        changed = _changed(case, point, hooks)
        result = run(changed, folder / "points" / name, overwrite=True, quiet=True,
                     hooks=hooks)
        row |= numbers(result.summary)
        row["event"] = ", ".join(dict.fromkeys(e["event"] for e in result.summary["events"]))
        row["closure"] = max(result.summary["closures"].values(), default=0.0)
    except Interrupted:
        raise
    except HostplateError as error:
        row |= {"status": FAILED, "error": " ".join(str(error).split())}
    except Exception as error:  # a row as well, not a hole
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        row |= {"status": FAILED, "error": text}
    row["wall_seconds"] = time.perf_counter() - start
    row = {k: v for k, v in row.items() if not isinstance(v, float) or math.isfinite(v)}
    write_text(folder / "rows" / f"{name}.json", json.dumps(row) + "\n")
    return row


def _changed(case: Case, point: Mapping[str, Any], hooks: bool) -> Case:
    """The case of a point; texts are read as those of `--set`."""
    data = case.to_dict()
    set_path(data, "output.figures", False)
    for path, value in point.items():
        apply_override(data, f"{path}={value}")
    return type(case).from_dict(data, hooks=hooks)


def _in_processes(
    folder: Path, jobs: int, again: Sequence[str] | None, part: tuple[int, int]
) -> None:
    """Let processes share the points of a part, and wait for them.

    Raises:
        CaseError: the command is not known.
    """
    if again is None:
        again = ["sweep", str(folder)]
    number, count = part
    environment = os.environ | {"SLURM_ARRAY_TASK_COUNT": str(jobs * count),
                                "SLURM_ARRAY_TASK_MIN": "0"}
    for name in ("STEP", "MAX"):
        environment.pop(f"SLURM_ARRAY_TASK_{name}", None)
    running = [
        subprocess.Popen([sys.executable, "-m", "fem.cli", *again],
                         env=environment | {"SLURM_ARRAY_TASK_ID": str(number * jobs + k)})
        for k in range(jobs)
    ]
    try:
        for process in running:
            process.wait()
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()


def gather(folder: Path) -> list[dict[str, Any]]:
    """Rows of all points that have ended, in the order of the grid; writes `sweep.csv`."""
    record = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    rows = []
    for point in _points_in(folder):
        path = folder / "rows" / f"{name_of(point)}.json"
        if path.exists():
            rows.append(json.loads(path.read_text(encoding="utf-8")))
    changed = [*record["axes"], *(record.get("sample") or [{}])[0]]
    first = [*changed, "status", "event", "error", "wall_seconds", "closure"]
    names = list(dict.fromkeys([*first, *itertools.chain.from_iterable(rows)]))
    lines = [names, *([_shown(row.get(name, "")) for name in names] for row in rows)]
    write_text(folder / "sweep.csv", "".join(_line(line) for line in lines))
    return rows


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _line(cells: Sequence[str]) -> str:
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def left(folder: Path) -> Iterator[dict[str, str]]:
    """Points without a row."""
    for point in _points_in(folder):
        if not (folder / "rows" / f"{name_of(point)}.json").exists():
            yield point
