"""From a case to its charged media, with remarks and measures of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from fem.base.errors import CaseError
from fem.case.case import Case
from fem.physics.charged.carriers import unfit
from fem.physics.charged.charges import Charges
from fem.physics.charged.shift import LN_C_RANGE, Shift, laws
from fem.physics.charged.table import FixedCharge
from fem.setup.setup import Bound, Filling, Setup
from fem.values.properties import varies

__all__ = ["build", "prepare", "shifts"]

#: Relative difference at which numbers of a channel's table are not those of its region.
SAME_RTOL = 1e-2


def shifts(
    case: Case, fillings: Mapping[str, Filling], pores: Iterable[str]
) -> dict[str, Shift]:
    """Shift of the ions by the charge of each region that has one.

    Args:
        case: with the tables.
        fillings: by region of the mesh.
        pores: regions that metal can fill.

    Raises:
        CaseError: a region that can hold no charge, or whose electrolyte is not dilute and ideal.
    """
    found: dict[str, Shift] = {}
    wrong = []
    for k, entry in enumerate(case.tables(FixedCharge)):
        path = f"fixed_charge.{k}"
        if entry.region not in fillings:
            continue
        filling = fillings[entry.region]
        problem = _unfit(case, entry, filling, pores)
        if problem:
            wrong.append(f"{path}.region: {entry.region!r}: {problem}")
            continue
        found[entry.region] = shift = _shift(entry, filling.electrolyte.z)
        problems = (_no_ions(entry, shift), _other_numbers(case, entry, filling, shift))
        wrong += [f"{path}.{text}" for text in problems if text]
    if wrong:
        raise CaseError("\n".join(wrong))
    return found


def _shift(entry: FixedCharge, z: int) -> Shift:
    if entry.channel is not None:
        return Shift.table(entry.channel.c, entry.channel.g_plus, entry.channel.g_minus)
    assert entry.density is not None  # checked with the case
    return Shift.spread(entry.density, z)


def _unfit(case: Case, entry: FixedCharge, filling: Filling, pores: Iterable[str]) -> str:
    """Reason why a region cannot hold this charge, and the way out; empty if it can."""
    if entry.region in pores:
        return (
            "metal grows there, and what becomes of charge that it buries is not followed; charge "
            "a separator or porous region, or take study = 'tertiary'"
        )
    name, own = filling.material.name, case.region(entry.region)
    return unfit(entry.region, name, filling.electrolyte, own, case.temperature)


def _law(case: Case, entry: FixedCharge, filling: Filling, name: str) -> float | None:
    """D or t_plus of a region at the temperature of the case; None if it varies in space."""
    own = getattr(case.region(entry.region), name)
    if own is None:
        return float(getattr(filling.electrolyte, name)(1.0, case.temperature))
    return None if varies(own) and own.variables != {"T"} else float(own.at(T=case.temperature))


def _no_ions(entry: FixedCharge, shift: Shift) -> str:
    """Message if no salt has the anions of the start; else empty."""
    if entry.anions is None or np.isfinite(shift.salt_of(entry.anions)):
        return ""
    most = shift.c_minus(math.exp(LN_C_RANGE[0]))
    return (
        f"anions: {entry.anions:g} mol/m^3: the charge alone holds {most:g} mol/m^3 of them, so no "
        "metal ion is left; raise anions or lower the charge"
    )


def _other_numbers(case: Case, entry: FixedCharge, filling: Filling, shift: Shift) -> str:
    """Message on a table of a channel that was made with other numbers than its region has."""
    table, T = entry.channel, case.temperature
    D, share = (_law(case, entry, filling, name) for name in ("D", "t_plus"))
    if table is None or D is None or share is None:
        return ""
    known = laws(shift, lambda c, T: D, lambda c, T: share, filling.electrolyte.z)
    for name in ("t_plus", "kappa", "D"):
        given = getattr(table, name)
        if given is None:
            continue
        here = known[name](np.asarray(table.c), T)
        off = np.abs(np.asarray(given) / here - 1.0)
        row = int(np.argmax(off))
        if off[row] > SAME_RTOL:
            return (
                f"channel: {name} = {given[row]:.4g} at c = {table.c[row]:.4g} mol/m^3 was made "
                f"with other numbers than those of the region, D = {D:.4g} m^2/s, t_plus = "
                f"{share:g}, {T:g} K, which give {here[row]:.4g}; make the table anew with them"
            )
    return ""


def prepare(setup: Setup, entries: tuple[FixedCharge, ...]) -> Setup:
    """Charge of regions, and laws of the salt there; other models of the ions have their own.

    Raises:
        CaseError: as `shifts`.
    """
    charge = {e.region: Bound(f"fixed_charge.{k}", e.density or 0.0, e.anions)
              for k, e in enumerate(entries)}
    setup = replace(setup, charge=charge)
    if setup.case.playing("electrolyte"):
        return setup
    found = shifts(setup.case, setup.fillings, [*setup.pores, *setup.porous])
    return replace(setup, laws={n: functools.partial(laws, s) for n, s in found.items()})


def build(setup: Setup, entries: tuple[FixedCharge, ...]) -> Iterator[Charges]:
    """Parts that define, start and measure the charged regions.

    Raises:
        CaseError: a metal that grows would see the wrong ions, or bury charge.
    """
    if setup.case.playing("electrolyte"):
        return
    case, found = setup.case, shifts(setup.case, setup.fillings, setup.pores)
    kept = {e.region: e for e in entries if e.region in found}
    reacting = {liquid for pairs in (setup.surfaces.walls, setup.surfaces.faces)
                for on in pairs.values() for _, liquid in on}
    seen = [name for name, e in kept.items() if e.walls and name in reacting]
    if case.study == "growth" and seen:
        k = [e.region for e in entries].index(seen[0])
        raise CaseError(
            f"fixed_charge.{k}.walls: true: electrodes of a growth study see the salt c, not the "
            f"ions of {seen[0]!r}; give walls = false, or leave some neutral electrolyte between"
        )
    start = {name: float(found[name].salt_of(e.anions)) for name, e in kept.items()
             if e.anions is not None}
    yield Charges({n: found[n] for n in kept}, tuple(seen), start, tuple(_remarks(setup, kept)))


def _remarks(setup: Setup, kept: Mapping[str, FixedCharge]) -> Iterator[str]:
    """Remarks where the ideal conductivity is not the one that the electrolyte is given."""
    case, named = setup.case, set()
    for name, entry in kept.items():
        filling = setup.fillings[name]
        liquid = filling.electrolyte
        D, share = (_law(case, entry, filling, prop) for prop in ("D", "t_plus"))
        if D is None or share is None:
            continue
        ideal = liquid.formula.ideal_kappa(setup.c0, case.temperature, D, share)
        given = float(liquid.kappa(setup.c0, case.temperature))
        if abs(ideal / given - 1.0) > SAME_RTOL and (liquid.name, D, share) not in named:
            named.add((liquid.name, D, share))
            yield (
                f"fixed_charge: without its charge {name!r} would conduct {ideal:.3g} S/m at "
                f"{setup.c0:g} mol/m^3, as ideal ions of D = {D:.3g} m^2/s and t_plus = {share:g} "
                f"do; {liquid.name!r} is given {given:.3g} S/m, which holds where there is none"
            )
