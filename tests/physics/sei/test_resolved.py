"""Films as regions: mosaics between their bounds, and thin layers against a film resistance."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case, CaseError
from fem.run.session import run
from geometries.meshing.gmsh_session import session
from tests.physics.maps.drawn import graded
from tests.verification.cells import PLAIN, case, kinetics, overpotential

KAPPA = {"a": 1e-7, "b": 1e-9}  # S/m
#: Lower left, lower right, upper left, upper right.
MOSAICS = {"parallel": "abab", "series": "aabb", "checkerboard": "abba"}
#: Effective conductivities, S/m; that of the checkerboard is Dykhne's, the geometric mean.
KNOWN = {"parallel": 5.05e-8, "series": 1.98019802e-9, "checkerboard": 1e-8}


def quarters(file: Path, pattern: str, least: float, share: float) -> Path:
    """Four quarters of squares of 1 um around their common corner, cells as fine as `least` there.

    At the corner currents run to infinity like r^(a - 1), a = (4/pi) atan(0.1) = 0.127 at a
    contrast of 100, so that an even mesh of h would err by h^(2 a).
    """
    with session() as gmsh:
        occ = gmsh.model.occ
        corners = [(-0.5, -0.5), (0.0, -0.5), (-0.5, 0.0), (0.0, 0.0)]
        squares = [(2, occ.addRectangle(x, y, 0, 0.5, 0.5)) for x, y in corners]
        occ.fragment(squares[:1], squares[1:])
        occ.synchronize()
        groups: dict[str, list[int]] = {}
        for _, tag in gmsh.model.getEntities(2):
            x, y, _ = occ.getCenterOfMass(2, tag)
            groups.setdefault(f"sei_{pattern[(x > 0) + 2 * (y > 0)]}", []).append(tag)
        for number, (name, tags) in enumerate(sorted(groups.items()), 1):
            gmsh.model.addPhysicalGroup(2, tags, number, name)
        lines = {t: occ.getCenterOfMass(1, t)[1] for _, t in gmsh.model.getEntities(1)}
        for number, (name, y) in enumerate({"collector": -0.5, "counter": 0.5}.items(), 11):
            on = [t for t, middle in lines.items() if abs(middle - y) < 1e-6]
            gmsh.model.addPhysicalGroup(1, on, number, name)
        graded(gmsh, f"{least} + {share}*sqrt(x*x + y*y)")
        gmsh.write(str(file))
    return file


def conductivity(folder: Path, name: str, least: float = 1e-7, share: float = 0.15) -> float:
    """Effective conductivity of a mosaic, S/m, from the map of its current."""
    film = {"kind": "solid", "sigma": "0 S/m"}
    mesh = quarters(folder / f"{name}.msh", MOSAICS[name], least, share)
    data = {
        "schema": 1, "title": name, "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
        "study": "map", "output": {"figures": False}, "mesh": {"file": str(mesh), "unit": "um"},
        "materials": {n: film | {"kappa": f"{k} S/m"} for n, k in KAPPA.items()},
        "regions": {f"sei_{n}": {"material": n} for n in KAPPA},
        "map": {"kind": "conduction",
                "boundaries": {"collector": {"phi": "0 V"}, "counter": {"phi": "1 V"}}},
    }  # fmt: skip
    said = run(Case.from_dict(data), folder / name).summary
    return float(abs(said["flux"]["counter"]))


@pytest.mark.parametrize("name", ["parallel", "series"])
def test_bounds_of_a_mosaic(tmp_path: Path, name: str) -> None:
    """Laminates along and across the current: the bounds of all mosaics of two halves."""
    found = conductivity(tmp_path, name, least=0.1, share=0.0)
    print(name, found)
    assert found == pytest.approx(KNOWN[name], rel=1e-8)


@pytest.mark.full
def test_checkerboard(tmp_path: Path, reached: Callable[..., None]) -> None:
    """Two phases that may be exchanged conduct as their geometric mean."""
    found = conductivity(tmp_path, "checkerboard", 1e-12, 0.06)
    reached("effective conductivity of a checkerboard over Dykhne's, less 1",
            abs(found / KNOWN["checkerboard"] - 1.0), most=5e-3)


def held(geometry: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """A secondary distribution at 10 mV, electrodes that hardly resist."""
    fast = [kinetics(n, 1e7, law="linear") for n in ("collector", "counter")]
    data = case(**{
        "study": "secondary", "materials": {"ideal": PLAIN}, "kinetics": fast,
        "protocol": [{"step": "hold", "voltage": "-10 mV", "duration": "1 s"}],
    } | changes)
    if geometry is None:
        del data["geometry"]
    else:
        data["geometry"] = geometry
    return data


def test_a_resolved_layer_resists_as_a_film(tmp_path: Path) -> None:
    """A region of thickness t and the film of R = t/kappa drop the same, and metal plates inside.

    The electrolyte is t shorter where the layer stands in it. The layer is a crystal, which
    conducts across as the film does and along it much better.
    """
    layers = [{"region": "sei_inner", "thickness": "0.2 um", "cells": 4},
              {"region": "electrolyte", "thickness": "50 um", "cells": 20}]  # fmt: skip
    stack = {"family": "laminate", "width": "5 um", "size_width": "5 um"}
    film = {"kind": "solid", "sigma": "0 S/m", "kappa": "4e-4 S/m"}
    crystal = {"sei_inner": {"material": "film", "kappa_along": [7.0, 0.5]}}
    resolved = held(stack | {"layers": layers}, materials={"ideal": PLAIN, "film": film},
                    regions=crystal)
    with pytest.raises(CaseError, match=r"kappa_along: 3 numbers; the mesh is in 2D: give 2"):
        crystal = {"sei_inner": {"material": "film", "kappa_along": [7.0, 0.5, 1.0]}}
        run(Case.from_dict(resolved | {"regions": crystal}), tmp_path / "wrong")
    as_film = held(stack | {"layers": layers[1:]}, sei=[{
        "on": "collector", "law": "reaction", "data": "SEI_Li", "L0": "0.2 um",
        "resistivity": "5e3 ohm*m", "j0": "1e-12 A/m^2",
    }])  # fmt: skip
    found = [run(Case.from_dict(data), tmp_path / str(k)).summary["current_density"]
             for k, data in enumerate((resolved, as_film))]
    print(found)
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    contacts = 2 * 0.0256926 / 1e7
    assert found[0] == pytest.approx(-0.01 / (1e-3 + 50e-6 / 1.0 + contacts), rel=1e-6)


def test_a_resolved_layer_in_time(tmp_path: Path) -> None:
    """Layer and film while salt moves: metal plates under the layer, whose ions are those of c0."""
    layers = [{"region": "sei_inner", "thickness": "0.2 um", "cells": 4},
              {"region": "electrolyte", "thickness": "50 um", "cells": 20}]  # fmt: skip
    stack = {"family": "laminate", "width": "5 um", "size_width": "5 um"}
    film = {"kind": "solid", "sigma": "0 S/m", "kappa": "2e-4 S/m"}
    more = {"study": "tertiary", "kinetics": [kinetics(n, 10.0) for n in ("collector", "counter")],
            "protocol": [{"step": "plate", "current_density": "100 A/m^2", "duration": "2 s"}]}
    resolved = held(stack | {"layers": layers}, materials={"ideal": PLAIN, "film": film},
                    regions={"sei_inner": {"material": "film"}}, **more)
    as_film = held(stack | {"layers": layers[1:]}, sei=[{
        "on": "collector", "law": "reaction", "data": "SEI_Li", "L0": "0.2 um",
        "resistivity": "5e3 ohm*m", "j0": "1e-12 A/m^2",
    }], **more)  # fmt: skip
    region, wall = (run(Case.from_dict(data), tmp_path / str(k)).summary
                    for k, data in enumerate((resolved, as_film)))
    assert region["plated"] == pytest.approx(200.0, rel=1e-9)
    assert region["c_min"] == pytest.approx(wall["c_min"], rel=1e-6)
    slower = overpotential(100.0, 10.0 * np.sqrt(wall["c_min"] / 1000.0))
    gap = slower - overpotential(100.0, 10.0)  # the film's wall sees the salt
    assert region["voltage"] - wall["voltage"] == pytest.approx(gap, rel=1e-2)


def corrugated(file: Path, amplitude: float, wavelength: float, length: float, h: float) -> Path:
    """Half a wave of a corrugated collector under electrolyte, in micrometres."""
    x = np.linspace(0.0, 0.5 * wavelength, 65)
    y = amplitude * np.cos(2 * np.pi * x / wavelength)
    with session() as gmsh:
        geo = gmsh.model.occ
        wave = [geo.addPoint(*p, 0.0) for p in zip(x, y, strict=True)]
        top = [geo.addPoint(x[-1], length, 0.0), geo.addPoint(0.0, length, 0.0)]
        floor = [geo.addLine(a, b) for a, b in itertools.pairwise(wave)]
        around = [geo.addLine(a, b) for a, b in (
            (wave[-1], top[0]), (top[0], top[1]), (top[1], wave[0]))]
        face = geo.addPlaneSurface([geo.addCurveLoop([*floor, *around])])
        geo.synchronize()
        gmsh.model.addPhysicalGroup(2, [face], 1, "electrolyte")
        gmsh.model.addPhysicalGroup(1, floor, 11, "collector")
        gmsh.model.addPhysicalGroup(1, [around[1]], 12, "counter")
        graded(gmsh, f"{h} + 0.1*abs(y)")
        gmsh.write(str(file))
    return file


@pytest.mark.full
@pytest.mark.parametrize(("R", "known"), [
    (0.0, 0.062832), (1e-6, 0.038587), (1e-5, 0.008627), (1e-4, 0.000984),
])  # fmt: skip
def test_a_film_evens_a_corrugation(
    tmp_path: Path, reached: Callable[..., None], R: float, known: float
) -> None:
    """Excess on crests of 0.1 um, 10 um apart: A k coth(kL)/(1 + kappa R k coth(kL))."""
    mesh = corrugated(tmp_path / "wave.msh", 0.1, 10.0, 50.0, 0.08)
    film = {"on": "collector", "law": "reaction", "data": "SEI_Li", "L0": "10 nm",
            "resistivity": f"{R / 10e-9!r} ohm*m", "j0": "1e-15 A/m^2"}
    data = held(None, mesh={"file": str(mesh), "unit": "um"}, sei=[film])
    result = run(Case.from_dict(data), tmp_path / "r")
    x, i_n = result.points("walls"), result.array("i_n", block="walls")
    on = x[:, 1] < 0.11e-6
    order = np.argsort(x[on, 0])
    crest, trough = i_n[on][order[[0, -1]]]
    excess = (crest - trough) / (crest + trough)
    reached(f"excess of current on a crest under {R:g} ohm m2 over the series, less 1",
            abs(excess / known - 1.0), most=2e-2)
