"""Secondary current on a fibre mat: this project's solve beside a plain script's, on one mesh.

    python scripts/bench/secondary.py [SIZE_UM] [REPEATS]

Butler-Volmer on all walls, two potentials, a current imposed; the default size has some 180,000
tetrahedra. The other solve is what one would write with DOLFINx alone: both potentials in one
SNES, Newton to 1e-8 with MUMPS, kinetics at the Gauss points of walls. It holds the voltage that
was found here, so the currents must agree but for walls, which are lumped here (1e-6). Fibres have
the side reaction of bare walls in both; without it the currents would differ by 3e-5. Reading,
meshing and forms are outside the times. Both in turn, CPU seconds, medians; the first line is the
command that does the same again.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ufl

from bench import command  # type: ignore[import-not-found]  # (and one thread)
from fem import Case
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.compat import dfem, dpetsc
from fem.mesh.domain import Domain
from fem.run.segments import segments
from fem.run.session import mesh_folder
from fem.run.start import consistent
from fem.setup.kinetics import PASSIVE_SHARE
from fem.solver.options import Options
from fem.solver.stage import Stage
from fem.study.build import Model, build

#: Exchange current density, A/m2; transfer coefficient; conductivities, S/m; temperature, K.
I0, ALPHA, SIGMA, KAPPA, T = 10.0, 0.5, 1e4, 1.0, 298.15


def case(size: float) -> dict[str, Any]:
    """The case, cells of `size` um."""
    kinetics = {"i0": f"{I0} A/m^2", "alpha_a": ALPHA, "alpha_c": ALPHA}
    return {
        "schema": 1,
        "title": "secondary current in a fibre mat",
        "metal": "Li",
        "electrolyte": "plain",
        "temperature": f"{T} K",
        "study": "secondary",
        "geometry": {
            "family": "fibre_mat", "dimension": 3, "width": "16 um", "gap": "4 um",
            "separator": "8 um", "seed": 1, "size": f"{size} um", "size_wall": f"{size} um",
            "layers": [
                {"name": "mat", "thickness": "20 um", "porosity": 0.8, "fibre_diameter": "4 um"}
            ],
        },
        "materials": {
            "plain": {
                "kind": "electrolyte", "c0": "1 mol/L", "D": "3e-10 m^2/s", "t_plus": 0.4,
                "kappa": f"{KAPPA} S/m",
            },
            "fibre": {"kind": "solid", "sigma": f"{SIGMA} S/m"},
        },
        "regions": {
            "host_mat": {"material": "fibre"},
            "separator": {"material": "polyolefin"},
        },
        "kinetics": [{"surface": name} | kinetics for name in ("host_mat", "collector", "counter")],
        "protocol": [{"step": "plate", "current_density": "100 A/m^2", "duration": "1 s"}],
        "output": {"figures": False},
    }


class Plain:
    """Solve the same problem with DOLFINx alone, at an imposed voltage.

    Args:
        model: gives the mesh, and both potentials' parts of it.
        quadrature: rule of the walls; Gauss points of degree 4 without.
        rtol: of Newton's method.
    """

    def __init__(
        self, model: Model, quadrature: dict[str, object] | None = None, rtol: float = 1e-8
    ):
        domain, s = model.domain, model.system
        spaces = [s.unknowns[name].space for name in ("phi_s", "phi_l")]
        self.fields = phi_s, phi_l = [dfem.Function(space) for space in spaces]
        v_s, v_l = (ufl.TestFunction(space) for space in spaces)
        self.voltage = dfem.Constant(domain.mesh, 0.0)
        solids = s.unknowns["phi_s"].part.regions
        pores = s.unknowns["phi_l"].part.regions
        rule = {"quadrature_degree": 4} if quadrature is None else quadrature

        f = FARADAY / (GAS_CONSTANT * T)

        def i_n(eta: Any) -> Any:
            return I0 * (ufl.exp(ALPHA * f * eta) - ufl.exp(-ALPHA * f * eta))

        def bare(eta: Any) -> Any:
            """On fibres without metal there is the side reaction as well."""
            return i_n(eta) + PASSIVE_SHARE * 2 * ALPHA * I0 * f * eta

        walls = [w for w in domain.walls if w[0] in solids and w[1] in pores]
        dS = domain.dS(walls)(metadata=rule)
        floor, counter = (
            domain.ds(domain.faces_of(name, pores))(metadata=rule)
            for name in ("collector", "counter")
        )
        wall = bare(phi_s("+") + self.voltage - phi_l("-"))
        bottom, top = i_n(self.voltage - phi_l), i_n(-phi_l)
        inside = ufl.inner(ufl.grad(phi_s), ufl.grad(v_s)) * domain.dx(solids)
        outside = sum(
            medium.porosity / medium.tortuosity * ufl.inner(ufl.grad(phi_l), ufl.grad(v_l))
            * domain.dx(medium.regions) for medium in s["ions"].media
        )
        F = [
            SIGMA * inside + wall * v_s("+") * dS,
            KAPPA * outside - wall * v_l("-") * dS - bottom * v_l * floor - top * v_l * counter,
        ]
        held = domain.nodes_on(
            spaces[0], s.unknowns["phi_s"].part, faces=domain.faces_of("collector", solids)
        )
        zero = dfem.Function(spaces[0])
        maps = s.entity_maps
        self.total = dfem.form(wall * dS + bottom * floor, entity_maps=maps)
        self.problem = dpetsc.NonlinearProblem(
            F, [phi_s, phi_l], bcs=[dfem.dirichletbc(zero, held)], entity_maps=maps, kind="mpi",
            petsc_options_prefix="plain_",
            petsc_options={
                "snes_type": "newtonls", "snes_rtol": rtol, "snes_stol": 0.0, "ksp_type": "preonly",
                "pc_type": "lu", "pc_factor_mat_solver_type": "mumps",
                "snes_error_if_not_converged": True,
            },
        )

    def solve(self, voltage: float) -> tuple[float, int]:
        """Solve from zero at a voltage; the cell current, A, and Newton's iterations."""
        self.voltage.value = voltage
        for field in self.fields:
            field.x.array[:] = 0.0
        self.problem.solve()
        return dfem.assemble_scalar(self.total), self.problem.solver.getIterationNumber()


def ours(model: Model, start: dict[str, Any]) -> tuple[Any, float]:
    """The start of the case from nothing, solver included: what happened, CPU seconds."""
    s = model.system
    for name, values in start.items():
        s.state()[name][:] = values
    segment = segments(model.case)[0]
    stage = Stage(s, [*s.unknowns], Options(kind=model.case.solver.kind, rtol=1e-10))
    begin = time.process_time()
    outcome = consistent(model, stage, segment, abs(segment.control(0.0, model.area).current or 1))
    took = time.process_time() - begin
    stage.destroy()
    return outcome, took


def main(size: float = 0.58, repeats: int = 3) -> None:
    """Print the command, both in turn, and the ratio of their medians."""
    print(f"$ {command('secondary', (f'{size:g}', repeats))}", flush=True)
    checked = Case.from_dict(case(size))
    domain = Domain.read(mesh_folder(checked))
    model = build(checked, domain)
    s = model.system
    cells = domain.mesh.topology.index_map(3).size_global
    unknowns = sum(u.space.dofmap.index_map.size_global for u in s.unknowns.values())
    print(f"{cells} tetrahedra, {unknowns} unknowns", flush=True)
    start = {name: values.copy() for name, values in s.state().items()}
    plain = Plain(model)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        outcome, took = ours(model, start)
        times[0].append(took)
        print(f"here   {took:6.2f} s  {outcome.newton} Newton, {outcome.linear} Krylov iterations",
              f" {1e3 * s.get_voltage():.5f} mV", flush=True)
        begin = time.process_time()
        current, newton = plain.solve(s.get_voltage())
        times[1].append(time.process_time() - begin)
        asked = segments(checked)[0].control(0.0, model.area).current or 0.0
        print(f"script {times[1][-1]:6.2f} s  {newton} Newton, current {current / asked - 1:+.2e} "
              "from the one imposed", flush=True)
    here, there = (statistics.median(found) for found in times)
    print(f"here {here:.2f} s, script {there:.2f} s: {here / there:.2f}")


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if len(sys.argv) > 1 else 0.58,
        int(sys.argv[2]) if len(sys.argv) > 2 else 3,
    )
