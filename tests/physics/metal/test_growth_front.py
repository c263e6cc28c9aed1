"""The front moves as fast as its current says, whatever its width, mobility, mesh and shape.

Numbers: verification.md, "Phase field". eta is fixed and the electrolyte has no ohmic drop, so that
the speed v is known; at an imposed current it would be an identity.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq

from fem import Case
from fem.base.errors import CaseError
from tests.verification.fronts import (
    EQUAL,
    KAPPA,
    UM,
    Growth,
    ball,
    box,
    density,
    layer,
    profile,
    quarter,
    speed,
    strip,
)

#: xi may change so much in a step: four lambda are one.
SHORT, FINE = 0.1, 0.05


def duration(change: float, width: float, v: float) -> float:
    """Step, s, in which xi changes by at most this much."""
    return 4 * change * width / abs(v)


# -- flat --------------------------------------------------------------------------------------


def flat(width: float, eta: float, *, h: float = 0.5, mobility: float = 2.0, travel: float = 12.0,
         change: float = SHORT) -> tuple[float, Growth]:  # fmt: skip
    """Relative error of the way of a flat front, by its volume, and the cell; h in lambda."""
    begin = 10.0 if eta < 0 else 10.0 + travel
    v, domain = speed(density(eta)), strip((20.0 + travel) * width, h * width)
    growth = Growth(
        domain, layer(begin * width, width), width=width, mobility=mobility,
        scale=abs(density(eta)) * 4 * h * width,
    )  # fmt: skip
    growth.rest(voltage=eta)
    before = growth.volume
    time = travel * width / abs(v)
    growth.march(time, duration(change, width, v))
    return (growth.volume - before) / (4 * h * width * v * time) - 1, growth


@pytest.mark.parametrize(("width", "eta"), [(UM, -0.1), (0.5 * UM, 0.05)])
def test_flat_front(width, eta):
    """0.1 % for two mobilities; a width plates, half of it strips."""
    for mobility in (1.0, 4.0):
        error, growth = flat(width, eta, mobility=mobility)
        print("flat", width, eta, mobility, error)
        assert abs(error) <= 1e-3
        assert growth.bounded


def test_long_steps():
    """Steps of 0.9 lambda, the longest that a run takes, do not tear the front: 0.1 %."""
    for h in (0.5, 0.25):
        error, growth = flat(UM, -0.1, h=h, change=0.22, travel=16.0)
        print("long steps", h, growth.travel, error)
        assert abs(error) <= 1e-3
        assert growth.bounded


@pytest.mark.full
def test_a_flat_front_stays_flat(tmp_path, reached):
    """Plated by 2 mAh/cm2 in the longest steps: uneven by less than an element, 0.25 um.

    Kinetics rule: theory lets a ripple of 30 um grow by less than 2 %. What buckles is the scheme;
    while every node of a front went on by its own way, it was uneven by 3.3 um.
    """
    run = Case.from_dict({
        "schema": 1, "title": "flat", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
        "temperature": "25 degC", "study": "growth",
        "geometry": {"family": "planar", "width": "16 um", "length": "30 um", "size": "0.25 um"},
        "collector": {"material": "Cu"}, "counter": {"kind": "metal"},
        "kinetics": [{"surface": "collector", "wall": "film", "eta_nuc": "0 V"}],
        "initial": {"metal_layer": "4 um"}, "growth": {"interface_width": "0.5 um"},
        "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "capacity": "2 mAh/cm^2"}],
        "time": {"dt0": "1 s", "dt_max": "10 min", "tolerance": 0.01},
        "output": {"figures": False},
    }).run(tmp_path / "r")  # fmt: skip
    xi, (x, y) = run.array("xi", block="metal"), run.points("metal")[:, :2].T
    heights = [y[np.isclose(x, at) & (xi > 0.5)].max() for at in np.unique(x.round(9))]
    reached("steps", len(run.series["t"]), most=40)
    reached("highest less lowest point of the front", np.ptp(heights), most=0.26e-6, unit="m")


def _thin(thickness):
    """A layer on the collector of a cell of 12 um, and next to no current."""
    return Case.from_dict({
        "schema": 1, "title": "thin", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
        "temperature": "25 degC", "study": "growth",
        "geometry": {"family": "planar", "width": "1 um", "length": "12 um", "size": "0.1 um"},
        "collector": {"material": "Cu"}, "counter": {"kind": "metal"},
        "kinetics": [{"surface": "collector", "wall": "film", "eta_nuc": "0 V"}],
        "initial": {"metal_layer": thickness}, "growth": {"interface_width": "1 um"},
        "protocol": [{"step": "plate", "current_density": "1 A/m^2", "duration": "1 ms"}],
        "output": {"figures": False},
    })  # fmt: skip


@pytest.mark.parametrize("thickness", [0.5, 2.0, 6.0])
def test_a_thin_layer_holds_the_metal_that_was_asked_for(thickness, tmp_path):
    """In interface widths; with its middle there, one of 2 held 6.3 % more, of 0.5 95 %."""
    run = _thin(f"{thickness} um").run(tmp_path / "r")
    charge_of_a_metre = 7.43e9  # F/V_m of lithium, 12.99e-6 m3/mol, C/m3
    assert run.series["plated"][0] == pytest.approx(
        thickness * UM * charge_of_a_metre, rel=2e-3, abs=1e-3
    )


@pytest.mark.parametrize("thickness", ["12 um", "25 um"])
def test_a_layer_that_leaves_no_electrolyte_is_refused(thickness, tmp_path):
    """Its salt would be nan at c = inf."""
    with pytest.raises(CaseError, match=f"metal_layer: {thickness}: leaves no electrolyte in a ce"):
        _thin(thickness).run(tmp_path / "r")


def test_metal_of_any_shape_that_leaves_no_electrolyte_is_refused(tmp_path):
    """A metre in place of a micrometre."""
    everywhere = {"expression": "y + 1", "unit": "m"}
    with pytest.raises(CaseError, match="leaves no electrolyte: metal fills all pores"):
        _thin(everywhere).run(tmp_path / "r")


def test_a_front_wider_than_its_cell_is_refused(tmp_path):
    """3.1 um in a cell of 12 um; at most a quarter of it."""
    wide = _thin("2 um").with_({"growth.interface_width": "3.1 um"})
    with pytest.raises(CaseError, match=r"3.1 um: too wide for a cell of 12 um .* at most 3 um"):
        wide.run(tmp_path / "r")


def test_a_layer_of_next_to_nothing_begins(tmp_path):
    """1e-20 um, below the round-off of exp(-d/lambda)."""
    assert _thin("1e-20 um").run(tmp_path / "r").series["plated"][0] < 2e-3


def test_order_in_space():
    """Way of a flat front on three meshes: second order in h."""
    sizes = 0.625, 0.4, 0.25
    errors = [abs(flat(UM, -0.1, h=h, change=0.02, travel=5.0)[0]) for h in sizes]
    pairs = zip(pairwise(errors), pairwise(sizes), strict=True)
    orders = [np.log(a / b) / np.log(c / d) for (a, b), (c, d) in pairs]
    print("order in h", errors, orders)
    assert all(abs(order - 2.0) <= 0.2 for order in orders)


def test_order_in_time():
    """Height of the contour of a front that speeds up by 18 %, steps halved twice: second order."""
    width, h = 0.5 * UM, 0.25 * UM
    heights = []
    for n in (20, 40, 80):
        growth = Growth(
            strip(40 * width, h), layer(8 * width, width), width=width, kappa=2e-3, sigma=1e4,
            scale=12.0 * 4 * h,
        )  # fmt: skip
        growth.rest(voltage=-0.1)
        begin = growth.current
        growth.march(2200.0, 2200.0 / n)
        heights.append(growth.height())
    assert growth.current / begin == pytest.approx(1.18, abs=0.01)
    steps = np.diff(heights)
    orders = np.log2(steps[:-1] / steps[1:])
    print("order in time", steps / width, orders)
    assert np.all(np.abs(orders - 2.0) <= 0.25)


# -- ohmic drop --------------------------------------------------------------------------------


def drop(width: float, i0: float, h: float, travel: float = 3.0) -> float:
    """Relative error of the current with 40 um of electrolyte to a reference, -100 mV."""
    top = 64 * UM if width < 2 * UM else 80 * UM

    def exact(gap: float) -> float:
        return float(brentq(lambda i: density(-0.1 + i * gap / KAPPA, i0) + i, 0.0, 1e3))

    i = exact(40 * UM)
    if i0 == 10.0:
        assert i == pytest.approx(58.49, abs=0.005)  # verification.md
    area = 4 * h * width
    growth = Growth(
        strip(top, h * width), layer(top - 40 * UM - travel * width, width), width=width,
        kappa=KAPPA, sigma=1e4, i0=i0, scale=i * area,
    )  # fmt: skip
    growth.rest(voltage=-0.1)
    growth.march(travel * width / speed(-i), duration(FINE, width, speed(-i)))
    gap = top - growth.height()
    assert gap == pytest.approx(40 * UM, rel=0.02)
    assert growth.bounded
    return -growth.current / area / exact(gap) - 1


def test_current_over_an_ohmic_drop():
    """58.49 A/m2 within 0.2 %. What is left is the mesh's: it falls with h, not with lambda."""
    errors = {(w, h): drop(w * UM, 10.0, h) for w, h in ((1.0, 0.5), (0.5, 0.5), (0.5, 0.25))}
    print("58.49 A/m2", errors)
    assert all(abs(error) <= 2e-3 for error in errors.values())
    assert abs(errors[0.5, 0.25]) < 0.6 * abs(errors[0.5, 0.5])


def test_fast_kinetics():
    """The front's width matters where kinetics are fast, as (lambda i0 F/(kappa RT))^2.

    i0 = 1000 A/m2: kinetics resist as 7.7 um of electrolyte do.
    """
    errors = [drop(w * UM, 1000.0, 0.5) for w in (2.0, 1.0, 0.5)]
    orders = [np.log2(a / b) for a, b in pairwise(errors)]
    print("fast kinetics", errors, orders)
    assert errors[-1] <= 4e-3
    assert all(order >= 1.8 for order in orders)


# -- round -------------------------------------------------------------------------------------


def grown(eta: float, begin: float, *, h: float = 0.25, axisymmetric: bool = False,
          mobility: float = 2.0, travel: float = 5.0) -> tuple[float, float]:  # fmt: skip
    """Relative error of the way of a cylinder's or sphere's contour; how far it is from round.

    Radii, and what is returned of them, in lambda.
    """
    width, v = UM, speed(density(eta))
    side = begin + 5.0 + (travel if eta < 0 else 0.0)
    growth = Growth(
        quarter(side * width, h * width, axisymmetric=axisymmetric),
        ball(begin * width, width), width=width, mobility=mobility,
        scale=abs(density(eta)) * begin * width * (begin * width if axisymmetric else 1.0),
    )  # fmt: skip
    growth.rest(voltage=eta)
    before, time = growth.radius(), travel * width / abs(v)
    growth.march(time, duration(FINE, width, v))
    assert growth.bounded
    out = np.linalg.norm(growth.contour(), axis=1) - growth.radius()
    return (growth.radius() - before) / (v * time) - 1, float(np.abs(out).max() / width)


@pytest.mark.parametrize("shape", ["cylinder", "sphere"])
def test_round_front(shape):
    """Radius of the 0.5 contour under a uniform speed, R0 = 10 lambda, h = lambda/4: 0.5 %.

    It stays round within a quarter of lambda; a sphere is worst at its pole, on the axis.
    """
    for eta, begin, bump in ((-0.1, 10.0, 0.25), (0.1, 15.0, 0.15)):
        error, out = grown(eta, begin, axisymmetric=shape == "sphere")
        print(shape, eta, error, out)
        assert abs(error) <= 5e-3
        assert out <= bump


@pytest.mark.full
@pytest.mark.parametrize("mobility", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("shape", ["cylinder", "sphere"])
def test_round_front_and_mobility(shape, mobility, reached):
    for eta, begin in ((-0.1, 10.0), (0.1, 15.0)):
        error, _ = grown(eta, begin, axisymmetric=shape == "sphere", mobility=mobility)
        name = "plating" if eta < 0 else "stripping"
        reached(f"way of a {shape}, m = {mobility:g}, {name}", abs(error), most=5e-3)


@pytest.mark.full
@pytest.mark.parametrize("eta", [-0.1, 0.1])
def test_sphere_in_three_dimensions(eta, reached):
    """An octant on tetrahedra, h = lambda/2: twice the gate's element and four times its bound."""
    width, v, travel = UM, speed(density(eta)), 3.0
    begin, side = (7.0 if eta < 0 else 10.0), 14.0
    growth = Growth(
        box((0, 0, 0), (side * width,) * 3, (28, 28, 28)), ball(begin * width, width),
        width=width, scale=abs(density(eta)) * (begin * width) ** 2, kind="iterative", rtol=1e-9,
    )  # fmt: skip
    growth.rest(voltage=eta)
    before, time = growth.radius(), travel * width / abs(v)
    growth.march(time, duration(FINE, width, v))
    error = (growth.radius() - before) / (v * time) - 1
    assert growth.bounded
    reached(f"way of a 3D sphere, {eta:g} V", abs(error), most=2e-2)


def test_resting_circle():
    """Relaxation alone, for 20 lambda/M: area exact, radius within 2 (lambda/R)^2."""
    width, R, M = UM, 10.0, 1e-8
    growth = Growth(
        quarter(16 * width, 0.25 * width), ball(R * width, width), width=width, scale=1e-3, i0=1e-12
    )

    def hold() -> None:
        growth.s["front"].mobility.value = M

    growth.s.preparers.append(hold)
    growth.rest(voltage=0.0)
    radius, area = growth.radius(), growth.volume
    growth.march(20 * width / M, width / M)
    moved = growth.radius() / radius - 1
    print("resting circle", growth.volume / area - 1, moved)
    assert growth.bounded
    assert growth.volume == pytest.approx(area, rel=1e-11)
    assert abs(moved) <= 2 / R**2


# -- ends --------------------------------------------------------------------------------------


def test_two_fronts_close_their_gap():
    """Two flat fronts, 12 lambda apart, meet: the gap is full and the current has stopped."""
    width, h, gap, side = 0.5 * UM, 0.25 * UM, 12.0, 30.0
    i, length = density(-0.1), side * width
    edge = 0.5 * (side - gap) * width
    growth = Growth(
        box((0, 0), (length, 4 * h), (30, 2)),
        lambda x: np.maximum(profile(x[0] - edge, width), profile(length - x[0] - edge, width)),
        width=width, scale=abs(i) * 4 * h,
    )  # fmt: skip
    growth.rest(voltage=-0.1)
    growth.march(2 * gap * width / speed(i), duration(SHORT, width, speed(i)))
    lowest, current = growth.range[0], growth.current / (2 * i * 4 * h)
    print("two fronts", 1 - lowest, current)
    assert growth.bounded
    assert lowest >= 0.999
    assert abs(current) <= 1e-3


@pytest.mark.parametrize(("eta", "radius"), [(-0.1, 4.0), (-0.1, 8.0), (0.05, 8.0), (0.05, 12.0)])
def test_a_round_pore_closes_and_a_round_crystal_dissolves(eta, radius):
    """In steps of 0.25, the longest allowed, xi stays in its range (without spilling: -0.038).

    The pore lies at the counter electrode: ions reach it as long as there is any.
    """
    width, side = 0.5 * UM, 16.0
    i = density(eta)
    crystal = ball(radius * width, width, () if eta > 0 else (0.0, side * width))
    growth = Growth(
        quarter(side * width, 0.5 * width), crystal if eta > 0 else lambda x: 1.0 - crystal(x),
        width=width, scale=abs(i) * side * width,
    )  # fmt: skip
    growth.rest(voltage=eta)
    v = abs(speed(i))
    growth.march(1.6 * radius * width / v, duration(0.25, width, v))
    low, high = growth.range
    print("round", eta, radius, "range", growth.low, growth.high, "end", low, high)
    assert growth.bounded
    # All metal, or none; what is out by less than 5e-3 is not spread, and may go on for a step.
    assert min(abs(low), abs(1.0 - high)) <= 5.5e-3 and high - low <= 1e-2


def test_what_spills_leaves_out_the_front_that_meets_floating_metal():
    """Both have nearly 1/2 there and 1 together; so the front was spread, and xi rose to 1.16."""
    floats = ball(6.0 * UM, UM, (0.0, 16.2 * UM))
    growth = Growth(
        quarter(30 * UM, 0.5 * UM), lambda x: layer(6 * UM, UM)(x) + floats(x), width=UM,
        scale=1e-3,
    )  # fmt: skip
    growth.rest(voltage=-0.1)
    afloat = growth.s["contact"].afloat.x.array
    points = growth.xi.space.tabulate_dof_coordinates().T
    growth.xi.value.x.array[:] = layer(9.9 * UM, UM)(points) + afloat  # it has gone on
    growth.s.remember()
    growth.rest(voltage=-0.1)
    front, xi = growth.s["front"], growth.xi.value.x.array
    x, y, _ = points / UM
    own = xi - afloat
    meets = (np.abs(own - 0.5) < 0.2) & (xi > 0.9)
    xi[np.hypot(x, y - 9.0).argmin()] = 1.01
    assert front.spill() and front.spread.x.array.any()
    print("front that meets floating metal", meets.sum(), front.spread.x.array[meets].max())
    assert meets.any() and not front.spread.x.array[meets].any()


@pytest.mark.parametrize("width", [UM, 0.5 * UM])
def test_nothing_is_left_of_stripped_metal(width):
    """Residue below lambda per area (reached: below 1e-3 lambda) after twice the time needed."""
    h, i, thick = 0.5 * width, density(0.05), 10.0
    growth = Growth(
        strip(30 * width, h), layer(thick * width, width), width=width, kappa=EQUAL,
        scale=i * 4 * h,
    )  # fmt: skip
    growth.rest(voltage=0.05)
    growth.march(2 * thick * width / -speed(i), duration(SHORT, width, speed(i)))
    left = growth.volume / (4 * h * width)
    print("residue", width, left)
    assert growth.bounded
    assert 0.0 <= left <= 1e-3
