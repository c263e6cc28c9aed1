"""Family `tpms`: hosts that follow a triply periodic minimal surface, as a network or a sheet.

Gyroid, Schwarz's primitive and diamond surfaces in their usual trigonometric form. A network fills
one side of the surface, a sheet a layer around it with pores on both sides. 2D is a plane cut.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from fem.values.units import shown_length
from geometries.builders import lattice_host
from geometries.builders.lattice_host import Lengths, OnLattice, Shares
from geometries.meshing import levelset
from geometries.meshing.mesh import Built, Floats
from geometries.meshing.parameters import Length, Names

#: Area of the minimal surface in a unit cell of side 1 (Schwarz, Schoen; checked in the tests).
UNIT_CELL_AREA = {"gyroid": 3.0915, "primitive": 2.3451, "diamond": 3.8378}
#: Default place of a plane cut, in unit cells: the pores of a network lead through it.
CUT_POSITION = {"gyroid": 0.0, "primitive": 0.25, "diamond": 0.0}


#: Porosities at which the pores lead through and, in 3D, the solid is one body. A plane cut of a
#: primitive or diamond sheet closes all pores.
POROSITY_RANGE = {
    ("gyroid", "network", 2): (0.35, 0.85), ("gyroid", "network", 3): (0.3, 0.85),
    ("primitive", "network", 2): (0.6, 0.85), ("primitive", "network", 3): (0.3, 0.75),
    ("diamond", "network", 2): (0.6, 0.85), ("diamond", "network", 3): (0.3, 0.8),
    ("gyroid", "sheet", 2): (0.45, 0.85), ("gyroid", "sheet", 3): (0.35, 0.85),
    ("primitive", "sheet", 3): (0.5, 0.85), ("diamond", "sheet", 3): (0.4, 0.85),
}


class Tpms(OnLattice):
    """Parameters of a minimal-surface host; in addition to those of all hosts on a lattice.

    Attributes:
        surface: "gyroid", "primitive" (Schwarz P) or "diamond" (Schwarz D).
        kind: "network" or "sheet".
        unit_cell: period of the surface; the width is best a multiple of it.
        porosity: one or several values from the collector upwards; the mean is delivered +- 0.01.
            Pores lead through in gyroids of 0.35 to 0.85, sheets 0.45 to 0.85 (3D 0.3 to 0.85,
            0.35 to 0.85), primitives of 0.6 to 0.85 (3D 0.3 to 0.75, sheets 0.5 to 0.85) and
            diamonds of 0.6 to 0.85 (3D 0.3 to 0.8, sheets 0.4 to 0.85). Sheets take
            `wall_thickness` in its place.
        wall_thickness: of a sheet, one or several values, 0.08 to 0.4 of the unit cell.
        coating: thickness of a region `coating_<layer>` on the pore walls, inside the solid, one
            or several values; at least 1.5 `size` / 2^`refine`.
        cut: 2D: place of the cut along the second axis in unit cells, 0 to 1; default one where
            pores lead through.
        size: default a sixteenth of the unit cell, finer where walls or coating are thin.
    """

    surface: Literal["gyroid", "primitive", "diamond"] = "gyroid"
    kind: Literal["network", "sheet"] = "network"
    unit_cell: Length
    porosity: Shares | None = None
    wall_thickness: Lengths | None = None
    coating: Lengths | None = None
    cut: Annotated[float, Field(ge=0.0, le=1.0)] | None = None

    def _faults(self) -> list[str]:
        if wrong := super()._faults():
            return wrong
        if (self.porosity is None) == (self.wall_thickness is None):
            wrong.append("porosity: give either porosity or wall_thickness")
        if self.wall_thickness and self.kind == "network":
            wrong.append("wall_thickness: only of a sheet; a network has a porosity")
        low, high = POROSITY_RANGE.get((self.surface, self.kind, self.dimension), (1.0, 0.0))
        if low > high:
            wrong.append(f"kind: a plane cut closes all pores of a {self.surface} sheet; take the "
                         "gyroid or dimension = 3")
        wrong += [f"porosity: {e:g} lies outside {low:g} to {high:g} of a {self.surface} "
                  f"{self.kind} in {self.dimension}D"
                  for e in self.porosity or () if low < high and not low <= e <= high]
        wrong += [f"wall_thickness: {shown_length(w)} lies outside 0.08 to 0.4 of the unit cell"
                  for w in self.wall_thickness or ()
                  if not 0.08 <= w / self.unit_cell <= 0.4]
        if self.coating and self.wall_thickness:
            wrong.append("coating: give porosity instead of wall_thickness with it")
        if wrong:
            return wrong
        lattice_host.check_coating(self.coating, self.spacing() / 2**self.refine)
        self.budget(self.spacing())
        return []

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        return self.porous_names("tpms", self.coating)

    def spacing(self) -> float:
        """Spacing of the lattice in m."""
        if self.size:
            return self.size
        thin = [self.unit_cell / 16]
        if self.kind == "sheet":
            thickest = 1 - max(self.porosity or (0.0,))
            area = UNIT_CELL_AREA[self.surface]
            sheet = min(self.wall_thickness or (thickest * self.unit_cell / area,))
            thin.append(0.8 * sheet)
        return min([*thin, *(0.6 * 2**self.refine * t for t in self.coating or ())])


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
    cut = CUT_POSITION[p.surface] if p.cut is None else p.cut

    def function(points: Floats) -> Floats:
        x, z = turn * points[:, 0], turn * points[:, -1]
        y = turn * points[:, 1] if p.dimension == 3 else np.full(len(x), 2 * np.pi * cut)
        if p.surface == "gyroid":
            out = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
        elif p.surface == "primitive":
            out = np.cos(x) + np.cos(y) + np.cos(z)
        else:
            out = np.cos(x) * np.cos(y) * np.cos(z) - np.sin(x) * np.sin(y) * np.sin(z)
        return out

    return function
