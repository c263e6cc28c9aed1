"""Remarks of `check` on a case without errors."""

from __future__ import annotations

from typing import Any

import pytest

from fem import Case, CaseError
from fem.case.summary import assumed_zero, odd_units, summary

from .base import changed

GIVEN = {"surface": "host_bottom", "i0": "1 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}
OF_T = {"expression": "a*T/300", "unit": "A/m^2", "a": 1}
ON = "kinetics of host_bottom (Li on PVDF): "
BOTH = (
    "eta_nuc and the activation energy of i0 unknown, assumed 0: no nucleation barrier, the same "
    "i0 at every temperature"
)


@pytest.mark.parametrize(
    ("kinetics", "remarks"),
    [
        (GIVEN, [ON + BOTH]),
        (
            GIVEN | {"eta_nuc": "20 mV"},
            [ON + "the activation energy of i0 unknown, assumed 0: the same i0 at every "
             "temperature"],
        ),
        (GIVEN | {"i0": OF_T}, [ON + "eta_nuc unknown, assumed 0: no nucleation barrier"]),
        (GIVEN | {"i0": OF_T, "eta_nuc": "0 V"}, []),
        (GIVEN | {"surface": "collector"}, []),  # then the pair itself is missing: another note
    ],
)  # fmt: skip
def test_kinetic_data_that_nobody_gives_are_told(
    kinetics: dict[str, Any], remarks: list[str]
) -> None:
    host = {"material": "PVDF", "sigma": "1 S/m"}
    case = Case.from_dict(changed({"regions.host_bottom": host, "kinetics": [kinetics]}))
    assert list(assumed_zero(case)) == remarks


def test_a_host_that_has_no_place_is_told_before_there_is_a_mesh() -> None:
    mat = {"name": "bottom", "thickness": "20 um", "porosity": 0.3, "fibre_diameter": "2 um"}
    geometry = {"family": "fibre_mat", "layers": [mat], "width": "12 um", "separator": "20 um"}
    given = {"host_bottom": {"material": "Cu"}, "separator": {"material": "polyolefin"}}
    case = Case.from_dict(changed({"geometry": geometry, "regions": given}))
    with pytest.raises(CaseError, match=r"layers.bottom.porosity: 0.3 cannot be delivered within"):
        summary(case)


@pytest.mark.parametrize(("change", "remark"), [
    ({}, None),
    ({"geometry.layers.0.thickness": "20 mm"}, "geometry: a cell of 20"),
    ({"kinetics": [GIVEN | {"eta_nuc": "20 V"}]}, "kinetics.0.eta_nuc: 20 V, which no cell has"),
    ({"protocol.0.cutoff": "-200 V"}, "protocol.0.cutoff: -200 V, which no cell has"),
    ({"protocol.0.current_density": "1 kA/cm^2"}, "protocol: the largest current empties the"),
])  # fmt: skip
def test_numbers_of_another_unit_are_told(change: dict[str, Any], remark: str | None) -> None:
    """None of a case as it is; one of each that is a thousand times too large."""
    found = list(odd_units(Case.from_dict(changed(change))))
    assert found == [] if remark is None else len(found) == 1 and found[0].startswith(remark)


def test_a_pair_of_the_library_needs_no_remark() -> None:
    case = Case.from_dict(changed({"kinetics": [GIVEN], "collector.material": "Ni"}))
    assert list(assumed_zero(case)) == []


def test_kinetics_that_nobody_gives_are_part_of_the_verdict() -> None:
    """A run refuses what reacts without them, and only the mesh tells what does."""
    case = Case.load("zn_bottom_up").with_({
        "kinetics": [], "coatings": [{"on": "host_print", "material": "ZnO", "thickness": "20 nm"}],
    })  # fmt: skip
    text = summary(case)
    assert "if host_print touches the electrolyte it needs kinetics" in text
    assert text.endswith(
        "no problems found but for the kinetics noted, without which a run may be refused"
    )
