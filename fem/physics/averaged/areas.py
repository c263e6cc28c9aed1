r"""Area laws: reacting area per volume of a host whose pores fill, a_s(eps), 1/m.

    fibres       a0 (eps/eps0) sqrt(ln eps/ln eps0),  a0 = -2 eps0 ln eps0/r
    fibre_thin   a0 sqrt(1 + eps_m/eps_host),         a0 = 2 eps_host/r
    pores        a0 sqrt(eps/eps0),                   a0 = 2 eps0/r
    spheres      -3 eps ln eps/R,                     R = r (ln eps/ln eps0)^(1/3)
    constant     a0
    table        given over eps

With the same current density i on all of it, eps after a time t is

    fibres       eps0^((1 + v t/r)^2)
    fibre_thin   eps0 - eps_host [(1 + v t/r)^2 - 1]
    pores        eps0 (1 - v t/r)^2
    spheres      eps0^((1 + v t/r)^3)
    constant     eps0 - a0 v t

v = |i| V_m/(zF) is the speed of a metal surface. Fibres and spheres stand at random and overlap
(Boolean models), so that metal on them never closes all pores; `fibre_thin` are fibres that never
meet, which holds below half fill.

Before there is metal eps0 = 1 - eps_host. Functions of arrays, SI in and out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LAWS", "Law", "distance"]

Array = npt.NDArray[np.float64]

#: Least pore fraction that a law is evaluated at.
LEAST = 1e-9


@dataclass(frozen=True)
class Given:
    """Numbers of each place that a law takes.

    Attributes:
        pores: eps0, share of the volume that is pore without metal.
        host: eps_host, that of the skeleton.
        radius: of fibres, pores or spheres, m; 0 where a law has none.
        area: given a_s, 1/m.
        table: pore fractions and the a_s at each.
    """

    pores: Array
    host: Array
    radius: Array
    area: Array
    table: tuple[Array, Array] | None = None


Law = Callable[[Array, Given], Array]


def _fibres(eps: Array, g: Given) -> Array:
    full = np.log(g.pores)
    return -2.0 * eps * full / g.radius * np.sqrt(np.log(eps) / full)


def _fibre_thin(eps: Array, g: Given) -> Array:
    return 2.0 * g.host / g.radius * np.sqrt(1.0 + np.maximum(g.pores - eps, 0.0) / g.host)


def _pores(eps: Array, g: Given) -> Array:
    return 2.0 * g.pores / g.radius * np.sqrt(eps / g.pores)


def _spheres(eps: Array, g: Given) -> Array:
    now = g.radius * np.cbrt(np.log(eps) / np.log(g.pores))
    return -3.0 * np.log(eps) * eps / now


def _constant(eps: Array, g: Given) -> Array:
    return np.broadcast_to(g.area, np.shape(eps))


def _table(eps: Array, g: Given) -> Array:
    assert g.table is not None
    return np.interp(eps, *g.table)


#: Law by name: (eps, what is given) -> a_s.
LAWS: dict[str, Law] = {
    "fibres": _fibres, "fibre_thin": _fibre_thin, "pores": _pores, "spheres": _spheres,
    "constant": _constant, "table": _table,
}  # fmt: skip


def area(law: str, eps: Array, given: Given) -> Array:
    """a_s where a share eps of the volume is pore, 1/m."""
    return np.asarray(LAWS[law](np.clip(eps, LEAST, 1.0 - LEAST), given))


def distance(law: str, given: Given) -> Any:
    """From one pore or fibre to the next in the empty host, m.

    That of a square array of as many; of a given area the hydraulic diameter 4 eps0/a_s.
    """
    if law in ("fibres", "fibre_thin"):
        covered = -np.log(given.pores) if law == "fibres" else given.host
        return given.radius * np.sqrt(np.pi / covered)
    if law == "pores":
        return given.radius * np.sqrt(np.pi / given.pores)
    if law == "spheres":
        return given.radius * np.cbrt(4.0 / 3.0 * np.pi / -np.log(given.pores))
    return 4.0 * given.pores / area(law, given.pores, given)
