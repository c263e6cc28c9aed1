"""Walls that react: their place, their kinetics and the film on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fem.setup import kinetics
from fem.setup.reaction import Reaction

__all__ = ["Electrode", "Surfaces", "Wall"]

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


@dataclass(frozen=True)
class Surfaces:
    """All surfaces of a cell.

    Attributes:
        plating: on which metal is plated: walls of the host, and the foil behind the mesh.
        counter: the counter electrode, if metal.
        deepest_nucleation: largest nucleation overpotential, V (that of place at its worst).
        covering_charge: largest q_cov, C/m2.
        reactions: surface -> its numbers; the counter electrode's too.
        walls: surface -> (solid, electrolyte) pairs.
        faces: `collector` and `counter` -> (boundary, electrolyte) pairs.
        insulated: (solid or `collector`, electrolyte) pairs under a coating that stops everything:
            metal that lies there does not touch what is coated.
        front_film: of a film that moves with growing metal, ohm m2.
    """

    plating: tuple[Electrode, ...]
    counter: Electrode | None
    deepest_nucleation: float
    covering_charge: float
    reactions: dict[str, Reaction] = field(default_factory=dict)
    walls: dict[str, tuple[Wall, ...]] = field(default_factory=dict)
    faces: dict[str, tuple[Wall, ...]] = field(default_factory=dict)
    insulated: tuple[Wall, ...] = ()
    front_film: float = 0.0

    def under(self, films: Mapping[str, float], front: float) -> Surfaces:
        """Surfaces with the resistance of films that stay as they are.

        Args:
            films: surface -> resistance, ohm m2, besides that of the reaction itself.
            front: of the film on metal that grows.
        """
        reactions = {n: r.behind(films.get(n, 0.0)) for n, r in self.reactions.items()}
        return replace(self, reactions=reactions, front_film=front)
