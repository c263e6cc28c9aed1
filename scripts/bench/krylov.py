"""Krylov iterations of a growth run on meshes, contrasts and ranks: do they stay as they are?

    mpirun -n 2 python scripts/bench/krylov.py CASE SECONDS SIZES CONTRASTS [PATH=VALUE ...]
    python scripts/bench/krylov.py host_fill_3d 300 1,0.5,0.25 1e4

SIZES are cell sizes in um, CONTRASTS the conductivity of metal (and the largest of the host) over
that of the electrolyte; an empty pore has 1e-8 of the latter. Plates for SECONDS with the
iterative solver whatever the size, then solves the last matrix of potentials and salt for the first
residual of the last step with a new preconditioner, to a relative 1e-6. One row a pair:

    first     iterations of the first linear solve of a step, mean and most
    decade    iterations a decade of tolerance, mean over all solves of potentials and salt
    new       iterations of that last solve
    salt      most iterations of a solve for the salt alone
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fem.setup.setup
import fem.study.build
from bench import command  # type: ignore[import-not-found]
from fem import Case
from fem.base.parallel import install_abort_hook, on_root
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.run.in_time import InTime
from fem.run.session import mesh_folder
from fem.solver.stage import Stage


def watch(stage: Stage) -> list[tuple[tuple[Any, ...], float, int]]:
    """(right-hand side, tolerance, iterations) of every linear solve from now on."""
    solves: list[tuple[tuple[Any, ...], float, int]] = []
    solve = stage.direction

    def counted(*rhs: Any) -> Any:
        step, iterations, good = solve(*rhs)
        solves.append((rhs, stage.solver.rtol, iterations))
        return step, iterations, good

    stage.direction = counted  # type: ignore[assignment, method-assign]
    return solves


def row(case: Case, seconds: float, comm: Any) -> str:
    """Run a case and count."""
    model = fem.study.build.build(case, Domain.read(on_root(comm, mesh_folder, case), comm))
    s = model.system
    run = InTime(model, Path(tempfile.mkdtemp()))
    run.check()
    segment = run.segments[0]
    follows = run._start(segment)
    run._consistent(segment)
    potentials, salt = run.stages[0], run.stages[-1]
    solves, settled = watch(potentials), watch(salt)
    first: list[int] = []
    steps = factorised = before = 0
    while s.t < seconds * (1 - 1e-9):
        before = len(solves)
        step, _ = run._step(follows, seconds)
        if step is None:
            return f"no step at t = {s.t:g} s"
        steps += 1
        factorised += potentials.solver.factored_left > 0
        first.append(solves[before][-1])
    decades = sum(-math.log10(rtol) for _, rtol, _ in solves)
    potentials.solver.renew()
    potentials.solver.factored_left, potentials.solver.rtol = 0, 1e-6
    _, fresh, good = potentials.direction(*solves[before][0])
    size = sum(u.space.dofmap.index_map.size_global for u in s.unknowns.values())
    return (
        f"{size:9d} {steps:6d} {factorised:10d} {np.mean(first):10.1f} {max(first):4d} "
        f"{sum(n for *_, n in solves) / decades:7.2f} {fresh:6d}{'' if good else ' failed'} "
        f"{max(n for *_, n in settled):5d}"
    )


def main(name: str, seconds: float, sizes: str, contrasts: str, *overrides: str) -> None:
    """Print the table."""
    comm = MPI.COMM_WORLD
    install_abort_hook(comm)
    head = "ranks size/um contrast  unknowns  steps factorised first/mean most  decade    new  salt"
    if comm.rank == 0:
        arguments = name, f"{seconds:g}", sizes, contrasts, *overrides
        print(f"$ {command('krylov', arguments, comm.size)}")
        print(head, flush=True)
    for size in sizes.split(","):
        for contrast in contrasts.split(","):
            fem.setup.setup.CONDUCTIVITY_SHARE = float(contrast)
            case = Case.load(name, overrides=(
                *(f"geometry.{key}={size} um" for key in ("size", "size_wall")),
                "solver.kind=iterative", *overrides,
            ))
            found = row(case, seconds, comm)
            if comm.rank == 0:
                print(f"{comm.size:5d} {size:>7s} {contrast:>8s} {found}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
