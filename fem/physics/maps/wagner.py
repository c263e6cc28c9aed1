"""The Wagner number of the surfaces of a case: a measure of what a map leaves out."""

from __future__ import annotations

from fem.case.estimates import at_rest
from fem.materials import library as materials
from fem.setup.setup import Filled
from fem.theory.current import wagner_linear, wagner_number

__all__ = ["wagner"]


def wagner(setup: Filled, c0: float) -> dict[str, dict[str, float]]:
    """Wa = kappa (RT/((alpha_a + alpha_c) F i0) + R_film)/L of each surface that could plate.

    kappa is that of the electrolyte, L the thickness of the host, or of the cell without one. Large
    means that kinetics evens the current out whatever the map shows.

    Args:
        setup: of the case.
        c0: salt, mol/m3.

    Returns:
        Surface -> `i0` (A/m2), `film_resistance` (ohm m2), `Wa`; only surfaces with known kinetics.
    """
    case, domain = setup.case, setup.domain
    kappa = _kappa(setup, c0)
    top, bottom = domain.span
    length = abs(top - bottom)
    found: dict[str, dict[str, float]] = {}
    metals = {"collector": case.collector.material or case.metal}
    metals |= {
        n: f.material.name for n, f in setup.fillings.items()
        if f.electrolyte is None and f.sigma is not None
    }  # fmt: skip
    for name, solid in metals.items():
        kinetics = None if kappa is None else at_rest(case, name, solid, c0)
        if kinetics is not None and kappa is not None:
            i0, alphas, film = kinetics
            Wa = float(wagner_linear(kappa, i0, length, *alphas, case.temperature))
            if film > 0.0:
                Wa += float(wagner_number(kappa, film, length))
            found[name] = {"i0": i0, "film_resistance": film, "Wa": Wa}
    return found


def _kappa(setup: Filled, c0: float) -> float | None:
    """Conductivity of the electrolyte of the case, S/m."""
    case = setup.case
    found = materials.material(case.electrolyte, case.fillings, cation=case.metal)
    if isinstance(found, materials.Electrolyte):
        return float(found.kappa(c0, case.temperature))
    return None
