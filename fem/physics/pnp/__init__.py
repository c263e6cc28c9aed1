"""Ions with the charge they leave: Poisson, Nernst and Planck."""

from __future__ import annotations

from fem.contract.physics import Column, Physics
from fem.physics.pnp import table

__all__ = ["PHYSICS"]

PHYSICS = (
    Physics(
        "pnp",
        "space charge: Poisson's equation, with [electrolyte_model] model = \"pnp\"",
        "fem.physics.pnp.build:build",
        wanted=table.asked,
        check=table.check,
        more=table.fields,
        notes=table.notes,
        columns=(
            Column("drift_max", "", "largest drift over an edge, RT/F"),
            Column("drift_share", "", "share of edges with a drift above 4 RT/F"),
            Column("gauss", "", "charge of ions against that of walls and metal", closure=True),
        ),
    ),
    Physics(
        "surface_charge",
        "charge on walls, which ions screen",
        table=table.SurfaceChargeTable,
        many=True,
        check=table.check_charges,
        places=table.places,
    ),
)
