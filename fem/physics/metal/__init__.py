"""Metal that grows and dissolves: its front, its pieces, what it covers and leaves behind."""

from __future__ import annotations

from fem.contract.physics import Field, Figure, Physics

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "metal",
    "metal that fills pores, and its front",
    studies=frozenset({"growth"}),
    fields=(
        Field("xi", "", r"share of metal $\xi$", balance="metal of the front", block="metal"),
        Field("dead", "", "metal without electronic contact"),
    ),
    figures=(
        Figure("metal", "growth study: the metal at up to five times",
               draw="fem.post.growth:metal", whole=True),
        Figure("fill", "growth study: filled share of the pores by depth; tip and dead metal",
               draw="fem.post.growth:fill", whole=True),
    ),
)
