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
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    Field,
    model_validator,
)
from pydantic.functional_validators import AfterValidator

from fem.base.errors import CaseError, nearest
from fem.case.files import apply_override, find_case, read_toml, set_path, to_toml
from fem.case.guests import Guests, entries, model, module_of
from fem.case.protocol import Step
from fem.case.tables import (
    STUDIES,
    Boundary,
    Coating,
    Collector,
    Counter,
    Hooks,
    Initial,
    Kinetics,
    MeshFile,
    Output,
    Probe,
    Region,
    SolverControl,
    TimeControl,
    law_of,
)
from fem.values.kinds import (
    Geometry,
    Glob,
    LibraryKind,
    Name,
    Table,
    Temperature,
    Text,
    tables_read,
    without_files,
)
from fem.values.properties import Along, Constant, Formula
from fem.values.units import format_quantity, unit_of

if TYPE_CHECKING:
    from fem.contract.physics import Field as FieldOf
    from fem.contract.physics import Physics, Place, Study
    from fem.materials import Metal, Pair

__all__ = ["Case"]

T = TypeVar("T", bound=Table)


class Case(Table):
    """One simulation, checked, in SI.

    Build it with `Case.load` (file or name of a catalogue case) or `Case.from_dict`.
    """

    schema_: Literal[1] = Field(alias="schema", description="version of this format")
    title: Text = Field(description="one line for people")
    source: Text = Field("", description="publication the case follows")
    notes: Text = Field("", description="assumptions and their reasons, expected outcome")
    metal: Name = Field(description="plated metal, a library name")
    electrolyte: Name = Field(description="fills every region 'electrolyte*' and separator pores")
    temperature: Temperature = Field(298.15, description="temperature of the cell")
    study: Literal["primary", "secondary", "tertiary", "steady", "growth"] = Field(
        "tertiary", description="; ".join(f"{name}: {text}" for name, text in STUDIES.items())
    )
    geometry: Geometry | None = Field(
        None, description="family and its parameters (`hostplate list` names them); or [mesh]"
    )
    mesh: MeshFile | None = Field(None, description="imported mesh; or [geometry]")
    regions: dict[Glob, Region] = Field(
        default_factory=dict, description="what fills each region, by name or pattern"
    )
    materials: dict[Name, Annotated[dict[str, Any], AfterValidator(tables_read)]] = Field(
        default_factory=dict, description="user-defined materials, same keys as in the library"
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
    protocol: tuple[Step, ...] = Field(
        (), min_length=1, description="steps, one after the other"
    )
    initial: Initial = Field(default_factory=Initial, description="start state")
    time: TimeControl = Field(default_factory=TimeControl, description="time stepping")
    solver: SolverControl = Field(default_factory=SolverControl, description="solver")
    output: Output = Field(default_factory=Output, description="results")
    probe: tuple[Probe, ...] = Field((), description="recorded values")
    hooks: Hooks | None = Field(None, description="own Python: kinetic laws and physics")

    with_guests: ClassVar[Guests | None] = None  # whose tables the model has, besides those of
    core: ClassVar[Any] = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        from fem.case.checks import cross_checks

        sections = {name: getattr(self, name) for name in type(self).model_fields}
        problems = cross_checks(sections, self.guests)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    # ------------------------------------------------------------------------------------ build

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, folder: Path | None = None, hooks: bool = False
    ) -> Self:
        """Check a nested dict, with the same keys and quantity strings as a case file.

        Args:
            data: the case.
            folder: what relative paths in it refer to; default the working directory.
            hooks: the Python that `[hooks]` names may be executed, so that tables of the physics in
                it are checked, too.

        Raises:
            CaseError: lists all problems.
        """
        folder = Path.cwd() if folder is None else Path(folder).absolute()
        from fem.case.checks import cross_checks
        from fem.case.reading import checked_sections, clipped

        if not isinstance(data, Mapping):
            raise CaseError(f"a case is a table of names and values, got {type(data).__name__}")
        context = {"folder": folder}
        guests = Guests.of(module_of(data, folder), hooks)
        full: Any = model(cls.core or cls, guests)
        sections, problems = checked_sections(full, data, context)
        problems += cross_checks(sections, guests, data if problems else None)
        if problems:
            raise CaseError("\n".join(clipped(line) for line in dict.fromkeys(problems)))
        given = {name for name, f in full.model_fields.items() if (f.alias or name) in data}
        found: Self = full.model_construct(given, **sections)
        return found

    @classmethod
    def load(
        cls, path_or_name: str | Path, overrides: Iterable[str] = (), *, hooks: bool = False
    ) -> Self:
        """Read a case file, or a case of the catalogue by name.

        Args:
            path_or_name: ``"my/case.toml"`` or ``"trilayer_cg"``.
            overrides: ``"path=value"`` each, as ``"protocol.0.current_density=2 mA/cm^2"``;
                applied after those in HOSTPLATE_SET (separated by ``;``).
            hooks: as in `from_dict`.

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
            return cls.from_dict(data, folder=path.parent, hooks=hooks)
        except CaseError as error:
            count = len(str(error).splitlines())
            problems = "1 problem" if count == 1 else f"{count} problems"
            raise CaseError(f"{path}: {problems}\n{error}") from None

    def with_(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """A changed copy: ``case.with_({"protocol.0.duration": "2 h"}, study="steady")``.

        Args:
            changes: dotted path -> new value, quantities as strings or as pint has them; a value of
                None removes the key.
            more: the same for top-level names.

        Raises:
            CaseError: as `from_dict`.
        """
        data = self.to_dict()
        for path, value in {**(changes or {}), **more}.items():
            if hasattr(value, "magnitude") and hasattr(value, "units"):  # pint's
                value = f"{value.magnitude} {value.units}"
            set_path(data, path, value)
        return type(self).from_dict(data, hooks=self.guests.executed)

    def executed(self) -> Self:
        """The case with the Python of `[hooks]` executed and the tables of its physics checked.

        Raises:
            CaseError: the module fails, or a table is wrong.
        """
        if self.hooks is None or self.guests.executed:
            return self
        return type(self).from_dict(self.to_dict(), hooks=True)

    def __reduce__(self) -> Any:
        """Pickle for other ranks, where the model is made anew."""
        made = self.core or type(self), self.guests.module, self.guests.executed
        return _blank, made, self.__getstate__()

    @property
    def folder(self) -> Path:
        """Folder of relative paths; a checked case holds none (tables are read in)."""
        return Path.cwd()

    # ----------------------------------------------------------------------- tables of physics

    @property
    def guests(self) -> Guests:
        """The physics that the case knows."""
        return self.with_guests or Guests.of(None, False)

    def table(self, kind: type[T]) -> T | None:
        """The table of this type, if the case gives one: ``case.table(Heat)``."""
        return next(iter(self.tables(kind)), None)

    def tables(self, kind: type[T]) -> tuple[T, ...]:
        """All tables of this type, of a physics whose table is a list."""
        found: list[T] = []
        for name in self.guests.registry.tables():
            value = getattr(self, name)
            found += [v for v in (value if isinstance(value, tuple) else (value,))
                      if isinstance(v, kind)]
        return tuple(found)

    @property
    def brought(self) -> Study | None:
        """The study, if a physics brings it; None if it is one of a cell."""
        return self.guests.registry.studies.get(self.study)

    def places(self) -> list[Place]:
        """Regions and boundaries of the mesh that tables of physics name."""
        return self.guests.registry.places(vars(self))

    def taking_part(self) -> tuple[Physics, ...]:
        """The registered physics that the case solves, in their order."""
        return self.guests.registry.taking_part(self.study, vars(self))

    @property
    def made_fields(self) -> dict[str, FieldOf]:
        """Fields that the physics of the case make, by name."""
        made, given = self.taking_part(), vars(self)
        return {f.name: f for p in made for f in (*p.fields, *p.more(given))}

    def playing(self, role: str) -> Physics | None:
        """The physics of a role, as `electrolyte`; None where the core's own plays it."""
        return next((p for p in self.taking_part() if p.role == role), None)

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

    def numbers_of(self, physics: str) -> dict[str, Any]:
        """Numbers of a physics' own library by material: those that the case carries win.

        Args:
            physics: name of its table.
        """
        return entries(self.guests.registry.tables()[physics], self.library)

    def recorded(self) -> Self:
        """The case complete, so that a later version computes the same from it.

        Numbers of the library, defaults and cell sizes of the geometry, and digests of the files
        that it names are written out; what it computes, and `physics_hash`, stay the same.
        """
        from fem.case.entries import library_entries
        from fem.case.geometry import geometry_parameters
        from fem.materials import recorded

        tables: dict[str, dict[str, Any]] = {}
        for key, entry in library_entries(self).items():
            tables.setdefault(entry.kind, {})[key[1]] = recorded.table(entry)
        tables |= self._numbers_of_guests()
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
            digest = hashlib.sha256(Path(self.hooks.module).read_bytes()).hexdigest()
            changes["hooks"] = self.hooks.model_copy(update={"sha256": digest})
        return self.model_copy(update=changes)

    def _numbers_of_guests(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Numbers of the libraries that the physics of the case bring, of its materials."""
        from fem.case.entries import filling_names
        from fem.materials import recorded

        used = [self.metal, *filling_names(self)]
        return {
            p.key: {name: recorded.plain(known[name]) for name in used if name in known}
            for p in self.taking_part() if p.library
            for known in [self.numbers_of(p.key)]
        }  # fmt: skip

    def library_digest(self) -> str:
        """Digest of the numbers that the case takes from the library or carries."""
        from fem.case.entries import library_entries
        from fem.materials import recorded

        return recorded.digest(library_entries(self), self._numbers_of_guests())

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
            data.get("protocol", [{}])[-1].pop(name, None)
        for name in ("file", "refine", "sha256"):  # the content hash says what came out
            data.get("mesh", {}).pop(name, None)
        for name, physics in self.guests.registry.tables().items():
            given = data.get(name, [])
            for table in given if isinstance(given, list) else [given]:
                for key in physics.free:
                    table.pop(key, None)
        if self.counter.state == Counter.model_fields["state"].default:
            data["counter"].pop("state", None)  # cases of before it was a key keep their digest
        data.get("initial", {}).pop("from", None)
        if not data.get("initial"):
            data.pop("initial", None)
        for entry in data.get("kinetics", []):
            entry["law"] = law_of(self.kinetics, entry["surface"])
        if self.hooks is not None:  # what the module says, not where it is
            data["hooks"] = Path(self.hooks.module).read_text(encoding="utf-8")
        if self.geometry is not None:
            from fem.case.geometry import geometry_parameters

            model = geometry_parameters(self.sized_geometry or {})
            if not as_written:
                from geometries.resolution import chosen_left_out

                model = chosen_left_out(model)
            found = model.model_dump(mode="json")
            data["geometry"] = without_files(found)  # their content's digest is beside them
            data["geometry"]["family"] = self.geometry["family"]
        data["mesh_hash"] = mesh_hash
        text = json.dumps(data, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

    @property
    def sized_geometry(self) -> dict[str, Any] | None:
        """[geometry] as it is meshed: with the sizes that the physics asks for where it has none.

        In a growth study they are half of `growth.interface_width`.
        """
        from fem.case.geometry import sized

        return None if self.geometry is None else sized(self.geometry, vars(self))

    def region(self, name: str) -> Region:
        """Entry for the mesh region `name`; ``electrolyte*`` defaults to the case's electrolyte.

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


def _blank(core: type[Case], module: str | None, execute: bool) -> Case:
    """A case without content, of the model with the tables of its guests."""
    full: type[Case] = model(core, Guests.of(module, execute))
    return full.__new__(full)


def _written(value: Any, unit: str | None = None) -> Any:
    """A part of a case as it would stand in a file; None for what is left out."""
    if isinstance(value, Constant | Along | Formula):
        return value.written()
    if isinstance(value, BaseModel):
        parts = {}
        for name, field in type(value).model_fields.items():
            given = getattr(value, name)
            part = _written(given, unit_of(field))
            # An optional table asks for something by being there, as an empty [inventory] does.
            asks = isinstance(given, BaseModel) and field.default is None
            if asks or part not in (None, {}, []):
                parts[field.alias or name] = part
        return parts
    if isinstance(value, Mapping):
        return {str(name): _written(part, unit) for name, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_written(part, unit) for part in value]
    return format_quantity(value, unit) if unit and value is not None else value
