"""Tables of a mesh as it is read: tags of cells, edges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fem.compat import MPI, XDMFFile, read_mesh
from fem.mesh.components import across, distinct, edges
from geometries.building import build

LAYERS = [{"name": "mat", "thickness": "4 um", "region": "host_mat"},
          {"name": "gap", "thickness": "3 um", "region": "electrolyte"}]


def misread(path: str) -> int:
    """Cells of all ranks, ghosts included, whose tag is not that which DOLFINx looks up."""
    mesh, tags, _ = read_mesh(MPI.COMM_WORLD, path)
    with XDMFFile(MPI.COMM_WORLD, path, "r") as file:
        found = file.read_meshtags(mesh, name="cell_tags")
    assert {*found.values} <= {1, 2} and tags.dim == found.dim == 2
    assert np.array_equal(tags.indices, found.indices)
    return int(MPI.COMM_WORLD.allreduce(np.count_nonzero(tags.values != found.values)))


def test_tags_of_cells_are_those_that_are_found(
    tmp_path: Path, mpirun: Callable[..., Any]
) -> None:
    build("planar", {"width": "5 um", "size": "1 um", "layers": LAYERS}, tmp_path)
    path = str(tmp_path / "mesh.xdmf")
    assert misread(path) == 0 and mpirun(2, misread, path) == 0


def test_edges_stand_once_and_in_order() -> None:
    two = np.array([[3, 1, 2, 0], [1, 4, 3, 2]], dtype=np.int32)  # tetrahedra that share a face
    expected = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]
    assert sorted(zip(*np.sort(edges(two), axis=0).tolist(), strict=True)) == expected
    assert edges(two).dtype == np.int32 and edges(two[:0]).shape == (2, 0)
    assert distinct(np.array([7, 0, 7, 3, 0])).tolist() == [0, 3, 7]


def test_corners_face_each_other_across_a_facet() -> None:
    facing, facet = across(np.array([[3, 1, 2, 0], [1, 4, 3, 2]], dtype=np.int32))
    assert sorted(facing.ravel().tolist()) == [0, 4] and facet.ravel().tolist() == [1, 2, 3]
    assert across(np.array([[0, 1], [1, 2]]))[0].shape == (2, 0)  # in 1D by the facet itself
