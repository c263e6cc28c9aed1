"""Space charge: Debye length, Donnan potential, Gouy and Chapman."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fem.base.constants import EPSILON_0, FARADAY, GAS_CONSTANT, T_REF
from fem.theory.arguments import Result, bounded, plain, positive


def debye_length(c: ArrayLike, eps_r: float, T: float = T_REF, z: int = 1) -> Result:
    """Thickness of the diffuse layer, sqrt(eps0 eps_r RT/(2 z^2 F^2 c)), m, for a z:z salt.

    Args:
        c: mol/m3.
        eps_r: relative permittivity.
        T: K.
        z: charge number.
    """
    c, *_ = positive("debye_length", c=c, eps_r=eps_r, T=T, z=z)
    return plain(np.sqrt(EPSILON_0 * eps_r * GAS_CONSTANT * T / (2.0 * (z * FARADAY) ** 2 * c)))


def donnan_potential(charge: ArrayLike, c0: ArrayLike, T: float = T_REF, z: int = 1) -> Result:
    """Potential of a charged medium against the bath, (RT/zF) asinh(rho/(2 z F c0)), V.

    Args:
        charge: fixed charge rho per volume of pore liquid, C/m3, either sign.
        c0: salt in the bath, mol/m3.
        T: K.
        z: charge number.
    """
    c0, *_ = positive("donnan_potential", c0=c0, T=T, z=z)
    unit = GAS_CONSTANT * T / (z * FARADAY)
    return plain(unit * np.arcsinh(np.asarray(charge, dtype=float) / (2.0 * z * FARADAY * c0)))


def grahame_charge(phi: ArrayLike, c: float, eps_r: float, T: float = T_REF, z: int = 1) -> Result:
    """Charge of a wall at potential phi, sqrt(8 eps RT c) sinh(z F phi/2RT), C/m2.

    Args:
        phi: against the bulk, V.
        c: bulk salt, mol/m3.
        eps_r: relative permittivity.
        T: K.
        z: charge number.

    Source: D. C. Grahame, Chem. Rev. 41 (1947) 441.
    """
    positive("grahame_charge", c=c, eps_r=eps_r, T=T, z=z)
    half = z * FARADAY * np.asarray(phi, dtype=float) / (2.0 * GAS_CONSTANT * T)
    return plain(math.sqrt(8.0 * EPSILON_0 * eps_r * GAS_CONSTANT * T * c) * np.sinh(half))


def gouy_chapman(
    x: ArrayLike, phi0: float, c: float, eps_r: float, T: float = T_REF, z: int = 1
) -> Result:
    """Potential at a distance from a flat wall, tanh(zF phi/4RT) = tanh(zF phi0/4RT) exp(-x/l), V.

    Args:
        x: distance, >= 0, m.
        phi0: potential of the wall against the bulk, V.
        c: bulk salt, mol/m3.
        eps_r: relative permittivity.
        T: K.
        z: charge number.

    Source: D. L. Chapman, Phil. Mag. 25 (1913) 475.
    """
    length = debye_length(c, eps_r, T, z)
    place = bounded("gouy_chapman", "x", x, 0.0, math.inf)
    unit = 4.0 * GAS_CONSTANT * T / (z * FARADAY)
    return plain(unit * np.arctanh(math.tanh(phi0 / unit) * np.exp(-place / length)))


def boltzmann_anion(phi: ArrayLike, c0: float, T: float = T_REF, z: int = 1) -> Result:
    """Concentration of anions at rest, c0 exp(zF phi/RT), mol/m3.

    Args:
        phi: against the bulk, V.
        c0: in the bulk, mol/m3.
        T: K.
        z: charge number (of the anion: -z).
    """
    positive("boltzmann_anion", c0=c0, T=T, z=z)
    return plain(c0 * np.exp(z * FARADAY * np.asarray(phi, dtype=float) / (GAS_CONSTANT * T)))
