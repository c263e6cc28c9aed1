"""The Wagner number of the surfaces of a case: a measure of what a map leaves out."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from fem.base.errors import CaseError
from fem.case.names import surface_of
from fem.materials import library as materials
from fem.setup.setup import Filled
from fem.theory.current import wagner_linear, wagner_number
from fem.values.properties import number, varies

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
        kinetics = None if kappa is None else _kinetics(case, name, solid, c0)
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


def _kinetics(
    case: Any, name: str, solid: str, c0: float
) -> tuple[float, tuple[float, float], float] | None:
    """i0 (A/m2), transfer coefficients and film resistance of a surface; None if not known."""
    from fem.case.coatings import films_on, meeting

    T = case.temperature
    try:
        surface = surface_of(name, solid, vars(case))
        if surface is None:
            return None
        pair = case.pair_data(surface, strict=False)
        place = meeting(name, solid, films_on(name, case.coatings, case.fillings))
    except CaseError:
        return None
    given: dict[str, Any] = {}
    for entry in case.kinetics:
        if fnmatchcase(name, entry.surface):
            keys = ("i0", "alpha_a", "alpha_c", "film_resistance", "c_ref")
            given |= {k: v for k in keys if (v := getattr(entry, k)) is not None}
    if not pair.has("i0_ref") and not {"i0", "alpha_a", "alpha_c"} <= given.keys():
        return None
    alphas = tuple(float(given.get(k) or getattr(pair, k)) for k in ("alpha_a", "alpha_c"))
    i0 = given.get("i0")
    if i0 is None:
        i0 = pair.i0(c0, T)
    elif i0.variables - {"c", "T"}:
        return None  # varies in space
    else:
        i0 = i0.at(c=c0, T=T)
    film = given.get("film_resistance")
    if film is not None and varies(film) and film.variables - {"T"}:
        return None
    resistance = float(film.at(T=T)) if film is not None and varies(film) else (
        number(film) if film is not None else 0.0
    )
    resistance += place.resistance if place is not None else 0.0
    return float(i0), (alphas[0], alphas[1]), resistance
