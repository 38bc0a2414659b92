"""The verdict and the sentences say what the numbers say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.tissue import LeakKind
from vertebro.view import theme, words


def _leak(kind: str, volume: float = 0.2, onset: float = 30.0) -> dict[str, Any]:
    return {"kind": kind, "volume_ml": volume, "t_leak_s": onset, "t_visible_s": None}


def _summary(*leaks: dict[str, Any], injected: float = 4.0) -> dict[str, Any]:
    return {"volume_injected_ml": injected, "leaks": list(leaks)}


def test_every_leak_kind_has_words() -> None:
    assert set(theme.LEAK_WORDS) == {kind.value for kind in LeakKind}
    assert set(words.GRAVE) < set(theme.LEAK_WORDS)


def test_verdict_without_a_leak() -> None:
    assert words.verdict(_summary()) == "4.0 mL of cement went in, and all of it stayed inside the bone."


def test_verdict_without_cement() -> None:
    assert words.verdict(_summary(injected=0.0)) == "No cement entered the bone."


def test_verdict_names_the_gravest_leak_first() -> None:
    text = words.verdict(_summary(_leak("D", 0.5), _leak("canal", 0.05)))
    assert text == (
        "4.0 mL of cement went in; 0.55 mL leaked: 0.05 mL into the spinal canal and 0.50 mL through an endplate "
        "into the disc."
    )


def test_verdict_adds_up_leaks_of_one_kind() -> None:
    text = words.verdict(_summary(*(_leak(kind) for kind in ("S", "S", "D", "C", "track", "B"))))
    assert "1.2 mL leaked: 0.20 mL through the basivertebral vein" in text
    assert "0.40 mL into a segmental vein" in text
    assert text.endswith("and 0.40 mL by other ways.")


@pytest.mark.parametrize(
    ("kinds", "tone"),
    [((), "calm"), (("D",), "notice"), (("track",), "notice"), (("D", "canal"), "alarm"), (("B",), "alarm")],
)
def test_tone_follows_the_place_of_the_leak(kinds: tuple[str, ...], tone: str) -> None:
    assert words.tone(_summary(*(_leak(kind) for kind in kinds))) == tone


@given(st.lists(st.tuples(st.sampled_from(list(theme.LEAK_WORDS)), st.floats(0.01, 5)), max_size=9))
def test_ordering_loses_no_leak(pairs: list[tuple[str, float]]) -> None:
    summary = _summary(*(_leak(kind, volume) for kind, volume in pairs))
    ordered = words.ordered_leaks(summary)
    assert sorted((leak["kind"], leak["volume_ml"]) for leak in ordered) == sorted(pairs)
    ranks = [leak["kind"] not in words.GRAVE for leak in ordered]
    assert ranks == sorted(ranks)
    assert words.verdict(summary).endswith(".")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (185, "3 min 05 s"), (240, "4 min")]
)
def test_clock(seconds: float, text: str) -> None:
    assert words.clock(seconds) == text


@pytest.mark.parametrize(
    ("volume", "text"), [(0.0, "0.00 mL"), (0.001, "less than 0.005 mL"), (0.214, "0.21 mL"), (4, "4.0 mL")]
)
def test_volumes(volume: float, text: str) -> None:
    assert words.ml(volume) == text


def test_pressures_change_unit_at_a_megapascal() -> None:
    assert words.kpa(999) == "999 kPa"
    assert words.kpa(1500) == "1.50 MPa"


def test_a_leak_that_was_seen_says_when() -> None:
    leak = _leak("S") | {"t_visible_s": 65.0, "position_words": "left of the body"}
    summary = _summary(leak) | {
        "simulated_s": 80.0, "volume_in_body_ml": 3.8, "fill_fraction": 0.2, "body_volume_ml": 20.0,
        "peak_syringe_pressure_kpa": 500.0, "peak_bone_pressure_kpa": 20.0,
    }  # fmt: skip
    facts = {"level": "L1", "cement": "PMMA", "age": "4 min", "needles": "one needle"}
    told = " ".join(words.sentences(summary, facts))
    assert "From 30 s on, cement leaked into a segmental vein (left of the body): 0.20 mL in the end" in told
    assert "it could be seen from 1 min 05 s on" in told
