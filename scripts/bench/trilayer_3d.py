"""Cost of a Newton iteration of the 3D main job, in reference Laplace problems.

    mpirun -n 2 python scripts/bench/trilayer_3d.py [STEPS [PATH=VALUE ...]]

Runs the first steps of `trilayer_cg_3d` with the iterative solver and prints one row a step; the
reference problem is timed before and after in the same process. Ratios are of CPU time of the
slowest rank, which neighbours on the machine disturb less than wall time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]
from bench.laplace import pore_of, ratios, references  # type: ignore[import-not-found]
from fem import Case
from fem.base.parallel import install_abort_hook, on_root
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.run.session import mesh_folder
from fem.run.start import hold
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.study.build import build

#: The job of docs/measured.md: the first steps of the case as it is.
JOB = ("6",)


def main(steps: int, *overrides: str) -> None:
    """Print the table."""
    comm = MPI.COMM_WORLD
    install_abort_hook(comm)

    def log(text: str) -> None:
        if comm.rank == 0:
            print(text, flush=True)

    log(f"$ {command('trilayer_3d', (steps, *overrides), comm.size)}")
    case = Case.load("trilayer_cg_3d", overrides=overrides)
    domain = Domain.read(on_root(comm, mesh_folder, case), comm)
    model = build(case, domain)
    s = model.system
    options = Options(kind="iterative", rtol=case.solver.rtol)
    potentials = [n for n, u in s.unknowns.items() if not u.differential]
    start, main_stage = Stage(s, potentials, options), Stage(s, list(s.unknowns), options)
    sizes = {n: u.space.dofmap.index_map.size_global for n, u in s.unknowns.items()}
    log(f"{comm.size} ranks; unknowns {sizes}, {sum(sizes.values())} in all")
    found = references(domain, pore_of(model))
    laplace = found[0]
    for one in found:
        one.solve(3)
        log(str(one))

    current = -10.0 * model.area
    s.set_voltage(-(model.setup.surfaces.deepest_nucleation + 0.05))
    s.begin(0.0)
    rows = []

    def timed(label: str, stage: Stage) -> bool:
        comm.Barrier()
        begin = time.process_time()
        outcome = stage.solve(Control(current), abs(current))
        seconds = comm.allreduce(time.process_time() - begin, op=MPI.MAX)
        each = seconds / max(outcome.newton, 1) / laplace.seconds
        log(
            f"{label:>10} {outcome.newton:7d} {outcome.linear:7d} {outcome.factored:8d} "
            f"{seconds:9.2f} {each:9.2f}  {outcome.reason}"
        )
        rows.append((outcome.newton, outcome.linear, seconds))
        return outcome.converged

    log("      step  newton  krylov  set-ups   seconds  Laplace problems a Newton iteration")
    timed("start", start)
    hold(start)
    dt = 1.0
    for _ in range(steps):
        s.begin(dt)
        if not timed(f"{dt:g} s", main_stage):
            break
        for one in found:
            one.solve()
        s.accept()
        dt *= 1.5
    for one in found:
        log(str(one))
    newton, krylov, seconds = (sum(column) for column in zip(*rows[1:], strict=True))
    log(
        f"{newton} Newton iterations, {krylov / max(newton, 1):.1f} Krylov each, "
        f"each in Laplace problems: {ratios(seconds / max(newton, 1), found)}"
    )


if __name__ == "__main__":
    number, *changes = sys.argv[1:] or JOB
    main(int(number), *changes)
