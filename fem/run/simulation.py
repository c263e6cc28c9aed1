"""One run from its first to its last step: start, loop, events, checkpoints, summary.

A step is tried by the stepper, measured, recorded and judged; between two steps the run may write a
checkpoint or stop on a signal. `fem.run.session` builds a `Simulation` and gives it a folder.
"""

from __future__ import annotations

import contextlib
import functools
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base import provenance
from fem.base.errors import CaseError, Interrupted, RunError
from fem.base.folder import write_json, write_text
from fem.base.parallel import on_root
from fem.case.depth import SWELLING_RATIO
from fem.case.drive import LONGEST_STEP, Drive, given_charge
from fem.files import checkpoint
from fem.files.fields import FieldWriter
from fem.materials.limits import Bound, Limits, faults
from fem.physics.circuit.circuit import Measure
from fem.physics.metal.deposit import Deposit
from fem.physics.metal.penetration import Penetration
from fem.run import signals, start
from fem.run.diagnosis import (
    DEPLETED,
    NOT_JOINED,
    NOTHING_TO_STRIP,
    TOO_MUCH,
    Trouble,
    causes,
    joined,
)
from fem.run.probes import Probes
from fem.run.progress import Progress
from fem.run.recorder import Recorder, Tally
from fem.run.remarks import Remarks
from fem.run.segments import Segment, Turnover, after, next_stop, segments
from fem.solver.options import Control, Options, Outcome
from fem.solver.stage import Stage
from fem.solver.stepper import Settings, Step, Stepper, Stuck
from fem.study.build import Model, ledger
from fem.system.part import Event
from fem.values.units import format_quantity

__all__ = ["Simulation"]

SMALLEST_DENSITY = 1e-2
"""A/m2; currents below count as rest when residuals are compared with the cell current."""
EXCHANGE_SHARE = 1e-3
"""At rest they are compared with at least this share of what the reactions exchange."""
LAST = ("depletion", "beyond_law", "unresolved_front", "short_circuit")
"""Events that end the run; the last one only if the case says so."""
LEAK = 1e-4
"""Share of the cell current that may pass through empty pores; with more a step is too large."""
BARE = 2.5e-4
"""Share of the most metal that there has been; less counts as none left to strip. No step takes
more than there is: the last one leaves half of this."""
SCRAPS = 0.02
"""Share of it that may be left, in no contact, where stripping cannot go on."""
FULL, BRIM = 0.99, 0.997
"""Share of metal that every pore has where plating ends, and that no step may leave behind:
stripping finds its front in the rest."""
COMES_BACK = 1e-6
"""Salt that a step adds at the most dilute place, as a share of c0, if it is coming back there."""
LEAK_TRIES = 6
"""How often it is made smaller; then there is no metal left in contact that could carry it."""
COMMANDED = 1e-6
"""Largest charge missing or too much over the integral of |i|: what the quadrature of a given
current and that of what was delivered may differ by, far below what a coulometer resolves."""
FRESH = 0.3
"""Share of the tolerance by which, after a kink or a restart, the current at the end of a step may
differ from the given one for the sake of the charge; elsewhere by the whole of it."""
SHORTEST, ULPS = 1e-5, 1e5
"""Steps that follow a current may be as short as the first share of dt_min, and as the second
number of units in the last place of the time: then charge over time is the current to 1e-5."""
JUMPS = ("island", "joined", "bridge")
"""Events at which rates jump: what was cut off would go on for half a step by BDF2's memory."""


PRIMARY = 400_000
"""Unknowns up to which primary distributions are solved directly in 2D: walls without resistance
tie both potentials together, which multigrid for each of them does not see."""


class Simulation:
    """One run: model, stages, loop. Writes nothing before `begin` or `continue_from`.

    Args:
        model: from `fem.study.build.build`.
        folder: of the results.
        quiet: no line per step.
    """

    recorder: Recorder
    remarks: Remarks

    def __init__(self, model: Model, folder: Path, *, quiet: bool = True):
        self.model, self.folder, self.quiet = model, folder, quiet
        self.case, self.s = model.case, model.system
        self.comm = model.domain.comm
        self.wall_start = time.perf_counter()
        options = Options(kind=self.case.solver.kind, rtol=self.case.solver.rtol)
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
        if self.case.study in ("primary", "secondary"):
            _refuse_time(self.case.study, sorted({*plan[0]} - {*potentials}))
        self.main = self.stages[0]
        same = potentials == self.main.names
        self.potentials = self.main if same else Stage(self.s, potentials, options)
        t = self.case.time
        self.settings = Settings(t.dt0, t.dt_min, t.dt_max or math.inf, t.tolerance)
        self.stepper = _Stepper(self.s, self.stages, self.settings)
        self.stepper.model = model
        parts = (self.s, model.ions, model.interface, self.stages, model.electrons)
        self.measure = (
            Measure(*parts) if model.metal is None else Deposit(*parts, metal=model.metal)
        )
        self.limits = Limits(model.laws, model.ions.c0)
        self.probes = Probes(model)
        self.observers = model.observers
        self.columns = model.columns
        self.segments = segments(self.case)
        self.number, self.segment_start, self.segment_charge = 0, 0.0, 0.0
        self.next_output = self.flowing = self.exchanged = self.most = 0.0
        self.before_jump: Any = None  # state before what is imposed jumped, until a step is taken
        self.carried = 0.0  # the cell current then, A
        self.events: list[dict[str, Any]] = []
        self.turnover = Turnover()
        self.commanded, self.asked = 0.0, 0.0  # given charge, and that of |i|, C (2D: C/m)
        self.leaking = False
        self.watch = signals.Watch(model, self.measure)
        self.penetration = None if model.metal is None else Penetration(model)
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

    # -- begin and go on -----------------------------------------------------------------------

    def check(self) -> None:
        """Set the initial state and compare it with measured tables.

        Raises:
            CaseError: it lies outside, or the result to start from does not fit.
        """
        if self.case.initial.from_ is not None:
            self.origin = start.take_over(self.model, Path(self.case.initial.from_))
        end = [segment.end() for segment in self.segments]
        for table in self.model.timed:
            table.curve.require(0.0, max((e for e in end if math.isfinite(e)), default=0.0))
        c_range = self._c_range()
        Remarks(self.model, lambda _: None).require(*c_range)
        wrong = [line for c in c_range for line in faults(self.model.laws, c)]
        if wrong:
            raise CaseError("\n".join(dict.fromkeys(wrong)))

    def begin(self) -> None:
        """Write the resolved case and a checkpoint at t = 0."""
        self.made = [provenance.record(self.comm)]
        self.recorded = on_root(self.comm, self._write_case)
        write_json(self.comm, self.folder / "mesh.json", self.model.domain.sidecar)
        self.measure.begin()
        for observer in self.observers:
            observer.begin()
        self.watch.begin()
        self.most = self.measure.start["plated"]
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
        self.measure.start = dict(kept["start"])
        self.number = int(kept["segment"])
        self.segment_start = float(kept["segment_start"])
        self.segment_charge = float(kept["segment_charge"])
        if isinstance(self.measure, Deposit):
            self.measure.recall()
        self.events = [
            e for e in kept["events"] if e["event"] not in LAST[:-1] and e.get("ends") != "run"
        ]
        self.watch.begin(self.events)
        self.turnover = Turnover(kept.get("cycles", ()))
        here = provenance.record(self.comm) | {"resumed_at": self.s.t}
        self.made = [*kept.get("made", ()), here]
        passed = float(self.s.charges["passed"][0])
        self.commanded, self.asked = kept.get("commanded", (passed, abs(passed)))
        self.leaking = bool(kept.get("leaking", False))
        if self.penetration is not None:
            self.penetration.travel = float(kept.get("unresolved", 0.0))
        self.stepper.dt = float(kept["next_dt"])
        if self.segments[self.number].voltage is not None:
            self.stepper.jump = self.segment_start
        self.flowing = float(kept.get("flowing", 0.0))
        self.exchanged = float(kept.get("exchanged", 0.0))
        self.most = float(kept.get("most", self.measure.start["plated"]))
        self.tally = Tally(**kept["tally"])
        self.done_before = self.tally.steps
        self.next_output = float(kept["next_output"])
        self.settled = bool(kept.get("settled", False))
        every = self.case.output.fields_every or math.inf
        if every != kept.get("fields_every", every):
            self.next_output = self.s.t + every
        if self.case.study in ("primary", "secondary"):  # one solve, done again
            self.tally, self.done_before = Tally(), 0
        for name in damaged:
            self.say(f"checkpoint {name} is damaged; using the one before it")
        self.say(f"resumed at t = {self.s.t:g} s from {state.name}")
        if not exact:
            self.say(f"written on {kept['ranks']} ranks, now {self.comm.size}: equal to rounding")
        fresh = not self._has("series.csv")  # killed right after the first checkpoint
        self._open(1 if fresh else max(2, FieldWriter.next_series(self.comm, self.folder)))
        self.recorder.found = dict(kept.get("columns", {}))
        self.recorder.truncate(self.s.t if self.tally.steps else -1.0)
        self.remarks.take(kept.get("remarks", {}))

    def _open(self, series: int) -> None:
        cycles = max(segment.cycle for segment in self.segments)
        self.recorder = Recorder(
            self.model, self.measure, self.probes, self.folder, series, cycles=cycles
        )
        self.remarks = Remarks(self.model, self.say)
        if "conserved" in self.origin:
            self.remarks.add("initial", self.origin)
        elif self.origin:
            self.say(self.origin)

    def save(self) -> None:
        """Checkpoint now; what the series says so far goes to the disk first (collective)."""
        begun = hasattr(self, "recorder")
        if begun:
            self.recorder.table.sync()
        checkpoint.save(self.folder, self.s, {
            "physics": self.case.physics_hash(self.mesh_hash),
            "recorded": self.recorded,
            "library": self.library,
            "start": self.measure.start,
            "segment": self.number,
            "segment_start": self.segment_start,
            "segment_charge": self.segment_charge,
            "events": self.events,
            "cycles": self.turnover.cycles,
            "commanded": [self.commanded, self.asked],
            "leaking": self.leaking,
            "unresolved": self.penetration.travel if self.penetration else 0.0,
            "next_dt": self.stepper.dt,
            "flowing": self.flowing,
            "exchanged": self.exchanged,
            "most": self.most,
            "tally": vars(self.tally),
            "next_output": self.next_output,
            "fields_every": self.case.output.fields_every or math.inf,
            "settled": self.settled,
            "remarks": self.remarks.state() if begun else {},
            "columns": self.recorder.found if begun else {},
            "made": self.made,
        })  # fmt: skip
        self.saved, self.saved_as = time.monotonic(), self._place()

    def _place(self) -> tuple[float, int, bool, int]:
        """Place of a checkpoint in the run; it differs between any two."""
        return self.s.t, self.number, self.settled, len(self.events)

    # -- the loop ------------------------------------------------------------------------------

    def go(self) -> None:
        """Run what is left of the protocol, then write the summary."""
        if self.case.study in ("primary", "secondary"):
            self._single()
        elif self.case.study == "steady":
            self._steady()
        else:
            k = self.number
            while k < len(self.segments) and not self._over():
                fresh = k > self.number or self.s.t == self.segment_start
                if fresh:
                    self.number, self.segment_start = k, self.s.t
                    self.segment_charge = float(self.s.charges["passed"][0])
                cut = self._segment(self.segments[k], fresh)
                k = after(self.segments, k, whole=cut)
        self.finish()

    def _over(self) -> bool:
        """An event has ended the run."""
        growth = self.case.growth
        last = LAST if growth is None or growth.short_circuit == "stop" else LAST[:-1]
        return any(e["event"] in last or e.get("ends") == "run" for e in self.events)

    def _segment(self, segment: Segment, fresh: bool) -> bool:
        """Run a segment to its end; True if an event ended the protocol step it belongs to."""
        s, every = self.s, self.case.output.fields_every
        begins, ends = self._borders(segment)
        if fresh and segment.sign > 0.0 and self._bare(segment):
            return self._nothing_to_strip(segment)
        if fresh:
            self._begin_anew(segment)
            if begins:
                self.next_output = s.t + every if every else math.inf
            if s.t == 0.0:
                self.recorder.fields()
        elif segment.stop(s.get_voltage(), self._charge()) or any(
            (e["event"] in ("stripped", "full") or e.get("ends") == "step")
            and e["number"] == self.number for e in self.events
        ):
            return True  # resumed where an event had ended it
        end = segment.end()
        endless = math.isinf(end)
        end = self.segment_start + (LONGEST_STEP if endless else end)
        if s.t >= end * (1 - 1e-12):
            return False  # resumed at its end
        self.progress.begin(self.number, self.segment_start, s.t, self.next_output)
        cut = False
        while s.t < end * (1 - 1e-12):
            self._restart_at_jumps(segment)
            step, numbers = self._step(segment, self._until(segment, end))
            if step is None and self._begin_gently(segment):
                continue
            if step is None:
                self._gave_up(segment)
                return True
            self.progress.note(s.t, self.stepper.dt)
            self._record(step, numbers, self.progress)
            if s.t >= self.next_output * (1 - 1e-12):
                self.recorder.fields()
                self.next_output += every or math.inf
            news = self.watch.news()
            for name, more in news:
                self._event(name, segment, **more)
                if name in JUMPS and s.history > 2:
                    s.restart_formula()
            happened = self._happened(segment)
            if self._over() or any(event.ends for event in happened):
                cut = True
                break
            event = segment.stop(s.get_voltage(), self._charge())
            if event is None and segment.sign > 0.0 and self._bare(segment):
                event = "stripped"
            if event in ("cutoff", "stripped") or (event and s.t < end * (1 - 1e-9)):
                left = {"left": self.measure.left() / self.model.area}
                self._event(event, segment, **(left if event == "stripped" else {}))
                cut = True
                break
            if segment.sign < 0.0 and self._full(FULL):
                self.remarks.look_closely()
                self._event("full", segment)
                cut = True
                break
            if self._exhausted(segment, numbers):
                self._event("stripped", segment, left=self.measure.left() / self.model.area)
                cut = True
                break
            if s.t < end * (1 - 1e-12):
                self._save_if_due(event=bool(news or happened))
        if cut or ends:
            self.recorder.fields()
        if not cut and endless:
            self.remarks.add(f"endless {segment.part}", f"{segment.label} was ended 300 years "
                             "after it began, before any of its stops; give it a duration")
        elif not cut and segment.knots and segment.duration is None:
            self.remarks.add(f"table {segment.part}", f"{segment.label} ended with its table, "
                             f"{segment.knots[-1]:g} s after it began, before any of its stops")
        self.progress.finish()
        self._save_if_due(event=cut or ends)
        return cut

    def _borders(self, segment: Segment) -> tuple[bool, bool]:
        """True or false: a segment is the first, and the last, of its protocol step."""
        near = [k for k in (self.number - 1, self.number + 1) if 0 <= k < len(self.segments)]
        same = {k - self.number for k in near if self.segments[k].part == segment.part}
        return -1 not in same, 1 not in same

    def _restart_at_jumps(self, segment: Segment) -> None:
        """Begin anew where what is given jumps: potentials that fit, a step of first order."""
        t = self.s.t
        jumps = [drive.jumps for drive in self._drives(segment)]
        if t == self.segment_start or not jumps:
            return
        if (np.abs(self.segment_start + np.concatenate(jumps) - t) <= 1e-12 * t + 1e-12).any():
            self._begin_anew(segment, t - self.segment_start)

    def _begin_anew(self, segment: Segment, time: float = 0.0) -> None:
        """After a jump: potentials that fit, a step of first order, metal foreseen by its rate.

        Where the salt has run out there may be none that fit; the first step finds them then.

        Raises:
            RunError: nothing carries the current, with salt at the walls.
        """
        self.before_jump, self.carried = self.s.save(), self.flowing
        try:
            self._consistent(segment, time)
        except RunError:
            if not self._begin_gently(segment):
                raise
            return
        self.stepper.restart(voltage=segment.voltage is not None)
        start.foresee(self.main, self.measure.area)

    def _begin_gently(self, segment: Segment) -> bool:
        """Let the first step after a jump find salt and potentials together, if salt lacks.

        Returns:
            Whether it was not tried yet and may help.
        """
        before, s = self.before_jump, self.s
        lacks = self._c_range()[0] < DEPLETED * self.model.ions.c0
        if before is None or s.t == 0.0 or not lacks or self.case.study == "steady":
            return False
        s.restore(before)
        self.before_jump, self.flowing = None, self.carried
        self.stepper.restart(voltage=segment.voltage is not None, gently=True)
        return True

    def _drives(self, segment: Segment) -> list[Drive]:
        """All that is imposed and changes in time."""
        return [*([segment.drive] if segment.drive else []), *self.model.drives]

    def _until(self, segment: Segment, end: float) -> float:
        """Time at which the next step has to end at the latest: on what may not be stepped over."""
        s, start, drives = self.s, self.segment_start, self._drives(segment)
        until = min(end, self.next_output)
        if not drives:
            return until
        t = s.t - start
        most = step = min(1.5 * min(self.stepper.dt, self.settings.dt_max), until - s.t)
        for drive in drives:
            step = drive.longest(t, step)
            until = min(until, next_stop(s.t, start + drive.ahead(t)))
        own = segment.drive
        if own and own.current:
            if segment.capacity is not None:
                charge = segment.sign * self._charge()
                until = min(until, start + own.reach(segment.capacity, t, charge, step))
        return min(until, s.t + max(step, self._shortest)) if step < most else until

    @property
    def _shortest(self) -> float:
        """The shortest step that a current is followed by, s: far above the round-off of time."""
        return max(SHORTEST * self.settings.dt_min, ULPS * np.spacing(self.s.t))

    def _fit(self, segment: Segment, step: float) -> float:
        """The longest step over which the formula delivers each charge by nearly the current given.

        Where the formula knows nothing of what came before, or of a kink, it would be a mean of the
        step; a first one that is short costs little, the next are right wherever i is straight.
        Where that is shorter than the history can bear, the formula begins anew if it may then go
        further, or if nothing else fits: a BDF1 step imposes the mean current of the step. So what
        is imposed is within the tolerance of the current given at the end, or within the values
        given in the step; never beyond them, as BDF2 would be after a kink.

        Args:
            segment: that the run is in.
            step: the longest, s.
        """
        s, own, flows = self.s, segment.drive, self.model.flows
        given = [(flow.given, s.charges[ledger(name)]) for name, flow in flows.items()]
        if own and own.current:
            given.append((own, s.charges["passed"] * segment.sign / self.model.area))

        def soft() -> tuple[float, bool]:
            """A step that is short enough, or the shortest one, and whether it is."""
            short = step
            for each in given:
                while (gap := self._gap(*each, short)) > 1.0 and short > self._shortest:
                    short = max(short * min(max(0.9 / gap, 0.1), 0.8), self._shortest)
            return short, all(self._gap(*each, short) <= 1.0 for each in given)

        short, fits = soft()
        if s.history == 1 or (fits and short >= min(10.0 * self.settings.dt_min, step)):
            return short
        history, s.history = s.history, 1
        anew, _ = soft()
        s.history = history
        if fits and anew <= 2.0 * short:
            return short
        s.restart_formula()
        return anew

    def _gap(self, drive: Drive, charges: npt.NDArray[np.float64], step: float) -> float:
        """Current imposed by a step less that given at its end, over what it may be.

        Args:
            drive: the current given.
            charges: delivered at the ends of the two last steps, C/m2.
            step: s.
        """
        s, t = self.s, self.s.t - self.segment_start
        slack = 1e-9 * s.past_dt[0] + 1e-12 * s.t
        fresh = s.history == 1 or bool((np.abs(drive.ahead(t) - t) <= slack).any())
        size = max(drive.size(t + step), 1e-3 * SMALLEST_DENSITY)
        most = (FRESH if fresh else 1.0) * self.settings.tolerance * size
        if s.history > 1:  # round-off of what the last step delivered
            most += 4.0 * np.spacing(abs(charges[0])) / s.past_dt[0]
        rate = s.rate_for(drive.integral(t, t + step), charges, step)
        return float(abs(rate - drive.value(t + step)) / most)

    def _step(self, segment: Segment, until: float) -> tuple[Step | None, dict[str, float]]:
        """One accepted step that ends at `until` at the latest."""
        s = self.s
        numbers: dict[str, float] = {}

        begun = s.t - self.segment_start
        drive = segment.drive if segment.voltage is None else None

        def given(t: float) -> Control:
            inside = min(t, until) - self.segment_start
            self.model.set_time(inside)
            if segment.voltage is not None:
                s.set_voltage(segment.potential(inside))
            return segment.control(inside, self.model.area)

        def control(t: float) -> Control:
            here, inside = given(t), min(t, until) - self.segment_start
            self.model.deliver(begun, inside)
            if drive is None:
                return here
            charge = segment.sign * drive.integral(begun, inside) * self.model.area
            return Control(s.rate_for(charge, s.charges["passed"], s.dt))

        ahead = given(min(s.t + self.stepper.dt, until))
        scale = max(self._scale(ahead), self._scale(given(s.t)))
        before = s.get_voltage(), self._charge()
        left = self.measure.left() / self.model.area if segment.sign >= 0.0 else math.inf
        bare = BARE * self.most / self.model.area
        fills = self.model.metal is not None and segment.sign < 0.0
        emptiest = self.measure.extrema("xi")[0] if fills else 0.0
        leaks: list[float] = []

        def refine() -> float | None:
            numbers.clear()
            numbers.update(self._measured(scale))
            least = self.settings.dt_min
            if s.dt <= least * (1 + 1e-9):
                return None
            charge = numbers["charge"] / self.model.area - self.segment_charge / self.model.area
            shares = [segment.overshoot((before[0], s.get_voltage()), (before[1], charge))]
            taken = charge - before[1]
            if bare < left < taken:  # more than there is: half of what counts as none stays
                shares.append(max((left - 0.5 * bare) / taken, 0.05))
            if s.dt <= 10 * least:
                share = min((share for share in shares if share is not None), default=None)
                return None if share is None else max(share * s.dt, least)
            if fills and (reached := numbers["xi_min"]) > BRIM:
                aim = 0.5 * (FULL + BRIM) - emptiest
                shares.append(max(aim / (reached - emptiest), 0.05))
            shares += [observer.share() for observer in self.observers]
            if self._leaks(segment, numbers) and not self.leaking and len(leaks) < LEAK_TRIES:
                leaks.append(s.dt)  # what lost its contact within the step still carried current
                shares.append(0.4)
            return min((share * s.dt for share in shares if share is not None), default=None)

        contacts = self.measure.contacts if isinstance(self.measure, Deposit) else None

        def parting() -> float | None:
            return contacts.share if contacts is not None else None

        fit = functools.partial(self._fit, segment) if drive or self.model.flows else None
        try:
            limit = min(until - s.t, 1e30)
            step = self.stepper.advance(control, scale, limit, refine, fit, parting)
        except Stuck:
            self.save()
            raise
        if step is not None:
            self._accept()
            self.model.deliver(begun, s.t - self.segment_start, accepted=True)
            self._compare(segment, begun, numbers, scale)
            self.flowing, self.before_jump = numbers["current"], None
            self.most = max(self.most, numbers.get("plated", 0.0))
            dead = {"dead": numbers["dead"] / self.model.area} if "dead" in numbers else {}
            self.turnover.add(segment.cycle, self._charge() - before[1], **dead)
        return step, numbers

    def _measured(self, scale: float) -> dict[str, float]:
        """Numbers of the step just solved (collective).

        Raises:
            RunError: a physics gives a column that nobody declares, or lacks one.
        """
        found: dict[str, float] = {}
        for observer in self.observers:
            found |= observer.step(scale)
        if odd := sorted(found.keys() ^ self.columns.keys()):
            raise RunError(f"columns {', '.join(odd)}: a physics must declare the columns that its "
                           "parts measure, and measure those that it declares")
        return self.measure.step(scale) | found

    def _accept(self) -> None:
        """Make all ledgers of the last step the accepted ones."""
        self.measure.accept()
        for observer in self.observers:
            observer.accept()

    def _happened(self, segment: Segment) -> list[Event]:
        """Note what physics say of the last accepted step (collective)."""
        told = {e["event"] for e in self.events}
        found = [event for observer in self.observers for event in observer.events()
                 if not (event.once and event.name in told)]
        for event in found:
            self._event(event.name, segment, **event.numbers, **(
                {"ends": event.ends} if event.ends else {}))
            if event.jump:
                self.s.restart_formula()
        return found

    def _compare(
        self, segment: Segment, begun: float, numbers: dict[str, float], scale: float
    ) -> None:
        """Closure `commanded`: charge delivered against the integral of the current given.

        A voltage that is held commands no charge; what passed in such a step counts as commanded.

        Args:
            segment: in which the step lies.
            begun: start of the step since that of the segment, s.
            numbers: of the step; the closure is added.
            scale: cell current that the residuals of the step are compared with, A.
        """
        passed, dt, area = self.s.charges["passed"], self.s.dt, self.model.area
        if segment.density is None:
            charge = float(passed[0] - passed[1])
            size = abs(charge)
        else:
            density = segment.density
            edges = np.array([begun, begun + dt])
            if segment.drive is not None:
                edges = segment.drive.cut(begun, begun + dt)
            charge, size = given_charge(lambda t: density.at(t=t), edges)
            charge, size = segment.sign * charge * area, abs(segment.sign) * size * area
        self.commanded += charge
        self.asked += size
        asked = max(self.asked, self.measure.reference(scale))
        numbers["commanded"] = abs(numbers["charge"] - self.commanded) / asked

    @staticmethod
    def _leaks(segment: Segment, numbers: dict[str, float]) -> bool:
        """Empty pores carry more of the current than their floor conductivity is meant for.

        At rest there is no current of which it could be a share.
        """
        return segment.name != "rest" and numbers.get("floor", 0.0) > LEAK

    def _exhausted(self, segment: Segment, numbers: dict[str, float]) -> bool:
        """Remember whether pores leak; after two such steps in a row stripping has no metal left.

        A cut-off ends that step, or it ends here.

        Raises:
            RunError: plating leaks.
        """
        before, self.leaking = self.leaking, self._leaks(segment, numbers)
        if not (before and self.leaking and segment.cutoff is None):
            return False
        if segment.sign > 0.0:
            return True
        self.recorder.fields()
        self.save()
        raise RunError(
            f"{segment.label} at t = {self.s.t:.6g} s: {numbers['floor']:.1e} of the current "
            f"passes through empty pores, limit {LEAK:.0e}: no metal in contact carries it; "
            "give the step a cutoff"
        )

    def _bare(self, segment: Segment) -> bool:
        """Nothing is left to strip (collective).

        Where metal grows, that is less than a share of what there has been. On walls the voltage
        rises as they run bare: a cut-off ends the step, or the side reactions have taken over.
        """
        rest = 0.0 if segment.cutoff is not None and self.model.metal is None else BARE
        left, flow = self.measure.left(), self.measure.flow
        mostly_side = flow > 0.0 and 2 * self.measure.lost > flow
        return left <= rest * self.most or (math.isfinite(left) and mostly_side)

    def _nothing_to_strip(self, segment: Segment) -> bool:
        """End a step before it begins.

        Raises:
            RunError: the run has nothing else to do.
        """
        if self.tally.steps == 0 and after(self.segments, self.number, whole=True) >= len(
            self.segments
        ):
            raise RunError(f"{segment.label} at t = {self.s.t:g} s: {NOTHING_TO_STRIP}")
        self._event("stripped", segment, left=self.measure.left() / self.model.area)
        return True

    def _charge(self) -> float:
        """Charge since the start of the protocol step, C/m2 of projected area."""
        return (float(self.s.charges["passed"][0]) - self.segment_charge) / self.model.area

    def _scale(self, control: Control) -> float:
        """Cell current that residuals are compared with, A; the last one if none is set.

        Without any it is a share of what the reactions exchange: balances of a rest close to the
        round-off of that.
        """
        current = self.flowing if control.current is None else control.current
        least = max(SMALLEST_DENSITY * self.model.area, EXCHANGE_SHARE * self.exchanged)
        return max(abs(current), least)

    def _consistent(self, segment: Segment, time: float = 0.0) -> Outcome:
        control = segment.control(time, self.model.area, after=True)
        done = start.consistent(
            self.model, self.potentials, segment, self._scale(control), time
        )
        self.flowing = self.measure.cell_current()
        self._require_path(segment)
        if self.case.study not in ("primary", "secondary"):
            self.exchanged = self.potentials.exchanged()
        return done

    def _require_path(self, segment: Segment) -> None:
        """Look for insulated electrodes where the potentials found suggest them (collective).

        A held voltage without a current is warned of; where it is all there is to a study, refused.

        Raises:
            RunError: there is no path for the current, and the potentials have no meaning.
        """
        voltage, share = self.s.get_voltage(), abs(self.flowing) / self.model.area
        held, single = segment.voltage is not None, self.case.study in ("primary", "secondary")
        odd = share <= SMALLEST_DENSITY if held else segment.sign and abs(voltage) > TOO_MUCH
        if not odd or joined(self.model):
            return
        if single or not held:
            raise RunError(
                f"start of {segment.name} at t = {self.s.t:g} s: nothing carries a current "
                f"(voltage {voltage:.4g} V); {NOT_JOINED}"
            )
        self.remarks.add("not joined", f"{segment.label}: no path joins the electrodes, and "
                         f"the voltage held drives no current; {NOT_JOINED}")

    def _gave_up(self, segment: Segment, trouble: Trouble | None = None) -> None:
        """The smallest step failed: depletion is a result, anything else is an error.

        Args:
            segment: in which it happened.
            trouble: how the last try ended; default that of the stepper.
        """
        s, t, trouble = self.s, self.settings, trouble or self.stepper.trouble
        assert trouble is not None
        low = self._c_range()[0]
        if low < DEPLETED * self.model.ions.c0 and self._takes_more_than_salt(segment):
            self.recorder.fields()
            self._event("depletion", segment, c_min=low)
            return
        self.save()
        self.recorder.fields()
        ways_out = [found for o in self.observers if (found := o.stuck()) is not None]
        for found in ways_out:
            if isinstance(found, Event):
                self._event(found.name, segment, **found.numbers, ends="run")
                return
        if segment.sign < 0.0 and self._full(0.5):
            self._event("full", segment)
            return
        if segment.sign > 0.0 and self.measure.left() <= SCRAPS * self.most:
            self._event("stripped", segment, left=self.measure.left() / self.model.area)
            return
        write_json(self.comm, self.folder / "diagnosis.json", {
            "t": s.t, "dt": trouble.dt, "segment": segment.label, **trouble.content()
        })
        if trouble.converged:
            limits = f"[time] tolerance = {t.tolerance:g}"
            limits += " or changes a field too much" if self.case.study == "growth" else ""
            why = f"is accurate: each converges, but its local error is above {limits}"
            way_out = "Lower [time] dt_min or raise tolerance, or refine the mesh there"
        else:
            why = f"converged ({trouble.reason}, residual {trouble.residual:.1e})"
            way_out = "Refine the mesh there or lower [time] dt_min"
        begun = ""
        if s.t == self.segment_start:
            begun = f". It is the first one of {segment.name}, {causes(self.model, segment)}"
        raise RunError(
            f"{segment.label} at t = {s.t:.6g} s: no step above dt_min = {t.dt_min:g} s {why}; "
            f"lowest c = {low:.3g} mol/m^3; {trouble.where}; the last good state is in "
            f"{self.folder / 'checkpoints'}. {'. '.join([*map(str, ways_out), way_out])}{begun}"
        )

    def _full(self, share: float) -> bool:
        """Metal fills this share of every pore, up to the separator (collective)."""
        return self.model.metal is not None and self.measure.extrema("xi")[0] > share

    def _takes_more_than_salt(self, segment: Segment) -> bool:
        """The current imposed is what takes the last salt away (collective).

        A current that begins does if it exceeds the one that flowed before it; later, it does if
        the salt was not coming back in the last step, where there is least of it.
        """
        s = self.s
        if segment.density is None or "c" not in s.unknowns:
            return False
        if s.t == self.segment_start:
            asked = segment.control(0.0, self.model.area, after=True).current or 0.0
            return s.t > 0.0 and asked * self.carried >= 0.0 and abs(asked) > abs(self.carried)
        c = s.unknowns["c"]
        wet = self.measure.wet()
        now, before = (f.x.array[: len(c.owned)][wet] for f in c.old[:2])
        k = int(np.argmin(now)) if len(now) else -1
        mine = (now[k], before[k]) if k >= 0 else (math.inf, math.inf)
        low, earlier = min(self.comm.allgather(mine))
        return bool(low <= 1.01 * earlier + COMES_BACK * self.model.ions.c0)

    def _event(self, name: str, segment: Segment, **more: Any) -> None:
        entry = signals.entry(name, segment, self.number, self.model, self.segment_start, **more)
        if name == "depletion":
            imposed = segment.control(self.s.t - self.segment_start, 1.0).current
            entry |= signals.depletion(self.model, imposed, self.measure)
        self.events.append(entry)
        shown = ", ".join(
            f"{k} = {v:.6g}" if isinstance(v, float) else f"{k} = {v}"
            for k, v in entry.items() if k != "event"
        )
        self.say(f"event {name}: {shown}")

    def _off_table(self, numbers: dict[str, float], reason: str) -> str:
        """Why the run cannot go on off a measured table; empty if the salt has run out there."""
        highest = True
        try:
            self.remarks.require(numbers["c_max"], numbers["c_max"])
            highest = False
        except CaseError:
            pass
        if not highest and numbers["c_min"] < DEPLETED * self.model.ions.c0:
            self._event("depletion", self.segments[self.number], c_min=numbers["c_min"])
            return ""
        place = signals.extreme_place(self.model, self.measure, highest=highest) or []
        at = ", ".join(f"{1e6 * x:.4g}" for x in place)
        return f"{reason} (reached at ({at}) um)"

    def _beyond(self, law: Bound, c: float, edge: float) -> None:
        """The salt has left the range in which a law is physical: the run ends."""
        place = signals.extreme_place(self.model, self.measure, highest=c > edge)
        self._event(
            "beyond_law", self.segments[self.number], law=law.what, value=float(law.law(c)), c=c,
            limit=edge, place=place, reason=law.says(c),
        )

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

    # -- other studies -------------------------------------------------------------------------

    def _single(self) -> None:
        """Primary and secondary distribution: one solve, no time."""
        segment = self.segments[0]
        done = self._consistent(segment)
        control = segment.control(0.0, self.model.area)
        scale = self._scale(control)
        for stage in self.stages[1:]:
            found = stage.solve(control, scale)
            if not found.converged:
                raise RunError(
                    f"no solution for {', '.join(stage.names)} ({found.reason}, residual "
                    f"{found.residual:.1e} of the cell current)"
                )
            done = found.after(done)
        numbers = self._measured(scale)
        self._accept()
        self._record(
            Step(0.0, 0.0, done.newton, done.linear, done.factored, 0, 0.0, done.residual), numbers
        )
        self._happened(segment)
        self.recorder.fields()

    def _steady(self) -> None:
        """Steady state by implicit Euler steps that grow until nothing changes.

        The salt content, which the steady equations leave open, is kept by the time steps.
        """
        segment, s = self.segments[0], self.s
        if self.settled:
            return
        if s.t == 0.0:
            self._consistent(segment)
        control = segment.control(0.0, self.model.area)
        scale, dt = self._scale(control), self.stepper.dt
        for _attempt in range(200):
            before = s.save()
            s.restart_formula()
            s.begin(dt)
            done = self.stepper.solve(control, scale)
            if not done.converged:
                s.restore(before)
                dt *= 0.3
                if dt < self.settings.dt_min:
                    self._gave_up(segment, Trouble.of(self.model, self.stages, done))
                    return
                continue
            change = s.error()
            numbers = self._measured(scale)
            s.accept()
            self._accept()
            step = Step(s.t, dt, done.newton, done.linear, done.factored, 0, change, done.residual)
            self._record(step, numbers)
            if any(event.ends for event in self._happened(segment)) or self._over():
                break
            if change < 1e-10 and dt > 1e4 * self.settings.dt0:
                self.settled = True
                break
            dt *= 3.0
            self.stepper.dt = dt
            self._save_if_due()
        else:
            raise RunError("no steady state: the salt still changes after 200 growing steps")
        self.recorder.fields()

    # -- recording -----------------------------------------------------------------------------

    def _record(
        self, step: Step, numbers: dict[str, float], progress: Progress | None = None
    ) -> None:
        """Count, write and judge an accepted step.

        Raises:
            RunError: a balance does not close, or the salt left a measured table.
        """
        self.tally.add(step, numbers, (c.name for c in self.columns.values() if c.closure))
        self.recorder.step(step, numbers, self.number, self.segments[self.number].cycle)
        voltage = self.s.get_voltage()
        if progress is not None:
            c = numbers.get("c_min", self.model.ions.c0) / self.model.ions.c0
            closures = [numbers.get(name, 0.0) for name in ("balance", "faraday", "salt")]
            self.say(progress.line(self.tally.steps, step, voltage, c, closures))
        else:
            self.say(
                f"newton {step.newton}  krylov {step.linear}  "
                f"voltage {format_quantity(voltage, 'V')}"
            )
        limit = self.case.solver.closure_limit
        worst = dict(self.tally.worst)
        missed, allowed = worst.pop("commanded", 0.0), max(limit, COMMANDED)
        bad = [f"{k} {v:.2e}" for k, v in worst.items() if not v <= limit]
        problem = (
            f"balances do not close: {', '.join(bad)}, limit {limit:.0e}; lower [solver] rtol or "
            "raise closure_limit" if bad else ""
        )
        if not bad and not missed <= allowed:
            problem = (
                f"the charge delivered and the integral of the current given differ by "
                f"{missed:.2e} of the integral of its magnitude, limit {allowed:.0e}; give what is "
                "sharp in it as a table, or with step or where, or lower [solver] rtol"
            )
        if "c_min" in numbers:
            self.remarks.look(numbers["c_min"], numbers["c_max"])
            try:
                self.remarks.require(numbers["c_min"], numbers["c_max"])
            except CaseError as error:
                problem = problem or self._off_table(numbers, str(error))
            left = self.limits.broken(numbers["c_min"], numbers["c_max"])
            if left is not None and not problem and not self._over():
                self._beyond(*left)
        if not problem:
            self._look_at_tails()
        if problem:
            self.recorder.fields()
            self.save()
            raise RunError(f"t = {self.s.t:.6g} s: {problem}")

    def _look_at_tails(self) -> None:
        """Warn where the front is too wide for its kinetics; end the run if it moves on so.

        Collective.
        """
        seen = self.penetration
        if seen is None or (depth := seen.look()) is None:
            return
        reason = depth.says(seen.width)
        if seen.width > SWELLING_RATIO * depth.l and "tail" not in self.remarks.said:
            self.remarks.add("tail", f"t = {self.s.t:.6g} s: {reason}")
        if seen.travel > seen.width and not self._over():
            self._event("unresolved_front", self.segments[self.number], **depth._asdict(),
                        interface_width=seen.width, reason=reason)

    def _c_range(self) -> tuple[float, float]:
        if "c" in self.s.unknowns:
            return self.measure.extrema("c")
        return self.model.ions.c0, self.model.ions.c0

    def finish(self) -> None:
        """Checkpoint and summary."""
        if self.tally.steps > self.done_before or not self._has("summary.json"):
            if self.saved_as != self._place():  # else it would push out an older one for nothing
                self.save()
            self.remarks.look_closely([*self.watch.closed().values()])
            write_json(self.comm, self.folder / "summary.json", self.summary())
        worst = ", ".join(f"{k} {v:.1e}" for k, v in self.tally.worst.items())
        self.say(
            f"done: {self.tally.steps} steps, {self.tally.newton} Newton, {self.tally.linear} "
            f"Krylov iterations, {self.tally.rejected} rejected; closures: {worst}; "
            f"{time.perf_counter() - self.wall_start:.1f} s"
        )

    def _has(self, name: str) -> bool:
        """The result folder has such a file (collective)."""
        return self.comm.bcast((self.folder / name).exists())

    def summary(self) -> dict[str, Any]:
        """The numbers that characterise the run (collective)."""
        cycles = {"cycles": self.turnover.cycles} if self.turnover.cycles else {}
        *earlier, here = self.made
        made = here | ({"earlier_starts": earlier} if earlier else {})
        return self.recorder.summary(self.tally) | cycles | made | {
            "events": self._all_events(),
            "warnings": self.remarks.texts,
            "wall_seconds": time.perf_counter() - self.wall_start,
        }

    def _all_events(self) -> list[dict[str, Any]]:
        """What has happened, nuclei included, in the order of time."""
        formed = [] if self.model.nuclei is None else self.model.nuclei.formed()
        return sorted([*self.events, *formed], key=lambda entry: float(entry["t"]))

    def close(self) -> None:
        """Let go of open files; all that could be written is written by now."""
        if hasattr(self, "recorder"):
            with contextlib.suppress(OSError):  # a full disk has been told already
                self.recorder.writer.flush()
            with contextlib.suppress(OSError):
                self.recorder.table.close()

    def say(self, text: str) -> None:
        """A line for the user, from rank 0."""
        if self.comm.rank == 0 and not self.quiet:
            print(text, flush=True)


class _Stepper(Stepper):
    """Remembers how a last, small try ended, so that a run that gives up can say why."""

    model: Model
    trouble: Trouble | None = None

    def solve(self, control: Control, scale: float) -> Outcome:
        outcome = super().solve(control, scale)
        if self.system.dt <= 10 * self.settings.dt_min:
            self.trouble = Trouble.of(self.model, self.stages, outcome)
        return outcome


def _refuse_time(study: str, unknowns: list[str]) -> None:
    """Refuse unknowns that a study without time would leave as they are.

    Raises:
        CaseError: there are some.
    """
    if unknowns:
        raise CaseError(
            f"study: {study!r}: is one solve without time, in which {', '.join(unknowns)} cannot "
            "change; take 'steady' or 'tertiary', or leave out the physics"
        )


def _sweep(folder: Path) -> None:
    """Remove drafts of files that a killed run was just about to replace, and its diagnosis."""
    (folder / "diagnosis.json").unlink(missing_ok=True)
    for draft in (*folder.glob(".*.tmp"), *folder.glob("*/.*.tmp")):
        draft.unlink(missing_ok=True)
