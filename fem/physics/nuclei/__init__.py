"""Nuclei: where and when metal appears on walls."""

from __future__ import annotations

from fem.contract.physics import Column, Physics
from fem.physics.nuclei.table import Nuclei, check, places

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "nuclei",
    "where metal appears on nucleating walls",
    solver="fem.physics.nuclei.build:build",
    table=Nuclei,
    many=True,
    after=("metal",),
    studies=frozenset({"growth"}),
    check=check,
    places=places,
    columns=(Column("nuclei", "", "nuclei that have formed so far"),),
)
