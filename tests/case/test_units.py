from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from fem.units import format_quantity, parse_any, parse_quantity, quantity, unit_of

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
    ("nan m", "not finite"),
    ("inf m", "not finite"),
    ("1e999 m", "not finite"),
    ("-1 um", "must be above 0 m"),
    ("30 umm", "'umm' is unknown"),
    ("um", "does not start with a number"),
    (True, "True is not a quantity"),
    (None, "None is not a quantity"),
    ("9**9**9**9 m", "is not a unit"),
    ("1 m**999999999", "is not a unit"),
    ("1 (m", "is not a unit"),
    ("1 " + "m" * 10000 + "!", "does not start with a number"),
    ("1 __import__('os')", "is not a unit"),
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
