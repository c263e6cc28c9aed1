"""Cost of a growth run in reference Laplace problems: the whole job and each step.

    mpirun -n 2 python scripts/bench/host_fill.py [CASE SECONDS [PATH=VALUE ...]]

Steps through the first protocol step of a growth case (0 SECONDS: the whole), rejected tries
included, outputs and figures excluded; without arguments the job of `docs/measured.md`. The first
line is the command that does the same again. The reference problem is solved after every step, and
the median of its times counts. Ratios are of CPU time of the slowest rank. The last line is the
share of the steps that goes into which metal is one piece: before a step is solved and, for dead
and live metal, after it. With one piece that is short; a case with floating metal shows all of it:

    python scripts/bench/host_fill.py lamella_pan_cnf 1800
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]
from bench.laplace import ratios, references  # type: ignore[import-not-found]
from fem import Case
from fem.base.parallel import install_abort_hook, on_root
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.mesh.profile import thirds as thirds_of
from fem.run.in_time import InTime
from fem.run.session import mesh_folder
from fem.study.build import build

#: The job of docs/measured.md: 264,663 unknowns, 2.5 h at 1 mA/cm2.
JOB = ("host_fill", "9000", "kinetics.0.eta_nuc=0 V", "geometry.gap=10 um")


class Clock:
    """CPU seconds of what is called through it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed[T](self, call: Callable[..., T]) -> Callable[..., T]:
        """A call that does the same and adds its time."""
        def inner(*given: object) -> T:
            begin = time.process_time()
            done = call(*given)
            self.seconds += time.process_time() - begin
            return done

        return inner


def main(name: str, seconds: float, *overrides: str) -> None:
    """Print the table."""
    comm = MPI.COMM_WORLD
    install_abort_hook(comm)

    def log(text: str) -> None:
        if comm.rank == 0:
            print(text, flush=True)

    log(f"$ {command('host_fill', (name, f'{seconds:g}', *overrides), comm.size)}")
    case = Case.load(name, overrides=overrides)
    domain = Domain.read(on_root(comm, mesh_folder, case), comm)
    model = build(case, domain)
    s = model.system
    sizes = {n: u.space.dofmap.index_map.size_global for n, u in s.unknowns.items()}
    log(f"{comm.size} ranks; unknowns {sizes}, {sum(sizes.values())} in all")
    found = references(domain, s.unknowns["xi"].part)
    laplace = found[0]
    for one in found:
        one.solve(5)
        log(str(one))
    clock, contact, stock = Clock(), s["contact"], s["stock"]
    s.deciders[:] = [clock.timed(d) if d == contact.update else d for d in s.deciders]
    stock._connect = clock.timed(stock._connect)
    run = InTime(model, Path(tempfile.mkdtemp()))
    run.check()
    segment = run.segments[0]
    follows = run._start(segment)
    run._consistent(segment)
    end = seconds or segment.end()
    spent = clock.seconds = 0.0
    numbers: dict[str, float] = {}
    newton = krylov = tries = steps = 0
    log("       t      dt  newton  krylov  rejected  voltage/mV   tip/um  seconds  Laplace")
    while s.t < end * (1 - 1e-9):
        comm.Barrier()
        begin = time.process_time()
        step, numbers = run._step(follows, end)
        took = comm.allreduce(time.process_time() - begin, op=MPI.MAX)
        if step is None:
            log(f"no step at t = {s.t:g} s")
            break
        spent += took
        for one in found:
            one.solve()
        newton, krylov = newton + step.newton, krylov + step.linear
        steps, tries = steps + 1, tries + 1 + step.rejected
        log(
            f"{s.t:8.1f} {step.dt:7.2f} {step.newton:7d} {step.linear:7d} {step.rejected:9d} "
            f"{1e3 * s.get_voltage():11.4f} {1e6 * numbers['tip']:8.3f} {took:8.2f} "
            f"{took / laplace.seconds:8.2f}"
        )
    for one in found:
        log(str(one))
    thirds = thirds_of(s["stock"].depth_profile(), "plated")
    log(
        f"{steps} steps, {tries} tries, {newton} Newton, {krylov} Krylov iterations; "
        f"{spent:.1f} s; a try in Laplace problems: {ratios(spent / max(tries, 1), found)}"
    )
    log(
        f"voltage {1e3 * s.get_voltage():.5f} mV, tip {1e6 * numbers['tip']:.4f} um, metal in "
        f"top, middle, bottom third {', '.join(f'{x:.5f}' for x in thirds)}"
    )
    pieces = comm.allreduce(clock.seconds, op=MPI.MAX)
    log(f"telling pieces apart: {pieces:.2f} s, {pieces / spent:.2%} of the steps")


if __name__ == "__main__":
    case_name, end, *changes = sys.argv[1:] or JOB
    main(case_name, float(end), *changes)
