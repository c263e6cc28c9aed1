"""Height at which necks part, of profiles for which it is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from fem.compat import MPI
from fem.physics.metal.necks import MAX_PART_HEIGHT, MIN_PART_HEIGHT, part_height
from fem.physics.metal.profile import distance, profile

SPACING = 0.05  # of the nodes, in lambda; far below that of a mesh, so that profiles are exact

Array = npt.NDArray[np.float64]


def height(*parts: tuple[Array, Array], wall: float = 0.0) -> float:
    """Height for nodes (xi, volume); the first one lies on a wall that faces its front so much."""
    xi, volume = np.concatenate(parts, axis=1)
    facing = np.zeros(len(xi))
    facing[0] = wall
    return part_height(MPI.COMM_SELF, xi, volume, facing, 1.0)


def line(psi: Callable[[Array], Array], length: float, share: float = 1.0) -> tuple[Array, Array]:
    """Profile psi(x) along x from 0 on, of a front with so much surface."""
    x = np.arange(0.0, length, SPACING)
    volume = np.full(len(x), share * SPACING)
    volume[0] *= 0.5
    return profile(psi(x)), volume


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.45])
def test_a_neck_parts_when_the_fronts_have_gone_as_far_as_its_rest_is(share: float) -> None:
    """A share f of the surface with ln(1 + exp(-p)) a side: (1 - f) p = f ln(1 + exp(-p))."""
    p = distance(height_of(share), 1e-6) * -1.0
    front = line(lambda x: 20.0 - x, 40.0, 1.0 - share)
    neck = line(lambda x: -p - x, 40.0, share)
    assert height(front, neck) == pytest.approx(min(height_of(share), MAX_PART_HEIGHT), abs=2e-3)


def height_of(share: float) -> float:
    """Height of a neck with a share of the surface, by bisection."""
    low, high = 0.0, 5.0
    while high - low > 1e-9:
        p = 0.5 * (low + high)
        low, high = (p, high) if (1 - share) * p < share * math.log1p(math.exp(-p)) else (low, p)
    return float(profile(-low))


def test_the_least_height_is_that_of_a_neck_with_half_of_the_surface() -> None:
    assert height_of(0.5) == pytest.approx(MIN_PART_HEIGHT, abs=1e-6)
    long = line(lambda x: -1.0 - x, 40.0)  # nothing but neck
    assert height(long) == MIN_PART_HEIGHT


@pytest.mark.parametrize("thickness", [-1.0, -0.3, 0.0, 0.3, 1.0, 3.0])
def test_a_film_on_a_wall_says_nothing_of_necks(thickness: float) -> None:
    """Its profile begins behind the wall, however thin it is; the wall is what tells it apart."""
    film = line(lambda x: thickness - x, 40.0)
    assert height(film, wall=1.0) == pytest.approx(MAX_PART_HEIGHT, abs=5e-3)
    if abs(thickness) < 1.0:
        assert height(film) < 0.45


@pytest.mark.parametrize("radius", [8.0, 16.0])
def test_a_round_front_holds_more_than_its_contour(radius: float) -> None:
    """A rod: pi^3/3 lambda^2 more; its surface within is that at R - 2 ln 2 lambda."""
    xi, volume = line(lambda r: radius - r, radius + 30.0)
    r = np.arange(len(xi)) * SPACING
    p = np.pi**2 / 6.0 / (radius - 2.0 * math.log(2.0))
    found = height((xi, 2.0 * np.pi * r * volume))
    assert found == pytest.approx(float(profile(-p)), abs=2e-3)


def test_seams_part_nothing_that_has_just_joined() -> None:
    """Pore without a contour: fronts are behind the sharp ones."""
    seam = line(lambda x: 1.0 + x, 40.0)
    assert height(seam) == MAX_PART_HEIGHT
