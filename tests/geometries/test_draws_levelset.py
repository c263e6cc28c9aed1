"""Draws from the documented ranges of the families on a lattice: built, or refused with a reason.

At least 95 of 100 must be built, with the porosity asked, sound cells and pores that lead through.
"""

from __future__ import annotations

import importlib
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.errors import CaseError
from fem.values.units import parse_quantity
from geometries.meshing.mesh import quality
from geometries.registry import resolve

DRAWS = 200
Drawn = dict[str, Any]


def um(value: float) -> str:
    return f"{value:.4g} um"


def profile(rng: np.random.Generator, low: float, high: float) -> Any:
    """One value, or two within a fifth of the range."""
    value = rng.uniform(low, high)
    if rng.random() < 0.6:
        return float(value)
    other = np.clip(value + 0.2 * (high - low) * rng.uniform(-1, 1), low, high)
    return [float(value), float(other)]


def around(rng: np.random.Generator, unit: float, dim: int) -> Drawn:
    """Gap, separator, and in 2D, where it costs little, refinement."""
    found: Drawn = {"gap": um(0.3 * unit)} if rng.random() < 0.5 else {}
    if rng.random() < 0.15 and dim == 2:
        found["refine"] = 1
    return found | ({"separator": um(rng.uniform(0.3, 1) * unit)} if rng.random() < 0.8 else {})


def tpms(rng: np.random.Generator, folder: Path) -> Drawn:
    from geometries.builders.tpms import POROSITY_RANGE

    dim, unit = int(rng.integers(2, 4)), rng.uniform(4, 60)
    kind = str(rng.choice(["network", "sheet"]))
    surfaces = ["gyroid"] if (dim, kind) == (2, "sheet") else ["gyroid", "primitive", "diamond"]
    surface = str(rng.choice(surfaces))
    count = 1 if dim == 3 else int(rng.integers(1, 4))
    found: Drawn = {
        "dimension": dim, "kind": kind, "unit_cell": um(unit), "width": um(count * unit),
        "surface": surface,
        "thickness": um(unit * (1 if dim == 3 else rng.uniform(1, 3)))}
    if kind == "sheet" and rng.random() < 0.3:
        found["wall_thickness"] = um(unit * rng.uniform(0.1, 0.3))
    else:
        found["porosity"] = profile(rng, *POROSITY_RANGE[surface, kind, dim])
    return {**found, **around(rng, unit, dim), "cells_max": 3_000_000}


def foam(rng: np.random.Generator, folder: Path) -> Drawn:
    from geometries.builders.foam import POROSITY_RANGE

    dim, pore = int(rng.integers(2, 4)), rng.uniform(2, 100)
    kind = str(rng.choice(["opal", "bubbles", "struts", "sponge"]))
    times = rng.uniform(2, 2.2, size=2) if dim == 3 else rng.uniform(3, 8, size=2)
    found: Drawn = {
        "dimension": dim, "kind": kind, "pore_diameter": um(pore), "width": um(times[0] * pore),
        "thickness": um(times[1] * pore), "porosity": profile(rng, *POROSITY_RANGE[kind, dim]),
        "seed": int(rng.integers(2**32))}
    if kind != "opal" and rng.random() < 0.3:
        found["pore_diameter"] = [um(pore), um(pore * rng.uniform(0.7, 1.0))]
    return {**found, **around(rng, pore, dim), "cells_max": 3_000_000}


def image(rng: np.random.Generator, folder: Path) -> Drawn:
    from scipy.ndimage import gaussian_filter

    dim = int(rng.integers(2, 4))
    shape = rng.integers(40, 90, size=2) if dim == 2 else rng.integers(14, 24, size=3)
    noise = gaussian_filter(rng.random(tuple(shape)), rng.uniform(2, 3))
    porosity = rng.uniform(0.65 if dim == 2 else 0.4, 0.85)
    labels = (noise > np.quantile(noise, porosity)).astype(np.uint8)
    if rng.random() < 0.5:
        other = gaussian_filter(rng.random(tuple(shape)), 3)
        labels[(labels == 1) & (other > np.median(other))] = 2
    file = folder / f"{rng.integers(2**60)}.npy"
    np.save(file, labels)
    return {"file": str(file), "voxel": um(rng.uniform(0.1, 5)),
            "coarsen": float(rng.uniform(0.7, 1.5)), "smooth": float(rng.uniform(0.4, 1.0)),
            "regions": {0: "electrolyte", 1: "host_a", 2: "host_b"}, **around(rng, 10, dim)}


def grains(rng: np.random.Generator, folder: Path) -> Drawn:
    dim, grain = int(rng.integers(2, 4)), rng.uniform(0.5, 50)
    times = rng.uniform(1.5, 2.5, size=2) if dim == 3 else rng.uniform(2, 6, size=2)
    width, height = times * grain
    found: Drawn = {"dimension": dim, "grain_diameter": um(grain), "width": um(width),
                    "thickness": um(height), "seed": int(rng.integers(2**32))}
    if rng.random() < 0.4:
        found["boundary_width"] = um(grain * rng.uniform(0.15, 0.3))
    if rng.random() < 0.4:
        found["flaws"] = [{
            "kind": str(rng.choice(["notch", "crack"])), "x": um(width * rng.uniform(0.35, 0.6)),
            "depth": um(height * rng.uniform(0.2, 0.8)), "width": um(0.2 * grain),
            "filled": float(rng.uniform(0, 1))}]
    elif rng.random() < 0.5:
        found["contact"] = float(rng.uniform(0.3, 0.95))
    return found


def cad(rng: np.random.Generator, folder: Path) -> Drawn:
    from geometries.inspection.gallery import EXAMPLES, _drawn

    dim = int(rng.integers(2, 4))
    found = _drawn(next(e for e in EXAMPLES["cad"] if e["dimension"] == dim), folder)
    scale = rng.uniform(0.1, 10)
    shift = [um(scale * rng.uniform(-2, 2)) for _ in range(dim - 1)] + [um(0.0)]
    part = found["parts"][0] | {"unit": um(scale), "shift": shift}
    return {"dimension": dim, "width": um(scale * rng.uniform(18, 30)),
            "thickness": um(scale * rng.uniform(10, 25)), "parts": [part],
            "size_wall": um(scale * rng.uniform(0.8, 1.5)), "separator": um(5 * scale)}


def outcome(family: str, given: Drawn) -> str:
    """Empty if built as promised, the refusal, or what is wrong with the mesh."""
    try:
        built = importlib.import_module(f"geometries.builders.{family}").build(
            resolve(family, given)
        )
    except CaseError as error:
        return f"refused: {error}"
    grade = quality(built.mesh.points, built.mesh.cells)
    asked, got = built.extra.get("porosity_asked"), built.extra["porosity"]
    if grade.min() < 0.05 or np.quantile(grade, 0.01) < 0.2:
        return f"wrong: quality {grade.min():.3f}, {np.quantile(grade, 0.01):.3f}"
    heights = {name: top - bottom for name, bottom, top in built.layers}
    mean = sum(got[n] * h for n, h in heights.items()) / sum(heights.values())
    if asked is not None and abs(mean - asked) > 0.01:
        return f"wrong: porosity {mean:.4f} for {asked:.4f}"
    if asked is not None and not built.extra["pore_connected"]:
        return "wrong: the pores do not lead through"
    return ""


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("family", ["tpms", "foam", "image", "grains", "cad"])
def test_draws_are_built(family: str, tmp_path: Path, reached: Any) -> None:
    rng = np.random.default_rng(2026)
    found = [outcome(family, globals()[family](rng, tmp_path)) for _ in range(DRAWS)]
    refused = [text for text in found if text.startswith("refused")]
    assert not [text for text in found if text.startswith("wrong")]
    # A refusal names a number that would do, or what to change.
    assert all(re.search(r"take|at most|or more|lies outside|give", text) for text in refused)
    reached(f"share of {DRAWS} draws that were built", 1 - len(refused) / DRAWS, least=0.95)


OUTSIDE: list[tuple[str, Drawn, str]] = [
    ("tpms", {"unit_cell": "10 um", "width": "10 um", "thickness": "10 um", "porosity": 0.95},
     r"0\.95 lies outside 0\.35 to 0\.85"),
    ("tpms", {"unit_cell": "10 um", "width": "10 um", "thickness": "10 um", "kind": "sheet",
              "wall_thickness": "5 um"}, "lies outside 0.08 to 0.4"),
    ("tpms", {"unit_cell": "1 um", "width": "1 mm", "thickness": "1 mm", "porosity": 0.6,
              "dimension": 3}, "cells_max is 1000000; take .* um or more"),
    ("foam", {"pore_diameter": "20 um", "width": "30 um", "thickness": "60 um", "porosity": 0.8},
     "fits less than twice into the width"),
    ("foam", {"pore_diameter": "5 um", "width": "30 um", "thickness": "30 um", "porosity": 0.85,
              "coating": "50 nm", "size": "0.5 um"},
     r"thinner than 1\.5 times the lattice spacing"),
    ("grains", {"grain_diameter": "5 um", "width": "30 um", "thickness": "30 um",
                "boundary_width": "4 um"}, "boundary_width: .* lies outside"),
    ("grains", {"grain_diameter": "5 um", "width": "30 um", "thickness": "30 um",
                "flaws": [{"x": "10 um", "depth": "40 um", "width": "2 um"}]}, "at most"),
    ("image", {"file": "nowhere.npy", "voxel": "1 um", "regions": {0: "electrolyte", 1: "host"}},
     "no file 'nowhere.npy'"),
    ("cad", {"width": "1 um", "thickness": "1 um", "parts": [
        {"file": "nowhere.step", "unit": "1 um", "region": "host"}]}, "no file 'nowhere.step'"),
]


@pytest.mark.parametrize(("family", "given", "reason"), OUTSIDE)
def test_out_of_range_is_refused_at_once(family: str, given: Drawn, reason: str) -> None:
    importlib.import_module(f"geometries.builders.{family}")
    parse_quantity("1 um", "m")  # reads the table of units
    start = time.process_time()
    with pytest.raises(CaseError, match=reason):
        resolve(family, given)
    assert time.process_time() - start < 1.0
