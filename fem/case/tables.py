"""Tables of a case: mesh, regions, kinetics, boundaries, metal, numerics, output."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt, StringConstraints
from pydantic.functional_validators import BeforeValidator

from fem.values.kinds import (
    Angle,
    AreaCharge,
    AreaResistance,
    Concentration,
    ConcentrationInSpace,
    Conductivity,
    ConductivityOfC,
    Coordinate,
    Diffusivity,
    Digest,
    ExchangeCurrent,
    Glob,
    Length,
    LengthInSpace,
    Name,
    OpenCircuit,
    Overpotential,
    PathText,
    Place,
    Porosity,
    Resistance,
    SignedCurrent,
    Small,
    Table,
    Text,
    Time,
    Tortuosity,
    Transfer,
    TransferenceOfC,
    Voltage,
)
from fem.values.units import Quantity, typed

#: What each study solves.
STUDIES = {
    "primary": "ohmic potentials phi_s and phi_l, no kinetics, no salt gradient; one solve",
    "secondary": "phi_s and phi_l with interface kinetics, no salt gradient; one solve",
    "tertiary": "phi_s, phi_l and salt c with interface kinetics, in time",
    "steady": "phi_s, phi_l and salt c with interface kinetics at steady state; one solve",
    "growth": "phi_s, phi_l, salt c and the metal xi that fills the pores, in time",
}


def _micro(unit: Any) -> Any:
    """``um`` for ``µm``, with either of the two characters for micro."""
    return typed(unit).replace("\u00b5", "u") if isinstance(unit, str) else unit


class MeshFile(Table):
    """An imported mesh, instead of a geometry family."""

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


class Region(Table):
    """Material of a region of the mesh."""

    material: Name | None = Field(
        None, description="name of a solid, electrolyte or separator (library or [materials])"
    )
    porosity: Porosity | None = Field(None, description="pore fraction of an averaged region")
    tortuosity: Tortuosity | None = Field(
        None, description="tortuosity factor of an averaged region, D_eff = D porosity/tortuosity"
    )
    sigma: Conductivity | None = Field(None, description="electronic conductivity, overrides")
    kappa: ConductivityOfC | None = Field(None, description="ionic conductivity, overrides")
    kappa_along: tuple[float, ...] | None = Field(
        None, description="of a crystal that conducts ions: kappa along x, y (and z), over kappa"
    )
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


class Kinetics(Table):
    """Interface kinetics of the metal on a surface; later entries win over earlier ones."""

    surface: Glob = Field(description="region of the solid side, or 'counter' or 'collector'")
    law: Name | None = Field(None, description="name of the kinetic law; default butler_volmer")
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
    film_resistance: Resistance | None = Field(None, description="resistance of a film on the wall")
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


#: Law of a surface that no entry names one for.
BUTLER_VOLMER = "butler_volmer"


def law_of(entries: Iterable[Kinetics], surface: str) -> str:
    """Name of the law of a surface: the last one that an entry gives which fits it."""
    laws = [e.law for e in entries if e.law is not None and fnmatchcase(surface, e.surface)]
    return laws[-1] if laws else BUTLER_VOLMER


class Coating(Table):
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


class Boundary(Table):
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


class Counter(Table):
    """The counter electrode, on the boundary `counter`."""

    kind: Literal["metal", "foil", "cathode", "ideal", "reservoir", "blocking"] = Field(
        "metal",
        description="metal: Butler-Volmer at phi_s = 0; foil: the same, of finite thickness; "
        "cathode: its open-circuit voltage behind a resistance; ideal: phi_l = 0, no anion flux; "
        "reservoir: phi_l = 0, c = c0; blocking: no current",
    )
    thickness: Length | None = Field(None, description="of a foil at the start")
    capacity: AreaCharge | None = Field(
        None, description="of a cathode, charge of all the metal that it can hold"
    )
    ocv: OpenCircuit | None = Field(
        None,
        description="of a cathode against the metal, a table over `state`, the share of its "
        "capacity that it holds: { along = \"state\", at, values } or { table, of }; it falls",
    )
    resistance: AreaResistance | None = Field(
        None, description="of a cathode, of all that is in series in it"
    )
    state: Annotated[float, Quantity("", ge=0, le=1)] = Field(
        1.0, description="share of its capacity that a cathode holds at the start"
    )

    @property
    def stores(self) -> bool:
        """True if so much metal fits in and no more."""
        return self.kind in ("foil", "cathode")


class Collector(Table):
    """The driven electrode, on the boundary `collector`."""

    material: Name | None = Field(
        None, description="surface that plates where electrolyte touches it; default the metal"
    )


class Initial(Table):
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


class TimeControl(Table):
    """Time stepping."""

    dt0: Time = Field(1.0, description="first step of each protocol step")
    dt_min: Time = Field(
        1e-4,
        description="a smaller step ends the run; up to 1000 dt_min after a jump or kink of what "
        "is imposed the bound is a thousandth of the time since, or what the salt asks for",
    )
    dt_max: Time | None = Field(None, description="largest step; default no limit")
    tolerance: Small = Field(1e-3, description="relative local error of one step")


class SolverControl(Table):
    """Linear and nonlinear solver."""

    kind: Literal["auto", "direct", "iterative"] = Field("auto", description="linear solver")
    rtol: Small = Field(1e-9, description="relative residual at which Newton stops")
    closure_limit: Small = Field(
        1e-8,
        description="largest relative error of the charge and mass balance before the run fails",
    )


class Output(Table):
    """Results that are written, and when."""

    fields_every: Time | None = Field(
        None, description="simulated time between fields; default the end of each protocol step"
    )
    checkpoint_wall: Time = Field(600.0, description="wall time between checkpoints")
    pvd: StrictBool = Field(False, description="also write .pvd files")
    vectors: StrictBool = Field(
        False, description="write currents i_s, i_l, the flux N_an of anions and fields such as "
        "E_l = -grad phi_l, too, in each cell"
    )
    figures: StrictBool = Field(True, description="draw figures at the end")


class Probe(Table):
    """A number or a profile that is recorded at each accepted step."""

    name: Name = Field(description="column name in the results")
    field: Text = Field(
        description="a field (`hostplate list physics ions` names some), or an expression of fields"
    )
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


class Hooks(Table):
    """Own Python beside the case; see `fem.case.hooks`."""

    module: PathText = Field(
        description="file with kinetic laws named in `law`, and perhaps physics(case, domain)"
    )
    sha256: Digest | None = Field(
        None, description="written by a run: digest of the file; another file is refused"
    )
