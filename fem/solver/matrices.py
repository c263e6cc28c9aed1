"""Matrices of a stage beyond plain assembly: what is kept, conserved exactly, or eliminated.

`Assembly` keeps the smooth part of a stage with nodal reactions, `Differences` multiplies
potentials without losing current to round-off, `Condensed` eliminates an unknown that couples node
by node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, PETSc
from fem.solver.corners import Moment
from fem.solver.pattern import SHARED_PLACES, product

if TYPE_CHECKING:
    from fem.solver.problem import Problem
    from fem.system.nodal import LocalTerms

__all__ = ["ROW_UNIT", "Assembly", "Condensed", "Differences"]

#: Unit in which rows reach the linear solver, A. PETSc takes any pivot below 2e-14 for zero, but on
#: coarse levels in 3D entries of 1e-19 A/V are sound: in ampere, multigrid does nothing there or
#: fails.
ROW_UNIT = 1e-15
#: Relative error of a number that is added to others as large: some of its last bits.
ROUND_OFF = 4 * float(np.finfo(float).eps)
#: Entries of a matrix that are taken at once, where a copy of all of them would be large.
AT_ONCE = 50_000
Array = npt.NDArray[np.float64]


class Assembly:
    """The matrix of a stage: a smooth part, and what nodal reactions add to it.

    Where the smooth part is affine in the stage's unknowns, F(phi, c) = F(0, 0) + A (phi, c), it is
    assembled once a solve; an iteration then costs the kinetics at the nodes and products with
    sparse matrices. What the first iterate c0 makes of it is found once with care for round-off
    (`Block.times`), and what comes after is A (phi, c - c0).

    Args:
        stage: whose forms are assembled.
    """

    def __init__(self, stage: Problem):
        self.stage = stage
        jacobian, names, local = stage.jacobian, stage.names, stage.local
        self.smooth = [[None if block is None else block.matrix for block in row]
                       for row in jacobian]
        self.blocks: list[list[Any]] = [
            [None if m is None else m.duplicate(copy=SHARED_PLACES) for m in row]
            for row in self.smooth
        ]
        self.added: list[tuple[str, str]] = []  # couplings that a smooth block has, too
        for row, column in local.pairs:
            i, j = names.index(row), names.index(column)
            if self.blocks[i][j] is None:
                self.blocks[i][j] = local.matrix(row, column)
            else:
                self.added.append((row, column))
        for k, name in enumerate(names):
            if self.blocks[k][k] is None:
                self.blocks[k][k] = local.matrix(name, name)
        comm: Any = stage.system.domain.comm
        self.nest = PETSc.Mat().createNest(self.blocks, comm=comm)
        self.nest.assemble()
        self.filled = False
        self.moment: Moment | None = None
        self._flat: Any = None
        graphs = stage.system.shared.setdefault("graphs", [])
        self.flows = {
            u.name: Differences(self.smooth[k][k], u.differential, stage.fixed[k], graphs)
            for k, u in enumerate(stage.unknowns)
            if stage.affine and u.potential
        }

    def begin(self) -> None:
        """Start a solve from the present iterate."""
        stage = self.stage
        self.filled, self.moment = False, None
        self.slopes: dict[str, tuple[Array, Array]] = {}
        self.drifts: dict[str, Array] = {}
        if stage.affine:
            self.origin = [
                0.0 if u.name in self.flows else u.owned.copy() for u in stage.unknowns
            ]
            moment = Moment()  # all of it at one state
            self.rest = stage.nodal_or_zero(stage.rest, moment)
            self.border = stage.nodal_or_zero(stage.border, moment) if stage.drives else []
            self.voltage = stage.system.get_voltage()
            self._assemble(moment)
            self._drift()
            for k, name in enumerate(stage.names):
                if name in self.flows:
                    self.flows[name].take(self.smooth[k][k], stage.jacobian[k][k].sums())
                    continue
                for i, row in enumerate(stage.jacobian):
                    if row[k] is not None:
                        self.rest[i] += row[k].times(self.origin[k])

    def _assemble(self, moment: Moment) -> None:
        for row in self.stage.jacobian:
            for block in row:
                if block is not None:
                    block.assemble(moment)

    def _drift(self) -> None:
        """Find what last bits of other unknowns change in rows of potentials, and the reverse.

        Diffusion of c enters the row of phi_l and cancels its migration: over short cells both are
        far larger than what is left of them. Migration enters the row of c: opposite a cathode the
        last bit of some volts drives more than the tolerance of a cell at rest.
        """
        stage = self.stage
        for u, row in zip(stage.unknowns, self.smooth, strict=True):
            drift = np.zeros(len(u.owned))
            for other, matrix in zip(stage.unknowns, row, strict=True):
                alike = other.part is u.part and (other.degree, other.shape) == (u.degree, u.shape)
                if matrix is not None and other.potential != u.potential and alike:
                    slope = matrix.getDiagonal().array_r
                    drift += float(np.finfo(float).eps) * np.abs(slope * other.owned)
            self.drifts[u.name] = drift

    def residual(self) -> list[npt.NDArray[np.float64]]:
        """The smooth part of every row, A, at owned nodes."""
        stage = self.stage
        if not stage.affine:
            self.moment = Moment()
            return stage.nodal_or_zero(stage.residuals, self.moment)
        rise = stage.system.get_voltage() - self.voltage
        out = [r.copy() for r in self.rest]
        for r, slope in zip(out, self.border, strict=False):
            r += rise * slope
        for i, row in enumerate(self.smooth):
            for j, matrix in enumerate(row):
                if i == j and stage.names[i] in self.flows:
                    out[i] += self.flows[stage.names[i]].times(stage.unknowns[i].owned)
                elif matrix is not None:
                    out[i] += product(matrix, stage.unknowns[j].owned - self.origin[j])
        return out

    def noise(self, name: str) -> tuple[Array, Array]:
        """Round-off that may be left in an unknown's row, A, at owned nodes, and in its sum.

        The last bits of what is stored (over a short step, or the one before it), of what reacts
        and of what flows. Flows leave one node and enter its neighbour, so the sum does not know
        them. Known after `fill`, flows of an affine stage at once.
        """
        s = self.stage.system
        unknown = s.unknowns[name]
        x = np.maximum(np.abs(unknown.owned), unknown.rounded)
        nothing = np.zeros(len(x))
        whole, reacts = self.slopes.get(name, (nothing, nothing))
        drift = self.drifts.get(name, nothing)
        if not unknown.potential:
            stored = ROUND_OFF * s.time.past_weight * whole * x
            return stored + drift, stored
        voltage = np.abs(s.voltage.x.array[:1]).sum()  # phi_s is stored as its difference from it
        reacting = ROUND_OFF * reacts * (x + voltage)
        if name in self.flows:
            flows = self.flows[name]
            stored = ROUND_OFF * s.time.past_weight * np.abs(flows.total) * x * ~flows.held
            flowing, leaving = flows.noise(unknown.owned)
            return flowing + drift + stored + reacting, leaving + stored + reacting
        return ROUND_OFF * whole * x + reacting + drift, reacting

    def fill(self) -> None:
        """Bring the matrix to the present iterate."""
        stage, local = self.stage, self.stage.local
        if not (self.filled and stage.affine):
            if not stage.affine:
                # Laws at the state of the last residual are known already.
                moment, self.moment = self.moment or Moment(), None
                self._assemble(moment)
                self._drift()
                for name, size, place in zip(stage.names, stage.sizes, stage.rows, strict=True):
                    if along := stage.along.get(place):
                        self.drifts[name] = sum(a.noise(moment) for a in along)[:size]
            for i, row in enumerate(self.smooth):
                for j, matrix in enumerate(row):
                    if matrix is not None:
                        self._hold(i, j, matrix)
            self.diagonal = []
            for k, held in enumerate(stage.fixed):
                diagonal = self.blocks[k][k].getDiagonal()
                if self.smooth[k][k] is None:
                    diagonal.set(0.0)
                diagonal.array_w[held] = 1.0 / ROW_UNIT  # the size of the others: multigrid minds
                self.diagonal.append(diagonal)
        elif self.added:
            for pair in self.added:
                i, j = (stage.names.index(name) for name in pair)
                self._hold(i, j, self.smooth[i][j])
        self.filled = True
        local.linearise()
        for k, name in enumerate(stage.names):
            vec, reacts = self.diagonal[k].copy(), local.diagonal(name)
            vec.array_w[:] += reacts / ROW_UNIT
            free = np.ones(len(reacts))
            free[stage.fixed[k]] = 0.0
            self.slopes[name] = ROW_UNIT * np.abs(vec.array_r) * free, np.abs(reacts)
            self.blocks[k][k].setDiagonal(vec)
            vec.destroy()
        for pair in local.pairs:
            i, j = (stage.names.index(name) for name in pair)
            block, values = self.blocks[i][j], local.couple(*pair, ROW_UNIT)
            if pair in self.added:
                add_entries(block, *local.shared[pair], values)
            else:
                block.setValuesCOO(values, addv=PETSc.InsertMode.INSERT_VALUES)
        self.nest.assemble()

    def _hold(self, i: int, j: int, matrix: Any) -> None:
        """Copy a smooth block and take rows and columns of held nodes out of it."""
        block = self.blocks[i][j]
        matrix.copy(block, structure=PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
        block.scale(1 / ROW_UNIT)
        right, left = matrix.createVecs()
        for vec, held in ((left, self.stage.fixed[i]), (right, self.stage.fixed[j])):
            vec.set(1.0)
            vec.array_w[held] = 0.0
        block.diagonalScale(left, right)
        left.destroy()
        right.destroy()

    def release(self) -> None:
        """Free what `begin` makes anew."""
        for flow in self.flows.values():
            flow.release()

    def flat(self) -> Any:
        """The matrix in one piece, for a direct solver."""
        if self._flat is None:
            self._flat = PETSc.Mat()
        self.nest.convert("aij", self._flat)  # the second time into the same pattern
        return self._flat


class Graph:
    """The nodes of this rank's rows of a matrix, and their neighbours.

    Attributes:
        row, column: of each entry; the column counts in `needed`.
        work: a place to work in, of the size of the entries.
    """

    def __init__(self, matrix: Any):
        self.pointer, self.columns, _ = matrix.getValuesCSR()
        self.row = np.repeat(np.arange(len(self.pointer) - 1), np.diff(self.pointer))
        seen, self.column = np.unique(self.columns, return_inverse=True)
        self.all, _ = matrix.createVecs()
        self.needed = PETSc.Vec().createSeq(len(seen))
        self.gather = PETSc.Scatter().create(
            self.all, PETSc.IS().createGeneral([*seen], comm=PETSc.COMM_SELF), self.needed,
            PETSc.IS().createStride(len(seen), comm=PETSc.COMM_SELF),
        )
        self.work = np.empty(len(self.row))

    @classmethod
    def of(cls, matrix: Any, known: list[Graph]) -> Graph:
        """One of the known graphs that is that of a matrix, or a new one of them (collective)."""
        pointer, columns, _ = matrix.getValuesCSR()
        comm = matrix.comm.tompi4py()
        for one in known:
            same = np.array_equal(pointer, one.pointer) and np.array_equal(columns, one.columns)
            if comm.allreduce(same, op=MPI.LAND):
                return one
        known.append(cls(matrix))
        return known[-1]

    def at_columns(self, x: npt.ArrayLike) -> Array:
        """Owned values at the columns that this rank's rows need (collective)."""
        self.all.array_w[:] = x
        self.gather.scatter(self.all, self.needed)
        return np.asarray(self.needed.array_r)


class Differences:
    """The product of a stiffness matrix with potentials, from differences between neighbours.

        (A x)_i = sum_j A_ij (x_j - x_i) + x_i sum_j A_ij

    What leaves one node then enters its neighbour to the last bit, whatever sigma and potential
    are: no current is lost to round-off in a piece of metal that floats far from the collector.
    The last sum is zero but for contacts and storage. Where it is not known apart from what flows,
    what may be round-off is left out, unless something is stored, which over a long step is as
    little.

    Args:
        matrix: gives the pattern, which must stay as it is.
        stores: there is storage in it.
        held: owned nodes at which the potential is held.
        graphs: of other matrices; this one's is found among them, or added.
    """

    def __init__(
        self, matrix: Any, stores: bool = False, held: npt.ArrayLike = (),
        graphs: list[Graph] | None = None,
    ):
        self.least = 0.0 if stores else 1e-13
        self.graph = Graph.of(matrix, [] if graphs is None else graphs)
        self.held = np.zeros(len(self.graph.pointer) - 1, dtype=bool)
        self.held[np.asarray(held, dtype=np.intp)] = True
        held_there = self.graph.at_columns(self.held) > 0.0
        self.leaves = held_there[self.graph.column] & ~self.held[self.graph.row]

    def take(self, matrix: Any, sums: Array | None = None) -> None:
        """Take the values of a matrix of the same pattern, and the sum of each row if known."""
        _, _, self.values = matrix.getValuesCSR()
        row, n = self.graph.row, len(self.held)
        size = np.bincount(row, np.abs(self.values), n)
        if sums is None:
            total = np.bincount(row, self.values, n)
            sums = np.where(np.abs(total) > self.least * size, total, 0.0)
        self.total = sums
        self.diagonal = 0.5 * size
        self.outer = np.bincount(row, np.abs(self.values) * self.leaves, n)

    def release(self) -> None:
        """Free the values until they are taken anew."""
        self.values = np.empty(0)

    def noise(self, x: npt.NDArray[np.float64]) -> tuple[Array, Array]:
        """Change of A x by the last bit of x, at owned nodes, and of what goes to held nodes."""
        last = np.finfo(float).eps * np.abs(x)
        return self.diagonal * last, self.outer * last

    def times(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """A x at owned nodes (collective)."""
        graph = self.graph
        # Into a kept array: half of the time would go into getting memory.
        flow = np.take(graph.at_columns(x), graph.column, out=graph.work, mode="clip")
        for first in range(0, len(flow), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            flow[some] -= x[graph.row[some]]
        flow *= self.values
        return np.bincount(graph.row, flow, len(x)) + self.total * x


class Condensed:
    """A block matrix from which an unknown that couples node by node has been eliminated.

    Its diagonal block D is diagonal, and its blocks A_iq and A_qj hold one entry a node; so does
    A_iq D^-1 A_qj, which is subtracted from A_ij in place. Exact, and no matrix products.

    Args:
        matrix: nest of all blocks; its blocks are changed by `update`.
        local: reactions of the stage; they know which nodes are the same.
        index: of the unknown to be eliminated.
    """

    def __init__(self, matrix: Any, local: LocalTerms, index: int):
        names = local.names
        self.q, self.full = index, matrix
        self.keep = [k for k in range(len(names)) if k != index]
        self.names = tuple(names[k] for k in self.keep)
        block = matrix.getNestSubMatrix
        comm: Any = local.system.domain.comm
        self.matrix = PETSc.Mat().createNest(
            [[block(i, j) for j in self.keep] for i in self.keep], comm=comm
        )
        self.column = [block(i, index) for i in self.keep]
        self.row = [block(index, j) for j in self.keep]
        self.diagonal = block(index, index)
        self.sizes = [block(i, i).getLocalSize()[0] for i in self.keep]
        self.pairs = {  # two that meet nowhere have no block, such as phi_s and a film on the foil
            (a, b): local.meet(self.names[a], self.names[b])
            for a, i in enumerate(self.keep) for b, j in enumerate(self.keep)
            if self.column[a] and self.row[b] and block(i, j)
        }
        self.inverse = self.diagonal.createVecRight()

    def update(self) -> None:
        """Subtract A_iq D^-1 A_qj from every block; call after each assembly."""
        self.diagonal.getDiagonal(self.inverse)
        self.inverse.reciprocal()
        ones = {b: m.createVecRight() for b, m in enumerate(self.row) if m}
        for vec in ones.values():
            vec.set(1.0)
        for (a, b), (rows, columns) in self.pairs.items():
            g = self.row[b].createVecLeft()
            self.row[b].mult(ones[b], g)
            g.pointwiseMult(g, self.inverse)
            v = self.column[a].createVecLeft()
            self.column[a].mult(g, v)
            start, _ = v.getOwnershipRange()
            block = self.full.getNestSubMatrix(self.keep[a], self.keep[b])
            add_entries(block, rows, columns, -v.array_r[rows - start])
            g.destroy()
            v.destroy()
        for vec in ones.values():
            vec.destroy()
        self.matrix.assemble()

    def reduce(self, rhs: Sequence[npt.NDArray[np.float64]]) -> list[npt.NDArray[np.float64]]:
        """Right-hand side of the kept unknowns: r_i - A_iq D^-1 r_q."""
        g = self.inverse.duplicate()
        g.array_w[:] = rhs[self.q] * self.inverse.array_r
        out = []
        for a, i in enumerate(self.keep):
            r = rhs[i]
            if self.column[a]:
                v = self.column[a].createVecLeft()
                self.column[a].mult(g, v)
                r = r - v.array_r
                v.destroy()
            out.append(r)
        g.destroy()
        return out

    def fold(
        self, row: Sequence[npt.NDArray[np.float64]]
    ) -> tuple[list[npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
        """A row g of all unknowns as one of the kept: g_j - A_qj^T D^-1 g_q, and D^-1 g_q."""
        g = self.inverse.duplicate()
        g.array_w[:] = row[self.q] * self.inverse.array_r
        out = []
        for b, j in enumerate(self.keep):
            r = row[j]
            if self.row[b]:
                v = self.row[b].createVecRight()
                self.row[b].multTranspose(g, v)
                r = r - v.array_r
                v.destroy()
            out.append(r)
        weights = g.array_r.copy()
        g.destroy()
        return out, weights

    def expand(
        self, x: Sequence[npt.NDArray[np.float64]], rhs: Sequence[npt.NDArray[np.float64]]
    ) -> list[npt.NDArray[np.float64]]:
        """All unknowns: the eliminated one is D^-1 (r_q - sum A_qj x_j)."""
        rest = rhs[self.q].copy()
        for b, part in enumerate(x):
            if self.row[b]:
                u, v = self.row[b].createVecs()
                u.array_w[:] = part
                self.row[b].mult(u, v)
                rest -= v.array_r
                u.destroy()
                v.destroy()
        out = list(x)
        out.insert(self.q, rest * self.inverse.array_r)
        return out


def add_entries(
    matrix: Any, rows: npt.NDArray[np.int32], columns: npt.NDArray[np.int32],
    values: npt.NDArray[np.float64],
) -> None:
    """Add one entry to each of some owned rows that has a place for it (global numbers)."""
    pointer = np.arange(len(rows) + 1, dtype=np.int32)
    matrix.setValuesIJV(pointer, columns, values, addv=True, rowmap=rows)
    matrix.assemble()
