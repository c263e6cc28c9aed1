"""Random numbers of sites, the same on any number of ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["generators", "poisson_sites"]

Array = npt.NDArray[np.float64]


def generators(seed: Sequence[int], *keys: npt.ArrayLike) -> Iterator[np.random.Generator]:
    """A stream of random numbers for every place, fixed by the place and not by when it is asked.

    Args:
        seed: whole numbers that all share.
        keys: arrays with a row per place; equal rows give equal streams.
    """
    table = np.column_stack(keys).astype(np.float64) + 0.0  # -0.0 becomes 0.0
    for row in np.ascontiguousarray(table).view(np.uint32):
        yield np.random.default_rng([*seed, *row.tolist()])


def poisson_sites(
    points: Array, expected: Array, seed: Sequence[int], threshold: float = 0.0,
    spread: float = 0.0,
) -> tuple[npt.NDArray[np.int64], Array]:
    """Sites of a Poisson process on the nodes of a wall.

    Args:
        points: nodes, (n, 3), m.
        expected: mean number of sites at each.
        seed: equal seeds give equal sites on equal nodes, in whatever order they come.
        threshold: mean, V.
        spread: standard deviation, V; thresholds below 0 become 0.

    Returns:
        Index of the node of every site, and its threshold, V.
    """
    where: list[int] = []
    thresholds: list[float] = []
    for k, draw in enumerate(generators(seed, points)):
        count = int(draw.poisson(expected[k]))
        where += [k] * count
        thresholds += np.maximum(draw.normal(threshold, spread, count), 0.0).tolist()
    return np.array(where, dtype=np.int64), np.array(thresholds)
