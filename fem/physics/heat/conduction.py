"""Temperature: storage and conduction of the heat that all other physics make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.base.errors import RunError
from fem.compat import MPI, dfem, owned_size
from fem.mesh.domain import Domain
from fem.mesh.torn import torn
from fem.solver.matrices import ROUND_OFF
from fem.solver.options import Control
from fem.solver.stage import Stage
from fem.system.nodal import imposed_current
from fem.system.part import Event, Observer
from fem.system.slots import CELL_SLOT
from fem.system.system import System
from fem.system.unknown import Unknown
from fem.values.units import shown_point

__all__ = ["Conduction", "HeatMedium", "Surroundings"]

Array = npt.NDArray[np.float64]

#: The slot in which the temperature is solved for.
SLOT = "heat"
#: Change of a cell at rest, in K and as a share of the rise.
REST_CHANGE = 1e-8
#: Temperature by which a run may pass the one that ends it, K.
LIMIT_SLACK = 0.01
#: Rise above the start beyond which a step that fails is laid to heat that runs away, K.
RUNAWAY_RISE = 100.0


@dataclass(frozen=True)
class HeatMedium:
    """Conduction and storage of heat in some regions.

    Attributes:
        regions: names of the regions that it fills.
        k: thermal conductivity, W/(m K): a number or UFL; or two, in the planes parallel to the
            collector and through them.
        heat_capacity: rho c_p, J/(m3 K).
        source: given heat, a function of T, W/m3.
        metal: k and rho c_p of the metal that may fill these regions; both are then mixed by the
            name `xi`.
    """

    regions: tuple[str, ...]
    k: Any
    heat_capacity: Any
    source: Callable[[Any], Any] | None = None
    metal: tuple[float, float] | None = None

    def capacity(self, s: System) -> Any:
        """Rho c_p of what is there, J/(m3 K)."""
        return self._mixed(s, self.heat_capacity, 1)

    def flux(self, s: System, gradient: Any) -> Any:
        """K grad T, W/m2 (vector)."""
        if not isinstance(self.k, tuple):
            return self._mixed(s, self.k, 0) * gradient
        across, through = (self._mixed(s, k, 0) for k in self.k)
        up = _up(s.domain)
        rise = ufl.inner(gradient, up)
        return across * (gradient - rise * up) + through * rise * up

    def _mixed(self, s: System, value: Any, which: int) -> Any:
        return value if self.metal is None else value + s["xi"] * (self.metal[which] - value)


def _up(domain: Domain) -> Any:
    """Unit vector from the collector into the cell (UFL)."""
    up = domain.up
    return ufl.grad(domain.rise) if up is None else ufl.as_vector(up[: domain.dim].tolist())


@dataclass(frozen=True)
class Surroundings:
    """Surroundings with which a boundary exchanges heat.

    Attributes:
        h: heat transfer coefficient, W/(m2 K); 1/h may be a contact resistance.
        outside: temperature there, K.
        flux: heat that is fed in, W/m2.
    """

    h: Any = 0.0
    outside: float = 298.15
    flux: Any = 0.0


def _given(value: Any) -> bool:
    """A number other than zero, or an expression."""
    return not isinstance(value, int | float) or bool(value)


@dataclass
class Conduction(Observer):
    r"""Heat balance of the whole mesh.

        Strong:  rho c_p dT/dt - div(k grad T) = sigma |grad phi_s|^2 - i_l.grad phi_l + Q
        Walls:   jump of k grad T.n = i_n (phi_s - phi_l) + i_n T dU/dT
        Contact: -k grad T.n = (T - T_other)/R_c on both sides of a wall that resists heat
        Edges:   -k grad T.n = h (T - T_out) - flux,  or T given;  else insulated
        Weak:    (1 V)^-1 [ (rho c_p dT/dt, v) + (k grad T, grad v) + <h (T - T_out) - flux, v>
                 + <[T]/R_c, [v]> - (sources, v) - <i_n (phi_s - phi_l) + i_n T dU/dT, v> ] = 0  [A]

    [.] is the jump across a wall with a contact resistance; T is continuous at all others. If such
    a wall reacts, it does so at the temperature of the electrolyte's side, where its heat is made.
    n points out. What other physics make is the port `heat`. i_n is positive where metal
    dissolves, so a positive dU/dT means that plating cools. Storage is lumped at the nodes.

    Solved for is `rise`, the temperature over that of the surroundings (of the case, if there are
    several), which keeps the digits of a millionth of a kelvin; the field `T` that is written is
    the sum. What everybody reads by the
    name `T` is the temperature foreseen for the end of the step, held while the rows are solved:
    currents are then one and the same number in all stages of a step. What was foreseen wrongly is
    the error that the step is judged by.

    Attributes:
        media: what fills the regions; together all of them.
        surroundings: boundary -> what it exchanges heat with.
        held: boundary -> temperature, K.
        contacts: walls -> contact resistance between the regions on both sides, m2 K/W.
        entropy: dU/dT of the metal's electrode reaction, V/K.
        limit: an event ends the run where it is hotter, K.
        outside: what a temperature is too high for, K -> a sentence each.
        require: raises a CaseError where a table of the electrolyte does not reach to one of the
            temperatures, K.
        settled: the run begins with the temperatures at rest between boundaries that are held, and
            their surroundings, before anything makes heat; else at one temperature.
        together: solve for it with the potentials, T always that of the iterate. (Newton's method
            then leaves out how currents follow T, and needs more iterations.)
    """

    media: tuple[HeatMedium, ...]
    surroundings: Mapping[str, Surroundings] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    contacts: Mapping[tuple[tuple[str, str], ...], float] = field(default_factory=dict)
    entropy: float = 0.0
    limit: float = np.inf
    outside: Callable[[float], list[str]] = lambda T: []
    require: Callable[..., None] = lambda *ends: None
    together: bool = False
    settled: bool = False

    provides: tuple[str, ...] = ("T", "rise", "dU_dT")
    _ready: bool = False

    def declare(self, s: System) -> None:
        """Add the unknown, after all that is there, and the temperature that others read."""
        self.s, domain = s, s.domain
        walls = [wall for walls in self.contacts for wall in walls]
        part = torn(domain, walls) if walls else domain.subdomain(tuple(domain.regions))
        self.start = float(s.temperature.value)
        around = {a.outside for a in self.surroundings.values() if _given(a.h)}
        self.around = sorted(around | {*self.held.values()})
        self.zero = self.around[0] if len(self.around) == 1 else self.start
        slot = CELL_SLOT if self.together else SLOT
        if not self.together:
            s.slot(slot, last=True)
        self.rise = s.add("rise", part, differential=True, potential=True, slot=slot)
        self.rise.definite = True
        self.rise.counts = FARADAY / (GAS_CONSTANT * self.start)  # its row is over 1 V; see `step`
        self.rise.value.x.array[:] = self.start - self.zero
        self.T, self.lagged = s.memory("T", part), s.memory("T_lagged", part)
        s.define("T", self.lagged)
        s.define("dU_dT", dfem.Constant(domain.mesh, self.entropy))
        for boundary, value in self.held.items():
            faces = domain.faces_of(boundary, domain.regions)
            nodes = domain.nodes_on(self.rise.space, part, faces=faces)
            self.rise.fix(nodes, value - self.zero, group=boundary)
        self.rise.weight = self._weight
        self._foresee()
        self.show()
        s.preparers.append(self._foresee)
        if self.together:
            s.refreshers.append(self._foresee)
        for port in ("spent", "heat"):
            s.ports.take(port, "rise")

    def _weight(self) -> Array:
        """Weight of each owned node in the error of a step: none where nothing has changed.

        What the solver leaves of the balance, over a small h, is a change of nanokelvins; it would
        keep a cell from coming to rest.
        """
        now, before = self.rise.owned, self.rise.old[0].x.array[: len(self.rise.owned)]
        change, size = (
            self.s.domain.comm.allreduce(float(np.abs(values).max(initial=0.0)), op=MPI.MAX)
            for values in (now - before, now)
        )
        return np.full(len(now), float(change > REST_CHANGE * (1.0 + size)))

    def _foresee(self) -> None:
        """Let all others read the temperature of the present iterate."""
        self.lagged.x.array[:] = self.zero + self.rise.value.x.array

    def show(self) -> None:
        """Bring the field that is written to the present iterate."""
        self.T.x.array[:] = self.zero + self.rise.value.x.array

    def rows(self, s: System) -> None:
        """Storage, conduction, and what passes through boundaries; sources come with the port."""
        rise, v, domain = self.rise.value, self.rise.test, s.domain
        stored: Any = 0
        content: Any = 0
        for m in self.media:
            lumped, here = domain.dx(m.regions, lumped=True), domain.node_weight(m.regions)
            stored += m.capacity(s) * s.ddt(rise) * v * here * lumped
            content += m.capacity(s) * abs(rise) * v * here * lumped
            flux = m.flux(s, ufl.grad(rise))
            s.row("rise", ufl.inner(flux, ufl.grad(v)) * domain.weight * domain.dx(m.regions))
        s.row("rise", stored)
        for walls, resistance in self.contacts.items():
            (jump, tested), weight = (u("+") - u("-") for u in (rise, v)), domain.wall_weight(walls)
            s.row("rise", jump / resistance * tested * weight * domain.dS(walls))
        self.flows = {"stored": [stored], "content": [content]}
        self.flows |= {"lost": self._lost(v), "given": self._given(v)}
        for name, sign in (("lost", 1.0), ("given", -1.0)):
            for term in self.flows[name]:
                s.row("rise", sign * term)

    def _faces(self, boundary: str) -> tuple[Any, Any]:
        """Weight and measure of a boundary."""
        faces = self.s.domain.faces_of(boundary, self.s.domain.regions)
        return self.s.domain.wall_weight(faces=faces), self.s.domain.ds(faces)

    def _lost(self, v: Any) -> list[Any]:
        """Heat that leaves through boundaries that exchange it, tested with v, W."""
        out = []
        for boundary, around in self.surroundings.items():
            weight, ds = self._faces(boundary)
            above = self.zero - around.outside + self.rise.value
            if _given(around.h):
                out.append(around.h * above * v * weight * ds)
        return out

    def _given(self, v: Any) -> list[Any]:
        """Heat that is fed in from outside, tested with v, W."""
        domain = self.s.domain
        out = [
            m.source(self.lagged) * v * domain.weight * domain.dx(m.regions)
            for m in self.media if m.source is not None
        ]
        for boundary, around in self.surroundings.items():
            weight, ds = self._faces(boundary)
            if _given(around.flux):
                out.append(around.flux * v * weight * ds)
        return out

    # -- the first law -------------------------------------------------------------------------

    def begin(self) -> None:
        """Compile what is measured (collective)."""
        s, v = self.s, self.rise.test
        self.compiled = {name: [s.form(f) for f in forms] for name, forms in self.flows.items()}
        for port in ("spent", "heat", "work", "energy"):
            found = [functional(v) for functional in s.ports.sums[port]]
            forms = [form for form in found if not isinstance(form, int)]
            self.compiled[port] = [s.form(sum(forms[1:], forms[0]))] if forms else []
        self._ready = True
        s.kept["heat_zero"] = self.zero
        if self.settled and s.t == 0.0:
            self._settle()

    def recall(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Take up a checkpoint, whose rise may be counted from another temperature.

        Older ones counted it from the temperature of the case.
        """
        del events
        self._count_from(self.s.kept)
        self.begin()

    def adopt(self, ledgers: Mapping[str, Any], kept: Mapping[str, float]) -> None:
        """Take up temperatures of a run with other surroundings."""
        del ledgers
        if "heat_zero" in kept:
            self._count_from(kept)

    def _count_from(self, kept: Mapping[str, float]) -> None:
        """Count a rise that was taken over from the temperature of this case.

        Args:
            kept: numbers of the run that it is from.
        """
        shift = kept.get("heat_zero", self.start) - self.zero
        if shift:
            for rise in (self.rise.value, *self.rise.old):
                rise.x.array[:] += shift
            self._foresee()

    def _settle(self) -> None:
        """Take the temperatures at rest as those of the start (collective).

        A held boundary beside a cell at another temperature is a jump that spreads over a cell of
        the mesh in microseconds, and over an electrolyte in milliseconds.

        Raises:
            RunError: no temperatures were found.
        """
        stage = Stage(self.s, (self.rise.name,), drives=False)
        with self.s.time.at_rest():
            outcome = stage.solve(Control(), scale=self._total("content") or 1.0)
        if not outcome.converged:
            raise RunError(f"heat: no temperatures at rest for the start: {outcome.reason}")
        for past in self.rise.old:
            past.x.array[:] = self.rise.value.x.array
        self._foresee()
        self.show()

    def _total(self, name: str) -> float:
        """Sum of compiled forms over the mesh, W (collective)."""
        return self._sum(sum(float(self.s.nodal(f).sum()) for f in self.compiled[name]))

    def _sum(self, local: float) -> float:
        return self.s.domain.comm.allreduce(float(local), op=MPI.SUM)

    def made(self) -> float:
        """Heat that all physics make at the present state, W (2D: W/m; collective)."""
        given = self.s.ports.at_nodes
        at_nodes = sum(float(supply().sum()) for _, supply in (*given["spent"], *given["heat"]))
        return self._total("spent") + self._total("heat") + self._sum(at_nodes)

    def dissipated(self) -> float:
        """The part of it that is not i_n T dU/dT, W (2D: W/m; collective)."""
        entropy = self.s["dU_dT"]
        entropy.value = 0.0
        found = self.made()
        entropy.value = self.entropy
        return found

    def lost(self) -> float:
        """Heat that leaves through all boundaries, W (2D: W/m; collective)."""
        return self._total("lost") - self._sum(self._at_held(self.rise)[0].sum())

    def exchanged(self) -> float:
        """Magnitude of the heat through boundaries, in or out, W (2D: W/m; collective)."""
        through = sum(abs(self._sum(self.s.nodal(f).sum())) for f in self.compiled["lost"])
        return through + self._sum(np.abs(self._at_held(self.rise)[0]).sum())

    def _at_held(self, u: Unknown) -> tuple[Array, Array]:
        """Residual of the row of an unknown at held nodes of this rank, and its values there."""
        held, lacks = u.fixed_dofs(), self.s.residuals.get(u.name)
        held = held[held < owned_size(u.space)]
        return (np.zeros(len(held)) if lacks is None else lacks[held]), u.owned[held]

    def work(self) -> float:
        """Electrical work that is done on the cell, W (2D: W/m; collective).

        Voltage times current of the collector, what enters at potentials that are held, and the
        port `work`: what enters through other boundaries; less what electrodes store.
        """
        s = self.s
        potentials = [u for u in s.unknowns.values() if u.potential and u is not self.rise]
        held = sum(float(lacks @ values) for lacks, values in map(self._at_held, potentials))
        given = self._total("work") - self._total("energy")
        return s.get_voltage() * imposed_current(s) + self._sum(held) + given

    def step(self, scale: float) -> dict[str, float]:
        """Temperatures, heat flows, and how well the first law closes (collective).

        Args:
            scale: cell current that errors are compared with, A.

        Returns:
            `T_max`, K; `heat_made`, `heat_reversible` (a part of it) and `heat_out`, W (2D: W/m);
            two errors over the work, or over RT/F times `scale` if that is more. `first_law` is of
            heat made, less the reversible, against work (over |I V|, if that is more: beside a
            cathode the work is what is left of it); `heat` of heat stored, lost, given and made,
            beyond the last bits of what is stored (over what passes boundaries either way, if that
            is more, as in an oven).
        """
        if not self._ready:
            self.begin()
        self.show()
        dissipated, made, work = self.dissipated(), self.made(), self.work()
        stored, lost, given = self._total("stored"), self.lost(), self._total("given")
        exchanged = self.exchanged()
        whole = max(abs(work), abs(given), scale * GAS_CONSTANT * self.start / FARADAY)
        power = abs(self.s.get_voltage()) * max(abs(imposed_current(self.s)), scale)
        s, missed = self.s, abs(stored + lost - given - made)
        last_bits = ROUND_OFF * s.time.past_weight * float(s.rate.value) * self._total("content")
        self.highest = self.zero + self._hottest()[0]
        self.require(self.zero - self._hottest(-self.rise.owned)[0], self.highest)
        return {
            "T_max": self.highest,
            "heat_made": made,
            "heat_reversible": made - dissipated,
            "heat_out": lost,
            "heat": max(missed - last_bits, 0.0) / max(whole, exchanged),
            "first_law": abs(dissipated - work) / max(whole, power),
        }

    def share(self) -> float | None:
        """Share of the step just solved at which the limit is passed; None if it is not."""
        past = self.highest - self.limit
        before = self.rise.old[0].x.array[: len(self.rise.owned)]
        if past <= LIMIT_SLACK:
            return None
        room = self.limit - self.zero - self._hottest(before)[0]
        if room <= 0.0:
            return None
        return min(max((room + 0.5 * LIMIT_SLACK) / (room + past), 0.05), 0.999)

    def _hottest(self, values: Array | None = None) -> tuple[float, list[float]]:
        """Largest rise, K, and where it is, m (collective); of the present iterate or `values`."""
        domain, rise = self.s.domain, self.rise.owned if values is None else values
        mine: tuple[float, list[float]] = (-np.inf, [])
        if len(rise):
            k = int(rise.argmax())
            place = domain.node_coordinates(self.rise.space)[k, : domain.dim]
            mine = float(rise[k]), place.tolist()
        return max(domain.comm.allgather(mine))

    def events(self) -> Iterator[Event]:
        """`overheated`, with its temperature and place."""
        if self.highest > self.limit:
            numbers = {"T_max": self.highest, "limit": self.limit, "place": self._hottest()[1]}
            yield Event("overheated", numbers, ends="run")

    def stuck(self) -> str | None:
        """Heat that has run away, where the last state is far too hot (collective)."""
        rise, place = self._hottest()
        T = self.zero + rise
        if not T - self.start > RUNAWAY_RISE:
            return None
        return (
            f"The heat runs away: T has reached {T:.4g} K at {shown_point(place)}. More is made "
            "than leaves; [heat] overheated ends such a run, with its result"
        )

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Temperatures at rest at the start; data that the highest one is too high for."""
        if self.settled and not closely:
            yield "heat.start", (
                "heat: the run begins with the temperatures at rest between boundaries at "
                f"{self.around[0]:g} and {self.around[-1]:g} K, not at {self.start:g} K everywhere"
            )
        if closely:
            for text in self.outside(self.zero + self._hottest()[0]):
                yield f"heat.{text}", text
