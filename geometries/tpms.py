"""Family `tpms`: hosts that follow a triply periodic minimal surface, as a network or a sheet.

Gyroid, Schwarz's primitive and diamond surfaces in their usual trigonometric form. A network fills
one side of the surface, a sheet a layer around it with pores on both sides. 2D is a plane cut.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from geometries import lattice_host, levelset
from geometries.lattice_host import Lengths, OnLattice, Shares
from geometries.mesh import Built, Floats
from geometries.parameters import Length

RANGE = {"network": (0.3, 0.85), "sheet": (0.3, 0.9)}
"""Porosities that every surface allows with pores and solid in one piece each."""


class Tpms(OnLattice):
    """Parameters of a minimal-surface host; in addition to those of all hosts on a lattice.

    Attributes:
        surface: "gyroid", "primitive" (Schwarz P) or "diamond" (Schwarz D).
        kind: "network" or "sheet".
        unit_cell: period of the surface; the width is best a multiple of it.
        porosity: 0.3 to 0.85 (network) or 0.9 (sheet), one or several values from the collector
            upwards; the mean is delivered +- 0.01. Or give
        wall_thickness: of a sheet, one or several values, 0.05 to 0.4 of the unit cell.
        coating: thickness of a region `coating_<layer>` on the pore walls, inside the solid, one
            or several values; at least 1.5 `size`.
        cut: 2D: place of the cut along the second axis in unit cells, 0 to 1.
        size: default a sixteenth of the unit cell, finer where walls or coating are thin.
    """

    surface: Literal["gyroid", "primitive", "diamond"] = "gyroid"
    kind: Literal["network", "sheet"] = "network"
    unit_cell: Length
    porosity: Shares | None = None
    wall_thickness: Lengths | None = None
    coating: Lengths | None = None
    cut: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> Tpms:
        wrong = []
        if (self.porosity is None) == (self.wall_thickness is None):
            wrong.append("porosity: give either it or wall_thickness")
        if self.wall_thickness and self.kind == "network":
            wrong.append("wall_thickness: only of a sheet; a network has a porosity")
        low, high = RANGE[self.kind]
        wrong += [f"porosity: {e:g} lies outside {low:g} to {high:g} of a {self.kind}"
                  for e in self.porosity or () if not low <= e <= high]
        wrong += [f"wall_thickness: {w:g} m lies outside 0.05 to 0.4 of the unit cell"
                  for w in self.wall_thickness or ()
                  if not 0.05 <= w / self.unit_cell <= 0.4]
        if self.coating and self.wall_thickness:
            wrong.append("coating: give porosity instead of wall_thickness with it")
        if wrong:
            raise ValueError("\n  ".join(wrong))
        lattice_host.check_coating(self.coating, self.spacing())
        self.budget(self.spacing())
        return self

    def spacing(self) -> float:
        """Spacing of the lattice in m."""
        thin = min(self.wall_thickness or (self.unit_cell,))
        thin = min(thin, 1.25 * min(self.coating or (self.unit_cell,)))
        return self.size or min(self.unit_cell / 16, thin / 2)


def build(p: Tpms) -> Built:
    """The tagged mesh.

    Raises:
        CaseError: the porosity cannot be delivered, or the pores do not lead through.
    """
    surface = _function(p)

    def sheet(points: Floats) -> Floats:
        return np.abs(surface(points))

    size = p.spacing()
    if p.porosity:
        return lattice_host.porous(p, "tpms", size, sheet if p.kind == "sheet" else surface,
                                   p.porosity, coating=p.coating)
    walls = p.wall_thickness
    assert walls is not None

    def field(points: Floats) -> Floats:
        distance = np.abs(surface(points)) / lattice_host.steepness(surface, points, 1e-3 * size)
        depth = distance - lattice_host.at_height(walls, points[:, -1] / p.top) / 2
        return np.column_stack([-depth, depth])

    layers = p.host_layers("tpms")
    mesh = lattice_host.host_mesh(p, layers, size, field, ["electrolyte_{}", "host_{}"])
    return lattice_host.finished(mesh, layers, "tpms")


def _function(p: Tpms) -> levelset.Field:
    """The surface's function, zero on it; its value has no unit."""
    turn = 2 * np.pi / p.unit_cell

    def function(points: Floats) -> Floats:
        x, z = turn * points[:, 0], turn * points[:, -1]
        y = turn * points[:, 1] if p.dimension == 3 else np.full(len(x), 2 * np.pi * p.cut)
        if p.surface == "gyroid":
            out = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
        elif p.surface == "primitive":
            out = np.cos(x) + np.cos(y) + np.cos(z)
        else:
            out = np.cos(x) * np.cos(y) * np.cos(z) - np.sin(x) * np.sin(y) * np.sin(z)
        return out

    return function
