"""From phases that are given by functions of place to a conforming tagged mesh, in 2D and 3D.

A field gives a number for each phase at any point, such as a signed distance that is negative
inside; the phase with the least number is there. The mesh is made in three steps:

1. `lattice`: simplices on a body-centred lattice, with the planes of the layers as lattice planes;
   `refined` halves its cells at the interfaces, if asked.
2. `warp`: nodes close to an interface move onto it, along an edge of the lattice.
3. `bisect`: each edge that still joins two phases is cut where they meet; all cells around the edge
   are cut with it, so the mesh stays conforming, with any number of phases at a point.

The first two steps with their limits are the isosurface stuffing of Labelle and Shewchuk (ACM
Trans. Graph. 26 (2007) 57), which bounds the quality; bisection replaces their tables of stencils.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from geometries.meshing.mesh import Floats, Ints

#: (n, dimension) points in m -> (n, phases) numbers; the phase with the least one is there.
Field = Callable[[Floats], Floats]

#: Share of an edge within which a node moves to its cut: longest edges of cells, and other edges.
LONG_EDGE_SHARE, SHORT_EDGE_SHARE = 0.24999, 0.41189
#: Least determinant of a warped cell's edges over the power of its longest; 0.5 in the lattice.
MIN_CELL_SHAPE = 0.04
#: Least share of an edge on either side of a cut that leaves a plane or a point of three phases.
MIN_EDGE_SHARE = 0.15


def lattice(axes: list[Floats], planes: list[float]) -> tuple[Floats, Ints, NDArray[np.bool_]]:
    """Body-centred simplices on a tensor grid.

    A cell joins the centres of two neighbouring boxes with an edge (2D: a corner) of the face
    between them. At the sides and at `planes` it ends on the face.

    Args:
        axes: increasing coordinates along each axis, thickness last, m.
        planes: coordinates along the thickness that no cell crosses; nodes of the last axis.

    Returns:
        points, cells, and for each node and axis whether it must keep this coordinate.
    """
    dim, shape = len(axes), [len(a) for a in axes]
    middles = [0.5 * (a[1:] + a[:-1]) for a in axes]
    corners = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)
    centres = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1).reshape(-1, dim)
    corner = np.arange(len(corners)).reshape(shape)
    centre = len(corners) + np.arange(len(centres)).reshape([n - 1 for n in shape])
    kept = np.isin(axes[-1], planes)

    cells = []
    for axis in range(dim):
        closed = kept.copy() if axis == dim - 1 else np.zeros(shape[axis], dtype=bool)
        closed[[0, -1]] = True
        # Corners of the faces normal to this axis, in order around the face.
        others = [a for a in range(dim) if a != axis]
        around = [(0,), (1,)] if dim == 2 else [(0, 0), (1, 0), (1, 1), (0, 1)]
        ring = []
        for offset in around:
            cut: list[slice] = [slice(None)] * dim
            for a, o in zip(others, offset, strict=True):
                cut[a] = slice(o, shape[a] - 1 + o)
            ring.append(np.moveaxis(corner[tuple(cut)], axis, 0))
        boxes = np.moveaxis(centre, axis, 0)
        inner = ~closed[1:-1]
        below, above = boxes[:-1][inner], boxes[1:][inner]
        faces = [r[1:-1][inner] for r in ring]
        edges = [(f,) for f in faces] if dim == 2 else list(zip(faces, faces[1:] + faces[:1],
                                                                strict=True))
        cells += [np.stack([below, above, *e], axis=-1) for e in edges]
        parity = np.indices(ring[0].shape[1:]).sum(axis=0) % 2
        for side, shift in ((boxes, 0), (boxes, 1)):  # boxes above and below closed faces
            at = closed[:-1] if shift == 0 else closed[1:]
            apex = side[at]
            face = [r[shift : len(closed) - 1 + shift][at] for r in ring]
            if dim == 2:
                cells.append(np.stack([apex, *face], axis=-1))
            else:
                flip = np.broadcast_to(parity == 1, apex.shape)
                turned = [np.where(flip, a, b) for a, b in zip(face[1:] + face[:1], face,
                                                               strict=True)]
                cells += [np.stack([apex, *(turned[k] for k in half)], axis=-1)
                          for half in ((0, 1, 2), (0, 2, 3))]
    points = np.concatenate([corners, centres])
    fixed = np.zeros(points.shape, dtype=bool)
    for axis, coordinates in enumerate(axes):
        fixed[: len(corners), axis] = np.isin(corners[:, axis], coordinates[[0, -1]])
    fixed[: len(corners), -1] |= np.isin(corners[:, -1], planes)
    return points, np.concatenate([c.reshape(-1, dim + 1) for c in cells]), fixed


def refined(
    points: Floats, cells: Ints, fixed: NDArray[np.bool_], field: Field, levels: int,
    top: float = np.inf,
) -> tuple[Floats, Ints, NDArray[np.bool_]]:
    """The lattice with its cells halved `levels` times, in length, along the interfaces.

    Two rings of cells around each interface that the nodes see are bisected at their longest edge,
    as often as there are axes for each level; cells beside them follow where they must (Rivara,
    Int. J. Numer. Meth. Eng. 20 (1984) 745).
    """
    dim = points.shape[1]
    pairs = np.array(list(itertools.combinations(range(dim + 1), 2)))
    scale = float(np.ptp(points, axis=0).max())
    age = np.zeros(len(cells), dtype=np.int64)
    for level in range(1, levels + 1):
        inside = points[:, -1] <= top
        phase = np.full(len(points), -1, dtype=np.int64)
        phase[inside] = field(points[inside]).argmin(axis=1)
        wanted = (phase[cells] != phase[cells[:, :1]]).any(axis=1) & inside[cells].all(axis=1)
        for _ in range(2):
            near = np.zeros(len(points), dtype=bool)
            near[cells[wanted]] = True
            wanted = near[cells].any(axis=1)
        due = wanted & (age < dim * level)
        while due.any():
            # Edges in order of length; first of a cell is its longest.
            busy = np.flatnonzero(_around(points, cells, due))
            ends = np.sort(cells[busy][:, pairs], axis=2)
            edges, number = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
            number = number.reshape(len(busy), len(pairs))
            length = np.linalg.norm(points[edges[:, 1]] - points[edges[:, 0]], axis=1)
            rank = np.empty(len(edges), dtype=np.int64)
            rank[np.lexsort((edges[:, 1], edges[:, 0], np.round(length / scale, 9)))] = (
                np.arange(len(edges)))
            first = rank[number].argmax(axis=1)
            longest = number[np.arange(len(busy)), first]
            asked = np.zeros(len(edges), dtype=bool)
            asked[longest[due[busy]]] = True
            # An edge is cut if it is the longest of all cells around it; else these come first.
            ready = asked & (np.bincount(longest, minlength=len(edges))
                             == np.bincount(number.ravel(), minlength=len(edges)))
            due[busy] |= asked[number].any(axis=1)
            new = np.full(len(edges), -1)
            new[ready] = len(points) + np.arange(int(ready.sum()))
            start, end = edges[ready].T
            # The middle of an edge stays on the planes that hold both of its ends.
            flat = np.abs(points[start] - points[end]) < 1e-12 * scale
            fixed = np.concatenate([fixed, fixed[start] & fixed[end] & flat])
            points = np.concatenate([points, 0.5 * (points[start] + points[end])])
            split = ready[longest]
            cut, rest = busy[split], np.ones(len(cells), dtype=bool)
            rest[cut] = False
            halves = _halves(cells[cut], pairs[first[split]], new[longest[split]])
            cells = np.concatenate([cells[rest], halves])
            older, kept = np.tile(age[cut] + 1, 2), np.tile(wanted[cut], 2)
            age = np.concatenate([age[rest], older])
            wanted = np.concatenate([wanted[rest], kept])
            due = np.concatenate([due[rest], kept & (older < dim * level)])
    return points, cells, fixed


def _around(points: Floats, cells: Ints, due: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells that share an edge with a cell that is due."""
    near = np.zeros(len(points), dtype=bool)
    near[cells[due]] = True
    out: NDArray[np.bool_] = near[cells].sum(axis=1) >= 2
    return out


def stuff(
    points: Floats, cells: Ints, fixed: NDArray[np.bool_], field: Field, top: float = np.inf
) -> tuple[Floats, Ints, Ints]:
    """The lattice cut along the interfaces of a field.

    Args:
        points: nodes of a lattice, m.
        cells: its simplices.
        fixed: coordinates that nodes must keep.
        field: what is where.
        top: height above which the field does not hold and nothing is cut, a plane, m.

    Returns:
        points, cells and the phase of each cell (of no meaning above `top`).
    """
    # A node belongs to all phases that meet at it: bits of a mask.
    phases: Ints = np.full(len(points), -1, dtype=np.int64)
    inside = points[:, -1] <= top
    phases[inside] = np.left_shift(1, np.argmin(field(points[inside]), axis=1))
    points = warp(points, cells, fixed, phases, field)
    points, cells, phases = bisect(points, cells, phases, field)
    common: Ints = np.bitwise_and.reduce(phases[cells], axis=1)
    # Nodes of different pairs of phases leave none in common near a point where three meet.
    common = np.where(common == 0, np.bitwise_or.reduce(phases[cells], axis=1), common)
    phase: Ints = np.round(np.log2(np.maximum(common, 1))).astype(np.int64)
    # All nodes of these cells lie on one interface.
    unsure = np.flatnonzero((common & (common - 1) != 0) & (points[cells, -1].min(axis=1) < top))
    if len(unsure):
        value = _least(field(points[cells[unsure]].mean(axis=1)), common[unsure])
        phase[unsure] = value.argmin(axis=1)
    return points, cells, phase


def warp(
    points: Floats, cells: Ints, fixed: NDArray[np.bool_], phases: Ints, field: Field
) -> Floats:
    """Points with those near an interface moved onto it; their `phases` gain the other side.

    A node of a plane moves along the plane only. If a cut off the plane is closer than
    `MIN_EDGE_SHARE`, it stays and counts as on the interface.
    """
    lattice_points, lattice_phases = points, phases.copy()
    points = points.copy()
    edges = _cut_edges(cells, phases)
    limits = np.where(_longest(points, cells, edges), LONG_EDGE_SHARE, SHORT_EDGE_SHARE)
    moved = np.zeros(len(points), dtype=bool)
    while len(edges):
        at, share = _meetings(points, edges, phases, field)
        node = np.concatenate([edges[:, 0], edges[:, 1]])
        other = np.concatenate([edges[:, 1], edges[:, 0]])
        leaves = np.any(fixed[node] & (np.abs(points[other] - points[node]) > 0), axis=1)
        limit = np.where(leaves, MIN_EDGE_SHARE, np.concatenate([limits, limits]))
        near = np.concatenate([share, 1 - share]) < limit
        node, other, at = node[near], other[near], np.concatenate([at, at])[near]
        leaves = leaves[near]
        if not len(node):
            break
        away = np.linalg.norm(at - points[node], axis=1)
        order = np.lexsort((other, away, leaves, node))
        first = order[np.unique(node[order], return_index=True)[1]]
        node, other, at, leaves = node[first], other[first], at[first], leaves[first]
        goes = ~leaves & ~moved[node]
        points[node[goes]] = np.where(fixed[node[goes]], points[node[goes]], at[goes])
        moved[node] = True
        phases[node] |= phases[other]
        cut = (phases[edges[:, 0]] & phases[edges[:, 1]]) == 0
        edges, limits = edges[cut], limits[cut]
    # Of a cell that became flat the node that went farthest returns; its edges are cut instead.
    touched = cells[moved[cells].any(axis=1)]
    sense = np.sign(_fullness(lattice_points, touched))
    while np.any(flat := _fullness(points, touched) * sense < MIN_CELL_SHAPE):
        cells = touched[flat]
        went = np.linalg.norm((points - lattice_points)[cells], axis=2)
        back = cells[np.arange(len(cells)), went.argmax(axis=1)]
        points[back], phases[back] = lattice_points[back], lattice_phases[back]
    return points


def _longest(points: Floats, cells: Ints, edges: Ints) -> NDArray[np.bool_]:
    """Mark the edges (i < j) that are the longest of a cell."""
    pairs = np.array(list(itertools.combinations(range(cells.shape[1]), 2)))
    near = np.zeros(len(points), dtype=bool)
    near[edges] = True
    ends = np.sort(cells[near[cells].sum(axis=1) >= 2][:, pairs], axis=2)
    length = np.linalg.norm(points[ends[..., 0]] - points[ends[..., 1]], axis=2)
    found = ends[length > 0.999 * length.max(axis=1, keepdims=True)]
    return np.isin(edges @ [len(points), 1], found @ [len(points), 1])


def _fullness(points: Floats, cells: Ints) -> Floats:
    """Determinant of each cell's edges over the power of its longest: 0 if flat, with a sign."""
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    longest = np.maximum(np.linalg.norm(edges, axis=2).max(axis=1),
                         np.linalg.norm(edges - np.roll(edges, 1, axis=1), axis=2).max(axis=1))
    out: Floats = np.linalg.det(edges) / longest ** edges.shape[2]
    return out


def bisect(
    points: Floats, cells: Ints, phases: Ints, field: Field, margin: float = MIN_EDGE_SHARE
) -> tuple[Floats, Ints, Ints]:
    """Cut every edge that joins different phases, and all cells around it, longest edge first.

    `margin` is the share of an edge at either end that is not cut.
    """
    pairs = np.array(list(itertools.combinations(range(cells.shape[1]), 2)))
    done = []
    while True:
        ends = np.sort(cells[:, pairs], axis=2)
        cut = (phases[ends[..., 0]] & phases[ends[..., 1]]) == 0
        busy = cut.any(axis=1)
        done.append(cells[~busy])
        cells, ends, cut = cells[busy], ends[busy], cut[busy]
        if not len(cells):
            return points, np.concatenate(done), phases
        edges, number = np.unique(ends[cut], axis=0, return_inverse=True)
        length = np.linalg.norm(points[edges[:, 1]] - points[edges[:, 0]], axis=1)
        rank = np.empty(len(edges), dtype=np.int64)
        rank[np.lexsort((edges[:, 1], edges[:, 0], np.round(length / length.max(), 9)))] = (
            np.arange(len(edges)))
        ranks = np.full(cut.shape, -1)
        ranks[cut] = rank[number.ravel()]
        best = ranks.max(axis=1)
        # An edge is cut now if it comes first in all cells around it.
        ready = np.bincount(best, minlength=len(edges)) == np.bincount(ranks[cut],
                                                                       minlength=len(edges))
        chosen = edges[np.argsort(rank)][ready]
        at = _meetings(points, chosen, phases, field, margin)[0]
        new = np.full(len(edges), -1)
        new[ready] = len(points) + np.arange(len(chosen))
        points = np.concatenate([points, at])
        phases = np.concatenate([phases, phases[chosen[:, 0]] | phases[chosen[:, 1]]])
        split = ready[best]
        which = pairs[ranks.argmax(axis=1)[split]]
        cells = np.concatenate([cells[~split], _halves(cells[split], which, new[best[split]])])


def _halves(cells: Ints, which: Ints, new: Ints) -> Ints:
    """Cells cut at an edge between two of their corners `which`, where a new node lies."""
    halves = []
    for side in (0, 1):
        half = cells.copy()
        half[np.arange(len(half)), which[:, side]] = new
        halves.append(half)
    return np.concatenate(halves)


def _least(value: Floats, phases: Ints) -> Floats:
    """The field's numbers with infinity for all phases that are not in a row's mask."""
    bits = np.arange(value.shape[1], dtype=np.int64)
    out: Floats = np.where((phases[:, None] >> bits) & 1 == 1, value, np.inf)
    return out


def _cut_edges(cells: Ints, phases: Ints) -> Ints:
    """Edges (i < j) whose ends have no phase in common."""
    found = []
    for i, j in itertools.combinations(range(cells.shape[1]), 2):
        ends = cells[:, [i, j]]
        found.append(np.sort(ends[(phases[ends[:, 0]] & phases[ends[:, 1]]) == 0], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _meetings(
    points: Floats, edges: Ints, phases: Ints, field: Field, margin: float = 0.0
) -> tuple[Floats, Floats]:
    """Points where the phases of an edge's ends meet, and their share of the way along the edge.

    Regula falsi (Illinois) on the difference of the ends' least numbers. `margin` is the share
    of the edge at either end that is left free.
    """
    start, end = points[edges[:, 0]], points[edges[:, 1]]

    def difference(at: Floats) -> Floats:
        value = field(at)
        sides = [_least(value, phases[edges[:, k]]).min(axis=1) for k in (0, 1)]
        out: Floats = sides[0] - sides[1]
        return out

    low, high = np.zeros(len(edges)), np.ones(len(edges))
    f_low, f_high = np.minimum(difference(start), 0.0), np.maximum(difference(end), 0.0)
    share = np.full(len(edges), 0.5)
    for _ in range(8):
        span = f_high - f_low
        share = np.where(span > 0, low - f_low * (high - low) / np.where(span > 0, span, 1.0), 0.5)
        f = difference(start + share[:, None] * (end - start))
        right = f > 0
        f_low = np.where(right, 0.5 * f_low, f)
        f_high = np.where(right, f, 0.5 * f_high)
        low, high = np.where(right, low, share), np.where(right, share, high)
    share = np.clip(share, margin, 1 - margin)
    return start + share[:, None] * (end - start), share
