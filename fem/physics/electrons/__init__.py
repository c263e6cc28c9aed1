"""Electrons in everything that conducts them."""

from __future__ import annotations

from fem.contract.physics import ALL, Field, Physics

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "electrons",
    "the electronic potential in everything that conducts electrons",
    studies=ALL,
    fields=(
        Field("phi_s", "V", r"electronic potential $\varphi_\mathrm{s}$",
              "conductor", "electron balance", colours="cividis", offset=True, block="solid"),
    ),
)
