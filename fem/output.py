"""Result folders: fields for ParaView, a series of numbers, a summary, and who may write there.

    case.toml                 what was run, every default written out
    series.csv                one row per accepted step: `t [s]`, `voltage [V]`, ...
    fields/pore.xdmf, .h5     fields of the pores; solid, walls likewise
    fields/pore_0002.xdmf     what followed after a restart
    summary.json              the numbers that a reader asks for first

Fields are gathered and written by rank 0. The data of a time are complete on disk before the
`.xdmf` that names them is replaced in one move, so a job killed at any moment leaves a file that
opens. The `.xdmf` is one temporal collection whose grids all repeat topology and geometry: the one
form that ParaView's four XDMF readers and VTK's Python reader agree on (the XInclude form that
DOLFINx writes crashes VTK).
"""

from __future__ import annotations

import base64
import contextlib
import csv
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from .compat import cell_vertices, dfem, dmesh, la
from .domain import Domain, Subdomain
from .errors import CaseError, RunError
from .parallel import all_agree, on_root
from .results import read_series

__all__ = [
    "Block",
    "FieldWriter",
    "FolderLock",
    "Series",
    "WallBlock",
    "claim_folder",
    "read_series",
    "region_field",
    "wall_block",
    "write_json",
    "write_text",
]

# What tells a folder of results from any other folder.
RESULTS = ("series.csv", "summary.json", "fields", "checkpoints")

# XDMF's and VTK's names of a simplex by its number of corners.
_SHAPES = {2: ("Polyline", 3), 3: ("Triangle", 5), 4: ("Tetrahedron", 10)}


# -- blocks ------------------------------------------------------------------------------------


@dataclass
class Block:
    """Fields that share a mesh and a file.

    Attributes:
        name: file name without ending: `pore`, `solid`, `walls`.
        mesh: a mesh of simplices, or a submesh.
        fields: name -> Function on this mesh, continuous and linear (written at the nodes) or
            constant on each cell; scalar or vector. Read anew at each write.
        static: fields that never change, such as region numbers; stored once.
    """

    name: str
    mesh: Any
    fields: dict[str, Any] = field(default_factory=dict)
    static: dict[str, Any] = field(default_factory=dict)

    def refresh(self) -> None:
        """Bring the fields up to date; called before each write (collective)."""


@dataclass
class WallBlock(Block):
    """The reacting walls as a surface mesh (lines in 2D), and the way onto it.

    Wall quantities are solved on a thin layer of cells (`Domain.wall_layer`). `carry` shows one
    of them on the wall itself; `transfer` copies values whenever you like.
    """

    layer: Subdomain | None = None
    parent_nodes: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    parent_vertices: Any = None
    _space: Any = None
    _carried: dict[str, tuple[Any, Subdomain | None]] = field(default_factory=dict)
    _routes: dict[int, tuple[Any, npt.NDArray, npt.NDArray, npt.NDArray]] = field(
        default_factory=dict
    )

    def function(self, name: str = "") -> Any:
        """A new linear field on the walls, zero everywhere."""
        if self._space is None:
            self._space = dfem.functionspace(self.mesh, ("Lagrange", 1))
        return dfem.Function(self._space, name=name or "wall_field")

    def carry(self, name: str, source: Any, part: Subdomain | None = None) -> Any:
        """Add a field of the layer to this block; each write transfers its newest values."""
        self.fields[name] = self.function(name)
        self._carried[name] = (source, part)
        return self.fields[name]

    def refresh(self) -> None:
        """Transfer all carried fields (collective)."""
        for name, (source, part) in self._carried.items():
            self.transfer(source, self.fields[name], part)

    def transfer(self, source: Any, target: Any = None, part: Subdomain | None = None) -> Any:
        """Nodal values of a linear scalar field next to the walls, on the walls (collective).

        Args:
            source: Function on `part`; its ghost values are brought up to date.
            target: from `function`; a new one by default.
            part: where `source` lives, any submesh that has all wall nodes; default the layer.

        Raises:
            RunError: `part` does not reach some wall nodes.
        """
        target = self.function() if target is None else target
        part = self.layer if part is None else part
        if part is None:
            raise RunError("this wall block has no layer: name the part that the field lives on")
        if id(part) not in self._routes:
            self._routes[id(part)] = (part, *self._route(part, source.function_space))
        _, to, origin, weight = self._routes[id(part)]
        source.x.scatter_forward()
        target.x.array[:] = 0.0
        target.x.array[to] = weight * source.x.array[origin]
        target.x.scatter_reverse(la.InsertMode.add)
        target.x.scatter_forward()
        return target

    def _route(self, part: Subdomain, space: Any) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
        """(wall dof, dof of the part, weight): who contributes what to which wall node.

        The owner of a wall node may not have the part's cell beside it (it may only see the
        solid's side); then the ranks that have it share the work in equal weights.
        """
        vertices = self.parent_vertices[part.cells]
        dof_at = np.full(int(self.parent_vertices.max(initial=-1)) + 1, -1, dtype=np.int32)
        dof_at[vertices.ravel()] = space.dofmap.list[: len(vertices)].ravel()
        node_of = _node_of_dof(self.function())
        origin = dof_at[self.parent_nodes[node_of]]
        to = np.flatnonzero(origin >= 0)

        share = self.function()
        owned = share.function_space.dofmap.index_map.size_local
        share.x.array[to] = 1.0
        share.x.array[owned:] = 0.0
        share.x.scatter_forward()
        owner_has_it = share.x.array > 0.5
        share.x.array[:] = 0.0
        share.x.array[to] = 1.0
        share.x.scatter_reverse(la.InsertMode.add)
        share.x.scatter_forward()
        missing = int(np.count_nonzero(share.x.array[:owned] < 0.5))
        problem = f"{missing} wall nodes do not touch the part that the field lives on"
        all_agree(self.mesh.comm, problem if missing else None)
        weight = 1.0 / share.x.array
        weight[owner_has_it] = 1.0
        weight[owned:][owner_has_it[owned:]] = 0.0
        return to, origin[to], weight[to]


def wall_block(
    domain: Domain,
    walls: Iterable[tuple[str, str]],
    faces: Iterable[tuple[str, str]] = (),
    layer: Subdomain | None = None,
    name: str = "walls",
) -> WallBlock:
    """Surface mesh of walls and boundary faces, with transfer from the layer (collective).

    Args:
        domain: the mesh.
        walls: (solid, electrolyte) pairs as in `Domain.walls`.
        faces: (boundary, region) pairs as in `Domain.faces`.
        layer: `Domain.wall_layer` of (at least) the same walls and faces.
        name: of the block and its file.
    """
    fdim, tdim = domain.dim - 1, domain.dim
    topology = domain.mesh.topology
    index_map = topology.index_map(fdim)
    cell_facets = topology.connectivity(tdim, fdim)
    table = cell_facets.array.reshape(-1, tdim + 1)
    mark = la.vector(index_map, 1, dtype=np.float64)
    cells, local = domain.facets(walls, faces).T
    mark.array[table[cells, local]] = 1.0
    mark.scatter_forward()  # ranks must agree on their ghost facets too
    facets = np.flatnonzero(mark.array > 0.5).astype(np.int32)
    mesh, _, _, nodes = dmesh.create_submesh(domain.mesh, fdim, facets)
    block = WallBlock(name, mesh, layer=layer)
    block.parent_nodes = np.asarray(nodes, dtype=np.int32)
    block.parent_vertices = cell_vertices(domain.mesh)
    return block


def region_field(domain: Domain, part: Subdomain | None = None) -> Any:
    """Region number of every cell, for `Block.static`; of the whole mesh without a part."""
    mesh = domain.mesh if part is None else part.mesh
    function = dfem.Function(dfem.functionspace(mesh, ("DG", 0)), name="region")
    tags = domain.cell_tag_array if part is None else domain.cell_tag_array[part.cells]
    cells = function.function_space.dofmap.list[: len(tags)].ravel()
    function.x.array[cells] = tags
    return function


def _node_of_dof(function: Any) -> npt.NDArray[np.int32]:
    """Geometry node of every local degree of freedom of a linear field."""
    space = function.function_space
    index_map = space.dofmap.index_map
    out = np.full(index_map.size_local + index_map.num_ghosts, -1, dtype=np.int32)
    nodes = cell_vertices(space.mesh)
    out[space.dofmap.list[: len(nodes)].ravel()] = nodes.ravel()
    return out


# -- fields ------------------------------------------------------------------------------------


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
        series: 1 for a new run; each restart opens the next number (see `next_series`).
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
        suffix = "" if series == 1 else f"_{series:04d}"
        for block in blocks:
            numbering = _Numbering(block)
            geometry = numbering.geometry()
            static = {k: numbering.values(k, f) for k, f in block.static.items()}

            opened: list[_BlockFile] = []
            path = Path(folder) / "fields" / f"{block.name}{suffix}"
            if on_root(comm, _open_block, opened, path, block.name, geometry, static, pvd):
                self._files.append((block, numbering, opened[0] if opened else None))

    def write(self, t: float) -> None:
        """Append the present values as time t, s (collective).

        A time equal to the last one replaces it.
        """
        for block, numbering, file in self._files:
            block.refresh()
            values = {k: numbering.values(k, f) for k, f in block.fields.items()}

            on_root(self.comm, _BlockFile.append, file, float(t), values)

    def truncate(self, after_t: float) -> None:
        """After a restart: what earlier series hold later than `after_t`, s, did not happen.

        Their files stay as they are; the new `.xdmf` says from when on it counts, and
        `fem.results.Result` obeys.
        """
        for _, _, file in self._files:
            if file is not None:
                file.start = float(after_t)

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
    opened: list[_BlockFile], path: Path, name: str, geometry: Any, static: Any, pvd: bool
) -> bool:
    """Start a block's files, unless it has no cells."""
    cells, points = geometry
    if not len(cells):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    opened.append(_BlockFile(path, name, cells, points, static, pvd))
    return True


class _BlockFile:
    """The files of one block in one series; rank 0 only."""

    def __init__(
        self,
        path: Path,
        name: str,
        cells: npt.NDArray,
        points: npt.NDArray,
        static: Mapping[str, Any],
        pvd: bool,
    ):
        self.path, self.name, self.pvd = path, name, pvd
        self.cells, self.points, self.static = cells, points, dict(static)
        self.times: list[tuple[float, str, str]] = []  # time, attributes (XML), name of the .vtu
        self.count = 0
        self.start: float | None = None
        self.h5 = path.with_name(path.name + ".h5")
        _forget(path)
        with _hdf5(self.h5, "w") as h5:
            h5["mesh/topology"] = cells.astype(np.int64)
            h5["mesh/geometry"] = points
            for key, (_, values) in static.items():
                h5[f"mesh/{key}"] = values
        shape, _ = _SHAPES[cells.shape[1]]
        self.grid = (
            f'<Topology TopologyType="{shape}" NumberOfElements="{len(cells)}" '
            f'NodesPerElement="{cells.shape[1]}">{self._item("mesh/topology", cells, "Int")}'
            f'</Topology>\n<Geometry GeometryType="XYZ">'
            f"{self._item('mesh/geometry', points)}</Geometry>\n"
            + "".join(self._attribute(k, f"mesh/{k}", v) for k, v in static.items())
        )

    def append(self, t: float, fields: Mapping[str, tuple[str, npt.NDArray]]) -> None:
        size = sum(values.nbytes for _, values in fields.values())
        free = shutil.disk_usage(self.path.parent).free
        if free < 2 * size + 2**20:  # HDF5 does not survive a disk that fills up half-way
            raise RunError(
                f"{self.path.parent}: only {free / 1e6:.0f} MB free on the disk, the fields of "
                f"t = {t:g} s need {size / 1e6:.0f} MB; make room and `hostplate resume`"
            )
        if self.times and self.times[-1][0] == t:
            self.times.pop()
        group, self.count = f"{self.count:06d}", self.count + 1
        with _hdf5(self.h5, "r+") as h5:
            for key, (_, values) in fields.items():
                h5[f"{group}/{key}"] = values
        attributes = [self._attribute(k, f"{group}/{k}", v) for k, v in fields.items()]
        self.times.append((t, "".join(attributes), f"{self.path.name}/{group}.vtu"))
        write_text(self.path.with_name(self.path.name + ".xdmf"), self._xdmf())
        if self.pvd:
            self.path.mkdir(exist_ok=True)
            _write_vtu(
                self.path.with_name(self.times[-1][2].split("/")[0]) / f"{group}.vtu",
                self.cells,
                self.points,
                {**self.static, **fields},
            )
            write_text(self.path.with_name(self.path.name + ".pvd"), self._collection())

    def _item(self, where: str, values: npt.NDArray, kind: str = "Float") -> str:
        shape = " ".join(str(n) for n in values.shape)
        return (
            f'<DataItem Dimensions="{shape}" NumberType="{kind}" Precision="8" Format="HDF">'
            f"{self.h5.name}:/{where}</DataItem>"
        )

    def _attribute(self, name: str, where: str, field: tuple[str, npt.NDArray]) -> str:
        center, values = field
        kind = "Scalar" if values.ndim == 1 else "Vector"
        return (
            f'<Attribute Name={quoteattr(name)} AttributeType="{kind}" Center="{center}">'
            f"{self._item(where, values)}</Attribute>\n"
        )

    def _xdmf(self) -> str:
        name = quoteattr(self.name)
        start = (
            f'<Information Name="start" Value="{self.start!r}"/>\n'
            if self.start is not None
            else ""
        )
        grids = "".join(
            f'<Grid Name={name} GridType="Uniform">\n<Time Value="{t!r}"/>\n{self.grid}'
            f"{attributes}</Grid>\n"
            for t, attributes, _ in self.times
        )
        return (
            '<?xml version="1.0"?>\n<Xdmf Version="3.0">\n<Domain>\n'
            f'{start}<Grid Name={name} GridType="Collection" CollectionType="Temporal">\n'
            f"{grids}</Grid>\n</Domain>\n</Xdmf>\n"
        )

    def _collection(self) -> str:
        sets = "".join(f'<DataSet timestep="{t!r}" file="{vtu}"/>\n' for t, _, vtu in self.times)
        return (
            '<?xml version="1.0"?>\n<VTKFile type="Collection" version="1.0">\n<Collection>\n'
            f"{sets}</Collection>\n</VTKFile>\n"
        )


def _hdf5(path: Path, mode: str) -> Any:
    import h5py

    # Without a lock: someone who looks at the results must not stop the run.
    return h5py.File(path, mode, locking=False)


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


# -- numbers -----------------------------------------------------------------------------------


class Series:
    """`series.csv`: one row per accepted step; rank 0 writes, the others may call.

    Args:
        comm: all ranks of it construct and close; `add` and `truncate` are collective too.
        path: the file.
        units: column -> unit, in order, `t` first; an empty unit for plain numbers.
        resume: keep the rows that are there and append; otherwise start anew.

    Raises:
        CaseError: the columns of the file to be resumed are others.
    """

    def __init__(
        self, comm: Any, path: Path | str, units: Mapping[str, str], *, resume: bool = False
    ):
        self.comm, self.path = comm, Path(path)
        self.names = list(units)
        self.header = [f"{name} [{unit}]" if unit else name for name, unit in units.items()]
        self._file: TextIO | None = None
        on_root(comm, self._open, resume)

    def _open(self, resume: bool) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if resume and self.path.is_file():
            with open(self.path, newline="") as file:
                found = next(csv.reader(file), [])
            if found != self.header:
                odd = sorted(set(found) ^ set(self.header)) or "their order"
                raise CaseError(
                    f"{self.path}: cannot go on with other columns than before ({odd}); keep the "
                    "probes of the case as they were, or start a new run"
                )
            self._keep(np.inf)
        else:
            self._write_all([])

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row; every column must be there.

        Raises:
            RunError: a column is missing, or the disk is full; on all ranks.
        """
        on_root(self.comm, self._add, row)

    def _add(self, row: Mapping[str, float]) -> None:
        missing = [name for name in self.names if name not in row]
        if missing or len(row) != len(self.names):
            extra = [name for name in row if name not in self.names]
            raise RunError(f"{self.path}: row lacks {missing}, has unknown {extra}")
        assert self._file is not None
        self._file.write(",".join(repr(float(row[name])) for name in self.names) + "\n")
        self._file.flush()

    def truncate(self, after_t: float) -> None:
        """Drop the rows later than `after_t`, s: a restart writes them again (collective)."""
        on_root(self.comm, self._keep, after_t)

    def _keep(self, last: float) -> None:
        columns = read_series(self.path)
        rows = np.column_stack([columns[name] for name in self.names])
        tiny = 1e-12 * abs(last) if np.isfinite(last) else 0.0
        self._write_all(rows[rows[:, 0] <= last + tiny].tolist())

    def _write_all(self, rows: list[list[float]]) -> None:
        self._shut()
        lines = [",".join(map(repr, row)) for row in rows]
        write_text(self.path, "\n".join([",".join(self.header), *lines]) + "\n")
        self._file = open(self.path, "a")

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """Bring everything to the disk."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._shut()

    def __enter__(self) -> Series:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_text(path: Path | str, text: str) -> None:
    """Replace a file in one move; readers see the old one or the new one, never a part."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
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


# -- folders -----------------------------------------------------------------------------------


class FolderLock:
    """One run at a time in a folder: the file `.lock` says who.

    The lock of a process of this machine that no longer runs is taken over with a message. A
    process of another machine cannot be asked; it counts as dead when its lock has not been
    touched for `PATIENCE` seconds (a thread touches it every minute) or when it was an earlier
    start of the same batch job.
    """

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
        with _one_at_a_time(self.path.parent):
            with contextlib.suppress(FileNotFoundError):
                owner = self._owner_or_error()
                self.message = (
                    f"{self.path.parent}: taking over from process {owner.get('pid')} on "
                    f"{owner.get('host')} (started {owner.get('started')}), which no longer runs"
                )
                self.path.unlink()
            try:
                handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                raise CaseError(f"{self.path.parent}: another run started here just now") from None
            with os.fdopen(handle, "w") as file:
                json.dump(mine, file)
        self._stop = threading.Event()
        pulse = (self.path, self._stop, self.PULSE)
        threading.Thread(target=_touch, args=pulse, daemon=True).start()
        return self.message

    def _owner_or_error(self) -> dict[str, Any]:
        """Who left the lock behind; an error if it still runs or may do so."""
        try:
            owner = json.loads(self.path.read_text())
        except ValueError:  # killed between creating and filling the file
            owner = {}
        age = time.time() - self.path.stat().st_mtime
        if owner.get("host") == socket.gethostname():
            start = _process_start(int(owner["pid"]))
            dead = start is None or start != owner.get("process_start", start)
        else:
            job = os.environ.get("SLURM_JOB_ID", "")
            dead = age > self.PATIENCE or bool(job and owner.get("job") == job)
        if dead:
            return owner
        raise CaseError(
            f"{self.path.parent} is in use by process {owner.get('pid')} on {owner.get('host')} "
            f"since {owner.get('started')}; choose another folder with --out, or, if that run is "
            f"surely over, delete {self.path}"
        )

    def __enter__(self) -> FolderLock:
        return self if self._held else self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


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
        if folder.exists() and not folder.is_dir():
            raise CaseError(f"{folder} is a file; choose another folder with --out")
        lock.check()
        held = [name for name in RESULTS if (folder / name).exists()]
        if held and not overwrite:
            raise CaseError(
                f"{folder} already holds results ({', '.join(held)}); choose another folder with "
                "--out, go on with `hostplate resume`, or move them aside with --overwrite"
            )
        told = ""
        if held:
            here = folder.resolve()
            if here == Path.cwd() or here in Path.cwd().parents:
                raise CaseError(f"{folder} cannot be moved aside: it is the working folder")
            aside = next(p for p in _aside(here) if not p.exists())
            os.rename(here, aside)
            told = f"earlier results moved to {aside}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CaseError(f"{folder}: cannot be created: {error.strerror}") from None
        lock.acquire()
        return told or lock.message

    lock.message = on_root(comm, claim)
    lock._held = True
    return lock


def _aside(folder: Path) -> Iterator[Path]:
    number = 1
    while True:
        yield folder.with_name(f"{folder.name}.old-{number}")
        number += 1


def _process_start(pid: int) -> str | None:
    """Start time of a live process of this machine ("" where it cannot be told), None if dead."""
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
