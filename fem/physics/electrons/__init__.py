"""Electrons in everything that conducts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fem.contract.physics import ALL, Field, Physics

__all__ = ["PHYSICS"]


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Conditions of a boundary that a conductor cannot have at once."""
    for name, condition in sections.get("boundaries", {}).items():
        if condition.phi_s and condition.current_density:
            yield (
                f"boundaries.{name}: phi_s and current_density contradict each other; keep one"
            )


PHYSICS = Physics(
    "electrons",
    "the electronic potential in everything that conducts electrons",
    solver="fem.physics.electrons.build:build",
    books="fem.physics.electrons.build:books",
    studies=ALL,
    check=check,
    ingredients="fem.physics.electrons.ingredients:ingredients",
    fields=(
        Field("phi_s", "V", r"electronic potential $\varphi_\mathrm{s}$",
              "conductor", "electron balance", colours="cividis", offset=True, block="solid"),
        Field("i_s", "A/m^2", r"electronic current density $|i_\mathrm{s}|$", "conductor",
              shown=(1e-4, "A/cm²"), colours="magma", magnitude=True),
    ),
)
