"""Fixtures for all tests: ``mpirun`` (a function on MPI ranks), ``run_cli`` (the command),
``solve`` (a case of the catalogue) and ``reached`` (a number and its bound, for the table of the
full tier).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fem.base.folder import write_text

ROOT = Path(__file__).resolve().parents[1]
#: MPI launches that the CI tier may make; each costs 2 s of start-up.
MAX_LAUNCHES = 30
#: Marks of the CI tier, as in pyproject.toml.
CI_TIER = "not full and not campaign"
#: Seconds for a test of the full tier that sets no time limit of its own.
FULL_TIMEOUT = 4 * 3600.0
#: Folders with the longest files: two workers begin with them, so that both end together.
STARTED_FIRST = (
    "tests/verification", "tests/physics", "tests/run", "tests/faults", "tests/cases",
    "tests/geometries", "tests/post",
)  # fmt: skip

#: What workers add to the name of a test that starts an MPI job.
RANKS = "on ranks"

#: All tests that this process collected, those of other tiers too.
COLLECTED = pytest.StashKey[list[pytest.Item]]()

#: Objects kept out of collections until modules have left so many more. A study has 2,700 and 35
#: communicators, the mesh of a last run 150 and 8.
MAX_FROZEN = 5_000

launches = 0
looked_through = 0


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Surroundings of every child: one thread a rank, a traceback if it crashes, this checkout.

    Ranks of MPICH that wait for others sleep instead of spinning, for cores are shared here; to
    yield the core, as they do by themselves, is not enough beside ranks that do the same.
    Bytecode is kept: without it every start compiles this package, a quarter of its time.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    ours = {
        "MPIR_CVAR_CH4_PROGRESS_THROTTLE": "1",
        "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONPATH": path,
    }
    return os.environ | ours | (extra or {})


def mpiexec(ranks: int) -> list[str]:
    """Start of a command on `ranks` ranks, by the launcher that came with this Python."""
    global launches
    launches += 1
    return [str(Path(sys.executable).with_name("mpiexec")), "-n", str(ranks)]


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one MPI job of this checkout run at a time: waiting ranks keep their cores busy."""
    (folder := ROOT / ".pytest_cache").mkdir(exist_ok=True)
    with open(folder / "mpi.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed
        yield


def launch(
    command: Sequence[str], *, timeout: float, cwd: Path, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; on a time-out or Ctrl-C kill all that it started."""
    __tracebackhide__ = True
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except BaseException as reason:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        if isinstance(reason, subprocess.TimeoutExpired):
            message = f"killed after {timeout} s: {show(command, out, err)}"
            raise pytest.fail.Exception(message) from None
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def show(command: Sequence[str], out: str, err: str) -> str:
    """Command and the ends of its outputs, for a failure's message."""
    return f"{' '.join(command)}\n--- stdout\n{out[-4000:]}\n--- stderr\n{err[-8000:]}"


class Job:
    """Ranks that wait for functions to call (``tests.worker``); started once for many tests."""

    def __init__(self, ranks: int, folder: Path):
        folder.mkdir()
        self.folder, self.calls = folder, 0
        self.command = [
            *mpiexec(ranks), sys.executable, "-m", "tests.worker", str(folder), str(os.getpid())
        ]  # fmt: skip
        with open(folder / "out", "w") as out, open(folder / "err", "w") as err:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def call(self, target: str, arguments: Sequence[Any], timeout: float) -> Any:
        """Call a function on all ranks; what rank 0's call returned, or the test fails."""
        __tracebackhide__ = True
        answer = self.folder / f"{self.calls}.result"
        request = json.dumps([target, arguments, timeout], default=str)
        write_text(answer.with_suffix(".json"), request)
        self.calls += 1
        limit = time.monotonic() + timeout
        while not answer.exists():
            if self.process.poll() is not None:
                pytest.fail(f"exit {self.process.returncode}: {self.output()}")
            if time.monotonic() > limit:
                self.end()
                pytest.fail(f"killed after {timeout} s: {self.output()}")
            time.sleep(0.01)
        return json.loads(answer.read_text())

    def output(self) -> str:
        """Command and the ends of its outputs."""
        out, err = ((self.folder / name).read_text(errors="replace") for name in ("out", "err"))
        return show(self.command, out, err)

    def end(self) -> None:
        """Kill all ranks."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="session")
def mpirun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Call a function on `n` ranks and return what rank 0's call returned.

    ``mpirun(n, target, *args, timeout=120)``: `target` is a module-level function or its import
    path ``"tests.parallel.test_x:work"``; arguments and result travel as JSON (numpy scalars and
    arrays come back as numbers and lists). A failing rank fails the test and shows the output, and
    the next call gets new ranks.
    """
    jobs: dict[int, Job] = {}

    def run(n: int, target: Callable[..., Any] | str, *args: Any, timeout: float = 120) -> Any:
        __tracebackhide__ = True
        name = target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"
        with alone():
            if n not in jobs or jobs[n].process.poll() is not None:
                jobs[n] = Job(n, tmp_path_factory.mktemp("ranks") / "job")
                jobs[n].call("operator:index", [0], 120)  # the time of a call is without the start
            return jobs[n].call(name, args, timeout)

    yield run
    for job in jobs.values():
        job.end()


@pytest.fixture(scope="session")
def run_cli() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the ``hostplate`` command in a new process and return it completed, whatever its code.

    ``run_cli(*args, cwd=None, env=None, ranks=None, timeout=120)``: with `ranks`, under mpiexec.
    """

    def run(
        *args: str | Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        ranks: int | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        start = "import sys; from fem.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-c", start, *map(str, args)]
        with alone() if ranks else contextlib.nullcontext():
            return launch(
                command if ranks is None else [*mpiexec(ranks), *command],
                timeout=timeout,
                cwd=cwd or ROOT,
                env=environment(env),
            )

    return run


@pytest.fixture(scope="module")
def solve(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Run a case of the catalogue with overrides, once for all tests of a file that ask for it."""
    from fem import Case

    @functools.cache
    def run(name: str, *overrides: str) -> Any:
        case = Case.load(name, ("output.figures=false", *overrides))
        return case.run(tmp_path_factory.mktemp("solved") / name)

    return run


@pytest.fixture
def reached(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Hold a number against its bound and record both for ``tests/full-results.md``.

    ``reached(what, number, *, least=None, most=None, unit="")``: fails unless least <= number <=
    most. Every test of the full tier calls it, once for each number that its verdict hangs on.
    """

    def hold(
        what: str,
        number: float,
        *,
        least: float | None = None,
        most: float | None = None,
        unit: str = "",
    ) -> None:
        __tracebackhide__ = True
        number = float(number)
        ends = [("≥", least), ("≤", most)]
        bound = ", ".join(f"{sign} {end:.6g}" for sign, end in ends if end is not None)
        assert bound, f"{what}: needs least, most or both"
        value = f"{number:.6g} {unit}".strip()
        request.node.user_properties.append(("reached", (what, value, bound)))
        held = (least is None or number >= least) and (most is None or number <= most)
        assert held, f"{what}: {value}, bound {bound}"

    return hold


@pytest.fixture
def collected(request: pytest.FixtureRequest) -> tuple[set[Path], set[str]]:
    """Files that were collected as a whole, and their tests of the full tier.

    Names are those of a run in one process, without what `pytest_generate_tests` adds.
    """
    if any("::" in arg for arg in request.config.args):  # some tests of a file
        return set(), set()
    items, full = request.config.stash[COLLECTED], set()
    for item in items:
        test, mark, values = item.nodeid.partition("[")
        kept = [value for value in values.removesuffix("]").split("-") if value != RANKS]
        if item.get_closest_marker("full"):
            full.add(f"{test}[{'-'.join(kept)}]" if mark and kept else test)
    return {item.path for item in items}, full


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--recover`: every run of a case is stopped twice on its way and resumed."""
    parser.addoption("--recover", action="store_true", help="stop and resume every run")


@pytest.fixture(autouse=True, scope="session")
def never_wait_for_the_disk() -> Iterator[None]:
    """Look at a file that is to be synced, no more: no test cuts the power, and a run syncs 40."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(autouse=True, scope="module")
def let_go_of_shared_studies() -> Iterator[None]:
    """Free what earlier modules shared, once it may be more than a study or two."""
    global looked_through
    if gc.get_freeze_count() > looked_through + MAX_FROZEN:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        looked_through = gc.get_freeze_count()
    yield


@pytest.fixture(autouse=True)
def let_go_of_studies() -> Iterator[None]:
    """Free the studies of a test: each holds some 40 communicators, and MPI has 2,048 of them.

    What is left stays out of the collections to come, which would look through all of it.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _recover(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt runs by a signal, with `--recover`: after 3 steps, after 5 more; they go on."""
    disturbed = request.node.get_closest_marker("undisturbed") is None
    if not disturbed or not request.config.getoption("--recover"):
        return
    from fem.base.errors import Interrupted
    from fem.run import session as module
    from fem.run.signals import StopRequest

    begin, agreed = module.run, StopRequest.agreed

    def run(case: Any, folder: Path, **options: Any) -> Any:
        stops, asked = iter((3, 5, 0)), 0

        def stop(self: StopRequest) -> int:
            nonlocal asked
            asked -= 1
            return signal.SIGUSR1 if asked == 0 else agreed(self)

        def interrupted(go: Callable[..., Any], *args: Any, **more: Any) -> Any:
            nonlocal asked
            asked = next(stops)
            with monkeypatch.context() as patch:
                patch.setattr(StopRequest, "agreed", stop)
                try:
                    return go(*args, **more)
                except Interrupted:
                    if asked < 0:
                        raise
            more.pop("overwrite", None)
            return interrupted(module.resume, folder, **more)

        return interrupted(begin, case, folder, **options)

    monkeypatch.setattr(module, "run", run)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with MPI jobs and the long files; tests outside the CI tier get hours."""
    config.stash[COLLECTED] = list(items)
    items.sort(key=lambda item: (not on_ranks(item), not item.nodeid.startswith(STARTED_FIRST)))
    for item in items:
        slow = item.get_closest_marker("full") or item.get_closest_marker("campaign")
        if slow and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(FULL_TIMEOUT))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a worker (`-n 2`) whole files, in this order: their tests share meshes and runs.

    MPI jobs are one group and the first: one worker starts them one after the other, and much of
    their time ranks wait, for others or for a limit, while the other worker goes on.
    """
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return RANKS if RANKS in nodeid else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return Scheduling(config, log)


def on_ranks(test: Any) -> bool:
    """Tell whether a test starts an MPI job: it asks for ``mpirun``, maybe by `usefixtures`."""
    return "mpirun" in getattr(test, "fixturenames", ())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Name tests that start MPI jobs so that the scheduler, which sees names only, knows them."""
    if on_ranks(metafunc) and hasattr(metafunc.config, "workerinput"):
        metafunc.parametrize("mpirun", [RANKS], indirect=True, scope="session")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up the MPI launches of the workers."""
    global launches
    launches += getattr(node, "workeroutput", {}).get("launches", 0)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a CI tier that has grown too slow; a worker reports its launches instead."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["launches"] = launches
    elif too_many(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many MPI jobs the tests started, and whether that is too many."""
    verdict = ": too many, move a test to the full tier" if too_many(config) else ""
    terminalreporter.write_line(f"MPI launches: {launches} (CI tier: {MAX_LAUNCHES}){verdict}")


def too_many(config: pytest.Config) -> bool:
    """Tell whether a run of the CI tier passed its number of MPI launches."""
    return config.option.markexpr == CI_TIER and launches > MAX_LAUNCHES
