"""The sharp-interface answer against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .sharp import Sharp


def _discs(x: Any) -> Any:
    """Radius 1.5 around the origin and around (4, 0)."""
    return 1.5 - np.minimum(np.hypot(x[0], x[1]), np.hypot(x[0] - 4, x[1]))


def test_discs_grow_until_they_meet() -> None:
    """Quarter and half of a disc beside a mirror plane; they are 1 apart."""
    found = Sharp.of(_discs, (0, 0), (8, 4), 0.02)
    assert found.contact((0, 0), (4, 0)) == pytest.approx(0.5, abs=0.011)  # half a cell
    for s in (-0.5, 0.0, 0.4):
        area = np.pi * (1.5 + s) ** 2 / 4
        assert found.volume(s, found.piece((0, 0), s)) == pytest.approx(area, rel=1e-3)
        assert found.volume(s) == pytest.approx(3 * area, rel=1e-3)
    assert found.way(3 * np.pi * 1.2**2 / 4) == pytest.approx(-0.3, abs=1e-3)


@pytest.mark.parametrize("axisymmetric", [False, True])
def test_a_bar_parts_in_its_neck(axisymmetric: bool) -> None:
    """Half-width .4 between blocks of 1: cut after .4, each block then measures .6 by 1.6."""
    def bar(x: Any) -> Any:
        return np.maximum(0.4 - x[0], np.minimum(np.abs(x[1] - 3) - 1, 1 - x[0]))

    found = Sharp.of(bar, (0, 0), (2, 6), 0.01, axisymmetric=axisymmetric)
    way = found.contact((0, 0), (0, 6))
    assert way == pytest.approx(-0.4, abs=0.006)
    top = found.volume(-0.4, found.piece((0, 6), -0.41))
    cusp = 0.16 - np.pi * 0.04  # metal between the arc around the corner and the head's face
    if axisymmetric:
        cusp = 2 * np.pi * (0.4 * 0.4 * 0.2 - np.pi * 0.04 * (0.4 - 4 * 0.4 / (3 * np.pi)))
    assert top == pytest.approx((0.6 * 1.6, np.pi * 0.36 * 1.6)[axisymmetric] + cusp, rel=2e-3)


def test_a_ball_in_three_dimensions() -> None:
    found = Sharp.of(lambda x: 1.0 - np.sqrt((x**2).sum(axis=0)), (0, 0, 0), (1.5,) * 3, 0.05)
    for s in (-0.4, 0.3):
        assert found.volume(s) == pytest.approx(np.pi * (1 + s) ** 3 / 6, rel=0.01)
    half = found.anew(found.points[0] < 0.5)
    assert half.volume(0.25) == pytest.approx(0.75 * 1.5**2, rel=1e-9)
