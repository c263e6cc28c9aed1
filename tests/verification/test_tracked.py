"""The tracked front against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from tests.verification.cells import RT_F
from tests.verification.fronts import PER_CHARGE, UM
from tests.verification.tracked import EXCHANGE, Tracked

LITHIUM = 0.522  # J/m2


def test_a_ripple_decays_by_its_curvature() -> None:
    """A cosine on a flat front goes by K = a k^2 times i0 F/(RT) gamma (V_m/(zF))^2."""
    x = np.linspace(0.0, 1.0, 201) * UM
    k, height = 2.0 * np.pi / UM, 1e-3 * UM
    front = Tracked(np.stack([x, 5 * UM + height * np.cos(k * x)], 1), 5e-3 * UM, LITHIUM)
    speed, _ = front.speeds(0.0)
    rate = PER_CHARGE**2 * LITHIUM * EXCHANGE / RT_F * k**2
    wanted = -rate * height * np.cos(k * x)
    assert speed[:, 1] == pytest.approx(wanted, rel=1e-3, abs=1e-3 * rate * height)


@pytest.mark.parametrize("axisymmetric", [False, True])
def test_a_tip_goes_ahead_by_its_radius(axisymmetric: bool) -> None:
    """A round tip, its stem and the foil below, almost at rest: K = 1/R, 0, 0; 2/R, 1/R, 0."""
    radius, angle = 0.5 * UM, np.linspace(0.0, 0.5 * np.pi, 101)[:, None]
    tip = radius * np.hstack([np.sin(angle), np.cos(angle)]) + (0.0, 3 * UM)
    stem = [(radius, y * UM) for y in np.linspace(3.0, 1.0, 201)[1:]]
    foil = [(x * UM, 1.0 * UM) for x in np.linspace(0.5, 2.0, 151)[1:]]
    front = Tracked(np.concatenate([tip, stem, foil]), 8e-3 * UM, LITHIUM, axisymmetric)
    speed, _ = front.speeds(1.0)
    one = PER_CHARGE**2 * LITHIUM * EXCHANGE / RT_F / radius
    top, side, low = -speed[50] @ (tip[50] - (0.0, 3 * UM)) / radius, -speed[200, 0], -speed[-9, 1]
    assert top - low == pytest.approx(one * (2 if axisymmetric else 1), rel=2e-3)
    assert side - low == pytest.approx(one if axisymmetric else 0.0, rel=2e-3, abs=1e-3 * one)
