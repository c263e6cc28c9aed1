"""Ledgers of growing metal: charge at both electrodes against the metal, salt against its start.

verification.md, "Phase field": 1e-8 of the charge passed, from the boundaries' residuals. The cell
has a host with film walls, a foil and, where wanted, a piece of metal that floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fem.solver.options import Control
from fem.theory.salt import Salt
from tests.verification.fronts import (
    FLOOR,
    HOST,
    KAPPA,
    UM,
    Growth,
    Ledger,
    Place,
    ball,
    box,
    film,
    layer,
    strip,
)

WIDTH, SIDE, HEIGHT = UM, 20 * UM, 40 * UM
BOUND = 1e-8


def t_plus(c):
    """0.4 at 1 mol/L, less where there is more salt."""
    return 0.4 - 0.1 * (c / 1000.0 - 1.0)


def cell(*, island: bool = False, axisymmetric: bool = False, **options: Any) -> Growth:
    """A host on the collector, 3 um of metal over all of it, an island 20 um above."""
    domain = box(
        (0, 0), (SIDE, HEIGHT), (20, 40), axisymmetric=axisymmetric,
        host=lambda x: (np.abs(x[0] - 5 * UM) < 3 * UM) & (x[1] < 8 * UM),
    )  # fmt: skip
    pieces: list[Place] = [layer(3 * UM, WIDTH)]
    if island:
        pieces.append(ball(4 * UM, WIDTH, (14 * UM, 28 * UM)))
    growth = Growth(
        domain, lambda x: np.maximum.reduce([piece(x) for piece in pieces]), width=WIDTH,
        scale=10.0 * domain.area("collector"), kappa=KAPPA, gamma=0.5,
        films=[film(10.0, walls=HOST, faces=FLOOR)], **options,
    )  # fmt: skip
    return growth


CASES: dict[str, dict[str, Any]] = {
    "no salt, ideal counter": {},
    "salt, metal counter, island": {"t_plus": t_plus, "counter": 10.0, "island": True},
    "divalent, 1:2 salt": {"t_plus": t_plus, "counter": 10.0, "formula": Salt(2, -1)},
    "around an axis": {"t_plus": t_plus, "counter": 10.0, "axisymmetric": True},
}


@pytest.mark.parametrize("name", CASES)
def test_charge_metal_and_salt(name):
    """Plating, rest and stripping, steps of uneven size."""
    growth = cell(**CASES[name])
    area = growth.domain.area("collector")
    growth.rest(-10.0 * area, voltage=-0.05)
    ledger, books = Ledger(growth), growth.books()
    program = [(-10.0, dt) for dt in (10, 20, 40, 60, 50, 80)]
    program += [(20.0, dt) for dt in (10, 20, 40, 60, 20)]
    closures = dict.fromkeys(("balance", "collector", "faraday", "salt"), 0.0)
    for k, (density, dt) in enumerate(program):
        if k == 6:
            growth.s.restart_formula()
        growth.solve(dt, density * area)
        ledger.add()
        numbers = books.step(abs(density) * area)
        for key in closures:
            closures[key] = max(closures[key], numbers.get(key, 0.0))
        ledger.accept()
        books.accept()
        growth.s.accept()
    print("ledger", name, ledger.gaps, "of a run", closures)
    assert growth.bounded
    assert [o.newton for o in growth.outcomes[1:]] == [1] * (len(growth.stages) - 1)
    assert max(ledger.gaps.values()) <= BOUND
    assert max(closures.values()) <= BOUND


def test_after_rejected_steps():
    """A first step that is far too long is taken back more than once and leaves no charge."""
    growth = cell(t_plus=t_plus, counter=10.0)
    area = growth.domain.area("collector")
    growth.rest(-10.0 * area, voltage=-0.05)
    ledger = Ledger(growth)
    stepper = growth.stepper(2000.0, 1e-3)

    def refine() -> None:
        ledger.add()
        growth.see()

    control = Control(-10.0 * area)
    rejected = 0
    for _ in range(8):
        step = stepper.advance(lambda _: control, growth.scale, 1e4, refine)
        assert step is not None
        rejected += step.rejected
        ledger.accept()
    print("ledger after", rejected, "rejected steps", ledger.gaps)
    assert rejected >= 2
    assert growth.bounded
    assert max(ledger.gaps.values()) <= BOUND


@pytest.mark.parametrize("formula", [Salt(1, -1), Salt(1, -2), Salt(2, -1)])
def test_relaxation_takes_the_salt_along(formula):
    """A front of twice its resting width relaxes at rest: where metal comes, salt makes room.

    Uniform salt stays uniform to round-off, although xi changes by 0.1.
    """
    growth = Growth(
        strip(20 * UM, 0.5 * UM), layer(6 * UM, 2 * WIDTH), width=WIDTH, kappa=KAPPA, i0=1e-12,
        t_plus=t_plus, formula=formula, scale=1e-6,
    )  # fmt: skip
    front = growth.s["front"]

    def hold() -> None:
        front.mobility.value = 1e-8

    growth.s.preparers.append(hold)  # at rest the front would set it to zero
    growth.rest(voltage=0.0)
    before = growth.xi.owned.copy()
    growth.march(5 * WIDTH / 1e-8, 0.25 * WIDTH / 1e-8)
    moved = float(np.abs(growth.xi.owned - before).max())
    c = growth.s.unknowns["c"].owned
    print("relaxation with salt", moved, np.abs(c / 1000.0 - 1).max())
    assert growth.bounded
    assert moved > 0.1
    assert np.abs(c / 1000.0 - 1).max() <= 1e-9


@pytest.mark.parametrize("density", [-10.0, 10.0])
def test_an_island_that_floats(density):
    """Between plating metal, 22 lambda away, and the counter an island keeps its volume.

    Its potential is that of the electrolyte around it; the current through the empty pore is
    counted, and the island is reported as dead.
    """
    top, bottom, radius, gap = 62 * UM, 6 * UM, 6 * UM, 22 * UM
    domain = box((0, 0), (20 * UM, top), (20, 62))
    middle = bottom + gap + radius
    both = [layer(bottom, WIDTH), ball(radius, WIDTH, (0.0, middle))]
    growth = Growth(
        domain, lambda x: np.maximum(both[0](x), both[1](x)), width=WIDTH, kappa=KAPPA,
        sigma=1e4, gamma=0.5, scale=10.0 * 20 * UM, rtol=1e-10,
    )  # fmt: skip
    current = density * 20 * UM
    growth.rest(current, voltage=0.005 * density)
    books = growth.books()
    y = growth.xi.space.tabulate_dof_coordinates()[: len(growth.xi.owned), 1]
    upper = y > bottom + 0.5 * gap
    before = float(growth.nodal_volumes[upper] @ growth.xi.owned[upper])
    reached = 0.0
    for k in range(12):  # 3 lambda
        growth.solve(200.0 if k else 40.0, current)
        numbers = books.step(abs(current))
        reached = max(reached, numbers["floor"])
        growth.s.accept()
        books.accept()
    xi = growth.xi.owned
    after = float(growth.nodal_volumes[upper] @ xi[upper])
    phi_s, phi_l = growth.values("phi_s"), growth.values("phi_l")
    surface = upper & (np.abs(xi - 0.5) < 0.2)
    core = upper & (xi > 0.99)
    drop = float(phi_s[core].mean() - growth.s.get_voltage())
    own = float(phi_s[core].mean() - phi_l[surface].mean())
    print("island", after / before - 1, "floor", reached, "mV", 1e3 * drop, 1e3 * own)
    assert growth.bounded
    assert abs(after / before - 1) <= 1e-3
    assert reached <= 1e-4
    assert numbers["islands"] == 1.0
    assert numbers["dead"] == pytest.approx(after * growth.metal.charge_density, rel=1e-3)
    assert np.ptp(phi_s[core]) < 1e-6
    assert abs(own) < 0.05 * 10.0 * gap / KAPPA  # of what the electrolyte between them drops
    assert np.sign(drop) == -np.sign(density)
