"""One run from its first to its last step: start, books, events, checkpoints, summary.

A step is solved, measured, recorded and judged; between two steps the run may write a checkpoint or
stop on a signal. What there is to measure, to warn of or to end for is known to the
parts of the physics (`fem.system.part.Observer`). `fem.run.session` builds a `Simulation` and gives
it a folder.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from fem.base import provenance
from fem.base.errors import Interrupted, RunError
from fem.base.folder import write_json, write_text
from fem.base.parallel import on_root
from fem.contract.physics import Column
from fem.files import checkpoint
from fem.files.fields import FieldWriter
from fem.run import signals, start
from fem.run.diagnosis import Trouble, causes, odd_start
from fem.run.events import Events
from fem.run.following import MIN_DENSITY, Following
from fem.run.probes import Probes
from fem.run.progress import Progress, in_notebook
from fem.run.recorder import Recorder, Tally
from fem.run.remarks import Remarks
from fem.run.segments import Segment, Turnover, segments
from fem.solver.options import Control, Options, Outcome
from fem.solver.stage import Stage
from fem.solver.stepper import Settings, Step, Stepper
from fem.study.build import Model
from fem.system.part import Begun, Event, Warn
from fem.system.unknown import Unknown
from fem.values.units import shown_quantity

__all__ = ["Simulation"]

#: Residuals are compared with at least these shares of what the reactions exchange, and of the
#: largest current of any step, at rest and at small currents: diffusion and migration of what it
#: left cancel one another.
EXCHANGE_SHARE, FLOWED_SHARE = 1e-3, 1e-4
#: Unknowns up to which primary distributions are solved directly in 2D: walls without resistance
#: tie both potentials together, which multigrid for each of them does not see.
PRIMARY = 400_000


class Simulation:
    """One run: model, stages, books. Writes nothing before `begin` or `continue_from`.

    Its steps are taken by `fem.run.in_time` and `fem.run.still`.

    Args:
        model: from `fem.study.build.build`.
        folder: of the results.
        quiet: no line per step.
    """

    recorder: Recorder
    remarks: Remarks
    #: The study is one solve, without time.
    once: ClassVar[bool] = False

    def __init__(self, model: Model, folder: Path, *, quiet: bool = True):
        self.model, self.folder, self.quiet = model, folder, quiet
        self.case, self.s = model.case, model.system
        self.comm = model.domain.comm
        self.wall_start = time.perf_counter()
        solver = self.case.solver
        options = Options(solver.kind, solver.rtol, solver.closure_limit)
        if self.case.study == "primary":
            options = replace(options, direct_limit_2d=PRIMARY)
        names = tuple(self.s.unknowns)
        plan = self.s.plan()
        potentials = tuple(
            n for n in names if n in plan[0] and not self.s.unknowns[n].differential
        )
        self.stages = tuple(
            Stage(self.s, together, options, drives=k == 0)
            for k, together in enumerate(plan)
        )
        self.main = self.stages[0]
        same = potentials == self.main.names or self.s.hints.lags
        self.potentials = self.main if same else Stage(self.s, potentials, options)
        if self.potentials.drives:
            self.s.response = self.potentials.response
        t = self.case.time
        self.settings = Settings(t.dt0, t.dt_min, t.dt_max or math.inf, t.tolerance)
        self.stepper = _Stepper(self.s, self.stages, self.settings)
        self.stepper.model = model
        self.probes = Probes(model)
        self.observers = model.observers
        self.columns = model.columns
        self.segments = segments(self.case)
        self.number, self.segment_start, self.segment_charge = 0, 0.0, 0.0
        self.next_output = self.exchanged = self.flowing = 0.0
        self.before_jump: Any = None  # state before what is imposed jumped, until a step is taken
        self.carried = 0.0  # the cell current then, A
        self.currents: list[float] = []  # that of the last three states, newest first, A
        self.events = Events(model, self.log)
        self.turnover = Turnover()
        self.tally = Tally()
        self.stop = signals.StopRequest(self.comm)
        self.origin = ""
        self.saved = time.monotonic()  # when there was a checkpoint last
        self.saved_as: tuple[float, int, bool, int] | None = None
        self.mesh_hash = str(model.domain.sidecar["hash"])
        self.recorded = ""  # digest of the case as it stands in the folder
        self.library = self.case.library_digest()
        self.made: list[dict[str, Any]] = []  # versions, command, date, host of each start
        self.done_before = 0  # steps of what is resumed
        self.settled = False  # a steady study has come to its end
        every = self.case.output.fields_every or math.inf
        self.progress = Progress(self.segments, self.settings.dt_max, every)

    @property
    def flowing(self) -> float:
        """The cell current at the last state, A (2D: A/m), sign of i_n."""
        return self.s.kept["flowing"]

    @flowing.setter
    def flowing(self, current: float) -> None:
        self.s.kept["flowing"] = current

    @property
    def flowed(self) -> float:
        """Largest current of any accepted step, A."""
        return self.s.kept.get("flowed", 0.0)

    @flowed.setter
    def flowed(self, current: float) -> None:
        self.s.kept["flowed"] = current

    # -- begin and go on -----------------------------------------------------------------------

    def check(self) -> None:
        """Set the initial state, the reference of all balances, and check it.

        Raises:
            CaseError: it lies outside measured tables, or the result to start from does not fit.
        """
        if self.case.initial.from_ is not None:
            self.origin = start.adopt(self.model, Path(self.case.initial.from_))
        end = [segment.end() for segment in self.segments]
        for table in self.model.setup.edges.timed:
            table.curve.require(0.0, max((e for e in end if math.isfinite(e)), default=0.0))
        for observer in self.observers:
            observer.begin()

    def begin(self) -> None:
        """Write the resolved case and a checkpoint at t = 0."""
        self.made = [provenance.record(self.comm)]
        self.recorded = on_root(self.comm, self._write_case)
        write_json(self.comm, self.folder / "mesh.json", self.model.domain.sidecar)
        self.save()
        self._open(1)

    def _write_case(self) -> str:
        full = self.case.recorded()
        write_text(self.folder / "case.toml", full.to_toml())
        return full.physics_hash(self.mesh_hash, as_written=True)

    def continue_from(self, found: checkpoint.Checkpoint) -> None:
        """Take up a checkpoint."""
        state, kept, damaged = found
        on_root(self.comm, _sweep, self.folder)
        exact = checkpoint.load(state, kept, self.s)
        loaded = self.s.save()
        self.s.begin(self.s.dt)  # what follows from the state and is kept in no checkpoint
        self.s.restore(loaded)
        self.recorded = str(kept.get("recorded", kept["physics"]))
        self.s.kept |= checkpoint.observed(kept, self.s.charges)
        self.number = int(kept["segment"])
        self.segment_start = float(kept["segment_start"])
        self.segment_charge = float(kept["segment_charge"])
        self.events.restore(kept["events"])
        for observer in self.observers:
            observer.recall(self.events.noted)
        self.turnover = Turnover(kept.get("cycles", ()))
        here = provenance.record(self.comm) | {"resumed_at": self.s.t}
        self.made = [*kept.get("made", ()), here]
        self.stepper.dt = float(kept["next_dt"])
        self.stepper.last = tuple(kept["last_step"]) if kept.get("last_step") else None
        self.stepper.jump, self.stepper.lasts = kept.get("jump", (-math.inf, math.inf))
        self.currents = list(kept.get("currents", ()))
        self.exchanged = float(kept.get("exchanged", 0.0))
        self.tally = Tally(**kept["tally"])
        self.done_before = self.tally.steps
        self.next_output = float(kept["next_output"])
        self.settled = bool(kept.get("settled", False))
        every = self.case.output.fields_every or math.inf
        if every != kept.get("fields_every", every):
            self.next_output = self.s.t + every
        for name in damaged:
            self.log(f"checkpoint {name} is damaged; using the one before it")
        self.log(f"resumed at t = {self.s.t:g} s from {state.name}")
        if not exact:
            self.log(f"written on {kept['ranks']} ranks, now {self.comm.size}: equal to rounding")
        fresh = not self._has("series.csv")  # killed right after the first checkpoint
        self._open(1 if fresh else max(2, FieldWriter.next_series(self.comm, self.folder)))
        self.recorder.found = dict(kept.get("columns", {}))
        self.recorder.truncate(self.s.t if self.tally.steps else -1.0)
        self.remarks.restore(kept.get("remarks", {}).get("said", {}))

    def _open(self, series: int) -> None:
        rounds = max(segment.cycle for segment in self.segments)
        self.recorder = Recorder(
            self.model, self.probes, self.folder, series, cycles=rounds
        )
        self.remarks = Remarks(self.model, self.log)
        if "conserved" in self.origin:
            self.remarks.add("initial", self.origin)
        elif self.origin:
            self.log(self.origin)

    def save(self) -> None:
        """Checkpoint now; what the series says so far goes to the disk first (collective)."""
        begun = hasattr(self, "recorder")
        if begun:
            self.recorder.table.sync()
        checkpoint.save(self.folder, self.s, {
            "physics": self.case.physics_hash(self.mesh_hash),
            "recorded": self.recorded,
            "library": self.library,
            "kept": self.s.kept,
            "segment": self.number,
            "segment_start": self.segment_start,
            "segment_charge": self.segment_charge,
            "events": self.events.noted,
            "cycles": self.turnover.cycles,
            "next_dt": self.stepper.dt,
            "last_step": self.stepper.last and [*self.stepper.last],
            "jump": [self.stepper.jump, self.stepper.lasts],
            "currents": self.currents,
            "exchanged": self.exchanged,
            "tally": vars(self.tally),
            "next_output": self.next_output,
            "fields_every": self.case.output.fields_every or math.inf,
            "settled": self.settled,
            "remarks": {"said": self.remarks.logged} if begun else {},
            "columns": self.recorder.found if begun else {},
            "made": self.made,
        })  # fmt: skip
        self.saved, self.saved_as = time.monotonic(), self._place()

    def _place(self) -> tuple[float, int, bool, int]:
        """Place of a checkpoint in the run; it differs between any two."""
        return self.s.t, self.number, self.settled, len(self.events.noted)

    # -- the run -------------------------------------------------------------------------------

    def go(self) -> None:
        """Run what is left, then write the summary."""
        self._march()
        self.finish()

    def _march(self) -> None:
        """Take all steps that are left."""
        raise NotImplementedError

    def _start(self, segment: Segment, fresh: bool = True) -> Following:
        """Tell all that measure what is imposed from now on (collective)."""
        begun = Begun(segment, self.segment_start, self.segment_charge, fresh)
        for observer in self.observers:
            observer.impose(begun)
        return Following(self.model, self.stepper, begun)

    @contextlib.contextmanager
    def _kept_if_wrong(self) -> Iterator[None]:
        """Write fields and a checkpoint of a state that the run must not go on from."""
        try:
            yield
        except RunError:
            self.recorder.fields()
            self.save()
            raise

    def _concentrations(self) -> list[tuple[Unknown, float]]:
        """Salts that are followed, each with its lowest concentration (collective)."""
        return [(self.s.unknowns[name], self.s.extrema(name)[0]) for name in self.s.splits
                if self.s.unknowns[name].positive]

    def _measured(self, scale: float) -> dict[str, float]:
        """Numbers of the step just solved (collective).

        Args:
            scale: cell current that balances are compared with, A. At a voltage held the one found,
                if that is larger: so the solver has compared its residuals.

        Raises:
            RunError: a physics gives a column that nobody declares, or lacks one.
        """
        if self.segments[self.number].voltage is not None:
            scale = max(scale, abs(self.model.current()))
        found: dict[str, float] = {}
        for observer in self.observers:
            found |= observer.step(scale)
        if odd := sorted(found.keys() ^ self.columns.keys()):
            owner = self.case.guests.registry.owner
            lost = {owner(name): None for name in odd if name in self.columns}
            whose = f" (declared by physics {', '.join(map(repr, lost))})" if lost else ""
            raise RunError(f"columns {', '.join(odd)}{whose}: a physics must declare the columns "
                           "that its parts measure, and measure those that it declares")
        return found

    def _happens_at(self) -> float | None:
        """Share of the step just measured at which an observer wants it to end (collective)."""
        small = self.s.dt <= 10 * self.settings.dt_min
        shares = [o.share() for o in self.observers if o.lands or not small]
        return min((share for share in shares if share is not None), default=None)

    def _accept(self) -> None:
        """Make all ledgers of the last step the accepted ones."""
        for observer in self.observers:
            observer.accept()

    def _happened(self, segment: Segment, first: bool = False) -> list[Event]:
        """Note what physics say of the last accepted step (collective).

        Args:
            segment: that it belongs to.
            first: no step was taken yet: what they say of the state that the run begins with.

        Raises:
            RunError: the run must not go on.
        """
        known, found = self.events.names, []
        for observer in self.observers:
            for event in observer.first_events() if first else observer.events():
                if isinstance(event, Warn):
                    self.remarks.add(*event)
                    continue
                if (event.once and event.name in known) or self.events.is_late(event):
                    continue
                found.append(event)
                self._note(event, segment)
                if event.jump:
                    self.s.restart_formula()
        return found

    def _scale(self, control: Control) -> float:
        """Cell current that residuals are compared with, A; the last one if none is set.

        Without any it is a share of what the reactions exchange, or of what has flowed: balances of
        a rest close to the round-off of that.
        """
        current = self.flowing if control.current is None else control.current
        least = max(
            MIN_DENSITY * self.model.area,
            EXCHANGE_SHARE * self.exchanged,
            FLOWED_SHARE * self.flowed,
        )
        return max(abs(current), least)

    def _consistent(self, segment: Segment, time: float = 0.0) -> Outcome:
        if self.s.hints.lags:
            return self._lagging(segment, time)
        control = segment.control(time, self.model.area, after=True)
        done = start.consistent(
            self.model, self.potentials, segment, self._scale(control), time
        )
        self.flowing = self.model.current()
        self.currents = [self.flowing]
        for warning in odd_start(self.model, segment, self.flowing, once=self.once):
            self.remarks.add(*warning)
        if not self.once:
            self.exchanged = self.potentials.exchanged()
        if self.potentials is not self.main:  # not solved again before the next jump
            self.potentials.release()
        return done

    def _lagging(self, segment: Segment, time: float) -> Outcome:
        """Leave the state as it is: the first step goes from it to what is imposed."""
        self.model.set_time(time, after=True)
        if segment.voltage is not None:
            self.s.set_voltage(segment.potential(time, after=True))
            self.stepper.gently = True
        self.flowing = self.model.current()
        return Outcome(True, "converged", 0, 0, 0, 0.0)

    def _stop_short(self, segment: Segment, trouble: Trouble | None = None) -> None:
        """The smallest step failed: depletion is a result, anything else is an error.

        Args:
            segment: in which it happened.
            trouble: how the last try ended; default that of the stepper.
        """
        s, trouble = self.s, trouble or self.stepper.trouble
        assert trouble is not None
        low = self._concentrations()
        found = [why for o in self.observers if (why := o.stuck()) is not None]
        self.save()
        self.recorder.fields()
        for event in found:
            if isinstance(event, Event):
                declared = event.name in self.events.kinds
                self._note(event if declared else replace(event, ends="run"), segment)
                return
        write_json(self.comm, self.folder / "diagnosis.json", {
            "t": s.t, "segment": segment.label, **trouble.content()
        })
        why, way_out = trouble.why(s, self.settings.tolerance)
        begun = ""
        if s.t == self.segment_start:
            begun = f". It is the first one of {segment.name}, {causes(self.model, segment)}"
        raise RunError(
            f"{segment.label} at t = {s.t:.6g} s: no step above {self._smallest} {why}; "
            f"{self._lowest(low)}{trouble.where}; the last good state is in "
            f"{self.folder / 'checkpoints'}. {'. '.join([*map(str, found), way_out])}{begun}"
        )

    @property
    def _smallest(self) -> str:
        """The smallest step, for a message."""
        given, least = self.settings.dt_min, self.stepper.smallest
        text = f"dt_min = {given:g} s"
        return text if least == given else f"{least:.2g} s (less than {text}, after a jump)"

    def _lowest(self, concentrations: Iterable[tuple[Unknown, float]]) -> str:
        """The lowest concentrations, as a clause for a message."""
        fields = self.model.fields
        return "".join(
            f"lowest {u.name} = {low:.3g} {fields[u.name].unit}; "
            for u, low in concentrations
        )

    def _note(self, event: Event, segment: Segment) -> None:
        """Keep and print an event (collective)."""
        self.events.note(event, segment, self.number, self.segment_start)

    def _save_if_due(self, event: bool = False) -> None:
        """Checkpoint at an event, by wall time (rank 0 decides) or on a signal.

        Raises:
            Interrupted: a signal asked to stop.
        """
        number = self.stop.agreed()
        if number:
            self.save()
            raise Interrupted(
                f"stopped by signal {number} at t = {self.s.t:g} s; go on with "
                f"`hostplate resume {self.folder}`"
            )
        late = time.monotonic() - self.saved > self.case.output.checkpoint_wall
        if self.comm.bcast(event or late):
            self.save()

    # -- recording -----------------------------------------------------------------------------

    def _record(
        self, step: Step, numbers: dict[str, float], progress: Progress | None = None
    ) -> list[Event]:
        """Count, write and judge an accepted step; what has happened in it.

        Raises:
            RunError: a balance does not close, or the run must not go on for another reason.
        """
        closures = [c for c in self.columns.values() if c.closure]
        segment = self.segments[self.number]
        self.tally.add(step, numbers, [c.name for c in closures])
        self.recorder.step(step, numbers, self.number, segment.cycle)
        voltage = self.s.get_voltage()
        if progress is not None:
            shown = {c: self.recorder.found[c.name] for c in self.columns.values() if c.printed}
            self.log(progress.line(self.tally.steps, step, voltage, shown))
        else:
            self.log(
                f"newton {step.newton}  krylov {step.linear}  "
                f"voltage {shown_quantity(voltage, 'V', 7)}"
            )
        with self._kept_if_wrong():
            self._judge(closures)
            return self._happened(segment)

    def _judge(self, closures: Iterable[Column]) -> None:
        """All balances close.

        Raises:
            RunError: one does not.
        """
        limit, bad, more = self.case.solver.closure_limit, [], ""
        for closure in closures:
            value, allowed = self.tally.worst[closure.name], max(limit, closure.floor)
            if not value <= allowed and closure.broken:
                more = closure.broken.format(value=value, limit=allowed)
            elif not value <= allowed:
                bad.append(f"{closure.name} {value:.2e}")
        problem = (
            f"balances do not close: {', '.join(bad)}, limit {limit:.0e}; lower [solver] rtol or "
            "raise closure_limit" if bad else more
        )
        if problem:
            why = [text for o in self.observers if isinstance(text := o.stuck(), str)]
            raise RunError(f"t = {self.s.t:.6g} s: {'. '.join([*why, problem])}")

    def finish(self) -> None:
        """Checkpoint and summary."""
        if self.tally.steps > self.done_before or not self._has("summary.json"):
            if self.saved_as != self._place():  # else it would push out an older one for nothing
                self.save()
            self.remarks.check_closely()
            if self.turnover.cycles:
                self.turnover.cycles = self.recorder.write_cycles(self.turnover.cycles)
            write_json(self.comm, self.folder / "summary.json", self.summary())
        if self.comm.rank == 0 and self.quiet and in_notebook():
            print()
        worst = ", ".join(f"{k} {v:.1e}" for k, v in self.tally.worst.items())
        self.log(
            f"done: {self.tally.steps} steps, {self.tally.newton} Newton, {self.tally.linear} "
            f"Krylov iterations, {self.tally.rejected} rejected; closures: {worst}; "
            f"{time.perf_counter() - self.wall_start:.1f} s"
        )

    def _has(self, name: str) -> bool:
        """The result folder has such a file (collective)."""
        return self.comm.bcast((self.folder / name).exists())

    def summary(self) -> dict[str, Any]:
        """The numbers that characterise the run (collective)."""
        rounds: dict[str, Any] = {}
        if self.turnover.cycles:
            for observer in self.observers:
                rounds |= observer.outlook(self.turnover.cycles)
            rounds["cycles"] = self.turnover.cycles
        *earlier, here = self.made
        made = here | ({"earlier_starts": earlier} if earlier else {})
        out = self.recorder.summary(self.tally)
        events = [*self.events.noted, *out.pop("events")]
        return out | rounds | made | {
            "events": sorted(events, key=lambda entry: float(entry["t"])),
            "warnings": self.remarks.texts,
            "wall_seconds": time.perf_counter() - self.wall_start,
        }

    def close(self) -> None:
        """Let go of open files; all that could be written is written by now."""
        if hasattr(self, "recorder"):
            with contextlib.suppress(OSError):  # a full disk has been reported already
                self.recorder.writer.flush()
            with contextlib.suppress(OSError):
                self.recorder.table.close()

    def show_bar(self) -> None:
        """One line of progress that is written over, in notebooks that asked for no lines."""
        if self.comm.rank == 0 and self.quiet and in_notebook():
            print(f"\r{self.progress.bar()}", end="", flush=True)

    def log(self, text: str) -> None:
        """A line for the user, from rank 0."""
        if self.comm.rank == 0 and not self.quiet:
            print(text, flush=True)


class _Stepper(Stepper):
    """Remembers how a last, small try ended, so that a run that stops can name the reason."""

    model: Model
    trouble: Trouble | None = None

    def solve(self, control: Control, scale: float) -> Outcome:
        outcome = super().solve(control, scale)
        if self.system.dt <= 10 * self.settings.dt_min:
            self.trouble = Trouble.of(self.model, self.stages, outcome)
        return outcome


def _sweep(folder: Path) -> None:
    """Remove drafts of files that a killed run was just about to replace, and its diagnosis."""
    (folder / "diagnosis.json").unlink(missing_ok=True)
    for draft in (*folder.glob(".*.tmp"), *folder.glob("*/.*.tmp")):
        draft.unlink(missing_ok=True)
