"""Masses and thicknesses of what is in a cell: energy by mass and volume, electrolyte by charge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fem import theory
from fem.base.errors import CaseError, nearest
from fem.materials import library
from fem.physics.inventory.table import Layer, Stack
from fem.setup.setup import Setup
from fem.values.properties import number, varies

__all__ = ["Weights", "weights"]

#: What stands for the electrolyte and the separator's material among densities that a case gives.
ELECTROLYTE, METAL = "electrolyte", "metal"


@dataclass(frozen=True)
class Weights:
    """A stack: each part that is counted, with its mass and thickness per area.

    Attributes:
        parts: name -> mass, kg/m2.
        thickness: of the mesh, a foil opposite and the layers, m.
        host: name of the parts that are host.
    """

    parts: dict[str, float]
    thickness: float
    host: tuple[str, ...]

    def summary(self, energy: float, capacity: float, metal: float) -> dict[str, Any]:
        """Numbers of a cycle.

        Args:
            energy: that the cell gave, J/m2.
            capacity: charge that it gave, C/m2.
            metal: mass of the metal that cycles, kg/m2.
        """
        mass, host = sum(self.parts.values()), sum(self.parts[name] for name in self.host)
        out: dict[str, Any] = {
            "counted": sorted(self.parts), "parts": self.parts, "mass": mass,
            "thickness": self.thickness,
            "Wh_per_kg": energy / 3600.0 / mass, "Wh_per_L": energy / 3.6e6 / self.thickness,
        }  # fmt: skip
        if capacity > 0.0 and ELECTROLYTE in self.parts:
            out["electrolyte_g_per_Ah"] = 1e3 * self.parts[ELECTROLYTE] / (capacity / 3600.0)
        if host > 0.0:
            out["metal_of_host_and_metal"] = metal / (host + metal)
        return out


def weights(setup: Setup, table: Stack, charge: float) -> Weights:
    """Masses of the regions of a mesh, of the metal and of the layers beside it (collective).

    Regions of solids and the solid of separators count by volume, the electrolyte as one part. A
    region's density is that of the case, then that of the material.

    Args:
        setup: the case on its mesh.
        table: densities that the case gives, and layers.
        charge: of all the metal at the start that is no part of a layer, C/m2.

    Raises:
        CaseError: a density that nobody knows, or one of nothing.
    """
    domain, case = setup.domain, setup.case
    area = domain.area("collector")
    known = {*domain.regions, ELECTROLYTE}
    for name in table.density:
        if name not in known:
            raise CaseError(f"inventory.stack.density.{name}: no such part; {nearest(name, known)}")
    parts: dict[str, float] = {}
    host = []
    for name, filling in setup.fillings.items():
        volume, liquid = domain.volume((name,)) / area, filling.electrolyte
        open_share = _open(name, filling)
        if isinstance(liquid, library.Electrolyte) and open_share > 0.0:
            rho = _density(table, ELECTROLYTE, liquid, "density")
            parts[ELECTROLYTE] = parts.get(ELECTROLYTE, 0.0) + open_share * volume * rho
        if open_share < 1.0:
            key = "solid_density" if isinstance(filling.material, library.Separator) else "density"
            rho = _density(table, name, filling.material, key)
            parts[name] = (1.0 - open_share) * volume * rho
            host += [name] if name.startswith("host") else []
    metal = case.metal_data
    if charge > 0.0:
        parts[METAL] = theory.metal_mass(charge, float(metal.molar_mass), metal.z)
    low, high = domain.ends
    thickness = high - low
    if case.counter.kind == "foil":
        thickness += case.counter.thickness or 0.0
    for layer in table.layers:
        parts[layer.name] = layer.thickness * _of_layer(layer)
        thickness += layer.thickness
    return Weights(parts, thickness, tuple(host))


def _of_layer(layer: Layer) -> float:
    """Density of a layer, kg/m3."""
    material = library.solid(layer.material) if layer.material else None
    rho = _known(material, "density") if layer.density is None else layer.density
    if rho is None:
        raise CaseError(
            f"inventory.stack.layers: {layer.name!r}: nobody knows its density; give density, "
            "or a material of the library that has one"
        )
    return rho


def _open(name: str, filling: Any) -> float:
    """Share of a region that electrolyte fills."""
    if isinstance(filling.material, library.Electrolyte) and filling.porosity is None:
        return 1.0
    if filling.porosity is None:
        return 0.0
    if varies(filling.porosity):
        raise CaseError(f"inventory.stack: the porosity of {name} varies; give one number")
    return number(filling.porosity)


def _density(table: Stack, part: str, material: Any, key: str) -> float:
    """Density of a part, kg/m3."""
    given = table.density.get(part)
    rho = _known(material, key) if given is None else given
    if rho is None:
        raise CaseError(
            f"inventory.stack.density.{part}: that of {material.name!r} is not known; give it"
        )
    return rho


def _known(material: Any, key: str) -> float | None:
    """Number of a material, None where it has none."""
    value = None if material is None else material.__dict__.get(key)
    return None if value is None else float(value)
