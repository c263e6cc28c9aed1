"""Family `array`: a cell of a regular array of fibres or spheres, the reference of the tests.

The current runs along the thickness. With insulating fibres its effective conductivity is known to
five digits (Rayleigh; Perrins, McKenzie and McPhedran, Proc. R. Soc. A 369 (1979) 207), with few
insulating spheres it is Maxwell's 2 e/(3 - e) at porosity e. The mesh follows the wall.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from geometries.meshing.mesh import MAX_CELLS, Built, Floats, Ints, assemble
from geometries.meshing.parameters import Length, Names, Parameters


class Array(Parameters):
    """Parameters of a square cell with a fibre in its middle, or a cube with a sphere.

    In 3D symmetry leaves an eighth of the cube, of side pitch/2, with the centre of the sphere in
    its lowest corner; bottom and top are planes of equal potential.

    Attributes:
        dimension: 2 (fibres) or 3 (spheres).
        pitch: side of the square or the cube.
        solid_fraction: share of the solid, 0.01 to 0.75 (fibres touch at 0.785), 0.5 in 3D
            (spheres touch at 0.524).
        cells_per_radius: cells along the radius at the wall, 4 to 200.
        rows: squares along the thickness, 1 to 50; 1 in 3D.
    """

    dimension: Literal[2, 3] = 2
    pitch: Length
    solid_fraction: Annotated[float, Field(ge=0.01, le=0.75)]
    cells_per_radius: Annotated[int, Field(ge=4, le=200)] = 20
    rows: Annotated[int, Field(ge=1, le=50)] = 1

    def _faults(self) -> list[str]:
        wrong = []
        if self.dimension == 3 and self.solid_fraction > 0.5:
            wrong.append(f"solid_fraction: {self.solid_fraction:g}: at most 0.5 for spheres")
        if self.dimension == 3 and self.rows > 1:
            wrong.append(f"rows: {self.rows}: only for dimension = 2")
        count = self.about()
        if count > MAX_CELLS:
            wrong.append(f"cells_per_radius: {self.cells_per_radius}: about {count:.2g} cells, "
                         f"{MAX_CELLS:.2g} allowed; take fewer")
        return wrong

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        return Names(("electrolyte", "host_sphere" if self.dimension == 3 else "host_fibre"),
                     floor=("electrolyte",))

    def about(self) -> float:
        """About how many cells there will be."""
        k = self.cells_per_radius
        if self.dimension == 2:
            side = 0.5 * math.sqrt(math.pi / self.solid_fraction)  # half of it, in radii
            return self.rows * 4 * math.pi * k**2 * max(3 * side - 2, math.sqrt(2) * side)
        side = (math.pi / 6 / self.solid_fraction) ** (1 / 3)
        return 18 * (math.pi * k / 4) ** 2 * math.sqrt(3) * side * k


def build(p: Array) -> Built:
    """The tagged mesh, regions `electrolyte` and `host_fibre` or `host_sphere`.

    Polygon and polyhedron have the area of the disc and the volume of the sphere.
    """
    if p.dimension == 3:
        points, cells, solid = _eighth(p)
        mesh = assemble(points, cells, np.where(solid, "host_sphere", "electrolyte"))
        return Built(mesh, (0.0, p.pitch / 2), [("sphere", 0.0, p.pitch / 2)])
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


def _eighth(p: Array) -> tuple[Floats, Ints, np.ndarray]:
    """Rays from the sphere's centre to the three far faces of the cube, cut by shells."""
    side, inner = p.pitch / 2, p.cells_per_radius
    n = math.ceil(math.pi * inner / 4)  # cells around an eighth of a circle
    u, v = np.meshgrid(*2 * [np.tan(np.linspace(0, math.pi / 4, n + 1))], indexing="ij")
    one = np.ones_like(u)
    faces = np.stack([np.stack(f, axis=-1) for f in ((one, u, v), (v, one, u), (u, v, one))])
    c = np.arange(faces[..., 0].size).reshape(faces.shape[:-1])
    corners = [c[:, :-1, :-1], c[:, 1:, :-1], c[:, 1:, 1:], c[:, :-1, 1:]]
    triangles = np.concatenate([
        np.stack([corners[i].ravel() for i in three], axis=1) for three in ((0, 1, 2), (0, 2, 3))
    ])
    _, first, merged = np.unique(
        faces.reshape(-1, 3).round(9), axis=0, return_index=True, return_inverse=True
    )
    cube = faces.reshape(-1, 3)[first]
    triangles = np.sort(merged.ravel()[triangles], axis=1)  # so that neighbours cut alike
    ball = cube / np.linalg.norm(cube, axis=1, keepdims=True)
    # The radius that gives the polyhedron the volume of the sphere.
    unit = np.abs(np.linalg.det(ball[triangles])).sum() / 6
    radius = side * (p.solid_fraction / unit) ** (1 / 3)
    outer = math.ceil(inner * (side * math.sqrt(3) - radius) / radius)
    shells = [ball * radius * k / inner for k in range(1, inner + 1)]
    shells += [(1 - k / outer) * ball * radius + k / outer * cube * side
               for k in range(1, outer + 1)]
    points = np.concatenate([np.zeros((1, 3)), *shells])
    a, b, c = 1 + triangles.T
    cells = [np.column_stack([np.zeros_like(a), a, b, c])]
    for k in range(inner + outer - 1):
        (a0, b0, c0), (a1, b1, c1) = (np.array([a, b, c]) + m * len(cube) for m in (k, k + 1))
        for four in ((a0, b0, c0, c1), (a0, b0, b1, c1), (a0, a1, b1, c1)):
            cells.append(np.column_stack(four))
    solid = np.concatenate([np.full(len(f), k < 3 * inner - 2) for k, f in enumerate(cells)])
    return points, np.concatenate(cells).astype(np.int64), solid
