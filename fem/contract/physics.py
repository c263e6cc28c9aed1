"""Declaration of a physics, without a solver: its table, its fields, columns and figures.

    PHYSICS = Physics(
        "additive",
        "an additive that walls consume",
        solver=build,
        table=Additive,
        fields=(Field("additive", "mol/m^3", "additive $a$", balance="additive balance"),),
        columns=(Column("additive_left", "mol/m^2", "additive in the cell", per_area=True),),
        figures=(Figure("additive", "additive in the electrolyte", maps=("additive",)),),
    )

Such a record in the module of a case's `[hooks]`, or one that an installed package names in the
entry point group `hostplate.physics`, makes a physics a guest of every study that it allows. What
it solves is made by `solver` when a case is built: objects as `fem.system.part.Part` describes
them. `docs/add-a-physics.md` builds one from nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

__all__ = [
    "ALL", "TIMED", "VOLTAGE_PARTS", "Column", "Estimate", "EventKind", "Field", "Figure",
    "Ingredient", "Metric", "Physics", "Place", "Study", "named", "records",
]  # fmt: skip

#: Studies that go on in time.
TIMED = frozenset({"tertiary", "growth"})
#: All studies.
ALL = TIMED | {"primary", "secondary", "steady"}
#: Parts of the cell voltage, by what spends it; physics report them (`Reports.spend`).
VOLTAGE_PARTS = {
    "ohmic_s": "electrons in solids and metal",
    "contact": "electrons at contacts of conductors with boundaries",
    "ohmic_l": "ions",
    "concentration": "differences of concentration; may give back",
    "kinetic_plating": "reactions of the driven electrode",
    "kinetic_counter": "reactions of the counter electrode",
    "film": "films on the driven electrode",
    "film_counter": "films on the counter electrode",
    "rest_counter": "the counter electrode at rest, against the metal: stored, not spent",
    "nucleation": "barriers to metal on foreign walls",
    "capillary": "curvature of the metal; may give back",
    "shift": "other shifts of the overpotential; may give back",
    "stored": "charge of layers and mixing, which take up and give back",
    "elsewhere": "what leaves through other boundaries less what comes in",
}


def _nothing(_sections: Mapping[str, Any]) -> Iterator[Any]:
    return iter(())


@dataclass(frozen=True)
class Field:
    """A quantity on the mesh that is written, probed, diagnosed and drawn.

    Attributes:
        name: of an unknown or of a memory of the system.
        unit: SI unit, as in files.
        label: words and symbol (matplotlib's mathtext) for figures.
        medium: where it means something once metal grows. `all`; `electrolyte`: outside metal;
            `conductor`: in the host and in metal; `wall`: where electrons and ions meet, on walls
            and boundaries or, in a growth study, at the front of the metal.
        balance: of an unknown, what its row balances; a diagnosis names it.
        shown: factor from SI to the unit of figures, and that unit; default SI.
        colours: name of a perceptually uniform colour map.
        magnitude: figures show the absolute value.
        offset: its level is of no interest where the spread is much smaller; figures show the
            difference.
        gradient_of: potential whose negative gradient it is; figures draw its magnitude, files have
            it with `[output] vectors`, if that potential is an unknown.
        flow: vector of the files along which figures draw lines over it; where the files have
            none, they go down the field whose gradient this is.
        block: name of the files of what lives on its part of the mesh; default that of a field.
        carried: how `initial.from` brings it to another mesh: `inside`, interpolated where the
            other mesh is; `nearest`, from the nearest node, and not below 0. Else it begins anew.
        fills: it is the share of a place that metal takes; above 1/2 there is no electrolyte.
        cut_off: it is the share of such metal that has no electronic contact.
    """

    name: str
    unit: str
    label: str
    medium: Literal["all", "electrolyte", "conductor", "wall"] = "all"
    balance: str = ""
    shown: tuple[float, str] | None = None
    colours: str = "viridis"
    magnitude: bool = False
    offset: bool = False
    gradient_of: str = ""
    flow: str = ""
    block: str = ""
    carried: Literal["", "inside", "nearest"] = ""
    fills: bool = False
    cut_off: bool = False

    @property
    def factor(self) -> float:
        """Number that takes SI values to the unit of figures."""
        return 1.0 if self.shown is None else self.shown[0]

    @property
    def shown_unit(self) -> str:
        """Unit of figures, before an SI prefix."""
        return self.unit if self.shown is None else self.shown[1]


@dataclass(frozen=True)
class Column:
    """A number of every accepted step: in `series.csv`, and its last value in the summary.

    Attributes:
        name: of the column. One that ends in `.*`, optional, stands for all those that a part
            makes and that begin so, as one for each region.
        unit: SI unit, as in files.
        doc: what it is.
        per_area: `step` gives it for the whole cell; it is divided by the projected area.
        closure: relative error of a balance; the run stops where it exceeds `closure_limit`.
        optional: there is one only where a part of the physics says so (`Observer.makes`).
        after: column that it stands behind, of any physics; numbers stand before closures.
        last: its last value stands in the summary; else parts say what does.
        each_cycle: its value at the end of a cycle, or its largest in it (`most`), stands in the
            summary's `cycles`.
        floor: of a closure, that it may reach whatever `closure_limit` is.
        broken: words for a run that it stops, with `{value}` and `{limit}`; default for all.
        printed: it stands in the line that a run prints of each step.
    """

    name: str
    unit: str = ""
    doc: str = ""
    per_area: bool = False
    closure: bool = False
    optional: bool = False
    after: str = ""
    last: bool = True
    each_cycle: bool | Literal["most"] = False
    floor: float = 0.0
    broken: str = ""
    printed: bool = False


@dataclass(frozen=True)
class EventKind:
    """Kind of event in a run (`fem.system.part.Event`), and whether that is its end.

    Events need not be declared; of one that is the summary does not say what it ends.

    Attributes:
        name: of the event.
        doc: what has happened.
        ends: `run`, `step` (the protocol step) or ""; or a function that says so from a case's
            tables. None: what the event itself says (`Event.ends`).
    """

    name: str
    doc: str
    ends: str | Callable[[Mapping[str, Any]], str] | None = None


@dataclass(frozen=True)
class Figure:
    """Maps of fields side by side, or what a function draws. Left out where its data are not there.

    Attributes:
        name: of its file.
        doc: what it shows.
        maps: names of the fields.
        draw: "module:function", (result, t) -> figure of matplotlib or None, with the keyword
            `maps` if there are any; not from a module of `[hooks]`, which nobody executes to draw.
        whole: it is of the whole run, or of its end.
    """

    name: str
    doc: str
    maps: tuple[str, ...] = ()
    draw: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Metric:
    """A number by which results are judged, taken from their files (`fem.post.metrics`).

    Attributes:
        name: of the metric.
        unit: SI; empty for a plain number.
        doc: its definition.
        of: "module:function", (result, t) -> number, numbers by name, or None where it means
            nothing; not from a module of `[hooks]`, which nobody executes to measure.
    """

    name: str
    unit: str
    doc: str
    of: str


@dataclass(frozen=True)
class Estimate:
    """A number of a case before it runs, from its tables alone (`fem.case.estimates`).

    Attributes:
        name: of the number.
        unit: SI; empty for a plain number.
        doc: its definition.
        of: "module:function", (case) -> number, numbers by name, or None where it means nothing; a
            module without a solver, not one of `[hooks]`.
    """

    name: str
    unit: str
    doc: str
    of: str


@dataclass(frozen=True)
class Ingredient:
    """Something of a case that can be switched off, to see what it decides (`fem.run.why`).

    Attributes:
        name: of it.
        off: what it is then.
        switch: changes a case's data in place.
        rank: how telling it is, as a rule. 0: it decides alone; 1: what differs from place to
            place becomes its mean; 2: what resists, resists no more; 3: what lies on walls is left
            out; 4: anything else.
    """

    name: str
    off: str
    switch: Callable[[dict[str, Any]], None]
    rank: int = 4


@dataclass(frozen=True)
class Study:
    """A kind of problem that a physics brings: its parts alone are solved, with no cell around.

    Metal, electrolyte, regions, materials, coatings and kinetics of the case are there to be read;
    protocol, electrodes and their boundaries are not.

    Attributes:
        name: as `study` of a case names it.
        doc: what is solved, one line; figures show what stands before a colon.
        march: how; `once`: one solve, without time.
        answer: "module:function", (summary of a result) -> the result in a clause, for a report.
    """

    name: str
    doc: str
    march: Literal["once"] = "once"
    answer: str = ""


class Place(NamedTuple):
    """A place in a table of a case that names a part of the mesh.

    Attributes:
        path: of the entry, as in messages.
        name: a name or pattern; it fits one at least.
        kind: `region`. `surface`: a solid region or `collector`. `boundary`. `either`: a region or
            a boundary.
    """

    path: str
    name: str
    kind: Literal["region", "surface", "boundary", "either"]


@dataclass(frozen=True)
class Physics:
    """One physics, as it declares itself; never subclassed.

    Attributes:
        name: of the physics and of its table in a case, `[heat]`.
        doc: one line.
        solver: makes its parts, (setup, table) -> iterable of `fem.system.part.Part`, where `setup`
            is a `fem.setup.setup.Setup`, in a study that a physics brings a `Filled`; a function,
            or where it is found: "module:function". Without one it only declares. Parts of physics
            before it are there by the names that they provide (`Filled.part`).
        books: makes observers of what all parts have made, as `solver` does. They are made when
            all others are, stand behind them, and are the first to measure a step.
        table: pydantic model of its table, a subclass of `fem.values.kinds.Table`. A physics with a
            table takes part where a case gives it, one without in all its studies (`given`).
        section: name of its table, if that is another one.
        many: its table is a list, `[[name]]`.
        role: a case has one physics of a role; `electrolyte`: it takes the place of the salt.
        lacks: each role that it does not go with, and why, as what follows a colon in a message.
        prepare: what it changes of the set-up before any part is made: "module:function",
            (setup, table) -> `fem.setup.setup.Setup`.
        after: physics whose parts are declared before its own.
        studies: that it may take part in.
        study: one that it brings; a case of that study must give its table.
        check: problems of a case's tables with each other, as lines "path: value: reason; way out".
            Tables that are wrong by themselves are absent.
        places: what its table names of the mesh, from all tables; names that are not there are
            problems.
        free: keys of its table that a resumed run may change.
        foiled: solids with pores behind which the collector reacts, too, from all tables: names or
            patterns.
        library: where its own numbers of materials are, "module:function" that gives the entries by
            name of the material, pydantic models with attributes of `fem.materials.data.Number`. A
            run writes those of its materials into its case, as `[library.NAME]`.
        fields, columns, figures, events, metrics: what it makes.
        estimates: what `hostplate check` and the summary of a run foretell of a case.
        ingredients: what of it can be switched off in a case: "module:function", (case, run) ->
            iterable of `Ingredient`, where `run` tells whether a whole run is asked about, or a
            state; a module without a solver, not one of `[hooks]`.
        spread: "module:function", (result, t) -> `fem.post.spread.Spread` or None: where its
            reaction and its metal are, for the metrics of the distribution.
        wanted: what its parts are made from, out of all tables, if not its own one; it takes no
            part where that is nothing.
        notes: what `hostplate check` says of a case beside its problems, a line each.
        more: fields that it makes for the tables of a case, as one for each ion that they name.
    """

    name: str
    doc: str
    solver: str | Callable[[Any, Any], Iterable[Any]] | None = None
    books: str | Callable[[Any, Any], Iterable[Any]] | None = None
    table: type[BaseModel] | None = None
    section: str = ""
    many: bool = False
    role: str = ""
    lacks: tuple[tuple[str, str], ...] = ()
    prepare: str = ""
    after: tuple[str, ...] = ()
    studies: frozenset[str] = TIMED | {"steady"}
    study: Study | None = None
    check: Callable[[Mapping[str, Any]], Iterator[str]] = _nothing
    places: Callable[[Mapping[str, Any]], Iterator[Place]] = _nothing
    free: frozenset[str] = frozenset()
    foiled: Callable[[Mapping[str, Any]], Iterator[str]] = _nothing
    library: str = ""
    fields: tuple[Field, ...] = ()
    columns: tuple[Column, ...] = ()
    figures: tuple[Figure, ...] = ()
    events: tuple[EventKind, ...] = ()
    wanted: Callable[[Mapping[str, Any]], Any] | None = None
    notes: Callable[[Mapping[str, Any]], Iterator[str]] = _nothing
    more: Callable[[Mapping[str, Any]], Iterator[Field]] = _nothing
    metrics: tuple[Metric, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    ingredients: str = ""
    spread: str = ""

    @property
    def key(self) -> str:
        """Name of its table in a case."""
        return self.section or self.name

    def given(self, tables: Mapping[str, Any]) -> Any:
        """Table, as a rule, that its parts are made from; nothing where it takes no part."""
        if self.wanted is not None:
            return self.wanted(tables)
        return True if self.table is None else tables.get(self.key)

    def parts(self, setup: Any, table: Any, *, books: bool = False) -> list[Any]:
        """Make its parts for a case, or its books; nothing without a function that does."""
        given = self.books if books else self.solver
        if given is None:
            return []
        make = named(given) if isinstance(given, str) else given
        return list(make(setup, table))


def records(given: Any) -> tuple[Any, ...]:
    """The records that the `PHYSICS` of a module holds: itself, or all of a list or tuple."""
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def named(place: str) -> Any:
    """The object at "module:name"; its module is imported."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
