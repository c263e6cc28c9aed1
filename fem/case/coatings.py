"""Coatings: which way a thin film lets electrons and ions pass, and what that costs.

Films lie on a wall in the order of the case, the first next to the solid. Electrons come from the
solid through the inner films, ions from the electrolyte through the outer ones; metal plates where
they meet: on the outermost film that electrons have passed, or on the solid itself. Each film adds
its thickness over the conductivity that is used,

    R = sum_e thickness/sigma + sum_i thickness/kappa                                  [ohm m2]

Where a film conducts both, as lithiated alloys do, the metal plates where R is least; that both
ways carry a share is left out. Nothing runs along a film: it conducts across only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from fem.base.errors import CaseError

if TYPE_CHECKING:
    from fem.case.tables import Coating

__all__ = ["Film", "Meeting", "films_on", "meeting", "no_electrons", "nothing_reacts"]

#: Resistance of all films to electrons below which it is neglected, ohm m2: 0.1 uV at 1 mA/cm2.
NEGLIGIBLE_RESISTANCE = 1e-8


@dataclass(frozen=True)
class Film:
    """One coating as it acts.

    Attributes:
        place: where the case names it.
        material: its name.
        electrons: resistance for electrons, ohm m2; None where they do not pass.
        ions: the same for ions.
        dead: the case itself says that no ions pass, so that nothing may plate.
        why: what stops electrons or ions.
    """

    place: str
    material: str
    electrons: float | None
    ions: float | None
    dead: bool
    why: str = ""

    @classmethod
    def of(cls, place: str, coating: Coating, own: Mapping[str, Any]) -> Film:
        """A coating of a case.

        Args:
            place: for messages.
            coating: the case's entry; what it leaves open follows from the material.
            own: the case's `[materials]`.

        Raises:
            CaseError: the material is no solid, or lacks the conductivity that the case asks for.
        """
        from fem.materials import Solid, material

        found = material(coating.material, own)
        if not isinstance(found, Solid):
            raise CaseError(
                f"{place}.material: {coating.material!r} is a {found.kind}; a coating is a solid"
            )
        ways: list[float | None] = []
        why = []
        for what, symbol, blocks in (
            ("electrons", "sigma", coating.blocks_electrons), ("ions", "kappa", coating.blocks_ions)
        ):
            conducts = float(getattr(found, symbol))
            if blocks is False and not conducts > 0.0:
                raise CaseError(
                    f"{place}.blocks_{what}: false, but {symbol} of {coating.material!r} is 0; "
                    f"leave it out, or give a user-defined material with its {symbol}"
                )
            passes = conducts > 0.0 if blocks is None else not blocks
            ways.append(coating.thickness / conducts if passes else None)
            if not passes:
                why.append(f"blocks_{what} = true" if conducts > 0.0 else f"{symbol} = 0")
        electrons, ions = ways
        return cls(
            place, coating.material, electrons, ions, bool(coating.blocks_ions), " and ".join(why)
        )

    @property
    def closed(self) -> bool:
        """Neither electrons nor ions pass."""
        return self.electrons is None and self.ions is None


@dataclass(frozen=True)
class Meeting:
    """Interface of a coated wall on which metal plates.

    Attributes:
        surface: material on which it plates.
        resistance: of the films, ohm m2.
        under: films that ions pass, so that it plates beneath them.
        sealed: electrons do not pass these films.
    """

    surface: str
    resistance: float
    under: tuple[str, ...] = ()
    sealed: bool = False


def films_on(
    name: str, coatings: Sequence[Coating], own: Mapping[str, Any]
) -> tuple[Film, ...]:
    """Films on a surface, from the solid outwards.

    Raises:
        CaseError: as `Film.of`.
    """
    return tuple(
        Film.of(f"coatings.{k}", coating, own)
        for k, coating in enumerate(coatings) if fnmatchcase(name, coating.on)
    )


def meeting(name: str, solid: str, films: Sequence[Film]) -> Meeting | None:
    """Interface at which electrons and ions meet on a wall, None if the case excludes it.

    Args:
        name: of the surface, for messages.
        solid: material of the wall.
        films: on it, from the solid outwards.

    Raises:
        CaseError: the films stop everything and the case does not ask for it.
    """
    ways = []
    for k in range(len(films) + 1):
        inner, outer = [f.electrons for f in films[:k]], [f.ions for f in films[k:]]
        if None not in (*inner, *outer):
            by_electrons = sum(r for r in inner if r is not None)
            by_ions = sum(r for r in outer if r is not None)
            resistance = by_ions + (by_electrons if by_electrons > NEGLIGIBLE_RESISTANCE else 0.0)
            surface = films[k - 1].material if k else solid
            above = films[k:]
            ways.append(Meeting(surface, resistance, tuple(f.material for f in above),
                                any(f.electrons is None for f in above)))
    if ways:
        return min(ways, key=lambda way: way.resistance)
    if any(f.dead for f in films):
        return None
    raise CaseError(_refused(name, films))


def _refused(name: str, films: Sequence[Film]) -> str:
    """Reason why nothing can plate on a wall, and the way out."""
    closed = next((f for f in films if f.closed), None)
    if closed is not None:
        why = f"{closed.material!r} passes neither electrons nor ions ({closed.why})"
        place = closed.place
    else:
        order = " under ".join(repr(f.material) for f in films)
        why = f"of {order} the inner stops the electrons and the outer the ions"
        place = films[-1].place
    return (
        f"{place}: stops everything on {name!r}: {why}; take a material that conducts one of them "
        "(sigma or kappa), or say blocks_ions = true if nothing is meant to plate there"
    )


def no_electrons(regions: Sequence[str]) -> str:
    """Reason why a coating on these regions does nothing, and the way out."""
    shown = ", ".join(regions)
    return (
        f"no electron conductor ({shown}), and a coating conducts across only; coat a conductor, "
        "or resolve the film as a region of its own (a skin of the geometry)"
    )


def nothing_reacts(dead: Sequence[str]) -> str:
    """Reason why a cell whose coatings stop everything passes no current, and the way out."""
    return (
        f"nothing reacts: coatings on {', '.join(dead)} stop electrons and ions; leave one "
        "of the surfaces bare, or its coating without blocks_ions"
    )
