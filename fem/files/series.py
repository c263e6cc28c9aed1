"""`series.csv`: one row of numbers per accepted step, that an interrupted run goes on with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fem.base.errors import RunError
from fem.base.folder import write_text
from fem.base.parallel import on_root
from fem.results.result import read_series, series_units

__all__ = ["Series"]


class Series:
    """`series.csv`: one row per accepted step; rank 0 writes, the others may call.

    Args:
        comm: all ranks of it construct and close; `add` and `truncate` are collective too.
        path: the file.
        units: column -> unit, in order, `t` first; an empty unit for plain numbers.
        resume: keep the rows that are there and append; otherwise start anew. Columns that only
            the earlier or only the later rows have (other probes) are NaN in the others.
    """

    def __init__(
        self, comm: Any, path: Path | str, units: Mapping[str, str], *, resume: bool = False
    ):
        self.comm, self.path = comm, Path(path)
        self.names = list(units)
        self.header = [_title(name, unit) for name, unit in units.items()]
        self._gone: list[str] = []  # columns of earlier rows only
        self._file: TextIO | None = None
        on_root(comm, self._open, resume)

    def _open(self, resume: bool) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if resume and self.path.is_file():
            earlier = series_units(self.path)
            gone = {name: unit for name, unit in earlier.items() if name not in self.names}
            self.header += [_title(name, unit) for name, unit in gone.items()]
            self._gone = list(gone)
            self._keep(np.inf)
        else:
            self._write_all([])

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row; every column must be there.

        Raises:
            RunError: a column is missing, or the disk is full; on all ranks.
        """
        on_root(self.comm, self._add, row)

    def _add(self, row: Mapping[str, float]) -> None:
        missing = [name for name in self.names if name not in row]
        if missing or len(row) != len(self.names):
            extra = [name for name in row if name not in self.names]
            raise RunError(f"{self.path}: row lacks {missing}, has unknown {extra}")
        assert self._file is not None
        values = [*(float(row[name]) for name in self.names), *(np.nan for _ in self._gone)]
        try:
            self._file.write(",".join(map(repr, values)) + "\n")
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def truncate(self, after_t: float) -> None:
        """Drop the rows later than `after_t`, s: a restart writes them again (collective)."""
        on_root(self.comm, self._keep, after_t)

    def _keep(self, last: float) -> None:
        columns = read_series(self.path)
        absent = np.full(len(columns["t"]), np.nan)
        names = [*self.names, *self._gone]
        rows = np.column_stack([columns.get(name, absent) for name in names])
        tiny = 1e-12 * abs(last) if np.isfinite(last) else 0.0
        self._write_all(rows[rows[:, 0] <= last + tiny].tolist())

    def _write_all(self, rows: list[list[float]]) -> None:
        self._shut()
        lines = [",".join(map(repr, row)) for row in rows]
        write_text(self.path, "\n".join([",".join(self.header), *lines]) + "\n")
        self._file = open(self.path, "a")

    def _shut(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def sync(self) -> None:
        """Bring all rows to the disk (collective)."""
        on_root(self.comm, self._sync)

    def _sync(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Bring everything to the disk and let go of the file."""
        try:
            self._sync()
        finally:
            self._shut()

    def __enter__(self) -> Series:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _title(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name
