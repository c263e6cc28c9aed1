"""Does the answer depend on mesh or step? `hostplate converge`.

Three meshes (every cell size, given or chosen by the family, times 2, 1, 1/2) at the case's time
tolerance, and three time tolerances at the case's mesh. An imported mesh cannot be coarsened: it is
the coarsest of three, the others halve its cells; `DRAWN` says what that leaves out. From three
values of a number follow the observed order

    p = log2 |a - b| / |b - c|        a coarse, b middle, c fine

and, if it is positive, what an infinitely fine mesh would give (Richardson):
c + (c - b)/(2^p - 1). Steps shrink with the cube root of the tolerance, so a factor of 8 in the
tolerance (and 2 in dt0 and dt_max) halves them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError
from fem.base.folder import move_aside, write_json
from fem.base.parallel import install_abort_hook, on_root
from fem.case.case import Case
from fem.compat import MPI
from fem.results.comparison import numbers, order, scale
from fem.results.result import Result
from fem.run.session import mesh_folder, run

__all__ = ["converge", "main_converge", "table", "variants"]

#: Sizes of the three meshes over those of the case, by `quick`.
FACTORS = {False: (2.0, 1.0, 0.5), True: (4.0, 2.0, 1.0)}
MAX_TOLERANCE = 0.099
DRAWN = (
    "an imported mesh is refined as it is drawn: corners of curved walls stay, so limit and error "
    "hold for the drawn shape; only a finer drawn mesh can tell how far that is from the curved one"
)


def variants(case: Case, quick: bool = False) -> dict[str, list[Case]]:
    """The cases to be solved, from coarse to fine, by what is refined: `mesh`, `time`.

    Args:
        case: the centre; with `quick` the finest.
        quick: coarser by one level everywhere: 4, 2, 1 instead of 2, 1, 1/2. Own meshes: in time
            only.

    Raises:
        CaseError: a geometry that cannot be meshed with these sizes.
    """
    plain: dict[str, Any] = {
        "output.figures": False, "output.fields_every": None, "output.pvd": False
    }
    factors = FACTORS[quick]
    changes: list[dict[str, Any]]
    if case.mesh is not None:
        changes = [{"mesh.refine": case.mesh.refine + k} if k else {} for k in range(3)]
        centre: dict[str, Any] = {}
    else:
        from geometries.resolution import refined

        geometry = case.sized_geometry or {}
        try:
            changes = [{"geometry": refined(geometry, f)} for f in factors]
        except CaseError as error:
            raise CaseError(
                f"converge: the mesh cannot be made {factors[0]:g} times as coarse or "
                f"{1 / factors[-1]:g} times as fine: {error}"
            ) from None
        centre = {"geometry": refined(geometry, 1.0)}
    out = {"mesh": [case.with_(plain | change) for change in changes]}
    if case.study == "tertiary":
        t = case.time
        out["time"] = [
            case.with_(plain | centre | ({} if f == 1.0 else {
                "time.tolerance": min(t.tolerance * f**3, MAX_TOLERANCE),
                "time.dt0": f"{t.dt0 * f:.12g} s",
                **({} if t.dt_max is None else {"time.dt_max": f"{t.dt_max * f:.12g} s"}),
            }))
            for f in factors
        ]  # fmt: skip
    return out


def _check_meshes(cases: Sequence[Case], quick: bool) -> list[int]:
    """Cells of the meshes, built before anything is solved (rank 0 only).

    Raises:
        CaseError: they do not refine.
    """
    cells = []
    for k, case in enumerate(cases, 1):
        try:
            cells.append(_cells(mesh_folder(case)))
        except CaseError as error:
            finer = "leave out --quick, which takes meshes twice as coarse, or " if quick else ""
            raise CaseError(
                f"converge: mesh {k} of 3, cells {FACTORS[quick][k - 1]:g} times those "
                f"of the case, cannot be made: {error}; {finer}give smaller sizes in [geometry]"
            ) from None
    if not cells[0] * 1.3 < cells[1] < cells[2] / 1.3:
        shown = ", ".join(map(str, cells))
        raise CaseError(
            f"converge: the three meshes have {shown} cells, so that nothing can be said about "
            "convergence: what sets their cells is not the size but the shape (thin layers, small "
            "features, a cell of one row). Give smaller sizes in [geometry], or a larger cell"
        )
    return cells


def converge(
    case: Case, folder: Path, *, quick: bool = False, overwrite: bool = False, hooks: bool = False,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> dict[str, Any]:
    """Solve all variants into sub-folders and write `converge.json` (collective).

    Args:
        case: the centre of the variants.
        folder: of the answer.
        quick: see `variants`.
        overwrite: move an earlier answer aside first.
        hooks: the Python that `[hooks]` names may be executed.
        comm: the ranks that take part.

    Returns:
        For `mesh` and `time`: number -> values from coarse to fine, order, limit, error, verdict.

    Raises:
        CaseError: see `variants`, the folder is not empty, or the meshes do not refine (before
            anything is solved).
        RunError: one of the runs failed.
    """
    found: dict[str, Any] = {}
    done: dict[str, Path] = {}
    on_root(comm, _make_room, folder, overwrite)
    to_solve = variants(case, quick)
    cells = on_root(comm, _check_meshes, to_solve["mesh"], quick)
    for kind, cases in to_solve.items():
        results = []
        for k, variant in enumerate(cases):
            key = variant.to_toml()
            if key not in done:  # the middle one belongs to both
                done[key] = folder / f"{kind}_{k + 1}"
                run(variant, done[key], comm=comm, hooks=hooks)
            results.append(Result(done[key]).summary)
        tables = [numbers(summary) for summary in results]
        common = [name for name in tables[0] if all(name in table for table in tables)]
        found[kind] = {}
        for name in common:
            values = [t[name] for t in tables]
            coarse, middle, fine = values
            judged = order(coarse, middle, fine, scale(name, tables), case.solver.rtol)
            found[kind][name] = {"values": values} | judged
        found[f"{kind}_cells" if kind == "mesh" else f"{kind}_steps"] = (
            cells if kind == "mesh" else [int(summary["steps"]) for summary in results]
        )
    if case.mesh is not None:
        found["note"] = DRAWN
    write_json(comm, folder / "converge.json", found)
    return found


def _make_room(folder: Path, overwrite: bool) -> None:
    """An earlier answer is moved aside if that is asked for.

    Raises:
        CaseError: something is there that may not be moved.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / "mesh_1").is_dir():
        raise CaseError(f"{folder} holds something else; choose another folder with --out")
    if not overwrite:
        raise CaseError(
            f"{folder} holds an earlier answer; choose another folder with --out, or move it aside "
            "with --overwrite"
        )
    move_aside(folder)


def _cells(folder: Path) -> int:
    return int(json.loads((folder / "mesh.json").read_text())["cells"])


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """The answer of `converge` as lines of text."""
    if "note" in found:
        yield f"note: {found['note']}"
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
            note = "" if row["verdict"] == "converges" else f"  {row['verdict']}"
            yield f"  {name:{width}}  {values}{shown_p}{shown_limit}{row['error']:9.1e}{note}"


def main_converge(case: Case, folder: Path, **options: Any) -> int:
    """Entry point of `hostplate converge` on every rank."""
    comm = MPI.COMM_WORLD
    install_abort_hook(comm)
    found = converge(case, folder, **options)
    if comm.rank == 0:
        print("\n".join(table(found)))
        print(f"wrote {folder / 'converge.json'}", flush=True)
    return 0
