"""[growth] of a case: metal that fills pores, and its front."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from fem.case.geometry import around_axis
from fem.case.reading import short
from fem.values.kinds import Length, Table
from fem.values.properties import Constant
from fem.values.units import Quantity

__all__ = ["Growth", "check"]

#: Largest delta_4: from here on gamma + gamma'' = gamma_0 (1 - 15 delta_4) is not positive along
#: <10>.
MAX_DELTA_4 = 1 / 15
#: Largest delta_k: from here on 1 - 5/3 delta_k is not positive.
MAX_DELTA_K = 0.6


class Growth(Table):
    """The metal front of a growth study; see `fem.physics.metal.metal`."""

    interface_width: Length = Field(
        description="lambda of the phase field; the mesh needs h <= lambda/2 where metal grows"
    )
    mobility: Annotated[float, Quantity("", ge=1, le=4)] = Field(
        2.0, description="speed of the relaxation over that of the fastest point of the front"
    )
    max_change: Annotated[float, Quantity("", gt=0, le=0.5)] = Field(
        0.25, description="largest change of xi anywhere in one step; above 0.35 a long step may "
        "leave pore behind the front that counts as remains: the voltage is then some 40 mV too "
        "small for a few steps"
    )
    surface_energy: Annotated[float, Quantity("J/m^2", ge=0, le=10)] | None = Field(
        None, description="of the metal in the electrolyte; default the library's; metals have "
        "0.1 to 3 J/m2"
    )
    anisotropy: Annotated[float, Quantity("", ge=0)] | None = Field(
        None,
        description="delta_4 of the surface energy, gamma [1 + delta_4 (4 sum n_i^4 - 3)] along "
        "cubic axes (2D: 1 + delta_4 cos 4 theta); below 1/15; default 0",
    )
    kinetic_anisotropy: Annotated[float, Quantity("", ge=0)] | None = Field(
        None,
        description="delta_k of the exchange current of metal on metal, i0 [1 + delta_k (4 sum "
        "n_i^4 - 3)]; below 0.6; default 0",
    )
    crystal_angle: Annotated[float, Quantity("rad")] | None = Field(
        None,
        description="from x to the cubic axis next to it, in the plane of x and y (3D: turns about "
        "z), e.g. '30 deg'; default 0",
    )
    displacement: Literal["outflow", "none"] = Field(
        "outflow",
        description="electrolyte that metal displaces leaves at the counter electrode with its "
        "salt, or stays in the cell, whose salt then gets stronger as pores fill",
    )
    ion_volume: Annotated[float, Quantity("", ge=-1, le=1)] | None = Field(
        None,
        description="partial molar volume of the metal's ion in the electrolyte over the molar "
        "volume of the metal; default 0 (assumed)",
    )
    short_circuit: Literal["stop", "note"] = Field(
        "stop",
        description="metal that joins collector and counter electrode ends the run, or is noted "
        "and grows on as if a thin film insulated the counter electrode",
    )


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """A growth study has its table, and other studies nothing that only metal could use."""
    growing = sections.get("study") == "growth"
    if growing and "growth" in sections and sections["growth"] is None:
        yield "growth: missing; a growth study needs [growth] with interface_width"
    if growing and sections.get("growth") is not None:
        yield from _crystal(sections["growth"], sections)
        if sections["growth"].displacement == "none" and sections["growth"].ion_volume:
            yield (
                "growth.ion_volume: nothing depends on it where displacement = 'none'; leave one "
                "of them out"
            )
    if growing:
        initial = sections.get("initial")
        if initial is not None and initial.plated_charge is not None:
            yield "initial.plated_charge: a growth study has metal, not films; give metal_layer"
        layer = getattr(initial, "metal_layer", None)
        if isinstance(layer, Constant) and not layer.value > 0.0:
            yield (
                f"initial.metal_layer: {short(layer.written())}: must be above 0 m; leave it out "
                "for bare walls"
            )
        for k, entry in enumerate(sections.get("kinetics", ())):
            if entry.q_cov is not None and (entry.wall == "nucleating" or entry.surface == "metal"):
                yield f"kinetics.{k}.q_cov: only for a film wall of a growth study; leave it out"
            place = {"x", "y", "z", "depth"} & {*getattr(entry.i0, "variables", ())}
            if entry.surface == "metal" and place:
                yield (
                    f"kinetics.{k}.i0: depends on {', '.join(sorted(place))}, but metal on metal "
                    "has one i0 wherever its front is; give a number, or an expression of c and T"
                )
        return
    if sections.get("initial") is not None and sections["initial"].metal_layer is not None:
        yield "initial.metal_layer: only in a growth study; else give plated_charge"
    for k, entry in enumerate(sections.get("kinetics", ())):
        for name in ("wall", "contact_angle"):
            if getattr(entry, name) is not None:
                yield f"kinetics.{k}.{name}: only in a growth study"


def _crystal(growth: Any, sections: Mapping[str, Any]) -> Iterator[str]:
    """Anisotropies that the equations do not allow; see `fem.physics.metal.crystal`."""
    surface, kinetic = growth.anisotropy or 0.0, growth.kinetic_anisotropy or 0.0
    if surface >= MAX_DELTA_4:
        yield (
            f"growth.anisotropy: {surface:g}: must be below 1/15; above it faces along <10> have "
            "negative stiffness and the equilibrium shape has corners"
        )
    if kinetic >= MAX_DELTA_K:
        yield (
            f"growth.kinetic_anisotropy: {kinetic:g}: must be below {MAX_DELTA_K:g}; above it i0 "
            "along <111> of a crystal in 3D would not be positive"
        )
    if growth.crystal_angle and surface == kinetic == 0.0:
        yield (
            "growth.crystal_angle: nothing depends on it; give anisotropy or kinetic_anisotropy, "
            "or leave it out"
        )
    if growth.crystal_angle and around_axis(sections):
        yield (
            "growth.crystal_angle: in an axisymmetric cell the crystal axes are those of r and z; "
            "leave it out"
        )
