"""Ions and salt in the electrolyte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fem.contract.physics import ALL, Column, Estimate, EventKind, Field, Figure, Metric, Physics

__all__ = ["PHYSICS"]


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Conditions of a boundary that the electrolyte cannot have at once."""
    for name, condition in sections.get("boundaries", {}).items():
        keys = ("phi_l", "current_density", "bath")
        electric = [key for key in keys if getattr(condition, key)]
        if len(electric) > 1:
            yield f"boundaries.{name}: {' and '.join(electric)} contradict each other; keep one"
        if condition.bath and condition.c:
            yield f"boundaries.{name}.c: a bath already fixes c; keep one of bath and c"


PHYSICS = Physics(
    "ions",
    "the potential of the electrolyte and, where it is followed, its salt",
    solver="fem.physics.ions.build:build",
    books="fem.physics.ions.build:books",
    studies=ALL,
    check=check,
    ingredients="fem.physics.ions.ingredients:ingredients",
    fields=(
        Field("c", "mol/m^3", "salt concentration $c$", "electrolyte", "salt balance",
              shown=(1e-3, "mol/L"), flow="N_an", block="salt", carried="inside"),
        Field("phi_l", "V", r"electrolyte potential $\varphi_\mathrm{l}$", "electrolyte",
              "ion balance", colours="cividis", offset=True, flow="i_l", block="pore"),
        Field("E_l", "V/m", r"field $|\nabla\varphi_\mathrm{l}|$", "electrolyte", colours="magma",
              magnitude=True, gradient_of="phi_l", flow="i_l"),
        Field("i_l", "A/m^2", r"ionic current density $|i_\mathrm{l}|$", "electrolyte",
              shown=(1e-4, "A/cm²"), colours="magma", magnitude=True),
        Field("N_an", "mol/m^2/s", r"flux of anions $|N_\mathrm{an}|$", "electrolyte",
              colours="magma", magnitude=True),
    ),
    columns=(
        Column("c_min", "mol/m^3", "lowest concentration", optional=True, after="xi_max",
               last=False, printed=True),
        Column("c_max", "mol/m^3", "highest concentration", optional=True, after="c_min",
               last=False),
        Column("salt_out", "mol/m^2", "salt that liquid has taken out of the mesh", per_area=True,
               optional=True, after="c_max", last=False),
        Column("salt", "", "salt content against its start and what went in and out",
               closure=True, optional=True, after="faraday", last=False, printed=True),
    ),
    events=(
        EventKind("depletion", "the salt has run out", "run"),
        EventKind("beyond_law", "the salt has left the range in which a law is physical", "run"),
    ),
    figures=(
        Figure("salt", "c in the electrolyte", maps=("c",)),
        Figure("potentials", "phi_s in solids and growing metal, phi_l in the electrolyte",
               maps=("phi_s", "phi_l")),
        Figure("field", "2D: the gradient of phi_l in the pores, magnitude", maps=("E_l",)),
    ),
    metrics=(
        Metric("salt_drop", "", "(c_top - c_bottom)/c0 on the end planes of the host",
               "fem.physics.ions.metrics:salt_drop"),
        Metric("field_uniform", "", "share of the electrolyte with |grad phi_l| within 10 % of its "
               "mean", "fem.physics.ions.metrics:field_uniform"),
    ),
    estimates=tuple(
        Estimate(name, unit, doc, f"fem.physics.ions.estimates:{of}") for name, unit, doc, of in (
            ("sand_time", "s", "Sand's time of the free electrolyte", "sand_time"),
            ("sand_ratio", "", "duration of the step over Sand's time", "sand_ratio"),
            ("J_ratio", "", "J/J* if all current were drawn at the collector", "current_ratio"),
        )
    ),
)
