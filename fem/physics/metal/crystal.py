r"""Cubic crystals: surface energy and exchange current depend on the normal n of the front.

n is given as components along the first axis, (2 or 3, nodes). Where the front is too flat to have
a normal, `fem.physics.metal.front` shortens it; what depends on its direction then fades in
proportion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Crystal"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Crystal:
    r"""Four-fold anisotropy about cubic axes; the same formulas in 2D and 3D.

        C(n) = 4 sum_i n_i^4 - 3           2D: cos 4(theta - angle), -1 to 1;  3D: -5/3 to 1
        gamma(n) = gamma_0 [1 + delta_4 C(n)],   0 <= delta_4 < 1/15: the Wulff shape has no corners
        i0(n) = i0 [1 + delta_k C(n)],           0 <= delta_k < 3/5: positive in 3D, too

    Surface energy acts through Cahn and Hoffman's vector d(|p| gamma(p/|p|))/dp_i at p = n (their
    xi, which is the phase field here), over gamma_0

        e_i = n_i [1 + delta_4 C(n)] + 16 delta_4 (n_i^3 - n_i sum_j n_j^4)

    Its divergence is the curvature weighted by energy, (1 - 15 delta_4 cos 4 theta) K in 2D.

    Source: D. W. Hoffman and J. W. Cahn, Surf. Sci. 31 (1972) 368.

    Around an axis the crystal's axes are those of r and z, the same all round: no cubic crystal,
    but the formulas hold with n = (n_r, n_z).

    Attributes:
        surface: delta_4.
        kinetic: delta_k.
        angle: of the first axis <10> to x, in the plane of x and y (3D: about z), rad.
    """

    surface: float = 0.0
    kinetic: float = 0.0
    angle: float = 0.0

    def energy_vector(self, n: Array) -> Array:
        """Vectors e of all n, proportional to |n|; n itself where delta_4 = 0."""
        n = _turned(n, -self.angle)
        squares = n * n
        square = np.maximum(squares.sum(axis=0), 1e-100)
        quartic = (squares * squares).sum(axis=0) / (square * square)
        gamma = 1.0 + self.surface * (4.0 * quartic - 3.0)
        turn = 16.0 * self.surface * (squares / square - quartic)
        return _turned(n * gamma + n * turn, self.angle)

    def exchange(self, n: Array) -> Array:
        """i0(n)/i0 of every n."""
        squares = _turned(n, -self.angle) ** 2
        # |n|^4 instead of 1: no direction, no anisotropy.
        cubic = 4.0 * (squares * squares).sum(axis=0) - 3.0 * squares.sum(axis=0) ** 2
        return np.asarray(1.0 + self.kinetic * cubic)


def _turned(n: Array, angle: float) -> Array:
    """Vectors turned about z, from x to y."""
    if angle == 0.0:
        return n
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * n[0] - sin * n[1], sin * n[0] + cos * n[1], *n[2:]])
