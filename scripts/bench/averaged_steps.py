"""Cost of an averaged host in 2D or 3D in reference Laplace problems a step.

    python scripts/bench/averaged_steps.py                       2D, 20,000 cells
    mpirun -n 2 python scripts/bench/averaged_steps.py 3 42 6    3D, 300,000 unknowns, 6 steps

Arguments are the dimension, cells along each axis of the host and the most steps. Porosity changes
across the host, salt is followed, pores fill. The reference problem is solved after every step on
the same mesh, and the median of its times counts; of all steps the first is left out, in which
the time to come is not known yet. Ratios are of CPU time of the slowest rank.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]
from bench.averaged_sweep import HOST  # type: ignore[import-not-found]
from bench.laplace import pore_of, ratios, references  # type: ignore[import-not-found]
from fem import Case
from fem.base.parallel import install_abort_hook, on_root
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.run.in_time import InTime
from fem.run.session import mesh_folder
from fem.study.build import build


def block(dimension: int, cells: int) -> Case:
    """A host of 100 um along each axis, with 10 um of electrolyte over it; plated for 1 h."""
    size = f"{100 / cells} um"
    sides = {"width": "100 um"} | ({"breadth": "100 um", "dimension": 3} if dimension == 3 else {})
    layers = [{"name": "mat", "thickness": "100 um", "region": "host_mat"},
              {"name": "gap", "thickness": "10 um", "region": "electrolyte", "size": "5 um"}]
    porosity = {"expression": "0.8 + 1e3*x", "unit": ""}
    return Case.from_dict(HOST | {
        "geometry": {"family": "planar", "size": size, "size_width": size, "layers": layers}
        | sides,
        "regions": {"host_mat": {"material": "Cu", "porosity": porosity, "sigma": "10 S/m"}},
        "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 h"}],
    })  # fmt: skip


def main(dimension: int, cells: int, most: int) -> None:
    """Print the table."""
    comm = MPI.COMM_WORLD
    install_abort_hook(comm)

    def log(text: str) -> None:
        if comm.rank == 0:
            print(text, flush=True)

    log(f"$ {command('averaged_steps', (dimension, cells, most), comm.size)}")
    case = block(dimension, cells)
    domain = Domain.read(on_root(comm, mesh_folder, case), comm)
    model = build(case, domain)
    s = model.system
    sizes = {n: u.space.dofmap.index_map.size_global for n, u in s.unknowns.items()}
    count = domain.mesh.topology.index_map(domain.dim).size_global
    log(f"{comm.size} ranks; {count} cells; unknowns {sizes}, {sum(sizes.values())} in all")
    found = references(domain, pore_of(model))
    run = InTime(model, Path(tempfile.mkdtemp()))
    run.check()
    segment = run.segments[0]
    follows = run._start(segment)
    run._consistent(segment)
    spent = 0.0
    tries = 0
    log("       t      dt  newton  krylov  rejected  seconds  Laplace")
    for k in range(most + 1):
        comm.Barrier()
        begin = time.process_time()
        step, _ = run._step(follows, segment.end())
        took = comm.allreduce(time.process_time() - begin, op=MPI.MAX)
        if step is None:
            log(f"no step at t = {s.t:g} s")
            break
        for one in found:
            one.solve()
        if k:
            spent, tries = spent + took, tries + 1 + step.rejected
        log(f"{s.t:8.1f} {step.dt:7.2f} {step.newton:7d} {step.linear:7d} {step.rejected:9d} "
            f"{took:8.2f} {took / found[0].seconds:8.2f}")
        if s.t >= segment.end() * (1 - 1e-9):
            break
    for one in found:
        log(str(one))
    log(f"a try in Laplace problems: {ratios(spent / max(tries, 1), found)}")


if __name__ == "__main__":
    given = [int(arg) for arg in sys.argv[1:]]
    main(*(given + [2, 100, 40][len(given):]))
