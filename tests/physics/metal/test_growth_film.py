"""Metal that begins on a bare wall: none at rest, and then as fast as its current says.

Numbers: verification.md, "Phase field". eta is fixed, the electrolyte has no ohmic drop.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from fem import Case
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.physics.metal.covering import Barrier, Covering
from fem.physics.metal.metal import Film
from fem.run.session import mesh_folder
from fem.solver.options import Control
from fem.study.build import build
from tests.verification.cells import PLAIN, RT_F, case
from tests.verification.fronts import (
    FLOOR,
    HOST,
    PER_CHARGE,
    UM,
    Growth,
    box,
    density,
    film,
    speed,
    strip,
)

ETA = -0.1
V = speed(density(ETA))


def bare(eta_nuc: float, width: float = UM) -> Growth:
    """A strip over a bare foil behind the mesh."""
    h = 0.5 * width
    return Growth(
        strip(20 * width, h), None, width=width, films=[film(10.0, eta_nuc, faces=FLOOR)],
        scale=10.0 * 4 * h,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("eta", "eta_nuc"), [(0.0, 0.0), (0.02, 0.0), (-0.02, 0.05), (-0.0499, 0.05), (0.05, 0.05)]
)
def test_nothing_happens(eta, eta_nuc):
    """At rest, under anodic eta and between 0 and the nucleation overpotential: no metal at all.

    For 1e6 s, in which 10 A/m2 would plate 1.3 mm; the gate is 1e-6 lambda.
    """
    growth = bare(eta_nuc)
    growth.rest(voltage=eta)
    growth.march(1e6, 1e5)
    height = growth.volume / (2 * growth.width)
    print("bare wall", eta, eta_nuc, height / growth.width, growth.current)
    assert abs(height) <= 1e-6 * growth.width
    assert growth.bounded


def test_beyond_the_nucleation_overpotential():
    """A foil 10 mV beyond eta_nuc plates first with the excess and then with all of eta."""
    growth = bare(0.05)
    growth.rest(voltage=-0.06)
    assert growth.current == pytest.approx(density(-0.01) * 2 * growth.width, rel=1e-6)
    covered = 14.0 * growth.width / speed(density(-0.06))
    growth.march(covered, 0.01 * covered)
    assert growth.current == pytest.approx(density(-0.06) * 2 * growth.width, rel=5e-3)
    assert growth.bounded


def ramped(growth: Growth, end: float, record: Callable[[float], None]) -> None:
    """Steps that grow by 30 % to 0.4 lambda each, until v t = end lambda."""
    longest = 0.4 * growth.width / V
    dt, time = 0.01 * longest, end * growth.width / V
    while growth.s.t < time * (1 - 1e-9):
        growth.step(min(dt, time - growth.s.t))
        dt = min(1.3 * dt, longest)
        way = V * growth.s.t
        if way > 4 * growth.width:
            record(way)


@pytest.mark.parametrize("width", [UM, 0.5 * UM])
def test_film_on_a_flat_wall(width):
    """v t within 0.5 % once v t > 4 lambda, on a solid in the mesh."""
    h = 0.5 * width
    domain = box((0, -4 * h), (4 * h, 24 * width), (2, 26), host=lambda x: x[1] < 0.0)
    growth = Growth(
        domain, None, width=width, films=[film(10.0, walls=HOST)], scale=abs(density(ETA)) * 4 * h
    )
    growth.rest(voltage=ETA)
    errors: list[float] = []
    ramped(growth, 10.0, lambda way: errors.append(growth.volume / (4 * h) / way - 1))
    print("film on a flat wall", width, np.abs(errors).max())
    assert growth.bounded
    assert np.abs(errors).max() <= 5e-3


@pytest.mark.parametrize(("mobility", "least"), [(64.0, 0.99), (2.0, 0.8)])
def test_a_film_behind_a_barrier(mobility, least):
    """On a flat wall it lags behind v t by lambda ln(i/i_w) where relaxation is fast.

    i_w on what is free, exp(-s/lambda), i on the rest: ds/dt = v [1 - (1 - i_w/i) exp(-s/lambda)].
    With M = 2 v the wall is covered a little earlier. So lambda is how thick a film must be to
    forget the barrier of its wall.
    """
    eta_nuc, eta, width = 0.05, -0.06, UM
    h = 0.25 * width
    growth = Growth(
        strip(20 * width, h), None, width=width, films=[film(10.0, eta_nuc, faces=FLOOR)],
        scale=10.0 * 4 * h, mobility=mobility,
    )  # fmt: skip
    growth.rest(voltage=eta)
    v, lag = speed(density(eta)), np.log(density(eta) / density(eta + eta_nuc))
    time = 14.0 * width / v
    growth.march(time, 0.01 * time)
    found = (v * time - growth.volume / (4 * h)) / width
    print("lag of a film behind a barrier, in lambda", mobility, found, lag)
    assert least * lag <= found <= 1.01 * lag
    assert growth.bounded


def forgetful(width: float, eta: float, eta_nuc: float, q_cov: float) -> Growth:
    """A bare foil under a strip, whose barrier goes with the charge that it plates."""
    h = 0.25 * width
    growth = Growth(
        strip(20 * width, h), None, width=width, films=[film(10.0, eta_nuc, faces=FLOOR)],
        barriers=[Barrier("film", lambda points: eta_nuc, q_cov)], scale=10.0 * 4 * h,
    )  # fmt: skip
    growth.rest(voltage=eta)
    return growth


def test_a_wall_forgets_its_barrier():
    """With q_cov of 10 nm the film lags by V_m/F times the integral of (i/i_w(q) - 1) dq, whatever
    lambda is: 0.024 um instead of 0.8 and 1.7. Stripped to 2 nm, it asks for most of it again."""
    width, eta_nuc, eta, q_cov = 0.5 * UM, 0.05, -0.06, 1e-8 / PER_CHARGE
    growth = forgetful(width, eta, eta_nuc, q_cov)
    i = density(eta)
    lag, _ = quad(
        lambda x: 1e-8 * (i / density(eta + eta_nuc * np.exp(-x)) - 1.0), 0.0, 60.0, limit=200
    )
    v, dt = speed(i), 1e-9 / speed(i)
    while speed(i) * growth.s.t < 6.0 * width:
        growth.step(dt)
        dt = min(1.2 * dt, 0.4 * width / v)
    found = v * growth.s.t - growth.volume / width
    print("lag of a film that forgets its barrier, um", width, found / UM, lag / UM)
    assert abs(found - lag) <= 0.002 * UM
    covered = growth.covering.covered["film"].x.array
    assert covered.max() > 0.999
    growth.rest(voltage=0.06)
    growth.s.past_voltages[:] = 0.06
    growth.s.restart_formula()
    growth.march(12.0 * width / v, 0.2 * width / v)
    left = growth.volume / width
    print("left of it, nm", 1e9 * left, "still covered", covered.max())
    assert 0.0 <= left <= 5e-3 * width
    assert covered.max() <= 0.3
    assert growth.bounded


def charge_of_a_wall(eta: float, eta_nuc: float, q_cov: float, time: float) -> float:
    """Solution of dq/dt = -i_w(q) at a fixed voltage, C/m2."""

    def time_to(q: float) -> float:
        return quad(lambda x: -1.0 / density(eta + eta_nuc * np.exp(-x / q_cov)), 0.0, q)[0]

    return float(brentq(lambda q: time_to(q) - time, 0.0, 10 * q_cov))


def test_covering_is_of_second_order():
    """Charge of a wall after 10 s at a fixed voltage, against dq/dt = -i_w(q).

    Errors fall with the square of the step at least; to first order they are 0.11 to 0.02.
    """
    eta, eta_nuc, q_cov, end = -0.06, 0.05, 74.0, 10.0
    exact = charge_of_a_wall(eta, eta_nuc, q_cov, end)
    for steps in (10, 20, 40, 80):
        growth = forgetful(UM, eta, eta_nuc, q_cov)
        for _ in range(steps):
            growth.step(end / steps)
        growth.s.begin(0.0)
        error = growth.covering.charge["film"].x.array.max() / exact - 1.0
        print("covering: charge in q_cov, steps, error", exact / q_cov, steps, error)
        assert abs(error) <= 0.006 * (10 / steps) ** 2


class Driven:
    """A foil at 5 A/m2 that forgets its barrier within 1 nm, long before xi sees anything.

    As q = i t, the voltage is that of the current less eta_nuc exp(-i t/q_cov).
    """

    i, eta_nuc, q_cov, end = -5.0, 0.05, 7.4, 4.0

    def __init__(self) -> None:
        self.growth = forgetful(10 * UM, -0.06, self.eta_nuc, self.q_cov)
        self.current = self.i / 10.0 * self.growth.scale
        self.growth.rest(current=self.current, voltage=-0.06)
        self.growth.s.past_voltages[:] = self.growth.s.get_voltage()

    @property
    def error(self) -> float:
        """The voltage, less that of the closed form, V."""
        s = self.growth.s
        left = self.eta_nuc * np.exp(self.i * s.t / self.q_cov)
        return float(s.get_voltage() + left - 2 * RT_F * np.arcsinh(self.i / 20.0))


def test_the_voltage_of_a_wall_that_forgets_is_of_second_order():
    """1.03 mV of 50 with steps of 0.5 s, and a quarter of it with half of the step."""
    for steps in (8, 16, 32):
        foil = Driven()
        errors = []
        for _ in range(steps):
            foil.growth.step(foil.end / steps, foil.current)
            errors.append(abs(foil.error))
        print("voltage of a wall that forgets, steps, largest error, V", steps, max(errors))
        assert max(errors) <= 1.2e-3 * (8 / steps) ** 2


@pytest.mark.parametrize(("tolerance", "most"), [(1e-2, 0.015), (1e-3, 0.004)])
def test_the_tolerance_holds_the_covering(tolerance, most):
    """Its voltage in RT/F, with steps of any size; 0.021 while they know nothing of barriers."""
    foil = Driven()
    stepper, errors = foil.growth.stepper(0.02, tolerance), []
    while foil.growth.s.t < foil.end * (1 - 1e-12):
        left = foil.end - foil.growth.s.t
        assert stepper.advance(lambda t: Control(foil.current), foil.growth.scale, left)
        errors.append(abs(foil.error) / RT_F)
    print("covering, tolerance, largest error", tolerance, max(errors))
    assert max(errors) <= most


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4])
def test_the_tolerance_holds_the_metal_of_a_bare_wall(tolerance):
    """At a voltage that is held, from a first step of 5 s that is far too long.

    Against dq/dt = -i_w(q), to 3.5 q_cov: within twice the tolerance. q_cov is 0.03 % of lambda, so
    the front says nothing: by the front alone it is two steps and 37 % too much at any tolerance.
    """
    width, eta, eta_nuc, q_cov, end = 10 * UM, -0.045, 0.044, 20.0, 8.0
    exact = charge_of_a_wall(eta, eta_nuc, q_cov, end)
    growth, taken = forgetful(width, eta, eta_nuc, q_cov), 0
    stepper = growth.stepper(5.0, tolerance)
    while growth.s.t < end * (1 - 1e-12):
        assert stepper.advance(lambda t: Control(None), growth.scale, end - growth.s.t)
        taken += 1
    error = growth.volume / width / PER_CHARGE / exact - 1.0
    print("metal of a bare wall, tolerance, steps, error", tolerance, taken, error)
    assert abs(error) <= 2.0 * tolerance


@pytest.mark.full
def test_the_covering_does_not_multiply_steps(tmp_path, monkeypatch, reached):
    """`host_fill`, half as fine and as wide, to 2 mAh/cm2: steps with and without its say."""
    changes = ("geometry.width=30 um", "geometry.size=0.5 um", "geometry.size_wall=0.5 um",
               "growth.interface_width=1 um", "protocol.0.capacity=2 mAh/cm^2",
               "protocol.1.cutoff=1 mV", "output.figures=false")  # fmt: skip
    steps = []
    for name in ("with", "without"):
        run = Case.load("host_fill", overrides=changes).run(tmp_path / name)
        steps.append(len(run.series["t"]))
        monkeypatch.setattr(Covering, "gap", lambda self: 0.0)
    reached("steps with over those without", steps[0] / steps[1], most=1.5)


def test_metal_of_the_start_covers():
    """A wall under it has no barrier, one beside it has all of its own: the tail covers nothing."""
    growth = forgetful(UM, -0.06, 0.05, 74.0)
    for depth, share in ((3.0, 1.0), (-3.0, 0.0)):
        growth.covering.begun[0] = 0.0
        growth.covering.covered["film"].x.array[:] = 0.0
        xi = growth.s.unknowns["xi"]
        y = xi.space.tabulate_dof_coordinates()[:, 1]
        for values in (xi.value, *xi.old):
            values.x.array[:] = 1.0 / (1.0 + np.exp((y - y.min()) / UM - depth))
        growth.s.begin(0.0)
        on_wall = growth.covering.parts[0][1].nodes["xi"]
        covered = growth.covering.covered["film"].x.array[on_wall]
        assert len(covered) > 1
        np.testing.assert_allclose(covered, share, atol=1e-9)


def test_a_step_taken_back_covers_nothing():
    """Charge and coverage after a step that was tried too long first, as if it had not been."""
    found = []
    for tries in ([20.0], [500.0, 100.0, 20.0]):
        growth = forgetful(UM, -0.06, 0.05, 74.0)
        for _ in range(4):
            saved = growth.s.save()
            for dt in tries:
                growth.s.restore(saved)
                growth.solve(dt)
            growth.s.accept()
        growth.s.begin(20.0)
        kept = growth.covering.charge, growth.covering.covered
        found.append([f["film"].x.array.copy() for f in kept])
    np.testing.assert_array_equal(found[0], found[1])
    assert 0.1 < found[0][1].max() < 1.0


def test_the_charge_of_a_step_does_not_know_the_next_one():
    """With salt that falls and a law that sees it: the same charge whatever step is tried next."""

    def law(eta, c, T):
        return np.minimum(2e-2 * c * np.sinh(0.5 * (eta + 0.05) / RT_F), 0.0)

    h = 0.5 * UM
    growth = Growth(
        strip(20 * UM, h), None, width=UM, films=[Film("film", lambda points: law, faces=FLOOR)],
        barriers=[Barrier("film", lambda points: 0.05, 74.0)], scale=10.0 * 4 * h,
        kappa=0.3, counter=10.0, t_plus=lambda c: 0.3,
    )  # fmt: skip
    growth.rest(-5.0 * 4 * h, voltage=-0.06)
    for _ in range(3):
        growth.step(2.0, -5.0 * 4 * h)
    charges, saved = [], growth.s.save()
    for dt in (1.0, 40.0):
        growth.s.restore(saved)
        growth.s.begin(dt)
        charges.append(growth.covering.charge["film"].x.array.copy())
    assert charges[0].max() > 1.0
    np.testing.assert_array_equal(*charges)


def test_walls_of_a_case():
    """Every film wall with a barrier forgets it with q_cov, by default that of 10 nm of metal."""

    def barriers(*changes: str) -> dict[str, Barrier]:
        case = Case.load("host_fill", overrides=(*coarse, *changes))
        model = build(case, Domain.read(mesh_folder(case), MPI.COMM_WORLD))
        return {b.name: b for p in model.physics if isinstance(p, Covering) for b in p.barriers}

    coarse = ("geometry.size=2 um", "geometry.size_wall=2 um", "growth.interface_width=4 um")
    found = barriers("kinetics.0.q_cov=37 C/m^2", "kinetics.1.eta_nuc=0.02 V")
    assert {name: b.q_cov for name, b in found.items()} == {
        "host_mat": 37.0, "collector": pytest.approx(1e-8 / PER_CHARGE, rel=1e-3)
    }  # fmt: skip
    top, bottom = found["host_mat"].eta_nuc(np.array([[0.0, 45e-6, 0.0], [0.0, 0.0, 0.0]]))
    assert top == pytest.approx(0.04) and bottom == pytest.approx(0.0, abs=1e-12)
    assert barriers("kinetics.0.eta_nuc=0 V") == {}


def filled(radius: float, width: float, end: float) -> tuple[float, float]:
    """Errors of a film inside a cylinder: worst of its height by area, height of its last contour.

    A contour near the wall is lower than the metal there is: xi of the wall is not yet 1.

    Args:
        radius: of the pore, in lambda.
        width: lambda, m.
        end: v t at the end, in lambda.
    """
    h, R, core, wedge = 0.5, radius * width, 0.4 * radius * width, np.pi / 8
    around, through = round(wedge * radius / (4 * h)), round(0.6 * radius / (2 * h))

    def bend(x: np.ndarray) -> np.ndarray:
        r, angle = R - x[:, 1], x[:, 0]
        return np.stack([r * np.cos(angle), r * np.sin(angle), 0.0 * r], axis=1)

    growth = Growth(
        box((0, 0), (wedge, R - core), (around, through), bend=bend), None, width=width,
        films=[film(10.0, faces=FLOOR)], scale=abs(density(ETA)) * R,
    )  # fmt: skip
    growth.rest(voltage=ETA)
    errors: list[float] = []

    def record(way: float) -> None:
        errors.append((R - np.sqrt(R * R - 2 / wedge * growth.volume)) / way - 1)

    ramped(growth, end, record)
    assert growth.bounded
    return max(map(abs, errors)), abs((R - growth.radius()) / (end * width) - 1)


@pytest.mark.parametrize("width", [UM, 0.5 * UM])
def test_film_inside_a_cylinder(width):
    """v t within 0.5 % once v t > 4 lambda, in a pore of 40 um."""
    area, contour = filled(40 * UM / width, width, 8.0)
    print("film inside a cylinder", width, area, contour)
    assert area <= 5e-3
    assert contour <= 5e-3


@pytest.mark.full
def test_film_inside_a_narrow_cylinder(reached):
    """20 lambda: curvature costs the film (lambda/R)^2, about 1 %."""
    area, contour = filled(20.0, UM, 8.0)
    reached("height by area of a film in a pore of 20 lambda", area, most=1.5e-2)
    reached("height of its contour", contour, most=1.5e-2)


@pytest.mark.parametrize("layers", [1.0, 5.0])
def test_a_film_that_is_stripped_lacks_front(layers: float, tmp_path: Path) -> None:
    """Area 1 - exp(-b/lambda) of a film b thick, where it is thin with a warning that gives it."""
    wall = {"alpha_a": 0.5, "alpha_c": 0.5, "i0": "10 A/m^2"}
    given = case(
        study="growth", materials={"ideal": PLAIN}, growth={"interface_width": "1 um"},
        geometry={"family": "planar", "length": "12 um", "size": "0.5 um", "size_width": "1 um"},
        initial={"metal_layer": f"{layers} um"}, output={"figures": False},
        kinetics=[wall | {"surface": name} for name in ("metal", "collector", "counter")],
        protocol=[{"step": "strip", "current_density": "100 A/m^2", "duration": "0.1 s"}],
    )
    result = Case.from_dict(given).run(tmp_path / "r")
    area = 1.0 - np.exp(-layers)
    found = result.series["V_kinetic_plating"][-1]
    assert found == pytest.approx(2.0 * RT_F * np.arcsinh(100.0 / (2.0 * 10.0 * area)), rel=0.02)
    said = [text for text in result.summary["warnings"] if "is stripped is" in text]
    assert [f"{layers:.0f} um thick or less" in t and f"has {area:.2g} of" in t for t in said] == [
        True][: layers < 3.0]
