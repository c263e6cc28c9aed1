"""A row per cycle: charges, efficiency, what is left of what, and the voltage at half of each way.

`cycles.csv` stands beside `series.csv`, from which the voltages are taken row by row, so that a run
of hundreds of cycles needs no more memory for it than one of a few.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fem.results.result import titled

__all__ = ["completed", "half_voltages", "lines"]

#: Share of a cycle's largest current below which a step is a rest: its current is rounding.
NO_CURRENT = 1e-9
#: Units of what every cycle has; other columns have that of the series.
UNITS = {"cycle": "", "plated": "C/m^2", "stripped": "C/m^2", "coulombic_efficiency": "",
         "voltage_plating": "V", "voltage_stripping": "V", "hysteresis": "V"}  # fmt: skip


def half_voltages(path: Path) -> dict[int, dict[str, float]]:
    """Voltages at half of the charge that each cycle plates, and strips, V.

    Args:
        path: a `series.csv`.

    Returns:
        By cycle `voltage_plating`, `voltage_stripping`, and `hysteresis`, the second less the
        first; nothing of a way that was not gone. Linear between steps.
    """
    found: dict[int, dict[str, float]] = {}
    for cycle, rows in _by_cycle(path):
        row = found.setdefault(cycle, {})
        least = NO_CURRENT * max(abs(current) for current, _, _ in rows)
        for way, sign in (("plating", -1.0), ("stripping", 1.0)):
            charge, voltage, total = [], [], 0.0
            for current, dt, E in rows:
                if sign * current > least:
                    total += abs(current) * dt
                    charge.append(total)
                    voltage.append(E)
            if charge:
                row[f"voltage_{way}"] = float(np.interp(0.5 * total, charge, voltage))
        if len(row) == 2:
            row["hysteresis"] = row["voltage_stripping"] - row["voltage_plating"]
    return found


def _by_cycle(path: Path) -> Iterator[tuple[int, list[tuple[float, float, float]]]]:
    """Current density, step and voltage of all rows of a cycle; rows outside cycles are left out.

    A protocol with one cycle only has no such column; its steps are those of cycle 1 then. Where
    it was resumed with more of them, the column has no number in the rows before.
    """
    with open(path, newline="", encoding="utf-8") as file:
        table = csv.reader(file)
        names = [titled(title)[0] for title in next(table)]
        at = [names.index(name) for name in ("current_density", "dt", "voltage")]
        of = names.index("cycle") if "cycle" in names else None
        now, rows = 0, list[tuple[float, float, float]]()
        for line in table:
            if len(line) < len(names):
                break  # cut short by a kill
            number = math.nan if of is None else float(line[of])
            cycle = 1 if math.isnan(number) else int(number)
            if cycle != now and rows:
                yield now, rows
                rows = []
            now = cycle
            if cycle:
                current, dt, voltage = (float(line[k]) for k in at)
                rows.append((current, dt, voltage))
        if rows:
            yield now, rows


def completed(rows: Sequence[Mapping[str, Any]], path: Path) -> list[dict[str, Any]]:
    """The rows of a run's cycles with their voltages.

    Args:
        rows: `cycle`, `plated`, `stripped`, `coulombic_efficiency`, and what states there are.
        path: the `series.csv` of the run.
    """
    halves, out = half_voltages(path), []
    for row in rows:
        first = {name: row.get(name) for name in list(UNITS)[:4]}
        voltages = {name: halves.get(row["cycle"], {}).get(name) for name in list(UNITS)[4:]}
        out.append({**first, **voltages, **{k: v for k, v in row.items() if k not in UNITS}})
    return out


def lines(rows: Sequence[Mapping[str, Any]], units: Mapping[str, str]) -> Iterable[str]:
    """Lines of a `cycles.csv`.

    Args:
        rows: of the cycles, all with the same columns.
        units: of the columns of the series.
    """
    known = dict(units) | UNITS
    yield ",".join(f"{name} [{u}]" if (u := known.get(name, "")) else name for name in rows[0])
    for row in rows:
        yield ",".join(repr(math.nan if v is None else v) for v in row.values())
