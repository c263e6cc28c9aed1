"""The physics of this package: a folder each, whose `PHYSICS` is its record, or all its records.

They are found by these names, so that no room below imports one; a new physics adds its line.
"""

from __future__ import annotations

__all__ = ["PHYSICS"]

#: In the order in which they are listed.
PHYSICS = (
    "fem.physics.circuit:PHYSICS",
    "fem.physics.electrons:PHYSICS",
    "fem.physics.ions:PHYSICS",
    "fem.physics.charged:PHYSICS",
    "fem.physics.species:PHYSICS",
    "fem.physics.pnp:PHYSICS",
    "fem.physics.walls:PHYSICS",
    "fem.physics.metal:PHYSICS",
    "fem.physics.nuclei:PHYSICS",
    "fem.physics.sei:PHYSICS",
    "fem.physics.averaged:PHYSICS",
    "fem.physics.heat:PHYSICS",
    "fem.physics.maps:PHYSICS",
    "fem.physics.inventory:PHYSICS",
)
