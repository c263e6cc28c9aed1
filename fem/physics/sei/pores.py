"""Films on the surface inside averaged hosts: their volume, a number a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.compat import MPI, dfem, owned_size
from fem.physics.sei.films import FILM_TOLERANCE_SHARE, MIN_SCALE, Coat, at_places
from fem.physics.sei.laws import State
from fem.system.part import Observer
from fem.system.system import System

__all__ = ["PoreFilms"]

Array = npt.NDArray[np.float64]

#: Share of the pores above which a film would narrow them; here it takes no room.
MAX_PORE_SHARE = 0.1


class Lining:
    """The film of one host, at the host's nodes (`fem.physics.averaged.reaction.Skin`).

    Args:
        films: all of them.
        coat: the film.
        place: nodes, volume and surface of the host (`pore_surfaces`).
    """

    def __init__(self, films: PoreFilms, coat: Coat, place: Any):
        self.films, self.coat, self.film, self.place = films, coat, coat.film, place
        self.row, self.nodes = films.name if films.grow else "", place.nodes

    @property
    def capacity(self) -> Array:
        """Charge of a film that fills the whole volume of a node, C."""
        return np.asarray(self.film.charge * self.place.volume)

    def amounts(self) -> Array:
        """Volume of film per volume of host."""
        return np.asarray(self.films.function.x.array[self.nodes])

    # -- what the surface asks -----------------------------------------------------------------

    def _thickness(self, amounts: Array) -> Array:
        """L on the area of the step, m."""
        return amounts * self.films.depth[self.nodes]

    def resistance(self, amounts: Array) -> Array:
        """R_film, ohm m2."""
        return np.asarray(self.film.resistance(self._thickness(amounts)))

    def current(self, amounts: Array, drive: Array, eta: Array, T: Any, metal: Array) -> Array:
        """i_sei, A/m2."""
        state = State(drive, eta, self._thickness(amounts), T)
        return np.asarray(self.film.current(state, metal))

    def balance(self, amounts: Array, at: Any) -> Array:
        """(n F/V) d eps_sei/dt V_k + A_k (i_sei + what breaks off), A."""
        made = self.current(amounts, at.drive, at.eta, at.T, at.metal)
        lost = self.film.broken(self._thickness(amounts), at.metal)
        stored = self.capacity * self.films.rate_of(amounts, self.nodes)
        return np.asarray(stored + self.place.reaction.area * (made + lost))

    # -- what the books ask --------------------------------------------------------------------

    def made(self) -> Array:
        """-i_sei, A/m2."""
        at = self.place.reaction.solved()
        return -self.current(self.amounts(), at.drive, at.eta, at.T, at.metal)

    def broken(self) -> Array:
        """Charge of the film that breaks off, A/m2."""
        metal = self.place.reaction.solved().metal
        return np.broadcast_to(self.film.broken(self._thickness(self.amounts()), metal),
                               len(self.nodes))

    def area_now(self) -> Array:
        """Surface with the metal that is there, m2."""
        return np.asarray(self.place.area())

    def pores_now(self) -> Array:
        """Share of the volume that is open then."""
        return np.asarray(self.place.pores())

    def thickness_now(self) -> Array:
        """L on that surface, m; of hosts that meet at a node all of it on its own."""
        area = self.area_now()
        return np.where(area > 0.0, self.amounts() * self.place.volume, 0.0) / np.where(
            area > 0.0, area, 1.0)


class PoreFilms(Observer):
    r"""Films inside averaged hosts, by their volume per volume of host, eps_sei = a_s L.

        (n F/V) (d(a_s L)/dt + a_s r L) + a_s i_sei = 0          row of eps_sei, A, lumped at nodes
        i_n = i_metal + i_sei,   R_film = rho L                  (`pore_surfaces` solve for i_n)

    Where metal changes the area, the film goes along with it and its volume stays.

    Args:
        coats: the films; of one host there is one.
        grow: their volume is followed; else it stays that of the start.
    """

    name = "eps_sei"
    counter = False
    provides: tuple[str, ...] = ("eps_sei", "L_sei_pores")
    needs: tuple[str, ...] = ("pore_surfaces", "phi_l")

    def __init__(self, coats: tuple[Coat, ...], grow: bool):
        self.coats, self.grow = coats, grow

    # -- equations -----------------------------------------------------------------------------

    def declare(self, s: System) -> None:
        """Add the volume of films, and line the hosts with them."""
        self.s, self.comm = s, s.domain.comm
        surfaces = s["pore_surfaces"]
        self.linings = [
            Lining(self, coat, surfaces[name]) for coat in self.coats for name in coat.surfaces
        ]
        anywhere = self.linings[0].place  # all hosts have one part and its nodes
        part, space = anywhere.part, anywhere.metal.function_space
        n = owned_size(space)
        points = s.domain.places(space.tabulate_dof_coordinates())
        self.volume, area, filled = np.zeros((3, n))
        for lining in self.linings:
            at, surface = lining.nodes, lining.area_now()
            L0 = at_places(lining.coat.L0, {name: x[at] for name, x in points.items()})
            self.volume[at] += lining.place.volume
            area[at] += surface
            filled[at] += surface * L0
            self._check_room(lining, surface * L0 / lining.place.volume)
        there = self.volume > 0.0
        if self.grow:
            least = self._extreme(-area[there] / self.volume[there])  # a_s, 1/m
            thinnest = min(coat.thinnest for coat in self.coats)
            unknown = s.add(
                self.name, part, differential=True, scale=-least * max(thinnest, MIN_SCALE),
                positive=True, solver="diagonal",
            )
            unknown.relative, unknown.tolerance_share = True, FILM_TOLERANCE_SHARE
            unknown.capacity = np.zeros(n)
            for lining in self.linings:
                unknown.capacity[lining.nodes] += lining.capacity
            function = unknown.value
            mark = dfem.Function(function.function_space)
            mark.x.array[:n] = there
            mark.x.scatter_forward()
            unknown.fixed.append(np.flatnonzero(mark.x.array == 0.0).astype(np.int32))
            unknown.present = lambda: there
        else:
            function = s.memory(self.name, part)
        self.function = function
        function.x.array[:n] = filled / np.where(there, self.volume, 1.0)
        function.x.scatter_forward()
        self.shown = s.memory("L_sei_pores", part)
        self.depth = np.zeros(n)  # L over eps_sei in the step, m
        s.foreseen.append(self.depth)
        for lining in self.linings:
            lining.place.kinetics.skin = lining

    def _check_room(self, lining: Lining, share: Array) -> None:
        """A film leaves room for electrolyte (collective).

        Args:
            lining: where.
            share: of the volume that it takes at each node.

        Raises:
            CaseError: it fills the pores.
        """
        if self._extreme(share - lining.pores_now()) >= 0.0:
            name, most = lining.place.host.name, self._extreme(share)
            raise CaseError(
                f"sei.L0: films on the surface of {name!r} take up to {most:.3g} of the volume, "
                "which is all that is open; give a thinner one"
            )

    def _extreme(self, values: Array) -> float:
        """Largest value on all ranks (collective)."""
        return self.comm.allreduce(float(np.max(values, initial=-np.inf)), op=MPI.MAX)

    def rows(self, s: System) -> None:
        """Nothing but the area of each step: reactions of the hosts balance the films as well."""
        s.preparers.append(self._prepare)

    def _prepare(self) -> None:
        """Take the area that hosts have in the step."""
        area = np.zeros(len(self.depth))
        for lining in self.linings:
            area[lining.nodes] += lining.place.reaction.area
        self.depth[:] = np.where(area > 0.0, self.volume / np.where(area > 0.0, area, 1.0), 0.0)

    def rate_of(self, amounts: Array, nodes: Any) -> Array:
        """Time derivative at nodes where eps_sei has these values, 1/s."""
        old = self.s.unknowns[self.name].old
        return self.s.time.difference([amounts, *(f.x.array[nodes] for f in old[:2])])

    # -- how much ------------------------------------------------------------------------------

    def rate(self, name: str) -> float:
        """Charge that makes film (`made`, of one coat `made.0`) or `broken`, A (collective)."""
        what, _, k = name.partition(".")
        local = 0.0
        for lining in self.linings:
            if not k or lining.coat is self.coats[int(k)]:
                density = lining.broken() if what == "broken" else lining.made()
                local += float(lining.place.reaction.area @ density)
        return self.comm.allreduce(local, op=MPI.SUM)

    def amount(self) -> float:
        """Charge of the film that is there, C (2D: C/m; collective)."""
        local = sum(float(lining.capacity @ lining.amounts()) for lining in self.linings)
        return self.comm.allreduce(local, op=MPI.SUM)

    def sizes(self) -> tuple[float, float]:
        """Volume of film, m3, and the area that it lies on (collective)."""
        local = [(float(k.place.volume @ k.amounts()), float(k.area_now().sum()))
                 for k in self.linings]
        volume, area = self.comm.allreduce(np.sum(local, axis=0), op=MPI.SUM)
        return float(volume), float(area)

    def thickest(self) -> float:
        """Largest thickness, m (collective)."""
        return max(self._extreme(lining.thickness_now()) for lining in self.linings)

    # -- a run asks ----------------------------------------------------------------------------

    def show(self) -> None:
        """Bring the thickness into its field (collective)."""
        for lining in self.linings:
            self.shown.x.array[lining.nodes] = lining.thickness_now()
        self.shown.x.scatter_forward()

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Films that would have narrowed their pores (collective)."""
        if not closely:
            return
        for lining in self.linings:
            most = self._extreme(lining.amounts() / lining.pores_now())
            if most > MAX_PORE_SHARE:
                name = lining.place.host.name
                yield f"sei_pores {name}", (
                    f"the SEI would fill {most:.1%} of the pores of {name!r} somewhere, and takes "
                    "no room here"
                )
