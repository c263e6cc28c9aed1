r"""Gradients averaged to nodes, right also where all cells lie to one side of a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NodalGradient"]

#: Least share of a bend that a node must see (nothing across a gap one cell wide) to count it.
MIN_BEND_SHARE = 0.03
#: Number of nodes whose small matrices are solved at once.
NODES_AT_ONCE = 50_000

Array = npt.NDArray[np.float64]


class NodalGradient:
    r"""<grad u> of linear elements at nodes, and what is left of it without its bias.

        <grad u>_k = D_k u/V,    D_k = (d u/dx_k, w) lumped,  V = (1, w)

    The mean is that of the cells around a node. Where they lie to one side of it, on walls and
    mirror planes and a little everywhere on uneven meshes, it is the gradient half a cell away:
    wrong by h times the bend of u, and a derivative of it is wrong by the bend itself. Exact
    wherever u bends evenly is

        g_k - sum_r b_kr (M^-1 s)_r,    g = <grad u>,  s_r = <grad g>_r

    with r the pairs of directions (xx, xy, yy ...), b_kr what <grad u>_k gives for the u that bends
    by 1 along r and has no gradient at the node, s the bends that are seen, and M_qr what is
    seen along q of such a u.

    All methods are collective and return values of all local nodes, ghosts last.

    Args:
        slopes: matrices D_k. volume: V of the owned nodes, m3 (2D: m2). work: a field to work in.
    """

    def __init__(self, slopes: Sequence[Any], volume: Array, work: Any):
        self.slopes, self.volume, self.work = slopes, volume, work
        self.product = slopes[0].createVecLeft()
        dim = len(slopes)
        self.pairs = [(i, j) for i in range(dim) for j in range(i + 1)]
        self.leverage = self._leverage()

    def __call__(self, values: Array) -> Array:
        """<grad u> of nodal values, (dim, nodes)."""
        x, n, means = self.work.x, len(self.volume), []
        x.array[:] = values
        for D in self.slopes:
            D.mult(x.petsc_vec, self.product)
            means.append(self.product.array_r / self.volume)
        out = np.empty((len(means), len(values)))
        for row, mean in zip(out, means, strict=True):
            x.array[:n] = mean
            x.scatter_forward()
            row[:] = x.array
        return out

    def unbiased(self, g: Array) -> Array:
        """The gradient without its bias, from <grad u>, (dim, nodes)."""
        return np.asarray(g - np.einsum("krn,rn->kn", self.leverage, self._bends(g)))

    def _bends(self, g: Array) -> Array:
        """<grad g>, its symmetric part, (pairs, nodes)."""
        second = [self(values) for values in g]
        return np.stack([0.5 * (second[i][j] + second[j][i]) for i, j in self.pairs])

    def _leverage(self) -> Array:
        """The product b M^-1, damped where bends cannot be seen, (dim, pairs, nodes)."""
        x = self.work.function_space.tabulate_dof_coordinates().T
        biases, seen = [], []
        for i, j in self.pairs:
            bias = self(0.5 * x[i] * x[j])
            bias[i] -= 0.5 * x[j]
            bias[j] -= 0.5 * x[i]
            biases.append(bias)
            true = [(pair == (i, j)) * (1.0 if i == j else 0.5) for pair in self.pairs]
            seen.append(np.array(true)[:, None] + self._bends(bias))
        out = np.empty((len(self.slopes), len(self.pairs), len(x[0])))
        for first in range(0, len(x[0]), NODES_AT_ONCE):  # large meshes would need much memory
            here = slice(first, first + NODES_AT_ONCE)
            M = np.stack([s[:, here] for s in seen], axis=-1).swapaxes(0, 1)  # node, seen, bend
            damped = M @ M.swapaxes(1, 2) + MIN_BEND_SHARE**2 * np.eye(len(self.pairs))
            inverse = np.linalg.solve(damped, M).swapaxes(1, 2)
            b = np.stack([bias[:, here] for bias in biases])
            out[..., here] = np.einsum("rkn,nrq->kqn", b, inverse)
        return out
