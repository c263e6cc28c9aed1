"""A picture of the regions of a mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from geometries.measures import is_pore
from geometries.mesh import TaggedMesh, facet_pairs

_PORES = ("#dcebf7", "#c3dcf0", "#e8f3e4", "#f4f0dc", "#e3e3f3", "#d3e9e6")
_SOLIDS = ("#4a4a4a", "#b5651d", "#8c564b", "#7f3c8d", "#2f6f4f", "#a33b3b", "#c99700", "#33548c")


def draw(folder: Path, png: Path, *, edges: bool = False) -> Path:
    """Picture of the regions: the plane in 2D, solids and the far pore walls in 3D.

    Args:
        folder: a mesh folder.
        png: file to write.
        edges: also draw the cells' edges.

    Raises:
        CaseError: the folder holds no complete mesh.
    """
    from geometries.writing import read

    mesh, _ = read(folder)
    (_draw_2d if mesh.dimension == 2 else _draw_3d)(mesh, Path(png), edges)
    return Path(png)


def _colours(mesh: TaggedMesh) -> dict[str, str]:
    pores = [n for n in mesh.regions if is_pore(n)]
    solids = [n for n in mesh.regions if not is_pore(n)]
    table = {n: _PORES[i % len(_PORES)] for i, n in enumerate(pores)}
    return table | {n: _SOLIDS[i % len(_SOLIDS)] for i, n in enumerate(solids)}


def _draw_2d(mesh: TaggedMesh, png: Path, edges: bool) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    xy = mesh.points * 1e6
    span = np.ptp(xy, axis=0)
    height = float(np.clip(6.0 * span[1] / span[0], 2.0, 10.0))
    figure = Figure(figsize=(9.0, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    handles: list[Any] = []
    for name, colour in _colours(mesh).items():
        cells = xy[mesh.cells[mesh.region_mask(name)]]
        axes.add_collection(PolyCollection(
            list(cells), facecolors=colour, edgecolors="#00000060" if edges else colour,
            linewidths=0.2 if edges else 0.1))
        handles.append(Patch(color=colour, label=name))
    lines = {"collector": "#d62728", "counter": "#1f77b4"}
    for name, colour in lines.items():
        facets = xy[mesh.facets[mesh.facet_tags == mesh.boundaries[name]]]
        axes.add_collection(LineCollection(facets, colors=colour, linewidths=2.0))
        handles.append(Patch(color=colour, label=name))
    axes.set_xlim(xy[:, 0].min(), xy[:, 0].max())
    axes.set_ylim(xy[:, 1].min() - 0.01 * span[1], xy[:, 1].max() + 0.01 * span[1])
    if 0.05 < span[1] / span[0] < 20:
        axes.set_aspect("equal")
    axes.set_xlabel("r (um)" if mesh.axisymmetric else "x (um)")
    axes.set_ylabel("thickness (um)")
    figure.legend(handles=handles, loc="outside right upper", fontsize=8)
    figure.savefig(png, dpi=120)


def _draw_3d(mesh: TaggedMesh, png: Path, edges: bool) -> None:
    import pyvista

    xyz = mesh.points * 1e6
    plotter = pyvista.Plotter(off_screen=True, window_size=[1100, 900])
    facets, pairs, exterior = facet_pairs(mesh.cells)
    legend = []
    for name, colour in _colours(mesh).items():
        if is_pore(name):
            continue
        inside = mesh.region_mask(name)
        shared = inside[pairs[:, 0]] != inside[pairs[:, 1]]
        skin = np.concatenate([facets[shared], exterior[inside[exterior[:, -1]], :-1]])
        surface = pyvista.PolyData.from_regular_faces(xyz, skin).clean()
        plotter.add_mesh(surface, color=colour, show_edges=edges, smooth_shading=False)
        legend.append((name, colour))
    collector = mesh.facets[mesh.facet_tags == mesh.boundaries["collector"]]
    plotter.add_mesh(pyvista.PolyData.from_regular_faces(xyz, collector), color="#d9a08a",
                     show_edges=edges)
    legend.append(("collector", "#d9a08a"))
    box = pyvista.Box(bounds=[float(v) for pair in zip(xyz.min(0), xyz.max(0), strict=True)
                              for v in pair])
    plotter.add_mesh(box, style="wireframe", color="black")
    for i, (name, colour) in enumerate(legend):
        plotter.add_text(name, position=(20, 20 + 26 * i), font_size=11, color=colour)
    plotter.set_background("white")
    plotter.view_vector((1.0, -1.6, 0.7))
    plotter.screenshot(str(png))
    plotter.close()
