"""Ions between two electrodes by finite volumes in 1D, apart from the package: a reference.

At a given current i the field follows from it, so that no potential is solved for:

    N_k = -D_k (dc_k/dx + z_k c_k e),   e = -(i/F + sum z_k D_k dc_k/dx)/sum z_k^2 D_k c_k
    metal ions: z N = i/F at both ends, i > 0 from the counter electrode at x = L to the foil at 0
    others:     N = 0, or what the foil consumes
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp
from scipy.sparse import diags_array, kron

from fem.base.constants import FARADAY

__all__ = ["Volumes"]

Array = npt.NDArray[np.float64]


class Volumes:
    """A strip of cells that grow from both ends on.

    Args:
        ions: (z, D, c0), that of the metal first.
        length: m.
        eaten: (ion, flux out of the liquid at the foil as a function of its concentration there).
    """

    def __init__(
        self, ions: Sequence[tuple[int, float, float]], length: float, n: int = 160,
        eaten: tuple[int, Callable[[float], float]] | None = None,
    ):
        self.z, self.D, self.c0 = np.array(ions, dtype=float).T[:, :, None]
        s = np.linspace(-1.0, 1.0, n + 1)
        self.x = 0.5 * length * (1 + np.tanh(2.0 * s) / np.tanh(2.0))
        self.h = np.diff(self.x)
        self.between = 0.5 * (self.h[1:] + self.h[:-1])
        self.eaten = eaten

    def drive(self, c: Array, i: float) -> tuple[Array, Array, Array]:
        """Concentrations, slopes and field e (1/m) at inner faces."""
        slope = np.diff(c, axis=1) / self.between
        w = self.h[:-1] / (2 * self.between)
        face = c[:, :-1] * (1 - w) + c[:, 1:] * w
        e = -(-i / FARADAY + (self.z * self.D * slope).sum(0)) / (self.z**2 * self.D * face).sum(0)
        return face, slope, e

    def fluxes(self, i: float, foil: bool, here: Array) -> Array:
        """N of all ions through the wall of the foil, or of the counter electrode, mol/(m2 s)."""
        N = np.zeros(len(here))
        if foil and self.eaten is not None:
            k, law = self.eaten
            N[k] = -law(here[k])
        N[0] = (-i / FARADAY - (self.z[1:, 0] * N[1:]).sum()) / self.z[0, 0]
        return N

    def end(self, c: Array, i: float, foil: bool) -> tuple[Array, float]:
        """Concentrations at a wall, half a cell from the last volume, and e there, 1/m."""
        z, D, at = self.z[:, 0], self.D[:, 0], 0 if foil else -1
        step, here = 0.5 * self.h[at] * (-1.0 if foil else 1.0), c[:, at]
        for _ in range(40):
            N = self.fluxes(i, foil, here)
            e = -(z * N / D).sum() / (z**2 * here).sum()
            here = 0.5 * (here + c[:, at] + step * (-N / D - z * here * e))
        return here, float(e)

    def change(self, c: Array, i: float) -> Array:
        """dc/dt of every cell."""
        face, slope, e = self.drive(c, i)
        N = np.zeros((len(c), len(self.h) + 1))
        N[:, 1:-1] = -self.D * (slope + self.z * face * e)
        for at, foil in ((0, True), (-1, False)):
            N[:, at] = self.fluxes(i, foil, self.end(c, i, foil)[0])
        return -np.diff(N, axis=1) / self.h

    def run(
        self, steps: Sequence[tuple[float, float, Array]]
    ) -> tuple[Array, Array, Array, Array]:
        """Ions at the foil and at the counter electrode, least and most, and the rise of w_M, RT/F.

        Args:
            steps: (i, duration, times since the step began, the last one at its end); i > 0 plates.
        """
        k, n = len(self.z), len(self.h)
        near = diags_array([np.ones(n - 1), np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1])
        pattern = kron(np.ones((k, k)), near)
        c, out = np.broadcast_to(self.c0, (k, n)).copy(), []
        for i, lasts, times in steps:
            found = solve_ivp(
                lambda t, y, i=i: self.change(y.reshape(k, n), i).ravel(), (0.0, lasts), c.ravel(),
                "BDF", np.minimum(times, lasts), rtol=1e-6, atol=1e-6 * self.c0.min(),
                jac_sparsity=pattern,
            )  # fmt: skip
            assert found.success, found.message
            out += [self._seen(y.reshape(k, n), i) for y in found.y.T]
            c = found.y[:, -1].reshape(k, n)
        foil, counter, both, rise = (np.array(part) for part in zip(*out, strict=True))
        return foil, counter, both, rise

    def _seen(self, c: Array, i: float) -> tuple[Array, Array, tuple[float, float], float]:
        rise = float((self.drive(c, i)[2] * self.between).sum())
        foil, counter = self.end(c, i, True), self.end(c, i, False)
        rise += 0.5 * (self.h[0] * foil[1] + self.h[-1] * counter[1])
        metal = *c[0], foil[0][0], counter[0][0]
        rise += math.log(counter[0][0] / foil[0][0]) / self.z[0, 0]
        return foil[0], counter[0], (min(metal), max(metal)), rise
