"""Family `array`: one cell of a square array of fibres, the body-fitted reference of the tests.

The current runs along the thickness; with insulating fibres its effective conductivity is known to
five digits (Rayleigh; Perrins, McKenzie and McPhedran, Proc. R. Soc. A 369 (1979) 207).
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from geometries.mesh import Built, Floats, Ints, assemble
from geometries.parameters import Length, Parameters


class Array(Parameters):
    """Parameters of a square cell with a fibre in its middle.

    Attributes:
        pitch: side of the square.
        solid_fraction: share of the fibre, 0.01 to 0.75 (they touch at 0.785).
        cells_per_radius: cells along the radius at the wall, 4 to 200.
        rows: squares along the thickness, 1 to 50.
    """

    pitch: Length
    solid_fraction: Annotated[float, Field(ge=0.01, le=0.75)]
    cells_per_radius: Annotated[int, Field(ge=4, le=200)] = 20
    rows: Annotated[int, Field(ge=1, le=50)] = 1


def build(p: Array) -> Built:
    """The tagged mesh, regions `electrolyte` and `host_fibre`; the polygon has the disc's area."""
    points, cells, solid = _square(p)
    all_points = np.concatenate([points + np.array([0.0, i * p.pitch]) for i in range(p.rows)])
    all_cells = np.concatenate([cells + i * len(points) for i in range(p.rows)])
    rounded = np.round(all_points / p.pitch, 9)
    _, first, merged = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    names = np.where(np.tile(solid, p.rows), "host_fibre", "electrolyte")
    mesh = assemble(all_points[first], merged.ravel()[all_cells], names)
    top = p.rows * p.pitch
    return Built(mesh, (0.0, top), [("fibre", 0.0, top)])


def _square(p: Array) -> tuple[Floats, Ints, np.ndarray]:
    """Rings of quadrilaterals, each cut in two, from the middle over the wall to the square."""
    n = 2 * math.ceil(math.pi * p.cells_per_radius / 4)  # around one quarter, even
    around = 4 * n
    angle = 2 * math.pi * np.arange(around) / around - math.pi / 4
    # The radius that gives the regular polygon the area of the disc.
    radius = p.pitch * math.sqrt(p.solid_fraction / (0.5 * around * math.sin(2 * math.pi / around)))
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    side = np.tan(np.linspace(-math.pi / 4, math.pi / 4, n + 1)[:-1])
    one = np.ones(n)
    square = np.concatenate([np.column_stack(s) for s in (
        (one, side), (-side, one), (-one, -side), (side, -one))]) * p.pitch / 2
    inner = p.cells_per_radius
    gap = p.pitch / 2 - radius
    outer = max(4, math.ceil(p.cells_per_radius * (p.pitch / 2 * math.sqrt(2) - radius) / radius),
                math.ceil(3 * gap / radius * p.cells_per_radius))
    rings = [circle * radius * k / inner for k in range(1, inner + 1)]
    rings += [(1 - k / outer) * circle * radius + k / outer * square for k in range(1, outer + 1)]
    points = np.concatenate([np.zeros((1, 2)), *rings]) + p.pitch / 2
    here = np.arange(around)
    after = np.roll(here, -1)
    cells = [np.column_stack([np.zeros(around, dtype=np.int64), 1 + here, 1 + after])]
    for k in range(inner + outer - 1):
        a, b = 1 + k * around, 1 + (k + 1) * around
        cells.append(np.column_stack([a + here, b + here, b + after]))
        cells.append(np.column_stack([a + here, b + after, a + after]))
    solid = np.concatenate([np.full(len(c), k < 2 * inner - 1) for k, c in enumerate(cells)])
    return points, np.concatenate(cells).astype(np.int64), solid
