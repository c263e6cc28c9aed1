"""Tables of registered physics in a case: `[heat]`, or what the physics of `[hooks]` declare.

A case's model is that of the core with a field for each of them, so that they are read, checked,
listed and written like all other tables. Tables whose physics stands in a module that may not be
executed are taken as they are; they are read once it may (`Case.executed`).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic.functional_validators import AfterValidator

from fem.base.errors import CaseError
from fem.case.hooks import Declared, declared, own_records
from fem.case.reading import not_toml
from fem.case.tables import STUDIES
from fem.contract import registry
from fem.contract.physics import Physics, named
from fem.contract.registry import Registry
from fem.values.kinds import LibraryKind

__all__ = ["Guests", "entries", "module_of"]


def _plain(value: Any) -> Any:
    problems = [*not_toml("", value)]
    if problems:
        raise ValueError(problems[0].removeprefix(": "))
    return value


#: A table of a physics in a module that may not be executed.
Unread = Annotated[dict[str, Any] | list[dict[str, Any]] | None, AfterValidator(_plain)]


@dataclass(frozen=True)
class Guests:
    """The physics that a case knows.

    Attributes:
        module: of `[hooks]`, or None.
        executed: whether it may be, so that its physics are known.
        registry: all physics that are known.
        unread: of a module that may not be executed, what its text declares.
    """

    module: str | None
    executed: bool
    registry: Registry
    unread: Declared

    @classmethod
    def of(cls, module: str | None, execute: bool) -> Guests:
        """The physics of a case with this module.

        Raises:
            CaseError: the module fails when it is executed, or a name is taken twice.
        """
        known, unread = registry.with_own(), Declared((), ())
        if module is None or not Path(module).is_file():
            return cls(None, False, known, unread)
        if execute:
            origin = f"hooks.module {module!r}"
            known = registry.with_own(tuple((record, origin) for record in own_records(module)))
        else:
            with contextlib.suppress(CaseError):  # reported by the check of [hooks]
                unread = declared(module)
        return cls(module, execute, known, unread)

    def fields(self, sections: Mapping[str, Any]) -> list[str]:
        """Names of the fields of all physics but those that belong to a study of their own.

        Args:
            sections: of the case, by field name.
        """
        study = sections.get("study")
        brought = study in self.registry.studies
        known = [f.name for p in self.registry.physics for f in (*p.fields, *p.more(sections))
                 if study in p.studies or not (brought or p.study)]
        return [*known, *self.unread.fields]

    def unsure(self, sections: Mapping[str, Any]) -> bool:
        """A table is wrong by itself, so that nobody knows which fields it would have given."""
        return any(p.table is not None and p.key not in sections for p in self.registry.physics)


def module_of(data: Mapping[str, Any], folder: Path) -> str | None:
    """The file that `[hooks]` names in the data of a case; None without one."""
    hooks = data.get("hooks")
    module = hooks.get("module") if isinstance(hooks, Mapping) else None
    return str((folder / module).absolute()) if isinstance(module, str) and module else None


def entries(physics: Physics, carried: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    """Numbers of a physics by material: those that a case carries, else its own library's.

    Raises:
        CaseError: faulty numbers, with their place.
    """
    own: Mapping[str, BaseModel] = named(physics.library)()
    kind = type(next(iter(own.values())))
    found, wrong = dict(own), []
    for name, table in carried.get(physics.key, {}).items():
        try:
            found[name] = kind.model_validate(table)
        except ValidationError as error:
            wrong += [
                f"library.{physics.key}.{'.'.join(map(str, (name, *e['loc'])))}: {e['msg']}"
                for e in error.errors()
            ]
    if wrong:
        raise CaseError("\n".join(wrong))
    return found


@functools.lru_cache(maxsize=64)
def model(base: type[BaseModel], guests: Guests) -> Any:
    """The model of a case with the tables of its guests.

    Args:
        base: model of the core, with class variables `with_guests` and `core`.
        guests: of the case.

    Raises:
        CaseError: a table has the name of a table of the core.
    """
    known, unread = guests.registry, guests.unread
    fields: dict[str, Any] = {}
    core = base.model_fields["library"]
    own = [name for name, physics in known.tables().items() if physics.library]
    kinds: Any = Literal[*get_args(LibraryKind), *own]
    fields["library"] = (
        dict[kinds, dict[str, dict[str, Any]]],
        Field(default_factory=dict, description=core.description),
    )
    if known.studies:
        studies = STUDIES | {study.name: study.doc for study in known.studies.values()}
        text = "; ".join(f"{name}: {doc}" for name, doc in studies.items())
        core = base.model_fields["study"]
        fields["study"] = (Literal[*studies], Field(core.default, description=text))
    for name, physics in known.tables().items():
        if name in base.model_fields:
            raise CaseError(
                f"physics {physics.name!r} ({known.origin[physics.name]}): a case has a table of "
                "that name already; rename the physics"
            )
        table: Any = physics.table
        if physics.many:
            fields[name] = (tuple[table, ...], Field((), description=physics.doc))
        else:
            fields[name] = (table | None, Field(None, description=physics.doc))
    for name in unread.tables:
        if name not in fields and name not in base.model_fields:
            fields[name] = (Unread, Field(None, description="of the physics in [hooks]"))
    full = create_model(
        base.__name__, __base__=base, __module__=base.__module__, __doc__=base.__doc__, **fields
    )
    for name, value in (("with_guests", guests), ("core", base)):  # that the base declares
        setattr(full, name, value)
    return full
