"""Kill a run with SIGKILL, again and again; resume it; the end must be the same bit by bit.

    python scripts/campaigns/kill9.py                          100 kills, a line each, then a table
    python scripts/campaigns/kill9.py --kills 2 --cycles 2     the size of the CI tier

Most kill times are uniform over the life of the run. A fifth are placed where a kill hurts most:
half of these inside a checkpoint (between its file and its manifest, before it gets its name, or
before it is the latest one), half inside the compilation of a form while the run is being resumed.
There a pause is put in from outside, and the kill comes during it.

Each run is a process of its own, forked from one that has loaded the solver, so that loading is no
part of the time in which kills fall. Exit code 0 if everything held.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from fem import Case  # noqa: E402
from fem.case.files import to_toml  # noqa: E402

#: A half cell, plated and stripped; a checkpoint after each of its protocol steps and by wall time.
CASE: dict[str, Any] = {
    "schema": 1,
    "title": "to be killed",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "geometry": {"family": "planar", "length": "40 um", "width": "8 um", "size": "2 um"},
    "protocol": [{
        "step": "cycle",
        "cycles": 6,
        "steps": [
            {"step": "plate", "current_density": "2 mA/cm^2", "duration": "20 s"},
            {"step": "strip", "current_density": "1 mA/cm^2", "duration": "20 s"},
        ],
    }],
    "time": {"dt0": "1 s", "dt_max": "2 s", "tolerance": 0.02},
    "output": {"figures": False, "fields_every": "8 s", "checkpoint_wall": "50 ms"},
}  # fmt: skip
WINDOWS = ("file written", "before its name", "before it is the latest")
PAUSE = 60.0


@dataclass
class Trial:
    """One kill: what it met and how it ended."""

    kind: str
    when: str
    resumed_at: float | None = None
    problems: list[str] = field(default_factory=list)


class Campaign:
    """All trials of one case.

    Args:
        root: scratch folder.
        seed: of kill times and windows.
    """

    def __init__(self, root: Path, seed: int):
        self.root, self.random = root, np.random.default_rng(seed)
        self.file = root / "case.toml"
        self.file.write_text(to_toml(CASE))
        self.cache = root / "cache"
        self.cache.mkdir()
        self.forms: list[str] = []

    # -- processes -----------------------------------------------------------------------------

    def start(self, command: list[str], log: Path, prepare: Callable[[], None]) -> int:
        """Process number of a forked `hostplate` command."""
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return pid
        code = 70
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            from dolfinx import jit

            jit.DOLFINX_DEFAULT_JIT_OPTIONS["cache_dir"] = (str(self.cache), "")
            prepare()
            from fem.cli.main import main

            code = main(command)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def end(self, pid: int, within: float = 120.0) -> int:
        """Exit code of a process that ends by itself; minus the signal if one ended it."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return 124

    def kill_after(self, pid: int, seconds: float) -> bool:
        """Kill it; False if it was faster."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return False
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return True

    def kill_at(self, pid: int, mark: Path) -> bool:
        """Kill it while it pauses; False if it never came there."""
        while not mark.exists():
            if os.waitpid(pid, os.WNOHANG)[0]:
                return False
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return True

    # -- the run that nobody kills -------------------------------------------------------------

    def reference(self, repeats: int) -> None:
        """Run it, and keep the forms it uses in a cache of its own; time it once more or thrice."""
        from fem import compiler
        from fem.compat import jit_folder

        source, names = jit_folder(), self.root / "forms"
        original = compiler._load

        def noted(library: Path, name: str, kind: str) -> Any:
            with names.open("a") as file:
                file.write(f"{library.name}\n")
            return original(library, name, kind)

        def prepare() -> None:
            from dolfinx import jit

            jit.DOLFINX_DEFAULT_JIT_OPTIONS["cache_dir"] = (str(source), "")
            compiler._load = noted

        folder = self.root / "whole"
        command = ["run", str(self.file), "--out", str(folder)]
        code = self.end(self.start(command, self.root / "whole.log", prepare), 600.0)
        assert code == 0, (self.root / "whole.log").read_text()
        self.forms = sorted({*names.read_text().split()})
        for name in self.forms:
            shutil.copy(source / name, self.cache)
        times = []
        for k in range(repeats):
            began = time.monotonic()
            again = ["run", str(self.file), "--out", str(self.root / f"timed{k}")]
            assert self.end(self.start(again, self.root / "whole.log", lambda: None)) == 0
            times.append(time.monotonic() - began)
        self.seconds = float(np.median(times))
        self.known = _content(folder)
        self.saves = max(
            int(p.suffix[1:]) for p in (folder / "checkpoints").glob("state.*")
        )
        self.steps = len((folder / "series.csv").read_text().splitlines()) - 1

    # -- trials --------------------------------------------------------------------------------

    def trial(self, number: int, kind: str) -> Trial:
        """One run that is killed, and gone on with until it is done."""
        folder, log = self.root / f"r{number}", self.root / f"r{number}.log"
        command = ["run", str(self.file), "--out", str(folder)]
        if kind == "checkpoint":
            which = str(self.random.choice(WINDOWS))
            at = int(self.random.integers(1, min(self.saves, 9)))
            mark = self.root / f"mark{number}"
            trial = Trial(kind, f"{which}, checkpoint {at}")
            hit = self.kill_at(
                self.start(command, log, lambda: _pause_in_checkpoint(which, at, mark)), mark
            )
        else:
            hit = False
            while not hit:  # a run that was over before is none that was killed
                shutil.rmtree(folder, ignore_errors=True)
                after = float(self.random.uniform(0.0, self.seconds))
                hit = self.kill_after(self.start(command, log, lambda: None), after)
            trial = Trial(kind, f"{after:.2f} s of {self.seconds:.2f} s")
        if not hit:
            trial.problems.append("never came there")
        if kind == "compilation":
            self.kill_in_compiler(number, folder, command, log, trial)
        self.finish(folder, command, log, trial)
        self.judge(folder, trial)
        if not trial.problems:
            for path in self.root.glob(f"r{number}*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return trial

    def kill_in_compiler(
        self, number: int, folder: Path, command: list[str], log: Path, trial: Trial
    ) -> None:
        """One form is taken out of the cache; the next start is killed while it compiles it."""
        name, mark = str(self.random.choice(self.forms)), self.root / f"mark{number}"
        (self.cache / name).unlink()
        again = ["resume", str(folder)] if _state(folder) else [*command, "--overwrite"]
        hit = self.kill_at(self.start(again, log, lambda: _pause_in_compiler(mark)), mark)
        trial.when += f", then in the compilation of form {self.forms.index(name) + 1}"
        if not hit:
            trial.problems.append("did not come to the compiler")

    def finish(self, folder: Path, command: list[str], log: Path, trial: Trial) -> None:
        """Do what a user does: resume; without a whole checkpoint, run again."""
        if _state(folder):
            trial.resumed_at = _state(folder)[-1]
            again = ["resume", str(folder)]
        else:
            again = [*command, "--overwrite"]
        code = self.end(self.start(again, log, lambda: None))
        if code:
            trial.problems.append(f"exit {code}: {log.read_text()[-300:]}")
        for old in self.root.glob(f"{folder.name}.old-*"):  # asked for by --overwrite
            shutil.rmtree(old)

    def judge(self, folder: Path, trial: Trial) -> None:
        """Check that the run ends as without the kill and leaves nothing over."""
        if trial.problems:
            return
        found = _content(folder)
        trial.problems += [
            f"{name} differs" for name in self.known if found.get(name) != self.known[name]
        ]
        left = [str(p.relative_to(folder)) for p in folder.rglob("*")
                if p.name.endswith(".tmp") or p.name == ".lock"]
        left += [p.name for p in self.cache.iterdir() if p.suffix != ".so"]
        trial.problems += [f"left over: {', '.join(left)}"] if left else []


def _state(folder: Path) -> list[float]:
    """Times of whole checkpoints, in order."""
    from fem.base.errors import CaseError
    from fem.files import checkpoint

    try:
        return [float(checkpoint.latest(folder).manifest["clock"]["t"])]
    except CaseError:
        return []


def _content(folder: Path) -> dict[str, str]:
    """Digests of the end state, the series, and the fields at each time."""
    from fem.files import checkpoint
    from fem.results.result import Result

    def digest(*arrays: Any) -> str:
        return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
                              ).hexdigest()

    found, result = checkpoint.latest(folder), Result(folder)
    with np.load(found.state / "rank0.npz") as file:
        out = {f"state {name}": digest(file[name]) for name in file.files}
    out["clock"] = json.dumps(found.manifest["clock"])
    out["series.csv"] = (folder / "series.csv").read_text()
    out["events"] = json.dumps([result.summary["events"], result.summary["cycles"]])
    for block in result.blocks:
        steps = result._read(block)
        out[f"{block} times"] = repr([step.t for step in steps])
        for name in result.fields(block):
            out[f"{block} {name}"] = digest(
                *(result.array(name, step.t, block) for step in steps)
            )
    return out


# -- pauses, put in from outside ---------------------------------------------------------------


def _pause(mark: Path) -> None:
    mark.touch()
    time.sleep(PAUSE)


def _pause_in_checkpoint(which: str, at: int, mark: Path) -> None:
    from fem.files import checkpoint

    write, rename, replace = checkpoint._write_synced, Path.rename, Path.replace

    def written(path: Path, content: dict[str, Any]) -> None:
        if which == WINDOWS[0] and path.parent.name == f"state.{at}.tmp":
            _pause(mark)
        write(path, content)

    def renamed(self: Path, target: Any) -> Path:
        if which == WINDOWS[1] and self.name == f"state.{at}.tmp":
            _pause(mark)
        return rename(self, target)

    def replaced(self: Path, target: Any) -> Path:
        if which == WINDOWS[2] and Path(target).name == "latest.json" and (
            f'"state.{at}"' in self.read_text()
        ):
            _pause(mark)
        return replace(self, target)

    checkpoint._write_synced = written
    Path.rename, Path.replace = renamed, replaced  # type: ignore[method-assign, assignment]


def _pause_in_compiler(mark: Path) -> None:
    from fem import compiler

    def compiling(*_: Any, **__: Any) -> None:
        _pause(mark)

    compiler._compile = compiling


# -- all of them -------------------------------------------------------------------------------


def campaign(kills: int, cycles: int, seed: int, root: Path) -> list[Trial]:
    """Run all trials and print what happens."""
    import fem.run.session  # noqa: F401  (loaded once, for all children)

    CASE["protocol"][0]["cycles"] = cycles
    Case.from_dict(CASE)
    # idle threads of libraries; the children use none of what they hold
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    work = Campaign(root, seed)
    work.reference(3 if kills > 20 else 1)
    print(
        f"the run that nobody kills: {work.steps} steps, {work.saves} checkpoints, "
        f"{work.seconds:.2f} s", flush=True,
    )
    assert work.steps >= 10 and work.saves >= 4
    special = max(kills // 10, 1)
    kinds = ["checkpoint"] * special + ["compilation"] * special
    kinds += ["uniform"] * (kills - len(kinds))
    trials = []
    for number, kind in enumerate(work.random.permutation(kinds)):
        trial = work.trial(number, str(kind))
        trials.append(trial)
        start = "from the beginning" if trial.resumed_at is None else f"at {trial.resumed_at:g} s"
        verdict = "; ".join(trial.problems) or "same end"
        print(f"{number + 1:4d}  {kind}: {trial.when}; resumed {start}: {verdict}", flush=True)
    return trials


def table(trials: list[Trial]) -> str:
    """Counts by kind, as Markdown."""
    lines = ["| killed | runs | resumed from a checkpoint | begun again | same end, nothing left |",
             "|---|---|---|---|---|"]
    groups: dict[str, list[Trial]] = collections.defaultdict(list)
    for trial in trials:
        groups[trial.kind].append(trial)
    where = {"uniform": "at a uniform time", "checkpoint": "inside a checkpoint",
             "compilation": "uniform, then again inside a compilation"}
    for kind, some in [*groups.items(), ("all", trials)]:
        resumed = sum(t.resumed_at is not None for t in some)
        good = sum(not t.problems for t in some)
        lines.append(f"| {where.get(kind, kind)} | {len(some)} | {resumed} | "
                     f"{len(some) - resumed} | {good} |")
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--cycles", type=int, default=6, help="of the run that is killed")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="hostplate-kill9-"))
    trials = campaign(options.kills, options.cycles, options.seed, root)
    print(table(trials))
    bad = [trial for trial in trials if trial.problems]
    resumed = sum(trial.resumed_at is not None for trial in trials)
    print(f"{len(trials)} kills, {resumed} resumed from a checkpoint, {len(bad)} went wrong, "
          f"{time.monotonic() - began:.0f} s")
    if bad:
        print(f"kept: {root}")
    else:
        shutil.rmtree(root)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
