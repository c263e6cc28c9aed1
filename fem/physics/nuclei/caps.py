"""Caps: the shape in which a nucleus stands on a wall."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass
class Cap:
    """A cap that grows, as this rank's nodes see it.

    Attributes:
        index: of its nodes among those of the reaction.
        offset: of its nodes from the site, m, (n, 3).
        normal: of the wall, into the pore.
        cosine: of the contact angle.
        final: the profile when it is complete.
        radii, volumes: volume (m3, 2D: m2, all ranks) by radius (m).
        surface: of the complete cap, m2 (2D: m).
    """

    index: npt.NDArray[np.int64]
    offset: Array
    normal: Array
    cosine: float
    final: Array = field(default_factory=lambda: np.empty(0))
    radii: Array = field(default_factory=lambda: np.empty(0))
    volumes: Array = field(default_factory=lambda: np.empty(0))
    surface: float = 0.0

    def at(self, radius: float, width: float) -> Array:
        """Resting profile of a cap of this radius; below 0 it is but a trace of metal."""
        centre = -max(radius, 0.0) * self.cosine * self.normal
        distance = np.linalg.norm(self.offset - centre, axis=1)
        return np.asarray(1.0 / (1.0 + np.exp((distance - radius) / width)))

    def keep(self, which: npt.NDArray[np.bool_]) -> None:
        """Forget the other nodes."""
        self.index, self.offset = self.index[which], self.offset[which]
        self.final = self.final[which]
