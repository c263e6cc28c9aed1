"""A user's mesh, converted once into a mesh folder."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.values.units import parse_quantity, shown_length, shown_point
from geometries.files.formats import (
    UNTAGGED,
    Read,
    groups_of_elements,
    read,
    read_med,
    read_nastran,
    read_vtk,
    read_xdmf,
)
from geometries.files.soundness import SLACK_SHARE, Body, index_of, precision
from geometries.meshing import thickness
from geometries.meshing.mesh import Built, Floats, Ints, TaggedMesh, compact

#: Range of the box diagonal in m: one atom row to a pouch cell.
SMALLEST, LARGEST = 1e-9, 0.1
#: Part of the cache key: raise it when a check or a remark on a mesh changes.
CHECKS_VERSION = 5
_BOUNDARIES = ("collector", "counter", "sides", "axis")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass
class _Raw:
    """Content of a file: corner nodes and tags of cells and facets, and names of (dim, tag)."""

    points: Floats
    cells: Ints
    cell_tags: Ints
    facets: Ints
    facet_tags: Ints
    names: dict[tuple[int, int], str]
    remarks: list[str] = field(default_factory=list)

    @property
    def dimension(self) -> int:
        return int(self.cells.shape[1]) - 1


def convert(
    file: Path,
    folder: Path,
    *,
    unit: str,
    names: Mapping[Any, str] | None = None,
    axisymmetric: bool = False,
    refine: int = 0,
) -> dict[str, Any]:
    """Convert a mesh of triangles or tetrahedra with one tag per cell into a mesh folder.

    Regions and boundaries are named by physical groups of the file or by `names`. Without any
    facet tags in the file the boundaries are the lowest (collector) and highest (counter) plane
    along the last axis and the sides. Facet tags inside the mesh are dropped (interfaces follow
    from the regions) and listed in the sidecar as `dropped_facets`; further tagged facets without
    a name become `boundary_<tag>`. Second-order cells are read as straight ones.

    The mesh must be one body, see `geometries.files.soundness`; what is valid but should be known
    stands in the sidecar as `remarks`, how far its planes are uneven as `slack` (m), and the
    direction from the collector into the cell as `up` (null: the collector is no plane), and its
    extents along the axes as `size` (m). `host` is counted along `up`, or is a distance from the
    collector.

    Args:
        file: .msh of gmsh, .vtu or .vtk (a cell array of whole numbers, `region`), .xdmf of
            DOLFINx (mesh and mesh tags) or meshio, .med, NASTRAN (.nas, .bdf, .fem: properties).
        folder: gets the mesh files.
        unit: length unit of the file's coordinates, such as "um".
        names: tag number (or name in the file) -> name. A number that tags both cells and facets
            names the facets if the name is collector, counter, sides or axis, else the cells.
        axisymmetric: 2D with x the radius, x >= 0.
        refine: halve the cells this many times, see `refined`.

    Returns:
        The sidecar, the content of mesh.json.

    Raises:
        CaseError: file missing or unreadable, cells untagged or unnamed, cells or facets in two
            groups, a name that matches nothing, a size that shows a wrong unit, no collector or
            counter, parts without common nodes, volumes that overlap.
    """
    from geometries.files.writing import write

    file = Path(file)
    raw = _read(file)
    scale = _scale(unit)
    _check_numbers(raw, file)
    exact = scale * precision(raw.points, raw.cells)
    raw.points = _flat(raw, file, exact / scale) * scale
    _check_cells(raw, file)
    _check_size(raw.points[np.unique(raw.cells)], file, unit)
    if axisymmetric:
        _put_on_axis(raw, file, exact)
    _rename(raw, names or {}, file)
    mesh, extra = _tagged(raw, axisymmetric, file, exact, unit)
    for _ in range(refine):
        mesh = refined(mesh)
    up = extra["up"]
    height = thickness.heights(mesh, None if up is None else np.array(up))
    host = [height[mesh.cells[mesh.region_mask(n)]]
            for n in mesh.regions if n.startswith("host")]
    extent = None
    if host:
        extent = (min(float(h.min()) for h in host), max(float(h.max()) for h in host))
    parameters = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "unit": unit,
        "names": {str(k): v for k, v in (names or {}).items()},
        "axisymmetric": axisymmetric,
        "refine": refine,
    }
    built = Built(mesh, extent, [], extra)
    return write(built, Path(folder), "file", parameters)


def cached_conversion(
    file: Path,
    cache_dir: Path,
    *,
    unit: str,
    names: Mapping[Any, str] | None = None,
    axisymmetric: bool = False,
    refine: int = 0,
) -> Path:
    """Folder of the converted mesh, made on the first call for this file content and options.

    Raises:
        CaseError: as `convert`.
    """
    from geometries.files.cache import CACHE_VERSION, once

    file = Path(file)
    _check_file(file)
    options = {"unit": unit, "names": {str(k): v for k, v in (names or {}).items()},
               "axisymmetric": axisymmetric, "suffix": file.suffix.lower(),
               "version": CACHE_VERSION, "refine": refine, "checks": CHECKS_VERSION}
    h = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for part in _companions(file):
        h.update(part.read_bytes())
    return once(
        Path(cache_dir) / f"file-{h.hexdigest()[:32]}",
        lambda folder: convert(file, folder, unit=unit, names=names, axisymmetric=axisymmetric,
                               refine=refine),
    )


def file_digest(file: Path) -> str:
    """SHA-256 of a mesh file, the .h5 files that an XDMF names included."""
    h = hashlib.sha256()
    for part in _companions(Path(file)):
        h.update(part.read_bytes())
    return h.hexdigest()


def _companions(file: Path) -> list[Path]:
    """The file, and for XDMF the .h5 files beside it that it names."""
    if file.suffix.lower() != ".xdmf":
        return [file]
    text = file.read_text(encoding="utf-8", errors="replace")
    named = sorted({name.strip() for name in re.findall(r">([^<>:]+):", text)})
    return [file, *(p for n in named if (p := file.parent / n).is_file())]


def _check_file(file: Path) -> None:
    if not file.is_file():
        near = difflib.get_close_matches(
            file.name, [f.name for f in file.parent.glob("*")] if file.parent.is_dir() else [], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise CaseError(f"mesh.file: {file} does not exist{hint}")
    if file.suffix.lower() not in FORMATS:
        raise CaseError(f"mesh.file: {file.name} has no known ending; known: {', '.join(FORMATS)}")


def _read(file: Path) -> _Raw:
    _check_file(file)
    found = read(file, FORMATS)
    raw = _collect(found.points, found.blocks, found.names, file)
    raw.remarks += found.remarks
    return raw


def _read_msh(file: Path) -> Read:
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        try:
            gmsh.merge(str(file))
        except Exception:  # gmsh raises bare Exception
            raise CaseError("gmsh cannot read it: it is damaged, or another program wrote it "
                            "in its own way; save it with gmsh itself, or as .msh 2.2") from None
        tags, xyz, _ = gmsh.model.mesh.getNodes()
        if not len(tags):
            raise CaseError("holds no nodes")
        number = np.zeros(int(tags.max()) + 1, dtype=np.int64)
        number[tags.astype(np.int64)] = np.arange(len(tags))
        blocks: list[tuple[str, Ints, Ints]] = []
        names = {}
        entities = gmsh.model.getEntities()
        top = max((d for d, e in entities if len(gmsh.model.mesh.getElementTypes(d, e))), default=0)
        # Cells of a partitioned file lie in entities of the parts, whose parents keep none.
        parents = {tuple(gmsh.model.getParent(d, e)) for d, e in entities}
        own = groups_of_elements(
            file, lambda kind: gmsh.model.mesh.getElementProperties(kind)[3])
        empty = []
        for d, entity in entities:
            kinds = gmsh.model.mesh.getElementTypes(d, entity)
            if d == top and not len(kinds) and (d, entity) not in parents:
                empty.append(entity)
            # A minus says that the entity runs the other way in its group.
            groups = sorted({abs(int(g))
                             for g in gmsh.model.getPhysicalGroupsForEntity(d, entity)})
            called = {g: gmsh.model.getPhysicalName(d, g) for g in groups}
            several = len(groups) > 1 and ("" in called.values() or len({*called.values()}) > 1)
            for kind in kinds:
                name, _, _, count, _, corners = gmsh.model.mesh.getElementProperties(kind)
                numbers, nodes = gmsh.model.mesh.getElementsByType(kind, entity)
                part = number[nodes.astype(np.int64)].reshape(-1, count)[:, :corners]
                tags = np.full(len(part), groups[0] if groups else UNTAGGED)
                both = groups  # that hold the same cells
                if own is not None:  # .msh 1 and 2
                    tags = np.array([own.get(k, UNTAGGED) for k in numbers.tolist()], np.int64)
                    if len(groups) > 1:
                        part, tags, both = _once(part, tags)
                        several = len(both) > 1 and len({called.get(g) or g for g in both}) > 1
                if several and d >= top - 1:
                    shown = ", ".join(f"{g} {called.get(g, '')!r}" for g in both)
                    raise CaseError(f"entity {entity} of dimension {d} lies in physical groups "
                                    f"{shown}; leave it in one")
                blocks.append((name.split()[0].lower(), part, tags))
        for d, group in gmsh.model.getPhysicalGroups():
            if gmsh.model.getPhysicalName(d, group):
                names[d, int(group)] = gmsh.model.getPhysicalName(d, group)
    found = Read(xyz.reshape(-1, 3), blocks, names)
    if empty and top >= 2:
        found.remarks.append(
            f"{'surface' if top == 2 else 'volume'} {', '.join(map(str, empty))} of the file has "
            "no cells: it lies in no physical group; put it into one if it belongs to the cell")
    return found


def _once(cells: Ints, tags: Ints) -> tuple[Ints, Ints, list[int]]:
    """Cells without those listed again, and the tags of what is listed under several of them."""
    _, first, kind = np.unique(np.sort(cells, axis=1), axis=0, return_index=True,
                               return_inverse=True)
    other = tags != tags[first][kind.ravel()]
    both = np.unique([tags[other], tags[first][kind.ravel()][other]]).tolist()
    first.sort()
    return cells[first], tags[first], both


#: Known endings and their readers.
FORMATS = {".msh": _read_msh, ".vtu": read_vtk, ".vtk": read_vtk, ".xdmf": read_xdmf,
           ".med": read_med, ".nas": read_nastran, ".bdf": read_nastran, ".fem": read_nastran}
_LINEAR = {"line": "line", "triangle": "triangle", "tetrahedron": "tetra", "tetra": "tetra"}


def _collect(
    points: Floats, blocks: list[tuple[str, Ints, Ints]], names: dict[tuple[int, int], str],
    file: Path,
) -> _Raw:
    sorts: dict[str, list[tuple[Ints, Ints]]] = {"line": [], "triangle": [], "tetra": []}
    for kind, nodes, tags in blocks:
        if kind in ("vertex", "point"):
            continue
        if kind not in _LINEAR:
            raise CaseError(f"mesh {file}: cells of type {kind!r}; only triangles and tetrahedra "
                            "are read, split the others when you mesh")
        width = {"line": 2, "triangle": 3, "tetra": 4}[_LINEAR[kind]]
        corners = nodes[:, :width]
        if len(nodes) and (corners.shape[1] < width or corners.min() < 0
                           or corners.max() >= len(points)):
            raise CaseError(f"mesh {file}: a cell has a node that is not there")
        sorts[_LINEAR[kind]].append((corners, tags))
    top, below = ("tetra", "triangle") if sorts["tetra"] else ("triangle", "line")
    if not sorts[top]:
        raise CaseError(f"mesh {file}: holds no triangles or tetrahedra; if only boundaries were "
                        "saved: gmsh saves what lies in a physical group, so put every surface "
                        "(3D: volume) into one")

    def joined(kind: str, width: int) -> tuple[Ints, Ints]:
        parts = [(n, t) for n, t in sorts[kind] if len(n)]
        if not parts:
            return np.empty((0, width), np.int64), np.empty(0, np.int64)
        return np.concatenate([n for n, _ in parts]), np.concatenate([t for _, t in parts])

    d = 3 if top == "tetra" else 2
    cells, cell_tags = joined(top, d + 1)
    facets, facet_tags = joined(below, d)
    if np.any(cell_tags == UNTAGGED):
        lost = np.flatnonzero(cell_tags == UNTAGGED)
        place = ", ".join(f"{x:.4g}" for x in points[cells[lost[0]]].mean(axis=0))
        raise CaseError(f"mesh {file}: {len(lost)} of {len(cells)} cells have no tag, the first at "
                        f"({place}) in the file; put every cell into one group (gmsh: physical "
                        "group, NASTRAN: property, DOLFINx: mesh tags)")
    keep = (facet_tags != 0) & (facet_tags != UNTAGGED)
    return _Raw(points, cells, cell_tags, facets[keep], facet_tags[keep], names)


def _scale(unit: str) -> float:
    try:
        return float(parse_quantity(f"1 {unit}", "m"))
    except ValueError as error:
        raise CaseError(f"mesh.unit: {unit!r} is not a unit of length; write \"um\", \"mm\" or "
                        f"\"m\" ({error})") from None


def _flat(raw: _Raw, file: Path, exact: float) -> Floats:
    """Points with as many coordinates as the mesh has dimensions."""
    d, points = raw.dimension, raw.points
    if points.shape[1] == d:
        return points
    span = np.ptp(points[np.unique(raw.cells)], axis=0)
    edges = points[raw.cells[:, 1]] - points[raw.cells[:, 0]]
    slack = max(4.0 * exact, SLACK_SHARE * float(np.median(np.linalg.norm(edges, axis=1))))
    level = np.flatnonzero(span <= slack)
    if d != 2 or not len(level):
        shown = " x ".join(f"{x:.4g}" for x in span)
        raise CaseError(f"mesh {file}: holds surfaces only, and not in a plane of two axes (they "
                        f"span {shown}). Of a 3D model save the volume too (gmsh: mesh in 3D, and "
                        "a physical group for every volume); turn a 2D mesh into a plane of two "
                        "axes")
    return np.delete(points, level[-1], axis=1)


def _put_on_axis(raw: _Raw, file: Path, exact: float) -> None:
    """Move nodes to r = 0 that lie left of it by no more than coordinates are known."""
    used = np.unique(raw.cells)
    edges = raw.points[raw.cells[:, 1]] - raw.points[raw.cells[:, 0]]
    slack = max(4.0 * exact, SLACK_SHARE * float(np.linalg.norm(edges, axis=1).min()))
    if raw.dimension != 2 or raw.points[used, 0].min() < -slack:
        raise CaseError(f"mesh {file}: axisymmetric needs a 2D mesh with x = r >= 0")
    raw.points[:, 0] = np.maximum(raw.points[:, 0], 0.0)


def _check_numbers(raw: _Raw, file: Path) -> None:
    used = np.unique(raw.cells)
    if used[0] < 0 or used[-1] >= len(raw.points):
        raise CaseError(f"mesh {file}: a cell has a node that is not there")
    odd = used[~np.isfinite(raw.points[used]).all(axis=1)]
    if len(odd):
        raise CaseError(f"mesh {file}: {len(odd)} nodes without a place: a coordinate is "
                        f"{raw.points[odd[0]].tolist()}")


def _check_cells(raw: _Raw, file: Path) -> None:
    """Cells of some size; places in m."""
    d, points, cells = raw.dimension, raw.points, raw.cells
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    longest = np.linalg.norm(edges, axis=2).max(axis=1)
    flat = np.flatnonzero(np.abs(np.linalg.det(edges)) <= 1e-9 * longest**d)
    if len(flat):
        place = shown_point(points[cells[flat[0]]].mean(axis=0))
        raise CaseError(f"mesh {file}: {len(flat)} cells of no {'area' if d == 2 else 'volume'}, "
                        f"the first at {place}; mend the mesh")


def _check_size(points: Floats, file: Path, unit: str) -> None:
    diagonal = float(np.linalg.norm(np.ptp(points, axis=0)))
    if not SMALLEST <= diagonal <= LARGEST:
        raise CaseError(f"mesh.unit: {file.name} read in {unit!r} has a diagonal of "
                        f"{shown_length(diagonal, 3)}, expected {shown_length(SMALLEST)} to "
                        f"{shown_length(LARGEST)}; is the unit right?")


def _rename(raw: _Raw, names: Mapping[Any, str], file: Path) -> None:
    """Apply the user's names; refuses keys that match nothing and names that are not names."""
    d = raw.dimension
    present = {(d, int(t)) for t in np.unique(raw.cell_tags)}
    present |= {(d - 1, int(t)) for t in np.unique(raw.facet_tags)}
    old = {v: k for k, v in raw.names.items() if k in present}
    wrong = []
    for given, name in names.items():
        text = str(given)
        if not _NAME.fullmatch(name):
            wrong.append(f"mesh.names.{text}: {name!r} is not a name; letters, digits, _")
            continue
        if text in old:
            places = [old[text]]
        elif re.fullmatch(r"-?\d+", text):
            places = [(k, int(text)) for k in (d, d - 1) if (k, int(text)) in present]
            if len(places) == 2:
                places = [places[1] if name in _BOUNDARIES else places[0]]
        else:
            places = []
        if not places:
            known = [*old, *sorted({str(t) for _, t in present})]
            near = difflib.get_close_matches(text, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            wrong.append(f"mesh.names.{text}: not in {file.name}; {hint}known: {', '.join(known)}")
        for place in places:
            raw.names[place] = name
    unnamed = sorted({t for k, t in present if k == d and (k, t) not in raw.names})
    if unnamed:
        example = ", ".join(f'{t} = "host_{t}"' for t in unnamed[:3])
        some = ", ".join(map(str, unnamed[:20])) + ", ..." * (len(unnamed) > 20)
        wrong.append(f"mesh.names: regions {some} have no name; write e.g. "
                     f"names = {{ {example} }}")
    for place in present:
        name = raw.names.get(place, "ok")
        if not _NAME.fullmatch(name):
            wrong.append(f"mesh.names: {name!r} in {file.name} is not a name (letters, digits, _); "
                         f"rename it: names = {{ {place[1]} = \"...\" }}")
    if wrong:
        raise CaseError(f"mesh {file}:\n  " + "\n  ".join(sorted(wrong)))


def _tagged(
    raw: _Raw, axisymmetric: bool, file: Path, exact: float, unit: str
) -> tuple[TaggedMesh, dict[str, Any]]:
    """The mesh, if it is sound, and what the sidecar says of it."""
    d = raw.dimension
    numbers, which = np.unique(raw.cell_tags, return_inverse=True)
    called = [raw.names[d, int(t)] for t in numbers]
    regions = {name: i + 1 for i, name in enumerate(sorted(set(called)))}
    cell_tags = np.array([regions[n] for n in called], dtype=np.int64)[which.ravel()]
    used = np.unique(raw.cells)
    points, cells = compact(raw.points, raw.cells)
    mesh = TaggedMesh(points, cells, cell_tags, np.empty((0, d), np.int64), np.empty(0, np.int64),
                      regions, {}, axisymmetric)
    body = Body(mesh, exact, file)
    body.check()
    mesh.slack = body.unevenness
    extra: dict[str, Any] = {"slack": mesh.slack}
    if len(raw.facets):
        tags, mesh.boundaries, notes, dropped = _named_facets(raw, body, used)
        extra |= {"dropped_facets": dropped} if dropped else {}
        kept = np.flatnonzero(tags)
    else:
        tags, mesh.boundaries = body.name_planes()
        notes, kept = [], np.arange(len(tags))
    mesh.facets, mesh.facet_tags = body.outer[kept], tags[kept]
    at = tags == mesh.boundaries["collector"]
    up = thickness.direction(mesh, mesh.points[body.outer[at]], body.normals[at], body.areas[at])
    extra["up"] = None if up is None else up.tolist()
    extra["size"] = np.ptp(points, axis=0).tolist()
    remarks = [*_doubts(float(np.ptp(thickness.heights(mesh, up))), file, unit), *raw.remarks,
               *notes, *body.remarks(tags, mesh.boundaries, up), *thickness.remarks(up)]
    return mesh, extra | ({"remarks": remarks} if remarks else {})


def _doubts(thick: float, file: Path, unit: str) -> list[str]:
    """Remark on a unit that makes a cell of unlikely thickness (m)."""
    found = thickness.doubt(thick)
    return [f"mesh.unit: {file.name} read in {unit!r} is {found}"] if found else []


def _called(raw: _Raw, tag: int) -> str:
    """Name of the facets of a tag."""
    return raw.names.get((raw.dimension - 1, tag), f"boundary_{tag}".replace("-", "m"))


def _named_facets(
    raw: _Raw, body: Body, used: Ints
) -> tuple[Ints, dict[str, int], list[str], list[str]]:
    """The file's own boundaries.

    Returns:
        Number of each outer facet (0: none), boundary name -> number, remarks, and the names of
        facets that were dropped since they lie inside.
    """
    file = body.file
    if not np.isin(raw.facets, used).all():
        lost = np.flatnonzero(~np.isin(raw.facets, used).all(axis=1))
        called = {_called(raw, int(t)) for t in raw.facet_tags[lost]}
        first = shown_point(raw.points[raw.facets[lost[0]]].mean(axis=0))
        raise CaseError(
            f"mesh {file}: {len(lost)} facets of {', '.join(map(repr, sorted(called)))} belong to "
            f"no cell, the first at {first}; if cells lie there, they are in no group: put them "
            "into one")
    # The numbers that `compact` gave to nodes, to move the facets along.
    facets = np.sort(np.searchsorted(used, raw.facets), axis=1)
    name_of = {int(t): _called(raw, int(t)) for t in np.unique(raw.facet_tags)}
    names = np.array([name_of[int(t)] for t in raw.facet_tags], dtype=object)
    _one_group(facets, names, body)
    where = index_of(body.outer, facets)
    outside = where >= 0
    loose = ~outside
    loose[loose] = index_of(body.inner, facets[loose]) < 0
    if loose.any():
        raise CaseError(
            f"mesh {file}: {loose.sum()} facets of {', '.join(sorted(set(names[loose])))} are no "
            f"facets of cells, the first at {body.at(facets[loose][0])}; mesh surfaces and "
            "volumes together")
    kept, dropped = sorted(set(names[outside])), sorted(set(names[~outside]))
    for needed in ("collector", "counter"):
        if needed not in kept:
            others = [name for name in kept if name not in _BOUNDARIES]
            near = difflib.get_close_matches(needed, others, n=1, cutoff=0.5)
            hint = f"is it {near[0]!r}? " if near else ""
            hint += "all of its facets lie inside the mesh; " if needed in dropped else ""
            cure = f"name it by names = {{ {_electrodes(raw, body, facets)} }}"
            if not others and kept:
                cure = "put its facets into a group of the file, or leave all facets out of groups"
            raise CaseError(f"mesh {file}: no boundary {needed!r}; {hint}found: "
                            f"{', '.join(kept) or 'none'}; {cure}")
    numbers = {name: i + 1 for i, name in enumerate(kept)}
    tags = np.zeros(len(body.outer), dtype=np.int64)
    tags[where[outside]] = [numbers[n] for n in names[outside]]
    notes = []
    for name in kept:
        inside = (names == name) & ~outside
        if inside.any():
            notes.append(f"{inside.sum()} of the {np.count_nonzero(names == name)} facets of "
                        f"boundary {name!r} lie inside the mesh, the first at "
                        f"{body.at(facets[inside][0])}, and are left out")
    return tags, numbers, notes, dropped


def _electrodes(raw: _Raw, body: Body, facets: Ints) -> str:
    """Names to give to tags whose facets all lie in the lowest or the highest plane."""
    heights = body.mesh.points[facets][..., -1]
    ends = {"collector": body.mesh.points[:, -1].min(), "counter": body.mesh.points[:, -1].max()}
    near = 1e-3 * (ends["counter"] - ends["collector"])
    tags = np.unique(raw.facet_tags)
    found = [f'{tag} = "{name}"' for name, level in ends.items() for tag in tags
             if np.all(np.abs(heights[raw.facet_tags == tag] - level) < near)]
    return ", ".join(found) or '<tag> = "collector"'


def _one_group(facets: Ints, names: Any, body: Body) -> None:
    """Refuse facets that lie in two groups of different names."""
    _, label = np.unique(names.astype(str), return_inverse=True)
    order = np.lexsort((label, *facets.T[::-1]))
    again = np.all(facets[order[1:]] == facets[order[:-1]], axis=1)
    clash = np.flatnonzero(again & (names[order[1:]] != names[order[:-1]]))
    if len(clash):
        pairs = {(names[order[k]], names[order[k + 1]]) for k in clash}
        shown = "; ".join(f"{a!r} and {b!r}" for a, b in sorted(pairs))
        raise CaseError(f"mesh {body.file}: {len(clash)} facets lie in two groups, {shown}, the "
                        f"first at {body.at(facets[order[clash[0]]])}; leave them in one")


# Children of an edge, a triangle, a tetrahedron: 12 is the middle of the corners 1 and 2, 11 the
# corner 1. The octahedron in the middle of a tetrahedron is cut along the diagonal from 02 to 13.
_CUTS = {
    2: ("00 01", "01 11"),
    3: ("00 01 02", "01 11 12", "02 12 22", "01 12 02"),
    4: ("00 01 02 03", "01 11 12 13", "02 12 22 23", "03 13 23 33",
        "01 02 03 13", "01 02 12 13", "02 03 13 23", "02 12 13 23"),
}


def refined(mesh: TaggedMesh) -> TaggedMesh:
    """Every edge halved: 4 triangles or 8 tetrahedra of each, with the tags of their parents.

    Walls stay as the coarse mesh draws them: its corners are kept, not rounded.
    """
    n, corners = len(mesh.points), range(mesh.dimension + 1)
    pairs = np.array([(i, j) for i in corners for j in corners if i < j])
    edges = np.unique(np.sort(mesh.cells[:, pairs].reshape(-1, 2), axis=1), axis=0)
    code = edges @ [n, 1]

    def node(simplices: Ints, i: int, j: int) -> Ints:
        if i == j:
            return simplices[:, i]
        return n + np.searchsorted(code, np.sort(simplices[:, [i, j]], axis=1) @ [n, 1])

    def cut(simplices: Ints) -> Ints:
        width = simplices.shape[1]
        children = [[node(simplices, int(ij[0]), int(ij[1])) for ij in child.split()]
                    for child in _CUTS[width]]
        return np.array(children).transpose(2, 0, 1).reshape(-1, width)

    cells = mesh.cells if mesh.dimension == 2 else _shortest_diagonal(mesh.points, mesh.cells)
    points = np.concatenate([mesh.points, mesh.points[edges].mean(axis=1)])
    points, cells = compact(points, cut(cells))
    return replace(
        mesh, points=points, cells=cells,
        cell_tags=np.repeat(mesh.cell_tags, len(_CUTS[mesh.dimension + 1])),
        facets=np.sort(cut(mesh.facets), axis=1),
        facet_tags=np.repeat(mesh.facet_tags, len(_CUTS[mesh.dimension])),
    )


def _shortest_diagonal(points: Floats, cells: Ints) -> Ints:
    """Tetrahedra with their corners in an order that makes 02 to 13 the shortest diagonal."""
    orders = np.array([[0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2]])
    a, b, c, d = np.moveaxis(points[cells[:, orders]], 2, 0)  # (cells, orders, 3) each
    lengths = np.linalg.norm(a + c - b - d, axis=-1)
    return np.take_along_axis(cells, orders[lengths.argmin(axis=1)], axis=1)


if __name__ == "__main__":
    import sys

    from geometries.files.formats import answer

    own = Path(sys.argv[1])
    answer(own, Path(sys.argv[2]), FORMATS[own.suffix.lower()])
