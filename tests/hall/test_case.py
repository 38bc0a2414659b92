"""The case codec: exact round trips, errors that name value, place, range and cure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.case import Case
from vertebro.case_text import plain
from vertebro.cases import CASES
from vertebro.errors import CaseError
from vertebro.procedure.gauges import GAUGES


@pytest.mark.parametrize("name", CASES)
def test_every_preset_reads_back_equal(name):
    case = Case.preset(name)
    assert Case.loads(case.dumps()) == case
    assert Case.parse(plain(case)) == case


@pytest.mark.parametrize("name", CASES)
def test_every_preset_lets_the_marrow_resist(name):
    """Cement alone is blind to viscosity (physics.md 7.9): nobody gets that without asking for it."""
    assert Case.preset(name).flow.mode == "two-phase"
    assert Case().flow.mode == "two-phase"


@given(
    volume=st.floats(0.05, 20),
    rate=st.floats(0.05, 30),
    age=st.floats(0, 60),
    venous=st.floats(0, 12),
    temperature=st.floats(0, 60),
)
def test_any_quantity_survives_the_file_exactly(volume, rate, age, venous, temperature):
    case = Case.preset("first-injection").with_settings(
        {
            "steps.0.volume": f"{volume!r} ml" if "e" not in repr(volume) else "1 ml",
            "steps.0.rate": rate * 1e-6 / 60,
            "cement.age_at_start": age * 60,
            "anatomy.venous_pressure": venous * 1000,
            "cement.temperature": temperature + 273.15,
        }
    )
    assert Case.loads(case.dumps()) == case


def test_a_written_case_explains_every_key():
    lines = Case.preset("first-injection").dumps().splitlines()
    keys = [i for i, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(keys) > 30
    assert all(lines[i - 1].startswith("# ") and len(lines[i - 1]) > 4 for i in keys)


@pytest.mark.parametrize(
    ("key", "value", "place", "allowed"),
    [
        ("needles.0.guage", 13, "guage", "gauge"),
        ("steps.0.volume", "300 ml", "steps.0.volume", "0.05 to 20 ml"),
        ("steps.0.volume", "-1 ml", "steps.0.volume", "0.05 to 20 ml"),
        ("steps.0.rate", "0 ml/s", "steps.0.rate", "ml/min"),
        ("steps.0.rate", -5e-8, "steps.0.rate", "ml/min"),
        ("cement.age_at_start", "4 kg", "cement.age_at_start", "min"),
        ("cement.temperature", "80 degC", "cement.temperature", "degC"),
        ("marrow.viscosity", float("nan"), "marrow.viscosity", "Pa.s"),
        ("anatomy.spacing", "3 mm", "anatomy.spacing", "0.4 to 1.5 mm"),
        ("anatomy.bone_fraction", 0.9, "anatomy.bone_fraction", "0.03 to 0.35"),
        ("flow.mode", "magic", "flow.mode", "two-phase"),
        ("imaging.tube_voltage", 400, "imaging.tube_voltage", "40 to 150 kV"),
        ("colour", "red", "colour", "cement"),
        ("seed", -1, "seed", None),
    ],
)
def test_an_impossible_value_is_named_with_its_place_and_range(key, value, place, allowed):
    with pytest.raises(CaseError) as caught:
        Case.preset("first-injection").with_settings({key: value})
    assert place in caught.value.where
    assert caught.value.hint
    if allowed:
        assert allowed in caught.value.allowed


def test_a_misspelt_key_gets_the_close_one():
    with pytest.raises(CaseError, match="did you mean 'gauge'"):
        Case.loads("[[needles]]\nguage = 11\n")


def test_a_misspelt_preset_gets_the_close_one():
    with pytest.raises(CaseError, match="first-injection"):
        Case.preset("frist-injection")


def test_points_need_both_ends():
    with pytest.raises(CaseError, match="entry and tip"):
        Case.preset("first-injection").with_settings({"needles.0.approach": "points"})


def test_no_toml_says_where(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("level = = 3")
    with pytest.raises(CaseError, match="line 1"):
        Case.load(bad)
    with pytest.raises(CaseError, match="cannot read"):
        Case.load(tmp_path / "absent.toml")


def test_replace_takes_dotted_keys_with_underscores():
    case = Case.preset("first-injection").replace(cement__age_at_start="6 min")
    assert case.cement.age_at_start == 360.0


def test_a_hand_is_no_screw_and_gauges_are_those_of_the_table():
    """Both mistakes are found when the case is read, with key, value, range and cure; the drive decides the force."""
    base = Case.preset("first-injection")
    with pytest.raises(CaseError, match="force beyond a hand") as caught:
        base.with_settings({"delivery.force": "900 N"})
    assert (caught.value.value, caught.value.allowed) == ("900 N", "1 to 250 N")
    assert "delivery.force" in caught.value.where
    assert "screw" in caught.value.hint
    assert base.with_settings({"delivery.force": "900 N", "delivery.drive": "screw"}).delivery.force == 900.0
    for gauge in (12, 12.5):
        with pytest.raises(CaseError) as caught:
            base.with_settings({"needles.0.gauge": gauge})
        assert caught.value.allowed == "8, 10, 11, 13 or 15"
    assert [base.with_settings({"needles.0.gauge": g}).needles[0].gauge for g in GAUGES] == list(GAUGES)
