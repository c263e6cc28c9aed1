"""Mesh folders: mesh.xdmf + mesh.h5 for the solver, mesh.msh for people, mesh.json for both.

`mesh.json` is moved in last: a folder that has it is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from geometries.meshing.mesh import Built, TaggedMesh

FILES = ("mesh.msh", "mesh.h5", "mesh.xdmf", "mesh.json")
_TOPOLOGY = {4: ("Tetrahedron", ""), 3: ("Triangle", ""), 2: ("PolyLine", ' NodesPerElement="2"')}


def digest(mesh: TaggedMesh) -> str:
    """sha256 of the arrays that go into mesh.h5."""
    h = hashlib.sha256()
    for name, array in _arrays(mesh).items():
        h.update(f"{name}{array.dtype}{array.shape}".encode())
        h.update(np.ascontiguousarray(array).tobytes())
    return h.hexdigest()


def write(built: Built, folder: Path, family: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Write a mesh folder and return its sidecar.

    The files appear one by one by renaming, mesh.json last; other files of the folder stay.

    Args:
        built: mesh and host.
        folder: made if missing.
        family: name of the family, or "file" for a converted mesh.
        parameters: resolved parameters in SI units.

    Raises:
        CaseError: the folder is a file.
    """
    mesh = built.mesh
    sidecar: dict[str, Any] = {
        "schema": 1,
        "family": family,
        "parameters": parameters,
        "dimension": mesh.dimension,
        "axisymmetric": mesh.axisymmetric,
        "regions": mesh.regions,
        "boundaries": mesh.boundaries,
        "host": None if built.host is None else {"bottom": built.host[0], "top": built.host[1]},
        "layers": [{"name": n, "bottom": b, "top": t} for n, b, t in built.layers],
        "unit": "m",
        "cells": len(mesh.cells),
        "nodes": len(mesh.points),
        "hash": digest(mesh),
        **built.extra,
    }
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise CaseError(f"mesh folder {folder}: is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)
    with _scratch(folder) as scratch:
        _write_h5(mesh, scratch / "mesh.h5")
        (scratch / "mesh.xdmf").write_text(_xdmf(mesh), encoding="utf-8")
        _write_msh(mesh, scratch / "mesh.msh")
        (scratch / "mesh.json").write_text(json.dumps(sidecar, indent=1) + "\n", encoding="utf-8")
        (folder / "mesh.json").unlink(missing_ok=True)
        for name in FILES:
            os.replace(scratch / name, folder / name)
    return sidecar


def read(folder: Path) -> tuple[TaggedMesh, dict[str, Any]]:
    """Mesh and sidecar of a folder that `write` made.

    Raises:
        CaseError: the folder holds no complete mesh.
    """
    import h5py

    folder = Path(folder)
    missing = [n for n in ("mesh.json", "mesh.h5") if not (folder / n).is_file()]
    if missing:
        raise CaseError(f"mesh folder {folder}: {', '.join(missing)} missing; build the mesh first")
    sidecar = json.loads((folder / "mesh.json").read_text(encoding="utf-8"))
    with h5py.File(folder / "mesh.h5", "r") as f:
        a = {name: f[name][()] for name in
             ("points", "cells", "cell_tags", "facets", "facet_tags")}
    mesh = TaggedMesh(
        a["points"], a["cells"], a["cell_tags"].ravel().astype(np.int64), a["facets"],
        a["facet_tags"].ravel().astype(np.int64), sidecar["regions"], sidecar["boundaries"],
        sidecar["axisymmetric"], sidecar.get("slack", 0.0),
    )
    return mesh, sidecar


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=".mesh-", dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _arrays(mesh: TaggedMesh) -> dict[str, Any]:
    return {
        "points": mesh.points,
        "cells": mesh.cells.astype(np.int64),
        "cell_tags": mesh.cell_tags.astype(np.int32).reshape(-1, 1),
        "facets": mesh.facets.astype(np.int64),
        "facet_tags": mesh.facet_tags.astype(np.int32).reshape(-1, 1),
    }


def _write_h5(mesh: TaggedMesh, path: Path) -> None:
    import h5py

    with h5py.File(path, "w", track_order=False) as f:
        for name, array in _arrays(mesh).items():
            f.create_dataset(name, data=array, track_times=False)


def _xdmf(mesh: TaggedMesh) -> str:
    dim, n = mesh.dimension, len(mesh.points)
    geometry = (
        f'<Geometry GeometryType="{"XY" if dim == 2 else "XYZ"}">'
        f'<DataItem Dimensions="{n} {dim}" NumberType="Float" Precision="8" Format="HDF">'
        "mesh.h5:/points</DataItem></Geometry>"
    )

    def grid(name: str, entities: str, count: int, nodes: int, tags: str | None) -> str:
        kind, extra = _TOPOLOGY[nodes]
        attribute = "" if tags is None else (
            f'<Attribute Name="{name}" AttributeType="Scalar" Center="Cell">'
            f'<DataItem Dimensions="{count} 1" NumberType="Int" Precision="4" Format="HDF">'
            f"mesh.h5:/{tags}</DataItem></Attribute>\n"
        )
        return (
            f'<Grid Name="{name}" GridType="Uniform">\n'
            f'<Topology TopologyType="{kind}" NumberOfElements="{count}"{extra}>'
            f'<DataItem Dimensions="{count} {nodes}" NumberType="Int" Precision="8" Format="HDF">'
            f"mesh.h5:/{entities}</DataItem></Topology>\n{geometry}\n{attribute}</Grid>\n"
        )

    grids = grid("mesh", "cells", len(mesh.cells), dim + 1, None)
    grids += grid("cell_tags", "cells", len(mesh.cells), dim + 1, "cell_tags")
    grids += grid("facet_tags", "facets", len(mesh.facets), dim, "facet_tags")
    return f'<?xml version="1.0"?>\n<Xdmf Version="3.0">\n<Domain>\n{grids}</Domain>\n</Xdmf>\n'


def _write_msh(mesh: TaggedMesh, path: Path) -> None:
    """Format 4.1 of gmsh: an entity and a physical group for each region and boundary."""
    from geometries.meshing.gmsh_session import session

    dim = mesh.dimension
    xyz = np.zeros((len(mesh.points), 3))
    xyz[:, :dim] = mesh.points
    with session() as gmsh:
        model = gmsh.model
        curve = {1: 1, 2: 2, 3: 4}  # gmsh's numbers for line, triangle, tetrahedron
        nodes_done = False
        serial = 1
        for d, names, tags, simplices in (
            (dim, mesh.regions, mesh.cell_tags, mesh.cells),
            (dim - 1, mesh.boundaries, mesh.facet_tags, mesh.facets),
        ):
            for name, tag in names.items():
                chosen = simplices[tags == tag] + 1
                model.addDiscreteEntity(d, tag)
                if not nodes_done:  # all nodes live on the first entity
                    model.mesh.addNodes(d, tag, np.arange(1, len(xyz) + 1), xyz.ravel())
                    nodes_done = True
                if len(chosen):
                    numbers = np.arange(serial, serial + len(chosen))
                    model.mesh.addElementsByType(tag, curve[d], numbers, chosen.ravel())
                    serial += len(chosen)
                model.addPhysicalGroup(d, [tag], tag, name)
        gmsh.option.setNumber("Mesh.MshFileVersion", 4.1)
        gmsh.option.setNumber("Mesh.Binary", 1)
        gmsh.write(str(path))
