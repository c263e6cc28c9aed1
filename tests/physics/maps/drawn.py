"""Meshes and cases of field maps with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fem import Case
from geometries.meshing.gmsh_session import session

UM = 1.0  # meshes are drawn in micrometres


def case(drawn: Path | None, table: dict[str, Any], **changes: Any) -> Case:
    """A map on a drawn mesh, or with the geometry among the changes."""
    own = {} if drawn is None else {"mesh": {"file": str(drawn), "unit": "um"} | changes.pop(
        "mesh", {})}
    return Case.from_dict({
        "schema": 1, "title": "map", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
        "study": "map", "output": {"figures": False}, "map": table, **own, **changes,
    })  # fmt: skip


def driven(**more: Any) -> dict[str, Any]:
    """1 V between collector and counter electrode, electrostatics."""
    ends = {"collector": {"phi": "0 V"}, "counter": {"phi": "1 V"}}
    return {"kind": "electrostatics", "boundaries": ends} | more


def body(folder: Path, *, box: float = 30.0, fine: float = 0.01) -> Path:
    """A disk of radius 1 in the middle of the left side of a box, regions `host_body` and rest."""
    file = folder / "body.msh"
    with session() as gmsh:
        occ = gmsh.model.occ
        around = occ.addRectangle(0, -box, 0, box, 2 * box)
        disk = occ.addDisk(0, 0, 0, 1, 1)
        half = occ.addRectangle(0, -1, 0, 1, 2)
        inside, _ = occ.intersect([(2, disk)], [(2, half)])
        pieces, origin = occ.fragment([(2, around)], inside)
        occ.synchronize()
        body_tag = origin[1][0][1]
        rest = [t for _, t in pieces if t != body_tag]
        gmsh.model.addPhysicalGroup(2, [body_tag], 1, "host_body")
        gmsh.model.addPhysicalGroup(2, rest, 2, "electrolyte")
        graded(gmsh, f"{fine} + 0.1*abs(sqrt(x*x + y*y) - 1)")
        gmsh.write(str(file))
    return file


def boss(folder: Path, aspect: float, *, share: float = 20.0) -> Path:
    """Half of half an ellipse of unit half-width on the floor of a box of ten times its height."""
    file, box = folder / f"boss_{aspect:g}.msh", 10 * aspect
    tip = 1 / aspect / share
    with session() as gmsh:
        occ = gmsh.model.occ
        p = [occ.addPoint(x, y, 0) for x, y in
             ((0, aspect), (0, box), (box, box), (box, 0), (1, 0), (0, 0))]
        if aspect == 1:
            arc = occ.addCircleArc(p[0], p[5], p[4])
        else:
            arc = occ.addEllipseArc(p[0], p[5], p[0], p[4])
        axis, top, side, floor = (occ.addLine(a, b) for a, b in
                                  ((p[0], p[1]), (p[1], p[2]), (p[2], p[3]), (p[3], p[4])))
        face = occ.addPlaneSurface([occ.addCurveLoop([axis, top, side, floor, arc])])
        occ.remove([(0, p[5])])
        occ.synchronize()
        gmsh.model.addPhysicalGroup(2, [face], 1, "electrolyte")
        gmsh.model.addPhysicalGroup(1, [arc, floor], 2, "collector")
        gmsh.model.addPhysicalGroup(1, [top], 3, "counter")
        graded(gmsh, f"{tip} + 0.05*sqrt(x*x + (y - {aspect})*(y - {aspect}))")
        gmsh.write(str(file))
    return file


def nested(folder: Path, *, core: bool) -> Path:
    """A shell of 4 um around a square of 2 um in a box of 10 um; the square is `core` or liquid."""
    file = folder / "nested.msh"
    with session() as gmsh:
        occ = gmsh.model.occ
        squares = [(2, occ.addRectangle(5 - a / 2, 5 - a / 2, 0, a, a)) for a in (10, 4, 2)]
        occ.fragment(squares[:1], squares[1:])
        occ.synchronize()
        area = {t: occ.getMass(2, t) for _, t in gmsh.model.getEntities(2)}
        inner, shell, rest = sorted(area, key=lambda t: area[t])
        groups = {"host_shell": [shell], "electrolyte": [rest]}
        groups |= {"core": [inner]} if core else {"electrolyte": [rest, inner]}
        for tag, (name, faces) in enumerate(groups.items(), 1):
            gmsh.model.addPhysicalGroup(2, faces, tag, name)
        height = {t: occ.getCenterOfMass(1, t)[1] for _, t in gmsh.model.getEntities(1)}
        for tag, (name, y) in enumerate({"collector": 0.0, "counter": 10.0}.items(), 11):
            gmsh.model.addPhysicalGroup(
                1, [t for t, at in height.items() if abs(at - y) < 1e-9], tag, name)
        graded(gmsh, "0.4")
        gmsh.write(str(file))
    return file


def graded(gmsh: Any, size: str) -> None:
    """Mesh with cells of this size, a formula of place."""
    field = gmsh.model.mesh.field.add("MathEval")
    gmsh.model.mesh.field.setString(field, "F", size)
    gmsh.model.mesh.field.setAsBackgroundMesh(field)
    for option in ("MeshSizeFromPoints", "MeshSizeFromCurvature", "MeshSizeExtendFromBoundary"):
        gmsh.option.setNumber(f"Mesh.{option}", 0)
    gmsh.option.setNumber("Mesh.MshFileVersion", 4.1)
    gmsh.model.mesh.generate(2)
