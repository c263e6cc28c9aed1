"""Laws: published values, and the same answer for floats, arrays and UFL expressions."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from fem.base.constants import FARADAY, GAS_CONSTANT, T_REF
from fem.base.errors import CaseError
from fem.materials import Electrolyte, electrolyte, names, ops, pair, parse_material
from fem.materials.laws import LAWS, arrhenius, nernst_einstein, polynomial

PROPERTIES = ("kappa", "D", "t_plus", "thermodynamic_factor")
POINTS = [(2.0, 298.15), (400.0, 290.0), (1000.0, 298.15), (1300.0, 310.0), (1900.0, 300.0)]


@pytest.fixture(scope="module")
def plane():
    """UFL coordinates (c, T): expressions of them are evaluated at a point by UFL itself."""
    import basix.ufl
    import ufl

    x = ufl.SpatialCoordinate(ufl.Mesh(basix.ufl.element("P", "triangle", 1, shape=(2,))))
    return x[0], x[1]


@pytest.mark.parametrize("quantity", PROPERTIES)
def test_every_law_is_the_same_in_ufl(plane, quantity):
    for name, law in LAWS[quantity].items():
        symbolic = law(*plane)
        for c, T in POINTS:
            assert symbolic((c, T)) == pytest.approx(law(c, T), rel=1e-12, abs=0), (name, c, T)


@pytest.mark.parametrize("name", names("electrolyte"))
def test_every_electrolyte_is_the_same_in_ufl_arrays_and_floats(plane, name):
    import ufl

    found = electrolyte(name)
    cs = np.array([c for c, _ in POINTS])
    for quantity in PROPERTIES:
        law = getattr(found, quantity)
        symbolic = ufl.as_ufl(law(*plane))
        at_room = law(cs, T_REF)
        assert at_room.shape == cs.shape
        for k, (c, T) in enumerate(POINTS):
            value = law(c, T)
            assert type(value) is float
            assert symbolic((c, T)) == pytest.approx(value, rel=1e-12, abs=0), (quantity, c, T)
            assert law(c, T_REF) == at_room[k]


def test_exchange_current_is_the_same_in_ufl(plane):
    found = pair("Li", "Cu")
    symbolic = found.i0(*plane)
    for c, T in POINTS:
        assert symbolic((c, T)) == pytest.approx(found.i0(c, T), rel=1e-12)
    # i0_ref (c/c_ref)^alpha_a exp(-(Ea/R)(1/T - 1/T_ref))
    assert found.i0(1000.0, T_REF) == pytest.approx(found.i0_ref)
    assert found.i0(4000.0, T_REF) == pytest.approx(4.0**found.alpha_a * found.i0_ref)
    warmer = math.exp(-found.Ea / GAS_CONSTANT * (1 / 320.0 - 1 / T_REF))
    assert found.i0(1000.0, 320.0) == pytest.approx(warmer * found.i0_ref)


def test_published_values():
    # Nyman 2008: t_plus 0.2594 at 1 mol/L is the value that Chen 2020 uses
    law = electrolyte("LiPF6_EC_EMC_3_7")
    assert law.t_plus(1000.0) == pytest.approx(0.2594, abs=1e-12)
    assert law.kappa(1000.0) == pytest.approx(0.9487, abs=1e-12)
    assert law.D(1000.0) == pytest.approx(1.7694e-10, rel=1e-12, abs=0)
    assert law.kappa(1000.0, 308.15) / law.kappa(1000.0) == pytest.approx(1.249, abs=1e-3)
    # two groups, the same solution: they agree within their scatter at 1 mol/L and 25 degC
    other = electrolyte("LiPF6_EC_EMC_3_7_Landesfeind")
    assert other.kappa(1000.0) == pytest.approx(law.kappa(1000.0), rel=0.1)
    assert other.t_plus(1000.0) == pytest.approx(law.t_plus(1000.0), abs=0.05)
    assert other.thermodynamic_factor(1000.0) == pytest.approx(
        law.thermodynamic_factor(1000.0), rel=0.15
    )
    # Landesfeind and Gasteiger: written out at 1 mol/L, 298.15 K
    e = math.exp(1000.0 / 298.15)
    kappa = 5.21e-1 * (1 + 298.15 - 228.0) * (1 - 1.06 + 0.353 * (1 - 3.59e-3 * e))
    assert other.kappa(1000.0) == pytest.approx(0.1 * kappa / (1 + 1.48e-3 * e), rel=1e-12)
    # Valoen and Reimers eq. 14 at 1 mol/L, 25 degC
    third = electrolyte("LiPF6_PC_EC_DMC")
    assert third.D(1000.0) == pytest.approx(
        1e-4 * 10 ** (-4.43 - 54 / (298.15 - 234) - 0.22), rel=1e-12, abs=0
    )


def test_the_same_as_another_code():
    # The parameter sets of PyBaMM 26.10 (ORegan2022, Ai2020 and Xu2019, OKane2022), evaluated there
    # at 500 mol/m3 and 310 K; they carry no other t_plus(c) and thermodynamic factor of these salts
    carried = {
        "LiPF6_EC_EMC_3_7_Landesfeind": {
            "kappa": 0.8866131915191497,
            "D": 4.97767878204538e-10,
            "t_plus": 0.3989075000000013,
            "thermodynamic_factor": 1.573324999999997,
        },
        "LiPF6_PC_EC_DMC": {"kappa": 1.117072827781249, "D": 5.917004653428093e-10},
        "LiPF6_EC_EMC_3_7": {"kappa": 1.0310523264333114, "D": 4.0237105013357183e-10},
    }
    for name, values in carried.items():
        for quantity, value in values.items():
            law = getattr(electrolyte(name), quantity)
            assert law(500.0, 310.0) == pytest.approx(value, rel=1e-12, abs=0), (name, quantity)
    # by hand, from the printed polynomials, at 2 mol/L
    nyman = electrolyte("LiPF6_EC_EMC_3_7")
    t_plus = 0.4492 - 0.4717 * 2 + 0.4106 * 4 - 0.1287 * 8
    assert nyman.t_plus(2000.0) == pytest.approx(t_plus, rel=1e-12)
    assert nyman.thermodynamic_factor(2000.0) == pytest.approx(
        (0.44103 + 0.74678 * 2 + 0.28687 * 4) / (1 - t_plus), rel=1e-12
    )
    valoen = electrolyte("LiPF6_PC_EC_DMC")
    assert valoen.thermodynamic_factor(4000.0, 314.0) == pytest.approx(
        (0.601 - 0.24 * 2 + 0.982 * (1 - 0.0052 * 20) * 8) / 0.62, rel=1e-12
    )


def test_operations_work_on_all_kinds(plane):
    for operation, reference in ((ops.exp, np.exp), (ops.ln, np.log), (ops.sqrt, np.sqrt)):
        assert type(operation(2.0)) is float
        assert operation(2.0) == pytest.approx(reference(2.0))
        np.testing.assert_allclose(operation(np.array([1.0, 3.0])), reference([1.0, 3.0]))
        assert operation(plane[0])((3.0, 1.0)) == pytest.approx(reference(3.0))
        # a float result must not swallow a UFL factor into an array
        assert (operation(2.0) * plane[0])((3.0, 1.0)) == pytest.approx(3 * reference(2.0))
    assert (ops.floor(1.0, 2.0), ops.floor(3.0, 2.0)) == (2.0, 3.0)
    assert ops.floor(plane[0], 2.0)((1.0, 0.0)) == 2.0


@pytest.mark.parametrize("name", names("electrolyte"))
def test_physical_within_the_stated_range(name):
    found = electrolyte(name)
    low, high = found.c_range
    for T in found.T_range:
        cs = np.linspace(low, high, 60)
        assert (found.kappa(cs, T) > 0).all()
        assert (found.D(cs, T) > 0).all()
        assert (found.thermodynamic_factor(cs, T) > 0).all()
        assert (found.t_plus(cs, T) > 0).all() and (found.t_plus(cs, T) < 1).all()
    # the salt-free limit: no conduction, but nothing singular
    if found.kappa.c_table is None:
        assert 0 < found.kappa(0.0) < 1e-6
        assert math.isfinite(found.thermodynamic_factor(-5.0))


def salt(**changes: Any) -> Electrolyte:
    """An ideal one."""
    table = {"kind": "electrolyte", "c0": "700 mol/m^3", "D": "1e-10 m^2/s", "t_plus": 0.4,
             "kappa": {"law": "nernst_einstein"}}
    found = parse_material(table | changes)
    assert isinstance(found, Electrolyte)
    return found


def test_nernst_einstein():
    # kappa = sum z^2 F^2 D_i c/(RT) with D = 2 D+ D-/(D+ + D-) and t_plus = D+/(D+ + D-)
    plus, minus, z = 2e-10, 3e-10, 2
    D, t = 2 * plus * minus / (plus + minus), plus / (plus + minus)
    exact = (z * FARADAY) ** 2 * 700.0 * (plus + minus) / (GAS_CONSTANT * 305.0)
    assert nernst_einstein(700.0, 305.0, D, t, z) == pytest.approx(exact, rel=1e-13)
    ideal = salt(z=z, D=f"{D!r} m^2/s", t_plus=t)
    assert ideal.kappa(700.0, 305.0) == pytest.approx(exact, rel=1e-13)
    assert (ideal.c0, ideal.z, ideal.thermodynamic_factor(1.0)) == (700.0, 2, 1.0)
    assert ideal.D(5.0) == pytest.approx(D, rel=1e-14, abs=0)
    with pytest.raises(CaseError, match="t_plus"):
        salt(t_plus=1.0)
    with pytest.raises(CaseError, match="D"):
        salt(D="-1 m^2/s")


def test_small_laws():
    assert polynomial(2.0, (1.0, 2.0, 3.0)) == 17.0
    assert arrhenius(17000.0, T_REF) == 1.0
    assert arrhenius(17000.0, 308.15) == pytest.approx(
        math.exp(17000.0 / GAS_CONSTANT * (1 / 298.15 - 1 / 308.15))
    )


TABLE = {
    "kind": "electrolyte",
    "c0": "1 mol/L",
    "D": "3e-10 m^2/s",
    "t_plus": 0.4,
    "kappa": {
        "along": "c",
        "at": ["0.1 mol/L", "1 mol/L", "2 mol/L"],
        "values": ["0.2 S/m", "1 S/m", "0.8 S/m"],
    },
}


def test_tables_refuse_extrapolation(plane):
    found = parse_material(TABLE, "materials.mine")
    assert isinstance(found, Electrolyte)
    assert found.kappa.c_table == (100.0, 2000.0)
    assert found.kappa(550.0) == pytest.approx(0.6)
    np.testing.assert_allclose(found.kappa(np.array([100.0, 1500.0])), [0.2, 0.9])
    for outside in (99.0, 2001.0, np.array([500.0, 2500.0])):
        with pytest.raises(CaseError, match="outside the table"):
            found.kappa(outside)
    # inside a form it keeps the end value, and the run asks afterwards
    symbolic = found.kappa(*plane)
    for c, value in ((5000.0, 0.8), (1.0, 0.2), (550.0, 0.6), (1750.0, 0.85)):
        assert symbolic((c, 298.15)) == pytest.approx(value, rel=1e-12)
    found.require(100.0, 2000.0)
    with pytest.raises(CaseError, match="kappa: c = 99 mol"):
        found.require(99.0, 2000.0)
    with pytest.raises(CaseError, match="2500"):
        found.require(500.0, 2500.0)


def test_leaving_the_measured_range_is_said():
    found = electrolyte("LiPF6_EC_EMC_3_7")
    assert found.outside(300.0, 1500.0) == []
    sentences = found.outside(50.0, 1500.0, 350.0)
    assert len(sentences) == 2
    assert "50" in sentences[0] and "350" in sentences[1]
    found.require(1e-3, 5000.0)  # a fit is no table


def test_materials_need_no_solver():
    code = (
        "import sys; from fem.materials import electrolyte, pair;"
        "electrolyte('LiPF6_EC_EMC_3_7').kappa(1e3); pair('Li', 'Cu').i0(1e3);"
        "bad = {'ufl', 'dolfinx', 'mpi4py', 'petsc4py', 'gmsh', 'vtk'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
