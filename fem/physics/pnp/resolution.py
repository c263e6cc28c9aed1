"""Mesh and Debye length: refused where no layer would be seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.compat import MPI, cell_vertices
from fem.mesh.domain import Domain
from fem.physics.pnp.space_charge import SpaceCharge, SurfaceCharge
from fem.physics.pnp.table import CELLS_PER_DEBYE, MOST_NODES
from fem.setup.electrode import Electrode
from fem.system.part import Observer
from fem.system.system import System
from fem.values.units import shown_length

__all__ = ["Resolution"]

Place = Electrode | SurfaceCharge
#: Cells at strongly charged walls in Gouy and Chapman's length: at 1.4 cells of a length ions at
#: the wall are 14 % too few, an error of second order.
CELLS_PER_STRONG = 2.0


class Resolution(Observer):
    """Cells at electrodes and charged walls against the Debye length of the start.

    Args:
        model: whose walls are meant.
    """

    needs: tuple[str, ...] = ("ions",)

    def __init__(self, model: SpaceCharge):
        self.model = model

    def declare(self, s: System) -> None:
        """Compare both lengths (collective).

        Raises:
            CaseError: the Debye length lies below the mesh, or the mesh is too large.
        """
        model = self.model
        places: tuple[Place, ...] = (*model.electrodes, *model.surface)
        walls, faces = [w for e in places for w in e.walls], [f for e in places for f in e.faces]
        self.height = cell_height(s.domain, walls, faces)
        self.domain = s.domain
        self.strong = [*self._coarse((entry, entry.density) for entry in model.surface)]
        nodes = s.domain.mesh.geometry.index_map().size_global
        self.held = [*self._fixed()]
        debye, high = shown_length(model.debye, 3), shown_length(self.height, 3)
        if nodes > MOST_NODES:
            raise CaseError(
                f"electrolyte_model.model: 'pnp': the mesh has {nodes:.2g} nodes, {MOST_NODES:.0e} "
                f"allowed: cells of {high} at walls for a Debye length of {debye}, in a cell of "
                f"{shown_length(model.length, 3)}; take a smaller cell, or model = 'ions'"
            )
        if self.height > model.debye:
            raise CaseError(
                f"electrolyte_model.model: 'pnp': cells at electrodes or charged walls measure up "
                f"to {high}, above the Debye length, {debye}: no layer would be seen; refine them "
                f"to {shown_length(model.debye / CELLS_PER_DEBYE, 3)}, or take model = 'ions'"
            )

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Cells that are larger than layers ask for."""
        debye = self.model.debye
        if not closely and self.height > 1.2 * debye / CELLS_PER_DEBYE:
            yield "debye", (
                f"pnp: cells at electrodes or charged walls measure up to "
                f"{shown_length(self.height, 3)}, above a fifth of the Debye length, "
                f"{shown_length(debye, 3)}: layers are seen coarsely; compare with "
                "`hostplate converge`"
            )
        if not closely:
            yield from ((text, text) for text in self.held)
        for text in self.strong if not closely else self._coarse(
            found for layers in self.model.layers for found in layers.densities()
        ):
            yield text, text

    def _fixed(self) -> Iterator[str]:
        """Cells too large for the layers where charge that is fixed begins (collective)."""
        domain, model = self.domain, self.model
        for name, liquid in model.liquids.items():
            if not liquid.fixed:
                continue
            ends = [w for w in domain.walls if name in w]
            both = sorted({*ends, *(w[::-1] for w in ends)})
            height = cell_height(domain, [w for w in both if w in domain.walls], ())
            debye = model.debye_of(name)
            if height > 1.2 * debye / CELLS_PER_DEBYE:
                yield (
                    f"pnp: cells at the ends of region {name!r} measure up to "
                    f"{shown_length(height, 3)}, above a fifth of {shown_length(debye, 3)}, the "
                    f"Debye length with the ions that its charge of {liquid.fixed:.3g} C/m^3 "
                    "holds: layers there are seen coarsely; "
                    f"refine them to {shown_length(debye / CELLS_PER_DEBYE, 3)}"
                )

    def _coarse(self, charges: Iterable[tuple[Place, float]]) -> Iterator[str]:
        """Cells too large for the layer of a charge, C/m2, at each place (collective)."""
        for place, density in charges:
            height = cell_height(self.domain, place.walls, place.faces)
            depth = self.model.gouy_chapman(density) if density else np.inf
            if height > depth / CELLS_PER_STRONG:
                on = next(iter((*place.walls, *place.faces)))[0]
                yield (
                    f"pnp: cells at {on!r} measure up to {shown_length(height, 3)}, above half of "
                    f"{shown_length(depth, 3)}, the depth of the layer of {density:.3g} C/m^2 "
                    "(Gouy and Chapman's length, 2 eps RT/(F sigma)): ions at the wall are "
                    f"seen too few; refine them to {shown_length(depth / CELLS_PER_STRONG, 3)}"
                )


def cell_height(domain: Domain, walls: Any, faces: Any) -> float:
    """Largest height of a cell over its facet on these walls and faces, m (collective)."""
    found = domain.facets(walls, faces)
    cells, local = found.T
    x = domain.mesh.geometry.x[cell_vertices(domain.mesh)[cells]][..., : domain.dim]
    slopes = np.linalg.inv(x[:, 1:] - x[:, :1])  # columns: gradients of all hats but the first
    slopes = np.concatenate([-slopes.sum(axis=2, keepdims=True), slopes], axis=2)
    opposite = slopes[np.arange(len(cells)), :, local]
    height = 1.0 / np.sqrt((opposite**2).sum(axis=1))
    return domain.comm.allreduce(float(height.max(initial=0.0)), op=MPI.MAX)
