"""The cross-section of a charged channel, its table, and the command that writes it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fem.physics.charged.channel import Channel
from fem.physics.charged.shift import Shift, laws

R5, R50 = 5e-9, 50e-9
#: Radius, wall charge, c: g_plus, g_minus, t_plus of cylinders at eps_r 78.5, D_plus/D_minus = 2/3
#: (computed without this code); None is not printed there.
CYLINDERS = {
    (R5, -0.01, 1000.0): (1.021667, 0.980210, 0.40998),
    (R5, -0.01, 100.0): (1.241278, 0.826707, 0.50025),
    (R5, -0.01, 10.0): (4.393866, 0.248158, 0.92190),
    (R5, -0.05, 100.0): (2.627247, 0.554393, 0.75958),
    (R50, -0.01, 1.0): (4.621797, 0.476089, 0.86617),
}


@pytest.mark.parametrize("key", CYLINDERS)
def test_cylinder(key: tuple[float, float, float]) -> None:
    size, charge, c = key
    ((plus, minus),) = Channel(size, charge, 78.5).means([c])
    y, mean = 0.5 * math.log(plus / minus), 0.5 * math.log(plus * minus)
    shift = Shift(lambda c: y, lambda c: mean)
    share = laws(shift, lambda c, T: 1e-9, lambda c, T: 0.4, 1)["t_plus"](c, 298.15)
    found = plus, minus, share
    print(key, np.array(found) / CYLINDERS[key] - 1)
    assert found == pytest.approx(CYLINDERS[key], rel=1e-5)
