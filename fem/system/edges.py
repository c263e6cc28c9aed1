"""Fluxes along edges: what leaves a node for its neighbour, by a law of the state at both ends.

A Galerkin term (k grad u, grad v) is a sum over edges, w_ij (u_i - u_j) with w_ij = -(k grad N_i,
grad N_j). A flux of another law keeps the weights and replaces the difference:

    row of node i:   sum over edges w_ij f(state at i, state at j),   f(b, a) = -f(a, b)

What leaves one node enters the other, so it conserves whatever f is. Such a term is no UFL form;
`fem.solver.edges` brings it into the rows of a stage.

What liquid carries goes along edges, too, with the velocity u_e at the edge. In a cell of mean
velocity u a node gives u . grad N_i, which is the sum of w_ij u . (x_j - x_i) over the edges of the
cell. What the cells of an edge carry besides, of the harmonic mean of both ends, is added:

    w_ij f + m_ij sum over cells w_ij (u - u_e) . (x_j - x_i)/D,   m_ij = 2 c_i c_j/(c_i + c_j)

Where u makes no liquid the flows of a node then add up to nothing, so that an even concentration
stays even.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["EdgeFlux", "Ends"]

Array = npt.NDArray[np.float64]
#: Values at the first and at the second end of each edge.
Ends = tuple[Array, Array]
#: Values of all columns -> f, and its derivatives by the values at the first and second ends.
Law = Callable[[Mapping[str, Ends]], tuple[Array, Mapping[str, Ends]]]


@dataclass(frozen=True)
class EdgeFlux:
    """A flux along the edges of the cells of an unknown.

    Attributes:
        row: unknown whose row it enters, A.
        columns: unknowns on which it depends, each at all nodes of the row's cells.
        weight: measure of cells -> the integral of k over it, UFL; k f is a current times an area
            over a length.
        law: what liquid carries along each edge, u . (x_b - x_a)/D -> f, which is asked once a
            state (`Law`).
        velocity: of the liquid over D at points, 1/m, (n, dim) both; None at rest.
    """

    row: str
    columns: Sequence[str]
    weight: Callable[[Any], Any]
    law: Callable[[Array], Law]
    velocity: Callable[[Array], Array] | None = None
