r"""Averaged hosts: pores, metal and skeleton on the same cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import CaseError
from fem.compat import MPI, dfem, owned_size
from fem.mesh.domain import Subdomain
from fem.mesh.spaces import space_on
from fem.physics.averaged.hosts import Host, at
from fem.physics.averaged.places import Place, impossible
from fem.physics.averaged.reaction import PoreKinetics, PoreReaction
from fem.physics.averaged.smoothing import Smoothing
from fem.physics.averaged.table import few_pores, too_thin
from fem.system.ports import NodalSource
from fem.system.system import System

__all__ = ["Averaged"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

#: Typical change of a volume share, for error control.
TYPICAL = 0.1
#: Largest change of it in one step.
MAX_CHANGE = 0.05
#: Live metal that the formula of a step may remember as less than none, per volume.
MOST_OWED = 1e-7


@dataclass
class Averaged:
    r"""Porous hosts as volume averages, whose pores metal fills.

        eps + eps_host + eps_m = 1,       (zF/V_m) d eps_m/dt + a_s i_n = 0
        div i_l = a_s i_n,  i_l = -kappa_eff grad phi_l + ...
        div i_s = -a_s i_n,  i_s = -sigma_eff grad phi_s
        d(eps c)/dt + div(N_an + c u) = 0,       kappa_eff, D_eff = (kappa, D) eps/tau

    Weak: (a_s i_n, v) enters the rows of phi_s and of eps_m, its negative that of phi_l, lumped at
    nodes (`fem.physics.averaged.reaction`). Ohm's law and the salt are those of electrons and ions,
    which find here what is left of pores (`pore`, `room`), of kappa and D (`pore_share`), and what
    conducts electrons (`sigma_pore`).

    In a step area, conductivities and barrier are those of the metal foreseen; the metal itself
    follows from the current just found, and then the salt settles with the pores that are left, so
    that charge, metal and salt close to round-off.

    Attributes:
        hosts: the regions.
        charge_density: of the metal, zF/V_m, C/m3.
        initial_charge: metal on all surfaces at the start, C/m2.
        followed: metal is followed; without it stays as it is.
        tensors: tortuosity of regions that are not the same in all directions.
    """

    hosts: tuple[Host, ...]
    charge_density: float
    initial_charge: float = 0.0
    followed: bool = True
    tensors: Mapping[str, Array] = field(default_factory=dict)

    needs: tuple[str, ...] = ("phi_s", "phi_l", "c_lagged")

    @property
    def provides(self) -> tuple[str, ...]:
        """Names that it defines."""
        return ("eps_m", "pore", "pore_lagged", "pore_share", "pore_surfaces", "room",
                "sigma_pore")

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the hosts."""
        return tuple(host.name for host in self.hosts)

    # -- declaration ---------------------------------------------------------------------------

    def declare(self, s: System) -> None:
        """Add the metal, and the names through which it changes pores and conductivity."""
        self.s, self.comm = s, s.domain.comm
        part = self.part = s.domain.subdomain(self.regions)
        if self.followed:
            s.slot("filled", after=("cell",))
            names = ["eps_m"]
            if any(host.dead for host in self.hosts):
                names.append("eps_dead")
            for name in names:
                u = s.add(name, part, differential=True, scale=TYPICAL, slot="filled",
                          solver="diagonal")
                u.largest_change = MAX_CHANGE
        else:
            s.memory("eps_m", part)
        self.metal = s.function("eps_m")
        self.dead = s.function("eps_dead")
        space = self.metal.function_space
        corner = space_on(part.mesh, ("DG", 1))
        self.pores = dfem.Function(corner, name="eps0")  # without metal
        self.open = self._open(part, corner)
        self.sigma = dfem.Function(corner, name="sigma_pore")
        left = self.pores - self.metal
        for name, value in (("room", left), ("pore", left), ("pore_lagged", left),
                            ("pore_share", self.open), ("sigma_pore", self.sigma)):
            s.define(name, value, part)
        for name in ("eps", "i_v", "a_s"):
            s.memory(name, part)
        self.space = space
        self._places(space, corner)
        if self.followed and "c" in s.unknowns:
            # As with growing metal: potentials with the salt of the same time, then the salt with
            # the pores that are left; what laws see of it is foreseen.
            s.slot("settled", after=("filled",))
            s.again("c", slot="settled")
            s["ions"].foresee(s)
            s.foreseen.append(s["c_lagged"].x.array)
        s.foreseen += [self.open.x.array, self.sigma.x.array]
        s.define("pore_surfaces", {place.host.name: place for place in self.places})
        s.reports.stores.append(self)
        if self.followed:
            s.limits.append(self._owes)

    def _open(self, part: Subdomain, corner: Any) -> Any:
        """Field of kappa_eff/kappa; a tensor if any host has one."""
        if not self.tensors:
            return dfem.Function(corner, name="pore_share")
        shape = (self.s.domain.dim,) * 2
        return dfem.Function(space_on(part.mesh, ("DG", 1, shape)), name="pore_share")

    def _places(self, space: Any, corner: Any) -> None:
        """Numbers of every host at its nodes and corners, and the metal of the start."""
        self.work, n = dfem.Function(space), owned_size(space)
        self.places = [self._place(host, space, corner) for host in self.hosts]
        points = space.tabulate_dof_coordinates()
        start, filled = np.zeros((2, len(self.metal.x.array)))
        for place in self.places:
            here, host = place.nodes, place.host
            self.pores.x.array[place.corners] = place.given_corners.pores
            metal = host.start(self.s.domain.places(points[here]), len(here))[2]
            if self.initial_charge and host.entry.metal is None:
                area = host.area(place.given.pores, place.given)
                metal = metal + self.initial_charge / self.charge_density * area
            start[here] += place.volume * metal
            filled[here] += place.volume
        self.volume = filled[:n]
        self.metal.x.array[:n] = start[:n] / np.where(self.volume > 0.0, self.volume, 1.0)
        self.metal.x.scatter_forward()
        self._check_sizes()
        capacity = sum(float(p.volume @ p.given.pores) for p in self.places)
        self.capacity = self.comm.allreduce(capacity, op=MPI.SUM)
        self.update()

    def _place(self, host: Host, space: Any, corner: Any) -> Place:
        """Numbers of one host at its nodes and at the corners of its cells (collective)."""
        s, domain, part = self.s, self.s.domain, self.part
        weight, measure = domain.node_weight([host.name]), domain.dx([host.name], lumped=True)
        volume = s.nodal(s.form(ufl.TestFunction(space) * weight * measure))
        here = np.flatnonzero(volume > 0.0).astype(np.int32)
        cells = np.flatnonzero(domain.in_regions([host.name])[part.cells]).astype(np.int32)
        own = cells[cells < part.mesh.topology.index_map(domain.dim).size_local]
        sizes = dfem.assemble_vector(s.form(ufl.TestFunction(corner) * weight * measure)).array
        corners, at_corner = corner.dofmap.list, corner.tabulate_dof_coordinates()
        count = corners[cells].size
        where = domain.places(at_corner[corners[cells].ravel()])
        places = domain.places(space.tabulate_dof_coordinates()[here])
        given_corners = host.given(where, count)
        return Place(
            host=host,
            part=part,
            metal=self.metal,
            nodes=here,
            volume=volume[here],
            corners=corners[cells].ravel(),
            corner_nodes=space.dofmap.list[cells].ravel(),
            cells=cells,
            size=sizes[corners[own].ravel()],
            points=at_corner[corners[own]],
            given=host.given(places, len(here)),
            given_corners=given_corners,
            tau=host.tau(given_corners.pores, where),
            skeleton=at(host.sigma, where, count, host.T),
            kinetics=PoreKinetics(
                host.free(places), host.barrier(places, len(here)), host.reaction.q_cov,
                host.entry.spread, host.reaction.film_resistance,
            ),
        )

    def _check_sizes(self) -> None:
        """Volumes add up, and a layer is an average of many pores (collective).

        Raises:
            CaseError: what does not, in which region.
        """
        wrong = []
        self.thin: list[str] = []
        for place in self.places:
            path, given = f"averaged.regions.{place.host.name}", place.given_corners
            if why := impossible(place, self.largest):
                wrong.append(f"{path}{why}")
                continue
            nodes = self.space.tabulate_dof_coordinates()[place.nodes]
            height = self.s.domain.along(nodes)
            thick = self.largest(height) + self.largest(-height)
            apart = self.largest(place.host.distance(given))
            wrong += filter(None, [too_thin(place.host.name, thick, apart)])
            self.thin += filter(None, [few_pores(place.host.name, thick, apart)])
        if wrong:
            raise CaseError("\n".join(wrong))

    def largest(self, values: Array) -> float:
        """Largest value on all ranks (collective)."""
        return self.comm.allreduce(float(np.max(values, initial=-np.inf)), op=MPI.MAX)

    # -- rows ----------------------------------------------------------------------------------

    def rows(self, s: System) -> None:
        """Storage of metal, and the reaction at the nodes of every host."""
        domain = s.domain
        if self.followed:
            lumped, weight = domain.dx(self.regions, lumped=True), domain.node_weight(self.regions)
            for name in ("eps_m", "eps_dead"):
                if name in s.unknowns:
                    stored = s.ddt(s[name]) * s.test(name) * weight
                    s.row(name, self.charge_density * stored * lumped)
            self._decay(s, weight)
        for place in self.places:
            self._react(s, place)
        self.barriers = any(p.kinetics.barrier.any() for p in self.places)
        self.anywhere = domain.comm.allreduce(self.barriers, op=MPI.LOR)
        self.smoothing = self._smoothing(s) if self.anywhere and self.followed else None
        s.preparers.append(self._prepare)
        s.reports.flow("cell", lambda: sum(place.reaction.total() for place in self.places))
        if any(place.kinetics.skin is not None for place in self.places):
            s.reports.flow("side", self._beside)

    def _beside(self) -> float:
        """Current that films take, which makes no metal, A (collective)."""
        local = sum(float((p.reaction.current() - p.reaction.metal()).sum()) for p in self.places)
        return self.comm.allreduce(local, op=MPI.SUM)

    def _decay(self, s: System, weight: Any) -> None:
        """Live metal that dies by itself, in the row of dead metal."""
        rates = {h.name: h.dead.gamma or 0.0 for h in self.hosts
                 if h.dead is not None and h.dead.law == "decay"}
        if rates:
            gamma, dx = s.domain.field(rates, "gamma"), s.domain.dx([*rates], lumped=True)
            live, v = s["eps_m"] - s["eps_dead"], s.test("eps_dead")
            s.row("eps_dead", -self.charge_density * gamma * live * v * weight * dx)

    def _react(self, s: System, place: Place) -> None:
        host = place.host
        nodes: dict[str, Ints] = {"eps_m": place.nodes} if "eps_m" in s.unknowns else {}
        for other in (n for n in ("phi_s", "phi_l", "c", "T") if n in s.fields):
            nodes[other] = s.same_nodes("eps_m", other)[place.nodes]
        rows = {"phi_s": 1.0, "phi_l": -1.0} | ({"eps_m": 1.0} if self.followed else {})
        kinetics = place.kinetics
        if (skin := kinetics.skin) is not None and skin.row:
            nodes[skin.row], rows[skin.row] = skin.nodes, 1.0
        place.reaction = PoreReaction(
            s, host.name, kinetics.density, nodes, rows, np.zeros(len(place.nodes)),
            barrier=np.zeros(len(place.nodes)), kinetics=kinetics,
        )
        s.foreseen += [place.reaction.area, place.reaction.barrier, kinetics.lagged, kinetics.held,
                       kinetics.gain, kinetics.closed]
        s.reports.spend_at_nodes(place.reaction)
        s.reactions.append(place.reaction)
        if host.dead is not None and host.dead.law == "fraction" and "eps_dead" in s.unknowns:
            reaction, chi = place.reaction, host.dead.chi or 0.0
            s.reactions.append(NodalSource(
                f"{host.name}, stranded", "eps_dead", {"eps_dead": place.nodes},
                lambda: chi * np.maximum(reaction.metal(), 0.0),
            ))

    def _smoothing(self, s: System) -> Smoothing | None:
        """The operator of the nucleation length; None if all are 0."""
        length = dfem.Function(self.pores.function_space, name="nucleation_length")
        for place in self.places:
            length.x.array[place.corners] = place.host.length(place.given_corners)
        largest = self.comm.allreduce(float(length.x.array.max(initial=0.0)), op=MPI.MAX)
        if largest == 0.0:
            return None
        return Smoothing(s, self.space, length, self.volume, self.regions)

    # -- the state foreseen --------------------------------------------------------------------

    def update(self) -> None:
        """Conductivities of all cells from the metal at the nodes."""
        for place in self.places:
            host, pores = place.host, place.given_corners.pores
            here = self.metal.x.array[place.corner_nodes]
            eps = np.maximum(place.open_corners(), 0.0)
            share = host.open(eps, pores, place.tau)
            if self.tensors:
                dim = self.s.domain.dim
                inverse = np.linalg.inv(self.tensors.get(host.name, np.eye(dim)))
                whole = share[:, None, None] * inverse
                self.open.x.array.reshape(-1, dim, dim)[place.corners] = whole
            else:
                self.open.x.array[place.corners] = share
            self.sigma.x.array[place.corners] = host.conducts(place.skeleton, here)

    def _prepare(self) -> None:
        """Area, conductivities and barrier of the metal foreseen, before a step (collective)."""
        s = self.s
        self.update()
        live = self.metal.x.array if self.dead is None else self.metal.x.array - self.dead.x.array
        old = self._old()
        now, then, before = s.time.weights(s.dt)
        for place in self.places:
            host, kinetics, nodes = place.host, place.kinetics, place.nodes
            place.reaction.area[:] = place.area()
            a_s = place.reaction.area / place.volume
            self.closable(place)
            size = np.where(a_s > 0.0, a_s, 1.0)
            chi, gamma = 0.0, 0.0
            kinetics.gain[:] = 0.0
            if host.dead is not None:
                chi, gamma = host.dead.chi or 0.0, host.dead.gamma or 0.0
            charge = old[0][nodes]
            if self.followed and now > 0.0:
                charge = (-then * old[0][nodes] - before * old[1][nodes]) / (now + gamma)
                kinetics.gain[:] = (1.0 + chi) / (now + gamma)
            kinetics.held[:] = self.charge_density * charge / size
            kinetics.lagged[:] = 0.0
        if self.barriers or self.smoothing is not None:
            self._forget(live)
        for place in self.places:
            place.reaction.barrier[:] = place.kinetics.left

    def _owes(self) -> bool:
        """The formula remembers less than no live metal somewhere (collective).

        So it is with BDF2 where metal fell to less than a quarter in a step of the same length;
        with BDF1 no step takes more than there is.
        """
        (old, older), (_, then, before) = self._old(), self.s.time.weights(self.s.dt)
        owed = (then * old + before * older) * self.s.dt
        return self.largest(owed[: len(self.volume)]) > MOST_OWED

    def _old(self) -> tuple[Array, Array]:
        """Live metal of the last two states."""
        if not self.followed:
            return self.metal.x.array, self.metal.x.array
        found = []
        for k in (0, 1):
            values = self.s.unknowns["eps_m"].old[k].x.array
            if self.dead is not None:
                values = values - self.s.unknowns["eps_dead"].old[k].x.array
            found.append(values)
        return found[0], found[1]

    def _forget(self, live: Array) -> None:
        """Smoothed coverage, by which the barrier is forgotten (collective)."""
        covered = np.zeros(len(self.volume))
        for place in self.places:
            area = np.where(place.reaction.area > 0.0, place.reaction.area / place.volume, np.inf)
            q = self.charge_density * np.maximum(live[place.nodes], 0.0) / area
            share = -np.expm1(-q / place.kinetics.q_cov)
            covered[place.nodes] += place.volume * share
        covered /= np.where(self.volume > 0.0, self.volume, 1.0)
        if self.smoothing is not None:
            covered = np.clip(self.smoothing(covered), 0.0, 1.0)
        for place in self.places:
            place.kinetics.lagged[:] = covered[place.nodes]

    def closable(self, place: Place) -> None:
        """Note which nodes take no more metal."""
        limit = place.host.entry.clog.porosity
        was = place.pores(self._whole_old())
        place.kinetics.closed[:] = was <= limit if self.followed else False

    def _whole_old(self) -> Array:
        """All metal of the last state."""
        return self.s.unknowns["eps_m"].old[0].x.array if self.followed else self.metal.x.array

    # -- metal for the books -------------------------------------------------------------------

    def amount(self, values: Array) -> float:
        """Volume of a share of the volume at nodes, m3 (2D: m2; collective)."""
        local = float(self.volume @ values[: len(self.volume)])
        return self.comm.allreduce(local, op=MPI.SUM)

    def filled(self) -> float:
        """Share of the empty hosts' pores that metal fills (collective)."""
        return self.amount(self.metal.x.array) / self.capacity

    def plated(self) -> float:
        """Charge of all metal in the pores, C (2D: C/m; collective)."""
        return self.charge_density * self.amount(self.metal.x.array)

    def stranded(self) -> float:
        """Charge of the dead part of it, C (collective)."""
        return 0.0 if self.dead is None else self.charge_density * self.amount(self.dead.x.array)

    def live(self) -> float:
        """Charge of the metal that can be stripped, C (collective)."""
        return self.plated() - self.stranded()

    def moved(self) -> float:
        """Charge of the metal that came or went at each place in this step, C (collective)."""
        if not self.followed:
            return 0.0
        return self.charge_density * self.amount(np.abs(self.metal.x.array - self._whole_old()))

    def by_region(self) -> Mapping[str, Mapping[str, float]]:
        """Current, A, and reacting area, m2, of every host (collective)."""
        out = {}
        for place in self.places:
            reaction = place.reaction
            area = self.comm.allreduce(float(reaction.area.sum()), op=MPI.SUM)
            out[place.host.name] = {"current": reaction.total(), "area": area}
        return out

    def spread(self) -> tuple[Array, Array]:
        """Corners of this rank's cells with their share of current, A, area, m2, and metal, C."""
        points, parts = [], []
        for place in self.places:
            density = [self._at_corners(place, values) for values in (
                place.reaction.current() / place.volume, place.reaction.area / place.volume)]
            metal = self.charge_density * self.metal.x.array[place.corner_nodes[: len(place.size)]]
            points.append(place.points)
            parts.append(place.size * np.stack([*density, metal]))
        x = np.concatenate(points)
        return x, np.concatenate(parts, axis=1).reshape(3, *x.shape[:2])

    def _at_corners(self, place: Place, values: Array) -> Array:
        """Values of a host's nodes at the corners of its owned cells (collective)."""
        self.work.x.array[:] = 0.0
        self.work.x.array[place.nodes] = values
        self.work.x.scatter_forward()
        return np.asarray(self.work.x.array[place.corner_nodes[: len(place.size)]])
