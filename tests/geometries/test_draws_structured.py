"""Draws from the documented ranges of the structured families: built, with exact volumes.

Their cells are long and thin on purpose, so it is volumes that are judged and not the shape of
cells, except where gmsh makes them.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from geometries.meshing.mesh import Built, TaggedMesh, quality
from geometries.registry import resolve
from tests.geometries.draws import each

DRAWS = 200
Rng = np.random.Generator
Given = dict[str, Any]


def um(value: float) -> str:
    return f"{value:.6g} um"


def _log(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _some(rng: Rng, share: float) -> bool:
    return bool(rng.random() < share)


def planar(rng: Rng) -> Given:
    dim = 3 if _some(rng, 0.25) else 2
    t = _log(rng, 1, 1000) * rng.uniform(0.1, 1, size=rng.integers(1, 5))
    size = t.sum() / rng.uniform(10, 60 if dim == 2 else 20)
    found: Given = {
        "dimension": dim, "size": um(size), "growth": round(rng.uniform(1.1, 1.8), 3),
        "width": um(t.sum() * rng.uniform(0.2, 1)),
        "size_collector": um(size * _log(rng, 0.01 if dim == 2 else 0.2, 1)),
        "layers": [{"name": f"slab{i}", "thickness": um(v),
                    "region": f"host_{i}" if i and _some(rng, 0.3) else f"electrolyte_{i}"}
                   for i, v in enumerate(t)]}
    if dim == 3:
        found["breadth"] = found["width"]
    if _some(rng, 0.3):
        found["size_interface"] = um(0.3 * size)
    if _some(rng, 0.3):
        width = float(found["width"].split()[0])
        found["size"] = um(min(size, width / 4))
        bump = {"radius": um(width * rng.uniform(0.1, 0.3)), "x": um(width * rng.uniform(0.4, 0.6)),
                "height": um(t.sum() * rng.uniform(0.05, 0.5)),
                "shape": str(rng.choice(["half_ellipse", "rectangle"]))}
        if dim == 3:
            bump["y"] = bump["x"]
        fine = min(float(bump["radius"].split()[0]), float(bump["height"].split()[0]))
        found |= {"protrusions": [bump], "size_collector": um(fine / (5 if dim == 2 else 2))}
    elif dim == 2 and _some(rng, 0.3):
        found["axisymmetric"] = True
    return found


def laminate(rng: Rng) -> Given:
    pitch = float(f"{_log(rng, 0.1, 100):.4g}")
    axis = _some(rng, 0.3)
    films: list[Given] = []
    for i in range(int(rng.integers(1, 6))):
        film: Given = {"region": ("host_film", "coating_film", "electrolyte")[int(rng.integers(3))],
                       "name": f"film{i}", "thickness": um(_log(rng, 0.02, 100))}
        if film["region"] != "electrolyte" and _some(rng, 0.5):
            film |= {"pitch": um(pitch), "pore_diameter": um(pitch * rng.uniform(0.1, 0.9))}
        if _some(rng, 0.3):
            film["cells"] = int(rng.integers(2, 20))
        films.append(film)
    width = pitch / 2 if axis else pitch * int(rng.integers(1, 4))
    return {"layers": films, "width": um(width), "axisymmetric": axis, "size_width": um(pitch / 20)}


def lamella(rng: Rng) -> Given:
    dim = 3 if _some(rng, 0.25) else 2
    pitch = float(f"{_log(rng, 0.5, 100):.4g}")
    equal, opening = _some(rng, 0.7), rng.uniform(0.2, 0.7)
    layers = [{"name": f"lamina{i}", "thickness": um(pitch * rng.uniform(0.2, 1)),
               "pitch": um(pitch), "opening": round(opening if equal else rng.uniform(0.2, 0.7), 3)}
              for i in range(int(rng.integers(1, 4)))]
    found: Given = {"dimension": dim, "layers": layers, "repeat": int(rng.integers(1, 4)),
                    "width": um(pitch * int(rng.integers(1, 4 if dim == 2 else 2))),
                    "separator": um(pitch)}
    if dim == 3:
        found |= {"openings": str(rng.choice(["slits", "holes"])), "size_wall": um(0.06 * pitch),
                  "growth": 1.8}
    if _some(rng, 0.5):
        found |= {"seed": int(rng.integers(2**32)), "spacing": um(pitch * rng.uniform(0.2, 1))}
    return found


def aligned_channels(rng: Rng) -> Given:
    spacing = _log(rng, 0.5, 100)
    kind = ("vertical", "horizontal", "random")[int(rng.integers(3))]
    t = spacing * rng.uniform(0.05, 0.5 if kind != "random" else 0.12)
    found: Given = {"arrangement": kind, "spacing": um(spacing), "sheet_thickness": um(t),
                    "length": um(spacing * rng.uniform(3, 15)), "separator": um(2 * spacing),
                    "contacts": _some(rng, 0.5), "seed": int(rng.integers(2**32))}
    if kind != "random":
        found["channels"] = int(rng.integers(1, 4))
    if kind != "vertical":
        long = spacing * rng.uniform(1.5, 5 if kind == "horizontal" else 2.5)
        found["sheet_length"] = um(long)
        found["length"] = um(max(float(found["length"].split()[0]), 3 * long))
    if kind == "horizontal":
        found["opening"] = um(max(2 * t, long * rng.uniform(0.2, 0.8)))
    elif kind == "random":
        found["width"] = um(long * rng.uniform(2.5, 4))
    return found


def array(rng: Rng) -> Given:
    dim = 3 if _some(rng, 0.3) else 2
    return {"dimension": dim, "pitch": um(_log(rng, 0.1, 1000)),
            "solid_fraction": round(rng.uniform(0.01, 0.75 if dim == 2 else 0.5), 4),
            "cells_per_radius": int(rng.integers(4, 30 if dim == 2 else 10)),
            "rows": int(rng.integers(1, 4)) if dim == 2 else 1}


DRAW: dict[str, Callable[[Rng], Given]] = {
    "planar": planar, "laminate": laminate, "lamella": lamella,
    "aligned_channels": aligned_channels, "array": array,
}


def _volumes(mesh: TaggedMesh) -> dict[str, float]:
    v = mesh.volumes()
    return {n: float(v[mesh.region_mask(n)].sum()) for n in mesh.regions}


def off(family: str, p: Any, made: Built) -> float:
    """Largest deviation of what was asked in volume, relative to the cell's."""
    got = _volumes(made.mesh)
    low, high = made.mesh.points.min(axis=0), made.mesh.points.max(axis=0)
    span = high - low
    area = math.pi * span[0] ** 2 if made.mesh.axisymmetric else math.prod(span[:-1])
    whole = area * span[-1]
    solid = sum(v for n, v in got.items() if not n.startswith(("electrolyte", "separator")))
    want: dict[str, float] = {}
    if family == "array":
        want = {n: p.solid_fraction * whole for n in got if n != "electrolyte"}
    elif family == "planar" and not p.protrusions:
        for slab in p.layers:
            want[slab.region] = want.get(slab.region, 0.0) + slab.thickness * area
    elif family == "laminate":
        for film in p.layers:
            share = 1.0
            if film.pitch:
                share -= (film.pore_diameter / film.pitch) ** (2 if p.axisymmetric else 1)
            want[film.region] = want.get(film.region, 0.0) + share * film.thickness * area
    elif family == "lamella":
        want["solid"] = p.repeat * sum((1 - x.opening) * x.thickness for x in p.layers) * area
        got["solid"] = solid
    elif family == "aligned_channels" and p.arrangement == "vertical":
        share = p.sheet_thickness / (p.spacing + p.sheet_thickness)
        want["host_sheets"] = share * p.length * area
    elif family == "aligned_channels" and not p.contacts and p.arrangement == "horizontal":
        rows = max(1, round(p.length / (p.spacing + p.sheet_thickness)))
        share = p.sheet_length / (p.sheet_length + p.opening)
        want["host_sheets"] = rows * share * p.sheet_thickness * area
    removed = 0.0 if family != "planar" or not p.protrusions else whole - sum(got.values())
    assert 0 <= removed < 0.5 * whole
    wrong = [abs(got[n] - v) / whole for n, v in want.items()]
    parts = sum(v for n, v in got.items() if n != "solid")
    return max([abs(parts + removed - whole) / whole, *wrong])


def by_gmsh(p: Any) -> bool:
    return bool(getattr(p, "protrusions", ())) or getattr(p, "arrangement", "") == "random"


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("family", DRAW)
def test_the_documented_range_is_built(family: str, reached: Any) -> None:
    """95 % of 200 draws are built with the volumes asked; a refusal names its limit."""
    refusals: list[str] = []
    built, worst, low, miss = 0, 1.0, 1.0, 0.0
    for _, p, made in each(family, draw, DRAWS, refusals):
        built += 1
        miss = max(miss, off(family, p, made))
        if by_gmsh(p):
            q = quality(made.mesh.points, made.mesh.cells)
            worst, low = min(worst, float(q.min())), min(low, float(np.quantile(q, 0.01)))
    print("\n".join(refusals))
    reached("draws built", built / DRAWS, least=0.95)
    reached("refusals without a way out", sum(";" not in r for r in refusals), most=0)
    reached("largest miss of a volume", miss, most=1e-9)
    reached("worst cell of gmsh (SICN)", worst, least=0.05)
    reached("1 % quantile of gmsh", low, least=0.2)


def draw(family: str, seed: int) -> Given:
    """Parameters from the documented range."""
    return DRAW[family](np.random.default_rng([seed, list(DRAW).index(family)]))


@pytest.mark.parametrize("family", DRAW)
def test_a_draw_is_built_as_asked(family: str) -> None:
    p = resolve(family, draw(family, 1))
    assert off(family, p, importlib.import_module(f"geometries.builders.{family}").build(p)) < 1e-9
