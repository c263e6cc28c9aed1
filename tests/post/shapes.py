"""Made-up results of cells of any shape, with a host, an insulator, metal and an island of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fem.base.folder import write_json
from fem.compat import MPI, dfem, dmesh
from fem.files.blocks import Block, region_field, wall_block
from fem.files.fields import FieldWriter
from fem.files.series import Series
from fem.mesh.domain import Domain

UM = 1e-6
NAMES = {"electrolyte": 1, "host_a": 2, "host_glass": 3}


def domain(size: tuple[float, ...], cells: tuple[int, ...]) -> Domain:
    """Copper on the left up to half of the height, glass on the right; sizes in um."""
    comm, ghosts = MPI.COMM_SELF, dmesh.GhostMode.shared_facet
    make = dmesh.create_rectangle if len(size) == 2 else dmesh.create_box
    mesh = make(comm, [[0.0] * len(size), [s * UM for s in size]], cells, ghost_mode=ghosts)
    d = mesh.topology.dim
    for a, b in ((d - 1, d), (d, d - 1)):
        mesh.topology.create_connectivity(a, b)
    every = np.arange(mesh.topology.index_map(d).size_local, dtype=np.int32)
    at = dmesh.compute_midpoints(mesh, d, every)[:, [0, d - 1]] / (UM * np.array(size)[[0, d - 1]])
    copper = (np.abs(at[:, 0] - 0.2) < 0.1) & (at[:, 1] < 0.5)
    glass = (np.abs(at[:, 0] - 0.7) < 0.15) & (np.abs(at[:, 1] - 0.35) < 0.15)
    tags = np.where(copper, 2, np.where(glass, 3, 1)).astype(np.int32)
    ends = [
        dmesh.locate_entities_boundary(
            mesh, d - 1, lambda x, h=h: np.isclose(x[d - 1], h * size[-1] * UM)
        )
        for h in (0.0, 1.0)
    ]
    facets = np.concatenate(ends)
    values = np.concatenate([np.full(len(e), i + 1, dtype=np.int32) for i, e in enumerate(ends)])
    order = np.argsort(facets)
    return Domain(
        mesh, dmesh.meshtags(mesh, d, every, tags),
        dmesh.meshtags(mesh, d - 1, facets[order], values[order]), NAMES,
        {"collector": 1, "counter": 2}, host=(0.5 * size[-1] * UM, 0.0), order=("host_a",),
    )  # fmt: skip


def result(folder: Path, size: tuple[float, ...], cells: tuple[int, ...], growth: bool) -> Path:
    """A result folder: fields at five times, series and summary."""
    made = domain(size, cells)
    d, span = made.dim, np.array(size) * UM
    blocks, clock = [], {"t": 0.0}

    def rise(x: Any) -> Any:
        return x[d - 1] / span[-1]

    def xi(x: Any) -> Any:
        """A layer that rises, and a ball that is connected to it at first."""
        u = x[:d] / span[:, None]
        width = 0.02
        layer = 0.2 + 0.02 * np.cos(6 * np.pi * u[0]) - u[-1]
        ball = 0.08 - np.sqrt(((u - 0.5) ** 2).sum(axis=0))
        neck = 0.03 - np.abs(u[0] - 0.5) - 0.04 * clock["t"] + 0 * u[-1]
        neck = np.minimum(neck, 0.5 - u[-1])
        return 1 / (1 + np.exp(-np.clip(np.maximum.reduce([layer, ball, neck]) / width, -60, 60)))

    def dead(x: Any) -> Any:
        """Mark of nodes within the contour of what floats, as runs write it."""
        u = x[:d] / span[:, None]
        return ((u[-1] > 0.36) & (xi(x) >= 0.5) & (clock["t"] > 1)).astype(float)

    pore, solid = ["electrolyte"], ["host_a"] + (["electrolyte"] if growth else [])
    laws: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {
        ("pore", tuple(pore)): {
            "c": lambda x: 1000 + 200 * rise(x) ** 2, "phi_l": lambda x: -0.03 + 0.01 * rise(x)},
        ("solid", tuple(solid)): {"phi_s": lambda x: -0.06 + 1e-6 * rise(x)},
    }  # fmt: skip
    if growth:
        laws["metal", tuple(pore)] = {
            "xi": xi,
            "dead": dead,
            "i_n": lambda x: -10 * np.exp(-3 * rise(x)),
        }
    functions: list[tuple[Any, Any]] = []
    for (name, regions), fields in laws.items():
        part = made.subdomain(regions)
        space = dfem.functionspace(part.mesh, ("Lagrange", 1))
        values = {field: dfem.Function(space) for field in fields}
        functions += [(values[field], law) for field, law in fields.items()]
        blocks.append(Block(name, part.mesh, values, {"region": region_field(made, part)}))
    part = made.subdomain(["host_glass"])
    blocks.append(Block("insulator", part.mesh, {}, {"region": region_field(made, part)}))
    if not growth:
        wall = [("host_a", "electrolyte")]
        layer = made.wall_layer(wall)
        block = wall_block(made, wall, [])
        space = dfem.functionspace(layer.mesh, ("Lagrange", 1))
        for name, law in (
            ("i_n", lambda x: -10 * np.exp(-3 * rise(x))),
            ("film_thickness", lambda x: 1e-7 * (1 + rise(x))),
        ):
            values = dfem.Function(space)
            functions.append((values, law))
            block.carry(name, values, layer)
        blocks.append(block)
    writer = FieldWriter(MPI.COMM_SELF, folder, blocks)
    for hour in range(5):
        clock["t"] = float(hour)
        for function, law in functions:
            function.interpolate(law)
        writer.write(3600.0 * hour)
    units = {
        "t": "s",
        "voltage": "V",
        "c_min": "mol/m^3",
        "c_max": "mol/m^3",
        "plated": "C/m^2",
        "tip": "m",
        "dead": "C/m^2",
    }
    with Series(MPI.COMM_SELF, folder / "series.csv", units) as series:
        for t in np.linspace(0, 4 * 3600, 40):
            row = (
                t,
                -0.05 - 0.01 * np.exp(-t / 300),
                900,
                1100 + t / 36,
                10 * t,
                (0.2 + t / 36000) * size[-1] * UM,
                2 * max(t - 3600, 0),
            )
            series.add(dict(zip(units, row, strict=True)))
    depth = (np.arange(24) + 0.5) * 0.5 * size[-1] * UM / 24
    profile = {"depth": depth.tolist(), "current": (-np.exp(-depth / depth[9])).tolist()}
    write_json(
        MPI.COMM_SELF,
        folder / "summary.json",
        {
            "title": "A cell of "
            + " x ".join(f"{s:g}" for s in size)
            + " um with a title of its own",
            "t": 4 * 3600.0,
            "study": "growth" if growth else "tertiary",
            "current_by_region": {"host_a": -6.0, "front": -3.0, "collector": -1.0},
            "depth_profile": profile | ({"fill": (depth / depth[-1]).tolist()} if growth else {}),
        },
    )
    write_json(
        MPI.COMM_SELF,
        folder / "mesh.json",
        {
            "host": {"top": 0.5 * size[-1] * UM, "bottom": 0.0},
            "layers": [
                {
                    "name": f"layer_{k}",
                    "bottom": k * size[-1] * UM / 8,
                    "top": (k + 1) * size[-1] * UM / 8,
                }
                for k in range(4)
            ],
        },
    )
    return folder
