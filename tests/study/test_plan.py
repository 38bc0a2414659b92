"""A study file becomes members: the designs, their ranges and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.study import Study

VOLUME, MARROW = "steps.0.volume", "marrow.viscosity"


def study(**more: Any) -> Study:
    return Study.parse({"case": "first-injection", **more})


def ranges(design: str, samples: int, **more: Any) -> Study:
    vary = {
        VOLUME: {"low": "1 ml", "high": "9 ml"},
        MARROW: {"low": "0.05 Pa.s", "high": "50 Pa.s", "scale": "log"},
    }
    return study(design=design, samples=samples, vary=vary, **more)


def test_a_grid_meets_every_combination_and_patient() -> None:
    plan = study(vary={VOLUME: {"values": ["2 ml", "4 ml"]}, "needles.0.gauge": {"values": [11, 13]}}, patients=3)
    members = plan.members()
    assert len(members) == 12
    assert [m.settings["seed"] for m in members[:4]] == [1, 2, 3, 1]
    met = {(m.settings[VOLUME], m.settings["needles.0.gauge"]) for m in members}
    assert met == {(2e-6, 11), (2e-6, 13), (4e-6, 11), (4e-6, 13)}


def test_a_list_goes_through_its_columns_together() -> None:
    plan = study(design="list", vary={VOLUME: {"values": [2e-6, 4e-6]}, "seed": {"values": [7, 9]}})
    assert [(case.steps[0].volume, case.seed) for case in plan.cases()] == [(2e-6, 7), (4e-6, 9)]


def test_a_latin_hypercube_meets_every_slice_once_in_si() -> None:
    points = ranges("lhs", 16).points()
    volume = np.sort([p[VOLUME] for p in points])
    np.testing.assert_array_equal(np.floor((volume - 1e-6) / (8e-6 / 16)), np.arange(16))
    marrow = np.sort([np.log10(p[MARROW] / 0.05) for p in points])
    np.testing.assert_array_equal(np.floor(marrow / (3 / 16)), np.arange(16))


def test_each_member_can_be_a_new_patient() -> None:
    seeds = [m.settings["seed"] for m in ranges("lhs", 8, patients="each").members()]
    assert seeds == list(range(1, 9))


def test_saltelli_has_samples_times_settings_plus_two() -> None:
    points = ranges("sobol", 8).points()
    assert len(points) == 8 * 4
    assert all(1e-6 <= p[VOLUME] <= 9e-6 and 0.05 <= p[MARROW] <= 50 for p in points)
    first, last = points[0], points[3]  # a block goes from A to B, one setting at a time
    assert first[VOLUME] == points[2][VOLUME]
    assert first[MARROW] == points[1][MARROW]
    assert last[VOLUME] != first[VOLUME]


def test_whole_numbers_stay_whole_and_reach_both_ends() -> None:
    plan = study(design="lhs", samples=64, vary={"seed": {"low": 1, "high": 4}})
    assert {p["seed"] for p in plan.points()} == {1, 2, 3, 4}


def test_the_same_seed_gives_the_same_design() -> None:
    assert ranges("lhs", 8).points() == ranges("lhs", 8).points()
    assert ranges("lhs", 8).points() != ranges("lhs", 8, seed=2).points()


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"vary": {"steps.0.volum": {"values": [1]}}}, "volum"),
        ({"vary": {VOLUME: {"values": ["300 ml"]}}}, "0.05 to 20 ml"),
        ({"vary": {VOLUME: {"low": "1 ml", "high": "300 ml"}}, "design": "lhs"}, "0.05 to 20 ml"),
        ({"vary": {VOLUME: {"low": "4 ml", "high": "1 ml"}}, "design": "lhs"}, "empty range"),
        ({"vary": {VOLUME: {"low": "1 ml"}}, "design": "lhs"}, "either"),
        ({"vary": {VOLUME: {"low": "1 ml", "high": "2 ml"}}}, "values"),
        ({"vary": {VOLUME: {"values": [1e-6]}}, "set": {VOLUME: 1e-6}}, "both fixed"),
        ({"vary": {VOLUME: {"low": "1 ml", "high": "2 ml"}}, "design": "sobol"}, "two settings"),
        ({"vary": {"title": {"low": "a", "high": "b"}}, "design": "lhs"}, "not a number"),
        ({"design": "random"}, "design"),
        ({"patients": 0}, "patients"),
        ({"case": "no-such-case"}, "no-such-case"),
        ({"wary": {}}, "wary"),
        ({"vary": {VOLUME: {"values": []}}}, "values without any entry"),
        ({"vary": {VOLUME: {"values": [1e-6], "lo": 2}}}, "weights"),
        ({"vary": {VOLUME: {"values": [float("nan")]}}}, "finite"),
        ({"vary": {VOLUME: [1e-6, 2e-6]}}, "{ values = [...] }"),
        ({"vary": {VOLUME: {"values": ["1 Pa.s"]}}}, f"vary.{VOLUME}"),
        ({"vary": {}, "set": {VOLUME: "300 ml"}}, f"set.{VOLUME}"),
    ],
)  # fmt: skip
def test_an_impossible_study_names_the_mistake(more: dict[str, Any], word: str) -> None:
    with pytest.raises(CaseError) as caught:
        study(**more).cases()
    assert word in str(caught.value)


def test_a_sobol_size_must_be_a_power_of_two() -> None:
    with pytest.raises(CaseError, match="power of two"):
        ranges("sobol", 12)
