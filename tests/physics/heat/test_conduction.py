"""Heat against closed forms: slabs, electrodes, ignition, constriction; and the first law."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ufl

from fem.api import Case
from fem.files.checkpoint import node_numbers
from fem.physics.heat import LEAST_CONTACT
from fem.physics.heat.conduction import Conduction, HeatMedium, Surroundings
from fem.physics.heat.shutdown import Melting, Shutdown
from fem.run.session import run
from tests.physics.heat.hot import (
    ENDS,
    RT_F,
    SPREADS,
    STORES,
    T0,
    WIDTH,
    Hot,
    K,
    L,
    arrhenius,
    conducting,
    electrodes,
    slab,
)
from tests.physics.heat.test_case import PLATE
from tests.physics.heat.test_case import hot as warming
from tests.verification.fronts import FLOOR, HOST, PORE, UM, Growth, box, film, layer, strip

PLAIN = HeatMedium(PORE, K, STORES)
HELD = dict.fromkeys(ENDS, T0)
CLOSES = 1e-8  # of |I V|


def closes(numbers: dict[str, float]) -> bool:
    """Heat stored, lost and made agree, and heat made with the work done."""
    return numbers["heat"] < CLOSES and numbers["first_law"] < CLOSES


def test_a_current_warms_a_slab() -> None:
    """100 A/m2 at 1 S/m over 100 um, ends held: i^2 L^2/(8 kappa k), and the way there."""
    hot = Hot(slab(), (conducting(lambda T: 1.0, counter=1e-2, collector=0.0),
                       Conduction((PLAIN,), held=HELD)), scale=100 * WIDTH)  # fmt: skip
    middle, t, n = {}, 0.0, 50
    for fourier in (0.02, 0.05, 0.1):
        end = fourier * L**2 / SPREADS
        for share in (0.1, 0.3, 0.6, *[1.0] * (n - 1)) if t == 0.0 else [1.0] * n:
            hot.step(share * (end - t) / n)
            assert closes(hot.numbers)
        t, middle[fourier] = end, hot.at(0.5)
    hot.steady(2)
    assert hot.at(0.5) == pytest.approx(6.25e-5, rel=1e-6)
    shares = [value / 6.25e-5 for value in middle.values()]
    assert shares == pytest.approx([0.159232, 0.370386, 0.615353], rel=4e-3)


def test_surroundings_keep_a_slab_warm() -> None:
    """Surroundings with h = 10 W/m2K heat the slab: .05 K at the walls, .0500625 K inside."""
    around = dict.fromkeys(ENDS, Surroundings(10.0, T0))
    hot = Hot(slab(), (conducting(lambda T: 1.0, counter=1e-2, collector=0.0),
                       Conduction((PLAIN,), around)), scale=100 * WIDTH)  # fmt: skip
    numbers = hot.steady(3)
    assert closes(numbers)
    assert [hot.at(0.0), hot.at(0.5)] == pytest.approx([0.05, 0.0500625], rel=1e-6)
    assert numbers["heat_out"] == pytest.approx(1.0 * WIDTH, rel=1e-6)


def halves(resistance: float | None, *, axisymmetric: bool = False) -> Hot:
    """A host below and an electrolyte above, both of K, with 20 W/m2 through both and a contact."""
    domain = box((0, 0), (WIDTH, L), (2, 20), host=lambda x: x[1] < 0.5 * L,
                 axisymmetric=axisymmetric)  # fmt: skip
    medium = HeatMedium(("host", "electrolyte"), K, STORES)
    contacts: Any = {} if resistance is None else {HOST: resistance}
    held = {"collector": T0, "counter": T0 + 20.0 * (L / K + (resistance or 0.0))}
    ions = conducting(lambda T: 1.0, counter=0.0)
    return Hot(domain, (ions, Conduction((medium,), held=held, contacts=contacts)), scale=WIDTH)


@pytest.mark.parametrize("axisymmetric", [False, True])
def test_a_contact_resistance_drops_what_flows_through_it(axisymmetric: bool) -> None:
    """2 mK at 1e-4 m2K/W and 20 W/m2; each side has its own nodes at the wall and its own T."""
    hot = halves(1e-4, axisymmetric=axisymmetric)
    plain = halves(None, axisymmetric=axisymmetric)
    numbers, u, domain = hot.steady(3), hot.heat.rise, hot.s.domain
    assert closes(numbers)
    y = u.space.tabulate_dof_coordinates()[:, 1]
    above = np.zeros(len(y), dtype=bool)
    tags = domain.cell_tag_array[u.part.cells]
    above[u.space.dofmap.list[tags == domain.regions["electrolyte"]]] = True
    exact = 20.0 * y / K + 2e-3 * above
    assert u.value.x.array + hot.heat.zero - T0 == pytest.approx(exact, rel=1e-9, abs=1e-12)
    doubled = len(y) - len(plain.heat.rise.owned)
    assert doubled == np.isclose(y, 0.5 * L).sum() / 2 == 3
    numbers_of = node_numbers(hot.s)["rise"]
    assert len({*numbers_of}) == len(y)  # a checkpoint tells them apart
    lagged = hot.s["T"]
    side = {s: hot.s.integral(hot.s.form(lagged(s) * domain.wall_weight(HOST) * domain.dS(HOST)))
            for s in "+-"}  # fmt: skip
    area = np.pi * WIDTH**2 if axisymmetric else WIDTH
    assert (side["-"] - side["+"]) / area == pytest.approx(2e-3, rel=1e-9)


def test_hardly_a_contact_resistance_is_no_wall() -> None:
    """At the least resistance that a table takes T is off by what that drops: 2 nK."""
    hot, plain = halves(LEAST_CONTACT), halves(None)
    for one in (hot, plain):
        one.steady(2)
        assert closes(one.numbers)
    places = [one.heat.rise.space.tabulate_dof_coordinates()[:, 1] for one in (hot, plain)]
    rises = [one.heat.rise.value.x.array + one.heat.zero - T0 for one in (hot, plain)]
    there = np.abs(places[0][:, None] - places[1]).argmin(axis=1)
    assert rises[0] == pytest.approx(rises[1][there], abs=20.0 * LEAST_CONTACT * 1.001, rel=0.0)


def test_kohlrausch() -> None:
    """V^2/8 = int k/kappa dT between two electrodes at 298.15 K, whatever the shape; V = 4 V.

    With a constant kappa the rise would be 10 K.
    """
    ions = conducting(lambda T: arrhenius(40e3, T), collector=0.0, counter=4.0)
    hot = Hot(slab(40), (ions, Conduction((PLAIN,), held=HELD)), scale=4e4 * WIDTH)
    numbers = hot.steady(25)
    assert numbers["T_max"] - T0 == pytest.approx(14.1885, rel=1e-3)
    assert closes(numbers)


@pytest.mark.parametrize(("delta", "rise"), [(0.8, 0.746459), (0.9, None)])
def test_ignition(delta: float, rise: float | None) -> None:
    """Source q exp(b (T - T0)): b (T_m - T0) of Frank-Kamenetskii, none above delta = .878458."""
    b, q = 0.1, delta * K / (0.1 * (L / 2) ** 2)
    source = HeatMedium(PORE, K, STORES, lambda T: q * ufl.exp(b * (T - T0)))
    ions = conducting(lambda T: 1.0, collector=0.0, counter=0.0)
    hot = Hot(slab(40), (ions, Conduction((source,), held=HELD)), scale=WIDTH)
    if rise is None:
        for _ in range(200):
            hot.steady(1)
            if b * (hot.numbers["T_max"] - T0) > 2.0:
                return
        pytest.fail("it rests above the limit of ignition")
    hot.steady(60)
    assert b * (hot.numbers["T_max"] - T0) == pytest.approx(rise, rel=1e-3)


def test_a_spot_spreads_its_heat() -> None:
    """A disk at one temperature on a half space: 4 a sqrt(k_r k_z) W/K, k_z = k_r/4.

    The mesh follows oblate spheroids, on which T is arctan(sinh mu), 0 at mu = 3.
    """
    a, far, through = 1e-6, 3.0, 0.25
    k = 0.5, 0.5 * through

    def spheroids(x: Any) -> Any:
        out = x.copy()
        out[:, 0] = a * np.cosh(x[:, 1]) * np.cos(x[:, 0])
        out[:, 1] = a * np.sinh(x[:, 1]) * np.sin(x[:, 0]) * np.sqrt(through)
        return out

    domain = box((0, 0), (np.pi / 2, far), (24, 48), bend=spheroids, axisymmetric=True)
    ions = conducting(lambda T: 1.0, collector=0.0, counter=0.0)
    heat = Conduction((HeatMedium(PORE, k, STORES),), held={"collector": T0 + 1, "counter": T0})
    hot = Hot(domain, (ions, heat), scale=1e-6)
    hot.steady(1)
    below = 4 * a * np.sqrt(k[0] * k[1]) / (2 / np.pi * np.arctan(np.sinh(far)))
    assert through_boundary(hot, "collector") == pytest.approx(below, rel=5e-3)
    assert through_boundary(hot, "counter") == pytest.approx(-below, rel=5e-3)


def through_boundary(hot: Hot, name: str) -> float:
    """Heat that enters at a boundary with a given temperature, W."""
    return hot.s.held_currents("rise")[name]


def test_cooling() -> None:
    """A slab that conducts well cools by 2 h/(rho c_p L) per s."""
    around = dict.fromkeys(ENDS, Surroundings(10.0, T0 - 20.0))
    ions = conducting(lambda T: 1.0, collector=0.0, counter=0.0)
    hot = Hot(slab(2), (ions, Conduction((HeatMedium(PORE, 400.0, STORES),), around)), scale=1.0)
    time = STORES * L / 20.0
    for share in (0.1, 0.3, 0.6, *[1.0] * 49):
        hot.step(share * time / 50)
    assert hot.at(0.5) + 20.0 == pytest.approx(20.0 / np.e, rel=1e-3)


def test_plating_cools() -> None:
    """With dU/dT = 1.04 mV/K heat goes from one electrode to the other: i T dU/dT L/k between."""
    i, dU_dT = -10.0, 1.04e-3
    parts = electrodes(lambda T: 100.0), Conduction((PLAIN,), entropy=dU_dT)
    ions = conducting(lambda T: 1.0)
    hot = Hot(slab(), (ions, *parts), scale=10 * WIDTH, current=i * WIDTH)
    time = 10 * L**2 / SPREADS
    for share in (0.1, 0.3, 0.6, *[1.0] * 9):
        numbers = hot.step(share * time / 10)
        assert closes(numbers)
    assert hot.at(1.0) - hot.at(0.0) == pytest.approx(-i * T0 * dU_dT * L / K, rel=1e-4)
    left = i * dU_dT * (hot.at(0.0) - hot.at(1.0)) * WIDTH  # the two cancel but for this
    assert numbers["heat_reversible"] == pytest.approx(left, rel=1e-4)
    lost = 2 * 2 * RT_F * np.arcsinh(0.05) + 10 * L  # V
    assert numbers["heat_made"] - left == pytest.approx(10 * lost * WIDTH, rel=1e-5)


def test_a_film_is_warm_and_kinetics_follow() -> None:
    """Heat of a film is counted with its reaction, and i0 is that of the wall's temperature."""
    T = 318.15
    parts = (
        electrodes(lambda T: 100.0 * arrhenius(50e3, T), film=5e-3),
        Conduction((PLAIN,), held=dict.fromkeys(ENDS, T)),
    )
    hot = Hot(slab(4), (conducting(lambda T: 1.0), *parts), scale=10 * WIDTH, current=-10 * WIDTH)
    numbers = hot.steady(3)
    assert closes(numbers)
    i0 = 100.0 * float(np.exp(-50e3 / 8.31446261815324 * (1 / T - 1 / T0)))
    eta = 2 * RT_F * T / T0 * np.arcsinh(10 / (2 * i0))
    assert hot.s.get_voltage() == pytest.approx(-(2 * eta + 10 * L + 10 * 5e-3), rel=1e-6)


def run_away(together: bool, steps: int = 20) -> Hot:
    """A cell that warms by 2 K in 20 steps, with everything of T."""
    parts = (
        conducting(lambda T: 0.1 * arrhenius(30e3, T)),
        electrodes(lambda T: 1000.0 * arrhenius(50e3, T)),
        Conduction((PLAIN,), dict.fromkeys(ENDS, Surroundings(1e3, T0)), together=together),
    )
    hot = Hot(slab(6), parts, scale=1e4 * WIDTH, current=-3e3 * WIDTH)
    time = L**2 / SPREADS
    for share in (0.1, 0.3, 0.6, *[1.0] * (steps - 1)):
        hot.step(share * time / steps)
        assert closes(hot.numbers)
    return hot


def test_short_steps_far_from_the_surroundings() -> None:
    """Round-off of heat that is stored over a microsecond, 135 K away, counts as none.

    h 135 K flows in all the while, next to nothing of which leaves the surface's cells.
    """
    ions = conducting(lambda T: 1.0, collector=0.0, counter=0.0)
    oven = {"counter": Surroundings(10.0, T0 + 135.0)}
    hot = Hot(slab(20), (ions, Conduction((PLAIN,), oven)), scale=WIDTH)
    for dt in (1e-6, 1.1e-6, 0.45e-6, 0.18e-6):
        hot.step(dt)
        assert closes(hot.numbers)
    content = hot.s.integral(hot.s.form((hot.heat.T - T0) * hot.s.domain.dx(PORE)))
    assert content * STORES == pytest.approx(10.0 * 135.0 * WIDTH * hot.s.t, rel=1e-5)


def test_heat_that_is_lost_over_a_microsecond_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """1e-5 of what comes from surroundings 135 K away, of which 2e-7 may be last bits."""
    oven = {"counter": Surroundings(10.0, T0 + 135.0)}
    ions = conducting(lambda T: 1.0, collector=0.0, counter=0.0)
    hot = Hot(slab(20), (ions, Conduction((PLAIN,), oven)), scale=WIDTH)
    lost = hot.heat.lost
    monkeypatch.setattr(hot.heat, "lost", lambda: lost() + 1e-5 * hot.heat.exchanged())
    assert hot.step(1e-6)["heat"] == pytest.approx(1e-5, rel=0.05)


def test_one_after_the_other_is_as_together() -> None:
    """The error of a predicted T falls with the square of the step; at rest nothing is left."""
    gaps = []
    for steps in (20, 40):
        staggered, joined = run_away(False, steps), run_away(True, steps)
        gaps.append(abs(staggered.at(0.5) - joined.at(0.5)))
    assert gaps[0] < 1e-2 * joined.at(0.5)
    assert gaps[0] / gaps[1] > 3.0
    joined.steady(8)
    staggered.steady(30)
    assert staggered.at(0.5) == pytest.approx(joined.at(0.5), rel=1e-8)
    assert staggered.s.get_voltage() == pytest.approx(joined.s.get_voltage(), rel=1e-8)




def test_a_checkpoint_may_count_from_another_temperature() -> None:
    """One written before counts from the case's, not from that of the surroundings."""
    around = dict.fromkeys(ENDS, Surroundings(10.0, T0 + 12.0))
    ions = conducting(lambda T: 1.0, collector=0.0, counter=0.0)
    heat = Hot(slab(2), (ions, Conduction((PLAIN,), around)), scale=1.0).heat
    heat.rise.value.x.array[:] = 5.0
    heat.recall(())
    assert heat.lagged.x.array == pytest.approx(T0 + 5.0)
    heat.recall(())  # one of its own
    assert heat.lagged.x.array == pytest.approx(T0 + 5.0)


def test_two_ranks(mpirun: Any, tmp_path: Path) -> None:
    """Steps by hand, and a case whose steps are chosen by their error."""
    found = mpirun(2, "tests.physics.heat.test_conduction:on_ranks", str(tmp_path / "two"))
    assert found == pytest.approx(on_ranks(str(tmp_path / "one")), rel=1e-11)


def on_ranks(folder: str) -> list[float]:
    """Rise and heat flows of a cell after a few steps, and those of a case."""
    hot = run_away(False, 5)
    names = "T_max", "heat_made", "heat_out"
    whole = run(Case.from_dict(warming(protocol=[PLATE | {"duration": "2 s"}])), folder).summary
    return [hot.at(0.5), *(float(n[name]) for n in (hot.numbers, whole) for name in names)]


def test_growing_metal_makes_as_much_heat_as_work_is_done() -> None:
    """A film that grows and its salt: ohmic, front's and counter's heat, while T follows."""
    h, i0 = 0.5 * UM, 10.0
    metal = 84.8, 534.0 * 3580.0
    medium = HeatMedium(PORE, K, STORES, metal=metal)
    around = {"collector": Surroundings(1e3, T0)}
    heat = Conduction((medium,), around, entropy=1.04e-3)
    growth = Growth(
        strip(20 * UM, h), layer(5 * UM, UM), width=UM, scale=10.0 * 4 * h, i0=i0, kappa=0.3,
        sigma=1e3, counter=i0, t_plus=lambda c: 0.3, films=[film(i0, faces=FLOOR)], guests=[heat],
    )  # fmt: skip
    growth.rest(-10.0 * 4 * h)
    for dt in (1.0, 3.0, 6.0, 10.0, 10.0, 10.0):
        growth.solve(dt, -10.0 * 4 * h)
        numbers = heat.step(growth.scale)
        assert closes(numbers)
        growth.s.accept()
    assert growth.s.plan()[-1] == ("rise",)
    assert growth.volume > 5.05 * UM * 4 * h
    assert numbers["heat_reversible"] == pytest.approx(0.0, abs=1e-6 * 10.0 * 4 * h)
    assert numbers["T_max"] > T0


def test_a_separator_melts_shut_and_stays_so() -> None:
    """The rest of kappa follows the highest T so far; after cooling down it stays lost."""
    melting = {PORE[0]: Melting(405.0, 2.0, 0.01)}
    heat = Conduction((PLAIN,), held=dict.fromkeys(ENDS, T0))
    ions = conducting(lambda T: 1.0, counter=1e-3, collector=0.0)
    hot = Hot(slab(4), (ions, heat, shut := Shutdown(melting)), scale=10 * WIDTH)

    def at(T: float) -> float:
        for name in ENDS:
            hot.heat.rise.value.x.array[hot.heat.rise.groups[name]] = T - T0
        hot.steady(3)
        return hot.s.held_currents("phi_l")["collector"] / (10 * WIDTH)

    first = abs(at(300.0))
    assert not [*shut.events()]
    for T, left in ((404.0, 0.01 + 0.99 / (1 + np.exp(-0.5))), (450.0, 0.01), (300.0, 0.01)):
        assert abs(at(T)) / first == pytest.approx(left, rel=1e-6)
    assert [e.name for e in shut.events()] == ["shutdown"]
