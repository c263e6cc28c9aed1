r"""Reactions lumped at nodes: what they bring into rows, matrix and cell current of a stage.

Walls and fronts react node by node: what flows at a node depends on the unknowns of that node
only, and enters their rows there. So a reaction is a few numbers a node, never a matrix:

    currents   row -> A at every node;             "cell": what flows through the collector
    slopes     (row, unknown) -> A per unit of it;  "voltage": the cell voltage

A `NodalReaction` evaluates a kinetic law at nodes, `fem.system.facets.WallReaction` integrates one
over walls. `LocalTerms` brings what they find into the equations (`fem.solver.equations`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, PETSc, dfem, owned_size
from fem.system.reach import Reach
from fem.system.system import System

__all__ = [
    "CELL", "VOLTAGE", "LocalTerms", "NodalReaction", "Reaction", "Supply", "imposed_current",
]  # fmt: skip

Array = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.int32]
#: What is added to an overpotential, V: a value, or a function of phi_s - phi_l.
Shift = Array | float | Callable[[Array], Array]

#: Half the distance of the two voltages from which a slope is taken, V.
PROBE = 1e-7
#: Part of the cell voltage (`Reports.spend`) that a shift of the overpotential stands for.
SHIFT_PARTS = {"curvature": "capillary", "barrier": "nucleation"}
#: Names that stand for the cell current beside rows, and for the cell voltage beside unknowns.
CELL, VOLTAGE = "cell", "voltage"


class Reaction(Protocol):
    """Interface of a reaction, as `LocalTerms` needs it.

    Attributes:
        name: for messages and measurements.
        nodes: unknown -> local degree of freedom of every node it sits on, -1 where there is none.
        drives: its current flows through the collector.
        linear: in all its columns.
    """

    name: str
    nodes: Mapping[str, Nodes]
    drives: bool
    linear: bool

    @property
    def rows(self) -> Collection[str]:
        """Unknowns whose balance it enters."""
        ...

    @property
    def columns(self) -> Collection[str]:
        """Unknowns, and `VOLTAGE`, on which it depends."""
        ...

    def currents(self) -> dict[str, Array]:
        """Currents into each row (and `CELL`) at every node, A; of walls this rank's share."""
        ...

    def slopes(self) -> dict[tuple[str, str], Array]:
        """Derivatives of `currents` by each column, at the state of their last call."""
        ...


class Supply(Protocol):
    """Interface of what brings an unknown to reactions.

    Attributes:
        unknown: name of it.
    """

    unknown: str

    def reach(self, reaction: NodalReaction) -> Reach | None:
        """Bounds of a reaction at the present iterate; None where laws stand by themselves."""
        ...


@dataclass
class NodalReaction:
    """A kinetic law evaluated once a node.

        I_k = A_k i_n(eta_k, c_k, T_k),   eta_k = phi_s - phi_l + sum of the shifts_k

    Attributes:
        system: whose unknowns it reads.
        name: for messages and measurements.
        law: (eta, c, T) -> i_n, arrays over the nodes, A/m2; T may be one number.
        nodes: unknown -> local degree of freedom of every node it sits on. Without `phi_s` the
            electron side is at ground. `T` stands among them if its field is followed.
        rows: unknown -> sign with which the current enters its row.
        area: of every node, m2 (2D: m); may change from step to step.
        shifts: cause -> what it adds to eta, V (curvature, a barrier, stress); may change from step
            to step, and is a function of phi_s - phi_l if it follows that within a step.
        drives: its current flows through the collector.
        side_of: surface whose side reaction it is, which makes no metal; empty for any other.
        film: resistance of the film that the law looks through, ohm m2.
        barrier: eta_nuc of foreign walls that the law adds to eta, V; None without.
        supply: of what it plates; None: the law alone.
    """

    system: System
    name: str
    law: Callable[[Array, Array, Array | float], Array]
    nodes: Mapping[str, Nodes]
    rows: Mapping[str, float]
    area: Array
    shifts: dict[str, Shift] = field(default_factory=dict)
    drives: bool = True
    linear: bool = False
    side_of: str = ""
    film: float = 0.0
    barrier: Array | None = None
    supply: Supply | None = None

    def _at(self, name: str) -> Array:
        values: Array = self.system.unknowns[name].value.x.array[self.nodes[name]]
        return values

    def drop(self) -> Array:
        """Phi_s - phi_l, V."""
        drop = -self._at("phi_l")
        if "phi_s" in self.nodes:
            voltage = self.system.voltage.x.array
            drop = drop + self._at("phi_s") + (voltage[0] if len(voltage) else 0.0)
        return np.asarray(drop)

    def _shifts(self, drop: Array) -> dict[str, Array | float]:
        return {k: shift(drop) if callable(shift) else shift for k, shift in self.shifts.items()}

    def shifted(self, drop: Array) -> Array:
        """Eta, V, of phi_s - phi_l."""
        return np.asarray(drop + sum(self._shifts(drop).values()))

    def shifted_by_others(self, cause: str, drop: Array) -> Array:
        """Eta, V, of phi_s - phi_l, without the shift of one cause."""
        others = (v for k, v in self.shifts.items() if k != cause)
        return np.asarray(drop + sum(v(drop) if callable(v) else v for v in others))

    def overpotential(self) -> Array:
        """Phi_s - phi_l + shifts, V."""
        return self.shifted(self.drop())

    def concentration(self) -> Array:
        """Salt at the nodes, mol/m3."""
        lagged = self.system["c_lagged"]
        if "c" in self.nodes:
            return np.asarray(lagged.x.array[self.nodes["c"]])
        return np.full(len(self.area), float(lagged))

    def temperature(self) -> Array | float:
        """T at the nodes, K; that of the case for a reaction that has no nodes of `T`."""
        s = self.system
        if "T" not in self.nodes:
            return float(s.temperature.value)
        return np.asarray(s["T"].x.array[self.nodes["T"]])

    def accepted(self) -> tuple[Array, Array, Array | float]:
        """Phi_s - phi_l + shifts of the last accepted step, V, lagged salt, mol/m3, and T, K."""
        return self.shifted(self.drop_before()), self.concentration(), self.temperature()

    def drop_before(self) -> Array:
        """Phi_s - phi_l of the last accepted step, V."""
        s = self.system
        phi_s, phi_l = (s.unknowns[n].old[0].x.array[self.nodes[n]] for n in ("phi_s", "phi_l"))
        return np.asarray(phi_s - phi_l + s.past_voltages[0])

    def density(self) -> Array:
        """i_n, A/m2."""
        i_n = self.law(self.overpotential(), self.concentration(), self.temperature())
        return self.supplied(i_n)[0]

    def supplied(self, i_n: Array) -> tuple[Array, Any, Any]:
        """I_n of a current of the law, A/m2, and its derivatives by that and by what is supplied.

        At the present iterate, see `fem.system.reach.Reach.of`.
        """
        reach = None if self.supply is None else self.supply.reach(self)
        return (i_n, 1.0, 0.0) if reach is None else reach.of(i_n)

    @property
    def idle(self) -> bool:
        """True without any area on this rank, as for metal that floats where none does."""
        return not self.area.any()

    def current(self) -> Array:
        """A at every node, sign of i_n."""
        return np.zeros(len(self.area)) if self.idle else self.area * self.density()

    def released(self) -> Array:
        """Heat, i_n (phi_s - phi_l) + i_n T dU/dT at every node, W."""
        heat = self.drop() + self.temperature() * float(self.system["dU_dT"].value)
        return self.current() * heat

    def metal(self) -> Array:
        """Current that makes or takes metal at every node, A."""
        return self.current()

    def resistance(self) -> Any:
        """Resistance of the films that the law looks through, ohm m2."""
        return self.film

    @property
    def resists(self) -> bool:
        """The law looks through a film."""
        return bool(self.film)

    @property
    def spends(self) -> tuple[str, ...]:
        """Parts of the cell voltage that `spending` gives."""
        side = "" if self.drives else "_counter"
        parts = ["kinetic_counter" if side else "kinetic_plating"]
        parts += [f"film{side}"] * self.resists + ["nucleation"] * (self.barrier is not None)
        return tuple(dict.fromkeys([*parts, *(SHIFT_PARTS.get(k, "shift") for k in self.shifts)]))

    def spending(self) -> dict[str, float]:
        """Power that the reaction takes up by parts, W, at the nodes of this rank.

        I (phi_s - phi_l) = I eta_ct + I R i_n - min(I, 0) eta_nuc - I (sum of the shifts)
        """
        if self.idle:
            return dict.fromkeys(self.spends, 0.0)
        current, density = self.current(), self.density()
        kinetic, *more = self.spends
        R = self.resistance()
        eta = self.overpotential() - R * density
        out = {kinetic: float(current @ eta)} | dict.fromkeys(more, 0.0)
        if self.resists:
            out["film" if self.drives else "film_counter"] = float((R * current) @ density)
        if self.barrier is not None:  # metal that strips knows none
            held = -float(np.minimum(self.metal(), 0.0) @ self.barrier)
            out["nucleation"] += held
            out[kinetic] -= held
        for cause, shift in self._shifts(self.drop()).items():
            out[SHIFT_PARTS.get(cause, "shift")] -= float((current * shift).sum())
        return out

    def slope(self) -> Array:
        """Derivative of the current by eta, A/V.

        Where plating begins on a bare wall the current has a kink, and what floats comes to rest
        close to it: there the slope is that of the side on which eta is.
        """
        drop, c, T = self.drop(), self.concentration(), self.temperature()

        def law(drop: Array) -> Array:
            return self.law(self.shifted(drop), c, T)

        above, below = law(drop + PROBE), law(drop - PROBE)
        slope = (above - below) / (2 * PROBE)
        kink = (above == 0.0) & (below < 0.0)
        if kink.any():
            here = law(drop)
            slope = np.where(kink, np.where(here < 0.0, (here - below) / PROBE, 0.0), slope)
        if self.supply is not None:
            slope = slope * self.supplied(law(drop))[1]
        return self.area * slope

    def waiting(self) -> float:
        """Conductance that a bare surface would have with metal on it, A/V, on this rank."""
        return 0.0

    def total(self) -> float:
        """All its current, A (collective)."""
        return self.system.domain.comm.allreduce(float(self.current().sum()), op=MPI.SUM)

    @property
    def _signs(self) -> dict[str, float]:
        """Derivative of eta by each potential."""
        signs = {"phi_s": 1.0, VOLTAGE: 1.0} if "phi_s" in self.nodes else {}
        return signs | {"phi_l": -1.0}

    @property
    def columns(self) -> Collection[str]:
        """The potentials, and what is supplied."""
        return self._signs if self.supply is None else [*self._signs, self.supply.unknown]

    def _by_row(self) -> dict[str, float]:
        return {**self.rows, CELL: 1.0} if self.drives else {**self.rows}

    def currents(self) -> dict[str, Array]:
        """Currents into each row, A."""
        current = self.current()
        return {row: sign * current for row, sign in self._by_row().items()}

    def slopes(self) -> dict[tuple[str, str], Array]:
        """Derivatives of `currents` by the potentials, A/V, and by what is supplied."""
        slope = self.slope()
        found = {
            (row, column): sign * way * slope
            for row, sign in self._by_row().items() for column, way in self._signs.items()
        }  # fmt: skip
        if self.supply is not None:
            i_n = self.law(self.overpotential(), self.concentration(), self.temperature())
            by_supply = self.area * self.supplied(i_n)[2]
            found |= {(row, self.supply.unknown): sign * by_supply
                      for row, sign in self._by_row().items()}
        return found


class LocalTerms:
    """The reactions that enter the rows of a stage.

    Args:
        system: has the reactions.
        names: unknowns of the stage.
    """

    def __init__(self, system: System, names: Sequence[str]):
        self.system, self.names = system, list(names)
        self.terms: list[Reaction] = [t for t in system.reactions if {*t.rows} & {*names}]
        self.work = {n: dfem.Function(system.unknowns[n].space) for n in names}
        # Views of them, and how many of their values are owned.
        self.totals = {
            n: (f.x.array, owned_size(f.function_space)) for n, f in self.work.items()
        }
        self.free = {}
        for name in names:
            free = np.ones(len(self.work[name].x.array) + 1)
            free[-1] = 0.0  # of nodes that are not there
            free[system.unknowns[name].fixed_dofs()] = 0.0
            self.free[name] = free
        pairs = {
            (row, column)
            for t in self.terms for row in t.rows for column in t.columns
            if row in names and column in names and row != column
        }  # fmt: skip
        self.pairs = sorted(pairs)
        self.shared = {pair: self.meet(*pair) for pair in self.pairs}

    @property
    def linear(self) -> bool:
        """No current is more than linear in the unknowns of the stage."""
        return all(t.linear or not {*t.columns} & {*self.names} for t in self.terms)

    def jump(self, steps: Mapping[str, Array], voltage: float) -> float:
        """Largest change of an overpotential that a step makes, V, on this rank (collective).

        Args:
            steps: of the stage's unknowns, owned values.
            voltage: that of the cell voltage, V.
        """
        potentials = [name for name in steps if self.system.unknowns[name].potential]
        moved = {name: self.work[name].x for name in potentials}
        if not moved:
            return 0.0
        for name, vector in moved.items():
            vector.array[: len(steps[name])] = steps[name]
            vector.scatter_forward()
        largest = 0.0
        for t in self.terms:
            rise: Any = voltage if VOLTAGE in t.columns else 0.0
            for name in moved:
                if name in t.columns:
                    way = 1.0 if name == "phi_s" else -1.0
                    values = np.append(moved[name].array, 0.0)  # the last: nodes that are not there
                    rise = rise + way * values[t.nodes[name]]
            largest = max(largest, float(np.abs(rise).max(initial=0.0)))
        return largest

    def __bool__(self) -> bool:
        return bool(self.terms)

    def evaluate(self) -> None:
        """Take the currents of the present state."""
        self.now = [{} if _idle(t) else t.currents() for t in self.terms]

    def linearise(self) -> None:
        """Take the slopes at the state of the last `evaluate`."""
        self.slopes = [{} if _idle(t) else t.slopes() for t in self.terms]

    def _sum(self, name: str, parts: list[tuple[Nodes, Array]]) -> Array:
        """Owned sums of contributions to degrees of freedom, other ranks' included."""
        total, owned = self.totals[name]
        total[:] = 0.0
        for dofs, values in parts:
            there = dofs >= 0
            np.add.at(total, dofs[there], values[there])
        if self.system.domain.comm.size > 1:
            vector = self.work[name].x.petsc_vec
            vector.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        return total[:owned].copy()

    def residual(self) -> dict[str, Array]:
        """Contribution of the reactions to each row, A, at owned nodes; evaluates them."""
        self.evaluate()
        return {
            name: self._sum(name, [
                (t.nodes[name], found[name])
                for t, found in zip(self.terms, self.now, strict=True) if name in found
            ])
            for name in self.names
        }

    def _slope(self, row: str, column: str) -> Array:
        """Derivative of a row by the unknown of the same node, held ones left out, owned rows."""
        return self._sum(row, [
            (t.nodes[row], slopes[row, column]
             * self.free[row][t.nodes[row]] * self.free[column][t.nodes[column]])
            for t, slopes in zip(self.terms, self.slopes, strict=True) if (row, column) in slopes
        ])

    def diagonal(self, name: str) -> Array:
        """Contribution of the reactions to the diagonal of an unknown's block, A per unit of it."""
        return self._slope(name, name)

    def meet(self, row: str, column: str) -> tuple[Nodes, Nodes]:
        """Global numbers of the owned nodes of a row and of the column that share a node."""
        s, work = self.system, self.work[row]
        row_map, column_map = (s.unknowns[n].space.dofmap.index_map for n in (row, column))
        work.x.array[:] = -1.0
        for t in self.terms:
            if row in t.rows and column in t.columns:
                there = (t.nodes[row] >= 0) & (t.nodes[column] >= 0)
                numbers = column_map.local_to_global(t.nodes[column][there].astype(np.int32))
                work.x.array[t.nodes[row][there]] = numbers
        work.x.petsc_vec.ghostUpdate(PETSc.InsertMode.MAX, PETSc.ScatterMode.REVERSE)
        own = work.x.array[: row_map.size_local]
        on = np.flatnonzero(own >= 0.0)
        return (on + row_map.local_range[0]).astype(np.int32), own[on].astype(np.int32)

    def matrix(self, row: str, column: str) -> Any:
        """A matrix that can hold the coupling of two unknowns, or of one with itself."""
        s = self.system
        maps = [s.unknowns[n].space.dofmap.index_map for n in (row, column)]
        comm: Any = s.domain.comm
        sizes = [(m.size_local, m.size_global) for m in maps]
        matrix: Any = PETSc.Mat().createAIJ(sizes, comm=comm)
        if row == column:
            rows = columns = np.arange(*maps[0].local_range, dtype=np.int32)
        else:
            rows, columns = self.shared[row, column]
        matrix.setPreallocationCOO(rows, columns)
        matrix.setValuesCOO(np.zeros(len(rows)), addv=PETSc.InsertMode.INSERT_VALUES)
        return matrix

    def couple(self, row: str, column: str, unit: float) -> Array:
        """The coupling at the nodes of `shared`, from the last `linearise`, in rows of `unit` A."""
        first = self.system.unknowns[row].space.dofmap.index_map.local_range[0]
        return self._slope(row, column)[self.shared[row, column][0] - first] / unit

    # -- the cell voltage and the cell current -------------------------------------------------

    def border(self) -> dict[str, Array]:
        """Derivative of each row by the cell voltage, A/V."""
        return {name: self._at_nodes_of(name, (name, VOLTAGE)) for name in self.names}

    def gradient(self) -> dict[str, Array]:
        """Derivative of the cell current by each unknown, A per unit of it."""
        return {name: self._at_nodes_of(name, (CELL, name)) for name in self.names}

    def _at_nodes_of(self, name: str, pair: tuple[str, str]) -> Array:
        """Owned sums of one slope of all reactions at the nodes of an unknown."""
        return self._sum(name, [
            (t.nodes[name], slopes[pair])
            for t, slopes in zip(self.terms, self.slopes, strict=True) if pair in slopes
        ])

    def current(self) -> float:
        """The cell current of the reactions at the last `evaluate`, A, on this rank."""
        return float(sum(found[CELL].sum() for found in self.now if CELL in found))

    def voltage_slope(self) -> float:
        """Its derivative by the cell voltage, A/V, on this rank."""
        return float(sum(
            slopes[CELL, VOLTAGE].sum() for slopes in self.slopes if (CELL, VOLTAGE) in slopes
        ))

    def waiting(self) -> float:
        """Conductance of surfaces if metal were on all of them, A/V, on this rank."""
        return sum(t.waiting() for t in self.terms if isinstance(t, NodalReaction))


def imposed_current(s: System) -> float:
    """Cell current as rows have it, A (2D: A/m; collective): what a given current is imposed on."""
    local = sum(float(t.currents()[CELL].sum()) for t in s.reactions if t.drives)
    found = float(s.domain.comm.allreduce(local, op=MPI.SUM))
    return found if s.current is None else found + s.integral(s.form(s.current))


def _idle(reaction: Reaction) -> bool:
    """True if a reaction has nothing on this rank, so that asking it would bring zeros only."""
    return isinstance(reaction, NodalReaction) and reaction.idle
