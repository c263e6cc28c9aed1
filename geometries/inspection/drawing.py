"""Pictures of a mesh: its regions, and its numbers by depth."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError, RunError
from fem.post.style import round_length
from geometries.meshing.mesh import TaggedMesh, is_pore

_PORES = ("#dcebf7", "#c3dcf0", "#e8f3e4", "#f4f0dc", "#e3e3f3", "#d3e9e6")
_SOLIDS = ("#6b6f76", "#b5651d", "#8c564b", "#7f3c8d", "#2f6f4f", "#a33b3b", "#c99700", "#33548c")


def draw(folder: Path, png: Path, *, edges: bool = False, small: Path | None = None) -> Path:
    """Picture of the regions: the plane in 2D, solids and the far pore walls in 3D.

    Args:
        folder: a mesh folder.
        png: file to write.
        edges: also draw the cells' edges.
        small: file of another one for a sheet of many: without names and axes, with a length.

    Raises:
        CaseError: the folder holds no complete mesh.
        RunError: VTK cannot draw in 3D on this machine.
    """
    from geometries.files.writing import read

    mesh, _ = read(folder)
    if mesh.dimension == 2:
        _draw_2d(mesh, Path(png), edges)
        if small:
            _thumbnail(mesh, small)
    else:
        _draw_elsewhere(Path(folder), Path(png), edges, small)
    return Path(png)


def _draw_elsewhere(folder: Path, png: Path, edges: bool, small: Path | None) -> None:
    """`_draw_3d` in a process of its own: without a usable graphics library VTK just dies."""
    from fem.base.parallel import apart

    done = apart("geometries.inspection.drawing", folder, png, str(int(edges)), str(small or ""))
    if done.returncode:
        raise RunError(f"{png} was not drawn: VTK cannot draw in 3D here (none of EGL, X and "
                       "OSMesa works, as on some machines without a display); draw on another one")


def _palette(regions: Iterable[str]) -> dict[str, str]:
    names = list(regions)
    pores = [n for n in names if is_pore(n)]
    solids = [n for n in names if not is_pore(n)]
    table = {n: _PORES[i % len(_PORES)] for i, n in enumerate(pores)}
    return table | {n: _SOLIDS[i % len(_SOLIDS)] for i, n in enumerate(solids)}


def _draw_2d(mesh: TaggedMesh, png: Path, edges: bool) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    xy = mesh.points * 1e6
    span = np.ptp(xy, axis=0)
    height = float(np.clip(6.0 * span[1] / span[0], 2.0, 10.0))
    figure = Figure(figsize=(9.0, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colours = _fill(axes, mesh, edges)
    axes.set_xlim(xy[:, 0].min(), xy[:, 0].max())
    axes.set_ylim(xy[:, 1].min() - 0.01 * span[1], xy[:, 1].max() + 0.01 * span[1])
    if 0.05 < span[1] / span[0] < 20:
        axes.set_aspect("equal")
    axes.set_xlabel("r (um)" if mesh.axisymmetric else "x (um)")
    axes.set_ylabel("thickness (um)")
    handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=handles, loc="outside right upper", fontsize=8)
    figure.savefig(png, dpi=120)


def _fill(axes: Any, mesh: TaggedMesh, edges: bool) -> dict[str, str]:
    """Regions and electrodes (2D), um; the colour of each."""
    from matplotlib.collections import LineCollection, PolyCollection

    xy, colours = mesh.points * 1e6, _palette(mesh.regions)
    for name, colour in colours.items():
        cells = xy[mesh.cells[mesh.region_mask(name)]]
        axes.add_collection(PolyCollection(
            list(cells), facecolors=colour, edgecolors="#00000060" if edges else colour,
            linewidths=0.2 if edges else 0.5))
    lines = {"collector": "#d62728", "counter": "#1f77b4"}
    for name, colour in lines.items():
        facets = xy[mesh.facets[mesh.facet_tags == mesh.boundaries[name]]]
        axes.add_collection(LineCollection(facets, colors=colour, linewidths=2.0))
    return colours | lines


def _thumbnail(mesh: TaggedMesh, png: Path) -> None:
    """The plane alone (2D) over a bar of a round length, readable at a third of its size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    low, high = mesh.points.min(axis=0) * 1e6, mesh.points.max(axis=0) * 1e6
    wide, tall = span = high - low
    side = 6.0 / span.max()  # inches per um
    figure = Figure(figsize=(wide * side, tall * side + 0.7))
    FigureCanvasAgg(figure)
    page = figure.get_size_inches()
    axes = figure.add_axes((0.0, 0.7 / page[1], 1.0, 1.0 - 0.7 / page[1]))
    _fill(axes, mesh, edges=False)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1] - 0.01 * tall, high[1] + 0.01 * tall)
    axes.axis("off")
    long = round_length(0.5 * wide)
    below = figure.add_axes((0.0, 0.0, 1.0, 0.7 / page[1]))
    below.set_xlim(low[0], high[0])
    below.set_ylim(0.0, 1.0)
    below.axis("off")
    below.plot([low[0], low[0] + long], [0.72, 0.72], color="#222222", linewidth=4,
               solid_capstyle="butt")
    below.text(low[0], 0.5, f"{long:.3g} µm", fontsize=22, color="#222222", va="top")
    figure.savefig(png, dpi=70, bbox_inches="tight", pad_inches=0.05)


def _draw_3d(mesh: TaggedMesh, png: Path, edges: bool, small: str) -> None:
    import pyvista

    xyz = mesh.points * 1e6
    plotter = pyvista.Plotter(off_screen=True, window_size=[1100, 900])
    style = {"show_edges": edges, "edge_color": "black", "edge_opacity": 0.3}
    facets, pairs, exterior = mesh.neighbours
    names = []
    for name, colour in _palette(mesh.regions).items():
        if is_pore(name):
            continue
        inside = mesh.region_mask(name)
        shared = inside[pairs[:, 0]] != inside[pairs[:, 1]]
        skin = np.concatenate([facets[shared], exterior[inside[exterior[:, -1]], :-1]])
        surface = pyvista.PolyData.from_regular_faces(xyz, skin).clean()
        plotter.add_mesh(surface, color=colour, smooth_shading=False, ambient=0.25, **style)
        names.append((name, colour))
    collector = mesh.facets[mesh.facet_tags == mesh.boundaries["collector"]]
    plotter.add_mesh(pyvista.PolyData.from_regular_faces(xyz, collector), color="#d9a08a",
                     ambient=0.25, **style)
    names.append(("collector", "#d9a08a"))
    box = pyvista.Box(bounds=[float(v) for pair in zip(xyz.min(0), xyz.max(0), strict=True)
                              for v in pair])
    plotter.add_mesh(box, style="wireframe", color="black")
    plotter.set_background("white")
    plotter.view_vector((1.0, -1.6, 0.7))
    if small:
        lengths = " × ".join(f"{s:.3g}" for s in np.ptp(xyz, axis=0))
        said = plotter.add_text(f"{lengths} µm", position=(10, 10), font_size=24, color="#222222")
        plotter.screenshot(small)
        plotter.remove_actor(said)
    for i, (name, colour) in enumerate(names):
        plotter.add_text(name, position=(20, 20 + 26 * i), font_size=11, color=colour)
    plotter.screenshot(str(png))
    plotter.close()


def plot(report: dict[str, Any], png: Path) -> Path:
    """Picture of a report's numbers: fractions, wall area and pore sizes, and the mesh by region.

    Args:
        report: from `geometries.inspect`, of a mesh with a host.
        png: file to write.

    Raises:
        CaseError: the mesh has no host.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if report["porosity"] is None:
        raise CaseError("plots: the mesh has no host, nothing varies by depth")
    figure = Figure(figsize=(11.0, 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    fractions, walls, pores, text = figure.subplots(2, 2).ravel()
    bins = len(report["porosity_by_depth"])
    depth = (np.arange(bins) + 0.5) / bins
    names = list(report["fractions_by_depth"])
    colours = _palette(names)
    fractions.stackplot(depth, list(report["fractions_by_depth"].values()), labels=names,
                        colors=[colours[n] for n in names])
    fractions.set(xlabel="depth / host thickness", ylabel="volume fraction", xlim=(0, 1),
                  ylim=(0, 1))
    fractions.legend(fontsize=7)
    for name, area in report["wall_area_by_depth"].items():
        walls.step(depth, np.array(area) * 1e-6, where="mid", label=name,
                   color=colours.get(name))
    walls.set(xlabel="depth / host thickness", ylabel="wall area per volume (1/um)", xlim=(0, 1))
    walls.set_ylim(bottom=0)
    if report["wall_area_by_depth"]:
        walls.legend(fontsize=7)
    sizes = report["pore_size"]
    if sizes:
        pores.stairs(sizes["shares"], np.array(sizes["edges"]) * 1e6, fill=True, color="#5b8db8")
        pores.axvline(sizes["d50"] * 1e6, color="black", lw=0.8, ls="--")
    pores.set(xlabel="pore diameter (um)", ylabel="share of the pore volume")
    text.axis("off")
    text.text(0.0, 1.0, "\n".join(_lines(report)), va="top", family="monospace", fontsize=8)
    figure.savefig(png, dpi=110)
    return Path(png)


def _lines(report: dict[str, Any]) -> list[str]:
    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.4g}"

    electronic = report["electronic"]
    lines = [
        f"porosity             {report['porosity']:.4f}",
        f"tortuosity           {shown(report['tortuosity'])}"
        + (" (below 1: see the notes)" if (report["tortuosity"] or 1) < 1 - 1e-6 else ""),
        *(f"  {' '.join(f'{shown(v):>9}' for v in row)}" for row in
          report["tortuosity_tensor"] or []),
        f"solid conductivity   {shown(electronic['conductivity'])} of the bulk",
        f"floating conductors  {report['floating_solids']}",
        f"capacity             {report['capacity'] / 36000:.4g} mAh/cm^2",
        *(f"mass {name:15} {1e2 * mass:.4g} mg/cm^2" for name, mass in
          (report["host_mass"] or {}).items()),
        "",
        f"{'region':26} {'cells':>8} {'edge (um)':>9} {'quality':>8}",
    ]
    lines += [f"{name[:26]:26} {r['cells']:8d} {1e6 * r['edge']:9.3g} {r['quality_min']:8.3f}"
              for name, r in report["by_region"].items()]
    return lines


if __name__ == "__main__":
    from geometries.files.writing import read as _read

    _draw_3d(_read(Path(sys.argv[1]))[0], Path(sys.argv[2]), sys.argv[3] == "1", sys.argv[4])
