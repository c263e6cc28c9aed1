"""Krylov iterations of space charge in 3D: a cube of salt between two electrodes, layers resolved.

    python scripts/bench/space_charge_3d.py DEBYE,CELLS[,SOLID] ...
    python scripts/bench/space_charge_3d.py .1,12 .1,24 .02,24 .1,16,Cu .1,16,Al2O3

DEBYE is the Debye length over the edge L of the cube, 100 um; CELLS are those along an edge of the
electrodes, from which cells of a fifth of the Debye length grow by 1.2. With a SOLID, a material
that plates or a dielectric, a perforated sheet of it stands in the middle, with cells of half the
Debye length along it. One step of .1 L^2/D at half the limiting current by the iterative solver
(FGMRES, multigrid of whole nodes), one row an argument.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]
from fem import Case
from fem.base.constants import EPSILON_0, FARADAY
from fem.mesh.domain import Domain
from fem.run.in_time import InTime
from fem.run.session import mesh_folder
from fem.study.build import build
from fem.theory import debye_length

#: Edge of the cube, m; permittivity and diffusivity, m2/s, of a salt in water; K.
L, EPS_R, D, T = 1e-4, 78.5, 1e-9, 298.15


def cube(debye: float, cells: int, solid: str = "") -> Case:
    """A closed cell of a symmetric salt, nearly reversible, that may have a sheet of a solid."""
    c0 = (debye_length(1.0, EPS_R, T) / (debye * L)) ** 2
    limit = 4 * FARADAY * D * c0 / L
    across, first = f"{1e6 * L / cells} um", f"{1e6 * debye * L / 5} um"
    given: dict[str, Any] = {
        "schema": 1, "title": "cube", "metal": "Li", "electrolyte": "salt", "study": "tertiary",
        "temperature": f"{T} K", "output": {"figures": False}, "solver": {"kind": "iterative"},
        "materials": {"salt": {
            "kind": "electrolyte", "c0": f"{c0!r} mol/m^3", "D": f"{D!r} m^2/s", "t_plus": 0.5,
            "kappa": {"law": "nernst_einstein"},
        }},
        "geometry": {
            "family": "planar", "dimension": 3, "growth": 1.2, "size": across,
            "size_width": across, "size_collector": first, "size_counter": first,
        } | dict.fromkeys(("length", "width", "breadth"), f"{1e6 * L} um"),
        "electrolyte_model": {"model": "pnp", "eps_r": EPS_R,
                              "stern": f"{EPSILON_0 * EPS_R / (0.1 * debye * L)!r} F/m^2"},
        "kinetics": [{"surface": "*", "i0": f"{1e3 * limit!r} A/m^2", "alpha_a": 0.5,
                      "alpha_c": 0.5, "c_ref": f"{c0!r} mol/m^3"}],
        "protocol": [{"step": "plate", "current_density": f"{0.5 * limit!r} A/m^2",
                      "duration": f"{0.1 * L**2 / D} s"}],
        "time": {"dt0": f"{0.1 * L**2 / D} s", "tolerance": 0.099},
    }  # fmt: skip
    if solid:
        um = 1e6 * L
        given["regions"] = {"host_sheet": {"material": solid}}
        given["geometry"] = {
            "family": "lamella", "dimension": 3, "growth": 1.2, "size": across,
            "size_wall": f"{0.5 * debye * um} um", "size_counter": f"{0.5 * debye * um} um",
            "spacing": f"{0.4 * um} um", "gap": f"{0.4 * um} um", "layers": [{
                "name": "sheet", "thickness": f"{0.2 * um} um", "opening": 0.4,
                "pitch": f"{0.5 * um} um"}],
        }  # fmt: skip
    return Case.from_dict(given)


def main(debye: float, cells: int, solid: str = "") -> None:
    """Take the step and print its row."""
    case = cube(debye, cells, solid)
    model = build(case, Domain.read(mesh_folder(case)))
    nodes = model.system.unknowns["phi"].space.dofmap.index_map.size_global
    run = InTime(model, Path(tempfile.mkdtemp()), quiet=True)
    run.check()
    segment = run.segments[0]
    follows = run._start(segment)
    run._begin_anew(segment)
    cpu = time.process_time()
    step, _ = run._step(follows, segment.end())
    assert step is not None
    print(f"lambda/L {debye:g}, {solid or 'no solid'}, {nodes} nodes: {step.newton} Newton "
          f"iterations, {step.linear / step.newton:.1f} Krylov iterations each, {step.rejected} "
          f"rejected; {time.process_time() - cpu:.1f} s of CPU", flush=True)


if __name__ == "__main__":
    for given in sys.argv[1:]:
        first, second, *rest = given.split(",")
        main(float(first), int(second), *rest)
    print(command("space_charge_3d", sys.argv[1:]))
