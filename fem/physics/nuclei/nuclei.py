r"""Nuclei: how metal appears on a wall that it does not cover by itself.

A wall of kind `nucleating` carries no current; metal appears there at sites only. A site wakes when
its overpotential falls below its threshold, or, where a rate is given, at a random time. From then
on a cap of metal grows around it, with the metal's own kinetics:

    dxi/dt + div q = v |grad xi| + G,    G ~ v [S w/(int w dV) - |grad xi|]+
    w = [chi(r) - xi]+,    chi(r) = 1/(1 + exp((|x - x_c| - r)/lambda)),    x_c = x_site - r cos n
    S = int chi(R) (1 - chi(R))/lambda dV

n is the normal of the wall into the pore, cos that of the contact angle; chi(r) is a cap of radius
r, cut by the wall, with the front's resting profile. r is a little ahead of the radius of the metal
that is there, and R is its end. S is the surface of the cap of radius R: what the front of the
small cap lacks of it reacts in G. So a nucleus carries from its first moment the current of a
finished one, its own small size (of no meaning below some lambda) makes no overpotential, nothing
jumps when it is complete, and it is complete after its volume over v S. (A cap that is filled as a
whole takes as long, but decays: the relaxation sharpens every plateau of xi.) The final cap
conducts electrons from the start. G is a reaction like that of the front: its charge is in all
balances, and at eta >= 0 nothing happens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import CaseError
from fem.compat import MPI, cell_vertices, dfem, la, owned_size
from fem.mesh.components import components
from fem.physics.metal.metal import TAIL_XI, Metal, nodal
from fem.physics.nuclei.caps import Cap
from fem.physics.nuclei.draws import generators, poisson_sites
from fem.physics.nuclei.sites import Seeds, Surface
from fem.system.part import Observer
from fem.system.system import System
from fem.values.units import rounded_quantity, shown_length

__all__ = ["Nuclei"]

#: Voltage beyond its threshold at which a site may wake, V (it may be more at `dt_min`).
WAKE_SLACK = 1e-3
#: Missing share of its cap at which a nucleus is complete.
MISSING_SHARE = 0.05
#: Radius to which a growing cap is filled, beyond its present one, and the least, in lambda.
GROWTH_AHEAD, MIN_GROWTH_AHEAD = 0.5, 2.0
#: Number of radii between which a volume is interpolated, and depth below 0 of the first, a trace
#: of metal, in lambda.
RADII_COUNT, TRACE_DEPTH = 64, 12.0
#: Value of xi of a wall above which no nucleus forms, and below which a grown one is dissolved.
COVERED_XI, DISSOLVED_XI = 0.5, 0.1
#: Mean number of places drawn at a node of a wall, at most.
MAX_PER_NODE = 100
#: Largest share of new nuclei that a step may expect, besides one.
MAX_NEW_SHARE = 0.1

Array = npt.NDArray[np.float64]

_SITE = np.dtype([
    ("entry", int), ("order", int), ("x", float, 3), ("normal", float, 3), ("radius", float),
    ("cosine", float), ("threshold", float), ("attempts", float), ("barrier", float),
    ("rank", int), ("node", int),
])  # fmt: skip


class Nuclei(Observer):
    """Sites, which of them are awake, and the reaction that plates their caps.

    All ranks hold the same list of sites and the same state of each; the owner of a wall node
    looks up what holds there. The state is decided at the beginning of a step from the last
    accepted one, so a step that is rejected begins again with the same nuclei; draws belong to
    places, whenever and wherever they are asked for.

    Args:
        metal: what grows.
        seeds: where it may begin.
    """

    needs: tuple[str, ...] = ("phi_s", "phi_l", "xi", "front")
    provides: tuple[str, ...] = ("cap", "nuclei")

    def __init__(self, metal: Metal, seeds: Sequence[Seeds]):
        self.metal, self.seeds = metal, tuple(seeds)

    def declare(self, s: System) -> None:
        """Add the caps, through which pores conduct electrons."""
        self.s, xi = s, s.unknowns["xi"]
        self.space, self.part = xi.space, xi.part
        self.cap = dfem.Function(xi.space, name="cap")
        s.define("cap", self.cap, xi.part)
        s.define("nuclei", self)
        height = ufl.max_value(xi.value, self.cap)
        s.define("sigma_pore", self.metal.sigma_pore(height, s["contact"]), xi.part)

    def rows(self, s: System) -> None:
        """Place the sites, and plate caps at the nodes in reach of one.

        Raises:
            CaseError: a place lies on no wall.
        """
        self.sites = self._place()
        n = len(self.sites)
        state = s.charges["nuclei"] = np.zeros((8, n))
        self.clock = s.charges["nuclei.clock"] = np.array([-1.0])
        self.born, self.done, self.eta, self.charge = state[:4]
        self.births, self.hazard, self.rate, self.budget = state[4:]
        self.born[:] = self.done[:] = np.inf
        self.chance = np.flatnonzero(self.sites["attempts"] > 0.0)
        self._draw(self.chance)

        far = -self.metal.interface_width * np.log(TAIL_XI)
        self.reach = self.sites["radius"] + far
        from scipy.spatial import cKDTree  # slow to load; few runs need it

        self.centres = (
            self.sites["x"]
            - (self.sites["radius"] * self.sites["cosine"])[:, None] * self.sites["normal"]
        )
        nodes = _coordinates(s, self.space, self.part)
        near = np.zeros(len(nodes))
        if n and len(nodes):
            apart, _ = cKDTree(self.centres).query(nodes)
            near[apart < self.reach.max()] = 1.0
        law, rows = self.metal.law, {"xi": 1.0, "phi_s": 1.0, "phi_l": -1.0}
        self.reaction = nodal(
            s, "nuclei", "xi", near, lambda eta, c, T: np.minimum(law(eta, c, T), 0.0), rows,
            film=self.metal.resistance,
        )
        s.reactions.append(self.reaction)
        self.nodes = self.reaction.nodes["xi"]
        self.points = nodes[self.nodes]
        self.tree = cKDTree(self.points)
        self.front = next(t for t in s.reactions if t.name == "front")
        self.growing: dict[int, Cap] = {}
        self.owner = np.full(len(self.nodes), -1)
        self.shown = np.zeros(n, dtype=bool)
        self.here = np.flatnonzero(self.sites["rank"] == s.domain.comm.rank)
        own = self.sites["node"][self.here]
        others = {name: s.same_nodes("xi", name)[own] for name in ("phi_s", "phi_l")}
        self.at = {"xi": own} | others
        self.before = np.zeros(n)
        s.preparers.append(self.prepare)

    @property
    def surfaces(self) -> list[Surface]:
        """On which metal may appear."""
        return [surface for seeds in self.seeds for surface in seeds.surfaces]

    @property
    def volume(self) -> Array:
        """Volume of every owned node of the pores, m3 (2D: m2)."""
        volume: Array = self.s["front"].volume
        return volume

    # -- where ---------------------------------------------------------------------------------

    def _place(self) -> Any:
        """All sites, the same list on every rank; by entry, then as given or by coordinates."""
        comm = self.s.domain.comm
        points = _coordinates(self.s, self.space, self.part)
        mine = []
        for k, seeds in enumerate(self.seeds):
            nodes, area, normal, angle = self._walls(seeds)
            x = points[nodes]
            if seeds.at:
                index, order = self._nearest(seeds, x)
                given = np.broadcast_to(seeds.thresholds, len(seeds.at))[order]
                draws = generators((seeds.seed, k), x[index], order)
                thresholds = np.array([
                    max(d.normal(mean, seeds.spread), 0.0)
                    for d, mean in zip(draws, given, strict=True)
                ])
            else:
                # In a plane cut: nuclei whose centre lies within a radius of the plane.
                area = area * np.broadcast_to(seeds.share(x), len(x))
                area = area * (2.0 * seeds.radius if self.s.domain.dim == 2 else 1.0)
                if seeds.density:
                    self._require_few(seeds, seeds.density * area)
                    index, thresholds = poisson_sites(
                        x, seeds.density * area, (seeds.seed, k), seeds.thresholds[0],
                        seeds.spread,
                    )
                else:
                    index = np.flatnonzero(area > 0.0)
                    thresholds = np.full(len(index), np.inf)
                order = np.zeros(len(index), dtype=int)
            rows = np.zeros(len(index), dtype=_SITE)
            rows["entry"], rows["order"], rows["radius"] = k, order, seeds.radius
            rows["x"], rows["normal"] = x[index], normal[index]
            rows["cosine"], rows["threshold"] = np.cos(angle[index]), thresholds
            if seeds.rate:
                rows["attempts"] = seeds.rate * area[index]
                rows["barrier"] = [seeds.barrier(a) for a in angle[index]]
            rows["rank"], rows["node"] = comm.rank, nodes[index]
            mine.append(rows)
        empty = np.zeros(0, dtype=_SITE)
        found = np.concatenate(comm.allgather(np.concatenate([*mine, empty])))
        x, y, z = found["x"].T
        return found[np.lexsort((found["threshold"], z, y, x, found["order"], found["entry"]))]

    def _require_few(self, seeds: Seeds, expected: Array) -> None:
        """No more places than nodes can stand for.

        Args:
            seeds: whose density is given.
            expected: mean number of places at each owned node of the walls. Collective.

        Raises:
            CaseError: there are many at each node.
        """
        comm = self.s.domain.comm
        count = comm.allreduce(float(expected.sum()), op=MPI.SUM)
        nodes = comm.allreduce(len(expected), op=MPI.SUM)
        if count > MAX_PER_NODE * nodes:
            raise CaseError(
                f"{seeds.place}.density: {rounded_quantity(seeds.density, '1/m^2')}: some "
                f"{count:.2g} places on walls of {nodes} nodes, more than {MAX_PER_NODE} at each; "
                "lower it (mind the unit), or let metal cover these walls with wall = 'film'"
            )

    def _walls(self, seeds: Seeds) -> tuple[Any, Array, Array, Array]:
        """Owned nodes on the surfaces: index, area, normal into the pore, contact angle."""
        s, domain = self.s, self.s.domain
        v, w, n = ufl.TestFunction(self.space), domain.weight, ufl.FacetNormal(domain.mesh)
        count = owned_size(self.space)
        length, area, angle = np.zeros(count), np.zeros(count), np.zeros(count)
        normal = np.zeros((count, 3))
        for surface in seeds.surfaces:
            def integral(
                on_wall: Any, on_face: Any, weight: Any, surface: Surface = surface
            ) -> Array:
                form: Any = 0
                if surface.walls:
                    side = weight if isinstance(weight, int) else weight("-")
                    form += v("-") * on_wall * side * domain.dS(surface.walls)
                if surface.faces:
                    form += v * on_face * weight * domain.ds(surface.faces)
                return s.nodal(s.form(form))

            here = integral(1.0, 1.0, 1)
            angle[(here > 0.0) & (length == 0.0)] = surface.contact_angle
            length += here
            area += integral(1.0, 1.0, w)
            for k in range(domain.dim):  # n("+") leaves the solid
                normal[:, k] += integral(n("+")[k], -n[k], 1)
        nodes = np.flatnonzero(length > 0.0)
        size = np.linalg.norm(normal[nodes], axis=1)
        return nodes, area[nodes], normal[nodes] / np.maximum(size, 1e-300)[:, None], angle[nodes]

    def _nearest(self, seeds: Seeds, x: Array) -> tuple[Any, Any]:
        """Wall nodes of this rank at given places, and the numbers of these places.

        Raises:
            CaseError: a place is further from the walls than a radius (on all ranks).
        """
        dim, comm = self.s.domain.dim, self.s.domain.comm
        index, order = [], []
        for k, given in enumerate(seeds.at):
            shown = ", ".join(shown_length(c) for c in given)
            if len(given) != dim:
                raise CaseError(
                    f"{seeds.place}.at.{k}: ({shown}): {len(given)} coordinates, but the mesh is "
                    f"{dim}D"
                )
            apart = np.linalg.norm(x[:, :dim] - given, axis=1).round(15)
            best = np.lexsort((*x.T[::-1], apart))[:1]  # ties by coordinates
            offers = comm.allgather([(apart[j], *x[j], comm.rank) for j in best.tolist()])
            winner = min(offer for offers_of_one in offers for offer in offers_of_one)
            if winner[0] > seeds.radius:
                raise CaseError(
                    f"{seeds.place}.at.{k}: ({shown}): {shown_length(winner[0], 3)} from the "
                    f"nearest of its walls, more than the radius of a nucleus "
                    f"({shown_length(seeds.radius)}); move it"
                )
            if winner[-1] == comm.rank:
                index.append(int(best[0]))
                order.append(k)
        return np.array(index, dtype=int), np.array(order, dtype=int)

    def _draw(self, which: Any) -> None:
        """Draw the hazard that each of these sites outlives: exponential, mean 1."""
        entries = self.sites["entry"][which]
        for k in np.unique(entries):
            chosen = which[entries == k]
            seed = self.seeds[k].seed, int(k)
            draws = generators(seed, self.sites["x"][chosen], self.births[chosen])
            self.budget[chosen] = [draw.exponential() for draw in draws]

    # -- when ----------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Decide which sites are awake, and with which areas their caps react (collective)."""
        s = self.s
        self._show()
        eta, xi, bare = self._look(accepted=True)
        self.before = eta
        self._settle(xi)
        self._age(eta, bare)
        asleep = np.isinf(self.born) & (bare > 1.0 - COVERED_XI)
        ready = asleep & (self.sites["threshold"] <= 0.0)
        if s.dt > 0.0:
            ready |= asleep & (eta < -self.sites["threshold"])
            ready[self.chance] |= (asleep & (self.hazard >= self.budget))[self.chance]
        self._wake(ready, eta if s.dt > 0.0 else np.zeros_like(eta))
        self._show()
        self.reaction.area = self._areas()

    def wake(self) -> bool:
        """Wake the easiest site that the present potentials would wake; False if there is none.

        After a jump of the control the voltage of a real cell passes the thresholds one after the
        other, and what wakes first relieves the rest. Collective.
        """
        self._show()
        eta, _, bare = self._look(accepted=False)
        ready = np.isinf(self.born) & (bare > 1.0 - COVERED_XI) & (eta < -self.sites["threshold"])
        if not ready.any():
            return False
        self._wake_easiest(ready, eta)
        return True

    def wake_first(self) -> bool:
        """Wake the easiest site of a bare wall; False if there is none with a threshold.

        An imposed current that finds nothing to react on drives the voltage down until the easiest
        site wakes. Collective.
        """
        self._show()
        _, _, bare = self._look(accepted=False)
        asleep = np.isinf(self.born) & (bare > 1.0 - COVERED_XI)
        ready = asleep & np.isfinite(self.sites["threshold"])
        if ready.any():
            self._wake_easiest(ready, -self.sites["threshold"])
        return bool(ready.any())

    def _wake_easiest(self, ready: npt.NDArray[np.bool_], eta: Array) -> None:
        easiest = self.sites["threshold"][ready].min()
        self._wake(ready & (self.sites["threshold"] <= easiest + WAKE_SLACK), eta)

    def step(self, scale: float) -> Mapping[str, float]:
        """Column of the nuclei that have formed so far."""
        del scale
        return {"nuclei": float(self.count)}

    def share(self) -> float | None:
        """Share of the step just solved at which the next site wakes; None if it may stand.

        A site may be `WAKE_SLACK` beyond its threshold. Where nuclei form at random, a step should
        not expect more than one of them, or a tenth of those there are. Collective.
        """
        eta, _, bare = self._look(accepted=False)
        asleep = np.isinf(self.born) & (bare > 1.0 - COVERED_XI)
        past = -self.sites["threshold"] - eta
        over = asleep & (past > WAKE_SLACK) & np.isfinite(self.sites["threshold"])
        room = np.maximum(self.before + self.sites["threshold"], 0.0) + 0.5 * WAKE_SLACK
        shares = (room[over] / (room[over] + past[over])).tolist()
        expected = 0.5 * self.s.dt * float((self.rate + self._rate(eta, bare)).sum())
        most = 1.0 + MAX_NEW_SHARE * self.count
        shares += [most / expected] if expected > 1.5 * most else []
        return min(max(min(shares), 0.05), 0.999) if shares else None

    def _look(self, accepted: bool) -> tuple[Array, Array, Array]:
        """Overpotential (V), xi, and what is free of metal and caps, at all sites (collective)."""
        s, own = self.s, np.zeros((2, len(self.sites)))
        phi_s, phi_l, xi = (
            (s.unknowns[n].old[0] if accepted else s.unknowns[n].value).x.array[self.at[n]]
            for n in ("phi_s", "phi_l", "xi")
        )
        own[0, self.here] = phi_s - phi_l + (s.past_voltages[0] if accepted else s.get_voltage())
        own[1, self.here] = xi
        covered = np.zeros(len(self.sites))
        covered[self.here] = np.maximum(xi, self.cap.x.array[self.at["xi"]])
        eta, metal, hidden = s.domain.comm.allreduce(np.vstack([own, covered]), op=MPI.SUM)
        return eta, metal, np.clip(1.0 - hidden, 0.0, 1.0)

    def _rate(self, eta: Array, bare: Array) -> Array:
        """Nuclei per second at every site where they form at random and none is."""
        drive = np.minimum(eta, -1e-12) ** 2
        rate = self.sites["attempts"] * bare * np.exp(-self.sites["barrier"] / drive)
        return np.where(np.isinf(self.born) & (eta < 0.0), rate, 0.0)

    def _age(self, eta: Array, bare: Array) -> None:
        """Count the hazard of the time since this was asked last, by the trapezoidal rule."""
        now, t = self._rate(eta, bare), self.s.t
        if 0.0 <= self.clock[0] < t:
            self.hazard += 0.5 * (t - self.clock[0]) * (self.rate + now)
        self.rate[:] = now
        self.clock[0] = t

    def _wake(self, ready: npt.NDArray[np.bool_], eta: Array) -> None:
        """Sites begin to grow, the easiest first; its cap covers others."""
        order = np.flatnonzero(ready)
        order = order[np.argsort(self.sites["threshold"][order], kind="stable")]
        awake: list[int] = []
        for k in order.tolist():
            apart = np.linalg.norm(self.centres[awake] - self.sites["x"][k], axis=1)
            if (apart >= self.sites["radius"][awake]).all():
                awake.append(k)
        self.born[awake], self.eta[awake] = self.s.t, eta[awake]
        self.births[awake] += 1.0
        self.charge[awake] = 0.0

    def _settle(self, xi: Array) -> None:
        """Note which caps are complete, and which grown nuclei have been dissolved."""
        s = self.s
        mine = self.owner >= 0
        at, node = self.owner[mine], self.nodes[mine]
        cap = self.cap.x.array[node]
        there = np.minimum(s.unknowns["xi"].old[0].x.array[node], cap)
        sums = np.stack([
            np.bincount(at, weights=self.volume[node] * values, minlength=len(self.sites))
            for values in (cap, there)
        ]) if len(at) else np.zeros((2, len(self.sites)))
        whole, grown = s.domain.comm.allreduce(sums, op=MPI.SUM)
        complete = self.shown & (grown >= (1.0 - MISSING_SHARE) * whole)
        self.done[complete] = s.t
        self.charge[self.shown] = grown[self.shown] * self.metal.charge_density
        again = np.flatnonzero(np.isfinite(self.done) & ~complete & (xi < DISSOLVED_XI))
        self.born[again] = self.done[again] = np.inf
        self.hazard[again] = 0.0
        self._draw(again[self.sites["attempts"][again] > 0.0])

    # -- the caps that are growing -------------------------------------------------------------

    def _areas(self) -> Array:
        """Area that growing caps lack of their final surface, where they grow next (collective)."""
        comm, width = self.s.domain.comm, self.metal.interface_width
        seen = self.s["front"].xi.x.array[self.nodes]
        volume, present = self.volume[self.nodes], self.front.area[self.nodes]
        growing = self.growing.items()

        def total(parts: dict[int, Array]) -> Array:
            sums = np.zeros(len(self.sites))
            for k, values in parts.items():
                sums[k] = values.sum()
            return np.asarray(comm.allreduce(sums, op=MPI.SUM))

        there = total({k: volume[c.index] * np.minimum(seen[c.index], c.final) for k, c in growing})
        gaps = {}
        for k, cap in growing:
            radius = np.interp(there[k], cap.volumes, cap.radii)
            radius = max(radius + GROWTH_AHEAD * width, MIN_GROWTH_AHEAD * width)
            radius = min(radius, self.sites["radius"][k])
            gaps[k] = volume[cap.index] * np.maximum(cap.at(radius, width) - seen[cap.index], 0.0)
        whole = total(gaps)
        more = {
            k: np.maximum(cap.surface * gaps[k] / max(whole[k], 1e-300) - present[cap.index], 0.0)
            for k, cap in growing
        }
        front, added = total({k: present[c.index] for k, c in growing}), total(more)
        out = np.zeros(len(self.nodes))
        for k, cap in growing:
            lacking = max(cap.surface - front[k], 0.0)
            out[cap.index] = more[k] * lacking / max(added[k], 1e-300)
        return out

    def _show(self) -> None:
        """Bring the field of caps to the sites that grow (collective)."""
        growing = np.isfinite(self.born) & np.isinf(self.done)
        if np.array_equal(growing, self.shown):
            return
        width, chosen = self.metal.interface_width, np.flatnonzero(growing)
        self.shown, self.growing = growing, {}
        best, owner = np.zeros(len(self.nodes)), np.full(len(self.nodes), -1)
        for k in chosen.tolist():
            site = self.sites[k]
            near = np.array(self.tree.query_ball_point(self.centres[k], self.reach[k]), dtype=int)
            cap = Cap(near, self.points[near] - site["x"], site["normal"], site["cosine"])
            cap.final = cap.at(site["radius"], width)
            self.growing[k] = cap
            higher = cap.final > best[near]
            best[near[higher]], owner[near[higher]] = cap.final[higher], k
        cap_field = self.cap.x.array
        cap_field[:] = 0.0
        cap_field[self.nodes] = best
        self.cap.x.scatter_forward()
        if len(chosen):
            cap_field[~self._attached(chosen)] = 0.0
            self.cap.x.scatter_forward()
        self.owner = np.where(cap_field[self.nodes] > 0.0, owner, -1)
        table = np.zeros((len(chosen), RADII_COUNT + 1))
        volume = self.volume[self.nodes]
        for row, (k, cap) in zip(table, self.growing.items(), strict=True):
            cap.keep(self.owner[cap.index] == k)
            cap.radii = np.linspace(-TRACE_DEPTH * width, self.sites["radius"][k], RADII_COUNT)
            row[:RADII_COUNT] = [volume[cap.index] @ cap.at(r, width) for r in cap.radii]
            row[RADII_COUNT] = volume[cap.index] @ (cap.final * (1.0 - cap.final)) / width
        table = self.s.domain.comm.allreduce(table, op=MPI.SUM)
        for row, cap in zip(table, self.growing.values(), strict=True):
            cap.volumes, cap.surface = row[:RADII_COUNT], row[RADII_COUNT]

    def _attached(self, chosen: Any) -> npt.NDArray[np.bool_]:
        """Nodes from which a cap leads to its site, not through the solid to the other side."""
        domain, corners = self.s.domain, self.space.dofmap.list
        cap = self.cap.x.array
        on = np.zeros(len(domain.cell_tag_array), dtype=bool)
        on[self.part.cells] = cap[corners[: len(self.part.cells)]].min(axis=1) > TAIL_XI
        label, _ = components(domain.mesh, on)
        node = np.full(len(cap), -1)
        here = label[self.part.cells]
        node[corners[: len(here)][here >= 0]] = here[here >= 0, None]
        labels = np.zeros(len(self.sites), dtype=int)
        labels[self.here] = node[self.at["xi"]] + 1
        kept = domain.comm.allreduce(labels, op=MPI.SUM)[chosen] - 1
        mark = dfem.Function(self.space)
        mark.x.array[:] = np.isin(node, kept[kept >= 0])
        mark.x.scatter_reverse(la.InsertMode.add)
        mark.x.scatter_forward()
        return mark.x.array > 0.5

    # -- events and numbers --------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Nuclei that have formed so far; a site that was stripped bare may form another one."""
        return int(self.births.sum())

    def summary(self) -> Mapping[str, Any]:
        """Events of the sites that woke."""
        return {"events": self.formed()}

    def formed(self) -> list[dict[str, Any]]:
        """Fate of the sites that woke, in the order of time.

        Each with `t` (s), `place` (m), `eta` (V) at which it woke, `radius` (m), `charge` (C, 2D:
        C/m) of the metal in its cap, and `complete`, when that was the whole cap (s, or None).
        """
        dim = self.s.domain.dim
        awake = np.flatnonzero(np.isfinite(self.born))
        return [
            {
                "event": "nucleus", "t": float(self.born[k]),
                "place": self.sites["x"][k][:dim].tolist(), "eta": float(self.eta[k]),
                "radius": float(self.sites["radius"][k]), "charge": float(self.charge[k]),
                "complete": float(self.done[k]) if np.isfinite(self.done[k]) else None,
            }
            for k in awake[np.argsort(self.born[awake], kind="stable")]
        ]  # fmt: skip


def _coordinates(s: System, space: Any, part: Any) -> Array:
    """Owned nodes as they stand in the mesh: bit by bit the same on any number of ranks."""
    corners = cell_vertices(s.domain.mesh)
    index_map = space.dofmap.index_map
    node = np.zeros(index_map.size_local + index_map.num_ghosts, dtype=int)
    node[space.dofmap.list[: len(part.cells)].ravel()] = corners[part.cells].ravel()
    points: Array = s.domain.mesh.geometry.x[node[: index_map.size_local]]
    return points
