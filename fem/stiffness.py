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

from .compat import PETSc, dfem, dpetsc
from .system import System, Unknown

__all__ = ["Assembled", "Stiffness"]

Array = npt.NDArray[np.float64]


class Assembled:
    """The matrix of any compiled bilinear form."""

    def __init__(self, form: Any):
        self.form, self.matrix = form, dpetsc.create_matrix(form)
        self.assemble()  # without it the pattern is lost

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
        self._fill(np.zeros(len(self.cells)))

    def assemble(self) -> None:
        """Fill `matrix` from the present state (collective)."""
        self._fill(dfem.assemble_vector(self.weights).array[self.cells])

    def _fill(self, k: Array) -> None:
        values = (self.shape * k[:, None, None]).ravel()
        self.matrix.setValuesCOO(values, addv=PETSc.InsertMode.INSERT_VALUES)

    @staticmethod
    def fits(form: Any, row: Unknown, column: Unknown) -> bool:
        """Whether a form is (k grad u, grad v) with a number k, and nothing else."""
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
