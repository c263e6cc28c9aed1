"""Cost of heat in reference Laplace problems a step, in a cell that plates or grows metal.

    python scripts/bench/heat.py                 growth, 2D, 20,000 cells, 8 steps
    python scripts/bench/heat.py tertiary 3 24 6   tertiary, 3D, 24 cells along each axis, 6 steps

Arguments are the study, the dimension, cells along each axis and the steps. What counts as heat's:
the solve of its stage, with all that other physics spend and make, the temperature foreseen before
it, and the balances of heat after it. The reference problem is solved after every step on the mesh
of the temperature, and the median of its times counts. Ratios are of CPU time of the slowest rank;
the goal is 2.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]
from bench.laplace import ratios, references  # type: ignore[import-not-found]
from fem import Case
from fem.base.parallel import install_abort_hook, on_root
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.run.in_time import InTime
from fem.run.session import mesh_folder
from fem.study.build import build


class Clock:
    """CPU seconds of what is called through it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A call that does the same and adds its time."""

        def inner(*args: Any, **more: Any) -> Any:
            begin = time.process_time()
            done = call(*args, **more)
            self.seconds += time.process_time() - begin
            return done

        return inner


def block(study: str, dimension: int, cells: int) -> Case:
    """Copper, 20 um of it, under 80 um of electrolyte, as wide; a hot spot, cooled from above."""
    size = f"{100 / cells} um"
    sides = {"width": "100 um"} | ({"breadth": "100 um", "dimension": 3} if dimension == 3 else {})
    growth = {"growth": {"interface_width": f"{200 / cells} um"},
              "initial": {"metal_layer": "30 um"}} if study == "growth" else {}
    return Case.from_dict({
        "schema": 1, "title": "heat", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
        "study": study,
        "geometry": {"family": "planar", "size": size, "size_width": size, "layers": [
            {"name": "plate", "thickness": "20 um", "region": "host_bottom"},
            {"name": "free", "thickness": "80 um", "region": "electrolyte"}]} | sides,
        "regions": {"host_bottom": {"material": "Cu"}},
        "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 h"}],
        "heat": {
            "regions": {"host_bottom": {"source": {
                "expression": "1e8*exp(-((x - 5e-5)^2)/2.5e-11)", "unit": "W/m^3"}}},
            "boundaries": {"counter": {"h": "1e5 W/m^2/K"}}},
        "output": {"figures": False},
    } | growth)  # fmt: skip


def main(study: str, dimension: int, cells: int, steps: int) -> None:
    """Print the table."""
    comm = MPI.COMM_WORLD
    install_abort_hook(comm)

    def log(text: str) -> None:
        if comm.rank == 0:
            print(text, flush=True)

    log(f"$ {command('heat', (study, dimension, cells, steps), comm.size)}")
    case = block(study, dimension, cells)
    model = build(case, Domain.read(on_root(comm, mesh_folder, case), comm))
    s = model.system
    sizes = {n: u.space.dofmap.index_map.size_global for n, u in s.unknowns.items()}
    log(f"{comm.size} ranks; unknowns {sizes}, {sum(sizes.values())} in all")
    found = references(model.domain, s.unknowns["rise"].part)
    run = InTime(model, Path(tempfile.mkdtemp()))
    run.check()
    clock = Clock()
    (stage,) = (stage for stage in run.stages if "rise" in stage.rows)
    heat = next(part for part in model.physics if "rise" in part.provides)
    stage.solve = clock.timed(stage.solve)  # type: ignore[method-assign]
    s.preparers[:] = [
        clock.timed(call) if getattr(call, "__self__", None) is heat else call
        for call in s.preparers
    ]
    for name in ("step", "accept", "share"):
        setattr(heat, name, clock.timed(getattr(heat, name)))
    segment = run.segments[0]
    follows = run._start(segment)
    run._consistent(segment)
    shares = []
    log("       t      dt  newton  krylov  rejected  seconds  heat  Laplace problems of heat a try")
    for _ in range(steps):
        comm.Barrier()
        begin, clock.seconds = time.process_time(), 0.0
        step, numbers = run._step(follows, segment.end())
        took = comm.allreduce(time.process_time() - begin, op=MPI.MAX)
        of_heat = comm.allreduce(clock.seconds, op=MPI.MAX)
        if step is None:
            raise SystemExit(f"no step at t = {s.t:g} s")
        for one in found:
            one.solve()
        shares.append(of_heat / (1 + step.rejected))
        log(f"{s.t:8.2f} {step.dt:7.3f} {step.newton:7d} {step.linear:7d} {step.rejected:9d} "
            f"{took:8.2f} {of_heat:6.2f} {shares[-1] / found[0].seconds:8.2f}")
    for one in found:
        log(str(one))
    log(f"T_max {numbers['T_max']:.6f} K, first law {numbers['first_law']:.1e}; heat takes "
        f"{ratios(statistics.median(shares), found)} Laplace problems a step (median)")


if __name__ == "__main__":
    given = [*sys.argv[1:], *["growth", "2", "100", "8"][len(sys.argv) - 1 :]]
    main(str(given[0]), *(int(arg) for arg in given[1:]))
