"""Measured curves as two-column csv files: ``c [mol/m^3],kappa [S/m]`` and one row per point.

Piecewise linear, strictly increasing abscissa, never extrapolated in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fem.errors import CaseError, nearest
from fem.expressions import is_ufl
from fem.units import conversion

_HEADER = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\[\s*([^\]]*?)\s*\])?\s*")
#: A UFL form carries one term per knot, so a curve inside a form has to stay short.
MOST_KNOTS_IN_FORMS = 200


class TableError(CaseError, ValueError):
    """A table that cannot be used; names file, row and reason."""


@dataclass(frozen=True)
class Curve:
    """Piecewise-linear y(x), SI in and out.

    Attributes:
        x: strictly increasing, finite, at least two values.
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
        wrong = next((k for k in range(1, len(self.x)) if self.x[k] <= self.x[k - 1]), None)
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
        Newton iterate may stray), see `require`.
        """
        if is_ufl(x):
            return self._ufl(x)
        points = np.asarray(x, dtype=float)
        if points.size:
            self.require(float(points.min()), float(points.max()))
        result = np.interp(points, self.x, self.y)
        return float(result) if points.ndim == 0 else result

    def _ufl(self, x: Any) -> Any:
        import ufl

        if len(self.x) > MOST_KNOTS_IN_FORMS:
            raise TableError(
                f"{self.source}: {len(self.x)} rows are too many inside a form; "
                f"thin it out to {MOST_KNOTS_IN_FORMS}"
            )
        slopes = np.diff(self.y) / np.diff(self.x)
        inside = ufl.max_value(ufl.min_value(x, self.x[-1]), self.x[0])
        result = self.y[0] + float(slopes[0]) * (inside - self.x[0])
        for knot, bend in zip(self.x[1:-1], np.diff(slopes), strict=True):
            result += float(bend) * ufl.max_value(inside - knot, 0.0)
        return result


def read_table(path: Path, of: str, of_unit: str, unit: str) -> Curve:
    """Read a two-column csv file.

    Args:
        path: the file; its first line names the columns with their units, lines starting with
            ``#`` are comments.
        of: the name that the first column must have, for example ``"c"``.
        of_unit: SI unit the first column is converted to.
        unit: SI unit the second column is converted to.

    Raises:
        TableError: file, header, unit, number of columns, a value, or the order is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = [p.name for p in path.parent.glob("*.csv")] if path.parent.is_dir() else []
        hint = f"; {nearest(path.name, near)}" if near else ""
        raise TableError(f"table {str(path)!r} does not exist{hint}") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise TableError(f"table {str(path)!r} cannot be read: {error}") from None
    name = repr(path.name)
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise TableError(f"table {name} is empty")
    rows = [line.split(",") for _, line in lines]
    header = [_HEADER.fullmatch(cell) for cell in rows[0]]
    if len(header) != 2 or header[0] is None or header[1] is None:
        raise TableError(
            f"table {name}: the first line must name two columns with units, "
            f'e.g. "{of} [{of_unit}],value [{unit}]", got {lines[0][1][:80]!r}'
        )
    if header[0][1] != of:
        raise TableError(f"table {name}: the first column is {header[0][1]!r}, not {of!r}")
    scales = []
    for column, target in zip(header, (of_unit, unit), strict=True):
        assert column is not None
        try:
            scales.append(conversion(column[2] or "", target))
        except ValueError as error:
            raise TableError(
                f"table {name}, column {column[1]!r}: {error}, needs {target!r}"
            ) from None
    values: list[list[float]] = [[], []]
    for (number, line), row in zip(lines[1:], rows[1:], strict=True):
        if len(row) != 2:
            raise TableError(f"table {name}, line {number}: two columns wanted, got {line[:80]!r}")
        for column_values, cell, (slope, offset) in zip(values, row, scales, strict=True):
            try:
                column_values.append(float(f"{float(cell) * slope + offset:.15g}"))
            except ValueError:
                raise TableError(f"table {name}, line {number}: {cell!r} is not a number") from None
    return Curve(tuple(values[0]), tuple(values[1]), of, f"table {name}")
