"""Three-dimensional pictures by VTK, without a screen.

`python -m fem.post.render JOBS` is a process of its own: without a usable graphics driver VTK does
not raise, it dies. JOBS is a JSON list; each job names the result folder, time, block, field,
colours and the PNG to write.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.base.parallel import apart
from fem.post.fields import phase_of
from fem.post.occupancy import cells_afloat, host_cells, phase_field_at
from fem.post.streams import arrows, flow_of
from fem.post.style import DEAD, FAINT, INK, INSULATOR, METAL, SOLID, round_length, stretches
from fem.results.result import Result

__all__ = ["Later", "pictures", "render", "together"]

#: Enough shade to see the shape, little enough to read the colours.
LIGHT = {"ambient": 0.72, "diffuse": 0.3, "specular": 0.0}
#: Sides of a picture, pixels, at the resolution of our figures, dots per inch.
SIDE, RESOLUTION = 1500, 220
#: Arrows along the longest side of a picture, and their colour, seen on both ends of the maps.
ARROWS, ARROW = 14, "#e8743b"


class Later(Exception):  # noqa: N818  (what happens, not a fault)
    """A figure waits for pictures that are rendered with those of all others."""


class Pictures:
    """Pictures that the figures of one result ask for, rendered all at once.

    To load VTK takes longer than to render a picture.
    """

    def __init__(self) -> None:
        self.asked: dict[str, dict[str, Any]] = {}
        self.made: dict[str, Any] = {}
        self.reason = ""

    def take(self, jobs: list[dict[str, Any]]) -> list[Any]:
        """Images of some jobs, without their white margins.

        Raises:
            Later: they have yet to be rendered; ask again after `render`.
            CaseError: they could not be; says why in one line.
        """
        keys = [json.dumps(job, sort_keys=True) for job in jobs]
        if all(key in self.made for key in keys):
            return [self.made[key] for key in keys]
        if self.reason and all(key in self.asked for key in keys):
            raise CaseError(self.reason)
        self.asked |= dict(zip(keys, jobs, strict=True))
        raise Later

    def render(self) -> None:
        """Render what was asked for in one new process; failures are reported by `take`."""
        from matplotlib.image import imread

        with tempfile.TemporaryDirectory() as scratch:
            files = {key: Path(scratch) / f"{k}.png" for k, key in enumerate(self.asked)}
            named = [self.asked[key] | {"file": str(file)} for key, file in files.items()]
            try:
                done = apart("fem.post.render", json.dumps(named), timeout=600.0 * len(named))
            except subprocess.TimeoutExpired:
                self.reason = "rendering in 3D took more than 10 minutes a picture"
            else:
                lines = [line for line in done.stderr.splitlines() if line.strip()]
                why = lines[-1].strip() if lines and done.returncode > 0 else "the process died"
                self.reason = (
                    f"VTK cannot render here ({why}); a graphics library (libEGL, libGL or OSMesa) "
                    f"is missing or broken. Draw elsewhere: python -m fem.post.figures "
                    f"{named[0]['folder']}"
                )
            self.made = {key: _cropped(imread(str(f))) for key, f in files.items() if f.is_file()}


_pictures: Pictures | None = None


@contextlib.contextmanager
def together() -> Iterator[Pictures]:
    """Let `pictures` inside the block put its jobs off, to be rendered together."""
    global _pictures
    before, _pictures = _pictures, Pictures()
    try:
        yield _pictures
    finally:
        _pictures = before


def pictures(jobs: list[dict[str, Any]]) -> list[Any]:
    """Images of some jobs, without their white margins, rendered in a new process.

    They are as fine as the figure that they are for (`savefig.dpi` of matplotlib).

    Raises:
        Later: inside `together`, the first time.
        CaseError: it could not; says why in one line.
    """
    from matplotlib import rcParams

    fine = rcParams["savefig.dpi"]
    pixels = SIDE if fine == "figure" else round(SIDE * fine / RESOLUTION)
    jobs = [job | {"pixels": pixels} for job in jobs]
    if _pictures is not None:
        return _pictures.take(jobs)
    with together() as alone:
        with contextlib.suppress(Later):
            alone.take(jobs)
        alone.render()
        return alone.take(jobs)


def _cropped(image: Any) -> Any:
    """The picture without its white margin."""
    ink = (image[:, :, :3] < 0.995).any(axis=2)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return image
    pad = 6
    return image[
        max(rows[0] - pad, 0) : rows[-1] + pad + 1, max(columns[0] - pad, 0) : columns[-1] + pad + 1
    ]


# -- in the process of its own -----------------------------------------------------------------


def render(job: dict[str, Any]) -> None:
    """One picture, without colour bar and text: the field in colour, other solids in grey.

    Fields of a volume are cut in half to show the inside. Walls are shown whole, and so is growing
    metal: as a body (`xi`), or as its front in the colours of another field.
    """
    import pyvista as pv

    pv.OFF_SCREEN = True
    result = Result(job["folder"])
    t, block = job["t"], job["block"]
    pixels = job["pixels"]
    plotter = pv.Plotter(off_screen=True, window_size=(pixels, pixels))
    plotter.set_background("white")
    low, high = result.extent(t)
    middle, factors = 0.5 * (low + high), stretches(high - low)
    if block == "metal" and job["field"] == phase_of(result):
        for part, colour in _bodies(result, t):
            _add(plotter, part, color=colour)
    else:
        for part in _parts(result, block, t):
            if block not in ("walls", "metal"):
                part = part.clip((0, -1, 0), origin=middle)
            if part.n_cells:
                flat = job["field"] in part.cell_data
                values = (part.cell_data if flat else part.point_data)[job["field"]]
                values = np.linalg.norm(values, axis=1) if values.ndim > 1 else values
                shown = (values - job["offset"]) * job["factor"]
                part.clear_data()
                data = part.cell_data if flat else part.point_data
                data["shown"] = np.abs(shown) if job["magnitude"] else shown
            _add(
                plotter, part, scalars="shown", cmap=job["colours"], clim=job["limits"],
                log_scale=job["log"], show_scalar_bar=False,
            )  # fmt: skip
    if block not in ("walls", "solid"):
        beside = [(_host(result, t), SOLID)] if "solid" in result.blocks else []
        if "metal" in result.blocks and block != "metal":
            beside += _bodies(result, t)
        for part, colour in beside:
            whole = block == "metal" or not part.n_cells
            _add(plotter, part if whole else part.clip((0, -1, 0), origin=middle), color=colour)
    if "insulator" in result.blocks:
        part = result.grid("insulator", t)
        whole = block in ("walls", "metal")
        _add(plotter, part if whole else part.clip((0, -1, 0), origin=middle), color=INSULATOR)
    if job.get("arrows"):
        _arrows(plotter, result, t, job["field"], factors)
    box = pv.Box([x for pair in zip(low, high, strict=True) for x in pair])
    thin = 1.5 * pixels / SIDE
    plotter.add_mesh(box, style="wireframe", color=FAINT, line_width=thin, lighting=False)
    plotter.enable_parallel_projection()
    plotter.set_scale(*factors)
    middle, away = middle * factors, ((high - low) * factors).max()
    plotter.camera_position = [middle + np.array([0.9, -1.7, 0.8]) * away, middle, (0, 0, 1)]
    _measured(plotter, low, high, factors, pixels / SIDE)
    plotter.reset_camera()
    plotter.enable_anti_aliasing("ssaa")
    plotter.screenshot(job["file"])
    plotter.close()


def _arrows(plotter: Any, result: Result, t: float, field: str, factors: Any) -> None:
    """Arrows of one length on the face of the cut, along what flows with a field."""
    import pyvista as pv

    found = flow_of(result, t, field)
    if found is None:
        return
    low, high = result.extent(t) * factors
    apart = (high - low).max() / ARROWS
    x, z = (np.arange(a + 0.5 * apart, b, apart) for a, b in zip(low[::2], high[::2], strict=True))
    face = 0.5 * (low[1] + high[1])
    at = np.array([(u, face, w) for u in x for w in z])
    places, vectors = arrows(result, t, found, at / factors)
    if not len(places):
        return
    drawn = pv.PolyData(places * factors - [0.0, 0.1 * apart, 0.0])  # before the face
    drawn["along"] = vectors * factors
    shape = pv.Arrow(start=(-0.5, 0.0, 0.0), tip_length=0.4, tip_radius=0.16, shaft_radius=0.05)
    drawn = drawn.glyph(orient="along", scale=False, factor=0.8 * apart, geom=shape)
    drawn.points = drawn.points / factors  # Plotter.set_scale stretches them again
    plotter.add_mesh(drawn, color=ARROW, **LIGHT)


def _measured(plotter: Any, low: Any, high: Any, factors: Any, share: float) -> None:
    """Letters and lengths of the three edges, and a bar of a round length along x.

    Lines and letters have a share of their width and height in a picture of full resolution.
    """
    import pyvista as pv

    a, b = low * factors, high * factors
    size, pad = high - low, 0.06 * (b - a).max()
    edges = {
        "x": (0.5 * (a[0] + b[0]), a[1] - pad, a[2] - pad),
        "y": (b[0] + pad, 0.5 * (a[1] + b[1]), a[2] - pad),
        "z": (a[0] - pad, a[1] - pad, 0.5 * (a[2] + b[2])),
    }
    labels = [f"{n} {1e6 * s:.3g} µm" for n, s in zip("xyz", size, strict=True)]
    long = round_length(0.4 * size[0])
    start = np.array([a[0], a[1] - 2.0 * pad, a[2] - 2.0 * pad])
    end = start + np.array([long * factors[0], 0.0, 0.0])
    # Plotter.set_scale stretches meshes, not labels.
    bar = pv.Line(start / factors, end / factors)
    plotter.add_mesh(bar, color=INK, line_width=8 * share, lighting=False)
    places = [*edges.values(), end + np.array([2.0 * pad, 0.0, 0.0])]
    plotter.add_point_labels(
        np.array(places), [*labels, f"{1e6 * long:.3g} µm"], shape=None, show_points=False,
        always_visible=True, font_size=round(30 * share), text_color=INK,
        justification_horizontal="center",
    )


def _parts(result: Result, block: str, t: float) -> list[Any]:
    """Coloured parts: a block; in a growth study the part where its fields mean something."""
    grid = result.grid(block, t)
    if block == "walls" or "metal" not in result.blocks:
        return [grid]
    if block == "metal":
        return [grid.contour([0.5], scalars=phase_of(result))]
    grid.point_data["phase"] = phase_field_at(result, t, block)
    if block != "solid":
        return [grid.clip_scalar(scalars="phase", value=0.5)]
    host = host_cells(result, t)
    pores = grid.extract_cells(~host)
    return [grid.extract_cells(host), pores.clip_scalar(scalars="phase", value=0.5, invert=False)]


def _bodies(result: Result, t: float) -> list[tuple[Any, str]]:
    """Metal (xi > 1/2) with and without electronic contact, and its colour."""
    grid, afloat = result.grid("metal", t), cells_afloat(result, t)
    parts = [(grid.extract_cells(on), colour)
             for on, colour in ((~afloat, METAL), (afloat, DEAD)) if on.any()]
    return [(part.clip_scalar(scalars=phase_of(result), value=0.5, invert=False), colour)
            for part, colour in parts]


def _add(plotter: Any, grid: Any, **how: Any) -> None:
    """The surface of a grid, if there is anything of it."""
    if grid.n_cells:
        plotter.add_mesh(grid.extract_surface(algorithm=None), smooth_shading=False, **LIGHT, **how)


def _host(result: Result, t: float) -> Any:
    """The solid without the pores that its block may hold (where electrons cross them)."""
    solid = result.grid("solid", t)
    if "region" in solid.cell_data and "pore" in result.blocks:
        solid = solid.extract_cells(host_cells(result, t))
    solid.clear_data()
    return solid


def main(jobs: list[dict[str, Any]]) -> int:
    """Render one after the other; a picture that fails costs no other one."""
    code = 0
    for job in jobs:
        try:
            render(job)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
