"""Layers and films in series, flux through walls, floating conductors, fixed charge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.constants import EPSILON_0
from tests.physics.maps.drawn import body, case, driven, nested

KAPPA = 2.0  # S/m
OWN = {
    "ideal": {"kind": "electrolyte", "c0": "1 mol/L", "D": "3e-10 m^2/s", "t_plus": 0.4,
              "kappa": f"{KAPPA} S/m", "eps_r": 20},
    "poor": {"kind": "solid", "sigma": "0.5 S/m"},
    "glass": {"kind": "solid", "sigma": "0 S/m", "kappa": "0 S/m", "eps_r": 5},
    "skin": {"kind": "solid", "sigma": "0 S/m", "kappa": "1e-3 S/m", "eps_r": 4},
    "tight": {"kind": "solid", "sigma": "0 S/m"},
}  # fmt: skip


def slabs(table: dict[str, Any], block: str, film: str | None = None, **changes: Any) -> Any:
    """10 um of a block on the collector under 10 um of electrolyte; a film of 1 um on the block."""
    coatings = [{"on": "host_block", "material": film, "thickness": "1 um"}] if film else []
    return case(None, table, **{
        "electrolyte": "ideal", "materials": OWN, "regions": {"host_block": {"material": block}},
        "coatings": coatings, "geometry": {
            "family": "planar", "size": "1 um", "width": "4 um", "layers": [
                {"name": "block", "thickness": "10 um", "region": "host_block"},
                {"name": "free", "thickness": "10 um", "region": "electrolyte"},
            ]},
    } | changes)  # fmt: skip


@pytest.mark.parametrize("kind", ["direct", "iterative"])
@pytest.mark.parametrize("film", [None, "skin"])
def test_slabs_in_series(tmp_path: Path, film: str | None, kind: str) -> None:
    """I = V A/(L/s + L/kappa + d/kappa_film + R), with the skin 1/40 of what is estimated."""
    table = driven(kind="conduction")
    table["boundaries"]["counter"] = {"phi": "1 V", "resistance": "3e-6 ohm*m^2"}
    said = slabs(table, "poor", film, solver={"kind": kind}).run(tmp_path / "r").summary
    resistance = 10e-6 / 0.5 + 10e-6 / KAPPA + 3e-6 + (1e-6 / 1e-3 if film else 0.0)
    current = 4e-6 / resistance
    assert said["flux"]["counter"] == pytest.approx(current, rel=1e-9)
    assert said["flux"]["collector"] == pytest.approx(-current, rel=1e-9)
    wall = said["wall_flux"]["host_block/electrolyte"]
    assert wall["in"] == pytest.approx(current, rel=1e-9)
    assert wall["out"] == pytest.approx(0.0, abs=1e-10 * current)
    assert said["flux_balance"] < 1e-10


def test_capacitors_in_series(tmp_path: Path) -> None:
    """Q = V A/(L/eps + L/eps_l + d/eps_film + 1/C)."""
    table = driven()
    table["boundaries"]["collector"] = {"phi": "1 V", "capacitance": "1e-4 F/m^2"}
    table["boundaries"]["counter"] = {"phi": "0 V"}
    said = slabs(table, "glass", coatings=[]).run(tmp_path / "r").summary
    inverse = (10e-6 / 5 + 10e-6 / 20) / EPSILON_0 + 1e4
    assert said["flux"]["collector"] == pytest.approx(4e-6 / inverse, rel=1e-9)
    assert said["flux_unit"] == "C/m"


@pytest.mark.parametrize("kind", ["conduction", "electrostatics"])
def test_a_coating_on_the_collector(tmp_path: Path, kind: str) -> None:
    """A film in series with the cell: thickness/kappa_film, or thickness/(eps_0 eps_r)."""
    geometry = {"family": "planar", "size": "1 um", "width": "4 um", "length": "20 um"}
    coatings = [{"on": "collector", "material": "skin", "thickness": "1 um"}]
    said = slabs(driven(kind=kind), "glass", geometry=geometry, regions={},
                 coatings=coatings).run(tmp_path / "r").summary
    inverse = 20e-6 / KAPPA + 1e-6 / 1e-3
    if kind == "electrostatics":
        inverse = (20e-6 / 20 + 1e-6 / 4) / EPSILON_0
    assert said["flux"]["counter"] == pytest.approx(4e-6 / inverse, rel=1e-9)


def test_a_coated_collector_under_a_host(tmp_path: Path) -> None:
    """Its film lies where it touches electrolyte only: none under a slab that covers it."""
    coatings = [{"on": "collector", "material": "skin", "thickness": "1 um"}]
    said = slabs(driven(kind="conduction"), "poor", coatings=coatings).run(tmp_path / "r").summary
    known = 4e-6 / (10e-6 / 0.5 + 10e-6 / KAPPA)
    assert said["flux"]["counter"] == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize(("blocks", "conducts"), [
    ({}, 1e-2), ({"blocks_electrons": True}, 1e-3), ({"blocks_ions": True}, 1e-2),
    ({"blocks_electrons": True, "blocks_ions": True}, 0.0),
])  # fmt: skip
@pytest.mark.parametrize("on", ["collector", "host_block"])
def test_what_a_film_blocks(
    tmp_path: Path, on: str, blocks: dict[str, bool], conducts: float
) -> None:
    """A film of sigma 0.01 and kappa 0.001 S/m passes by what its coating lets through."""
    own = OWN | {"both": {"kind": "solid", "sigma": "1e-2 S/m", "kappa": "1e-3 S/m"}}
    changes: dict[str, Any] = {"materials": own, "coatings": [
        {"on": on, "material": "both", "thickness": "1 um", **blocks}]}
    resistance = 10e-6 / 0.5 + 10e-6 / KAPPA
    if on == "collector":
        resistance = 20e-6 / KAPPA
        changes |= {"regions": {}, "geometry": {
            "family": "planar", "size": "1 um", "width": "4 um", "length": "20 um"}}
    said = slabs(driven(kind="conduction"), "poor", **changes).run(tmp_path / "r").summary
    known = 4e-6 / (resistance + 1e-6 / conducts) if conducts else 0.0
    assert said["flux"]["counter"] == pytest.approx(known, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kind", ["conduction", "electrostatics"])
def test_a_separator_in_series(tmp_path: Path, kind: str) -> None:
    """Kappa porosity/tortuosity, and eps_r of the film beside that of what fills it."""
    geometry = {"family": "planar", "size": "1 um", "width": "4 um", "layers": [
        {"name": "free", "thickness": "10 um", "region": "electrolyte"},
        {"name": "film", "thickness": "10 um", "region": "separator"},
    ]}  # fmt: skip
    said = slabs(driven(kind=kind), "glass", geometry=geometry,
                 regions={"separator": {"material": "polyolefin"}}).run(tmp_path / "r").summary
    if kind == "conduction":
        free, film = KAPPA, KAPPA * 0.45 / 2.5
    else:
        free, film = 20 * EPSILON_0, (20 * 0.45 / 2.5 + 0.55 * 2.3) * EPSILON_0
    known = 4e-6 / (10e-6 / free + 10e-6 / film)
    assert said["flux"]["counter"] == pytest.approx(known, rel=1e-9)


def test_a_film_that_passes_nothing(tmp_path: Path) -> None:
    """No current, and both sides at the potential of their electrode."""
    coating = [{"on": "host_block", "material": "tight", "thickness": "1 um",
                "blocks_ions": True}]
    said = slabs(driven(kind="conduction"), "poor", coatings=coating).run(tmp_path / "r").summary
    assert abs(said["flux"]["counter"]) < 1e-12  # A/m; 0.16 without the film
    assert said["E_max"] < 1e-3  # V/m


@pytest.mark.parametrize(("kind", "other"), [("conduction", "ideal"), ("electrostatics", "glass")])
def test_a_coated_metal_around_a_metal(tmp_path: Path, kind: str, other: str) -> None:
    """Fluxes add up, and what is inside a conductor does not matter."""
    coatings = [{"on": "host_shell", "material": "skin", "thickness": "1 um"}]
    found = []
    for core in ("Cu", other):
        regions = {"host_shell": {"material": "Cu"}, "core": {"material": core}}
        given = case(nested(tmp_path, core=True), driven(kind=kind), regions=regions,
                     electrolyte="ideal", materials=OWN, coatings=coatings)
        said = given.run(tmp_path / core).summary
        assert said["flux_balance"] < 1e-10
        found.append(said["flux"]["counter"])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_a_coated_metal_that_joins_what_is_driven(tmp_path: Path) -> None:
    """A coated slab of metal between two others carries their current: contacts drop nothing."""
    layers = [{"name": n, "thickness": "10 um", "region": f"host_{n}"} for n in "abc"]
    layers.append({"name": "free", "thickness": "10 um", "region": "electrolyte"})
    table = driven(kind="conduction", regions={"host_c": {"phi": "1 V"}})
    said = slabs(table, "poor", materials=OWN | {"good": {"kind": "solid", "sigma": "1e4 S/m"}},
                 geometry={"family": "planar", "size": "1 um", "width": "4 um", "layers": layers},
                 regions={f"host_{n}": {"material": "good"} for n in "abc"},
                 coatings=[{"on": "host_b", "material": "skin", "thickness": "1 um"}],
                 ).run(tmp_path / "r").summary
    assert said["flux"]["host_c"] == pytest.approx(4e-6 * 1e4 / 20e-6, rel=1e-5)


def test_fixed_charge(tmp_path: Path) -> None:
    """Between plates at 0 V a slab of rho bends phi by rho L^2/(8 eps), and Gauss holds."""
    probe = [{"name": "middle", "field": "phi", "point": ["2 um", "10 um"]}]
    table = driven(regions={"*": {"eps_r": 20, "rho": "100 C/m^3"}})
    table["boundaries"]["counter"] = {"phi": "0 V"}
    said = slabs(table, "glass", probe=probe).run(tmp_path / "r").summary
    bend = 100.0 * (20e-6) ** 2 / (8 * 20 * EPSILON_0)
    assert said["probes"]["middle"] == pytest.approx(bend, rel=2e-3)
    assert sum(said["flux"].values()) == pytest.approx(-100.0 * 4e-6 * 20e-6, rel=1e-9)
    assert said["flux_balance"] < 1e-10


@pytest.mark.parametrize("kind", ["electrostatics", "conduction"])
def test_a_conductor_that_floats(tmp_path: Path, kind: str) -> None:
    """A copper cylinder in a uniform field: no net flux, 2 a s E through each half of it."""
    given = case(
        body(tmp_path, fine=0.04), driven(kind=kind), electrolyte="ideal", materials=OWN,
        regions={"host_body": {"material": "Cu"}},
    )  # fmt: skip
    said = given.run(tmp_path / "r").summary
    wall = said["wall_flux"]["host_body/electrolyte"]
    s = KAPPA if kind == "conduction" else 20 * EPSILON_0
    known = 2 * s * (1.0 / 60e-6) * 1e-6  # half of the cylinder: its flux is 2 E s cos(theta)
    assert wall["in"] == pytest.approx(known, rel=1e-2)
    assert wall["in"] - wall["out"] == pytest.approx(0.0, abs=1e-9 * known)
    assert said["map_media"]["host_body"]["capped"]
    assert said["flux_balance"] < 1e-10


def test_a_held_body(tmp_path: Path) -> None:
    """A disk at 1 V in the middle of a box at 0 V: the field is largest on it, and fluxes close."""
    ends = {"collector": {"phi": "0 V"}, "counter": {"phi": "0 V"}}
    table = driven(boundaries=ends, regions={"host_body": {"phi": "1 V"}}, tip="host_body",
                   far="counter")
    given = case(body(tmp_path, fine=0.04), table, electrolyte="ideal", materials=OWN,
                 regions={"host_body": {"material": "Cu"}})
    said = given.run(tmp_path / "r").summary
    charge = said["flux"]["host_body"]
    assert charge == pytest.approx(-2 * said["flux"]["counter"], rel=1e-2)
    at_surface = charge / (np.pi * 1e-6) / (20 * EPSILON_0)
    far = abs(said["flux"]["counter"]) / 30e-6 / (20 * EPSILON_0)
    assert said["enhancement"] == pytest.approx(at_surface / far, rel=3e-2)
    assert said["flux_balance"] < 1e-10
