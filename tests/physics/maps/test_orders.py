"""Order of phi against a manufactured solution, with permittivity and charge that vary in space.

    phi = y/H + a sin(pi y/H) cos(pi x/W),  eps = eps_0 e (1 + y/H),  rho = -div(eps grad phi)

Sides are insulated; in 3D y is z.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.constants import EPSILON_0
from tests.physics.maps.drawn import case, driven

H, W, A, E = 10e-6, 5e-6, 0.3, 10.0


def table(up: str) -> dict[str, Any]:
    """Permittivity and charge of the manufactured solution; `up` is the name of the height."""
    constants = {"H": "10 um", "W": "5 um", "e": f"{EPSILON_0 * E!r} C/V/m"}
    sine, cosine = f"sin(pi*{up}/H)", f"cos(pi*{up}/H)"
    across = "cos(pi*x/W)"
    bend = f"{A}*((pi/H)^2 + (pi/W)^2)*{sine}*{across}*(1 + {up}/H)"
    slope = f"(1/H + {A}*pi/H*{cosine}*{across})/H"
    rho = {"expression": f"e*({bend} - {slope})", "unit": "C/m^3", **constants}
    eps = {"expression": f"{E}*(1 + {up}/H)", "unit": "", "H": "10 um"}
    return driven(regions={"electrolyte": {"eps_r": eps, "rho": rho}})


def error(folder: Path, n: int, dimension: int) -> float:
    """Root mean square error of phi at the nodes, V."""
    up = "z" if dimension == 3 else "y"
    size = {"size": f"{10 / n} um", "width": "5 um", "size_width": f"{10 / n} um"}
    size |= {"breadth": f"{10 / n} um"} if dimension == 3 else {}
    geometry = {"family": "planar", "dimension": dimension, "length": "10 um", **size}
    result = case(None, table(up), geometry=geometry).run(folder)
    points = result.points("map")
    x, y = points[:, 0], points[:, dimension - 1]
    exact = y / H + A * np.sin(np.pi * y / H) * np.cos(np.pi * x / W)
    return float(np.sqrt(np.mean((result.array("phi") - exact) ** 2)))


@pytest.mark.parametrize(("dimension", "sizes"), [(2, (8, 16, 32)), (3, (8, 16, 32))])
def test_second_order(tmp_path: Path, dimension: int, sizes: tuple[int, ...]) -> None:
    errors = [error(tmp_path / str(n), n, dimension) for n in sizes]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 1.8).all(), orders
