r"""A preconditioner that knows the coupling of salt and ionic potential.

The ionic current carries salt along, and a gradient of salt drives ionic current. In the rows of
phi_l and c of a Newton step both stand as copies of one stiffness matrix K of kappa:

    phi_l:  (K + S) phi_l - K X c = r_l          X = g (RT/F) (1 + dlnf/dlnc) (1 - t_plus)/c
    c:      -T K phi_l + (C + T K X) c = r_c      T = 1 - t_plus;  C: storage and diffusion alone

with S the slopes of the reactions. T times the first row added to the second, and psi = phi_l - X c
instead of phi_l, leave each with an operator of its own:

    (K + S) psi = r_l,      T S psi + C c = r_c + T r_l,      phi_l = psi + X c

(S X c is left out; T and X are numbers at nodes.) The salt then never waits for a well solved
potential, and a single multigrid cycle a field is enough. phi_s, which S couples to psi, comes
first, as it does without this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fem.compat import PETSc, owned_size
from fem.solver.matrices import ROW_UNIT
from fem.solver.pattern import SHARED_PLACES
from fem.solver.stiffness import structure
from fem.system.system import System

if TYPE_CHECKING:
    from fem.solver.problem import Blocks

__all__ = ["Decoupling"]

_SAME = PETSc.Mat.Structure.SAME_NONZERO_PATTERN


class Decoupling:
    """Preconditioner of a stage with phi_l and c, around one that solves field by field.

    Args:
        solver: whose blocks it takes; it must see both unknowns.
        salt: name of c, and of its `fem.system.unknown.Split`, which names phi_l.

    Attributes:
        matrix: of the freed fields, to be preconditioned by `pc`.
        lower: its blocks below the diagonal.
        pc: the preconditioner inside.
    """

    def __init__(self, solver: Blocks, salt: str):
        self.stage, names = solver.stage, solver.names
        stage, s = solver.stage, solver.stage.system
        comm: Any = s.domain.comm
        split = s.splits[salt]
        self.potential = split.potential
        self.forms = [s.form(form) for form in (split.row, split.column, split.volume)]
        self.phi, self.c = names.index(split.potential), names.index(salt)
        self.held = stage.fixed[stage.names.index(salt)]
        self.take = _same_node(s, salt, split.potential)
        self.of_phi, self.of_c = self.take.createVecs()
        self.right = solver.operator.createVecRight()
        self.right.setUp()
        ends = np.cumsum(solver.sizes)
        self.phi_part, self.c_part = (
            slice(ends[k] - solver.sizes[k], ends[k]) for k in (self.phi, self.c)
        )
        block: Any = solver.operator.getNestSubMatrix
        self.salt, self.drift = block(self.c, self.c), block(self.phi, self.c)
        self.block = self.salt.duplicate(copy=SHARED_PLACES)
        self.moved = self.take.matMult(self.drift)
        count = range(len(names))
        rows: list[list[Any]] = [
            [block(i, j) or None if j <= i else None for j in count] for i in count
        ]
        rows[self.c] = [None for _ in count]
        rows[self.c][self.c] = self.block
        self.own = self.take.duplicate(copy=True)  # what reactions at phi_l bring into the row of c
        rows[self.c][self.phi] = self.own
        self.others: list[tuple[Any, Any]] = []  # by way of other potentials, as phi_s
        for k, name in enumerate(names):
            other = block(self.phi, k) if k != self.phi and s.unknowns[name].potential else None
            if other:
                rows[self.c][k] = self.take.matMult(other)
                self.others.append((other, rows[self.c][k]))
        self.freed = structure(self.block, self.moved)
        self.matrix = PETSc.Mat().createNest(rows, comm=comm)
        # Fields solved so far enter the rows of later ones by these blocks; the own one of a row
        # would only be multiplied with zero. PETSc asks for one in each row: in the first, and of
        # a user's field into whose row no other enters, that is the own one.
        lower: list[list[Any]] = [
            [m if j < i or (j == i and not any(row[:i])) else None for j, m in enumerate(row)]
            for i, row in enumerate(rows)
        ]
        self.lower = PETSc.Mat().createNest(lower, *self.matrix.getNestISs(), comm=comm)
        self.pc = PETSc.PC().create(comm)

    def renew(self) -> None:
        """Take T and X from the present state; they change slowly (collective)."""
        row, column, volume = (self.stage.system.nodal(form) for form in self.forms)
        self.T, self.X = row / volume, column / volume
        self.T[self.held] = self.X[self.held] = 0.0

    def update(self) -> None:
        """Take diffusion and the slopes of reactions from the matrix just filled (collective)."""
        self.of_c.array_w[:] = self.T
        self.of_phi.array_w[:] = self.stage.local.diagonal(self.potential) / ROW_UNIT
        self.take.copy(self.own, _SAME)
        self.own.diagonalScale(self.of_c, self.of_phi)
        for other, moved in self.others:
            self.take.matMult(other, moved)
            moved.diagonalScale(self.of_c)
        self.take.matMult(self.drift, self.moved)
        self.moved.diagonalScale(self.of_c)
        self.salt.copy(self.block, _SAME)
        self.block.axpy(1.0, self.moved, self.freed)
        self.matrix.assemble()
        self.lower.assemble()

    # -- called by PETSc -----------------------------------------------------------------------

    def setUp(self, _: Any) -> None:
        """The matrix has changed, and the preconditioner is not to be kept."""
        self.update()
        self.pc.setReusePreconditioner(False)
        self.pc.setUp()
        self.pc.setReusePreconditioner(True)
        for field in self.pc.getFieldSplitSubKSP():  # else each does so when it is used next
            field.getPC().setReusePreconditioner(False)
            field.getPC().setUp()
            field.getPC().setReusePreconditioner(True)

    def apply(self, _: Any, x: Any, y: Any) -> None:
        """Y = preconditioner x."""
        phi, c = self.phi_part, self.c_part
        values = x.array_r
        self.of_phi.array_w[:] = values[phi]
        self.take.mult(self.of_phi, self.of_c)
        right = self.right.array_w
        right[:] = values
        right[c] += self.T * self.of_c.array_r
        self.pc.apply(self.right, y)
        self.of_c.array_w[:] = self.X * y.array_r[c]
        self.take.multTranspose(self.of_c, self.of_phi)
        y.array_w[phi] += self.of_phi.array_r

    def destroy(self) -> None:
        """Free PETSc's objects (collective)."""
        mine = (self.pc, self.lower, self.matrix, self.own, self.block, self.moved)
        moved = (matrix for _, matrix in self.others)
        for thing in (*mine, *moved, self.take, self.right, self.of_phi, self.of_c):
            thing.destroy()


def _same_node(s: System, salt: str, potential: str) -> Any:
    """Matrix that takes the values of phi_l at the nodes of c."""
    c, phi = s.unknowns[salt], s.unknowns[potential]
    same = s.same_nodes(salt, potential)[: owned_size(c.space)]
    rows, columns = (u.space.dofmap.index_map for u in (c, phi))
    here = np.flatnonzero(same >= 0).astype(np.int32)
    comm: Any = s.domain.comm
    sizes = [(m.size_local, m.size_global) for m in (rows, columns)]
    matrix: Any = PETSc.Mat().createAIJ(sizes, comm=comm)
    matrix.setPreallocationCOO(
        (rows.local_range[0] + here).astype(np.int32),
        columns.local_to_global(same[here]).astype(np.int32),
    )
    matrix.setValuesCOO(np.ones(len(here)), addv=PETSc.InsertMode.INSERT_VALUES)
    return matrix
