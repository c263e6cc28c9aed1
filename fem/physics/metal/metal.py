r"""Metal that grows and dissolves in the pores of a host: the phase field xi.

Two potentials, one front. phi_s and phi_l both live in the pores; the metal, xi = 1, carries
electrons, the electrolyte, xi = 0, carries ions, and they meet where xi changes. What the front
looks like never decides how much metal there is: the reaction moves charge and metal together, and
the relaxation that keeps the profile moves metal along but makes none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.constants import FARADAY
from fem.compat import MPI, owned_size
from fem.physics.metal.contact import Contact
from fem.physics.metal.crystal import Crystal
from fem.physics.metal.front import Front
from fem.physics.metal.remains import Remains
from fem.physics.metal.voids import Voids
from fem.setup.media import Dissolved
from fem.system.nodal import NodalReaction
from fem.system.system import System
from fem.values.expressions import is_ufl

__all__ = ["Counter", "Film", "Metal"]

#: Share of the electrolyte's conductivity, diffusivity and volume that is left inside the metal.
PORE_FLOOR = 1e-6
#: Value of xi below which there is no path for electrons.
TAIL_XI = 2e-4
#: Share of the largest nodal front area above which a node counts in the search for the fastest.
MIN_AREA_SHARE = 0.05

Array = npt.NDArray[np.float64]
Law = Callable[[Array, Array, Any], Array]
Pair = tuple[str, str]
#: A reaction, and the wall area at its nodes.
Sized = tuple[NodalReaction, Array]
#: Sign of a current in the rows: with metal that it makes, and without.
MAKES_METAL = {"xi": 1.0, "phi_s": 1.0, "phi_l": -1.0}
PASSES_CURRENT = {"phi_s": 1.0, "phi_l": -1.0}


@dataclass(frozen=True)
class Film:
    """A surface that metal covers from the first atom on.

    Attributes:
        name: of the surface.
        law: points (n, 3) -> (eta, c, T) -> i_n on the wall, A/m2, eta_nuc included.
        walls: (solid, pore) pairs.
        faces: (boundary, pore) pairs, for a foil behind the mesh.
        resistance: of the film that the law looks through, ohm m2.
        barrier: points (n, 3) -> eta_nuc in the law, V; None without any.
    """

    name: str
    law: Callable[[Array], Law]
    walls: tuple[Pair, ...] = ()
    faces: tuple[Pair, ...] = ()
    resistance: float = 0.0
    barrier: Callable[[Array], Any] | None = None


@dataclass(frozen=True)
class Counter:
    """The counter electrode: metal at ground behind a boundary of the electrolyte.

    Attributes:
        law: (eta, c, T) -> i_n, A/m2.
        faces: (boundary, region) pairs.
        resistance: of the film that the law looks through, ohm m2.
    """

    law: Law
    faces: tuple[Pair, ...]
    resistance: float = 0.0
    needs: tuple[str, ...] = ("phi_l", "c_lagged")
    provides: tuple[str, ...] = ()

    def declare(self, s: System) -> None:
        """Declare nothing."""

    def rows(self, s: System) -> None:
        """Reaction current into the electrolyte."""
        v = ufl.TestFunction(s.unknowns["phi_l"].space)
        area = s.domain.integral_on((), self.faces, v)
        reaction = nodal(s, "counter", "phi_l", s.nodal(s.form(area)), self.law, {"phi_l": -1.0},
                         drives=False, sees=("phi_l", "c", "T"), film=self.resistance)
        s.reactions.append(reaction)
        s.reports.flow("counter", reaction.total)


@dataclass(frozen=True)
class Metal:
    r"""Plated metal as a phase field with conservative relaxation.

        Strong:  dxi/dt + div q = r,     r = v |grad xi|,     v = -i_n V_m/(zF)
                 q = -M [ lambda (1 + s) grad xi - xi (1 - xi) nhat ]
                 div( sigma grad phi_s ) = div i_l = -(zF/V_m) r
                 d[(1 - xi) c]/dt + div N_an - div(c q) = 0
        Walls:   -q.n = (1 - xi) i_w V_m/(zF): a film wall plates until metal covers it
        Weak:    zF/V_m [ (dxi/dt, w) - (q, grad w) ] + (i_n |grad xi|, w) - <(1 - xi) i_w, w> = 0
                 (i_n |grad xi|, v_s) - <(1 - xi) i_w, v_s>  enters phi_s, its negative phi_l   [A]

    A conductor that floats at the start, and so far beyond eta_nuc, would take its potential from
    what leaks through empty pores. As in the other studies a side reaction gives it one
    (`kinetics.side_reaction`): i_side (1 - xi) on its walls, in the rows of the potentials only.

    s is zero but where a step would push xi out of [0, 1] (`Front.spill`).
    |grad xi| = nhat.grad xi, nhat and the curvature K are those of the extrapolated front
    (`fem.physics.metal.front`), so that the reaction is one and the same number when the potentials
    and when the front are solved for: charge and metal then agree to round-off. Reactions are
    lumped at the nodes (`fem.system.nodal`), and so is storage.

    Attributes:
        regions: the pores that metal can fill.
        law: (eta, c, T, i0(n)/i0) -> i_n of metal on metal, A/m2; the last is 1 by default.
        molar_volume: m3/mol.
        interface_width: lambda; the resting profile is 1/(1 + exp(-x/lambda)), m.
        sigma: electronic conductivity of the metal, S/m (capped by the model).
        sigma_floor: what is left of it in the empty pore, S/m (number or field).
        z: charge number.
        surface_energy: gamma_0, J/m2.
        mobility: M over the largest front speed, 1 to 4.
        max_change: of xi in one step.
        films: surfaces on which it starts.
        passive: surfaces of what floats, with the law of their side reaction.
        afloat: 1 in the cells of conductors that float at the start, 0 elsewhere (field, DG0).
        bridged: pores that a mat bridges out of the plane; its conductivity is their sigma_floor.
        cos_contact: (wall or face) -> cosine of the contact angle through the metal.
        crystal: how gamma and i0 of metal on metal depend on the normal
        (`fem.physics.metal.crystal`).
        resistance: of the film on the metal that the law looks through, ohm m2.
        start: points -> xi at the start; None for nothing.
    """

    regions: tuple[str, ...]
    law: Callable[..., Array]
    molar_volume: float
    interface_width: float
    sigma: float
    sigma_floor: Any
    z: int = 1
    surface_energy: float = 0.0
    mobility: float = 2.0
    max_change: float = 0.25
    films: tuple[Film, ...] = ()
    passive: tuple[Film, ...] = ()
    afloat: Any = None
    bridged: tuple[str, ...] = ()
    cos_contact: Mapping[Pair, float] = field(default_factory=dict)
    crystal: Crystal = field(default_factory=Crystal)
    resistance: float = 0.0
    start: Callable[[Array], Array] | None = None

    needs: tuple[str, ...] = ("phi_s", "phi_l", "c", "ions")

    @property
    def provides(self) -> tuple[str, ...]:
        """Names that it defines."""
        return ("xi", "pore", "pore_lagged", "room", "sigma_pore", "front", "contact", "voids")

    @property
    def empty(self) -> tuple[str, ...]:
        """Pores in which nothing conducts electrons before there is metal."""
        return tuple(name for name in self.regions if name not in self.bridged)

    @property
    def charge_density(self) -> float:
        """Charge of the metal per volume, zF/V_m, C/m3."""
        return self.z * FARADAY / self.molar_volume

    def declare(self, s: System) -> None:
        """Add xi, and the names through which it changes pores and conductivity."""
        part = s.domain.subdomain(self.regions)
        s.slot("front", after=("cell",))
        xi = s.add("xi", part, differential=True, solver="blocks", slot="front")
        if self.start is not None:
            xi.value.x.array[:] = self.start(xi.space.tabulate_dof_coordinates())
        s.hints.even_mesh = s.hints.lasting = True
        xi.largest_change = self.max_change
        s.define("room", 1.0 - xi.value, part)
        s.define("pore", ufl.max_value(1.0 - xi.value, PORE_FLOOR), part)
        contact = Contact(s, xi, self.regions, self.interface_width, self.bridged)
        s.define("contact", contact)
        s.define("sigma_pore", self.sigma_pore(xi.value, contact), part)
        front = Front(
            s, xi, self.regions, self.interface_width, self.cos_contact, self.crystal, contact)
        s.define("sigma_pore_lagged", self.sigma_pore(front.xi, contact), part)
        xi.gap, xi.again = front.gap, front.spill
        s.define("front", front)
        s.define("pore_lagged", ufl.max_value(1.0 - front.xi, PORE_FLOOR), part)
        s.define("voids", Voids(s, xi, self.interface_width))
        kinds = s["ions"].dissolved(s)
        if kinds:
            # The potentials need the salt of the same time, or the two swing against each other;
            # the salt needs the new front, or it is not conserved. So it is solved for twice:
            # with the potentials, and last, with currents as they are. Properties and kinetics
            # are those of the extrapolated c_lagged.
            s.slot("settled", after=("front",))
            for kind in kinds:
                s.again(kind.unknown, slot="settled")
            s["ions"].foresee(s)
            # Inside the metal there is no salt to be wrong about.
            c = s.unknowns[kinds[0].unknown]
            nodes = s.same_nodes(c.name, "xi")[: owned_size(c.space)]
            covered = nodes >= 0

            def weight() -> Array:
                pore = np.ones(len(nodes))
                pore[covered] -= front.xi.x.array[nodes[covered]]
                return np.maximum(pore, PORE_FLOOR)

            for kind in kinds:
                s.unknowns[kind.unknown].weight = weight

    def conductivity(self, xi: Any) -> Any:
        """Electronic conductivity of metal, S/m; the outermost tail of a front has none."""
        core = ufl.max_value(xi - TAIL_XI, 0.0) if is_ufl(xi) else np.maximum(xi - TAIL_XI, 0.0)
        return self.sigma * core * core

    def sigma_pore(self, height: Any, contact: Contact) -> Any:
        """Electronic conductivity of the pores, S/m (UFL); next to none between two pieces."""
        return self.sigma_floor * contact.left + contact.open * self.conductivity(height)

    def relaxation(self, s: System) -> Any:
        """q, m/s (vector): keeps the profile, adds no metal. Affine in the new xi."""
        xi, front = s["xi"], s["front"]
        lagged, own = front.own, xi - front.other
        keep = (lagged * (1.0 - lagged) + (1.0 - 2.0 * lagged) * (own - lagged)) * front.heading
        width = self.interface_width * (1.0 + front.spread)
        return -s["contact"].flows * front.mobility * (width * ufl.grad(own) - keep)

    def rows(self, s: System) -> None:
        """Metal, charge in both potentials, and the salt that the relaxation takes along."""
        w, zF_V = s.domain.weight, self.charge_density
        test, dx, q = s.test("xi"), s.domain.dx(self.regions, lumped=True), self.relaxation(s)
        stored = s.ddt(s["xi"]) * test * s.domain.node_weight(self.regions)
        s.row("xi", zF_V * (stored - ufl.inner(q, ufl.grad(test)) * w) * dx)
        for kind in s["ions"].dissolved(s):
            taken = kind.charge * kind.c * ufl.inner(q, ufl.grad(s.test(kind.unknown))) * w * dx
            for row, _ in s.rows_of(kind.unknown):
                s.row(row, taken)
            same = s.same_nodes("xi", kind.unknown)[: owned_size(s.unknowns["xi"].space)]
            taken = functools.partial(self._floor, s, kind, same)
            s.reports.salt_sinks[f"{kind.label}_in_floor"] = taken
        self._react(s)

    def _floor(self, s: System, kind: Dissolved, same: npt.NDArray[np.int32]) -> float:
        """Amount of a kind that the floor of the pores takes up inside metal, mol/s (collective).

        Args:
            s: the system.
            kind: which.
            same: node of it for each owned node of xi.
        """
        floor = np.maximum(PORE_FLOOR - 1.0 + s.unknowns["xi"].owned, 0.0)
        local = float((s["front"].volume * floor) @ kind.rate()[same])
        return s.domain.comm.allreduce(local, op=MPI.SUM)

    def _react(self, s: System) -> None:
        """Front and film walls as reactions at the nodes of xi."""
        space = s.unknowns["xi"].space
        n = owned_size(space)
        points, share = space.tabulate_dof_coordinates()[:n], np.ones(n)  # i0(n)/i0

        def law(eta: Array, c: Array, T: Array | float) -> Array:
            return np.asarray(self.law(eta, c, T, share))

        growing = nodal(s, "front", "xi", np.ones(n), law, MAKES_METAL, whole=True,
                        film=self.resistance)
        if self.surface_energy:
            growing.shifts["curvature"] = 0.0
        across = nodal(s, "metal that floats", "xi", np.zeros(n), law, PASSES_CURRENT, whole=True,
                       film=self.resistance)
        across.side_of = growing.name  # in at one end, out at the other: no metal is made
        films, sides = self._film_walls(s, points), self._side_reactions(s, points)
        remains = Remains(s, s.unknowns["xi"], self.interface_width, self._begins(s),
                          self._openings(s))
        remains.speed = lambda: -law(*growing.accepted()) / self.charge_density
        s.define("remains", remains)
        s.reactions += [growing, across, *(wall for wall, _ in films + sides)]
        s.preparers.append(lambda: self._prepare(s, share, growing, across, films, sides))
        s.reports.flow("cell", lambda: sum(t.total() for t in s.reactions if t.drives))
        s.reports.flow("side", lambda: sum(t.total() for t in s.reactions
                                           if t.drives and t.side_of))

    def _prepare(
        self, s: System, share: Array, growing: NodalReaction, across: NodalReaction,
        films: list[Sized], sides: list[Sized],
    ) -> None:
        """Areas of all reactions, curvature and mobility for the step at hand (collective).

        Args:
            s: the system.
            share: i0 of the normal over that of the metal, at owned nodes; filled here.
            growing: of the front.
            across: of metal that floats.
            films: of walls that metal covers, each with the areas of its nodes.
            sides: side reactions, in the same way.
        """
        front, voids, contact, remains = s["front"], s["voids"], s["contact"], s["remains"]
        n = len(share)
        contact.prepare()
        share[:] = self.crystal.exchange(front.normals()[:, :n])
        if self.surface_energy:
            bent = self.surface_energy / self.charge_density * front.curvature.x.array
            growing.shifts["curvature"] = bent[growing.nodes["xi"]]
        area = contact.solids.inward(front.areas())
        front.expected = remains.update(front.xi.x.array, area)
        voids.update(front.xi.x.array, remains.met, remains.dissolves)
        shut, coated = voids.shut, contact.solids.coated
        front.expected[shut] = s.unknowns["xi"].old[0].x.array[shut]
        front.expected[coated] = front.xi.x.array[coated]
        growing.area = remains.areas(area, front.volume) * ~(shut | contact.still)[:n]
        growing.area[coated[:n]] = 0.0
        across.area = contact.surface(front.volume) * ~shut[:n]
        for wall, size in films + sides:
            free = np.maximum(1.0 - front.xi.x.array[wall.nodes["xi"]], 0.0)
            wall.area = size * free * ~(shut | contact.core)[wall.nodes["xi"]]
        fastest = max(_fastest(reaction) for reaction in (growing, *(film for film, _ in films)))
        fastest = s.domain.comm.allreduce(fastest, op=MPI.MAX)
        front.mobility.value = self.mobility * fastest / self.charge_density

    def _film_walls(self, s: System, points: Array) -> list[Sized]:
        """Reactions of walls that metal covers, and the wall area at their nodes (collective)."""
        v, out = ufl.TestFunction(s.unknowns["xi"].space), []
        for film in self.films:
            sizes = s.nodal(s.form(s.domain.integral_on(film.walls, film.faces, v)))
            at = points[sizes > 0.0]
            barrier = None if film.barrier is None else film.barrier(at)
            wall = nodal(s, film.name, "xi", sizes, film.law(at), MAKES_METAL,
                         film=film.resistance, barrier=barrier)
            out.append((wall, sizes[sizes > 0.0]))
        return out

    def _begins(self, s: System) -> Array:
        """Corners of the walls and faces on which metal may begin."""
        domain, pores = s.domain, {*self.regions}
        solids = {*s.unknowns["phi_s"].part.regions} - pores
        coated = {*s["electrons"].insulated}
        walls = [w for w in domain.walls if w[0] in solids and w[1] in pores and w not in coated]
        faces = {f for film in self.films for f in film.faces}
        faces |= {*s["electrons"].faces_of(domain, "collector", self.regions)}
        return domain.corners(walls, sorted(faces))

    def _openings(self, s: System) -> Array:
        """Corners of the faces through which ions come into the pores."""
        domain, pores = s.domain, {*self.regions}
        ionic = {*s.unknowns["phi_l"].part.regions} - pores
        walls = [w for w in domain.walls if len({*w} & pores) == 1 and {*w} & ionic]
        return domain.corners(walls, sorted(domain.faces_of("counter", self.regions)))

    def _side_reactions(self, s: System, points: Array) -> list[Sized]:
        """Side reactions of floating conductors, and the wall area at their nodes (collective)."""
        v, domain, out = ufl.TestFunction(s.unknowns["xi"].space), s.domain, []
        for wall in self.passive:
            area = self.afloat("+") * v("-") * domain.wall_weight(wall.walls)
            sizes = s.nodal(s.form(area * domain.dS(wall.walls)))
            law = wall.law(points[sizes > 0.0])
            found = nodal(s, f"{wall.name}, side reaction", "xi", sizes, law, PASSES_CURRENT,
                          film=wall.resistance)
            found.side_of = wall.name
            out.append((found, sizes[sizes > 0.0]))
        return out


def _fastest(reaction: NodalReaction) -> float:
    """Largest current density where there is enough front to speak of it, A/m2."""
    area = reaction.area
    size = reaction.system.domain.comm.allreduce(float(area.max(initial=0.0)), op=MPI.MAX)
    on = area > MIN_AREA_SHARE * size
    return float(np.abs(reaction.density()[on]).max(initial=0.0)) if on.any() else 0.0


def nodal(
    s: System, name: str, home: str, area: Array, law: Law, rows: Mapping[str, float], *,
    drives: bool = True, sees: tuple[str, ...] = ("xi", "phi_s", "phi_l", "c", "T"),
    whole: bool = False, film: float = 0.0, barrier: Array | None = None,
) -> NodalReaction:
    """A reaction at the owned nodes of an unknown's space, found again in other spaces.

    Args:
        s: the system.
        name: of the reaction.
        home: unknown whose nodes are meant.
        area: of every owned node; nodes without are left out unless `whole`.
        law: (eta, c, T) -> i_n.
        rows: unknown -> sign.
        drives: see `NodalReaction`.
        sees: names whose values it needs; those that are no field on the mesh are left out.
        whole: take all nodes.
        film: that the law looks through, see `NodalReaction`.
        barrier: that it adds to eta.
    """
    here = np.flatnonzero((area > 0.0) | whole).astype(np.int32)
    nodes = {home: here}
    for other in (n for n in sees if n != home and n in s.fields):
        nodes[other] = s.same_nodes(home, other)[here]
    reaction = NodalReaction(
        s, name, law, nodes, dict(rows), area[here], drives=drives, film=film, barrier=barrier
    )
    s.reports.spend_at_nodes(reaction)
    return reaction
