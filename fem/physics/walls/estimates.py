"""Wagner number of walls, before a case runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.case.estimates import at_rest, salt, slabs
from fem.case.tables import BUTLER_VOLMER, law_of

if TYPE_CHECKING:
    from fem.case.case import Case

__all__ = ["wagner"]

#: Kinetic laws whose slope at rest is known here.
KNOWN = (BUTLER_VOLMER, "linear")


def wagner(case: Case) -> dict[str, float] | None:
    """Wa = kappa (RT/((alpha_a + alpha_c) F i0) + R_film)/L of the walls of a planar cell.

    kappa is that of the electrolyte at c0, L the distance of the electrodes.
    """
    from fem.materials import Solid, material
    from fem.theory.current import wagner_number

    known, layers = salt(case), slabs(case)
    if known is None or not layers or case.study == "primary":
        return None
    liquid, c0 = known
    kappa, length = float(liquid.kappa(c0, case.temperature)), sum(s.thickness for s in layers)
    first = layers[0].region
    behind = first is not None and first.porosity is not None and first.sigma is not None
    walls = {} if behind else {"collector": case.collector.material or case.metal}
    for slab in layers:
        name = getattr(slab.region, "material", None)
        solid = None if name is None else material(name, case.fillings)
        if isinstance(solid, Solid) and slab.region.porosity is None and solid.sigma > 0.0:
            walls[slab.name] = solid.name
    found = {}
    for name, surface in walls.items():
        rest = at_rest(case, name, surface, c0)
        if rest is not None and law_of(case.kinetics, name) in KNOWN:
            slope = GAS_CONSTANT * case.temperature / (sum(rest.alphas) * FARADAY * rest.i0)
            found[name] = float(wagner_number(kappa, slope + rest.film, length))
    return found
