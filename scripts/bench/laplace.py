"""The reference Laplace problem that all speed numbers are ratios of.

P1, coefficient 1, on the pore mesh, 0 at the collector side and 1 at the separator side: assembly,
then CG with GAMG at PETSc's defaults to a relative 1e-8 from zero. JIT and reading are not timed;
the median of `repeats` solves in this process is returned.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import ufl

from fem.compat import MPI, PETSc, dfem, dpetsc, quiet_options
from fem.domain import Domain, Subdomain


@dataclass(frozen=True)
class Reference:
    """Cost of one reference problem: CPU seconds (slowest rank), CG iterations, unknowns."""

    seconds: float
    iterations: int
    unknowns: int


def reference(domain: Domain, pore: Subdomain, repeats: int = 5) -> Reference:
    """Time the reference problem on the pore mesh (collective).

    Args:
        domain: gives the axis of the thickness.
        pore: the submesh of all regions with electrolyte.
        repeats: the median of so many solves is taken.
    """
    mesh, axis, comm = pore.mesh, domain.dim - 1, domain.comm
    space = dfem.functionspace(mesh, ("Lagrange", 1))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    # Scaled by the thickness, so that the matrix is of order one whatever the unit of length.
    heights = space.tabulate_dof_coordinates()[:, axis]
    low = comm.allreduce(heights.min(initial=np.inf), op=MPI.MIN)
    high = comm.allreduce(heights.max(initial=-np.inf), op=MPI.MAX)
    a = dfem.form(ufl.inner(ufl.grad(u), ufl.grad(v)) / (high - low) ** (domain.dim - 2) * ufl.dx)
    tiny = 1e-6 * (high - low)
    value = dfem.Function(space)
    value.x.array[:] = np.where(heights > high - tiny, 1.0, 0.0)
    fixed = np.flatnonzero((heights < low + tiny) | (heights > high - tiny)).astype(np.int32)
    bc = dfem.dirichletbc(value, fixed)
    L = dfem.form(dfem.Constant(mesh, 0.0) * v * ufl.dx)
    A = dpetsc.create_matrix(a)
    solution = dfem.Function(space)

    seconds, iterations = [], 0
    for k in range(repeats + 1):  # the first one warms up
        comm.Barrier()
        start = time.process_time()
        A.zeroEntries()
        dpetsc.assemble_matrix(A, a, bcs=[bc])
        A.assemble()
        b = dpetsc.assemble_vector(L)
        dpetsc.apply_lifting(b, [a], [[bc]])
        b.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        dpetsc.set_bc(b, [bc])
        ksp = PETSc.KSP().create(comm)  # type: ignore[arg-type]
        ksp.setOptionsPrefix(f"reference_{k}_")
        ksp.setOperators(A)
        with quiet_options(
            f"reference_{k}_", {"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-8}
        ):
            ksp.setFromOptions()
        solution.x.array[:] = 0.0
        ksp.solve(b, solution.x.petsc_vec)
        elapsed = comm.allreduce(time.process_time() - start, op=MPI.MAX)
        iterations = ksp.getIterationNumber()
        if ksp.getConvergedReason() <= 0:  # type: ignore[operator]
            raise RuntimeError(f"reference problem did not converge in {iterations} iterations")
        if k:
            seconds.append(elapsed)
        ksp.destroy()
        b.destroy()
    A.destroy()
    return Reference(statistics.median(seconds), iterations, space.dofmap.index_map.size_global)


def describe(r: Reference) -> str:
    """One line for the head of a table."""
    return (
        f"reference Laplace: {r.unknowns} unknowns, {r.seconds:.3f} CPU s, "
        f"{r.iterations} CG iterations"
    )


def pore_of(model: Any) -> Subdomain:
    """The submesh of the ionic potential."""
    return model.system.unknowns["phi_l"].part
