"""A population: bells, weights, records that only some patients have, packages; and what compares two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vertebro.errors import CaseError
from vertebro.study import Study, clinical_shares, leaked, mean_difference, risk_ratio
from vertebro.study.compare import CLINICAL
from vertebro.study.member import KINDS

CRACK, VOLUME, RADIUS = "anatomy.pathology.1", "steps.0.volume", "anatomy.segmental_radius"
PACKAGES = {
    "thin": {"needles.0.gauge": 13, "steps.0.rate": "2 ml/min"},
    "thick": {"needles.0.gauge": 10, "steps.0.rate": "4 ml/min"},
}


def population(vary: dict[str, Any], samples: int = 400, **more: Any) -> Study:
    return Study.parse({"case": "endplate-crack", "design": "lhs", "samples": samples, "vary": vary} | more)


def test_a_bell_is_a_lognormal_cut_at_its_ends() -> None:
    wish = {"low": "0.3 mm", "high": "0.8 mm", "median": "0.5 mm", "sigma": 0.3, "scale": "log"}
    radius = [p[RADIUS] for p in population({RADIUS: wish}).points()]
    ends = np.log(np.array([0.3, 0.8]) / 0.5) / 0.3
    expected = stats.truncnorm(*ends, loc=np.log(0.5e-3), scale=0.3)
    assert stats.kstest(np.log(radius), expected.cdf).statistic < 2 / 400
    assert 0.3e-3 <= min(radius) < max(radius) <= 0.8e-3


def test_the_width_of_a_straight_bell_is_a_share_of_its_middle() -> None:
    score = [
        p["anatomy.t_score"]
        for p in population(
            {"anatomy.t_score": {"low": -4.2, "high": 3, "median": -2.0, "sigma": 0.25}}, case="first-injection"
        ).points()
    ]
    assert np.mean(score) == pytest.approx(-2.0, abs=0.01)
    assert np.std(score) == pytest.approx(0.5, rel=0.02)


def test_weighted_values_come_as_often_as_they_weigh() -> None:
    level = {"values": ["T12", "L1", "L4"], "weights": [1, 2, 1]}
    found = [p["anatomy.level"] for p in population({"anatomy.level": level}).points()]
    assert [found.count(name) for name in level["values"]] == [100, 200, 100]


def test_a_record_is_there_in_its_share_of_the_members() -> None:
    plan = population({CRACK: {"present": 0.3}, f"{CRACK}.width": {"low": "0.3 mm", "high": "0.9 mm"}})
    kinds = [[record.kind for record in case.anatomy.pathology] for case in plan.cases()]
    assert kinds.count(["wedge", "endplate-crack"]) == 120
    assert kinds.count(["wedge"]) == 280


def test_records_keep_their_numbers_while_earlier_ones_are_missing() -> None:
    plan = population(
        {"anatomy.pathology.0": {"present": 0.5}, CRACK: {"present": 0.5}, f"{CRACK}.width": {"values": ["0.7 mm"]}},
        samples=64,
    )
    found = {tuple(record.kind for record in case.anatomy.pathology) for case in plan.cases()}
    assert found == {(), ("wedge",), ("endplate-crack",), ("wedge", "endplate-crack")}
    widths = {r.width for case in plan.cases() for r in case.anatomy.pathology if r.kind == "endplate-crack"}
    assert widths == {0.7e-3}


def test_a_package_sets_its_keys_together() -> None:
    plan = population({"hand": {"choices": PACKAGES, "weights": [3, 1]}})
    met = [(case.needles[0].gauge, round(case.steps[0].rate * 6e7)) for case in plan.cases()]
    assert met.count((13, 2)) == 300
    assert met.count((10, 4)) == 100
    assert plan.members()[0].settings["hand"] in PACKAGES


def test_a_grid_takes_packages_and_refuses_weights() -> None:
    plan = Study.parse({"vary": {"hand": {"choices": PACKAGES}, VOLUME: {"values": ["1 ml", "2 ml"]}}})
    assert len({(case.needles[0].gauge, case.steps[0].volume) for case in plan.cases()}) == 4
    with pytest.raises(CaseError, match="lhs"):
        Study.parse({"vary": {VOLUME: {"values": ["1 ml", "2 ml"], "weights": [1, 2]}}})


@pytest.mark.parametrize(
    ("vary", "word"),
    [
        ({RADIUS: {"low": "0.3 mm", "high": "0.8 mm", "median": "0.5 mm"}}, "sigma"),
        ({RADIUS: {"median": "0.5 mm", "sigma": 0.2}}, "either"),
        ({RADIUS: {"low": "0.3 mm", "high": "0.8 mm", "median": "0.9 mm", "sigma": 0.2}}, "middle"),
        ({VOLUME: {"values": ["1 ml"], "weights": [1, 2]}}, "one for each"),
        ({VOLUME: {"values": ["1 ml", "2 ml"], "weights": [1, 0]}}, "greater than 0"),
        ({"anatomy.pathology.7": {"present": 0.5}}, "no such entry"),
        ({"anatomy.level": {"present": 0.5}}, "no such entry"),
        ({CRACK: {"present": 1.0}}, "less than 1"),
        ({"hand": {"choices": {"a": {"needles.0.gouge": 13}}}}, "gouge"),
        ({"hand": {"choices": PACKAGES}, "needles.0.gauge": {"values": [11]}}, "both fixed and varied"),
    ],
)
def test_an_impossible_population_names_the_mistake(vary: dict[str, Any], word: str) -> None:
    with pytest.raises(CaseError) as caught:
        population(vary, samples=4).cases()
    assert word in str(caught.value)


def rows(**volumes: list[float]) -> pd.DataFrame:
    count = len(next(iter(volumes.values())))
    return pd.DataFrame(
        {"status": ["finished"] * count} | {f"leak_{k}_ml": volumes.get(k, [0.0] * count) for k in KINDS}
    )


def test_clinical_groups_join_what_left_by_one_way() -> None:
    table = rows(S=[0.0, 0.1, 0.0, 0.0], embolus=[0.2, 0.0, 0.0, 0.0], canal=[0.0, 0.0, 0.3, 0.0])
    assert leaked(table, "S").tolist() == [True, True, False, False]
    shares = clinical_shares(table)
    assert {group: shares[group][0] for group in ("B", "S", "C", "D", "any")} == {
        "B": 0.0, "S": 0.5, "C": 0.25, "D": 0.0, "any": 0.75,
    }  # fmt: skip
    assert clinical_shares(table, threshold=0.15)["S"][0] == 0.25
    with pytest.raises(CaseError, match="unknown group"):
        leaked(table, "Z")


def test_a_risk_ratio_covers_the_truth_and_pairs_make_it_sharper() -> None:
    generator = np.random.default_rng(3)
    other = generator.random(300) < 0.6
    one = other & (generator.random(300) < 0.5)
    loose, tight = risk_ratio(one, other), risk_ratio(one, other, paired=True)
    assert loose[0] == tight[0] == pytest.approx(0.5, abs=0.08)
    assert loose[1] < 0.5 < loose[2]
    assert tight[2] - tight[1] < loose[2] - loose[1]
    with pytest.raises(CaseError, match="pairs"):
        risk_ratio(one, other[:-1], paired=True)


def test_a_ratio_to_nobody_is_wide() -> None:
    """10 of 100 against 0 of 100: nobody can tell 2 from 200."""
    some, nobody = np.arange(100) < 10, np.zeros(100, bool)
    ratio, low, high = risk_ratio(some, nobody)
    assert ratio == pytest.approx(21.0)
    assert low < 2.0
    assert high > 200.0


@pytest.mark.parametrize("paired", [False, True])
def test_intervals_of_ratios_hold_the_truth_as_often_as_they_say(paired: bool) -> None:
    generator, held = np.random.default_rng(7), 0
    for _ in range(400):
        other = generator.random(60) < 0.5
        one = other & (generator.random(60) < 0.6) if paired else generator.random(60) < 0.3
        _, low, high = risk_ratio(one, other, paired=paired)
        held += low < 0.6 < high
    assert 0.92 <= held / 400 <= 0.99


def test_a_difference_of_means_is_welchs() -> None:
    found = mean_difference(np.array([4.0, 5.0, 6.0]), np.array([1.0, 2.0, 3.0]))
    assert found[0] == pytest.approx(3.0)
    assert found[1] == pytest.approx(3.0 - stats.t.ppf(0.975, 4) * np.sqrt(2 / 3))
    assert np.isnan(mean_difference(np.array([1.0]), np.array([1.0, 2.0]))).all()


def test_clinical_groups_are_made_of_kinds_a_member_reports() -> None:
    assert {kind for kinds in CLINICAL.values() for kind in kinds} <= set(KINDS)
