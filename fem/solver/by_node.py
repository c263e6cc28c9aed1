"""A preconditioner that solves for all unknowns of a node at once.

Field by field, each ion waits for a potential that the others have just changed: with layers of
charge that are thin beside the cell, or strong drift, iterations multiply. Here values are sorted
by node, rows and columns scaled to a diagonal of 1, and multigrid aggregates whole nodes; its
smoother is an incomplete factorisation of them. A node that has not all unknowns, as within a host
or a dielectric, gets rows `x = 0` in their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fem.compat import PETSc, owned_size

if TYPE_CHECKING:
    from fem.solver.problem import Blocks

__all__ = ["ByNode"]


class ByNode:
    """Preconditioner of a matrix whose unknowns live on nodes that some of them share.

    Args:
        solver: whose matrix it takes.

    Attributes:
        pc: multigrid for the sorted matrix.
    """

    def __init__(self, solver: Blocks):
        self.solver, self.fields = solver, len(solver.names)
        comm: Any = solver.operator.comm
        s = solver.stage.system
        unknowns = [s.unknowns[name] for name in solver.names]
        points = [s.domain.vertices(u.space, u.part)[: owned_size(u.space)] for u in unknowns]
        nodes, node_of = np.unique(np.concatenate(points), return_inverse=True)
        field_of = np.repeat(np.arange(self.fields), [len(p) for p in points])
        self.place = node_of * self.fields + field_of  # of each value, sorted by node
        gaps = np.setdiff1d(np.arange(len(nodes) * self.fields), self.place)
        filling = PETSc.Mat().createAIJ(((len(gaps), None), (len(gaps), None)), nnz=1, comm=comm)
        filling.setUp()
        filling.assemble()
        filling.shift(1.0)
        block = solver.operator.getNestSubMatrix
        blocks: Any = [[block(i, j) for j in range(self.fields)] for i in range(self.fields)]
        blocks = [*([*row, None] for row in blocks), [None] * self.fields + [filling]]
        self.whole = PETSc.Mat().createNest(blocks, comm=comm)
        rows = np.concatenate([field.getIndices() for field in self.whole.getNestISs()[0]])
        order: Any = np.empty(len(rows), dtype=PETSc.IntType)
        order[np.concatenate([self.place, gaps])] = rows
        self.order = PETSc.IS().createGeneral(order, comm=comm)
        self.flat: Any = PETSc.Mat()
        self.matrix: Any = None
        self.pc = PETSc.PC().create(comm)

    @staticmethod
    def suits(solver: Blocks) -> bool:
        """Fields are coupled closely."""
        return solver.stage.system.hints.tight and len(solver.names) > 1

    # -- called by PETSc -----------------------------------------------------------------------

    def setUp(self, _: Any) -> None:
        """The matrix has changed, and the preconditioner is not to be kept."""
        self.whole.convert("aij", self.flat)  # the second time into the same pattern
        size = self.flat.getDiagonal()
        size.abs()
        values = size.array_w
        values[values == 0.0] = 1.0
        values[:] = values**-0.5
        self.scale = values[: len(self.place)].copy()
        self.flat.diagonalScale(size, size)
        if self.matrix is None:
            self.matrix = self.flat.createSubMatrix(self.order, self.order)
            self.matrix.setBlockSize(self.fields)
            self.right, self.left = self.matrix.createVecs()
        else:
            self.flat.createSubMatrix(self.order, self.order, self.matrix)
        self.pc.setOperators(self.matrix)  # which `reset` has taken away
        self.pc.setUp()

    def apply(self, _: Any, x: Any, y: Any) -> None:
        """Y = preconditioner x."""
        self.right.array_w[self.place] = self.scale * x.array_r
        self.pc.apply(self.right, self.left)
        y.array_w[:] = self.scale * self.left.array_r[self.place]

    def destroy(self) -> None:
        """Free PETSc's objects (collective)."""
        for thing in (self.pc, self.flat, self.whole, self.order):
            thing.destroy()
        if self.matrix is not None:
            for thing in (self.matrix, self.right, self.left):
                thing.destroy()
