r"""Pieces of metal, distinguished by height: cores, tails by ascent, basins by saddles.

The profile of a front has tails, and tails must carry electrons to the front of their own piece,
but to no other. So pieces are distinguished by their cores, and tails are given to them by ascent.
With h the height of what does not float (`fem.physics.metal.contact`):

    piece    nodes linked by edges with h >= TOUCH_HEIGHT at both ends, or in cores of what floats,
             by one conducting solid, or by the collector; if both ends were in one piece at the
             last step, down to the height at which necks part (`fem.physics.metal.necks`), also
             across a facet whose nodes are below it: a ridge between nodes is higher than they are
    wall     a node on a conductor belongs to that solid whatever h is there; metal beside it is
             linked to it as to any other node
    ascent   every other node follows its highest neighbour uphill
    basin    what ends in a maximum below TOUCH_HEIGHT (a young film, a nucleus) joins its neighbour
             across the highest saddle; two pieces are never joined so
    ridge    a node of the collector's piece below MIN_PART_HEIGHT that rises less than a front
             does (MAX_RIDGE_SLOPE in psi; a front has 1): the last of a neck. As a neck parts,
             also one below TOUCH_HEIGHT that has more than the front of a piece can have left
             there. It follows other such nodes only, and their basin, the ghost of the neck, joins
             the collector's piece if it can
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fem.physics.metal.necks import MIN_PART_HEIGHT, TOUCH_HEIGHT
from fem.physics.metal.nodes import Nodes
from fem.physics.metal.profile import beyond_rest, distance

__all__ = ["COLLECTOR_PIECE", "MIN_HEIGHT", "MIN_RIDGE_HEIGHT", "Pieces"]

#: Largest slope of psi = ln(h/(1 - h)) over lambda of a ridge, and the least height of one.
MAX_RIDGE_SLOPE, MIN_RIDGE_HEIGHT = 0.5, 1e-3
#: Least height that is given to a piece: a quarter of the xi from which tails conduct.
MIN_HEIGHT = 5e-5
#: Number of the piece that is connected to the collector; others are numbered from there on.
COLLECTOR_PIECE = 1

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Pieces:
    """Rules by which nodes are sorted into pieces; without a state of their own.

    Args:
        nodes: of the pores.
    """

    def __init__(self, nodes: Nodes):
        self.nodes = nodes

    def cores(
        self, live: Array, core: Mask, before: Ints, part_height: float
    ) -> tuple[Ints, Ints, int, int]:
        """Links of metal, the part of each node, how many pieces and solids there are, own part.

        Args:
            live: height of what does not float.
            core: nodes in the cores of what floats.
            before: numbers of the last step.
            part_height: from which metal links nodes that were in one piece. Collective.
        """
        live = np.where(core, 1.0, live)
        high = live >= part_height
        i, j = self.nodes.edges
        near = np.flatnonzero(high[i] & high[j])
        i, j = i[near], j[near]
        same = (before[i] == before[j]) & (before[i] != 0)
        linked = same | (live[i] >= TOUCH_HEIGHT) & (live[j] >= TOUCH_HEIGHT)
        i, j, over = i[linked], j[linked], self.nodes.over(high)
        over = over[:, (before[over[0]] == before[over[1]]) & (before[over[0]] != 0)]
        links = np.concatenate([np.stack([i, j]), over], axis=1)
        part, count, family = self.nodes.united(high | (self.nodes.kin >= 0), links)
        pieces = self.nodes.tallest(part, live, count) >= TOUCH_HEIGHT
        pieces[family[family >= 0]] = True
        return links, part, int(pieces.sum()), int(family[0])

    def tell_apart(
        self, h: Array, links: Ints, before: Ints, core: Mask, height: Array, first: int
    ) -> tuple[Ints, int]:
        """Numbers of pieces at all nodes that are seen, 0 elsewhere; the next new one (collective).

        Args:
            h: height of what does not float yet.
            links: of metal.
            before: numbers of the last step.
            core: nodes in the cores of what floats.
            height: of all metal.
            first: number of the next new piece.
        """
        links = links[:, ~core[links].any(axis=0)]
        active = self.nodes.around(h > MIN_HEIGHT) & ~core | (self.nodes.kin >= 0)
        own_before = before == COLLECTOR_PIECE
        ridge = self._ridges(h) & own_before
        for neck in (False, True):
            if neck:  # one has parted
                ridge = self._ridges(h, TOUCH_HEIGHT) & own_before
                ridge &= self._alone(h, ridge)
                links = links[:, ~ridge[links].any(axis=0)]
            uphill = self._ascent(h, links, active, ridge)
            part, count, family = self.nodes.united(
                active, np.concatenate([links, uphill], axis=1))
            metal = self.nodes.tallest(part, h, count) >= TOUCH_HEIGHT
            pieces = metal.copy()
            pieces[family[family >= 0]] = True
            parted = metal & (self.nodes.tallest(part, own_before.astype(float), count) > 0.0)
            own = family[:1][family[:1] >= 0]
            parted[own] = False
            if not parted.any():
                break
        ghost = self.nodes.tallest(part, (ridge & active).astype(float), count) > 0.0
        together = ghost & ~parted & parted.any()
        together[own] = True
        group = _joined(self._saddles(part, h), pieces, together)
        return self._numbered(part, group, metal, family, before, height, first)

    def stubs(self, live: Array, least: float) -> Mask:
        """Nodes between a height and TOUCH_HEIGHT that hang on no core (collective)."""
        i, j = self.nodes.edges
        high = live >= least
        linked = high[i] & high[j]
        links = np.concatenate([np.stack([i[linked], j[linked]]), self.nodes.over(high)], axis=1)
        part, count, family = self.nodes.united(high | (self.nodes.kin >= 0), links)
        core = self.nodes.tallest(part, live, count) >= TOUCH_HEIGHT
        core[family[family >= 0]] = True
        return high & ~np.append(core, False)[part]  # -1, no part: the last entry

    def _ascent(self, h: Array, links: Ints, active: Mask, ridge: Mask) -> Ints:
        """Links of every free node below TOUCH_HEIGHT to its highest neighbour (collective).

        Args:
            h: the heights.
            links: of metal.
            active: nodes that are given to a piece.
            ridge: nodes that follow only one another.
        """
        bound = np.zeros(len(h), dtype=bool)
        bound[links] = True
        free = active & (self.nodes.kin < 0) & (h < TOUCH_HEIGHT) & ~self.nodes.anywhere(bound)
        base, neighbour, _ = self.nodes.beside(free)
        leads = ~ridge[base] | ridge[neighbour]
        beside = np.where(leads, h[neighbour], -1.0)
        top = self.nodes.best(base, beside)
        best = leads & (beside == top[base])
        last = self.nodes.best(base, np.where(best, self.nodes.ids[neighbour], -1.0))
        climbs = (top > h) | (top == h) & (last > self.nodes.ids)
        chosen = best & climbs[base] & (self.nodes.ids[neighbour] == last[base])
        return np.stack([base[chosen], neighbour[chosen]])

    def _ridges(self, h: Array, most: float = MIN_PART_HEIGHT) -> Mask:
        """Nodes below a height from which no edge rises as a front does (collective)."""
        low = (h > MIN_RIDGE_HEIGHT) & (h < most) & (self.nodes.kin < 0)
        base, neighbour, length = self.nodes.beside(low)
        above, below = (distance(h[at], MIN_RIDGE_HEIGHT) for at in (neighbour, base))
        rise = self.nodes.best(base, (above - below) / length)
        return np.asarray(low & (rise < MAX_RIDGE_SLOPE))

    def _alone(self, h: Array, on: Mask) -> Mask:
        """Marked nodes with more metal than any front leaves there (collective)."""
        psi = distance(h, MIN_HEIGHT)
        away = self.nodes.distance(psi, on, -float(distance(MIN_HEIGHT, MIN_HEIGHT)))
        return np.asarray(beyond_rest(away, -psi) > 0.0)

    def _saddles(self, part: Ints, h: Array) -> Array:
        """Rows (height, part, part): the highest edge between any two parts (collective)."""
        i, j = self.nodes.edges
        a, b = part[i], part[j]
        on = (a != b) & (a >= 0) & (b >= 0)
        rows = np.stack([np.minimum(h[i], h[j])[on], np.minimum(a, b)[on], np.maximum(a, b)[on]])
        rows = _highest_of_pairs(rows.T)
        return _highest_of_pairs(np.concatenate(self.nodes.comm.allgather(rows)))

    def _numbered(
        self, part: Ints, group: Ints, metal: Mask, family: Ints, before: Ints,
        height: Array, first: int,
    ) -> tuple[Ints, int]:
        """Numbers for groups of parts, most of their metal's or new ones; the next new one."""
        size = len(group)
        number = np.zeros(size, dtype=np.int64)
        for k in range(1, self.nodes.families):
            if family[k] >= 0:
                number[group[family[k]]] = -k
        grown = np.unique(group[metal])
        n, h = self.nodes.map.size_local, height
        high = (part[:n] >= 0) & (h[:n] >= MIN_PART_HEIGHT)
        core = np.flatnonzero(high & (before[:n] > COLLECTOR_PIECE))
        pairs = np.stack([group[part[core]], before[core]], axis=1)
        weighed, weight = _summed(pairs, h[core])
        everyone = self.nodes.comm.allgather((weighed, weight, int(before.max(initial=0))))
        pairs, weight = _summed(
            np.concatenate([e[0] for e in everyone]), np.concatenate([e[1] for e in everyone]))
        own = group[family[0]] if family[0] >= 0 else -1
        free, taken = {*grown.tolist()} - {int(own)}, set()
        for k in np.argsort(-weight, kind="stable").tolist():
            which, old = pairs[k].tolist()
            if which in free and old not in taken:
                number[which] = old
                free.remove(which)
                taken.add(old)
        fresh = max(first, *(e[2] + 1 for e in everyone))
        for which in sorted(free):
            number[which], fresh = fresh, fresh + 1
        if own >= 0:
            number[own] = COLLECTOR_PIECE
        return np.where(part >= 0, number[group[part]], 0), fresh


def _joined(saddles: Array, pieces: Mask, first: Mask) -> Ints:
    """Group of every part: basins join across the highest saddle, two pieces never do.

    Args:
        saddles: rows (height, part, part).
        pieces: parts with a core, and solids.
        first: parts that join one another before any other.
    """
    parent, taken = np.arange(len(pieces)), pieces.copy()

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = int(parent[k])
        return k

    # Ties go by the numbers of the mesh file, so that ranks do not matter.
    order = np.lexsort((saddles[:, 2], saddles[:, 1], -saddles[:, 0]))
    rows = saddles[order, 1:].astype(np.int64)
    before = first[rows[:, 0]] & first[rows[:, 1]]
    for a, b in (*rows[before].tolist(), *rows[~before].tolist()):
        a, b = root(a), root(b)
        if a != b and not (taken[a] and taken[b]):
            parent[b] = a
            taken[a] |= taken[b]
    return np.array([root(k) for k in range(len(pieces))], dtype=np.int64)


def _highest_of_pairs(rows: Array) -> Array:
    """Row with the largest height for every pair (a, b) among rows (height, a, b)."""
    rows = rows[np.lexsort((-rows[:, 0], rows[:, 2], rows[:, 1]))]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(rows[:, 1:], axis=0) != 0.0).any(axis=1)
    return rows[new]


def _summed(pairs: Ints, weight: Array) -> tuple[Ints, Array]:
    """Pairs of numbers from 0 on, each once, and the sums of their weights."""
    a, b = pairs.reshape(-1, 2).T
    size = int(b.max(initial=0)) + 1
    keys, index = np.unique(a * size + b, return_inverse=True)
    sums = np.bincount(index, weights=weight, minlength=len(keys))
    return np.stack([keys // size, keys % size], axis=1), sums
