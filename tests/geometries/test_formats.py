"""Users' mesh files, each made by the program that usually makes it (`authors`).

The cell is 20 x 60 um (3D: 20 x 20 x 60 um) of 1 S/m between electrodes of 10 A/m2. At 100 A/m2 its
voltage is -(i L/kappa + 4 RT/F asinh(i/(2 i0))) = -0.24365 V: two symmetric Butler-Volmer
electrodes and a layer of electrolyte in series.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import geometries
from fem.base import parallel
from fem.base.errors import CaseError
from geometries.files.conversion import FORMATS
from geometries.files.formats import answer
from geometries.files.writing import read
from tests.geometries import authors
from tests.geometries.authors import NAMES, REGIONS, by_dolfinx, by_gmsh, by_hand, by_pyvista

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

VOLTAGE = -(100 * 60e-6 / 1.0 + 4 * 8.314462618 * 298.15 / 96485.33212 * math.asinh(100 / 20))
BINARY_41: dict[str, Any] = {"MshFileVersion": 4.1, "Binary": 1}
BDF = {"SaveElementTagType": 2}  # physical groups as properties

MADE: dict[str, tuple[str, Callable[..., Path], dict[str, Any], dict[int, str]]] = {
    "gmsh 2.2": ("a.msh", by_gmsh, {"MshFileVersion": 2.2}, {}),
    "gmsh 2.2 binary": ("a.msh", by_gmsh, {"MshFileVersion": 2.2, "Binary": 1}, {}),
    "gmsh 4.1": ("a.msh", by_gmsh, {"MshFileVersion": 4.1}, {}),
    "gmsh 4.1 binary": ("a.MSH", by_gmsh, BINARY_41, {}),
    "gmsh 4.1 quadratic": ("a.msh", by_gmsh, {"order": 2, **BINARY_41}, {}),
    "gmsh med": ("a.med", by_gmsh, {}, {}),
    "gmsh med quadratic": ("a.med", by_gmsh, {"order": 2}, {}),
    "gmsh bdf free": ("a.bdf", by_gmsh, {"BdfFieldFormat": 0, **BDF}, NAMES),
    "gmsh bdf small": ("a.bdf", by_gmsh, {"BdfFieldFormat": 1, **BDF}, NAMES),
    "gmsh bdf large": ("a.bdf", by_gmsh, {"BdfFieldFormat": 2, **BDF}, NAMES),
    "gmsh bdf quadratic": ("a.BDF", by_gmsh, {"BdfFieldFormat": 1, "order": 2, **BDF}, NAMES),
    "nastran small": ("a.nas", lambda f, d: by_hand(f, "small", d), {}, NAMES),
    "nastran large": ("a.nas", lambda f, d: by_hand(f, "large", d), {}, NAMES),
    "nastran free": ("a.fem", lambda f, d: by_hand(f, "free", d), {}, NAMES),
    "pyvista vtu": ("a.VTU", by_pyvista, {}, NAMES),
    "pyvista vtu ascii": ("a.vtu", by_pyvista, {"binary": False}, NAMES),
    "pyvista vtk": ("a.vtk", by_pyvista, {}, NAMES),
    "pyvista vtk ascii": ("a.vtk", by_pyvista, {"binary": False}, NAMES),
    "pyvista, arrays beside": ("a.vtk", by_pyvista, {"quality": 0.5, "vtkOriginalCellIds": 3},
                               NAMES),
    "pyvista, another name": ("a.vtu", by_pyvista, {"name": "my id", "dtype": float}, NAMES),
    "pyvista, regions alone": ("a.vtk", by_pyvista, {"surfaces": False}, REGIONS),
    "dolfinx": ("a.xdmf", by_dolfinx, {}, NAMES),
    "dolfinx in one file": ("a.xdmf", by_dolfinx, {"hdf5": False}, NAMES),
    "dolfinx, other names": ("a.xdmf", by_dolfinx, {"names": ("parts", "sides")}, NAMES),
}


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read what may kill its library in a fork: a start, as users have it, takes half a second."""
    def apart(_: str, file: Path, to: Path) -> SimpleNamespace:
        process = multiprocessing.get_context("fork").Process(target=silently, args=(file, to))
        process.start()
        process.join(60)
        process.kill()  # it has ended, unless it hangs
        process.join()
        return SimpleNamespace(returncode=process.exitcode)

    def silently(file: Path, to: Path) -> None:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        resource.setrlimit = lambda *_: None  # type: ignore[assignment]  # much is taken here
        answer(file, to, FORMATS[file.suffix.lower()])

    monkeypatch.setattr(parallel, "apart", apart)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("author", MADE)
def test_a_mesh_of_every_author_is_read(
    author: str, dimension: int, tmp_path: Path
) -> None:
    """Volumes of the halves and areas of the electrodes, known exactly, and nothing lost."""
    name, make, options, names = MADE[author]
    file = make(tmp_path / name.lower(), dimension, **options).rename(tmp_path / name)
    side = geometries.convert(file, tmp_path / "out", unit="um", names=names)
    mesh, _ = read(tmp_path / "out")
    across = 20e-6 ** (dimension - 1)
    for region in REGIONS.values():
        volume = mesh.volumes()[mesh.region_mask(region)].sum()
        assert volume == pytest.approx(across * 30e-6, rel=1e-6)
    heights = {"collector": 0.0, "counter": 60e-6}
    for electrode, height in heights.items():
        facets = mesh.facets[mesh.facet_tags == side["boundaries"][electrode]]
        assert mesh.areas(facets).sum() == pytest.approx(across, rel=1e-6)
        assert mesh.points[facets][..., -1] == pytest.approx(height, abs=1e-12)
    assert set(side["boundaries"]) - {"sides"} == set(heights)


@pytest.mark.parametrize(
    ("author", "dimension"),
    [(author, 2) for author in ("gmsh 2.2", "gmsh 4.1 binary", "gmsh med", "gmsh bdf large",
                                "nastran small", "pyvista vtu", "pyvista vtk", "dolfinx")]
    + [("dolfinx", 3), ("pyvista vtk", 3)],
)
def test_its_voltage_is_the_known_one(author: str, dimension: int, tmp_path: Path) -> None:
    from fem import Case

    name, make, options, names = MADE[author]
    file = make(tmp_path / name.lower(), dimension, **options).rename(tmp_path / name)
    kinetics = {"i0": "10 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}
    case = Case.from_dict({
        "schema": 1, "title": author, "metal": "Li", "electrolyte": "mine", "study": "secondary",
        "temperature": "298.15 K",
        "materials": {"mine": {"kind": "electrolyte", "c0": "1 mol/L", "kappa": "1 S/m",
                               "t_plus": 0.4, "D": "3e-10 m^2/s"}},
        "mesh": {"file": str(file), "unit": "um", "names": {str(k): v for k, v in names.items()}},
        "kinetics": [{"surface": s, **kinetics} for s in ("collector", "counter")],
        "protocol": [{"step": "plate", "current_density": "100 A/m^2"}],
        "output": {"figures": False},
    })
    result = case.run(tmp_path / "results")
    assert pytest.approx(-0.24365, abs=5e-6) == VOLTAGE
    assert result.summary["voltage"] == pytest.approx(VOLTAGE, rel=1e-6)


# --------------------------------------------------------------------------- saved by other words


def refused(file: Path, capfd: pytest.CaptureFixture[str], **options: Any) -> str:
    """Message on a refused file: one or few lines that name it, with nothing of a reader."""
    with pytest.raises(CaseError) as caught:
        geometries.convert(file, file.parent / "out", unit="um", **options)
    message = str(caught.value)
    assert file.name in message
    for word in ("Error", "SystemExit", "Traceback", "vtkUnstructured", "0x"):
        assert word not in message.replace(str(file), "")
    assert capfd.readouterr() == ("", "")
    assert not (file.parent / "out").exists()
    return message


@pytest.mark.parametrize(
    ("which", "options", "way_out"),
    [
        ("lines", {}, "put every surface (3D: volume) into one"),
        ("surfaces", {"dimension": 3}, "Of a 3D model save the volume too"),
        ("quads", {"RecombineAll": 1}, "only triangles and tetrahedra are read, split"),
    ],
)
def test_gmsh_files_without_what_is_needed(
    which: str, options: dict[str, Any], way_out: str, tmp_path: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = authors._draw

    def boundaries_alone(gmsh: Any, dimension: int) -> None:
        draw(gmsh, dimension)
        if which != "quads":
            gmsh.model.removePhysicalGroups([(dimension, 11), (dimension, 12)])

    monkeypatch.setattr(authors, "_draw", boundaries_alone)
    assert way_out in refused(by_gmsh(tmp_path / "a.msh", **options), capfd)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("name", ["a.msh", "b.msh", "a.vtu", "a.vtk", "b.vtk", "a.med", "a.xdmf",
                                  "a.nas", "b.nas"])
def test_a_file_cut_short(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    make: dict[str, Callable[[], Path]] = {
        "a.msh": lambda: by_gmsh(file),
        "b.msh": lambda: by_gmsh(file, **BINARY_41),
        "a.vtu": lambda: by_pyvista(file),
        "a.vtk": lambda: by_pyvista(file),
        "b.vtk": lambda: by_pyvista(file, binary=False),
        "a.med": lambda: by_gmsh(file),
        "a.xdmf": lambda: by_dolfinx(file),
        "a.nas": lambda: by_hand(file, "small"),
        "b.nas": lambda: by_hand(file, "large"),
    }
    whole = make[name]().read_bytes()
    capfd.readouterr()
    for share in (0.0, 0.03, 0.3, 0.5, 0.7, 0.9, 0.995):
        file.write_bytes(whole[: int(share * len(whole))])
        message = refused(file, capfd, names=NAMES)
        assert ("is empty" in message) == (share == 0)


def test_counts_of_vtu_that_are_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """VTK takes the sizes of a block for granted and ends the process when memory ends."""
    import base64
    import re

    file = by_pyvista(tmp_path / "a.vtu", binary=True)
    text = file.read_text()
    heads = re.findall(r"\sAQ[A-Za-z0-9+/]{20}==", text)  # blocks, their size, that of the last
    for head in (heads[0], heads[1]):
        sizes = base64.b64decode(head[1:])
        wrong = base64.b64encode(b"\xff\xff\xff\x7f" + sizes[4:]).decode()
        file.write_text(text.replace(head[1:], wrong, 1))
        refused(file, capfd, names=NAMES)


@pytest.mark.parametrize("name", ["a.msh", "a.vtk"])
def test_a_file_that_kills_its_library(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Binary, with numbers of nodes that are no nodes: gmsh and VTK die or complain, we do not."""
    file = tmp_path / name
    make: dict[str, Callable[[], Path]] = {
        "a.msh": lambda: by_gmsh(file, **BINARY_41), "a.vtk": lambda: by_pyvista(file)}
    whole = make[name]().read_bytes()
    where = whole.index({"a.msh": b"$Elements\n", "a.vtk": b"OFFSETS"}[name]) + 40
    for fill in (b"\xff", b"\x7f"):
        file.write_bytes(whole[:where] + fill * 200 + whole[where + 200 :])
        refused(file, capfd, names=NAMES)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("ending", [".msh", ".vtu", ".vtk", ".med", ".xdmf", ".nas", ".bdf"])
def test_a_text_by_the_name_of_a_mesh(
    ending: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"letter{ending}"
    file.write_text("Dear colleague,\n\nhere is the mesh.\n")
    refused(file, capfd)


def test_a_script_by_the_name_of_a_mesh_is_not_executed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "script.msh"
    file.write_text(f'SystemCall "touch {tmp_path}/done";\nPoint(1) = {{0, 0, 0}};\n')
    assert "no mesh of gmsh" in refused(file, capfd)
    assert not (tmp_path / "done").exists()


@pytest.mark.usefixtures("forked")
def test_arrays_that_could_all_be_the_regions(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = by_pyvista(tmp_path / "a.vtu", name="one", two=2)
    message = refused(file, capfd)
    assert "which of one, two holds the regions? Call that cell array" in message
    file = by_pyvista(tmp_path / "b.vtu", name="weight", dtype=None, vtkGhostType=0)
    assert "cell arrays in the file: weight, vtkGhostType" in refused(file, capfd)


def test_a_region_of_number_zero(tmp_path: Path) -> None:
    """0 is a number like any other where a program writes an array, as of `pyvista`."""
    import pyvista

    file = by_pyvista(tmp_path / "a.vtu", surfaces=False)
    grid = pyvista.read(file)
    grid.cell_data["region"] -= 11
    grid.save(file)
    names = {0: "electrolyte_a", 1: "electrolyte_b"}
    geometries.convert(file, tmp_path / "out", unit="um", names=names)
    mesh, _ = read(tmp_path / "out")
    assert mesh.volumes()[mesh.region_mask("electrolyte_a")].sum() == pytest.approx(600e-12)


def test_facets_without_names_get_names_proposed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    message = refused(by_dolfinx(tmp_path / "a.xdmf"), capfd, names=REGIONS)
    assert 'name it by names = { 21 = "collector", 22 = "counter" }' in message


def test_mesh_tags_of_one_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = by_dolfinx(tmp_path / "a.xdmf", names=("tags", "tags"))
    assert "different names before write_meshtags" in refused(file, capfd)


def test_numbers_that_are_not_beside_their_xdmf(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = by_dolfinx(tmp_path / "a.xdmf")
    (tmp_path / "a.h5").unlink()
    assert "a.h5, which is not beside it" in refused(file, capfd)


@pytest.mark.parametrize(
    ("line", "other", "way_out"),
    [
        ("CTRIA3         1", "CQUAD4         1", "a number is missing"),
        ("       1      11", "       1        ", "1 of 24 cells have no tag"),
        ("GRID           1        ", "GRID           1       7", "coordinate system 7"),
        ("$ Element", "INCLUDE 'more.bdf'\n$ Element", "INCLUDE is not followed"),
        ("ENDDATA", "$", "write ENDDATA as its last line if it is whole"),
        ("GRID           2", "GRID           1", "GRID 1 is there twice"),
        ("GRID           2", "GRID        9999", "node 2, for which there is no GRID"),
        ("20.00000", "twenty..", "a number is missing or is none"),
    ],
)
def test_nastran_that_cannot_be_meant(
    line: str, other: str, way_out: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = by_hand(tmp_path / "a.nas", "small")
    text = file.read_text()
    assert line in text
    file.write_text(text.replace(line, other))
    assert way_out in refused(file, capfd, names=NAMES)


def test_numbers_of_nastran() -> None:
    from geometries.files.formats import _real

    texts = ("3.+1", "-1.5-3", "1.D+3", ".5", "7.E-2", "2.0", "+4.-2", "")
    assert [_real(t) for t in texts] == [30, -1.5e-3, 1000, 0.5, 0.07, 2, 0.04, 0]


def test_a_finer_h5_makes_another_mesh(tmp_path: Path) -> None:
    """The cache by content counts the numbers beside an .xdmf, whatever their file is called."""
    keep = []
    file = tmp_path / "my mesh.xdmf"
    for dimension in (2, 3):
        by_dolfinx(file, dimension)
        text = file.read_text()
        keep.append(geometries.cached_conversion(file, tmp_path / "cache", unit="um", names=NAMES))
        assert "my mesh.h5:" in text
    assert keep[0] != keep[1]


def test_two_mesh_tags_that_could_be_the_regions(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = by_dolfinx(tmp_path / "a.xdmf", hdf5=False, names=("parts", "sides"))
    text = file.read_text()
    start = text.index('<Grid Name="parts"')
    grid = text[start : text.index("</Grid>", start) + 7]
    file.write_text(text.replace(grid, grid + grid.replace("parts", "others")))
    assert "which of parts, others holds the regions?" in refused(file, capfd)


def grid_of(kind: str) -> Any:
    """The cell as other data sets of PyVista, all with a `region`."""
    import numpy as np
    import pyvista

    axes = [np.linspace(0, 20, 3), np.linspace(0, 20, 3), np.linspace(0, 60, 7)]
    flat = pyvista.Plane(center=(10, 30, 0), i_size=20, j_size=60, i_resolution=2, j_resolution=6)
    made = {
        "surface": lambda: flat.triangulate(),
        "surface upright": lambda: flat.triangulate().rotate_x(90),
        "surface aslant": lambda: flat.triangulate().rotate_x(30),
        "squares": lambda: flat,
        "image": lambda: pyvista.ImageData(dimensions=(3, 7, 1), spacing=(10, 10, 1)),
        "boxes": lambda: pyvista.RectilinearGrid(*axes),
        "bricks": lambda: pyvista.RectilinearGrid(*axes).cast_to_structured_grid(),
        "split boxes": lambda: pyvista.RectilinearGrid(*axes).triangulate(),
        "mixed": lambda: pyvista.merge([
            pyvista.RectilinearGrid(*axes).triangulate(),
            pyvista.RectilinearGrid(*axes).cast_to_structured_grid().translate((0, 0, 60))]),
        "words": lambda: flat.triangulate(),
    }
    grid = made[kind]()
    heights = grid.cell_centers().points[:, 2 if np.ptp(grid.points[:, 2]) else 1]
    tags = np.where(heights < 30, 11, 12)
    grid.clear_data()
    grid.cell_data["region"] = tags.astype(str) if kind == "words" else tags
    return grid


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(("kind", "volume"), [("surface", 600e-12), ("surface upright", 600e-12),
                                              ("split boxes", 12000e-18)])
def test_other_data_sets_of_vtk(
    kind: str, volume: float, binary: bool, tmp_path: Path
) -> None:
    grid_of(kind).save(tmp_path / "a.vtk", binary=binary)
    geometries.convert(tmp_path / "a.vtk", tmp_path / "out", unit="um", names=REGIONS)
    mesh, _ = read(tmp_path / "out")
    for region in REGIONS.values():
        assert mesh.volumes()[mesh.region_mask(region)].sum() == pytest.approx(volume, rel=1e-6)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(("kind", "message"), [
    ("surface aslant", "not in a plane of two axes"), ("squares", "cells of type 'quad'"),
    ("image", "cells of type 'pixel'"), ("boxes", "cells of type 'voxel'"),
    ("bricks", "cells of type 'hexahedron'"), ("mixed", "cells of type 'hexahedron'"),
    ("words", "one whole number per cell is needed"),
])
def test_data_sets_of_vtk_that_have_no_triangles_or_no_numbers(
    kind: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    grid_of(kind).save(tmp_path / "a.vtk")
    assert message in refused(tmp_path / "a.vtk", capfd, names=REGIONS)


@pytest.mark.parametrize("author", ["gmsh 4.1", "nastran small", "pyvista vtk ascii"])
def test_line_ends_of_windows(author: str, tmp_path: Path) -> None:
    name, make, options, names = MADE[author]
    file = make(tmp_path / name, 2, **options)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    side = geometries.convert(file, tmp_path / "out", unit="um", names=names)
    assert side["regions"] == {"electrolyte_a": 1, "electrolyte_b": 2}


def test_check_knows_the_endings(tmp_path: Path) -> None:
    from fem import Case

    (tmp_path / "a.inp").write_text("*NODE\n")
    with pytest.raises(CaseError, match=r"mesh\.file: 'a\.inp': no format of this ending is read; "
                                        r"save \.msh, \.vtu"):
        Case.from_dict({"schema": 1, "title": "a", "metal": "Li", "mesh": {"file": "a.inp",
                        "unit": "um"}, "electrolyte": "LiPF6_EC_EMC_3_7", "protocol": [
                            {"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 h"}]},
                       folder=tmp_path)
