"""Metal, salts and transfer coefficients that do not belong together are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.case.summary import notes
from fem.materials import Electrolyte, electrolyte, material, metal, names, pair

MINE: dict[str, Any] = {
    "kind": "electrolyte", "c0": "1 mol/L", "kappa": "1 S/m", "D": "3e-10 m^2/s", "t_plus": 0.4,
}


def data(plated: str, name: str = "mine", **changes: Any) -> dict[str, Any]:
    """A planar cell; `mine` is a user-defined electrolyte that says nothing of its salt."""
    return {
        "schema": 1, "title": "test", "metal": plated, "electrolyte": name,
        "materials": {"mine": MINE},
        "geometry": {"family": "planar", "length": "100 um", "size": "10 um"},
        "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 min"}],
    } | changes  # fmt: skip


def own(**changes: Any) -> dict[str, Any]:
    return {"materials": {"mine": MINE | changes}}


def kinetics(alpha_a: float | None, alpha_c: float | None = None, surface: str = "collector",
             **more: Any) -> dict[str, Any]:
    given = {"alpha_a": alpha_a, "alpha_c": alpha_c}
    return {"surface": surface, **{k: v for k, v in given.items() if v is not None}, **more}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        # the metal's own electrolytes are named
        (data("Na", "LiPF6_EC_EMC_3_7"),
         "electrolyte: 'LiPF6_EC_EMC_3_7': is a salt of Li (z = 1); Na (z = 1) cannot be plated "
         "from it; take NaPF6_diglyme, NaPF6_EC_PC, mine, or give a user-defined [materials.X]"),
        (data("Zn", "LiTFSI_DOL_DME"), "Zn (z = 2) cannot be plated from it; take ZnSO4_aq,"),
        (data("Li", "ZnSO4_aq"), "is a salt of Zn (z = 2); Li (z = 1) cannot be plated from it"),
        (data("Mg", "ZnSO4_aq"), "take MgTFSI2_diglyme,"),  # the same charge is not enough
        (data("K", "mine", **own(cation="Na")), "electrolyte: 'mine': is a salt of Na"),
        # an electrolyte of a region, and single-ion conductors
        (data("Na", "NaPF6_EC_PC", regions={"electrolyte": {"material": "LiPF6_PC_EC_DMC"}}),
         "regions.electrolyte.material: 'LiPF6_PC_EC_DMC': is a salt of Li"),
        (data("Na", "NaPF6_EC_PC", regions={"electrolyte": {"material": "Li3N"}}),
         "regions.electrolyte.material: 'Li3N': conducts ions of Li, not of Na"),
        (data("K", "KFSI_DME",
              coatings=[{"on": "collector", "material": "Li2O", "thickness": "10 nm"}]),
         "coatings.0.material: 'Li2O': conducts ions of Li, not of K"),
        # charges
        (data("Zn", **own(z=1)), "materials.mine.z: 1: the ion of Zn has the charge 2"),
        (data("Zn", **own(cation="Zn", z=3)), "materials.mine.z: 3: the ion of Zn has the charge"),
        (data("Zn", **own(z_minus=2)), "materials.mine.z_minus: 2"),
        (data("Zn", **own(cation="Zinc")), "materials.mine.cation: 'Zinc' is not a metal"),
        (data("Zn", materials={"mine": MINE, "other": MINE | {"z_minus": -1}},
              regions={"electrolyte": {"material": "other"}}),
         "regions.electrolyte.material: 'other': its anion has the charge -1, that of 'mine' "
         "(electrolyte) -2"),
        # transfer coefficients
        (data("Zn", kinetics=[kinetics(0.5, 0.5)]),
         "kinetics.0: alpha_a + alpha_c = 0.5 + 0.5 = 1, but an ion of Zn takes z = 2"),
        (data("Li", kinetics=[kinetics(1.0, 1.0)]), "an ion of Li takes z = 1"),
        (data("Zn", kinetics=[kinetics(1.5)]),
         "kinetics.0: alpha_a + alpha_c = 1.5 + 1 = 2.5"),  # the other is the library's
        (data("Mg", kinetics=[kinetics(1.5, surface="*"), kinetics(None, 0.4)]),
         "kinetics.1: alpha_a + alpha_c = 1.5 + 0.4 = 1.9"),
        # t_plus of an ideal salt
        (data("Li", **own(t_plus=-0.4, kappa={"law": "nernst_einstein"})),
         "materials.mine.kappa: the law nernst_einstein is that of an ideal salt"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(case: dict[str, Any], message: str) -> None:
    with pytest.raises(CaseError) as caught:
        Case.from_dict(case)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "case",
    [
        data("Zn", **own(z_minus=-1)),
        data("Zn", **own(z=2)),
        data("Zn", kinetics=[kinetics(1.5, 0.5)]),
        data("Zn", kinetics=[kinetics(1.5, surface="*"), kinetics(None, 0.5, surface="*")]),
        data("Li", kinetics=[kinetics(0.3, 0.7)]),
        data("Li", **own(t_plus=1.2)),
        data("K", "KFSI_DME",
             geometry={"family": "planar", "size": "10 um", "layers": [
                 {"name": "low", "thickness": "20 um", "region": "host_low"},
                 {"name": "free", "thickness": "80 um", "region": "electrolyte"}]},
             regions={"host_low": {"material": "Cu"}},
             coatings=[{"on": "collector", "material": "Li2O", "thickness": "10 nm",
                        "blocks_ions": True}]),
    ],
)  # fmt: skip
def test_what_belongs_together_is_taken(case: dict[str, Any]) -> None:
    Case.from_dict(case)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (own(), []),
        (own(t_plus=0.0), []),
        (own(t_plus=1.3), ["materials.mine.t_plus: 1.3 at c = 1000 mol/m^3: the field brings"]),
        (own(t_plus=-0.4), ["materials.mine.t_plus: -0.4 at c = 1000 mol/m^3: the field takes"]),
        (own(t_plus={"expression": "0.2 + c/1000"}), ["materials.mine.t_plus: 1.2"]),
        (own(t_plus=38), ['if 38 percent are meant, write "38 %"']),
        # 2 F^2 c D/(RT) = 2.253 S/m conduct ideal ions of one speed
        (own(kappa="225 S/m"), []),
        (own(kappa="226 S/m"), ["materials.mine: kappa = 226 S/m is 100 times what ions conduct"]),
        (own(kappa="0.0226 S/m"), []),
        (own(kappa="0.0225 S/m"), ["materials.mine: kappa = 0.0225 S/m is 0.00999 times"]),
        (own(kappa="450 S/m", thermodynamic_factor=0.5), []),
        (own(D="3e-6 m^2/s"), ["with D = 3e-06 m^2/s at c = 1000 mol/m^3 (Nernst-Einstein"]),
        (own(c0="1000 mol/L"), ["at c = 1e+06 mol/m^3"]),
        ({"regions": {"electrolyte": {"D": "3e-14 m^2/s", "t_plus": 2.0}}},
         ["regions.electrolyte.t_plus: 2 ", "electrolyte: kappa = 1 S/m is 4.44e+03 times"]),
        ({"regions": {"electrolyte": {"t_plus": {"expression": "2e6*x"}}}}, []),
        (own(t_plus=1.3) | {"study": "secondary"}, []),
    ],
)  # fmt: skip
def test_transport_numbers_that_may_be_meant_otherwise_are_said(
    changes: dict[str, Any], said: list[str]
) -> None:
    case = data("Li", **({"study": "tertiary"} | changes))
    if case["study"] == "secondary":
        del case["protocol"][0]["duration"]
    found = [n for n in notes(Case.from_dict(case)) if "t_plus" in n or "kappa" in n]
    assert len(found) == len(said), found
    assert all(text in note for text, note in zip(said, found, strict=True)), found


def test_an_own_salt_is_one_of_the_metal_and_check_says_so() -> None:
    case = Case.from_dict(data("Zn", **own(z_minus=-1)))
    found = material("mine", case.materials, cation="Zn")
    assert isinstance(found, Electrolyte)
    assert (found.z, found.z_minus, found.formula.nu_minus) == (2, -1, 2)
    output = [note for note in notes(case) if note.startswith("materials.mine")]
    assert output == [
        "materials.mine: taken as a salt of Zn (z = 2) with an anion of charge -1; cation and "
        "z_minus say otherwise"
    ]
    named = Case.from_dict(data("Zn", **own(cation="Zn", z_minus=-1)))
    assert not [note for note in notes(named) if note.startswith("materials.mine")]


@pytest.mark.parametrize("name", names("metal"))
def test_every_metal_can_be_plated(name: str) -> None:
    """An electrolyte of its own, itself, copper and carbon to plate on; the check says no word."""
    salts = [n for n in names("electrolyte") if electrolyte(n).cation == name]
    assert salts
    for salt in salts:
        assert electrolyte(salt).z == metal(name).z
        host = {"family": "planar", "size": "10 um", "layers": [
            {"name": "bottom", "thickness": "30 um", "region": "host_bottom"},
            {"name": "free", "thickness": "50 um", "region": "electrolyte"},
        ]}  # fmt: skip
        case = data(name, salt, geometry=host, collector={"material": "Cu"},
                    regions={"host_bottom": {"material": "carbon_fibre"}})
        assert not list(notes(Case.from_dict(case)))
    for surface in (name, "Cu", "carbon", "carbon_fibre", "CNT"):
        assert pair(name, surface).has("eta_nuc")
