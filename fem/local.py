r"""Reactions lumped at nodes: kinetics evaluated once a node, not once a corner of each cell.

A `NodalReaction` sits on nodes where phi_s and phi_l (or one of them and a ground) meet. Its
current enters the rows of several unknowns with a sign each, and couples only what shares a node:

    I_k = A_k i_n(eta_k, c_k),   eta_k = phi_s - phi_l + shift_k

`LocalTerms` brings these currents into residual and matrix of a `fem.solve.Stage`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .compat import MPI, PETSc, dfem, owned_size
from .system import System

__all__ = ["LocalTerms", "NodalReaction"]

Array = npt.NDArray[np.float64]

#: V; half the distance of the two currents from which a slope is taken.
PROBE = 1e-7


@dataclass
class NodalReaction:
    """A reaction at nodes.

    Attributes:
        system: whose unknowns it reads.
        name: for messages and measurements.
        law: (eta, c) -> i_n, arrays over the nodes, A/m2.
        nodes: unknown -> local degree of freedom of every node it sits on. Without `phi_s` the
            electron side is at ground; with `driven` it is at the cell voltage.
        rows: unknown -> sign with which the current enters its row.
        area: of every node, m2 (2D: m); may change from step to step.
        shift: added to eta, V; may change from step to step.
        drives: its current flows through the collector.
    """

    system: System
    name: str
    law: Callable[[Array, Array], Array]
    nodes: Mapping[str, npt.NDArray[np.int32]]
    rows: Mapping[str, float]
    area: Array
    shift: Array | float = 0.0
    drives: bool = True
    _c: Any = field(default=None, repr=False)

    def _at(self, name: str) -> Array:
        values: Array = self.system.unknowns[name].value.x.array[self.nodes[name]]
        return values

    def overpotential(self) -> Array:
        """Phi_s - phi_l + shift, V."""
        eta = self.shift - self._at("phi_l")
        if "phi_s" in self.nodes:
            voltage = self.system.voltage.x.array
            eta = eta + self._at("phi_s") + (voltage[0] if len(voltage) else 0.0)
        return np.asarray(eta)

    def concentration(self) -> Array:
        """Salt at the nodes, mol/m3."""
        seen = self.system["c_seen"]
        if "c" in self.nodes:
            return np.asarray(seen.x.array[self.nodes["c"]])
        return np.full(len(self.area), float(seen))

    def density(self) -> Array:
        """i_n, A/m2."""
        return self.law(self.overpotential(), self.concentration())

    def current(self) -> Array:
        """A at every node, sign of i_n."""
        return self.area * self.density()

    def slope(self) -> Array:
        """Derivative of the current by eta, A/V."""
        eta, c = self.overpotential(), self.concentration()
        rise = self.law(eta + PROBE, c) - self.law(eta - PROBE, c)
        return self.area * rise / (2 * PROBE)

    def total(self) -> float:
        """All its current, A (collective)."""
        return self.system.domain.comm.allreduce(float(self.current().sum()), op=MPI.SUM)


class LocalTerms:
    """The nodal reactions that enter the rows of a stage.

    Args:
        system: has the reactions.
        names: unknowns of the stage.
    """

    def __init__(self, system: System, names: Sequence[str]):
        self.system, self.names = system, list(names)
        self.terms = [t for t in system.reactions if {*t.rows} & {*names}]
        self.work = {n: dfem.Function(system.unknowns[n].space) for n in names}
        self.free = {}
        for name in names:
            free = np.ones(len(self.work[name].x.array))
            free[system.unknowns[name].fixed_dofs()] = 0.0
            self.free[name] = free
        pairs = {
            (row, column)
            for t in self.terms for row in t.rows for column in ("phi_s", "phi_l")
            if row in names and column in names and row != column and column in t.nodes
        }  # fmt: skip
        self.pairs = sorted(pairs)

    def terms_in(self, names: Sequence[str]) -> bool:
        """A current changes with one of these unknowns."""
        return any({"phi_s", "phi_l"} & {*t.nodes} & {*names} for t in self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def _sum(self, name: str, parts: list[tuple[npt.NDArray[np.int32], Array]]) -> Array:
        """Owned sums of contributions to degrees of freedom, other ranks' included."""
        work = self.work[name]
        work.x.array[:] = 0.0
        for dofs, values in parts:
            np.add.at(work.x.array, dofs, values)
        work.x.petsc_vec.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        return work.x.array[: owned_size(work.function_space)].copy()

    def residual(self) -> dict[str, Array]:
        """What the reactions add to each row, A, at owned nodes."""
        parts: dict[str, list[Any]] = {name: [] for name in self.names}
        for t in self.terms:
            current = t.current()
            for row, sign in t.rows.items():
                if row in parts:
                    parts[row].append((t.nodes[row], sign * current))
        return {name: self._sum(name, found) for name, found in parts.items()}

    def linearise(self) -> None:
        """Take the slopes at the present state."""
        self.slopes = [t.slope() for t in self.terms]

    def diagonal(self, name: str) -> Array:
        """What the reactions add to the diagonal of an unknown's own block, A/V."""
        sign_of = {"phi_s": 1.0, "phi_l": -1.0}
        parts = [
            (t.nodes[name], t.rows[name] * sign_of[name] * slope * self.free[name][t.nodes[name]])
            for t, slope in zip(self.terms, self.slopes, strict=True)
            if name in t.rows and name in sign_of and name in t.nodes
        ]
        return self._sum(name, parts)

    def coupling(self, row: str, column: str) -> Any:
        """A matrix that can hold the coupling of two unknowns at their shared nodes."""
        s = self.system
        maps = [s.unknowns[n].space.dofmap.index_map for n in (row, column)]
        sizes = [(m.size_local, m.size_global) for m in maps]
        comm: Any = s.domain.comm
        matrix: Any = PETSc.Mat().createAIJ(sizes, comm=comm)
        places = [
            [m.local_to_global(t.nodes[n]).astype(np.int32) for n, m in zip(
                (row, column), maps, strict=True)]
            for t in self._of(row, column)
        ]
        rows, columns = (np.concatenate([p[k] for p in places]) for k in (0, 1))
        matrix.setPreallocationCOO(rows, columns)
        matrix.setValuesCOO(np.zeros(len(rows)), addv=PETSc.InsertMode.INSERT_VALUES)
        return matrix

    def _of(self, row: str, column: str) -> list[NodalReaction]:
        return [t for t in self.terms if row in t.rows and column in t.nodes]

    def couple(self, row: str, column: str, matrix: Any) -> None:
        """Set the coupling of two unknowns from the last `linearise`."""
        sign = 1.0 if column == "phi_s" else -1.0
        values = [
            sign * t.rows[row] * slope
            * self.free[row][t.nodes[row]] * self.free[column][t.nodes[column]]
            for t, slope in zip(self.terms, self.slopes, strict=True)
            if row in t.rows and column in t.nodes
        ]  # fmt: skip
        matrix.setValuesCOO(np.concatenate(values), addv=PETSc.InsertMode.INSERT_VALUES)

    # -- the cell voltage and the cell current -------------------------------------------------

    def border(self) -> dict[str, Array]:
        """Derivative of each row by the cell voltage, A/V."""
        parts: dict[str, list[Any]] = {name: [] for name in self.names}
        for t, slope in zip(self.terms, self.slopes, strict=True):
            for row, sign in t.rows.items():
                if row in parts and "phi_s" in t.nodes:
                    parts[row].append((t.nodes[row], sign * slope))
        return {name: self._sum(name, found) for name, found in parts.items()}

    def gradient(self) -> dict[str, Array]:
        """Derivative of the cell current by each unknown, A/V."""
        parts: dict[str, list[Any]] = {name: [] for name in self.names}
        for t, slope in zip(self.terms, self.slopes, strict=True):
            for name, sign in (("phi_s", 1.0), ("phi_l", -1.0)):
                if t.drives and name in t.nodes and name in parts:
                    parts[name].append((t.nodes[name], sign * slope))
        return {name: self._sum(name, found) for name, found in parts.items()}

    def current(self) -> float:
        """The cell current of the reactions, A, on this rank."""
        return float(sum(t.current().sum() for t in self.terms if t.drives))

    def voltage_slope(self) -> float:
        """Its derivative by the cell voltage, A/V, on this rank."""
        return float(sum(
            slope.sum() for t, slope in zip(self.terms, self.slopes, strict=True)
            if t.drives and "phi_s" in t.nodes
        ))  # fmt: skip
