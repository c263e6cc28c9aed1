"""Fields for ParaView, time after time.

    fields/pore.xdmf          all times of the pores, over all restarts; solid, walls likewise
    fields/pore.h5            their data
    fields/pore_0002.h5       data of what followed after a restart

Fields are gathered and written by rank 0. The data of a time are complete on disk before the
`.xdmf` that names them is replaced in one move, so a job killed at any moment leaves a file that
opens; with very many times it may lack the last 2 % of them until the run is resumed. The `.xdmf`
is one temporal collection whose grids all repeat topology and geometry: the one form that
ParaView's four XDMF readers and VTK's Python reader agree on (the XInclude form that DOLFINx writes
crashes VTK).
"""

from __future__ import annotations

import base64
import itertools
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from .blocks import Block
from .compat import cell_vertices
from .folder import write_text
from .parallel import all_agree, on_root

__all__ = ["FieldWriter"]

# The list of times is written anew when this share of it has been added; all of it at the end.
OFTEN = 64

# XDMF's and VTK's names of a simplex by its number of corners.
_SHAPES = {2: ("Polyline", 3), 3: ("Triangle", 5), 4: ("Tetrahedron", 10)}


class _Numbering:
    """Which local values of a field go where in the file."""

    def __init__(self, block: Block):
        self.mesh = mesh = block.mesh
        self.comm = mesh.comm
        self.nodes = mesh.geometry.index_map()
        self.cells = mesh.topology.index_map(mesh.topology.dim).size_local
        corners = cell_vertices(mesh)
        problem = None
        if corners.shape[1] != mesh.topology.dim + 1:
            problem = f"block {block.name!r} is not made of simplices with straight edges"
        reached = np.zeros(self.nodes.size_local + self.nodes.num_ghosts, dtype=bool)
        reached[corners.ravel()] = True
        if not problem and not reached[: self.nodes.size_local].all():
            problem = f"block {block.name!r} has nodes that belong to no cell"
        all_agree(self.comm, problem)

    def geometry(self) -> tuple[npt.NDArray, npt.NDArray] | None:
        """Cells (n, corners) by global node number and coordinates (m, 3), on rank 0."""
        local = np.ascontiguousarray(cell_vertices(self.mesh)[: self.cells], dtype=np.int32)
        cells = self.nodes.local_to_global(local.ravel()).reshape(local.shape)
        cells = _gather(self.comm, cells)
        points = _gather(self.comm, self.mesh.geometry.x[: self.nodes.size_local])
        return None if cells is None or points is None else (cells, points)

    def values(self, name: str, function: Any) -> tuple[str, npt.NDArray] | None:
        """("Node" or "Cell", values (n,) or (n, 3)) on rank 0 (collective)."""
        space = function.function_space
        width = space.dofmap.index_map_bs
        problem = None
        if space.mesh is not self.mesh:
            problem = f"field {name!r} lives on another mesh than its block"
        dofs = space.dofmap.list
        corners = cell_vertices(self.mesh)
        if dofs.shape[1] not in (1, corners.shape[1]):
            problem = f"field {name!r} is neither linear nor constant on each cell"
        all_agree(self.comm, problem)
        function.x.scatter_forward()
        data = function.x.array.reshape(-1, width)
        if dofs.shape[1] == 1:
            center, local = "Cell", data[dofs[: self.cells, 0]]
        else:
            center = "Node"
            at_node = np.zeros((self.nodes.size_local + self.nodes.num_ghosts, width))
            at_node[corners.ravel()] = data[dofs[: len(corners)].ravel()]
            local = at_node[: self.nodes.size_local]
        everyone = _gather(self.comm, local)
        if everyone is None:
            return None
        if width == 1:
            return center, everyone[:, 0]
        padded = np.zeros((len(everyone), 3))
        padded[:, :width] = everyone
        return center, padded


def _gather(comm: Any, local: npt.NDArray) -> npt.NDArray | None:
    parts = comm.gather(np.ascontiguousarray(local))
    return None if parts is None else np.concatenate(parts)


class FieldWriter:
    """Write the fields of several blocks, time after time.

    Args:
        comm: all ranks of it take part.
        folder: result folder; files go into its `fields`.
        blocks: what to write; a block without cells is left out.
        series: 1 for a new run; each restart writes into the next `.h5` (see `next_series`), and
            the one `.xdmf` goes on.
        pvd: write `.pvd` and `.vtu` beside the XDMF, for tools that know only VTK's XML.

    Raises:
        RunError: the disk refuses, or a field does not fit its block; on all ranks.
    """

    def __init__(
        self,
        comm: Any,
        folder: Path | str,
        blocks: Iterable[Block],
        series: int = 1,
        pvd: bool = False,
    ):
        self.comm = comm
        self._files: list[tuple[Block, _Numbering, _BlockFile | None]] = []
        for block in blocks:
            numbering = _Numbering(block)
            geometry = numbering.geometry()
            static = {k: numbering.values(k, f) for k, f in block.static.items()}

            opened: list[_BlockFile] = []
            path = Path(folder) / "fields" / block.name
            if on_root(comm, _open_block, opened, path, block.name, geometry, static, pvd, series):
                self._files.append((block, numbering, opened[0] if opened else None))

    def write(self, t: float) -> None:
        """Append the present values as time t, s (collective).

        Times at or after it are replaced.
        """
        for block, numbering, file in self._files:
            block.refresh()
            values = {k: numbering.values(k, f) for k, f in block.fields.items()}

            on_root(self.comm, _BlockFile.append, file, float(t), values)

    def flush(self) -> None:
        """Name all times in the files that readers open; no communication."""
        for _, _, file in self._files:
            if file is not None and file.listed < len(file.times):
                file.list()

    def truncate(self, after_t: float) -> None:
        """Forget times later than `after_t`, s: a restart writes them again (collective)."""
        for _, _, file in self._files:
            on_root(self.comm, _BlockFile.truncate, file, float(after_t))

    @staticmethod
    def next_series(comm: Any, folder: Path | str) -> int:
        """Number of the first series that has no file yet (collective)."""

        def count() -> int:
            found = [1]
            for path in (Path(folder) / "fields").glob("*.h5"):
                _, _, number = path.stem.rpartition("_")
                found.append((int(number) if number.isdigit() else 1) + 1)
            return max(found)

        return on_root(comm, count)


def _open_block(
    opened: list[_BlockFile], path: Path, name: str, geometry: Any, static: Any, pvd: bool,
    series: int,
) -> bool:
    """Start a block's files, unless it has no cells."""
    cells, points = geometry
    if not len(cells):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    opened.append(_BlockFile(path, name, cells, points, static, pvd, series))
    return True


class _Source:
    """One `.h5` of a block, and how the XDMF refers to it.

    Attributes:
        path: of the file.
        times: (t in s, number of its group) of what is whole in it, in the order of writing.
        start: times of earlier files that are later than this, s, did not happen.
        fields: name -> (`Node` or `Cell`, shape), the same at all times.
    """

    def __init__(self, path: Path):
        self.path = path
        with _hdf5(path, "r") as h5:
            self.start = float(h5.attrs.get("start", np.inf))
            self.mesh = {name: _kind(data) for name, data in h5["mesh"].items()}
            groups = [(name, group) for name, group in h5.items() if "t" in group.attrs]
            self.times = [(float(group.attrs["t"]), int(name)) for name, group in groups]
            first = groups[0][1] if groups else {}
            self.fields = {name: _kind(data) for name, data in first.items()}

    def grid(self, name: str, t: float, number: int) -> str:
        """XML of one time; topology and geometry are repeated, for readers without XInclude."""
        cells, points = (self.mesh[k][1] for k in ("topology", "geometry"))
        static = {k: v for k, v in self.mesh.items() if k not in ("topology", "geometry")}
        shape, _ = _SHAPES[cells[1]]
        return (
            f'<Grid Name={quoteattr(name)} GridType="Uniform">\n<Time Value="{t!r}"/>\n'
            f'<Topology TopologyType="{shape}" NumberOfElements="{cells[0]}" '
            f'NodesPerElement="{cells[1]}">{self._item("mesh/topology", cells, "Int")}'
            f'</Topology>\n<Geometry GeometryType="XYZ">'
            f"{self._item('mesh/geometry', points)}</Geometry>\n"
            + "".join(self._attribute(k, f"mesh/{k}", *v) for k, v in static.items())
            + "".join(
                self._attribute(k, f"{_group(number)}/{k}", *v) for k, v in self.fields.items()
            )
            + "</Grid>\n"
        )

    def _item(self, where: str, shape: tuple[int, ...], kind: str = "Float") -> str:
        return (
            f'<DataItem Dimensions="{" ".join(map(str, shape))}" NumberType="{kind}" '
            f'Precision="8" Format="HDF">{self.path.name}:/{where}</DataItem>'
        )

    def _attribute(self, name: str, where: str, center: str, shape: tuple[int, ...]) -> str:
        kind = "Scalar" if len(shape) == 1 else "Vector"
        return (
            f'<Attribute Name={quoteattr(name)} AttributeType="{kind}" Center="{center}">'
            f"{self._item(where, shape)}</Attribute>\n"
        )


class _BlockFile:
    """The files of one block; rank 0 only.

    Args:
        path: without ending.
        name: of the collection.
        cells, points: the mesh.
        static: written once.
        pvd: also `.pvd` and `.vtu`.
        series: from 2 on the times that earlier parts of the run wrote are kept.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        cells: npt.NDArray,
        points: npt.NDArray,
        static: Mapping[str, Any],
        pvd: bool,
        series: int = 1,
    ):
        self.path, self.name, self.pvd = path, name, pvd
        self.cells, self.points, self.static = cells, points, dict(static)
        self.times: list[tuple[float, _Source, int]] = []  # time, file, number of the group
        self.count = self.listed = 0
        self.data = _part(path, series)
        self.h5 = self.data.with_name(self.data.name + ".h5")
        if series == 1:
            _forget(path)
        for number in range(1, series):
            self._take(_part(path, number))
        _reserve(self.h5, cells.size * 8 + points.nbytes)
        with _hdf5(self.h5, "w") as h5:
            h5["mesh/topology"] = cells.astype(np.int64)
            h5["mesh/geometry"] = points
            for key, (center, values) in static.items():
                h5[f"mesh/{key}"] = values
                h5[f"mesh/{key}"].attrs["center"] = center
        self.source = _Source(self.h5)

    def _take(self, part: Path) -> None:
        """What an earlier part of the run wrote; a file that a kill has torn is left out."""
        try:
            source = _Source(part.with_name(part.name + ".h5"))
        except (OSError, KeyError):
            return
        self.times = [entry for entry in self.times if entry[0] <= source.start]
        for t, number in source.times:
            self._note(t, source, number)

    def _note(self, t: float, source: _Source, number: int) -> None:
        while self.times and self.times[-1][0] >= t:
            self.times.pop()
        self.listed = min(self.listed, len(self.times))
        self.times.append((t, source, number))

    def append(self, t: float, fields: Mapping[str, tuple[str, npt.NDArray]]) -> None:
        _reserve(self.h5, sum(values.nbytes for _, values in fields.values()))
        number, self.count = self.count, self.count + 1
        group = _group(number)
        with _hdf5(self.h5, "r+") as h5:
            for key, (center, values) in fields.items():
                h5[f"{group}/{key}"] = values
                h5[f"{group}/{key}"].attrs["center"] = center
            h5[group].attrs["t"] = t
        self.source.fields = {key: (center, v.shape) for key, (center, v) in fields.items()}
        if self.pvd:
            self.data.mkdir(exist_ok=True)
            _write_vtu(
                self.data / f"{group}.vtu", self.cells, self.points, {**self.static, **fields}
            )
        self._note(t, self.source, number)
        if len(self.times) - self.listed > len(self.times) // OFTEN:
            self.list()

    def truncate(self, after_t: float) -> None:
        with _hdf5(self.h5, "r+") as h5:
            h5.attrs["start"] = after_t
        self.times = [entry for entry in self.times if entry[0] <= after_t]
        self.list()

    def list(self) -> None:
        """Name all times in the files that readers open."""
        self.listed = len(self.times)
        name = quoteattr(self.name)
        write_text(self.path.with_name(self.path.name + ".xdmf"), itertools.chain(
            ['<?xml version="1.0"?>\n<Xdmf Version="3.0">\n<Domain>\n'
             f'<Grid Name={name} GridType="Collection" CollectionType="Temporal">\n'],
            (source.grid(self.name, t, number) for t, source, number in self.times),
            ["</Grid>\n</Domain>\n</Xdmf>\n"],
        ))  # fmt: skip
        if self.pvd:
            files = [
                (t, f"{source.path.stem}/{_group(k)}.vtu") for t, source, k in self.times
                if source is self.source or source.path.with_suffix("").is_dir()
            ]
            sets = "".join(
                f'<DataSet timestep="{t!r}" file={quoteattr(vtu)}/>\n' for t, vtu in files
            )
            write_text(
                self.path.with_name(self.path.name + ".pvd"),
                '<?xml version="1.0"?>\n<VTKFile type="Collection" version="1.0">\n<Collection>\n'
                f"{sets}</Collection>\n</VTKFile>\n",
            )


def _part(path: Path, series: int) -> Path:
    """Name, without ending, of the data of a part of a run."""
    return path if series == 1 else path.with_name(f"{path.name}_{series:04d}")


def _group(number: int) -> str:
    return f"{number:06d}"


def _kind(data: Any) -> tuple[str, tuple[int, ...]]:
    """`Node`, `Cell` or nothing, and the shape of a dataset."""
    return str(data.attrs.get("center", "")), data.shape


def _hdf5(path: Path, mode: str) -> Any:
    import h5py

    # Without a lock: someone who looks at the results must not stop the run.
    return h5py.File(path, mode, locking=False)


def _reserve(path: Path, size: int) -> None:
    """Room for `size` bytes more at the end of a file; HDF5 does not survive a disk that fills up.

    Raises:
        OSError: there is no room, by whatever limit; the file is as it was.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        there = os.fstat(handle).st_size
        try:
            os.posix_fallocate(handle, there, 2 * size + 2**16)
        except OSError as error:
            os.ftruncate(handle, there)
            raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(handle)


def _forget(path: Path) -> None:
    """Remove what an earlier run left under the same name, the file that names the others first."""
    for ending in (".xdmf", ".pvd", ".h5"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _write_vtu(
    path: Path,
    cells: npt.NDArray,
    points: npt.NDArray,
    fields: Mapping[str, tuple[str, npt.NDArray]],
) -> None:
    """One VTK XML file of simplices, binary."""

    def array(name: str, values: npt.NDArray) -> str:
        kind = {"f": "Float64", "i": "Int64", "u": "UInt8"}[values.dtype.kind]
        wide = values.shape[1] if values.ndim > 1 else 1
        raw = np.uint64(values.nbytes).tobytes() + np.ascontiguousarray(values).tobytes()
        return (
            f'<DataArray type="{kind}" Name={quoteattr(name)} NumberOfComponents="{wide}" '
            f'format="binary">{base64.b64encode(raw).decode()}</DataArray>\n'
        )

    n, corners = cells.shape
    data = {
        center: "".join(array(k, v) for k, (c, v) in fields.items() if c == center)
        for center in ("Node", "Cell")
    }
    write_text(
        path,
        '<?xml version="1.0"?>\n<VTKFile type="UnstructuredGrid" version="1.0" '
        'byte_order="LittleEndian" header_type="UInt64">\n<UnstructuredGrid>\n'
        f'<Piece NumberOfPoints="{len(points)}" NumberOfCells="{n}">\n'
        f"<Points>\n{array('points', points)}</Points>\n<Cells>\n"
        f"{array('connectivity', cells.astype(np.int64).ravel())}"
        f"{array('offsets', np.arange(1, n + 1, dtype=np.int64) * corners)}"
        f"{array('types', np.full(n, _SHAPES[corners][1], dtype=np.uint8))}</Cells>\n"
        f"<PointData>\n{data['Node']}</PointData>\n<CellData>\n{data['Cell']}</CellData>\n"
        "</Piece>\n</UnstructuredGrid>\n</VTKFile>\n",
    )
