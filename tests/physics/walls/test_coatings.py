"""Coatings on walls: on or under which film metal plates, and what the film costs.

The cells are flat: the overpotentials of both electrodes, film and electrolyte add up to the
voltage, so each current has an exact scalar answer.
"""

from __future__ import annotations

import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.mesh.domain import Domain
from fem.setup.kinetics import PASSIVE_SHARE
from fem.study.build import build
from tests.physics.walls.test_walls import (
    FREE,
    I0,
    KAPPA,
    WALL_MATERIALS,
    butler_volmer,
    held,
    in_series,
    stack,
)
from tests.verification.cells import MPI, RT_F, kinetics, mesh_folder

FILMS = WALL_MATERIALS | {
    "poor": {"kind": "solid", "sigma": "1e-4 S/m"},
    "by_electrons": {"kind": "solid", "sigma": "1e-4 S/m", "kappa": "1e-6 S/m"},
    "by_ions": {"kind": "solid", "sigma": "1e-6 S/m", "kappa": "1e-4 S/m"},
}


def coated(*films: tuple[str, str], on: str = "host_block", **more) -> dict:
    """A block of lithium under films (material, thickness), from the block outwards."""
    coatings = [{"on": on, "material": m, "thickness": t} for m, t in films]
    return stack("Li", coatings=coatings, materials=FILMS) | more


@pytest.mark.parametrize(("films", "R"), [
    ([("Li3N", "1 nm")], 1e-9 / 0.03),
    ([("Li3N", "1 um")], 1e-6 / 0.03),
    ([("film", "50 nm")], 5e-3),  # conducts ions
    ([("poor", "1 um")], 1e-2),  # conducts electrons
    ([("by_electrons", "1 um")], 1e-2),
    ([("by_ions", "1 um")], 1e-2),
    ([("poor", "500 nm"), ("film", "20 nm")], 7e-3),  # metal between the two
    ([("Ag", "1 um")], 0.0),
])
def test_a_film_is_in_series_by_what_it_conducts(films, R):
    """V = overpotentials + i L/kappa + i R, R = thickness/kappa, or thickness/sigma."""
    data = coated(*films)
    data["regions"]["host_block"]["sigma"] = "1e4 S/m"
    on_film = films[0][0] in ("poor", "by_electrons", "Ag")

    def wall(eta: float) -> float:  # what is not lithium passes a side reaction besides
        return butler_volmer(eta) + on_film * PASSIVE_SHARE * I0 / RT_F * eta

    i, _ = held(data, -0.1)
    exact = in_series(-0.1 - i * 10e-6 / 1e4, wall, R)
    print("film", films, R, i, i / exact - 1)
    assert abs(i / exact - 1) < 1e-9


@pytest.mark.parametrize("on", ["host_block", "collector"])
def test_metal_on_a_conducting_film_meets_the_kinetics_of_the_film(on):
    """Silver, gold and carbon on copper plate as the same surface without copper does."""
    found = {}
    for surface in ("Cu", "Ag", "Au", "carbon"):
        for film in ([], [("Ag", "100 nm")]) if surface in ("Cu", "Ag") else ([],):
            data = coated(*film, on=on, kinetics=[kinetics("counter", I0)])
            if on == "collector":
                data["geometry"] = {"family": "planar", "length": "50 um", "size": "5 um",
                                    "size_width": "5 um"}
                del data["regions"]
                data["collector"] = {"material": surface}
            else:
                data["regions"] = {"host_block": {"material": surface, "sigma": "1e4 S/m"}}
            found[surface, bool(film)], cell = held(data, -0.1)
            assert cell.stock.by_region()[on]["current"] / cell.area < -1.0
    print("on silver", found)
    assert found["Cu", True] == pytest.approx(found["Ag", False], rel=1e-12)
    assert found["Ag", True] == pytest.approx(found["Ag", False], rel=1e-12)
    assert abs(found["Cu", False] / found["Ag", False] - 1) > 1e-2


def test_the_film_of_a_primary_cell_is_a_resistance():
    """No kinetics: i = V/(L/kappa + thickness/kappa_film); no kinetic data are asked for."""
    data = coated(("film", "500 nm"), study="primary", kinetics=[])
    data["regions"] = {"host_block": {"material": "steel"}}
    i, _ = held(data, -0.1)
    exact = -0.1 / (FREE / KAPPA + 5e-7 / 1e-5 + 10e-6 / 1e4)
    print("primary", i, i / exact - 1)
    assert abs(i / exact - 1) < 3e-6  # each electrode drops 1e-6 of the electrolyte


def refused(data: dict) -> str:
    """Message of the refusal, by the check of the case or once its mesh is read."""
    with pytest.raises(CaseError) as caught:
        checked = Case.from_dict(data)
        build(checked, Domain.read(mesh_folder(checked, MPI.COMM_WORLD)))
    return str(caught.value)


@pytest.mark.parametrize(("films", "more", "message"), [
    ([("Al2O3", "10 nm")], {}, "'Al2O3' passes neither electrons nor ions (sigma = 0 and kappa"),
    ([("Ag", "10 nm")], {"blocks_electrons": True}, "(blocks_electrons = true and kappa = 0)"),
    ([("film", "10 nm"), ("Ag", "10 nm")], {}, "of 'film' under 'Ag' the inner stops the electron"),
    ([("Ag", "10 nm")], {"blocks_ions": False}, "kappa of 'Ag' is 0"),
    ([("film", "10 nm")], {"blocks_electrons": False}, "sigma of 'film' is 0"),
])
def test_a_film_that_stops_everything_is_refused(films, more, message):
    data = coated(*films)
    data["coatings"][0] |= more
    text = refused(data)
    print(text)
    assert message in text and "coatings." in text


def test_a_wall_may_be_dead_if_the_case_says_so():
    """With blocks_ions = true nothing plates on the block, and with no other surface, at all."""
    data = coated(("Al2O3", "10 nm"))
    data["coatings"][0]["blocks_ions"] = True
    assert "nothing reacts" in refused(data)


def test_a_film_on_an_insulator_has_no_electrons():
    data = coated(("Ag", "10 nm"))
    data["regions"]["host_block"] = {"material": "glass"}
    assert "coatings.0.on: 'host_block': no electron conductor" in refused(data)


# -- properties of place -----------------------------------------------------------------------


def test_conductivities_of_place_in_all_studies():
    """kappa = k/(1 + y/h) and sigma = s/(1 + y/h): the resistances are known integrals."""
    kappa = {"expression": "k/(1 + (y - 1e-5)/h)", "unit": "S/m", "k": "1 S/m", "h": "50 um"}
    sigma = {"expression": "s/(1 + y/h)", "unit": "S/m", "s": "0.4 S/m", "h": "10 um"}
    R = FREE * 1.5 / KAPPA + 10e-6 * 1.5 / 0.4
    layers = [{"region": "host_block", "thickness": "10 um", "cells": 20},
              {"region": "electrolyte", "thickness": "50 um", "cells": 100}]
    for study in ("primary", "secondary", "tertiary"):
        data = stack("steel", study=study)
        data["geometry"] = data["geometry"] | {"layers": layers}
        data["regions"] = {"host_block": {"material": "Li", "sigma": sigma},
                           "electrolyte": {"kappa": kappa}}
        scale = 1e4 if study == "primary" else 100.0
        i, _ = held(data, -0.1, scale, dt=1e-4 if study == "tertiary" else 0.0)
        exact = -0.1 / R if study == "primary" else in_series(
            -0.1 - i * (R - FREE / KAPPA), butler_volmer)
        print(study, i, i / exact - 1)
        assert abs(i / exact - 1) < 3e-4  # linear elements see harmonic means to h^2


@pytest.mark.parametrize(("prop", "value", "message"), [
    ("kappa", {"expression": "1 - y/4e-5", "unit": "S/m"}, "kappa: falls to -0.5 S/m on this"),
    ("porosity", {"expression": "y/2e-5", "unit": ""}, "porosity: rises to 3 on this mesh"),
    ("kappa", {"expression": "1/(y - 1e-5)", "unit": "S/m"}, "has no finite value"),
    ("kappa", {"expression": "1 + z", "unit": "S/m"}, "depends on z, which does not exist in 2D"),
])
def test_values_of_place_that_cannot_be_are_refused(prop, value, message):
    text = refused(stack("Li", regions={"host_block": {"material": "Li"},
                                        "electrolyte": {prop: value}}))
    print(text)
    assert message in text and "regions.electrolyte" in text


def test_the_two_ways_agree_on_what_is_plain():
    """A film in [[kinetics]] and one in [[coatings]] are the same resistance."""
    first = stack("Li", coatings=[{"on": "host_block", "material": "film", "thickness": "50 nm"}])
    second = stack("Li")
    second["kinetics"][0]["film_resistance"] = "5e-3 ohm*m^2"
    assert held(first, -0.1)[0] == pytest.approx(held(second, -0.1)[0], rel=1e-12)
