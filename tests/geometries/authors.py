"""One small cell as other programs save it: 20 x 60 um (3D: 20 x 20 x 60 um), two halves.

Regions 11 `electrolyte_a` (below) and 12 `electrolyte_b`, boundaries 21 `collector` and 22
`counter`; coordinates in um. What a program can keep of names it keeps.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

NAMES = {11: "electrolyte_a", 12: "electrolyte_b", 21: "collector", 22: "counter"}
REGIONS = {11: "electrolyte_a", 12: "electrolyte_b"}


def by_gmsh(file: Path, dimension: int = 2, order: int = 1, **options: float) -> Path:
    """Saved by gmsh in the format of the ending; `options` are those of [Mesh]."""
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        _draw(gmsh, dimension)
        for name, value in options.items():
            gmsh.option.setNumber(f"Mesh.{name}", value)
        gmsh.model.mesh.generate(dimension)
        gmsh.model.mesh.setOrder(order)
        try:
            gmsh.write(str(file))
        finally:
            for name, value in {"Binary": 0, "MshFileVersion": 4.1, "SaveElementTagType": 1,
                                "BdfFieldFormat": 1, "RecombineAll": 0}.items():
                gmsh.option.setNumber(f"Mesh.{name}", value)
    return file


def _draw(gmsh: Any, dimension: int) -> None:
    occ = gmsh.model.occ
    box = occ.addRectangle if dimension == 2 else occ.addBox
    sizes = (20, 30) if dimension == 2 else (20, 20, 30)
    places = ((0, 0, 0), (0, 30, 0)) if dimension == 2 else ((0, 0, 0), (0, 0, 30))
    halves = [box(*place, *sizes) for place in places]
    occ.fragment([(dimension, halves[0])], [(dimension, halves[1])])
    occ.synchronize()
    for half, tag in zip(halves, (11, 12), strict=True):
        gmsh.model.addPhysicalGroup(dimension, [half], tag, NAMES[tag])
    for _, side in gmsh.model.getEntities(dimension - 1):
        height = round(occ.getCenterOfMass(dimension - 1, side)[dimension - 1])
        if height in (0, 60):
            tag = {0: 21, 60: 22}[height]
            gmsh.model.addPhysicalGroup(dimension - 1, [side], tag, NAMES[tag])
    gmsh.option.setNumber("Mesh.MeshSizeMax", 10)


def arrays(dimension: int = 2) -> tuple[Any, Any, Any, Any, Any]:
    """Points (nodes, 3), cells, their tags, facets of the two electrodes, their tags."""
    from geometries.meshing.mesh import facet_pairs, tensor_mesh

    axes = [np.linspace(0, 20, 3)] * (dimension - 1) + [np.linspace(0, 60, 7)]
    points, cells, centres = tensor_mesh(*axes)
    facets = facet_pairs(cells)[2][:, :-1]
    heights = points[facets][..., -1]
    low, high = np.all(heights == 0, axis=1), np.all(heights == 60, axis=1)
    points = np.column_stack([points, *np.zeros((3 - dimension, len(points)))])
    return (points, cells, np.where(centres[:, -1] < 30, 11, 12), facets[low | high],
            np.where(low[low | high], 21, 22))


def by_pyvista(
    file: Path, dimension: int = 2, *, surfaces: bool = True, binary: bool = True,
    name: str = "region", dtype: Any = np.int64, **more: Any,
) -> Path:
    """Saved by `pyvista.UnstructuredGrid.save`, electrodes as cells of their own if `surfaces`.

    `more`: further cell arrays, each a number for all cells. Without a `dtype` the array `name`
    holds fractions.
    """
    import pyvista

    points, cells, tags, facets, facet_tags = arrays(dimension)
    kind = pyvista.CellType
    kinds = {2: {kind.TRIANGLE: cells, kind.LINE: facets},
             3: {kind.TETRA: cells, kind.TRIANGLE: facets}}[dimension]
    values = np.concatenate([tags, facet_tags])
    if not surfaces:
        kinds.popitem()
        values = tags
    grid = pyvista.UnstructuredGrid(kinds, points)
    grid.cell_data[name] = values.astype(dtype) if dtype else np.linspace(0, 1, len(values))
    for other, value in more.items():
        grid.cell_data[other] = np.full(len(values), value)
    grid.save(file, binary=binary)
    return file


_DOLFINX = """
import json
import sys
import dolfinx_solver
import dolfinx
import numpy as np
from mpi4py import MPI


def save(file, dimension, hdf5, names):
    ends = [[0.0] * dimension, [20.0] * (dimension - 1) + [60.0]]
    if dimension == 2:
        mesh = dolfinx.mesh.create_rectangle(MPI.COMM_WORLD, ends, [4, 12])
    else:
        mesh = dolfinx.mesh.create_box(MPI.COMM_WORLD, ends, [2, 2, 6])
    mesh.topology.create_connectivity(dimension, dimension)
    mesh.topology.create_connectivity(dimension - 1, dimension)
    everywhere = dolfinx.mesh.locate_entities(mesh, dimension, lambda x: x[0] > -1)
    middles = dolfinx.mesh.compute_midpoints(mesh, dimension, everywhere)
    tags = np.where(middles[:, dimension - 1] < 30, 11, 12).astype(np.int32)
    cells = dolfinx.mesh.meshtags(mesh, dimension, everywhere, tags)
    at = [dolfinx.mesh.locate_entities_boundary(
        mesh, dimension - 1, lambda x: np.isclose(x[dimension - 1], z)) for z in (0, 60)]
    entities = np.concatenate(at).astype(np.int32)
    values = np.repeat([21, 22], [len(a) for a in at]).astype(np.int32)
    order = np.argsort(entities)
    facets = dolfinx.mesh.meshtags(mesh, dimension - 1, entities[order], values[order])
    cells.name, facets.name = names
    kinds = dolfinx.io.XDMFFile.Encoding
    kind = kinds.HDF5 if hdf5 else kinds.ASCII
    with dolfinx.io.XDMFFile(mesh.comm, file, "w", encoding=kind) as f:
        f.write_mesh(mesh)
        f.write_meshtags(cells, mesh.geometry)
        f.write_meshtags(facets, mesh.geometry)


for job in json.loads(sys.argv[1]):
    save(*job)
"""
_SAVED = [(d, hdf5, names) for d in (2, 3) for hdf5 in (True, False)
          for names in (("cell_tags", "facet_tags"), ("parts", "sides"), ("tags", "tags"))]


@functools.cache
def _saved() -> Path:
    """A folder of all files of DOLFINx that the tests want, made by one process."""
    folder = Path(tempfile.mkdtemp(prefix="hostplate-authors-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    jobs = [(str(folder / f"{k}.xdmf"), *job) for k, job in enumerate(_SAVED)]
    subprocess.run([sys.executable, "-c", _DOLFINX, json.dumps(jobs)], check=True,
                   capture_output=True)
    return folder


def by_dolfinx(file: Path, dimension: int = 2, *, hdf5: bool = True,
               names: tuple[str, str] = ("cell_tags", "facet_tags")) -> Path:
    """Mesh and mesh tags saved by `dolfinx.io.XDMFFile`, in a process of its own."""
    k = _SAVED.index((dimension, hdf5, names))
    text = (_saved() / f"{k}.xdmf").read_text()
    file.write_text(text.replace(f"{k}.h5:", f"{file.stem}.h5:"))
    if hdf5:
        shutil.copy(_saved() / f"{k}.h5", file.with_suffix(".h5"))
    return file


def by_hand(file: Path, form: str, dimension: int = 2) -> Path:
    """NASTRAN as COMSOL exports it: a header of comments and no BEGIN BULK.

    `form`: "small" (8 columns), "large" (16) or "free" (commas).
    """
    points, cells, tags, facets, facet_tags = arrays(dimension)
    lines = ["$ Exported by hand, in the form of COMSOL", "$ Grid data section"]
    lines += [_card(form, "GRID", k + 1, "", *(f"{x:.5f}" for x in p))
              for k, p in enumerate(points)]
    lines.append("$ Element data section")
    kinds = {2: ("CTRIA3", "CBAR"), 3: ("CTETRA", "CTRIA3")}[dimension]
    number = 0
    for kind, simplices, numbers in zip(kinds, (cells, facets), (tags, facet_tags), strict=True):
        for nodes, tag in zip(simplices, numbers, strict=True):
            number += 1
            more = ("0.", "0.", "1.") if kind == "CBAR" else ()
            lines.append(_card(form, kind, number, tag, *(nodes + 1), *more))
    properties = [_card(form, "PSHELL", t, 1, "1.0") for t in (11, 12)]
    file.write_text("\n".join([*lines, "$ Property data section", *properties, "ENDDATA", ""]))
    return file


def _card(form: str, name: str, *fields: Any) -> str:
    texts = [str(f) for f in fields]
    if form == "free":
        return ",".join([name, *texts])
    if form == "small":
        return f"{name:<8}" + "".join(f"{t:>8}" for t in texts)
    rows = [texts[k : k + 4] for k in range(0, len(texts), 4)]
    first, *rest = ["".join(f"{t:>16}" for t in row) for row in rows]
    return "\n*       ".join([f"{name + '*':<8}" + first, *rest])
