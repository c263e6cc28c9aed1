"""Numbers that know where they come from: value, unit, source and status.

    sigma = { value = "5.8e7 S/m", source = "IEC 60028 (IACS)", status = "checked" }
    D = { law = "nyman2008", source = "Nyman et al. 2008", status = "checked" }

A law or table may carry ``Ea = { value, source, status }``, an activation energy of its own origin.

`status` is ``checked`` (read in the source or in two independent carriers), ``cited`` (attributed,
not read) or ``assumed``. In a user-defined material a plain ``"5.8e7 S/m"`` or ``{ law }`` will do;
it counts as assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from fem.base.constants import T_REF
from fem.base.errors import nearest
from fem.materials.laws import LAWS, LOWEST_C, arrhenius, constant
from fem.materials.ops import floor, is_ufl
from fem.values.properties import Along, Constant, PropertyOf
from fem.values.units import format_quantity, parse_quantity

Status = Literal["checked", "cited", "assumed"]
STATUSES: tuple[str, ...] = get_args(Status)
OWN_SOURCE = "given by the user"


class Origin(NamedTuple):
    """Source and status of a number."""

    source: str
    status: str


class Number(float):
    """A float in SI with its origin; behaves as a float everywhere.

    Attributes:
        unit: SI unit.
        given: as written in the file.
        source: publication, standard, data sheet, or the reason of an assumption.
        status: ``checked``, ``cited`` or ``assumed``.
    """

    unit: str = ""
    given: str = ""
    source: str = OWN_SOURCE
    status: str = "assumed"

    @classmethod
    def of(cls, value: float, unit: str, given: str, origin: Origin) -> Number:
        """Make one."""
        number = cls(value)
        number.unit, number.given, (number.source, number.status) = unit, given, origin
        return number

    def written(self) -> dict[str, Any]:
        """Entry for a file; reads back to the same float."""
        value: Any = self.given
        try:
            exact = parse_quantity(value, self.unit) == float(self)
        except ValueError:
            exact = False
        if not exact:
            value = format_quantity(float(self), self.unit) if self.unit else repr(float(self))
        return {"value": value, "source": self.source, "status": self.status}


@dataclass(frozen=True)
class Dependent:
    """A property that may depend on c and T: call it with (c, T).

    Attributes:
        function: of (c, T), SI.
        unit: SI unit of the result.
        given: as written in the file: a quantity, the name of a law, an expression, a table.
        source: as `Number`.
        status: as `Number`.
        variables: those of ``c`` and ``T`` that matter.
        c_table: the concentrations that a table covers, mol/m3; None for everything else.
        T_table: the same for temperatures, K.
        Ea: activation energy that multiplies the function by `laws.arrhenius`, J/mol, or None.
        body: ``{ value }`` or ``{ law }`` as in a file, with tables read in.
    """

    function: Callable[[Any, Any], Any]
    unit: str
    given: str
    source: str = OWN_SOURCE
    status: str = "assumed"
    variables: frozenset[str] = frozenset()
    c_table: tuple[float, float] | None = None
    T_table: tuple[float, float] | None = None
    Ea: Number | None = None
    body: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def written(self) -> dict[str, Any]:
        """Entry for a file; reads back to the same function while a law of this name does."""
        Ea = {} if self.Ea is None else {"Ea": self.Ea.written()}
        body = self.body or {"value": self.given}
        return {**body, "source": self.source, "status": self.status, **Ea}

    def __call__(self, c: Any, T: Any = T_REF) -> Any:
        """The value in SI.

        A table raises for numbers outside of it; inside a form it keeps its end value, and
        `Electrolyte.require` tells afterwards.

        Args:
            c: salt concentration, mol/m3: float, array or UFL.
            T: temperature, K: float, array or UFL.

        Raises:
            CaseError: outside a table.
        """
        value = self.function(c, T)
        if is_ufl(value):
            return value
        shape = () if is_ufl(c) or is_ufl(T) else _shape(c, T)
        if shape:
            import numpy as np

            return np.broadcast_to(np.asarray(value, dtype=float), shape).copy()
        return float(value)


@dataclass(frozen=True)
class In:
    """Annotation of a `Number` or `Dependent` field: SI unit, bounds, and the laws it may use."""

    unit: str
    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    law: str = ""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validation of the field by `read`."""

        def read(given: object, info: ValidationInfo) -> Number | Dependent:
            folder = Path((info.context or {}).get("folder") or Path.cwd())
            return self.dependent(given, folder) if source is Dependent else self.number(given)

        return core_schema.with_info_plain_validator_function(read)

    def number(self, given: object) -> Number:
        """Read a plain number.

        Raises:
            ValueError: what is wrong and the way out.
        """
        if isinstance(given, Number):
            return given
        body, origin = _origin(given, {"value"})
        value = body["value"]
        prop = PropertyOf(self.unit, (), self.gt, self.ge, self.le).read(value, Path())
        return Number.of(prop.at(), self.unit, str(value), origin)

    def dependent(self, given: object, folder: Path) -> Dependent:
        """Read a value, an expression, a table, or the name of a law.

        Raises:
            ValueError: what is wrong and the way out.
        """
        if isinstance(given, Dependent):
            return given
        body, origin = _origin(given, {"value", "law", "Ea"})
        c_table = T_table = None
        if "law" in body:
            name = body["law"]
            laws = LAWS.get(self.law, {})
            if not isinstance(name, str) or name not in laws:
                raise ValueError(f"law: {name!r} is unknown; {nearest(str(name), laws)}")
            function, shown, variables = laws[name], f"law {name}", {"c", "T"}
            kept: dict[str, Any] = {"law": name}
        else:
            prop = PropertyOf(self.unit, ("c", "T"), self.gt, self.ge, self.le).read(
                body["value"], folder
            )
            shown, variables = _shown(body["value"]), set(prop.variables)
            own_file = isinstance(body["value"], Mapping) and "table" in body["value"]
            kept = {"value": prop.written() if own_file else body["value"]}
            if isinstance(prop, Constant):
                function = constant(prop.value)
            else:

                def function(c: Any, T: Any) -> Any:
                    return prop.at(c=c if isinstance(prop, Along) else floor(c, LOWEST_C), T=T)

            if isinstance(prop, Along):
                ends = (prop.curve.x[0], prop.curve.x[-1])
                c_table, T_table = (ends, None) if prop.along == "c" else (None, ends)
        Ea = None
        if "Ea" in body:
            try:
                Ea = In("J/mol", ge=0).number(body["Ea"])
            except ValueError as error:
                raise ValueError(f"Ea: {error}") from None
            function = _activated(function, float(Ea))
            variables.add("T")
        return Dependent(
            function, self.unit, shown, *origin, frozenset(variables), c_table, T_table, Ea, kept
        )


def _activated(function: Callable[[Any, Any], Any], Ea: float) -> Callable[[Any, Any], Any]:
    return lambda c, T: function(c, T) * arrhenius(Ea, T)


def _origin(given: object, allowed: set[str]) -> tuple[Mapping[str, Any], Origin]:
    """Split ``{ value, source, status }``; without source and status it is a user's plain value."""
    if not isinstance(given, Mapping) or not {"value", "law"} & given.keys():
        return {"value": given}, Origin(OWN_SOURCE, "assumed")
    known = {*allowed, "source", "status"}
    for name in given:
        if name not in known:
            raise ValueError(f"unknown name {name!r}; {nearest(str(name), known)}")
    if {"value", "law"} <= given.keys():
        raise ValueError("value and law given together; keep one of them")
    if not {"source", "status"} & given.keys():
        return given, Origin(OWN_SOURCE, "assumed")
    source, status = given.get("source", ""), given.get("status")
    if "status" not in given:
        raise ValueError(f"status: missing beside source; one of {', '.join(STATUSES)}")
    if status not in STATUSES:
        raise ValueError(f"status: {status!r} is not one of {', '.join(STATUSES)}")
    if not isinstance(source, str) or not source.strip():
        raise ValueError("source: missing; name the publication, or the reason of an assumption")
    return given, Origin(source, str(status))


def _shown(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    if "expression" in value:
        return f"{value['expression']} {value.get('unit', '')}".strip()
    return f"table {value['table']}" if "table" in value else f"table along {value.get('along')}"


def _shape(*values: Any) -> tuple[int, ...]:
    import numpy as np

    return np.broadcast_shapes(*(np.shape(value) for value in values))
