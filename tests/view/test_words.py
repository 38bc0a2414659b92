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


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.0004, "less than 0.1 %"), (0.031, "3.1 %"), (0.223, "22 %"), (-0.02, "-2.0 %")]
)
def test_shares(share: float, text: str) -> None:
    assert words.percent(share) == text


def test_pressures_change_unit_at_a_megapascal() -> None:
    assert words.kpa(999) == "999 kPa"
    assert words.kpa(1500) == "1.50 MPa"


def _whole(*leaks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _summary(*leaks) | {
        "simulated_s": 80.0, "volume_in_body_ml": 3.8, "fill_fraction": 0.2, "body_volume_ml": 20.0,
        "peak_syringe_pressure_kpa": 500.0, "peak_bone_pressure_kpa": 20.0, **more,
    }  # fmt: skip


def test_a_leak_that_was_seen_says_when() -> None:
    leak = _leak("S") | {"t_visible_s": 65.0, "position_words": "left of the body"}
    told = dict(words.findings(_whole(leak), "L1"))
    assert told["Leaks"] == (
        "From 30 s on, cement leaked into a segmental vein (left of the body): 0.20 mL in the end; it could be seen "
        "from 1 min 05 s on."
    )
    assert told["Seen or hidden"] == "Every leak shows on a stored frame, 35 s after it began at the latest."


def test_findings_tell_what_nobody_saw() -> None:
    seen = _leak("S") | {"t_visible_s": 65.0}
    for leaks, text in (
        ([_leak("D", 0.3)], "The leak shows on no stored frame: 0.30 mL went unseen."),
        ([_leak("D", 0.3), _leak("S")], "None of the 2 leaks shows on a stored frame: 0.50 mL went unseen."),
        ([_leak("D", 0.3), seen], "1 of 2 leaks show on a stored frame; 0.30 mL went unseen."),
    ):
        assert dict(words.findings(_whole(*leaks), "L1"))["Seen or hidden"] == text
    assert "Seen or hidden" not in dict(words.findings(_whole(), "L1"))


def test_many_leaks_are_counted_after_the_fourth() -> None:
    told = dict(words.findings(_whole(*(_leak("S", 0.1 * n) for n in range(1, 7))), "L1"))["Leaks"]
    assert told.count("From 30 s on") == 4
    assert told.endswith("2 more leaks in the table below.")


@pytest.mark.parametrize(("dose", "judged"), [(0.1, "below"), (2.5, "above")])
def test_heat_near_nerves_is_judged_by_its_dose(dose: float, judged: str) -> None:
    heat = {
        "peak_c": {"cement": 95.2, "interface": 58.0, "canal": 38.0, "foramen_right": 44.0},
        "cem43_min": {"canal": 0.0, "foramen_right": dose}, "nerve_dose_limit_min": 2.0,
    }  # fmt: skip
    told = dict(words.findings(_whole(peak_temperature_c=95.2, heat=heat), "L1"))["Heat"]
    assert told == (
        f"The cement reached 95 °C, the bone beside it 58 °C. Near nerves it was 44.0 °C at most (right foramen), "
        f"{judged} the thermal dose that harms nerves."
    )


def test_opening_names_bone_cement_and_needles() -> None:
    facts = {"level": "S1", "cement": "PMMA", "age": "4 min", "needles": "2 needles (left 13 G, right 13 G)"}
    told = words.opening(_whole(), facts)
    assert told == (
        "In a simulated sacrum, PMMA was injected through 2 needles (left 13 G, right 13 G), starting 4 min after "
        "mixing and taking 1 min 20 s."
    )
    assert "At the end 3.8 mL lay in the bone, 20 % of its 20.0 mL." in dict(words.findings(_whole(), "S1"))["Filling"]


def test_places_read_like_language() -> None:
    assert [words.place_words(name) for name in ("foramen_right", "disc_superior", "canal", "vein_segmental")] == [
        "right foramen", "upper disc", "canal", "vein segmental",
    ]  # fmt: skip
