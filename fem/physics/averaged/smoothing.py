r"""Coverage that is smoothed over the nucleation length: t - l^2 lap t = theta.

A barrier that falls with its own metal is softening: below the current that needs all of the host,
metal gathers in one cell, and what comes out follows the mesh. Metal spreads to the next contact;
so the forgotten barrier sees the coverage around. Natural boundary: the integral stays. It is not
the charge that is smoothed: of much of it at one place enough would arrive at l ln(q/q_cov) to take
the barrier away there, and so on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.compat import PETSc, dfem, dpetsc, owned_size
from fem.system.system import System

__all__ = ["Smoothing"]

Array = npt.NDArray[np.float64]


class Smoothing:
    """The operator on a part of the mesh, factored once (collective).

    Args:
        s: the system.
        space: linear functions on the part.
        length: l, a field of the part, m.
        volume: lumped, of each owned node, m3.
        regions: of the part.
    """

    def __init__(self, s: System, space: Any, length: Any, volume: Array, regions: Any):
        self.volume, self.work = volume, dfem.Function(space)
        u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
        w, dx = s.domain.weight, s.domain.dx(regions)
        lumped, node = s.domain.dx(regions, lumped=True), s.domain.node_weight(regions)
        form = u * v * node * lumped + length**2 * ufl.inner(ufl.grad(u), ufl.grad(v)) * w * dx
        self.matrix = dpetsc.assemble_matrix(s.form(form))
        self.matrix.assemble()
        comm: Any = s.domain.comm
        self.solver: Any = PETSc.KSP().create(comm)
        self.solver.setOperators(self.matrix)
        self.solver.setType("cg")
        self.solver.getPC().setType("jacobi")
        self.solver.setTolerances(rtol=1e-10, max_it=5000)
        self.right = self.matrix.createVecRight()
        self.found = self.matrix.createVecRight()

    def __call__(self, theta: Array) -> Array:
        """Smoothed values at owned nodes from values there (collective)."""
        self.right.array[:] = self.volume * theta
        self.found.array[:] = theta
        self.solver.setInitialGuessNonzero(True)
        self.solver.solve(self.right, self.found)
        return np.array(self.found.array[: owned_size(self.work.function_space)])
