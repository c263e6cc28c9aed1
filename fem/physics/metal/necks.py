r"""Height of xi at which a neck parts, from the metal that lies in no contour.

A current counts all metal, a sharp interface what lies within its contour. With metal outside,
fronts are beyond the sharp ones by p lambda, and when the sharp fronts of a neck meet, xi on its
axis is 1/(1 + exp(p)), whatever its cross-section (`docs/decisions.md`, 208):

    p lambda A = integral of xi - [xi > 1/2]  -  lambda times that of G n.N over conducting walls

    G = ln(1 + exp(-|psi|)),   psi = ln(xi/(1 - xi)),   n into the metal, N into the wall

Where |grad psi| is 1/lambda, as in a front at rest, xi - [xi > 1/2] = dG/dpsi is lambda n.grad G.
So by parts p lambda A is lambda times the integral of G K, that is (pi^2/6) lambda^2 K of every
front (a round head holds more than its contour says), and what necks have left, where psi is flat.
The term of the walls takes out films: what their profile lacks lies behind the wall. A is the
surface without necks, twice the half of each front within its contour, and what lies behind walls:

    A = 2 times the integral of xi (1 - xi)/lambda over xi > 1/2  +  that of min(xi, 1 - xi) n.N

If a neck with a share f of the surface, and lambda ln(1 + exp(-p)) a side, is all that is outside,

    (1 - f) p = f ln(1 + exp(-p)):   heights of 1/2, 0.44, 0.38 for f = 0, 0.3, 1/2

No neck parts above 0.49, just below 1/2 at which fronts meet and metal joins, nor below the last of
these.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fem.compat import MPI
from fem.physics.metal.profile import distance, profile

__all__ = [
    "CONTACT_SLACK", "GHOST_HEIGHT", "MAX_PART_HEIGHT", "MIN_PART_HEIGHT", "TOUCH_HEIGHT",
    "part_height",
]

#: Height at which fronts meet, and the accuracy with which parting and joining are found.
TOUCH_HEIGHT, CONTACT_SLACK = 0.5, 0.005
#: Least height at which a neck parts, exp(p) is the golden ratio; and the largest: what has just
#: joined stays so.
MIN_PART_HEIGHT, MAX_PART_HEIGHT = 2.0 / (3.0 + math.sqrt(5.0)), TOUCH_HEIGHT - 2.0 * CONTACT_SLACK
#: Height of the contour from which ghosts are measured while no neck has parted (`remains`).
GHOST_HEIGHT = 0.4
#: Half the width over which a contour is drawn out, in lambda: cells are lambda/2 wide.
CONTOUR_WIDTH = 0.25
#: Least xi and 1 - xi that tell where a front is.
TAIL_XI = 1e-6

Array = npt.NDArray[np.float64]


def part_height(comm: MPI.Comm, xi: Array, volume: Array, facing: Array, width: float) -> float:
    """Height of xi at which necks part (collective).

    Args:
        comm: the ranks.
        xi: of the metal that moves, at owned nodes.
        volume: of the nodes, m3 (2D: m2).
        facing: n.N dS at the nodes, of walls that conduct, m2 (2D: m).
        width: lambda, m.
    """
    xi = np.clip(xi, 0.0, 1.0)
    within = np.clip(0.5 + 0.5 * distance(xi, TAIL_XI) / CONTOUR_WIDTH, 0.0, 1.0)
    tail = np.minimum(xi, 1.0 - xi)
    outside = volume @ (xi - within) + width * facing @ np.log1p(-tail)
    half = volume @ (xi * (1.0 - xi) * within)
    outside, area = comm.allreduce(np.array([outside, 2.0 * half + width * facing @ tail]))
    if area <= 0.0:  # nothing but necks, if anything
        return MIN_PART_HEIGHT
    return float(np.clip(profile(-outside / area), MIN_PART_HEIGHT, MAX_PART_HEIGHT))
