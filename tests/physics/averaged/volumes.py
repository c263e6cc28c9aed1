"""A porous electrode in finite volumes, as a second program: no salt, Butler-Volmer, Bruggeman."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_banded

from fem.base.constants import FARADAY
from tests.physics.averaged.columns import RT_F, V_M

Array = npt.NDArray[np.float64]


def overpotential(
    eps: Array, L: float, current: float, area: float, i0: float, sigma: float, start: Array,
    drawn: float = 0.0,
) -> Array:
    """Eta of every cell, from the collector up, V; kappa = eps^1.5 S/m, mean of cells at faces.

    `drawn`, ohm m: what salt that is drawn along adds to 1/kappa.
    """
    n, eta = len(eps), start.copy()
    kappa = eps**1.5 / (1.0 + drawn)
    across = L / n * (1.0 / (0.5 * (kappa[1:] + kappa[:-1])) + 1.0 / sigma)
    for _ in range(50):
        made = L / n * area * 2.0 * i0 * np.sinh(0.5 * eta / RT_F)
        slope = L / n * area * i0 / RT_F * np.cosh(0.5 * eta / RT_F)
        drop = np.diff(eta) + current * L / n / -sigma
        flow = np.concatenate([[0.0], drop / across, [-current]])
        residual = np.diff(flow) - made
        bands = np.zeros((3, n))
        bands[0, 1:] = bands[2, :-1] = 1.0 / across
        bands[1] = -slope
        bands[1, :-1] -= 1.0 / across
        bands[1, 1:] -= 1.0 / across
        step = solve_banded((1, 1), bands, residual)
        eta -= step
        if np.abs(step).max() < 1e-15:
            break
    return eta


def fill(
    n: int, *, L: float, eps0: float, current: float, area: float, i0: float, sigma: float,
    hours: float, drawn: float = 0.0, steps: int = 60,
) -> tuple[Array, Array]:
    """Pore fraction and eta of every cell after some hours, by Runge and Kutta's fourth order."""
    eps, eta = np.full(n, eps0), np.full(n, -1e-4)
    dt = hours * 3600.0 / steps

    def rate(state: Array) -> Array:
        eta[:] = overpotential(state, L, current, area, i0, sigma, eta, drawn)
        return area * V_M / FARADAY * 2.0 * i0 * np.sinh(0.5 * eta / RT_F)

    for _ in range(steps):
        a = rate(eps)
        b = rate(eps + 0.5 * dt * a)
        c = rate(eps + 0.5 * dt * b)
        d = rate(eps + dt * c)
        eps = eps + dt / 6 * (a + 2 * b + 2 * c + d)
    rate(eps)
    return eps, eta
