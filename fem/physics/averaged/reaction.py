r"""Reaction in the pores of an averaged host: a kinetic law at nodes, times area and volume.

    I = a_s V i_n(phi_s - phi_l, c, T)        at each node of the host; V: lumped volume, m3
    (zF/V_m) d eps_m/dt V + I = 0             solved with the potentials, in closed form

Metal strips where it is: with theta = 1 - exp(-q/q_cov), q its live charge per reacting area,

    i_n = min(law(eta + eta_nuc (1 - theta_seen)), 0) + theta max(law(eta), 0)

as on resolved walls (`fem.setup.kinetics.wall`). q is that of the end of the step, which the
current itself makes: q = q_held - k i_n with k from the time formula. i_n = S theta(q_held - k i_n)
has one root between 0 and S, so no step takes more metal than there is. With a spread S_d of
thresholds,

    i_n = [theta_seen + (1 - theta_seen) Phi((-eta - eta_nuc)/S_d)] min(law(eta), 0) + ...

A film is in series with all that. What seen means: foreseen for the end of the step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import MPI
from fem.setup.kinetics import behind_film
from fem.system.nodal import PROBE, NodalReaction

__all__ = ["PoreKinetics", "PoreReaction", "Stranding"]

Array = npt.NDArray[np.float64]

#: Most Newton steps for the current that takes the last metal, and relative change that ends them.
MAX_STEPS, ENOUGH = 100, 1e-14
#: Relative change of c from which a slope is taken.
PROBE_SHARE = 1e-6
#: Share of the metal's conductance that Newton's matrix has where a whole host passes no current.
IDLE_SHARE = 1e-6


@dataclass
class PoreKinetics:
    """The law of a host's surface at its nodes, with the metal that is there.

    Attributes:
        free: (eta, c, T) -> i_n of metal on metal, A/m2.
        barrier: eta_nuc of the bare surface at each node, V.
        q_cov: C/m2.
        spread: of thresholds, V; 0 for one threshold.
        film: resistance in series, ohm m2.
        seen: theta for the barrier, foreseen and smoothed.
        held: live charge per area at the end of the step if no current flowed, C/m2.
        gain: what 1 A/m2 that dissolves takes of it by then, C/m2 per A/m2; 0 where time stands
            still.
        closed: places that take no more metal.
    """

    free: Callable[[Array, Array, Any], Array]
    barrier: Array
    q_cov: float
    spread: float = 0.0
    film: float = 0.0
    seen: Array = field(default_factory=lambda: np.zeros(0))
    held: Array = field(default_factory=lambda: np.zeros(0))
    gain: Array = field(default_factory=lambda: np.zeros(0))
    closed: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        n = len(self.barrier)
        self.seen, self.held, self.gain = np.zeros((3, n))
        self.closed = np.zeros(n, dtype=bool)

    def density(self, eta: Array, c: Array, T: Any) -> Array:
        """i_n, A/m2."""

        def metal(drive: Array) -> Array:
            plating = np.where(self.closed, 0.0, self._plating(drive, c, T))
            return plating + self.stripped(np.maximum(self.free(drive, c, T), 0.0))

        return behind_film(metal, eta, self.film) if self.film > 0.0 else metal(eta)

    @property
    def left(self) -> Array:
        """Barrier that is left, V; where thresholds are spread fewer places react instead."""
        return self.barrier * (1.0 - self.seen) * (self.spread == 0.0)

    def _plating(self, eta: Array, c: Array, T: Any) -> Array:
        if not self.barrier.any():
            return np.minimum(self.free(eta, c, T), 0.0)
        if self.spread == 0.0:
            return np.minimum(self.free(eta + self.left, c, T), 0.0)
        from scipy.special import ndtr  # half a second, which other runs need not wait for

        active = self.seen + (1.0 - self.seen) * ndtr((-eta - self.barrier) / self.spread)
        return active * np.minimum(self.free(eta, c, T), 0.0)

    def stripped(self, most: Array) -> Array:
        """Current that dissolves metal, A/m2: i = S theta(q_held - k i).

        Args:
            most: S, that of a surface covered with metal, >= 0.
        """
        held = np.maximum(self.held, 0.0)
        if not self.gain.any():
            return most * -np.expm1(-held / self.q_cov)
        i = np.minimum(most, held / self.gain)
        for _ in range(MAX_STEPS):
            bare = np.exp(-(held - self.gain * i) / self.q_cov)
            step = (i - most * (1.0 - bare)) / (1.0 + most * bare * self.gain / self.q_cov)
            i = np.maximum(i - step, 0.0)
            if np.all(np.abs(step) <= ENOUGH * np.abs(i) + 1e-300):
                break
        return i


@dataclass
class PoreReaction(NodalReaction):
    """See above; where c is an unknown of the same time, the current follows it as well.

    Attributes:
        free: see `PoreKinetics`.
    """

    free: Any = None

    @property
    def _follows(self) -> bool:
        c = self.system.unknowns.get("c")
        return "c" in self.nodes and c is not None and self.system["c_seen"] is c.value

    @property
    def columns(self) -> Collection[str]:
        """The potentials, and perhaps c."""
        return {*super().columns} | ({"c"} if self._follows else set())

    def slope(self) -> Array:
        """Derivative of the current by eta, A/V.

        Between 0 and the barrier a host without metal passes no current, whatever the voltage. If
        none of its nodes does, Newton's matrix gets a little of the metal's conductance, by which
        potentials find the way out; the current itself stays 0.
        """
        slope, comm = super().slope(), self.system.domain.comm
        if comm.allreduce(float(slope.max(initial=0.0)), op=MPI.MAX) > 0.0:
            return slope
        return IDLE_SHARE * self._metal()

    def waiting(self) -> float:
        """Conductance with metal on all of the surface, A/V, on this rank."""
        return float(self._metal().sum())

    def _metal(self) -> Array:
        """Slope that metal everywhere would have at rest, A/V."""
        c, T, h = self.concentration(), self.temperature(), np.full(len(self.area), PROBE)
        return self.area * (self.free(h, c, T) - self.free(-h, c, T)) / (2 * PROBE)

    def slopes(self) -> dict[tuple[str, str], Array]:
        """Derivatives of `currents`, A/V and A per mol/m3."""
        out = super().slopes()
        if self._follows:
            eta, c, T = self.overpotential(), self.concentration(), self.temperature()
            h = PROBE_SHARE * np.maximum(c, 1.0)
            change = self.area * (self.law(eta, c + h, T) - self.law(eta, c - h, T)) / (2 * h)
            out |= {(row, "c"): sign * change for row, sign in self._by_row().items()}
        return out


@dataclass
class Stranding:
    """Dead metal that is left where metal dissolves, chi of it, as a term of its row."""

    of: PoreReaction
    chi: float
    nodes: dict[str, npt.NDArray[np.int32]]

    rows = ("eps_dead",)
    columns = ()
    drives = False
    linear = True
    side_of = ""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.of.name}, stranded"

    def currents(self) -> dict[str, Array]:
        """Currents into the row, A; a source is negative there."""
        return {"eps_dead": -self.chi * np.maximum(self.of.current(), 0.0)}

    def slopes(self) -> dict[tuple[str, str], Array]:
        """None: the current is known when the row is solved."""
        return {}

    def total(self) -> float:
        """Its electric current, A: none."""
        return 0.0
