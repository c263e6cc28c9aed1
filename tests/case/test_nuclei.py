"""Tables of nuclei in a case, and messages on wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.physics.nuclei.table import Nuclei

from .base import BASE

PLACES: dict[str, Any] = {
    "surface": "collector", "at": [["1 um", "0 um"], ["5 um", "0 um"]], "threshold": "30 mV",
}  # fmt: skip
DRAWN: dict[str, Any] = {
    "surface": "host_*", "density": "1e10 1/m^2", "threshold": "40 mV", "spread": "10 mV",
    "seed": 3, "p_site": {"expression": "y/h", "unit": "", "h": "30 um"},
}  # fmt: skip
AT_A_RATE: dict[str, Any] = {
    "surface": "host_*", "rate": "1e6 1/(cm^2*s)", "radius": "2.5 um",
    "surface_energy": "20 mJ/m^2",
}  # fmt: skip


def growing(*nuclei: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A growth study with these entries."""
    return {
        **BASE,
        "study": "growth",
        "growth": {"interface_width": "0.5 um"},
        "kinetics": [{"surface": "*", "wall": "nucleating"}],
        "nuclei": list(nuclei),
        **changes,
    }


def without(entry: dict[str, Any], *names: str, **more: Any) -> dict[str, Any]:
    """An entry less some of its keys."""
    return {k: v for k, v in entry.items() if k not in names} | more


def test_nuclei_are_read_in_si_and_written_back() -> None:
    case = Case.from_dict(growing(PLACES, DRAWN, AT_A_RATE))
    places, drawn, at_a_rate = case.tables(Nuclei)
    assert places.at == ((1e-6, 0.0), (5e-6, 0.0)) and places.threshold == (0.03,)
    assert (drawn.density, drawn.spread, drawn.seed, drawn.radius) == (1e10, 0.01, 3, None)
    assert (at_a_rate.rate, at_a_rate.radius, at_a_rate.surface_energy) == (1e10, 2.5e-6, 0.02)
    assert Case.from_dict(case.to_dict()) == case
    assert case.physics_hash() != Case.from_dict(growing(PLACES, DRAWN)).physics_hash()


NUMBER = "is out of range: must be"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (without(PLACES, "at"), ": needs exactly one of at, density, rate; got none"),
        (PLACES | {"rate": "1 1/(m^2*s)"},
         ": needs exactly one of at, density, rate; got at and rate"),
        (without(PLACES, "threshold"),
         ".threshold: missing; '0 V' for metal that starts to grow at once"),
        (PLACES | {"threshold": ["1 mV", "2 mV", "3 mV"]},
         ".threshold: 3 values for 2 places; give one for each, or one for all"),
        (DRAWN | {"threshold": ["1 mV", "2 mV"]}, ".threshold: 2 values; give one, and spread"),
        (AT_A_RATE | {"threshold": "1 mV"},
         ".threshold: nuclei that form at a rate have no threshold; leave it out"),
        (AT_A_RATE | {"spread": "1 mV"},
         ".spread: nuclei that form at a rate have no spread; leave it out"),
        (PLACES | {"p_site": 0.5}, ".p_site: the places are given; leave it out"),
        (PLACES | {"surface_energy": "1 J/m^2"},
         ".surface_energy: only for the barrier of a rate; leave it out"),
        (PLACES | {"radius": "1.9 um"},
         ".radius: 1.9 um: below 4 interface widths, 2 um; raise it or lower "
         "growth.interface_width"),
        (PLACES | {"threshold": "-1 mV"}, f".threshold.0: '-1 mV' {NUMBER} at least 0 V"),
        (PLACES | {"threshold": 30},
         ".threshold.0: 30 is not a quantity in V; write e.g. \"50 mV\""),
        (DRAWN | {"density": "0 1/m^2"}, f".density: '0 1/m^2' {NUMBER} above 0 1/m^2"),
        (DRAWN | {"p_site": 2}, f".p_site: 2 {NUMBER} at most 1"),
        (DRAWN | {"seed": -1}, ".seed: -1: must be at least 0"),
        (DRAWN | {"spreed": "1 mV"},
         ".spreed: '1 mV': unknown name; did you mean 'spread' or 'seed'?"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused(entry: dict[str, Any], problem: str) -> None:
    with pytest.raises(CaseError) as error:
        Case.from_dict(growing(entry))
    assert str(error.value) == f"nuclei.0{problem}"


def test_nuclei_need_a_wall_that_is_not_covered_by_itself() -> None:
    with pytest.raises(CaseError) as error:
        Case.from_dict(growing(PLACES, kinetics=[]))
    assert str(error.value) == (
        "nuclei.0.surface: 'collector': no [[kinetics]] entry says wall = 'nucleating'; metal "
        "covers other walls without nuclei"
    )


@pytest.mark.parametrize("entry", [DRAWN, AT_A_RATE])
def test_caps_are_not_counted_where_they_would_be_rings(entry: dict[str, Any]) -> None:
    round_cell = {**BASE["geometry"], "axisymmetric": True}
    with pytest.raises(CaseError, match="nucleus off the axis is a ring"):
        Case.from_dict(growing(entry, geometry=round_cell))
    Case.from_dict(growing(without(PLACES, at=[["0 um", "0 um"]]), geometry=round_cell))


def test_nuclei_belong_to_growth_studies() -> None:
    with pytest.raises(CaseError) as error:
        Case.from_dict({**BASE, "nuclei": [PLACES]})
    assert str(error.value) == (
        "nuclei: only for study = 'growth', not 'tertiary'; change one of them"
    )
