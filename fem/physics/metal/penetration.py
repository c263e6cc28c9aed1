"""Depth to which a reaction reaches at every node of a front that plates, step after step.

See `fem.case.depth` for the depth l, and for what happens where a front is too wide for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fem.case.case import Case
from fem.case.depth import LARGEST_RATIO, SWELLING_RATIO, cure, resistance
from fem.materials import material
from fem.physics.metal.metal import Metal
from fem.system.part import Event, Observer, Warn
from fem.system.system import System
from fem.values.properties import number, varies
from fem.values.units import shown_length, shown_point

__all__ = ["Depth", "Penetration"]

#: Half the distance of the two voltages from which a slope is taken, V.
PROBE = 1e-7
#: Range of xi in the outer half of the front, which the current meets first.
OUTER = 0.05, 0.5
#: Least current density at a node that counts, as a share of the largest of the front.
CARRIES = 0.05
#: Least slope that is divided by, A/(V m2).
LEAST_SLOPE = 1e-250

Array = npt.NDArray[np.float64]


# -- during a run ------------------------------------------------------------------------------


class Depth(NamedTuple):
    """The place of a front at which a reaction reaches least deep.

    Attributes:
        l: m.
        i_n: current density of the front there, A/m2.
        c: concentration there, mol/m3.
        conductivity: 1/R there, S/m.
        place: m.
    """

    l: float  # noqa: E741  (its name in theory)
    i_n: float
    c: float
    conductivity: float
    place: tuple[float, ...]

    def says(self, width: float) -> str:
        """Message that compares the depth with the interface width, and the way out."""
        share, what = "a tenth", "swells"
        if width > LARGEST_RATIO * self.l:
            share, what = "half", "grows by itself"
        return (
            f"interface_width = {shown_length(width, 3)} is above {share} of l = "
            f"{shown_length(self.l, 3)}, within which the front takes up the ionic current at "
            f"{shown_point(self.place)}, where i_n = {self.i_n:.4g} A/m^2, c = {self.c:.4g} "
            f"mol/m^3 and 1/R = {self.conductivity:.3g} S/m: the tail of the front {what}; "
            f"{cure(self.l)}"
        )


class Penetration(Observer):
    """Looks at the front, one accepted step after the other.

    Args:
        metal: that grows.
        case: says what fills its pores.
        c0: initial salt concentration, mol/m3.

    Attributes:
        width: lambda, m.
    """

    needs: tuple[str, ...] = ("front", "xi")

    def __init__(self, metal: Metal, case: Case, c0: float):
        self.metal, self.case, self.c0 = metal, case, c0
        self.width = metal.interface_width

    def rows(self, s: System) -> None:
        """Find the electrolyte at every node of the pores."""
        self.domain = s.domain
        self.reaction = next(t for t in s.reactions if t.name == "front")
        xi = s.unknowns["xi"]
        self.points = xi.space.tabulate_dof_coordinates()[: len(self.reaction.area)]
        self.ways: list[tuple[Any, Any, npt.NDArray[np.bool_]]] = []
        for name in self.metal.regions:
            spec, there = self.case.region(name), np.zeros(len(xi.value.x.array), dtype=bool)
            there[s.domain.nodes_in(xi.space, xi.part, [name])] = True
            name = spec.material or self.case.electrolyte
            filling = material(name, self.case.fillings, cation=self.case.metal)
            self.ways.append((filling, spec, there[: len(self.points)]))

    @property
    def travel(self) -> float:
        """Way of its fastest point since it is wider than l allows, m.

        Salt that runs out makes l short, too, but then the front does not get far.
        """
        return self.s.kept.get("unresolved", 0.0)

    def events(self) -> Iterator[Event | Warn]:
        """A front too wide for its kinetics; one that has moved on so ends the run (collective)."""
        if (depth := self.shallowest()) is None:
            return
        reason = depth.says(self.width)
        if self.width > SWELLING_RATIO * depth.l:
            yield Warn("tail", f"t = {self.s.t:.6g} s: {reason}", once=True)
        if self.travel > self.width:
            numbers = {**depth._asdict(), "interface_width": self.width, "reason": reason}
            yield Event("unresolved_front", numbers)

    def shallowest(self) -> Depth | None:
        """The shallowest depth after a step; None if nothing plates (collective)."""
        s, reaction, metal = self.s, self.reaction, self.metal
        xi = s.unknowns["xi"].owned
        on = np.flatnonzero((xi > OUTER[0]) & (xi < OUTER[1]) & (reaction.area > 0.0))
        eta, c = reaction.overpotential()[on], self._concentration(on)
        T = np.broadcast_to(reaction.temperature(), len(xi))[on]
        share = metal.crystal.exchange(s["front"].normals()[:, on])
        i_n, above, below = (metal.law(eta + d, c, T, share) for d in (0.0, PROBE, -PROBE))
        steep = (above - below) / (2 * PROBE)
        if reaction.supply is not None and (reach := reaction.supply.reach(reaction)) is not None:
            i_n, through, _ = reach.at(on).of(i_n)
            steep *= through  # 0 where all that is brought reacts
        steep = np.maximum(steep, LEAST_SLOPE)
        comm = self.domain.comm
        most = max(comm.allgather(float(np.abs(i_n).max(initial=0.0))))
        plates = i_n < -CARRIES * most
        R = self._resistance(on, c, T)
        depths = np.where(plates, 1.0 / (R * steep), np.inf)
        k = int(np.argmin(depths)) if plates.any() else -1
        mine = Depth(np.inf, 0.0, 0.0, 0.0, ())
        if k >= 0:
            place = tuple(self.points[on[k], : self.domain.dim].tolist())
            numbers = [float(values[k]) for values in (depths, i_n, c, 1.0 / R)]
            mine = Depth(numbers[0], numbers[1], numbers[2], numbers[3], place)
        found = min(comm.allgather(mine))
        if math.isinf(found.l) or self.width <= LARGEST_RATIO * found.l:
            s.kept["unresolved"] = 0.0
        else:
            s.kept["unresolved"] = self.travel + most / metal.charge_density * s.dt
        return None if math.isinf(found.l) else found

    def _concentration(self, on: Any) -> Array:
        """Salt at some nodes of the front, mol/m3."""
        s, nodes = self.s, self.reaction.nodes
        if "c" not in nodes or not s["ions"].dissolved(s):
            return np.full(len(on), self.c0)
        return np.asarray(s["ions"].at_nodes(s)[nodes["c"][on]])

    def _resistance(self, on: Any, c: Array, T: Array) -> Array:
        """R at some nodes of the front; the largest where electrolytes meet, ohm m."""
        largest = np.zeros(len(on))
        for filling, spec, there in self.ways:
            here = there[on]
            if not here.any():
                continue
            known = self.domain.places(self.points[on[here]]) | {"c": c[here], "T": T[here]}
            own = {k: v.at(**known) if varies(v) else number(v)
                   for k in ("kappa", "D", "t_plus", "tortuosity")
                   if (v := getattr(spec, k, None)) is not None}  # fmt: skip
            tortuosity = own.pop("tortuosity", 1.0)
            R = resistance(filling, c[here], T[here], own, tortuosity)
            largest[here] = np.maximum(largest[here], R)
        return largest
