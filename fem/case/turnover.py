"""Homogeneous reactions of ions: their equations, rate constants and rates by mass action."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fem.case.species import Species
from fem.values.units import parse_quantity

__all__ = ["Turnover", "rate", "terms", "turnovers"]

#: One term of a reaction equation: how many, and of what.
TERM = re.compile(r"(?:(\d+)\s+)?([A-Za-z]\w*)")


@dataclass(frozen=True)
class Turnover:
    """A homogeneous reaction, rate r = forward x left - backward x right, mol/(m3 s) of liquid.

    Attributes:
        left, right: numbers of the ions among all -> how many of each.
        forward, backward: rate constants, (mol/m3)^(1 - order)/s.
    """

    left: Mapping[int, int]
    right: Mapping[int, int]
    forward: float
    backward: float

    def rate(self, c: Sequence[Any]) -> Any:
        """Turnovers where concentrations are c, mol/(m3 s)."""
        sides = []
        for constant, side in ((self.forward, self.left), (self.backward, self.right)):
            product: Any = constant
            for k, n in side.items():
                product = product * c[k] ** n
            sides.append(product)
        return sides[0] - sides[1]

    def made(self, k: int) -> int:
        """Ions of a kind that one turnover makes."""
        return self.right.get(k, 0) - self.left.get(k, 0)


def terms(equation: str) -> tuple[dict[str, int], dict[str, int]]:
    """Species on both sides of a reaction equation, and how many of each.

    Raises:
        ValueError: it is none.
    """
    sides = equation.split("<->")
    if len(sides) != 2:
        raise ValueError('write it as "Li + A <-> LiA"')
    found = []
    for side in sides:
        counted: dict[str, int] = {}
        for term in side.split("+"):
            match = TERM.fullmatch(term.strip())
            if match is None:
                raise ValueError(f"{term.strip()!r} is no name with a whole number before it")
            counted[match[2]] = counted.get(match[2], 0) + int(match[1] or 1)
        found.append(counted)
    return found[0], found[1]


def rate(text: str, order: int) -> float:
    """A rate constant of a reaction of some order in SI, (mol/m^3)^(1 - order)/s.

    Raises:
        ValueError: another unit.
    """
    if text.strip() == "0":
        return 0.0
    unit = "1/s" + "*m^3/mol" * (order - 1)
    value = parse_quantity(text, unit)
    if value < 0.0:
        raise ValueError(f"{text!r} is below 0")
    return value


def turnovers(entries: Iterable[Any], ions: Sequence[Species]) -> Iterator[Turnover]:
    """Homogeneous reactions by the numbers of their ions.

    Args:
        entries: of [[reaction]].
        ions: of the case.
    """
    number_of = {ion.name: k for k, ion in enumerate(ions)}
    for entry in entries:
        sides = [{number_of[name]: n for name, n in side.items()} for side in terms(entry.equation)]
        constants = [rate(text, sum(side.values()))
                     for text, side in zip((entry.forward, entry.backward), sides, strict=True)]
        yield Turnover(sides[0], sides[1], constants[0], constants[1])
