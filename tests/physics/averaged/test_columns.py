"""Averaged hosts against closed forms of porous electrodes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from fem import Case, theory
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.values.properties import number
from tests.physics.averaged.columns import (
    EVEN,
    RT_F,
    SURFACE,
    UM,
    V_M,
    T,
    along,
    column,
    linear,
    run,
)
from tests.physics.averaged.volumes import fill

ONE = [{"step": "plate", "current_density": "1 A/m^2"}]
FROZEN = {"exponent": 0, "metal_sigma": "0 S/m"}


@pytest.mark.parametrize(("ratio", "B"), [(0.0, -0.39657), (10.0, 0.32446)])
def test_linear_kinetics(ratio: float, B: float, tmp_path: Path) -> None:
    """nu = 3, kappa/sigma = 0 (that is 1e-4) and 10: current everywhere, thirds, index B."""
    sigma = 1.0 / ratio if ratio else 1e4
    case = column(sigma=sigma, kinetics=linear(3.0, sigma=sigma), host=FROZEN, study="secondary",
                  protocol=ONE)
    result = run(case, tmp_path / "r")
    y, i_v = along(result, "i_v")
    i0 = number(case.kinetics[0].i0)
    exact = theory.resistive_column(np.minimum(y, 100 * UM), 100 * UM, 1.0, sigma, 2e6, i0)
    assert -i_v * 100 * UM == pytest.approx(exact, rel=1e-3)
    assert result.summary["bottom_up"] == pytest.approx(B, abs=2e-4)
    thirds = [0.6380, 0.2447, 0.1173] if not ratio else [0.1646, 0.2447, 0.5907]
    assert [*result.summary["current_by_third"].values()] == pytest.approx(thirds, abs=2e-4)
    print(ratio, np.abs(-i_v * 100 * UM / exact - 1).max(), result.summary["bottom_up"] - B)


@pytest.mark.parametrize(("drop", "theta", "shares"), [
    (4.0, 1.076874, (2.57983, 0.78670, 0.57983)), (10.0, 1.313838, (5.34523, 0.55055, 0.34523)),
])  # fmt: skip
def test_tafel(drop: float, theta: float, shares: Any, tmp_path: Path) -> None:
    """Newman and Tobias 1962 at delta = e = alpha_c F I L/(RT kappa): separator, middle, floor."""
    current = drop * RT_F / 0.5 * 1.0 / (100 * UM)
    case = column(kinetics={"i0": "1e-9 A/m^2"}, host=FROZEN, study="secondary", cells=200,
                  protocol=[{"step": "plate", "current_density": f"{current!r} A/m^2"}])
    result = run(case, tmp_path / "r")
    y, i_v = along(result, "i_v")
    found = -np.interp([100 * UM, 50 * UM, 0.0], y, i_v) * 100 * UM / current
    assert found == pytest.approx(shares, rel=2e-3)
    assert theory.tafel_column([0.0, 0.5, 1.0], drop, drop) == pytest.approx(shares, rel=2e-5)
    print(drop, found / np.array(shares) - 1)


@pytest.mark.parametrize(("nu", "use"), [(1, 0.7616), (2, 0.4820), (3, 0.3317), (5, 0.2000)])
def test_host_use_at_first_clogging(nu: int, use: float, tmp_path: Path) -> None:
    """Frozen properties, kappa/sigma = 0: mean over largest filling is tanh(nu)/nu."""
    case = column(kinetics=linear(nu), host=FROZEN | {"clog": {"porosity": 0.1}},
                  protocol=[{"step": "plate", "current_density": "50 A/m^2", "duration": "1000 h"}])
    result = run(case, tmp_path / "r")
    closed = result.summary["events"][-1]
    assert closed["event"] == "clogged" and closed["place"][1] == pytest.approx(100 * UM)
    assert result.summary["eps_min"] == pytest.approx(0.1, rel=1e-3)
    found = result.summary["filled"] * 0.9 / (0.9 - result.summary["eps_min"])
    assert found == pytest.approx(use, rel=2e-3)
    print(nu, found / use - 1, result.summary["steps"])


#: Area law, eps0, and eps after 1 h at 1 A/m2 everywhere; v t = 0.48497 um.
V = V_M / FARADAY * 3600.0 / UM  # um
FILLED = {
    "fibres": ({"law": "fibres", "radius": "1 um"}, 0.8, 0.8 ** ((1 + V) ** 2)),
    "fibre_thin": ({"law": "fibre_thin", "radius": "2 um"}, 0.9,
                   0.9 - 0.1 * ((1 + V / 2) ** 2 - 1)),
    "pores": ({"law": "pores", "radius": "1 um"}, 0.8, 0.8 * (1 - V) ** 2),
    "spheres": ({"law": "spheres", "radius": "1 um"}, 0.8, 0.8 ** ((1 + V) ** 3)),
    "constant": ({"law": "constant", "area": "0.4 1/um"}, 0.8, 0.8 - 0.4 * V),
}  # fmt: skip


def test_the_numbers_of_the_laws() -> None:
    """Lithium at 1 A/m2 fills to what the design notes say."""
    assert 0.8 ** ((1 + V) ** 2) == pytest.approx(0.61136, abs=5e-5)
    assert 1 - (1 - V) ** 2 == pytest.approx(0.73475, abs=5e-5)


@pytest.mark.parametrize("law", FILLED)
def test_filling_laws(law: str, tmp_path: Path) -> None:
    """Every law fills its pores in closed form at 1 A/m2 on all surfaces, in 1 h."""
    surface, eps0, exact = FILLED[law]
    i0 = 1e-3  # A/m2: a change of 51 mV goes with a factor of e, and potentials are even to 1 uV
    case = column(
        L=25.0, cells=4, porosity=eps0, surface=surface,
        electrolyte=EVEN | {"kappa": "1000 S/m", "D": "1e-9 m^2/s", "t_plus": 1},
        kinetics={"i0": {"expression": f"{i0} + 0*c", "unit": "A/m^2"}}, time={"tolerance": 2e-6},
        averaged={"displacement": "none",
                  "regions": {"host_mat": {"surface": surface, "exponent": 0,
                                           "pore_distance": "1 um"}}},
        protocol=[{"step": "hold", "voltage": f"{-2 * RT_F * math.asinh(0.5 / i0)!r} V",
                   "duration": "1 h"}],
    )
    result = run(case, tmp_path / "r")
    _, eps = along(result, "eps")
    assert eps == pytest.approx(exact, rel=1e-4)
    print(law, np.abs(eps / exact - 1).max(), result.summary["steps"])


#: PyBaMM 26.10, DFN with reversible plating, intercalation off, porosity change on: eps of the
#: cells at collector, in the middle and at the separator of 80, and eta of the two ends, mV.
DFN, DFN_ETA = (0.83330, 0.81219, 0.73354), (-0.17131, -0.46085)
JOB: dict[str, Any] = {
    "L": 50 * UM, "eps0": 0.9, "current": 10.0, "area": 2e6, "i0": 10.0, "sigma": 100.0,
    "hours": 1.0, "drawn": 2 * RT_F**2 / (GAS_CONSTANT * T) * 0.6**2 / (1e-7 * 1048),
}  # fmt: skip


def filled(cells: int, D: str, tolerance: float) -> Case:
    """Case of the DFN's job in so many cells, with a diffusivity of the salt."""
    kinetics = {"i0": {"expression": "10 + 0*c", "unit": "A/m^2"}}
    host = {"surface": SURFACE, "metal_sigma": "0 S/m"}
    return column(
        L=50.0, cells=cells, sigma=100.0, kinetics=kinetics, time={"tolerance": tolerance},
        averaged={"displacement": "none", "regions": {"host_mat": host}},
        electrolyte=EVEN | {"D": D},
        protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "1 h"}],
    )


def test_pybamm_dfn(tmp_path: Path) -> None:
    """Finite volumes on its mesh have the DFN's numbers, and ours in the limit of small cells."""
    eps, eta = fill(80, **JOB)
    assert eps[[0, 40, 79]] == pytest.approx(DFN, abs=1e-5)
    assert 1e3 * eta[[0, 79]] == pytest.approx(DFN_ETA, abs=1e-5)
    case = filled(80, "1e-7 m^2/s", 1e-6)
    result = run(case, tmp_path / "r")
    middles, fine = (np.array([0.5, 40.5, 79.5]) / 80, (np.arange(1280) + 0.5) / 1280)
    limit, eta = fill(1280, **JOB)
    y, found = along(result, "eps")
    off = np.interp(middles * 50 * UM, y, found) - np.interp(middles, fine, limit)
    assert np.abs(off).max() < 1e-5
    y, i_v = along(result, "i_v")
    rate = np.interp(middles, y / (50 * UM), i_v) / 2e6
    found_eta = 2 * RT_F * np.arcsinh(rate / 20.0) * 1e3
    print(off, found_eta - 1e3 * np.interp(middles, fine, eta), result.summary["steps"])
    assert found_eta[[0, 2]] == pytest.approx(DFN_ETA, abs=2e-5)  # mV


@pytest.mark.parametrize("geometry", [
    {}, {"width": "0.1 um"}, {"dimension": 3, "breadth": "0.05 um"},
], ids=["one cell wide", "two cells wide", "a block"])  # fmt: skip
def test_columns_in_1d_2d_and_3d(
    geometry: dict[str, Any], limit: tuple[Any, Any], tmp_path: Path
) -> None:
    """The DFN's job with salt kept still more even: eps within 1e-6 of what cells of no size give.

    Cells are narrow, for a strip of triangles or tetrahedra is a column but for h w at its ends.
    """
    data = filled(240, "1e-5 m^2/s", 3e-8).to_dict()
    data["geometry"] |= {"width": "0.05 um", "size_width": "0.05 um"} | geometry
    result = run(Case.from_dict(data), tmp_path / "r")
    y = result.points("averaged")[:, geometry.get("dimension", 2) - 1]
    eps, i_v = (result.array(name, block="averaged") for name in ("eps", "i_v"))
    off = eps - limit[0](y)
    assert np.abs(off).max() < 1e-6
    eta = 2 * RT_F * np.arcsinh(i_v / 2e6 / 20.0)
    assert eta == pytest.approx(limit[1](y), rel=1e-5)
    heights = (np.arange(1280) + 0.5) / 1280 * 50 * UM
    rate = np.sinh(0.5 * limit[1](heights) / RT_F)
    B = 1.0 - 2.0 * float(heights @ rate / rate.sum()) / (50 * UM)
    assert result.summary["bottom_up"] == pytest.approx(B, abs=1e-6)
    print(np.abs(off).max(), np.abs(eta / limit[1](y) - 1).max(), result.summary["bottom_up"] - B)


@pytest.fixture(scope="module")
def limit() -> tuple[Any, Any]:
    """Height -> eps, eta, V, of finite volumes, whose error falls with the square of the cells."""
    job = JOB | {"drawn": JOB["drawn"] / 100}
    found = {}
    for cells in (640, 1280):
        middles = (np.arange(cells) + 0.5) / cells * 50 * UM
        found[cells] = [CubicSpline(middles, values) for values in fill(cells, **job)]

    def of(number: int) -> Any:
        coarse, fine = found[640][number], found[1280][number]
        return lambda y: fine(y) + (fine(y) - coarse(y)) / 3.0

    return of(0), of(1)


def test_graded_pores_and_a_tensor_converge_with_second_order(tmp_path: Path) -> None:
    """Porosity over depth; tau of the empty host as a matrix is the number in its direction."""
    graded = {"along": "depth", "at": ["0 um", "100 um"], "values": [0.95, 0.7]}
    given: dict[str, Any] = {"porosity": graded, "sigma": 3.0, "study": "secondary",
                             "protocol": ONE}
    found = {}
    for cells in (10, 20, 40, 80):
        host = FROZEN | {"tensor": [[1.2, 0.0], [0.0, 2.0]]}
        case = column(cells=cells, host=host, **given)
        found[cells] = run(case, tmp_path / f"{cells}").summary["voltage"]
    gaps = [found[a] - found[b] for a, b in ((10, 20), (20, 40), (40, 80))]
    orders = np.log2(np.array(gaps[:-1]) / gaps[1:])
    assert orders == pytest.approx(2.0, abs=0.1)
    plain = column(cells=80, host=FROZEN, **given).to_dict()
    plain["regions"]["host_mat"]["tortuosity"] = 2.0
    result = run(Case.from_dict(plain), tmp_path / "plain")
    assert result.summary["voltage"] == pytest.approx(found[80], rel=1e-5)
    print(orders, result.summary["voltage"] / found[80] - 1)


def test_a_tensor_is_the_whole_tortuosity(tmp_path: Path) -> None:
    """A multiple of 1 is that number; where no current goes aside only the way along counts.

    So the off-diagonals of two mirror images change nothing: 1/3 of kappa passes.
    """

    def index(name: str, tensor: Any, **region: Any) -> float:
        given = {} if tensor is None else {"tensor": tensor}
        case = column(cells=20, kinetics=linear(3.0), host=FROZEN | given, study="secondary",
                      protocol=ONE).to_dict()  # fmt: skip
        case["regions"]["host_mat"] |= region
        return float(run(Case.from_dict(case), tmp_path / name).summary["bottom_up"])

    known = index("number", None, tortuosity=1.5)
    assert index("tensor", [[1.5, 0.0], [0.0, 1.5]]) == pytest.approx(known, rel=1e-9)
    straight = index("straight", [[3.0, 0.0], [0.0, 3.0]])
    for off in (1.5, -1.5):
        assert index(f"{off}", [[3.0, off], [off, 3.0]]) == pytest.approx(straight, rel=2e-3)
