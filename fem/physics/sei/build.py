"""From a case to the films on its walls and in its hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from fem.base.constants import FARADAY
from fem.base.errors import CaseError
from fem.compat import MPI, cell_vertices
from fem.materials import library
from fem.physics.sei.books import Books
from fem.physics.sei.films import Coat, Films, at_places
from fem.physics.sei.laws import LAWS, Crack, Film, Law
from fem.physics.sei.pores import PoreFilms
from fem.physics.sei.table import COUNTER, Sei, fits, notes
from fem.setup.setup import Setup
from fem.system.part import Observer, Part
from fem.values.properties import number, varies
from fem.values.units import shown_length

__all__ = ["build", "prepare"]


def prepare(setup: Setup, entries: tuple[Sei, ...]) -> Setup:
    """A growth study's surfaces under the films that they have at the start.

    The film moves with the front of the metal, so there is one for all walls.

    Raises:
        CaseError: walls have different films, or an entry fits none.
    """
    found = setup.surfaces
    if not setup.pores:
        return setup
    walls = {n for n in found.reactions if n != "counter"}
    films: dict[str, float] = {}
    for k, entry in enumerate(entries):
        on = [n for n in walls if fnmatchcase(n, entry.on)]
        if not on:
            raise CaseError(
                f"sei.{k}.on: {entry.on!r}: fits no wall that reacts; walls: "
                f"{', '.join(sorted(walls))}"
            )
        if varies(entry.L0):
            raise CaseError(
                f"sei.{k}.L0: varies, but metal that grows carries one film with it; give one "
                "thickness, or take study = 'tertiary'"
            )
        known = entry.numbers()
        films |= dict.fromkeys(on, known["resistivity"] * known["L0"])
    if len({*films.values()}) > 1:
        shown = ", ".join(f"{r:.3g} ohm m^2 on {n!r}" for n, r in sorted(films.items()))
        raise CaseError(
            f"sei: {shown}: metal that grows carries one film with it, whatever wall it comes "
            "from; give all entries the same L0 and resistivity"
        )
    return replace(setup, surfaces=found.under(films, next(iter(films.values()))))


class Unchanged(Observer):
    """Warnings of films that stay as they are; nothing is measured.

    Args:
        warnings: of the case.
    """

    def __init__(self, *warnings: str):
        self.warnings = warnings

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Say what is left out."""
        if not closely:
            yield from ((f"sei.{k}", text) for k, text in enumerate(self.warnings))


def build(setup: Setup, entries: tuple[Sei, ...]) -> Iterator[Part]:
    """The films of a case.

    Raises:
        CaseError: an entry fits no surface that reacts, or its film is thicker than its room.
    """
    case = setup.case
    warnings = [*notes(vars(case))]
    if case.study == "growth":
        yield Unchanged(
            *warnings,
            "sei: a growth study keeps the film of the start; metal that grows carries its "
            "resistance with it, and neither growth nor the charge that it takes is counted",
        )
        return
    hosts = {n for n, f in setup.fillings.items() if f.porous and n in setup.surfaces.reactions}
    left = {w[0] for e in setup.surfaces.plating for w in (*e.walls, *e.faces)} | hosts | {COUNTER}
    kinds: dict[str, list[Coat]] = {"walls": [], "pores": [], "opposite": []}
    for k, entry in reversed([*enumerate(entries)]):  # later ones win
        on = tuple(n for n in sorted(left) if fits(n, entry.on))
        if not on:
            walls = ", ".join(sorted(left - {COUNTER})) or "none that an entry below it leaves"
            raise CaseError(
                f"sei.{k}.on: {entry.on!r}: fits no surface that reacts; surfaces: {walls}"
            )
        left -= {*on}
        if entry.crack is not None:
            warnings.append(
                f"sei.{k}: the film breaks as its table says, whatever stress the metal puts on it"
            )
        coat = _coat(setup, f"sei.{k}", entry, on)
        where = {"opposite": on} if on == (COUNTER,) else {
            "pores": tuple(n for n in on if n in hosts),
            "walls": tuple(n for n in on if n not in hosts)}
        for kind, surfaces in where.items():
            if surfaces:
                kinds[kind].insert(0, replace(coat, surfaces=surfaces))
    grow = case.study == "tertiary"
    if not grow:
        warnings.append(f"sei: a {case.study} study keeps the film of the start; its resistance "
                        "and its current are those of that thickness")
    films: list[Films | PoreFilms] = [
        PoreFilms(tuple(coats), grow) if kind == "pores"
        else Films(tuple(coats), grow, kind == "opposite") for kind, coats in kinds.items() if coats
    ]
    yield from films
    yield Books(tuple(films), tuple(warnings))


def _coat(setup: Setup, path: str, entry: Sei, on: tuple[str, ...]) -> Coat:
    """The film of an entry on its surfaces.

    Raises:
        CaseError: it is thicker than its room.
    """
    known = entry.numbers()
    given = known.pop("L0", None)
    L0 = given if entry.L0 is None else entry.L0
    thinnest, thickest = _thickness(setup, on, L0)
    _fits(setup, f"{path}.L0", LAWS[entry.law], thinnest, thickest)
    crack = None
    if entry.crack is not None:
        fresh = thinnest if entry.crack.fresh is None else entry.crack.fresh
        metal = setup.case.metal_data
        per_charge = float(metal.molar_volume) / (metal.z * FARADAY)
        crack = Crack(entry.crack.thickness, entry.crack.share, fresh, per_charge)
    film = Film(entry.law, known, crack)
    held = entry.solvent
    if held is None and film.solvent is not None:
        held = film.solvent * _liquid(setup)
    return Coat(film, L0, thinnest, on, held)


def _thickness(setup: Setup, on: tuple[str, ...], L0: Any) -> tuple[float, float]:
    """Least and largest thickness of a film at the start, m (collective)."""
    if not varies(L0):
        return number(L0), number(L0)
    domain, electrodes = setup.domain, [*setup.surfaces.plating]
    electrodes += [setup.surfaces.counter] if setup.surfaces.counter is not None else []
    walls = [w for e in electrodes for w in e.walls if w[0] in on]
    faces = [f for e in electrodes for f in e.faces if f[0] in on]
    porous = [n for n in on if n in domain.regions and setup.fillings[n].porous]
    inside = cell_vertices(domain.mesh)[domain.in_regions(porous)]
    points = np.concatenate([domain.corners(walls, faces), domain.mesh.geometry.x[inside.ravel()]])
    values = np.broadcast_to(at_places(L0, domain.places(points)), len(points))
    low = domain.comm.allreduce(float(values.min(initial=np.inf)), op=MPI.MIN)
    high = domain.comm.allreduce(float(values.max(initial=-np.inf)), op=MPI.MAX)
    return low, high


def _fits(setup: Setup, path: str, law: Law, thinnest: float, thickest: float) -> None:
    """A film is there, and leaves room for electrolyte.

    Raises:
        CaseError: it is not, or does not.
    """
    if not (thinnest > 0.0 or (thinnest == 0.0 and not law.endless)):
        raise CaseError(
            f"{path}: falls to {shown_length(thinnest, 4)} on this mesh; "
            + ("it must stay above 0" if law.endless else "at least 0 m")
        )
    low, high = setup.domain.ends
    pore = setup.domain.sidecar.get("parameters", {}).get("pore_diameter")
    for gap, between in ((high - low, "electrodes"), (pore, "the walls of a pore")):
        if isinstance(gap, int | float) and 2.0 * thickest >= gap:
            raise CaseError(
                f"{path}: {shown_length(thickest, 4)}: two such films are thicker than the gap "
                f"between {between}, {shown_length(gap, 4)}; give a thinner one"
            )


def _liquid(setup: Setup) -> float:
    """Volume of liquid, m3 (2D: m2; collective)."""
    total = 0.0
    for name in setup.ionic:
        filling = setup.fillings[name]
        if isinstance(filling.electrolyte, library.Electrolyte):
            share = filling.porosity
            # a porosity that varies counts as 1: solvent then lasts a little too long
            total += setup.domain.volume([name]) * (
                1.0 if share is None or varies(share) else number(share))
    return total
