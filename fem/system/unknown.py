"""Unknown of a system: a field to solve for, and what solvers and time steps are to know of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import owned_size
from fem.mesh.domain import Subdomain

__all__ = ["DEPLETED_SHARE", "Split", "Unknown"]

#: Share of its start below which an unknown that stays positive counts as used up.
DEPLETED_SHARE = 1e-2


@dataclass(frozen=True)
class Split:
    """Forms that free the salt from the ionic potential (`fem.solver.decoupling`), UFL.

    Attributes:
        potential: name of the ionic one, phi_l.
        row: T, its share of the ionic current, times its test function.
        column: X, how phi_l follows c, V m3/mol, times the test function.
        volume: the test function; nodal values of both are quotients by it.
    """

    potential: str
    row: Any
    column: Any
    volume: Any


@dataclass
class Unknown:
    """One field to solve for, on its own function space.

    Attributes:
        name: as in the physics table, for example `phi_l`.
        part: the submesh it lives on.
        value: current iterate; `old[k]`, k = 0, 1, 2, are the last accepted states, newest first.
        test, trial: UFL arguments of its space.
        shape: () for a number, (2,) for a vector in the plane. degree: 1 or 2, on each cell.
        differential: has a time derivative (enters error control and history).
        scale: size of a typical change, in the field's unit.
        positive: must stay above zero (a concentration).
        potential: only differences count, between neighbours and across reactions; one Newton
            step changes no overpotential by much, and round-off is judged so.
        solver: what suits its block: `multigrid`, `blocks` (incomplete factors of each rank's
            part: storage is strong) or `diagonal`.
        largest_change: that one step may make, in the field's unit.
        largest_move: the same of one Newton iteration.
        meant: owned nodes whose change is not held against a step.
        offset: what its values lack of the quantity of its name, in the field's unit (collective).
        gap: instead of extrapolation in time, what the error of a step is judged by.
        weight: of each owned node in the error; all alike without.
        judged: what the error of a step is judged by instead of its values: as many numbers of the
            iterate and of each of the last three states, in the field's unit; in rows, each of
            which is judged by itself.
        relative: where the field exceeds its scale, an error is compared with the field itself.
        rounded: size whose last bit its row has at any value, in the field's unit: where it is a
            logarithm of what is stored, what multiplies that by e.
        tolerance_share: of the tolerance of a step, what its error may take; less than 1 where
            errors of many steps add up.
        counts: what the residual of its row is multiplied by before it is compared with the cell
            current; above 1 where its balance is compared with less than that.
        nodal: its row couples a node to itself only; an iterative solver eliminates it.
        definite: its row is symmetric and positive definite in it: conjugate gradients take it
            where it is solved for alone.
        rate: how it changes right after a jump, per s, where that is known; the first step foresees
            so, until there are states to go by.
        foresee: of one that stays positive, a first guess made of the extrapolated one, the last
            states, the step and those before it, s (newest first); without, a fifth of the last
            state is the least.
        again: asked of a solution: True if it changed the row, to be solved once more (collective).
        present: marks the owned nodes at which it means something; all of them without.
        capacity: at each owned node, what a change of 1 takes, in ampere seconds; of an unknown
            whose rate after a jump follows from its row.
    """

    name: str
    part: Subdomain
    space: Any
    value: Any
    old: tuple[Any, Any, Any]
    test: Any
    trial: Any
    differential: bool
    scale: float
    positive: bool = False
    potential: bool = False
    solver: str = "multigrid"
    shape: tuple[int, ...] = ()
    degree: int = 1
    largest_change: float = np.inf
    largest_move: float = np.inf
    meant: npt.NDArray[np.bool_] | None = None
    offset: Callable[[], float] | None = None
    gap: Callable[[], float] | None = None
    weight: Callable[[], npt.NDArray[np.float64]] | None = None
    judged: Callable[[], Sequence[npt.NDArray[np.float64]]] | None = None
    relative: bool = False
    rounded: float = 0.0
    tolerance_share: float = 1.0
    counts: float = 1.0
    nodal: bool = False
    definite: bool = False
    rate: npt.NDArray[np.float64] | None = None
    foresee: Callable[..., npt.NDArray[np.float64]] | None = None
    again: Callable[[], bool] | None = None
    present: Callable[[], npt.NDArray[np.bool_]] | None = None
    capacity: npt.NDArray[np.float64] | None = None
    fixed: list[npt.NDArray[np.int32]] = field(default_factory=list)
    groups: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)

    @functools.cached_property
    def owned(self) -> npt.NDArray[np.float64]:
        """View of the owned values; made once, since it is asked for a hundred times a step."""
        return self.value.x.array[: owned_size(self.space)]

    def fixed_dofs(self) -> npt.NDArray[np.int32]:
        """Degrees of freedom (owned and ghost) that keep their value during a solve."""
        if not self.fixed:
            return np.empty(0, dtype=np.int32)
        return np.unique(np.concatenate(self.fixed)).astype(np.int32)

    def fix(
        self, nodes: npt.NDArray[np.int32], value: float, group: str = "",
        component: int | None = None,
    ) -> None:
        """Hold nodes at a value.

        Args:
            nodes: local ones of its space.
            value: theirs.
            group: name by which what flows through them can be read.
            component: of a vector; all of them without one.
        """
        width = self.space.dofmap.index_map_bs
        held = np.arange(width) if component is None else np.array([component])
        dofs = (nodes[:, None] * width + held).ravel().astype(np.int32)
        self.value.x.array[dofs] = value
        self.fixed.append(dofs)
        if group:
            self.groups[group] = dofs
