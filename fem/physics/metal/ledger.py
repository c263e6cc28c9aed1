"""The books of growing metal: how much, where, how far up, and which of it is cut off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.compat import MPI, cell_vertices, dfem, dmesh, owned_size
from fem.mesh.components import highest, nodal_components
from fem.mesh.profile import PROFILE_BINS
from fem.mesh.spaces import space_on
from fem.physics.metal.metal import Metal
from fem.physics.metal.pieces import COLLECTOR_PIECE, TOUCH_HEIGHT
from fem.setup.stock import Stock
from fem.system.system import System

__all__ = ["MetalLedger"]

#: Conductivity over that of an empty pore from which on a pore counts as conducting.
CONDUCTING_FACTOR = 30.0


class MetalLedger(Stock):
    """Amount, place and height of the metal, and the pieces that are cut off.

    It is the cell's `stock`, the metal that can be stripped.

    Attributes:
        metal: the physics.
        numbers: of the step measured last, see `step`.
        tip_place: where the highest metal is, m; empty without any.
        pieces: dead metal, largest first: `piece` (its number, see `fem.physics.metal.contact`),
            `charge` (C), `volume` (m3), `place` of its middle (m).
        shorted: where metal (xi > 1/2) that is connected to the collector meets the counter
            electrode, m; empty if nowhere.
        joined: floating solids that metal has joined to the collector, by number.
        driven_cells: local cells that conduct electrons from the collector.
    """

    needs: tuple[str, ...] = ("circuit", "contact", "voids", "front", "xi")
    makes = ("plated", "faraday")
    #: A front that dissolves shows nothing of the kind.
    shows_bare = False

    def __init__(self, metal: Metal):
        self.metal = metal
        self.numbers: dict[str, float] = {}

    def declare(self, s: System) -> None:
        """Add the fields that show the front's current and dead metal."""
        super().declare(s)
        xi = s.unknowns["xi"]
        for name in ("i_n", "dead"):
            s.memory(name, xi.part)
        self.space = s.memories["i_n"].function_space
        self.solutes = [s.unknowns[kind.unknown] for kind in s["ions"].dissolved(s)]
        for c in self.solutes:  # inside metal they mean nothing
            c.present = self._wet

    def rows(self, s: System) -> None:
        """Find what conducts, and where metal meets the counter electrode (collective)."""
        metal = self.metal
        self.node_label = np.full(len(s.unknowns["xi"].value.x.array), -1)
        self.dead_parts = np.empty(0, dtype=np.int64)
        self.shares: tuple[npt.NDArray[Any], ...] = ()
        self.tip_place: tuple[float, ...] = ()
        self.pieces: list[dict[str, Any]] = []
        self.shorted: tuple[float, ...] = ()
        self.joined: frozenset[int] = frozenset()
        self.metal_of_c: npt.NDArray[np.int32] | None = None
        v, weight = ufl.TestFunction(self.space), s.domain.node_weight(metal.regions)
        self.volumes = s.nodal(s.form(v * weight * s.domain.dx(metal.regions, lumped=True)))
        if s.domain.host is not None:
            inside = v * s.domain.hosted * s.domain.weight
            self.volumes_in_host = s.nodal(s.form(inside * s.domain.dx(metal.regions)))
        floor = metal.sigma_floor
        floors = np.array([floor]) if isinstance(floor, float) else floor.x.array
        lowest = float(floors[floors > 0.0].min(initial=np.inf))  # a rank may have no pores
        self.threshold = CONDUCTING_FACTOR * self.comm.allreduce(lowest, op=MPI.MIN)
        part = s.unknowns["xi"].part
        self.points = s.unknowns["xi"].space.tabulate_dof_coordinates()
        self.height = s.domain.along(self.points)
        self.corners = s.unknowns["xi"].space.dofmap.list
        self.cells = part.cells
        there = s.domain.cells_along("counter")
        self.at_counter = there[part.inverse[there] >= 0]
        self.corners_there = self.corners[part.inverse[self.at_counter]]
        contact = self.contacts = s["contact"]
        contact.prepare()
        self.always, self.solid = contact.solids.always, contact.solids.solid
        self.floating, self.solid_names = contact.solids.floating, contact.solids.names
        self.driven_cells = np.zeros(len(s.domain.cell_tag_array), dtype=bool)
        whole = space_on(s.domain.mesh, ("Lagrange", 1))
        vertices = cell_vertices(s.domain.mesh)
        self.work, self.one_vertex = dfem.Function(whole), vertices[:, 0].copy()
        self.node_of = np.empty(len(s.domain.mesh.geometry.x), dtype=int)
        self.node_of[vertices] = whole.dofmap.list
        self.in_pores = self.node_of[s.domain.vertices(s.unknowns["xi"].space, part)]

    # -- scalars -------------------------------------------------------------------------------

    @property
    def xi(self) -> npt.NDArray[np.float64]:
        """Values of the phase field at the owned nodes."""
        return self.s.unknowns["xi"].owned

    def plated(self) -> float:
        """Charge of all metal in the pores, C (2D: C/m; collective)."""
        local = float(self.volumes @ self.xi) * self.metal.charge_density
        return self.comm.allreduce(local, op=MPI.SUM)

    def in_host(self) -> float:
        """Charge of the metal between top and bottom of the host, C (2D: C/m; collective)."""
        local = float(self.volumes_in_host @ self.xi) * self.metal.charge_density
        return self.comm.allreduce(local, op=MPI.SUM)

    def some(self) -> bool:
        """There is metal that could be stripped (collective)."""
        return bool(self.comm.allreduce(bool((self.xi > 1e-3).any()), op=MPI.LOR))

    def left(self) -> float:
        """Charge of the metal that is not known to be cut off, C (2D: C/m; collective)."""
        return self.plated() - sum(float(piece["charge"]) for piece in self.pieces)

    def moved(self) -> float:
        """Charge that front and walls exchanged at each place in this step, C (collective)."""
        local = float(np.abs(self.nodal_currents()).sum()) * self.s.dt
        return self.comm.allreduce(local, op=MPI.SUM)

    def step(self, scale: float) -> dict[str, float]:
        """Numbers of the metal in the step just solved (collective).

        Args:
            scale: cell current that errors are compared with, A.

        Returns:
            Those of `balance`; `xi_min`, `xi_max`; `tip`, distance of the highest metal from the
            collector, m; `live` and `dead`, charge of metal with and without electronic contact, C;
            `islands`, how many pieces of the latter; `residue`, charge of metal too thin to
            conduct, C; `floor`, current through empty pores over the cell current.
        """
        out = self.balance(scale)
        out["xi_min"], out["xi_max"] = self.s.extrema("xi")
        out["tip"] = self.tip()
        self.numbers = out | self.measure_pieces(scale)
        return self.numbers

    def tip(self) -> float:
        """Distance of the highest point of the contour xi = 1/2 from the collector, m.

        Where metal lies on a separator the contour ends, and the separator is its highest point.
        """
        xi, points = self.s.unknowns["xi"].value.x.array, self.points
        dim = self.s.domain.dim
        bottom = self.s.domain.ends[0]
        best: tuple[float, tuple[float, ...]] = (bottom, ())
        metal = np.flatnonzero(xi >= 0.5)
        if len(metal):
            k = metal[np.argmax(self.height[metal])]
            best = (float(self.height[k]), tuple(points[k, :dim].tolist()))
        for a in range(dim + 1):
            for b in range(dim + 1):
                i, j = self.corners[:, a], self.corners[:, b]
                on = (xi[i] >= 0.5) & (xi[j] < 0.5)
                if not on.any():
                    continue
                i, j = i[on], j[on]
                share = (xi[i] - 0.5) / (xi[i] - xi[j])
                at = self.height[i] + share * (self.height[j] - self.height[i])
                k = int(np.argmax(at))
                place = points[i[k]] + share[k] * (points[j[k]] - points[i[k]])
                best = max(best, (float(at[k]), tuple(place[:dim].tolist())))
        height, self.tip_place = max(self.comm.allgather(best))
        return height - bottom

    def _wet(self) -> npt.NDArray[np.bool_]:
        """Owned nodes of dissolved kinds outside metal."""
        if self.metal_of_c is None:
            c = self.solutes[0]
            self.metal_of_c = self.s.same_nodes(c.name, "xi")[: owned_size(c.space)]
        dry = np.append(self.s.unknowns["xi"].value.x.array >= 0.5, False)  # -1: no metal there
        return ~dry[self.metal_of_c]

    def lowest(self) -> float | None:
        """Least salt, or metal ions, outside metal, mol/m3; None if not followed (collective)."""
        if not self.solutes:
            return None
        wet = self._wet()
        c = self.s["ions"].at_nodes(self.s)[: len(wet)][wet]
        return self.comm.allreduce(float(c.min(initial=np.inf)), op=MPI.MIN)

    def begin(self) -> None:
        """Take the metal that is there as the reference, and tell its pieces apart (collective)."""
        super().begin()
        self.contacts.begin()
        self._connect()

    def measure_pieces(self, scale: float) -> dict[str, float]:
        """Find which metal is connected, and which is cut off from the collector (collective).

        Args:
            scale: cell current, A.
        """
        self._connect()
        mine, current = self.node_label[: len(self.volumes)], self.nodal_currents()
        on = mine >= 0
        sums = np.bincount(mine[on], weights=current[on], minlength=len(self.alive))
        part, volume, _ = self.shares
        amount = volume * self.metal.charge_density
        alive = np.append(self.alive, False)[part]  # -1, no part: the last entry
        neither = ~alive & ~np.isin(part, self.dead_parts)
        *sums, live, residue = self.comm.allreduce(
            np.array([*sums, amount[alive].sum(), amount[neither].sum()]), op=MPI.SUM)
        return {
            "live": float(live),
            "dead": sum(piece["charge"] for piece in self.pieces),
            "residue": float(residue),
            "islands": float(len(self.pieces)),
            "floor": float(np.abs(np.array(sums)[~self.alive]).sum()) / scale,
        }

    def recall(self, events: Sequence[Mapping[str, Any]] = ()) -> None:
        """Look at a state that was restored, with the pieces it had (collective)."""
        del events
        self.contacts.recall()
        self._connect()

    def _connect(self) -> None:
        """Find the parts that conduct electrons, and what they touch (collective).

        A part is made of solids, and of open pores above `CONDUCTING_FACTOR` times their empty
        conductivity. Metal in a part that does not reach the collector is dead. Whether there is
        metal (xi > 1/2) refers to the xi by which pieces were distinguished.
        """
        s, metal, domain = self.s, self.metal, self.s.domain
        xi = s.unknowns["xi"].value.x.array
        sigma = metal.conductivity(xi)
        in_pores = np.zeros(len(domain.cell_tag_array))
        mean = np.full(self.corners.shape[1], 1.0 / self.corners.shape[1])
        in_pores[self.cells] = sigma[self.corners] @ mean  # as the vertex rule takes it
        is_open = self.contacts.open.x.array > 0.5
        conducts = self.always | is_open & (in_pores > self.threshold)
        nodes, count = nodal_components(domain.mesh, conducts)
        label = np.where(conducts, nodes[self.one_vertex], -1)
        self.afloat = sorted(self.contacts.nodes.numbers_of(self.contacts.owner.x.array))
        # What floats is a part of its own, whether cells of it conduct or not.
        driven = self.contacts.solids.driven(label, count)
        self.alive = np.concatenate([driven, np.zeros(len(self.afloat), dtype=bool)])
        self.driven_cells = np.append(self.alive, False)[label]  # -1, no part: the last entry
        self.shorted = self._first(self.at_counter[
            self.driven_cells[self.at_counter] & (xi[self.corners_there] >= 0.5).any(axis=1)
        ])  # fmt: skip
        if len(self.floating):
            joined = {*self.solid[(self.solid >= 0) & self.driven_cells].tolist()}
            self.joined = frozenset().union(*self.comm.allgather(joined))
        self.node_label = self._to_nodes(nodes)
        self.pieces = self._dead(count)

    def _to_nodes(self, label: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Part of every local node of the pores, -1 for none.

        Cells of solids and of other ranks count, too: beside a wall that floats all pores may be
        shut, and its currents belong to the solid.

        Args:
            label: part of every local node of the mesh. Collective.
        """
        work = self.work
        work.x.array[self.node_of] = label
        found = np.asarray(highest(work, work.x.array)[self.in_pores].astype(np.int64))
        return self.contacts.solids.beside_coatings(found, self.contacts.piece.x.array)

    def _shares(self, number: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], ...]:
        """Metal of the owned nodes: its part, its volume, m3 (2D: m2), and its place, m.

        Args:
            number: of the piece that every part belongs to; what floats comes last.
        """
        n, contact = len(self.volumes), self.contacts
        mine, place = self.node_label[:n], self.points[:n]
        floats, owner = contact.afloat.x.array[:n], contact.owner.x.array[:n].astype(int)
        at = np.flatnonzero(owner)
        to = len(number) - len(self.afloat) + np.searchsorted(self.afloat, owner[at])
        live = np.flatnonzero(self.alive & (number == COLLECTOR_PIECE))
        rest = np.where(contact.core[:n], live[0] if len(live) else -1, mine)  # -1, no part
        return (
            np.concatenate([rest, to]),
            np.concatenate([self.volumes * (self.xi - floats), (self.volumes * floats)[at]]),
            np.concatenate([place, place[at]]),
        )

    def _dead(self, count: int) -> list[dict[str, Any]]:
        """The pieces of metal without electronic contact, largest first."""
        mine, dim = self.node_label[: len(self.volumes)], self.s.domain.dim
        on, core = mine >= 0, self.contacts.core[: len(mine)]
        number, size = np.zeros(count, dtype=np.int64), len(self.alive)
        np.maximum.at(number, mine[on], self.contacts.piece.x.array[: len(mine)][on].astype(int))
        number = np.append(np.maximum.reduce(self.comm.allgather(number)), self.afloat).astype(int)
        heavy = self.volumes * ((self.contacts.height[: len(mine)] >= TOUCH_HEIGHT) & ~core)
        self.shares = part, amount, here = self._shares(number)
        moments = (amount, *(amount * here[:, k] for k in range(dim)))
        there = part >= 0
        sums = np.stack([
            np.bincount(mine[on], weights=heavy[on], minlength=size),
            *(np.bincount(part[there], weights=w[there], minlength=size) for w in moments),
        ])
        sums = self.comm.allreduce(sums, op=MPI.SUM)
        floats = np.arange(size) >= count
        self.dead_parts = np.flatnonzero(~self.alive & (floats | (sums[0] > 0.0)))
        pieces = [
            {
                "piece": int(number[part]),
                "charge": float(volume) * self.metal.charge_density,
                "volume": float(volume),
                "place": (moment / volume).tolist(),
            }
            for part, (volume, *moment) in zip(
                self.dead_parts.tolist(), sums[1:, self.dead_parts].T, strict=True)
        ]
        return sorted(pieces, key=lambda piece: -piece["volume"])

    def _first(self, cells: npt.NDArray[np.int32]) -> tuple[float, ...]:
        """Middle of one of these cells, the same whatever the ranks; empty without any."""
        mesh, dim = self.s.domain.mesh, self.s.domain.dim
        middles = dmesh.compute_midpoints(mesh, dim, cells)[:, :dim].tolist() if len(cells) else []
        found = [row for rows in self.comm.allgather(sorted(middles)[:1]) for row in rows]
        return tuple(min(found)) if found else ()

    def voids(self) -> dict[int, dict[str, Any]]:
        """Pores that metal has closed, see `fem.physics.metal.voids.Voids.found` (collective)."""
        found: dict[int, dict[str, Any]] = self.s["voids"].found(self.volumes)
        return found

    # -- fields and profiles -------------------------------------------------------------------

    def show(self) -> None:
        """Bring nodal i_n of the front, and dead metal, into their fields (collective)."""
        field = self.s.memories["i_n"]
        currents = self.nodal_currents()
        area = next(t for t in self.s.reactions if t.name == "front").area
        n = owned_size(self.space)
        floor = 1e-3 * max(float(area.max(initial=0.0)), 1e-300)
        field.x.array[:n] = np.where(area > floor, currents / np.maximum(area, floor), 0.0)
        field.x.scatter_forward()
        dead = self.s.memories["dead"].x.array
        dead[:] = np.isin(self.node_label, self.dead_parts) | self.contacts.core

    def nodal_currents(self) -> npt.NDArray[np.float64]:
        """Current of front and walls at every owned node of the pores, A, sign of i_n."""
        out = np.zeros(len(self.volumes))
        for reaction in self.s.reactions:
            if reaction.drives:
                np.add.at(out, reaction.nodes["xi"], reaction.current())
        return out

    def by_region(self) -> dict[str, dict[str, float]]:
        """Current (A) and free area (m2) of the walls of each surface, and of the front.

        Side reactions count as current of their surface.
        """
        sums: dict[str, list[float]] = {}
        for t in self.s.reactions:
            if t.drives:
                entry = sums.setdefault(t.side_of or t.name, [0.0, 0.0])
                entry[0] += float(t.current().sum())
                entry[1] += 0.0 if t.side_of else float(t.area.sum())
        totals = self.comm.allreduce(np.array(list(sums.values())), op=MPI.SUM)
        return {
            name: {"current": float(row[0]), "area": float(row[1])}
            for name, row in zip(sums, totals, strict=True)
        }

    def depth_profile(self, bins: int = PROFILE_BINS) -> dict[str, list[float]]:
        """Metal and its current against depth.

        Returns:
            `depth` (bin centres, m), `current` (A in the bin, sign of i_n), `plated` (C in the
            bin), `fill` (the metal's share of the pores).
        """
        domain = self.s.domain
        points = domain.node_coordinates(self.space)
        depth, height = domain.depth_of(points), domain.span[0] - domain.span[1]
        inside = (depth >= -1e-9 * height) & (depth <= height * (1 + 1e-9))
        held = np.stack([self.nodal_currents(), self.volumes, self.volumes * self.xi])
        middle, (current, volume, full) = self.in_bins(
            bins, [(points[inside, None], held[:, inside, None])])
        return {
            "depth": middle,
            "current": current.tolist(),
            "plated": (full * self.metal.charge_density).tolist(),
            "fill": (full / np.where(volume > 0.0, volume, 1.0)).tolist(),
        }
