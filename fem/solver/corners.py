r"""Integrals by the vertex rule, without a kernel: values at nodes, sums over cells.

Where metal moves through, every integral takes its integrand at the corners of each cell. Laws of
salt and metal there depend on nodal fields alone, so they are evaluated once a node instead of once
a corner of each cell; a node has some 24 of those in 3D. For u, v linear on each cell

    (a, v)           goes to the corner itself, a |K|/(d + 1)
    (b, grad v)      |K|/(d + 1) sum over corners of b . grad N_i
    (a u, v)         a diagonal
    (b u, grad v)    rows i, column the corner:  |K|/(d + 1) b . grad N_i; (b . grad u, v) likewise
    (k grad u, grad v)   the integral of k over each cell, as in `fem.solver.stiffness`

An integrand is linear in test and trial function: a, b and k are what is left of it with 1 or 0 in
place of these and of their slopes. Each is a sum of products of what varies from node to node and
what is one number a cell (slopes, materials),

    sum over m of  s_m(node) w_m(cell),

and neither is ever spread over all corners of all cells; a field that jumps between cells is one
number at each corner of each and stands with the w_m. `Corners.read` takes UFL apart into such
sums, numbers and zeros folded; equal factors are one `Term`, and a `Moment` keeps the values of
each while the state stays as it is, so that forms of a stage share conductivities and fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
import numpy.typing as npt
from ufl import classes
from ufl.algorithms import expand_derivatives, expand_indices
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.remove_complex_nodes import remove_complex_nodes

from fem.compat import VERTEX_RULE, cell_vertices
from fem.solver.pattern import Pattern, gradients
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = [
    "Bilinear", "Corners", "Functional", "Linear", "Moment", "NotAtCornersError", "merged", "taken",
]  # fmt: skip

Array = npt.NDArray[np.float64]


class NotAtCornersError(Exception):
    """An integral that this module does not know how to take; the message says why."""


class Moment(dict[Any, Any]):
    """Values of terms at one state: make a new one whenever any field may have changed."""


@dataclass(frozen=True, eq=False)
class Term:
    """A factor of an integrand: values at nodes, or one a cell (or at each corner of a cell).

    Attributes:
        call: values of the operands -> its own.
        operands: terms.
        constant: its value if that is one number that never changes.
    """

    call: Callable[..., Any]
    operands: tuple[Term, ...] = ()
    constant: float | None = None


#: A sum of products: factor of cells -> factor of nodes. Without any it is zero.
Sum = dict[Term, Term]


class Corners:
    """The cells of some regions, and terms at their corners.

    Args:
        system: whose fields are read.
        tags: numbers of the regions.

    Attributes:
        cells: those of the whole mesh that this rank owns.
        points: of the mesh's geometry, that are their corners.
        corners: place of each corner in `points`, (corners, cells).
        share: |K|/(d + 1) of each cell, m3 (2D: m2). volumes: its sum around each of `points`.
        slopes: gradients of hat functions, (corners, dim, cells).
    """

    def __init__(self, system: System, tags: tuple[int, ...]):
        self.system, domain, self.dim = system, system.domain, system.domain.dim
        count = domain.mesh.topology.index_map(domain.dim).size_local
        self.cells = np.flatnonzero(np.isin(domain.cell_tag_array[:count], tags))
        corners = cell_vertices(domain.mesh)[self.cells]
        self.points, place = np.unique(corners, return_inverse=True)
        self.corners = np.ascontiguousarray(place.reshape(corners.shape).T)
        self.x = domain.mesh.geometry.x[self.points, : domain.dim]
        places = domain.mesh.geometry.x[corners][..., : domain.dim]
        self.slopes = np.ascontiguousarray(gradients(places).transpose(1, 2, 0))
        size = np.abs(np.linalg.det(places[:, 1:] - places[:, :1]))
        self.share = size / math.factorial(domain.dim + 1)
        self.volumes = np.bincount(
            self.corners.ravel(), np.tile(self.share, len(self.corners)), len(self.points)
        )
        self.regions = {name for name, number in domain.regions.items() if number in tags}
        self._terms: dict[Any, Term] = {}
        self.one = self.number(1.0)
        self._nodes: dict[int, tuple[Any, npt.NDArray[np.int32]]] = {}

    # -- values --------------------------------------------------------------------------------

    def value(self, term: Term, moment: Moment) -> Any:
        """Values of a term at the present state."""
        if term.constant is not None:
            return term.constant
        if id(term) not in moment:
            with np.errstate(all="ignore"):  # of branches that are not taken
                moment[id(term)] = term.call(*(self.value(part, moment) for part in term.operands))
        return moment[id(term)]

    def nodes_of(self, space: Any) -> npt.NDArray[np.int32]:
        """Node of a P1 space on some part of the mesh at each of `points`.

        Raises:
            NotAtCornersError: the space does not reach all regions.
        """
        if id(space) not in self._nodes:
            domain, part = self.system.domain, self._part(space)
            at = np.full(len(domain.mesh.geometry.x), -1, dtype=np.int32)
            if part is None:
                at[cell_vertices(domain.mesh)] = space.dofmap.list
            else:
                vertices = domain.vertices(space, part)
                at[vertices] = np.arange(len(vertices), dtype=np.int32)
            self._nodes[id(space)] = space, at[self.points]
        return self._nodes[id(space)][1]

    def _part(self, space: Any) -> Any:
        """The part of the mesh on which a space is, None for all of it."""
        if space.mesh is self.system.domain.mesh:
            return None
        for part in self.system.parts:
            if part.mesh is space.mesh and self.regions <= {*part.regions}:
                if part.numbers is not None:
                    raise NotAtCornersError("a field that may jump at nodes")
                return part
        raise NotAtCornersError("a field that is not everywhere in the regions")

    # -- from UFL ------------------------------------------------------------------------------

    def read(self, expression: Any, given: Mapping[Any, float]) -> Sum:
        """The sum that a scalar expression is.

        Args:
            expression: UFL, lowered and without free indices.
            given: numbers that stand for arguments, and for (argument, direction) of their slopes.

        Raises:
            NotAtCornersError: there is something in it that is not known here.
        """
        known: dict[Any, Sum] = {}  # by what they are: derivatives repeat their parts as copies

        def visit(e: Any) -> Sum:
            if e not in known:
                known[e] = self._read(e, given, visit)
            return known[e]

        return visit(expression)

    def _read(self, e: Any, given: Mapping[Any, float], visit: Callable[[Any], Sum]) -> Sum:
        if isinstance(e, classes.Zero):
            return {}
        if isinstance(e, classes.ScalarValue):
            return self._plain(float(e))
        if isinstance(e, classes.Argument):
            return self._plain(given[e])
        if isinstance(e, classes.Constant) and e.ufl_shape == ():
            return {self.one: self._kept(("constant", e), lambda: float(e.value))}
        if isinstance(e, classes.Coefficient):
            return self._field(e)
        if isinstance(e, classes.Indexed):
            return self._component(e, given)
        if isinstance(e, classes.Variable):
            return visit(e.ufl_operands[0])
        operands = [visit(part) for part in e.ufl_operands]
        if isinstance(e, classes.Sum):
            return self._add(*operands)
        if isinstance(e, classes.Product):
            return self._multiply(*operands)
        if isinstance(e, classes.Division):
            return self._multiply(operands[0], self._apply(np.reciprocal, operands[1:]))
        call = _calls.get(type(e)) or getattr(np, _names.get(getattr(e, "_name", ""), ""), None)
        if call is None:
            raise NotAtCornersError(f"no way to take {type(e).__name__}")
        return self._apply(call, operands)

    def number(self, value: float) -> Term:
        """A constant."""
        if value not in self._terms:
            self._terms[value] = Term(lambda: value, (), value)
        return self._terms[value]

    def _plain(self, value: float) -> Sum:
        return {self.one: self.number(value)} if value else {}

    def _kept(self, key: Any, call: Callable[..., Any], operands: Sequence[Term] = ()) -> Term:
        if key not in self._terms:
            self._terms[key] = Term(call, tuple(operands))
        return self._terms[key]

    def _of(self, call: Callable[..., Any], *operands: Term) -> Term:
        """A function of terms of one kind."""
        constants = [term.constant for term in operands]
        if None not in constants:
            return self.number(float(call(*constants)))
        if call is np.multiply and 1.0 in constants:
            return operands[1 - constants.index(1.0)]
        return self._kept((call, *(id(term) for term in operands)), call, operands)

    def _add(self, one: Sum, other: Sum) -> Sum:
        out = dict(one)
        for cells, nodes in other.items():
            out[cells] = self._of(np.add, out[cells], nodes) if cells in out else nodes
        return {cells: nodes for cells, nodes in out.items() if nodes.constant != 0.0}

    def _multiply(self, one: Sum, other: Sum) -> Sum:
        out: Sum = {}
        for (w, s), (x, t) in product(one.items(), other.items()):
            out = self._add(out, {self._of(np.multiply, w, x): self._of(np.multiply, s, t)})
        return out

    def _apply(self, call: Callable[..., Any], operands: Sequence[Sum]) -> Sum:
        """A function of sums that vary either from node to node or from cell to cell.

        Raises:
            NotAtCornersError: they do both.
        """
        if all(not term or [*term] == [self.one] for term in operands):
            nodes = [term.get(self.one, self.number(0.0)) for term in operands]
            return self._add({}, {self.one: self._of(call, *nodes)})
        cells = []
        for term in operands:
            if len(term) > 1 or any(s.constant is None for s in term.values()):
                raise NotAtCornersError("a function of nodes and cells")
            cells += [self._of(np.multiply, w, s) for w, s in term.items()] or [self.number(0.0)]
        return {self._of(call, *cells): self.one}

    def _field(self, f: Any) -> Sum:
        space = f.function_space
        kind = space.element.basix_element if space.dofmap.index_map_bs == 1 else None
        family = None if kind is None else (kind.family.name, kind.degree, kind.discontinuous)
        if family == ("P", 1, False):
            nodes = self.nodes_of(space)
            return {self.one: self._kept(("field", f), lambda: f.x.array[nodes])}
        if family in (("P", 0, True), ("P", 1, True)):
            part = self._part(space)
            cells = self.cells if part is None else part.inverse[self.cells]
            place = space.dofmap.list[cells]
            if family[1] == 0:
                return {self._kept(("field", f), lambda: f.x.array[place[:, 0]]): self.one}
            there = space.mesh.geometry.x[cell_vertices(space.mesh)[cells], : self.dim]
            if not np.array_equal(self.x[self.corners.T], there):
                raise NotAtCornersError("corners in another order")
            place = np.ascontiguousarray(place.T)
            return {self._kept(("field", f), lambda: f.x.array[place]): self.one}
        raise NotAtCornersError(f"a field of {space.ufl_element()}")

    def _component(self, e: Any, given: Mapping[Any, float]) -> Sum:
        whole, (index, *more) = e.ufl_operands[0], e.ufl_operands[1].indices()
        if more:
            raise NotAtCornersError(f"a component of {type(whole).__name__}")
        k = int(index)
        if isinstance(whole, classes.SpatialCoordinate):
            return {self.one: self._kept(("x", k), lambda: self.x[:, k])}
        if isinstance(whole, classes.Grad):
            of = whole.ufl_operands[0]
            if isinstance(of, classes.Argument):
                return self._plain(given[of, k])
            if isinstance(of, classes.Coefficient):
                values = self._field(of)
                if [*values] != [self.one]:
                    if of.function_space.element.basix_element.degree:
                        raise NotAtCornersError("the slope of a field that jumps")
                    return {}
                return {self._kept(("slope", of, k), lambda v: self.slope(v, k),
                                   [values[self.one]]): self.one}
        raise NotAtCornersError(f"a component of {type(whole).__name__}")

    # -- sums over corners and cells -----------------------------------------------------------

    def slope(self, values: Array, k: int) -> Array:
        """The derivative of a linear field in a direction, in each cell."""
        parts = (values[c] * s[k] for c, s in zip(self.corners, self.slopes, strict=True))
        return np.asarray(sum(parts))

    def over_cells(self, term: Term, moment: Moment) -> Array:
        """The sum of nodal values over the corners of each cell."""
        if term.constant is not None:
            return np.full(len(self.cells), term.constant * len(self.corners))
        key = id(term), "cells"
        if key not in moment:
            values = self.value(term, moment)
            if np.ndim(values) == 0:
                moment[key] = np.full(len(self.cells), values * len(self.corners))
            else:
                moment[key] = np.asarray(sum(values[c] for c in self.corners))
        return np.asarray(moment[key])

    def integral(self, terms: Sum, moment: Moment) -> Array:
        """The integral of a sum over each cell, by the vertex rule."""
        out = np.zeros(len(self.cells))
        for cells, nodes in terms.items():
            w = self.value(cells, moment)
            if np.ndim(w) < 2:
                out += self.over_cells(nodes, moment) * w
                continue
            s = self.value(nodes, moment)
            out += sum(w) * s if np.ndim(s) == 0 else sum(
                at * s[corner] for at, corner in zip(w, self.corners, strict=True))
        out *= self.share
        return out

    def at_points(self, terms: Sum, moment: Moment) -> Array:
        """The integral of a sum times each hat function, by the vertex rule."""
        out = np.zeros(len(self.points))
        for cells, nodes in terms.items():
            around = self.volumes
            if cells is not self.one:
                shares = self.share * self.value(cells, moment)
                around = self.around(*np.atleast_2d(shares))
            out += self.value(nodes, moment) * around
        return out

    def drift(self, vectors: dict[Term, list[Term | None]], moment: Moment) -> Array:
        """Entries of (b u, grad v) between the corners of each cell, by the vertex rule.

        Args:
            vectors: factor of nodes -> vector of factors of cells; their sum is b.
            moment: values of terms at this state.

        Returns:
            In the row of each corner, the columns of all other corners in turn, and each cell.
        """
        n, count = len(self.corners), len(self.cells)
        b = np.zeros((n, self.dim, count))
        for nodes, vector in vectors.items():
            s = self.value(nodes, moment)
            s = s[self.corners] if np.ndim(s) else s
            for k, part in enumerate(vector):
                if part is not None:
                    b[:, k] += s * (self.share * self.value(part, moment))
        out = np.empty((n * (n - 1), count))
        for (i, j), entries in zip(permutations(range(n), 2), out, strict=True):
            np.einsum("kc,kc->c", self.slopes[i], b[j], out=entries)
        return out

    def around(self, *cells: Array) -> Array:
        """The sum over the cells around each point: of one value a cell, or of one a corner."""
        each = cells if len(cells) > 1 else cells * len(self.corners)
        return np.bincount(self.corners.ravel(), np.concatenate(each), len(self.points))


# -- forms -------------------------------------------------------------------------------------


class Functional:
    """An integral over each cell, by the vertex rule.

    Args:
        system: whose form it is.
        integral: with a test function that is constant on each cell.
        test: that function.

    Raises:
        NotAtCornersError: it is not of this kind.

    Attributes:
        cells: of the whole mesh.
    """

    def __init__(self, system: System, integral: Any, test: Any):
        self.there = _corners(system, integral)
        self.cells = self.there.cells
        self.terms = self.there.read(integral.integrand(), {test: 1.0})

    def by_cell(self, moment: Moment) -> Array:
        """Its value on each of `cells`."""
        return self.there.integral(self.terms, moment)


class Linear:
    """The vector of an integral, by the vertex rule.

    Args:
        system: whose form it is.
        integral: with a test function.
        row: its unknown.

    Raises:
        NotAtCornersError: it is not of this kind.
    """

    def __init__(self, system: System, integral: Any, row: Unknown):
        self.row, dim = row, system.domain.dim
        self.there = _corners(system, integral, row)
        self.plain, *self.slopes = (
            self.there.read(integral.integrand(), _ways(dim, row.test, way))
            for way in (None, *range(dim))
        )

    def add_to(self, out: Array, moment: Moment) -> None:
        """Add it to values at all local nodes."""
        there = self.there
        found = there.at_points(self.plain, moment)
        if any(self.slopes):
            flow = [there.integral(terms, moment) for terms in self.slopes]
            found += there.around(*(
                sum(s * f for s, f in zip(slope, flow, strict=True)) for slope in there.slopes
            ))
        out[there.nodes_of(self.row.space)] += found


class Bilinear:
    """The matrix of an integral, by the vertex rule: values of a `Pattern`.

    Args:
        system: whose form it is.
        integral: with test and trial function.
        row: unknown of the test function.
        column: unknown of the trial function.
        where: their pattern.

    Raises:
        NotAtCornersError: it is not of this kind.

    Attributes:
        stiff: there is a part (k grad u, grad v). rest: there is another one.
    """

    def __init__(
        self, system: System, integral: Any, row: Unknown, column: Unknown, where: Pattern
    ):
        self.row, self.where, dim = row, where, system.domain.dim
        self.there = there = _corners(system, integral, row, column)
        left = {
            (v, u): there.read(
                integral.integrand(), _ways(dim, row.test, v) | _ways(dim, column.trial, u)
            )
            for v in (None, *range(dim)) for u in (None, *range(dim))
        }
        self.k, self.plain = left[0, 0], left[None, None]
        for i, j in np.ndindex(dim, dim):
            if left[i, j] != (self.k if i == j else {}):
                raise NotAtCornersError("a tensor")
        self.by_row = _by_node([left[i, None] for i in range(dim)])
        self.by_column = _by_node([left[None, j] for j in range(dim)])
        self.cells = where.position(there.cells)
        self.stiff = bool(self.k)
        self.rest = bool(self.plain or self.by_row or self.by_column)

    def weights(self, moment: Moment) -> Array:
        """The integral of k over each cell of the pattern."""
        out = np.zeros(len(self.where.cells))
        out[self.cells] = self.there.integral(self.k, moment)
        return out

    def entries(self, moment: Moment) -> Array:
        """Values of all other terms, at the places of the pattern."""
        where, there = self.where, self.there
        out = np.zeros(where.size)
        if self.plain:
            nodes = there.nodes_of(self.row.space)
            out[where.diagonal[nodes]] = there.at_points(self.plain, moment)
        # With the slope at the trial function, rows and columns have changed places.
        if self.by_row:
            out += where.drift(self.cells, there.drift(self.by_row, moment))
        if self.by_column:
            out += where.turned(where.drift(self.cells, there.drift(self.by_column, moment)))
        return out


def _by_node(terms: Sequence[Sum]) -> dict[Term, list[Term | None]]:
    """A vector of sums as factor of nodes -> vector of factors of cells."""
    out: dict[Term, list[Term | None]] = {}
    for k, each in enumerate(terms):
        for cells, nodes in each.items():
            vector = out.setdefault(nodes, [None] * len(terms))
            if vector[k] is None:
                vector[k] = cells
            else:
                raise NotAtCornersError("a sum over cells")
    return out


def taken(form: Any, take: Callable[[Any], Any]) -> tuple[list[Any], list[Any]]:
    """Results of `take` for the integrals that it can take at corners, and all other integrals."""
    found, others = [], []
    for integral in merged(form):
        try:
            found.append(take(integral))
        except NotAtCornersError:
            others.append(integral)
    return found, others


def merged(form: Any) -> list[Any]:
    """Integrals of a form; those by the vertex rule that are alike in several regions as one.

    Those are without free indices and complex numbers, as `Corners.read` wants them.
    """
    out, alike, found = [], list[Any](), dict[Any, Any]()
    for integral in form.integrals():
        tags = integral.subdomain_id()
        tags = tags if isinstance(tags, tuple) else (tags,)
        if not (_by_vertices(integral) and all(isinstance(tag, int) for tag in tags)):
            out.append(integral)
            continue
        # The integrand by itself: each form made in between would be searched for its coefficients.
        lowered = remove_complex_nodes(apply_algebra_lowering(integral.integrand()))
        plain = expand_indices(expand_derivatives(lowered))
        if isinstance(plain, classes.Zero):
            continue
        one, known = found.get(plain, (integral.reconstruct(integrand=plain), ()))
        if {*known} & {*tags}:  # the same once more
            alike.append(one.reconstruct(subdomain_id=tuple(sorted(tags))))
        else:
            found[plain] = one, (*known, *tags)
    alike += [one.reconstruct(subdomain_id=tuple(sorted(tags))) for one, tags in found.values()]
    return out + alike


def _by_vertices(integral: Any) -> bool:
    """True if an integral is over cells, by the vertex rule."""
    same = VERTEX_RULE.items() <= integral.metadata().items()
    return same and integral.integral_type() == "cell"


def _corners(system: System, integral: Any, *unknowns: Unknown) -> Corners:
    """The regions of an integral from `merged`.

    Raises:
        NotAtCornersError: it has another rule, or is over facets, or of other elements.
    """
    plain, tags = all(u.degree == 1 and u.shape == () for u in unknowns), integral.subdomain_id()
    if not (plain and _by_vertices(integral) and isinstance(tags, tuple)):
        raise NotAtCornersError("another rule, or another measure")
    made = system.shared.setdefault("corners", {})
    if tags not in made:
        made[tags] = Corners(system, tags)
    there: Corners = made[tags]
    for unknown in unknowns:
        there.nodes_of(unknown.space)
    return there


def _ways(dim: int, argument: Any, way: int | None) -> dict[Any, float]:
    """An argument that is 1 without a slope (None), or 0 with the slope 1 in one direction."""
    return {argument: float(way is None)} | {(argument, k): float(k == way) for k in range(dim)}


_calls: dict[Any, Callable[..., Any]] = {
    classes.Power: np.power,
    classes.Abs: np.abs,
    classes.MaxValue: np.maximum,
    classes.MinValue: np.minimum,
    classes.Conditional: np.where,
    classes.LT: np.less,
    classes.GT: np.greater,
    classes.LE: np.less_equal,
    classes.GE: np.greater_equal,
    classes.EQ: np.equal,
    classes.NE: np.not_equal,
    classes.AndCondition: np.logical_and,
    classes.OrCondition: np.logical_or,
    classes.NotCondition: np.logical_not,
}
#: UFL's names of functions of one number, and numpy's.
_names = {name: name for name in (
    "sqrt", "exp", "cos", "sin", "tan", "cosh", "sinh", "tanh",
)} | {"ln": "log", "acos": "arccos", "asin": "arcsin", "atan": "arctan"}
