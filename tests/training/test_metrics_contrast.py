"""The contrast test before cement: seen properly, and heeded; on hand-made logs."""

from __future__ import annotations

import pytest

from training import lines as made
from vertebro.training.log import Log
from vertebro.training.metrics import measure
from vertebro.training.score import score

NEEDLE = {
    "breaches": [], "no_go_mm": {}, "entry_error_mm": None, "target_error_mm": 1.0, "angle_error_deg": 0.0,
    "grade": "A", "heary": 1, "anterior_reserve_mm": 8.0, "moment_n_m": 0.0,
}  # fmt: skip


def with_test(
    *, shunt: bool = False, treatment: str | None = "dsa", mask: float | None = 48.0, asked: bool = False
) -> Log:
    """A log with a needle 80 mm deep and a test from 50 to 55 s, a mask at a time, and how the agent was seen."""
    windows = made.load_scenario("first-steps").windows.model_dump() | {"contrast": asked}
    log = made.start(windows=windows)
    made.event(log, 40, "needle moved", needle="left", depth_mm=80.0, blind_mm={"ap": 0.0, "lateral": 0.0})
    if mask is not None:
        made.event(log, mask, "mask taken", plane="ap", after_contrast=mask > 50.0)
    made.act(log, 50, "contrast", needle="left", volume_ml=1.0)
    if treatment is not None:
        made.event(log, 52, "contrast seen", needle="left", plane="ap", treatment=treatment)
    made.event(log, 55, "contrast injected", needle="left", shunt=shunt, outside_share=0.7 if shunt else 0.3)
    return log


def cement(log: Log, t: float = 300.0, *, age: float = 220.0) -> Log:
    made.act(log, t, "inject", needle="left", rate_ml_min=3.0)
    facts = {"age_s": age, "window_s": [200.0, 400.0], "state": "doughy", "findings": NEEDLE}
    made.event(log, t, "injection starts", needle="left", **facts)
    return log


def domain_rule(log: Log) -> dict:
    return next(row for row in score(log.lines)["rules"] if row["id"] == "D5")


@pytest.mark.parametrize(
    ("treatment", "mask", "share"),
    [
        pytest.param("dsa", 48.0, 1.0, id="subtracted"),
        pytest.param("roadmap", 48.0, 1.0, id="over a roadmap"),
        pytest.param("off", 48.0, 0.5, id="among the bones"),
        pytest.param("dsa", 51.0, 0.5, id="mask full of agent"),
        pytest.param("dsa", None, 0.5, id="no mask"),
        pytest.param(None, 48.0, 0.0, id="nobody looked"),
    ],
)
def test_agent_must_be_seen_on_a_mask_from_before_it(treatment: str | None, mask: float | None, share: float) -> None:
    assert measure(with_test(treatment=treatment, mask=mask).lines)["X1"] == share


def test_direct_outflow_that_is_ignored_costs_the_rule() -> None:
    row = domain_rule(cement(with_test(shunt=True)))
    assert row["possible"] == 2.0
    assert row["points"] == 0.0


def test_outflow_that_is_none_needs_no_heed() -> None:
    assert domain_rule(cement(with_test()))["points"] == 2.0


@pytest.mark.parametrize(("way", "heeded"), [(3.0, 1.0), (-4.0, 1.0), (0.5, 0.0)])
def test_needle_moved_before_cement_heeds_it(way: float, heeded: float) -> None:
    log = with_test(shunt=True)
    made.event(log, 60, "needle moved", needle="left", depth_mm=80.0 + way, blind_mm={"ap": 0.0, "lateral": 0.0})
    assert measure(cement(log).lines)["X2"] == heeded


def test_needle_turned_before_cement_heeds_it() -> None:
    log = with_test(shunt=True)
    made.act(log, 60, "rotate", needle="left", convergence_deg=4.0, caudal_deg=0.0)
    assert measure(cement(log).lines)["X2"] == 1.0


def test_needle_moved_only_after_the_first_cement_does_not() -> None:
    log = cement(with_test(shunt=True))
    made.event(log, 400, "needle moved", needle="left", depth_mm=85.0, blind_mm={"ap": 0.0, "lateral": 0.0})
    assert measure(log.lines)["X2"] == 0.0


@pytest.mark.parametrize(("age", "heeded"), [(220.0, 0.0), (310.0, 0.5), (450.0, 0.0)])
def test_thicker_cement_within_its_window_heeds_it_by_half(age: float, heeded: float) -> None:
    assert measure(cement(with_test(shunt=True), age=age).lines)["X2"] == heeded


def test_needle_that_is_given_up_heeds_it() -> None:
    assert measure(with_test(shunt=True).lines)["X2"] == 1.0


def test_second_test_after_a_correction_counts() -> None:
    log = with_test(shunt=True)
    made.event(log, 60, "needle moved", needle="left", depth_mm=84.0, blind_mm={"ap": 0.0, "lateral": 0.0})
    made.act(log, 70, "contrast", needle="left", volume_ml=1.0)
    made.event(log, 72, "contrast seen", needle="left", plane="ap", treatment="dsa")
    made.event(log, 75, "contrast injected", needle="left", shunt=True, outside_share=0.8)
    found = measure(cement(log).lines)
    assert (found["X1"], found["X2"]) == (1.0, 0.0)


def test_test_after_the_first_cement_is_none() -> None:
    log = cement(made.start(), 30.0)
    made.act(log, 50, "contrast", needle="left", volume_ml=1.0)
    made.event(log, 55, "contrast injected", needle="left", shunt=True, outside_share=0.7)
    assert measure(log.lines)["X1"] is None


def test_run_without_a_test_is_rescaled_where_none_was_asked() -> None:
    row = domain_rule(cement(made.start()))
    assert row["possible"] == 0.0
    assert row["share"] is None


def test_run_without_a_test_loses_the_rule_where_the_case_asks() -> None:
    row = domain_rule(cement(made.start(windows=with_test(asked=True).lines[0]["windows"])))
    assert (row["possible"], row["points"]) == (2.0, 0.0)
