r"""Reaction in the pores of an averaged host: a kinetic law at nodes, times area and volume.

    I = a_s V i_n(phi_s - phi_l, c, T)        at each node of the host; V: lumped volume, m3
    (zF/V_m) d eps_m/dt V + I = 0             solved with the potentials, in closed form

Metal strips where it is: with theta = 1 - exp(-q/q_cov), q its live charge per reacting area,

    i_n = min(law(eta + eta_nuc (1 - theta_lagged)), 0) + theta max(law(eta), 0)

as on resolved walls (`fem.setup.kinetics.wall`). q is that of the end of the step, which the
current itself makes: q = q_held - k i_n with k from the time formula. i_n = S theta(q_held - k i_n)
has one root between 0 and S, so no step takes more metal than there is. With a spread S_d of
thresholds,

    i_n = [theta_lagged + (1 - theta_lagged) Phi((-eta - eta_nuc)/S_d)] min(law(eta), 0) + ...

A film is in series with all that. One of another physics (`Skin`) grows beside:
i_n = i_metal + i_sei then, both behind it. Lagged: extrapolated to the end of the step and held.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fem.compat import MPI
from fem.setup.kinetics import behind_film
from fem.system.nodal import PROBE, NodalReaction

__all__ = ["PoreKinetics", "PoreReaction", "Skin", "Solved"]

Array = npt.NDArray[np.float64]

#: Row of the metal, into which goes what films leave.
METAL = "eps_m"
#: Most Newton steps for the current that takes the last metal, and relative change that ends them.
MAX_STEPS, ENOUGH = 100, 1e-14
#: Relative change of c from which a slope is taken.
PROBE_SHARE = 1e-6
#: Share of the metal's conductance that Newton's matrix has where a whole host passes no current.
IDLE_SHARE = 1e-6


class Solved(NamedTuple):
    """State of a surface behind its films, an array over the nodes each.

    Attributes:
        drive: phi_s - phi_l, V.
        eta: that less what films drop, V.
        T: K.
        metal: current density that makes or takes metal, A/m2.
        total: i_n, with what films take.
    """

    drive: Array
    eta: Array
    T: Any
    metal: Array
    total: Array


class Skin(Protocol):
    """A film of another physics on the surface of a host, at the host's nodes.

    Attributes:
        row: unknown by which it is followed; empty where it stays as it is.
        nodes: the unknown's local degrees of freedom there.
    """

    row: str
    nodes: npt.NDArray[np.int32]

    def amounts(self) -> Array:
        """Values of the unknown now."""

    def resistance(self, amounts: Array) -> Array:
        """Resistance of a film of given amounts, ohm m2."""

    def current(self, amounts: Array, drive: Array, eta: Array, T: Any, metal: Array) -> Array:
        """Current density that makes no metal, A/m2; other arguments as in `Solved`."""

    def balance(self, amounts: Array, at: Solved) -> Array:
        """Current into the unknown's row at each node, A."""


@dataclass
class PoreKinetics:
    """The law of a host's surface at its nodes, with the metal that is there.

    Attributes:
        free: (eta, c, T) -> i_n of metal on metal, A/m2.
        barrier: eta_nuc of the bare surface at each node, V.
        q_cov: C/m2.
        spread: of thresholds, V; 0 for one threshold.
        film: resistance in series, ohm m2.
        skin: film of another physics, or None.
        lagged: theta for the barrier, extrapolated and smoothed.
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
    skin: Skin | None = None

    def __post_init__(self) -> None:
        n = len(self.barrier)
        self.lagged, self.held, self.gain = np.zeros((3, n))
        self.closed = np.zeros(n, dtype=bool)

    def density(self, drive: Array, c: Array, T: Any) -> Array:
        """i_n, A/m2."""
        return self.solved(drive, c, T).total

    def solved(self, drive: Array, c: Array, T: Any, amounts: Array | None = None) -> Solved:
        """The surface at phi_s - phi_l = drive, V.

        Args:
            drive: V.
            c: salt, mol/m3.
            T: K.
            amounts: of the skin, instead of those there are.
        """
        skin, R = self.skin, self.resistance(amounts)

        def metal(eta: Array) -> Array:
            plating = np.where(self.closed, 0.0, self._plating(eta, c, T))
            return plating + self.stripped(np.maximum(self.free(eta, c, T), 0.0))

        def law(eta: Array) -> Array:
            if skin is None:
                return metal(eta)
            there = skin.amounts() if amounts is None else amounts
            found = metal(eta)
            return found + skin.current(there, drive, eta, T, found)

        total = behind_film(law, drive, R) if self.resists else law(drive)
        eta = drive - R * total
        return Solved(drive, eta, T, total if skin is None else metal(eta), total)

    @property
    def resists(self) -> bool:
        """A film is in series."""
        return self.film > 0.0 or self.skin is not None

    def resistance(self, amounts: Array | None = None) -> Any:
        """Resistance of all films, ohm m2."""
        if self.skin is None:
            return self.film
        there = self.skin.amounts() if amounts is None else amounts
        return self.film + self.skin.resistance(there)

    @property
    def left(self) -> Array:
        """Barrier that is left, V; where thresholds are spread fewer places react instead."""
        return self.barrier * (1.0 - self.lagged) * (self.spread == 0.0)

    def _plating(self, eta: Array, c: Array, T: Any) -> Array:
        if not self.barrier.any():
            return np.minimum(self.free(eta, c, T), 0.0)
        if self.spread == 0.0:
            return np.minimum(self.free(eta + self.left, c, T), 0.0)
        from scipy.special import ndtr  # half a second, which other runs need not wait for

        active = self.lagged + (1.0 - self.lagged) * ndtr((-eta - self.barrier) / self.spread)
        return active * np.minimum(self.free(eta, c, T), 0.0)

    def stripped(self, most: Array) -> Array:
        """Current that dissolves metal, A/m2: i = S theta(q_held - k i).

        Args:
            most: S, that of a surface covered with metal, >= 0.
        """
        if not most.any():
            return most
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
        kinetics: of the host's surface; `law` is its `density`.
    """

    kinetics: Any = None

    @property
    def _follows(self) -> bool:
        c = self.system.unknowns.get("c")
        return "c" in self.nodes and c is not None and self.system["c_lagged"] is c.value

    @property
    def _row(self) -> str:
        """Unknown by which a film on the surface is followed, or nothing."""
        skin: Skin | None = self.kinetics.skin
        return "" if skin is None else skin.row

    @property
    def columns(self) -> Collection[str]:
        """The potentials, and perhaps c and a film."""
        return {*super().columns, *(("c",) if self._follows else ()), *filter(None, [self._row])}

    def solved(self) -> Solved:
        """The surface at the present state."""
        found: Solved = self.kinetics.solved(
            self.overpotential(), self.concentration(), self.temperature())
        return found

    def metal(self) -> Array:
        """Current that makes or takes metal at every node, A."""
        return self.current() if self.kinetics.skin is None else self.area * self.solved().metal

    def resistance(self) -> Any:
        """Resistance of all films, ohm m2."""
        return self.kinetics.resistance()

    @property
    def resists(self) -> bool:
        """A film is in series."""
        return bool(self.kinetics.resists)

    def currents(self) -> dict[str, Array]:
        """Currents into each row, A: of metal in that of metal, of a film in that of the film."""
        if self.kinetics.skin is None:
            return super().currents()
        return self._flows(self.overpotential(), self.concentration(), self.temperature())

    def _flows(
        self, drive: Array, c: Array, T: Any, amounts: Array | None = None
    ) -> dict[str, Array]:
        at = self.kinetics.solved(drive, c, T, amounts)
        out = {row: sign * self.area * (at.metal if row == METAL else at.total)
               for row, sign in self._by_row().items()}
        if self._row:
            skin: Skin = self.kinetics.skin
            out[self._row] = skin.balance(skin.amounts() if amounts is None else amounts, at)
        return out

    def slope(self) -> Array:
        """Derivative of the current by eta, A/V; see `_found`."""
        return self._found(super().slope())

    def _found(self, slope: Array) -> Array:
        """A slope of the current by eta, or one by which potentials are found (collective).

        Between 0 and the barrier a host without metal passes no current, whatever the voltage. If
        none of its nodes does, Newton's matrix gets a little of the metal's conductance, by which
        potentials find the way out; the current itself stays 0.
        """
        comm = self.system.domain.comm
        if comm.allreduce(float(slope.max(initial=0.0)), op=MPI.MAX) > 0.0:
            return slope
        return IDLE_SHARE * self._metal()

    def waiting(self) -> float:
        """Conductance with metal on all of the surface, A/V, on this rank."""
        return float(self._metal().sum())

    def _metal(self) -> Array:
        """Slope that metal everywhere would have at rest, A/V."""
        c, T, h = self.concentration(), self.temperature(), np.full(len(self.area), PROBE)
        free = self.kinetics.free
        return np.asarray(self.area * (free(h, c, T) - free(-h, c, T)) / (2 * PROBE))

    def slopes(self) -> dict[tuple[str, str], Array]:
        """Derivatives of `currents`, A/V, A per mol/m3 and A per unit of a film."""
        eta, c, T = self.overpotential(), self.concentration(), self.temperature()
        out = super().slopes() if self.kinetics.skin is None else self._by_eta(eta, c, T)
        if self._follows:
            h = PROBE_SHARE * np.maximum(c, 1.0)
            out |= self._slopes("c", h, self._flows(eta, c + h, T), self._flows(eta, c - h, T))
        if row := self._row:
            there = self.kinetics.skin.amounts()
            h = PROBE_SHARE * there
            out |= self._slopes(row, h, self._flows(eta, c, T, there + h),
                                self._flows(eta, c, T, there - h))
        return out

    def _by_eta(self, eta: Array, c: Array, T: Any) -> dict[tuple[str, str], Array]:
        """Slopes by the potentials under a skin, A/V."""
        above, below = self._flows(eta + PROBE, c, T), self._flows(eta - PROBE, c, T)
        found = {row: (above[row] - below[row]) / (2 * PROBE) for row in above}
        slope = self._found(found["phi_s"])
        found |= {row: sign * slope for row, sign in self._by_row().items()
                  if row not in (METAL, self._row)}
        return {(row, column): way * found[row]
                for row in found for column, way in self._signs.items()}

    @staticmethod
    def _slopes(
        column: str, h: Array, above: Mapping[str, Array], below: Mapping[str, Array]
    ) -> dict[tuple[str, str], Array]:
        """Slopes of every row, from currents at h above and below an unknown."""
        return {(row, column): (above[row] - below[row]) / (2 * h) for row in above}
