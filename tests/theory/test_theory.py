"""Closed forms against the numbers of the verification set, each with its source."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from fem import theory
from fem.base.constants import BOLTZMANN, EPSILON_0, FARADAY, GAS_CONSTANT, T_REF
from fem.materials import electrolyte, metal
from fem.theory import effective
from tests.verification.khoo import C_EXACT, TIMES

# D 3e-10 m2/s, c0 1000 mol/m3, t_plus 0.4, L 100 um: the data of the transport section
L = 1e-4
CELL: dict[str, Any] = dict(c0=1000.0, D=3e-10, t_plus=0.4)
J_STAR = theory.limiting_current(L, **CELL)
RT_F = GAS_CONSTANT * T_REF / FARADAY


def test_constants():
    # CODATA 2018
    assert FARADAY == pytest.approx(96485.33212, abs=1e-5)
    assert GAS_CONSTANT == pytest.approx(8.314462618, abs=1e-9)
    assert RT_F == pytest.approx(25.693e-3, abs=5e-7)  # verification set
    assert pytest.approx(299792458.0, rel=1e-9) == 1.0 / math.sqrt(EPSILON_0 * 1.25663706212e-6)


@pytest.mark.parametrize(("z", "c0", "supported"), [
    ((1, -1), (1000.0, 1000.0), False), ((2, -1), (500.0, 1000.0), False),
    ((1, 1, -1), (1e-3, 1000.0, 1000.001), True),
])  # fmt: skip
def test_sand_time_of_ions(z, c0, supported):
    """Equal to that of the salt of two ions, beside a million times as many to diffusion alone."""
    D = (1.2e-10, 2e-10, 3.1e-10)[: len(z)]
    plus, minus = D[0], D[1]
    t_plus = 0.0 if supported else z[0] * plus / (z[0] * plus - z[1] * minus)
    salt = plus if supported else (z[0] - z[1]) * plus * minus / (z[0] * plus - z[1] * minus)
    fall = 2.0 * (1 - t_plus) / (z[0] * FARADAY * c0[0])
    found = theory.sand_time_of_ions(7.0, c0, D, z)
    assert found == pytest.approx(math.pi * salt / (7.0 * fall) ** 2, rel=1e-5)


def test_limiting_current_and_sand_time():
    # verification set: 964.9 A/m2; 609.3 s at 100 A/m2, 2437 s at 50 A/m2
    assert pytest.approx(964.9, abs=0.05) == J_STAR
    times = theory.sand_time(np.array([100.0, 50.0]), **CELL)
    np.testing.assert_allclose(times, [609.3, 2437.2], atol=0.05)
    assert theory.sand_capacity(100.0, **CELL) == pytest.approx(60930.0, abs=5.0)
    assert theory.limiting_current(L, **CELL, z=2) == pytest.approx(2 * J_STAR)
    assert theory.steady_gradient(100.0, 3e-10, 0.4, z=2) == pytest.approx(
        0.6 * 100.0 / (2 * FARADAY * 3e-10)
    )
    # time ~ J^-2, capacity ~ J^-1; twice the charge number is four times the time
    assert theory.sand_capacity(50.0, **CELL) == pytest.approx(2 * 60930.0, abs=10.0)
    assert theory.sand_time(100.0, **CELL, z=2) == pytest.approx(4 * times[0])


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.1, 1.3661), (1.2, 1.1754), (1.5, 1.0318), (2.0, 1.0019), (3.0, 1.0000)],
)
def test_depletion_of_a_closed_cell(ratio, expected):
    # verification set: depletion time over Sand time
    J = ratio * J_STAR
    time = theory.depletion_time(J, L, **CELL)
    assert time / theory.sand_time(J, **CELL) == pytest.approx(expected, abs=6e-5)
    assert theory.closed_cell_concentration(L, time, J, L, **CELL) == pytest.approx(0.0, abs=1e-6)


def test_no_depletion_up_to_the_limiting_current():
    assert theory.depletion_time(J_STAR, L, **CELL) == math.inf
    assert theory.closed_cell_concentration(L, 1e9, J_STAR, L, **CELL) == pytest.approx(0, abs=1e-9)


def test_closed_cell_against_the_exact_column_of_khoo_2019():
    # Khoo, Zhao, Bazant, J. Electrochem. Soc. 166 (2019) A2280: J = 1.5, rho_s = 0, t in t_s
    t = np.array(TIMES) * math.pi / (16 * 1.5**2)
    unit: dict[str, Any] = dict(c0=1.0, D=1.0, t_plus=0.0)
    J = 1.5 * theory.limiting_current(1.0, **unit)
    np.testing.assert_allclose(
        theory.closed_cell_concentration(1.0, t, J, 1.0, **unit),
        C_EXACT,
        atol=6e-6,
    )


def test_closed_cell_profile():
    J = 0.6 * J_STAR
    x = np.linspace(0.0, L, 2001)
    for t in (0.0, 1e-3, 0.3, 0.999 * 0.01 * L**2 / 3e-10, 1.001 * 0.01 * L**2 / 3e-10, 5.0, 1e4):
        c = theory.closed_cell_concentration(x, t, J, L, **CELL)
        mean = np.sum(0.5 * (c[1:] + c[:-1]) * np.diff(x)) / L
        assert mean == pytest.approx(1000.0, rel=1e-9)  # the salt is conserved
        np.testing.assert_allclose(c + c[::-1], 2000.0, rtol=1e-12)
    # the flux at the wall carries the current from the first moment on
    step = x[1]
    c = theory.closed_cell_concentration(x, 1.0, J, L, **CELL)
    slope = (-3 * c[0] + 4 * c[1] - c[2]) / (2 * step)
    assert slope == pytest.approx(-theory.steady_gradient(J, 3e-10, 0.4), rel=1e-4)
    # both forms agree where they meet (s = 0.01)
    t = 0.01 * L**2 / 3e-10
    a, b = (theory.closed_cell_concentration(x, t * f, J, L, **CELL) for f in (1 - 1e-9, 1 + 1e-9))
    np.testing.assert_allclose(a, b, rtol=1e-8)
    # steady: linear between 1 + u and 1 - u
    c = theory.closed_cell_concentration(np.array([0.0, L / 2, L]), 1e7, J, L, **CELL)
    np.testing.assert_allclose(c, [1600.0, 1000.0, 400.0], rtol=1e-12)
    assert theory.steady_gradient(J, 3e-10, 0.4) * L == pytest.approx(1200.0)


def test_steady_polarisation():
    # verification set: Nernst-Einstein, any t_plus, mV
    u = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
    for t_plus in (0.2, 0.4, 0.7):
        cell = {**CELL, "t_plus": t_plus}
        V = theory.polarisation(u * theory.limiting_current(L, **cell), L, **cell)
        np.testing.assert_allclose(1e3 * V, [10.31, 26.25, 56.45, 99.99, 151.30], atol=0.005)
    # verification set: constant kappa 1 S/m, mV
    V = theory.polarisation(np.array([0.1, 0.5, 0.9]) * J_STAR, L, **CELL, kappa=1.0)
    np.testing.assert_allclose(1e3 * V, [15.84, 82.11, 177.62], atol=0.005)
    with pytest.raises(ValueError, match="J/J"):
        theory.polarisation(J_STAR, L, **CELL)
    with pytest.raises(ValueError, match="Nernst-Einstein"):
        theory.polarisation(1.0, L, **CELL, thermodynamic_factor=2.0)


def test_the_nernst_einstein_voltage_is_the_integral_of_ohm_and_diffusion():
    # int J/kappa(c) dx + 2 (RT/F)(1 - t) ln(c_a/c_c), kappa = F^2 c D/(2RT t (1 - t)), c linear
    u, t = 0.5, 0.4
    x = (np.arange(20000) + 0.5) / 20000
    c = 1000.0 * (1 + u * (1 - 2 * x))
    kappa = FARADAY**2 * c * 3e-10 / (2 * GAS_CONSTANT * T_REF * t * (1 - t))
    ohm = np.mean(u * J_STAR * L / kappa)
    diffusion = 2 * RT_F * (1 - t) * math.log((1 + u) / (1 - u))
    assert theory.polarisation(u * J_STAR, L, **CELL) == pytest.approx(ohm + diffusion, rel=1e-8)


def test_concentration_cell():
    # verification set: 500 and 1500 mol/m3, t_plus 0.4: 33.87 mV, stronger solution positive
    V = theory.concentration_cell_voltage(1500.0, 500.0, 0.4)
    assert 1e3 * V == pytest.approx(33.87, abs=0.005)
    assert theory.concentration_cell_voltage(500.0, 1500.0, 0.4) == pytest.approx(-V)
    assert theory.concentration_cell_voltage(9.0, 1.0, 0.0, z=2) == pytest.approx(
        RT_F * 2 * np.log(3)
    )


def test_metal_thickness_and_front_speed():
    # verification set: 1 mA/cm2 moves a front at 1.347 (Li), 2.462 (Na), 4.701 nm/s (K)
    for name, speed in (("Li", 1.347), ("Na", 2.462), ("K", 4.701)):
        found = metal(name)
        assert 1e9 * theory.front_speed(10.0, found.molar_volume, found.z) == pytest.approx(
            speed, abs=6e-4
        )
    # catalogue: 1 mAh/cm2 of Li is 4.85 um
    assert theory.faraday_thickness(36000.0, 1.2998e-5) == pytest.approx(4.85e-6, rel=1e-3)
    assert theory.faraday_thickness(36000.0, 1e-5, z=2) == pytest.approx(
        36000e-5 / 2 / FARADAY, rel=1e-12, abs=0
    )


def test_stability_of_a_flat_front():
    # verification set: Li, gamma 0.5, kappa 1: 16.31 um at 10 A/m2, 5.157 um at 100 A/m2
    waves = theory.neutral_wavelength(np.array([10.0, 100.0]), 1.0, 1.2998e-5, 0.5)
    np.testing.assert_allclose(1e6 * waves, [16.31, 5.157], atol=0.005)
    data: dict[str, Any] = dict(
        J=10.0, L=4e-5, kappa=1.0, molar_volume=1.2998e-5, surface_energy=0.5, i0=10.0
    )
    k0 = 2 * math.pi / waves[0]
    scale = abs(theory.front_growth_rate(0.5 * k0, **data))
    assert theory.front_growth_rate(k0, **data) == pytest.approx(0.0, abs=1e-12 * scale)
    assert theory.front_growth_rate(0.5 * k0, **data) > 0 > theory.front_growth_rate(2 * k0, **data)
    # written out at one k
    k, rho = 2e5, GAS_CONSTANT * T_REF / (FARADAY * 10.0)
    unit = 1.2998e-5 / FARADAY
    coth = 1 / math.tanh(k * 4e-5)
    exact = unit * k * coth * (10.0 - 0.5 * unit * k**2) / (1 + rho * k * coth)
    assert theory.front_growth_rate(k, **data) == pytest.approx(exact, rel=1e-12, abs=0)


def test_resistive_column():
    # solve sigma phi_s'' = a i, kappa phi_l'' = -a i by finite volumes and compare
    data: dict[str, Any] = dict(L=1e-4, kappa=0.1, sigma=0.3, area=1e6, i0=5.0)
    n = 2000
    y = (np.arange(n) + 0.5) / n * data["L"]
    slope = data["i0"] * FARADAY / (GAS_CONSTANT * T_REF)
    # eta = phi_s - phi_l obeys eta'' = nu^2 eta/L^2, eta'(0) = -I/sigma, eta'(L) = I/kappa
    nu = theory.column_number(**data)
    assert nu == pytest.approx(
        data["L"] * math.sqrt(data["area"] * slope * (1 / 0.1 + 1 / 0.3)), rel=1e-12
    )
    h = data["L"] / n
    matrix = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    matrix[0, 0] = matrix[-1, -1] = -1.0
    matrix = matrix / h - np.eye(n) * h * (nu / data["L"]) ** 2
    load = np.zeros(n)
    load[0], load[-1] = -1.0 / data["sigma"], -1.0 / data["kappa"]
    eta = np.linalg.solve(matrix, load)
    np.testing.assert_allclose(theory.resistive_column(y, **data), eta / eta.mean(), rtol=1e-5)
    # plating favours the collector side if and only if sigma < kappa
    for sigma, favoured in ((0.01, 0), (1.0, -1)):
        rate = theory.resistive_column(np.array([0.0, 1e-4]), **{**data, "sigma": sigma})
        assert rate[favoured] == rate.max()
    # mean 1 for every nu, and no overflow
    for area in (1e2, 1e6, 1e12):
        rate = theory.resistive_column(np.linspace(0, 1e-4, 400001), **{**data, "area": area})
        assert np.isfinite(rate).all()
        assert np.mean(0.5 * (rate[1:] + rate[:-1])) == pytest.approx(1.0, rel=1e-4)


def test_wagner_numbers():
    assert theory.wagner_number(1.0, 2e-3, 1e-3) == pytest.approx(2.0)
    assert theory.wagner_linear(1.0, 10.0, 1e-3) == pytest.approx(RT_F / 10.0 / 1e-3)
    assert theory.wagner_tafel(1.0, -10.0, 1e-3) == pytest.approx(2 * RT_F / 10.0 / 1e-3)


def test_square_array_of_insulating_cylinders():
    # verification set, solid fraction 0.1, 0.3, 0.5
    values = theory.cylinder_array(np.array([0.1, 0.3, 0.5]))
    np.testing.assert_allclose(values, [0.81818, 0.53758, 0.32466], atol=1e-5)
    # the series has converged, dilute it is Maxwell's, and Keller's duality holds
    assert theory.cylinder_array(0.7, order=60) == pytest.approx(
        theory.cylinder_array(0.7), rel=1e-8
    )
    assert theory.cylinder_array(0.01) == pytest.approx(theory.maxwell_cylinders(0.01), rel=1e-8)
    for ratio in (0.2, 7.0):
        product = theory.cylinder_array(0.6, ratio) * theory.cylinder_array(0.6, 1 / ratio)
        assert product == pytest.approx(1.0, rel=1e-9)  # J. B. Keller, J. Math. Phys. 5 (1964) 548
    assert theory.cylinder_array(0.4, 1.0) == pytest.approx(1.0, abs=1e-14)
    with pytest.raises(ValueError, match=r"below 0\.785"):
        theory.cylinder_array(0.79)


def test_lattice_sums_are_those_of_a_direct_summation():
    m, n = np.meshgrid(np.arange(-60, 61), np.arange(-60, 61))
    points = (m + 1j * n)[(m != 0) | (n != 0)]
    sums = effective._lattice_sums(24)
    for k in (8, 12, 16, 24):
        assert sums[k] == pytest.approx(np.sum(points ** (-float(k))).real, rel=1e-9)
    assert sums[4] == pytest.approx(np.sum(points**-4.0).real, rel=1e-3)
    assert sums[6] == sums[10] == 0.0


def test_mixture_rules():
    # verification set: spheres 2 e/(3 - e)
    e = 0.9
    assert theory.maxwell_spheres(1 - e) == pytest.approx(2 * e / (3 - e))
    assert theory.maxwell_cylinders(1 - e) == pytest.approx(e / (2 - e))
    assert theory.bruggeman(0.49) == pytest.approx(0.343)
    # the insulating bound of Hashin and Shtrikman is Maxwell's, in 2 and 3 dimensions
    for dimension, rule in ((2, theory.maxwell_cylinders), (3, theory.maxwell_spheres)):
        low, high = theory.hashin_shtrikman(1.0, 0.0, 0.3, dimension)
        assert low == 0.0 and high == pytest.approx(rule(0.3))
        low, high = theory.hashin_shtrikman(2.0, 10.0, np.array([0.0, 0.4, 1.0]), dimension)
        np.testing.assert_allclose([low[0], high[0], low[2], high[2]], [2, 2, 10, 10])
        assert 2 < low[1] < high[1] < 10
        assert low[1] == pytest.approx(2.0 * rule(0.4, 5.0))
    low, high = theory.hashin_shtrikman(0.0, 3.0, np.array([0.0, 1.0]))
    np.testing.assert_allclose([low, high], [[0, 3], [0, 3]], atol=1e-15)
    with pytest.raises(ValueError, match="dimension"):
        theory.hashin_shtrikman(1.0, 2.0, 0.5, 4)


def test_efficiency():
    assert theory.coulombic_efficiency(0.99**100, 100) == pytest.approx(0.99)
    with pytest.raises(ValueError, match="retention"):
        theory.coulombic_efficiency(1.1, 10)


def test_retention_with_and_without_excess():
    """Numbers of the design: .999777 for .8 at 1000; N/P 2.5, CE .998: 750 + 111.5 cycles."""
    assert theory.coulombic_efficiency(0.8, 1000) == pytest.approx(0.999777, abs=5e-7)
    assert theory.cycles_of_excess(0.998, 2.5) == pytest.approx(750.0, rel=1e-12)
    assert theory.cycles_to(0.8, 0.998, 2.5) == pytest.approx(750.0 + 111.5, abs=0.05)
    assert theory.retention(np.array([0, 750, 861.46]), 0.998, 2.5) == pytest.approx(
        [1.0, 1.0, 0.8], abs=1e-5
    )
    # without excess each cycle leaves CE of what was there
    assert theory.retention(np.arange(4), 0.97) == pytest.approx(
        [1.0, 0.97, 0.97 * 0.97, 0.97 * 0.97 * 0.97], rel=1e-12
    )
    # cycle by cycle with excess: what is lost is taken from the excess as long as it lasts
    q, spare, kept = 1.0, 0.35, []
    for _ in range(12):
        lost = 0.1 * q
        used = min(lost, spare)
        spare, q = spare - used, q - (lost - used)
        kept.append(q)
    many = np.arange(1, 13)
    after = many > 4  # the cycle that uses the last of it is a mixture
    assert theory.retention(many, 0.9, theory.n_to_p(1.0, 0.35))[:3] == pytest.approx([1, 1, 1])
    assert np.diff(np.log(kept))[4:] == pytest.approx(math.log(0.9))
    left = np.array(kept)
    assert theory.retention(many, 0.9, 1.35)[after] == pytest.approx(left[after], rel=3e-3)
    assert theory.apparent_retention(0.8, 3.0) == pytest.approx(0.9333, abs=5e-5)


def test_masses():
    """5 mAh/cm2 of lithium: 1.2953 mg/cm2; 51 wt% in a host of 0.1 g/cm3: 124.5 um.

    Those are of 3860 mAh/g; 6.94 g/mol is 3861.9 mAh/g.
    """
    mass = theory.metal_mass(5 * 36000.0, 6.94e-3)
    assert mass == pytest.approx(5 / 3861.9 * 10, rel=1e-5)  # kg/m2
    assert mass == pytest.approx(1.2953e-2, rel=5e-4)
    assert theory.host_thickness(1.2953e-2, 0.51, 100.0) == pytest.approx(124.45e-6, rel=1e-4)
    assert theory.host_thickness(mass, 0.51, 100.0) == pytest.approx(124.5e-6, rel=1e-3)


def test_nucleation():
    # physics notes: dG is 3,700 k_B T at 50 mV (Li, gamma 0.5)
    barrier = theory.nucleation_barrier(-0.05, 0.5, 1.2998e-5)
    assert barrier / (BOLTZMANN * T_REF) == pytest.approx(3700, rel=5e-3)
    # it is the maximum of -(4/3) pi r^3 zF|eta|/V_m + 4 pi r^2 gamma, at the critical radius
    r = theory.critical_radius(-0.05, 0.5, 1.2998e-5)
    work = lambda r: 4 * math.pi * r**2 * (0.5 - r * FARADAY * 0.05 / (3 * 1.2998e-5))  # noqa: E731
    assert work(r) == pytest.approx(barrier, rel=1e-12, abs=0)
    assert work(r) > max(work(0.99 * r), work(1.01 * r))
    angles = np.radians([0.0, 60.0, 90.0, 180.0])
    np.testing.assert_allclose(
        theory.heterogeneous_factor(angles), [0.0, 0.15625, 0.5, 1.0], atol=1e-15
    )
    assert theory.nucleation_rate(2.0, 3 * BOLTZMANN * T_REF, 0.5) == pytest.approx(
        2 * math.exp(-1.5)
    )
    assert theory.nuclei_density_ratio(-0.2, -0.1) == pytest.approx(8.0)
    # surface transport alone ~ r^-3, bulk transport alone ~ r^-2
    low: dict[str, Any] = dict(surface_energy=0.5, molar_volume=1.2998e-5)
    by_bulk = [theory.nucleus_current(r, **low, bulk=1.0, surface=1e9) for r in (1e-7, 2e-7)]
    by_surface = [theory.nucleus_current(r, **low, bulk=1e9, surface=1e-9) for r in (1e-7, 2e-7)]
    assert by_bulk[0] / by_bulk[1] == pytest.approx(4.0, rel=1e-6)
    assert by_surface[0] / by_surface[1] == pytest.approx(8.0, rel=1e-6)
    exact = 2 * 0.5 * 1.2998e-5 * FARADAY / (GAS_CONSTANT * T_REF * 1e-14)
    assert by_bulk[0] == pytest.approx(exact, rel=1e-6)


def test_electrode_shapes():
    # Newman 1966 and the neutral sphere
    assert theory.disk_current(2.0, 1e-3, 0.1) == pytest.approx(8e-4)
    I = theory.sphere_limiting_current(1e-5, **CELL)  # noqa: E741
    assert I / (4 * math.pi * 1e-10) == pytest.approx(FARADAY * 3e-10 * 1000 / (0.6 * 1e-5))
    assert theory.chazalviel_speed(5e-8, 100.0) == pytest.approx(5e-6)


def test_shell_stress():
    a, b, p = 1e-6, 1.2e-6, 3e6
    r = np.linspace(a, b, 4001)
    radial, tangential = theory.sei_shell_stress(r, a, b, p)
    assert radial[0] == pytest.approx(-p) and radial[-1] == pytest.approx(0, abs=1e-6)
    # equilibrium: d s_r/dr + 2 (s_r - s_t)/r = 0
    slope = np.gradient(radial, r, edge_order=2)
    np.testing.assert_allclose(slope, 2 * (tangential - radial) / r, rtol=1e-5)
    assert tangential.argmax() == 0 and (tangential > 0).all()  # tensile, largest at the metal
    with pytest.raises(ValueError, match="outer"):
        theory.sei_shell_stress(a, a, a, p)


def test_cubic_crystal():
    angle, d = np.linspace(0.0, 2 * math.pi, 4001), 0.05
    n = np.stack([np.cos(angle), np.sin(angle)])
    gamma = theory.cubic_surface_energy(n, 0.5, d)
    np.testing.assert_allclose(gamma, 0.5 * (1 + d * np.cos(4 * angle)))
    # Herring: gamma + gamma''
    step = angle[1]
    bent = gamma[1:-1] + (gamma[2:] - 2 * gamma[1:-1] + gamma[:-2]) / step**2
    K = theory.cubic_curvature(2e-6, n, d)
    np.testing.assert_allclose(0.5 * 2e-6 * K[1:-1], bent, rtol=1e-4)
    np.testing.assert_allclose(2e-6 * K, 1 - 15 * d * np.cos(4 * angle))
    # in 3D a face of <100> bends as <10> does, both ways; <111> is the lowest energy
    assert theory.cubic_curvature(1.0, [0.0, 0.0, 1.0], d) == pytest.approx(2 * (1 - 15 * d))
    assert theory.cubic_surface_energy([1.0, 1.0, -1.0], 1.0, d) == pytest.approx(1 - 5 / 3 * d)
    assert theory.cubic_curvature(2.0, [1.0, 2.0, 3.0], 0.0) == pytest.approx(1.0)
    # the energy is convex below 1/15, in 3D as well: smallest stiffness over all directions
    rng = np.random.default_rng(1)
    p, turn = rng.normal(size=(3, 4000)), rng.normal(size=(3, 4000))
    p /= np.linalg.norm(p, axis=0)
    p[:, 0], turn[:, 0] = (1, 0, 0), (0, 1, 0)
    turn -= p * (p * turn).sum(axis=0)
    turn /= np.linalg.norm(turn, axis=0)

    def smallest(d: float) -> float:
        def stretched(t: float) -> Any:
            q = p + t * turn
            return np.linalg.norm(q, axis=0) * theory.cubic_surface_energy(q, 1.0, d)

        return float(((stretched(1e-3) - 2 * stretched(0.0) + stretched(-1e-3)) / 1e-6).min())

    assert smallest(0.99 / 15) == pytest.approx(0.01, abs=1e-4)
    assert smallest(1.01 / 15) < 0.0


def test_monroe_newman():
    data: dict[str, Any] = dict(surface_energy=0.5, molar_volume=1.3e-5, molar_volume_ion=0.0)
    # capillarity alone: -gamma V_m K/2 at a peak, so plating there is slower
    shift = theory.monroe_newman_shift(1e6, 0.0, 0.0, 0.0, **data)
    assert shift == pytest.approx(-0.5 * 1.3e-5 * 1e6 / 2)
    assert theory.monroe_newman_factor(shift) == pytest.approx(
        math.exp(0.5 * shift / (GAS_CONSTANT * T_REF))
    )
    assert theory.monroe_newman_factor(shift) < 1 < theory.monroe_newman_factor(-shift)
    # equal molar volumes: pressure has no say, stress counts twice
    equal: dict[str, Any] = {**data, "molar_volume_ion": 1.3e-5}
    assert theory.monroe_newman_shift(0.0, 1e6, 5e6, 5e6, **equal) == pytest.approx(13.0)


def test_space_charge():
    # verification set: 9.62 nm at 1 mM, 0.304 nm at 1 M (eps_r 78.5); Donnan 22.64 mV
    lengths = theory.debye_length(np.array([1.0, 1000.0]), 78.5)
    np.testing.assert_allclose(1e9 * lengths, [9.62, 0.3042], rtol=2e-4)
    donnan = theory.donnan_potential(2 * FARADAY * 10.0, 10.0)
    assert 1e3 * donnan == pytest.approx(22.64, abs=0.006)
    # inside, F (c+ - c-) + rho = 0
    inside = 10.0 * np.exp(np.array([-1, 1]) * donnan / RT_F)
    assert FARADAY * (inside[0] - inside[1]) + 2 * FARADAY * 10.0 == pytest.approx(0, abs=1e-6)
    assert theory.donnan_potential(-2 * FARADAY * 10.0, 10.0) == pytest.approx(-donnan)
    # Grahame: written out, and the small-potential limit eps phi/lambda
    phi = 0.1
    exact = math.sqrt(8 * 78.5 * EPSILON_0 * GAS_CONSTANT * T_REF * 1.0) * math.sinh(phi / 2 / RT_F)
    assert theory.grahame_charge(phi, 1.0, 78.5) == pytest.approx(exact)
    assert theory.grahame_charge(1e-5, 1.0, 78.5) == pytest.approx(
        78.5 * EPSILON_0 * 1e-5 / lengths[0], rel=1e-6, abs=0
    )
    # Gouy-Chapman solves Poisson-Boltzmann, and its slope at the wall is Grahame's charge
    x = np.linspace(0, 5 * lengths[0], 20001)
    profile = theory.gouy_chapman(x, phi, 1.0, 78.5)
    assert profile[0] == pytest.approx(phi)
    slope = (-3 * profile[0] + 4 * profile[1] - profile[2]) / (2 * x[1])
    assert -slope * 78.5 * EPSILON_0 == pytest.approx(exact, rel=1e-5)
    k = 8000
    bend = (profile[k + 1] - 2 * profile[k] + profile[k - 1]) / x[1] ** 2
    charge = -2 * FARADAY * 1.0 * math.sinh(profile[k] / RT_F)
    assert bend * 78.5 * EPSILON_0 == pytest.approx(-charge, rel=1e-4)
    # anions at rest
    assert theory.boltzmann_anion(RT_F, 7.0) == pytest.approx(7.0 * math.e)


def test_real_electrolyte_numbers_are_plausible():
    # 1 M LiPF6, 25 um separator of Celgard kind: J* is tens of mA/cm2
    found = electrolyte("LiPF6_EC_EMC_3_7")
    D = found.D(found.c0) * 0.55 / 2.5
    J = theory.limiting_current(25e-6, found.c0, D, found.t_plus(found.c0))
    assert 100.0 < J < 1000.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.sand_time(-1.0, **CELL), "sand_time: J must be above 0, got -1"),
        (lambda: theory.sand_time(np.array([1.0, 0.0]), **CELL), "J must be above 0, got 0"),
        (lambda: theory.sand_time(1.0, 1.0, 1.0, 1.0), "t_plus must be below 1"),
        (lambda: theory.sand_time(math.nan, **CELL), "got nan"),
        (lambda: theory.depletion_time(1.0, 0.0, **CELL), "L must be above 0"),
        (lambda: theory.closed_cell_concentration(2 * L, 1.0, 1.0, L, **CELL), "x/L must be"),
        (lambda: theory.closed_cell_concentration(0.0, -1.0, 1.0, L, **CELL), "t must be"),
        (lambda: theory.bruggeman(1.2), "porosity must be at least 0 and at most 1, got 1.2"),
        (lambda: theory.heterogeneous_factor(90.0), "contact_angle must be"),
        (lambda: theory.resistive_column(2.0, 1.0, 1.0, 1.0, 1.0, 1.0), "y/L must be"),
        (lambda: theory.faraday_thickness(-1.0, 1e-5), "charge must be at least 0, got -1"),
        (lambda: theory.cubic_surface_energy([1.0, 0.0], 0.5, -0.1), "delta4 must be at least 0"),
        (lambda: theory.cubic_curvature(0.0, [1.0, 0.0], 0.05), "radius must be above 0"),
        (lambda: theory.critical_radius(0.0, 0.5, 1e-5), "eta must be above 0"),
        (lambda: theory.retention(1, 1.0), "efficiency must be at least 0 and below 1, got 1"),
        (lambda: theory.retention(1, 0.9, 0.8), "n_p must be at least 1, got 0.8"),
        (lambda: theory.n_to_p(0.0, 1.0), "capacity must be above 0"),
        (lambda: theory.host_thickness(1.0, 1.0, 100.0), "share must be at least 0 and below 1"),
    ],
)
def test_arguments_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_function_says_its_formula_and_arguments():
    for name, function in inspect.getmembers(theory, inspect.isfunction):
        if name.startswith("_") or not function.__module__.startswith(theory.__name__):
            continue
        text = function.__doc__ or ""
        assert len(text) > 60, name
        refers = "Arguments of" in text or "arguments of" in text or "`" in text
        assert "Args:" in text or refers, name


def test_theory_imports_no_solver():
    code = (
        "import sys, fem.theory; bad = {'ufl', 'dolfinx', 'dolfinx_solver', 'mpi4py', 'petsc4py',"
        " 'gmsh', 'vtk', 'matplotlib', 'scipy', 'pint', 'pydantic'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
