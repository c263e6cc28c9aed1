"""Cases with films: what their headers say comes out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import geometries
from fem import Case
from fem.mesh.domain import Domain
from fem.results.result import Result

Solve = Callable[..., Result]
Array = npt.NDArray[np.float64]
FAST = 'kinetics=[{surface="*", i0="1000 A/m^2"}]'
BARE = 'sei.0.L0="0.001 nm"'


def along(result: Result, name: str = "i_n", axis: int = 0, below: float = 1e-9) -> Array:
    """Values on the collector in the order of a coordinate."""
    x = result.points("walls")
    on = x[:, 1] < below
    return np.asarray(result.array(name, block="walls")[on][np.argsort(x[on, axis])])


def between(result: Result, low: float, high: float) -> float:
    """Mean current density of walls between two heights, A/m2."""
    y = result.points("walls")[:, 1]
    return float(result.array("i_n", block="walls")[(y > low) & (y < high)].mean())


@pytest.mark.full
def test_a_weak_spot_heals(solve: Solve, reached: Callable[..., None]) -> None:
    """Current of the spot over that far from it: at once, in the end, without growth, breaking."""
    cracks = 'sei.0.crack={thickness="1 um", fresh="5 nm"}'
    ways: tuple[tuple[str, ...], ...] = (
        ('protocol.0.duration="1 s"',), (), ('sei.0.law="solvent_diffusion"',), (cracks,))
    found = [solve("sei_weak_spot", *way) for way in ways]
    ratios = [i[0] / i[-1] for i in map(along, found)]
    for what, ratio, known in zip(
        ("at once", "after 1800 s", "without growth", "breaking"), ratios,
        (4.39, 1.28, 4.43, 1.04), strict=True,
    ):  # fmt: skip
        reached(f"current of the spot over that around it, {what}", ratio,
                least=0.99 * known, most=1.01 * known)
    metal = along(found[1], "q")
    reached("metal of the spot over that around it", metal[0] / metal[-1], least=1.63, most=1.67)
    film = 1e9 * along(found[1], "L_sei")
    assert film[[0, -1]] == pytest.approx([56.3, 74.9], rel=5e-3)
    charges = [r.summary["sei_charge"] for r in found]
    assert charges[3] / charges[1] == pytest.approx(2.36, rel=1e-2)
    reached("largest gap of a balance",
            max(max(r.summary["closures"].values()) for r in found), most=1e-8)


def test_thin_film_dissolves_first(solve: Solve) -> None:
    """Root over what is above, under an aged shell; tip over root under other films."""
    young = 'sei.0.L0={expression="50e-9 - 45e-9/(1 + exp((12e-6 - y)/0.2e-6))", unit="m"}'
    root, middle, tip = (0.2e-6, 1.5e-6), (12e-6, 14e-6), (14.6e-6, 15.1e-6)
    aged = solve("needle_under_sei")
    assert between(aged, *root) / between(aged, *middle) == pytest.approx(3.30, rel=1e-2)
    even, bare, late = (solve("needle_under_sei", way) for way in
                        ('sei.0.L0="50 nm"', 'sei.0.L0="0.01 nm"', young))
    tips = [between(r, *tip) / between(r, *root) for r in (even, bare, late)]
    assert tips == pytest.approx([1.005, 1.027, 3.48], rel=2e-3)


def bounds(low: float, high: float, share: float) -> tuple[float, float]:
    """Bounds of Hashin and Shtrikman in 2D, S/m, of phases of which `share` conducts well."""
    rest = 1.0 - share
    least = low + share / (1.0 / (high - low) + rest / (2.0 * low))
    return least, high + rest / (1.0 / (low - high) + share / (2.0 * high))


def test_a_mosaic_lies_between_its_bounds(solve: Solve, tmp_path: Path) -> None:
    """Effective conductivity with boundaries that conduct, and with ones that do not."""
    case = Case.load("sei_mosaic", ("output.figures=false",))
    domain = Domain.read(geometries.cached("grains", dict(case.geometry or {}), tmp_path))
    thin, grains = (domain.volume([f"solid_electrolyte_{n}"]) for n in ("boundary", "grain"))
    share = thin / (thin + grains)
    closed = ('materials.grain.kappa="1e-7 S/m"', 'materials.boundary.kappa="1e-9 S/m"')
    found = [abs(solve("sei_mosaic", *way).summary["flux"]["counter"]) for way in ((), closed)]
    assert found == pytest.approx([1.64e-8, 5.88e-9], rel=1e-2)
    for kappa, part in zip(found, (share, 1.0 - share), strict=True):
        least, most = bounds(1e-9, 1e-7, part)
        assert least < kappa < most
    assert found[0] / bounds(1e-9, 1e-7, share)[1] == pytest.approx(0.90, abs=0.01)
    assert found[1] / bounds(1e-9, 1e-7, 1.0 - share)[0] == pytest.approx(1.07, abs=0.01)


def test_a_film_evens_fast_tips(solve: Solve) -> None:
    """Current of the highest point over that of the lowest, less 1: for fast kinetics only."""

    def excess(*ways: str) -> float:
        i = along(solve("tip_film_k", *ways), axis=1, below=1e-5)
        return float(i[-1] / i[0] - 1.0)

    fast = [excess(BARE, FAST), excess(FAST)]
    assert fast == pytest.approx([0.057, 0.0008], rel=2e-2)
    assert excess(BARE) == pytest.approx(0.0007, rel=2e-2)
    assert excess() < excess(BARE)


def test_a_skin_evens_the_tip_and_not_the_foil(solve: Solve) -> None:
    """Highest point over the mean, and spread; controls: no skin, and slow kinetics.

    A finer mesh of the same surface moves what the skin makes by 0.003 and 0.007.
    """

    def evenness(*ways: str) -> tuple[float, float]:
        result = solve("tip_coating_k", *ways)
        ends = result.points("walls")[result.cells("walls")]
        i_n = result.array("i_n", block="walls")[result.cells("walls")].mean(axis=1)
        foil = ends[:, :, 1].max(axis=1) < 10e-6
        length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)[foil]
        over = i_n[foil] / np.average(i_n[foil], weights=length)
        high = ends[foil, :, 1].mean(axis=1).argmax()
        return float(over[high]), float(np.sqrt(np.average((over - 1) ** 2, weights=length)))

    bare = 'regions.coating_gfo.material="KFSI_DME"'
    assert evenness(FAST, bare) == pytest.approx((1.061, 0.045), abs=0.002)
    assert evenness(FAST) == pytest.approx((1.026, 0.068), abs=0.007)
    assert evenness() == pytest.approx((1.026, 0.066), abs=0.007)
    assert evenness(bare) == pytest.approx((1.0009, 0.0007), abs=1e-4)


def test_a_protrusion_under_films(solve: Solve) -> None:
    """Tip over valley: less with more resistance, at equal current and voltage; more if thin."""
    thick = 'sei.0.L0="150 nm"'
    thin_tip = 'sei.0.L0={expression="150e-9 - 145e-9/(1 + exp((3e-6 - y)/0.2e-6))", unit="m"}'
    held = 'protocol=[{step="hold", voltage="-0.16 V"}]'
    found = [solve("protrusion_sei", *way) for way in (
        (BARE,), (), (thick,), (thin_tip,), (held,), (held, thick))]
    tips = [i[-1] / i[0] for i in (along(r, axis=1, below=1.1e-5) for r in found)]
    assert tips == pytest.approx([1.0182, 1.0033, 1.0012, 11.40, 1.0033, 1.0012], rel=1e-3)
    salt = [r.summary["c_min"] for r in found]
    assert salt[:3] == pytest.approx([984.2] * 3, abs=0.1)
    assert found[5].summary["current_density"] == pytest.approx(-4.30, rel=1e-2)
    assert salt[5] > salt[4]


def test_openings_draw_the_metal(solve: Solve) -> None:
    """Opening over what lies under the layer; no layer; a layer that conducts little; with salt."""
    still = [along(solve("sei_open_closed", *way)) for way in (
        (), ('materials.film.kappa="0.9 S/m"',), ('materials.film.kappa="1e-6 S/m"',))]
    assert still[0].min() / still[0][0] == pytest.approx(6.76, rel=1e-2)
    assert np.ptp(still[1]) < 1e-2
    assert still[2].min() == pytest.approx(-93.5, rel=1e-2)
    moving = along(solve("sei_open_closed", 'study="tertiary"', 'protocol.0.duration="600 s"'))
    assert [moving.min(), moving[0]] == pytest.approx([still[0].min(), still[0][0]], rel=1e-2)
