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


def _heights(scheme: str, levels: list[str], pitch: float = 0.03) -> dict[int, float]:
    """Middles of some levels, the first at the top."""
    return {labels.SCHEMES[scheme][level]: -pitch * n for n, level in enumerate(levels)}


LUMBAR = ["T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"]


@pytest.mark.parametrize("scheme", ["totalsegmentator", "totalsegmentator-v1", "verse"])
def test_the_order_along_the_spine_tells_the_numberings_apart(scheme: str) -> None:
    """Ids 18 to 25 are L5 to T10 in TotalSegmentator 1 and T11 to L6 in VerSe: opposite directions."""
    heights = _heights(scheme, LUMBAR)
    assert labels.detect_scheme(list(heights), heights) == scheme
    assert labels.find_level(list(heights), "L1", "auto", heights)[0] == labels.SCHEMES[scheme]["L1"]


def test_a_sub_region_map_is_no_vertebra_map() -> None:
    """Arch, processes and body of one vertebra lie within 30 mm: they cannot be T9 to C1 of a spine."""
    heights = {41: 0.002, 42: -0.012, 43: 0.001, 44: 0.001, 45: 0.012, 46: 0.011, 47: -0.014, 48: -0.013, 49: 0.0}
    with pytest.raises(DataError, match="subregions"):
        labels.find_level(list(heights), "T3", "auto", heights)


def test_a_named_scheme_against_the_order_is_refused() -> None:
    heights = _heights("verse", LUMBAR)
    with pytest.raises(DataError, match="head to foot"):
        labels.find_level(list(heights), "L3", "totalsegmentator-v1", heights)


def test_what_spineps_adds_to_a_verse_map_does_not_confuse() -> None:
    """Discs 100 + n, endplates 200 + n, sacrum 26, ribs 32 + n in one map with the vertebrae."""
    ids = {19, 20, 21, 22, 26, 119, 120, 121, 219, 220, 319, 51, 52}
    assert labels.detect_scheme(ids) == "verse"


def test_supernumerary_vertebrae_are_neighbours_where_they_exist() -> None:
    assert labels.neighbour_ids(24, "verse", [23, 24, 25, 26]) == (23, 25)
    assert labels.neighbour_ids(24, "verse", [23, 24, 26]) == (23, 26)
    assert labels.neighbour_ids(20, "verse", [19, 28, 20]) == (28, 21)
    assert labels.neighbour_ids(28, "verse", [19, 28, 20]) == (19, 20)
    assert labels.neighbour_ids(27, "totalsegmentator", [25, 27, 28]) == (28, 25)
    assert labels.neighbour_ids(18, "totalsegmentator-v1", [18, 19, 92]) == (19, 92)


def test_the_whole_published_table_is_ours(shared_data: object) -> None:
    from pathlib import Path

    from vertebro.anatomy.label_tables import TOTAL_1, TOTAL_2, organ_ids
    from vertebro.tissue import Organ

    rows = (Path(str(shared_data)) / "labels_totalsegmentator.csv").read_text().split()[1:]
    published = {int(n): name for n, name in (row.split(",") for row in rows)}
    assert all(published[number] == name for number, name in TOTAL_2.items())
    assert (len(TOTAL_2), len(TOTAL_1)) == (116, 104)
    assert [TOTAL_1[n] for n in (7, 18, 41, 57, 81, 92)] == [
        "aorta", "vertebrae_L5", "vertebrae_C1", "colon", "rib_right_12", "sacrum",
    ]  # fmt: skip
    for scheme, number, organ in (
        ("totalsegmentator", 52, Organ.ARTERY),
        ("totalsegmentator", 63, Organ.VEIN),
        ("totalsegmentator", 2, Organ.KIDNEY),
        ("totalsegmentator-v1", 7, Organ.ARTERY),
        ("totalsegmentator-v1", 49, Organ.ARTERY),
        ("totalsegmentator-v1", 13, Organ.LUNG),
    ):
        assert organ_ids(scheme)[number] is organ
    assert 31 not in organ_ids("totalsegmentator")


def test_a_folder_of_masks_is_one_map(tmp_path: object) -> None:
    from pathlib import Path

    from anatomy import ct_phantom as phantom
    from vertebro.anatomy.label_folder import read_labels

    folder, affine = Path(str(tmp_path)), np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = 5.0
    for n, name in enumerate(("vertebrae_L1", "vertebrae_L2", "aorta", "gluteus_maximus_left", "notes_of_mine")):
        mask = np.zeros((12, 12, 12), np.uint8)
        mask[2 * n : 2 * n + 3] = 1
        phantom.write(folder / f"{name}.nii.gz", mask, affine)
    volume = read_labels(folder)
    assert set(np.unique(volume.data)) == {0, 31, 30, 52}
    assert np.all(volume.data[4] == 30)  # where masks overlap, a vertebra wins
    phantom.write(folder / "vertebrae_L3.nii.gz", np.ones((10, 12, 12), np.uint8), affine)
    with pytest.raises(DataError, match="different grids"):
        read_labels(folder)
