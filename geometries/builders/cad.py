"""Family `cad`: parts drawn elsewhere, put between collector and separator.

STEP, BREP and IGES files go through the CAD kernel: their faces and edges stay as drawn, and names
of parts become regions. STL surfaces have no such edges, and are often not closed or cross
themselves: they go through the lattice of `levelset`, which rounds edges over one spacing.
"""

from __future__ import annotations

import fnmatch
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from fem.base.errors import CaseError, nearest
from fem.values.units import quantity, shown_point
from geometries.builders import lattice_host
from geometries.builders.lattice_host import OnLattice
from geometries.meshing.mesh import Built, Floats, TaggedMesh, assemble, quality
from geometries.meshing.parameters import Length, Name, Names, Parameters, above

if TYPE_CHECKING:
    Position = float
else:
    Position = quantity("m")
#: Least SICN accepted.
MIN_QUALITY = 0.05
KERNEL, SURFACE = (".step", ".stp", ".brep", ".iges", ".igs"), (".stl",)


class Part(Parameters):
    """A file with one or several bodies.

    Attributes:
        file: .step, .stp, .brep, .iges, .igs or .stl; relative to the case.
        unit: length of one unit of the file, such as "1 um". STEP and IGES files carry theirs and
            are read in mm: "1 mm" takes them as drawn, "1 um" a thousandth of it.
        region: of all bodies of the file, such as `host_frame`; or give
        names: name or pattern of a body in the file -> region.
        shift: added to the coordinates x, (y,) z.
    """

    file: Annotated[str, Field(min_length=1, max_length=4096)]
    unit: Length
    region: Name | None = None
    names: dict[str, Name] = Field(default_factory=dict)
    shift: tuple[Position, ...] = ()


class Cad(OnLattice):
    """Parameters of a host from drawings; the thickness is the last axis, the collector at 0.

    In addition to those of all hosts:

    Attributes:
        parts: files; where bodies overlap the first has the place. All from the CAD kernel, or
            all STL. What lies outside the cell is cut off. 2D takes faces in the xy-plane.
        pore: region of what no body fills.
        size: largest cell size; STL: spacing of the lattice. Default a tenth of the width.
        size_wall: cell size on the bodies, not for STL; default `size`.
        content: sha256 of the files; found, or checked if given.
    """

    parts: tuple[Part, ...] = Field(min_length=1, max_length=50)
    pore: Name = "electrolyte"
    size_wall: Length | None = None
    content: str = ""

    @model_validator(mode="after")
    def _read(self) -> Cad:
        wrong = []
        if self.layers:
            wrong.append("layers: parts are named by their files; give thickness")
        digest = hashlib.sha256()
        for i, part in enumerate(self.parts):
            path = Path(part.file)
            if path.suffix.lower() not in KERNEL + SURFACE:
                wrong.append(f"parts.{i}.file: {path.name!r} is none of "
                             f"{', '.join(KERNEL + SURFACE)}")
            elif not path.is_file():
                wrong.append(f"parts.{i}.file: no file {part.file!r}")
            else:
                digest.update(path.read_bytes())
            if (part.region is None) == (not part.names):
                wrong.append(f"parts.{i}: give either region or names")
            if part.shift and len(part.shift) != self.dimension:
                wrong.append(f"parts.{i}.shift: give {self.dimension} lengths")
            if path.suffix.lower() in SURFACE and part.names:
                wrong.append(f"parts.{i}.names: an STL has no names; give region")
        kinds = {Path(part.file).suffix.lower() in SURFACE for part in self.parts}
        if len(kinds) == 2:
            wrong.append("parts: STL and drawings of the CAD kernel cannot be mixed")
        if kinds == {True} and self.dimension == 2:
            wrong.append("dimension: an STL is a surface in 3D space; set dimension = 3")
        if kinds != {True} and self.refine:
            wrong.append("refine: a drawing is not meshed on a lattice; give size_wall")
        if kinds == {True} and self.size_wall:
            wrong.append("size_wall: an STL is meshed on a lattice; give size and refine")
        if wrong:
            raise ValueError("\n  ".join(wrong))
        self.budget(self.spacing())
        if self.content not in ("", digest.hexdigest()):
            raise ValueError("content: a file has changed; leave content out to take it")
        object.__setattr__(self, "content", digest.hexdigest())
        return self

    def names(self) -> Names:
        """Regions and boundaries of its meshes; which bodies are there is known when it is read."""
        bodies = [n for part in self.parts
                  for n in ([part.region] if part.region else part.names.values())]
        return Names((self.pore, *above(self.gap, self.separator)), tuple(dict.fromkeys(bodies)))

    def spacing(self) -> float:
        """Largest cell size in m."""
        return self.size or self.width / 10


def build(p: Cad) -> Built:
    """The tagged mesh; `mesh.json` lists the volumes as drawn.

    Raises:
        CaseError: a file cannot be read, a body has no region, or nothing lies in the cell.
    """
    drawn: dict[str, float] = {}
    if Path(p.parts[0].file).suffix.lower() in SURFACE:
        mesh = _surfaces(p)
    else:
        mesh, drawn = _drawings(p)
    return lattice_host.finished(mesh, p.host_layers("cad"), "cad", connected=False,
                                 extra={"drawn_volumes": drawn})


def _surfaces(p: Cad) -> TaggedMesh:
    """STL through the lattice, by the distance to each surface."""
    import pyvista

    inside, regions = [], [p.pore]
    for part in p.parts:
        try:
            surface = pyvista.read(part.file)
            surface = surface.scale(part.unit).translate(part.shift or (0.0, 0.0, 0.0))
            closed = surface.clean().fill_holes(surface.length).compute_normals(
                auto_orient_normals=True, consistent_normals=True)
        except Exception as error:
            raise CaseError(f"cad: {part.file} cannot be read: {error}") from None
        inside.append(closed)
        regions.append(part.region or "")

    def field(points: Floats) -> Floats:
        cloud = pyvista.PolyData(points)
        far = [np.asarray(cloud.compute_implicit_distance(s)["implicit_distance"])
               for s in inside]
        return np.column_stack([-np.min(far, axis=0), *far])

    return lattice_host.host_mesh(p, p.host_layers("cad"), p.spacing(), field, regions)


def _drawings(p: Cad) -> tuple[TaggedMesh, dict[str, float]]:
    """Bodies and slabs cut by one another in the CAD kernel; volumes of the regions as drawn."""
    from geometries.meshing.gmsh_session import arrays, name_regions, session, size_fields, snap

    dim = p.dimension
    unit = p.spacing()  # the kernel's tolerance is absolute
    slabs = [(p.pore, 0.0, p.top)]
    for region, thickness in (("electrolyte_gap", p.gap), ("separator", p.separator)):
        if thickness:
            slabs.append((region, slabs[-1][2], slabs[-1][2] + thickness))
    with session() as gmsh:
        occ = gmsh.model.occ
        gmsh.option.setNumber("Geometry.OCCImportLabels", 1)
        bodies, regions = [], []
        for part in p.parts:
            for tag, name in _imported(gmsh, part, dim):
                occ.dilate([(dim, tag)], 0, 0, 0, *[part.unit / unit] * 3)
                occ.translate([(dim, tag)], *[s / unit for s in part.shift], *[0.0] * (
                    3 - len(part.shift)))
                bodies.append((dim, tag))
                regions.append(part.region or _region(part, name))
        room = _box(occ, p, 0.0, p.top, unit)
        kept, pieces = occ.intersect(bodies, [(dim, room)])
        if not kept:
            raise CaseError("cad: no body lies in the cell; check unit and shift, or width, "
                            "breadth and thickness")
        owner_of_body = [regions[i] for i, found in enumerate(pieces[: len(bodies)])
                         for _ in found]
        solids = [body for found in pieces[: len(bodies)] for body in found]
        boxes = [(dim, _box(occ, p, low, high, unit)) for _, low, high in slabs]
        _, pieces = occ.fragment(solids + boxes, [])
        occ.synchronize()
        owner = name_regions(gmsh, dim, owner_of_body + [r for r, _, _ in slabs], pieces)
        drawn = dict.fromkeys(sorted(set(owner.values())), 0.0)
        for tag, region in owner.items():
            drawn[region] += occ.getMass(dim, tag) * unit**dim
        walls = [tag for _, tag in gmsh.model.getEntities(dim - 1)
                 if len({owner[t] for t in gmsh.model.getAdjacencies(dim - 1, tag)[0]}
                        - {r for r, _, _ in slabs}) > 0]
        size_fields(gmsh, dim, 1.0, p.growth, [], [(walls, (p.size_wall or unit) / unit)],
                    budget=(p.cells_max, "cells_max"))
        gmsh.model.mesh.generate(dim)
        for method in ("Netgen", "Relocate3D") if dim == 3 else ():
            tags = gmsh.model.mesh.getElementsByType(4)[0]
            if gmsh.model.mesh.getElementQualities(tags, "minSICN").min() < 0.1:
                gmsh.model.mesh.optimize(method)
        points, cells, names = arrays(gmsh, dim)
    points = snap(points * unit, dim - 1, [0.0, *(high for _, _, high in slabs)])
    for axis, length in enumerate(p.across):
        points = snap(points, axis, [0.0, length])
    q = quality(points, cells)
    if q.min() < MIN_QUALITY:
        at = shown_point(points[cells[q.argmin()]].mean(axis=0))
        raise CaseError(f"cad: worst cell {q.min():.3g} (SICN, least {MIN_QUALITY}) at {at}, "
                        "where faces nearly touch; take another shift, width or thickness, or a "
                        "smaller size_wall")
    return assemble(points, cells, names), drawn


def _imported(gmsh: Any, part: Part, dim: int) -> list[tuple[int, str]]:
    """Bodies of a file and their names, last part of the path in the file.

    Raises:
        CaseError: the file cannot be read or holds no body.
    """
    try:
        found = gmsh.model.occ.importShapes(part.file)
        gmsh.model.occ.synchronize()
    except Exception as error:
        raise CaseError(f"cad: {part.file} cannot be read: {error}") from None
    bodies = [(tag, str(gmsh.model.getEntityName(d, tag)).rsplit("/", 1)[-1])
              for d, tag in found if d == dim]
    if not bodies:
        kind = "closed bodies" if dim == 3 else "faces"
        raise CaseError(f"cad: {part.file} holds no {kind}; found dimensions "
                        f"{sorted({d for d, _ in found})}")
    return bodies


def _region(part: Part, name: str) -> str:
    for pattern, region in part.names.items():
        if fnmatch.fnmatchcase(name, pattern):
            return region
    raise CaseError(f"cad: names: no region for the body {name!r} of {part.file}; "
                    f"{nearest(name, part.names)}")


def _box(occ: Any, p: Cad, low: float, high: float, unit: float) -> int:
    if p.dimension == 2:
        return int(occ.addRectangle(0, low / unit, 0, p.width / unit, (high - low) / unit))
    x, y = (length / unit for length in p.across)
    return int(occ.addBox(0, 0, low / unit, x, y, (high - low) / unit))
