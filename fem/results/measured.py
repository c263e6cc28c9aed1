"""Curves that others measured or computed, from a csv: cyclers' files, digitised figures, COMSOL.

The header names each column with its unit, in brackets or parentheses: `Time (h), Voltage [V]`. It
is the first line, or the last one of a head whose lines begin with `%` or `#`, as COMSOL writes it.
Columns that are a time, a voltage, a charge or a current, per area, are known by their words.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError, not_text
from fem.values.curves import separator, with_points
from fem.values.units import conversion

__all__ = ["Measured", "read_measured"]

Array = npt.NDArray[np.float64]

#: Words of each column of a series, as others call it, and its SI unit.
KNOWN: dict[str, tuple[str, str]] = {
    "t": (r"t|time|test.?time|elapsed.*", "s"),
    "voltage": (r"voltage|potential|cell.?(voltage|potential)|v|u|e|e_?cell|ewe.*|voltage.*", "V"),
    "charge": (r"charge|capacity|areal.?capacity|q|specific.?capacity", "C/m^2"),
    "current_density": (r"current.?density|current|j|i", "A/m^2"),
}


@dataclass(frozen=True)
class Measured:
    """A table of curves, SI.

    Attributes:
        name: of the file.
        columns: those that are known, by the name that a series has.
    """

    name: str
    columns: Mapping[str, Array]


def read_measured(path: Path) -> Measured:
    """Curves of a csv (separated by commas, semicolons, tabs or blanks).

    Between semicolons or tabs a comma is a decimal one where no number has a point.

    Raises:
        CaseError: no such file, no header, a column without a unit, or no numbers.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CaseError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CaseError(f"{path}: cannot be read: {not_text(error)}") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    head = [line.lstrip("%# ").strip() for line in lines if line[0] in "%#"]
    body = [line for line in lines if line[0] not in "%#"]
    if body and not _numeric(body[0]):
        head, body = [body[0]], body[1:]
    if not head or not body:
        raise CaseError(f"{path}: no header line or no numbers; name columns with units, such as "
                        "`time (s), voltage (V)`")
    mark = separator(body[0])
    between = mark if mark in body[0] else None
    titles, *rows = ([cell.strip() for cell in _cells(line, between)] for line in
                     [head[-1], *body])
    rows = with_points(rows, mark)
    try:
        data = np.array([[float(cell) for cell in row[: len(titles)]] for row in rows])
    except ValueError as error:
        raise CaseError(f"{path}: not a table of numbers: {error}") from None
    if data.ndim != 2 or data.shape[1] != len(titles):
        raise CaseError(f"{path}: the header names {len(titles)} columns; rows have others")
    columns = {}
    for k, title in enumerate(titles):
        if (found := _column(path, title)) is not None and found[0] not in columns:
            name, slope, offset = found
            columns[name] = data[:, k] * slope + offset
    if not {"t", "charge"} & columns.keys() or len(columns) < 2:
        raise CaseError(
            f"{path}: of its columns {', '.join(map(repr, titles))} none is a time or a charge "
            "with a voltage, a charge or a current beside it; name them so, with units"
        )
    return Measured(path.name, columns)


def _cells(line: str, between: str | None) -> list[str]:
    if between is None:
        parts = re.findall(r'"[^"]*"|[^\s"(\[]+\s*[(\[][^)\]]*[)\]]|\S+', line)
        return [part.strip('"') for part in parts]
    return next(csv.reader(io.StringIO(line), delimiter=between, skipinitialspace=True))


def _numeric(line: str) -> bool:
    first = re.split(r"[;,\s]", line.strip('"'), maxsplit=1)[0]
    try:
        float(first)
    except ValueError:
        return False
    return True


def _column(path: Path, title: str) -> tuple[str, float, float] | None:
    """Name of a series' column, and the factor and offset to SI; None for another quantity.

    Raises:
        CaseError: its unit is missing, or of another quantity.
    """
    match = re.fullmatch(r"(.*?)\s*[\[(/]\s*([^\])]*?)\s*[\])]?", title)
    words, unit = (match[1], match[2]) if match else (title, "")
    for name, (pattern, target) in KNOWN.items():
        if re.fullmatch(pattern, words.strip().lower()):
            if not unit:
                raise CaseError(f"{path}: column {title!r} has no unit; write `{words} ({target})`")
            try:
                slope, offset = conversion(unit, target)
            except ValueError as error:
                raise CaseError(f"{path}: column {title!r}: {error}") from None
            return name, slope, offset
    return None
