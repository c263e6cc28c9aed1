"""Fields for ParaView, time after time.

    fields/pore.xdmf          all times of the pores, over all restarts; solid, walls likewise
    fields/pore_mesh.h5       their mesh (after a restart: pore_mesh_0002.h5)
    fields/pore_000000.h5     their values at the first time

Fields are gathered and written by rank 0. Every file comes into being in one move, whole, and is
never changed; HDF5 that is killed while it adds to a file may tear all of it. Data come before the
`.xdmf` that names them, so a job killed at any moment leaves a file that opens; with very many
times it may lack the last 2 % of them until the run is resumed. The `.xdmf` is one temporal
collection whose grids all repeat topology and geometry: the one form that ParaView's four XDMF
readers and VTK's Python reader agree on (the XInclude form that DOLFINx writes crashes VTK).
"""

from __future__ import annotations

import base64
import itertools
import re
import shutil
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.folder import write_bytes, write_text
from fem.base.parallel import all_agree, on_root
from fem.compat import cell_vertices
from fem.files.blocks import Block

__all__ = ["FieldWriter", "center_of"]

#: The list of times is rewritten when 1/LIST_DIVISOR of it has been added, and at the end.
LIST_DIVISOR = 64

# XDMF's and VTK's names of a simplex by its number of corners.
_SHAPES = {2: ("Polyline", 3), 3: ("Triangle", 5), 4: ("Tetrahedron", 10)}


def center_of(function: Any) -> str:
    """`Node` of a field that is written by its values at corners, `Cell` of one that is constant.

    Empty for what jumps between cells or has values at points within them: it is not written.
    """
    element = function.function_space.ufl_element()
    if element.family_name != "P" or (element.discontinuous and element.degree):
        return ""
    return "Node" if element.degree else "Cell"


class _Numbering:
    """Order of the local values of a field in the file."""

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
        dofs, center = space.dofmap.list, center_of(function)
        corners = cell_vertices(self.mesh)
        if not center:
            problem = f"field {name!r} is neither continuous nor constant on each cell"
        all_agree(self.comm, problem)
        function.x.scatter_forward()
        data = function.x.array.reshape(-1, width)
        if center == "Cell":
            local = data[dofs[: self.cells, 0]]
        else:
            dofs = dofs[:, : corners.shape[1]]  # those of corners come first
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
        series: 1 for a new run; each restart has the next (see `next_series`), with a mesh file
            of its own, as ranks may number nodes otherwise. The one `.xdmf` goes on.
        pvd: write `.pvd` and `.vtu` beside the XDMF, for tools that know only VTK's XML.
        units: SI unit of fields, by name; an attribute of their datasets, and an Information of
            the XDMF.
        regions: number of each region, by name; likewise, of the field `region`.

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
        units: Mapping[str, str] | None = None,
        regions: Mapping[str, int] | None = None,
    ):
        self.comm, said = comm, dict(units or {})
        if regions:
            said["region"] = ", ".join(f"{number}: {name}" for name, number in regions.items())
        self._files: list[tuple[Block, _Numbering, _BlockFile | None]] = []
        for block in blocks:
            numbering = _Numbering(block)
            geometry = numbering.geometry()
            static = {k: numbering.values(k, f) for k, f in block.static.items()}

            opened: list[_BlockFile] = []
            path = Path(folder) / "fields" / block.name
            named = (block.name, geometry, static, pvd, series, said)
            if on_root(comm, _open_block, opened, path, *named):
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
            for path in (Path(folder) / "fields").glob("*_mesh*.h5"):
                _, _, number = path.stem.rpartition("_")
                found.append((int(number) if number.isdigit() else 1) + 1)
            return max(found)

        return on_root(comm, count)


def _open_block(
    opened: list[_BlockFile], path: Path, name: str, geometry: Any, static: Any, pvd: bool,
    series: int, units: Mapping[str, str],
) -> bool:
    """Start a block's files, unless it has no cells."""
    cells, points = geometry
    if not len(cells):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    opened.append(_BlockFile(path, name, cells, points, static, pvd, series, units))
    return True


#: `Node`, `Cell` or nothing, and the shape of a dataset.
Kind = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Time:
    """One time of a block.

    Attributes:
        t: in s.
        file: name of that with its values. fields: what is in it.
        mesh: name of that with its mesh. parts: what is in that.
    """

    t: float
    file: str
    fields: Mapping[str, Kind]
    mesh: str
    parts: Mapping[str, Kind]

    def grid(self, name: str, said: Mapping[str, str]) -> str:
        """XML of it; topology and geometry are repeated, for readers without XInclude.

        Args:
            name: of the block.
            said: of each field, its unit, or what its numbers mean.
        """
        cells, points = (self.parts[k][1] for k in ("topology", "geometry"))
        static = {k: v for k, v in self.parts.items() if k not in ("topology", "geometry")}
        shape, _ = _SHAPES[cells[1]]
        return (
            f'<Grid Name={_quoted(name)} GridType="Uniform">\n<Time Value="{self.t!r}"/>\n'
            f'<Topology TopologyType="{shape}" NumberOfElements="{cells[0]}" '
            f'NodesPerElement="{cells[1]}">{_item(self.mesh, "topology", cells, "Int")}'
            f'</Topology>\n<Geometry GeometryType="XYZ">'
            f"{_item(self.mesh, 'geometry', points)}</Geometry>\n"
            + "".join(_attribute(self.mesh, k, *kind, said) for k, kind in static.items())
            + "".join(_attribute(self.file, k, *kind, said) for k, kind in self.fields.items())
            + "</Grid>\n"
        )


class _Times:
    """The times of a block in order, a few numbers each; what they have in common is kept once.

    Args:
        stem: of their files, which are numbered.
    """

    def __init__(self, stem: str):
        self.stem = stem
        self.t, self.number, self.kind = array("d"), array("l"), array("l")
        self.kinds: list[tuple[Mapping[str, Kind], str, Mapping[str, Kind]]] = []

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, k: int) -> _Time:
        fields, mesh, parts = self.kinds[self.kind[k]]
        return _Time(self.t[k], f"{self.stem}_{self.number[k]:06d}.h5", fields, mesh, parts)

    def __iter__(self) -> Iterator[_Time]:
        return (self[k] for k in range(len(self)))

    def append(self, time: _Time) -> None:
        kind = time.fields, time.mesh, time.parts
        if not self.kinds or self.kinds[-1] != kind:
            self.kinds.append(kind)
        self.t.append(time.t)
        self.number.append(_number(time.file))
        self.kind.append(len(self.kinds) - 1)

    def pop(self) -> _Time:
        last = self[len(self) - 1]
        for column in (self.t, self.number, self.kind):
            column.pop()
        return last


def _number(file: str) -> int:
    """Number in the name of the file of a time."""
    return int(file.removesuffix(".h5").rpartition("_")[2])


def _item(file: str, where: str, shape: tuple[int, ...], kind: str = "Float") -> str:
    return (
        f'<DataItem Dimensions="{" ".join(map(str, shape))}" NumberType="{kind}" '
        f'Precision="8" Format="HDF">{file}:/{where}</DataItem>'
    )


def _attribute(
    file: str, name: str, center: str, shape: tuple[int, ...], said: Mapping[str, str]
) -> str:
    kind = "Scalar" if len(shape) == 1 else "Vector"
    word = "names" if name == "region" else "unit"
    meaning = said.get(name)
    information = f'<Information Name="{word}" Value={_quoted(meaning)}/>' if meaning else ""
    return (
        f'<Attribute Name={_quoted(name)} AttributeType="{kind}" Center="{center}">'
        f"{_item(file, name, shape)}{information}</Attribute>\n"
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
        units: of fields, by name.
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
        units: Mapping[str, str] | None = None,
    ):
        self.path, self.name, self.pvd, self.units = path, name, pvd, units or {}
        self.cells, self.points, self.static = cells, points, dict(static)
        self.times = _Times(path.name)
        self.stale: list[str] = []  # named by the last list of times, but not by the next
        self.count = self.listed = 0
        if series == 1:
            _forget(path)
        else:
            self._take_over()
        parts = {"topology": ("", cells.astype(np.int64)), "geometry": ("", points), **static}
        self.mesh = self._file("_mesh" if series == 1 else f"_mesh_{series:04d}")
        self.parts = _write_hdf5(self.mesh, parts, self.units)

    def _file(self, ending: str) -> Path:
        return self.path.with_name(f"{self.path.name}{ending}.h5")

    def _take_over(self) -> None:
        """Adopt the files of earlier parts of the run, in the order of writing."""
        known: dict[str, dict[str, Kind]] = {}
        for file in sorted(self.path.parent.glob(f"{self.path.name}_*.h5")):
            if not re.fullmatch(r"_\d{6,}", file.stem.removeprefix(self.path.name)):
                continue
            try:
                fields, attributes = _read_hdf5(file)
                mesh = file.with_name(str(attributes["mesh"]))
                if mesh.name not in known:
                    known[mesh.name], _ = _read_hdf5(mesh)
            except (OSError, KeyError):
                continue  # damaged by somebody else
            self._note(
                _Time(float(attributes["t"]), file.name, fields, mesh.name, known[mesh.name])
            )
            self.count = _number(file.name) + 1

    def _note(self, time: _Time) -> None:
        """Add a time; those at or after it did not happen."""
        while self.times and self.times.t[-1] >= time.t:
            self.stale.append(self.times.pop().file)
        self.listed = min(self.listed, len(self.times))
        self.times.append(time)

    def append(self, t: float, fields: Mapping[str, tuple[str, npt.NDArray]]) -> None:
        file, self.count = self._file(f"_{self.count:06d}"), self.count + 1
        kinds = _write_hdf5(file, fields, self.units, t=t, mesh=self.mesh.name)
        if self.pvd:
            self.path.mkdir(exist_ok=True)
            _write_vtu(self._vtu(file.name), self.cells, self.points, {**self.static, **fields})
        self._note(_Time(t, file.name, kinds, self.mesh.name, self.parts))
        if len(self.times) - self.listed > len(self.times) // LIST_DIVISOR:
            self.list()

    def truncate(self, after_t: float) -> None:
        while self.times and self.times.t[-1] > after_t:
            self.stale.append(self.times.pop().file)
        self.list()

    def list(self) -> None:
        """Name all times in the files that readers open, and remove those that did not happen."""
        self.listed = len(self.times)
        name = _quoted(self.name)
        write_text(self.path.with_name(self.path.name + ".xdmf"), itertools.chain(
            ['<?xml version="1.0"?>\n<Xdmf Version="3.0">\n<Domain>\n'
             f'<Grid Name={name} GridType="Collection" CollectionType="Temporal">\n'],
            (time.grid(self.name, self.units) for time in self.times),
            ["</Grid>\n</Domain>\n</Xdmf>\n"],
        ))  # fmt: skip
        if self.pvd:
            sets = "".join(
                f'<DataSet timestep="{time.t!r}" file={_quoted(f"{vtu.parent.name}/{vtu.name}")}'
                "/>\n" for time in self.times if (vtu := self._vtu(time.file)).exists()
            )
            write_text(
                self.path.with_name(self.path.name + ".pvd"),
                '<?xml version="1.0"?>\n<VTKFile type="Collection" version="1.0">\n<Collection>\n'
                f"{sets}</Collection>\n</VTKFile>\n",
            )
        for file in self.stale:
            self.path.with_name(file).unlink(missing_ok=True)
            self._vtu(file).unlink(missing_ok=True)
        self.stale = []

    def _vtu(self, file: str) -> Path:
        return self.path / f"{_number(file):06d}.vtu"


def _write_hdf5(
    path: Path, data: Mapping[str, tuple[str, npt.NDArray]],
    units: Mapping[str, str] | None = None, **attributes: Any,
) -> dict[str, Kind]:
    """A file of datasets, made in memory and then put there in one move.

    Neither a kill nor a disk that fills up leaves a part of it; HDF5 survives neither.
    """
    import h5py

    with h5py.File(path.name, "w", driver="core", backing_store=False) as h5:
        for key, (center, values) in data.items():
            h5[key] = values
            h5[key].attrs["center"] = center
            if units and units.get(key):
                h5[key].attrs["names" if key == "region" else "unit"] = units[key]
        h5.attrs.update(attributes)
        h5.flush()
        write_bytes(path, h5.id.get_file_image())
    return {key: (center, values.shape) for key, (center, values) in data.items()}


def _read_hdf5(path: Path) -> tuple[dict[str, Kind], dict[str, Any]]:
    """Datasets of the file of a time, and its attributes."""
    import h5py

    # Without a lock: a reader of the results must not stop the run.
    with h5py.File(path, "r", locking=False) as h5:
        kinds = {key: (str(data.attrs["center"]), data.shape) for key, data in h5.items()}
        return kinds, dict(h5.attrs)


def _forget(path: Path) -> None:
    """Remove what an earlier run left under the same name, the file that names the others first."""
    for ending in (".xdmf", ".pvd"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    for file in path.parent.glob(f"{path.name}_*.h5"):
        if re.fullmatch(r"_(\d{6,}|mesh(_\d+)?)", file.stem.removeprefix(path.name)):
            file.unlink()
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
            f'<DataArray type="{kind}" Name={_quoted(name)} NumberOfComponents="{wide}" '
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


def _quoted(text: str) -> str:
    """Write a text as the value of an attribute; `xml.sax.saxutils` would load HTTP and TLS."""
    return f'"{escape(text)}"'
