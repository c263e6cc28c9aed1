"""Unevenness of a geometry: parameters that differ between layers or along the depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fem.values.units import format_quantity, parse_quantity

__all__ = ["Uneven", "uneven"]

#: Parameters of a host that may be given as several values from the separator side downwards.
GRADED = ("diameter", "thickness", "spacing")
#: Parameters of layers whose mean says nothing.
UNEVENED = ("thickness", "size", "size_wall", "cells")
#: Relative spread below which values are the same.
EQUAL_RTOL = 1e-9

Path = tuple[str | int, ...]


class Uneven(NamedTuple):
    """A parameter that differs between layers or along the depth.

    Attributes:
        name: of the parameter, with its layers where it is theirs.
        evened: its mean, as words.
        values: that mean as a case gives it, by its places in [geometry].
    """

    name: str
    evened: str
    values: dict[Path, Any]


def uneven(geometry: Mapping[str, Any]) -> Iterator[Uneven]:
    """Uneven parameters of a [geometry], each with its mean.

    Args:
        geometry: family and parameters, as in a case; empty for an imported mesh.
    """
    yield from _between_layers(geometry)
    yield from _along_depth(geometry)


def _between_layers(geometry: Mapping[str, Any]) -> Iterator[Uneven]:
    """Parameters with one value in each layer; their mean is weighted by thickness."""
    found: dict[str, list[tuple[Path, Any, float]]] = {}
    for k, layer in enumerate(geometry.get("layers", ())):
        weight = parse_quantity(layer.get("thickness", "1 m"), "m")
        for key, value in layer.items():
            if _length_or_share(value) is not None and key not in UNEVENED:
                name = f"{layer.get('kind', '')} {key}".strip()
                found.setdefault(name, []).append((("layers", k, key), value, weight))
    for name, places in found.items():
        values = [_length_or_share(value) or 0.0 for _, value, _ in places]
        if max(values) - min(values) <= EQUAL_RTOL * max(values):
            continue
        mean = float(np.average(values, weights=[weight for *_, weight in places]))
        text = _written(mean, places[0][1])
        yield Uneven(name, f"{text} in all layers", {path: text for path, *_ in places})


def _along_depth(geometry: Mapping[str, Any]) -> Iterator[Uneven]:
    """Parameters given as several values at even distances, with the mean of the line between."""
    for path, given in _leaves(geometry):
        if path[-1] not in GRADED or not isinstance(given, list) or len({*given}) < 2:
            continue
        values = [parse_quantity(v, "m") for v in given]
        text = _written(float(np.trapezoid(values)) / (len(values) - 1), "")
        name = " of ".join(p for p in reversed(path) if isinstance(p, str) and p != "layers")
        yield Uneven(f"gradient of {name}", f"{text} at all depths", {path: text})


def _length_or_share(value: Any) -> float | None:
    """A length, m, or a plain number of a parameter; None of anything else."""
    if isinstance(value, float):
        return value
    try:
        return parse_quantity(value, "m") if isinstance(value, str) else None
    except ValueError:
        return None


def _written(value: float, like: Any) -> Any:
    """A number or a length as a case gives it, whichever `like` is."""
    value = float(f"{value:.9g}")
    return value if isinstance(like, float) else format_quantity(value, "m")


def _leaves(table: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All values of nested tables with their paths; lists of tables are gone into."""
    pairs = table.items() if isinstance(table, Mapping) else enumerate(table)
    for key, value in pairs:
        here = (*path, key)
        nested = isinstance(value, Mapping) or (
            isinstance(value, list) and any(isinstance(v, Mapping) for v in value))
        if nested:
            yield from _leaves(value, here)
        else:
            yield here, value
