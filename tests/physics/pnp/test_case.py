"""Space charge in a case: its tables, its studies, its books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fem import Case, CaseError
from fem.case.summary import summary
from tests.physics.pnp.cells import charged_cell
from tests.verification.cells import RT_F

CHARGE = [{"on": "electrolyte", "density": "1 mC/m^2"}]


@pytest.mark.parametrize(("changes", "message"), [
    ({"study": "growth"}, "of the Debye length would have to go with the front"),
    ({"counter": {"kind": "ideal"}}, "take 'metal' (with a large i0), or 'reservoir'"),
    ({"boundaries": {"left": {"c": "1 mol/m^3"}}}, "boundaries.left.c: one of phi_l and c alone"),
    ({"electrolyte_model": {"model": "ions"}, "surface_charge": CHARGE},
     "only [electrolyte_model] model = \"pnp\" resolves"),
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


def test_a_check_says_both_lengths() -> None:
    told = summary(Case.from_dict(charged_cell()))
    assert "pnp: Debye length 1 um at the start; cells at charged walls and electrodes of " in told
    assert "(smallest here: 200 nm)" in told


def test_a_steady_cell(tmp_path: Path) -> None:
    """Half of the limiting current: the design's voltage, and all books closed."""
    result = Case.from_dict(charged_cell()).run(tmp_path / "r")
    off = -result.summary["voltage"] / RT_F / 2.17429 - 1
    print(f"case, .5 J*: {off:+.1e}, {result.summary['closures']}")
    assert abs(off) < 2e-3
    assert max(result.summary["closures"].values()) < 1e-9
    assert {"balance", "ions", "gauss"} <= result.summary["closures"].keys()
