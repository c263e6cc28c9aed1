"""A map in a case: what its table cannot say, what is not known, what the run leaves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from fem import Case, CaseError
from fem.base.errors import Interrupted
from fem.case.summary import summary
from fem.run.session import resume
from fem.run.signals import StopRequest
from tests.physics.maps.drawn import case, driven, nested

SLABS: dict[str, Any] = {
    "geometry": {"family": "planar", "size": "2 um", "width": "4 um", "layers": [
        {"name": "block", "thickness": "10 um", "region": "host_block"},
        {"name": "free", "thickness": "10 um", "region": "electrolyte"},
    ]},
    "regions": {"host_block": {"material": "SiO2"}},
}  # fmt: skip
ENDS = driven()["boundaries"]
PLATE = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 s"}


@pytest.mark.parametrize(("table", "changes", "said"), [
    (None, {}, "map: missing; study = 'map' needs [map]"),
    (driven(boundaries={}), {}, "map.boundaries: nothing is driven; give two boundaries"),
    (driven(boundaries={"collector": {"phi": "0 V"}}), {}, "map.boundaries.collector.phi: 0 V: all "
     "that is driven is at one potential"),
    (driven(boundaries={"collector": {"phi": "1 V"}, "counter": {"phi": "1 V"}}), {},
     "map.boundaries.collector.phi, map.boundaries.counter.phi: 1 V: all that is driven"),
    (driven(boundaries={"colector": {"phi": "1 V"}, "counter": {"phi": "0 V"}}), {},
     "did you mean 'collector'"),
    (driven(regions={"host_blok": {"eps_r": 3}}), {}, "did you mean 'host_block'"),
    (driven(kind="conduction", regions={"*": {"eps_r": 3}}), {}, "map.regions.*.eps_r: is of "
     "electrostatics"),
    (driven(kind="conduction", regions={"*": {"rho": "1 C/m^3"}}), {}, "map.regions.*.rho"),
    (driven(regions={"*": {"conductivity": "1 S/m"}}), {}, "map.regions.*.conductivity: is of "
     "conduction"),
    (driven(boundaries=ENDS | {"collector": {"phi": "0 V", "resistance": "1 ohm*m^2"}}), {},
     "map.boundaries.collector.resistance: is of conduction; give capacitance"),
    (driven(regions={"host_block": {"phi": "1 V", "rho": "1 C/m^3"}}), {}, "keep one of phi and"),
    (driven(regions={"*": {"eps_r": 0}}), {}, "map.regions.*.eps_r: 0 is out of range"),
    (driven(tip="host_block"), {}, "map.tip: 'host_block': is not driven"),
    (driven(far="collector"), {}, "map.far: 'collector': only compared with a tip"),
    (driven(kind="magnetics"), {}, "map.kind: 'magnetics': must be 'electrostatics' or"),
    (driven(), {"study": "secondary", "protocol": [PLATE]}, "map: only for study = 'map'"),
    (driven(), {"study": "secondary"}, "protocol: missing"),
    (driven(), {"study": "mapp"}, "study: 'mapp': must be 'primary'"),
])  # fmt: skip
def test_what_a_table_cannot_say(
    table: dict[str, Any] | None, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(CaseError) as error:
        case(None, table, **SLABS | changes)  # type: ignore[arg-type]
    assert said in str(error.value)


@pytest.mark.parametrize(("table", "material", "said"), [
    (driven(), "Nix", "eps_r of 'Nix' is not known; give [map.regions.host_block] eps_r"),
    (driven(regions={"host_block": {"rho": "1 C/m^3"}}), "Cu", "map.regions.host_block.rho: "
     "'host_block' is a conductor (Cu conducts electrons)"),
    (driven(regions={"host_block": {"phi": "1 V"}}), "SiO2", "'host_block' is no conductor (SiO2)"),
    (driven(regions={"host_block": {"phi": "1 V"}}), "Cu", "map: 'host_block' at 1 V and "
     "'collector' at 0 V touch each other"),
    (driven(kind="conduction"), "SiO2", "map.boundaries.collector: touches no region"),
    (driven(regions={"host_block": {"eps_r": {"expression": "y/h - 0.2", "unit": "",
     "h": "10 um"}}}), "SiO2", "map, region 'host_block': falls to"),
])  # fmt: skip
def test_what_the_mesh_cannot_carry(
    tmp_path: Path, table: dict[str, Any], material: str, said: str
) -> None:
    changes = SLABS | {"regions": {"host_block": {"material": material}},
                       "materials": {"Nix": {"kind": "solid", "sigma": "0 S/m"}}}
    with pytest.raises(CaseError) as error:
        case(None, table, **changes).run(tmp_path / "r")
    assert said in str(error.value)
    assert not (tmp_path / "r").exists()


def test_entries_of_a_cell_are_not_used(tmp_path: Path) -> None:
    """And are named; a result can be drawn, resumed and read like any other."""
    given = case(None, driven(), **SLABS, protocol=[PLATE], counter={"kind": "ideal"},
                 output={"figures": True})
    assert "map study is one solve without a cell: protocol, counter not used" in summary(given)
    result = given.run(tmp_path / "r")
    assert {f.name for f in (tmp_path / "r" / "figures").iterdir()} == {
        "map_field.png", "map_potential.png"}
    before = (tmp_path / "r" / "series.csv").read_text()
    assert resume(tmp_path / "r").series["E_mean"] == result.series["E_mean"]
    assert (tmp_path / "r" / "series.csv").read_text() == before
    assert Case.load(tmp_path / "r" / "case.toml").to_dict() == given.recorded().to_dict()
    with pytest.raises(CaseError, match="makes another problem of it"):
        resume(tmp_path / "r", overrides=["map.boundaries.collector.phi=0.5 V"])


def test_the_report_says_what_a_map_leaves_out(tmp_path: Path) -> None:
    """No kinetics, Wa = kappa RT/(F i0 L) of the copper beside it, and the Debye length."""
    changes = SLABS | {"regions": {"host_block": {"material": "Cu"}},
                       "kinetics": [{"surface": "host_block", "i0": "10 A/m^2"}]}
    said = case(None, driven(), **changes).run(tmp_path / "r").summary
    texts = " ".join(said["warnings"])
    assert "no kinetics, no salt and no time" in texts
    assert "ions screen fields beyond the Debye length, 0.15 nm" in texts
    kappa = 0.9487  # Nyman's law at 1 mol/L, S/m
    assert said["wagner"]["host_block"]["Wa"] == pytest.approx(kappa * 0.025693 / 10 / 10e-6,
                                                               rel=1e-3)


HOST: dict[str, Any] = {"geometry": SLABS["geometry"] | {"layers": [
    {"name": "block", "thickness": "20 um", "region": "host_block"},
    {"name": "free", "thickness": "10 um", "region": "electrolyte"},
]}}  # fmt: skip


def test_permittivities_are_asked_for_by_check(tmp_path: Path) -> None:
    """On a mesh file, before it is read; a region's own eps_r or a conductor needs none."""
    own = {"Nix": {"kind": "solid", "sigma": "0 S/m"}}
    absent = tmp_path / "absent.msh"
    absent.touch()
    changes: dict[str, Any] = {"materials": own, "regions": {"host_a": {"material": "Nix"}}}
    with pytest.raises(CaseError, match=r"eps_r of 'Nix' is not known; give \[map.regions.host_a"):
        case(absent, driven(), **changes)
    case(absent, driven(regions={"host_*": {"eps_r": 3}}), **changes)
    case(absent, driven(kind="conduction"), **changes)
    case(absent, driven(), **changes | {"regions": {"host_a": {"material": "Nix",
                                                               "sigma": "1 S/m"}}})


def test_a_tip_that_a_pattern_drives(tmp_path: Path) -> None:
    """Copper held by a pattern is a tip by its name: uniform field over it, so 1."""
    table = driven(tip="host_block", far="counter", regions={"host_*": {"phi": "0 V"}})
    said = case(None, table, **SLABS | {"regions": {"host_block": {"material": "Cu"}}}).run(
        tmp_path / "r").summary
    assert said["enhancement"] == pytest.approx(1.0, rel=1e-9)
    table = driven(tip="host_b", far="counter", regions={"host_*": {"phi": "0 V"}})
    with pytest.raises(CaseError, match="'host_b': is not driven; name one"):
        case(None, table, **SLABS | {"regions": {"host_block": {"material": "Cu"}}}).run(
            tmp_path / "s")


def test_averaged_pores_are_measured(tmp_path: Path) -> None:
    """Half the pores at tortuosity 2: four times the field of the electrolyte above, everywhere."""
    block = {"material": "LiPF6_EC_EMC_3_7", "porosity": 0.5, "tortuosity": 2.0}
    said = case(None, driven(kind="conduction"), **HOST, regions={"host_block": block}).run(
        tmp_path / "r").summary
    above = 1.0 / (10e-6 + 4 * 20e-6)
    for key in ("E_mean", "E_mean_top", "E_mean_bottom"):
        assert said[key] == pytest.approx(4 * above, rel=1e-9)
    assert said["shielding"] == pytest.approx(4.0, rel=1e-9)


def test_a_host_without_pores_has_no_shielding(tmp_path: Path) -> None:
    """Al2O3: what is measured is the electrolyte above it, and a remark says so."""
    said = case(None, driven(), **HOST, regions={"host_block": {"material": "Al2O3"}}).run(
        tmp_path / "r").summary
    assert all(said[k] is None or math.isnan(said[k]) for k in ("shielding", "E_mean_top"))
    assert said["E_mean"] > 0.0
    assert any("the host has no pores" in text for text in said["map_says"])


@pytest.mark.parametrize(("kind", "shell"), [("conduction", "Al2O3"), ("electrostatics", "Cu")])
def test_pores_that_are_closed_off_are_named(tmp_path: Path, kind: str, shell: str) -> None:
    """A pocket of 4 um2 in an insulator, or in a conductor, among 28 um2 of pores in the host.

    Cells are sorted by their middles, hence not 14.3 % to the last digit.
    """
    given = case(nested(tmp_path, core=False), driven(kind=kind),
                 regions={"host_shell": {"material": shell}})
    texts = given.run(tmp_path / "r").summary["map_says"]
    shares = [float(t.split()[0]) for t in texts if "% of the measured volume" in t]
    assert shares == pytest.approx([100 * 4 / 28], rel=0.05)


@pytest.mark.parametrize("surface", ["collector", "host_block", "host_block/electrolyte"])
def test_probes_of_a_map(tmp_path: Path, surface: str) -> None:
    """Means over boundaries and walls; two dielectrics in series."""
    probe = [{"name": "at", "field": "phi", "surface": surface},
             {"name": "in", "field": "phi", "volume": "host_block"}]
    said = case(None, driven(), **SLABS, probe=probe).run(tmp_path / "r").summary["probes"]
    wall = (1 / 3.9) / (1 / 3.9 + 1 / 20)  # SiO2 under the electrolyte
    assert said["at"] == pytest.approx(0.0 if surface == "collector" else wall, rel=1e-6)
    assert said["in"] == pytest.approx(wall / 2, rel=1e-6)
    with pytest.raises(CaseError, match="unknown name 'c'; allowed: "):
        case(None, driven(), **SLABS, probe=[{**probe[0], "field": "c"}])


def test_a_run_that_was_stopped_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal during the solve ends the run; its folder is then resumed to the whole result."""
    given = case(None, driven(), **SLABS)
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="does the solve again"):
        patch.setattr(StopRequest, "agreed", lambda self: 15)
        given.run(tmp_path / "r")
    assert not (tmp_path / "r" / "summary.json").exists()
    whole = given.run(tmp_path / "whole").summary
    assert resume(tmp_path / "r").summary["flux"] == whole["flux"]
