"""Salts of other charges than 1:1, and unusual transference numbers, against closed forms.

The forms are derived from the two ions (Nernst-Planck), not from the prefactors of
`fem.theory.salt`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fem import Case, theory
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.base.errors import CaseError
from fem.materials import pair
from fem.run.session import run
from fem.theory.salt import Salt
from tests.verification.cells import (
    C0,
    FAST,
    IDEAL,
    LIMIT,
    PLAIN,
    PLANAR,
    RT_F,
    T_PLUS,
    Cell,
    D,
    L,
    T,
    case,
    kinetics,
)

# z, z_minus -> equivalents n, g = 1/z + 1/|z_minus|, a metal of that charge
SALTS = {
    "LiPF6": (1, -1, 1, 2.0, "Li"),
    "ZnSO4": (2, -2, 2, 1.0, "Zn"),
    "ZnCl2": (2, -1, 2, 1.5, "Zn"),
    "Mg(TFSI)2": (2, -1, 2, 1.5, "Mg"),
    "Na2SO4": (1, -2, 2, 1.5, "Na"),
}


def cell_of(name: str, material: dict[str, Any], **changes: Any) -> Cell:
    """A planar cell of that salt between fast electrodes of its metal."""
    z, z_minus, _, _, metal = SALTS[name]
    salt = material | {"cation": metal, "z_minus": z_minus}
    pair = [kinetics(s, alpha_a=z / 2, alpha_c=z / 2) for s in ("collector", "counter")]
    return Cell(case(metal=metal, materials={"ideal": salt}, kinetics=pair, **changes))


@pytest.mark.parametrize("name", SALTS)
def test_prefactors_from_the_two_ions(name: str) -> None:
    """n, g, conductivity, diffusion potential and limiting gradient of ions with D+ and D-."""
    z, z_minus, n, g, _ = SALTS[name]
    salt, a = Salt(z, z_minus), -z_minus
    assert (salt.equivalents, salt.factor) == (n, g)
    assert salt.nu_plus * z == salt.nu_minus * a == n and math.gcd(salt.nu_plus, salt.nu_minus) == 1
    plus, minus, c = 3e-10, 7e-10, 400.0
    # what the ions say
    drag = z * plus + a * minus
    t_plus, D_salt = z * plus / drag, (z + a) * plus * minus / drag
    kappa = FARADAY**2 * c / (GAS_CONSTANT * T) * (
        salt.nu_plus * z**2 * plus + salt.nu_minus * a**2 * minus
    )
    assert salt.ideal_kappa(c, T, D_salt, t_plus) == pytest.approx(kappa, rel=1e-14)
    # no current: phi from sum z_i N_i = 0, and the reference electrode RT/(zF) ln c_plus
    junction = RT_F * (1 / z - (plus - minus) / drag)
    assert salt.diffusion_potential(T, 1.0, t_plus) == pytest.approx(junction, rel=1e-14)
    # anions at rest: |z-| c- F grad phi = RT grad c-, so the cations carry z F nu+ D+ (1 + z/a)
    gradient = 1.0 / (z * FARADAY * salt.nu_plus * plus * (1 + z / a))
    assert theory.steady_gradient(1.0, D_salt, t_plus, z, z_minus) == pytest.approx(gradient)


@pytest.mark.parametrize("name", ["ZnSO4", "Mg(TFSI)2", "Na2SO4"])
def test_concentration_cell(name: str) -> None:
    """500 against 1500 mol/m3 without current: g (RT/F)(1 - t_plus) ln 3, stronger positive."""
    half = {"expression": "500 + 1000*y/h", "unit": "mol/m^3", "h": "100 um"}
    cell = cell_of(name, PLAIN, initial={"c": half})
    cell.rest(0.0, scale=cell.area)
    expected = {"ZnSO4": 16.936e-3, "Mg(TFSI)2": 25.404e-3, "Na2SO4": 25.404e-3}[name]
    print(name, -cell.voltage)
    assert abs(-cell.voltage - expected) < 5e-6
    z, z_minus, *_ = SALTS[name]
    closed = theory.concentration_cell_voltage(1500.0, 500.0, T_PLUS, T=T, z=z, z_minus=z_minus)
    assert closed == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["ZnCl2", "Na2SO4"])
def test_steady_cell(name: str) -> None:
    """Half of 2 n F D c0/((1 - t_plus) L): 0.5 and 1.5 of c0, g (RT/F) ln 3 (Nernst-Einstein)."""
    z, z_minus, n, g, _ = SALTS[name]
    cell = cell_of(name, IDEAL, geometry=PLANAR | {"size": "0.5 um"})
    current = 0.5 * n * LIMIT
    assert theory.limiting_current(L, C0, D, T_PLUS, z, z_minus) == pytest.approx(n * LIMIT)
    cell.steady(-current)
    for end, y in ((0.5, 0.0), (1.5, L)):
        assert abs(cell.at_height("c", y) / C0 - end) < 1e-4
    # alpha = z/2 each: i0 goes with c^(1/2), whatever z
    taken = sum(
        2 * RT_F / z * math.asinh(current / (2 * FAST * math.sqrt(c))) for c in (0.5, 1.5)
    )
    drop = -cell.voltage - taken
    print(name, 1e3 * drop)
    assert abs(drop - g * RT_F * math.log(3)) < 2e-5
    assert theory.polarisation(current, L, C0, D, T_PLUS, T=T, z=z, z_minus=z_minus) == (
        pytest.approx(g * RT_F * math.log(3), abs=1e-7)
    )


def test_sand_time_counts_equivalents(tmp_path: Any) -> None:
    """Na2SO4 at twice its limiting current: depleted at 1.0019 of Sand's time with n = 2, z = 1."""
    material = IDEAL | {"cation": "Na", "z_minus": -2}
    current = 2.0 * 2 * LIMIT
    data = case(
        metal="Na", materials={"ideal": material},
        geometry=PLANAR | {"size_width": "0.4 um", "size_collector": "0.4 um",
                         "size_counter": "0.4 um", "growth": 1.2},
        protocol=[{"step": "plate", "current_density": f"{current} A/m^2", "duration": "200 s"}],
        time={"dt0": "0.1 ms", "dt_min": "0.1 us", "tolerance": 1e-5},
    )
    (event,) = run(Case.from_dict(data), tmp_path / "r").summary["events"]
    sand = math.pi * L**2 / (16 * D * 2.0**2)
    print("sand", event["t"] / sand)
    assert event["event"] == "depletion"
    assert abs(event["sand_time"] / sand - 1) < 1e-9
    assert abs(event["t"] / sand / 1.0019 - 1) < 1e-3


@pytest.mark.parametrize(("t_plus", "where"), [(-0.4, "region"), (1.3, "material")])
def test_transference_numbers_outside_zero_and_one(t_plus: float, where: str) -> None:
    """Slope (1 - t_plus) i/(FD); above 1 the salt is highest where metal plates."""
    changes: dict[str, Any] = {"materials": {"ideal": PLAIN}}
    if where == "material":
        changes = {"materials": {"ideal": PLAIN | {"t_plus": t_plus}}}
    else:
        changes["regions"] = {"electrolyte": {"t_plus": t_plus}}
    cell = Cell(case(**changes))
    i = 100.0
    cell.steady(-i)
    x, c = cell.nodes("c")
    slope = (1 - t_plus) * i / (FARADAY * D)
    if t_plus == -0.4:
        assert slope == pytest.approx(4.8367e6, rel=1e-5)
    assert np.abs(c - (C0 + slope * (x[:, 1] - L / 2))).max() < 1e-5 * C0
    # the diffusion potential follows: (RT/F) 2 (1 - t_plus) ln of the ratio, beside i L/kappa
    ends = C0 + slope * L * np.array([-0.5, 0.5])
    drop = i * L + 2 * RT_F * (1 - t_plus) * math.log(ends[1] / ends[0])
    taken = sum(2 * RT_F * math.asinh(i / (2 * FAST * math.sqrt(e / C0))) for e in ends)
    assert abs(-cell.voltage - drop - taken) < 2e-5


def test_unbalanced_transfer_coefficients_are_refused_where_the_walls_are_known() -> None:
    """Entries that overlap: the collector is in balance, the counter electrode is not."""
    pair = [kinetics("*", alpha_a=1.5), {"surface": "collector", "alpha_c": 0.5}]
    pair[0].pop("alpha_c")
    with pytest.raises(CaseError, match=r"kinetics of 'counter': alpha_a \+ alpha_c = 1\.5 \+ 1 "):
        Cell(case(metal="Zn", materials={"ideal": PLAIN}, kinetics=pair))


@pytest.mark.parametrize("alpha_a", [1.5, 1.0, 0.5])
def test_exchange_current_of_a_divalent_metal(alpha_a: float) -> None:
    """i0 ~ c^(alpha_a/z): a quarter of the salt leaves 4^(-alpha_a/2) of it, no more.

    Bath at c0/4, uniform salt; a current that kinetics alone resists, split by bisection.
    """
    alpha_c, i, i0 = 2.0 - alpha_a, 20.0, 10.0
    pair = [kinetics(s, i0, alpha_a=alpha_a, alpha_c=alpha_c) for s in ("collector", "counter")]
    salt = PLAIN | {"cation": "Zn", "kappa": "1e4 S/m"}
    cell = Cell(case(metal="Zn", study="secondary", materials={"ideal": salt}, kinetics=pair,
                     initial={"c": "250 mol/m^3"},
                     protocol=[{"step": "plate", "current_density": "20 A/m^2"}]))
    cell.rest(-i)
    here = i0 * 0.25 ** (alpha_a / 2)

    def overpotential(current: float) -> float:
        low, high = -1.0, 1.0
        for _ in range(80):
            eta = 0.5 * (low + high)
            now = here * (math.exp(alpha_a * eta / RT_F) - math.exp(-alpha_c * eta / RT_F))
            low, high = (eta, high) if now < current else (low, eta)
        return 0.5 * (low + high)

    assert abs(cell.voltage - (overpotential(-i) - overpotential(i))) < 1e-6


SHAPES: dict[str, Any] = {  # 10 A/m2 at 1 mol/L and 298.15 K
    "number": 10.0,
    "list": {"along": "y", "at": ["0 um", "1 mm"], "values": ["10 A/m^2", "10 A/m^2"]},
    "place": {"expression": "k*(1 + 0*x/h)", "unit": "A/m^2", "k": "10 A/m^2", "h": "1 um"},
    "c": {"expression": "k*sqrt(c/m)", "unit": "A/m^2", "k": "10 A/m^2", "m": "1 mol/L"},
    "T": {"expression": "k*exp(-b*(1/T - 1/r))", "unit": "A/m^2", "k": "10 A/m^2", "r": "298.15 K"},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_i0_of_place_means_what_a_number_means(shape: str) -> None:
    """At c_ref/2 and 320 K i0 loses sqrt(2) and gains by Ea of the pair, whatever form it has.

    What the case's own i0 says of c or T itself is not multiplied a second time.
    """
    Ea, hot = float(pair("Li", "Li").Ea), 320.0
    given = SHAPES[shape] | {"b": f"{Ea / GAS_CONSTANT!r} K"} if shape == "T" else SHAPES[shape]
    factor = math.sqrt(0.5) * math.exp(-Ea / GAS_CONSTANT * (1 / hot - 1 / 298.15))
    cell = Cell(case(study="secondary", materials={"ideal": PLAIN | {"kappa": "1e4 S/m"}},
                     kinetics=[kinetics("collector", given), kinetics("counter")],
                     temperature=f"{hot} K", initial={"c": "500 mol/m^3"},
                     protocol=[{"step": "plate", "current_density": "20 A/m^2"}]))
    cell.rest(-20.0)
    eta = [2 * GAS_CONSTANT * hot / FARADAY * math.asinh(20.0 / (2 * i0 * factor))
           for i0 in (10.0, FAST)]
    print(shape, Ea, factor, cell.voltage, -sum(eta))
    assert factor > 2.0
    assert abs(cell.voltage + sum(eta)) < 1e-6


def test_expressions_of_kinetics_are_refused_with_key_value_and_place() -> None:
    """All values that expressions cannot take on these walls are reported at once."""
    falls = {"unit": "A/m^2", "k": "10 A/m^2", "h": "1 mm"}
    barrier = {"expression": "k*(x/h - 1)", "unit": "V", "k": "40 mV", "h": "1 mm"}
    rows = [
        kinetics("collector", {"expression": "k*(y/h - 0.5)", **falls}, eta_nuc=barrier),
        kinetics("counter", {"expression": "k*sqrt(c/m - 2)", "unit": "A/m^2", "k": "10 A/m^2",
                             "m": "1 mol/L"}),
    ]
    with pytest.raises(CaseError) as caught:
        Cell(case(kinetics=rows, collector={"material": "Cu"}))
    print(caught.value)
    assert str(caught.value).splitlines() == [
        "kinetics.0.i0: falls to -5 A/m^2 at (0, 0) um; it must stay above 0",
        "kinetics.0.eta_nuc: falls to -0.04 V at (0, 0) um; at least 0 V",
        "kinetics.1.i0: expression 'k*sqrt(c/m - 2)' has no finite value at c = 1000, k = 10, "
        "m = 1000",
    ]
    known: dict[str, Any] = {
        "kinetics": [kinetics("collector", {"expression": "k*depth/h", **falls})]}
    known["regions"] = {"electrolyte": {"kappa": {
        "expression": "k*depth/h", "unit": "S/m", "k": "1 S/m", "h": "1 um"}}}
    with pytest.raises(CaseError) as caught:
        Case.from_dict(case(**known, study="primary", initial={"c": {
            "along": "y", "at": ["0 um", "1 mm"], "values": ["1 mol/L", "2 mol/L"]}}))
    for key in ("kinetics.0.i0: depends on depth", "regions.electrolyte.kappa: depends on depth",
                "initial.c: varies in space"):
        assert key in str(caught.value)
    with pytest.raises(CaseError, match=r"kinetics\.0\.i0: .*above 0"):
        Case.from_dict(case(kinetics=[kinetics("collector", {
            "expression": "0 - k", "unit": "A/m^2", "k": "10 A/m^2"})]))
