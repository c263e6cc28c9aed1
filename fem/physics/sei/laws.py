r"""Laws by which a film grows from the electrolyte, for floats, arrays and UFL alike.

They know nothing of walls: whoever has reacting area asks a `Film` for currents per area.

    (n F/V) (dL/dt + r L) + i_sei = 0,        i_sei = -( j + (n F/V) r L_fresh ) <= 0     [A/m2]
    R_film = rho L,       r = share v/l_f,  v = max(-i_metal, 0) V_m/(z F)

r is the share of the film that plated metal breaks in a second; the broken share is replaced at
once by fresh film of L_fresh, so that L never falls below it. j is one of `LAWS`, times
exp(-(Ea/R)(1/T - 1/298.15 K)); e = phi_s - phi_l - i R_film - U, f = F/RT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.materials.laws import arrhenius
from fem.materials.ops import exp, is_ufl

__all__ = ["LAWS", "Crack", "Film", "Law", "State"]


class State(NamedTuple):
    """State of a film at a place.

    Attributes:
        drive: phi_s - phi_l, V.
        eta: that less i R_film, V.
        L: thickness, m.
        T: K.
    """

    drive: Any
    eta: Any
    L: Any
    T: Any


Data = Mapping[str, float]


def _activated(d: Data, at: State) -> Any:
    """The factor exp(-alpha f e)."""
    return exp(-d["alpha"] * FARADAY / (GAS_CONSTANT * at.T) * (at.eta - d["U"]))


def reaction(d: Data, at: State) -> Any:
    """Reaction at the rate j0 exp(-alpha f e): L grows linearly in time."""
    return d["j0"] * _activated(d, at)


def solvent_diffusion(d: Data, at: State) -> Any:
    """Solvent reduced as soon as it is through, n F D c/L: L^2 = L0^2 + 2 V D c t."""
    return d["n"] * FARADAY * d["D_solvent"] * d["c_solvent"] / at.L


def mixed(d: Data, at: State) -> Any:
    """Reaction behind diffusion, n F c k/(1 + k L/D): L + L^2 k/(2 D) grows linearly."""
    k = d["k0"] * _activated(d, at)
    return d["n"] * FARADAY * d["c_EC"] * k / (1.0 + k * at.L / d["D_EC"])


def electron(d: Data, at: State) -> Any:
    """Leak of electrons through the film, kappa_e (U - (phi_s - phi_l))/L, or none."""
    return d["kappa_e"] * _positive(d["U"] - at.drive) / at.L


def interstitial(d: Data, at: State) -> Any:
    """Neutral lithium that diffuses outwards, F D c exp(-f (phi_s - phi_l))/L."""
    c = d["c_Li"] * exp(-FARADAY / (GAS_CONSTANT * at.T) * at.drive)
    return FARADAY * d["D_Li"] * c / at.L


def tunnel(d: Data, at: State) -> Any:
    """Electrons that tunnel, j0 exp(-alpha f e) exp(-beta L): L grows like ln t."""
    return d["j0"] * _activated(d, at) * exp(-d["beta"] * at.L)


@dataclass(frozen=True)
class Law:
    """A law of growth.

    Attributes:
        current: (data, state) -> j > 0, A/m2, at 298.15 K of its rate constants.
        needs: data that it reads, beside n, V, resistivity, L0 and Ea.
        solvent: concentration outside the film, mol/m3, that it reads, if it does.
        endless: its current is infinite through no film at all.
    """

    current: Callable[[Data, State], Any]
    needs: tuple[str, ...]
    solvent: str = "c_solvent"
    endless: bool = False


#: The laws, by the name that a case gives them. Which of them holds is open.
LAWS: Mapping[str, Law] = {
    "reaction": Law(reaction, ("j0", "U", "alpha")),
    "solvent_diffusion": Law(solvent_diffusion, ("D_solvent", "c_solvent"), endless=True),
    "mixed": Law(mixed, ("k0", "D_EC", "c_EC", "U", "alpha"), solvent="c_EC"),
    "electron": Law(electron, ("kappa_e", "U"), endless=True),
    "interstitial": Law(interstitial, ("D_Li", "c_Li"), endless=True),
    "tunnel": Law(tunnel, ("j0", "U", "alpha", "beta")),
}


@dataclass(frozen=True)
class Crack:
    """Breaking of a film by the metal that is plated under it.

    Attributes:
        thickness: of metal that breaks the film once, m.
        share: of the film that breaks, 0 to 1.
        fresh: thickness of what covers the fresh surface at once, m.
        per_charge: thickness of metal per plated charge density, V_m/(zF), m per C/m2.
    """

    thickness: float
    share: float
    fresh: float
    per_charge: float


@dataclass(frozen=True)
class Film:
    """A film of one law.

    Attributes:
        law: name of one of `LAWS`.
        data: SI numbers of an interphase, at least those that the law needs.
        crack: how plated metal breaks it, or None.
    """

    law: str
    data: Data
    crack: Crack | None = None

    @property
    def charge(self) -> float:
        """Charge of a volume of film, n F/V, C/m3."""
        return self.data["n"] * FARADAY / self.data["V"]

    @property
    def solvent(self) -> float | None:
        """Solvent outside, mol/m3; None if nobody says."""
        return self.data.get(LAWS[self.law].solvent)

    def resistance(self, L: Any) -> Any:
        """R_film, ohm m2."""
        return self.data["resistivity"] * L

    def current(self, at: State, metal: Any) -> Any:
        """i_sei, A/m2, <= 0.

        Args:
            at: state of the film.
            metal: current density that makes or takes metal under it, A/m2, plating < 0.
        """
        j = LAWS[self.law].current(self.data, at) * arrhenius(self.data["Ea"], at.T)
        if self.crack is not None:
            j = j + self.charge * self.breaking(metal) * self.crack.fresh
        return -j

    def breaking(self, metal: Any) -> Any:
        """Share of the film that is broken in a second, 1/s."""
        if self.crack is None:
            return 0.0
        v = _positive(-metal) * self.crack.per_charge
        return self.crack.share * v / self.crack.thickness

    def broken(self, L: Any, metal: Any) -> Any:
        """Charge of the film that is broken off in a second, A/m2, >= 0."""
        return self.charge * self.breaking(metal) * L


def _positive(x: Any) -> Any:
    if is_ufl(x):
        import ufl

        return ufl.max_value(x, 0.0)
    return np.maximum(x, 0.0)
