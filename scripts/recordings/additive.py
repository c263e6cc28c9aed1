"""An additive that decays in the pores, as a user may add it to a case."""

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


def physics(case: Any, domain: Any) -> list[Additive]:
    return [Additive()]
