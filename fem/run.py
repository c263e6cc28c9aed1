"""From a case to a result folder: the loop that everybody starts.

    from fem import Case, run
    result = run(Case.load("sand"), "results/sand")

The result folder holds the resolved case, `series.csv` (a line per accepted step), `summary.json`,
`fields/` for ParaView, `checkpoints/` and `figures/`. Nothing is written before case and mesh have
been checked.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoint
from .case import Case
from .compat import MPI, dfem, sweep_jit_cache
from .domain import Domain
from .errors import CaseError, Interrupted, RunError
from .measure import Measure
from .model import Model, build
from .output import (
    Block,
    FieldWriter,
    FolderLock,
    Series,
    claim_folder,
    region_field,
    wall_block,
    write_json,
    write_text,
)
from .parallel import check_launcher, install_abort_hook, on_root
from .protocol import Segment, segments
from .solve import Control, Options, Stage
from .stepper import Settings, Step, Stepper
from .units import format_quantity

__all__ = ["Simulation", "main_resume", "main_run", "run"]

log = logging.getLogger("hostplate")

# Currents below this density count as rest when residuals are compared with the cell current.
SMALLEST_DENSITY = 1e-2


def run(
    case: Case | str | Path,
    folder: str | Path,
    *,
    comm: MPI.Comm = MPI.COMM_WORLD,
    overwrite: bool = False,
    quiet: bool = True,
) -> Any:
    """Solve a case into a folder (collective).

    Args:
        case: a `Case`, or what `Case.load` takes.
        folder: made by the run; must not hold results already.
        overwrite: move results that are there aside first.
        quiet: no line per step.

    Returns:
        The `fem.results.Result` of the folder.

    Raises:
        CaseError: the input cannot be run; nothing was written.
        RunError: the solver gave up; results so far and a checkpoint remain.
        Interrupted: a signal asked to stop; the run can be resumed.
    """
    from .results import Result

    if not isinstance(case, Case):
        case = Case.load(str(case))
    check_launcher(comm)
    mesh_folder = on_root(comm, _mesh_folder, case)
    domain = Domain.read(mesh_folder, comm)
    model = build(case, domain)
    folder = Path(folder)
    lock = claim_folder(comm, folder, overwrite)
    try:
        simulation = Simulation(model, folder, quiet=quiet)
        if lock.message:
            simulation.say(lock.message)
        simulation.begin()
        simulation.go()
    finally:
        lock.release()
    return Result(folder)


def resume(
    folder: str | Path,
    *,
    comm: MPI.Comm = MPI.COMM_WORLD,
    overrides: Sequence[str] = (),
    quiet: bool = True,
) -> Any:
    """Go on from the newest whole checkpoint of a result folder (collective).

    Raises:
        CaseError: no checkpoint, other physics, or another number of ranks.
    """
    from .results import Result

    folder = Path(folder)
    check_launcher(comm)
    case = on_root(comm, lambda: Case.load(str(folder / "case.toml"), list(overrides)))
    state, manifest = on_root(comm, checkpoint.latest, folder)
    mesh_folder = on_root(comm, _mesh_folder, case)
    domain = Domain.read(mesh_folder, comm)
    digest = case.physics_hash(domain.sidecar["hash"])
    if digest != manifest["physics"]:
        raise CaseError(
            f"{folder}: the case or its mesh is not the one of the checkpoint (physics "
            f"{digest[:12]}, checkpoint {manifest['physics'][:12]}); undo the change, or start "
            "again with `hostplate run`"
        )
    model = build(case, domain)
    lock = FolderLock(folder, comm).acquire()
    try:
        series = FieldWriter.next_series(comm, folder)
        simulation = Simulation(model, folder, quiet=quiet, series=series)
        simulation.continue_from(state, manifest)
        simulation.go()
    finally:
        lock.release()
    return Result(folder)


def cache_folder() -> Path:
    """Where meshes are kept by content: HOSTPLATE_CACHE, else the user's cache folder."""
    given = os.environ.get("HOSTPLATE_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hostplate"


def _mesh_folder(case: Case) -> Path:
    import geometries

    sweep_jit_cache()
    if case.mesh is not None:
        return geometries.cached_conversion(
            case.mesh.file, cache_folder(), unit=case.mesh.unit, names=case.mesh.names,
            axisymmetric=case.mesh.axisymmetric,
        )
    assert case.geometry is not None
    return geometries.cached(case.geometry["family"], dict(case.geometry), cache_folder())


class Simulation:
    """One run: model, stages, loop, outputs.

    Args:
        model: from `fem.model.build`.
        folder: claimed and locked.
        quiet: no line per step.
        series: number of the field series; a resumed run opens a new one.
    """

    def __init__(self, model: Model, folder: Path, *, quiet: bool = True, series: int = 1):
        self.model, self.folder, self.quiet = model, folder, quiet
        self.case, self.s = model.case, model.system
        self.comm = model.domain.comm
        self.wall_start = time.perf_counter()
        control = self.case.solver
        options = Options(kind=control.kind, rtol=control.rtol)
        names = tuple(self.s.unknowns)
        potentials = tuple(n for n in names if not self.s.unknowns[n].differential)
        self.main = Stage(self.s, names, options)
        self.start = self.main if potentials == names else Stage(self.s, potentials, options)
        t = self.case.time
        self.settings = Settings(t.dt0, t.dt_min, t.dt_max or math.inf, t.tolerance)
        self.stepper = Stepper(self.s, (self.main,), self.settings)
        self.measure = Measure(self.s, model.ions, model.interface, (self.main,))
        self.segments = segments(self.case)
        self.segment_number, self.segment_start, self.segment_charge = 0, 0.0, 0.0
        self.events: list[dict[str, Any]] = []
        self.steps = self.newton = self.linear = self.rejected = 0
        self.worst: dict[str, float] = {}
        self.series_number = series
        self._stop_signal = 0
        self._open_outputs(series)

    # -- set-up --------------------------------------------------------------------------------

    def _open_outputs(self, series: int) -> None:
        domain, s = self.model.domain, self.s
        interface = self.model.interface
        fields: dict[int, tuple[Any, dict[str, Any]]] = {}
        for name in ("phi_l", "c"):
            if name in s.unknowns:
                part = s.unknowns[name].part
                fields.setdefault(id(part), (part, {}))[1][name] = s.unknowns[name].value
        blocks = [
            Block(name, part.mesh, functions, {"region": region_field(domain, part)})
            for name, (part, functions) in zip(("pore", "salt"), fields.values(), strict=False)
        ]
        if "phi_s" in s.unknowns:
            u = s.unknowns["phi_s"]
            self.phi_s = dfem.Function(u.space, name="phi_s")
            static = {"region": region_field(domain, u.part)}
            blocks.append(Block("solid", u.part.mesh, {"phi_s": self.phi_s}, static))
        walls = [w for e in interface.plating for w in e.walls]
        faces = [f for e in interface.plating for f in e.faces]
        block = wall_block(domain, walls, faces, s.layer)
        block.carry("i_n", s.memories["i_n"])
        if "q" in s.unknowns:
            block.carry("q", s.unknowns["q"].value)
        self.writer = FieldWriter(
            self.comm, self.folder, [*blocks, block], series, pvd=self.case.output.pvd
        )
        self.table = Series(
            self.comm, self.folder / "series.csv", self._columns(), resume=series > 1
        )

    def _columns(self) -> dict[str, str]:
        """Columns of `series.csv` with their units."""
        out = {"t": "s", "dt": "s", "voltage": "V", "current_density": "A/m^2", "charge": "C/m^2"}
        unknowns = self.s.unknowns
        if "q" in unknowns:
            out["plated"] = "C/m^2"
        if "c" in unknowns:
            out |= {"c_min": "mol/m^3", "c_max": "mol/m^3"}
        out |= {"balance": "", "collector": ""}
        out |= {"faraday": ""} if "q" in unknowns else {}
        out |= {"salt": ""} if "c" in unknowns else {}
        return out | dict.fromkeys(("segment", "newton", "krylov", "rejected", "error"), "")

    def begin(self) -> None:
        """Write the resolved case and start from the initial state."""
        on_root(self.comm, write_text, self.folder / "case.toml", self.case.to_toml())
        write_json(self.comm, self.folder / "mesh.json", self.model.domain.sidecar)
        self.measure.begin()

    def continue_from(self, state: Path, manifest: dict[str, Any]) -> None:
        """Take up a checkpoint."""
        checkpoint.load(state, manifest, self.s)
        self.measure.start = dict(manifest["start"])
        self.segment_number = int(manifest["segment"])
        self.segment_start = float(manifest["segment_start"])
        self.segment_charge = float(manifest["segment_charge"])
        self.events = list(manifest["events"])
        self.stepper.dt = float(manifest["next_dt"])
        self.steps, self.newton = int(manifest["steps"]), int(manifest["newton"])
        self.linear, self.rejected = int(manifest["linear"]), int(manifest["rejected"])
        self.worst = dict(manifest["worst"])
        self.next_output = float(manifest["next_output"])
        self.table.truncate(self.s.t)
        self.say(f"resumed at t = {self.s.t:g} s from {state.name}")

    def _manifest(self) -> dict[str, Any]:
        return {
            "physics": self.case.physics_hash(self.model.domain.sidecar["hash"]),
            "start": self.measure.start,
            "segment": self.segment_number,
            "segment_start": self.segment_start,
            "segment_charge": self.segment_charge,
            "events": self.events,
            "next_dt": self.stepper.dt,
            "steps": self.steps,
            "newton": self.newton,
            "linear": self.linear,
            "rejected": self.rejected,
            "worst": self.worst,
            "next_output": self.next_output,
            "series": self.series_number,
        }

    # -- the loop ------------------------------------------------------------------------------

    next_output = 0.0

    def go(self) -> None:
        """Run what is left of the protocol, then write summary and figures."""
        with self._signals():
            if self.case.study in ("primary", "secondary"):
                self._single()
            elif self.case.study == "steady":
                self._steady()
            else:
                for k in range(self.segment_number, len(self.segments)):
                    fresh = k > self.segment_number or self.s.t == self.segment_start
                    if fresh:
                        self.segment_number, self.segment_start = k, self.s.t
                        self.segment_charge = float(self.s.charges["passed"][0])
                    self._segment(self.segments[k], fresh)
                    if self.events and self.events[-1]["event"] == "depletion":
                        break
        self.finish()

    def _scale(self, control: Control) -> float:
        floor = SMALLEST_DENSITY * self.model.area
        return max(abs(control.current or 0.0), floor)

    def _guess(self, segment: Segment) -> None:
        """Potentials beyond the nucleation overpotential, where every wall conducts."""
        if segment.voltage is not None:
            return
        if self.s.t == 0.0:
            self.s.set_voltage(segment.sign * (self.model.deepest_nucleation + 0.05))

    def _consistent(self, segment: Segment) -> None:
        """Potentials that fit salt and walls at the start of a segment; time stands still."""
        s = self.s
        control = segment.control(0.0, self.model.area)
        self._guess(segment)
        for share in (1.0, 0.01, 0.1, 0.3, 1.0):
            saved = s.save()
            s.begin(0.0)
            part = Control(None if control.current is None else share * control.current)
            if segment.voltage is not None:
                s.set_voltage(float(segment.voltage.at(t=0.0)))
            outcome = self.start.solve(part, self._scale(control))
            if outcome.converged and share == 1.0:
                break
            if not outcome.converged:
                s.restore(saved)
        else:
            raise RunError(
                f"start of {segment.name} at t = {s.t:g} s: no potentials carry the current "
                f"({outcome.reason}, residual {outcome.residual:.1e} of the cell current); lower "
                "the current, or check that the electrolyte connects the electrodes"
            )
        for name in self.start.names:
            u = s.unknowns[name]
            for old in u.old:
                old.x.array[:] = u.value.x.array

    def _segment(self, segment: Segment, fresh: bool) -> None:
        s = self.s
        if fresh:
            self._consistent(segment)
            self.stepper.restart()
            if s.t == 0.0:
                self.write_fields()
        end = self.segment_start + segment.end()
        every = self.case.output.fields_every
        if fresh and every:
            self.next_output = s.t + every
        progress = _Progress(self, end)
        last_checkpoint = time.monotonic()
        while s.t < end * (1 - 1e-12):
            limit = min(end, self.next_output if every else math.inf) - s.t
            limit = min(limit, 1e30)

            def control(t: float) -> Control:
                if segment.voltage is not None:
                    s.set_voltage(float(segment.voltage.at(t=t - self.segment_start)))
                return segment.control(t - self.segment_start, self.model.area)

            now = control(s.t)
            scale = self._scale(control(min(s.t + self.stepper.dt, end)))
            scale = max(scale, self._scale(now))
            numbers: dict[str, float] = {}
            before = s.get_voltage()

            def look() -> float | None:
                numbers.clear()
                numbers.update(self.measure.step(scale))
                return self._cut(segment, before)

            step = self.stepper.advance(control, scale, limit, look)
            if step is None:
                self._gave_up(segment)
                return
            self.measure.accept()
            self._record(step, numbers, progress)
            charge = (numbers["charge"] - self.segment_charge) / self.model.area
            event = segment.stop(s.get_voltage(), charge)
            if every and s.t >= self.next_output * (1 - 1e-12):
                self.write_fields()
                self.next_output += every
            if self._due(last_checkpoint):
                self.save()
                last_checkpoint = time.monotonic()
            if event == "cutoff" or (event and segment.end() == math.inf):
                self._event(event, segment)
                break
        self.write_fields()

    def _cut(self, segment: Segment, before: float) -> float | None:
        """Shorter step if the voltage passed its cut-off by more than 1 mV, else None."""
        if segment.cutoff is None:
            return None
        past = segment.sign * (self.s.get_voltage() - segment.cutoff)
        if past <= 1e-3 or self.s.dt <= 10 * self.settings.dt_min:
            return None
        room = max(segment.sign * (segment.cutoff - before), 0.0)
        return self.s.dt * min(max((room + 5e-4) / (room + past), 0.05), 0.95)

    def _gave_up(self, segment: Segment) -> None:
        """The smallest step failed: depletion is a result, anything else is an error."""
        s = self.s
        low = self.measure.extrema("c")[0] if "c" in s.unknowns else math.inf
        c0 = self.model.ions.c0
        self.write_fields()
        if low < 1e-2 * c0:
            self._event("depletion", segment, c_min=low)
            return
        self.save()
        raise RunError(
            f"{segment.name} at t = {s.t:.6g} s: no step above dt_min = {self.settings.dt_min:g} s "
            f"converged (lowest c = {low:.3g} mol/m^3); the last good state is in "
            f"{self.folder / 'checkpoints'}. Refine the mesh at the walls or lower [time] dt_min"
        )

    def _event(self, name: str, segment: Segment, **more: Any) -> None:
        entry = {
            "event": name, "segment": segment.name, "number": self.segment_number,
            "t": self.s.t, "t_in_segment": self.s.t - self.segment_start,
            "voltage": self.s.get_voltage(), **more,
        }
        if name == "depletion":
            entry |= self._depletion(segment)
        self.events.append(entry)
        shown = ", ".join(
            f"{k} = {v:.6g}" if isinstance(v, float) else f"{k} = {v}"
            for k, v in entry.items() if k != "event"
        )
        self.say(f"event {name}: {shown}")

    def _depletion(self, segment: Segment) -> dict[str, Any]:
        """Where the salt ran out, and Sand's time for a flat electrode at this current."""
        from . import theory

        u = self.s.unknowns["c"]
        values = u.owned
        k = int(np.argmin(values)) if len(values) else 0
        mine = (float(values[k]) if len(values) else math.inf, self.comm.rank)
        _, owner = min(self.comm.allgather(mine))
        place = None
        if self.comm.rank == owner:
            place = u.space.tabulate_dof_coordinates()[k].tolist()
        place = self.comm.bcast(place, root=owner)
        out: dict[str, Any] = {"place": place[: self.model.domain.dim]}
        control = segment.control(self.s.t - self.segment_start, 1.0)
        medium = next(m for m in self.model.ions.media if m.salt)
        c0, T = self.model.ions.c0, self.case.temperature
        if control.current:
            out["sand_time"] = float(
                theory.sand_time(
                    abs(control.current), c0, float(medium.D(c0, T)),
                    float(medium.t_plus(c0, T)), self.model.ions.z,
                )
            )
        return out

    # -- other studies -------------------------------------------------------------------------

    def _single(self) -> None:
        """Primary and secondary distribution: one solve, no time."""
        segment = self.segments[0]
        self._consistent(segment)
        control = segment.control(0.0, self.model.area)
        self.s.begin(0.0)
        outcome = self.main.solve(control, self._scale(control))
        numbers = self.measure.step(self._scale(control))
        self.measure.accept()
        step = Step(0.0, 0.0, outcome.newton, outcome.linear, outcome.factored, 0, 0.0,
                    outcome.residual)
        self._record(step, numbers, None)
        self.write_fields()

    def _steady(self) -> None:
        """Steady state by implicit Euler steps that grow until nothing changes.

        The salt content, which the steady equations leave open, is kept by the time steps.
        """
        segment, s = self.segments[0], self.s
        self._consistent(segment)
        control = segment.control(0.0, self.model.area)
        scale, dt = self._scale(control), self.settings.dt0
        for _attempt in range(200):
            saved = s.save()
            s.restart_formula()
            s.begin(dt)
            outcome = self.main.solve(control, scale)
            if not outcome.converged:
                s.restore(saved)
                dt *= 0.3
                if dt < self.settings.dt_min:
                    self._gave_up(segment)
                    return
                continue
            change = s.error()
            numbers = self.measure.step(scale)
            s.accept()
            self.measure.accept()
            step = Step(s.t, dt, outcome.newton, outcome.linear, outcome.factored, 0, change,
                        outcome.residual)
            self._record(step, numbers, None)
            if change < 1e-10 and dt > 1e4 * self.settings.dt0:
                break
            dt *= 3.0
        else:
            raise RunError("no steady state: the salt still changes after 200 growing steps")
        self.write_fields()

    # -- recording -----------------------------------------------------------------------------

    def _record(self, step: Step, numbers: dict[str, float], progress: _Progress | None) -> None:
        self.steps += 1
        self.newton += step.newton
        self.linear += step.linear
        self.rejected += step.rejected
        area, limit = self.model.area, self.case.solver.closure_limit
        values = {
            **numbers,
            "t": self.s.t,
            "dt": step.dt,
            "voltage": self.s.get_voltage(),
            "current_density": numbers["current"] / area,
            "charge": numbers["charge"] / area,
            "plated": numbers.get("plated", 0.0) / area,
            "segment": self.segment_number,
            "newton": step.newton,
            "krylov": step.linear,
            "rejected": step.rejected,
            "error": step.error,
        }
        for key in ("balance", "collector", "faraday", "salt"):
            if key in numbers:
                self.worst[key] = max(self.worst.get(key, 0.0), numbers[key])
        self.table.add({name: values[name] for name in self.table.names})
        if progress is not None and not self.quiet:
            progress.line(step, numbers)
        elif not self.quiet:
            self.say(
                f"newton {step.newton}  krylov {step.linear}  "
                f"voltage {format_quantity(self.s.get_voltage(), 'V')}"
            )
        bad = {k: v for k, v in self.worst.items() if v > limit}
        if bad:
            self.write_fields()
            self.save()
            raise RunError(
                f"t = {self.s.t:.6g} s: balances do not close: "
                + ", ".join(f"{k} {v:.2e}" for k, v in bad.items())
                + f", limit {limit:.0e}; lower [solver] rtol or raise closure_limit"
            )

    def write_fields(self) -> None:
        """Fields of the accepted state (collective)."""
        s = self.s
        self.measure.update_walls()
        if "phi_s" in s.unknowns:
            self.phi_s.x.array[:] = s.unknowns["phi_s"].value.x.array + s.get_voltage()
        self.writer.write(s.t)

    def save(self) -> None:
        """Checkpoint now (collective)."""
        checkpoint.save(self.folder, self.s, self._manifest())

    def _due(self, last: float) -> bool:
        """Time for a checkpoint, or a signal: rank 0 decides for all."""
        wall = time.monotonic() - last > self.case.output.checkpoint_wall
        due, stop = self.comm.bcast((wall, self._stop_signal), root=0)
        stop = self.comm.allreduce(max(stop, self._stop_signal), op=MPI.MAX)
        if stop:
            self.save()
            raise Interrupted(
                f"stopped by signal {stop} at t = {self.s.t:g} s; go on with "
                f"`hostplate resume {self.folder}`"
            )
        return bool(due)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def note(number: int, _frame: Any) -> None:
            self._stop_signal = number

        old: dict[int, Any] = {}
        with contextlib.suppress(ValueError):  # only the main thread may set handlers
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
                old[number] = signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def finish(self) -> None:
        """Checkpoint, summary, figures."""
        if self.case.study == "tertiary":
            self.save()
        summary = self.summary()
        write_json(self.comm, self.folder / "summary.json", summary)
        if self.case.output.figures:
            from .post.figures import draw

            drawn = on_root(self.comm, lambda: [str(p) for p in draw(self.folder)])
            self.say(f"{len(drawn)} figures in {self.folder / 'figures'}")
        worst = ", ".join(f"{k} {v:.1e}" for k, v in self.worst.items())
        self.say(
            f"done: {self.steps} steps, {self.newton} Newton, {self.linear} Krylov iterations, "
            f"{self.rejected} rejected; closures: {worst}; "
            f"{time.perf_counter() - self.wall_start:.1f} s"
        )

    def summary(self) -> dict[str, Any]:
        """The numbers that characterise the run."""
        s, area = self.s, self.model.area
        profile = self.measure.depth_profile()
        regions = self.measure.by_region()
        out: dict[str, Any] = {
            "title": self.case.title,
            "study": self.case.study,
            "t": s.t,
            "voltage": s.get_voltage(),
            "current_density": self.measure.cell_current() / area,
            "charge": float(s.charges["passed"][0]) / area,
            "current_by_region": {k: v["current"] for k, v in regions.items()},
            "share_by_region": _shares({k: v["current"] for k, v in regions.items()}),
            "area_by_region": {k: v["area"] for k, v in regions.items()},
            "depth_profile": profile,
            "current_by_third": dict(
                zip(("top", "middle", "bottom"), self.measure.thirds(profile), strict=True)
            ),
            "events": self.events,
            "closures": self.worst,
            "projected_area": area,
            "unknowns": {n: int(u.space.dofmap.index_map.size_global)
                         for n, u in s.unknowns.items()},
            "steps": self.steps,
            "newton": self.newton,
            "krylov": self.linear,
            "rejected": self.rejected,
            "ranks": self.comm.size,
            "wall_seconds": time.perf_counter() - self.wall_start,
            "mesh_hash": self.model.domain.sidecar.get("hash", ""),
            "physics_hash": self.case.physics_hash(self.model.domain.sidecar.get("hash", "")),
            "sigma_capped": self.model.capped,
        }
        if "c" in s.unknowns:
            out["c_min"], out["c_max"] = self.measure.extrema("c")
        if "q" in s.unknowns:
            out["plated"] = self.measure.plated() / area
            out["plated_by_third"] = dict(
                zip(("top", "middle", "bottom"), self.measure.thirds(profile, "plated"),
                    strict=True)
            )
        return out

    def say(self, text: str) -> None:
        """A line for the user, from rank 0."""
        if self.comm.rank == 0 and not self.quiet:
            print(text, flush=True)


def _shares(currents: dict[str, float]) -> dict[str, float]:
    total = sum(currents.values())
    return {k: v / total if total else 0.0 for k, v in currents.items()}


class _Progress:
    """One line per step, with a guess of the time left from the pace of the last steps."""

    def __init__(self, simulation: Simulation, end: float):
        self.sim, self.end, self.start = simulation, end, simulation.s.t
        self.pace: deque[tuple[float, float]] = deque(maxlen=12)
        self.pace.append((time.perf_counter(), self.start))
        self.header = False

    def left(self) -> str:
        """Time left as text; `estimating` before 30 % of the segment."""
        t = self.sim.s.t
        if not math.isfinite(self.end) or t - self.start < 0.3 * (self.end - self.start):
            return "estimating"
        (w0, t0), (w1, t1) = self.pace[0], self.pace[-1]
        seconds = (self.end - t) * (w1 - w0) / max(t1 - t0, 1e-300)
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

    def line(self, step: Step, numbers: dict[str, float]) -> None:
        """Print the step."""
        self.pace.append((time.perf_counter(), self.sim.s.t))
        voltage = self.sim.s.get_voltage()
        if self.sim.comm.rank != 0:
            return
        if not self.header:
            print(
                "  step           t          dt  newton krylov  voltage     c_min/c0  "
                "balance  faraday  salt     left"
            )
            self.header = True
        c0 = self.sim.model.ions.c0
        print(
            f"{self.sim.steps:6d} {step.t:11.5g} {step.dt:11.4g} {step.newton:7d} {step.linear:6d}"
            f"  {1e3 * voltage:8.3f} mV {numbers.get('c_min', c0) / c0:8.4f}"
            f"  {numbers['balance']:.1e}  {numbers.get('faraday', 0.0):.1e}"
            f"  {numbers.get('salt', 0.0):.1e}  {self.left()}",
            flush=True,
        )


# -- command line ------------------------------------------------------------------------------


def main_run(case: Case, folder: Path, *, overwrite: bool = False, quiet: bool = False) -> int:
    """What `hostplate run` calls on every rank; errors go to the command line's own handler."""
    install_abort_hook(MPI.COMM_WORLD)
    run(case, folder, overwrite=overwrite, quiet=quiet)
    return 0


def main_resume(folder: Path, *, overrides: Sequence[str] = (), quiet: bool = False) -> int:
    """What `hostplate resume` calls on every rank; errors go to the command line's own handler."""
    install_abort_hook(MPI.COMM_WORLD)
    resume(folder, overrides=overrides, quiet=quiet)
    return 0
