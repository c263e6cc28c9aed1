"""A case on its mesh, as every physics finds it: who fills what, what holds at the edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fem.base.errors import CaseError
from fem.case.case import Case
from fem.materials import library
from fem.mesh.domain import Domain
from fem.setup.edges import Edges
from fem.setup.electrode import Surfaces
from fem.system.part import Part
from fem.values.properties import number, varies

__all__ = [
    "CONDUCTIVITY_SHARE", "Bound", "Filled", "Filling", "Setup", "filling_of", "pores",
]  # fmt: skip

#: An electron conductor this much better than the electrolyte is a better one than any potential
#: difference could show (1 mA/cm2 over 100 um: 1e-7 V); more only costs digits.
CONDUCTIVITY_SHARE = 1e4


@dataclass(frozen=True)
class Filling:
    """Material of one region and its transport properties.

    Attributes:
        material: of `fem.materials`.
        sigma: electronic conductivity, S/m (number or property); None if it conducts no electrons.
        electrolyte: the electrolyte in it, a solid ion conductor, or None.
        porosity, tortuosity: of an averaged region (number or property), or None.
    """

    material: Any
    sigma: Any
    electrolyte: Any
    porosity: Any
    tortuosity: Any

    @property
    def porous(self) -> bool:
        """A solid that conducts electrons, with electrolyte in its pores."""
        solid = isinstance(self.material, library.Solid)
        return solid and isinstance(self.electrolyte, library.Electrolyte)


def filling_of(case: Case, name: str) -> Filling:
    """Filling of a region of the mesh.

    Raises:
        CaseError: the case does not say, or names no material.
    """
    spec = case.region(name)
    where = f"regions.{name}"
    if spec.material is None:
        raise CaseError(f"{where}: no material; add `material = \"...\"`")
    material = library.material(spec.material, case.fillings, cation=case.metal)
    porosity: Any = spec.porosity
    tortuosity: Any = spec.tortuosity
    sigma: Any = None
    electrolyte: Any = None
    if isinstance(material, library.Electrolyte):
        electrolyte, sigma = material, spec.bridge_sigma
    elif isinstance(material, library.Separator):
        electrolyte = library.material(case.electrolyte, case.fillings, cation=case.metal)
        porosity = material.porosity if porosity is None else porosity
        tortuosity = material.tortuosity if tortuosity is None else tortuosity
    elif isinstance(material, library.Solid):
        sigma = spec.sigma if spec.sigma is not None else material.sigma
        if spec.porosity is not None:
            electrolyte = library.material(case.electrolyte, case.fillings, cation=case.metal)
        elif spec.kappa is not None or material.kappa > 0.0:
            electrolyte = material
    if _is_zero(sigma):
        sigma = None
    return Filling(material, sigma, electrolyte, porosity, tortuosity)


def _is_zero(value: Any) -> bool:
    return value is None or (not varies(value) and number(value) == 0.0)


def pores(fillings: Mapping[str, Filling]) -> list[str]:
    """Regions that metal can fill: electrolyte by itself, not in an averaged medium.

    Raises:
        CaseError: there is none.
    """
    out = [
        name for name, filling in fillings.items()
        if isinstance(filling.material, library.Electrolyte) and filling.porosity is None
    ]
    if not out:
        raise CaseError("regions: a growth study needs a region of plain electrolyte to grow into")
    return out


@dataclass(frozen=True)
class Bound:
    """Charge of a region that does not move.

    Attributes:
        place: of its entry, as in messages.
        density: C per m3 of liquid; 0 where its ions are known by a law.
        anions: in the liquid at the start, mol/m3; None: those in equilibrium with [initial] c.
    """

    place: str
    density: float
    anions: float | None


@dataclass(frozen=True)
class Filled:
    """A case on its mesh, and its fillings: input to the parts of a study without a cell.

    Attributes:
        case, domain: what is solved where.
        fillings: by region of the mesh.
        parts: those that have been made so far, one physics after the other.
    """

    case: Case
    domain: Domain
    fillings: dict[str, Filling]
    parts: list[Part] = field(default_factory=list, kw_only=True)

    def part(self, name: str) -> Any:
        """The part that provides a name, of those made so far; None where none does."""
        return next((part for part in self.parts if name in part.provides), None)

    @property
    def conductors(self) -> list[str]:
        """Regions that conduct electrons."""
        return [n for n, f in self.fillings.items() if f.sigma is not None]

    @property
    def ionic(self) -> list[str]:
        """Regions that conduct ions."""
        return [n for n, f in self.fillings.items() if f.electrolyte is not None]

    @property
    def solids(self) -> list[str]:
        """Regions that conduct electrons only."""
        return [n for n in self.conductors if n not in self.ionic]

    @property
    def porous(self) -> list[str]:
        """Solids with electrolyte in their pores, that conduct both."""
        return [n for n in self.ionic if n in self.conductors and self.fillings[n].porous]

    @property
    def salty(self) -> list[str]:
        """Regions that dissolve salt."""
        return [n for n, f in self.fillings.items()
                if isinstance(f.electrolyte, library.Electrolyte)]


@dataclass(frozen=True)
class Setup(Filled):
    """Input to the parts of a physics, besides its own table.

    Attributes:
        edges: conditions on boundaries. surfaces: which walls react, and how fast.
        c0: initial salt concentration, mol/m3. kappa: largest ionic conductivity, S/m.
        pores: regions that metal can fill, in a growth study.
        laws: regions whose salt moves by laws of another physics: (D, t_plus, z) of its own -> laws
            by name.
        charge: regions with charge that does not move.
    """

    edges: Edges
    surfaces: Surfaces
    c0: float
    kappa: float
    pores: list[str] = field(default_factory=list)
    laws: Mapping[str, Callable[..., dict[str, Any]]] = field(default_factory=dict)
    charge: Mapping[str, Bound] = field(default_factory=dict)

    @property
    def filled(self) -> list[str]:
        """Regions of which other physics say what is left of the pores, and what conducts there."""
        return [*self.pores, *self.porous]

    @property
    def cap(self) -> float:
        """Electronic conductivity that is enough for any solid, S/m."""
        return CONDUCTIVITY_SHARE * self.kappa

    @property
    def capped(self) -> dict[str, float]:
        """Regions whose sigma is lowered to `cap`, and `metal` if it grows; with their own, S/m."""
        known = {n: self.fillings[n].sigma for n in self.conductors if n not in self.filled}
        known |= {"metal": self.case.metal_data.sigma} if self.pores else {}
        found = {n: number(value) for n, value in known.items() if not varies(value)}
        return {n: sigma for n, sigma in found.items() if sigma > self.cap}
