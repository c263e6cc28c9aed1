"""Charged regions in a case: equilibrium, salt, walls, studies, ranks, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case, CaseError
from fem.base.constants import FARADAY
from fem.base.errors import RunError
from fem.mesh.domain import Domain
from fem.physics.charged.channel import Channel, write
from fem.run.session import run
from fem.study.build import build
from fem.theory import donnan_potential
from tests.physics.charged.hosts import ALIKE, charged
from tests.verification.cells import (
    C0,
    IDEAL,
    MPI,
    RT_F,
    Cell,
    L,
    case,
    kinetics,
    mesh_folder,
)

#: A charged separator between two layers of neutral electrolyte.
LAYERS = {
    "family": "planar", "width": "10 um", "size": "2 um", "size_width": "10 um", "layers": [
        {"name": "below", "thickness": "40 um", "region": "electrolyte"},
        {"name": "film", "thickness": "20 um", "region": "separator"},
        {"name": "above", "thickness": "40 um", "region": "electrolyte"},
    ],
}  # fmt: skip
FILM = {"separator": {"material": "polyolefin"}}
PLATE = {"step": "plate", "current_density": "100 A/m^2", "duration": "20 s"}


def layered(entry: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A cell with a separator that holds the charge -0.4 F c0, or what an entry says."""
    data = case(**{"geometry": LAYERS, "regions": FILM, "protocol": [PLATE]} | changes)
    return data | {"fixed_charge": [entry or charged(-0.4, region="separator")]}


def test_at_rest_donnan_holds_exactly(tmp_path: Path) -> None:
    """Nothing flows at the steps of charge; the ions are those of Donnan's potential."""
    cell = Cell(layered())
    cell.rest(0.0, scale=cell.area)
    cell.step(None, 10.0)
    assert np.abs(cell.nodes("c")[1] / C0 - 1).max() < 1e-13
    assert np.abs(cell.nodes("phi_l")[1]).max() < 1e-13
    for observer in cell.model.observers:
        observer.show()
    step = donnan_potential(-0.4 * FARADAY * C0, C0)
    for name, sign in (("c_plus", -1), ("c_minus", 1)):
        ions = cell.s.memories[name].x.array
        assert ions == pytest.approx(C0 * math.exp(sign * step / RT_F), rel=1e-12)


@pytest.mark.parametrize("rho", [-0.5, 0.5])
def test_potential_of_a_charged_cell_between_two_salts(rho: float) -> None:
    """No current, salt from 500 to 1500 mol/m3, equal ions: (RT/F) ln of the metal ions' ratio.

    i_l = 0 asks for grad phi_l = 2 (RT/F)(1 - t_plus) grad ln c, and with equal ions
    2 (1 - t_plus) d ln c = d ln c_plus.
    """
    half = {"expression": "500 + 1000*y/h", "unit": "mol/m^3", "h": "100 um"}
    data = case(initial={"c": half}, materials={"ideal": ALIKE},
                geometry={"family": "planar", "length": "100 um", "size": "0.5 um"})
    cell = Cell(data | {"fixed_charge": [charged(rho)]})
    cell.rest(0.0, scale=cell.area)
    drop = cell.at_height("phi_l", L) - cell.at_height("phi_l", 0.0)
    ions = [math.hypot(c, rho / 2) - rho / 2 for c in (0.5, 1.5)]
    assert drop == pytest.approx(RT_F * math.log(ions[1] / ions[0]), rel=1e-5)


def solved(folder: str, **changes: Any) -> dict[str, float]:
    """Numbers of a layered cell that is plated, left at rest and stripped; on every rank."""
    short = PLATE | {"duration": "5 s"}
    steps = [short, {"step": "rest", "duration": "2 s"}, short | {"step": "strip"}]
    data = layered(protocol=steps, solver={"kind": "direct", "rtol": 1e-12}, **changes)
    result = run(Case.from_dict(data), Path(folder))
    found = {f"closure {k}": v for k, v in result.summary["closures"].items()}
    names = "t", "voltage", "c_min", "c_max", "c_plus_min", "c_minus_min"
    return found | {name: float(result.series[name][-1]) for name in names}


def test_two_ranks_and_the_books(mpirun: Any, tmp_path: Path) -> None:
    """Salt, charge and metal close to 1e-8; two ranks find the same to 1e-9."""
    alone = solved(str(tmp_path / "1"))
    assert max(v for k, v in alone.items() if k.startswith("closure")) < 1e-8
    assert alone["closure salt"] < 1e-11
    both = mpirun(2, "tests.physics.charged.test_media:solved", str(tmp_path / "2"))
    for name in ("t", "voltage", "c_min", "c_max", "c_plus_min", "c_minus_min"):
        assert both[name] == pytest.approx(alone[name], rel=1e-9), name


@pytest.mark.parametrize("walls", [True, False])
def test_what_walls_see(walls: bool) -> None:
    """In a secondary study at c0, i0 goes with the root of c_plus, or of c0."""
    i0, i, rho = 10.0, 100.0, -2.0
    data = case(study="secondary", kinetics=[kinetics(n, i0) for n in ("collector", "counter")])
    cell = Cell(data | {"fixed_charge": [charged(rho, walls=walls)]})
    cell.rest(-i)
    share = math.hypot(1.0, rho / 2) - rho / 2 if walls else 1.0
    eta = cell.voltage - cell.at_height("phi_l", 0.0)
    assert eta == pytest.approx(-2 * RT_F * math.asinh(i / (2 * i0 * math.sqrt(share))), rel=1e-9)


def test_a_channel_of_thin_layers_is_its_mean_charge(tmp_path: Path) -> None:
    """A table of a pore much narrower than the Debye length gives Donnan's numbers.

    The voltage at rest after 20 s of plating; the table stands in the case that is written.
    """
    channel = Channel(0.2e-9, -0.5 * 1e-6 * FARADAY * 1e-4, 78.5)
    write(tmp_path / "pores.csv", channel, np.geomspace(10.0, 4000.0, 40), 3e-10, 0.4)
    found = {}
    entries: dict[str, dict[str, Any]] = {
        "channel": {"region": "separator", "channel": {"table": "pores.csv"}},
        "density": {"region": "separator", "density": f"{channel.density!r} C/m^3"},
    }
    for name, entry in entries.items():
        checked = Case.from_dict(layered(entry), folder=tmp_path)
        again = Case.from_dict(checked.to_dict())
        assert again == checked
        found[name] = run(again, tmp_path / name).summary
    for key in ("voltage", "c_min", "c_plus_min", "c_minus_min"):
        assert found["channel"][key] == pytest.approx(found["density"][key], rel=2e-3), key


def test_a_separator_holds_charge_beside_growing_metal(tmp_path: Path) -> None:
    """Growth: more salt is stored below the film than its pores show; all books close."""
    growing: dict[str, Any] = {
        "study": "growth", "growth": {"interface_width": "2 um"}, "collector": {"material": "Li"},
        "initial": {"metal_layer": "6 um"}, "geometry": LAYERS | {"size": "1 um"},
        "protocol": [PLATE | {"duration": "10 s"}], "kinetics": [kinetics("*", 10.0)],
    }  # fmt: skip
    found = run(Case.from_dict(layered(**growing)), tmp_path / "r").summary
    assert max(found["closures"].values()) < 1e-8
    assert found["c_plus_min"] > 400.0
    apart = charged(-2.0, region="separator", anions="1 mol/L")
    growing["time"] = {"dt0": "1 ms", "dt_min": "1e-4 s"}
    with pytest.raises(RunError, match=r"1732 mol/m\^3 in .separator. and 1000 mol/m\^3 beside"):
        run(Case.from_dict(layered(apart, **growing)), tmp_path / "apart")


def refused(data: dict[str, Any], folder: Path | None = None) -> str:
    """Message of the refusal of a case."""
    with pytest.raises(CaseError) as error:
        checked = Case.from_dict(data, folder=folder)
        build(checked, Domain.read(mesh_folder(checked, MPI.COMM_WORLD)))
    return str(error.value)


BELOW = charged(-0.1)
ROUGH = "c [mol/m^3],g_plus,g_minus\n" + "".join(
    f"{10 * 2**k},{4 - k / 2 + k % 2 / 4},{0.25 + k / 20}\n" for k in range(7)
)
MEASURED = {"kind": "electrolyte", "c0": "1 mol/L", "kappa": "1 S/m", "t_plus": 0.4,
            "D": {"expression": "1e-10*(1 + c/1000)", "unit": "m^2/s"}}


@pytest.mark.parametrize(("entry", "changes", "said"), [
    (BELOW | {"region": "elektrolyte"}, {}, "did you mean 'electrolyte'"),
    ({"region": "electrolyte"}, {}, "fixed_charge.0: needs density or channel; got neither"),
    (BELOW | {"density": "0 C/m^3"}, {}, "fixed_charge.0.density: 0 C/m^3: is no charge"),
    (BELOW | {"density": "-5e6 C/m^2"}, {}, "fixed_charge.0.density"),
    (BELOW, {"materials": {"ideal": MEASURED}}, "D of 'ideal' depends on c"),
    (BELOW, {"materials": {"ideal": IDEAL | {"thermodynamic_factor": 1.5}}},
     "the thermodynamic factor of 'ideal' is not 1"),
    (BELOW, {"materials": {"ideal": IDEAL | {"t_plus": 1.2, "kappa": "1 S/m"}}}, "t_plus = 1.2"),
    (BELOW, {"regions": {"electrolyte": {"kappa": "1 S/m"}}}, "leave regions.electrolyte.kappa"),
    (BELOW, {"materials": {"ideal": IDEAL | {"z_minus": -2}}}, "ions of charge 1 and -2"),
    (charged(0.5, anions="0.4 mol/L"), {}, "holds 500 mol/m^3 of them, so no metal ion is left"),
    (BELOW | {"anions": "1 mol/L"}, {"study": "secondary"}, "give initial.c"),
    (BELOW | {"anions": "1 mol/L"},
     {"initial": {"c": {"expression": "500 + 0*y", "unit": "mol/m^3"}}}, "leave one out"),
])  # fmt: skip
def test_what_an_entry_cannot_say(entry: Any, changes: dict[str, Any], said: str) -> None:
    assert said in refused(case(**changes) | {"fixed_charge": [entry]})


@pytest.mark.parametrize(("changes", "said"), [
    ({"materials": {"ideal": MEASURED}}, "D of 'ideal' depends on c"),
    ({"electrolyte": "LiPF6_EC_EMC_3_7"}, "D of 'LiPF6_EC_EMC_3_7' depends on c, t_plus of "
     "'LiPF6_EC_EMC_3_7' depends on c, the thermodynamic factor of 'LiPF6_EC_EMC_3_7' is not 1, "
     r"but .*give a user-defined \[materials.X\] with .* as the case nanochannel_separator does"),
    ({"regions": {"elec*": {"t_plus": 1.3}}}, "t_plus = 1.3"),
    ({"electrolyte": "LiPF6_PC_EC_DMC", "regions": {"electrolyte": {"D": "3e-10 m^2/s"}}},
     "the thermodynamic factor of 'LiPF6_PC_EC_DMC' is not 1"),
])  # fmt: skip
def test_what_is_known_before_there_is_a_mesh(changes: dict[str, Any], said: str) -> None:
    """Let `hostplate check` say what it can; an electrolyte that is ideal passes."""
    with pytest.raises(CaseError, match=f"fixed_charge.0.region: 'electrolyte': {said}"):
        Case.from_dict(case(**changes) | {"fixed_charge": [BELOW]})
    Case.from_dict(case(electrolyte="LiTFSI_DOL_DME") | {"fixed_charge": [BELOW]})


def test_regions_that_hold_no_charge() -> None:
    """A solid, a region twice, and pores that metal fills."""
    block = LAYERS | {"layers": [
        {"name": "block", "thickness": "10 um", "region": "host_bottom"},
        {"name": "free", "thickness": "20 um", "region": "electrolyte"}]}  # fmt: skip
    data = case(geometry=block, regions={"host_bottom": {"material": "Cu"}}, kinetics=[
        kinetics(n) for n in ("*", "counter")])
    said = refused(data | {"fixed_charge": [BELOW | {"region": "host_bottom"}]})
    assert "fixed_charge.0.region: 'host_bottom': 'Cu' dissolves no ions" in said
    assert "fixed_charge.1.region: 'electrolyte': has a charge already" in refused(
        data | {"fixed_charge": [BELOW, BELOW]}
    )
    growing = data | {"study": "growth", "growth": {"interface_width": "4 um"}, "kinetics": [
        kinetics(n, 1.0) for n in ("*", "counter", "metal")]}  # fmt: skip
    assert "metal grows there" in refused(growing | {"fixed_charge": [BELOW]})


@pytest.mark.parametrize(("text", "said"), [
    ("c [mol/m^3],g_plus,g_minus\n10,4,.25\n5,6,.2\n", "row 2, 5 mol/m^3, follows 10; sort"),
    ("c [mol/m^3],g_plus,g_minus\n10,4,.25\n20,1,.4\n", "g_plus: c g_plus must rise"),
    ("c [mol/m^3],g_plus\n10,4\n20,3\n", "does not name g_minus"),
    ("c [V],g_plus,g_minus\n10,4,.25\n20,3,.3\n", "column 'c'"),
    ("c [mol/m^3],g_plus,g_minus\n10,4\n", "row 2: 2 values for 3 columns"),
    ("c [mol/m^3],g_plus,g_minus\n10,4,x\n", "'x' is not a number"),
    ("c [mol/m^3],g_plus,g_minus,D [m^2/s]\n10,4,.25,9e-10\n20,3,.3,9e-10\n", "make the table"),
    (ROUGH, "no smooth curve"),
    (None, "does not exist"),
])  # fmt: skip
def test_tables_that_cannot_be_used(text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "pores.csv").write_text(text)
    entry = {"region": "electrolyte", "channel": {"table": "pores.csv"}}
    found = refused(case() | {"fixed_charge": [entry]}, tmp_path)
    assert said in found and "fixed_charge.0" in found
