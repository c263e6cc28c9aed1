r"""A sharp front with surface energy, tracked by markers: when its neck is stripped through.

All metal has one overpotential and there is no drop elsewhere, so a front goes along its normal by

    v = -i V_m/(zF),   i = 2 i0 sinh( F (eta + gamma V_m K/(zF)) / (2RT) ),   integral of i dA = I

with K > 0 where the metal is convex, and eta such that the current I is what the protocol asks for.
Without surface energy it is the answer of `Sharp`. Nothing of the phase field is used. A round neck
that is nearly gone runs ahead, as its own K is 1/r: its time is of first order in the spacing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .cells import RT_F
from .fronts import PER_CHARGE

__all__ = ["Tracked"]

EXCHANGE = 10.0  # A/m2, of lithium on itself at 1 mol/L
#: Largest travel in a step, and the same by curvature (stable below 1/2), over the spacing.
MAX_TRAVEL, MAX_SPREAD = 0.2, 0.2
#: Segments are merged below, and divided above, these shares of the spacing.
SHORTEST, LONGEST = 0.5, 1.5
#: Radius of a neck from which it goes in one step, over the spacing.
LAST_RADIUS = 0.25

Array = npt.NDArray[np.float64]


@dataclass
class Tracked:
    """Metal below a line of markers that leads from a mirror plane or axis x = 0 to another.

    Attributes:
        x: markers, (n, 2), m; the first lies on x = 0, the last on the far mirror plane.
        spacing: of the markers, m.
        surface_energy: J/m2.
        axisymmetric: x is a radius.
    """

    x: Array
    spacing: float
    surface_energy: float
    axisymmetric: bool = False

    @classmethod
    def along(
        cls, corners: npt.ArrayLike, spacing: float, surface_energy: float,
        *, axisymmetric: bool = False,
    ) -> Tracked:
        """Put markers on a line with these corners, m."""
        ends = np.asarray(corners, dtype=float)
        parts = []
        for a, b in itertools.pairwise(ends):
            n = max(round(float(np.hypot(*(b - a))) / spacing), 1)
            parts.append(a + (b - a) * np.arange(n)[:, None] / n)
        return cls(np.concatenate([*parts, ends[-1:]]), spacing, surface_energy, axisymmetric)

    @property
    def cell(self) -> float:
        """Area of the cell, m2 (2D: m)."""
        width = float(self.x[-1, 0])
        return np.pi * width**2 if self.axisymmetric else width

    def volume(self, count: int | None = None) -> float:
        """Metal below the line, or what its first markers cut off, m3 (2D: m2)."""
        r, y = self.x[:count].T
        if count is None:
            r, y = np.append(r, r[-1]), np.append(y, 0.0)
        mean = 0.5 * (r[1:] + r[:-1])
        if self.axisymmetric:
            mean = np.pi / 3.0 * (r[1:] ** 2 + r[1:] * r[:-1] + r[:-1] ** 2)
        return float(-mean @ np.diff(y))

    def strip_through(self, density: float) -> tuple[float, float]:
        """Strip until the neck is gone: the time, s, and the charge above it, C/m2 of the cell.

        Args:
            density: of the current, A/m2 of the cell.
        """
        metal = self.volume()
        while True:
            speed, limit = self.speeds(density)
            neck = self._neck()
            r, fall = self.x[neck, 0], -speed[neck, 0]
            last = r < LAST_RADIUS * self.spacing
            if not last and fall > 0.0:
                limit = min(limit, 0.2 * r / fall)
            self.x = self.x + (r / fall if last else limit) * speed
            if last:
                time = (metal - self.volume()) / (PER_CHARGE * density * self.cell)
                return time, self.volume(neck + 1) / (PER_CHARGE * self.cell)
            self._renew()

    def _neck(self) -> int:
        """Number of the narrowest marker below the head."""
        head = int(np.argmax(np.diff(self.x[:, 0]) < -1e-3 * self.spacing))
        return head + int(np.argmin(self.x[head:, 0]))

    def speeds(self, density: float) -> tuple[Array, float]:
        """Velocity of every marker, (n, 2), m/s, and how long it may be followed, s.

        Args:
            density: of the current, A/m2 of the cell.
        """
        x = self.x
        far = 2.0 * x[-1, 0] - x[-2, 0]
        around = np.concatenate([[(-x[1, 0], x[1, 1])], x, [(far, x[-2, 1])]])
        segments = np.diff(around, axis=0)
        length = np.hypot(*segments.T)
        (tx, ty) = (segments / length[:, None]).T
        turn = np.arctan2(ty[:-1] * tx[1:] - tx[:-1] * ty[1:], tx[:-1] * tx[1:] + ty[:-1] * ty[1:])
        normal = np.stack([-ty[:-1] - ty[1:], tx[:-1] + tx[1:]])
        normal /= np.hypot(*normal)
        area = 0.5 * (length[:-1] + length[1:])
        curvature = turn / area
        area[[0, -1]] *= 0.5
        if self.axisymmetric:
            r = np.abs(around[:, 0])
            area = 0.5 * np.pi * (
                length[:-1] * (0.5 * r[:-2] + 1.5 * r[1:-1])
                + length[1:] * (1.5 * r[1:-1] + 0.5 * r[2:]))
            area[[0, -1]] *= 0.5
            hoop = normal[0] / np.maximum(x[:, 0], 1e-12)
            hoop[0] = curvature[0]  # both directions are alike on the axis
            curvature = curvature + hoop
        i, slope = self._currents(area, self.surface_energy * PER_CHARGE * curvature,
                                  density * self.cell)
        v = PER_CHARGE * i
        limit = MAX_TRAVEL * self.spacing / float(np.median(np.abs(v)))
        spread = PER_CHARGE**2 * self.surface_energy * slope
        if spread:
            limit = min(limit, MAX_SPREAD * (SHORTEST * self.spacing) ** 2 / spread)
        # A convex corner stays one without surface energy: it is where two planes meet.
        velocity = -v / np.cos(0.5 * np.maximum(turn, 0.0)) * normal
        velocity[0, [0, -1]] = 0.0
        return velocity.T, limit

    @staticmethod
    def _currents(area: Array, shift: Array, total: float) -> tuple[Array, float]:
        """Current density of every marker, A/m2, and its slope at equilibrium, A/(m2 V)."""
        slope = EXCHANGE / RT_F
        eta = total / float(area.sum()) / slope
        for _ in range(50):
            i = 2.0 * EXCHANGE * np.sinh(0.5 * (eta + shift) / RT_F)
            step = (total - area @ i) / (area @ (slope * np.cosh(0.5 * (eta + shift) / RT_F)))
            eta += float(step)
            if abs(step) < 1e-12:
                break
        return i, slope

    def _renew(self) -> None:
        """Take markers away where they are dense, and add some where they are not."""
        length = np.hypot(*np.diff(self.x, axis=0).T)
        keep = np.ones(len(self.x), dtype=bool)
        for k in np.flatnonzero(length < SHORTEST * self.spacing).tolist():
            if keep[k]:
                keep[min(k + 1, len(keep) - 2)] = False
        x = self.x[keep]
        wide = np.flatnonzero(np.hypot(*np.diff(x, axis=0).T) > LONGEST * self.spacing)
        self.x = np.insert(x, wide + 1, 0.5 * (x[wide] + x[wide + 1]), axis=0)
