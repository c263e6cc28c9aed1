"""The charged regions of a run: ions that walls see, the start, and what is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fem.compat import MPI
from fem.physics.charged.shift import Shift
from fem.system.part import Event, Observer
from fem.system.system import System

__all__ = ["Charges"]

#: Relative difference of the salt of the start from that beside the region that counts as a jump.
JUMP = 1e-2
#: Share of c0 below which a place has no metal ions: what conducts on is the anions alone, and the
#: voltage is made by the last cell of the mesh.
EMPTY_SHARE = 1e-6


@dataclass
class Charges(Observer):
    """Names, start and measures of regions with fixed charge.

    Their transport and what they store are the laws of the medium that fills them (`shift.laws`).

    Attributes:
        shifts: what the charge of a region does to its ions.
        walls: regions whose ions the kinetics see.
        start: salt at the start where anions are given, mol/m3.
        warnings: of the case.
    """

    shifts: Mapping[str, Shift]
    walls: tuple[str, ...]
    start: Mapping[str, float]
    warnings: tuple[str, ...] = ()

    provides: tuple[str, ...] = ("c_plus", "c_minus")
    makes = ("c_plus_min", "c_minus_min")
    needs: tuple[str, ...] = ("c", "c_lagged")

    def declare(self, s: System) -> None:
        """Salt at the start, the metal ions that walls see, and the ions that are shown."""
        self.s, domain = s, s.domain
        self.part = domain.subdomain(tuple(self.shifts))
        self.plus, self.minus = (s.memory(name, self.part) for name in ("c_plus", "c_minus"))
        cells = self.plus.function_space.dofmap.list[: len(self.part.cells)]
        self.nodes = {
            n: np.unique(cells[domain.in_regions([n])[self.part.cells]]) for n in self.shifts
        }
        c = s.unknowns.get("c")
        if c is not None:
            self.at = domain.same_nodes(self.plus.function_space, self.part, c.space, c.part)
            for name, salt in self.start.items():
                c.value.x.array[self.at[self.nodes[name]]] = salt
        lagged = s["c_lagged"]
        shifted = sum(
            domain.field({name: 1.0}) * (self.shifts[name].c_plus(lagged) - lagged)
            for name in self.walls
        )
        s.define("c_at_walls", lagged + shifted)

    def _salt(self) -> npt.NDArray[np.float64]:
        """Salt at the nodes of charged regions, mol/m3."""
        c = self.s.unknowns.get("c")
        if c is None:
            return np.full(len(self.plus.x.array), float(self.s["c"]))
        return np.asarray(c.value.x.array[self.at])

    def step(self, scale: float) -> Mapping[str, float]:
        """The least concentration of each ion."""
        del scale
        salt, comm = self._salt(), self.s.domain.comm
        self.low = low = [
            min((float(np.min(ions(shift)(salt[self.nodes[name]]), initial=np.inf))
                 for name, shift in self.shifts.items()), default=np.inf)
            for ions in (lambda shift: shift.c_plus, lambda shift: shift.c_minus)
        ]
        plus, minus = (comm.allreduce(value, op=MPI.MIN) for value in low)
        return {"c_plus_min": plus, "c_minus_min": minus}

    def events(self) -> Iterator[Event]:
        """Metal ions that have run out (collective).

        Beside a positive charge anions go on to conduct, so a step can still be taken; but what
        phi_l falls by is then that of the cell of the mesh in which the ions end.
        """
        s, comm = self.s, self.s.domain.comm
        if comm.allreduce(self.low[0], op=MPI.MIN) >= EMPTY_SHARE * s["ions"].c0:
            return
        salt, x = self._salt(), self.plus.function_space.tabulate_dof_coordinates()
        found: list[tuple[float, float, list[float]]] = [(np.inf, np.inf, [])]
        for name, shift in self.shifts.items():
            if len(on := self.nodes[name]):
                k = on[int(np.argmin(shift.c_plus(salt[on])))]
                place = x[k].tolist()[: s.domain.dim]
                found.append((float(shift.c_plus(salt[k])), float(salt[k]), place))
        plus, c, place = min(comm.allgather(min(found)))
        yield Event("depletion", {"c_min": c, "c_plus_min": plus, "place": place})

    def stuck(self) -> str | None:
        """Say that the salt of the start jumps at the edge of a region, if no step was taken."""
        ions = self.s["ions"]
        apart = {n: c for n, c in self.start.items() if abs(c / ions.c0 - 1.0) > JUMP}
        if self.s.t > 0.0 or not apart or set(ions.salty) <= set(self.start):
            return None
        shown = ", ".join(f"{c:.4g} mol/m^3 in {n!r}" for n, c in apart.items())
        return (
            f"By fixed_charge.anions the salt in equilibrium is {shown} and {ions.c0:.4g} mol/m^3 "
            "beside it, a jump at the edge of the region; leave anions out, or choose initial.c "
            "or anions so that both agree"
        )

    def show(self) -> None:
        """Both ions at the nodes; where two charged regions meet, those of the later one."""
        salt = self._salt()
        for name, shift in self.shifts.items():
            on = self.nodes[name]
            self.plus.x.array[on] = shift.c_plus(salt[on])
            self.minus.x.array[on] = shift.c_minus(salt[on])

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Ideal conductivity against the one that is given."""
        if not closely:
            yield from ((f"fixed_charge.{k}", text) for k, text in enumerate(self.warnings))
