"""Ions and salt in the electrolyte."""

from __future__ import annotations

from fem.contract.physics import ALL, Field, Figure, Physics

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "ions",
    "the potential of the electrolyte and, where it is followed, its salt",
    studies=ALL,
    fields=(
        Field("c", "mol/m^3", "salt concentration $c$", "electrolyte", "salt balance",
              shown=(1e-3, "mol/L"), block="salt"),
        Field("phi_l", "V", r"electrolyte potential $\varphi_\mathrm{l}$", "electrolyte",
              "ion balance", colours="cividis", offset=True, block="pore"),
        Field("E_l", "V/m", r"field $|\nabla\varphi_\mathrm{l}|$", "electrolyte", colours="magma",
              magnitude=True, gradient_of="phi_l"),
    ),
    figures=(
        Figure("salt", "c in the electrolyte", maps=("c",)),
        Figure("potentials", "phi_s in solids and growing metal, phi_l in the electrolyte",
               maps=("phi_s", "phi_l")),
        Figure("field", "2D: the gradient of phi_l in the pores, magnitude", maps=("E_l",)),
    ),
)
