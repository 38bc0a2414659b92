"""Vertebra numbering: both schemes, told apart or refused."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.anatomy import labels
from vertebro.errors import DataError


@pytest.mark.parametrize(
    ("text", "level"),
    [("l1", "L1"), ("L01", "L1"), ("Th12", "T12"), ("vertebrae_L5", "L5"), ("D9", "T9"), ("S1", "S1")],
)
def test_levels_are_read_in_their_usual_spellings(text: str, level: str) -> None:
    assert labels.parse_level(text) == level


@pytest.mark.parametrize("text", ["L9", "", "lumbar", "T0", "31"])
def test_a_word_that_is_no_level_is_refused_with_the_levels(text: str) -> None:
    with pytest.raises(DataError, match="T12"):
        labels.parse_level(text)


@pytest.mark.parametrize(
    ("ids", "scheme"),
    [
        ({29, 30, 31, 32}, "totalsegmentator"),
        (set(range(1, 118)), "totalsegmentator"),
        ({26, 27, 28, 52, 63}, "totalsegmentator"),
        ({20}, "verse"),
        ({19, 20, 21, 22, 23, 24, 26}, "verse"),
        ({21, 22, 23}, "verse"),
    ],
)
def test_the_scheme_is_told_from_the_ids(ids: set[int], scheme: str) -> None:
    assert labels.detect_scheme(ids) == scheme


@pytest.mark.parametrize("ids", [{25, 26}, {26, 27, 28}, {25}, {3, 26}, {200, 201}])
def test_ids_that_fit_both_schemes_or_none_are_refused(ids: set[int]) -> None:
    with pytest.raises(DataError, match="ambiguous") as caught:
        labels.detect_scheme(ids)
    assert "label_scheme" in str(caught.value)


def test_a_named_scheme_settles_an_ambiguous_map() -> None:
    assert labels.find_level({27, 28}, "L5", "totalsegmentator") == (27, "totalsegmentator")
    assert labels.find_level({27, 28}, "T13", "verse") == (28, "verse")


def test_known_ids() -> None:
    """TotalSegmentator v2: 26 S1, 27 L5, 31 L1, 32 T12, 50 C1. VerSe: 1 C1, 19 T12, 20 L1, 24 L5."""
    ts = {level: labels.TOTALSEGMENTATOR[level] for level in ("S1", "L5", "L1", "T12", "C1")}
    assert ts == {"S1": 26, "L5": 27, "L1": 31, "T12": 32, "C1": 50}
    assert [labels.VERSE[level] for level in ("C1", "C7", "T1", "T12", "L1", "L5")] == [1, 7, 8, 19, 20, 24]


def test_the_id_table_agrees_with_the_published_one(shared_data: object) -> None:
    from pathlib import Path

    rows = (Path(str(shared_data)) / "labels_totalsegmentator.csv").read_text().split()[1:]
    published = {name.removeprefix("vertebrae_"): int(n) for n, name in (row.split(",") for row in rows)}
    assert all(published[level] == number for level, number in labels.TOTALSEGMENTATOR.items())


def test_an_absent_level_lists_what_is_there() -> None:
    map_ = np.zeros((4, 4, 4), np.uint8)
    map_[0, 0, :3] = 30, 31, 32
    with pytest.raises(DataError, match="T12, L1, L2"):
        labels.level_id(map_, "L5")


def test_an_empty_map_is_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        labels.level_id(np.zeros((4, 4, 4), np.uint8), "L1")


def test_neighbours_are_above_and_below_in_both_schemes() -> None:
    assert labels.neighbour_ids(31, "totalsegmentator") == (32, 30)
    assert labels.neighbour_ids(20, "verse") == (19, 21)
    assert labels.neighbour_ids(1, "verse")[0] is None
    assert labels.neighbour_ids(26, "totalsegmentator")[1] is None
