"""Currents, charges and balances of the whole cell."""

from __future__ import annotations

from fem.contract.physics import ALL, VOLTAGE_PARTS, Column, EventKind, Figure, Metric, Physics

__all__ = ["PHYSICS"]

#: Largest difference of the delivered charge from the integral of a given current, over that of
#: |i|: that of two quadratures, far below what a coulometer resolves.
COMMANDED_RTOL = 1e-6

PHYSICS = Physics(
    "circuit",
    "the current through the cell, its voltage and its charge",
    books="fem.physics.circuit.circuit:books",
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
               closure=True, last=False, printed=True),
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
               draw="fem.post.diagrams:series", whole=True),
        Figure("voltage_parts", "where the voltage goes: what each process takes of it",
               draw="fem.post.split:voltage_parts", whole=True),
    ),
    metrics=tuple(
        Metric(name, unit, doc, f"fem.post.spread:{name}") for name, unit, doc in (
            ("bottom_up", "", "B = 2 <d>/H - 1 of the metal (without any: of |i_n| dA) over "
             "depth d; 1 all at the collector, -1 all at the separator"),
            ("share_third", "", "share of it in thirds of the host, on the foil, above the host"),
            ("share_layer", "", "share of it in layers of the host, on the foil, above the host"),
            ("gini", "", "int int |i - i'| dA dA'/(2 A^2 mean) of |i_n|: 0 even, 1 in one place"),
            ("cov", "", "standard deviation over mean of |i_n| on the real area"),
            ("max_mean", "", "largest over mean |i_n| on the real area"),
            ("current_difference", "", "(largest - smallest)/smallest |i_n| of 24 slices by depth"),
            ("fill", "", "share of the pores that is metal, of 24 slices by depth"),
            ("local_reduction", "", "mean |i_n| on the real area over the cell's current density"),
            ("eta_nuc_curve", "V", "voltage at 3 times the charge of its dip less that of the "
             "dip, in the first plating"),
        )
    ),
)
