"""Cases with field maps: what their headers say comes out.

Margins exceed three times what halving h moved; those numbers stand in the headers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fem.results.result import Result
from tests.cases.foil import spread

Solve = Callable[..., Result]
Reached = Callable[..., None]

SOLID = (
    'geometry.layers=[{name="mat", thickness="50 um", porosity=0.85, fibre_diameter="8 um"}]'
)


def on_axis(result: Result) -> float:
    """Field at the height of the films' top, on the axis over far from it."""
    slopes = []
    for r in (0.0, 1.8e-6):
        at, phi = result.line((r, 0.45e-6), (r, 0.6e-6), "phi", n=31)
        slopes.append(np.polyfit(at, phi, 2)[-2])
    return float(slopes[0] / slopes[1])


def test_films_over_a_nucleus_only_keep_the_electrolyte_away(solve: Solve) -> None:
    """Control: bare copper. In the electrolyte at one height the same within 3 %."""
    bare = solve("nucleus_field", 'regions={"coating_*"={material="LiPF6_EC_EMC_3_7"}}',
                 "map.regions={}")
    coated = solve("nucleus_field")
    assert on_axis(coated) == pytest.approx(1.136, abs=0.003)
    assert on_axis(bare) == pytest.approx(1.163, abs=0.003)
    largest = [r.summary["E_max"] / r.summary["E_p95_top"] for r in (coated, bare)]
    assert largest == pytest.approx([1.14, 2.86], rel=3e-2)
    tips = [r.summary["enhancement"] for r in (coated, bare)]
    assert tips == pytest.approx([9.53, 2.98], rel=1e-2)
    assert coated.summary["wagner"]["collector"]["Wa"] > 100.0


def test_permittivity_moves_the_map_and_no_current(solve: Solve) -> None:
    """Control: Al2O3 in place of BaTiO3, in both kinds of map."""
    other = "regions.host_bto.material=Al2O3"
    means = [solve("bto_scaffold", *more).summary["E_mean"] for more in ((), (other,))]
    assert means == pytest.approx([3193.0, 10170.0], rel=2e-2)
    currents = [solve("bto_scaffold", "map.kind=conduction", *more).summary["flux"]["counter"]
                for more in ((), (other,))]
    assert currents[0] == pytest.approx(currents[1], rel=1e-10)


@pytest.mark.full
def test_permittivity_of_fibres_moves_the_map_and_no_metal(solve: Solve, reached: Reached) -> None:
    """Controls: permittivity 4 for 12, no fibres; margins 3 times what halving h moves."""
    other, none = "materials.hdfp.eps_r=4", "regions.host_hdfp.material=LiPF6_EC_EMC_3_7"
    driven = ("study=map", 'map={kind="electrostatics", '
              'boundaries={collector={phi="0 V"}, counter={phi="1 V"}}}')
    fields = {change: solve("hdfp_fibres", *driven, *change).summary["E_p95"]
              for change in ((), (other,), (none,))}
    high, low, even = fields.values()
    reached("p95 of E, fibres of 12 over no fibres", high / even, least=1.17, most=1.19)
    reached("p95 of E, fibres of 4 over no fibres", low / even, least=1.52, most=1.55)
    full, swapped, bare = (solve("hdfp_fibres", *change) for change in ((), (other,), (none,)))
    gap = max(abs(full.summary[k] / swapped.summary[k] - 1) for k in ("voltage", "c_min"))
    reached("voltage and salt, fibres of 4 over 12, -1", gap, most=1e-10)
    reached("spread of the current on the foil, fibres of 4 less 12",
            abs(spread(swapped) - spread(full)), most=1e-10)
    reached("voltage over that without fibres", full.summary["voltage"] / bare.summary["voltage"],
            least=1.008, most=1.01)
    reached("spread of the current on the foil", spread(full), least=1.6e-3, most=1.8e-3)
    reached("the same without fibres", spread(bare), most=1e-6)


@pytest.mark.full
def test_whiskers_shield_only_if_they_conduct(solve: Solve, reached: Reached) -> None:
    """Control: plain cloth; margin 3 % of its field, 3 times what halving h moves is 0.5 %."""
    plain, poor, good = (
        solve("sic_cloth", *more).summary["E_mean_top"] for more in (
            ("regions.host_sic.material=LiPF6_EC_EMC_3_7",), (),
            ('map.regions.host_sic={conductivity="10 S/m"}',),
        )
    )  # fmt: skip
    reached("field at the top over plain cloth, 0.1 S/m", poor / plain, least=1.03)
    reached("field at the top over plain cloth, 10 S/m", good / plain, most=0.9)


@pytest.mark.full
def test_the_field_ends_where_the_coat_of_a_sponge_begins(
    solve: Solve, reached: Reached
) -> None:
    """Controls: a sponge that conducts everywhere, and one that does not."""
    graded = solve("cdg_sponge_map").summary
    all_coated = solve("cdg_sponge_map", 'regions.host_top={material="Ni"}',
                       'map.regions.host_top={phi="0 V"}').summary
    none = solve(
        "cdg_sponge_map",
        'regions={"host_*"={material="melamine"}, separator={material="polyolefin"}}',
        "map.regions={}",
    ).summary
    reached("top, graded over conductive", graded["E_mean_top"] / all_coated["E_mean_top"],
            least=3.0)
    reached("bottom over top, graded", graded["E_mean_bottom"] / graded["E_mean_top"], most=0.01)
    reached("bottom over top, dielectric", none["E_mean_bottom"] / none["E_mean_top"], least=0.9)
    share = graded["flux"]["host_middle"] / -graded["flux"]["counter"]
    reached("share of the middle third, graded", share, least=0.98)


def test_a_skin_lets_the_field_into_a_mat(solve: Solve) -> None:
    """Control: bare wires."""
    coated = solve("nanowire_li2o_map").summary
    bare = solve("nanowire_li2o_map", "coatings=[]",
                 'map.boundaries.collector={phi="0 V"}').summary
    assert coated["E_mean_top"] / coated["E_mean_bottom"] == pytest.approx(4.37, rel=3e-2)
    assert bare["E_mean_top"] / bare["E_mean_bottom"] > 1e6
    assert coated["uniformity"] > 0.15
    assert bare["uniformity"] < 0.01
    skin = coated["wall_flux"]["host_wires/electrolyte_wires"]
    assert skin["in"] == pytest.approx(-coated["flux"]["host_wires"], rel=1e-9)


@pytest.mark.full
def test_a_skin_evens_the_field_and_hollowness_does_not(
    solve: Solve, reached: Reached
) -> None:
    """Controls: no skin, and solid fibres."""
    hollow, solid = (solve("hollow_fibres_map", *more).summary["uniformity"]
                     for more in ((), (SOLID,)))
    bare = solve("hollow_fibres_map", "coatings=[]").summary["uniformity"]
    reached("uniformity, skin over bare", hollow / bare, least=5.0)
    reached("uniformity, hollow over solid", hollow / solid, most=0.5)
