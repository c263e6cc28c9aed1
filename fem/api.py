"""The public face: cases that run themselves. Imports no solver before one does."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fem.case import case

if TYPE_CHECKING:
    from fem.results.result import Result

__all__ = ["Case", "list_cases", "load"]


class Case(case.Case):
    """A case that runs itself; everything else is in `fem.case.case.Case`."""

    def run(self, folder: str | Path | None = None, **options: Any) -> Result:
        """Solve the case into a results folder; see `fem.run.session.run`.

        Without a folder it is the first of `results/run_1`, `results/run_2`, ... that is not there.
        """
        from fem.run.session import run

        if folder is None:
            taken = (Path("results") / f"run_{k}" for k in itertools.count(1))
            folder = next(path for path in taken if not path.exists())
        return run(self, Path(folder), **options)

    def __str__(self) -> str:
        """One line for people."""
        return f"Case({self.title!r}, {self.study}, {self.metal} from {self.electrolyte})"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Summary for notebooks, as `hostplate check` prints it."""
        from fem.case.summary import summary

        return f"<pre>{html.escape(summary(self))}</pre>"

    def sweep(
        self, axes: Mapping[str, Sequence[Any]], folder: str | Path, **options: Any
    ) -> list[dict[str, Any]]:
        """Run a grid of changes in this process; a row for each point (`fem.run.sweep.sweep`)."""
        from fem.run.sweep import sweep

        return sweep(self, axes, Path(folder), **options)


def load(path_or_name: str | Path, overrides: Iterable[str] = ()) -> Case:
    """A case from a file or, by name, from the catalogue; see `fem.case.case.Case.load`."""
    return Case.load(path_or_name, overrides)


def list_cases() -> dict[str, str]:
    """Cases of the catalogue by name, with their titles."""
    from fem.case.files import case_names, read_toml

    return {name: str(read_toml(path).get("title", "")) for name, path in case_names().items()}
