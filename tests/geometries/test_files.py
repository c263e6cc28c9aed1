from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import geometries
from fem.base.errors import CaseError, RunError
from geometries import building
from geometries.files.writing import read
from geometries.meshing.mesh import facet_pairs, quality

PLANAR = {"layers": [{"name": "a", "thickness": "6 um", "region": "electrolyte"},
                     {"name": "b", "thickness": "4 um", "region": "separator"}],
          "width": "3 um", "size": "1 um"}


def measured(folder: str) -> dict[str, object]:
    """Measures that DOLFINx finds in a mesh folder, on all ranks together."""
    import dolfinx.io
    import dolfinx_solver  # noqa: F401 (first: it sets up MPI)
    import ufl
    from mpi4py import MPI

    side = json.loads((Path(folder) / "mesh.json").read_text())
    with dolfinx.io.XDMFFile(MPI.COMM_WORLD, Path(folder) / "mesh.xdmf", "r") as f:
        mesh = f.read_mesh(name="mesh")
        cells = f.read_meshtags(mesh, name="cell_tags")
        t = mesh.topology.dim
        mesh.topology.create_connectivity(t - 1, t)
        facets = f.read_meshtags(mesh, name="facet_tags")

    def total(measure):
        form = dolfinx.fem.form(1.0 * measure)
        return mesh.comm.allreduce(dolfinx.fem.assemble_scalar(form))

    dx = ufl.Measure("dx", mesh, subdomain_data=cells)
    ds = ufl.Measure("ds", mesh, subdomain_data=facets)
    return {"size": mesh.comm.size, "gdim": mesh.geometry.dim,
            "regions": {n: total(dx(i)) for n, i in side["regions"].items()},
            "boundaries": {n: total(ds(i)) for n, i in side["boundaries"].items()}}


@pytest.mark.parametrize(("which", "ranks"), [("mat", 1), ("mat", 2), ("mat_3d", 2)])
def test_dolfinx_reads_the_same_mesh(which, ranks, request, mpirun):
    pytest.importorskip("dolfinx_solver")
    folder = request.getfixturevalue(which)
    found = mpirun(ranks, "tests.geometries.test_files:measured", str(folder))
    mesh, _ = read(folder)
    assert (found["size"], found["gdim"]) == (ranks, mesh.dimension)
    assert found["regions"] == pytest.approx(geometries.inspect(folder)["volumes"], rel=1e-10)
    areas = {n: mesh.areas()[mesh.facet_tags == i].sum() for n, i in mesh.boundaries.items()}
    assert found["boundaries"] == pytest.approx(areas, rel=1e-10)


def test_cache_builds_once_and_knows_units(tmp_path, monkeypatch):
    first = geometries.cached("planar", PLANAR, tmp_path)
    monkeypatch.setattr(building, "build", None)  # a second build would fail
    again = geometries.cached("planar", {**PLANAR, "width": "3000 nm"}, tmp_path)
    assert first == again
    assert [p.name for p in tmp_path.iterdir()] == [first.name]
    assert sorted(p.name for p in first.iterdir()) == ["mesh.h5", "mesh.json", "mesh.msh",
                                                       "mesh.xdmf"]


def test_failed_build_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("geometries.files.writing._write_msh", broken)
    with pytest.raises(OSError, match="disk full"):
        geometries.cached("planar", PLANAR, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="disk full"):
        geometries.build("planar", PLANAR, tmp_path / "mesh")
    assert list((tmp_path / "mesh").iterdir()) == []
    with pytest.raises(CaseError, match=r"mesh\.json, mesh\.h5 missing"):
        geometries.inspect(tmp_path / "mesh")


def test_import_is_light():
    program = ("import sys, geometries; geometries.__getattr__\n"
               "print([m for m in ('dolfinx', 'gmsh', 'petsc4py', 'mpi4py', 'vtk', 'matplotlib', "
               "'scipy', 'h5py') if m in sys.modules])\n"
               "geometries.families()\n"
               "print([m for m in ('dolfinx', 'gmsh', 'petsc4py', 'mpi4py', 'vtk', 'matplotlib') "
               "if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                         check=True, cwd=Path(__file__).parents[2])
    assert out.stdout.split() == ["[]", "[]"]


def test_pictures(mat, mat_3d, tmp_path):
    from matplotlib.image import imread

    flat = imread(geometries.draw(mat, tmp_path / "mat.png"))
    assert len(np.unique(flat.reshape(-1, flat.shape[-1]), axis=0)) > 6
    png = tmp_path / "solid.png"
    try:
        geometries.draw(mat_3d, png)
    except RunError:
        pytest.skip("no OpenGL on this machine")
    solid = imread(png)
    assert solid.std() > 0.05


# ---------------------------------------------------------------- users' meshes


def gmsh_file(path: Path, version: float) -> Path:
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        occ = gmsh.model.occ
        low, high = occ.addRectangle(0, 0, 0, 10, 4), occ.addRectangle(0, 4, 0, 10, 6)
        occ.fragment([(2, low)], [(2, high)])
        occ.synchronize()
        gmsh.model.addPhysicalGroup(2, [low], 11, "host_low")
        gmsh.model.addPhysicalGroup(2, [high], 12)
        for _, curve in gmsh.model.getEntities(1):
            y = gmsh.model.occ.getCenterOfMass(1, curve)[1]
            group = {0.0: (21, "collector"), 10.0: (22, "counter"), 4.0: (23, "inner")}.get(
                round(y, 6))
            if group:
                gmsh.model.addPhysicalGroup(1, [curve], *group)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 2)
        gmsh.option.setNumber("Mesh.MshFileVersion", version)
        gmsh.option.setNumber("Mesh.Binary", 0)
        gmsh.model.mesh.generate(2)
        gmsh.write(str(path))
    return path


@pytest.mark.parametrize("version", [2.2, 4.1])
def test_convert_msh(version, tmp_path):
    file = gmsh_file(tmp_path / "user.msh", version)
    assert f"{version:g}" in file.read_text()[:40]
    side = geometries.convert(file, tmp_path / "out", unit="um", names={12: "electrolyte"})
    report = geometries.inspect(tmp_path / "out")
    assert report["volumes"] == pytest.approx({"host_low": 40e-12, "electrolyte": 60e-12})
    assert set(side["boundaries"]) == {"collector", "counter"}
    assert side["dropped_facets"] == ["inner"]
    assert side["host"] == {"bottom": 0.0, "top": pytest.approx(4e-6)}
    mesh, _ = read(tmp_path / "out")
    assert mesh.areas().sum() == pytest.approx(20e-6)


@pytest.mark.parametrize("ending", ["vtu", "xdmf", "med", "nas"])
def test_convert_other_formats(ending, tmp_path):
    import meshio

    mesh, _ = read(geometries.cached("planar", {**PLANAR, "dimension": 3, "breadth": "2 um"},
                                     tmp_path / "cache"))
    key = {"nas": "nastran:ref", "med": "cell_tags"}.get(ending, "region")
    sign = -1 if ending == "med" else 1  # MED numbers families of cells below zero
    blocks = [("tetra", mesh.cells)]
    data = [sign * mesh.cell_tags.astype(int)]
    if ending in ("med", "nas"):
        blocks.append(("triangle", mesh.facets))
        data.append(sign * (10 + mesh.facet_tags.astype(int)))
    file = tmp_path / f"user.{ending}"
    # Every reader keeps micrometres here; metres would lose NASTRAN's digits.
    meshio.write(file, meshio.Mesh(mesh.points * 1e6, blocks, cell_data={key: data}))
    names = {sign * i: n for n, i in mesh.regions.items()}
    if ending in ("med", "nas"):
        names |= {sign * (10 + i): n for n, i in mesh.boundaries.items()}
    side = geometries.convert(file, tmp_path / "out", unit="um", names=names)
    again, _ = read(tmp_path / "out")
    assert side["regions"] == mesh.regions and side["boundaries"] == mesh.boundaries
    for name in mesh.regions:
        assert again.volumes()[again.region_mask(name)].sum() == pytest.approx(
            mesh.volumes()[mesh.region_mask(name)].sum(), rel=1e-6)
    for name, tag in mesh.boundaries.items():
        assert np.sum(again.facet_tags == side["boundaries"][name]) == np.sum(
            mesh.facet_tags == tag)


def test_a_built_mesh_converts_to_itself(mat, tmp_path):
    built = json.loads((mat / "mesh.json").read_text())
    side = geometries.convert(mat / "mesh.msh", tmp_path, unit="m")
    assert side["hash"] == built["hash"]
    assert side["regions"] == built["regions"]


def test_convert_refuses(tmp_path):
    file = gmsh_file(tmp_path / "user.msh", 4.1)
    good = {12: "electrolyte"}

    def refused(file=file, unit="um", names=good, axisymmetric=False):
        with pytest.raises(CaseError) as caught:
            geometries.convert(file, tmp_path / "out", unit=unit, names=names,
                               axisymmetric=axisymmetric)
        assert not (tmp_path / "out").exists()
        return str(caught.value)

    assert "did you mean 'user.msh'" in refused(file=tmp_path / "usr.msh")
    assert "is the unit right?" in refused(unit="m")
    assert "not a unit of length" in refused(unit="kg")
    assert 'names = { 12 = "host_12" }' in refused(names={})
    message = refused(names={**good, "colector": "counter", 99: "host_x"})
    assert "did you mean 'collector'" in message and "mesh.names.99" in message
    for name in ("free electrolyte", "../../out", "/tmp/out"):
        assert "is not a name" in refused(names={12: name})
    assert "no boundary 'collector'" in refused(names={**good, "collector": "wall"})
    text = tmp_path / "broken.msh"
    text.write_text("$MeshFormat\nnothing\n")
    assert "broken.msh" in refused(file=text)
    odd = tmp_path / "mesh.stl"
    odd.write_text("solid")
    assert "no known ending" in refused(file=odd)
    import meshio

    untagged = tmp_path / "plain.vtu"
    mesh, _ = read(geometries.cached("planar", PLANAR, tmp_path / "cache"))
    xyz = np.column_stack([mesh.points, 0 * mesh.points[:, 0]])
    meshio.write(untagged, meshio.Mesh(xyz * 1e6, [("triangle", mesh.cells)]))
    assert "no cell tags" in refused(file=untagged)
    assert "x = r >= 0" in refused(file=_shifted(tmp_path, mesh), axisymmetric=True,
                                   names={1: "electrolyte", 2: "separator"})


def _shifted(folder, mesh):
    import meshio

    xyz = np.column_stack([mesh.points - [1e-6, 0], 0 * mesh.points[:, 0]])
    meshio.write(folder / "left.vtu", meshio.Mesh(
        xyz * 1e6, [("triangle", mesh.cells)], cell_data={"region": [mesh.cell_tags]}))
    return folder / "left.vtu"


# ---------------------------------------------------------------- parameters


def test_all_problems_at_once():
    with pytest.raises(CaseError) as caught:
        geometries.build("fibre_mat", {
            "layers": [{"name": "a", "thickness": "10 um", "porosity": 1.2,
                        "fibre_diametre": "2 um"}],
            "width": 30, "seed": -1}, Path("never"))
    message = str(caught.value)
    for part in ("layers.0.porosity", "layers.0.fibre_diameter: missing",
                 "did you mean 'fibre_diameter'", "width", "seed"):
        assert part in message


@pytest.mark.parametrize(("family", "parameters", "reason"), [
    ("fiber_mat", {}, "did you mean 'fibre_mat'"),
    ("planar", {"size": "1 um"}, "give length or layers"),
    ("planar", {"size": "1 um", "length": "1 um", "breadth": "1 um"}, "only with dimension = 3"),
    ("planar", {"size": "1 um", "length": "5 um", "width": "9 um",
                "protrusions": [{"height": "6 um", "radius": "1 um"}]}, "reaches the counter"),
    ("aligned_channels", {"arrangement": "horizontal", "sheet_thickness": "1 um",
                          "spacing": "5 um", "length": "30 um", "sheet_length": "9 um",
                          "opening": "1 um"}, "closed by the struts"),
    ("laminate", {"layers": [{"region": "host_a", "thickness": "1 um", "pore_diameter": "2 um",
                              "pitch": "1 um"}]}, "not below the pitch"),
    ("fibre_mat", {"layers": [{"name": "a", "thickness": "9 um", "porosity": 0.8,
                               "fibre_diameter": "1 um", "mix": {"x": 0.5, "y": 0.4}}],
                   "width": "9 um"}, "add up to 0.9"),
    ("array", {"pitch": "1 um", "solid_fraction": 0.79}, "solid_fraction"),
    ("array", {"dimension": 3, "pitch": "1 um", "solid_fraction": 0.6}, "at most 0.5 for spheres"),
    ("array", {"dimension": 3, "pitch": "1 um", "solid_fraction": 0.2, "rows": 2}, "rows: 2: only"),
])
def test_refusals(family, parameters, reason):
    with pytest.raises(CaseError, match=reason):
        geometries.build(family, parameters, Path("never"))


@pytest.mark.parametrize("which", ["mat", "mat_3d"])
def test_a_refined_mesh_keeps_its_tags_walls_and_shape(which, request, tmp_path):
    """Two halvings: every volume, boundary and interface as before, no hanging node, no sliver."""
    from geometries.files.conversion import refined

    mesh, _ = read(request.getfixturevalue(which))
    finer = refined(refined(mesh))
    each = 4**mesh.dimension
    assert len(finer.cells) == each * len(mesh.cells)
    assert len(finer.facets) == each // 4 * len(mesh.facets)
    for number in mesh.regions.values():
        parts = [m.volumes()[m.cell_tags == number].sum() for m in (mesh, finer)]
        assert parts[1] == pytest.approx(parts[0], rel=1e-12)
    for number in mesh.boundaries.values():
        parts = [m.areas()[m.facet_tags == number].sum() for m in (mesh, finer)]
        assert parts[1] == pytest.approx(parts[0], rel=1e-12)
    walls = []
    for m in (mesh, finer):
        inside, pairs, outside = facet_pairs(m.cells)
        assert {*map(tuple, outside[:, :-1])} == {*map(tuple, m.facets)}
        a, b = np.sort(m.cell_tags[pairs].T, axis=0)
        keys = a * 100 + b
        walls.append({k: m.areas(inside[keys == k]).sum() for k in np.unique(keys[a != b])})
    assert walls[1] == pytest.approx(walls[0], rel=1e-12)
    worst = [quality(m.points, m.cells).min() for m in (mesh, finer)]
    print(which, "worst quality", worst)
    assert worst[1] > 0.5 * worst[0]


def test_a_users_mesh_is_refined_when_it_is_converted(mat, tmp_path):
    plain = geometries.convert(mat / "mesh.msh", tmp_path / "a", unit="m")
    finer = geometries.convert(mat / "mesh.msh", tmp_path / "b", unit="m", refine=1)
    assert finer["cells"] == 4 * plain["cells"] and finer["parameters"]["refine"] == 1
    assert (finer["regions"], finer["host"]) == (plain["regions"], plain["host"])
