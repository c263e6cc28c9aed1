"""The public face: cases that run themselves. Imports no solver before one does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fem.case import case

if TYPE_CHECKING:
    from fem.results.result import Result

__all__ = ["Case", "load"]


class Case(case.Case):
    """A case that runs itself; everything else is in `fem.case.case.Case`."""

    def run(self, folder: str | Path, **options: Any) -> Result:
        """Solve the case into a results folder; see `fem.run.session.run`."""
        from fem.run.session import run

        return run(self, Path(folder), **options)


    def sweep(
        self, axes: Mapping[str, Sequence[Any]], folder: str | Path, **options: Any
    ) -> list[dict[str, Any]]:
        """Run a grid of changes in this process; a row for each point (`fem.run.sweep.sweep`)."""
        from fem.run.sweep import sweep

        return sweep(self, axes, Path(folder), **options)


def load(path_or_name: str | Path, overrides: Iterable[str] = ()) -> Case:
    """A case from a file or, by name, from the catalogue; see `fem.case.case.Case.load`."""
    return Case.load(path_or_name, overrides)
