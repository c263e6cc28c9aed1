"""A stage as its linear algebra sees it: what matrices and linear solvers need to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fem.solver.corners import Moment
from fem.solver.options import Options
from fem.system.nodal import LocalTerms
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["Blocks", "Problem"]


class Problem(Protocol):
    """Some unknowns that are solved together (`fem.solver.equations.Equations`).

    Attributes:
        system: which they belong to.
        rows: that are solved. along: fluxes along edges in each (`fem.solver.edges`).
        names: of the unknowns. unknowns: themselves, in the same order.
        options: of the solver.
        drives: the cell voltage is sought with them.
        affine: the smooth part of the rows is affine in the unknowns.
        jacobian: its derivatives, as `fem.solver.stiffness.Block`, None where there is none.
        residuals: the smooth part of the rows, as `fem.solver.stiffness.Vector`, where it is not
            affine. rest: it at zero, where it is.
        border: derivatives by the voltage.
        local: reactions at nodes.
        sizes: owned values of each unknown. total_size: of all, on all ranks.
        fixed: places of each unknown that are held.
        parts: the matrix (`fem.solver.matrices.Assembly`).
    """

    system: System
    rows: tuple[str, ...]
    along: dict[str, list[Any]]
    names: tuple[str, ...]
    unknowns: list[Unknown]
    options: Options
    drives: bool
    affine: bool
    jacobian: list[list[Any]]
    residuals: list[Any]
    rest: list[Any]
    border: list[Any]
    local: LocalTerms
    sizes: list[int]
    total_size: int
    fixed: list[Any]
    parts: Any

    def nodal_or_zero(
        self, forms: Sequence[Any], moment: Moment | None = None
    ) -> list[npt.NDArray[np.float64]]:
        """Owned nodal values of forms, zeros for those that are None (collective)."""


class Blocks(Protocol):
    """A matrix in blocks and what they belong to (`fem.solver.linear.LinearSolver`).

    Attributes:
        stage: the problem.
        operator: the matrix. names, sizes: unknowns that it sees, and how many values each has.
    """

    stage: Problem
    operator: Any
    names: tuple[str, ...]
    sizes: list[int]
