"""Growing metal on meshes made in the test: a small cell, stepped by hand, and what is seen of it.

i_n, and so every current, is negative while metal plates. Widths, heights and radii are given in
units of lambda where a name ends in no unit. Few values of lambda, kappa and sigma are used, since
each of them costs the compilation of a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.constants import FARADAY
from fem.compat import MPI, dmesh, owned_size
from fem.mesh.domain import Domain
from fem.physics.circuit.circuit import Circuit
from fem.physics.displacement import Displacement
from fem.physics.electrons.electrons import Electrons
from fem.physics.ions.ions import Ions, Medium
from fem.physics.ions.salt import Data, SaltLedger
from fem.physics.metal.covering import Barrier, Covering
from fem.physics.metal.crystal import Crystal
from fem.physics.metal.ledger import MetalLedger
from fem.physics.metal.metal import Counter, Film, Metal
from fem.run.start import hold
from fem.setup import kinetics
from fem.solver.options import Control, Options, Outcome
from fem.solver.stage import Stage
from fem.solver.stepper import Settings, Stepper
from fem.system.system import System
from fem.theory.salt import MONOVALENT, Salt
from tests.verification.books import Books
from tests.verification.cells import RT_F, T

V_M = 1.2998e-5  # m3/mol, Li (verification.md, "Transport")
PER_CHARGE = V_M / FARADAY  # m3/C
UM = 1e-6
EQUAL = 1e6  # S/m; an electrolyte without ohmic drop
KAPPA = 0.3  # S/m
ISOTROPIC = Crystal()
LOWEST, HIGHEST = -0.01, 1.01  # xi may not leave this range

Array = npt.NDArray[np.float64]
Place = Callable[[Array], Array]
PORE = ("electrolyte",)
FLOOR = (("collector", "electrolyte"),)
TOP = (("counter", "electrolyte"),)
HOST = (("host", "electrolyte"),)

# -- meshes ------------------------------------------------------------------------------------


def box(
    low: Sequence[float],
    high: Sequence[float],
    cells: Sequence[int],
    *,
    host: Place | None = None,
    bend: Callable[[Array], Array] | None = None,
    axisymmetric: bool = False,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Domain:
    """An interval, a rectangle (crossed triangles) or a box; collector below, counter above.

    Args:
        low: lowest corner, m.
        high: highest corner, m.
        cells: intervals, squares or cubes in each direction.
        host: where the region `host` is, by the middle of cells, (3, n) -> bool; elsewhere it is
            `electrolyte`.
        bend: moves the points, (n, 3) -> (n, 3), once boundaries and regions have their names.
        axisymmetric: x is a radius.
        comm: the ranks that share it.
    """
    dim, ghosts = len(low), dmesh.GhostMode.shared_facet
    corners = [np.asarray(low, dtype=float), np.asarray(high, dtype=float)]
    if dim == 1:
        mesh = dmesh.create_interval(comm, cells[0], [low[0], high[0]], ghost_mode=ghosts)
    elif dim == 2:
        mesh = dmesh.create_rectangle(
            comm, corners, list(cells), dmesh.CellType.triangle, ghost_mode=ghosts,
            diagonal=dmesh.DiagonalType.crossed,
        )  # fmt: skip
    else:
        kind = dmesh.CellType.tetrahedron
        mesh = dmesh.create_box(comm, corners, list(cells), kind, ghost_mode=ghosts)
    topology = mesh.topology
    topology.create_entities(dim - 1)
    topology.create_connectivity(dim - 1, dim)
    topology.create_connectivity(dim, dim - 1)
    index_map = topology.index_map(dim)
    here = np.arange(index_map.size_local + index_map.num_ghosts, dtype=np.int32)
    tags, regions = np.ones(len(here), dtype=np.int32), {"electrolyte": 1}
    if host is not None:
        tags[host(dmesh.compute_midpoints(mesh, dim, here).T)] = 2
        regions["host"] = 2

    def at(end: float) -> npt.NDArray[np.int32]:
        size = 1e-9 * (high[dim - 1] - low[dim - 1])
        facets: npt.NDArray[np.int32] = dmesh.locate_entities_boundary(
            mesh, dim - 1, lambda x: np.abs(x[dim - 1] - end) < size
        )
        return facets

    ends = at(low[dim - 1]), at(high[dim - 1])
    facets = np.concatenate(ends)
    values = np.repeat(np.array([1, 2], dtype=np.int32), [len(end) for end in ends])
    order = np.argsort(facets)
    if bend is not None:
        mesh.geometry.x[:] = bend(mesh.geometry.x)
    return Domain(
        mesh,
        dmesh.meshtags(mesh, dim, here, tags),
        dmesh.meshtags(mesh, dim - 1, facets[order], values[order]),
        regions,
        {"collector": 1, "counter": 2},
        axisymmetric,
        order=("host", "electrolyte"),
    )


def strip(height: float, h: float) -> Domain:
    """A strip of 4 h by `height`, m; its nodes are h apart along it."""
    return box((0, 0), (4 * h, height), (2, round(height / (2 * h))))


def quarter(side: float, h: float, *, axisymmetric: bool = False) -> Domain:
    """A square with a corner at the origin, m; nodes h apart."""
    n = round(side / (2 * h))
    return box((0, 0), (side, side), (n, n), axisymmetric=axisymmetric)


# -- laws and profiles -------------------------------------------------------------------------


def bulk(i0: float) -> Callable[..., Array]:
    """Metal on metal, alpha = 1/2; i0 in A/m2."""

    def law(eta: Array, c: Array, T: Array | float, share: Array | float = 1.0) -> Array:
        return np.asarray(kinetics.butler_volmer(eta, share * i0, 0.5, 0.5, T))

    return law


def film(i0: float, eta_nuc: float = 0.0, *, walls: Any = (), faces: Any = ()) -> Film:
    """A wall that metal covers from eta_nuc, V, on."""

    def law(eta: Array, c: Array, T: Array | float) -> Array:
        return np.minimum(kinetics.butler_volmer(eta + eta_nuc, i0, 0.5, 0.5, T), 0.0)

    return Film("film", lambda points: law, walls, faces)


def density(eta: float, i0: float = 10.0) -> float:
    """i_n of `bulk`, A/m2."""
    return 2 * i0 * float(np.sinh(0.5 * eta / RT_F))


def speed(i_n: float) -> float:
    """Speed of a flat front, m/s; positive plates."""
    return -i_n * PER_CHARGE


def profile(distance: Array, width: float) -> Array:
    """Resting front; distance is positive outside the metal, both m."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip(distance / width, -60.0, 60.0))))


def ball(radius: float, width: float, centre: Sequence[float] = ()) -> Place:
    """xi of a cylinder or sphere at rest, m."""
    at = np.zeros((3, 1))
    at[: len(centre), 0] = centre
    return lambda x: profile(np.linalg.norm(x - at, axis=0) - radius, width)


def layer(height: float, width: float) -> Place:
    """xi of a flat layer on the collector, m."""
    return lambda x: profile(x[1] - height, width)


# -- the cell ----------------------------------------------------------------------------------


class Growth:
    """Electrons, ions and metal on a domain, in the stages of a growth study.

    Args:
        domain: its pores are `electrolyte`; `host` conducts as the metal does.
        metal_at: points (3, n) -> xi at the start; None: bare.
        width: lambda, m.
        scale: current that residuals are compared with, A (2D: A/m).
        i0: of metal on metal, A/m2.
        kappa: S/m.
        sigma: of metal and host over kappa.
        gamma: surface energy, J/m2.
        mobility: M over the largest front speed.
        films: surfaces that metal covers.
        angle: contact angle at the collector, degrees.
        crystal: of the metal.
        collector: False: all metal floats.
        counter: exchange current density of a counter electrode of metal, A/m2; None: phi_l = 0.
        t_plus: of c; None: no salt is solved for.
        formula: charges of the salt's ions.
        displaced: metal displaces electrolyte, and the salt in it.
        ion_volume: of the metal's ion over that of the metal.
        kind: of solver. rtol: of the solver.
        guests: further physics, declared last.
    """

    def __init__(
        self,
        domain: Domain,
        metal_at: Place | None,
        *,
        width: float,
        scale: float,
        i0: float = 10.0,
        kappa: float = EQUAL,
        sigma: float = 100.0,
        gamma: float = 0.0,
        mobility: float = 2.0,
        films: Sequence[Film] = (),
        barriers: Sequence[Barrier] = (),
        angle: float | None = None,
        crystal: Crystal = ISOTROPIC,
        collector: bool = True,
        counter: float | None = None,
        t_plus: Callable[[Any], Any] | None = None,
        formula: Salt = MONOVALENT,
        displaced: bool = True,
        ion_volume: float = 0.0,
        kind: str = "direct",
        rtol: float = 1e-11,
        guests: Sequence[Any] = (),
    ):
        self.domain, self.width, self.scale = domain, width, scale
        self.s = s = System(domain, T)
        conductors: dict[tuple[str, ...], Any] = {PORE: "sigma_pore"}
        if "host" in domain.regions:
            conductors[("host",)] = sigma * kappa
        medium = Medium(
            PORE,
            kappa=lambda c, T: kappa,
            D=lambda c, T: 3e-10,
            t_plus=lambda c, T: 1.0 if t_plus is None else t_plus(c),
            thermodynamic_factor=lambda c, T: 1.0,
            porosity="pore",
        )
        self.electrons = Electrons(conductors, collector="collector" if collector else None)
        held = {"counter": 0.0} if counter is None else {}
        self.ions = Ions((medium,), formula, frozen=t_plus is None, fixed_potential=held)
        cosines = {} if angle is None else {FLOOR[0]: float(np.cos(np.deg2rad(angle)))}
        self.metal = Metal(
            PORE, bulk(i0), V_M, width, sigma=sigma * kappa, sigma_floor=1e-8 * kappa,
            surface_energy=gamma, mobility=mobility, films=tuple(films), cos_contact=cosines,
            crystal=crystal, z=formula.z,
        )  # fmt: skip
        self.covering = Covering(self.metal, tuple(barriers))
        physics: list[Any] = [self.electrons, self.ions, self.metal, self.covering]
        if displaced and t_plus is not None:
            physics.append(Displacement(self.ions, self.metal, ion_volume))
        if counter is not None:
            physics.append(Counter(bulk(counter), TOP))
        physics += guests
        self.physics = physics
        for p in physics:
            p.declare(s)
        for p in physics:
            p.rows(s)
        self.xi = s.unknowns["xi"]
        if metal_at is not None:
            self.xi.value.interpolate(metal_at)
        s.remember()
        s.close()
        options = Options(kind=kind, rtol=rtol)
        self.stages = tuple(
            Stage(s, rows, options, drives=k == 0) for k, rows in enumerate(s.plan())
        )
        self.start = self.stages[0] if t_plus is None else Stage(s, ("phi_s", "phi_l"), options)
        self.outcomes: list[Outcome] = []
        self.travel = 0.0  # largest change of xi in the last step
        self.low, self.high = self.range

    # -- time ----------------------------------------------------------------------------------

    def rest(self, current: float | None = None, voltage: float | None = None) -> None:
        """Potentials that fit the metal, at a current (A) or a voltage (V); time stands still."""
        s = self.s
        if voltage is not None:
            s.set_voltage(voltage)
        s.begin(0.0)
        outcome = self.start.solve(Control(current), self.scale)
        assert outcome.converged, outcome
        hold(self.start)

    def solve(self, dt: float, current: float | None = None) -> None:
        """All stages of a step, not yet accepted."""
        self.s.begin(dt)
        self.outcomes = [stage.solve(Control(current), self.scale) for stage in self.stages]
        assert all(o.converged for o in self.outcomes), self.outcomes
        self.see()

    def see(self) -> None:
        """Note how far xi went, and what it reached."""
        change = np.abs(self.xi.value.x.array - self.xi.old[0].x.array).max(initial=0.0)
        self.travel = self.domain.comm.allreduce(float(change), op=MPI.MAX)
        low, high = self.range
        self.low, self.high = min(self.low, low), max(self.high, high)

    def step(self, dt: float, current: float | None = None) -> None:
        """One step of a given size, s."""
        self.solve(dt, current)
        self.s.accept()

    def march(self, time: float, dt: float, current: float | None = None) -> None:
        """Even steps of at most dt; the first is cut in three, as its formula is of first order."""
        n = max(int(np.ceil(time / dt - 1e-9)), 1)
        for share in (0.1, 0.3, 0.6, *[1.0] * (n - 1)):
            self.step(share * time / n, current)

    def stepper(self, dt0: float, tolerance: float) -> Stepper:
        """Adaptive steps, as a run takes them."""
        return Stepper(self.s, self.stages, Settings(dt0, 1e-9 * dt0, tolerance=tolerance))

    # -- what is seen --------------------------------------------------------------------------

    @property
    def current(self) -> float:
        """Current of all reactions that the collector feeds, A (2D: A/m; collective)."""
        return float(sum(t.total() for t in self.s.reactions if t.drives))

    @property
    def nodal_volumes(self) -> Array:
        """Volume of every owned node, m3 (2D: m2), once a step has begun."""
        return np.asarray(self.s["front"].volume)

    @property
    def volume(self) -> float:
        """Volume of the metal, m3 (2D: m2; collective), by a separate integral."""
        weight, dx = self.domain.node_weight(PORE), self.domain.dx(PORE, lumped=True)
        return self.s.integral(self.s.form(self.s["xi"] * weight * dx))

    @property
    def salt(self) -> float:
        """Salt in the pores, mol (2D: mol/m; collective)."""
        stored, weight, dx = self.ions.media[0].stored(self.s)
        return self.s.integral(self.s.form(stored * weight * dx))

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest xi (collective)."""
        values, comm = self.xi.owned, self.domain.comm
        low = comm.allreduce(float(values.min(initial=np.inf)), op=MPI.MIN)
        return low, comm.allreduce(float(values.max(initial=-np.inf)), op=MPI.MAX)

    @property
    def bounded(self) -> bool:
        """xi has never left its range."""
        return LOWEST <= self.low and self.high <= HIGHEST

    def books(self) -> Books:
        """The measurements of a run."""
        parts = Circuit(), SaltLedger(self.ions, Data()), MetalLedger(self.metal)
        return Books.opened(self.s, *parts)

    def contour(self) -> Array:
        """Points where edges cross xi = 1/2, linear in ln(xi/(1 - xi)), shape (n, 3); one rank."""
        xi = np.clip(self.xi.value.x.array, 1e-12, 1 - 1e-12)
        psi, x = np.log(xi / (1 - xi)), self.xi.space.tabulate_dof_coordinates()
        cells = self.xi.space.dofmap.list
        corners = range(cells.shape[1])
        edges = np.concatenate([cells[:, [a, b]] for a in corners for b in range(a)])
        edges = np.unique(np.sort(edges, axis=1), axis=0)
        i, j = edges[(psi[edges[:, 0]] > 0.0) != (psi[edges[:, 1]] > 0.0)].T
        share = psi[i] / (psi[i] - psi[j])
        return np.asarray(x[i] + share[:, None] * (x[j] - x[i]))

    def radius(self) -> float:
        """Mean distance of the contour from the origin, m."""
        return float(np.linalg.norm(self.contour(), axis=1).mean())

    def height(self) -> float:
        """Mean height of the contour, m."""
        return float(self.contour()[:, 1].mean())

    def values(self, name: str) -> Array:
        """An unknown at the owned nodes of xi; phi_s with the cell voltage."""
        u, space = self.s.unknowns[name], self.xi.space
        same = self.domain.same_nodes(space, self.xi.part, u.space, u.part)[: owned_size(space)]
        found = u.value.x.array[same]
        return np.asarray(found + self.s.get_voltage() if name == "phi_s" else found)


class Ledger:
    """Charge through collector and counter against metal, salt against its start.

    Currents come from the residuals of phi_s and phi_l at the two boundaries, never from xi or from
    what is imposed, and are integrated by the formula of the fields. Salt that liquid takes out is
    counted from the current of each node of the counter electrode, times c there; what comes in
    has the mean of what has left, as far as that goes.
    """

    def __init__(self, growth: Growth):
        self.growth = g = growth
        self.charge = {name: np.zeros(2) for name in ("collector", "counter")}
        self.absolute, self.metal, self.salt = 0.0, g.volume, g.salt if self._salty else 0.0
        self.charge |= {"salt": np.zeros(2), "liquid": np.zeros(2)}
        u = g.s.unknowns["phi_l"]
        nodes = g.domain.nodes_on(u.space, u.part, faces=TOP)
        self.top = nodes[nodes < owned_size(u.space)]
        self.gaps = dict.fromkeys(("collector", "counter", "balance", "salt"), 0.0)

    @property
    def _salty(self) -> bool:
        return "c" in self.growth.s.unknowns

    def currents(self) -> dict[str, float]:
        """Currents through both boundaries, A, sign of i_n, from the rows as solved; one rank."""
        g = self.growth
        stage = g.stages[0]
        counter = stage.raw["phi_l"][self.top].sum()
        # Its reaction is no part of the raw row.
        counter += sum(t.total() for t in g.s.reactions if t.name == "counter")
        return {
            "collector": stage.system.held_currents("phi_s")["collector"],
            "counter": -float(counter),
        }

    def leaves(self) -> tuple[float, float]:
        """Salt, mol/s, and liquid, m3/s, that the counter electrode makes room for; one rank."""
        g = self.growth
        if not any(isinstance(p, Displacement) for p in g.physics):
            return 0.0, 0.0
        c, phi = (g.s.unknowns[name] for name in ("c", "phi_l"))
        current = np.zeros(owned_size(phi.space))
        current[self.top] = g.stages[0].raw["phi_l"][self.top]
        # As much passes what floats as current does.
        for t in (t for t in g.s.reactions if t.name in ("counter", "metal that floats")):
            np.add.at(current, t.nodes["phi_l"], t.current())
        same = g.domain.same_nodes(c.space, c.part, phi.space, phi.part)[: owned_size(c.space)]
        lagged = g.s["c_lagged"].x.array[: len(same)]
        flow = current[same] / g.metal.charge_density
        store, drawn = self.charge["liquid"][0], -flow[flow < 0.0].sum() * g.s.dt
        if store > 0.0 and drawn > 0.0:
            share, inside = min(1.0, store / drawn), self.charge["salt"][0] / store
            lagged = np.where(flow < 0.0, share * inside + (1.0 - share) * lagged, lagged)
        return float(lagged @ flow), float(flow.sum())

    def add(self) -> None:
        """Take in the step just solved; call before it is accepted."""
        g, s = self.growth, self.growth.s
        i = self.currents()
        now = {name: s.time.integrate(i[name], self.charge[name]) for name in i}
        out = self.leaves() if self._salty else (0.0, 0.0)
        for name, rate in zip(("salt", "liquid"), out, strict=True):
            now[name] = s.time.integrate(rate, self.charge[name])
        self.absolute += abs(i["collector"]) * s.dt
        film = 1e-3 * g.width * g.domain.area("collector") * g.metal.charge_density
        metal = (g.volume - self.metal) * g.metal.charge_density
        for name in i:
            self._widen(name, (now[name] + metal) / max(self.absolute, film))
        self._widen("balance", (i["collector"] - i["counter"]) / abs(i["collector"]))
        if self._salty:
            self._widen("salt", (g.salt + now["salt"]) / self.salt - 1)
        self._now = now

    def _widen(self, name: str, gap: float) -> None:
        self.gaps[name] = max(self.gaps[name], abs(gap))

    def accept(self) -> None:
        """The step has been accepted."""
        for name, history in self.charge.items():
            history[1], history[0] = history[0], self._now[name]
