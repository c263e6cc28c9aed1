"""Finished (or running) results as numpy arrays, without a solver.

    from fem.results.result import Result

    result = Result("results/trilayer_cg")
    result.series["voltage"]                       # one value per accepted step
    result.array("c")                              # nodal values at the last time
    result.line((0, 0), (0, 60e-6), "c", t=3600)   # profile between two points

Reads `series.csv`, `summary.json` and the XDMF + HDF5 files that `fem.files.fields` writes, also
while the run still writes them.
"""

from __future__ import annotations

import csv
import html
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError, nearest
from fem.values.units import parse_quantity, shown_point

__all__ = ["Result", "read_series", "series_units", "titled"]

Array = npt.NDArray[np.float64]
#: A time: seconds, text with its unit (``"20 min"``), or a quantity of pint.
Time = float | str | Any

#: Share by which a time may be after the end of a result, as one that was printed.
AT_END = 1e-5
#: Distance from a cell, in sizes of it, beyond which points are taken for such in another unit.
MAX_DISTANCE = 10.0
#: VTK's cell type by number of corners.
_VTK_SIMPLEX = {2: 3, 3: 5, 4: 10}


def titled(title: str) -> tuple[str, str]:
    """Name and unit of a column, from its title `c_min [mol/m^3]`."""
    match = re.fullmatch(r"(.*?) \[(.*)\]", title)
    return (match[1], match[2]) if match else (title, "")


def read_series(path: Path | str) -> dict[str, Array]:
    """Columns of a `series.csv` by name (without unit); a last row cut short by a kill is left out.

    Raises:
        CaseError: there is no such file, or it is not a table of numbers.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CaseError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CaseError(f"{path}: not a table of numbers; is this a series.csv?") from None
    lines = text.split("\n")[:-1]  # what follows the last line end is incomplete
    rows = list(csv.reader(lines))
    if not rows:
        raise CaseError(f"{path}: no header line; is this a series.csv?")
    names = [titled(title)[0] for title in rows[0]]
    try:
        data = np.array([[float(x) for x in row] for row in rows[1:]], dtype=float)
        data = data.reshape(-1, len(names))
    except ValueError as error:
        raise CaseError(f"{path}: not a table of numbers: {error}") from None
    return {name: data[:, i] for i, name in enumerate(names)}


def series_units(path: Path | str) -> dict[str, str]:
    """Unit of each column of a `series.csv`, empty for plain numbers."""
    with open(path, newline="", encoding="utf-8") as file:
        return dict(titled(title) for title in next(csv.reader(file), []))


class UnknownNameError(CaseError, KeyError):
    """A name that a table of a result does not have; says which are near."""

    __str__ = Exception.__str__  # a KeyError shows the repr of its message


class Named(dict[str, Any]):
    """A table by name that answers an unknown one with the nearest.

    Args:
        content: of the table.
        where: the words before the name in a message.
    """

    def __init__(self, content: Mapping[str, Any], where: str):
        super().__init__(content)
        self.where = where

    def __missing__(self, name: str) -> Any:
        raise UnknownNameError(f"{self.where} {name!r}; {nearest(str(name), self)}")


@dataclass
class _Step:
    """One time of one block: where each array is, as (HDF5 file, path in it)."""

    t: float
    cells: tuple[Path, str]
    points: tuple[Path, str]
    fields: dict[str, tuple[str, Path, str]] = field(default_factory=dict)


class Result:
    """A result folder.

    Attributes:
        folder: the folder.

    Raises:
        CaseError: the folder is not there or holds no results.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise CaseError(f"{self.folder}: is a file; name the folder that a run has written")
        if not self.folder.is_dir():
            raise CaseError(f"{self.folder}: there is no such folder; start with `hostplate run`")
        known = ("series.csv", "summary.json", "fields")
        if not any((self.folder / name).exists() for name in known):
            raise CaseError(f"{self.folder}: holds no results (none of {', '.join(known)})")
        self._steps: dict[str, list[_Step]] = {}
        self._grids: dict[tuple[str, str], Any] = {}

    def __repr__(self) -> str:
        return f"Result({str(self.folder)!r})"

    def __str__(self) -> str:
        """Folder, title and how far the run is."""
        said = [str(self.folder), *(text for _, text in self._facts())]
        return "; ".join(said)

    def _facts(self) -> list[tuple[str, str]]:
        """Names and words for people."""
        s = self.summary
        found: list[tuple[str, str]] = []
        for name in ("title", "study"):
            if name in s:
                found.append((name, str(s[name])))
        if len(self.series.get("t", ())):
            t = self.series["t"]
            end = f" to t = {t[-1]:.6g} s" if not s or "t" in s else ""  # a state may have none
            found.append(("steps", f"{len(t)} steps{end}"))
        if "voltage" in s:
            found.append(("voltage", f"{1e3 * s['voltage']:.4g} mV"))
        events = [e["event"] for e in s.get("events", ())]
        return found + ([("events", ", ".join(dict.fromkeys(events)))] if events else []) + (
            [] if s else [("state", "not finished")])

    def _repr_html_(self) -> str:
        """Table for notebooks."""
        rows = [("folder", str(self.folder)), *self._facts(),
                ("fields", ", ".join(f"{b}: {' '.join(self.fields(b))}" for b in self.blocks))]
        cells = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>"
                        for a, b in rows)
        return f"<table>{cells}</table>"

    def plot(self, name: str = "voltage", t: Time | None = None, **options: Any) -> Any:
        """Figure of matplotlib of a column or of a field (2D); see `fem.post.plot.plot`."""
        t = None if t is None else _seconds(t)
        return importlib.import_module("fem.post.plot").plot(self, name, t, **options)

    def to_xarray(self) -> Any:
        """The series as `xarray.Dataset` over t, with units; needs the extra `xarray`.

        Raises:
            CaseError: xarray is not installed.
        """
        try:
            import xarray
        except ImportError:
            raise CaseError("to_xarray: needs xarray; install it, or hostplate with the extra "
                            "`xarray`") from None
        columns = {n: ("t", v, {"units": self.units.get(n, "")}) for n, v in self.series.items()
                   if n != "t"}
        attrs = {k: v for k, v in self.summary.items() if isinstance(v, str | int | float)}
        return xarray.Dataset(columns, {"t": ("t", self.series["t"], {"units": "s"})}, attrs)

    # -- numbers -------------------------------------------------------------------------------

    @cached_property
    def series(self) -> dict[str, Array]:
        """Columns of `series.csv` by name, one value per accepted step, SI; empty without file."""
        return self._columns("series.csv")

    @cached_property
    def _slack(self) -> float:
        """Largest distance of the nodes of a plane of the mesh from that plane, m."""
        path = self.folder / "mesh.json"
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return float(content.get("slack", 0.0))

    @cached_property
    def units(self) -> dict[str, str]:
        """Unit of each column of the series."""
        path = self.folder / "series.csv"
        return series_units(path) if path.is_file() else {}

    @cached_property
    def cycles(self) -> dict[str, Array]:
        """Columns of `cycles.csv` by name, one value per cycle, SI; empty without cycles."""
        return self._columns("cycles.csv")

    def _columns(self, file: str) -> dict[str, Array]:
        path = self.folder / file
        return Named(read_series(path) if path.is_file() else {}, f"{path}: no column")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of `summary.json`; empty while the run has not written it."""
        path = self.folder / "summary.json"
        if not path.is_file():
            return {}
        try:
            return Named(json.loads(path.read_text(encoding="utf-8")), f"{path}: no entry")
        except ValueError as error:
            line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
            raise CaseError(f"{path}: is damaged: no JSON{line}; `hostplate resume` writes it "
                            "again, and without it the rest can be read") from None

    def metrics(self, t: Time | None = None) -> dict[str, Any]:
        """Numbers by which results are judged, by name, SI (`docs/metrics.md`).

        Args:
            t: at the stored time nearest to t, s; default the last one.

        Raises:
            CaseError: t is before the beginning, after the end, or no number.
        """
        where = f"{self.folder}: no metric"
        if t is None and "metrics" in self.summary:
            return Named(self.summary["metrics"], where)
        if t is not None:
            t = _seconds(t)
            self.time(t)
        post = importlib.import_module("fem.post.metrics")  # stands above: found by name
        return Named(post.metrics(self, t), where)

    # -- fields --------------------------------------------------------------------------------

    @cached_property
    def declared(self) -> dict[str, Any]:
        """Declarations of the `fields` of the run (unit, label, colours) and of their `figures`.

        Empty where it wrote nothing.
        """
        path = self.folder / "fields" / "fields.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    @property
    def blocks(self) -> list[str]:
        """Names of the blocks with fields: `pore`, `solid`, `walls`."""
        return sorted(file.stem for file in (self.folder / "fields").glob("*.xdmf"))

    @property
    def times(self) -> Array:
        """Times at which fields are there, s."""
        every = [step.t for block in self.blocks for step in self._read(block)]
        return np.unique(np.array(every, dtype=float))

    @property
    def end(self) -> float:
        """The last time that is known, of fields or of the series, s."""
        steps = self.series.get("t", np.zeros(0))
        return float(max([*self.times[-1:], *steps[-1:]], default=0.0))

    def fields(self, block: str = "pore") -> list[str]:
        """Names of the fields of a block."""
        return sorted({name for step in self._read(block) for name in step.fields})

    def fields_at(self, block: str, t: Time | None = None) -> list[str]:
        """Names of the fields that a block has at the stored time nearest to t, s."""
        return sorted(self._step(block, t).fields)

    @cached_property
    def regions(self) -> dict[str, int]:
        """Numbers of the regions by name, as the field `region` has them; empty if not written."""
        known = self.declared.get("regions")
        if known is None:  # results of earlier versions say so beside the mesh only
            path = self.folder / "mesh.json"
            content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            known = content.get("regions", {})
        return {str(name): int(number) for name, number in known.items()}

    def array(self, field: str, t: Time | None = None, block: str | None = None) -> Array:
        """Values of a field: (nodes,) or (nodes, 3); of a cell field (cells,) or (cells, 3).

        Args:
            field: name.
            t: the stored time nearest to t, s or with its unit; default the last one.
            block: default the only (or first) block that has the field.

        Raises:
            CaseError: no such field or block, t after the end, or a file is damaged.
        """
        step = self._step(self._block_of(field, block), t)
        if field not in step.fields:
            raise CaseError(
                f"{self.folder}: no field {field!r} at t = {step.t:g} s; "
                f"{nearest(field, step.fields)}"
            )
        _, path, where = step.fields[field]
        return _load(path, where)

    def points(self, block: str = "pore", t: Time | None = None) -> Array:
        """Coordinates of the nodes, m, shape (n, 3)."""
        return _load(*self._step(block, t).points)

    def cells(self, block: str = "pore", t: Time | None = None) -> npt.NDArray[np.int64]:
        """Corners of each cell, shape (n, 2), (n, 3) or (n, 4)."""
        return _load(*self._step(block, t).cells).astype(np.int64)

    def extent(self, t: Time | None = None, axes: Array | None = None) -> Array:
        """Lowest and highest coordinates, m, shape (2, 3); walls lie within the other blocks.

        Args:
            t: time, s, or with its unit.
            axes: rows of directions (n, 2 or 3) along which to measure, shape (2, n) then.
        """
        blocks = [name for name in self.blocks if name != "walls"] or [self._any_block()]
        points = np.vstack([self.points(name, t) for name in blocks])
        if axes is not None:
            points = points[:, : axes.shape[1]] @ axes.T
        return np.array([points.min(axis=0), points.max(axis=0)])

    def center(self, field: str, block: str | None = None) -> str:
        """`Node` or `Cell`: where the values of a field belong."""
        step = self._step(self._block_of(field, block), None)
        return step.fields[field][0]

    def time(self, t: Time | None = None, block: str | None = None) -> float:
        """The stored time nearest to t (s, or with its unit), s; the last one by default.

        Raises:
            CaseError: t is before the beginning, after the end, or no number.
        """
        return self._step(block or self._any_block(), t).t

    # -- sampling ------------------------------------------------------------------------------

    def grid(self, block: str = "pore", t: Time | None = None) -> Any:
        """A block with all its fields as `pyvista.UnstructuredGrid`."""
        pv = _pyvista()
        step = self._step(block, t)
        key = (block, str(step.points))
        if key not in self._grids:
            cells, points = self.cells(block, t), self.points(block, t)
            kind = np.full(len(cells), _VTK_SIMPLEX[cells.shape[1]], dtype=np.uint8)
            sizes = np.full((len(cells), 1), cells.shape[1])
            self._grids[key] = pv.UnstructuredGrid(np.hstack([sizes, cells]).ravel(), kind, points)
        grid = self._grids[key].copy(deep=False)
        for name, (center, path, where) in step.fields.items():
            (grid.point_data if center == "Node" else grid.cell_data)[name] = _load(path, where)
        return grid

    def at(
        self,
        points: npt.ArrayLike,
        t: Time | None = None,
        field: str = "c",
        block: str | None = None,
    ) -> Array:
        """Field at points, interpolated on the mesh; NaN outside the block.

        Args:
            points: coordinates, m, shape (n, 2), (n, 3) or one point.
            t: the stored time nearest to t, s or with its unit; default the last one.
            field: name.
            block: default the first that has the field.

        Returns:
            Shape (n,), or (n, 3) for a vector.

        Raises:
            CaseError: no such field or time, or points far from the cell alone, as those in um are.
        """
        where = np.atleast_2d(_metres("points", points))
        if where.ndim != 2 or where.shape[1] not in (2, 3):
            raise CaseError(f"points: an array of shape {where.shape}; give (n, 2) or (n, 3), a "
                            "row per point")
        where = np.pad(where, ((0, 0), (0, 3 - where.shape[1])))
        block = self._block_of(field, block)
        values = self.array(field, t, block)
        grid = self.grid(block, t)
        size = float(np.ptp(grid.points, axis=0).max())
        # Cells that were found decide; VTK's own sampling would snap to the nearest one.
        found = np.atleast_1d(grid.find_containing_cell(where))
        lost = np.flatnonzero(found < 0)
        if len(lost):  # on the very edge, by round-off
            near, spot = grid.find_closest_cell(where[lost], return_closest_point=True)
            gap = np.linalg.norm(np.atleast_2d(spot) - where[lost], axis=1)
            near = np.where(gap <= max(1e-9 * size, self._slack), np.atleast_1d(near), -1)
            found[lost] = near
        out = np.full((len(where), *values.shape[1:]), np.nan)
        inside = np.flatnonzero(found >= 0)
        if not len(inside):
            self._require_near(where, t)
        if self.center(field, block) == "Cell":
            out[inside] = values[found[inside]]
            return out
        corners = self.cells(block, t)[found[inside]]
        weights = _barycentric(self.points(block, t)[corners], where[inside])
        out[inside] = np.einsum("nk,nk...->n...", weights, values[corners])
        return out

    def line(
        self,
        a: npt.ArrayLike,
        b: npt.ArrayLike,
        field: str = "c",
        n: int = 101,
        t: Time | None = None,
        block: str | None = None,
    ) -> tuple[Array, Array]:
        """Field along a straight line: distance from a (m) and values, n samples, NaN outside."""
        start, end = _metres("a", a), _metres("b", b)
        if start.shape != end.shape or start.shape not in ((2,), (3,)):
            raise CaseError(f"line: ends of shapes {start.shape} and {end.shape}; give two or "
                            "three coordinates of each")
        share = np.linspace(0.0, 1.0, n)
        values = self.at(start + share[:, None] * (end - start), t, field, block)
        return share * float(np.linalg.norm(end - start)), values

    # -- inside --------------------------------------------------------------------------------

    def _require_near(self, points: Array, t: Time | None) -> None:
        """Some point lies in the cell or around it, as points in another unit do not.

        Raises:
            CaseError: all lie more than `MAX_DISTANCE` sizes of the cell away.
        """
        ends = low, high = self.extent(t)
        far = MAX_DISTANCE * float(np.ptp(ends, axis=0).max())
        if not ((points >= low - far) & (points <= high + far)).all(axis=1).any():
            shown = " to ".join(shown_point(end, 6) for end in ends)
            raise CaseError(f"{self.folder}: no point lies in the cell, which extends from "
                            f"{shown}; the first is at {shown_point(points[0], 6)} (points are "
                            "given in m)")

    def _any_block(self) -> str:
        if not self.blocks:
            raise CaseError(f"{self.folder}: no fields were written")
        return "pore" if "pore" in self.blocks else self.blocks[0]

    def _block_of(self, field: str, block: str | None) -> str:
        if block is not None:
            return block
        names = self.blocks
        for name in sorted(names, key=lambda name: name != "pore"):
            if field in self.fields(name):
                return name
        known = {f for name in names for f in self.fields(name)}
        raise CaseError(f"{self.folder}: no field {field!r}; {nearest(field, known)}")

    def _step(self, block: str, t: Time | None) -> _Step:
        steps = self._read(block)
        if t is None:
            return steps[-1]
        t = _seconds(t)
        if not t <= steps[-1].t * (1.0 + AT_END) and not t <= self.end * (1.0 + AT_END):
            raise CaseError(f"{self.folder}: t = {t:g} s is after its end, {self.end:g} s")
        if t < 0.0:
            raise CaseError(f"{self.folder}: t = {t:g} s is before its beginning, 0 s")
        return min(steps, key=lambda step: abs(step.t - t))

    def _read(self, block: str) -> list[_Step]:
        """All times of a block."""
        if block not in self._steps:
            if block not in self.blocks:
                raise CaseError(
                    f"{self.folder}: no block {block!r} of fields; {nearest(block, self.blocks)}"
                )
            file = self.folder / "fields" / f"{block}.xdmf"
            steps = _read_xdmf(file)
            if not steps:
                raise CaseError(f"{file}: block {block!r} has no complete time")
            self._steps[block] = steps
        return self._steps[block]


def _seconds(t: Time) -> float:
    """A time in s.

    Raises:
        CaseError: it is text without a number and a unit of time.
    """
    if hasattr(t, "magnitude") and hasattr(t, "units"):  # pint's
        t = f"{t.magnitude} {t.units}"
    try:
        return parse_quantity(t, "s") if isinstance(t, str) else float(t)
    except ValueError as error:
        raise CaseError(f"t: {error}") from None


def _metres(name: str, given: npt.ArrayLike) -> Array:
    """Coordinates in m.

    Raises:
        CaseError: they are no numbers, or rows of different lengths.
    """
    try:
        return np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise CaseError(f"{name}: {given!r}: coordinates are numbers in m, as many for each point; "
                        "write e.g. (5e-6, 30e-6)") from None


def _read_xdmf(file: Path) -> list[_Step]:
    """The times of a block."""
    try:
        root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise CaseError(f"{file}: is damaged: no whole XML (line {error.position[0]})") from None

    def item(parent: Any) -> tuple[Path, str]:
        name, _, where = parent.find("DataItem").text.strip().partition(":")
        return file.parent / name, where

    steps = []
    for grid in root.iterfind("Domain/Grid/Grid"):
        step = _Step(
            float(grid.find("Time").get("Value")),  # type: ignore[union-attr, arg-type]
            item(grid.find("Topology")),
            item(grid.find("Geometry")),
        )
        for attribute in grid.iterfind("Attribute"):
            center = attribute.get("Center", "Node")
            step.fields[attribute.get("Name", "")] = (center, *item(attribute))
        steps.append(step)
    return steps


def _load(path: Path, where: str) -> Any:
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as h5:
            return h5[where][()]
    except FileNotFoundError:
        raise CaseError(f"{path}: is missing, although the .xdmf beside it refers to it") from None
    except (OSError, KeyError):
        raise CaseError(f"{path}: is damaged: {where} cannot be read; was it cut short?") from None


def _pyvista() -> Any:
    try:
        import pyvista
    except ImportError as error:
        raise CaseError(
            f"interpolating fields needs pyvista, which does not load here ({error}); "
            "install hostplate with its extra `wheel`"
        ) from None
    return pyvista


def _barycentric(corners: Array, points: Array) -> Array:
    """Weights of the corners, shape (n, k); least squares, so surfaces in 3D work as well."""
    edges = corners[:, 1:] - corners[:, :1]
    gram = np.einsum("nik,njk->nij", edges, edges)
    right = np.einsum("nik,nk->ni", edges, points - corners[:, 0])
    inner = np.linalg.solve(gram, right[..., None])[..., 0] if len(points) else right
    return np.hstack([1.0 - inner.sum(axis=1, keepdims=True), inner])
