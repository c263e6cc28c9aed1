"""One reacting wall: its place, its kinetics and the film on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fem.setup import kinetics

__all__ = ["Electrode", "Wall"]

#: A solid region or a boundary, and the electrolyte region at it.
Wall = tuple[str, str]


@dataclass(frozen=True)
class Electrode:
    """One kind of surface: which facets, and what happens on them.

    Numbers may be UFL fields on the solid side, so that walls which differ in numbers only are one
    electrode (and one compiled kernel).

    Attributes:
        name: unique; for messages and film fields.
        i0: exchange current density, a function of (c, T), A/m2.
        walls: (solid region, electrolyte region) pairs whose facets belong to it.
        faces: (boundary, electrolyte region) pairs; the metal is outside the mesh.
        potential: `field` (phi_s of the solid), `driven` (the collector's voltage) or `ground`
            (0 V, the counter electrode).
        alpha_a, alpha_c: transfer coefficients.
        eta_nuc: nucleation overpotential of the bare wall, V.
        q_cov: plated charge at which the wall counts as covered, C/m2.
        film_resistance: of SEI or coating, ohm m2; None without a film.
        covered: the surface is the metal itself; it never runs bare.
        rest: phi_s - phi_l at rest, V; 0 for the metal.
        law: (eta, i0, alpha_a, alpha_c, T) -> current density of covered metal, A/m2.
    """

    name: str
    i0: Callable[[Any, Any], Any]
    walls: tuple[Wall, ...] = ()
    faces: tuple[Wall, ...] = ()
    potential: str = "field"
    alpha_a: Any = 0.5
    alpha_c: Any = 0.5
    eta_nuc: Any = 0.0
    q_cov: Any = 1.0
    film_resistance: Any = None
    covered: bool = False
    rest: Any = 0.0
    law: Callable[..., Any] = kinetics.butler_volmer

    @property
    def counts(self) -> bool:
        """True if its current flows through the collector (the counter electrode's does not)."""
        return self.potential != "ground"
