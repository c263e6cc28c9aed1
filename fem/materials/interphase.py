"""Films that grow by reduction of the electrolyte: numbers of their laws, with unit and source.

    interphase("SEI_Li").resistivity           # 2e5, ohm m
    interphase("SEI_Li").resistivity.status    # "assumed"

No region is filled with one: `fem.physics.sei` lays it on walls.
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Annotated

from fem.base.errors import CaseError, nearest
from fem.materials.data import In, Number, Origin
from fem.materials.library import _UNKNOWN, Material, _assumed

__all__ = ["Interphase", "interphase", "names"]


class Interphase(Material):
    """A film that grows where electrons meet solvent (`fem.physics.sei.laws` uses the numbers).

    Attributes:
        metal: of the ions that the film takes.
        n: electrons for a mole of film. V: volume of that mole, m3/mol.
        resistivity: ohm m.
        U: potential below which it forms, V against the metal.
        alpha: transfer coefficient of the reaction that forms it.
        Ea: activation energy of all its laws, J/mol.
        L0: thickness of a fresh film, m.
        j0: current density of formation at U, A/m2.
        D_solvent, c_solvent: diffusivity through the film, m2/s, and concentration outside it,
            mol/m3, of a solvent that is reduced at once.
        k0, D_EC, c_EC: rate constant at U, m/s, diffusivity and concentration of a solvent that is
            reduced at a finite rate.
        kappa_e: conductivity for electrons, S/m.
        D_Li, c_Li: diffusivity, m2/s, and concentration at 0 V, mol/m3, of lithium interstitials.
        beta: decay of the tunnel current with thickness, 1/m.
    """

    kind = "interphase"
    metal: str
    n: Annotated[Number, In("", gt=0)]
    V: Annotated[Number, In("m^3/mol", gt=0)]
    resistivity: Annotated[Number, In("ohm*m", ge=0)]
    U: Annotated[Number, In("V")] = _UNKNOWN
    alpha: Annotated[Number, In("", gt=0, le=1)] = _assumed(0.5, "", "symmetric first electron")
    Ea: Annotated[Number, In("J/mol", ge=0)] = _UNKNOWN
    L0: Annotated[Number, In("m", ge=0)] = _UNKNOWN
    j0: Annotated[Number, In("A/m^2", gt=0)] = _UNKNOWN
    D_solvent: Annotated[Number, In("m^2/s", gt=0)] = _UNKNOWN
    c_solvent: Annotated[Number, In("mol/m^3", gt=0)] = _UNKNOWN
    k0: Annotated[Number, In("m/s", gt=0)] = _UNKNOWN
    D_EC: Annotated[Number, In("m^2/s", gt=0)] = _UNKNOWN
    c_EC: Annotated[Number, In("mol/m^3", gt=0)] = _UNKNOWN
    kappa_e: Annotated[Number, In("S/m", gt=0)] = _UNKNOWN
    D_Li: Annotated[Number, In("m^2/s", gt=0)] = _UNKNOWN
    c_Li: Annotated[Number, In("mol/m^3", gt=0)] = _UNKNOWN
    beta: Annotated[Number, In("1/m", gt=0)] = _UNKNOWN


@functools.cache
def _tables() -> dict[str, dict[str, object]]:
    text = resources.files("fem.materials").joinpath("library/interphases.toml").read_text("utf-8")
    return tomllib.loads(text)


def names() -> list[str]:
    """Names of all films of the library."""
    return sorted(_tables())


@functools.cache
def interphase(name: str) -> Interphase:
    """A film of the library.

    Raises:
        CaseError: unknown; names the nearest.
    """
    if name not in _tables():
        raise CaseError(f"interphase {name!r} is not in the library; {nearest(name, names())}")
    table = dict(_tables()[name])
    model = table.pop("like", None)
    if model is not None:
        for datum, number in interphase(str(model)).numbers().items():
            assert isinstance(number, Number)
            why = f"taken from {model}: {number.source}"
            table.setdefault(
                datum, Number.of(number, number.unit, number.given, Origin(why, "assumed"))
            )
    return Interphase.model_validate({"name": name, **table})
