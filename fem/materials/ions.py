"""Diffusivities of single ions in an electrolyte, each with its source and status."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources

from fem.base.errors import CaseError
from fem.materials.data import In, Number

__all__ = ["diffusivity", "known_ions"]


@functools.cache
def _library() -> dict[str, dict[str, Number]]:
    text = resources.files("fem.materials").joinpath("library/ions.toml").read_text("utf-8")
    read = In("m^2/s", gt=0)
    return {
        name: {ion: read.number(entry) for ion, entry in ions.items()}
        for name, ions in tomllib.loads(text).items()
    }


def known_ions(electrolyte: str) -> list[str]:
    """Names of the ions whose diffusivity in an electrolyte is known."""
    return sorted(_library().get(electrolyte, {}))


def diffusivity(electrolyte: str, ion: str) -> Number:
    """Diffusivity of an ion, m2/s.

    Raises:
        CaseError: nobody knows it; who is known there.
    """
    found = _library().get(electrolyte, {}).get(ion)
    if found is None:
        known = ", ".join(known_ions(electrolyte)) or "none"
        raise CaseError(
            f"the diffusivity of {ion!r} in {electrolyte!r} is not known (known there: {known}); "
            "give D"
        )
    return found
