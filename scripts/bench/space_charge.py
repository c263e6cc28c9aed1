"""Steps, Newton iterations and seconds of a strip with space charge beyond the limiting current.

    python scripts/bench/space_charge.py             100,000 unknowns
    python scripts/bench/space_charge.py 20000

Case `chazalviel` (1.5 times the limiting current, to 3 L^2/D) with cells from 0.1 nm at the
electrodes on, and as many in the depleted part as make the number of unknowns. Iterations with the
factors of the one before count as Newton's, and factorisations stand beside.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]
from fem import Case
from fem.mesh.domain import Domain
from fem.run.in_time import InTime
from fem.run.session import mesh_folder
from fem.study.build import build

#: Depleted part, m; rows of nodes elsewhere; unknowns of a row of nodes.
DEPLETED, ELSEWHERE, A_ROW = 20e-6, 153, 6


def strip(unknowns: int) -> Case:
    """The case on a mesh of its own."""
    size = DEPLETED / (unknowns / A_ROW - ELSEWHERE)
    cells = ("geometry.size_collector=0.1 nm", "geometry.size_counter=0.1 nm",
             f"geometry.layers.0.size={1e9 * size:.4g} nm")  # fmt: skip
    path = Path(__file__).resolve().parents[1] / "cases" / "chazalviel.toml"
    return Case.load(path, ("output.figures=false", *cells))


def main(unknowns: int) -> None:
    """Run it to its end and print one row."""
    case = strip(unknowns)
    folder = mesh_folder(case)
    cpu, wall = time.process_time(), time.perf_counter()
    model = build(case, Domain.read(folder))
    size = sum(u.space.dofmap.index_map.size_global for u in model.system.unknowns.values())
    run = InTime(model, Path(tempfile.mkdtemp()), quiet=True)
    run.check()
    segment = run.segments[0]
    follows = run._start(segment)
    run._begin_anew(segment)
    newton = factored = rejected = steps = 0
    while model.system.t < segment.end() * (1 - 1e-9):
        step, _ = run._step(follows, segment.end())
        if step is None:
            print(f"no step at t = {model.system.t:g} s")
            break
        steps, newton, factored = steps + 1, newton + step.newton, factored + step.factored
        rejected += step.rejected
        if steps % 10 == 0:
            print(f"  {steps} steps, t = {model.system.t:.3g} s, {newton / steps:.2f} Newton a "
                  f"step, {time.process_time() - cpu:.1f} s of CPU", flush=True)
    print(f"{size} unknowns: {steps} steps, {newton / steps:.2f} Newton iterations a step, "
          f"{factored / steps:.2f} factorisations, {rejected} rejected; "
          f"{model.system.get_voltage():.4f} V; {time.process_time() - cpu:.0f} s of CPU, "
          f"{time.perf_counter() - wall:.0f} s of time")
    print(command("space_charge", [unknowns]))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
