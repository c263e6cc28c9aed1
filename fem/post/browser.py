"""A result in the browser: field, time, clip and threshold, drawn where the result lies.

Pictures are rendered by PyVista beside the result, without a screen, and sent to the browser by
trame: one port, so `ssh -L` is enough, and no file travels. Needs the extra `view`.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.post.fields import field_of, figures_of
from fem.post.style import show_time
from fem.results.result import Result

__all__ = ["Scene", "serve"]

#: Micrometres per metre.
UM = 1e6
#: Address to listen at: only this machine's own browsers, and tunnels to it.
HOST = "127.0.0.1"
#: Colour of blocks beside the one whose field is shown, and how much of them is seen through.
BESIDE, OPACITY = "#b8b8b8", 0.35
#: Directions across which a clip plane may lie.
AXES = ("none", "x", "y", "z")
#: Share of the way across at which a clip begins.
MIDDLE = 0.5


def choices(result: Result) -> list[str]:
    """Fields that may be shown, as `block: field`; first those that figures of the run show."""
    drawn = {name for figure in figures_of(result).values() for name in figure.maps}
    blocks = sorted(result.blocks, key=lambda b: (b != "pore", b))
    every = [(b, f) for b in blocks for f in result.fields(b) if f != "region"]
    return [f"{b}: {f}" for b, f in sorted(every, key=lambda pair: pair[1] not in drawn)]


class Scene:
    """Pictures of a result.

    Args:
        result: with fields.
        size: of the picture, pixels.

    Attributes:
        choices: what may be shown, as `block: field`.
        plotter: of PyVista; its window holds the picture.
    """

    def __init__(self, result: Result, size: tuple[int, int] = (1200, 800)):
        import pyvista as pv

        self.result, self.pv = result, pv
        self.choices = choices(result)
        if not self.choices:
            raise CaseError(f"{result.folder}: no fields were written yet")
        self.times = [float(t) for t in result.times]
        low, high = result.extent()
        self.flat = bool(high[2] - low[2] <= 1e-9 * np.ptp([low, high]))
        self.plotter = pv.Plotter(off_screen=True, window_size=list(size))
        self.plotter.set_background("white")
        self.placed = False

    def show(
        self, choice: str, moment: int = -1, *, axis: str = "none", at: float = MIDDLE,
        within: tuple[float, float] = (0.0, 100.0), beside: bool = True,
    ) -> tuple[float, float]:  # fmt: skip
        """Draw a field.

        Args:
            choice: one of `choices`.
            moment: number of the time.
            axis: cut away what lies beyond a plane across this axis.
            at: place of the plane, share of the way along the axis.
            within: threshold, percent of the range of the field: cells outside are left out.
            beside: other blocks in grey.

        Returns:
            Smallest and largest value of the field, in the unit shown.
        """
        block, _, name = choice.partition(": ")
        t = self.times[moment]
        about = field_of(self.result, name)
        grid = self._scaled(block, t)
        flat = name in grid.cell_data
        data = grid.cell_data if flat else grid.point_data
        values = np.asarray(data[name])
        values = np.linalg.norm(values, axis=1) if values.ndim > 1 else values
        data["shown"] = values * about.factor
        low, high = float(data["shown"].min()), float(data["shown"].max())
        part = self._cut(grid, axis, at)
        if within != (0.0, 100.0) and high > low:
            ends = [low + 0.01 * share * (high - low) for share in within]
            part = part.threshold(ends, scalars="shown", all_scalars=False)
        self.plotter.clear()
        if part.n_cells:
            unit = f" ({about.shown_unit})" if about.shown_unit else ""
            bar = {"title": f"{name}{unit}", "vertical": True, "position_x": 0.86,
                   "position_y": 0.2, "height": 0.6, "color": "black", "fmt": "%.4g"}  # fmt: skip
            self.plotter.add_mesh(
                part, scalars="shown", cmap=about.colours, clim=(low, high), scalar_bar_args=bar,
                line_width=4.0, lighting=not self.flat, copy_mesh=True, reset_camera=False,
            )  # fmt: skip
        if beside:
            self._others(block, t, axis, at)
        self.plotter.add_text(
            f"{name}, t = {show_time(t)}", font_size=11, color="black", position="upper_left"
        )
        self.plotter.show_bounds(
            xtitle="x (um)", ytitle="y (um)", ztitle="z (um)", color="black", location="outer",
            font_size=11,
        )  # fmt: skip
        if not self.placed:
            self.aim()
            self.placed = True
        return low, high

    def aim(self) -> None:
        """See all of the result, a cut from above."""
        self.plotter.enable_parallel_projection()
        if self.flat:
            self.plotter.view_xy(bounds=self._bounds())
        else:
            self.plotter.view_isometric(bounds=self._bounds())

    def _bounds(self) -> list[float]:
        """Ends of the whole result in um, x, y, z."""
        low, high = self.result.extent() * UM
        return [float(v) for pair in zip(low, high, strict=True) for v in pair]

    def _scaled(self, block: str, t: float) -> Any:
        """A block in um; the result keeps its own."""
        return self.result.grid(block, t).scale(UM, inplace=False)

    def _cut(self, grid: Any, axis: str, at: float) -> Any:
        """The part of a grid on the near side of the plane."""
        if axis not in ("x", "y", "z"):
            return grid
        k = "xyz".index(axis)
        low, high = self.result.extent() * UM
        origin = 0.5 * (low + high)
        origin[k] = low[k] + at * (high[k] - low[k])
        return grid.clip(normal=axis, origin=origin, crinkle=False)

    def _others(self, block: str, t: float, axis: str, at: float) -> None:
        for other in self.result.blocks:
            if other in (block, "walls") or (other in ("pore", "salt") and not self.flat):
                continue
            grid = self._scaled(other, t)
            grid.clear_data()
            part = self._cut(grid, axis, at)
            if part.n_cells:
                see = OPACITY if other in ("pore", "salt", "metal") else 1.0
                self.plotter.add_mesh(part, color=BESIDE, opacity=see, lighting=not self.flat,
                                      reset_camera=False)  # fmt: skip


def serve(folder: Any, port: int = 8080) -> None:
    """Show a result to browsers until Ctrl-C.

    Args:
        folder: of the result.
        port: of this machine; 0 takes a free one.

    Raises:
        CaseError: no fields, or the extra `view` is not installed.
    """
    result = Result(folder)
    if not result.blocks:
        raise CaseError(f"{result.folder}: no fields were written yet")
    try:
        from trame.app import get_server
        from trame.ui.vuetify3 import SinglePageLayout
        from trame.widgets import vtk as views
        from trame.widgets import vuetify3 as v3
    except ImportError as error:
        raise CaseError(
            f"view --browser needs trame, which does not load here ({error}); install hostplate "
            "with its extra `view`"
        ) from None
    scene = Scene(result)
    server = get_server(client_type="vue3")
    state, control = server.state, server.controller
    state.update({
        "trame__title": f"hostplate: {result.folder.name}", "choice": scene.choices[0],
        "moment": len(scene.times) - 1, "axis": "none", "at": MIDDLE, "within": [0, 100],
        "beside": True, "when": "", "span": "",
    })  # fmt: skip

    def refresh(**_: Any) -> None:
        moment = int(state.moment)
        low, high = scene.show(
            state.choice, moment, axis=state.axis, at=float(state.at),
            within=(float(state.within[0]), float(state.within[1])), beside=bool(state.beside),
        )  # fmt: skip
        state.when = f"t = {show_time(scene.times[moment])}"
        state.span = f"{low:.4g} to {high:.4g}"
        if control.view_update.exists():
            control.view_update()

    refresh()
    state.change("choice", "moment", "axis", "at", "within", "beside")(refresh)
    with SinglePageLayout(server) as layout:
        layout.title.set_text(result.folder.name)
        with layout.toolbar as bar:
            bar.density = "comfortable"
            close = {"density": "compact", "hide_details": True, "classes": "mx-2"}
            v3.VSelect(v_model=("choice",), items=("choices", scene.choices), label="field",
                       style="max-width: 13rem", **close)  # fmt: skip
            v3.VSlider(v_model=("moment",), min=0, max=len(scene.times) - 1, step=1,
                       label="time", style="min-width: 10rem", **close)  # fmt: skip
            v3.VLabel("{{ when }}", classes="mx-2 text-no-wrap")
            v3.VSelect(v_model=("axis",), items=("axes", list(AXES)), label="clip across",
                       style="max-width: 8rem", **close)  # fmt: skip
            v3.VSlider(v_model=("at",), min=0.0, max=1.0, step=0.01, style="min-width: 7rem",
                       disabled=("axis == 'none'",), **close)  # fmt: skip
            v3.VRangeSlider(v_model=("within",), min=0, max=100, step=1, label="threshold",
                            style="min-width: 12rem", **close)  # fmt: skip
            v3.VLabel("{{ span }}", classes="mx-2 text-no-wrap")
            v3.VCheckbox(v_model=("beside",), label="others", **close)
            v3.VBtn(icon="mdi-fit-to-screen", click=lambda: _fit(scene, control))
        with layout.content, v3.VContainer(fluid=True, classes="pa-0 fill-height"):
            view = views.VtkRemoteView(scene.plotter.render_window, interactive_ratio=1)
            control.view_update = view.update
            control.view_reset = view.reset_camera
    print(
        f"hostplate: {result.folder} at http://localhost:{port}/ until Ctrl-C\n"
        f"on another machine: ssh -L {port}:localhost:{port} THIS_MACHINE, then the same address",
        flush=True,
    )
    server.start(port=port, host=HOST, open_browser=False, show_connection_info=False, timeout=0)


def _fit(scene: Scene, control: Any) -> None:
    """Show everything again."""
    scene.aim()
    control.view_update()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8080)
