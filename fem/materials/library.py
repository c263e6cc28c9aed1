"""Metals, solids, electrolytes, separators and pairs: every number with unit, source and status.

    from fem.materials import electrolyte, metal, pair, solid

    metal("Li").molar_volume                    # 1.2998e-05, a float in m3/mol
    metal("Li").molar_volume.source             # where it comes from
    electrolyte("LiPF6_EC_EMC_3_7").kappa(c, T) # S/m for floats, arrays and UFL
    pair("Li", "Cu").i0(c, T)                   # A/m2

A name that is not there, or a datum that is not known, is a `CaseError` that names the nearest;
no metal ever gets lithium's numbers. Own materials come from a case's ``[materials.X]`` (see
`material`) or from packages that register the entry point group ``hostplate.materials``.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError
from pydantic_core import ErrorDetails

from fem.base.constants import FARADAY, T_REF
from fem.base.errors import CaseError, nearest
from fem.base.plugins import entry_points
from fem.materials import laws
from fem.materials.data import OWN_SOURCE, STATUSES, Dependent, In, Number, Origin
from fem.materials.laws import constant
from fem.theory.salt import Salt
from fem.values.units import short

#: Entry point group; each entry is a mapping name -> table, or the path of a TOML file.
ENTRY_POINTS = "hostplate.materials"

#: Thickness, m, of the film whose charge is the default of `Pair.q_cov`.
COVERAGE_FILM = 10e-9

#: A datum may be unknown, but whoever reads it gets an error, never None.
_UNKNOWN: Any = None
_Concentration = Annotated[Number, In("mol/m^3", ge=0)]
_Temperature = Annotated[Number, In("K", gt=0)]


def _assumed(value: float, unit: str, why: str) -> Number:
    return Number.of(value, unit, f"{value:g} {unit}".strip(), Origin(why, "assumed"))


class Material(BaseModel):
    """Base of all entries: frozen; reading a datum that is not known raises `CaseError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True,
                              defer_build=True)
    kind: ClassVar[str] = "material"

    name: str = Field(description="library name")
    notes: str = Field("", description="what a user should know")

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if value is None and name in type(self).model_fields:
            known = ", ".join(sorted(k for k in self.numbers() if k != name))
            raise CaseError(
                f"{self.kind} {self.name!r}: {name} is not known; give it in a user-defined "
                f"material or in the case (known here: {known})"
            )
        return value

    def has(self, name: str) -> bool:
        """True if the datum `name` is known."""
        return self.__dict__.get(name) is not None

    def written(self) -> dict[str, Any]:
        """The entry as a table of a file, with every known number; see `recorded`."""
        table: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = self.__dict__.get(name)
            if isinstance(value, Number | Dependent):
                table[name] = value.written()
            elif isinstance(value, tuple):
                table[name] = [part.written() for part in value]
            elif value is not None and name not in ("name", "notes"):
                table[name] = value
        return table

    def numbers(self) -> dict[str, Number | Dependent]:
        """Every known number by name; parts as ``c_range.0``, ``c_range.1`` or ``D.Ea``."""
        found: dict[str, Number | Dependent] = {}
        for name, value in self.__dict__.items():
            if isinstance(value, Number | Dependent):
                found[name] = value
                if isinstance(value, Dependent) and value.Ea is not None:
                    found[f"{name}.Ea"] = value.Ea
            elif isinstance(value, tuple):
                found |= {f"{name}.{k}": part for k, part in enumerate(value)}
        return found


class Metal(Material):
    """A plated metal.

    Attributes:
        z: charge number of its ion.
        molar_volume: m3/mol.
        molar_mass: kg/mol.
        density: kg/m3.
        surface_energy: J/m2.
        sigma: electronic conductivity, S/m.
    """

    kind = "metal"
    z: StrictInt = Field(gt=0, le=4)
    molar_volume: Annotated[Number, In("m^3/mol", gt=0)]
    molar_mass: Annotated[Number, In("kg/mol", gt=0)]
    density: Annotated[Number, In("kg/m^3", gt=0)]
    surface_energy: Annotated[Number, In("J/m^2", gt=0)] = _UNKNOWN
    sigma: Annotated[Number, In("S/m", gt=0)] = _UNKNOWN


class Solid(Material):
    """A solid that fills a region, coats a wall, or is a surface to plate on.

    Attributes:
        sigma: electronic conductivity, S/m; 0 for an insulator.
        kappa: ionic conductivity, S/m; 0 if no ion moves in it.
        salt: True if salt moves in it as in a liquid electrolyte; False: only the cation does.
        cation: the metal whose ion moves in it; empty if not given.
        eps_r: relative permittivity.
        density: kg/m3, for the mass of a host.
    """

    kind = "solid"
    cation: str = ""
    sigma: Annotated[Number, In("S/m", ge=0)]
    kappa: Annotated[Number, In("S/m", ge=0)] = _assumed(0.0, "S/m", "conducts no ions")
    salt: StrictBool = False
    eps_r: Annotated[Number, In("", ge=1)] = _UNKNOWN
    density: Annotated[Number, In("kg/m^3", gt=0)] = _UNKNOWN


class Electrolyte(Material):
    """A binary electrolyte; `kappa`, `D`, `t_plus`, `thermodynamic_factor` take (c, T).

    Attributes:
        cation: the metal whose salt it is; empty if not given.
        z: charge number of the cation; by default that of `cation`, or 1.
        z_minus: charge number of the anion, below 0; by default -z.
        c0: concentration of the salt (formula units) as made, mol/m3.
        kappa: ionic conductivity, S/m.
        D: salt diffusivity, m2/s.
        t_plus: transference number of the cation; measured ones may be below 0 or above 1.
        thermodynamic_factor: 1 + dlnf/dlnc.
        eps_r: relative permittivity.
        density: kg/m3, near 298.15 K.
        c_range: concentrations the data were measured at, mol/m3.
        T_range: temperatures the data were measured at, K.
    """

    kind = "electrolyte"
    salt: ClassVar[bool] = True
    cation: str = ""
    z: StrictInt = Field(1, gt=0, le=4)
    z_minus: StrictInt = Field(-1, lt=0, ge=-4)
    c0: Annotated[Number, In("mol/m^3", gt=0)]
    kappa: Annotated[Dependent, In("S/m", gt=0, law="kappa")]
    D: Annotated[Dependent, In("m^2/s", gt=0, law="D")]
    t_plus: Annotated[Dependent, In("", law="t_plus")]
    thermodynamic_factor: Annotated[Dependent, In("", gt=0, law="thermodynamic_factor")] = (
        Dependent(constant(1.0), "", "1", "ideal solution")
    )
    eps_r: Annotated[Number, In("", ge=1)] = _UNKNOWN
    density: Annotated[Number, In("kg/m^3", gt=0)] = _UNKNOWN
    c_range: tuple[_Concentration, _Concentration] = _UNKNOWN
    T_range: tuple[_Temperature, _Temperature] = _UNKNOWN

    @property
    def formula(self) -> Salt:
        """Charges of the ions."""
        return Salt(self.z, self.z_minus)

    def require(self, c_low: float, c_high: float, T: float = T_REF) -> None:
        """Check that a state lies inside the tables of this electrolyte.

        A form cannot raise while it is assembled: call this with the extremes of each accepted
        state.

        Raises:
            CaseError: names the property, the value and the range.
        """
        for name, value in self.numbers().items():
            if not isinstance(value, Dependent):
                continue
            for table, low, high, symbol, unit in (
                (value.c_table, c_low, c_high, "c", "mol/m^3"),
                (value.T_table, T, T, "T", "K"),
            ):
                if table is None:
                    continue
                slack = 1e-9 * (table[1] - table[0])
                if low < table[0] - slack or high > table[1] + slack:
                    found = low if low < table[0] - slack else high
                    raise CaseError(
                        f"electrolyte {self.name!r}: {name}: {symbol} = {found:g} {unit} lies "
                        f"outside its table, {table[0]:g} to {table[1]:g} {unit}; tables are not "
                        "extrapolated: extend the table or lower the current"
                    )

    def outside(self, c_low: float, c_high: float, T: float = T_REF) -> list[str]:
        """List the parts of a state outside the measured range, where the laws extrapolate.

        Returns:
            One sentence each, empty if all is well.
        """
        sentences = []
        for field, low, high, symbol, unit in (
            ("c_range", c_low, c_high, "c", "mol/m^3"),
            ("T_range", T, T, "T", "K"),
        ):
            if not self.has(field):
                continue
            lowest, highest = getattr(self, field)
            for value, bad in ((low, low < lowest), (high, high > highest)):
                if bad:
                    sentences.append(
                        f"electrolyte {self.name!r}: {symbol} = {value:g} {unit} lies outside the "
                        f"measured {lowest:g} to {highest:g} {unit}: its laws extrapolate"
                    )
        return list(dict.fromkeys(sentences))


class Separator(Material):
    """An averaged porous film, D_eff = D porosity/tortuosity.

    Attributes:
        porosity: pore fraction.
        tortuosity: tortuosity factor.
        thickness: m.
        eps_r: relative permittivity of its material, without electrolyte.
        solid_density: of its material without pores, kg/m3.
    """

    kind = "separator"
    porosity: Annotated[Number, In("", gt=0, le=1)]
    tortuosity: Annotated[Number, In("", ge=1)]
    thickness: Annotated[Number, In("m", gt=0)] = _UNKNOWN
    eps_r: Annotated[Number, In("", ge=1)] = _UNKNOWN
    solid_density: Annotated[Number, In("kg/m^3", gt=0)] = _UNKNOWN


class Pair(Material):
    """Kinetics of a metal that plates on a surface.

    Attributes:
        metal: plated metal.
        surface: solid it plates on; the metal's own name for metal on itself.
        electrolyte: the electrolyte it was measured in, empty if it is used for any.
        i0_ref: exchange current density at c_ref and 298.15 K, A/m2.
        c_ref: mol/m3.
        alpha_a: anodic transfer coefficient; alpha_a + alpha_c = z.
        alpha_c: cathodic transfer coefficient.
        Ea: activation energy of i0, J/mol.
        eta_nuc: nucleation overpotential of the bare wall, V, >= 0.
        contact_angle: through the metal, rad (written in degrees).
        q_cov: plated charge per real area after which 63 % of the wall is covered, C/m2.
        film_resistance: of the film on the surface, ohm m2.
    """

    kind = "pair"
    metal: str
    surface: str
    electrolyte: str = ""
    i0_ref: Annotated[Number, In("A/m^2", gt=0)] = _UNKNOWN
    c_ref: Annotated[Number, In("mol/m^3", gt=0)] = _UNKNOWN
    alpha_a: Annotated[Number, In("", gt=0)] = _UNKNOWN
    alpha_c: Annotated[Number, In("", gt=0)] = _UNKNOWN
    Ea: Annotated[Number, In("J/mol", ge=0)] = _UNKNOWN
    eta_nuc: Annotated[Number, In("V", ge=0)] = _UNKNOWN
    contact_angle: Annotated[Number, In("rad", ge=0, le=3.15)] = _UNKNOWN
    q_cov: Annotated[Number, In("C/m^2", gt=0)] = _UNKNOWN
    film_resistance: Annotated[Number, In("ohm*m^2", ge=0)] = _assumed(
        0.0, "ohm*m^2", "no film; the exchange current density may contain one"
    )

    def i0(self, c: Any, T: Any = T_REF) -> Any:
        """Exchange current density, see `laws.exchange_current`, A/m2.

        Args:
            c: mol/m3, float, array or UFL.
            T: K.
        """
        i0_ref, c_ref, alpha_a = float(self.i0_ref), float(self.c_ref), float(self.alpha_a)
        z = metal(self.metal).z
        return laws.exchange_current(c, T, i0_ref, c_ref, alpha_a, z, float(self.Ea))


_KINDS: dict[str, type[Material]] = {
    model.kind: model for model in (Metal, Solid, Electrolyte, Separator, Pair)
}


# ------------------------------------------------------------------------------------------- read


def parse_material(
    data: Mapping[str, Any], where: str = "materials", *, name: str | None = None
) -> Material:
    """Check one material: an entry of the library or a case's ``[materials.X]``.

    Args:
        data: its table, with the key ``kind``: metal, solid, electrolyte, separator or pair.
        where: place for messages; its last part is the material's name.
        name: of the material, if it is not the last part of `where`.

    Returns:
        A `Metal`, `Solid`, `Electrolyte`, `Separator` or `Pair`.

    Raises:
        CaseError: one line a problem: ``materials.X.kappa: '1': reason``.
    """
    if not isinstance(data, Mapping):
        raise CaseError(f"{where}: {data!r} is not a table of names and values")
    if "name" in data:
        raise CaseError(
            f"{where}.name: {data['name']!r}: a material is named by its table; leave name out"
        )
    return _parse({**data}, where, name or where.rsplit(".", 1)[-1], None)


def _parse(body: dict[str, Any], where: str, name: str, folder: Path | None) -> Material:
    kind = body.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        reason = "missing" if kind is None else f"{kind!r}: unknown"
        raise CaseError(f"{where}.kind: {reason}; one of {', '.join(_KINDS)}")
    model = _KINDS[kind]
    body["name"] = name
    try:
        if model in (Electrolyte, Solid):
            _known_cation(body, where)
        if model is Electrolyte:
            body = _ideal(_charged(body, where), where, folder or Path.cwd())
        return model.model_validate(body, context={"folder": folder or Path.cwd()})
    except ValidationError as error:
        lines = [_line(where, model, item) for item in error.errors(include_url=False)]
        raise CaseError("\n".join(lines)) from None


def _known_cation(body: dict[str, Any], where: str) -> None:
    name = body.get("cation", "")
    if isinstance(name, str) and name and name not in _entries("metal"):
        raise CaseError(
            f"{where}.cation: {name!r} is not a metal of the library; "
            f"{nearest(name, _entries('metal'))}"
        )


def _charged(body: dict[str, Any], where: str) -> dict[str, Any]:
    """Fill in the charges that follow from the cation and from each other."""
    name = body.get("cation", "")
    own = metal(name).z if isinstance(name, str) and name else 1
    z = body.get("z", own)
    if name and isinstance(z, int) and z != own:
        raise CaseError(f"{where}.z: {z}: the ion of {name} has the charge {own}; leave z out")
    return {"z_minus": -z if isinstance(z, int) else -1, **body, "z": z}


def _ideal(body: dict[str, Any], where: str, folder: Path) -> dict[str, Any]:
    """Fill in ``kappa = { law = "nernst_einstein" }``, which needs D, t_plus and the charges."""
    kappa = body.get("kappa")
    if not isinstance(kappa, Mapping) or kappa.get("law") != "nernst_einstein":
        return body

    def dependent(name: str) -> Dependent | None:
        field = Electrolyte.model_fields[name]
        try:
            return next(m for m in field.metadata if isinstance(m, In)).dependent(
                body[name], folder
            )
        except (KeyError, ValueError):
            return None  # the model reports it

    D, t_plus, charges = dependent("D"), dependent("t_plus"), (body["z"], body["z_minus"])
    if D is None or t_plus is None or not all(isinstance(z, int) and z for z in charges):
        return {**body, "kappa": "1 S/m"}
    if t_plus.variables == frozenset() and not 0.0 < t_plus(1.0) < 1.0:
        raise CaseError(
            f"{where}.kappa: the law nernst_einstein is that of an ideal salt, whose t_plus lies "
            f"between 0 and 1, not {t_plus(1.0):g}; give kappa itself"
        )
    origin = Origin(str(kappa.get("source") or OWN_SOURCE), str(kappa.get("status", "assumed")))
    if origin.status not in STATUSES:
        origin = Origin(origin.source, "assumed")
    function = functools.partial(_nernst_einstein, D, t_plus, *charges)
    variables = frozenset({"c", "T"})
    law = {"law": "nernst_einstein"}
    made = Dependent(function, "S/m", "law nernst_einstein", *origin, variables, body=law)
    return {**body, "kappa": made}


def _nernst_einstein(
    D: Dependent, t_plus: Dependent, z: int, z_minus: int, c: Any, T: Any
) -> Any:
    return laws.nernst_einstein(c, T, D.function(c, T), t_plus.function(c, T), z, z_minus)


def _line(where: str, model: type[Material], item: ErrorDetails) -> str:
    place = ".".join([where, *(str(part) for part in item["loc"])])
    last = str(item["loc"][-1]) if item["loc"] else ""
    if item["type"] == "missing":
        field = model.model_fields.get(last)
        hint = f"; {field.description}" if field is not None and field.description else ""
        return f"{place}: missing{hint}"
    if item["type"] == "extra_forbidden":
        known = [name for name in model.model_fields if name != "name"]
        return f"{place}: unknown name; {nearest(last, known)}"
    reason = item["msg"].removeprefix("Value error, ")
    shown = short(item["input"])
    return f"{place}: {reason}" if shown[:50] in reason else f"{place}: {shown}: {reason}"


@functools.cache
def _entries(kind: str) -> dict[str, tuple[Mapping[str, Any], Path | None, str]]:
    """Name -> (table, folder of its csv files, place for messages), packages' own ones last."""
    text = resources.files("fem.materials").joinpath(f"library/{kind}s.toml").read_text("utf-8")
    found: dict[str, tuple[Mapping[str, Any], Path | None, str]] = {}
    for name, table in tomllib.loads(text).items():
        found[name] = ({"kind": kind, **table}, None, f"{kind}s.{name}")
    for name, table, folder, where in _plugged():
        if isinstance(table, Mapping) and table.get("kind") == kind:
            found[name] = (table, folder, f"{where}.{name}")
    return found


@functools.cache
def _plugged() -> tuple[tuple[str, Any, Path | None, str], ...]:
    """Materials of installed packages: name, table, folder of its csv files, place for messages."""
    found: list[tuple[str, Any, Path | None, str]] = []
    for entry in entry_points(group=ENTRY_POINTS):
        where = f"entry point {entry.name!r}"
        try:
            given = entry.load()
            folder = None
            if isinstance(given, str | Path):
                folder = Path(given).parent
                given = tomllib.loads(Path(given).read_text("utf-8"))
        except Exception as error:  # whatever somebody's package does when it is imported
            raise CaseError(f"{where} of group {ENTRY_POINTS}: cannot be read: {error}") from error
        if not isinstance(given, Mapping):
            raise CaseError(f"{where}: {type(given).__name__} is not a mapping of materials")
        for name, table in given.items():
            found.append((str(name), table, folder, where))
    return tuple(found)


@functools.cache
def _load(kind: str, name: str) -> Material:
    entries = _entries(kind)
    if name not in entries:
        raise CaseError(f"{kind} {name!r} is not in the library; {nearest(name, entries)}")
    table, folder, where = entries[name]
    return _parse({**table}, where, name, folder)


def _get[M: Material](kind: str, model: type[M], name: str) -> M:
    found = _load(kind, name)
    assert isinstance(found, model)
    return found


# ------------------------------------------------------------------------------------------- give


def names(kind: str) -> list[str]:
    """Names of one kind: metal, solid, electrolyte, separator, pair (as ``Li/Cu``).

    Raises:
        CaseError: unknown kind.
    """
    if kind not in _KINDS:
        raise CaseError(f"kind {kind!r} of material is unknown; {nearest(kind, _KINDS)}")
    found = list(_entries(kind))
    if kind == "solid":
        found += [m for m in _entries("metal") if m not in found and metal(m).has("sigma")]
    return sorted(found, key=str.lower)


def metal(name: str) -> Metal:
    """A metal that can be plated.

    Raises:
        CaseError: unknown; names the nearest.
    """
    return _get("metal", Metal, name)


def solid(name: str) -> Solid:
    """A solid; every metal with a known conductivity is one too.

    Raises:
        CaseError: unknown; names the nearest.
    """
    if name not in _entries("solid"):
        if name in _entries("metal"):
            found = metal(name)
            return Solid(name=name, sigma=found.sigma, density=found.density, notes=found.notes)
        raise CaseError(f"solid {name!r} is not in the library; {nearest(name, names('solid'))}")
    return _get("solid", Solid, name)


def electrolyte(name: str) -> Electrolyte:
    """An electrolyte.

    Raises:
        CaseError: unknown; names the nearest.
    """
    return _get("electrolyte", Electrolyte, name)


def separator(name: str) -> Separator:
    """A separator film.

    Raises:
        CaseError: unknown; names the nearest.
    """
    return _get("separator", Separator, name)


def material(
    name: str, own: Mapping[str, Mapping[str, Any]] | None = None, *, cation: str = ""
) -> Solid | Electrolyte | Separator:
    """Material of a region: the case's own, or a solid, electrolyte or separator of the library.

    Args:
        name: as in ``[regions.X] material``.
        own: the case's ``[materials]`` tables; they win over the library.
        cation: metal whose salt a user-defined electrolyte is that does not say so: the case's.

    Raises:
        CaseError: unknown (names the nearest), or the user-defined material is faulty.
    """
    own = own or {}
    if name in own:
        table = own[name]
        if cation and table.get("kind") == "electrolyte":
            table = {"cation": cation, **table}
        found = parse_material(table, f"materials.{name}")
        if not isinstance(found, Solid | Electrolyte | Separator):
            raise CaseError(
                f"materials.{name}.kind: {found.kind!r} cannot fill a region; make it a solid, "
                "electrolyte or separator"
            )
        return found
    if name in names("solid"):
        return solid(name)
    if name in _entries("electrolyte"):
        return electrolyte(name)
    if name in _entries("separator"):
        return separator(name)
    known = [*own, *names("solid"), *names("electrolyte"), *names("separator")]
    raise CaseError(f"material {name!r} is unknown; {nearest(name, known)}")


def pair(
    metal_name: str, surface: str, electrolyte_name: str | None = None, *, strict: bool = True
) -> Pair:
    """Kinetics of a metal on a surface; data for the very electrolyte win over general ones.

    Args:
        metal_name: plated metal.
        surface: name of the solid; the metal's own name for metal on itself.
        electrolyte_name: if given, data measured in it are preferred.
        strict: False returns a pair without data where none are known (a case may give all of them
            itself); reading one of them then raises.

    Raises:
        CaseError: unknown metal or pair; names what is available, never another metal's values.
    """
    base = metal(metal_name)
    table = _entries("pair")
    keys = [f"{metal_name}/{surface}/{electrolyte_name}"] if electrolyte_name else []
    keys.append(f"{metal_name}/{surface}")
    key = next((key for key in keys if key in table), None)
    if key is not None:
        return _pair(key)
    if strict:
        known = [k for k in table if k.split("/")[0] == metal_name]
        close = nearest(keys[-1], known) if known else "no pair of this metal is known"
        raise CaseError(
            f"pair {keys[-1]!r}: no kinetic data of {metal_name} on {surface!r}; {close}; or give "
            "i0, alpha_a, alpha_c and eta_nuc in [[kinetics]]"
        )
    return Pair(name=keys[-1], metal=metal_name, surface=surface, q_cov=_covering_charge(base))


@functools.cache
def _pair(key: str) -> Pair:
    table, folder, where = _entries("pair")[key]
    metal_name, surface, *rest = key.split("/")
    body: dict[str, Any] = {"q_cov": _covering_charge(metal(metal_name))}
    own = dict(table)
    model = own.pop("like", None)
    if model is not None:
        like = _pair(str(model))
        for name, number in like.numbers().items():
            assert isinstance(number, Number)
            if name not in ("eta_nuc", "contact_angle", "q_cov"):
                why = f"taken from {model}, since what grows is {metal_name}: {number.source}"
                body[name] = Number.of(number, number.unit, number.given, Origin(why, "assumed"))
    body |= own
    body |= {"metal": metal_name, "surface": surface}
    if rest:
        body["electrolyte"] = rest[0]
    found = _parse(body, where, key, folder)
    assert isinstance(found, Pair)
    return found


def _covering_charge(base: Metal) -> Number:
    value = base.z * FARADAY * COVERAGE_FILM / base.molar_volume
    return _assumed(
        float(f"{value:.4g}"), "C/m^2", f"a film of {COVERAGE_FILM * 1e9:g} nm; smooths the onset"
    )


# ----------------------------------------------------------------------------------------- account


def status_counts(*materials: Material) -> dict[str, int]:
    """Count the numbers of these materials that are checked, cited and assumed.

    Args:
        materials: any of them; one that appears twice counts once.
    """
    counts = dict.fromkeys(STATUSES, 0)
    for _, _, _, _, _, _, status in rows(*materials):
        counts[status] += 1
    return counts


def rows(*materials: Material) -> list[tuple[str, str, str, str, str, str, str]]:
    """All numbers: (kind, material, datum, as written, SI unit, source, status), sorted.

    Args:
        materials: those to list; none means the whole library.
    """
    chosen = materials or tuple(_everything())
    listed = []
    for found in {(m.kind, m.name): m for m in chosen}.values():
        for datum, number in found.numbers().items():
            listed.append(
                (found.kind, found.name, datum, number.given, number.unit, number.source,
                 number.status)
            )  # fmt: skip
    return sorted(listed)


def _everything() -> Iterator[Material]:
    for kind in _KINDS:
        for name in _entries(kind):
            yield _pair(name) if kind == "pair" else _load(kind, name)
