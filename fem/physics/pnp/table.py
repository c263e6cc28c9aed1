"""[[surface_charge]] of a case, and what its model with space charge asks of other tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field as Key

from fem.base.constants import EPSILON_0, FARADAY, GAS_CONSTANT
from fem.base.errors import CaseError
from fem.contract.physics import Field, Place
from fem.values.kinds import Glob, Table
from fem.values.units import Quantity, shown_length

__all__ = [
    "MODEL", "SurfaceChargeTable", "asked", "check", "check_charges", "debye_length", "fields",
    "notes", "places",
]  # fmt: skip

#: Name of the model in [electrolyte_model].
MODEL = "pnp"
#: Cells at charged walls, in Debye lengths, and the ratio of neighbouring ones; most nodes.
CELLS_PER_DEBYE, GROWTH, MOST_NODES = 5.0, 1.2, 2_000_000


class SurfaceChargeTable(Table):
    """Charge on walls of the electrolyte, which stays where it is."""

    on: Glob = Key(description="solid region whose walls carry it (a pattern fits several), or a "
                   "boundary of the mesh that touches electrolyte")  # fmt: skip
    density: Annotated[float, Quantity("C/m^2")] = Key(description="of either sign")


def asked(sections: Mapping[str, Any]) -> Any:
    """The table that asks for this model; None if a case asks for another one, or for none."""
    table = sections.get("electrolyte_model")
    return table if table is not None and table.model == MODEL else None


def check_charges(sections: Mapping[str, Any]) -> Iterator[str]:
    """Charged walls of a model that has no layers at walls, or of two charges at once."""
    entries = sections.get("surface_charge", ())
    if entries and "electrolyte_model" in sections and not asked(sections):
        yield (
            "surface_charge: charge on walls is screened within a Debye length, which only "
            '[electrolyte_model] model = "pnp" resolves; add it, or give the charge of narrow '
            "pores per volume of their liquid as [[fixed_charge]]"
        )
    seen: dict[str, int] = {}
    for k, entry in enumerate(entries):
        if entry.on in seen:
            yield (
                f"surface_charge.{k}.on: {entry.on!r}: has a charge already, that of "
                f"surface_charge.{seen[entry.on]}; give their sum once"
            )
        seen.setdefault(entry.on, k)


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Studies and tables that do not go with space charge, and data that lack."""
    if not asked(sections):
        return
    path = f"electrolyte_model.model: {MODEL!r}"
    if sections.get("study") == "growth":
        yield (
            f"{path}: metal that grows would push its double layer along, and cells of a fraction "
            "of the Debye length would have to go with the front; take model = 'ions' for growth, "
            "or study = 'tertiary' for space charge"
        )
    counter = sections.get("counter")
    if counter is not None and counter.kind == "ideal":
        yield (
            "counter.kind: 'ideal': an electrode without a Stern layer has no charge that space "
            "charge could balance; take 'metal' (with a large i0), or 'reservoir'"
        )
    for name, condition in (sections.get("boundaries") or {}).items():
        for key in ("phi_l", "c"):
            if getattr(condition, key, None) is not None:
                yield (
                    f"boundaries.{name}.{key}: one of phi_l and c alone leaves the charge open; "
                    "give bath = true, which holds all ions"
                )
    for k, entry in enumerate(sections.get("fixed_charge", ())):
        if entry.channel is not None:
            yield (
                f"fixed_charge.{k}.channel: a table stands for a cross-section that is not "
                "resolved; give density here, or the charge of resolved walls as [[surface_charge]]"
            )
        if entry.anions is not None:
            yield (
                f"fixed_charge.{k}.anions: with space charge a cell begins in equilibrium with the "
                "electrolyte of [[ion]] c0; leave it out and choose that"
            )
    yield from _budget(sections)


def debye_length(sections: Mapping[str, Any]) -> float | None:
    """Debye length of the electrolyte at the start, m; None while its data are not known."""
    from fem.case.species import species
    from fem.materials import Electrolyte, material, recorded

    try:
        ions = species(sections)
        own = recorded.fillings(sections.get("library", {}), sections.get("materials", {}))
        liquid = material(sections["electrolyte"], own, cation=sections["metal"])
        eps_r = asked(sections).eps_r
        if eps_r is None:
            if not (isinstance(liquid, Electrolyte) and liquid.has("eps_r")):
                return None
            eps_r = float(liquid.eps_r)
        T = float(sections["temperature"])
    except (CaseError, KeyError, AttributeError, TypeError):
        return None  # reported by other checks
    strength = sum(ion.z**2 * ion.c0 for ion in ions)
    return math.sqrt(EPSILON_0 * eps_r * GAS_CONSTANT * T / (FARADAY**2 * strength))


def _sizes(sections: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Smallest cell and length of a planar geometry, m, and nodes across; None of any other."""
    from fem.case.geometry import geometry_parameters

    geometry = sections.get("geometry")
    if not geometry or geometry.get("family") != "planar":
        return None
    try:
        planar: Any = geometry_parameters(geometry)
    except (CaseError, ValueError):
        return None
    if planar is None:
        return None
    given = [planar.size_collector, planar.size_counter, planar.size, planar.size_interface]
    given += [slab.size for slab in planar.layers]
    if planar.size_width and max(planar.width or 0.0, planar.breadth or 0.0) > planar.size_width:
        given.append(planar.size_width)  # more than one cell across
    length = planar.length or sum(slab.thickness for slab in planar.layers)
    beside = planar.size_width or planar.size
    across = 1.0
    for width in (planar.width, planar.breadth)[: planar.dimension - 1]:
        across *= 1 + (width or beside) / beside
    return min(size for size in given if size), length, across


def nodes_needed(length: float, debye: float) -> float:
    """Nodes across a cell whose cells grow from a fraction of the Debye length at both ends."""
    first, most = debye / CELLS_PER_DEBYE, length / 100
    graded = 2 * max(math.log(max(most / first, 1.0)), 0.0) / math.log(GROWTH)
    return graded + length / most


def _budget(sections: Mapping[str, Any]) -> Iterator[str]:
    """A mesh of squares across the whole cell that would be too large, or too coarse by far."""
    debye, sizes = debye_length(sections), _sizes(sections)
    if debye is None or sizes is None:
        return
    smallest, length, across = sizes
    needed = across * nodes_needed(length, debye)
    if needed > MOST_NODES:
        yield (
            f"electrolyte_model.model: {MODEL!r}: cells of a fifth of the Debye length, "
            f"{shown_length(debye, 3)}, in a cell of {shown_length(length, 3)} make "
            f"about {needed:.2g} nodes, {MOST_NODES:.0e} allowed; take a smaller cell, fewer ions, "
            "or model = 'ions', which is the same where both lengths are so far apart"
        )
    elif smallest > debye:
        yield (
            f"geometry: its smallest cell, {shown_length(smallest, 3)}, is above the Debye "
            f"length, {shown_length(debye, 3)}: no layer would be seen; give size_collector "
            f"and size_counter of {shown_length(debye / CELLS_PER_DEBYE, 3)} (about "
            f"{nodes_needed(length, debye):.0f} cells across), fewer ions, or model = 'ions'"
        )


def notes(sections: Mapping[str, Any]) -> Iterator[str]:
    """Debye length, cells that it needs, and what the mesh to come has."""
    if not asked(sections):
        return
    debye = debye_length(sections)
    if debye is None:
        return
    text = (
        f"pnp: Debye length {shown_length(debye, 3)} at the start; cells at charged walls and "
        f"electrodes of at most {shown_length(debye / CELLS_PER_DEBYE, 3)}"
    )
    sizes = _sizes(sections)
    if sizes is not None:
        smallest, length, across = sizes
        text += (
            f" (smallest here: {shown_length(smallest, 3)}), about "
            f"{across * nodes_needed(length, debye):.0f} nodes in all"
        )
    yield text


def fields(sections: Mapping[str, Any]) -> Iterator[Field]:
    """The potential that ions and charge make, and its field."""
    if asked(sections):
        yield Field("phi", "V", r"electrostatic potential $\varphi$", "electrolyte",
                    "charge (Poisson)", colours="cividis", offset=True)  # fmt: skip
        yield Field("E_phi", "V/m", r"field $|\nabla\varphi|$", "electrolyte", colours="magma",
                    magnitude=True, gradient_of="phi")


def places(sections: Mapping[str, Any]) -> Iterator[Place]:
    """Walls and boundaries that are charged."""
    for k, entry in enumerate(sections.get("surface_charge", ())):
        yield Place(f"surface_charge.{k}.on", entry.on, "either")
