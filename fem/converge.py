"""Does the answer depend on mesh or step? `hostplate converge`.

Three meshes (every size of the geometry times 2, 1, 1/2) at the case's time tolerance, and three
time tolerances at the case's mesh. From three values of a number follow the observed order

    p = log2 |a - b| / |b - c|        a coarse, b middle, c fine

and, if it is positive, what an infinitely fine mesh would give (Richardson):
c + (c - b)/(2^p - 1). Steps shrink with the cube root of the tolerance, so a factor of 8 in the
tolerance (and 2 in dt0 and dt_max) halves them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .case import Case
from .comparison import numbers, order
from .compat import MPI
from .errors import CaseError
from .output import write_json
from .parallel import install_abort_hook, on_root
from .results import Result
from .units import parse_quantity

__all__ = ["converge", "main_converge", "table", "variants"]

LARGEST_TOLERANCE = 0.099


def sizes(geometry: Mapping[str, Any], path: str = "geometry") -> dict[str, str]:
    """Every mesh size that a [geometry] gives: dotted path -> quantity string."""
    out: dict[str, str] = {}
    for key, value in geometry.items():
        if isinstance(value, Mapping):
            out |= sizes(value, f"{path}.{key}")
        elif isinstance(value, list | tuple):
            for k, part in enumerate(value):
                if isinstance(part, Mapping):
                    out |= sizes(part, f"{path}.{key}.{k}")
        elif (key == "size" or key.startswith("size_")) and isinstance(value, str):
            out[f"{path}.{key}"] = value
    return out


def variants(case: Case, quick: bool = False) -> dict[str, list[Case]]:
    """The cases to be solved, from coarse to fine, by what is refined: `mesh`, `time`.

    Args:
        case: the centre; with `quick` the finest.
        quick: coarser by one level everywhere: 4, 2, 1 instead of 2, 1, 1/2.

    Raises:
        CaseError: an own mesh, or a geometry that gives no size.
    """
    if case.geometry is None:
        raise CaseError(
            "converge: the case has its own mesh, which cannot be coarsened here, and refining its "
            "cells would keep the corners of curved walls; mesh it three times, run each, and use "
            "`hostplate compare`"
        )
    given = sizes(case.geometry)
    if not given:
        raise CaseError("converge: [geometry] gives no size; set geometry.size (and size_wall ...)")
    plain = {"output.figures": False, "output.fields_every": None, "output.pvd": False}
    factors = (4.0, 2.0, 1.0) if quick else (2.0, 1.0, 0.5)
    out = {"mesh": [
        case.with_(plain | {path: f"{f * parse_quantity(text, 'm'):.12g} m" if f != 1.0 else text
                            for path, text in given.items()})
        for f in factors
    ]}  # fmt: skip
    if case.study == "tertiary":
        t = case.time
        out["time"] = [
            case.with_(plain | ({} if f == 1.0 else {
                "time.tolerance": min(t.tolerance * f**3, LARGEST_TOLERANCE),
                "time.dt0": f"{t.dt0 * f:.12g} s",
                **({} if t.dt_max is None else {"time.dt_max": f"{t.dt_max * f:.12g} s"}),
            }))
            for f in factors
        ]  # fmt: skip
    return out


def converge(
    case: Case, folder: Path, *, quick: bool = False, comm: MPI.Comm = MPI.COMM_WORLD
) -> dict[str, Any]:
    """Solve all variants into sub-folders and write `converge.json` (collective).

    Returns:
        For `mesh` and `time`: number -> values from coarse to fine, order, limit, error, verdict.

    Raises:
        CaseError: see `variants`, or the meshes do not refine.
        RunError: one of the runs failed.
    """
    found: dict[str, Any] = {}
    done: dict[str, Path] = {}
    on_root(comm, lambda: shutil.rmtree(folder, ignore_errors=True) if _ours(folder) else None)
    for kind, cases in variants(case, quick).items():
        results, cells = [], []
        for k, variant in enumerate(cases):
            key = variant.to_toml()
            if key not in done:  # the middle one belongs to both
                done[key] = folder / f"{kind}_{k + 1}"
                variant.run(done[key], comm=comm)
            results.append(Result(done[key]).summary)
            cells.append(_cells(done[key]))
        if kind == "mesh" and not cells[0] * 1.3 < cells[1] < cells[2] / 1.3:
            raise CaseError(
                f"converge: the meshes have {cells} cells and do not refine; give all sizes of the "
                "family in [geometry] (their defaults are not scaled)"
            )
        tables = [numbers(summary) for summary in results]
        common = [name for name in tables[0] if all(name in table for table in tables)]
        found[kind] = {
            name: {"values": [t[name] for t in tables]} | order(*(t[name] for t in tables))
            for name in common
        }
        found[f"{kind}_cells" if kind == "mesh" else f"{kind}_steps"] = (
            cells if kind == "mesh" else [int(summary["steps"]) for summary in results]
        )
    write_json(comm, folder / "converge.json", found)
    return found


def _ours(folder: Path) -> bool:
    """An earlier answer of this command, which may be replaced.

    Raises:
        CaseError: something else is there.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return False
    if (folder / "mesh_1").is_dir():
        return True
    raise CaseError(f"{folder} holds something else; choose another folder with --out")


def _cells(folder: Path) -> int:
    return int(json.loads((folder / "mesh.json").read_text())["cells"])


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """The answer of `converge` as lines of text."""
    for kind, what in (("mesh", "cells"), ("time", "steps")):
        if kind not in found:
            continue
        shown = " -> ".join(map(str, found[f"{kind}_{what}"]))
        yield f"{kind}: {shown} {what}"
        width = max(len(name) for name in found[kind])
        yield f"  {'':{width}}  {'coarse':>13}{'middle':>13}{'fine':>13}{'order':>7}{'limit':>13}" \
              f"{'error':>9}"
        for name, row in found[kind].items():
            values = "".join(f"{v:13.6g}" for v in row["values"])
            p, limit = row["order"], row["limit"]
            shown_p = f"{p:7.2f}" if p is not None else f"{'':7}"
            shown_limit = f"{limit:13.6g}" if limit is not None else f"{'':13}"
            said = "" if row["verdict"] == "converges" else f"  {row['verdict']}"
            yield f"  {name:{width}}  {values}{shown_p}{shown_limit}{row['error']:9.1e}{said}"


def main_converge(case: Case, folder: Path, *, quick: bool = False) -> int:
    """What `hostplate converge` calls on every rank."""
    comm = MPI.COMM_WORLD
    install_abort_hook(comm)
    found = converge(case, folder, quick=quick)
    if comm.rank == 0:
        print("\n".join(table(found)))
        print(f"wrote {folder / 'converge.json'}", flush=True)
    return 0
