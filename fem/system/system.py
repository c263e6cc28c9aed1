r"""Unknowns, their balance rows, and time: what all physics share.

A physics declares unknowns (`System.add`) and adds terms to rows (`System.row`). A row is
"residual = 0", tested with the row's test function:

* storage is positive, fluxes that leave the domain are positive;
* **every row is a current in ampere** (2D: ampere per metre out of plane). The salt row is
  multiplied by zF to be one. Residuals of different rows can then be compared with one number, the
  cell current, and one tolerance means the same for all.

`System.ddt` is the only place that knows the time scheme, variable-step BDF1 or BDF2. It
differentiates the stored quantity as a whole, never its factors apart; that is what closes the
balances to round-off.

Some unknowns are solved together and others after them: each stands in a slot
(`fem.system.slots`), and the slots in their order are the stages of a step. Unknowns of other
stages stay at their latest value.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import basix.ufl
import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import RunError
from fem.compat import MPI, dfem, la, owned_size
from fem.forms import Waiting
from fem.mesh.domain import Domain, Subdomain
from fem.mesh.spaces import space_on
from fem.system.forms import REFUSALS, check_rules
from fem.system.formula import TimeFormula
from fem.system.hints import Hints
from fem.system.ports import Ports
from fem.system.reports import Reports
from fem.system.slots import CELL_SLOT, Slots
from fem.system.surface import Surface
from fem.system.unknown import Split, Unknown

__all__ = ["System"]

#: Degree of the quadrature of all volume integrals; its points may have memories.
QUADRATURE_DEGREE = 2
#: Least share of a concentration that a first guess leaves.
LEAST_GUESS = 0.2
#: Share of its scale with which a concentration begins a first step. Newton's method falls from it
#: with ease, but where a wall had run out of salt it would not rise from 1e-20.
FRESH = 1e-2


class System:
    """Unknowns on a domain and the rows that determine them.

    Attributes:
        domain: the mesh and its names.
        unknowns: by name, in the order in which they were added.
        forms: name of an unknown -> its row, a UFL form in ampere.
        reactions: on walls and fronts, node by node (`fem.system.nodal`); they enter rows, too.
        current: what flows into the driven conductor besides reactions, a UFL functional in ampere;
            it follows i_n, so it is negative while plating.
        voltage: the potential of the driven conductor, V; a field that is the same everywhere.
        temperature: that of the case, K. What rows and laws read is the name `T`, which is this
            constant until a physics defines it.
        time: the formula of a step, and the steps before it.
        ports: sums over all physics that one of them takes up.
        reports: what parts report to the books of a cell.
    """

    def __init__(self, domain: Domain, temperature: float = 298.15):
        self.domain = domain
        self.author, self.authors = "a part", dict[str, str]()  # at work now; of each unknown

        # Fields, and names that physics read.
        self.unknowns: dict[str, Unknown] = {}
        self.memories: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self.stored: dict[str, str] = {}  # name -> unknown or memory that holds its values
        self.parts: list[Subdomain] = []
        self.layer: Subdomain | None = None  # the cells along all reacting walls
        self.surfaces: list[Surface] = []  # with fields of their own, for probes
        self.vectors: dict[str, tuple[Any, Subdomain]] = {}  # for files only
        self.fields: dict[str, tuple[Any, Subdomain]] = {}  # that have nodes -> their space, part
        self.temperature = dfem.Constant(domain.mesh, float(temperature))
        self.define("T", self.temperature)  # until a physics solves for it

        # Time, and the potential of the driven conductor.
        self.time = TimeFormula(domain.mesh)
        everywhere = space_on(domain.mesh, ("DG", 0))
        self.voltage = dfem.Function(everywhere, name="voltage")
        self.unit_voltage = dfem.Function(everywhere)
        self.unit_voltage.x.array[:] = 1.0
        self.voltage_rate: float | None = None  # V/s, as `Unknown.rate`
        self.past_voltages = np.zeros(3)  # at the last accepted states, newest first, V
        self.rest = 0.0  # the cell voltage at rest before the first step, V
        # The state before those, by unknown and of `voltage`, where first guesses go by it.
        self.eldest: dict[str, npt.NDArray[np.float64]] = {}
        # What follows unknowns -> that of old states; the voltage is one number of each.
        self.past: dict[Any, tuple[Any, ...]] = {
            self.voltage: (dfem.Function(everywhere), dfem.Function(everywhere))
        }

        # Rows, and the stages that solve them.
        self.terms: dict[str, list[Any]] = {}  # row -> its terms, in the order in which they came
        self.forms: dict[str, Any] = {}
        self.reactions: list[Any] = []  # `fem.system.nodal.Reaction`s
        self.edge_fluxes: list[Any] = []  # `fem.system.edges.EdgeFlux`es
        self.shifts: dict[str, Callable[[Any, Any], Any]] = {}  # cause -> what it adds on walls
        self.driving: list[Any] = []  # terms of `current`
        self.current: Any = None
        self.residuals: dict[str, npt.NDArray[np.float64]] = {}  # last of each row solved for, A
        self.slots = Slots()
        self.again_rows: dict[str, list[tuple[str, Any]]] = {}  # see `again`
        self.openers: dict[str, list[Callable[[], None]]] = {}  # slot -> run before it is solved
        self.splits: dict[str, Split] = {}  # for preconditioners, see `fem.solver.decoupling`
        self.hints = Hints()
        self.shared: dict[str, Any] = {}  # what solvers make once for all stages

        # Functions that each step runs or asks.
        self.refreshers: list[Callable[[], None]] = []  # run whenever an iterate has changed
        self.preparers: list[Callable[[], None]] = []  # run in a step, after extrapolation
        self.followers: list[Callable[[], None]] = []  # run as a step is accepted, after its state
        self.deciders: list[Callable[[], bool]] = []  # run then; True: prepare anew
        # Arrays that preparers fill and no checkpoint keeps; undone if a step fails for good.
        self.foreseen: list[npt.NDArray[Any]] = []
        # Ask whether the formula of a step remembers less than nothing; then BDF1 takes it.
        self.limits: list[Callable[[], bool]] = []
        self.jumps: list[Callable[[], float | None]] = []  # share of the step after which rates do
        self.gaps: list[Callable[[], float]] = []  # local errors of what is no unknown

        # What physics say to each other and to the books.
        self.ports = Ports()
        self.reports = Reports(self.ports, lambda: self.author)
        self.charges: dict[str, npt.NDArray[np.float64]] = {}  # time integrals, kept with the state
        self.kept: dict[str, float] = {}  # numbers of observers, as checkpoints keep them
        # Changes of the potentials and of the voltage with the cell current, per A; a run sets it.
        self.response: Callable[[], tuple[dict[str, Any], float]] | None = None

        self._compiled: dict[tuple[int, int], Any] = {}
        self.waiting = Waiting(domain.comm)

    # -- what physics call ---------------------------------------------------------------------

    def add(
        self,
        name: str,
        part: Subdomain,
        *,
        differential: bool = False,
        scale: float = 1.0,
        positive: bool = False,
        potential: bool = False,
        solver: Literal["multigrid", "blocks", "diagonal"] = "multigrid",
        shape: tuple[int, ...] = (),
        degree: int = 1,
        slot: str = CELL_SLOT,
    ) -> Unknown:
        """Declare an unknown, a polynomial on each cell of `part`, to be solved in a slot.

        The other arguments are those of `Unknown`.

        Raises:
            RunError: the name is taken (two physics provide the same unknown), or nobody has
                declared the slot.
        """
        if name in self.unknowns:
            raise RunError(
                f"the unknown {name!r} is declared twice: by {self.authors[name]} and by "
                f"{self.author}; rename one of them"
            )
        self.authors[name] = self.author
        space = space_on(part.mesh, ("Lagrange", degree, shape))
        unknown = Unknown(
            name,
            part,
            space,
            dfem.Function(space, name=name),
            (dfem.Function(space), dfem.Function(space), dfem.Function(space)),
            ufl.TestFunction(space),
            ufl.TrialFunction(space),
            differential,
            scale,
            positive,
            potential,
            solver,
            shape,
            degree,
        )
        self.slots.put(name, slot)
        self.unknowns[name] = unknown
        self.fields[name] = space, part
        self.define(name, unknown.value, part)
        return unknown

    def slot(
        self, name: str, after: Sequence[str] | None = None, *, last: bool = False
    ) -> None:
        """Declare a slot for unknowns that are solved after those of other slots.

        By default that is after all slots declared so far but the last ones; with `last` after
        those declared later, too, as what takes up a port has to be.

        Raises:
            RunError: it is declared already, and otherwise.
        """
        if after is None:
            early = (slot for slot in self.slots.after if slot not in self.slots.last)
            after = self.slots.after.get(name, tuple(early))
        self.slots.declare(name, after, last=last)

    def again(self, name: str, slot: str) -> None:
        """Solve for an unknown once more in a later slot, in a second row `<name>.<slot>`.

        Whoever adds terms to its row loops over `rows_of`.
        """
        unknown = self.unknowns[name]
        row, found = f"{name}.{slot}", dfem.Function(unknown.space, name=f"{name}.found")
        self.slots.put(row, slot)
        self.again_rows.setdefault(name, []).append((row, found))

        def keep() -> None:
            found.x.array[:] = unknown.value.x.array

        self.before(slot, keep)

    def rows_of(self, name: str) -> list[tuple[str, Any]]:
        """All rows of an unknown, each with its value as the other rows were solved with.

        That is the unknown itself for the first row; for a later one the value that was found
        before, so that currents driven by its gradient stay as they were.
        """
        return [(name, self.unknowns[name].value), *self.again_rows.get(name, [])]

    def before(self, slot: str, call: Callable[[], None]) -> None:
        """Run something whenever the rows of a slot are about to be solved (collective)."""
        self.openers.setdefault(slot, []).append(call)

    def plan(self) -> tuple[tuple[str, ...], ...]:
        """Rows of each stage of a step, in the order in which stages are solved.

        Raises:
            RunError: the slots cannot be put in order.
        """
        return self.slots.plan()

    def close(self) -> None:
        """Bring ports into the rows that take them, and check that each unknown has its row.

        Raises:
            RunError: an unknown would keep its initial value, or terms or shifts would be left out.
        """
        self.ports.close(self)
        at_nodes = [t for t in self.reactions if t.drives and hasattr(t, "shifts")]
        for cause, t in itertools.product(self.shifts, at_nodes):
            if cause not in t.shifts:
                raise RunError(
                    f"the shift {cause!r} of the overpotential holds on walls only, and the "
                    f"reaction {t.name!r} is made node by node; give reaction.shifts[{cause!r}] of "
                    "s.reactions in rows, 0.0 where nothing shifts it"
                )
        solved = [row for rows in self.plan() for row in rows]
        given = {*self.forms, *(row for reaction in self.reactions for row in reaction.rows)}
        for name in solved:
            if name not in given:
                raise RunError(
                    f"nothing determines the unknown {name!r}: no physics adds terms to its row; "
                    f"the one that declares it must call s.row({name!r}, form)"
                )
        if lost := sorted(given - {*solved}):
            known = ", ".join(self.unknowns)
            raise RunError(f"rows of no unknown: {', '.join(lost)}; unknowns: {known}")
        if self.hints.lags:
            sizes = {name: len(u.value.x.array) for name, u in self.unknowns.items()}
            self.time.longest = 4
            self.eldest = {name: np.zeros(n) for name, n in {**sizes, "voltage": 1}.items()}

    def define(
        self, name: str, value: Any, part: Subdomain | None = None, *, stored: str = ""
    ) -> None:
        """Give an expression a name that other physics can read.

        Args:
            name: by which they do.
            value: the expression.
            part: on which it is known.
            stored: the unknown or memory that holds its values, if that has another name; files and
                probes have it for it.
        """
        self.values[name] = value
        if stored:
            self.stored[name] = stored
        if part is not None and not any(part is known for known in self.parts):
            self.parts.append(part)

    def memory(
        self, name: str, part: Subdomain,
        per: Literal["node", "corner", "cell", "point"] = "node", shape: tuple[int, ...] = (),
    ) -> Any:
        """A field that is neither unknown nor constant, kept, restored and checkpointed.

        Args:
            name: by which others read it, too.
            part: where it lives.
            per: what has a value of its own: a node, a corner of a cell (cells that meet at a node
                differ), a cell, or a quadrature point of degree 2 in a cell.
            shape: of a value.
        """
        if per == "point":
            element: Any = basix.ufl.quadrature_element(
                part.mesh.basix_cell(), value_shape=shape, degree=QUADRATURE_DEGREE
            )
        else:
            kind = {"node": ("Lagrange", 1), "corner": ("DG", 1), "cell": ("DG", 0)}[per]
            element = (*kind, shape)
        function = dfem.Function(space_on(part.mesh, element), name=name)
        self.memories[name] = function
        if per == "node":
            self.fields[name] = function.function_space, part
        self.define(name, function, part)
        return function

    def __getitem__(self, name: str) -> Any:
        """The expression behind a name.

        Raises:
            RunError: nobody defined it.
        """
        try:
            return self.values[name]
        except KeyError:
            raise RunError(f"no physics defines {name!r}; defined: {sorted(self.values)}") from None

    def function(self, name: str) -> Any:
        """The values of an unknown or of a memory, None if there is neither of that name."""
        unknown = self.unknowns.get(name)
        return self.memories.get(name) if unknown is None else unknown.value

    def same_nodes(self, name: str, other: str) -> npt.NDArray[np.int32]:
        """For every local node of a field the same vertex's local node of another one, else -1.

        Both are unknowns, or memories per node.
        """
        return self.domain.same_nodes(*self.fields[name], *self.fields[other])

    def test(self, name: str) -> Any:
        """Test function of an unknown's row."""
        return self.unknowns[name].test

    def row(self, name: str, form: Any) -> None:
        """Add a term (ampere) to the row of an unknown."""
        self.terms.setdefault(name, []).append(form)
        self.forms[name] = form if name not in self.forms else self.forms[name] + form

    def shift(self, cause: str, value: Callable[[Any, Any], Any]) -> None:
        """Add to the overpotential of the driven electrode's walls: eta = phi_s - phi_l + shifts.

        To be called in `declare`. Reactions that are made node by node (growing metal, averaged
        hosts) have `shifts` of their own (`fem.system.nodal.NodalReaction`).

        Args:
            cause: its label.
            value: (solid, liquid) -> V, UFL; both take an expression to their side of the wall,
                as in ``lambda solid, liquid: -Omega / F * solid(s["pressure"])``. At the edge of
                the mesh there is one side.

        Raises:
            RunError: there is a shift of that cause already.
        """
        if cause in self.shifts:
            raise RunError(f"two parts shift the overpotential by {cause!r}; give one another name")
        author = self.author

        def scalar(solid: Any, liquid: Any) -> Any:
            """The value; what it raises is a failure of its part."""
            try:
                found = ufl.as_ufl(value(solid, liquid))
            except REFUSALS as error:
                reason = f"fails: {type(error).__name__}: {error}"
            else:
                if not found.ufl_shape:
                    return found
                reason = f"has the shape {found.ufl_shape}; it must be a number"
            raise RunError(f"{author}: the shift {cause!r} of the overpotential {reason}")

        self.shifts[cause] = scalar

    def held_currents(self, name: str) -> dict[str, float]:
        """Current that enters through each boundary where an unknown is held, A (collective).

        It is what the row lacks there: what the boundary must supply for the balance to hold, exact
        for the discrete equations. Valid once the row was solved; of a row that is solved again,
        the last one counts.
        """
        unknown = self.unknowns.get(name)
        if unknown is None or (raw := self.residuals.get(self.rows_of(name)[-1][0])) is None:
            return {}
        n, comm = owned_size(unknown.space), self.domain.comm
        return {
            boundary: comm.allreduce(float(raw[dofs[dofs < n]].sum()), op=MPI.SUM)
            for boundary, dofs in unknown.groups.items()
        }

    def drive(self, form: Any) -> None:
        """Add a term (ampere, sign of i_n) to the cell current."""
        self.driving.append(form)
        self.current = form if self.current is None else self.current + form

    @property
    def t(self) -> float:
        """Time of the last accepted state, s."""
        return self.time.t

    @property
    def dt(self) -> float:
        """Step that is tried, s."""
        return self.time.dt

    @property
    def rate(self) -> Any:
        """Derivative of `ddt` by what is stored, 1/s."""
        return self.time.rates[0]

    def ddt(self, storage: Any) -> Any:
        """Time derivative of a stored quantity, by the step's backward difference formula."""
        known = {u.value: u.old for u in self.unknowns.values()} | self.past
        past = [ufl.replace(storage, {v: old[k] for v, old in known.items()}) for k in (0, 1)]
        now, then, before = self.time.rates
        return now * storage + then * past[0] + before * past[1]

    def rate_at_nodes(self, name: str) -> npt.NDArray[np.float64]:
        """`ddt` of an unknown at the nodes of this rank, ghosts last, per s."""
        u = self.unknowns[name]
        return self.time.difference([f.x.array for f in (u.value, u.old[0], u.old[1])])

    # -- time ----------------------------------------------------------------------------------

    def begin(self, dt: float) -> None:
        """Set the step to be tried: the formula's weights and the extrapolated first guess.

        Args:
            dt: step, s; 0 freezes time (all rates vanish).
        """
        self.time.begin(dt)
        first_order = self.time.history == 1
        for before, value in zip(self.past[self.voltage], self.past_voltages, strict=False):
            before.x.array[:] = value
        if (not first_order or self.voltage_rate is not None) and dt > 0:
            # An imposed voltage is set anew after this.
            past = self.past_voltages[:, None]
            guess = self.time.guess(past, self.voltage_rate, self.eldest.get("voltage"))
            self.set_voltage(float(guess[0]))
        for name, unknown in self.unknowns.items():
            states = [f.x.array for f in unknown.old]
            guess = self.time.guess(states, unknown.rate, self.eldest.get(name))
            if unknown.positive:
                if unknown.foresee is not None and self.time.past_dt[0]:
                    guess = unknown.foresee(guess, states, dt, self.time.past_dt)
                else:
                    guess = np.maximum(guess, LEAST_GUESS * states[0])
                fresh = first_order and dt > 0 and unknown.rate is None
                if fresh and not self.hints.tight:
                    guess = np.maximum(guess, FRESH * unknown.scale)
            free = np.ones(len(guess), dtype=bool)
            free[unknown.fixed_dofs()] = False
            unknown.value.x.array[free] = guess[free]
        for prepare in self.preparers:
            prepare()
        if any([decide() for decide in self.deciders]):
            for prepare in self.preparers:
                prepare()

    def accept(self) -> None:
        """Make the present iterate the newest accepted state and advance time."""
        if self.eldest:
            self.eldest["voltage"][0] = self.past_voltages[-1]
        for name, unknown in self.unknowns.items():
            newest, older, oldest = (f.x.array for f in unknown.old)
            if self.eldest:
                self.eldest[name][:] = oldest
            oldest[:], older[:], newest[:] = older, newest, unknown.value.x.array
        self.past_voltages[:] = self.get_voltage(), *self.past_voltages[:2]
        self.time.accept()
        for follow in self.followers:
            follow()

    def restart_formula(self) -> None:
        """Forget history after a jump of the control; the next step is a BDF1 step."""
        self.time.history, self.voltage_rate = 1, None
        for unknown in self.unknowns.values():
            unknown.rate = None

    def restart_with_slopes(self) -> None:
        """Take the next step by BDF1; what is stored is foreseen by the slope of the last one.

        Where charge is stored, too, so are potentials.
        """
        lags, before = self.hints.lags and self.time.history > 1, self.past_voltages
        last = self.time.past_dt[0]
        slopes = {
            name: (u.old[0].x.array - u.old[1].x.array) / last
            for name, u in self.unknowns.items() if (u.differential and u.gap is None) or lags
        }
        rate = (before[0] - before[1]) / last if lags else None
        self.restart_formula()
        self.voltage_rate = rate
        for name, slope in slopes.items():
            self.unknowns[name].rate = slope

    def reference_current(self, scale: float) -> float:
        """Current that residuals are compared with, A (collective).

        Args:
            scale: that of the cell, A; the result is no less than what rows tell from round-off of
                what they store.
        """
        return scale if self.hints.least is None else max(scale, self.hints.least())

    def memory_is_negative(self) -> bool:
        """The formula's memory of a concentration is negative somewhere (collective).

        So it is with BDF2 where c fell to less than a quarter in a step of the same length. The
        memory is what a node has to give if it ends with nothing, and of less there may be no
        positive solution; BDF1 has one.
        """
        _, now, before = self.time.now()
        lowest = min(
            (float((-now * u.old[0].x.array - before * u.old[1].x.array).min(initial=np.inf))
             for u in self.unknowns.values() if u.positive), default=np.inf,
        )
        return bool(self.domain.comm.allreduce(lowest, op=MPI.MIN) < 0.0)

    def extrema(self, name: str) -> tuple[float, float]:
        """Smallest and largest nodal value of an unknown, where it means something (collective)."""
        unknown = self.unknowns[name]
        values = unknown.owned if unknown.present is None else unknown.owned[unknown.present()]
        low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
        comm = self.domain.comm
        return comm.allreduce(low, op=MPI.MIN), comm.allreduce(high, op=MPI.MAX)

    # -- state ---------------------------------------------------------------------------------

    def state(self) -> dict[str, npt.NDArray[np.float64]]:
        """Every array that a step may change, by name (views, owned and ghost values)."""
        out: dict[str, npt.NDArray[np.float64]] = {}
        for name, unknown in self.unknowns.items():
            out[name] = unknown.value.x.array
            out[f"{name}.old"] = unknown.old[0].x.array
            out[f"{name}.older"] = unknown.old[1].x.array
            out[f"{name}.oldest"] = unknown.old[2].x.array
        out |= {name: f.x.array for name, f in self.memories.items()}
        out["voltage"] = self.voltage.x.array
        out["voltage.past"] = self.past_voltages
        out |= {f"{name}.eldest": array for name, array in self.eldest.items()}
        out |= {f"charge.{name}": array for name, array in self.charges.items()}
        return out

    def save(self) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, float]]:
        """Copy of everything that a step may change."""
        return {name: array.copy() for name, array in self.state().items()}, self.time.clock()

    def restore(self, saved: tuple[dict[str, npt.NDArray[np.float64]], dict[str, float]]) -> None:
        """Undo everything since `save`."""
        arrays, clock = saved
        for name, array in self.state().items():
            array[:] = arrays[name]
        self.time.restore(clock)

    def remember(self) -> None:
        """Make the present values the whole history (after setting initial values)."""
        self.past_voltages[:] = self.get_voltage()
        for unknown in self.unknowns.values():
            unknown.value.x.scatter_forward()
            for old in unknown.old:
                old.x.array[:] = unknown.value.x.array

    def set_voltage(self, value: float) -> None:
        """Set the potential of the driven conductor, V."""
        self.voltage.x.array[:] = value

    def get_voltage(self) -> float:
        """Potential of the driven conductor, V, the same number on all ranks (collective)."""
        array = self.voltage.x.array
        here = float(array[0]) if len(array) else -np.inf  # a numpy scalar takes ten times longer
        return self.domain.comm.allreduce(here, op=MPI.MAX)

    # -- forms ---------------------------------------------------------------------------------

    @property
    def entity_maps(self) -> list[Any]:
        """Entity maps of all submeshes; every form needs them."""
        return [part.entity_map for part in self.parts]

    def form(self, form: Any) -> Any:
        """Form to be compiled at its first use, which is collective.

        Its code is cached on disk, the form here.

        Raises:
            RunError: a cell integral mixes a one-point rule with another one.
        """
        key = (hash(form), len(self.parts))
        if key not in self._compiled:
            check_rules(form)
            self._compiled[key] = (form, self.waiting.add(form, entity_maps=self.entity_maps))
        return self._compiled[key][1]

    def integral(self, form: Any) -> float:
        """Value of a compiled functional, summed over all ranks (collective)."""
        return self.domain.comm.allreduce(dfem.assemble_scalar(form), op=MPI.SUM)

    def nodal(self, form: Any) -> npt.NDArray[np.float64]:
        """Owned values of a compiled linear form, other ranks' shares added (collective)."""
        vector = dfem.assemble_vector(form)
        vector.scatter_reverse(la.InsertMode.add)
        return vector.array[: owned_size(form.function_spaces[0])].copy()


