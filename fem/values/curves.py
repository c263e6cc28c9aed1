"""Measured curves as two-column csv files: ``c [mol/m^3],kappa [S/m]`` and one row per point.

Columns are parted by commas, semicolons or tabs, units stand in brackets or parentheses.
Piecewise linear, increasing abscissa, never extrapolated in silence. A curve over time may jump:
the same ``t`` stands twice then, with the value before and the one after.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError, nearest, not_text
from fem.values.expressions import is_ufl
from fem.values.units import conversion, typed

_HEADER = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\[\s*([^\]]*?)\s*\]|\(\s*(.*?)\s*\))?\s*")
#: A UFL form carries one term per knot, so a curve inside a form has to stay short.
MOST_KNOTS_IN_FORMS = 200


class TableError(CaseError, ValueError):
    """A table that cannot be used; names file, row and reason."""


@dataclass(frozen=True)
class Curve:
    """Piecewise-linear y(x), SI in and out.

    Attributes:
        x: strictly increasing, finite, at least two values; a time may stand twice, at a jump.
        y: as many finite values.
        name: of x, for messages.
        source: where the numbers come from, for messages.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    name: str = "x"
    source: str = field(default="the list", compare=False)

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise TableError(f"{self.source}: {len(self.x)} points but {len(self.y)} values")
        if len(self.x) < 2:
            raise TableError(f"{self.source}: needs at least two points, has {len(self.x)}")
        if not np.isfinite([*self.x, *self.y]).all():
            raise TableError(f"{self.source}: contains a number that is not finite")
        rise = np.diff(self.x)
        stays = rise == 0.0
        bad = (rise < 0.0) | (stays & (self.name != "t" or not rise.any()))
        bad[1:] |= stays[1:] & stays[:-1]  # a time may stand twice, not three times
        wrong = int(np.argmax(bad)) + 1 if bad.any() else None
        if wrong is not None:
            raise TableError(
                f"{self.source}: {self.name} must increase from row to row, but point {wrong + 1} "
                f"({self.x[wrong]:g}) follows {self.x[wrong - 1]:g}"
            )

    def require(self, low: float, high: float) -> None:
        """Check that [low, high] lies inside the table (to 1e-9 of its length).

        A form cannot raise while it is assembled, so the run calls this on each accepted state.

        Raises:
            TableError: naming the value and the range.
        """
        slack = 1e-9 * (self.x[-1] - self.x[0])
        for value in (low, high):
            if not self.x[0] - slack <= value <= self.x[-1] + slack:
                raise TableError(
                    f"{self.source}: {self.name} = {value:g} lies outside the table, which covers "
                    f"{self.x[0]:g} to {self.x[-1]:g} (SI); extend the table"
                )

    def __call__(self, x: Any) -> Any:
        """Value at a float, an array, or a UFL operand.

        Numbers outside the range raise TableError; a UFL operand keeps the end value there (a
        Newton iterate may stray), see `require`. At a jump it is the value after it.
        """
        if is_ufl(x):
            return self._ufl(x)
        points = np.asarray(x, dtype=float)
        if points.size:
            self.require(float(points.min()), float(points.max()))
        result = np.interp(points, *self._arrays)
        return float(result) if points.ndim == 0 else result

    @functools.cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(self.x), np.asarray(self.y)

    def _ufl(self, x: Any) -> Any:
        import ufl

        if len(self.x) > MOST_KNOTS_IN_FORMS:
            raise TableError(
                f"{self.source}: {len(self.x)} rows are too many inside a form; "
                f"thin it out to {MOST_KNOTS_IN_FORMS}"
            )
        inside = ufl.max_value(ufl.min_value(x, self.x[-1]), self.x[0])
        x_knots, rises = np.asarray(self.x), np.diff(self.y)
        runs = np.diff(x_knots)
        slopes, starts = rises[runs > 0.0] / runs[runs > 0.0], x_knots[:-1][runs > 0.0]
        result = self.y[0] + float(slopes[0]) * (inside - float(starts[0]))
        for knot, bend in zip(starts[1:], np.diff(slopes), strict=True):
            result += float(bend) * ufl.max_value(inside - float(knot), 0.0)
        for knot, jump in zip(x_knots[1:][runs == 0.0], rises[runs == 0.0], strict=True):
            result += ufl.conditional(ufl.ge(x, float(knot)), float(jump), 0.0)
        return result


def read_table(path: Path, of: str, of_unit: str, unit: str) -> Curve:
    """Read a two-column csv file.

    Args:
        path: the file; its first line names the columns with their units, lines starting with
            ``#`` are comments. Between semicolons or tabs commas may be decimal ones.
        of: the name that the first column must have, for example ``"c"``.
        of_unit: SI unit the first column is converted to.
        unit: SI unit the second column is converted to.

    Raises:
        TableError: file, header, unit, number of columns, a value, or the order is wrong.
    """
    header, rows = _content(path, of)
    columns: list[tuple[float, ...]] = []
    for k, target in enumerate((of_unit, unit)):
        name, given = header[k]
        try:
            slope, offset = conversion(given, target)
        except ValueError as error:
            where = f"table {path.name!r}, column {name!r}"
            raise TableError(f"{where}: {error}, needs {target!r}") from None
        columns.append(tuple(float(f"{row[k] * slope + offset:.15g}") for row in rows))
    return Curve(columns[0], columns[1], of, f"table {path.name!r}")


def as_profile(path: Path, of: str) -> dict[str, Any]:
    """Read a table file as ``{ along, at, values }`` with quantity strings, to be kept in a case.

    Raises:
        TableError: as `read_table`, except for units, which are not checked.
    """
    header, rows = _content(path, of)
    x, y = (tuple(row[k] for row in rows) for k in (0, 1))
    Curve(x, y, of, f"table {path.name!r}")  # its rows are in order
    at, values = ([f"{row[k]!r} {header[k][1]}".rstrip() for row in rows] for k in (0, 1))
    return {"along": of, "at": at, "values": values}


def _content(path: Path, of: str) -> tuple[list[tuple[str, str]], list[tuple[float, float]]]:
    """Names and units of the two columns, and the rows."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = [p.name for p in path.parent.glob("*.csv")] if path.parent.is_dir() else []
        hint = f"; {nearest(path.name, near)}" if near else ""
        raise TableError(f"table {str(path)!r} does not exist{hint}") from None
    except UnicodeDecodeError as error:
        raise TableError(f"table {str(path)!r} cannot be read: {not_text(error)}") from None
    except (OSError, ValueError) as error:
        raise TableError(f"table {str(path)!r} cannot be read: {error}") from None
    name = repr(path.name)
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise TableError(f"table {name} is empty")
    between = separator(lines[0][1])
    header = [match for cell in lines[0][1].split(between) if (match := _HEADER.fullmatch(cell))]
    if len(header) != 2 or lines[0][1].count(between) != 1:
        raise TableError(
            f"table {name}: the first line must name two columns with units, "
            f'e.g. "{of} [unit],value [unit]", got {lines[0][1][:80]!r}'
        )
    if header[0][1] != of:
        raise TableError(f"table {name}: the first column is {header[0][1]!r}, not {of!r}")
    table = with_points([typed(line).split(between) for _, line in lines[1:]], between)
    rows: list[tuple[float, float]] = []
    for (number, line), cells in zip(lines[1:], table, strict=True):
        if len(cells) != 2:
            raise TableError(
                f"table {name}, line {number}: expected two columns, got {line[:80]!r}"
            )
        try:
            rows.append((float(cells[0]), float(cells[1])))
        except ValueError:
            raise TableError(f"table {name}, line {number}: {line!r} is not two numbers") from None
    return [(match[1], match[2] or match[3] or "") for match in header], rows


def separator(line: str) -> str:
    """Character between the columns of a line: a semicolon, a tab, else a comma."""
    return next((mark for mark in ";\t" if mark in line), ",")


def with_points(rows: list[list[str]], between: str) -> list[list[str]]:
    """Cells with decimal points, for which commas stand between semicolons or tabs without any."""
    if between == "," or any("." in cell for row in rows for cell in row):
        return rows
    return [[cell.replace(",", ".") for cell in row] for row in rows]
