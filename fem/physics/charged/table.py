"""[[fixed_charge]] of a case: charge per volume of liquid, or the table of a resolved channel."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, model_validator
from pydantic.functional_validators import BeforeValidator

from fem.base.constants import FARADAY
from fem.base.errors import nearest
from fem.contract.physics import Place
from fem.values.kinds import Concentration, Name, Table
from fem.values.units import Quantity, conversion, format_quantity

__all__ = ["COLUMNS", "ChannelTable", "FixedCharge", "check", "places"]

#: Columns of the table of a channel and their SI units; the first three are needed.
COLUMNS = {
    "c": "mol/m^3", "g_plus": "", "g_minus": "", "t_plus": "", "kappa": "S/m", "D": "m^2/s",
}
#: Ions that a fixed charge may hold, mol/m3: more than molecules in any liquid (water: 55,000).
MOST_IONS = 1e5
_HEADER = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\[\s*([^\]]*?)\s*\])?\s*")

Factor = Annotated[float, Quantity("", gt=0)]


class ChannelTable(Table):
    """Ions in a charged pore, over the salt c that is in equilibrium with it."""

    c: tuple[Concentration, ...] = Field(min_length=2, description="salt, rising")
    g_plus: tuple[Factor, ...] = Field(description="c_plus/c, mean over the cross-section")
    g_minus: tuple[Factor, ...] = Field(description="c_minus/c")
    t_plus: tuple[Factor, ...] | None = Field(None, description="with which it was made")
    kappa: tuple[Annotated[float, Quantity("S/m", gt=0)], ...] | None = Field(
        None, description="with which it was made"
    )
    D: tuple[Annotated[float, Quantity("m^2/s", gt=0)], ...] | None = Field(
        None, description="with which it was made"
    )

    @model_validator(mode="after")
    def _in_order(self) -> ChannelTable:
        for name in COLUMNS:
            values = getattr(self, name)
            if values is not None and len(values) != len(self.c):
                raise ValueError(f"{name}: {len(values)} values for {len(self.c)} of c")
        for k in range(1, len(self.c)):
            if not self.c[k] > self.c[k - 1]:
                raise ValueError(
                    f"c must rise from row to row, but row {k + 1}, {self.c[k]:g} mol/m^3, follows "
                    f"{self.c[k - 1]:g}; sort the rows"
                )
            for name in ("g_plus", "g_minus"):
                # Amounts of ions rise with the salt; else equal salts would store different ones.
                now, last = (getattr(self, name)[j] * self.c[j] for j in (k, k - 1))
                if not now > last:
                    raise ValueError(
                        f"{name}: c {name} must rise with c, but is {now:g} mol/m^3 at "
                        f"c = {self.c[k]:g} and {last:g} at {self.c[k - 1]:g}; look at these rows"
                    )
        from fem.physics.charged.shift import Shift

        Shift.table(self.c, self.g_plus, self.g_minus)  # its ValueError says what is wrong
        return self


def _read(given: Any, info: ValidationInfo) -> Any:
    """`{ table = "name.csv" }` as the table that the file holds."""
    if not isinstance(given, Mapping) or "table" not in given:
        return given
    file = given["table"]
    if not isinstance(file, str) or len(given) > 1:
        raise ValueError('write channel = { table = "name.csv" }, or the columns as lists')
    path = Path((info.context or {}).get("folder") or Path.cwd()) / file
    name = f"table {path.name!r}"
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines()
                 if line.strip() and not line.lstrip().startswith("#")]
    except FileNotFoundError:
        near = [p.name for p in path.parent.glob("*.csv")] if path.parent.is_dir() else []
        hint = nearest(path.name, near) if near else "`hostplate channel` writes one"
        raise ValueError(f"table {file!r} does not exist; {hint}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"table {file!r} cannot be read: {error}") from None
    header, *rows = [*csv.reader(lines)] or [[]]
    if not any(header):
        raise ValueError(f"{name} is empty")
    scales: dict[str, tuple[float, float]] = {}
    for cell in header:
        found = _HEADER.fullmatch(cell)
        if found is None or found[1] not in COLUMNS or found[1] in scales:
            what = found[1] if found else cell.strip()[:40]
            raise ValueError(f"{name}: column {what!r}: {nearest(what, COLUMNS)}, each once")
        try:
            scales[found[1]] = conversion(found[2] or "", COLUMNS[found[1]])
        except ValueError as error:
            raise ValueError(f"{name}, column {found[1]!r}: {error}") from None
    lost = [needed for needed in ("c", "g_plus", "g_minus") if needed not in scales]
    if lost:
        raise ValueError(f"{name}: the first line does not name {', '.join(lost)}")
    columns: dict[str, list[Any]] = {column: [] for column in scales}
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ValueError(f"{name}, row {number}: {len(row)} values for {len(header)} columns")
        for (column, (slope, offset)), text in zip(scales.items(), row, strict=True):
            try:
                value = float(text) * slope + offset
            except ValueError:
                raise ValueError(f"{name}, row {number}: {text!r} is not a number") from None
            unit = COLUMNS[column]
            columns[column].append(format_quantity(value, unit) if unit else value)
    return columns


class FixedCharge(Table):
    """Charge that does not move, in the liquid of a region or on the walls of its channels."""

    region: Name = Field(description="that holds the charge; it must contain electrolyte")
    density: Annotated[float, Quantity("C/m^3")] | None = Field(
        None, description="charge per volume of liquid, of either sign"
    )
    channel: Annotated[ChannelTable, BeforeValidator(_read)] | None = Field(
        None, description="or the table of a charged pore (`hostplate channel` writes one)"
    )
    anions: Concentration | None = Field(
        None, description="anions at the start; default those in equilibrium with [initial] c"
    )
    walls: bool = Field(
        True, description="kinetics see the ions of the region; false: those of neutral electrolyte"
    )


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Entries that say two things, or nothing, or charge what cannot hold any."""
    from fem.physics.charged.carriers import problems

    yield from problems(sections)
    seen: dict[str, int] = {}
    initial = sections.get("initial")
    for k, entry in enumerate(sections.get("fixed_charge", ())):
        path = f"fixed_charge.{k}"
        if entry.region in seen:
            yield (
                f"{path}.region: {entry.region!r}: has a charge already, that of "
                f"fixed_charge.{seen[entry.region]}; give their sum once"
            )
        seen.setdefault(entry.region, k)
        if (entry.density is None) == (entry.channel is None):
            got = "neither" if entry.density is None else "both"
            yield f"{path}: needs density or channel; got {got}, keep one of them"
        if entry.density == 0.0:
            yield f"{path}.density: 0 C/m^3: is no charge; leave the entry out"
        if abs(held := (entry.density or 0.0) / FARADAY) > MOST_IONS:
            yield (
                f"{path}.density: {entry.density:.4g} C/m^3: holds {abs(held):.3g} mol/m^3 of "
                f"ions, above {MOST_IONS:.0e} mol/m^3 there is no room for them; check its unit"
            )
        if entry.anions is not None and initial is not None:
            if initial.c is not None and initial.c.variables:
                yield f"{path}.anions: initial.c says the salt at each place already; leave one out"
            if sections.get("study") in ("primary", "secondary"):
                yield (
                    f"{path}.anions: in a study without salt c stays at that of the start; give "
                    "initial.c"
                )


def places(sections: Mapping[str, Any]) -> Iterator[Place]:
    """The regions that entries name."""
    for k, entry in enumerate(sections.get("fixed_charge", ())):
        yield Place(f"fixed_charge.{k}.region", entry.region, "region")
