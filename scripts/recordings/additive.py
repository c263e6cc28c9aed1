"""An additive that decays in the pores, and a kinetic law, as a user may add them to a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ZF = 96485.33
RATE = 5e-2  # 1/s


@dataclass(frozen=True)
class Additive:
    provides = ("additive",)
    needs = ("c",)

    def declare(self, s: Any) -> None:
        additive = s.add("additive", s.unknowns["c"].part, differential=True)
        additive.value.x.array[:] = 1.0

    def rows(self, s: Any) -> None:
        a, v = s["additive"], s.test("additive")
        dx = s.domain.dx([name for name in s.domain.regions if not name.startswith("host")])
        s.row("additive", ZF * (s.ddt(a) + RATE * a) * v * dx)


def steeper(eta: Any, i0: Any, alpha_a: Any, alpha_c: Any, temperature: Any) -> Any:
    """Butler-Volmer kinetics up to third order."""
    x = eta * (alpha_a + alpha_c) * ZF / (8.314 * temperature)
    return i0 * (x + x**3 / 24)


def physics(case: Any, domain: Any) -> list[Additive]:
    return [Additive()]
