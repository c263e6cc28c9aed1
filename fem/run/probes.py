"""Probes: what a case's `[[probe]]` entries record.

| place     | what                                             | where it is kept                |
|-----------|--------------------------------------------------|---------------------------------|
| `point`   | value at a point                                 | column `probe.<name>`, each step|
| `surface` | mean over a boundary, or over walls              | column `probe.<name>`, each step|
| `volume`  | mean over regions                                | column `probe.<name>`, each step|
| `line`    | profile; empty where the field is not defined    | `probes/<name>.csv`, with fields|

A probe reads one field or an expression of fields, x, y, z, depth and T. Fields whose medium is
`wall` (eta, i_n, coverage, film_thickness) live there only. Everything here is collective.
"""

from __future__ import annotations

import csv
import functools
import operator
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import CaseError, nearest
from fem.base.folder import write_text
from fem.base.parallel import on_root
from fem.case.tables import Probe
from fem.mesh.domain import Subdomain
from fem.mesh.points import Places
from fem.study.build import Model
from fem.system.surface import Surface
from fem.values.expressions import Expression, is_ufl
from fem.values.units import shown_point

__all__ = ["Probes"]

PROBE_VARIABLES = ("x", "y", "z", "depth", "T")


class Probes:
    """All probes of a model, found on its mesh.

    Args:
        model: a `fem.study.build.Model`, or an `Alone` of a study without a cell.

    Raises:
        CaseError: a place that does not exist, or where the field is not defined.
    """

    def __init__(self, model: Any):
        self.model: Model = model
        case = model.case
        here = {*case.guests.fields(vars(case))}
        self.fields = {
            name: f for name, f in case.guests.registry.fields_of(vars(case)).items()
            if name in here and not f.gradient_of
        }
        self.on_walls = {name for name, f in self.fields.items() if f.medium == "wall"}
        self.units: dict[str, str] = {}
        self.shown = False  # a probe reads what observers show, which is older than the state
        self._scalars: dict[str, Callable[[], float]] = {}
        self._lines: dict[str, tuple[Probe, Callable[[], npt.NDArray], npt.NDArray]] = {}
        for number, probe in enumerate(model.case.probe):
            where = f"probe.{number} ({probe.name})"
            expression = Expression.parse(probe.field, [*self.fields, *PROBE_VARIABLES])
            read = {self._file_name(name) for name in expression.names}
            self.shown |= not read.isdisjoint(self.model.system.memories)
            if probe.line is not None:
                a, b = (self._padded(p, where) for p in probe.line)
                points = a + np.linspace(0.0, 1.0, probe.samples)[:, None] * (b - a)
                self._lines[probe.name] = probe, self._sampler(expression, points, where), points
                continue
            if probe.point is not None:
                points = self._padded(probe.point, where)[None]
                self._scalars[probe.name] = _first_of(self._sampler(expression, points, where))
            elif probe.surface is not None:
                self._scalars[probe.name] = self._surface(expression, probe.surface, where)
            else:
                assert probe.volume is not None
                self._scalars[probe.name] = self._volume(expression, probe.volume, where)
            self.units[f"probe.{probe.name}"] = self._unit(probe)

    def values(self) -> dict[str, float]:
        """Points and means of the present state, by column."""
        for observer in self.model.observers if self.shown else ():
            observer.show()
        return {f"probe.{name}": get() for name, get in self._scalars.items()}

    def _unit(self, probe: Probe) -> str:
        """SI unit of what a probe reads; none of an expression."""
        known = self.fields.get(probe.field.strip())
        return known.unit if known else ""

    def _file_name(self, name: str) -> str:
        """The field that files have of a name, as c_Li of c where ions move each by itself."""
        return self.model.system.stored.get(name, name)

    def _function(self, name: str) -> tuple[Any, Subdomain] | None:
        """The unknown or memory of a name, and the part it lives on; None if there is none."""
        s, name = self.model.system, self._file_name(name)
        if name in s.unknowns:
            return s.unknowns[name].value, s.unknowns[name].part
        if name not in s.memories:
            return None
        mesh = s.memories[name].function_space.mesh
        return s.memories[name], next(part for part in s.parts if part.mesh is mesh)

    def _number(self, name: str) -> float | None:
        """The value of an electrolyte's field that is one number everywhere; else None."""
        known = self.fields.get(name)
        if known is None or known.medium != "electrolyte":
            return None
        value = self.model.system.values.get(name)
        return float(value) if isinstance(value, ufl.constantvalue.ScalarValue) else None

    # -- points and lines ----------------------------------------------------------------------

    def _padded(self, point: tuple[float, ...], where: str) -> npt.NDArray[np.float64]:
        dim = self.model.domain.dim
        if len(point) != dim:
            raise CaseError(f"{where}: {shown_point(point)} has {len(point)} coordinates in {dim}D")
        return np.array([*point, *[0.0] * (3 - dim)])

    def _sampler(
        self, expression: Expression, points: npt.NDArray[np.float64], where: str
    ) -> Callable[[], npt.NDArray[np.float64]]:
        """A function that gives the expression at the points, NaN where a field is not defined."""
        s, domain = self.model.system, self.model.domain
        on_walls = sorted(expression.names & self.on_walls)
        if on_walls:
            raise CaseError(f"{where}: {', '.join(on_walls)} live on walls; give a surface")
        fixed: dict[str, Any] = dict(zip("xyz"[: domain.dim], points.T, strict=False))
        fixed |= {"depth": domain.depth_of(points), "T": self.model.case.temperature}
        places: dict[str, tuple[Any, Places]] = {}
        inside = Places(domain.mesh, points, domain.slack).found
        for name in sorted(expression.names & {*self.fields}):
            if (known := self._function(name)) is None:
                if name in fixed:
                    continue
                if (number := self._number(name)) is not None:
                    fixed[name] = number
                    continue
                raise CaseError(f"{where}: {name!r} is not solved for in this case")
            field, part = known
            places[name] = field, Places(part.mesh, points, domain.slack)
            inside = inside & places[name][1].found
        if not inside.any():
            self._refuse(expression, points, places, where)

        shifted = {name: u.offset for name, u in s.unknowns.items() if u.offset and name in places}

        def sample() -> npt.NDArray[np.float64]:
            found = {name: place.values(field) for name, (field, place) in places.items()}
            for name, offset in shifted.items():
                found[name] = found[name] + offset()
            here = {
                name: np.broadcast_to(value, len(points))[inside]
                for name, value in {**fixed, **found}.items()
            }
            out = np.full(len(points), np.nan)
            out[inside] = expression.evaluate(here)
            return out

        return sample

    def _refuse(self, expression: Expression, points: Any, places: Any, where: str) -> None:
        domain = self.model.domain
        low, high = (shown_point(end[: domain.dim], 6) for end in domain.extent)
        shown = shown_point(points[0][: domain.dim], 6)
        if len(points) > 1:
            shown = f"the line {shown} to {shown_point(points[-1][: domain.dim], 6)}"
        missing = sorted(name for name, (_, place) in places.items() if not place.found.any())
        if Places(domain.mesh, points, domain.slack).found.any() and missing:
            raise CaseError(f"{where}: {shown}: no {', '.join(missing)} in the region there")
        raise CaseError(f"{where}: {shown} lies in no cell; the mesh spans {low} to {high}")

    def write_lines(self, folder: Path, t: float) -> None:
        """Append the profiles of time t to `probes/<name>.csv`."""
        for name, (probe, sample, points) in self._lines.items():
            on_root(
                self.model.domain.comm, self._append, folder / "probes" / f"{name}.csv", probe, t,
                points, sample(),
            )

    def _append(self, path: Path, probe: Probe, t: float, points: Any, values: Any) -> None:
        dim = self.model.domain.dim
        unit = self._unit(probe)
        title = f"{probe.name} [{unit}]" if unit else probe.name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not path.exists()
        distance = np.linalg.norm(points - points[0], axis=1)
        with path.open("a", newline="") as file:
            if fresh:
                axes = [f"{axis} [m]" for axis in "xyz"[:dim]]
                file.write(",".join(["t [s]", "distance [m]", *axes, title]) + "\n")
            for d, point, value in zip(distance, points[:, :dim], values, strict=True):
                file.write(",".join(repr(float(v)) for v in (t, d, *point, value)) + "\n")

    def truncate(self, folder: Path, after_t: float) -> None:
        """Drop profiles at or later than a time: a resumed run writes them again."""
        on_root(self.model.domain.comm, _truncate, [folder / "probes" / f"{n}.csv"
                                                    for n in self._lines], after_t)

    # -- means ---------------------------------------------------------------------------------

    def _mean(self, terms: list[tuple[Any, Any, Any]]) -> Callable[[], float]:
        """Mean of (expression, weight, measure) terms."""
        s, one = self.model.system, self.model.domain._one
        above = s.form(_total(value * weight * measure for value, weight, measure in terms))
        below = s.integral(s.form(_total(one * weight * measure for _, weight, measure in terms)))
        return lambda: s.integral(above) / below

    def _in_space(self, side: str = "") -> dict[str, Any]:
        domain = self.model.domain
        places = domain.coordinates() | {"depth": domain.span[0] - domain.rise}
        places["T"] = self._read("T")
        return {name: value(side) if side else value for name, value in places.items()}

    def _read(self, name: str) -> Any:
        """A field as it is written, of vectors the magnitude.

        Rows may read another one by its name, as the T foreseen.
        """
        s, name = self.model.system, self._file_name(name)
        value = s.memories[name] if name in s.memories else s[name]
        vector = is_ufl(value) and value.ufl_shape
        return ufl.sqrt(ufl.inner(value, value)) if vector else value

    def _volume(self, expression: Expression, pattern: str, where: str) -> Callable[[], float]:
        model, s = self.model, self.model.system
        on_walls = sorted(expression.names & self.on_walls)
        if on_walls:
            raise CaseError(f"{where}: {', '.join(on_walls)} live on walls; give a surface")
        fields: dict[str, Any] = {
            name: self._read(name) for name in self.fields
            if name in s.values and name not in self.on_walls
        }
        regions = [
            name for name in model.domain.match(pattern, f"{where}.volume")
            if all(name in self._home(field) for field in expression.names & {*self.fields})
        ]
        if not regions:
            raise CaseError(f"{where}: {expression.text!r} is not defined in {pattern!r}")
        value = _evaluated(expression, fields | self._in_space())
        return self._mean([(value, model.domain.weight, model.domain.dx(regions, degree=3))])

    def _home(self, field: str) -> tuple[str, ...]:
        """Regions in which a field is defined."""
        if (known := self._function(field)) is not None:
            return known[1].regions
        if field in PROBE_VARIABLES:
            return tuple(self.model.domain.regions)
        return () if self._number(field) is None else tuple(self.model.setup.salty)

    def _surface(self, expression: Expression, pattern: str, where: str) -> Callable[[], float]:
        domain = self.model.domain
        walls, faces = self._facets(pattern, where)
        surface_of = {place: f for f in self.model.system.surfaces for place in f.places}
        groups: dict[Any, tuple[Surface | None, bool, list[Any]]] = {}
        for place, on_wall in [*((w, True) for w in walls), *((f, False) for f in faces)]:
            surface = surface_of.get(place)
            kind = (surface.name if surface else "", on_wall, self._sides(place, on_wall))
            groups.setdefault(kind, (surface, on_wall, []))[2].append(place)
        terms = []
        for (_, _, sides), (surface, on_wall, places) in groups.items():
            values = self._on_surface(surface, on_wall, sides)
            if expression.names <= values.keys():
                if on_wall:
                    weight, measure = domain.wall_weight(walls=places), domain.dS(places)
                else:
                    weight, measure = domain.wall_weight(faces=places), domain.ds(places)
                terms.append((_evaluated(expression, values), weight, measure))
        if not terms:
            raise CaseError(f"{where}: {expression.text!r} is not defined on {pattern!r}")
        return self._mean(terms)

    def _facets(self, pattern: str, where: str) -> tuple[list[Any], list[Any]]:
        """Walls and boundary faces that a surface names."""
        domain = self.model.domain
        if pattern in domain.boundaries:
            return [], [face for face in domain.faces if face[0] == pattern]
        if "/" in pattern:
            pair = tuple(pattern.split("/"))
            for wall in (pair, pair[::-1]):
                if wall in domain.walls:
                    return [wall], []
            touching = [f"{a}/{b}" for a, b in domain.walls]
            hint = nearest(pattern, touching)
            raise CaseError(f"{where}.surface: {pattern!r} do not touch; {hint}")
        try:
            names = domain.match(pattern)
        except CaseError:
            known = [*domain.boundaries, *domain.regions]
            raise CaseError(
                f"{where}.surface: no boundary or region is called {pattern!r}; "
                f"{nearest(pattern, known)}"
            ) from None
        others = [n for n in domain.regions if n not in names]
        beside = getattr(self.model.setup, "ionic", others)
        walls = [w for w in domain.walls if w[0] in names and w[1] in beside]
        if not walls:
            raise CaseError(f"{where}.surface: {pattern!r} has no wall to an electrolyte")
        return walls, []

    def _sides(self, place: tuple[str, str], on_wall: bool) -> tuple[tuple[str, str], ...]:
        """The fields that are defined beside a wall or face, each with the side where it is read.

        Beside a wall that is the electrolyte's side or, of what conductors have, the solid's.
        """
        plus, minus = place if on_wall else (place[1], place[1])
        found = []
        for name, field in self.fields.items():
            both = [("-", minus), ("+", plus)]
            if field.medium == "conductor":
                both.reverse()
            there = [side for side, region in both if region in self._home(name)]
            if there and name not in self.on_walls:
                found.append((name, there[0] if on_wall else ""))
        return tuple(found)

    def _on_surface(
        self, surface: Surface | None, on_wall: bool, sides: tuple[tuple[str, str], ...]
    ) -> dict[str, Any]:
        """All names that an expression may use there."""
        s = self.model.system
        plus = "+" if on_wall else ""

        def at(value: Any, side: str) -> Any:
            return value(side) if side and is_ufl(value) else value

        out = self._in_space(plus)
        for name, side in sides:
            if name in s.values:
                out[name] = at(self._read(name), side)
        return out if surface is None else out | surface.fields(on_wall)


def _first_of(sample: Callable[[], npt.NDArray]) -> Callable[[], float]:
    return lambda: float(sample()[0])


def _total(forms: Iterable[Any]) -> Any:
    return functools.reduce(operator.add, forms)


def _evaluated(expression: Expression, values: Mapping[str, Any]) -> Any:
    return ufl.as_ufl(expression.evaluate(values))


def _truncate(paths: list[Path], last: float) -> None:
    for path in paths:
        if path.is_file():
            head, *rows = list(csv.reader(path.read_text().splitlines()))
            kept = [r for r in rows if len(r) == len(head) and float(r[0]) <= last * (1 + 1e-12)]
            write_text(path, "".join(",".join(row) + "\n" for row in [head, *kept]))
