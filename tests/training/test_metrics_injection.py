"""Surveillance, blindness, flow and the window, on hand-made logs."""

from __future__ import annotations

import pytest

from training import lines as made
from vertebro.training.metrics import measure
from vertebro.training.metrics_result import window_gap


def test_blind_injection_counts_the_longest_stretch_without_a_fresh_picture() -> None:
    log = made.start()
    made.inject(log, 100, 104, rate=0.1, ages={"ap": 3.0})
    made.inject(log, 110, 112, rate=0.1, ages={"ap": 0.5})
    made.inject(log, 120, 122, rate=0.1, ages={})
    assert measure(log.lines)["I7"] == pytest.approx(0.4)


def test_surveillance_asks_for_lateral_and_ap_alone_does_not_do() -> None:
    log = made.start()
    made.inject(log, 100, 110, ages={"ap": 0.2})
    made.inject(log, 120, 150, ages={"lateral": 0.2})
    found = measure(log.lines)
    assert found["C4"] == pytest.approx(1.0)
    assert found["C4_lateral"] == pytest.approx(0.75)


@pytest.mark.parametrize(("age", "outside"), [(105.0, 0.5), (210.0, 0.0), (480.0, 0.0), (600.0, 0.25)])
def test_start_is_judged_against_the_working_window(age: float, outside: float) -> None:
    log = made.start()
    made.event(log, 100, "injection starts", needle="left", age_s=age, window_s=[210.0, 480.0], state="x", findings={
        "breaches": [], "no_go_mm": {}, "entry_error_mm": None, "target_error_mm": 1.0, "angle_error_deg": 0.0,
        "grade": "A", "heary": 1, "anterior_reserve_mm": 8.0, "moment_n_m": 0.0,
    })  # fmt: skip
    assert measure(log.lines)["C1_outside"] == pytest.approx(outside)


def test_rate_is_that_below_which_nearly_all_cement_went() -> None:
    log = made.start()
    made.inject(log, 100, 198, rate=0.05)
    made.inject(log, 200, 201, rate=0.2)  # 4 % of the volume
    assert measure(log.lines)["C2_p95"] == pytest.approx(3.0)


def test_ignored_alarm_counts_injecting_seconds_only() -> None:
    log = made.start()
    for t in range(5):
        made.row(log, 100 + t, 0.05, 1.0, {}, alarming=t >= 2)
    made.row(log, 110, 0.0, 1.0, {}, alarming=True)
    assert measure(log.lines)["K8_s"] == pytest.approx(3.0)


def test_window_gap_is_none_inside_and_grows_outside() -> None:
    window = (0.15, 0.30)
    assert window_gap(0.2, window) == 0.0
    assert window_gap(0.08, window) == pytest.approx(0.99, abs=0.02)
    assert window_gap(0.45, window) == pytest.approx(1.0)
    assert 0.0 < window_gap(0.33, window) < window_gap(0.36, window) < 1.0


def test_wrong_level_counts_only_when_somebody_was_treated() -> None:
    log = made.start("which-level")
    made.event(log, 1, "answered", question="level", rule="A1", right=False)
    assert measure(log.lines)["K1"] == 0.0
    made.inject(log, 100, 101)
    assert measure(log.lines)["K1"] == 1.0
