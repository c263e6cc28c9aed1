"""Space charge in a case: its tables, its studies, its books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fem import Case, CaseError
from fem.base.constants import FARADAY
from fem.case.summary import summary
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.study.build import build
from tests.physics.pnp.cells import charged_cell, limiting
from tests.physics.pnp.strips import EPS_R, D, concentration
from tests.verification.cells import IDEAL, RT_F, L, kinetics, mesh_folder

CHARGE = [{"on": "electrolyte", "density": "1 mC/m^2"}]


@pytest.mark.parametrize(("changes", "message"), [
    ({"study": "growth"}, "of the Debye length would have to go with the front"),
    ({"counter": {"kind": "ideal"}}, "take 'metal' (with a large i0), or 'reservoir'"),
    ({"boundaries": {"left": {"c": "1 mol/m^3"}}}, "boundaries.left.c: one of phi_l and c alone"),
    ({"electrolyte_model": {"model": "ions"}, "surface_charge": CHARGE},
     "only [electrolyte_model] model = \"pnp\" resolves"),
    ({"surface_charge": [{"on": "sdies", "density": "1 mC/m^2"}]},
     "surface_charge.0.on: 'sdies': matches no region or boundary of the mesh"),
    ({"surface_charge": CHARGE * 2}, "surface_charge.1.on: 'electrolyte': has a charge already"),
    ({"electrolyte_model": {"model": "pnp", "eps_r": 0.5}}, "electrolyte_model.eps_r"),
    ({"electrolyte_model": {"model": "pnp", "stern": "0 F/m^2"}}, "electrolyte_model.stern"),
    ({"materials": {"ideal": {"kind": "electrolyte", "c0": "1 mol/L", "D": "1e-9 m^2/s",
                              "t_plus": 0.5, "kappa": {"law": "nernst_einstein"}}}},
     "is above the Debye length, 0.304 nm: no layer would be seen"),
])  # fmt: skip
def test_what_a_case_cannot_ask(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CaseError) as error:
        Case.from_dict(charged_cell(**changes))
    assert message in str(error.value)


@pytest.mark.parametrize("changes", [
    {"surface_charge": [{"on": "sides", "density": "1 mC/m^2"}]},
    {"geometry": charged_cell()["geometry"] | {"size_collector": "2 um", "size_counter": "2 um",
                                               "width": "4 um", "size_width": "0.1 um"}},
])  # fmt: skip
def test_what_a_case_may_ask(changes: dict[str, Any]) -> None:
    """Charge on a boundary of the mesh; layers at its sides only, fine across."""
    Case.from_dict(charged_cell(**changes))


def test_a_check_says_both_lengths() -> None:
    texts = summary(Case.from_dict(charged_cell()))
    assert "pnp: Debye length 1 um at the start; cells at charged walls and electrodes of " in texts
    assert "(smallest here: 0.2 um)" in texts


def test_a_steady_cell(tmp_path: Path) -> None:
    """Half of the limiting current: the design's voltage, and all books closed."""
    result = Case.from_dict(charged_cell()).run(tmp_path / "r")
    off = -result.summary["voltage"] / RT_F / 2.17429 - 1
    print(f"case, .5 J*: {off:+.1e}, {result.summary['closures']}")
    assert abs(off) < 2e-3
    assert max(result.summary["closures"].values()) < 1e-9
    assert {"balance", "ions", "gauss"} <= result.summary["closures"].keys()


THIN = {"family": "planar", "growth": 1.2}


def test_a_small_steady_cell(tmp_path: Path) -> None:
    """Electrodes exchange 170 times its current, a million contents a step: to their last bits."""
    salt = IDEAL | {"c0": "1 mol/m^3", "D": f"{D!r} m^2/s", "t_plus": 0.5}
    plate = {"step": "plate", "current_density": f"{0.3 * limiting(1.0) * L / 2e-7!r} A/m^2"}
    result = Case.from_dict(charged_cell(
        materials={"ideal": salt}, time={}, protocol=[plate], output={"figures": False},
        electrolyte_model={"model": "pnp", "eps_r": EPS_R, "stern": "0.2 F/m^2"},
        geometry=THIN | {"length": "0.2 um", "width": "20 nm", "size": "20 nm",
                         "size_width": "20 nm", "size_collector": "1.9 nm",
                         "size_counter": "1.9 nm"},
        kinetics=[kinetics(n, 1e5, c_ref="1 mol/m^3") for n in ("collector", "counter")],
    )).run(tmp_path / "r")  # fmt: skip
    closures = result.summary["closures"]
    print(f"steady, 0.2 um, default dt0: {result.summary['newton']} Newton, {closures}")
    assert max(closures.values()) < 1e-9


#: Layers of two electrodes that hardly react, which a held voltage only charges; walls of a slit
#: at rest, whose layers meet (found by a review).
STILL: dict[str, dict[str, Any]] = {
    "hold": {
        "geometry": THIN | {"length": "2 um", "width": "50 nm", "size": "50 nm",
                            "size_width": "50 nm", "size_collector": "1 nm",
                            "size_counter": "1 nm"},
        "kinetics": [kinetics(n, 1e-9, c_ref="1 mol/m^3") for n in ("collector", "counter")],
        "protocol": [{"step": "hold", "voltage": "-0.2 V", "duration": "30 ns"}],
    },
    "rest": {
        "geometry": THIN | {"length": "0.2 um", "width": "0.1 um", "size": "10 nm",
                            "size_width": "1.9 nm", "size_collector": "1.9 nm",
                            "size_counter": "1.9 nm"},
        "surface_charge": [{"on": "sides", "density": "-0.1 C/m^2"}],
        "kinetics": [kinetics(n, 100, c_ref="1 mol/m^3") for n in ("collector", "counter")],
        "protocol": [{"step": "rest", "duration": "3 us"}],
    },
}


@pytest.mark.parametrize("kind", STILL)
def test_layers_without_a_current(tmp_path: Path, kind: str) -> None:
    """Round-off of charge in layers is no error of a current that is next to nothing."""
    salt = IDEAL | {"c0": "1 mol/m^3", "D": f"{D!r} m^2/s", "t_plus": 0.5}
    result = Case.from_dict(charged_cell(**{
        "study": "tertiary", "materials": {"ideal": salt}, "output": {"figures": False},
        "electrolyte_model": {"model": "pnp", "eps_r": EPS_R, "stern": "0.2 F/m^2"},
        "time": {"dt0": "10 ns" if kind == "hold" else "1 us", "dt_min": "1e-10 s",
                 "tolerance": 1e-4},
    } | STILL[kind])).run(tmp_path / "r")
    closures = result.summary["closures"]
    print(f"{kind}, layers only: {result.summary['newton']} Newton, {closures}")
    assert max(closures.values()) < 1e-9


def test_the_first_rest_beside_fixed_charge(tmp_path: Path) -> None:
    """The charge that is there at the start is known to its last bits; else it seems to flow."""
    salt = IDEAL | {"c0": "1 mol/m^3", "D": f"{D!r} m^2/s", "t_plus": 0.5}
    halves = [{"name": n, "thickness": "2 um", "region": region}
              for n, region in (("a", "electrolyte_held"), ("b", "electrolyte"))]
    thin = dict.fromkeys(("size_collector", "size_counter", "size_interface"), "1.9 nm")
    result = Case.from_dict(charged_cell(
        study="tertiary", materials={"ideal": salt}, output={"figures": False},
        electrolyte_model={"model": "pnp", "eps_r": EPS_R},
        fixed_charge=[{"region": "electrolyte_held", "density": "-5e4 C/m^3"}],
        geometry=THIN | thin | {"layers": halves} | dict.fromkeys(
            ("width", "size", "size_width"), "0.2 um"),
        protocol=[{"step": "rest", "duration": "30 us"}], time={"dt0": "1 us", "dt_min": "1e-10 s"},
    )).run(tmp_path / "r")  # fmt: skip
    print("first rest beside fixed charge", result.summary["closures"])
    assert max(result.summary["closures"].values()) < 1e-9


@pytest.mark.parametrize("kind", ["closed", "plated"])
def test_ions_that_pair(tmp_path: Path, kind: str) -> None:
    """Li + A <-> LiA: closed electrodes to mass action's balance; books and voltage while plating.

    Of c Li, c A and 1.1 - c pairs: kf c^2 = kb (1.1 - c).
    """
    forward, backward, c0, pairs = 1000.0, 500.0, 1.0, 0.1
    ions = [
        {"name": name, "z": z, "D": "1e-9 m^2/s", "c0": f"{c} mol/m^3", "plates": name == "Li"}
        for name, z, c in (("Li", 1, c0), ("A", -1, c0), ("LiA", 0, pairs))
    ]
    closed = kind == "closed"
    step = {"step": "rest", "duration": "30 ms"}
    plate = {"step": "plate", "current_density": f"{0.3 * limiting(c0) * L / 2e-7!r} A/m^2"}
    i0 = 1e-9 if closed else 1e5
    changes: dict[str, Any] = {
        "study": "tertiary", "ion": ions, "output": {"figures": False},
        "reaction": [{"equation": "Li + A <-> LiA", "forward": f"{forward} m^3/mol/s",
                      "backward": f"{backward} 1/s"}],
        "electrolyte_model": {"model": "pnp", "eps_r": EPS_R, "stern": "0.2 F/m^2"},
        "geometry": THIN | {"length": "0.2 um", "width": "20 nm", "size": "20 nm",
                            "size_width": "20 nm", "size_collector": "1.9 nm",
                            "size_counter": "1.9 nm"},
        "kinetics": [kinetics(n, i0, c_ref="1 mol/m^3") for n in ("collector", "counter")],
        "time": {"dt0": "0.1 ms" if closed else "1 us", "dt_min": "1e-9 s"},
        "protocol": [step if closed else plate | {"duration": "0.1 ms"}],
    }
    result = Case.from_dict(charged_cell(**changes)).run(tmp_path / "r")
    closures, c = result.summary["closures"], result.series["c_max"][-1]
    half = 0.5 * backward / forward
    balance = (half**2 + 2 * half * (c0 + pairs)) ** 0.5 - half
    gap = max(abs(v) for v in result.series["V_gap"])
    print(f"pairs, {kind}: c {c:.6f} of {balance:.6f}, gap {gap:.1e} V, {closures}")
    assert max(closures.values()) < 1e-9
    assert abs(c / balance - 1) < 1e-4 if closed else gap < 1e-6


C0 = concentration(1e-2)
MODEL = charged_cell()["electrolyte_model"]


def open_cell(**changes: Any) -> dict[str, Any]:
    """The strip with a bath for a counter electrode, from the charging of its layer on."""
    plate = {"step": "plate", "current_density": f"{0.3 * limiting(C0)!r} A/m^2"}
    return charged_cell(**{
        "study": "tertiary", "counter": {"kind": "reservoir"},
        "protocol": [plate | {"duration": "0.1 s"}], "output": {"figures": False},
        "kinetics": [kinetics("collector", 1e3 * limiting(C0), c_ref=f"{C0!r} mol/m^3")],
        "time": {"dt0": "1 us", "dt_min": "1e-10 s", "tolerance": 1e-2},
    } | changes)  # fmt: skip


#: Two baths at the sides, three cells apart, and liquid from one to the other.
SIDES = {
    "boundaries": {"sides": {"bath": True}},
    "geometry": charged_cell(largest=0.1)["geometry"] | {"width": "3 um", "size_width": "1 um"},
    "electrolyte_model": MODEL | {"velocity": ["1 um/s", "0 m/s"]},
}


@pytest.mark.parametrize("changes", [
    SIDES, {"fixed_charge": [{"region": "electrolyte", "density": f"{-0.5 * FARADAY * C0} C/m^3"}]},
], ids=["flow", "charge"])  # fmt: skip
def test_a_bath_closes(changes: dict[str, Any], tmp_path: Path) -> None:
    """Ions and displacement through a bath, with liquid that flows out of it or fixed charge."""
    closures = Case.from_dict(open_cell(**changes)).run(tmp_path / "r").summary["closures"]
    print("bath", closures)
    assert max(closures.values()) < 1e-9


@pytest.mark.parametrize(("flow", "message"), [
    ({"expression": "1e-6*y/1e-4", "unit": "m/s"}, "is not free of divergence"),
    ("1 um/s", "goes through 'collector' with 1e-06 m/s"),
])  # fmt: skip
def test_a_flow_that_makes_liquid_or_goes_through_an_electrode(
    flow: Any, message: str, tmp_path: Path
) -> None:
    given = open_cell(electrolyte_model=MODEL | {"velocity": ["0 m/s", flow]})
    with pytest.raises(CaseError, match=message):
        Case.from_dict(given).run(tmp_path / "r")


@pytest.mark.parametrize(("charge", "said"), [(-100.0, True), (-0.01, False)])
def test_cells_at_the_ends_of_fixed_charge(charge: float, said: bool) -> None:
    """Its ions have a Debye length of their own, lambda (1 + (rho/2Fc)^2)^(-1/4)."""
    halves = {
        "family": "planar", "width": "2 um", "size": "2 um", "size_width": "2 um", "growth": 1.2,
        "size_collector": "0.2 um", "size_counter": "0.2 um", "size_interface": "0.2 um",
        "layers": [{"name": n, "thickness": "50 um", "region": region}
                   for n, region in (("a", "electrolyte_held"), ("b", "electrolyte"))],
    }  # fmt: skip
    fixed = [{"region": "electrolyte_held", "density": f"{charge * FARADAY * C0!r} C/m^3"}]
    given = Case.from_dict(charged_cell(geometry=halves, fixed_charge=fixed))
    model = build(given, Domain.read(mesh_folder(given, MPI.COMM_WORLD)))
    texts = [text for o in model.observers for _, text in o.remarks(closely=False)]
    assert any("cells at the ends of region 'electrolyte_held'" in t for t in texts) == said, texts
    ions = model.system["ions"]
    length = ions.debye * (1 + (charge / 2) ** 2) ** -0.25
    assert ions.debye_of("electrolyte_held") == pytest.approx(length, rel=1e-9)


@pytest.mark.parametrize(("density", "said"), [(-0.1, True), (-1e-6, False)])
def test_cells_at_a_strongly_charged_wall(density: float, said: bool) -> None:
    """Ions at it are seen too few where cells are above half of Gouy and Chapman's length."""
    charge = [{"on": "sides", "density": f"{density} C/m^2"}]
    across = charged_cell()["geometry"] | {"width": "1 um", "size_width": "0.2 um"}
    given = Case.from_dict(charged_cell(surface_charge=charge, geometry=across))
    model = build(given, Domain.read(mesh_folder(given, MPI.COMM_WORLD)))
    texts = [text for o in model.observers for _, text in o.remarks(closely=False)]
    assert any("the depth of the layer of -0.1 C/m^2" in text for text in texts) == said, texts


def test_cells_at_a_strongly_charged_electrode(tmp_path: Path) -> None:
    """Held away from rest it has a layer that is thinner than cells of a fifth of lambda."""
    hold = {"step": "hold", "voltage": "-0.4 V", "duration": "100 ms"}
    slow = [kinetics("collector", 1e-6 * limiting(C0), c_ref=f"{C0!r} mol/m^3")]
    given = open_cell(protocol=[hold], kinetics=slow, time={"dt0": "1 ms", "dt_min": "1e-10 s"})
    texts = Case.from_dict(given).run(tmp_path / "r").summary["warnings"]
    assert any("pnp: cells at 'collector' measure up to" in text for text in texts), texts
