r"""Matrices of terms in which both functions stand behind a gradient, (k grad u, grad v).

On linear simplices gradients are constant in a cell. The matrix of a cell is then the integral of k
over it times a matrix of its shape, which never changes: per assembly one number a cell is
integrated, by any quadrature rule, and the rest is a product and a sum into known places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import ufl
from ufl.algorithms import expand_derivatives
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.remove_component_tensors import remove_component_tensors
from ufl.classes import Grad, Indexed
from ufl.corealg.traversal import unique_pre_traversal

from fem.compat import MPI, PETSc, dfem, dpetsc
from fem.system.system import System, Unknown

__all__ = ["Assembled", "Block", "Blocked", "Stiffness", "product", "structure"]

Array = npt.NDArray[np.float64]


def product(matrix: Any, x: Array) -> Array:
    """Matrix times owned values (collective)."""
    right, left = matrix.createVecs()
    right.array_w[:] = x
    matrix.mult(right, left)
    y = left.array_r.copy()
    right.destroy()
    left.destroy()
    return np.asarray(y)


def structure(a: Any, b: Any) -> Any:
    """Compare the pattern of matrix b, all of which a has, with that of a (collective).

    Sums and copies of matrices that have the same places are far faster.
    """
    places = zip(a.getValuesCSR()[:2], b.getValuesCSR()[:2], strict=True)
    same = all(np.array_equal(one, other) for one, other in places)
    same = a.comm.tompi4py().allreduce(same, op=MPI.LAND)
    kinds = PETSc.Mat.Structure
    return kinds.SAME_NONZERO_PATTERN if same else kinds.SUBSET_NONZERO_PATTERN


class Block:
    """The derivative of a row by an unknown, as one matrix K + R.

    Args:
        system: whose form it is.
        form: bilinear; of its integrals those that `Stiffness` can fill make K, the others R.
        row: unknown of the test function.
        column: unknown of the trial function.

    Attributes:
        matrix: the sum.
    """

    def __init__(self, system: System, form: Any, row: Unknown, column: Unknown):
        self.comm: Any = system.domain.comm
        self.stiff: Stiffness | None = None
        self.other: Assembled | Blocked | None = None
        if not all(u.degree == 1 and u.shape == () for u in (row, column)):
            self.other = Blocked(system.form(form))
            self.parts: list[Any] = [self.other]
            self.matrix = self.other.matrix
            return
        stiff: list[Any] = []
        others: list[Any] = []
        for integral in form.integrals():
            fits = Stiffness.fits(ufl.Form([integral]), row, column)
            (stiff if fits else others).append(integral)
        self.stiff = Stiffness(system, ufl.Form(stiff), row, column) if stiff else None
        self.other = Assembled(system.form(ufl.Form(others))) if others else None
        self.parts = [part for part in (self.stiff, self.other) if part is not None]
        self.matrix = self.parts[0].matrix
        if len(self.parts) == 2:
            self.matrix = self.matrix.copy()
            self.matrix.axpy(1.0, self.parts[1].matrix, PETSc.Mat.Structure.DIFFERENT)
            self.structures = [structure(self.matrix, part.matrix) for part in self.parts]

    def assemble(self) -> None:
        """Fill `matrix` from the present state (collective)."""
        for part in self.parts:
            part.assemble()
        if len(self.parts) == 2:
            self.matrix.zeroEntries()
            for part, places in zip(self.parts, self.structures, strict=True):
                self.matrix.axpy(1.0, part.matrix, places)

    def times(self, x: Array) -> Array:
        """Matrix times owned values, K without their mean (collective).

        Rows of K sum up to zero. A field that is the same everywhere then drives nothing, where
        products would leave the round-off of a large number.
        """
        y = np.zeros(self.matrix.getLocalSize()[0])
        if self.other is not None:
            y += product(self.other.matrix, x)
        if self.stiff is not None:
            total, count = self.comm.allreduce(np.array([x.sum(), len(x)]), op=MPI.SUM)
            y += product(self.stiff.matrix, x - total / count)
        return y


class Assembled:
    """The matrix of any compiled bilinear form.

    The cells are summed up in DOLFINx's own matrix, and its entries given to PETSc all at once.
    """

    def __init__(self, form: Any):
        self.form, self.sum = form, dfem.create_matrix(form)
        maps = [self.sum.index_map(k) for k in (0, 1)]
        ends = self.sum.indptr[: maps[0].size_local + 1]
        rows: Any = np.repeat(np.arange(*maps[0].local_range, dtype=np.int32), np.diff(ends))
        self.owned = len(rows)
        columns: Any = maps[1].local_to_global(self.sum.indices[: self.owned]).astype(np.int32)
        self.matrix: Any = PETSc.Mat().createAIJ(
            [(m.size_local, m.size_global) for m in maps], comm=maps[0].comm
        )
        self.matrix.setPreallocationCOO(rows, columns)
        self._fill()

    def assemble(self) -> None:
        """Fill `matrix` from the present state (collective)."""
        self.sum.set_value(0.0)
        dfem.assemble_matrix(self.sum, self.form)
        self.sum.scatter_reverse()
        self._fill()

    def _fill(self) -> None:
        values = self.sum.data[: self.owned]
        self.matrix.setValuesCOO(values, addv=PETSc.InsertMode.INSERT_VALUES)


class Blocked:
    """The matrix of a compiled bilinear form of vectors, or of polynomials of degree 2.

    PETSc knows how many components a node has; multigrid needs that.
    """

    def __init__(self, form: Any):
        self.form, self.matrix = form, dpetsc.create_matrix(form)
        self.assemble()

    def assemble(self) -> None:
        """Fill `matrix` from the present state (collective)."""
        self.matrix.zeroEntries()
        dpetsc.assemble_matrix(self.matrix, self.form)
        self.matrix.assemble()


class Stiffness:
    """The matrix of such a form.

    Args:
        system: whose form it is.
        form: bilinear; `fits` tells whether it is one of these.
        row: unknown of the test function.
        column: unknown of the trial function.
    """

    def __init__(self, system: System, form: Any, row: Unknown, column: Unknown):
        domain = system.domain
        space = dfem.functionspace(row.part.mesh, ("DG", 0))
        along = ufl.SpatialCoordinate(domain.mesh)[0]
        both = {row.test: along, column.trial: along}
        z = ufl.TestFunction(space)
        self.weights = system.form(ufl.Form([
            i.reconstruct(z * ufl.replace(i.integrand(), both)) for i in form.integrals()
        ]))
        owned = row.part.mesh.topology.index_map(domain.dim).size_local
        there = column.part.inverse[row.part.cells[:owned]]
        self.cells = np.flatnonzero(there >= 0)
        rows = row.space.dofmap.list[self.cells]
        columns = column.space.dofmap.list[there[self.cells]]
        self.shape = np.einsum(
            "nia,nja->nij",
            _gradients(row.space.tabulate_dof_coordinates()[rows][..., : domain.dim]),
            _gradients(column.space.tabulate_dof_coordinates()[columns][..., : domain.dim]),
        )
        maps = [u.space.dofmap.index_map for u in (row, column)]
        comm: Any = domain.comm
        self.matrix: Any = PETSc.Mat().createAIJ(
            [(m.size_local, m.size_global) for m in maps], comm=comm
        )
        n = domain.dim + 1
        self.matrix.setPreallocationCOO(
            maps[0].local_to_global(np.repeat(rows, n).astype(np.int32)).astype(np.int32),
            maps[1].local_to_global(np.tile(columns, n).ravel().astype(np.int32)).astype(np.int32),
        )
        self._entries = np.empty_like(self.shape)
        self._fill(np.zeros(len(self.cells)))

    def assemble(self) -> None:
        """Fill `matrix` from the present state (collective)."""
        self._fill(dfem.assemble_vector(self.weights).array[self.cells])

    def _fill(self, k: Array) -> None:
        values = np.multiply(self.shape, k[:, None, None], out=self._entries)
        self.matrix.setValuesCOO(values.ravel(), addv=PETSc.InsertMode.INSERT_VALUES)

    @staticmethod
    def fits(form: Any, row: Unknown, column: Unknown) -> bool:
        """True if a form is (k grad u, grad v) with a number k, and nothing else."""
        if any(i.integral_type() != "cell" for i in form.integrals()):
            return False
        for argument in (row.test, column.trial):
            if not expand_derivatives(ufl.replace(form, {argument: ufl.as_ufl(1.0)})).empty():
                return False
        # What is summed over must be the components of both gradients, and nothing but these.
        lowered = remove_component_tensors(expand_derivatives(apply_algebra_lowering(form)))
        gradients = {Grad(row.test), Grad(column.trial)}
        return all(
            bool(part.ufl_free_indices) == (part.ufl_operands[0] in gradients)
            for i in lowered.integrals() for part in unique_pre_traversal(i.integrand())
            if isinstance(part, Indexed)
        )


def _gradients(x: Array) -> Array:
    """Gradients of the hat functions of simplices with these corners, (cells, corners, dim)."""
    edges = np.linalg.inv(x[:, 1:] - x[:, :1])  # columns are the gradients of all but the first
    return np.concatenate([-edges.sum(axis=2, keepdims=True), edges], axis=2).transpose(0, 2, 1)
