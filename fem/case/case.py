"""The case file: what is solved, as checked data. Imports no solver and no mesher.

A case is a TOML file (or the same nested dict in Python) with quantity strings; here it becomes a
frozen `Case` holding plain SI floats. All problems are reported at once, one line each:

    regions.host_top.sgima: '6 kS/cm': unknown name; did you mean 'sigma'?

Precedence: file < environment variable HOSTPLATE_SET < ``--set path=value``.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic.functional_validators import AfterValidator, BeforeValidator

from fem.base.errors import CaseError, nearest
from fem.case.files import apply_override, case_names, find_case, read_toml, set_path, to_toml
from fem.values.curves import as_profile
from fem.values.properties import Along, Constant, Formula, Property, PropertyOf
from fem.values.units import Quantity, format_quantity, typed, unit_of

if TYPE_CHECKING:
    from fem.materials import Metal, Pair

__all__ = ["Along", "Case", "Constant", "Formula", "Property", "case_names"]

#: Fields a probe may read, with their SI units; an expression may combine them.
PROBE_FIELDS = {
    "c": "mol/m^3",
    "phi_s": "V",
    "phi_l": "V",
    "eta": "V",
    "i_n": "A/m^2",
    "coverage": "",
    "film_thickness": "m",
    "xi": "",
}
SPACE = ("x", "y", "z", "depth")
#: What each study solves.
STUDIES = {
    "primary": "ohmic potentials phi_s and phi_l, no kinetics, no salt gradient; one solve",
    "secondary": "phi_s and phi_l with interface kinetics, no salt gradient; one solve",
    "tertiary": "phi_s, phi_l and salt c with interface kinetics, in time",
    "steady": "phi_s, phi_l and salt c with interface kinetics at steady state; one solve",
    "growth": "phi_s, phi_l, salt c and the metal xi that fills the pores, in time",
}


def _resolved_path(path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get("folder") or Path.cwd()
    return str((Path(folder) / path).absolute())


def _files_resolved(value: Any, info: ValidationInfo) -> Any:
    """A geometry with the paths of its files (images, drawings) made absolute."""
    if isinstance(value, Mapping):
        return {
            name: _resolved_path(part, info) if name == "file" and isinstance(part, str)
            else _files_resolved(part, info)
            for name, part in value.items()
        }
    return [_files_resolved(p, info) for p in value] if isinstance(value, list | tuple) else value


def _without_files(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_files(part) for name, part in value.items() if name != "file"}
    return [_without_files(p) for p in value] if isinstance(value, list) else value


def _tables_read(value: Any, info: ValidationInfo) -> Any:
    """An own material with its csv tables read in, so that it needs no other file."""
    folder = Path((info.context or {}).get("folder") or Path.cwd())
    if isinstance(value, Mapping):
        if isinstance(value.get("table"), str) and isinstance(value.get("of"), str):
            rest = {name: part for name, part in value.items() if name not in ("table", "of")}
            return as_profile(folder / value["table"], value["of"]) | rest
        return {name: _tables_read(part, info) for name, part in value.items()}
    return [_tables_read(p, info) for p in value] if isinstance(value, list | tuple) else value


Time = Annotated[float, Quantity("s", gt=0)]
Temperature = Annotated[float, Quantity("K", ge=150, le=1500)]
Length = Annotated[float, Quantity("m", gt=0)]
Position = Annotated[float, Quantity("m")]
Coordinate = Annotated[tuple[Position, ...], Field(min_length=2, max_length=3)]
NegativeVoltage = Annotated[float, Quantity("V", lt=0)]
PositiveVoltage = Annotated[float, Quantity("V", gt=0)]
Concentration = Annotated[float, Quantity("mol/m^3", gt=0)]
AreaCharge = Annotated[float, Quantity("C/m^2", gt=0)]
Angle = Annotated[float, Quantity("rad", gt=0, lt=3.1416)]
Transfer = Annotated[float, Quantity("", gt=0, le=10)]
Small = Annotated[float, Quantity("", gt=0, lt=0.1)]
Count = Annotated[StrictInt, Field(ge=1, le=100_000)]

Current = Annotated[Property, PropertyOf("A/m^2", ("t",), gt=0, zero_in_curves=True)]
SignedCurrent = Annotated[Property, PropertyOf("A/m^2", (*SPACE, "t"))]
Voltage = Annotated[Property, PropertyOf("V", ("t",))]
Conductivity = Annotated[Property, PropertyOf("S/m", (*SPACE, "T"), ge=0)]
ConductivityOfC = Annotated[Property, PropertyOf("S/m", (*SPACE, "c", "T"), ge=0)]
Diffusivity = Annotated[Property, PropertyOf("m^2/s", (*SPACE, "c", "T"), gt=0)]
TransferenceOfC = Annotated[Property, PropertyOf("", (*SPACE, "c", "T"))]
Porosity = Annotated[Property, PropertyOf("", SPACE, gt=0, le=1)]
Tortuosity = Annotated[Property, PropertyOf("", SPACE, ge=1)]
ExchangeCurrent = Annotated[Property, PropertyOf("A/m^2", (*SPACE, "c", "T"), gt=0)]
Overpotential = Annotated[Property, PropertyOf("V", (*SPACE, "T"), ge=0)]
Resistance = Annotated[Property, PropertyOf("ohm*m^2", (*SPACE, "T"), ge=0)]
ConcentrationInSpace = Annotated[Property, PropertyOf("mol/m^3", SPACE, gt=0)]
LengthInSpace = Annotated[Property, PropertyOf("m", SPACE)]

Geometry = Annotated[dict[str, Any], AfterValidator(_files_resolved)]
PathText = Annotated[str, StringConstraints(min_length=1), AfterValidator(_resolved_path)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_\-]*$", max_length=60)]
Glob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_*?][A-Za-z0-9_\-*?]*$", max_length=60)]
Place = Annotated[  # a boundary, a region or glob, or two regions: host_top/electrolyte_top
    str,
    StringConstraints(
        pattern=r"^[A-Za-z_*?][A-Za-z0-9_\-*?]*(/[A-Za-z_][A-Za-z0-9_\-]*)?$", max_length=121
    ),
]
Text = Annotated[str, StringConstraints(max_length=20000)]
LibraryKind = Literal["metal", "solid", "electrolyte", "separator", "pair"]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Table(BaseModel):
    """Base of every table of a case: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _micro(unit: Any) -> Any:
    """``um`` for ``µm``, with either of the two characters for micro."""
    return typed(unit).replace("\u00b5", "u") if isinstance(unit, str) else unit


class MeshFile(_Table):
    """A user's own mesh, instead of a geometry family."""

    file: PathText = Field(
        description="mesh file (.msh, .vtu, .vtk, .xdmf, .med, .nas, .bdf), relative to the case"
    )
    unit: Annotated[
        Literal["m", "mm", "um", "nm", "cm"], BeforeValidator(_micro)
    ] = Field(description="unit of its coordinates")
    axisymmetric: StrictBool = Field(False, description="2D mesh whose x is the radius")
    names: dict[Annotated[str, StringConstraints(pattern=r"^-?\d{1,9}$")], Name] = Field(
        default_factory=dict, description="names of numbered groups, e.g. 3 = 'collector'"
    )
    refine: Annotated[StrictInt, Field(ge=0, le=6)] = Field(
        0, description="halve its cells this many times; walls stay as they are drawn"
    )
    sha256: Digest | None = Field(
        None, description="written by a run: digest of the file; another file is refused"
    )


class Region(_Table):
    """What fills a region of the mesh."""

    material: Name | None = Field(
        None, description="name of a solid, electrolyte or separator (library or [materials])"
    )
    porosity: Porosity | None = Field(None, description="pore fraction of an averaged region")
    tortuosity: Tortuosity | None = Field(
        None, description="tortuosity factor of an averaged region, D_eff = D porosity/tortuosity"
    )
    sigma: Conductivity | None = Field(None, description="electronic conductivity, overrides")
    kappa: ConductivityOfC | None = Field(None, description="ionic conductivity, overrides")
    D: Diffusivity | None = Field(None, description="salt diffusivity, overrides")
    t_plus: TransferenceOfC | None = Field(
        None, description="transference number, overrides; measured ones may be below 0 or above 1"
    )
    bridge_sigma: Conductivity | None = Field(
        None,
        description="electrolyte regions only: effective electronic conductivity of a mat whose "
        "fibres touch outside the plane of a 2D cut; default 0, fibres float",
    )
    connected: StrictBool = Field(
        False,
        description="2D cuts of a conducting host: its parts touch the collector outside the "
        "plane and share its potential",
    )


class Kinetics(_Table):
    """Interface kinetics of the metal on a surface; later entries win over earlier ones."""

    surface: Glob = Field(description="region of the solid side, or 'counter' or 'collector'")
    law: Name = Field("butler_volmer", description="name of the kinetic law")
    i0: ExchangeCurrent | None = Field(
        None,
        description="exchange current density at c_ref and 298.15 K; it goes with "
        "(c/c_ref)^(alpha_a/z) and with Ea of the library's pair, if that is known; an i0 that "
        "depends on c itself without the former, on T itself without the latter",
    )
    alpha_a: Transfer | None = Field(None, description="anodic transfer coefficient")
    alpha_c: Transfer | None = Field(None, description="cathodic transfer coefficient")
    eta_nuc: Overpotential | None = Field(
        None, description="nucleation overpotential of the bare wall"
    )
    film_resistance: Resistance | None = Field(None, description="of a film on the wall")
    c_ref: Concentration | None = Field(
        None,
        description="concentration i0 refers to; by default that of the library's pair, or 1 mol/L",
    )
    q_cov: AreaCharge | None = Field(
        None,
        description="charge per wall area after which 63 % of the wall is covered, and as much of "
        "eta_nuc gone; by default that of 10 nm of metal; growth study: film walls only",
    )
    wall: Literal["film", "nucleating"] | None = Field(
        None,
        description="growth study: metal covers a film wall (the default) by itself, and a "
        "nucleating wall from nuclei only",
    )
    contact_angle: Angle | None = Field(
        None, description="growth study: of the metal on the wall, through the metal, e.g. '60 deg'"
    )


class Coating(_Table):
    """A thin layer on the wall between a solid and the electrolyte, see `fem.case.coatings`."""

    on: Glob = Field(description="region of the coated solid, or 'collector'")
    material: Name = Field(
        description="name of a solid; metal plates on it if it conducts electrons, under it if ions"
    )
    thickness: Length = Field(
        description="its resistance is thickness/sigma if metal plates on it, else thickness/kappa"
    )
    blocks_electrons: StrictBool | None = Field(
        None, description="metal plates under the coating; default: its sigma is 0"
    )
    blocks_ions: StrictBool | None = Field(
        None,
        description="metal plates on the coating, or not at all if it blocks electrons too; "
        "default: its kappa is 0",
    )


class Boundary(_Table):
    """A condition on a named boundary; boundaries without one are insulated."""

    phi_s: Voltage | None = Field(
        None, description="electronic potential behind contact_resistance (default 1e-8 ohm*m^2)"
    )
    phi_l: Voltage | None = Field(None, description="electrolyte potential")
    current_density: SignedCurrent | None = Field(
        None,
        description="out of the domain positive, as i_n; ionic where the boundary touches an "
        "electrolyte, else electronic",
    )
    c: ConcentrationInSpace | None = Field(None, description="salt concentration")
    bath: StrictBool = Field(False, description="open to a bath: phi_l = 0 and c = c0")
    contact_resistance: Resistance | None = Field(None, description="in series with phi_s")


class Counter(_Table):
    """The counter electrode, on the boundary `counter`."""

    kind: Literal["metal", "ideal", "reservoir", "blocking"] = Field(
        "metal",
        description="metal: Butler-Volmer at phi_s = 0; ideal: phi_l = 0, no anion flux; "
        "reservoir: phi_l = 0, c = c0; blocking: no current",
    )


class Collector(_Table):
    """The driven electrode, on the boundary `collector`."""

    material: Name | None = Field(
        None, description="surface that plates where electrolyte touches it; default the metal"
    )


Duration = Annotated[Time | None, Field(description="ends the step after this time")]
Capacity = Annotated[AreaCharge | None, Field(description="ends the step after this charge")]
Magnitude = Annotated[Current, Field(description="magnitude, per projected area")]


class Plate(_Table):
    """Metal is plated at constant (or tabulated) current."""

    step: Literal["plate"]
    current_density: Magnitude
    duration: Duration = None
    capacity: Capacity = None
    cutoff: NegativeVoltage | None = Field(
        None, description="ends the step when phi_s(collector) - phi_s(counter) falls to it"
    )


class Strip(_Table):
    """Metal is stripped at constant (or tabulated) current."""

    step: Literal["strip"]
    current_density: Magnitude
    duration: Duration = None
    capacity: Capacity = None
    cutoff: PositiveVoltage | None = Field(
        None, description="ends the step when phi_s(collector) - phi_s(counter) rises to it"
    )


class Rest(_Table):
    """No current."""

    step: Literal["rest"]
    duration: Time = Field(description="ends the step after this time")


class Hold(_Table):
    """The voltage is held."""

    step: Literal["hold"]
    voltage: Voltage = Field(description="phi_s(collector) - phi_s(counter)")
    duration: Duration = None
    capacity: Capacity = None


PULSE_SLACK = 1e-6
"""A last pulse that would be shorter than this share of one is left out."""


class Pulse(_Table):
    """Current on and off in turn."""

    step: Literal["pulse"]
    direction: Literal["plate", "strip"] = Field(
        "plate", description="of the current while it is on"
    )
    current_density: Annotated[float, Quantity("A/m^2", gt=0)] = Field(
        description="magnitude while it is on, per projected area"
    )
    on: Time = Field(description="time with current")
    off: Time = Field(description="time without current after each pulse")
    cycles: Count | None = Field(None, description="ends the step after this many pulses")
    capacity: Annotated[
        AreaCharge | None,
        Field(description="ends the step after this charge; the last pulse is cut short"),
    ] = None
    cutoff: Annotated[float, Quantity("V")] | None = Field(
        None,
        description="ends the step when the voltage falls (plate, below 0) or rises (strip, above "
        "0) to it",
    )

    @property
    def pulses(self) -> int:
        """How many pulses it has; its capacity may cut the last one short."""
        counts = [self.cycles] if self.cycles is not None else []
        if self.capacity is not None:
            share = self.capacity / (self.current_density * self.on)
            counts.append(math.ceil(share - PULSE_SLACK))
        return max(min(counts), 1)


class Cycle(_Table):
    """Steps that are repeated."""

    step: Literal["cycle"]
    cycles: Count = Field(description="how many times")
    steps: tuple[
        Annotated[Plate | Strip | Rest | Hold | Pulse, Discriminator("step")], ...
    ] = Field(min_length=1, description="plate, strip, rest, hold and pulse steps, as above")


Step = Annotated[Plate | Strip | Rest | Hold | Pulse | Cycle, Discriminator("step")]


class Growth(_Table):
    """The metal front of a growth study; see `fem.physics.metal.metal`."""

    interface_width: Length = Field(
        description="lambda of the phase field; the mesh needs h <= lambda/2 where metal grows"
    )
    mobility: Annotated[float, Quantity("", ge=1, le=4)] = Field(
        2.0, description="speed of the relaxation over that of the fastest point of the front"
    )
    max_change: Annotated[float, Quantity("", gt=0, le=0.5)] = Field(
        0.25, description="largest change of xi anywhere in one step"
    )
    surface_energy: Annotated[float, Quantity("J/m^2", ge=0)] | None = Field(
        None, description="of the metal in the electrolyte; default the library's"
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


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class Nuclei(_Table):
    """Sites on nucleating walls where metal can appear; see `fem.physics.nuclei.nuclei`."""

    surface: Glob = Field(description="nucleating walls: region of the solid side, or 'collector'")
    at: Annotated[tuple[Coordinate, ...], Field(min_length=1)] | None = Field(
        None, description="places; each stands for the nearest wall node"
    )
    density: Annotated[float, Quantity("1/m^2", gt=0)] | None = Field(
        None,
        description="places drawn at random, per wall area; in a 2D cut those whose nuclei the "
        "plane cuts, density times 2 radius per wall length",
    )
    rate: Annotated[float, Quantity("1/m^2/s", gt=0)] | None = Field(
        None,
        description="J_0 of nuclei that form at random, J_0 exp(-barrier/(k_B T)) per wall area "
        "(2D: as density); no theory gives it, so say where it is from",
    )
    threshold: Annotated[
        tuple[Annotated[float, Quantity("V", ge=0)], ...],
        BeforeValidator(_as_list),
        Field(min_length=1),
    ] | None = Field(
        None,
        description="a place nucleates at an overpotential below minus this; one value, or one "
        "for each place; '0 V': from the start",
    )
    spread: Annotated[float, Quantity("V", ge=0)] = Field(
        0.0, description="standard deviation of thresholds (normal distribution, cut off at 0)"
    )
    seed: Annotated[StrictInt, Field(ge=0)] = Field(
        0, description="of what is drawn at random, the same on any number of ranks"
    )
    p_site: Annotated[Property, PropertyOf("", SPACE, ge=0, le=1)] | None = Field(
        None, description="what density or rate are multiplied with from place to place"
    )
    radius: Length | None = Field(
        None, description="of the inserted cap; default (and least) 4 interface widths"
    )
    surface_energy: Annotated[float, Quantity("J/m^2", gt=0)] | None = Field(
        None, description="with rate: of the critical nucleus; default that of the metal"
    )


class Initial(_Table):
    """The state the run starts from."""

    c: ConcentrationInSpace | None = Field(
        None, description="salt concentration; default the electrolyte's c0"
    )
    plated_charge: AreaCharge | None = Field(
        None, description="metal already on all walls, charge per real wall area; default none"
    )
    metal_layer: LengthInSpace | None = Field(
        None,
        description="growth study: thickness of metal on the collector at the start; an expression "
        "of place makes any shape: metal is where the height above the collector is less",
    )
    from_: PathText | None = Field(
        None, alias="from", description="folder of a finished result to start from"
    )


class TimeControl(_Table):
    """Time stepping."""

    dt0: Time = Field(1.0, description="first step of each protocol step")
    dt_min: Time = Field(1e-4, description="a smaller step ends the run")
    dt_max: Time | None = Field(None, description="largest step; default no limit")
    tolerance: Small = Field(1e-3, description="relative local error of one step")


class SolverControl(_Table):
    """Linear and nonlinear solver."""

    kind: Literal["auto", "direct", "iterative"] = Field("auto", description="linear solver")
    rtol: Small = Field(1e-9, description="relative residual at which Newton stops")
    closure_limit: Small = Field(
        1e-8,
        description="largest relative error of the charge and mass balance before the run fails",
    )


class Output(_Table):
    """What is written, and when."""

    fields_every: Time | None = Field(
        None, description="simulated time between fields; default the end of each protocol step"
    )
    checkpoint_wall: Time = Field(600.0, description="wall time between checkpoints")
    pvd: StrictBool = Field(False, description="also write .pvd files")
    figures: StrictBool = Field(True, description="draw figures at the end")


class Probe(_Table):
    """A number or a profile that is recorded at each accepted step."""

    name: Name = Field(description="column name in the results")
    field: Text = Field(description=f"one of {', '.join(PROBE_FIELDS)}, or an expression of them")
    point: Coordinate | None = Field(None, description="value at a point")
    line: Annotated[tuple[Coordinate, ...], Field(min_length=2, max_length=2)] | None = Field(
        None, description="profile between two points"
    )
    samples: Annotated[StrictInt, Field(ge=2, le=10000)] = Field(
        101, description="number of points on a line"
    )
    surface: Place | None = Field(
        None,
        description="mean over a boundary, over all walls of a solid region, or over the wall "
        "between two regions, 'host_top/electrolyte_top'",
    )
    volume: Glob | None = Field(None, description="mean over a region")


class Hooks(_Table):
    """Own Python beside the case; see `fem.case.hooks`."""

    module: PathText = Field(
        description="file with kinetic laws named in `law`, and perhaps physics(case, domain)"
    )
    sha256: Digest | None = Field(
        None, description="written by a run: digest of the file; another file is refused"
    )


class Case(_Table):
    """One simulation, checked, in SI.

    Build it with `Case.load` (file or name of a catalogue case) or `Case.from_dict`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_: Literal[1] = Field(alias="schema", description="version of this format")
    title: Text = Field(description="one line for people")
    source: Text = Field("", description="publication the case follows")
    notes: Text = Field("", description="what was assumed and why, what must come out")
    metal: Name = Field(description="plated metal, a library name")
    electrolyte: Name = Field(description="fills every region 'electrolyte*' and separator pores")
    temperature: Temperature = Field(298.15, description="of the whole cell")
    study: Literal["primary", "secondary", "tertiary", "steady", "growth"] = Field(
        "tertiary", description="; ".join(f"{name}: {text}" for name, text in STUDIES.items())
    )
    geometry: Geometry | None = Field(
        None, description="family and its parameters (`hostplate list` names them); or [mesh]"
    )
    mesh: MeshFile | None = Field(None, description="own mesh; or [geometry]")
    regions: dict[Glob, Region] = Field(
        default_factory=dict, description="what fills each region, by name or pattern"
    )
    materials: dict[Name, Annotated[dict[str, Any], AfterValidator(_tables_read)]] = Field(
        default_factory=dict, description="own materials, same keys as in the library"
    )
    library: dict[LibraryKind, dict[str, dict[str, Any]]] = Field(
        default_factory=dict,
        description="written by a run: numbers of the library that it used, as <kind>.<name>, with "
        "source and status; they win over the library",
    )
    kinetics: tuple[Kinetics, ...] = Field((), description="overrides; later entries win")
    coatings: tuple[Coating, ...] = Field((), description="thin layers on walls")
    boundaries: dict[Name, Boundary] = Field(
        default_factory=dict, description="conditions on other boundaries than the electrodes"
    )
    counter: Counter = Field(default_factory=Counter, description="counter electrode")
    collector: Collector = Field(default_factory=Collector, description="driven electrode")
    protocol: tuple[Step, ...] = Field(min_length=1, description="steps, one after the other")
    initial: Initial = Field(default_factory=Initial, description="start state")
    growth: Growth | None = Field(None, description="the metal front of a growth study")
    nuclei: tuple[Nuclei, ...] = Field((), description="where metal appears on nucleating walls")
    time: TimeControl = Field(default_factory=TimeControl, description="time stepping")
    solver: SolverControl = Field(default_factory=SolverControl, description="solver")
    output: Output = Field(default_factory=Output, description="results")
    probe: tuple[Probe, ...] = Field((), description="recorded values")
    hooks: Hooks | None = Field(None, description="own Python: kinetic laws and physics")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        from fem.case.checks import cross_checks

        problems = cross_checks({name: getattr(self, name) for name in type(self).model_fields})
        if problems:
            raise ValueError("\n".join(problems))
        return self

    # ------------------------------------------------------------------------------------ build

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, folder: Path | None = None) -> Case:
        """Check a nested dict, with the same keys and quantity strings as a case file.

        Args:
            data: the case.
            folder: what relative paths in it refer to; default the working directory.

        Raises:
            CaseError: lists all problems.
        """
        folder = Path.cwd() if folder is None else Path(folder).absolute()
        from fem.case.checks import checked_sections, clipped, cross_checks

        if not isinstance(data, Mapping):
            raise CaseError(f"a case is a table of names and values, got {type(data).__name__}")
        context = {"folder": folder}
        sections, problems = checked_sections(cls, data, context)
        problems += cross_checks(sections)
        if problems:
            raise CaseError("\n".join(clipped(line) for line in dict.fromkeys(problems)))
        return cls.model_validate(dict(data), context=context)

    @classmethod
    def load(cls, path_or_name: str | Path, overrides: Iterable[str] = ()) -> Case:
        """Read a case file, or a case of the catalogue by name.

        Args:
            path_or_name: ``"my/case.toml"`` or ``"trilayer_cg"``.
            overrides: ``"path=value"`` each, as ``"protocol.0.current_density=2 mA/cm^2"``;
                applied after those in HOSTPLATE_SET (separated by ``;``).

        Raises:
            CaseError: no such case, or all its problems.
        """
        path = find_case(path_or_name)
        data = read_toml(path)
        environment = os.environ.get("HOSTPLATE_SET", "")
        given = [part for part in re.split(r"[;\n]", environment) if part.strip()]
        try:
            for assignment in given:
                apply_override(data, assignment)
        except CaseError as error:
            raise CaseError(f"environment variable HOSTPLATE_SET: {error}") from None
        for assignment in overrides:
            apply_override(data, assignment)
        try:
            return cls.from_dict(data, folder=path.parent)
        except CaseError as error:
            count = len(str(error).splitlines())
            problems = "1 problem" if count == 1 else f"{count} problems"
            raise CaseError(f"{path}: {problems}\n{error}") from None

    def with_(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Case:
        """A changed copy: ``case.with_({"protocol.0.duration": "2 h"}, study="steady")``.

        Args:
            changes: dotted path -> new value; a value of None removes the key.
            more: the same for top-level names.

        Raises:
            CaseError: as `from_dict`.
        """
        data = self.to_dict()
        for path, value in {**(changes or {}), **more}.items():
            set_path(data, path, value)
        return type(self).from_dict(data)

    def run(self, folder: str | Path, **options: Any) -> Any:
        """Solve the case into a results folder; see `fem.run.session.run`."""
        from fem.run.session import run

        return run(self, Path(folder), **options)

    @property
    def folder(self) -> Path:
        """What relative paths would refer to; a checked case holds none (tables are read in)."""
        return Path.cwd()

    # -------------------------------------------------------------------------------- materials

    @property
    def fillings(self) -> dict[str, Mapping[str, Any]]:
        """Own materials, and solids, electrolytes and separators that the case carries, by name.

        To be given to `fem.materials.material` as `own`.
        """
        from fem.materials import recorded

        return recorded.fillings(self.library, self.materials)

    @property
    def metal_data(self) -> Metal:
        """Numbers of the plated metal: those that the case carries, else the library's."""
        from fem.materials import recorded

        return recorded.metal(self.library, self.metal)

    def pair_data(self, surface: str, *, strict: bool = True) -> Pair:
        """Kinetic numbers of the metal on a surface: those that the case carries, or the library's.

        Args:
            surface: name of the solid.
            strict: as `fem.materials.pair`.

        Raises:
            CaseError: as `fem.materials.pair`.
        """
        from fem.materials import recorded

        return recorded.pair(self.library, self.metal, surface, self.electrolyte, strict=strict)

    def recorded(self) -> Case:
        """The case complete, so that a later version computes the same from it.

        Numbers of the library, defaults and cell sizes of the geometry, and digests of the files
        that it names are written out; what it computes, and `physics_hash`, stay the same.
        """
        from fem.case.checks import geometry_parameters
        from fem.case.summary import library_entries
        from fem.materials import recorded

        tables: dict[str, dict[str, Any]] = {}
        for key, entry in library_entries(self).items():
            tables.setdefault(entry.kind, {})[key[1]] = recorded.table(entry)
        changes: dict[str, Any] = {"library": tables}
        if self.geometry is not None:
            from geometries.resolution import spelled_out

            full = _written(spelled_out(geometry_parameters(self.sized_geometry or {})))
            changes["geometry"] = {"family": self.geometry["family"], **full}
        if self.mesh is not None:
            from geometries.files.conversion import file_digest

            changes["mesh"] = self.mesh.model_copy(
                update={"sha256": file_digest(Path(self.mesh.file))}
            )
        if self.hooks is not None:
            said = hashlib.sha256(Path(self.hooks.module).read_bytes()).hexdigest()
            changes["hooks"] = self.hooks.model_copy(update={"sha256": said})
        return self.model_copy(update=changes)

    def library_digest(self) -> str:
        """Digest of the numbers that the case takes from the library or carries."""
        from fem.case.summary import library_entries
        from fem.materials import recorded

        return recorded.digest(library_entries(self))

    # ------------------------------------------------------------------------------------- give

    def to_dict(self) -> dict[str, Any]:
        """The resolved case as a plain nested dict with quantity strings; reads back equal."""
        return _written(self)

    def to_toml(self) -> str:
        """The resolved case as TOML: every default written out, tables read in, paths absolute.

        Of `recorded` cases with the geometry's defaults and the library's numbers.
        """
        return to_toml(self.to_dict())

    def physics_hash(self, mesh_hash: str = "", *, as_written: bool = False) -> str:
        """Digest of everything that defines the problem; guards restarts.

        A new end of the last protocol step, other output, time or solver options keep it.
        Numbers of the library are not part of it: `library_digest`.

        Args:
            mesh_hash: content hash of the mesh (of the sidecar); the name of a mesh file is not
                part of the digest.
            as_written: with all cell sizes that the geometry gives; else those that its family
                would choose are left out, so that a case and what is `recorded` of it agree.
        """
        data = self.to_dict()
        for name in ("title", "source", "notes", "time", "solver", "output", "probe", "library"):
            data.pop(name, None)
        for name in ("duration", "capacity", "cutoff", "cycles"):
            data["protocol"][-1].pop(name, None)
        for name in ("file", "refine", "sha256"):  # the content hash says what came out
            data.get("mesh", {}).pop(name, None)
        data.get("growth", {}).pop("short_circuit", None)
        data.get("initial", {}).pop("from", None)
        if not data.get("initial"):
            data.pop("initial", None)
        if self.hooks is not None:  # what the module says, not where it is
            data["hooks"] = Path(self.hooks.module).read_text(encoding="utf-8")
        if self.geometry is not None:
            from fem.case.checks import geometry_parameters

            model = geometry_parameters(self.sized_geometry or {})
            if not as_written:
                from geometries.resolution import chosen_left_out

                model = chosen_left_out(model)
            found = model.model_dump(mode="json")
            data["geometry"] = _without_files(found)  # their content's digest is beside them
            data["geometry"]["family"] = self.geometry["family"]
        data["mesh_hash"] = mesh_hash
        text = json.dumps(data, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

    @property
    def sized_geometry(self) -> dict[str, Any] | None:
        """[geometry] as it is meshed: with the sizes that the physics asks for where it has none.

        In a growth study they are half of `growth.interface_width`.
        """
        from fem.case.checks import sized

        return None if self.geometry is None else sized(self.geometry, vars(self))

    def region(self, name: str) -> Region:
        """What fills the mesh region `name`; ``electrolyte*`` defaults to the case's electrolyte.

        Raises:
            CaseError: no entry or more than one entry matches.
        """
        globs = [glob for glob in self.regions if fnmatch.fnmatchcase(name, glob)]
        found = [self.regions[glob] for glob in globs]
        if len(found) > 1:
            shown = " and ".join(repr(glob) for glob in globs)
            raise CaseError(f"regions: {name!r} is matched by {shown}; keep one of them")
        is_electrolyte = name.startswith("electrolyte")
        if not found and not is_electrolyte:
            raise CaseError(
                f"regions: the mesh has a region {name!r}, but the case does not say what fills "
                f"it; add [regions.{name}] with a material; {nearest(name, self.regions)}"
            )
        region = found[0] if found else Region()
        if region.material is None and is_electrolyte:
            region = region.model_copy(update={"material": self.electrolyte})
        return region


def _written(value: Any, unit: str | None = None) -> Any:
    """A part of a case as it would stand in a file; None for what is left out."""
    if isinstance(value, Constant | Along | Formula):
        return value.written()
    if isinstance(value, BaseModel):
        parts = {
            field.alias or name: _written(getattr(value, name), unit_of(field))
            for name, field in type(value).model_fields.items()
        }
        return {name: part for name, part in parts.items() if part not in (None, {}, [])}
    if isinstance(value, Mapping):
        return {str(name): _written(part, unit) for name, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_written(part, unit) for part in value]
    return format_quantity(value, unit) if unit and value is not None else value
