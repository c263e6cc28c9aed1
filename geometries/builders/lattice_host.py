"""Common parts of the level-set families: parameters, layers, porosity, pockets, checks.

A family says what is where (`Field`) and which region each phase becomes; `host_mesh` puts it on a
lattice with its layers, gap and separator. `porous` finds the level that delivers a porosity.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from fem.base.errors import CaseError
from fem.values.units import shown_length
from geometries.meshing import levelset
from geometries.meshing.mesh import Built, Floats, TaggedMesh, assemble, graded
from geometries.meshing.parameters import (
    Growth,
    Length,
    Name,
    Names,
    Parameters,
    above,
    cut_breadth,
    same_names,
)

#: Tolerance of a porosity or another share.
SHARE_TOLERANCE = 0.01
#: Places at which the distribution of a function over the host is taken.
SAMPLE_COUNT = 50_000
#: Most meshes that are made to deliver a share.
MAX_TRIES = 8
#: Longest cell of gap and separator over the lattice spacing.
MAX_STRETCH = 4.0


def _several(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


#: One length, or several from the collector to the top of the host at equal distances, linear
#: between them; m.
Lengths = Annotated[tuple[Length, ...], BeforeValidator(_several), Field(min_length=1,
                                                                         max_length=50)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
#: One share, or several from the collector to the top of the host, linear between them.
Shares = Annotated[tuple[Share, ...], BeforeValidator(_several), Field(min_length=1, max_length=50)]


Refine = Annotated[int, Field(ge=0, le=4)]


class Layer(Parameters):
    """A part of the host with its own region names.

    Attributes:
        name: pores become `electrolyte_<name>`, solids `host_<name>`.
        thickness: of the layer.
    """

    name: Name
    thickness: Length


class OnLattice(Parameters):
    """Parameters of all hosts on a lattice.

    Attributes:
        thickness: of the host; or give `layers`.
        layers: parts of the host from the collector upwards, each with regions of its own.
        width: along x.
        breadth: along y, 3D only; default `width`.
        gap: thickness of free electrolyte above the host, region `electrolyte_gap`.
        separator: thickness of the separator, region `separator`.
        dimension: 2 or 3.
        size: spacing of the lattice in the host.
        refine: how often cells at walls are halved in length, 0 to 4.
        growth: ratio of neighbouring cells in gap and separator, above 1 to 2.
        cells_max: budget of cells, 1000 to 2e7; a finer lattice is refused.
    """

    thickness: Length | None = None
    layers: tuple[Layer, ...] = Field(default=(), max_length=20)
    width: Length
    breadth: Length | None = None
    gap: Length | None = None
    separator: Length | None = None
    dimension: Literal[2, 3] = 2
    size: Length | None = None
    refine: Refine = 0
    growth: Growth = 1.5
    cells_max: Annotated[int, Field(ge=1000, le=20_000_000)] = 1_000_000

    def _faults(self) -> list[str]:
        wrong = []
        if (self.thickness is None) == (not self.layers):
            wrong.append("thickness: give either thickness or layers")
        wrong += same_names(self.layers, "gap")
        return wrong + cut_breadth(self.dimension, self.breadth)

    @property
    def top(self) -> float:
        """Height of the host in m."""
        return self.thickness or sum(layer.thickness for layer in self.layers)

    @property
    def across(self) -> list[float]:
        """Width, and in 3D breadth, in m."""
        return [self.width] + [self.breadth or self.width] * (self.dimension - 2)

    def box(self) -> tuple[float, ...]:
        """Far corner of the cell, m."""
        return (*self.across, self.top + (self.gap or 0.0) + (self.separator or 0.0))

    def host_layers(self, name: str) -> list[tuple[str, float, float]]:
        """(name, bottom, top) of the host's layers in m; one with this name without `layers`."""
        if not self.layers:
            return [(name, 0.0, self.top)]
        ends = list(itertools.accumulate([0.0, *(layer.thickness for layer in self.layers)]))
        return [(layer.name, low, high) for layer, low, high in
                zip(self.layers, ends[:-1], ends[1:], strict=True)]

    def porous_names(self, family: str, coating: object) -> Names:
        """Regions and boundaries of a host whose pores lead to the collector."""
        what = ("electrolyte", "host", *(("coating",) if coating else ()))
        layers = [name for name, _, _ in self.host_layers(family)]
        regions = tuple(f"{kind}_{name}" for name in layers for kind in what)
        return Names(regions + above(self.gap, self.separator), floor=regions[:1])

    def budget(self, size: float) -> None:
        """Refuse a lattice that is too fine for `cells_max`, before any work.

        Raises:
            ValueError: with the least size.
        """
        boxes = math.prod(length / size for length in [*self.across, self.top])
        cells = 1.3 * {2: 4, 3: 12}[self.dimension] * boxes
        if cells > self.cells_max:
            least = size * (cells / self.cells_max) ** (1 / self.dimension)
            raise ValueError(
                f"size: {shown_length(size)} makes about {cells:.2g} cells, cells_max is "
                f"{self.cells_max}; take {shown_length(1.01 * least, 3)} or more, or a smaller "
                "width"
            )


def extent_of(p: Any, extent: list[float]) -> OnLattice:
    """The room of a host whose extent (m) is found, with gap, separator and budget of `p`."""
    return OnLattice.model_construct(
        thickness=extent[-1], layers=(), width=extent[0],
        breadth=extent[1] if len(extent) == 3 else None, gap=p.gap, separator=p.separator,
        dimension=2 if len(extent) == 2 else 3, size=None, refine=p.refine,
        growth=p.growth, cells_max=p.cells_max,
    )


def check_coating(coating: tuple[float, ...] | None, size: float) -> None:
    """Refuse a coating that the lattice cannot resolve.

    Raises:
        ValueError: with the limit.
    """
    if coating and min(coating) < 1.5 * size:
        raise ValueError(
            f"coating: {shown_length(min(coating))} is thinner than 1.5 times the lattice spacing "
            f"{shown_length(size)} at walls; take a finer size, more refine, or name it in "
            "[[coatings]] of the case, which needs no cells"
        )


def at_height(profile: tuple[float, ...], share: Floats) -> Floats:
    """Values of a profile at shares of the host's height, 0 at the collector."""
    out: Floats = np.interp(share, np.linspace(0.0, 1.0, len(profile)), profile) if (
        len(profile) > 1) else np.full(len(share), profile[0])
    return out


def mean(profile: tuple[float, ...]) -> float:
    """Mean of a profile over the height."""
    if len(profile) == 1:
        return profile[0]
    return float(np.mean(0.5 * (np.array(profile[1:]) + profile[:-1])))


def axes_of(p: OnLattice, size: float, layers: list[tuple[str, float, float]]) -> list[Floats]:
    """Coordinates of the lattice: even in the host, longer upwards in gap and separator."""
    stops = [0.0, *(high for _, _, high in layers)]
    sizes = [size] * len(layers)
    for thickness in (p.gap, p.separator):
        if thickness:
            stops.append(stops[-1] + thickness)
            sizes.append(MAX_STRETCH * size)
    upright = graded(stops, sizes, fine=[(p.top, size)], growth=p.growth)
    return [np.linspace(0.0, w, max(2, round(w / size)) + 1) for w in p.across] + [upright]


def host_mesh(
    p: OnLattice,
    layers: list[tuple[str, float, float]],
    size: float,
    field: levelset.Field,
    regions: list[str],
    *,
    drop_floating: bool = False,
    collector: Callable[[Floats], NDArray[np.bool_]] | None = None,
) -> TaggedMesh:
    """The tagged mesh of a host with its gap and separator.

    Args:
        p: extent and spacing.
        layers: (name, bottom, top) in m.
        size: spacing of the lattice, m.
        field: what is where below the top of the host.
        regions: region of each phase, `{}` stands for the layer's name; "" leaves a void.
        drop_floating: solid bodies without contact to the collector become pore.
        collector: marks further collector facets, as in `assemble`.

    Raises:
        CaseError: refinement leads beyond `cells_max`.
    """
    axes = axes_of(p, size, layers)
    planes = [0.0, *(high for _, _, high in layers)]
    if p.gap and p.separator:
        planes.append(p.top + p.gap)
    points, cells, fixed = levelset.lattice(axes, planes)
    if p.refine:
        points, cells, fixed = levelset.refined(points, cells, fixed, field, p.refine, p.top)
        if len(cells) > p.cells_max:
            raise CaseError(f"refine: {p.refine} makes {len(cells)} cells, cells_max is "
                            f"{p.cells_max}; take a larger size or less refine")
    points, cells, phase = levelset.stuff(points, cells, fixed, field, p.top)
    middle = points[cells, -1].mean(axis=1)
    names = np.empty(len(cells), dtype=object)
    for name, low, high in layers:
        here = (middle > low) & (middle < high)
        table = np.array([region.format(name) for region in regions], dtype=object)
        names[here] = table[phase[here]]
    free = middle > p.top
    names[free] = "electrolyte_gap" if p.gap else "separator"
    if p.gap and p.separator:
        names[middle > p.top + p.gap] = "separator"
    kept = names != ""
    mesh = assemble(points, cells[kept], names[kept], collector=collector)
    return absorbed(mesh, drop_floating=drop_floating)


def absorbed(mesh: TaggedMesh, *, drop_floating: bool) -> TaggedMesh:
    """The mesh with closed pockets of pore given to the solid around them.

    Args:
        mesh: with regions of pores and solids.
        drop_floating: also solid bodies that do not reach the collector become pore.
    """
    from geometries.meshing.measures import touching
    from geometries.meshing.mesh import is_pore

    names = None
    for pore, boundary in ((True, "counter"), (False, "collector")):
        chosen = [n for n in mesh.regions if is_pore(n) == pore]
        if not (pore or drop_floating) or not chosen or len(chosen) == len(mesh.regions):
            continue
        body, kept = touching(mesh, mesh.region_mask(*chosen), boundary)
        lost = (body >= 0) & ~kept[body]
        if not lost.any() or not kept.any():
            continue
        facets, pairs, _ = mesh.neighbours
        wall = mesh.areas(facets)
        votes = np.zeros((len(kept), max(mesh.regions.values()) + 1))
        for mine, other in ((0, 1), (1, 0)):
            edge = lost[pairs[:, mine]] & (body[pairs[:, other]] < 0)
            np.add.at(votes, (body[pairs[edge, mine]], mesh.cell_tags[pairs[edge, other]]),
                      wall[edge])
        label = {tag: name for name, tag in mesh.regions.items()}
        names = np.array([label[t] for t in range(1, len(label) + 1)], dtype=object)[
            np.where(lost, votes.argmax(axis=1)[body], mesh.cell_tags) - 1]
        mesh = assemble(mesh.points, mesh.cells, names)
    return mesh


def porous(
    p: OnLattice,
    family: str,
    size: float,
    grain: Callable[[Floats], Floats],
    porosity: tuple[float, ...],
    *,
    coating: tuple[float, ...] | None = None,
    regions: tuple[str, str] = ("electrolyte_{}", "host_{}"),
    drop_floating: bool = False,
) -> Built:
    """A host whose pores are where a stationary random or periodic function is largest.

    The level follows the porosity asked at each height; then it is shifted until the mesh, after
    closed pockets were filled, has the mean porosity asked.

    Args:
        p: extent and spacing.
        family: its name, also that of the layer without `layers`.
        size: spacing of the lattice, m.
        grain: (n, dimension) points in m -> (n,) numbers, the same distribution at all heights.
        porosity: profile from the collector upwards.
        coating: thickness of the coating inside the pore wall, profile, m.
        regions: of pore and solid.
        drop_floating: solid bodies without contact to the collector become pore.

    Raises:
        CaseError: the porosity cannot be delivered, or the pores do not lead through.
    """
    layers = p.host_layers(family)
    # Random places: the nodes of the lattice would share the symmetry of a periodic function.
    table = np.sort(grain(np.random.default_rng(0).random((SAMPLE_COUNT, p.dimension))
                          * np.array([*p.across, p.top])))
    ranks = (np.arange(len(table)) + 0.5) / len(table)

    def made(shift: float) -> TaggedMesh:
        def over(points: Floats) -> Floats:
            asked = at_height(porosity, points[:, -1] / p.top) + shift
            out: Floats = grain(points) - np.interp(1.0 - asked, ranks, table)
            return out

        if coating:
            field, names = _coated(p, over, coating, 0.01 * size), [*regions, "coating_{}"]
        else:
            field, names = two_phases(over), list(regions)
        return host_mesh(p, layers, size, field, names, drop_floating=drop_floating)

    mesh = tuned(made, mean(porosity), lambda mesh: porosity_of(mesh, 0.0, p.top),
                 f"{family}: porosity")
    return finished(mesh, layers, family, asked=mean(porosity))


def tuned(
    made: Callable[[float], TaggedMesh],
    target: float,
    measure: Callable[[TaggedMesh], float],
    what: str,
    close: float = 0.4 * SHARE_TOLERANCE,
) -> TaggedMesh:
    """The mesh that delivers a porosity or another share, found by shifting what `made` aims at.

    Args:
        made: the mesh for a shift of the share aimed at.
        target: the share asked.
        measure: the share delivered.
        what: for messages.
        close: error that is small enough to stop at.

    Raises:
        CaseError: no shift delivers it +- 0.01.
    """
    shift, best = 0.0, (np.inf, 0.0)
    below: tuple[float, float] | None = None  # shift and error, too little and too much delivered
    above: tuple[float, float] | None = None
    for tries in range(MAX_TRIES):
        mesh = made(shift)
        error = target - measure(mesh)
        if abs(error) < abs(best[0]):
            best, nearest = (error, shift), mesh
        if abs(error) < close:
            break
        if error > 0:
            below = shift, error
        else:
            above = shift, error
        if below and above:
            # Pockets that open or close make steps: keep away from the ends.
            share = np.clip(below[1] / (below[1] - above[1]), 0.15, 0.85)
            shift = below[0] + share * (above[0] - below[0])
        else:
            shift += float(np.clip(2**tries * error, -0.05, 0.05))
    if abs(best[0]) > SHARE_TOLERANCE:
        raise CaseError(
            f"{what} {target:.4g} cannot be delivered, {target - best[0]:.3f} is the nearest; take "
            "a finer size, a larger width or another value"
        )
    return nearest


def porosity_of(mesh: TaggedMesh, low: float, high: float) -> float:
    """Pore share of the volume between two heights (m)."""
    from geometries.meshing.measures import slab_fractions

    return slab_fractions(mesh, [low, high])[0]


def two_phases(over: Callable[[Floats], Floats]) -> levelset.Field:
    """Pore (phase 0) where a function is positive, else solid (phase 1)."""

    def field(points: Floats) -> Floats:
        value = over(points)
        return np.column_stack([-value, value])

    return field


def _coated(
    p: OnLattice, over: Callable[[Floats], Floats], coating: tuple[float, ...], step: float
) -> levelset.Field:
    """Pore, solid and between them a coating; distances to first order."""

    def field(points: Floats) -> Floats:
        distance = over(points) / steepness(over, points, step)
        thickness = at_height(coating, points[:, -1] / p.top)
        skin = np.abs(distance + thickness / 2) - thickness / 2
        return np.column_stack([-distance, distance + thickness, skin])

    return field


def steepness(over: Callable[[Floats], Floats], points: Floats, step: float) -> Floats:
    """Norm of a function's gradient by central differences of +-step, bounded from below."""
    squares = np.zeros(len(points))
    for axis in range(points.shape[1]):
        shift = np.zeros(points.shape[1])
        shift[axis] = step
        squares += ((over(points + shift) - over(points - shift)) / (2 * step)) ** 2
    norms = np.sqrt(squares)
    return np.maximum(norms, 0.05 * norms.max(initial=1e-300))


def finished(
    mesh: TaggedMesh,
    layers: list[tuple[str, float, float]],
    family: str,
    *,
    asked: float | None = None,
    connected: bool = True,
    extra: dict[str, Any] | None = None,
) -> Built:
    """The host with what its sidecar says: porosities, floating conductors, the way through.

    Args:
        mesh: of the whole cell.
        layers: (name, bottom, top) in m.
        family: for messages.
        asked: porosity asked, if any.
        connected: the pores must lead from the counter electrode to the collector.
        extra: further entries.

    Raises:
        CaseError: the pores do not lead through.
    """
    from geometries.meshing.measures import floating_conductors, pore_connectivity

    through, reached = pore_connectivity(mesh)
    if connected and not through:
        raise CaseError(
            f"{family}: the pores do not lead from the separator to the collector (porosity "
            f"{porosity_of(mesh, layers[0][1], layers[-1][2]):.3f}); take a higher porosity, a "
            "larger width, a finer size or another seed"
        )
    floating = floating_conductors(mesh)
    content: dict[str, Any] = {
        "porosity": {name: round(porosity_of(mesh, low, high), 6) for name, low, high in layers},
        "floating_solids": floating["count"],
        "floating_conductors": floating["bodies"],
        "pore_connected": through,
        "pore_reached": round(reached, 6),
    }
    if asked is not None:
        content["porosity_asked"] = asked
    return Built(mesh, (layers[0][1], layers[-1][2]), layers, content | (extra or {}))
