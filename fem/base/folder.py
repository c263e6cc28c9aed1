"""Result folders: who may write there, and files that are replaced in one move."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.base.parallel import on_root
from fem.base.paths import refuse_other_than_utf8

__all__ = ["FolderLock", "claim_folder", "move_aside", "refuse_folder", "write_bytes",
           "write_json", "write_text"]

#: Files and folders by which a folder of results is recognised.
RESULT_NAMES = ("series.csv", "summary.json", "fields", "checkpoints")


def write_text(path: Path | str, text: str | Iterable[str]) -> None:
    """Replace a file in one move; readers see the old one or the new one, never a part.

    Args:
        path: of the file.
        text: its content, in one piece or in many.
    """
    write_bytes(path, (part.encode() for part in ([text] if isinstance(text, str) else text)))


def write_bytes(path: Path | str, content: bytes | Iterable[bytes]) -> None:
    """Replace a file by bytes in one move, like `write_text`."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(draft, "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None  # nobody knows the draft
        raise


def write_json(comm: Any, path: Path | str, content: Mapping[str, Any]) -> None:
    """Write a dict as JSON in one move, on rank 0 (collective).

    Numpy numbers and arrays become numbers and lists; NaN and infinities become null, which
    JSON lacks.

    Raises:
        RunError: the disk refuses, or a value has no JSON form; on all ranks.
    """

    def write() -> None:
        write_text(path, json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")

    on_root(comm, write)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


# -- who may write -----------------------------------------------------------------------------


class FolderLock:
    """One run at a time in a folder: the file `.lock` says who.

    The lock of a process of this machine that no longer runs is taken over with a message. A
    process of another machine cannot be asked; it counts as dead when its lock has not been
    touched for `PATIENCE` seconds (a thread touches it every minute) or when it was an earlier
    start of the same batch job. Ranks of a run that has just failed may need a moment to go: a live
    process of this machine is asked again for `GRACE` seconds.
    """

    GRACE = 5.0
    PATIENCE = 900.0
    PULSE = 60.0

    def __init__(self, folder: Path | str, comm: Any = None):
        self.path = Path(folder) / ".lock"
        self.comm = comm
        self.message = ""
        self._held = False  # on all ranks; the thread that touches the file is on rank 0
        self._stop: threading.Event | None = None

    def acquire(self) -> FolderLock:
        """Take the lock (collective if there is a communicator).

        Raises:
            CaseError: a live run has it.
        """
        if self.comm is None:
            self._acquire()
        else:
            self.message = on_root(self.comm, self._acquire)
        self._held = True
        return self

    def release(self) -> None:
        """Give the lock back; harmless if this process does not have it."""
        self._held = False
        if self._stop is not None:
            self._stop.set()
            self._stop = None
            self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """Tell whether the lock could be had.

        Raises:
            CaseError: a live run has it.
        """
        self._wait()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._owner_or_error()

    def _acquire(self) -> str:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        mine = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
            "process_start": _process_start(os.getpid()),
            "job": os.environ.get("SLURM_JOB_ID", ""),
        }
        self._wait()  # before it is this run's turn: nobody waits for one that waits
        with _one_at_a_time(self.path.parent):
            with contextlib.suppress(FileNotFoundError):
                owner = self._owner_or_error()
                self.message = (
                    f"{self.path.parent}: taking over from process {owner.get('pid')} on "
                    f"{owner.get('host')} (started {owner.get('started')}), which is no longer "
                    "running"
                )
                self.path.unlink()
            draft = self.path.with_name(f".lock.{os.getpid()}.tmp")
            draft.write_text(json.dumps(mine))
            try:  # a lock that is there is whole, even if its owner is killed right now
                os.link(draft, self.path)
            except FileExistsError:
                raise CaseError(f"{self.path.parent}: another run has just started here") from None
            except OSError:  # no links on this file system
                os.replace(draft, self.path)
            draft.unlink(missing_ok=True)
        self._stop = threading.Event()
        pulse = (self.path, self._stop, self.PULSE)
        threading.Thread(target=_touch, args=pulse, daemon=True).start()
        return self.message

    def _wait(self) -> None:
        """Wait up to `GRACE` seconds while a live process of this machine has the lock."""
        until = time.monotonic() + self.GRACE
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            while time.monotonic() < until:
                owner, dead = self._owner()
                if dead or owner.get("pid") == os.getpid() or not _is_here(owner):
                    return
                time.sleep(0.1)

    def _owner(self) -> tuple[dict[str, Any], bool]:
        """Owner of the lock, and whether that process is dead."""
        owner = _parsed(self.path)
        if _is_here(owner):
            start = _process_start(owner["pid"])
            return owner, start is None or start != owner.get("process_start", start)
        age = time.time() - self.path.stat().st_mtime
        job = os.environ.get("SLURM_JOB_ID", "")
        return owner, age > self.PATIENCE or bool(job and owner.get("job") == job)

    def _owner_or_error(self) -> dict[str, Any]:
        """Owner of a lock left behind; an error if that process still runs or may do so."""
        owner, dead = self._owner()
        if dead:
            return owner
        raise CaseError(
            f"{self.path.parent} is in use by process {owner.get('pid')} on {owner.get('host')} "
            f"since {owner.get('started')}; choose another folder with --out, or, if you are "
            f"sure that run is over, delete {self.path}"
        )

    def __enter__(self) -> FolderLock:
        return self if self._held else self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def _parsed(path: Path) -> dict[str, Any]:
    """Content of a lock file; empty if it is not one of ours."""
    try:
        owner = json.loads(path.read_text())
    except ValueError:
        return {}
    ours = isinstance(owner, dict) and isinstance(owner.get("pid"), int)
    return owner if ours else {}


def claim_folder(comm: Any, folder: Path | str, overwrite: bool = False) -> FolderLock:
    """Make a folder ready for a new run and lock it (collective).

    With `overwrite` the results that are there are moved to `<name>.old-N` beside it, never
    deleted.

    Returns:
        The lock, held; its `message` is not empty if there is something to tell the user.

    Raises:
        CaseError: results are there and `overwrite` is not set, a live run uses the folder, or it
            cannot be moved. Nothing was touched.
    """
    folder = Path(folder)
    lock = FolderLock(folder)

    def claim() -> str:
        held = refuse_folder(folder, overwrite)
        note = ""
        if held:
            note = f"earlier results moved to {move_aside(folder)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CaseError(f"{folder}: cannot be created: {error.strerror}") from None
        lock.acquire()
        return note or lock.message

    lock.message = on_root(comm, claim)
    lock._held = True
    return lock


def refuse_folder(folder: Path | str, overwrite: bool = False) -> list[str]:
    """Names of the results that a folder holds; touches nothing.

    Raises:
        CaseError: as `claim_folder`.
    """
    folder = Path(folder)
    refuse_other_than_utf8(folder.absolute())
    if folder.exists() and not folder.is_dir():
        raise CaseError(f"{folder} is a file; choose another folder with --out")
    FolderLock(folder).check()
    held = [name for name in RESULT_NAMES if (folder / name).exists()]
    if held and not overwrite:
        raise CaseError(
            f"{folder} already holds results ({', '.join(held)}); choose another folder with "
            "--out, go on with `hostplate resume`, or move them aside with --overwrite"
        )
    return held


def move_aside(folder: Path) -> Path:
    """Rename a folder to `<name>.old-N`.

    Raises:
        CaseError: it is the working folder.
    """
    here = folder.resolve()
    if here == Path.cwd() or here in Path.cwd().parents:
        raise CaseError(f"{folder} cannot be moved aside: it is the working folder")
    aside = next(p for p in _aside(here) if not p.exists())
    os.rename(here, aside)
    return aside


def _aside(folder: Path) -> Iterator[Path]:
    number = 1
    while True:
        yield folder.with_name(f"{folder.name}.old-{number}")
        number += 1


def _is_here(owner: dict[str, Any]) -> bool:
    """Tell whether a lock is of this machine."""
    return owner.get("host") == socket.gethostname()


def _process_start(pid: int) -> str | None:
    """Start time of a live process of this machine ("" where it is not known), None if dead."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:  # numbers of processes are used again; their start times are not
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return None if fields[0] == "Z" else fields[19]


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two processes do not judge the same stale lock together; as far as the disk supports it."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _touch(path: Path, stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        with contextlib.suppress(OSError):
            os.utime(path)
