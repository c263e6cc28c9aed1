"""Warnings of growing metal: cells too wide for its front, films thinner than it, separators."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fem.compat import MPI
from fem.physics.metal.metal import Metal
from fem.system.part import Begun, Observer, Warn
from fem.values.units import shown_length, shown_point

__all__ = ["Resolution"]

#: Size of a cell over lambda above which a front is not resolved; all cells of a mesh of lambda/2
#: are below it.
MAX_CELL_WIDTH = 0.75
#: Shares of its area that a film's front may lack when it is stripped, and that it must have to be
#: metal at all.
MAX_LACK, MIN_AREA = 0.05, 0.05


class Resolution(Observer):
    """Looks at the mesh where metal may start and where its front is, and at thin films.

    Args:
        metal: that grows.
        starts: surfaces on which metal may start, with their `walls` and `faces`.
    """

    needs: tuple[str, ...] = ("xi", "ions")

    def __init__(self, metal: Metal, starts: Sequence[Any]):
        self.metal, self.starts, self.stripped = metal, starts, 0.0

    def impose(self, begun: Begun) -> None:
        """Note how much metal there is where a step begins to strip it (collective)."""
        strips = begun.segment.name == "strip" and begun.t >= self.s.t
        self.stripped = self.s.extrema("xi")[1] if strips else 0.0

    def events(self) -> Iterator[Warn]:
        """A film that is stripped and has less front than it has area.

        xi at the wall of a film of thickness b is 1 - exp(-b/lambda), and so is the area of its
        front. A wall that plates makes up for the rest; none dissolves.
        """
        area, self.stripped = self.stripped, 0.0
        if MIN_AREA < area < 1.0 - MAX_LACK:
            width = self.metal.interface_width
            thick = -width * math.log1p(-area)
            yield Warn("thin", (
                f"t = {self.s.t:.6g} s: the metal that is stripped is {shown_length(thick, 2)} "
                f"thick or less, interface_width {shown_length(width, 3)}: its front has "
                f"{area:.2g} of its area and takes the voltage of {1 / area:.2g} times the "
                "current, and of more as it gets thinner; take an interface_width of a quarter of "
                "the thickness, or study = \"tertiary\", where walls carry the metal"
            ), once=True)

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Warnings of the mesh, and at the end of the run of the metal, too (collective)."""
        yield from self._wide_cells(walls=not closely)
        if closely:
            yield from self._at_separator()

    def _wide_cells(self, walls: bool) -> Iterator[tuple[str, str]]:
        """Cells that are too wide for a front, where metal may start or where it is now."""
        metal, domain = self.metal, self.s.domain
        xi = self.s.unknowns["xi"]
        nodes, at = xi.space.dofmap.list, xi.value.x.array
        if walls:
            on = np.zeros(len(at))
            on[domain.nodes_on(
                xi.space, xi.part, walls={w for f in self.starts for w in f.walls},
                faces={w for f in self.starts for w in f.faces},
            )] = 1.0  # fmt: skip
            here = on[nodes].any(axis=1)
        else:
            here = np.ptp(at[nodes], axis=1) > 0.1
        x = xi.space.tabulate_dof_coordinates()[nodes[here]][..., : domain.dim]
        measure = np.abs(np.linalg.det(x[:, 1:] - x[:, :1])) / math.sqrt(domain.dim + 1)
        h = math.sqrt(2) * measure ** (1 / domain.dim)  # side of the regular simplex
        worst = domain.comm.allreduce(float(h.max(initial=0.0)), op=MPI.MAX)
        if worst > MAX_CELL_WIDTH * metal.interface_width:
            half = shown_length(0.5 * metal.interface_width, 3)
            yield "front", (
                f"{'where metal may start' if walls else 'the front of the metal'} has cells of "
                f"{shown_length(worst, 3)}, above interface_width/2 = {half}: it is not "
                f"resolved; take geometry sizes (size, size_wall) of {half}, or a larger "
                "growth.interface_width"
            )

    def _at_separator(self) -> Iterator[tuple[str, str]]:
        """Metal that lies on a region that ions pass and metal does not."""
        domain, pores = self.s.domain, {*self.metal.regions}
        xi, others = self.s.unknowns["xi"], {*self.s["ions"].regions} - pores
        touching = [
            domain.nodes_on(xi.space, xi.part, walls=[wall], side="-" if wall[0] in others else "+")
            for wall in domain.walls if others & {*wall} and pores & {*wall}
        ]
        nodes = np.unique(np.concatenate([*touching, np.empty(0, dtype=np.int32)]))
        nodes = nodes[xi.value.x.array[nodes] >= 0.5]
        places = xi.space.tabulate_dof_coordinates()[nodes][:, : domain.dim].tolist()
        found = [place for rank in domain.comm.allgather(sorted(places)[:1]) for place in rank]
        if found:
            yield "separator", (
                f"metal lies on a separator, at {shown_point(min(found))} and elsewhere: "
                "there it stops, and no current passes from one to the other, while real metal "
                "may grow on through the pores of the separator"
            )
