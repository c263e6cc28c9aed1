"""Work of the output tests on several ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fem.base.folder import FolderLock, claim_folder, write_json
from fem.compat import MPI, dfem, dmesh
from fem.files.blocks import Block, region_field, wall_block
from fem.files.fields import FieldWriter
from fem.files.series import Series
from fem.mesh.domain import Domain
from tests.files.field import UM, exact


def domain_of(dim: int, n: int) -> Domain:
    """A block of solid (`host_a`) in electrolyte, 60 um high; thickness is the last axis."""
    comm = MPI.COMM_WORLD
    high = [40 * UM] * (dim - 1) + [60 * UM]
    if dim == 2:
        mesh = dmesh.create_rectangle(
            comm, [[0.0, 0.0], high], [2 * n, 3 * n], ghost_mode=dmesh.GhostMode.shared_facet
        )
    else:
        mesh = dmesh.create_box(
            comm, [[0.0] * 3, high], [n, n, n], ghost_mode=dmesh.GhostMode.shared_facet
        )
    mesh.topology.create_entities(dim - 1)
    mesh.topology.create_connectivity(dim - 1, dim)
    mesh.topology.create_connectivity(dim, dim - 1)
    index_map = mesh.topology.index_map(dim)
    cells = np.arange(index_map.size_local + index_map.num_ghosts, dtype=np.int32)
    middle = dmesh.compute_midpoints(mesh, dim, cells)
    solid = (np.abs(middle[:, 0] - 20 * UM) < 10 * UM) & (middle[:, dim - 1] < 30 * UM)
    cell_tags = dmesh.meshtags(mesh, dim, cells, np.where(solid, 2, 1).astype(np.int32))
    ends = [
        dmesh.locate_entities_boundary(mesh, dim - 1, lambda x, h=h: np.isclose(x[dim - 1], h))
        for h in (0.0, 60 * UM)
    ]
    facets = np.concatenate(ends)
    values = np.concatenate([np.full(len(e), i + 1, dtype=np.int32) for i, e in enumerate(ends)])
    order = np.argsort(facets)
    facet_tags = dmesh.meshtags(mesh, dim - 1, facets[order], values[order])
    domain = Domain(
        mesh,
        cell_tags,
        facet_tags,
        {"electrolyte": 1, "host_a": 2},
        {"collector": 1, "counter": 2},
        host=(30 * UM, 0.0),
        order=("host_a",),
    )
    domain.check()
    return domain


def write_fields(folder: str, dim: int = 2, pvd: bool = False) -> dict[str, Any]:
    """Three times of three blocks; a second series from t = 5 on when one is there already."""
    domain = domain_of(dim, n={2: 6, 3: 8}[dim])  # the solid ends where cells end
    comm = domain.mesh.comm
    series = FieldWriter.next_series(comm, folder)
    with claim_folder(comm, folder) if series == 1 else FolderLock(folder, comm):
        written = _write(domain, folder, series, pvd)
    return {"series": series, "written": written, "locked": Path(folder, ".lock").exists()}


def _write(domain: Domain, folder: str, series: int, pvd: bool) -> list[str]:
    comm, dim = domain.mesh.comm, domain.dim
    walls = [("host_a", "electrolyte")]
    faces = domain.faces_of("counter", ["electrolyte"])
    blocks = []
    for name, regions in (("pore", ["electrolyte"]), ("solid", ["host_a"])):
        part = domain.subdomain(regions)
        c = dfem.Function(dfem.functionspace(part.mesh, ("Lagrange", 1)), name="c")
        flux = dfem.Function(dfem.functionspace(part.mesh, ("DG", 0, (dim,))), name="flux")
        blocks.append(
            Block(name, part.mesh, {"c": c, "flux": flux}, {"region": region_field(domain, part)})
        )
    layer = domain.wall_layer(walls, faces)
    q = dfem.Function(dfem.functionspace(layer.mesh, ("Lagrange", 1)))
    surface = wall_block(domain, walls, faces)
    surface.carry("q", q, layer)
    writer = FieldWriter(comm, folder, [*blocks, surface], series, pvd)
    path = Path(folder, "series.csv")
    table = Series(comm, path, {"t": "s", "double": "s"}, resume=series > 1)
    table.truncate(5.0)
    writer.truncate(5.0)
    for t in (0.0, 10.0, 20.0) if series == 1 else (15.0, 25.0):
        for block in blocks:
            block.fields["c"].interpolate(lambda x, t=t: exact(x, t))
            block.fields["flux"].interpolate(lambda x, t=t: t * np.ones((dim, x.shape[1])))
        q.interpolate(lambda x, t=t: exact(x, t))
        writer.write(t)
        table.add({"t": t, "double": 2 * t})
    table.close()
    write_json(comm, Path(folder, "summary.json"), {"series": series})
    return sorted(p.name for p in Path(folder, "fields").iterdir())


def transfer_error(dim: int) -> dict[str, float]:
    """Largest error of the way onto the walls, and size and share of the wall mesh."""
    import ufl

    domain = domain_of(dim, n=5)
    comm = domain.mesh.comm
    walls = [("host_a", "electrolyte")]
    faces = domain.faces_of("counter", ["electrolyte"])
    layer = domain.wall_layer(walls, faces)
    surface = wall_block(domain, walls, faces)
    pore = domain.subdomain(["electrolyte"])
    worst = 0.0
    for part in (layer, pore):
        space = dfem.functionspace(part.mesh, ("Lagrange", 1))
        source = dfem.Function(space)
        n = space.dofmap.index_map.size_local
        x = space.tabulate_dof_coordinates().T
        source.x.array[:n] = np.sin(1e5 * exact(x, 0.0))[:n]  # ghosts are the transfer's business
        surface.carry("source", source, part)
        surface.refresh()
        target = surface.fields["source"]
        here = target.function_space.tabulate_dof_coordinates().T
        gap = np.abs(target.x.array - np.sin(1e5 * exact(here, 0.0)))
        worst = max(worst, float(gap.max(initial=0.0)))
    area = dfem.assemble_scalar(dfem.form(dfem.Constant(surface.mesh, 1.0) * ufl.dx(surface.mesh)))
    return {
        "error": comm.allreduce(worst, op=MPI.MAX),
        "area": comm.allreduce(area, op=MPI.SUM),
    }
