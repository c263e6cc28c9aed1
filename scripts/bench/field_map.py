"""A field map in 3D from start to closed result file: where the time goes.

    mpirun -n 2 python scripts/bench/field_map.py results/map [--cells 1e6] [--kind conduction]

A mat of copper fibres that float in an electrolyte. The first call builds and caches the mesh; the
second has it, and all forms compiled, and is the one that counts. Printed are the command that does
the same again, and CPU seconds of the slowest rank and wall seconds of each share: start (Python
and imports), read (the mesh), assemble (what fills the regions, submesh, matrix, solver), solve,
measure, write.
"""

from __future__ import annotations

import time

STARTED = time.perf_counter(), time.process_time()

import argparse  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]  # noqa: E402
from fem import Case  # noqa: E402
from fem.base.folder import claim_folder  # noqa: E402
from fem.base.parallel import on_root  # noqa: E402
from fem.compat import MPI  # noqa: E402
from fem.mesh.domain import Domain  # noqa: E402
from fem.run.once import Once  # noqa: E402
from fem.run.session import mesh_folder  # noqa: E402
from fem.study import alone  # noqa: E402

#: Cells of the mesh with `size` 1 um; their number goes with its inverse third power.
AT_ONE_MICROMETRE = 0.96e6


def case(cells: float, kind: str, solver: str) -> Case:
    """A floating copper mat of 60 x 60 x 40 um under a separator."""
    size = (AT_ONE_MICROMETRE / cells) ** (1 / 3)
    return Case.from_dict({
        "schema": 1, "title": "A floating copper mat", "metal": "Li",
        "electrolyte": "LiPF6_EC_EMC_3_7", "study": "map",
        "geometry": {
            "family": "fibre_mat", "dimension": 3, "width": "60 um", "breadth": "60 um",
            "gap": "5 um", "separator": "10 um", "contacts": "none",
            "size": f"{size:.4f} um", "size_wall": f"{size / 2:.4f} um",
            "layers": [{"name": "mat", "thickness": "40 um", "porosity": 0.85,
                        "fibre_diameter": "8 um"}],
        },
        "regions": {"host_mat": {"material": "Cu"}, "separator": {"material": "polyolefin"}},
        "map": {"kind": kind, "boundaries": {"collector": {"phi": "0 V"},
                                             "counter": {"phi": "1 V"}}},
        "output": {"figures": False}, "solver": {"kind": solver},
    })  # fmt: skip


def main() -> None:
    """Run it and print the shares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=float, default=1e6)
    parser.add_argument("--kind", default="conduction", choices=("conduction", "electrostatics"))
    parser.add_argument("--solver", default="auto")
    options = parser.parse_args()
    comm = MPI.COMM_WORLD
    if comm.rank == 0:
        arguments = (options.folder, "--cells", f"{options.cells:g}", "--kind", options.kind,
                     "--solver", options.solver)  # fmt: skip
        print(f"$ {command('field_map', arguments, comm.size)}", flush=True)
    marks: list[tuple[str, float, float]] = []

    def mark(what: str) -> None:
        comm.Barrier()
        marks.append((what, time.perf_counter(), time.process_time()))

    mark("start")
    given = case(options.cells, options.kind, options.solver)
    domain = Domain.read(on_root(comm, mesh_folder, given), comm)
    mark("read")
    run = Once(alone.build(given, domain), options.folder)
    lock = claim_folder(comm, options.folder, overwrite=True)
    run.begin()
    mark("assemble")
    run.go()
    lock.release()
    mark("rest")
    shares: dict[str, tuple[float, float]] = {}
    before = (STARTED[0], 0.0)
    for what, wall, cpu in marks:
        shares[what] = wall - before[0], cpu - before[1]
        before = wall, cpu
    cpu_of = {k: comm.allreduce(c, op=MPI.MAX) for k, (_, c) in shares.items()}
    total = comm.allreduce(time.process_time(), op=MPI.SUM)
    if comm.rank == 0:
        tell(domain, run, shares, cpu_of, total)


def tell(domain: Any, run: Once, shares: Any, cpu_of: Any, total: float) -> None:
    """Print a line for each share."""
    size = domain.mesh.topology.index_map(domain.dim).size_global
    print(f"{size} cells, {domain.comm.size} ranks, {run.done.linear} Krylov iterations")
    for what, (wall, _) in shares.items():
        print(f"{what:10} {wall:6.1f} s wall {cpu_of[what]:6.1f} s CPU of the slowest rank")
    inside = ", ".join(f"{k} {v:.1f}" for k, v in run.seconds.items())
    print(f"rest, wall seconds: {inside}")
    print(f"all ranks together {total:.1f} s CPU")


if __name__ == "__main__":
    main()
