"""Three-dimensional pictures by VTK, without a screen: `python -m fem.post.render JOBS`.

Always started as a process of its own (`fem.post.figures`): without a usable graphics driver VTK
does not raise, it dies. JOBS is a JSON list; each job names the result folder, time, block, field,
colours and the PNG to write.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from fem.results import Result

from .style import FAINT, SOLID

__all__ = ["render"]


def render(job: dict[str, Any]) -> None:
    """One picture, without colour bar and text: the field in colour, other solids in grey.

    Fields of a volume are cut in half to show the inside; walls are shown whole.
    """
    import pyvista as pv

    pv.OFF_SCREEN = True
    result = Result(job["folder"])
    t, block = job["t"], job["block"]
    grid = result.grid(block, t)
    shown = (grid.point_data[job["field"]] - job["offset"]) * job["factor"]
    grid.clear_data()
    grid.point_data["shown"] = np.abs(shown) if job["magnitude"] else shown
    low, high = result.extent(t)
    middle = 0.5 * (low + high)
    plotter = pv.Plotter(off_screen=True, window_size=(1500, 1500))
    plotter.set_background("white")
    walls = block == "walls"
    plotter.add_mesh(
        grid if walls else grid.clip((0, -1, 0), origin=middle).extract_surface(algorithm=None),
        scalars="shown",
        cmap=job["colours"],
        clim=job["limits"],
        log_scale=job["log"],
        show_scalar_bar=False,
        smooth_shading=False,
        ambient=0.72,  # enough shade to see the shape, little enough to read the colours
        diffuse=0.3,
        specular=0.0,
    )
    if not walls and block != "solid" and "solid" in result.blocks:
        solid = result.grid("solid", t)
        solid.clear_data()
        solid = solid.clip((0, -1, 0), origin=middle)
        if solid.n_cells:
            plotter.add_mesh(
                solid.extract_surface(algorithm=None), color=SOLID, ambient=0.72, diffuse=0.3
            )
    box = pv.Box([x for pair in zip(low, high, strict=True) for x in pair])
    plotter.add_mesh(box, style="wireframe", color=FAINT, line_width=1.5, lighting=False)
    plotter.enable_parallel_projection()
    plotter.camera_position = [
        middle + np.array([0.9, -1.7, 0.8]) * (high - low).max(),
        middle,
        (0, 0, 1),
    ]
    plotter.reset_camera()
    plotter.enable_anti_aliasing("ssaa")
    plotter.screenshot(job["file"])
    plotter.close()


if __name__ == "__main__":
    for one in json.loads(sys.argv[1]):
        render(one)
