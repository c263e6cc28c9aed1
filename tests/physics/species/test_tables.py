"""Tables of ions: what is refused, with place, value and way out, and what follows from data."""

from __future__ import annotations

from typing import Any

import pytest

from fem import Case, CaseError
from fem.case.species import species
from fem.case.turnover import rate, terms
from tests.physics.species.solutions import IONS, ion, two
from tests.verification.cells import C0, IDEAL, case

LI, A = two()
PUMPED = {"expression": "0.04*y", "unit": "m/s"}
WIDE = {"interface_width": "4 um"}


@pytest.mark.parametrize(("changes", "message"), [
    ({"ion": [LI, A | {"c0": "900 mol/m^3"}]}, r"\+100 mol/m\^3 are left of Li \+1000, A -900; "
     r"c0 = 1000 mol/m\^3 of 'A'"),
    ({"ion": [LI, {"name": "B", "z": -1, "c0": "1 mol/L"}]}, r"ion\.1\.D: missing; the diffusivity "
     "of 'B' in 'ideal'"),
    ({"ion": [LI | {"plates": False}, A]}, "none does; give plates = true"),
    ({"ion": [LI | {"z": 2}, A]}, r"ion\.0\.z: 2: the ion of Li has the charge 1"),
    ({"ion": [LI, A, A]}, r"ion\.2\.name: 'A': is there twice"),
    ({"ion": [LI]}, "none is negative"),
    ({"electrolyte_model": {"model": "ions", "eps_r": 20}}, "eps_r: an electroneutral model"),
    ({"electrolyte_model": None, "ion": [LI, A]}, "ion: needs"),
    ({"ion": [LI, A], "reaction": [{"equation": "Li + A <-> B", "forward": "1 m^3/mol/s"}]},
     "'B': is no"),
    ({"ion": [LI, A, ion("B", 1, 1e-9)], "reaction": [
        {"equation": "Li + A <-> B", "forward": "1 m^3/mol/s"}]}, r"makes charge: \+0 before, \+1"),
    ({"ion": [LI, A, ion("B", 0, 1e-9)], "reaction": [
        {"equation": "Li + A <-> B", "forward": "1 1/s"}]}, "reaction.0.forward: '1 1/s' is not"),
    ({"ion": [LI, A], "reaction": [{"equation": "Li + A", "forward": "1 1/s"}]}, "write it as"),
    ({"regions": {"electrolyte": {"t_plus": 0.5}}}, r"t_plus: is that of a salt"),
    ({"regions": {"electrolyte": {"kappa": "1 S/m"}}},
     r"regions\.electrolyte\.kappa: is not used where ions move each by itself"),
    ({"regions": {"electro*": {"kappa": "1 S/m"}}, "electrolyte_model": {"model": "pnp"}},
     r"regions\.electrolyte\.kappa: is not used where ions move each by itself"),
    ({"ion": [LI | {"adsorption": {"on": "collector", "sites": "1e-6 mol/m^2", "K": "1 m^3/mol"}},
              A]}, r"ion\.0\.adsorption: 'Li': is the ion that goes along"),
    ({"fixed_charge": [{"region": "electrolyte", "density": "-1 C/m^3", "walls": False}]},
     r"fixed_charge\.0\.walls: false: walls see the ions"),
    ({"materials": {"ideal": IDEAL | {"t_plus": 1.2, "kappa": "1 S/m"}}}, "between 0 and 1"),
    ({"ion": [LI, A, ion("B", 0, 0.0)]}, r"ion\.2\.c0: 0 mol/m\^3: .* a trace of it, as 0\.001"),
    ({"ion": [LI, A | {"name": "lagged"}]},
     r"ion\.1\.name: 'lagged': c_lagged stands for something"),
    ({"study": "growth", "growth": WIDE, "ion": [LI, A | {"adsorption": {
        "on": "collector", "sites": "1e-6 mol/m^2", "K": "1 m^3/mol"}}]},
     r"ion\.1\.adsorption: metal that grows covers the walls"),
    ({"study": "growth", "growth": WIDE,
      "fixed_charge": [{"region": "electrolyte", "density": "-1 C/m^3"}]},
     r"fixed_charge\.0: 'electrolyte': liquid that growing metal displaces"),
    ({"study": "steady", "ion": [LI, A | {"release": {"on": "counter", "c_sat": "1 mol/L",
      "k": "1e-6 m/s", "amount": "1 mol/m^2"}}]}, r"ion\.1\.release: 'A': changes its content"),
    ({"ion": [LI | {"consumption": {"on": "collector", "flux": "1e-9 mol/m^2/s"}}, A]},
     r"ion\.0\.consumption: 'Li': is the ion that goes along"),
    ({"ion": [LI, A], "reaction": [{"equation": "Li <-> Li", "forward": "1 1/s"}]},
     "'Li <-> Li': changes nothing"),
    ({"ion": [LI, A, ion("B", 0, 1e-9)], "reaction": [
        {"equation": "Li + A <-> B", "forward": "0"}]}, "reaction.0: forward and backward are 0"),
    ({"fixed_charge": [{"region": "electrolyte", "density": "-1e12 C/m^3"}]},
     r"fixed_charge\.0\.density: .* above 1e\+?05 mol/m\^3"),
    ({"ion": [LI, A | {"Ea": "17 kJ/mol"}]}, r"ion\.1\.Ea: D is that of the case's temperature"),
    ({"heat": {}, "electrolyte_model": {"model": "ions", "velocity": ["0 m/s", "0 m/s"]}},
     r"electrolyte_model\.velocity: liquid that flows carries heat"),
    ({"electrolyte_model": {"model": "ions", "velocity": ["0 m/s", PUMPED]}},
     r"not free of divergence: 0\.04 1/s at .* mean slope is 0\.04 1/s"),
    ({"electrolyte_model": {"model": "pnp", "velocity": ["0 m/s", "1 um/s"]}},
     r"goes through 'collector' with 1e-06 m/s"),
    ({"electrolyte_model": {"model": "ions", "velocity": ["0 m/s"] * 3}}, "3 components on a mesh"),
    ({"electrolyte_model": {"model": "ions", "velocity": ["1 um/s", "0 m/s"]},
      "fixed_charge": [{"region": "electrolyte", "density": "-1e6 C/m^3"}]},
     r"fixed_charge.0: liquid that passes it carries a current"),
    ({"heat": {}, "electrolyte_model": {"model": "pnp"}}, "heat: space charge is solved at one"),
])  # fmt: skip
def test_refused(changes: dict[str, Any], message: str) -> None:
    data = {k: v for k, v in case(**IONS | changes).items() if v is not None}
    with pytest.raises(CaseError, match=message):
        Case.from_dict(data)


@pytest.mark.parametrize(("axisymmetric", "velocity"), [
    (False, ["a*x*y*(h - y)*(h - 2*y)", "-a*y^2*(h - y)^2/2"]),
    (True, ["-a*x*y*(2*h - 3*y)", "2*a*y^2*(h - y)"]),
    (False, ["a*h^3*where(y < h/3, 1, 2)", None]),
    (False, ["a*h^3", None]),
])  # fmt: skip
def test_flows_along_electrodes_are_no_problem(
    axisymmetric: bool, velocity: list[str | None]
) -> None:
    """Polynomials and jumps across the flow, without a divergence."""
    numbers = {"unit": "m/s", "a": 1e9, "h": "100 um"}
    given = ["0 m/s" if text is None else {"expression": text} | numbers for text in velocity]
    model = {"model": "ions", "velocity": given}
    shape = {"family": "planar", "length": "100 um", "size": "10 um", "axisymmetric": axisymmetric}
    Case.from_dict(case(**IONS | {"electrolyte_model": model, "geometry": shape}))


def test_one_wrong_number_is_said_once() -> None:
    """A wrong entry blames neither reactions nor tables that go with it."""
    reaction = [{"equation": "Li + A <-> B", "forward": "1 m^3/mol/s"}]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"ion": [LI, A | {"c0": "-1 mol/L"}, ion("B", 0, 1e-9)], "reaction": reaction}, "ion.1"),
        ({"ion": [LI, A | {"c0": "-1 mol/L"}], "probe": [
            {"name": "a", "field": "c_A", "surface": "collector"}]}, "ion.1"),
        ({"ion": [LI, A], "electrolyte_model": {"model": "ions", "velocity": ["1 A", "0 m/s"]}},
         "electrolyte_model.velocity.0"),
    ]  # fmt: skip
    for changes, place in wrong:
        with pytest.raises(CaseError) as error:
            Case.from_dict(case(**IONS | changes))
        assert str(error.value).count("\n") == 0 and place in str(error.value), error.value


def test_ions_of_a_salt_follow_from_its_data() -> None:
    """D_i that give the salt's D and t_plus back, whatever the charges."""
    for z, minus in ((1, -1), (2, -1), (2, -2)):
        salt = IDEAL | {"z": z, "z_minus": minus, "t_plus": 0.3}
        data = case(materials={"ideal": salt}, metal="Li" if z == 1 else "Mg", **IONS)
        data["kinetics"] = [entry | {"alpha_a": z / 2, "alpha_c": z / 2}
                            for entry in data["kinetics"]]  # fmt: skip
        metal, anion = species(vars(Case.from_dict(data)))
        moved = z * metal.D - minus * anion.D
        assert metal.z * metal.D / moved == pytest.approx(0.3, rel=1e-12)
        assert (z - minus) * metal.D * anion.D / moved == pytest.approx(3e-10, rel=1e-12)
        assert metal.z * metal.c0 + anion.z * anion.c0 == 0.0 and metal.c0 >= C0


def test_a_diffusivity_of_the_library_says_where_it_comes_from() -> None:
    data = case(metal="Zn", electrolyte="ZnSO4_aq", **IONS, ion=[
        ion("Zn", 2, 2000.0, plates=True), ion("SO4", -2, 2100.0),
        {"name": "Na", "z": 1, "c0": "0.2 mol/L"},
    ], kinetics=[{"surface": "*", "i0": "10 A/m^2", "alpha_a": 1.0, "alpha_c": 1.0}])  # fmt: skip
    sodium = species(vars(Case.from_dict(data)))[2]
    assert (sodium.D, sodium.status) == (1.334e-9, "cited")
    assert "infinite dilution" in sodium.source


def test_equations_and_rate_constants() -> None:
    assert terms("2 A + B <-> C") == ({"A": 2, "B": 1}, {"C": 1})
    assert rate("1 L/mol/s", 2) == pytest.approx(1e-3)
    assert rate("0", 3) == 0.0
    with pytest.raises(ValueError, match="below 0"):
        rate("-1 1/s", 1)
