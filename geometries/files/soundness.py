"""Soundness of a mesh that somebody else made: it is one body, and its outer planes are known.

A coordinate is known to the precision of the numbers in the file, and a distance far below a cell
is none: `Body.slack` is four times the first or a thousandth of a facet's width, whichever is
larger.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fem.base.errors import CaseError
from fem.values.units import shown_point
from geometries.meshing.mesh import (
    Floats,
    Ints,
    TaggedMesh,
    facet_positions,
    odd_permutations,
    simplex_measures,
)
from geometries.meshing.thickness import frame

Flags = NDArray[np.bool_]

#: Distance, as a share of a facet's width, within which it lies on a plane or another facet.
SLACK_SHARE = 1e-3
#: Least cosine between the normals of a facet and of the plane it lies on; 8 degrees.
MIN_PLANE_COSINE = 0.99
_WAY_OUT = ("join them before you mesh (gmsh: BooleanFragments or occ.fragment; Salome: "
            "Partition), so that both sides have the same nodes")
#: Weights of the corners of a facet at the places where it is examined: nowhere near its rim, and
#: not on edges of a regular mesh behind it.
_SAMPLE_WEIGHTS = {
    2: np.array([[0.487, 0.513], [0.843, 0.157], [0.163, 0.837]]),
    3: np.array([
        [0.341, 0.346, 0.313], [0.673, 0.151, 0.176], [0.159, 0.662, 0.179], [0.167, 0.154, 0.679],
        [0.437, 0.416, 0.147], [0.428, 0.143, 0.429], [0.139, 0.423, 0.438],
    ]),
}
#: Corners of the parts of an edge and a triangle whose edges are halved.
_SUBDIVISIONS = {
    2: np.array([[[2, 0], [1, 1]], [[1, 1], [0, 2]]]) / 2,
    3: np.array([[[2, 0, 0], [1, 1, 0], [1, 0, 1]], [[1, 1, 0], [0, 2, 0], [0, 1, 1]],
                 [[1, 0, 1], [0, 1, 1], [0, 0, 2]], [[1, 1, 0], [0, 1, 1], [1, 0, 1]]]) / 2,
}
#: Most places on outer facets of a large mesh that are examined; at least one on each, unless they
#: take more than `_MAX_PAIRS`.
_MAX_SAMPLES = 30_000
#: Most pairs of a place and an outer facet in the bins around it that are examined.
_MAX_PAIRS = 60_000_000
#: Number of these pairs that are handled at once.
_PAIRS_AT_ONCE = 200_000


def precision(points: Floats, cells: Ints) -> float:
    """Precision of the coordinates of a file, in their own unit.

    Single precision and short decimal fields (8 columns of NASTRAN, 6 digits of a text file) show
    in the numbers: all of them are what rounding to it gives, and most are not what rounding to a
    digit less gives. Cells are never as small as that: it is 2 % of the shortest edge at most.

    Args:
        points: of shape (n, 2 or 3).
        cells: node numbers.
    """
    largest = float(np.abs(points).max(initial=0.0))
    some = np.unique(points[:: 1 + len(points) // 5000])
    some = some[some != 0.0]
    if not len(some):
        return 0.0
    found = 2.0**-50 * largest
    if np.array_equal(some, some.astype(np.float32).astype(np.float64)):
        found = 2.0**-24 * largest
    decade = np.floor(np.log10(np.abs(some)))
    rounded = 1.0  # share of the numbers that fewer digits write
    for digits in range(3, 9):
        scaled = some * 10.0 ** (digits - 1 - decade)
        as_they_are = np.abs(scaled - np.rint(scaled)) < 1e-14 * 10.0**digits
        if as_they_are.all():
            if rounded < 0.5 and len(some) > 20:
                found = max(found, 0.5 * 10.0 ** (decade.max() + 1 - digits))
            break
        rounded = float(as_they_are.mean())
    few = cells[:: 1 + len(cells) // 100_000]
    edges = points[few[:, 1:]] - points[few[:, :1]]
    shortest = float(np.linalg.norm(edges, axis=2).min())
    return min(found, 0.02 * shortest)


@dataclass
class Body:
    """A mesh whose soundness is checked.

    Attributes:
        mesh: its facets and boundaries are not checked here.
        precision: of its coordinates, m.
        file: that it came from, for messages.
        up: direction of the thickness, from the collector into the cell.
    """

    mesh: TaggedMesh
    precision: float
    file: Path
    up: Floats = field(init=False)
    _every: int = field(default=1, init=False)  # of the outer facets one is examined

    def __post_init__(self) -> None:
        self.up = np.eye(self.mesh.dimension)[-1]

    @cached_property
    def _sides(self) -> tuple[Ints, Ints, Ints, Ints]:
        return facet_positions(self.mesh.cells)

    @cached_property
    def outer(self) -> Ints:
        """Nodes of the outer facets, (facets, dimension)."""
        return self._sides[2]

    @property
    def inner(self) -> Ints:
        """Nodes of the facets between two cells, (facets, dimension)."""
        return self._sides[0]

    @cached_property
    def owner(self) -> Ints:
        """Cell of each outer facet."""
        return self._sides[3] // (self.mesh.dimension + 1)

    @cached_property
    def _corners(self) -> Floats:
        """Places of the corners of the outer facets, (corners, facets, dimension)."""
        # Corners first: numpy is slow along short last axes.
        return self.mesh.points.take(self.outer.T, axis=0)

    @cached_property
    def _measured(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Outward normal, size, longest edge, and height of the cell of each outer facet."""
        points, d, xyz = self.mesh.points, self.mesh.dimension, self._corners
        edges = xyz[1:] - xyz[0]
        if d == 2:
            normal = np.column_stack([edges[0, :, 1], -edges[0, :, 0]])
        else:
            normal = np.cross(edges[0], edges[1])
        size = np.sqrt(np.einsum("fi,fi->f", normal, normal))
        normal /= size[:, None]
        inside = xyz[0] - points[self.mesh.cells.ravel()[self._sides[3]]]
        height = np.einsum("fi,fi->f", normal, inside)
        normal *= np.sign(height)[:, None]
        around = xyz - np.roll(xyz, 1, axis=0)
        longest = np.sqrt(np.einsum("kfi,kfi->kf", around, around).max(axis=0))
        return normal, size / (d - 1), longest, np.abs(height)

    @property
    def normals(self) -> Floats:
        """Outward unit normal of each outer facet."""
        return self._measured[0]

    @cached_property
    def areas(self) -> Floats:
        """Area of each outer facet: m in 2D, m2 in 3D and axisymmetric."""
        return self.mesh.areas(self.outer) if self.mesh.axisymmetric else self._sizes

    @cached_property
    def slack(self) -> Floats:
        """Distance at each outer facet that counts as none, m."""
        return np.maximum(4.0 * self.precision, SLACK_SHARE * self._widths)

    @cached_property
    def _widths(self) -> Floats:
        """Length of each outer facet in 2D, height over the longest edge in 3D, m."""
        longest = self._measured[2]
        if self.mesh.dimension == 2:
            return longest
        return 2.0 * self._sizes / longest

    @property
    def _sizes(self) -> Floats:
        """Length or area of each outer facet in the plane or room of the mesh, m or m2."""
        return self._measured[1]

    @cached_property
    def _beneath(self) -> Floats:
        """Volume between a node of the mesh and each outer facet, negative where it faces the node.

        What lies inside an outer surface is the integral of n.x/d over it. Area in 2D, and of an
        axisymmetric mesh in its plane.
        """
        middle = self._corners.mean(axis=0) - self._corners[0, 0]
        away = np.einsum("fi,fi->f", self.normals, middle)
        return self._sizes * away / self.mesh.dimension

    def _nodes(self, facets: Ints) -> Ints:
        """Numbers of the nodes of some of the outer facets, each once."""
        used = np.zeros(len(self.mesh.points), dtype=bool)
        used[self.outer[facets]] = True
        return np.flatnonzero(used)

    def on_plane(self, axis: int, end: int) -> Flags:
        """Outer facets on the lowest (end = -1) or highest (1) plane across an axis."""
        return self._planes[axis % self.mesh.dimension, end]

    @cached_property
    def _planes(self) -> dict[tuple[int, int], Flags]:
        found = {}
        for axis in range(self.mesh.dimension):
            place = self._corners[..., axis]
            for end, level in ((-1, place.min()), (1, place.max())):
                near = np.abs(place - level).max(axis=0) <= self.slack
                found[axis, end] = near & (end * self.normals[:, axis] > MIN_PLANE_COSINE)
        return found

    @cached_property
    def on_box(self) -> Flags:
        """Outer facets on the planes of the box around the mesh."""
        found = np.zeros(len(self.outer), dtype=bool)
        for axis in range(self.mesh.dimension):
            for end in (-1, 1):
                found |= self.on_plane(axis, end)
        return found

    @property
    def unevenness(self) -> float:
        """Largest distance from these planes of nodes that count as lying on them, m."""
        away = 4.0 * self.precision
        for axis in range(self.mesh.dimension):
            for end in (-1, 1):
                place = self.mesh.points[self.outer[self.on_plane(axis, end)], axis]
                away = max(away, float(np.ptp(place))) if place.size else away
        return away

    # -- one body ------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse what is not one body. A crack of no width stays; `remarks` tells of it.

        Raises:
            CaseError: cells there twice, folds, parts that share no facet, volumes that overlap,
                neighbours with other nodes on their common plane.
        """
        self._check_facets()
        parts = self.parts()
        count = int(parts.max()) + 1
        if count > 1:
            raise CaseError(f"mesh {self.file}: {self._apart(parts, count)}")
        small = len(self.outer) < 0.1 * _MAX_SAMPLES
        twice, across = self._met(np.arange(len(self.outer)) if small
                                  else np.flatnonzero(~self.on_box))
        self._check_volume()
        if len(twice):
            raise CaseError(f"mesh {self.file}: {self._overlap(twice)}; {_WAY_OUT}")
        cracks = across[:, 0]
        twins = self._twins(cracks)
        if not twins.all():
            raise CaseError(
                f"mesh {self.file}: {self._pairs(across[~twins])} lie on one another "
                f"{self._place(cracks[~twins], 0.5 * self._every)} without the same "
                f"nodes there (hanging nodes), so nothing passes; {_WAY_OUT}"
            )
        self.cracks = across

    def _check_facets(self) -> None:
        """Each cell there once, at most two on a facet, one on each side of it."""
        inner, sides, _, _ = self._sides
        cells, n = self.mesh.cells, self.mesh.dimension + 1
        size = "triangles" if n == 3 else "tetrahedra"
        # A positive cell sees a facet's nodes turn one way from inside, its neighbour the other.
        turns = odd_permutations(cells)
        folded = np.flatnonzero(turns[sides[:, 0]] == turns[sides[:, 1]])
        crowded = np.flatnonzero(sides[1:, 0] == sides[:-1, 1])  # pairs of one row of facets
        if len(crowded) or len(folded):
            label = {tag: name for name, tag in self.mesh.regions.items()}
            _, kind, count = np.unique(np.sort(cells, axis=1), axis=0, return_inverse=True,
                                       return_counts=True)
            twice = np.flatnonzero(count[kind.ravel()] > 1)
            if len(twice):
                alike = np.flatnonzero(kind.ravel() == kind.ravel()[twice[0]])
                names = sorted({label[int(t)] for t in self.mesh.cell_tags[alike]})
                raise CaseError(
                    f"mesh {self.file}: {len(twice) - len(np.unique(kind.ravel()[twice]))} cells "
                    f"that are there twice, the first at {self.at(cells[twice[0]])} in "
                    f"{' and in '.join(names)}; leave each in one group")
            if len(crowded):
                found, what, of = crowded, "facets with more than two cells", inner[crowded[0]]
            else:
                found, what = folded, f"facets with both their {size} on the same side"
                of = cells[sides[folded[0], 0] // n]
            names = self._named(np.unique(sides[found] // n))
            raise CaseError(
                f"mesh {self.file}: {len(found)} {what}, the first at {self.at(of)}: "
                + (f"{names[0]} is folded over itself; mend the mesh" if len(names) == 1 else
                   f"{', '.join(names)} fill the same room; {_WAY_OUT}"))

    def parts(self) -> Ints:
        """Number of the part that each cell belongs to; parts share no facet."""
        n, size = self.mesh.cells.shape
        # Between two outer facets that alone share an edge lies a fan of cells: they are of one
        # part. Its surfaces hold its volume together, so one of them at least holds some: if only
        # one does, there is one part. The others are those of voids and cracks.
        _, pairs, _, _ = facet_positions(self.outer)
        alone = np.ones(len(pairs), dtype=bool)
        crowded = pairs[1:, 0] == pairs[:-1, 1]
        alone[1:][crowded] = alone[:-1][crowded] = False
        surface = _linked(len(self.outer), pairs[alone] // (size - 1))
        volume = np.bincount(surface, self._beneath)
        least = (self._sizes * self._measured[3]).min() / (size - 1)  # of the cells behind them
        if np.count_nonzero(volume > 0.5 * least / len(volume)) == 1:
            return np.zeros(n, dtype=np.int64)
        return _linked(n, self._sides[1] // size)

    def _check_volume(self) -> None:
        """The cells fill no more than the box around them; of an axisymmetric mesh in its plane."""
        box = float(np.prod(np.ptp(self.mesh.points, axis=0)))
        total = float(self._beneath.sum())
        if total > (1 + 1e-3) * box:
            raise CaseError(f"mesh {self.file}: its cells fill {total / box:.4g} times the box "
                            f"around it: the same room is filled twice; {_WAY_OUT}")

    def _met(self, chosen: Ints, looks: int = _MAX_SAMPLES) -> tuple[Ints, Ints]:
        """Find the facets within the slack of outer facets, on either side.

        Returns:
            Facets with two cells on their own side, and facets with a cell on their outer side;
            each with the other cell, of shape (n, 2).
        """
        facet, places, each = self._suspects(chosen, looks)
        if not len(facet):
            return np.empty((0, 2), np.int64), np.empty((0, 2), np.int64)
        aside = self._step[facet, None] * self.normals[facet]
        sample, cell = holding(self.mesh, np.concatenate([places - aside, places + aside]))
        own_side = sample < len(facet)
        sample = sample % len(facet)
        # A sharp cell may be left on its own side: then its neighbour is the one that holds it.
        many = np.bincount(sample[own_side], minlength=len(facet)) > 1
        foreign = own_side & many[sample] & (cell != self.owner[facet[sample]])
        # Where a slit closes, the other side is near the rim of a facet but not all of it.
        beside = np.unique(np.column_stack([facet[sample], sample])[~own_side], axis=0)[:, 0]
        mostly = np.bincount(beside, minlength=len(self.outer)) >= 0.5 * each
        across = ~own_side & mostly[facet[sample]]
        return tuple(  # type: ignore[return-value]
            np.column_stack([facet[sample[k]], cell[k]]) for k in (foreign, across)
        )

    @cached_property
    def _step(self) -> Floats:
        """The slack, or a tenth of the cell if that is flatter than its facet is long."""
        height = self._measured[3]
        return np.minimum(self.slack, np.maximum(0.1 * height, 2.0 * self.precision))

    def _suspects(self, chosen: Ints, looks: int) -> tuple[Ints, Floats, int]:
        """Places on outer facets without one cell on their own side and none on the other.

        A line through a place on the facet, along the axis closest to its normal, enters and leaves
        the mesh through outer facets only: their signs say how often the room beside it is filled.

        Returns:
            Facet of each place, the places, and how many were examined on each facet.
        """
        d, normals = self.mesh.dimension, self.normals
        weights = _SAMPLE_WEIGHTS[d][: max(1, looks // max(1, len(chosen)))]
        while len(weights) < 100 and len(chosen) * len(weights) * len(_SUBDIVISIONS[d]) < looks:
            weights = np.concatenate([weights @ half for half in _SUBDIVISIONS[d]])
        corners = np.ascontiguousarray(self._corners.transpose(2, 0, 1))
        main = np.abs(np.ascontiguousarray(normals.T)).argmax(axis=0)
        surfaces = [np.flatnonzero(np.abs(normals[:, axis]) > 1e-6) for axis in range(d)]

        def along(axis: int, facet: Ints, weights: Floats) -> tuple[_Boxes, Floats]:
            places = np.einsum("wk,kfi->ifw", weights, self._corners[:, facet]).reshape(d, -1)
            flat = np.delete(corners, axis, axis=0).take(surfaces[axis], axis=-1)
            return _Boxes(flat, np.delete(places, axis, axis=0)), places

        once = {axis: along(axis, facet, weights[:1]) for axis in range(d)
                if len(facet := chosen[main[chosen] == axis])}
        pairs = sum(boxes.count.sum() for boxes, _ in once.values())
        if pairs * len(weights) > _MAX_PAIRS:
            once = {}
            weights = weights[:: -(-len(weights) * pairs // max(_MAX_PAIRS, pairs))]
            self._every = max(self._every, int(-(-pairs // _MAX_PAIRS)))
            chosen = chosen[:: self._every]
        found, where = [np.empty(0, dtype=np.int64)], [np.empty((0, d))]
        for axis in range(d):
            facet = chosen[main[chosen] == axis]
            if not len(facet):
                continue
            if len(weights) > 1 or axis not in once:
                once[axis] = along(axis, facet, weights)
            boxes, places = once.pop(axis)
            facet = np.repeat(facet, len(weights))
            steps = self._step[facet] / np.abs(normals[facet, axis])
            low, high, through = np.zeros((3, places.shape[1]))
            for hit, place, share in boxes.holding(0.0):
                hit = surfaces[axis][hit]
                beyond = np.einsum("kh,kh->h", share, corners[axis][:, hit]) - places[axis, place]
                enters = -np.sign(normals[hit, axis])
                for count, before in ((low, -steps[place]), (high, steps[place]),
                                      (through, np.inf)):
                    met = beyond < before
                    count += np.bincount(place[met], enters[met], minlength=len(low))
            up = normals[facet, axis] > 0.0
            odd = (np.where(up, low, high) != 1.0) | (np.where(up, high, low) != 0.0)
            clear = through == 0.0  # else the line runs through an edge
            look = (odd & clear) | ~np.isin(facet, facet[clear])
            found.append(facet[look])
            where.append(places[:, look].T)
        return np.concatenate(found), np.concatenate(where), len(weights)

    def _twins(self, facets: Ints) -> Flags:
        """Mark outer facets with another one in the same place: a crack of no width."""
        from scipy.spatial import cKDTree

        if not len(facets):
            return np.empty(0, dtype=bool)
        there = np.flatnonzero(~self.on_box)
        nodes = self._nodes(there)
        reach = float(self.slack[facets].min())
        near = cKDTree(self.mesh.points[nodes]).query_pairs(reach, output_type="ndarray")
        place = np.empty(len(self.mesh.points), dtype=np.int64)
        place[nodes] = _linked(len(nodes), near)
        place = place[self.outer[there]]
        _, kind, count = np.unique(np.sort(place, axis=1), axis=0, return_inverse=True,
                                   return_counts=True)
        found: Flags = (count[kind.ravel()] > 1)[np.searchsorted(there, facets)]
        return found

    # -- outer planes --------------------------------------------------------------------------

    def name_planes(self) -> tuple[Ints, dict[str, int]]:
        """Boundary number of each outer facet, and their names, of a mesh that has no names.

        `collector` is the lowest plane along the last axis, `counter` the highest, `axis` is r = 0
        of an axisymmetric mesh, and the rest are `sides`.

        Raises:
            CaseError: no plane there, or one that is not even.
        """
        tags = np.full(len(self.outer), 3, dtype=np.int64)
        names = {"collector": 1, "counter": 2, "sides": 3}
        height = self.mesh.points[self.outer, -1]
        letter = "xyz"[self.mesh.dimension - 1]
        if self.mesh.axisymmetric and self.mesh.points[:, 0].min() <= self.slack.max():
            axis = self.on_plane(0, -1)
            if axis.any():
                tags[axis], names["axis"] = 4, 4
        for name, end, which in (("collector", -1, "lowest"), ("counter", 1, "highest")):
            there = self.on_plane(-1, end)
            level = height.min() if end < 0 else height.max()
            away = np.abs(height - level).max(axis=1)
            beside = ~there & (end * self.normals[:, -1] > 0.8) & (away < self._measured[2])
            cure = (f"level its nodes, or name the facets of `{name}` by a group in the mesh (it "
                    "has none)")
            if not there.any():
                raise CaseError(
                    f"mesh {self.file}: no boundary {name!r}: no outer facet lies on its {which} "
                    f"plane {letter} = {1e6 * level:.6g} um; {cure}")
            if beside.any():
                raise CaseError(
                    f"mesh {self.file}: the {which} plane {letter} = {1e6 * level:.6g} um is not "
                    f"even: {self.amount(self.areas[there].sum())} lie on it, facets beside it "
                    f"leave it by up to {1e6 * away[beside].max():.3g} um, the first at "
                    f"{self.at(self.outer[beside][0])}; {cure}")
            tags[there] = names[name]
        if not np.any(tags == 3):
            del names["sides"]
        return tags, names

    def _projection(self, end: int) -> tuple[float, float]:
        """Area of the mesh seen from the collector (-1) or towards it (1), and its rounding."""
        from geometries.meshing.measures import section

        across = self._across[:, 0]
        upright = self.mesh.dimension == 2 and abs(self.up[-1]) == 1.0
        outline = section(self.mesh) if upright else self._outline_size
        # Walls of a hole count, those of a round cell (whose cells make them zigzag) do not.
        facing = np.where(self._upright, 0.0, end * (self.normals @ self.up))
        seen = float((self.areas * facing)[facing > 0.2].sum())
        exact = (1e-6 + 2.0 * self.precision / float(np.ptp(across))) * outline
        return min(seen, outline), exact

    @property
    def _outline_size(self) -> float:
        """Area that the outline of the mesh holds, seen along the thickness: m in 2D, else m2."""
        if self.mesh.dimension == 3:
            return self._outline.size
        if self.mesh.axisymmetric:  # seen along the radius: the shell at the collector
            return float(self.areas[(self.normals @ self.up) < -0.2].sum())
        return float(np.ptp(self._across[:, 0]))

    @cached_property
    def _across(self) -> Floats:
        """Coordinates of the nodes across the thickness, (nodes, dimension - 1)."""
        if self.up[-1] == 1.0:
            return self.mesh.points[:, :-1]
        return self.mesh.points @ frame(self.up)[:-1].T

    def _chords(self, chosen: Flags) -> float:
        """Area that the chords along the rim of facets may leave out of a round shape (3D), m2.

        A chord c that turns by an angle a into the next one cuts c^2 a/12 off; other nodes of a
        round wall lie above it. Corners of 80 degrees and more are corners.
        """
        if self.mesh.dimension == 2:
            return 0.0
        _, _, rim, _ = facet_positions(self.outer[chosen])
        node, other = np.concatenate([rim, rim[:, ::-1]]).T
        order = np.argsort(node, kind="stable")
        node, other = node[order], other[order]
        _, first, count = np.unique(node, return_index=True, return_counts=True)
        first = first[count == 2]
        xy = self._across
        u, v = xy[node[first]] - xy[other[first]], xy[other[first + 1]] - xy[node[first]]
        turn = np.arctan2(np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]), (u * v).sum(axis=1))
        square = 0.5 * ((u**2).sum(axis=1) + (v**2).sum(axis=1))
        return 1.2 / 12.0 * float((turn * square)[turn < np.radians(80.0)].sum())

    # -- remarks and messages ------------------------------------------------------------------

    def remarks(self, tags: Ints, names: dict[str, int], up: Floats | None) -> list[str]:
        """Remarks on what is valid but should be known.

        Args:
            tags: boundary number of each outer facet, 0 for none.
            names: boundary name -> number.
            up: direction from the collector into the cell, None if it is no plane.
        """
        notes = []
        if up is not None:
            self.up = up
        for name, end in (("collector", -1), ("counter", 1)):
            if up is None:
                break
            area, slack = self._projection(end)
            chosen = tags == names.get(name, -1)
            full = float(self.areas[chosen].sum())
            seen = float((self.areas[chosen] * np.abs(self.normals[chosen] @ up)).sum())
            if seen < area - slack - self._chords(chosen):
                notes.append(f"boundary {name!r} covers {self.amount(seen)} of the "
                            f"{self.amount(area)} that the mesh measures along its thickness")
            if full > 1.001 * seen + slack:  # four digits of each are shown
                notes.append(f"boundary {name!r} is {self.amount(full)} of surface, "
                            f"{self.amount(seen)} seen along the thickness")
            if notes and notes[-1].startswith(f"boundary {name!r}") and name == "collector":
                notes[-1] += f"; current densities refer to {self.amount(full)}"
        free = (tags == 0) | (tags == names.get("sides", -1))
        cracks = self.cracks[free[self.cracks[:, 0]]]
        if len(cracks):
            notes.append(f"a crack: facets of {self._pairs(cracks)} lie on one another without "
                        f"common nodes, {self._place(cracks[:, 0], 0.5 * self._every)}; nothing "
                        "passes there. If "
                        f"that is not meant, {_WAY_OUT}")
        free &= ~self.on_box & ~self._on_hull
        free[self.cracks[:, 0]] = False
        inside = np.flatnonzero(free)
        if self._every > 1 and len(self.cracks):
            inside = inside[~self._twins(inside)]
        if len(inside):
            ending = self._named(self.owner[inside])
            ends = "ends" if len(ending) == 1 else "end"
            notes.append(
                f"the mesh has a hole or a notch: {', '.join(ending)} {ends} at insulated walls "
                f"{self._place(inside)} inside the box around the mesh. If cells are missing "
                "there, they lie in no group: put them into one")
        return notes

    @cached_property
    def _outline(self) -> _Hull:
        """Outline of the mesh seen along the thickness (3D)."""
        return _Hull(self._across[self._nodes(np.arange(len(self.outer)))])

    def _near(self, hull: _Hull, facets: Ints, wide: Floats) -> Ints:
        """Facets with all of their nodes on a hull, within a twentieth of their width."""
        d = self.mesh.dimension
        places = self.mesh.points if hull.dimension == d else self._across
        nodes = self._nodes(facets)
        limit = self.slack[facets] + 0.05 * wide[facets]
        depth = np.empty(len(places))
        depth[nodes] = hull.depth(places[nodes], float(limit.max(initial=0.0)))
        found: Ints = facets[depth[self.outer[facets].T].max(axis=0) <= limit]
        return found

    @cached_property
    def _upright(self) -> Flags:
        """Outer facets that stand on the outline of the mesh seen along the thickness (3D).

        Walls of a round cell are among them: their nodes lie on it, and their chords may not.
        """
        found = np.zeros(len(self.outer), dtype=bool)
        if self.mesh.dimension == 3:
            xy = self._across[self.outer.T]
            around = xy - np.roll(xy, 1, axis=0)
            chord = np.sqrt(np.einsum("kfi,kfi->kf", around, around).max(axis=0))
            steep = np.flatnonzero(np.abs(self.normals @ self.up) < 0.5)
            found[self._near(self._outline, steep, chord)] = True
        return found

    @cached_property
    def _on_hull(self) -> Flags:
        """Outer facets on the outline or on the convex hull of the mesh."""
        from scipy.spatial import QhullError

        found = self.on_box | self._upright
        left, points = np.flatnonzero(~found), self.mesh.points
        wide = self._widths
        nodes = points[self._nodes(np.arange(len(self.outer)))]
        with contextlib.suppress(QhullError):  # these few may lie in a plane
            left = self._near(_Hull(_extreme(nodes)), left, wide)  # no deeper than in that of all
        if not len(left):
            return found
        hull = _Hull(nodes)
        left = self._near(hull, left, wide)
        for k in range(self.mesh.dimension):  # an edge may be a chord of a round wall
            limit = self.slack[left] + 0.3 * wide[left]
            middle = points[self.outer[left][:, [k, k - 1]]].mean(axis=1)
            left = left[hull.depth(middle, float(limit.max(initial=0.0))) <= limit]
        found[left] = True
        return found

    def _apart(self, parts: Ints, count: int) -> str:
        """Message on a mesh of several parts: the reason, and the places."""
        mesh = self.mesh
        if count > 0.5 * len(mesh.cells) > 4:
            return (f"every cell has nodes of its own ({len(mesh.cells)} cells in {count} parts "
                    "that share no facet); make nodes in one place one node (gmsh: "
                    "RemoveDuplicateNodes; PyVista: clean) and save it again")
        order = np.argsort(-np.bincount(parts, mesh.volumes()), kind="stable")
        shown = [f"{', '.join(self._named(np.flatnonzero(parts == k)))} "
                 f"({np.count_nonzero(parts == k)} cells around {self.at(mesh.cells[parts == k])})"
                 for k in order[:4]]
        if count > 4:
            shown.append(f"{count - 4} more")
        text = (f"{count} parts that share no facet, so nothing passes between them: "
                f"{'; '.join(shown)}. ")
        every = 1 + len(self.outer) // _MAX_SAMPLES  # some of the facets of a large mesh show why
        twice, across = self._met(np.arange(0, len(self.outer), every), looks=_MAX_SAMPLES // 10)
        other = parts[twice[:, 1]] != parts[self.owner[twice[:, 0]]]
        met = parts[across[:, 1]] != parts[self.owner[across[:, 0]]]
        if other.any():
            text += self._overlap(twice[other])
        elif met.any():
            text += (f"{self._pairs(across[met])} lie on one another "
                     f"{self._place(across[met, 0], 0.5 * every * self._every)}, each "
                     "with nodes of its own")
        else:
            users = np.unique(np.column_stack([mesh.cells.ravel(),
                                               np.repeat(parts, mesh.dimension + 1)]), axis=0)
            shared = users[1:, 0][users[1:, 0] == users[:-1, 0]]
            text += (f"They touch at {len(shared)} nodes only, the first at {self.at(shared[:1])}"
                     if len(shared) else self._gap(parts, int(order[0])))
        return f"{text}; {_WAY_OUT}"

    def _gap(self, parts: Ints, main: int) -> str:
        """Message on the least distance of the other parts from one of them, from node to node."""
        from scipy.spatial import cKDTree

        of_main = parts[self.owner] == main
        here, there = (np.unique(self.outer[k]) for k in (of_main, ~of_main))
        gap, _ = cKDTree(self.mesh.points[here]).query(self.mesh.points[there])
        near = int(gap.argmin())
        return (f"Between them is a gap of {1e6 * gap[near]:.3g} um, the narrowest at "
                f"{self.at(there[near : near + 1])} (gmsh saves no cells that are in no group)")

    def _overlap(self, pairs: Ints) -> str:
        return (f"{self._pairs(pairs)} overlap: the same room is filled twice, "
                f"{self._place(pairs[:, 0], 0.0)}")

    def _named(self, cells: Ints) -> list[str]:
        """Names of the regions of cells."""
        label = {tag: name for name, tag in self.mesh.regions.items()}
        return sorted({label[int(t)] for t in np.unique(self.mesh.cell_tags[cells])})

    def _pairs(self, pairs: Ints) -> str:
        """Names of the regions of facets and of the cells that they met."""
        label = {tag: name for name, tag in self.mesh.regions.items()}
        tags = self.mesh.cell_tags
        both = np.sort(np.column_stack([tags[self.owner[pairs[:, 0]]], tags[pairs[:, 1]]]), axis=1)
        names = [(label[int(a)], label[int(b)]) for a, b in np.unique(both, axis=0)]
        return "; ".join(f"{a} and {b}" if a != b else f"two sides in {a}" for a, b in names)

    def at(self, nodes: Ints) -> str:
        """Centre of nodes in words."""
        return shown_point(self.mesh.points[nodes].reshape(-1, self.mesh.dimension).mean(axis=0))

    def _place(self, facets: Ints, share: float = 1.0) -> str:
        """Place of facets in words, with the area of a share of them."""
        facets = np.unique(facets)
        xyz = self.mesh.points[self.outer[facets]].reshape(-1, self.mesh.dimension)
        axis = int(np.argmin(np.ptp(xyz, axis=0)))
        much = f" ({self.amount(share * self.areas[facets].sum())})" if share else ""
        if np.ptp(xyz[:, axis]) <= 2.0 * self.slack[facets].max():
            return f"on the plane {'xyz'[axis]} = {1e6 * xyz[:, axis].mean():.6g} um{much}"
        return f"around {shown_point(xyz.mean(axis=0))}{much}"

    def amount(self, area: float) -> str:
        """An area in words: um in 2D, um^2 or mm^2 in 3D and axisymmetric."""
        if self.mesh.dimension == 2 and not self.mesh.axisymmetric:
            return f"{1e6 * area:.4g} um"
        return f"{1e12 * area:.4g} um^2" if area < 1e-8 else f"{1e6 * area:.4g} mm^2"


class _Hull:
    """Convex hull of points in 2D or 3D.

    Attributes:
        size: its area or volume.
        dimension: 2 or 3.
    """

    def __init__(self, points: Floats) -> None:
        from scipy.spatial import ConvexHull

        self.dimension = d = points.shape[1]
        self._from, self._scale = points.min(axis=0), float(np.ptp(points, axis=0).max())
        x = (points - self._from) / self._scale
        hull = ConvexHull(x)
        self.size = float(hull.volume) * self._scale**d
        planes, which = np.unique(np.round(hull.equations, 8), axis=0, return_inverse=True)
        large = np.bincount(which.ravel(), simplex_measures(x, hull.simplices))
        self._planes = planes[np.argsort(-large, kind="stable")]
        self._corners = x[hull.vertices]
        self._middle = self._corners.mean(axis=0)
        self._ball = -float((self._planes @ np.append(self._middle, 1.0)).max())

    def depth(self, places: Floats, deepest: float) -> Floats:
        """Depth of places in the hull; too large between the corners of a hull with many sides.

        Args:
            places: of shape (n, dimension), m.
            deepest: depth from which on a lower bound is enough, m.
        """
        x = (places - self._from) / self._scale
        # What lies in the ball around the middle is at least as deep as the ball is there.
        found: Floats = self._ball - np.linalg.norm(x - self._middle, axis=1)
        at_corner = np.isin(_rows(x), _rows(self._corners))
        found[at_corner] = 0.0
        look = np.flatnonzero((found <= deepest / self._scale) & ~at_corner)
        planes = self._planes[: 50 + 200_000_000 // max(1, len(look))]
        for part in np.array_split(look, 1 + len(look) * len(planes) // 2_000_000):
            found[part] = -(x[part] @ planes[:, :-1].T + planes[:, -1]).max(axis=1)
        return found * self._scale


def _extreme(points: Floats) -> Floats:
    """The outermost of points in a few directions, across the diagonals of their box and beside."""
    x = (points - points.min(axis=0)) / np.ptp(points, axis=0)
    ways = itertools.product((-1.0, -0.4, 0.4, 1.0), repeat=points.shape[1])
    return points[np.unique((x @ np.array([*ways]).T).argmax(axis=0))]


def _linked(count: int, pairs: Ints) -> Ints:
    """Number of the group that each of so many things belongs to, linked in pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    found: Ints = connected_components(links, directed=False)[1]
    return found


def _rows(points: Floats) -> NDArray[Any]:
    """Each row as one value; equal rows are equal to the last bit."""
    whole = np.ascontiguousarray(points + 0.0)  # no negative zeros
    return whole.view(np.dtype((np.void, whole.shape[1] * whole.itemsize))).ravel()


def index_of(table: Ints, rows: Ints) -> Ints:
    """Positions of rows in a table, -1 for those not in it; its rows are all different."""
    base = int(max(table.max(initial=0), rows.max(initial=0))) + 1
    width = table.shape[1]
    if base**width < 2**63:
        power = base ** np.arange(width)[::-1]
        have, want = table @ power, rows @ power
    else:
        _, label = np.unique(np.concatenate([table, rows]), axis=0, return_inverse=True)
        have, want = np.split(label.ravel(), [len(table)])
    if not len(have):
        return np.full(len(rows), -1, dtype=np.int64)
    order = np.argsort(have, kind="stable")
    at = order[np.searchsorted(have, want, sorter=order).clip(max=len(have) - 1)]
    found: Ints = np.where(have[at] == want, at, -1)
    return found


def holding(mesh: TaggedMesh, samples: Floats) -> tuple[Ints, Ints]:
    """Cells that hold points in their inside, as pairs: number of the point, number of the cell."""
    # Cells with all of their corners beyond one side of the box around the points are far.
    beyond = np.zeros(len(mesh.points), dtype=np.uint8)
    for axis, x in enumerate(mesh.points.T):
        beyond |= (x < samples[:, axis].min()).astype(np.uint8) << 2 * axis
        beyond |= (x > samples[:, axis].max()).astype(np.uint8) << 2 * axis + 1
    near = np.flatnonzero(np.bitwise_and.reduce([beyond[k] for k in mesh.cells.T]) == 0)
    corners = np.ascontiguousarray(mesh.points[mesh.cells[near].T].transpose(2, 0, 1))
    found = [(place, near[cell]) for cell, place, _ in _Boxes(corners, samples.T).holding(1e-9)]
    none = np.empty(0, dtype=np.int64)
    return (np.concatenate([none, *(place for place, _ in found)]),
            np.concatenate([none, *(cell for _, cell in found)]))


class _Boxes:
    """Simplices and places to be looked for in the boxes around them.

    Places are sorted into bins, which are as wide as the largest of the boxes that use them and at
    most twice as wide as the smallest, so that a box meets two of them in each direction at most.

    Args:
        simplices: coordinates of their corners, (dimension, corners, n).
        places: coordinates, (dimension, m).

    Attributes:
        count: places in the bins that each box meets, at least those in its own.
    """

    def __init__(self, simplices: Floats, places: Floats) -> None:
        self._simplices, self._places = simplices, places
        self._low, self._high = simplices.min(axis=1), simplices.max(axis=1)
        size = self._high - self._low
        # Cells of long channels are long all together, and bins are like them.
        shape = np.maximum(np.median(size, axis=1, keepdims=True), 1e-9 * size.max())
        first = places.min(axis=1, keepdims=True)
        wide = np.ptp(places, axis=1).max() / shape.min()
        least = max(2.0**-20 * wide, 1e-9)  # bins have numbers below 2^63
        level = np.ceil(np.log2(np.maximum((size / shape).max(axis=0), least))).astype(np.int64)
        d = len(places)
        self._from, self._to = np.zeros((2, 2**d, simplices.shape[2]), dtype=np.int64)
        order = [np.empty(0, dtype=np.int64)]
        power = 2 ** (21 * np.arange(d))
        for k, at in enumerate(np.unique(level)):
            here = np.flatnonzero(level == at)
            width = (1.0 + 1e-9) * 2.0**at * shape
            of_place = power @ np.floor((places - first) / width).astype(np.int64)
            order.append(np.argsort(of_place, kind="stable"))
            known = of_place[order[-1]]
            low, high = (np.floor((x[:, here] - first) / width) for x in (self._low, self._high))
            for corner, above in enumerate(itertools.product((False, True), repeat=d)):
                up = np.array(above)[:, None]
                number = np.where(up, high, low)
                met = (number >= 0.0) & (number < 2**21)
                met = np.all(met & ((high > low) | ~up), axis=0)  # not higher: met already
                bins = power @ number[:, met].astype(np.int64)
                self._from[corner, here[met]] = np.searchsorted(known, bins)
                self._to[corner, here[met]] = np.searchsorted(known, bins, side="right")
            self._from[:, here] += k * len(of_place)
            self._to[:, here] += k * len(of_place)
        self._order = np.concatenate(order)
        self.count: Ints = (self._to - self._from).sum(axis=0)

    def holding(self, least: float) -> Iterator[tuple[Ints, Ints, Floats]]:
        """Part by part: simplex, place in it, and shares of the corners, at least `least` each."""
        some = np.flatnonzero(self.count)
        part = np.cumsum(self.count[some]) // _PAIRS_AT_ONCE
        for chosen in np.split(some, np.flatnonzero(np.diff(part)) + 1):
            start = self._from[:, chosen].ravel()
            many = self._to[:, chosen].ravel() - start
            place = self._order[np.repeat(start - np.cumsum(many) + many, many)
                                + np.arange(many.sum())]
            simplex = np.repeat(np.tile(chosen, len(self._from)), many)
            for x, low, high in zip(self._places, self._low, self._high, strict=True):
                inside = (x[place] >= low[simplex]) & (x[place] <= high[simplex])
                simplex, place = simplex[inside], place[inside]
            share = _shares(self._simplices.take(simplex, axis=2), self._places.take(place, axis=1))
            inside = np.all(share >= least, axis=0)
            yield simplex[inside], place[inside], share.compress(inside, axis=1)


def _shares(simplices: Floats, places: Floats) -> Floats:
    """Barycentric coordinates of places in simplices that fill their space, (corners, n)."""
    edges, x = simplices[:, 1:] - simplices[:, :1], places - simplices[:, 0]
    if len(x) == 2:  # what `solve` does, sooner
        (a, b), (c, d) = edges
        inner = np.array([x[0] * d - x[1] * b, x[1] * a - x[0] * c]) / (a * d - b * c)
    else:
        inner = np.linalg.solve(edges.transpose(2, 0, 1), x.T[..., None])[..., 0].T
    return np.concatenate([1.0 - inner.sum(axis=0, keepdims=True), inner])
