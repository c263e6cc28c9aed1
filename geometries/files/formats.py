"""Readers of users' mesh files, one for each format: points, cells with their tags, names of tags.

Every reader returns a `Read`; what it finds wrong it tells as a `CaseError` without the file's
name, which `read` puts in front. VTK reads its own two formats, h5py those on HDF5, gmsh .msh.
"""

from __future__ import annotations

import os
import pickle
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from fem.base.errors import CaseError
from geometries.meshing.mesh import Floats, Ints

#: Tag of a cell that has none in the file; 0 is a number like any other.
UNTAGGED = np.iinfo(np.int64).min

_TAG_NAMES = ("region", "regions", "gmsh:physical", "cell_tags", "facet_tags", "mesh_tags",
           "meshtags", "material", "tag", "tags", "nastran:ref", "medit:ref", "CellEntityIds")
#: Names of integer arrays that programs keep for themselves.
_RESERVED_NAMES = re.compile(r"vtk.*|gmsh:(geometrical|dim_tags)")


@dataclass
class Read:
    """Raw content of a file.

    Attributes:
        points: coordinates (nodes, 2 or 3) in the file's unit.
        blocks: kind of cell ("triangle", "tetra", "line", "quad" ...), nodes (cells, at least the
            corners), tags (cells,).
        names: (dimension, tag) -> name in the file.
        remarks: on what is no fault but should be known.
    """

    points: Floats
    blocks: list[tuple[str, Ints, Ints]]
    names: dict[tuple[int, int], str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def read(file: Path, readers: Mapping[str, Callable[[Path], Read]]) -> Read:
    """Read a file by its ending, or say in words why it cannot be read.

    Raises:
        CaseError: empty, damaged, or not of the kind that its ending says.
    """
    ending = file.suffix.lower()
    try:
        if not file.stat().st_size:
            raise CaseError("is empty")
        if ending == ".msh":
            check_msh(file)
        found = _apart(file) if _may_die(file) else readers[ending](file)
        if found.points.ndim != 2 or found.points.shape[1] not in (2, 3):
            raise CaseError("is damaged: points without 2 or 3 coordinates; save it again")
        return found
    except CaseError as error:
        raise CaseError(f"mesh {file}: {error}") from error
    except PermissionError:
        raise CaseError(f"mesh {file}: you may not read it; change its permissions") from None
    # Libraries raise whatever a broken file makes them stumble over, and some even SystemExit.
    except (Exception, SystemExit) as error:
        if os.environ.get("HOSTPLATE_DEBUG"):
            traceback.print_exc()
        raise CaseError(f"mesh {file}: cannot be read as {ending}: it is damaged or of a kind that "
                        "is not known here; save it again, or as .msh 4.1 of gmsh") from error


def _may_die(file: Path) -> bool:
    """Binary .msh and .vtk, and .vtu: of damaged numbers gmsh and VTK write past their arrays."""
    if file.suffix.lower() == ".vtu":
        return True
    with file.open("rb") as f:
        head = f.read(512)
    binary = {".msh": rb"\A\$MeshFormat\s+\S+ 1 ", ".vtk": rb"^\s*BINARY\s*$"}
    pattern = binary.get(file.suffix.lower())
    return pattern is not None and re.search(pattern, head, re.MULTILINE) is not None


def _apart(file: Path) -> Read:
    """Read in a process of its own, which may die."""
    import tempfile

    from fem.base.parallel import apart

    with tempfile.TemporaryDirectory(prefix="hostplate-") as scratch:
        pickled = Path(scratch) / "answer"
        if apart("geometries.files.conversion", file, pickled).returncode:
            raise CaseError("is damaged: it crashes the library that reads it; save it again")
        with pickled.open("rb") as f:
            found = pickle.load(f)
    if isinstance(found, str):
        raise CaseError(found)
    return found


def answer(file: Path, to: Path, reader: Callable[[Path], Read]) -> None:
    """Work of the separate process: write a `Read`, or the message of a `CaseError`.

    It gets 4 GB and 200 times the file: damaged counts make VTK ask for all there is.
    """
    import resource

    most = 4_000_000_000 + 200 * file.stat().st_size
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    found: Read | str
    try:
        found = reader(file)
    except CaseError as error:
        found = str(error)
    with to.open("wb") as f:
        pickle.dump(found, f)


def check_msh(file: Path) -> None:
    """Refuse what gmsh would take for a script, and a file that was cut short."""
    with file.open("rb") as f:
        head = f.read(16)
        f.seek(max(0, file.stat().st_size - 256))
        tail = f.read().rstrip()
    if not head.startswith((b"$MeshFormat", b"$NOD", b"$Comments")):
        kind = "a mesh of Fluent" if head.startswith(b"(") else "no mesh of gmsh"
        raise CaseError(f"is {kind}: the first word of a .msh of gmsh is $MeshFormat; save it as "
                        ".msh 2.2 or 4.1 with gmsh")
    last = tail.splitlines()[-1].strip() if tail else b""
    if not re.search(rb"\$E(nd|ND)[A-Za-z0-9]+$", last):
        raise CaseError("ends in the middle: its last line is no $End...; it was cut short, "
                        "copy or save it again")


def groups_of_elements(file: Path, nodes_of: Callable[[int], int]) -> dict[int, int] | None:
    """Number of each element of a .msh 1 or 2 -> its physical group; those in none are left out.

    There the group belongs to the element; gmsh itself gives all groups of the elements with one
    elementary number to each of them.

    Args:
        file: .msh of gmsh, ASCII or binary.
        nodes_of: nodes of an element of a type.

    Returns:
        None for .msh 4, and where two elements have one number.
    """
    data = file.read_bytes()
    head = re.search(rb"^\$MeshFormat\s+([\d.]+) (\d)", data[:4096], re.MULTILINE)
    if head and not head[1].startswith((b"1", b"2")):
        return None
    start = re.search(rb"^\$(Elements|ELM)\s*\n\s*(\d+)[ \t\r]*\n", data, re.MULTILINE)
    if start is None:
        return None
    count = int(start[2])
    found: dict[int, int] = {}
    if head and head[2] == b"1":
        order = ">" if data[head.end() :].split(b"\n", 1)[1][:4] == b"\0\0\0\1" else "<"
        size = (len(data) - start.end()) // 4
        numbers = np.frombuffer(data, order + "i4", size, start.end())
        at = read = 0
        while read < count:
            kind, many, width = numbers[at : at + 3].tolist()
            row = 1 + width + nodes_of(kind)
            block = numbers[at + 3 : at + 3 + many * row].reshape(many, row)
            if width:
                found.update(zip(block[:, 0].tolist(), np.abs(block[:, 1]).tolist(), strict=True))
            at, read = at + 3 + many * row, read + many
    else:
        place = 3 if head else 2
        for line in data[start.end() :].split(b"\n", count)[:count]:
            words = line.split(None, 4)
            if not head or words[2] != b"0":
                found[int(words[0])] = abs(int(words[place]))
    if len(found) < count:
        return None
    return {k: group for k, group in found.items() if group}


# ------------------------------------------------------------------------------- .vtk and .vtu


_VTK = {1: "vertex", 2: "vertex", 3: "line", 4: "polyline", 5: "triangle", 6: "triangle strip",
        7: "polygon", 8: "pixel", 9: "quad", 10: "tetra", 11: "voxel", 12: "hexahedron",
        13: "wedge", 14: "pyramid", 21: "line", 22: "triangle", 23: "quad", 24: "tetra",
        25: "hexahedron", 26: "wedge", 27: "pyramid", 28: "quad", 29: "hexahedron",
        34: "triangle", 35: "line", 42: "polyhedron", 68: "line", 69: "triangle", 70: "quad",
        71: "tetra", 72: "hexahedron"}


def read_vtk(file: Path) -> Read:
    """Unstructured grids and surfaces (2D) of VTK, ParaView and PyVista, legacy and XML."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkLogger, vtkOutputWindow, vtkStringOutputWindow
    from vtkmodules.vtkFiltersCore import vtkAppendFilter
    from vtkmodules.vtkIOLegacy import vtkGenericDataObjectReader
    from vtkmodules.vtkIOXML import vtkXMLGenericDataObjectReader

    legacy = file.suffix.lower() == ".vtk"
    reader = vtkGenericDataObjectReader() if legacy else vtkXMLGenericDataObjectReader()
    reader.SetFileName(str(file))
    window, loud = vtkOutputWindow.GetInstance(), vtkLogger.GetCurrentVerbosityCutoff()
    messages = vtkStringOutputWindow()
    try:
        vtkOutputWindow.SetInstance(messages)
        vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
        reader.Update()
        data = reader.GetOutput()
        whole = hasattr(data, "GetNumberOfCells") and data.GetNumberOfCells() > 0
        if whole:
            join = vtkAppendFilter()  # makes a grid of cells of whatever VTK has read
            join.AddInputData(data)
            join.Update()
            grid = join.GetOutput()
    finally:
        vtkOutputWindow.SetInstance(window)
        vtkLogger.SetStderrVerbosity(vtkLogger.ConvertToVerbosity(loud))
    if not whole or "ERROR" in messages.GetOutput():
        raise CaseError(f"VTK finds no whole grid in it: it was cut short, is damaged or is no "
                        f"{file.suffix.lower()} file of VTK; save it again")
    kinds = vtk_to_numpy(grid.GetCellTypes())
    start = vtk_to_numpy(grid.GetCells().GetOffsetsArray()).astype(np.int64)
    nodes = vtk_to_numpy(grid.GetCells().GetConnectivityArray()).astype(np.int64)
    arrays = {}
    for k in range(grid.GetCellData().GetNumberOfArrays()):
        array = grid.GetCellData().GetAbstractArray(k)
        if array.GetName():
            texts = grid.GetCellData().GetArray(k) is None
            arrays[array.GetName()] = np.array(["text"]) if texts else vtk_to_numpy(array)
    chosen = _chosen({name: [array] for name, array in arrays.items()})
    tags = arrays[chosen].ravel().astype(np.int64)
    if legacy:
        _check_length(file.read_bytes(), chosen, len(tags))
    blocks = []
    for kind in np.unique(kinds):
        which = np.flatnonzero(kinds == kind)
        width = start[which + 1] - start[which]
        part = nodes[start[which][:, None] + np.arange(width.min())]
        blocks.append((_VTK.get(int(kind), f"VTK type {kind}"), part, tags[which]))
    return Read(vtk_to_numpy(grid.GetPoints().GetData()).astype(np.float64), blocks)


_BYTES = {"char": 1, "short": 2, "int": 4, "long": 8, "float": 4, "double": 8, "vtktypeint64": 8,
          "vtktypeuint64": 8, "vtkidtype": 4}


def _check_length(data: bytes, name: str, count: int) -> None:
    """Refuse a legacy file that ends within its tags: VTK fills them up without a word.

    Raises:
        CaseError: it does.
    """
    cut = not data[-1:].isspace()
    if re.search(rb"^\s*BINARY\s*$", data[:512], re.MULTILINE):
        quoted = "".join(chr(b) if 32 < b < 127 and chr(b) not in '%"' else f"%{b:02X}"
                         for b in name.encode())
        word = re.escape(quoted.encode())
        heads = [*re.finditer(
            rb"\b%b 1 %d (?:unsigned_)?(\w+) *\n|SCALARS %b (?:unsigned_)?(\w+).*\n(?:LOOKUP_.*\n)?"
            % (word, count, word), data)]
        if heads:
            kind = (heads[-1][1] or heads[-1][2]).decode().lower()
            cut = len(data) < heads[-1].end() + count * _BYTES.get(kind, 1)
    if cut:
        raise CaseError("ends in the middle of its cell arrays: it was cut short, copy or save it "
                        "again")


def _chosen(arrays: dict[str, list[Any]]) -> str:
    """Name of the cell array that holds the tags: a known one, else the only one."""
    whole = [name for name, parts in arrays.items()
             if not _RESERVED_NAMES.fullmatch(name) and all(map(_counts, parts))]
    known = [name for name in _TAG_NAMES if name in whole]
    if known or len(whole) == 1:
        return (known or whole)[0]
    if whole:
        raise CaseError(f"which of {', '.join(whole)} holds the regions? Call that cell array (of "
                        "DOLFINx: mesh tags) region")
    raise CaseError("no cell tags; one whole number per cell is needed, in a cell array called "
                    f"region (cell arrays in the file: {', '.join(arrays) or 'none'})")


def _counts(part: Any) -> bool:
    """One whole number for each cell."""
    part = np.asarray(part)
    return bool(part.dtype.kind in "biuf" and part.size == len(part)
                and np.all(np.isfinite(part)) and np.all(np.mod(part, 1) == 0)
                and np.all(np.abs(part) < 2**31))


# --------------------------------------------------------------------------------------- .xdmf


_XDMF = {"polyvertex": "vertex", "polyline": "line", "edge_3": "line", "triangle": "triangle",
         "triangle_6": "triangle", "triangle_10": "triangle", "triangle_15": "triangle",
         "tetrahedron": "tetra", "tetrahedron_10": "tetra", "tetrahedron_20": "tetra",
         "quadrilateral": "quad", "quadrilateral_8": "quad", "quadrilateral_9": "quad",
         "hexahedron": "hexahedron", "hexahedron_20": "hexahedron",
         "hexahedron_27": "hexahedron", "wedge": "wedge", "pyramid": "pyramid"}


def read_xdmf(file: Path) -> Read:
    """Grids of XDMF 3: that of meshio, or mesh and mesh tags of DOLFINx, each a grid of its own."""
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except ElementTree.ParseError as error:
        line, column = error.position
        raise CaseError(f"is not complete XML, see line {line}, column {column + 1}: it was cut "
                        "short or is not an .xdmf file; save it again") from None
    grids = [g for g in root.iterfind("Domain/Grid") if g.get("GridType", "Uniform") == "Uniform"]
    if root.tag != "Xdmf" or not grids:
        series = " (a series in time has none for itself)" if root.tag == "Xdmf" else ""
        raise CaseError(f"holds no uniform grid{series}; write mesh and tags alone: write_mesh and "
                        "write_meshtags of DOLFINx, or .msh of gmsh")
    points = None
    parts: list[tuple[str, Ints, dict[str, Any]]] = []
    for grid in grids:
        geometry = grid.find("Geometry")
        if geometry is not None:
            places = _item(geometry.find("DataItem"), file).astype(np.float64)
            if points is not None and not np.array_equal(points, places):
                raise CaseError("holds several meshes; save one, with its tags")
            points = places
        topology = grid.find("Topology")
        if topology is None:
            raise CaseError(f"grid {grid.get('Name')!r} has no topology; save it again")
        arrays = {str(a.get("Name")): _item(a.find("DataItem"), file)
                  for a in grid.iterfind("Attribute") if a.get("Center") == "Cell"}
        first = 0
        for kind, nodes in _cells(topology, file):
            end = first + len(nodes)
            parts.append((kind, nodes, {n: np.asarray(a)[first:end] for n, a in arrays.items()}))
            first = end
        if any(len(a) != first for a in arrays.values()):
            raise CaseError(f"grid {grid.get('Name')!r} has not one value for each cell; save it "
                            "again")
    if points is None:
        raise CaseError("holds no points; save it again")
    return Read(points, _tagged_once(parts), _named(root))


def _tagged_once(parts: list[tuple[str, Ints, dict[str, Any]]]) -> list[tuple[str, Ints, Ints]]:
    """Blocks of cells, each cell with its tag if one of the grids has it."""
    blocks = []
    for kind in dict.fromkeys(kind for kind, _, _ in parts):
        same = [(nodes, arrays) for k, nodes, arrays in parts if k == kind]
        arrays: dict[str, list[Any]] = {}
        for _, those in same:
            for name, values in those.items():
                arrays.setdefault(name, []).append(values)
        chosen = _chosen(arrays) if arrays else ""
        tagged = [(n, a[chosen].ravel().astype(np.int64)) for n, a in same if chosen in a]
        bare = [n for n, a in same if chosen not in a]
        blocks += [(kind, nodes, tags) for nodes, tags in tagged]
        if bare:
            rest = np.concatenate(bare)
            known = np.concatenate([rest[:0], *(nodes for nodes, _ in tagged)])
            both = np.sort(np.concatenate([known, rest]), axis=1)
            label = np.unique(both, axis=0, return_inverse=True)[1].ravel()
            left = ~np.isin(label[len(known) :], label[: len(known)])
            blocks.append((kind, rest[left], np.full(int(left.sum()), UNTAGGED)))
    return blocks


def _cells(topology: ElementTree.Element, file: Path) -> Iterator[tuple[str, Ints]]:
    kind = str(topology.get("TopologyType") or topology.get("Type")).lower()
    nodes = _item(topology.find("DataItem"), file).astype(np.int64)
    if kind == "mixed":
        from meshio.xdmf.common import translate_mixed_cells

        for block in translate_mixed_cells(nodes.ravel()):
            yield re.sub(r"\d+$", "", block.type), block.data
    else:
        yield _XDMF.get(kind, kind), nodes.reshape(len(nodes), -1)


def _item(item: ElementTree.Element | None, file: Path) -> Any:
    """The numbers of a DataItem, written out in the file or kept beside it in HDF5."""
    if item is None or item.get("Reference") or item.get("ItemType", "Uniform") != "Uniform":
        raise CaseError("a grid does not hold its own numbers but points elsewhere; write mesh and "
                        "tags with write_mesh and write_meshtags of DOLFINx, or .msh of gmsh")
    text = (item.text or "").strip()
    if item.get("Format", "XML") == "XML":
        shape = [int(n) for n in item.get("Dimensions", "-1").split()]
        return np.array(text.split(), dtype=np.float64).reshape(shape)
    if item.get("Format") != "HDF":
        raise CaseError(f"numbers in the format {item.get('Format')!r}; write HDF or XML")
    import h5py

    name, _, place = text.partition(":")
    beside = file.parent / name
    if not beside.is_file():
        raise CaseError(f"its numbers are in {name}, which is not beside it; copy both files")
    try:
        with h5py.File(beside, "r") as h5:
            values = h5[place][()]
    except (OSError, KeyError):
        raise CaseError(f"its numbers {place} are not in {name}; the two files are not of the same "
                        "run, or one is damaged: save both again") from None
    if list(values.shape) != [int(n) for n in item.get("Dimensions", "").split()]:
        raise CaseError(f"its numbers {place} in {name} are other ones than it says: mesh tags of "
                        "the same name overwrite each other; give cell tags and facet tags "
                        "different names before write_meshtags of DOLFINx, and save both again")
    return values


def _named(root: ElementTree.Element) -> dict[tuple[int, int], str]:
    """Names of physical groups, where meshio keeps them."""
    names = {}
    for information in root.iter("Information"):
        try:
            entries = ElementTree.fromstring(information.text or "")
            for entry in entries.iter():
                if entry.get("key") and entry.get("dim") and entry.text:
                    names[int(str(entry.get("dim"))), int(entry.text)] = str(entry.get("key"))
        except (ElementTree.ParseError, ValueError):
            continue  # another program's remark
    return names


# ---------------------------------------------------------------------------------------- .med


_MED = {"PO1": "vertex", "SE2": "line", "SE3": "line", "TR3": "triangle", "TR6": "triangle",
        "TR7": "triangle", "TE4": "tetra", "T10": "tetra", "QU4": "quad", "QU8": "quad",
        "QU9": "quad", "HE8": "hexahedron", "H20": "hexahedron", "H27": "hexahedron",
        "PY5": "pyramid", "P13": "pyramid", "PE6": "wedge", "P15": "wedge", "P18": "wedge"}


def read_med(file: Path) -> Read:
    """A mesh of Salome or gmsh: the families of its cells, called by their groups."""
    import h5py

    if not h5py.is_hdf5(file):
        raise CaseError("is not an HDF5 file, which every .med is; save it again")
    with h5py.File(file, "r") as f:
        meshes = list(f.get("ENS_MAA", ()))
        if len(meshes) != 1:
            raise CaseError(f"holds {len(meshes)} meshes{': ' if meshes else ''}"
                            f"{', '.join(meshes)}; save one")
        mesh = f["ENS_MAA"][meshes[0]]
        width = int(mesh.attrs["ESP"])
        steps = [mesh] if "NOE" in mesh else list(mesh.values())
        if len(steps) != 1:
            raise CaseError(f"holds a mesh at {len(steps)} times; save one")
        step = steps[0]
        if "MAI" not in step:
            raise CaseError("holds nodes but no cells; save the cells too")
        points = step["NOE/COO"][()].reshape(width, -1).T
        blocks = []
        for kind, cells in step["MAI"].items():
            count = int(cells["NOD"].attrs["NBR"])
            nodes = cells["NOD"][()].reshape(-1, count).T.astype(np.int64) - 1
            tags = cells["FAM"][()].astype(np.int64) if "FAM" in cells else np.zeros(count, int)
            blocks.append((_MED.get(kind, f"MED type {kind}"), nodes,
                           np.where(tags == 0, UNTAGGED, tags)))
        names: dict[tuple[int, int], str] = {}
        used = {int(tag) for *_, tags in blocks for tag in np.unique(tags)}
        for family in f.get(f"FAS/{meshes[0]}/ELEME", {}).values():
            groups = [bytes(row.astype(np.uint8)).split(b"\0")[0].decode("utf-8", "replace").strip()
                      for row in family["GRO/NOM"][()]] if "GRO" in family else []
            number = int(family.attrs["NUM"])
            if len(groups) > 1 and number in used:  # a family stands for a set of groups
                raise CaseError(f"cells or facets lie in the groups "
                                f"{' and '.join(map(repr, groups))} (family {number}); leave them "
                                "in one")
            if groups:
                names |= {(d, number): groups[0] for d in (1, 2, 3)}
    return Read(points, blocks, names)


# ---------------------------------------------------------------------------------------- NASTRAN


_NASTRAN = {"CTRIA3": ("triangle", 3), "CTRIAR": ("triangle", 3), "CTRIA6": ("triangle", 3),
            "CTETRA": ("tetra", 4), "CBAR": ("line", 2), "CBEAM": ("line", 2), "CROD": ("line", 2),
            "CTUBE": ("line", 2), "CBUSH": ("line", 2), "CQUAD4": ("quad", 4),
            "CQUADR": ("quad", 4), "CQUAD8": ("quad", 4), "CQUAD": ("quad", 4),
            "CSHEAR": ("quad", 4), "CHEXA": ("hexahedron", 8), "CPENTA": ("wedge", 6),
            "CPYRAM": ("pyramid", 5), "CPYRA": ("pyramid", 5)}
_EXPONENT = re.compile(r"(?<=[\d.])([+-]\d+)$")


def read_nastran(file: Path) -> Read:
    """Bulk data of NASTRAN as COMSOL, gmsh and others write it, with or without BEGIN BULK.

    Fields of 8 or of 16 columns, or between commas; the property number of a cell is its tag.
    """
    numbers: list[int] = []
    places: list[list[float]] = []
    cells: dict[str, tuple[list[list[int]], list[int]]] = {}
    for line, name, fields in _cards(file):
        try:
            if name == "GRID":
                if fields[1] not in ("", "0"):
                    raise CaseError(f"line {line}: GRID {fields[0]} is given in the coordinate "
                                    f"system {fields[1]}; save basic coordinates")
                numbers.append(int(fields[0]))
                places.append([_real(x) for x in fields[2:5]])
            elif name in _NASTRAN:
                kind, corners = _NASTRAN[name]
                nodes, tags = cells.setdefault(kind, ([], []))
                nodes.append([int(n) for n in fields[2 : 2 + corners]])
                tags.append(int(fields[1]) if fields[1] else 0)
                if len(nodes[-1]) < corners:
                    raise ValueError
            elif name == "INCLUDE":
                raise CaseError(f"line {line}: INCLUDE is not followed; save all in one file")
        except (ValueError, IndexError):
            raise CaseError(f"line {line}: {name} {' '.join(fields[:5])}: a number is missing or "
                            "is none; was the file cut short?") from None
    if not numbers:
        raise CaseError("holds no GRID, so it is not NASTRAN bulk data; save it again")
    grid = np.array(numbers, dtype=np.int64)
    order = np.argsort(grid, kind="stable")
    twice = grid[order][1:][np.diff(grid[order]) == 0]
    if len(twice):
        raise CaseError(f"GRID {twice[0]} is there twice; save it again")
    blocks = []
    for kind, (rows, tags) in cells.items():
        corner = np.array(rows, dtype=np.int64)
        at = np.searchsorted(grid[order], corner).clip(max=len(grid) - 1)
        missing = corner[grid[order][at] != corner]
        if len(missing):
            raise CaseError(f"a cell has the node {missing[0]}, for which there is no GRID; was it "
                            "cut short?")
        tag = np.array(tags, dtype=np.int64)
        blocks.append((kind, order[at], np.where(tag == 0, UNTAGGED, tag)))
    return Read(np.array(places), blocks)


def _real(text: str) -> float:
    """A number of NASTRAN, whose exponent may lack its letter: 1.5-3."""
    return float(_EXPONENT.sub(r"e\1", text.upper().replace("D", "E")) if text else 0.0)


def _cards(file: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line, name and fields of each entry, its continuation lines joined."""
    text = file.read_text(encoding="latin-1")
    lines = text.splitlines()
    begin = next((k + 1 for k, s in enumerate(lines) if re.match(r"\s*BEGIN\b", s, re.I)), 0)
    end = next((k for k, s in enumerate(lines) if re.match(r"\s*ENDDATA\b", s, re.I)), None)
    if end is None:
        raise CaseError("has no line ENDDATA: it may have been cut short; copy or save it again, "
                        "or write ENDDATA as its last line if it is whole")
    card: tuple[int, str, list[str]] | None = None
    for k, line in enumerate(lines[begin:end], begin + 1):
        line = line.split("$")[0].rstrip()
        if not line.strip():
            continue
        name, fields = _fields(line)
        if card is not None and (not name or name[0] in "+*"):
            card[2].extend(fields)
            continue
        if card is not None:
            yield card
        card = (k, name.rstrip("*").upper(), fields)
    if card is not None:
        yield card


def _fields(line: str) -> tuple[str, list[str]]:
    """First field of a line, and its 8 fields of data, or 4 if they are wide."""
    if "," in line:
        name, *rest = [part.strip() for part in line.split(",")]
        wide = "*" in name
        data = rest[: 4 if wide else 8]
    else:
        line = line.expandtabs(8)
        name = line[:8].strip()
        wide = "*" in name
        data = [line[k : k + (16 if wide else 8)].strip() for k in range(8, 72, 16 if wide else 8)]
    return name, data + [""] * ((4 if wide else 8) - len(data))

