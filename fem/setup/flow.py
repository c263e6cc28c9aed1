"""Given flow of a liquid: it makes no liquid, and passes no wall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import ufl
from ufl.algorithms import expand_derivatives, expand_indices
from ufl.classes import Zero

from fem.base.errors import CaseError
from fem.compat import MPI, cell_vertices, dfem
from fem.forms import compiled
from fem.mesh.domain import Domain
from fem.mesh.spaces import space_on
from fem.values.units import shown_point

__all__ = ["require_incompressible"]

#: Divergence over the mean slope of the velocity, and flow through walls over its mean, that count
#: as rounding.
ROUNDING = 1e-6


def require_incompressible(
    domain: Domain, u: Any, regions: Sequence[str], shut: Sequence[str]
) -> None:
    """Check a velocity (collective).

    Args:
        domain: the mesh.
        u: velocity, m/s (UFL, a vector).
        regions: with liquid.
        shut: boundaries that no liquid passes.

    Raises:
        CaseError: it has a divergence, or goes through walls; where.
    """
    def total(form: Any) -> float:
        zero = isinstance(form, int) or form.empty()
        value = 0.0 if zero else dfem.assemble_scalar(compiled(form))
        return float(domain.comm.allreduce(value, op=MPI.SUM))

    dx, one = domain.dx(regions, 4), dfem.Constant(domain.mesh, 1.0)
    slope, size = ufl.grad(u), ufl.sqrt(ufl.inner(u, u))
    made = ufl.div(u)
    if domain.axisymmetric:
        made += u[0] / domain.x[0]
    made = expand_indices(expand_derivatives(made))
    volume = total(one * dx)
    mean = total(ufl.sqrt(ufl.inner(slope, slope)) * dx) / volume
    if not isinstance(made, Zero):
        _require_no_source(domain, made, dx, mean)
    speed = total(size * dx) / volume
    n_out = ufl.FacetNormal(domain.mesh)
    walls = [w for w in domain.walls if w[1] in regions and w[0] not in regions]
    faces = [f for name in shut if name in domain.boundaries
             for f in domain.faces_of(name, regions)]  # fmt: skip
    through = []
    for name, wall in [("/".join(w), [w]) for w in walls]:
        flow = abs(ufl.inner(u, n_out("-")))
        measure = domain.dS(wall)(metadata={"quadrature_degree": 2})
        through.append((name, total(flow * measure), total(one * measure)))
    for face in faces:
        measure = domain.ds([face])(metadata={"quadrature_degree": 2})
        flow = abs(ufl.inner(u, n_out))
        through.append((face[0], total(flow * measure), total(one * measure)))
    for name, flow, area in through:
        if area > 0.0 and flow / area > ROUNDING * speed:
            raise CaseError(
                f"electrolyte_model.velocity: goes through {name!r} with {flow / area:.3g} m/s in "
                f"the mean, which no liquid passes; let it vanish or be tangential there"
            )


def _require_no_source(domain: Domain, made: Any, dx: Any, mean: float) -> None:
    """Find the cell with the largest divergence, and refuse it (collective).

    Args:
        domain: the mesh.
        made: divergence, 1/s (UFL).
        dx: measure.
        mean: mean slope of the velocity, 1/s.

    Raises:
        CaseError: it is more than rounding.
    """
    v = ufl.TestFunction(space_on(domain.mesh, ("DG", 0)))
    one = dfem.Constant(domain.mesh, 1.0)
    sums, volumes = (dfem.assemble_vector(compiled(f * v * dx)).array for f in (abs(made), one))
    each = sums / np.where(volumes > 0.0, volumes, 1.0)
    n = domain.mesh.topology.index_map(domain.dim).size_local
    k = int(np.argmax(each[:n])) if n else -1
    mine: tuple[float, list[float]] = (-math.inf, [])
    if k >= 0:
        corners = domain.mesh.geometry.x[cell_vertices(domain.mesh)[k]]
        mine = float(each[k]), corners.mean(axis=0).tolist()[: domain.dim]
    worst, place = max(domain.comm.allgather(mine))
    if worst > ROUNDING * mean:
        raise CaseError(
            f"electrolyte_model.velocity: is not free of divergence: {worst:.3g} 1/s at "
            f"{shown_point(place)}, its mean slope is {mean:.3g} 1/s; liquid would be made there: "
            "give components whose d(u_x)/dx + d(u_y)/dy is 0"
        )
