"""Registry of physics: those of this package, of installed packages, and of a case's module.

Names are taken once: two physics, fields, columns or figures of one name are an error that says
where both come from.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import shorten
from typing import Any, get_type_hints

from pydantic import (
    BaseModel,
    PydanticUndefinedAnnotation,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
)

from fem.base.errors import CaseError, nearest
from fem.base.order import in_order
from fem.base.plugins import entry_points
from fem.contract.physics import (
    ALL,
    Column,
    Estimate,
    EventKind,
    Field,
    Figure,
    Metric,
    Physics,
    Place,
    Study,
    named,
    records,
)
from fem.values.introspection import marks, tables
from fem.values.kinds import Table
from fem.values.properties import VARIABLES, PropertyOf
from fem.values.units import Quantity, conversion

__all__ = ["CATALOGUE", "ENTRY_POINTS", "Registry", "checked", "installed", "only_in", "with_own"]

#: Where this package lists its physics; found by name, so that no import points upward.
CATALOGUE = "fem.physics.catalogue:PHYSICS"
#: Where the physics of this package come from, as messages say it.
OURS = "hostplate"
#: Entry point group of other packages' physics.
ENTRY_POINTS = "hostplate.physics"


class Registry:
    """Physics in an order in which each follows those it is declared after.

    Args:
        known: each physics with the words that say where it comes from.

    Raises:
        CaseError: a name is taken twice, a physics is declared after one that does not exist or
            that is declared after it, takes part in a study that does not exist, or a figure shows
            a field that nobody declares.
    """

    def __init__(self, known: Iterable[tuple[Physics, str]]):
        self.origin: dict[str, str] = {}
        found: dict[str, Physics] = {}
        for physics, origin in known:
            if physics.name in found:
                raise CaseError(
                    f"physics {physics.name!r} is there twice: from {self.origin[physics.name]} "
                    f"and from {origin}; rename one of them"
                )
            if physics.table and any(p.table and p.key == physics.key for p in found.values()):
                raise CaseError(
                    f"physics {physics.name!r} ({origin}): a case has a table of that name "
                    "already; rename the physics"
                )
            found[physics.name], self.origin[physics.name] = physics, origin
        self.physics = tuple(self._in_order(found))
        self.fields: dict[str, Field] = self._once("fields")
        self.columns: dict[str, Column] = self._columns()
        self.figures: dict[str, Figure] = self._once("figures")
        self.events: dict[str, EventKind] = self._once("events")
        self.metrics: dict[str, Metric] = self._once("metrics")
        self.estimates: dict[str, Estimate] = self._once("estimates")
        self._check_figures()
        self._check_studies()

    def _in_order(self, found: Mapping[str, Physics]) -> Iterator[Physics]:
        """The physics as given, but each after those that it names."""
        for physics in found.values():
            for name in physics.after:
                if name not in found:
                    raise CaseError(
                        f"physics {physics.name!r} ({self.origin[physics.name]}) is declared after "
                        f"{name!r}, which does not exist; {nearest(name, found)}"
                    )
        order, circle = in_order({name: physics.after for name, physics in found.items()})
        if circle:
            raise CaseError(f"physics are declared after each other in a circle: {circle}")
        yield from (found[name] for name in order)

    def _columns(self) -> dict[str, Column]:
        """All columns by name, each behind the one that it follows."""
        found: dict[str, Column] = self._once("columns")
        for column in found.values():
            if column.after and column.after not in found:
                raise CaseError(
                    f"column {column.name!r} stands behind {column.after!r}, which nobody "
                    f"declares; {nearest(column.after, found)}"
                )
        order, circle = in_order({n: (c.after,) * bool(c.after) for n, c in found.items()})
        if circle:
            raise CaseError(f"columns stand behind each other in a circle: {circle}")
        return {name: found[name] for name in order}

    def _check_figures(self) -> None:
        """Figures show fields that somebody declares."""
        for physics in self.physics:
            for figure in physics.figures:
                for name in (n for n in figure.maps if n not in self.fields):
                    raise CaseError(
                        f"figure {figure.name!r} of physics {physics.name!r} "
                        f"({self.origin[physics.name]}): nobody declares its field {name!r}; "
                        f"{nearest(name, self.fields)}"
                    )

    def _check_studies(self) -> None:
        """Studies that a physics takes part in are those of every case, or brought by one."""
        there = {*ALL, *self.studies}
        for physics in self.physics:
            for name in sorted(physics.studies - there):
                raise CaseError(
                    f"physics {physics.name!r} ({self.origin[physics.name]}): studies: {name!r} "
                    f"does not exist; {nearest(name, there)}"
                )

    def owner(self, column: str) -> str:
        """Name of the physics that declares a column."""
        return next(
            p.name for p in self.physics for c in p.columns
            if c.name == column or (c.name.endswith(".*") and column.startswith(c.name[:-1]))
        )  # fmt: skip

    def unit(self, number: str) -> str:
        """SI unit of a number of a summary, by its dotted name; empty where nobody declares it."""
        group, _, rest = number.partition(".")
        if group in ("voltage", "voltage_parts"):  # of every series, and its parts
            return "V"
        first = rest.partition(".")[0]
        entry: Metric | Estimate | Column | None
        if group == "metrics":
            entry = self.metrics.get(first)
        elif group == "estimates":
            entry = self.estimates.get(first)
        else:
            entry = self.columns.get(number)
        return "" if entry is None else entry.unit

    def _once(self, kind: str) -> dict[str, Any]:
        """All fields, columns, figures or events by name."""
        found: dict[str, Any] = {}
        owner: dict[str, str] = {}
        for physics in self.physics:
            for entry in getattr(physics, kind):
                if entry.name in found:
                    first = owner[entry.name]
                    raise CaseError(
                        f"{kind[:-1]} {entry.name!r} is declared twice: by {first!r} "
                        f"({self.origin[first]}) and by {physics.name!r} "
                        f"({self.origin[physics.name]}); rename one of them"
                    )
                found[entry.name], owner[entry.name] = entry, physics.name
        return found

    @property
    def studies(self) -> dict[str, Study]:
        """Studies that physics bring, by name."""
        return {p.study.name: p.study for p in self.physics if p.study is not None}

    def tables(self) -> dict[str, Physics]:
        """Physics that have a table, by its name."""
        return {p.key: p for p in self.physics if p.table is not None}

    def taking_part(self, study: str, tables: Mapping[str, Any]) -> tuple[Physics, ...]:
        """The physics of a case: those of its study that its tables ask for.

        Args:
            study: of the case.
            tables: of the case, by name.

        Raises:
            CaseError: two of them have one role.
        """
        chosen = tuple(p for p in self.physics if study in p.studies and p.given(tables))
        roles: dict[str, str] = {}
        for p in chosen:
            if p.role and p.role in roles:
                raise CaseError(
                    f"{p.name}: a case has one {p.role}, and {roles[p.role]!r} is its {p.role}, "
                    "too; leave one of them out"
                )
            roles[p.role] = p.name
        return chosen

    def fields_of(self, sections: Mapping[str, Any]) -> dict[str, Field]:
        """All fields by name: those of every case, and those that the tables of this one make."""
        more = [f for p in self.physics for f in self._asked(p, "more", Field, sections)]
        return self.fields | {f.name: f for f in more}

    def places(self, sections: Mapping[str, Any]) -> list[Place]:
        """Regions and boundaries of the mesh that tables of physics name."""
        return [place for p in self.physics for place in self._asked(p, "places", Place, sections)]

    def _asked(
        self, physics: Physics, name: str, kind: type, sections: Mapping[str, Any]
    ) -> list[Any]:
        """Answer of the `check`, `places` or `more` of a physics.

        Raises:
            CaseError: it fails, or gives something else than a series of `kind`.
        """
        where = f"physics {physics.name!r} ({self.origin[physics.name]}): {name}"
        try:
            found = getattr(physics, name)(sections)
            one = isinstance(found, str) or not isinstance(found, Iterable)
            given = [found] if one else list(found)
        except Exception as error:
            if self.origin[physics.name] == OURS:
                raise
            raise CaseError(f"{where} fails: {type(error).__name__}: {error}") from error
        for odd in (entry for entry in given if not isinstance(entry, kind)):
            raise CaseError(f"{where} gives {odd!r}; it must yield each as {kind.__name__}")
        return given

    def problems(self, sections: Mapping[str, Any]) -> Iterator[str]:
        """Problems of the tables of physics with the study, and with other tables.

        Args:
            sections: of the case, by field name; those that are wrong by themselves are absent.
        """
        study = sections.get("study")
        for physics in self.physics:
            if physics.table is not None and sections.get(physics.key) and study is not None:
                yield from only_in(physics.key, physics.studies, study)
            elif physics.study is not None and study == physics.study.name:
                if physics.key in sections and not sections[physics.key]:
                    yield f"{physics.key}: missing; study = {study!r} needs [{physics.key}]"
            yield from self._asked(physics, "check", str, sections)
        if study is not None:
            try:
                yield from _apart(self.taking_part(study, sections))
            except CaseError as error:
                yield str(error)


def _apart(chosen: Sequence[Physics]) -> Iterator[str]:
    """Problems of physics that do not go with what plays a role in the same case."""
    players = {p.role: p for p in chosen if p.role}
    for physics in chosen:
        for role, why in physics.lacks:
            if role in players:
                yield (
                    f"{physics.key}: {why}; leave out [{physics.key}] or [{players[role].key}]"
                )


def only_in(table: str, studies: Iterable[str], study: str | None) -> Iterator[str]:
    """The problem of a table that a study does not allow."""
    *most, last = (repr(name) for name in sorted({*studies}))
    if study not in {*studies}:
        allowed = f"{', '.join(most)} or {last}" if most else last
        yield f"{table}: only for study = {allowed}, not {study!r}; change one of them"


@functools.cache
def installed() -> tuple[tuple[Physics, str], ...]:
    """Physics of this package and of installed ones, each with where it comes from.

    Raises:
        CaseError: what an entry point names is no `Physics`, or a wrong one.
    """
    found = [(record, OURS) for place in named(CATALOGUE) for record in records(named(place))]
    for entry in entry_points(group=ENTRY_POINTS):
        origin = f"the installed package {entry.dist.name if entry.dist else entry.value!r}"
        try:
            given = records(entry.load())
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise CaseError(f"physics {entry.name!r} of {origin} fails: {reason}") from None
        found += [(checked(physics, origin), origin) for physics in given]
    return tuple(found)


def checked(physics: Any, origin: str) -> Physics:
    """The physics, if it is one and every entry of its record is of the kind that is asked for.

    Raises:
        CaseError: it is something else, or what is wrong with its record.
    """
    if not isinstance(physics, Physics):
        raise CaseError(
            f"{origin}: PHYSICS is {physics!r}, which is not a fem.contract.physics.Physics"
        )
    wrong = next(_wrong(physics), None)
    if wrong is not None:
        raise CaseError(f"{origin}: physics {physics.name!r}: {wrong}")
    return physics


def _wrong(physics: Physics) -> Iterator[str]:
    """Problems of a record: first its own entries, as the others rest on them."""
    yield from _mistyped(physics, "")
    entries: tuple[Any, ...] = (
        *physics.fields, *physics.columns, *physics.figures, *physics.events,
        *physics.metrics, *physics.estimates,
    )  # fmt: skip
    for entry in entries:
        where = f"{type(entry).__name__}({entry.name!r}): "
        yield from _mistyped(entry, where)
        if isinstance(entry, Field | Column | Metric | Estimate):
            yield from _no_unit(entry.unit, where)
    for column in physics.columns:
        if column.name.startswith("probe."):
            yield f"Column({column.name!r}): probes have such names; rename it"
    table = physics.table
    if table is not None and not issubclass(table, Table):
        yield f"table = {table.__name__}: must be a subclass of fem.values.kinds.Table"
    keys = {} if table is None else table.model_fields
    for key in sorted(physics.free - keys.keys()):
        yield f"free: its table has no key {key!r}; {nearest(key, keys)}"
    if table is not None:
        yield from _misdeclared(table)
        yield from _unreadable(table)


def _unreadable(table: type[BaseModel]) -> Iterator[str]:
    """The problem of a table with a key of a type that nothing is read into.

    Validators are built late, when a case has the table; here the author learns it.
    """
    try:
        table.model_rebuild()
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        yield f"table = {table.__name__}: {error.message.splitlines()[0]}"


def _misdeclared(table: type[BaseModel]) -> Iterator[str]:
    """Keys of a table, and of tables in it, with a unit or a variable that nobody knows.

    Else the case of a user would be blamed, who wrote a sound value.
    """
    for name, field in table.model_fields.items():
        where = f"{table.__name__}.{name}: "
        for mark in marks(field):
            if isinstance(mark, Quantity | PropertyOf):
                yield from _no_unit(mark.unit, where)
            for variable in mark.variables if isinstance(mark, PropertyOf) else ():
                if variable not in VARIABLES:
                    yield f"{where}nothing depends on {variable!r}; {nearest(variable, VARIABLES)}"
        for inner, _ in tables(field.annotation):
            yield from _misdeclared(inner)


def _mistyped(entry: Any, where: str) -> Iterator[str]:
    """Attributes of a record that are not of their declared type; strictly, a set is no tuple."""
    for name, kind in get_type_hints(type(entry)).items():
        try:
            TypeAdapter(kind).validate_python(getattr(entry, name), strict=True)
        except ValidationError as error:
            reason = error.errors()[0]
            way_out = _WAYS_OUT.get(reason["type"], "")
            value = shorten(repr(getattr(entry, name)), 80)
            said = reason["msg"].replace("Input should", "it should")
            yield f"{where}{name} = {value}: {said}{way_out}"


#: How a tuple of one and a set are written, by pydantic's word for what is not one.
_WAYS_OUT = {
    "tuple_type": "; of one entry it is written (entry,)",
    "frozen_set_type": '; it is written frozenset({"name"})',
}


def _no_unit(unit: str, where: str) -> Iterator[str]:
    """The problem of a unit that nobody knows; none is a number without a unit."""
    try:
        conversion(unit, None)
    except ValueError as error:
        yield f"{where}{error}; write an SI unit, as \"mol/m^3\", or none"


@functools.cache
def with_own(own: tuple[tuple[Physics, str], ...] = ()) -> Registry:
    """All physics that are installed, and those of a case's module with where they come from."""
    return Registry((*installed(), *own))
