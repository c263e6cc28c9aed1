"""The right relaxation: a test that decides between two prototypes that disagreed.

With the same parameters a prototype with Allen-Cahn relaxation put 91 % of the metal into the
bottom third of a host, one with conservative relaxation 31 % (see docs/growth.md). Relaxation
carries no charge. So it may not change the amount of metal: Faraday's law decides.
"""

from __future__ import annotations

import numpy as np

from tests.verification.fronts import UM, Growth, layer, profile, speed, strip

LAMBDA = 0.5 * UM
M = abs(speed(10.0))  # m/s; the relaxation of a front at 1 mA/cm2


def allen_cahn(xi: np.ndarray, h: float, dt: float, steps: int) -> np.ndarray:
    """dxi/dt = M [lambda xi'' - xi (1 - xi)(1 - 2 xi)/lambda], no flux at the ends, explicit."""
    for _ in range(steps):
        padded = np.concatenate([xi[:1], xi, xi[-1:]])
        bend = np.diff(padded, 2) / h**2
        xi = xi + dt * M * (LAMBDA * bend - xi * (1 - xi) * (1 - 2 * xi) / LAMBDA)
    return xi


def test_a_thin_film_at_rest_keeps_its_metal_only_with_conservative_relaxation():
    """A film of lambda/2 on a wall, no current, for 20 lambda/M: 0.5 um of lithium do not vanish.

    Ours keeps it to round-off; Allen-Cahn dissolves it, without a coulomb through the cell.
    """
    height, h, time = 12 * LAMBDA, 0.25 * LAMBDA, 20 * LAMBDA / M
    growth = Growth(strip(height, h), layer(0.5 * LAMBDA, LAMBDA), width=LAMBDA, scale=1e-6)
    front = growth.s["front"]

    def hold() -> None:
        front.mobility.value = M

    growth.s.preparers.append(hold)  # at rest the front would set it to zero
    growth.rest(voltage=0.0)
    before = growth.volume
    for _ in range(200):
        growth.step(time / 200)
    ours = growth.volume / before

    y = np.arange(0.5 * h, height, h)
    start = profile(y - 0.5 * LAMBDA, LAMBDA)
    dt = 0.2 * h**2 / (M * LAMBDA)
    end = allen_cahn(start, h, dt, round(time / dt))
    theirs = float(end.sum() / start.sum())

    assert abs(ours - 1.0) < 1e-12
    assert theirs < 0.01
    assert growth.bounded


def test_both_keep_a_thick_film():
    """Six lambda of metal: here Allen-Cahn loses nothing either, so thin films alone decide."""
    height, h, time = 12 * LAMBDA, 0.25 * LAMBDA, 20 * LAMBDA / M
    y = np.arange(0.5 * h, height, h)
    start = profile(y - 6 * LAMBDA, LAMBDA)
    dt = 0.2 * h**2 / (M * LAMBDA)
    end = allen_cahn(start, h, dt, round(time / dt))
    assert abs(end.sum() / start.sum() - 1.0) < 1e-2
