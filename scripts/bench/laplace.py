"""The reference Laplace problem that all speed numbers are ratios of.

P1, coefficient 1, on the pore mesh, 0 at the collector side and 1 at the separator side: assembly,
then CG with GAMG at PETSc's defaults to a relative 1e-8 from zero. JIT and reading are not timed.
A benchmark solves it again and again between its own work: neighbours on a shared machine come and
go, and a ratio of times that lie far apart says nothing.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import ufl

from fem.compat import MPI, PETSc, dfem, dpetsc, quiet_options
from fem.mesh.domain import Domain, Subdomain


class Reference:
    """The reference problem on a pore mesh.

    Args:
        domain: gives the axis of the thickness.
        pore: the submesh of all regions with electrolyte.

    Attributes:
        times: CPU seconds of the slowest rank, of every solve so far.
        iterations: of the last one.
        unknowns: how many it has.
    """

    def __init__(self, domain: Domain, pore: Subdomain):
        mesh, axis, self.comm = pore.mesh, domain.dim - 1, domain.comm
        space = dfem.functionspace(mesh, ("Lagrange", 1))
        u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
        # Scaled by the thickness: the matrix is of order one whatever the unit of length.
        heights = space.tabulate_dof_coordinates()[:, axis]
        low = self.comm.allreduce(heights.min(initial=np.inf), op=MPI.MIN)
        high = self.comm.allreduce(heights.max(initial=-np.inf), op=MPI.MAX)
        unit = (high - low) ** (domain.dim - 2)
        self.a = dfem.form(ufl.inner(ufl.grad(u), ufl.grad(v)) / unit * ufl.dx)
        tiny = 1e-6 * (high - low)
        value = dfem.Function(space)
        value.x.array[:] = np.where(heights > high - tiny, 1.0, 0.0)
        fixed = np.flatnonzero((heights < low + tiny) | (heights > high - tiny)).astype(np.int32)
        self.bc = dfem.dirichletbc(value, fixed)
        self.L = dfem.form(dfem.Constant(mesh, 0.0) * v * ufl.dx)
        self.A = dpetsc.create_matrix(self.a)
        self.solution = dfem.Function(space)
        self.unknowns = space.dofmap.index_map.size_global
        self.iterations, self.times = 0, [0.0]
        self.solve()
        self.times.clear()  # that one was to warm up

    def solve(self, repeats: int = 1) -> None:
        """Solve it so many times (collective)."""
        for _ in range(repeats):
            self._solve()

    def _solve(self) -> None:
        self.comm.Barrier()
        start = time.process_time()
        self.A.zeroEntries()
        dpetsc.assemble_matrix(self.A, self.a, bcs=[self.bc])
        self.A.assemble()
        b = dpetsc.assemble_vector(self.L)
        dpetsc.apply_lifting(b, [self.a], [[self.bc]])
        b.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        dpetsc.set_bc(b, [self.bc])
        comm: Any = self.comm
        ksp = PETSc.KSP().create(comm)
        prefix = f"reference_{id(self)}_{len(self.times)}_"
        ksp.setOptionsPrefix(prefix)
        ksp.setOperators(self.A)
        with quiet_options(prefix, {"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-8}):
            ksp.setFromOptions()
        self.solution.x.array[:] = 0.0
        ksp.solve(b, self.solution.x.petsc_vec)
        self.times.append(self.comm.allreduce(time.process_time() - start, op=MPI.MAX))
        self.iterations = ksp.getIterationNumber()
        if ksp.getConvergedReason() <= 0:  # type: ignore[operator]
            raise RuntimeError(f"reference problem: no solution in {self.iterations} iterations")
        ksp.destroy()
        b.destroy()

    @property
    def seconds(self) -> float:
        """Median of all times."""
        return statistics.median(self.times)

    def __str__(self) -> str:
        """One line for the head of a table."""
        return (
            f"reference Laplace: {self.unknowns} unknowns, {self.seconds:.3f} CPU s (median of "
            f"{len(self.times)}, {min(self.times):.3f} to {max(self.times):.3f}), "
            f"{self.iterations} CG iterations"
        )


def pore_of(model: Any) -> Subdomain:
    """The submesh of the ionic potential."""
    return model.system.unknowns["phi_l"].part
