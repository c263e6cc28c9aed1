from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import ufl
from hypothesis import given
from hypothesis import strategies as st

from fem import Case, CaseError
from fem.case.files import to_toml
from fem.values.curves import Curve, TableError, as_profile, read_table

from .base import changed

GOOD = "# measured at 25 degC\nc [mol/L],kappa [mS/cm]\n0.5,8\n1,10\n\n2,6\n"


def _read(tmp_path: Path, text: str) -> Curve:
    path = tmp_path / "kappa.csv"
    path.write_text(text, encoding="utf-8")
    return read_table(path, "c", "mol/m^3", "S/m")


def test_units_are_converted(tmp_path: Path) -> None:
    curve = _read(tmp_path, GOOD)
    assert curve.x == (500.0, 1000.0, 2000.0)
    assert curve.y == (0.8, 1.0, 0.6)
    assert curve(1500.0) == pytest.approx(0.8)
    assert np.allclose(curve(np.array([500.0, 750.0, 2000.0])), [0.8, 0.9, 0.6])


@pytest.mark.parametrize("text", [
    "c (mol/L),kappa (mS/cm)\n0.5,8\n1,10\n2,6\n",
    "c [mol/L];kappa [mS/cm]\n0,5;8,0\n1;10,0\n2,0;6\n",
    "c [mol/L]\tkappa [mS/cm]\n0.5\t8\n1\t10\n2\t6\n",
])  # fmt: skip
def test_tables_as_other_programs_write_them(tmp_path: Path, text: str) -> None:
    """Units in parentheses; semicolons or tabs, between which commas are decimal ones."""
    assert _read(tmp_path, text) == _read(tmp_path, GOOD)


REFUSED = [
    ("", "is empty"),
    ("0.5,8\n1,10\n", "first line must name two columns"),
    ("c,kappa [S/m]\n1,2\n2,3\n", "column 'c': the unit is missing"),
    ("c [s],kappa [S/m]\n1,2\n2,3\n", "column 'c': 's' is another kind of quantity"),
    ("T [K],kappa [S/m]\n1,2\n2,3\n", "first column is 'T', not 'c'"),
    ("c [mol/L],kappa [S/m]\n1,2\n", "at least two points"),
    ("c [mol/L],kappa [S/m]\n1,2\n1,3\n", "must increase"),
    ("c [mol/L],kappa [S/m]\n2,2\n1,3\n", "must increase"),
    ("c [mol/L],kappa [S/m]\n1,2\n2,x\n", "line 3: '2,x' is not two numbers"),
    ("c [mol/L],kappa [S/m]\n1,2\n2,3,4\n", "line 3: expected two columns"),
    ("c [mol/L],kappa [S/m]\n1,2\n2,nan\n", "not finite"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_refusals_name_file_and_row(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(TableError) as caught:
        _read(tmp_path, text)
    assert reason in str(caught.value)
    assert "kappa.csv" in str(caught.value)


def test_a_table_of_a_material_is_named_not_written_out(tmp_path: Path) -> None:
    """Tables of materials are kept in the case; messages name the file, or the keys."""
    case = {"schema": 1, "metal": "Li", "electrolyte": "mine",
            "geometry": {"family": "planar", "length": "60 um"},
            "materials": {"mine": {"kind": "electrolyte", "c0": "1 mol/L", "t_plus": 0.35,
                                   "D": "2e-10 m^2/s",
                                   "kappa": {"table": "kappa.csv", "of": "c"}}},
            "protocol": [{"step": "rest", "duration": "1 s"}]}
    for text, reason in (
        ("c (mol/L);kappa (mS/cm)\n1,0;9,5\n0,5;7\n",
         "table 'kappa.csv': c must increase from row to row, but point 2 (0.5) follows 1"),
        ("c (mol/L);kappa (mV)\n0,5;9,5\n1,0;7\n",
         "{ along, at, values }: values: '9.5 mV' is not a quantity in S/m"),
    ):
        (tmp_path / "kappa.csv").write_text(text)
        (tmp_path / "case.toml").write_text(to_toml(case))
        with pytest.raises(CaseError, match=re.escape(f"materials.mine.kappa: {reason}")):
            Case.load(tmp_path / "case.toml")


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    _read(tmp_path, GOOD)
    with pytest.raises(TableError, match=r"did you mean 'kappa\.csv'"):
        read_table(tmp_path / "kapa.csv", "c", "mol/m^3", "S/m")


def test_no_silent_extrapolation(tmp_path: Path) -> None:
    curve = _read(tmp_path, GOOD)
    for outside in (499.0, 2001.0, np.array([1000.0, 3000.0])):
        with pytest.raises(TableError, match=r"outside the table, which covers 500 to 2000"):
            curve(outside)
    with pytest.raises(TableError, match="c = 100"):
        curve.require(100.0, 900.0)
    curve.require(500.0 * (1 - 1e-13), 2000.0)  # rounding of a coordinate is no extrapolation


def test_the_same_as_a_profile(tmp_path: Path) -> None:
    _read(tmp_path, GOOD)
    assert as_profile(tmp_path / "kappa.csv", "c") == {
        "along": "c",
        "at": ["0.5 mol/L", "1.0 mol/L", "2.0 mol/L"],
        "values": ["8.0 mS/cm", "10.0 mS/cm", "6.0 mS/cm"],
    }


increasing = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8, unique=True).map(sorted)


@given(increasing, st.data())
def test_forms_and_numbers_agree(points: list[float], data: st.DataObject) -> None:
    if np.diff(points).min() < 1e-3:
        return
    values = data.draw(st.lists(st.floats(-10, 10), min_size=len(points), max_size=len(points)))
    x = data.draw(st.floats(points[0], points[-1]))
    curve = Curve(tuple(points), tuple(values))
    assert curve(ufl.as_ufl(x))(()) == pytest.approx(curve(x), rel=1e-6, abs=1e-6)


def test_forms_keep_the_end_values() -> None:
    curve = Curve((0.0, 1.0, 2.0), (1.0, 3.0, 2.0))
    assert curve(ufl.as_ufl(-5.0))(()) == pytest.approx(1.0)
    assert curve(ufl.as_ufl(9.0))(()) == pytest.approx(2.0)


def test_a_table_that_is_not_there_is_the_only_problem(tmp_path: Path) -> None:
    """The message begins with its key, and the material that lacks it is no unknown one."""
    salt = {"kind": "electrolyte", "c0": "1 mol/L", "D": "3e-10 m^2/s", "t_plus": 0.3,
            "kappa": {"table": "kapa.csv", "of": "c"}}
    given = changed({"materials": {"mine": salt}, "electrolyte": "mine"})
    with pytest.raises(CaseError) as caught:
        Case.from_dict(given, folder=tmp_path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("materials.mine.kappa: table ") and "kapa.csv' does not exist" in line
