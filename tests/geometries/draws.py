"""Seeded draws from the documented range of a family, built one after the other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from fem.base.errors import CaseError, RunError
from geometries.registry import resolve


def each(
    family: str, draw: Callable[[str, int], dict[str, Any]], draws: int, refusals: list[str]
) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """(parameters given, resolved, host built) of every draw; refusals are noted as "seed: why"."""
    for seed in range(draws):
        given = draw(family, seed)
        try:
            resolved = resolve(family, given)
            made = importlib.import_module(f"geometries.builders.{family}").build(resolved)
        except (CaseError, RunError) as error:
            refusals.append(f"{seed}: {error}")
            continue
        yield given, resolved, made
