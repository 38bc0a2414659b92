"""Quantities at the border: read exactly, written exactly, refused with a reason."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro import units
from vertebro.errors import CaseError

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)


@given(value=FINITE, unit=st.sampled_from(sorted(units.UNITS)))
def test_a_shown_value_reads_back_as_the_same_number(value: float, unit: str) -> None:
    assert units.parse(units.show(value, unit), units.UNITS[unit][0]) == value


@given(value=st.decimals(min_value=-10_000, max_value=10_000, places=3), unit=st.sampled_from(sorted(units.UNITS)))
def test_a_typed_text_survives_reading_and_showing(value: float, unit: str) -> None:
    """What a person types with three decimals comes back as the same number in the same unit."""
    number = units.parse(f"{value} {unit}", units.UNITS[unit][0])
    assert units.parse(units.show(number, unit), units.UNITS[unit][0]) == number
    assert units.show(number, unit).split()[1] == unit


@pytest.mark.parametrize(
    ("text", "dimension", "expected"),
    [
        ("3 ml", "m^3", 3e-6),
        ("3ml", "m^3", 3e-6),
        ("0.1 ml/s", "m^3/s", 1e-7),
        ("3 ml/min", "m^3/s", 5e-8),
        ("1.2 MPa", "Pa", 1.2e6),
        ("37 degC", "K", 310.15),
        ("-.5e1 mm", "m", -5e-3),
        ("90 deg", "rad", math.pi / 2),
        ("40 %", "1", 0.4),
        ("12", "s", 12.0),
        (12, "s", 12.0),
    ],
)
def test_texts_people_type_mean_what_they_say(text: str | float, dimension: str, expected: float) -> None:
    assert math.isclose(units.parse(text, dimension), expected, rel_tol=1e-15)


@pytest.mark.parametrize("text", ["3 ml", "three", "", "3 4", "nan", "inf Pa", "1e999 Pa", "3 pa", "0x10 Pa", "1,5 Pa"])
def test_what_is_no_pressure_is_refused_with_place_and_cure(text: str) -> None:
    with pytest.raises(CaseError) as caught:
        units.parse(text, "Pa", where="injector.pressure")
    assert caught.value.where == "injector.pressure"
    assert "kPa" in (caught.value.allowed or "")


@pytest.mark.parametrize("value", [True, None, [3], float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(CaseError):
        units.parse(value, "s")  # type: ignore[arg-type]


def test_unit_table_agrees_with_the_scale_names() -> None:
    """``3 * ml`` and ``"3 ml"`` are the same volume for every unit that has a scale name."""
    for name, (_, factor) in units.UNITS.items():
        scale = getattr(units, name.replace(".", "_"), None)
        assert scale is None or scale == factor, name
