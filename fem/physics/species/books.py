"""The books of ions that move by themselves: how much of each there is, and where one runs out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.constants import FARADAY
from fem.compat import MPI, owned_size
from fem.mesh.domain import Subdomain
from fem.physics.species.solution import Solution
from fem.setup.depletion import SaltBooks
from fem.system.part import Event
from fem.system.system import System
from fem.system.unknown import DEPLETED_SHARE
from fem.theory import sand_time_of_ions

__all__ = ["IonBooks"]

#: Share of c0 below which metal ions have run out: current beyond it is that of the last cell of
#: the mesh, through which any voltage drives it.
EMPTY_SHARE = 1e-6
#: Fall of the potential across a cell, in RT/F, from which on a run says that it is too large.
STEEP = 25.0
#: Share of the currents that enter which is left of those that cancel, to the tolerance of Newton's
#: method; a ledger of it would be noise.
BALANCED = 1e-9


def _sinks(ion: str) -> tuple[str, str]:
    """Ledgers of an ion that others keep: what liquid takes out, and the floor of the pores."""
    return f"{ion}_out", f"{ion}_in_floor"


class IonBooks(SaltBooks):
    """Content of each ion against what went in and out, and the range of concentrations.

    Args:
        solution: that carries them.
        warnings: of the case.
    """

    needs: tuple[str, ...] = ("circuit", "ions")
    makes = ("c_min", "c_max")

    def __init__(self, solution: Solution, warnings: tuple[str, ...] = ()):
        self.solution, self.warnings = solution, warnings
        self.names = [ion.name for ion in solution.ions]
        self.provides = tuple(f"c_{name}" for name in self.names)

    def declare(self, s: System) -> None:
        """Add the fields that are shown, and ledgers."""
        self.s = s
        part = self.solution.part
        self.shown = [s.memory(f"c_{name}", part) for name in self.names]
        for name in self.names:
            s.charges[f"in_{name}"] = np.zeros(2)
        s.kept |= {"mu_volts": self.solution.volts, "mu_c_ref": self.solution.c0}

    def adopt(self, ledgers: Mapping[str, Any], kept: Mapping[str, float]) -> None:
        """Take up ions of a run at another temperature, or with another c0."""
        del ledgers
        if "mu_volts" in kept:
            self.solution.recount(kept["mu_volts"], kept["mu_c_ref"])

    def rows(self, s: System) -> None:
        """Compile the content of each ion, and volumes around places."""
        sol, domain = self.solution, s.domain
        s.charges |= {name: np.zeros(2) for name in s.reports.salt_sinks}
        self.contents = []
        for c in sol.c:
            terms = [
                medium.room(s) * c * domain.node_weight(medium.regions)
                * domain.dx(medium.regions, lumped=True)
                for medium in sol.media if medium.kappa is None
            ]
            self.contents.append(s.form(sum(terms[1:], terms[0])))
        self.made = [None if (made := self._made(k)) is None else s.form(made)
                     for k, _ in enumerate(self.names)]

    def _made(self, k: int) -> Any:
        """Amount of an ion that reactions make, less what liquid takes out, mol/s; or None."""
        sol, domain = self.solution, self.s.domain
        out, made = sol.outflow(k, ufl.as_ufl(1.0)), sol.sources(k)
        total: Any = 0 if out is None else -out
        for medium in sol.media if made is not None else ():
            if medium.kappa is None:
                here = domain.node_weight(medium.regions)
                dx = domain.dx(medium.regions, lumped=True)
                total += medium.room(self.s) * made * here * dx
        return None if isinstance(total, int) else total

    def _amounts(self) -> list[float]:
        """Content of each ion, mol (2D: mol/m; collective)."""
        return [self.s.integral(form) for form in self.contents]

    def _gains(self) -> list[float]:
        """Amount that comes in of each ion, mol/s (2D: mol/(m s); collective).

        The metal ion has its share of the current that enters, and makes up for the charge of all
        others.
        """
        s, circuit, ions = self.s, self.s["circuit"], self.solution.ions
        gains = [0.0]
        for k, ion in enumerate(ions[1:], 1):
            held = sum(s.held_currents(self.solution.mu[k - 1].name).values())
            gains.append(held / ((ion.z or 1) * FARADAY))
            gains[k] += sum(s.integral(form) for form in (self.made[k],) if form is not None)
            gains[k] -= sum(taken() for taken in self.solution.takers.get(k, ()))
            gains[k] -= sum(self.sinks.get(name, 0.0) for name in _sinks(ion.name))
        parts = [circuit.total(name) for name in ("cell", "counter", "inflow")]
        parts += s.held_currents("phi_l").values()
        current, size = math.fsum(parts), math.fsum(map(abs, parts))
        current = current if abs(current) > BALANCED * size else 0.0
        others = sum(ion.z * gain for ion, gain in zip(ions, gains, strict=True))
        gains[0] = (current / FARADAY - others) / ions[0].z
        return gains

    # -- a run asks ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the contents as the reference (collective)."""
        for name, amount in zip(self.names, self._amounts(), strict=True):
            self.s.kept[f"amount_{name}"] = amount

    @property
    def start(self) -> float:
        """Metal ions of the start, mol/m3."""
        return self.solution.c0

    @property
    def dissolves(self) -> Subdomain:
        """Cells that dissolve ions."""
        return self.solution.part

    def at_corners(self, state: int | None = None) -> npt.NDArray[np.float64]:
        """Metal ions at the corners of cells."""
        sol = self.solution
        c = np.where(self.absent(sol.mu[0])[sol.node], math.inf, sol.everywhere(state)[0])
        values: npt.NDArray[np.float64] = c[sol.back][sol.field_space.dofmap.list]
        return values

    def sand_time(self, density: float | None) -> float | None:
        """Time for which metal ions last at a flat wall, s; None where charge shifts them."""
        if not density or any(self.solution.charge.values()):
            return None
        return self._lasts(abs(density))

    @property
    def sand_name(self) -> str:  # type: ignore[override]
        """Name that says where Sand's time is linear about the start, as with three ions."""
        return "sand_time" if len(self.solution.ions) == 2 else "sand_time_linear"

    def lasts(self, density: float) -> float:
        """Time for which metal ions last at a flat wall, s; with fixed charge as without."""
        return self._lasts(density) if density else math.inf

    def _lasts(self, density: float) -> float:
        ions = self.solution.ions
        return sand_time_of_ions(
            density, [ion.c0 for ion in ions], [ion.D for ion in ions], [ion.z for ion in ions]
        )

    def diffused(self, time: float) -> float:
        """Length over which metal ions diffuse by themselves, m."""
        return math.sqrt(self.solution.ions[0].D * time)

    def step(self, scale: float) -> dict[str, float]:
        """Range of the metal ion, mol/m3, the least of all, and the worst closure of a content."""
        s, comm = self.s, self.s.domain.comm
        wet = self._wet()
        least = min(float(c[wet].min(initial=math.inf)) for c in self.solution.at_places())
        least = comm.allreduce(least, op=MPI.MIN)
        low, high = self._range()
        self.low = low
        self.sinks = {name: sink() for name, sink in s.reports.salt_sinks.items()}
        self.taken = {name: s.time.integrate(r, s.charges[name]) for name, r in self.sinks.items()}
        worst, self.pending = 0.0, {}
        for name, amount, gain in zip(self.names, self._amounts(), self._gains(), strict=True):
            ledger, start = s.charges[f"in_{name}"], s.kept[f"amount_{name}"]
            self.pending[name] = came = s.time.integrate(gain, ledger)
            worst = max(worst, abs(amount - start - came) / max(start, abs(came)))
        return {"c_min": low, "c_max": high, "c_least": least, "ions": worst}

    def _wet(self) -> npt.NDArray[np.bool_]:
        """Places, of those that this rank owns, that are not inside metal."""
        sol = self.solution
        nodes, present = sol.node[sol.mine], sol.mu[0].present
        return np.ones(len(nodes), dtype=bool) if present is None else present()[nodes]

    def _range(self) -> tuple[float, float]:
        """Least and most of the metal ion, mol/m3 (collective)."""
        c, comm = self.solution.at_places()[0][self._wet()], self.s.domain.comm
        low, high = float(c.min(initial=math.inf)), float(c.max(initial=-math.inf))
        return comm.allreduce(low, op=MPI.MIN), comm.allreduce(high, op=MPI.MAX)

    def accept(self) -> None:
        """Make the ledgers of `step` the accepted ones."""
        came = {f"in_{name}": value for name, value in self.pending.items()}
        for name, value in (came | self.taken).items():
            history = self.s.charges[name]
            history[1], history[0] = history[0], value

    def events(self) -> Iterator[Event]:
        """Metal ions that have run out (collective).

        Raises:
            RunError: they have, and it was not to be seen in time.
        """
        if self.low < EMPTY_SHARE * self.solution.c0:
            yield self.found()

    def stuck(self) -> Event | str | None:
        """Depletion, where no step can be taken and metal ions are few; or cells too steep."""
        if self._range()[0] < DEPLETED_SHARE * self.start:
            return self.depletion()
        return self._steep(STEEP) or None

    def show(self) -> None:
        """Bring the fields of all ions to the present state: at jumps of charge the mean."""
        sol = self.solution
        n = owned_size(sol.space)
        nodes = sol.node[sol.mine]
        count = np.bincount(nodes, minlength=n)
        for f, c in zip(self.shown, sol.at_places(), strict=True):
            f.x.array[:n] = np.bincount(nodes, c, n) / np.maximum(count, 1)
            f.x.scatter_forward()

    def summary(self) -> dict[str, Any]:
        """Range of the metal ion, mol/m3, and the numbers of each ion with source and status."""
        low, high = self._range()
        return {"c_min": low, "c_max": high, "species": {
            ion.name: {"z": ion.z, "D": ion.D, "c0": ion.c0, "source": ion.source,
                       "status": ion.status}
            for ion in self.solution.ions
        }}  # fmt: skip

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Remarks on the data, when the model is built, and on cells that are too large."""
        if not closely:
            yield from ((f"ions {k}", text) for k, text in enumerate(self.warnings))
            return
        for key, text in (("steep", self._steep(STEEP)), ("coarse", self.coarse())):
            if text:
                yield key, text

    def _steep(self, most: float) -> str:
        """Message where phi_l falls by more across one cell, RT/F; or empty (collective)."""
        steepest = self._steepest()
        return "" if steepest <= most else (
            f"phi_l falls by {steepest:.3g} RT/F across one cell: ions change by decades there, "
            "which linear potentials do not follow, and from 50 on no step may be found; refine "
            "the mesh there"
        )

    def _steepest(self) -> float:
        """Largest fall of phi_l across a cell of the liquid, RT/F (collective).

        Where metal grows 0: inside metal it means nothing.
        """
        s, sol = self.s, self.solution
        if sol.grows:
            return 0.0
        phi = s.unknowns["phi_l"]
        here = s.domain.in_regions(sol.salty)[phi.part.cells]
        nodes = phi.space.dofmap.list[: len(here)][here]
        falls = np.ptp(phi.value.x.array[nodes], axis=1)
        return s.domain.comm.allreduce(float(falls.max(initial=0.0)), op=MPI.MAX) / sol.volts
