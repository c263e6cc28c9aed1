"""The reference Laplace problem that all speed numbers are ratios of.

P1, coefficient 1, on the pore mesh, 0 at the collector side and 1 at the separator side: assembly,
then CG to a relative 1e-8 from zero, with GAMG at PETSc's defaults. Two thirds of that is GAMG's
set-up, so assembly, set-up and solve are shown apart, and in 3D the same with an incomplete
Cholesky factor, which up to some 100,000 unknowns is the faster one. JIT and reading are not timed.
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

#: Options of PETSc; incomplete factors are of each rank's block.
SOLVERS: dict[str, dict[str, object]] = {
    "GAMG": {"pc_type": "gamg"},
    "ICC": {"pc_type": "bjacobi", "sub_pc_type": "icc"},
}


class Reference:
    """The reference problem on a pore mesh.

    Args:
        domain: gives the axis of the thickness.
        pore: the submesh of the pores: those of the host where metal grows.
        solver: a name of `SOLVERS`.

    Attributes:
        times: CPU seconds of the slowest rank, of every solve so far.
        parts: the same of assembly, set-up and solve.
        iterations: of the last one.
        unknowns: how many it has.
    """

    def __init__(self, domain: Domain, pore: Subdomain, solver: str = "GAMG"):
        self.solver = solver
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
        self.iterations, self.times, self.parts = 0, [0.0], [(0.0, 0.0, 0.0)]
        self.solve()
        self.times.clear()  # that one was to warm up
        self.parts.clear()

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
        assembled = time.process_time()
        comm: Any = self.comm
        ksp = PETSc.KSP().create(comm)
        prefix = f"reference_{id(self)}_{len(self.times)}_"
        ksp.setOptionsPrefix(prefix)
        ksp.setOperators(self.A)
        options: dict[str, object] = {"ksp_type": "cg", "ksp_rtol": 1e-8} | SOLVERS[self.solver]
        with quiet_options(prefix, options):
            ksp.setFromOptions()
            ksp.setUp()
            ksp.setUpOnBlocks()
        ready = time.process_time()
        self.solution.x.array[:] = 0.0
        ksp.solve(b, self.solution.x.petsc_vec)
        marks = np.array([start, assembled, ready, time.process_time()])
        each = np.append(np.diff(marks), marks[-1] - start)
        self.comm.Allreduce(MPI.IN_PLACE, each, op=MPI.MAX)  # the slowest rank
        self.parts.append((float(each[0]), float(each[1]), float(each[2])))
        self.times.append(float(each[3]))
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
        parts = zip(*self.parts, strict=True)
        assembly, set_up, solve = (statistics.median(part) for part in parts)
        return (
            f"reference Laplace, {self.solver}: {self.unknowns} unknowns, {self.seconds:.3f} CPU s "
            f"(median of {len(self.times)}, {min(self.times):.3f} to {max(self.times):.3f}): "
            f"assembly {assembly:.3f}, set-up {set_up:.3f}, {self.iterations} CG iterations "
            f"{solve:.3f}"
        )


def references(domain: Domain, pore: Subdomain) -> list[Reference]:
    """The problem with GAMG, by which ratios are given, and in 3D with incomplete Cholesky."""
    return [Reference(domain, pore, name) for name in ("GAMG", "ICC")[: domain.dim - 1]]


def ratios(seconds: float, found: list[Reference]) -> str:
    """A time in problems of each kind."""
    return ", ".join(f"{seconds / one.seconds:.2f} ({one.solver})" for one in found)


def pore_of(model: Any) -> Subdomain:
    """The submesh of the ionic potential."""
    return model.system.unknowns["phi_l"].part
