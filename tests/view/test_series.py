"""The leaflet's five pictures: the right moment, the right side, the needle where the words say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vertebro.record import Run
from vertebro.tissue import Compartment
from vertebro.view import leaflet_series
from vertebro.view.series import SIDE, SeriesPicture, early_moment, station

NAMES = ["needle-arch", "needle-body", "before", "after", "cement-3d"]


@pytest.fixture(scope="module")
def piercing(small_run: Run) -> Run:
    """The run with small pictures and its needle through the middle of the left pedicle."""
    pedicle, needle = small_run.anatomy.landmarks.pedicle_left, small_run.scene.needles[0]
    assert pedicle is not None
    straight = replace(needle, entry=needle.tip + 5.0 * (pedicle.centre - needle.tip))
    return replace(small_run, scene=replace(small_run.scene, needles=(straight,)))


@pytest.fixture(scope="module")
def series(piercing: Run) -> dict[str, SeriesPicture]:
    """The pictures of the invented run by name; flat where there is no OpenGL."""
    return {picture.name: picture for picture in leaflet_series(piercing)}


def test_five_pictures_with_words(series: dict[str, SeriesPicture]) -> None:
    assert list(series) == NAMES
    for picture in series.values():
        assert picture.image.dtype == np.uint8
        assert picture.image.ndim == 3
        assert picture.image.shape[2] == 3
        assert picture.alt.endswith(".")
        assert picture.caption.endswith(".")


def test_first_the_tip_is_in_the_pedicle_then_in_the_body(piercing: Run) -> None:
    place, needle, anatomy = station(piercing), piercing.scene.needles[0], piercing.anatomy
    tip = needle.tip + place.back[0] * (needle.entry - needle.tip) / needle.length
    assert place.in_arch
    index = tuple(np.rint(anatomy.grid.index(tip)).astype(int))
    assert anatomy.compartment[index] == Compartment.ARCH
    pedicle = anatomy.landmarks.pedicle_left
    assert pedicle is not None
    assert np.linalg.norm(tip - pedicle.centre) < 0.5e-3
    assert anatomy.compartment[tuple(np.rint(anatomy.grid.index(needle.tip)).astype(int))] == Compartment.BODY


def test_a_needle_that_misses_the_pedicles_is_shown_half_way(small_run: Run) -> None:
    place = station(small_run)
    assert not place.in_arch
    assert 0 < place.back[0] < small_run.scene.needles[0].length
    assert "half-way through the bone" in leaflet_series(small_run)[0].caption


def test_the_left_needle_is_on_the_viewer_s_right_from_behind_in_the_ap_frame(series: dict[str, SeriesPicture]) -> None:
    """The two needle pictures differ where the shaft moved: between pedicle and body, left of the patient's middle."""
    first, second = (series[name].image[:, :SIDE, 0].astype(int) for name in NAMES[:2])
    darker = np.argwhere(first - second > 60)
    assert len(darker) > 20
    middle = darker[:, 1].mean()
    assert SIDE / 2 < middle < 0.75 * SIDE  # the needle comes from the patient's left to just left of the middle


def test_after_is_whiter_than_before_only_where_the_cement_is(series: dict[str, SeriesPicture]) -> None:
    before, after = (series[name].image[:, :SIDE, 0].astype(int) for name in ("before", "after"))
    whiter = (after - before > 120).mean()
    assert 0.005 < whiter < 0.25
    assert (before - after > 120).mean() < 1e-3


def test_the_last_picture_shows_about_a_quarter_of_the_cement(run: Run) -> None:
    volume = run.saturation.sum(axis=(1, 2, 3))
    share = volume[run.index_at(early_moment(run))] / volume[-1]
    assert 0.05 < share < 0.5


def test_a_run_without_needles_has_its_ct_alone(run: Run) -> None:
    bare = replace(run, scene=replace(run.scene, needles=(), placements=()))
    assert [picture.name for picture in leaflet_series(bare)] == ["before", "after"]
