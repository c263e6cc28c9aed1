"""Results for other programs: VTKHDF, VTU, CSV and NPZ files, and a script for ParaView.

The run's own files, XDMF and HDF5, open in ParaView as they are; these are for what else there is.
Each block of fields (`pore`, `solid`, `walls`, ...) is a mesh of its own. Names of regions and
units of fields go with it, as far as a format has a place for them.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError, RunError, nearest
from fem.base.folder import write_text
from fem.base.parallel import refusal
from fem.post.fields import field_of
from fem.results.result import Result

__all__ = ["FORMATS", "export"]

Array = npt.NDArray[Any]

#: Format -> what it writes.
FORMATS: dict[str, str] = {
    "vtkhdf": "a file a block with all times (ParaView >= 5.12, VTK >= 9.3)",
    "vtu": "a file a block and time, a .pvd that lists them, units and regions in about.json (any "
    "ParaView, VisIt, meshio)",
    "csv": "a table of nodes and one of cells for each block and time (spreadsheets)",
    "npz": "one file with all arrays (numpy, MATLAB by way of scipy)",
    "paraview": "a script that opens the run's own files in ParaView, in um",
}
#: VTK's number of a simplex by its corners.
SIMPLEX = {2: 3, 3: 5, 4: 10}
#: Script that `paraview` copies; its name must not be `paraview.py`, which would hide the module.
SCRIPT = "load_in_paraview.py"


def export(
    folder: Path | str,
    kind: str,
    out: Path | str | None = None,
    *,
    blocks: Sequence[str] = (),
    fields: Sequence[str] = (),
    t: float | None = None,
) -> list[Path]:
    """Write a result in a format of `FORMATS`.

    Args:
        folder: a result folder, finished or not.
        kind: of the files.
        out: folder for them; default `<folder>/export`, of the script for ParaView `folder` itself.
        blocks: only these; default all.
        fields: only these; default all.
        t: only the stored time nearest to it, s; default all.

    Returns:
        The files written.

    Raises:
        CaseError: no such block or field, or a file of that name exists; nothing was written.
        RunError: the disk refuses.
    """
    result = Result(folder)
    if not result.blocks:
        raise CaseError(f"{result.folder}: no fields were written yet")
    if kind == "paraview" and (blocks or fields or t is not None):
        raise CaseError("export: the script for ParaView loads all of a result; blocks, fields and "
                        "a time are chosen with the other formats, or in ParaView")
    target = Path(out) if out is not None else result.folder / "export"
    chosen = _chosen(result, blocks, fields)
    writers: dict[str, Callable[..., Iterable[tuple[Path, Callable[[Path], None]]]]] = {
        "vtkhdf": _vtkhdf, "vtu": _vtu, "csv": _csv, "npz": _npz, "paraview": _script,
    }  # fmt: skip
    times = result.times if t is None else np.array([result.time(t)])
    planned = list(writers[kind](result, target, chosen, times))
    if taken := [str(path) for path, _ in planned if path.exists()]:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise CaseError(f"{taken[0]}{more} already there; nothing was written: give another --out")
    for path, write in planned:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}")
            write(draft)
            os.replace(draft, path)
        except OSError as error:
            why = refusal(error, again="the same command")
            raise RunError(f"{path} cannot be written: {why}") from None
    return [path for path, _ in planned]


def _chosen(result: Result, blocks: Sequence[str], fields: Sequence[str]) -> dict[str, list[str]]:
    """Blocks with their fields, only those that are asked for.

    Raises:
        CaseError: one of them is not there; names the nearest.
    """
    for block in blocks:
        if block not in result.blocks:
            raise CaseError(f"no block {block!r}; {nearest(block, result.blocks)}")
    found = {block: result.fields(block) for block in blocks or result.blocks}
    known = {name for names in found.values() for name in names}
    for name in fields:
        if name not in known:
            raise CaseError(f"no field {name!r}; {nearest(name, known)}")
    if not fields:
        return found
    kept = {b: [n for n in names if n in fields or n == "region"] for b, names in found.items()}
    return {block: names for block, names in kept.items() if set(names) - {"region"}}


def unit_of(result: Result, name: str) -> str:
    """SI unit of a field, empty for plain numbers."""
    return field_of(result, name).unit


def _present(result: Result, block: str, names: Sequence[str], t: float) -> list[str]:
    """Fields of a block at a time."""
    return [name for name in names if name in result.fields_at(block, t)]


# -- VTKHDF ----------------------------------------------------------------------------------------


def _vtkhdf(
    result: Result, target: Path, chosen: Mapping[str, list[str]], times: Array
) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    for block, names in chosen.items():

        def write(path: Path, block: str = block, names: list[str] = names) -> None:
            _write_vtkhdf(path, result, block, names, times)

        yield target / f"{block}.vtkhdf", write


def _write_vtkhdf(
    path: Path, result: Result, block: str, names: Sequence[str], times: Array
) -> None:
    """One block with all times; a mesh that stays the same is kept once.

    Format: "VTKHDF", UnstructuredGrid of version 2.0 with `Steps`, as VTK documents it.
    """
    import h5py

    meshes: list[tuple[Array, Array]] = []
    which = []  # mesh of each time
    for t in times:
        points, cells = result.points(block, t), result.cells(block, t)
        same = [k for k, (p, c) in enumerate(meshes)
                if p.shape == points.shape and np.array_equal(c, cells)
                and np.array_equal(p, points)]  # fmt: skip
        if not same:
            meshes.append((points, cells))
        which.append(same[0] if same else len(meshes) - 1)
    steps = len(times)
    kept = [n for n in names if all(n in result.fields_at(block, t) for t in times)]
    with h5py.File(path, "w") as h5:
        root = h5.create_group("VTKHDF")
        root.attrs["Version"] = np.array([2, 0], dtype=np.int64)
        root.attrs.create("Type", b"UnstructuredGrid", dtype=h5py.string_dtype("ascii", 16))
        for name, numbers in {
            "NumberOfPoints": [len(p) for p, _ in meshes],
            "NumberOfCells": [len(c) for _, c in meshes],
            "NumberOfConnectivityIds": [c.size for _, c in meshes],
        }.items():
            root[name] = np.array(numbers, dtype=np.int64)
        root["Points"] = np.concatenate([p for p, _ in meshes])
        root["Connectivity"] = np.concatenate([c.ravel() for _, c in meshes]).astype(np.int64)
        root["Offsets"] = np.concatenate(
            [np.arange(len(c) + 1, dtype=np.int64) * c.shape[1] for _, c in meshes])  # fmt: skip
        root["Types"] = np.concatenate(
            [np.full(len(c), SIMPLEX[c.shape[1]], dtype=np.uint8) for _, c in meshes])  # fmt: skip
        group = root.create_group("Steps")
        group.attrs["NSteps"] = np.int64(steps)
        group["Values"] = np.asarray(times, dtype=float)
        group["PartOffsets"] = np.array(which, dtype=np.int64)
        group["NumberOfParts"] = np.ones(steps, dtype=np.int64)
        before = {
            "PointOffsets": np.cumsum([0, *(len(p) for p, _ in meshes)]),
            "CellOffsets": np.cumsum([0, *(len(c) for _, c in meshes)]),
            "ConnectivityIdOffsets": np.cumsum([0, *(c.size for _, c in meshes)]),
        }
        for name, sums in before.items():
            # (steps, kinds of topology): an unstructured grid has one
            offsets = np.array([sums[k] for k in which], dtype=np.int64)
            group[name] = offsets if name == "PointOffsets" else offsets[:, None]
        for place in ("Node", "Cell"):
            data = {"Node": "PointData", "Cell": "CellData"}[place]
            into = root.create_group(data)
            starts = group.create_group(f"{data}Offsets")
            for name in kept:
                if result.center(name, block) != place:
                    continue
                arrays = [result.array(name, t, block) for t in times]
                into[name] = np.concatenate(arrays)
                into[name].attrs["unit"] = unit_of(result, name)
                starts[name] = np.cumsum([0, *(len(a) for a in arrays[:-1])]).astype(np.int64)
        # VTK 9.7's reader dies of texts among field data: they are attributes, for h5py and h5dump.
        h5.attrs["about"] = _about(result, kept)


def _about(result: Result, names: Iterable[str]) -> list[str]:
    """Lines that say what numbers mean: units of fields, names of regions."""
    lines = [f"unit of {n}: {unit_of(result, n) or '1'}" for n in names if n != "region"]
    return lines + [f"region {number}: {name}" for name, number in result.regions.items()]


# -- VTU -------------------------------------------------------------------------------------------


def _vtu(
    result: Result, target: Path, chosen: Mapping[str, list[str]], times: Array
) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    for block, names in chosen.items():
        listed = []
        for k, t in enumerate(times):
            file = target / block / f"{block}_{k:04d}.vtu"
            listed.append((t, file))

            def write(path: Path, block: str = block, names: list[str] = names,
                      t: float = t) -> None:  # fmt: skip
                grid = result.grid(block, t)
                for data in (grid.point_data, grid.cell_data):
                    for name in set(data) - set(names):
                        del data[name]
                grid.clear_field_data()  # meshio reads no texts there: they are in about.json
                draft = path.with_suffix(".draft.vtu")  # pyvista chooses the format by the ending
                grid.save(draft)
                os.replace(draft, path)

            yield file, write

        def collection(path: Path, listed: list[tuple[float, Path]] = listed) -> None:
            sets = "".join(f'<DataSet timestep="{t!r}" file="{file.parent.name}/{file.name}"/>\n'
                           for t, file in ((float(t), file) for t, file in listed))  # fmt: skip
            write_text(path, '<?xml version="1.0"?>\n<VTKFile type="Collection" version="1.0">\n'
                             f"<Collection>\n{sets}</Collection>\n</VTKFile>\n")  # fmt: skip

        yield target / f"{block}.pvd", collection
    units = {name: unit_of(result, name) for names in chosen.values() for name in names
             if name != "region"}
    about = {"units": units, "regions": result.regions}
    yield target / "about.json", lambda path: write_text(path, json.dumps(about, indent=2) + "\n")


# -- tables and arrays -----------------------------------------------------------------------------


def _csv(
    result: Result, target: Path, chosen: Mapping[str, list[str]], times: Array
) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    for block, names in chosen.items():
        for k, t in enumerate(times):
            for place in ("Node", "Cell"):
                here = [n for n in _present(result, block, names, t)
                        if result.center(n, block) == place]  # fmt: skip
                if set(here) - {"region"}:
                    word = {"Node": "nodes", "Cell": "cells"}[place]

                    def write(path: Path, block: str = block, here: list[str] = here,
                              t: float = t, place: str = place) -> None:  # fmt: skip
                        _write_table(path, result, block, here, t, place)

                    yield target / f"{block}_{word}_{k:04d}.csv", write
    yield target / "times.csv", lambda path: write_text(
        path, "number,t [s]\n" + "".join(f"{k},{t!r}\n" for k, t in enumerate(map(float, times)))
    )


def _write_table(
    path: Path, result: Result, block: str, names: Sequence[str], t: float, place: str
) -> None:
    """Places and values, a row each; vectors in three columns, regions by name."""
    points = result.points(block, t)
    if place == "Cell":
        points = points[result.cells(block, t)].mean(axis=1)
    titles, columns = ["x [m]", "y [m]", "z [m]"], [*points.T]
    region_of = {number: name for name, number in result.regions.items()}
    for name in names:
        values = result.array(name, t, block)
        unit = f" [{unit_of(result, name)}]" if unit_of(result, name) else ""
        if name == "region":
            titles.append(name)
            columns.append(np.array([region_of.get(int(v), str(int(v))) for v in values]))
        elif values.ndim == 1:
            titles.append(f"{name}{unit}")
            columns.append(values)
        else:
            titles += [f"{name}_{axis}{unit}" for axis in "xyz"]
            columns += [*values.T]
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(titles)
        rows.writerows(zip(*(column.tolist() for column in columns), strict=True))


def _npz(
    result: Result, target: Path, chosen: Mapping[str, list[str]], times: Array
) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    def write(path: Path) -> None:
        arrays: dict[str, Array] = {"times": np.asarray(times, dtype=float)}
        units = {}
        for block, names in chosen.items():
            first = times[0]
            shape = result.points(block, first).shape
            for t in times[1:]:
                if result.points(block, t).shape != shape:
                    raise CaseError(
                        f"{block}: its mesh changes at t = {t:g} s; export one --time after another"
                    )
            arrays[f"{block}/points"] = result.points(block, first)
            arrays[f"{block}/cells"] = result.cells(block, first)
            for name in names:
                if all(name in result.fields_at(block, t) for t in times):
                    found = [result.array(name, t, block) for t in times]
                    fixed = name == "region"
                    arrays[f"{block}/{name}"] = found[0] if fixed else np.stack(found)
                    units[f"{block}/{name}"] = unit_of(result, name)
        arrays |= {f"series/{name}": values for name, values in result.series.items()}
        units |= {f"series/{name}": unit for name, unit in result.units.items()}
        arrays["units"] = np.array(json.dumps(units))
        arrays["regions"] = np.array(json.dumps(result.regions))
        with path.open("wb") as file:  # np.savez would add an ending to the draft's name
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    yield target / "fields.npz", write


# -- ParaView --------------------------------------------------------------------------------------


def _script(
    result: Result, target: Path, chosen: Mapping[str, list[str]], times: Array
) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    beside = target == result.folder / "export"  # no --out: into the result, which may be moved

    def copy(path: Path) -> None:
        text = Path(__file__).with_name(SCRIPT).read_text(encoding="utf-8")
        if not beside:
            text = text.replace('RESULT = ""', f"RESULT = {str(result.folder.resolve())!r}", 1)
        write_text(path, text)

    yield (result.folder if beside else target) / SCRIPT, copy
