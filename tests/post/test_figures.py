"""Figures of small made-up results: what is drawn, what is left out, and that nothing crashes."""

from __future__ import annotations

import errno
import itertools
import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.patches import PathPatch

from fem.base import parallel
from fem.base.errors import CaseError
from fem.base.folder import write_json
from fem.compat import MPI
from fem.contract.registry import with_own
from fem.files.fields import FieldWriter, _BlockFile
from fem.files.series import Series
from fem.post import diagrams, figures, render
from fem.post.layout import broken, panels
from fem.post.style import DEAD, INK, METAL, scaled, shortened, show_time
from fem.results.result import Result
from tests.post import shapes

COMM = MPI.COMM_SELF
UM = 1e-6


def triangles(n: int, wide: float, tall: float) -> tuple[np.ndarray, np.ndarray]:
    """A rectangle of 2 n n triangles; coordinates in metres."""
    x, y = np.meshgrid(np.linspace(0, wide, n + 1), np.linspace(0, tall, n + 1))
    points = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    i = np.arange((n + 1) * n).reshape(n, n + 1)[:, :-1].ravel()
    up = np.stack([i, i + 1, i + n + 2], axis=1)
    return np.vstack([up, np.stack([i, i + n + 2, i + n + 1], axis=1)]), points


@pytest.fixture(autouse=True, scope="module")
def coarse():
    """Half of the resolution, a quarter of the pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(figures.LOOK, "savefig.dpi", 110)
        yield


@pytest.fixture
def folder(tmp_path) -> Path:
    """Result folder of a run, made by hand."""
    return made(tmp_path)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Figures of that run, drawn once."""
    folder = made(tmp_path_factory.mktemp("drawn"))
    figures.draw(folder)
    return folder / "figures"


def made(tmp_path: Path) -> Path:
    """Write a result: pore above, solid below, a wall between."""
    fields = tmp_path / "fields"
    fields.mkdir()
    cells, points = triangles(12, 40 * UM, 30 * UM)
    above = points + np.array([0, 30 * UM, 0])
    y = above[:, 1]
    pore = {"c": ("Node", 1e3 + 1e7 * y), "phi_l": ("Node", -0.03 + 300 * y)}
    _BlockFile(fields / "pore", "pore", cells, above, {}, False).append(3600.0, pore)
    solid = {"phi_s": ("Node", -0.06 + 1e-4 * points[:, 1])}
    _BlockFile(fields / "solid", "solid", cells, points, {}, False).append(3600.0, solid)
    line = np.stack([np.linspace(0, 40, 21), np.full(21, 30.0), np.zeros(21)], axis=1) * UM
    ends = np.stack([np.arange(20), np.arange(1, 21)], axis=1)
    walls = {
        "i_n": ("Node", -10 * np.exp(line[:, 0] / (4 * UM))),
        "film_thickness": ("Node", 1e-7 * (1 + line[:, 0] / (40 * UM))),
    }
    _BlockFile(fields / "walls", "walls", ends, line, {}, False).append(3600.0, walls)
    units = {"t": "s", "voltage": "V", "c_min": "mol/m^3", "c_max": "mol/m^3", "charge": "C/m^2",
             "V_ohmic_l": "V", "V_kinetic_plating": "V"}
    with Series(COMM, tmp_path / "series.csv", units) as series:
        for t in np.linspace(0, 3600, 40):
            ohmic, kinetic = -0.01, -0.04 - 0.01 * np.exp(-t / 300)
            row = (t, ohmic + kinetic, 900, 1100 + t / 36, -10 * t, ohmic, kinetic)
            series.add(dict(zip(units, row, strict=True)))
    depth = (np.arange(24) + 0.5) * 90 * UM / 24
    summary = {
        "title": "Three-layer host",
        "t": 3600.0,
        "current_by_region": {"host_bottom": -6.0, "host_middle": -3.0, "collector": -1.0},
        "depth_profile": {
            "depth": depth,
            "current": -np.exp(depth / (30 * UM)),
            "area": np.ones(24),
        },
    }
    write_json(COMM, tmp_path / "summary.json", summary)
    layers = [
        {"name": n, "bottom": b * UM, "top": (b + 30) * UM}
        for n, b in (("bottom", 0), ("middle", 30), ("top", 60))
    ]
    mesh = {"host": {"top": 90 * UM, "bottom": 0.0}, "layers": layers}
    write_json(COMM, tmp_path / "mesh.json", mesh)
    return tmp_path


GROWN = ("metal", "fill")  # of growth studies only
#: Figures of physics that take part without a table.
NAMES = [f.name for p in with_own().physics if p.table is None for f in p.figures]


def picture(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(str(path))


def test_every_figure_is_drawn_and_shows_something(folder, caplog):
    files = figures.draw(folder)
    assert [f.name for f in files] == [f"{n}.png" for n in NAMES if n not in GROWN]
    assert not caplog.records
    for file in files:
        image = picture(file)
        assert min(image.shape[:2]) > 300, file.name
        colours = np.unique((image[:, :, :3] * 255).astype(int) @ [1, 256, 256**2])
        assert len(colours) > 50, file.name


def test_colours_follow_the_field(drawn):
    """The salt rises upwards: the picture's pore goes from dark blue to yellow."""
    image = picture(drawn / "salt.png")[:, :, :3]
    column = image[:, image.shape[1] // 3]
    yellow = np.flatnonzero((column[:, 0] > 0.8) & (column[:, 1] > 0.8) & (column[:, 2] < 0.4))
    violet = np.flatnonzero((column[:, 0] < 0.35) & (column[:, 1] < 0.2) & (column[:, 2] > 0.3))
    assert len(yellow) and len(violet) and yellow.max() < violet.min()


def test_areas_of_the_voltage_are_its_parts(drawn):
    """10 and 40 mV at the end, one below the other, and the cell voltage along the lower edge."""
    image = picture(drawn / "voltage_parts.png")[:, :, :3]
    inside = image[:, image.shape[1] // 2]  # 50 mV at that time, too

    def rows(colour: str) -> np.ndarray:
        return np.flatnonzero(np.abs(inside - to_rgba(colour)[:3]).max(axis=1) < 0.05)

    ohmic, kinetic = rows("#20567a"), rows("#c8553d")
    assert ohmic.max() < kinetic.min()
    assert len(kinetic) / len(ohmic) == pytest.approx(4.0, rel=0.08)
    line = rows(INK)
    assert ((line > kinetic.max()) & (line < kinetic.max() + 12)).any()


def test_words_of_a_colour_bar_stay_clear_of_the_next_panel(folder):
    result = Result(folder)
    with rc_context(figures.LOOK):
        _, bar, panel, _ = figures.makers(result)["potentials"](result, None).axes
    assert "equipotential to 3 nV" in bar.get_ylabel()
    assert bar.get_tightbbox().x1 < panel.get_tightbbox().x0


def test_the_field_jumps_where_regions_meet(folder):
    """100 V/m below the middle, 500 above: no node has anything between."""
    cells, points = triangles(12, 40 * UM, 30 * UM)
    y = points[:, 1] / UM
    phi = 1e-4 * np.where(y > 15, 15 + 5 * (y - 15), y)
    region = (points[cells].mean(axis=1)[:, 1] > 15 * UM).astype(float)
    (folder / "fields" / "pore.xdmf").unlink()
    file = _BlockFile(folder / "fields" / "pore", "pore", cells, points,
                      {"region": ("Cell", region)}, False)
    file.append(1.0, {"phi_l": ("Node", phi)})
    found = figures.values_in(Result(folder), "E_l", None)
    assert np.minimum(abs(found - 100.0), abs(found - 500.0)).max() < 1e-6
    assert (found > 300.0).any() and (found < 300.0).any()


def test_the_field_is_the_gradient_of_the_potential(folder):
    """300 V/m everywhere in the pore, the boundary included."""
    found = figures.values_of(Result(folder), "E_l", None, "pore")
    assert np.abs(found / 300.0 - 1.0).max() < 1e-9


def test_a_vector_and_a_field_of_cells_are_drawn_beside_others(tmp_path):
    """By the magnitude, and flat on each cell."""
    cells, points = triangles(4, 40 * UM, 30 * UM)
    (tmp_path / "fields").mkdir()
    each = np.arange(len(cells), dtype=float)
    flow = np.column_stack([3.0 + 0 * points[:, 0], 4e5 * points[:, 1], 0 * points[:, 0]])
    pore = {"c": ("Node", 1e3 + points[:, 1]), "flow": ("Node", flow), "each": ("Cell", each)}
    _BlockFile(tmp_path / "fields" / "pore", "pore", cells, points, {}, False).append(1.0, pore)
    figure = figures._panels(Result(tmp_path), None, ("c", "flow", "each"))
    _, speed, flat = (ax.collections[-1].get_array() for ax in figure.axes[::2])
    assert len(figure.axes) == 6  # three panels, three colour bars
    assert speed.min() == pytest.approx(3.0) and speed.max() == pytest.approx(np.hypot(3.0, 12.0))
    assert np.array_equal(flat, each)


@pytest.mark.parametrize(
    ("study", "when"),
    [
        ("tertiary", "t = 60 min"),
        ("steady", "steady state"),
        ("secondary", "secondary distribution"),
        ("primary", "primary distribution"),
    ],
)
def test_captions_give_a_time_only_where_there_is_one(folder, study, when):
    summary = json.loads((folder / "summary.json").read_text()) | {"study": study}
    write_json(COMM, folder / "summary.json", summary)
    result = Result(folder)
    answer = {}
    for name, make in figures.makers(result).items():
        if name in GROWN or name not in NAMES:
            continue
        figure = make(result, None)
        answer[name] = figure and figure.texts[-1].get_text()
    assert answer == {
        "series": "Three-layer host" if study == "tertiary" else None,
        "voltage_parts": "Three-layer host · each place counts by its share of the current",
        "salt": f"Three-layer host · {when}",
        "potentials": f"Three-layer host · {when}",
        "field": rf"Three-layer host · {when} · lines along $-\nabla \varphi_\mathrm{{l}}$",
        "local_current": f"Three-layer host · {when} · plating",
        "plated": f"Three-layer host · {when}",
        "depth": f"Three-layer host · {when}",
    }


@pytest.mark.parametrize(("held", "panels"), [(False, 3), (True, 4)])
def test_the_current_is_shown_where_it_changes(folder, held, panels):
    """Under a held voltage the current is the answer; a constant one says nothing."""
    t = np.linspace(0.0, 3600.0, 40)
    units = {"t": "s", "voltage": "V", "current_density": "A/m^2", "c_min": "mol/m^3",
             "charge": "C/m^2"}
    with Series(COMM, folder / "series.csv", units) as series:
        for x in t:
            current = -10.0 * np.exp(-x / 600) if held else -10.0 * (1 + 1e-12 * (x % 2))
            series.add(dict(zip(units, (x, -0.05, current, 900.0, -10 * x), strict=True)))
    figure = diagrams.series(Result(folder), None)
    assert len(figure.axes) == panels
    shown = {ax.get_ylabel(): ax.lines[0].get_ydata() for ax in figure.axes}
    assert ("current (mA/cm²)" in shown) is held
    if held:
        assert shown["current (mA/cm²)"] == pytest.approx(-np.exp(-t / 600))


def test_half_a_picture_is_not_left_on_a_full_disk(folder, caplog, monkeypatch):
    def fills(self, file, **how):
        Path(file).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fills)
    assert figures.draw(folder) == [] and not list((folder / "figures").iterdir())
    assert "No space left on device; make room, then `hostplate post`" in caplog.text


def test_what_is_missing_is_left_out_without_a_word(folder, caplog):
    (folder / "summary.json").unlink()
    (folder / "mesh.json").unlink()
    for name in ("solid", "walls"):
        for file in (folder / "fields").glob(f"{name}*"):
            file.unlink()
    drawn = [file.stem for file in figures.draw(folder)]
    assert drawn == ["series", "voltage_parts", "salt", "potentials", "field"]
    assert not caplog.records


def test_a_damaged_file_costs_its_figures_only(folder, caplog):
    for file in (folder / "fields").glob("walls_0*.h5"):
        file.write_bytes(b"not HDF5")
    with caplog.at_level(logging.WARNING, "hostplate.figures"):
        drawn = {file.stem for file in figures.draw(folder)}
    assert drawn == set(NAMES) - {"local_current", "plated", *GROWN}
    assert caplog.records and all("\n" not in r.getMessage() for r in caplog.records)
    assert any("walls_0" in r.getMessage() for r in caplog.records)


def test_missing_matplotlib_is_one_warning(folder, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with caplog.at_level(logging.WARNING, "hostplate.figures"):
        assert figures.draw(folder) == []
    assert len(caplog.records) == 1 and "matplotlib" in caplog.text


def test_numbers_come_in_readable_units():
    shown = scaled(np.array([-5.0, -20.0]), with_own().fields["i_n"])  # A/m2
    assert shown.label.endswith("(mA/cm²)") and (shown.low, shown.high) == (0.5, 2.0)
    shown = scaled(np.array([2e-7, 4e-7]), with_own().fields["film_thickness"])
    assert shown.label.endswith("(µm)") and shown.high == pytest.approx(0.4)
    shown = scaled(np.array([2e-10, 4e-10]), with_own().fields["film_thickness"])
    assert shown.label.endswith("(pm)") and shown.high == pytest.approx(400.0)
    shown = scaled(np.array([0.0, 0.25]), with_own().fields["eps_m"])  # no "(m)" of a share
    assert not shown.label.endswith(")") and shown.high == 0.25
    shown = scaled(np.array([0.06, 0.06 + 2e-9]), with_own().fields["phi_s"])
    assert shown.label.endswith(", equipotential to 2 nV (µV)")
    assert (shown.low, shown.high) == pytest.approx((-1.0, 1.0))  # one colour
    # Wherever zero is; without a width that there is not.
    for earthed, to in ((np.array([-2e-9, 0.0]), " to 2 nV"), (np.zeros(3), "")):
        shown = scaled(earthed, with_own().fields["phi_s"])
        assert shown.label.endswith(f", equipotential{to} (µV)")
        assert (shown.low, shown.high) == pytest.approx((-1.0, 1.0))
    for size in (3e-6, 2e-3):  # one prefix in pictures of all runs
        shown = scaled(np.array([0.9 - size, 0.9]), with_own().fields["phi_l"])
        assert shown.label.endswith("(mV)")
    shown = scaled(np.array([-20.0, 5.0]), with_own().fields["i_n"])  # both signs are shown
    assert shown.colours == "RdBu_r" and "|" not in shown.label
    assert (shown.low, shown.high) == (-2.0, 2.0) and shown(np.array([-20.0]))[0] == -2.0
    shown = scaled(np.full(3, 1000.0), with_own().fields["c"])
    assert shown.label.endswith("(mol/L)") and shown.low < 1.0 < shown.high
    shown = scaled(np.zeros(3), with_own().fields["i_n"])
    assert shown.low == 0.0 and np.isfinite(shown.high) and shown.high > shown.low
    assert [show_time(t) for t in (0, 1.5, 90, 3600, 9000)] == [
        "0 s", "1.5 s", "1.5 min", "60 min", "2.5 h",
    ]  # fmt: skip


def test_command_line(folder, tmp_path, capsys):
    (folder / "fields" / "walls.xdmf").unlink()  # fewer pictures
    command = [sys.executable, "-m", "fem.post.figures", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "salt.png" in done.stdout, done.stderr
    for arguments, text in (([str(tmp_path / "nowhere")], "no such folder"), ([], "usage")):
        assert figures.main(arguments) == 1
        assert text in "".join(capsys.readouterr())
    heavy = "import sys, fem.post.figures; print([m for m in ('dolfinx', 'mpi4py', 'petsc4py')"
    done = subprocess.run(
        [sys.executable, "-c", heavy + " if m in sys.modules])"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.fixture(scope="module")
def solid_folder(tmp_path_factory) -> Path:
    """Three-dimensional results, from a real mesh on this one rank."""
    from fem.compat import dfem
    from fem.files.blocks import Block, wall_block
    from tests.files.workers import domain_of

    folder = tmp_path_factory.mktemp("solid")
    domain = domain_of(3, 8)
    layer = domain.wall_layer([("host_a", "electrolyte")])
    walls = wall_block(domain, [("host_a", "electrolyte")], ())
    blocks: list[Block] = [walls]
    current = dfem.Function(dfem.functionspace(layer.mesh, ("Lagrange", 1)))
    current.interpolate(lambda x: -10.0 * np.exp(x[2] / (20 * UM)))
    walls.carry("i_n", current, layer)
    for name, region, field in (("pore", "electrolyte", "c"), ("solid", "host_a", "phi_s")):
        part = domain.subdomain([region])
        f = dfem.Function(dfem.functionspace(part.mesh, ("Lagrange", 1)))
        f.interpolate(lambda x: 1000 + 1e7 * x[2])
        shaped = {"flow": ("Lagrange", 1, (3,)), "each": ("DG", 0)}
        others = {k: dfem.Function(dfem.functionspace(part.mesh, e)) for k, e in shaped.items()}
        blocks.append(Block(name, part.mesh, {field: f} | others))
    FieldWriter(MPI.COMM_SELF, folder, blocks).write(60.0)
    title = "Three-layer host in 3D: copper / copper and cellulose / cellulose and silica"
    write_json(COMM, folder / "summary.json", {"title": title})
    return folder


def test_three_dimensions_are_rendered_elsewhere(solid_folder, caplog, monkeypatch):
    """By one process for all figures: it loads VTK once."""
    processes: list[Any] = []

    def counted(*arguments: Any, **options: Any) -> Any:
        processes.append(arguments)
        return parallel.apart(*arguments, **options)

    monkeypatch.setattr(render, "apart", counted)
    with caplog.at_level(logging.WARNING, "hostplate.figures"):
        drawn = {file.stem for file in figures.draw(solid_folder)}
    if not drawn and "cannot render" in caplog.text:
        pytest.skip("no off-screen graphics on this machine")
    assert drawn == {"salt", "potentials", "local_current"}
    assert len(processes) == 1
    image = picture(solid_folder / "figures" / "local_current.png")[:, :, :3]
    orange = (image[..., 0] > 0.7) & (image[..., 2] < 0.3)
    assert orange.mean() > 0.01  # the wall is there, not only the colour bar
    for name in drawn:
        image = picture(solid_folder / "figures" / f"{name}.png")[:, :, :3]
        above_the_caption = image[: int(0.85 * len(image))]
        ink = (above_the_caption < 0.99).any(axis=(0, 2))
        print(name, "blank columns", 1 - ink.mean())
        assert ink.mean() > 0.75  # it was 0.48 with a caption wider than the picture
        assert ink[-len(ink) // 20 :].any()


def grown(folder: Path, dim: int, height: float, dead: float = 0.0) -> Path:
    """Results of a growth study: metal up to a height around a host that is 30 um high."""
    from fem.compat import dfem
    from fem.files.blocks import Block, region_field
    from tests.files.workers import domain_of

    domain = domain_of(dim, 8)
    fields = {
        ("metal", "electrolyte"): {
            "xi": lambda x: 1.0 / (1.0 + np.exp((x[dim - 1] - height) / (2 * UM))),
            "i_n": lambda x: np.full(x.shape[1], -10.0),
            "dead": lambda x: np.full(x.shape[1], dead),
        },
        ("pore", "electrolyte"): {"c": lambda x: 1000 + 1e7 * x[dim - 1]},
        ("solid", "host_a electrolyte"): {"phi_s": lambda x: 1e4 * x[dim - 1]},
    }
    blocks = []
    for (name, regions), functions in fields.items():
        part = domain.subdomain(regions.split())
        space, made = dfem.functionspace(part.mesh, ("Lagrange", 1)), {}
        for field, law in functions.items():
            made[field] = dfem.Function(space)
            made[field].interpolate(law)
        static = {} if name == "metal" else {"region": region_field(domain, part)}
        blocks.append(Block(name, part.mesh, made, static))
    writer = FieldWriter(MPI.COMM_SELF, folder, blocks)
    for t in (0.0, 60.0):
        writer.write(t)
    write_json(COMM, folder / "summary.json", {"title": "A host full of metal to half its height"})
    return folder


@pytest.fixture(scope="module", params=[2, 3])
def grown_folder(request, tmp_path_factory) -> Path:
    """Result folder with metal up to 20 um, in 2D and 3D."""
    return grown(tmp_path_factory.mktemp("grown"), request.param, 20 * UM)


@pytest.mark.parametrize("dead", [0.0, 1.0])
def test_a_caption_names_cut_off_metal_where_there_is_some(dead: float, tmp_path: Path) -> None:
    result = Result(grown(tmp_path, 2, 20 * UM, dead))
    for names in (("xi",), ("c",)):
        message = str(figures.growth.legend(result, None, names))
        assert "host grey" in message and ("cut-off metal red" in message) == bool(dead)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("height", [-20 * UM, 20 * UM])
def test_a_caption_names_metal_where_there_is_some(height: float, dim: int, tmp_path: Path) -> None:
    result = Result(grown(tmp_path, dim, height))
    for names in (("c",), ()) if dim == 3 else (("c",),):  # in 2D a colour bar tells the metal
        message = str(figures.growth.legend(result, None, names))
        assert "host grey" in message and ("metal blue" in message) == (height > 0.0)


def test_a_potential_is_shown_where_electrons_flow(grown_folder):
    """In the host and the metal, not in the pores above, which have a phi_s as well."""
    result = Result(grown_folder)
    points, cells = result.points("solid"), result.cells("solid")
    axis = 2 if np.ptp(points[:, 2]) else 1
    shown = figures.occupancy.cells_showing(result, None, "phi_s", "solid")
    middle = points[cells].mean(axis=1)
    host = (np.abs(middle[:, 0] - 20 * UM) < 10 * UM) & (middle[:, axis] < 30 * UM)
    assert shown[host].all()
    assert shown[~host & (points[cells][:, :, axis].max(axis=1) < 19 * UM)].all()
    assert not shown[~host & (middle[:, axis] > 24 * UM)].any()


def test_salt_is_shown_outside_the_metal_and_current_at_its_front(grown_folder):
    """Cells of c have no corner deep in the metal; the front is a line at 20 um beside the host."""
    result = Result(grown_folder)
    points = result.points("pore")
    axis = 2 if np.ptp(points[:, 2]) else 1
    heights = points[result.cells("pore")][:, :, axis]
    shown = figures.occupancy.cells_showing(result, None, "c", "pore")
    assert shown[heights.min(axis=1) > 20.5 * UM].all()
    assert shown.any() and not shown[heights.max(axis=1) < 19.5 * UM].any()
    if axis == 1:
        ends, currents = figures.occupancy.front(result, None, "i_n")
        np.testing.assert_allclose(ends[:, :, 1], 20 * UM, atol=1e-12)
        assert np.ptp(ends[:, :, 0], axis=1).sum() == pytest.approx(20 * UM)
        np.testing.assert_allclose(currents, -10.0)


def test_growing_metal_is_drawn(grown_folder, caplog):
    """Also in 3D: bodies of metal beside the host, and its front in the colours of i_n."""
    with caplog.at_level(logging.WARNING, "hostplate.figures"):
        drawn = {file.stem for file in figures.draw(grown_folder)}
    if "cannot render" in caplog.text:
        pytest.skip("no off-screen graphics on this machine")
    assert drawn >= {"salt", "potentials", "local_current", "metal"} and not caplog.records
    image = picture(grown_folder / "figures" / "metal.png")[:, :, :3]
    blue = (np.abs(image - [0.263, 0.341, 0.420]) < 0.12).all(axis=2)
    grey = (np.ptp(image, axis=2) < 0.06) & (np.abs(image.mean(axis=2) - 0.72) < 0.1)
    print("metal", blue.mean(), "host", grey.mean())
    assert blue.mean() > 0.05 and grey.mean() > 0.02


def test_without_a_front_no_current_is_drawn(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "hostplate.figures"):
        drawn = {file.stem for file in figures.draw(grown(tmp_path, 2, -50 * UM))}
    assert drawn >= {"salt", "metal"} and "local_current" not in drawn and not caplog.records


def test_graphics_that_kill_the_process_cost_one_warning(solid_folder, caplog, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for file in (solid_folder / "figures").glob("*.png"):
        file.unlink()
    with caplog.at_level(logging.WARNING, "hostplate.figures"):
        assert figures.draw(solid_folder) == []
    assert len(caplog.records) == 3
    assert all("VTK cannot render here" in r.getMessage() for r in caplog.records)


def test_a_picture_that_fails_costs_no_other_one(solid_folder, tmp_path):
    jobs = [{"folder": str(solid_folder), "t": 60.0, "block": "pore", "field": name, "factor": 1.0,
             "offset": 0.0, "magnitude": False, "limits": [0.0, 1e4], "log": False,
             "colours": "viridis", "file": str(tmp_path / f"{name}.png"), "pixels": 300}
            for name in ("c", "oops", "flow", "each")]
    done = render.apart("fem.post.render", json.dumps(jobs))
    if not (tmp_path / "c.png").exists():  # nothing had failed yet
        pytest.skip("no off-screen graphics on this machine")
    assert done.returncode == 1 and "oops" in done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"c.png", "flow.png", "each.png"}


def test_flat_pictures_are_quick_to_draw(folder, drawn):
    """A block behind a field is one path, not a polygon a cell; files are packed at level 1."""
    result = Result(folder)
    behind = [p for p in figures.makers(result)["salt"](result, None).axes[0].get_children()
              if isinstance(p, PathPatch)]
    corners = [len(np.asarray(patch.get_path().vertices)) for patch in behind]
    assert corners == [4 * len(result.cells("solid"))]
    packed = (drawn / "salt.png").read_bytes().split(b"IDAT", 1)[1]
    assert packed[:2] == b"\x78\x01"  # header of zlib: fastest


def test_a_signal_leaves_out_the_rest(folder):
    asked = iter([False, False, True])
    assert len(figures.draw(folder, stop=lambda: next(asked))) == 2


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(CaseError, match="no results"):
        figures.draw(tmp_path)


@pytest.mark.parametrize(
    ("size", "growth"), [((1000.0, 10.0), True), ((10.0, 1000.0), True), ((30.0, 90.0), False)]
)
def test_pictures_of_any_cell_fit_a_page(size, growth, tmp_path, caplog, monkeypatch):
    """At most 8.4 x 9.6 inches; insulators are sand, and a figure not to scale says so."""
    monkeypatch.setitem(figures.LOOK, "savefig.dpi", 55)
    n = (60, 24) if size[0] > size[1] else (24, 60)
    shapes.result(tmp_path, size, n, growth)
    for file in figures.draw(tmp_path):
        image = picture(file)
        tall, wide = image.shape[:2]
        assert 100 < wide < 8.4 * 55 and 100 < tall < 9.6 * 55, (file.name, wide, tall)
        if file.stem not in ("series", "depth", "fill"):
            sand = (np.abs(image[:, :, :3] - [0.902, 0.827, 0.639]) < 0.02).all(axis=2)
            assert sand.mean() > 0.01, file.name
    assert not caplog.records
    result = Result(tmp_path)
    answer = figures.makers(result)["salt"](result, None).texts[-1].get_text()
    assert ("not to scale" in answer) == (max(size) > 8 * min(size))
    assert "host grey, insulators sand" in answer


def test_an_island_is_red_in_the_picture_in_which_it_floats_first(tmp_path):
    """The ball of the made-up result is cut off after 1 h; nothing is red before."""
    shapes.result(tmp_path, (40.0, 60.0), (40, 60), True)
    figure = figures.growth.metal(Result(tmp_path), None)
    red = []
    for ax in figure.axes[:5]:
        faces = [tuple(c) for drawn in ax.collections for c in np.atleast_2d(drawn.get_facecolor())]
        red.append(to_rgba(DEAD) in faces)
    assert [ax.get_title() for ax in figure.axes[:5]] == ["0 h", "1 h", "2 h", "3 h", "4 h"]
    assert red == [False, False, True, True, True]


def test_an_island_is_red_up_to_its_surface(tmp_path):
    """An ellipse of 3.2 by 4.8 um less what of it is glass; by the nodes that float 0.82 of it."""
    shapes.result(tmp_path, (40.0, 60.0), (40, 60), True)
    figure = figures.growth.metal(Result(tmp_path), None)
    (red,) = (drawn for drawn in figure.axes[4].collections
              if to_rgba(DEAD) in [tuple(c) for c in drawn.get_facecolor()])
    (path,) = red.get_paths()
    x, y = path.vertices.T
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    glass = np.pi / 4 - 0.5 * (0.625 * np.sqrt(1 - 0.625**2) + np.arcsin(0.625))
    assert area == pytest.approx((np.pi - glass) * 3.2 * 4.8, rel=0.03)


def test_an_island_in_3d_has_no_skin_in_the_colour_of_what_is_connected(tmp_path):
    shapes.result(tmp_path, (20.0, 20.0, 20.0), (14, 14, 14), True)
    found = {colour: part.bounds for part, colour in render._bodies(Result(tmp_path), 4 * 3600.0)}
    assert found[METAL][5] < 6e-6 and found[DEAD][4] > 8e-6


def test_labels_are_broken_and_names_shortened():
    assert broken("salt concentration $c$ (mol/L)", 1.0) == "salt concentration $c$\n(mol/L)"
    level = "electronic potential $x$, equipotential to 2 nV (µV)"
    assert broken(level, 3.0) == level.replace(", ", ",\n")
    assert broken("salt concentration $c$ (mol/L)", 3.0) == "salt concentration $c$ (mol/L)"
    assert shortened("host_bottom", 11) == "host_bottom"
    assert shortened("a_region_with_a_long_name", 11) == "a_reg…_name"


def test_post_draws_a_time_and_lines_that_stay_lines(tmp_path, capsys):
    """The second of the stored hours 0 to 4 is drawn as svg, and its text is text."""
    from fem.cli.main import main

    shapes.result(tmp_path, (30.0, 20.0), (12, 8), False)
    assert main(["post", str(tmp_path), "--time", "64 min", "--format", "svg"]) == 0
    names = sorted(file.name for file in (tmp_path / "figures").iterdir())
    assert names == [
        f"{n}_3600s.svg" for n in ("field", "local_current", "plated", "potentials", "salt")
    ]
    assert "t = 60 min" in (tmp_path / "figures" / "salt_3600s.svg").read_text()
    with pytest.raises(SystemExit, match="1"):
        main(["post", str(tmp_path), "--time", "64"])
    assert "the unit is missing" in capsys.readouterr().err


    """The separator's side stands first, the foil last, as in the profile beside them."""
    """As the profile beside them: the separator's side first, the foil last."""
    layers = [
        {"name": "mat", "bottom": 0.0, "top": 2e-5},
        {"name": "mat_b", "bottom": 2e-5, "top": 3e-5},
    ]
    (tmp_path / "mesh.json").write_text(json.dumps({"layers": layers}))
    result: Any = SimpleNamespace(folder=tmp_path)
    names = ["host_mat", "collector", "host_mat_b", "host_mat_core"]
    assert diagrams._from_above(names, result) == [
        "host_mat_b", "host_mat", "host_mat_core", "collector",
    ]  # fmt: skip


def test_ticks_of_narrow_panels_side_by_side_keep_apart() -> None:
    """The last tick of one panel is at its edge, and the first of the next one close by."""
    with rc_context(figures.LOOK):
        made = panels(0.5, 40.0, 5, bars=1, titles=True)
        for ax in made.axes:
            ax.set_xlim(0.0, 0.5)
        made.figure.canvas.draw()
        words = sorted((label.get_window_extent() for ax in made.axes
                        for label in ax.get_xticklabels()), key=lambda box: float(box.x0))
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(words))


@pytest.mark.parametrize(("values", "low", "logarithmic"), [
    (np.append(np.full(15, 0.09), np.linspace(2e5, 2e6, 85)), 0.0, False),  # a film that conducts
    (np.append(np.full(60, 0.09), np.linspace(2e5, 2e6, 40)), 20.0, True),  # 1e-5 of the largest
    (np.geomspace(2e2, 2e6, 100), 2e2, True),  # nothing lies apart
    (np.append(np.full(15, 0.09), np.geomspace(2e2, 2e6, 85)), 2e2, True),
])  # fmt: skip
def test_colours_of_magnitudes_leave_out_traces(
    values: np.ndarray, low: float, logarithmic: bool
) -> None:
    style = with_own().fields["E"]
    scale = scaled(values, style)
    norm = figures._norm(scale(values), scale)
    assert isinstance(norm, LogNorm) == logarithmic
    assert norm.vmin / scale.factor == pytest.approx(low, rel=0.12)
    assert norm.vmax / scale.factor == pytest.approx(2e6)
