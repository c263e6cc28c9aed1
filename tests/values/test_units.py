from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from fem.values import si, units
from fem.values.curves import read_table
from fem.values.expressions import Expression
from fem.values.units import format_quantity, parse_any, parse_quantity, quantity, unit_of

ROOT = Path(__file__).parents[2]

READINGS = [
    ("1 mA/cm^2", "A/m^2", 10.0),
    ("30 um", "m", 3e-5),
    ("30 µm", "m", 3e-5),
    ("1 mol/L", "mol/m^3", 1000.0),
    ("6 kS/cm", "S/m", 6e5),
    ("25 degC", "K", 298.15),
    ("-20 °C", "K", 253.15),
    ("40 %", "", 0.4),
    (0.4, "", 0.4),
    ("1 mAh/cm^2", "C/m^2", 36000.0),
    ("5 ohm*cm^2", "ohm*m^2", 5e-4),
    ("1 kJ/(mol K)", "J/(mol*K)", 1000.0),
    ("30 deg", "rad", math.radians(30)),
    # powers without a caret, as in most papers
    ("1 mA/cm2", "A/m^2", 10.0),
    ("1 mA cm-2", "A/m^2", 10.0),
    ("1 mA cm\u22122", "A/m^2", 10.0),
    ("1 mA\u00b7cm⁻²", "A/m^2", 10.0),
    ("2 mAh/cm2", "C/m^2", 72000.0),
    ("2 mA h cm-2", "C/m^2", 72000.0),
    ("3 m2/s", "m^2/s", 3.0),
    ("4e\u221210 cm2 s-1", "m^2/s", 4e-14),
    ("5 \u2126 cm2", "ohm*m^2", 5e-4),
    ("5 \u03a9·cm²", "ohm*m^2", 5e-4),
    ("2 1/m2/s", "1/m^2/s", 2.0),
    ("1 mol/dm3", "mol/m^3", 1000.0),
    ("1 mol L-1", "mol/m^3", 1000.0),
    ("50 kJ mol-1", "J/mol", 50e3),
    # minus signs, spaces, micro and degrees of a word processor
    ("\u22120.2 V", "V", -0.2),
    ("\u20130.2 V", "V", -0.2),
    ("1\u00a0mA\u202fcm-2", "A/m^2", 10.0),
    ("30 \u00b5m", "m", 3e-5),
    ("30 \u03bcm", "m", 3e-5),
    ("25°C", "K", 298.15),
    ("25 \u2103", "K", 298.15),
    ("25 \u00baC", "K", 298.15),
    ("30°", "rad", math.radians(30)),
]


@pytest.mark.parametrize(("text", "unit", "value"), READINGS)
def test_quantities_become_si(text: object, unit: str, value: float) -> None:
    assert parse_quantity(text, unit) == pytest.approx(value, rel=1e-14, abs=0.0)


def test_lengths_are_the_nearest_decimal() -> None:
    assert parse_quantity("30 um", "m") == 3e-5  # 30*1e-6 is 2.9999999999999997e-05
    assert parse_quantity("1 mol/L", "mol/m^3") == 1000.0


REFUSED = [
    (30, "is not a quantity in m"),
    ("30", "the unit is missing"),
    ("30 s", "another kind of quantity"),
    ("nan", "not finite"),
    ("nan m", "not finite"),
    ("inf m", "not finite"),
    ("1e999 m", "not finite"),
    ("-1 um", "must be above 0 m"),
    ("30 umm", "'umm' is unknown"),
    ("um", "does not start with a number"),
    (True, "True is not a quantity"),
    (None, "None is not a quantity"),
    ("9**9**9**9 m", "is not a unit"),
    ("1,5 um", "decimals take a point"),
    ("1 m**999999999", "is not a unit"),
    ("1 (m", "is not a unit"),
    ("1 " + "m" * 10000 + "!", "does not start with a number"),
    ("1 __import__('os')", "is not a unit"),
    ("\u221230", "the unit is missing"),
    ("30 2", "is not a unit"),
    ("30 m22", "is not a unit"),
    ("30 m -2", "is not a unit"),
    ("30 m2", "another kind of quantity"),
    ("10-3 m", "is not a unit"),
    ("40 %", "another kind of quantity"),
]


class _Layer(BaseModel):
    thickness: quantity("m", gt=0)  # type: ignore[valid-type]
    gap: quantity("m", ge=0) | None = None  # type: ignore[valid-type]


@pytest.mark.parametrize(("given_value", "reason"), REFUSED)
def test_refusals_name_value_reason_and_example(given_value: object, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Layer.model_validate({"thickness": given_value})
    message = str(caught.value.errors()[0]["msg"])
    assert reason in message
    if "out of range" not in message:
        assert '"20 um"' in message
    assert len(message) < 250


def test_models_hold_plain_floats_and_know_their_unit() -> None:
    layer = _Layer.model_validate({"thickness": "20 um", "gap": "0 m"})
    assert type(layer.thickness) is float
    assert (layer.thickness, layer.gap) == (2e-5, 0.0)
    assert unit_of(_Layer.model_fields["gap"]) == "m"


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["m", "A/m^2", "S/m", "K"])
)
def test_shown_quantities_read_back_exactly(value: float, unit: str) -> None:
    assert parse_quantity(format_quantity(value, unit), unit) == value


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3e-5, "m", "30 um"),
        (10.0, "A/m^2", "1 mA/cm^2"),
        (3600.0, "s", "1 h"),
        (1000.0, "mol/m^3", "1 mol/L"),
        (0.0, "V", "0 V"),
        (298.15, "K", "298.15 K"),
    ],
)
def test_quantities_are_shown_in_the_units_of_the_field(value: float, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


@pytest.mark.parametrize(("value", "unit", "text"), [
    (1108123.0, "s", "307.8 h"), (7.2e6, "s", "2000 h"), (600.0, "s", "10 min"),
    (1000.0 / 3.0, "s", "5.556 min"), (0.5, "s", "500 ms"), (1.23456e-5, "m", "12.35 um"),
    (18000.0, "C/m^2", "0.5 mAh/cm^2"), (-12.3456, "A/m^2", "-1.235 mA/cm^2"), (0.0, "V", "0 V"),
    (0.123456, "", "0.1235"),
])  # fmt: skip
def test_rounded_quantities_keep_the_unit_users_take(value: float, unit: str, text: str) -> None:
    assert units.shown_quantity(value, unit) == text


@pytest.mark.parametrize(
    ("text", "value"), [("30 um", 3e-5), (3, 3.0), ("25 degC", 298.15), ("2", 2)]
)
def test_any_dimension(text: object, value: float) -> None:
    assert parse_any(text) == value


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_value_error(text: str) -> None:
    for read in (parse_any, lambda t: parse_quantity(t, "m")):
        try:
            assert math.isfinite(read(text))
        except ValueError:
            pass


def test_minus_signs_of_a_word_processor_in_expressions_and_tables(tmp_path: Path) -> None:
    formula = Expression.parse("1 \u2212 2\u00b7x", ("x",))
    assert formula.evaluate({"x": 0.25}) == 0.5
    table = tmp_path / "t.csv"
    table.write_text("t [s],phi [mV]\n0,\u2212100\n10,\u2212300\n", encoding="utf-8")
    assert read_table(table, "t", "s", "V")(5.0) == pytest.approx(-0.2, rel=1e-14)


def _written() -> set[str]:
    """Every unit that stands in the library, in a case of the catalogue, or in the code."""
    number = units._NUMBER
    tomls = [*ROOT.glob("fem/**/*.toml"), *ROOT.glob("scripts/*/*.toml")]
    found = {
        match[1]
        for path in tomls
        for match in re.finditer(rf'"{number}\s+([^"]+)"', path.read_text("utf-8"))
    }
    for path in (*ROOT.glob("fem/**/*.py"), *ROOT.glob("geometries/**/*.py")):
        found |= {*re.findall(r'(?:[Qq]uantity|PropertyOf)\("([^"]*)"', path.read_text("utf-8"))}
    return found


TOGETHER = [
    "mA cm^-2", "mAh/cm2", "mA h cm-2", "J/mol K", "J mol-1 K-1", "1/m2/s", "cm2 s-1", "m**2",
    "mV * um", "g / cm^3", "kg m^-3", "W m-1 K-1", "kJ/mol", "MΩ cm2", "ml/min", "µm^2 %",
]  # fmt: skip


def test_units_of_the_own_table_are_those_of_pint() -> None:
    """Every name with every prefix, products of them, and all that the package itself writes."""
    bare = [*si._DIMENSIONS, *si._ALIASES]
    names = [*bare, *(prefix + name for prefix in si._PREFIXES for name in bare)]
    known = [name for name in names if si.conversion(name, None)]
    assert len(known) > 200
    written = {unit for unit in _written() if not _fails(unit)}
    assert {"mAh/cm^2", "mS/cm", "g/cm^3", "W/m^2/K", "degC", "cm^3/mol"} <= written
    missing = [unit for unit in written if si.conversion(units._spelt(unit), None) is None]
    assert missing == []
    for unit in {*known, *TOGETHER, *written}:
        slope, offset = si.conversion(units._spelt(unit), None) or (math.nan, math.nan)
        expected, zero = units._by_pint(unit, units._spelt(unit), None)
        assert offset == zero and math.isclose(slope, expected, rel_tol=1e-15), unit
        for number in (1.0, 0.4, 30.0, 123.456789):
            shown = [f"{number * k + zero:.15g}" for k in (slope, expected)]
            assert shown[0] == shown[1], unit


def _fails(unit: str) -> bool:
    """No unit at all: a word in a quotation that begins with a number."""
    try:
        units.conversion(unit, None)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("unit", ["lbf", "mile/h", "m^0.5", "J/(mol K)", "kmin", "1^2", "degC/m"])
def test_other_units_are_left_to_pint(unit: str) -> None:
    assert si.conversion(unit, None) is None


def test_a_case_is_checked_without_pint_and_scipy() -> None:
    """They take longer to load than the check takes."""
    script = (
        "import sys\nfrom fem.cli.main import main\n"
        "code = main(['check', 'trilayer_cg'])\n"
        "sys.exit(code or ', '.join({'pint', 'scipy', 'dolfinx'} & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("length", "text"), [
    (1.1e-4, "110 um"), (5e-7, "0.5 um"), (9.9e-8, "99 nm"), (3e-3, "3 mm"), (9.999999e-4, "1 mm"),
    (2.0, "2 m"), (-2.5e-6, "-2.5 um"), (0.0, "0 m"), (1e-6 / 3, "0.333333 um"),
    (math.inf, "inf m"),
])
def test_lengths_are_shown_in_the_unit_users_take(length: float, text: str) -> None:
    assert units.shown_length(length) == text


def test_bounds_are_told_in_units_users_take() -> None:
    with pytest.raises(ValueError, match="must be above 20 um"):
        units.check_range(1e-6, "m", gt=2e-5, le=5e-4)


def test_no_message_speaks_in_metres() -> None:
    """A number before " m" in text for people is a length that `shown_length` should write."""
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for folder in ("fem", "geometries")
        for file in (ROOT / folder).rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r":[.\d]*g\}\)? m[\"., ;:)]", line)
    ]
    assert found == []


def test_a_quantity_of_any_kind_that_overflows_is_refused() -> None:
    with pytest.raises(ValueError, match="'1e308 km' is not finite"):
        parse_any("1e308 km")
