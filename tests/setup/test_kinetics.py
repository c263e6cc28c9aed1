"""Slopes of the reaction law at walls."""

from __future__ import annotations

import pytest
import ufl

from fem.compat import MPI, dfem, dmesh
from fem.setup import kinetics


@pytest.mark.parametrize("eta", [-1e-9, 0.0, 1e-9])
def test_covered_metal_at_rest_conducts(eta: float) -> None:
    """Slope of a linear law at eta = 0, where plating meets stripping, is that on both sides.

    It was 0 there: all rows of a cell that is exactly at rest lost their walls, and Newton failed.
    """
    mesh = dmesh.create_unit_interval(MPI.COMM_SELF, 1)
    at = ufl.variable(dfem.Constant(mesh, eta))
    current = kinetics.wall(lambda v: 2.0 * v, at, barrier=0.0, theta=1.0)
    slope = dfem.assemble_scalar(dfem.form(ufl.diff(current, at) * ufl.dx(mesh)))
    assert slope == pytest.approx(2.0, rel=1e-14)
