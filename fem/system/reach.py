"""Bounds of reactions that plate: how the current of a law follows an unknown of the step.

A law sees salt foreseen for the end of a step. A `Reach` makes its current one of the salt there
is, node by node, with slopes for Newton's method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Reach"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reach:
    """Bounds of a current that plates, at the nodes of a reaction.

    Attributes:
        ratio: of the unknown to what the law sees of it; the current of the law is multiplied by
            it.
        most: largest current density, A/m2, above 0.
        ratio_slope, most_slope: derivatives of both by the unknown.
    """

    ratio: Array
    most: Array
    ratio_slope: Array
    most_slope: Array

    def at(self, nodes: npt.NDArray[np.int64]) -> Reach:
        """Bounds at some of the nodes."""
        return Reach(*(values[nodes] for values in vars(self).values()))

    def of(self, i_n: Array) -> tuple[Array, Array, Array]:
        """Current density, A/m2, and its derivatives by that of the law and by the unknown.

        It is that of the law times `ratio` up to half of `most`, and beyond that comes close to
        `most` as tanh does. Metal that dissolves is left as it is.

        Args:
            i_n: of the law, A/m2, negative where it plates.
        """
        plates, half = i_n < 0.0, 0.5 * self.most
        drawn = np.where(plates, i_n * self.ratio, i_n)
        over = np.maximum(-drawn / half - 1.0, 0.0)
        bend = np.tanh(over)
        by_drawn = 1.0 - bend**2
        value = np.where(over > 0.0, -half * (1.0 + bend), drawn)
        by_half = np.where(over > 0.0, by_drawn * (1.0 + over) - 1.0 - bend, 0.0)
        by_unknown = 0.5 * by_half * self.most_slope
        by_unknown += np.where(plates, by_drawn * i_n * self.ratio_slope, 0.0)
        return value, by_drawn * np.where(plates, self.ratio, 1.0), by_unknown
