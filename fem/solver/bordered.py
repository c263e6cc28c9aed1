r"""The linear system of a Newton step with the cell voltage in it, for an iterative solver.

    [ J    b ] [x]   [r]        J: matrix of the fields,  b = dF/dE,
    [ g^T  d ] [e] = [s]        g = di/du,  d = di/dE, with i the current through the driven walls

Flexible GMRES sees all of it as one matrix; the dense row is two sums over all ranks a product, and
is stored nowhere. The preconditioner eliminates the fields by their own preconditioner M:

    m = M^-1 r,   e = (s - g.m)/(d - g.w),   x = m - e w,   w = M^-1 b

Solving J y = r and J w = b one after the other instead, as with a direct solver, takes nearly twice
the iterations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, Callee, PETSc, quiet_options

__all__ = ["Bordered"]

Array = npt.NDArray[np.float64]


class Bordered:
    """Matrix and preconditioner with the voltage as last unknown, kept on rank 0.

    Args:
        operator: J.
        vectors: two of its vectors, to work with.
        pc: preconditioner of J.
        prefix: of the options of PETSc's solver.
        options: these.
    """

    def __init__(
        self, operator: Any, vectors: tuple[Any, Any], pc: Any, prefix: str,
        options: dict[str, object],
    ):
        self.operator, (self.x, self.y), self.pc = operator, vectors, pc
        self.comm: Any = operator.comm.tompi4py()
        self.n = self.x.getLocalSize()
        self.first = self.comm.rank == 0
        rows = (self.n + self.first, PETSc.DETERMINE)
        self.w: Array | None = None
        me = Callee(self)
        self.matrix: Any = PETSc.Mat().createPython([rows, rows], me, comm=self.comm)
        self.matrix.setUp()
        self.solution, self.rhs = self.matrix.createVecRight(), self.matrix.createVecLeft()
        self.ksp = PETSc.KSP().create(self.comm)
        self.ksp.setOptionsPrefix(prefix)
        self.ksp.setOperators(self.matrix)
        with quiet_options(prefix, options):
            self.ksp.setFromOptions()
        self.ksp.getPC().setType(PETSc.PC.Type.PYTHON)
        self.ksp.getPC().setPythonContext(me)

    def solve(
        self, operator: Any, border: Array, gradient: Array, slope: float, right: Array,
        s: float, rtol: float,
    ) -> tuple[Array, float, int, bool]:
        """(x, e, iterations, whether the tolerance was met); collective.

        Args:
            operator: J, whose preconditioner is up to date.
            border: b at owned unknowns.
            gradient: g.
            slope: d.
            right: r.
            s: right-hand side of the voltage's row.
            rtol: of the residual of all rows together.
        """
        self.operator, self.b, self.g, self.d = operator, border, gradient, slope
        if self.w is None:
            self.w = self._precondition(border).copy()
        self.schur = slope - self._sum(float(gradient @ self.w))
        if self.schur == 0.0 or not np.isfinite(self.schur):
            return right, 0.0, 0, False
        self._join(self.rhs, right, s)
        self.ksp.rtol = rtol
        self.ksp.solve(self.rhs, self.solution)
        x, e = self._split(self.solution)
        good = self.ksp.getConvergedReason() > 0  # type: ignore[operator]
        return x.copy(), self._sum(e), self.ksp.getIterationNumber(), good

    def forget(self) -> None:
        """The preconditioner or the state is another one; in between b changes little."""
        self.w = None

    def _split(self, vec: Any) -> tuple[Array, float]:
        """Fields, and this rank's share of the last unknown."""
        values = vec.array_r
        return values[: self.n], float(values[self.n]) if self.first else 0.0

    def _join(self, vec: Any, fields: Array, last: float) -> None:
        values = vec.array_w
        values[: self.n] = fields
        values[self.n :] = last  # on rank 0 alone

    def _sum(self, share: float) -> float:
        return share if self.comm.size == 1 else self.comm.allreduce(share, op=MPI.SUM)

    def _sums(self, *shares: float) -> Any:
        if self.comm.size == 1:  # two sums an iteration: a collective call would cost as much
            return shares
        return self.comm.allreduce(np.array(shares), op=MPI.SUM)

    def _precondition(self, fields: Array) -> Array:
        """Apply M^-1 to the fields; what is returned holds until the next call."""
        self.x.array_w[:] = fields
        self.pc.apply(self.x, self.y)
        return np.asarray(self.y.array_r)

    def mult(self, _: Any, x: Any, y: Any) -> None:
        """Y = matrix x; called by PETSc."""
        fields, share = self._split(x)
        self.x.array_w[:] = fields
        self.operator.mult(self.x, self.y)
        total, e = self._sums(float(self.g @ fields), share)
        self._join(y, self.y.array_r + e * self.b, total + self.d * e)

    def apply(self, _: Any, r: Any, z: Any) -> None:
        """Z = preconditioner r; called by PETSc."""
        fields, share = self._split(r)
        m = self._precondition(fields)
        met, s = self._sums(float(self.g @ m), share)
        e = (s - met) / self.schur
        self._join(z, m - e * self.w, e)

    def destroy(self) -> None:
        """Free PETSc's objects (collective)."""
        for thing in (self.rhs, self.solution, self.matrix, self.ksp):
            thing.destroy()
