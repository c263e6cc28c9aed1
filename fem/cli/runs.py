"""Commands that solve: run, resume, converge; and the launcher of ranks."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path

from fem.base import provenance
from fem.base.errors import CaseError, Interrupted, RunError
from fem.cli.arguments import (
    ONE_THREAD,
    SLEEPING_RANKS,
    case_arguments,
    hooks_argument,
    load_case,
    loading,
    set_argument,
)

#: Ranks to a core above which they are a slip, and names by which a batch system shows.
MOST_RANKS, BATCH = 8, {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "PE_HOSTFILE"}


def _run(parser: argparse.ArgumentParser) -> None:
    case_arguments(parser)
    parser.add_argument("--out", type=Path, help="results folder; default results/<case>")
    parser.add_argument("--ranks", type=_rank_count, help="start this many MPI ranks")
    parser.add_argument(
        "--overwrite", action="store_true", help="move results in the folder aside first"
    )
    hooks_argument(parser)
    parser.add_argument("--quiet", action="store_true", help="no line per step")
    parser.epilog = (
        "examples:\n"
        "  hostplate run sand\n"
        "  hostplate run mine.toml --ranks 4 --out results/mine\n"
        "  hostplate run mine.toml --set study=steady --set temperature='40 degC'"
    )
    parser.set_defaults(call=_do_run)


def _do_run(options: argparse.Namespace) -> int | None:
    case = load_case(options)  # before any MPI: wrong input ends here
    folder = options.out or Path("results") / Path(options.case).stem
    if options.ranks:
        command = ["run", options.case, "--out", str(folder)]
        command += [f"--set={assignment}" for assignment in options.overrides]
        command += ["--overwrite"] * options.overwrite + ["--hooks"] * options.hooks
        return _launch(options.ranks, command + ["--quiet"] * options.quiet, folder)
    with loading():
        from fem.run.session import main_run

    return main_run(
        case, folder, overwrite=options.overwrite, hooks=options.hooks, quiet=options.quiet
    )


def _resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="results folder of the run")
    parser.add_argument("--ranks", type=_rank_count, help="start this many MPI ranks")
    hooks_argument(parser)
    parser.add_argument("--quiet", action="store_true", help="no line per step")
    set_argument(parser, "a new end, other output or solver options; the physics must stay")
    parser.epilog = (
        "examples:\n"
        "  hostplate resume results/mine --ranks 4\n"
        "  hostplate resume results/mine --set protocol.0.duration='3 h'"
    )
    parser.set_defaults(call=_do_resume)


def _do_resume(options: argparse.Namespace) -> int | None:
    if not options.folder.is_dir():
        raise CaseError(f"no results folder {str(options.folder)!r}; start with `hostplate run`")
    if options.ranks:
        command = ["resume", str(options.folder), *["--hooks"] * options.hooks]
        command += ["--quiet"] * options.quiet
        command += [f"--set={text}" for text in options.overrides]
        return _launch(options.ranks, command, options.folder)
    with loading():
        from fem.run.session import main_resume

    return main_resume(
        options.folder, overrides=options.overrides, hooks=options.hooks, quiet=options.quiet
    )


def _converge(parser: argparse.ArgumentParser) -> None:
    case_arguments(parser)
    parser.add_argument("--out", type=Path, help="folder; default results/<case>_converge")
    parser.add_argument("--ranks", type=_rank_count, help="start this many MPI ranks")
    parser.add_argument("--overwrite", action="store_true", help="move earlier results aside")
    hooks_argument(parser)
    parser.add_argument(
        "--quick", action="store_true", help="sizes times 4, 2, 1 instead of 2, 1, 1/2"
    )
    parser.epilog = "example:\n  hostplate converge limiting_current --quick"
    parser.set_defaults(call=_do_converge)


def _do_converge(options: argparse.Namespace) -> int | None:
    case = load_case(options)
    folder = options.out or Path("results") / f"{Path(options.case).stem}_converge"
    if options.ranks:
        command = ["converge", options.case, "--out", str(folder), *["--quick"] * options.quick]
        command += ["--overwrite"] * options.overwrite + ["--hooks"] * options.hooks
        command += [f"--set={text}" for text in options.overrides]
        return _launch(options.ranks, command, folder)
    with loading():
        from fem.run.converge import main_converge

    return main_converge(
        case, folder, quick=options.quick, overwrite=options.overwrite, hooks=options.hooks
    )


def _rank_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of ranks")
    return int(text)


def _launch(ranks: int, command: list[str], folder: Path) -> int:
    """Run a command under the mpirun that belongs to this Python; its exit code.

    Signals are passed on, once each: the job is a process group of its own, which the keyboard
    does not reach. If this process is killed, the job is asked to stop. A rank that is killed ends
    the job with an exit code of the launcher's; it becomes 2.
    """
    import subprocess

    under = next((n for n in ("PMI_RANK", "OMPI_COMM_WORLD_RANK") if n in os.environ), None)
    if under:
        raise CaseError(f"--ranks cannot be used inside an MPI job ({under} is set); leave it out")
    cores = len(os.sched_getaffinity(0))
    if ranks > MOST_RANKS * cores and BATCH.isdisjoint(os.environ):  # there they go to many nodes
        raise CaseError(
            f"--ranks {ranks}: this machine gives {cores} cores, and each rank takes a third of a "
            f"GB; give at most {MOST_RANKS} to a core, one is best"
        )
    beside = [Path(sys.executable).with_name(name) for name in ("mpiexec", "mpirun")]
    launcher = next((str(path) for path in beside if path.exists()), None)
    launcher = launcher or shutil.which("mpiexec") or shutil.which("mpirun")
    if launcher is None:
        raise CaseError(
            f"no mpiexec or mpirun beside {sys.executable} or on PATH; install the solver"
        )
    environment = dict.fromkeys(ONE_THREAD, "1") | dict(os.environ)
    if ranks > cores:
        environment.setdefault(SLEEPING_RANKS, "1")
    environment[provenance.COMMAND_VARIABLE] = provenance.command()
    sys.stdout.flush()
    full = [launcher, "-n", str(ranks), sys.executable, "-m", "fem.cli", *command]
    forwarded = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    sent: list[int] = []
    before = {number: signal.signal(number, lambda n, _: sent.append(n)) for number in forwarded}
    try:
        with subprocess.Popen(full, env=environment, stdin=subprocess.DEVNULL, process_group=0,
                              preexec_fn=_die_with_parent) as job:

            def forward(number: int, _: object) -> None:
                sent.append(number)
                job.send_signal(number)

            for number in forwarded:
                signal.signal(number, forward)
            for early in tuple(sent):  # before the job was there
                job.send_signal(early)
            code = job.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if code in (0, *(kind.exit_code for kind in (CaseError, RunError, Interrupted))):
        return code
    resumable = any((folder / "checkpoints").glob("state.*[0-9]"))
    way_out = (
        f"go on from the last checkpoint with `hostplate resume {folder} --ranks {ranks}`"
        if resumable else "no checkpoint had been written: start again"
    )
    if sent:
        raise Interrupted(f"stopped by signal {sent[0]}; {way_out}")
    raise RunError(
        f"a rank was killed before it could finish ({Path(launcher).name} ended with {code}): by "
        f"hand, by a batch system, or because the machine ran out of memory; {way_out}"
    )


def _die_with_parent() -> None:
    """In the child: ask for SIGTERM when the parent dies (Linux; elsewhere nothing happens)."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))  # 1: PR_SET_PDEATHSIG
