"""Conditions on named boundaries: counter electrode, `[boundaries]`, and who pins the potential.

Conditions may depend on the time since the start of the protocol step: through one `dfem.Constant`,
the clock, or as a `Flow`; held values are set before each solve. Boundaries without a condition are
insulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.case.case import Case
from fem.case.drive import Drive
from fem.case.tables import Boundary
from fem.compat import dfem
from fem.mesh.domain import Domain
from fem.system.system import System
from fem.values.properties import Along, Constant, Property

__all__ = ["Edges", "Flow", "counter_contact", "insulated", "read"]


@dataclass
class Flow:
    """A current density through a boundary that depends on time only.

    Each step delivers the charge that it gives in that time, as the current of a protocol step.

    Attributes:
        given: examined beforehand; positive out of the domain.
        constant: in the forms, A/m2.
    """

    given: Drive
    constant: Any

    def set(self, s: System, ledger: str, start: float, end: float) -> None:
        """Impose the charge between two times by the formula of the present step."""
        gain = self.given.integral(start, end)
        self.constant.value = s.time.rate_for(gain, s.charges[ledger], s.dt)

    def accept(self, s: System, ledger: str, start: float, end: float) -> None:
        """Count the charge of an accepted step."""
        history = s.charges[ledger]
        history[1], history[0] = history[0], history[0] + self.given.integral(start, end)


@dataclass
class Edges:
    """Conditions at the edge of the mesh, by boundary, SI.

    Attributes:
        phi_l, c: held values (a property, or a number).
        phi_s: potential behind a contact, V (number or UFL); contacts: its resistance, ohm m2.
        into_electrolyte, into_solid: current density into the domain, A/m2 (UFL).
        collector_contact: contact resistance at the collector, ohm m2; 0 for none.
        timed: tables over time.
        drives: all that depends on time, examined beforehand.
        flows: current densities that depend on nothing else.
    """

    phi_l: dict[str, Property | float] = field(default_factory=dict)
    c: dict[str, Property | float] = field(default_factory=dict)
    phi_s: dict[str, Any] = field(default_factory=dict)
    contacts: dict[str, Any] = field(default_factory=dict)
    into_electrolyte: dict[str, Any] = field(default_factory=dict)
    into_solid: dict[str, Any] = field(default_factory=dict)
    collector_contact: Any = 0.0
    timed: list[Along] = field(default_factory=list)
    drives: list[Drive] = field(default_factory=list)
    flows: dict[str, Flow] = field(default_factory=dict)

    def hold(self, s: System) -> list[tuple[Any, Any, Any]]:
        """Set held values of unknowns that are there.

        Returns:
            (array, nodes, property) of those that change in time.
        """
        held = {"phi_l": self.phi_l, "c": self.c}
        moving = []
        for name, conditions in held.items():
            if name not in s.unknowns:
                continue
            u = s.unknowns[name]
            points = u.space.tabulate_dof_coordinates()
            for boundary, condition in conditions.items():
                nodes, values = u.groups[boundary], u.value.x.array
                if not isinstance(condition, int | float) and "t" in condition.variables:
                    moving.append((values, nodes, condition))
                    values[nodes] = condition.at(t=0.0)
                else:
                    values[nodes] = _in_space(condition, s.domain, points[nodes])
        return moving


def read(
    case: Case, domain: Domain, ionic: Sequence[str], conductors: Sequence[str], c0: float,
    clock: Any,
) -> Edges:
    """The conditions of a case on its mesh.

    Raises:
        CaseError: a boundary touches nothing that could carry the condition, or
            no potential is pinned.
    """
    edges = Edges()
    if case.counter.kind in ("ideal", "reservoir"):
        edges.phi_l["counter"] = 0.0
    if case.counter.kind == "reservoir":
        edges.c["counter"] = c0

    def ufl_of(value: Property) -> Any:
        if isinstance(value, Constant):
            return dfem.Constant(domain.mesh, float(value.value))
        return value.at(**domain.coordinates(), t=clock, T=case.temperature)

    for name, spec in case.boundaries.items():
        wet, metallic = domain.faces_of(name, ionic), domain.faces_of(name, conductors)
        _require_touch(name, spec, wet, metallic)
        if spec.bath:
            edges.phi_l[name], edges.c[name] = 0.0, c0
        if spec.phi_l is not None:
            edges.phi_l[name] = spec.phi_l
        if spec.c is not None:
            edges.c[name] = spec.c
        if spec.phi_s is not None:
            edges.phi_s[name] = ufl_of(spec.phi_s)
        if (flow := spec.current_density) is not None:
            target = edges.into_electrolyte if wet else edges.into_solid
            if flow.variables == {"t"}:
                constant = dfem.Constant(domain.mesh, 0.0)
                (drive,) = _drives(flow, case, domain, current=True)
                edges.flows[name] = Flow(drive, constant)
                target[name] = -constant
            else:
                target[name] = -ufl_of(flow)
        _read_contact(edges, name, spec, ufl_of)
        _examine(edges, name, spec, case, domain)
    _require_a_pin(case, domain, ionic, edges)
    return edges


def _require_touch(name: str, spec: Boundary, wet: Sequence[Any], metallic: Sequence[Any]) -> None:
    """A boundary touches what its conditions are for.

    Args:
        name: of the boundary.
        spec: its conditions.
        wet: its faces at electrolyte.
        metallic: its faces at electron conductors.

    Raises:
        CaseError: it does not.
    """
    wanted: list[tuple[str, Sequence[Any], str]] = [
        ("bath", wet, "electrolyte"), ("phi_l", wet, "electrolyte"), ("c", wet, "electrolyte"),
        ("phi_s", metallic, "electron conductor"),
        ("current_density", [*wet, *metallic], "conductor"),
    ]
    if name == "collector":
        wanted.append(("contact_resistance", metallic, "electron conductor; a film on the foil is "
                       'film_resistance in [[kinetics]] with surface = "collector"'))
    for key, faces, what in wanted:
        given = getattr(spec, key)
        if given is not None and given is not False and not faces:
            raise CaseError(f"boundaries.{name}.{key}: the boundary touches no {what}")


def _read_contact(
    edges: Edges, name: str, spec: Boundary, ufl_of: Callable[[Property], Any]
) -> None:
    """Contact resistance of a boundary; that of the counter electrode is one of its reaction.

    Raises:
        CaseError: it is in series with nothing.
    """
    if spec.contact_resistance is None or name == "counter":
        return
    if name != "collector" and spec.phi_s is None:
        raise CaseError(
            f"boundaries.{name}.contact_resistance: in series with phi_s; give phi_s too"
        )
    resistance = _resistance(spec.contact_resistance, ufl_of)
    if name == "collector":
        edges.collector_contact = resistance
    elif not isinstance(resistance, float) or resistance > 0.0:
        edges.contacts[name] = resistance


def _examine(edges: Edges, name: str, spec: Boundary, case: Case, domain: Domain) -> None:
    """Note what of the conditions of a boundary depends on time."""
    for value in (spec.phi_s, spec.phi_l, spec.current_density):
        current = value is spec.current_density
        if isinstance(value, Along) and value.along == "t":
            edges.timed.append(value)
        if name in edges.flows and current:
            edges.drives.append(edges.flows[name].given)
        elif value is not None and "t" in value.variables:
            edges.drives += _drives(value, case, domain, current=current)


def _drives(value: Any, case: Case, domain: Domain, *, current: bool) -> list[Drive]:
    """Examine a condition that depends on time; at three places if it depends on place, too."""
    low, high = domain.extent
    points = np.array([low, 0.5 * (low + high), high])
    places = domain.places(points) | {"T": np.full(3, case.temperature)}
    wanted = value.variables - {"t"}
    end = value.curve.x[-1] if isinstance(value, Along) else math.inf
    return [
        Drive(value, end, case.time.tolerance, current=current,
              others={name: float(places[name][k]) for name in wanted})
        for k in range(3 if wanted else 1)
    ]


def _require_a_pin(case: Case, domain: Domain, ionic: Sequence[str], edges: Edges) -> None:
    """One potential must be held: currents know only differences."""
    kind = case.counter.kind
    if kind != "blocking":
        if not domain.faces_of("counter", ionic):
            raise CaseError(
                f"counter.kind: {kind!r}: the mesh has no boundary `counter` that touches an "
                "electrolyte; name it in the mesh, or use kind = \"blocking\""
            )
        return
    if not (edges.phi_l or edges.phi_s):
        raise CaseError(
            "counter.kind: 'blocking': then no potential is pinned and none is defined; give "
            "phi_l, phi_s or bath at one of [boundaries], or another counter electrode"
        )


def counter_contact(case: Case) -> float:
    """Contact resistance at a metal counter electrode, ohm m2; 0 for none.

    Raises:
        CaseError: it varies.
    """
    spec = case.boundaries.get("counter")
    if spec is None or spec.contact_resistance is None:
        return 0.0
    if spec.contact_resistance.variables:
        raise CaseError("boundaries.counter.contact_resistance: must be one number here")
    return float(spec.contact_resistance.at())


def insulated(case: Case, domain: Domain) -> list[str]:
    """Boundaries of the mesh that lack a condition; sides and the axis need none, by symmetry."""
    known = {*case.boundaries, "collector", "counter", "sides", "axis"}
    return [b for b in domain.boundaries if b not in known]


def _resistance(value: Property, ufl_of: Callable[[Property], Any]) -> Any:
    return ufl_of(value) if value.variables else float(value.at())


def _in_space(condition: Any, domain: Domain, points: Any) -> Any:
    if isinstance(condition, int | float):
        return condition
    places = domain.places(points)
    return np.broadcast_to(condition.at(**places), len(points))
