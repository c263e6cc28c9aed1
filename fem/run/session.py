"""From a case to a result folder: the loop that everybody starts.

    from fem import Case
    result = Case.load("sand").run("results/sand")

The result folder holds the resolved case, `series.csv` (a line per accepted step), `summary.json`,
`fields/` for ParaView, `probes/`, `checkpoints/` and `figures/`. Nothing is written before case,
mesh and probes have been checked and all forms compiled; the first thing written is a checkpoint at
t = 0, so that a run killed at any later moment can be resumed.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError, RunError
from fem.base.folder import FolderLock, claim_folder, refuse_folder, write_json, write_text
from fem.base.parallel import check_launcher, install_abort_hook, on_root
from fem.case import meshes
from fem.case.case import Case
from fem.case.files import apply_override, read_toml, to_toml
from fem.case.names import require_filled
from fem.compat import MPI, compiler_failure, is_of_compiler, jit_folder
from fem.files import checkpoint
from fem.mesh.domain import Domain
from fem.run.in_time import InTime
from fem.run.once import Once
from fem.run.simulation import Simulation
from fem.run.still import Single, Steady
from fem.study import alone
from fem.study.build import build

__all__ = ["crowded", "main_resume", "main_run", "mesh_folder", "resume", "run"]

#: The mesh of the last run: a process that solves one case again and again reads it once.
_LAST: dict[Path, Domain] = {}

#: Runs of the studies of a cell that are not in time.
STUDIES = {"primary": Single, "secondary": Single, "steady": Steady}
#: Runs of the studies that a physics brings.
RUNS_OF_STUDIES = {"once": Once}


def run(
    case: Case | str | Path,
    folder: str | Path,
    *,
    comm: MPI.Comm = MPI.COMM_WORLD,
    overwrite: bool = False,
    hooks: bool = False,
    quiet: bool = True,
) -> Any:
    """Solve a case into a folder (collective).

    Args:
        case: a `Case`, or what `Case.load` takes.
        folder: made by the run; must not hold results already.
        comm: the ranks that take part.
        overwrite: move results that are there aside first.
        hooks: the Python that `[hooks]` names may be executed.
        quiet: no line per step.

    Returns:
        The `fem.results.result.Result` of the folder.

    Raises:
        CaseError: the input cannot be run; nothing was written.
        RunError: the solver failed; results so far and a checkpoint remain.
        Interrupted: a signal asked to stop; the run can be resumed.
    """
    from fem.results.result import Result

    if not isinstance(case, Case):
        case = Case.load(str(case))
    check_launcher(comm)
    _may_execute(case, hooks)
    case = case.executed()
    require_filled(case)
    on_root(comm, refuse_folder, folder, overwrite)  # before minutes of meshing and compiling
    domain = _mesh(case, comm)
    simulation = _compiled(case, domain, Path(folder), quiet)
    simulation.check()
    _go_from_the_start(simulation, claim_folder(comm, folder, overwrite))
    return Result(folder)


def _go_from_the_start(simulation: Simulation | Once, lock: FolderLock) -> None:
    """Run to the end in a folder that is locked (collective)."""
    with _ending(simulation, lock), simulation.stop.listening():
        simulation.begin()
        simulation.go()


@contextlib.contextmanager
def _ending(simulation: Simulation | Once, lock: FolderLock) -> Iterator[None]:
    """After the block, a run, measure and draw what it gave; let go of its folder in any case."""
    try:
        for text in filter(None, (lock.message, crowded(simulation.comm))):
            simulation.log(text)
        yield
        simulation.close()
        _measure(simulation)
    finally:
        simulation.close()
        lock.release()
    _draw(simulation)


def resume(
    folder: str | Path,
    *,
    comm: MPI.Comm = MPI.COMM_WORLD,
    overrides: Sequence[str] = (),
    hooks: bool = False,
    quiet: bool = True,
) -> Any:
    """Go on from the newest whole checkpoint of a result folder (collective).

    Args:
        folder: of the results.
        comm: the ranks that take part; any number of them.
        overrides: `path=value`: a new end, other output, time or solver options.
        hooks: the Python that `[hooks]` names may be executed.
        quiet: no line per step.

    Raises:
        CaseError: no checkpoint, or other physics.
        RunError: the solver failed again.
        Interrupted: a signal asked to stop.
    """
    from fem.results.result import Result

    folder = Path(folder)
    check_launcher(comm)
    on_root(comm, FolderLock(folder).check)  # before minutes of compiling
    case, text = on_root(comm, _stored_case, folder, overrides, hooks)
    _may_execute(case, hooks)
    case = case.executed()
    if case.brought is not None:
        return _once_more(case, folder, comm, overrides, hooks, quiet)
    found = on_root(comm, checkpoint.latest, folder)
    domain = _mesh(case, comm)
    mesh, stored = domain.sidecar["hash"], found.manifest["physics"]
    digest = case.physics_hash(mesh)
    # A version whose families choose other sizes knows the case by what its file says.
    known = {stored, found.manifest.get("recorded", stored)}
    if not known & {digest, case.physics_hash(mesh, as_written=True)}:
        raise CaseError(
            f"{folder}: the case or its mesh is not the one the checkpoint was written with "
            f"(physics {digest[:12]}, checkpoint {stored[:12]}); undo the change, or start again "
            "with `hostplate run`"
        )
    kept = found.manifest.get("library")  # older checkpoints have none
    if kept is not None and case.library_digest() != kept:
        raise CaseError(
            f"{folder}: the material numbers are not those that the run was started with; "
            "undo the change in [library] of its case.toml, or start again with `hostplate run`"
        )
    simulation = _compiled(case, domain, folder, quiet)
    with _ending(simulation, FolderLock(folder, comm).acquire()):
        found = on_root(comm, checkpoint.latest, folder)  # now nobody writes a newer one
        on_root(comm, checkpoint.set_aside, found)
        if overrides:  # a run that dies once more goes on with them
            on_root(comm, write_text, folder / "case.toml", text)
        with simulation.stop.listening():
            simulation.continue_from(found)
            simulation.go()
    return Result(folder)


def _once_more(
    case: Case, folder: Path, comm: MPI.Comm, overrides: Sequence[str], hooks: bool, quiet: bool
) -> Any:
    """Do a study of one solve again: there is nothing to go on from (collective).

    Raises:
        CaseError: another problem than that of the folder.
    """
    from fem.results.result import Result

    before, _ = on_root(comm, _stored_case, folder, (), hooks)
    if case.physics_hash() != before.physics_hash():
        raise CaseError(
            f"{folder}: {', '.join(overrides)} makes another problem of it; start that with "
            "`hostplate run`"
        )
    simulation = _compiled(case, _mesh(case, comm), folder, quiet)
    _go_from_the_start(simulation, FolderLock(folder, comm).acquire())
    return Result(folder)


def crowded(comm: MPI.Comm) -> str:
    """Warning where a machine has more ranks than cores for them, else nothing (collective)."""
    machine = comm.Split_type(MPI.COMM_TYPE_SHARED)
    cores = set().union(*machine.allgather(os.sched_getaffinity(0)))
    here = machine.size, len(cores)
    machine.Free()
    ranks, most = max(comm.allgather(here), key=lambda there: there[0] / there[1])
    if ranks <= most:
        return ""
    return (
        f"warning: {ranks} ranks on {most} core{'s' if most > 1 else ''} of a machine wait for one "
        f"another; take at most {most} there"
    )


def _measure(run: Simulation | Once) -> None:
    """Add the metrics to the summary of a run that has ended (collective).

    Nothing of it changes how the run has ended.
    """
    try:
        on_root(run.comm, _add_metrics, run.folder, run.case)
    except Exception as error:  # on all ranks alike
        run.log(f"no metrics: {error}")


def _add_metrics(folder: Path, case: Case) -> None:
    """The metrics of a folder, and what was foretold of its case, into its summary."""
    from fem.case.estimates import estimates
    from fem.post.metrics import metrics
    from fem.results.result import Result

    result = Result(folder)
    if result.summary:
        whole = result.summary | {"estimates": estimates(case), "metrics": metrics(result)}
        write_json(MPI.COMM_SELF, folder / "summary.json", whole)


def _draw(run: Simulation | Once) -> None:
    """Draw the figures of a run that has ended (collective).

    Nothing of it changes how the run has ended: what cannot be drawn is reported, and a signal
    leaves out the figures that are yet to come.
    """
    if not run.case.output.figures:
        return
    from fem.post.figures import draw

    try:
        with run.stop.listening():
            drawn = draw(run.folder, run.comm, stop=lambda: run.stop.number != 0)
    except Exception as error:  # on all ranks alike
        run.log(f"no figures: {error}")
        return
    run.log(f"{len(drawn)} figures in {run.folder / 'figures'}")
    if run.comm.bcast(run.stop.number):
        run.log(f"stopped by a signal; `hostplate post {run.folder}` draws the other figures")


def mesh_folder(case: Case) -> Path:
    """Folder of the mesh of a case, built or converted on the first call (rank 0 only)."""
    return meshes.mesh_folder(case)


def _mesh(case: Case, comm: MPI.Comm) -> Domain:
    """The mesh of a case, read once for all runs of it that follow one another (collective)."""
    folder = on_root(comm, mesh_folder, case)
    last = _LAST.get(folder)
    same = (MPI.IDENT, MPI.CONGRUENT)
    if last is None or MPI.Comm.Compare(last.comm, comm) not in same:
        _LAST.clear()
        last = _LAST[folder] = Domain.read(folder, comm)
    else:
        gc.collect()  # as reading does: earlier studies hold communicators until then
    # What a study finds out about its walls depends on its materials; the mesh does not.
    own = replace(last, order=(), _wall_weights={}, _collector=None)
    _ = own.ends
    return own


def _stored_case(folder: Path, overrides: Sequence[str], hooks: bool) -> tuple[Case, str]:
    """The case of a result, and its text; where it started from is in its checkpoints by now.

    Args:
        folder: of the result.
        overrides: see `resume`.
        hooks: the Python that it names may be executed.
    """
    data = read_toml(folder / "case.toml")
    for assignment in overrides:
        apply_override(data, assignment)
    text = to_toml(data)
    data.get("initial", {}).pop("from", None)
    return Case.from_dict(data, folder=folder, hooks=hooks), text


def _may_execute(case: Case, hooks: bool) -> None:
    """A case file is data; Python beside it runs only if the user says so.

    Raises:
        CaseError: the case names a module and `hooks` is not set.
    """
    if case.hooks is not None and not hooks:
        raise CaseError(
            f"hooks.module: {case.hooks.module!r}: this Python would be executed; read it, then "
            "allow it with --hooks (in Python: hooks=True)"
        )


def _compiled(case: Case, domain: Domain, folder: Path, quiet: bool) -> Any:
    """Model and stages with all forms compiled.

    Raises:
        RunError: a form cannot be compiled, or not be loaded by a rank.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            made: Any
            run: Any
            if case.brought is not None:
                made, run = alone.build(case, domain), RUNS_OF_STUDIES[case.brought.march]
            else:
                made, run = build(case, domain), STUDIES.get(case.study, InTime)
            ready = run(made, folder, quiet=quiet)
            made.system.waiting.compile()
            return ready
    except Exception as error:
        if not is_of_compiler(error):
            raise
        reason = compiler_failure(domain.comm, error, printed.getvalue())
    finally:
        sys.stdout.write(printed.getvalue())
    raise RunError(
        f"the forms cannot be compiled: {reason}; a C compiler and space in {jit_folder()} are "
        "needed (another folder: XDG_CACHE_HOME)"
    )


# -- command line ------------------------------------------------------------------------------


def main_run(case: Case, folder: Path, **options: Any) -> int:
    """Entry point of `hostplate run` on every rank; errors go to the command line's handler."""
    install_abort_hook(MPI.COMM_WORLD)
    run(case, folder, **options)
    return 0


def main_resume(folder: Path, *, overrides: Sequence[str] = (), **options: Any) -> int:
    """Entry point of `hostplate resume` on every rank; errors go to the command line's handler."""
    install_abort_hook(MPI.COMM_WORLD)
    resume(folder, overrides=overrides, **options)
    return 0
