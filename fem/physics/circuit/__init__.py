"""Currents, charges and balances of the whole cell."""

from __future__ import annotations

from fem.contract.physics import ALL, Figure, Physics

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "circuit",
    "the current through the cell, its voltage and its charge",
    studies=ALL,
    figures=(
        Figure("series", "voltage, smallest and largest concentration, charge against time",
               draw="fem.post.figures:series", whole=True),
    ),
)
