"""The headline: a leak's three times, and what the operator could have known."""

from __future__ import annotations

import pytest

from training import lines as made
from vertebro.training.metrics import METRICS, measure
from vertebro.training.metrics_reaction import leak_table


def test_leak_that_never_showed_is_hidden_and_no_reaction_is_asked_for() -> None:
    log = made.start()
    made.leak(log, 105, volume=0.4)
    made.inject(log, 100, 130)
    (leak,) = leak_table(log.lines)
    assert leak["t_visible_s"] is None
    assert leak["hidden_ml"] == pytest.approx(0.4)
    metrics = measure(log.lines)
    assert metrics["L3"] is None
    assert metrics["L4"] is None
    assert metrics["K4"] == 0.0


def test_volume_after_visible_is_rate_times_the_time_to_the_stop() -> None:
    log = made.start()
    made.leak(log, 105)
    made.visible(log, 110, volume=0.05)
    made.inject(log, 100, 114, rate=0.05)
    (leak,) = leak_table(log.lines)
    assert leak["while_injecting"]
    assert leak["reaction_s"] == pytest.approx(4.0)
    assert leak["after_visible_ml"] == pytest.approx(4 * 0.05)
    assert leak["hidden_ml"] == pytest.approx(0.05)


def test_leak_seen_after_the_injection_is_no_late_reaction() -> None:
    log = made.start()
    made.inject(log, 100, 110)
    made.leak(log, 108)
    made.visible(log, 130)
    assert measure(log.lines)["L4"] is None


@pytest.mark.parametrize(
    ("region", "seconds", "grave"), [("disc", 20, 0.0), ("canal", 4, 0.0), ("canal", 6, 1.0), ("vein", 20, 1.0)]
)
def test_only_grave_places_make_a_late_stop_a_critical_error(region: str, seconds: int, grave: float) -> None:
    log = made.start()
    made.leak(log, 105, region=region)
    made.visible(log, 110, region=region)
    made.inject(log, 100, 110 + seconds, rate=0.02)
    assert measure(log.lines)["K4"] == grave


@pytest.mark.parametrize(("again", "look", "share"), [(150, 145, 1.0), (150, None, 2 / 3), (120, None, 1 / 3)])
def test_leak_drill_is_stop_wait_and_look(again: float, look: float | None, share: float) -> None:
    log = made.start()
    made.leak(log, 105)
    made.visible(log, 108)
    made.inject(log, 100, 110)
    if look is not None:
        made.event(log, look, "beam on", plane="lateral")
    made.inject(log, again, again + 5)
    assert measure(log.lines)["L5"] == pytest.approx(share)


def test_reading_counts_missed_and_invented_leaks() -> None:
    def reading(*named: str) -> float | None:
        log = made.start()
        made.leak(log, 105, key=1, region="disc", volume=0.3)
        made.leak(log, 106, key=2, region="canal", volume=0.2)
        made.event(log, 300, "leaks reported", leaks=list(named))
        return measure(log.lines)["L7"]

    assert reading("canal", "disc") == 1.0
    assert reading("disc") == pytest.approx(0.5 * (0.5 + 1.0))
    assert reading("foramen", "vein") == 0.0
    assert measure(made.start().lines)["L7"] is None


def test_every_metric_of_the_dictionary_is_measured_and_no_other() -> None:
    log = made.start()
    made.inject(log, 100, 110)
    assert list(measure(log.lines)) == list(METRICS)
