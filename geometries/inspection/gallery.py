"""The gallery: a small example of every family in 2D and 3D, with its picture and one sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError, nearest
from geometries import registry
from geometries.building import build
from geometries.inspection.drawing import draw

_HOST = {"width": "30 um", "thickness": "30 um", "gap": "3 um", "separator": "8 um"}
_CUBE = {"width": "20 um", "thickness": "20 um", "separator": "5 um", "dimension": 3}
_MAT = {"name": "mat", "thickness": "20 um", "porosity": 0.8, "fibre_diameter": "4 um"}
_BED = {"name": "bed", "thickness": "20 um", "porosity": 0.75, "diameter": "6 um"}
_PORES = {"name": "wood", "thickness": "20 um", "diameter": ["6 um", "3 um"], "pitch": "8 um"}
_NET = {"name": "net", "thickness": "14 um", "wire": "4 um", "pitch": "10 um"}
_WHISKERS = {"name": "sic", "thickness": "9 um", "length": "8 um", "diameter": "1.5 um",
             "spacing": "5 um"}
_FLAT = {"width": "40 um", "separator": "5 um", "growth": 1.6}
_DEEP = {"dimension": 3, "width": "20 um", "separator": "5 um", "growth": 1.8}
_CHANNELS = {"sheet_thickness": "1 um", "spacing": "5 um", "length": "30 um", "separator": "6 um"}
_LAMELLA = {"layers": [{"name": "pan", "thickness": "6 um", "opening": 0.4, "pitch": "10 um"},
                       {"name": "cnf", "thickness": "4 um", "opening": 0.4, "pitch": "10 um"}],
            "width": "20 um", "spacing": "3 um", "seed": 1, "separator": "6 um"}
#: Parameters of the examples; those of `image` and `cad` get a file that the gallery makes.
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "planar": [
        {"length": "40 um", "width": "30 um", "size": "3 um", "size_collector": "0.5 um",
         "protrusions": [{"x": "15 um", "height": "10 um", "radius": "4 um"}]},
        {"layers": [{"name": "host", "thickness": "10 um", "region": "host_block"},
                    {"name": "free", "thickness": "10 um", "region": "electrolyte"}],
         "dimension": 3, "width": "15 um", "breadth": "15 um", "size": "3 um"}],
    "fibre_mat": [
        {**_FLAT, "layers": [_MAT]},
        {**_FLAT, "layers": [_MAT | {"lumen": {"open": 0.4, "mouth": 0.1}}]},
        {**_DEEP, "width": "30 um", "layers": [_MAT]},
        {**_DEEP, "width": "24 um", "layers": [_MAT | {"porosity": 0.85,
                                                      "orientation": "isotropic"}]}],
    "particle_bed": [
        {**_FLAT, "layers": [_BED | {"porosity": 0.65, "spread": 0.1}]},
        {**_FLAT, "layers": [_BED | {
            "thickness": "25 um", "contact": "separate", "porosity": 0.82, "diameter": "7 um",
            "core": {"diameter": 0.5, "gap": 0.75, "neck": 0.3, "mouth": 0.3}}]},
        {**_DEEP, "layers": [_BED]}],
    "pore_array": [{**_FLAT, "layers": [_PORES]},
                   {**_DEEP, "width": "16 um", "layers": [_PORES]}],
    "stack": [
        {**_FLAT, "gap": "2 um", "layers": [
            {"family": "fibre_mat", **_MAT, "name": "rgo"},
            {"family": "particle_bed", **_BED, "name": "sio2", "contact": "separate"},
            {"family": "fibre_mat", **_MAT, "name": "rgo_top"},
            {"family": "slab", "name": "pvdf", "thickness": "3 um", "region": "electrolyte_pvdf"}]},
        {**_DEEP, "width": "16 um", "layers": [
            {"family": "slab", "name": "au", "thickness": "2 um", "region": "coating_au"},
            {"family": "pore_array", **_PORES, "name": "ni", "thickness": "10 um"},
            {"family": "pore_array", **_PORES, "name": "al2o3", "thickness": "4 um"}]}],
    "grid": [{**_FLAT, "layers": [_NET | {"skin": {"name": "zno", "thickness": "0.5 um"}}]},
             {**_DEEP, "layers": [_NET]}, {**_DEEP, "layers": [_NET | {"weave": "woven"}]}],
    "whiskers": [{**_FLAT, "layers": [_WHISKERS]}, {**_DEEP, "layers": [_WHISKERS]}],
    "rough": [
        {"length": "20 um", "width": "60 um", "roughness": "1.5 um", "correlation": "8 um",
         "size_surface": "0.5 um"},
        {"length": "20 um", "width": "24 um", "roughness": "0.8 um", "correlation": "8 um",
         "dimension": 3, "skin": {"name": "gfo", "thickness": "1 um"}}],
    "aligned_channels": [{"arrangement": "vertical", "channels": 4, **_CHANNELS},
                         {"arrangement": "horizontal", "sheet_length": "20 um",
                          "opening": "4 um", **_CHANNELS}],
    "laminate": [{"layers": [{"region": "host_film", "thickness": "1 um"},
                             {"region": "coating_lif", "thickness": "1 um",
                              "pore_diameter": "2 um", "pitch": "5 um"},
                             {"region": "electrolyte", "thickness": "5 um", "size": "1 um"}],
                  "width": "10 um"}],
    "lamella": [_LAMELLA, _LAMELLA | {"dimension": 3, "openings": "holes", "size_wall": "1 um"}],
    "array": [{"pitch": "10 um", "solid_fraction": 0.3, "rows": 2},
              {"pitch": "10 um", "solid_fraction": 0.3, "dimension": 3, "cells_per_radius": 8}],
    "tpms": [
        {"unit_cell": "10 um", "porosity": [0.7, 0.5], "kind": "sheet", **_HOST},
        {"unit_cell": "20 um", "porosity": 0.6, "size": "1.6 um", **_CUBE},
        {"unit_cell": "20 um", "porosity": 0.7, "surface": "diamond", "kind": "sheet",
         "size": "1.25 um", **_CUBE},
        {"unit_cell": "20 um", "porosity": 0.6, "surface": "primitive", "size": "1.6 um", **_CUBE}],
    "foam": [
        {"kind": "struts", "pore_diameter": "6 um", "porosity": 0.88, **_HOST},
        {"kind": "bubbles", "pore_diameter": ["5 um", "10 um"], "porosity": 0.85, **_HOST},
        {"kind": "opal", "pore_diameter": "8 um", "porosity": 0.82, "size": "1 um", **_CUBE},
        {"kind": "bubbles", "pore_diameter": ["6 um", "10 um"], "porosity": 0.75, "size": "1 um",
         **_CUBE},
        {"kind": "struts", "pore_diameter": "9 um", "porosity": 0.9, "size": "1 um", **_CUBE},
        {"kind": "sponge", "pore_diameter": "5 um", "porosity": 0.65, "coating": "1.5 um",
         "size": "1 um", **_CUBE}],
    "image": [{"dimension": 2}, {"dimension": 3}],
    "grains": [
        {"grain_diameter": "8 um", "width": "30 um", "thickness": "30 um", "boundary_width": "1 um",
         "flaws": [{"kind": "notch", "x": "8 um", "depth": "8 um", "width": "4 um"},
                   {"x": "20 um", "depth": "18 um", "width": "1.5 um", "tilt": 15.0,
                    "filled": 0.6}]},
        {"grain_diameter": "9 um", "width": "20 um", "thickness": "20 um", "dimension": 3,
         "contact": 0.7, "size": "1.2 um"}],
    "cad": [{"dimension": 2}, {"dimension": 3}],
}


def gallery(folder: Path, families: Sequence[str] = ()) -> Iterator[Path]:
    """Build the examples and draw them; the last file is the sheet of all.

    Args:
        folder: gets a mesh folder and a picture for each example, and gallery.png.
        families: only these; default all registered.

    Raises:
        CaseError: no such family.
    """
    known = registry.families()
    for family in families:
        if family not in known:
            raise CaseError(f"--family {family!r}: no such family; {nearest(family, known)}")
    pictures: list[tuple[str, Path]] = []
    for family in families or known:
        for i, example in enumerate(EXAMPLES.get(family, [])):
            name = f"{family}_{i + 1}"
            given = {"image": _pictured, "cad": _drawn}.get(family, _as_it_is)(example, folder)
            sidecar = build(family, given, folder / name)
            picture, small = folder / f"{name}.png", folder / f"{name}_small.png"
            draw(folder / name, picture, edges=sidecar["dimension"] == 3, small=small)
            title = f"{family}, {sidecar['dimension']}D\n{sidecar['cells']} cells"
            pictures.append((title, small))
            yield picture
    yield sheet(pictures, folder / "gallery.png")


def named(given: Mapping[str, Mapping[str, Any]], folder: Path) -> Iterator[Path]:
    """Build and draw given hosts; the last file is the sheet of all, hosts.png.

    Args:
        given: name -> [geometry] of a case.
        folder: gets a mesh folder and a picture for each, and hosts.png.
    """
    pictures = []
    for name, geometry in given.items():
        sidecar = build(geometry["family"], dict(geometry), folder / name)
        small = folder / f"{name}_small.png"
        picture = draw(folder / name, folder / f"{name}.png", small=small)
        pictures.append((f"{name}\n{sidecar['family']}, {sidecar['cells']} cells", small))
        yield picture
    yield sheet(pictures, folder / "hosts.png", columns=8)


def sheet(pictures: list[tuple[str, Path]], png: Path, columns: int = 6) -> Path:
    """One picture of many with their titles, each as large as it can be."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.image import imread
    from PIL import Image

    rows = max(1, -(-len(pictures) // columns))
    figure = Figure(figsize=(2.2 * columns, 2.5 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.axis("off")
        if i < len(pictures):
            axes.imshow(_inked(imread(pictures[i][1])))
            axes.set_title(pictures[i][0], fontsize=8.5)
    figure.savefig(png, dpi=110)
    with Image.open(png) as image:  # few colours: a third of the size
        few = image.convert("RGB").quantize(255)
    few.save(png, optimize=True)
    return png


def _inked(image: Any) -> Any:
    """A picture without its white margin."""
    ink = (image[:, :, :3] < 0.995).any(axis=2)
    rows, columns = (np.flatnonzero(ink.any(axis=k)) for k in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else image


def _as_it_is(example: dict[str, Any], folder: Path) -> dict[str, Any]:
    return example


def _pictured(example: dict[str, Any], folder: Path) -> dict[str, Any]:
    """An image of two solids and pores, made from noise."""
    from scipy.ndimage import gaussian_filter

    dim = example["dimension"]
    shape = (60, 60) if dim == 2 else (18, 18, 18)
    rng = np.random.default_rng(4)
    first, second = (gaussian_filter(rng.random(shape), 4 - 0.6 * dim) for _ in range(2))
    labels = np.where(first > np.quantile(first, 0.65), 1 + (second > np.median(second)), 0)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"image_{dim}d.npy"
    np.save(file, labels.astype(np.uint8))
    return {"file": str(file), "voxel": "0.5 um" if dim == 2 else "1 um", "separator": "5 um",
            "regions": {0: "electrolyte", 1: "host_carbon", 2: "host_binder"}}


def _drawn(example: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A mushroom, drawn with the CAD kernel."""
    from geometries.meshing.gmsh_session import session

    dim = example["dimension"]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"mushroom_{dim}d.brep"
    with session() as gmsh:
        occ = gmsh.model.occ
        if dim == 2:
            parts = occ.addRectangle(8, 0, 0, 4, 12), occ.addDisk(10, 12, 0, 6, 4)
        else:
            parts = occ.addCylinder(10, 10, 0, 0, 0, 12, 2), occ.addSphere(10, 10, 12, 5)
        occ.fuse([(dim, parts[0])], [(dim, parts[1])])
        occ.synchronize()
        gmsh.write(str(file))
    return {"dimension": dim, "width": "20 um", "thickness": "20 um", "separator": "5 um",
            "size_wall": "1 um",
            "parts": [{"file": str(file), "unit": "1 um", "region": "host_mushroom"}]}
