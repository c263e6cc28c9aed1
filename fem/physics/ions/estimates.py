"""Distance of a case from an electrolyte without salt, before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fem.base.errors import CaseError
from fem.case.estimates import Slab, largest, salt, slabs
from fem.values.properties import number, varies

if TYPE_CHECKING:
    from fem.case.case import Case

__all__ = ["current_ratio", "sand_ratio", "sand_time"]


def sand_time(case: Case) -> float | None:
    """Sand's time of the electrolyte of the case, without pores, s."""
    from fem.theory.transport import sand_time as closed_form

    known, step = salt(case), largest(case)
    if known is None or step is None or case.study not in ("tertiary", "growth"):
        return None
    liquid, c0 = known
    D, t_plus = (float(law(c0, case.temperature)) for law in (liquid.D, liquid.t_plus))
    if not t_plus < 1.0:
        return None  # the salt cannot run out
    return float(closed_form(step.J, c0, D, t_plus, liquid.z, liquid.z_minus))


def sand_ratio(case: Case) -> float | None:
    """Duration of the step over Sand's time."""
    time, step = sand_time(case), largest(case)
    return None if time is None or step is None or step.duration is None else step.duration / time


def current_ratio(case: Case) -> float | None:
    """J/J*, largest current that plates over the limiting one of a planar cell.

    The current is taken to flow through all layers, as if all of it were drawn at the collector:

        J* = n F c0 S/((1 - t_plus) M),   r(y) = int_y^L tau/(eps D) dy',
        closed cell:       S = int eps dy,   M = int eps (r(0) - r(y)) dy
        c0 at the counter: S = 1,            M = r(0)

    In one layer between two metals that is 2 n F c0 D/((1 - t_plus) L).
    """
    known, step, layers = salt(case), largest(case), slabs(case)
    if known is None or step is None or not layers:
        return None
    if case.study not in ("tertiary", "growth", "steady") or case.counter.kind == "blocking":
        return None
    if any(boundary.bath or boundary.c is not None for boundary in case.boundaries.values()):
        return None
    liquid, c0 = known
    t_plus = float(liquid.t_plus(c0, case.temperature))
    if not t_plus < 1.0:
        return None
    content = moment = resistance = 0.0
    for slab in layers:
        ways = _ways(slab, case)
        if ways is None:
            return None
        eps, D = ways
        h, r = slab.thickness, slab.thickness / D
        moment += eps * h * (resistance + 0.5 * r)
        content, resistance = content + eps * h, resistance + r
    left = liquid.formula.anions_left(t_plus)  # (1 - t_plus)/(n F)
    open_ = case.counter.kind == "reservoir"
    return step.J * left * (resistance if open_ else moment / content) / c0


def _ways(slab: Slab, case: Case) -> tuple[float, float] | None:
    """Porosity of a layer and D of its pores in it, eps D/tau; None if they are not known here."""
    from fem.materials import Electrolyte, Separator, material

    region = slab.region
    given = {k: getattr(region, k, None) for k in ("porosity", "tortuosity", "D", "t_plus")}
    if any(v is not None and varies(v) for v in given.values()) or given["t_plus"] is not None:
        return None
    try:
        filling = material(getattr(region, "material", None) or case.electrolyte, case.fillings,
                           cation=case.metal)  # fmt: skip
    except CaseError:
        return None
    own = {k: number(v) for k, v in given.items() if v is not None}
    if isinstance(filling, Electrolyte):
        if filling.name != case.electrolyte:
            return None
        eps, tau = 1.0, own.get("tortuosity", 1.0)
    elif isinstance(filling, Separator):
        eps = own.get("porosity", float(filling.porosity))
        tau = own.get("tortuosity", float(filling.tortuosity))
    elif {"porosity", "tortuosity"} <= own.keys():
        eps, tau = own["porosity"], own["tortuosity"]
    else:
        return None
    known = salt(case)
    assert known is not None
    D = own.get("D", float(known[0].D(known[1], case.temperature)))
    return eps, eps * D / tau
