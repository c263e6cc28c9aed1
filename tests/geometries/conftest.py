from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import geometries

MAT = {
    "layers": [
        {"name": "bottom", "thickness": "12 um", "porosity": 0.75, "fibre_diameter": "2 um"},
        {"name": "top", "thickness": "12 um", "porosity": 0.8, "fibre_diameter": "2 um",
         "mix": {"cu": 0.5, "cellulose": 0.5}, "bonded": ["cu"]},
    ],
    "width": "40 um", "separator": "8 um", "gap": "2 um", "size_wall": "0.5 um", "growth": 1.6,
    "contacts": "tree",
}
MAT_3D: dict[str, Any] = {
    "dimension": 3,
    "layers": [
        {"name": "bottom", "thickness": "10 um", "porosity": 0.8, "fibre_diameter": "4 um"},
        {"name": "top", "thickness": "10 um", "porosity": 0.85, "fibre_diameter": "4 um"},
    ],
    "width": "28 um", "separator": "6 um", "size_wall": "2 um", "size": "6 um", "growth": 1.8,
}


class Meshes:
    """Each mesh is built once for all tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, family: str, parameters: dict[str, Any]) -> Path:
        return geometries.cached(family, parameters, self.folder)


@pytest.fixture(scope="session")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Meshes:
    """Workers share the meshes, too: their folders have one parent."""
    folder = tmp_path_factory.getbasetemp()
    workers = "PYTEST_XDIST_WORKER" in os.environ
    return Meshes((folder.parent if workers else folder) / "meshes")


@pytest.fixture(scope="session")
def mat(meshes: Meshes) -> Path:
    return meshes.get("fibre_mat", MAT)


@pytest.fixture(scope="session")
def mat_3d(meshes: Meshes) -> Path:
    return meshes.get("fibre_mat", MAT_3D)
