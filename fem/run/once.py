"""One solve, of a study that a physics brings: its rows, its columns, its fields, its figures.

What `fem.run.simulation` is to a cell that is charged in time. Nothing here knows what is solved.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from fem.base import provenance
from fem.base.errors import Interrupted, RunError
from fem.base.folder import write_json, write_text
from fem.base.parallel import on_root
from fem.files.fields import FieldWriter
from fem.files.series import Series
from fem.run.probes import Probes
from fem.run.recorder import blocks_of, declared, what_was_solved, written
from fem.run.signals import StopRequest
from fem.solver.options import Control, Options, Outcome
from fem.solver.stage import Stage
from fem.study.alone import Alone

__all__ = ["Once"]

#: Share of the estimate below which the flux found calls for a second solve.
ENOUGH_SHARE = 0.3


class Once:
    """A run of one solve. Writes nothing before `begin`.

    Args:
        model: from `fem.study.alone.build`.
        folder: of the results.
        quiet: say nothing.
    """

    def __init__(self, model: Alone, folder: Path, *, quiet: bool = True):
        self.model, self.folder, self.quiet = model, folder, quiet
        self.case, self.s, self.comm = model.case, model.system, model.domain.comm
        self.started, self.seconds = time.perf_counter(), dict[str, float]()
        solver = self.case.solver
        options = Options(kind=solver.kind, rtol=0.01 * solver.closure_limit)
        self.stages = [Stage(self.s, rows, options, drives=False) for rows in self.s.plan()]
        self.probes = Probes(model)
        self.stop = StopRequest(self.comm)

    def check(self) -> None:
        """Nothing is left to be checked."""

    def begin(self) -> None:
        """Write the resolved case."""
        self.made = provenance.record(self.comm)
        on_root(self.comm, lambda: write_text(
            self.folder / "case.toml", self.case.recorded().to_toml()))
        write_json(self.comm, self.folder / "mesh.json", self.model.domain.sidecar)

    def go(self) -> None:
        """Solve, measure, write.

        Raises:
            RunError: no solution, or a balance does not close.
            Interrupted: a signal asked to stop.
        """
        with self._timed("solve"):
            self.done = done = self._solve()
        if number := self.stop.agreed():
            raise Interrupted(
                f"stopped by signal {number}; `hostplate resume {self.folder}` does the solve again"
            )
        with self._timed("measure"):
            numbers = self._measured()
        with self._timed("write"):
            self._write(numbers, done)
        self.log(f"done: {done.linear} Krylov iterations; {self._spent()}")

    def _solve(self) -> Outcome:
        scale = self._flow()
        done = self._solved(scale)
        if 0.0 < self._flow() < ENOUGH_SHARE * scale:
            done = self._solved(self._flow()).after(done)
        return done

    def _flow(self) -> float:
        return self.s.hints.flow() if self.s.hints.flow else 1.0

    def _solved(self, scale: float) -> Outcome:
        """All stages one after the other; residuals are compared with a current, A.

        Raises:
            RunError: no solution.
        """
        done: Outcome | None = None
        for stage in self.stages:
            found = stage.solve(Control(None), scale)
            if not found.converged:
                raise RunError(
                    f"no solution for {', '.join(stage.names)} ({found.reason}, residual "
                    f"{found.residual:.1e} of its flux)"
                )
            done = found if done is None else found.after(done)
        assert done is not None
        return done

    def _measured(self) -> dict[str, float]:
        """Columns of the physics.

        Raises:
            RunError: a balance does not close.
        """
        numbers: dict[str, float] = {}
        for observer in self.model.observers:
            numbers |= observer.step(1.0)
        limit = self.case.solver.closure_limit
        for column in self.model.columns.values():
            if column.closure and not numbers[column.name] <= limit:
                raise RunError(
                    f"{column.name} {numbers[column.name]:.2e}: {column.doc}: above {limit:.0e}; "
                    "raise [solver] closure_limit, or refine the mesh"
                )
        for observer in self.model.observers:
            observer.accept()
            observer.show()
        return numbers

    def _write(self, numbers: dict[str, float], done: Outcome) -> None:
        columns = {c.name: c.unit for c in self.model.columns.values()}
        table = Series(
            self.comm, self.folder / "series.csv", {"t": "s"} | columns | self.probes.units
        )
        table.add({"t": 0.0} | numbers | self.probes.values())
        table.close()
        units = {name: f.unit for name, f in self.model.fields.items()}
        writer = FieldWriter(
            self.comm, self.folder, blocks_of(self.model, written(self.model)[0]),
            pvd=self.case.output.pvd, units=units, regions=self.model.domain.regions,
        )
        write_json(self.comm, self.folder / "fields" / "fields.json", declared(self.model))
        writer.write(0.0)
        writer.flush()
        self.probes.write_lines(self.folder, 0.0)
        write_json(self.comm, self.folder / "summary.json", self._summary(numbers, done))

    def _summary(self, numbers: dict[str, float], done: Outcome) -> dict[str, Any]:
        out: dict[str, Any] = {
            "title": self.case.title,
            "study": self.case.study,
            **numbers,
            "closures": {c.name: numbers[c.name] for c in self.model.columns.values() if c.closure},
            "newton": done.newton,
            "krylov": done.linear,
            **what_was_solved(self.model, self.probes),
        }
        warnings = []
        for observer in self.model.observers:
            out |= observer.summary()
            warnings += [text for _, text in observer.remarks(closely=True)]
        for text in warnings:
            self.log(f"note: {text}")
        spent = time.perf_counter() - self.started
        return out | self.made | {
            "events": [], "warnings": warnings, "seconds": self.seconds, "wall_seconds": spent,
        }

    @contextlib.contextmanager
    def _timed(self, what: str) -> Any:
        before = time.perf_counter()
        yield
        self.seconds[what] = time.perf_counter() - before

    def _spent(self) -> str:
        return ", ".join(f"{what} {seconds:.1f} s" for what, seconds in self.seconds.items())

    def close(self) -> None:
        """Free PETSc's objects; no file is open."""

    def log(self, text: str) -> None:
        """A line for the user, from rank 0."""
        if self.comm.rank == 0 and not self.quiet:
            print(text, flush=True)
