r"""Depth to which a reaction reaches, compared with the width of the front before a run.

The front is spread over some lambda, and electrolyte and electrons meet all through it. Where
kinetics are slow the overpotential is the same there. Where they are fast the ionic current is
taken up within a length l, first of all by the outermost tail of the front; from lambda = l/10 on
it swells, and ahead of the front metal appears that no sharp interface would have:

    l = 1/(R di/deta),    R = 1/kappa + g (RT/F)(1 + dlnf/dlnc)(1 - t_plus)^2/(n F D c)
    di/deta = (F/RT) i0 [alpha_a exp(alpha_a F eta/RT) + alpha_c exp(-alpha_c F eta/RT)]

R counts what a current costs that draws its salt along (n and g in `fem.theory.salt`; for a z:z
salt of z = 1 the second part is (2RT/F)(1 - t_plus)^2/(F D c)). With alpha_a = alpha_c = 1/2
di/deta is (F/2RT) sqrt(i^2 + 4 i0^2), so Tafel's range counts, too. A film of resistance R_f is in
series with the kinetics, 1/(di/deta) + R_f, and makes l longer.

Before a run only l at c0 and the temperature of the case is known, without current (an upper bound,
on which a case is refused) and at the current given; what it is during one is found by
`fem.physics.metal.penetration`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.base.errors import CaseError
from fem.case.liquids import liquids
from fem.case.tables import BUTLER_VOLMER, law_of
from fem.materials import Electrolyte, recorded
from fem.materials.laws import exchange_current
from fem.values.properties import number, varies
from fem.values.units import shown_length

__all__ = ["notes", "problems", "resistance", "slope"]

#: Ratio lambda/l from which the tail swells, and the ratio from which nothing the front does can be
#: trusted. A flat front with a ripple, plated near the limiting current: at 0.04 the tail stays as
#: at rest, at 0.2 it merges with the next one within 6 lambda of travel, at 0.7 it grows a front of
#: its own.
SWELLING_RATIO, LARGEST_RATIO = 0.1, 0.5


def resistance(electrolyte: Electrolyte, c: Any, T: Any, own: Mapping[str, Any] | None = None,
               tortuosity: Any = 1.0) -> Any:  # fmt: skip
    """R, what a current costs that draws its salt along, ohm m.

    Args:
        electrolyte: through which it flows.
        c: concentration, mol/m3.
        T: K.
        own: values of kappa, D or t_plus that are known better.
        tortuosity: by which kappa and D are divided.
    """
    laws = ("kappa", "D", "t_plus", "thermodynamic_factor")
    known = {name: getattr(electrolyte, name)(c, T) for name in laws if name not in (own or {})}
    kappa, D, t_plus, factor = ((known | {**(own or {})})[name] for name in laws)
    salt = electrolyte.formula
    drawn = salt.diffusion_potential(T, factor, t_plus) * salt.anions_left(t_plus) / (D * c)
    return tortuosity * (1.0 / kappa + drawn)


def slope(i: float, i0: float, alpha_a: float, alpha_c: float, T: float) -> float:
    """di/deta of Butler-Volmer at a current density, S/m2.

    Args:
        i: A/m2, of either sign.
        i0: exchange current density, A/m2.
        alpha_a: anodic transfer coefficient.
        alpha_c: cathodic transfer coefficient.
        T: K.
    """
    f, way = FARADAY / (GAS_CONSTANT * T), math.copysign(1.0, i)
    ahead, back = (alpha_a, alpha_c) if i > 0.0 else (alpha_c, alpha_a)
    low, high = 0.0, math.log1p(abs(i) / i0) / ahead  # f |eta|; the other direction only helps
    for _ in range(100):
        u = 0.5 * (low + high)
        if i0 * (math.exp(ahead * u) - math.exp(-back * u)) < way * i:
            low = u
        else:
            high = u
    return i0 * f * (ahead * math.exp(ahead * high) + back * math.exp(-back * high))


class _Foreseen(NamedTuple):
    """Estimates from a case before it is run."""

    width: float
    i0: float
    density: float
    conductivity: float  # 1/R, S/m
    rest: float  # l without current, m
    plating: float  # l at the largest current of the protocol, m


def problems(sections: Mapping[str, Any]) -> Iterator[str]:
    """Kinetics too fast for the interface width of a case, whatever the current.

    Args:
        sections: its entries by field name; those that are invalid are absent.
    """
    found = _foresee(sections)
    if found is not None and found.width > LARGEST_RATIO * found.rest:
        yield (
            f"growth.interface_width: {shown_length(found.width)}: too wide for kinetics "
            f"this fast: with i0 = {found.i0:.4g} A/m^2 the reaction is over within "
            f"{shown_length(found.rest, 3)} (at rest), and the tail of a front wider than half of "
            f"that grows by itself; {cure(found.rest)}, or a lower i0"
        )


def notes(sections: Mapping[str, Any]) -> Iterator[str]:
    """Remarks on a front that is too wide for plating, though no error yet; see `problems`."""
    found = _foresee(sections)
    if found is not None and found.width > SWELLING_RATIO * found.plating:
        yield (
            f"growth.interface_width: {shown_length(found.width)} is above a tenth of l = "
            f"{shown_length(found.plating, 3)}, within which a flat front at "
            f"{found.density:.4g} A/m^2 and c0 takes up the ionic current "
            f"(i0 = {found.i0:.4g} A/m^2, 1/R = {found.conductivity:.3g} S/m): its tail swells; "
            f"{cure(found.plating)}"
        )


def cure(depth: float) -> str:
    """Advice on an interface width that does no harm."""
    width = SWELLING_RATIO * depth
    return f"take an interface_width of at most {shown_length(width, 3)}, with cells of half of it"


def _foresee(sections: Mapping[str, Any]) -> _Foreseen | None:
    """The depth of a case at its initial concentration; None where it cannot be known."""
    growth, T = sections.get("growth"), sections.get("temperature")
    if sections.get("study") != "growth" or growth is None or T is None:
        return None
    try:
        kinetic = _metal_on_metal(sections)
        ways = None if kinetic is None else _ways(sections)
    except CaseError:  # reported by the checks of the materials
        return None
    if kinetic is None or not ways:
        return None
    R, c = min(ways)
    i0, c_ref, alpha_a, alpha_c, film, Ea = (
        kinetic[k] for k in ("i0", "c_ref", "alpha_a", "alpha_c", "film_resistance", "Ea")
    )
    z = recorded.metal(sections.get("library", {}), sections["metal"]).z
    i0 = exchange_current(c, T, i0, c_ref, alpha_a, z, Ea)
    density = _largest_current(sections.get("protocol") or ())

    def depth(i: float) -> float:
        return (1.0 / slope(i, i0, alpha_a, alpha_c, T) + film) / R

    return _Foreseen(growth.interface_width, i0, density, 1.0 / R, depth(0.0), depth(-density))


def _metal_on_metal(sections: Mapping[str, Any]) -> dict[str, float] | None:
    """Numbers of the reaction of the metal on itself, at the temperature of the case.

    None if they depend on anything else, as on the place or on the salt, or on a law.
    """
    name, electrolyte = sections.get("metal"), sections.get("electrolyte")
    if name is None or electrolyte is None or "kinetics" not in sections:
        return None
    carried = sections.get("library", {})
    pair = recorded.pair(carried, name, name, electrolyte, strict=False)
    values: dict[str, Any] = {"Ea": 0.0, "film_resistance": 0.0, "c_ref": 1000.0}
    values |= {k: float(v) for k, v in pair.numbers().items() if not callable(v)}
    values["i0"] = values.pop("i0_ref", None)
    wanted = ("i0", "alpha_a", "alpha_c", "film_resistance", "c_ref")
    for entry in sections["kinetics"]:
        if fnmatchcase("metal", entry.surface):
            values |= {k: v for k in wanted if (v := getattr(entry, k)) is not None}
    other = law_of(sections["kinetics"], "metal") != BUTLER_VOLMER
    if other or any(values.get(k) is None or _beyond_heat(values[k]) for k in wanted):
        return None
    T = sections["temperature"]
    return {k: v.at(T=T) if varies(v := values[k]) else number(v) for k in (*wanted, "Ea")}


def _beyond_heat(value: Any) -> bool:
    """True if a value depends on more than the temperature."""
    return varies(value) and not value.variables <= {"T"}


def _ways(sections: Mapping[str, Any]) -> list[tuple[float, float]]:
    """R and c of everything that metal may grow into, as far as they do not vary in space."""
    found = liquids(sections)
    if any(liquid.own is None for liquid in found):
        return []
    return [(float(resistance(x.electrolyte, x.c, sections["temperature"], x.own, x.tortuosity)),
             x.c) for x in found]


def _largest_current(steps: Any) -> float:
    """Largest constant current density that a protocol plates with, A/m2."""
    largest = 0.0
    for step in steps:
        given = getattr(step, "current_density", None)
        if step.step == "cycle":
            largest = max(largest, _largest_current(step.steps))
        elif "plate" in (step.step, getattr(step, "direction", "")) and not varies(given):
            largest = max(largest, number(given))
    return largest
