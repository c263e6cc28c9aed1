"""Currents, charges and balances of the whole cell."""

from __future__ import annotations

from fem.contract.physics import ALL, VOLTAGE_PARTS, Column, EventKind, Figure, Physics

__all__ = ["PHYSICS"]

#: Largest difference of the delivered charge from the integral of a given current, over that of
#: |i|: that of two quadratures, far below what a coulometer resolves.
COMMANDED_RTOL = 1e-6

PHYSICS = Physics(
    "circuit",
    "the current through the cell, its voltage and its charge",
    studies=ALL,
    columns=(
        Column("current_density", "A/m^2", "through the collector, plating is negative",
               per_area=True, last=False),
        Column("charge", "C/m^2", "through the collector", per_area=True, last=False),
        *(Column(f"V_{part}", "V", f"part of the voltage: {doc}", optional=True, last=False)
          for part, doc in VOLTAGE_PARTS.items()),
        *(Column(f"V_{part}.*", "V", "that by region", optional=True, last=False)
          for part in ("ohmic_s", "ohmic_l", "concentration")),
        Column("V_gap", "V", "voltage less the sum of its parts", optional=True, last=False),
        Column("balance", "", "current of the collector against that of the counter electrode",
               closure=True, last=False),
        Column("collector", "", "current of walls against that of held nodes", closure=True,
               last=False),
        Column("commanded", "", "charge delivered against the integral of the current given",
               closure=True, last=False, optional=True, after="salt", floor=COMMANDED_RTOL,
               broken="the charge delivered and the integral of the current given differ by "
               "{value:.2e} of the integral of its magnitude, limit {limit:.0e}; give what is "
               "sharp in it as a table, or with step or where, or lower [solver] rtol"),
    ),
    events=(EventKind("stripped", "no metal is left to strip", "step"),),
    figures=(
        Figure("series", "voltage, smallest and largest concentration, charge against time",
               draw="fem.post.figures:series", whole=True),
        Figure("voltage_parts", "where the voltage goes: what each process takes of it",
               draw="fem.post.split:voltage_parts", whole=True),
    ),
)
