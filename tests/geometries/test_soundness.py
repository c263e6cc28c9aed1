"""A mesh from elsewhere is one body with even planes, or it is refused with names and place."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import geometries
from fem.base.errors import CaseError
from geometries.files.soundness import Body, precision
from geometries.files.writing import read
from geometries.inspection.report import comments
from geometries.meshing.mesh import TaggedMesh, compact, facet_pairs, tensor_mesh

UM = np.linspace(0.0, 20.0, 5)
ONE = {11: "electrolyte"}
TWO = {11: "electrolyte_a", 12: "electrolyte_b"}


def written(path: Path, points, cells, tags, facets=(), names=None) -> Path:
    """An ASCII .msh 2.2 of cells and (facet nodes, tag)."""
    d = cells.shape[1] - 1
    lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat"]
    if names:
        lines += ["$PhysicalNames", str(len(names)),
                  *(f'{k} {t} "{n}"' for (k, t), n in names.items()), "$EndPhysicalNames"]
    lines += ["$Nodes", str(len(points))]
    xyz = np.zeros((len(points), 3))
    xyz[:, : points.shape[1]] = points
    lines += [f"{k} {x!r} {y!r} {z!r}" for k, (x, y, z) in enumerate(xyz.tolist(), 1)]
    rows = [(d, int(t), c) for t, c in zip(tags, cells, strict=True)]
    rows += [(d - 1, int(t), f) for f, t in facets]
    kind = {1: 1, 2: 2, 3: 4}
    lines += ["$EndNodes", "$Elements", str(len(rows))]
    lines += [f"{k} {kind[q]} 2 {t} {t} {' '.join(str(int(i) + 1) for i in c)}"
              for k, (q, t, c) in enumerate(rows, 1)]
    path.write_text("\n".join([*lines, "$EndElements", ""]))
    return path


def converted(path: Path, names=TWO, **options):
    """The sidecar and the mesh that were made of a file."""
    folder = path.with_suffix("")
    side = geometries.convert(path, folder, unit="um", names=names, **options)
    return side, read(folder)[0]


def refused(path: Path, names=TWO, **options) -> str:
    with pytest.raises(CaseError) as caught:
        converted(path, names, **options)
    return str(caught.value)


def area(mesh, name: str) -> float:
    """Area of a boundary, um or um2."""
    return float(mesh.areas()[mesh.facet_tags == mesh.boundaries[name]].sum()
                 * 1e6 ** (mesh.dimension - 1))


def box(*axes, tag: int = 11):
    points, cells, _ = tensor_mesh(*axes)
    return points, cells, np.full(len(cells), tag)


def together(*parts):
    """Meshes in one file, each with nodes of its own."""
    shift = np.cumsum([0, *(len(p) for p, _, _ in parts)])
    return (np.concatenate([p for p, _, _ in parts]),
            np.concatenate([c + s for (_, c, _), s in zip(parts, shift, strict=False)]),
            np.concatenate([t for _, _, t in parts]))


def joined(mesh, where=None):
    """Nodes in the same place made one, where a condition holds for it."""
    points, cells, tags = mesh
    merge = np.ones(len(points), bool) if where is None else where(points)
    key = np.column_stack([np.round(points, 9), np.where(merge, 0, np.arange(1, len(points) + 1))])
    _, first, number = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return points[first], number.ravel()[cells], tags


def layers(dim: int, other=None):
    """Two layers of 30 um that meet at 30 um, each with nodes of its own."""
    low, high = np.linspace(0, 30, 7), np.linspace(30, 60, 7)
    side = [UM] * (dim - 1)
    beside = [UM if other is None else other] * (dim - 1)
    return together(box(*side, low), box(*beside, high, tag=12))


# -- one body ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 3])
def test_layers_share_their_nodes_or_are_refused(dim, tmp_path):
    side, mesh = converted(written(tmp_path / "good.msh", *joined(layers(dim))))
    assert "remarks" not in side
    assert area(mesh, "collector") == pytest.approx(20.0 ** (dim - 1))
    letter = "xyz"[dim - 1]
    for name, other in (("twice", None), ("hanging", np.linspace(0, 20, 8))):
        text = refused(written(tmp_path / f"{name}.msh", *layers(dim, other)))
        assert "2 parts that share no facet" in text
        assert "electrolyte_a and electrolyte_b lie on one another" in text
        assert f"on the plane {letter} = 30 um ({20 ** (dim - 1):g} um" in text
        assert "fragment" in text


@pytest.mark.parametrize("dim", [2, 3])
def test_parts_that_touch_at_nodes_only_are_refused(dim, tmp_path):
    """A host whose corner (in 3D: whose edge) is all that it shares with the electrolyte."""
    low = box(*[UM] * dim)
    high = box(UM + 20, *[UM] * (dim - 2), UM + 20, tag=12)
    text = refused(written(tmp_path / "a.msh", *joined(together(low, high))),
                   {11: "electrolyte", 12: "host_post"})
    assert f"touch at {1 if dim == 2 else 5} nodes only" in text and "host_post" in text
    text = refused(written(tmp_path / "b.msh", *together(low, (high[0] + 1, *high[1:]))),
                   {11: "electrolyte", 12: "host_post"})
    assert f"a gap of {dim**0.5:.3g} um" in text


@pytest.mark.parametrize("dim", [2, 3])
def test_parts_are_those_of_the_graph_of_cells(dim):
    """Cells left at random, with voids, pinched edges and islands; a core in a shell."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    points, cells, middles = tensor_mesh(*[np.arange(8.0)] * dim)
    away = np.abs(middles - 3.5).max(axis=1)
    chance = np.random.default_rng(7)
    kept = [away != 2.0, away > 1.0]  # a shell around a core, and the shell alone
    kept += [chance.random(len(cells)) < share for share in np.linspace(0.3, 0.995, 60)]
    counts = []
    for some in kept:
        x, left = compact(points, cells[some])
        mesh = TaggedMesh(x, left, np.ones(len(left), int), np.empty((0, dim), int),
                          np.empty(0, int), {"electrolyte": 1}, {})
        pairs = facet_pairs(left)[1]
        links = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(left), len(left)))
        count, label = connected_components(links, directed=False)
        found = Body(mesh, 1e-12, Path("some.msh")).parts()
        assert len({*zip(found.tolist(), label.tolist(), strict=True)}) == count
        assert found.max() + 1 == count
        counts.append(count)
    assert counts[:2] == [2, 1] and 5 < np.count_nonzero(np.array(counts) == 1) < 50, counts


@pytest.mark.parametrize("dim", [2, 3])
def test_a_host_meshed_beside_the_electrolyte_is_refused(dim, tmp_path):
    whole = box(*[UM] * (dim - 1), np.linspace(0, 60, 13))
    post = box(*[np.linspace(5, 11, 4)] * (dim - 1), np.linspace(0, 21, 7), tag=12)
    text = refused(written(tmp_path / "a.msh", *together(whole, post)),
                   {11: "electrolyte", 12: "host_post"})
    assert "electrolyte and host_post overlap" in text and "fragment" in text


def spiral(turns: float, n: int):
    """A strip around a centre, in n pieces; each knows only its neighbours."""
    r, s = np.linspace(10, 20, 4), np.linspace(0, 1, n)
    points, cells, _ = tensor_mesh(s, r)
    angle = 2 * np.pi * turns * points[:, 0]
    xy = points[:, 1:] * np.column_stack([np.cos(angle), np.sin(angle)])
    return xy, cells, np.where(points[cells, 0].mean(axis=1) < 0.5, 11, 12)


def test_an_overlap_within_one_part_is_refused(tmp_path):
    ends = {(1, 21): "collector", (1, 22): "counter"}

    def strip(name, turns, n):
        points, cells, tags = spiral(turns, n)
        outside = facet_pairs(cells)[2][:, :2]
        edge = [(f, 21 if f.max() < 4 else 22) for f in outside
                if f.max() < 4 or f.min() >= len(points) - 4]
        return written(tmp_path / f"{name}.msh", points, cells, tags, edge, ends)

    assert "electrolyte_a" in converted(strip("open", 0.9, 60))[0]["regions"]
    text = refused(strip("closed", 1.2, 83))
    assert "electrolyte_a and electrolyte_b overlap: the same room is filled twice" in text
    points, cells, tags = box(UM, UM)
    points[12] += [0.0, 13.0]  # the middle node leaves its own neighbours
    assert "folded" in refused(written(tmp_path / "fold.msh", points, cells, tags), ONE)
    whole = box(UM, np.linspace(0, 60, 13))
    post = box(UM[1:4], np.linspace(0, 20, 6), tag=12)  # its feet are nodes of the electrolyte
    text = refused(written(tmp_path / "b.msh", *joined(together(whole, post),
                                                       lambda p: p[:, 1] == 0.0)),
                   {11: "electrolyte", 12: "host_post"})
    assert "same side" in text and "electrolyte, host_post fill the same room" in text
    text = refused(written(tmp_path / "a.msh", *(
        lambda p, c, t: (p, np.concatenate([c, c[:1]]), np.append(t, 12)))(*box(UM, UM))))
    assert "there twice" in text and "electrolyte_a and in electrolyte_b" in text


def test_a_host_that_reaches_back_into_the_electrolyte_is_refused(tmp_path):
    """The host shares facets with the electrolyte at one place and lies in it at another."""
    main, beside = box(UM, np.linspace(0, 60, 13)), box(UM[:2] + 20, np.linspace(0, 30, 7), tag=12)
    arm = box(np.linspace(7, 20, 6), np.linspace(15, 20, 2), tag=12)
    low = joined(together(main, beside), lambda p: p[:, 1] < 11)  # with the electrolyte

    points, cells, tags = together(low, arm)
    host = np.flatnonzero(tags == 12)
    for y in (15.0, 20.0):  # the arm hangs on the host beside the electrolyte
        a, b = (k for k in np.unique(cells[host]) if np.array_equal(points[k], [20.0, y]))
        cells[cells == b] = a
    text = refused(written(tmp_path / "a.msh", points, cells, tags),
                   {11: "electrolyte", 12: "host_post"})
    assert "parts" not in text and "electrolyte and host_post overlap" in text


def test_bars_that_cross_without_a_node_inside_overlap(tmp_path):
    ends, thick = np.array([0.0, 40.0]), np.array([18.0, 22.0])
    cross = together(box(ends, thick, thick), box(thick, ends, thick + 1.0, tag=12))
    assert "electrolyte_a and electrolyte_b overlap" in refused(written(tmp_path / "a.msh", *cross))
    cross = together(box(ends, thick), box(thick, ends, tag=12))
    assert "electrolyte_a and electrolyte_b overlap" in refused(written(tmp_path / "b.msh", *cross))


@pytest.mark.parametrize("dim", [2, 3])
def test_what_was_meshed_twice_is_refused(dim, tmp_path):
    axes = [UM] * (dim - 1) + [np.linspace(0, 60, 7)]
    text = refused(written(tmp_path / "a.msh", *together(box(*axes), box(*axes, tag=12))))
    assert "electrolyte_a and electrolyte_b overlap" in text
    points, cells, tags = box(*axes)
    soup = points[cells].reshape(-1, dim), np.arange(cells.size).reshape(cells.shape), tags
    text = refused(written(tmp_path / "b.msh", *soup), ONE)
    assert "every cell has nodes of its own" in text and "RemoveDuplicateNodes" in text


@pytest.mark.parametrize("dim", [2, 3])
def test_every_second_node_in_common_is_not_joined(dim, tmp_path):
    """Twice as many facets above as below: corners are shared, facets are not."""
    fine = joined(layers(dim, np.linspace(0, 20, 9)))
    text = refused(written(tmp_path / "a.msh", *fine))
    assert f"on the plane {'xyz'[dim - 1]} = 30 um ({20 ** (dim - 1):g} um" in text
    x = np.concatenate([np.linspace(0, 10, 5)[:-1], np.linspace(10, 20, 3)])
    text = refused(written(tmp_path / "b.msh", *joined(
        together(box(*[UM] * (dim - 1), np.linspace(0, 30, 7)),
                 box(*[x] + [UM] * (dim - 2), np.linspace(30, 60, 7), tag=12)))))
    assert "hanging nodes" in text
    assert ("= 30 um (10 um)" if dim == 2 else "= 30 um (200 um^2)") in text


def test_a_slit_that_closes_is_no_crack(tmp_path):
    """The slit is open by 0.1 um at x = 0, closed at x = 10 um; only its walls get a remark."""
    points, cells, tags = joined(layers(2), lambda p: p[:, 0] > 9.0)
    above = np.unique(cells[points[cells, 1].mean(axis=1) > 30.0])
    lifted = above[points[above, 1] == 30.0]
    points[lifted, 1] += np.maximum(0.0, 0.1 * (1 - points[lifted, 0] / 10))
    side, _ = converted(written(tmp_path / "a.msh", points, cells, 0 * tags + 11), ONE)
    assert len(side["remarks"]) == 1 and "a hole or a notch" in side["remarks"][0]


@pytest.mark.parametrize("dim", [2, 3])
def test_a_crack_of_no_width_is_valid_and_said(dim, tmp_path):
    """Nodes are there twice from x = 0 to 10 on the plane between two layers, or inside one."""
    def whole(points):
        return points[:, 0] > 9.0

    side, _ = converted(written(tmp_path / "two.msh", *joined(layers(dim), whole)))
    (message,) = side["remarks"]
    # The column of nodes at x = 10 is common: the crack is 10 um wide.
    assert "a crack: facets of electrolyte_a and electrolyte_b" in message
    assert ("= 30 um (10 um)" if dim == 2 else "= 30 um (200 um^2)") in message
    points, cells, tags = joined(layers(dim), whole)
    message = converted(written(tmp_path / "one.msh", points, cells, 0 * tags + 11),
                     ONE)[0]["remarks"]
    assert "two sides in electrolyte" in message[0]


def test_hanging_nodes_on_a_part_of_a_plane_are_refused(tmp_path):
    """Joined on the right by common nodes, on the left with another spacing above than below."""
    x = np.concatenate([np.linspace(0, 10, 4)[:-1], np.linspace(10, 20, 3)])
    text = refused(written(tmp_path / "a.msh", *joined(layers(2, x), lambda p: p[:, 0] > 9.0)))
    assert "electrolyte_a and electrolyte_b" in text and "hanging nodes" in text
    assert "y = 30 um (10 um)" in text


def test_facets_of_cells_in_no_group_are_named_with_their_place(tmp_path):
    """Gmsh saves such a file of a model whose upper surface is in no group, its counter in one."""
    points, cells, tags = box(UM, np.linspace(0, 60, 13))
    kept = points[cells].mean(axis=1)[:, 1] < 30.0
    edges = {2: np.flatnonzero(points[:, 1] == 0.0), 3: np.flatnonzero(points[:, 1] == 60.0)}
    facets = [(pair, tag) for tag, edge in edges.items()
              for pair in pairwise(edge)]
    names = {(2, 11): "electrolyte", (1, 2): "collector", (1, 3): "counter"}
    text = refused(written(tmp_path / "a.msh", points, cells[kept], tags[kept], facets, names),
                   None)
    assert "4 facets of 'counter' belong to no cell, the first at (2.5, 60) um;" in text
    assert text.endswith("if cells lie there, they are in no group: put them into one")


def test_cells_in_no_group_leave_a_hole_that_is_said(tmp_path):
    points, cells, tags = box(UM, np.linspace(0, 60, 13))
    middle = points[cells].mean(axis=1)
    for name, y, message in (("inside", 30.0, "around (10, 30) um (40 um)"),
                          ("bottom", 5.0, "a hole or a notch")):
        hole = (np.abs(middle[:, 0] - 10) < 5) & (np.abs(middle[:, 1] - y) < 5)
        side, mesh = converted(written(tmp_path / f"{name}.msh", points, cells[~hole], tags[~hole]),
                               ONE)
        assert message in side["remarks"][-1]
        assert "electrolyte ends at insulated walls" in side["remarks"][-1]
    assert "'collector' covers 10 um of the 20 um" in side["remarks"][0]
    assert area(mesh, "collector") == pytest.approx(10.0)


@pytest.mark.parametrize("layers_along", [1, 3])
def test_a_shaft_is_a_hole_however_long_its_facets_are(layers_along, tmp_path):
    """Facets of 60 or 20 um along the thickness beside a shaft that is 4 or 12 um wide."""
    points, cells, tags = box(np.linspace(0, 20, 6), np.linspace(0, 20, 6),
                              np.linspace(0, 60, layers_along + 1))
    middle = np.abs(points[cells].mean(axis=1)[:, :2] - 10).max(axis=1)
    for width in (4, 12):
        kept = middle > width / 2
        side, _ = converted(written(tmp_path / f"{width}.msh", points, cells[kept], tags[kept]),
                            ONE)
        assert f"around (10, 10, 30) um ({4 * width * 60} um^2)" in side["remarks"][-1]


def test_many_long_channels_take_little_memory(tmp_path):
    """Facets of 1000 um beside channels of 1 um: a ball around one holds all the others."""
    import tracemalloc

    points, cells, tags = box(*[np.arange(26.0)] * 2, np.array([0.0, 1000.0]))
    column = np.floor(points[cells].mean(axis=1)[:, :2])
    kept = ~np.all(column % 2 == 1, axis=1)
    file = written(tmp_path / "a.msh", points, cells[kept], tags[kept])
    tracemalloc.start()
    try:
        side, _ = converted(file, ONE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print("peak", peak / 1e6, "MB")
    assert peak < 100e6
    assert f"({144 * 4 * 1000 * 1e-6:.4g} mm^2)" in side["remarks"][-1]


@pytest.mark.parametrize("dim", [2, 3])
def test_a_large_mesh_is_looked_at_in_places(dim, tmp_path, monkeypatch):
    """With a budget of pairs for every tenth facet or so, faults of many facets are found."""
    monkeypatch.setattr("geometries.files.soundness._MAX_PAIRS", 1200 if dim == 3 else 16)
    text = refused(written(tmp_path / "a.msh", *layers(dim, np.linspace(0, 20, 8))))
    assert "electrolyte_a and electrolyte_b lie on one another" in text
    slit = joined(layers(dim), lambda x: x[:, 0] < 11)
    side, _ = converted(written(tmp_path / "b.msh", *slit))
    assert len(side["remarks"]) == 1 and "a crack" in side["remarks"][0]


def slanted(kind: str, x):
    """A box of 20 x 20 x 60 um, or 20 x 60 um, whose side walls are moved."""
    x = x.copy()
    t = x[:, -1] / 60
    if kind == "oblique":
        x[:, 0] += 10 * t
    elif kind == "cone":
        x[:, :-1] = 10 + (x[:, :-1] - 10) * (1 - 0.5 * t)[:, None]
    elif kind == "barrel":
        x[:, :-1] = 10 + (x[:, :-1] - 10) * (1 + t * (1 - t))[:, None]
    elif kind == "uneven":
        wall = np.abs(x[:, 0] - 10) == 10
        x[wall, 0] += np.random.default_rng(1).uniform(-0.01, 0.01, wall.sum())
    return x


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("kind", ["oblique", "cone", "barrel", "uneven"])
def test_side_walls_that_are_not_upright_are_no_hole(kind, dim, tmp_path):
    points, cells, tags = box(*[UM] * (dim - 1), np.linspace(0, 60, 13))
    middle = points[cells].mean(axis=1)
    points = slanted(kind, points)
    side, _ = converted(written(tmp_path / "a.msh", points, cells, tags), ONE)
    assert "hole" not in str(side.get("remarks"))
    # A notch in one of these walls is still one.
    notch = (np.abs(middle[:, -1] - 30) < 5) & (middle[:, 0] < 5)
    side, _ = converted(written(tmp_path / "b.msh", points, cells[~notch], tags[~notch]), ONE)
    assert "a hole or a notch" in side["remarks"][-1]


def test_a_box_that_is_tilted_a_little_is_covered(tmp_path):
    """A turn by 0.1 degrees needs no remark, one by 9 degrees does; a missing facet always."""
    points, cells, tags = box(UM, UM, np.linspace(0, 60, 7))
    outside = facet_pairs(cells)[2][:, :-1]
    low, high = (outside[np.all(points[outside, 2] == z, axis=1)] for z in (0.0, 60.0))
    names = {(2, 21): "collector", (2, 22): "counter"}
    for angle, message in ((0.1, []), (9.0, ["along (0, -0.1564, 0.9877)"])):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        x = points @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
        ends = [*((f, 21) for f in low), *((f, 22) for f in high)]
        side, _ = converted(written(tmp_path / "a.msh", x, cells, tags, ends, names), ONE)
        remarks = side.get("remarks", [])
        assert len(remarks) == len(message)
        assert all(b in a for a, b in zip(remarks, message, strict=True))
        side, _ = converted(written(tmp_path / "b.msh", x, cells, tags, ends[1:], names), ONE)
        assert "'collector' covers" in side["remarks"][0]


@pytest.mark.parametrize("wall", ["rounded", "ellipse", "hole"])
def test_chords_of_round_walls_are_no_missing_area(wall, tmp_path):
    """Their cells make the walls zigzag, so the mesh is a bit wider than its ends."""
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        occ = gmsh.model.occ
        if wall == "rounded":
            plate = occ.addRectangle(0, 0, 0, 20, 20, roundedRadius=5)
            occ.extrude([(2, plate)], 0, 0, 60)
        elif wall == "ellipse":
            occ.extrude([(2, occ.addDisk(0, 0, 0, 20, 10))], 0, 0, 60)
        else:
            whole, pin = occ.addBox(0, 0, 0, 20, 20, 60), occ.addCylinder(10, 10, 0, 0, 0, 60, 4)
            occ.cut([(3, whole)], [(3, pin)])
        occ.synchronize()
        gmsh.model.addPhysicalGroup(3, [tag for _, tag in gmsh.model.getEntities(3)], 11)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 5)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(tmp_path / "a.msh"))
    remarks = converted(tmp_path / "a.msh", ONE)[0].get("remarks", [])
    assert len(remarks) == (wall == "hole")
    assert all("a hole or a notch" in message for message in remarks)


def test_gmsh_names_the_volumes_that_are_in_no_group(tmp_path):
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        occ = gmsh.model.occ
        whole, hole = occ.addRectangle(0, 0, 0, 20, 60), occ.addRectangle(5, 20, 0, 6, 6)
        occ.fragment([(2, whole)], [(2, hole)])
        occ.synchronize()
        gmsh.model.addPhysicalGroup(2, [3], 11)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 5)
        gmsh.model.mesh.generate(2)
        for everything in (0, 1):
            gmsh.option.setNumber("Mesh.SaveAll", everything)
            gmsh.write(str(tmp_path / f"{everything}.msh"))
    message = converted(tmp_path / "0.msh", ONE)[0]["remarks"]
    assert "surface 2 of the file has no cells" in message[0] and "(24 um)" in message[1]
    assert "cells have no tag, the first at" in refused(tmp_path / "1.msh", ONE)


def test_tagged_facets_inside_are_said_and_loose_ones_refused(tmp_path):
    points, cells, tags = joined(layers(2))
    inner, _, outer = facet_pairs(cells)
    ends = [(f, 21 if points[f[0], 1] == 0.0 else 22) for f in outer[:, :-1]
            if np.ptp(points[f, 1]) == 0.0]
    names = {(1, 21): "collector", (1, 22): "counter"}
    middle = [(f, 21) for f in inner if np.all(points[f, 1] == 30.0)]
    side, mesh = converted(written(tmp_path / "a.msh", points, cells, tags, ends + middle, names))
    assert area(mesh, "collector") == pytest.approx(20.0)
    assert side["remarks"] == ["4 of the 8 facets of boundary 'collector' lie inside the mesh, the "
                               "first at (2.5, 30) um, and are left out"]
    lower = [e for e in ends if e[1] == 22] + middle
    text = refused(written(tmp_path / "b.msh", points, cells, tags, lower, names))
    assert "no boundary 'collector'" in text and "all of its facets lie inside" in text
    corners = [int(np.flatnonzero((points == c).all(axis=1))[0]) for c in ([0, 0], [20, 60])]
    text = refused(written(tmp_path / "c.msh", points, cells, tags, [*ends, (corners, 21)], names))
    assert "1 facets of collector are no facets of cells" in text


# -- places --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("height", [1e-9, 1e-6, 1e-4, 3e-3])
def test_a_node_a_bit_above_the_plane_is_on_it(dim, height, tmp_path):
    points, cells, tags = joined(layers(dim))
    low = np.flatnonzero(points[:, -1] == 0.0)
    points[low[len(low) // 2], -1] += height  # um; cells are 5 um
    side, mesh = converted(written(tmp_path / "a.msh", points, cells, tags))
    assert area(mesh, "collector") == pytest.approx(20.0 ** (dim - 1), rel=1e-5)
    assert "remarks" not in side and side["slack"] >= 0.99e-6 * height


@pytest.mark.parametrize("dim", [2, 3])
def test_a_plane_that_is_not_even_is_refused(dim, tmp_path):
    points, cells, tags = joined(layers(dim))
    low = np.flatnonzero(points[:, -1] == 0.0)
    bumpy = points.copy()
    bumpy[low[len(low) // 2], -1] += 0.1
    text = refused(written(tmp_path / "a.msh", bumpy, cells, tags))
    assert "lowest plane" in text and "not even" in text and "0.1 um" in text
    rough = points.copy()
    rough[low, -1] += 0.3 * np.random.default_rng(1).random(len(low))
    text = refused(written(tmp_path / "b.msh", rough, cells, tags))
    assert "no outer facet lies on its lowest plane" in text
    # With tags this is what the user means; a remark gives its true surface.
    names = {(dim - 1, 21): "collector", (dim - 1, 22): "counter"}
    ends = [(f, t) for f in facet_pairs(cells)[2][:, :-1] for t, y in ((21, 0.0), (22, 60.0))
            if np.all(points[f, -1] == y)]
    rough[low, -1] *= 10
    side, mesh = converted(written(tmp_path / "c.msh", rough, cells, tags, ends, names))
    assert area(mesh, "collector") > 1.005 * 20.0 ** (dim - 1)
    assert "'collector' is" in side["remarks"][0] and "of surface" in side["remarks"][0]
    assert len(side["remarks"]) == 1


def rotated(points, kind):
    """Turned by 30 degrees and back, in single precision."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    turn = np.array([[c, s], [-s, c]], dtype=kind)
    out = points.astype(kind)
    for step in (turn, turn.T):
        out[:, -2:] = out[:, -2:] @ step
    return out


@pytest.mark.parametrize("dim", [2, 3])
def test_single_precision_finds_the_planes(dim, tmp_path):
    """Also far from the origin, also stored in double, and cells as small as 5 nm at the wall."""
    import meshio

    fine = np.concatenate([[0, 0.005, 0.02, 0.1, 0.5, 2], np.linspace(6, 60, 10)])
    for name, shift, store in (("a", 0, np.float32), ("b", 500, np.float64)):
        points, cells, tags = box(*[UM] * (dim - 1), np.linspace(0, 60, 13) if shift else fine)
        xyz = np.zeros((len(points), 3))
        xyz[:, 2] = 1e-6 * np.sin(np.arange(len(points)))  # of a 2D mesh turned in space
        xyz[:, :dim] = rotated(points + shift, np.float32).astype(store)
        block = ("triangle", "tetra")[dim - 2]
        meshio.write(tmp_path / f"{name}.vtu", meshio.Mesh(
            xyz, [(block, cells)], cell_data={"region": [tags]}))
        side, mesh = converted(tmp_path / f"{name}.vtu", ONE)
        assert "remarks" not in side
        for end in ("collector", "counter"):
            assert area(mesh, end) == pytest.approx(20.0 ** (dim - 1), rel=1e-4)


def nastran(path: Path, points, cells, tags) -> Path:
    """Fields of 8 columns, coordinates in m."""
    def field(x: float) -> str:
        for digits in range(6, -1, -1):
            a, b = f"{x:.{digits}e}".split("e")
            text = f"{a.rstrip('0') if '.' in a else a}{int(b):+d}" if x else "0."
            if len(text) <= 8:
                return f"{text:<8}"
        raise AssertionError(x)

    xyz = np.zeros((len(points), 3))
    xyz[:, : points.shape[1]] = points
    lines = [f"GRID    {k:<8}        {''.join(map(field, p))}" for k, p in enumerate(xyz, 1)]
    kind = {3: "CTRIA3", 4: "CTETRA"}[cells.shape[1]]
    lines += [f"{kind:<8}{k:<8}{t:<8}" + "".join(f"{i + 1:<8}" for i in c)
              for k, (c, t) in enumerate(zip(cells, tags, strict=True), 1)]
    path.write_text("\n".join(["BEGIN BULK", *lines, "ENDDATA", ""]))
    return path


def test_eight_columns_find_the_planes(tmp_path):
    """Metres in fields of 8 columns have four or five digits: a turned plane is uneven by 1 nm."""
    points, cells, tags = box(np.linspace(0, 20, 41), np.linspace(0, 60, 121))
    turned = rotated(points + 40, np.float64)
    c, s = np.cos(0.3), np.sin(0.3)
    turn = np.array([[c, s], [-s, c]])
    stored = np.array([[float(f"{x:.4e}") for x in p] for p in 1e-6 * turned @ turn])
    file = nastran(tmp_path / "a.nas", stored @ turn.T, cells, tags)
    geometries.convert(file, tmp_path / "out", unit="m", names=ONE)
    mesh, side = read(tmp_path / "out")
    uneven = np.ptp(mesh.points[mesh.facets[mesh.facet_tags == 1], -1])
    assert 1e-10 < uneven <= side["slack"] < 3e-8
    assert area(mesh, "collector") == pytest.approx(20.0, rel=1e-3)
    assert "remarks" not in side


def test_digits_of_a_file_show_in_its_numbers():
    x, cells, _ = box(UM, UM, np.linspace(0, 60, 13))
    assert precision(x, cells) < 1e-4  # short numbers of a grid say nothing, but single precision
    x = x + 0.1 * np.random.default_rng(0).random(x.shape)
    assert precision(x, cells) < 1e-12
    single = x.astype(np.float32).astype(float)
    assert precision(single, cells) == pytest.approx(60 * 2.0**-24, rel=0.05)
    for digits, exact in ((6, 5e-5), (5, 5e-4), (4, 5e-3)):
        short = np.array([[float(f"{a:.{digits}g}") for a in row] for row in x])
        assert precision(short, cells) == pytest.approx(exact)
    assert precision(1e-3 * short, 0 * cells + [0, 1, 2, 3]) < 1e-4


def test_an_axis_in_single_precision_is_an_axis(tmp_path):
    points, cells, tags = box(UM, np.linspace(0, 60, 13))
    on = points[:, 0] == 0.0
    points[on, 0] = 1e-6 * np.where(np.arange(on.sum()) % 2, 1, -1)
    side, mesh = converted(written(tmp_path / "a.msh", points, cells, tags), ONE, axisymmetric=True)
    assert mesh.points[:, 0].min() >= 0.0 and "remarks" not in side
    names = set(np.unique(mesh.facets[mesh.facet_tags == side["boundaries"]["axis"]]))
    assert names == set(np.flatnonzero(mesh.points[:, 0] < 1e-11))
    flat = mesh.areas()[mesh.facet_tags == side["boundaries"]["collector"]].sum()
    assert flat == pytest.approx(np.pi * 20e-6**2)
    points[on, 0] = -0.1
    assert "x = r >= 0" in refused(written(tmp_path / "b.msh", points, cells, tags), ONE,
                                   axisymmetric=True)


def test_a_boundary_is_compared_with_the_projection(tmp_path):
    """Tags on a part of the bottom; a round cell, whose walls are no planes, is left alone."""
    points, cells, tags = box(UM, np.linspace(0, 60, 13))
    outside = facet_pairs(cells)[2][:, :-1]
    names = {(1, 21): "collector", (1, 22): "counter"}

    def ends(width):
        return [(f, t) for f in outside for t, y in ((21, 0.0), (22, 60.0))
                if np.all(points[f, 1] == y) and (t == 22 or points[f, 0].max() <= width)]

    side, _ = converted(written(tmp_path / "a.msh", points, cells, tags, ends(15.0), names), ONE)
    assert side["remarks"] == [
        "boundary 'collector' covers 15 um of the 20 um that the mesh measures along its "
        "thickness; current densities refer to 15 um"]
    lost = [(f, t) for f, t in ends(20.0) if t == 21]
    text = refused(written(tmp_path / "b.msh", points, cells, tags, lost, names), ONE)
    assert "no boundary 'counter'; found: collector; put its facets into a group" in text
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        gmsh.model.occ.addCylinder(0, 0, 0, 0, 0, 30, 10)
        gmsh.model.occ.synchronize()
        gmsh.model.addPhysicalGroup(3, [1], 11)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 6)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(tmp_path / "round.msh"))
    side, mesh = converted(tmp_path / "round.msh", ONE)
    assert "remarks" not in side, side["remarks"]
    assert area(mesh, "collector") == pytest.approx(area(mesh, "counter"), rel=0.02)


def test_a_round_cell_has_the_section_of_its_outline(tmp_path):
    """Straight pores around a post: tortuosity 1, though the box around the cell is wider."""
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        occ = gmsh.model.occ
        cell, post = occ.addCylinder(0, 0, 0, 0, 0, 30, 10), occ.addCylinder(0, 0, 0, 0, 0, 15, 4)
        lid = occ.addDisk(0, 0, 15, 10, 10)
        found, _ = occ.fragment([(3, cell)], [(3, post), (2, lid)])
        pieces = [tag for dim, tag in found if dim == 3]
        occ.synchronize()
        inside = [t for t in pieces if occ.getMass(3, t) < 16 * 3.2 * 15]
        gmsh.model.addPhysicalGroup(3, inside, 12)
        gmsh.model.addPhysicalGroup(3, [t for t in pieces if t not in inside], 11)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 4)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(tmp_path / "round.msh"))
    side, _ = converted(tmp_path / "round.msh", {11: "electrolyte", 12: "host_post"})
    assert "remarks" not in side
    report = geometries.inspect(tmp_path / "round")
    print("tortuosity of straight pores", report["tortuosity"])
    assert report["tortuosity"] == pytest.approx(1.0, abs=0.03)
    assert report["tortuosity_tensor"][0] == [None] * 3
    assert report["porosity"] == pytest.approx(1 - 16 / 100, abs=0.02)


def test_numbers_that_mislead_have_a_note(tmp_path):
    """A host that touches no pore; one without a pore that leads through."""
    points, cells, _ = box(UM, np.linspace(0, 60, 7))
    middle = points[cells].mean(axis=1)
    shell = np.abs(middle - [10, 30]).max(axis=1)
    tags = np.where(shell < 5, 13, np.where(shell < 10, 12, 11))
    converted(written(tmp_path / "a.msh", points, cells, tags),
              {11: "electrolyte", 12: "host_shell", 13: "host_core"})
    report = geometries.inspect(tmp_path / "a")
    assert report["notes"][0].startswith("wall area 0: host_core touches no pore")
    message = comments(report | {"tortuosity": None})
    assert "no pore leads through the host" in message[1]


@pytest.mark.parametrize("dim", [2, 3])
def test_a_host_may_end_where_the_mesh_has_no_plane(dim, tmp_path):
    """Straight channels between blocks whose ends cut through the cells of the pores."""
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        occ = gmsh.model.occ
        if dim == 2:
            cell, block = occ.addRectangle(0, 0, 0, 20, 60), occ.addRectangle(0, 13, 0, 9, 29)
        else:
            cell, block = occ.addBox(0, 0, 0, 20, 20, 60), occ.addBox(0, 0, 13, 9, 20, 29)
        found, _ = occ.fragment([(dim, cell)], [(dim, block)])
        occ.synchronize()
        for number, solid in ((11, False), (12, True)):
            gmsh.model.addPhysicalGroup(dim, [
                tag for d, tag in found
                if d == dim and (occ.getCenterOfMass(d, tag)[0] < 5) == solid], number)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 4 if dim == 2 else 8)
        gmsh.model.mesh.generate(dim)
        gmsh.write(str(tmp_path / "a.msh"))
    converted(tmp_path / "a.msh", {11: "electrolyte", 12: "host_block"})
    report = geometries.inspect(tmp_path / "a")
    assert report["porosity"] == pytest.approx(11 / 20, rel=1e-9)
    assert report["tortuosity"] == pytest.approx(1.0, rel=1e-8)
    assert report["tortuosity_tensor"][-1][-1] == pytest.approx(1.0, rel=1e-8)


# -- groups --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("version", [2.2, 4.1])
@pytest.mark.parametrize("what", ["facets", "cells"])
def test_two_groups_on_one_entity_are_refused(dim, version, what, tmp_path):
    from geometries.meshing.gmsh_session import session

    file = tmp_path / "a.msh"
    with session() as gmsh:
        occ = gmsh.model.occ
        if dim == 2:
            occ.addRectangle(0, 0, 0, 20, 60)
        else:
            occ.addBox(0, 0, 0, 20, 20, 60)
        occ.synchronize()
        gmsh.model.addPhysicalGroup(dim, [1], 11, "electrolyte")
        ends: dict[float, list[int]] = {0.0: [], 60.0: []}
        for _, e in gmsh.model.getEntities(dim - 1):
            place = round(occ.getCenterOfMass(dim - 1, e)[dim - 1], 6)
            if place in ends:
                ends[place].append(e)
        gmsh.model.addPhysicalGroup(dim - 1, ends[0.0], 21, "collector")
        gmsh.model.addPhysicalGroup(dim - 1, ends[60.0], 22, "counter")
        if what == "facets":
            gmsh.model.addPhysicalGroup(dim - 1, ends[0.0], 5, "tab")
        else:
            gmsh.model.addPhysicalGroup(dim, [1], 5, "all")
        gmsh.option.setNumber("Mesh.MeshSizeMax", 20)
        gmsh.option.setNumber("Mesh.MshFileVersion", version)
        gmsh.model.mesh.generate(dim)
        gmsh.write(str(file))
    text = refused(file, {})
    assert "leave it in one" in text and "5 " in text
    assert ("'tab', 21 'collector'" if what == "facets" else "'all', 11 'electrolyte'") in text


def test_two_groups_of_a_med_family_are_refused(tmp_path):
    import meshio

    points, cells, tags = box(UM, np.linspace(0, 60, 13))
    outside = facet_pairs(cells)[2][:, :-1]
    low, high = (outside[np.all(points[outside, 1] == y, axis=1)] for y in (0.0, 60.0))

    def file(name, families):
        mesh = meshio.Mesh(points, [("triangle", cells), ("line", np.vstack([low, high]))],
                           cell_data={"cell_tags": [0 * tags - 6, np.repeat([-7, -8], 4)]})
        mesh.cell_tags = families
        meshio.write(tmp_path / name, mesh)
        return tmp_path / name

    good = {-6: ["electrolyte"], -7: ["collector"], -8: ["counter"]}
    side, mesh = converted(file("a.med", good), {})
    assert area(mesh, "collector") == pytest.approx(20.0) and "remarks" not in side
    text = refused(file("b.med", good | {-7: ["tab", "collector"]}), {})
    assert "'tab' and 'collector'" in text and "in one" in text
    assert "'all'" in refused(file("c.med", good | {-6: ["electrolyte", "all"]}), {})


def test_facets_listed_twice_under_two_tags_are_refused(tmp_path):
    """Formats without entities list facets of two groups twice; one name for both is allowed."""
    points, cells, tags = box(UM, np.linspace(0, 60, 13))
    outside = facet_pairs(cells)[2][:, :-1]
    low, high = ([f for f in outside if np.all(points[f, 1] == y)] for y in (0.0, 60.0))
    import meshio

    lines = np.array([*low, *low[:2], *high])
    meshio.write(tmp_path / "a.vtu", meshio.Mesh(
        np.column_stack([points, 0 * points[:, 0]]), [("triangle", cells), ("line", lines)],
        cell_data={"region": [tags, np.array([21] * 4 + [5] * 2 + [22] * 4)]}))
    names = {11: "electrolyte", 21: "collector", 22: "counter"}
    text = refused(tmp_path / "a.vtu", names | {5: "tab"})
    assert "2 facets lie in two groups, 'collector' and 'tab'" in text
    _, mesh = converted(tmp_path / "a.vtu", names | {5: "collector"})
    assert area(mesh, "collector") == pytest.approx(20.0)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("version", ["1", "2.2", "2.2 binary"])
def test_groups_of_elements_with_one_elementary_number(version, number, tmp_path):
    """In .msh 1 and 2 the group stands at each element; meshio and own scripts number no entity."""
    import struct

    points, cells, _ = box(UM, np.linspace(0, 60, 13))
    tags = np.where(points[cells, 1].mean(axis=1) < 30, 11, 12)
    outside = facet_pairs(cells)[2][:, :-1]
    rows = [(2, t, c) for t, c in zip(tags, cells, strict=True)]
    rows += [(1, t, f) for t, y in ((21, 0.0), (22, 60.0), (0, None)) for f in outside
             if (np.all(points[f, 1] == y) if t else np.all(points[f, 0] == 0.0))]
    nodes = [f"{k} {x!r} {y!r} 0" for k, (x, y) in enumerate(points.tolist(), 1)]
    if version == "1":
        lines = ["$NOD", str(len(nodes)), *nodes, "$ENDNOD", "$ELM", str(len(rows))]
        lines += [f"{k} {kind} {t} {number} {len(c)} {' '.join(str(int(i) + 1) for i in c)}"
                  for k, (kind, t, c) in enumerate(rows, 1)]
        data = "\n".join([*lines, "$ENDELM", ""]).encode()
    elif version == "2.2":
        lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat", "$Nodes", str(len(nodes)), *nodes,
                 "$EndNodes", "$Elements", str(len(rows))]
        lines += [f"{k} {kind} 2 {t} {number} {' '.join(str(int(i) + 1) for i in c)}"
                  for k, (kind, t, c) in enumerate(rows, 1)]
        data = "\n".join([*lines, "$EndElements", ""]).encode()
    else:
        data = b"$MeshFormat\n2.2 1 8\n" + struct.pack("i", 1) + b"\n$EndMeshFormat\n"
        data += b"$Nodes\n%d\n" % len(points)
        data += b"".join(struct.pack("=i3d", k, x, y, 0) for k, (x, y) in enumerate(points, 1))
        data += b"\n$EndNodes\n$Elements\n%d\n" % len(rows)
        data += b"".join(struct.pack(f"={6 + len(c)}i", kind, 1, 2, k, t, number, *(c + 1))
                         for k, (kind, t, c) in enumerate(rows, 1))
        data += b"\n$EndElements\n"
    file = tmp_path / "a.msh"
    file.write_bytes(data)
    side, mesh = converted(file, TWO | {21: "collector", 22: "counter"})
    assert "remarks" not in side and set(mesh.boundaries) == {"collector", "counter"}
    assert area(mesh, "collector") == pytest.approx(20.0)
    assert mesh.volumes()[mesh.region_mask("electrolyte_a")].sum() == pytest.approx(600e-12)


@pytest.mark.parametrize("binary", [0, 1])
@pytest.mark.parametrize("version", [2.2, 4.1])
def test_a_curve_that_runs_the_other_way_is_in_its_group(version, binary, tmp_path):
    """gmsh writes its group with a minus; so it does for a surface."""
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        geo = gmsh.model.geo
        corner = [geo.addPoint(*xy, 0, 5)
                  for xy in ((0, 0), (10, 0), (20, 0), (20, 60), (0, 60))]
        ends = [(0, 1), (2, 1), (2, 3), (3, 4), (4, 0)]  # the second one runs to the left
        curve = [geo.addLine(corner[a], corner[b]) for a, b in ends]
        geo.addPlaneSurface([geo.addCurveLoop([curve[0], -curve[1], *curve[2:]])])
        geo.synchronize()
        gmsh.model.addPhysicalGroup(2, [-1], 11, "electrolyte")
        gmsh.model.addPhysicalGroup(1, [curve[0], -curve[1]], 21, "collector")
        gmsh.model.addPhysicalGroup(1, [curve[3]], 22, "counter")
        gmsh.option.setNumber("Mesh.MshFileVersion", version)
        gmsh.option.setNumber("Mesh.Binary", binary)
        gmsh.model.mesh.generate(2)
        gmsh.write(str(tmp_path / "a.msh"))
        gmsh.option.setNumber("Mesh.Binary", 0)
    side, mesh = converted(tmp_path / "a.msh", {})
    assert "remarks" not in side and set(mesh.boundaries) == {"collector", "counter"}
    assert area(mesh, "collector") == pytest.approx(20.0)


@pytest.mark.parametrize("version", [2.2, 4.1])
def test_a_partitioned_file_is_whole(version, tmp_path):
    from geometries.meshing.gmsh_session import session

    with session() as gmsh:
        gmsh.model.occ.addRectangle(0, 0, 0, 20, 60)
        gmsh.model.occ.synchronize()
        gmsh.model.addPhysicalGroup(2, [1], 11)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 5)
        gmsh.option.setNumber("Mesh.MshFileVersion", version)
        gmsh.model.mesh.generate(2)
        gmsh.model.mesh.partition(3)
        gmsh.write(str(tmp_path / "a.msh"))
    side, mesh = converted(tmp_path / "a.msh", ONE)
    assert "remarks" not in side and mesh.volumes().sum() == pytest.approx(1200e-12)
