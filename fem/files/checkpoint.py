"""Checkpoints: the whole state of a run, complete or not there at all.

A checkpoint is a folder `checkpoints/state.<k>` with one `rank<r>.npz` per rank, a `manifest.json`
(time, step history, place in the protocol, hashes) and the hash of the manifest. It is written
under another name, flushed to disk and renamed; `latest.json` is then replaced atomically, and the
two newest are kept. A job killed at any moment leaves the previous one valid.

Each nodal field goes with the numbers that its owned nodes have in the mesh file, so a state can be
taken up by another number of ranks, or as the start of another run on the same mesh.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.base.parallel import all_agree, on_root, refusal
from fem.compat import cell_vertices, owned_size
from fem.mesh.domain import Subdomain
from fem.system.system import System

__all__ = [
    "Checkpoint", "by_node", "latest", "load", "node_numbers", "observed", "save", "set_aside",
    "take_nodes",
]

#: Number of checkpoints that are kept.
CHECKPOINTS_KEPT = 2
#: File with the hash of the manifest; the manifest has those of the other files.
HASH_FILE = "sha256.json"
Array = npt.NDArray[np.float64]


class Checkpoint(NamedTuple):
    """A checkpoint: its folder, its manifest, and newer ones that were found damaged."""

    state: Path
    manifest: dict[str, Any]
    damaged: list[str]


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
            numbers = {f"nodes.{name}": ids for name, ids in _owned_nodes(system).items()}
            np.savez(file, cells=_cells(system), **numbers, **system.state())  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        digest = _digest(path)
    except OSError as error:
        problem = f"checkpoint {refusal(error, temporary)}"
    all_agree(comm, problem)
    digests = comm.gather(digest, root=0)

    def finish() -> str:
        kept = {**manifest, "clock": system.time.clock(), "ranks": comm.size, "sha256": digests}
        manifest_file = temporary / "manifest.json"
        _write_synced(manifest_file, kept)
        _write_synced(temporary / HASH_FILE, {"manifest.json": _digest(manifest_file)})
        final = base / f"state.{number}"
        _sync_folder(temporary)
        temporary.rename(final)
        pointer = base / "latest.json.tmp"
        _write_synced(pointer, {"state": final.name})
        pointer.replace(base / "latest.json")
        _sync_folder(base)  # the new names last before the oldest goes
        for old in sorted(base.glob("state.*"), key=_number)[:-CHECKPOINTS_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return str(final)

    return Path(on_root(comm, finish))


def latest(folder: Path) -> Checkpoint:
    """The newest checkpoint that is whole (no communication).

    Raises:
        CaseError: there is none.
    """
    base = folder / "checkpoints"
    damaged: list[str] = []
    states = [p for p in base.glob("state.[0-9]*") if p.suffix != ".tmp"]
    for state in sorted(states, key=_number, reverse=True):
        manifest = _whole(state)
        if manifest is not None:
            return Checkpoint(state, manifest, damaged)
        damaged.append(state.name)
    note = f" ({', '.join(damaged)} damaged)" if damaged else ""
    raise CaseError(
        f"{folder}: no intact checkpoint{note}; start again with "
        "`hostplate run ... --overwrite`"
    )


def _whole(state: Path) -> dict[str, Any] | None:
    """The manifest of a checkpoint whose files all have their hash, else None."""
    try:
        manifest: dict[str, Any] = json.loads((state / "manifest.json").read_text())
        hashes = {f"rank{r}.npz": digest for r, digest in enumerate(manifest["sha256"])}
        with contextlib.suppress(FileNotFoundError):  # written before there was one
            hashes |= json.loads((state / HASH_FILE).read_text())
        good = all(_digest(state / name) == digest for name, digest in hashes.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if good else None


def observed(manifest: Mapping[str, Any], charges: Mapping[str, Any]) -> dict[str, float]:
    """Numbers of observers, as `System.kept` has them; checkpoints of before have them elsewhere.

    Args:
        manifest: of the checkpoint.
        charges: of the state in it, see `System.charges`.
    """
    if "kept" in manifest:
        return dict(manifest["kept"])
    passed, seen = float(charges["passed"][0]), manifest.get("remarks", {})
    commanded, asked = manifest.get("commanded", (passed, abs(passed)))
    found = {name: manifest.get(name, 0.0) for name in ("flowing", "leaking", "unresolved")}
    start = manifest["start"]
    found |= start | {"most": manifest.get("most", start["plated"])}
    found |= {name: seen[name] for name in ("c_low", "c_high") if seen.get(name) is not None}
    return {k: float(v) for k, v in found.items()} | {"commanded": commanded, "asked": asked}


def set_aside(found: Checkpoint) -> None:
    """Rename damaged checkpoints to `damaged.<k>`: only whole ones count among those kept."""
    for name in found.damaged:
        state = found.state.with_name(name)
        aside = state.with_name(name.replace("state", "damaged"))
        shutil.rmtree(aside, ignore_errors=True)
        state.rename(aside)


def load(state: Path, manifest: dict[str, Any], system: System) -> bool:
    """Put a checkpoint into a freshly built system (collective).

    Returns:
        True if bit by bit; False if node by node, since the mesh is distributed in another way.

    Raises:
        CaseError: the fields are not those of this system.
    """
    comm = system.domain.comm
    same = manifest["ranks"] == comm.size
    if same:
        with np.load(state / f"rank{comm.rank}.npz") as file:
            same = np.array_equal(file["cells"], _cells(system))
            names = [n for n in file.files if n != "cells" and not n.startswith("nodes.")]
            arrays = {_today(n): file[n] for n in names}
    if all(comm.allgather(same)):
        odd = sorted(set(system.state()) ^ set(arrays))
        problem = f"{state}: the fields in it do not match this case: {odd}" if odd else None
        all_agree(comm, problem)
        system.restore((arrays, manifest["clock"]))
        return True
    nodal, plain = by_node(state, manifest)
    problem = None
    try:
        lost = take_nodes(system, nodal, list(system.state()))
        if any(lost.values()):
            problem = f"{state}: nodes of {sorted(n for n, k in lost.items() if k)} are missing"
    except KeyError as error:
        problem = f"{state}: field {error} is missing"
    all_agree(comm, problem)
    state_now = system.state()
    # The voltage stands once a cell, all the same; other arrays are not spread over the mesh.
    odd = [name for name, kept in plain.items() if name not in state_now or (
        name != "voltage" and kept.shape != state_now[name].shape)]
    if odd:
        problem = f"{state}: {', '.join(odd)} are not those of this case"
    all_agree(comm, problem)
    for name, kept in plain.items():
        state_now[name][:] = kept[0] if name == "voltage" else kept
    saved = system.save()[0]
    system.restore((saved, manifest["clock"]))
    return False


def by_node(
    state: Path, manifest: dict[str, Any]
) -> tuple[dict[str, tuple[npt.NDArray[np.int64], Array]], dict[str, Array]]:
    """All ranks' nodal fields, name -> (node numbers, values), and the other arrays."""
    nodal: dict[str, tuple[list[Any], list[Any]]] = {}
    plain: dict[str, Array] = {}
    for rank in range(manifest["ranks"]):
        with np.load(state / f"rank{rank}.npz") as file:
            arrays = {_today(name): file[name] for name in file.files if name != "cells"}
        numbers = {n.removeprefix("nodes."): a for n, a in arrays.items() if n[:6] == "nodes."}
        for name, array in arrays.items():
            owner = _owner(name, numbers)
            if owner is not None:  # ghosts, which stand last, are their owner's business
                ids, values = nodal.setdefault(name, ([], []))
                ids.append(numbers[owner])
                values.append(array[: len(numbers[owner])])
            elif not name.startswith("nodes.") and len(array):
                plain[name] = array
    return {n: (np.concatenate(i), np.concatenate(v)) for n, (i, v) in nodal.items()}, plain


def take_nodes(system: System, nodal: dict[str, Any], names: list[str]) -> dict[str, int]:
    """Fill fields of a system from `by_node`; returns how many nodes of each were not there.

    Raises:
        KeyError: a field is not there at all.
    """
    numbers, state = node_numbers(system), system.state()
    lost = {}
    for name in names:
        owner = _owner(name, numbers)
        if owner is None:
            continue
        ids, values = nodal[name]
        order = np.argsort(ids)
        at = np.searchsorted(ids, numbers[owner], sorter=order)
        at = order[np.minimum(at, len(ids) - 1)]
        known = ids[at] == numbers[owner]
        state[name][known] = values[at[known]]
        lost[name] = int(np.count_nonzero(~known))
    return lost


def node_numbers(system: System) -> dict[str, npt.NDArray[np.int64]]:
    """Number of the place behind each (owned or ghost) value, by field.

    It follows from the mesh file alone, whatever the ranks: of a node its number there; of an edge
    the numbers of its two nodes as one; of what each cell has for itself the cell's number.
    """
    spaces = _spaces(system)
    parts = {name: next(p for p in system.parts if p.mesh is s.mesh) for name, s in spaces.items()}
    return {name: _numbers(system, space, parts[name]) for name, space in spaces.items()}


def _spaces(system: System) -> dict[str, Any]:
    spaces = {name: u.space for name, u in system.unknowns.items()}
    return spaces | {name: f.function_space for name, f in system.memories.items()}


def _numbers(system: System, space: Any, part: Subdomain) -> npt.NDArray[np.int64]:
    mesh, dim = system.domain.mesh, system.domain.dim
    dofs, layout = space.dofmap.list[: len(part.cells)], space.dofmap.dof_layout
    index_map, width = space.dofmap.index_map, space.dofmap.index_map_bs
    place = np.zeros(index_map.size_local + index_map.num_ghosts, dtype=np.int64)
    if len(layout.entity_dofs(0, 0)):
        corners = cell_vertices(mesh)[part.cells]
        node = np.asarray(mesh.geometry.input_global_indices, dtype=np.int64)[corners]
        if part.numbers is not None:
            node = part.numbers[cell_vertices(part.mesh)]
        place[dofs[:, : dim + 1]] = node
        count = mesh.geometry.index_map().size_global
        for edge in range(dim * (dim + 1) // 2 if len(layout.entity_dofs(1, 0)) else 0):
            (middle,) = layout.entity_dofs(1, edge)
            ends = [d for d in layout.entity_closure_dofs(1, edge) if d <= dim]
            low, high = np.sort(node[:, ends], axis=1).T
            place[dofs[:, middle]] = (low + 1) * count + high
    else:
        cell = np.asarray(mesh.topology.original_cell_index, dtype=np.int64)[part.cells]
        many = dofs.shape[1]
        place[dofs] = cell[:, None] * many + np.arange(many)
    return np.asarray(place[:, None] * width + np.arange(width)).ravel()


def _owned_nodes(system: System) -> dict[str, npt.NDArray[np.int64]]:
    """`node_numbers` without ghosts."""
    spaces, numbers = _spaces(system), node_numbers(system)
    return {name: ids[: owned_size(spaces[name])] for name, ids in numbers.items()}


def _today(name: str) -> str:
    """Name of an array today; those of lagged values ended with `_seen`."""
    return re.sub(r"_seen$", "_lagged", name)


def _owner(name: str, numbers: dict[str, Any]) -> str | None:
    """The unknown or memory whose nodes an array of the state has."""
    for ending in ("", ".old", ".older", ".oldest", ".eldest"):
        if name.endswith(ending) and name.removesuffix(ending) in numbers:
            return name.removesuffix(ending)
    return None


def _cells(system: System) -> Any:
    topology = system.domain.mesh.topology
    n = topology.index_map(topology.dim).size_local
    return np.asarray(topology.original_cell_index[:n])


def _number(path: Path) -> int:
    return int(path.name.split(".")[1])


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _sync_folder(folder: Path) -> None:
    """Bring names to the disk, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _write_synced(path: Path, content: dict[str, Any]) -> None:
    with path.open("w") as file:
        json.dump(content, file, indent=1)  # piece by piece: thousands of cycles make a long text
        file.flush()
        os.fsync(file.fileno())


