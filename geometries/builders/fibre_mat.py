"""Family `fibre_mat`: layers of fibres between collector and separator.

2D is a cross-section: fibres perpendicular to the cut are discs. Their contacts lie out of the cut;
a case says what becomes of them (docs/geometries.md). With `contacts = "tree"` thin bars in the cut
join the discs to a tree rooted on the collector: every bonded fibre conducts to the collector and
no pore is closed in, but the bars cut the pores into chambers. 3D fibres are straight cylinders
in `fibre_network`. Hollow fibres, fibres with a skin and fibres in any direction are made of parts,
in `fibres`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from geometries.builders.fibre_layers import MAX_DRAWS, Bar, Disc, FibreMat, finish, place
from geometries.meshing.mesh import (
    Built,
    TaggedMesh,
    assemble,
)


def build(p: FibreMat) -> Built:
    """The tagged mesh, with delivered porosity of each layer and connectivity in the sidecar."""
    if not all(layer.plain for layer in p.layers):
        from geometries.builders.fibres import build as build_parts

        return build_parts(p)
    if p.dimension == 3:
        from geometries.builders.fibre_network import build as build_3d

        return build_3d(p)
    discs, bars = _draw(p)
    mesh = _mesh(p, discs, bars)
    return finish(p, mesh, len(discs), sum(not d.joins for d in discs))


def check_place(p: FibreMat) -> None:
    """Place the fibres as `build` does, and leave it at that.

    Raises:
        CaseError: they cannot be placed; names the reachable porosity.
    """
    if not all(layer.plain for layer in p.layers):
        from geometries.builders import layered
        from geometries.builders.fibres import cell_of

        layered.placed(cell_of(p))
    elif p.dimension == 3:
        from geometries.builders.fibre_network import drawn

        drawn(p)
    else:
        _draw(p)


def _draw(p: FibreMat) -> tuple[list[Disc], list[Bar]]:
    """Discs and bars of the first draw that comes close enough to the porosities."""
    for draw in range(MAX_DRAWS - 1):
        try:
            return place(p, draw=draw)
        except CaseError:
            continue  # another draw may end closer
    return place(p, draw=MAX_DRAWS - 1)


def _mesh(p: FibreMat, discs: list[Disc], bars: list[Bar]) -> TaggedMesh:
    from geometries.meshing.gmsh_session import arrays, name_regions, session, size_fields, snap

    slabs = p.slabs()
    total = slabs[-1][2]
    unit = min(layer.fibre_diameter for layer in p.layers)  # the kernel's tolerance is absolute
    size, wall = (s / unit for s in p.sizes())
    with session() as gmsh:
        occ = gmsh.model.occ
        objects = []
        for d in discs:  # the polygon that the mesher makes of the circle has the disc's area
            turn = wall / (d.r / unit)
            r = d.r / unit * math.sqrt(turn / math.sin(turn))
            objects.append((2, occ.addDisk(d.x / unit, d.y / unit, 0, r, r)))
            bar = next((b for b in bars if (d.x, d.y) in (b.start, b.end)), None)
            if bar:  # the circle's own node, far from the bar's corners
                to = bar.end if bar.start == (d.x, d.y) else bar.start
                turn = math.atan2(to[1] - d.y, to[0] - d.x)
                occ.rotate(objects[-1:], d.x / unit, d.y / unit, 0, 0, 0, 1, turn)
        regions = [d.region for d in discs]
        if bars:
            # Without their ends inside the discs, bars do not split discs into slivers.
            whole = [(2, _bar(occ, bar, unit)) for bar in bars]
            _, cut = occ.cut(whole, objects, removeTool=False)
            for bar, found in zip(bars, cut, strict=False):
                objects += found
                regions += [bar.region] * len(found)
        for region, low, high in slabs:
            box = occ.addRectangle(0, low / unit, 0, p.width / unit, (high - low) / unit)
            objects.append((2, box))
            regions.append(region)
        _, pieces = occ.fragment(objects, [])
        occ.synchronize()
        owner = name_regions(gmsh, 2, regions, pieces)  # discs, then bars, then slabs
        walls = []
        for _, curve in gmsh.model.getEntities(1):
            sides, _ = gmsh.model.getAdjacencies(1, curve)
            kinds = {owner[s].startswith("host_") for s in sides if s in owner}
            if kinds == {True, False}:
                walls.append(curve)
        planes = [(total / unit, (p.size_counter or p.size or 1e30) / unit)]
        size_fields(gmsh, 2, size, p.growth, planes, [(walls, wall)])
        gmsh.model.mesh.generate(2)
        points, cells, names = arrays(gmsh, 2)
    points = snap(points * unit, 1, [0.0, *(t for _, _, t in slabs)])
    return assemble(snap(points, 0, [0.0, p.width]), cells, names)


def _bar(occ: Any, bar: Bar, unit: float) -> int:
    a, b = np.array(bar.start) / unit, np.array(bar.end) / unit
    along = (b - a) / np.linalg.norm(b - a)
    side = bar.width / unit / 2 * np.array([-along[1], along[0]])
    corners = [occ.addPoint(*c, 0) for c in (a + side, b + side, b - side, a - side)]
    lines = [occ.addLine(corners[i], corners[i - 3]) for i in range(4)]
    return int(occ.addPlaneSurface([occ.addCurveLoop(lines)]))
