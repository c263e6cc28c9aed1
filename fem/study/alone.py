"""Studies that a physics brings: the parts of registered physics alone, with no cell around."""

from __future__ import annotations

from dataclasses import dataclass

from fem.case.case import Case
from fem.contract.physics import Column, Field
from fem.mesh.domain import Domain
from fem.setup.setup import Filled, filling_of
from fem.study.build import check_names
from fem.study.own import add_parts, add_rows, declare, observers, slopes
from fem.system.part import Observer, Part, check_needs
from fem.system.system import System

__all__ = ["Alone", "build"]


@dataclass
class Alone:
    """A case of such a study on its mesh, ready to be solved.

    Attributes:
        case, domain, setup, system: what it was built from and into.
        parts: in the order of their rows.
    """

    case: Case
    domain: Domain
    setup: Filled
    system: System
    parts: tuple[Part, ...]

    @property
    def observers(self) -> list[Observer]:
        """The parts that measure, in their order."""
        return observers(self.parts, self.domain.comm)

    @property
    def columns(self) -> dict[str, Column]:
        """Columns that the physics of the case declare, by name."""
        return {c.name: c for p in self.case.taking_part() for c in p.columns}

    @property
    def fields(self) -> dict[str, Field]:
        """Fields that the physics of the case make, by name."""
        return self.case.made_fields


def build(case: Case, domain: Domain) -> Alone:
    """Make the parts of all physics that take part, and their rows (collective).

    Raises:
        CaseError: a material, a region or a boundary is missing, with the way out.
    """
    check_names(case, domain)
    setup = Filled(case, domain, {name: filling_of(case, name) for name in domain.regions})
    solids = [n for n, f in setup.fillings.items() if f.electrolyte is None]
    domain.order = (*solids, *(n for n in domain.regions if n not in solids))
    s = System(domain, case.temperature)
    add_parts(setup)
    parts = tuple(setup.parts)
    check_needs(parts, s.values)
    for part in parts:
        declare(part, s)
    parts += slopes(case, s)
    for part in parts:
        add_rows(part, s)
    s.remember()
    s.close()
    return Alone(case, domain, setup, s, parts)
