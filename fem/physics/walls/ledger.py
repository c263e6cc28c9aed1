"""The books of walls: metal on them, and how the current spreads over regions and depth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.constants import FARADAY
from fem.compat import MPI, dfem, owned_size
from fem.materials import Metal
from fem.mesh.domain import on_side
from fem.mesh.profile import PROFILE_BINS
from fem.mesh.spaces import space_on
from fem.physics.walls.interface import Interface
from fem.physics.walls.shown import Shown
from fem.setup.stock import Stock
from fem.system.system import System
from fem.values.units import shown_length

Array = npt.NDArray[np.float64]

__all__ = ["WallLedger", "film_per_charge", "smallest_diameter"]

#: Share of the smallest pore or fibre above which a film moves the walls; here they stand still.
MAX_FILM_SHARE = 0.1
#: Metal gathers on a node if its neighbours hold less than this share of its charge per area.
LONE = 0.25
#: Share of the metal on such nodes above which a run says so.
MOST_LONE = 0.5
#: Parameters of a mesh that are diameters of pores or fibres.
DIAMETERS = ("fibre_diameter", "pore_diameter", "wire_diameter")


def film_per_charge(data: Metal) -> float:
    """Thickness of dense metal per plated charge density, V_m/(zF), m per C/m2."""
    return float(data.molar_volume) / (data.z * FARADAY)


def smallest_diameter(parameters: Any) -> float | None:
    """The smallest diameter anywhere in the parameters of a mesh, m; None without any."""
    return min(_diameters(parameters), default=None)


def _diameters(parameters: Any) -> Iterator[float]:
    if isinstance(parameters, dict):
        for key, value in parameters.items():
            if key in DIAMETERS and isinstance(value, int | float):
                yield float(value)
            else:
                yield from _diameters(value)
    elif isinstance(parameters, list):
        for value in parameters:
            yield from _diameters(value)


class WallLedger(Stock):
    """Metal on walls against the charge that passed.

    It is the cell's `stock`, the metal that can be stripped, with what other parts hold
    (`Reports.stores`).

    Args:
        interface: the electrodes.
        thickness: of dense metal per plated charge density, V_m/(zF), m per C/m2.
        diameter: the smallest of a pore or fibre, m; None if it is not known.
        barrier: largest nucleation overpotential, V.

    Attributes:
        area: of wall around each owned node, m2 (2D: m).
    """

    needs: tuple[str, ...] = ("circuit", "i_n", "q")
    shows_bare = True

    def __init__(
        self, interface: Interface, thickness: float, diameter: float | None = None,
        barrier: float = 0.0,
    ):
        self.interface, self.thickness, self.diameter = interface, thickness, diameter
        self.barrier = barrier
        self.shown: Shown | None = None

    def rows(self, s: System) -> None:
        """Compile what is measured."""
        self.stores = s.reports.stores
        self.walls_of: list[str] = []
        if not self.interface.plating:
            return
        self.space = s.memories["i_n"].function_space  # of wall nodes
        self.mask = dfem.Function(space_on(s.domain.mesh, ("DG", 0)))
        v = ufl.TestFunction(self.space)
        sums: dict[str, Any] = {}

        def add(name: str, term: Any) -> None:
            sums[name] = sums[name] + term if name in sums else term

        for e in self.interface.plating:
            for i_n, _, (weight, measure), solid, liquid in self.interface.pieces(s, e):
                test = on_side(v, liquid)
                add("nodal", i_n * weight * test * measure)
                add("area", weight * test * measure)
                if self.barrier > 0.0 and self._on_walls:
                    exact = measure(metadata={"quadrature_degree": 2})
                    add("barrier", on_side(e.eta_nuc, solid) * weight * test * measure)
                    add("around", weight * on_side(s["q"], liquid) * test * exact)
                if e.potential == "driven":
                    add("foil_area", weight * measure)
                else:
                    add("regional", on_side(self.mask, solid) * i_n * weight * measure)
                    add("region_area", on_side(self.mask, solid) * weight * measure)
        self.forms = {name: s.form(form) for name, form in sums.items()}
        n = owned_size(self.space)
        self.area = s.nodal(self.forms["area"]) if "area" in self.forms else np.zeros(n)
        self.walls_of = sorted({w[0] for e in self.interface.plating for w in e.walls})
        if self._on_walls:
            s.unknowns["q"].capacity = self.area
        self.shown = Shown(s, self.interface, self.thickness, s.memories["i_n"])

    @property
    def _on_walls(self) -> bool:
        """The metal on walls is followed."""
        return "q" in self.s.unknowns

    @property
    def _followed(self) -> bool:
        """Any metal is."""
        return self._on_walls or any(store.followed for store in self.stores)

    @property
    def makes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Columns of the metal, where it is followed."""
        return ("plated", "faraday") if self._followed else ()

    # -- metal ---------------------------------------------------------------------------------

    def plated(self) -> float:
        """Charge of the metal on all walls and in all stores, C (2D: C/m; collective)."""
        stored = sum(store.plated() for store in self.stores)
        return self._on_all_walls() + stored

    def _on_all_walls(self) -> float:
        """Charge of the metal on walls, C (collective)."""
        if not self._on_walls:
            return 0.0
        local = float(self.area @ self.s.unknowns["q"].owned)
        return self.comm.allreduce(local, op=MPI.SUM)

    def some(self) -> bool:
        """There is metal that could be stripped, as plated charge or as a foil (collective)."""
        known = any(e.covered for e in self.interface.plating)
        q = self.s.unknowns.get("q")
        some = known or (
            self.interface.initial_charge > 0.0 if q is None else bool((q.owned > 0.0).any())
        )
        stored = any(store.live() > 0.0 for store in self.stores)  # collective, so of every rank
        some = stored or some
        return bool(self.comm.allreduce(some, op=MPI.LOR))

    def left(self) -> float:
        """Charge of the metal that can be stripped, C (2D: C/m; collective).

        Infinite where a wall is the metal itself, or where metal is not followed.
        """
        if not self._followed or any(e.covered for e in self.interface.plating):
            return math.inf
        return self._on_all_walls() + sum(store.live() for store in self.stores)

    def moved(self) -> float:
        """Charge of the metal that came or went at each place in this step, C (collective)."""
        q, stored = self.s.unknowns.get("q"), sum(store.moved() for store in self.stores)
        if q is None:
            return stored
        change = np.abs(q.owned - q.old[0].x.array[: len(q.owned)])
        return stored + self.comm.allreduce(float(self.area @ change), op=MPI.SUM)

    def step(self, scale: float) -> dict[str, float]:
        """Balance of the metal, where it is followed (collective)."""
        if not self._followed:
            return {}
        return self.balance(scale, self.s["circuit"].pending.get("dead", 0.0))

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Metal on single nodes, and a film that would have moved its walls (collective)."""
        if not closely or not self._on_walls:
            return
        share, nodes = self.alone()
        if share > MOST_LONE:
            yield "lone", (
                f"{share:.0%} of the metal is on {nodes} nodes of walls whose neighbours hold less "
                f"than {LONE:.0%} of it: a barrier (eta_nuc) that metal lowers has no length on "
                "resolved walls, and where metal gathers follows the mesh; compare with cells half "
                "as large, or give an averaged host and its nucleation_length"
            )
        if self.diameter is None:
            return
        q = self.s.unknowns["q"].owned
        thickest = self.thickness * self.comm.allreduce(float(np.max(q, initial=0.0)), op=MPI.MAX)
        if thickest > MAX_FILM_SHARE * self.diameter:
            yield "film", (
                f"the metal film reaches {shown_length(thickest, 3)}, above {MAX_FILM_SHARE:.0%} "
                f"of the smallest diameter {shown_length(self.diameter, 3)}: the walls would have "
                "moved"
            )

    def alone(self) -> tuple[float, int]:
        """Metal that a barrier gathers on single nodes: its share, and their number (collective).

        The integral of a linear q times a hat function holds 2/(dim + 1) of the node itself, the
        rest of its neighbours on the wall. Nodes with less than q_cov still have their barrier.
        """
        if "around" not in self.forms:
            return 0.0, 0
        s, own = self.s, 2.0 / (self.s.domain.dim + 1)
        metal = self.area * s.unknowns["q"].owned
        lowered = metal > self.interface.charge_scale * self.area
        around = s.nodal(self.forms["around"]) - own * metal
        lone = lowered & (around < LONE * (1.0 - own) * metal)
        lone &= s.nodal(self.forms["barrier"]) > 0.0
        local = np.array([metal[lone].sum(), metal.sum(), lone.sum()])
        gathered, total, nodes = self.comm.allreduce(local, op=MPI.SUM)
        return (float(gathered / total) if total > 0.0 else 0.0), int(nodes)

    # -- where ---------------------------------------------------------------------------------

    def show(self) -> None:
        """Bring the fields of walls up to date (collective)."""
        self.update()
        if self.shown is not None:
            self.shown.update()

    def update(self) -> npt.NDArray[np.float64]:
        """Nodal i_n into the field `i_n`; returns the owned nodal currents, A (collective)."""
        if not self.interface.plating:
            return np.empty(0)
        field, n = self.s.memories["i_n"], owned_size(self.space)
        if "nodal" not in self.forms:
            return np.zeros(n)
        currents = self.s.nodal(self.forms["nodal"])
        field.x.array[:n] = np.where(self.area > 0.0, currents / np.where(
            self.area > 0.0, self.area, 1.0), 0.0)
        field.x.scatter_forward()
        return currents

    def by_region(self) -> dict[str, dict[str, float]]:
        """Current (A) and wall area (m2) of each reacting solid, and of the collector itself."""
        s, out = self.s, {}
        for name in self.walls_of:
            self.mask.x.array[:] = s.domain.in_regions([name])
            out[name] = {
                "current": s.integral(self.forms["regional"]),
                "area": s.integral(self.forms["region_area"]),
            }
        if any(e.potential == "driven" for e in self.interface.plating):
            area = s.integral(self.forms["foil_area"])
            out["collector"] = {"current": s["circuit"].total("driven"), "area": area}
        for store in self.stores:
            out |= {name: {**found} for name, found in store.by_region().items()}
        return out

    def depth_profile(self, bins: int = PROFILE_BINS) -> dict[str, list[float]]:
        """Current of walls and stores against depth.

        Returns:
            `depth` (bin centres, m), `current` (A in the bin, sign of i_n), `area` (wall m2 in the
            bin), `plated` (C in the bin). The currents add up to the cell current.
        """
        held = self._spread(), *(store.spread() for store in self.stores)
        depth, (current, area, plated) = self.in_bins(bins, held)
        return {"depth": depth, "current": current.tolist(), "area": area.tolist(),
                "plated": plated.tolist()}

    def _spread(self) -> tuple[Array, Array]:
        """Current, A, area, m2, and metal, C, of this rank's wall nodes, see `Store.spread`."""
        currents = self.update()
        if not self.interface.plating:
            return np.empty((0, 1, 3)), np.empty((3, 0, 1))
        charge = np.zeros_like(currents)
        if self._on_walls:
            charge = self.area * self.s.unknowns["q"].owned
        points = self.s.domain.node_coordinates(self.space)
        return points[:, None], np.stack([currents, self.area, charge])[:, :, None]
