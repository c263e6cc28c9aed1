"""Checkpoints: the whole state of a run, complete or not there at all.

A checkpoint is a folder `checkpoints/state.<k>` with one `rank<r>.npz` per rank and a
`manifest.json` (time, step history, place in the protocol, hashes). It is written under another
name, flushed to disk and renamed; `latest.json` is then replaced atomically, and the two newest are
kept. A job killed at any moment leaves the previous one valid.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from .errors import CaseError
from .parallel import all_agree, on_root
from .system import System

__all__ = ["latest", "load", "save"]

KEPT = 2


def save(folder: Path, system: System, manifest: dict[str, Any]) -> Path:
    """Write a checkpoint of everything a step may change (collective).

    Args:
        folder: of the results.
        system: its state, clock and ledgers are kept.
        manifest: plain data to be kept with it (protocol position, physics hash).

    Returns:
        The checkpoint's folder.

    Raises:
        RunError: a rank could not write; the previous checkpoint is untouched.
    """
    comm = system.domain.comm
    base = folder / "checkpoints"

    def begin() -> tuple[int, str]:
        base.mkdir(parents=True, exist_ok=True)
        for stale in base.glob("*.tmp"):
            shutil.rmtree(stale, ignore_errors=True)
        found = [int(p.name.split(".")[1]) for p in base.glob("state.*") if p.is_dir()]
        number = max(found, default=0) + 1
        temporary = base / f"state.{number}.tmp"
        temporary.mkdir()
        return number, str(temporary)

    number, name = on_root(comm, begin)
    temporary = Path(name)
    problem, digest = None, ""
    try:
        path = temporary / f"rank{comm.rank}.npz"
        with path.open("wb") as file:
            np.savez(file, cells=_cells(system), **system.state())
            file.flush()
            os.fsync(file.fileno())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        problem = f"checkpoint {temporary}: {error}; free disk space or choose another --out"
    all_agree(comm, problem)
    digests = comm.gather(digest, root=0)

    def finish() -> str:
        text = json.dumps(
            {**manifest, "clock": system.clock(), "ranks": comm.size, "sha256": digests}, indent=1
        )
        _write_synced(temporary / "manifest.json", text)
        final = base / f"state.{number}"
        temporary.rename(final)
        pointer = base / "latest.json.tmp"
        _write_synced(pointer, json.dumps({"state": final.name}))
        pointer.replace(base / "latest.json")
        for old in sorted(base.glob("state.*"), key=_number)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return str(final)

    return Path(on_root(comm, finish))


def latest(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The newest checkpoint that is whole, and its manifest (no communication).

    Raises:
        CaseError: there is none.
    """
    base = folder / "checkpoints"
    for state in sorted(base.glob("state.[0-9]*"), key=_number, reverse=True):
        if state.suffix == ".tmp":
            continue
        try:
            manifest = json.loads((state / "manifest.json").read_text())
            whole = all(
                hashlib.sha256((state / f"rank{r}.npz").read_bytes()).hexdigest() == digest
                for r, digest in enumerate(manifest["sha256"])
            )
        except (OSError, ValueError, KeyError):
            continue
        if whole:
            return state, manifest
    raise CaseError(
        f"{folder}: no checkpoint that is whole; start again with `hostplate run ... --overwrite`"
    )


def load(state: Path, manifest: dict[str, Any], system: System) -> None:
    """Put a checkpoint into a freshly built system (collective).

    Raises:
        CaseError: another number of ranks.
        RunError: the mesh was distributed in another way.
    """
    comm = system.domain.comm
    if manifest["ranks"] != comm.size:
        raise CaseError(
            f"{state}: written on {manifest['ranks']} ranks, now {comm.size}; "
            f"resume with `--ranks {manifest['ranks']}`"
        )
    problem = None
    with np.load(state / f"rank{comm.rank}.npz") as file:
        if not np.array_equal(file["cells"], _cells(system)):
            problem = f"{state}: the mesh was distributed in another way; run again from the start"
        else:
            arrays = {name: file[name] for name in file.files if name != "cells"}
            missing = sorted(set(system.state()) ^ set(arrays))
            if missing:
                problem = f"{state}: fields differ from this case: {missing}"
            else:
                system.restore((arrays, manifest["clock"]))
    all_agree(comm, problem)


def _cells(system: System) -> Any:
    topology = system.domain.mesh.topology
    n = topology.index_map(topology.dim).size_local
    return np.asarray(topology.original_cell_index[:n])


def _number(path: Path) -> int:
    return int(path.name.split(".")[1])


def _write_synced(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


