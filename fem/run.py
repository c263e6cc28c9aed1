"""From a case to a result folder: the loop that everybody starts.

    from fem import Case
    result = Case.load("sand").run("results/sand")

The result folder holds the resolved case, `series.csv` (a line per accepted step), `summary.json`,
`fields/` for ParaView, `probes/`, `checkpoints/` and `figures/`. Nothing is written before case,
mesh and probes have been checked and all forms compiled; the first thing written is a checkpoint at
t = 0, so that a run killed at any later moment can be resumed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import checkpoint
from .case import Case
from .case_files import apply_override, read_toml
from .compat import MPI, sweep_jit_cache
from .domain import Domain
from .errors import CaseError
from .model import build
from .output import FolderLock, claim_folder
from .parallel import check_launcher, install_abort_hook, on_root
from .simulation import Simulation

__all__ = ["cache_folder", "main_resume", "main_run", "resume", "run"]


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
        comm: the ranks that take part.
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
    domain = Domain.read(on_root(comm, mesh_folder, case), comm)
    simulation = Simulation(build(case, domain), Path(folder), quiet=quiet)
    simulation.check()
    lock = claim_folder(comm, folder, overwrite)
    try:
        if lock.message:
            simulation.say(lock.message)
        with simulation.stop.listening():
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
        CaseError: no checkpoint, or other physics.
    """
    from .results import Result

    folder = Path(folder)
    check_launcher(comm)
    case = on_root(comm, _stored_case, folder, overrides)
    found = on_root(comm, checkpoint.latest, folder)
    domain = Domain.read(on_root(comm, mesh_folder, case), comm)
    digest, stored = case.physics_hash(domain.sidecar["hash"]), found.manifest["physics"]
    if digest != stored:
        raise CaseError(
            f"{folder}: the case or its mesh is not the one of the checkpoint (physics "
            f"{digest[:12]}, checkpoint {stored[:12]}); undo the change, or start "
            "again with `hostplate run`"
        )
    simulation = Simulation(build(case, domain), folder, quiet=quiet)
    lock = FolderLock(folder, comm).acquire()
    try:
        if lock.message:
            simulation.say(lock.message)
        with simulation.stop.listening():
            simulation.continue_from(found)
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


def mesh_folder(case: Case) -> Path:
    """Folder of the mesh of a case, built or converted on the first call (rank 0 only)."""
    import geometries

    sweep_jit_cache()
    if case.mesh is not None:
        return geometries.cached_conversion(
            case.mesh.file, cache_folder(), unit=case.mesh.unit, names=case.mesh.names,
            axisymmetric=case.mesh.axisymmetric, refine=case.mesh.refine,
        )
    assert case.geometry is not None
    return geometries.cached(case.geometry["family"], dict(case.geometry), cache_folder())


def _stored_case(folder: Path, overrides: Sequence[str]) -> Case:
    """The case of a result; where it started from is in its checkpoints by now."""
    data = read_toml(folder / "case.toml")
    for assignment in overrides:
        apply_override(data, assignment)
    data.get("initial", {}).pop("from", None)
    return Case.from_dict(data, folder=folder)


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
