"""A preconditioner that solves for all unknowns of a node at once.

Field by field, each ion waits for a potential that the others have just changed: with layers of
charge that are thin beside the cell, or strong drift, iterations multiply. Here values are sorted
by node, rows and columns scaled to a diagonal of 1, and multigrid aggregates whole nodes; its
smoother is an incomplete factorisation in blocks of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fem.compat import PETSc

if TYPE_CHECKING:
    from fem.solver.problem import Blocks

__all__ = ["ByNode"]


class ByNode:
    """Preconditioner of a matrix whose unknowns all live on the same nodes.

    Args:
        solver: whose matrix it takes.

    Attributes:
        pc: multigrid for the sorted matrix.
    """

    def __init__(self, solver: Blocks):
        self.solver, self.fields = solver, len(solver.names)
        comm: Any = solver.operator.comm
        rows, _ = solver.operator.getNestISs()
        places = np.stack([field.getIndices() for field in rows], axis=1)
        self.order = PETSc.IS().createGeneral([*places.ravel()], comm=comm)
        self.flat: Any = PETSc.Mat()
        self.matrix: Any = None
        self.pc = PETSc.PC().create(comm)

    @staticmethod
    def suits(solver: Blocks) -> bool:
        """Fields are coupled closely, and all of them have the same nodes."""
        s = solver.stage.system
        parts = {id(s.unknowns[name].part) for name in solver.names}
        return s.hints.tight and len(solver.names) > 1 and len(parts) == 1

    # -- called by PETSc -----------------------------------------------------------------------

    def setUp(self, _: Any) -> None:
        """The matrix has changed, and the preconditioner is not to be kept."""
        self.solver.operator.convert("aij", self.flat)  # the second time into the same pattern
        size = self.flat.getDiagonal()
        size.abs()
        values = size.array_w
        values[values == 0.0] = 1.0
        values[:] = values**-0.5
        self.scale = values.copy()
        self.flat.diagonalScale(size, size)
        if self.matrix is None:
            self.matrix = self.flat.createSubMatrix(self.order, self.order)
            self.matrix.setBlockSize(self.fields)
            self.right, self.left = self.matrix.createVecs()
            self.pc.setOperators(self.matrix)
        else:
            self.flat.createSubMatrix(self.order, self.order, self.matrix)
        self.pc.setUp()

    def apply(self, _: Any, x: Any, y: Any) -> None:
        """Y = preconditioner x."""
        self.right.array_w[:] = (self.scale * x.array_r).reshape(self.fields, -1).T.ravel()
        self.pc.apply(self.right, self.left)
        y.array_w[:] = self.scale * self.left.array_r.reshape(-1, self.fields).T.ravel()

    def destroy(self) -> None:
        """Free PETSc's objects (collective)."""
        for thing in (self.pc, self.flat, self.order):
            thing.destroy()
        if self.matrix is not None:
            for thing in (self.matrix, self.right, self.left):
                thing.destroy()
