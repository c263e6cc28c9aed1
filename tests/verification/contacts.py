"""Small cells in which pieces of metal part and join, on meshes made in the test.

All of them are limited by kinetics, so fronts move evenly: `Sharp` knows when pieces part and join.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fem import Case
from fem.mesh.domain import Domain
from fem.results.result import Result
from fem.run.in_time import InTime
from fem.study.build import build

from .fronts import PER_CHARGE, UM, Array, box
from .sharp import Sharp
from .tracked import Tracked

__all__ = [
    "CELL", "DENSITY", "NO_SURFACE_ENERGY", "SPEED", "bell", "dumbbell", "exact",
    "exact_with_energy", "floating", "plated", "run", "strip",
]

DENSITY = 10.0  # A/m2
SPEED = DENSITY * PER_CHARGE  # of a flat film, m/s
TOP = 6.8  # um, of the free electrolyte of the dumbbell
#: Side over lambda of the crossed squares of a dumbbell. Their cells are lambda/2 wide as a run
#: measures it, by area; those of squares of lambda are 0.76 lambda, which it calls not resolved.
SQUARE = 0.65
LITHIUM = 0.522  # J/m2, its surface energy
#: Table `[growth]` of cells that are compared with `Sharp`, which knows no surface energy.
NO_SURFACE_ENERGY = {"surface_energy": "0 J/m^2"}

#: What all cases share; a host is copper.
CELL: dict[str, Any] = {
    "schema": 1,
    "title": "contact",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "study": "growth",
    "geometry": {"family": "planar", "length": "20 um"},  # asked for; the mesh is given
    "regions": {"host*": {"material": "Cu"}},
    "output": {"figures": False},
}


def run(domain: Domain, folder: Path, width: float, steps: Any, **more: Any) -> Result:
    """Run a case on a mesh, with the tolerances that users have by default.

    Args:
        domain: the mesh.
        folder: of the results.
        width: lambda, um.
        steps: of the protocol.
        more: tables of the case.
    """
    data = json.loads(json.dumps(CELL)) | {"protocol": steps} | more
    data["growth"] = {"interface_width": f"{width} um"} | more.get("growth", {})
    if "host" in domain.regions:  # of a family that has any
        data["geometry"] = {"family": "lamella", "layers": [
            {"name": "plate", "thickness": "2 um", "opening": 0.5, "pitch": "8 um"}]}
    else:
        del data["regions"]
    domain.sidecar |= {"hash": "made in the test"}
    Path(folder).mkdir(parents=True, exist_ok=True)
    simulation = InTime(build(Case.from_dict(data), domain), Path(folder))
    try:
        simulation.check()
        simulation.begin()
        simulation.go()
    finally:
        simulation.close()
    return Result(folder)


def strip(duration: float) -> dict[str, str]:
    """A step at `DENSITY`, s."""
    return {"step": "strip", "current_density": "1 mA/cm^2", "duration": f"{duration} s"}


def plated(duration: float) -> dict[str, str]:
    """A plating step; see `strip`."""
    return strip(duration) | {"step": "plate"}


def bell(neck: float = 0.4) -> Callable[[Array], Array]:
    """Level of a layer, a neck and a head: half of them beside a mirror plane or around an axis.

    Args:
        neck: half its width, um.
    """
    def level(x: Array) -> Array:
        X, Y = x / UM
        stem, head = np.minimum(neck - X, 4 - Y), np.minimum(1.2 - X, np.minimum(Y - 3, 5.4 - Y))
        return np.maximum(1.5 - Y, np.maximum(stem, head))

    return level


def exact(neck: float = 0.4, *, axisymmetric: bool = False) -> tuple[float, float]:
    """Time at which a sharp neck parts, s, and the dead charge then, C/m2 of the cell (by EDT)."""
    sharp = Sharp.of(bell(neck), (0, 0), (2 * UM, TOP * UM), 0.01 * UM, axisymmetric=axisymmetric)
    area = np.pi * (2 * UM) ** 2 if axisymmetric else 2 * UM
    way, head = -neck * UM, (0.0, 4.2 * UM)
    time = (sharp.volume() - sharp.volume(way)) / (SPEED * area)
    dead = sharp.volume(way, sharp.piece(head, way - 0.002 * UM)) / (PER_CHARGE * area)
    return time, dead


def exact_with_energy(
    neck: float = 0.4, *, axisymmetric: bool = False, energy: float = LITHIUM,
    spacing: float = 0.01,
) -> tuple[float, float]:
    """Answer of `exact` with surface energy (J/m2), by markers on the front (um apart)."""
    corners = ((0, 5.4), (1.2, 5.4), (1.2, 3), (neck, 3), (neck, 1.5), (2, 1.5))
    front = Tracked.along(
        UM * np.array(corners), spacing * UM, energy, axisymmetric=axisymmetric)
    return front.strip_through(DENSITY)


def dumbbell(
    folder: Path, width: float, steps: Any, *, neck: float = 0.4, axisymmetric: bool = False,
    **more: Any,
) -> Result:
    """The metal of `bell` in a cell 2 um wide; cells of lambda/2 up to 6.8 um, wider above."""
    side = SQUARE * width
    fine, rise = round(TOP / side), 10 / 6 / side  # rows of squares; how much taller those above

    def bend(x: Array) -> Array:
        above = np.maximum(x[:, 1] - TOP * UM, 0.0)
        return x + (rise - 1) * above[:, None] * (0, 1, 0)

    domain = box((0, 0), (2 * UM, (TOP + 6 * side) * UM), (round(2 / side), fine + 6), bend=bend,
                 axisymmetric=axisymmetric)
    given = {
        "expression": "y + max(1.5e-6 - y, min(n - x, 4e-6 - y), "
        "min(1.2e-6 - x, y - 3e-6, 5.4e-6 - y))",
        "unit": "m", "n": f"{neck} um",
    }
    return run(domain, folder, width, steps, initial={"metal_layer": given}, **more)


def floating(
    folder: Path, width: float, steps: Any, *, low: float = 6.0, high: float = 8.0,
    cell: float = 4.0, half: float = 2.0, top: float = 12.0, side: float | None = None, **more: Any,
) -> Result:
    """A copper plate that floats over a bare foil, beside a mirror plane; no wall has a barrier.

    Args:
        folder: of the results.
        width: lambda, um.
        steps: of the protocol.
        low: of the plate, um.
        high: of it, um.
        cell: width, um.
        half: width of the plate, um.
        top: of the cell, um.
        side: of the squares of the mesh, um; lambda if it is not given.
        more: tables of the case.
    """
    def solid(x: Array) -> Array:
        return (x[0] < half * UM) & (x[1] > low * UM) & (x[1] < high * UM)

    side = side or width
    domain = box((0, 0), (cell * UM, top * UM), (round(cell / side), round(top / side)), host=solid)
    bare = [{"surface": name, "eta_nuc": "0 V"} for name in ("host*", "collector")]
    return run(domain, folder, width, steps, kinetics=bare, **more)
