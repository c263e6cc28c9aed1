"""The report on a mesh folder: volumes, porosity, walls, connectivity, tortuosity, quality."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from geometries.meshing.measures import (
    by_region,
    cut_off,
    electronic,
    floating_conductors,
    pore_connectivity,
    section,
    slab_fractions,
    tortuosity,
    tortuosity_tensor,
    upright,
    wall_areas,
    wall_areas_by_depth,
)
from geometries.meshing.mesh import TaggedMesh, is_pore, quality

DEPTH_BINS = 20


def inspect(
    folder: Path, *, densities: Mapping[str, float] | None = None, metal: str = "Li"
) -> dict[str, Any]:
    """Numbers of a mesh folder. Lists by depth have 20 bins, the first at the separator side.

    Args:
        folder: a mesh folder.
        densities: kg/m^3 of solid regions, by name or pattern; the first that fits counts.
        metal: library name of the metal whose capacity is given.

    Returns:
        volumes: of each region (m^2 in 2D, m^3 in 3D and axisymmetric).
        porosity: of the host, or None without a host; `porosity_by_layer` by layer name;
            `porosity_by_depth`; `fractions_by_depth` by region.
        wall_area: area of each solid region's wall to the pores, per host (else cell) volume, 1/m;
            `wall_area_by_depth` of each bin's volume, by region.
        pore_size: diameter of the largest ball in the pores around a place (local thickness), m:
            `mean`, `d10`, `d50`, `d90` of the pore volume, `edges` and `shares` of a histogram.
        floating_solids: connected solid bodies without a facet on the collector;
            `floating_conductors` lists the largest of them with regions, volume and centre.
        pore_connected: the pores reach from the counter electrode to the collector.
        pore_reached: share of the pore volume that is connected with the counter electrode;
            `cut_off` names the regions that hold the rest, with their volume shares.
        tortuosity: of the pores of the host along the thickness, D_eff = D porosity/tortuosity;
            None without a host or without a path through it. `tortuosity_tensor`: of all axes,
            D_eff = D porosity inverse(tensor), rows and columns without a path None.
        electronic: of the solids: `bodies`, `share_connected` to the collector by volume, and
            `conductivity` along the host over that of the solid (None: no path).
        host_mass: kg/m^2 of projected area by region, for regions with a density.
        capacity: of `metal` that fills the pores of the host, C/m^2 of projected area.
        by_region: cells, nodes, mean edge (m) and least quality of each region.
        quality_min, quality_1_percent: inverse condition number of cells (gmsh's SICN).
        cells, nodes, hash: as in mesh.json.
        notes: what was noticed when a file was read, and numbers that need a comment.

    A user's mesh whose collector is not at the bottom is measured from there: the thickness is the
    last axis of tensors. If it has no such direction, numbers that refer to it are None.

    Raises:
        CaseError: the folder holds no complete mesh, or the metal is not known.
    """
    from geometries.files.writing import read

    mesh, sidecar = read(folder)
    volumes = mesh.volumes()
    loose = floating_conductors(mesh)
    mesh, host = upright(mesh, sidecar)
    cell_quality = quality(mesh.points, mesh.cells)
    report: dict[str, Any] = {
        "family": sidecar["family"],
        "cells": len(mesh.cells),
        "nodes": len(mesh.points),
        "hash": sidecar["hash"],
        "volumes": {n: float(volumes[mesh.region_mask(n)].sum()) for n in mesh.regions},
        "porosity": None,
        "porosity_by_layer": {
            layer["name"]: slab_fractions(mesh, [layer["bottom"], layer["top"]])[0]
            for layer in sidecar["layers"]
        },
        "porosity_by_depth": None,
        "fractions_by_depth": None,
        "wall_area": wall_areas(mesh, host),
        "wall_area_by_depth": None,
        "pore_size": None,
        "floating_solids": loose["count"],
        "floating_conductors": loose["bodies"],
        "tortuosity": None,
        "tortuosity_tensor": None,
        "electronic": None,
        "host_mass": None,
        "capacity": None,
        "by_region": by_region(mesh, cell_quality),
        "quality_min": float(cell_quality.min()),
        "quality_1_percent": float(np.quantile(cell_quality, 0.01)),
    }
    report["pore_connected"], report["pore_reached"] = pore_connectivity(mesh)
    report["cut_off"] = cut_off(mesh)
    if host:
        from geometries.inspection.porosimetry import pore_sizes

        low, high = host["bottom"], host["top"]
        edges = np.linspace(low, high, DEPTH_BINS + 1).tolist()
        report["porosity"] = slab_fractions(mesh, [low, high])[0]
        report["porosity_by_depth"] = slab_fractions(mesh, edges)[::-1]
        report["fractions_by_depth"] = {
            name: parts for name in mesh.regions
            if any(parts := slab_fractions(mesh, edges, name)[::-1])
        }
        report["wall_area_by_depth"] = wall_areas_by_depth(mesh, edges)
        report["tortuosity"] = tortuosity(mesh, low, high)
        report["tortuosity_tensor"] = tortuosity_tensor(mesh, low, high)
        report["electronic"] = electronic(mesh, low, high)
        report["pore_size"] = pore_sizes(mesh, low, high)
        report["host_mass"] = host_mass(mesh, densities or {})
        report["capacity"] = report["porosity"] * (high - low) * capacity_density(metal)
    report["notes"] = [*sidecar.get("remarks", ()), *comments(report)]
    return report


def comments(report: dict[str, Any]) -> list[str]:
    """Comments on numbers of `inspect` that would mislead if they stood alone."""
    found = [f"wall area 0: {name} touches no pore; nothing plates on it"
            for name, area in report["wall_area"].items() if not area > 0.0]
    if report["porosity"] is None:
        return found
    if report["tortuosity"] is None:
        found.append("no tortuosity along the thickness: no pore leads through the host")
    return found


def host_mass(mesh: TaggedMesh, densities: Mapping[str, float]) -> dict[str, float]:
    """Mass of solid regions over the projected area, kg/m^2, where a density (kg/m^3) is given."""
    volumes, area = mesh.volumes(), section(mesh)
    found = {}
    for name in mesh.regions:
        density = next((d for p, d in densities.items() if fnmatch.fnmatchcase(name, p)), None)
        if density is not None and not is_pore(name):
            found[name] = density * float(volumes[mesh.region_mask(name)].sum()) / area
    return found


def capacity_density(metal: str) -> float:
    """Charge of a metal's ions over its volume, C/m^3.

    Raises:
        CaseError: the library has no such metal.
    """
    from fem.base.constants import FARADAY
    from fem.materials import metal as metal_of

    data = metal_of(metal)
    return float(data.z * FARADAY / data.molar_volume)
