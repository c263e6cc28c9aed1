from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from fem.base.errors import CaseError
from fem.values.properties import Along, Constant, Formula, Property, PropertyOf

KAPPA = PropertyOf("S/m", ("x", "depth", "c", "T"), gt=0)


class _Model(BaseModel):
    kappa: Annotated[Property, KAPPA]


def _read(given: Any, folder: Path | None = None) -> Property:
    return _Model.model_validate({"kappa": given}, context={"folder": folder}).kappa


def test_a_quantity_is_the_same_everywhere() -> None:
    value = _read("6 kS/cm")
    assert value == Constant(6e5, "S/m")
    assert value.at(c=3.0) == 6e5
    assert value.variables == frozenset()


def test_a_profile_is_linear_between_its_points() -> None:
    value = _read({"along": "depth", "at": ["0 um", "30 um"], "values": ["1 S/m", "20 mS/cm"]})
    assert isinstance(value, Along)
    assert value.at(depth=15e-6, c=0.0) == pytest.approx(1.5)
    assert value.variables == {"depth"}
    with pytest.raises(CaseError, match="outside the table"):
        value.at(depth=31e-6)


def test_an_expression_takes_si_and_its_own_constants() -> None:
    value = _read({"expression": "1 + 3*depth/h", "unit": "mS/cm", "h": "30 um"})
    assert isinstance(value, Formula)
    assert value.at(depth=30e-6) == pytest.approx(0.4)
    assert value.variables == {"depth"}
    assert np.allclose(value.at(depth=np.array([0.0, 15e-6])), [0.1, 0.25])
    with pytest.raises(CaseError, match="depends on depth"):
        value.at(x=1.0)


def test_a_table_is_read_and_written_out(tmp_path: Path) -> None:
    (tmp_path / "kappa.csv").write_text("c [mol/L],kappa [mS/cm]\n0.1,2\n2,10\n")
    value = _read({"table": "kappa.csv", "of": "c"}, tmp_path)
    assert value.at(c=2000.0) == pytest.approx(1.0)
    assert _read(value.written()) == value  # needs no file any more


@pytest.mark.parametrize(("value", "reason"), [
    ("-5 A/m^2", r"-5 A/m\^2 at t = 10 s' is out of range: must be at least 0 A/m\^2"),
    ("0 A/m^2", ""), ("-0.0 A/m^2", ""),
])
def test_a_table_of_a_current_takes_0_and_nothing_below(value: str, reason: str) -> None:
    """A current of one number is above 0: with 0 the step would be a rest."""
    current = PropertyOf("A/m^2", ("t",), gt=0, zero_in_curves=True)
    given = {"along": "t", "at": ["0 s", "10 s"], "values": ["1 A/m^2", value]}
    if reason:
        with pytest.raises(ValueError, match=reason):
            current.read(given, Path())
    else:
        assert current.read(given, Path()).at(t=10.0) == 0.0
    with pytest.raises(ValueError, match=r"must be above 0 A/m\^2"):
        current.read("0 A/m^2", Path())


@pytest.mark.parametrize(
    "given",
    [
        "6 kS/cm",
        {"along": "c", "at": ["0.1 mol/L", "2 mol/L"], "values": ["1 S/m", "3 mS/cm"]},
        {"expression": "a*(c/1000)^2 + T/300", "unit": "S/m", "a": 0.5},
    ],
)
def test_written_values_read_back(given: Any) -> None:
    value = _read(given)
    assert _read(value.written()) == value
    assert _read(value) == value


def test_forms_and_numbers_agree() -> None:
    ufl = pytest.importorskip("ufl")
    cases: list[Any] = [
        {
            "along": "c",
            "at": ["0.1 mol/L", "1 mol/L", "2 mol/L"],
            "values": ["1 S/m", "3 S/m", "2 S/m"],
        },
        {"expression": "where(c < 1000, c/1000, 1)*exp(-T/300)", "unit": "mS/cm"},
    ]
    for given in cases:
        value = _read(given)
        for c in (200.0, 1500.0):
            form: Any = value.at(c=ufl.as_ufl(c), T=ufl.as_ufl(300.0))
            assert form(()) == pytest.approx(value.at(c=c, T=300.0), rel=1e-12)


REFUSED: list[tuple[Any, str]] = [
    (3, "3 is not a quantity in S/m"),
    ("0 S/m", "must be above 0 S/m"),
    ("6 kS/cm^2", "another kind of quantity"),
    ([1, 2], "is not a quantity"),
    ({}, "a table with nothing is not a value"),
    ({"value": 1}, "a table with 'value' is not a value"),
    ({"along": "dpth", "at": [], "values": []}, "did you mean 'depth'"),
    ({"along": ["depth"]}, "is not a variable"),
    ({"along": "depth"}, "at: None is not a list"),
    ({"along": "depth", "at": ["0 m"], "values": ["1 S/m"]}, "at least two points"),
    ({"along": "depth", "at": ["0 m", "1 m"], "values": ["1 S/m"]}, "2 points but 1 values"),
    ({"along": "depth", "at": ["1 m", "0 m"], "values": ["1 S/m", "2 S/m"]}, "must increase"),
    (
        {"along": "depth", "at": [0, 1], "values": ["1 S/m", "2 S/m"]},
        "at: 0 is not a quantity in m",
    ),
    ({"along": "depth", "at": ["0 m", "1 m"], "values": ["1 S/m", "-2 S/m"]}, "must be above 0"),
    ({"along": "depth", "at": [], "values": [], "by": 1}, "unknown name 'by'"),
    ("2 + c/1000", 'or of x, depth, c, T: { expression = "2 + c/1000", unit = "S/m" }'),
    ({"expression": "c", "unit": "m"}, "needs 'S/m'"),
    ({"expression": "c"}, "needs 'S/m'"),
    ({"expression": "c", "unit": 3}, "3 is not a unit"),
    ({"expression": 3, "unit": "S/m"}, "3 is not an expression"),
    ({"expression": "t", "unit": "S/m"}, "unknown name 't'"),
    ({"expression": "1/0", "unit": "S/m"}, "no finite value"),
    ({"expression": "c*c0", "unit": "S/m", "c0": "1 parsnips"}, "constant 'c0'"),
    ({"expression": "c", "unit": "S/m", "c0": 1}, "constant 'c0' is not used"),
    ({"expression": "c", "unit": "S/m", "x": 1}, "name of a function or variable"),
    ({"expression": "c", "unit": "S/m", "a b": 1}, "cannot name a constant"),
    ({"table": "nope.csv", "of": "c"}, "does not exist"),
    ({"table": "nope.csv"}, "of: None is not a variable"),
    ({"table": 3, "of": "c"}, "3 is not a file name"),
]


@pytest.mark.parametrize(("given", "reason"), REFUSED, ids=[reason[:30] for _, reason in REFUSED])
def test_refusals(given: Any, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _read(given)
    assert reason in str(caught.value.errors()[0]["msg"])
