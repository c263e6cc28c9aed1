r"""Vectors and matrices of forms: what is taken at corners, what has a shape, what needs kernels.

Matrices of terms in which both functions stand behind a gradient, (k grad u, grad v), have a shape:
on linear simplices gradients are constant in a cell. The matrix of a cell is then the integral of k
over it times a matrix of its shape, which never changes: per assembly one number a cell is
integrated, by any quadrature rule, and the rest is one product with the shapes of all cells
(`fem.solver.pattern`). Rows sum up to zero, which gives the diagonal.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.remove_component_tensors import remove_component_tensors
from ufl.classes import Grad, Indexed
from ufl.corealg.traversal import unique_pre_traversal

from fem.compat import MPI, PETSc, dfem, dpetsc, la, owned_size, seen_size
from fem.mesh.spaces import space_on
from fem.solver.corners import Bilinear, Linear, Moment, taken
from fem.solver.edges import AlongEdges, EdgeSlope
from fem.solver.pattern import Pattern, pattern, product
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["Assembled", "Block", "Blocked", "Stiffness", "Vector", "structure"]

Array = npt.NDArray[np.float64]


def structure(a: Any, b: Any) -> Any:
    """Compare the pattern of matrix b, all of which a has, with that of a (collective).

    Sums and copies of matrices that have the same places are far faster.
    """
    places = zip(a.getValuesCSR()[:2], b.getValuesCSR()[:2], strict=True)
    same = all(np.array_equal(one, other) for one, other in places)
    same = a.comm.tompi4py().allreduce(same, op=MPI.LAND)
    kinds = PETSc.Mat.Structure
    return kinds.SAME_NONZERO_PATTERN if same else kinds.SUBSET_NONZERO_PATTERN


class Vector:
    """A linear form of one unknown: what fits taken at corners, the rest by its kernels.

    Args:
        system: whose form it is.
        form: with a test function.
        row: its unknown.
        along: fluxes along edges that enter the row beside the form.
    """

    def __init__(
        self, system: System, form: Any, row: Unknown, along: Sequence[AlongEdges] = ()
    ):
        self.system, self.row = system, row
        self.quick, others = taken(form, lambda integral: Linear(system, integral, row))
        self.quick += along
        self.other = system.form(ufl.Form(others)) if others else None
        self.vector = la.vector(row.space.dofmap.index_map, row.space.dofmap.index_map_bs)

    def nodal(self, moment: Moment | None = None) -> Array:
        """Owned values, other ranks' shares added (collective)."""
        values = self.vector.array
        values[:] = 0.0
        if self.other is not None:
            dfem.assemble_vector(values, self.other)
        moment = Moment() if moment is None else moment
        for part in self.quick:
            part.add_to(values, moment)
        self.vector.scatter_reverse(la.InsertMode.add)
        return values[: owned_size(self.row.space)].copy()


class Block:
    """The derivative of a row by an unknown, as one matrix K + R.

    Args:
        system: whose form it is.
        form: bilinear; of its integrals those with both functions behind a gradient make K, the
            others R. What fits is taken at corners (`fem.solver.corners`).
        row: unknown of the test function.
        column: unknown of the trial function.
        along: derivatives of fluxes along edges, part of R.

    Attributes:
        matrix: the sum.
        stiff: there is a K. rest: there is an R.
    """

    def __init__(
        self, system: System, form: Any, row: Unknown, column: Unknown,
        along: Sequence[EdgeSlope] = (),
    ):
        self.comm: Any = system.domain.comm
        self.stiff, self.rest = False, True
        self.r: Array | None = None  # values of R within the pattern; found by `assemble`
        self.beside: Assembled | Blocked | None = None  # what has no place in the pattern
        self.where: Pattern | None = None
        if not (_plain(row) and _plain(column)):
            self.beside = Blocked(system.form(form))
            self.matrix = self.beside.matrix
            return
        self.where = where = pattern(system, row, column)
        self.quick, slow = taken(form, lambda i: Bilinear(system, i, row, column, where))
        self.quick += along
        fits = [Stiffness.fits(ufl.Form([i]), row, column) for i in slow]
        stiff = [i for i, does in zip(slow, fits, strict=True) if does]
        others = [i for i, does in zip(slow, fits, strict=True) if not does]
        stored = [i for i in others if Stored.fits(system, i)]
        others = [i for i in others if i not in stored]
        self.stiff = bool(stiff) or any(part.stiff for part in self.quick)
        self.rest = bool(others or stored) or any(part.rest for part in self.quick)
        self.slow_stiff = Stiffness(system, ufl.Form(stiff), row, column, where) if stiff else None
        self.stored = Stored(system, ufl.Form(stored)) if stored else None
        self.slow_rest = None
        if others:
            assembled = Assembled(system.form(ufl.Form(others)))
            if all(i.integral_type() == "cell" for i in others):
                self.slow_rest = assembled
            else:  # facets may couple nodes that share no cell of both parts
                self.beside = assembled
        self.inside = self.matrix = where.matrix()
        if self.beside is not None:
            self.matrix = self.inside.copy()
            self.matrix.axpy(1.0, self.beside.matrix, PETSc.Mat.Structure.DIFFERENT)
            self.parts = [(m, structure(self.matrix, m)) for m in (self.inside, assembled.matrix)]

    def assemble(self, moment: Moment | None = None) -> None:
        """Fill `matrix` from the present state (collective).

        Args:
            moment: values of terms at this state, if there are some already.
        """
        if self.where is not None:
            self._fill(self.where, Moment() if moment is None else moment)
        if self.beside is not None:
            self.beside.assemble()
        if self.where is not None and self.beside is not None:
            self.matrix.zeroEntries()
            for part, places in self.parts:
                self.matrix.axpy(1.0, part, places)

    def _fill(self, where: Pattern, moment: Moment) -> None:
        self.r = None  # not both that of before and the new one
        for part in self.quick:
            if part.rest:
                self._add(part.entries(moment))
        for part in (self.slow_rest, self.stored):
            if part is not None:
                self._add(part.entries(where))
        values = np.zeros(where.size) if self.r is None else self.r
        if self.stiff:
            weights = sum(part.weights(moment) for part in self.quick if part.stiff)
            if self.slow_stiff is not None:
                weights = weights + self.slow_stiff.weights()
            values = where.stiffness(weights) + values
        where.fill(self.inside, values)

    def _add(self, values: Array) -> None:
        if self.r is None:
            self.r = values
        else:
            self.r += values

    def sums(self) -> Array | None:
        """Sum of each owned row, from R alone, as rows of K have none (collective).

        None where the matrix is not known in these parts: there it is what cancellation leaves.
        """
        if self.where is None or not self.stiff:
            return None
        ones = np.ones(self.matrix.getLocalSize()[1])
        out = np.zeros(self.matrix.getLocalSize()[0])
        if self.r is not None:
            out += self.where.times(self.r, ones)
        if self.beside is not None:
            out += product(self.beside.matrix, ones)
        return out

    def times(self, x: Array) -> Array:
        """Matrix times owned values, K without their mean (collective).

        Rows of K sum up to zero. A field that is the same everywhere then drives nothing, where
        products would leave the round-off of a large number. With the mean m this is
        (K + R) (x - m) + R m.
        """
        if self.where is None or not self.stiff:
            return product(self.matrix, x)
        total, count = self.comm.allreduce(np.array([x.sum(), len(x)]), op=MPI.SUM)
        mean = np.full(len(x), total / count)
        y = product(self.matrix, x - mean)
        if self.r is not None:
            y += self.where.times(self.r, mean)
        if self.beside is not None:
            y += product(self.beside.matrix, mean)
        return y


def _plain(unknown: Unknown) -> bool:
    """A number at each vertex."""
    return unknown.degree == 1 and unknown.shape == ()


class Assembled:
    """The matrix of any compiled bilinear form.

    The cells are summed up in DOLFINx's own matrix, and its entries given to PETSc all at once.
    """

    def __init__(self, form: Any):
        self.form = form
        self._matrix: Any = None
        self._places: npt.NDArray[np.int64] | None = None

    @functools.cached_property
    def sum(self) -> Any:
        """In DOLFINx; made when it is first asked for, so that the form may wait for others."""
        return dfem.create_matrix(self.form)

    @property
    def matrix(self) -> Any:
        """In PETSc; made when it is first asked for (collective)."""
        if self._matrix is None:
            maps = [self.sum.index_map(k) for k in (0, 1)]
            ends = self.sum.indptr[: maps[0].size_local + 1]
            rows: Any = np.repeat(np.arange(*maps[0].local_range, dtype=np.int32), np.diff(ends))
            self.owned = len(rows)
            columns: Any = maps[1].local_to_global(self.sum.indices[: self.owned])
            self._matrix = PETSc.Mat().createAIJ(
                [(m.size_local, m.size_global) for m in maps], comm=maps[0].comm
            )
            self._matrix.setPreallocationCOO(rows, columns.astype(np.int32))
            self._fill()
        return self._matrix

    def assemble(self) -> None:
        """Fill `matrix` from the present state (collective)."""
        _ = self.matrix
        self.values()
        self.sum.scatter_reverse()
        self._fill()

    def _fill(self) -> None:
        values = self.sum.data[: self.owned]
        self.matrix.setValuesCOO(values, addv=PETSc.InsertMode.INSERT_VALUES)

    def values(self) -> Array:
        """Contribution of the cells of this rank to each entry of `sum`."""
        self.sum.set_value(0.0)
        dfem.assemble_matrix(self.sum, self.form)
        return np.asarray(self.sum.data)

    def entries(self, where: Pattern) -> Array:
        """Values at the places of its pattern; a new array."""
        return where.put(self.places(where), self.values())

    def places(self, where: Pattern) -> npt.NDArray[np.int64]:
        """Place of each of them in its pattern; -1 for entries that cells of other ranks fill."""
        if self._places is None:
            counts = np.diff(self.sum.indptr)
            rows = np.repeat(np.arange(len(counts)), counts)
            self._places = where.find(rows, self.sum.indices)
        return self._places


class Stored(Assembled):
    """The matrix of what a new state stores: its rate times what stays while no field changes.

    Args:
        system: has the rate, 1/s.
        form: bilinear; `fits` tells whether its integrals are of this kind.
    """

    def __init__(self, system: System, form: Any):
        self.rate, self.fields = system.time.rates[0], form.coefficients()
        super().__init__(system.form(ufl.replace(form, {self.rate: ufl.as_ufl(1.0)})))
        self._seen: list[Array] | None = None

    def entries(self, where: Pattern) -> Array:
        """Values at the places of its pattern; a new array."""
        now = [f.x.array for f in self.fields]
        if self._seen is None or not all(map(np.array_equal, self._seen, now)):
            self._seen = [values.copy() for values in now]
            self._kept = super().entries(where)
        return float(self.rate.value) * self._kept

    @staticmethod
    def fits(system: System, integral: Any) -> bool:
        """True if without the rate nothing is left, and no other number may change.

        Rates are weights of states, in which what is stored is linear.
        """
        rate, form = system.time.rates[0], ufl.Form([integral])
        rest = ufl.replace(form, {rate: ufl.zero()})
        return (
            integral.integral_type() == "cell" and [*form.constants()] == [rate]
            and apply_algebra_lowering(rest).empty()
        )


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
    """Matrix (k grad u, grad v) of any compiled kernels, from the integrals of k.

    Args:
        system: whose form it is.
        form: bilinear; `fits` tells whether it is one of these.
        row: unknown of the test function.
        column: unknown of the trial function.
        where: their pattern.
    """

    def __init__(
        self, system: System, form: Any, row: Unknown, column: Unknown, where: Pattern
    ):
        space = space_on(row.part.mesh, ("DG", 0))
        along = ufl.SpatialCoordinate(system.domain.mesh)[0]
        both = {row.test: along, column.trial: along}
        z = ufl.TestFunction(space)
        self.form = system.form(ufl.Form([
            i.reconstruct(z * ufl.replace(i.integrand(), both)) for i in form.integrals()
        ]))
        self.cells, self.sums = where.cells, np.zeros(seen_size(space))

    def weights(self) -> Array:
        """The integral of k over each cell of the pattern."""
        self.sums[:] = 0.0
        dfem.assemble_vector(self.sums, self.form)
        return self.sums[self.cells]

    @staticmethod
    def fits(form: Any, row: Unknown, column: Unknown) -> bool:
        """True if a form is (k grad u, grad v) with a number k, and nothing else.

        Derivatives in it are expanded.
        """
        if any(i.integral_type() != "cell" for i in form.integrals()):
            return False
        functions, gradients = {row.test, column.trial}, {Grad(row.test), Grad(column.trial)}
        for i in form.integrals():  # a function that is met without going into a gradient
            if not functions.isdisjoint(unique_pre_traversal(i.integrand(), {*gradients})):
                return False
        # What is summed over must be the components of both gradients, and nothing but these.
        lowered = remove_component_tensors(apply_algebra_lowering(form))
        return all(
            bool(part.ufl_free_indices) == (part.ufl_operands[0] in gradients)
            for i in lowered.integrals() for part in unique_pre_traversal(i.integrand())
            if isinstance(part, Indexed)
        )
