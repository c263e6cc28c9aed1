"""Laws by which ions move in a region: of the case, else of what fills it."""

from __future__ import annotations

from typing import Any

import ufl

from fem.base.errors import CaseError
from fem.materials import library
from fem.setup.setup import Setup
from fem.values.properties import varies

__all__ = ["conductivity", "law"]


def law(setup: Setup, name: str, prop: str) -> Any:
    """A transport property of a region as a function of (c, T); overrides of the case win."""
    domain, electrolyte = setup.domain, setup.fillings[name].electrolyte
    override = getattr(setup.case.region(name), prop, None)
    if override is not None:
        return lambda c, T: override.at(**domain.coordinates(), c=c, T=T) if varies(
            override) else override.at()
    if isinstance(electrolyte, library.Electrolyte):
        return getattr(electrolyte, prop)
    kappa = float(electrolyte.kappa)
    return lambda c, T: kappa


def conductivity(setup: Setup, name: str) -> Any:
    """Ionic conductivity of a region, S/m, as a function of (c, T): a number, or a tensor.

    Raises:
        CaseError: directions of what is no solid, or more or fewer than the mesh has.
    """
    kappa, factors = law(setup, name, "kappa"), setup.case.region(name).kappa_along
    if factors is None:
        return kappa
    path, dim = f"regions.{name}.kappa_along", setup.domain.dim
    if isinstance(setup.fillings[name].electrolyte, library.Electrolyte):
        raise CaseError(f"{path}: only for solids that conduct ions; pores have a tortuosity")
    if len(factors) != dim:
        raise CaseError(f"{path}: {len(factors)} numbers; the mesh is in {dim}D: give {dim}")
    tensor = ufl.diag(ufl.as_vector([*factors]))
    return lambda c, T: kappa(c, T) * tensor
